package dashboard

import (
	"encoding/json"
	"maps"
	"net/http"
	"net/url"

	"github.com/musterhq/muster/internal/apikey"
)

// searching is the page on which people look for users.
type searching struct {
	Query     url.Values // what was given of it, and nothing else: all but the order goes into exports, too
	Asked     bool       // conditions were given, or all users are wanted
	Users     []foundUser
	Next      string // address of the next page; empty: this is the last
	Sorts     []string
	API       string // where the API is
	MayExport bool
	Problem   string // what is wrong with the conditions; empty: nothing
}

// foundUser is a user as the API shows one.
type foundUser struct {
	ID           int64  `json:"id"`
	FirstName    string `json:"firstName"`
	LastName     string `json:"lastName"`
	Email        string `json:"email"`
	City         string `json:"city"`
	State        string `json:"state"`
	Age          int    `json:"age"`
	Gender       string `json:"gender"`
	MobileNumber string `json:"mobileNumber"`
}

// conditions are the fields of the form.
var conditions = []string{"name", "city", "state", "email", "gender", "age", "minAge", "maxAge", "deleted", "sortBy", "direction"}

// users answers GET /dashboard/users.
func (d *Dashboard) users(w http.ResponseWriter, r *http.Request) error {
	owner, ok := d.signedIn(w, r)
	if !ok {
		return nil
	}
	given := r.URL.Query()
	s := &searching{Query: url.Values{}, Sorts: []string{"id", "firstName", "lastName", "city", "state", "age", "email"}, Asked: len(given) > 0, API: d.apiRoot(), MayExport: d.may(r, apikey.Export)}
	if !s.Asked {
		return d.render(w, r, http.StatusOK, "users", "Users", s)
	}
	for _, name := range conditions {
		if v := given.Get(name); v != "" {
			s.Query.Set(name, v)
		}
	}
	asked, next := maps.Clone(s.Query), maps.Clone(s.Query)
	asked.Set("size", "25")
	if v := given.Get("after"); v != "" {
		asked.Set("after", v)
	}
	status := http.StatusOK
	a, err := d.call(w, r, owner, http.MethodGet, "/users/search?"+asked.Encode(), nil, "")
	if err != nil {
		p := explain(err)
		s.Problem, status = p.text, p.status
		return d.render(w, r, status, "users", "Users", s)
	}
	var found struct {
		Content    []foundUser `json:"content"`
		NextCursor string      `json:"nextCursor"`
	}
	if err := json.Unmarshal(a.body, &found); err != nil {
		return err
	}
	s.Users = found.Content
	if found.NextCursor != "" {
		next.Set("after", found.NextCursor)
		s.Next = Root + "/users?" + next.Encode()
	}
	return d.render(w, r, status, "users", "Users", s)
}
