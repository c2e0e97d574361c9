package testenv

import (
	"context"
	"database/sql"
	"errors"
	"fmt"
	"os/exec"
	"strconv"
	"strings"
	"time"
)

// Reshard moves the users to so many new shards, while the database is in use, and ends the servers of the old ones.
func (c *VitessCluster) Reshard(shards int) error {
	if err := c.startControl(); err != nil {
		return err
	}
	old := c.Shards[1:]
	grown := make([]Shard, shards)
	for i, name := range ranges(shards) {
		grown[i] = Shard{Keyspace: usersKeyspace, Name: name, uid: old[len(old)-1].uid + 1 + i}
		if err := c.startShard(&grown[i]); err != nil {
			return err
		}
		if err := copySchema(&old[0], &grown[i]); err != nil {
			return err
		}
	}
	names := func(list []Shard) string {
		var all []string
		for i := range list {
			all = append(all, list[i].Name)
		}
		return strings.Join(all, ",")
	}
	if err := c.reshardSoon("create", "--skip-schema-copy", "--source-shards="+names(old), "--target-shards="+names(grown)); err != nil {
		return err
	}
	for deadline := time.Now().Add(5 * time.Minute); ; time.Sleep(500 * time.Millisecond) {
		status, err := c.reshard("status")
		if err == nil && strings.Count(status, "Status: Running") >= shards && !strings.Contains(status, "Table Copy Status") {
			break
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("the users are not copied: %w: %s", err, status)
		}
	}
	for _, step := range []string{"switchtraffic", "complete"} {
		if err := c.reshardSoon(step); err != nil {
			return err
		}
	}
	c.Shards = append(c.Shards[:1:1], grown...)
	for i := range old {
		if err := old[i].Tablet.Kill(); err != nil {
			return err
		}
		if err := old[i].MySQL.Kill(); err != nil {
			return err
		}
	}
	return nil
}

// copySchema makes the tables of a shard on another. Vitess would do so, but not when its first try came too early.
func copySchema(from, to *Shard) error {
	db, err := sql.Open("mysql", from.DSN())
	if err != nil {
		return err
	}
	defer func() { _ = db.Close() }()
	for _, table := range []string{"users", "job_chunks", "job_rejects", "export_files"} {
		var name, create string
		if err := db.QueryRow("SHOW CREATE TABLE "+table).Scan(&name, &create); err != nil {
			return err
		}
		if err := statements(to.DSN(), create); err != nil {
			return err
		}
	}
	return nil
}

// startControl starts a vtctld, without which traffic cannot be switched.
func (c *VitessCluster) startControl() error {
	if c.Control != nil {
		return nil
	}
	dir := c.path("control")
	if err := giveAway(dir); err != nil {
		return err
	}
	ports, err := freePorts(2)
	if err != nil {
		return err
	}
	grpc, err := strconv.Atoi(ports[1])
	if err != nil {
		return err
	}
	args := append(c.topology(), "--port", ports[0], "--grpc-port", ports[1], "--service-map", "grpc-vtctl,grpc-vtctld")
	c.Control, err = startAs(nobody(), "vitess/vtctld", dir, grpc, append(args, loopback...)...)
	return err
}

// reshardSoon is reshard for an action for which a tablet may not be ready yet.
func (c *VitessCluster) reshardSoon(action string, args ...string) error {
	var errs []error
	for deadline := time.Now().Add(time.Minute); ; time.Sleep(500 * time.Millisecond) {
		_, err := c.reshard(action, args...)
		if err == nil {
			return nil
		}
		if errs = append(errs, err); time.Now().After(deadline) {
			return errors.Join(errs...)
		}
	}
}

// reshard runs an action of the workflow that moves users to other shards, and returns what it says.
func (c *VitessCluster) reshard(action string, args ...string) (string, error) {
	client, err := find("vitess/vtctldclient")
	if err != nil {
		return "", err
	}
	ctx, cancel := context.WithTimeout(context.Background(), 3*time.Minute)
	defer cancel()
	all := append([]string{"--server", c.Control.Addr, "Reshard", "--workflow", "grow", "--target-keyspace", usersKeyspace, action}, args...)
	out, err := exec.CommandContext(ctx, client, all...).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("vtctldclient Reshard %s: %w: %s", action, err, lastLines(string(out), 3))
	}
	return string(out), err
}
