package filestore_test

import (
	"bytes"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/filestore"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/testenv"
)

// The other tests use an S3 that is inside of the test, with tiny blocks and without checks of signatures. Here is a real
// server, which takes no block below 5 MiB, signs what it is asked, and keeps its objects on the disk.
const realBlock = 5 << 20

func openServer(t *testing.T, url string) *filestore.Store {
	t.Helper()
	s, err := filestore.OpenTest(url, time.Minute)
	if err != nil {
		t.Fatal(err)
	}
	return s.WithBlock(realBlock)
}

func TestServerObjects(t *testing.T) {
	t.Parallel()
	s := openServer(t, testenv.S3(t))
	if err := s.Check(t.Context()); err != nil {
		t.Fatal(err)
	}
	var want []string
	for _, size := range []int{0, 1, realBlock - 1, realBlock, realBlock + 1, 2*realBlock + 7} {
		name := fmt.Sprintf("jobs/1/%08d", size)
		body := content(uint64(size), size)
		create(t, s, name, body)
		if got := read(t, s, name); !bytes.Equal(got, body) {
			t.Errorf("%s: read %d bytes, which are not those that were written", name, len(got))
		}
		want = append(want, name)
	}
	if diff := cmp.Diff(want, keys(t, s)); diff != "" {
		t.Errorf("objects (-want +got):\n%s", diff)
	}
	for _, name := range want {
		if err := s.Delete(t.Context(), name); err != nil {
			t.Error(err)
		}
	}
	if left := keys(t, s); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
	if _, err := s.Open(t.Context(), want[0]); !errors.Is(err, job.ErrFileNotFound) {
		t.Errorf("a deleted object: %v", err)
	}
}

// A process may die at any step of an upload; the next one goes on.
func TestServerGrowingAfterDeath(t *testing.T) {
	t.Parallel()
	url := testenv.S3(t)
	body := content(9, 2*realBlock+100)
	for step, lived := int64(1), false; !lived; step++ {
		name := fmt.Sprintf("uploads/%d", step)
		s, steps := openServer(t, url).Mortal(step, step%2 == 0)
		dies(t, s, name, body)
		lived = steps.Load() < step
		s = openServer(t, url)
		survive(t, s, name, body)
		if err := s.Delete(t.Context(), name); err != nil {
			t.Error(err)
		}
	}
	if left := keys(t, openServer(t, url)); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// What a dead process left half-written is found and removed.
func TestServerSweep(t *testing.T) {
	t.Parallel()
	s := openServer(t, testenv.S3(t))
	w, err := s.Create(t.Context(), "jobs/1/text", 0)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := w.Write(content(1, 2*realBlock)); err != nil {
		t.Fatal(err)
	}
	if left := keys(t, s); len(left) == 0 {
		t.Fatal("a half-written object is not listed")
	}
	if _, err := s.Sweep(t.Context(), func(string, time.Time) bool { return false }); err != nil {
		t.Fatal(err)
	}
	if left := keys(t, s); len(left) > 0 {
		t.Errorf("left: %v", left)
	}
}

// A server that checks signatures refuses another secret; the error says so, and holds neither.
func TestServerWrongSecret(t *testing.T) {
	t.Parallel()
	url := testenv.S3(t)
	wrong := strings.Replace(url, "-secret@", "-other@", 1)
	if wrong == url {
		t.Fatal("the secret is not where it was expected")
	}
	s := openServer(t, wrong)
	err := s.Check(t.Context())
	if !errors.Is(err, job.ErrFilesUnavailable) || strings.Contains(err.Error(), "muster-test-") {
		t.Errorf("another secret: %v", err)
	}
}
