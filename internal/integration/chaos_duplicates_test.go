package integration

import (
	"fmt"
	"net/http"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/user"
)

// F-R3: two jobs with the same addresses and single creates, all at once. Each address has one user, whom one of them
// inserted and to whom the others did what they were asked to.
func TestChaosFR3SameAddresses(t *testing.T) {
	eachServer(t, func(t *testing.T, s *stack) {
		chaos(t, "F-R3", "the same addresses at once", s, func(s *stack) string {
			return sameAddresses(s, rounds(4, 20), rounds(1000, 2000), rounds(200, 1000))
		})
		if long() {
			control(t, "F-R3", s, "file-batch-without-key-locks", `users have the address`, func(s *stack) string {
				return sameAddresses(s, 4, 1000, 200)
			})
		}
	})
}

// meeting is a round: two files and single creates with the same addresses.
type meeting struct {
	set, onDuplicate string
	n                int
	ids              [2]string
	created          atomic.Int64
}

// address is the i-th of the round.
func (m *meeting) address(i int) string { return fmt.Sprintf("%s%d@example.com", m.set, i) }

// file has all addresses, with a value for one field. The letters of addresses are of another case in the second.
func (m *meeting) file(no int) string {
	var b strings.Builder
	b.WriteString([]string{"email,city\n", "E-MAIL,state\n"}[no])
	for i := range m.n {
		if no == 0 {
			b.WriteString(m.address(i) + ",Austin\n")
		} else {
			b.WriteString(strings.ToUpper(m.address(i)) + ",Texas\n")
		}
	}
	return b.String()
}

func sameAddresses(s *stack, n, rows, creates int) string {
	s.env = append(s.env, noCooldown, "MUSTER_CHUNK_ROWS=250", "MUSTER_BATCH_ROWS=100", "MUSTER_WORKER_CONCURRENCY=4")
	api := s.api()
	s.workers(2)
	strategies := []string{job.DuplicateSkip, job.DuplicateUpdate, job.DuplicateFill, job.DuplicateReject}
	var meetings []*meeting
	want := wantStatus{}
	for i := range n {
		m := &meeting{set: fmt.Sprintf("round%d-", i), onDuplicate: strategies[i%len(strategies)], n: rows}
		m.meet(api, creates)
		meetings = append(meetings, m)
		for _, id := range m.ids {
			want[id] = job.Completed
		}
	}
	s.settle(want)
	byAddress := map[string][]user.User{}
	for _, u := range s.users() {
		byAddress[key(&u)] = append(byAddress[key(&u)], u)
	}
	for _, m := range meetings {
		m.audit(s, api, byAddress)
	}
	return fmt.Sprintf("%d rounds, %d addresses with one user each", n, n*rows)
}

// meet imports both files and creates users, all at once.
func (m *meeting) meet(api *proc, creates int) {
	owners := [2]string{"ann-" + m.set, "bob-" + m.set}
	for no, owner := range owners {
		m.ids[no] = api.postFile(owner, strategy{onDuplicate: m.onDuplicate}.query(), strings.NewReader(m.file(no)))
	}
	var wg sync.WaitGroup
	const clients = 4
	for c := range clients {
		wg.Go(func() {
			for i := c; i < creates; i += clients {
				m.create(api, i*m.n/creates)
			}
		})
	}
	wg.Wait()
	for no, owner := range owners {
		if end := api.follow(m.ids[no], owner, time.Minute); end.Status != "COMPLETED" || end.Outcome.rows() != int64(m.n) {
			api.t.Errorf("%s: %s", m.onDuplicate, end.RawResponse)
		}
	}
}

// create creates the user with the i-th address, unless there is one.
func (m *meeting) create(api *proc, i int) {
	body := fmt.Sprintf(`{"email":%q,"firstName":"Solo","age":36,"gender":"Female"}`, m.address(i))
	v, err := api.send(http.MethodPost, "/users?onDuplicate=skip", "", strings.NewReader(body), "Content-Type", "application/json")
	switch {
	case err == nil && v.HTTP == http.StatusCreated:
		m.created.Add(1)
	case err != nil || v.HTTP != http.StatusOK:
		api.t.Errorf("create: %v %d %s", err, v.HTTP, v.RawResponse)
	}
}

func (m *meeting) audit(s *stack, api *proc, byAddress map[string][]user.User) {
	inserted := m.created.Load()
	for _, id := range m.ids {
		j, _ := s.auditCounts(api, id)
		inserted += j.Inserted()
	}
	if inserted != int64(m.n) {
		s.t.Errorf("%s: %d users were inserted for %d addresses", m.onDuplicate, inserted, m.n)
	}
	for i := range m.n {
		users := byAddress[m.address(i)]
		if len(users) != 1 {
			s.t.Errorf("%s: %d users have the address %s", m.onDuplicate, len(users), m.address(i))
			return
		}
		if u := users[0]; !m.possible(&u) {
			s.t.Errorf("%s: nobody made this user: %+v", m.onDuplicate, u)
			return
		}
	}
}

// possible reports whether the user may be what became of the three, in whatever order they came.
func (m *meeting) possible(u *user.User) bool {
	solo := u.FirstName == "Solo" && u.Age == 36 && u.Gender == user.Female
	blank := u.FirstName == "" && u.Age == 0 && u.Gender == ""
	switch m.onDuplicate {
	case job.DuplicateUpdate, job.DuplicateFill:
		return u.City == "Austin" && u.State == "Texas" && (solo || blank)
	}
	byFile := u.City == "Austin" && u.State == "" || u.City == "" && u.State == "Texas"
	return byFile && blank || u.City+u.State == "" && solo
}
