// Package source is where the users of an import come from: Faker makes them up, RandomUser fetches them. Both are
// deterministic: the users of a chunk are the same whichever worker asks, in whatever batches, and however often, so a
// batch of which nobody knows whether it was stored can be made again.
package source

import (
	"context"

	"github.com/musterhq/muster/internal/user"
)

// Next yields the users of one claimed chunk batch by batch, in row order, beginning at the row FirstRow + Done of the
// claim. It appends to dst[:0] the users of the next at most n rows and says how many rows it passed over because they
// failed validation: it moved on by len(users) + rejected rows. A user's ID is FirstID + row. At the end of the chunk
// it returns no users, 0 and nil. After an error it has not moved. It is for one goroutine; users stay valid until
// their dst is used again, their strings for ever.
//
// It is an alias so that a consumer can declare the same type without importing this package.
type Next = func(ctx context.Context, dst []user.User, n int) (users []user.User, rejected int, err error)
