// Package cron tells at which instants a cron expression fires in a time zone. It is pure.
//
// The library reads the expression and walks the calendar, in UTC, where every day has 24 hours. What a wall clock means in a
// zone that puts its clocks forward and back is decided here.
package cron

import (
	"regexp"
	"strings"
	"time"
	_ "time/tzdata" // an image made from nothing has no zones

	"github.com/hashicorp/cronexpr"

	"github.com/musterhq/muster/internal/invalid"
)

// Cron is an expression in a time zone. Make one with Parse.
type Cron struct {
	expr *cronexpr.Expression
	zone *time.Location
	// elapsed: it fires at each instant at which a clock there shows a time that matches. Otherwise at each of these times once,
	// whether a clock shows it never, once or twice.
	elapsed bool
}

// named are the words for whole expressions.
var named = map[string]string{
	"@yearly": "0 0 1 1 *", "@annually": "0 0 1 1 *", "@monthly": "0 0 1 * *", "@weekly": "0 0 * * 0", "@daily": "0 0 * * *",
	"@midnight": "0 0 * * *", "@hourly": "0 * * * *",
}

// field is what a field may have: the library knows more, which is not promised here.
var field = regexp.MustCompile(`^(?:\*|[0-9]{1,2}|[A-Za-z]{3})(?:-(?:[0-9]{1,2}|[A-Za-z]{3}))?(?:/[0-9]{1,2})?$`)

// Parse reads five fields (minute, hour, day of the month, month, day of the week) or one of @yearly, @annually, @monthly,
// @weekly, @daily, @midnight and @hourly, and the IANA name of a time zone. The error is an *invalid.Error of the fields cron
// and timeZone. An expression that never fires, such as one for 31 February, is one.
func Parse(expression, zone string) (*Cron, error) {
	var bad invalid.Error
	c := &Cron{}
	var err error
	if c.zone, err = time.LoadLocation(zone); err != nil || zone == "" || zone == "Local" {
		bad.Add("timeZone", "must be the IANA name of a time zone, such as Europe/Berlin or UTC")
	}
	fields := fieldsOf(expression)
	if fields == nil {
		bad.Add("cron", "must be five fields, minute hour day month weekday, or one of @hourly, @daily, @weekly, @monthly and @yearly")
		return nil, bad.Err()
	}
	c.elapsed = strings.HasPrefix(fields[1], "*")
	if c.expr, err = cronexpr.Parse(strings.Join(fields, " ")); err != nil {
		bad.Add("cron", "has a field that cannot be: minute 0-59, hour 0-23, day 1-31, month 1-12 or JAN-DEC, weekday 0-7 or SUN-SAT")
	} else if c.expr.Next(time.Date(2000, 1, 1, 0, 0, 0, 0, time.UTC)).IsZero() {
		bad.Add("cron", "never fires")
	}
	if err := bad.Err(); err != nil {
		return nil, err
	}
	return c, nil
}

// fieldsOf returns the five fields; nil when the text has not their form.
func fieldsOf(expression string) []string {
	expression = strings.TrimSpace(expression)
	if long, ok := named[strings.ToLower(expression)]; ok {
		expression = long
	}
	fields := strings.Fields(expression)
	if len(fields) != 5 {
		return nil
	}
	for _, f := range fields {
		for part := range strings.SplitSeq(f, ",") {
			if !field.MatchString(part) {
				return nil
			}
		}
	}
	return fields
}

// Zone returns the time zone.
func (c *Cron) Zone() *time.Location { return c.zone }

// Next returns the first instant after t at which it fires, on a whole minute; the zero time when there is none before the
// year 2100.
//
// Where the clocks are put forward, a time that is skipped fires when they are, and where they are put back, a time that comes
// twice fires the first time. An expression whose hour begins with * fires on the clock as it runs instead: every quarter of an
// hour is that also on these days.
func (c *Cron) Next(t time.Time) time.Time {
	if c.elapsed {
		return c.nextElapsed(t)
	}
	for wall := wallOf(t, c.zone); ; {
		if wall = c.expr.Next(wall); wall.IsZero() {
			return wall
		}
		if at := instant(wall, c.zone); at.After(t) {
			return at
		}
	}
}

// nextElapsed goes from one change of the clocks to the next, between which the wall clock and time run alike.
func (c *Cron) nextElapsed(t time.Time) time.Time {
	for {
		wall := wallOf(t, c.zone)
		next := c.expr.Next(wall)
		if next.IsZero() {
			return next
		}
		at := t.Add(next.Sub(wall))
		_, end := t.In(c.zone).ZoneBounds()
		if end.IsZero() || at.Before(end) {
			return at.UTC()
		}
		// On with the clock as it is after the change, whose own instant may match.
		wall = wallOf(end, c.zone)
		if c.expr.Next(wall.Add(-time.Nanosecond)).Equal(wall) {
			return end.UTC()
		}
		t = end
	}
}

// wallOf returns what a clock in the zone shows at t, as a time in UTC.
func wallOf(t time.Time, zone *time.Location) time.Time {
	_, offset := t.In(zone).Zone()
	return t.UTC().Add(time.Duration(offset) * time.Second)
}

// instant returns when a clock in the zone shows wall: the first time if it does so twice, and when the clocks are put forward
// if it never does.
func instant(wall time.Time, zone *time.Location) time.Time {
	near := time.Date(wall.Year(), wall.Month(), wall.Day(), wall.Hour(), wall.Minute(), wall.Second(), 0, zone)
	start, end := near.ZoneBounds()
	var first time.Time
	for _, clock := range []time.Time{near, start.Add(-time.Nanosecond), end} { // as it is then, and before and after that
		_, offset := clock.In(zone).Zone()
		at := wall.Add(-time.Duration(offset) * time.Second)
		if wallOf(at, zone).Equal(wall) && (first.IsZero() || at.Before(first)) {
			first = at
		}
	}
	switch {
	case !first.IsZero():
		return first
	case !start.IsZero() && wall.Before(wallOf(start, zone)): // near lies behind the change that skips wall
		return start.UTC()
	}
	return end.UTC()
}
