package main

import (
	"cmp"
	"errors"
	"fmt"
	"io/fs"
	"os"
	"path/filepath"
	"strings"

	"github.com/gofrs/flock"
)

// folder is the data folder of a stack, which no other stack uses meanwhile: two of them would each have a queue and
// slots of its own. Close it when done; the end of the process, however it comes, frees it too.
type folder struct {
	lock *flock.Flock
	user string // the file that says who uses it: Windows lets nobody else read one that is locked
}

// userFile is where a folder says who uses it.
const userFile = "muster.lock.user"

// takeFolder makes the folder and takes it. The error says who has it.
func takeFolder(dir string) (*folder, error) {
	if err := os.MkdirAll(dir, 0o750); err != nil {
		return nil, fmt.Errorf("the data folder: %w", err)
	}
	f := &folder{lock: flock.New(filepath.Join(dir, "muster.lock")), user: filepath.Join(dir, userFile)}
	taken, err := f.lock.TryLock()
	if err != nil {
		return nil, fmt.Errorf("lock the data folder: %w", err)
	}
	if !taken {
		who, _ := os.ReadFile(f.user) // it may not be written yet
		return nil, fmt.Errorf("the folder %s is in use by another muster, %s: stop that one, or choose another folder by --data",
			dir, cmp.Or(plain(strings.TrimSpace(string(who))), "which is starting"))
	}
	if err := f.usedBy(fmt.Sprintf("process %d", os.Getpid())); err != nil {
		return nil, errors.Join(err, f.lock.Unlock())
	}
	return f, nil
}

// usedBy says who uses the folder.
func (f *folder) usedBy(who string) error { return os.WriteFile(f.user, []byte(who+"\n"), 0o600) }

// close frees the folder.
func (f *folder) close() error {
	err := os.Remove(f.user)
	if errors.Is(err, fs.ErrNotExist) { // the demo's folder may be gone
		err = nil
	}
	return errors.Join(err, f.lock.Unlock())
}
