package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"text/tabwriter"
	"time"

	"github.com/google/uuid"

	"github.com/musterhq/muster/client"
)

type webhooksDeliveriesCommand struct {
	remote
	outputFlag
	Webhook *string    `help:"Only to this webhook; callbacks: to the --callback-url of jobs."`
	Job     *uuid.UUID `help:"Only about this job."`
	State   *string    `enum:"PENDING,DELIVERED,FAILED" help:"Only in this state."`
	Limit   int        `short:"n" default:"20" help:"At most so many, 100 at once."`
	After   *string    `help:"Only deliveries that are older than this one."`
}

// Run lists deliveries, newest first.
func (x *webhooksDeliveriesCommand) Run(p *process) error {
	c, err := x.open()
	if err != nil {
		return err
	}
	r, err := c.ListDeliveriesWithResponse(p.ctx, &client.ListDeliveriesParams{
		UserID: x.User, WebhookID: x.Webhook, JobID: x.Job, State: x.State, Limit: &x.Limit, After: x.After,
	})
	if err != nil {
		return err
	}
	if r.JSON200 == nil {
		return client.Failure(r.HTTPResponse, r.Body)
	}
	if x.json() {
		err = printContent(p.stdout, r.Body)
	} else {
		err = printDeliveries(p, r.JSON200.Content...)
	}
	if next := r.JSON200.NextCursor; err == nil && next != nil {
		_, err = fmt.Fprintf(p.stderr, "There are older ones: --after %s goes on.\n", *next)
	}
	return err
}

func printDeliveries(p *process, all ...client.WebhookDelivery) error {
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "DELIVERY\tEVENT\tSTATE\tATTEMPTS\tCREATED\tNEXT\tJOB\tWEBHOOK")
	for i := range all {
		d := &all[i]
		next := ""
		if d.NextAttemptAt != nil {
			next = localTime(*d.NextAttemptAt)
		}
		fmt.Fprintf(w, "%s\t%s\t%s\t%d\t%s\t%s\t%s\t%s\n", d.ID, d.Event, d.State, d.AttemptCount, localTime(d.CreatedAt), next, value(d.JobID), d.WebhookID)
	}
	return w.Flush()
}

// printDelivery prints a delivery in full: with each attempt, and what is sent.
func printDelivery(p *process, d *client.WebhookDelivery) error {
	if err := printDeliveries(p, *d); err != nil {
		return err
	}
	if d.URL != nil {
		fmt.Fprintln(p.stdout, plain(*d.URL))
	}
	if attempts := value(d.Attempts); len(attempts) > 0 {
		w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
		fmt.Fprintln(w, "ATTEMPT\tAT\tMS\tSTATUS\tERROR\tANSWER")
		for i := range attempts {
			a := &attempts[i]
			status := ""
			if a.Status != nil {
				status = fmt.Sprint(*a.Status)
			}
			fmt.Fprintf(w, "%d\t%s\t%d\t%s\t%s\t%s\n", a.Number, localTime(a.At), a.Milliseconds, status, value(a.Error), plain(value(a.Answer)))
		}
		if err := w.Flush(); err != nil {
			return err
		}
	}
	if d.Payload == nil {
		return nil
	}
	_, err := fmt.Fprintln(p.stdout, plain(*d.Payload))
	return err
}

type webhooksDeliveryCommand struct {
	remote
	outputFlag
	ID string `arg:"" help:"The delivery: msg_…"`
}

// Run shows a delivery.
func (x *webhooksDeliveryCommand) Run(p *process) error {
	c, err := x.open()
	if err != nil {
		return err
	}
	d, err := oneObject[client.WebhookDelivery](p, &x.outputFlag, func() (*http.Response, error) {
		return c.GetDelivery(p.ctx, x.ID, &client.GetDeliveryParams{UserID: x.User})
	})
	if err != nil || x.json() {
		return err
	}
	return printDelivery(p, &d)
}

type webhooksTestCommand struct {
	remote
	outputFlag
	ID     string `arg:"" help:"The webhook."`
	Detach bool   `short:"d" help:"Print the delivery and do not wait for an attempt."`
}

// testWithin is how long a test waits for the first attempt: one takes 15 s at most, and a worker looks every 2 s.
const testWithin = time.Minute

// Run has a test sent, waits for the first attempt, and fails when it did not arrive.
func (x *webhooksTestCommand) Run(p *process) error {
	c, err := x.open()
	if err != nil {
		return err
	}
	h, err := oneObject[client.Webhook](p, &outputFlag{}, func() (*http.Response, error) {
		return c.GetWebhook(p.ctx, x.ID, &client.GetWebhookParams{UserID: x.User})
	})
	if err == nil && h.DisabledAt != nil {
		err = fmt.Errorf("the webhook is disabled: `%s` lets it have deliveries again", x.again("muster webhooks enable "+x.ID))
	}
	if err != nil {
		return err
	}
	d, err := oneObject[client.WebhookDelivery](p, &outputFlag{}, func() (*http.Response, error) {
		return c.TestWebhook(p.ctx, x.ID, &client.TestWebhookParams{UserID: x.User})
	})
	if err == nil && !x.Detach {
		d, err = x.wait(p, c, d)
	}
	if d.ID == "" {
		return err
	}
	if x.json() {
		return errors.Join(printJSON(p.stdout, d), err)
	}
	return errors.Join(printDelivery(p, &d), err)
}

// wait returns the delivery as it is after its first attempt.
func (x *webhooksTestCommand) wait(p *process, c *client.ClientWithResponses, d client.WebhookDelivery) (client.WebhookDelivery, error) {
	for began := time.Now(); d.AttemptCount == 0; {
		if time.Since(began) > testWithin {
			return d, errors.New("no worker has sent it for a minute: `muster doctor` says whether one runs")
		}
		select {
		case <-p.ctx.Done():
			return d, p.ctx.Err()
		case <-time.After(200 * time.Millisecond):
		}
		r, err := c.GetDeliveryWithResponse(p.ctx, d.ID, &client.GetDeliveryParams{UserID: x.User})
		if err != nil {
			return d, err
		}
		if r.JSON200 == nil {
			return d, client.Failure(r.HTTPResponse, r.Body)
		}
		d = *r.JSON200
	}
	if d.State != "DELIVERED" {
		return d, errors.New("the test did not arrive")
	}
	return d, nil
}

type webhooksReplayCommand struct {
	remote
	outputFlag
	Delivery string `arg:"" optional:"" help:"The delivery: msg_…"`
	Webhook  string `help:"All deliveries to this webhook that are over, since a time; callbacks: to the --callback-url of jobs."`
	Since    string `help:"With --webhook: 2026-02-16T10:05:30Z, or so long ago: 24h."`
}

// Run has deliveries sent again, with their ids and payloads as they were.
func (x *webhooksReplayCommand) Run(p *process) error {
	if (x.Delivery == "") == (x.Webhook == "") || (x.Webhook == "") != (x.Since == "") {
		return errors.New("replay wants a delivery, or --webhook and --since")
	}
	c, err := x.open()
	if err != nil {
		return err
	}
	if x.Webhook != "" {
		return x.since(p, c)
	}
	d, err := oneObject[client.WebhookDelivery](p, &x.outputFlag, func() (*http.Response, error) {
		return c.ReplayDelivery(p.ctx, x.Delivery, &client.ReplayDeliveryParams{UserID: x.User})
	})
	if err != nil || x.json() {
		return err
	}
	return printDeliveries(p, d)
}

func (x *webhooksReplayCommand) since(p *process, c *client.ClientWithResponses) error {
	since := x.Since
	if ago, err := time.ParseDuration(since); err == nil {
		since = time.Now().Add(-ago.Abs()).UTC().Format(time.RFC3339)
	}
	r, err := c.ReplayWebhookWithResponse(p.ctx, x.Webhook, &client.ReplayWebhookParams{UserID: x.User, Since: since})
	if err != nil {
		return err
	}
	if r.JSON202 == nil {
		return client.Failure(r.HTTPResponse, r.Body)
	}
	if x.json() {
		return printJSON(p.stdout, json.RawMessage(r.Body))
	}
	_, err = fmt.Fprintf(p.stdout, "%d deliveries are sent again.\n", r.JSON202.Deliveries)
	return err
}
