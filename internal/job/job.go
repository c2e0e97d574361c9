// Package job holds what every part of Muster says about an import job: its life, its tier, its progress and
// the errors around it. It imports the standard library only.
package job

import (
	"encoding/json"
	"io"
	"math"
	"strings"
	"time"
)

// The sources an import can take its users from.
const (
	SourceFaker      = "faker"
	SourceRandomUser = "randomuser"
	SourceFile       = "file" // of the user's own

	SourceExport = "export" // no source: the job writes users as files
)

// Job is an import as its owner sees it. Rows of the job are numbered from 0; row n becomes the user with id
// FirstID + n, so the users of a job are a primary-key range.
type Job struct {
	ID        string   `json:"id"`    // UUIDv7, lower case
	Owner     string   `json:"owner"` // who submitted it: X-USER-ID, not a user.User
	Source    string   `json:"source"`
	Tier      Tier     `json:"tier"`
	Status    Status   `json:"status"`
	Version   int64    `json:"version"`   // grows by one with every move and every slice of an undo; orders copies of the job
	Requested int64    `json:"requested"` // rows asked for
	Processed int64    `json:"processed"` // rows stored, never attempts
	Rejected  int64    `json:"rejected"`  // rows the source delivered but that failed validation
	Chunks    int      `json:"chunks"`
	ChunkRows int64    `json:"chunkRows"` // rows of each chunk but the last, which may have fewer
	FirstID   int64    `json:"firstId"`
	Seed      int64    `json:"seed"`
	Nat       []string `json:"nat,omitempty"` // RandomUser nationalities, lower case

	// Of a job that imports a file. While it is PREPARING, Requested is an estimate and FirstID is 0: there are no ids yet.
	Phase     Phase  `json:"phase,omitempty"`
	File      *File  `json:"file,omitempty"`
	Prepared  int64  `json:"prepared,omitempty"`  // bytes of the file that were read while PREPARING
	DryRun    bool   `json:"dryRun,omitempty"`    // no user is stored; FirstID stays 0
	ParentID  string `json:"parentId,omitempty"`  // the job whose rejected rows this one imports
	Updated   int64  `json:"updated,omitempty"`   // rows that changed a user; part of Processed, as the next two
	Unchanged int64  `json:"unchanged,omitempty"` // rows that said nothing new of a user
	Skipped   int64  `json:"skipped,omitempty"`   // rows that were passed over, as the strategy asks

	ErrorCode  string     `json:"errorCode,omitempty"`  // set when FAILED
	WaitReason WaitReason `json:"waitReason,omitempty"` // set while its source cannot deliver, or the database does not serve

	UndoRequested bool  `json:"undoRequested,omitempty"` // its users are to be removed
	Undone        bool  `json:"undone,omitempty"`        // its users are removed
	UndoneRows    int64 `json:"undoneRows,omitempty"`    // how far the removal is, in rows of the job

	Export *Export `json:"-"` // of SourceExport only; the live view does not carry it, as it may hold personal data

	Origin Origin `json:"-"` // the live view does not carry it

	CallbackURL string `json:"-"` // where its end is told; empty: nowhere but at the owner's webhooks

	IdempotencyKey string `json:"-"`
	RequestHash    string `json:"-"`

	CreatedAt  time.Time `json:"createdAt"`
	StartedAt  time.Time `json:"startedAt,omitzero"`
	FinishedAt time.Time `json:"finishedAt,omitzero"`

	Idle time.Duration `json:"idle,omitempty"` // how long it was paused or FAILED since StartedAt

	// What only the reconciler reads, and what the live view does not carry.
	ChunksVersion int64 `json:"-"` // Version of the last move that its chunks have to follow
	Overdue       bool  `json:"-"` // its deadline has passed, by the database's clock
	Finalized     bool  `json:"-"` // everything that follows its end or its pause is done
}

// Origin is the request that submitted a job: what log lines and traces of the job have in common, in every process. Nothing
// else depends on it.
type Origin struct {
	RequestID   string `json:"requestId,omitempty"`
	TraceParent string `json:"traceParent,omitempty"` // the header traceparent; empty: the request was not traced
}

// LogAttrs returns what every log line about the job has: its id, that of the request, and that of the trace.
func (j *Job) LogAttrs() []any {
	attrs := []any{"job", j.ID}
	if j.Origin.RequestID != "" {
		attrs = append(attrs, "request", j.Origin.RequestID)
	}
	if parts := strings.Split(j.Origin.TraceParent, "-"); len(parts) == 4 {
		attrs = append(attrs, "trace", parts[1])
	}
	return attrs
}

// Exported returns the users that an export job has written. Its rows are ids, Processed those that it has looked at, and
// Skipped those of them without a user to write.
func (j *Job) Exported() int64 { return j.Processed - j.Skipped }

// Inserted returns the rows that became users.
func (j *Job) Inserted() int64 { return j.Processed - j.Updated - j.Unchanged - j.Skipped }

// TooManyRejected reports whether more rows are rejected than may be.
func (j *Job) TooManyRejected() bool {
	return j.File != nil && j.Phase == Importing && j.Rejected > j.File.Options.MaxRejected.Of(j.Requested)
}

// ChunkNumbers returns the number of the first chunk that there has to be in the job's phase, and how many there are. The
// chunk by which a file was prepared is not among those of the file's rows.
func (j *Job) ChunkNumbers() (first, count int) {
	if j.Phase == Preparing {
		return PrepareChunk, 1
	}
	return 0, j.Chunks
}

// UndoPending reports whether users of the job are still to be removed.
func (j *Job) UndoPending() bool { return j.UndoRequested && !j.Undone }

// LastID returns the id of the user made from the job's last row; 0 when there are no ids.
func (j *Job) LastID() int64 {
	if j.FirstID == 0 {
		return 0
	}
	return j.FirstID + j.Requested - 1
}

// Percent returns the progress in whole percent: rows stored or rejected over rows requested, and while a file is PREPARING
// bytes read over its bytes. It is 100 only when the job is COMPLETED.
func (j *Job) Percent() int {
	done, all := j.Processed+j.Rejected, j.Requested
	if j.Phase == Preparing && j.File != nil {
		done, all = j.Prepared, j.File.Bytes
	}
	switch {
	case j.Status == Completed:
		return 100
	case all <= 0:
		return 0
	}
	return int(min(99, done*100/all))
}

// Rate returns the mean number of rows stored per second while the job ran; 0 before that, while it is paused or the
// database does not serve, and while a file is PREPARING.
func (j *Job) Rate(now time.Time) int64 {
	if j.StartedAt.IsZero() || j.Status == Paused || j.WaitReason.OfStore() || j.Phase == Preparing {
		return 0
	}
	if !j.FinishedAt.IsZero() {
		now = j.FinishedAt
	}
	seconds := (now.Sub(j.StartedAt) - j.Idle).Seconds()
	// Below a tenth of a second the quotient says more about clock skew than about speed.
	return int64(float64(j.Processed) / math.Max(seconds, 0.1))
}

// ETA returns how long the job still takes at its present rate, or at the pace of upstream when its source is
// RandomUser and that is what it waits for; ok is false while it cannot be told.
func (j *Job) ETA(now time.Time, upstream Allowance) (eta time.Duration, ok bool) {
	if j.Status.Terminal() {
		return 0, true
	}
	if j.Status == Paused || j.WaitReason.OfStore() || j.Phase == Preparing {
		return 0, false
	}
	left := j.Requested - j.Processed - j.Rejected
	if j.Source == SourceRandomUser {
		if wait := upstream.wait(left); wait > 0 {
			return wait, true
		}
	}
	rate := j.Rate(now)
	if rate == 0 {
		return 0, false
	}
	return time.Duration(float64(left) / float64(rate) * float64(time.Second)), true
}

// Spec is a request for an import, as the caller stated it.
type Spec struct {
	Owner          string
	Source         string
	Count          int64
	Seed           *int64   // nil: chosen at random
	Nat            []string // RandomUser only; nil: the source's default
	IdempotencyKey string   // empty: none
	Origin         Origin

	// Of SourceFile only, whose Count is estimated.
	File     *File
	DryRun   bool
	ParentID string // empty: none

	Export *Export // of SourceExport only

	CallbackURL string // empty: none
}

// Export is what an export job writes.
type Export struct {
	// Users says which users, and in which form: a user.ExportSpec as JSON, since this package knows no users.
	Users json.RawMessage `json:"users"`
	// SplitRows is the most users of one file; 0: as many as a chunk has.
	SplitRows int64 `json:"splitRows,omitempty"`
	// FirstID is the id that row 0 of the job stands for. It is filled in when the job is submitted.
	FirstID int64 `json:"firstId,omitempty"`
	// Destination is the folder of the file store below which the files lie: words joined by "/"; empty: none.
	Destination string `json:"destination,omitempty"`
}

// ExportFile is a file that an export job has written.
type ExportFile struct {
	Chunk  int // of the job
	Number int // among the files of the chunk, from 0
	Object string
	Rows   int64
	Bytes  int64
	SHA256 string // in hexadecimal
}

// ExportLinks is where the files of an export can be fetched, by whoever has the links.
type ExportLinks struct {
	Files    []ExportLink
	Manifest string
	Expires  time.Time
}

// ExportLink is where a file of an export can be fetched: an address, or a path of this API.
type ExportLink struct {
	Name   string
	Rows   int64
	Bytes  int64
	SHA256 string
	URL    string
}

// OpenedFile is a file that a link leads to.
type OpenedFile struct {
	io.ReadSeeker
	io.Closer

	SHA256   string // in hexadecimal; empty: not known
	Modified time.Time
}

// Filter picks jobs, newest first.
type Filter struct {
	Owner     string
	Everybody bool   // jobs of all owners; for operators
	Status    Status // empty: any
	Tier      Tier   // empty: any
	IDPrefix  string // with which ids begin; empty: any
	Limit     int
	After     string // id of the last job of the page before; empty: the first page
}
