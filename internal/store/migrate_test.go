package store_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/storetest"
)

// Only a schema that is missing or old is mended by a migration; a broken file is not.
func TestSchemaCheckOfABrokenFile(t *testing.T) {
	t.Parallel()
	path := filepath.Join(t.TempDir(), "muster.db")
	if err := os.WriteFile(path, []byte(strings.Repeat("this is no database ", 500)), 0o600); err != nil {
		t.Fatal(err)
	}
	url, err := store.SQLiteURL(path)
	if err != nil {
		t.Fatal(err)
	}
	s := storetest.Open(t, url, store.Options{})
	if err := s.SchemaCurrent(t.Context()); err == nil || errors.Is(err, job.ErrSchema) || strings.Contains(err.Error(), "muster migrate") {
		t.Errorf("SchemaCurrent = %v, want an error that does not ask for a migration", err)
	}
}
