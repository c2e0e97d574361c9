package testenv

import (
	"context"
	"crypto/rand"
	"database/sql"
	"encoding/json"
	"fmt"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/go-sql-driver/mysql"
)

// The keyspaces: jobs and what belongs to them are in the first, users and chunks on the shards of the second.
const headKeyspace, usersKeyspace = "muster", "muster_users"

// vitessMySQL is the server under all of vtcombo's shards in this test binary.
var vitessMySQL struct {
	started
	dir string
}

// Vitess returns the DSN of a sharded database of the test's own, without tables: a vtcombo, all of Vitess in one process, with two
// shards, over a MySQL that tests share. Where it is not there, it calls Missing and returns an empty one.
func Vitess(t testing.TB) string {
	t.Helper()
	if !Installed("vitess") {
		Missing(t, "vitess")
		return ""
	}
	addr, err := vitessMySQL.get(func() (string, error) {
		dir, err := folder("muster-mysql-")
		if err != nil {
			return "", err
		}
		if err := os.Chmod(dir, 0o755); err != nil {
			return "", err
		}
		vitessMySQL.dir = dir
		p, err := StartMySQL(dir)
		if err != nil {
			return "", err
		}
		return p.Addr, nil
	})
	if err != nil {
		t.Fatal(err)
	}
	dir, err := os.MkdirTemp("", "muster-vitess-")
	if err != nil {
		t.Fatal(err)
	}
	p, err := StartVtcombo(dir, addr, filepath.Join(vitessMySQL.dir, "s.sock"))
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		_ = p.Kill()
		_ = os.RemoveAll(dir)
	})
	return VitessDSN(p)
}

// VitessDSN returns the DSN of the database behind a vtcombo or a vtgate.
func VitessDSN(p *Process) string { return "root@tcp(" + p.Addr + ")/" + headKeyspace }

// nobody is who Vitess runs as, which refuses to do so as root; nil: as this process does, who is not root.
func nobody() *syscall.Credential {
	if os.Getuid() != 0 {
		return nil
	}
	return &syscall.Credential{Uid: 65534, Gid: 65534, NoSetGroups: true}
}

// giveAway lets nobody write into the folders, which lie where everybody can look.
func giveAway(dirs ...string) error {
	for _, dir := range dirs {
		if err := os.MkdirAll(dir, 0o755); err != nil {
			return err
		}
		if err := os.Chmod(dir, 0o755); err != nil {
			return err
		}
		if who := nobody(); who != nil {
			if err := os.Chown(dir, int(who.Uid), int(who.Gid)); err != nil {
				return err
			}
		}
	}
	return nil
}

// deployed returns a file of deployments/vitess.
func deployed(name string) ([]byte, error) {
	_, here, _, _ := runtime.Caller(0)
	return os.ReadFile(filepath.Join(filepath.Dir(here), "../../deployments/vitess", name))
}

// limits are the flags of what runs statements: no transaction outlives a lease by much, and answers may be as large as Muster's.
var limits = []string{
	"--queryserver-config-transaction-timeout", "10s", "--queryserver-config-query-timeout", "300s", "--queryserver-config-max-result-size", "50000",
	"--queryserver-config-pool-size", "16", "--queryserver-config-stream-pool-size", "16", "--queryserver-config-transaction-cap", "64",
}

// loopback are the flags by which nothing is reached from outside.
var loopback = []string{"--bind-address", "127.0.0.1", "--grpc-bind-address", "127.0.0.1"}

// StartVtcombo starts all of Vitess in one process, with its files in dir, and databases of its own on a MySQL server.
func StartVtcombo(dir, mysqlAddr, socket string) (*Process, error) {
	ports, err := freePorts(3)
	if err != nil {
		return nil, err
	}
	if err := giveAway(dir, filepath.Join(dir, "tmp")); err != nil {
		return nil, err
	}
	names := map[string]string{}
	for _, shard := range []string{"0", "-80", "80-"} {
		names[shard] = "vt_" + strings.ToLower(rand.Text())[:10] + "_" + shard
		if err := statements("root@tcp("+mysqlAddr+")/", "CREATE DATABASE `"+names[shard]+"`"); err != nil {
			return nil, err
		}
	}
	topology, err := topologyOf(names)
	if err != nil {
		return nil, err
	}
	schema := filepath.Join(dir, "schema")
	for _, keyspace := range []string{headKeyspace, usersKeyspace} {
		text, err := deployed("vschema-" + keyspace + ".json")
		if err == nil {
			err = os.MkdirAll(filepath.Join(schema, keyspace), 0o755)
		}
		if err == nil {
			err = os.WriteFile(filepath.Join(schema, keyspace, "vschema.json"), text, 0o644) //nolint:gosec // no secret, and read by another account
		}
		if err != nil {
			return nil, err
		}
	}
	args := []string{
		"--json-topo", topology, "--schema-dir", schema, "--db-socket", socket, "--db-charset", "utf8mb4", "--mycnf-server-id", "1", "--mycnf-socket-file", socket,
		"--port", ports[0], "--grpc-port", ports[1], "--service-map", "grpc-vtgateservice",
		"--mysql-auth-server-impl", "none", "--mysql-server-port", ports[2], "--mysql-server-bind-address", "127.0.0.1", "--mysql-server-version", "8.4.6-Vitess",
		"--transaction-mode", "SINGLE", "--tablet-types-to-wait", "PRIMARY", "--gateway-initial-tablet-timeout", "30s",
	}
	for _, role := range []string{"app", "dba", "allprivs", "repl", "filtered", "appdebug"} {
		args = append(args, "--db-"+role+"-user", "root")
	}
	return startVitess("vtcombo", dir, ports[2], append(append(args, loopback...), limits...)...)
}

// startVitess starts one of Vitess's commands that answers on the MySQL port, and waits until it has shards to ask.
func startVitess(command, dir, port string, args ...string) (*Process, error) {
	n, err := strconv.Atoi(port)
	if err != nil {
		return nil, err
	}
	p, err := startAs(nobody(), "vitess/"+command, dir, n, args...)
	if err != nil {
		return nil, err
	}
	if err := p.poll(answersSQL); err != nil {
		_ = p.Kill()
		return nil, fmt.Errorf("%s: %w", command, err)
	}
	return p, nil
}

// answersSQL reports whether the server at addr answers for the databases behind it.
func answersSQL(addr string) bool {
	cfg := mysql.NewConfig()
	cfg.Net, cfg.Addr, cfg.User, cfg.DBName, cfg.Logger = "tcp", addr, "root", usersKeyspace, &mysql.NopLogger{}
	c, err := mysql.NewConnector(cfg)
	if err != nil {
		return false
	}
	db := sql.OpenDB(c)
	defer func() { _ = db.Close() }()
	ctx, cancel := context.WithTimeout(context.Background(), 2*time.Second)
	defer cancel()
	_, err = db.ExecContext(ctx, "SHOW TABLES")
	return err == nil
}

func freePorts(n int) (ports []string, err error) {
	for range n {
		port, err := FreePort()
		if err != nil {
			return nil, err
		}
		ports = append(ports, strconv.Itoa(port))
	}
	return ports, nil
}

// statements runs them on the server.
func statements(dsn string, list ...string) error {
	db, err := sql.Open("mysql", dsn)
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	for _, statement := range list {
		if _, err := db.Exec(statement); err != nil {
			return err
		}
	}
	return nil
}

// topologyOf returns the topology of two keyspaces, in the form of vtcombo, whose shards have these databases.
func topologyOf(databases map[string]string) (string, error) {
	type shard struct {
		Name     string `json:"name"`
		Database string `json:"db_name_override"`
	}
	type keyspace struct {
		Name     string  `json:"name"`
		Shards   []shard `json:"shards"`
		Replicas int     `json:"replica_count"`
	}
	rules, err := deployed("routing-rules.json")
	if err != nil {
		return "", err
	}
	text, err := json.Marshal(map[string]any{
		"cells":         []string{"test"},
		"routing_rules": json.RawMessage(rules),
		"keyspaces": []keyspace{
			{headKeyspace, []shard{{"0", databases["0"]}}, 1},
			{usersKeyspace, []shard{{"-80", databases["-80"]}, {"80-", databases["80-"]}}, 1},
		},
	})
	return string(text), err
}
