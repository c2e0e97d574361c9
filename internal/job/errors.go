package job

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Sentinels. Adapters wrap them around their library's errors; each edge has one table that reads them.
var (
	// ErrNotFound: there is no such job, or it has another owner.
	ErrNotFound = errors.New("job not found")
	// ErrDuplicateKey: the owner already has a job under this idempotency key.
	ErrDuplicateKey = errors.New("idempotency key already used")
	// ErrKeyReused: the idempotency key belongs to a job that was asked for differently.
	ErrKeyReused = errors.New("this Idempotency-Key was used with a different request")
	// ErrFenced: the guard of a batch matched no row: another worker has the chunk, or its job is over or paused. The caller
	// has to stop and leave the chunk alone.
	ErrFenced = errors.New("chunk is held by another worker or over")
	// ErrStoreUnavailable: the database does not serve; a *StoreError in the chain says why. Nothing was changed, unless it is
	// ErrUncertain too.
	ErrStoreUnavailable = errors.New("the database is not available")
	// ErrUncertain: the connection was lost during COMMIT, or between the two steps of a move; the change may have been made.
	ErrUncertain = errors.New("the outcome of the commit is unknown")
	// ErrQueueUnavailable: Redis cannot be reached.
	ErrQueueUnavailable = errors.New("the queue is not available")
	// ErrQueueFull: the fleet has more to do than it should keep waiting.
	ErrQueueFull = errors.New("the queue is full")
	// ErrSchema: the database's schema is older or newer than this program needs.
	ErrSchema = errors.New("the database schema is not current")
)

// BatchLimitError: the count is above what one job may ask for.
type BatchLimitError struct{ Count, Max int64 }

func (e *BatchLimitError) Error() string {
	return fmt.Sprintf("count must be at most %d", e.Max)
}

// LimitError: the owner's slots of this tier are taken, or its cooldown runs.
type LimitError struct {
	Tier       Tier
	Limit      int
	InUse      int
	Cooldown   bool          // true: the slots are free, the cooldown is not over
	RetryAfter time.Duration // exact for a cooldown, an estimate otherwise; ≥ 1 s
	Jobs       []string      // the jobs that hold the slots
}

func (e *LimitError) Error() string {
	if e.Cooldown {
		return fmt.Sprintf("%s cooldown is active", e.Tier)
	}
	return fmt.Sprintf("%s concurrency limit reached. Max allowed = %d", e.Tier, e.Limit)
}

// StateError: the job's present status does not allow the move.
type StateError struct {
	Move   Move
	Status Status
}

func (e *StateError) Error() string {
	return fmt.Sprintf("cannot %s a job that is %s", e.Move, e.Status)
}

// UnreadyError: a part that Muster needs answers, and cannot do its work; Err says why in full.
type UnreadyError struct {
	// Reason is for everybody who asks /readyz: no address, no user, no password. "is a read-only replica"
	Reason string
	Err    error
}

func (e *UnreadyError) Error() string { return fmt.Sprintf("%s: %v", e.Reason, e.Err) }

func (e *UnreadyError) Unwrap() error { return e.Err }

// QueueUnavailable wraps an error of go-redis or asynq in ErrQueueUnavailable; nil stays nil. Every error counts, since
// without an answer of Redis a request has to be refused. The cause stays in the chain, so that a caller who went away
// (context.Canceled) can be told apart.
func QueueUnavailable(doing string, err error) error {
	if err == nil {
		return nil
	}
	return fmt.Errorf("%s: %w: %w", doing, ErrQueueUnavailable, err)
}

// StoreError: the database does not serve, and this is no fault of what was asked of it. It is an ErrStoreUnavailable that
// says why.
type StoreError struct {
	Reason WaitReason // one of the WaitStore…
	Err    error
}

func (e *StoreError) Error() string { return ErrStoreUnavailable.Error() + ": " + e.Err.Error() }

func (e *StoreError) Unwrap() []error { return []error{ErrStoreUnavailable, e.Err} }

// StoreTrouble returns why the database does not serve, if that is what err says; empty otherwise.
func StoreTrouble(err error) WaitReason {
	var e *StoreError
	switch {
	case errors.As(err, &e):
		return e.Reason
	case errors.Is(err, ErrSchema):
		return WaitStoreSchema
	case errors.Is(err, ErrStoreUnavailable):
		return WaitStoreDown
	}
	return ""
}

// WaitReason is a code for why a job waits; package httpapi has the sentence for people.
type WaitReason string

// The reasons for which a job waits.
const (
	WaitUpstreamAllowance   WaitReason = "upstream_allowance"   // the fleet has used up what the upstream allows
	WaitUpstreamLimited     WaitReason = "upstream_limited"     // the upstream refused with 429
	WaitUpstreamError       WaitReason = "upstream_error"       // the upstream answered, but not with users
	WaitUpstreamUnreachable WaitReason = "upstream_unreachable" // no connection to the upstream, or it broke
	WaitUpstreamSlow        WaitReason = "upstream_slow"        // the upstream did not answer in time
	WaitUpstreamDown        WaitReason = "upstream_down"        // the upstream failed so often that it is left alone for a while
	WaitAllowanceUnknown    WaitReason = "allowance_unknown"    // Redis cannot say what is left of the allowance
	WaitSourceSlow          WaitReason = "source_slow"          // a batch took longer than its claim lasts
	WaitTier                WaitReason = "tier_full"            // the owner has no place for a job of the tier that a file's rows are of
	WaitFilesDown           WaitReason = "files_down"           // the file store does not answer
	WaitFilesFull           WaitReason = "files_full"           // the file store, or the worker's folder for temporary files, is full

	// The database does not serve. These stand in the live view only, since the job's row cannot be written.
	WaitStoreDown       WaitReason = "store_down"       // it does not answer, or only to say that it does not serve
	WaitStoreBusy       WaitReason = "store_busy"       // others held its locks for too long
	WaitStoreReadOnly   WaitReason = "store_read_only"  // it takes no writes
	WaitStoreDenied     WaitReason = "store_denied"     // the account may not log in, or lacks a right
	WaitStoreLimit      WaitReason = "store_limit"      // a limit of the account or of the server is reached
	WaitStoreDisk       WaitReason = "store_disk"       // it cannot read or write its files, on a full disk for one
	WaitStoreSchema     WaitReason = "store_schema"     // its schema is not this program's
	WaitStoreUnsuitable WaitReason = "store_unsuitable" // the server, or its address, is not one that Muster can work with
)

// OfStore reports whether it is the database that a job waits for.
func (r WaitReason) OfStore() bool { return strings.HasPrefix(string(r), "store_") }

// WaitError: the source cannot deliver now, and this is not the chunk's fault: give the chunk back and take it
// up again after Wait.
type WaitError struct {
	Wait   time.Duration
	Reason WaitReason
}

func (e *WaitError) Error() string { return "waits: " + string(e.Reason) }
