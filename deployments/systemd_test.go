package deployments_test

import (
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/alecthomas/kong"

	"github.com/musterhq/muster/internal/config"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/testenv"
)

// The units start commands that there are, with settings that are read, and leave them the time that they need to stop.
func TestUnits(t *testing.T) { // sets the environment, so it is not parallel
	for _, m := range regexp.MustCompile(`(?m)^(MUSTER_\w+)="(.*)"$`).FindAllStringSubmatch(read(t, "systemd/muster.env.example"), -1) {
		t.Setenv(m[1], m[2])
	}
	var c config.Config
	parser, err := kong.New(&c, kong.Vars{"tiers": job.DefaultTiers})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := parser.Parse(nil); err != nil {
		t.Fatal(err)
	}
	if err := c.Check(); err != nil || c.Auth != "key" || !strings.HasPrefix(c.Files, "file:///var/lib/muster/") {
		t.Errorf("the example of settings is refused, or lets anybody in: %v", err)
	}
	units, err := filepath.Glob("systemd/*.service")
	if err != nil || len(units) != 3 {
		t.Fatalf("%d units, %v", len(units), err)
	}
	for _, unit := range units {
		settings := read(t, unit)
		program := regexp.MustCompile(`(?m)^ExecStart=/opt/muster/bin/(\w+)`).FindStringSubmatch(settings)
		if program == nil {
			t.Fatalf("%s starts nothing", unit)
		}
		if _, err := os.Stat(filepath.Join("..", "cmd", program[1])); err != nil {
			t.Errorf("%s: %v", unit, err)
		}
		if program[1] != "muster" { // what the migration has in hand is the database's
			var stop int
			if m := regexp.MustCompile(`(?m)^TimeoutStopSec=(\d+)$`).FindStringSubmatch(settings); m != nil {
				stop, _ = strconv.Atoi(m[1])
			}
			if time.Duration(stop)*time.Second < c.DrainTimeout+2*time.Second {
				t.Errorf("%s is killed after %d s, in the middle of its drain of %s", unit, stop, c.DrainTimeout)
			}
		}
		known(t, unit, settings)
	}
	known(t, "systemd/muster.env.example", read(t, "systemd/muster.env.example"))
}

// systemd reads the units, where it is installed.
func TestUnitsBySystemd(t *testing.T) {
	t.Parallel()
	if _, err := exec.LookPath("systemd-analyze"); err != nil {
		testenv.Missing(t, "systemd")
		t.SkipNow()
	}
	out, err := exec.CommandContext(t.Context(), "systemd-analyze", "verify", "--man=no", "systemd/muster-api.service", "systemd/muster-worker@.service", "systemd/muster-migrate.service").CombinedOutput()
	for _, line := range strings.Split(string(out), "\n") {
		// The programs are not installed here, and that alone may fail.
		if strings.Contains(line, "muster") && !strings.Contains(line, "is not executable") {
			t.Errorf("%s (%v)", line, err)
		}
	}
}

func read(t *testing.T, name string) string {
	t.Helper()
	text, err := os.ReadFile(name) //nolint:gosec // our own file
	if err != nil {
		t.Fatal(err)
	}
	return string(text)
}

func known(t *testing.T, name, text string) {
	t.Helper()
	for _, m := range regexp.MustCompile(`(?m)^(?:Environment=)?(MUSTER_\w+)=`).FindAllStringSubmatch(text, -1) {
		if !config.KnownName(m[1]) {
			t.Errorf("%s sets %s, which the program does not read", name, m[1])
		}
	}
}
