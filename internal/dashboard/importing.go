package dashboard

import (
	"encoding/json"
	"net/http"
	"net/url"

	"github.com/musterhq/muster/internal/apikey"
)

// wizard is the page on which people import users. Its script shows how a file would be read and lets them correct that;
// without script a file is imported as it is guessed.
type wizard struct{ User string }

// importing answers GET /dashboard/import.
func (d *Dashboard) importing(w http.ResponseWriter, r *http.Request) error {
	owner, ok := d.signedInTo(w, r, apikey.Write)
	if !ok {
		return nil
	}
	return d.render(w, r, http.StatusOK, "import", "Import", wizard{User: owner})
}

// importFile answers POST /dashboard/import/file: a form with nothing but the file.
func (d *Dashboard) importFile(w http.ResponseWriter, r *http.Request) error {
	owner, ok := d.signedInTo(w, r, apikey.Write)
	if !ok {
		return nil
	}
	a, err := d.call(w, r, owner, http.MethodPost, "/import/file", r.Body, r.Header.Get("Content-Type"))
	return d.toJob(w, r, a, err)
}

// importUsers answers POST /dashboard/import/users: made-up ones.
func (d *Dashboard) importUsers(w http.ResponseWriter, r *http.Request) error {
	owner, ok := d.signedInTo(w, r, apikey.Write)
	if !ok {
		return nil
	}
	given, err := readForm(r)
	if err != nil {
		return err
	}
	asked := url.Values{}
	for _, name := range []string{"count", "source", "seed"} {
		if v := given.Get(name); v != "" {
			asked.Set(name, v)
		}
	}
	a, err := d.call(w, r, owner, http.MethodPost, "/users/import/async?"+asked.Encode(), nil, "")
	return d.toJob(w, r, a, err)
}

// toJob leads to the page of the job that was accepted.
func (d *Dashboard) toJob(w http.ResponseWriter, r *http.Request, a *apiAnswer, err error) error {
	if err != nil {
		return err
	}
	var accepted struct {
		JobID string `json:"jobId"`
	}
	if err := json.Unmarshal(a.body, &accepted); err != nil {
		return err
	}
	http.Redirect(w, r, Root+"/jobs/"+accepted.JobID, http.StatusSeeOther)
	return nil
}
