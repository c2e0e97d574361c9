package integration

import (
	"fmt"
	"strconv"
	"testing"
	"time"

	"github.com/hibiken/asynq"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/source"
	"github.com/musterhq/muster/internal/source/sourcetest"
	"github.com/musterhq/muster/internal/user"
)

// predict is what row n of a job must be.
type predict func(j job.Job, n int64) user.User

func fakerRow(t testing.TB) predict {
	t.Helper()
	f, err := source.NewFaker()
	if err != nil {
		t.Fatal(err)
	}
	return func(j job.Job, n int64) user.User { return f.Row(j.Seed, j.FirstID, n) }
}

// randomUserRow predicts from the stand-in's people, page by page.
func randomUserRow() predict {
	var page []sourcetest.Person
	have := int64(-1)
	return func(j job.Job, n int64) user.User {
		no := n / source.MaxPageRows
		if no != have {
			nat := j.Nat
			if nat == nil {
				nat = job.DefaultNat()
			}
			rows := min(source.MaxPageRows, j.Requested-no*source.MaxPageRows)
			page, have = sourcetest.People(strconv.FormatInt(j.Seed, 10), int(no)+1, nat, int(rows)), no
		}
		return page[n%source.MaxPageRows].User(j.FirstID+n, j.CreatedAt)
	}
}

// audit checks that the stack is exact and quiet: rows = distinct ids = what the completed jobs asked for, every row
// equals its prediction, every job is terminal and shown as it stands in the store, no slot is held, and the queue
// is empty.
func (s *stack) audit(api *proc, row predict, ids ...string) {
	s.t.Helper()
	ctx := s.t.Context()
	var want int64
	for _, id := range ids {
		j, err := s.store.Job(ctx, id)
		if err != nil {
			s.t.Fatal(err)
		}
		if !j.Status.Terminal() {
			s.t.Fatalf("job %s is %s", id, j.Status)
		}
		want += j.Processed
		if v := api.must("GET", "/jobs/"+id, j.UserID, 200); v.Status != string(j.Status) || v.Processed != j.Processed {
			s.t.Errorf("the API shows %v with %d users, the store has %s with %d", v.Status, v.Processed, j.Status, j.Processed)
		}
		if j.Status == job.Completed {
			s.auditRows(j, row)
		}
		for _, tier := range []string{"SMALL", "MEDIUM", "LARGE", "XL"} {
			k := "muster:{" + j.UserID + "}:slots:" + tier
			eventually(s.t, 5*time.Second, "no slot is held in "+k, func() bool { return s.rdb.ZCard(ctx, k).Val() == 0 })
		}
	}
	rows, distinct, err := s.store.Count(ctx)
	if err != nil || rows != want || distinct != want {
		s.t.Errorf("%d users with %d distinct ids, %v; the jobs say %d", rows, distinct, err, want)
	}
	s.auditQueue()
}

func (s *stack) auditRows(j job.Job, row predict) {
	s.t.Helper()
	next, bad := j.FirstID, 0
	for next <= j.LastID() && bad < 3 {
		last := min(next+9999, j.LastID())
		n, _, err := s.store.Range(s.t.Context(), user.Filter{}, []int{0, 1, 2, 3, 4, 5, 6, 7, 8}, next, last, func(cols [][]byte) error {
			want := row(j, next-j.FirstID)
			have := fmt.Sprintf("%s|%s|%s|%s|%s|%s|%s|%s|%s", cols[0], cols[1], cols[2], cols[3], cols[4], cols[5], cols[6], cols[7], cols[8])
			if w := fmt.Sprintf("%d|%s|%s|%s|%s|%s|%d|%s|%s", next, want.FirstName, want.LastName, want.Email, want.City, want.State,
				want.Age, want.MobileNumber, want.Gender); have != w && bad < 3 {
				bad++
				s.t.Errorf("row %d of job %s:\n  want %s\n  have %s", next-j.FirstID, j.ID, w, have)
			}
			next++
			return nil
		})
		if err != nil || n == 0 {
			s.t.Fatalf("job %s: users end at id %d, want %d; %v", j.ID, last, j.LastID(), err)
		}
	}
}

// auditQueue waits until asynq holds nothing: late bells find their chunk done and go.
func (s *stack) auditQueue() {
	s.t.Helper()
	in := asynq.NewInspectorFromRedisClient(s.rdb)
	var left string
	defer func() {
		if s.t.Failed() {
			s.t.Logf("queue: %s", left)
		}
	}()
	eventually(s.t, 15*time.Second, "the queue is empty", func() bool {
		left = ""
		queues, err := in.Queues()
		if err != nil {
			left = err.Error()
			return false
		}
		for _, q := range queues {
			// Active tasks of killed workers stay with asynq for minutes; nothing waits for them.
			if i, err := in.GetQueueInfo(q); err != nil || i.Pending+i.Scheduled+i.Retry+i.Archived > 0 {
				left += fmt.Sprintf("%s: %+v %v; ", q, i, err)
			}
		}
		return left == ""
	})
}
