package job

// Chunk is a contiguous part of a job's rows, the unit that one worker claims. Row numbers count from the
// start of the job.
type Chunk struct {
	JobID    string
	No       int
	FirstRow int64
	Rows     int64
	Done     int64 // rows stored or rejected so far; the next batch starts at FirstRow + Done
	Rejected int64
	Claims   int64 // how often the chunk was claimed; part of the id of its task
	Stalls   int   // claims in a row without a committed batch
	Block    int64 // what a sharded database keeps the chunk and its users together by

	// Of a file's rows: part of Done, as Job has them.
	Updated, Unchanged, Skipped int64
}

// ChunkNow is a chunk as it stands in the database.
type ChunkNow struct {
	Chunk

	State     ChunkState
	Held      bool   // by a worker, under a lease
	LastError string // why it stalled or failed; empty: it did not
}

// MaxStalls is how many claims in a row a chunk may have without one committed batch before it fails for good.
const MaxStalls = 3

// MaxExportStalls is MaxStalls for the chunks of export jobs, which have no batches: a claim ends the whole chunk or comes to
// nothing, and when workers are killed again and again the same chunk may well be among three in a row.
const MaxExportStalls = 10

// MaxStalls returns how often in a row a chunk of the job may be claimed in vain before it fails for good.
func (j *Job) MaxStalls() int {
	if j.Source == SourceExport {
		return MaxExportStalls
	}
	return MaxStalls
}

// Left returns the number of rows that are still to come.
func (c *Chunk) Left() int64 { return c.Rows - c.Done }

// Claim is a chunk held by one worker under a lease, with the job it belongs to as it stood at the claim.
type Claim struct {
	Job   Job
	Chunk Chunk
}

// ChunkState is where a chunk stands in its life; docs/state-machines.md draws it.
type ChunkState string

// The states of a chunk. A worker may claim one that is READY and that nobody holds.
const (
	ChunkReady     ChunkState = "READY"
	ChunkDone      ChunkState = "DONE"   // all rows stored or rejected; this never changes again
	ChunkFailed    ChunkState = "FAILED" // stalled too often, or the job's deadline passed
	ChunkPaused    ChunkState = "PAUSED"
	ChunkCancelled ChunkState = "CANCELLED"
)

// ChunkFollow is what a job's move asks of its chunks: those in one of the From states go to To, and the others stay
// as they are.
type ChunkFollow struct {
	From []ChunkState
	To   ChunkState
}

// ChunkFollow returns how the chunks of a job in this status follow it. A job that ended by itself asks nothing of
// its chunks, since it ended because they were over.
func (s Status) ChunkFollow() ChunkFollow {
	switch s {
	case Pending, InProgress:
		return ChunkFollow{From: []ChunkState{ChunkPaused, ChunkFailed}, To: ChunkReady}
	case Paused:
		return ChunkFollow{From: []ChunkState{ChunkReady}, To: ChunkPaused}
	case Cancelled:
		return ChunkFollow{From: []ChunkState{ChunkReady, ChunkPaused}, To: ChunkCancelled}
	case Completed, Failed:
	}
	return ChunkFollow{}
}

// ChunkTotals sums up the chunks of one job.
type ChunkTotals struct {
	Recorded  int   // chunks of Job.ChunkNumbers that exist; fewer until the second step of the submission, or of the move to IMPORTING, is done
	Open      int   // chunks that are READY or PAUSED
	Failed    int   // chunks that are FAILED
	Behind    int   // chunks that have not followed the job's last move yet
	Stalled   int   // chunks that nobody holds and that stalled as often as they may
	Processed int64 // rows stored
	Rejected  int64 // rows rejected
	Prepared  int64 // bytes of the file that were read, by the chunk that prepares it

	Updated, Unchanged, Skipped int64 // part of Processed, as Job has them
}

// Aligned reports whether the chunks of j are all there and have followed its last move.
func (t *ChunkTotals) Aligned(j *Job) bool {
	_, count := j.ChunkNumbers()
	return t.Recorded == count && t.Behind == 0
}

// Count sets the counts of j to those of its chunks.
func (t *ChunkTotals) Count(j *Job) {
	j.Processed, j.Rejected, j.Prepared = t.Processed, t.Rejected, t.Prepared
	j.Updated, j.Unchanged, j.Skipped = t.Updated, t.Unchanged, t.Skipped
}
