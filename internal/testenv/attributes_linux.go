package testenv

import "syscall"

// attributes give a server its own group, so that a Ctrl-C of the terminal reaches the tests, which end it in order, and let it
// die with them.
func attributes() *syscall.SysProcAttr {
	return &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
}
