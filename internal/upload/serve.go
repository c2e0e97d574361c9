package upload

import (
	"bytes"
	"context"
	"errors"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/tus/tusd/v2/pkg/handler"

	"github.com/musterhq/muster/internal/filestore"
	"github.com/musterhq/muster/internal/job"
)

const (
	base = "/uploads/" // where tusd believes to be
	// maxMetadata is the longest Upload-Metadata, in bytes.
	maxMetadata = 4 << 10
	// extensions of tus that are served beside tusd's own.
	expiration = ",expiration"
)

// ServeHTTP serves the protocol. It reads until the request's context ends, which may be before the client does, and sets
// its deadlines itself.
func (u *Uploads) ServeHTTP(w http.ResponseWriter, r *http.Request) {
	w.Header().Set("Tus-Resumable", "1.0.0")
	before, id, ok := cutPath(r.URL.Path)
	if !ok {
		u.Fail(w, r, job.ErrUploadNotFound)
		return
	}
	req := &request{ctx: r.Context()}
	if r.Method != http.MethodOptions { // which browsers ask without credentials
		var err error
		if req.owner, err = u.Owner(r); err != nil {
			u.Fail(w, r, err)
			return
		}
	}
	if len(r.Header.Get("Upload-Metadata")) > maxMetadata {
		u.Fail(w, r, &job.UploadError{Status: http.StatusBadRequest, Message: "Upload-Metadata is longer than " + strconv.Itoa(maxMetadata) + " bytes"})
		return
	}
	a := &answer{ResponseWriter: w, prefix: before, expiry: u.Expiry, request: req}
	inner := r.Clone(context.WithValue(r.Context(), requestKey{}, req))
	inner.URL.Path = id
	u.handler.ServeHTTP(a, inner)
	if a.status >= http.StatusBadRequest {
		for _, name := range []string{"Content-Length", "Content-Type"} {
			w.Header().Del(name)
		}
		u.Fail(w, r, a.err(u.Max))
	}
}

// cutPath splits the path of a collection of uploads, or of one.
func cutPath(path string) (before, id string, ok bool) {
	const collection = "/uploads"
	i := strings.LastIndex(path, collection)
	if i < 0 {
		return "", "", false
	}
	before, rest := path[:i+len(collection)], path[i+len(collection):]
	id = strings.TrimPrefix(rest, "/")
	return before, id, (rest == "" || rest[0] == '/') && !strings.Contains(id, "/")
}

// route runs after tusd's checks. The path is the id.
func (u *Uploads) route(w http.ResponseWriter, r *http.Request) {
	collection := r.URL.Path == ""
	switch {
	case collection && r.Method == http.MethodPost:
		u.tus.PostFile(w, r)
	case !collection && r.Method == http.MethodHead:
		u.tus.HeadFile(w, r)
	case !collection && r.Method == http.MethodPatch:
		requestOf(r.Context()).adds = r.ContentLength != 0
		u.tus.PatchFile(w, r)
	case !collection && r.Method == http.MethodDelete:
		u.tus.DelFile(w, r)
	default:
		allow := "HEAD, PATCH, DELETE, OPTIONS"
		if collection {
			allow = "POST, OPTIONS"
		}
		w.Header().Set("Allow", allow)
		w.WriteHeader(http.StatusMethodNotAllowed)
	}
}

// request is what the data store has to know of a request, and tells of it.
type request struct {
	ctx   context.Context
	owner string
	adds  bool               // it brings bytes for an upload that is there
	err   error              // the data store's
	shows *filestore.Growing // what the answer is about
}

type requestKey struct{}

func requestOf(ctx context.Context) *request { return ctx.Value(requestKey{}).(*request) }

// failed keeps an error for the answer, since tusd would make text of it.
func (r *request) failed(err error) error {
	if err != nil {
		r.err = err
	}
	return err
}

// answer is tusd's way to the client. It holds errors back, and mends headers.
type answer struct {
	http.ResponseWriter
	prefix  string // of the path
	expiry  time.Duration
	request *request

	status int
	text   bytes.Buffer // of an error
}

func (a *answer) WriteHeader(status int) {
	a.status = status
	if status >= http.StatusBadRequest {
		return
	}
	h := a.Header()
	if at := h.Get("Location"); at != "" { // tusd guesses scheme and host, which a proxy may know better
		h.Set("Location", a.prefix+at[strings.LastIndexByte(at, '/'):])
	}
	if ext := h.Get("Tus-Extension"); ext != "" {
		h.Set("Tus-Extension", ext+expiration)
	}
	if g := a.request.shows; g != nil && !g.Done() {
		h.Set("Upload-Expires", g.Modified.Add(a.expiry).UTC().Format(http.TimeFormat))
	}
	a.ResponseWriter.WriteHeader(status)
}

func (a *answer) Write(p []byte) (int, error) {
	if a.status >= http.StatusBadRequest {
		return a.text.Write(p)
	}
	return a.ResponseWriter.Write(p)
}

// Unwrap is for http.ResponseController: tusd moves the deadlines.
func (a *answer) Unwrap() http.ResponseWriter { return a.ResponseWriter }

// err is the error that tusd answered with.
func (a *answer) err(limit int64) error {
	if a.request.err != nil {
		return a.request.err
	}
	code, message, _ := strings.Cut(strings.TrimSpace(a.text.String()), ": ")
	switch code {
	case handler.ErrMaxSizeExceeded.ErrorCode:
		return &job.FileTooLargeError{Max: limit}
	case handler.ErrMismatchOffset.ErrorCode:
		return job.ErrUploadConflict
	case handler.ErrReadTimeout.ErrorCode, handler.ErrConnectionReset.ErrorCode:
		return &job.UploadError{Status: http.StatusRequestTimeout, Message: "the connection stood still for too long, or broke; what arrived is kept"}
	case handler.ErrNotImplemented.ErrorCode:
		return &job.UploadError{Status: http.StatusBadRequest, Message: "the length has to be known: Upload-Length, without Upload-Defer-Length"}
	}
	switch {
	case a.status == http.StatusMethodNotAllowed:
		return &job.UploadError{Status: a.status, Message: "the upload has other methods, see Allow"}
	case a.status < http.StatusInternalServerError:
		return &job.UploadError{Status: a.status, Message: message}
	}
	return errors.New("tusd: " + a.text.String())
}
