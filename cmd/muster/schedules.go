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

type schedulesCommand struct {
	List    schedulesListCommand    `cmd:"" default:"withargs" help:"List schedules."`
	Create  schedulesCreateCommand  `cmd:"" help:"Submit an export, or the import of a file, again and again."`
	Get     schedulesGetCommand     `cmd:"" help:"Show a schedule."`
	Pause   schedulesPauseCommand   `cmd:"" help:"Keep a schedule from firing."`
	Resume  schedulesResumeCommand  `cmd:"" help:"Let a paused schedule fire again."`
	Run     schedulesRunCommand     `cmd:"" help:"Run a schedule now."`
	History schedulesHistoryCommand `cmd:"" help:"List what became of a schedule's runs."`
	Delete  schedulesDeleteCommand  `cmd:"" help:"Remove a schedule and its history; jobs stay."`
}

type schedulesCreateCommand struct {
	remote
	outputFlag
	Action     string   `arg:"" enum:"export,import" help:"export or import."`
	Parameters []string `arg:"" optional:"" name:"parameter" sep:"none" help:"Query parameters of POST /exports, or of POST /import/file: format=csv destination=nightly/{date}."`
	Cron       string   `required:"" help:"When: minute, hour, day, month and day of the week, or @daily and the like."`
	TimeZone   *string  `help:"The time zone of these, such as Europe/Berlin; by default UTC."`
	Name       *string  `help:"What it is called."`
	CatchUp    *string  `enum:"none,last" help:"Of times that passed while no worker ran: none, or the last one, which is the default."`
	Overlap    *string  `enum:"skip,queue" help:"While the job before is not over: skip, which is the default, or queue."`
}

// Run makes a schedule.
func (s *schedulesCreateCommand) Run(p *process) error {
	given := map[string]any{}
	for _, parameter := range s.Parameters {
		name, value, ok := strings.Cut(parameter, "=")
		if !ok {
			return fmt.Errorf("%q is no parameter: write name=value", parameter)
		}
		switch before := given[name].(type) {
		case nil:
			given[name] = value
		case string:
			given[name] = []string{before, value}
		case []string:
			given[name] = append(before, value)
		}
	}
	fields := map[string]any{"cron": s.Cron, "action": map[string]any{"type": s.Action, "parameters": given}}
	for name, flag := range map[string]*string{"timeZone": s.TimeZone, "name": s.Name, "catchUp": s.CatchUp, "overlap": s.Overlap} {
		if flag != nil {
			fields[name] = *flag
		}
	}
	body, err := json.Marshal(fields)
	if err != nil {
		return err
	}
	c, err := s.open()
	if err != nil {
		return err
	}
	return showSchedule(p, s.json(), func() (*http.Response, error) {
		return c.CreateScheduleWithBody(p.ctx, &client.CreateScheduleParams{UserID: s.User}, "application/json", strings.NewReader(string(body)))
	})
}

type schedulesListCommand struct {
	remote
	outputFlag
	Limit int        `short:"n" default:"20" help:"At most so many, 100 at once."`
	After *uuid.UUID `help:"Only schedules that are older than this one."`
}

// scheduleHeading is above the lines of schedules.
const scheduleHeading = "SCHEDULE\tCRON\tZONE\tACTION\tNEXT\tNAME"

// Run lists schedules, newest first.
func (l *schedulesListCommand) Run(p *process) error {
	c, err := l.open()
	if err != nil {
		return err
	}
	r, err := c.ListSchedulesWithResponse(p.ctx, &client.ListSchedulesParams{UserID: l.User, Limit: &l.Limit, After: l.After})
	if err != nil {
		return err
	}
	if r.JSON200 == nil {
		return client.Failure(r.HTTPResponse, r.Body)
	}
	if l.json() {
		err = printContent(p.stdout, r.Body)
	} else {
		w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, scheduleHeading)
		for i := range r.JSON200.Content {
			printScheduleLine(w, &r.JSON200.Content[i])
		}
		err = w.Flush()
	}
	if next := r.JSON200.NextCursor; err == nil && next != nil {
		_, err = fmt.Fprintf(p.stderr, "There are older ones: --after %s goes on.\n", *next)
	}
	return err
}

func printScheduleLine(w io.Writer, s *client.Schedule) {
	next := "paused"
	if len(s.NextFireTimes) > 0 {
		next = s.NextFireTimes[0].Local().Format(time.DateTime)
	} else if s.PausedAt == nil {
		next = "never"
	}
	fmt.Fprintf(w, "%s\t%s\t%s\t%s\t%s\t%s\n", s.ID, s.Cron, s.TimeZone, s.Action.Type, next, plain(s.Name))
}

// showSchedule makes a call and prints the schedule in its answer.
func showSchedule(p *process, asJSON bool, call func() (*http.Response, error)) error {
	var s client.Schedule
	body, err := answerOf(call, &s)
	if err != nil {
		return err
	}
	if asJSON {
		return printJSON(p.stdout, json.RawMessage(body))
	}
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, scheduleHeading)
	printScheduleLine(w, &s)
	return w.Flush()
}

// answerOf makes a call, and reads the JSON of its answer.
func answerOf(call func() (*http.Response, error), to any) ([]byte, error) {
	resp, err := client.Check(call()) //nolint:bodyclose // below
	if err != nil {
		return nil, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(resp.Body)
	if err == nil && to != nil {
		err = json.Unmarshal(body, to)
	}
	if err != nil {
		return nil, fmt.Errorf("read the answer: %w", err)
	}
	return body, nil
}

// oneSchedule is what commands about one schedule share.
type oneSchedule struct {
	remote
	outputFlag
	ID uuid.UUID `arg:"" help:"The schedule."`
}

// call makes a call about the schedule and prints it.
func (o *oneSchedule) call(p *process, do func(c *client.ClientWithResponses) (*http.Response, error)) error {
	c, err := o.open()
	if err != nil {
		return err
	}
	return showSchedule(p, o.json(), func() (*http.Response, error) { return do(c) })
}

type (
	schedulesGetCommand    struct{ oneSchedule }
	schedulesPauseCommand  struct{ oneSchedule }
	schedulesResumeCommand struct{ oneSchedule }
	schedulesRunCommand    struct{ oneSchedule }
)

// Run shows a schedule.
func (s *schedulesGetCommand) Run(p *process) error {
	return s.call(p, func(c *client.ClientWithResponses) (*http.Response, error) {
		return c.GetSchedule(p.ctx, s.ID, &client.GetScheduleParams{UserID: s.User})
	})
}

// Run pauses a schedule.
func (s *schedulesPauseCommand) Run(p *process) error {
	return s.call(p, func(c *client.ClientWithResponses) (*http.Response, error) {
		return c.PauseSchedule(p.ctx, s.ID, &client.PauseScheduleParams{UserID: s.User})
	})
}

// Run resumes a schedule.
func (s *schedulesResumeCommand) Run(p *process) error {
	return s.call(p, func(c *client.ClientWithResponses) (*http.Response, error) {
		return c.ResumeSchedule(p.ctx, s.ID, &client.ResumeScheduleParams{UserID: s.User})
	})
}

// Run runs a schedule now.
func (s *schedulesRunCommand) Run(p *process) error {
	c, err := s.open()
	if err != nil {
		return err
	}
	var run client.ScheduleRun
	body, err := answerOf(func() (*http.Response, error) {
		return c.RunSchedule(p.ctx, s.ID, &client.RunScheduleParams{UserID: s.User})
	}, &run)
	if err != nil {
		return err
	}
	if s.json() {
		return printJSON(p.stdout, json.RawMessage(body))
	}
	_, err = fmt.Fprintf(p.stdout, "A worker submits its job; `%s` has its id then.\n", s.again("muster schedules history "+s.ID.String()))
	return err
}

type schedulesHistoryCommand struct {
	oneSchedule
	Limit int     `short:"n" default:"20" help:"At most so many, 100 at once."`
	After *string `help:"Where the page before ended."`
}

// Run lists runs, newest first.
func (s *schedulesHistoryCommand) Run(p *process) error {
	c, err := s.open()
	if err != nil {
		return err
	}
	r, err := c.ListScheduleRunsWithResponse(p.ctx, s.ID, &client.ListScheduleRunsParams{UserID: s.User, Limit: &s.Limit, After: s.After})
	if err != nil {
		return err
	}
	if r.JSON200 == nil {
		return client.Failure(r.HTTPResponse, r.Body)
	}
	if s.json() {
		err = printContent(p.stdout, r.Body)
	} else {
		w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "TIME\tSTATE\tJOB\tWHY")
		for i := range r.JSON200.Content {
			run := &r.JSON200.Content[i]
			fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", run.FireAt.Local().Format(time.DateTime), run.State, value(run.JobID), value(run.Code))
		}
		err = w.Flush()
	}
	if next := r.JSON200.NextCursor; err == nil && next != nil {
		_, err = fmt.Fprintf(p.stderr, "There are older ones: --after %s goes on.\n", *next)
	}
	return err
}

type schedulesDeleteCommand struct {
	remote
	ID uuid.UUID `arg:"" help:"The schedule."`
}

// Run removes a schedule.
func (s *schedulesDeleteCommand) Run(p *process) error {
	c, err := s.open()
	if err != nil {
		return err
	}
	_, err = answerOf(func() (*http.Response, error) {
		return c.DeleteSchedule(p.ctx, s.ID, &client.DeleteScheduleParams{UserID: s.User})
	}, nil)
	return err
}
