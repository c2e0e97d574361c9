package httpapi

import (
	"context"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"

	"github.com/musterhq/muster/internal/invalid"
	"github.com/musterhq/muster/internal/job"
)

// The methods of resumable uploads. POST of an upload is any of the others, by X-HTTP-Method-Override.
var (
	begins = []string{http.MethodPost, http.MethodOptions}
	goesOn = []string{http.MethodHead, http.MethodPatch, http.MethodDelete, http.MethodPost, http.MethodOptions}
)

// isUpload reports whether a route is of resumable uploads.
func isUpload(route string) bool {
	path, ours := inContract(route)
	return ours && (path == "/uploads" || strings.HasPrefix(path, "/uploads/"))
}

type uploadKey struct{}

// uploads answers what is of tus. Uploads keeps what has arrived when this process stops, and says so.
func (s *Server) uploads(c echo.Context) error {
	if s.Uploads == nil {
		return noFilesError{}
	}
	ctx, cancel := untilShutdown(c.Request().Context())
	defer cancel()
	var failed error
	s.Uploads.ServeHTTP(c.Response(), c.Request().WithContext(context.WithValue(ctx, uploadKey{}, &failed)))
	return failed
}

// UploadOwner returns the caller of a request that Uploads serves.
func UploadOwner(r *http.Request) (string, error) {
	owner := r.Header.Get("X-USER-ID")
	switch {
	case owner == "":
		return "", noUserError{fields: []invalid.Field{{Field: "X-USER-ID", Message: required}}}
	case !job.ValidOwner(owner):
		return "", &invalid.Error{Fields: []invalid.Field{{Field: "X-USER-ID", Message: "must be 1 to 64 letters, digits or . _ @ -"}}}
	}
	return owner, nil
}

// UploadFailed takes the error of a request that Uploads serves, to be answered like any other.
func UploadFailed(_ http.ResponseWriter, r *http.Request, err error) {
	if failed, ok := r.Context().Value(uploadKey{}).(*error); ok {
		*failed = err
	}
}
