// Package dashboard is the pages on which people see and steer jobs. They work without script: links, and forms that POST. With
// it they follow a stream of server-sent events. Everything they load is in the program.
package dashboard

import (
	"context"
	"embed"
	"errors"
	"html/template"
	"log/slog"
	"net/http"
	"net/url"
	"strings"
	"time"

	"github.com/musterhq/muster/internal/apikey"
	"github.com/musterhq/muster/internal/job"
)

// Jobs shows and moves jobs. Errors: job.ErrNotFound, job.ErrStoreUnavailable, of moves also *job.StateError.
type Jobs interface {
	Get(ctx context.Context, owner, id string) (job.Job, error)
	Find(ctx context.Context, id string) (job.Job, error) // whoever owns it
	List(ctx context.Context, f job.Filter) ([]job.Job, error)

	Cancel(ctx context.Context, owner, id string) (job.Job, error)
	Pause(ctx context.Context, owner, id string) (job.Job, error)
	Resume(ctx context.Context, owner, id string) (job.Job, error)
	Retry(ctx context.Context, owner, id string) (job.Job, error)
	Undo(ctx context.Context, owner, id string) (job.Job, error)
}

// Store knows what lies behind jobs. Errors: job.ErrStoreUnavailable.
type Store interface {
	ChunkStates(ctx context.Context, id string) ([]job.ChunkNow, error)
	Rejects(ctx context.Context, jobID string, after int64, limit int) ([]job.Reject, error)
	SlotsInUse(ctx context.Context, owner string) (map[job.Tier]int, error)
}

// Fleet knows the workers and the queue. Errors: job.ErrQueueUnavailable.
type Fleet interface{ Fleet() (job.Fleet, error) }

// Stored knows how many users were stored in the last steps of time, the oldest first; owner empty: for all. Errors:
// job.ErrQueueUnavailable.
type Stored interface {
	StoredSince(ctx context.Context, owner string, steps int) ([]int64, error)
}

// Config is what a Dashboard is made of. All fields are required, but those that say otherwise.
type Config struct {
	Jobs     Jobs
	Store    Store
	Fleet    Fleet
	Stored   Stored
	Step     time.Duration        // of Stored
	Tiers    job.Tiers            // with their limits
	Message  func(job.Job) string // a sentence about where a job stands
	Upstream job.Allowance        // of RandomUser, for the time that a job still takes
	// Everybody shows the jobs of all owners, for operators. Without it a page is its caller's.
	Everybody bool
	// Sessions asks people for a key; nil: they say who they are.
	Sessions Sessions
	// API answers /api/v1: users are searched for and imports submitted through it, so that they are here what they are
	// there. nil: there are no such pages.
	API http.Handler
	// Live returns a context that also ends when the process stops, for streams.
	Live func(context.Context) (context.Context, context.CancelFunc)
	Log  *slog.Logger
}

// Dashboard serves the pages. Make one with New.
type Dashboard struct {
	Config
	mux      *http.ServeMux
	fleet    *shared[job.Fleet]
	stored   sharedBy[[]int64]
	followed followed
	streams  chan struct{} // one token per open stream
	now      func() time.Time
}

const (
	// Root is where the pages are.
	Root = "/dashboard"

	signInPath     = Root + "/sign-in"
	importFilePath = Root + "/import/file"
	// maxForm is the most bytes that a form has: some thousand ids of jobs.
	maxForm = 256 << 10
)

//go:embed assets
var assets embed.FS

//go:embed pages
var pages embed.FS

// maxStreams is how many pages may be followed at once in one process.
const maxStreams = 500

// New makes a Dashboard. It starts nothing.
func New(c Config) *Dashboard {
	d := &Dashboard{Config: c, mux: http.NewServeMux(), streams: make(chan struct{}, maxStreams), now: time.Now}
	d.fleet = ofQueue(func(context.Context) (job.Fleet, error) { return c.Fleet.Fleet() })
	d.fleet.failed = func(err error) { c.Log.Warn("fleet not shown", "err", err) }
	d.stored.read = func(ctx context.Context, owner string) ([]int64, error) {
		return c.Stored.StoredSince(ctx, owner, plotSteps)
	}

	page := func(pattern string, h func(w http.ResponseWriter, r *http.Request) error) {
		d.mux.HandleFunc(pattern, func(w http.ResponseWriter, r *http.Request) { d.answer(w, r, h) })
	}
	page("GET "+Root+"/{$}", d.list)                  // who wants to see how jobs do
	page("GET "+Root, d.list)                         // the same
	page("POST "+Root+"/jobs", d.moveMany)            // and moves some of them
	page("GET "+Root+"/jobs/{id}", d.job)             // looks at one
	page("POST "+Root+"/jobs/{id}/{move}", d.moveOne) // and moves it
	page("GET "+Root+"/events", d.events)             // a page that is open
	page("GET "+Root+"/fleet", d.workers)             // who wants to see the workers
	page("GET "+Root+"/assets/{file}", d.asset)       // a page
	switch {
	case c.Everybody:
	case c.Sessions != nil:
		page("POST "+signInPath, d.signInWithKey)
		page("POST "+Root+"/sign-out", d.signOutOfKey)
		page("GET "+goOnPath, d.goOn)
	default:
		page("POST "+signInPath, d.signIn)
		page("POST "+Root+"/sign-out", d.signOut)
	}
	if c.API != nil {
		page("GET "+Root+"/users", d.users)     // who looks for users
		page("POST "+Root+"/exports", d.export) // and wants them all as files
		page("GET "+Root+"/jobs/{id}/files", d.files)
		page("GET "+Root+"/import", d.importing)   // who has a file, or wants made-up users
		page("POST "+importFilePath, d.importFile) // without script
		page("POST "+Root+"/import/users", d.importUsers)
		page("GET "+Root+"/jobs/{id}/rejected", d.rejected)
	}
	return d
}

// policy lets a page load what the program has, and nothing else.
const policy = "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' data:; connect-src 'self'; form-action 'self'; base-uri 'none'; frame-ancestors 'none'"

var protection = http.NewCrossOriginProtection()

// ServeHTTP implements http.Handler.
func (d *Dashboard) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Content-Security-Policy", policy)
	if err := protection.Check(r); err != nil {
		d.fail(w, r, &problem{http.StatusForbidden, "A page of another origin may not change anything here."})
		return
	}
	if d.Sessions != nil && strings.HasPrefix(r.URL.Path, apiPath) {
		d.throughAPI(w, r)
		return
	}
	if r.Method == http.MethodHead {
		r = r.Clone(r.Context())
		r.Method = http.MethodGet
		w = headWriter{w}
	}
	if r.URL.Path != importFilePath { // a file may be large, a form may not
		r.Body = http.MaxBytesReader(w, r.Body, maxForm)
	}
	if _, pattern := d.mux.Handler(r); pattern == "" {
		d.fail(w, r, &problem{http.StatusNotFound, "There is no such page."})
		return
	}
	if d.Sessions != nil && !strings.HasPrefix(r.URL.Path, Root+"/assets/") && r.URL.Path != signInPath {
		known, err := d.withKey(r)
		if err != nil {
			d.fail(w, r, err)
			return
		}
		r = known
	}
	d.mux.ServeHTTP(w, r)
}

// headWriter answers HEAD.
type headWriter struct{ http.ResponseWriter }

func (headWriter) Write(p []byte) (int, error) { return len(p), nil }

// Unwrap is for http.ResponseController.
func (w headWriter) Unwrap() http.ResponseWriter { return w.ResponseWriter }

// problem is an error that is for the reader of the page.
type problem struct {
	status int
	text   string
}

func (p *problem) Error() string { return p.text }

// answer calls h, and shows its error.
func (d *Dashboard) answer(w http.ResponseWriter, r *http.Request, h func(w http.ResponseWriter, r *http.Request) error) {
	if err := h(w, r); err != nil {
		d.fail(w, r, err)
	}
}

// readForm returns what a form sent in its body; what its address has is not part of it.
func readForm(r *http.Request) (url.Values, error) {
	err := r.ParseForm()
	if _, large := errors.AsType[*http.MaxBytesError](err); large {
		return nil, &problem{http.StatusRequestEntityTooLarge, "The form is too large."}
	}
	if err != nil {
		return nil, &problem{http.StatusBadRequest, "The form could not be read."}
	}
	return r.PostForm, nil
}

func (d *Dashboard) fail(w http.ResponseWriter, r *http.Request, err error) {
	p := explain(err)
	if p.status == http.StatusInternalServerError {
		d.Log.ErrorContext(r.Context(), "page failed", "err", err)
	}
	_ = d.render(w, r, p.status, "error", http.StatusText(p.status), p)
}

// explain makes a problem of an error.
func explain(err error) *problem {
	if p, ok := errors.AsType[*problem](err); ok {
		return p
	}
	if s, ok := errors.AsType[*job.StateError](err); ok {
		return &problem{http.StatusConflict, "The job is " + string(s.Status) + ": that move is not possible now."}
	}
	if limit, ok := errors.AsType[*job.LimitError](err); ok {
		return &problem{http.StatusTooManyRequests, limit.Error() + "."}
	}
	if limit, ok := errors.AsType[*job.BatchLimitError](err); ok {
		return &problem{http.StatusBadRequest, "The job is larger than jobs may be now: " + limit.Error() + "."}
	}
	if _, many := errors.AsType[*apikey.TooManyError](err); many {
		return &problem{http.StatusTooManyRequests, "Too many keys were tried that do not count. Wait a minute."}
	}
	switch {
	case errors.Is(err, apikey.ErrRefused):
		return &problem{http.StatusUnauthorized, "That is no key that counts: it may be mistyped, expired or revoked."}
	case errors.Is(err, job.ErrNotFound):
		return &problem{http.StatusNotFound, "There is no such job, or it is somebody else's."}
	case errors.Is(err, job.ErrUncertain):
		return &problem{http.StatusServiceUnavailable, "The database went away while it was asked: that may have been done or not. Look before you try again."}
	case errors.Is(err, job.ErrSchema):
		return &problem{http.StatusServiceUnavailable, "The database is not of this version of Muster: an operator has to migrate it."}
	case errors.Is(err, job.ErrStoreUnavailable):
		return &problem{http.StatusServiceUnavailable, "The database does not answer. Try again in a moment."}
	case errors.Is(err, job.ErrQueueFull):
		return &problem{http.StatusServiceUnavailable, "The queue is full. Try again when some jobs are done."}
	case errors.Is(err, job.ErrQueueUnavailable):
		return &problem{http.StatusServiceUnavailable, "The queue does not answer. Try again in a moment."}
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled): // who has gone away does not read it
		return &problem{http.StatusServiceUnavailable, "That took too long. Try again in a moment."}
	}
	return &problem{http.StatusInternalServerError, "Something went wrong here. The log has more."}
}

func (d *Dashboard) asset(w http.ResponseWriter, r *http.Request) error {
	w.Header().Set("Cache-Control", "public, max-age=300")
	http.ServeFileFS(w, r, assets, "assets/"+r.PathValue("file"))
	return nil
}

var templates = template.Must(template.New("").Funcs(template.FuncMap{
	"number": number, "since": since, "clock": clock, "iso": iso, "short": short, "lower": lower, "seconds": seconds,
}).ParseFS(pages, "pages/*.html"))
