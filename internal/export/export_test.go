package export

import "github.com/musterhq/muster/internal/user"

// How many users one query reads, and how many such pages there are.
const (
	PageRows  = pageRows
	PageCount = pageCount
)

// Appender returns the function that encodes a user for s, in a format that is not Parquet.
func Appender(s user.ExportSpec) func(dst []byte, cols [][]byte) ([]byte, error) {
	fields, err := fieldsOf(s)
	if err != nil {
		panic(err)
	}
	return func(dst []byte, cols [][]byte) ([]byte, error) {
		switch s.Format {
		case user.Avro:
			return appendAvro(dst, fields, cols)
		case user.NDJSON, user.JSON:
			return appendJSON(dst, fields, cols)
		}
		return appendCSV(dst, fields, cols, s.Raw)
	}
}

// AppendString is appendString.
func AppendString(dst, s []byte) []byte { return appendString(dst, s) }
