package export_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"

	"go.uber.org/goleak"

	"github.com/musterhq/muster/internal/export"
	"github.com/musterhq/muster/internal/user"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// fakePager has the users 1 … rows, and fails at the page that starts after failAfter.
type fakePager struct {
	rows      int64
	failAfter int64 // < 0: never
	pages     atomic.Int64
	filter    atomic.Pointer[user.Filter]
}

var errPage = errors.New("no page")

func (p *fakePager) Span(context.Context, user.Filter) (first, last int64, err error) {
	return 1, p.rows, nil
}

func (p *fakePager) Range(ctx context.Context, f user.Filter, columns []int, first, last int64, row func([][]byte) error) (n, next int64, err error) {
	p.pages.Add(1)
	p.filter.Store(&f)
	if p.failAfter >= 0 && first > p.failAfter {
		return 0, 0, errPage
	}
	for id := first; id <= last; id++ {
		if err := ctx.Err(); err != nil {
			return n, 0, err
		}
		if err := row(only(columns, ada("id", strconv.FormatInt(id, 10)))); err != nil {
			return n, 0, err
		}
		n++
	}
	return n, last + 1, nil
}

// only returns cols without those that are not in columns.
func only(columns []int, cols [][]byte) [][]byte {
	for i := range cols {
		if !slices.Contains(columns, i) {
			cols[i] = nil
		}
	}
	return cols
}

func stream(ctx context.Context, w io.Writer, p export.Pager, s user.ExportSpec) (int64, error) {
	return export.Users{Pager: p}.Stream(ctx, w, s)
}

func TestStreamWritesEveryUserOnce(t *testing.T) {
	t.Parallel()
	for _, rows := range []int64{0, 1, 4999, 5000, 5001, 25_000} {
		var out bytes.Buffer
		n, err := stream(t.Context(), &out, &fakePager{rows: rows, failAfter: -1}, user.ExportSpec{})
		if err != nil || n != rows {
			t.Errorf("Stream of %d users = %d, %v", rows, n, err)
		}
		lines := strings.Split(strings.TrimSuffix(out.String(), "\r\n"), "\r\n")
		if lines[0]+"\r\n" != "id,name,age,gender,city,state,email,mobile\r\n" || int64(len(lines)) != rows+1 {
			t.Fatalf("%d users: header %q and %d lines", rows, lines[0], len(lines))
		}
		for i, line := range lines[1:] {
			if id, _, _ := strings.Cut(line, ","); id != strconv.Itoa(i+1) {
				t.Fatalf("line %d starts with id %s", i+1, id)
			}
		}
	}
}

func TestStreamFailsBeforeTheFirstByte(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	n, err := stream(t.Context(), &out, &fakePager{rows: 10, failAfter: 0}, user.ExportSpec{})
	if !errors.Is(err, errPage) || n != 0 || out.Len() != 0 {
		t.Errorf("Stream = %d, %v with %d bytes written, want the page's error and nothing written", n, err, out.Len())
	}
}

func TestStreamFailsInTheMiddle(t *testing.T) {
	t.Parallel()
	n, err := stream(t.Context(), io.Discard, &fakePager{rows: 20_000, failAfter: 10_000}, user.ExportSpec{})
	if !errors.Is(err, errPage) || n != 10_000 {
		t.Errorf("Stream = %d, %v, want 10000 and the page's error", n, err)
	}
}

type writerFunc func(p []byte) (int, error)

func (f writerFunc) Write(p []byte) (int, error) { return f(p) }

func TestStreamStopsWhenTheWriterFails(t *testing.T) {
	t.Parallel()
	gone := errors.New("client gone")
	users := &fakePager{rows: 1_000_000, failAfter: -1}
	n, err := stream(t.Context(), writerFunc(func([]byte) (int, error) { return 0, gone }), users, user.ExportSpec{})
	if !errors.Is(err, gone) || n != 0 {
		t.Errorf("Stream = %d, %v, want 0 and the writer's error", n, err)
	}
	if pages := users.pages.Load(); pages > export.PageCount {
		t.Errorf("read %d pages for a client that was gone, want at most %d", pages, export.PageCount)
	}
}

func TestStreamEndsWithItsContext(t *testing.T) {
	t.Parallel()
	ctx, cancel := context.WithCancel(t.Context())
	users := &fakePager{rows: 1_000_000, failAfter: -1}
	_, err := stream(ctx, writerFunc(func(p []byte) (int, error) { cancel(); return len(p), nil }), users, user.ExportSpec{})
	if !errors.Is(err, context.Canceled) {
		t.Errorf("Stream = %v, want context.Canceled", err)
	}
}

// A slow writer must not make the readers run ahead: a few pages are all that memory holds.
func TestStreamReadsFewPagesAhead(t *testing.T) {
	t.Parallel()
	users := &fakePager{rows: 20 * export.PageRows, failAfter: -1}
	var written int64
	_, err := stream(t.Context(), writerFunc(func(p []byte) (int, error) {
		if ahead := users.pages.Load() - written; ahead > export.PageCount {
			t.Errorf("%d pages read ahead, want at most %d", ahead, export.PageCount)
		}
		written++
		return len(p), nil
	}), users, user.ExportSpec{})
	if err != nil {
		t.Fatal(err)
	}
}

// sparse has one user in each stretch of a million ids.
type sparse struct{ queries atomic.Int64 }

func (*sparse) Span(context.Context, user.Filter) (first, last int64, err error) {
	return 1_000_000, 9_000_000, nil
}

func (s *sparse) Range(_ context.Context, _ user.Filter, _ []int, first, last int64, row func([][]byte) error) (n, next int64, err error) {
	s.queries.Add(1)
	at := (first + 999_999) / 1_000_000 * 1_000_000
	if at > last {
		return 0, at, nil
	}
	return 1, last + 1, row(ada("id", strconv.FormatInt(at, 10)))
}

func TestStreamSkipsUnusedIDs(t *testing.T) {
	t.Parallel()
	var out bytes.Buffer
	users := &sparse{}
	rows, err := stream(t.Context(), &out, users, user.ExportSpec{Format: user.JSON, Fields: []string{"id"}})
	want := "[\n{\"id\":1000000}"
	for id := 2; id <= 9; id++ {
		want += fmt.Sprintf(",\n{\"id\":%d000000}", id)
	}
	if err != nil || rows != 9 || out.String() != want+"\n]\n" {
		t.Errorf("Stream = %d, %v: %s", rows, err, out.String())
	}
	if n := users.queries.Load(); n > 9*(export.PageCount+1) {
		t.Errorf("%d queries for nine users", n)
	}
}
