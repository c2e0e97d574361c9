package httpapi

import (
	"fmt"
	"net/http"

	"github.com/musterhq/muster/internal/job"
)

// code names a kind of error. The zero value is a fault of ours.
type code int

const (
	internalError code = iota
	validationFailed
	userIDMissing
	batchLimitExceeded
	malformedJSON
	userIsActive
	unauthenticated
	forbidden
	routeNotFound
	userNotFound
	jobNotFound
	methodNotAllowed
	notAcceptable
	jobNotCancellable
	jobNotPausable
	jobNotResumable
	jobNotRetryable
	jobNotUndoable
	preconditionFailed
	payloadTooLarge
	unsupportedMediaType
	rangeNotSatisfiable
	idempotencyKeyReused
	upgradeRequired
	tierLimitReached
	cooldownActive
	tooManyRequests
	storeUnavailable
	queueUnavailable
	queueFull
	noSpace
	codeCount
)

// codes is every code that a client can meet, as api/openapi.yaml documents it, with the HTTP status that it comes
// with.
var codes = [codeCount]struct {
	status int
	name   string
}{
	internalError:        {500, "internal_error"},
	validationFailed:     {400, "validation_failed"},
	userIDMissing:        {400, "user_id_missing"},
	batchLimitExceeded:   {400, "batch_limit_exceeded"},
	malformedJSON:        {400, "malformed_json"},
	userIsActive:         {400, "user_is_active"},
	unauthenticated:      {401, "unauthenticated"},
	forbidden:            {403, "forbidden"},
	routeNotFound:        {404, "route_not_found"},
	userNotFound:         {404, "user_not_found"},
	jobNotFound:          {404, "job_not_found"},
	methodNotAllowed:     {405, "method_not_allowed"},
	notAcceptable:        {406, "not_acceptable"},
	jobNotCancellable:    {409, "job_not_cancellable"},
	jobNotPausable:       {409, "job_not_pausable"},
	jobNotResumable:      {409, "job_not_resumable"},
	jobNotRetryable:      {409, "job_not_retryable"},
	jobNotUndoable:       {409, "job_not_undoable"},
	preconditionFailed:   {412, "precondition_failed"},
	payloadTooLarge:      {413, "payload_too_large"},
	unsupportedMediaType: {415, "unsupported_media_type"},
	rangeNotSatisfiable:  {416, "range_not_satisfiable"},
	idempotencyKeyReused: {422, "idempotency_key_reused"},
	upgradeRequired:      {426, "upgrade_required"},
	tierLimitReached:     {429, "tier_limit_reached"},
	cooldownActive:       {429, "cooldown_active"},
	tooManyRequests:      {429, "too_many_requests"},
	storeUnavailable:     {503, "store_unavailable"},
	queueUnavailable:     {503, "queue_unavailable"},
	queueFull:            {503, "queue_full"},
	noSpace:              {503, "no_space"},
}

func (c code) String() string { return codes[c].name }

func (c code) status() int { return codes[c].status }

// stateCodes are the codes of a *job.StateError, by its move.
var stateCodes = map[job.Move]code{
	job.MoveCancel: jobNotCancellable,
	job.MovePause:  jobNotPausable,
	job.MoveResume: jobNotResumable,
	job.MoveRetry:  jobNotRetryable,
	job.MoveUndo:   jobNotUndoable,
}

// httpProblems explains the errors of Echo itself, no such route, wrong method and the like, by their HTTP status.
var httpProblems = map[int]problem{
	http.StatusBadRequest:                   {code: validationFailed, message: "the request could not be read"},
	http.StatusUnauthorized:                 {code: unauthenticated, message: "user name and password are required"},
	http.StatusNotFound:                     {code: routeNotFound, message: "there is no such route; see /docs"},
	http.StatusMethodNotAllowed:             {code: methodNotAllowed, message: "the route has other methods, see Allow"},
	http.StatusNotAcceptable:                {code: notAcceptable, message: "Accept-Encoding forbids all that there is: plain, gzip and zstd"},
	http.StatusUpgradeRequired:              {code: upgradeRequired, message: "over HTTP/1.0 a stream that broke looks whole; use HTTP/1.1, or /export/csv"},
	http.StatusRequestedRangeNotSatisfiable: {code: rangeNotSatisfiable, message: "the file has no such part; Content-Range tells its length"},
	http.StatusUnsupportedMediaType:         {code: unsupportedMediaType, message: "the body has to be JSON, not compressed, and Content-Type to say so; see /docs"},
	http.StatusRequestEntityTooLarge:        {code: payloadTooLarge, message: fmt.Sprintf("the body is larger than %d bytes", maxBody)},
}
