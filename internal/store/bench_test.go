package store_test

import (
	"fmt"
	"testing"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/storetest"
	"github.com/musterhq/muster/internal/user"
)

// What an export reads: all users, by ranges of ids.
func BenchmarkRange(b *testing.B) {
	const users, page = 100_000, 5000
	for _, e := range storetest.Engines(b) {
		b.Run(e.Name, func(b *testing.B) {
			s := storetest.Open(b, e.New(b), store.Options{})
			fill(b, s, users)
			b.ReportAllocs()
			for b.Loop() {
				total := int64(0)
				for first := int64(1); first <= users; first += page {
					n, _, err := s.Range(b.Context(), user.Filter{}, allColumns, first, first+page-1, func([][]byte) error { return nil })
					if err != nil {
						b.Fatal(err)
					}
					total += n
				}
				if total != users {
					b.Fatalf("read %d users of %d", total, users)
				}
			}
			b.ReportMetric(float64(users)*float64(b.N)/b.Elapsed().Seconds(), "users/s")
		})
	}
}

// fill imports users by batches of 1000.
func fill(b *testing.B, s *store.Store, users int64) {
	b.Helper()
	j := newJob(users)
	if err := storetest.CreateJob(b.Context(), s, j, users); err != nil {
		b.Fatal(err)
	}
	c, err := s.ClaimChunk(b.Context(), j.ID, 0)
	if err != nil {
		b.Fatal(err)
	}
	for c.Chunk.Left() > 0 {
		if err := s.CommitBatch(b.Context(), c, rows(c, 1000), 0); err != nil {
			b.Fatal(err)
		}
	}
}

// Batches of a file of which half is there, by each strategy.
func BenchmarkFileBatch(b *testing.B) {
	const users, perBatch = 50_000, 1000
	for _, e := range storetest.Engines(b) {
		for _, onDuplicate := range []string{job.DuplicateInsert, job.DuplicateSkip, job.DuplicateUpdate} {
			b.Run(e.Name+"/"+onDuplicate, func(b *testing.B) {
				s := storetest.Open(b, e.New(b), store.Options{})
				fill(b, s, users)
				c := fileOf(b, s, job.FileOptions{Key: columns.KeyEmail, OnDuplicate: onDuplicate}, int64(b.N+100_000)*perBatch)
				known := 0
				for b.Loop() {
					next := rows(c, perBatch)
					for i := 0; i < perBatch; i += 2 {
						known = (known + 7919) % users
						next[i].Email, next[i].City = fmt.Sprintf("ada.%d@example.com", known+1), next[i].MobileNumber
					}
					if err := s.CommitFileBatch(b.Context(), c, batchOf(c, next...)); err != nil {
						b.Fatal(err)
					}
				}
				b.ReportMetric(perBatch*float64(b.N)/b.Elapsed().Seconds(), "rows/s")
			})
		}
	}
}
