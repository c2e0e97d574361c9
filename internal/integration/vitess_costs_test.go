package integration

import (
	"bytes"
	"database/sql"
	"fmt"
	"io"
	"net/http"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/store/storetest"
	"github.com/musterhq/muster/internal/testenv"
)

// V2: what an import costs on one, two and four shards: CPU of each kind of process, and the statements and bytes that a shard gets.
// Rates of a few cores say nothing about scale; these are what docs/sharding.md reckons with. The same import on one
// MariaDB gives the same export, byte by byte.
func TestChaosVitessCosts(t *testing.T) {
	if os.Getenv("MUSTER_CHAOS_ENGINE") != "vitess" {
		t.Skip("only with MUSTER_CHAOS_ENGINE=vitess: make chaos ENGINE=vitess")
	}
	testenv.Redis(t)
	rows := rounds(100_000, 400_000)
	var want []byte
	for _, e := range storetest.Engines(t) {
		if e.Name == "mariadb" {
			want = exported(t, newStack(t, e), rows)
		}
	}
	if want == nil {
		t.Skip("there is no MariaDB to compare with")
	}
	for _, shards := range []int{1, 2, 4} {
		t.Run(fmt.Sprintf("%d shards", shards), func(t *testing.T) {
			cluster := testenv.NewVitessCluster(t, shards, "SINGLE")
			s := newStack(t, storetest.Cluster(testenv.VitessDSN(cluster.Gate)))
			chaos(t, "V2", fmt.Sprintf("costs on %d shards", shards), s, func(s *stack) string {
				return vitessCosts(s, cluster, rows, want)
			})
		})
	}
}

// exported imports users and returns the export of all, as CSV.
func exported(t testing.TB, s *stack, rows int) []byte {
	t.Helper()
	s.env = append(s.env, noCooldown)
	api := s.api()
	s.workers(1)
	importSeeded(api, rows)
	text := exportCSV(t, api)
	s.stopWorkers()
	return text
}

func importSeeded(api *proc, rows int) {
	api.t.Helper()
	v := api.must("POST", fmt.Sprintf("/import/bulk?count=%d&seed=42", rows), "ann", http.StatusAccepted)
	if end := api.follow(v.JobID, "ann", 10*time.Minute); end.Status != "COMPLETED" {
		api.t.Fatal(end.RawResponse)
	}
}

func exportCSV(t testing.TB, api *proc) []byte {
	t.Helper()
	resp, err := http.Get(api.base + "/export/stream")
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	text, err := io.ReadAll(resp.Body)
	if err != nil || resp.StatusCode != http.StatusOK {
		t.Fatal(resp.Status, err)
	}
	return text
}

func vitessCosts(s *stack, cluster *testenv.VitessCluster, rows int, want []byte) string {
	t := s.t
	s.env = append(s.env, noCooldown)
	api := s.api()
	workers := s.workers(3)
	kinds := func() (cpu [5]time.Duration) {
		for _, w := range workers {
			cpu[0] += cpuOf(t, w.cmd.Process.Pid)
		}
		cpu[1] = cpuOf(t, api.cmd.Process.Pid)
		cpu[2] = cpuOf(t, cluster.Gate.PID())
		for i := range cluster.Shards {
			cpu[3] += cpuOf(t, cluster.Shards[i].Tablet.PID())
			cpu[4] += cpuOf(t, cluster.Shards[i].MySQL.PID())
		}
		return cpu
	}
	before, statements := kinds(), serverCounts(t, cluster)
	importSeeded(api, rows)
	after, later := kinds(), serverCounts(t, cluster)
	if got := exportCSV(t, api); !bytes.Equal(got, want) {
		t.Errorf("the export of %d bytes differs from MariaDB's of %d", len(got), len(want))
	}
	onShards := auditShards(t, cluster)
	each := func(d time.Duration) float64 { return d.Seconds() * 1e6 / float64(rows) }
	told := fmt.Sprintf("CPU s a million users: workers %.1f, API %.1f, vtgate %.1f, tablets %.1f, MySQL %.1f; export equal;",
		each(after[0]-before[0]), each(after[1]-before[1]), each(after[2]-before[2]), each(after[3]-before[3]), each(after[4]-before[4]))
	for i := range cluster.Shards {
		questions, received := later[i][0]-statements[i][0], later[i][1]-statements[i][1]
		told += fmt.Sprintf(" %s/%s %.4f statements, %.0f bytes a user of the import;", cluster.Shards[i].Keyspace, cluster.Shards[i].Name,
			float64(questions)/float64(rows), float64(received)/float64(rows))
	}
	return told + " users on " + onShards
}

// serverCounts returns, for each server, how many statements and bytes it got so far.
func serverCounts(t testing.TB, cluster *testenv.VitessCluster) (counts [][2]int64) {
	t.Helper()
	for i := range cluster.Shards {
		db, err := sql.Open("mysql", cluster.Shards[i].DSN())
		if err != nil {
			t.Fatal(err)
		}
		n := numbers(t, db, `SELECT CAST(VARIABLE_VALUE AS SIGNED) FROM performance_schema.global_status WHERE VARIABLE_NAME IN ('Bytes_received', 'Questions') ORDER BY VARIABLE_NAME DESC`)
		counts = append(counts, [2]int64{n[0], n[1]})
		_ = db.Close()
	}
	return counts
}

// cpuOf returns the CPU time that a process has used, of which the kernel tells in hundredths of a second.
func cpuOf(t testing.TB, pid int) time.Duration {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("/proc", strconv.Itoa(pid), "stat"))
	if err != nil {
		t.Fatal(err)
	}
	fields := strings.Fields(string(text[bytes.LastIndexByte(text, ')')+1:]))
	var ticks int64
	for _, f := range fields[11:13] { // utime, stime
		n, err := strconv.ParseInt(f, 10, 64)
		if err != nil {
			t.Fatal(err)
		}
		ticks += n
	}
	return time.Duration(ticks) * 10 * time.Millisecond
}
