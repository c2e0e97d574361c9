package store

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/user"
)

// recently is how long Ready answers as it did last: while all was well, so that probes of a fleet cost little, and after a
// write that the database refused.
const recently = 5 * time.Second

// diskFull is the same for a write that a full disk refused. It still takes small ones, and so Ready's own: a load balancer
// that brought requests back at once would bring the next refusal.
const diskFull = 30 * time.Second

// answer is what Ready answers for a while.
type answer struct {
	err   error
	until time.Time
}

// Ready returns nil when the database can do all that Muster asks of it: it answers, the server is of a known version, a
// session is as it should be, the account may do what it has to, and writes are taken. It does not look at the schema. The
// error is a *job.StoreError that says why, unless ctx ended.
func (s *Store) Ready(ctx context.Context) error {
	if a := s.refused.Load(); a != nil && time.Now().Before(a.until) {
		return a.err
	}
	if a := s.ready.Load(); a != nil && time.Now().Before(a.until) {
		return nil
	}
	check := s.checkMySQL
	if s.dialect.name == "sqlite" {
		check = s.checkSQLite
	}
	err := translate("check", check(ctx))
	switch {
	case err == nil, errors.Is(err, job.ErrSchema): // a table or a column that is missing is the affair of SchemaCurrent
		s.ready.Store(&answer{until: time.Now().Add(recently)})
		return nil
	case job.StoreTrouble(err) == "" && ctx.Err() == nil: // a server that does not understand what the others do
		return &job.StoreError{Reason: job.WaitStoreUnsuitable, Err: err}
	}
	return err
}

// noteRefused keeps the error of a write that failed for good, if it says that others will, too.
func (s *Store) noteRefused(err error) {
	var e *job.StoreError
	if !errors.As(err, &e) {
		return
	}
	switch e.Reason {
	case job.WaitStoreDisk:
		s.refused.Store(&answer{err: err, until: time.Now().Add(diskFull)})
	case job.WaitStoreReadOnly, job.WaitStoreDenied:
		s.refused.Store(&answer{err: err, until: time.Now().Add(recently)})
	}
}

func (s *Store) checkMySQL(ctx context.Context) error {
	if err := s.checkServer(ctx); err != nil {
		return err
	}
	for _, statement := range s.probes() {
		if _, err := s.w.ExecContext(ctx, statement); err != nil {
			s.leave(err)
			return err
		}
	}
	s.probed.Store(true)
	return nil
}

// probes returns statements that change nothing, and fail where those that do would fail for want of a right, or because the
// server is read-only. The first needs most of the rights, and is enough once all have passed: a right that is taken away later
// shows in the statement that wants it.
func (s *Store) probes() []string {
	const update = `
		UPDATE users AS u, jobs AS j, job_chunks AS c, id_blocks AS b
		   SET u.age = u.age, j.version = j.version, c.stalls = c.stalls, b.next_id = b.next_id
		 WHERE FALSE`
	if s.dialect.sharded {
		return shardedProbes()
	}
	if s.probed.Load() {
		return []string{update}
	}
	columns := strings.Join(user.Columns, ", ") // a column that is computed takes no value
	probes := []string{
		update,
		`DELETE FROM users WHERE FALSE`,
		`INSERT INTO users (` + columns + `) SELECT ` + columns + ` FROM users WHERE FALSE`,
		`INSERT INTO jobs SELECT * FROM jobs WHERE FALSE`,
		`INSERT INTO job_chunks SELECT * FROM job_chunks WHERE FALSE`,
		`INSERT INTO deployment SELECT * FROM deployment WHERE FALSE`,
		`INSERT INTO job_rejects SELECT * FROM job_rejects WHERE FALSE`,
		`DELETE FROM job_rejects WHERE FALSE`,
		`INSERT INTO key_locks SELECT * FROM key_locks WHERE FALSE ON DUPLICATE KEY UPDATE lock_key = VALUES(lock_key)`,
		`DELETE FROM key_locks WHERE FALSE`,
		`UPDATE deployment SET link_key = link_key WHERE FALSE`,
	}
	for _, t := range wholly {
		probes = append(probes, `INSERT INTO `+t.table+` SELECT * FROM `+t.table+` WHERE FALSE`,
			`UPDATE `+t.table+` SET `+t.column+` = `+t.column+` WHERE FALSE`, `DELETE FROM `+t.table+` WHERE FALSE`)
	}
	return probes
}

// shardedProbes are the probes of a sharded database, where no table has rights of its own. vtgate answers WHERE FALSE without
// asking a shard, so these look for a row that there is not.
func shardedProbes() []string {
	return []string{
		`UPDATE jobs AS j, id_blocks AS b SET j.version = j.version, b.next_id = b.next_id WHERE j.id = ''`,
		`UPDATE ` + eachShard + `users SET age = age WHERE id = 0`,
	}
}

// wholly are tables of which all rights are needed, with one of their columns.
var wholly = []struct{ table, column string }{
	{"export_files", "bytes"}, {"webhook_endpoints", "url"}, {"webhook_deliveries", "state"}, {"webhook_attempts", "status"},
	{"schedules", "name"}, {"schedule_runs", "code"},
	{"api_keys", "revoked_at"}, {"sessions", "expires_at"},
}

// checkServer returns an error when the server or its sessions are not what Muster needs.
func (s *Store) checkServer(ctx context.Context) error {
	got := map[string]any{}
	if err := s.w.QueryRowxContext(ctx, sessionQuery(s.session)).MapScan(got); err != nil {
		return err
	}
	if err := s.checkSession(got); err != nil {
		return &job.StoreError{Reason: job.WaitStoreUnsuitable, Err: err}
	}
	return nil
}

// minPacket is the least max_allowed_packet of the server, in bytes: a thousand users with the longest names take 2.7 MB.
const minPacket = 4 << 20

// checkSession looks at a row of sessionQuery.
func (s *Store) checkSession(got map[string]any) error {
	text := func(name string) string {
		if b, ok := got[name].([]byte); ok {
			return string(b)
		}
		return fmt.Sprint(got[name])
	}
	if err := checkVersion(text("version")); err != nil {
		return err
	}
	want := map[string]string{"charset": "utf8mb4"}
	for _, setting := range s.session {
		want[setting.name] = strings.Trim(setting.value, "'")
	}
	if s.dialect.sharded { // vtgate keeps for the session what a single transaction asked for; either will do
		delete(want, "transaction_isolation")
	}
	for name, value := range want {
		// A variable of the other engine is not in the row.
		if _, ok := got[name]; ok && text(name) != value {
			return fmt.Errorf("its sessions have %s = %s, whatever is set: Muster needs %s", name, text(name), value)
		}
	}
	if got["transaction_isolation"] == nil && got["tx_isolation"] == nil {
		return errors.New("something between Muster and the database takes comments out of statements")
	}
	// A server may write names in lower case.
	if db := text("db"); !strings.EqualFold(db, s.database) {
		return fmt.Errorf("its sessions begin in the database %q, and not in %q", db, s.database)
	}
	var packet int64
	if _, err := fmt.Sscan(text("packet"), &packet); err != nil || packet < minPacket {
		return fmt.Errorf("its max_allowed_packet is %s: Muster needs %d or more", text("packet"), minPacket)
	}
	return nil
}

// checkVersion returns an error for a server that is too old.
func checkVersion(version string) error {
	name, wantMajor, wantMinor := "MySQL", 8, 4
	if strings.Contains(strings.ToLower(version), "mariadb") {
		name, wantMajor, wantMinor = "MariaDB", 10, 11
	}
	var major, minor int
	if _, err := fmt.Sscanf(version, "%d.%d", &major, &minor); err != nil || major < wantMajor || major == wantMajor && minor < wantMinor {
		return fmt.Errorf("it is %s %s: Muster needs MySQL 8.4 or MariaDB 10.11, or a later one", name, version)
	}
	return nil
}

// checkSQLite asks the file for its write lock until it was had once. Later a batch may hold it for seconds, and only a
// write that fails tells of trouble.
func (s *Store) checkSQLite(ctx context.Context) error {
	if s.probed.Load() {
		var tables int
		return s.r.GetContext(ctx, &tables, `SELECT COUNT(*) FROM sqlite_schema`)
	}
	// BEGIN IMMEDIATE alone reads, where a file cannot be written.
	_, err := s.w.ExecContext(ctx, `UPDATE id_blocks SET next_id = next_id WHERE FALSE`)
	switch {
	case classify(err).class == conflict: // another process writes: so it can be written
		return nil
	case err != nil:
		return err
	}
	s.probed.Store(true)
	return nil
}
