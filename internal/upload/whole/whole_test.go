package whole_test

import (
	"errors"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/musterhq/muster/internal/filestore"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/upload/whole"
)

func TestFetch(t *testing.T) {
	t.Parallel()
	from := t.TempDir()
	for name, content := range map[string]string{"daily.csv": "name\nAda\n", "empty.csv": "", "large.csv": strings.Repeat("x", 101)} {
		if err := os.WriteFile(filepath.Join(from, name), []byte(content), 0o600); err != nil {
			t.Fatal(err)
		}
	}
	files, err := filestore.Open("file://" + filepath.Join(t.TempDir(), "files"))
	if err != nil {
		t.Fatal(err)
	}
	source, err := filestore.OpenSource("file://" + from)
	if err != nil {
		t.Fatal(err)
	}
	f := whole.Fetcher{Files: files, Source: source, Max: 100}
	up, err := f.Fetch(t.Context(), "ann", "daily.csv")
	if err != nil {
		t.Fatal(err)
	}
	if up.Size != 9 || up.FileName != "daily.csv" || up.Object != whole.ObjectName(up.ID) || len(up.SHA256) != 64 {
		t.Errorf("%+v", up)
	}
	if err := f.Delete(t.Context(), up); err != nil {
		t.Error(err)
	}
	if _, err := files.Open(t.Context(), up.Object); !errors.Is(err, job.ErrFileNotFound) {
		t.Errorf("deleted, and %v", err)
	}
	for name, is := range map[string]func(error) bool{
		"missing.csv":  func(err error) bool { return errors.Is(err, job.ErrFileNotFound) },
		"../daily.csv": func(err error) bool { return errors.Is(err, job.ErrFileNotFound) },
		"empty.csv":    func(err error) bool { return errors.As(err, new(*job.FileError)) },
		"large.csv":    func(err error) bool { return errors.As(err, new(*job.FileTooLargeError)) },
	} {
		if up, err := f.Fetch(t.Context(), "ann", name); up != nil || !is(err) {
			t.Errorf("%s: %v, %v", name, up, err)
		}
	}
}
