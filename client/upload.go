package client

import (
	"context"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"math/rand/v2"
	"net/http"
	"net/url"
	"path"
	"strconv"
	"sync"
	"time"
)

// FileUpload is a file to be uploaded.
type FileUpload struct {
	File io.ReaderAt
	Size int64  // bytes
	Name string // of the file, for people; "": none

	// ID goes on with an upload that was begun, with the same file. "": a new one.
	ID string
	// Begun, if set, is told the ID of a new upload, with which it can be gone on with.
	Begun func(id string)
	// Progress, if set, is told how many bytes are sent, or, after a connection broke, arrived. It is called often.
	Progress func(bytes int64)
}

const (
	// uploadTries is how often in a row an upload is tried without another byte that arrives; they take some minutes.
	uploadTries   = 12
	firstPause    = 500 * time.Millisecond
	longestPause  = 30 * time.Second
	tusVersion    = "1.0.0"
	tusType       = "application/offset+octet-stream"
	offsetHeader  = "Upload-Offset"
	versionHeader = "Tus-Resumable"
)

// SendFile uploads a file, piece by piece if need be: when the connection breaks, or the server is away for some minutes,
// it goes on where the server stands. It returns the upload's id, also with an error once there is one. Errors: that of
// ctx, *APIError when the server refuses, the last one when it gave up. The client's HTTP client must have no timeout for
// whole requests.
func (c *ClientWithResponses) SendFile(ctx context.Context, userID string, u FileUpload) (id string, err error) {
	raw, ok := c.ClientInterface.(*Client)
	if !ok {
		return u.ID, fmt.Errorf("cannot upload through a %T", c.ClientInterface)
	}
	s := &sending{FileUpload: u, client: raw, userID: userID, arrived: -1}
	for failed := 0; ; {
		var done bool
		before := s.arrived
		if done, err = s.attempt(ctx); done {
			return s.ID, nil
		}
		if err != nil && !temporary(err) || ctx.Err() != nil {
			return s.ID, errors.Join(ctx.Err(), err)
		}
		if s.arrived > before {
			failed = 0
		}
		if failed++; failed > uploadTries {
			return s.ID, fmt.Errorf("given up after %d tries: %w", uploadTries, err)
		}
		if err := s.pause(ctx, failed, err); err != nil {
			return s.ID, err
		}
	}
}

// sending is an upload under way.
type sending struct {
	FileUpload
	client  *Client
	userID  string
	arrived int64 // bytes that the server has; -1: not known
}

// attempt sends what the server lacks, in one request.
func (s *sending) attempt(ctx context.Context) (done bool, err error) {
	if s.ID == "" {
		err = s.begin(ctx)
	} else {
		err = s.ask(ctx)
	}
	if err != nil || s.arrived == s.Size {
		return err == nil, err
	}
	if err := s.send(ctx); err != nil {
		return false, err
	}
	if s.arrived < s.Size { // as a server does that is stopping
		return false, fmt.Errorf("the server took %d of %d bytes", s.arrived, s.Size)
	}
	return true, nil
}

// begin makes the upload.
func (s *sending) begin(ctx context.Context) error {
	header := http.Header{"Upload-Length": {strconv.FormatInt(s.Size, 10)}}
	if s.Name != "" {
		header.Set("Upload-Metadata", "filename "+base64.StdEncoding.EncodeToString([]byte(s.Name)))
	}
	answer, err := s.do(ctx, http.MethodPost, nil, header)
	if err != nil {
		return err
	}
	at, err := url.Parse(answer.Get("Location"))
	if err != nil || at.Path == "" {
		return errors.New("the server names no upload")
	}
	s.ID, s.arrived = path.Base(at.Path), 0
	if s.Begun != nil {
		s.Begun(s.ID)
	}
	return nil
}

// ask learns how far the upload is.
func (s *sending) ask(ctx context.Context) error {
	answer, err := s.do(ctx, http.MethodHead, nil, nil)
	if err != nil {
		return err
	}
	if size := answer.Get("Upload-Length"); size != strconv.FormatInt(s.Size, 10) {
		return &fileError{fmt.Errorf("it has %d bytes, the one that was begun %s", s.Size, size)}
	}
	return s.stands(answer)
}

// send sends the rest of the file.
func (s *sending) send(ctx context.Context) error {
	body := &counted{r: io.NewSectionReader(s.File, s.arrived, s.Size-s.arrived), at: s.arrived, size: s.Size, told: s.Progress}
	answer, err := s.do(ctx, http.MethodPatch, body, http.Header{
		"Content-Type": {tusType}, offsetHeader: {strconv.FormatInt(s.arrived, 10)},
	})
	switch own := body.stop(); {
	case own != nil:
		return &fileError{own}
	case err != nil:
		return err
	}
	return s.stands(answer)
}

// stands reads from an answer how far the upload is.
func (s *sending) stands(answer http.Header) error {
	n, err := strconv.ParseInt(answer.Get(offsetHeader), 10, 64)
	if err != nil || n < 0 || n > s.Size {
		return fmt.Errorf("the server says that the upload stands at %q", answer.Get(offsetHeader))
	}
	s.arrived = n
	if s.Progress != nil {
		s.Progress(n)
	}
	return nil
}

// do makes a request of the upload, and returns the header of the answer, which has no body.
func (s *sending) do(ctx context.Context, method string, body io.Reader, header http.Header) (http.Header, error) {
	at, err := url.JoinPath(s.client.Server, "uploads", s.ID)
	if err != nil {
		return nil, err
	}
	req, err := http.NewRequestWithContext(ctx, method, at, body)
	if err != nil {
		return nil, err
	}
	if header != nil {
		req.Header = header
	}
	req.Header.Set(versionHeader, tusVersion)
	req.Header.Set("X-USER-ID", s.userID)
	if body != nil {
		req.ContentLength = s.Size - s.arrived
	}
	if err := s.client.applyEditors(ctx, req, nil); err != nil {
		return nil, err
	}
	resp, err := s.client.Client.Do(req)
	if resp, err = Check(resp, err); err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	return resp.Header, nil
}

// pause waits before the next try, as long as the server asks for, or ever longer.
func (s *sending) pause(ctx context.Context, failed int, err error) error {
	wait := min(firstPause<<(failed-1), longestPause)
	wait = wait/2 + rand.N(wait/2) // not all clients of a server at once
	if e, ok := errors.AsType[*APIError](err); ok && e.RetryAfter > 0 {
		wait = e.RetryAfter
	}
	select {
	case <-ctx.Done():
		return ctx.Err()
	case <-time.After(wait):
		return nil
	}
}

// temporary reports whether another try may help: the connection broke, the server is in trouble, or another request
// continues the upload.
func temporary(err error) bool {
	if e, ok := errors.AsType[*APIError](err); ok {
		switch e.Status {
		case http.StatusConflict, http.StatusRequestTimeout, http.StatusLocked, http.StatusTooManyRequests:
			return true
		}
		return e.Status >= http.StatusInternalServerError
	}
	_, own := errors.AsType[*fileError](err)
	return !own
}

// fileError: the file cannot be read, or is another.
type fileError struct{ err error }

func (e *fileError) Error() string { return "the file: " + e.err.Error() }

func (e *fileError) Unwrap() error { return e.err }

// counted tells how much of the body is sent, and keeps the error of the file from those of the network.
type counted struct {
	mu   sync.Mutex
	r    io.Reader // nil: the request is over, which the connection may notice later
	at   int64
	size int64
	told func(int64)
	err  error
}

func (c *counted) Read(p []byte) (int, error) {
	c.mu.Lock()
	defer c.mu.Unlock()
	if c.r == nil {
		return 0, io.ErrClosedPipe
	}
	n, err := c.r.Read(p)
	c.at += int64(n)
	if n > 0 && c.told != nil {
		c.told(c.at)
	}
	if errors.Is(err, io.EOF) && c.at < c.size {
		err = fmt.Errorf("it ends after %d of %d bytes: %w", c.at, c.size, io.ErrUnexpectedEOF)
	}
	if err != nil && !errors.Is(err, io.EOF) {
		c.err = err
	}
	return n, err
}

// stop ends the reading, and returns the error of the file.
func (c *counted) stop() error {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.r = nil
	return c.err
}
