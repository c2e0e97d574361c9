package store_test

import (
	"bufio"
	"cmp"
	"database/sql"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/url"
	"os"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"

	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/storetest"
)

// Each migration above MUSTER_UPGRADE_FROM (6, the first with all indexes of users) is made on a table of MUSTER_UPGRADE_USERS
// users, while others read, search, write and import at a steady rate. It prints docs/operations.md's table: how long each takes,
// by which algorithm of the server, and the longest that a reader and a writer waited meanwhile.
func TestMigrationsUnderLoad(t *testing.T) {
	users, err := strconv.Atoi(os.Getenv("MUSTER_UPGRADE_USERS"))
	if err != nil {
		t.Skip("it is a measurement: MUSTER_UPGRADE_USERS=3000000 go test -run MigrationsUnderLoad -v -timeout 2h ./internal/store")
	}
	from, _ := strconv.ParseInt(cmp.Or(os.Getenv("MUSTER_UPGRADE_FROM"), "6"), 10, 64)
	for _, e := range storetest.Engines(t) {
		if e.Name == "sqlite" {
			continue
		}
		t.Run(e.Name, func(t *testing.T) {
			algorithms := algorithmsOf(t, e)
			target := e.Empty(t)
			if err := store.MigrateSteps(t.Context(), target, 5); err != nil { // before users have indexes, which would make this slow
				t.Fatal(err)
			}
			began := time.Now()
			storeUsers(t, target, users)
			if err := store.MigrateSteps(t.Context(), target, from); err != nil {
				t.Fatal(err)
			}
			t.Logf("%d users at version %d after %.0f s", users, from, time.Since(began).Seconds())
			l := startLoad(t, target, users)
			l.during(5 * time.Second) // all caches warm
			quiet := l.during(5 * time.Second)
			var table strings.Builder
			fmt.Fprintf(&table, "| migration | algorithm | took | longest read | longest write |\n|---|---|---|---|---|\n| none, for comparison | | %s |\n", quiet)
			for {
				before := l.mark()
				version, took, err := store.MigrateOne(t.Context(), target)
				if errors.Is(err, io.EOF) {
					break
				}
				if err != nil {
					t.Fatal(err)
				}
				a := algorithms[version]
				fmt.Fprintf(&table, "| %s | %s | %s |\n", a.name, a.algorithm, l.since(before, took))
			}
			t.Logf("%d users, one import and four others at work:\n%s", users, table.String())
		})
	}
}

// migration is how a server makes one.
type migration struct{ name, algorithm string }

var (
	upPart = regexp.MustCompile(`(?s)-- \+goose Up\n(.*?)-- \+goose Down`)
	// inOrder are the ways to alter a table, the cheapest first.
	inOrder = []struct{ clause, says string }{
		{"ALGORITHM=INSTANT", "instant"}, {"ALGORITHM=NOCOPY, LOCK=NONE", "in place, indexes only, others read and write"},
		{"ALGORITHM=INPLACE, LOCK=NONE", "in place, others read and write"}, {"ALGORITHM=INPLACE, LOCK=SHARED", "in place, others read"},
		{"ALGORITHM=COPY, LOCK=SHARED", "copy, others read"},
	}
)

// algorithmsOf makes all migrations on empty tables, each in the cheapest way that the server knows: which it is follows from the
// table's definition, not from its rows.
func algorithmsOf(t *testing.T, e storetest.Engine) map[int64]migration {
	t.Helper()
	all := map[int64]migration{}
	scratch := e.Empty(t)
	db, _ := storetest.DB(t, scratch)
	files, err := filepath.Glob("migrations/mysql/*.sql")
	if err != nil {
		t.Fatal(err)
	}
	if err := store.MigrateSteps(t.Context(), scratch, 1); err != nil {
		t.Fatal(err)
	}
	for _, file := range files[1:] {
		text, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		name := filepath.Base(file)
		version, err := strconv.ParseInt(name[:5], 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		m := migration{name: strings.TrimSuffix(name, ".sql"), algorithm: "no table altered"}
		statement := strings.TrimRight(strings.TrimSpace(upPart.FindStringSubmatch(string(text))[1]), ";")
		if strings.Contains(statement, "ALTER TABLE") {
			if m.algorithm = alter(t, db, statement); m.algorithm == "" {
				t.Fatalf("%s: no algorithm alters it", name)
			}
			if _, err := db.ExecContext(t.Context(), `INSERT INTO schema_version (version_id, is_applied) VALUES (?, 1)`, version); err != nil {
				t.Fatal(err)
			}
		} else if err := store.MigrateSteps(t.Context(), scratch, version); err != nil {
			t.Fatal(err)
		}
		all[version] = m
	}
	return all
}

// alter runs an ALTER TABLE in the cheapest way that the server takes, and says which.
func alter(t *testing.T, db *sql.DB, statement string) string {
	t.Helper()
	for _, a := range inOrder {
		if _, err := db.ExecContext(t.Context(), statement+", "+a.clause); err == nil {
			return a.says
		}
	}
	return ""
}

// storeUsers stores users as they were at version 5, with a job, which every later one keeps.
func storeUsers(t *testing.T, target string, users int) {
	t.Helper()
	db := server(t, target)
	const piece = 250_000
	for first := 1; first <= users; first += piece {
		last := min(first+piece-1, users)
		r, w := io.Pipe()
		go func() {
			b := bufio.NewWriterSize(w, 1<<20)
			for id := first; id <= last; id++ {
				fmt.Fprintln(b, row(id))
			}
			_ = w.CloseWithError(b.Flush())
		}()
		name := fmt.Sprintf("fill%s%d", target, first)
		mysql.RegisterReaderHandler(name, func() io.Reader { return r })
		_, err := db.ExecContext(t.Context(), `LOAD DATA LOCAL INFILE 'Reader::`+name+`' INTO TABLE users CHARACTER SET utf8mb4 FIELDS TERMINATED BY ','
			(id, first_name, last_name, email, city, state, age, mobile_number, gender)`)
		mysql.DeregisterReaderHandler(name)
		if err != nil {
			t.Fatal(err)
		}
	}
	for _, statement := range []string{
		`INSERT INTO jobs (id, user_id, source, tier, status, requested, chunks, first_id, seed, params, request_hash, created_at)
		 VALUES ('job', 'ann', 'faker', 'XL', 'IN_PROGRESS', 1000000, 1, 0, 1, '{}', REPEAT('0', 64), 1)`,
		`INSERT INTO job_chunks (job_id, chunk_no, first_row, row_count) VALUES ('job', 0, 0, 1000000)`,
	} {
		if _, err := db.ExecContext(t.Context(), statement); err != nil {
			t.Fatal(err)
		}
	}
}

// row returns the user with an id, its values joined by commas; the columns are about as wide as those of people.
func row(id int) string {
	r := rand.New(rand.NewPCG(1, uint64(id)))
	return fmt.Sprintf("%d,First%d,Last%d,user%d@example.com,City%d,State%d,%d,+999%09d,%s", id, r.IntN(2000), r.IntN(20_000), id, r.IntN(1000), r.IntN(50),
		18+r.IntN(60), r.IntN(1e9), storetest.Pick(r, []string{"Male", "Female"}))
}

// server opens connections that take files from this process.
func server(t *testing.T, target string) *sql.DB {
	t.Helper()
	u, err := url.Parse(target)
	if err != nil {
		t.Fatal(err)
	}
	db, err := sql.Open("mysql", u.User.String()+"@tcp("+u.Host+")"+u.Path+"?interpolateParams=true")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	return db
}
