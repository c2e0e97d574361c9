package store_test

import (
	"database/sql"
	"errors"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/storetest"
	"github.com/musterhq/muster/internal/user"
)

func wantTrouble(t *testing.T, err error, want job.WaitReason, text string) {
	t.Helper()
	if !errors.Is(err, job.ErrStoreUnavailable) || job.StoreTrouble(err) != want || !strings.Contains(err.Error(), text) {
		t.Errorf("%v, for %q; want %q with %q", err, job.StoreTrouble(err), want, text)
	}
}

// With all rights that operations.md asks for, and no others, the database is ready on each engine.
func TestReady(t *testing.T) {
	t.Parallel()
	for _, e := range storetest.Engines(t) {
		t.Run(e.Name, func(t *testing.T) {
			t.Parallel()
			empty := storetest.Open(t, e.Empty(t), store.Options{})
			if err := empty.Ready(t.Context()); err != nil {
				t.Errorf("without the schema, which SchemaCurrent looks at: %v", err)
			}
			s := storetest.Open(t, e.New(t), store.Options{})
			for range 3 {
				if err := s.Ready(t.Context()); err != nil {
					t.Fatal(err)
				}
			}
		})
	}
}

// An account that lacks a right is named at the start, and not by the first request that needs it.
func TestRightsAreChecked(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, db *sql.DB, address string) {
		all := map[string][]string{
			"users": {"SELECT", "INSERT", "UPDATE", "DELETE"}, "jobs": {"SELECT", "INSERT", "UPDATE"}, "job_chunks": {"SELECT", "INSERT", "UPDATE"},
			"id_blocks": {"SELECT", "UPDATE"}, "deployment": {"SELECT", "INSERT", "UPDATE"}, "job_rejects": {"SELECT", "INSERT", "DELETE"},
			"key_locks": {"SELECT", "INSERT", "UPDATE", "DELETE"}, "schema_version": {"SELECT"},
		}
		for _, table := range store.Wholly() {
			all[table] = []string{"SELECT", "INSERT", "UPDATE", "DELETE"}
		}
		rights := func(lacks string) (list []string) {
			for table, verbs := range all {
				for _, verb := range verbs {
					if verb+" "+table != lacks {
						list = append(list, verb+" ON "+table)
					}
				}
			}
			return list
		}
		least := storetest.Open(t, account(t, db, address, "least", rights("")...), store.Options{})
		if err := errors.Join(least.Ready(t.Context()), least.SchemaCurrent(t.Context())); err != nil {
			t.Fatal(err)
		}
		importAndRead(t, least)
		for table, verbs := range all {
			if table == "schema_version" {
				continue
			}
			for _, verb := range verbs {
				s := storetest.Open(t, account(t, db, address, "lacking", rights(verb+" "+table)...), store.Options{})
				wantTrouble(t, s.Ready(t.Context()), job.WaitStoreDenied, verb+" command denied")
				execAll(t, db, "DROP USER lacking"+databaseOf(t, address))
			}
		}
		reader := storetest.Open(t, account(t, db, address, "reader", "SELECT ON *"), store.Options{})
		wantTrouble(t, reader.Ready(t.Context()), job.WaitStoreDenied, "UPDATE command denied")
		_, err := reader.User(t.Context(), 1e9)
		if !errors.Is(err, user.ErrNotFound) {
			t.Errorf("a read: %v", err)
		}
		wantTrouble(t, reader.CreateUser(t.Context(), &user.User{}), job.WaitStoreDenied, "denied")

		// A right that is taken away later, such as the one to read.
		execAll(t, db, "REVOKE SELECT ON "+databaseOf(t, address)+".users FROM least"+databaseOf(t, address)+"@'%'")
		_, err = least.User(t.Context(), 1)
		wantTrouble(t, err, job.WaitStoreDenied, "SELECT command denied")
		within(t, func() bool { return job.StoreTrouble(least.Ready(t.Context())) == job.WaitStoreDenied })

		wrong := storetest.Open(t, strings.Replace(address, "root", "nobody:sesame", 1), store.Options{})
		wantTrouble(t, wrong.Ready(t.Context()), job.WaitStoreDenied, "Access denied")
		elsewhere := storetest.Open(t, address+"_none", store.Options{})
		wantTrouble(t, elsewhere.Ready(t.Context()), job.WaitStoreUnsuitable, "Unknown database")
	})
}

// The rights that operations.md asks for are enough to migrate, too.
func TestRightsToMigrate(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, db *sql.DB, address string) {
		empty := databaseOf(t, address) + "e"
		execAll(t, db, "CREATE DATABASE "+empty)
		t.Cleanup(func() { _, _ = db.Exec("DROP DATABASE " + empty) })
		migrator := account(t, db, address+"e", "migrator", append([]string{"CREATE, ALTER, INDEX ON *"}, everyday...)...)
		if steps, err := store.Migrate(t.Context(), migrator); err != nil || steps == 0 {
			t.Fatalf("%d steps, %v", steps, err)
		}
		if err := storetest.Open(t, migrator, store.Options{}).Ready(t.Context()); err != nil {
			t.Error(err)
		}
	})
}

// A server that turns read-only: writes are refused with the reason, and go on as soon as it takes them again.
func TestServersThatDoNotServe(t *testing.T) {
	t.Parallel()
	engine, db := ownServer(t)
	address := engine.New(t)
	s := storetest.Open(t, account(t, db, address, "muster", everyday...), store.Options{})
	j := record(t, s, 20, 20)
	c := claim(t, s, j.ID, 0)
	execAll(t, db, "SET GLOBAL read_only = 1")
	wantTrouble(t, s.Ready(t.Context()), job.WaitStoreReadOnly, "read-only")
	wantTrouble(t, s.CommitBatch(t.Context(), c, rows(c, 20), 0), job.WaitStoreReadOnly, "read-only")
	wantTrouble(t, s.CreateUser(t.Context(), &user.User{}), job.WaitStoreReadOnly, "read-only")
	if _, err := s.Job(t.Context(), j.ID); err != nil {
		t.Errorf("a read: %v", err)
	}
	execAll(t, db, "SET GLOBAL read_only = 0")
	mustCommit(t, s, c, 20)
	within(t, func() bool { return s.Ready(t.Context()) == nil })
	wantRows(t, s, 20)

	// Servers whose sessions cannot be as they should.
	execAll(t, db, "SET GLOBAL max_allowed_packet = 1048576")
	s = storetest.Open(t, account(t, db, address, "small", everyday...), store.Options{})
	wantTrouble(t, s.Ready(t.Context()), job.WaitStoreUnsuitable, "max_allowed_packet is 1048576")
	execAll(t, db, "SET GLOBAL max_allowed_packet = 16777216", "SET GLOBAL init_connect = 'USE information_schema'")
	s = storetest.Open(t, account(t, db, address, "moved", everyday...), store.Options{})
	wantTrouble(t, s.Ready(t.Context()), job.WaitStoreUnsuitable, "information_schema")
	execAll(t, db, "SET GLOBAL init_connect = 'NONSENSE'")
	s = storetest.Open(t, account(t, db, address, "aborted", everyday...), store.Options{})
	if err := s.Ready(t.Context()); !errors.Is(err, job.ErrStoreUnavailable) {
		t.Errorf("init_connect fails: %v", err)
	}
}

// Limits of the account: what is above them is refused with the reason, and costs no chunk a stall.
func TestLimitsOfTheAccount(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, db *sql.DB, address string) {
		one := account(t, db, address, "one", everyday...)
		execAll(t, db, "ALTER USER one"+databaseOf(t, address)+"@'%' WITH MAX_USER_CONNECTIONS 1")
		s := storetest.Open(t, one, store.Options{})
		if err := s.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		wantTrouble(t, storetest.Open(t, one, store.Options{}).Ready(t.Context()), job.WaitStoreLimit, "max_user_connections")

		root := storetest.Open(t, address, store.Options{})
		c := claim(t, root, record(t, root, 10, 10).ID, 0)
		limited := account(t, db, address, "few", everyday...)
		execAll(t, db, "ALTER USER few"+databaseOf(t, address)+"@'%' WITH MAX_UPDATES_PER_HOUR 60")
		few := storetest.Open(t, limited, store.Options{})
		if err := few.Ready(t.Context()); err != nil {
			t.Fatal(err)
		}
		for err := error(nil); err == nil; {
			if err = few.CreateUser(t.Context(), &user.User{}); err != nil {
				wantTrouble(t, err, job.WaitStoreLimit, "max_updates")
			}
		}
		wantTrouble(t, few.CommitBatch(t.Context(), c, rows(c, 10), 0), job.WaitStoreLimit, "max_updates")
		within(t, func() bool { return job.StoreTrouble(few.Ready(t.Context())) == job.WaitStoreLimit })
	})
}

// A statement or a connection that an administrator kills is no fault of the batch, which is stored all the same.
func TestKilledConnections(t *testing.T) {
	t.Parallel()
	eachServer(t, func(t *testing.T, db *sql.DB, address string) {
		s := storetest.Open(t, address, store.Options{})
		c := claim(t, s, record(t, s, 100, 100).ID, 0)
		lock, err := db.Conn(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = lock.Close() }()
		if _, err := lock.ExecContext(t.Context(), "LOCK TABLES "+databaseOf(t, address)+".users READ"); err != nil { // the INSERT waits
			t.Fatal(err)
		}
		committed := make(chan error)
		users := rows(c, 100)
		for i := range users {
			users[i].City = "Zurich" // MySQL's list of processes takes no emoji
		}
		go func() { committed <- s.CommitBatch(t.Context(), c, users, 0) }()
		for _, kill := range []string{"KILL QUERY ", "KILL "} {
			within(t, func() bool {
				var id int64
				err := db.QueryRowContext(t.Context(), `
				SELECT id FROM information_schema.processlist WHERE db = ? AND info LIKE 'INSERT INTO users%' AND state LIKE 'Waiting%'`,
					databaseOf(t, address)).Scan(&id)
				if err == nil {
					_, err = db.ExecContext(t.Context(), kill+strconv.FormatInt(id, 10))
				}
				return err == nil
			})
		}
		if _, err := lock.ExecContext(t.Context(), "UNLOCK TABLES"); err != nil {
			t.Fatal(err)
		}
		if err := <-committed; err != nil {
			t.Errorf("a batch whose statements were killed: %v", err)
		}
		wantRows(t, s, 100)
	})
}

// A disk that is full takes small writes for a while: a batch that it refuses is remembered.
func TestFullDisk(t *testing.T) {
	t.Parallel()
	engine, db := ownServer(t, "--innodb-file-per-table=0", "--innodb-data-file-path=ibdata1:12M:autoextend:max:24M")
	s := storetest.Open(t, account(t, db, engine.New(t), "muster", everyday...), store.Options{})
	j := record(t, s, 1_000_000, 1_000_000)
	c := claim(t, s, j.ID, 0)
	var err error
	for err == nil && c.Chunk.Left() > 0 {
		err = s.CommitBatch(t.Context(), c, rows(c, 1000), 0)
	}
	wantTrouble(t, err, job.WaitStoreDisk, "full")
	within(t, func() bool { // for a while after each write that was refused
		err := s.CommitBatch(t.Context(), c, rows(c, 1000), 0)
		return err != nil && job.StoreTrouble(s.Ready(t.Context())) == job.WaitStoreDisk
	})
	if err := s.GiveBack(t.Context(), c, 0, ""); err != nil {
		t.Fatal(err)
	}
	if again := claim(t, s, j.ID, 0); again == nil || again.Chunk.Stalls != 1 || again.Chunk.Done != c.Chunk.Done {
		t.Errorf("claimed again: %+v", again)
	}
	wantRows(t, s, c.Chunk.Done)
}

func TestSQLiteFolderAndFile(t *testing.T) {
	t.Parallel()
	s, err := store.Open("sqlite:///proc/muster.db", store.Options{})
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = s.Close() }()
	wantTrouble(t, s.Ready(t.Context()), job.WaitStoreDisk, "unable to open")

	address := storetest.Engines(t)[0].New(t)
	file := strings.TrimPrefix(address, "sqlite://")
	if err := syscall.Chmod(filepath.Dir(filepath.Dir(file)), 0o755); err != nil { // the test's own folder lies in one for root only
		t.Fatal(err)
	}
	for _, c := range []struct {
		mode, folder uint32
		want         job.WaitReason
	}{{0o444, 0o777, job.WaitStoreReadOnly}, {0o666, 0o555, job.WaitStoreReadOnly}, {0o000, 0o777, job.WaitStoreDisk}} {
		asNobody(t, func() {
			if err := errors.Join(syscall.Chmod(file, c.mode), syscall.Chmod(filepath.Dir(file), c.folder)); err != nil {
				t.Error(err)
			}
		}, func() {
			s, err := store.Open(address, store.Options{})
			if err != nil {
				t.Error(err)
				return
			}
			defer func() { _ = s.Close() }()
			wantTrouble(t, s.Ready(t.Context()), c.want, "")
			wantTrouble(t, s.CreateUser(t.Context(), &user.User{}), c.want, "")
		})
	}
	if err := errors.Join(syscall.Chmod(filepath.Dir(file), 0o755), syscall.Chmod(file, 0o644)); err != nil {
		t.Error(err)
	}
}
