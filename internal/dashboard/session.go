package dashboard

import (
	"net/http"
	"time"

	"github.com/musterhq/muster/internal/job"
)

// Who the caller is: the header X-USER-ID, which a proxy sets, or else a cookie with the name that was typed in. Muster takes
// everybody's word for it, as the API does.

const sessionCookie = "muster_user"

// caller returns who asks; empty: nobody knows.
func caller(r *http.Request) string {
	if owner := r.Header.Get("X-USER-ID"); owner != "" {
		if job.ValidOwner(owner) {
			return owner
		}
		return ""
	}
	if c, err := r.Cookie(sessionCookie); err == nil && job.ValidOwner(c.Value) {
		return c.Value
	}
	return ""
}

// signedIn returns the caller, and shows the form to sign in when there is none.
func (d *Dashboard) signedIn(w http.ResponseWriter, r *http.Request) (owner string, ok bool) {
	if d.Everybody {
		return "", true
	}
	if owner = caller(r); owner != "" {
		return owner, true
	}
	_ = d.render(w, r, http.StatusOK, "signin", "Who are you?", r.URL.RequestURI())
	return "", false
}

// signIn keeps the name that was typed in.
func (d *Dashboard) signIn(w http.ResponseWriter, r *http.Request) error {
	owner := r.FormValue("user")
	if !job.ValidOwner(owner) {
		return &problem{http.StatusBadRequest, "A name has 1 to 64 letters, digits or . _ @ -"}
	}
	http.SetCookie(w, &http.Cookie{
		Name: sessionCookie, Value: owner, Path: Root, HttpOnly: true, SameSite: http.SameSiteStrictMode, Secure: r.TLS != nil, MaxAge: int((30 * 24 * time.Hour).Seconds()),
	})
	http.Redirect(w, r, Root, http.StatusSeeOther)
	return nil
}

func (d *Dashboard) signOut(w http.ResponseWriter, r *http.Request) error {
	http.SetCookie(w, &http.Cookie{Name: sessionCookie, Path: Root, HttpOnly: true, SameSite: http.SameSiteStrictMode, MaxAge: -1})
	http.Redirect(w, r, Root, http.StatusSeeOther)
	return nil
}
