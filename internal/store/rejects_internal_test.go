package store

import (
	"testing"

	"github.com/musterhq/muster/internal/job"
)

func TestKeptRaw(t *testing.T) {
	t.Parallel()
	for name, c := range map[string]struct {
		bytes, rows int64
		limit       job.MaxRejected
		want        int64
	}{
		"a few rows":                {bytes: 500, rows: 5, limit: job.DefaultMaxRejected, want: 128 << 10},
		"none may be rejected":      {bytes: 500, rows: 5, want: 128 << 10},
		"small and compressed":      {bytes: 387_000, rows: 1000, limit: job.DefaultMaxRejected, want: 18_325},
		"all may be rejected":       {bytes: 400_000, rows: 1_000_000, limit: job.MaxRejected{Percent: 100}, want: 2 << 10},
		"wide rows, all rejected":   {bytes: 10_000_000_000, rows: 1_000_000, limit: job.MaxRejected{Percent: 100}, want: 40_016},
		"wide rows, a tenth of all": {bytes: 10_000_000_000, rows: 1_000_000, limit: job.DefaultMaxRejected, want: 128 << 10},
		"no rows":                   {bytes: 2, want: 128 << 10},
	} {
		j := &job.Job{Requested: c.rows, File: &job.File{Bytes: c.bytes, Options: job.FileOptions{MaxRejected: c.limit}}}
		if got := keptRaw(j); int64(got) != c.want {
			t.Errorf("%s: %d bytes, want %d", name, got, c.want)
		}
	}
}
