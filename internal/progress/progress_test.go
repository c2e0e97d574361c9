package progress

import (
	"context"
	"errors"
	"net"
	"runtime"
	"strconv"
	"sync"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"
	"github.com/redis/go-redis/v9"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/testenv"
)

// each runs fn on the in-process Redis and on a real one.
func each(t *testing.T, fn func(t *testing.T, l *Live, rdb *redis.Client)) {
	for name, addr := range map[string]func(t *testing.T) string{
		"miniredis": func(t *testing.T) string { return miniredis.RunT(t).Addr() },
		"redis":     func(t *testing.T) string { return testenv.Redis(t) },
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			rdb := redis.NewClient(&redis.Options{Addr: addr(t), DisableIdentity: true})
			t.Cleanup(func() { _ = rdb.Close() })
			fn(t, New(rdb, job.DefaultPrefix), rdb)
		})
	}
}

func newJob() job.Job {
	return job.Job{
		ID: uuid.NewString(), Owner: "ann", Source: "faker", Tier: "XL", Status: job.Pending, Requested: 100, Chunks: 2, FirstID: 7,
		Seed: 1<<53 - 1, Nat: []string{"us"}, CreatedAt: time.UnixMilli(1_700_000_000_123).UTC(),
	}
}

func check(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

func shown(t *testing.T, l *Live, want job.Job) {
	t.Helper()
	got, ok, err := l.Get(t.Context(), want.ID)
	check(t, err)
	if diff := cmp.Diff(want, got); !ok || diff != "" {
		t.Fatalf("shown %v (-want +got):\n%s", ok, diff)
	}
}

func TestCountsAreTheSumOfTheChunks(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, l *Live, _ *redis.Client) {
		j := newJob()
		check(t, l.Put(t.Context(), j, nil))
		shown(t, l, j)
		check(t, l.Chunk(t.Context(), &job.Chunk{JobID: j.ID, No: 0, Done: 30, Rejected: 2}))
		check(t, l.Chunk(t.Context(), &job.Chunk{JobID: j.ID, No: 1, Done: 10}))
		j.Processed, j.Rejected = 38, 2
		shown(t, l, j)
	})
}

// A file is read as a chunk of its own, whose bytes are no rows.
func TestFileShowsWhatIsReadAndWhatBecameOfItsRows(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, l *Live, _ *redis.Client) {
		j := newJob()
		j.Source, j.Phase, j.File = job.SourceFile, job.Preparing, &job.File{Bytes: 5000, Options: job.FileOptions{OnDuplicate: job.DuplicateUpdate}}
		check(t, l.Put(t.Context(), j, nil))
		check(t, l.Chunk(t.Context(), &job.Chunk{JobID: j.ID, No: job.PrepareChunk, Done: 3000}))
		j.Prepared = 3000
		shown(t, l, j)

		j.Version, j.Phase, j.Prepared = 1, job.Importing, 5000
		check(t, l.Put(t.Context(), j, []job.Chunk{{No: job.PrepareChunk, Done: 5000}, {No: 0, Done: 30, Rejected: 1, Updated: 2, Unchanged: 3, Skipped: 4}}))
		check(t, l.Chunk(t.Context(), &job.Chunk{JobID: j.ID, No: 1, Done: 20, Rejected: 1, Updated: 5, Skipped: 1}))
		j.Processed, j.Rejected, j.Updated, j.Unchanged, j.Skipped = 48, 2, 7, 3, 5
		shown(t, l, j)
	})
}

// Whatever is written late or twice, the counts that are shown never shrink.
func TestProgressNeverShrinks(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, l *Live, _ *redis.Client) {
		j := newJob()
		check(t, l.Put(t.Context(), j, nil))
		var wg sync.WaitGroup
		for done := range int64(50) {
			wg.Go(func() {
				if err := l.Chunk(t.Context(), &job.Chunk{JobID: j.ID, No: 0, Done: done + 1}); err != nil {
					t.Error(err)
				}
			})
		}
		wg.Wait()
		check(t, l.Chunk(t.Context(), &job.Chunk{JobID: j.ID, No: 0, Done: 3}))
		check(t, l.Put(t.Context(), j, []job.Chunk{{No: 0, Done: 5}}))
		j.Processed = 50
		shown(t, l, j)
	})
}

func TestOlderVersionNeverReplacesNewer(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, l *Live, rdb *redis.Client) {
		old := newJob()
		over := old
		over.Status, over.Version, over.Processed, over.FinishedAt = job.Completed, 2, 100, time.UnixMilli(1_700_000_009_000).UTC()
		check(t, l.Put(t.Context(), over, []job.Chunk{{No: 0, Done: 60}, {No: 1, Done: 40}}))
		check(t, l.Put(t.Context(), old, []job.Chunk{{No: 0, Done: 5}}))
		shown(t, l, over)
		if ttl := rdb.TTL(t.Context(), l.key(old.ID)).Val(); ttl <= 0 || ttl > afterEnd {
			t.Errorf("a finished job's hash lives for %s, want at most %s", ttl, afterEnd)
		}
	})
}

// After a flush of Redis one chunk alone must not be taken for the whole job.
func TestChunkWithoutJobIsDropped(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, l *Live, rdb *redis.Client) {
		j := newJob()
		check(t, l.Put(t.Context(), j, nil))
		check(t, rdb.Del(t.Context(), l.key(j.ID)).Err())
		check(t, l.Chunk(t.Context(), &job.Chunk{JobID: j.ID, No: 1, Done: 10}))
		if _, ok, err := l.Get(t.Context(), j.ID); ok || err != nil {
			t.Fatalf("shown %v, %v", ok, err)
		}
		check(t, l.Put(t.Context(), j, []job.Chunk{{No: 0, Done: 40, Rejected: 1}, {No: 1, Done: 20}}))
		j.Processed, j.Rejected = 59, 1
		shown(t, l, j)
	})
}

// That a job waits for the database is shown until one of its chunks moves on, or it is shown anew.
func TestWaitForStore(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, l *Live, rdb *redis.Client) {
		j := newJob()
		check(t, l.WaitForStore(t.Context(), j.ID, job.WaitStoreDisk))
		if n := rdb.Exists(t.Context(), l.key(j.ID)).Val(); n != 0 {
			t.Error("a job that is not shown got a hash, which never expires")
		}
		check(t, l.Put(t.Context(), j, nil))
		check(t, l.Chunk(t.Context(), &job.Chunk{JobID: j.ID, No: 0, Done: 30, Rejected: 2}))
		check(t, l.WaitForStore(t.Context(), j.ID, job.WaitStoreDisk))
		waits := j
		waits.Processed, waits.Rejected, waits.WaitReason = 28, 2, job.WaitStoreDisk
		shown(t, l, waits)
		check(t, l.Chunk(t.Context(), &job.Chunk{JobID: j.ID, No: 0, Done: 30, Rejected: 2})) // a late write, of what is shown already
		shown(t, l, waits)
		check(t, l.Chunk(t.Context(), &job.Chunk{JobID: j.ID, No: 1, Done: 10}))
		j.Processed, j.Rejected = 38, 2
		shown(t, l, j)

		check(t, l.WaitForStore(t.Context(), j.ID, job.WaitStoreDown))
		check(t, rdb.HSet(t.Context(), l.key(j.ID), "wait", "store_down@"+strconv.FormatInt(time.Now().Add(-2*waitBelieved).Unix(), 10)).Err())
		shown(t, l, j) // the job has waited behind others since then

		check(t, l.WaitForStore(t.Context(), j.ID, job.WaitStoreDown))
		j.Version, j.WaitReason = 1, job.WaitUpstreamSlow
		check(t, l.Put(t.Context(), j, nil))
		shown(t, l, j)

		j.Version, j.WaitReason, j.Status = 2, "", job.Paused
		check(t, l.Put(t.Context(), j, nil))
		check(t, l.WaitForStore(t.Context(), j.ID, job.WaitStoreDown)) // of a worker that does not know
		shown(t, l, j)
	})
}

// Reads that go in one pipeline must not get each other's jobs, nor fail because the caller of another read gave up.
func TestReadsAtOnceGetTheirOwn(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, l *Live, _ *redis.Client) {
		jobs := make([]job.Job, 50)
		for i := range jobs {
			jobs[i] = newJob()
			check(t, l.Put(t.Context(), jobs[i], nil))
		}
		gone, cancel := context.WithCancel(t.Context())
		cancel()
		var wg sync.WaitGroup
		for round := range 500 {
			want := jobs[round%len(jobs)]
			wg.Go(func() {
				if got, ok, err := l.Get(t.Context(), want.ID); err != nil || !ok || got.ID != want.ID {
					t.Errorf("asked for %s, got %s, %v, %v", want.ID, got.ID, ok, err)
				}
			})
			wg.Go(func() { _, _, _ = l.Get(gone, want.ID) })
		}
		wg.Wait()
		left := func() (pipelines, waiting int) {
			l.reads.mu.Lock()
			defer l.reads.mu.Unlock()
			return l.reads.busy, len(l.reads.queue)
		}
		// A pipeline has answered its callers a moment before it is free.
		pipelines, waiting := left()
		for end := time.Now().Add(time.Minute); pipelines+waiting > 0 && time.Now().Before(end); pipelines, waiting = left() {
			runtime.Gosched()
		}
		if pipelines+waiting > 0 {
			t.Errorf("%d pipelines and %d reads are left", pipelines, waiting)
		}
	})
}

// A Redis that does not answer keeps no read waiting for ever, not even those that wait for the pipelines that hang.
func TestReadsEndWhenRedisHangs(t *testing.T) {
	t.Parallel()
	hole, err := net.Listen("tcp", "127.0.0.1:0") // takes connections and never answers
	check(t, err)
	t.Cleanup(func() { _ = hole.Close() })
	rdb := redis.NewClient(&redis.Options{Addr: hole.Addr().String(), ContextTimeoutEnabled: true, MaxRetries: -1})
	t.Cleanup(func() { _ = rdb.Close() })
	l := New(rdb, job.DefaultPrefix)
	var wg sync.WaitGroup
	for range 10 * maxPipelines {
		wg.Go(func() {
			ctx, cancel := context.WithTimeout(t.Context(), 100*time.Millisecond)
			defer cancel()
			if _, ok, err := l.Get(ctx, uuid.NewString()); ok || !errors.Is(err, job.ErrQueueUnavailable) {
				t.Errorf("got %v, %v", ok, err)
			}
		})
	}
	wg.Wait()
}

// Deployments that have a prefix each do not see one another's jobs. Those of the default prefix stay where they were before
// there were prefixes.
func TestPrefix(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, ours *Live, rdb *redis.Client) {
		theirs, j := New(rdb, uuid.NewString()), newJob()
		check(t, ours.Put(t.Context(), j, nil))
		if _, ok, err := theirs.Get(t.Context(), j.ID); ok || err != nil {
			t.Errorf("shown %v, %v", ok, err)
		}
		if n := rdb.Exists(t.Context(), "muster:job:{"+j.ID+"}").Val(); n != 1 {
			t.Error("the job is not where it was before there were prefixes")
		}
	})
}

// What an earlier version has shown lacks the owner, by whom polls are told apart; the job is shown anew then.
func TestViewOfAnEarlierVersionIsMissing(t *testing.T) {
	t.Parallel()
	each(t, func(t *testing.T, l *Live, rdb *redis.Client) {
		check(t, rdb.HSet(t.Context(), l.key("j"), "v", 3, "doc", `{"id":"j","userId":"ann","status":"COMPLETED","version":3}`).Err())
		if _, ok, err := l.Get(t.Context(), "j"); ok || err != nil {
			t.Errorf("shown %v, %v", ok, err)
		}
	})
}
