package httpapi

import (
	"crypto/rand"
	"log/slog"
	"maps"
	"net/http"
	"regexp"
	"strings"
	"time"

	"github.com/labstack/echo/v4"
	"github.com/labstack/echo/v4/middleware"

	"github.com/musterhq/muster/internal/logging"
)

// echo makes an Echo with what every listener has: request ids, the access log, safe headers and the error form.
func (s *Server) echo() *echo.Echo {
	e := echo.New()
	e.HideBanner, e.HidePort = true, true
	// Never from X-Forwarded-For: anybody can send one.
	e.IPExtractor = echo.ExtractIPDirect()
	e.HTTPErrorHandler = s.respondError
	e.Binder = bodyBinder{}
	e.Pre(decodePath)
	e.Use(s.accessLog)
	if s.Traces != nil {
		e.Use(s.traced)
	}
	e.Use(safeHeaders, s.recover())
	return e
}

// decodePath lets routes match the path decoded, so that /users/%31 is /users/1 (RFC 3986, 6.2.2.2): Echo would match
// it as it was sent. A path with an encoded slash stays as it is, and never gets one segment more.
func decodePath(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if u := c.Request().URL; !strings.Contains(strings.ToUpper(u.RawPath), "%2F") {
			u.RawPath = ""
		}
		return next(c)
	}
}

// requestID is the id in the response's X-Request-ID.
func requestID(c echo.Context) string {
	return c.Response().Header().Get(echo.HeaderXRequestID)
}

var knownID = regexp.MustCompile(`^[A-Za-z0-9_-]{8,64}$`)

// accessLog gives the request its id and writes one line when it is over, also when its connection was cut. The line
// has the route's pattern and no query, so that nothing personal gets into logs.
func (s *Server) accessLog(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		start, end := time.Now(), s.Metrics.begin(c)
		id := c.Request().Header.Get(echo.HeaderXRequestID)
		if !knownID.MatchString(id) {
			id = rand.Text()
		}
		c.Response().Header().Set(echo.HeaderXRequestID, id)
		c.SetRequest(c.Request().WithContext(logging.WithRequest(c.Request().Context(), id)))
		cut := true
		defer func() {
			end(cut)
			level := slog.LevelInfo
			if path := c.Path(); path == "/healthz" || path == "/readyz" {
				level = slog.LevelDebug
			}
			if !s.Log.Enabled(c.Request().Context(), level) {
				return
			}
			line := []any{"method", c.Request().Method, "route", c.Path(),
				"status", c.Response().Status, "bytes", c.Response().Size, "ms", time.Since(start).Milliseconds(),
				"request", id, "cut", cut}
			if key := c.Get(keyID); key != nil {
				line = append(line, "key", key)
			}
			s.Log.Log(c.Request().Context(), level, "request", line...)
		}()
		if err := next(c); err != nil {
			c.Error(err) // here and not in Echo, or the line would not have its status
		}
		cut = false
		return nil
	}
}

// policy returns the Content-Security-Policy of a page that may do what allowed says. What of it names no other host,
// so every page works without network and tells nobody of its visitors.
func policy(allowed string) string {
	return allowed + "; base-uri 'none'; form-action 'none'; frame-ancestors 'none'"
}

// safe is shared by all answers: set a header anew, do not change the slice that is there.
var safe = http.Header{
	"X-Content-Type-Options":  {"nosniff"},
	"X-Frame-Options":         {"DENY"},
	"Referrer-Policy":         {"no-referrer"},
	"Content-Security-Policy": {policy("default-src 'none'")},
	"Cache-Control":           {"no-store"},
}

// safeHeaders forbids browsers whatever an API does not need. Pages that need more set their own policy.
func safeHeaders(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		maps.Copy(c.Response().Header(), safe)
		return next(c)
	}
}

// recover turns a panic into an internal error. http.ErrAbortHandler passes: it is how a connection is cut.
func (s *Server) recover() echo.MiddlewareFunc {
	return middleware.RecoverWithConfig(middleware.RecoverConfig{
		DisableErrorHandler: true,
		LogErrorFunc: func(_ echo.Context, err error, stack []byte) error {
			return &panicError{err: err, stack: string(stack)}
		},
	})
}

// panicError is a recovered panic; the error table logs it with its stack.
type panicError struct {
	err   error
	stack string
}

func (e *panicError) Error() string { return "panic: " + e.err.Error() }

func (s *Server) cors() echo.MiddlewareFunc {
	return middleware.CORSWithConfig(middleware.CORSConfig{
		// An OPTIONS that is no preflight asks what is spoken of tus.
		Skipper: func(c echo.Context) bool {
			r := c.Request()
			return r.Method == http.MethodOptions && r.Header.Get(echo.HeaderAccessControlRequestMethod) == "" && isUpload(c.Path())
		},
		AllowOrigins: s.CORSOrigins,
		AllowMethods: []string{http.MethodGet, http.MethodPost, http.MethodPut, http.MethodPatch, http.MethodDelete},
		AllowHeaders: []string{
			"X-USER-ID", "Authorization", "Idempotency-Key", "Prefer", "Content-Type", "X-Request-ID", "If-Match", "If-None-Match", "Range", "If-Range",
			"Content-Encoding", "Content-Range", "Tus-Resumable", "Upload-Length", "Upload-Offset", "Upload-Metadata", "X-HTTP-Method-Override",
		},
		ExposeHeaders: []string{
			"Location", "Idempotent-Replayed", "Preference-Applied", "Retry-After", "WWW-Authenticate", "X-Request-ID", "Content-Disposition", "ETag",
			"X-Row-Count", "Accept-Ranges", "Content-Range", "Tus-Resumable", "Tus-Version", "Tus-Extension", "Tus-Max-Size",
			"Upload-Length", "Upload-Offset", "Upload-Metadata", "Upload-Expires",
		},
		MaxAge: 3600,
	})
}
