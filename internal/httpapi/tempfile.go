package httpapi

import (
	"os"
)

// noSpaceError: the folder for temporary files takes no file, or no more of one.
type noSpaceError struct{ error }

func (e noSpaceError) Unwrap() error { return e.error }

// tempFile is a file that nobody else can open. Its name goes at once where the system allows that, so that even a
// crash leaves nothing behind.
type tempFile struct {
	*os.File
	gone bool // the name
}

// newTempFile makes a file in dir, empty: the system's folder for temporary files. Its errors, and those of writing to
// it, are of noSpaceError. The caller has to remove it.
func newTempFile(dir string) (*tempFile, error) {
	f, err := os.CreateTemp(dir, "muster-export-*")
	if err != nil {
		return nil, noSpaceError{err}
	}
	return &tempFile{File: f, gone: os.Remove(f.Name()) == nil}, nil
}

func (f *tempFile) Write(p []byte) (int, error) {
	n, err := f.File.Write(p)
	if err != nil {
		err = noSpaceError{err}
	}
	return n, err
}

func (f *tempFile) remove() {
	_ = f.Close()
	if !f.gone {
		_ = os.Remove(f.Name())
	}
}

// CheckTempDir returns an error when dir takes no file of some kilobytes; empty: the system's folder for temporary
// files.
func CheckTempDir(dir string) error {
	f, err := newTempFile(dir)
	if err != nil {
		return err
	}
	defer f.remove()
	_, err = f.Write(make([]byte, 16<<10))
	return err
}
