// Package progress keeps the live view of each job: one Redis hash, written per chunk and read whole. It is a copy of the
// store's rows that may be lost at any time; see Reconcile in internal/jobs for how it comes back.
package progress

import (
	"context"
	_ "embed" // the scripts
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/musterhq/muster/internal/job"
)

//go:embed lua/put.lua
var putLua string

//go:embed lua/chunk.lua
var chunkLua string

//go:embed lua/wait.lua
var waitLua string

// How long a job's hash lives: nothing leaks, and one that expired is rebuilt when somebody asks. That of a job that is not
// over lives shortly, because a Redis that lost its last writes may show an older version of a job that is over by now, and
// nobody looks at those any more.
const (
	afterEnd = 24 * time.Hour
	running  = 10 * time.Minute
)

// Live reads and writes the progress of jobs.
type Live struct {
	rdb              redis.UniversalClient
	prefix           string // of every key
	put, chunk, wait *redis.Script
	reads            reads
}

// New shows progress through rdb, under keys that begin with prefix.
func New(rdb redis.UniversalClient, prefix string) *Live {
	return &Live{
		rdb: rdb, prefix: prefix, put: redis.NewScript(putLua), chunk: redis.NewScript(chunkLua), wait: redis.NewScript(waitLua),
		reads: reads{rdb: rdb},
	}
}

func (l *Live) key(id string) string { return l.prefix + ":job:{" + id + "}" }

// Put shows the job, unless a newer version of it is shown, and moves the given chunks forward. Where the hash may be
// missing, chunks must be all chunks of the job. Errors wrap job.ErrQueueUnavailable.
func (l *Live) Put(ctx context.Context, j job.Job, chunks []job.Chunk) error {
	doc, err := json.Marshal(j)
	if err != nil {
		return err
	}
	expiry := running
	if j.Status.Terminal() {
		expiry = afterEnd
	}
	args := append(make([]any, 0, 3+2*len(counts)*len(chunks)), j.Version, doc, int(expiry.Seconds()))
	for i := range chunks {
		args = appendCounts(args, &chunks[i])
	}
	return job.QueueUnavailable("live progress", l.put.Run(ctx, l.rdb, []string{l.key(j.ID)}, args...).Err())
}

// prepared is the field of the chunk by which a file is prepared.
const prepared = "p"

// counts are the fields of the other chunks, by the letter that stands before the chunk's number.
var counts = []struct {
	letter string
	of     func(c *job.Chunk) *int64
	sum    func(j *job.Job) *int64
}{
	{"", func(c *job.Chunk) *int64 { return &c.Done }, func(j *job.Job) *int64 { return &j.Processed }},
	{"r", func(c *job.Chunk) *int64 { return &c.Rejected }, func(j *job.Job) *int64 { return &j.Rejected }},
	{"u", func(c *job.Chunk) *int64 { return &c.Updated }, func(j *job.Job) *int64 { return &j.Updated }},
	{"n", func(c *job.Chunk) *int64 { return &c.Unchanged }, func(j *job.Job) *int64 { return &j.Unchanged }},
	{"s", func(c *job.Chunk) *int64 { return &c.Skipped }, func(j *job.Job) *int64 { return &j.Skipped }},
}

// appendCounts appends the fields of a chunk that are not 0, each with its value.
func appendCounts(args []any, c *job.Chunk) []any {
	if c.No == job.PrepareChunk {
		return append(args, prepared, c.Done)
	}
	no := strconv.Itoa(c.No)
	for _, count := range counts {
		if n := *count.of(c); n > 0 {
			args = append(args, count.letter+no, n)
		}
	}
	return args
}

// Chunk shows how far a chunk is. It has no effect when the job's hash is missing, or shows more. Errors wrap
// job.ErrQueueUnavailable.
func (l *Live) Chunk(ctx context.Context, c *job.Chunk) error {
	return job.QueueUnavailable("live progress", l.chunk.Run(ctx, l.rdb, []string{l.key(c.JobID)}, appendCounts(nil, c)...).Err())
}

// WaitForStore shows for a minute that the job waits for the database, whose rows cannot say so, unless one of its chunks moves on or the
// job is shown anew. It has no effect when the job's hash is missing. Errors wrap job.ErrQueueUnavailable.
func (l *Live) WaitForStore(ctx context.Context, jobID string, reason job.WaitReason) error {
	return job.QueueUnavailable("live progress", l.wait.Run(ctx, l.rdb, []string{l.key(jobID)}, string(reason)).Err())
}

// Get returns the job as it is shown, its counts summed over the chunks; ok is false when it is not
// shown. Errors wrap job.ErrQueueUnavailable.
func (l *Live) Get(ctx context.Context, jobID string) (j job.Job, ok bool, err error) {
	hash, err := l.reads.get(ctx, l.key(jobID))
	if err != nil {
		return job.Job{}, false, job.QueueUnavailable("live progress", err)
	}
	doc, ok := hash["doc"]
	if !ok {
		return job.Job{}, false, nil
	}
	if err := json.Unmarshal([]byte(doc), &j); err != nil {
		return job.Job{}, false, fmt.Errorf("live progress of job %s: %w", jobID, err)
	}
	if j.Owner == "" { // as versions before 0.1.0 wrote it
		return job.Job{}, false, nil
	}
	// Not the counts of the document: whoever showed the job may have read them too early, while those of the chunks
	// only grow.
	for _, count := range counts {
		*count.sum(&j) = 0
	}
	for field, value := range hash {
		switch field {
		case "doc", "v":
			continue
		case "wait":
			if reason, at, _ := strings.Cut(value, "@"); j.Status.HoldsSlot() && recent(at) {
				j.WaitReason = job.WaitReason(reason)
			}
			continue
		}
		n, err := strconv.ParseInt(value, 10, 64)
		if err != nil {
			return job.Job{}, false, fmt.Errorf("live progress of job %s, field %s: %w", jobID, field, err)
		}
		if field == prepared {
			j.Prepared = n
			continue
		}
		for _, count := range slices.Backward(counts) { // the one without a letter last
			if strings.HasPrefix(field, count.letter) {
				*count.sum(&j) += n
				break
			}
		}
	}
	j.Processed -= j.Rejected // the sum was of all that is done
	return j, true, nil
}

// waitBelieved is how long a job is said to wait for the database after a worker has seen so. Workers try several times as
// often while it lasts; a job behind others would say so long after the database is back.
const waitBelieved = time.Minute

// recent reports whether a time, in seconds since 1970, is no longer ago than waitBelieved.
func recent(at string) bool {
	seconds, err := strconv.ParseInt(at, 10, 64)
	return err == nil && time.Since(time.Unix(seconds, 0)) < waitBelieved
}
