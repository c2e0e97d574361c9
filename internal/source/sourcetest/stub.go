// Package sourcetest stands in for RandomUser.me: it serves the contract of API 1.4 with its documented traps,
// deterministically, and with faults that can be switched on. Tests use it, and so does `muster dev --offline`.
package sourcetest

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"strings"
	"sync"
	"time"
)

// Fault is a way in which one answer goes wrong.
type Fault string

// The faults.
const (
	Slow        Fault = "slow"          // right, but only after Config.SlowFor
	CutBody     Fault = "cut body"      // the connection ends in the middle of the body
	WrongCount  Fault = "wrong count"   // one user fewer than asked for, and info says otherwise
	WrongPage   Fault = "wrong page"    // another page with 200, as for one out of range
	Status429   Fault = "status 429"    // too many requests, without Retry-After
	Status500   Fault = "status 500"    // plain text
	HTML        Fault = "html"          // a maintenance page with 200
	ErrorKey200 Fault = "error key 200" // {"error": …} with 200
	BadJSON     Fault = "bad json"      // a syntax error behind the users
	Huge        Fault = "huge"          // a right answer, padded to more than 10 MB
	Redirect    Fault = "redirect"      // 302, which nobody should follow
)

// Faults lists every fault.
func Faults() []Fault {
	return []Fault{
		Slow, CutBody, WrongCount, WrongPage, Status429, Status500, HTML, ErrorKey200, BadJSON, Huge, Redirect,
	}
}

// Config sets a stub up; its zero value answers at once and without limit.
type Config struct {
	// Allowance is how many users the service gives out per Window; 0: no limit. The real one: 20,000 per 5 minutes.
	Allowance int64
	Window    time.Duration
	// SlowFor is how long the fault Slow holds an answer back; 0: until the client has gone.
	SlowFor time.Duration
	// BadEvery makes every BadEvery-th user of a page one that cannot be stored; 0: none.
	BadEvery int
}

// Stub is the stand-in, an http.Handler. It is safe for concurrent use.
type Stub struct {
	cfg Config

	mu       sync.Mutex
	faults   []Fault // one is taken by each request
	requests int64
	users    int64
	seeds    int64     // made up for requests without one
	window   time.Time // start of the present window
	spent    int64     // users given out in it
}

// New returns a stub without faults.
func New(cfg Config) *Stub { return &Stub{cfg: cfg} }

// FailNext makes the next requests fail in this way, times of them; calls queue up.
func (s *Stub) FailNext(f Fault, times int) {
	s.mu.Lock()
	defer s.mu.Unlock()
	for range times {
		s.faults = append(s.faults, f)
	}
}

// FailOnceEach makes the next requests fail in every way, one after the other.
func (s *Stub) FailOnceEach() {
	for _, f := range Faults() {
		s.FailNext(f, 1)
	}
}

// Requests returns the number of requests so far, failed ones included.
func (s *Stub) Requests() int64 { s.mu.Lock(); defer s.mu.Unlock(); return s.requests }

// Users returns the number of users asked for so far: what the service's allowance counts, failed answers included.
func (s *Stub) Users() int64 { s.mu.Lock(); defer s.mu.Unlock(); return s.users }

// FaultsLeft returns the number of faults that no request has met yet.
func (s *Stub) FaultsLeft() int { s.mu.Lock(); defer s.mu.Unlock(); return len(s.faults) }

// Storable reports whether the i-th user of a page, from 0, can be stored; see Config.BadEvery.
func (s *Stub) Storable(i int) bool { return s.cfg.BadEvery == 0 || (i+1)%s.cfg.BadEvery != 0 }

// ServeHTTP answers /api/1.4/ and /api/, and plain 404 elsewhere.
func (s *Stub) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	if path := strings.TrimSuffix(r.URL.Path, "/"); path != "/api/1.4" && path != "/api" {
		http.Error(w, "Not found", http.StatusNotFound)
		return
	}
	if strings.Trim(r.URL.Query().Get("nat"), ",") == "" && r.URL.Query().Get("nat") != "" {
		<-r.Context().Done() // nat=, never gets an answer
		return
	}
	q, fault, over := s.admit(r)
	switch {
	case over || fault == Status429:
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = io.WriteString(w, `{"error": "Whoa, ease up there cowboy. You've requested a lot of users recently."}`)
	case fault == Status500:
		http.Error(w, "Internal Server Error", http.StatusInternalServerError)
	case fault == HTML:
		w.Header().Set("Content-Type", "text/html")
		_, _ = io.WriteString(w, "<!DOCTYPE html><html><body>We will be back soon</body></html>")
	case fault == ErrorKey200:
		w.Header().Set("Content-Type", "application/json; charset=utf-8")
		_, _ = io.WriteString(w, `{"error": "Uh oh, something has gone wrong. Please tweet us @randomapi about the issue."}`)
	case fault == Redirect:
		http.Redirect(w, r, r.URL.RequestURI(), http.StatusFound) // whoever follows gets a right answer
	default:
		s.deliver(w, r, q, fault)
	}
}

// admit counts the request, takes its fault off the queue and checks the allowance.
func (s *Stub) admit(r *http.Request) (q query, fault Fault, over bool) {
	s.mu.Lock()
	defer s.mu.Unlock()
	s.seeds++
	q = parse(r.URL.Query(), fmt.Sprintf("%016x", s.seeds))
	s.requests++
	s.users += int64(q.results)
	if s.cfg.Allowance > 0 {
		if now := time.Now(); now.Sub(s.window) >= s.cfg.Window {
			s.window, s.spent = now, 0
		}
		s.spent += int64(q.results)
		over = s.spent > s.cfg.Allowance
	}
	if !over && len(s.faults) > 0 {
		fault, s.faults = s.faults[0], s.faults[1:]
	}
	return q, fault, over
}

func (s *Stub) deliver(w http.ResponseWriter, r *http.Request, q query, fault Fault) {
	if fault == Slow {
		var done <-chan time.Time // nil: never
		if s.cfg.SlowFor > 0 {
			done = time.After(s.cfg.SlowFor)
		}
		select {
		case <-done:
		case <-r.Context().Done():
			return
		}
	}
	if fault == WrongPage {
		q.page = map[bool]int{true: 2, false: 1}[q.page == 1]
	}
	a := q.answer()
	for i := range a.Results {
		if !s.Storable(i) && a.Results[i].Name != nil {
			a.Results[i].Name.Last = strings.Repeat("x", 101)
		}
	}
	if fault == WrongCount {
		a.Results = a.Results[:len(a.Results)-1]
	}
	body, err := json.Marshal(a)
	if err != nil {
		panic(err) // a bug of the stub
	}
	w.Header().Set("Content-Type", "application/json; charset=utf-8")
	switch fault {
	case BadJSON:
		body = body[:len(body)-1]
	case Huge:
		body = append(body, strings.Repeat(" ", 11<<20)...)
	case CutBody:
		w.Header().Set("Content-Length", strconv.Itoa(len(body)))
		_, _ = w.Write(body[:len(body)/2])
		// Unflushed, the client would see no answer at all, and net/http would silently ask again.
		_ = http.NewResponseController(w).Flush()
		panic(http.ErrAbortHandler)
	}
	_, _ = w.Write(body)
}
