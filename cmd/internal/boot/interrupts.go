package boot

import (
	"context"
	"os"
	"os/signal"
	"sync"
)

// interrupts is where Ctrl-C leads: it ends the context of Main, unless somebody has taken it.
type interrupts struct {
	mu    sync.Mutex
	taken chan struct{} // nil: nobody has
}

type interruptsKey struct{}

// withInterrupts returns a context that the first Ctrl-C ends that nobody took. Another one after that ends the process.
func withInterrupts(ctx context.Context) (context.Context, func()) {
	i := &interrupts{}
	ctx, cancel := context.WithCancel(context.WithValue(ctx, interruptsKey{}, i))
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, os.Interrupt)
	context.AfterFunc(ctx, func() { signal.Stop(signals) })
	go func() {
		for {
			select {
			case <-ctx.Done():
				return
			case <-signals:
				if !i.pass() {
					cancel()
					return
				}
			}
		}
	}()
	return ctx, cancel
}

// pass hands Ctrl-C to whoever has taken it, if anybody has.
func (i *interrupts) pass() bool {
	i.mu.Lock()
	defer i.mu.Unlock()
	if i.taken == nil {
		return false
	}
	select {
	case i.taken <- struct{}{}:
	default: // the one before was not looked at yet
	}
	return true
}

// TakeInterrupts makes Ctrl-C come through the channel, instead of ending ctx, until release is called. Where ctx is not that
// of Main nothing comes.
func TakeInterrupts(ctx context.Context) (interrupted <-chan struct{}, release func()) {
	i, ok := ctx.Value(interruptsKey{}).(*interrupts)
	if !ok {
		return nil, func() {}
	}
	i.mu.Lock()
	defer i.mu.Unlock()
	i.taken = make(chan struct{}, 1)
	return i.taken, func() {
		i.mu.Lock()
		defer i.mu.Unlock()
		i.taken = nil
	}
}
