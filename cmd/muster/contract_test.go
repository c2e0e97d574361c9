package main

import (
	"reflect"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/httpapi/api"
)

// The words that flags take are those of the contract.
func TestFlagsTakeTheWordsOfTheContract(t *testing.T) {
	t.Parallel()
	spec, err := api.GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	words := func(enum []any) (words []string) {
		for _, word := range enum {
			words = append(words, word.(string))
		}
		return words
	}
	parameter := func(name string) []string { return words(spec.Components.Parameters[name].Value.Schema.Value.Enum) }
	for _, flag := range []struct {
		command any
		field   string
		want    []string
	}{
		{filter{}, "Gender", parameter("FilterGender")},
		{usersSearchCommand{}, "Sort", parameter("SortBy")},
		{importUsersCommand{}, "Source", parameter("Source")},
		{importFileCommand{}, "OnDuplicate", parameter("OnDuplicate")},
		{importFileCommand{}, "Key", parameter("Key")},
		{importFileCommand{}, "InFile", parameter("InFile")},
		{importFileCommand{}, "EmptyMeans", parameter("EmptyMeans")},
		{importFileCommand{}, "Format", parameter("FileFormat")},
		{exportCommand{}, "Format", parameter("Format")},
		{exportCommand{}, "Compress", parameter("Compress")},
		{jobsListCommand{}, "Status", words(spec.Components.Schemas["Status"].Value.Enum)},
	} {
		field, ok := reflect.TypeOf(flag.command).FieldByName(flag.field)
		if !ok || len(flag.want) < 2 {
			t.Errorf("%T.%s: %v, and %q in the contract", flag.command, flag.field, ok, flag.want)
			continue
		}
		if diff := cmp.Diff(flag.want, strings.Split(field.Tag.Get("enum"), ",")); diff != "" {
			t.Errorf("%T.%s (-contract +flag):\n%s", flag.command, flag.field, diff)
		}
	}
	known := map[string]bool{}
	for _, format := range formats {
		known[format] = true
	}
	if len(known) != len(parameter("Format")) {
		t.Errorf("the endings of files name %v, the contract %q", known, parameter("Format"))
	}
}
