package integration

import (
	"encoding/json"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"runtime"
	"slices"
	"strings"
	"sync"
	"testing"
	"text/tabwriter"
	"time"
)

var hookedOnce = sync.OnceValues(func() (string, error) {
	dir := filepath.Join(binaries, "hooked")
	args := []string{"build", "-tags", "chaos", "-o", dir + string(filepath.Separator), "github.com/musterhq/muster/cmd/..."}
	if raceDetector {
		args = slices.Insert(args, 1, "-race")
	}
	out, err := exec.Command("go", args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("build the commands with hooks: %w\n%s", err, out)
	}
	return dir, nil
})

// hooked is where the binaries with the hooks of internal/crash are.
func hooked(t testing.TB) string {
	t.Helper()
	dir, err := hookedOnce()
	if err != nil {
		t.Fatal(err)
	}
	return dir
}

// trial is a test that is expected to fail: it keeps what it would have said.
type trial struct {
	testing.TB
	mu       sync.Mutex
	failures []string
	cleanups []func()
}

func (r *trial) note(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, text)
}

func (r *trial) Error(args ...any)            { r.note(fmt.Sprint(args...)) }
func (r *trial) Errorf(f string, args ...any) { r.note(fmt.Sprintf(f, args...)) }
func (r *trial) Fatal(args ...any)            { r.note(fmt.Sprint(args...)); runtime.Goexit() }
func (r *trial) Fatalf(f string, args ...any) { r.note(fmt.Sprintf(f, args...)); runtime.Goexit() }
func (r *trial) FailNow()                     { r.note("FailNow"); runtime.Goexit() }
func (r *trial) Failed() bool                 { return false } // or its processes would show their logs
func (r *trial) Logf(string, ...any)          {}
func (r *trial) Cleanup(f func())             { r.cleanups = append(r.cleanups, f) }

// How a test fails without the protection that it is about.
const (
	wrongRows = `row \d+ of job|its chunks count|distinct ids; the jobs`
	notOver   = `not within \S+: job \S+ ends`
)

// control runs the test with a protection switched off in all processes. It must fail, and in the way that the
// protection prevents, which the pattern wanted describes: a test that passes then would pass whatever the program does,
// and one that fails by something else, such as its setup, shows nothing.
func control(t *testing.T, id string, s *stack, protection, wanted string, test func(s *stack) string) {
	t.Helper()
	began := time.Now()
	r := &trial{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			for _, f := range slices.Backward(r.cleanups) {
				f()
			}
		}()
		without := newStack(r, s.server)
		without.hooks = true
		without.env = append(without.env, "MUSTER_CHAOS_OFF="+protection)
		test(without)
	}()
	<-done
	verdict(t, result{ID: id, Engine: s.engine, Control: protection + " off", Test: "control", Seconds: seconds(began)}, r.failures, wanted)
}

// verdict judges a control by what it recorded, and puts it into the table.
func verdict(t *testing.T, x result, failures []string, wanted string) {
	t.Helper()
	re := regexp.MustCompile(wanted)
	right := slices.IndexFunc(failures, re.MatchString)
	switch {
	case right >= 0:
		first, _, _ := strings.Cut(re.FindString(failures[right]), "\n")
		x.Passed, x.Figures = true, "failed as it must: "+first
	case len(failures) > 0:
		x.Figures = "failed by something else"
		t.Errorf("%s with %s fails, but not by %q:\n%s", x.ID, x.Control, wanted, strings.Join(failures, "\n"))
	default:
		x.Figures = "passed, and must not"
		t.Errorf("%s with %s passes", x.ID, x.Control)
	}
	results.add(x)
}

// result is a line of the table that make chaos prints.
type result struct {
	ID      string  `json:"id"`
	Engine  string  `json:"engine"`
	Test    string  `json:"test"`
	Control string  `json:"control,omitempty"` // what was switched off
	Passed  bool    `json:"passed"`
	Seconds float64 `json:"seconds"`
	Figures string  `json:"figures"`
}

func seconds(began time.Time) float64 {
	return time.Since(began).Round(100 * time.Millisecond).Seconds()
}

type table struct {
	mu   sync.Mutex
	list []result
}

var results table

func (r *table) add(x result) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.list = append(r.list, x)
}

// chaos runs a test of the scoreboard and puts it into the table; test answers what it counted.
func chaos(t *testing.T, id, what string, s *stack, test func(s *stack) string) {
	t.Helper()
	x, began := result{ID: id, Engine: s.engine, Test: what, Figures: "did not end"}, time.Now()
	defer func() {
		x.Passed, x.Seconds = !t.Failed(), seconds(began)
		results.add(x)
	}()
	x.Figures = test(s)
}

// writeResults prints the table, and writes it as JSON where MUSTER_CHAOS_JSON says.
func writeResults() {
	if len(results.list) == 0 {
		return
	}
	w := tabwriter.NewWriter(os.Stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintf(w, "\nSEED=%d repeats this run\nid\tserver\ttest\tcontrol\tresult\tseconds\tfigures\n", seed)
	for _, x := range results.list {
		word := "FAILED"
		if x.Passed {
			word = "passed"
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%.1f\t%s\n", x.ID, x.Engine, x.Test, x.Control, word, x.Seconds, x.Figures)
	}
	_ = w.Flush()
	if path := os.Getenv("MUSTER_CHAOS_JSON"); path != "" {
		b, err := json.MarshalIndent(map[string]any{"seed": seed, "results": results.list}, "", "  ")
		if err == nil {
			err = os.WriteFile(path, b, 0o644)
		}
		if err != nil {
			fmt.Fprintln(os.Stderr, err)
		}
	}
}
