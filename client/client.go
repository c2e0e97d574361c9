// Package client calls Muster's HTTP API. client.gen.go is generated from the contract in api/openapi.yaml; the rest is
// what every caller wants: errors as values, waiting for a job. The two stand in one package, so that a caller imports one
// and finds client.Job beside client.Client.
package client

//go:generate go tool -modfile=../tools/go.mod oapi-codegen -config=../api/client.yaml ../api/openapi.yaml

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net/http"
	"net/url"
	"strconv"
	"strings"
	"time"
)

// APIError is an answer with another status than 2xx.
type APIError struct {
	Status     int           // of HTTP
	Answer     Error         // its body; only Message is set when the answer did not come from Muster
	RetryAfter time.Duration // 0 when the server names none
}

func (e *APIError) Error() string {
	text := e.Answer.Message
	// The message of a single bad field names it already.
	if d := e.Answer.Details; d != nil && d.FieldErrors != nil && len(*d.FieldErrors) > 1 {
		for _, f := range *d.FieldErrors {
			text += "; " + f.Field + " " + f.Message
		}
	}
	if e.RetryAfter > 0 {
		text += fmt.Sprintf(" (try again in %s)", e.RetryAfter)
	}
	return text
}

// Open returns a client of the API at server, such as http://127.0.0.1:8080. Without a scheme it means HTTP; /api or
// /api/v1 at its end may be there or not. It fails on what is no address; the error does not repeat a password.
func Open(server string, opts ...ClientOption) (*ClientWithResponses, error) {
	if !strings.Contains(server, "://") {
		server = "http://" + server
	}
	u, err := url.Parse(server)
	if err != nil || u.Scheme != "http" && u.Scheme != "https" || u.Hostname() == "" || strings.ContainsAny(server, "?#") {
		return nil, errors.New("the address of the API wants the form http://host:port")
	}
	path := strings.TrimRight(u.Path, "/")
	if !strings.HasSuffix(path, "/api/v1") {
		path = strings.TrimSuffix(path, "/api") + "/api/v1"
	}
	u.Path, u.RawPath = path, ""
	return NewClientWithResponses(u.String(), opts...)
}

// WithKey presents an API key with each request, where the API asks for one: whose key it is is the caller then, and the user IDs of the
// methods are not looked at.
func WithKey(key string) ClientOption {
	return WithRequestEditorFn(func(_ context.Context, req *http.Request) error {
		req.Header.Set("Authorization", "Bearer "+key)
		return nil
	})
}

// maxErrorBody bounds what is read of an answer that is not a success.
const maxErrorBody = 1 << 20

// Check returns resp, or an *APIError when its status is not 2xx, and closes the body then. It takes the results of
// the generated methods that leave the body to the caller.
func Check(resp *http.Response, err error) (*http.Response, error) {
	if err != nil || resp.StatusCode < 300 {
		return resp, err
	}
	defer func() { _ = resp.Body.Close() }()
	body, err := io.ReadAll(io.LimitReader(resp.Body, maxErrorBody))
	if err != nil {
		return nil, fmt.Errorf("read the answer %s: %w", resp.Status, err)
	}
	return nil, Failure(resp, body)
}

// Failure returns the *APIError of a response whose body was read, and whose status is not the one that was hoped for.
func Failure(resp *http.Response, body []byte) error {
	e := &APIError{Status: resp.StatusCode}
	if json.Unmarshal(body, &e.Answer) != nil || e.Answer.Message == "" {
		e.Answer = Error{Message: resp.Status}
	}
	if s, err := strconv.Atoi(resp.Header.Get("Retry-After")); err == nil {
		e.RetryAfter = time.Duration(s) * time.Second
	}
	return e
}

// Wait polls the job until it is over, calls show with each state that it sees, and returns the last one. The interval
// grows to a second, so that thousands of waiting clients cost little. Errors: *APIError, that of ctx.
func (c *ClientWithResponses) Wait(ctx context.Context, userID string, jobID JobID, show func(*Job)) (*Job, error) {
	for pause := 20 * time.Millisecond; ; pause = min(pause*5/4, time.Second) {
		r, err := c.GetJobWithResponse(ctx, jobID, &GetJobParams{UserID: userID})
		if err != nil {
			return nil, err
		}
		if r.JSON200 == nil {
			return nil, Failure(r.HTTPResponse, r.Body)
		}
		show(r.JSON200)
		switch r.JSON200.Status {
		case COMPLETED, FAILED, CANCELLED:
			return r.JSON200, nil
		}
		select {
		case <-ctx.Done():
			return nil, ctx.Err()
		case <-time.After(pause):
		}
	}
}
