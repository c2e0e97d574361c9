//go:build linux

package main

import (
	"encoding/json"
	"errors"
	"io"
	"net/http"
	"net/http/httptest"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strings"
	"sync"
	"sync/atomic"
	"syscall"
	"testing"
	"time"

	"github.com/creack/pty"
)

// terminal is a program at a terminal.
type terminal struct {
	tty  *os.File
	cmd  *exec.Cmd
	done chan struct{} // closed when it prints no more

	mu   sync.Mutex
	text strings.Builder
	read int // what was waited for so far
}

// atTerminal runs the program in dir at a terminal.
func atTerminal(t *testing.T, dir string, environ []string, program string, args ...string) *terminal {
	t.Helper()
	cmd := exec.CommandContext(t.Context(), program, args...)
	cmd.Dir, cmd.Env = dir, append(append(os.Environ(), "TERM=xterm", "HOME="+dir, "PATH="+dir+":"+os.Getenv("PATH")), environ...)
	tty, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 40, Cols: 200})
	if err != nil {
		t.Fatal(err)
	}
	x := &terminal{tty: tty, cmd: cmd, done: make(chan struct{})}
	go func() {
		defer close(x.done)
		_, _ = io.Copy(x, tty)
	}()
	t.Cleanup(func() {
		_ = cmd.Process.Kill()
		_ = cmd.Wait()
		<-x.done
		_ = tty.Close()
	})
	return x
}

// Write takes what the program prints.
func (x *terminal) Write(p []byte) (int, error) {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.text.Write(p)
}

func (x *terminal) printed() string {
	x.mu.Lock()
	defer x.mu.Unlock()
	return x.text.String()
}

// see waits until the program has printed the text, behind what was waited for before.
func (x *terminal) see(t *testing.T, text string) {
	t.Helper()
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(10 * time.Millisecond) {
		if at := strings.Index(x.printed()[x.read:], text); at >= 0 {
			x.read += at + len(text)
			return
		}
		if time.Now().After(deadline) {
			t.Fatalf("no %q in %q", text, x.printed()[x.read:])
		}
	}
}

func (x *terminal) press(t *testing.T, keys string) {
	t.Helper()
	if _, err := io.WriteString(x.tty, keys); err != nil {
		t.Fatal(err)
	}
}

// ends waits for the end of the program, and returns its exit code.
func (x *terminal) ends(t *testing.T) int {
	t.Helper()
	select {
	case <-x.done:
	case <-time.After(time.Minute):
		t.Fatalf("it does not end: %q", x.printed())
	}
	err := x.cmd.Wait()
	if e, ok := errors.AsType[*exec.ExitError](err); ok {
		return e.ExitCode()
	}
	if err != nil {
		t.Fatal(err)
	}
	return 0
}

// endlessJob serves a job that runs until it is cancelled.
func endlessJob(t *testing.T) (url, id string, cancelled *atomic.Bool) {
	t.Helper()
	id, cancelled = newID(), new(atomic.Bool)
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		status := "IN_PROGRESS"
		switch {
		case strings.HasSuffix(r.URL.Path, "/cancel"):
			cancelled.Store(true)
			w.WriteHeader(http.StatusOK)
		case r.Method == http.MethodPost:
			w.WriteHeader(http.StatusAccepted)
		}
		if cancelled.Load() {
			status = "CANCELLED"
		}
		_ = json.NewEncoder(w).Encode(map[string]any{"jobId": id, "status": status, "message": "it is " + status, "requestedCount": 1000, "processedCount": 10})
	}))
	t.Cleanup(api.Close)
	return api.URL, id, cancelled
}

const ctrlC = "\x03"

// Who presses Ctrl-C while a job is watched is asked what is meant.
func TestCtrlC(t *testing.T) {
	t.Parallel()
	dir := buildMuster(t)
	for name, c := range map[string]struct {
		answer    func(t *testing.T, x *terminal)
		cancelled bool
		says      string
	}{
		"detach": {func(t *testing.T, x *terminal) { x.press(t, "d\n") }, false, "the job goes on: `muster jobs watch "},
		"cancel": {func(t *testing.T, x *terminal) { x.press(t, "cancel\n") }, true, "the job ended CANCELLED with 10 of 1000 users"},
		"watch on, then detach": {func(t *testing.T, x *terminal) {
			x.press(t, "w\n")
			x.see(t, "10 users / 1000 users")
			x.press(t, ctrlC)
			x.see(t, "[w]atch on?")
			x.press(t, "D\n")
		}, false, "the job goes on"},
		"something else, then cancel": {func(t *testing.T, x *terminal) {
			x.press(t, "what?\n")
			x.see(t, "[w]atch on?")
			x.press(t, "c\n")
		}, true, "the job ended CANCELLED"},
		"Ctrl-C again":  {func(t *testing.T, x *terminal) { x.press(t, ctrlC) }, false, "the job goes on"},
		"end of input":  {func(t *testing.T, x *terminal) { x.press(t, "\x04") }, false, "the job goes on"},
		"told to stop":  {func(t *testing.T, x *terminal) { _ = x.cmd.Process.Signal(os.Interrupt) }, false, "the job goes on"},
		"ended by TERM": {func(t *testing.T, x *terminal) { _ = x.cmd.Process.Signal(syscall.SIGTERM) }, false, "the job goes on"},
	} {
		for _, command := range []string{"import 1k", "jobs watch "} {
			t.Run(command+", "+name, func(t *testing.T) {
				t.Parallel()
				url, id, cancelled := endlessJob(t)
				args := strings.Fields(command)
				if command != "import 1k" {
					args = append(args, id)
				}
				x := atTerminal(t, dir, []string{"NO_COLOR=1"}, filepath.Join(dir, "muster"), append(args, "--server="+url)...)
				x.see(t, "10 users / 1000 users")
				x.press(t, ctrlC)
				x.see(t, "[d]etach, [c]ancel it, or [w]atch on?")
				c.answer(t, x)
				x.see(t, c.says)
				if code := x.ends(t); code != 1 || cancelled.Load() != c.cancelled {
					t.Errorf("it ends with %d, cancelled: %t; %q", code, cancelled.Load(), x.printed())
				}
				if colors.MatchString(x.printed()) {
					t.Errorf("colours in spite of NO_COLOR: %q", x.printed())
				}
			})
		}
	}
}

// colors are the sequences by which a terminal's text gets a colour or an intensity.
var colors = regexp.MustCompile("\x1b\\[[0-9;]*m")

// Doctor has colours on a terminal, unless nobody wants them.
func TestDoctorInColor(t *testing.T) {
	t.Parallel()
	dir := buildMuster(t)
	for environ, want := range map[string]bool{"X=": true, "NO_COLOR=1": false, "TERM=dumb": false} {
		x := atTerminal(t, dir, []string{environ, "MUSTER_DATABASE=sqlite:///nowhere/muster.db"}, filepath.Join(dir, "muster"), "doctor")
		if code := x.ends(t); code != 2 || colors.MatchString(x.printed()) != want {
			t.Errorf("%s: %d, %q", environ, code, x.printed())
		}
	}
}

// A real bash completes, by the key.
func TestCompletionInBash(t *testing.T) {
	t.Parallel()
	bash, err := exec.LookPath("bash")
	if err != nil {
		t.Skip("SKIPPED: ", err)
	}
	dir := buildMuster(t)
	if err := os.WriteFile(filepath.Join(dir, "people.csv"), nil, 0o600); err != nil {
		t.Fatal(err)
	}
	x := atTerminal(t, dir, []string{"PS1=ready> "}, bash, "--noprofile", "--norc", "-i")
	x.see(t, "ready> ")
	x.press(t, "source <(muster completion bash); printf '%s\\n' sour''ced\n")
	x.see(t, "sourced")
	for typed, want := range map[string]string{
		"muster jobs li":              "list ",
		"muster jobs list --status=f": "FAILED ",
		"muster export --form":        "--format ",
		"muster import file peo":      "people.csv ",
	} {
		x.see(t, "ready> ")
		x.press(t, typed+"\t")
		x.see(t, want)
		x.press(t, "\x15\n") // away with the line
	}
}
