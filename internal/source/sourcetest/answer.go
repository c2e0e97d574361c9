package sourcetest

import (
	"encoding/json"
	"net/url"
	"slices"
	"strconv"
	"strings"
)

// The form of RandomUser 1.4's answers. The order of the fields is the service's own.
type (
	answer struct {
		Results []result `json:"results"`
		Info    info     `json:"info"`
	}
	info struct {
		Seed    string `json:"seed"`
		Results int    `json:"results"`
		Page    int    `json:"page"`
		Version string `json:"version"`
	}
	result struct {
		Gender   string            `json:"gender,omitempty"`
		Name     *fullName         `json:"name,omitempty"`
		Location *location         `json:"location,omitempty"`
		Email    string            `json:"email,omitempty"`
		Login    map[string]string `json:"login,omitempty"`
		DOB      *birth            `json:"dob,omitempty"`
		Phone    string            `json:"phone,omitempty"`
		Cell     string            `json:"cell,omitempty"`
		ID       *document         `json:"id,omitempty"`
		Nat      string            `json:"nat,omitempty"`
	}
	fullName struct {
		Title string `json:"title"`
		First string `json:"first"`
		Last  string `json:"last"`
	}
	location struct {
		Street      map[string]any    `json:"street"`
		City        string            `json:"city"`
		State       string            `json:"state"`
		Country     string            `json:"country"`
		Postcode    json.RawMessage   `json:"postcode"` // a number here, a string there
		Coordinates map[string]string `json:"coordinates"`
	}
	birth struct {
		Date string `json:"date"`
		Age  int    `json:"age"`
	}
	document struct {
		Name  string  `json:"name"`
		Value *string `json:"value"` // may be null
	}
)

// query is a request as the service understands it, that is after its silent corrections.
type query struct {
	seed          string
	results, page int
	nat           []string
	gender        string // only without a seed
	inc           []string
}

// parse never fails: what the service does not understand it replaces without a word.
func parse(v url.Values, freshSeed string) query {
	q := query{seed: v.Get("seed"), nat: parseNat(v.Get("nat")), results: 1, page: 1}
	if n, err := strconv.Atoi(v.Get("results")); err == nil && n >= 1 && n <= 5000 {
		q.results = n
	}
	if n, err := strconv.Atoi(v.Get("page")); err == nil && n >= 1 && n <= 10000 {
		q.page = n
	}
	if q.seed == "" {
		q.seed, q.gender = freshSeed, v.Get("gender")
	}
	if inc := v.Get("inc"); inc != "" {
		q.inc = strings.Split(inc, ",")
	}
	return q
}

func (q *query) wants(field string) bool { return q.inc == nil || slices.Contains(q.inc, field) }

func (q *query) answer() answer {
	a := answer{
		Results: make([]result, 0, q.results),
		Info:    info{Seed: q.seed, Results: q.results, Page: q.page, Version: "1.4"},
	}
	people := People(q.seed, q.page, q.nat, q.results)
	for i := range people {
		switch q.gender {
		case "female":
			people[i].Female = true
		case "male":
			people[i].Female = false
		}
		a.Results = append(a.Results, q.result(&people[i]))
	}
	return a
}

func (q *query) result(p *Person) result {
	var r result
	if q.wants("gender") {
		r.Gender = map[bool]string{true: "female", false: "male"}[p.Female]
	}
	if q.wants("name") {
		r.Name = &fullName{Title: "Mx", First: p.First, Last: p.Last}
	}
	if q.wants("location") {
		postcode := p.Postcode
		if _, err := strconv.Atoi(postcode); err != nil {
			postcode = strconv.Quote(postcode)
		}
		r.Location = &location{
			Street: map[string]any{"number": 1, "name": "Example Road"}, City: p.City, State: p.State, Country: p.Nat,
			Postcode: json.RawMessage(postcode), Coordinates: map[string]string{"latitude": "-12.0001", "longitude": "34.5"},
		}
	}
	if q.wants("email") {
		r.Email = p.Email
	}
	if q.wants("login") {
		r.Login = map[string]string{"username": "crazypeacock512", "password": "sesame", "salt": "x", "md5": "y"}
	}
	if q.wants("dob") {
		// The service's own age follows the calendar; a value that nobody should rely on.
		r.DOB = &birth{Date: p.Born.Format("2006-01-02T15:04:05.000Z"), Age: 1}
	}
	if q.wants("phone") {
		r.Phone = p.Cell
	}
	if q.wants("cell") {
		r.Cell = p.Cell
	}
	if q.wants("id") {
		r.ID = &document{}
	}
	if q.wants("nat") {
		r.Nat = p.Nat
	}
	return r
}
