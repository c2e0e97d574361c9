package httpapi

import (
	"context"
	"math"
	"net/http"
	"strconv"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/musterhq/muster/internal/httpapi/api"
	"github.com/musterhq/muster/internal/user"
)

// ExportUsers answers GET /export/stream.
func (h handlers) ExportUsers(ctx context.Context, r api.ExportUsersRequestObject) (api.ExportUsersResponseObject, error) {
	d, err := h.download(ctx, r.Params)
	if err != nil {
		return nil, err
	}
	return d, nil
}

// chunked refuses HTTP/1.0: without chunks an answer that breaks off looks whole.
func chunked(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if !c.Request().ProtoAtLeast(1, 1) {
			c.Response().Header().Set("Upgrade", "HTTP/1.1")
			c.Response().Header().Set("Connection", "Upgrade")
			return echo.NewHTTPError(http.StatusUpgradeRequired)
		}
		return next(c)
	}
}

// download is an export that was asked for.
type download struct {
	s    *Server
	ctx  context.Context //nolint:containedctx // the generated Visit method has no place for it
	spec user.ExportSpec

	contentType, name string
	encoding          string // the response's Content-Encoding; empty: none
	negotiated        bool   // the encoding depends on what the client accepts
}

// download returns the export that p asks for, which validate has checked. Nothing is exported yet.
func (s *Server) download(ctx context.Context, p api.ExportUsersParams) (*download, error) {
	d := &download{s: s, ctx: ctx, spec: user.ExportSpec{
		Filter: user.Filter{
			Name: p.Name, City: p.City, State: p.State, Email: p.Email, Gender: p.Gender,
			Age: p.Age, MinAge: p.MinAge, MaxAge: p.MaxAge, Deleted: p.Deleted,
		},
		Format: p.Format, Fields: p.Fields, Compress: p.Compress,
	}}
	d.spec.Raw, d.spec.Excel = csvVariant(p.Csv)
	if p.JobID != nil {
		if err := s.only(ctx, &d.spec, p.Caller, p.JobID.String()); err != nil {
			return nil, err
		}
	}
	contentType, ext := s.Export.Type(d.spec)
	d.contentType, d.name = contentType, "users-"+s.now().UTC().Format("20060102T150405Z")+ext

	binary := d.spec.Format == user.Parquet || d.spec.Format == user.Avro
	if d.negotiated = !binary && d.spec.Compress == ""; d.negotiated {
		var ok bool
		if d.encoding, ok = negotiate(p.AcceptEncoding); !ok {
			return nil, echo.NewHTTPError(http.StatusNotAcceptable)
		}
		d.spec.Compress = d.encoding // the same bytes; only their name differs
	}
	return d, nil
}

// only limits spec to the users of a job of the owner's.
func (s *Server) only(ctx context.Context, spec *user.ExportSpec, owner, jobID string) error {
	j, err := s.Jobs.Get(ctx, owner, jobID)
	if err != nil {
		return err
	}
	spec.Filter.FirstID, spec.Filter.LastID = j.FirstID, j.LastID()
	if j.FirstID == 0 { // it has no users, and 0 would be no limit
		spec.Filter.FirstID = math.MaxInt64
	}
	return nil
}

// csvVariant returns what the parameter csv asks for.
func csvVariant(csv string) (raw, excel bool) { return csv == "raw", csv == "excel" }

// describe sets the headers of the file.
func (d *download) describe(h http.Header) {
	h.Set("Content-Type", d.contentType)
	h.Set("Content-Disposition", `attachment; filename="`+d.name+`"`)
	if d.negotiated {
		h.Add("Vary", "Accept-Encoding")
	}
	if d.encoding != "" {
		h.Set("Content-Encoding", d.encoding)
	}
}

// place takes one of the places for exports; leave gives it back. The error is a *busyError when there is none.
func (s *Server) place() (leave func(), err error) {
	select {
	case s.exports <- struct{}{}:
		return func() { <-s.exports }, nil
	default:
		return nil, busyError{what: "exports", limit: cap(s.exports)}
	}
}

// VisitExportUsersResponse streams the users. An error before the first byte becomes an error answer, one after it
// cuts the connection; both are respondError's work. HEAD gets what is known without a look at the users.
func (d *download) VisitExportUsersResponse(w http.ResponseWriter) error {
	if isHead(d.ctx) {
		d.describe(w.Header())
		w.WriteHeader(http.StatusOK)
		return nil
	}
	leave, err := d.s.place()
	if err != nil {
		return err
	}
	defer leave()
	ctx, cancel := untilShutdown(d.ctx)
	defer cancel()
	out := d.s.newStream(w)
	out.begin = func(h http.Header) {
		d.describe(h)
		h.Set("Trailer", rowCount)
	}
	rows, err := d.s.Export.Stream(ctx, out, d.spec)
	if err != nil {
		return err
	}
	out.start() // a file may be empty
	w.Header().Set(rowCount, strconv.FormatInt(rows, 10))
	return nil
}

const (
	rowCount = "X-Row-Count"
	// writeWithin is how long a client may take for streamPiece bytes before it counts as gone.
	writeWithin = 30 * time.Second
	streamPiece = 64 << 10
	// A client may keep an export waiting for slowFor, and one second more for each slowRate bytes that it takes.
	// Without a limit a few slow clients would hold all places for hours.
	slowFor  = time.Minute
	slowRate = 64_000
)

// stream writes a long answer: the server's deadline for whole answers is lifted, each piece gets its own.
type stream struct {
	w      http.ResponseWriter
	rc     *http.ResponseController
	begin  func(http.Header) // sets the headers, before the first byte
	now    func() time.Time
	waited time.Duration // for the client; not what it takes to make the export
	sent   int64
}

func (s *Server) newStream(w http.ResponseWriter) *stream {
	rc := http.NewResponseController(w)
	_ = rc.SetWriteDeadline(time.Time{}) // fails only without a connection, in tests
	return &stream{w: w, rc: rc, now: s.now}
}

// start begins the answer, unless it has begun; headers that are set from then on are trailers.
func (s *stream) start() {
	if s.begin != nil {
		s.begin(s.w.Header())
		s.begin = nil
		s.w.WriteHeader(http.StatusOK)
	}
}

func (s *stream) Write(p []byte) (n int, err error) {
	s.start()
	for n < len(p) {
		piece := p[n:min(len(p), n+streamPiece)]
		began := s.now()
		left := slowFor + time.Duration((s.sent+int64(len(piece)))/slowRate)*time.Second - s.waited
		_ = s.rc.SetWriteDeadline(began.Add(min(writeWithin, left)))
		m, err := s.w.Write(piece)
		n, s.sent, s.waited = n+m, s.sent+int64(m), s.waited+s.now().Sub(began)
		if err != nil {
			return n, err
		}
	}
	return n, nil
}

// flush writes text and sends all that is written.
func (s *stream) flush(text string) error {
	if _, err := s.Write([]byte(text)); err != nil {
		return err
	}
	return s.rc.Flush()
}
