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
	notIndexed
	userIDMissing
	batchLimitExceeded
	malformedJSON
	userIsActive
	emptyFile
	unknownFormat
	unknownCharset
	unreadable
	bomb
	badHeader
	tooManyColumns
	tooLarge
	needsWholeFile
	noKnownColumn
	noKeyColumn
	badMap
	unauthenticated
	forbidden
	insufficientScope
	routeNotFound
	userNotFound
	jobNotFound
	jobHasNoFile
	uploadNotFound
	fileNotFound
	webhookNotFound
	deliveryNotFound
	scheduleNotFound
	keyNotFound
	methodNotAllowed
	notAcceptable
	requestTimeout
	jobNotCancellable
	jobNotPausable
	jobNotResumable
	jobNotRetryable
	jobNotUndoable
	uploadUnfinished
	uploadConflict
	uploadInUse
	notExported
	tooManyWebhooks
	webhookDisabled
	tooManySchedules
	scheduleChanged
	duplicateUser
	ambiguousKey
	tooManyKeys
	preconditionFailed
	payloadTooLarge
	unsupportedMediaType
	rangeNotSatisfiable
	idempotencyKeyReused
	upgradeRequired
	tierLimitReached
	cooldownActive
	tooManyRequests
	tooManyAttempts
	storeUnavailable
	queueUnavailable
	queueFull
	noSpace
	filesUnavailable
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
	notIndexed:           {400, "not_indexed"},
	userIDMissing:        {400, "user_id_missing"},
	batchLimitExceeded:   {400, "batch_limit_exceeded"},
	malformedJSON:        {400, "malformed_json"},
	userIsActive:         {400, "user_is_active"},
	emptyFile:            {400, "empty_file"},
	unknownFormat:        {400, "unknown_format"},
	unknownCharset:       {400, "unknown_charset"},
	unreadable:           {400, "unreadable"},
	bomb:                 {400, "bomb"},
	badHeader:            {400, "bad_header"},
	tooManyColumns:       {400, "too_many_columns"},
	tooLarge:             {400, "too_large"},
	needsWholeFile:       {400, "needs_whole_file"},
	noKnownColumn:        {400, job.CodeNoKnownColumn},
	noKeyColumn:          {400, job.CodeNoKeyColumn},
	badMap:               {400, job.CodeBadMap},
	unauthenticated:      {401, "unauthenticated"},
	forbidden:            {403, "forbidden"},
	insufficientScope:    {403, "insufficient_scope"},
	routeNotFound:        {404, "route_not_found"},
	userNotFound:         {404, "user_not_found"},
	jobNotFound:          {404, "job_not_found"},
	jobHasNoFile:         {404, "job_has_no_file"},
	uploadNotFound:       {404, "upload_not_found"},
	fileNotFound:         {404, "file_not_found"},
	webhookNotFound:      {404, "webhook_not_found"},
	deliveryNotFound:     {404, "delivery_not_found"},
	scheduleNotFound:     {404, "schedule_not_found"},
	keyNotFound:          {404, "key_not_found"},
	methodNotAllowed:     {405, "method_not_allowed"},
	notAcceptable:        {406, "not_acceptable"},
	requestTimeout:       {408, "request_timeout"},
	jobNotCancellable:    {409, "job_not_cancellable"},
	jobNotPausable:       {409, "job_not_pausable"},
	jobNotResumable:      {409, "job_not_resumable"},
	jobNotRetryable:      {409, "job_not_retryable"},
	jobNotUndoable:       {409, "job_not_undoable"},
	uploadUnfinished:     {409, "upload_unfinished"},
	uploadConflict:       {409, "upload_conflict"},
	uploadInUse:          {409, "upload_in_use"},
	notExported:          {409, "not_exported"},
	tooManyWebhooks:      {409, "too_many_webhooks"},
	webhookDisabled:      {409, "webhook_disabled"},
	tooManySchedules:     {409, "too_many_schedules"},
	scheduleChanged:      {409, "schedule_changed"},
	duplicateUser:        {409, "duplicate_user"},
	ambiguousKey:         {409, "ambiguous_key"},
	tooManyKeys:          {409, "too_many_keys"},
	preconditionFailed:   {412, "precondition_failed"},
	payloadTooLarge:      {413, "payload_too_large"},
	unsupportedMediaType: {415, "unsupported_media_type"},
	rangeNotSatisfiable:  {416, "range_not_satisfiable"},
	idempotencyKeyReused: {422, "idempotency_key_reused"},
	upgradeRequired:      {426, "upgrade_required"},
	tierLimitReached:     {429, "tier_limit_reached"},
	cooldownActive:       {429, "cooldown_active"},
	tooManyRequests:      {429, "too_many_requests"},
	tooManyAttempts:      {429, "too_many_attempts"},
	storeUnavailable:     {503, "store_unavailable"},
	queueUnavailable:     {503, "queue_unavailable"},
	queueFull:            {503, "queue_full"},
	noSpace:              {503, "no_space"},
	filesUnavailable:     {503, "files_unavailable"},
}

func (c code) String() string { return codes[c].name }

func (c code) status() int { return codes[c].status }

// faultCode returns the code of a *job.FileError, which is the same here and in a job.
func faultCode(name string) code {
	for c := emptyFile; c <= badMap; c++ {
		if c.String() == name {
			return c
		}
	}
	return unreadable
}

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
	http.StatusRequestTimeout:               {code: requestTimeout, message: "the body stood still for too long; nothing of it is kept"},
	http.StatusUpgradeRequired:              {code: upgradeRequired, message: "over HTTP/1.0 a stream that broke looks whole; use HTTP/1.1, or /export/csv"},
	http.StatusRequestedRangeNotSatisfiable: {code: rangeNotSatisfiable, message: "the file has no such part; Content-Range tells its length"},
	http.StatusUnsupportedMediaType:         {code: unsupportedMediaType, message: "the body has to be JSON, not compressed, and Content-Type to say so; see /docs"},
	http.StatusRequestEntityTooLarge:        {code: payloadTooLarge, message: fmt.Sprintf("the body is larger than %d bytes", maxBody)},
}
