package store

import (
	"cmp"
	"slices"
	"strconv"
	"strings"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/user"
)

// settlement is what rows do to the users.
type settlement struct {
	inserts                     []user.User // in the order of the rows
	updates                     []user.User // in the order of their ids, as they are afterwards
	rejects                     []job.Reject
	updated, unchanged, skipped int64 // rows

	last *user.User // the user whom the last row is about, as he is afterwards; nil when it was rejected
}

// known is a user whom a row may be about: one that is there, or that an earlier row of the batch becomes.
type known struct {
	user              user.User
	block             int64 // in which he is, if he is there
	inserted, updated bool
}

// settler decides what becomes of rows. It reads and writes nothing.
type settler struct {
	options          *job.FileOptions
	firstID          int64 // of the user that row 0 of the file becomes
	there            map[string][]*known
	made             []known // the users that rows become; never grows beyond its capacity, since there has pointers into it
	inserts, updates []*known
	settlement
}

// settle decides what becomes of the rows, when there are these users with their keys: at most two with each, since more
// make no difference. Rows of one key, which no batch should have, are settled as if each earlier one had been stored.
func settle(rows []columns.Row, o *job.FileOptions, firstID int64, there map[string][]*known) settlement {
	if o.Key == "" {
		return settleNew(rows, firstID)
	}
	s := settler{options: o, firstID: firstID, there: there, made: make([]known, 0, len(rows))}
	for i := range rows {
		s.last = nil
		s.row(&rows[i])
	}
	slices.SortFunc(s.updates, func(a, b *known) int { return cmp.Compare(a.user.ID, b.user.ID) })
	s.settlement.inserts, s.settlement.updates = users(s.inserts), users(s.updates)
	return s.settlement
}

// settleNew is settle for rows of which each becomes a user, whoever is there.
func settleNew(rows []columns.Row, firstID int64) settlement {
	s := settler{settlement: settlement{inserts: make([]user.User, 0, len(rows))}}
	for i := range rows {
		r := &rows[i]
		if s.last = nil; nameless(&r.User) {
			s.reject(r, columns.Required, columns.KeyEmail, missingIdentity)
			continue
		}
		s.settlement.inserts = append(s.settlement.inserts, r.User)
		s.last = &s.settlement.inserts[len(s.settlement.inserts)-1]
		s.last.ID = firstID + r.Index
	}
	return s.settlement
}

func users(list []*known) []user.User {
	out := make([]user.User, len(list))
	for i, k := range list {
		out[i] = k.user
	}
	return out
}

func (s *settler) row(r *columns.Row) {
	key := keyOf(r, s.options.Key)
	found := s.there[key]
	switch {
	case key == "" && s.options.Key == columns.KeyEmail:
		s.reject(r, columns.MissingKey, columns.KeyEmail, "email is the key and must not be empty")
	case key == "":
		s.insert(r, key)
	case len(found) == 0 && s.options.Key == columns.KeyID:
		s.reject(r, columns.UnknownID, columns.KeyID, "there is no user with this id")
	case len(found) == 0:
		s.insert(r, key)
	case s.options.OnDuplicate == job.DuplicateSkip:
		s.skipped++
		s.last = &found[0].user
	case s.options.OnDuplicate == job.DuplicateReject:
		s.reject(r, columns.Duplicate, s.options.Key, "there is a user with this "+s.options.Key+" already")
	case len(found) > 1:
		s.reject(r, columns.AmbiguousKey, s.options.Key, "several users have this "+s.options.Key)
	default:
		s.change(r, found[0])
	}
}

func (s *settler) insert(r *columns.Row, key string) {
	if nameless(&r.User) {
		s.reject(r, columns.Required, columns.KeyEmail, missingIdentity)
		return
	}
	s.made = append(s.made, known{user: r.User, inserted: true})
	k := &s.made[len(s.made)-1]
	k.user.ID = s.firstID + r.Index
	if key != "" {
		s.there[key] = append(s.there[key], k)
	}
	s.inserts = append(s.inserts, k)
	s.last = &k.user
}

func (s *settler) change(r *columns.Row, k *known) {
	p := r.Changes(&k.user)
	if s.options.OnDuplicate == job.DuplicateFill {
		if r.Name != "" && (k.user.FirstName != "" || k.user.LastName != "") {
			p.FirstName, p.LastName = nil, nil // a part of one name and a part of another are nobody's
		}
		p.Fill(&k.user)
	}
	then := k.user
	p.Apply(&then)
	switch {
	case p.Empty():
		s.unchanged++
	case nameless(&then):
		s.reject(r, columns.Required, columns.KeyEmail, "the user would be left without email and name")
		return
	default:
		s.updated++
		k.user = then
		if !k.inserted && !k.updated {
			s.updates = append(s.updates, k)
		}
		k.updated = true
	}
	s.last = &k.user
}

const missingIdentity = "email or a name must be given"

func nameless(u *user.User) bool { return u.Email == "" && u.FirstName == "" && u.LastName == "" }

func (s *settler) reject(r *columns.Row, code, field, message string) {
	s.rejects = append(s.rejects, job.Reject{Row: r.Index, Line: r.Line, Code: code, Field: field, Message: message, Raw: r.Raw})
}

// keyOf returns what the row's user is told apart by; empty when that is nothing.
func keyOf(r *columns.Row, key string) string {
	switch {
	case key == columns.KeyEmail:
		return emailKey(r.User.Email)
	case key == columns.KeyID && r.ID != 0:
		return strconv.FormatInt(r.ID, 10)
	}
	return ""
}

// emailKey returns an e-mail address with its ASCII letters in lower case. Two addresses are one when their keys are the
// same, and not when a collation takes them for equal, as it does with those that differ in an accent.
func emailKey(address string) string {
	upper := func(r rune) bool { return 'A' <= r && r <= 'Z' }
	if strings.IndexFunc(address, upper) < 0 {
		return address
	}
	return strings.Map(func(r rune) rune {
		if upper(r) {
			return r + 'a' - 'A'
		}
		return r
	}, address)
}
