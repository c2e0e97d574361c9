package ratelimit

import (
	"errors"

	"github.com/musterhq/muster/internal/job"
)

// upstreamKey holds the fleet's budget of upstream users.
const upstreamKey = "muster:upstream:{randomuser}"

// slotKeys returns the keys of the owner's slots and cooldown in the tier, in the order in which the scripts take them.
func slotKeys(owner string, tier job.Tier) ([]string, error) {
	if !job.ValidOwner(owner) {
		// The owner is personal data: it stays out of the text.
		return nil, errors.New("the owner is not 1 to 64 of the characters A-Z a-z 0-9 . _ @ -")
	}
	// A brace in the owner would change the hash tag; ValidOwner lets none through.
	prefix := "muster:{" + owner + "}:"
	return []string{prefix + "slots:" + string(tier), prefix + "cooldown:" + string(tier)}, nil
}
