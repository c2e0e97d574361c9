package testenv

import (
	"os"
	"path/filepath"
	"sync"
	"time"
)

// folder makes a temporary folder for the servers of this test binary. Go tells nobody when a test binary ends, so
// each one removes what those before it left: the folders whose lock nobody holds any more.
func folder(prefix string) (string, error) {
	sweep(prefix)
	dir, err := os.MkdirTemp("", prefix)
	if err != nil {
		return "", err
	}
	f, err := os.Create(filepath.Join(dir, "lock"))
	if err != nil {
		return "", err
	}
	// The open file holds the lock until this process ends, however it ends.
	locks.Store(dir, f)
	return dir, lock(f)
}

// locks keeps the lock files by folder, or the garbage collector would close them.
var locks sync.Map

func sweep(prefix string) {
	old, _ := filepath.Glob(filepath.Join(os.TempDir(), prefix+"*", "lock"))
	for _, name := range old {
		info, err := os.Stat(name)
		if err != nil || time.Since(info.ModTime()) < time.Minute {
			continue // perhaps made a moment ago, and not yet locked
		}
		f, err := os.Open(name)
		if err != nil {
			continue
		}
		if tryLock(f) {
			_ = os.RemoveAll(filepath.Dir(name))
		}
		_ = f.Close()
	}
}
