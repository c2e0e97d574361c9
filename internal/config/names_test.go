package config

import (
	"slices"
	"testing"

	"github.com/google/go-cmp/cmp"
)

func TestEnvNames(t *testing.T) {
	t.Parallel()
	names := EnvNames()
	for _, want := range []string{"MUSTER_DATABASE", "MUSTER_DATABASE_FILE", "MUSTER_TIERS", "MUSTER_ADMIN_PASSWORD_FILE"} {
		if !slices.Contains(names, want) {
			t.Errorf("%s is missing", want)
		}
	}
	if slices.Contains(names, "") || slices.Contains(names, "MUSTER_TIERS_FILE") {
		t.Errorf("names: %v", names)
	}
}

func TestUnread(t *testing.T) {
	t.Parallel()
	read := []string{
		"PATH=/bin", "MUSTERED=x", "MUSTER_REDIS=x", "MUSTER_REDIS_FILE=x", "MUSTER_URL=x", "MUSTER_USER=x", "MUSTER_VERSION=x",
		"MUSTER_TEST_REDIS=x", "MUSTER_CHAOS=1", "MUSTER_CHAOS_CRASH=x", "MUSTER_BENCH_ECHO=1",
		// Of Kubernetes, where services are called muster and muster-api.
		"MUSTER_SERVICE_HOST=10.0.0.1", "MUSTER_SERVICE_PORT=80", "MUSTER_SERVICE_PORT_HTTP=80", "MUSTER_PORT=tcp://10.0.0.1:80",
		"MUSTER_PORT_80_TCP=tcp://10.0.0.1:80", "MUSTER_PORT_80_TCP_PROTO=tcp", "MUSTER_PORT_80_TCP_PORT=80", "MUSTER_PORT_80_TCP_ADDR=10.0.0.1",
		"MUSTER_API_SERVICE_HOST=10.0.0.1", "MUSTER_API_SERVICE_PORT=80", "MUSTER_API_PORT=tcp://10.0.0.1:80", "MUSTER_API_PORT_80_TCP_PORT=80",
	}
	if got := Unread(read); got != nil {
		t.Errorf("warnings about what is read: %q", got)
	}
	got := Unread([]string{
		"MUSTER_REDIS_URL=hunter2", "MUSTER_WORKERS_CONCURRENCY=2", "MUSTER_HTTP_PORT=8080", "muster_tiers=x", "MUSTER_DATABASE_URL_FILE=x",
		"MUSTER_TIERS_FILE=x", "MUSTER_KEEPER_INTERVAL=2s", "MUSTER_X=1", "MUSTER_=",
	})
	want := []string{
		"MUSTER_ is not read by any command",
		"MUSTER_DATABASE_URL_FILE is not read by any command; did you mean MUSTER_DATABASE_FILE?",
		"MUSTER_HTTP_PORT is not read by any command; did you mean MUSTER_HTTP_ADDR?",
		"MUSTER_KEEPER_INTERVAL is not read by any command; did you mean MUSTER_RECONCILE_INTERVAL?",
		"MUSTER_REDIS_URL is not read by any command; did you mean MUSTER_REDIS?",
		"MUSTER_TIERS_FILE is not read: only secrets can come from a file",
		"MUSTER_WORKERS_CONCURRENCY is not read by any command; did you mean MUSTER_WORKER_CONCURRENCY?",
		"MUSTER_X is not read by any command",
		"muster_tiers is not read by any command; did you mean MUSTER_TIERS?",
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Errorf("(-want +got):\n%s", diff)
	}
}
