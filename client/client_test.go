package client_test

import (
	"context"
	"errors"
	"net/http"
	"net/http/httptest"
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
