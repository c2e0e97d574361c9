package httpapi_test

import (
	"bufio"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync"
	"testing"
	"time"
)

// raw sends bytes that no HTTP client would and returns the status codes of all answers until the server closes, or is
// silent for a second.
func raw(t *testing.T, addr, request string) (statuses []int) {
	t.Helper()
	c, err := net.Dial("tcp", addr)
	if err != nil {
		t.Fatal(err)
	}
	defer func() { _ = c.Close() }()
	if _, err := io.WriteString(c, request); err != nil {
		t.Fatal(err)
	}
	in := bufio.NewReader(c)
	for {
		_ = c.SetReadDeadline(time.Now().Add(time.Second))
		resp, err := http.ReadResponse(in, nil)
		if err != nil {
			return statuses
		}
		_, _ = io.Copy(io.Discard, resp.Body)
		_ = resp.Body.Close()
		statuses = append(statuses, resp.StatusCode)
	}
}

// A request that two servers could read differently must not be answered as two.
func TestSmuggledRequestsAreRefused(t *testing.T) {
	t.Parallel()
	a := newAPI(t, newFakes(), nil)
	addr := strings.TrimPrefix(a.url, "http://")
	const inner = "GET /healthz HTTP/1.1\r\nHost: x\r\n\r\n"
	for name, request := range map[string]string{
		"two lengths":          "POST /api/v1/users HTTP/1.1\r\nHost: x\r\nContent-Length: 0\r\nContent-Length: 35\r\n\r\n" + inner,
		"length with a sign":   "POST /api/v1/users HTTP/1.1\r\nHost: x\r\nContent-Length: +0\r\n\r\n" + inner,
		"unknown encoding":     "POST /api/v1/users HTTP/1.1\r\nHost: x\r\nTransfer-Encoding: xchunked\r\n\r\n" + inner,
		"space before a colon": "POST /api/v1/users HTTP/1.1\r\nHost: x\r\nTransfer-Encoding : chunked\r\n\r\n" + inner,
		"two hosts":            "GET /healthz HTTP/1.1\r\nHost: x\r\nHost: y\r\n\r\n" + inner,
		"chunk of a bad size":  "POST /api/v1/users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nTransfer-Encoding: chunked\r\n\r\n-1\r\n\r\n" + inner,
		"headers too large":    "GET /healthz HTTP/1.1\r\nHost: x\r\nX-A: " + strings.Repeat("a", 64<<10) + "\r\n\r\n" + inner,
	} {
		got := raw(t, addr, request)
		if len(got) != 1 || got[0] < 400 || got[0] >= 600 {
			t.Errorf("%s: answers %v, want one refusal", name, got)
		}
	}
}

// Clients that never finish a request must not keep the others from being served, and are sent away.
func TestSlowClientsHurtNobody(t *testing.T) {
	t.Parallel()
	if testing.Short() {
		t.Skip("waits for the server's own deadlines")
	}
	a := newAPI(t, newFakes(), nil)
	addr := strings.TrimPrefix(a.url, "http://")
	var gone sync.WaitGroup
	for i := range 500 {
		c, err := net.Dial("tcp", addr)
		if err != nil {
			t.Fatal(err)
		}
		t.Cleanup(func() { _ = c.Close() })
		request := "GET /healthz HTTP/1.1\r\nHost: x\r\nX-Slow: "
		if i%2 == 0 {
			request = "POST /api/v1/users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: 100000\r\n\r\n{"
		}
		if _, err := io.WriteString(c, request); err != nil {
			t.Fatal(err)
		}
		gone.Go(func() {
			_ = c.SetReadDeadline(time.Now().Add(40 * time.Second))
			if _, err := io.Copy(io.Discard, c); err != nil {
				if e, ok := err.(net.Error); ok && e.Timeout() { //nolint:errorlint // io.Copy does not wrap
					t.Error("a client that never ends its request is still connected after 40 s")
				}
			}
		})
	}
	for i := range 200 {
		if got := a.do("GET /healthz", nil, nil); got.StatusCode != http.StatusOK {
			t.Fatalf("request %d beside 500 slow ones: %d", i, got.StatusCode)
		}
	}
	gone.Wait()
}

func TestOversizedBodyIsNotRead(t *testing.T) {
	t.Parallel()
	a := newAPI(t, newFakes(), nil)
	addr := strings.TrimPrefix(a.url, "http://")
	got := raw(t, addr, fmt.Sprintf("POST /api/v1/users HTTP/1.1\r\nHost: x\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n{", int64(1)<<40))
	if len(got) != 1 || got[0] != http.StatusRequestEntityTooLarge {
		t.Errorf("a body of a terabyte: %v, want 413", got)
	}
}
