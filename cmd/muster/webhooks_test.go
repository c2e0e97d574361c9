package main

import (
	"encoding/json"
	"io"
	"net/http"
	"net/http/httptest"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	standard "github.com/standard-webhooks/standard-webhooks/libraries/go"
)

// hookReceiver is told of jobs, and remembers of what. It refuses what is not signed with its secret.
type hookReceiver struct {
	mu     sync.Mutex
	secret string
	answer int
	events []string
	ids    []string
}

func (r *hookReceiver) ServeHTTP(w http.ResponseWriter, req *http.Request) {
	r.mu.Lock()
	defer r.mu.Unlock()
	body, _ := io.ReadAll(req.Body)
	verifier, err := standard.NewWebhook(r.secret)
	if err == nil {
		err = verifier.Verify(body, req.Header)
	}
	var event struct {
		Type string `json:"type"`
	}
	switch {
	case err != nil, json.Unmarshal(body, &event) != nil:
		w.WriteHeader(http.StatusUnauthorized)
	case r.answer != 0:
		w.WriteHeader(r.answer)
		_, _ = io.WriteString(w, "not\ttoday\x1b[31m")
	default:
		r.events, r.ids = append(r.events, event.Type), append(r.ids, req.Header.Get("webhook-id"))
	}
}

func (r *hookReceiver) set(secret string, answer int) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.secret, r.answer = secret, answer
}

func (r *hookReceiver) heard() string {
	r.mu.Lock()
	defer r.mu.Unlock()
	return strings.Join(r.events, " ")
}

// A webhook from its registration to its removal, with a receiver that verifies.
func TestWebhooks(t *testing.T) { // sets the environment, so it is not parallel
	t.Setenv("MUSTER_WEBHOOK_ALLOWED_NETWORKS", "127.0.0.1/32")
	api := startDev(t, "--addr=127.0.0.1:0", "--admin-addr=", "--offline", "--data="+filepath.Join(t.TempDir(), "data"))
	call := func(line string) said { return muster(t, append(strings.Fields(line), "--server="+api)...) }
	ok := func(line string) said {
		t.Helper()
		s := call(line)
		if s.failure != nil {
			t.Fatalf("%s: %v", line, s.failure)
		}
		return s
	}
	var hook hookReceiver
	server := httptest.NewServer(&hook)
	defer server.Close()

	first := func(line string) map[string]any {
		s := ok(line + " -o json")
		return s.objects(t)[0]
	}
	created := first("webhooks create " + server.URL)
	id, secret := created["id"].(string), created["secret"].(string)
	if s := ok("webhooks secret " + id); s.out != secret+"\n" || s.err != "" {
		t.Errorf("the secret: %q, %q, want %s", s.out, s.err, secret)
	}
	hook.set(secret, 0)
	if s := ok("webhooks test " + id); !strings.Contains(s.out, "webhook.test") || !strings.Contains(s.out, "DELIVERED") || hook.heard() != "webhook.test" {
		t.Errorf("tested: %q, heard %q", s.out, hook.heard())
	}
	hook.set(secret, http.StatusTeapot)
	if s := call("webhooks test " + id); s.failure == nil || exitCodeOf(s.failure) != 1 || !strings.Contains(s.out, "418") || strings.Contains(s.out, "\x1b") {
		t.Errorf("refused: %v, %q", s.failure, s.out)
	}
	if s := ok("webhooks"); !strings.Contains(s.out, "failing since ") || strings.Contains(s.out, secret) {
		t.Errorf("list: %q", s.out)
	}

	// With another secret, and a job.
	rotated := ok("webhooks rotate " + id)
	hook.set(strings.TrimSpace(rotated.out), 0)
	if rotated.out == secret+"\n" || !strings.Contains(rotated.err, "before it as well") {
		t.Errorf("rotated: %q, %q", rotated.out, rotated.err)
	}
	job := strings.Fields(ok("import 5").out)[0]
	within(t, "the job is told of", func() bool { return strings.HasSuffix(hook.heard(), "job.completed") })
	var delivery string
	within(t, "the delivery is over", func() bool {
		list := ok("webhooks deliveries --job " + job + " --webhook " + id + " --state delivered -o json")
		if list.out == "" {
			return false
		}
		delivery = list.objects(t)[0]["id"].(string)
		return true
	})
	if s := ok("webhooks delivery " + delivery); !strings.Contains(s.out, `"processedCount":5`) || !strings.Contains(s.out, job) || !strings.Contains(s.out, "ATTEMPT") {
		t.Errorf("the delivery: %q", s.out)
	}
	if s := ok("webhooks deliveries -n 1"); strings.Count(s.out, "\n") != 2 || !strings.Contains(s.err, "--after msg_") {
		t.Errorf("deliveries: %q, %q", s.out, s.err)
	}

	// Again, alone and with all that are over.
	ok("webhooks replay " + delivery)
	within(t, "it comes again", func() bool { return strings.Count(hook.heard(), "job.completed") == 2 })
	hook.mu.Lock()
	if n := len(hook.ids); hook.ids[n-1] != delivery || hook.ids[n-2] != delivery {
		t.Errorf("ids %q, want %s twice", hook.ids, delivery)
	}
	hook.mu.Unlock()
	within(t, "both that arrived are sent again", func() bool { // once the last attempt is settled
		return ok("webhooks replay --since 1h --webhook "+id).out == "2 deliveries are sent again.\n"
	})

	if s := ok("webhooks disable " + id); !strings.Contains(s.out, "disabled (owner)") {
		t.Errorf("disabled: %q", s.out)
	}
	if s := call("webhooks test " + id); s.failure == nil || !strings.Contains(s.failure.Error(), "muster webhooks enable "+id) {
		t.Errorf("a test of a disabled one: %v", s.failure)
	}
	if enabled := first("webhooks enable " + id); enabled["disabledAt"] != nil {
		t.Errorf("enabled: %v", enabled)
	}
	if s := ok("webhooks delete " + id); s.out != "" || !strings.Contains(s.err, id) {
		t.Errorf("removed: %q, %q", s.out, s.err)
	}
	if s := call("webhooks get " + id); s.failure == nil || s.failure.Error() != "webhook not found" {
		t.Errorf("after its removal: %v", s.failure)
	}
	callbackURL(t, call, server.URL, &hook)
}

// --callback-url of both kinds of import is told of the one job, signed with the secret of callbacks.
func callbackURL(t *testing.T, call func(string) said, url string, hook *hookReceiver) {
	t.Helper()
	hook.set(strings.TrimSpace(call("webhooks secret callbacks").out), 0)
	before := strings.Count(hook.heard(), "job.completed")
	if s := call("import 5 --callback-url " + url); s.failure != nil {
		t.Fatal(s.failure)
	}
	within(t, "the address is told of made-up users", func() bool { return strings.Count(hook.heard(), "job.completed") == before+1 })
	if s := call("import file --yes --callback-url " + url + " " + filepath.Join(folderOfSamples(t), "hubspot.csv")); s.failure != nil {
		t.Log(s.failure)
	}
	within(t, "the address is told of a file", func() bool { return strings.Count(hook.heard(), "job.completed") == before+2 })
	if s := call("webhooks deliveries --webhook callbacks"); s.failure != nil || strings.Count(s.out, "callbacks") != 2 {
		t.Errorf("deliveries: %v, %q", s.failure, s.out)
	}
	for line, want := range map[string]string{
		"import 5 --callback-url ftp://example.com":             "callbackUrl must be http",
		"webhooks create http://10.0.0.1/":                      "must not lead to this network",
		"webhooks replay":                                       "wants a delivery, or --webhook and --since",
		"webhooks replay --webhook callbacks":                   "wants a delivery, or --webhook and --since",
		"webhooks replay msg_0 --since 1h":                      "wants a delivery, or --webhook and --since",
		"webhooks replay --webhook callbacks --since yesterday": "since must be a time",
		"webhooks delivery msg_0":                               "deliveryId",
		"webhooks get " + newID():                               "webhook not found",
	} {
		if s := call(line); s.failure == nil || !strings.Contains(s.failure.Error(), want) || exitCodeOf(s.failure) != 1 {
			t.Errorf("%s: %v, want %q", line, s.failure, want)
		}
	}
}
