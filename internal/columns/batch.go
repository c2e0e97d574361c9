package columns

import "github.com/musterhq/muster/internal/job"

// Batch is what becomes of the next rows of a file: those to store, those that are passed over, since another row of the
// file has their key, and those that are rejected.
type Batch struct {
	Rows    []Row // in the order of the file
	Skipped int
	Rejects []job.Reject // in the order of the file

	raw []byte // what Keep has kept
}

// Len returns how many rows of the file the batch is.
func (b *Batch) Len() int { return len(b.Rows) + b.Skipped + len(b.Rejects) }

// Reset empties the batch. Its memory is used again: what was in it is not valid any more.
func (b *Batch) Reset() {
	b.Rows, b.Skipped, b.Rejects, b.raw = b.Rows[:0], 0, b.Rejects[:0], b.raw[:0]
}

// Keep returns a copy of a record that is valid until the next Reset.
func (b *Batch) Keep(raw []byte) []byte {
	start := len(b.raw)
	b.raw = append(b.raw, raw...) // what was kept before stays where it is when this moves
	return b.raw[start:len(b.raw):len(b.raw)]
}
