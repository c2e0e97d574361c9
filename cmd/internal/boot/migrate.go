package boot

import (
	"context"

	"github.com/musterhq/muster/internal/config"
	"github.com/musterhq/muster/internal/searchindex"
	"github.com/musterhq/muster/internal/store"
)

// Migration is what Migrate did.
type Migration struct {
	Steps          int
	Aligned        bool // a setting says which indexes for searches there are to be
	Built, Dropped searchindex.Set
}

// Migrate brings the database of c to this program's schema, and its indexes for searches to the setting. Without the setting they
// stay as they are: who runs it where the variable is missing must not build, for an hour, what others left out.
func Migrate(ctx context.Context, c *config.Config) (done Migration, err error) {
	if done.Steps, err = store.Migrate(ctx, c.Database); err != nil {
		return done, err
	}
	want, given, err := searchindex.Parse(c.SearchIndexes)
	if err != nil || !given {
		return done, err
	}
	done.Aligned = true
	done.Built, done.Dropped, err = store.AlignIndexes(ctx, c.Database, want)
	return done, err
}
