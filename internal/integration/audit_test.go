package integration

import (
	"context"
	"fmt"
	"iter"
	"regexp"
	"slices"
	"strconv"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/hibiken/asynq"
	"github.com/redis/go-redis/v9"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/progress"
	"github.com/musterhq/muster/internal/source"
	"github.com/musterhq/muster/internal/source/sourcetest"
	"github.com/musterhq/muster/internal/store/storetest"
	"github.com/musterhq/muster/internal/tasks"
	"github.com/musterhq/muster/internal/user"
)

// predict returns what the user of row n of a job must be.
type predict func(j job.Job, n int64) user.User

func fakerRow(t testing.TB) predict {
	t.Helper()
	f, err := source.NewFaker()
	if err != nil {
		t.Fatal(err)
	}
	return func(j job.Job, n int64) user.User { return f.Row(j.Seed, j.FirstID, n) }
}

// randomUserRow predicts the users that the stand-in for RandomUser.me serves, page by page.
func randomUserRow() predict {
	var page []sourcetest.Person
	have := int64(-1)
	return func(j job.Job, n int64) user.User {
		no := n / job.RandomUserPage
		if no != have {
			nat := j.Nat
			if nat == nil {
				nat = job.DefaultNat()
			}
			rows := min(job.RandomUserPage, j.Requested-no*job.RandomUserPage)
			page, have = sourcetest.People(strconv.FormatInt(j.Seed, 10), int(no)+1, nat, int(rows)), no
		}
		return page[n%job.RandomUserPage].User(j.FirstID+n, j.CreatedAt)
	}
}

// wantStatus is how each job must have ended, by its id.
type wantStatus map[string]job.Status

// audit is auditEnds for jobs that must be COMPLETED.
func (s *stack) audit(api *proc, row predict, ids ...string) {
	s.t.Helper()
	want := wantStatus{}
	for _, id := range ids {
		want[id] = job.Completed
	}
	s.auditEnds(api, row, want)
}

// auditEnds checks that the stack is exact and quiet. want has all of its jobs, and each must have ended like that, once.
// Then the workers are stopped, and a new one finishes what they left. After that: what is stored is what the
// chunks count, each row as predicted; MySQL, Redis and the API show the same; no slot is held; the queue is empty.
func (s *stack) auditEnds(api *proc, row predict, want wantStatus) {
	s.t.Helper()
	s.settle(want)
	var total int64
	for id := range want {
		total += s.auditJob(api, row, id)
	}
	rows, distinct, err := storetest.Count(s.t.Context(), s.store)
	if err != nil || rows != total || distinct != total {
		s.t.Errorf("%d users with %d distinct ids; the jobs say %d; %v", rows, distinct, total, err)
	}
}

// settle checks that all jobs ended as want says, once, and has a new worker finish what the others left.
func (s *stack) settle(want wantStatus) {
	s.t.Helper()
	for id, status := range want {
		if j := s.job(id); j.Status != status {
			s.t.Fatalf("job %s is %s (%s), want %s", id, j.Status, j.WaitReason, status)
		}
	}
	s.stopWorkers()
	s.auditEndedOnce(want)
	s.expireTaskLeases()
	s.workers(1)
	s.auditQuiet()
}

func (s *stack) job(id string) job.Job {
	s.t.Helper()
	j, err := s.store.Job(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return j
}

// chunks returns those of the job's rows, and not the one that stands for the reading of a file, whose rows are bytes.
func (s *stack) chunks(id string) []job.Chunk {
	s.t.Helper()
	chunks, err := s.store.Chunks(s.t.Context(), id)
	if err != nil {
		s.t.Fatal(err)
	}
	return slices.DeleteFunc(chunks, func(c job.Chunk) bool { return c.No == job.PrepareChunk })
}

// auditJob returns how many users the job has.
func (s *stack) auditJob(api *proc, row predict, id string) int64 {
	s.t.Helper()
	j, chunks := s.auditCounts(api, id)
	if j.Undone {
		chunks = nil
	}
	return s.auditRows(j, chunks, row)
}

// auditCounts checks that chunks, job, live view and API count the same, and returns job and chunks.
func (s *stack) auditCounts(api *proc, id string) (job.Job, []job.Chunk) {
	s.t.Helper()
	j, chunks := s.job(id), s.chunks(id)
	var done, rejected int64
	for i := range chunks {
		done, rejected = done+chunks[i].Done, rejected+chunks[i].Rejected
	}
	if j.Processed != done-rejected || j.Rejected != rejected {
		s.t.Errorf("job %s has %d users and %d rejected; its chunks count %d and %d", id, j.Processed, j.Rejected, done-rejected, rejected)
	}
	if j.Status == job.Completed && j.Processed+j.Rejected != j.Requested {
		s.t.Errorf("row %d of job %s is missing: it is COMPLETED with %d users and %d rejected", done, id, j.Processed, j.Rejected)
	}
	shown, _, err := progress.New(s.rdb, job.DefaultPrefix).Get(s.t.Context(), id)
	state := func(j job.Job) string {
		return fmt.Sprintf("%s, version %d, %d users, %d rejected, undone %t", j.Status, j.Version, j.Processed, j.Rejected, j.Undone)
	}
	if state(j) != state(shown) || err != nil {
		s.t.Errorf("job %s: MySQL has %s; Redis %s; %v", id, state(j), state(shown), err)
	}
	v := api.must("GET", "/jobs/"+id, j.Owner, 200)
	if v.Status != string(j.Status) || v.Processed != j.Processed || v.Rejected != j.Rejected {
		s.t.Errorf("the API shows %s; the store has %s with %d users", v.RawResponse, j.Status, j.Processed)
	}
	return j, chunks
}

// counted yields the rows of the job that its chunks say are stored.
func counted(chunks []job.Chunk) iter.Seq[int64] {
	return func(yield func(int64) bool) {
		for i := range chunks {
			for n := range chunks[i].Done {
				if !yield(chunks[i].FirstRow + n) {
					return
				}
			}
		}
	}
}

// auditRows compares the users in the job's range of ids with what its chunks count, and returns how many there are. It
// is not for jobs with rejected rows, of which these tests have none.
func (s *stack) auditRows(j job.Job, chunks []job.Chunk, row predict) (rows int64) {
	s.t.Helper()
	next, stop := iter.Pull(counted(chunks))
	defer stop()
	bad := 0
	for first := j.FirstID; first <= j.LastID() && bad == 0; {
		var err error
		columns := []int{0, 1, 2, 3, 4, 5, 6, 7, 8}
		_, first, err = s.store.Range(s.t.Context(), user.Filter{}, columns, first, min(first+9999, j.LastID()), func(cols [][]byte) error {
			if bad > 0 {
				return nil
			}
			have := fmt.Sprintf("%s", cols[:9])
			n, ok := next()
			if !ok {
				s.t.Errorf("row after the last of job %s, which it does not count: %s", j.ID, have)
				bad++
				return nil
			}
			rows++
			u := row(j, n)
			if want := fmt.Sprint([]any{u.ID, u.FirstName, u.LastName, u.Email, u.City, u.State, known(u.Age), u.MobileNumber, u.Gender}); have != want {
				s.t.Errorf("row %d of job %s:\n  want %s\n  have %s", n, j.ID, want, have)
				bad++
			}
			return nil
		})
		if err != nil {
			s.t.Fatal(err)
		}
	}
	if n, ok := next(); ok && bad == 0 {
		s.t.Errorf("row %d of job %s is counted and not stored", n, j.ID)
	}
	return rows
}

// known returns an age as Range has it, which may be unknown.
func known(age int) string {
	if age == 0 {
		return ""
	}
	return strconv.Itoa(age)
}

var overLine = regexp.MustCompile(`"msg":"job over","job":"([^"]+)",.*?"status":"([A-Z]+)"`)

// auditEndedOnce checks in the logs of the workers that each job ended exactly once. Where a worker was killed or may
// have lost its connection between the move and the log line about it, the line may be missing.
func (s *stack) auditEndedOnce(want wantStatus) {
	s.t.Helper()
	least := 1
	if s.flakyDatabase {
		least = 0
	}
	over := map[string]int{}
	for _, p := range s.procs {
		if p.name != "worker" {
			continue
		}
		for _, m := range overLine.FindAllStringSubmatch(p.log.String(), -1) {
			over[m[1]+m[2]]++
		}
		if status, ok := p.cmd.ProcessState.Sys().(syscall.WaitStatus); ok && status.Signaled() {
			least = 0
		}
	}
	for id, status := range want {
		n := over[id+string(status)]
		if status == job.Cancelled && n > 0 || status != job.Cancelled && (n < least || n > 1) {
			s.t.Errorf("job %s became %s %d times", id, status, n)
		}
	}
}

// expireTaskLeases lets asynq see at once what it sees by itself 60 to 130 s after the death of a worker: a task's lease
// lasts 30 s, and a recoverer looks once a minute, and when it starts, for leases that have been over for 30 s; none of
// this is configurable. No worker runs now, so each lease is that of a dead worker.
func (s *stack) expireTaskLeases() {
	s.t.Helper()
	ctx := s.t.Context()
	for queue := range tasks.Queues(job.DefaultPrefix) {
		key := "asynq:{" + queue + "}:lease"
		for _, id := range s.rdb.ZRange(ctx, key, 0, -1).Val() {
			over := redis.Z{Score: float64(time.Now().Unix() - 60), Member: id}
			if err := s.rdb.ZAdd(ctx, key, over).Err(); err != nil {
				s.t.Fatal(err)
			}
		}
	}
}

// auditQuiet waits until every job is finalized, every slot free and asynq without a task: workers take late tasks, and
// find their chunks over. asynq looks every 5 s for tasks that are due again.
func (s *stack) auditQuiet() {
	s.t.Helper()
	ctx := s.t.Context()
	in := asynq.NewInspectorFromRedisClient(s.rdb)
	left := ""
	quiet := func() bool {
		left = ""
		if jobs, err := s.store.UnfinalizedJobs(ctx, "", 10); err != nil || len(jobs) > 0 {
			left += fmt.Sprintf("%d jobs are not finalized, %v; ", len(jobs), err)
		}
		for _, key := range s.keys("muster:{*}:slots:*") {
			if held := s.rdb.ZRange(ctx, key, 0, -1).Val(); len(held) > 0 {
				left += fmt.Sprintf("%s holds %v; ", key, held)
			}
		}
		queues, err := in.Queues()
		if err != nil {
			left += err.Error()
		}
		for _, q := range queues {
			if i, err := in.GetQueueInfo(q); err != nil || i.Size > 0 {
				left += fmt.Sprintf("%s: %+v %v; ", q, i, err)
			}
		}
		return left == ""
	}
	defer func() {
		if left != "" {
			s.t.Errorf("not quiet: %s", left)
		}
	}()
	eventually(s.t, 20*time.Second, "all is quiet", quiet)
}

// keys returns the keys in Redis that match, on every master of a cluster.
func (s *stack) keys(pattern string) (all []string) {
	s.t.Helper()
	var mu sync.Mutex
	scan := func(ctx context.Context, c *redis.Client) error {
		mu.Lock()
		defer mu.Unlock()
		it := c.Scan(ctx, 0, pattern, 1000).Iterator()
		for it.Next(ctx) {
			all = append(all, it.Val())
		}
		return it.Err()
	}
	var err error
	switch c := s.rdb.(type) {
	case *redis.Client:
		err = scan(s.t.Context(), c)
	case *redis.ClusterClient:
		err = c.ForEachMaster(s.t.Context(), func(ctx context.Context, c *redis.Client) error { return scan(ctx, c) })
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}
