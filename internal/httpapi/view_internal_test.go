package httpapi

import (
	"testing"
	"time"

	"github.com/musterhq/muster/internal/job"
)

// What a job says of its batches is what workers commit: 1000 users on MySQL, up to 25,000 on SQLite, never more than a
// chunk.
func TestMessageCountsCommittedBatches(t *testing.T) {
	t.Parallel()
	tests := map[string]struct {
		job   job.Job
		batch int
		want  string
	}{
		"MySQL":                   {job.Job{Requested: 100_000, Processed: 45_000, Chunks: 4}, 1000, "Processing batch 45/100..."},
		"SQLite":                  {job.Job{Requested: 100_000, Processed: 50_000, Chunks: 4}, 25_000, "Processing batch 2/4..."},
		"chunks below a batch":    {job.Job{Requested: 100_000, Processed: 10_000, Rejected: 5000, Chunks: 20}, 25_000, "Processing batch 3/20..."},
		"less than a batch":       {job.Job{Requested: 10, Chunks: 1}, 1000, "Processing batch 0/1..."},
		"a rest, all but it done": {job.Job{Requested: 2001, Processed: 2000, Chunks: 1}, 1000, "Processing batch 2/3..."},
	}
	for name, test := range tests {
		test.job.Status = job.InProgress
		s := &Server{Config: Config{BatchRows: test.batch}}
		if got := s.message(test.job); got != test.want {
			t.Errorf("%s: %q, want %q", name, got, test.want)
		}
	}
}

// A job of 100,000 RandomUser users takes five windows of the allowance as it is published, and none of a stand-in's.
func TestETAFollowsTheConfiguredAllowance(t *testing.T) {
	t.Parallel()
	j := job.Job{Status: job.InProgress, Source: job.SourceRandomUser, Requested: 100_000, Chunks: 20}
	for want, upstream := range map[int64]job.Allowance{
		20 * 60: {Users: 20_000, Window: 5 * time.Minute},
		9 * 60:  {Users: 10_000, Window: time.Minute},
	} {
		s := &Server{Config: Config{Upstream: upstream, BatchRows: 1000}, now: time.Now}
		if got := s.view(j).EtaSeconds; got == nil || *got != want {
			t.Errorf("%+v: etaSeconds is %v, want %d", upstream, got, want)
		}
	}
	s := &Server{Config: Config{Upstream: job.Allowance{Users: 1 << 40, Window: time.Minute}, BatchRows: 1000}, now: time.Now}
	if got := s.view(j).EtaSeconds; got != nil {
		t.Errorf("without a limit, before the first batch: etaSeconds is %d", *got)
	}
}

// A job that waits for the database says so, with neither a rate that decays nor an end that recedes.
func TestViewOfAJobThatWaitsForTheDatabase(t *testing.T) {
	t.Parallel()
	now := time.Now()
	s := &Server{Config: Config{BatchRows: 1000}, now: func() time.Time { return now }}
	for reason, want := range map[job.WaitReason]string{
		job.WaitStoreDown:       "Waiting: the database does not answer.",
		job.WaitStoreBusy:       "Waiting: others keep the database busy.",
		job.WaitStoreReadOnly:   "Waiting: the database takes no writes.",
		job.WaitStoreDenied:     "Waiting: the database account lacks a right.",
		job.WaitStoreLimit:      "Waiting: a limit of the database or its account is reached.",
		job.WaitStoreDisk:       "Waiting: the database cannot write its files; the disk may be full.",
		job.WaitStoreSchema:     "Waiting: the database schema is not current.",
		job.WaitStoreUnsuitable: "Waiting: the database server is not one that Muster can work with.",
		"store_of_tomorrow":     "Processing batch 1/10...",
	} {
		got := s.view(job.Job{Status: job.InProgress, Requested: 10_000, Processed: 1000, Chunks: 1, StartedAt: now.Add(-time.Minute), WaitReason: reason})
		if got.Message != want || got.RatePerSecond != 0 || got.EtaSeconds != nil {
			t.Errorf("%s: %q, %d users/s, ETA %v, want %q", reason, got.Message, got.RatePerSecond, got.EtaSeconds, want)
		}
	}
}
