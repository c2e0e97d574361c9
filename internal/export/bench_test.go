package export_test

import (
	"testing"

	"github.com/musterhq/muster/internal/export"
	"github.com/musterhq/muster/internal/user"
)

// What one user costs in each form that is written row by row, without reading and sending.
func BenchmarkAppend(b *testing.B) {
	for _, s := range []user.ExportSpec{{}, {Raw: true}, {Format: user.NDJSON}, {Format: user.Avro}} {
		name := s.Format
		if name == "" {
			name = "csv"
		}
		if s.Raw {
			name += "-raw"
		}
		b.Run(name, func(b *testing.B) {
			add, cols := export.Appender(s), ada()
			buf := make([]byte, 0, 1024)
			b.ReportAllocs()
			for b.Loop() {
				var err error
				if buf, err = add(buf[:0], cols); err != nil {
					b.Fatal(err)
				}
			}
			b.SetBytes(int64(len(buf)))
		})
	}
}
