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

type jobsCommand struct {
	List   jobsListCommand   `cmd:"" default:"withargs" help:"List the latest jobs."`
	Show   jobsShowCommand   `cmd:"" help:"Show one job."`
	Watch  jobsWatchCommand  `cmd:"" help:"Show how far a job is, until it is over."`
	Cancel jobsCancelCommand `cmd:"" help:"Stop a job; what is stored stays."`
	Pause  jobsPauseCommand  `cmd:"" help:"Halt a job; its slot becomes free."`
	Resume jobsResumeCommand `cmd:"" help:"Let a paused job go on."`
	Retry  jobsRetryCommand  `cmd:"" help:"Run what a failed job has not done."`
	Undo   jobsUndoCommand   `cmd:"" help:"Remove the users of a job that is over."`

	Rejected jobsRejectedCommand `cmd:"" help:"Write the rejected rows of a file, to be mended and imported again."`
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
	fmt.Fprintln(w, "JOB\tSTATUS\tTIER\tSOURCE\tUSERS\tDONE\t%\tCREATED\tFILE")
	for i := range jobs {
		j := &jobs[i]
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%d\t%d\t%d\t%s\t%s\n", j.JobID, j.Status, j.Tier, j.Source, j.RequestedCount, j.ProcessedCount, j.Progress,
			j.CreatedAt.Local().Format(time.DateTime), nameOf(j))
	}
	return w.Flush()
}

// nameOf returns the name of a job's file; it may have none.
func nameOf(j *client.Job) string {
	if j.File == nil || j.File.Name == nil {
		return ""
	}
	return plain(*j.File.Name)
}

// printFile prints what is known of a job's file, and what became of its rows so far.
func printFile(p *process, j *client.Job) error {
	if j.File == nil {
		return nil
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	line := func(name, value string) {
		if value != "" {
			fmt.Fprintf(w, "%s\t%s\n", name, value)
		}
	}
	f := j.File
	line("phase", value(j.Phase))
	line("file", strings.Join(present(nameOf(j), byteSize(f.Bytes), dialect(value(f.Format), value(f.Compression), value(f.Charset), value(f.Delimiter))), ", "))
	if f.Columns != nil {
		taken, passed := parted(*f.Columns)
		line("columns", strings.Join(taken, ", "))
		line("not used", strings.Join(passed, ", "))
	}
	if j.Outcome != nil {
		line("outcome", outcomeText(j.Outcome))
	}
	if value(j.DryRun) {
		line("dry run", "no user is stored")
	}
	line("parent", value(j.ParentJobID))
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
	fmt.Fprintln(p.stdout, j.Message)
	return printFile(p, &j)
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
