package client_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	"github.com/google/uuid"

	"github.com/musterhq/muster/client"
)

func open(t *testing.T, h http.HandlerFunc) *client.ClientWithResponses {
	t.Helper()
	srv := httptest.NewServer(h)
	t.Cleanup(srv.Close)
	c, err := client.Open(srv.URL + "/")
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// An error of the API comes back with its code, its fields and its wait.
func TestErrorsAreValues(t *testing.T) {
	t.Parallel()
	c := open(t, func(w http.ResponseWriter, _ *http.Request) {
		w.Header().Set("Content-Type", "application/json")
		w.Header().Set("Retry-After", "7")
		w.WriteHeader(http.StatusTooManyRequests)
		_, _ = w.Write([]byte(`{"code":"tier_limit_reached","message":"XL is full","details":{"fieldErrors":[{"field":"count","message":"is much"},{"field":"nat","message":"is odd"}]}}`))
	})
	_, err := client.Check(c.ImportBulk(t.Context(), &client.ImportBulkParams{UserID: "ann", Count: 1}))
	var api *client.APIError
	if !errors.As(err, &api) {
		t.Fatalf("%v is no APIError", err)
	}
	want := "XL is full; count is much; nat is odd (try again in 7s)"
	if api.Status != 429 || api.Answer.Code != "tier_limit_reached" || api.RetryAfter != 7*time.Second || err.Error() != want {
		t.Errorf("%+v, text %q, want %q", api, err, want)
	}
}

// The address of the API, as people write it.
func TestServer(t *testing.T) {
	t.Parallel()
	for server, want := range map[string]string{
		"http://h:8080":          "http://h:8080/api/v1/",
		"https://h/":             "https://h/api/v1/",
		"127.0.0.1:8080":         "http://127.0.0.1:8080/api/v1/",
		"localhost":              "http://localhost/api/v1/",
		"[::1]:8080/":            "http://[::1]:8080/api/v1/",
		"h:1/api":                "http://h:1/api/v1/",
		"http://h:1/api/v1":      "http://h:1/api/v1/",
		"http://h:1/api/v1//":    "http://h:1/api/v1/",
		"http://u:p@h/behind/it": "http://u:p@h/behind/it/api/v1/",
		"http://h/api/api/v1":    "http://h/api/api/v1/",
	} {
		c, err := client.Open(server)
		if err != nil {
			t.Errorf("%q: %v", server, err)
			continue
		}
		if got := c.ClientInterface.(*client.Client).Server; got != want {
			t.Errorf("%q is %q, want %q", server, got, want)
		}
	}
	for _, bad := range []string{"", ":8080", "http://", "ftp://u:secret@h", "http://h:port", "u:secret@h:x", "http://h/?a", "http://h/#secret"} {
		if _, err := client.Open(bad); err == nil || !strings.Contains(err.Error(), "http://host:port") || strings.Contains(err.Error(), "secret") {
			t.Errorf("%q: %v", bad, err)
		}
	}
}

// What answers may not be Muster at all.
func TestForeignAnswer(t *testing.T) {
	t.Parallel()
	c := open(t, func(w http.ResponseWriter, _ *http.Request) {
		http.Error(w, "<html>", http.StatusBadGateway)
	})
	if _, err := client.Check(c.ImportBulk(t.Context(), &client.ImportBulkParams{UserID: "ann", Count: 1})); err == nil || err.Error() != "502 Bad Gateway" {
		t.Errorf("error %v", err)
	}
}

func TestWait(t *testing.T) {
	t.Parallel()
	answers := []string{"PENDING", "IN_PROGRESS", "COMPLETED"}
	asked := 0
	c := open(t, func(w http.ResponseWriter, r *http.Request) {
		if r.Header.Get("X-USER-ID") != "ann" || r.URL.Path != "/api/v1/jobs/"+uuid.Nil.String() {
			t.Errorf("asked for %s as %q", r.URL.Path, r.Header.Get("X-USER-ID"))
		}
		w.Header().Set("Content-Type", "application/json")
		_, _ = w.Write([]byte(`{"status":"` + answers[asked] + `","finishedAt":null}`))
		asked++
	})
	var seen []string
	j, err := c.Wait(t.Context(), "ann", uuid.Nil, func(j *client.Job) { seen = append(seen, string(j.Status)) })
	if err != nil || j.Status != client.COMPLETED {
		t.Fatalf("%+v, %v", j, err)
	}
	if diff := cmp.Diff(answers, seen); diff != "" {
		t.Errorf("shown (-want +got):\n%s", diff)
	}
	asked = 0
	ctx, cancel := context.WithCancel(t.Context())
	if _, err := c.Wait(ctx, "ann", uuid.Nil, func(*client.Job) { cancel() }); !errors.Is(err, context.Canceled) {
		t.Errorf("cancelled: %v", err)
	}
}
