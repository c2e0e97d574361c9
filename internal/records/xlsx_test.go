package records_test

import (
	"archive/zip"
	"bytes"
	"fmt"
	"io"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"github.com/musterhq/muster/internal/records"
)

// workbook returns a zip archive of parts. What a minimal workbook needs and parts do not have is added.
func workbook(tb testing.TB, parts map[string]string) []byte {
	tb.Helper()
	all := map[string]string{
		"[Content_Types].xml": `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"/>`,
		"_rels/.rels": `<Relationships><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/>` +
			`<Relationship Id="rId2" Type="http://schemas.openxmlformats.org/package/2006/relationships/metadata/core-properties" Target="docProps/core.xml"/></Relationships>`,
		"xl/workbook.xml":            `<workbook xmlns:r="x"><sheets><sheet name="Sheet1" sheetId="1" r:id="rId1"/></sheets></workbook>`,
		"xl/_rels/workbook.xml.rels": `<Relationships><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet1.xml"/></Relationships>`,
	}
	for name, part := range parts {
		all[name] = part
	}
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for name, part := range all {
		w, err := z.Create(name)
		if err != nil {
			tb.Fatal(err)
		}
		if _, err := io.WriteString(w, part); err != nil {
			tb.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		tb.Fatal(err)
	}
	return b.Bytes()
}

func sheet(rows string) string {
	return `<?xml version="1.0" encoding="UTF-8" standalone="yes"?><worksheet><dimension ref="A1:Z9"/><sheetData>` + rows + `</sheetData><pageMargins left="0.7"/></worksheet>`
}

// inline returns a row of inline strings, number r.
func inline(r int, values ...string) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<row r="%d">`, r)
	for i, v := range values {
		fmt.Fprintf(&b, `<c r="%c%d" t="inlineStr"><is><t>%s</t></is></c>`, 'A'+i, r, v)
	}
	return b.String() + "</row>"
}

func TestXLSX(t *testing.T) {
	t.Parallel()
	const styles = `<styleSheet><numFmts count="3"><numFmt numFmtId="164" formatCode="yyyy\-mm\-dd\ hh:mm"/><numFmt numFmtId="165" formatCode="[$-409]d\-mmm\-yy;@"/><numFmt numFmtId="166" formatCode="&quot;days&quot;\ 0.00E+00"/></numFmts>` +
		`<cellStyleXfs><xf numFmtId="14"/></cellStyleXfs><cellXfs><xf numFmtId="0"/><xf numFmtId="14"/><xf numFmtId="164"/><xf numFmtId="165"/><xf numFmtId="166"/><xf numFmtId="21"/></cellXfs><cellStyles><xf numFmtId="14"/></cellStyles></styleSheet>`
	const shared = `<sst count="5" uniqueCount="5"><si><t>e-mail</t></si><si><t xml:space="preserve"> born </t></si><si><r><rPr><b/></rPr><t>Zo</t></r><r><t>ë</t></r><rPh sb="0" eb="1"><t>ゾエ</t></rPh></si><si><t>a_x000D_b&amp;&lt;_x005F_</t></si><si><t/></si></sst>`
	file := workbook(t, map[string]string{
		"xl/styles.xml": styles, "xl/sharedStrings.xml": shared,
		"xl/worksheets/sheet1.xml": sheet(`<row r="3"><c r="A3" t="s"><v>0</v></c><c r="B3" t="s"><v>1</v></c><c r="D3" t="str"><f>1</f><v>phone</v></c></row>` +
			`<row r="4"><c r="A4" t="s"><v>2</v></c><c r="B4" s="1"><v>36526</v></c><c r="D4"><v>447700900123</v></c></row>` +
			`<row r="6"><c r="A6" t="s"><v>3</v></c><c r="B6" s="2"><v>45000.5</v></c><c r="C6" t="b"><v>1</v></c><c r="D6"><v>4.47700900123E11</v></c></row>` +
			`<row r="7" spans="1:4"><c r="A7" s="1"/></row>` +
			`<row><c t="inlineStr"><is><t>x</t></is></c><c s="3"><v>1</v></c><c s="4"><v>5.5</v></c><c><v>1.2345678901234567E+19</v></c><c t="e"><v>#N/A</v></c></row>` +
			`<row r="9"><c r="B9" s="5"><v>0.5</v></c><c r="C9" t="d"><v>2026-11-27</v></c><c r="D9"><v>36.0</v></c><c r="F9" t="s"><v>4</v></c></row>` +
			`<row r="10"><c r="A10" t="s"><v>99</v></c><c r="B10" s="1"><v>60</v></c><c r="C10"><v>0.30000000000000004</v></c></row>`),
	})
	info, got := mustRead(t, file, records.Options{})
	want := `1@4 ["e-mail=Zoë" " born =2000-01-01" "column3" "phone=447700900123"]
2@6 ["e-mail=a\rb&<_" " born =2023-03-15T12:00:00" "column3=true" "phone=447700900123"]
3@8 ["e-mail=x" " born =1900-01-01" "column3=5.5" "phone=1.2345678901234567E+19" "column5=#N/A"]
4@9 ["e-mail" " born =12:00:00" "column3=2026-11-27" "phone=36"]
5@10 ["e-mail" " born =1900-02-28" "column3=0.30000000000000004" "phone"]
`
	if diff := cmp.Diff(want, shown(got)); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
	wantInfo := records.Info{Format: records.XLSX, Compression: records.None, Header: true, Rewritten: true, Columns: []string{"e-mail", " born ", "column3", "phone", "column5"}}
	if diff := cmp.Diff(wantInfo, info); diff != "" {
		t.Errorf("-want +got:\n%s", diff)
	}
}

func TestSheets(t *testing.T) {
	t.Parallel()
	no := false
	const relationship = `<Relationship Id="%s" Type="http://purl.oclc.org/ooxml/officeDocument/relationships/%s" Target="%s" TargetMode="%s"/>`
	rel := func(id, kind, target, mode string) string { return fmt.Sprintf(relationship, id, kind, target, mode) }
	for _, test := range []struct {
		name  string
		parts map[string]string
		o     records.Options
		want  string
	}{
		{"the first that is not hidden", map[string]string{
			"xl/workbook.xml": `<workbook><workbookPr date1904="1"/><sheets><sheet name="a" state="hidden" r:id="1"/><sheet name="chart" r:id="2"/><sheet name="b" r:id="3"/><sheet name="c" r:id="4"/></sheets></workbook>`,
			"xl/_rels/workbook.xml.rels": "<Relationships>" + rel("4", "worksheet", "worksheets/sheet1.xml", "") + rel("3", "worksheet", "/xl/worksheets/other.xml", "") +
				rel("2", "chartsheet", "chartsheets/sheet1.xml", "") + rel("1", "worksheet", "worksheets/sheet1.xml", "") + "</Relationships>",
			"xl/worksheets/sheet1.xml": sheet(inline(1, "wrong")),
			"xl/worksheets/other.xml":  sheet(inline(1, "a", "b") + inline(2, "1", "2")),
		}, records.Options{}, "1@2 [\"a=1\" \"b=2\"]\n"},
		{"1904, and prefixes", map[string]string{
			"xl/workbook.xml":          `<x:workbook><x:workbookPr date1904="true"/><x:sheets><x:sheet name="a" r:id="rId1"/></x:sheets></x:workbook>`,
			"xl/styles.xml":            `<x:styleSheet><x:cellXfs><x:xf numFmtId="14"/></x:cellXfs></x:styleSheet>`,
			"xl/worksheets/sheet1.xml": `<x:worksheet><x:sheetData><x:row r="1"><x:c r="A1" t="inlineStr"><x:is><x:t>a</x:t></x:is></x:c></x:row><x:row r="2"><x:c r="A2" s="0"><x:v>0</x:v></x:c></x:row></x:sheetData></x:worksheet>`,
		}, records.Options{}, "1@2 [\"a=1904-01-01\"]\n"},
		{"no header, said", map[string]string{"xl/worksheets/sheet1.xml": sheet(inline(1, "a", "b"))}, records.Options{Header: &no}, "1@1 [\"column1=a\" \"column2=b\"]\n"},
		{"no header, an address shows it", map[string]string{"xl/worksheets/sheet1.xml": sheet(inline(1, "a", "ada@example.com"))}, records.Options{}, "1@1 [\"column1=a\" \"column2=ada@example.com\"]\n"},
		{"names that occur twice", map[string]string{"xl/worksheets/sheet1.xml": sheet(inline(1, "a", "a", "a 2") + inline(2, "1", "2", "3"))}, records.Options{}, "1@2 [\"a=1\" \"a 2=2\" \"a 2 2=3\"]\n"},
		{"only a header", map[string]string{"xl/worksheets/sheet1.xml": sheet(inline(1, "a", "b"))}, records.Options{}, ""},
	} {
		t.Run(test.name, func(t *testing.T) {
			t.Parallel()
			_, got := mustRead(t, workbook(t, test.parts), test.o)
			if diff := cmp.Diff(test.want, shown(got)); diff != "" {
				t.Errorf("-want +got:\n%s", diff)
			}
		})
	}
}

func TestHostileXLSX(t *testing.T) {
	t.Parallel()
	many := func(n int, s string) string { return strings.Repeat(s, n) }
	for name, test := range map[string]struct {
		parts map[string]string
		want  records.FileCode
	}{
		"an external sheet": {map[string]string{"xl/_rels/workbook.xml.rels": `<Relationships><Relationship Id="rId1" Type="x/worksheet" Target="http://example.com/sheet1.xml" TargetMode="External"/></Relationships>`}, records.Unreadable},
		"no sheet":          {nil, records.Unreadable},
		"not a workbook":    {map[string]string{"xl/workbook.xml": "<html/>"}, records.Unreadable},
		"cut XML":           {map[string]string{"xl/worksheets/sheet1.xml": `<worksheet><sheetData><row r="1"><c r="A1" t="inlineStr"><is><t>a`}, records.Unreadable},
		"an entity":         {map[string]string{"xl/worksheets/sheet1.xml": `<!DOCTYPE x [<!ENTITY a SYSTEM "file:///etc/passwd">]>` + sheet(inline(1, "&a;"))}, records.Unreadable},
		"a bomb of a sheet": {map[string]string{"xl/worksheets/sheet1.xml": sheet(inline(1, "a") + many(80, `<row x="`+many(1<<20, "y")+`"/>`))}, records.Bomb},
		"a bomb of strings": {map[string]string{"xl/sharedStrings.xml": "<sst>" + many(80, "<si><t>"+many(1<<20, "x")+"</t></si>") + "</sst>", "xl/worksheets/sheet1.xml": sheet(inline(1, "a") + `<row><c t="s"><v>79</v></c></row>`)}, records.Bomb},
		"rows that point at a long string": {map[string]string{
			"xl/sharedStrings.xml":     "<sst><si><t>" + many(1<<20, "x") + "</t></si></sst>",
			"xl/worksheets/sheet1.xml": sheet(inline(1, "a") + many(1000, `<row><c t="s"><v>0</v></c></row>`)),
		}, records.Bomb},
		"a text of 5 MB":            {map[string]string{"xl/worksheets/sheet1.xml": sheet(inline(1, "a", many(5<<20, "x")))}, records.TooLarge},
		"an attribute of 5 MB":      {map[string]string{"xl/worksheets/sheet1.xml": sheet(inline(1, "a") + `<row r="2"><c x="` + many(5<<20, "x") + `"/></row>`)}, records.TooLarge},
		"row 2,000,000":             {map[string]string{"xl/worksheets/sheet1.xml": sheet(inline(1, "a") + inline(2_000_000, "x"))}, records.Unreadable},
		"column ZZZZ":               {map[string]string{"xl/worksheets/sheet1.xml": sheet(`<row><c r="ZZZZ1" t="str"><v>1</v></c></row>`)}, records.Unreadable},
		"1,001 columns":             {map[string]string{"xl/worksheets/sheet1.xml": sheet("<row>" + many(1001, `<c t="str"><v>1</v></c>`) + "</row>")}, records.TooManyColumnsInAll},
		"an empty sheet":            {map[string]string{"xl/worksheets/sheet1.xml": sheet("")}, records.EmptyFile},
		"a header that is too long": {map[string]string{"xl/worksheets/sheet1.xml": sheet(inline(1, many(2000, "x")))}, records.BadHeader},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			if raceDetector && strings.HasPrefix(name, "a bomb") {
				t.Skip("takes long, and no race can be in it")
			}
			if err := count(t, workbook(t, test.parts), records.Options{}); fileCode(t, err) != test.want {
				t.Errorf("%v, want %s", err, test.want)
			}
		})
	}
	file := workbook(t, map[string]string{"xl/worksheets/sheet1.xml": sheet(inline(1, "a", "b") + inline(2, "1", "2"))})
	for i := 0; i < len(file); i += 1 + i%17 {
		damaged := bytes.Clone(file)
		damaged[i] ^= 0xFF
		_ = count(t, damaged, records.Options{Format: records.XLSX})
	}
	for i := range len(file) {
		if err := count(t, file[:i], records.Options{Format: records.XLSX}); err == nil {
			t.Errorf("%d of %d bytes are a workbook", i, len(file))
		}
	}
}

// A value that is too long is its record's fault.
func TestLongTextsInXLSX(t *testing.T) {
	t.Parallel()
	most := records.MaxValue
	_, got, err := read(t, workbook(t, map[string]string{"xl/worksheets/sheet1.xml": sheet(inline(1, "a", "b", "c", "d", "e", "f") +
		inline(2, long(most)) + inline(3, long(most+1)) + inline(4, long(most), long(most), long(most), long(most), long(most), long(most)) + inline(5, "1"))}), records.Options{})
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []records.Fault{"", records.ValueTooLong, records.RecordTooLong, ""} {
		if got[i].Fault != want || got[i].Line != int64(i+2) {
			t.Errorf("row %d at %d: %s, want %s", got[i].Row, got[i].Line, string(got[i].Fault), string(want))
		}
	}
}
