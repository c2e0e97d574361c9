package columns

import (
	"github.com/musterhq/muster/internal/job"
	"github.com/musterhq/muster/internal/user"
)

// Preview is what the beginning of a file looks like.
type Preview struct {
	Found   job.FileFound
	Samples [][]string   // for each column of Found.Columns: its first values that are not empty, at most 3, each at most 100 characters
	Rows    []PreviewRow // the first 20
}

// PreviewRow is a row of the file, and what is wrong with it.
type PreviewRow struct {
	Row, Line int64
	User      user.User
	Faults    []Fault
}
