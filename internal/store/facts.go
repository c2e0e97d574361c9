package store

import (
	"context"
	"strconv"
	"strings"
	"time"

	"github.com/jmoiron/sqlx"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/searchindex"
)

// Facts is what a database tells of itself and of its server, to people who look for what is wrong with it.
type Facts struct {
	Engine    string // SQLite, MariaDB or MySQL
	Version   string
	Ahead     time.Duration // its clock before this machine's; negative: behind it
	RoundTrip time.Duration // of the question for its clock, of which half is the error of Ahead

	SchemaHave, SchemaNeed int64           // versions of the schema: the database's, 0 for none, and this program's
	Indexes                searchindex.Set // for searches; of no meaning without a schema

	// Of MySQL and MariaDB. Numbers are -1 where the server does not tell.
	Packet                 int64 // max_allowed_packet, bytes
	MaxConns, Conns        int64 // max_connections, and how many are open
	FlushLog, SyncBinlog   int64 // innodb_flush_log_at_trx_commit, sync_binlog
	Binlog                 bool
	BinlogFormat, TimeZone string // those that are set for all, as the next
	SQLMode                string
	ReadOnly               bool
	DataDir                string
	Replica                *Replica // nil: it is none, or the account may not know
	Replicas               int64    // that follow it, -1: the account may not know
}

// Replica is how a server follows another.
type Replica struct {
	Running bool
	Behind  int64 // seconds; -1: not known
}

// Facts asks the database. It changes nothing. With an error, the facts are those that were known by then.
func (s *Store) Facts(ctx context.Context) (*Facts, error) {
	f := &Facts{Engine: "SQLite"}
	version := `SELECT sqlite_version()`
	if s.dialect.name != "sqlite" {
		version = `SELECT VERSION()`
	}
	if err := s.r.GetContext(ctx, &f.Version, version); err != nil {
		return f, translate("facts", err)
	}
	if s.dialect.name != "sqlite" {
		f.Engine = "MySQL"
		if s.dialect.sharded {
			f.Engine = "Vitess"
		}
		if strings.Contains(strings.ToLower(f.Version), "mariadb") {
			f.Engine = "MariaDB"
		}
		if err := s.serverFacts(ctx, f); err != nil {
			return f, translate("facts", err)
		}
	}
	var now int64
	began := time.Now()
	if err := s.r.GetContext(ctx, &now, `SELECT `+s.dialect.now); err != nil {
		return f, translate("facts", err)
	}
	f.RoundTrip = time.Since(began)
	f.Ahead = time.UnixMilli(now).Sub(began.Add(f.RoundTrip / 2))
	var err error
	if f.SchemaHave, f.SchemaNeed, err = s.schemaVersions(ctx); err != nil || f.SchemaHave == 0 {
		return f, translate("facts", err)
	}
	f.Indexes, err = s.SearchIndexes(ctx)
	return f, err
}

func (s *Store) serverFacts(ctx context.Context, f *Facts) error {
	got := map[string]string{}
	for _, query := range []string{
		`SHOW GLOBAL VARIABLES WHERE Variable_name IN ('max_allowed_packet', 'max_connections', 'innodb_flush_log_at_trx_commit',
			'sync_binlog', 'log_bin', 'binlog_format', 'time_zone', 'sql_mode', 'read_only', 'datadir')`,
		`SHOW GLOBAL STATUS WHERE Variable_name = 'Threads_connected'`,
	} {
		var rows []struct {
			Name  string `db:"Variable_name"`
			Value string `db:"Value"`
		}
		if err := s.r.SelectContext(ctx, &rows, query); err != nil {
			return err
		}
		for _, r := range rows {
			got[strings.ToLower(r.Name)] = r.Value
		}
	}
	number := func(name string) int64 {
		n, err := strconv.ParseInt(got[name], 10, 64)
		if err != nil {
			return -1
		}
		return n
	}
	f.Packet, f.MaxConns, f.Conns = number("max_allowed_packet"), number("max_connections"), number("threads_connected")
	f.FlushLog, f.SyncBinlog = number("innodb_flush_log_at_trx_commit"), number("sync_binlog")
	f.Binlog, f.BinlogFormat, f.TimeZone, f.SQLMode = got["log_bin"] == "ON", got["binlog_format"], got["time_zone"], got["sql_mode"]
	f.ReadOnly, f.DataDir = got["read_only"] != "OFF" && got["read_only"] != "", got["datadir"]
	s.replication(ctx, f)
	return nil
}

// replication reads how the server follows others, and others it, as far as the account may know.
func (s *Store) replication(ctx context.Context, f *Facts) {
	f.Replicas = -1
	hosts := `SHOW REPLICAS`
	if f.Engine == "MariaDB" {
		hosts = `SHOW REPLICA HOSTS`
	}
	if rows, err := s.rows(ctx, hosts); err == nil {
		f.Replicas = int64(len(rows))
	}
	rows, err := s.rows(ctx, `SHOW REPLICA STATUS`)
	if err != nil || len(rows) == 0 {
		return
	}
	f.Replica = &Replica{Running: true, Behind: -1}
	for name, value := range rows[0] {
		text, _ := value.([]byte)
		switch name { // those of MySQL, those of MariaDB
		case "Replica_IO_Running", "Replica_SQL_Running", "Slave_IO_Running", "Slave_SQL_Running":
			f.Replica.Running = f.Replica.Running && string(text) == "Yes"
		case "Seconds_Behind_Source", "Seconds_Behind_Master":
			if n, err := strconv.ParseInt(string(text), 10, 64); err == nil {
				f.Replica.Behind = n
			}
		}
	}
}

// rows returns what a statement tells whose columns depend on the server.
func (s *Store) rows(ctx context.Context, query string) (list []map[string]any, err error) {
	return selectRows(ctx, s.r, query)
}

// rowsQuerier is what selectRows needs of a pool, a connection or a transaction.
type rowsQuerier interface {
	QueryxContext(ctx context.Context, query string, args ...any) (*sqlx.Rows, error)
}

func selectRows(ctx context.Context, q rowsQuerier, query string) (list []map[string]any, err error) {
	rows, err := q.QueryxContext(ctx, query)
	if err != nil {
		return nil, err
	}
	defer func() { _ = rows.Close() }()
	for rows.Next() {
		row := map[string]any{}
		if err := rows.MapScan(row); err != nil {
			return nil, err
		}
		list = append(list, row)
	}
	return list, rows.Err()
}

// textOf returns a text of such a row.
func textOf(value any) string {
	if b, ok := value.([]byte); ok {
		return string(b)
	}
	text, _ := value.(string)
	return text
}

// OpenJob is how a job stands that waits or runs.
type OpenJob struct {
	ID           string
	Tier         job.Tier
	WaitReason   job.WaitReason
	Age          time.Duration // since it was submitted
	Quiet        time.Duration // since a worker last claimed one of its chunks or committed a batch; Age, if none has
	Overdue      bool          // its deadline has passed
	FailedChunks int
}

// OpenJobs returns up to limit jobs that wait or run, the oldest first. Times are by the database's clock.
func (s *Store) OpenJobs(ctx context.Context, limit int) ([]OpenJob, error) {
	var rows []struct {
		ID         string `db:"id"`
		Tier       string `db:"tier"`
		WaitReason string `db:"wait_reason"`
		CreatedAt  int64  `db:"created_at"`
		Overdue    bool   `db:"overdue"`
		Clock      int64  `db:"clock"`
	}
	err := s.r.SelectContext(ctx, &rows, `
		SELECT id, tier, wait_reason, created_at,
		       CASE WHEN deadline_at > 0 AND deadline_at <= `+s.dialect.now+` THEN 1 ELSE 0 END AS overdue,
		       `+s.dialect.now+` AS clock
		  FROM jobs
		 WHERE finalized_at = 0 AND status IN ('PENDING', 'IN_PROGRESS')
		 ORDER BY id
		 LIMIT ?`, limit)
	if err != nil || len(rows) == 0 {
		return nil, translate("open jobs", err)
	}
	ids := make([]string, len(rows))
	for i := range rows {
		ids[i] = rows[i].ID
	}
	chunks, err := s.openChunks(ctx, ids)
	if err != nil {
		return nil, translate("open jobs", err)
	}
	list := make([]OpenJob, len(rows))
	for i, r := range rows {
		of := chunks[r.ID]
		since := max(r.CreatedAt, of.Lease-s.lease.Milliseconds()) // a batch renews the lease, and the last one leaves it
		list[i] = OpenJob{
			ID: r.ID, Tier: job.Tier(r.Tier), WaitReason: job.WaitReason(r.WaitReason), Overdue: r.Overdue, FailedChunks: of.Failed,
			Age: time.Duration(r.Clock-r.CreatedAt) * time.Millisecond, Quiet: time.Duration(max(0, r.Clock-since)) * time.Millisecond,
		}
	}
	return list, nil
}

// openChunks is what OpenJobs tells of the chunks of a job.
type openChunks struct {
	JobID  string `db:"job_id"`
	Lease  int64  `db:"lease"` // the latest, ms since 1970
	Failed int    `db:"failed"`
}

func (s *Store) openChunks(ctx context.Context, jobs []string) (map[string]openChunks, error) {
	query, args, err := sqlx.In(`
		SELECT job_id, COALESCE(MAX(lease_until), 0) AS lease,
		       COALESCE(SUM(CASE WHEN state = 'FAILED' THEN 1 ELSE 0 END), 0) AS failed
		  FROM job_chunks
		 WHERE job_id IN (?)
		 GROUP BY job_id`, jobs)
	if err != nil {
		return nil, err
	}
	var rows []openChunks
	if err := s.r.SelectContext(ctx, &rows, query, args...); err != nil {
		return nil, err
	}
	of := make(map[string]openChunks, len(rows))
	for _, r := range rows {
		of[r.JobID] = r
	}
	return of, nil
}
