package main

import (
	"encoding/json"
	"fmt"
	"strings"

	"github.com/google/uuid"

	"github.com/musterhq/muster/client"
)

type importCommand struct {
	Users importUsersCommand `cmd:"" default:"withargs" help:"Import so many made-up users: muster import 100k."`
	File  importFileCommand  `cmd:"" help:"Import your own users from files."`
}

type importUsersCommand struct {
	remote
	outputFlag
	Count          count    `arg:"" help:"How many users: 100000, 100k, 1e6 or 1_000_000."`
	Source         string   `enum:"faker,randomuser" default:"faker" help:"faker or randomuser."`
	Seed           *int64   `help:"The same seed makes the same users."`
	Nat            []string `sep:"none" help:"Nationalities of RandomUser users, such as us,gb."`
	IdempotencyKey *string  `aliases:"key" help:"A repeat with the same key gets the same job."`
	CallbackURL    *string  `help:"An address that is told of the job's end, as a webhook is."`
	Detach         bool     `short:"d" help:"Print the job's id and do not wait for its end."`

	Misplaced countFlag `name:"count" hidden:""`
}

// Run imports, and waits unless told otherwise.
func (i *importUsersCommand) Run(p *process) error {
	c, err := i.open()
	if err != nil {
		return err
	}
	for n := range i.Nat { // in any case, as all words of the command line
		i.Nat[n] = strings.ToLower(i.Nat[n])
	}
	r, err := c.ImportUsersWithResponse(p.ctx, &client.ImportUsersParams{
		UserID: i.User, Count: int64(i.Count), Source: &i.Source, Seed: i.Seed, Nat: list(i.Nat), IdempotencyKey: i.IdempotencyKey,
		CallbackURL: i.CallbackURL,
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
	id, err := accepted(r.JSON202)
	if err != nil {
		return err
	}
	return i.submitted(p, c, id, r.Body, i.Detach, &i.outputFlag)
}

// submitted prints the id of a job that was accepted by the answer, and watches it unless that is not wanted.
func (r *remote) submitted(p *process, c *client.ClientWithResponses, id client.JobID, answer []byte, detach bool, o *outputFlag) error {
	switch {
	case !o.json():
		fmt.Fprintln(p.stdout, id)
	case detach:
		return printJSON(p.stdout, json.RawMessage(answer))
	}
	if detach {
		return nil
	}
	return r.watch(p, c, id, o)
}

// accepted returns the id of the job that was accepted.
func accepted(answer *client.ImportAccepted) (client.JobID, error) {
	job, err := answer.AsAccepted()
	if err != nil {
		return client.JobID{}, err
	}
	return uuid.Parse(job.JobID)
}
