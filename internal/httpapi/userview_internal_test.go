package httpapi

import (
	"encoding/json"
	"reflect"
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/user"
)

// Every field of a user is shown, under its name.
func TestUserViewShowsEveryField(t *testing.T) {
	t.Parallel()
	u := user.User{DeletedAt: time.UnixMilli(1)}
	v := reflect.ValueOf(&u).Elem()
	for i := range v.NumField() {
		switch f := v.Field(i); f.Kind() {
		case reflect.String:
			f.SetString("x")
		case reflect.Int, reflect.Int64:
			f.SetInt(7)
		case reflect.Bool:
			f.SetBool(true)
		}
	}
	body, err := json.Marshal(userView(&u))
	if err != nil {
		t.Fatal(err)
	}
	shown := map[string]any{}
	if err := json.Unmarshal(body, &shown); err != nil {
		t.Fatal(err)
	}
	var want, got []string
	for _, f := range user.Fields() {
		want = append(want, f.Name)
	}
	for name, value := range shown {
		if value != nil && !reflect.ValueOf(value).IsZero() {
			got = append(got, name)
		}
	}
	slices.Sort(want)
	slices.Sort(got)
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
}
