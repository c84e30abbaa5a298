package render

import (
	"encoding/csv"
	"fmt"
	"io"
	"strconv"
	"strings"

	"evenhand/reports"
	"evenhand/reports/figure"
)

// CSV writes one table: numbers with all their digits, texts so that no
// spreadsheet takes one for a formula. A heading over several columns goes
// before the heading of each.
func CSV(w io.Writer, t *reports.Table) error {
	c := csv.NewWriter(w)
	head := headings(t)
	for i := range head {
		head[i] = harmless(head[i])
	}
	if err := c.Write(head); err != nil {
		return fmt.Errorf("write table %q as CSV: %w", t.ID, err)
	}
	for _, r := range t.Rows {
		line := make([]string, len(r.Cells))
		for i, cell := range r.Cells {
			if cell.Kind == reports.Number {
				line[i] = strconv.FormatFloat(cell.Value, 'g', -1, 64)
			} else {
				line[i] = harmless(cell.String())
			}
		}
		if err := c.Write(line); err != nil {
			return fmt.Errorf("write table %q as CSV: %w", t.ID, err)
		}
	}
	c.Flush()
	if err := c.Error(); err != nil {
		return fmt.Errorf("write table %q as CSV: %w", t.ID, err)
	}
	return nil
}

// headings gives a heading for each column, with that of its group before it.
func headings(t *reports.Table) []string {
	head := make([]string, len(t.Columns))
	for i, c := range t.Columns {
		head[i] = c.Title
	}
	at := 0
	for _, g := range t.Groups {
		for range g.Span {
			if g.Title != "" && at < len(head) {
				head[at] = g.Title + ": " + head[at]
			}
			at++
		}
	}
	return head
}

// harmless makes a text that a spreadsheet shows and does not run: invisible
// characters become visible, and a text that would begin a formula gets an
// apostrophe before it.
func harmless(s string) string {
	s = figure.Visible(s)
	if t := strings.TrimLeft(s, " "); t != "" && strings.ContainsRune("=+-@|%", rune(t[0])) {
		return "'" + s
	}
	return s
}

// numberCells lists the numbers that a report shows, each once: those of its
// tables, and those of sentences whose table it does not show.
func numberCells(r *reports.Report) []*reports.Cell {
	var all []*reports.Cell
	seen := map[*reports.Cell]bool{}
	add := func(c *reports.Cell) {
		if c != nil && c.Kind == reports.Number && !seen[c] {
			seen[c] = true
			all = append(all, c)
		}
	}
	for _, t := range r.Tables() {
		for _, row := range t.Rows {
			for _, c := range row.Cells {
				add(c)
			}
		}
	}
	for _, s := range r.Sections {
		for _, b := range s.Blocks {
			if b.Paragraph != nil {
				for _, span := range b.Paragraph.Spans {
					add(span.Cell)
				}
			}
		}
	}
	return all
}

// Numbers writes every number of the report with its place, as an audit bundle
// keeps them: a line for each cell with its key, its value with all its digits,
// and how it is shown. The key is the page's data-cell and the Word document's
// tag.
func Numbers(w io.Writer, r *reports.Report) error {
	c := csv.NewWriter(w)
	if err := c.Write([]string{"cell", "value", "shown"}); err != nil {
		return fmt.Errorf("write the report's numbers: %w", err)
	}
	for _, cell := range numberCells(r) {
		if err := c.Write([]string{cell.Key(), strconv.FormatFloat(cell.Value, 'g', -1, 64), cell.String()}); err != nil {
			return fmt.Errorf("write the report's numbers: %w", err)
		}
	}
	c.Flush()
	if err := c.Error(); err != nil {
		return fmt.Errorf("write the report's numbers: %w", err)
	}
	return nil
}
