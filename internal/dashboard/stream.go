package dashboard

import (
	"context"
	"encoding/json"
	"fmt"
	"net/http"
	"time"

	"github.com/musterhq/muster/internal/apikey"
)

const (
	// lookEvery is the pause between two looks at what a page shows.
	lookEvery = time.Second
	// keepAlive is how long a stream is silent at most: proxies between may cut it after longer.
	keepAlive = 15 * time.Second
	// writeWithin is how long a client may take for one event.
	writeWithin = 10 * time.Second
)

// update is what has changed on a page: parts by their name, and the rows of the list by the id of their job.
type update struct {
	Parts map[string]string `json:"parts,omitempty"`
	Order []string          `json:"order"` // of the rows; null: as before
	Rows  map[string]string `json:"rows,omitempty"`
}

// events answers GET /dashboard/events: what a page shows, and then whatever changes of it.
func (d *Dashboard) events(w http.ResponseWriter, r *http.Request) error {
	k, counts := apikey.From(r.Context())
	if d.Sessions != nil && k == nil { // the page is from when somebody was signed in
		return newStream(w).write(signedOut)
	}
	owner, ok := d.signedIn(w, r)
	if !ok {
		return nil
	}
	key, look, err := d.look(owner, r)
	if err != nil {
		return err
	}
	select {
	case d.streams <- struct{}{}:
		defer func() { <-d.streams }()
	default:
		return &problem{http.StatusServiceUnavailable, "Too many pages are open. This one does not follow."}
	}
	ctx, cancel := d.Live(r.Context())
	defer cancel()
	followed, leave := d.followed.join(key, look, func(err error) {
		if explain(err).status == http.StatusInternalServerError { // the page says that the log has more
			d.Log.Error("page not followed", "err", err)
		}
	})
	defer leave()
	s := newStream(w)
	if s.write("retry: 2000\n\n") != nil {
		return nil
	}
	if _, isHead := w.(headWriter); isHead {
		return nil
	}
	for silent := time.Duration(0); ; {
		if counts != nil && !counts(ctx) {
			_ = s.write(signedOut)
			return nil
		}
		text := ""
		if now, err := followed.get(ctx); err == nil {
			text = s.changed(now)
		} else if ctx.Err() == nil {
			text = s.trouble(explain(err).text)
		}
		if text == "" && silent >= keepAlive {
			text = ": nothing new\n\n"
		}
		silent += lookEvery
		if text != "" {
			silent = 0
			if s.write(text) != nil {
				return nil // the client is gone
			}
		}
		select {
		case <-ctx.Done():
			return nil
		case <-time.After(lookEvery):
		}
	}
}

// page is all that a page shows that may change: parts by their name, and rows in their order.
type page struct {
	parts map[string]string
	order []string
	rows  map[string]string
}

// look returns what reads the page that a stream is of, and a key that only streams of the same page have.
func (d *Dashboard) look(owner string, r *http.Request) (key string, look func(context.Context) (*page, error), err error) {
	v := r.URL.Query()
	switch id := v.Get("job"); {
	case v.Get("fleet") != "":
		key, look = "fleet", func(ctx context.Context) (*page, error) {
			html, err := fragment("fleetlive", d.fleetPage(ctx, owner))
			return &page{parts: map[string]string{"fleet": html}}, err
		}
	case id != "":
		if _, err := d.get(r.Context(), owner, id); err != nil {
			return "", nil, err
		}
		mayMove := d.may(r, apikey.Write)
		key, look = fmt.Sprint("job ", id, mayMove), func(ctx context.Context) (*page, error) {
			p, err := d.jobPage(ctx, owner, id, mayMove)
			if err != nil {
				return nil, err
			}
			html, err := fragment("joblive", p)
			return &page{parts: map[string]string{"job": html}}, err
		}
	default:
		f, err := d.filterOf(owner, v)
		if err != nil {
			return "", nil, err
		}
		key, look = "list "+queryOf(f, d.Everybody, f.After).Encode(), func(ctx context.Context) (*page, error) {
			l, err := d.listing(ctx, owner, f)
			if err != nil {
				return nil, err
			}
			return l.page()
		}
	}
	return owner + " " + key, look, nil
}

func (l *listing) page() (p *page, err error) {
	p = &page{parts: map[string]string{}, rows: map[string]string{}, order: []string{}}
	for _, name := range []string{"summary", "slots", "pager"} {
		if p.parts[name], err = fragment(name, l); err != nil {
			return nil, err
		}
	}
	for i := range l.Rows {
		id := l.Rows[i].ID
		p.order = append(p.order, id)
		if p.rows[id], err = fragment("row", l.Rows[i]); err != nil {
			return nil, err
		}
	}
	return p, nil
}

// stream is an open stream, with what its page shows.
type stream struct {
	w    http.ResponseWriter
	rc   *http.ResponseController
	sent map[string]string // by part, and by id of row
	rows string            // the order of the rows
	said string            // what stands on the page about trouble; empty: nothing
}

// signedOut is the event after which a page has to be loaded anew, which asks to sign in.
const signedOut = "event: signedout\ndata: {}\n\n"

func newStream(w http.ResponseWriter) *stream {
	w.Header().Set("Content-Type", "text/event-stream")
	w.Header().Set("Cache-Control", "no-store")
	w.Header().Set("X-Accel-Buffering", "no") // nginx would collect the events
	return &stream{w: w, rc: http.NewResponseController(w), sent: map[string]string{}}
}

// trouble returns the event that shows why the page cannot be kept up to date; empty: it says so already.
func (s *stream) trouble(text string) string {
	if s.said == text {
		return ""
	}
	s.said = text
	return "event: trouble\ndata: " + string(quoted(text)) + "\n\n"
}

// changed returns the event that brings the page to now; empty: it shows that.
func (s *stream) changed(now *page) string {
	u := update{Parts: map[string]string{}, Rows: map[string]string{}}
	for name, html := range now.parts {
		if s.sent["part "+name] != html {
			u.Parts[name], s.sent["part "+name] = html, html
		}
	}
	order := fmt.Sprint(now.order)
	for _, id := range now.order {
		if s.sent[id] != now.rows[id] {
			u.Rows[id], s.sent[id] = now.rows[id], now.rows[id]
		}
	}
	if now.order != nil && (order != s.rows || len(u.Rows) > 0) {
		u.Order = now.order
		if order != s.rows {
			for id := range s.sent { // what has left the page has to be sent anew if it comes back
				if _, there := now.rows[id]; !there && isID(id, false) {
					delete(s.sent, id)
				}
			}
		}
		s.rows = order
	}
	over := s.said != "" // any update takes back what the page says about trouble
	s.said = ""
	if len(u.Parts)+len(u.Rows) == 0 && u.Order == nil && !over {
		return ""
	}
	return "event: update\ndata: " + string(quoted(u)) + "\n\n"
}

// quoted returns v as JSON, which has no line breaks.
func quoted(v any) []byte {
	b, _ := json.Marshal(v) // of these types Marshal cannot fail
	return b
}

func (s *stream) write(text string) error {
	_ = s.rc.SetWriteDeadline(time.Now().Add(writeWithin))
	if _, err := s.w.Write([]byte(text)); err != nil {
		return err
	}
	return s.rc.Flush()
}
