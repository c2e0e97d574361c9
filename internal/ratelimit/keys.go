package ratelimit

import (
	"errors"

	"github.com/musterhq/muster/internal/job"
)

// upstreamKey holds the fleet's budget of upstream users.
const upstreamKey = "muster:upstream:{randomuser}"

// slotKeys are the keys of the user's slots and cooldown in the tier, in the order the scripts take them.
func slotKeys(userID string, tier job.Tier) ([]string, error) {
	if !job.ValidOwner(userID) {
		// The id is personal data: it stays out of the text.
		return nil, errors.New("the user id is not 1 to 64 of the characters A-Z a-z 0-9 . _ @ -")
	}
	// A brace in the id would change the hash tag; ValidOwner lets none through.
	user := "muster:{" + userID + "}:"
	return []string{user + "slots:" + string(tier), user + "cooldown:" + string(tier)}, nil
}
