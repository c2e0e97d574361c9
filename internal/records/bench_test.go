package records_test

import (
	"bytes"
	"encoding/csv"
	"errors"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/musterhq/muster/internal/records"
)

// users returns a CSV of so many users; with quotes around each value, if asked for.
func users(n int, quoted bool) []byte {
	var b bytes.Buffer
	q := ""
	if quoted {
		q = `"`
	}
	b.WriteString("id,firstName,lastName,email,city,state,age,mobile,gender\n")
	for i := range n {
		fmt.Fprintf(&b, "%[1]s%[2]d%[1]s,%[1]sAda%[1]s,%[1]sByron%[1]s,%[1]sada.byron.%[2]d@example.com%[1]s,%[1]sLondon%[1]s,%[1]sEngland%[1]s,%[1]s%[3]d%[1]s,%[1]s+44%[2]d%[1]s,%[1]sFemale%[1]s\n",
			q, 1_000_000+i, i%90+10)
	}
	return b.Bytes()
}

func BenchmarkPrepare(b *testing.B) {
	for name, file := range map[string][]byte{
		"plain":    users(500_000, false),
		"quoted":   users(500_000, true),
		"CRLF":     []byte(strings.ReplaceAll(string(users(500_000, false)), "\n", "\r\n")),
		"CR alone": []byte(strings.ReplaceAll(string(users(100_000, false)), "\n", "\r")),
	} {
		b.Run(name, func(b *testing.B) {
			b.SetBytes(int64(len(file)))
			b.ReportAllocs()
			for b.Loop() {
				benchPrepare(b, file, nil)
			}
		})
		b.Run(name+" with values", func(b *testing.B) {
			b.SetBytes(int64(len(file)))
			b.ReportAllocs()
			for b.Loop() {
				benchPrepare(b, file, func(r *records.Record) error {
					if r.Fault != "" || len(r.Values) != 9 {
						return errors.New("a fault")
					}
					return nil
				})
			}
		})
		if name == "CR alone" {
			continue
		}
		b.Run(name+" by encoding-csv", func(b *testing.B) {
			b.SetBytes(int64(len(file)))
			b.ReportAllocs()
			for b.Loop() {
				r := csv.NewReader(bytes.NewReader(file))
				r.ReuseRecord = true
				for {
					if _, err := r.Read(); errors.Is(err, io.EOF) {
						break
					} else if err != nil {
						b.Fatal(err)
					}
				}
			}
		})
	}
}

func benchPrepare(b *testing.B, file []byte, record func(*records.Record) error) {
	b.Helper()
	p, err := records.Prepare(b.Context(), bytes.NewReader(file), records.Options{}, records.Plan{
		ChunkRows: 25_000,
		Begin:     func(records.Info) (io.Writer, error) { return io.Discard, nil },
		Chunk:     func(records.Chunk) error { return nil },
		Record:    record,
	})
	if err != nil || p.Rows < 1000 {
		b.Fatalf("%+v: %v", p, err)
	}
}
