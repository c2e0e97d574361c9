package crash

import "testing"

func TestReleasesHaveNoHooks(t *testing.T) {
	t.Setenv("MUSTER_CHAOS_CRASH", "here:1")
	Point("here") // must return
}
