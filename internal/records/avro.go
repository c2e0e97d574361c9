package records

import (
	"errors"
	"io"
	"math"
	"math/big"
	"slices"
	"strconv"
	"strings"
	"time"

	"github.com/google/uuid"
	"github.com/klauspost/compress/zstd"
	"github.com/twmb/avro"
	"github.com/twmb/avro/ocf"
)

// avroBlock is the most that a block of an Avro file may be, compressed and not. Writers make them of some kilobytes, and
// the library makes up to 40 bytes of one.
const avroBlock = 8 << 20

// avroLines reads an Avro object container file:
// https://avro.apache.org/docs/1.12.0/specification/#object-container-files
type avroLines struct {
	file   *ocf.Reader
	fields []avroField
}

type avroField struct {
	name   string
	quoted []byte
}

func newAvro(r io.Reader) (_ *avroLines, err error) {
	defer recovered(&err)
	file, err := ocf.NewReader(r, ocf.WithMaxBlockBytes(avroBlock), ocf.WithMaxDecompressedBlockBytes(avroBlock),
		ocf.WithSchemaOpts(avro.WithLaxNames(nil)))
	if err != nil {
		return nil, err
	}
	a := &avroLines{file: file}
	defer func() {
		if err != nil {
			a.close()
		}
	}()
	root := file.Schema().Root()
	if root.Type != "record" {
		return nil, unreadable("the Avro file does not hold records", nil)
	}
	for _, f := range root.Fields {
		a.fields = append(a.fields, avroField{f.Name, quotedName(f.Name)})
	}
	if len(a.fields) > MaxColumns {
		return nil, tooManyColumns(len(a.fields))
	}
	return a, nil
}

func (a *avroLines) close() { _ = a.file.Close() }

func (a *avroLines) columns() []string {
	names := make([]string, len(a.fields))
	for i, f := range a.fields {
		names[i] = f.name
	}
	return names
}

func (a *avroLines) appendLines(dst []byte) ([]byte, error) {
	var v any
	if err := a.file.Decode(&v); err != nil {
		// The library has no error of its own for this; its codec for zstd has that of the decoder.
		if strings.Contains(err.Error(), "limit of") || errors.Is(err, zstd.ErrDecoderSizeExceeded) || errors.Is(err, zstd.ErrWindowSizeExceeded) {
			err = &FileError{Code: TooLarge, Message: "the Avro file has a block of more than 8 MiB; write it with smaller ones", Err: err}
		}
		return dst, err
	}
	record, _ := v.(map[string]any)
	o := begin(dst)
	for _, f := range a.fields {
		o.name(f.quoted)
		o.b = appendAny(o.b, record[f.name])
	}
	return o.end(), nil
}

// appendAny appends a value of Avro as JSON. Numbers stay exact, times are RFC 3339.
func appendAny(dst []byte, v any) []byte {
	switch v := v.(type) {
	case nil:
		return append(dst, "null"...)
	case bool:
		return strconv.AppendBool(dst, v)
	case int32:
		return strconv.AppendInt(dst, int64(v), 10)
	case int64:
		return strconv.AppendInt(dst, v, 10)
	case float32:
		return appendFloat(dst, float64(v), 32)
	case float64:
		return appendFloat(dst, v, 64)
	case string:
		return appendString(dst, []byte(v))
	case []byte:
		return appendString(dst, v)
	case time.Time:
		return appendTime(dst, v)
	case time.Duration:
		return appendTimeOfDay(dst, v)
	case *big.Rat:
		return appendRat(dst, v)
	case [16]byte:
		return appendString(dst, []byte(uuid.UUID(v).String()))
	case []any:
		dst = append(dst, '[')
		for i, e := range v {
			if i > 0 {
				dst = append(dst, ',')
			}
			dst = appendAny(dst, e)
		}
		return append(dst, ']')
	case map[string]any:
		names := make([]string, 0, len(v))
		for name := range v {
			names = append(names, name)
		}
		slices.Sort(names) // the same file makes the same text
		o := begin(dst)
		for _, name := range names {
			o.name(quotedName(name))
			o.b = appendAny(o.b, v[name])
		}
		return append(o.b, '}')
	}
	return append(dst, "null"...) // avro.Duration
}

// exactFloat is where numbers begin that Excel, and everybody who counts fifteen digits, has rounded. They are written
// with an exponent, so that nobody takes their digits for those of an id or a telephone number.
const exactFloat = 1e15

func appendFloat(dst []byte, f float64, bits int) []byte {
	switch {
	case math.IsNaN(f) || math.IsInf(f, 0):
		return append(dst, "null"...)
	case bits == 64 && math.Abs(f) >= exactFloat, bits == 32 && math.Abs(f) > 1<<24:
		return strconv.AppendFloat(dst, f, 'E', -1, bits)
	}
	return strconv.AppendFloat(dst, f, 'f', -1, bits)
}

// appendTime appends a time, only its day when it is midnight.
func appendTime(dst []byte, t time.Time) []byte {
	layout := `"` + time.RFC3339Nano + `"`
	if t.Equal(t.Truncate(24 * time.Hour)) {
		layout = `"` + time.DateOnly + `"`
	}
	return t.UTC().AppendFormat(dst, layout)
}

func appendTimeOfDay(dst []byte, d time.Duration) []byte {
	return time.Time{}.Add(d).AppendFormat(dst, `"15:04:05.999999999"`)
}

// appendRat appends a decimal, which has an end.
func appendRat(dst []byte, r *big.Rat) []byte {
	digits, _ := r.FloatPrec()
	return append(dst, r.FloatString(digits)...)
}
