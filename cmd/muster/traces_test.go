package main

import (
	"bytes"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"maps"
	"net/http"
	"net/http/httptest"
	"slices"
	"strings"
	"sync"
	"testing"
	"time"

	collector "go.opentelemetry.io/proto/otlp/collector/trace/v1"
	"go.opentelemetry.io/proto/otlp/trace/v1"
	"google.golang.org/protobuf/proto"
)

// receiver takes spans by OTLP over HTTP.
type receiver struct {
	url   string
	mu    sync.Mutex
	spans []*v1.Span
}

func newReceiver(t *testing.T) *receiver {
	r := &receiver{}
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, req *http.Request) {
		body, err := io.ReadAll(req.Body)
		var got collector.ExportTraceServiceRequest
		if err == nil {
			err = proto.Unmarshal(body, &got)
		}
		if err != nil || req.URL.Path != "/v1/traces" {
			t.Errorf("%s: %v", req.URL, err)
		}
		r.mu.Lock()
		defer r.mu.Unlock()
		for _, of := range got.ResourceSpans {
			for _, scope := range of.ScopeSpans {
				r.spans = append(r.spans, scope.Spans...)
			}
		}
	}))
	t.Cleanup(srv.Close)
	r.url = srv.URL
	return r
}

// trace returns the spans of a trace that have arrived, by id.
func (r *receiver) trace(id string) map[string]*v1.Span {
	r.mu.Lock()
	defer r.mu.Unlock()
	found := map[string]*v1.Span{}
	for _, s := range r.spans {
		if hex.EncodeToString(s.TraceId) == id {
			found[string(s.SpanId)] = s
		}
	}
	return found
}

// pathOf returns the names of the spans from the trace's first to s.
func pathOf(spans map[string]*v1.Span, s *v1.Span) string {
	if parent := spans[string(s.ParentSpanId)]; parent != nil {
		return pathOf(spans, parent) + " > " + s.Name
	}
	return s.Name
}

// tree writes the spans as text.
func tree(spans map[string]*v1.Span) string {
	var out strings.Builder
	var write func(parent, indent string)
	write = func(parent, indent string) {
		children := slices.DeleteFunc(slices.Collect(maps.Values(spans)), func(s *v1.Span) bool {
			return spans[string(s.ParentSpanId)] != nil && string(s.ParentSpanId) != parent || spans[string(s.ParentSpanId)] == nil && parent != ""
		})
		slices.SortFunc(children, func(a, b *v1.Span) int { return int(int64(a.StartTimeUnixNano) - int64(b.StartTimeUnixNano)) })
		for _, s := range children {
			fmt.Fprintf(&out, "%9.3f ms  %s%s\n", float64(s.EndTimeUnixNano-s.StartTimeUnixNano)/1e6, indent, s.Name)
			write(string(s.SpanId), indent+"  ")
		}
	}
	write("", "")
	return out.String()
}

// lockedBuffer is a log that is read while it is written.
type lockedBuffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (l *lockedBuffer) Write(p []byte) (int, error) {
	l.mu.Lock()
	defer l.mu.Unlock()
	return l.b.Write(p)
}

func (l *lockedBuffer) lines() []string {
	l.mu.Lock()
	defer l.mu.Unlock()
	return strings.Split(strings.TrimSpace(l.b.String()), "\n")
}

// One trace has the request, the queue, the worker, each batch and its statements; and each line of the log about the job names
// the request and the trace.
func TestTrace(t *testing.T) {
	r, log := newReceiver(t), &lockedBuffer{}
	t.Setenv("OTEL_EXPORTER_OTLP_ENDPOINT", r.url)
	t.Setenv("OTEL_BSP_SCHEDULE_DELAY", "50") // ms
	t.Setenv("MUSTER_BATCH_ROWS", "500")
	t.Setenv("MUSTER_CHUNK_ROWS", "1000")
	t.Setenv("MUSTER_WINDOW", "2") // later chunks are enqueued by the chunks before them
	api, _ := startDevLogging(t, log, "--addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0", "--data="+t.TempDir())

	const id, request = "0af7651916cd43dd8448eb211c80319c", "request-0001"
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, api+"/api/v1/users/import/async?count=7000", nil)
	for name, value := range map[string]string{"X-USER-ID": "ann", "Prefer": "wait=60", "X-Request-ID": request, "traceparent": "00-" + id + "-b7ad6b7169203331-01"} {
		req.Header.Set(name, value)
	}
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	var j struct{ JobID string }
	if err := json.NewDecoder(res.Body).Decode(&j); err != nil || res.StatusCode != http.StatusCreated {
		t.Fatalf("%d, %v", res.StatusCode, err)
	}
	_ = res.Body.Close()

	const begins = "POST /api/v1/users/import/async"
	var spans map[string]*v1.Span
	count := map[string]int{}
	for deadline := time.Now().Add(time.Minute); count["chunks"] < 7 || count[begins] < 1; time.Sleep(20 * time.Millisecond) {
		if time.Now().After(deadline) {
			t.Fatalf("after a minute:\n%s", tree(spans))
		}
		spans, count = r.trace(id), map[string]int{}
		for _, s := range spans {
			count[pathOf(spans, s)]++
			if s.Name == "import chunk" {
				count["chunks"]++
			}
			if s.Name == "batch" {
				count["batches"]++
			}
		}
	}
	t.Logf("\n%s", tree(spans))
	const chunk = begins + " > submit job > enqueue import:chunk > import chunk"
	for where, want := range map[string]int{
		begins: 1, begins + " > submit job": 1, begins + " > submit job > INSERT INTO jobs": 1,
		chunk: 2, begins + " > import chunk": 5, // by the submission; by the chunks before them
		chunk + " > batch": 4, chunk + " > batch > INSERT INTO users": -1,
		"batches": 8, // of the first four chunks
	} {
		if got := count[where]; got != want && (want >= 0 || got == 0) {
			t.Errorf("%d spans %s, want %d", got, where, want)
		}
	}
	for _, s := range spans {
		text := s.String()
		if strings.Contains(text, "ann") && strings.Contains(text, `"ann"`) || strings.Contains(text, "example.com") {
			t.Errorf("a span names somebody: %s", text)
		}
	}
	about := 0
	for _, line := range log.lines() {
		if !strings.Contains(line, j.JobID) {
			continue
		}
		about++
		if strings.Count(line, `"request":"`+request+`"`) != 1 || strings.Count(line, `"trace":"`+id+`"`) != 1 {
			t.Errorf("a line without its request or trace: %s", line)
		}
	}
	if about < 8 { // seven chunks, and the end
		t.Errorf("%d lines about the job:\n%s", about, strings.Join(log.lines(), "\n"))
	}
}
