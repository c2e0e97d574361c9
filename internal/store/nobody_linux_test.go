package store_test

import (
	"runtime"
	"syscall"
	"testing"
)

// asNobody runs as after before, on a thread to which the rights of root over files do not belong.
func asNobody(t *testing.T, before, as func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		runtime.LockOSThread() // and the thread ends with this goroutine
		before()
		if _, _, e := syscall.RawSyscall(syscall.SYS_SETFSUID, 65534, 0, 0); e != 0 {
			t.Error(e)
			return
		}
		as()
	}()
	<-done
}
