package config

import (
	"cmp"
	"fmt"
	"reflect"
	"regexp"
	"slices"
	"strings"
)

// EnvNames lists the environment variables that Muster reads, with the _FILE variants of secrets.
func EnvNames() []string {
	var names []string
	(&Config{}).each(func(name string, f reflect.StructField, _ reflect.Value) {
		names = append(names, name)
		if f.Tag.Get("secret") != "" {
			names = append(names, name+"_FILE")
		}
	})
	return names
}

// otherNames are variables that are read by others than Config: cmd/muster's commands, and docker-compose.yml.
var otherNames = []string{"MUSTER_URL", "MUSTER_USER", "MUSTER_KEY", "MUSTER_VERSION"}

// testNames begin the names that only tests and measurements read.
var testNames = []string{"MUSTER_TEST_", "MUSTER_CHAOS", "MUSTER_BENCH_"}

// KnownName reports whether a variable is read by any of Muster's commands, tests or files.
func KnownName(name string) bool {
	return slices.Contains(EnvNames(), name) || slices.Contains(otherNames, name) ||
		slices.ContainsFunc(testNames, func(begin string) bool { return strings.HasPrefix(name, begin) })
}

// Unread says of each MUSTER_ variable in environ, which is as os.Environ gives it, that no command reads it, and which
// was meant. It repeats no value.
func Unread(environ []string) (warnings []string) {
	for _, line := range environ {
		name, value, _ := strings.Cut(line, "=")
		if !strings.HasPrefix(strings.ToUpper(name), "MUSTER_") || KnownName(name) || kubernetesName(name, value) {
			continue
		}
		if setting, ok := strings.CutSuffix(name, "_FILE"); ok && KnownName(setting) {
			warnings = append(warnings, fmt.Sprintf("%s is not read: only secrets can come from a file", name))
			continue
		}
		warning := name + " is not read by any command"
		if meant := nearest(name); meant != "" {
			warning += "; did you mean " + meant + "?"
		}
		warnings = append(warnings, warning)
	}
	slices.Sort(warnings)
	return warnings
}

// serviceName is what Kubernetes sets in every container for services whose names begin with "muster".
var serviceName = regexp.MustCompile(`^MUSTER_([A-Z0-9_]+_)?(SERVICE_(HOST|PORT)(_[A-Z0-9_]+)?|PORT(_[0-9]+_[A-Z]+(_(PROTO|PORT|ADDR))?)?)$`)

func kubernetesName(name, value string) bool {
	return serviceName.MatchString(name) && (!strings.HasSuffix(name, "_PORT") || strings.Contains(name, "_SERVICE_") ||
		strings.Contains(name, "_TCP_") || strings.Contains(name, "_UDP_") || strings.Contains(value, "://"))
}

// nearest returns the known name that takes the fewest changes to make of name; empty when that is more than half of it.
func nearest(name string) string {
	name = strings.ToUpper(name)
	file := strings.HasSuffix(name, "_FILE")
	candidates := slices.DeleteFunc(append(EnvNames(), otherNames...), func(known string) bool {
		return !file && strings.HasSuffix(known, "_FILE")
	})
	best := slices.MinFunc(candidates, func(a, b string) int {
		return cmp.Or(cmp.Compare(distance(name, a), distance(name, b)), cmp.Compare(a, b))
	})
	if distance(name, best) > (len(name)-len("MUSTER_")+1)/2 {
		return ""
	}
	return best
}

// distance is Levenshtein's: how many bytes have to be put in, taken out or changed to make b of a.
func distance(a, b string) int {
	row := make([]int, len(b)+1) // of the table: the distances of what was read of a to each beginning of b
	for j := range row {
		row[j] = j
	}
	for i := range len(a) {
		diagonal := row[0]
		row[0] = i + 1
		for j := range len(b) {
			change := diagonal
			if a[i] != b[j] {
				change++
			}
			diagonal = row[j+1]
			row[j+1] = min(change, row[j]+1, diagonal+1)
		}
	}
	return row[len(b)]
}
