package main

import (
	"encoding/json"
	"fmt"
	"io"
	"net/http"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"github.com/musterhq/muster/client"
)

type importCommand struct {
	remote
	Count  count    `arg:"" help:"How many users: 100000, 100k, 1e6 or 1_000_000."`
	Source string   `enum:"faker,randomuser" default:"faker" help:"faker or randomuser."`
	Seed   *int64   `help:"The same seed makes the same users."`
	Nat    []string `sep:"none" help:"Nationalities of RandomUser users, such as us,gb."`
	Key    *string  `help:"Idempotency key: a repeat with the same key gets the same job."`
	Detach bool     `short:"d" help:"Print the job's id and do not wait for its end."`

	Misplaced countFlag `name:"count" hidden:""`
}

// Run imports, and waits unless told otherwise.
func (i *importCommand) Run(p *process) error {
	c, err := i.open()
	if err != nil {
		return err
	}
	for n := range i.Nat { // in any case, as all words of the command line
		i.Nat[n] = strings.ToLower(i.Nat[n])
	}
	r, err := c.ImportUsersWithResponse(p.ctx, &client.ImportUsersParams{
		UserID: i.User, Count: int64(i.Count), Source: &i.Source, Seed: i.Seed, Nat: list(i.Nat), IdempotencyKey: i.Key,
	})
	if err != nil && p.ctx.Err() != nil {
		return fmt.Errorf("interrupted before the API had answered: `%s` shows whether it took the job", i.again("muster jobs"))
	}
	if err != nil {
		return err
	}
	if r.JSON202 == nil {
		return client.Failure(r.HTTPResponse, r.Body)
	}
	accepted, err := r.JSON202.AsAccepted()
	if err != nil {
		return err
	}
	fmt.Fprintln(p.stdout, accepted.JobID)
	if i.Detach {
		return nil
	}
	id, err := uuid.Parse(accepted.JobID)
	if err != nil {
		return err
	}
	return i.watch(p, c, id)
}

type jobsCommand struct {
	List   jobsListCommand   `cmd:"" default:"withargs" help:"List the latest jobs."`
	Show   jobsShowCommand   `cmd:"" help:"Show one job."`
	Watch  jobsWatchCommand  `cmd:"" help:"Show how far a job is, until it is over."`
	Cancel jobsCancelCommand `cmd:"" help:"Stop a job; what is stored stays."`
	Pause  jobsPauseCommand  `cmd:"" help:"Halt a job; its slot becomes free."`
	Resume jobsResumeCommand `cmd:"" help:"Let a paused job go on."`
	Retry  jobsRetryCommand  `cmd:"" help:"Run what a failed job has not done."`
	Undo   jobsUndoCommand   `cmd:"" help:"Remove the users of a job that is over."`
}

type jobsListCommand struct {
	remote
	Status *client.Status `enum:"PENDING,IN_PROGRESS,PAUSED,COMPLETED,FAILED,CANCELLED" help:"Only jobs in this status."`
	Limit  int            `short:"n" default:"20" help:"At most so many, 100 at once."`
	After  *uuid.UUID     `help:"Only jobs that are older than this one."`
}

// Run lists jobs, newest first.
func (l *jobsListCommand) Run(p *process) error {
	c, err := l.open()
	if err != nil {
		return err
	}
	r, err := c.ListJobsWithResponse(p.ctx, &client.ListJobsParams{UserID: l.User, Status: l.Status, Limit: &l.Limit, After: l.After})
	if err != nil {
		return err
	}
	if r.JSON200 == nil {
		return client.Failure(r.HTTPResponse, r.Body)
	}
	if err := printJobs(p, r.JSON200.Content); err != nil {
		return err
	}
	if next := r.JSON200.NextCursor; next != nil {
		_, err = fmt.Fprintf(p.stderr, "There are older ones: --after %s goes on.\n", *next)
	}
	return err
}

func printJobs(p *process, jobs []client.Job) error {
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "JOB\tSTATUS\tTIER\tSOURCE\tUSERS\tDONE\t%\tCREATED")
	for _, j := range jobs {
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%d\t%s\n", j.JobID, j.Status, j.Tier, j.Source, j.RequestedCount, j.ProcessedCount, j.Progress,
			j.CreatedAt.Local().Format(time.DateTime))
	}
	return w.Flush()
}

// jobCommand is a command about one job. Each has a type of its own, because kong takes its name from the field.
type jobCommand struct {
	remote
	ID uuid.UUID `arg:"" help:"The job."`
}

// call makes a call about the job, and prints the job in the answer.
func (x *jobCommand) call(p *process, do func(c *client.ClientWithResponses) (*http.Response, error)) error {
	c, err := x.open()
	if err != nil {
		return err
	}
	resp, err := do(c)
	if err != nil {
		return err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if resp.StatusCode >= http.StatusMultipleChoices {
		return client.Failure(resp, body)
	}
	var j client.Job
	if err := json.Unmarshal(body, &j); err != nil {
		return fmt.Errorf("read the answer: %w", err)
	}
	if err := printJobs(p, []client.Job{j}); err != nil {
		return err
	}
	_, err = fmt.Fprintln(p.stdout, j.Message)
	return err
}

type jobsShowCommand struct{ jobCommand }

// Run shows one job.
func (x *jobsShowCommand) Run(p *process) error {
	return x.call(p, func(c *client.ClientWithResponses) (*http.Response, error) {
		return c.GetJob(p.ctx, x.ID, &client.GetJobParams{UserID: x.User})
	})
}

type jobsWatchCommand struct{ jobCommand }

// Run shows the progress of a job that somebody has submitted before.
func (x *jobsWatchCommand) Run(p *process) error {
	c, err := x.open()
	if err != nil {
		return err
	}
	return x.watch(p, c, x.ID)
}

type jobsCancelCommand struct{ jobCommand }

// Run cancels.
func (x *jobsCancelCommand) Run(p *process) error {
	return x.call(p, func(c *client.ClientWithResponses) (*http.Response, error) {
		return c.CancelJob(p.ctx, x.ID, &client.CancelJobParams{UserID: x.User})
	})
}

type jobsPauseCommand struct{ jobCommand }

// Run pauses.
func (x *jobsPauseCommand) Run(p *process) error {
	return x.call(p, func(c *client.ClientWithResponses) (*http.Response, error) {
		return c.PauseJob(p.ctx, x.ID, &client.PauseJobParams{UserID: x.User})
	})
}

type jobsResumeCommand struct{ jobCommand }

// Run resumes.
func (x *jobsResumeCommand) Run(p *process) error {
	return x.call(p, func(c *client.ClientWithResponses) (*http.Response, error) {
		return c.ResumeJob(p.ctx, x.ID, &client.ResumeJobParams{UserID: x.User})
	})
}

type jobsRetryCommand struct{ jobCommand }

// Run retries.
func (x *jobsRetryCommand) Run(p *process) error {
	return x.call(p, func(c *client.ClientWithResponses) (*http.Response, error) {
		return c.RetryJob(p.ctx, x.ID, &client.RetryJobParams{UserID: x.User})
	})
}

type jobsUndoCommand struct{ jobCommand }

// Run undoes.
func (x *jobsUndoCommand) Run(p *process) error {
	return x.call(p, func(c *client.ClientWithResponses) (*http.Response, error) {
		return c.UndoJob(p.ctx, x.ID, &client.UndoJobParams{UserID: x.User})
	})
}
