package main

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/url"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/chromedp/cdproto/cdp"
	"github.com/chromedp/cdproto/emulation"
	"github.com/chromedp/cdproto/log"
	"github.com/chromedp/cdproto/network"
	"github.com/chromedp/cdproto/runtime"
	"github.com/chromedp/chromedp"
)

// browser is a page of a real Chromium. Whatever it complains about fails the test: errors of scripts, breaches of the
// Content-Security-Policy, requests to other hosts.
type browser struct {
	t   *testing.T
	ctx context.Context //nolint:containedctx // chromedp keeps the page in it

	mu      sync.Mutex
	expects string // a complaint that there may be now
}

// openBrowser opens an empty page; the test is skipped without Chromium, unless that is required.
func openBrowser(t *testing.T) *browser {
	t.Helper()
	program, err := exec.LookPath("chromium")
	if err != nil {
		if strings.Contains(os.Getenv("MUSTER_TEST_REQUIRE"), "chromium") {
			t.Fatal("chromium is not installed")
		}
		t.Skip("chromium is not installed: the dashboard is not tested in a browser")
	}
	options := append(chromedp.DefaultExecAllocatorOptions[:], chromedp.ExecPath(program), chromedp.UserDataDir(t.TempDir()), chromedp.NoSandbox, chromedp.DisableGPU,
		chromedp.Flag("disable-quic", true), chromedp.Flag("disable-background-networking", true), chromedp.Flag("disable-component-update", true),
		chromedp.Flag("disable-sync", true), chromedp.Flag("disable-dev-shm-usage", true), chromedp.WSURLReadTimeout(time.Minute))
	allocator, stop := chromedp.NewExecAllocator(context.Background(), options...)
	ctx, closePage := chromedp.NewContext(allocator)
	t.Cleanup(func() { closePage(); stop() })
	b := &browser{t: t, ctx: ctx}
	if err := chromedp.Do(ctx); err != nil { // starts it, with a context that lasts
		t.Fatal(err)
	}
	if err := chromedp.Listen(ctx, b.listen); err != nil {
		t.Fatal(err)
	}
	call(b, network.Enable, network.EnableParams{})
	call(b, log.Enable, cdp.Empty{})
	b.size(1280, 800)
	return b
}

// call sends a command of the protocol.
func call[P, R any](b *browser, command cdp.Command[P, R], params P) {
	b.t.Helper()
	b.do(chromedp.Func(func(ctx context.Context, target *chromedp.Target) error {
		_, err := cdp.Call(ctx, target, command, params)
		return err
	}))
}

// size is that of the screen; one below 500 is a phone.
func (b *browser) size(width, height int64) {
	b.t.Helper()
	call(b, emulation.SetDeviceMetricsOverride, emulation.SetDeviceMetricsOverrideParams{Width: width, Height: height, DeviceScaleFactor: 1, Mobile: width < 500})
}

func (b *browser) listen(event any) {
	if b.t.Context().Err() != nil {
		return // the test is over, and its stack is stopped before the page is closed
	}
	complaint := ""
	switch e := event.(type) {
	case *runtime.EventExceptionThrown:
		complaint = fmt.Sprint(e.ExceptionDetails.Text, e.ExceptionDetails.Exception)
	case *log.EventEntryAdded:
		if e.Entry.Level == log.EntryLevelError {
			complaint = e.Entry.Text + " " + e.Entry.URL
		}
	case *network.EventRequestWillBeSent:
		if u, err := url.Parse(e.Request.URL); err != nil || u.Scheme != "data" && u.Scheme != "blob" && u.Scheme != "about" && u.Hostname() != "127.0.0.1" {
			complaint = "a request to " + e.Request.URL
		}
	}
	b.mu.Lock()
	defer b.mu.Unlock()
	if complaint != "" && (b.expects == "" || !strings.Contains(complaint, b.expects)) {
		b.t.Errorf("the browser complains: %s", complaint)
	}
}

// expect lets the browser complain about what has the text in it; empty: about nothing any more.
func (b *browser) expect(text string) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.expects = text
}

// do does things, within a minute.
func (b *browser) do(actions ...chromedp.Action[chromedp.Void]) {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	if err := chromedp.Do(ctx, actions...); err != nil {
		b.t.Fatalf("%v\n%s", err, b.text())
	}
}

// text is what the page says.
func (b *browser) text() string {
	ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
	defer cancel()
	text, err := chromedp.Run(ctx, chromedp.Text("body"))
	if err != nil {
		return err.Error()
	}
	return text
}

// eval returns the value of an expression, or of what it promises.
func eval[T any](b *browser, expression string) T {
	b.t.Helper()
	ctx, cancel := context.WithTimeout(b.ctx, time.Minute)
	defer cancel()
	value, err := chromedp.Run(ctx, chromedp.Evaluate[T](expression, chromedp.EvalAwaitPromise))
	if err != nil {
		b.t.Fatalf("%s: %v", expression, err)
	}
	return value
}

// run evaluates an expression for its effect.
func (b *browser) run(expression string) {
	b.t.Helper()
	b.do(chromedp.Evaluate[chromedp.Void](expression))
}

// until waits for an expression to become true, on this page or the one that comes.
func (b *browser) until(expression string) {
	b.t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
		ctx, cancel := context.WithTimeout(b.ctx, 10*time.Second)
		is, err := chromedp.Run(ctx, chromedp.Evaluate[bool]("Boolean("+expression+")"))
		cancel()
		if err == nil && is {
			return
		}
		if time.Now().After(deadline) {
			b.t.Fatalf("not true after a minute: %s (%v)\n%s", expression, err, b.text())
		}
	}
}

// shows waits for the page to have a text.
func (b *browser) shows(text string) {
	b.t.Helper()
	b.until(fmt.Sprintf("document.body.innerText.replaceAll('\\u202f', '').includes(%q)", text))
}

func (b *browser) open(address string) {
	b.t.Helper()
	b.do(chromedp.Navigate(address), chromedp.WaitReady("main"))
}

// submit presses a button and waits for the page that comes.
func (b *browser) submit(selector string) {
	b.t.Helper()
	b.run("window.before = true")
	b.do(chromedp.Click(selector))
	b.until("!window.before && document.readyState === 'complete'")
}

// signIn opens the dashboard as somebody.
func (b *browser) signIn(api, user string) {
	b.t.Helper()
	b.open(api + "/dashboard")
	b.do(chromedp.SendKeys("input[name=user]", user))
	b.submit("main button")
	b.shows("Jobs, newest first")
}

// axe returns the checks for accessibility by axe-core, which is not part of this repository.
func axe(t *testing.T) string {
	t.Helper()
	text, err := os.ReadFile(filepath.Join("..", "..", "bin", "axe", "package", "axe.min.js"))
	if err != nil {
		if strings.Contains(os.Getenv("MUSTER_TEST_REQUIRE"), "axe") {
			t.Fatal("axe-core is not there: .ci/run fetches it")
		}
		t.Skip("axe-core is not there (.ci/run fetches it): accessibility is not checked")
	}
	return string(text)
}

// submitted submits an import by the API, and returns the job's id.
func submitted(t *testing.T, api, user string, count int) string {
	t.Helper()
	req, _ := http.NewRequestWithContext(t.Context(), http.MethodPost, fmt.Sprintf("%s/api/v1/users/import/async?count=%d", api, count), nil)
	req.Header.Set("X-USER-ID", user)
	res, err := http.DefaultClient.Do(req)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = res.Body.Close() }()
	var j struct{ JobID string }
	if err := json.NewDecoder(res.Body).Decode(&j); err != nil || res.StatusCode != http.StatusAccepted {
		t.Fatalf("%d, %v", res.StatusCode, err)
	}
	return j.JobID
}

// devForBrowser is a stack whose batches are small: while SQLite stores one, a move waits, on a busy machine longer than it may.
func devForBrowser(t *testing.T) (api, admin string) {
	t.Helper()
	t.Setenv("MUSTER_BATCH_ROWS", "500")
	return startDevAndAdmin(t, "--addr=127.0.0.1:0", "--admin-addr=127.0.0.1:0", "--data="+t.TempDir(), "--offline")
}

// Jobs are followed, found, and moved, one by one and all that match.
func TestBrowserJobs(t *testing.T) {
	b := openBrowser(t)
	api, admin := devForBrowser(t)
	b.signIn(api, "ann")
	b.shows("No jobs")

	// The list follows: nobody loads the page anew.
	b.run("window.same = true")
	small := submitted(t, api, "ann", 90)
	b.until(fmt.Sprintf("document.querySelector('tr[data-id=%q] .status')?.textContent === 'completed'", small))
	if !eval[bool](b, "window.same") {
		t.Error("the page was loaded anew")
	}
	for range 2 {
		submitted(t, api, "ann", 90)
	}
	submitted(t, api, "bob", 90)
	b.until("document.querySelectorAll('#rows .status.COMPLETED').length === 3")

	// Find by a part of the id, and by the whole.
	b.do(chromedp.SetValue("input[name=find]", small[:23]))
	b.submit(".filter button")
	b.until("document.querySelectorAll('#rows tr').length >= 1")
	b.do(chromedp.SetValue("input[name=find]", small))
	b.submit(".filter button")
	b.shows("90 of 90")
	b.shows("1 done") // chunk

	// All that match, after a question.
	b.open(api + "/dashboard?status=COMPLETED")
	b.do(chromedp.SetValue("select[name=move]", "undo"), chromedp.Click("input[name=all]"))
	b.submit("#many button")
	b.shows("3 jobs would be moved: undo")
	b.submit("main form button")
	b.shows("3 jobs moved: undo")
	b.open(api + "/dashboard")
	b.until("[...document.querySelectorAll('#rows tr')].filter((tr) => tr.innerText.includes('undone')).length === 3")

	// A large job, moved on its page.
	large := submitted(t, api, "ann", 3_000_000)
	b.open(api + "/dashboard/jobs/" + large)
	b.until("document.querySelectorAll('.grid .cell').length === 120 && document.querySelector('.cell.done')")
	for _, step := range []struct{ move, then string }{{"pause", "Paused."}, {"resume", "in progress"}, {"cancel", ""}} {
		b.submit("form[action$='/" + step.move + "'] button")
		if step.move == "cancel" {
			b.shows("What is stored stays")
			b.submit("main form button")
			b.shows("Cancelled.")
			break
		}
		b.shows(step.then)
	}
	b.shows("cancelled")

	// Somebody else's job is not shown; an operator sees all, and the workers.
	b.open(admin + "/dashboard")
	b.until("document.querySelectorAll('#rows tr').length === 5")
	b.shows("bob")
	b.open(admin + "/dashboard/fleet")
	b.shows("Alive within the last ten seconds")
	b.expect("404")
	b.open(api + "/dashboard/jobs/01a21e68-c19f-7bb6-8e6a-c2fe9de2e297")
	b.shows("There is no such job")
}

// A file goes through the steps: guess, correction, dry run, import, rejected rows.
func TestBrowserImport(t *testing.T) {
	b := openBrowser(t)
	api, _ := devForBrowser(t)
	b.signIn(api, "ann")
	file := filepath.Join(t.TempDir(), "people.csv")
	if err := os.WriteFile(file, []byte("Contact;Nickname;Town\nada@example.com;Ada;London\nbob@example.com;Bob;Leeds\nnobody;Nobody;Rome\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	b.open(api + "/dashboard/import")
	b.do(chromedp.SetUploadFiles("#file", []string{file}))
	b.expect("/import/preview") // which is refused, until it is said which column is what
	b.shows("Say which column is what")
	set := func(column, field string) {
		b.run(fmt.Sprintf(`(() => { const s = document.querySelector("#mapping select[data-column=%s]"); s.value = %q; s.dispatchEvent(new Event("change", { bubbles: true })); })()`, column, field))
	}
	set("Contact", "email")
	set("Nickname", "firstName")
	set("Town", "city")
	b.until("document.querySelector('#sample').innerText.includes('Leeds') && document.querySelector('#sample .fault:not(:empty)')")
	b.do(chromedp.Click("#dry-run"))
	b.until("document.querySelector('#outcome').innerText.includes('What would become') && document.querySelector('#counts').innerText.includes('2 inserted')")
	b.do(chromedp.Click("#import"))
	b.until("document.querySelector('#outcome').innerText.includes('What became') && document.querySelector('#counts').innerText.includes('1 rejected')")
	rejects := eval[string](b, "fetch(document.querySelector('#outcome a[download]').href).then((r) => r.text())")
	if !strings.Contains(rejects, "nobody;Nobody;Rome") || !strings.Contains(rejects, "bad_email") {
		t.Errorf("rejected rows: %s", rejects)
	}

	// A job that failed is tried again, from its page.
	id := eval[string](b, `fetch("/api/v1/import/file?maxRejected=0", { method: "POST", headers: { "X-USER-ID": "ann", "Content-Type": "text/csv" }, body: "email\nnobody\n" }).then((r) => r.json()).then((j) => j.jobId)`)
	b.open(api + "/dashboard/jobs/" + id)
	b.until("document.querySelector('.status.FAILED')")
	b.submit("form[action$='/retry'] button")
	b.until("document.querySelector('.status')")

	// The users are found, and exported.
	b.open(api + "/dashboard/users")
	b.do(chromedp.SetValue("input[name=city]", "leeds"))
	b.submit("main .filter button")
	b.shows("bob@example.com")
	export := eval[string](b, "(() => { const f = document.querySelector(\"form[action$='/export/stream']\"); return fetch(f.action + '?' + new URLSearchParams(new FormData(f))).then((r) => r.text()); })()")
	if strings.Count(export, "\n") != 2 || !strings.Contains(export, "bob@example.com") {
		t.Errorf("export: %s", export)
	}
}

// drop is an expression that drops a file of some rows on the page.
func drop(name, rows string) string {
	return fmt.Sprintf(`(() => { const d = new DataTransfer(); d.items.add(new File([%q], %q)); document.querySelector("#file-form").dispatchEvent(new DragEvent("drop", { dataTransfer: d, bubbles: true })); })()`, rows, name)
}

// hold lets the next call of the API with that in it wait for release, a function of the page.
func (b *browser) hold(text string) {
	b.t.Helper()
	b.run(fmt.Sprintf(`(() => {
		const real = window.fetch;
		window.waits = false;
		const go = new Promise((done) => { window.release = done; });
		window.fetch = async (at, how) => {
			const answer = await real(at, how);
			if ((at + how?.method).includes(%q)) { window.fetch = real; window.waits = true; await go; }
			return answer;
		};
	})()`, text))
}

// What is shown, sent and imported is one file, whatever is dropped meanwhile.
func TestBrowserTwoFiles(t *testing.T) {
	b := openBrowser(t)
	api, _ := devForBrowser(t)
	b.signIn(api, "ann")
	b.open(api + "/dashboard/import")
	const first, second = "email,name\none@example.com,One\ntwo@example.com,Two\n", "email,name\nthree@example.com,Three\n"

	// The look at the first is slow, and comes after that at the second.
	b.hold("/import/preview")
	b.run(drop("first.csv", first))
	b.until("window.waits")
	b.run(drop("second.csv", second))
	b.until("document.querySelector('#wizard-status').innerText.startsWith('second.csv')")
	b.run("window.release()")
	b.run("new Promise((done) => setTimeout(done))")
	b.until("document.querySelector('#wizard-status').innerText.startsWith('second.csv') && document.querySelector('#sample').innerText.includes('three@') && !document.querySelector('#sample').innerText.includes('one@')")

	// Another is dropped while the first is sent.
	b.run(drop("first.csv", first))
	b.until("document.querySelector('#wizard-status').innerText.startsWith('first.csv')")
	b.hold("/uploadsPOST") // the place for it is there, its bytes are not sent
	b.do(chromedp.Click("#import"))
	b.until("window.waits && document.querySelector('#file').disabled")
	b.run(drop("second.csv", second))
	b.run("window.release()")
	b.until("document.querySelector('#counts')?.innerText.includes('2 inserted')")
	if name := eval[string](b, `fetch("/api/v1/jobs", { headers: { "X-USER-ID": "ann" } }).then((r) => r.json()).then((l) => JSON.stringify(l))`); !strings.Contains(name, "first.csv") || strings.Contains(name, "second.csv") {
		t.Errorf("jobs: %s", name)
	}
	b.run(drop("second.csv", second)) // now it may
	b.until("document.querySelector('#wizard-status').innerText.startsWith('second.csv')")
}

// proxy passes connections on, until it is cut.
type proxy struct {
	mu    sync.Mutex
	to    string
	cut   bool
	conns []net.Conn
}

func newProxy(t *testing.T, to string) (p *proxy, address string) {
	t.Helper()
	l, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = l.Close() })
	p = &proxy{to: strings.TrimPrefix(to, "http://")}
	go func() {
		for {
			from, err := l.Accept()
			if err != nil {
				return
			}
			p.pass(from)
		}
	}()
	return p, "http://" + l.Addr().String()
}

func (p *proxy) pass(from net.Conn) {
	to, err := net.Dial("tcp", p.to)
	p.mu.Lock()
	defer p.mu.Unlock()
	if err != nil || p.cut {
		_ = from.Close()
		return
	}
	p.conns = append(p.conns, from, to)
	for _, pair := range [][2]net.Conn{{from, to}, {to, from}} {
		go func() { _, _ = copyAndClose(pair[0], pair[1]) }()
	}
}

// set cuts all connections and lets none through, or lets them through again.
func (p *proxy) set(cut bool) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.cut = cut
	if cut {
		for _, c := range p.conns {
			_ = c.Close()
		}
		p.conns = nil
	}
}

// A page whose stream is cut says so, and shows the present state when it is back. An upload that is cut goes on.
func TestBrowserConnectionCut(t *testing.T) {
	b := openBrowser(t)
	api, _ := devForBrowser(t)
	line, address := newProxy(t, api)
	b.signIn(address, "ann")
	b.expect("net::ERR_") // while it is cut
	line.set(true)
	b.shows("The connection is lost")
	id := submitted(t, api, "ann", 90)
	line.set(false)
	b.until(fmt.Sprintf("document.querySelector('#connection').hidden && document.querySelector('tr[data-id=%q] .status.COMPLETED')", id))

	var file strings.Builder
	file.WriteString("email,firstName\n")
	for i := range 700_000 {
		fmt.Fprintf(&file, "user%d@example.com,Somebody%d\n", i, i)
	}
	name := filepath.Join(t.TempDir(), "large.csv")
	if err := os.WriteFile(name, []byte(file.String()), 0o600); err != nil {
		t.Fatal(err)
	}
	b.open(address + "/dashboard/import")
	b.do(chromedp.SetUploadFiles("#file", []string{name}))
	b.shows("2 columns")
	b.run(`window.heads = 0; const asked = window.fetch; window.fetch = (u, o) => { if (o?.method === "HEAD") { window.heads++; } return asked(u, o); }`)
	b.do(chromedp.Click("#dry-run"))
	b.until("document.querySelector('#sending').value > 30")
	line.set(true)
	b.shows("The connection broke")
	line.set(false)
	b.until("document.querySelector('#counts')?.innerText.replaceAll(/[^0-9a-z]/g, '').includes('700000inserted')")
	if eval[int](b, "window.heads") < 1 {
		t.Error("the upload did not ask where it stands")
	}
}

// All pages work without script: they are seen, searched, and forms do what they say.
func TestBrowserWithoutScript(t *testing.T) {
	b := openBrowser(t)
	api, _ := devForBrowser(t)
	file := filepath.Join(t.TempDir(), "people.csv")
	if err := os.WriteFile(file, []byte("email,first name\nada@example.com,Ada\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	call(b, emulation.SetScriptExecutionDisabled, emulation.SetScriptExecutionDisabledParams{Value: true})
	leaves := func(selector, forText string) { // chromedp's own waits work without the page's scripts
		b.do(chromedp.Click(selector))
		b.t.Helper()
		for deadline := time.Now().Add(time.Minute); ; time.Sleep(50 * time.Millisecond) {
			text := b.text()
			if strings.Contains(text, forText) {
				return
			}
			if time.Now().After(deadline) {
				t.Fatalf("no %q, but\n%s", forText, text)
			}
		}
	}
	b.open(api + "/dashboard")
	b.do(chromedp.SendKeys("input[name=user]", "ann"))
	leaves("main button", "No jobs")
	b.open(api + "/dashboard/import")
	b.do(chromedp.SetUploadFiles("#file", []string{file}))
	leaves("#file-form button", "people.csv")
	b.open(api + "/dashboard/import")
	b.do(chromedp.SetValue("input[name=count]", "50"))
	leaves("form[action$='/import/users'] button", "SMALL")
	b.open(api + "/dashboard/users")
	leaves("main .filter button", "example.com")
}

// The pages are for everybody: by keyboard, on a phone, in the dark, with a screen reader. With MUSTER_SCREENSHOTS the pictures
// of docs/images are made.
func TestBrowserForEverybody(t *testing.T) {
	check := axe(t)
	b := openBrowser(t)
	api, admin := devForBrowser(t)
	b.signIn(api, "ann")
	for _, n := range []int{90, 2000, 10_100} {
		submitted(t, api, "ann", n)
	}
	b.until("document.querySelectorAll('#rows .COMPLETED').length === 3")
	large := submitted(t, api, "ann", 2_000_000)
	file := filepath.Join(t.TempDir(), "people.csv")
	if err := os.WriteFile(file, []byte("E-mail;First name;City\nada@example.com;Ada;London\nbob@example.com;Bob;Leeds\nnobody;Nobody;Rome\n"), 0o600); err != nil {
		t.Fatal(err)
	}
	places := []struct{ name, address string }{
		{"list", api + "/dashboard"}, {"job", api + "/dashboard/jobs/" + large}, {"wizard", api + "/dashboard/import"}, {"search", api + "/dashboard/users?city=san"},
		{"fleet", admin + "/dashboard/fleet"}, {"all", admin + "/dashboard"},
	}
	for _, p := range places {
		for _, scheme := range []string{"light", "dark"} {
			call(b, emulation.SetEmulatedMedia, emulation.SetEmulatedMediaParams{Features: []*emulation.MediaFeature{{Name: "prefers-color-scheme", Value: scheme}}})
			b.open(p.address)
			if p.name == "wizard" {
				b.do(chromedp.SetUploadFiles("#file", []string{file}))
				b.shows("This is how its first rows would be read")
			}
			b.run(check) // by the debugger, whom the page's policy does not stop
			found := eval[string](b, `axe.run().then((r) => r.violations.filter((v) => ["serious", "critical"].includes(v.impact)).map((v) => v.id + ": " + v.nodes.map((n) => n.target + " " + n.failureSummary).join("; ")).join("\n"))`)
			if found != "" {
				t.Errorf("%s, %s: %s", p.name, scheme, found)
			}
			for _, size := range []struct {
				of            string
				width, height int64
			}{{"", 1280, 800}, {"-phone", 390, 844}, {"", 360, 740}} {
				b.size(size.width, size.height)
				if wide := eval[int64](b, "document.documentElement.scrollWidth"); wide > size.width {
					t.Errorf("%s is %v wide on a screen of %d", p.name, wide, size.width)
				}
				if dir := os.Getenv("MUSTER_SCREENSHOTS"); dir != "" && size.width != 360 && (size.of == "" || scheme == "light") {
					b.picture(filepath.Join(dir, p.name+"-"+scheme+size.of+".png"))
				}
			}
			b.size(1280, 800)
		}
	}

	// From page to page.
	b.open(api + "/dashboard/users?name=a")
	first := eval[string](b, "document.querySelector('tbody td').innerText")
	b.submit("a[rel=next]")
	if second := eval[string](b, "document.querySelector('tbody td').innerText"); second == first {
		t.Errorf("the next page begins with user %s, too", second)
	}

	// By keyboard alone: from the address to a job's pause.
	b.open(api + "/dashboard/jobs/" + large)
	for range 40 {
		b.do(chromedp.KeyEvent("\t"))
		if eval[bool](b, "document.activeElement?.form?.action?.endsWith('/pause') ?? false") {
			break
		}
	}
	b.run("window.before = true")
	b.do(chromedp.KeyEvent("\r"))
	b.until("!window.before")
	b.shows("Paused.")
}

// picture keeps what the browser shows.
func (b *browser) picture(file string) {
	b.t.Helper()
	png, err := chromedp.Run(b.ctx, chromedp.CaptureScreenshot())
	if err != nil {
		b.t.Fatal(err)
	}
	if err := os.WriteFile(file, png, 0o644); err != nil { //nolint:gosec // pictures for everybody
		b.t.Fatal(err)
	}
}
