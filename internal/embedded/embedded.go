// Package embedded is the Redis of the zero-install stack: in this process, in memory, gone with it. Beside a SQLite
// file that loses nothing: slots, bells and progress are rebuilt from the store.
package embedded

import (
	"fmt"
	"time"

	"github.com/alicebob/miniredis/v2"
)

// Redis is an in-process Redis. Close it when done.
type Redis struct {
	server *miniredis.Miniredis
	stop   chan struct{}
	done   chan struct{}
}

// tick is how exactly keys expire.
const tick = 100 * time.Millisecond

// StartRedis starts one on a free port of loopback.
func StartRedis() (*Redis, error) {
	r := &Redis{server: miniredis.NewMiniRedis(), stop: make(chan struct{}), done: make(chan struct{})}
	if err := r.server.Start(); err != nil {
		return nil, fmt.Errorf("start the in-process Redis: %w", err)
	}
	go r.age()
	return r, nil
}

// age lets keys expire, which miniredis does only when told how much time went by.
func (r *Redis) age() {
	defer close(r.done)
	t := time.NewTicker(tick)
	defer t.Stop()
	last := time.Now()
	for {
		select {
		case <-r.stop:
			return
		case now := <-t.C:
			r.server.FastForward(now.Sub(last))
			last = now
		}
	}
}

// URL is its address, as MUSTER_REDIS takes it.
func (r *Redis) URL() string { return "redis://" + r.server.Addr() + "/0" }

// Close stops it; what it held is gone.
func (r *Redis) Close() {
	close(r.stop)
	<-r.done
	r.server.Close()
}
