package render

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"io"
	"maps"
	"regexp"
	"slices"
	"strings"
	"testing"

	"evenhand/reports"
	"evenhand/reports/internal/sample"
)

func asDOCX(t testing.TB, r *reports.Report) []byte {
	t.Helper()
	var b bytes.Buffer
	if err := DOCX(&b, r); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// parts gives a package's files.
func parts(t testing.TB, b []byte) map[string][]byte {
	t.Helper()
	z, err := zip.NewReader(bytes.NewReader(b), int64(len(b)))
	if err != nil {
		t.Fatal(err)
	}
	out := map[string][]byte{}
	for _, f := range z.File {
		rc, err := f.Open()
		if err != nil {
			t.Fatal(err)
		}
		if out[f.Name], err = io.ReadAll(rc); err != nil {
			t.Fatal(err)
		}
	}
	return out
}

// edit changes the document's text as somebody at a keyboard would.
func edit(t testing.TB, b []byte, old, new string) []byte {
	t.Helper()
	return editIn(t, b, "word/document.xml", old, new)
}

// editIn changes the first place of a package's parts whose names begin so.
func editIn(t testing.TB, b []byte, part, old, new string) []byte {
	t.Helper()
	var out bytes.Buffer
	z := zip.NewWriter(&out)
	changed := false
	all := parts(t, b)
	for _, name := range slices.Sorted(maps.Keys(all)) {
		data := all[name]
		if strings.HasPrefix(name, part) && !changed {
			s := strings.Replace(string(data), old, new, 1)
			changed = s != string(data)
			data = []byte(s)
		}
		f, err := z.Create(name)
		if err == nil {
			_, err = f.Write(data)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if !changed {
		t.Fatalf("%q is not in %s", old, part)
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return out.Bytes()
}

// The document is well-formed whatever the names, the same each time, has a
// control for every number, a heading that repeats on every table, and alt text
// on every picture.
func TestDOCX(t *testing.T) {
	inputs := []reports.Input{sample.Input(), sample.Stopped(), sample.Recruiting(), sample.Blind()}
	for i := range len(sample.Hostiles()) {
		inputs = append(inputs, sample.Hostile(i))
	}
	for i, in := range inputs {
		r := build(t, in)
		b := asDOCX(t, r)
		if !bytes.Equal(b, asDOCX(t, r)) {
			t.Errorf("input %d: the same report gave two documents", i)
		}
		all := parts(t, b)
		for name, data := range all {
			if strings.HasSuffix(name, ".emf") {
				if len(data) < 200 || string(data[40:44]) != " EMF" {
					t.Errorf("input %d: %s is no metafile", i, name)
				}
				continue
			}
			d := xml.NewDecoder(bytes.NewReader(data))
			for {
				if _, err := d.Token(); err == io.EOF {
					break
				} else if err != nil {
					t.Fatalf("input %d: %s: %v", i, name, err)
				}
			}
		}
		document := string(all["word/document.xml"])
		tables, figures := len(r.Tables()), len(r.Figures())
		if strings.Count(document, "<w:tbl>") != tables || strings.Count(document, "SEQ Table") != tables {
			t.Errorf("input %d: %d tables, want %d", i, strings.Count(document, "<w:tbl>"), tables)
		}
		if strings.Count(document, "<w:drawing>") != figures || strings.Count(document, ` descr=""`) != 0 {
			t.Errorf("input %d: %d pictures, want %d, each with a description", i, strings.Count(document, "<w:drawing>"), figures)
		}
		if strings.Count(document, "<w:tblHeader/>") < tables {
			t.Errorf("input %d: a table's heading does not repeat", i)
		}
		got, err := Lint(bytes.NewReader(b), int64(len(b)), r, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(got.Slips) > 0 || len(got.Missing) > 0 || got.Cells < 20 {
			t.Errorf("input %d: an untouched document has %d slips, %d missing cells (of %d): %v", i, len(got.Slips), len(got.Missing), got.Cells, got.Slips[:min(3, len(got.Slips))])
		}
	}
}

// Numbers changed, typed in and taken out are found, and said where.
func TestLint(t *testing.T) {
	r := build(t, sample.Input())
	b := asDOCX(t, r)
	const before = `<w:t xml:space="preserve">`
	for name, c := range map[string]struct {
		old, new string
		want     string // in the slip
	}{
		"a cell of a table": {before + "308</w:t>", before + "3,697</w:t>", `"3,697" should be "308"`},
		"a minus lost":      {before + "−0.16</w:t>", before + "0.16</w:t>", `"0.16" should be "−0.16"`},
		"a rounded value":   {before + "0.26</w:t>", before + "0.3</w:t>", `"0.3" should be "0.26"`},
		"a sentence typed":  {" were randomised; ", " (3,697 pupils) were randomised; ", `"3,697" is no number of the record`},
		"a caption":         {"Effect on the primary outcome", "Effect on 77 outcomes", `"77" is no number`},
		"a cell emptied":    {before + "0.218</w:t>", before + "</w:t>", `"" should be "0.218"`},
		"another key":       {`<w:tag w:val="headline/1/2"/>`, `<w:tag w:val="headline/9/9"/>`, "which the record does not have"},
	} {
		edited := edit(t, b, c.old, c.new)
		got, err := Lint(bytes.NewReader(edited), int64(len(edited)), r, nil)
		if err != nil {
			t.Fatal(err)
		}
		var all []string
		for _, s := range got.Slips {
			all = append(all, s.String())
		}
		if text := strings.Join(all, "\n"); len(all) == 0 || !strings.Contains(text, c.want) {
			t.Errorf("%s: found %q, want %q", name, text, c.want)
		}
	}
	// what is no error: a hyphen for the minus sign, a sentence without numbers
	for _, c := range [][2]string{{before + "−0.16</w:t>", before + "-0.16</w:t>"}, {" were randomised; ", " were put into arms by lot; "}} {
		edited := edit(t, b, c[0], c[1])
		if got, err := Lint(bytes.NewReader(edited), int64(len(edited)), r, nil); err != nil || len(got.Slips) > 0 {
			t.Errorf("%q for %q: %v, %v", c[1], c[0], got.Slips, err)
		}
	}
	// a number that Word keeps as deleted is not in the document
	edited := edit(t, b, " were randomised; ", `</w:t></w:r><w:del w:id="9000" w:author="x"><w:r><w:t>99 </w:t></w:r></w:del><w:r><w:t> were randomised; `)
	if got, err := Lint(bytes.NewReader(edited), int64(len(edited)), r, nil); err != nil || len(got.Slips) > 0 {
		t.Errorf("a deleted number counts: %v, %v", got, err)
	}
	if _, err := Lint(strings.NewReader("no zip"), 6, r, nil); err == nil {
		t.Error("a text file was read as a Word file")
	}
}

// Where a program has thrown the controls away, as LibreOffice does, the cells
// of tables are known by their place: nothing is a slip, and what was changed
// is told with what it should be. A hyphen in a word is no sign.
func TestLintWithoutControls(t *testing.T) {
	r := build(t, sample.Input())
	b := asDOCX(t, r)
	document := string(parts(t, b)["word/document.xml"])
	bare := regexp.MustCompile(`(?s)<w:sdt><w:sdtPr>.*?</w:sdtPr><w:sdtContent>(.*?)</w:sdtContent></w:sdt>`).ReplaceAllString(document, "$1")
	check := func(text string) *Checked {
		edited := edit(t, b, document, text)
		got, err := Lint(bytes.NewReader(edited), int64(len(edited)), r, nil)
		if err != nil {
			t.Fatal(err)
		}
		return got
	}
	if made := MadeAt(bytes.NewReader(b), int64(len(b))); !made.Equal(r.GeneratedAt) {
		t.Errorf("the document says that it was made at %v", made)
	}
	if got := check(bare); len(got.Slips) > 0 || got.Cells < 300 {
		t.Errorf("without controls: %d cells, %v", got.Cells, got.Slips)
	}
	// 24 schools are in the record, but not as the number of pupils analysed.
	at := strings.Index(bare, "  Effect on the primary outcome")
	changed := bare[:at] + strings.Replace(bare[at:], ">308</w:t>", ">24</w:t>", 1)
	got := check(changed)
	if len(got.Slips) != 1 || got.Slips[0].Want != "308" || got.Slips[0].Cell == "" {
		t.Errorf("a number changed into another of the record: %v", got.Slips)
	}
	// Rows that were put into another order are the same rows.
	rows := regexp.MustCompile(`(?s)<w:tr>.*?</w:tr>`).FindAllString(bare[strings.Index(bare, "Schools by region"):], 5)
	swapped := strings.NewReplacer(rows[1], rows[2], rows[2], rows[1]).Replace(bare)
	if got := check(swapped); swapped == bare || len(got.Slips) > 0 {
		t.Errorf("rows in another order: %v", got.Slips)
	}
}
