package store_test

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/storetest"
	"github.com/musterhq/muster/internal/user"
)

func newJob(count int64) *job.Job {
	return &job.Job{
		ID: uuid.Must(uuid.NewV7()).String(), Owner: "ann", Source: job.SourceFaker, Tier: "MEDIUM", Requested: count, Seed: 7,
		RequestHash: "h",
	}
}

// rows returns the users of the next n rows of c's chunk.
func rows(c *job.Claim, n int) []user.User {
	users := make([]user.User, n)
	for i := range users {
		id := c.Job.FirstID + c.Chunk.FirstRow + c.Chunk.Done + int64(i)
		users[i] = user.User{
			ID: id, FirstName: "Ada", LastName: "O'Neil", Email: fmt.Sprintf("ada.%d@example.com", id), City: "Zürich 😀", State: "ZH",
			Age: 36, MobileNumber: fmt.Sprint(id), Gender: user.Female,
		}
	}
	return users
}

func record(t *testing.T, s *store.Store, count, chunkRows int64) *job.Job {
	t.Helper()
	j := newJob(count)
	if err := storetest.CreateJob(t.Context(), s, j, chunkRows); err != nil {
		t.Fatal(err)
	}
	return j
}

// move makes both steps of an owner's move.
func move(ctx context.Context, s *store.Store, owner, id string, m job.Move) (job.Job, error) {
	j, err := s.MoveJob(ctx, owner, id, m)
	if err != nil {
		return j, err
	}
	totals, err := s.AlignChunks(ctx, j)
	totals.Count(&j)
	return j, err
}

func claim(t testing.TB, s *store.Store, id string, no int) *job.Claim {
	t.Helper()
	c, err := s.ClaimChunk(t.Context(), id, no)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func mustCommit(t *testing.T, s *store.Store, c *job.Claim, n int) {
	t.Helper()
	if err := s.CommitBatch(t.Context(), c, rows(c, n), 0); err != nil {
		t.Fatal(err)
	}
}

func wantRows(t *testing.T, s *store.Store, want int64) {
	t.Helper()
	n, distinct, err := storetest.Count(t.Context(), s)
	if err != nil || n != want || distinct != want {
		t.Fatalf("users: %d rows, %d distinct ids, %v; want %d", n, distinct, err, want)
	}
}

func TestImportToTheEnd(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		first := record(t, s, 10, 100)
		j := record(t, s, 2500, 1200)
		if j.FirstID != first.FirstID+10 || j.Chunks != 3 || j.Status != job.Pending || j.CreatedAt.IsZero() {
			t.Fatalf("recorded job: %+v", j)
		}
		for no := range j.Chunks {
			c := claim(t, s, j.ID, no)
			for c.Chunk.Left() > 0 {
				mustCommit(t, s, c, int(min(1000, c.Chunk.Left())))
			}
			done, err := s.FinishJob(t.Context(), j.ID)
			if err != nil || done != (no == j.Chunks-1) {
				t.Fatalf("finish after chunk %d: %v, %v", no, done, err)
			}
			if claim(t, s, j.ID, no) != nil {
				t.Fatalf("chunk %d was claimed after its end", no)
			}
		}
		wantRows(t, s, 2500)
		got, err := s.Job(t.Context(), j.ID)
		if err != nil {
			t.Fatal(err)
		}
		if got.Status != job.Completed || got.Processed != 2500 || got.Version != 2 || got.StartedAt.IsZero() || got.FinishedAt.Before(got.StartedAt) {
			t.Fatalf("finished job: %+v", got)
		}
		if again, err := s.FinishJob(t.Context(), j.ID); again || err != nil {
			t.Fatalf("finishing twice: %v, %v", again, err)
		}
		unfinalized(t, s, first.ID, j.ID)
		if err := s.FinalizeJob(t.Context(), got); err != nil {
			t.Fatal(err)
		}
		unfinalized(t, s, first.ID)
	})
}

// A batch is the same whether its database is near or far.
func TestFarDatabaseGetsLargeStatements(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		const count = 5000
		c := claim(t, s, record(t, s, count, count).ID, 0)
		near, far := s.RowsPerInsert()
		for _, step := range []struct {
			rtt       time.Duration
			perInsert int
			rows      int
		}{{time.Microsecond, near, 1100}, {time.Second, far, 2300}, {time.Second, far, 700}, {time.Microsecond, near, 900}} {
			s.SetRTT(step.rtt)
			mustCommit(t, s, c, step.rows)
			if !s.Prepared(step.perInsert) {
				t.Errorf("%d rows, a round trip of %s: no statement of %d rows", step.rows, step.rtt, step.perInsert)
			}
			wantRows(t, s, c.Chunk.Done)
		}
		if c.Chunk.Done != count {
			t.Errorf("%d rows of %d", c.Chunk.Done, count)
		}
	})
}

func unfinalized(t *testing.T, s *store.Store, want ...string) {
	t.Helper()
	jobs, err := s.UnfinalizedJobs(t.Context(), "", 10)
	if err != nil {
		t.Fatal(err)
	}
	var got []string
	for _, j := range jobs {
		got = append(got, j.ID)
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Fatalf("unfinalized jobs (-want +got):\n%s", diff)
	}
}

// A worker that lost its chunk is stopped by the guard, whatever it believes.
func TestFence(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{Lease: time.Millisecond})
		j := record(t, s, 100, 100)
		frozen := claim(t, s, j.ID, 0)
		var heir *job.Claim
		within(t, func() bool { heir = claim(t, s, j.ID, 0); return heir != nil })
		mustCommit(t, s, heir, 40)
		if err := s.CommitBatch(t.Context(), frozen, rows(frozen, 40), 0); !errors.Is(err, job.ErrFenced) {
			t.Fatalf("the frozen worker's batch: %v, want ErrFenced", err)
		}
		wantRows(t, s, 40)
		if heir.Chunk.Claims != 2 || heir.Chunk.Done != 40 {
			t.Fatalf("heir's chunk: %+v", heir.Chunk)
		}
		// The frozen worker's give-back must not end its successor's lease either.
		if err := s.GiveBack(t.Context(), frozen, 0, "late"); err != nil {
			t.Fatal(err)
		}
		mustCommit(t, s, heir, 60)
		wantRows(t, s, 100)
	})
}

func within(t *testing.T, ok func() bool) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); time.Now().Before(deadline); {
		if ok() {
			return
		}
	}
	t.Fatal("it did not happen within a minute")
}

// Many claim one chunk at once: one gets it. Many batches at once: the rows are stored once.
func TestClaimRace(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		j := record(t, s, 1000, 1000)
		var claims atomic.Int32
		var winner atomic.Pointer[job.Claim]
		parallel(16, func() {
			if c, err := s.ClaimChunk(context.Background(), j.ID, 0); err != nil {
				t.Error(err)
			} else if c != nil {
				claims.Add(1)
				winner.Store(c)
			}
		})
		if claims.Load() != 1 {
			t.Fatalf("%d claims of one chunk, want 1", claims.Load())
		}
		var stored atomic.Int32
		parallel(8, func() {
			mine := *winner.Load()
			switch err := s.CommitBatch(context.Background(), &mine, rows(&mine, 500), 0); {
			case err == nil:
				stored.Add(1)
			case !errors.Is(err, job.ErrFenced):
				t.Error(err)
			}
		})
		if stored.Load() != 1 {
			t.Fatalf("one batch was stored %d times", stored.Load())
		}
		wantRows(t, s, 500)
	})
}

func parallel(n int, fn func()) {
	var wg sync.WaitGroup
	for range n {
		wg.Go(fn)
	}
	wg.Wait()
}

// A chunk fails after three claims in a row without a batch; the others still count.
func TestThreeStallsFailAChunk(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		j := record(t, s, 20, 10)
		for n := range job.MaxStalls {
			c := claim(t, s, j.ID, 0)
			if c == nil || c.Chunk.Stalls != n+1 {
				t.Fatalf("claim %d: %+v", n, c)
			}
			if err := s.Stall(t.Context(), c, "panic"); err != nil {
				t.Fatal(err)
			}
		}
		if claim(t, s, j.ID, 0) != nil {
			t.Fatal("a poisoned chunk was claimed")
		}
		if n, err := s.FailStalled(t.Context(), *j); n != 1 || err != nil {
			t.Fatalf("poison: %d, %v", n, err)
		}
		if done, err := s.FinishJob(t.Context(), j.ID); done || err != nil {
			t.Fatalf("finished with an open chunk: %v", err)
		}
		mustCommit(t, s, claim(t, s, j.ID, 1), 10)
		if done, err := s.FinishJob(t.Context(), j.ID); !done || err != nil {
			t.Fatalf("finish: %v, %v", done, err)
		}
		got, err := s.Job(t.Context(), j.ID)
		if err != nil || got.Status != job.Failed || got.Processed != 10 || got.ErrorCode != "chunk_failed" {
			t.Fatalf("job: %+v, %v", got, err)
		}
	})
}

// A claim that is given back leaves no stall and can be taken at once, or after its wait.
func TestGiveBack(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		j := record(t, s, 20, 20)
		for range 5 {
			c := claim(t, s, j.ID, 0)
			if c == nil || c.Chunk.Stalls != 1 {
				t.Fatalf("claim: %+v", c)
			}
			if err := s.GiveBack(t.Context(), c, 0, "drain"); err != nil {
				t.Fatal(err)
			}
		}
		c := claim(t, s, j.ID, 0)
		mustCommit(t, s, c, 5)
		if err := s.GiveBack(t.Context(), c, time.Hour, "budget"); err != nil {
			t.Fatal(err)
		}
		if claim(t, s, j.ID, 0) != nil {
			t.Fatal("a waiting chunk was claimed")
		}
		if chunks, err := s.ClaimableChunks(t.Context(), j.ID, 8); len(chunks) != 0 || err != nil {
			t.Fatalf("a waiting chunk is claimable: %v, %v", chunks, err)
		}
	})
}

// sabotage runs a statement on the SQLite file behind the store's back.
func sabotage(t *testing.T, url, statement string) {
	t.Helper()
	db, err := sql.Open("sqlite", "file:"+strings.TrimPrefix(url, "sqlite:"))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = db.Close() }()
	if _, err := db.ExecContext(t.Context(), statement); err != nil {
		t.Fatal(err)
	}
}

// A claim whose chunk cannot be read is not counted: three of them would fail the chunk.
func TestClaimThatFailsLeavesNoStall(t *testing.T) {
	t.Parallel()
	url := storetest.Engines(t)[0].New(t)
	s := storetest.Open(t, url, store.Options{})
	j := record(t, s, 10, 10)
	sabotage(t, url, `ALTER TABLE jobs RENAME TO away`)
	for range job.MaxStalls {
		if _, err := s.ClaimChunk(t.Context(), j.ID, 0); err == nil {
			t.Fatal("a chunk without its job was claimed")
		}
	}
	sabotage(t, url, `ALTER TABLE away RENAME TO jobs`)
	if c := claim(t, s, j.ID, 0); c == nil || c.Chunk.Stalls != 1 || c.Job.ID != j.ID {
		t.Fatalf("claim: %+v", c)
	}
}

func TestCancel(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		j := record(t, s, 100, 50)
		c := claim(t, s, j.ID, 0)
		mustCommit(t, s, c, 20)
		if _, err := move(t.Context(), s, "bob", j.ID, job.MoveCancel); !errors.Is(err, job.ErrNotFound) {
			t.Fatalf("somebody else's cancel: %v", err)
		}
		for range 2 {
			got, err := move(t.Context(), s, "ann", j.ID, job.MoveCancel)
			if err != nil || got.Status != job.Cancelled || got.Processed != 20 {
				t.Fatalf("cancel: %+v, %v", got, err)
			}
		}
		if err := s.CommitBatch(t.Context(), c, rows(c, 20), 0); !errors.Is(err, job.ErrFenced) {
			t.Fatalf("batch after cancel: %v", err)
		}
		wantRows(t, s, 20)
		done := record(t, s, 1, 1)
		mustCommit(t, s, claim(t, s, done.ID, 0), 1)
		if ok, err := s.FinishJob(t.Context(), done.ID); !ok || err != nil {
			t.Fatal(ok, err)
		}
		var state *job.StateError
		if _, err := move(t.Context(), s, "ann", done.ID, job.MoveCancel); !errors.As(err, &state) || state.Status != job.Completed {
			t.Fatalf("cancel of a completed job: %v", err)
		}
	})
}

func TestIdempotencyKeyIsUniquePerUser(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		var stored, duplicates atomic.Int32
		parallel(8, func() {
			j := newJob(10)
			j.IdempotencyKey = "k"
			switch err := storetest.CreateJob(context.Background(), s, j, 10); {
			case err == nil:
				stored.Add(1)
			case errors.Is(err, job.ErrDuplicateKey):
				duplicates.Add(1)
			default:
				t.Error(err)
			}
		})
		if stored.Load() != 1 || duplicates.Load() != 7 {
			t.Fatalf("%d stored, %d duplicates; want 1, 7", stored.Load(), duplicates.Load())
		}
		other := newJob(10)
		other.Owner, other.IdempotencyKey = "bob", "k"
		if err := storetest.CreateJob(t.Context(), s, other, 10); err != nil {
			t.Fatalf("another user's key: %v", err)
		}
		if j, err := s.JobByKey(t.Context(), "bob", "k"); err != nil || j.ID != other.ID {
			t.Fatalf("by key: %v, %v", j.ID, err)
		}
	})
}

func TestMigrateRaceAndSchemaCheck(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines(t) {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			url := e.Empty(t)
			s := storetest.Open(t, url, store.Options{})
			if err := s.SchemaCurrent(t.Context()); !errors.Is(err, job.ErrSchema) {
				t.Fatalf("empty database: %v, want ErrSchema", err)
			}
			if _, err := s.Job(t.Context(), "x"); !errors.Is(err, job.ErrSchema) {
				t.Fatalf("read without tables: %v, want ErrSchema", err)
			}
			parallel(3, func() {
				if _, err := store.Migrate(context.Background(), url); err != nil {
					t.Error(err)
				}
			})
			if err := s.SchemaCurrent(t.Context()); err != nil {
				t.Fatal(err)
			}
		})
	}
}

func TestRange(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		j := record(t, s, 25, 25)
		mustCommit(t, s, claim(t, s, j.ID, 0), 25)
		for _, columns := range [][]int{allColumns, {0}, {3, 6}} {
			id := int64(4)
			n, next, err := s.Range(t.Context(), user.Filter{}, columns, 5, 14, func(cols [][]byte) error {
				id++
				all := []string{fmt.Sprint(id), "Ada", "O'Neil", fmt.Sprintf("ada.%d@example.com", id), "Zürich 😀", "ZH", "36", fmt.Sprint(id), "Female", "0"}
				want := make([][]byte, len(user.Columns))
				for _, c := range columns {
					if c < len(all) { // deleted_at is NULL
						want[c] = []byte(all[c])
					}
				}
				if diff := cmp.Diff(want, cols); diff != "" {
					t.Errorf("columns (-want +got):\n%s", diff)
				}
				return nil
			})
			if err != nil || n != 10 || id != 14 || next != 15 {
				t.Errorf("%d users to id %d, next %d, %v", n, id, next, err)
			}
		}
	})
}

func TestOpenRefusesBadURLs(t *testing.T) {
	t.Parallel()
	for _, u := range []string{
		"", "postgres://x", "mysql://u:secret@", "mysql://u:secret@h:1/db?nonsense=1;%zz", "mysql://u:secret@h:bad/db",
		"sqlite://", "sqlite:///tmp/x.db?mode=ro", "sqlite:///tmp/team#1/x.db", "sqlite:///tmp/x.db#", "sqlite:///tmp/x.db?",
		"sqlite://u:secret@tmp/x.db", "sqlite:///tmp/x%00y.db",
	} {
		s, err := store.Open(u, store.Options{})
		if err == nil {
			_ = s.Close()
			t.Errorf("%q was taken", u)
			continue
		}
		if got := err.Error(); len(got) < 20 || strings.Contains(got, "secret") {
			t.Errorf("%q: message %q", u, got)
		}
	}
}
