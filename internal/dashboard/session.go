package dashboard

import (
	"net/http"
	"net/url"
	"path"
	"strings"
	"time"

	"github.com/musterhq/muster/internal/apikey"
	"github.com/musterhq/muster/internal/job"
)

// Who the caller is: the header X-USER-ID, which a proxy sets, or else a cookie with the name that was typed in. Muster takes
// everybody's word for it, as the API does.

const (
	sessionCookie = "muster_user"
	ownerHeader   = "X-User-Id"
)

// fromProxy reports whether the request names its caller. The cookie does not count then, even if the header is empty: a
// proxy may mean that it knows nobody.
func fromProxy(r *http.Request) bool { return len(r.Header[ownerHeader]) > 0 }

// caller returns who asks; empty: nobody knows, or the header is none that the API would take.
func caller(r *http.Request) string {
	if sent := r.Header[ownerHeader]; len(sent) > 0 {
		if len(sent) == 1 && job.ValidOwner(sent[0]) { // of two, one may be the proxy's and one not
			return sent[0]
		}
		return ""
	}
	if c, err := r.Cookie(sessionCookie); err == nil && job.ValidOwner(c.Value) {
		return c.Value
	}
	return ""
}

// signedIn returns the caller, and shows the form to sign in, or what is wrong with the header, when there is none.
func (d *Dashboard) signedIn(w http.ResponseWriter, r *http.Request) (owner string, ok bool) {
	return d.signedInTo(w, r, apikey.Read)
}

// signedInTo is signedIn for what needs another scope than read.
func (d *Dashboard) signedInTo(w http.ResponseWriter, r *http.Request, s apikey.Scope) (owner string, ok bool) {
	if d.Everybody {
		return "", true
	}
	if d.Sessions != nil {
		return d.keySignedIn(w, r, s)
	}
	if owner = caller(r); owner != "" {
		return owner, true
	}
	if fromProxy(r) {
		d.fail(w, r, &problem{http.StatusBadRequest, "The header X-USER-ID, which a proxy has set, must be one name of 1 to 64 letters, digits or . _ @ -"})
		return "", false
	}
	then := Root
	if r.Method == http.MethodGet {
		then = r.URL.RequestURI()
	}
	_ = d.render(w, r, http.StatusOK, "signin", "Who are you?", then)
	return "", false
}

// signIn keeps the name that was typed in, and goes on to the page that was asked for.
func (d *Dashboard) signIn(w http.ResponseWriter, r *http.Request) error {
	v, err := readForm(r)
	if err != nil {
		return err
	}
	owner, then := v.Get("user"), v.Get("then")
	if !job.ValidOwner(owner) {
		return &problem{http.StatusBadRequest, "A name has 1 to 64 letters, digits or . _ @ -"}
	}
	then = local(then)
	// Not Strict: who follows a link to a job from a message would have to sign in each time. What changes something is
	// refused to other origins all the same.
	http.SetCookie(w, &http.Cookie{
		Name: sessionCookie, Value: owner, Path: Root, HttpOnly: true, SameSite: http.SameSiteLaxMode, Secure: r.TLS != nil, MaxAge: int((30 * 24 * time.Hour).Seconds()),
	})
	http.Redirect(w, r, then, http.StatusSeeOther)
	return nil
}

// local returns an address that is one of the pages, or else that of the first: not where another site wants people to go.
func local(then string) string {
	// Browsers take a backslash for a slash, and two of them for the beginning of a host.
	if u, err := url.Parse(then); err != nil || strings.Contains(then, `\`) || !strings.HasPrefix(then, Root) || u.IsAbs() || u.Host != "" || path.Clean(u.Path) != Root && !strings.HasPrefix(path.Clean(u.Path), Root+"/") {
		return Root
	}
	return then
}

func (d *Dashboard) signOut(w http.ResponseWriter, r *http.Request) error {
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Path: Root, HttpOnly: true, SameSite: http.SameSiteLaxMode, MaxAge: -1})
	http.Redirect(w, r, Root, http.StatusSeeOther)
	return nil
}
