package render

import (
	"archive/zip"
	"bytes"
	"encoding/xml"
	"errors"
	"io"
	"os"
	"strings"
	"testing"
	"time"

	"evenhand/reports"
	"evenhand/reports/internal/sample"
)

const w = `xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"`

// funder is a form as funders have them: contents, page numbers, bookmarks,
// comments, tracked changes, a landscape section, header, footer, footnotes,
// controls of its own, a control that is bound to data, and things to fill in.
func funder() map[string]string {
	return map[string]string{
		"[Content_Types].xml":          `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\r\n" + `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.template.main+xml"/><Override PartName="/word/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.styles+xml"/><Override PartName="/word/header1.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.header+xml"/><Override PartName="/word/footer1.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.footer+xml"/><Override PartName="/word/footnotes.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.footnotes+xml"/><Override PartName="/word/comments.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.comments+xml"/></Types>`,
		"_rels/.rels":                  `<?xml version="1.0" encoding="UTF-8"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>`,
		"word/_rels/document.xml.rels": `<?xml version="1.0" encoding="UTF-8"?><Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/header" Target="header1.xml"/><Relationship Id="rId3" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/footer" Target="footer1.xml"/><Relationship Id="rId4" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/footnotes" Target="footnotes.xml"/><Relationship Id="rId5" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/comments" Target="comments.xml"/></Relationships>`,
		"word/styles.xml":              `<w:styles ` + w + `><w:style w:type="paragraph" w:default="1" w:styleId="Standard"><w:name w:val="Normal"/></w:style><w:style w:type="paragraph" w:styleId="FunderHead"><w:name w:val="heading 1"/><w:basedOn w:val="Standard"/><w:rPr><w:b/><w:sz w:val="36"/></w:rPr></w:style><w:style w:type="paragraph" w:styleId="Beschriftung"><w:name w:val="caption"/><w:basedOn w:val="Standard"/><w:rPr><w:i/></w:rPr></w:style></w:styles>`,
		"word/header1.xml":             `<w:hdr ` + w + `><w:p><w:r><w:t>Foundation report 2026: </w:t></w:r><w:sdt><w:sdtPr><w:tag w:val="report:title"/><w:id w:val="77"/></w:sdtPr><w:sdtContent><w:r><w:rPr><w:b/></w:rPr><w:t>title of the trial</w:t></w:r></w:sdtContent></w:sdt></w:p></w:hdr>`,
		"word/footer1.xml":             `<w:ftr ` + w + `><w:p><w:r><w:t xml:space="preserve">Page </w:t></w:r><w:fldSimple w:instr=" PAGE "><w:r><w:t>1</w:t></w:r></w:fldSimple><w:r><w:t xml:space="preserve"> of </w:t></w:r><w:fldSimple w:instr=" NUMPAGES "><w:r><w:t>9</w:t></w:r></w:fldSimple></w:p></w:ftr>`,
		"word/footnotes.xml":           `<w:footnotes ` + w + `><w:footnote w:type="separator" w:id="-1"><w:p><w:r><w:separator/></w:r></w:p></w:footnote><w:footnote w:type="continuationSeparator" w:id="0"><w:p><w:r><w:continuationSeparator/></w:r></w:p></w:footnote><w:footnote w:id="1"><w:p><w:r><w:t>Of {{headline/1/6}} pupils; see our guidance of 2022.</w:t></w:r></w:p></w:footnote></w:footnotes>`,
		"word/comments.xml":            `<w:comments ` + w + `><w:comment w:id="0" w:author="Funder" w:date="2026-01-05T10:00:00Z"><w:p><w:r><w:t>Please keep to 30 pages.</w:t></w:r></w:p></w:comment></w:comments>`,
		"customXml/item1.xml":          `<contract xmlns="urn:funder"><number>4711</number></contract>`,
		"word/document.xml": `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\r\n" + `<w:document ` + w + `><w:body>` +
			`<w:p><w:pPr><w:pStyle w:val="FunderHead"/></w:pPr><w:bookmarkStart w:id="3" w:name="start"/><w:r><w:t>Project 17: final report</w:t></w:r><w:bookmarkEnd w:id="3"/></w:p>` +
			`<w:p><w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText xml:space="preserve"> TOC \o "1-2" </w:instrText></w:r><w:r><w:fldChar w:fldCharType="separate"/></w:r><w:r><w:t>Project 17: final report 1</w:t></w:r><w:r><w:fldChar w:fldCharType="end"/></w:r></w:p>` +
			`<w:p><w:r><w:t>Contract </w:t></w:r><w:sdt><w:sdtPr><w:tag w:val="Contract number"/><w:id w:val="5"/><w:dataBinding w:xpath="/contract/number" w:storeItemID="{1}"/></w:sdtPr><w:sdtContent><w:r><w:t>4711</w:t></w:r></w:sdtContent></w:sdt></w:p>` +
			// split over runs, with proof marks between and looks of its own
			`<w:p><w:r><w:rPr><w:i/></w:rPr><w:t xml:space="preserve">The effect is {{head</w:t></w:r><w:proofErr w:type="spellStart"/><w:r><w:rPr><w:i/></w:rPr><w:t>line/1</w:t></w:r><w:bookmarkStart w:id="4" w:name="middle"/><w:bookmarkEnd w:id="4"/><w:r><w:rPr><w:i/></w:rPr><w:t xml:space="preserve">/2}} standard deviations (p = {{headline/1/5}}), on {{ report:made }} &amp; after.</w:t><w:tab/><w:t>End</w:t></w:r></w:p>` +
			// a control that shows a placeholder
			`<w:p><w:commentRangeStart w:id="0"/><w:r><w:t xml:space="preserve">From </w:t></w:r><w:sdt><w:sdtPr><w:rPr><w:b/></w:rPr><w:alias w:val="lower limit"/><w:tag w:val="headline/1/3"/><w:id w:val="1"/><w:showingPlcHdr/><w:dataBinding w:xpath="/x" w:storeItemID="{2}"/><w:text/></w:sdtPr><w:sdtContent><w:r><w:rPr><w:rStyle w:val="PlaceholderText"/><w:color w:val="FF0000"/></w:rPr><w:t>Click here</w:t></w:r></w:sdtContent></w:sdt><w:commentRangeEnd w:id="0"/><w:r><w:commentReference w:id="0"/></w:r></w:p>` +
			`<w:p><w:ins w:id="90" w:author="x" w:date="2026-01-05T10:00:00Z"><w:r><w:t xml:space="preserve">Added: {{headline/1/7}} schools. </w:t></w:r></w:ins><w:del w:id="91" w:author="x" w:date="2026-01-05T10:00:00Z"><w:r><w:delText>Deleted: 99 schools {{gone}}</w:delText></w:r></w:del><w:r><w:footnoteReference w:id="1"/></w:r></w:p>` +
			// block, cell
			`<w:sdt><w:sdtPr><w:tag w:val="design/1/2"/><w:id w:val="2"/></w:sdtPr><w:sdtContent><w:p><w:pPr><w:jc w:val="center"/></w:pPr><w:r><w:rPr><w:sz w:val="40"/></w:rPr><w:t>Trial</w:t></w:r></w:p></w:sdtContent></w:sdt>` +
			`<w:tbl><w:tblPr><w:tblW w:w="0" w:type="auto"/></w:tblPr><w:tblGrid><w:gridCol w:w="3000"/><w:gridCol w:w="3000"/></w:tblGrid><w:tr><w:tc><w:tcPr><w:tcW w:w="3000" w:type="dxa"/></w:tcPr><w:p><w:r><w:t>Schools (of 24)</w:t></w:r></w:p></w:tc><w:sdt><w:sdtPr><w:tag w:val="flow/randomised/6"/><w:id w:val="6"/></w:sdtPr><w:sdtContent><w:tc><w:tcPr><w:tcW w:w="3000" w:type="dxa"/><w:shd w:val="clear" w:color="auto" w:fill="EEEEEE"/></w:tcPr><w:p><w:r><w:t>0</w:t></w:r></w:p></w:tc></w:sdtContent></w:sdt></w:tr></w:tbl>` +
			`<w:p><w:r><w:t>{{table:flow}}</w:t></w:r></w:p>` +
			`<w:p><w:pPr><w:sectPr><w:pgSz w:w="11906" w:h="16838"/></w:sectPr></w:pPr><w:r><w:t>{{part:attrition}}</w:t></w:r></w:p>` +
			`<w:sdt><w:sdtPr><w:tag w:val="figure:effects-figure"/><w:id w:val="8"/><w:showingPlcHdr/><w:text/></w:sdtPr><w:sdtContent><w:p><w:r><w:t>picture</w:t></w:r></w:p></w:sdtContent></w:sdt>` +
			`<w:p><w:sdt><w:sdtPr><w:tag w:val="table:headline"/><w:id w:val="9"/></w:sdtPr><w:sdtContent><w:r><w:t>table</w:t></w:r></w:sdtContent></w:sdt></w:p>` +
			`<w:sectPr><w:headerReference w:type="default" r:id="rId2"/><w:footerReference w:type="default" r:id="rId3"/><w:pgSz w:w="16838" w:h="11906" w:orient="landscape"/></w:sectPr></w:body></w:document>`,
	}
}

var packOrder = []string{"[Content_Types].xml", "_rels/.rels", "word/document.xml", "word/_rels/document.xml.rels", "word/styles.xml", "word/header1.xml", "word/footer1.xml", "word/footnotes.xml", "word/comments.xml", "customXml/item1.xml"}

func pack(t testing.TB, files map[string]string) []byte {
	t.Helper()
	var b bytes.Buffer
	z := zip.NewWriter(&b)
	for _, name := range packOrder {
		text, ok := files[name]
		if !ok {
			continue
		}
		f, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate, Modified: time.Date(2026, 1, 5, 10, 0, 0, 0, time.UTC)})
		if err == nil {
			_, err = io.WriteString(f, text)
		}
		if err != nil {
			t.Fatal(err)
		}
	}
	if err := z.Close(); err != nil {
		t.Fatal(err)
	}
	return b.Bytes()
}

// whole builds a report with every part.
func whole(t testing.TB, in reports.Input) *reports.Report {
	t.Helper()
	r, err := reports.BuildFrom(in, reports.Everything("Evaluation report"))
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func fill(t testing.TB, files map[string]string, r *reports.Report) ([]byte, *Filled) {
	t.Helper()
	var b bytes.Buffer
	done, err := Fill(&b, pack(t, files), r)
	if err != nil {
		t.Fatal(err)
	}
	return b.Bytes(), done
}

// A funder's form is filled and nothing else in it touched.
func TestFill(t *testing.T) {
	files := funder()
	in := sample.Input()
	b, done := fill(t, files, whole(t, in))
	if again, _ := fill(t, files, whole(t, in)); !bytes.Equal(b, again) {
		t.Error("the same form and report gave two documents")
	}
	if out := os.Getenv("EVENHAND_KEEP_FILLED"); out != "" {
		if err := os.WriteFile(out, b, 0o644); err != nil {
			t.Fatal(err)
		}
	}
	if done.Cells != 9 || done.Parts != 4 || len(done.Left) != 1 || done.Left[0] != "Contract number" {
		t.Errorf("filled: %+v", done)
	}
	got := parts(t, b)
	for _, name := range []string{"_rels/.rels", "word/styles.xml", "word/footer1.xml", "word/comments.xml", "customXml/item1.xml"} {
		if string(got[name]) != files[name] {
			t.Errorf("%s was touched", name)
		}
	}
	document := string(got["word/document.xml"])
	// What was put in taken out again, the rest is the form's, byte for byte.
	for _, keep := range []string{
		`<w:p><w:pPr><w:pStyle w:val="FunderHead"/></w:pPr><w:bookmarkStart w:id="3" w:name="start"/><w:r><w:t>Project 17: final report</w:t></w:r><w:bookmarkEnd w:id="3"/></w:p><w:p><w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText xml:space="preserve"> TOC \o "1-2" </w:instrText></w:r><w:r><w:fldChar w:fldCharType="separate"/></w:r><w:r><w:t>Project 17: final report 1</w:t></w:r><w:r><w:fldChar w:fldCharType="end"/></w:r></w:p><w:p><w:r><w:t>Contract </w:t></w:r><w:sdt><w:sdtPr><w:tag w:val="Contract number"/><w:id w:val="5"/><w:dataBinding w:xpath="/contract/number" w:storeItemID="{1}"/></w:sdtPr><w:sdtContent><w:r><w:t>4711</w:t></w:r></w:sdtContent></w:sdt></w:p>`,
		`<w:bookmarkStart w:id="4" w:name="middle"/><w:bookmarkEnd w:id="4"/>`, `<w:proofErr w:type="spellStart"/>`, `<w:tab/><w:t>End</w:t></w:r></w:p>`,
		`<w:commentRangeStart w:id="0"/>`, `<w:commentRangeEnd w:id="0"/><w:r><w:commentReference w:id="0"/></w:r></w:p>`,
		`<w:del w:id="91" w:author="x" w:date="2026-01-05T10:00:00Z"><w:r><w:delText>Deleted: 99 schools {{gone}}</w:delText></w:r></w:del>`,
		`<w:pPr><w:sectPr><w:pgSz w:w="11906" w:h="16838"/></w:sectPr></w:pPr>`,
		`<w:sectPr><w:headerReference w:type="default" r:id="rId2"/><w:footerReference w:type="default" r:id="rId3"/><w:pgSz w:w="16838" w:h="11906" w:orient="landscape"/></w:sectPr></w:body></w:document>`,
		`<w:sdtPr><w:rPr><w:b/></w:rPr><w:alias w:val="lower limit"/><w:tag w:val="headline/1/3"/><w:id w:val="1"/><w:text/></w:sdtPr><w:sdtContent><w:r><w:rPr><w:color w:val="FF0000"/></w:rPr><w:t xml:space="preserve">−0.16</w:t></w:r></w:sdtContent>`,
		`<w:sdtContent><w:p><w:pPr><w:jc w:val="center"/></w:pPr><w:r><w:rPr><w:sz w:val="40"/></w:rPr><w:t xml:space="preserve">Research Learning Communities</w:t></w:r></w:p></w:sdtContent>`,
		`<w:sdtContent><w:tc><w:tcPr><w:tcW w:w="3000" w:type="dxa"/><w:shd w:val="clear" w:color="auto" w:fill="EEEEEE"/></w:tcPr><w:p><w:r><w:t xml:space="preserve">24</w:t></w:r></w:p></w:tc></w:sdtContent>`,
		`<w:rPr><w:i/></w:rPr><w:t xml:space="preserve"> standard deviations (p = </w:t>`,
	} {
		if !strings.Contains(document, keep) {
			t.Errorf("the document does not have %.150q", keep)
		}
	}
	if got, want := plainText(t, got["word/document.xml"]), "The effect is 0.26 standard deviations (p = 0.218), on 21 November 2016 & after.End"; !strings.Contains(got, want) {
		t.Errorf("the document does not read %q", want)
	}
	if strings.Contains(strings.ReplaceAll(document, "{{gone}}", ""), "{{") {
		t.Error("a placeholder is left")
	}
	if !strings.Contains(string(got["word/header1.xml"]), `<w:rPr><w:b/></w:rPr><w:t xml:space="preserve">Research Learning Communities</w:t>`) {
		t.Error("the header is not filled")
	}
	if !strings.Contains(plainText(t, got["word/footnotes.xml"]), "Of 308 pupils; see our guidance of 2022.") {
		t.Error("the footnote is not filled")
	}
	// Tables have the form's caption style, numbers in order, and pictures have
	// their files, relationships and kinds.
	if n := strings.Count(document, `<w:pStyle w:val="Beschriftung"/>`); n < 6 {
		t.Errorf("%d captions in the form's style", n)
	}
	if strings.Contains(document, `<w:pStyle w:val="Remark"/>`) || strings.Contains(document, `<w:pStyle w:val="TableText"/>`) {
		t.Error("a style is named that the form does not have")
	}
	checkPackage(t, "filled form", got)
	if got := string(got["[Content_Types].xml"]); strings.Contains(got, "template.main") || !strings.Contains(got, "image/svg+xml") {
		t.Error("the kinds of files are not those of a document with pictures")
	}
	// Lint knows the filled form, and finds what is changed in it.
	form := pack(t, files)
	checked, err := Lint(bytes.NewReader(b), int64(len(b)), whole(t, in), form)
	if err != nil {
		t.Fatal(err)
	}
	if len(checked.Slips) > 0 || len(checked.Missing) > 0 || checked.Cells < 60 {
		t.Errorf("an untouched form: %d cells, missing %v, %v", checked.Cells, checked.Missing, checked.Slips)
	}
	for name, c := range map[string][2]string{
		"a cell":                 {`<w:t xml:space="preserve">0.218</w:t>`, `<w:t xml:space="preserve">0.0218</w:t>`},
		"a control of the form":  {`<w:t xml:space="preserve">−0.16</w:t></w:r></w:sdtContent>`, `<w:t xml:space="preserve">0.16</w:t></w:r></w:sdtContent>`},
		"a cell of a table":      {`<w:t xml:space="preserve">24</w:t></w:r></w:p></w:tc></w:sdtContent>`, `<w:t xml:space="preserve">25</w:t></w:r></w:p></w:tc></w:sdtContent>`},
		"the funder's own words": {"Project 17: final report</w:t></w:r><w:bookmarkEnd", "Project 99917: final report</w:t></w:r><w:bookmarkEnd"},
	} {
		edited := edit(t, b, c[0], c[1])
		checked, err := Lint(bytes.NewReader(edited), int64(len(edited)), whole(t, in), form)
		if err != nil || len(checked.Slips) == 0 {
			t.Errorf("%s: %v, %v", name, checked, err)
		}
	}
	// A paragraph that is moved is no slip; one that is deleted is told.
	at := strings.Index(document, `<w:p><w:commentRangeStart`)
	end := at + strings.Index(document[at:], "</w:p>") + len("</w:p>")
	moved := edit(t, b, document[at:end], "")
	if checked, err := Lint(bytes.NewReader(moved), int64(len(moved)), whole(t, in), form); err != nil || len(checked.Slips) > 0 || len(checked.Missing) != 1 || checked.Missing[0] != "headline/1/3" {
		// The cell stands in the table of the headline too, unless that has gone.
		if err != nil || len(checked.Slips) > 0 {
			t.Errorf("a deleted paragraph: %+v, %v", checked, err)
		}
	}
	moved = edit(t, edit(t, b, document[at:end], ""), `<w:p><w:r><w:t>Contract `, document[at:end]+`<w:p><w:r><w:t>Contract `)
	if checked, err := Lint(bytes.NewReader(moved), int64(len(moved)), whole(t, in), form); err != nil || len(checked.Slips) > 0 || len(checked.Missing) > 0 {
		t.Errorf("a moved paragraph: %+v, %v", checked, err)
	}
}

// plainText is what a part reads.
func plainText(t testing.TB, data []byte) string {
	t.Helper()
	var b strings.Builder
	d := xml.NewDecoder(bytes.NewReader(data))
	in := false
	for {
		token, err := d.Token()
		if err == io.EOF {
			return b.String()
		}
		if err != nil {
			t.Fatal(err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			in = e.Name.Local == "t"
		case xml.EndElement:
			in = false
		case xml.CharData:
			if in {
				b.Write(e)
			}
		}
	}
}

// Before the results are in, what is asked for leaves a gap that says why.
func TestFillBeforeTheResults(t *testing.T) {
	in := sample.Input()
	in.Results, in.NoResults = nil, "the outcomes arrive in July"
	b, _ := fill(t, funder(), whole(t, in))
	text := plainText(t, parts(t, b)["word/document.xml"])
	for _, want := range []string{"[headline/1/2 is not available: The outcomes arrive in July.]", "figure effects-figure: not available. The outcomes arrive in July.", "table headline: not available."} {
		if !strings.Contains(text, want) {
			t.Errorf("the form does not say %q:\n%s", want, text)
		}
	}
}

// What is wrong with a form is said all at once.
func TestFillFaults(t *testing.T) {
	with := func(old, new string) map[string]string {
		f := funder()
		if !strings.Contains(f["word/document.xml"], old) {
			t.Fatalf("the form has no %q", old)
		}
		f["word/document.xml"] = strings.Replace(f["word/document.xml"], old, new, 1)
		return f
	}
	without := func(name string) map[string]string {
		f := funder()
		delete(f, name)
		return f
	}
	strict := funder()
	strict["word/document.xml"] = strings.ReplaceAll(strict["word/document.xml"], "schemas.openxmlformats.org/wordprocessingml/2006/main", "purl.oclc.org/ooxml/wordprocessingml/main")
	broken := funder()
	broken["word/document.xml"] = strings.Replace(broken["word/document.xml"], "</w:body>", "", 1)
	header := funder()
	header["word/header1.xml"] = strings.Replace(header["word/header1.xml"], "Foundation report 2026: ", "{{table:exits}}", 1)
	empty := map[string]string{}
	for name, text := range funder() {
		if strings.HasPrefix(name, "word/document") || !strings.HasPrefix(name, "word/") || strings.Contains(name, "rels") || strings.Contains(name, "styles") {
			empty[name] = text
		}
	}
	empty["word/document.xml"] = `<w:document ` + w + `><w:body><w:p><w:r><w:t>Nothing</w:t></w:r></w:p></w:body></w:document>`
	for name, c := range map[string]struct {
		files map[string]string
		want  []string
	}{
		"an unknown table":      {with("{{table:flow}}", "{{table:flwo}}"), []string{`{{table:flwo}} asks for a table that this report does not have (did you mean "flow"?`}},
		"a cell out of range":   {with("{{headline/1/5}}", "{{headline/9/5}}"), []string{"{{headline/9/5}} asks for a cell that this report does not have (table headline has 1 rows"}},
		"two faults":            {with("{{headline/1/5}}", "{{headline/9/5}} {{p-value}}"), []string{"headline/9/5", "{{p-value}} is nothing that can be asked for"}},
		"a table within a line": {with("{{table:flow}}", "See {{table:flow}}"), []string{"stands within a line: a table needs a paragraph of its own"}},
		"a table twice":         {with("{{table:flow}}", "{{table:attrition-rates}}"), []string{"puts attrition-rates in a second time"}},
		"a table in the header": {header, []string{"can stand in the main text only"}},
		"no document":           {without("word/document.xml"), []string{"it has no word/document.xml"}},
		"strict":                {strict, []string{"is not in the usual form of Word files"}},
		"crossed":               {with("<w:t>Contract </w:t>", "<w:t>Contract </w:x>"), []string{"the element w:t ends as w:x"}},
		"broken":                {broken, []string{"word/document.xml cannot be read"}},
		"nothing asked":         {empty, []string{"it asks for nothing: give content controls a tag"}},
	} {
		var out bytes.Buffer
		_, err := Fill(&out, pack(t, c.files), whole(t, sample.Input()))
		var form *FormError
		if !errors.As(err, &form) || out.Len() > 0 {
			t.Errorf("%s: %v, %d bytes written", name, err, out.Len())
			continue
		}
		for _, want := range c.want {
			if !strings.Contains(err.Error(), want) {
				t.Errorf("%s: %v\nwant %q", name, err, want)
			}
		}
	}
	if _, err := Fill(io.Discard, []byte("no zip"), whole(t, sample.Input())); err == nil {
		t.Error("a text was filled")
	}
}

// Names that try to be markup, formulas or placeholders are text in a filled
// form, and the document is whole.
func TestFillHostileNames(t *testing.T) {
	for i, name := range sample.Hostiles() {
		b, _ := fill(t, funder(), whole(t, sample.Hostile(i)))
		all := parts(t, b)
		checkPackage(t, name, all)
		if !strings.Contains(plainText(t, all["word/document.xml"]), show(name)) {
			t.Errorf("%.40q is not in the document", name)
		}
	}
}

func FuzzFill(f *testing.F) {
	r := whole(f, sample.Input())
	f.Add(funder()["word/document.xml"])
	f.Add(`<w:document ` + w + `><w:body><w:p><w:r><w:t>{{headline/1/2}}</w:t></w:r></w:p></w:body></w:document>`)
	f.Fuzz(func(t *testing.T, document string) {
		files := funder()
		files["word/document.xml"] = document
		var b bytes.Buffer
		if _, err := Fill(&b, pack(t, files), r); err == nil {
			wellFormed(t, "filled", parts(t, b.Bytes())["word/document.xml"])
		}
	})
}

// A template whose document has no relationships, or an empty list of them, can
// be given its first picture.
func TestFillFirstPicture(t *testing.T) {
	const rels = "word/_rels/document.xml.rels"
	for _, list := range []string{"", `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships" />`} {
		files := map[string]string{
			"[Content_Types].xml": `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Override PartName="/word/document.xml" ContentType="application/vnd.openxmlformats-officedocument.wordprocessingml.document.main+xml"/></Types>`,
			"_rels/.rels":         `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="word/document.xml"/></Relationships>`,
			"word/document.xml":   `<w:document ` + w + `><w:body><w:p><w:r><w:t>{{figure:flow-figure}}</w:t></w:r></w:p></w:body></w:document>`,
		}
		if list != "" {
			files[rels] = list
		}
		var out bytes.Buffer
		if _, err := Fill(&out, pack(t, files), whole(t, sample.Input())); err != nil {
			t.Errorf("%q: %v", list, err)
			continue
		}
		z, err := zip.NewReader(bytes.NewReader(out.Bytes()), int64(out.Len()))
		if err != nil {
			t.Fatal(err)
		}
		f, err := z.Open(rels)
		if err != nil {
			t.Errorf("%q: %v", list, err)
			continue
		}
		got, err := io.ReadAll(f)
		if err != nil || !strings.Contains(string(got), "/image\"") || !strings.HasSuffix(string(got), "</Relationships>") {
			t.Errorf("%q: the relationships are %s (%v)", list, got, err)
		}
	}
}
