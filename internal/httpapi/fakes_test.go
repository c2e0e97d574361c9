package httpapi_test

import (
	"context"
	"io"
	"log/slog"
	"sync"
	"time"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/export"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/jobs"
	"github.com/musterhq/muster/internal/user"
)

const (
	jobID   = "01950e6a-7d3c-7b1e-9c3f-2f6d1a8b4c5d"
	otherID = "01950e6a-7d3c-7b1e-9c3f-2f6d1a8b4c5e"
)

// sample returns a job of ada's in the given status, 45,000 of 100,000 users done.
func sample(s job.Status) job.Job {
	created := time.Date(2026, 2, 16, 10, 5, 30, 123_456_789, time.UTC)
	j := job.Job{
		ID: jobID, Owner: "ada", Source: job.SourceFaker, Tier: "LARGE", Status: s, Requested: 100_000,
		Chunks: 4, FirstID: 1, Seed: 42, CreatedAt: created,
	}
	if s != job.Pending {
		j.Processed, j.StartedAt = 45_000, created.Add(time.Second)
	}
	if s == job.Completed {
		j.Processed = 100_000
	}
	j.Finalized = !s.HoldsSlot()
	if s.Terminal() {
		j.FinishedAt = created.Add(2 * time.Second)
	}
	return j
}

// byron returns the user 1.
func byron() user.User {
	return user.User{
		ID: 1, FirstName: "Ada", LastName: "Byron", Email: "ada@example.com", City: "London", State: "England", Age: 36,
		MobileNumber: "+442079460000", Gender: user.Female,
	}
}

// fakes stand in for everything behind the API. Each error, when set, is what the fake returns.
type fakes struct {
	mu sync.Mutex

	specs     []job.Spec
	submitted job.Job
	replayed  bool
	submitErr error

	live    map[string]job.Job
	liveErr error
	puts    []job.Job

	stored   map[string]job.Job
	storeErr error
	moveErr  error
	filters  []job.Filter
	listed   []job.Job

	users   map[int64]user.User
	userErr error // of everything about users
	queries []user.Query
	slice   []user.User
	more    bool
	patches []user.Patch

	stream func(ctx context.Context, w io.Writer, spec user.ExportSpec) (int64, error)

	previews   []previewed
	preview    *columns.Preview
	previewErr error
	rejects    []job.Reject
	sourceErr  error
	duplicate  string // what becomes of a user that is there; empty: there is none
}

// previewed is what was asked of Preview.
type previewed struct {
	Head        string
	Cut         bool
	ContentType string
	Options     job.FileOptions
}

func newFakes() *fakes {
	return &fakes{
		submitted: sample(job.Pending), live: map[string]job.Job{}, stored: map[string]job.Job{},
		users:   map[int64]user.User{1: byron()},
		preview: samplePreview(),
		stream: func(_ context.Context, w io.Writer, _ user.ExportSpec) (int64, error) {
			_, err := io.WriteString(w, "id,name\r\n1,Ada\r\n")
			return 1, err
		},
	}
}

func (f *fakes) Get(_ context.Context, id string) (job.Job, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	j, ok := f.live[id]
	return j, ok, f.liveErr
}

func (f *fakes) Put(_ context.Context, j job.Job, _ []job.Chunk) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.puts = append(f.puts, j)
	return f.liveErr
}

func (f *fakes) Job(_ context.Context, id string) (job.Job, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.storeErr != nil {
		return job.Job{}, f.storeErr
	}
	j, ok := f.stored[id]
	if !ok {
		return job.Job{}, job.ErrNotFound
	}
	return j, nil
}

func (f *fakes) Chunks(context.Context, string) ([]job.Chunk, error) { return nil, f.storeErr }

func (f *fakes) Jobs(_ context.Context, filter job.Filter) ([]job.Job, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.filters = append(f.filters, filter)
	return f.listed[:min(len(f.listed), filter.Limit)], f.storeErr
}

// fakeStore is the part of jobs.Store that jobs are shown from.
type fakeStore struct {
	jobs.Store
	*fakes
}

func (s fakeStore) Job(ctx context.Context, id string) (job.Job, error) { return s.fakes.Job(ctx, id) }
func (s fakeStore) Chunks(ctx context.Context, id string) ([]job.Chunk, error) {
	return s.fakes.Chunks(ctx, id)
}
func (s fakeStore) Jobs(ctx context.Context, f job.Filter) ([]job.Job, error) {
	return s.fakes.Jobs(ctx, f)
}

// fakeJobs shows jobs as the real service does, from the fakes' store and live view; it only pretends to submit and to
// move them.
type fakeJobs struct {
	*jobs.Service
	fakes *fakes
}

func newFakeJobs(f *fakes, log *slog.Logger) fakeJobs {
	return fakeJobs{&jobs.Service{Store: fakeStore{fakes: f}, Live: f, Log: log}, f}
}

func (j fakeJobs) Submit(_ context.Context, s job.Spec) (job.Job, bool, error) {
	f := j.fakes
	f.mu.Lock()
	defer f.mu.Unlock()
	f.specs = append(f.specs, s)
	return f.submitted, f.replayed, f.submitErr
}

// move pretends to make a move.
func (j fakeJobs) move(ctx context.Context, owner, id string, to job.Status) (job.Job, error) {
	now, err := j.fakes.Job(ctx, id)
	switch {
	case err != nil:
		return job.Job{}, err
	case now.Owner != owner:
		return job.Job{}, job.ErrNotFound
	case j.fakes.moveErr != nil:
		return job.Job{}, j.fakes.moveErr
	}
	now.Status = to
	return now, nil
}

func (j fakeJobs) Cancel(ctx context.Context, owner, id string) (job.Job, error) {
	return j.move(ctx, owner, id, job.Cancelled)
}

func (j fakeJobs) Pause(ctx context.Context, owner, id string) (job.Job, error) {
	return j.move(ctx, owner, id, job.Paused)
}

func (j fakeJobs) Resume(ctx context.Context, owner, id string) (job.Job, error) {
	return j.move(ctx, owner, id, job.Pending)
}

func (j fakeJobs) Retry(ctx context.Context, owner, id string) (job.Job, error) {
	return j.move(ctx, owner, id, job.Pending)
}

func (j fakeJobs) Undo(ctx context.Context, owner, id string) (job.Job, error) {
	now, err := j.move(ctx, owner, id, job.Completed)
	now.UndoRequested, now.UndoneRows = true, 50_000
	return now, err
}

func (f *fakes) Stream(ctx context.Context, w io.Writer, spec user.ExportSpec) (int64, error) {
	return f.stream(ctx, w, spec)
}

func (f *fakes) Type(spec user.ExportSpec) (contentType, ext string) {
	return export.Users{}.Type(spec)
}

func (f *fakes) Check(spec user.ExportSpec) error { return export.Users{}.Check(spec) }

func (f *fakes) User(_ context.Context, id int64) (user.User, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.user(id)
}

func (f *fakes) user(id int64) (user.User, error) {
	u, ok := f.users[id]
	switch {
	case f.userErr != nil:
		return user.User{}, f.userErr
	case !ok || u.Deleted:
		return user.User{}, user.ErrNotFound
	}
	return u, nil
}

func (f *fakes) Users(_ context.Context, q user.Query) ([]user.User, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.queries = append(f.queries, q)
	return f.slice, f.more, f.userErr
}

func (f *fakes) CreateUser(_ context.Context, u *user.User) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	if f.userErr != nil {
		return f.userErr
	}
	u.ID = int64(len(f.users)) + 1
	f.users[u.ID] = *u
	return nil
}

func (f *fakes) ChangeUser(_ context.Context, id int64, p user.Patch, check func(user.User) error) (user.User, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	u, err := f.user(id)
	if err == nil && check != nil {
		err = check(u)
	}
	if err != nil {
		return user.User{}, err
	}
	f.patches = append(f.patches, p)
	p.Apply(&u)
	if err := u.CheckIdentity(); err != nil {
		return user.User{}, err
	}
	f.users[id] = u
	return u, nil
}

func (f *fakes) DeleteUser(_ context.Context, id int64, check func(user.User) error) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	u, err := f.user(id)
	if err == nil && check != nil {
		err = check(u)
	}
	if err != nil {
		return err
	}
	u.Deleted, u.DeletedAt = true, time.Date(2026, 2, 16, 10, 5, 30, 0, time.UTC)
	f.users[id] = u
	return nil
}

func (f *fakes) ReactivateUser(_ context.Context, id int64) (user.User, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	u, ok := f.users[id]
	switch {
	case f.userErr != nil:
		return user.User{}, f.userErr
	case !ok:
		return user.User{}, user.ErrNotFound
	case !u.Deleted:
		return user.User{}, user.ErrActive
	}
	u.Deleted, u.DeletedAt = false, time.Time{}
	f.users[id] = u
	return u, nil
}
