package httpapi_test

import (
	"context"
	"io"
	"sync"
	"time"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/user"
)

const (
	jobID   = "01950e6a-7d3c-7b1e-9c3f-2f6d1a8b4c5d"
	otherID = "01950e6a-7d3c-7b1e-9c3f-2f6d1a8b4c5e"
)

// sample is a job of ada's in the given status, 45,000 of 100,000 users done.
func sample(s job.Status) job.Job {
	created := time.Date(2026, 2, 16, 10, 5, 30, 123_456_789, time.UTC)
	j := job.Job{
		ID: jobID, UserID: "ada", Source: job.SourceFaker, Tier: "LARGE", Status: s, Requested: 100_000,
		Chunks: 4, FirstID: 1, Seed: 42, CreatedAt: created,
	}
	if s != job.Pending {
		j.Processed, j.StartedAt = 45_000, created.Add(time.Second)
	}
	if s == job.Completed {
		j.Processed = 100_000
	}
	if s.Terminal() {
		j.FinishedAt = created.Add(2 * time.Second)
	}
	return j
}

// fakes stand in for everything behind the API. Each error, when set, is what the fake answers.
type fakes struct {
	mu sync.Mutex

	specs     []job.Spec
	submitted job.Job
	replayed  bool
	submitErr error

	live    map[string]job.Job
	liveErr error
	puts    []job.Job

	stored    map[string]job.Job
	storeErr  error
	cancelErr error
	filters   []job.Filter
	listed    []job.Job

	released   []string
	releaseErr error

	stream func(ctx context.Context, w io.Writer, spec user.ExportSpec) (int64, error)
}

func newFakes() *fakes {
	return &fakes{
		submitted: sample(job.Pending), live: map[string]job.Job{}, stored: map[string]job.Job{},
		stream: func(_ context.Context, w io.Writer, _ user.ExportSpec) (int64, error) {
			_, err := io.WriteString(w, "id,name\r\n1,Ada\r\n")
			return 1, err
		},
	}
}

func (f *fakes) Submit(_ context.Context, s job.Spec) (job.Job, bool, error) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.specs = append(f.specs, s)
	return f.submitted, f.replayed, f.submitErr
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

func (f *fakes) Cancel(ctx context.Context, userID, id string) (job.Job, error) {
	j, err := f.Job(ctx, id)
	if err != nil {
		return job.Job{}, err
	}
	if f.cancelErr != nil {
		return job.Job{}, f.cancelErr
	}
	if j.UserID != userID {
		return job.Job{}, job.ErrNotFound
	}
	j.Status = job.Cancelled
	return j, nil
}

func (f *fakes) Release(_ context.Context, userID, jobID string, l job.TierLimit) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.released = append(f.released, userID+" "+jobID+" "+string(l.Tier))
	return f.releaseErr
}

func (f *fakes) Stream(ctx context.Context, w io.Writer, spec user.ExportSpec) (int64, error) {
	return f.stream(ctx, w, spec)
}
