package integration

import (
	"context"
	"database/sql"
	"fmt"
	"net/http"
	"net/url"
	"regexp"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/musterhq/muster/client"
	"github.com/musterhq/muster/internal/testenv"
)

const databasePassword = "pa55word-of-the-database"

// account gives the stack's database an account with a password, and returns the address with it.
func account(t testing.TB, s *stack) string {
	t.Helper()
	u, err := url.Parse(s.database)
	if err != nil {
		t.Fatal(err)
	}
	cfg := mysql.NewConfig()
	cfg.Net, cfg.Addr, cfg.User = "tcp", u.Host, u.User.Username()
	cfg.Passwd, _ = u.User.Password()
	db, err := sql.Open("mysql", cfg.FormatDSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_, _ = db.ExecContext(context.Background(), "DROP USER IF EXISTS 'm"+u.Path[1:]+"'@'%'")
		_ = db.Close()
	})
	for _, statement := range []string{
		"CREATE USER 'm" + u.Path[1:] + "'@'%' IDENTIFIED BY '" + databasePassword + "'",
		"GRANT ALL ON " + u.Path[1:] + ".* TO 'm" + u.Path[1:] + "'@'%'",
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
	u.User = url.UserPassword("m"+u.Path[1:], databasePassword)
	u.RawQuery = "timeout=5s"
	return u.String()
}

// personal is what no log may hold: any e-mail address, the made-up phone numbers, passwords, also in an address, and the
// names and keys of the tests.
var personal = regexp.MustCompile(`[\w.+-]+@[\w.-]+\.[A-Za-z]{2,}|://[^/\s:@]*:[^*@/\s]+@|\+999\d|\+44\d|pa55word|Ada|Byron|Łódź|[Kk]ey[- ]of[- ]|search-term`)

// checkPrivate fails the test when the log of a process holds something personal. It is called when the process ends.
func (p *proc) checkPrivate() {
	log := p.log.String()
	if at := personal.FindStringIndex(log); at != nil {
		p.t.Errorf("the log of the %s holds %q: …%s…", p.name, log[at[0]:at[1]], log[max(0, at[0]-200):min(len(log), at[1]+50)])
	}
}

// Whatever happens, logs hold no personal data and no secret. The log level is debug, at which most is logged.
func TestLogsHoldNothingPersonalAndNoSecret(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		database := account(t, s)
		port, err := testenv.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		api := s.api("MUSTER_DATABASE="+database, "MUSTER_ADMIN_PASSWORD=pa55word-of-the-admin", fmt.Sprintf("MUSTER_ADMIN_ADDR=127.0.0.1:%d", port))
		worker := s.workers(1, "MUSTER_DATABASE="+database)[0]
		c := open(t, api)

		v := api.must("POST", "/users/import/async?count=2000&seed=1", "caller-of-the-import", http.StatusAccepted, "Idempotency-Key", "key-of-the-import")
		api.follow(v.JobID, "caller-of-the-import", time.Minute)
		u := create(t, c)
		requests(t, api, u.ID)
		resp, err := client.Check(c.ExportUsers(t.Context(), &client.ExportUsersParams{}))
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close() // in the middle of the export
		_ = s.redis.Kill()    // errors with addresses
		_, _ = api.call("POST", "/import/bulk?count=1", "caller-of-the-import")
		wrong := s.start("worker", "MUSTER_DATABASE="+strings.Replace(database, databasePassword, "pa55word-that-is-wrong", 1))
		select {
		case <-wrong.done:
		case <-time.After(20 * time.Second):
		}
		for name, p := range map[string]*proc{"api": api, "worker": worker, "worker without access": wrong} {
			log := p.log.String()
			if len(log) < 100 {
				t.Errorf("%s logged next to nothing: %q", name, log)
			}
		}
	})
}

// requests are good and bad ones, all with something personal in them.
func requests(t testing.TB, api *proc, id int64) {
	t.Helper()
	for _, r := range []struct{ method, path, body string }{
		{"GET", "/users/search?name=search-term&email=ada@example.com&city=%C5%81%C3%B3d%C5%BA", ""},
		{"GET", "/users/search?sortBy=ada@example.com&after=ada@example.com", ""},
		{"GET", "/users/ada@example.com", ""},
		{"GET", "/export/stream?name=Ada&format=ada@example.com", ""},
		{"POST", "/users", `{"firstName":"Ada","lastName":"Byron","email":"ada@example.com","age":"search-term","gender":"x"}`},
		{"POST", "/users", `{"firstName":"Ada","email":"ada@example.com"`},
		{"POST", "/users", `{"firstName":"Ada` + "\x00" + `","email":"ada@example.com","age":3,"gender":"Male"}`},
		{"PATCH", fmt.Sprintf("/users/%d", id), `{"email":"ada@example.org","ada@example.com":1}`},
		{"PUT", fmt.Sprintf("/users/%d", id), `{"firstName":"Ada","lastName":"Byron","email":"ada@example.org","age":36,"gender":"Female"}`},
		{"GET", "/ada@example.com/no/route", ""},
	} {
		req, err := http.NewRequestWithContext(t.Context(), r.method, api.base+r.path, strings.NewReader(r.body))
		if err != nil {
			t.Fatal(err)
		}
		req.Header.Set("Content-Type", "application/json")
		resp, err := http.DefaultClient.Do(req)
		if err != nil {
			t.Fatal(err)
		}
		_ = resp.Body.Close()
	}
}
