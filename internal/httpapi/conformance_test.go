package httpapi_test

import (
	"encoding/json"
	"fmt"
	"io"
	"log/slog"
	"maps"
	"net/http"
	"net/http/httptest"
	"net/url"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/getkin/kin-openapi/openapi3"
	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/export"
	"github.com/musterhq/muster/internal/httpapi"
	"github.com/musterhq/muster/internal/httpapi/api"
	"github.com/musterhq/muster/internal/invalid"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/user"
)

// oracle says what the contract takes: by the JSON forms of numbers and truth values and by the schemas alone, with
// nothing of the server's.
type oracle struct{ known map[string]bool }

var (
	jsonInteger = regexp.MustCompile(`^(0|-?[1-9][0-9]*)$`)
	visible     = regexp.MustCompile(`^[\t -~\x{80}-\x{10FFFF}]*$`) // what a header can hold
)

// parameter reports whether the contract takes the text as a value of p.
func (o *oracle) parameter(p *openapi3.Parameter, text string) bool {
	key := fmt.Sprintf("%p %q", p.Schema.Value, text)
	takes, known := o.known[key]
	if !known {
		value, ok := fromText(p.Schema.Value, text)
		takes = ok && p.Schema.Value.VisitJSON(value, openapi3.EnableJSONSchema2020()) == nil
		o.known[key] = takes
	}
	return takes
}

// fromText returns the JSON value that a text in a path, a query or a header stands for.
func fromText(s *openapi3.Schema, text string) (value any, ok bool) {
	switch {
	case !utf8.ValidString(text):
		return nil, false
	case s.Type.Is("integer"):
		n, err := strconv.ParseInt(text, 10, 64)
		return float64(n), err == nil && jsonInteger.MatchString(text)
	case s.Type.Is("boolean"):
		return text == "true", text == "true" || text == "false"
	case s.Type.Is("array"):
		list, parts := []any{}, []string{text}
		if s.Items.Value.Enum != nil { // the others are given once for each value
			parts = strings.Split(text, ",")
		}
		for _, part := range parts {
			item, ok := fromText(s.Items.Value, part)
			if !ok {
				return nil, false
			}
			list = append(list, item)
		}
		return list, true
	}
	return text, true
}

// candidates returns values of all kinds, those at and around every bound of the schema among them.
func candidates(s *openapi3.Schema) []string {
	list := []string{
		"", "0", "1", "2", "-1", "+1", "-0", "01", "007", "1.0", "1e1", "0x1", "1_000", " 1", "1 ", "１", "true", "false", "True", "TRUE", "T", "t", "f", "yes",
		"null", "a", "A", "é", "🌍", "a b", "a,b", ",", "%", "%31", "a\x00b", "a\tb", "a\nb", "a\u0085b", "a\u2028b", "\xff", "\xed\xa0\x80", "\ufeffa", "{}", "[1]", `"1"`, "*", "'", "<b>", "../x",
		"9223372036854775807", "9223372036854775808", "-9223372036854775808", "-9223372036854775809", "18446744073709551616", "99999999999999999999999",
		jobID, strings.ToUpper(jobID), strings.ReplaceAll(jobID, "-", ""), "{" + jobID + "}", jobID + "0", "urn:uuid:" + jobID,
	}
	for _, e := range s.Enum {
		e := e.(string)
		list = append(list, e, strings.ToUpper(e), strings.ToLower(e), strings.Title(e), " "+e, e+" ", e+","+e, e+"\x00") //nolint:staticcheck // ASCII
	}
	if s.Pattern != "" {
		list = append(list, "tab", "pipe", ";", ";;", `"`, "\t", "10%", "100%", "101%", "007%", "500", "%", "-", "utf-8", "ISO_8859-15:1987", "x y")
	}
	for _, bound := range []*float64{s.Min, s.Max} {
		if bound != nil {
			for n := int64(*bound) - 1; n <= int64(*bound)+1; n++ {
				list = append(list, strconv.FormatInt(n, 10))
			}
		}
	}
	if s.MaxLength != nil {
		for _, char := range []string{"x", "é", "🌍"} {
			for n := int(*s.MaxLength) - 1; n <= int(*s.MaxLength)+1; n++ {
				list = append(list, strings.Repeat(char, n))
			}
		}
	}
	if s.Type.Is("array") && s.Items.Value.Enum == nil {
		for _, column := range []string{"", "Mail", "a,b", "a:b", strings.Repeat("x", 1093), strings.Repeat("x", 1095)} {
			list = append(list, "email:"+column, "Email:"+column, "mobile :"+column, "deleted:"+column, " email:"+column)
		}
	} else if s.Type.Is("array") {
		list = append(list, candidates(s.Items.Value)...)
		var all []string
		for _, e := range s.Items.Value.Enum {
			all = append(all, e.(string))
			list = append(list, "id,"+e.(string), e.(string)+",", ","+e.(string))
		}
		list = append(list, strings.Join(all, ","), strings.Repeat(all[0]+",", int(*s.MaxItems)-1)+all[0], strings.Repeat(all[0]+",", int(*s.MaxItems))+all[0])
	}
	return list
}

// stricter lists what the contract cannot say of a single parameter, by its name: whether the server may refuse a value
// that its schema takes.
var stricter = map[string]func(text string) bool{
	// Only the server's own cursors are any.
	"after": func(string) bool { return true },
	// Each format has a few names of its own; the contract lists the names of all.
	"fields": func(text string) bool {
		names := strings.Split(text, ",")
		csv := slices.Contains(names, "name") || slices.Contains(names, "mobile")
		return csv && slices.Contains(names, "mobileNumber")
	},
}

// A server takes of each parameter what the contract takes, and refuses what the contract refuses, under its name.
func TestParametersAreThoseOfTheContract(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.stored[jobID] = sampleFile(job.Completed)
	f.users[1] = byron()
	s, err := httpapi.New(newConfig(t, f, slog.New(slog.DiscardHandler)))
	if err != nil {
		t.Fatal(err)
	}
	public := s.Public()
	spec, err := api.GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	o := oracle{known: map[string]bool{}}
	asked, refused := 0, 0
	for _, path := range slices.Sorted(maps.Keys(spec.Paths.Map())) {
		item := spec.Paths.Value(path)
		for method, op := range item.Operations() {
			params := slices.Concat(item.Parameters, op.Parameters)
			for _, ref := range params {
				p := ref.Value
				for _, text := range candidates(p.Schema.Value) {
					r, ok := request(method, path, params, p, text)
					if !ok {
						continue
					}
					rec := httptest.NewRecorder()
					public.ServeHTTP(rec, r)
					asked++
					got, want := !names(rec, p.Name), takes(&o, p, text)
					if !got {
						refused++
					}
					if may := stricter[p.Name]; got != want && (!want || may == nil || !may(text)) || rec.Code >= 500 {
						t.Errorf("%s %s, %s=%.60q: taken %t, the contract says %t: %d %s", method, path, p.Name, text, got, want, rec.Code, rec.Body)
					}
				}
			}
		}
	}
	if asked < 3000 || refused < 1000 || asked-refused < 1000 {
		t.Errorf("only %d requests were made, %d of them refused", asked, refused)
	}
}

// takes is the oracle's word on a parameter as it is sent: HTTP takes the spaces around a header's value away.
func takes(o *oracle, p *openapi3.Parameter, text string) bool {
	if p.In == openapi3.ParameterInHeader {
		text = strings.Trim(text, " \t")
	}
	return o.parameter(p, text)
}

// names reports whether the answer is a 400 that names the field.
func names(rec *httptest.ResponseRecorder, field string) bool {
	var e api.Error
	if rec.Code != http.StatusBadRequest || json.Unmarshal(rec.Body.Bytes(), &e) != nil || e.Details == nil {
		return false
	}
	return slices.ContainsFunc(e.Details.FieldErrors, func(f invalid.Field) bool { return f.Field == field })
}

// request makes the request with the parameter, and all else that it needs; it is not ok when HTTP cannot send the text
// there.
func request(method, path string, params openapi3.Parameters, p *openapi3.Parameter, text string) (r *http.Request, ok bool) {
	query, header := url.Values{}, http.Header{"X-User-Id": {"ada"}}
	if params.GetByInAndName(openapi3.ParameterInQuery, "count") != nil {
		query.Set("count", "5")
	}
	switch {
	case p.In == openapi3.ParameterInPath && (text == "" || strings.Contains(text, "/")):
		return nil, false
	case p.In == openapi3.ParameterInPath:
		path = strings.Replace(path, "{"+p.Name+"}", url.PathEscape(text), 1)
	case p.In == openapi3.ParameterInHeader && (!visible.MatchString(text) || !utf8.ValidString(text)):
		return nil, false
	case p.In == openapi3.ParameterInHeader:
		header.Set(p.Name, strings.Trim(text, " \t"))
	default:
		query.Set(p.Name, text)
	}
	switch p.Name {
	case "key", "inFile":
		query.Set("onDuplicate", "skip")
	case "emptyMeans":
		query.Set("onDuplicate", "update")
	case "page":
		query.Set("size", "1")
	case "fields":
		if list := strings.Split(text, ","); slices.Contains(list, "mobileNumber") {
			query.Set("format", "json")
		}
	}
	body := io.Reader(http.NoBody)
	if strings.HasPrefix(path, "/import/") && p.Name != "uploadId" && p.Name != "from" {
		body = strings.NewReader("email\nada@example.com\n")
	} else if strings.HasPrefix(path, "/schedules") && (method == http.MethodPut || path == "/schedules") {
		body = strings.NewReader(nightly)
		header.Set("Content-Type", "application/json")
	} else if method == http.MethodPost && path == "/users" || method == http.MethodPut {
		body = strings.NewReader(byronJSON)
		header.Set("Content-Type", "application/json")
	} else if method == http.MethodPatch {
		body = strings.NewReader("{}")
		header.Set("Content-Type", "application/json")
	}
	r = httptest.NewRequest(method, "/api/v1"+concrete(path)+"?"+query.Encode(), body)
	r.Header = header
	return r, true
}

// The bodies of users are those of the contract: for each field, all that JSON has, and numbers and texts of all kinds.
// Which texts are taken, TestContractSaysWhichTextsAreTaken asks further.
func TestBodiesAreThoseOfTheContract(t *testing.T) {
	t.Parallel()
	spec, err := api.GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	values := []string{
		"null", "true", "false", "[]", "{}", "0", "1", "-1", "36", "36.0", "3.6e1", "36.5", "150", "150.0", "151", "1e2", "1e3",
		"1e400", "-1e400", "1e-400", "9223372036854775808", `""`, `" "`, `"Al"`, `"Ada"`, `"Male"`, `"male"`, `" Male"`, `"Female"`, `"36"`, `"a\u0000b"`, `"a\tb"`, `"é"`,
		`"ada@example.com"`, `"ada"`, `"ada@"`, `"@example.com"`, `"a da@example.com"`,
	}
	for _, n := range []int{1, 31, 32, 33, 100, 101} {
		values = append(values, `"`+strings.Repeat("x", n)+`"`, `"`+strings.Repeat("é", n)+`"`, `"`+strings.Repeat("🌍", n)+`"`)
	}
	s, _ := newServer(t, newFakes(), nil)
	public := s.Public()
	for name, requests := range map[string][]string{"UserFields": {"POST /api/v1/users", "PUT /api/v1/users/1"}, "UserPatch": {"PATCH /api/v1/users/1"}} {
		schema := spec.Components.Schemas[name].Value
		for field := range schema.Properties {
			for i, value := range append(values, "", "", "", "") { // "": not there
				body := map[string]json.RawMessage{"firstName": []byte(`"Ada"`), "email": []byte(`"ada@example.com"`), "age": []byte("36"), "gender": []byte(`"Female"`)}
				if name == "UserFields" { // with another name, or none but the field's
					delete(body, []string{"firstName", "email"}[i%2])
				}
				if body[field] = []byte(value); value == "" {
					delete(body, field)
				}
				text, err := json.Marshal(body)
				if err != nil {
					t.Fatal(err)
				}
				want := schema.VisitJSON(exact(t, text)) == nil
				for _, request := range requests {
					method, path, _ := strings.Cut(request, " ")
					r := httptest.NewRequest(method, path, strings.NewReader(string(text)))
					r.Header.Set("Content-Type", "application/json")
					rec := httptest.NewRecorder()
					public.ServeHTTP(rec, r)
					if taken := rec.Code < 300; taken != want {
						t.Errorf("%s %.100s: %d, the contract takes it: %t: %s", request, text, rec.Code, want, rec.Body)
					}
				}
			}
		}
		both := `{"firstName":"Ada","email":"a@example.com","age":1,"gender":"Male","mobileNumber":"1","phNum":"1"}`
		if schema.VisitJSON(exact(t, []byte(both))) == nil || schema.VisitJSON(exact(t, []byte(`{"nick":"x"}`))) == nil {
			t.Errorf("%s takes two mobile numbers, or what is no field", name)
		}
	}
}

// exact returns the value of a JSON text, whose numbers keep their digits.
func exact(t *testing.T, text []byte) any {
	t.Helper()
	d := json.NewDecoder(strings.NewReader(string(text)))
	d.UseNumber()
	var v any
	if err := d.Decode(&v); err != nil {
		t.Fatal(err)
	}
	return v
}

// The lists of the contract are those of the code.
func TestEnumsAreThoseOfTheCode(t *testing.T) {
	t.Parallel()
	spec, err := api.GetSpec()
	if err != nil {
		t.Fatal(err)
	}
	enum := func(s *openapi3.SchemaRef) (list []string) {
		if s.Value.Items != nil {
			s = s.Value.Items
		}
		for _, e := range s.Value.Enum {
			list = append(list, e.(string))
		}
		return list
	}
	parameter := func(name string) []string { return enum(spec.Components.Parameters[name].Value.Schema) }
	var fields []string
	for _, f := range user.Fields() {
		fields = append(fields, f.Name)
	}
	fields = append(fields, "name", "mobile")
	var statuses []string
	for _, s := range job.Statuses() {
		statuses = append(statuses, string(s))
	}
	for name, lists := range map[string][2][]string{
		"nat":    {job.Nationalities(), parameter("Nat")},
		"sortBy": {user.SortFields(), parameter("SortBy")},
		"fields": {fields, parameter("Fields")},
		"format": {{user.CSV, user.NDJSON, user.JSON, user.Parquet, user.Avro}, parameter("Format")},
		"gender": {{user.Male, user.Female}, parameter("FilterGender")},
		"status": {statuses, enum(spec.Components.Schemas["Status"])},
		"source": {{job.SourceFaker, job.SourceRandomUser}, parameter("Source")},
	} {
		if diff := cmp.Diff(slices.Sorted(slices.Values(lists[0])), slices.Sorted(slices.Values(lists[1]))); diff != "" {
			t.Errorf("%s (-code +contract):\n%s", name, diff)
		}
	}
	// Each name is one of some format, and each format has most of them.
	for _, format := range parameter("Format") {
		known := 0
		for _, field := range parameter("Fields") {
			if (export.Users{}).Check(user.ExportSpec{Format: format, Fields: []string{field}}) == nil {
				known++
			}
		}
		if want := map[string]int{"csv": 12}[format]; known != max(want, 11) {
			t.Errorf("%s has %d of the names", format, known)
		}
	}
}
