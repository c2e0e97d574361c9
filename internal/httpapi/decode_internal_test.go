package httpapi

import (
	"encoding/json"
	"errors"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/user"
)

// fieldsOf lists the names in field errors, "!" when the body as a whole is bad.
func fieldsOf(body string, whole bool) string {
	_, bad, err := decodeUser([]byte(body), whole)
	if err != nil {
		return "!"
	}
	names := make([]string, len(bad))
	for i, f := range bad {
		names[i] = f.Field
	}
	return strings.Join(names, " ")
}

// Every bad field at once, and nothing that was sent repeated but the start of an unknown name.
func TestBadBodies(t *testing.T) {
	t.Parallel()
	long := strings.Repeat("x", 300)
	tests := []struct {
		body       string
		put, patch string
	}{
		{`{}`, "email", ""},
		{` { "firstName" : "Ada" , "email":"a@b.c","age":1,"gender":"Male"}` + "\r\n\t ", "", ""},
		{``, "!", "!"},
		{" \n", "!", "!"},
		{`{`, "!", "!"},
		{`{}{}`, "!", "!"},
		{`{"age":1,}`, "!", "!"},
		{`{"age":01}`, "!", "!"},
		{`{"age":NaN}`, "!", "!"},
		{`{'age':1}`, "!", "!"},
		{"{\"city\":\"a\nb\"}", "!", "!"},
		{"{\"city\":\"\xff\"}", "!", "!"},
		{"\xef\xbb\xbf{}", "!", "!"},
		{`{"city":` + strings.Repeat("[", 20_000) + strings.Repeat("]", 20_000) + `}`, "!", "!"},
		{`[]`, "body email", "body"},
		{`null`, "body email", "body"},
		{`"firstName"`, "body email", "body"},
		{`{"firstName":null,"email":null,"age":null,"gender":null}`, "email", ""},
		{`{"firstName":null,"email":"","lastName":" "}`, "email", "email"},
		{`{"lastName":"Ng","age":null,"gender":""}`, "", ""},
		{`{"lastName":1}`, "lastName", "lastName"},
		{`{"age":0,"email":"a@b.c"}`, "age", "age"},
		{`{"age":-0.0e9,"email":"a@b.c"}`, "age", "age"},
		{`{"city":null,"state":null,"lastName":null,"mobileNumber":null}`, "email", ""},
		{`{"FIRSTNAME":"Ada","firstname":"Ada"}`, "FIRSTNAME firstname email", "FIRSTNAME firstname"},
		{`{"id":1,"deleted":true,"deletedAt":null}`, "id deleted deletedAt email", "id deleted deletedAt"},
		{`{"age":1,"age":2,"age":3}`, "age email", "age"},
		{`{"age":1,"\u0061ge":2}`, "age email", "age"},
		{`{"mobileNumber":"1","phNum":"1"}`, "phNum email", "phNum"},
		{`{"phNum":"` + long + `"}`, "phNum email", "phNum"},
		{`{"firstName":1,"email":true,"age":"36","gender":[],"city":{"a":{}},"state":2}`, "firstName email age gender city state", "firstName email age gender city state"},
		{`{"age":1.5,"firstName":"\u0000","gender":"male","email":"Ada <a@b.c>","lastName":"` + long + `"}`, "age firstName lastName email gender", "age firstName lastName email gender"},
		{`{"age":1e400}`, "age email", "age"},
		{`{"age":9223372036854775808}`, "age email", "age"},
		{`{"age":-1e99}`, "age email", "age"},
		{`{"city":"\u0000"}`, "city email", "city"},
		{`{"city":"a\tb","state":"a\u007fb","lastName":"a\u0085b","mobileNumber":"1\u20282"}`, "lastName city state mobileNumber", "lastName city state mobileNumber"},
		{`{"firstName":"\u200b\u3164","email":"\"ann.b\"@example.com"}`, "email", "email"},
		{`{"city":"\ud83d"}`, "city email", "city"},
		{`{"city":"\ude00\ud83d"}`, "city email", "city"},
		{`{"city":"\ud83dx","state":"\ud83d\\ude00"}`, "city state email", "city state"},
		{`{"` + long + `":1}`, long[:40] + "… email", long[:40] + "…"},
	}
	for _, test := range tests {
		if diff := cmp.Diff([]string{test.put, test.patch}, []string{fieldsOf(test.body, true), fieldsOf(test.body, false)}); diff != "" {
			t.Errorf("%.80s (-want +got):\n%s", test.body, diff)
		}
	}
}

// Whether a number is whole is decided by its digits, not by what a float64 makes of them.
func TestWholeNumbers(t *testing.T) {
	t.Parallel()
	zeros := strings.Repeat("0", 1000)
	for number, want := range map[string]bool{
		"3": true, "0": true, "-0": true, "-7": true, "36.0": true, "3.6e1": true, "0.36E+2": true, "3600e-2": true, "3." + zeros: true,
		"0e-99999999999999999999": true, "0.0e5": true, "1e99999999999999999999": true, "1" + zeros + "e-1000": true, "0." + zeros + "1e1001": true,
		"3.0000000000000001": false, "1.5": false, "3.6e0": false, "36e-1": false, "1e-99999999999999999999": false, "3." + zeros + "1": false,
		"1" + zeros + "e-1001": false, "0." + zeros + "1e1000": false, "-0.1": false, "149.99999999999999999": false,
	} {
		if got := isWhole(number); got != want {
			t.Errorf("%.40s: %t", number, got)
		}
		if fields := fieldsOf(`{"age":`+number+`}`, false); !want && fields != "age" {
			t.Errorf("%.40s was taken as an age", number)
		}
	}
	for number, message := range map[string]string{"1e400": "must be 1 to 150", "-1e400": "must be 1 to 150", "3.0000000000000001": "must be a whole number"} {
		if _, bad, err := decodeUser([]byte(`{"age":`+number+`}`), false); err != nil || len(bad) != 1 || bad[0].Message != message {
			t.Errorf("%s: %v %v, want %q", number, bad, err, message)
		}
	}
}

// Names come in every script, and what was sent is what is stored, in the form in which all texts are.
func TestBodiesKeepText(t *testing.T) {
	t.Parallel()
	for in, want := range map[string]string{
		`"😀"`: "😀", `"\ud83d\ude00"`: "😀", `"\uD83D\uDE00x"`: "😀x", `"\\ud83d"`: `\ud83d`, `"مريم"`: "مريم", `"a b\"c\/"`: "a b\"c/",
		`"\ufffd�"`: "��", `"=1+1"`: "=1+1", `"'; DROP TABLE users; --"`: "'; DROP TABLE users; --", `"e\u0301"`: "é", `""`: "", `"  "`: "",
		`" Zero\u200bWidth\r\n"`: "ZeroWidth", `"👩\u200d💻"`: "👩\u200d💻",
	} {
		p, bad, err := decodeUser([]byte(`{"city":`+in+`}`), false)
		if err != nil || len(bad) > 0 || p.City == nil || *p.City != want {
			t.Errorf("%s: %v %v %v", in, p.City, bad, err)
		}
	}
}

func TestManyErrorsAreCut(t *testing.T) {
	t.Parallel()
	body := `{"x":1` + strings.Repeat(`,"y":1,"z":2`, 100)
	for i := range 50_000 {
		body += `,"` + string(rune('一'+i%20_000)) + `":1`
		if len(body) > 2000 {
			break
		}
	}
	if _, bad, err := decodeUser([]byte(body+`}`), true); err != nil || len(bad) != maxFieldErrors {
		t.Errorf("%d errors, %v, want %d", len(bad), err, maxFieldErrors)
	}
}

// What is accepted keeps the rules, agrees with encoding/json and does not depend on the order of checks.
func FuzzBody(f *testing.F) {
	for _, seed := range []string{
		`{}`, `{"firstName":"Ada","email":"a@b.c","age":36,"gender":"Female"}`, `{"phNum":null,"city":"\ud83d\ude00"}`, `[1]`,
		`{"age":1,"age":2}`, `{"id":1,"nick":[{}]}`, `{"age":3.6e1}`, `{"city":"\ud83d"}`, `{"state":"\\u"}`, "{\"city\":\"\xff\"}",
	} {
		f.Add([]byte(seed), true)
		f.Add([]byte(seed), false)
	}
	f.Fuzz(func(t *testing.T, body []byte, whole bool) {
		p, bad, err := decodeUser(body, whole)
		if err != nil {
			if _, ok := errors.AsType[malformedError](err); !ok || len(err.Error()) > 100 {
				t.Fatalf("error %v", err)
			}
			if json.Valid(body) && utf8.Valid(body) {
				t.Fatalf("%q is JSON: %v", body, err)
			}
			return
		}
		if !json.Valid(body) {
			t.Fatalf("%q is no JSON and was taken", body)
		}
		for _, b := range bad {
			if b.Field == "" && !strings.Contains(string(body), `""`) || b.Message == "" || len(b.Field) > 50 || !utf8.ValidString(b.Field) {
				t.Errorf("field error %+v", b)
			}
		}
		if len(bad) > 0 {
			return
		}
		given := p
		if err := p.Prepare(); err != nil || p != given {
			t.Errorf("%q was taken: %v", body, err)
		}
		for _, f := range user.Fields() {
			if _, given := f.Given(&p); whole && f.Settable() && !given {
				t.Errorf("%q was taken as a whole user without %s", body, f.Name)
			}
		}
		var want map[string]any
		if err := json.Unmarshal(body, &want); err != nil {
			t.Fatal(err)
		}
		if city, given := want["city"].(string); given && (p.City == nil || *p.City != strings.TrimSpace(user.Normal(city))) {
			t.Errorf("city %v, want %q", p.City, city)
		}
		if u := (user.User{}); whole {
			if p.Apply(&u); u.CheckIdentity() != nil {
				t.Errorf("%q was taken: nobody", body)
			}
		}
		if age, given := want["age"].(float64); given && (p.Age == nil || float64(*p.Age) != age) {
			t.Errorf("age %v, want %v", p.Age, age)
		}
	})
}
