package render

import (
	"bytes"
	"fmt"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"evenhand/reports"
	"evenhand/reports/internal/sample"
)

// numbersOf lists the numbers that a report has as they are written: those of
// its cells, and of what people, warnings and the report itself say of it.
func numbersOf(r *reports.Report) map[string]bool {
	known := map[string]bool{}
	learn := func(s string) {
		for _, n := range numberIn.FindAllString(s, -1) {
			known[n] = true
		}
	}
	for _, t := range r.AllTables() {
		for _, row := range t.Rows {
			for _, c := range row.Cells {
				if len(c.Refs) == 0 {
					learn(show(c.String()))
				}
			}
		}
	}
	for _, t := range r.Tables() {
		for _, f := range t.Foot {
			learn(show(f))
		}
	}
	for _, f := range r.Facts {
		learn(show(f.Value))
	}
	for _, n := range r.Notes {
		learn(show(n.Text))
	}
	for _, s := range r.Sections {
		for _, b := range s.Blocks {
			if b.Gap != nil {
				learn(show(b.Gap.Why))
			}
		}
	}
	learn(r.Draft)
	learn(reports.Moment(r.GeneratedAt))
	return known
}

// wordOrphans reads a Word file's text on its own, not as Lint does: it takes
// the controls and fields out by their tags, and looks at what is left.
func wordOrphans(t testing.TB, r *reports.Report, document []byte) []string {
	t.Helper()
	var out []string
	cells := map[string]*reports.Cell{}
	for _, tab := range r.AllTables() {
		for _, row := range tab.Rows {
			for _, c := range row.Cells {
				cells[c.Key()] = c
			}
		}
	}
	text := string(document)
	controls := regexp.MustCompile(`(?s)<w:sdt><w:sdtPr>.*?<w:tag w:val="([^"]*)"/>.*?<w:sdtContent>(.*?)</w:sdtContent></w:sdt>`)
	seen := map[string]bool{}
	for _, m := range controls.FindAllStringSubmatch(text, -1) {
		seen[m[1]] = true
		if c := cells[m[1]]; c == nil || plainText(t, []byte("<x>"+strings.ReplaceAll(m[2], "w:", "")+"</x>")) != show(c.String()) {
			out = append(out, fmt.Sprintf("the control %s reads %q", m[1], m[2]))
		}
	}
	for _, c := range numberCells(r) {
		if !seen[c.Key()] {
			out = append(out, "cell "+c.Key()+" is not in the document")
		}
	}
	text = controls.ReplaceAllString(text, "<w:r><w:t>¤</w:t></w:r>")
	text = regexp.MustCompile(`(?s)<w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText[^>]*> (?:SEQ|REF)[^<]*</w:instrText></w:r><w:r><w:fldChar w:fldCharType="separate"/></w:r>.*?<w:fldChar w:fldCharType="end"/></w:r>`).ReplaceAllString(text, "")
	text = regexp.MustCompile(`(?s)<w:hyperlink w:anchor="note_[0-9]+">.*?</w:hyperlink>`).ReplaceAllString(text, "")
	text = regexp.MustCompile(`(?s)(<w:bookmarkStart w:id="[0-9]+" w:name="note_[0-9]+"/>).*?(<w:bookmarkEnd)`).ReplaceAllString(text, "$1$2")
	known := numbersOf(r)
	paragraphs := regexp.MustCompile(`(?s)<w:p>(.*?)</w:p>`).FindAllStringSubmatch(text, -1)
	for _, p := range paragraphs {
		words := plainText(t, []byte("<x>"+strings.ReplaceAll(regexp.MustCompile(`(?s)<w:drawing>.*?</w:drawing>`).ReplaceAllString(p[1], ""), "w:", "")+"</x>"))
		sentence := strings.Contains(p[1], `w:val="Normal"`) || strings.Contains(p[1], `w:val="Lead"`)
		for _, n := range numberIn.FindAllString(words, -1) {
			if !known[n] || sentence && !strings.Contains(words, "“") && !ofCell(r, words) {
				out = append(out, fmt.Sprintf("%s in %q", n, words))
			}
		}
	}
	if len(paragraphs) < 20 || len(seen) < 20 {
		t.Fatalf("only %d paragraphs and %d controls were read", len(paragraphs), len(seen))
	}
	return out
}

// ofCell says whether a sentence's number can be a text cell's, which is no
// control: a date, or a name.
func ofCell(r *reports.Report, words string) bool {
	for _, t := range r.AllTables() {
		for _, row := range t.Rows {
			for _, c := range row.Cells {
				if s := c.String(); c.Kind != reports.Number && strings.ContainsAny(s, "0123456789") && strings.Contains(words, s) {
					return true
				}
			}
		}
	}
	return false
}

// Every number in the Word file is a cell's, under its key, or stands in a name
// or sentence that somebody gave: in the report and in every other document.
func TestEveryNumberOfWordIsACell(t *testing.T) {
	check := func(name string, r *reports.Report) {
		b := asDOCX(t, r)
		for _, o := range wordOrphans(t, r, parts(t, b)["word/document.xml"]) {
			t.Errorf("%s: %.200s", name, o)
		}
	}
	for name, in := range inputs() {
		check(name, build(t, in))
	}
	for _, document := range reports.Documents {
		tpl, err := reports.Builtin(document)
		if err != nil {
			t.Fatal(err)
		}
		r, err := reports.BuildFrom(sample.Input(), tpl)
		if err != nil {
			t.Fatal(err)
		}
		if document != "stopped" && document != "recruitment" {
			check(document, r)
		}
		for _, o := range orphans(t, r, asHTML(t, r)) {
			t.Errorf("%s, page: %.200s", document, o)
		}
	}
	// The check can fail, wherever a number stands.
	r := build(t, sample.Input())
	good := string(parts(t, asDOCX(t, r))["word/document.xml"])
	for name, c := range map[string][2]string{
		"a cell":     {`<w:t xml:space="preserve">308</w:t>`, `<w:t xml:space="preserve">3,697</w:t>`},
		"a sentence": {" schools with ", " schools (3,697) with "},
		"a caption":  {"Effect on the primary outcome", "Effect on 77 outcomes"},
		"a key":      {`<w:tag w:val="headline/1/2"/>`, `<w:tag w:val="headline/1/3"/>`},
	} {
		bad := strings.Replace(good, c[0], c[1], 1)
		if bad == good {
			t.Fatalf("%s: %q is not in the document", name, c[0])
		}
		if len(wordOrphans(t, r, []byte(bad))) == 0 {
			t.Errorf("%s: a wrong number was not seen", name)
		}
	}
}

// bookOrphans looks for numbers of a workbook that are no cell's.
func bookOrphans(t *testing.T, r *reports.Report, book []byte) []string {
	t.Helper()
	var out []string
	left := map[string]int{} // numbers of the tables, by sheet and value
	known := numbersOf(r)
	all := 0
	for _, tab := range r.Tables() {
		for _, row := range tab.Rows {
			for _, c := range row.Cells {
				if c.Kind == reports.Number {
					left[sheetName(tab)+" "+strconv.FormatFloat(c.Value, 'g', -1, 64)]++
					all++
				}
			}
		}
	}
	references := regexp.MustCompile(`(?:Table|Figure) [0-9]+`)
	for name, cells := range readXLSX(t, book) {
		for ref, c := range cells {
			if c.Type == "" {
				key := name + " " + c.Value
				if left[key]--; left[key] < 0 {
					out = append(out, fmt.Sprintf("%s!%s is %s", name, ref, c.Value))
				}
				all--
				continue
			}
			if strings.HasPrefix(c.Text, "T") && name == "Contents" || name == "Notes" && strings.HasPrefix(ref, "A") {
				continue // names of sheets, numbers of notes
			}
			text := regexp.MustCompile(`\[[0-9]+\]`).ReplaceAllString(references.ReplaceAllString(c.Text, ""), "")
			for _, n := range numberIn.FindAllString(text, -1) {
				if !known[n] {
					out = append(out, fmt.Sprintf("%s!%s: %s in %q", name, ref, n, c.Text))
				}
			}
		}
	}
	if all != 0 {
		out = append(out, fmt.Sprintf("%d numbers of the tables are not in the workbook", all))
	}
	return out
}

// Every number in the workbook is a cell's value with all its digits, or stands
// in a text that has it in the report too.
func TestEveryNumberOfTheWorkbookIsACell(t *testing.T) {
	for name, in := range inputs() {
		r := build(t, in)
		var b bytes.Buffer
		if err := XLSX(&b, r); err != nil {
			t.Fatal(err)
		}
		for _, o := range bookOrphans(t, r, b.Bytes()) {
			t.Errorf("%s: %.200s", name, o)
		}
	}
	r := build(t, sample.Input())
	var b bytes.Buffer
	if err := XLSX(&b, r); err != nil {
		t.Fatal(err)
	}
	for name, c := range map[string][2]string{
		"a number": {"<v>308</v>", "<v>309</v>"}, "a digit": {"<v>0.2179344</v>", "<v>0.218</v>"}, "a title": {"Effect on the primary outcome", "Effect on 77 outcomes"},
	} {
		if len(bookOrphans(t, r, editIn(t, b.Bytes(), "xl/worksheets/", c[0], c[1]))) == 0 {
			t.Errorf("%s: a wrong number was not seen", name)
		}
	}
}

// Names that try to be markup, formulas or to hide are whole, as text, in the
// Word file and in the workbook, and the package is one that Word opens.
func TestHostileNamesInOffice(t *testing.T) {
	for i, name := range sample.Hostiles() {
		r := build(t, sample.Hostile(i))
		all := parts(t, asDOCX(t, r))
		checkPackage(t, name, all)
		text := plainText(t, all["word/document.xml"])
		if !strings.Contains(text, show(name)) {
			t.Errorf("%.40q is not in the Word file", name)
		}
		for _, x := range text {
			if x < ' ' || x >= 0x202a && x <= 0x202e || x >= 0x2066 && x <= 0x2069 || x == 0x200b || x == 0xfeff || x == 0x2028 {
				t.Errorf("%.40q: the character U+%04X is in the Word file", name, x)
				break
			}
		}
		var b bytes.Buffer
		if err := XLSX(&b, r); err != nil {
			t.Fatal(err)
		}
		found := false
		for _, cells := range readXLSX(t, b.Bytes()) {
			for _, c := range cells {
				found = found || strings.Contains(c.Text, show(name))
				if c.F != nil || c.Type != "" && c.Type != "inlineStr" {
					t.Errorf("%.40q: a cell of the type %q", name, c.Type)
				}
			}
		}
		if !found {
			t.Errorf("%.40q is not in the workbook", name)
		}
		for part, data := range parts(t, b.Bytes()) {
			wellFormed(t, part, data)
		}
	}
}
