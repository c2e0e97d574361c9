package dashboard

import (
	"bytes"
	"fmt"
	"html/template"
	"net/http"
	"strconv"
	"strings"
	"time"

	"github.com/musterhq/muster/internal/apikey"
	"github.com/musterhq/muster/internal/job"
)

// frame is what every page has around it.
type frame struct {
	Title     string
	User      string // who is signed in; empty: nobody, or an operator
	FromProxy bool   // the proxy says who it is, so nobody signs out here
	Everybody bool
	API       string // where pages reach the API; empty: they do not
	MayImport bool
	Events    string // the address of the page's stream; empty: it has none
	Page      template.HTML
}

// render writes a page: the template of that name in the frame.
func (d *Dashboard) render(w http.ResponseWriter, r *http.Request, status int, name, title string, data any) error {
	return d.renderLive(w, r, status, name, title, "", data)
}

// renderLive is render for a page that follows a stream.
func (d *Dashboard) renderLive(w http.ResponseWriter, r *http.Request, status int, name, title, events string, data any) error {
	body, err := fragment(name, data)
	if err != nil {
		return err
	}
	f := frame{Title: title, Everybody: d.Everybody, API: d.apiRoot(), MayImport: d.may(r, apikey.Write), Events: events, Page: template.HTML(body)} //nolint:gosec // made by a template
	switch k, _ := apikey.From(r.Context()); {
	case d.Everybody:
	case k != nil:
		f.User = k.Owner
	case d.Sessions == nil:
		f.User, f.FromProxy = caller(r), fromProxy(r)
	}
	page, err := fragment("frame", f)
	if err != nil {
		return err
	}
	w.Header().Set("Content-Type", "text/html; charset=utf-8")
	w.WriteHeader(status)
	_, _ = w.Write([]byte(page)) // an error: the client is gone
	return nil
}

// apiRoot is where pages reach the API as their caller; empty: there is none.
func (d *Dashboard) apiRoot() string {
	switch {
	case d.API == nil:
		return ""
	case d.Sessions != nil:
		return apiPath + "v1"
	}
	return "/api/v1"
}

// fragment returns what a template makes of data.
func fragment(name string, data any) (string, error) {
	var b bytes.Buffer
	if err := templates.ExecuteTemplate(&b, name, data); err != nil {
		return "", fmt.Errorf("page %s: %w", name, err)
	}
	return b.String(), nil
}

// number writes n with thin spaces between its thousands.
func number(n any) string {
	text := fmt.Sprint(n)
	for i := len(text) - 3; i > 0 && text[i-1] != '-'; i -= 3 {
		text = text[:i] + "\u202f" + text[i:]
	}
	return text
}

func iso(t time.Time) string {
	if t.IsZero() {
		return ""
	}
	return t.UTC().Format(time.RFC3339)
}

func clock(t time.Time) string {
	if t.IsZero() {
		return "–"
	}
	return t.UTC().Format("2006-01-02 15:04:05") + " UTC"
}

// since writes a duration for people, in its two largest units.
func since(d time.Duration) string {
	d = d.Round(time.Second)
	switch {
	case d < time.Minute:
		return fmt.Sprintf("%d s", int(d.Seconds()))
	case d < time.Hour:
		return fmt.Sprintf("%d min %d s", int(d.Minutes()), int(d.Seconds())%60)
	}
	return fmt.Sprintf("%d h %d min", int(d.Hours()), int(d.Minutes())%60)
}

func seconds(d time.Duration) string { return strconv.FormatFloat(d.Seconds(), 'f', 1, 64) + " s" }

// short returns the end of a job's id, in which jobs of one moment differ.
func short(id string) string { return id[max(0, len(id)-12):] }

func lower(s job.Status) string { return strings.ToLower(strings.ReplaceAll(string(s), "_", " ")) }
