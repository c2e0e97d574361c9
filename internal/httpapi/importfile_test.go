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
	"net/url"
	"runtime"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/httpapi"
	"github.com/musterhq/muster/internal/httpapi/api"
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

func TestImportFileSubmitsWhatWasAskedFor(t *testing.T) {
	t.Parallel()
	const body = "E-Mail;Name\nada@example.com;Ada\n"
	a := newFileAPI(t, nil)
	a.fakes.stored[jobID] = sampleFile(job.Completed)
	a.fakes.submitted = sampleFile(job.Pending)
	q := url.Values{
		"format": {"csv"}, "delimiter": {"semicolon"}, "charset": {"ISO-8859-15"}, "header": {"true"}, "map": {"email:E-Mail", "name:a,b:c", "city:"},
		"key": {"email"}, "onDuplicate": {"update"}, "inFile": {"last"}, "maxRejected": {"5%"}, "dryRun": {"true"}, "emptyMeans": {"clear"},
		"fileName": {"../../x\ny.csv"}, "parentJobId": {strings.ToUpper(jobID)},
	}
	got := a.do("POST /api/v1/import/file?"+q.Encode(), as{"X-USER-ID", "ada", "Idempotency-Key", "k1", "Content-Type", "text/csv; header=present"}, strings.NewReader(body))
	if got.StatusCode != http.StatusAccepted || got.Header.Get("Location") != "/api/v1/jobs/"+jobID {
		t.Fatalf("%d %s, %v", got.StatusCode, got.body, got.Header)
	}
	if v := decode[api.Accepted](t, got); v.UploadID != otherID || v.JobID != jobID {
		t.Errorf("answer %+v", v)
	}
	s := a.spec(body)
	want := job.FileOptions{
		Format: "csv", Delimiter: ";", Charset: "ISO-8859-15", Header: new(true), Map: map[string]string{"email": "E-Mail", "name": "a,b:c", "city": ""},
		Key: "email", OnDuplicate: "update", InFile: "last", EmptyMeans: "clear", MaxRejected: job.MaxRejected{Percent: 5},
	}
	if diff := cmp.Diff(want, s.File.Options); diff != "" {
		t.Errorf("options (-want +got):\n%s", diff)
	}
	if s.Owner != "ada" || s.Source != job.SourceFile || !s.DryRun || s.ParentID != jobID || s.IdempotencyKey != "k1" || s.Count != 0 ||
		s.File.Name != "xy.csv" || s.File.ContentType != "text/csv; header=present" {
		t.Errorf("spec %+v, file %+v", s, s.File)
	}
}

func TestImportFileDefaults(t *testing.T) {
	t.Parallel()
	a := newFileAPI(t, nil)
	for query, want := range map[string]job.FileOptions{
		"":                                     {OnDuplicate: "insert", MaxRejected: job.DefaultMaxRejected},
		"?onDuplicate=skip":                    {OnDuplicate: "skip", Key: "email", InFile: "first", MaxRejected: job.DefaultMaxRejected},
		"?onDuplicate=update&key=id&map=id:Nr": {OnDuplicate: "update", Key: "id", InFile: "first", EmptyMeans: "keep", MaxRejected: job.DefaultMaxRejected, Map: map[string]string{"id": "Nr"}},
		"?maxRejected=0&delimiter=%09&header=false": {OnDuplicate: "insert", Delimiter: "\t", Header: new(false)},
		"?maxRejected=500&delimiter=pipe":           {OnDuplicate: "insert", Delimiter: "|", MaxRejected: job.MaxRejected{Rows: 500}},
	} {
		if got := a.do("POST /api/v1/import/file"+query, ada, strings.NewReader("x")); got.StatusCode != http.StatusAccepted {
			t.Fatalf("%s: %d %s", query, got.StatusCode, got.body)
		}
		if diff := cmp.Diff(want, a.spec("x").File.Options); diff != "" {
			t.Errorf("%s (-want +got):\n%s", query, diff)
		}
	}
}

// Every wrong parameter is named, before a byte of the body is asked for, and nothing is kept.
func TestImportFileChecksParametersFirst(t *testing.T) {
	t.Parallel()
	a := newFileAPI(t, func(c *httpapi.Config) { c.MaxFileBytes = 1000 })
	for query, fields := range map[string]string{
		"format=json&delimiter=,":                    "delimiter",
		"format=parquet&charset=utf-8&header=true":   "charset header",
		"charset=klingon":                            "charset",
		"key=email&inFile=first&emptyMeans=keep":     "emptyMeans inFile key",
		"onDuplicate=skip&emptyMeans=clear":          "emptyMeans",
		"map=email:a&map=email:b":                    "map",
		"map=mobile:a&map=phNum:b":                   "map",
		"map=id:a&onDuplicate=skip":                  "map",
		"map=nick:a":                                 "map",
		"uploadId=" + otherID + "&from=a&fileName=b": "fileName from",
		"delimiter=a&maxRejected=101%25&x=1":         "delimiter maxRejected x",
		"count=5":                                    "count",
		"email=a":                                    "email",
	} {
		e := a.failure(a.expect("POST /api/v1/import/file?"+query), 400, "validation_failed")
		var names []string
		for _, f := range e.Details.FieldErrors {
			names = append(names, f.Field)
		}
		if got := strings.Join(slices.Sorted(slices.Values(names)), " "); got != fields {
			t.Errorf("%s: fields %s, want %s", query, got, fields)
		}
	}
	a.failure(a.expect("POST /api/v1/import/file?parentJobId="+otherID), 404, "job_not_found")
	a.failure(a.expect("POST /api/v1/import/file?uploadId="+otherID), 400, "validation_failed")
	a.failure(a.expect("POST /api/v1/import/file", "Content-Encoding: br"), 415, "unsupported_media_type")
	a.failure(a.expect("POST /api/v1/import/file", "Content-Length: 1000000"), 413, "payload_too_large")
	if n := a.left(); n > 0 || len(a.fakes.specs) > 0 {
		t.Errorf("%d objects, %d jobs", n, len(a.fakes.specs))
	}
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

func TestImportFileWithExpectAndOverHTTP10(t *testing.T) {
	t.Parallel()
	a := newFileAPI(t, nil)
	const body = "email\nada@example.com\n"
	res, got, asked := a.raw("POST /api/v1/import/file", []byte(body), "Expect: 100-continue")
	if res.StatusCode != http.StatusAccepted || !asked {
		t.Fatalf("%d %s, asked %t", res.StatusCode, got, asked)
	}
	a.spec(body)
	if res, got, _ = a.raw("POST /api/v1/import/file HTTP/1.0", []byte(body)); res.StatusCode != http.StatusAccepted {
		t.Fatalf("HTTP/1.0: %d %s", res.StatusCode, got)
	}
	a.spec(body)
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

func TestImportFileFromAForm(t *testing.T) {
	t.Parallel()
	a := newFileAPI(t, nil)
	long := strings.Repeat("ada@example.com\n", 100_000)
	for name, want := range map[string]string{"users.csv": "users.csv", `..\\..\\boot.ini`: "boot.ini", "../../etc/passwd": "passwd", "": "", "größe.csv": "größe.csv"} {
		kind, body := form(t, "file", name, long)
		got := a.do("POST /api/v1/import/file", append(as{"Content-Type", kind}, ada...), bytes.NewReader(body))
		if got.StatusCode != http.StatusAccepted {
			t.Fatalf("%s: %d %s", name, got.StatusCode, got.body)
		}
		if s := a.spec(long); s.File.Name != want || s.File.ContentType != "text/csv" {
			t.Errorf("%s: file %+v", name, s.File)
		}
	}
	before := a.left()
	refused := func(what, code, kind string, body []byte) {
		t.Helper()
		a.failure(a.do("POST /api/v1/import/file", append(as{"Content-Type", kind}, ada...), bytes.NewReader(body)), 400, code)
		if n := a.left(); n != before {
			t.Errorf("%s: %d objects are left, %d were there", what, n, before)
		}
	}
	for what, parts := range map[string][]string{
		"another part behind":   {"file", "a", long, "onDuplicate", "", "skip"},
		"another part in front": {"onDuplicate", "", "skip", "file", "a", long},
		"two files":             {"file", "a", "x", "file", "b", "x"},
	} {
		kind, body := form(t, parts...)
		refused(what, "validation_failed", kind, body)
	}
	kind, body := form(t, "file", "a", "")
	refused("an empty file", "empty_file", kind, body)
	refused("no part", "empty_file", "multipart/form-data; boundary=b", []byte("--b--\r\n"))
	refused("no form", "empty_file", kind, []byte("email\nada@example.com\n"))
	kind, body = form(t, "file", "users.csv", long)
	refused("no boundary", "validation_failed", "multipart/form-data", body)
	refused("cut", "validation_failed", kind, body[:len(body)/2])
}

// The file is taken as it comes, whatever its type says, in pieces too, and compressed.
func TestImportFileTakesAnyBody(t *testing.T) {
	t.Parallel()
	a := newFileAPI(t, nil)
	body := "\x1f\x8b\x08\x00 whatever \x00\xff"
	for _, h := range []as{
		{}, {"Content-Type", "application/x-www-form-urlencoded"}, {"Content-Type", "no type"}, {"Content-Type", "application/json"}, {"Content-Encoding", "gzip"},
		{"Content-Encoding", "ZSTD"}, {"Content-Type", "multipart/mixed; boundary=x"},
	} {
		// A reader that is no more than that is sent in pieces.
		got := a.do("POST /api/v1/import/file", append(h, ada...), io.MultiReader(strings.NewReader(body)))
		if got.StatusCode != http.StatusAccepted {
			t.Fatalf("%v: %d %s", h, got.StatusCode, got.body)
		}
		a.spec(body)
	}
	a.failure(a.do("POST /api/v1/import/file", ada, io.MultiReader(strings.NewReader(""))), 400, "empty_file")
}

func TestImportFileOfAnUploadAndOfASource(t *testing.T) {
	t.Parallel()
	a := newFileAPI(t, func(c *httpapi.Config) { c.MaxFileBytes = maxUpload })
	up, err := a.uploads.Receive(t.Context(), "ada", "my.csv", "text/csv", strings.NewReader("email\n"))
	if err != nil {
		t.Fatal(err)
	}
	for range 2 { // it can be imported again
		if got := a.do("POST /api/v1/import/file?uploadId="+up.ID, ada, nil); got.StatusCode != http.StatusAccepted {
			t.Fatalf("%d %s", got.StatusCode, got.body)
		}
		if s := a.spec("email\n"); s.File.Upload != up.ID || s.File.Name != "my.csv" {
			t.Errorf("file %+v", s.File)
		}
	}
	a.failure(a.do("POST /api/v1/import/file?uploadId="+up.ID, as{"X-USER-ID", "bob"}, nil), 404, "upload_not_found")
	a.failure(a.do("POST /api/v1/import/file?uploadId="+up.ID, ada, strings.NewReader("x")), 400, "validation_failed")
	a.failure(a.do("POST /api/v1/import/file?uploadId="+up.ID, ada, io.MultiReader(strings.NewReader("x"))), 400, "validation_failed")
	if got := a.do("POST /api/v1/import/file?uploadId="+up.ID, ada, io.MultiReader(strings.NewReader(""))); got.StatusCode != http.StatusAccepted {
		t.Errorf("with no body in pieces: %d %s", got.StatusCode, got.body)
	}
	begun := a.do("POST /api/v1/uploads", as{"X-USER-ID", "ada", "Tus-Resumable", "1.0.0", "Upload-Length", "5"}, nil)
	id := begun.Header.Get("Location")[len("/api/v1/uploads/"):]
	a.failure(a.do("POST /api/v1/import/file?uploadId="+id, ada, nil), 409, "upload_unfinished")
	empty, err := a.uploads.Receive(t.Context(), "ada", "", "", strings.NewReader(""))
	if err != nil {
		t.Fatal(err)
	}
	a.failure(a.do("POST /api/v1/import/file?uploadId="+empty.ID, ada, nil), 400, "empty_file")

	if got := a.do("POST /api/v1/import/file?from=in/users.csv", ada, nil); got.StatusCode != http.StatusAccepted {
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	if s := a.spec("email\nada@example.com\n"); s.File.Name != "users.csv" {
		t.Errorf("file %+v", s.File)
	}
	without := newFileAPI(t, func(c *httpapi.Config) { c.Source = nil })
	e := without.failure(without.do("POST /api/v1/import/file?from=in/users.csv", ada, nil), 400, "validation_failed")
	if !strings.Contains(e.Message, "MUSTER_IMPORT_FROM") {
		t.Errorf("message %q", e.Message)
	}
	small := newFileAPI(t, func(c *httpapi.Config) { c.MaxFileBytes = 3 })
	if e := small.failure(small.do("POST /api/v1/import/file?from=in/users.csv", ada, nil), 413, "payload_too_large"); e.Details.Limit != 3 {
		t.Errorf("details %+v", e.Details)
	}
}

// A refusal after the file was sent names it, so that it need not be sent again.
func TestImportFileRefusedKeepsTheFile(t *testing.T) {
	t.Parallel()
	a := newFileAPI(t, nil)
	for code, err := range map[string]error{
		"tier_limit_reached": &job.LimitError{Tier: "XL", Limit: 1, InUse: 1}, "queue_full": job.ErrQueueFull, "store_unavailable": job.ErrUncertain,
	} {
		a.fakes.submitErr = err
		got := a.do("POST /api/v1/import/file", ada, strings.NewReader("email\n"))
		e := decode[api.Error](t, got)
		if e.Code != code || e.Details == nil || e.Details.UploadID == "" || !strings.Contains(e.Message, "uploadId="+e.Details.UploadID) || got.Header.Get("Retry-After") == "" {
			t.Fatalf("%s: %d %s", code, got.StatusCode, got.body)
		}
		if code == "tier_limit_reached" && e.Details.Tier != "XL" {
			t.Errorf("details %+v", e.Details)
		}
		again := a.do("POST /api/v1/import/file?uploadId="+e.Details.UploadID, ada, nil)
		if v := decode[api.Error](t, again); v.Details != nil && v.Details.UploadID != "" {
			t.Errorf("a file that was there is said to be kept: %s", again.body)
		}
		a.fakes.submitErr = nil
		if got := a.do("POST /api/v1/import/file?uploadId="+e.Details.UploadID, ada, nil); got.StatusCode != http.StatusAccepted {
			t.Errorf("%d %s", got.StatusCode, got.body)
		}
		a.spec("email\n")
	}
}

// The same request again leaves no second copy of the file.
func TestImportFileReplayedKeepsOneFile(t *testing.T) {
	t.Parallel()
	a := newFileAPI(t, nil)
	a.fakes.submitted, a.fakes.replayed = sampleFile(job.InProgress), true
	got := a.do("POST /api/v1/import/file", append(as{"Idempotency-Key", "k"}, ada...), strings.NewReader("email\n"))
	if v := decode[api.Accepted](t, got); got.Header.Get("Idempotent-Replayed") != "true" || v.UploadID != otherID {
		t.Errorf("%d %s, %v", got.StatusCode, got.body, got.Header)
	}
	if n := a.left(); n != 0 {
		t.Errorf("%d objects are left", n)
	}
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

// A large file is not held in memory.
func TestImportFileTakesConstantMemory(t *testing.T) { // measures this process, so it is not parallel
	a := newFileAPI(t, nil)
	const size = 100 << 20
	heap := func() uint64 {
		var m runtime.MemStats
		runtime.GC()
		runtime.ReadMemStats(&m)
		return m.TotalAlloc
	}
	before := heap()
	if got := a.do("POST /api/v1/import/file", ada, &zeros{size}); got.StatusCode != http.StatusAccepted {
		t.Fatalf("%d %s", got.StatusCode, got.body)
	}
	if allocated := heap() - before; allocated > size/3 {
		t.Errorf("%d bytes were allocated for a file of %d", allocated, size)
	}
	if s := a.fakes.specs[0]; s.File.Bytes != size {
		t.Errorf("%d bytes", s.File.Bytes)
	}
	a.failure(a.do("POST /api/v1/import/file", ada, &zeros{maxUpload + 1}), 413, "payload_too_large")
	if n := a.left(); n != 1 {
		t.Errorf("%d objects are left", n)
	}
}

// A client that breaks off leaves nothing.
func TestImportFileThatBreaksOff(t *testing.T) {
	t.Parallel()
	a := newFileAPI(t, nil)
	for _, head := range []string{"Content-Length: 50000000", "Transfer-Encoding: chunked"} {
		c := a.dial()
		_, _ = fmt.Fprintf(c, "POST /api/v1/import/file HTTP/1.1\r\nHost: x\r\nX-USER-ID: ada\r\n%s\r\n\r\n", head)
		if strings.HasPrefix(head, "Transfer") {
			_, _ = fmt.Fprintf(c, "%x\r\n", 40_000_000)
		}
		if _, err := io.Copy(c, io.LimitReader(&zeros{1 << 40}, 20_000_000)); err != nil {
			t.Fatal(err)
		}
		eventually(t, func() bool { return a.left() == 1 }, "a part of the file")
		_ = c.Close()
		eventually(t, func() bool { return a.left() == 0 }, "an empty store")
	}
	if len(a.fakes.specs) > 0 {
		t.Error("a job was submitted")
	}
}

// The server's deadlines are for requests and short answers, not for a body that takes long; and the answer that waits
// for the job is not cut by what was set for the body.
func TestImportFileOutlivesTheServersTimeouts(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.live[jobID] = sampleFile(job.InProgress)
	s, logs := newServer(t, f, nil)
	a := serve(t, s.Public(), logs, func(srv *http.Server) {
		srv.ReadTimeout, srv.WriteTimeout = 100*time.Millisecond, 100*time.Millisecond
	})
	for _, route := range []string{"/import/file", "/import/preview"} {
		r, w := io.Pipe()
		go func() {
			for range 6 {
				<-time.After(50 * time.Millisecond)
				_, _ = w.Write([]byte("ada@example.com\n"))
			}
			_ = w.Close()
		}()
		got := a.do("POST /api/v1"+route, append(as{"Prefer", "wait=1"}, ada...), r)
		if got.StatusCode >= 300 {
			t.Fatalf("%s: %d %s", route, got.StatusCode, got.body)
		}
	}
	if s := f.specs[0]; s.File.Bytes != 6*16 {
		t.Errorf("%d bytes arrived", s.File.Bytes)
	}
}

func TestWithoutAPlaceForFiles(t *testing.T) {
	t.Parallel()
	for name, change := range map[string]func(*httpapi.Config){
		"no store": func(c *httpapi.Config) { c.Uploads = nil }, "no reader": func(c *httpapi.Config) { c.Files = nil },
	} {
		a := newFileAPI(t, change)
		a.fakes.stored[jobID] = sampleFile(job.Completed)
		requests := []string{"POST /api/v1/import/file email", "POST /api/v1/import/preview email"}
		if name == "no store" {
			requests = append(requests, "POST /api/v1/uploads", "PATCH /api/v1/uploads/"+otherID)
		} else {
			requests = append(requests, "GET /api/v1/jobs/"+jobID+"/rejected")
		}
		for _, request := range requests {
			got := a.do(request, ada, nil)
			if e := a.failure(got, 503, "files_unavailable"); !strings.Contains(e.Message, "MUSTER_FILES") || got.Header.Get("Retry-After") == "" {
				t.Errorf("%s, %s: %s", name, request, got.body)
			}
		}
	}
}

func TestPreview(t *testing.T) {
	t.Parallel()
	a := newFileAPI(t, nil)
	got := a.do("POST /api/v1/import/preview?delimiter=tab&onDuplicate=skip&dryRun=true", append(as{"Content-Type", "text/csv"}, ada...), strings.NewReader("email\n"))
	want := api.FilePreview{
		Format: "csv", Compression: "none", Charset: "utf-8", Delimiter: ";", Header: true, ColumnCount: 2,
		Columns: []api.PreviewColumn{{Name: "Mail", Field: "email", Samples: []string{"ada@example.com", "bob@"}}, {Name: "Shoe size", Samples: []string{}}},
		Rows: []api.PreviewRow{
			{Row: 1, Line: 2, User: api.PreviewUser{Email: "ada@example.com"}, Errors: []api.RowError{}},
			{Row: 2, Line: 3, Errors: []api.RowError{{Code: "bad_email", Field: "email", Message: "must be an e-mail address"}}},
		},
	}
	if diff := cmp.Diff(want, decode[api.FilePreview](t, got)); diff != "" {
		t.Errorf("preview (-want +got):\n%s", diff)
	}
	seen := previewed{"email\n", false, "text/csv", job.FileOptions{Delimiter: "\t", OnDuplicate: "skip", Key: "email", InFile: "first", MaxRejected: job.DefaultMaxRejected}}
	if diff := cmp.Diff([]previewed{seen}, a.fakes.previews); diff != "" {
		t.Errorf("asked (-want +got):\n%s", diff)
	}
	if len(a.fakes.specs) > 0 || a.left() > 0 {
		t.Error("a preview stored something")
	}
}

// A preview looks at the first MiB, wherever the file comes from, and knows whether that is all.
func TestPreviewLooksAtTheBeginning(t *testing.T) {
	t.Parallel()
	a := newFileAPI(t, nil)
	long := strings.Repeat("x", 1<<20)
	up, err := a.uploads.Receive(t.Context(), "ada", "", "text/csv", strings.NewReader(long+"y"))
	if err != nil {
		t.Fatal(err)
	}
	kind, body := form(t, "file", "users.csv", long+"y")
	for name, c := range map[string]struct {
		query   string
		headers as
		body    io.Reader
		head    string
		cut     bool
	}{
		"short":      {"", nil, strings.NewReader("x"), "x", false},
		"exactly":    {"", nil, strings.NewReader(long), long, false},
		"longer":     {"", nil, strings.NewReader(long + "y"), long, true},
		"endless":    {"", nil, &zeros{1 << 40}, strings.Repeat("\x00", 1<<20), true},
		"said so":    {"?partial=true", nil, strings.NewReader("x"), "x", true},
		"a range":    {"", as{"Content-Range", "bytes 0-0/5"}, strings.NewReader("x"), "x", true},
		"an upload":  {"?uploadId=" + up.ID, nil, nil, long, true},
		"a form":     {"", as{"Content-Type", kind}, bytes.NewReader(body), long, true},
		"the source": {"?from=in/users.csv", nil, nil, "email\nada@example.com\n", false},
	} {
		a.fakes.previews = nil
		r, err := http.NewRequestWithContext(t.Context(), http.MethodPost, a.url+"/api/v1/import/preview"+c.query, c.body)
		if err != nil {
			t.Fatal(err)
		}
		for i := 0; i < len(c.headers); i += 2 {
			r.Header.Set(c.headers[i], c.headers[i+1])
		}
		r.Header.Set("X-USER-ID", "ada")
		res, err := a.client.Do(r)
		if err != nil && name == "endless" { // the answer may come while the body is still sent
			continue
		}
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		_ = res.Body.Close()
		if res.StatusCode != http.StatusOK || len(a.fakes.previews) != 1 {
			t.Fatalf("%s: %d", name, res.StatusCode)
		}
		if got := a.fakes.previews[0]; got.Head != c.head || got.Cut != c.cut {
			t.Errorf("%s: %d bytes, cut %t, want %d, %t", name, len(got.Head), got.Cut, len(c.head), c.cut)
		}
	}
	if n := a.left(); n != 1 {
		t.Errorf("%d objects", n)
	}
}

// What is wrong with the file as a whole comes with what was seen of it.
func TestPreviewOfAFileThatCannotBeImported(t *testing.T) {
	t.Parallel()
	a := newFileAPI(t, nil)
	a.fakes.previewErr = &job.FileFault{
		Code: job.CodeNoKnownColumn, Message: "none of the columns is known",
		Found: &job.FileFound{Format: "csv", Compression: "none", Charset: "utf-8", Delimiter: ",", ColumnCount: 2, Columns: []job.FileColumn{{Name: "foo"}, {Name: "bar"}}},
	}
	e := a.failure(a.do("POST /api/v1/import/preview", ada, strings.NewReader("foo,bar\n")), 400, "no_known_column")
	want := &api.FileFound{Format: "csv", Compression: "none", Charset: "utf-8", Delimiter: ",", ColumnCount: 2, Columns: []api.FileColumn{{Name: "foo"}, {Name: "bar"}}}
	if diff := cmp.Diff(want, e.Details.File); diff != "" || e.Message != "none of the columns is known" {
		t.Errorf("%q (-want +got):\n%s", e.Message, diff)
	}
	a.fakes.previewErr = &job.FileFault{Code: "of_tomorrow", Message: "it is something else"}
	a.failure(a.do("POST /api/v1/import/preview", ada, strings.NewReader("foo,bar\n")), 400, "unreadable")
}

// A process that stops lets a file that is on its way arrive.
func TestShutdownLetsAFileArrive(t *testing.T) {
	t.Parallel()
	a := newFileAPI(t, nil)
	got := a.whileStopping(http.MethodPost, "/api/v1/import/file", func(w *io.PipeWriter) {
		for range 10 {
			_, _ = w.Write([]byte("x"))
			<-time.After(time.Millisecond)
		}
	}, ada...)
	if got.StatusCode != http.StatusAccepted {
		t.Errorf("%d %s", got.StatusCode, got.body)
	}
	a.spec("xxxxxxxxxxx")
}
