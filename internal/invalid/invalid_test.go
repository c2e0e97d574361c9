package invalid_test

import (
	"errors"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/invalid"
)

func TestError(t *testing.T) {
	t.Parallel()
	var bad invalid.Error
	if err := bad.Err(); err != nil {
		t.Errorf("no bad field: %v", err)
	}
	bad.Add("age", "must be %d to %d", 1, 150)
	if got := bad.Err().Error(); got != "age must be 1 to 150" {
		t.Errorf("one bad field: %q", got)
	}
	bad.Add("city", "must be text")
	if got := bad.Err().Error(); got != "2 fields are invalid" {
		t.Errorf("two bad fields: %q", got)
	}
	want := []invalid.Field{{Field: "age", Message: "must be 1 to 150"}, {Field: "city", Message: "must be text"}}
	got, ok := errors.AsType[*invalid.Error](bad.Err())
	if !ok {
		t.Fatal("Err is no *Error")
	}
	if diff := cmp.Diff(want, got.Fields); diff != "" {
		t.Errorf("fields (-want +got):\n%s", diff)
	}
}
