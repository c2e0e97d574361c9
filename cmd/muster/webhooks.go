package main

import (
	"fmt"
	"net/http"
	"text/tabwriter"
	"time"

	"github.com/musterhq/muster/client"
)

type webhooksCommand struct {
	List    webhooksListCommand    `cmd:"" default:"withargs" help:"List webhooks, oldest first."`
	Get     webhooksGetCommand     `cmd:"" help:"Show a webhook."`
	Create  webhooksCreateCommand  `cmd:"" help:"Tell an address of the end of each job from now on."`
	Secret  webhooksSecretCommand  `cmd:"" help:"Print the secret that its deliveries are signed with."`
	Rotate  webhooksRotateCommand  `cmd:"" help:"Give it another secret, and print that; the old one signs, too, for a day."`
	Disable webhooksDisableCommand `cmd:"" help:"Send it nothing, until it is enabled."`
	Enable  webhooksEnableCommand  `cmd:"" help:"Send it deliveries again."`
	Delete  webhooksDeleteCommand  `cmd:"" help:"Remove a webhook, with what is on its way to it."`
	Test    webhooksTestCommand    `cmd:"" help:"Send it a test, and show what it answers."`

	Deliveries webhooksDeliveriesCommand `cmd:"" help:"List deliveries, newest first."`
	Delivery   webhooksDeliveryCommand   `cmd:"" help:"Show a delivery, with its attempts."`
	Replay     webhooksReplayCommand     `cmd:"" help:"Send a delivery again, or all of a webhook since a time."`
}

type webhooksListCommand struct {
	remote
	outputFlag
}

// Run lists webhooks.
func (x *webhooksListCommand) Run(p *process) error {
	c, err := x.open()
	if err != nil {
		return err
	}
	r, err := c.ListWebhooksWithResponse(p.ctx, &client.ListWebhooksParams{UserID: x.User})
	if err != nil {
		return err
	}
	if r.JSON200 == nil {
		return client.Failure(r.HTTPResponse, r.Body)
	}
	if x.json() {
		return printContent(p.stdout, r.Body)
	}
	return printWebhooks(p, r.JSON200.Content...)
}

func printWebhooks(p *process, all ...client.Webhook) error {
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "WEBHOOK\tSTATE\tCREATED\tURL")
	for i := range all {
		h := &all[i]
		fmt.Fprintf(w, "%s\t%s\t%s\t%s\n", h.ID, stateOf(h), localTime(h.CreatedAt), plain(h.URL))
	}
	return w.Flush()
}

// stateOf says whether deliveries are sent to a webhook, and arrive.
func stateOf(h *client.Webhook) string {
	switch {
	case h.DisabledAt != nil:
		return "disabled (" + value(h.DisabledWhy) + ")"
	case h.FailingSince != nil:
		return "failing since " + localTime(*h.FailingSince)
	}
	return "enabled"
}

func localTime(t time.Time) string { return t.Local().Format(time.DateTime) }

// oneWebhook is a command about a webhook.
type oneWebhook struct {
	remote
	outputFlag
	ID string `arg:"" help:"The webhook; callbacks stands for the --callback-url of all your jobs."`
}

// change makes a call about the webhook, and prints the one in the answer.
func (x *oneWebhook) change(p *process, call func(c *client.ClientWithResponses) (*http.Response, error)) error {
	c, err := x.open()
	if err != nil {
		return err
	}
	h, err := oneObject[client.Webhook](p, &x.outputFlag, func() (*http.Response, error) { return call(c) })
	if err != nil || x.json() {
		return err
	}
	return printWebhooks(p, h)
}

type webhooksGetCommand struct{ oneWebhook }

// Run shows a webhook.
func (x *webhooksGetCommand) Run(p *process) error {
	return x.change(p, func(c *client.ClientWithResponses) (*http.Response, error) {
		return c.GetWebhook(p.ctx, x.ID, &client.GetWebhookParams{UserID: x.User})
	})
}

type webhooksDisableCommand struct{ oneWebhook }

// Run disables.
func (x *webhooksDisableCommand) Run(p *process) error {
	return x.change(p, func(c *client.ClientWithResponses) (*http.Response, error) {
		return c.DisableWebhook(p.ctx, x.ID, &client.DisableWebhookParams{UserID: x.User})
	})
}

type webhooksEnableCommand struct{ oneWebhook }

// Run enables.
func (x *webhooksEnableCommand) Run(p *process) error {
	return x.change(p, func(c *client.ClientWithResponses) (*http.Response, error) {
		return c.EnableWebhook(p.ctx, x.ID, &client.EnableWebhookParams{UserID: x.User})
	})
}

type webhooksDeleteCommand struct {
	remote
	ID string `arg:"" help:"The webhook."`
}

// Run removes a webhook. It has nothing to print but that.
func (x *webhooksDeleteCommand) Run(p *process) error {
	c, err := x.open()
	if err != nil {
		return err
	}
	resp, err := client.Check(c.DeleteWebhook(p.ctx, x.ID, &client.DeleteWebhookParams{UserID: x.User})) //nolint:bodyclose // below
	if err != nil {
		return err
	}
	_ = resp.Body.Close()
	_, err = fmt.Fprintf(p.stderr, "Removed %s.\n", x.ID)
	return err
}

type webhooksCreateCommand struct {
	remote
	outputFlag
	URL string `arg:"" help:"Where deliveries are sent to: https://example.com/muster."`
}

// Run registers an address, and prints the webhook and its secret.
func (x *webhooksCreateCommand) Run(p *process) error {
	c, err := x.open()
	if err != nil {
		return err
	}
	h, err := oneObject[client.NewWebhook](p, &x.outputFlag, func() (*http.Response, error) {
		return c.CreateWebhook(p.ctx, &client.CreateWebhookParams{UserID: x.User, URL: x.URL})
	})
	if err != nil || x.json() {
		return err
	}
	_, err = fmt.Fprintf(p.stdout, "webhook  %s\nsecret   %s\n", h.ID, h.Secret)
	return err
}

type webhooksSecretCommand struct{ oneWebhook }

// Run prints the secret.
func (x *webhooksSecretCommand) Run(p *process) error {
	return x.print(p, func(c *client.ClientWithResponses) (*http.Response, error) {
		return c.GetWebhookSecret(p.ctx, x.ID, &client.GetWebhookSecretParams{UserID: x.User})
	})
}

type webhooksRotateCommand struct{ oneWebhook }

// Run gives the webhook another secret.
func (x *webhooksRotateCommand) Run(p *process) error {
	return x.print(p, func(c *client.ClientWithResponses) (*http.Response, error) {
		return c.RotateWebhook(p.ctx, x.ID, &client.RotateWebhookParams{UserID: x.User})
	})
}

// print prints the secret in an answer, alone, so that a script can take it. Who asks is told of the one before.
func (x *oneWebhook) print(p *process, call func(c *client.ClientWithResponses) (*http.Response, error)) error {
	c, err := x.open()
	if err != nil {
		return err
	}
	s, err := oneObject[client.WebhookSecret](p, &x.outputFlag, func() (*http.Response, error) { return call(c) })
	if err != nil || x.json() {
		return err
	}
	if s.PreviousUntil != nil {
		fmt.Fprintf(p.stderr, "Until %s deliveries are signed with the secret before it as well.\n", localTime(*s.PreviousUntil))
	}
	_, err = fmt.Fprintln(p.stdout, s.Secret)
	return err
}
