package integration

import (
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"time"
)

// R17: exports whose clients stop reading, and one whose client goes away: all that they held is free again.
func TestChaosR17IdleClients(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		fullOnly(t)
		chaos(t, "R17", "export clients that stop reading", s, idleClients)
	})
}

// resources are what a process holds: goroutines, open files (its connections among them) and bytes of heap.
type resources struct{ goroutines, files, heap int }

func (p *proc) resources() resources {
	p.t.Helper()
	files, err := os.ReadDir(fmt.Sprintf("/proc/%d/fd", p.cmd.Process.Pid))
	if err != nil {
		p.t.Fatal(err)
	}
	return resources{goroutines: p.goroutines(), files: len(files), heap: p.profile("heap", `# HeapInuse = (\d+)`)}
}

// idle returns what the process holds when that changes no more: idle connections of its pools are closed after a while.
func (p *proc) idle() (now resources) {
	p.t.Helper()
	http.DefaultClient.CloseIdleConnections()
	same := 0
	eventually(p.t, 30*time.Second, "the API is idle", func() bool {
		last := now
		now = p.resources()
		if same++; now.goroutines != last.goroutines || now.files != last.files {
			same = 0
		}
		return same == 100
	})
	return now
}

func idleClients(s *stack) string {
	t := s.t
	api := s.admin("MUSTER_MAX_EXPORTS=4")
	s.workers(2)
	v := api.submit("ann", 300_000)
	api.follow(v.JobID, "ann", 2*time.Minute)
	export := func() int {
		got, _ := api.call("GET", "/export/stream?minAge=90&maxAge=90&format=json", "")
		return got.HTTP
	}
	export() // what the first export allocates for good must not count
	before := api.idle()
	var conns []net.Conn
	for range 4 { // they take every place, and read nothing
		conns = append(conns, halfRead(t, api))
	}
	eventually(t, 5*time.Second, "all places are taken", func() bool { return export() == http.StatusTooManyRequests })
	_ = conns[0].Close() // this client goes away: its place is free at once
	eventually(t, 10*time.Second, "a place is free", func() bool { return export() == http.StatusOK })
	// The server cuts the others off when it has waited too long; their connections stay open on this side.
	stalled := time.Now()
	var after resources
	http.DefaultClient.CloseIdleConnections()
	eventually(t, 60*time.Second, "goroutines, connections and memory are free", func() bool {
		after = api.resources()
		return after.goroutines <= before.goroutines && after.files <= before.files && after.heap <= before.heap+8<<20
	})
	took := time.Since(stalled)
	s.audit(api, fakerRow(t), v.JobID)
	return fmt.Sprintf("all free %d s after they stopped: goroutines %d → %d, files %d → %d, heap %d → %d MiB", int(took.Seconds()),
		before.goroutines, after.goroutines, before.files, after.files, before.heap>>20, after.heap>>20)
}

// halfRead asks for an export and reads no more than the beginning of the response.
func halfRead(t testing.TB, api *proc) net.Conn {
	t.Helper()
	c, err := net.Dial("tcp", strings.TrimSuffix(strings.TrimPrefix(api.base, "http://"), "/api/v1"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = c.Close() })
	if _, err := io.WriteString(c, "GET /api/v1/export/stream HTTP/1.1\r\nHost: x\r\n\r\n"); err != nil {
		t.Fatal(err)
	}
	first := make([]byte, len("HTTP/1.1 200"))
	if _, err := io.ReadFull(c, first); err != nil || string(first) != "HTTP/1.1 200" {
		t.Fatalf("%q, %v", first, err)
	}
	return c
}
