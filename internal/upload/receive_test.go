package upload_test

import (
	"bytes"
	"context"
	"errors"
	"io"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/musterhq/muster/internal/filestore"
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/upload"
)

func stores() map[string]func(testing.TB) string {
	return map[string]func(testing.TB) string{"folder": folder, "bucket": bucket}
}

// What is received in one stream is an upload as any other, at any process.
func TestReceive(t *testing.T) {
	t.Parallel()
	for name, store := range stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			address := store(t)
			u, other := newUploads(t, address, nil), newUploads(t, address, nil)
			for _, size := range []int{0, 1, 8<<20 - 1, 8 << 20, 8<<20 + 1, 20_000_000} {
				body := content(size)
				got, err := u.Receive(t.Context(), "ann", `C:\in\users.csv`, "text/csv; header=present", iotest.HalfReader(bytes.NewReader(body)))
				if err != nil {
					t.Fatal(err)
				}
				found := finished(t, other, got.ID, body)
				if *found != *got || found.FileName != "users.csv" || found.ContentType != "text/csv; header=present" {
					t.Errorf("received %+v, found %+v", got, found)
				}
				if _, err := other.Find(t.Context(), "bob", got.ID); !errors.Is(err, job.ErrUploadNotFound) {
					t.Errorf("somebody else's: %v", err)
				}
				r, err := other.Open(t.Context(), found)
				if err != nil {
					t.Fatal(err)
				}
				if all, err := io.ReadAll(r); err != nil || !bytes.Equal(all, body) {
					t.Errorf("read %d bytes, %v", len(all), err)
				}
				if err := errors.Join(r.Close(), other.Delete(t.Context(), found)); err != nil {
					t.Error(err)
				}
				if _, err := u.Find(t.Context(), "ann", got.ID); !errors.Is(err, job.ErrUploadNotFound) {
					t.Errorf("found after it was deleted: %v", err)
				}
				if _, err := u.Open(t.Context(), found); !errors.Is(err, job.ErrUploadNotFound) {
					t.Errorf("opened after it was deleted: %v", err)
				}
			}
			empty(t, u)
		})
	}
}

// empty checks that nothing is in the store.
func empty(t *testing.T, u *upload.Uploads) {
	t.Helper()
	left := 0
	if _, err := u.Files.Sweep(t.Context(), func(string, time.Time) bool { left++; return true }); err != nil || left > 0 {
		t.Errorf("%d objects are left, %v", left, err)
	}
}

// A body that breaks off, is too large, or whose request is over leaves nothing.
func TestReceiveInVain(t *testing.T) {
	t.Parallel()
	broken := errors.New("broken")
	for name, store := range stores() {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			u := newUploads(t, store(t), func(c *upload.Config) { c.Max = 9 << 20 })
			for _, size := range []int{0, 100, 8<<20 + 100} {
				body := io.MultiReader(bytes.NewReader(content(size)), iotest.ErrReader(broken))
				if up, err := u.Receive(t.Context(), "ann", "", "", body); !errors.Is(err, broken) || up != nil {
					t.Errorf("broken after %d bytes: %v, %v", size, up, err)
				}
			}
			_, err := u.Receive(t.Context(), "ann", "", "", bytes.NewReader(content(9<<20+1)))
			if large, ok := errors.AsType[*job.FileTooLargeError](err); !ok || large.Max != 9<<20 {
				t.Errorf("a byte too many: %v", err)
			}
			ctx, cancel := context.WithCancel(t.Context())
			cancel()
			if _, err := u.Receive(ctx, "ann", "", "", strings.NewReader("email\n")); !errors.Is(err, context.Canceled) {
				t.Errorf("of a request that is over: %v", err)
			}
			empty(t, u)
		})
	}
}

// Names are text for people, whatever a client sends.
func TestReceivedNames(t *testing.T) {
	t.Parallel()
	u := newUploads(t, folder(t), nil)
	for sent, want := range map[string]string{
		"../../x": "x", "..": "", "/": "", "": "", "a\x00b": "ab", `..\..\boot.ini`: "boot.ini", "\xff\xfe": "\uFFFD", "users\r\nX-Evil: 1": "usersX-Evil: 1",
		strings.Repeat("é", 200): strings.Repeat("é", 127), "\u202ecsv.exe": "csv.exe",
	} {
		up, err := u.Receive(t.Context(), "ann", sent, sent, strings.NewReader("x"))
		if err != nil {
			t.Fatal(err)
		}
		if up.FileName != want || !strings.HasPrefix(up.Object, "uploads/") || strings.ContainsAny(up.ContentType, "\x00\r\n") {
			t.Errorf("%q is %+v, want the name %q", sent, up, want)
		}
	}
	if n := count(t, u.Files); n != 10 {
		t.Errorf("%d objects", n)
	}
}

func count(t *testing.T, s *filestore.Store) (n int) {
	t.Helper()
	for info, err := range s.List(t.Context(), "") {
		if err != nil || !strings.HasPrefix(info.Name, "uploads/") {
			t.Errorf("%+v, %v", info, err)
		}
		n++
	}
	return n
}
