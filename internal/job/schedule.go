package job

import (
	"errors"
	"fmt"
	"strings"
	"time"
)

// Sentinels of schedules.
var (
	// ErrScheduleNotFound: there is no such schedule, or it has another owner.
	ErrScheduleNotFound = errors.New("schedule not found")
	// ErrScheduleChanged: somebody else has changed the schedule since it was read.
	ErrScheduleChanged = errors.New("the schedule was changed since it was read")
	// ErrRunExists: the schedule has a run of that fire time.
	ErrRunExists = errors.New("the schedule has a run of that time")
)

// ScheduleLimitError: the owner has as many schedules as one may have.
type ScheduleLimitError struct{ Max int }

func (e *ScheduleLimitError) Error() string {
	return fmt.Sprintf("a caller may have %d schedules", e.Max)
}

// What becomes of fire times that passed while no worker ran.
const (
	CatchUpNone = "none" // nothing: they are noted
	CatchUpLast = "last" // the newest runs, the others are noted
)

// What becomes of a run whose schedule's job before is not over.
const (
	OverlapSkip  = "skip"  // it is noted, and does not run
	OverlapQueue = "queue" // it waits; of several the first
)

// What a schedule does.
const (
	ActionExport = "export"
	ActionImport = "import"
)

// Schedule is a job that is submitted again and again.
type Schedule struct {
	ID       string // UUIDv7, lower case
	Owner    string
	Name     string // for people; may be empty
	Cron     string // as internal/cron reads it
	TimeZone string // IANA's name
	CatchUp  string
	Overlap  string
	Action   ScheduleAction

	Version    int64     // grows by one with every change by the owner
	PausedAt   time.Time // zero: it is not paused
	NextFireAt time.Time // zero: it does not fire
	LastJobID  string    // the job of its latest run that has one; empty: none
	CreatedAt  time.Time
	UpdatedAt  time.Time
}

// ScheduleAction is what is submitted, as the caller gave it, and as a worker takes it.
type ScheduleAction struct {
	Type string `json:"type"`
	// Parameters are those of POST /exports or POST /import/file by name; only those that repeat have several values.
	Parameters map[string][]string `json:"parameters"`

	Export *Export      `json:"export,omitempty"` // of ActionExport; its destination may have placeholders
	From   string       `json:"from,omitempty"`   // of ActionImport: the file of the place to import from; may have placeholders
	File   *FileOptions `json:"file,omitempty"`
	DryRun bool         `json:"dryRun,omitempty"`

	CallbackURL string `json:"callbackUrl,omitempty"` // empty: none
}

// FillDate replaces {date} in a text by the day of t in its zone, 2026-11-27.
func FillDate(text string, t time.Time) string {
	return strings.ReplaceAll(text, "{date}", t.Format(time.DateOnly))
}

// RunState is where a run of a schedule stands.
type RunState string

// A run is PENDING until it is decided what becomes of it.
const (
	RunPending   RunState = "PENDING"
	RunSubmitted RunState = "SUBMITTED" // there is a job
	RunSkipped   RunState = "SKIPPED"   // the job before was not over
	RunMissed    RunState = "MISSED"    // no worker ran at the time
	RunFailed    RunState = "FAILED"    // the job was refused
)

// ScheduleRun is what became of a fire time. A schedule has at most one of each.
type ScheduleRun struct {
	ScheduleID string
	FireAt     time.Time
	Manual     bool // the owner asked for it
	State      RunState
	JobID      string    // of RunSubmitted
	Code       string    // why it is not submitted, or not yet; empty: there is no reason
	Attempts   int64     // how often a worker took it up
	TryAt      time.Time // a PENDING one is not looked at before
	FinishedAt time.Time // zero: PENDING
}

// The codes of runs that are not those of refusals by the API.
const (
	CodePreviousRunning = "previous_job_running" // the schedule's job before is not over
	CodeRunWaiting      = "run_waiting"          // an earlier run waits for that already
	CodeMissed          = "missed"
	CodePaused          = "paused" // it was waiting when its schedule was paused
)

// ScheduleKeyPrefix begins the idempotency keys of jobs that schedules submit. No caller may use one.
const ScheduleKeyPrefix = "muster-schedule:"

// JobKey returns the idempotency key of the run's job: however often it is submitted, there is one.
func (r *ScheduleRun) JobKey() string {
	return fmt.Sprintf("%s%s:%d", ScheduleKeyPrefix, r.ScheduleID, r.FireAt.UnixMilli())
}
