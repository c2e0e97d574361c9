package testenv

import "syscall"

// attributes give a server its own group, so that a Ctrl-C of the terminal reaches the tests, which end it in order, and let it
// die with them. nil: it runs as this process does.
func attributes(who *account) *syscall.SysProcAttr {
	a := &syscall.SysProcAttr{Setpgid: true, Pdeathsig: syscall.SIGKILL}
	if who != nil {
		a.Credential = &syscall.Credential{Uid: who.uid, Gid: who.gid, NoSetGroups: true}
	}
	return a
}
