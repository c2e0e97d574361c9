package jobs

import (
	"cmp"
	"context"
	"crypto/rand"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"time"

	"github.com/google/uuid"

	"github.com/musterhq/muster/internal/crash"
	"github.com/musterhq/muster/internal/invalid"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/tracing"
)

// maxRandomUser is how many users a job may ask of RandomUser.
const maxRandomUser = 100_000

// Submit accepts the import: it checks the request, reserves a slot and stores the job's row. From then on the job
// exists, whatever happens to this process. It returns the job; replayed is true when the same request under the same
// idempotency key was accepted before, and the job is that one. Errors: *invalid.Error, *job.BatchLimitError,
// *job.LimitError, job.ErrKeyReused, job.ErrStoreUnavailable, job.ErrQueueUnavailable, job.ErrQueueFull; nothing is
// left behind then.
func (s *Service) Submit(ctx context.Context, spec job.Spec) (j job.Job, replayed bool, err error) {
	ctx, span := tracing.Start(ctx, "submit job")
	defer func() { tracing.End(span, err) }()
	if err := s.validate(&spec); err != nil {
		return job.Job{}, false, err
	}
	if err := s.checkParent(ctx, spec); err != nil {
		return job.Job{}, false, err
	}
	hash := requestHash(spec)
	if spec.IdempotencyKey != "" {
		switch j, err := s.replay(ctx, spec, hash); {
		case err == nil:
			return j, true, nil
		case !errors.Is(err, job.ErrNotFound):
			return job.Job{}, false, err
		}
	}
	limit := s.Tiers.Limit(job.TierExport)
	if spec.Source == job.SourceExport {
		if err := s.measure(ctx, &spec); err != nil {
			return job.Job{}, false, err
		}
	} else {
		limit = s.Tiers.For(spec.Count)
	}
	if j, err = newJob(spec, hash); err != nil {
		return job.Job{}, false, err
	}
	j.Tier, j.ChunkRows = limit.Tier, s.chunkRows(&spec)
	if depth, err := s.Queue.Depth(ctx); err != nil || depth >= s.MaxDepth {
		return job.Job{}, false, cmp.Or(err, job.ErrQueueFull)
	}

	crash.Point("submit.begin")
	if err := s.Slots.Reserve(ctx, j.Owner, j.ID, limit); err != nil {
		// A refusal may come from the job that the same request made a moment ago.
		if j, replayErr := s.replay(ctx, spec, hash); replayErr == nil {
			return j, true, nil
		}
		return job.Job{}, false, s.estimateWait(ctx, err)
	}
	crash.Point("submit.reserved")
	if err := s.Store.CreateJob(ctx, &j); err != nil {
		s.unreserve(ctx, j, limit, err)
		if errors.Is(err, job.ErrDuplicateKey) {
			j, err := s.replay(ctx, spec, hash)
			return j, err == nil, err
		}
		return job.Job{}, false, err
	}
	crash.Point("submit.created")
	s.begin(context.WithoutCancel(ctx), j) // the client may be gone, the job exists all the same
	crash.Point("submit.end")
	return j, false, nil
}

// begin adds the chunks of a new job, and does what Reconcile does for it. An error is only logged: the job is accepted,
// and the reconciler does what is left.
func (s *Service) begin(ctx context.Context, j job.Job) {
	adding, cancel := context.WithTimeout(ctx, alignTimeout)
	defer cancel()
	if err := s.Store.AddChunks(adding, j); err != nil {
		s.Log.WarnContext(ctx, "chunks not added; the reconciler will", "job", j.ID, "err", err)
		return
	}
	crash.Point("submit.chunks")
	_, count := j.ChunkNumbers()
	s.publishOrLog(ctx, j, job.ChunkTotals{Recorded: count, Open: count})
}

// replay returns the job that the request's idempotency key stands for. Errors: job.ErrNotFound, job.ErrKeyReused,
// job.ErrStoreUnavailable.
func (s *Service) replay(ctx context.Context, spec job.Spec, hash string) (job.Job, error) {
	if spec.IdempotencyKey == "" {
		return job.Job{}, job.ErrNotFound
	}
	j, err := s.Store.JobByKey(ctx, spec.Owner, spec.IdempotencyKey)
	if err != nil {
		return job.Job{}, err
	}
	if j.RequestHash != hash {
		return job.Job{}, job.ErrKeyReused
	}
	return s.alignBeforeShowing(ctx, j)
}

// unreserve gives back a slot that was reserved for a job which then could not be stored or moved, because of cause. When
// the outcome of a COMMIT is unknown, the job may run all the same: then the slot stays, until the job ends or, if it does
// not run, the lease of a minute does.
func (s *Service) unreserve(ctx context.Context, j job.Job, limit job.TierLimit, cause error) {
	if errors.Is(cause, job.ErrUncertain) {
		return
	}
	// Not the request's context: the client may be gone, the slot must be given back all the same.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), followTimeout)
	defer cancel()
	if err := s.Slots.Unreserve(ctx, j.Owner, j.ID, limit); err != nil {
		s.Log.WarnContext(ctx, "slot not given back; it expires by itself", "job", j.ID, "err", err)
	}
}

// estimateWait returns err. If that is a refusal for want of a slot, its RetryAfter becomes the time in which the first of
// the jobs that hold the slots should end.
func (s *Service) estimateWait(ctx context.Context, err error) error {
	var limit *job.LimitError
	if !errors.As(err, &limit) || limit.Cooldown {
		return err
	}
	var best time.Duration
	for _, id := range limit.Jobs {
		j, ok, err := s.Live.Get(ctx, id)
		if err != nil || !ok {
			continue
		}
		if eta, known := j.ETA(time.Now(), s.Upstream); known && (best == 0 || eta < best) {
			best = eta
		}
	}
	// Bounds for an estimate: one wrong by minutes would keep a polite client away for nothing.
	limit.RetryAfter = min(max(best, limit.RetryAfter, time.Second), 5*time.Minute)
	return limit
}

// chunkRows returns the rows of a new job's chunks. A file has one chunk until it is prepared, whose rows are its bytes.
func (s *Service) chunkRows(spec *job.Spec) int64 {
	switch spec.Source {
	case job.SourceRandomUser:
		return job.RandomUserPage
	case job.SourceFile:
		return spec.File.Bytes
	case job.SourceExport:
		return min(max(exportChunk*s.ChunkRows, spec.Export.SplitRows), maxExportRows)
	}
	if s.BatchRows == 0 {
		return s.ChunkRows
	}
	return min(s.ChunkRows, max(s.BatchRows, (spec.Count+leastChunks-1)/leastChunks))
}

const (
	// leastChunks is how many chunks a job has at least, as long as each has a batch: workers that are idle share it.
	leastChunks = 4
	// exportChunk is how many times as many ids as an import's a chunk of an export has, 250,000 by default: what a worker
	// writes in about a second, so that several share an export, and one that dies costs little.
	exportChunk = 10
	// maxExportRows bounds the chunks of an export whose files are to be larger.
	maxExportRows = 10_000_000
)

// measure finds the ids that an export job has to look at. Users that are added above them are left out.
func (s *Service) measure(ctx context.Context, spec *job.Spec) error {
	first, last, err := s.Exports.Span(ctx, spec.Export)
	if err != nil {
		return err
	}
	measured := *spec.Export
	measured.FirstID = first
	spec.Export, spec.Count = &measured, max(1, last-first+1) // one without users has a file without users
	return nil
}

// checkParent refuses a job whose parent is no import of a file by the same owner.
func (s *Service) checkParent(ctx context.Context, spec job.Spec) error {
	if spec.ParentID == "" {
		return nil
	}
	parent, err := s.Store.Job(ctx, spec.ParentID)
	if errors.Is(err, job.ErrNotFound) || err == nil && (parent.Owner != spec.Owner || parent.File == nil) {
		var bad invalid.Error
		bad.Add("parentJobId", "must be an import of a file of your own")
		return bad.Err()
	}
	return err
}

func newJob(spec job.Spec, hash string) (job.Job, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return job.Job{}, fmt.Errorf("make a job id: %w", err)
	}
	j := job.Job{
		ID: id.String(), Owner: spec.Owner, Source: spec.Source, Status: job.Pending, Requested: spec.Count,
		Nat: spec.Nat, IdempotencyKey: spec.IdempotencyKey, RequestHash: hash,
		File: spec.File, DryRun: spec.DryRun, ParentID: spec.ParentID, Export: spec.Export, CallbackURL: spec.CallbackURL, Origin: spec.Origin,
	}
	if spec.Source == job.SourceExport {
		return j, nil
	}
	if spec.Source == job.SourceFile {
		j.Phase = job.Preparing
		return j, nil
	}
	if spec.Seed != nil {
		j.Seed = *spec.Seed
		return j, nil
	}
	var b [8]byte
	_, _ = rand.Read(b[:])
	// Below 2^53, so that a client whose numbers are doubles can send it back.
	j.Seed = int64(binary.LittleEndian.Uint64(b[:]) >> 11)
	return j, nil
}

// fileHash is what an import of a file asks for: the same bytes sent again are the same file.
type fileHash struct {
	SHA256   string
	Options  job.FileOptions
	DryRun   bool
	ParentID string
}

// requestHash returns the same text for two requests if they ask for the same: everything but the owner and the key counts.
func requestHash(spec job.Spec) string {
	asked := struct {
		Source   string
		Count    int64
		Seed     *int64
		Nat      []string
		File     *fileHash   `json:",omitempty"` // left out for the others, whose hashes are stored without it
		Export   *job.Export `json:",omitempty"`
		Callback string      `json:",omitempty"`
	}{Source: spec.Source, Count: spec.Count, Seed: spec.Seed, Nat: spec.Nat}
	if spec.File != nil {
		asked.File = &fileHash{spec.File.SHA256, spec.File.Options, spec.DryRun, spec.ParentID}
	}
	asked.Export, asked.Callback = spec.Export, spec.CallbackURL
	b, _ := json.Marshal(asked) // of these types Marshal cannot fail
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
