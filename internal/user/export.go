package user

// The formats of an export.
const (
	CSV     = "csv"
	NDJSON  = "ndjson"
	JSON    = "json"
	Parquet = "parquet"
	Avro    = "avro"
)

// ExportSpec says what an export holds and how it is written.
type ExportSpec struct {
	Filter   Filter
	Format   string   // one of the formats; empty: CSV
	Fields   []string // names of the format's columns, in the order wanted; nil: all
	Compress string   // gzip, zstd or empty
	Raw      bool     // CSV without the guard against spreadsheet formulas
	Excel    bool     // CSV that begins with a byte order mark, by which Excel knows that it is UTF-8
}
