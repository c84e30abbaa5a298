package render

import (
	"bytes"
	"encoding/xml"
	"io"
	"path"
	"regexp"
	"slices"
	"strings"
	"testing"
)

func wellFormed(t testing.TB, name string, data []byte) {
	t.Helper()
	d := xml.NewDecoder(bytes.NewReader(data))
	for {
		if _, err := d.Token(); err == io.EOF {
			return
		} else if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
	}
}

// order is the sequence that the schema of WordprocessingML wants of an
// element's children: Word repairs, or refuses, a file that has another.
var order = map[string][]string{
	"w:pPr":     {"w:pStyle", "w:keepNext", "w:keepLines", "w:pageBreakBefore", "w:numPr", "w:pBdr", "w:shd", "w:tabs", "w:spacing", "w:ind", "w:jc", "w:outlineLvl", "w:rPr", "w:sectPr"},
	"w:rPr":     {"w:rStyle", "w:rFonts", "w:b", "w:bCs", "w:i", "w:iCs", "w:caps", "w:color", "w:spacing", "w:sz", "w:szCs", "w:u", "w:shd", "w:vertAlign", "w:lang"},
	"w:tblPr":   {"w:tblStyle", "w:tblW", "w:jc", "w:tblInd", "w:tblBorders", "w:shd", "w:tblLayout", "w:tblCellMar", "w:tblLook", "w:tblCaption", "w:tblDescription"},
	"w:tcPr":    {"w:tcW", "w:gridSpan", "w:vMerge", "w:tcBorders", "w:shd", "w:noWrap", "w:tcMar", "w:vAlign"},
	"w:tbl":     {"w:tblPr", "w:tblGrid", "w:tr"},
	"w:tr":      {"w:trPr", "w:tc", "w:sdt"},
	"w:sdt":     {"w:sdtPr", "w:sdtEndPr", "w:sdtContent"},
	"w:sdtPr":   {"w:rPr", "w:alias", "w:tag", "w:id", "w:lock", "w:placeholder", "w:showingPlcHdr", "w:dataBinding", "w15:appearance", "w:text"},
	"w:style":   {"w:name", "w:basedOn", "w:next", "w:link", "w:uiPriority", "w:qFormat", "w:pPr", "w:rPr", "w:tblPr"},
	"w:styles":  {"w:docDefaults", "w:latentStyles", "w:style"},
	"w:sectPr":  {"w:headerReference", "w:footerReference", "w:type", "w:pgSz", "w:pgMar", "w:pgNumType", "w:titlePg"},
	"wp:inline": {"wp:extent", "wp:effectExtent", "wp:docPr", "wp:cNvGraphicFramePr", "a:graphic"},
	"pic:pic":   {"pic:nvPicPr", "pic:blipFill", "pic:spPr"},
	"a:blip":    {"a:alphaModFix", "a:extLst"},
}

// checkPackage looks at a Word file as Word does: every part well-formed and of
// a known kind, every relationship leading to a part and every reference to a
// relationship, identifiers used once, bookmarks in pairs and led to, elements
// in the order of the schema, every cell of a table ending in a paragraph.
func checkPackage(t testing.TB, what string, parts map[string][]byte) {
	t.Helper()
	types := string(parts["[Content_Types].xml"])
	for name, data := range parts {
		ext := strings.TrimPrefix(path.Ext(name), ".")
		if name != "[Content_Types].xml" && !strings.Contains(types, `PartName="/`+name+`"`) && !strings.Contains(types, `Extension="`+ext+`"`) {
			t.Errorf("%.40q: %s is of no known kind", what, name)
		}
		if ext != "emf" {
			wellFormed(t, what+", "+name, data)
		}
	}
	for _, m := range regexp.MustCompile(`PartName="/([^"]*)"`).FindAllStringSubmatch(types, -1) {
		if parts[m[1]] == nil {
			t.Errorf("%.40q: the kind of %s is told, but it is not there", what, m[1])
		}
	}
	rels := map[string]bool{}
	for _, m := range regexp.MustCompile(`<Relationship Id="([^"]*)"[^>]* Target="([^"]*)"`).FindAllStringSubmatch(string(parts["word/_rels/document.xml.rels"]), -1) {
		if rels[m[1]] {
			t.Errorf("%.40q: the relationship %s is there twice", what, m[1])
		}
		rels[m[1]] = true
		if parts["word/"+m[2]] == nil {
			t.Errorf("%.40q: the relationship %s leads to %s, which is not there", what, m[1], m[2])
		}
	}
	document := parts["word/document.xml"]
	for _, m := range regexp.MustCompile(` r:(?:embed|id)="([^"]*)"`).FindAllStringSubmatch(string(document), -1) {
		if !rels[m[1]] {
			t.Errorf("%.40q: the document uses the relationship %s, which is not there", what, m[1])
		}
	}
	used := map[string]string{}
	for _, kind := range []string{`<w:sdtPr>.*?<w:id w:val="([0-9]+)"/>`, `<wp:docPr id="([0-9]+)"`, `<w:bookmarkStart w:id="([0-9]+)"`} {
		for _, m := range regexp.MustCompile(kind).FindAllStringSubmatch(string(document), -1) {
			if used[kind+m[1]] != "" {
				t.Errorf("%.40q: two elements %s have the number %s", what, kind, m[1])
			}
			used[kind+m[1]] = "x"
		}
	}
	marks := map[string]bool{}
	for _, m := range regexp.MustCompile(`<w:bookmarkStart w:id="[0-9]+" w:name="([^"]*)"`).FindAllStringSubmatch(string(document), -1) {
		if marks[m[1]] || len(m[1]) > 40 {
			t.Errorf("%.40q: the bookmark %s is there twice, or too long", what, m[1])
		}
		marks[m[1]] = true
	}
	if a, b := bytes.Count(document, []byte("<w:bookmarkStart")), bytes.Count(document, []byte("<w:bookmarkEnd")); a != b {
		t.Errorf("%.40q: %d bookmarks begin, %d end", what, a, b)
	}
	for _, m := range regexp.MustCompile(`(?:w:anchor="| REF )([A-Za-z_0-9]+)`).FindAllStringSubmatch(string(document), -1) {
		if !marks[m[1]] {
			t.Errorf("%.40q: something leads to the bookmark %s, which is not there", what, m[1])
		}
	}
	for name, data := range parts {
		if strings.HasPrefix(name, "word/") && strings.HasSuffix(name, ".xml") {
			checkOrder(t, what+", "+name, data)
		}
	}
}

func checkOrder(t testing.TB, what string, data []byte) {
	t.Helper()
	type open struct {
		name, last string
		at         int
	}
	var stack []open
	faults := 0
	d := xml.NewDecoder(bytes.NewReader(data))
	for {
		token, err := d.RawToken()
		if err == io.EOF {
			return
		}
		if err != nil {
			t.Fatal(err)
		}
		switch e := token.(type) {
		case xml.StartElement:
			name := e.Name.Local
			if e.Name.Space != "" {
				name = e.Name.Space + ":" + name
			}
			if len(stack) > 0 {
				top := &stack[len(stack)-1]
				if want, ok := order[top.name]; ok && top.name != "w:sdtPr" {
					at := slices.Index(want, name)
					if at < 0 || at < top.at {
						if faults++; faults < 5 {
							t.Errorf("%.60q: %s stands in %s after %s", what, name, top.name, top.last)
						}
					}
					top.at = max(at, top.at)
				} else if ok && !slices.Contains(want, name) {
					t.Errorf("%.60q: %s stands in %s", what, name, top.name)
				}
				top.last = name
			}
			stack = append(stack, open{name: name})
		case xml.EndElement:
			top := stack[len(stack)-1]
			if top.name == "w:tc" && top.last != "w:p" && top.last != "w:sdt" {
				t.Errorf("%.60q: a cell of a table ends in %s", what, top.last)
			}
			stack = stack[:len(stack)-1]
		}
	}
}
