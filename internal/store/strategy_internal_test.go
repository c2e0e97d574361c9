package store

import (
	"fmt"
	"maps"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/user"
)

// model is what the strategies mean: rows one after the other, by nothing but loops over all users.
type model struct {
	users   []user.User
	firstID int64
}

func (m *model) row(r *columns.Row, o *job.FileOptions) string {
	var same []int
	for i, u := range m.users {
		if o.Key == columns.KeyID && u.ID == r.ID || o.Key == columns.KeyEmail && strings.EqualFold(u.Email, r.User.Email) {
			same = append(same, i)
		}
	}
	switch {
	case o.Key == columns.KeyEmail && r.User.Email == "":
		return columns.MissingKey
	case o.Key == columns.KeyID && r.ID != 0 && len(same) == 0:
		return columns.UnknownID
	case len(same) == 0 || o.Key == "":
		if r.User.Email+r.User.FirstName+r.User.LastName == "" {
			return columns.Required
		}
		u := r.User
		u.ID = m.firstID + r.Index
		m.users = append(m.users, u)
		return "inserted"
	case o.OnDuplicate == job.DuplicateSkip:
		return "skipped"
	case o.OnDuplicate == job.DuplicateReject:
		return columns.Duplicate
	case len(same) > 1:
		return columns.AmbiguousKey
	}
	p, before := r.Patch(), m.users[same[0]]
	then := before
	if strings.EqualFold(r.User.Email, before.Email) {
		p.Email = nil
	}
	p.Apply(&then)
	if o.OnDuplicate == job.DuplicateFill {
		then = filled(before, then)
	}
	switch {
	case then == before:
		return "unchanged"
	case then.Email+then.FirstName+then.LastName == "":
		return columns.Required
	}
	m.users[same[0]] = then
	return "updated"
}

// filled takes from then what before lacks.
func filled(before, then user.User) user.User {
	for _, f := range []struct{ into, from *string }{
		{&before.FirstName, &then.FirstName}, {&before.LastName, &then.LastName}, {&before.Email, &then.Email}, {&before.City, &then.City},
	} {
		if *f.into == "" {
			*f.into = *f.from
		}
	}
	if before.Age == 0 {
		before.Age = then.Age
	}
	return before
}

// Whatever rows come, also several with one key in a batch: the users and the outcomes are those of the rows one by one.
func TestSettleIsRowByRow(t *testing.T) {
	t.Parallel()
	plan := map[string]*columns.Plan{}
	for key, header := range map[string][]string{"": nil, columns.KeyEmail: nil, columns.KeyID: {"id"}} {
		p, err := columns.NewPlan(append(header, "email", "first name", "last name", "city", "age"),
			columns.Options{Key: key, EmptyMeans: columns.Clear, Today: time.Now()})
		if err != nil {
			t.Fatal(err)
		}
		plan[key] = p
	}
	rapid.Check(t, func(t *rapid.T) {
		emails := rapid.SampledFrom([]string{"", "a@example.com", "A@example.com", "b@example.com", "á@example.com"})
		texts := rapid.SampledFrom([]string{"", "Ada", "Bob"})
		o := job.FileOptions{
			Key:         rapid.SampledFrom([]string{columns.KeyEmail, columns.KeyID}).Draw(t, "key"),
			OnDuplicate: rapid.SampledFrom([]string{job.DuplicateInsert, job.DuplicateSkip, job.DuplicateUpdate, job.DuplicateFill, job.DuplicateReject}).Draw(t, "strategy"),
		}
		if o.OnDuplicate == job.DuplicateInsert {
			o.Key = ""
		}
		m := model{firstID: 100}
		for id := range rapid.Int64Range(0, 5).Draw(t, "users") {
			m.users = append(m.users, user.User{ID: id + 1, Email: emails.Draw(t, "email"), FirstName: texts.Draw(t, "first"), City: texts.Draw(t, "city")})
		}
		before := slices.Clone(m.users)
		var rows []columns.Row
		for i := range rapid.Int64Range(1, 6).Draw(t, "rows") {
			record := [][]byte{[]byte(emails.Draw(t, "email")), []byte(texts.Draw(t, "first")), []byte(texts.Draw(t, "last")), []byte(texts.Draw(t, "city")), []byte("36")}
			if o.Key == columns.KeyID {
				record = append([][]byte{fmt.Append(nil, rapid.Int64Range(1, 7).Draw(t, "id"))}, record...)
			}
			var row columns.Row
			if plan[o.Key].Converter().Convert(record, &row) != nil {
				continue // it never comes here
			}
			row.Index = i
			rows = append(rows, row)
		}
		done := settle(rows, &o, m.firstID, thereOf(before, &o))
		want := map[string]int{}
		for i := range rows {
			want[m.row(&rows[i], &o)]++
		}
		got := map[string]int{"inserted": len(done.inserts), "updated": int(done.updated), "unchanged": int(done.unchanged), "skipped": int(done.skipped)}
		for _, r := range done.rejects {
			got[r.Code]++
		}
		maps.DeleteFunc(got, func(_ string, n int) bool { return n == 0 })
		if diff := cmp.Diff(want, got); diff != "" {
			t.Fatalf("outcomes (-want +got):\n%s", diff)
		}
		after := before
		for _, u := range done.updates {
			after[slices.IndexFunc(after, func(other user.User) bool { return other.ID == u.ID })] = u
		}
		if diff := cmp.Diff(m.users, append(after, done.inserts...)); diff != "" {
			t.Fatalf("users (-want +got):\n%s", diff)
		}
	})
}

// thereOf returns users by their keys, as find does.
func thereOf(users []user.User, o *job.FileOptions) map[string][]*known {
	there := map[string][]*known{}
	for _, u := range users {
		key := keyOf(&columns.Row{ID: u.ID, User: u}, o.Key)
		if len(there[key]) < 2 && key != "" {
			there[key] = append(there[key], &known{user: u})
		}
	}
	return there
}

// An address may be in any case of ASCII, and nothing else is the same.
func TestEmailKey(t *testing.T) {
	t.Parallel()
	for address, want := range map[string]string{
		"ADA.Byron@Example.COM": "ada.byron@example.com", "É@example.com": "É@example.com", "ß@x.de": "ß@x.de", "\u212a@x.de": "\u212a@x.de", "[Z@x.de": "[z@x.de", "": "",
	} {
		if got := emailKey(address); got != want {
			t.Errorf("%q: %q, want %q", address, got, want)
		}
	}
}
