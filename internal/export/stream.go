package export

import (
	"context"
	"io"
)

// pageRows is how many users one query reads: some 500 kB of CSV.
const pageRows = 5000

// Pager reads users by id.
type Pager interface {
	// Page calls row for up to limit users above the id after, in id order, with the columns of user.Columns
	// (NULL is nil), valid during the call only. It answers the last id and the number of users; fewer than limit
	// means the end.
	Page(ctx context.Context, after int64, limit int, row func(cols [][]byte) error) (last int64, n int, err error)
}

// page is an encoded page of users on its way from the reader to the writer.
type page struct {
	buf  []byte
	rows int64
	err  error
}

// Users exports the users that Pager reads.
type Users struct{ Pager Pager }

// Stream is the function Stream on u's users.
func (u Users) Stream(ctx context.Context, w io.Writer, raw bool) (rows int64, err error) {
	return Stream(ctx, w, u.Pager, raw)
}

// Stream writes all users as CSV to w, one Write a page, and answers how many. The next page is read and encoded
// while w takes the present one, so memory is two pages whatever the number of users, and no database connection is
// held while w is slow. Nothing has been written when the first page could not be read. Its goroutine is over when
// Stream returns; the end of ctx ends both.
func Stream(ctx context.Context, w io.Writer, users Pager, raw bool) (rows int64, err error) {
	ctx, cancel := context.WithCancel(ctx)
	pages := make(chan page)
	free := make(chan []byte, 2)
	free <- []byte(CSVHeader)
	free <- nil
	go func() {
		defer close(pages)
		read(ctx, users, raw, free, pages)
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
		if _, err := w.Write(p.buf); err != nil {
			return rows, err
		}
		rows += p.rows
		free <- p.buf[:0] // has room for both buffers: never blocks
	}
	return rows, ctx.Err()
}

// read encodes page after page into the free buffers until the users or ctx are over.
func read(ctx context.Context, users Pager, raw bool, free <-chan []byte, pages chan<- page) {
	for after := int64(0); ; {
		var p page
		select {
		case p.buf = <-free:
		case <-ctx.Done():
			return
		}
		last, n, err := users.Page(ctx, after, pageRows, func(cols [][]byte) error {
			p.buf = AppendCSV(p.buf, cols, raw)
			return nil
		})
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
