package testenv

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"
)

// StartRedisSentinel starts a master, a replica and a sentinel that moves the name "muster" from the one to the other when
// the master dies. It returns when the sentinel knows both. The servers end with ctx, or with this process.
func StartRedisSentinel(ctx context.Context, dir string) (sentinel string, master *Process, err error) {
	server := func(name string, args ...string) (*Process, error) {
		sub := filepath.Join(dir, name)
		if err := os.Mkdir(sub, 0o755); err != nil {
			return nil, err
		}
		p, err := StartRedis(sub, args...)
		if err == nil {
			context.AfterFunc(ctx, func() { _ = p.Kill() })
		}
		return p, err
	}
	if master, err = server("master", "--appendonly", "yes"); err != nil {
		return "", nil, err
	}
	host, port, _ := strings.Cut(master.Addr, ":")
	if _, err := server("replica", "--replicaof", host+" "+port, "--repl-diskless-sync-delay", "0"); err != nil {
		return "", nil, err
	}
	// A sentinel rewrites its settings, so they are a file.
	own, err := FreePort()
	if err != nil {
		return "", nil, err
	}
	conf := filepath.Join(dir, "sentinel.conf")
	text := fmt.Sprintf("port %d\nbind 127.0.0.1\nsentinel monitor muster %s %s 1\nsentinel down-after-milliseconds muster 1000\nsentinel failover-timeout muster 5000\n",
		own, host, port)
	if err := os.WriteFile(conf, []byte(text), 0o600); err != nil {
		return "", nil, err
	}
	p, err := start("redis-server", dir, own, conf, "--sentinel")
	if err != nil {
		return "", nil, err
	}
	context.AfterFunc(ctx, func() { _ = p.Kill() })
	in, cancel := context.WithTimeout(ctx, 30*time.Second)
	defer cancel()
	for {
		_, sentinelPort, _ := strings.Cut(p.Addr, ":")
		info, err := cli(in, "-h", host, "-p", sentinelPort, "info", "sentinel")
		if err == nil && strings.Contains(info, "status=ok") && strings.Contains(info, "slaves=1") {
			return p.Addr, master, nil
		}
		select {
		case <-in.Done():
			return "", nil, fmt.Errorf("the sentinel does not see its servers: %w", in.Err())
		case <-time.After(100 * time.Millisecond):
		}
	}
}
