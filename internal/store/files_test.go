package store_test

import (
	"errors"
	"fmt"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/storetest"
	"github.com/musterhq/muster/internal/user"
)

const fileBytes = 5000

// newFileJob returns the job of a file with this strategy.
func newFileJob(o job.FileOptions) *job.Job {
	if o.MaxRejected == (job.MaxRejected{}) {
		o.MaxRejected = job.DefaultMaxRejected
	}
	j := newJob(100)
	j.Source, j.ParentID = job.SourceFile, "parent"
	j.File = &job.File{Upload: "upload-" + j.ID, Object: "o/1", Name: "ä.csv", Bytes: fileBytes, SHA256: "00", Options: o}
	return j
}

// submit stores the job of a file, and returns it as it is stored.
func submit(t testing.TB, s *store.Store, j *job.Job) job.Job {
	t.Helper()
	if err := storetest.CreateJob(t.Context(), s, j, 0); err != nil {
		t.Fatal(err)
	}
	return jobOf(t, s, j.ID)
}

func jobOf(t testing.TB, s *store.Store, id string) job.Job {
	t.Helper()
	j, err := s.Job(t.Context(), id)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// importing makes both steps of the move to IMPORTING.
func importing(t testing.TB, s *store.Store, j *job.Job, rows, chunkRows int64) job.Job {
	t.Helper()
	c := claim(t, s, j.ID, job.PrepareChunk)
	if err := s.RenewPreparation(t.Context(), c, fileBytes); err != nil {
		t.Fatal(err)
	}
	now, err := s.StartImporting(t.Context(), c, &job.FileFound{Rows: rows}, int((rows+chunkRows-1)/chunkRows), chunkRows)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := s.AlignChunks(t.Context(), now); err != nil {
		t.Fatal(err)
	}
	return now
}

// fileOf submits a file of so many rows in one chunk, prepares it, and claims the chunk.
func fileOf(t testing.TB, s *store.Store, o job.FileOptions, rows int64) *job.Claim {
	t.Helper()
	j := newFileJob(o)
	submit(t, s, j)
	importing(t, s, j, rows, max(rows, 1))
	return claim(t, s, j.ID, 0)
}

// batchOf returns rows that give what is known of the users, the next of the claim's chunk.
func batchOf(c *job.Claim, users ...user.User) *columns.Batch {
	b := &columns.Batch{}
	for i := range users {
		row := columns.RowOf(&users[i])
		row.Index = c.Chunk.FirstRow + c.Chunk.Done + int64(i)
		row.ID, row.Line, row.Raw = users[i].ID, row.Index+2, []byte(users[i].Email)
		b.Rows = append(b.Rows, row)
	}
	return b
}

func commitFile(t testing.TB, s *store.Store, c *job.Claim, b *columns.Batch) {
	t.Helper()
	if err := s.CommitFileBatch(t.Context(), c, b); err != nil {
		t.Fatal(err)
	}
}

func finish(t *testing.T, s *store.Store, id string) job.Job {
	t.Helper()
	if ok, err := s.FinishJob(t.Context(), id); !ok || err != nil {
		t.Fatalf("finish: %v, %v", ok, err)
	}
	return jobOf(t, s, id)
}

func TestFileFromBytesToUsers(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		ctx := t.Context()
		header := true
		want := newFileJob(job.FileOptions{OnDuplicate: job.DuplicateInsert, Delimiter: "\t", Header: &header, Map: map[string]string{"email": "E-Mail"}})
		j := submit(t, s, want)
		if diff := cmp.Diff(want.File, j.File); diff != "" || j.ParentID != "parent" || j.Phase != job.Preparing || j.FirstID != 0 || j.Requested != 100 {
			t.Fatalf("%+v\n%s", j, diff)
		}
		if claim(t, s, j.ID, 0) != nil {
			t.Fatal("a chunk of rows was claimed that nobody knows yet")
		}
		c := claim(t, s, j.ID, job.PrepareChunk)
		if c.Chunk.Rows != fileBytes {
			t.Errorf("%d bytes to read", c.Chunk.Rows)
		}
		if err := s.CommitFileBatch(ctx, c, &columns.Batch{Skipped: 1}); err == nil {
			t.Error("rows of a file were stored while it was prepared")
		}
		if err := s.RenewPreparation(ctx, c, 1234); err != nil {
			t.Fatal(err)
		}
		if j = jobOf(t, s, j.ID); j.Status != job.InProgress || j.StartedAt.IsZero() || j.Prepared != 1234 || j.Processed != 0 {
			t.Errorf("while it is prepared: %+v", j)
		}
		if ok, err := s.FinishJob(ctx, j.ID); ok || err != nil {
			t.Errorf("finished while it was prepared: %v, %v", ok, err)
		}
		if err := s.GiveBack(ctx, c, 0, ""); err != nil {
			t.Fatal(err)
		}
		j = importing(t, s, want, 25, 10)
		if j.FirstID == 0 || j.Requested != 25 || j.Chunks != 3 || j.ChunkRows != 10 || j.Phase != job.Importing || j.File.Found.Rows != 25 {
			t.Fatalf("%+v", j)
		}
		if got := chunkStates(t, s, j.ID); got != "DONE READY READY READY" {
			t.Errorf("chunks: %s", got)
		}
		for no, n := range []int{10, 10, 5} {
			c := claim(t, s, j.ID, no)
			commitFile(t, s, c, batchOf(c, rows(c, n)...))
		}
		j = finish(t, s, j.ID)
		if j.Status != job.Completed || j.Processed != 25 || j.Inserted() != 25 || j.Prepared != fileBytes {
			t.Errorf("%+v", j)
		}
		if err := s.FinalizeJob(ctx, j); err != nil {
			t.Fatal(err)
		}
		again := jobOf(t, s, j.ID)
		again.Finalized = false
		if diff := cmp.Diff(j, again); diff != "" {
			t.Errorf("finalized (-before +after):\n%s", diff)
		}
		wantRows(t, s, 25)
	})
}

func TestFileWithoutRows(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		j := newFileJob(job.FileOptions{OnDuplicate: job.DuplicateInsert})
		j.File.Bytes = 0
		submit(t, s, j)
		now := importing(t, s, j, 0, 10)
		if now.FirstID != 0 || now.Chunks != 0 {
			t.Errorf("%+v", now)
		}
		if got := finish(t, s, j.ID); got.Status != job.Completed || got.Prepared != 0 {
			t.Errorf("%+v", got)
		}
		if got, err := move(t.Context(), s, "ann", j.ID, job.MoveUndo); err != nil || !got.UndoRequested {
			t.Fatal(got, err)
		}
		undone(t, s, j.ID)
	})
}

// undone undoes the job, which has to take a single slice.
func undone(t *testing.T, s *store.Store, id string) {
	t.Helper()
	j := jobOf(t, s, id)
	if more, err := s.UndoSlice(t.Context(), &j); more || err != nil || !j.Undone || !jobOf(t, s, id).Undone {
		t.Errorf("undo: %v, %v, %+v", more, err, j)
	}
}

// Whoever takes a job without ids for one whose first user has the id 0 removes users of others.
func TestUndoOfJobsWithoutIDs(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		other := record(t, s, 10, 10)
		mustCommit(t, s, claim(t, s, other.ID, 0), 10)

		early := newFileJob(job.FileOptions{OnDuplicate: job.DuplicateInsert})
		submit(t, s, early)
		if _, err := move(t.Context(), s, "ann", early.ID, job.MoveCancel); err != nil {
			t.Fatal(err)
		}
		dry := newFileJob(job.FileOptions{OnDuplicate: job.DuplicateInsert})
		dry.DryRun = true
		submit(t, s, dry)
		if j := importing(t, s, dry, 10, 10); j.FirstID != 0 || !j.DryRun {
			t.Errorf("a dry run has ids: %+v", j)
		}
		c := claim(t, s, dry.ID, 0)
		commitFile(t, s, c, batchOf(c, rows(c, 10)...))
		if j := finish(t, s, dry.ID); j.Inserted() != 10 {
			t.Errorf("dry run: %+v", j)
		}
		for _, id := range []string{early.ID, dry.ID} {
			if _, err := move(t.Context(), s, "ann", id, job.MoveUndo); err != nil {
				t.Fatal(err)
			}
			undone(t, s, id)
		}
		wantRows(t, s, 10)
	})
}

// The move to IMPORTING and those of the job's owner may come in any order, and between each other's steps.
func TestMovesAroundStartImporting(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		move job.Move
		want string
	}{{job.MovePause, "PAUSED PAUSED"}, {job.MoveCancel, "CANCELLED CANCELLED"}} {
		t.Run(string(c.move), func(t *testing.T) {
			t.Parallel()
			storetest.Each(t, func(t *testing.T, url string) {
				s := storetest.Open(t, url, store.Options{})
				ctx := t.Context()
				for step := range 4 {
					j := newFileJob(job.FileOptions{OnDuplicate: job.DuplicateInsert})
					submit(t, s, j)
					claimed := claim(t, s, j.ID, job.PrepareChunk)
					started, err := s.StartImporting(ctx, claimed, &job.FileFound{Rows: 20}, 2, 10)
					if err != nil {
						t.Fatal(err)
					}
					if step == 0 { // the worker's second step comes first
						aligned(t, s, started)
					}
					moved, err := s.MoveJob(ctx, "ann", j.ID, c.move)
					if err != nil {
						t.Fatal(err)
					}
					if step == 1 { // between those of the owner
						aligned(t, s, started)
					}
					if step == 2 { // the move of an owner who knows nothing of the other
						if err := s.RenewPreparation(ctx, claimed, 10); err != nil {
							t.Fatal(err)
						}
					}
					aligned(t, s, moved)
					aligned(t, s, started)
					if got := chunkStates(t, s, j.ID); got != "DONE "+c.want {
						t.Errorf("%s, step %d: %s", c.move, step, got)
					}
					again, err := s.StartImporting(ctx, claimed, &job.FileFound{Rows: 20}, 2, 10)
					if err != nil || again.Phase != job.Importing || again.FirstID != started.FirstID || again.Status != c.move.To() {
						t.Errorf("%s, step %d: %+v, %v", c.move, step, again, err)
					}
				}
			})
		})
	}
}

func aligned(t *testing.T, s *store.Store, j job.Job) {
	t.Helper()
	if _, err := s.AlignChunks(t.Context(), j); err != nil {
		t.Fatal(err)
	}
}

func TestPausedWhilePreparing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		ctx := t.Context()
		j := newFileJob(job.FileOptions{OnDuplicate: job.DuplicateInsert})
		submit(t, s, j)
		c := claim(t, s, j.ID, job.PrepareChunk)
		if err := s.RenewPreparation(ctx, c, 700); err != nil {
			t.Fatal(err)
		}
		paused, err := move(ctx, s, "ann", j.ID, job.MovePause)
		if err != nil || paused.Prepared != 700 {
			t.Fatal(paused.Prepared, err)
		}
		if err := s.FinalizeJob(ctx, paused); err != nil {
			t.Fatal(err)
		}
		if got := jobOf(t, s, j.ID); got.Prepared != 700 || !got.Finalized {
			t.Errorf("paused: %+v", got)
		}
		if err := s.RenewPreparation(ctx, c, 800); !errors.Is(err, job.ErrFenced) {
			t.Errorf("renewed while paused: %v", err)
		}
		if _, err := s.StartImporting(ctx, c, &job.FileFound{Rows: 5}, 1, 5); !errors.Is(err, job.ErrFenced) {
			t.Errorf("started while paused: %v", err)
		}
		if err := s.FailPreparation(ctx, c, &job.FileError{Code: "x"}); !errors.Is(err, job.ErrFenced) {
			t.Errorf("failed while paused: %v", err)
		}
		if _, err := move(ctx, s, "ann", j.ID, job.MoveResume); err != nil {
			t.Fatal(err)
		}
		if list, err := s.ClaimableChunks(ctx, j.ID, 5); err != nil || len(list) != 1 || list[0].No != job.PrepareChunk {
			t.Errorf("what belongs into the queue: %+v, %v", list, err)
		}
		importing(t, s, j, 5, 5)
	})
}

// Several workers may prepare one file, if one was frozen: the ids are reserved once.
func TestStartImportingAtOnce(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		before := record(t, s, 1, 1)
		j := newFileJob(job.FileOptions{OnDuplicate: job.DuplicateInsert})
		submit(t, s, j)
		c := claim(t, s, j.ID, job.PrepareChunk)
		parallel(6, func() {
			mine := *c
			got, err := s.StartImporting(t.Context(), &mine, &job.FileFound{Rows: 30}, 3, 10)
			if err == nil {
				_, err = s.AlignChunks(t.Context(), got)
			}
			if err != nil || got.FirstID != before.FirstID+1 || got.Requested != 30 {
				t.Errorf("%+v, %v", got, err)
			}
		})
		if after := record(t, s, 1, 1); after.FirstID != before.FirstID+31 {
			t.Errorf("ids %d, then %d, with 30 rows between them", before.FirstID, after.FirstID)
		}
		if got := chunkStates(t, s, j.ID); got != "DONE READY READY READY" {
			t.Error(got)
		}
	})
}

// What the sweep asks, of jobs in every state.
func TestSweep(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		ctx := t.Context()
		rejected := func(rows int) *job.Job {
			c := fileOf(t, s, job.FileOptions{OnDuplicate: job.DuplicateInsert}, int64(rows))
			b := &columns.Batch{}
			for i := range rows {
				b.Rejects = append(b.Rejects, job.Reject{Row: int64(i), Code: "required", Message: fmt.Sprint(i)})
			}
			commitFile(t, s, c, b)
			return &c.Job
		}
		want := func(j *job.Job, since time.Time, inUse bool) {
			t.Helper()
			used, err := s.UploadInUse(ctx, j.File.Upload, since)
			over, overErr := s.FileJobOver(ctx, j.ID, since)
			if err != nil || overErr != nil || used != inUse || over == inUse {
				t.Errorf("in use: %v, %v; over: %v, %v; want in use: %v", used, err, over, overErr, inUse)
			}
		}
		open, over := rejected(3), rejected(4500)
		now := finish(t, s, over.ID)
		past, future := now.FinishedAt, now.FinishedAt.Add(time.Millisecond)
		want(open, future, true)
		want(over, past, true)
		want(over, future, false)
		want(&job.Job{ID: "none", File: &job.File{Upload: "none"}}, past, false)
		if n, err := s.DeleteRejects(ctx, past); n != 0 || err != nil {
			t.Errorf("deleted too early: %d, %v", n, err)
		}
		if n, err := s.DeleteRejects(ctx, future); n != 4500 || err != nil {
			t.Errorf("deleted %d, %v", n, err)
		}
		if left, err := s.Rejects(ctx, open.ID, -1, 10); len(left) != 3 || err != nil {
			t.Errorf("of the other job: %+v, %v", left, err)
		}
	})
}

// A job whose file goes away while it is imported fails for that.
func TestFileGoneWhileImporting(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		c := fileOf(t, s, job.FileOptions{OnDuplicate: job.DuplicateInsert}, 700)
		for i := range job.MaxStalls {
			if i > 0 {
				var err error
				if c, err = s.ClaimChunk(t.Context(), c.Job.ID, c.Chunk.No); err != nil || c == nil {
					t.Fatalf("claim %d: %v, %v", i, c, err)
				}
			}
			if err := s.Stall(t.Context(), c, job.CodeFileMissing); err != nil {
				t.Fatal(err)
			}
		}
		if n, err := s.FailStalled(t.Context(), c.Job); err != nil || n != 1 {
			t.Fatalf("%d chunks failed, %v", n, err)
		}
		if _, err := s.FinishJob(t.Context(), c.Job.ID); err != nil {
			t.Fatal(err)
		}
		if j, err := s.Job(t.Context(), c.Job.ID); err != nil || j.Status != job.Failed || j.ErrorCode != job.CodeFileMissing {
			t.Errorf("%s %s, %v", j.Status, j.ErrorCode, err)
		}
	})
}
