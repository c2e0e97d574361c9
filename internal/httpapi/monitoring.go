package httpapi

import (
	"bytes"
	"crypto/sha256"
	"crypto/subtle"
	"encoding/base64"
	"net/http"
	"net/url"
	"path"
	"regexp"
	"strings"

	"github.com/hibiken/asynq"
	"github.com/hibiken/asynqmon"
	"github.com/labstack/echo/v4"
)

// adminUser is the one user name of the admin pages.
const adminUser = "admin"

// Monitoring mounts asynqmon, the pages that show the queues.
type Monitoring struct {
	// Redis makes the client that the pages use. Closing it is up to the caller.
	Redis asynq.RedisConnOpt
	// Writable lets the pages delete, archive and run tasks.
	Writable bool
	// Prometheus is the address of one that has the queues' figures; empty: there are no plots.
	Prometheus string
}

const monitoringRoot = "/monitoring"

// mount serves the pages at monitoringRoot, which is the prefix of g.
func (m *Monitoring) mount(g *echo.Group) {
	pages := asynqmon.New(asynqmon.Options{RootPath: monitoringRoot, RedisConnOpt: m.Redis, ReadOnly: !m.Writable, PrometheusAddress: m.Prometheus})
	front, csp := frontPage(pages)
	h := func(c echo.Context) error {
		c.Response().Header().Set("Content-Security-Policy", csp)
		r := c.Request()
		if r.Method == http.MethodHead {
			r = r.Clone(r.Context()) // asynqmon knows GET only
			r.Method = http.MethodGet
		}
		// Whatever is neither data nor a file is the one page, which shows what its address says.
		if r.Method == http.MethodGet && !strings.HasPrefix(r.URL.Path, monitoringRoot+"/api/") && path.Ext(r.URL.Path) == "" {
			return c.HTMLBlob(http.StatusOK, front)
		}
		pages.ServeHTTP(c.Response(), r)
		return nil
	}
	g.Any("", h)
	g.Any("/*", h)
}

var (
	// foreignStyle is a style sheet, here a font, from another host. The page is readable without.
	foreignStyle = regexp.MustCompile(`<link [^>]*href="https?://[^>]*>`)
	inlineScript = regexp.MustCompile(`(?s)<script>(.*?)</script>`)
)

// frontPage returns the page of asynqmon without what it would load from other hosts, and the Content-Security-Policy
// that lets it work: its own inline scripts run, by their hashes, and no others.
func frontPage(pages http.Handler) (html []byte, csp string) {
	var w memory
	pages.ServeHTTP(&w, &http.Request{Method: http.MethodGet, URL: &url.URL{Path: monitoringRoot}})
	html = foreignStyle.ReplaceAll(w.Bytes(), nil)
	scripts := "script-src 'self'"
	for _, script := range inlineScript.FindAllSubmatch(html, -1) {
		hash := sha256.Sum256(script[1])
		scripts += " 'sha256-" + base64.StdEncoding.EncodeToString(hash[:]) + "'"
	}
	// Its library makes style elements while it runs, so there is no hash of them.
	return html, policy("default-src 'none'; " + scripts + "; style-src 'self' 'unsafe-inline'; img-src 'self' data:; " +
		"connect-src 'self'; manifest-src 'self'")
}

// memory is an answer that is kept.
type memory struct {
	bytes.Buffer
	header http.Header
}

func (m *memory) WriteHeader(int) {}

func (m *memory) Header() http.Header {
	if m.header == nil {
		m.header = http.Header{}
	}
	return m.header
}

func (s *Server) isAdmin(user, password string, _ echo.Context) (bool, error) {
	// Both comparisons always run and take the same time whatever is right.
	u := subtle.ConstantTimeCompare([]byte(user), []byte(adminUser))
	p := subtle.ConstantTimeCompare([]byte(password), []byte(s.AdminPassword))
	return u&p == 1, nil
}
