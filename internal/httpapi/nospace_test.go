package httpapi_test

import (
	"context"
	"errors"
	"fmt"
	"math/rand/v2"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"syscall"
	"testing"

	"github.com/musterhq/muster/internal/export"
	"github.com/musterhq/muster/internal/httpapi"
	"github.com/musterhq/muster/internal/user"
)

// many are users whose cities no compression makes small.
type many int64

func (m many) Span(context.Context, user.Filter) (first, last int64, err error) {
	return 1, int64(m), nil
}

func (many) Range(_ context.Context, _ user.Filter, _ []int, first, last int64, row func([][]byte) error) (n, next int64, err error) {
	for id := first; id <= last; id++ {
		r := rand.New(rand.NewPCG(1, uint64(id)))
		city := []byte(strconv.FormatUint(r.Uint64(), 36) + strconv.FormatUint(r.Uint64(), 36))
		text := []byte("x")
		cols := [][]byte{strconv.AppendInt(nil, id, 10), text, text, text, city, text, []byte("36"), text, text, []byte("0"), nil}
		if err := row(cols); err != nil {
			return 0, 0, err
		}
	}
	return last - first + 1, last + 1, nil
}

// small returns a folder that takes 128 kB, and fills it up when full is called; without the right to mount one, one
// that has vanished.
func small(t *testing.T) (dir string, full func()) {
	t.Helper()
	dir = t.TempDir()
	if err := exec.Command("mount", "-t", "tmpfs", "-o", "size=128k", "tmpfs", dir).Run(); err != nil {
		return filepath.Join(dir, "gone"), func() {}
	}
	t.Cleanup(func() {
		if out, err := exec.Command("umount", dir).CombinedOutput(); err != nil {
			t.Errorf("umount: %v %s", err, out)
		}
	})
	return dir, func() {
		err := os.WriteFile(filepath.Join(dir, "other"), make([]byte, 1<<20), 0o600)
		if !errors.Is(err, syscall.ENOSPC) {
			t.Errorf("the folder is not full: %v", err)
		}
	}
}

// A file that finds no room is an error that says so, in every format and however far it got, and leaves nothing
// behind.
func TestExportFileWithoutRoom(t *testing.T) {
	t.Parallel()
	for _, vanished := range []bool{false, true} {
		dir, full := small(t)
		if vanished {
			dir = filepath.Join(t.TempDir(), "gone")
		}
		f := newFakes()
		f.stream = export.Users{Pager: many(20_000)}.Stream
		a := newAPI(t, f, func(c *httpapi.Config) { c.TempDir = dir })
		for _, format := range []string{"csv", "ndjson", "json", "parquet", "avro"} {
			for _, compress := range []string{"", "&compress=gzip", "&compress=zstd"} {
				got := a.do("GET /api/v1/export/csv?format="+format+compress, nil, nil)
				e := a.failure(got, 503, "no_space")
				if h := got.Header; h.Get("Retry-After") != "30" || h.Get("Content-Encoding")+h.Get("Content-Disposition")+h.Get("ETag")+h.Get("X-Row-Count") != "" {
					t.Errorf("%s%s: headers %v", format, compress, h)
				}
				if !strings.Contains(e.Message, "/export/stream") || strings.Contains(string(got.body), dir) {
					t.Errorf("%s%s: %s", format, compress, got.body)
				}
				if left, err := os.ReadDir(dir); err == nil && len(left) > 0 {
					t.Errorf("%s%s: files are left: %v", format, compress, left)
				}
			}
		}
		if !strings.Contains(a.log.String(), dir) {
			t.Errorf("the log does not have the cause: %s", a.log)
		}
		if vanished {
			continue
		}
		full()
		if err := httpapi.CheckTempDir(dir); err == nil {
			t.Errorf("CheckTempDir finds nothing wrong with %s", dir)
		}
		a.failure(a.do("GET /api/v1/export/csv?age=36", nil, nil), 503, "no_space")
		if _, err := os.Stat(dir); err != nil {
			continue
		}
		// There is room again.
		if err := os.Remove(filepath.Join(dir, "other")); err != nil {
			t.Fatal(err)
		}
		realExport(f)
		if got := a.do("GET /api/v1/export/csv", nil, nil); got.StatusCode != http.StatusOK {
			t.Errorf("with room again: %d %s", got.StatusCode, got.body)
		}
		if err := httpapi.CheckTempDir(dir); err != nil {
			t.Errorf("with room again: %v", err)
		}
	}
}

// One who wants a stream needs no folder.
func TestStreamNeedsNoFolder(t *testing.T) {
	t.Parallel()
	f := newFakes()
	f.stream = export.Users{Pager: many(2000)}.Stream
	a := newAPI(t, f, func(c *httpapi.Config) { c.TempDir = "/nowhere/at/all" })
	for _, format := range []string{"csv", "ndjson", "json", "parquet", "avro"} {
		if got := a.do(fmt.Sprint("GET /api/v1/export/stream?format=", format), nil, nil); got.StatusCode != http.StatusOK || got.Trailer.Get("X-Row-Count") != "2000" {
			t.Errorf("%s: %d %v", format, got.StatusCode, got.Trailer)
		}
	}
}
