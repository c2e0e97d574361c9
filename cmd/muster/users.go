package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math"
	"strconv"
	"strings"
	"text/tabwriter"
	"unicode"

	"github.com/musterhq/muster/client"
)

// filter picks users; the conditions are ANDed. What is given is sent, empty or zero too, for the API to refuse.
type filter struct {
	Name    *string `help:"In the name, any case."`
	City    *string `help:"In the city, any case."`
	State   *string `help:"In the state, any case."`
	Email   *string `help:"The whole address, any case."`
	Gender  *string `enum:"Male,Female" help:"Male or Female."`
	Age     *int    `help:"Exactly so old."`
	MinAge  *int    `help:"So old or older."`
	MaxAge  *int    `help:"So old or younger."`
	Deleted *bool   `help:"Only deleted users."`
}

type usersCommand struct {
	Search usersSearchCommand `cmd:"" default:"withargs" help:"Search users."`
	Show   usersShowCommand   `cmd:"" help:"Show one user."`
}

type usersSearchCommand struct {
	remote
	outputFlag
	filter
	Sort  string `enum:"id,firstName,lastName,city,state,age,email" default:"id" help:"id, firstName, lastName, city, state, age or email."`
	Desc  bool   `help:"From the end."`
	Limit *int   `short:"n" xor:"limit" help:"At most so many; by default 20."`
	All   bool   `xor:"limit" help:"All of them."`
	JSON  bool   `hidden:"" help:"-o json, by its former name."`
}

const (
	pageSize    = 1000 // the most users that the API returns at once
	searchLimit = 20   // how many a search shows unless told otherwise
)

// Run prints users, each page when it is there.
func (s *usersSearchCommand) Run(p *process) error {
	c, err := s.open()
	if err != nil {
		return err
	}
	table := lister(p.stdout)
	limit := searchLimit
	switch {
	case s.All:
		limit = math.MaxInt
	case s.Limit != nil:
		limit = *s.Limit
	}
	wait := waitLine{out: p.stderr}
	if !s.All {
		wait.total = limit
	}
	direction := "asc"
	if s.Desc {
		direction = "desc"
	}
	var after *string
	for shown := 0; ; {
		size := min(pageSize, limit-shown)
		r, err := c.SearchUsersWithResponse(p.ctx, &client.SearchUsersParams{
			Name: s.Name, City: s.City, State: s.State, Email: s.Email, Gender: s.Gender,
			Age: s.Age, MinAge: s.MinAge, MaxAge: s.MaxAge, Deleted: s.Deleted,
			SortBy: &s.Sort, Direction: &direction, Size: &size, After: after,
		})
		wait.clear()
		if err != nil {
			return err
		}
		if r.JSON200 == nil {
			return client.Failure(r.HTTPResponse, r.Body)
		}
		if s.json() || s.JSON {
			err = printContent(p.stdout, r.Body)
		} else {
			err = table(r.JSON200.Content)
		}
		if err != nil {
			return err
		}
		shown += len(r.JSON200.Content)
		if after = r.JSON200.NextCursor; !r.JSON200.HasNext || after == nil {
			return nil
		}
		if shown >= limit {
			_, err := fmt.Fprintf(p.stderr, "There are more than these %d: -n sets how many to show, --all shows all.\n", shown)
			return err
		}
		wait.draw(shown)
	}
}

// waitLine is a bar that stands below the pages while the next one is fetched, when a person watches.
type waitLine struct {
	out   io.Writer
	total int // 0: unknown
	drawn int // characters
}

func (l *waitLine) draw(n int) {
	if !interactive(l.out) {
		return
	}
	const width = 40
	text := fmt.Sprintf("%d users …", n)
	if l.total > 0 {
		full := n * width / l.total
		text = fmt.Sprintf("%d / %d users [%s%s] …", n, l.total, strings.Repeat("=", full), strings.Repeat("-", width-full))
	}
	l.drawn, _ = fmt.Fprint(l.out, text)
}

func (l *waitLine) clear() {
	if l.drawn > 0 {
		fmt.Fprintf(l.out, "\r%s\r", strings.Repeat(" ", l.drawn))
		l.drawn = 0
	}
}

// lister prints users as lines below a heading: columns that are aligned within each page for a person, parted by tabs
// in a pipe.
func lister(out io.Writer) func([]client.User) error {
	heading := "ID\tNAME\tAGE\tGENDER\tCITY\tSTATE\tEMAIL\tMOBILE\n"
	return func(page []client.User) error {
		var text strings.Builder
		text.WriteString(heading)
		heading = ""
		for i := range page {
			u := &page[i]
			var age, gender string // empty: unknown
			if u.Age != nil {
				age = strconv.Itoa(*u.Age)
			}
			if u.Gender != nil {
				gender = *u.Gender
			}
			fmt.Fprintf(&text, "%d\t%s\t%s\t%s\t%s\t%s\t%s\t%s\n", u.ID, strings.TrimSpace(plain(u.FirstName)+" "+plain(u.LastName)),
				age, plain(gender), plain(u.City), plain(u.State), plain(u.Email), plain(u.MobileNumber))
		}
		if !interactive(out) {
			_, err := io.WriteString(out, text.String())
			return err
		}
		w := tabwriter.NewWriter(out, 0, 0, 2, ' ', 0)
		_, err := io.WriteString(w, text.String())
		return errors.Join(err, w.Flush())
	}
}

// plain returns s with U+FFFD in place of control characters, which could steer the terminal.
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
	outputFlag
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
	if s.json() {
		return printJSON(p.stdout, json.RawMessage(r.Body))
	}
	return lister(p.stdout)([]client.User{*r.JSON200})
}
