package webhook_test

import (
	"bufio"
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"net/http/httptest"
	"net/netip"
	"os/exec"
	"strings"
	"testing"
	"time"

	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/testenv"
	"github.com/musterhq/muster/internal/webhook"
)

var here = webhook.NewGuard([]netip.Prefix{netip.MustParsePrefix("127.0.0.1/32")})

func send(t *testing.T, url string, body string, secrets ...string) webhook.Result {
	t.Helper()
	return webhook.NewSender(here).Send(t.Context(), url, "msg_0123", []byte(body), secrets, time.Now())
}

// receive starts a receiver.
func receive(t *testing.T, h http.HandlerFunc) string {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	return srv.URL
}

// What is sent is taken by the library of those who wrote the specification, with either secret while both are good.
func TestVerifiedByTheOfficialLibrary(t *testing.T) {
	t.Parallel()
	old, now, other := webhook.NewSecret(), webhook.NewSecret(), webhook.NewSecret()
	const body = `{"type":"job.completed","data":{}}`
	for _, test := range []struct {
		signed []string
		with   string
		good   bool
	}{
		{[]string{now}, now, true}, {[]string{now, old}, now, true}, {[]string{now, old}, old, true}, {[]string{now, old}, other, false}, {[]string{now}, old, false},
	} {
		verifier, err := standard.NewWebhook(test.with)
		if err != nil {
			t.Fatal(err)
		}
		var verdict error
		url := receive(t, func(_ http.ResponseWriter, r *http.Request) {
			got, _ := io.ReadAll(r.Body)
			if verdict = verifier.Verify(got, r.Header); string(got) != body || r.Header.Get("Content-Type") != "application/json" {
				verdict = fmt.Errorf("body %s", got)
			}
		})
		if r := send(t, url, body, test.signed...); r.Error != "" || r.Status != http.StatusOK {
			t.Fatalf("%+v", r)
		}
		if (verdict == nil) != test.good {
			t.Errorf("signed by %d secrets: %v", len(test.signed), verdict)
		}
	}
}

// A receiver in Python, as another team would write it.
const pythonReceiver = `
import http.server, sys
from standardwebhooks import Webhook
verifier = Webhook(sys.argv[1])
class Receiver(http.server.BaseHTTPRequestHandler):
    def do_POST(self):
        body = self.rfile.read(int(self.headers["Content-Length"]))
        try:
            event = verifier.verify(body, {k.lower(): v for k, v in self.headers.items()})
            code, text = 200, "took " + event["type"]
        except Exception as e:
            code, text = 401, type(e).__name__
        self.send_response(code)
        self.end_headers()
        self.wfile.write(text.encode())
    def log_message(self, *args): pass
server = http.server.HTTPServer(("127.0.0.1", 0), Receiver)
print(server.server_port, flush=True)
server.serve_forever()
`

func TestVerifiedByAReceiverInPython(t *testing.T) {
	t.Parallel()
	if exec.Command("python3", "-c", "import standardwebhooks").Run() != nil {
		testenv.Missing(t, "standardwebhooks")
		t.SkipNow()
	}
	secret := webhook.NewSecret()
	cmd := exec.CommandContext(t.Context(), "python3", "-c", pythonReceiver, secret)
	out, err := cmd.StdoutPipe()
	if err != nil {
		t.Fatal(err)
	}
	if err := cmd.Start(); err != nil {
		t.Fatal(err)
	}
	defer func() { _ = cmd.Process.Kill(); _ = cmd.Wait() }()
	port, err := bufio.NewReader(out).ReadString('\n')
	if err != nil {
		t.Fatal(err)
	}
	url := "http://127.0.0.1:" + strings.TrimSpace(port)
	if r := send(t, url, `{"type":"job.completed"}`, secret); r.Error != "" || r.Answer != "took job.completed" {
		t.Errorf("%+v", r)
	}
	if r := send(t, url, `{"type":"job.completed"}`, webhook.NewSecret()); r.Status != http.StatusUnauthorized || r.Answer != "WebhookVerificationError" {
		t.Errorf("with another secret: %+v", r)
	}
}

func TestWhatCountsAsDelivered(t *testing.T) {
	t.Parallel()
	inner := receive(t, func(http.ResponseWriter, *http.Request) { t.Error("a redirect was followed") })
	tests := map[string]struct {
		answer http.HandlerFunc
		want   webhook.Result
	}{
		"200":      {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "fine") }, webhook.Result{Status: 200, Answer: "fine"}},
		"204":      {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNoContent) }, webhook.Result{Status: 204}},
		"redirect": {func(w http.ResponseWriter, r *http.Request) { http.Redirect(w, r, inner, http.StatusTemporaryRedirect) }, webhook.Result{Status: 307, Error: webhook.ErrRedirect}},
		"404":      {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusNotFound) }, webhook.Result{Status: 404, Error: webhook.ErrStatus}},
		"410":      {func(w http.ResponseWriter, _ *http.Request) { w.WriteHeader(http.StatusGone) }, webhook.Result{Status: 410, Error: webhook.ErrStatus}},
		"later": {func(w http.ResponseWriter, _ *http.Request) {
			w.Header().Set("Retry-After", "120")
			w.WriteHeader(http.StatusServiceUnavailable)
		}, webhook.Result{Status: 503, Error: webhook.ErrStatus, After: 2 * time.Minute}},
		"long": {func(w http.ResponseWriter, _ *http.Request) { _, _ = w.Write(bytes.Repeat([]byte("x"), 1<<20)) },
			webhook.Result{Status: 200, Answer: strings.Repeat("x", webhook.MaxAnswer)}},
		"binary": {func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "a\x00b\xff\u001b[31mc") }, webhook.Result{Status: 200, Answer: "ab[31mc"}},
		"broken": {func(w http.ResponseWriter, _ *http.Request) { panic(http.ErrAbortHandler) }, webhook.Result{Error: webhook.ErrConnection}},
	}
	for name, test := range tests {
		got := send(t, receive(t, test.answer), "{}", webhook.NewSecret())
		if got.Took <= 0 {
			t.Errorf("%s took no time", name)
		}
		if got.Took = 0; name == "redirect" {
			got.Answer = ""
		}
		if got != test.want {
			t.Errorf("%s: %+v, want %+v", name, got, test.want)
		}
		if got.Gone() != (name == "410") {
			t.Errorf("%s: gone %t", name, got.Gone())
		}
	}
	for url, want := range map[string]string{
		"http://127.0.0.1:1": webhook.ErrConnection, "http://no-such-host.invalid": webhook.ErrName, "https" + strings.TrimPrefix(inner, "http"): webhook.ErrTLS,
		"http://10.0.0.1": webhook.ErrRefused, ":": webhook.ErrInvalid,
	} {
		if got := send(t, url, "{}", webhook.NewSecret()); got.Error != want || got.Status != 0 {
			t.Errorf("%s: %+v, want %s", url, got, want)
		}
	}
}

func TestSchedule(t *testing.T) {
	t.Parallel()
	want := []time.Duration{
		5 * time.Second, 5 * time.Minute, 30 * time.Minute, 2 * time.Hour, 5 * time.Hour, 10 * time.Hour, 14 * time.Hour, 20 * time.Hour, 24 * time.Hour,
	}
	for i, d := range want {
		for range 100 {
			wait, ok := webhook.NextTry(i+1, 0)
			if !ok || wait < d*9/10 || wait > d*11/10 {
				t.Fatalf("after %d tries: %s, %t", i+1, wait, ok)
			}
		}
	}
	if _, ok := webhook.NextTry(len(want)+1, 0); ok {
		t.Error("it never ends")
	}
	if wait, _ := webhook.NextTry(1, time.Hour); wait != time.Hour {
		t.Errorf("asked for an hour, it waits %s", wait)
	}
	if wait, _ := webhook.NextTry(1, 1000*time.Hour); wait != 24*time.Hour {
		t.Errorf("asked for weeks, it waits %s", wait)
	}
}

func TestSecrets(t *testing.T) {
	t.Parallel()
	seen := map[string]bool{}
	for range 100 {
		s := webhook.NewSecret()
		b, err := base64.StdEncoding.DecodeString(strings.TrimPrefix(s, "whsec_"))
		if err != nil || len(b) < 24 || len(b) > 64 || !strings.HasPrefix(s, "whsec_") || seen[s] {
			t.Fatalf("%s: %d bytes, %v", s, len(b), err)
		}
		seen[s] = true
	}
	if a, b := webhook.CallbackID("ann"), webhook.CallbackID("bob"); a == b || len(a) != 36 || a != webhook.CallbackID("ann") {
		t.Error("the id of callbacks does not follow from the owner")
	}
}

// A payload says what became of the job, in few bytes, and nothing personal.
func TestPayload(t *testing.T) {
	t.Parallel()
	at := time.Date(2026, 2, 16, 10, 5, 30, 0, time.UTC)
	j := &job.Job{
		ID: "01950e6a-7d3c-7b1e-9c3f-2f6d1a8b4c5d", Owner: "ann.secret@example.com", Source: job.SourceFile, Tier: "LARGE", Status: job.Pending, // retried meanwhile
		Requested: 100, Processed: 90, Rejected: 10, Updated: 5, Skipped: 2, CreatedAt: at, IdempotencyKey: "secret-key",
		File: &job.File{Name: "secret-list.csv"}, CallbackURL: "https://example.com/secret", Export: &job.Export{Users: json.RawMessage(`{"Email":"secret"}`)},
	}
	body, err := webhook.Payload(&webhook.Delivery{Event: webhook.JobFailed, Created: at}, j)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"type":"job.failed","timestamp":"2026-02-16T10:05:30Z","data":{"jobId":"01950e6a-7d3c-7b1e-9c3f-2f6d1a8b4c5d","status":"FAILED","source":"file",` +
		`"tier":"LARGE","requestedCount":100,"processedCount":90,"rejectedCount":10,"outcome":{"inserted":83,"updated":5,"unchanged":0,"skipped":2,"rejected":10},` +
		`"createdAt":"2026-02-16T10:05:30Z","startedAt":null,"finishedAt":null}}`
	if string(body) != want {
		t.Errorf("got  %s\nwant %s", body, want)
	}
	if strings.Contains(string(body), "secret") || len(body) > 20_000 {
		t.Errorf("payload: %s", body)
	}
}
