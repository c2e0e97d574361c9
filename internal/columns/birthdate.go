package columns

import (
	"bytes"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/musterhq/muster/internal/user"
)

// convertAge takes the age that is stated, or else the one that a birthdate makes.
func (c *Converter) convertAge(row *Row) {
	stated, born := &c.picked[ofAge], &c.picked[ofBirthdate]
	years := 0 // unknown
	switch {
	case len(stated.value) > 0:
		n, ok := wholeNumber(stated.value, 9)
		if !ok || n < user.MinAge || n > user.MaxAge {
			c.fault(ofAge, BadAge)
			return
		}
		years = int(n)
	case len(born.value) > 0:
		n, code := ageOf(born.value, dayOf(c.plan.options.Today))
		if code != "" {
			c.fault(ofBirthdate, code)
			return
		}
		years = n
	}
	if years > 0 || (stated.present || born.present) && c.plan.options.EmptyMeans == Clear {
		row.User.Age = years
		row.give(ofAge)
	}
}

// ageOf returns the age today of somebody born on a date; 0: the date does not tell, because it is none (0/0/00) or has no
// year (--12-31, 12/31). A date that can be read in several ways tells where all of them make the same age, as for most
// people they do: 03/04/1990 is the 3rd of April or the 4th of March.
func ageOf(date []byte, today day) (years int, code string) {
	read, ok := readDate(date)
	switch {
	case !ok:
		return 0, BadBirthdate
	case read.n == 0:
		return 0, ""
	}
	found := false
	for _, born := range read.readings[:read.n] {
		if born.first.after(today) || read.shortYear && born.first.ageOn(today) > oldest {
			continue // nobody's
		}
		last := born.last
		if last.after(today) {
			last = today
		}
		a, b := born.first.ageOn(today), last.ageOn(today)
		if a != b || found && a != years {
			return 0, AmbiguousDate
		}
		years, found = a, true
	}
	switch {
	case !found:
		return 0, BadBirthdate
	case years < user.MinAge || years > user.MaxAge:
		return 0, BadAge
	}
	return years, ""
}

// oldest is the greatest age that anybody is known to have reached, Jeanne Calment's: of 01/02/03 only 2003 is left.
const oldest = 122

// day is a day of the calendar.
type day struct{ year, month, day int }

func dayOf(t time.Time) day {
	y, m, d := t.Date()
	return day{y, int(m), d}
}

func (d day) after(e day) bool {
	switch {
	case d.year != e.year:
		return d.year > e.year
	case d.month != e.month:
		return d.month > e.month
	}
	return d.day > e.day
}

func (d day) valid() bool {
	return d.month >= 1 && d.month <= 12 && d.day >= 1 && d.day <= lastDay(d.year, d.month)
}

func lastDay(year, month int) int {
	return time.Date(year, time.Month(month)+1, 0, 0, 0, 0, 0, time.UTC).Day()
}

// ageOn returns the number of birthdays that somebody born on d has had.
func (d day) ageOn(today day) int {
	years := today.year - d.year
	if today.month < d.month || today.month == d.month && today.day < d.day {
		years--
	}
	return years
}

// dates are the ways to read a date; none: it is not known.
type dates struct {
	readings  [4]span // two orders of day and month, in two centuries
	n         int
	shortYear bool // the year had two digits
}

// span is from one day to another: all of March 1990.
type span struct{ first, last day }

func (r *dates) add(year, month, d int) {
	if one := (day{year, month, d}); one.valid() && r.n < len(r.readings) {
		r.readings[r.n] = span{one, one}
		r.n++
	}
}

// addShort adds a day of a year that was written with two digits, in each century in which anybody is born.
func (r *dates) addShort(year, month, d int) {
	r.shortYear = true
	r.add(1900+year, month, d)
	r.add(2000+year, month, d)
}

// unknownDate is the answer for what says that there is no date, or none with a year.
var unknownDate dates

// readDate returns the ways to read a date; ok is false when there is none. Behind the date may stand a time, which does not
// count: the day is the one that is written, in whichever time zone.
func readDate(v []byte) (r dates, ok bool) {
	if v, ok = cutTime(v); !ok {
		return r, false
	}
	if rest, vcard := bytes.CutPrefix(v, []byte("--")); vcard { // --12-31, as Google and vCard have a day without a year
		return unknownDate, len(rest) >= 4 && len(rest) <= 5 && afterDigits(rest, 0) >= 2
	}
	p, ok := parts(v)
	switch {
	case !ok:
		return r, false
	case p.zero():
		return unknownDate, true
	case p.n == 1:
		ok = p.one(&r)
	case p.n == 2:
		return p.two()
	case p.n == 3:
		ok = p.three(&r)
	default:
		ok = false
	}
	for _, s := range r.readings[:r.n] {
		if placeholder(s.first) {
			return unknownDate, true
		}
	}
	return r, ok && r.n > 0
}

// placeholder reports whether a day is what programs write for none: .NET's first day, the year of Apple's birthdays
// without a year, SQL Server's empty text.
func placeholder(d day) bool {
	return d.year == 1 || d.year == 1604 || d == day{1900, 1, 1}
}

// datePart is a number or a month's name.
type datePart struct{ number, digits, month int }

type dateParts struct {
	parts     [3]datePart
	n         int
	separator byte // the first between two parts, but for a space
}

// zero reports whether the day, the month or the year is 0. Two noughts at the end are the year 2000.
func (p *dateParts) zero() bool {
	for i, part := range p.parts[:p.n] {
		year2000 := i == 2 && part.digits == 2 && p.parts[0].digits != 4
		if part.month == 0 && part.number == 0 && !year2000 {
			return true
		}
	}
	return false
}

// one reads 19901231, and 1990 as any day of it.
func (p *dateParts) one(r *dates) bool {
	switch a := p.parts[0]; a.digits {
	case 8:
		r.add(a.number/10_000, a.number/100%100, a.number%100)
	case 4:
		r.readings[0], r.n = span{day{a.number, 1, 1}, day{a.number, 12, 31}}, 1
	}
	return r.n > 0
}

// two reads a month of a year as any day of it; a day of a month does not tell an age.
func (p *dateParts) two() (r dates, ok bool) {
	year, other := p.parts[0], p.parts[1]
	if other.digits == 4 {
		year, other = other, year
	}
	month := max(other.month, other.number)
	switch {
	case year.digits == 4 && other.digits <= 2 && month <= 12:
		r.readings[0], r.n = span{day{year.number, month, 1}, day{year.number, month, lastDay(year.number, month)}}, 1
		return r, true
	case year.month > 0:
		return unknownDate, other.month == 0 && other.digits <= 2 && other.number <= 31
	case year.digits > 2 || other.digits > 2:
		return r, false
	case other.month > 0:
		return unknownDate, year.number <= 31
	}
	return unknownDate, min(year.number, other.number) <= 12 && max(year.number, other.number) <= 31
}

// three reads a day, a month and a year, in the orders in which they are written.
func (p *dateParts) three(r *dates) bool {
	a, b, c := p.parts[0], p.parts[1], p.parts[2]
	for i, part := range []datePart{a, b, c} {
		if part.month == 0 {
			continue
		}
		rest := []datePart{a, b, c}
		rest = append(rest[:i], rest[i+1:]...)
		d, year := rest[0], rest[1]
		if d.digits == 4 {
			d, year = year, d
		}
		switch {
		case d.digits > 2 || d.month > 0 || year.month > 0:
		case year.digits == 4:
			r.add(year.number, part.month, d.number)
		case year.digits == 2:
			r.addShort(year.number, part.month, d.number)
		}
		return r.n > 0
	}
	add := r.add
	switch {
	case a.digits == 4 && b.digits <= 2 && c.digits <= 2:
		r.add(a.number, b.number, c.number)
		return r.n > 0
	case a.digits > 2 || b.digits > 2:
		return false
	case c.digits == 2:
		add = r.addShort
	case c.digits != 4:
		return false
	}
	add(c.number, b.number, a.number)
	if p.separator != '.' && a.number != b.number { // with points the day comes first everywhere
		add(c.number, a.number, b.number)
	}
	return r.n > 0
}

// parts splits a date; ok is false for what is none.
func parts(v []byte) (p dateParts, ok bool) {
	for len(v) > 0 {
		part := datePart{}
		switch b := v[0]; {
		case isDigit(b):
			end := afterDigits(v, 0)
			if end > 8 {
				return p, false
			}
			for _, digit := range v[:end] {
				part.number = 10*part.number + int(digit-'0')
			}
			part.digits = end
			v = v[end:]
		case b == ' ' || b == ',' || b == '.' || b == '/' || b == '-' || b == '\'':
			if p.n > 0 && p.separator == 0 && b != ' ' {
				p.separator = b
			}
			v = v[1:]
			continue
		case letter(b):
			end := 1
			for end < len(v) && letter(v[end]) {
				end++
			}
			w := word(v[:end])
			v = v[end:]
			if small[w] {
				continue
			}
			if part.month = months[w]; part.month == 0 {
				return p, false
			}
		default:
			return p, false
		}
		if p.n == len(p.parts) {
			return p, false
		}
		p.parts[p.n] = part
		p.n++
	}
	return p, p.n > 0
}

func letter(b byte) bool { return 'a' <= b && b <= 'z' || 'A' <= b && b <= 'Z' || b >= utf8.RuneSelf }

// cutTime cuts a time off that stands behind a date, as in 1990-12-31T00:00:00.000Z, 12/31/1990 12:00:00 AM and
// 1990-12-31+01:00; ok is false when it is none.
func cutTime(v []byte) (date []byte, ok bool) {
	at := -1
	for i := 1; i+1 < len(v); i++ {
		if (v[i] == 'T' || v[i] == 't') && isDigit(v[i-1]) && isDigit(v[i+1]) {
			at = i
			break
		}
	}
	if at < 0 {
		colon := bytes.IndexByte(v, ':')
		if colon < 0 {
			return bytes.TrimSuffix(v, []byte("Z")), true
		}
		if at = bytes.LastIndexAny(v[:colon], " +"); at < 0 {
			return nil, false
		}
	}
	for _, b := range v[at+1:] {
		if !isDigit(b) && strings.IndexByte(" :.,+-ZzAaPpMmUTC", b) < 0 {
			return nil, false
		}
	}
	return trim(v[:at]), true
}

// small are the words between the parts of a date, in several languages: 1st of May, 1er mai, 1 de mayo.
var small = keySet("st", "nd", "rd", "th", "of", "er", "de", "del", "den")

// months are the names of months and their short forms, in English, German, French and Spanish, by their normal form.
var months = func() map[string]int {
	out := map[string]int{}
	for i, names := range []string{
		"january jan januar jänner janvier janv enero ene",
		"february feb februar feber février févr fev febrero",
		"march mar märz mrz mars marzo",
		"april apr avril avr abril abr",
		"may mai mayo",
		"june jun juni juin junio",
		"july jul juli juillet juil julio",
		"august aug août aou agosto ago",
		"september sep sept septembre septiembre setiembre set",
		"october oct oktober okt octobre octubre",
		"november nov novembre noviembre",
		"december dec dezember dez décembre déc diciembre dic",
	} {
		for name := range strings.FieldsSeq(names) {
			out[normal(name)] = i + 1
		}
	}
	return out
}()
