package fileimport_test

import (
	"fmt"
	"testing"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/job"
)

// What preparing a CSV costs, by bytes, without a strategy and with one.
func BenchmarkPrepare(b *testing.B) {
	file := people(500_000)
	for name, o := range map[string]job.FileOptions{
		"insert": {},
		"skip":   {OnDuplicate: job.DuplicateSkip, Key: columns.KeyEmail, InFile: job.FirstRow},
	} {
		b.Run(name, func(b *testing.B) {
			f := newFiles(b, 25_000)
			b.SetBytes(int64(len(file)))
			b.ReportAllocs()
			for i := 0; b.Loop(); i++ {
				b.StopTimer()
				j := newJob(b, f, fmt.Sprintf("j%d", i), file, o)
				b.StartTimer()
				if got, err := f.Prepare(b.Context(), j, noProgress); err != nil || got.Found.Rows != 1_000_000 {
					b.Fatalf("%+v: %v", got, err)
				}
			}
		})
	}
}

// What reading the rows of a chunk costs, by bytes, as the worker reads them.
func BenchmarkNext(b *testing.B) {
	file := people(12_500)
	for name, o := range map[string]job.FileOptions{
		"insert": {},
		"update": {OnDuplicate: job.DuplicateUpdate, Key: columns.KeyEmail, InFile: job.LastRow},
	} {
		b.Run(name, func(b *testing.B) {
			f := newFiles(b, 25_000)
			j := newJob(b, f, "j1", file, o)
			p, err := f.Prepare(b.Context(), j, noProgress)
			if err != nil {
				b.Fatal(err)
			}
			b.SetBytes(int64(len(file)))
			b.ReportAllocs()
			for b.Loop() {
				chunk, err := f.Open(b.Context(), claim(j, p, 0, 0))
				if err != nil {
					b.Fatal(err)
				}
				rows := 0
				for batch := new(columns.Batch); ; rows += batch.Len() {
					if err := chunk.Next(b.Context(), batch, 1000); err != nil {
						b.Fatal(err)
					}
					if batch.Len() == 0 {
						break
					}
				}
				if chunk.Close(); rows != 25_000 {
					b.Fatalf("%d rows", rows)
				}
			}
		})
	}
}
