package main

import (
	"io"
	"testing"

	"github.com/musterhq/muster/cmd/internal/boot"
)

// The addresses of `muster dev` are flags, else the variables that every command reads, else loopback.
func TestDevAddresses(t *testing.T) { // sets the environment, so it is not parallel
	addresses := func(args ...string) [2]string {
		t.Helper()
		var c commands
		if _, err := boot.Parse("muster", "", &c, append([]string{"dev"}, args...), io.Discard); err != nil {
			t.Fatal(err)
		}
		return [2]string{c.Dev.Addr, c.Dev.AdminAddr}
	}
	if got, want := addresses(), [2]string{"127.0.0.1:8080", "127.0.0.1:9090"}; got != want {
		t.Errorf("by default: %q, want %q", got, want)
	}
	t.Setenv("MUSTER_HTTP_ADDR", "127.0.0.1:1")
	t.Setenv("MUSTER_ADMIN_ADDR", "") // as if it were not set
	if got, want := addresses(), [2]string{"127.0.0.1:1", "127.0.0.1:9090"}; got != want {
		t.Errorf("from the environment: %q, want %q", got, want)
	}
	if got, want := addresses("--addr=127.0.0.1:2", "--admin-addr=127.0.0.1:3"), [2]string{"127.0.0.1:2", "127.0.0.1:3"}; got != want {
		t.Errorf("flags: %q, want %q", got, want)
	}
}
