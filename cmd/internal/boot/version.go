package boot

import (
	"fmt"
	"runtime"
	"runtime/debug"
	"strings"
)

// The linker sets these in what is released, such as v0.1.0 and a commit. The go command knows them of a clone only, and
// an image is built without one.
var release, revision string

// version returns the release, or what the go command made of the commit, and the commit; each is empty where neither is known.
func version() (name, commit string) {
	name, commit = release, revision
	info, ok := debug.ReadBuildInfo()
	if !ok {
		return name, commit
	}
	if name == "" {
		name = strings.Trim(info.Main.Version, "()") // (devel) where the go command knew neither
	}
	for _, s := range info.Settings {
		if s.Key == "vcs.revision" && commit == "" {
			commit = s.Value
		}
	}
	return name, commit
}

// versionText is the version with the Go release and the platform.
func versionText() string {
	name, _ := version()
	if name == "" {
		name = "devel"
	}
	return fmt.Sprintf("%s (%s %s/%s)", name, runtime.Version(), runtime.GOOS, runtime.GOARCH)
}
