package boot

import (
	"crypto/tls"
	"net"
	"time"

	"github.com/redis/go-redis/v9"
	"github.com/redis/go-redis/v9/maintnotifications"

	"github.com/musterhq/muster/internal/config"
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
