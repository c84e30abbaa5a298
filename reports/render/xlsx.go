package render

import (
	"archive/zip"
	"fmt"
	"io"
	"strconv"
	"strings"

	"evenhand/reports"
	"evenhand/reports/figure"
)

// XLSX writes every table of the report as a sheet of one workbook, after a
// sheet of contents and before one of notes. Numbers are numbers with all
// their digits, shown by the report's own formats; texts are typed as texts, so
// that none is taken for a formula. The same report gives the same bytes.
func XLSX(w io.Writer, r *reports.Report) error {
	tables := r.Tables()
	sheets := []sheet{contentsSheet(r, tables)}
	for _, t := range tables {
		sheets = append(sheets, tableSheet(r, t))
	}
	if len(r.Notes) > 0 {
		sheets = append(sheets, notesSheet(r))
	}
	z := zip.NewWriter(w)
	var names, rels, types strings.Builder
	for i, s := range sheets {
		fmt.Fprintf(&names, `<sheet name="%s" sheetId="%d" r:id="rId%d"/>`, xmlText(s.name), i+1, i+1)
		fmt.Fprintf(&rels, `<Relationship Id="rId%d" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/worksheet" Target="worksheets/sheet%d.xml"/>`, i+1, i+1)
		fmt.Fprintf(&types, `<Override PartName="/xl/worksheets/sheet%d.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.worksheet+xml"/>`, i+1)
	}
	fmt.Fprintf(&rels, `<Relationship Id="rId%d" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/styles" Target="styles.xml"/>`, len(sheets)+1)
	parts := []struct{ name, text string }{
		{"[Content_Types].xml", xmlHead + `<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Override PartName="/xl/workbook.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.sheet.main+xml"/><Override PartName="/xl/styles.xml" ContentType="application/vnd.openxmlformats-officedocument.spreadsheetml.styles+xml"/>` + types.String() + `</Types>`},
		{"_rels/.rels", xmlHead + `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="http://schemas.openxmlformats.org/officeDocument/2006/relationships/officeDocument" Target="xl/workbook.xml"/></Relationships>`},
		{"xl/workbook.xml", xmlHead + `<workbook xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main" xmlns:r="http://schemas.openxmlformats.org/officeDocument/2006/relationships"><sheets>` + names.String() + `</sheets></workbook>`},
		{"xl/_rels/workbook.xml.rels", xmlHead + `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships">` + rels.String() + `</Relationships>`},
		{"xl/styles.xml", xmlHead + stylesXML()},
	}
	for i, s := range sheets {
		parts = append(parts, struct{ name, text string }{fmt.Sprintf("xl/worksheets/sheet%d.xml", i+1), xmlHead + s.xml()})
	}
	for _, p := range parts {
		f, err := z.CreateHeader(&zip.FileHeader{Name: p.name, Method: zip.Deflate})
		if err == nil {
			_, err = io.WriteString(f, p.text)
		}
		if err != nil {
			return fmt.Errorf("write report %q as XLSX: %w", r.Title, err)
		}
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("write report %q as XLSX: %w", r.Title, err)
	}
	return nil
}

// Styles of cells. Those of numbers follow, one a format, plain then bold.
const (
	styleText = iota
	styleHead
	styleTitle
	styleStrong
	styleMuted
	styleHeadRight
	styleFoot
	styleNumbers
)

// numFormats writes the report's formats in the spreadsheet's language. Shares
// and differences of shares both show as percentages.
var numFormats = []struct {
	format reports.Format
	code   string
}{
	{reports.Count, `#,##0`}, {reports.Share, `0.0%`}, {reports.Points, `0.0%`}, {reports.Level, `0.##%`}, {reports.EffectSize, `0.00`}, {reports.Score, `0.00`}, {reports.SD, `0.00`},
	{reports.PValue, `[<0.001]"< 0.001";0.000`}, {reports.ICC, `0.000`}, {reports.DF, `#,##0.0`}, {reports.Decimals1, `#,##0.0`}, {reports.Months, `+0;-0;0`}, {reports.Exact, `General`},
}

func numberStyle(f reports.Format, strong bool) int {
	for i, n := range numFormats {
		if n.format == f {
			if strong {
				return styleNumbers + 2*i + 1
			}
			return styleNumbers + 2*i
		}
	}
	panic(fmt.Sprintf("render: format %d has no spreadsheet format", f))
}

func stylesXML() string {
	var b strings.Builder
	b.WriteString(`<styleSheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><numFmts count="` + strconv.Itoa(len(numFormats)) + `">`)
	for i, n := range numFormats {
		fmt.Fprintf(&b, `<numFmt numFmtId="%d" formatCode="%s"/>`, 164+i, xmlText(n.code))
	}
	b.WriteString(`</numFmts><fonts count="4"><font><sz val="10"/><name val="Arial"/></font><font><b/><sz val="10"/><name val="Arial"/></font><font><b/><sz val="13"/><name val="Arial"/></font><font><sz val="9"/><color rgb="FF57606A"/><name val="Arial"/></font></fonts>`)
	b.WriteString(`<fills count="2"><fill><patternFill patternType="none"/></fill><fill><patternFill patternType="gray125"/></fill></fills>`)
	b.WriteString(`<borders count="2"><border><left/><right/><top/><bottom/><diagonal/></border><border><left/><right/><top/><bottom style="thin"><color rgb="FF1B1F24"/></bottom><diagonal/></border></borders>`)
	b.WriteString(`<cellStyleXfs count="1"><xf numFmtId="0" fontId="0" fillId="0" borderId="0"/></cellStyleXfs>`)
	fmt.Fprintf(&b, `<cellXfs count="%d">`, styleNumbers+2*len(numFormats))
	text := func(font, border int, align string) {
		a := `<alignment vertical="top"` + align + `/>`
		fmt.Fprintf(&b, `<xf numFmtId="49" fontId="%d" fillId="0" borderId="%d" xfId="0" applyNumberFormat="1" applyFont="1" applyBorder="1" applyAlignment="1">%s</xf>`, font, border, a)
	}
	const wrap = ` wrapText="1"`
	text(0, 0, wrap)
	text(1, 1, wrap)
	text(2, 0, "")
	text(1, 0, wrap)
	text(3, 0, wrap)
	text(1, 1, ` horizontal="right"`+wrap)
	text(3, 0, wrap)
	for i := range numFormats {
		for font := range 2 {
			fmt.Fprintf(&b, `<xf numFmtId="%d" fontId="%d" fillId="0" borderId="0" xfId="0" applyNumberFormat="1" applyFont="1" applyAlignment="1"><alignment vertical="top"/></xf>`, 164+i, font)
		}
	}
	b.WriteString(`</cellXfs><cellStyles count="1"><cellStyle name="Normal" xfId="0" builtinId="0"/></cellStyles></styleSheet>`)
	return b.String()
}

// sheet is one sheet: its rows of cells as XML.
type sheet struct {
	name   string
	widths []float64
	rows   []string
	merges []string
	frozen int // rows that stay in view
	lines  int // of text that the next row must have room for
}

func (s *sheet) row(cells ...string) {
	var b strings.Builder
	height := ""
	if s.lines > 1 {
		height = fmt.Sprintf(` ht="%g" customHeight="1"`, min(13.5*float64(s.lines), 409))
	}
	fmt.Fprintf(&b, `<row r="%d"%s>`, len(s.rows)+1, height)
	for _, c := range cells {
		b.WriteString(c)
	}
	b.WriteString(`</row>`)
	s.rows = append(s.rows, b.String())
	s.lines = 0
}

// fits makes the next row high enough for a text that is wrapped in a column, or
// in all of them for −1: not every program works that out.
func (s *sheet) fits(column int, text string, bold bool) {
	const size, character = 10, 5.4 // points; of a column's width, which counts characters
	width := 0.0
	for i, w := range s.widths {
		if i == column || column < 0 {
			width += w * character
		}
	}
	s.lines = max(s.lines, len(figure.Wrap(show(text), max(width-6, 20), size, bold, 0)))
}

// remark adds a line of small type over all columns.
func (s *sheet) remark(text string) {
	s.fits(-1, text, false)
	if n := len(s.widths); n > 1 {
		s.merges = append(s.merges, s.at(0)+":"+s.at(n-1))
	}
	s.row(s.words(0, text, styleFoot))
}

// at is the address of a column in the next row.
func (s *sheet) at(column int) string { return columnName(column) + strconv.Itoa(len(s.rows)+1) }

func columnName(i int) string {
	name := ""
	for i++; i > 0; i = (i - 1) / 26 {
		name = string(rune('A'+(i-1)%26)) + name
	}
	return name
}

// words writes a text as it may be shown.
func (s *sheet) words(column int, text string, style int) string {
	return s.shown(column, show(text), style)
}

// shown writes a text that show has made.
func (s *sheet) shown(column int, text string, style int) string {
	return fmt.Sprintf(`<c r="%s" s="%d" t="inlineStr"><is><t xml:space="preserve">%s</t></is></c>`, s.at(column), style, xmlText(text))
}

func (s *sheet) number(column int, v float64, style int) string {
	return fmt.Sprintf(`<c r="%s" s="%d"><v>%s</v></c>`, s.at(column), style, strconv.FormatFloat(v, 'g', -1, 64))
}

func (s sheet) xml() string {
	var b strings.Builder
	b.WriteString(`<worksheet xmlns="http://schemas.openxmlformats.org/spreadsheetml/2006/main"><sheetPr><pageSetUpPr fitToPage="1"/></sheetPr><sheetViews><sheetView workbookViewId="0" showGridLines="0">`)
	if s.frozen > 0 {
		fmt.Fprintf(&b, `<pane ySplit="%d" topLeftCell="A%d" activePane="bottomLeft" state="frozen"/>`, s.frozen, s.frozen+1)
	}
	b.WriteString(`</sheetView></sheetViews><cols>`)
	for i, w := range s.widths {
		fmt.Fprintf(&b, `<col min="%d" max="%d" width="%g" customWidth="1"/>`, i+1, i+1, w)
	}
	b.WriteString(`</cols><sheetData>`)
	for _, r := range s.rows {
		b.WriteString(r)
	}
	b.WriteString(`</sheetData>`)
	if len(s.merges) > 0 {
		fmt.Fprintf(&b, `<mergeCells count="%d">`, len(s.merges))
		for _, m := range s.merges {
			fmt.Fprintf(&b, `<mergeCell ref="%s"/>`, m)
		}
		b.WriteString(`</mergeCells>`)
	}
	b.WriteString(`<pageMargins left="0.5" right="0.5" top="0.6" bottom="0.6" header="0.3" footer="0.3"/><pageSetup paperSize="9" orientation="landscape" fitToWidth="1" fitToHeight="0"/></worksheet>`)
	return b.String()
}

func xmlText(s string) string {
	return strings.NewReplacer("&", "&amp;", "<", "&lt;", ">", "&gt;", `"`, "&quot;").Replace(figure.Visible(s))
}

// sheetName is a table's sheet: "T7 attrition-rates", 31 characters at most, of
// which none is among those that Excel refuses. The number makes it unique.
func sheetName(t *reports.Table) string {
	name := []rune(fmt.Sprintf("T%d %s", t.Number, strings.Map(func(r rune) rune {
		if strings.ContainsRune(`:\/?*[]'`, r) {
			return '-'
		}
		return r
	}, figure.Visible(t.ID))))
	return string(name[:min(len(name), 31)])
}

func contentsSheet(r *reports.Report, tables []*reports.Table) sheet {
	s := sheet{name: "Contents", widths: []float64{28, 70}}
	s.row(s.words(0, r.Title, styleTitle))
	s.row(s.words(0, r.Subtitle, styleText))
	for _, f := range r.Facts {
		s.fits(1, f.Value, false)
		s.row(s.words(0, f.Name, styleText), s.words(1, f.Value, styleText))
	}
	if r.Draft != "" {
		s.remark(r.Draft)
	}
	s.row()
	s.row(s.words(0, "Sheet", styleHead), s.words(1, "Table", styleHead))
	for _, t := range tables {
		s.fits(1, t.Title, false)
		s.row(s.words(0, sheetName(t), styleText), s.words(1, t.Title, styleText))
	}
	s.row()
	s.remark("Numbers have all the digits of the report’s own cells (of a released report: those shown). Made by Evenhand, " + reports.Moment(r.GeneratedAt) + ".")
	return s
}

func tableSheet(r *reports.Report, t *reports.Table) sheet {
	s := sheet{name: sheetName(t)}
	for i, c := range t.Columns {
		w := 14.0
		switch {
		case i == 0:
			w = 44
		case !c.Numeric:
			w = 32
		}
		s.widths = append(s.widths, w)
	}
	s.row(s.words(0, fmt.Sprintf("Table %d  %s%s", t.Number, t.Title, marks(t.Notes)), styleTitle))
	s.row()
	if t.Groups != nil {
		var cells []string
		at := 0
		for _, g := range t.Groups {
			for i := range g.Span {
				title := ""
				if i == 0 {
					title = g.Title
				}
				cells = append(cells, s.words(at+i, title, styleHead))
			}
			if g.Title != "" && g.Span > 1 {
				s.merges = append(s.merges, s.at(at)+":"+s.at(at+g.Span-1))
			}
			at += g.Span
		}
		s.row(cells...)
	}
	var head []string
	for i, c := range t.Columns {
		style := styleHead
		if c.Numeric {
			style = styleHeadRight
		}
		s.fits(i, c.Title, true)
		head = append(head, s.words(i, c.Title, style))
	}
	s.row(head...)
	s.frozen = len(s.rows)
	for _, row := range t.Rows {
		var cells []string
		for i, c := range row.Cells {
			style := styleText
			switch {
			case c.Kind == reports.Number:
				cells = append(cells, s.number(i, c.Value, numberStyle(c.Format, row.Strong)))
				continue
			case c.Kind == reports.Absent:
				style = styleMuted
			case row.Strong:
				style = styleStrong
			}
			text := show(c.String())
			if i == 0 && row.Inset {
				text = "    " + text
			}
			s.fits(i, text, row.Strong)
			cells = append(cells, s.shown(i, text, style))
		}
		s.row(cells...)
	}
	for _, f := range t.Foot {
		s.remark(f)
	}
	for _, n := range r.Notes {
		if mentions(t, n.Number) {
			s.remark(fmt.Sprintf("[%d] %s", n.Number, n.Text))
		}
	}
	return s
}

// mentions says whether a table has a footnote.
func mentions(t *reports.Table, note int) bool {
	has := func(all []int) bool {
		for _, n := range all {
			if n == note {
				return true
			}
		}
		return false
	}
	if has(t.Notes) {
		return true
	}
	for _, r := range t.Rows {
		for _, c := range r.Cells {
			if has(c.Notes) {
				return true
			}
		}
	}
	return false
}

func notesSheet(r *reports.Report) sheet {
	s := sheet{name: "Notes", widths: []float64{8, 110}}
	s.row(s.words(0, "Notes to the numbers", styleTitle))
	for _, n := range r.Notes {
		s.fits(1, n.Text, false)
		s.row(s.words(0, strconv.Itoa(n.Number), styleText), s.words(1, n.Text, styleText))
	}
	return s
}
