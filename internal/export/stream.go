// Package export writes users as files. It reads them as raw columns, in the order of user.Columns, and never holds
// more than a few pages of them, and for Parquet one row group.
package export

import (
	"bufio"
	"context"
	"io"
	"sync"

	"github.com/musterhq/muster/internal/user"
)

const (
	// pageRows is how many ids one query covers, and so how many users it reads at most: some 500 kB of CSV.
	pageRows = 5000
	// readers is how many queries run at once: one keeps a core of the database busy, and the server has more.
	readers = 2
	// pageCount is how many pages there are: one that is written, one for each reader, one that waits.
	pageCount = readers + 2
)

// Pager reads users by id. Its methods may be called by several goroutines at once.
type Pager interface {
	// Span returns the least and the greatest id among which the users of f are; first is above last when there are
	// none.
	Span(ctx context.Context, f user.Filter) (first, last int64, err error)
	// Range calls row for the users of f with an id from first to last, in id order, with those columns of user.Columns
	// whose places are in columns, each in its place (NULL is nil), valid during the call only. It returns the number of
	// users, and the id above last to go on from.
	Range(ctx context.Context, f user.Filter, columns []int, first, last int64, row func(cols [][]byte) error) (n, next int64, err error)
}

// Users exports the users that Pager reads.
type Users struct{ Pager Pager }

// Stream writes the users that s asks for to w and returns how many; the error of a bad s is Check's. The next pages are
// read and encoded while w takes the present one, so memory does not grow with the number of users, and no database
// connection is held while w is slow. Nothing has been written when the first page could not be read. After an error
// the file is left without its end, never closed as if it were whole; but a CSV, NDJSON or Avro file has no end that a
// reader could miss, so the caller has to make the failure seen. The goroutines of Stream have ended when it returns; the
// end of ctx ends it.
func (u Users) Stream(ctx context.Context, w io.Writer, s user.ExportSpec) (rows int64, err error) {
	if err := u.Check(s); err != nil {
		return 0, err
	}
	// Compressors write in small pieces.
	out := bufio.NewWriterSize(w, 64<<10)
	f, err := newFormat(out, s)
	if err != nil {
		return 0, err
	}
	first, last, err := u.Pager.Span(ctx, s.Filter)
	if err != nil {
		return 0, err
	}
	ctx, cancel := context.WithCancel(ctx)
	r := newReading(u.Pager, s, f)
	var wg sync.WaitGroup
	wg.Go(func() { r.plan(ctx, first, last) })
	for range readers {
		wg.Go(func() { r.read(ctx) })
	}
	defer wg.Wait()
	defer cancel()

	for p := range r.pages {
		select {
		case <-p.ready:
		case <-ctx.Done():
			return rows, ctx.Err()
		}
		if p.err != nil {
			return rows, p.err
		}
		if p.rows > 0 {
			if err := f.write(p); err != nil {
				return rows, err
			}
			if err := out.Flush(); err != nil {
				return rows, err
			}
		}
		rows += p.rows
		r.free <- p // has room for all pages: never blocks
	}
	if err := ctx.Err(); err != nil {
		return rows, err
	}
	if err := f.close(); err != nil {
		return rows, err
	}
	return rows, out.Flush()
}

// reading is what the readers of an export share. A page is taken from free and put into both todo and pages: the readers
// take pages from todo and read them in any order, the writer takes them from pages, in the order of their ids.
type reading struct {
	pager   Pager
	filter  user.Filter
	columns []int
	format  format

	free, todo, pages chan *page

	mu   sync.Mutex
	next int64 // there are no users between the pages read so far and this id
}

func newReading(p Pager, s user.ExportSpec, f format) *reading {
	r := &reading{
		pager: p, filter: s.Filter, columns: columnsOf(s), format: f,
		free: make(chan *page, pageCount), todo: make(chan *page, pageCount), pages: make(chan *page, pageCount),
	}
	for range pageCount {
		r.free <- &page{ready: make(chan struct{}, 1)}
	}
	return r
}

// plan gives each page its range of ids, until the last id or the end of ctx.
func (r *reading) plan(ctx context.Context, first, last int64) {
	defer close(r.pages)
	defer close(r.todo)
	for first <= last {
		var p *page
		select {
		case p = <-r.free:
		case <-ctx.Done():
			return
		}
		first = max(first, r.skip(0))
		if first > last {
			return
		}
		p.first, p.last = first, min(first+pageRows-1, last)
		first = p.last + 1
		r.pages <- p // both have room for all pages
		r.todo <- p
	}
}

// skip notes that there are no users from the end of the planned pages up to next, and returns the highest such id so far.
func (r *reading) skip(next int64) int64 {
	r.mu.Lock()
	defer r.mu.Unlock()
	r.next = max(r.next, next)
	return r.next
}

// read is a reader: it reads and encodes pages of todo until there are no more.
func (r *reading) read(ctx context.Context) {
	for p := range r.todo {
		p.reset()
		var next int64
		p.rows, next, p.err = r.pager.Range(ctx, r.filter, r.columns, p.first, p.last, func(cols [][]byte) error { return r.format.row(p, cols) })
		if p.err == nil && p.rows == 0 {
			r.skip(next)
		}
		p.ready <- struct{}{}
	}
}
