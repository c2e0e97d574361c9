package job

import (
	"slices"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
)

// The whole table of moves, written out: a new status or move must be decided here too.
func TestLegalMoves(t *testing.T) {
	t.Parallel()
	legal := map[Status]map[Move]Status{
		Pending:    {MoveStart: InProgress, MoveComplete: Completed, MoveFail: Failed, MovePause: Paused, MoveCancel: Cancelled},
		InProgress: {MoveComplete: Completed, MoveFail: Failed, MovePause: Paused, MoveCancel: Cancelled},
		Paused:     {MoveResume: Pending, MoveCancel: Cancelled},
		Completed:  {MoveUndo: ""},
		Failed:     {MoveRetry: Pending, MoveUndo: ""},
		Cancelled:  {MoveUndo: ""},
	}
	for _, from := range Statuses() {
		got := map[Move]Status{}
		for _, m := range Moves() {
			if slices.Contains(m.From(), from) {
				got[m] = m.To()
			}
		}
		if diff := cmp.Diff(legal[from], got); diff != "" {
			t.Errorf("moves from %s (-want +got):\n%s", from, diff)
		}
	}
}

// Each state of a chunk under each status that its job may have moved to.
func TestChunksFollow(t *testing.T) {
	t.Parallel()
	states := []ChunkState{ChunkReady, ChunkDone, ChunkFailed, ChunkPaused, ChunkCancelled}
	for status, want := range map[Status][]ChunkState{
		Pending:    {ChunkReady, ChunkDone, ChunkReady, ChunkReady, ChunkCancelled},
		InProgress: {ChunkReady, ChunkDone, ChunkReady, ChunkReady, ChunkCancelled},
		Paused:     {ChunkPaused, ChunkDone, ChunkFailed, ChunkPaused, ChunkCancelled},
		Completed:  states,
		Failed:     states,
		Cancelled:  {ChunkCancelled, ChunkDone, ChunkFailed, ChunkCancelled, ChunkCancelled},
	} {
		var got []ChunkState
		for _, state := range states {
			if f := status.ChunkFollow(); slices.Contains(f.From, state) {
				state = f.To
			}
			got = append(got, state)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("chunks of a job that is %s (-want +got):\n%s", status, diff)
		}
	}
}

// A move that is made has no effect a second time, and is told from one that was never legal.
func TestMade(t *testing.T) {
	t.Parallel()
	for _, c := range []struct {
		move Move
		job  Job
		want bool
	}{
		{MovePause, Job{Status: Paused}, true}, {MovePause, Job{Status: Completed}, false},
		{MoveCancel, Job{Status: Cancelled}, true}, {MoveCancel, Job{Status: Failed}, false},
		{MoveResume, Job{Status: InProgress}, true}, {MoveResume, Job{Status: Cancelled}, false},
		{MoveRetry, Job{Status: Pending}, true}, {MoveRetry, Job{Status: Failed, UndoRequested: true}, false},
		{MoveUndo, Job{Status: Failed, UndoRequested: true}, true}, {MoveUndo, Job{Status: Failed}, false},
	} {
		if got := c.move.Made(&c.job); got != c.want {
			t.Errorf("%s of a job that is %s is made: %v", c.move, c.job.Status, got)
		}
	}
}

func TestTiers(t *testing.T) {
	t.Parallel()
	tiers, err := ParseTiers(DefaultTiers)
	if err != nil {
		t.Fatal(err)
	}
	want := Tiers{{"SMALL", 100, 10, 0}, {"MEDIUM", 10_000, 5, 0}, {"LARGE", 100_000, 3, 0}, {"XL", 0, 1, 30 * time.Second}}
	if diff := cmp.Diff(want, tiers); diff != "" {
		t.Fatalf("default tiers (-want +got):\n%s", diff)
	}
	written := " small : 100 : 10 , Medium:10000:5,\n LARGE:100000:3, xl:0:1: 30s ,"
	if got, err := ParseTiers(written); err != nil || !cmp.Equal(want, got) {
		t.Errorf("ParseTiers(%q) = %v, %v", written, got, err)
	}
	for count, tier := range map[int64]Tier{
		1: "SMALL", 100: "SMALL", 101: "MEDIUM", 10_000: "MEDIUM", 10_001: "LARGE", 100_000: "LARGE", 100_001: "XL", 1e9: "XL",
	} {
		if got := tiers.For(count).Tier; got != tier {
			t.Errorf("tier of %d users: %s, want %s", count, got, tier)
		}
	}
	for _, bad := range []string{
		"", ",", "SMALL:1:1", "SMALL:100:10,MEDIUM:10:5,LARGE:100000:3,XL:0:1", "SMALL:0:10,MEDIUM:10:5,LARGE:100:3,XL:0:1",
		"SMALL:1:0,MEDIUM:10:5,LARGE:100:3,XL:0:1", "SMALL:1:1,MEDIUM:10:5,LARGE:100:3,XL:9:1", "XL:0:1,SMALL:1:1,MEDIUM:2:1,LARGE:3:1",
		"SMALL:1:1,MEDIUM:10:5,LARGE:100:3,XL:0:1:soon", "SMALL:1:1,MEDIUM:10:5,LARGE:100:3,XL:0:1,XXL:0:1",
		"SMALL:100:10,,MEDIUM:10000:5,LARGE:100000:3,XL:0:1",
	} {
		if _, err := ParseTiers(bad); err == nil {
			t.Errorf("ParseTiers(%q) took it", bad)
		}
	}
}

func TestPercentRateETA(t *testing.T) {
	t.Parallel()
	published := Allowance{Users: 20_000, Window: 5 * time.Minute}
	start := time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC)
	j := Job{Status: InProgress, Source: SourceFaker, Requested: 1000, Processed: 450, Rejected: 50, FirstID: 11, StartedAt: start}
	now := start.Add(5 * time.Second)
	eta, known := j.ETA(now, published)
	if j.Percent() != 50 || j.Rate(now) != 90 || !known || eta.Round(time.Millisecond) != 5556*time.Millisecond || j.LastID() != 1010 {
		t.Errorf("half-way: %d %%, %d users/s, eta %s %v, last id %d", j.Percent(), j.Rate(now), eta, known, j.LastID())
	}
	j.Processed = 950
	if j.Percent() != 99 {
		t.Errorf("all rows in, not COMPLETED: %d %%, want 99", j.Percent())
	}
	j.Status, j.FinishedAt = Completed, start.Add(10*time.Second)
	if eta, known := j.ETA(now, published); j.Percent() != 100 || eta != 0 || !known || j.Rate(start.Add(time.Hour)) != 95 {
		t.Errorf("completed: %d %%, eta %s, %d users/s", j.Percent(), eta, j.Rate(start.Add(time.Hour)))
	}
	j.Idle = 5 * time.Second
	if j.Rate(now) != 190 {
		t.Errorf("completed after a pause: %d users/s", j.Rate(now))
	}
	j.Status, j.FinishedAt = Paused, time.Time{}
	if _, known := j.ETA(now, published); known || j.Rate(now) != 0 {
		t.Error("a paused job has a rate or an ETA")
	}
	for _, source := range []string{SourceFaker, SourceRandomUser} {
		stands := Job{Status: InProgress, Source: source, Requested: 100_000, Processed: 450, StartedAt: start, WaitReason: WaitStoreReadOnly}
		if _, known := stands.ETA(now, published); known || stands.Rate(now) != 0 {
			t.Error("a job that waits for the database has a rate or an ETA")
		}
	}
	reading := Job{Status: InProgress, Source: SourceFile, Phase: Preparing, Requested: 1_000_000, Prepared: 350, StartedAt: start, File: &File{Bytes: 1000}}
	if _, known := reading.ETA(now, published); known || reading.Rate(now) != 0 || reading.Percent() != 35 || reading.LastID() != 0 {
		t.Errorf("a job that reads its file: %d %%, %d users/s, ETA known %t", reading.Percent(), reading.Rate(now), known)
	}
	if reading.Prepared = 1000; reading.Percent() != 99 {
		t.Errorf("all of the file is read: %d %%", reading.Percent())
	}
	waiting := Job{Status: Pending, Requested: 10}
	if _, known := waiting.ETA(now, published); known || waiting.Rate(now) != 0 {
		t.Error("a job that has not started has a rate or an ETA")
	}
	upstream := Job{Status: InProgress, Source: SourceRandomUser, Requested: 100_000}
	if eta, known := upstream.ETA(now, published); !known || eta != 20*time.Minute {
		t.Errorf("100,000 RandomUser users: %s, want 20 min after the first window", eta)
	}
	if eta, _ := upstream.ETA(now, Allowance{Users: 40_000, Window: time.Minute}); eta != 2*time.Minute {
		t.Errorf("the same at 40,000 a minute: %s, want 2 min", eta)
	}
	for _, boundless := range []Allowance{{}, {Users: 1 << 40, Window: 5 * time.Minute}} {
		if eta, known := upstream.ETA(now, boundless); known {
			t.Errorf("without a limit, before the first batch: %s", eta)
		}
	}
	upstream.Status = Paused
	if _, known := upstream.ETA(now, published); known {
		t.Error("a paused job has an ETA")
	}
	upstream.Status, upstream.Requested = Pending, 100
	if eta, known := upstream.ETA(now, published); known {
		t.Errorf("what fits in the upstream's allowance, before it started: %s", eta)
	}
}
