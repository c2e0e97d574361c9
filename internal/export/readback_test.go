package export_test

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/apache/arrow-go/v18/arrow"
	"github.com/apache/arrow-go/v18/arrow/array"
	"github.com/apache/arrow-go/v18/arrow/memory"
	"github.com/apache/arrow-go/v18/parquet/file"
	"github.com/apache/arrow-go/v18/parquet/pqarrow"
	"github.com/twmb/avro/ocf"

	"github.com/musterhq/muster/internal/user"
)

// crowd is a Pager of so many users, whose values all differ, every third of them deleted, every fourth of unknown age and
// every fifth of unknown gender.
type crowd struct{ rows int64 }

func (c crowd) Span(context.Context, user.Filter) (first, last int64, err error) {
	return 1, c.rows, nil
}

func (c crowd) Range(_ context.Context, _ user.Filter, columns []int, first, last int64, row func([][]byte) error) (n, next int64, err error) {
	for id := first; id <= last; id++ {
		if err := row(only(columns, member(id))); err != nil {
			return n, 0, err
		}
		n++
	}
	return n, last + 1, nil
}

func member(id int64) [][]byte {
	cols := make([][]byte, 0, 11)
	for _, text := range []string{
		strconv.FormatInt(id, 10), "Ada 👩 " + strconv.FormatInt(id%97, 10), "بايرون", fmt.Sprintf("ada.%d@example.com", id), "Łódź \"q\", x",
		"", strconv.FormatInt(1+id%150, 10), "+44" + strconv.FormatInt(id, 10), "Female", "0",
	} {
		cols = append(cols, []byte(text))
	}
	if id%4 == 0 {
		cols[6] = nil
	}
	if id%5 == 0 {
		cols[8] = []byte("")
	}
	if id%3 == 0 {
		cols[9] = []byte("1")
		return append(cols, []byte(strconv.FormatInt(1_700_000_000_000+id, 10)))
	}
	return append(cols, nil)
}

// want returns a user of crowd as the other implementation should read it, in the order of the fields asked for.
func want(id int64, fields []string) []string {
	cols := member(id)
	deleted, at := "false", "null"
	if id%3 == 0 {
		deleted, at = "true", time.UnixMilli(1_700_000_000_000+id).UTC().Format(time.RFC3339Nano)
	}
	all := map[string]string{
		"id": string(cols[0]), "firstName": string(cols[1]), "lastName": string(cols[2]), "email": string(cols[3]), "city": string(cols[4]),
		"state": string(cols[5]), "age": orNull(cols[6]), "mobileNumber": string(cols[7]), "gender": orNull(cols[8]), "deleted": deleted, "deletedAt": at,
	}
	var out []string
	for _, f := range fields {
		out = append(out, all[f])
	}
	return out
}

func orNull(col []byte) string {
	if len(col) == 0 {
		return "null"
	}
	return string(col)
}

var allFields = []string{"id", "firstName", "lastName", "email", "city", "state", "age", "mobileNumber", "gender", "deleted", "deletedAt"}

// eachFile makes files of several sizes, compressions and fields; 70,000 users fill more than one row group.
func eachFile(t *testing.T, format string, check func(t *testing.T, data []byte, rows int64, fields []string)) {
	t.Parallel()
	for _, compress := range []string{"", "gzip", "zstd"} {
		for _, rows := range []int64{0, 1, 70_000} {
			for _, fields := range [][]string{nil, {"deletedAt", "id", "age", "lastName"}} {
				t.Run(fmt.Sprint(compress, " ", rows, " ", len(fields)), func(t *testing.T) {
					t.Parallel()
					var out bytes.Buffer
					n, err := stream(t.Context(), &out, crowd{rows}, user.ExportSpec{Format: format, Compress: compress, Fields: fields})
					if err != nil || n != rows {
						t.Fatalf("Stream = %d, %v", n, err)
					}
					if fields == nil {
						fields = allFields
					}
					check(t, out.Bytes(), rows, fields)
				})
			}
		}
	}
}

func TestParquetReadByArrow(t *testing.T) {
	types := map[string]arrow.DataType{
		"id": arrow.PrimitiveTypes.Int64, "age": arrow.PrimitiveTypes.Int32, "deleted": arrow.FixedWidthTypes.Boolean,
		"deletedAt": &arrow.TimestampType{Unit: arrow.Millisecond, TimeZone: "UTC"},
	}
	eachFile(t, user.Parquet, func(t *testing.T, data []byte, rows int64, fields []string) {
		f, err := file.NewParquetReader(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		defer func() { _ = f.Close() }()
		if rows > 65_000 && f.NumRowGroups() < 2 {
			t.Errorf("%d users in %d row groups: the writer holds them all", rows, f.NumRowGroups())
		}
		r, err := pqarrow.NewFileReader(f, pqarrow.ArrowReadProperties{}, memory.DefaultAllocator)
		if err != nil {
			t.Fatal(err)
		}
		got, err := r.ReadTable(t.Context())
		if err != nil {
			t.Fatal(err)
		}
		defer got.Release()
		if got.NumRows() != rows {
			t.Fatalf("%d rows, want %d", got.NumRows(), rows)
		}
		for i, name := range fields {
			field := got.Schema().Field(i)
			kind := types[name]
			if kind == nil {
				kind = arrow.BinaryTypes.String
			}
			if field.Name != name || !arrow.TypeEqual(field.Type, kind) || field.Nullable != slices.Contains([]string{"age", "gender", "deletedAt"}, name) {
				t.Errorf("column %d is %s, want %s %s", i, field, name, kind)
			}
			compareColumn(t, got.Column(i), i, fields)
		}
	})
}

func compareColumn(t *testing.T, c *arrow.Column, i int, fields []string) {
	t.Helper()
	id := int64(0)
	for _, chunk := range c.Data().Chunks() {
		for at := range chunk.Len() {
			id++
			have := chunk.ValueStr(at)
			switch a := chunk.(type) {
			case *array.Timestamp:
				have = a.Value(at).ToTime(arrow.Millisecond).UTC().Format(time.RFC3339Nano)
			case *array.String:
				have = a.Value(at)
			}
			if chunk.IsNull(at) {
				have = "null"
			}
			if w := want(id, fields)[i]; have != w {
				t.Fatalf("%s of user %d is %q, want %q", fields[i], id, have, w)
			}
		}
	}
}

func TestAvroReadBack(t *testing.T) {
	eachFile(t, user.Avro, func(t *testing.T, data []byte, rows int64, fields []string) {
		r, err := ocf.NewReader(bytes.NewReader(data))
		if err != nil {
			t.Fatal(err)
		}
		schema := string(r.Metadata()["avro.schema"])
		for _, part := range []string{`"name":"User"`, `{"name":"id","type":"long"}`, `"timestamp-millis"`, `{"name":"lastName","type":"string"}`} {
			if !strings.Contains(schema, part) {
				t.Errorf("the schema lacks %s: %s", part, schema)
			}
		}
		id := int64(0)
		for {
			var got map[string]any
			if err := r.Decode(&got); errors.Is(err, io.EOF) {
				break
			} else if err != nil {
				t.Fatal(err)
			}
			id++
			compareAvro(t, id, fields, got)
		}
		if id != rows {
			t.Fatalf("%d users, want %d", id, rows)
		}
	})
}

func compareAvro(t *testing.T, id int64, fields []string, got map[string]any) {
	t.Helper()
	var have []string
	for _, f := range fields {
		have = append(have, avroText(got[f]))
	}
	if w := want(id, fields); !slices.Equal(have, w) {
		t.Fatalf("user %d is\n%q, want\n%q", id, have, w)
	}
}

func avroText(v any) string {
	switch v := v.(type) {
	case nil:
		return "null"
	case time.Time:
		return v.UTC().Format(time.RFC3339Nano)
	}
	return fmt.Sprint(v)
}
