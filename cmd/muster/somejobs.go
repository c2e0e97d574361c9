package main

import (
	"bufio"
	"errors"
	"fmt"
	"net/http"
	"strings"

	"github.com/google/uuid"

	"github.com/musterhq/muster/client"
	"github.com/musterhq/muster/cmd/internal/boot"
)

// jobCommand is a command about one job.
type jobCommand struct {
	remote
	ID uuid.UUID `arg:"" help:"The job."`
}

// someJobs is a command about jobs. Each has a type of its own, because kong takes its name from the field.
type someJobs struct {
	remote
	outputFlag
	IDs []string `arg:"" name:"id" help:"The jobs; - reads them from standard input, where each line begins with an id, as those of jobs list do."`
}

// ids returns the jobs that are named. It reads all before the first is touched.
func (x *someJobs) ids(p *process) (ids []uuid.UUID, err error) {
	add := func(text string) error {
		id, err := uuid.Parse(text)
		if err != nil {
			return fmt.Errorf("%q is no id of a job", text)
		}
		ids = append(ids, id)
		return nil
	}
	for _, text := range x.IDs {
		if text != "-" {
			if err := add(text); err != nil {
				return nil, err
			}
			continue
		}
		lines := bufio.NewScanner(p.stdin)
		for lines.Scan() {
			words := strings.Fields(lines.Text())
			if len(words) == 0 || words[0] == jobHeading {
				continue
			}
			if err := add(words[0]); err != nil {
				return nil, err
			}
		}
		if err := lines.Err(); err != nil {
			return nil, fmt.Errorf("read ids: %w", err)
		}
	}
	return ids, nil
}

// each makes a call about each of the jobs, and prints those that the answers hold. A job that is refused does not keep the others
// from it. done is what becomes of the jobs, for the error.
func (x *someJobs) each(p *process, done string, call func(c *client.ClientWithResponses, id uuid.UUID) (*http.Response, error)) error {
	c, err := x.open()
	if err != nil {
		return err
	}
	ids, err := x.ids(p)
	if err != nil {
		return err
	}
	var jobs []client.Job
	refused := 0
	for _, id := range ids {
		j, err := oneObject[client.Job](p, &x.outputFlag, func() (*http.Response, error) { return call(c, id) })
		_, ok := errors.AsType[*client.APIError](err)
		switch {
		case ok && len(ids) > 1:
			refused++
			fmt.Fprintf(p.stderr, "%s: %v\n", id, err)
		case err != nil:
			return errors.Join(err, x.print(p, jobs, len(ids)))
		default:
			jobs = append(jobs, j)
		}
	}
	if err := x.print(p, jobs, len(ids)); err != nil || refused == 0 {
		return err
	}
	return fmt.Errorf("%d of %d jobs were not %s", refused, len(ids), done)
}

// print prints jobs as a table, and one that was asked for alone in full.
func (x *someJobs) print(p *process, jobs []client.Job, asked int) error {
	if x.json() || len(jobs) == 0 {
		return nil
	}
	if err := printJobs(p.stdout, jobs); err != nil || asked > 1 {
		return err
	}
	fmt.Fprintln(p.stdout, jobs[0].Message)
	return printFile(p, &jobs[0])
}

type jobsGetCommand struct{ someJobs }

// Run shows jobs.
func (x *jobsGetCommand) Run(p *process) error {
	return x.each(p, "shown", func(c *client.ClientWithResponses, id uuid.UUID) (*http.Response, error) {
		return c.GetJob(p.ctx, id, &client.GetJobParams{UserID: x.User})
	})
}

type jobsWatchCommand struct{ someJobs }

// Run shows the progress of jobs that somebody has submitted before, of one after the other. The exit code is that of the worst.
func (x *jobsWatchCommand) Run(p *process) error {
	c, err := x.open()
	if err != nil {
		return err
	}
	ids, err := x.ids(p)
	if err != nil {
		return err
	}
	var failed, rejected error
	for _, id := range ids {
		if len(ids) > 1 && !x.json() {
			fmt.Fprintln(p.stdout, id)
		}
		err := x.watch(p, c, id, &x.outputFlag)
		some, ok := errors.AsType[*boot.ExitError](err)
		switch {
		case len(ids) == 1 || p.ctx.Err() != nil || errors.Is(err, errDetached):
			return err
		case ok && some.Code == exitRejected:
			rejected = errors.New("rows were rejected, see above")
		case err != nil:
			failed = errors.New("not all of them completed, see above")
		}
		if err != nil {
			fmt.Fprintf(p.stderr, "%s: %v\n", id, err)
		}
	}
	if failed == nil && rejected != nil {
		return &boot.ExitError{Code: exitRejected, Err: rejected}
	}
	return failed
}

type jobsCancelCommand struct{ someJobs }

// Run cancels.
func (x *jobsCancelCommand) Run(p *process) error {
	return x.each(p, "cancelled", func(c *client.ClientWithResponses, id uuid.UUID) (*http.Response, error) {
		return c.CancelJob(p.ctx, id, &client.CancelJobParams{UserID: x.User})
	})
}

type jobsPauseCommand struct{ someJobs }

// Run pauses.
func (x *jobsPauseCommand) Run(p *process) error {
	return x.each(p, "paused", func(c *client.ClientWithResponses, id uuid.UUID) (*http.Response, error) {
		return c.PauseJob(p.ctx, id, &client.PauseJobParams{UserID: x.User})
	})
}

type jobsResumeCommand struct{ someJobs }

// Run resumes.
func (x *jobsResumeCommand) Run(p *process) error {
	return x.each(p, "resumed", func(c *client.ClientWithResponses, id uuid.UUID) (*http.Response, error) {
		return c.ResumeJob(p.ctx, id, &client.ResumeJobParams{UserID: x.User})
	})
}

type jobsRetryCommand struct{ someJobs }

// Run retries.
func (x *jobsRetryCommand) Run(p *process) error {
	return x.each(p, "retried", func(c *client.ClientWithResponses, id uuid.UUID) (*http.Response, error) {
		return c.RetryJob(p.ctx, id, &client.RetryJobParams{UserID: x.User})
	})
}

type jobsUndoCommand struct{ someJobs }

// Run undoes.
func (x *jobsUndoCommand) Run(p *process) error {
	return x.each(p, "undone", func(c *client.ClientWithResponses, id uuid.UUID) (*http.Response, error) {
		return c.UndoJob(p.ctx, id, &client.UndoJobParams{UserID: x.User})
	})
}
