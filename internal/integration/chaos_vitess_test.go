package integration

import (
	"database/sql"
	"fmt"
	"math/bits"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	_ "github.com/go-sql-driver/mysql" // registers the driver "mysql"

	"github.com/musterhq/muster/internal/store/storetest"
	"github.com/musterhq/muster/internal/testenv"
)

// V1: on a sharded database every kind of process dies: servers of shards, vttablets, vtgate, and workers. Each user is there once, on
// the shard of the chunk that counts it.
func TestChaosVitess(t *testing.T) {
	if os.Getenv("MUSTER_CHAOS_ENGINE") != "vitess" {
		t.Skip("only with MUSTER_CHAOS_ENGINE=vitess: make chaos ENGINE=vitess")
	}
	for _, shards := range []int{2, 4} {
		t.Run(fmt.Sprintf("%d shards", shards), func(t *testing.T) {
			cluster := testenv.NewVitessCluster(t, shards, "SINGLE")
			s := newStack(t, storetest.Cluster(testenv.VitessDSN(cluster.Gate)))
			if shards == 4 {
				s.onRedisCluster()
			}
			chaos(t, "V1", fmt.Sprintf("deaths on %d shards", shards), s, func(s *stack) string {
				return vitessDeaths(s, cluster, vitessKills{shards: rounds(3, 10), tablets: rounds(3, 10), gates: rounds(3, 10), workers: rounds(10, 50)},
					rounds(200_000, 1_000_000))
			})
		})
	}
	t.Run("control", func(t *testing.T) {
		cluster := testenv.NewVitessCluster(t, 2, "MULTI") // SINGLE refuses what the control does
		s := &stack{t: t, engine: "vitess", server: storetest.Cluster(testenv.VitessDSN(cluster.Gate))}
		control(t, "V1", s, "users-on-another-shard", wrongRows+"|"+wrongShards, func(s *stack) string {
			return vitessDeaths(s, cluster, vitessKills{shards: 15}, 100_000)
		})
	})
}

// V3: users move from two shards to four while an import runs.
func TestChaosVitessReshard(t *testing.T) {
	if os.Getenv("MUSTER_CHAOS_ENGINE") != "vitess" {
		t.Skip("only with MUSTER_CHAOS_ENGINE=vitess: make chaos ENGINE=vitess")
	}
	cluster := testenv.NewVitessCluster(t, 2, "SINGLE")
	s := newStack(t, storetest.Cluster(testenv.VitessDSN(cluster.Gate)))
	chaos(t, "V3", "2 to 4 shards in mid-import", s, func(s *stack) string { return reshard(s, cluster) })
}

func reshard(s *stack, cluster *testenv.VitessCluster) string {
	t := s.t
	s.flakyDatabase = true
	s.env = append(s.env, noCooldown, "MUSTER_BATCH_ROWS=100", "MUSTER_CHUNK_ROWS=5000")
	api := s.api()
	api.timeout = 2 * time.Minute
	s.workers(3)
	w := newLoad(api, rounds(200_000, 500_000))
	eventually(t, time.Minute, "the import runs", func() bool { return w.running() > 20_000 })
	before, done := w.running(), make(chan error, 1)
	go func() { done <- cluster.Reshard(4) }()
	over := false
	eventually(t, 10*time.Minute, "the users have moved", func() bool { // the load goes on meanwhile
		w.running()
		select {
		case err := <-done:
			if over = true; err != nil {
				t.Fatal(err)
			}
		default:
		}
		return over
	})
	during := w.running() - before
	at := w.running()
	eventually(t, time.Minute, "progress on the new shards", func() bool { return w.running() > at })
	ids, users := w.finish()
	s.audit(api, fakerRow(t), ids...)
	if during == 0 {
		t.Error("nothing was imported while the users moved")
	}
	return fmt.Sprintf("%d users exact, %d of them imported meanwhile: %s", users, during, auditShards(t, cluster))
}

// vitessKills is how often each kind of process is killed.
type vitessKills struct{ shards, tablets, gates, workers int }

const wrongShards = `shard \S+ has \d+ users, and its chunks count`

func vitessDeaths(s *stack, cluster *testenv.VitessCluster, kills vitessKills, rows int) string {
	t := s.t
	random := chaosSeed(t)
	s.flakyDatabase = true
	s.env = append(s.env, noCooldown, "MUSTER_BATCH_ROWS=100", "MUSTER_CHUNK_ROWS=5000")
	api := s.api()
	api.timeout = 2 * time.Minute
	workers := s.workers(3)
	w := newLoad(api, rows)
	var order []func()
	again := func(n int, kill func()) {
		for range n {
			order = append(order, kill)
		}
	}
	again(kills.shards, func() {
		shard := &cluster.Shards[1+random.IntN(len(cluster.Shards)-1)]
		restartOf(t, shard.MySQL.Kill, func() error { return cluster.RestartShard(shard) })
	})
	again(kills.tablets, func() {
		shard := &cluster.Shards[random.IntN(len(cluster.Shards))]
		restartOf(t, shard.Tablet.Kill, func() error { return cluster.StartTablet(shard) })
	})
	again(kills.gates, func() { restartOf(t, cluster.Gate.Kill, cluster.StartGate) })
	again(kills.workers, func() {
		at := random.IntN(len(workers))
		workers[at].kill()
		workers[at] = s.start("worker")
	})
	random.Shuffle(len(order), func(i, j int) { order[i], order[j] = order[j], order[i] })
	slowest := time.Duration(0)
	for _, kill := range order {
		before := w.running()
		eventually(t, time.Minute, "progress before a kill", func() bool { return w.running() > before })
		pause(t, between(random, 10*time.Millisecond, 300*time.Millisecond))
		before = w.running()
		killed := time.Now()
		kill()
		eventually(t, time.Minute, "progress after a kill", func() bool { return w.running() > before })
		slowest = max(slowest, time.Since(killed))
	}
	ids, users := w.finish()
	s.audit(api, fakerRow(t), ids...)
	onShards := auditShards(t, cluster)
	return fmt.Sprintf("%d servers, %d tablets, %d vtgates, %d workers killed, progress after at most %d ms, %d users exact: %s",
		kills.shards, kills.tablets, kills.gates, kills.workers, slowest.Milliseconds(), users, onShards)
}

// restartOf kills a process and starts it again.
func restartOf(t testing.TB, kill, start func() error) {
	t.Helper()
	if err := kill(); err != nil {
		t.Fatal(err)
	}
	if err := start(); err != nil {
		t.Fatal(err)
	}
}

// auditShards checks, on the servers themselves, that each row is on the shard of its block, and that a shard's chunks count the users
// that it has. It returns how many each has.
func auditShards(t testing.TB, cluster *testenv.VitessCluster) string {
	t.Helper()
	var told []string
	for i := range cluster.Shards[1:] {
		shard := &cluster.Shards[1+i]
		db, err := sql.Open("mysql", shard.DSN())
		if err != nil {
			t.Fatal(err)
		}
		users, counted := numbers(t, db, `SELECT COUNT(*) FROM users`), numbers(t, db, `SELECT COALESCE(SUM(rows_done - rows_rejected), 0) FROM job_chunks WHERE chunk_no >= 0`)
		if users[0] != counted[0] {
			t.Errorf("shard %s has %d users, and its chunks count %d", shard.Name, users[0], counted[0])
		}
		for _, block := range numbers(t, db, `SELECT block FROM users GROUP BY block UNION SELECT block FROM job_chunks`) {
			if !inShard(shard.Name, block) {
				t.Errorf("shard %s has block %d, which belongs elsewhere", shard.Name, block)
			}
		}
		if wrong := numbers(t, db, `SELECT id FROM users WHERE block NOT IN (id >> 17, (id >> 17) - 1) LIMIT 1`); len(wrong) > 0 {
			t.Errorf("shard %s has user %d under a block that is not his", shard.Name, wrong[0])
		}
		told = append(told, fmt.Sprintf("%s %d", shard.Name, users[0]))
		_ = db.Close()
	}
	return strings.Join(told, ", ")
}

// inShard reports whether the vindex reverse_bits leads from the block to the shard, such as 40-80.
func inShard(name string, block int64) bool {
	from, to, _ := strings.Cut(name, "-")
	first := bits.Reverse64(uint64(block)) >> 56
	bound := func(hex string, open uint64) uint64 {
		n, err := strconv.ParseUint(hex, 16, 64)
		if err != nil {
			return open
		}
		return n
	}
	return bound(from, 0) <= first && first < bound(to, 256)
}

func numbers(t testing.TB, db *sql.DB, query string) (list []int64) {
	t.Helper()
	rows, err := db.QueryContext(t.Context(), query)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		var n int64
		if err := rows.Scan(&n); err != nil {
			t.Fatal(err)
		}
		list = append(list, n)
	}
	if err := rows.Err(); err != nil {
		t.Fatal(err)
	}
	return list
}
