package render

import (
	"embed"
	"fmt"
	"html/template"
	"io"
	"strings"
	"unicode/utf8"

	"evenhand/reports"
	"evenhand/reports/figure"
)

//go:embed templates
var files embed.FS

var page = template.Must(template.New("report.html").Funcs(template.FuncMap{
	"show":     show,
	"style":    func() template.CSS { return template.CSS(mustRead("templates/report.css")) },
	"picture":  picture,
	"moment":   reports.Moment,
	"day":      reports.Day,
	"kind":     kind,
	"line":     figure.Visible, // of a program: never cut
	"recipeOf": recipeOf,
}).ParseFS(files, "templates/report.html"))

func mustRead(name string) string {
	b, err := files.ReadFile(name)
	if err != nil {
		panic(err) // the file is part of the program
	}
	return string(b)
}

// longest is how many characters of a text are shown in one place; what is cut
// off is said.
const longest = 300

// show makes a text fit to be shown: invisible and direction-turning
// characters become visible codes, and a very long text is cut with a word on
// how long it was.
func show(s string) string {
	s = figure.Visible(s)
	if n := utf8.RuneCountInString(s); n > longest {
		cut := 0
		for i := range s {
			if cut == longest {
				s = s[:i]
				break
			}
			cut++
		}
		s += fmt.Sprintf("… [cut: %d characters]", n)
	}
	return s
}

// kind is a cell's class.
func kind(c *reports.Cell) string {
	switch c.Kind {
	case reports.Number:
		return "n"
	case reports.Absent:
		return "gap"
	}
	return "t"
}

// cooked is a recipe as the page shows it.
type cooked struct {
	Name            string
	Steps           []step
	R, Stata, Notes []string
}

type step struct {
	Name, Formula, Source string
	Value                 *reports.Cell
}

func recipeOf(r *reports.Recipe, row reports.Row) cooked {
	out := cooked{Name: row.Cells[0].String(), R: r.R, Stata: r.Stata, Notes: r.Notes}
	for _, i := range r.Steps {
		from := r.Table.Rows[i]
		out.Steps = append(out.Steps, step{from.Cells[0].String(), from.Cells[2].String(), from.Cells[3].String(), from.Cells[1]})
	}
	return out
}

// picture gives a figure's SVG. It is trusted because package figure escapes
// every text that it is given.
func picture(f *reports.Figure) template.HTML {
	return template.HTML(f.Drawing.Draw(f.ID))
}

// HTML writes the report as one page. The same report gives the same bytes.
func HTML(w io.Writer, r *reports.Report) error {
	var b strings.Builder
	if err := page.Execute(&b, r); err != nil {
		return fmt.Errorf("write report %q as HTML: %w", r.Title, err)
	}
	_, err := io.WriteString(w, b.String())
	return err
}
