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

	"github.com/musterhq/muster/internal/integration/controls"
)

// builds has the folders of the binaries for the chaos tests, by control; each is built when it is first asked for.
var builds sync.Map

// chaosBuild returns where the binaries of the services are that have the hooks of internal/crash and, unless control is
// empty, lack what the control takes away.
func chaosBuild(control string) (dir string, err error) {
	once, _ := builds.LoadOrStore(control, sync.OnceValues(func() (string, error) { return build(control) }))
	return once.(func() (string, error))()
}

func build(control string) (dir string, err error) {
	dir = filepath.Join(binaries, "chaos-"+control)
	args := []string{"build", "-tags", "chaos", "-ldflags=-w", "-o", dir + string(filepath.Separator)}
	if raceDetector {
		args = append(args, "-race")
	}
	if control != "" {
		overlay, err := controls.Overlay(root, filepath.Join(dir, "sources"), control)
		if err != nil {
			return "", err
		}
		args = append(args, "-overlay", overlay)
	}
	args = append(args, "github.com/musterhq/muster/cmd/api", "github.com/musterhq/muster/cmd/worker")
	if out, err := exec.Command("go", args...).CombinedOutput(); err != nil {
		return "", fmt.Errorf("build the services for the chaos tests, control %q: %w\n%s", control, err, out)
	}
	return dir, nil
}

// recorder is the testing.TB of a test that is expected to fail: it keeps what the test reports.
type recorder struct {
	testing.TB
	mu       sync.Mutex
	failures []string
	cleanups []func()
}

func (r *recorder) note(text string) {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.failures = append(r.failures, text)
}

func (r *recorder) Error(args ...any)            { r.note(fmt.Sprint(args...)) }
func (r *recorder) Errorf(f string, args ...any) { r.note(fmt.Sprintf(f, args...)) }
func (r *recorder) Fatal(args ...any)            { r.note(fmt.Sprint(args...)); runtime.Goexit() }
func (r *recorder) Fatalf(f string, args ...any) { r.note(fmt.Sprintf(f, args...)); runtime.Goexit() }
func (r *recorder) FailNow()                     { r.note("FailNow"); runtime.Goexit() }
func (r *recorder) Failed() bool                 { return false } // else its processes would print their logs
func (r *recorder) Logf(string, ...any)          {}
func (r *recorder) Cleanup(f func())             { r.cleanups = append(r.cleanups, f) }

// How a test fails without the protection that it is about.
const (
	wrongRows = `row \d+ of job|its chunks count|distinct ids; the jobs`
	neverEnds = `not within \S+: job \S+ ends`
)

// control runs the test with all processes built from a control, which lack a protection. It must fail, and in the way
// that the protection prevents, which the pattern wanted describes: a test that passes then would pass whatever the
// program does, and one that fails by something else, such as its setup, shows nothing.
func control(t *testing.T, id string, s *stack, name, wanted string, test func(s *stack) string) {
	t.Helper()
	x, began := result{ID: id, Engine: s.engine, Control: name, Test: "control"}, time.Now()
	if _, err := chaosBuild(name); err != nil { // here, because inside of the test it would count as the failure that is wanted
		x.Figures = "cannot be built"
		results.add(x)
		t.Fatal(err)
	}
	failures := recorded(t, func(r *recorder) {
		without := newStack(r, s.server)
		without.control = name
		test(without)
	})
	x.Seconds = seconds(began)
	verdict(t, x, failures, wanted)
}

// recorded runs a test that is expected to fail, and returns what it reported.
func recorded(t testing.TB, test func(r *recorder)) (failures []string) {
	t.Helper()
	r := &recorder{TB: t}
	done := make(chan struct{})
	go func() {
		defer close(done)
		defer func() {
			for _, f := range slices.Backward(r.cleanups) {
				f()
			}
		}()
		test(r)
	}()
	<-done
	return r.failures
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
	Control string  `json:"control,omitempty"` // the patch that took a protection away
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

// chaos runs a test of the scoreboard and puts it into the table; test returns what it counted.
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
