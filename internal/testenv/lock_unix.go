//go:build unix && !solaris && !illumos && !aix

package testenv

import (
	"os"
	"syscall"
)

// lock waits until no other process holds f, and holds it.
func lock(f *os.File) error { return syscall.Flock(int(f.Fd()), syscall.LOCK_EX) }

// tryLock holds f, unless another process does.
func tryLock(f *os.File) bool {
	return syscall.Flock(int(f.Fd()), syscall.LOCK_EX|syscall.LOCK_NB) == nil
}
