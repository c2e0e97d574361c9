package crash

import "testing"

func TestReleasesHaveNoHooks(t *testing.T) {
	t.Setenv("MUSTER_CHAOS_CRASH", "here:1")
	t.Setenv("MUSTER_CHAOS_OFF", "guard")
	Point("here") // must return
	if Off("guard") {
		t.Error("a protection can be switched off in a release")
	}
}
