package store

import (
	"errors"
	"testing"

	"github.com/musterhq/muster/internal/columns"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/user"
)

// A sharded database that is away is that, and no more.
func TestAcrossWithoutADatabase(t *testing.T) {
	t.Parallel()
	s, err := Open("vitess://u@127.0.0.1:1/muster", Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	st := newStrategy(job.FileOptions{Key: columns.KeyEmail, OnDuplicate: job.DuplicateUpdate}, 1, false)
	rows := []columns.Row{columns.RowOf(&user.User{Email: "ada@example.com"})}
	_, err = s.settleAcross(t.Context(), &st, rows, func() error { t.Error("nobody is to be changed"); return nil })
	if !errors.Is(err, job.ErrStoreUnavailable) {
		t.Error(err)
	}
}
