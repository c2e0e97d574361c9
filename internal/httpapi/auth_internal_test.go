package httpapi

import (
	"context"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/labstack/echo/v4"

	"github.com/musterhq/muster/internal/apikey"
)

type anybody struct{}

func (anybody) Key(context.Context, string, string) (*apikey.Key, error) {
	return &apikey.Key{Owner: "ada", Scopes: apikey.Scopes}, nil
}
func (anybody) Counts(context.Context, string) bool { return true }

// A route that the contract names no scope for is nobody's, whatever key is shown.
func TestRoutesWithoutAScopeAreRefused(t *testing.T) {
	t.Parallel()
	s, err := New(Config{Auth: anybody{}})
	if err != nil {
		t.Fatal(err)
	}
	e, needs := echo.New(), map[string]apikey.Scope{}
	e.HTTPErrorHandler = func(err error, c echo.Context) { _ = c.NoContent(explain(err).code.status()) }
	e.Use(s.authenticate(needs))
	ok := func(c echo.Context) error { return c.NoContent(http.StatusOK) }
	e.GET("/api/v1/jobs", ok)
	e.GET("/api/v1/forgotten", ok)
	e.DELETE("/api/v1/jobs", ok)
	e.GET("/healthz", ok)
	s.scopes(e.Routes(), needs)
	for request, want := range map[[2]string]int{
		{"GET", "/api/v1/jobs"}: 200, {"GET", "/api/v1/forgotten"}: 403, {"DELETE", "/api/v1/jobs"}: 403, {"GET", "/healthz"}: 200,
	} {
		r := httptest.NewRequestWithContext(t.Context(), request[0], request[1], http.NoBody)
		r.Header.Set("Authorization", "Bearer x")
		w := httptest.NewRecorder()
		if e.ServeHTTP(w, r); w.Code != want {
			t.Errorf("%v: %d, want %d", request, w.Code, want)
		}
	}
}
