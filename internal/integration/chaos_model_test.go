package integration

import (
	"fmt"
	"os/exec"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/integration/controls"
	"github.com/musterhq/muster/internal/testenv"
)

// R5: the scripts of the slots against a model in memory, on the in-process Redis and on a real one. The control is a
// script that counts slots whose lease has ended.
func TestChaosR5SlotsModel(t *testing.T) {
	testenv.Redis(t)
	s := &stack{t: t, engine: "redis"}
	n := rounds(1000, 10_000)
	chaos(t, "R5", "slots against a model", s, func(*stack) string {
		if out, err := modelRun(n); err != nil {
			t.Errorf("%v\n%s", err, out)
		}
		return fmt.Sprintf("%d sequences on each of two servers, 0 differences", n)
	})
	began := time.Now()
	overlay, err := controls.Overlay(root, t.TempDir(), "dead-slots-counted")
	if err != nil {
		t.Fatal(err)
	}
	out, err := modelRun(1000, "-overlay", overlay)
	x := result{ID: "R5", Engine: "redis", Test: "control", Control: "dead-slots-counted", Seconds: seconds(began)}
	if err == nil {
		verdict(t, x, nil, "")
		return
	}
	for _, test := range []string{"TestSlotsAgainstModel/miniredis", "TestSlotsAgainstModel/redis"} {
		x.Test = "control: " + test
		_, said, _ := strings.Cut(out, "--- FAIL: "+test+" ")
		said, _, _ = strings.Cut(said, "--- FAIL")
		verdict(t, x, []string{said}, `(?s)reserve: err .*\(-want \+got\)`)
	}
}

func modelRun(checks int, flags ...string) (string, error) {
	args := append([]string{"test", "-count=1", "-run", "TestSlotsAgainstModel"}, flags...)
	args = append(args, "github.com/musterhq/muster/internal/ratelimit", "-rapid.nofailfile", "-rapid.steps=20",
		fmt.Sprintf("-rapid.checks=%d", checks), fmt.Sprintf("-rapid.seed=%d", max(seed, 1)))
	out, err := exec.Command("go", args...).CombinedOutput()
	return string(out), err
}

// R16: every fuzz target, 20,000 inputs each, which is some ten seconds. Not a time: where a run is stopped by the clock, go
// test at times takes its own deadline for a failure of the target. It keeps what it finds in testdata/fuzz of the package.
func TestChaosR16Fuzz(t *testing.T) {
	fullOnly(t)
	s := &stack{t: t, engine: "none"}
	targets := [][2]string{
		{"FuzzBody", "internal/httpapi"}, {"FuzzCursor", "internal/httpapi"}, {"FuzzLists", "internal/httpapi"}, {"FuzzJobID", "internal/httpapi"},
		{"FuzzAppendCSV", "internal/export"}, {"FuzzAppendString", "internal/export"}, {"FuzzDecodePage", "internal/source"},
	}
	chaos(t, "R16", "fuzzing", s, func(*stack) string {
		for _, target := range targets {
			out, err := exec.Command("go", "test", "-run", "^$", "-fuzz", "^"+target[0]+"$", "-fuzztime", "20000x", "github.com/musterhq/muster/"+target[1]).CombinedOutput()
			if err != nil {
				t.Errorf("%s: %v\n%s", target[0], err, out)
			}
		}
		return fmt.Sprintf("%d targets, 20,000 inputs each", len(targets))
	})
}
