package httpapi

import (
	"errors"
	"os"
	"path/filepath"
	"testing"
)

// What is written is there, under no name where the system allows that, and gone afterwards.
func TestTempFile(t *testing.T) {
	t.Parallel()
	dir := t.TempDir()
	f, err := newTempFile(dir)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Write([]byte("Ada")); err != nil {
		t.Fatal(err)
	}
	got := make([]byte, 3)
	if _, err := f.ReadAt(got, 0); err != nil || string(got) != "Ada" {
		t.Errorf("%q, %v", got, err)
	}
	f.remove()
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("%v, %v", left, err)
	}
	if err := CheckTempDir(dir); err != nil {
		t.Errorf("CheckTempDir: %v", err)
	}
	if left, err := os.ReadDir(dir); err != nil || len(left) > 0 {
		t.Errorf("CheckTempDir left %v, %v", left, err)
	}
}

func TestTempFileWithoutAFolder(t *testing.T) {
	t.Parallel()
	file := filepath.Join(t.TempDir(), "file")
	if err := os.WriteFile(file, nil, 0o600); err != nil {
		t.Fatal(err)
	}
	for _, dir := range []string{filepath.Join(file, "x"), file, filepath.Join(t.TempDir(), "gone")} {
		if err := CheckTempDir(dir); !errors.As(err, new(noSpaceError)) {
			t.Errorf("%s: %v", dir, err)
		}
	}
}
