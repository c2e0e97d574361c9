package search

import (
	"cmp"

	"github.com/musterhq/muster/internal/invalid"
	"github.com/musterhq/muster/internal/searchindex"
	"github.com/musterhq/muster/internal/user"
)

// Refuse returns a *user.NotIndexedError when q filters or sorts by a column whose index is not there: IDs takes it for granted
// that they are. Some of these searches would be cheap by another index, and others would read millions of users; which, depends
// on the data, and a caller could not rely on it.
func Refuse(q user.Query, there searchindex.Set) error {
	var fields []invalid.Field
	refuse := func(asked bool, field, message string, columns ...string) {
		for _, column := range columns {
			if asked && !there.Has(column) {
				fields = append(fields, invalid.Field{Field: field, Message: message})
				return
			}
		}
	}
	const filter = "is not indexed in this installation (MUSTER_SEARCH_INDEXES); exports take this filter all the same"
	f := q.Filter
	refuse(f.Name != "", "name", filter, "first_name", "last_name")
	refuse(f.City != "", "city", filter, "city")
	refuse(f.State != "", "state", filter, "state")
	refuse(f.Age != 0, "age", filter, "age")
	refuse(f.MinAge != 0, "minAge", filter, "age")
	refuse(f.MaxAge != 0, "maxAge", filter, "age")
	refuse(f.Deleted, "deleted", filter, "deleted")
	by := user.FieldOf(cmp.Or(q.Sort.By, user.SortID))
	if by != nil {
		refuse(true, "sortBy", "names a field that is not indexed in this installation (MUSTER_SEARCH_INDEXES): sort by id or email, or in what an export writes", by.Column)
	}
	if len(fields) == 0 {
		return nil
	}
	return &user.NotIndexedError{Fields: fields}
}
