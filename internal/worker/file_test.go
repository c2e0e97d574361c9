package worker

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"testing"
	"time"

	gocmp "github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store/storetest"
	"github.com/musterhq/muster/internal/user"
)

// fakeFiles has one file of 60 rows, every tenth of them without an e-mail address.
type fakeFiles struct {
	prepare func(progress func(int64) error) error // asked before a file is prepared; nil: all is well
	open    error
	rows    int64 // that are found; 0: fileRows
	closed  int
}

const fileRows, fileChunk = 60, 25

func (f *fakeFiles) Prepare(_ context.Context, _ *job.Job, progress func(int64) error) (PreparedFile, error) {
	if f.prepare != nil {
		if err := f.prepare(progress); err != nil {
			return PreparedFile{}, err
		}
	}
	rows := cmp.Or(f.rows, fileRows)
	return PreparedFile{Found: &job.FileFound{Format: "csv", Rows: rows}, Chunks: int((rows + fileChunk - 1) / fileChunk), ChunkRows: fileChunk}, nil
}

func (f *fakeFiles) Open(_ context.Context, c *job.Claim) (FileRows, error) {
	if f.open != nil {
		return nil, f.open
	}
	from := int64(c.Chunk.No)*fileChunk + c.Chunk.Done
	return &fakeRows{files: f, at: from, end: min(from+c.Chunk.Left(), fileRows)}, nil
}

type fakeRows struct {
	files   *fakeFiles
	at, end int64
}

func (r *fakeRows) Next(_ context.Context, b *columns.Batch, n int) error {
	*b = columns.Batch{Rows: b.Rows[:0]}
	for ; n > 0 && r.at < r.end; n, r.at = n-1, r.at+1 {
		if r.at%10 == 9 {
			b.Rejects = append(b.Rejects, job.Reject{Row: r.at, Line: r.at + 2, Code: user.Missing, Field: "email", Raw: []byte("x")})
			continue
		}
		b.Rows = append(b.Rows, columns.Row{Index: r.at, User: user.User{FirstName: "Ada", Email: fmt.Sprintf("u%d@example.com", r.at), Age: 36, Gender: user.Female}})
	}
	return nil
}

func (r *fakeRows) Close() { r.files.closed++ }

// fileFleet is a fleet with one file job.
func fileFleet(t *testing.T) (*fleet, *fakeFiles, job.Job) {
	t.Helper()
	f, files := newFleet(t, counting{}), &fakeFiles{}
	f.Files, f.FileStore = files, f.store
	j := job.Job{
		ID: uuid.Must(uuid.NewV7()).String(), Owner: "ann", Source: job.SourceFile, Tier: "SMALL", Requested: 40, Phase: job.Preparing,
		File: &job.File{Upload: "u", Object: "uploads/u", Bytes: 4000, Options: job.FileOptions{
			OnDuplicate: job.DuplicateInsert, MaxRejected: job.DefaultMaxRejected,
		}},
	}
	if err := storetest.CreateJob(t.Context(), f.store, &j, j.File.Bytes); err != nil {
		t.Fatal(err)
	}
	f.redis.slots[j.ID] = true
	return f, files, j
}

func TestFileIsPreparedAndImported(t *testing.T) {
	t.Parallel()
	f, files, j := fileFleet(t)
	f.reconcile(t)
	f.wantTasks(t, "-1/0")
	f.Import(t.Context(), j.ID, job.PrepareChunk)
	f.wantTasks(t, "0/0", "1/0")
	if got := f.job(t, j.ID); got.Phase != job.Importing || got.Status != job.InProgress || got.Requested != fileRows || got.FirstID == 0 {
		t.Fatalf("prepared: %+v", got)
	}
	f.Import(t.Context(), j.ID, job.PrepareChunk) // a late task
	for no := range 3 {
		f.Import(t.Context(), j.ID, no)
	}
	got := f.job(t, j.ID)
	if got.Status != job.Completed || got.Processed != 54 || got.Rejected != 6 || got.Inserted() != 54 || !f.finalized(t) || len(f.redis.slots) != 0 {
		t.Fatalf("job %+v, slots %v", got, f.redis.slots)
	}
	if rows, _, err := storetest.Count(t.Context(), f.store); rows != 54 || err != nil {
		t.Fatalf("%d users, %v", rows, err)
	}
	if files.closed != 3 {
		t.Errorf("%d chunks were closed, want 3", files.closed)
	}
}

func TestFileThatCannotBeImportedFailsAtOnce(t *testing.T) {
	t.Parallel()
	f, files, j := fileFleet(t)
	seen := &job.FileFound{Format: "csv", Columns: []job.FileColumn{{Name: "colour"}}}
	files.prepare = func(func(int64) error) error {
		return &job.FileError{Code: job.CodeNoKnownColumn, Message: "no", Found: seen}
	}
	f.Import(t.Context(), j.ID, job.PrepareChunk)
	got := f.job(t, j.ID)
	if got.Status != job.Failed || got.ErrorCode != job.CodeNoKnownColumn || len(f.redis.slots) != 0 || got.File.Found == nil || got.File.Found.Columns[0].Name != "colour" {
		t.Fatalf("job %+v, slots %v", got, f.redis.slots)
	}
}

// A file store that is away or full costs no stall, and the job says why it waits until it goes on.
func TestFileStoreTroubleIsNoFailure(t *testing.T) {
	t.Parallel()
	for trouble, reason := range map[error]job.WaitReason{job.ErrFilesUnavailable: job.WaitFilesDown, job.ErrNoSpace: job.WaitFilesFull} {
		f, files, j := fileFleet(t)
		files.prepare = func(func(int64) error) error { return fmt.Errorf("read: %w", trouble) }
		f.Import(t.Context(), j.ID, job.PrepareChunk)
		if got := f.job(t, j.ID); got.Status != job.InProgress || got.WaitReason != reason {
			t.Fatalf("job %+v", got)
		}
		if c := f.chunk(t, j.ID, job.PrepareChunk); c.Stalls != 0 {
			t.Fatalf("%d stalls", c.Stalls)
		}
	}
}

// tierSlots are slots of all tiers. free is asked before one is taken.
type tierSlots struct {
	held map[job.Tier]bool
	free func() error
}

func (s *tierSlots) Reserve(_ context.Context, _, _ string, l job.TierLimit) error {
	if err := s.free(); err != nil {
		return err
	}
	s.held[l.Tier] = true
	return nil
}

func (s *tierSlots) Renew(_ context.Context, _, _ string, l job.TierLimit) (added bool, err error) {
	added, s.held[l.Tier] = !s.held[l.Tier], true
	return added, nil
}

func (s *tierSlots) Release(_ context.Context, _, _ string, _ time.Time, l job.TierLimit) error {
	delete(s.held, l.Tier)
	return nil
}

func (s *tierSlots) Unreserve(ctx context.Context, owner, id string, l job.TierLimit) error {
	return s.Release(ctx, owner, id, time.Time{}, l)
}

// A file with more rows than its size told goes on in the tier of its rows, once there is a place, and holds one place.
func TestFileOutgrowsItsTier(t *testing.T) {
	t.Parallel()
	f, files, j := fileFleet(t)
	var full error = &job.LimitError{Tier: "LARGE", Limit: 3, InUse: 3}
	slots := &tierSlots{held: map[job.Tier]bool{"SMALL": true}, free: func() error { return full }}
	f.Jobs.Slots = slots
	files.rows = 10_001
	f.Import(t.Context(), j.ID, job.PrepareChunk)
	if got := f.job(t, j.ID); got.Phase != job.Preparing || got.Tier != "SMALL" || got.WaitReason != job.WaitTier || got.Status != job.InProgress {
		t.Fatalf("without a place: %+v", got)
	}
	if c := f.chunk(t, j.ID, job.PrepareChunk); c.Stalls != 0 {
		t.Errorf("%d stalls", c.Stalls)
	}
	full = nil
	if _, err := f.Jobs.Pause(t.Context(), "ann", j.ID); err != nil {
		t.Fatal(err)
	}
	if _, err := f.Jobs.Resume(t.Context(), "ann", j.ID); err != nil { // so that nobody has to wait
		t.Fatal(err)
	}
	f.Import(t.Context(), j.ID, job.PrepareChunk)
	got := f.job(t, j.ID)
	if got.Phase != job.Importing || got.Tier != "LARGE" || got.Requested != 10_001 || got.WaitReason != "" {
		t.Fatalf("with a place: %+v", got)
	}
	if diff := gocmp.Diff(map[job.Tier]bool{"LARGE": true}, slots.held); diff != "" {
		t.Errorf("places (-want +got):\n%s", diff)
	}
	// A reconciler that has read the job before puts nothing back.
	if err := f.Jobs.Reconcile(t.Context(), j); err != nil {
		t.Fatal(err)
	}
	if diff := gocmp.Diff(map[job.Tier]bool{"LARGE": true}, slots.held); diff != "" {
		t.Errorf("places after a late reconciler (-want +got):\n%s", diff)
	}
}

// chunk returns a chunk of a job.
func (f *fleet) chunk(t *testing.T, id string, no int) job.Chunk {
	t.Helper()
	chunks, err := f.store.Chunks(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range chunks {
		if c.No == no {
			return c
		}
	}
	t.Fatalf("job %s has no chunk %d", id, no)
	return job.Chunk{}
}

// Whoever prepares stops when the job is paused, and the next one begins anew.
func TestPausedWhilePreparing(t *testing.T) {
	t.Parallel()
	f, files, j := fileFleet(t)
	f.Lease = 0 // each report of progress is written
	files.prepare = func(progress func(int64) error) error {
		if err := progress(1000); err != nil {
			return err
		}
		if _, err := f.Jobs.Pause(t.Context(), "ann", j.ID); err != nil {
			return err
		}
		err := progress(2000)
		if !errors.Is(err, job.ErrFenced) {
			t.Errorf("after the pause: %v", err)
		}
		return err
	}
	f.Import(t.Context(), j.ID, job.PrepareChunk)
	if got := f.job(t, j.ID); got.Status != job.Paused || got.Phase != job.Preparing || got.Prepared != 1000 {
		t.Fatalf("job %+v", got)
	}
	files.prepare = nil
	if _, err := f.Jobs.Resume(t.Context(), "ann", j.ID); err != nil {
		t.Fatal(err)
	}
	f.Import(t.Context(), j.ID, job.PrepareChunk)
	if got := f.job(t, j.ID); got.Phase != job.Importing || got.Requested != fileRows {
		t.Fatalf("job %+v", got)
	}
}

func TestTooManyRejectedRowsEndTheJob(t *testing.T) {
	t.Parallel()
	f, _, j := fileFleet(t)
	j.File.Options.MaxRejected = job.MaxRejected{Rows: 1}
	k := j
	k.ID, k.IdempotencyKey = uuid.Must(uuid.NewV7()).String(), ""
	if err := storetest.CreateJob(t.Context(), f.store, &k, k.File.Bytes); err != nil {
		t.Fatal(err)
	}
	f.Import(t.Context(), k.ID, job.PrepareChunk)
	f.Import(t.Context(), k.ID, 0) // two rejected
	got := f.job(t, k.ID)
	if got.Status != job.Failed || got.ErrorCode != job.CodeTooManyRejected || got.Rejected != 2 || got.Processed != 23 {
		t.Fatalf("job %+v", got)
	}
}
