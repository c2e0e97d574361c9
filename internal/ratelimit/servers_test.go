package ratelimit_test

import (
	"flag"
	"net"
	"os"
	"strconv"
	"testing"
	"time"

	"github.com/alicebob/miniredis/v2"
	"github.com/redis/go-redis/v9"

	"github.com/musterhq/muster/internal/testenv"
)

func TestMain(m *testing.M) {
	// The same walks on every run; -rapid.seed chooses others.
	if err := flag.Set("rapid.seed", "1"); err != nil {
		panic(err)
	}
	os.Exit(m.Run())
}

// The same suite runs in process, on a real server and on a cluster.
func TestMiniredis(t *testing.T) {
	t.Parallel()
	suite(t, connect(t, miniredis.RunT(t).Addr()))
}

func TestRedis(t *testing.T) {
	t.Parallel()
	suite(t, connect(t, testenv.Redis(t)))
}

func TestCluster(t *testing.T) {
	t.Parallel()
	testenv.Redis(t) // skips, or fails, where there is none
	suite(t, startCluster(t))
}

func connect(t testing.TB, addr string) redis.UniversalClient {
	t.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: addr})
	t.Cleanup(func() { _ = rdb.Close() })
	return rdb
}

// startCluster returns a client of a new cluster when every node says that the cluster is up.
func startCluster(t *testing.T) redis.UniversalClient {
	t.Helper()
	addrs, err := testenv.StartRedisCluster(t.Context(), t.TempDir())
	if err != nil {
		t.Fatal(err)
	}
	rdb := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs})
	t.Cleanup(func() { _ = rdb.Close() })
	return rdb
}

// refused returns an address that nobody listens on.
func refused(t *testing.T) string {
	t.Helper()
	port, err := testenv.FreePort()
	if err != nil {
		t.Fatal(err)
	}
	return net.JoinHostPort("127.0.0.1", strconv.Itoa(port))
}

// eventually polls until ok or 10 s have passed.
func eventually(t *testing.T, what string, ok func() bool) {
	t.Helper()
	tick := time.NewTicker(5 * time.Millisecond)
	defer tick.Stop()
	deadline := time.After(10 * time.Second)
	for !ok() {
		select {
		case <-tick.C:
		case <-deadline:
			t.Fatalf("not within 10 s: %s", what)
		}
	}
}
