package boot

import (
	"context"
	"crypto/tls"
	"net"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
	"golang.org/x/sync/errgroup"

	"github.com/musterhq/muster/internal/config"
	"github.com/musterhq/muster/internal/job"
)

// openRedis connects lazily to what MUSTER_REDIS says. All calls carry a deadline; a Redis that is down is reported within
// two seconds rather than retried for long.
func openRedis(setting string) (redis.UniversalClient, error) {
	a, err := config.ParseRedis(setting)
	if err != nil {
		return nil, err
	}
	o := &redis.UniversalOptions{
		Addrs: a.Hosts, MasterName: a.Master, Username: a.User, Password: a.Password, DB: a.DB,
		ContextTimeoutEnabled: true,
		DialTimeout:           time.Second, ReadTimeout: 3 * time.Second, WriteTimeout: 3 * time.Second,
		MaxRetries: 1, DialerRetries: 1,
		DisableIdentity: true, // CLIENT SETINFO is unknown to old servers and to the in-process one
		MaintNotificationsConfig: &maintnotifications.Config{
			Mode: maintnotifications.ModeDisabled, // asks every connection for a feature of hosted Redis
		},
	}
	if a.TLS {
		host, _, _ := net.SplitHostPort(a.Hosts[0]) // nodes of a cluster are found by address, and known by this name
		o.TLSConfig = &tls.Config{ServerName: host, MinVersion: tls.VersionTLS12, InsecureSkipVerify: a.SkipVerify}
	}
	switch {
	case a.Master != "":
		return redis.NewFailoverClient(o.Failover()), nil
	case a.Cluster:
		return redis.NewClusterClient(o.Cluster()), nil
	}
	return redis.NewClient(o.Simple()), nil
}

// checkRedis does what a submission needs Redis for, and holds the deployment's prefix. Errors: *job.UnreadyError when Redis
// answers, but does not do it, or another deployment holds the prefix.
func (s *Stack) checkRedis(ctx context.Context) error {
	id := *s.deployment.Load()
	// First and by itself: what fails of the rest must not let the prefix go to another deployment.
	if err := s.prefix.Renew(ctx, id, s.address); err != nil {
		return unready(err)
	}
	g, ctx := errgroup.WithContext(ctx)
	g.Go(func() error { return s.slots.Check(ctx) })
	g.Go(func() error { return s.queue.Check(ctx) })
	return unready(g.Wait())
}

// refusals are the errors of a Redis that answers, and cannot do what is asked.
var refusals = []struct {
	is     func(error) bool
	reason string
}{
	{redis.IsReadOnlyError, "is a read-only replica"},
	{redis.IsMasterDownError, "is a replica that lost its master"},
	{redis.IsOOMError, "is out of memory: maxmemory is reached"},
	{saysRedis("MISCONF "), "takes no writes, because it cannot save its data"},
	{redis.IsNoReplicasError, "takes no writes, because too few replicas follow it"},
	{redis.IsPermissionError, "denies its user a command or a key"},
	{saysRedis("The user executing the script"), "denies its user a command or a key"}, // Redis 6, in scripts
	{redis.IsAuthError, "refuses the user or the password"},
	{saysRedis("DB index is out of range"), "has no database of that number"},
	{redis.IsLoadingError, "is loading its data"},
	{redis.IsClusterDownError, "is a cluster that is down"},
	{redis.IsMaxClientsError, "takes no more connections: maxclients is reached"},
}

func saysRedis(text string) func(error) bool {
	return func(err error) bool { return strings.Contains(err.Error(), text) }
}

// unready makes a *job.UnreadyError of an error by which Redis refuses; others stay as they are.
func unready(err error) error {
	if err == nil {
		return nil
	}
	for _, refusal := range refusals {
		if refusal.is(err) {
			return &job.UnreadyError{Reason: refusal.reason, Err: err}
		}
	}
	return err
}
