package tasks

import (
	"context"
	"errors"
	"net"
	"strings"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// Server is an asynq server that takes a task as soon as it is enqueued. asynq only knows how to look at its queues again and
// again; here it sleeps while they are empty, until Client publishes that there is a task.
type Server struct {
	asynq    *asynq.Server
	sleeper  *sleeper
	channels []string
	stop     context.CancelFunc
}

const (
	// An idle server looks at its queues all the same, for tasks that come without Client: those that asynq retries, those
	// that people set going in asynqmon, and those of older processes in an upgrade.
	lookEvery = 2 * time.Second
	// lookUntold is how often it looks where it is told nothing, since there is no subscription.
	lookUntold = 100 * time.Millisecond
	// silence is how long a subscription may be silent before it is asked whether it is there.
	silence = 5 * time.Second
)

// NewServer returns a server on a shared client, which it does not close.
func NewServer(rdb Redis, c asynq.Config) *Server {
	c.TaskCheckInterval = time.Millisecond // for which asynq sleeps beside the sleeper
	ctx, stop := context.WithCancel(context.Background())
	s := &Server{stop: stop, sleeper: &sleeper{
		Redis: rdb, ctx: ctx, queues: len(c.Queues), every: lookEvery, untold: lookUntold, woken: make(chan struct{}, 1),
	}}
	for queue := range c.Queues {
		s.channels = append(s.channels, channel(queue))
	}
	s.asynq = asynq.NewServerFromRedisClient(s.sleeper, c)
	return s
}

// Start begins to take tasks; it does not block. It fails when the server was started or stopped before.
func (s *Server) Start(h asynq.Handler) error {
	if err := s.asynq.Start(h); err != nil {
		return err
	}
	go s.sleeper.listen(s.channels)
	return nil
}

// Stop ends the taking of tasks; those in hand go on.
func (s *Server) Stop() {
	s.stop() // first, as asynq waits for a look that has begun
	s.asynq.Stop()
}

// Shutdown stops the server and waits for the tasks in hand, at most for the ShutdownTimeout.
func (s *Server) Shutdown() {
	s.Stop()
	s.asynq.Shutdown()
}

// channel returns the channel on which it is published that the queue has a task. Its name begins as asynq's keys and
// channels do, so that a user of Redis who may use those may use it.
func channel(queue string) string { return key(queue, "enqueued") }

// sleeper is the client of an asynq server. It lets a look at the queues wait that would find them as empty as the last one.
type sleeper struct {
	Redis
	ctx    context.Context //nolint:containedctx // ends with Stop; asynq looks without a context
	queues int
	every  time.Duration // how long it sleeps at most
	untold time.Duration // the same without a subscription
	empty  int           // queues found empty in a row; asynq looks in one goroutine
	woken  chan struct{} // holds one when there may be a task
	told   atomic.Bool   // there is a subscription
}

// EvalSha runs a script of asynq's. When it is the one that takes a task, and the last look has found nothing in any queue, it
// waits first.
func (s *sleeper) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	return s.look(keys, func() *redis.Cmd { return s.Redis.EvalSha(ctx, sha, keys, args...) })
}

// Eval is EvalSha for a server that does not know the script yet.
func (s *sleeper) Eval(ctx context.Context, script string, keys []string, args ...any) *redis.Cmd {
	return s.look(keys, func() *redis.Cmd { return s.Redis.Eval(ctx, script, keys, args...) })
}

func (s *sleeper) look(keys []string, run func() *redis.Cmd) *redis.Cmd {
	if len(keys) == 0 || !strings.HasSuffix(keys[0], ":pending") { // only the script that takes a task has this key first
		return run()
	}
	if s.empty >= s.queues {
		s.sleep()
		s.empty = 0
	}
	if s.ctx.Err() != nil {
		return redis.NewCmdResult(nil, redis.Nil)
	}
	cmd := run()
	switch err := cmd.Err(); {
	case errors.Is(err, redis.Nil):
		s.empty++
	case redis.HasErrorPrefix(err, "NOSCRIPT"): // Eval follows, for the same queue
	default:
		s.empty = 0
	}
	return cmd
}

func (s *sleeper) sleep() {
	longest := s.untold
	if s.told.Load() {
		longest = s.every
	}
	alarm := time.NewTimer(longest)
	defer alarm.Stop()
	select {
	case <-s.woken:
	case <-s.ctx.Done():
	case <-alarm.C:
	}
}

// listen subscribes, again when that is lost, and wakes the server at each message and subscription.
func (s *sleeper) listen(channels []string) {
	for s.ctx.Err() == nil {
		s.hear(s.Subscribe(s.ctx, channels...))
		select {
		case <-time.After(s.untold):
		case <-s.ctx.Done():
		}
	}
}

// hear returns when the subscription is lost. Messages that came before one is made are missed, so that it counts as a message.
func (s *sleeper) hear(news *redis.PubSub) {
	closing := context.AfterFunc(s.ctx, func() { _ = news.Close() }) // which ends Receive
	defer func() {
		s.told.Store(false)
		if closing() {
			_ = news.Close()
		}
	}()
	for asked := false; ; {
		message, err := news.ReceiveTimeout(s.ctx, silence)
		if timeout, ok := errors.AsType[net.Error](err); ok && timeout.Timeout() && !asked {
			asked = true
			err = news.Ping(s.ctx)
			if err == nil {
				continue
			}
		}
		if err != nil {
			return
		}
		asked = false
		switch message.(type) {
		case *redis.Pong:
			continue
		case *redis.Subscription:
			s.told.Store(true)
		}
		select {
		case s.woken <- struct{}{}:
		default: // it is about to look
		}
	}
}
