package job

// Status is where a job stands in its life; docs/state-machines.md says who makes each move.
//
//	PENDING ──first batch──> IN_PROGRESS ──all chunks done──> COMPLETED
//	   │  │                     │  │  └──chunk failed for good──> FAILED
//	   │  └──cancel──> CANCELLED <─┘
//	   └──pause──> PAUSED <──pause──┘      resume ──> PENDING      FAILED ──retry──> PENDING
type Status string

// The statuses of a job.
const (
	Pending    Status = "PENDING"
	InProgress Status = "IN_PROGRESS"
	Paused     Status = "PAUSED"
	Completed  Status = "COMPLETED"
	Failed     Status = "FAILED"
	Cancelled  Status = "CANCELLED"
)

// Statuses lists every status, in the order of a job's life.
func Statuses() []Status {
	return []Status{Pending, InProgress, Paused, Completed, Failed, Cancelled}
}

// Terminal reports whether a job in this status is over: it moves again only when its owner retries one that FAILED.
func (s Status) Terminal() bool {
	return s == Completed || s == Failed || s == Cancelled
}

// HoldsSlot reports whether a job in this status occupies one of its owner's slots: it waits for a worker, or runs.
func (s Status) HoldsSlot() bool { return s == Pending || s == InProgress }

// Move is a change of a job's status, or the request to undo it. The store builds the WHERE clause of each from From.
type Move string

// The moves: the first three are made by workers, the others by the job's owner.
const (
	MoveStart    Move = "start"
	MoveComplete Move = "complete"
	MoveFail     Move = "fail"

	MovePause  Move = "pause"
	MoveResume Move = "resume"
	MoveRetry  Move = "retry"
	MoveCancel Move = "cancel"
	MoveUndo   Move = "undo" // asks for the removal of the job's users; the status stays
)

// Moves lists every move.
func Moves() []Move {
	return []Move{MoveStart, MoveComplete, MoveFail, MovePause, MoveResume, MoveRetry, MoveCancel, MoveUndo}
}

// From lists the statuses in which the move is legal.
func (m Move) From() []Status {
	switch m {
	case MoveStart:
		return []Status{Pending}
	case MoveComplete, MoveFail:
		// A chunk can fail before any has committed a batch, and a job that was paused after its last batch has none
		// to start with when it is resumed.
		return []Status{Pending, InProgress}
	case MovePause:
		return []Status{Pending, InProgress}
	case MoveResume:
		return []Status{Paused}
	case MoveRetry:
		return []Status{Failed}
	case MoveCancel:
		return []Status{Pending, InProgress, Paused}
	case MoveUndo:
		return []Status{Completed, Failed, Cancelled}
	}
	return nil
}

// To returns the status that the move leads to; empty for MoveUndo.
func (m Move) To() Status {
	switch m {
	case MoveStart:
		return InProgress
	case MoveComplete:
		return Completed
	case MoveFail:
		return Failed
	case MovePause:
		return Paused
	case MoveResume, MoveRetry:
		return Pending
	case MoveCancel:
		return Cancelled
	case MoveUndo:
	}
	return ""
}

// Made reports whether j is where the move leads, so that asking for it again has no effect and is no error.
func (m Move) Made(j *Job) bool {
	switch m {
	case MoveResume, MoveRetry:
		return j.Status.HoldsSlot()
	case MoveUndo:
		return j.UndoRequested
	default:
		return j.Status == m.To()
	}
}
