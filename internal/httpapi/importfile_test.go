package httpapi_test

import (
	"io"
	"net/http"
	"net/url"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/httpapi"
	"github.com/musterhq/muster/internal/httpapi/api"
	"github.com/musterhq/muster/internal/job"
)

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
