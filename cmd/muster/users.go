package main

import (
	"encoding/json"
	"fmt"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/musterhq/muster/client"
)

// filter picks users; the conditions are ANDed.
type filter struct {
	Name    string `help:"In the name, any case."`
	City    string `help:"In the city, any case."`
	State   string `help:"In the state, any case."`
	Email   string `help:"The whole address, any case."`
	Gender  string `enum:",Male,Female" default:"" help:"Male or Female."`
	Age     int    `help:"Exactly so old."`
	MinAge  int    `help:"So old or older."`
	MaxAge  int    `help:"So old or younger."`
	Deleted bool   `help:"Only deleted users."`
}

type usersCommand struct {
	Search usersSearchCommand `cmd:"" default:"withargs" help:"Search users."`
	Show   usersShowCommand   `cmd:"" help:"Show one user."`
}

type usersSearchCommand struct {
	remote
	filter
	Sort  string `default:"id" help:"id, firstName, lastName, city, state, age or email."`
	Desc  bool   `help:"From the end."`
	Limit int    `short:"n" default:"20" help:"At most so many; 0: all."`
	JSON  bool   `help:"One JSON object a line instead of a table."`
}

// pageSize is the most that the API answers at once.
const pageSize = 1000

// Run prints users, page by page.
func (s *usersSearchCommand) Run(p *process) error {
	c, err := s.open()
	if err != nil {
		return err
	}
	show, flush := tableOf(p)
	if s.JSON {
		lines := json.NewEncoder(p.stdout)
		show, flush = func(u *client.User) error { return lines.Encode(u) }, func() error { return nil }
	}
	direction := "asc"
	if s.Desc {
		direction = "desc"
	}
	after, left := "", s.Limit
	for {
		size := pageSize
		if s.Limit > 0 {
			size = min(size, left)
		}
		r, err := c.SearchUsersWithResponse(p.ctx, &client.SearchUsersParams{
			Name: given(s.Name), City: given(s.City), State: given(s.State), Email: given(s.Email), Gender: given(s.Gender),
			Age: given(s.Age), MinAge: given(s.MinAge), MaxAge: given(s.MaxAge), Deleted: given(s.Deleted),
			SortBy: &s.Sort, Direction: &direction, Size: &size, After: given(after),
		})
		if err != nil {
			return err
		}
		if r.JSON200 == nil {
			return client.Failure(r.HTTPResponse, r.Body)
		}
		for i := range r.JSON200.Content {
			if err := show(&r.JSON200.Content[i]); err != nil {
				return err
			}
		}
		left -= len(r.JSON200.Content)
		if !r.JSON200.HasNext || r.JSON200.NextCursor == nil || s.Limit > 0 && left <= 0 {
			return flush()
		}
		after = *r.JSON200.NextCursor
	}
}

// tableOf shows users as rows of a table, which is written in the end.
func tableOf(p *process) (show func(*client.User) error, flush func() error) {
	w := tabwriter.NewWriter(p.stdout, 0, 0, 2, ' ', 0)
	fmt.Fprintln(w, "ID\tNAME\tAGE\tGENDER\tCITY\tSTATE\tEMAIL\tMOBILE")
	return func(u *client.User) error {
		_, err := fmt.Fprintf(w, "%d\t%s %s\t%d\t%s\t%s\t%s\t%s\t%s\n",
			u.ID, plain(u.FirstName), plain(u.LastName), u.Age, u.Gender, plain(u.City), plain(u.State), plain(u.Email), plain(u.MobileNumber))
		return err
	}, w.Flush
}

// plain keeps what somebody stored from steering the terminal.
func plain(s string) string {
	return strings.Map(func(r rune) rune {
		if unicode.IsControl(r) {
			return unicode.ReplacementChar
		}
		return r
	}, s)
}

type usersShowCommand struct {
	remote
	ID int64 `arg:"" help:"The user."`
}

// Run shows one user.
func (s *usersShowCommand) Run(p *process) error {
	c, err := s.open()
	if err != nil {
		return err
	}
	r, err := c.GetUserWithResponse(p.ctx, s.ID, &client.GetUserParams{})
	if err != nil {
		return err
	}
	if r.JSON200 == nil {
		return client.Failure(r.HTTPResponse, r.Body)
	}
	show, flush := tableOf(p)
	if err := show(r.JSON200); err != nil {
		return err
	}
	return flush()
}
