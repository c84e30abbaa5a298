package render

import (
	"archive/zip"
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"sort"
	"strings"
	"time"
	"unicode"
	"unicode/utf8"

	"evenhand/reports"
)

// Slip is a number of an edited document that is not the record's.
type Slip struct {
	Where string `json:"where"` // heading, and the words around it
	Cell  string `json:"cell"`  // key of the cell that stands there; "" for a number that is no cell's
	Is    string `json:"is"`    // what the document says; "" where a cell was taken out of a sentence or table
	Want  string `json:"want"`  // what the record says; "" where nothing in the record is like it
}

// String is the slip in words.
func (s Slip) String() string {
	switch {
	case s.Cell != "" && s.Want == "":
		return fmt.Sprintf("%s: %q stands for cell %s, which the record does not have", s.Where, s.Is, s.Cell)
	case s.Cell != "":
		return fmt.Sprintf("%s: %q should be %q (cell %s)", s.Where, s.Is, s.Want, s.Cell)
	}
	return fmt.Sprintf("%s: %q is no number of the record", s.Where, s.Is)
}

// Checked says how much Lint looked at.
type Checked struct {
	Cells   int // numbers whose cell the document names
	Others  int // other numbers in the text
	Missing []string
	Slips   []Slip
}

const maxDocument = 64 << 20 // bytes of a document's text, unpacked

// Lint reads a Word file that DOCX or Fill wrote and somebody edited, and finds
// every number that no longer equals the record: those that still bear their
// cell's key are compared with the cell, wherever they were moved to; all others
// must be among the record's numbers as they are written. Text, footnotes,
// headers and footers are read; the numbers of tables, figures and pages are
// Word's own. form is the Word template that Fill filled, nil for none: what
// stands in it is the funder's own, as long as the paragraph is as it was.
// Missing lists the cells that the document no longer has anywhere.
func Lint(r io.ReaderAt, size int64, report *reports.Report, form []byte) (*Checked, error) {
	l := &linter{cells: map[string]*reports.Cell{}, known: map[string]bool{}, own: map[string]bool{}, seen: map[string]bool{}, out: &Checked{}, gone: cmp.Or(report.LeftOut, report.Unfinished)}
	expected := map[string]bool{}
	l.learn(report, expected)
	if form != nil {
		f := &linter{cells: l.cells, collect: true, own: l.own, seen: map[string]bool{}, out: &Checked{}}
		if err := f.file(bytes.NewReader(form), int64(len(form))); err != nil {
			return nil, fmt.Errorf("the template: %w", err)
		}
		clear(expected)
		for key := range f.seen {
			if c := l.cells[key]; c != nil && c.Kind == reports.Number {
				expected[key] = true
			}
		}
	}
	if err := l.file(r, size); err != nil {
		return nil, err
	}
	for key := range expected {
		if !l.seen[key] {
			l.out.Missing = append(l.out.Missing, key)
		}
	}
	sort.Strings(l.out.Missing)
	return l.out, nil
}

// learn notes the record's cells, and the numbers that may stand in the text:
// those of cells, and of names and sentences that people or warnings gave.
func (l *linter) learn(report *reports.Report, expected map[string]bool) {
	learn := func(s string) {
		for _, n := range numbersOfText(show(s)) { // as it is shown
			l.known[plainNumber(n)] = true
		}
	}
	cells := func(t *reports.Table, shown bool) {
		for key, c := range t.Aliases() {
			l.cells[key] = c
		}
		for _, row := range t.Rows {
			for _, c := range row.Cells {
				l.cells[c.Key()] = c
				learn(c.String())
				if shown && c.Kind == reports.Number {
					expected[c.Key()] = true
				}
			}
		}
	}
	for _, t := range report.Beside {
		cells(t, false)
	}
	for _, t := range report.Tables() {
		l.tables = append(l.tables, t)
		cells(t, true)
		learn(t.Title)
		for _, g := range t.Groups {
			learn(g.Title)
		}
		for _, c := range t.Columns {
			learn(c.Title)
		}
		for _, s := range t.Foot {
			learn(s)
		}
	}
	for _, s := range report.Facts {
		learn(s.Value)
	}
	for _, n := range report.Notes {
		learn(n.Text)
		learn(fmt.Sprint(n.Number))
	}
	learn(report.Title)
	learn(report.Subtitle)
	learn(report.Draft)
	learn(reports.Moment(report.GeneratedAt))
	for _, fig := range report.Figures() {
		learn(fig.Title)
	}
	for _, s := range report.Sections {
		learn(s.Title)
		for _, b := range s.Blocks {
			switch {
			case b.Gap != nil:
				learn(b.Gap.What)
				learn(b.Gap.Why)
			case b.Paragraph != nil && b.Paragraph.Own:
				for _, span := range b.Paragraph.Spans {
					learn(span.Words)
				}
			}
		}
	}
}

var numbersIn = regexp.MustCompile(`[−-]?[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?`)

// numbersOfText lists the numbers of a text; a hyphen within a word is no sign.
func numbersOfText(s string) []string {
	var all []string
	for _, at := range numbersIn.FindAllStringIndex(s, -1) {
		n := s[at[0]:at[1]]
		before, _ := utf8.DecodeLastRuneInString(s[:at[0]])
		if n[0] < '0' && (unicode.IsLetter(before) || unicode.IsDigit(before)) || n[0] > '9' && unicode.IsDigit(before) {
			n = strings.TrimLeft(n, "−-")
		}
		all = append(all, n)
	}
	return all
}

// plainNumber makes two spellings of a number equal: people type a hyphen for a
// minus sign and leave out commas.
func plainNumber(s string) string {
	return strings.NewReplacer("−", "-", ",", "").Replace(s)
}

// linter reads the parts of a Word file.
type linter struct {
	cells   map[string]*reports.Cell
	known   map[string]bool // numbers that may stand in the text
	own     map[string]bool // paragraphs of the form, without what is filled in
	seen    map[string]bool // keys that the document has
	gone    string          // why a cell may not be there
	collect bool            // only learn own and seen: this is the form
	out     *Checked
	heading string
	tables  []*reports.Table
	caption string     // the paragraph before a table
	table   *tableText // the table that is being read
	deep    int        // tables within tables
}

// tableText is a table that is being read. Its cells are compared with the
// record's by their place, where the program that saved the file has thrown the
// controls away.
type tableText struct {
	caption string
	rows    [][]*cellText
}

type cellText struct {
	text  string
	keyed bool // a control in it bears a key
	slips []Slip
}

var created = regexp.MustCompile(`<dcterms:created[^>]*>([^<]*)</dcterms:created>`)

// MadeAt is when a Word file says that it was made; zero if it does not.
func MadeAt(r io.ReaderAt, size int64) time.Time {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return time.Time{}
	}
	for _, f := range z.File {
		if f.Name != "docProps/core.xml" {
			continue
		}
		part, err := f.Open()
		if err != nil {
			break
		}
		defer part.Close()
		text, err := io.ReadAll(io.LimitReader(part, 1<<16))
		if m := created.FindSubmatch(text); err == nil && m != nil {
			at, _ := time.Parse(time.RFC3339, string(m[1]))
			return at
		}
	}
	return time.Time{}
}

// textParts matches the parts of a Word file that hold its text.
var textParts = regexp.MustCompile(`^word/(document|footnotes|endnotes|header[0-9]*|footer[0-9]*)\.xml$`)

// partNames says where a part is on the page.
var partNames = map[string]string{"footnotes": "footnotes", "endnotes": "endnotes", "header": "page header", "footer": "page footer"}

func (l *linter) file(r io.ReaderAt, size int64) error {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return fmt.Errorf("this is not a Word file (.docx): %w", err)
	}
	found := false
	for _, f := range z.File {
		m := textParts.FindStringSubmatch(f.Name)
		if m == nil {
			continue
		}
		l.heading = partNames[strings.TrimRight(m[1], "0123456789")]
		if f.Name == mainPart {
			if found {
				return errors.New("this is not a Word file (.docx): it has " + mainPart + " twice")
			}
			found = true
		}
		part, err := f.Open()
		if err == nil {
			err = l.read(io.LimitReader(part, maxDocument+1))
			part.Close()
		}
		if err != nil {
			return fmt.Errorf("read the document's %s: %w", f.Name, err)
		}
	}
	if !found {
		return errors.New("this is not a Word file (.docx): it has no " + mainPart)
	}
	return nil
}

// mainPart is where a Word file has its text.
const mainPart = "word/document.xml"

// paragraph is one that is being read.
type paragraphText struct {
	text, free strings.Builder // free: without controls and fields
	style      string
	slips      []Slip
}

// control is a content control that is open; key is "" for one that is no
// cell's.
type control struct {
	key    string
	inside strings.Builder
}

// field is a field that is open: its instruction, and its result after it.
type field struct {
	instruction strings.Builder
	result      bool
}

// wordsOwn are the fields whose numbers Word makes.
var wordsOwn = map[string]bool{"SEQ": true, "PAGE": true, "NUMPAGES": true, "SECTIONPAGES": true, "SECTION": true, "REF": true, "PAGEREF": true, "NOTEREF": true, "TOC": true, "DATE": true, "TIME": true, "SAVEDATE": true, "PRINTDATE": true, "CREATEDATE": true, "STYLEREF": true, "INDEX": true}

func (f *field) ownNumbers() bool {
	words := strings.Fields(f.instruction.String())
	return !f.result || len(words) > 0 && wordsOwn[strings.ToUpper(words[0])]
}

// read goes through a part paragraph by paragraph; a paragraph may hold others,
// in a text box.
func (l *linter) read(r io.Reader) error {
	d := xml.NewDecoder(r)
	var (
		open     []*paragraphText
		controls []*control
		fields   []*field
		last     string // the paragraph that ended last
		inText   bool
		inCode   bool
		skip     int // depth within what is not in the document: deleted, or a second form of a drawing
	)
	write := func(s string) {
		if skip > 0 || len(open) == 0 {
			return
		}
		p := open[len(open)-1]
		p.text.WriteString(s)
		for _, f := range fields {
			if f.ownNumbers() {
				return
			}
		}
		for i := len(controls) - 1; i >= 0; i-- {
			if controls[i].key != "" {
				controls[i].inside.WriteString(s)
				return
			}
		}
		p.free.WriteString(s)
	}
	for {
		token, err := d.Token()
		if err == io.EOF {
			return nil
		}
		if err != nil {
			return err
		}
		if d.InputOffset() > maxDocument {
			return fmt.Errorf("it has more than %d bytes of text", maxDocument)
		}
		switch e := token.(type) {
		case xml.StartElement:
			switch e.Name.Local {
			case "p":
				open = append(open, &paragraphText{})
			case "pStyle":
				if len(open) > 0 {
					open[len(open)-1].style = attribute(e, "val")
				}
			case "tbl":
				if l.deep++; l.deep == 1 {
					l.table = &tableText{caption: l.caption}
				}
			case "tr":
				if l.deep == 1 {
					l.table.rows = append(l.table.rows, nil)
				}
			case "tc":
				if l.deep == 1 && len(l.table.rows) > 0 {
					at := len(l.table.rows) - 1
					l.table.rows[at] = append(l.table.rows[at], &cellText{})
				}
			case "vertAlign": // the mark of a note is no part of the number before it
				write(" ")
			case "sdt":
				controls = append(controls, &control{})
			case "tag":
				if key := attribute(e, "val"); len(controls) > 0 && (isCellKey(key) || strings.HasPrefix(key, ofReport)) {
					controls[len(controls)-1].key = key
				}
			case "fldSimple":
				f := &field{result: true}
				f.instruction.WriteString(attribute(e, "instr"))
				fields = append(fields, f)
			case "fldChar":
				switch attribute(e, "fldCharType") {
				case "begin":
					fields = append(fields, &field{})
				case "separate":
					if len(fields) > 0 {
						fields[len(fields)-1].result = true
					}
				case "end":
					if len(fields) > 0 {
						fields = fields[:len(fields)-1]
					}
				}
			case "del", "moveFrom", "Fallback":
				skip++
			case "tab", "br", "cr", "ptab":
				write(" ")
			case "noBreakHyphen":
				write("-")
			case "t":
				inText = true
			case "instrText":
				inCode = true
			}
		case xml.EndElement:
			switch e.Name.Local {
			case "t":
				inText = false
			case "instrText":
				inCode = false
			case "tbl":
				if l.deep--; l.deep == 0 {
					l.compare(l.table)
					l.table = nil
				}
			case "del", "moveFrom", "Fallback":
				skip--
			case "fldSimple":
				if len(fields) > 0 {
					fields = fields[:len(fields)-1]
				}
			case "sdt":
				if len(controls) == 0 {
					break
				}
				c := controls[len(controls)-1]
				controls = controls[:len(controls)-1]
				if c.key == "" || strings.HasPrefix(c.key, ofReport) || skip > 0 {
					break
				}
				slip, wrong := l.cell(c)
				if cell := l.tableCell(); cell != nil {
					cell.keyed = true
				}
				switch {
				case !wrong:
				case len(open) > 0:
					open[len(open)-1].slips = append(open[len(open)-1].slips, slip)
				default: // the control held the paragraph
					l.report(slip, last)
				}
			case "p":
				if len(open) == 0 {
					break
				}
				p := open[len(open)-1]
				open = open[:len(open)-1]
				last = p.text.String()
				l.paragraph(p)
			}
		case xml.CharData:
			switch {
			case inText:
				write(string(e))
			case inCode && len(fields) > 0:
				fields[len(fields)-1].instruction.Write(e)
			}
		}
	}
}

// ofReport begins the keys of what a report says of itself, its title or date.
const ofReport = "report:"

// isCellKey says whether a content control's tag is a cell's key: a table, a row,
// by its number or its words, and a column.
func isCellKey(tag string) bool { return cellKey.MatchString(tag) }

var cellKey = regexp.MustCompile(`^[a-z][a-z0-9-]*/[a-z0-9-]+/[0-9]+$`)

// cell compares a control with the cell whose key it bears.
func (l *linter) cell(c *control) (Slip, bool) {
	l.seen[c.key] = true
	if l.collect {
		return Slip{}, false
	}
	is := strings.Join(strings.Fields(c.inside.String()), " ")
	l.out.Cells++
	want := l.cells[c.key]
	switch {
	case want == nil && l.gone != "" && is == missingValue(c.key, l.gone):
	case want == nil:
		return Slip{Cell: c.key, Is: is}, true
	case plainNumber(is) != plainNumber(strings.Join(strings.Fields(show(want.String())), " ")):
		return Slip{Cell: c.key, Is: is, Want: want.String()}, true
	}
	return Slip{}, false
}

// placeholder is a cell asked for in a form's text.
var placeholder = regexp.MustCompile(`\{\{\s*([^{}]*?)\s*\}\}`)

// paragraph looks for numbers that stand in the text itself.
func (l *linter) paragraph(p *paragraphText) {
	if strings.HasPrefix(p.style, "Heading") {
		l.heading = strings.TrimSpace(p.text.String())
	}
	free := p.free.String()
	if l.collect {
		for _, m := range placeholder.FindAllStringSubmatch(free, -1) {
			if isCellKey(m[1]) {
				l.seen[m[1]] = true
			}
		}
		l.own[ownWords(placeholder.ReplaceAllString(free, ""))] = true
		return
	}
	own := l.own[ownWords(free)]
	for _, n := range numbersOfText(free) {
		l.out.Others++
		if !own && !l.known[plainNumber(n)] {
			p.slips = append(p.slips, Slip{Is: n})
		}
	}
	text := p.text.String()
	if cell := l.tableCell(); cell != nil {
		cell.text += text + " "
		for _, s := range p.slips {
			s.Where = l.where(text, s.Is)
			cell.slips = append(cell.slips, s)
		}
		return
	}
	if strings.TrimSpace(text) != "" {
		l.caption = text
	}
	for _, s := range p.slips {
		l.report(s, text)
	}
}

// tableCell is the cell of a table that is being read; nil outside tables.
func (l *linter) tableCell() *cellText {
	if l.table == nil || len(l.table.rows) == 0 {
		return nil
	}
	row := l.table.rows[len(l.table.rows)-1]
	if len(row) == 0 {
		return nil
	}
	return row[len(row)-1]
}

var captionStart = regexp.MustCompile(`^Table *[0-9]*`)

// compare holds a table to the record's of the same title, row by the words of
// the row: where a number bears no key, it must be that of its place.
func (l *linter) compare(t *tableText) {
	var of *reports.Table
	title := ownWords(captionStart.ReplaceAllString(strings.TrimSpace(t.caption), ""))
	for _, x := range l.tables {
		if strings.HasPrefix(title, ownWords(show(x.Title))) && (of == nil || len(x.Title) > len(of.Title)) {
			of = x
		}
	}
	rows := map[string]*reports.Row{}
	if of != nil {
		for i := range of.Rows {
			name := ownWords(show(of.Rows[i].Cells[0].String()))
			if _, twice := rows[name]; twice {
				rows[name] = nil
			} else {
				rows[name] = &of.Rows[i]
			}
		}
	}
	for _, row := range t.rows {
		var want *reports.Row
		if of != nil && len(row) == len(of.Columns) {
			want = rows[ownWords(row[0].text)]
		}
		for k, cell := range row {
			if want == nil || k == 0 || cell.keyed || want.Cells[k].Kind != reports.Number {
				l.out.Slips = append(l.out.Slips, cell.slips...)
				continue
			}
			c := want.Cells[k]
			l.seen[c.Key()] = true
			l.out.Cells++
			is := strings.TrimSpace(cell.text)
			first, _, _ := strings.Cut(is, "  ") // what follows is a note's mark
			if len(c.Notes) > 0 {
				first = strings.TrimSpace(numberFirst.FindString(is))
			}
			if plainNumber(first) != plainNumber(c.String()) {
				l.out.Slips = append(l.out.Slips, Slip{Where: l.where(row[0].text+": "+is, is), Cell: c.Key(), Is: is, Want: c.String()})
			}
		}
	}
}

// numberFirst is a number at the beginning, as cells have them.
var numberFirst = regexp.MustCompile(`^(?:< )?[−+-]?[0-9][0-9,.]*%?`)

// ownWords is a paragraph with its spaces made equal, to know it again.
func ownWords(s string) string { return strings.Join(strings.Fields(s), "") }

func (l *linter) report(s Slip, paragraph string) {
	s.Where = l.where(paragraph, s.Is)
	l.out.Slips = append(l.out.Slips, s)
}

// where names the heading and some of the words around a number.
func (l *linter) where(paragraph, number string) string {
	words := strings.Join(strings.Fields(paragraph), " ")
	if r := []rune(words); len(r) > 90 {
		at := len([]rune(words[:max(strings.Index(words, number), 0)]))
		from, to := max(at-45, 0), min(at+45, len(r))
		words = "…" + string(r[from:to]) + "…"
	}
	if l.heading == "" {
		return fmt.Sprintf("before the first heading, “%s”", words)
	}
	return fmt.Sprintf("%s, “%s”", l.heading, words)
}

func attribute(e xml.StartElement, name string) string {
	for _, a := range e.Attr {
		if a.Name.Local == name {
			return a.Value
		}
	}
	return ""
}
