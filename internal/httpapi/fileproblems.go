package httpapi

import (
	"errors"
	"net/http"
	"time"

	"github.com/musterhq/muster/internal/httpapi/api"
	"github.com/musterhq/muster/internal/job"
)

// explainFile is the part of the table about files and uploads.
func explainFile(err error) (problem, bool) {
	if e, ok := errors.AsType[*job.FileError](err); ok {
		p := problem{code: faultCode(e.Code), message: e.Message}
		if e.Found != nil {
			p.details = &api.ErrorDetails{File: foundView(e.Found)}
		}
		return p, true
	}
	if e, ok := errors.AsType[*job.FileTooLargeError](err); ok {
		return problem{code: payloadTooLarge, message: e.Error(), details: &api.ErrorDetails{Limit: e.Max}}, true
	}
	if e, ok := errors.AsType[*job.UploadError](err); ok {
		return problem{code: uploadCode(e.Status), message: e.Message}, true
	}
	if e, ok := errors.AsType[notExportedError](err); ok {
		return problem{code: notExported, message: e.Error(), details: &api.ErrorDetails{Status: e.status}}, true
	}
	if e, ok := errors.AsType[encodingError](err); ok {
		return problem{code: unsupportedMediaType, message: e.Error()}, true
	}
	if e, ok := errors.AsType[noFilesError](err); ok {
		return problem{code: filesUnavailable, message: e.Error(), retry: time.Minute}, true
	}
	return explainStoredFile(err)
}

// keptProblem says of a refusal that the file need not be sent again.
func keptProblem(e keptError) problem {
	p := explain(e.error)
	p.message += "; the file is kept: repeat the request with uploadId=" + e.uploadID + " and without a body"
	details := api.ErrorDetails{}
	if p.details != nil {
		details = *p.details
	}
	details.UploadID = e.uploadID
	p.details = &details
	return p
}

// explainStoredFile is about what is in the file store, and that itself.
func explainStoredFile(err error) (problem, bool) {
	switch {
	case errors.Is(err, errNoRejects):
		return problem{code: jobHasNoFile, message: errNoRejects.Error()}, true
	case errors.Is(err, job.ErrLink):
		return problem{code: forbidden, message: job.ErrLink.Error()}, true
	case errors.Is(err, job.ErrUploadConflict):
		return problem{code: uploadConflict, message: job.ErrUploadConflict.Error()}, true
	case errors.Is(err, job.ErrUploadInUse):
		return problem{code: uploadInUse, message: job.ErrUploadInUse.Error() + ": cancel the job first"}, true
	case errors.Is(err, job.ErrUploadNotFound):
		return problem{code: uploadNotFound, message: job.ErrUploadNotFound.Error()}, true
	case errors.Is(err, job.ErrUploadUnfinished):
		return problem{code: uploadUnfinished, message: job.ErrUploadUnfinished.Error() + "; HEAD /uploads/{uploadId} tells how far it is"}, true
	case errors.Is(err, job.ErrFileNotFound):
		return problem{code: fileNotFound, message: job.ErrFileNotFound.Error()}, true
	case errors.Is(err, job.ErrNoSpace):
		const wait = 30 * time.Second // in which old files may go
		return problem{code: noSpace, message: job.ErrNoSpace.Error(), retry: wait}, true
	case errors.Is(err, job.ErrFilesUnavailable):
		return problem{code: filesUnavailable, message: job.ErrFilesUnavailable.Error(), retry: retrySoon}, true
	}
	return problem{}, false
}

// uploadCode returns the code of what breaks the protocol of uploads, by the status that the protocol has for it.
func uploadCode(status int) code {
	switch status {
	case http.StatusMethodNotAllowed:
		return methodNotAllowed
	case http.StatusRequestTimeout:
		return requestTimeout
	case http.StatusConflict:
		return uploadConflict
	case http.StatusPreconditionFailed:
		return preconditionFailed
	case http.StatusRequestEntityTooLarge:
		return payloadTooLarge
	case http.StatusUnsupportedMediaType:
		return unsupportedMediaType
	case http.StatusNotFound, http.StatusGone:
		return uploadNotFound
	}
	return validationFailed
}
