package source

import (
	"bytes"
	_ "embed"
	"encoding/csv"
	"errors"
	"fmt"
	mathrand "math/rand"
	"slices"
	"strings"
	"sync"
	"time"

	"github.com/go-faker/faker/v4"
	"github.com/go-faker/faker/v4/pkg/options"
)

// citiesCSV holds real cities with the state, province or region they lie in: every state of the US, and some of
// Canada, Australia, the United Kingdom and India.
//
//go:embed cities.csv
var citiesCSV []byte

// word is a name and its form in an e-mail address: lower-case ASCII letters.
type word struct{ text, slug string }

type city struct{ name, state string }

// words are the tables that Faker picks from.
type words struct {
	male, female, last []word
	cities             []city
}

// names returns go-faker's word lists. The library does not export them, but it picks by "random number modulo length",
// so with a source of numbers that counts up it returns each word of a list in turn. All of a process shares that
// source, which is why the lists are collected a single time, and why a seeded source is put back afterwards.
var names = sync.OnceValues(func() (words, error) {
	faker.SetRandomSource(&counting{})
	defer faker.SetRandomSource(faker.NewSafeSource(mathrand.NewSource(time.Now().UnixNano())))
	var w words
	for _, list := range []struct {
		name string
		into *[]word
		pick func(...options.OptionFunc) string
	}{
		{"male first names", &w.male, faker.FirstNameMale},
		{"female first names", &w.female, faker.FirstNameFemale},
		{"last names", &w.last, faker.LastName},
	} {
		var err error
		if *list.into, err = collectWords(list.pick); err != nil {
			return words{}, fmt.Errorf("go-faker's %s: %w", list.name, err)
		}
	}
	return w, nil
})

// counting is a math/rand source that counts up.
type counting struct{ n int64 }

func (c *counting) Int63() int64 { c.n++; return c.n }
func (c *counting) Seed(int64)   {}

// longestList is more than the longest of go-faker's lists.
const longestList = 1 << 12

var errListIncomplete = errors.New("the list cannot be collected: the library picks its words in another way")

// shortestName is the least number of letters of a name. Users may have shorter ones, but those of a seed stay the same.
const shortestName = 3

// collectWords returns every word that pick can return, sorted, without those too short.
func collectWords(pick func(...options.OptionFunc) string) ([]word, error) {
	seen := make(map[string]bool)
	for range longestList {
		seen[pick()] = true
	}
	n := len(seen)
	for range longestList { // a second time round shows nothing new once the list is whole
		seen[pick()] = true
	}
	if n < 100 || len(seen) != n {
		return nil, errListIncomplete
	}
	list := make([]word, 0, n)
	for text := range seen {
		if w := (word{text: text, slug: slug(text)}); len(w.slug) >= shortestName {
			list = append(list, w)
		}
	}
	// Sorted, so that a row does not depend on the order of the library's list.
	slices.SortFunc(list, func(a, b word) int { return strings.Compare(a.text, b.text) })
	return list, nil
}

// slug keeps the ASCII letters of s in lower case: "O'Hara" is ohara.
func slug(s string) string {
	return strings.Map(func(r rune) rune {
		switch {
		case r >= 'A' && r <= 'Z':
			return r - 'A' + 'a'
		case r >= 'a' && r <= 'z':
			return r
		}
		return -1
	}, s)
}

func loadWords() (words, error) {
	w, err := names()
	if err != nil {
		return words{}, err
	}
	rows, err := csv.NewReader(bytes.NewReader(citiesCSV)).ReadAll()
	if err != nil {
		return words{}, fmt.Errorf("cities.csv: %w", err)
	}
	for _, row := range rows[1:] { // after the header
		w.cities = append(w.cities, city{name: row[0], state: row[1]})
	}
	return w, nil
}
