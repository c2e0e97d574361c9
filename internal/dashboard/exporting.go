package dashboard

import (
	"encoding/json"
	"net/http"
	"net/url"
	"time"

	"github.com/musterhq/muster/internal/apikey"
	"github.com/musterhq/muster/internal/job"
)

// export answers POST /dashboard/exports: all users of a search are to be written to files, as a job.
func (d *Dashboard) export(w http.ResponseWriter, r *http.Request) error {
	owner, ok := d.signedInTo(w, r, apikey.Export)
	if !ok {
		return nil
	}
	given, err := readForm(r)
	if err != nil {
		return err
	}
	asked := url.Values{}
	for _, name := range append([]string{"format"}, conditions...) {
		if v := given.Get(name); v != "" && name != "sortBy" && name != "direction" {
			asked.Set(name, v)
		}
	}
	a, err := d.call(w, r, owner, http.MethodPost, "/exports?"+asked.Encode(), nil, "")
	return d.toJob(w, r, a, err)
}

// exported is the page with the files of an export.
type exported struct {
	ID       string    `json:"jobId"`
	Rows     int64     `json:"rows"`
	Bytes    int64     `json:"bytes"`
	Expires  time.Time `json:"expiresAt"`
	Manifest string    `json:"manifestUrl"`
	Files    []struct {
		Name   string `json:"name"`
		Rows   int64  `json:"rows"`
		Bytes  int64  `json:"bytes"`
		SHA256 string `json:"sha256"`
		URL    string `json:"url"`
	} `json:"files"`
}

// files answers GET /dashboard/jobs/{id}/files. The links are made anew each time, so the page is none that is followed.
func (d *Dashboard) files(w http.ResponseWriter, r *http.Request) error {
	owner, ok := d.signedInTo(w, r, apikey.Export)
	if !ok {
		return nil
	}
	id := r.PathValue("id")
	if len(id) != 36 || !isID(id, false) {
		return job.ErrNotFound
	}
	a, err := d.call(w, r, owner, http.MethodGet, "/exports/"+id+"/files", nil, "")
	if err != nil {
		return err
	}
	var e exported
	if err := json.Unmarshal(a.body, &e); err != nil {
		return err
	}
	return d.render(w, r, http.StatusOK, "files", "Files of export "+short(id), &e)
}
