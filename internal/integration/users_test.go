package integration

import (
	"encoding/csv"
	"fmt"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/google/uuid"

	"github.com/musterhq/muster/client"
)

func open(t testing.TB, api *proc) *client.ClientWithResponses {
	t.Helper()
	c, err := client.Open(strings.TrimSuffix(api.base, "/api/v1"))
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// Two APIs over one database are one: users made here are found there, and a cursor of one is good for the other.
func TestUsersOverTwoAPIs(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		const imported = 3000
		first := s.api()
		s.workers(1)
		v := first.must("POST", fmt.Sprintf("/users/import/async?count=%d&seed=1", imported), "ann", http.StatusAccepted)
		first.follow(v.JobID, "ann", time.Minute)
		apis := []*client.ClientWithResponses{open(t, first), open(t, s.api())}
		u := create(t, apis[0])
		patchFromBoth(t, apis, u.ID)
		deleteAndReactivate(t, apis, u.ID)
		walkByTurns(t, apis, imported+1)
		exportOfJob(t, apis[1], v.JobID, imported)
		commandLine(t, first)
	})
}

func create(t testing.TB, c *client.ClientWithResponses) *client.User {
	t.Helper()
	city := "Ło\u0301dz\u0301\u200b" // stored as "Łódź"
	r, err := c.CreateUserWithResponse(t.Context(), nil, client.CreateUserJSONRequestBody{
		FirstName: new("Ada 👩"), Email: new("ada@example.com"), Age: new(36), Gender: new("Female"), City: &city,
	})
	if err != nil || r.JSON201 == nil {
		t.Fatalf("create: %v %s", err, r.Body)
	}
	if want := fmt.Sprintf("/api/v1/users/%d", r.JSON201.ID); r.HTTPResponse.Header.Get("Location") != want {
		t.Errorf("Location %q, want %q", r.HTTPResponse.Header.Get("Location"), want)
	}
	return r.JSON201
}

func patchFromBoth(t testing.TB, apis []*client.ClientWithResponses, id int64) {
	t.Helper()
	var wg sync.WaitGroup
	for i := range 10 {
		for field, c := range map[string]*client.ClientWithResponses{"lastName": apis[0], "state": apis[1]} {
			wg.Go(func() {
				body := strings.NewReader(fmt.Sprintf(`{"%s":"%s %d"}`, field, field, i))
				r, err := c.PatchUserWithBodyWithResponse(t.Context(), id, &client.PatchUserParams{}, "application/merge-patch+json", body)
				if err != nil || r.JSON200 == nil {
					t.Errorf("patch: %v", err)
				}
			})
		}
	}
	wg.Wait()
	r, err := apis[1].GetUserWithResponse(t.Context(), id, &client.GetUserParams{})
	if err != nil || r.JSON200 == nil {
		t.Fatal(err)
	}
	if u := r.JSON200; !strings.HasPrefix(u.LastName, "lastName ") || !strings.HasPrefix(u.State, "state ") || u.FirstName != "Ada 👩" || u.City != "Łódź" {
		t.Errorf("after patches from both sides: %+v", u)
	}
	stale := `"stale"`
	last := "never"
	p, err := apis[0].PatchUserWithResponse(t.Context(), id, &client.PatchUserParams{IfMatch: &stale}, client.PatchUserJSONRequestBody{LastName: &last})
	if err != nil || p.StatusCode() != http.StatusPreconditionFailed {
		t.Errorf("a stale If-Match: %v, %v", p.Status(), err)
	}
}

func deleteAndReactivate(t testing.TB, apis []*client.ClientWithResponses, id int64) {
	t.Helper()
	status := func(code int, err error) int {
		t.Helper()
		if err != nil {
			t.Fatal(err)
		}
		return code
	}
	del := func(c *client.ClientWithResponses) int {
		r, err := c.DeleteUserWithResponse(t.Context(), id, &client.DeleteUserParams{})
		return status(r.StatusCode(), err)
	}
	react := func(c *client.ClientWithResponses) int {
		r, err := c.ReactivateUserWithResponse(t.Context(), id)
		return status(r.StatusCode(), err)
	}
	got := []int{del(apis[0]), del(apis[1]), react(apis[1]), react(apis[0])}
	if want := []int{204, 404, 200, 400}; fmt.Sprint(got) != fmt.Sprint(want) {
		t.Errorf("delete, again, reactivate, again: %v, want %v", got, want)
	}
}

// walkByTurns asks the one API for a page and the other for the next.
func walkByTurns(t testing.TB, apis []*client.ClientWithResponses, want int) {
	t.Helper()
	size, sort, desc := 700, "lastName", "desc"
	seen := map[int64]bool{}
	var after *string
	for i := 0; ; i++ {
		r, err := apis[i%2].SearchUsersWithResponse(t.Context(), &client.SearchUsersParams{Size: &size, SortBy: &sort, Direction: &desc, After: after})
		if err != nil || r.JSON200 == nil {
			t.Fatalf("search: %v %s", err, r.Body)
		}
		for _, u := range r.JSON200.Content {
			if seen[u.ID] {
				t.Errorf("user %d twice", u.ID)
			}
			seen[u.ID] = true
		}
		if !r.JSON200.HasNext {
			break
		}
		after = r.JSON200.NextCursor
	}
	if len(seen) != want {
		t.Errorf("%d users, want %d", len(seen), want)
	}
}

func exportOfJob(t testing.TB, c *client.ClientWithResponses, id string, want int) {
	t.Helper()
	jobID, caller, other := uuid.MustParse(id), "ann", "bob"
	resp, err := client.Check(c.ExportUsers(t.Context(), &client.ExportUsersParams{JobID: &jobID, Caller: &caller}))
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = resp.Body.Close() }()
	records, err := csv.NewReader(resp.Body).ReadAll()
	if err != nil || len(records) != want+1 || resp.Trailer.Get("X-Row-Count") != strconv.Itoa(want) {
		t.Errorf("export of the job: %d records, X-Row-Count %q, %v", len(records)-1, resp.Trailer.Get("X-Row-Count"), err)
	}
	resp, err = c.ExportUsers(t.Context(), &client.ExportUsersParams{JobID: &jobID, Caller: &other})
	if err != nil || resp.StatusCode != http.StatusNotFound {
		t.Errorf("somebody else's job: %v, %v", resp.Status, err)
	}
	_ = resp.Body.Close()
}

func commandLine(t testing.TB, api *proc) {
	t.Helper()
	dir := t.TempDir()
	muster := func(args ...string) string {
		t.Helper()
		cmd := exec.Command(filepath.Join(binaries, "muster"), args...)
		cmd.Dir, cmd.Env = dir, append(os.Environ(), "MUSTER_URL="+strings.TrimSuffix(api.base, "/api/v1"), "MUSTER_USER=ann")
		out, err := cmd.CombinedOutput()
		if err != nil {
			t.Errorf("muster %s: %v\n%s", strings.Join(args, " "), err, out)
		}
		return string(out)
	}
	if out := muster("users", "search", "--name", "ada 👩", "--json"); strings.Count(out, "\n") != 1 || !strings.Contains(out, `"city":"Łódź"`) {
		t.Errorf("users search: %s", out)
	}
	if out := muster("jobs"); !strings.Contains(out, "COMPLETED") {
		t.Errorf("jobs: %s", out)
	}
	if out := muster("export", "-o", "users.ndjson.gz", "--min-age", "30"); !strings.Contains(out, "Wrote ") {
		t.Errorf("export: %s", out)
	}
	if b, err := os.ReadFile(filepath.Join(dir, "users.ndjson.gz")); err != nil || len(b) < 1000 || b[0] != 0x1f || b[1] != 0x8b {
		t.Errorf("users.ndjson.gz: %d bytes, %v", len(b), err)
	}
	if left, _ := filepath.Glob(filepath.Join(dir, ".muster-export-*")); len(left) > 0 {
		t.Errorf("left over: %v", left)
	}
}
