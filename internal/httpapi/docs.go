package httpapi

import (
	_ "embed"
	"net/http"

	"github.com/labstack/echo/v4"
	"github.com/swaggest/swgui/v5emb"
)

//go:embed docs.html
var docsPage []byte

//go:embed docs.js
var docsScript []byte

// contract answers GET /openapi.json.
func (s *Server) contract(c echo.Context) error {
	return c.JSONBlob(http.StatusOK, s.specJSON)
}

// docs serves Swagger UI at /docs, from assets in the program. The page is our own, because the library's has inline
// scripts, which the Content-Security-Policy forbids.
func (s *Server) docs(e *echo.Echo) {
	// Swagger UI sets styles on elements and shows images from data: URLs.
	csp := policy("default-src 'none'; script-src 'self'; style-src 'self' 'unsafe-inline'; img-src 'self' data:; connect-src 'self'")
	g := e.Group("/docs", func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			c.Response().Header().Set("Content-Security-Policy", csp)
			c.Response().Header().Set("Cache-Control", "public, max-age=3600")
			return next(c)
		}
	})
	page := func(c echo.Context) error { return c.HTMLBlob(http.StatusOK, docsPage) }
	g.Match(read, "", page)
	g.Match(read, "/", page)
	g.Match(read, "/docs.js", func(c echo.Context) error { return c.Blob(http.StatusOK, "text/javascript; charset=utf-8", docsScript) })
	g.Match(read, "/*", echo.WrapHandler(v5emb.New("Muster", "/openapi.json", "/docs/")))
}
