package columns

import (
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/user"
)

// Preview is what the beginning of a file looks like.
type Preview struct {
	Found   job.FileFound // how many rows there are is not known, and 0
	Samples [][]string    // for each column of Found.Columns: its first values that are not empty, at most 3, each at most 100 characters
	Rows    []PreviewRow  // the first 20
}

// PreviewRow is a row of the file, and what is wrong with it.
type PreviewRow struct {
	Row, Line int64     // both from 1; Row counts records, Line is that of the text on which it begins
	User      user.User // as far as it was understood; its id is the row's, which is read with KeyID only
	Faults    []Fault   // nil: none. A fault of the record as a whole has no Field, and a Message that is a sentence by itself
}
