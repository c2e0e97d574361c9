package httpapi_test

import (
	"errors"
	"fmt"
	"net/http"
	"net/url"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/httpapi/api"
	"github.com/musterhq/muster/internal/invalid"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/user"
)

const (
	byronJSON = `{"firstName":"Ada","lastName":"Byron","email":"ada@example.com","age":36,"gender":"Female","phNum":"+44"}`
	// byronTag is the entity tag of byron.
	byronTag = `"PPIxvExZL0c1c1TvZ9gJ"`
)

// userCalls lists every status of the routes of users.
func userCalls() []call {
	secret := errors.New("dial tcp 10.1.2.3: password hunter2 refused")
	deleted := func(f *fakes) {
		u := byron()
		u.Deleted = true
		f.users[1] = u
	}
	notIndexed := failing(fmt.Errorf("list users: %w", &user.NotIndexedError{Fields: []invalid.Field{{Field: "city", Message: "is not indexed"}}}))
	big := `{"city":"` + strings.Repeat("x", 1<<20) + `"}`
	var all []call
	for _, request := range []string{
		"GET /api/v1/users", "GET /api/v1/users/search?name=ada", "GET /api/v1/users/1", "POST /api/v1/users " + byronJSON,
		"PUT /api/v1/users/1 " + byronJSON, `PATCH /api/v1/users/1 {"city":"Paris"}`, "DELETE /api/v1/users/1", "POST /api/v1/users/1/reactivate",
	} {
		all = append(all,
			call{request, nil, failing(fmt.Errorf("x: %w", job.ErrStoreUnavailable)), 503, "store_unavailable"},
			call{request, nil, failing(fmt.Errorf("x: %w", job.ErrUncertain)), 503, "store_unavailable"},
			call{request, nil, failing(secret), 500, "internal_error"},
		)
		method, path, _ := strings.Cut(request, " ")
		path, _, _ = strings.Cut(path, " ")
		all = append(all, call{method + " " + path + " " + big, nil, nil, 413, "payload_too_large"})
		if strings.Contains(path, "/1") {
			gone := func(f *fakes) { f.users = nil }
			all = append(all,
				call{request, nil, gone, 404, "user_not_found"},
				call{strings.Replace(request, "/1", "/none", 1), nil, nil, 400, "validation_failed"},
				call{strings.Replace(request, "/1", "/0", 1), nil, nil, 400, "validation_failed"},
				call{strings.Replace(request, "/1", "/9223372036854775808", 1), nil, nil, 400, "validation_failed"},
			)
			if path != "/api/v1/users/1/reactivate" {
				all = append(all, call{request, nil, deleted, 404, "user_not_found"})
			}
		}
		if strings.Contains(request, "{") {
			text := as{"Content-Type", "text/plain"}
			all = append(all,
				call{request, text, nil, 415, "unsupported_media_type"},
				call{request, as{"Content-Encoding", "gzip"}, nil, 415, "unsupported_media_type"},
				call{method + " " + path, nil, nil, 415, "unsupported_media_type"},
				call{request + "}", nil, nil, 400, "malformed_json"},
				call{method + " " + path + " " + strings.Replace(byronJSON, "ada@", "\u2003  @", 1), nil, nil, 400, "validation_failed"},
				call{method + " " + path + ` {"age":0}`, nil, nil, 400, "validation_failed"},
				call{method + " " + path + ` {"firstName":null,"lastName":" ","email":"","city":"London"}`, nil, nil, 400, "validation_failed"},
			)
		}
	}
	return append(all,
		call{"GET /api/v1/users?size=0", nil, nil, 400, "validation_failed"},
		call{"GET /api/v1/users/search?sortBy=password", nil, nil, 400, "validation_failed"},
		call{"GET /api/v1/users/search?city=aus&sortBy=age", nil, notIndexed, 400, "not_indexed"},
		call{"GET /api/v1/users?deleted=true", nil, notIndexed, 400, "not_indexed"},
		call{"GET /api/v1/users", nil, nil, 200, ""},
		call{"GET /api/v1/users/search", nil, nil, 200, ""},
		call{"POST /api/v1/users " + byronJSON, nil, nil, 201, ""},
		call{"GET /api/v1/users/1", nil, nil, 200, ""},
		call{"GET /api/v1/users/1", as{"If-None-Match", byronTag}, nil, 304, ""},
		call{"GET /api/v1/users/1", as{"If-Match", byronTag}, nil, 200, ""},
		call{"GET /api/v1/users/1", as{"If-Match", `"x"`, "If-None-Match", byronTag}, nil, 412, "precondition_failed"},
		call{"GET /api/v1/users/1", as{"If-Match", "W/" + byronTag}, nil, 412, "precondition_failed"},
		call{`POST /api/v1/users {"lastName":"Ng"}`, nil, nil, 201, ""},
		call{"PUT /api/v1/users/1 " + byronJSON, nil, nil, 200, ""},
		call{`PUT /api/v1/users/1 {"email":"ada@example.com","age":null,"gender":null}`, nil, nil, 200, ""},
		call{`PATCH /api/v1/users/1 {"age":null,"gender":null}`, nil, nil, 200, ""},
		call{`PATCH /api/v1/users/1 {"firstName":null,"email":null}`, nil, nil, 200, ""},
		call{`PATCH /api/v1/users/1 {"firstName":null,"lastName":null}`, nil, func(f *fakes) { f.users[1] = user.User{ID: 1, LastName: "Ng"} }, 400, "validation_failed"},
		call{"PUT /api/v1/users/1 " + byronJSON, as{"If-Match", byronTag}, nil, 200, ""},
		call{"PUT /api/v1/users/1 " + byronJSON, as{"If-Match", `"x"`}, nil, 412, "precondition_failed"},
		call{"PATCH /api/v1/users/1 {}", nil, nil, 200, ""},
		call{"PATCH /api/v1/users/1 {}", as{"Content-Type", "Application/Merge-Patch+JSON; charset=utf-8"}, nil, 200, ""},
		call{"PATCH /api/v1/users/1 {}", as{"If-Match", `"x", ` + byronTag}, nil, 200, ""},
		call{"PATCH /api/v1/users/1 {}", as{"If-Match", "W/" + byronTag}, nil, 412, "precondition_failed"},
		call{"DELETE /api/v1/users/1", nil, nil, 204, ""},
		call{"DELETE /api/v1/users/1", as{"If-Match", byronTag}, nil, 204, ""},
		call{"DELETE /api/v1/users/1", as{"If-Match", `"x"`}, nil, 412, "precondition_failed"},
		call{"POST /api/v1/users/1/reactivate", nil, deleted, 200, ""},
		call{"POST /api/v1/users/1/reactivate", nil, nil, 400, "user_is_active"},
	)
}

func TestOneUser(t *testing.T) {
	t.Parallel()
	f := newFakes()
	a := newAPI(t, f, nil)
	const want = `{"age":36,"city":"London","deleted":false,"deletedAt":null,"email":"ada@example.com","firstName":"Ada","gender":"Female",` +
		`"id":1,"lastName":"Byron","mobileNumber":"+442079460000","state":"England"}` + "\n"
	got := a.do("GET /api/v1/users/1", nil, nil)
	if diff := cmp.Diff(want, string(got.body)); diff != "" {
		t.Errorf("user (-want +got):\n%s", diff)
	}
	if h := got.Header.Get("ETag"); h != byronTag {
		t.Errorf("ETag = %s, want %s", h, byronTag)
	}
	got = a.do("GET /api/v1/users/1", as{"If-None-Match", `"a", W/` + byronTag}, nil)
	if got.StatusCode != http.StatusNotModified || len(got.body) != 0 || got.Header.Get("ETag") != byronTag {
		t.Errorf("If-None-Match: %d %q %s", got.StatusCode, got.body, got.Header.Get("ETag"))
	}
}

func TestCreate(t *testing.T) {
	t.Parallel()
	f := newFakes()
	got := newAPI(t, f, nil).do("POST /api/users "+byronJSON, nil, nil)
	u := decode[api.User](t, got)
	if got.Header.Get("Location") != "/api/v1/users/2" || got.Header.Get("ETag") == "" || u.ID != 2 || u.MobileNumber != "+44" {
		t.Errorf("Location %q, ETag %q, user %+v", got.Header.Get("Location"), got.Header.Get("ETag"), u)
	}
	want := user.User{ID: 2, FirstName: "Ada", LastName: "Byron", Email: "ada@example.com", Age: 36, Gender: "Female", MobileNumber: "+44"}
	if diff := cmp.Diff(want, f.users[2]); diff != "" {
		t.Errorf("stored (-want +got):\n%s", diff)
	}
}

// What is unknown is left out, and the tag tells it from what is known.
func TestUnknownAgeAndGender(t *testing.T) {
	t.Parallel()
	a := newAPI(t, newFakes(), nil)
	const want = `{"city":"","deleted":false,"deletedAt":null,"email":"","firstName":"","id":2,"lastName":"Ng","mobileNumber":"","state":""}` + "\n"
	created := a.do(`POST /api/v1/users {"lastName":"Ng","age":null}`, nil, nil)
	if diff := cmp.Diff(want, string(created.body)); diff != "" {
		t.Errorf("user (-want +got):\n%s", diff)
	}
	known := a.do(`PATCH /api/v1/users/2 {"age":36,"gender":"Female"}`, nil, nil)
	emptied := a.do(`PATCH /api/v1/users/2 {"age":null,"gender":""}`, as{"If-Match", known.Header.Get("ETag")}, nil)
	if string(emptied.body) != want || emptied.Header.Get("ETag") != created.Header.Get("ETag") || known.Header.Get("ETag") == created.Header.Get("ETag") {
		t.Errorf("emptied: %d %s, tags %s %s %s", emptied.StatusCode, emptied.body, created.Header.Get("ETag"), known.Header.Get("ETag"), emptied.Header.Get("ETag"))
	}
	for _, patch := range []string{`{"lastName":null}`, `{"lastName":" ","city":"London"}`} {
		e := a.failure(a.do("PATCH /api/v1/users/2 "+patch, nil, nil), 400, "validation_failed")
		if diff := cmp.Diff([]api.FieldError{{Field: "email", Message: "or a name must be given"}}, e.Details.FieldErrors); diff != "" {
			t.Errorf("%s (-want +got):\n%s", patch, diff)
		}
	}
}

// PUT sets every field, PATCH only what is given, and null empties.
func TestPutAndPatch(t *testing.T) {
	t.Parallel()
	f := newFakes()
	a := newAPI(t, f, nil)
	a.do(`PATCH /api/v1/users/1 {"city":"Paris","state":null,"age":3.7e1}`, nil, nil)
	a.do(`PUT /api/v1/users/1 {"firstName":"Eve","email":"eve@example.com","age":40.0,"gender":"Male"}`, nil, nil)
	a.do(`PATCH /api/v1/users/1 {}`, nil, nil)
	empty := new("")
	want := []user.Patch{
		{City: new("Paris"), State: empty, Age: new(37)},
		{FirstName: new("Eve"), LastName: empty, Email: new("eve@example.com"), City: empty, State: empty, MobileNumber: empty, Gender: new("Male"), Age: new(40)},
		{},
	}
	if diff := cmp.Diff(want, f.patches); diff != "" {
		t.Errorf("patches (-want +got):\n%s", diff)
	}
}

// Who writes with the tag of what they saw does not overwrite what came between.
func TestIfMatch(t *testing.T) {
	t.Parallel()
	f := newFakes()
	a := newAPI(t, f, nil)
	first := a.do(`PATCH /api/v1/users/1 {"city":"Paris"}`, as{"If-Match", byronTag}, nil)
	a.failure(a.do(`PATCH /api/v1/users/1 {"city":"Rome"}`, as{"If-Match", byronTag}, nil), 412, "precondition_failed")
	if got := a.do(`PATCH /api/v1/users/1 {"city":"Rome"}`, as{"If-Match", first.Header.Get("ETag")}, nil); got.StatusCode != http.StatusOK {
		t.Errorf("with the new tag: %d %s", got.StatusCode, got.body)
	}
	if got := a.do(`PATCH /api/v1/users/1 {"city":"Oslo"}`, as{"If-Match", "*"}, nil); got.StatusCode != http.StatusOK {
		t.Errorf("with *: %d %s", got.StatusCode, got.body)
	}
	for _, bad := range []string{"", `"`, "x", byronTag[1:], ",", `""`, "W/"} {
		got := a.do(`PATCH /api/v1/users/1 {"city":"Rome"}`, as{"If-Match", bad}, nil)
		if bad == "" {
			continue // an empty header is none
		}
		a.failure(got, 412, "precondition_failed")
	}
}

func TestListPassesTheQueryOn(t *testing.T) {
	t.Parallel()
	everything := user.Filter{
		Name: `100%_"'`, City: "São", State: "مرحبا", Email: "a@b.c", Gender: "Male", Age: 5, MinAge: 1, MaxAge: 150, Deleted: true,
	}
	tests := map[string]user.Query{
		"":                                 {Size: 10, Sort: user.Sort{By: "id"}},
		"page=0&size=1000":                 {Size: 1000, Sort: user.Sort{By: "id"}},
		"page=10&size=1000":                {Size: 1000, Offset: 10_000, Sort: user.Sort{By: "id"}},
		"page=10000&size=1&direction=desc": {Size: 1, Offset: 10_000, Sort: user.Sort{By: "id", Desc: true}},
		"sortBy=firstName&deleted=false":   {Size: 10, Sort: user.Sort{By: "firstName"}},
		"age=5&minAge=1&maxAge=150&gender=Male&email=a@b.c&deleted=true&name=" + url.QueryEscape(everything.Name) +
			"&city=" + url.QueryEscape(everything.City) + "&state=" + url.QueryEscape(everything.State): {Filter: everything, Size: 10, Sort: user.Sort{By: "id"}},
		"city=" + strings.Repeat("%F0%9F%8C%8D", 100): {Filter: user.Filter{City: strings.Repeat("🌍", 100)}, Size: 10, Sort: user.Sort{By: "id"}},
	}
	for query, want := range tests {
		for _, route := range []string{"/api/v1/users?", "/api/users/search?"} {
			f := newFakes()
			if got := newAPI(t, f, nil).do("GET "+route+query, nil, nil); got.StatusCode != http.StatusOK {
				t.Fatalf("%s: %d %s", query, got.StatusCode, got.body)
			}
			if diff := cmp.Diff([]user.Query{want}, f.queries); diff != "" {
				t.Errorf("%s (-want +got):\n%s", query, diff)
			}
		}
	}
}

// An empty value would list, or export, everybody: it comes from a script whose variable is not set.
func TestFilterThatIsGivenHasAValue(t *testing.T) {
	t.Parallel()
	a := newAPI(t, newFakes(), nil)
	for _, route := range []string{"/api/v1/users?", "/api/v1/export/stream?", "/api/v1/export/csv?"} {
		for _, field := range []string{"name", "city", "state", "email"} {
			got := a.do("GET "+route+field+"=", nil, nil)
			a.failure(got, 400, "validation_failed")
		}
	}
}

func TestCursorGoesOn(t *testing.T) {
	t.Parallel()
	values := map[string]string{"id": "", "firstName": "Ada", "lastName": "Byron", "city": "London", "state": "England", "age": "36", "email": "ada@example.com"}
	for _, by := range user.SortFields() {
		f := newFakes()
		f.slice, f.more = []user.User{byron(), byron()}, true
		a := newAPI(t, f, nil)
		list := "GET /api/v1/users?direction=desc&city=lon&size=2&sortBy=" + by
		page := decode[api.UserPage](t, a.do(list, nil, nil))
		if len(page.Content) != 2 || !page.HasNext || page.NextCursor == nil {
			t.Fatalf("first slice %+v", page)
		}
		f.more = false
		next := "&after=" + *page.NextCursor
		page = decode[api.UserPage](t, a.do(list+next, nil, nil))
		if page.HasNext || page.NextCursor != nil {
			t.Errorf("last slice %+v", page)
		}
		want := &user.Key{ID: 1, Value: values[by]}
		if diff := cmp.Diff(want, f.queries[1].After); diff != "" {
			t.Errorf("%s: key (-want +got):\n%s", by, diff)
		}
		// Its size may change from slice to slice, its list may not.
		if got := a.do(strings.Replace(list, "size=2", "size=3", 1)+next, nil, nil); got.StatusCode != http.StatusOK {
			t.Errorf("another size: %d %s", got.StatusCode, got.body)
		}
		for _, other := range []string{
			strings.Replace(list, "desc", "asc", 1) + next, strings.Replace(list, "lon", "par", 1) + next, list + "&deleted=true" + next,
			list + next + "A", list + next[:len(next)-1], strings.Replace(list+next, "&after=A", "&after=B", 1), list + "&after=AQ", list + "&after=!",
			list + next + "%0A",
		} {
			e := a.failure(a.do(other, nil, nil), 400, "validation_failed")
			if e.Details.FieldErrors[0].Field != "after" {
				t.Errorf("%s: %+v", other, e.Details)
			}
		}
	}
	if got := newAPI(t, newFakes(), nil).do("GET /api/v1/users", nil, nil); string(got.body) != `{"content":[],"hasNext":false,"nextCursor":null,"page":0,"size":10}`+"\n" {
		t.Errorf("no users: %s", got.body)
	}
}
