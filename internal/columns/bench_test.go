package columns_test

import (
	"strings"
	"testing"

	"github.com/musterhq/muster/internal/columns"
)

// What one record costs on one core. An import has some 10 µs for a row, most of which are the store's.
func BenchmarkConvert(b *testing.B) {
	for name, c := range map[string]struct {
		header, record string
		o              columns.Options
	}{
		"plain": {header: "first_name|last_name|email|city|state|age|phone|gender", record: "Ada|Byron|ada.byron@example.com|London|England|36|+44 20 7946 0101|Female"},
		"own": {
			header: "id|name|age|gender|city|state|email|mobile", record: "7|Ada Byron|36|Female|London|England|ada.byron@example.com|'+442079460101",
			o: columns.Options{Key: columns.KeyID},
		},
		"german": {header: "Anrede|Name|Vorname|E-Mail|Wohnort|Geburtsdatum|Geschlecht", record: "Frau|Größling|Änne|aenne@example.com|Köln|31.12.1990|weiblich"},
		"wide": {
			header: "email|first name|last name" + strings.Repeat("|custom field", 97),
			record: "ada.byron@example.com|Ada|Byron" + strings.Repeat("|some value", 97),
		},
	} {
		b.Run(name, func(b *testing.B) {
			conv := newPlan(b, strings.Split(c.header, "|"), c.o).Converter()
			values := bytesOf(strings.Split(c.record, "|")...)
			var row columns.Row
			b.ReportAllocs()
			for b.Loop() {
				if faults := conv.Convert(values, &row); faults != nil {
					b.Fatal(faults)
				}
			}
		})
	}
	b.Run("members", func(b *testing.B) {
		header := "firstName|lastName|email|city|state|age|mobileNumber|gender"
		conv := newPlan(b, strings.Split(header, "|"), columns.Options{}).Converter()
		names := bytesOf(strings.Split(header, "|")...)
		values := bytesOf("Ada", "Byron", "ada.byron@example.com", "London", "England", "36", "+44 20 7946 0101", "Female")
		var row columns.Row
		b.ReportAllocs()
		for b.Loop() {
			if faults := conv.ConvertMembers(names, values, &row); faults != nil {
				b.Fatal(faults)
			}
		}
	})
}

// The texts of a row are one allocation, and nothing else is any.
func TestConvertAllocatesOnce(t *testing.T) { // not parallel: AllocsPerRun counts the whole process
	header := "id|first_name|last_name|email|city|state|birthdate|phone|gender|salutation|is deleted"
	conv := newPlan(t, strings.Split(header, "|"), columns.Options{Key: columns.KeyID}).Converter()
	for _, record := range []string{
		"7|Ada|Byron|ada.byron@example.com|London|England|1990-12-31|+44 20 7946 0101|Female||",
		"7|Ænne|Größling|änne@example.com|Köln|Baden-Württemberg|31.12.1990|030 23125301|weiblich|Frau|",
	} {
		values := bytesOf(strings.Split(record, "|")...)
		var row columns.Row
		if n := testing.AllocsPerRun(100, func() {
			if conv.Convert(values, &row) != nil {
				t.Fatal("refused")
			}
		}); n > 1 {
			t.Errorf("%s: %v allocations", record, n)
		}
	}
}
