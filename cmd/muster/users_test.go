package main

import (
	"bytes"
	"encoding/json"
	"fmt"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"testing"

	"github.com/musterhq/muster/client"
)

// An API of 2,500 users whose last page is never sent before the first ones were printed.
func TestSearchPrintsEachPage(t *testing.T) {
	t.Parallel()
	var out, progress bytes.Buffer
	const total = 2500
	api := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		from, _ := strconv.Atoi(r.URL.Query().Get("after"))
		size, _ := strconv.Atoi(r.URL.Query().Get("size"))
		if lines := strings.Count(out.String(), "\n"); from > 0 && lines != from+1 {
			t.Errorf("%d lines are printed when the users after %d are asked for", lines, from)
		}
		to := min(from+size, total)
		var users []map[string]any
		for id := from + 1; id <= to; id++ {
			users = append(users, map[string]any{"id": id, "firstName": "Ada\t\x1b[31m", "lastName": "Byron", "city": "Łódź"})
		}
		w.Header().Set("Content-Type", "application/json")
		_ = json.NewEncoder(w).Encode(map[string]any{"content": users, "hasNext": to < total, "nextCursor": strconv.Itoa(to)})
	}))
	t.Cleanup(api.Close)
	for limit, want := range map[int]int{total: total, 7: 7, 1001: 1001, 5000: total} {
		out.Reset()
		progress.Reset()
		s := usersSearchCommand{remote: remote{Server: api.URL}, Sort: "id", Limit: &limit}
		if limit == total {
			s.Limit, s.All = nil, true
		}
		if err := s.Run(&process{ctx: t.Context(), stdout: &out, stderr: &progress}); err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(strings.TrimSuffix(out.String(), "\n"), "\n")
		if len(lines) != want+1 || lines[0] != "ID\tNAME\tAGE\tGENDER\tCITY\tSTATE\tEMAIL\tMOBILE" {
			t.Errorf("%d lines, the first is %q", len(lines), lines[0])
		}
		if last, want := lines[len(lines)-1], fmt.Sprintf("%d\tAda\uFFFD\uFFFD[31m Byron\t\t\tŁódź\t\t\t", want); last != want {
			t.Errorf("the last line is %q, want %q", last, want)
		}
		text := fmt.Sprintf("There are more than these %d: -n sets how many to show, --all shows all.\n", want)
		if want == total {
			text = ""
		}
		if progress.String() != text {
			t.Errorf("beside %d users: %q, want %q", want, progress.String(), text)
		}
	}
}

// What is unknown is an empty cell, and no zero.
func TestUnknownIsEmpty(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	show := lister(&out)
	if err := show([]client.User{{ID: 1, LastName: "Ng"}, {ID: 2, FirstName: "Ada", Age: new(36), Gender: new("Female")}}); err != nil {
		t.Fatal(err)
	}
	want := "ID\tNAME\tAGE\tGENDER\tCITY\tSTATE\tEMAIL\tMOBILE\n1\tNg\t\t\t\t\t\t\n2\tAda\t36\tFemale\t\t\t\t\n"
	if out.String() != want {
		t.Errorf("%q, want %q", out.String(), want)
	}
}
