package job

import "strings"

// DefaultPrefix begins every key of Muster's in Redis, unless MUSTER_REDIS_PREFIX says otherwise.
const DefaultPrefix = "muster"

// maxOwner is the longest name of an owner, in bytes.
const maxOwner = 64

// ValidOwner reports whether a caller may be called so: ^[A-Za-z0-9._@-]{1,64}$, as api/openapi.yaml has it. The name
// stands in keys of Redis, where a brace would move it to another node of a cluster.
func ValidOwner(owner string) bool {
	return owner != "" && len(owner) <= maxOwner && !strings.ContainsFunc(owner, func(r rune) bool {
		return (r < 'A' || r > 'Z') && (r < 'a' || r > 'z') && (r < '0' || r > '9') && !strings.ContainsRune("._@-", r)
	})
}
