package api_test

import (
	"encoding/json"
	"testing"
	"time"

	"github.com/musterhq/muster/internal/httpapi/api"
)

func TestTimestamp(t *testing.T) {
	t.Parallel()
	east := time.FixedZone("", 3600)
	for want, at := range map[string]time.Time{
		`null`:                       {},
		`"2026-01-01T11:00:00.000Z"`: time.Date(2026, 1, 1, 12, 0, 0, 999_999, east),
		`"2026-01-01T12:00:00.120Z"`: time.Date(2026, 1, 1, 12, 0, 0, 120_000_000, time.UTC),
	} {
		got, err := json.Marshal(api.Timestamp(at))
		if err != nil || string(got) != want {
			t.Errorf("%s marshals as %s, %v, want %s", at, got, err, want)
		}
		var back api.Timestamp
		if err := json.Unmarshal(got, &back); err != nil || !time.Time(back).Equal(at.Truncate(time.Millisecond)) {
			t.Errorf("%s comes back as %s, %v", got, time.Time(back), err)
		}
	}
}
