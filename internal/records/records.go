// Package records reads files of people's own as records, whatever they are: CSV in any dialect, NDJSON, a JSON array,
// Parquet, Avro or XLSX, compressed or not, in any charset. What a file is, is found by looking.
//
// Every file is read as its text: UTF-8, CSV or NDJSON. A file that is such a text already is left alone; any other is
// rewritten as one, once, while it streams by. [Prepare] walks a whole file and cuts its text into chunks, ranges of
// bytes that begin and end with a record, so that [NewScanner] reads any of them alone and finds exactly the records
// that the walk found. [Open] reads a file's first records, for a preview.
//
// Memory stays flat whatever is in a file, and what is wrong with one record is a [Fault] of that record, not an error.
// What is wrong with a file as a whole is a [*FileError].
package records

import (
	"fmt"
	"io"
)

// The formats. A text is CSV or NDJSON.
const (
	CSV     = "csv"
	NDJSON  = "ndjson"
	JSON    = "json"
	Parquet = "parquet"
	Avro    = "avro"
	XLSX    = "xlsx"
)

// The compressions.
const (
	None = "none"
	Gzip = "gzip"
	Zstd = "zstd"
)

// Limits that a file is held to.
const (
	MaxValue   = 1 << 20 // bytes of a value
	MaxRecord  = 4 << 20 // bytes of a record in the text
	MaxColumns = 1000    // of a file, or members of a JSON record
	maxName    = 1 << 10 // bytes of a column's name
	maxCut     = 64 << 10
)

// Source is a file as it was sent. *bytes.Reader and *io.SectionReader are Sources. Read is called from the file's
// beginning to its end, once at most; ReadAt only for Parquet and XLSX, many times in small pieces: a store that is
// asked over a network should be copied to a local file first.
type Source interface {
	io.Reader
	io.ReaderAt
	// Size returns the bytes of the file.
	Size() int64
}

// Options say what is known of a file beforehand; everything that they leave out is found by looking.
type Options struct {
	Format      string // one of the formats
	Compression string // one of the compressions
	Charset     string // of a CSV or JSON file, such as "utf-16" or "iso-8859-15"; a byte order mark says more
	Delimiter   byte   // of a CSV file
	Header      *bool  // whether the first record of a CSV file, or row of a sheet, names the columns
	ContentType string // of the request; only the parameters charset and header of text/csv are looked at (RFC 4180, 3)
	Head        bool   // the Source ends where somebody cut it, not where the file ends; its last record is left out
	TempDir     string // where a few parts of some files are kept meanwhile; empty: os.TempDir()
	MaxBytes    int64  // what the file may expand to, and each part of a workbook, as far as it is read; 0: only in proportion to its size
}

// Info is what a file was found to be. It says all that the reading of a chunk depends on, and is kept with the job.
type Info struct {
	Format      string `json:"format"`
	Compression string `json:"compression"`
	Charset     string `json:"charset,omitempty"`   // of CSV, NDJSON and JSON; "utf-8" is left alone, the others are rewritten
	Delimiter   string `json:"delimiter,omitempty"` // of CSV
	Header      bool   `json:"header"`              // the first record, or row of the sheet, names the columns
	// Columns are the names of a CSV file's columns, as they stand there; those without a name, or without a header, are
	// called column1, column2 … by their place. Of other files: the names in the first records, at most 1,000 of them, in
	// the order of their appearance; later records may have others.
	Columns []string `json:"columns"`
	// Empty: there is no record in the file, which is a JSON array without an element.
	Empty bool `json:"empty,omitempty"`
	// Quoted: a ' stands before each text, as Auth0 writes CSV. What tells is that no e-mail address among the first records
	// is without one: an address begins with none, where names and cities may.
	Quoted bool `json:"quoted,omitempty"`
	// Rewritten: the text is not the file itself, and chunks are ranges of what Prepare wrote.
	Rewritten bool `json:"rewritten,omitempty"`
}

// text returns the format of the text, CSV or NDJSON.
func (i *Info) text() string {
	if i.Format == CSV {
		return CSV
	}
	return NDJSON
}

// Record is a record of a file. What its slices hold is valid until the next one is read.
type Record struct {
	// Row counts the records from 1, the header and blank lines left out, faulty ones included.
	Row int64
	// Line is the line of the text on which the record begins, from 1. It is that of the file itself for CSV, NDJSON and
	// JSON, but for elements of an array that share a line; the row of the sheet for XLSX; Row for Parquet and Avro.
	Line int64
	// Raw is the record as it stands in the text, without its line end; of a record that is too long only the beginning.
	Raw []byte
	// Fault is what is wrong with the record; empty: nothing, and then there are Values.
	Fault Fault
	// Names are those of Values for a record of NDJSON: nested objects are flattened to dotted names, four levels of them,
	// and a name occurs once. CSV leaves it nil: the names are Info's Columns, as many as there are Values.
	Names [][]byte
	// Values are UTF-8 without NUL. Of JSON, null is a nil value, numbers, true and false are as they stand there, and
	// arrays and objects below the fourth level are kept as JSON.
	Values [][]byte
}

// Fault is what is wrong with one record. The codes are stable.
type Fault string

// The faults of records.
const (
	BadQuote       Fault = "bad_quote"        // something follows the quote that closes a value
	OpenQuote      Fault = "open_quote"       // a quoted value has no end within MaxValue; the record is the line on which it begins
	BadCharset     Fault = "bad_charset"      // not UTF-8, or bytes that the charset does not have
	NUL            Fault = "nul"              // a NUL byte
	ValueTooLong   Fault = "value_too_long"   // more than MaxValue
	RecordTooLong  Fault = "record_too_long"  // more than MaxRecord
	TooFewColumns  Fault = "too_few_columns"  // fewer values than the header has names
	TooManyColumns Fault = "too_many_columns" // more, and not just empty ones; or more than MaxColumns members
	BadJSON        Fault = "bad_json"         // not a JSON object
)

var faultMessages = map[Fault]string{
	BadQuote:       "a quoted value is followed by something other than a delimiter; a quote inside it must be doubled",
	OpenQuote:      "a quoted value is not closed",
	BadCharset:     "the text is not valid in its charset",
	NUL:            "the record holds a NUL byte",
	ValueTooLong:   "a value is longer than 1 MiB",
	RecordTooLong:  "the record is longer than 4 MiB",
	TooFewColumns:  "the record has fewer values than there are columns",
	TooManyColumns: "the record has more values than there are columns",
	BadJSON:        "the record is not a JSON object",
}

// Message returns what people are told, without a full stop; it repeats nothing of the record.
func (f Fault) Message() string { return faultMessages[f] }

// FileCode says what is wrong with a file as a whole. The codes are stable.
type FileCode string

// What can be wrong with a file.
const (
	EmptyFile           FileCode = "empty_file"       // nothing in it
	UnknownFormat       FileCode = "unknown_format"   // none of the formats
	UnknownCharset      FileCode = "unknown_charset"  // Options.Charset is no charset that is known
	Unreadable          FileCode = "unreadable"       // damaged, cut off, or not what Options say that it is
	Bomb                FileCode = "bomb"             // it expands beyond all measure
	BadHeader           FileCode = "bad_header"       // the header itself is faulty
	TooManyColumnsInAll FileCode = "too_many_columns" // more than MaxColumns
	TooLarge            FileCode = "too_large"        // parts that have to be in memory at once are too large
	NeedsWholeFile      FileCode = "needs_whole_file" // Options.Head with a format that is read from its end
)

// FileError: the file cannot be read, and nothing of it should be kept.
type FileError struct {
	Code    FileCode
	Message string // for people, without a full stop; it repeats nothing of the file's records
	Err     error  // the cause, not for people; may be nil
}

func (e *FileError) Error() string {
	if e.Err != nil {
		return fmt.Sprintf("%s: %s: %v", e.Code, e.Message, e.Err)
	}
	return fmt.Sprintf("%s: %s", e.Code, e.Message)
}

func (e *FileError) Unwrap() error { return e.Err }

// unreadable returns the error of a file that is damaged.
func unreadable(text string, cause error) error {
	return &FileError{Code: Unreadable, Message: text, Err: cause}
}
