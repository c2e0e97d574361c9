package main

import (
	"testing"

	"github.com/alecthomas/kong"

	"github.com/musterhq/muster/internal/config"
	"github.com/musterhq/muster/internal/job"
)

// No command warns of a variable that another one reads.
func TestEveryVariableIsKnown(t *testing.T) {
	t.Parallel()
	k, err := kong.New(&commands{}, kong.Vars{"tiers": job.DefaultTiers})
	if err != nil {
		t.Fatal(err)
	}
	seen := 0
	err = kong.Visit(k.Model, func(node kong.Visitable, next kong.Next) error {
		if v, ok := node.(*kong.Value); ok {
			for _, name := range v.Tag.Envs {
				seen++
				if !config.KnownName(name) {
					t.Errorf("%s is read, and internal/config does not know it", name)
				}
			}
		}
		return next(nil)
	})
	if err != nil || seen == 0 {
		t.Fatalf("%d variables, %v", seen, err)
	}
}
