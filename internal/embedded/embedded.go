// Package embedded is the Redis of the stack that needs no servers: in this process, in memory, gone with it. Beside a
// SQLite file nothing is lost by that: slots, tasks and live views are rebuilt from the store.
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

// tick is how late keys may expire.
const tick = 100 * time.Millisecond

// StartRedis starts a Redis on a free port of loopback.
func StartRedis() (*Redis, error) {
	r := &Redis{server: miniredis.NewMiniRedis(), stop: make(chan struct{}), done: make(chan struct{})}
	if err := r.server.Start(); err != nil {
		return nil, fmt.Errorf("start the in-process Redis: %w", err)
	}
	go r.age()
	return r, nil
}

// age lets keys expire, which miniredis does only when it is told how much time has passed.
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

// URL returns its address, as MUSTER_REDIS takes it.
func (r *Redis) URL() string { return "redis://" + r.server.Addr() + "/0" }

// Close stops it; what it held is gone.
func (r *Redis) Close() {
	close(r.stop)
	<-r.done
	r.server.Close()
}
