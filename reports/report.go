package reports

import (
	"fmt"
	"strings"
	"time"
	"unicode"

	"evenhand/reports/figure"
)

// Report is a document as data.
type Report struct {
	Title       string
	Subtitle    string    // what kind of document it is
	Facts       []Fact    // lines under the title: registration, people, dates
	GeneratedAt time.Time // as given; nothing here reads a clock
	Draft       string    // why this is not the final report; "" if it is
	Unfinished  string    // why there are no results yet; "" if there are
	LeftOut     string    // why something may not be in a released report; "" in one that is not
	Sections    []Section
	Beside      []*Table // tables that the document does not show but has the cells of
	Notes       []Note   // footnotes in the order of their numbers
}

// Fact is a line under the title.
type Fact struct{ Name, Value string }

// Section is a part of the document with its heading.
type Section struct {
	ID     string // for links: letters, digits and hyphens
	Title  string
	Blocks []Block
}

// Block is a paragraph, a table, a figure or a gap: one of its fields is set.
type Block struct {
	Paragraph *Paragraph
	Table     *Table
	Figure    *Figure
	Gap       *Gap
}

// Paragraph is running text.
type Paragraph struct {
	Spans []Span
	Lead  bool // the one sentence that a reader in a hurry reads
	Own   bool // a template's own words, which may hold numbers
	Small bool // how to read the table or picture before it
}

// Span is a piece of a paragraph: words or a cell.
type Span struct {
	Words string
	Cell  *Cell
}

// Gap stands where something is missing and says why.
type Gap struct {
	What string // what would stand here
	Why  string // why it does not
}

// Kind says what a cell holds.
type Kind int

// The kinds of cell.
const (
	Text   Kind = iota // words
	Number             // Value, written in Format
	Absent             // nothing: Text says why in a word or two
)

// Cell is one value with the way of writing it.
type Cell struct {
	Kind   Kind
	Value  float64 // of a Number: unrounded
	Format Format  // of a Number
	Text   string  // of a Text or an Absent
	Notes  []int   // numbers of footnotes
	Refs   []Ref   // of a Text that refers to other parts of the document
	key    string  // where it stands: "table/row/column", set by Build
}

// Ref refers to a table, a figure or a section of the document.
type Ref struct {
	to    string // ID of a table or figure, or a part's name after "part:"
	ID    string // what it refers to: the ID of a table, figure or section; "" where the document does not show it
	Label string // e.g. "Table 3"
}

// String is the cell as it is written.
func (c *Cell) String() string {
	if len(c.Refs) > 0 {
		var labels []string
		for _, r := range c.Refs {
			if r.ID != "" {
				labels = append(labels, r.Label)
			}
		}
		switch {
		case len(labels) == 0 && c.key != "":
			return "–"
		case len(labels) == 0:
			return "another document"
		}
		return strings.Join(labels, ", ")
	}
	if c.Kind == Number {
		return c.Format.Write(c.Value)
	}
	return c.Text
}

// Key is where the cell stands: its table's ID, row and column, counted from
// 1, with slashes between them.
func (c *Cell) Key() string { return c.key }

// Aliases gives cells by the words of their row too: "flow/analysed/3" beside
// "flow/9/3". A row's number changes with what is in a table, its words do not.
// Words that two rows of a table have name neither.
func (t *Table) Aliases() map[string]*Cell {
	times := map[string]int{}
	slugs := make([]string, len(t.Rows))
	for i, row := range t.Rows {
		if len(row.Cells) > 0 {
			slugs[i] = slug(row.Cells[0].String())
			times[slugs[i]]++
		}
	}
	out := map[string]*Cell{}
	for i, row := range t.Rows {
		if slugs[i] == "" || times[slugs[i]] > 1 {
			continue
		}
		for k, c := range row.Cells {
			out[fmt.Sprintf("%s/%s/%d", t.ID, slugs[i], k+1)] = c
		}
	}
	return out
}

// slug makes a short name of words: lower-case letters, digits and hyphens; ""
// where no letter is left.
func slug(s string) string {
	var b strings.Builder
	letters, gap := false, false
	for _, r := range strings.ToLower(s) {
		if r >= 'a' && r <= 'z' || r >= '0' && r <= '9' {
			if gap && b.Len() > 0 {
				b.WriteByte('-')
			}
			letters, gap = letters || r >= 'a', false
			if b.WriteRune(r); b.Len() >= 60 {
				break
			}
		} else {
			gap = true
		}
	}
	if !letters {
		return ""
	}
	return b.String()
}

// Table is a table of cells.
type Table struct {
	ID      string
	Number  int
	Title   string
	Groups  []Group  // headings over several columns; nil for none
	Columns []Column // the first is the rows' heading
	Rows    []Row
	Notes   []int    // numbers of footnotes to the whole table
	Foot    []string // remarks under the table
}

// Group is a heading over Span columns; an empty one over columns of their own.
type Group struct {
	Title string
	Span  int
}

// Column is a column's heading.
type Column struct {
	Title   string
	Numeric bool // set to the right, in figures of equal width
}

// Row is a row of a table; Cells has an entry a column.
type Row struct {
	Cells  []*Cell
	Strong bool    // a total, or the primary outcome
	Inset  bool    // part of the row above
	Recipe *Recipe // how its effect size came about; nil for none
}

// Figure is a picture with its caption.
type Figure struct {
	ID      string
	Number  int
	Title   string
	Drawing figure.Drawing
	Wide    bool // needs its full width to be read; a phone scrolls
}

// Note is a footnote.
type Note struct {
	Number int
	Code   string // of the warning it comes from; "" for a remark
	Text   string
}

// Tables lists the report's tables in order.
func (r *Report) Tables() []*Table {
	var out []*Table
	for _, s := range r.Sections {
		for _, b := range s.Blocks {
			if b.Table != nil {
				out = append(out, b.Table)
			}
		}
	}
	return out
}

// AllTables lists the tables that the document shows and those whose cells it
// only has in sentences.
func (r *Report) AllTables() []*Table { return append(r.Tables(), r.Beside...) }

// Figures lists the report's figures in order.
func (r *Report) Figures() []*Figure {
	var out []*Figure
	for _, s := range r.Sections {
		for _, b := range s.Blocks {
			if b.Figure != nil {
				out = append(out, b.Figure)
			}
		}
	}
	return out
}

// builder collects a report while it is written.
type builder struct {
	r      *Report
	notes  map[string]int // footnotes by text
	tables int
	figs   int
	faults []string
}

func (b *builder) fault(format string, a ...any) {
	b.faults = append(b.faults, fmt.Sprintf(format, a...))
}

func (b *builder) section(id, title string) {
	b.r.Sections = append(b.r.Sections, Section{ID: id, Title: title})
}

func (b *builder) add(block Block) {
	s := &b.r.Sections[len(b.r.Sections)-1]
	s.Blocks = append(s.Blocks, block)
}

// say adds a paragraph. Each {} in the text is the next of the cells; the
// words between them must not hold a digit, for every number is a cell's.
func (b *builder) say(text string, cells ...*Cell) *Paragraph {
	p := b.phrase(text, cells...)
	b.add(Block{Paragraph: p})
	return p
}

func (b *builder) phrase(text string, cells ...*Cell) *Paragraph {
	p := &Paragraph{}
	parts := strings.Split(text, "{}")
	if len(parts) != len(cells)+1 {
		b.fault("sentence %q has %d places for %d cells", text, len(parts)-1, len(cells))
		return p
	}
	for i, words := range parts {
		if strings.ContainsFunc(words, unicode.IsDigit) {
			b.fault("sentence %q has a number of its own: %q", text, words)
		}
		if words != "" {
			p.Spans = append(p.Spans, Span{Words: words})
		}
		if i < len(cells) {
			p.Spans = append(p.Spans, Span{Cell: cells[i]})
		}
	}
	return p
}

// small adds a paragraph in small type.
func (b *builder) small(text string, cells ...*Cell) { b.say(text, cells...).Small = true }

func (b *builder) gap(what, why string) { b.add(Block{Gap: &Gap{what, why}}) }

// table adds a table. It checks that every row has a cell for each column.
func (b *builder) table(t *Table) {
	b.tables++
	t.Number = b.tables
	span := 0
	for _, g := range t.Groups {
		span += g.Span
	}
	if t.Groups != nil && span != len(t.Columns) {
		b.fault("table %s: headings over %d of %d columns", t.ID, span, len(t.Columns))
	}
	for i, row := range t.Rows {
		if len(row.Cells) != len(t.Columns) {
			b.fault("table %s, row %d: %d cells for %d columns", t.ID, i+1, len(row.Cells), len(t.Columns))
		}
		for k, c := range row.Cells {
			if c == nil {
				b.fault("table %s, row %d, column %d: no cell", t.ID, i+1, k+1)
				continue
			}
			if c.Kind == Text && strings.TrimSpace(c.Text) == "" && len(c.Refs) == 0 {
				c.Kind, c.Text = Absent, "not recorded" // an empty cell says nothing
			}
			if c.key != "" {
				b.fault("table %s, row %d, column %d: the cell stands at %s already", t.ID, i+1, k+1, c.key)
			}
			c.key = fmt.Sprintf("%s/%d/%d", t.ID, i+1, k+1)
		}
	}
	b.add(Block{Table: t})
}

func (b *builder) figure(f *Figure) {
	b.figs++
	f.Number = b.figs
	b.add(Block{Figure: f})
}

// note gives the number of a footnote, which is made if the same words are
// not there yet.
func (b *builder) note(code, text string) int {
	if n, ok := b.notes[text]; ok {
		return n
	}
	n := len(b.r.Notes) + 1
	b.notes[text] = n
	b.r.Notes = append(b.r.Notes, Note{n, code, text})
	return n
}

// finish checks that every cell of a sentence stands in a table.
func (b *builder) finish() {
	ids := map[string]bool{}
	for _, s := range b.r.Sections {
		for _, block := range s.Blocks {
			if p := block.Paragraph; p != nil {
				for _, span := range p.Spans {
					if span.Cell != nil && span.Cell.key == "" && len(span.Cell.Refs) == 0 {
						b.fault("section %s: a sentence has the cell %q, which stands in no table", s.ID, span.Cell)
					}
				}
			}
			id := ""
			if block.Table != nil {
				id = block.Table.ID
			} else if block.Figure != nil {
				id = block.Figure.ID
			}
			if id != "" && ids[id] {
				b.fault("two parts of the report have the ID %s", id)
			}
			if id != "" {
				ids[id] = true
			}
		}
	}
}

// Cells by kind.
func words(s string) *Cell { return &Cell{Kind: Text, Text: s} }

func count(n int) *Cell { return &Cell{Kind: Number, Value: float64(n), Format: Count} }

func number(v float64, f Format) *Cell { return &Cell{Kind: Number, Value: v, Format: f} }

// ref is a cell that refers to tables and figures by their IDs, or to the
// section that a part stands in ("part:attrition").
func ref(to ...string) *Cell {
	c := &Cell{Kind: Text}
	for _, x := range to {
		c.Refs = append(c.Refs, Ref{to: x})
	}
	return c
}

func absent(why string) *Cell { return &Cell{Kind: Absent, Text: why} }

// share is part/whole as a percentage, or a gap where there is no whole.
func share(part, whole int) *Cell {
	if whole == 0 {
		return absent("nobody")
	}
	return number(float64(part)/float64(whole), Share)
}
