package httpapi

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"
	"math"
	"mime"
	"mime/multipart"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/musterhq/muster/internal/invalid"
	"github.com/musterhq/muster/internal/job"
)

// incoming is a request whose body is a file. It reads the body, for as long as bytes come: the server's deadline for whole
// requests is not for it.
type incoming struct {
	*http.Request
	rc       *http.ResponseController
	patience time.Duration
	err      error // of the body; io.EOF: all of it is read
}

type incomingKey struct{}

// streamed hands handlers the request itself. Generated code gets one without a body: it would refuse types that it does
// not know.
func (s *Server) streamed(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		in := &incoming{Request: c.Request(), rc: http.NewResponseController(c.Response()), patience: s.patience}
		_ = in.rc.SetWriteDeadline(time.Time{}) // which runs since the request came; fails only without a connection, in tests
		r := in.Clone(context.WithValue(in.Context(), incomingKey{}, in))
		r.Body = http.NoBody
		r.Header.Del(echo.HeaderContentType)
		c.SetRequest(r)
		return next(c)
	}
}

func incomingOf(ctx context.Context) *incoming { return ctx.Value(incomingKey{}).(*incoming) }

// Read implements io.Reader. Its errors are for the caller.
func (in *incoming) Read(p []byte) (int, error) {
	if in.err != nil { // a deadline that is set now would end the request while it waits for its job
		return 0, in.err
	}
	_ = in.rc.SetReadDeadline(time.Now().Add(in.patience))
	n, err := in.Body.Read(p)
	switch {
	case errors.Is(err, os.ErrDeadlineExceeded):
		err = echo.NewHTTPError(http.StatusRequestTimeout).SetInternal(err)
	case err != nil && !errors.Is(err, io.EOF):
		err = echo.NewHTTPError(http.StatusBadRequest).SetInternal(fmt.Errorf("read the body: %w", err))
	}
	in.err = err
	return n, err
}

// answer gives the answer its deadline; all is read that is to be.
func (in *incoming) answer() { _ = in.rc.SetWriteDeadline(time.Now().Add(maxWait + 15*time.Second)) }

// empty reports whether there is no body.
func (in *incoming) empty() bool {
	if in.ContentLength == 0 {
		return true
	}
	if in.ContentLength > 0 {
		return false
	}
	n, err := io.ReadFull(in, make([]byte, 1)) // chunked
	return n == 0 && errors.Is(err, io.EOF)
}

// sentFile is a file in a body.
type sentFile struct {
	io.Reader
	name        string // "": none is given
	contentType string
}

// errNoFile: there are no bytes where a file should be.
var errNoFile = &job.FileError{Code: emptyFile.String(), Message: "there is no file, or nothing in it: send it as the body, or as the part file of a multipart/form-data, or name it by uploadId or from"}

// file finds the file in the body. Errors: errNoFile, *invalid.Error.
func (in *incoming) file() (*sentFile, error) {
	if err := in.checkEncoding(); err != nil {
		return nil, err
	}
	if in.ContentLength == 0 {
		return nil, errNoFile
	}
	f := &sentFile{Reader: in, contentType: in.Header.Get(echo.HeaderContentType)}
	kind, params, _ := mime.ParseMediaType(f.contentType)
	if kind == echo.MIMEMultipartForm {
		var err error
		if f, err = in.part(params["boundary"]); err != nil {
			return nil, err
		}
	}
	buffered := bufio.NewReaderSize(f.Reader, 64<<10)
	if _, err := buffered.Peek(1); err != nil {
		if errors.Is(err, io.EOF) {
			err = errNoFile
		}
		return nil, err
	}
	f.Reader = buffered
	return f, nil
}

// checkEncoding refuses what would be stored and could not be read.
func (in *incoming) checkEncoding() error {
	switch strings.ToLower(strings.TrimSpace(in.Header.Get(echo.HeaderContentEncoding))) {
	case "", "identity", "gzip", "x-gzip", "zstd":
		return nil
	}
	return encodingError{}
}

// encodingError: the file is compressed in a way that is not known.
type encodingError struct{}

func (encodingError) Error() string { return "Content-Encoding may be gzip or zstd" }

// part finds the file in a form.
func (in *incoming) part(boundary string) (*sentFile, error) {
	if boundary == "" {
		return nil, badForm("has no boundary")
	}
	between := &limited{r: in, left: maxBetween}
	form := &formFile{in: in, between: between, form: multipart.NewReader(between, boundary)}
	var err error
	switch form.part, err = form.next(); {
	case errors.Is(err, io.EOF):
		return nil, errNoFile
	case err != nil:
		return nil, form.failed(err)
	case form.part.FormName() != "file":
		return nil, errOtherParts
	}
	return &sentFile{Reader: form, name: form.part.FileName(), contentType: form.part.Header.Get(echo.HeaderContentType)}, nil
}

var errOtherParts = &invalid.Error{Fields: []invalid.Field{{Field: "file", Message: "must be the only part of the form: parameters go into the query"}}}

func badForm(why string) error {
	return &invalid.Error{Fields: []invalid.Field{{Field: "body", Message: "is no multipart/form-data: it " + why}}}
}

// formFile is the only part of a form. It has no end before it is known that there is no other.
type formFile struct {
	in      *incoming
	between *limited
	form    *multipart.Reader
	part    *multipart.Part
	err     error
}

// maxBetween is how many bytes there may be before the content of a part. The library would keep 10 MB of headers.
const maxBetween = 64 << 10

// next returns the next part.
func (f *formFile) next() (*multipart.Part, error) {
	f.between.left = maxBetween
	part, err := f.form.NextPart()
	f.between.left = math.MaxInt64
	return part, err
}

// limited is a reader that fails after left bytes.
type limited struct {
	r    io.Reader
	left int64
}

var errBetween = errors.New("too much before the content of a part")

func (l *limited) Read(p []byte) (int, error) {
	if l.left <= 0 {
		return 0, errBetween
	}
	n, err := l.r.Read(p[:min(int64(len(p)), l.left)])
	l.left -= int64(n)
	return n, err
}

func (f *formFile) Read(p []byte) (n int, err error) {
	if f.err != nil {
		return 0, f.err
	}
	n, err = f.part.Read(p)
	if errors.Is(err, io.EOF) {
		switch _, next := f.next(); {
		case next == nil:
			err = errOtherParts
		case !errors.Is(next, io.EOF):
			err = f.failed(next)
		}
	} else if err != nil {
		err = f.failed(err)
	}
	f.err = err
	return n, err
}

// failed returns the error of the body, which the form's own hides.
func (f *formFile) failed(error) error {
	if err := f.in.err; err != nil && !errors.Is(err, io.EOF) {
		return err
	}
	return badForm("breaks off, or its parts are not well-formed")
}
