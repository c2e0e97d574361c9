// Package webhook tells other systems by HTTP that a job is over, as Standard Webhooks 1.0.0 asks
// (https://github.com/standard-webhooks/standard-webhooks/blob/main/spec/standard-webhooks.md): what is sent, how it is
// signed, when it is sent again, and to which addresses it never goes.
package webhook

import (
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"errors"
	"fmt"
	"net/url"
	"strings"
	"time"

	mathrand "math/rand/v2"

	"github.com/google/uuid"
)

// The events.
const (
	JobCompleted = "job.completed"
	JobFailed    = "job.failed"
	JobCancelled = "job.cancelled"
	JobUndone    = "job.undone"
	Test         = "webhook.test" // asked for by the owner
)

// Endpoint is a receiver: one that an owner registered, or the callbackUrl of any of the owner's jobs.
type Endpoint struct {
	ID       string // UUID
	Owner    string
	URL      string // empty: the callbacks', of which each delivery has its own
	Secret   string // whsec_…
	Previous string // the secret before, with which deliveries are signed, too, until PreviousUntil
	Created  time.Time

	PreviousUntil time.Time
	Disabled      time.Time // zero: it is not
	DisabledWhy   string    // one of the Disabled constants
	FailingSince  time.Time // zero: the last delivery arrived, or none was tried
}

// Why an endpoint is disabled.
const (
	DisabledByOwner = "owner"
	DisabledGone    = "gone"    // it answered 410
	DisabledFailing = "failing" // nothing has arrived for GiveUpAfter
)

// Secrets returns the secrets that a delivery is signed with now.
func (e *Endpoint) Secrets(now time.Time) []string {
	if e.Previous != "" && now.Before(e.PreviousUntil) {
		return []string{e.Secret, e.Previous}
	}
	return []string{e.Secret}
}

// State is where a delivery stands.
type State string

// The states of a delivery.
const (
	Pending   State = "PENDING"
	Delivered State = "DELIVERED"
	Failed    State = "FAILED" // it is not tried again, unless its owner replays it
)

// Delivery is an event on its way to one receiver.
type Delivery struct {
	ID         string // msg_…, the same at every attempt
	Owner      string
	EndpointID string
	URL        string // of a callback; empty: the endpoint's
	Event      string
	JobID      string // empty: Test
	JobVersion int64  // of the job when it happened
	Payload    []byte // the same bytes at every attempt; nil: not made yet
	State      State
	Attempts   int       // in all
	Tries      int       // since it was recorded, or replayed
	Next       time.Time // of a PENDING one: not before
	Created    time.Time // when it happened
	Claims     int64
}

// Attempt is one try to deliver.
type Attempt struct {
	Number int // from 1
	At     time.Time
	Status int    // of the answer; 0: there was none
	Error  string // empty: it was delivered; one of the Err constants
	Answer string // how the answer begins, at most MaxAnswer bytes of text
	Took   time.Duration
}

// Filter picks deliveries, newest first.
type Filter struct {
	Owner      string
	EndpointID string // empty: any, as the next two
	JobID      string
	State      State
	Limit      int
	After      string // id of the last one of the page before; empty: the first page
}

// Errors of what owners ask for.
var (
	ErrNotFound         = errors.New("webhook not found")
	ErrDeliveryNotFound = errors.New("delivery not found")
	ErrTooMany          = errors.New("no more webhooks for this caller")
	ErrDisabled         = errors.New("the webhook is disabled; enable it first")
)

// MaxEndpoints is how many webhooks an owner may have.
const MaxEndpoints = 20

const (
	secretPrefix = "whsec_"
	secretBytes  = 32 // the specification wants 24 to 64
)

// NewSecret returns a secret to sign with.
func NewSecret() string {
	b := make([]byte, secretBytes)
	_, _ = rand.Read(b)
	return secretPrefix + base64.StdEncoding.EncodeToString(b)
}

// NewID returns the id of a new delivery. Ids grow with time.
func NewID() (string, error) {
	id, err := uuid.NewV7()
	if err != nil {
		return "", fmt.Errorf("make the id of a delivery: %w", err)
	}
	return "msg_" + strings.ReplaceAll(id.String(), "-", ""), nil
}

// CallbackID returns the id of the endpoint that stands for all callbacks of an owner.
func CallbackID(owner string) string {
	sum := sha256.Sum256([]byte("callbacks of " + owner))
	id := uuid.UUID(sum[:16])
	id[6], id[8] = id[6]&0x0f|0x80, id[8]&0x3f|0x80 // version 8: made by a rule of one's own (RFC 9562)
	return id.String()
}

// MaxURL is the length of the longest address, in bytes.
const MaxURL = 1000

// CheckURL returns what is wrong with the address of a receiver, as a phrase that follows its name; empty: nothing that can
// be told without asking who has the name.
func (g *Guard) CheckURL(text string) string {
	u, err := url.Parse(text)
	switch {
	case err != nil || (u.Scheme != "http" && u.Scheme != "https") || u.Hostname() == "" || u.Opaque != "":
		return "must be http://host… or https://host…"
	case len(text) > MaxURL:
		return fmt.Sprintf("must be at most %d bytes", MaxURL)
	case u.User != nil:
		return "must not hold a user or a password: receivers know us by the signature"
	case strings.Contains(text, "#"):
		return "must not have a fragment"
	case !g.mayName(u.Hostname()):
		return "must not lead to this network; MUSTER_WEBHOOK_ALLOWED_NETWORKS can allow it"
	}
	return ""
}

// schedule is how long to wait after each attempt that failed, as the specification proposes; there are as many attempts and
// one more.
var schedule = []time.Duration{
	5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
}

// GiveUpAfter is how long nothing must have arrived at an endpoint until it is disabled.
const GiveUpAfter = 5 * 24 * time.Hour

// NextTry returns how long to wait after this many tries that failed, and after what the receiver asked for; ok is false when
// there are no more. A fifth of the time is random, so that what failed at once does not come back at once.
func NextTry(tries int, asked time.Duration) (wait time.Duration, ok bool) {
	if tries < 1 || tries > len(schedule) {
		return 0, false
	}
	wait = schedule[tries-1]
	wait = wait*9/10 + mathrand.N(wait/5)
	return max(wait, min(asked, schedule[len(schedule)-1])), true
}
