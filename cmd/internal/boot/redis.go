package boot

import (
	"errors"
	"net/url"
	"strings"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"
)

// openRedis connects lazily to MUSTER_REDIS: one redis:// or rediss:// URL, several joined by commas for a cluster
// (the first one's user, password and TLS count), or redis-sentinel://user:password@host:port,host:port/master.
func openRedis(setting string) (redis.UniversalClient, error) {
	if rest, ok := strings.CutPrefix(setting, "redis-sentinel://"); ok {
		return openSentinel(rest)
	}
	first, others, cluster := strings.Cut(setting, ",")
	o, err := redis.ParseURL(first)
	if err != nil {
		// Its error repeats the URL, password and all.
		return nil, errors.New("not a Redis URL: want redis://user:password@host:6379/0")
	}
	u := universal(o)
	if cluster {
		for other := range strings.SplitSeq(others, ",") {
			o, err := redis.ParseURL(other)
			if err != nil {
				return nil, errors.New("one of the cluster's addresses is not a Redis URL")
			}
			u.Addrs = append(u.Addrs, o.Addr)
		}
		return redis.NewClusterClient(u.Cluster()), nil
	}
	return redis.NewClient(u.Simple()), nil
}

func openSentinel(rest string) (redis.UniversalClient, error) {
	// url.Parse does not take several hosts; only user and password need its unescaping.
	at := strings.LastIndex(rest, "@")
	hosts, master, ok := strings.Cut(rest[at+1:], "/")
	if !ok || hosts == "" || master == "" {
		return nil, errors.New("want redis-sentinel://host:port,host:port/master")
	}
	o := &redis.Options{}
	if at >= 0 {
		u, err := url.Parse("redis://" + rest[:at] + "@host")
		if err != nil {
			return nil, errors.New("the user or password of the Sentinel URL is not URL-encoded")
		}
		o.Username = u.User.Username()
		o.Password, _ = u.User.Password()
	}
	u := universal(o)
	u.Addrs, u.MasterName = strings.Split(hosts, ","), master
	return redis.NewFailoverClient(u.Failover()), nil
}

// universal adds what every connection of Muster has in common. All calls carry a deadline; a Redis that is down is
// reported within two seconds rather than retried for long.
func universal(o *redis.Options) *redis.UniversalOptions {
	return &redis.UniversalOptions{
		Addrs: []string{o.Addr}, Username: o.Username, Password: o.Password, DB: o.DB, TLSConfig: o.TLSConfig,
		ContextTimeoutEnabled: true,
		DialTimeout:           time.Second, ReadTimeout: 3 * time.Second, WriteTimeout: 3 * time.Second,
		MaxRetries: 1, DialerRetries: 1,
		DisableIdentity: true, // CLIENT SETINFO is unknown to old servers and to the in-process one
		MaintNotificationsConfig: &maintnotifications.Config{
			Mode: maintnotifications.ModeDisabled, // asks every connection for a feature of hosted Redis
		},
	}
}
