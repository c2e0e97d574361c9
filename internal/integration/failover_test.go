package integration

import (
	"context"
	"database/sql"
	"io"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
	"github.com/redis/go-redis/v9"

	"github.com/musterhq/muster/internal/testenv"
)

// The master of Redis dies, and a sentinel names its replica: jobs go on and are exact.
func TestRedisSentinelFailover(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		sentinel, master, err := testenv.StartRedisSentinel(t.Context(), t.TempDir())
		if err != nil {
			t.Fatal(err)
		}
		s.env = append(s.env, "MUSTER_REDIS=redis-sentinel://"+sentinel+"/muster")
		s.rdb = redis.NewFailoverClient(&redis.FailoverOptions{MasterName: "muster", SentinelAddrs: []string{sentinel}})
		t.Cleanup(func() { _ = s.rdb.Close() })
		api := s.api()
		s.workers(2)
		v := api.must("POST", "/import/bulk?count=150000", "ann", http.StatusAccepted)
		eventually(t, 20*time.Second, "the job moves", func() bool {
			return api.must("GET", "/jobs/"+v.JobID, "ann", http.StatusOK).Processed > 0
		})
		if err := master.Kill(); err != nil {
			t.Fatal(err)
		}
		var again response
		eventually(t, 30*time.Second, "the API accepts with the new master", func() bool {
			again, err = api.call("POST", "/import/bulk?count=500", "bob")
			return err == nil && again.HTTP == http.StatusAccepted
		})
		for id, caller := range map[string]string{v.JobID: "ann", again.JobID: "bob"} {
			if end := api.follow(id, caller, time.Minute); end.Status != "COMPLETED" {
				t.Fatal(end.RawResponse)
			}
		}
		s.audit(api, fakerRow(t), v.JobID, again.JobID)
	})
}

// A database that turns read-only in mid-import, as a primary does that a failover demotes: the API refuses with 503
// meanwhile and is not ready, the job says what it waits for, and the count is exact afterwards.
func TestReadOnlyDatabase(t *testing.T) {
	s, database := ownDatabase(t)
	s.env = append(s.env, "MUSTER_DATABASE="+account(t, s)) // root may write to a read-only server
	cfg := mysql.NewConfig()
	cfg.Net, cfg.Addr, cfg.User = "tcp", database.Addr, "root"
	db, err := sql.Open("mysql", cfg.FormatDSN())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = db.Close() })
	readOnly := func(on string) {
		if _, err := db.ExecContext(context.Background(), "SET GLOBAL read_only = "+on); err != nil {
			t.Fatal(err)
		}
	}
	api := s.api()
	s.workers(2)
	v := api.must("POST", "/import/bulk?count=400000", "ann", http.StatusAccepted)
	for range 3 {
		before := api.must("GET", "/jobs/"+v.JobID, "ann", http.StatusOK).Processed
		eventually(t, 20*time.Second, "the job moves", func() bool {
			now := api.must("GET", "/jobs/"+v.JobID, "ann", http.StatusOK)
			return now.Processed > before || now.terminal()
		})
		readOnly("1")
		refused := api.must("POST", "/import/bulk?count=10", "bob", http.StatusServiceUnavailable)
		if refused.Code != "store_unavailable" || refused.Header.Get("Retry-After") == "" {
			t.Errorf("read-only: %s", refused.RawResponse)
		}
		eventually(t, time.Minute, "the API is not ready, and says why", func() bool {
			resp, err := http.Get(strings.TrimSuffix(api.base, "/api/v1") + "/readyz")
			if err != nil {
				t.Fatal(err)
			}
			defer func() { _ = resp.Body.Close() }()
			body, err := io.ReadAll(resp.Body)
			return err == nil && resp.StatusCode == http.StatusServiceUnavailable && strings.Contains(string(body), "takes no writes")
		})
		eventually(t, time.Minute, "the job says what it waits for", func() bool {
			now := api.must("GET", "/jobs/"+v.JobID, "ann", http.StatusOK)
			return now.terminal() || strings.Contains(now.Message, "takes no writes") && now.Rate == 0
		})
		readOnly("0")
	}
	if end := api.follow(v.JobID, "ann", 2*time.Minute); end.Status != "COMPLETED" {
		t.Fatal(end.RawResponse)
	}
	s.audit(api, fakerRow(t), v.JobID)
}
