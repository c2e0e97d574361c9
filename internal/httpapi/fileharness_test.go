package httpapi_test

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"mime/multipart"
	"net"
	"net/http"
	"net/textproto"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/httpapi"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/upload"
)

// fileAPI is a server with a place for files.
type fileAPI struct {
	*testServer
	fakes   *fakes
	uploads *upload.Uploads
}

func newFileAPI(t *testing.T, change func(*httpapi.Config)) *fileAPI {
	t.Helper()
	f := newFakes()
	var uploads *upload.Uploads
	a := newAPI(t, f, func(c *httpapi.Config) {
		uploads = c.Uploads.(*upload.Uploads)
		if change != nil {
			change(c)
		}
	})
	return &fileAPI{a, f, uploads}
}

// spec returns the one that was submitted last, and checks that its file is there for its owner.
func (a *fileAPI) spec(body string) *job.Spec {
	a.t.Helper()
	if len(a.fakes.specs) == 0 {
		a.t.Fatal("nothing was submitted")
	}
	s := &a.fakes.specs[len(a.fakes.specs)-1]
	up, err := a.uploads.Find(a.t.Context(), s.Owner, s.File.Upload)
	if err != nil {
		a.t.Fatal(err)
	}
	r, err := a.uploads.Open(a.t.Context(), up)
	if err != nil {
		a.t.Fatal(err)
	}
	defer func() { _ = r.Close() }()
	if got, err := io.ReadAll(r); err != nil || string(got) != body {
		a.t.Errorf("the file is %q, %v, want %q", got, err, body)
	}
	want := &job.File{Upload: up.ID, Object: up.Object, Name: up.FileName, ContentType: up.ContentType, Bytes: up.Size, SHA256: up.SHA256, Options: s.File.Options}
	if diff := cmp.Diff(want, s.File); diff != "" {
		a.t.Errorf("file (-upload +spec):\n%s", diff)
	}
	return s
}

// left counts what is in the store.
func (a *fileAPI) left() (n int) {
	a.t.Helper()
	if _, err := a.uploads.Files.Sweep(a.t.Context(), func(string, time.Time) bool { n++; return true }); err != nil {
		a.t.Error(err)
	}
	return n
}

// expect sends a request's head with Expect: 100-continue, and fails when the server asks for the body.
func (a *fileAPI) expect(request string, headers ...string) answer {
	a.t.Helper()
	res, body, asked := a.raw(request, nil, append(headers, "Expect: 100-continue")...)
	if asked {
		a.t.Errorf("%s: the body was asked for", request)
	}
	return answer{res, body}
}

// raw sends a request line and headers of ada's, and the body when the server asks for it, or at once without Expect.
func (a *fileAPI) raw(request string, body []byte, headers ...string) (res *http.Response, got []byte, asked bool) {
	a.t.Helper()
	c := a.dial()
	defer func() { _ = c.Close() }()
	all := strings.Join(headers, "\r\n")
	if !strings.Contains(all, "Content-Length:") {
		all += fmt.Sprintf("\r\nContent-Length: %d", max(len(body), 10))
	}
	if !strings.Contains(request, " HTTP/") {
		request += " HTTP/1.1"
	}
	_, _ = fmt.Fprintf(c, "%s\r\nHost: x\r\nX-USER-ID: ada\r\n%s\r\n\r\n", request, strings.TrimPrefix(all, "\r\n"))
	method, path, _ := strings.Cut(request, " ")
	path, _, _ = strings.Cut(path, " ")
	r, _ := http.NewRequest(method, a.url+path, nil)
	in := bufio.NewReader(c)
	if !strings.Contains(all, "Expect:") {
		_, _ = c.Write(body)
	} else if line, err := in.Peek(len("HTTP/1.1 100")); err == nil && string(line) == "HTTP/1.1 100" {
		asked = true
		_, _ = in.ReadString('\n')
		_, _ = in.ReadString('\n')
		_, _ = c.Write(body)
	}
	res, err := http.ReadResponse(in, r)
	if err != nil {
		a.t.Fatal(err)
	}
	if got, err = io.ReadAll(res.Body); err != nil {
		a.t.Fatal(err)
	}
	a.matchesContract(r, res, got)
	return res, got, asked
}

func (a *fileAPI) dial() net.Conn {
	a.t.Helper()
	c, err := net.Dial("tcp", strings.TrimPrefix(a.url, "http://"))
	if err != nil {
		a.t.Fatal(err)
	}
	_ = c.SetDeadline(time.Now().Add(time.Minute))
	return c
}

// form makes a multipart/form-data of parts: name, file name, content …
func form(t *testing.T, parts ...string) (contentType string, body []byte) {
	t.Helper()
	var b bytes.Buffer
	w := multipart.NewWriter(&b)
	for i := 0; i < len(parts); i += 3 {
		p, err := w.CreatePart(textproto.MIMEHeader{
			"Content-Disposition": {fmt.Sprintf(`form-data; name="%s"; filename="%s"`, parts[i], parts[i+1])}, "Content-Type": {"text/csv"},
		})
		if err != nil {
			t.Fatal(err)
		}
		_, _ = io.WriteString(p, parts[i+2])
	}
	if err := w.Close(); err != nil {
		t.Fatal(err)
	}
	return w.FormDataContentType(), b.Bytes()
}

// zeros is a body of so many bytes, each of which is made when it is sent.
type zeros struct{ left int64 }

func (z *zeros) Read(p []byte) (int, error) {
	if z.left == 0 {
		return 0, io.EOF
	}
	n := min(int64(len(p)), z.left)
	z.left -= n
	clear(p[:n])
	return int(n), nil
}
