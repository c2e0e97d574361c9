package testenv

import (
	"context"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"testing"
	"time"
)

// VitessCluster is a real one: etcd, a MySQL and a vttablet for the head and for each shard, and a vtgate. Every process may be killed
// and started again.
type VitessCluster struct {
	Shards  []Shard // the head first
	Gate    *Process
	Control *Process // vtctld; nil: it was never needed

	dir, etcd    string
	transactions string
	gatePorts    []string
}

// Shard is a server of a cluster with its tablet.
type Shard struct {
	Keyspace, Name string // such as muster_users, -80
	MySQL, Tablet  *Process

	uid   int
	ports []string // of the tablet
}

// Database is the database of the shard on its server.
func (s *Shard) Database() string { return "vt_" + s.Keyspace }

// DSN returns the address of the shard's own server, without Vitess.
func (s *Shard) DSN() string { return "root@tcp(" + s.MySQL.Addr + ")/" + s.Database() }

// NewVitessCluster returns a cluster of the test's own in which the users lie on so many shards, as StartVitessCluster makes it. Where Vitess is not there, the test is
// skipped.
func NewVitessCluster(t testing.TB, shards int, transactions string) *VitessCluster {
	t.Helper()
	if !Installed("vitess") {
		Missing(t, "vitess")
		t.SkipNow()
	}
	dir, err := os.MkdirTemp("", "muster-vitess-") // not t.TempDir, into which nobody else may look
	if err != nil {
		t.Fatal(err)
	}
	c, err := StartVitessCluster(dir, shards, transactions)
	t.Cleanup(func() {
		if c != nil {
			_ = c.Kill()
		}
		_ = os.RemoveAll(dir)
	})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// StartVitessCluster starts a cluster, with its files in dir, which everybody can reach, in which the users lie on so many shards:
// 1, 2, 4 or 8. transactions is vtgate's transaction mode: SINGLE, as Muster wants it, or MULTI. The servers end with this process.
func StartVitessCluster(dir string, shards int, transactions string) (*VitessCluster, error) {
	c := &VitessCluster{dir: dir, transactions: transactions}
	if err := giveAway(dir, c.path("vt")); err != nil {
		return nil, err
	}
	if err := c.startEtcd(); err != nil {
		return nil, err
	}
	c.Shards = []Shard{{Keyspace: headKeyspace, Name: "0", uid: 100}}
	for i, name := range ranges(shards) {
		c.Shards = append(c.Shards, Shard{Keyspace: usersKeyspace, Name: name, uid: 101 + i})
	}
	first, err := StartMySQL(c.path("empty")) // made once, and copied
	if err == nil {
		err = first.Stop()
	}
	if err != nil {
		return nil, err
	}
	if err := c.control("AddCellInfo", "--root", "/vitess/zone1", "--server-address", c.etcd, "zone1"); err != nil {
		return nil, err
	}
	for _, keyspace := range []string{headKeyspace, usersKeyspace} {
		if err := c.control("CreateKeyspace", "--durability-policy=none", keyspace); err != nil {
			return nil, err
		}
	}
	for i := range c.Shards {
		if err := c.startShard(&c.Shards[i]); err != nil {
			return nil, err
		}
	}
	if err := c.applySchemas(); err != nil {
		return nil, err
	}
	if c.gatePorts, err = freePorts(3); err != nil {
		return nil, err
	}
	return c, c.StartGate()
}

func (c *VitessCluster) path(name string) string { return filepath.Join(c.dir, name) }

// ranges returns the names of so many equal shards: -80, 80-.
func ranges(n int) (names []string) {
	if n == 1 {
		return []string{"-"}
	}
	bound := func(i int) string {
		if i == 0 || i == n {
			return ""
		}
		return fmt.Sprintf("%02x", i*256/n)
	}
	for i := range n {
		names = append(names, bound(i)+"-"+bound(i+1))
	}
	return names
}

func (c *VitessCluster) startEtcd() error {
	ports, err := freePorts(2)
	if err != nil {
		return err
	}
	client, peer := "http://127.0.0.1:"+ports[0], "http://127.0.0.1:"+ports[1]
	c.etcd = "127.0.0.1:" + ports[0]
	port, err := strconv.Atoi(ports[0])
	if err != nil {
		return err
	}
	if err := os.MkdirAll(c.path("etcd"), 0o700); err != nil {
		return err
	}
	_, err = start("etcd", c.path("etcd"), port, "--data-dir", c.path("etcd/data"), "--listen-client-urls", client, "--advertise-client-urls", client,
		"--listen-peer-urls", peer, "--initial-advertise-peer-urls", peer, "--initial-cluster", "default="+peer)
	return err
}

func (c *VitessCluster) topology() []string {
	return []string{"--topo-implementation", "etcd2", "--topo-global-server-address", c.etcd, "--topo-global-root", "/vitess/global"}
}

// control runs vtctldclient without a vtctld, again until it succeeds: what it is about may still be starting.
func (c *VitessCluster) control(args ...string) error {
	client, err := find("vitess/vtctldclient")
	if err != nil {
		return err
	}
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	for {
		cmd := exec.CommandContext(ctx, client, append(append([]string{"--server", "internal"}, c.topology()...), args...)...)
		cmd.Env = append(environ(c.path("vt")), "VTDATAROOT="+c.path("vt"), "HOME="+c.path("vt"))
		cmd.SysProcAttr = attributes(nobody())
		out, err := cmd.CombinedOutput()
		if err == nil {
			return nil
		}
		select {
		case <-ctx.Done():
			return fmt.Errorf("vtctldclient %s: %w: %s", args[0], err, lastLines(string(out), 3))
		case <-time.After(300 * time.Millisecond):
		}
	}
}

// startShard starts the server and the tablet of a shard for the first time.
func (c *VitessCluster) startShard(s *Shard) error {
	dir := c.path(fmt.Sprintf("mysql-%d", s.uid))
	if err := os.CopyFS(filepath.Join(dir, "data"), os.DirFS(filepath.Join(c.path("empty"), "data"))); err != nil {
		return err
	}
	if err := os.Remove(filepath.Join(dir, "data", "auto.cnf")); err != nil { // the server's id
		return err
	}
	var err error
	if s.MySQL, err = StartMySQL(dir); err != nil {
		return err
	}
	// A tablet of which Vitess does not start the server wants an account with a password.
	if err := statements("root@tcp("+s.MySQL.Addr+")/", "CREATE DATABASE "+s.Database(), "CREATE USER vt@'%' IDENTIFIED BY 'vt'", "GRANT ALL ON *.* TO vt@'%' WITH GRANT OPTION"); err != nil {
		return err
	}
	if s.ports, err = freePorts(2); err != nil {
		return err
	}
	if err := c.StartTablet(s); err != nil {
		return err
	}
	return c.control("TabletExternallyReparented", fmt.Sprintf("zone1-%d", s.uid))
}

// StartTablet starts the tablet of a shard, which does not run.
func (c *VitessCluster) StartTablet(s *Shard) (err error) {
	dir := c.path(fmt.Sprintf("tablet-%d", s.uid))
	if err := giveAway(dir); err != nil {
		return err
	}
	grpc, err := strconv.Atoi(s.ports[1])
	if err != nil {
		return err
	}
	args := append(c.topology(), "--tablet-path", fmt.Sprintf("zone1-%d", s.uid), "--init-keyspace", s.Keyspace, "--init-shard", s.Name,
		"--init-tablet-type", "replica", "--init-db-name-override", s.Database(), "--tablet-hostname", "127.0.0.1", "--port", s.ports[0], "--grpc-port", s.ports[1],
		"--service-map", "grpc-queryservice,grpc-tabletmanager,grpc-updatestream", "--unmanaged", "--db-socket", filepath.Join(s.MySQL.Dir, "s.sock"),
		"--db-app-user", "vt", "--db-app-password", "vt", "--db-charset", "utf8mb4")
	for _, role := range []string{"dba", "allprivs", "repl", "filtered", "appdebug"} {
		args = append(args, "--db-"+role+"-user", "root")
	}
	s.Tablet, err = startAs(nobody(), "vitess/vttablet", dir, grpc, append(append(args, loopback...), limits...)...)
	return err
}

// StartGate starts the vtgate, which does not run, and waits until it answers.
func (c *VitessCluster) StartGate() (err error) {
	dir := c.path("gate")
	if err := giveAway(dir); err != nil {
		return err
	}
	args := append(c.topology(), "--cell", "zone1", "--cells-to-watch", "zone1", "--tablet-types-to-wait", "PRIMARY", "--port", c.gatePorts[0], "--grpc-port", c.gatePorts[1],
		"--service-map", "grpc-vtgateservice", "--mysql-auth-server-impl", "none", "--mysql-server-port", c.gatePorts[2], "--mysql-server-bind-address", "127.0.0.1",
		"--mysql-server-version", "8.4.6-Vitess", "--transaction-mode", c.transactions)
	c.Gate, err = startVitess("vtgate", dir, c.gatePorts[2], append(args, loopback...)...)
	return err
}

// RestartShard starts the server of a shard again, which has ended.
func (c *VitessCluster) RestartShard(s *Shard) (err error) {
	s.MySQL, err = RestartMySQL(s.MySQL)
	return err
}

func (c *VitessCluster) applySchemas() error {
	for _, keyspace := range []string{headKeyspace, usersKeyspace} {
		text, err := deployed("vschema-" + keyspace + ".json")
		if err != nil {
			return err
		}
		if err := c.control("ApplyVSchema", "--vschema", string(text), keyspace); err != nil {
			return err
		}
	}
	rules, err := deployed("routing-rules.json")
	if err != nil {
		return err
	}
	return c.control("ApplyRoutingRules", "--rules", string(rules))
}

// Kill ends all processes of the cluster but etcd, which ends with this process.
func (c *VitessCluster) Kill() error {
	var errs []error
	kill := func(p *Process) {
		if p != nil {
			errs = append(errs, p.Kill())
		}
	}
	kill(c.Gate)
	kill(c.Control)
	for i := range c.Shards {
		kill(c.Shards[i].Tablet)
		kill(c.Shards[i].MySQL)
	}
	return errors.Join(errs...)
}
