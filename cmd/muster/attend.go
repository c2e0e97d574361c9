package main

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/musterhq/muster/client"
	"github.com/musterhq/muster/cmd/internal/boot"
)

// errDetached: nobody watches the job any more, and it goes on.
var errDetached = errors.New("detached")

// detachedError is an errDetached that says how to go on.
type detachedError struct{ text string }

func (e *detachedError) Error() string { return e.text }

func (*detachedError) Is(target error) bool { return target == errDetached }

// attend follows a job to its end. A person who presses Ctrl-C is asked what is meant; without one it ends p.ctx, as everywhere.
// Errors also: errDetached.
func (r *remote) attend(p *process, c *client.ClientWithResponses, id client.JobID) (*client.Job, error) {
	if !p.person {
		return follow(p.ctx, p.stdout, c, r.User, id)
	}
	interrupted, release := boot.TakeInterrupts(p.ctx)
	defer release()
	for {
		j, asked, err := followUntil(p, interrupted, func(ctx context.Context) (*client.Job, error) {
			return follow(ctx, p.stdout, c, r.User, id)
		})
		if j != nil || !asked {
			return j, err
		}
		switch askWhatIsMeant(p, interrupted) {
		case "d":
			return nil, errDetached
		case "c": // and see it end
			resp, err := client.Check(c.CancelJob(p.ctx, id, &client.CancelJobParams{UserID: r.User})) //nolint:bodyclose // below
			if err != nil {
				fmt.Fprintf(p.stderr, "The job was not cancelled: %v\n", err)
				continue
			}
			_ = resp.Body.Close()
		}
	}
}

// followUntil follows a job until it is over, or Ctrl-C is pressed.
func followUntil(p *process, interrupted <-chan struct{}, follow func(context.Context) (*client.Job, error)) (j *client.Job, asked bool, err error) {
	ctx, stop := context.WithCancel(p.ctx)
	looked := make(chan struct{})
	go func() {
		defer close(looked)
		select {
		case <-interrupted:
			asked = true
			stop()
		case <-ctx.Done():
		}
	}()
	j, err = follow(ctx)
	stop()
	<-looked
	return j, asked, err
}

// askWhatIsMeant asks a person who pressed Ctrl-C, and returns d, c or w. Who presses it again, or is gone, detaches.
func askWhatIsMeant(p *process, interrupted <-chan struct{}) string {
	lines := make(chan string)
	done := make(chan struct{})
	defer close(done)
	for {
		fmt.Fprint(p.stderr, "\nThe job goes on. [d]etach, [c]ancel it, or [w]atch on? ")
		go func() {
			line, err := bufio.NewReader(p.stdin).ReadString('\n')
			if err != nil {
				line = "d"
			}
			select {
			case lines <- line:
			case <-done:
			}
		}()
		select {
		case <-p.ctx.Done():
			return "d"
		case <-interrupted:
			fmt.Fprintln(p.stderr)
			return "d"
		case line := <-lines:
			word := strings.ToLower(strings.TrimSpace(line))
			for _, answer := range []string{"detach", "cancel", "watch"} {
				if word != "" && strings.HasPrefix(answer, word) {
					return answer[:1]
				}
			}
		}
	}
}
