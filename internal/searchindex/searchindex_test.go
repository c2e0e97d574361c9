package searchindex_test

import (
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/searchindex"
)

func TestParse(t *testing.T) {
	t.Parallel()
	for text, want := range map[string][]string{
		"all":                         {"first_name", "last_name", "city", "state", "age", "deleted"},
		"none":                        nil,
		"name":                        {"first_name", "last_name"},
		" age , city,city":            {"city", "age"},
		"deleted":                     {"deleted"},
		"name,city,state,age":         {"first_name", "last_name", "city", "state", "age"},
		"deleted,age,state,city,name": {"first_name", "last_name", "city", "state", "age", "deleted"},
	} {
		got, given, err := searchindex.Parse(text)
		if err != nil || !given {
			t.Errorf("%q: given %v, %v", text, given, err)
		}
		if diff := cmp.Diff(want, got.Columns()); diff != "" {
			t.Errorf("%q (-want +got):\n%s", text, diff)
		}
		if again, _, err := searchindex.Parse(got.String()); again != got || err != nil {
			t.Errorf("%q is shown as %q, which is another set: %v", text, got, err)
		}
	}
	if _, given, err := searchindex.Parse(" "); given || err != nil {
		t.Errorf("nothing is taken for a setting: %v, %v", given, err)
	}
	for _, text := range []string{"email", "first_name", "city;age", "city,", "none,city", "all,age", "City"} {
		if _, given, err := searchindex.Parse(text); err == nil || given || !strings.Contains(err.Error(), "name, city, state, age, deleted") {
			t.Errorf("%q: %v", text, err)
		}
	}
}

func TestSet(t *testing.T) {
	t.Parallel()
	s := searchindex.Of("last_name", "city", "email", "gender")
	for column, want := range map[string]bool{"last_name": true, "city": true, "first_name": false, "age": false, "id": true, "email": true} {
		if s.Has(column) != want {
			t.Errorf("Has(%s) = %v", column, !want)
		}
	}
	if got := s.String(); got != "last_name,city" {
		t.Errorf("one index of names alone: %q", got)
	}
	if got := searchindex.All.Without(s).String(); got != "first_name,state,age,deleted" {
		t.Errorf("the others: %q", got)
	}
}
