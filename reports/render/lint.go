package render

import (
	"archive/zip"
	"encoding/xml"
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"sort"
	"strings"

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

// Lint reads a Word file that DOCX wrote and somebody edited, and finds every
// number that no longer equals the record: those that still bear their cell's
// key are compared with the cell, all others must be among the record's
// numbers as they are written; fields (the numbers of tables and figures) are
// Word's own. Missing lists cells that the document no longer has anywhere.
func Lint(r io.ReaderAt, size int64, report *reports.Report) (*Checked, error) {
	z, err := zip.NewReader(r, size)
	if err != nil {
		return nil, fmt.Errorf("this is not a Word file (.docx): %w", err)
	}
	i := slices.IndexFunc(z.File, func(f *zip.File) bool { return f.Name == "word/document.xml" })
	if i < 0 {
		return nil, errors.New("this is not a Word file (.docx): it has no word/document.xml")
	}
	f, err := z.File[i].Open()
	if err != nil {
		return nil, fmt.Errorf("read the document: %w", err)
	}
	defer f.Close()
	l := &linter{cells: map[string]*reports.Cell{}, known: map[string]bool{}, seen: map[string]bool{}, out: &Checked{}}
	learn := func(s string) {
		for _, n := range numbersIn.FindAllString(show(s), -1) { // as it is shown
			l.known[plainNumber(n)] = true
		}
	}
	for _, t := range report.Tables() {
		learn(t.Title)
		for _, row := range t.Rows {
			for _, c := range row.Cells {
				l.cells[c.Key()] = c
				learn(c.String())
			}
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
	learn(report.Draft)
	learn(reports.Moment(report.GeneratedAt))
	for _, fig := range report.Figures() {
		learn(fig.Title)
	}
	for _, s := range report.Sections {
		for _, b := range s.Blocks {
			if b.Gap != nil {
				learn(b.Gap.Why)
			}
		}
	}
	if err := l.read(io.LimitReader(f, maxDocument+1)); err != nil {
		return nil, fmt.Errorf("read the document: %w", err)
	}
	for key, c := range l.cells {
		if c.Kind == reports.Number && !l.seen[key] {
			l.out.Missing = append(l.out.Missing, key)
		}
	}
	sort.Strings(l.out.Missing)
	return l.out, nil
}

var numbersIn = regexp.MustCompile(`[−-]?[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?`)

// plainNumber makes two spellings of a number equal: people type a hyphen for a
// minus sign and leave out commas.
func plainNumber(s string) string {
	return strings.NewReplacer("−", "-", ",", "").Replace(s)
}

type linter struct {
	cells   map[string]*reports.Cell
	known   map[string]bool
	seen    map[string]bool
	out     *Checked
	heading string
}

// read goes through the document paragraph by paragraph.
func (l *linter) read(r io.Reader) error {
	d := xml.NewDecoder(r)
	var (
		text    strings.Builder // of the paragraph
		free    strings.Builder // of the paragraph, without the controls and fields
		style   string
		tags    []string // of the controls that are open; "" for one that is no cell's
		inside  strings.Builder
		inText  bool
		field   int // depth of fields that Word fills in by itself
		deleted int
	)
	var pending []Slip
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
				text.Reset()
				free.Reset()
				style = ""
			case "pStyle":
				style = attribute(e, "val")
			case "sdt":
				tags = append(tags, "")
				inside.Reset()
			case "tag":
				if len(tags) > 0 {
					tags[len(tags)-1] = attribute(e, "val")
				}
			case "fldSimple":
				field++
			case "del", "moveFrom":
				deleted++
			case "t":
				inText = true
			}
		case xml.EndElement:
			switch e.Name.Local {
			case "t":
				inText = false
			case "del", "moveFrom":
				deleted--
			case "fldSimple":
				field--
			case "sdt":
				if len(tags) == 0 {
					break
				}
				key := tags[len(tags)-1]
				tags = tags[:len(tags)-1]
				if key == "" || strings.Count(key, "/") != 2 {
					break
				}
				is := strings.TrimSpace(inside.String())
				l.out.Cells++
				c := l.cells[key]
				switch {
				case c == nil:
					pending = append(pending, Slip{Cell: key, Is: is})
				case plainNumber(is) != plainNumber(c.String()):
					l.seen[key] = true
					pending = append(pending, Slip{Cell: key, Is: is, Want: c.String()})
				default:
					l.seen[key] = true
				}
			case "p":
				if strings.HasPrefix(style, "Heading") {
					l.heading = strings.TrimSpace(text.String())
				}
				for _, n := range numbersIn.FindAllString(free.String(), -1) {
					l.out.Others++
					if !l.known[plainNumber(n)] {
						pending = append(pending, Slip{Is: n})
					}
				}
				for _, s := range pending {
					s.Where = l.where(text.String(), s.Is)
					l.out.Slips = append(l.out.Slips, s)
				}
				pending = nil
			}
		case xml.CharData:
			if !inText || deleted > 0 {
				break
			}
			text.Write(e)
			switch {
			case len(tags) > 0 && tags[len(tags)-1] != "":
				inside.Write(e)
			case field == 0:
				free.Write(e)
			}
		}
	}
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
