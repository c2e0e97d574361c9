package httpapi_test

import (
	"net/http"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/httpapi/api"
)

// What was put into the wrong place is not passed over, and the error says where it belongs.
func TestMixups(t *testing.T) {
	t.Parallel()
	const (
		post    = "POST /api/v1/users/import/async"
		inQuery = "is a query parameter: write ?count=… after the path, not into the body"
		form    = "application/x-www-form-urlencoded"
		unknown = "is not a parameter of this route"
	)
	tests := []struct {
		request string
		headers as
		body    string
		want    map[string]string
	}{
		{post, ada, `{"count":100000}`, map[string]string{"count": inQuery}},
		{post, append(as{"Content-Type", form}, ada...), `{"count":100000}`, map[string]string{"count": inQuery}},
		{post, append(as{"Content-Type", form}, ada...), "count=100000", map[string]string{"count": inQuery}},
		{post + "?count=5", ada, `{"COUNT":1, "other":{}}`, map[string]string{"count": inQuery}},
		{post + "?count=5", ada, `{"source":"randomuser","seed":1}`, map[string]string{
			"source": strings.ReplaceAll(inQuery, "count", "source"), "seed": strings.ReplaceAll(inQuery, "count", "seed"),
		}},
		{"GET /api/v1/users", nil, `{"min_age":5}`, map[string]string{"minAge": strings.ReplaceAll(inQuery, "count", "minAge")}},
		{post + "?Count=5", ada, "", map[string]string{"Count": unknown + ", but count is", "count": "is required"}},
		{post + "?count=5&userId=ann", nil, "", map[string]string{"userId": unknown + ": it goes into the header X-USER-ID", "X-USER-ID": "is required"}},
		{post + "?count=5&idempotency_key=k", ada, "", map[string]string{"idempotency_key": unknown + ": it goes into the header Idempotency-Key"}},
		{"GET /api/v1/users/search?min_age=5&sort-by=id&nick=x", nil, "", map[string]string{
			"min_age": unknown + ", but minAge is", "sort-by": unknown + ", but sortBy is", "nick": unknown,
		}},
		{"POST /api/v1/users?firstName=Ada&deleted=true", nil, "", map[string]string{
			"firstName": unknown + ": it goes into the body, as JSON", "deleted": unknown,
		}},
		{"PATCH /api/v1/users/1?phNum=1", as{"Content-Type", "application/json"}, `{}`, map[string]string{"phNum": unknown + ": it goes into the body, as JSON"}},
		{"PATCH /api/v1/users/1", as{"Content-Type", "application/json"}, `{"first_name":"Ada","City":"x","nick":"y","deleted_at":1}`, map[string]string{
			"first_name": "is not a field of a user, but firstName is", "City": "is not a field of a user, but city is",
			"nick": "is not a field of a user", "deleted_at": "is not a field of a user",
		}},
	}
	f := newFakes()
	a := newAPI(t, f, nil)
	for _, test := range tests {
		got := a.do(test.request, test.headers, strings.NewReader(test.body))
		if got.StatusCode != http.StatusBadRequest {
			t.Errorf("%s %s: %d %s", test.request, test.body, got.StatusCode, got.body)
			continue
		}
		said := map[string]string{}
		for _, f := range decode[api.Error](t, got).Details.FieldErrors {
			said[f.Field] = f.Message
		}
		if diff := cmp.Diff(test.want, said); diff != "" {
			t.Errorf("%s %s (-want +got):\n%s", test.request, test.body, diff)
		}
	}
	if len(f.specs)+len(f.queries)+len(f.patches) != 0 {
		t.Errorf("bad requests were passed on: %+v %+v %+v", f.specs, f.queries, f.patches)
	}
	// A body that means nothing is no mistake: some clients always send one.
	for _, body := range []string{"{}", "null", "[]", "hello", `{"note":"count"}`, "\x00\xff", "%zz", `{"count":1,"x":"` + strings.Repeat("x", 100_000) + `"}`} {
		if got := a.do(post+"?count=1", ada, strings.NewReader(body)); got.StatusCode != http.StatusAccepted {
			t.Errorf("body %q: %d %s", body, got.StatusCode, got.body)
		}
	}
}
