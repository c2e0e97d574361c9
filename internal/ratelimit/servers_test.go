package ratelimit_test

import (
	"context"
	"flag"
	"net"
	"os"
	"os/exec"
	"strconv"
	"strings"
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

func connect(t *testing.T, addr string) redis.UniversalClient {
	t.Helper()
	rdb := redis.NewClient(&redis.Options{Addr: addr})
	t.Cleanup(func() { _ = rdb.Close() })
	return rdb
}

// startCluster starts three masters with a replica each and answers once every node says that it is well.
func startCluster(t *testing.T) redis.UniversalClient {
	t.Helper()
	var addrs []string
	for range 6 {
		// Its own bus port: the default, port + 10000, may not exist.
		bus, err := testenv.FreePort()
		if err != nil {
			t.Fatal(err)
		}
		dir := t.TempDir()
		p, err := testenv.StartRedis(dir, "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf",
			"--cluster-port", strconv.Itoa(bus), "--cluster-node-timeout", "5000", "--repl-diskless-sync-delay", "0")
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = p.Kill() })
		addrs = append(addrs, p.Addr)
	}
	ctx, cancel := context.WithTimeout(t.Context(), 30*time.Second)
	defer cancel()
	args := append([]string{"--cluster", "create"}, addrs...)
	out, err := exec.CommandContext(ctx, "redis-cli", append(args, "--cluster-replicas", "1", "--cluster-yes")...).CombinedOutput()
	if err != nil {
		t.Fatalf("redis-cli --cluster create: %v: %s", err, out)
	}
	for _, addr := range addrs {
		node := connect(t, addr)
		eventually(t, "a node of the cluster is well", func() bool {
			info, err := node.ClusterInfo(ctx).Result()
			return err == nil && strings.Contains(info, "cluster_state:ok") && strings.Contains(info, "cluster_known_nodes:6")
		})
	}
	rdb := redis.NewClusterClient(&redis.ClusterOptions{Addrs: addrs})
	t.Cleanup(func() { _ = rdb.Close() })
	return rdb
}

// refused is an address that nobody listens on.
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
