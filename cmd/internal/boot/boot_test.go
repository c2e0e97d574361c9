package boot

import (
	"context"
	"fmt"
	"io"
	"log/slog"
	"strings"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/config"
)

func TestExitCode(t *testing.T) {
	t.Parallel()
	for want, err := range map[int]error{
		0: nil, 1: io.EOF, 3: fmt.Errorf("one of several: %w", &ExitError{Code: 3, Err: io.EOF}),
	} {
		if got := exitCode(err); got != want {
			t.Errorf("%v ends with %d, want %d", err, got, want)
		}
	}
}

// An empty variable is one that is not set, for every setting of every type.
func TestEmptyVariables(t *testing.T) { // sets the environment, so it is not parallel
	var want, got config.Config
	if _, err := Parse("test", "", &want, nil, io.Discard); err != nil {
		t.Fatal(err)
	}
	for _, name := range config.EnvNames() {
		t.Setenv(name, "")
	}
	if _, err := Parse("test", "", &got, nil, io.Discard); err != nil {
		t.Fatal(err)
	}
	if g, w := got.LogValue().String(), want.LogValue().String(); g != w || got.Lease == 0 {
		t.Errorf("got  %s\nwant %s", g, w)
	}
	t.Setenv("MUSTER_LEASE", "3s")
	t.Setenv("MUSTER_ADMIN_ADDR", "off")
	if _, err := Parse("test", "", &got, nil, io.Discard); err != nil || got.Lease != 3*time.Second {
		t.Errorf("lease %s, %v", got.Lease, err)
	}
	if err := Check(&got); err != nil || got.AdminAddr != "" {
		t.Errorf("admin address %q, %v", got.AdminAddr, err)
	}
	if _, err := Parse("test", "", &got, []string{"--lease="}, io.Discard); err == nil {
		t.Error("an empty flag is taken for none")
	}
}

// What libraries write goes where the process's log does.
func TestLibrariesLog(t *testing.T) { // sets loggers of the process, so it is not parallel
	var text strings.Builder
	before := slog.Default()
	defer slog.SetDefault(before)
	logLibraries(Log(&config.Config{LogFormat: "json", LogLevel: "debug"}, &text))
	redisLog{slog.Default()}.Printf(context.Background(), "lost %d", 3)
	slog.NewLogLogger(slog.Default().Handler(), slog.LevelDebug).Print("closing bad idle connection")
	for _, want := range []string{`"says":"lost 3"`, `"msg":"closing bad idle connection"`} {
		if !strings.Contains(text.String(), want) {
			t.Errorf("no %s in %s", want, text.String())
		}
	}
}
