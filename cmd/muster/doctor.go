package main

import (
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/musterhq/muster/cmd/internal/boot"
	"github.com/musterhq/muster/internal/config"
	"github.com/musterhq/muster/internal/doctor"
)

type doctorCommand struct {
	config.Config
	outputFlag
	StuckAfter time.Duration `default:"5m" help:"A job counts as without progress when workers have committed nothing of it for so long."`
}

// Help tells what the flags leave out.
func (*doctorCommand) Help() string {
	return "It reads the same settings as the API and the workers, changes nothing, and goes on when a part is down. The exit code " +
		"is 0 when all is well, 1 when there are warnings, 2 when something is broken. docs/operations.md lists the checks."
}

// exitCodes of the levels.
var exitCodes = map[doctor.Level]int{doctor.Warning: 1, doctor.Broken: 2}

// Run examines the stack, and says what is wrong with it.
func (d *doctorCommand) Run(p *process) error {
	_, set := os.LookupEnv("MUSTER_REDIS_FILE")
	given := os.Getenv("MUSTER_REDIS") != "" || set || d.Redis != defaultRedis
	facts := examine(p.ctx, &d.Config, d.StuckAfter, given)
	if err := p.ctx.Err(); err != nil {
		return err
	}
	findings := doctor.Judge(facts)
	worst := doctor.Worst(findings)
	if d.json() {
		if err := printJSON(p.stdout, struct {
			Level    doctor.Level     `json:"level"`
			Findings []doctor.Finding `json:"findings"`
		}{worst, findings}); err != nil {
			return err
		}
	} else if err := printFindings(p.stdout, findings); err != nil {
		return err
	}
	if worst == doctor.OK {
		return nil
	}
	count := map[doctor.Level]int{}
	for _, f := range findings {
		count[f.Level]++
	}
	return &boot.ExitError{Code: exitCodes[worst], Err: fmt.Errorf("broken: %d, warnings: %d", count[doctor.Broken], count[doctor.Warning])}
}

// defaultRedis is that of config.
const defaultRedis = "redis://127.0.0.1:6379/0"

var levelColors = map[doctor.Level]string{doctor.OK: "32", doctor.Warning: "33", doctor.Broken: "31;1"}

// printFindings prints a line for each finding and, below it, what it means and how it is mended.
func printFindings(out io.Writer, findings []doctor.Finding) error {
	var text strings.Builder
	for _, f := range findings {
		level := fmt.Sprintf("%-8s", f.Level)
		if colored(out) {
			level = "\x1b[" + levelColors[f.Level] + "m" + level + "\x1b[0m"
		}
		fmt.Fprintf(&text, "%s %-18s %s\n", level, f.Check, plain(f.Found))
		for _, more := range []string{f.Means, f.Mend} {
			if more != "" && (f.Level != doctor.OK || more == f.Means) {
				fmt.Fprintf(&text, "%-27s %s\n", "", plain(more))
			}
		}
	}
	_, err := io.WriteString(out, text.String())
	return err
}
