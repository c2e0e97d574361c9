//go:build !linux

package testenv

import "syscall"

// attributes are none: what Linux has for servers is not everywhere.
func attributes(*account) *syscall.SysProcAttr { return nil }
