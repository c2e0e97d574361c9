package integration

import (
	"net/http"
	"net/http/httptest"
	"sync"
	"testing"
	"time"

	"github.com/johannesboyne/gofakes3"
	"github.com/johannesboyne/gofakes3/backend/s3mem"
)

// bucket is a file store of its own, an S3 in this process, that may be away, full, slow or standing still.
type bucket struct {
	url string

	mu     sync.Mutex
	cond   *sync.Cond
	status int // of every answer; 0: it works
	code   string
	delay  time.Duration
	held   func(r *http.Request) bool // requests that wait, as long as it is set
	waits  int                        // how many do
}

func newBucket(t testing.TB) *bucket {
	t.Helper()
	mem := s3mem.New()
	if err := mem.CreateBucket("muster"); err != nil {
		t.Fatal(err)
	}
	b := &bucket{}
	b.cond = sync.NewCond(&b.mu)
	s3 := gofakes3.New(mem, gofakes3.WithLogger(gofakes3.DiscardLog())).Server()
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if status, code := b.admit(r); status != 0 {
			w.WriteHeader(status)
			_, _ = w.Write([]byte("<Error><Code>" + code + "</Code><Message>no</Message></Error>"))
			return
		}
		s3.ServeHTTP(w, r)
	}))
	t.Cleanup(func() {
		b.hold(nil)
		srv.Close()
	})
	b.url = "s3://key:secret@muster/files?endpoint=" + srv.URL
	return b
}

// admit waits for what the bucket's trouble is, and returns the status that it answers with instead of working.
func (b *bucket) admit(r *http.Request) (status int, code string) {
	b.mu.Lock()
	for b.held != nil && b.held(r) {
		b.waits++
		b.cond.Wait()
		b.waits--
	}
	status, code, delay := b.status, b.code, b.delay
	b.mu.Unlock()
	select {
	case <-time.After(delay):
	case <-r.Context().Done():
	}
	return status, code
}

// fail lets the bucket answer everything with this status and code; 0: it works again.
func (b *bucket) fail(status int, code string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.status, b.code = status, code
}

// slow lets every answer take its time.
func (b *bucket) slow(delay time.Duration) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.delay = delay
}

// hold lets requests wait until another call of it lets them go.
func (b *bucket) hold(which func(r *http.Request) bool) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.held = which
	b.cond.Broadcast()
}

// waiting returns how many requests wait.
func (b *bucket) waiting() int {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.waits
}
