package render

import (
	"archive/zip"
	"fmt"
	"hash/fnv"
	"io"
	"math"
	"strings"

	"evenhand/reports"
	"evenhand/reports/figure"
)

const (
	xmlHead = `<?xml version="1.0" encoding="UTF-8" standalone="yes"?>` + "\n"
	office  = "http://schemas.openxmlformats.org/officeDocument/2006/relationships"
)

// DOCX writes the report as a Word document: real styles and headings,
// captions with numbers that Word counts, tables whose headings repeat on every
// page, pictures as vectors with a description. Every number is a content
// control whose tag is its cell's key, so that Lint can find the number again
// in a document that somebody has edited. The same report gives the same bytes.
func DOCX(w io.Writer, r *reports.Report) error {
	n := 0
	d := &docx{r: r, ids: func() int { n++; return n }}
	d.body()
	z := zip.NewWriter(w)
	var types strings.Builder
	const word = "application/vnd.openxmlformats-officedocument.wordprocessingml."
	types.WriteString(`<Types xmlns="http://schemas.openxmlformats.org/package/2006/content-types"><Default Extension="rels" ContentType="application/vnd.openxmlformats-package.relationships+xml"/><Default Extension="xml" ContentType="application/xml"/><Default Extension="emf" ContentType="image/x-emf"/><Default Extension="svg" ContentType="image/svg+xml"/>`)
	for _, p := range [][2]string{{"/word/document.xml", word + "document.main+xml"}, {"/word/styles.xml", word + "styles+xml"}, {"/word/settings.xml", word + "settings+xml"}, {"/word/footer1.xml", word + "footer+xml"}, {"/docProps/core.xml", "application/vnd.openxmlformats-package.core-properties+xml"}} {
		fmt.Fprintf(&types, `<Override PartName="%s" ContentType="%s"/>`, p[0], p[1])
	}
	types.WriteString(`</Types>`)
	type part struct {
		name string
		data []byte
	}
	parts := []part{
		{"[Content_Types].xml", []byte(xmlHead + types.String())},
		{"_rels/.rels", []byte(xmlHead + `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="` + office + `/officeDocument" Target="word/document.xml"/><Relationship Id="rId2" Type="http://schemas.openxmlformats.org/package/2006/relationships/metadata/core-properties" Target="docProps/core.xml"/></Relationships>`)},
		{"docProps/core.xml", []byte(xmlHead + `<cp:coreProperties xmlns:cp="http://schemas.openxmlformats.org/package/2006/metadata/core-properties" xmlns:dc="http://purl.org/dc/elements/1.1/" xmlns:dcterms="http://purl.org/dc/terms/" xmlns:xsi="http://www.w3.org/2001/XMLSchema-instance"><dc:title>` + xmlText(show(r.Title)) + `</dc:title><dc:language>en-GB</dc:language><dcterms:created xsi:type="dcterms:W3CDTF">` + r.GeneratedAt.UTC().Format("2006-01-02T15:04:05Z") + `</dcterms:created></cp:coreProperties>`)},
		{"word/document.xml", []byte(xmlHead + `<w:document xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main" xmlns:r="` + office + `" xmlns:w15="http://schemas.microsoft.com/office/word/2012/wordml" xmlns:mc="http://schemas.openxmlformats.org/markup-compatibility/2006" mc:Ignorable="w15"><w:body>` + d.b.String() + `<w:sectPr><w:footerReference w:type="default" r:id="rId3"/><w:pgSz w:w="11906" w:h="16838"/><w:pgMar w:top="1247" w:right="1134" w:bottom="1247" w:left="1134" w:header="567" w:footer="567" w:gutter="0"/></w:sectPr></w:body></w:document>`)},
		{"word/_rels/document.xml.rels", []byte(xmlHead + `<Relationships xmlns="http://schemas.openxmlformats.org/package/2006/relationships"><Relationship Id="rId1" Type="` + office + `/styles" Target="styles.xml"/><Relationship Id="rId2" Type="` + office + `/settings" Target="settings.xml"/><Relationship Id="rId3" Type="` + office + `/footer" Target="footer1.xml"/>` + d.pictureRelations() + `</Relationships>`)},
		{"word/styles.xml", []byte(xmlHead + docxStyles)},
		{"word/settings.xml", []byte(xmlHead + `<w:settings xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:zoom w:percent="100"/><w:compat><w:compatSetting w:name="compatibilityMode" w:uri="http://schemas.microsoft.com/office/word" w:val="15"/></w:compat><w:themeFontLang w:val="en-GB"/></w:settings>`)},
		{"word/footer1.xml", []byte(xmlHead + `<w:ftr xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:p><w:pPr><w:pStyle w:val="Footer"/></w:pPr><w:r><w:t xml:space="preserve">` + xmlText(figure.Fit(show(r.Title), 420, 9, false)) + `  ·  </w:t></w:r><w:fldSimple w:instr=" PAGE "><w:r><w:t>1</w:t></w:r></w:fldSimple></w:p></w:ftr>`)},
	}
	for i, m := range d.media {
		parts = append(parts, part{"word/" + mediaName(i+1, "emf"), m.emf}, part{"word/" + mediaName(i+1, "svg"), m.svg})
	}
	for _, p := range parts {
		f, err := z.CreateHeader(&zip.FileHeader{Name: p.name, Method: zip.Deflate})
		if err == nil {
			_, err = f.Write(p.data)
		}
		if err != nil {
			return fmt.Errorf("write report %q as DOCX: %w", r.Title, err)
		}
	}
	if err := z.Close(); err != nil {
		return fmt.Errorf("write report %q as DOCX: %w", r.Title, err)
	}
	return nil
}

const docxStyles = `<w:styles xmlns:w="http://schemas.openxmlformats.org/wordprocessingml/2006/main"><w:docDefaults><w:rPrDefault><w:rPr><w:rFonts w:ascii="Cambria" w:hAnsi="Cambria" w:eastAsia="Cambria" w:cs="Times New Roman"/><w:sz w:val="21"/><w:szCs w:val="21"/><w:lang w:val="en-GB"/></w:rPr></w:rPrDefault><w:pPrDefault><w:pPr><w:spacing w:after="140" w:line="276" w:lineRule="auto"/></w:pPr></w:pPrDefault></w:docDefaults>
<w:style w:type="paragraph" w:default="1" w:styleId="Normal"><w:name w:val="Normal"/><w:qFormat/></w:style>
<w:style w:type="character" w:default="1" w:styleId="DefaultParagraphFont"><w:name w:val="Default Paragraph Font"/></w:style>
<w:style w:type="paragraph" w:styleId="Title"><w:name w:val="Title"/><w:basedOn w:val="Normal"/><w:next w:val="Normal"/><w:qFormat/><w:pPr><w:spacing w:before="60" w:after="240" w:line="240" w:lineRule="auto"/></w:pPr><w:rPr><w:b/><w:sz w:val="44"/><w:szCs w:val="44"/></w:rPr></w:style>
<w:style w:type="paragraph" w:styleId="Subtitle"><w:name w:val="Subtitle"/><w:basedOn w:val="Normal"/><w:next w:val="Normal"/><w:qFormat/><w:pPr><w:pBdr><w:top w:val="single" w:sz="18" w:space="8" w:color="1B1F24"/></w:pBdr><w:spacing w:after="0"/></w:pPr><w:rPr><w:rFonts w:ascii="Arial" w:hAnsi="Arial" w:cs="Arial"/><w:b/><w:caps/><w:color w:val="57606A"/><w:spacing w:val="12"/><w:sz w:val="17"/></w:rPr></w:style>
<w:style w:type="paragraph" w:styleId="Heading1"><w:name w:val="heading 1"/><w:basedOn w:val="Normal"/><w:next w:val="Normal"/><w:qFormat/><w:pPr><w:keepNext/><w:keepLines/><w:spacing w:before="420" w:after="160" w:line="240" w:lineRule="auto"/><w:outlineLvl w:val="0"/></w:pPr><w:rPr><w:b/><w:sz w:val="30"/><w:szCs w:val="30"/></w:rPr></w:style>
<w:style w:type="paragraph" w:styleId="Lead"><w:name w:val="Lead"/><w:basedOn w:val="Normal"/><w:qFormat/><w:rPr><w:sz w:val="25"/><w:szCs w:val="25"/></w:rPr></w:style>
<w:style w:type="paragraph" w:styleId="Remark"><w:name w:val="Remark"/><w:basedOn w:val="Normal"/><w:qFormat/><w:pPr><w:spacing w:before="60" w:after="100" w:line="264" w:lineRule="auto"/></w:pPr><w:rPr><w:rFonts w:ascii="Arial" w:hAnsi="Arial" w:cs="Arial"/><w:color w:val="57606A"/><w:sz w:val="17"/><w:szCs w:val="17"/></w:rPr></w:style>
<w:style w:type="paragraph" w:styleId="Gap"><w:name w:val="Gap"/><w:basedOn w:val="Normal"/><w:qFormat/><w:pPr><w:pBdr><w:left w:val="single" w:sz="24" w:space="8" w:color="7A4B00"/></w:pBdr><w:shd w:val="clear" w:color="auto" w:fill="FDF6E8"/></w:pPr><w:rPr><w:rFonts w:ascii="Arial" w:hAnsi="Arial" w:cs="Arial"/><w:sz w:val="19"/></w:rPr></w:style>
<w:style w:type="paragraph" w:styleId="Caption"><w:name w:val="caption"/><w:basedOn w:val="Normal"/><w:next w:val="Normal"/><w:qFormat/><w:pPr><w:keepNext/><w:keepLines/><w:spacing w:before="260" w:after="80"/></w:pPr><w:rPr><w:rFonts w:ascii="Arial" w:hAnsi="Arial" w:cs="Arial"/><w:sz w:val="18"/><w:szCs w:val="18"/></w:rPr></w:style>
<w:style w:type="paragraph" w:styleId="FigureCaption"><w:name w:val="Figure caption"/><w:basedOn w:val="Caption"/><w:next w:val="Normal"/><w:qFormat/><w:pPr><w:keepNext w:val="0"/><w:spacing w:before="60" w:after="280"/></w:pPr></w:style>
<w:style w:type="paragraph" w:styleId="Figure"><w:name w:val="Figure"/><w:basedOn w:val="Normal"/><w:next w:val="FigureCaption"/><w:qFormat/><w:pPr><w:keepNext/><w:spacing w:before="200" w:after="0" w:line="240" w:lineRule="auto"/></w:pPr></w:style>
<w:style w:type="paragraph" w:styleId="TableText"><w:name w:val="Table text"/><w:basedOn w:val="Normal"/><w:qFormat/><w:pPr><w:spacing w:before="30" w:after="30" w:line="240" w:lineRule="auto"/></w:pPr><w:rPr><w:rFonts w:ascii="Arial" w:hAnsi="Arial" w:cs="Arial"/><w:sz w:val="16"/><w:szCs w:val="16"/></w:rPr></w:style>
<w:style w:type="paragraph" w:styleId="TableHead"><w:name w:val="Table head"/><w:basedOn w:val="TableText"/><w:qFormat/><w:pPr><w:keepNext/></w:pPr><w:rPr><w:color w:val="57606A"/></w:rPr></w:style>
<w:style w:type="paragraph" w:styleId="TOC1"><w:name w:val="toc 1"/><w:basedOn w:val="Normal"/><w:next w:val="Normal"/><w:pPr><w:spacing w:after="30"/></w:pPr><w:rPr><w:rFonts w:ascii="Arial" w:hAnsi="Arial" w:cs="Arial"/><w:sz w:val="19"/></w:rPr></w:style>
<w:style w:type="paragraph" w:styleId="Footer"><w:name w:val="footer"/><w:basedOn w:val="Normal"/><w:pPr><w:spacing w:after="0"/><w:jc w:val="center"/></w:pPr><w:rPr><w:rFonts w:ascii="Arial" w:hAnsi="Arial" w:cs="Arial"/><w:color w:val="57606A"/><w:sz w:val="16"/></w:rPr></w:style>
<w:style w:type="table" w:default="1" w:styleId="TableNormal"><w:name w:val="Normal Table"/><w:tblPr><w:tblInd w:w="0" w:type="dxa"/><w:tblCellMar><w:top w:w="0" w:type="dxa"/><w:left w:w="70" w:type="dxa"/><w:bottom w:w="0" w:type="dxa"/><w:right w:w="70" w:type="dxa"/></w:tblCellMar></w:tblPr></w:style>
<w:style w:type="table" w:styleId="ReportTable"><w:name w:val="Report table"/><w:basedOn w:val="TableNormal"/><w:tblPr>` + tableBorders + `</w:tblPr></w:style>
</w:styles>`

const tableBorders = `<w:tblBorders><w:top w:val="single" w:sz="10" w:space="0" w:color="1B1F24"/><w:bottom w:val="single" w:sz="10" w:space="0" w:color="1B1F24"/><w:insideH w:val="single" w:sz="4" w:space="0" w:color="E6EAEE"/></w:tblBorders>`

// textWidthTwips is the width of the text on the page: A4 less its margins.
const textWidthTwips = 11906 - 2*1134

// docx writes blocks of a report as Word's XML: into a document of our own, or
// into a funder's (see Fill).
type docx struct {
	r     *reports.Report
	b     strings.Builder
	media []drawn
	ids   func() int // a number that no other element of the document has
	form  *form      // the funder's document; nil in one of our own
}

// drawn is a picture in both its forms.
type drawn struct{ emf, svg []byte }

// styled gives the element that names a paragraph's style; in a funder's
// document only a style that it has.
func (d *docx) styled(style string) string {
	if d.form != nil {
		if style = d.form.styles[style]; style == "" {
			return ""
		}
	}
	return `<w:pStyle w:val="` + xmlText(style) + `"/>`
}

// sized is the size of type of a style that a funder's document lacks.
func (d *docx) sized(style string) string {
	if d.form == nil || d.form.styles[style] != "" {
		return ""
	}
	return `<w:sz w:val="16"/><w:szCs w:val="16"/>`
}

func (d *docx) p(style, content string) {
	fmt.Fprintf(&d.b, `<w:p><w:pPr>%s</w:pPr>%s</w:p>`, d.styled(style), content)
}

func run(text string) string { return styledRun(text, "") }

func styledRun(text, properties string) string {
	if properties != "" {
		properties = "<w:rPr>" + properties + "</w:rPr>"
	}
	return `<w:r>` + properties + `<w:t xml:space="preserve">` + xmlText(text) + `</w:t></w:r>`
}

// cell writes a cell: a number as a content control that bears its key.
func (d *docx) cell(c *reports.Cell, properties string) string {
	if len(c.Refs) > 0 {
		return d.refs(c, properties)
	}
	text := styledRun(show(c.String()), properties)
	if c.Kind != reports.Number {
		return text
	}
	return d.control(c.Key(), text, properties)
}

// control is a content control that bears a cell's key. It is not one for plain
// text, of which LibreOffice drops the looks.
func (d *docx) control(key, content, properties string) string {
	kind := `<w15:appearance w15:val="hidden"/>`
	if d.form != nil {
		kind = "" // its document may not know that namespace
	}
	if properties != "" {
		properties = "<w:rPr>" + properties + "</w:rPr>"
	}
	return fmt.Sprintf(`<w:sdt><w:sdtPr>%s<w:alias w:val="%s"/><w:tag w:val="%s"/><w:id w:val="%d"/>%s</w:sdtPr><w:sdtContent>%s</w:sdtContent></w:sdt>`, properties, xmlText(key), xmlText(key), d.ids(), kind, content)
}

// refs writes references as fields, so that Word keeps their numbers right when
// tables and figures are moved.
func (d *docx) refs(c *reports.Cell, properties string) string {
	var b strings.Builder
	for _, r := range c.Refs {
		if r.ID == "" {
			continue
		}
		if b.Len() > 0 {
			b.WriteString(styledRun(", ", properties))
		}
		b.WriteString(wordField("REF "+bookmarkName(r.ID)+` \h`, styledRun(show(r.Label), properties)))
	}
	if b.Len() == 0 {
		return styledRun(c.String(), properties)
	}
	return b.String()
}

// wordField is a field with its result as it stands until Word works it out.
func wordField(instruction, result string) string {
	return `<w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText xml:space="preserve"> ` + xmlText(instruction) + ` </w:instrText></w:r><w:r><w:fldChar w:fldCharType="separate"/></w:r>` + result + `<w:r><w:fldChar w:fldCharType="end"/></w:r>`
}

// bookmarkName is the bookmark of a table, figure or section.
func bookmarkName(id string) string {
	const longest = 40 // characters that Word allows
	name := "_Ref_" + strings.ReplaceAll(id, "-", "_")
	if len(name) > longest || strings.Contains(name, ".") || strings.Contains(id, "_") {
		h := fnv.New32a()
		h.Write([]byte(id))
		name = fmt.Sprintf("%.31s_%08x", strings.ReplaceAll(name, ".", "_"), h.Sum32())
	}
	return name
}

func (d *docx) notes(all []int) string {
	var b strings.Builder
	for i, n := range all {
		if i > 0 {
			b.WriteString(styledRun(", ", `<w:vertAlign w:val="superscript"/>`))
		}
		if d.form != nil { // the notes stand under the table
			b.WriteString(styledRun(fmt.Sprint(n), `<w:vertAlign w:val="superscript"/>`))
			continue
		}
		fmt.Fprintf(&b, `<w:hyperlink w:anchor="note_%d">%s</w:hyperlink>`, n, styledRun(fmt.Sprint(n), `<w:vertAlign w:val="superscript"/>`))
	}
	return b.String()
}

// bookmark puts a bookmark around content.
func (d *docx) bookmark(name, content string) string {
	n := d.ids()
	return fmt.Sprintf(`<w:bookmarkStart w:id="%d" w:name="%s"/>%s<w:bookmarkEnd w:id="%d"/>`, n, name, content, n)
}

// caption is "Table 3  Title" with a number that Word counts.
func (d *docx) caption(style, kind string, number int, id, title string, notes []int) {
	label := styledRun(kind+" ", "<w:b/>") + wordField("SEQ "+kind+` \* ARABIC`, styledRun(fmt.Sprint(number), "<w:b/>"))
	d.p(style, d.bookmark(bookmarkName(id), label)+run("  "+show(title))+d.notes(notes))
}

func (d *docx) body() {
	r := d.r
	d.p("Subtitle", run(show(r.Subtitle)))
	d.p("Title", run(show(r.Title)))
	for _, f := range r.Facts {
		d.p("TableText", styledRun(show(f.Name)+": ", `<w:color w:val="57606A"/>`)+run(show(f.Value)))
	}
	if r.Draft != "" {
		d.p("Gap", run(show(r.Draft)))
	}
	// the contents, as a field that Word brings up to date on request
	d.p("Remark", "")
	for i, s := range r.Sections {
		line := fmt.Sprintf(`<w:hyperlink w:anchor="%s">%s</w:hyperlink>`, sectionMark(s), run(s.Title))
		if i == 0 {
			line = `<w:r><w:fldChar w:fldCharType="begin"/></w:r><w:r><w:instrText xml:space="preserve"> TOC \o "1-1" \h \z </w:instrText></w:r><w:r><w:fldChar w:fldCharType="separate"/></w:r>` + line
		}
		if i == len(r.Sections)-1 {
			line += `<w:r><w:fldChar w:fldCharType="end"/></w:r>`
		}
		d.p("TOC1", line)
	}
	for _, s := range r.Sections {
		d.p("Heading1", d.bookmark(sectionMark(s), run(s.Title)))
		for _, block := range s.Blocks {
			d.block(block)
		}
	}
	if len(r.Notes) > 0 {
		d.p("Heading1", run("Notes to the numbers"))
		for _, n := range r.Notes {
			d.p("Remark", d.bookmark(fmt.Sprintf("note_%d", n.Number), styledRun(fmt.Sprint(n.Number), `<w:vertAlign w:val="superscript"/>`))+run(" "+show(n.Text)))
		}
	}
	d.p("Remark", run("Made by Evenhand on "+reports.Moment(r.GeneratedAt)+" from the trial’s own record."))
}

func (d *docx) block(block reports.Block) {
	switch {
	case block.Paragraph != nil:
		d.paragraph(block.Paragraph)
	case block.Gap != nil:
		d.p("Gap", styledRun(show(block.Gap.What)+": not available. ", "<w:b/>")+run(show(block.Gap.Why)))
	case block.Figure != nil:
		d.figure(block.Figure)
	case block.Table != nil:
		d.table(block.Table)
	}
}

func sectionMark(s reports.Section) string { return bookmarkName(s.ID) }

func (d *docx) paragraph(p *reports.Paragraph) {
	style := "Normal"
	if p.Lead {
		style = "Lead"
	} else if p.Small {
		style = "Remark"
	}
	var b strings.Builder
	for _, s := range p.Spans {
		if s.Cell != nil {
			b.WriteString(d.cell(s.Cell, ""))
		} else {
			b.WriteString(run(s.Words))
		}
	}
	d.p(style, b.String())
}

const emuPerMM = 36000

func (d *docx) figure(f *reports.Figure) {
	file, w, h := figure.EMF(f.Drawing)
	d.media = append(d.media, drawn{file, []byte(xmlHead + f.Drawing.Draw("figure"))})
	n := len(d.media)
	if most := 170.0; w > most {
		w, h = most, h*most/w
	}
	if most := 225.0; h > most {
		w, h = w*most/h, most
	}
	cx, cy := int(math.Round(w*emuPerMM)), int(math.Round(h*emuPerMM))
	alt := figure.Visible(f.Title + ". " + f.Drawing.Description())
	if r := []rune(alt); len(r) > longestAlt {
		alt = string(r[:longestAlt]) + "…"
	}
	alt = xmlText(alt)
	id := d.ids()
	d.p("Figure", fmt.Sprintf(`<w:r><w:drawing><wp:inline xmlns:wp="http://schemas.openxmlformats.org/drawingml/2006/wordprocessingDrawing" distT="0" distB="0" distL="0" distR="0"><wp:extent cx="%d" cy="%d"/><wp:docPr id="%d" name="Figure %d" descr="%s"/><a:graphic xmlns:a="http://schemas.openxmlformats.org/drawingml/2006/main"><a:graphicData uri="http://schemas.openxmlformats.org/drawingml/2006/picture"><pic:pic xmlns:pic="http://schemas.openxmlformats.org/drawingml/2006/picture"><pic:nvPicPr><pic:cNvPr id="%d" name="Figure %d" descr="%s"/><pic:cNvPicPr/></pic:nvPicPr><pic:blipFill><a:blip xmlns:r="%s" r:embed="%s"><a:extLst><a:ext uri="{96DAC541-7B7A-43D3-8B79-37D633B846F1}"><asvg:svgBlip xmlns:asvg="http://schemas.microsoft.com/office/drawing/2016/SVG/main" r:embed="%s"/></a:ext></a:extLst></a:blip><a:stretch><a:fillRect/></a:stretch></pic:blipFill><pic:spPr><a:xfrm><a:off x="0" y="0"/><a:ext cx="%d" cy="%d"/></a:xfrm><a:prstGeom prst="rect"><a:avLst/></a:prstGeom></pic:spPr></pic:pic></a:graphicData></a:graphic></wp:inline></w:drawing></w:r>`,
		cx, cy, id, f.Number, alt, id, f.Number, alt, office, relation(n, "emf"), relation(n, "svg"), cx, cy))
	d.caption("FigureCaption", "Figure", f.Number, f.ID, f.Title, nil)
}

// longestAlt is how much of a picture's description is kept.
const longestAlt = 4000

// relation is the ID under which the document knows a picture.
func relation(n int, form string) string { return fmt.Sprintf("rIdEvenhand%d%s", n, form) }

// mediaName is a picture's file, seen from the document.
func mediaName(n int, form string) string { return fmt.Sprintf("media/evenhand%d.%s", n, form) }

// pictureRelations are the relationships of all pictures.
func (d *docx) pictureRelations() string {
	var b strings.Builder
	for i := range d.media {
		for _, form := range []string{"emf", "svg"} {
			fmt.Fprintf(&b, `<Relationship Id="%s" Type="%s/image" Target="%s"/>`, relation(i+1, form), office, mediaName(i+1, form))
		}
	}
	return b.String()
}

// columnWidths shares the text's width out by what the columns hold, in twips:
// to each at least its longest word, as far as that goes. Where not every text
// has room on one line, more goes to the columns that make rows high.
func columnWidths(t *reports.Table) []int {
	const pad = 170
	want, need := make([]float64, len(t.Columns)), make([]float64, len(t.Columns))
	full := make([][]float64, len(t.Rows)) // each cell's width on one line
	for k := range t.Rows {
		full[k] = make([]float64, len(t.Columns))
	}
	longestWord := func(s string, strong bool) float64 {
		w := 0.0
		for _, word := range strings.Fields(s) {
			w = math.Max(w, figure.Width(word, 160, strong))
		}
		return math.Min(w, 2600) + pad
	}
	for i, c := range t.Columns {
		need[i] = longestWord(c.Title, false)
		want[i] = need[i]
		for k, r := range t.Rows {
			text := show(r.Cells[i].String())
			full[k][i] = figure.Width(text, 160, r.Strong)
			w := figure.Width(figure.Fit(text, 5200, 160, r.Strong), 160, r.Strong) + pad
			if !c.Numeric {
				w = math.Min(w, 3200)
			}
			want[i] = math.Max(want[i], w)
			need[i] = math.Max(need[i], longestWord(text, r.Strong))
		}
		need[i] = math.Min(need[i], want[i])
	}
	total := func(all []float64) float64 {
		sum := 0.0
		for _, w := range all {
			sum += w
		}
		return sum
	}
	spare, least := textWidthTwips-total(want), total(need)
	out := make([]int, len(want))
	if least <= textWidthTwips && spare < 0 {
		widenHighest(need, full, textWidthTwips-least, pad)
		least = total(need)
	}
	for i, w := range want {
		switch {
		case least > textWidthTwips: // not even the words have room
			w = need[i] * textWidthTwips / least
		case spare < 0:
			w = need[i] + (textWidthTwips-least)/float64(len(want))
		case len(want) == 1:
			w += spare
		case i == 0:
			w += spare * 0.4
		default:
			w += spare * 0.6 / float64(len(want)-1)
		}
		out[i] = int(w)
	}
	return out
}

// widenHighest hands room out in small steps, each to the column that so takes
// most off the heights of the rows.
func widenHighest(widths []float64, full [][]float64, room, pad float64) {
	const step, torn = 90, 150 // torn: what a line's end leaves empty, about half a word
	lines := func(w, width float64) float64 { return math.Max(1, w/math.Max(width-pad-torn, torn)) }
	for ; room >= step; room -= step {
		gain := make([]float64, len(widths))
		for _, row := range full {
			high, second, at := 1.0, 1.0, 0
			for i, w := range row {
				if w <= widths[i]-pad {
					continue // on one line
				}
				switch n := lines(w, widths[i]); {
				case n > high:
					high, second, at = n, high, i
				case n > second:
					second = n
				}
			}
			gain[at] += high - math.Max(second, lines(row[at], widths[at]+step))
		}
		best := 0
		for i, g := range gain {
			if g > gain[best] {
				best = i
			}
		}
		if gain[best] <= 0 {
			return
		}
		widths[best] += step
	}
}

func (d *docx) table(t *reports.Table) {
	d.caption("Caption", "Table", t.Number, t.ID, t.Title, t.Notes)
	widths := columnWidths(t)
	style, borders := `<w:tblStyle w:val="ReportTable"/>`, ""
	if d.form != nil {
		if style = ""; d.form.styles["ReportTable"] != "" {
			style = `<w:tblStyle w:val="` + xmlText(d.form.styles["ReportTable"]) + `"/>`
		} else {
			borders = tableBorders
		}
	}
	fmt.Fprintf(&d.b, `<w:tbl><w:tblPr>%s<w:tblW w:w="%d" w:type="dxa"/>%s<w:tblLayout w:type="fixed"/><w:tblCaption w:val="%s"/></w:tblPr><w:tblGrid>`, style, textWidthTwips, borders, xmlText(show(t.Title)))
	for _, w := range widths {
		fmt.Fprintf(&d.b, `<w:gridCol w:w="%d"/>`, w)
	}
	d.b.WriteString(`</w:tblGrid>`)
	const headRow = `<w:tr><w:trPr><w:cantSplit/><w:tblHeader/></w:trPr>`
	line := func(content string, width, span int, style, more, align string) {
		grid := ""
		if span > 1 {
			grid = fmt.Sprintf(`<w:gridSpan w:val="%d"/>`, span)
		}
		jc := ""
		if align != "" {
			jc = `<w:jc w:val="` + align + `"/>`
		}
		fmt.Fprintf(&d.b, `<w:tc><w:tcPr><w:tcW w:w="%d" w:type="dxa"/>%s%s</w:tcPr><w:p><w:pPr>%s%s</w:pPr>%s</w:p></w:tc>`, width, grid, more, d.styled(style), jc, content)
	}
	const under = `<w:tcBorders><w:bottom w:val="single" w:sz="6" w:space="0" w:color="1B1F24"/></w:tcBorders><w:vAlign w:val="bottom"/>`
	if t.Groups != nil {
		d.b.WriteString(headRow)
		at := 0
		for _, g := range t.Groups {
			w := 0
			for i := range g.Span {
				w += widths[at+i]
			}
			at += g.Span
			line(styledRun(show(g.Title), "<w:b/>"+d.sized("TableHead")), w, g.Span, "TableHead", "", "center")
		}
		d.b.WriteString(`</w:tr>`)
	}
	d.b.WriteString(headRow)
	for i, c := range t.Columns {
		align := ""
		if c.Numeric {
			align = "right"
		}
		line(styledRun(show(c.Title), d.sized("TableHead")), widths[i], 1, "TableHead", under, align)
	}
	d.b.WriteString(`</w:tr>`)
	for _, row := range t.Rows {
		d.b.WriteString(`<w:tr><w:trPr><w:cantSplit/></w:trPr>`)
		for i, c := range row.Cells {
			properties, align := "", ""
			if row.Strong {
				properties = "<w:b/>"
			}
			if c.Kind == reports.Absent {
				properties += `<w:color w:val="57606A"/>`
			}
			properties += d.sized("TableText")
			if t.Columns[i].Numeric {
				align = "right"
			}
			content := d.cell(c, properties) + d.notes(c.Notes)
			if i == 0 && row.Inset {
				content = run("    ") + content
			}
			line(content, widths[i], 1, "TableText", "", align)
		}
		d.b.WriteString(`</w:tr>`)
	}
	d.b.WriteString(`</w:tbl>`)
	for _, f := range t.Foot {
		d.p("Remark", run(show(f)))
	}
	notes := 0
	if d.form != nil {
		for _, n := range d.r.Notes {
			if mentions(t, n.Number) {
				notes++
				d.p("Remark", styledRun(fmt.Sprint(n.Number), `<w:vertAlign w:val="superscript"/>`)+run(" "+show(n.Text)))
			}
		}
	}
	if len(t.Foot)+notes == 0 {
		d.p("Remark", "")
	}
}
