package tasks

import (
	"context"
	"errors"
	"strings"
	"sync"
	"sync/atomic"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"
)

// Server is an asynq server that takes a task as soon as it is enqueued. asynq only knows how to look at its queues again and
// again; here it sleeps while they are empty, until Client publishes that there is a task.
type Server struct {
	*asynq.Server
	sleeper  *sleeper
	channels []string
	stopping sync.Once
}

const (
	// An idle server looks at its queues all the same, for tasks that come without Client: those that asynq retries, and those
	// that people set going in asynqmon.
	lookEvery = 2 * time.Second
	// lookUntold is how often it looks where it is told nothing: its user may not subscribe, or Redis is lost.
	lookUntold = 100 * time.Millisecond
)

// NewServer returns a server on a shared client, which it does not close.
func NewServer(rdb Redis, c asynq.Config) *Server {
	c.TaskCheckInterval = time.Millisecond // for which asynq sleeps beside the sleeper
	s := &Server{sleeper: &sleeper{
		Redis: rdb, queues: len(c.Queues), every: lookEvery, untold: lookUntold, woken: make(chan struct{}, 1), stopped: make(chan struct{}),
	}}
	for queue := range c.Queues {
		s.channels = append(s.channels, channel(queue))
	}
	s.Server = asynq.NewServerFromRedisClient(s.sleeper, c)
	return s
}

// Start begins to take tasks; it does not block. It fails when Redis does not answer.
func (s *Server) Start(h asynq.Handler) error {
	if err := s.Server.Start(h); err != nil {
		return err
	}
	news := s.sleeper.Subscribe(context.Background(), s.channels...)
	go s.sleeper.listen(news)
	return nil
}

// Stop ends the taking of tasks; those in hand go on.
func (s *Server) Stop() {
	s.stopping.Do(func() { close(s.sleeper.stopped) }) // asynq waits for a look that has begun
	s.Server.Stop()
}

// Shutdown stops the server and waits for the tasks in hand, at most for the ShutdownTimeout.
func (s *Server) Shutdown() {
	s.Stop()
	s.Server.Shutdown()
}

// channel returns the channel on which it is published that the queue has a task. Its name begins as asynq's keys and
// channels do, so that a user of Redis who may use those may use it.
func channel(queue string) string { return key(queue, "enqueued") }

// sleeper is the client of an asynq server. It lets a look at the queues wait that would find them as empty as the last one.
type sleeper struct {
	Redis
	queues  int
	every   time.Duration // how long it sleeps at most
	untold  time.Duration // the same while it is not subscribed
	empty   int           // queues found empty in a row; asynq looks in one goroutine
	woken   chan struct{} // holds one when there may be a task
	stopped chan struct{}
	told    atomic.Bool // subscribed
}

// EvalSha runs a script of asynq's. When it is the one that takes a task, and the last look has found nothing in any queue, it
// waits first.
func (s *sleeper) EvalSha(ctx context.Context, sha string, keys []string, args ...any) *redis.Cmd {
	if !strings.HasSuffix(keys[0], ":pending") { // only that script has this key first
		return s.Redis.EvalSha(ctx, sha, keys, args...)
	}
	if s.empty >= s.queues {
		s.sleep()
		s.empty = 0
	}
	select {
	case <-s.stopped:
		return redis.NewCmdResult(nil, redis.Nil)
	default:
	}
	cmd := s.Redis.EvalSha(ctx, sha, keys, args...)
	if s.empty++; !errors.Is(cmd.Err(), redis.Nil) {
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
	case <-s.stopped:
	case <-alarm.C:
	}
}

// listen wakes the server at each message, and whenever the subscription is made, before which some may have been missed.
func (s *sleeper) listen(news *redis.PubSub) {
	defer func() { _ = news.Close() }()
	for messages := news.ChannelWithSubscriptions(); ; {
		select {
		case <-s.stopped:
			return
		case message := <-messages:
			if _, ok := message.(*redis.Subscription); ok {
				s.told.Store(true)
			}
			select {
			case s.woken <- struct{}{}:
			default: // it is about to look
			}
		}
	}
}
