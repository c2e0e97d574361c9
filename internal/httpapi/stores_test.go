package httpapi_test

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/musterhq/muster/internal/export"
	"github.com/musterhq/muster/internal/httpapi"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/store"
	"github.com/musterhq/muster/internal/store/storetest"
)

// The calls about users and exports once more, without those that need failures, with a Store on every engine.
func TestEveryStatusOnEveryEngine(t *testing.T) {
	t.Parallel()
	storetest.Each(t, func(t *testing.T, url string) {
		s := storetest.Open(t, url, store.Options{})
		j := sample(job.Pending)
		j.RequestHash = strings.Repeat("0", 64)
		j.ChunkRows = j.Requested
		if err := s.CreateJob(t.Context(), &j); err != nil {
			t.Fatal(err)
		}
		a := newAPI(t, newFakes(), func(c *httpapi.Config) {
			c.Jobs.(fakeJobs).Store = s
			c.Users, c.UserStore, c.Export = s, s, export.Users{Pager: s}
		})
		for _, c := range slices.Concat(userCalls(), exportCalls()) {
			f := newFakes()
			if c.given != nil {
				c.given(f)
			}
			if f.userErr != nil {
				continue
			}
			c = c.over(a, s, f)
			got := a.do(c.request, c.headers, nil)
			if c.code != "" {
				a.failure(got, c.status, c.code)
			} else if got.StatusCode != c.status {
				t.Errorf("%.200s: %d, want %d: %s", c.request, got.StatusCode, c.status, got.body)
			}
		}
	})
}

// over returns the call with a new user instead of user 1, and with an unknown job if f has none.
func (c call) over(a *testServer, s *store.Store, f *fakes) call {
	a.t.Helper()
	u, known := f.users[1]
	u.ID = 1 << 40
	tag := ""
	if known {
		if err := s.CreateUser(a.t.Context(), &u); err != nil {
			a.t.Fatal(err)
		}
		tag = a.do(fmt.Sprint("GET /api/v1/users/", u.ID), nil, nil).Header.Get("ETag")
	}
	if u.Deleted {
		if err := s.DeleteUser(a.t.Context(), u.ID, nil); err != nil {
			a.t.Fatal(err)
		}
	}
	c.request = strings.Replace(c.request, "/users/1", fmt.Sprint("/users/", u.ID), 1)
	c.headers = slices.Clone(c.headers)
	for i := range c.headers {
		c.headers[i] = strings.ReplaceAll(c.headers[i], byronTag, tag)
	}
	if len(f.stored) == 0 {
		c.request = strings.Replace(c.request, jobID, otherID, 1)
	}
	return c
}
