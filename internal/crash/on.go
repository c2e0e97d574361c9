//go:build chaos

package crash

import (
	"fmt"
	"os"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"syscall"
)

var (
	point, hit = target()
	left       atomic.Int64
	shown      = strings.Split(os.Getenv("MUSTER_CHAOS_SHOW"), ",")
)

// target reads MUSTER_CHAOS_CRASH: a point and after a colon at which hit of it, from 1.
func target() (string, int64) {
	name, number, _ := strings.Cut(os.Getenv("MUSTER_CHAOS_CRASH"), ":")
	n, err := strconv.ParseInt(number, 10, 64)
	if err != nil {
		n = 1
	}
	return name, n
}

// Point kills the process when it is the point, and the hit, that the environment names. One that is to be shown writes
// its name to stderr each time.
func Point(name string) {
	if slices.Contains(shown, name) {
		fmt.Fprintln(os.Stderr, "passed "+name)
	}
	if name == point && left.Add(1) == hit {
		_ = syscall.Kill(os.Getpid(), syscall.SIGKILL)
		select {} // until it is delivered
	}
}
