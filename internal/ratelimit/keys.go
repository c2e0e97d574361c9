package ratelimit

import (
	"errors"

	"github.com/musterhq/muster/internal/job"
)

// upstreamKey returns the key of the fleet's budget of upstream users.
func upstreamKey(prefix string) string { return prefix + ":upstream:{randomuser}" }

// checkKeys returns the keys of a slot and a cooldown that no owner has: ValidOwner lets no slash through.
func checkKeys(prefix string) []string {
	return []string{prefix + ":{/check}:slot", prefix + ":{/check}:cooldown"}
}

// slotKeys returns the keys of the owner's slots and cooldown in the tier, in the order in which the scripts take them.
func slotKeys(prefix, owner string, tier job.Tier) ([]string, error) {
	if !job.ValidOwner(owner) {
		// The owner is personal data: it stays out of the text.
		return nil, errors.New("the owner is not 1 to 64 of the characters A-Z a-z 0-9 . _ @ -")
	}
	// A brace in the owner would change the hash tag; ValidOwner lets none through.
	owned := prefix + ":{" + owner + "}:"
	return []string{owned + "slots:" + string(tier), owned + "cooldown:" + string(tier)}, nil
}
