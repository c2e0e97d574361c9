package boot

import (
	"cmp"
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"
	"sync"
	"time"

	"github.com/redis/go-redis/v9"

	"github.com/musterhq/muster/internal/config"
	"github.com/musterhq/muster/internal/deployment"
	"github.com/musterhq/muster/internal/doctor"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/ratelimit"
	"github.com/musterhq/muster/internal/tasks"
)

// InspectRedis looks at the Redis of the settings and, if it takes jobs, at the workers and queues in it, which are nil otherwise.
// It leaves nothing behind but what /readyz does, and does not hold the prefix. Each of the two gets within.
func InspectRedis(ctx context.Context, c *config.Config, within time.Duration) (*doctor.Redis, *doctor.Fleet) {
	d := &doctor.Redis{Address: config.Redact(c.Redis)}
	rdb, err := openRedis(c.Redis)
	if err != nil {
		d.Err = err
		return d, nil
	}
	defer func() { _ = rdb.Close() }()
	asking, cancel := context.WithTimeout(ctx, within)
	defer cancel()
	inspect(asking, rdb, c, d)
	if d.Err != nil || d.Writes != nil { // workers write that they are alive, and asynq writes where it is asked for them
		return d, nil
	}
	fleet := make(chan *doctor.Fleet, 1)
	go func() { // asynq takes no context
		f, err := tasks.NewClient(rdb, c.RedisPrefix, 0).Fleet()
		fleet <- &doctor.Fleet{Fleet: f, Err: err}
	}()
	select {
	case f := <-fleet:
		return d, f
	case <-time.After(within):
		return d, &doctor.Fleet{Err: errors.New("no answer about the workers in time")}
	}
}

func inspect(ctx context.Context, rdb redis.UniversalClient, c *config.Config, d *doctor.Redis) {
	began := time.Now()
	now, err := rdb.Time(ctx).Result()
	if err != nil {
		if err = unready(err); !isUnready(err) {
			d.Err = err
			return
		}
		d.Writes = err
		return
	}
	d.RoundTrip = time.Since(began)
	d.Ahead = now.Sub(began.Add(d.RoundTrip / 2))
	d.Nodes = nodes(ctx, rdb)
	d.Writes = unready(errors.Join(
		ratelimit.NewSlots(rdb, ratelimit.Options{Prefix: c.RedisPrefix}).Check(ctx), tasks.NewClient(rdb, c.RedisPrefix, 0).Check(ctx)))
	d.Holder, d.HolderAt, _ = deployment.NewPrefix(rdb, c.RedisPrefix).Holder(ctx) // one that may not be read is in Writes
}

func isUnready(err error) bool {
	_, ok := errors.AsType[*job.UnreadyError](err)
	return ok
}

// nodes asks each master for what it tells of itself. One that does not answer is left out: Writes says so, if it matters.
func nodes(ctx context.Context, rdb redis.UniversalClient) (list []doctor.RedisNode) {
	cluster, ok := rdb.(*redis.ClusterClient)
	if !ok {
		text, err := rdb.Info(ctx).Result()
		if err != nil {
			return nil
		}
		return []doctor.RedisNode{node(text)}
	}
	var mu sync.Mutex
	_ = cluster.ForEachMaster(ctx, func(ctx context.Context, master *redis.Client) error {
		text, err := master.Info(ctx).Result()
		if err == nil {
			mu.Lock()
			defer mu.Unlock()
			n := node(text)
			n.At = master.Options().Addr
			list = append(list, n)
		}
		return nil
	})
	slices.SortFunc(list, func(a, b doctor.RedisNode) int { return cmp.Compare(a.At, b.At) })
	return list
}

// node reads the answer to INFO: lines of name:value.
func node(info string) doctor.RedisNode {
	got := map[string]string{}
	for line := range strings.Lines(info) {
		if name, value, ok := strings.Cut(strings.TrimSpace(line), ":"); ok {
			got[name] = value
		}
	}
	number := func(name string) int64 {
		n, _ := strconv.ParseInt(got[name], 10, 64)
		return n
	}
	return doctor.RedisNode{
		Version: got["redis_version"], Policy: got["maxmemory_policy"],
		Used: number("used_memory"), Max: number("maxmemory"), Evicted: number("evicted_keys"),
		Clients: number("connected_clients"), MaxClients: number("maxclients"), AppendOnly: got["aof_enabled"],
		SaveFailed: got["rdb_last_bgsave_status"] == "err" || got["aof_last_write_status"] == "err",
	}
}
