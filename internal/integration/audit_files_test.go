package integration

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"net/http"
	"strconv"
	"syscall"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/user"
)

// fileJob is a job that imports a made-up file.
type fileJob struct {
	id, owner string
	file      *sampleFile
	strategy  strategy
}

// importFile submits the import of a file, which is sent as it is or compressed.
func (p *proc) importFile(owner string, f *sampleFile, y strategy, body []byte) fileJob {
	p.t.Helper()
	return fileJob{id: p.postFile(owner, y.query(), bytes.NewReader(body)), owner: owner, file: f, strategy: y}
}

// postFile returns the id of the job that imports the body, or what else the parameters name.
func (p *proc) postFile(owner, query string, body io.Reader) (id string) {
	p.t.Helper()
	v, err := p.send(http.MethodPost, "/import/file?"+query, owner, body)
	if err != nil || v.HTTP != http.StatusAccepted {
		p.t.Fatalf("%s's file: %v %s", owner, err, v.RawResponse)
	}
	return v.JobID
}

// preload imports a file whose rows all become users, by a worker of its own that nobody kills.
func (s *stack) preload(api *proc, files ...*sampleFile) (jobs []fileJob) {
	s.t.Helper()
	w := s.workers(1, "MUSTER_BATCH_ROWS=1000")[0]
	for i, f := range files {
		jobs = append(jobs, api.importFile(fmt.Sprintf("before%d", i), f, strategy{onDuplicate: job.DuplicateInsert}, f.text))
	}
	api.complete(jobs...)
	w.signal(syscall.SIGTERM)
	w.waitExit(10 * time.Second)
	return jobs
}

// auditFiles is audit for imports of files, in the order in which their users came to be: what became of every row, each
// user with all its fields, and each rejected row are as the model has them.
func (s *stack) auditFiles(api *proc, jobs ...fileJob) *model {
	s.t.Helper()
	want := wantStatus{}
	for _, f := range jobs {
		want[f.id] = job.Completed
	}
	return s.auditFileEnds(api, want, jobs...)
}

// auditFileEnds is auditFiles for jobs that end as want says.
func (s *stack) auditFileEnds(api *proc, want wantStatus, jobs ...fileJob) *model {
	s.t.Helper()
	s.settle(want)
	m := newModel()
	for _, f := range jobs {
		s.auditFile(api, m, f)
	}
	s.auditUsers(m)
	return m
}

// auditFile lets the model import those rows of the file that the job has done, and compares.
func (s *stack) auditFile(api *proc, m *model, f fileJob) {
	s.t.Helper()
	j, chunks := s.auditCounts(api, f.id)
	want, rejects := m.run(f.file, f.strategy, j.FirstID, func(row int64) bool {
		no := row / j.ChunkRows
		return no < int64(len(chunks)) && row < chunks[no].FirstRow+chunks[no].Done
	})
	have := outcome{Inserted: j.Inserted(), Updated: j.Updated, Unchanged: j.Unchanged, Skipped: j.Skipped, Rejected: j.Rejected}
	if have != want {
		s.t.Errorf("outcome of job %s: %+v, want %+v", f.id, have, want)
	}
	if j.Status == job.Completed && have.rows() != int64(len(f.file.rows)) {
		s.t.Errorf("outcome of job %s: %+v of %d rows", f.id, have, len(f.file.rows))
	}
	if shown := api.must(http.MethodGet, "/jobs/"+f.id, f.owner, http.StatusOK).Outcome; shown != have {
		s.t.Errorf("outcome of job %s as the API shows it: %+v, the store has %+v", f.id, shown, have)
	}
	s.auditRejects(f.id, rejects)
	if j.Undone {
		m.remove(j.FirstID, j.LastID())
	}
}

// auditRejects compares the rejected rows of a job with those that there must be.
func (s *stack) auditRejects(id string, want []reject) {
	s.t.Helper()
	const page = 1000
	have := make([]reject, 0, len(want))
	for after := int64(-1); ; {
		list, err := s.store.Rejects(s.t.Context(), id, after, page)
		if err != nil {
			s.t.Fatal(err)
		}
		for _, r := range list {
			have = append(have, reject{Row: r.Row, Line: r.Line, Code: r.Code, Field: r.Field, Raw: string(r.Raw)})
			after = r.Row
		}
		if len(list) < page {
			break
		}
	}
	for i := range max(len(have), len(want)) {
		if i >= len(have) || i >= len(want) || have[i] != want[i] {
			s.t.Errorf("%d rejected rows of job %s, want %d; the first that differ (-want +got):\n%s", len(have), id, len(want),
				cmp.Diff(want[min(i, len(want)):min(i+1, len(want))], have[min(i, len(have)):min(i+1, len(have))]))
			return
		}
	}
}

// auditUsers compares all users that are stored with those of the model.
func (s *stack) auditUsers(m *model) {
	s.t.Helper()
	have := s.users()
	bad := 0
	differ := func(format string, args ...any) {
		if bad++; bad <= 3 {
			s.t.Errorf(format, args...)
		}
	}
	for id, want := range m.users {
		if u, ok := have[id]; !ok {
			differ("a user is missing: %+v", want)
		} else if u != want {
			differ("user %d (-want +got):\n%s", id, cmp.Diff(want, u))
		}
		delete(have, id)
	}
	for _, u := range have {
		differ("a user too many: %+v", u)
	}
	if bad > 3 {
		s.t.Errorf("%d users differ", bad)
	}
}

// users reads every user that is not deleted, by id.
func (s *stack) users() map[int64]user.User {
	s.t.Helper()
	all := map[int64]user.User{}
	first, last, err := s.store.Span(s.t.Context(), user.Filter{})
	for err == nil && first <= last {
		_, first, err = s.store.Range(s.t.Context(), user.Filter{}, []int{0, 1, 2, 3, 4, 5, 6, 7, 8}, first, min(first+9999, last), func(cols [][]byte) error {
			u := user.User{
				FirstName: string(cols[1]), LastName: string(cols[2]), Email: string(cols[3]), City: string(cols[4]), State: string(cols[5]),
				MobileNumber: string(cols[7]), Gender: string(cols[8]),
			}
			if len(cols[6]) > 0 {
				u.Age, err = strconv.Atoi(string(cols[6]))
			}
			id, idErr := strconv.ParseInt(string(cols[0]), 10, 64)
			u.ID = id
			all[id] = u
			return errors.Join(err, idErr)
		})
	}
	if err != nil {
		s.t.Fatal(err)
	}
	return all
}
