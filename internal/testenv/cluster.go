package testenv

import (
	"context"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"time"
)

// StartRedisCluster starts three masters with a replica each, with their data in dir, and returns their addresses when
// every node says that the cluster is up. The servers end with ctx, or with this process.
func StartRedisCluster(ctx context.Context, dir string) (addrs []string, err error) {
	const nodes = 6
	for n := range nodes {
		// Its own bus port: the default, port + 10000, may not exist.
		bus, err := FreePort()
		if err != nil {
			return nil, err
		}
		sub := filepath.Join(dir, strconv.Itoa(n))
		if err := os.Mkdir(sub, 0o755); err != nil {
			return nil, err
		}
		p, err := StartRedis(sub, "--cluster-enabled", "yes", "--cluster-config-file", "nodes.conf",
			"--cluster-port", strconv.Itoa(bus), "--cluster-node-timeout", "5000", "--repl-diskless-sync-delay", "0")
		if err != nil {
			return nil, err
		}
		context.AfterFunc(ctx, func() { _ = p.Kill() })
		addrs = append(addrs, p.Addr)
	}
	in, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	args := append([]string{"--cluster", "create"}, addrs...)
	if _, err := cli(in, append(args, "--cluster-replicas", "1", "--cluster-yes")...); err != nil {
		return nil, err
	}
	for _, addr := range addrs {
		host, port, _ := strings.Cut(addr, ":")
		for {
			info, err := cli(in, "-h", host, "-p", port, "cluster", "info")
			if err == nil && strings.Contains(info, "cluster_state:ok") && strings.Contains(info, fmt.Sprintf("cluster_known_nodes:%d", nodes)) {
				break
			}
			select {
			case <-in.Done():
				return nil, fmt.Errorf("node %s of the cluster is not well: %w", addr, in.Err())
			case <-time.After(20 * time.Millisecond):
			}
		}
	}
	return addrs, nil
}

func cli(ctx context.Context, args ...string) (string, error) {
	out, err := exec.CommandContext(ctx, "redis-cli", args...).CombinedOutput()
	if err != nil {
		return "", fmt.Errorf("redis-cli: %w: %s", err, out)
	}
	return string(out), nil
}
