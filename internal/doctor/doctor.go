// Package doctor tells from facts about a stack what is wrong with it, what that means and how to mend it. It looks at nothing
// itself: whoever collects the facts can be slow or down, and the judgement stays a table that tests go through.
package doctor

import (
	"fmt"
	"time"

	"github.com/musterhq/muster/internal/config"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store"
)

// Level is how bad a finding is.
type Level string

// The levels, from good to bad.
const (
	OK      Level = "ok"      // as it should be; what it means is a remark
	Warning Level = "warning" // it works, and will not for long, or not as it is meant to
	Broken  Level = "broken"  // something does not work
)

// Finding is what one look at one thing came to. It holds no secret and no personal data.
type Finding struct {
	Check string `json:"check"` // what was looked at: docs/operations.md lists them
	Level Level  `json:"level"`
	Found string `json:"found"`
	Means string `json:"means,omitempty"`
	Mend  string `json:"mend,omitempty"` // a command where there is one
}

// Worst returns the worst level of the findings.
func Worst(findings []Finding) Level {
	worst := OK
	for _, f := range findings {
		if f.Level == Broken || f.Level == Warning && worst == OK {
			worst = f.Level
		}
	}
	return worst
}

// Facts is what was seen of a stack. A part that is nil was not looked at, and nothing is said of it.
type Facts struct {
	Settings *Settings
	Database *Database
	Redis    *Redis
	Fleet    *Fleet
	Jobs     *Jobs
	Files    *Folder
	TempDir  *Folder
	Dev      *Dev
}

// Settings are the settings, of this command's environment.
type Settings struct {
	Config *config.Config
	Unread []string // of config.Unread
	Err    error    // of their check
}

// Database is the database.
type Database struct {
	Address string // without a password
	Facts   *store.Facts
	Ready   error  // of store.Ready
	Err     error  // why Facts lack something, or nothing was asked
	Busy    bool   // SQLite: another process wrote all the time
	Free    *int64 // bytes on its disk; nil: not known
	Missing bool   // SQLite: there is no such file

	LiveKeys *int // API keys that count; nil: not asked for
}

// Redis is Redis: a server, or the masters of a cluster.
type Redis struct {
	Address   string // without a password
	Nodes     []RedisNode
	Ahead     time.Duration // its clock before this machine's
	RoundTrip time.Duration
	Err       error  // why it could not be asked
	Writes    error  // of what a submission needs; a *job.UnreadyError when it answers
	Ours      string // the id of the database's deployment; empty: not known
	Holder    string // the id of the deployment that holds the prefix; empty: nobody
	HolderAt  string // where its database is
}

// RedisNode is what a server of Redis tells of itself; empty, or below 0: it does not tell.
type RedisNode struct {
	At                  string // host:port, of a cluster's
	Version, Policy     string
	Used, Max           int64 // bytes; Max 0: no limit
	Evicted             int64 // keys, since its start
	Clients, MaxClients int64
	AppendOnly          string // "1" or "0"
	SaveFailed          bool
}

// Fleet is the workers and the queues.
type Fleet struct {
	job.Fleet
	Err error
}

// Jobs are the jobs that wait or run.
type Jobs struct {
	Open  []store.OpenJob
	Quiet time.Duration // after how long without a batch a job is looked at
	Err   error
}

// Folder is a place for files.
type Folder struct {
	Address string // without a password; empty: there is none
	Free    *int64 // bytes; nil: not known
	Err     error  // why it takes no file
}

// Dev is a `muster dev`, whose Redis is in its process.
type Dev struct {
	Folder string
	Who    string // the process that says it uses the folder; empty: none does
	Ready  error  // what its API says
}

// Judge tells what the facts mean. The order is that of the table in docs/operations.md.
func Judge(f *Facts) []Finding {
	var r report
	if f.Settings != nil {
		r.settings(f.Settings)
		r.auth(f.Settings.Config, f.Database)
	}
	if f.Database != nil {
		r.database(f.Database, f)
	}
	if f.Dev != nil {
		r.dev(f.Dev)
	}
	if f.Redis != nil {
		r.redis(f.Redis)
	}
	if f.Files != nil {
		r.folder("files", "MUSTER_FILES", f.Files, "imports of files stand still, and new ones are refused (`files_unavailable`)")
	}
	if f.TempDir != nil {
		r.folder("temp-dir", "MUSTER_TEMP_DIR", f.TempDir, "`/export/csv` answers 503, and workers cannot read files that have to lie on a disk")
	}
	r.clocks(f)
	if f.Fleet != nil {
		r.fleet(f)
	}
	if f.Jobs != nil {
		r.jobs(f)
	}
	return r.findings
}

type report struct{ findings []Finding }

func (r *report) add(check string, level Level, found, means, mend string) {
	r.findings = append(r.findings, Finding{Check: check, Level: level, Found: found, Means: means, Mend: mend})
}

func (r *report) ok(check, format string, args ...any) {
	r.add(check, OK, fmt.Sprintf(format, args...), "", "")
}

// bytes is a size for people.
func bytes(n int64) string {
	switch {
	case n >= 1<<30:
		return fmt.Sprintf("%.1f GiB", float64(n)/(1<<30))
	case n >= 1<<20:
		return fmt.Sprintf("%.1f MiB", float64(n)/(1<<20))
	}
	return fmt.Sprintf("%d bytes", n)
}

// plural is a number with the word that it counts.
func plural(n int, word string) string {
	if n == 1 {
		return "1 " + word
	}
	return fmt.Sprintf("%d %ss", n, word)
}

// lowDisk is below how many bytes a disk is nearly full.
const lowDisk = 1 << 30

// maxAhead is how far apart clocks may be.
const maxAhead = 2 * time.Second

// clocks compares the clocks of the servers with this machine's. Leases are by the database's and slots by Redis's, each alone,
// so a clock that is off shows in times and in what is signed with them.
func (r *report) clocks(f *Facts) {
	off := false
	told := ""
	look := func(whose string, ahead, roundTrip time.Duration) {
		if whose == "" || roundTrip == 0 {
			return
		}
		if ahead.Abs()-roundTrip/2 > maxAhead {
			off = true
			direction := "ahead of"
			if ahead < 0 {
				direction = "behind"
			}
			r.add("clocks", Warning, fmt.Sprintf("the clock of %s is %s %s this machine's", whose, ahead.Abs().Round(100*time.Millisecond), direction),
				"times of jobs and ages of files do not agree between machines; a bucket refuses requests that are 15 minutes off",
				"run a time service on both: `timedatectl set-ntp true`, or chrony")
			return
		}
		if told != "" {
			told += ", "
		}
		told += fmt.Sprintf("%s within %s", whose, (ahead.Abs() + roundTrip/2).Round(time.Millisecond))
	}
	if f.Database != nil && f.Database.Facts != nil && f.Database.Facts.Engine != "SQLite" {
		look("the database", f.Database.Facts.Ahead, f.Database.Facts.RoundTrip)
	}
	if f.Redis != nil {
		look("Redis", f.Redis.Ahead, f.Redis.RoundTrip)
	}
	if !off && told != "" {
		r.ok("clocks", "%s", told)
	}
}

// folder judges a place for files.
func (r *report) folder(check, setting string, f *Folder, means string) {
	switch {
	case f.Address == "":
		r.add(check, OK, "there is none", "files cannot be imported: "+setting+" names no place", "")
	case f.Err != nil:
		r.add(check, Broken, fmt.Sprintf("%s takes no file: %v", f.Address, f.Err), means,
			"make room, or bring it back with the right to write; the processes never make a folder that is gone. Or set "+setting)
	case f.Free != nil && *f.Free < lowDisk:
		r.add(check, Warning, fmt.Sprintf("%s has %s left", f.Address, bytes(*f.Free)), "soon "+means, "make room, or set "+setting)
	case f.Free != nil:
		r.ok(check, "%s takes files, %s left", f.Address, bytes(*f.Free))
	default:
		r.ok(check, "%s takes files", f.Address)
	}
}

// dev judges what can be seen of a `muster dev`.
func (r *report) dev(d *Dev) {
	const unseen = "the Redis of `muster dev` is inside its process: workers, queues and slots cannot be looked at from here"
	switch {
	case d.Who == "":
		r.add("dev", Warning, "no `muster dev` runs on "+d.Folder+", and no Redis answers where MUSTER_REDIS has its default",
			"nothing works on this database now", "start `muster dev`, or set MUSTER_DATABASE and MUSTER_REDIS to those of the stack that you mean")
	case d.Ready != nil:
		r.add("dev", Broken, fmt.Sprintf("%s is not ready: %v", d.Who, d.Ready), unseen, "its log says more; stop it and start it again")
	default:
		r.add("dev", OK, d.Who+" is ready", unseen, "")
	}
}
