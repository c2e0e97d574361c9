// Package export writes users as files. It reads them as raw columns, in the order of user.Columns, and never holds
// more than two pages of them, and for Parquet one row group.
package export

import (
	"bufio"
	"context"
	"io"

	"github.com/musterhq/muster/internal/user"
)

// pageRows is how many users one query reads: some 500 kB of CSV.
const pageRows = 5000

// Pager reads users by id.
type Pager interface {
	// Page calls row for up to limit users of f above the id after, in id order, with the columns of user.Columns
	// (NULL is nil), valid during the call only. It answers the id to go on from and the number of users; fewer than
	// limit means the end.
	Page(ctx context.Context, f user.Filter, after int64, limit int, row func(cols [][]byte) error) (last int64, n int, err error)
}

// Users exports the users that Pager reads.
type Users struct{ Pager Pager }

// Stream writes the users that s asks for to w and answers how many; the error of a bad s is Check's. The next page is
// read and encoded while w takes the present one, so memory does not grow with the number of users, and no database
// connection is held while w is slow. Nothing has been written when the first page could not be read. After an error
// the file is left without its end, never closed as if it were whole; but a CSV, NDJSON or Avro file has no end that a
// reader could miss, so the caller has to make the failure seen. The goroutine of Stream is over when it returns; the
// end of ctx ends both.
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
	ctx, cancel := context.WithCancel(ctx)
	pages := make(chan *page)
	free := make(chan *page, 2)
	free <- new(page)
	free <- new(page)
	go func() {
		defer close(pages)
		u.read(ctx, s.Filter, f, free, pages)
	}()
	defer func() {
		cancel()
		for range pages { // until the reader has closed it
		}
	}()

	for p := range pages {
		if p.err != nil {
			return rows, p.err
		}
		if err := f.write(p); err != nil {
			return rows, err
		}
		if err := out.Flush(); err != nil {
			return rows, err
		}
		rows += p.rows
		free <- p // has room for both pages: never blocks
	}
	if err := ctx.Err(); err != nil {
		return rows, err
	}
	if err := f.close(); err != nil {
		return rows, err
	}
	return rows, out.Flush()
}

// read encodes page after page until the users or ctx are over.
func (u Users) read(ctx context.Context, filter user.Filter, f format, free <-chan *page, pages chan<- *page) {
	for after := int64(0); ; {
		var p *page
		select {
		case p = <-free:
		case <-ctx.Done():
			return
		}
		p.reset()
		last, n, err := u.Pager.Page(ctx, filter, after, pageRows, func(cols [][]byte) error { return f.row(p, cols) })
		p.rows, p.err = int64(n), err
		select {
		case pages <- p:
		case <-ctx.Done():
			return
		}
		if err != nil || n < pageRows {
			return
		}
		after = last
	}
}
