package sourcetest

import (
	"encoding/binary"
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/user"
)

// Person is one made-up user as the service knows it.
type Person struct {
	Nat         string // upper case, as in answers
	Female      bool
	First, Last string
	Email       string
	City, State string
	Postcode    string
	Born        time.Time
	Cell        string // national form
}

// User returns what an import at the given time stores for p under id.
func (p *Person) User(id int64, at time.Time) user.User {
	gender := user.Male
	if p.Female {
		gender = user.Female
	}
	age := at.UTC().Year() - p.Born.Year()
	if p.Born.AddDate(age, 0, 0).Truncate(24 * time.Hour).After(at.UTC()) {
		age--
	}
	return user.User{
		ID: id, FirstName: p.First, LastName: p.Last, Email: p.Email, City: p.City, State: p.State,
		Age: age, Gender: gender, MobileNumber: strings.NewReplacer("(", "", ")", "", "-", "", " ", "").Replace(p.Cell),
	}
}

// region is what the people of one nationality are made of. Like the real service the lists hold apostrophes and
// letters beyond ASCII, and are so short that e-mail addresses repeat.
type region struct {
	male, female, last []string
	places             [][2]string // city, state
	cell               string      // 9 stands for a digit
	numericPostcode    bool
}

func latin() region {
	return region{
		male:   []string{"Jo", "Liam", "Noah", "Björn", "José", "Seán", "Zoltán"},
		female: []string{"Ava", "Mia", "Zoë", "Anaïs", "Siân", "Nuñia", "Chloé"},
		last:   []string{"O'Connor", "Smith", "Núñez", "Müller", "D'Souza", "Ødegård", "Saint-Pierre", "Lee"},
		places: [][2]string{{"Springfield", "Illinois"}, {"St. John's", "Newfoundland and Labrador"}, {"Perth", "Western Australia"}},
		cell:   "(999) 999-9999", numericPostcode: true,
	}
}

// regionOf varies latin where the real service's answers vary most.
func regionOf(nat string) region {
	r := latin()
	switch nat {
	case "IR":
		r.male, r.female = []string{"آرین", "مهدی"}, []string{"سارا", "نیایش"}
		r.last, r.places = []string{"سلطانی", "کوتی"}, [][2]string{{"تهران", "تهران"}}
		r.cell = "0999-999-9999"
	case "UA":
		r.male, r.female = []string{"Віталій", "Ярослав"}, []string{"Ольга", "Мар'яна"}
		r.last, r.places = []string{"Шевченко", "Лук'яненко"}, [][2]string{{"Київ", "Київська"}}
		r.cell = "(096) 999-9999"
	case "RS":
		r.male, r.female, r.last = []string{"Đorđe", "Miloš"}, []string{"Željka", "Анђела"}, []string{"Петровић", "Šarić"}
		r.places = [][2]string{{"Београд", "Војводина"}}
	case "GB", "CA", "NL":
		r.cell, r.numericPostcode = "07999 999999", false
	}
	return r
}

// all returns every nationality in upper case.
func all() []string {
	codes := job.Nationalities()
	for i := range codes {
		codes[i] = strings.ToUpper(codes[i])
	}
	return codes
}

// parseNat reads the nat parameter: one unknown code drops the whole filter.
func parseNat(param string) []string {
	if param == "" {
		return all()
	}
	codes := strings.Split(strings.ToUpper(param), ",")
	for _, code := range codes {
		if !slices.Contains(all(), code) {
			return all()
		}
	}
	return codes
}

// People makes n people of a page: the same for the same seed, page and nationalities (in any case), and those of a
// smaller n are the first ones of a larger. A page is a random stream of its own, not a slice of a longer list.
func People(seed string, page int, nat []string, n int) []Person {
	codes := parseNat(strings.Join(nat, ","))
	h := fnv.New128a()
	_, _ = fmt.Fprintf(h, "%s|%d|%s", seed, page, strings.Join(codes, ","))
	var key [32]byte
	h.Sum(key[:0])
	binary.BigEndian.PutUint64(key[16:], uint64(page))
	rng := rand.New(rand.NewChaCha8(key))
	people := make([]Person, n)
	for i := range people {
		people[i] = person(rng, codes)
	}
	return people
}

func person(rng *rand.Rand, codes []string) Person {
	pick := func(from []string) string { return from[rng.IntN(len(from))] }
	p := Person{Nat: pick(codes), Female: rng.IntN(2) == 1}
	r := regionOf(p.Nat)
	p.First, p.Last = pick(r.male), pick(r.last)
	if p.Female {
		p.First = pick(r.female)
	}
	place := r.places[rng.IntN(len(r.places))]
	p.City, p.State = place[0], place[1]
	p.Email = strings.ToLower(p.First+"."+p.Last) + "@example.com"
	p.Born = time.Date(1945+rng.IntN(60), time.January, 1, 0, 0, 0, 0, time.UTC).Add(time.Duration(rng.Int64N(365*24*3600*1000)) * time.Millisecond)
	p.Cell = strings.Map(func(c rune) rune {
		if c == '9' {
			return '0' + rng.Int32N(10)
		}
		return c
	}, r.cell)
	p.Postcode = strconv.Itoa(10000 + rng.IntN(90000))
	if !r.numericPostcode {
		p.Postcode = "AB" + p.Postcode[:1] + " " + p.Postcode[1:2] + "CD"
	}
	return p
}
