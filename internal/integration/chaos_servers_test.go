package integration

import (
	"fmt"
	"net/http"
	"syscall"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/testenv"
)

// R8: Redis is killed under mixed jobs. What was accepted is done; what cannot be is refused with 503.
func TestChaosR8KillRedis(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		fullOnly(t)
		chaos(t, "R8", "kill -9 of Redis", s, func(s *stack) string { return redisKills(s, 10) })
	})
}

func redisKills(s *stack, kills int) string {
	t := s.t
	s.env = append(s.env, "MUSTER_SLOT_RESERVE_LEASE=2s")
	for _, setting := range [][2]string{{"appendonly", "yes"}, {"appendfsync", "everysec"}} {
		if err := s.rdb.ConfigSet(t.Context(), setting[0], setting[1]).Err(); err != nil {
			t.Fatal(err)
		}
	}
	random := chaosSeed(t)
	api := s.api()
	s.workers(2)
	accepted := map[string]string{}
	refused, large := 0, 0
	for i := range kills * 20 {
		caller := fmt.Sprintf("user%d", i%7)
		count := 1 + random.IntN(5000)
		if i%20 == 5 || i%20 == 11 { // a large one, before and after the kill
			count += 10_000
		}
		v, err := api.call("POST", importPath(caller, count), caller)
		switch {
		case err != nil:
			t.Fatal(err)
		case v.HTTP == http.StatusAccepted:
			accepted[v.JobID] = caller
			if count > 10_000 {
				large++
			}
		case v.HTTP == http.StatusServiceUnavailable, v.HTTP == http.StatusTooManyRequests:
			refused++
		default:
			t.Errorf("%d %s", v.HTTP, v.RawResponse)
		}
		if i%20 == 10 {
			_ = s.redis.Kill()
		}
		if i%20 == 13 {
			p, err := testenv.RestartRedis(s.redis, "--appendonly", "yes")
			if err != nil {
				t.Fatal(err)
			}
			s.redis = p
			t.Cleanup(func() { _ = p.Kill() })
		}
	}
	var list []string
	for id, caller := range accepted {
		if end := api.follow(id, caller, time.Minute); end.Status != "COMPLETED" {
			t.Error(end.RawResponse)
		}
		list = append(list, id)
	}
	if large == 0 {
		t.Error("no large job was accepted")
	}
	s.audit(api, fakerRow(t), list...)
	return fmt.Sprintf("%d kills, %d accepted and done, %d of them large, %d refused", kills, len(list), large, refused)
}

// R10: the database is killed in mid-import, until a COMMIT was in flight at such a moment.
func TestChaosR10KillDatabase(t *testing.T) {
	s, database := ownDatabase(t)
	fullOnly(t)
	chaos(t, "R10", "kill -9 of MariaDB", s, func(s *stack) string { return databaseKills(s, database, 5) })
	// A killed server has no COMMIT in flight any more when the client looks; behind R11's proxy there is one.
	control(t, "R10", s, "lost-commit-read-unlocked", takenForAnothers, func(s *stack) string { return lostCommits(s, 10) })
}

func databaseKills(s *stack, database *testenv.Process, kills int) string {
	t := s.t
	random := chaosSeed(t)
	s.hooks, s.flakyDatabase = true, true
	api := s.api()
	// Small batches: most of the time is spent in COMMIT.
	workers := s.workers(2, "MUSTER_CHAOS_SHOW=batch.resolved", "MUSTER_BATCH_ROWS=20", "MUSTER_WORKER_CONCURRENCY=4")
	v := api.submit("ann", 300_000)
	killed, resolved := 0, 0
	for ; killed < kills || resolved == 0 && killed < 4*kills; killed++ {
		before := s.job(v.JobID)
		eventually(t, 20*time.Second, "the job moves", func() bool { return s.job(v.JobID).Processed > before.Processed })
		pause(t, between(random, 10*time.Millisecond, 200*time.Millisecond))
		if err := database.Kill(); err != nil {
			t.Fatal(err)
		}
		database = restart(t, database)
		resolved = workers[0].resolved() + workers[1].resolved()
	}
	if now := s.job(v.JobID); now.Status.Terminal() {
		t.Fatalf("the job is %s before the last kill", now.Status)
	}
	s.stopWorkers()
	resolved = workers[0].resolved() + workers[1].resolved()
	if resolved == 0 {
		t.Errorf("%d kills, and none met a COMMIT", killed)
	}
	s.workers(2)
	api.follow(v.JobID, "ann", 2*time.Minute)
	s.audit(api, fakerRow(t), v.JobID)
	return fmt.Sprintf("%d kills, %d unknown commits resolved, 300,000 users exact", killed, resolved)
}

// R9: Redis forgets everything in mid-import; slots, tasks and progress are rebuilt from the store.
func TestChaosR9Flush(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		chaos(t, "R9", "FLUSHALL in mid-import", s, flushes)
		control(t, "R9", s, "redis-not-rebuilt", "the slot is back", flushes)
	})
}

func flushes(s *stack) string {
	t := s.t
	random := chaosSeed(t)
	s.env = append(s.env, "MUSTER_BATCH_ROWS=200")
	api := s.api()
	workers := s.workers(2)
	v := api.submit("ann", rounds(200_000, 600_000))
	slowest := time.Duration(0)
	for i := range 3 {
		before := s.job(v.JobID).Processed
		eventually(t, 20*time.Second, "the job moves", func() bool { return s.job(v.JobID).Processed > before })
		pause(t, between(random, 0, 500*time.Millisecond))
		flushed := time.Now()
		if err := s.rdb.FlushAll(t.Context()).Err(); err != nil {
			t.Fatal(err)
		}
		eventually(t, 5*time.Second, "the slot is back", func() bool {
			return s.rdb.ZCard(t.Context(), "muster:{ann}:slots:XL").Val() == 1
		})
		slowest = max(slowest, time.Since(flushed))
		if now := s.job(v.JobID); now.Status.Terminal() {
			t.Fatalf("the job was %s at flush %d", now.Status, i+1)
		}
	}
	for _, w := range workers { // what is left to import need not be slow
		w.signal(syscall.SIGTERM)
	}
	s.workers(2, "MUSTER_BATCH_ROWS=1000")
	api.follow(v.JobID, "ann", 3*time.Minute)
	s.audit(api, fakerRow(t), v.JobID)
	return fmt.Sprintf("3 flushes, exact, the slot back after at most %d ms", slowest.Milliseconds())
}
