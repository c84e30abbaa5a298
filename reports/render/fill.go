package render

import (
	"archive/zip"
	"bytes"
	"cmp"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"maps"
	"path"
	"regexp"
	"slices"
	"strings"

	"evenhand/reports"
)

// Filled says what Fill did.
type Filled struct {
	Cells int      `json:"cells"` // single values put in
	Parts int      `json:"parts"` // tables, figures and parts put in
	Left  []string `json:"left"`  // content controls that are the funder's own, by their tags
}

// FormError lists what is wrong with a funder's Word template, all at once.
type FormError struct{ Faults []string }

func (e *FormError) Error() string {
	return "the Word template cannot be filled: " + strings.Join(e.Faults, "; ")
}

const (
	maxForm      = 256 << 20 // bytes of a template, unpacked
	maxFormFiles = 4000
	wordSpace    = "http://schemas.openxmlformats.org/wordprocessingml/2006/main"
)

// keyForm matches what a content control's tag, or {{…}} in the text, asks for.
var keyForm = regexp.MustCompile(`^(?:report:(?:title|kind|made)|(?:table|figure|part):[a-zA-Z0-9._-]+|[a-z][a-z0-9-]*/[a-z0-9-]+/[0-9]+)$`)

// Fill writes a funder's own Word template with what it asks for put in, and
// nothing else in it touched: a content control by its tag, or {{…}} in the text,
// asks for a cell (headline/1/2, or flow/analysed/3 by the words of its row), a table (table:flow), a figure
// (figure:flow-figure), a part (part:summary), or report:title, report:kind,
// report:made. Tables, figures and parts need a paragraph of their own in the
// document's main text. r must have every part (see reports.Everything); its
// tables and figures get the numbers in which they come to stand. What a file
// of the package need not change for this stays as it is, byte for byte. Values
// stay content controls with their keys, so that Lint finds them again.
func Fill(w io.Writer, template []byte, r *reports.Report) (*Filled, error) {
	f := &form{r: r, out: &Filled{Left: []string{}}, styles: map[string]string{}, used: map[string]bool{}, twice: map[string]bool{}, fields: map[string]reports.Section{}}
	if err := f.open(template); err != nil {
		return nil, err
	}
	f.index()
	var texts []*textPart
	for _, file := range f.zip.File {
		if textParts.MatchString(file.Name) {
			p, err := f.parse(file)
			if err != nil {
				return nil, err
			}
			texts = append(texts, p)
		}
	}
	// The order in which tables and figures come to stand gives their numbers.
	slices.SortStableFunc(texts, func(a, b *textPart) int {
		return cmp.Compare(boolInt(b.main), boolInt(a.main))
	})
	var order []string
	for _, p := range texts {
		f.look(p)
		for _, a := range p.asked {
			order = append(order, f.idsOf(a.key)...)
		}
	}
	if len(f.faults) > 0 {
		return nil, &FormError{f.faults}
	}
	if f.out.Cells+f.out.Parts == 0 {
		return nil, &FormError{[]string{"it asks for nothing: give content controls a tag such as headline/1/2 (Developer, Properties), or write {{headline/1/2}} in the text"}}
	}
	r.Show(order)
	f.d = &docx{r: r, form: f, ids: f.newID}
	changed := map[string][]byte{}
	for _, p := range texts {
		if len(p.asked) > 0 {
			changed[p.name] = f.write(p)
		}
	}
	if len(f.faults) > 0 {
		return nil, &FormError{f.faults}
	}
	if err := f.relate(changed); err != nil {
		return nil, err
	}
	return f.out, f.save(w, changed)
}

func boolInt(b bool) int {
	if b {
		return 1
	}
	return 0
}

// form is a funder's template while it is filled.
type form struct {
	r      *reports.Report
	zip    *zip.Reader
	out    *Filled
	d      *docx
	styles map[string]string // our style's name: the ID of the form's style of that name
	used   map[string]bool   // numbers that elements have
	last   int
	faults []string
	cells  map[string]*reports.Cell
	tables map[string]*reports.Table
	figs   map[string]*reports.Figure
	fields map[string]reports.Section // parts by name
	twice  map[string]bool            // tables and figures that were put in
}

func (f *form) fault(format string, a ...any) { f.faults = append(f.faults, fmt.Sprintf(format, a...)) }

// open looks at the package before anything in it is read.
func (f *form) open(template []byte) error {
	z, err := zip.NewReader(bytes.NewReader(template), int64(len(template)))
	if err != nil {
		return &FormError{[]string{"it is not a Word file (.docx or .dotx): " + err.Error()}}
	}
	f.zip = z
	names, size, main := map[string]bool{}, uint64(0), false
	for _, file := range z.File {
		switch {
		case names[file.Name]:
			return &FormError{[]string{"it has the file " + file.Name + " twice"}}
		case strings.Contains(file.Name, `\`) || strings.HasPrefix(file.Name, "/") || path.Clean("/"+file.Name) != "/"+strings.TrimSuffix(file.Name, "/"):
			return &FormError{[]string{fmt.Sprintf("it has a file with the name %q", file.Name)}}
		}
		names[file.Name] = true
		size += file.UncompressedSize64
		main = main || file.Name == mainPart
	}
	switch {
	case len(z.File) > maxFormFiles || size > maxForm:
		return &FormError{[]string{fmt.Sprintf("it has %d files of %d bytes: that is no template", len(z.File), size)}}
	case !main:
		return &FormError{[]string{"it is not a Word file (.docx or .dotx): it has no " + mainPart}}
	}
	return f.readStyles()
}

func (f *form) read(name string) ([]byte, error) {
	for _, file := range f.zip.File {
		if file.Name == name {
			return readPart(file)
		}
	}
	return nil, nil
}

func readPart(file *zip.File) ([]byte, error) {
	in, err := file.Open()
	if err != nil {
		return nil, fmt.Errorf("read the template's %s: %w", file.Name, err)
	}
	defer in.Close()
	text, err := io.ReadAll(io.LimitReader(in, maxForm+1))
	if err == nil && len(text) > maxForm {
		err = errors.New("it is too large")
	}
	if err != nil {
		return nil, fmt.Errorf("read the template's %s: %w", file.Name, err)
	}
	return text, nil
}

// readStyles finds the form's styles of the names that ours have.
func (f *form) readStyles() error {
	text, err := f.read("word/styles.xml")
	if err != nil || text == nil {
		return err
	}
	var sheet struct {
		Styles []struct {
			ID   string `xml:"styleId,attr"`
			Type string `xml:"type,attr"`
			Name struct {
				Val string `xml:"val,attr"`
			} `xml:"name"`
		} `xml:"style"`
	}
	if err := xml.Unmarshal(text, &sheet); err != nil {
		return &FormError{[]string{"its word/styles.xml cannot be read: " + err.Error()}}
	}
	for ours, name := range map[string]string{"Caption": "caption", "FigureCaption": "caption", "TableText": "table text", "TableHead": "table head", "Remark": "remark", "Lead": "lead", "Figure": "figure", "Gap": "gap", "ReportTable": "report table"} {
		for _, s := range sheet.Styles {
			if strings.EqualFold(s.Name.Val, name) && (s.Type == "table") == (ours == "ReportTable") {
				f.styles[ours] = s.ID
			}
		}
	}
	return nil
}

// index lists what can be asked for.
func (f *form) index() {
	f.cells, f.tables, f.figs = map[string]*reports.Cell{}, map[string]*reports.Table{}, map[string]*reports.Figure{}
	for _, t := range f.r.AllTables() {
		f.tables[t.ID] = t
		for key, c := range t.Aliases() {
			f.cells[key] = c
		}
		for _, row := range t.Rows {
			for _, c := range row.Cells {
				f.cells[c.Key()] = c
			}
		}
	}
	for _, fig := range f.r.Figures() {
		f.figs[fig.ID] = fig
	}
	for _, s := range f.r.Sections {
		f.fields[strings.TrimPrefix(s.ID, "s-")] = s
	}
}

// newID is a number that no element of the form has.
func (f *form) newID() int {
	for {
		f.last++
		if !f.used[fmt.Sprint(f.last)] {
			return f.last
		}
	}
}

// node is an element with where it stands in its part's bytes.
type node struct {
	name              string // with its prefix
	attr              []xml.Attr
	from, open        int64 // start of the element, end of its start tag
	close, to         int64 // start of its end tag, end of the element
	parent            *node
	kids              []*node
	text              string // of a w:t
	deleted, selfEnds bool
}

func (n *node) get(attr string) string {
	for _, a := range n.attr {
		if a.Name.Local == attr {
			return a.Value
		}
	}
	return ""
}

func (n *node) kid(name string) *node {
	for _, k := range n.kids {
		if k.name == name {
			return k
		}
	}
	return nil
}

// walk calls visit for every element below n, in order, until it says not to
// go into one.
func (n *node) walk(visit func(*node) bool) {
	for _, k := range n.kids {
		if visit(k) {
			k.walk(visit)
		}
	}
}

// textPart is a part of the package that holds text.
type textPart struct {
	name  string
	main  bool
	data  []byte
	root  *node
	asked []ask
}

// ask is something that the form asks for, and what is to be replaced.
type ask struct {
	key     string
	control *node // the content control; nil for {{…}}
	block   *node // the paragraph, or control, that a table, figure or part replaces
	pieces  []stretch
	where   string
}

// stretch is a part of a placeholder: of a w:t the characters from … to.
type stretch struct {
	t        *node
	from, to int
}

// parse reads a part into elements that know their places.
func (f *form) parse(file *zip.File) (*textPart, error) {
	data, err := readPart(file)
	if err != nil {
		return nil, err
	}
	p := &textPart{name: file.Name, main: file.Name == mainPart, data: data, root: &node{}}
	bad := func(why string) error { return &FormError{[]string{p.name + " cannot be read: " + why}} }
	d := xml.NewDecoder(bytes.NewReader(data))
	d.CharsetReader = func(charset string, in io.Reader) (io.Reader, error) {
		return nil, fmt.Errorf("it is written in %s: save it anew in Word", charset)
	}
	at, depth := p.root, 0
	for {
		from := d.InputOffset()
		token, err := d.RawToken()
		if err == io.EOF {
			break
		}
		if err != nil {
			return nil, bad(err.Error())
		}
		switch e := token.(type) {
		case xml.StartElement:
			if depth++; depth > 500 {
				return nil, bad("its elements are nested too deeply")
			}
			name := e.Name.Local
			if e.Name.Space != "" {
				name = e.Name.Space + ":" + name
			}
			n := &node{name: name, attr: slices.Clone(e.Attr), from: from, open: d.InputOffset(), parent: at}
			n.selfEnds = bytes.HasSuffix(data[n.from:n.open], []byte("/>"))
			n.deleted = at.deleted || name == "w:del" || name == "w:moveFrom"
			at.kids = append(at.kids, n)
			at = n
			if id := n.get("id"); id != "" {
				f.used[id] = true
			}
			if name == "w:id" {
				f.used[n.get("val")] = true
			}
		case xml.EndElement:
			if at == p.root {
				return nil, bad("an element ends that was not begun")
			}
			name := e.Name.Local
			if e.Name.Space != "" {
				name = e.Name.Space + ":" + name
			}
			if name != at.name {
				return nil, bad(fmt.Sprintf("the element %s ends as %s", at.name, name))
			}
			depth--
			at.close, at.to = from, d.InputOffset()
			at = at.parent
		case xml.CharData:
			if at.name == "w:t" {
				at.text += string(e)
			}
		}
	}
	if at != p.root || len(p.root.kids) != 1 {
		return nil, bad("it is not whole")
	}
	for _, a := range p.root.kids[0].attr {
		if a.Name.Space == "xmlns" && a.Name.Local == "w" && a.Value == wordSpace {
			return p, nil
		}
	}
	return nil, bad("it is not in the usual form of Word files (transitional OOXML): open it in Word and save it as .docx")
}

// look finds what a part asks for.
func (f *form) look(p *textPart) {
	p.root.walk(func(n *node) bool {
		switch {
		case n.name == "mc:Fallback" || n.deleted:
			return false
		case n.name == "w:sdt":
			tag := ""
			if pr := n.kid("w:sdtPr"); pr != nil && pr.kid("w:tag") != nil {
				tag = strings.TrimSpace(pr.kid("w:tag").get("val"))
			}
			if keyForm.MatchString(tag) {
				if n.kid("w:sdtContent") == nil {
					f.fault("%s: the content control %s has no content", p.name, tag)
					return false
				}
				f.ask(p, ask{key: tag, control: n, where: "the content control " + tag})
				return false
			}
			if tag != "" {
				f.out.Left = append(f.out.Left, tag)
			}
		case n.name == "w:p":
			f.placeholders(p, n)
		}
		return true
	})
}

// placeholders finds {{…}} in a paragraph, also where Word has split it over
// runs.
func (f *form) placeholders(p *textPart, para *node) {
	var text strings.Builder
	type span struct {
		t    *node
		from int // in the paragraph's text
	}
	var spans []span
	para.walk(func(n *node) bool {
		switch n.name {
		case "w:p", "mc:Fallback", "w:txbxContent":
			return false // a paragraph of its own
		case "w:sdt":
			if pr := n.kid("w:sdtPr"); pr != nil && pr.kid("w:tag") != nil && keyForm.MatchString(strings.TrimSpace(pr.kid("w:tag").get("val"))) {
				return false
			}
		case "w:tab", "w:br", "w:cr":
			text.WriteByte('\t')
		case "w:t":
			if !n.deleted && n.parent.name == "w:r" {
				spans = append(spans, span{n, text.Len()})
				text.WriteString(n.text)
			}
		}
		return !n.deleted
	})
	whole := text.String()
	for _, m := range placeholder.FindAllStringSubmatchIndex(whole, -1) {
		key := whole[m[2]:m[3]]
		a := ask{key: key, where: "{{" + key + "}}"}
		if !keyForm.MatchString(key) {
			f.fault("%s: {{%s}} is nothing that can be asked for%s", p.name, key, f.near(key))
			continue
		}
		for _, s := range spans {
			from, to := max(m[0], s.from), min(m[1], s.from+len(s.t.text))
			if from < to {
				a.pieces = append(a.pieces, stretch{s.t, from - s.from, to - s.from})
			}
		}
		if strings.TrimSpace(whole) == strings.TrimSpace(whole[m[0]:m[1]]) {
			a.block = para
		}
		f.ask(p, a)
	}
}

// ask checks something that is asked for, and notes it.
func (f *form) ask(p *textPart, a ask) {
	kind, name, big := strings.Cut(a.key, ":")
	big = big && kind != "report"
	if big {
		f.askPart(p, a, kind, name)
		return
	}
	if !strings.HasPrefix(a.key, "report:") && f.cells[a.key] == nil && f.gone() == "" {
		f.fault("%s: %s asks for a cell that this report does not have%s", p.name, a.where, f.near(a.key))
		return
	}
	f.out.Cells++
	p.asked = append(p.asked, a)
}

func (f *form) askPart(p *textPart, a ask, kind, name string) {
	known := map[string]bool{"table": f.tables[name] != nil, "figure": f.figs[name] != nil, "part": reports.PartTitle(name) != ""}[kind]
	switch {
	case !known && (f.gone() == "" || kind == "part"):
		f.fault("%s: %s asks for a %s that this report does not have%s", p.name, a.where, kind, f.near(a.key))
		return
	case !p.main:
		f.fault("%s: %s: a %s can stand in the main text only", p.name, a.where, kind)
		return
	}
	if a.control != nil {
		switch parent := a.control.parent; parent.name {
		case "w:body", "w:tc", "w:sdtContent":
			a.block = a.control
			if parent.name == "w:sdtContent" && a.control.kid("w:sdtContent").kid("w:p") == nil && a.control.kid("w:sdtContent").kid("w:tbl") == nil {
				a.block = nil
			}
		case "w:p":
			if alone(parent, a.control) {
				a.block = parent
			}
		}
	}
	if a.block == nil {
		f.fault("%s: %s stands within a line: a %s needs a paragraph of its own", p.name, a.where, kind)
		return
	}
	for _, id := range f.idsOf(a.key) {
		if f.twice[id] {
			f.fault("%s: %s puts %s in a second time: each table and figure can stand once", p.name, a.where, id)
		}
		f.twice[id] = true
	}
	f.out.Parts++
	p.asked = append(p.asked, a)
}

// alone says whether a paragraph holds nothing to be read but one element.
func alone(para, only *node) bool {
	is := true
	para.walk(func(n *node) bool {
		if n == only {
			return false
		}
		if n.name == "w:t" && strings.TrimSpace(n.text) != "" || n.name == "w:drawing" || n.name == "w:pict" || n.name == "w:sdt" {
			is = false
		}
		return true
	})
	return is
}

// idsOf lists the tables and figures that a key brings in.
func (f *form) idsOf(key string) []string {
	kind, name, _ := strings.Cut(key, ":")
	switch kind {
	case "table", "figure":
		return []string{name}
	case "part":
		var ids []string
		for _, b := range f.fields[name].Blocks {
			switch {
			case b.Table != nil:
				ids = append(ids, b.Table.ID)
			case b.Figure != nil:
				ids = append(ids, b.Figure.ID)
			}
		}
		return ids
	}
	return nil
}

// near suggests what may have been meant.
func (f *form) near(key string) string {
	kind, name, big := strings.Cut(key, ":")
	var known []string
	switch {
	case big && kind == "table":
		for id := range f.tables {
			known = append(known, id)
		}
	case big && kind == "figure":
		for id := range f.figs {
			known = append(known, id)
		}
	case big && kind == "part":
		known = reports.Parts()
	default:
		table, _, _ := strings.Cut(key, "/")
		name = table
		for id := range f.tables {
			known = append(known, id)
		}
		if f.tables[table] != nil {
			t := f.tables[table]
			return fmt.Sprintf(" (table %s has %d rows and %d columns; evenhand report keys lists what there is)", table, len(t.Rows), len(t.Columns))
		}
	}
	slices.Sort(known)
	if near := reports.Nearest(name, known); near != "" {
		return fmt.Sprintf(" (did you mean %q? evenhand report keys lists what there is)", near)
	}
	return " (evenhand report keys lists what there is)"
}

// value is the text of a key that asks for a single value.
func (f *form) value(key string) string {
	switch key {
	case "report:title":
		return f.r.Title
	case "report:kind":
		return f.r.Subtitle
	case "report:made":
		return reports.Day(f.r.GeneratedAt)
	}
	if c := f.cells[key]; c != nil {
		return show(c.String())
	}
	return missingValue(key, f.gone())
}

// missingValue stands in place of a value that there is not.
func missingValue(key, why string) string { return "[" + key + " is not available: " + why + "]" }

// gone says why something that is asked for may not be there; "" where it must
// be.
func (f *form) gone() string { return cmp.Or(f.r.LeftOut, f.r.Unfinished) }

// blocks writes the XML of a table, a figure or a part.
func (f *form) blocks(key string) string {
	kind, name, _ := strings.Cut(key, ":")
	f.d.b.Reset()
	switch {
	case kind == "table" && f.tables[name] != nil:
		f.d.table(f.tables[name])
	case kind == "figure" && f.figs[name] != nil:
		f.d.figure(f.figs[name])
	case kind == "part" && len(f.fields[name].Blocks) > 0:
		for _, b := range f.fields[name].Blocks {
			f.d.block(b)
		}
	case kind == "part" && f.r.LeftOut == "":
		f.d.block(reports.Block{Gap: &reports.Gap{What: reports.PartTitle(name), Why: "This trial has nothing of it."}})
	default:
		f.d.block(reports.Block{Gap: &reports.Gap{What: kind + " " + name, Why: f.gone()}})
	}
	return f.d.b.String()
}

// change replaces the bytes from … to.
type change struct {
	from, to int64
	with     string
}

// write gives a part's bytes with everything put in.
func (f *form) write(p *textPart) []byte {
	var edits []change
	byText := map[*node][]ask{}
	var texts []*node // that hold placeholders, in order
	for _, a := range p.asked {
		_, _, big := strings.Cut(a.key, ":")
		big = big && !strings.HasPrefix(a.key, "report:")
		switch {
		case big:
			// The control gives way: LibreOffice shows the codes of fields in one
			// that holds a table.
			with := f.blocks(a.key)
			if a.block.name != "w:p" || !holdsMore(a.block, a.control) {
				edits = append(edits, change{a.block.from, a.block.to, with})
				break
			}
			// The paragraph stays after it, emptied of what asked.
			edits = append(edits, change{a.block.from, a.block.from, with})
			if a.control != nil {
				edits = append(edits, change{a.control.from, a.control.to, ""})
			}
			for _, x := range a.pieces {
				edits = append(edits, change{x.t.from, x.t.to, ""})
			}
		case a.control != nil:
			edits = append(edits, f.replaceControl(p, a)...)
		default:
			for _, x := range a.pieces {
				if byText[x.t] == nil {
					texts = append(texts, x.t)
				}
				byText[x.t] = append(byText[x.t], a)
			}
		}
	}
	for _, t := range texts {
		edits = append(edits, f.replaceText(p, t, byText[t]))
	}
	slices.SortFunc(edits, func(a, b change) int { return cmp.Compare(a.from, b.from) })
	var out bytes.Buffer
	at := int64(0)
	for _, e := range edits {
		if e.from < at {
			f.fault("%s: two things are asked for in one place", p.name)
			return nil
		}
		out.Write(p.data[at:e.from])
		out.WriteString(e.with)
		at = e.to
	}
	out.Write(p.data[at:])
	return out.Bytes()
}

func (p *textPart) bytes(n *node) string {
	if n == nil {
		return ""
	}
	return string(p.data[n.from:n.to])
}

// properties are a run's, without the look of a placeholder.
func (p *textPart) properties(run *node) string {
	if run == nil || run.kid("w:rPr") == nil {
		return ""
	}
	pr := run.kid("w:rPr")
	var b strings.Builder
	for _, k := range pr.kids {
		if k.name == "w:rStyle" && strings.Contains(strings.ToLower(k.get("val")), "placeholder") {
			continue
		}
		b.WriteString(p.bytes(k))
	}
	return b.String()
}

// replaceControl puts a value into a content control: what is around it, its
// paragraph's and its first run's looks stay.
func (f *form) replaceControl(p *textPart, a ask) []change {
	edits := freeControl(a.control)
	content := a.control.kid("w:sdtContent")
	var run, para, cell *node
	content.walk(func(n *node) bool {
		switch {
		case n.name == "w:r" && run == nil:
			run = n
		case n.name == "w:p" && para == nil:
			para = n
		case n.name == "w:tc" && cell == nil:
			cell = n
		case n.name == "w:tr" || n.name == "w:tbl":
			f.fault("%s: %s holds a whole table or a row of one: put it into one cell", p.name, a.where)
			return false
		}
		return true
	})
	looks := p.properties(run)
	if looks == "" && a.control.kid("w:sdtPr") != nil {
		looks = p.properties(a.control.kid("w:sdtPr"))
	}
	with := styledRun(f.value(a.key), looks)
	if para != nil {
		with = "<w:p>" + p.bytes(para.kid("w:pPr")) + with + "</w:p>"
	}
	if cell != nil {
		with = "<w:tc>" + p.bytes(cell.kid("w:tcPr")) + with + "</w:tc>"
	}
	if content.selfEnds {
		return append(edits, change{content.from, content.to, "<w:sdtContent>" + with + "</w:sdtContent>"})
	}
	return append(edits, change{content.open, content.close, with})
}

// freeControl takes out of a control's settings that it shows a placeholder, and
// that Word is to fill it from elsewhere.
func freeControl(control *node) []change {
	var edits []change
	pr := control.kid("w:sdtPr")
	if pr == nil {
		return nil
	}
	for _, k := range pr.kids {
		if local := k.name[strings.Index(k.name, ":")+1:]; local == "showingPlcHdr" || local == "dataBinding" {
			edits = append(edits, change{k.from, k.to, ""})
		}
	}
	return edits
}

// holdsMore says whether a paragraph holds what must not be lost with it: the
// end of a section, bookmarks, comments and the like.
func holdsMore(para, control *node) bool {
	more := false
	para.walk(func(n *node) bool {
		switch n.name {
		case "w:pPr":
			more = more || n.kid("w:sectPr") != nil
			return false
		case "w:r", "w:t", "w:ins":
			return true
		case "w:rPr", "w:proofErr", "w:lastRenderedPageBreak":
			return false
		}
		more = more || n != control
		return false
	})
	return more
}

// replaceText writes a run's text anew, with a content control for each
// placeholder that begins in it; one that goes on from an earlier run leaves
// only what follows it.
func (f *form) replaceText(p *textPart, t *node, asks []ask) change {
	looks := p.properties(t.parent)
	var b strings.Builder
	at := 0
	piece := func(text string) {
		if text == "" {
			return
		}
		b.WriteString(`<w:t xml:space="preserve">` + xmlText(text) + `</w:t>`)
	}
	for _, a := range asks {
		for i, x := range a.pieces {
			if x.t != t {
				continue
			}
			piece(t.text[at:x.from])
			at = x.to
			if i == 0 {
				b.WriteString("</w:r>" + f.d.control(a.key, styledRun(f.value(a.key), looks), "") + "<w:r>")
				if looks != "" {
					b.WriteString("<w:rPr>" + looks + "</w:rPr>")
				}
			}
		}
	}
	piece(t.text[at:])
	return change{t.from, t.to, b.String()}
}

// emptyRelationships is a list of them with nothing in it, written short.
var emptyRelationships = regexp.MustCompile(`(?s)(<Relationships\b[^>]*?)\s*/>`)

// relate adds the pictures to the document's relationships and kinds of files,
// and makes a document of a template.
func (f *form) relate(changed map[string][]byte) error {
	const types, rels = "[Content_Types].xml", "word/_rels/document.xml.rels"
	kinds, err := f.read(types)
	if err != nil {
		return err
	}
	was := string(kinds)
	text := strings.ReplaceAll(was, "wordprocessingml.template.main+xml", "wordprocessingml.document.main+xml")
	if len(f.d.media) > 0 {
		for _, x := range [][2]string{{"emf", "image/x-emf"}, {"svg", "image/svg+xml"}} {
			form, kind := x[0], x[1]
			if !regexp.MustCompile(`(?i)Extension="` + form + `"`).MatchString(text) {
				text = insertAfterStart(text, "Types", `<Default Extension="`+form+`" ContentType="`+kind+`"/>`)
			}
		}
		links, err := f.read(rels)
		if err != nil {
			return err
		}
		if len(links) == 0 { // a document may have none
			links = []byte(xmlHead + `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"></Relationships>`)
		}
		links = emptyRelationships.ReplaceAll(links, []byte("$1></Relationships>"))
		with := strings.Replace(string(links), "</Relationships>", f.d.pictureRelations()+"</Relationships>", 1)
		if with == string(links) {
			return &FormError{[]string{rels + " is not in the usual form of Word files: open the template in Word and save it again"}}
		}
		changed[rels] = []byte(with)
		for i, m := range f.d.media {
			changed["word/"+mediaName(i+1, "emf")], changed["word/"+mediaName(i+1, "svg")] = m.emf, m.svg
		}
	}
	if text != was {
		changed[types] = []byte(text)
	}
	return nil
}

// insertAfterStart puts text after an element's start tag.
func insertAfterStart(text, element, what string) string {
	at := strings.Index(text, "<"+element)
	if at < 0 {
		return text
	}
	end := strings.IndexByte(text[at:], '>')
	return text[:at+end+1] + what + text[at+end+1:]
}

// save writes the package: what is not changed is copied as it is packed.
func (f *form) save(w io.Writer, changed map[string][]byte) error {
	z := zip.NewWriter(w)
	fail := func(name string, err error) error {
		return fmt.Errorf("write the filled template's %s: %w", name, err)
	}
	done := map[string]bool{}
	for _, file := range f.zip.File {
		data, ok := changed[file.Name]
		if !ok {
			if err := z.Copy(file); err != nil {
				return fail(file.Name, err)
			}
			continue
		}
		done[file.Name] = true
		out, err := z.CreateHeader(&zip.FileHeader{Name: file.Name, Method: zip.Deflate, Modified: file.Modified})
		if err == nil {
			_, err = out.Write(data)
		}
		if err != nil {
			return fail(file.Name, err)
		}
	}
	for _, name := range slices.Sorted(maps.Keys(changed)) { // what the template had not
		if done[name] {
			continue
		}
		out, err := z.CreateHeader(&zip.FileHeader{Name: name, Method: zip.Deflate})
		if err == nil {
			_, err = out.Write(changed[name])
		}
		if err != nil {
			return fail(name, err)
		}
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("write the filled template: %w", err)
	}
	return nil
}
