//go:build unix && !solaris && !illumos && !aix && !netbsd && !openbsd

package main

import "syscall"

// free returns how many bytes a folder's disk has left; nil: not known.
func free(dir string) *int64 {
	var s syscall.Statfs_t
	if err := syscall.Statfs(dir, &s); err != nil {
		return nil
	}
	return new(int64(s.Bavail) * int64(s.Bsize)) //nolint:unconvert // of other types elsewhere
}
