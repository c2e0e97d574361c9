package columns_test

import (
	"strings"
	"testing"
	"time"

	"pgregory.net/rapid"

	"github.com/musterhq/muster/internal/columns"
)

// The day is 1 July 2026.
func TestAgeOf(t *testing.T) {
	t.Parallel()
	for age, dates := range map[int]string{
		35: "1990-12-31|31.12.1990|12/31/1990|31/12/1990|31-12-1990|1990/12/31|1990.12.31|1990. 12. 31.|19901231|31 Dec 1990|31-DEC-1990|Dec 31, 1990|December 31st, 1990|" +
			"31. Dezember 1990|31 décembre 1990|31 de diciembre de 1990|1990-12-31T00:00:00Z|1990-12-31T23:59:59.999+02:00|1990-12-31 00:00:00|12/31/1990 12:00:00 AM|" +
			"1990-12-31Z|1990-12-31+01:00|31.12.90|12/31/90|31-Dec-90|1990-12|12/1990|Dezember 1990|02.07.1990|1990-7-2|31 de déc. 1990",
		36: "1990-07-01|1.7.1990|01/07/1990 00:00|1990-06-30|03/04/1990|4-3-1990|03/04/90|1er mai 1990|2nd of June 1990|14 mars 1990|01.07.90|March 1990|1990 März",
		23: "01/02/03|3.2.03", // not 1903
		10: "29/02/2016|Feb 29, 2016",
		12: "2014-06", // all of it is over
		1:  "2025-07-01",
		// The last are as old as anybody may be.
		122: "01/02/1904|1904-07-01",
		150: "1876-07-01",
		0: "0/0/00|00/00/0000|0000-00-00|00000000|0.0.00|1/0/1900|00.01.1900|1985-00-00|1985-00|--12-31|--1231|12/31|31.12.|31 Dec|Dec 31|0001-01-01T00:00:00|1604-04-03|1900-01-01|" +
			"01.01.1900|0",
	} {
		for _, date := range strings.Split(dates, "|") {
			if got, code := columns.AgeOf(date, 2026, 7, 1); got != age || code != "" {
				t.Errorf("%q: %d %s, want %d", date, got, code, age)
			}
		}
	}
	for code, dates := range map[string]string{
		columns.AmbiguousDate: "06/07/1990|7-6-1990|01/02/20|1.2.20|1990|1990-07|07/1990|July 1990|1 Feb 05",
		columns.BadBirthdate: "Dec '90|2026-07-02|2985-04-04|31.02.1990|31/31/1990|13/32/1990|1990-13-01|1990-02-30|29.02.1990|yesterday|12/31/199|1/2/3|1/2/3/4|1990-12-31x|1990-12-31T5h|" +
			"T|1990-12-31 Berlin|36984|986256000000|31 Foo 1990|Dec Dec 1990|Dec 31 Dec|32 Dec|13/32|99/99|123/45|--|--x|--1-2-3|:|12:30|+01:00|1990-12-31:|\xff|31\x001990|85-13-32|" +
			"199012311|1990 1990 1990|31 1990 12|Dec 1990 1990|Dec 123 1990",
		columns.BadAge: "2026-07-01|2025-07-02|1 Jan 2026|1875-07-01|1800-01-01|2026-01",
	} {
		for _, date := range strings.Split(dates, "|") {
			if got, is := columns.AgeOf(date, 2026, 7, 1); got != 0 || is != code {
				t.Errorf("%q: %d %s, want %s", date, got, is, code)
			}
		}
	}
	// Somebody of 29 February has a birthday on 1 March.
	for day, want := range map[int]int{28: 9, 29: 10} {
		if got, code := columns.AgeOf("2016-02-29", 2026, 2, day); got != want && day < 29 {
			t.Errorf("on %d February: %d %s", day, got, code)
		}
	}
	if got, _ := columns.AgeOf("2016-02-29", 2026, 3, 1); got != 10 {
		t.Errorf("on 1 March: %d", got)
	}
}

func ageOn(born, day time.Time) int {
	years := day.Year() - born.Year()
	if born.AddDate(years, 0, 0).After(day) {
		years--
	}
	return years
}

// In whichever form a date is written, it makes its age; or, where it may be another, none but the age of both.
func TestFormsOfADate(t *testing.T) {
	t.Parallel()
	rapid.Check(t, func(t *rapid.T) {
		now := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC).AddDate(0, 0, rapid.IntRange(0, 3000).Draw(t, "today"))
		born := now.AddDate(0, 0, -rapid.IntRange(366, 40_000).Draw(t, "days old"))
		if born.Month() == time.February && born.Day() == 29 || born.Format("2006-01-02") == "1900-01-01" {
			return
		}
		want := ageOn(born, now)
		for _, form := range []string{
			"2006-01-02", "20060102", "2006/1/2", "2.1.2006", "02.01.2006", "2 January 2006", "Jan 2, 2006", "2-Jan-2006", time.RFC3339, "2006-01-02 15:04:05", "2 Jan 2006 3:04:05 PM",
		} {
			if got, code := columns.AgeOf(born.Format(form), now.Year(), int(now.Month()), now.Day()); got != want || code != "" {
				t.Fatalf("%s on %s: %d %s, want %d", born.Format(form), now.Format(time.DateOnly), got, code, want)
			}
		}
		swapped, err := time.Parse("2006-2-1", born.Format("2006-1-2"))
		if err != nil || swapped.After(now) { // there is no such day, or nobody is born on it
			swapped = born
		}
		for _, form := range []string{"02/01/2006", "1/2/2006", "2-1-2006", "01-02-2006"} {
			date := born.Format(form)
			got, code := columns.AgeOf(date, now.Year(), int(now.Month()), now.Day())
			wantCode := ""
			if ageOn(swapped, now) != want {
				wantCode = columns.AmbiguousDate
			}
			if code != wantCode || code == "" && got != want {
				t.Fatalf("%s on %s: %d %s, want %d %s", date, now.Format(time.DateOnly), got, code, want, wantCode)
			}
		}
	})
}

func FuzzAgeOf(f *testing.F) {
	for _, date := range []string{"1990-12-31", "31 de dic. de 1990", "--12-31", "0/0/00", "12/31/90 12:00 AM", "Dec 1990", "1 2 3 4"} {
		f.Add(date)
	}
	f.Fuzz(func(t *testing.T, date string) {
		if age, code := columns.AgeOf(date, 2026, 7, 1); age < 0 || age > 150 || age > 0 && code != "" {
			t.Errorf("%q: %d %s", date, age, code)
		}
	})
}
