package store_test

import (
	"errors"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/storetest"
)

// A file that kills its workers at one place fails; one whose workers are killed now and then does not.
func TestPreparationStalls(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{Lease: time.Millisecond})
		j := newFileJob(job.FileOptions{OnDuplicate: job.DuplicateInsert})
		submit(t, s, j)
		next := func(stalls int) *job.Claim {
			var c *job.Claim
			within(t, func() bool { c = claim(t, s, j.ID, job.PrepareChunk); return c != nil })
			if c.Chunk.Stalls != stalls {
				t.Fatalf("%d stalls, want %d", c.Chunk.Stalls, stalls)
			}
			return c
		}
		renew := func(c *job.Claim, bytes int64) {
			if err := s.RenewPreparation(t.Context(), c, bytes); err != nil {
				t.Fatal(err)
			}
		}
		frozen := next(1)
		renew(next(2), 100)
		for n := range int64(4) {
			renew(next(1), 200+100*n)
		}
		if err := s.RenewPreparation(t.Context(), frozen, 4000); !errors.Is(err, job.ErrFenced) {
			t.Errorf("a worker without the claim: %v", err)
		}
		for n := range job.MaxStalls {
			c := next(n + 1)
			renew(c, 200)
			renew(c, 500) // as far as the others
		}
		within(t, func() bool {
			n, err := s.FailStalled(t.Context(), *j)
			return err == nil && n == 1
		})
		if got := finish(t, s, j.ID); got.Status != job.Failed || got.ErrorCode != "chunk_failed" || got.Prepared != 500 {
			t.Errorf("%+v", got)
		}
	})
}

// What a file is decides the code with which its job fails, and not how often it was tried before.
func TestFailPreparation(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		ctx := t.Context()
		j := newFileJob(job.FileOptions{OnDuplicate: job.DuplicateInsert})
		submit(t, s, j)
		for range job.MaxStalls - 1 {
			if err := s.Stall(ctx, claim(t, s, j.ID, job.PrepareChunk), "panic"); err != nil {
				t.Fatal(err)
			}
		}
		c := claim(t, s, j.ID, job.PrepareChunk)
		late := *c
		late.Chunk.Claims--
		fault := &job.FileError{Code: job.CodeNoKnownColumn, Found: &job.FileFound{Format: "csv", Columns: []job.FileColumn{{Name: "ö"}}}}
		if err := s.FailPreparation(ctx, &late, fault); !errors.Is(err, job.ErrFenced) {
			t.Errorf("by a worker without the claim: %v", err)
		}
		if err := s.FailPreparation(ctx, c, fault); err != nil {
			t.Fatal(err)
		}
		got := finish(t, s, j.ID)
		if got.Status != job.Failed || got.ErrorCode != job.CodeNoKnownColumn || got.File.Found.Columns[0].Name != "ö" {
			t.Errorf("%+v", got)
		}
		if _, err := s.StartImporting(ctx, c, &job.FileFound{Rows: 5}, 1, 5); !errors.Is(err, job.ErrFenced) {
			t.Errorf("a failed job begins to import: %v", err)
		}
		if got, err := move(ctx, s, "ann", j.ID, job.MoveRetry); err != nil || got.Phase != job.Preparing || got.ErrorCode != "" {
			t.Fatal(got, err)
		}
		if got := importing(t, s, j, 5, 5); got.File.Found.Format != "" {
			t.Errorf("found: %+v", got.File.Found)
		}
	})
}

func TestTooManyRejected(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		o := job.FileOptions{OnDuplicate: job.DuplicateInsert, MaxRejected: job.MaxRejected{Rows: 2}}
		for _, rejects := range []int{2, 3} {
			j := newFileJob(o)
			submit(t, s, j)
			importing(t, s, j, 10, 5)
			c := claim(t, s, j.ID, 0)
			b := batchOf(c, rows(c, 5-rejects)...)
			for i := range rejects {
				b.Rejects = append(b.Rejects, job.Reject{Row: int64(5 - rejects + i), Line: 9, Code: "too_long", Field: "city", Raw: []byte("x")})
			}
			commitFile(t, s, c, b)
			now := jobOf(t, s, j.ID)
			if tooMany := rejects > 2; now.TooManyRejected() != tooMany || now.Rejected != int64(rejects) {
				t.Fatalf("%d rejected: %+v", rejects, now)
			}
			if rejects == 2 { // the other chunk is done as well, with one more that is rejected
				c = claim(t, s, j.ID, 1)
				b = batchOf(c, rows(c, 4)...)
				b.Rejects = []job.Reject{{Row: 9, Code: "too_long"}}
				commitFile(t, s, c, b)
			} else if n, err := s.FailOpen(t.Context(), now, job.CodeTooManyRejected); n != 1 || err != nil {
				t.Fatal(n, err)
			}
			if got := finish(t, s, j.ID); got.Status != job.Failed || got.ErrorCode != job.CodeTooManyRejected || got.Rejected != 3 {
				t.Errorf("%+v", got)
			}
		}
	})
}

// A preparation that takes longer than the job may fails with it, whether it has stalled before or not.
func TestDeadlineWhilePreparing(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{Deadline: 1})
		for _, claimed := range []bool{false, true} {
			j := newFileJob(job.FileOptions{OnDuplicate: job.DuplicateInsert})
			submit(t, s, j)
			if claimed {
				claim(t, s, j.ID, job.PrepareChunk)
			}
			within(t, func() bool {
				ok, err := failOverdue(t, s, j.ID)
				return ok && err == nil
			})
			if got := jobOf(t, s, j.ID); got.Status != job.Failed || got.ErrorCode != "deadline_exceeded" {
				t.Errorf("claimed %v: %+v", claimed, got)
			}
		}
	})
}
