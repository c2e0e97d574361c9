package main

import (
	"cmp"
	"context"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"os"
	"strings"

	"github.com/musterhq/muster/client"
)

// remote is where a command's API is, and as whom it calls.
type remote struct {
	Server string `env:"MUSTER_URL" default:"http://127.0.0.1:8080" help:"The API."`
	User   string `env:"MUSTER_USER" default:"cli" help:"The X-USER-ID to call as, where no key is asked for."`
	APIKey string `name:"api-key" env:"MUSTER_KEY" help:"The API key to call with, where one is asked for. Others on this machine can see flags; the variable they cannot."`
}

// The same for a variable that is set to nothing.
const defaultServer, defaultUser = "http://127.0.0.1:8080", "cli"

func (r *remote) open() (*client.ClientWithResponses, error) {
	options := []client.ClientOption{client.WithHTTPClient(caller{})}
	if r.APIKey != "" {
		options = append(options, client.WithKey(r.APIKey))
	}
	c, err := client.Open(cmp.Or(r.Server, defaultServer), options...)
	if err != nil {
		return nil, fmt.Errorf("MUSTER_URL or --server: %w", err)
	}
	return c, nil
}

// again is a command line for the same API and caller.
func (r *remote) again(command string) string {
	if r.Server != cmp.Or(os.Getenv("MUSTER_URL"), defaultServer) && !strings.Contains(r.Server, "@") { // no password
		command += " --server " + r.Server
	}
	if r.User != cmp.Or(os.Getenv("MUSTER_USER"), defaultUser) {
		command += " --user " + r.User
	}
	return command
}

// caller makes the requests. Its errors say who does not answer and what to do, and do not repeat the query, which holds names.
type caller struct{}

func (caller) Do(req *http.Request) (*http.Response, error) {
	resp, err := http.DefaultClient.Do(req)
	if ctxErr := req.Context().Err(); err != nil && ctxErr != nil {
		return nil, ctxErr
	}
	if failed, ok := errors.AsType[*url.Error](err); ok {
		return nil, fmt.Errorf("%s://%s does not answer: %w (`muster dev` starts an API; MUSTER_URL or --server names another)",
			req.URL.Scheme, req.URL.Host, failed.Err)
	}
	return resp, err
}

// explained adds to an error what is to be done about the key that the API asks for.
func explained(err error) error {
	switch e, ok := errors.AsType[*client.APIError](err); {
	case ok && e.Answer.Code == "unauthenticated":
		return fmt.Errorf("%w\nMUSTER_KEY gives the key, or --api-key; whoever runs Muster makes one with `muster keys create`", err)
	case ok && e.Answer.Code == "insufficient_scope":
		return fmt.Errorf("%w\nA key keeps its scopes: whoever runs Muster makes another one with `muster keys create`", err)
	}
	return err
}

// watch shows a job until it is over, and fails when it did not complete, or rows of its file were rejected. The job goes on
// when nobody watches any more, and the error says so. Asked for JSON it prints the job that is over, and the rest to stderr.
func (r *remote) watch(p *process, c *client.ClientWithResponses, id client.JobID, o *outputFlag) error {
	people := *p
	if o.json() {
		people.stdout = p.stderr
	}
	j, err := r.attend(&people, c, id)
	err = r.over(&people, id, j, err)
	if j == nil || !o.json() {
		return err
	}
	return errors.Join(err, r.printJob(p, c, id))
}

// printJob prints a job as the API has it.
func (r *remote) printJob(p *process, c *client.ClientWithResponses, id client.JobID) error {
	_, err := oneObject[client.Job](p, &outputFlag{Output: "json"}, func() (*http.Response, error) { return c.GetJob(p.ctx, id, &client.GetJobParams{UserID: r.User}) })
	return err
}

// over tells what became of a job; failed is why it did not complete or, when j is nil, could not be followed to its end.
func (r *remote) over(p *process, id client.JobID, j *client.Job, failed error) error {
	refused, ok := errors.AsType[*client.APIError](failed)
	switch {
	case j != nil && (value(j.Undone) || strings.HasPrefix(j.Message, "Undoing")): // whatever the import had come to
		_, err := fmt.Fprintln(p.stdout, j.Message)
		return err
	case j != nil && j.File != nil:
		return r.fileOver(p, j, failed)
	case failed == nil && j.Source == exportSource:
		_, err := fmt.Fprintf(p.stdout, "Exported %d users. `%s` fetches them.\n", value(j.ExportedCount), r.again("muster exports download "+id.String()))
		return err
	case failed == nil:
		_, err := fmt.Fprintf(p.stdout, "Imported %d users, ids %d to %d, %d a second.\n", j.ProcessedCount, value(j.FirstID), value(j.LastID), j.RatePerSecond)
		return err
	case j != nil, ok && refused.Status < http.StatusInternalServerError:
		return failed
	case p.ctx.Err() != nil, errors.Is(failed, errDetached):
		return &detachedError{fmt.Sprintf("the job goes on: `%s` shows it, `%s` stops it",
			r.again("muster jobs watch "+id.String()), r.again("muster jobs cancel "+id.String()))}
	}
	return fmt.Errorf("%w\nThe job goes on: `%s` shows it", failed, r.again("muster jobs watch "+id.String()))
}

// standstill is after how many polls without a change the job's message is shown, which says what it waits for.
const standstill = 5

// follow shows a job's progress until it is over, and returns it, with an error when it did not complete. Without a job
// the error says why it could not be followed.
func follow(ctx context.Context, out io.Writer, c *client.ClientWithResponses, user string, id client.JobID) (*client.Job, error) {
	b := jobBar{out: out}
	j, err := c.Wait(ctx, user, id, b.show)
	b.end()
	if err != nil {
		return nil, err
	}
	if j.Status != client.COMPLETED {
		unit := "users"
		if j.Source == exportSource {
			unit = "ids"
		}
		return j, fmt.Errorf("the job ended %s with %d of %d %s: %s", j.Status, j.ProcessedCount, j.RequestedCount, unit, j.Message)
	}
	return j, nil
}

// jobBar shows how far a job is: of a file first the bytes that are read, then the rows.
type jobBar struct {
	out     io.Writer
	bar     *bar // nil: none yet
	reads   bool // it is about bytes
	done    int64
	message string
	polls   int
}

func (b *jobBar) show(j *client.Job) {
	done, total, unit := j.ProcessedCount+j.RejectedCount, j.RequestedCount, "users"
	reads := value(j.Phase) == preparing
	switch {
	case reads:
		done, total, unit = j.File.Bytes/100*int64(j.Progress), j.File.Bytes, ofBytes
	case j.File != nil:
		unit = "rows"
	case j.Source == exportSource:
		unit = "ids"
	}
	if b.bar == nil || b.reads != reads {
		b.end()
		b.bar, b.reads = newBar(b.out, unit, total), reads
	}
	if done != b.done || j.Message != b.message {
		b.done, b.message, b.polls = done, j.Message, 0
	}
	if b.polls++; b.polls == standstill {
		b.bar.say(b.message)
	}
	b.bar.set(done)
}

func (b *jobBar) end() {
	if b.bar != nil {
		b.bar.end()
	}
}

// exportSource is the source of jobs that write users to files. They count ids.
const exportSource = "export"

// preparing is the phase of a job whose file is read, to find its rows.
const preparing = "PREPARING"

// given returns a pointer to v, or nil for the zero value: a parameter that is not sent.
func given[T comparable](v T) *T {
	var zero T
	if v == zero {
		return nil
	}
	return &v
}

// value returns what p points to, or the zero value: what an answer does not say.
func value[T any](p *T) (v T) {
	if p != nil {
		v = *p
	}
	return v
}

// list returns the elements of flags that hold lists joined by commas, or nil where none was given. Kong's own lists do not
// tell an empty one from none.
func list(flags []string) *[]string {
	if flags == nil {
		return nil
	}
	all := strings.Split(strings.Join(flags, ","), ",")
	return &all
}
