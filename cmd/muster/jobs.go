package main

import (
	"fmt"
	"io"
	"strings"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"github.com/musterhq/muster/client"
)

type jobsCommand struct {
	List   jobsListCommand   `cmd:"" default:"withargs" help:"List the latest jobs."`
	Get    jobsGetCommand    `cmd:"" help:"Show jobs."`
	Watch  jobsWatchCommand  `cmd:"" help:"Show how far a job is, until it is over."`
	Cancel jobsCancelCommand `cmd:"" help:"Stop jobs; what is stored stays."`
	Pause  jobsPauseCommand  `cmd:"" help:"Halt jobs; their slots become free."`
	Resume jobsResumeCommand `cmd:"" help:"Let paused jobs go on."`
	Retry  jobsRetryCommand  `cmd:"" help:"Run what failed jobs have not done."`
	Undo   jobsUndoCommand   `cmd:"" help:"Remove the users of jobs that are over."`

	Show jobsGetCommand `cmd:"" hidden:"" help:"Get, by its former name."`

	Rejected jobsRejectedCommand `cmd:"" help:"Write the rejected rows of a file, to be mended and imported again."`
}

type jobsListCommand struct {
	remote
	outputFlag
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
	if l.json() {
		err = printContent(p.stdout, r.Body)
	} else {
		err = printJobs(p.stdout, r.JSON200.Content)
	}
	if err != nil {
		return err
	}
	if next := r.JSON200.NextCursor; next != nil {
		_, err = fmt.Fprintf(p.stderr, "There are older ones: --after %s goes on.\n", *next)
	}
	return err
}

// jobHeading is above the ids of jobs.
const jobHeading = "JOB"

func printJobs(out io.Writer, jobs []client.Job) error {
	w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, jobHeading+"\tSTATUS\tTIER\tSOURCE\tUSERS\tDONE\t%\tCREATED\tFILE")
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
