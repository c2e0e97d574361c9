package ratelimit

import (
	"fmt"

	"github.com/musterhq/muster/internal/job"
)

// unavailable is the one place that judges errors of go-redis: whatever Redis did not answer properly, the caller
// must fail closed. The cause stays reachable, so that a caller who went away (context.Canceled) can be told apart.
func unavailable(doing string, err error) error {
	return fmt.Errorf("%s: %w: %w", doing, job.ErrQueueUnavailable, err)
}
