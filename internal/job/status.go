package job

// Status is where a job stands in its life.
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

// HoldsSlot reports whether a job in this status occupies one of its user's slots.
func (s Status) HoldsSlot() bool { return s == Pending || s == InProgress }

// Sources lists the statuses from which a job may move to s. It is the one table of legal moves: the store
// builds the WHERE clause of every move from it.
func Sources(to Status) []Status {
	switch to {
	case Pending:
		return []Status{Paused, Failed}
	case InProgress:
		return []Status{Pending}
	case Paused:
		return []Status{Pending, InProgress}
	case Completed:
		// One that was paused after its last batch has none to come when it is resumed.
		return []Status{Pending, InProgress}
	case Failed:
		// A poison chunk can fail before any chunk of the job has committed a batch.
		return []Status{Pending, InProgress}
	case Cancelled:
		return []Status{Pending, InProgress, Paused}
	}
	return nil
}

// CanMove reports whether the move is legal.
func CanMove(from, to Status) bool {
	for _, s := range Sources(to) {
		if s == from {
			return true
		}
	}
	return false
}
