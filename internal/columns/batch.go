package columns

import "github.com/musterhq/muster/internal/job"

// Batch is what becomes of the next rows of a file: those to store, those that are passed over, since another row of the
// file has their key, and those that are rejected.
type Batch struct {
	Rows    []Row // in the order of the file
	Skipped int
	Rejects []job.Reject // in the order of the file
}

// Len returns how many rows of the file the batch is.
func (b *Batch) Len() int { return len(b.Rows) + b.Skipped + len(b.Rejects) }
