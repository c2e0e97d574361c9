// Package httpapi is the only home of Echo: routes, handlers, the error table, the documentation and the admin pages.
// The contract is api/openapi.yaml; the package api below is generated from it, and every request is checked against
// it.
package httpapi

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"net/http"
	"sync"
	"time"

	"github.com/getkin/kin-openapi/openapi3"
	"go.opentelemetry.io/otel/trace"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/httpapi/api"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/user"
	"github.com/musterhq/muster/internal/webhook"
)

// Jobs submits, shows and moves jobs. Errors: job.ErrNotFound, also for a job of somebody else,
// job.ErrStoreUnavailable.
type Jobs interface {
	// Submit accepts an import; replayed says that the same request was accepted before. Errors also:
	// *invalid.Error, *job.BatchLimitError, *job.LimitError, job.ErrKeyReused, job.ErrQueueUnavailable.
	Submit(ctx context.Context, s job.Spec) (j job.Job, replayed bool, err error)

	// Get and List return jobs with their counts as they stand.
	Get(ctx context.Context, owner, id string) (job.Job, error)
	List(ctx context.Context, f job.Filter) ([]job.Job, error)

	// The moves return the job, also when it was so before. Errors also: *job.StateError; of Resume and Retry those of
	// Submit, too.
	Cancel(ctx context.Context, owner, id string) (job.Job, error)
	Pause(ctx context.Context, owner, id string) (job.Job, error)
	Resume(ctx context.Context, owner, id string) (job.Job, error)
	Retry(ctx context.Context, owner, id string) (job.Job, error)
	Undo(ctx context.Context, owner, id string) (job.Job, error)
}

// UserReader reads users. Those that are deleted are not found, unless a filter asks for them.
type UserReader interface {
	// User returns user.ErrNotFound when there is no such user.
	User(ctx context.Context, id int64) (user.User, error)
	// Users returns at most q.Size users, and whether more follow; none means that none follow.
	Users(ctx context.Context, q user.Query) (users []user.User, more bool, err error)
}

// UserStore changes users one by one.
type UserStore interface {
	// CreateUser stores u under a new id, to which it sets u.ID.
	CreateUser(ctx context.Context, u *user.User) error
	// ChangeUser changes what p gives, and returns the user as it is then. check, if not nil, sees the user before and
	// refuses the change by its error; no other change comes between the two. Errors: user.ErrNotFound, check's, and
	// *invalid.Error when nothing that tells who the user is would be left.
	ChangeUser(ctx context.Context, id int64, p user.Patch, check func(user.User) error) (user.User, error)
	// DeleteUser returns user.ErrNotFound also when the user is deleted already. check is as with ChangeUser.
	DeleteUser(ctx context.Context, id int64, check func(user.User) error) error
	// ReactivateUser undoes DeleteUser. Errors: user.ErrNotFound, user.ErrActive.
	ReactivateUser(ctx context.Context, id int64) (user.User, error)
}

// Exporter makes files of users.
type Exporter interface {
	// Stream writes the users that s asks for to w and returns how many. Nothing has been written when the first users
	// could not be read.
	Stream(ctx context.Context, w io.Writer, s user.ExportSpec) (rows int64, err error)
	// Type returns the media type of the file and the ending of its name, ".csv.gz".
	Type(s user.ExportSpec) (contentType, ext string)
	// Check returns an *invalid.Error when no such file can be made.
	Check(s user.ExportSpec) error
}

// DuplicateStore creates users that may be there already.
type DuplicateStore interface {
	// CreateUserOnDuplicate stores u, or does with the user who has its e-mail address what the strategy says, one of
	// job.DuplicateSkip, DuplicateUpdate, DuplicateFill and DuplicateReject. It returns the user as it is then, and what was done:
	// "inserted", "updated", "unchanged" or "skipped". Errors: user.ErrDuplicate, user.ErrAmbiguous.
	CreateUserOnDuplicate(ctx context.Context, u *user.User, strategy string) (stored user.User, what string, err error)
}

// Uploads keeps files that arrive. It serves resumable uploads itself; UploadOwner and UploadFailed are its ways back.
// Errors: job.ErrUploadNotFound, job.ErrFilesUnavailable, job.ErrNoSpace.
type Uploads interface {
	http.Handler
	// Receive keeps a whole file. Errors also: *job.FileTooLargeError, those of body; nothing is left then.
	Receive(ctx context.Context, owner, fileName, contentType string, body io.Reader) (*job.Upload, error)
	// Find returns a file that is there as a whole. Errors also: job.ErrUploadUnfinished.
	Find(ctx context.Context, owner, id string) (*job.Upload, error)
	Open(ctx context.Context, u *job.Upload) (io.ReadCloser, error)
	Delete(ctx context.Context, u *job.Upload) error
}

// ImportSource has files that others put there. Errors: job.ErrFileNotFound, job.ErrFilesUnavailable.
type ImportSource interface {
	Open(ctx context.Context, key string) (file io.ReadCloser, size int64, err error)
}

// Files knows what files of users look like.
type Files interface {
	// Preview returns what a file looks like that begins with head; cut: it goes on. The error is a *job.FileError when
	// it cannot be imported.
	Preview(ctx context.Context, head []byte, cut bool, contentType string, o job.FileOptions, now time.Time) (*columns.Preview, error)
	// WriteRejected writes the rejected rows of a job, in format "csv" or "ndjson". page returns those behind a row, -1: the
	// first, in order; none: there are no more.
	WriteRejected(ctx context.Context, w io.Writer, j *job.Job, format string, page func(after int64) ([]job.Reject, error)) error
}

// Rejects has the rejected rows of jobs.
type Rejects interface {
	// Rejects returns the first rows behind the row after, at most limit.
	Rejects(ctx context.Context, jobID string, after int64, limit int) ([]job.Reject, error)
}

// Check is one line of /readyz. Ping's error is logged, not shown.
type Check struct {
	Name string
	Ping func(ctx context.Context) error
	// Minor: all but a few requests do without it, so the process is ready all the same.
	Minor bool
}

// Config is what a Server is made of. Fields without a remark are required.
type Config struct {
	Jobs      Jobs
	Users     UserReader
	UserStore UserStore
	Export    Exporter
	Checks    []Check
	Log       *slog.Logger

	Schedules Schedules

	// Auth asks callers for keys, which Keys has; nil: callers name themselves, by X-USER-ID.
	Auth Authenticator
	Keys KeyStore

	// For imports of files.
	Duplicates   DuplicateStore
	Rejects      Rejects
	Uploads      Uploads                // nil: there is no place for files, and their routes answer 503
	Files        Files                  // nil: the same
	ExportLinks  ExportLinks            // nil: the same, for export jobs
	Source       ImportSource           // nil: there is nothing to import from
	KnownCharset func(name string) bool // nil: any may be known
	MaxFileBytes int64                  // of the largest file; 0: only Uploads says

	Webhooks     Webhooks
	WebhookGuard *webhook.Guard // where webhooks may be sent to

	Upstream      job.Allowance        // for the time that a RandomUser job still takes; zero: nothing limits it
	BatchRows     int                  // users that workers commit at once, for the message of a job; 0: 1000
	MaxExports    int                  // exports at once in this process; 0: 4
	TempDir       string               // where GET /export/csv keeps its files; empty: os.TempDir
	CORSOrigins   []string             // empty: no CORS
	LoopbackNames bool                 // whether Public refuses requests for another host than this machine
	AdminPassword string               // of the user admin; empty: the admin pages ask for none
	Monitoring    *Monitoring          // nil: no /monitoring
	Metrics       *Metrics             // nil: nothing is counted
	Traces        trace.TracerProvider // nil: nothing is traced
	// Dashboard serves /dashboard for callers, and AdminDashboard for operators; nil: there is none. They are set before
	// Public and Admin are called.
	Dashboard, AdminDashboard http.Handler
	MetricsPage               http.Handler // GET /metrics of Admin; nil: there is none
}

// Server answers HTTP requests. Make one with New.
type Server struct {
	Config
	spec     *openapi3.T
	specJSON []byte
	exports  chan struct{} // one token per running export
	previews chan struct{} // one per running preview
	now      func() time.Time
	patience time.Duration // how long the body of a request may stand still
}

// contract is what GetSpec reads, and the same as JSON. Reading it takes longer than most tests, and nobody changes it.
var contract = sync.OnceValues(func() (c struct {
	spec *openapi3.T
	json []byte
}, err error) {
	if c.spec, err = api.GetSpec(); err == nil {
		c.json, err = c.spec.MarshalJSON()
	}
	return c, err
})

// New makes a Server; it starts nothing.
func New(c Config) (*Server, error) {
	api, err := contract()
	if err != nil {
		return nil, fmt.Errorf("read the API contract: %w", err)
	}
	if c.MaxExports == 0 {
		c.MaxExports = 4
	}
	if c.BatchRows == 0 {
		c.BatchRows = 1000
	}
	c.count()
	return &Server{
		Config: c, spec: api.spec, specJSON: api.json, exports: make(chan struct{}, c.MaxExports), previews: make(chan struct{}, maxPreviews), now: time.Now, patience: time.Minute,
	}, nil
}
