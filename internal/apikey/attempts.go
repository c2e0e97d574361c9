package apikey

import (
	"net"
	"net/netip"
	"sync"
	"time"

	"golang.org/x/time/rate"
)

// What may be refused without a wait: of one key, which somebody goes on sending that was revoked, and from one address,
// which may stand for a whole house or be a proxy's.
const (
	keyBurst  = 10
	addrBurst = 50
	// Each may have one more attempt per.
	keyEvery  = 6 * time.Second
	addrEvery = time.Second
	// maxCounted bounds the keys, and the addresses, that are counted.
	maxCounted = 4096
)

// TooManyError: attempts like this one were refused too often of late.
type TooManyError struct{ RetryAfter time.Duration }

func (*TooManyError) Error() string {
	return "too many attempts without an API key that counts; wait, and look at the key"
}

// attempts counts what was refused.
type attempts struct {
	mu    sync.Mutex
	keys  recent[Hash, *rate.Limiter]
	addrs recent[netip.Prefix, *rate.Limiter]
}

func newAttempts() *attempts {
	a := &attempts{}
	a.keys.max, a.addrs.max = maxCounted, maxCounted
	return a
}

// refused counts an attempt and returns its error: ErrRefused, or *TooManyError. A nil hash is of something that has not
// the form of a key.
func (a *attempts) refused(now time.Time, h *Hash, addr string) error {
	a.mu.Lock()
	defer a.mu.Unlock()
	wait := take(now, limiter(&a.addrs, network(addr), addrEvery, addrBurst))
	if h != nil {
		wait = max(wait, take(now, limiter(&a.keys, *h, keyEvery, keyBurst)))
	}
	if wait > 0 {
		return &TooManyError{RetryAfter: wait}
	}
	return ErrRefused
}

func limiter[K comparable](r *recent[K, *rate.Limiter], k K, every time.Duration, burst int) *rate.Limiter {
	l, ok := r.get(k)
	if !ok {
		l = rate.NewLimiter(rate.Every(every), burst)
		r.set(k, l)
	}
	return l
}

// take takes one attempt, or returns after which wait there is one.
func take(now time.Time, l *rate.Limiter) time.Duration {
	if l.AllowN(now, 1) {
		return 0
	}
	r := l.ReserveN(now, 1)
	wait := r.DelayFrom(now)
	r.CancelAt(now)
	return max(wait, time.Millisecond)
}

// network is what is counted together: an address of IPv4, or the /64 that a host of IPv6 has to itself.
func network(addr string) netip.Prefix {
	if host, _, err := net.SplitHostPort(addr); err == nil {
		addr = host
	}
	ip, err := netip.ParseAddr(addr)
	if err != nil {
		return netip.Prefix{} // such as a socket's: all together
	}
	ip = ip.Unmap().WithZone("")
	bits := 32
	if ip.Is6() {
		bits = 64
	}
	p, _ := ip.Prefix(bits) // an address has so many
	return p
}
