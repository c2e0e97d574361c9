package cron_test

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/cron"
)

func parse(t *testing.T, expression, zone string) *cron.Cron {
	t.Helper()
	c, err := cron.Parse(expression, zone)
	if err != nil {
		t.Fatalf("%s in %s: %v", expression, zone, err)
	}
	return c
}

// Around the days on which clocks are changed. Instants are in UTC.
func TestNextWhereClocksChange(t *testing.T) {
	t.Parallel()
	for _, test := range []struct {
		name, expression, zone, after string
		want                          []string
	}{
		{"Berlin forward, skipped", "30 2 * * *", "Europe/Berlin", "2026-03-28T12:00Z", []string{"2026-03-29T01:00Z", "2026-03-30T00:30Z"}},
		{"Berlin forward, several skipped fire once", "0,15,30 2 * * *", "Europe/Berlin", "2026-03-28T12:00Z", []string{"2026-03-29T01:00Z", "2026-03-30T00:00Z"}},
		{"Berlin forward, skipped and not skipped at one instant", "30 2,3 * * *", "Europe/Berlin", "2026-03-28T12:00Z", []string{"2026-03-29T01:00Z", "2026-03-29T01:30Z", "2026-03-30T00:30Z"}},
		{"Berlin forward, quarters", "*/15 * * * *", "Europe/Berlin", "2026-03-29T00:40Z", []string{"2026-03-29T00:45Z", "2026-03-29T01:00Z", "2026-03-29T01:15Z"}},
		{"Berlin forward, every other hour", "0 */2 * * *", "Europe/Berlin", "2026-03-28T22:30Z", []string{"2026-03-28T23:00Z", "2026-03-29T02:00Z"}},
		{"Berlin back, twice", "30 2 * * *", "Europe/Berlin", "2026-10-24T12:00Z", []string{"2026-10-25T00:30Z", "2026-10-26T01:30Z"}},
		{"Berlin back, from the second time on", "45 2 * * *", "Europe/Berlin", "2026-10-25T01:10Z", []string{"2026-10-26T01:45Z"}},
		{"Berlin back, quarters", "*/30 * * * *", "Europe/Berlin", "2026-10-25T00:10Z", []string{"2026-10-25T00:30Z", "2026-10-25T01:00Z", "2026-10-25T01:30Z", "2026-10-25T02:00Z"}},
		{"New York forward", "30 2 * * *", "America/New_York", "2026-03-07T12:00Z", []string{"2026-03-08T07:00Z", "2026-03-09T06:30Z"}},
		{"New York back", "30 1 * * *", "America/New_York", "2026-10-31T12:00Z", []string{"2026-11-01T05:30Z", "2026-11-02T06:30Z"}},
		{"New York back, hourly", "@hourly", "America/New_York", "2026-11-01T04:30Z", []string{"2026-11-01T05:00Z", "2026-11-01T06:00Z", "2026-11-01T07:00Z"}},
		{"Lord Howe forward, half an hour", "15 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00Z", []string{"2026-10-03T15:30Z", "2026-10-04T15:15Z"}},
		{"Lord Howe forward, not skipped", "30 2 * * *", "Australia/Lord_Howe", "2026-10-03T00:00Z", []string{"2026-10-03T15:30Z", "2026-10-04T15:30Z"}},
		{"Lord Howe back, half an hour", "45 1 * * *", "Australia/Lord_Howe", "2026-04-04T00:00Z", []string{"2026-04-04T14:45Z", "2026-04-05T15:15Z"}},
		{"Lord Howe back, quarters", "*/15 * * * *", "Australia/Lord_Howe", "2026-04-04T14:40Z", []string{"2026-04-04T14:45Z", "2026-04-04T15:00Z", "2026-04-04T15:15Z", "2026-04-04T15:30Z"}},
		{"midnight is skipped in Beirut", "@daily", "Asia/Beirut", "2026-03-28T12:00Z", []string{"2026-03-28T22:00Z", "2026-03-29T21:00Z"}},
		{"a day that Samoa did not have", "0 12 30 12 *", "Pacific/Apia", "2011-12-01T00:00Z", []string{"2011-12-30T10:00Z", "2012-12-29T22:00Z"}},
		{"no clock is changed", "30 2 * * *", "UTC", "2026-03-28T12:00Z", []string{"2026-03-29T02:30Z", "2026-03-30T02:30Z"}},
		{"leap day", "0 0 29 2 *", "UTC", "2026-01-01T00:00Z", []string{"2028-02-29T00:00Z", "2032-02-29T00:00Z"}},
		{"either day matches", "0 0 13 * FRI", "UTC", "2026-01-01T00:00Z", []string{"2026-01-02T00:00Z", "2026-01-09T00:00Z", "2026-01-13T00:00Z"}},
		{"after, not at", "0 * * * *", "UTC", "2026-01-01T00:00Z", []string{"2026-01-01T01:00Z"}},
		{"a quarter of an hour east", "0 6 * * *", "Asia/Kathmandu", "2026-01-01T00:00Z", []string{"2026-01-01T00:15Z"}},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			const form = "2006-01-02T15:04Z"
			at, err := time.Parse(form, test.after)
			if err != nil {
				t.Fatal(err)
			}
			c := parse(t, test.expression, test.zone)
			var got []string
			for range test.want {
				at = c.Next(at)
				got = append(got, at.UTC().Format(form))
			}
			if diff := cmp.Diff(test.want, got); diff != "" {
				t.Errorf("%s in %s (-want +got):\n%s", test.expression, test.zone, diff)
			}
		})
	}
}

func TestParseRefuses(t *testing.T) {
	t.Parallel()
	for _, expression := range []string{
		"", "* * * *", "* * * * * *", "0 0 31 2 *", "0 0 31 4,6 *", "61 * * * *", "* 24 * * *", "0 0 0 * *", "*/0 * * * *", "*/70 * * * *",
		"-5 * * * *", "1,,2 * * * *", "a b c d e", "@reboot", "@every 5m", "0 0 L * *", "0 0 15W * *", "0 0 * * 5#2", "? * * * *", "10-5 * * * *",
		"0 0 * * MONDAY", "CRON_TZ=UTC 0 0 * * *", "0 0 * * *\x00",
	} {
		if _, err := cron.Parse(expression, "UTC"); err == nil || !strings.HasPrefix(err.Error(), "cron ") {
			t.Errorf("%q: %v", expression, err)
		}
	}
	for _, zone := range []string{"", "Local", "Europe/Atlantis", "+02:00", "../etc/passwd"} {
		if _, err := cron.Parse("@daily", zone); err == nil || !strings.HasPrefix(err.Error(), "timeZone ") {
			t.Errorf("%q: %v", zone, err)
		}
	}
}

// matches is another reading of an expression of lists, ranges and steps, minute by minute.
func matches(expression string, wall time.Time) bool {
	f := strings.Fields(expression)
	in := func(field string, low, high, value int) bool {
		return slices.ContainsFunc(strings.Split(field, ","), func(part string) bool {
			span, step, stepped := strings.Cut(part, "/")
			from, to, ranged := strings.Cut(span, "-")
			first, last, by := low, high, 1
			if span != "*" {
				first, _ = strconv.Atoi(from)
				if last = first; ranged {
					last, _ = strconv.Atoi(to)
				} else if stepped {
					last = high
				}
			}
			if stepped {
				by, _ = strconv.Atoi(step)
			}
			return value >= first && value <= last && (value-first)%by == 0
		})
	}
	day := in(f[2], 1, 31, wall.Day())
	weekday := in(f[4], 0, 6, int(wall.Weekday()))
	days := day && weekday
	if f[2] != "*" && f[4] != "*" {
		days = day || weekday
	}
	return in(f[0], 0, 59, wall.Minute()) && in(f[1], 0, 23, wall.Hour()) && in(f[3], 1, 12, int(wall.Month())) && days
}

// Whatever the expression and the zone: what comes next is later, a whole minute, and matches, unless the clocks were put
// forward just then; and no minute between that matches was left out, unless it came a second time.
func TestNextMatches(t *testing.T) {
	t.Parallel()
	r := rand.New(rand.NewPCG(1, 2))
	pick := func(of ...string) string { return of[r.IntN(len(of))] }
	for range 400 {
		expression := strings.Join([]string{
			pick("*", "0", "30", "*/15", "5/20", "10-20", "1,2,59"), pick("*", "2", "1-3", "*/6", "0", "2,3", "23"), pick("*", "*", "1", "28-31", "*/2"),
			pick("*", "*", "3", "10,11", "4"), pick("*", "*", "0", "1-5", "6"),
		}, " ")
		zone := pick("Europe/Berlin", "America/New_York", "Australia/Lord_Howe", "UTC", "Asia/Kathmandu", "Asia/Beirut")
		c := parse(t, expression, zone)
		at := time.Date(2026, time.Month(1+r.IntN(12)), 1+r.IntN(28), r.IntN(24), r.IntN(60), r.IntN(60), 0, time.UTC)
		for range 5 {
			next := c.Next(at)
			if !next.After(at) || next.Second() != 0 || next.Nanosecond() != 0 {
				t.Fatalf("%s in %s: %v comes after %v", expression, zone, next, at)
			}
			local := next.In(c.Zone())
			if start, _ := local.ZoneBounds(); !start.Equal(next) && !matches(expression, local) {
				t.Fatalf("%s in %s: %v does not match", expression, zone, local)
			}
			for m := at.Truncate(time.Minute).Add(time.Minute); m.Before(next) && m.Before(at.AddDate(0, 0, 3)); m = m.Add(time.Minute) {
				local := m.In(c.Zone())
				_, before := m.Add(-3 * time.Hour).In(c.Zone()).Zone()
				_, now := local.Zone()
				if again := now < before; matches(expression, local) && !again {
					t.Fatalf("%s in %s: after %v comes %v, and %v is left out", expression, zone, at, next, local)
				}
			}
			at = next
		}
	}
}
