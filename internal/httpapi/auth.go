package httpapi

import (
	"context"
	"errors"
	"io"
	"net/http"
	"strings"
	"time"

	"github.com/labstack/echo/v4"

	"github.com/musterhq/muster/internal/apikey"
)

// Authenticator tells who presents a key. Errors: apikey.ErrRefused, *apikey.TooManyError, those of the database.
type Authenticator interface {
	Key(ctx context.Context, text, addr string) (*apikey.Key, error)
	// Counts reports whether a key that counted still does.
	Counts(ctx context.Context, text string) bool
}

// scopeError: the key may not do what the operation does.
type scopeError struct{ scope apikey.Scope }

func (e scopeError) Error() string { return "the API key lacks the scope " + string(e.scope) }

// stillCounts is how often a key is looked at while its request runs.
const stillCounts = time.Second

// authenticate lets in who presents a key with the scope that the route needs, and makes its owner the caller, whatever
// X-USER-ID says. Routes that are not in needs pass: there is no operation behind them. needs is filled before the first
// request.
func (s *Server) authenticate(needs map[string]apikey.Scope) echo.MiddlewareFunc {
	return func(next echo.HandlerFunc) echo.HandlerFunc {
		return func(c echo.Context) error {
			scope, ours := needs[c.Request().Method+" "+c.Path()]
			if !ours {
				return next(c)
			}
			refuse := func(err error) error {
				if c.Request().ContentLength != 0 {
					c.Response().Header().Set("Connection", "close") // the rest of the body would be waited for
				}
				return err
			}
			k, counts, err := s.keyOf(c)
			if err != nil {
				return refuse(err)
			}
			if scope == "" { // nobody has said who may: nobody may
				return refuse(forbiddenError{"the contract names no scope for this operation"})
			}
			if !k.Has(scope) {
				return refuse(lacks(c, scope))
			}
			r := c.Request()
			r.Header.Set("X-USER-ID", k.Owner)
			c.Set(keyID, k.ID)
			c.Set(keyScopes, k)
			return whileItCounts(c, counts, next)
		}
	}
}

const (
	// challenge says how one is to prove who one is (RFC 6750, 3).
	challenge = `Bearer realm="muster"`
	// keyID is the place of the id of the caller's key in Echo's context.
	keyID = "muster.key"
	// keyScopes is the place of the key itself, for what depends on more than the route.
	keyScopes = "muster.keyScopes"
)

// lacks refuses a request whose key has not the scope.
func lacks(c echo.Context, scope apikey.Scope) error {
	c.Response().Header().Set(echo.HeaderWWWAuthenticate, challenge+`, error="insufficient_scope", scope="`+string(scope)+`"`)
	return scopeError{scope}
}

// keyOf returns the key of a request, the one that it presents or that of the page that asks in this process, and what
// tells whether it still counts.
func (s *Server) keyOf(c echo.Context) (k *apikey.Key, counts func(context.Context) bool, err error) {
	r := c.Request()
	if k, counts := apikey.From(r.Context()); k != nil {
		return k, counts, nil
	}
	sent := r.Header.Values(echo.HeaderAuthorization)
	if len(sent) == 0 {
		c.Response().Header().Set(echo.HeaderWWWAuthenticate, challenge)
		return nil, nil, apikey.ErrRefused
	}
	var text string
	if scheme, rest, _ := strings.Cut(sent[0], " "); len(sent) == 1 && strings.EqualFold(scheme, "Bearer") {
		text = strings.TrimSpace(rest)
	}
	k, err = s.Auth.Key(r.Context(), text, r.RemoteAddr)
	if errors.Is(err, apikey.ErrRefused) {
		c.Response().Header().Set(echo.HeaderWWWAuthenticate, challenge+`, error="invalid_token"`)
	}
	return k, func(ctx context.Context) bool { return s.Auth.Counts(ctx, text) }, err
}

// whileItCounts answers the request, and ends it when its key is revoked or expires meanwhile: exports, uploads and
// streams of events last.
func whileItCounts(c echo.Context, counts func(context.Context) bool, next echo.HandlerFunc) error {
	given := c.Request()
	ctx, cancel := context.WithCancelCause(given.Context())
	var look *time.Timer
	look = time.AfterFunc(time.Hour, func() {
		switch {
		case ctx.Err() != nil:
		case counts(ctx):
			look.Reset(stillCounts)
		default:
			cancel(apikey.ErrRefused)
		}
	})
	look.Reset(stillCounts) // not above, where look is not there yet
	defer func() {
		look.Stop()
		cancel(nil)
		c.SetRequest(given) // whose context has not ended: the log would say that the client is gone
	}()
	r := given.WithContext(ctx)
	if r.Body != nil && r.Body != http.NoBody {
		r.Body = endingBody{r.Body, ctx, c.Response().Header()}
	}
	c.SetRequest(r)
	err := next(c)
	if err != nil && errors.Is(context.Cause(ctx), apikey.ErrRefused) {
		return apikey.ErrRefused
	}
	return err
}

// endingBody is a body that ends with its request: reads do not look at the context.
type endingBody struct {
	io.ReadCloser
	ctx    context.Context //nolint:containedctx // of the request whose body it is
	answer http.Header
}

func (b endingBody) Read(p []byte) (int, error) {
	if cause := context.Cause(b.ctx); errors.Is(cause, apikey.ErrRefused) {
		b.answer.Set("Connection", "close") // the rest would be waited for
		return 0, cause
	}
	return b.ReadCloser.Read(p)
}

// scopes says which scope each route of the API needs, by method and path, as the contract names it; empty: it does not. A route that
// is open to all is left out.
func (s *Server) scopes(routes []*echo.Route, needs map[string]apikey.Scope) {
	for _, r := range routes {
		if _, ours := inContract(r.Path); !ours || r.Method == http.MethodOptions { // which tells anybody what is spoken
			continue
		}
		if scope, open := s.scopeOf(r.Method, r.Path); !open {
			needs[r.Method+" "+r.Path] = scope
		}
	}
}

// scopeOf returns the scope that a route needs, empty: the contract names none; open: it says that anybody may.
func (s *Server) scopeOf(method, route string) (scope apikey.Scope, open bool) {
	_, item, op := s.operationOf(method, route)
	if op == nil {
		if item == nil {
			return "", false
		}
		scope, _ := item.Extensions["x-scope"].(string) // of tus, which has no operations
		return apikey.Scope(scope), false
	}
	if op.Security != nil && len(*op.Security) == 0 { // such as a link that is signed
		return "", true
	}
	if op.Security == nil || len(*op.Security) != 1 || len((*op.Security)[0]["apiKey"]) != 1 {
		return "", false
	}
	return apikey.Scope((*op.Security)[0]["apiKey"][0]), false
}
