package job

import "fmt"

// Phase is how far the import of a file is; a job of another source has none. It never goes back.
type Phase string

// The phases.
const (
	Preparing Phase = "PREPARING" // a worker reads the file once, to find its rows
	Importing Phase = "IMPORTING" // the rows are known, and stored chunk by chunk
)

// PrepareChunk is the number of the chunk that stands for the reading of a file. Its rows are bytes of the file: they count
// for nothing but its own progress. The chunks of the file's rows are numbered from 0, as those of any job.
const PrepareChunk = -1

// File is the file of a job, and how it is imported.
type File struct {
	Upload      string `json:"upload"` // its id as an upload; several jobs may import one file
	Object      string `json:"object"` // its name in the file store
	Name        string `json:"name,omitempty"`
	ContentType string `json:"contentType,omitempty"`
	Bytes       int64  `json:"bytes"`
	SHA256      string `json:"sha256"` // hexadecimal

	Options FileOptions `json:"options"`
	Found   *FileFound  `json:"found,omitempty"` // what preparing it has found; nil before
}

// The strategies for a row whose user is there already, by the key.
const (
	DuplicateInsert = "insert" // there are no keys: every row becomes a user
	DuplicateSkip   = "skip"
	DuplicateUpdate = "update" // the row's values replace the user's
	DuplicateFill   = "fill"   // the row's values fill what is empty
	DuplicateReject = "reject"
)

// Which of several rows of a file with one key counts.
const (
	FirstRow = "first"
	LastRow  = "last"
)

// FileOptions are what the caller says of a file. Submit fills in the defaults of those that have one.
type FileOptions struct {
	Format      string            `json:"format,omitempty"`    // of internal/records; empty: found by looking
	Delimiter   string            `json:"delimiter,omitempty"` // of CSV, one byte; empty: found by looking
	Charset     string            `json:"charset,omitempty"`   // empty: found by looking
	Header      *bool             `json:"header,omitempty"`    // whether the first row names the columns; nil: found by looking
	Map         map[string]string `json:"map,omitempty"`       // columns by the field that they are taken for, as internal/columns has it
	Key         string            `json:"key,omitempty"`       // email or id; empty with DuplicateInsert
	OnDuplicate string            `json:"onDuplicate"`
	InFile      string            `json:"inFile,omitempty"`     // FirstRow or LastRow; empty with DuplicateInsert
	EmptyMeans  string            `json:"emptyMeans,omitempty"` // keep or clear
	MaxRejected MaxRejected       `json:"maxRejected"`
}

// MaxRejected is how many rows of a file may be rejected before the job fails.
type MaxRejected struct {
	Rows    int64 `json:"rows"`              // at least so many
	Percent int64 `json:"percent,omitempty"` // of the file's rows, 0 to 100; the greater of the two counts
}

// DefaultMaxRejected is a tenth of the rows, and at least 1,000.
var DefaultMaxRejected = MaxRejected{Rows: 1000, Percent: 10}

// Of returns the most rows that may be rejected of a file that has so many.
func (m MaxRejected) Of(rows int64) int64 {
	return max(m.Rows, rows/100*m.Percent+rows%100*m.Percent/100)
}

// FileFound is what a file turned out to be.
type FileFound struct {
	Format      string       `json:"format,omitempty"`
	Compression string       `json:"compression,omitempty"` // none, gzip or zstd
	Charset     string       `json:"charset,omitempty"`
	Delimiter   string       `json:"delimiter,omitempty"`
	Header      bool         `json:"header,omitempty"`
	Rows        int64        `json:"rows"`
	Columns     []FileColumn `json:"columns,omitempty"` // the first MaxColumnsShown
	ColumnCount int          `json:"columnCount,omitempty"`
}

// MaxColumnsShown is how many columns of a file a job carries.
const MaxColumnsShown = 100

// FileColumn is a column of a file.
type FileColumn struct {
	Name  string `json:"name"`            // its first 100 characters
	Field string `json:"field,omitempty"` // what it is taken for, as internal/columns calls it; empty: it is passed over
}

// FileError: the file cannot be imported, however often it is tried. The job fails with its code.
type FileError struct {
	Code    string
	Message string     // for people, without a full stop; repeats nothing of the file's records
	Found   *FileFound // as far as the file was understood; may be nil
}

func (e *FileError) Error() string { return fmt.Sprintf("%s: %s", e.Code, e.Message) }

// The codes of jobs that fail for what the file is; those of internal/records are others.
const (
	CodeNoKnownColumn   = "no_known_column"
	CodeNoKeyColumn     = "no_key_column"
	CodeTooManyRejected = "too_many_rejected"
	CodeTooManyRows     = "too_many_rows"
	CodeBadMap          = "bad_map"      // a column of the mapping that the file does not have
	CodeFileMissing     = "file_missing" // it is not in the file store any more
)

// Reject is a row of a file that was rejected.
type Reject struct {
	Row     int64 // of the job, from 0
	Line    int64 // as internal/records counts them
	Code    string
	Field   string // empty: the record as a whole
	Message string // a sentence without a full stop; does not repeat the value
	Raw     []byte // the record as it stands in the text
}
