package dashboard

import (
	"bytes"
	"encoding/json"
	"io"
	"net/http"
)

// apiAnswer is what the API has answered to a page.
type apiAnswer struct {
	status int
	body   []byte
}

// call asks the API, in this process, as the caller of r. Errors are those of the API, for the reader of the page.
func (d *Dashboard) call(w http.ResponseWriter, r *http.Request, owner, method, target string, body io.Reader, kind string) (*apiAnswer, error) {
	req, err := http.NewRequestWithContext(r.Context(), method, "/api/v1"+target, body)
	if err != nil {
		return nil, err
	}
	if body == nil {
		req.Body = http.NoBody
	}
	req.Host, req.RemoteAddr, req.TLS, req.RequestURI = r.Host, r.RemoteAddr, r.TLS, req.URL.RequestURI()
	req.Header.Set("X-USER-ID", owner)
	if id := w.Header().Get("X-Request-ID"); id != "" {
		req.Header.Set("X-Request-ID", id)
	}
	if kind != "" {
		req.Header.Set("Content-Type", kind)
		req.ContentLength = r.ContentLength
	}
	kept := &recorder{w: w, header: http.Header{}, status: http.StatusOK}
	d.API.ServeHTTP(kept, req)
	if kept.status >= http.StatusBadRequest {
		return nil, refusal(kept)
	}
	return &apiAnswer{kept.status, kept.body.Bytes()}, nil
}

// refusal returns the error of the API as a problem.
func refusal(kept *recorder) error {
	var e struct {
		Message string `json:"message"`
		Details struct {
			FieldErrors []struct {
				Field   string `json:"field"`
				Message string `json:"message"`
			} `json:"fieldErrors"`
		} `json:"details"`
	}
	if err := json.Unmarshal(kept.body.Bytes(), &e); err != nil || e.Message == "" {
		return &problem{kept.status, "That is not possible now."}
	}
	text := e.Message
	for _, f := range e.Details.FieldErrors {
		if fault := f.Field + " " + f.Message; fault != e.Message { // of one field, the message says it
			text += "; " + fault
		}
	}
	return &problem{kept.status, text + "."}
}

// recorder keeps an answer. Deadlines are those of the connection of the page.
type recorder struct {
	w      http.ResponseWriter
	header http.Header
	status int
	body   bytes.Buffer
}

func (a *recorder) Header() http.Header { return a.header }

func (a *recorder) WriteHeader(status int) { a.status = status }

func (a *recorder) Write(p []byte) (int, error) { return a.body.Write(p) }

// Unwrap is for http.ResponseController.
func (a *recorder) Unwrap() http.ResponseWriter { return a.w }
