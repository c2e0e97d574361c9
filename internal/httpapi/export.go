package httpapi

import (
	"context"
	"net/http"
	"strconv"
	"time"

	"github.com/musterhq/muster/internal/user"
)

// ExportUsers answers GET /export/stream.
func (h handlers) ExportUsers(ctx context.Context, r ExportUsersRequestObject) (ExportUsersResponseObject, error) {
	select {
	case h.exports <- struct{}{}:
		return &download{s: h.Server, ctx: ctx, raw: r.Params.Csv == "raw"}, nil
	default:
		return nil, busyError{limit: cap(h.exports)}
	}
}

// download is an export under way. It holds one of the server's exports until it is written.
type download struct {
	s   *Server
	ctx context.Context //nolint:containedctx // the generated Visit method has no place for it
	raw bool
}

// VisitExportUsersResponse streams the users. An error before the first byte becomes an error answer, one after it
// cuts the connection; both are respondError's work.
func (d *download) VisitExportUsersResponse(w http.ResponseWriter) error {
	defer func() { <-d.s.exports }()
	ctx, cancel := untilShutdown(d.ctx)
	defer cancel()
	out := newStream(w)
	out.begin = func(h http.Header) {
		h.Set("Content-Type", "text/csv; charset=utf-8")
		h.Set("Content-Disposition", `attachment; filename="users-`+d.s.now().UTC().Format("20060102T150405Z")+`.csv"`)
		h.Set("Trailer", "X-Row-Count")
	}
	rows, err := d.s.Export.Stream(ctx, out, user.ExportSpec{Raw: d.raw})
	if err != nil {
		return err
	}
	w.Header().Set("X-Row-Count", strconv.FormatInt(rows, 10))
	return nil
}

const (
	// writeWithin is how long a client may take for streamPiece bytes before it counts as gone.
	writeWithin = 30 * time.Second
	streamPiece = 64 << 10
)

// stream writes a long answer: the server's deadline for whole answers is lifted, each piece gets its own.
type stream struct {
	w     http.ResponseWriter
	rc    *http.ResponseController
	begin func(http.Header) // sets the headers, at the first byte
}

func newStream(w http.ResponseWriter) *stream {
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Time{}) // fails only without a connection, in tests
	return &stream{w: w, rc: rc}
}

func (s *stream) Write(p []byte) (n int, err error) {
	if s.begin != nil {
		s.begin(s.w.Header())
		s.begin = nil
	}
	for n < len(p) {
		_ = s.rc.SetWriteDeadline(time.Now().Add(writeWithin))
		m, err := s.w.Write(p[n:min(len(p), n+streamPiece)])
		n += m
		if err != nil {
			return n, err
		}
	}
	return n, nil
}
