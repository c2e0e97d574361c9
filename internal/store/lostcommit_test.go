package store_test

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/url"
	"slices"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/storetest"
	"github.com/musterhq/muster/internal/user"
)

// cutter is a proxy before a server that cuts a client's connection at one of its statements.
type cutter struct {
	net.Listener
	server string
	at     atomic.Pointer[cut]
}

// cut is where: at the next statement that begins so, before the server has seen it or after it has answered.
type cut struct {
	statement string
	after     bool
}

// newCutter returns a cutter, and the address of the database through it.
func newCutter(t *testing.T, address string) (*cutter, string) {
	t.Helper()
	u, err := url.Parse(address)
	if err != nil {
		t.Fatal(err)
	}
	l, err := new(net.ListenConfig).Listen(t.Context(), "tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	p := &cutter{Listener: l, server: u.Host}
	go func() {
		for {
			c, err := p.Accept()
			if err != nil {
				return
			}
			go p.serve(c)
		}
	}()
	u.Host = l.Addr().String()
	return p, u.String()
}

func (p *cutter) serve(client net.Conn) {
	defer func() { _ = client.Close() }()
	server, err := net.Dial("tcp", p.server)
	if err != nil {
		return
	}
	defer func() { _ = server.Close() }()
	var mute atomic.Bool // the answer is the server's last word, and nobody hears it
	go func() {
		defer func() { _ = client.Close() }()
		answer := make([]byte, 1<<16)
		for {
			n, err := server.Read(answer)
			if err != nil || mute.Load() {
				return
			}
			if _, err := client.Write(answer[:n]); err != nil {
				return
			}
		}
	}()
	for {
		header := make([]byte, 4)
		if _, err := io.ReadFull(client, header); err != nil {
			return
		}
		body := make([]byte, int(header[0])|int(header[1])<<8|int(header[2])<<16)
		if _, err := io.ReadFull(client, body); err != nil {
			return
		}
		at := p.at.Load()
		if at != nil && strings.HasPrefix(strings.TrimSpace(string(body[min(1, len(body)):])), at.statement) && p.at.CompareAndSwap(at, nil) {
			if !at.after {
				return
			}
			mute.Store(true)
		}
		if _, err := server.Write(slices.Concat(header, body)); err != nil {
			return
		}
	}
}

// The connection breaks in the middle of a batch's transaction, or its COMMIT is never answered: the rows are stored once, and
// counted as they were stored.
func TestFileBatchOnBrokenConnections(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines(t) {
		if e.Name == "sqlite" {
			continue
		}
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			proxy, address := newCutter(t, e.New(t))
			s := storetest.Open(t, address, store.Options{})
			create(t, s, user.User{FirstName: "A", Email: "a@example.com"}, user.User{FirstName: "B", Email: "b@example.com"})
			want := everybody(t, s)
			for n, at := range []cut{
				{"INSERT INTO key_locks", false}, {"INSERT INTO key_locks", true}, {"SELECT", true}, {"INSERT INTO users", true},
				{"INSERT INTO job_rejects", false}, {"DELETE k FROM key_locks", true}, {"COMMIT", false}, {"COMMIT", true},
			} {
				c := fileOf(t, s, job.FileOptions{Key: columns.KeyEmail, OnDuplicate: job.DuplicateUpdate}, 6)
				fresh := user.User{Email: fmt.Sprintf("new%d@example.com", n)}
				b := batchOf(c, user.User{Email: "A@example.com", City: fmt.Sprint(n)}, user.User{Email: "b@example.com", FirstName: "B"}, fresh)
				b.Skipped, b.Rejects = 1, []job.Reject{{Row: 4, Line: 6, Code: "too_long", Message: "x"}, {Row: 5, Line: 7, Code: "too_long", Message: "x"}}
				proxy.at.Store(&at)
				if err := s.CommitFileBatch(context.Background(), c, b); err != nil {
					t.Errorf("%+v: %v", at, err)
					continue
				}
				if proxy.at.Load() != nil {
					t.Errorf("%+v: no such statement", at)
				}
				if got := outcome(c.Chunk); got != "1+1+1+1+2" || c.Chunk.Left() != 0 {
					t.Errorf("%+v: %s", at, got)
				}
				wantStored(t, s, c.Chunk)
				want[0].City = fmt.Sprint(n)
				want = append(want, fresh)
			}
			if diff := cmp.Diff(want, everybody(t, s)); diff != "" {
				t.Errorf("users (-want +got):\n%s", diff)
			}
		})
	}
}

// The same, when it is the move to IMPORTING.
func TestStartImportingOnBrokenConnections(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines(t) {
		if e.Name == "sqlite" {
			continue
		}
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			proxy, address := newCutter(t, e.New(t))
			s := storetest.Open(t, address, store.Options{})
			first := record(t, s, 1, 1).FirstID
			for n, after := range []bool{false, true} {
				j := newFileJob(job.FileOptions{OnDuplicate: job.DuplicateInsert})
				submit(t, s, j)
				c := claim(t, s, j.ID, job.PrepareChunk)
				proxy.at.Store(&cut{"COMMIT", after})
				got, err := s.StartImporting(t.Context(), c, &job.FileFound{Rows: 10}, 1, 10)
				if want := first + 1 + 10*int64(n); err != nil || got.Phase != job.Importing || got.FirstID != want || proxy.at.Load() != nil {
					t.Errorf("answered %v: ids from %d, want %d, %v", !after, got.FirstID, want, err)
				}
			}
		})
	}
}
