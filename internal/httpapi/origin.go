package httpapi

import (
	"net"
	"net/http"
	"strings"

	"github.com/labstack/echo/v4"
)

// forbiddenError: the request comes from where it must not, or under a name that is not ours.
type forbiddenError struct{ why string }

func (e forbiddenError) Error() string { return e.why }

// sameOrigin refuses what a page of another origin would change by the browser of somebody who reaches us: browsers
// send such requests, and the user's passwords with them, and only keep the page from reading the answer. Pages that
// CORS lets in may.
//
// A browser that does not say Sec-Fetch-Site, because it is old or the connection is not encrypted, is judged by
// whether its Origin is our Host; not behind a proxy, which may have put a name of its own there.
func sameOrigin(proxied bool) echo.MiddlewareFunc {
	protection := http.NewCrossOriginProtection()
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			r := c.Request()
			invited := c.Response().Header().Get(echo.HeaderAccessControlAllowOrigin) != ""
			unknown := proxied && r.Header.Get("Sec-Fetch-Site") == ""
			if !invited && !unknown && protection.Check(r) != nil {
				return forbiddenError{"a page of another origin may not change anything here"}
			}
			return next(c)
		}
	}
}

// loopbackNames refuses requests for a host that is not this machine. A page can let the name that it came from be
// resolved to 127.0.0.1 (DNS rebinding) and is then of the same origin as a listener on loopback, which shows itself to
// all who reach it. Browsers always name the host, so a request without one passes.
func loopbackNames(next echo.HandlerFunc) echo.HandlerFunc {
	return func(c echo.Context) error {
		if host := c.Request().Host; host != "" && !isLoopback(host) {
			return forbiddenError{"this listener answers only for localhost and addresses of loopback, whatever the port; see docs/operations.md"}
		}
		return next(c)
	}
}

// isLoopback reports whether a Host header, with or without a port, means the machine that it is sent from: an address
// of loopback, or localhost and names below it, which browsers never look up elsewhere (RFC 6761, 6.3).
func isLoopback(host string) bool {
	if name, port, err := net.SplitHostPort(host); err == nil && strings.Trim(port, "0123456789") == "" {
		host = name
	}
	host = strings.TrimSuffix(strings.TrimPrefix(host, "["), "]")
	if ip := net.ParseIP(host); ip != nil {
		return ip.IsLoopback()
	}
	host = strings.TrimSuffix(strings.ToLower(host), ".")
	return host == "localhost" || strings.HasSuffix(host, ".localhost")
}
