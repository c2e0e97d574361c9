package doctor

import (
	"fmt"
	"strings"
	"time"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/searchindex"
	"github.com/musterhq/muster/internal/store"
)

// database judges the database: first whether it serves, then what will not do for long.
func (r *report) database(d *Database, all *Facts) {
	f := d.Facts
	switch {
	case d.Missing:
		r.add("database", Broken, "there is no file at "+d.Address, "nothing can be looked at",
			"`muster dev` makes it, or `muster migrate`; or MUSTER_DATABASE names another")
		return
	case d.Busy:
		r.add("database", OK, d.Address+" was being written to all the time", "SQLite has one writer, and an import is at it", "")
		return
	case d.Ready != nil:
		trouble := storeTroubles[job.StoreTrouble(d.Ready)]
		r.add("database", Broken, fmt.Sprintf("%s: %v", d.Address, d.Ready), trouble.means, trouble.mend)
	case d.Err != nil || f == nil:
		r.add("database", Broken, fmt.Sprintf("%s: %v", d.Address, d.Err), "jobs are refused, and running ones stand still", "bring it back; MUSTER_DATABASE says where it is")
	default:
		r.ok("database", "%s is %s %s, answers in %s, takes writes, and the account has all rights", d.Address, f.Engine, f.Version, f.RoundTrip.Round(10*time.Microsecond))
	}
	if f == nil || f.SchemaNeed == 0 {
		return
	}
	r.schema(f)
	if all.Settings != nil && f.SchemaHave != 0 && d.Err == nil {
		r.indexes(f, all.Settings.Config.SearchIndexes)
	}
	if f.Engine != "SQLite" {
		if d.Ready == nil {
			r.sessions(f)
		}
		r.connections(f, all)
		r.logs(f)
		r.replication(f, d.Ready == nil)
	}
	switch {
	case d.Free != nil && *d.Free < lowDisk:
		r.add("database-disk", Warning, fmt.Sprintf("%s are left on the disk of the database", bytes(*d.Free)), "a million users take some 300 MB with their indexes", "make room")
	case d.Free != nil:
		r.ok("database-disk", "%s are left on the disk of the database", bytes(*d.Free))
	}
}

// storeTroubles says of each reason for which a database does not serve what it means and how it is mended.
var storeTroubles = map[job.WaitReason]struct{ means, mend string }{
	"":                      {"jobs are refused, and running ones stand still", "its log says more"},
	job.WaitStoreDown:       {"it does not answer: jobs are refused, and running ones stand still", "bring it back; MUSTER_DATABASE says where it is"},
	job.WaitStoreBusy:       {"others hold its locks: batches are repeated", "SHOW FULL PROCESSLIST shows who"},
	job.WaitStoreReadOnly:   {"it takes no writes: jobs are refused, and running ones stand still until it does", "point MUSTER_DATABASE at the primary, or SET GLOBAL read_only = 0"},
	job.WaitStoreDenied:     {"no process starts with this account", "mend MUSTER_DATABASE, or GRANT SELECT, INSERT, UPDATE, DELETE ON the database's tables TO the account"},
	job.WaitStoreLimit:      {"a limit of the account or of the server is reached", "raise it, or lower MUSTER_DB_MAX_CONNS"},
	job.WaitStoreDisk:       {"it cannot write its files: nothing commits", "make room on its disk, and let its account write there"},
	job.WaitStoreUnsuitable: {"no process starts on it", "set the server as said; docs/operations.md, \"The database\", lists what Muster needs"},
}

func (r *report) schema(f *store.Facts) {
	found := fmt.Sprintf("it is at version %d, this program needs %d", f.SchemaHave, f.SchemaNeed)
	switch {
	case f.SchemaHave < f.SchemaNeed:
		r.add("schema", Broken, found, "no process of this version starts", "run `muster migrate`")
	case f.SchemaHave > f.SchemaNeed:
		r.add("schema", Warning, found, "a newer version has migrated it; this one works on it only while the new one is rolled out", "bring all processes to the newer version")
	default:
		r.ok("schema", "it is current, version %d", f.SchemaHave)
	}
}

// indexes compares the indexes for searches with the setting.
func (r *report) indexes(f *store.Facts, setting string) {
	want, given, err := searchindex.Parse(setting)
	found := "lists can be searched and sorted by: " + f.Indexes.String()
	switch {
	case err != nil: // which is judged with the settings
	case !given || want == f.Indexes:
		r.ok("search-indexes", "%s", found)
	default:
		r.add("search-indexes", Warning, fmt.Sprintf("%s; MUSTER_SEARCH_INDEXES is %s", found, want),
			"lists by what is missing are refused (`not_indexed`), and what is too much slows imports down",
			"run `muster migrate` with the same variable, or mend it; where it is not set, indexes stay as they are")
	}
}

// sessions says what the sessions have, which is checked with the rest, and that what is set for others does not count.
func (r *report) sessions(f *store.Facts) {
	r.add("database-sessions", OK, fmt.Sprintf("max_allowed_packet %s; sessions of ours are strict, in UTC, REPEATABLE READ, utf8mb4", bytes(f.Packet)),
		fmt.Sprintf("whatever is set for others: time_zone %s, sql_mode %s", f.TimeZone, strings.ReplaceAll(f.SQLMode, ",", ", ")), "")
}

// connections compares the server's limit with what the processes may take: the workers that are seen, and one API.
func (r *report) connections(f *store.Facts, all *Facts) {
	if f.MaxConns <= 0 || all.Settings == nil {
		return
	}
	workers := 0
	if all.Fleet != nil {
		workers = len(all.Fleet.Workers)
	}
	each := int64(all.Settings.Config.DBMaxConns)
	may := each * int64(workers+1)
	found := fmt.Sprintf("max_connections is %d, %d are open; %s and an API may take %d each, %d", f.MaxConns, f.Conns, plural(workers, "worker"), each, may)
	mend := fmt.Sprintf("SET GLOBAL max_connections = %d, or lower MUSTER_DB_MAX_CONNS", max(2*may, f.MaxConns))
	switch {
	case f.Conns*10 >= f.MaxConns*9:
		r.add("connections", Warning, found, "the next ones are refused", mend)
	case may > f.MaxConns:
		r.add("connections", Warning, found, "under load some are refused, and batches are repeated", mend)
	default:
		r.ok("connections", "%s", found)
	}
}

// logs judges the binary log, and remarks how safe a commit is.
func (r *report) logs(f *store.Facts) {
	switch {
	case !f.Binlog:
		r.ok("binary-log", "it is off")
	case strings.EqualFold(f.BinlogFormat, "STATEMENT"):
		r.add("binary-log", Broken, "binlog_format is STATEMENT", "statements that lock rows at READ COMMITTED are refused: files are not imported by key", "SET GLOBAL binlog_format = ROW, and restart the processes")
	default:
		r.ok("binary-log", "binlog_format is %s", f.BinlogFormat)
	}
	found := fmt.Sprintf("innodb_flush_log_at_trx_commit is %d", f.FlushLog)
	weak := f.FlushLog != 1
	if f.Binlog {
		found += fmt.Sprintf(", sync_binlog %d", f.SyncBinlog)
		weak = weak || f.SyncBinlog != 1
	}
	means := "each commit is on the disk when it is answered"
	if weak {
		means = "a power failure may take the last second of commits, of jobs that were accepted too; 1 and 1 are safe, and slower"
	}
	r.add("durability", OK, found, means, "")
}

// maxBehind is how far a replica may be behind, in seconds.
const maxBehind = 60

func (r *report) replication(f *store.Facts, writes bool) {
	replica := f.Replica
	switch {
	case f.ReadOnly && writes:
		r.add("replication", Warning, "the server is read_only, and this account writes to it all the same",
			"it is meant as a replica: what is written here is not on its source, and may stop it", "point MUSTER_DATABASE at the primary, and take SUPER or READ_ONLY ADMIN (MySQL: CONNECTION_ADMIN) from the account")
	case replica == nil && f.Replicas > 0:
		r.ok("replication", "%s of this server", plural(int(f.Replicas), "replica"))
	case replica == nil:
	case !replica.Running:
		r.add("replication", Warning, "this server is a replica, and does not follow its source", "what the source takes does not come here", "START REPLICA; SHOW REPLICA STATUS says what stopped it. MUSTER_DATABASE should name the primary")
	case replica.Behind > maxBehind:
		r.add("replication", Warning, fmt.Sprintf("this server is a replica, %d s behind its source", replica.Behind), "after a failover to it, those commits are gone", "let it catch up; MUSTER_DATABASE should name the primary")
	default:
		r.add("replication", OK, fmt.Sprintf("this server is itself a replica, %d s behind its source", max(replica.Behind, 0)), "counts are exact for one primary only", "")
	}
}
