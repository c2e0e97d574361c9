package store_test

import (
	"context"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/storetest"
)

// address is an address of MySQL that moves from one server to another. A connection stays with the server that
// accepted it. Once moved, the server of the first connections refuses writes, and later connections reach another one
// that takes them. It speaks as much of MySQL's protocol as an Exec needs; each statement matches one row.
type address struct {
	net.Listener
	mu          sync.Mutex
	moved       bool // for connections that come now
	stuck       bool // the other server refuses writes too
	old, stored int  // connections to the old server, writes that the new one took
	ready       chan struct{}
}

// newAddress holds every answer back until n connections are open.
func newAddress(t *testing.T, n int) *address {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	a := &address{Listener: l, ready: make(chan struct{})}
	go func() {
		for {
			c, err := a.Accept()
			if err != nil {
				return
			}
			a.mu.Lock()
			late := a.moved
			if !late {
				if a.old++; a.old == n {
					close(a.ready)
				}
			}
			a.mu.Unlock()
			go a.serve(c, late)
		}
	}()
	return a
}

func (a *address) serve(c net.Conn, late bool) {
	defer func() {
		_ = c.Close()
		if !late {
			a.mu.Lock()
			a.old--
			a.mu.Unlock()
		}
	}()
	greeting := "\x0a8.4.0\x00\x01\x00\x00\x00abcdefgh\x00\xff\xf7\x2d\x02\x00\xff\x81\x15" + strings.Repeat("\x00", 10) +
		"ijklmnopqrst\x00mysql_native_password\x00"
	send(c, 0, greeting)
	for first := true; ; first = false {
		h := make([]byte, 4)
		if _, err := io.ReadFull(c, h); err != nil {
			return
		}
		command := make([]byte, int(h[0])|int(h[1])<<8|int(h[2])<<16)
		if _, err := io.ReadFull(c, command); err != nil {
			return
		}
		if !first && a.refuses(string(command), late) {
			send(c, h[3]+1, "\xff\x0a\x05#HY000read-only") // 1290
			continue
		}
		send(c, h[3]+1, "\x00\x01\x00\x02\x00\x00\x00") // one row
	}
}

// refuses a write, once its connection leads to a server that takes none.
func (a *address) refuses(command string, late bool) bool {
	verb, _, _ := strings.Cut(strings.TrimSpace(strings.TrimPrefix(command, "\x03")), " ")
	if verb != "UPDATE" && verb != "DELETE" {
		return false
	}
	<-a.ready
	a.mu.Lock()
	defer a.mu.Unlock()
	if late && !a.stuck {
		a.stored++
	}
	return a.moved && (!late || a.stuck)
}

func send(c net.Conn, seq byte, body string) {
	h := binary.LittleEndian.AppendUint32(nil, uint32(len(body)))
	h[3] = seq
	_, _ = c.Write(append(h, body...))
}

// A primary that was demoted keeps its connections open and refuses writes. Each transaction goes to the new one, whole.
func TestDemotedPrimaryIsLeft(t *testing.T) {
	t.Parallel()
	a := newAddress(t, 4)
	s := storetest.Open(t, "mysql://root@"+a.Addr().String()+"/x", store.Options{})
	write := func(ctx context.Context) error {
		return s.InTx(ctx, `UPDATE jobs SET version = 1`, `DELETE FROM users`)
	}
	parallel(4, func() {
		if err := write(t.Context()); err != nil {
			t.Error(err)
		}
	})
	a.mu.Lock()
	a.moved = true
	a.mu.Unlock()
	for range 3 {
		if err := write(t.Context()); err != nil {
			t.Errorf("after the switch: %v", err)
		}
	}
	within(t, func() bool {
		a.mu.Lock()
		defer a.mu.Unlock()
		return a.old == 0 && a.stored == 6
	})
	a.mu.Lock()
	a.stuck = true
	a.mu.Unlock()
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond) // it ends while the store waits to try again
	defer cancel()
	if err := write(ctx); !errors.Is(err, job.ErrStoreUnavailable) || errors.Is(err, job.ErrUncertain) {
		t.Errorf("both refuse writes: %v", err)
	}
}
