package integration

import (
	"fmt"
	"hash/fnv"
	"math/rand/v2"
	"net/http"
	"os"
	"strconv"
	"testing"
	"time"
)

// seed is SEED, to repeat a run, or a new one. It decides everything that is random in the chaos tests: who is hit, when,
// and the rows that are imported.
var seed = func() uint64 {
	n, err := strconv.ParseUint(os.Getenv("SEED"), 10, 64)
	if err != nil {
		n = uint64(time.Now().UnixNano())
	}
	return n
}()

func hash(text string) uint64 {
	h := fnv.New64a()
	_, _ = fmt.Fprintf(h, "%d %s", seed, text)
	return h.Sum64()
}

// chaosSeed returns random numbers that follow from seed and the test's name.
func chaosSeed(t testing.TB) *rand.Rand {
	t.Helper()
	t.Logf("SEED=%d repeats this run", seed)
	return rand.New(rand.NewPCG(seed, hash(t.Name())))
}

// between returns a random time from low to high.
func between(random *rand.Rand, low, high time.Duration) time.Duration {
	return low + time.Duration(random.Int64N(int64(high-low)))
}

// importPath returns the path of an import whose rows follow from seed, the user and the count.
func importPath(user string, count int) string {
	return fmt.Sprintf("/import/bulk?count=%d&seed=%d", count, hash(fmt.Sprint(user, count))>>11)
}

// submit submits an import, and fails the test unless it is accepted.
func (p *proc) submit(user string, count int, header ...string) response {
	p.t.Helper()
	return p.must(http.MethodPost, importPath(user, count), user, http.StatusAccepted, header...)
}

// long reports whether the whole set is run, and not the short one of MUSTER_CHAOS=short.
func long() bool { return os.Getenv("MUSTER_CHAOS") != "short" }

// rounds returns full, or short in the short set.
func rounds(short, full int) int {
	if long() {
		return full
	}
	return short
}

// fullOnly skips what the short set leaves out.
func fullOnly(t testing.TB) {
	t.Helper()
	if !long() {
		t.Skip("the short set leaves it out")
	}
}

// pause lets a fault last.
func pause(t testing.TB, d time.Duration) {
	t.Helper()
	select {
	case <-time.After(d):
	case <-t.Context().Done():
	}
}
