package store

import (
	"context"
	"unicode"
	"unicode/utf8"

	"golang.org/x/sync/errgroup"
)

// The costs of reading, relative to passing over one user in id order. They need not be exact: plans differ by orders of
// magnitude.
const (
	costLookup = 5   // a user found through a secondary index
	costSeek   = 150 // one more arm of a query
)

const (
	// maxDistinct bounds the values of a column that are looked through. A column with more is searched by walking.
	maxDistinct = 20_000
	// maxArms bounds the arms of a merge: SQLite takes 500.
	maxArms = 200
	// maxProbes bounds the values of a collect, far below the placeholders that a statement may have.
	maxProbes = 5000
)

// plan is how a search finds its users.
type plan struct {
	empty    bool        // nobody can match
	driver   *accessPath // nil: walk
	ordered  bool        // merge the driver's probes, instead of collecting them
	fallback *accessPath // of a walk by id that found too few users within bound
	bound    int64
	within   []probe // values of the column to sort by that a walk keeps to
	first    int64   // least id
	last     int64   // greatest id
}

// accessPath is a filter that an index serves: the values of its columns that match.
type accessPath struct {
	probes []probe
	count  int     // of values
	share  float64 // of all users, as if each value were as frequent as any other
	many   bool    // too many values to look through them all: probes are incomplete
}

type probe struct {
	column string
	values []any
}

// plan looks up which values match, which takes some milliseconds, and compares what the ways to the users cost.
func (sr *search) plan(ctx context.Context) (plan, error) {
	p, rows, err := sr.span(ctx)
	if err != nil || p.empty {
		return p, err
	}
	drivers, err := sr.drivers(ctx)
	if err != nil {
		return p, err
	}
	share := 1.0
	if sr.q.Filter.Gender != "" {
		share /= 2
	}
	for _, d := range drivers {
		if d.count == 0 && !d.many {
			return plan{empty: true}, nil
		}
		share *= max(d.share, 1e-4)
	}
	want := float64(sr.want)
	best := min(rows, want/share)
	p.bound = max(int64(20*best), 20_000)
	if sr.column != "id" {
		best *= costLookup
	}
	least := rows + 1
	for _, d := range drivers {
		if d.many || d.count > maxProbes {
			continue
		}
		if len(d.probes) == 1 && d.probes[0].column == sr.column {
			p.within = append(p.within, d.probes[0])
		}
		all := rows * d.share
		if all < least {
			least, p.fallback = all, d
		}
		if cost := all * costLookup; cost < best {
			best, p.driver, p.ordered = cost, d, false
		}
		if sr.column != "id" || d.count > maxArms {
			continue
		}
		arms := float64(d.count)
		if cost := min(all, arms*want*d.share/share)*costLookup + arms*costSeek; cost < best {
			best, p.driver, p.ordered = cost, d, true
		}
	}
	return p, nil
}

// span finds how many users there are at most.
func (sr *search) span(ctx context.Context) (p plan, rows float64, err error) {
	var ends struct{ First, Last *int64 }
	err = sr.s.r.GetContext(ctx, &ends, `SELECT (SELECT MIN(id) FROM users) AS first, (SELECT MAX(id) FROM users) AS last`)
	if err != nil || ends.First == nil {
		return plan{empty: true}, 0, err
	}
	p.first, p.last = *ends.First, *ends.Last
	if f := sr.q.Filter.FirstID; f != 0 {
		p.first = max(p.first, f)
	}
	if l := sr.q.Filter.LastID; l != 0 {
		p.last = min(p.last, l)
	}
	rows = float64(p.last - p.first + 1)
	p.empty = rows <= 0
	return p, rows, nil
}

// drivers are the filters that an index serves. Their values are looked up at once, since that takes longer than all else.
func (sr *search) drivers(ctx context.Context) (list []*accessPath, err error) {
	f := sr.q.Filter
	g, ctx := errgroup.WithContext(ctx)
	if f.Email != "" {
		list = append(list, &accessPath{probes: []probe{{"email", []any{f.Email}}}, count: 1, share: 1e-9})
	}
	if f.Deleted {
		list = append(list, &accessPath{probes: []probe{{"deleted", []any{true}}}, count: 1, share: 1e-3})
	}
	var ages conditions
	for _, c := range []struct {
		condition string
		age       int
	}{{"v = ?", f.Age}, {"v >= ?", f.MinAge}, {"v <= ?", f.MaxAge}} {
		if c.age != 0 {
			ages.add(c.condition, c.age)
		}
	}
	for _, m := range []struct {
		column string
		given  bool
		on     conditions
	}{
		{"city", f.City != "", sr.has(f.City)}, {"state", f.State != "", sr.has(f.State)}, {"age", len(ages.list) > 0, ages},
	} {
		if !m.given {
			continue
		}
		d := &accessPath{}
		list = append(list, d)
		g.Go(func() error {
			found, err := sr.matching(ctx, m.column, m.on)
			if err == nil {
				*d = *found[0]
			}
			return err
		})
	}
	if f.Name != "" {
		d := &accessPath{}
		list = append(list, d)
		g.Go(func() error {
			found, err := sr.named(ctx, f.Name)
			if err == nil {
				*d = *found
			}
			return err
		})
	}
	return list, g.Wait()
}

// matching finds the distinct values of column by a loose index scan, one seek for each of them however many users there
// are, and answers for each condition on v the driver of those that meet it. Each value stands for all that are equal to
// it, so a condition has to hold for all of them or for none.
func (sr *search) matching(ctx context.Context, column string, on ...conditions) ([]*accessPath, error) {
	flags, args := "", []any(nil)
	drivers, dest := make([]*accessPath, len(on)), make([]any, len(on)+1)
	var value string
	match := make([]bool, len(on))
	dest[0] = &value
	for i, c := range on {
		flags, args = flags+", "+c.String(), append(args, c.args...)
		drivers[i], dest[i+1] = &accessPath{probes: []probe{{column: column}}}, &match[i]
	}
	query := `SELECT v` + flags + ` FROM (` + sr.s.dialect.distinct(column) + `) AS d`
	args = append(args, maxDistinct+1)
	sr.trace(query, args)
	rows, err := sr.s.r.QueryContext(ctx, query, args...)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	distinct := 0
	for rows.Next() {
		if err := rows.Scan(dest...); err != nil {
			return nil, err
		}
		distinct++
		for i, d := range drivers {
			if match[i] {
				d.probes[0].values = append(d.probes[0].values, value)
				d.count++
			}
		}
	}
	for _, d := range drivers {
		d.share = float64(d.count) / float64(max(distinct, 1))
		d.many = distinct > maxDistinct
	}
	return drivers, rows.Err()
}

// has is the condition that v, or a text that is equal to it, may have the part in it.
func (sr *search) has(part string) conditions {
	return conditions{list: []string{"INSTR(" + sr.s.dialect.folded("v") + ", " + sr.s.dialect.folded("?") + ") > 0"}, args: []any{part}}
}

// named is the driver of a name: it is in the first name, in the last name, or goes over the space between them. A
// collation may take other spaces for that one.
func (sr *search) named(ctx context.Context, name string) (*accessPath, error) {
	first, last := []conditions{sr.has(name)}, []conditions{sr.has(name)}
	for i, r := range name {
		if unicode.IsSpace(r) {
			first, last = append(first, sr.has(name[:i])), append(last, sr.has(name[i+utf8.RuneLen(r):]))
		}
	}
	var firsts, lasts []*accessPath
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() (err error) { firsts, err = sr.matching(ctx, "first_name", first...); return err })
	g.Go(func() (err error) { lasts, err = sr.matching(ctx, "last_name", last...); return err })
	if err := g.Wait(); err != nil {
		return nil, err
	}
	sum := &accessPath{}
	add := func(d *accessPath, share float64) {
		if d.count > 0 {
			sum.probes, sum.count = append(sum.probes, d.probes...), sum.count+d.count
		}
		sum.share, sum.many = sum.share+share, sum.many || d.many
	}
	add(firsts[0], firsts[0].share)
	add(lasts[0], lasts[0].share)
	for i := 1; i < len(firsts); i++ {
		less, both := firsts[i], firsts[i].share*lasts[i].share
		switch {
		case both == 0:
			continue
		case sr.column == "first_name":
		case sr.column == "last_name", lasts[i].share < less.share:
			less = lasts[i]
		}
		add(less, both)
	}
	return sum, nil
}
