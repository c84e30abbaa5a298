package render

import (
	"fmt"
	"io"
	"strings"
	"unicode"
	"unicode/utf8"

	"evenhand/reports"
)

const textWidth = 88

// Text writes the report as plain text, tables in columns, pictures by their
// captions (their numbers are the tables').
func Text(w io.Writer, r *reports.Report) error {
	var b strings.Builder
	line := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) }
	line("%s", show(r.Subtitle))
	line("%s", show(r.Title))
	line("%s", strings.Repeat("=", min(textWidth, columns(show(r.Title)))))
	for _, f := range r.Facts {
		line("%s: %s", show(f.Name), show(f.Value))
	}
	if r.Draft != "" {
		line("")
		paragraph(&b, show(r.Draft), "")
	}
	for i, s := range r.Sections {
		line("")
		title := fmt.Sprintf("%d. %s", i+1, s.Title)
		line("\n%s\n%s", title, strings.Repeat("-", columns(title)))
		for _, block := range s.Blocks {
			line("")
			switch {
			case block.Paragraph != nil:
				var text strings.Builder
				for _, span := range block.Paragraph.Spans {
					text.WriteString(span.Words)
					if span.Cell != nil {
						text.WriteString(show(span.Cell.String()))
					}
				}
				paragraph(&b, text.String(), "")
			case block.Gap != nil:
				paragraph(&b, "["+show(block.Gap.What)+": not available. "+show(block.Gap.Why)+"]", "")
			case block.Figure != nil:
				line("Figure %d: %s (in the HTML report)", block.Figure.Number, show(block.Figure.Title))
			case block.Table != nil:
				table(&b, block.Table)
			}
		}
	}
	if len(r.Notes) > 0 {
		line("\n\nNotes to the numbers\n--------------------\n")
		for _, n := range r.Notes {
			paragraph(&b, fmt.Sprintf("[%d] %s", n.Number, show(n.Text)), "    ")
		}
	}
	line("\nMade by Evenhand on %s.", reports.Moment(r.GeneratedAt))
	_, err := io.WriteString(w, b.String())
	return err
}

// columns is how many columns a text takes in a terminal, near enough.
func columns(s string) int {
	n := 0
	for _, r := range s {
		switch {
		case unicode.Is(unicode.Mn, r):
		case r >= 0x1100 && (r <= 0x115f || (r >= 0x2e80 && r <= 0xa4cf) || (r >= 0xac00 && r <= 0xd7a3) || (r >= 0xf900 && r <= 0xfaff) || (r >= 0xff00 && r <= 0xff60) || r >= 0x1f300):
			n += 2
		default:
			n++
		}
	}
	return n
}

func paragraph(b *strings.Builder, text, indent string) {
	at := 0
	for i, word := range strings.Fields(text) {
		if i > 0 {
			if at+1+columns(word) > textWidth {
				b.WriteString("\n" + indent)
				at = len(indent)
			} else {
				b.WriteByte(' ')
				at++
			}
		}
		b.WriteString(word)
		at += columns(word)
	}
	b.WriteByte('\n')
}

func table(b *strings.Builder, t *reports.Table) {
	fmt.Fprintf(b, "Table %d: %s%s\n", t.Number, show(t.Title), marks(t.Notes))
	rows := make([][]string, 0, len(t.Rows)+1)
	head := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		head[i] = show(c.Title)
	}
	// a heading over several columns goes into each of them
	at := 0
	for _, g := range t.Groups {
		for range g.Span {
			if g.Title != "" && at < len(head) {
				head[at] = strings.TrimSpace(short(g.Title, 24) + ": " + head[at])
			}
			at++
		}
	}
	rows = append(rows, head)
	for _, r := range t.Rows {
		row := make([]string, len(r.Cells))
		for i, c := range r.Cells {
			row[i] = show(c.String()) + marks(c.Notes)
			if i == 0 && r.Inset {
				row[i] = "  " + row[i]
			}
		}
		rows = append(rows, row)
	}
	width := make([]int, len(t.Columns))
	for _, row := range rows {
		for i, s := range row {
			width[i] = max(width[i], columns(s))
		}
	}
	for k, row := range rows {
		var line strings.Builder
		for i, s := range row {
			if i > 0 {
				line.WriteString("  ")
			}
			pad := strings.Repeat(" ", width[i]-columns(s))
			if t.Columns[i].Numeric {
				line.WriteString(pad + s)
			} else {
				line.WriteString(s + pad)
			}
		}
		b.WriteString(strings.TrimRight(line.String(), " ") + "\n")
		if k == 0 {
			total := 0
			for _, w := range width {
				total += w + 2
			}
			b.WriteString(strings.Repeat("-", max(total-2, 1)) + "\n")
		}
	}
	for _, f := range t.Foot {
		b.WriteString(show(f) + "\n")
	}
}

func short(s string, n int) string {
	s = show(s)
	if utf8.RuneCountInString(s) <= n {
		return s
	}
	return string([]rune(s)[:n-1]) + "…"
}

func marks(notes []int) string {
	s := ""
	for _, n := range notes {
		s += fmt.Sprintf(" [%d]", n)
	}
	return s
}
