package source

import (
	"errors"
	"testing"

	"github.com/go-faker/faker/v4/pkg/options"
)

func TestWordLists(t *testing.T) {
	t.Parallel()
	w, err := loadWords()
	if err != nil {
		t.Fatal(err)
	}
	// go-faker 4.12: 3,012 first names, a few of them in both lists or twice, and 473 last names.
	if len(w.male) < 1000 || len(w.female) < 1000 || len(w.last) < 450 {
		t.Errorf("%d male, %d female, %d last names", len(w.male), len(w.female), len(w.last))
	}
	states := make(map[string]int)
	seen := make(map[city]bool)
	for i, c := range w.cities {
		if c.name == "" || c.state == "" || seen[c] {
			t.Errorf("cities.csv: %q in %q is empty or there twice", c.name, c.state)
		}
		seen[c] = true
		if states[c.state] == 0 && len(states) == 50 && i < 300 {
			t.Errorf("only %d cities before the 51st state, want at least 300 in the US", i)
		}
		states[c.state]++
	}
	for _, s := range []string{"Alaska", "Hawaii", "Wyoming", "Ontario", "Queensland", "Scotland", "Kerala"} {
		if states[s] == 0 {
			t.Errorf("no city in %s", s)
		}
	}
}

func TestCollectWordsNoticesAnotherPick(t *testing.T) {
	t.Parallel()
	if _, err := collectWords(func(...options.OptionFunc) string { return "Ada" }); !errors.Is(err, errListIncomplete) {
		t.Errorf("words of a constant = %v, want %v", err, errListIncomplete)
	}
}
