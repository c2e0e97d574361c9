package archtest

import (
	"fmt"
	"maps"
	"slices"
	"strings"
)

// Any among what a package may import allows every package of the module.
const Any = "*"

// Rules say who may import whom. Packages of the module are named by their path below Module; a name also stands for
// the packages below it ("internal/store" for "internal/store/storetest"), and the longest name that fits decides.
type Rules struct {
	Module string

	// May lists for each package of the module which others of the module it may import. A package that no name fits
	// is reported: a new one has to be given its place.
	May map[string][]string

	// StandardOnly names packages that import nothing from other modules, but for what is listed with them, by prefix of
	// its import path.
	StandardOnly map[string][]string

	// Homes lists for a library, by prefix of its import path, the only packages of the module that may import it.
	Homes map[string][]string

	// NotLinked lists for a package, usually a command, what must not be among its dependencies at any depth: packages
	// of the module ("internal/...") or prefixes of other import paths.
	NotLinked map[string][]string

	// Untested names packages that may be without a test file of their own, with the reason.
	Untested map[string]string
}

// Check lists what breaks the rules, each with its chain of imports, in alphabetical order. Files of tests are exempt.
func (r Rules) Check(g Graph) []string {
	var found []string
	for _, p := range g {
		if name, ours := r.local(p.ImportPath); ours {
			found = append(found, r.checkImports(g, name, p)...)
			if why := r.untested(name, p); why != "" {
				found = append(found, why)
			}
		}
	}
	for from, banned := range r.NotLinked {
		for _, lib := range banned {
			chain := g.Chain(r.path(from), func(path string) bool { return within(path, r.path(lib)) })
			if chain != nil {
				found = append(found, fmt.Sprintf("%s must not link %s: %s", from, lib, r.show(chain)))
			}
		}
	}
	found = append(found, r.stale(g)...)
	slices.Sort(found)
	return found
}

// stale finds what the table allows and nothing does: the next reader would take it for part of the design.
func (r Rules) stale(g Graph) (found []string) {
	used := map[string]map[string]bool{} // by place: what of ours its packages import
	for _, p := range g {
		name, ours := r.local(p.ImportPath)
		place, placed := longest(maps.Keys(r.May), name)
		if !ours || !placed {
			continue
		}
		if used[place] == nil {
			used[place] = map[string]bool{}
		}
		for _, imported := range p.Imports {
			if other, ours := r.local(imported); ours {
				used[place][other] = true
			}
		}
	}
	for place, listed := range r.May {
		if used[place] == nil {
			found = append(found, place+" is in the import rule, but there is no such package")
			continue
		}
		for _, other := range listed {
			if other != Any && !used[place][other] {
				found = append(found, fmt.Sprintf("%s may import %s, and does not: take it off the table", place, other))
			}
		}
	}
	unused := func(place, lib string) {
		if !r.imports(g, place, lib) {
			found = append(found, fmt.Sprintf("%s may import %s, and does not: take it off the table", place, lib))
		}
	}
	for lib, homes := range r.Homes {
		for _, home := range homes {
			unused(home, lib)
		}
	}
	for place, libs := range r.StandardOnly {
		for _, lib := range libs {
			unused(place, lib)
		}
	}
	return found
}

// imports reports whether a package of the module at place imports lib, or a part of it.
func (r Rules) imports(g Graph, place, lib string) bool {
	for _, p := range g {
		name, ours := r.local(p.ImportPath)
		if ours && within(name, place) && slices.ContainsFunc(p.Imports, func(path string) bool { return within(path, lib) }) {
			return true
		}
	}
	return false
}

// checkImports looks at direct imports only: what lies behind an import is the imported package's affair, and has to
// keep its own line of the table.
func (r Rules) checkImports(g Graph, name string, p *Package) []string {
	place, placed := longest(maps.Keys(r.May), name)
	if !placed {
		return []string{name + " has no place in the import rule: add it to the table"}
	}
	var found []string
	for _, imported := range p.Imports {
		chain := r.show([]string{p.ImportPath, imported})
		if other, ours := r.local(imported); ours {
			if !may(r.May[place], place, other) {
				found = append(found, fmt.Sprintf("%s may import of ours only %v: %s", name, r.May[place], chain))
			}
			continue
		}
		libs, only := r.StandardOnly[place]
		free := slices.ContainsFunc(libs, func(lib string) bool { return within(imported, lib) })
		if q := g[imported]; only && !free && (q == nil || !q.Standard) {
			found = append(found, fmt.Sprintf("%s may import only the standard library: %s", name, chain))
		}
		lib, restricted := longest(maps.Keys(r.Homes), imported)
		if _, home := longest(slices.Values(r.Homes[lib]), name); restricted && !home {
			found = append(found, fmt.Sprintf("%s is for %v only: %s", lib, r.Homes[lib], chain))
		}
	}
	return found
}

// untested is the complaint about a package below internal/ without tests, and about an excuse that is out of date.
func (r Rules) untested(name string, p *Package) string {
	tested := len(p.TestGoFiles)+len(p.XTestGoFiles) > 0
	switch _, excused := r.Untested[name]; {
	case tested && excused:
		return name + " has tests now: take it off the list of exemptions"
	case !tested && !excused && within(name, "internal"):
		return name + " has no test file"
	}
	return ""
}

// may reports whether a package at place may import another: itself (its parts among one another), or what is listed.
func may(listed []string, place, other string) bool {
	if within(other, place) || slices.Contains(listed, Any) {
		return true
	}
	// Exact, so that leave to import internal/store is none to import internal/store/storetest.
	return slices.Contains(listed, other)
}

// local is the name of a package of the module below its root.
func (r Rules) local(path string) (name string, ours bool) {
	return strings.CutPrefix(path, r.Module+"/")
}

// path turns a name of the rules into an import path.
func (r Rules) path(name string) string {
	if within(name, "internal") || within(name, "cmd") {
		return r.Module + "/" + name
	}
	return name
}

func (r Rules) show(chain []string) string {
	names := make([]string, len(chain))
	for i, path := range chain {
		names[i], _ = r.local(path)
	}
	return strings.Join(names, " -> ")
}

// within reports whether a path is the named one or lies below it.
func within(path, name string) bool {
	return path == name || strings.HasPrefix(path, name+"/")
}

// longest is the most specific of the names that a path is within.
func longest(names func(func(string) bool), path string) (best string, ok bool) {
	for name := range names {
		if within(path, name) && len(name) >= len(best) {
			best, ok = name, true
		}
	}
	return best, ok
}
