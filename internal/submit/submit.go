// Package submit accepts imports: validate, reserve a slot, record the job, ring the bell. Each step's undo stands
// beside it. After Record the job exists, whatever happens to this process.
package submit

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
	"log/slog"
	"time"

	"github.com/google/uuid"

	"github.com/musterhq/muster/internal/crash"
	"github.com/musterhq/muster/internal/job"
)

// Store records jobs.
type Store interface {
	RecordJob(ctx context.Context, j *job.Job, chunkRows int64) error
	JobByKey(ctx context.Context, userID, key string) (job.Job, error)
}

// Slots reserves places in the user's tiers.
type Slots interface {
	Reserve(ctx context.Context, userID, jobID string, l job.TierLimit) error
	Undo(ctx context.Context, userID, jobID string, l job.TierLimit) error
}

// Bells tells the fleet that a chunk may be ready.
type Bells interface {
	Ring(ctx context.Context, tier job.Tier, jobID string, chunk int, claims int64) error
	Depth(ctx context.Context) (int64, error)
}

// Live shows the progress of jobs.
type Live interface {
	Get(ctx context.Context, id string) (j job.Job, ok bool, err error)
	Put(ctx context.Context, j job.Job, chunks []job.Chunk) error
}

// Submitter accepts imports. All fields but Upstream are required.
type Submitter struct {
	Store     Store
	Slots     Slots
	Bells     Bells
	Live      Live
	Tiers     job.Tiers
	MaxCount  int64
	ChunkRows int64         // rows of a chunk; RandomUser's chunks are its pages, whatever this says
	Window    int           // bells of one job that may be in the queue
	MaxDepth  int64         // bells that may wait in all queues when a job is accepted; requests at once may pass it together
	Upstream  job.Allowance // for the estimate of a refusal; zero: nothing limits a RandomUser job
	Log       *slog.Logger
}

// Limits of RandomUser: users a job, and users a page.
const (
	maxRandomUser   = 100_000
	randomUserChunk = 5_000
)

// Submit accepts the import and answers the job; replayed is true when the same request under the same idempotency
// key was accepted before, and the job is that one. Errors: *job.ValidationError, *job.BatchLimitError,
// *job.LimitError, job.ErrKeyReused, job.ErrStoreUnavailable, job.ErrQueueUnavailable, job.ErrQueueFull; nothing is left behind then.
func (s *Submitter) Submit(ctx context.Context, spec job.Spec) (j job.Job, replayed bool, err error) {
	if err := s.validate(&spec); err != nil {
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
	if j, err = newJob(spec, hash); err != nil {
		return job.Job{}, false, err
	}
	limit := s.Tiers.For(spec.Count)
	j.Tier = limit.Tier
	if depth, err := s.Bells.Depth(ctx); err != nil || depth >= s.MaxDepth {
		return job.Job{}, false, cmp.Or(err, job.ErrQueueFull)
	}

	crash.Point("submit.begin")
	if err := s.Slots.Reserve(ctx, j.UserID, j.ID, limit); err != nil {
		// A refusal may come from the job that the same request made a moment ago.
		if j, replayErr := s.replay(ctx, spec, hash); replayErr == nil {
			return j, true, nil
		}
		return job.Job{}, false, s.estimate(ctx, err)
	}
	crash.Point("submit.reserved")
	if err := s.Store.RecordJob(ctx, &j, s.chunkRows(spec.Source)); err != nil {
		s.undo(ctx, j, limit, err)
		if errors.Is(err, job.ErrDuplicateKey) {
			j, err := s.replay(ctx, spec, hash)
			return j, err == nil, err
		}
		return job.Job{}, false, err
	}
	crash.Point("submit.recorded")
	s.announce(ctx, j)
	crash.Point("submit.announced")
	return j, false, nil
}

// replay answers the job that the request's idempotency key stands for.
func (s *Submitter) replay(ctx context.Context, spec job.Spec, hash string) (job.Job, error) {
	if spec.IdempotencyKey == "" {
		return job.Job{}, job.ErrNotFound
	}
	j, err := s.Store.JobByKey(ctx, spec.UserID, spec.IdempotencyKey)
	if err == nil && j.RequestHash != hash {
		return job.Job{}, job.ErrKeyReused
	}
	return j, err
}

// undo frees the slot of a job that was not recorded. When the answer to the COMMIT was lost, the job may exist all
// the same: then the slot is left to it, or to its lease of a minute.
func (s *Submitter) undo(ctx context.Context, j job.Job, limit job.TierLimit, cause error) {
	if errors.Is(cause, job.ErrUncertain) {
		return
	}
	// Not the request's context: the client may be gone, the slot must go too.
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := s.Slots.Undo(ctx, j.UserID, j.ID, limit); err != nil {
		s.Log.Warn("slot not given back; it expires by itself", "job", j.ID, "err", err)
	}
}

// announce rings for the first chunks and shows the job. Errors are only logged: the keeper does both.
func (s *Submitter) announce(ctx context.Context, j job.Job) {
	ctx, cancel := context.WithTimeout(context.WithoutCancel(ctx), 2*time.Second)
	defer cancel()
	if err := s.Live.Put(ctx, j, nil); err != nil {
		s.Log.Warn("live progress not shown yet", "job", j.ID, "err", err)
		return
	}
	crash.Point("submit.shown")
	for no := range min(s.Window, j.Chunks) {
		if err := s.Bells.Ring(ctx, j.Tier, j.ID, no, 0); err != nil {
			s.Log.Warn("bell not rung; the keeper will", "job", j.ID, "chunk", no, "err", err)
			return
		}
		crash.Point("submit.rung")
	}
}

// estimate improves the wait of a refusal: when the job that is furthest should end.
func (s *Submitter) estimate(ctx context.Context, err error) error {
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

func (s *Submitter) chunkRows(source string) int64 {
	if source == job.SourceRandomUser {
		return randomUserChunk
	}
	return s.ChunkRows
}

func newJob(spec job.Spec, hash string) (job.Job, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return job.Job{}, fmt.Errorf("make a job id: %w", err)
	}
	j := job.Job{
		ID: id.String(), UserID: spec.UserID, Source: spec.Source, Status: job.Pending, Requested: spec.Count,
		Nat: spec.Nat, IdempotencyKey: spec.IdempotencyKey, RequestHash: hash,
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

// requestHash tells whether two requests ask for the same: everything but the caller and the key.
func requestHash(spec job.Spec) string {
	b, _ := json.Marshal(struct {
		Source string
		Count  int64
		Seed   *int64
		Nat    []string
	}{spec.Source, spec.Count, spec.Seed, spec.Nat}) // of these types Marshal cannot fail
	sum := sha256.Sum256(b)
	return hex.EncodeToString(sum[:])
}
