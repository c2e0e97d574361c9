// Package testenv gives tests real servers: private ones on free ports with their own data folders, never the
// system's services.
//
// A test binary starts what it needs once and the servers die with it. The command cmd/testenv starts them once for
// a whole `go test ./...` and hands their addresses down in MUSTER_TEST_REDIS (host:port) and MUSTER_TEST_MARIADB
// (DSN); MUSTER_TEST_MYSQL (DSN) adds a real MySQL. Where a server is not installed the test is skipped, and a line on
// stderr says so; or it fails when MUSTER_TEST_REQUIRE (a list of mariadb, redis, mysql, s3, fastavro
// and so on) names it.
package testenv

import (
	"fmt"
	"os"
	"slices"
	"strings"
	"sync"
	"testing"
)

// Server is a MySQL or MariaDB server.
type Server struct {
	Name string // mariadb or mysql
	DSN  string // of go-sql-driver, an account that may create databases, no database
}

type started struct {
	once sync.Once
	addr string
	err  error
}

// The servers of this test binary: started by the first test that asks, shared by the others.
var redisServer, mariaServer started

func (s *started) get(start func() (string, error)) (string, error) {
	s.once.Do(func() { s.addr, s.err = start() })
	return s.addr, s.err
}

// Redis returns the host:port of a real Redis server that tests share: use random keys, never FLUSHALL. Where there is none
// the test is skipped.
func Redis(t testing.TB) string {
	t.Helper()
	if addr := os.Getenv("MUSTER_TEST_REDIS"); addr != "" {
		return addr
	}
	if !Installed("redis") {
		Missing(t, "redis")
		t.SkipNow()
	}
	addr, err := redisServer.get(func() (string, error) {
		dir, err := folder("muster-redis-")
		if err != nil {
			return "", err
		}
		p, err := StartRedis(dir)
		if err != nil {
			return "", err
		}
		return p.Addr, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return addr
}

// MySQLServers returns the MariaDB and MySQL servers that are present. Where there is none, it calls Missing and
// returns none: the caller's tests run on SQLite all the same.
func MySQLServers(t testing.TB) []Server {
	t.Helper()
	var servers []Server
	switch dsn := os.Getenv("MUSTER_TEST_MARIADB"); {
	case dsn != "":
		servers = append(servers, Server{"mariadb", dsn})
	case !Installed("mariadb"):
		Missing(t, "mariadb")
	default:
		addr, err := mariaServer.get(func() (string, error) {
			dir, err := folder("muster-mariadb-")
			if err != nil {
				return "", err
			}
			p, err := StartMariaDB(dir)
			if err != nil {
				return "", err
			}
			return p.Addr, nil
		})
		if err != nil {
			t.Fatal(err)
		}
		servers = append(servers, Server{"mariadb", "root@tcp(" + addr + ")/"})
	}
	if dsn := os.Getenv("MUSTER_TEST_MYSQL"); dsn != "" {
		servers = append(servers, Server{"mysql", dsn})
	} else if Required("mysql") {
		t.Fatal("MUSTER_TEST_REQUIRE names mysql, but MUSTER_TEST_MYSQL is not set")
	}
	return servers
}

// Required reports whether MUSTER_TEST_REQUIRE names the server.
func Required(name string) bool {
	return slices.Contains(strings.Split(os.Getenv("MUSTER_TEST_REQUIRE"), ","), name)
}

// Missing says on stderr, and in the summary of cmd/testenv, that a test did not run against name, which is not installed
// here, or fails the test where MUSTER_TEST_REQUIRE names it. It does not skip the test.
func Missing(t testing.TB, name string) {
	t.Helper()
	if Required(name) {
		t.Fatalf("MUSTER_TEST_REQUIRE names %s, but it is not installed", name)
	}
	line := fmt.Sprintf("SKIPPED: %s is not installed; %s did not run against it", name, t.Name())
	fmt.Fprintln(os.Stderr, line)
	if path := os.Getenv("MUSTER_TEST_SKIPS"); path != "" {
		f, err := os.OpenFile(path, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
		if err == nil {
			_, _ = fmt.Fprintln(f, line)
			_ = f.Close()
		}
	}
}
