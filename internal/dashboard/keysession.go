package dashboard

import (
	"context"
	"errors"
	"net/http"
	"net/url"
	"strings"

	"github.com/musterhq/muster/internal/apikey"
)

// Where the API asks for keys, people sign in with one. The browser keeps the token of a session, and the database which
// key that is of, so that it ends with the key.

// Sessions are of people who have signed in with a key. Errors: apikey.ErrRefused, *apikey.TooManyError, those of the
// database.
type Sessions interface {
	// SignIn begins a session, and ends the one whose token is before.
	SignIn(ctx context.Context, key, addr, before string) (token string, k *apikey.Key, err error)
	Session(ctx context.Context, token string) (*apikey.Key, error)
	SignOut(ctx context.Context, token string) error
}

const (
	tokenCookie = "muster_session"
	// goOnPath leads on from the page that who comes from another site gets first.
	goOnPath = Root + "/go"
	// apiPath is where pages reach the API as who is signed in: scripts do not see the cookie, and have no key.
	apiPath = Root + "/api/"
)

// token returns the token of the request's session; empty: it sends none.
func token(r *http.Request) string {
	c, err := r.Cookie(tokenCookie)
	if err != nil {
		return ""
	}
	return c.Value
}

// withKey returns the request with the key that its caller signed in with, if they did.
func (d *Dashboard) withKey(r *http.Request) (*http.Request, error) {
	t := token(r)
	if t == "" {
		return r, nil
	}
	k, err := d.Sessions.Session(r.Context(), t)
	if errors.Is(err, apikey.ErrRefused) {
		return r, nil
	}
	if err != nil {
		return r, err
	}
	return r.WithContext(apikey.With(r.Context(), k, func(ctx context.Context) bool {
		_, err := d.Sessions.Session(ctx, t)
		return !errors.Is(err, apikey.ErrRefused)
	})), nil
}

// may reports whether who is signed in may do what the scope says.
func (d *Dashboard) may(r *http.Request, s apikey.Scope) bool {
	k, _ := apikey.From(r.Context())
	return d.Sessions == nil || k != nil && k.Has(s)
}

// lacks is the error of who may not.
func lacks(s apikey.Scope) error {
	return &problem{http.StatusForbidden, "The key that you signed in with lacks the scope " + string(s) + "."}
}

// keySignedIn returns the caller, or asks for a key.
func (d *Dashboard) keySignedIn(w http.ResponseWriter, r *http.Request, s apikey.Scope) (owner string, ok bool) {
	k, _ := apikey.From(r.Context())
	switch {
	case k == nil && token(r) == "" && r.Method == http.MethodGet && fromElsewhere(r):
		// The cookie does not come with a link that another site, or a message, has led here by; with the next one, from this
		// page, it does.
		v := url.Values{"then": {r.URL.RequestURI()}}
		_ = d.render(w, r, http.StatusOK, "goon", "One moment", goOnPath+"?"+v.Encode())
	case k == nil:
		d.askForKey(w, r, http.StatusOK, "", r.URL.RequestURI())
	case !k.Has(s):
		d.fail(w, r, lacks(s))
	default:
		return k.Owner, true
	}
	return "", false
}

// fromElsewhere reports whether the browser may have left out a cookie that it has: another site led here, or it does not say.
func fromElsewhere(r *http.Request) bool {
	site := r.Header.Get("Sec-Fetch-Site")
	return site != "same-origin" && site != "none"
}

// goOn answers GET /dashboard/go, which only a page of ours leads to: what has no cookie now has none.
func (d *Dashboard) goOn(w http.ResponseWriter, r *http.Request) error {
	then := r.URL.Query().Get("then")
	if token(r) == "" {
		d.askForKey(w, r, http.StatusOK, "", then)
		return nil
	}
	http.Redirect(w, r, local(then), http.StatusSeeOther)
	return nil
}

// keyForm is the form to sign in.
type keyForm struct{ Then, Problem string }

func (d *Dashboard) askForKey(w http.ResponseWriter, r *http.Request, status int, trouble, then string) {
	if r.Method != http.MethodGet && r.URL.Path != signInPath {
		then = Root
	}
	if status == http.StatusUnauthorized {
		w.Header().Set("WWW-Authenticate", `Bearer realm="muster"`)
	}
	_ = d.render(w, r, status, "signinkey", "Sign in", keyForm{local(then), trouble})
}

// signInWithKey begins a session, and goes on to the page that was asked for.
func (d *Dashboard) signInWithKey(w http.ResponseWriter, r *http.Request) error {
	v, err := readForm(r)
	if err != nil {
		return err
	}
	t, k, err := d.Sessions.SignIn(r.Context(), strings.TrimSpace(v.Get("key")), r.RemoteAddr, token(r))
	if err != nil {
		if p := explain(err); p.status == http.StatusUnauthorized || p.status == http.StatusTooManyRequests {
			d.askForKey(w, r, p.status, p.text, v.Get("then"))
			return nil
		}
		return err
	}
	if !k.Has(apikey.Read) {
		if err := d.Sessions.SignOut(r.Context(), t); err != nil {
			return err
		}
		d.askForKey(w, r, http.StatusForbidden, "That key lacks the scope read, which the pages need.", v.Get("then"))
		return nil
	}
	http.SetCookie(w, keyCookie(r, t, int(apikey.SessionLasts.Seconds())))
	http.Redirect(w, r, local(v.Get("then")), http.StatusSeeOther)
	return nil
}

func (d *Dashboard) signOutOfKey(w http.ResponseWriter, r *http.Request) error {
	if t := token(r); t != "" {
		if err := d.Sessions.SignOut(r.Context(), t); err != nil {
			return err
		}
	}
	http.SetCookie(w, keyCookie(r, "", -1))
	http.Redirect(w, r, Root, http.StatusSeeOther)
	return nil
}

func keyCookie(r *http.Request, value string, age int) *http.Cookie {
	// Whoever sends this header without TLS harms only themselves.
	tls := r.TLS != nil || strings.EqualFold(r.Header.Get("X-Forwarded-Proto"), "https")
	return &http.Cookie{Name: tokenCookie, Value: value, Path: Root, HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: tls, MaxAge: age}
}

// throughAPI answers what pages ask of the API, as it does; that it wants a key, it says itself.
func (d *Dashboard) throughAPI(w http.ResponseWriter, r *http.Request) {
	if d.API == nil {
		d.fail(w, r, &problem{http.StatusNotFound, "There is no such page."})
		return
	}
	r, err := d.withKey(r)
	if err != nil {
		d.fail(w, r, err)
		return
	}
	asked := r.Clone(r.Context())
	asked.URL.Path, asked.URL.RawPath = strings.TrimPrefix(r.URL.Path, Root), ""
	asked.Header.Del("Cookie")
	if request := w.Header().Get("X-Request-ID"); request != "" { // the API would make another
		asked.Header.Set("X-Request-ID", request)
	}
	d.API.ServeHTTP(w, asked)
}
