package main

import (
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"os"
	"strings"
	"time"

	"github.com/musterhq/muster/cmd/internal/boot"
	"github.com/musterhq/muster/internal/config"
)

// commands is the command line of muster.
type commands struct {
	Dev        devCommand        `cmd:"" help:"Run API, worker, SQLite and an in-process Redis in one process."`
	Demo       demoCommand       `cmd:"" help:"Import a million users into a throw-away stack, export them, check the count."`
	Import     importCommand     `cmd:"" help:"Import users, and watch."`
	Jobs       jobsCommand       `cmd:"" help:"List, watch and cancel jobs."`
	Users      usersCommand      `cmd:"" help:"Search and show users."`
	Export     exportCommand     `cmd:"" help:"Write users to a file, or to standard output."`
	Exports    exportsCommand    `cmd:"" help:"Export users as a job, and fetch its files."`
	Schedules  schedulesCommand  `cmd:"" help:"Submit exports and imports again and again."`
	Webhooks   webhooksCommand   `cmd:"" help:"Have other systems told of the end of jobs, and see what they were told."`
	Keys       keysCommand       `cmd:"" help:"Make, list and revoke API keys, in the database itself."`
	Doctor     doctorCommand     `cmd:"" help:"Look at the whole stack, and say what is wrong and how to mend it."`
	Migrate    migrateCommand    `cmd:"" help:"Bring the database to this program's schema, and its indexes to MUSTER_SEARCH_INDEXES. Safe to run several times at once."`
	Completion completionCommand `cmd:"" help:"Print the script by which a shell completes these commands."`
	Health     healthCommand     `cmd:"" help:"Ask a health address; exit 0 when it answers 200. For container health checks."`
}

// exitUsage is the exit code of a command line that cannot be understood.
const exitUsage = 2

// process is what each command gets from the outside.
type process struct {
	ctx    context.Context
	stdin  io.Reader
	stdout io.Writer
	stderr io.Writer // where progress and questions go
	person bool      // somebody reads stderr and answers on stdin
}

func run(ctx context.Context, args []string, stdout io.Writer) error {
	boot.SilenceLibraries() // what they would tell is in the errors; dev and demo have a log
	return execute(args, &process{
		ctx: ctx, stdin: os.Stdin, stdout: stdout, stderr: os.Stderr, person: interactive(os.Stdin) && interactive(os.Stderr),
	})
}

func execute(args []string, p *process) error {
	if len(args) == 0 {
		args = []string{"--help"}
	}
	if args[0] == completeWord {
		return printCompletions(p.stdout, args[1:])
	}
	var c commands
	k, err := boot.Parse("muster", "Create, import and export users by the million.", &c, args, p.stdout)
	if boot.IsHelp(err) {
		return nil
	}
	boot.WarnUnread("muster", os.Stderr)
	if err != nil {
		return &boot.ExitError{Code: exitUsage, Err: err}
	}
	if err := k.Run(p); !errors.Is(err, context.Canceled) {
		return explained(err)
	}
	return errors.New("interrupted")
}

type migrateCommand struct {
	config.Config
	outputFlag
}

// Run migrates.
func (m *migrateCommand) Run(p *process) error {
	if err := boot.Check(&m.Config); err != nil {
		return err
	}
	done, err := boot.Migrate(p.ctx, &m.Config)
	if err != nil {
		return fmt.Errorf("MUSTER_DATABASE %s: %w", config.Redact(m.Database), err)
	}
	if m.json() {
		answer := map[string]any{"applied": done.Steps}
		if done.Aligned {
			answer["indexesBuilt"], answer["indexesDropped"] = done.Built.Names(), done.Dropped.Names()
		}
		return printJSON(p.stdout, answer)
	}
	if _, err := fmt.Fprintf(p.stdout, "The schema is current; %d migrations were applied.\n", done.Steps); err != nil || !done.Aligned {
		return err
	}
	_, err = fmt.Fprintf(p.stdout, "Search indexes are as MUSTER_SEARCH_INDEXES says; built: %s, dropped: %s.\n", done.Built, done.Dropped)
	return err
}

type healthCommand struct {
	URL string `arg:"" help:"Such as http://127.0.0.1:8080/readyz."`
}

// Run asks once.
func (h *healthCommand) Run(p *process) error {
	ctx, cancel := context.WithTimeout(p.ctx, 3*time.Second)
	defer cancel()
	if !strings.Contains(h.URL, "://") {
		h.URL = "http://" + h.URL
	}
	req, err := http.NewRequestWithContext(ctx, http.MethodGet, h.URL, nil)
	if err != nil {
		return err
	}
	resp, err := http.DefaultClient.Do(req)
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	if resp.StatusCode != http.StatusOK {
		return fmt.Errorf("%s answers %s", h.URL, resp.Status)
	}
	return nil
}
