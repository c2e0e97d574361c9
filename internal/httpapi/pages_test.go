package httpapi_test

import (
	"context"
	"crypto/sha256"
	"encoding/base64"
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/testenv"
)

var (
	// foreign is whatever a browser would load by itself from another host.
	foreign = regexp.MustCompile(`(?i)(<(link|script|img|iframe|source|form)[^>]*(src|href|action)\s*=\s*["']?|url\(\s*["']?|@import\s*["']?)(https?:)?//`)
	scripts = regexp.MustCompile(`(?s)<script>(.*?)</script>`)
	// sources are what a policy may name: nothing of another host.
	sources = regexp.MustCompile(`^('none'|'self'|data:|'sha256-[A-Za-z0-9+/]{43}=')$`)
)

// Every page says by its policy that it loads nothing from elsewhere and runs no script but ours, and is written so.
func TestPagesAskNoOtherHost(t *testing.T) {
	t.Parallel()
	public, admin := newAPI(t, newFakes(), nil), adminAPI(t, "", false)
	for _, page := range []struct {
		of       *testServer
		path     string
		has      string // of its text
		isHTML   bool
		isInline bool // has scripts of its own
	}{
		{public, "/docs", "swagger-ui-bundle.js", true, false},
		{public, "/docs/swagger-ui.css", ".swagger-ui", false, false},
		{public, "/api/v1/users", "content", false, false},
		{admin, "/monitoring", `<div id="root">`, true, true},
		{admin, "/monitoring/", `<div id="root">`, true, true},
		{admin, "/monitoring/queues/small", `<div id="root">`, true, true},
		{admin, "/monitoring/api/queues", `"queue":"small"`, false, false},
		{admin, "/monitoring/manifest.json", "icons", false, false},
		{admin, "/debug/pprof/", "goroutine", true, false},
		{admin, "/healthz", "ok", false, false},
	} {
		got := page.of.do("GET "+page.path, nil, nil)
		if got.StatusCode != http.StatusOK || !strings.Contains(string(got.body), page.has) || page.isHTML != strings.HasPrefix(got.Header.Get("Content-Type"), "text/html") {
			t.Errorf("%s: %d %s %.100s", page.path, got.StatusCode, got.Header.Get("Content-Type"), got.body)
		}
		if at := foreign.FindIndex(got.body); at != nil {
			t.Errorf("%s loads from elsewhere: %s", page.path, got.body[at[0]:min(len(got.body), at[1]+40)])
		}
		policy := map[string][]string{}
		for directive := range strings.SplitSeq(got.Header.Get("Content-Security-Policy"), ";") {
			if words := strings.Fields(directive); len(words) > 1 {
				policy[words[0]] = words[1:]
			}
		}
		for name, allowed := range policy {
			for _, source := range allowed {
				madeByScripts := name == "style-src" && source == "'unsafe-inline'" // as both libraries do
				if !madeByScripts && !sources.MatchString(source) {
					t.Errorf("%s: the policy has %s %s", page.path, name, source)
				}
			}
		}
		for _, name := range []string{"default-src", "base-uri", "form-action", "frame-ancestors"} {
			if !slices.Equal(policy[name], []string{"'none'"}) {
				t.Errorf("%s: %s is %q", page.path, name, policy[name])
			}
		}
		inline := scripts.FindAllSubmatch(got.body, -1)
		for _, script := range inline {
			hash := sha256.Sum256(script[1])
			if want := "'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'"; !slices.Contains(policy["script-src"], want) {
				t.Errorf("%s: the policy forbids its own script %.40s", page.path, script[1])
			}
		}
		if (len(inline) > 0) != page.isInline {
			t.Errorf("%s has %d scripts in it", page.path, len(inline))
		}
	}
}

// The pages work in a browser, under their policies, and it asks nobody but us.
func TestPagesInABrowser(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("starts a browser")
	}
	public, admin := newAPI(t, newFakes(), nil), adminAPI(t, "", false)
	// A page that does what ours must not, or this would see nothing.
	control := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, _ *http.Request) {
		_, _ = w.Write([]byte(`<!DOCTYPE html><link rel="stylesheet" href="http://font.invalid/a.css"><p>works`))
	}))
	t.Cleanup(control.Close)
	for _, page := range []struct{ url, has, asks string }{
		{control.URL, "works", "http://font.invalid/a.css"},
		{public.url + "/docs", `id="operations-jobs-ImportUsers"`, ""},
		{admin.url + "/monitoring", ">small<", ""},
		{admin.url + "/monitoring/queues/small?status=pending", ">x<", ""},
	} {
		b := browse(t, page.url)
		if !strings.Contains(b.dom, page.has) {
			t.Errorf("%s does not show %s: %.2000s", page.url, page.has, b.dom)
		}
		if asked := strings.Join(b.asked, " "); asked != page.asks {
			t.Errorf("%s asks %q, want %q", page.url, asked, page.asks)
		}
		for line := range strings.Lines(b.log) {
			if strings.Contains(line, "CONSOLE") && (strings.Contains(line, "Content Security Policy") || strings.Contains(line, "Uncaught")) {
				t.Errorf("%s: %s", page.url, line)
			}
		}
	}
}

// visit is what came of a visit to a page.
type visit struct {
	dom   string
	asked []string // the addresses of other hosts that the page asked for
	log   string
}

func browse(t *testing.T, page string) visit {
	t.Helper()
	browser, err := exec.LookPath("chromium")
	if err != nil {
		testenv.Missing(t, "chromium")
		t.SkipNow()
	}
	dir := t.TempDir()
	net := filepath.Join(dir, "net.json")
	ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
	defer cancel()
	cmd := exec.CommandContext(ctx, browser, "--headless", "--no-sandbox", "--disable-gpu", "--disable-quic", "--no-first-run", "--disable-background-networking",
		"--disable-component-update", "--disable-sync", "--disable-dev-shm-usage", "--user-data-dir="+filepath.Join(dir, "profile"), "--virtual-time-budget=20000",
		"--log-net-log="+net, "--enable-logging=stderr", "--dump-dom", page)
	var log strings.Builder
	cmd.Stderr = &log
	dom, err := cmd.Output()
	if err != nil {
		t.Fatalf("chromium: %v\n%s", err, log.String())
	}
	v := visit{dom: string(dom), log: log.String()}
	text, err := os.ReadFile(net)
	if err != nil {
		t.Fatal(err)
	}
	var events struct {
		Events []struct {
			Params json.RawMessage
		}
	}
	if err := json.Unmarshal(text, &events); err != nil {
		t.Fatalf("the browser's log: %v", err)
	}
	own, _ := url.Parse(page)
	for _, e := range events.Events {
		var request struct{ Initiator, URL string }
		if json.Unmarshal(e.Params, &request) != nil || request.Initiator != own.Scheme+"://"+own.Host {
			continue // not a page's, but the browser's own
		}
		if u, err := url.Parse(request.URL); err == nil && u.Host != own.Host && u.Host != "" && !slices.Contains(v.asked, request.URL) {
			v.asked = append(v.asked, request.URL)
		}
	}
	return v
}
