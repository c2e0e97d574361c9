package doctor_test

import (
	"errors"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/config"
	"github.com/musterhq/muster/internal/doctor"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/searchindex"
	"github.com/musterhq/muster/internal/store"
)

// healthy is a stack without fault.
func healthy() *doctor.Facts {
	return &doctor.Facts{
		Settings: &doctor.Settings{Config: &config.Config{
			Lease: 15 * time.Second, ReconcileInterval: 2 * time.Second, SlotReserveLease: time.Minute, JobDeadline: 24 * time.Hour,
			DBMaxConns: 16, WorkerConcurrency: 2, ChunkRows: 25_000,
		}},
		Database: &doctor.Database{Address: "mysql://u:***@h/muster", Free: new(int64(50 << 30)), Facts: &store.Facts{
			Engine: "MariaDB", Version: "10.11.6-MariaDB", RoundTrip: time.Millisecond, SchemaHave: 17, SchemaNeed: 17, Indexes: searchindex.All, Packet: 16 << 20,
			MaxConns: 151, Conns: 5, FlushLog: 1, SyncBinlog: 1, Binlog: true, BinlogFormat: "MIXED", TimeZone: "SYSTEM", SQLMode: "STRICT_TRANS_TABLES", Replicas: 1,
		}},
		Redis: &doctor.Redis{Address: "redis://h:6379", RoundTrip: time.Millisecond, Ours: "A", Holder: "A", Nodes: []doctor.RedisNode{{
			Version: "7.0.15", Policy: "noeviction", Used: 1 << 20, Max: 1 << 30, Clients: 5, MaxClients: 10_000, AppendOnly: "1",
		}}},
		Fleet: &doctor.Fleet{Fleet: job.Fleet{
			Workers: []job.WorkerProcess{{Host: "a", Concurrency: 2}, {Host: "b", Concurrency: 2}},
			Queues:  []job.QueueState{{Name: "small"}, {Name: "xl"}},
		}},
		Jobs:    &doctor.Jobs{Quiet: 5 * time.Minute, Open: []store.OpenJob{{ID: "j1", Tier: "XL", Age: time.Hour, Quiet: time.Second}}},
		Files:   &doctor.Folder{Address: "file:///files", Free: new(int64(50 << 30))},
		TempDir: &doctor.Folder{Address: "/tmp", Free: new(int64(50 << 30))},
	}
}

func TestHealthy(t *testing.T) {
	t.Parallel()
	var checks []string
	for _, f := range doctor.Judge(healthy()) {
		if f.Level != doctor.OK || f.Found == "" || f.Mend != "" {
			t.Errorf("%+v", f)
		}
		checks = append(checks, f.Check)
	}
	want := []string{
		"settings", "auth", "database", "schema", "search-indexes", "database-sessions", "connections", "binary-log", "durability", "replication", "database-disk",
		"redis", "redis-memory", "redis-persistence", "redis-prefix", "files", "temp-dir", "clocks", "workers", "queues", "jobs",
	}
	if diff := cmp.Diff(want, checks); diff != "" {
		t.Errorf("checks (-want +got):\n%s", diff)
	}
}

// Each fault is found, as bad as it is, and nothing else with it.
func TestFaults(t *testing.T) {
	t.Parallel()
	busy := func(f *doctor.Facts) {
		for i := range f.Fleet.Workers {
			f.Fleet.Workers[i].InHand = make([]job.TaskInHand, 2)
		}
	}
	for name, c := range map[string]struct {
		spoil func(f *doctor.Facts)
		want  string // check, level and a part of what is found; empty: nothing
	}{
		"bad setting":       {func(f *doctor.Facts) { f.Settings.Err = errors.New("settings:\nMUSTER_LEASE: 0s") }, "settings broken MUSTER_LEASE"},
		"unread variable":   {func(f *doctor.Facts) { f.Settings.Unread = []string{"MUSTER_LEESE is not read by any command"} }, "settings warning MUSTER_LEESE"},
		"slow reconciler":   {func(f *doctor.Facts) { f.Settings.Config.ReconcileInterval = 20 * time.Second }, "settings warning MUSTER_RECONCILE_INTERVAL is 20s"},
		"short deadline":    {func(f *doctor.Facts) { f.Settings.Config.JobDeadline = 20 * time.Second }, "settings warning MUSTER_JOB_DEADLINE"},
		"short reservation": {func(f *doctor.Facts) { f.Settings.Config.SlotReserveLease = time.Second }, "settings warning MUSTER_SLOT_RESERVE_LEASE"},
		"few connections":   {func(f *doctor.Facts) { f.Settings.Config.DBMaxConns = 2 }, "settings warning MUSTER_DB_MAX_CONNS"},
		"large batches":     {func(f *doctor.Facts) { f.Settings.Config.BatchRows = 50_000 }, "settings warning MUSTER_BATCH_ROWS"},
		"no key":            {func(f *doctor.Facts) { f.Settings.Config.Auth, f.Database.LiveKeys = "key", new(0) }, "auth warning there is none"},
		"a key":             {func(f *doctor.Facts) { f.Settings.Config.Auth, f.Database.LiveKeys = "key", new(1) }, ""},
		"keys not seen":     {func(f *doctor.Facts) { f.Settings.Config.Auth = "key" }, ""},
		"database away":     {func(f *doctor.Facts) { f.Database.Facts, f.Database.Err = &store.Facts{}, errors.New("refused") }, "database broken refused"},
		"database missing":  {func(f *doctor.Facts) { f.Database.Facts, f.Database.Missing = nil, true }, "database broken no file"},
		"database busy":     {func(f *doctor.Facts) { f.Database.Busy = true }, ""},
		"database full": {func(f *doctor.Facts) {
			f.Database.Ready = &job.StoreError{Reason: job.WaitStoreDisk, Err: errors.New("errno 28")}
		}, "database broken errno 28"},
		"old schema":       {func(f *doctor.Facts) { f.Database.Facts.SchemaHave = 16 }, "schema broken version 16, this program needs 17"},
		"new schema":       {func(f *doctor.Facts) { f.Database.Facts.SchemaHave = 18 }, "schema warning version 18"},
		"indexes left out": {func(f *doctor.Facts) { f.Database.Facts.Indexes = 0 }, ""},
		"indexes as they should be": {func(f *doctor.Facts) {
			f.Database.Facts.Indexes, f.Settings.Config.SearchIndexes = searchindex.Of("age"), "age"
		}, ""},
		"indexes to build": {func(f *doctor.Facts) {
			f.Database.Facts.Indexes, f.Settings.Config.SearchIndexes = searchindex.Of("age"), "all"
		}, "search-indexes warning sorted by: age; MUSTER_SEARCH_INDEXES is all"},
		"indexes to drop":     {func(f *doctor.Facts) { f.Settings.Config.SearchIndexes = "name,city" }, "search-indexes warning by: all; MUSTER_SEARCH_INDEXES is name,city"},
		"all connections":     {func(f *doctor.Facts) { f.Database.Facts.Conns = 140 }, "connections warning 140 are open"},
		"many processes":      {func(f *doctor.Facts) { f.Database.Facts.MaxConns = 40 }, "connections warning 2 workers and an API may take 16 each, 48"},
		"statement log":       {func(f *doctor.Facts) { f.Database.Facts.BinlogFormat = "STATEMENT" }, "binary-log broken STATEMENT"},
		"no binary log":       {func(f *doctor.Facts) { f.Database.Facts.Binlog, f.Database.Facts.BinlogFormat = false, "STATEMENT" }, ""},
		"unsafe commits":      {func(f *doctor.Facts) { f.Database.Facts.FlushLog = 2 }, ""},
		"replica behind":      {func(f *doctor.Facts) { f.Database.Facts.Replica = &store.Replica{Running: true, Behind: 300} }, "replication warning 300 s behind"},
		"replica stands":      {func(f *doctor.Facts) { f.Database.Facts.Replica = &store.Replica{Behind: -1} }, "replication warning does not follow"},
		"writes to a replica": {func(f *doctor.Facts) { f.Database.Facts.ReadOnly = true }, "replication warning read_only"},
		"read-only": {func(f *doctor.Facts) {
			f.Database.Facts.ReadOnly, f.Database.Ready = true, &job.StoreError{Reason: job.WaitStoreReadOnly, Err: errors.New("1290")}
		}, "database broken 1290"},
		"disk low":           {func(f *doctor.Facts) { f.Database.Free = new(int64(1 << 20)) }, "database-disk warning 1.0 MiB"},
		"database's clock":   {func(f *doctor.Facts) { f.Database.Facts.Ahead = -time.Minute }, "clocks warning the clock of the database is 1m0s behind"},
		"Redis's clock":      {func(f *doctor.Facts) { f.Redis.Ahead = 3 * time.Second }, "clocks warning the clock of Redis is 3s ahead"},
		"slow, clock unsure": {func(f *doctor.Facts) { f.Redis.Ahead, f.Redis.RoundTrip = 3*time.Second, 3*time.Second }, ""},
		"Redis refuses": {func(f *doctor.Facts) {
			f.Redis.Writes = &job.UnreadyError{Reason: "is out of memory: maxmemory is reached"}
		}, "redis broken out of memory"},
		"Redis evicts":       {func(f *doctor.Facts) { f.Redis.Nodes[0].Policy = "volatile-ttl" }, "redis-memory warning volatile-ttl"},
		"Redis nearly full":  {func(f *doctor.Facts) { f.Redis.Nodes[0].Used = 1000 << 20 }, "redis-memory warning 1000.0 MiB used, of 1.0 GiB"},
		"Redis is dialled":   {func(f *doctor.Facts) { f.Redis.Nodes[0].Clients = 9_500 }, "redis-clients warning 9500 of 10000"},
		"Redis cannot save":  {func(f *doctor.Facts) { f.Redis.Nodes[0].SaveFailed = true }, "redis-persistence warning failed"},
		"Redis forgets":      {func(f *doctor.Facts) { f.Redis.Nodes[0].AppendOnly = "0" }, ""},
		"Redis tells little": {func(f *doctor.Facts) { f.Redis.Nodes = []doctor.RedisNode{{}} }, ""},
		"others' prefix":     {func(f *doctor.Facts) { f.Redis.Holder, f.Redis.HolderAt = "B", "mysql://other" }, "redis-prefix broken mysql://other"},
		"nobody's prefix":    {func(f *doctor.Facts) { f.Redis.Holder = "" }, ""},
		"files gone":         {func(f *doctor.Facts) { f.Files.Err = errors.New("no such folder") }, "files broken no such folder"},
		"no files":           {func(f *doctor.Facts) { f.Files = &doctor.Folder{} }, ""},
		"files low":          {func(f *doctor.Facts) { f.Files.Free = new(int64(5)) }, "files warning 5 bytes"},
		"no temporary files": {func(f *doctor.Facts) { f.TempDir.Err = errors.New("not writable") }, "temp-dir broken not writable"},
		"no workers":         {func(f *doctor.Facts) { f.Fleet.Workers, f.Jobs.Open = nil, nil }, "workers warning no worker"},
		"workers missed":     {func(f *doctor.Facts) { f.Fleet.Workers, f.Jobs.Open[0].Quiet = nil, time.Hour }, "workers broken 1 job"},
		"queue paused": {func(f *doctor.Facts) {
			f.Fleet.Queues[1] = job.QueueState{Name: "xl", Paused: true, Pending: 3, Latency: time.Hour}
			f.Jobs.Open[0].Quiet = time.Hour
		}, "queues warning queue xl is paused, 3 tasks"},
		"queue stuck": {func(f *doctor.Facts) {
			f.Fleet.Queues[0] = job.QueueState{Name: "small", Pending: 3, Latency: time.Hour}
		}, "queues broken hands free"},
		"queue long": {func(f *doctor.Facts) {
			busy(f)
			f.Fleet.Queues[0] = job.QueueState{Name: "small", Pending: 3, Latency: time.Hour}
		}, "queues warning the oldest for 1h0m0s"},
		"archived":            {func(f *doctor.Facts) { f.Fleet.Queues[0].Archived = 2 }, "queues warning 2 tasks that it gave up"},
		"job stands":          {func(f *doctor.Facts) { f.Jobs.Open[0].Quiet = time.Hour }, "jobs warning without progress: j1 (for 1h0m0s)"},
		"job waits its turn":  {func(f *doctor.Facts) { busy(f); f.Jobs.Open[0].Quiet = time.Hour }, ""},
		"job waits outside":   {func(f *doctor.Facts) { f.Jobs.Open[0].Quiet, f.Jobs.Open[0].WaitReason = time.Hour, job.WaitFilesDown }, "jobs warning files_down"},
		"job overdue":         {func(f *doctor.Facts) { f.Jobs.Open[0].Overdue = true }, "jobs warning past the deadline"},
		"job's chunks failed": {func(f *doctor.Facts) { f.Jobs.Open[0].FailedChunks = 4 }, "jobs warning j1 (4)"},
		"jobs not seen":       {func(f *doctor.Facts) { f.Jobs.Err = errors.New("cut off") }, "jobs broken cut off"},
		"dev":                 {func(f *doctor.Facts) { f.Redis, f.Fleet, f.Dev = nil, nil, &doctor.Dev{Who: "process 1"} }, ""},
		"Redis away": {func(f *doctor.Facts) {
			f.Redis, f.Fleet, f.Jobs.Open[0].Quiet = &doctor.Redis{Err: errors.New("refused")}, nil, time.Hour
		}, "redis broken refused"},
		"dev is down": {func(f *doctor.Facts) { f.Redis, f.Fleet, f.Dev = nil, nil, &doctor.Dev{Folder: "data"} }, "dev warning no `muster dev` runs on data"},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			facts := healthy()
			c.spoil(facts)
			findings := doctor.Judge(facts)
			var bad []doctor.Finding
			for _, f := range findings {
				if f.Level != doctor.OK {
					bad = append(bad, f)
				}
			}
			if c.want == "" {
				if len(bad) > 0 || doctor.Worst(findings) != doctor.OK {
					t.Errorf("found %+v", bad)
				}
				return
			}
			words := strings.SplitN(c.want, " ", 3)
			if len(bad) != 1 || bad[0].Check != words[0] || string(bad[0].Level) != words[1] || !strings.Contains(bad[0].Found, words[2]) ||
				bad[0].Means == "" || bad[0].Mend == "" || doctor.Worst(findings) != bad[0].Level {
				t.Errorf("found %+v, want %q alone", bad, c.want)
			}
		})
	}
}

func TestWorst(t *testing.T) {
	t.Parallel()
	for want, levels := range map[doctor.Level][]doctor.Level{
		doctor.OK: {doctor.OK}, doctor.Warning: {doctor.Warning, doctor.OK}, doctor.Broken: {doctor.Broken, doctor.Warning},
	} {
		var findings []doctor.Finding
		for _, l := range levels {
			findings = append(findings, doctor.Finding{Level: l})
		}
		if got := doctor.Worst(findings); got != want {
			t.Errorf("%v: %s, want %s", levels, got, want)
		}
	}
}
