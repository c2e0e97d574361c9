package main

import (
	"archive/zip"
	"fmt"
	"io"
	"strings"

	"github.com/klauspost/compress/flate"
)

// maxSheetRows is how many rows a sheet of Excel's may have, the header among them.
const maxSheetRows = 1 << 20

// The parts of a workbook besides its texts and its sheet.
var workbookParts = [][2]string{
	{"[Content_Types].xml", `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/worksheets/sheet1.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/><Override PartName="/xl/sharedStrings.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sharedStrings+xml"/></Types>`},
	{"_rels/.rels", `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>`},
	{"xl/workbook.xml", `<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets><sheet name="Users" sheetId="1" r:id="rId1"/></sheets></workbook>`},
	{"xl/_rels/workbook.xml.rels", `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/sharedStrings" Target="sharedStrings.xml"/></Relationships>`},
}

// writeXLSX writes a workbook in the form that is hardest to read: every text is a shared one, and none occurs twice in the list.
func writeXLSX(w io.Writer, rows people) error {
	z := zip.NewWriter(w)
	z.RegisterCompressor(zip.Deflate, func(w io.Writer) (io.WriteCloser, error) { return flate.NewWriter(w, flate.BestSpeed) })
	for _, part := range workbookParts {
		if err := writePart(z, part[0], part[1]); err != nil {
			return err
		}
	}
	texts, err := z.Create("xl/sharedStrings.xml")
	if err != nil {
		return err
	}
	if err := writeTexts(texts, rows); err != nil {
		return err
	}
	sheet, err := z.Create("xl/worksheets/sheet1.xml")
	if err != nil {
		return err
	}
	if err := writeSheet(sheet, rows); err != nil {
		return err
	}
	return z.Close()
}

func writePart(z *zip.Writer, name, text string) error {
	w, err := z.Create(name)
	if err != nil {
		return err
	}
	_, err = io.WriteString(w, text)
	return err
}

var columnNames = strings.Split(personHeader, ",")

// textsOf returns the texts of a row in the order of columnNames, without the two columns that are numbers.
func textsOf(p *person) [8]string {
	return [8]string{p.FirstName, p.LastName, p.Email, p.City, p.State, p.Mobile, p.Gender, p.Notes}
}

func writeTexts(w io.Writer, rows people) error {
	if _, err := io.WriteString(w, `<sst xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main">`); err != nil {
		return err
	}
	for _, name := range columnNames {
		if _, err := fmt.Fprintf(w, "<si><t>%s</t></si>", name); err != nil {
			return err
		}
	}
	var b []byte
	for p := range rows {
		b = b[:0]
		for _, text := range textsOf(p) { // nothing of faker's has to be escaped
			b = append(append(append(b, "<si><t>"...), text...), "</t></si>"...)
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, "</sst>")
	return err
}

func writeSheet(w io.Writer, rows people) error {
	if _, err := io.WriteString(w, `<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetData><row r="1">`); err != nil {
		return err
	}
	for i := range columnNames {
		if _, err := fmt.Fprintf(w, `<c r="%c1" t="s"><v>%d</v></c>`, 'A'+i, i); err != nil {
			return err
		}
	}
	var b []byte
	row, text := 1, len(columnNames)
	for p := range rows {
		row++
		b = fmt.Appendf(b[:0], `</row><row r="%[1]d"><c r="A%[1]d"><v>%[2]d</v></c>`, row, p.ID)
		for column := 'B'; column <= 'J'; column++ {
			if column == 'G' {
				b = fmt.Appendf(b, `<c r="G%d"><v>%d</v></c>`, row, p.Age)
				continue
			}
			b = fmt.Appendf(b, `<c r="%c%d" t="s"><v>%d</v></c>`, column, row, text)
			text++
		}
		if _, err := w.Write(b); err != nil {
			return err
		}
	}
	_, err := io.WriteString(w, "</row></sheetData></worksheet>")
	return err
}
