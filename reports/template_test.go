package reports_test

import (
	"slices"
	"strings"
	"testing"

	"evenhand/reports"
	"evenhand/reports/internal/sample"
	"evenhand/trial"
)

// Every part stands in some built-in document, so that none is written for
// nobody; and every built-in template is one.
func TestBuiltinTemplates(t *testing.T) {
	used := map[string]bool{}
	for _, d := range reports.Documents {
		b, err := reports.Builtin(d)
		if err != nil {
			t.Fatal(err)
		}
		for _, s := range b.Sections {
			for _, p := range s.Parts {
				used[p] = true
			}
		}
		if _, err := reports.BuildFrom(sample.Input(), b); err != nil {
			t.Errorf("%s: %v", d, err)
		}
		if _, err := reports.BuildFrom(sample.Stopped(), b); err != nil {
			t.Errorf("%s of a stopped trial: %v", d, err)
		}
	}
	for _, p := range reports.Parts() {
		if !used[p] {
			t.Errorf("the part %q is in no built-in template", p)
		}
		if reports.PartTitle(p) == "" {
			t.Errorf("the part %q does not say what it is", p)
		}
	}
	if _, err := reports.Builtin("letter"); err == nil || !strings.Contains(err.Error(), "evaluation") {
		t.Errorf("an unknown document: %v", err)
	}
}

const own = `report template: 1
kind: Report to the board
sections:
  - heading: Money
    text:
      - It cost 237,000 pounds in 2016.
      - "The effect is {{headline/1/2}}."
  - heading: Schools
    parts: [recruitment]
  - heading: The answer
    id: answer
    parts: [primary, summary]
`

// A funder's own order, headings and words; what is left out is gone, numbers
// stay cells, and tables and figures are numbered as they stand.
func TestOwnTemplate(t *testing.T) {
	tpl, err := reports.ParseTemplate("own.yaml", []byte(own))
	if err != nil {
		t.Fatal(err)
	}
	r, err := reports.BuildFrom(sample.Input(), tpl)
	if err != nil {
		t.Fatal(err)
	}
	var heads []string
	for _, s := range r.Sections {
		heads = append(heads, s.Title)
	}
	if want := []string{"Money", "Schools", "The answer"}; !slices.Equal(heads, want) || r.Subtitle != "Report to the board" || r.Sections[2].ID != "s-answer" {
		t.Errorf("headings %v of a %q, want %v", heads, r.Subtitle, want)
	}
	if got := text(r); !strings.Contains(got, "It cost 237,000 pounds in 2016.") || !strings.Contains(got, "The effect is 0.26.") {
		t.Errorf("the template's own words are not there:\n%s", got)
	}
	for i, tab := range r.Tables() {
		if tab.Number != i+1 {
			t.Errorf("table %s has the number %d, but stands at %d", tab.ID, tab.Number, i+1)
		}
		if tab.ID == "flow" {
			t.Error("the flow was not asked for")
		}
	}
	for i, f := range r.Figures() {
		if f.Number != i+1 {
			t.Errorf("figure %s has the number %d, but stands at %d", f.ID, f.Number, i+1)
		}
	}
	// Footnotes are those referred to, in order.
	last := 0
	for _, tab := range r.Tables() {
		for _, row := range tab.Rows {
			for _, c := range row.Cells {
				for _, n := range c.Notes {
					if n > len(r.Notes) || n > last+1 {
						t.Errorf("cell %s refers to note %d of %d after note %d", c.Key(), n, len(r.Notes), last)
					}
					last = max(last, n)
				}
			}
		}
	}
	if last != len(r.Notes) {
		t.Errorf("%d notes, the last referred to is %d", len(r.Notes), last)
	}
}

// What is wrong with a template is said with line and column, all at once.
func TestTemplateFaults(t *testing.T) {
	for name, c := range map[string]struct{ text, want string }{
		"unknown part":     {strings.Replace(own, "[recruitment]", "[recruitmnet]", 1), "own.yaml:9:13: \"recruitmnet\" is no part of a report\n    at sections > item 2 > parts > item 1\n     9 |     parts: [recruitmnet]\n       |             ^\n    did you mean \"recruitment\"?"},
		"part twice":       {strings.Replace(own, "[recruitment]", "[summary]", 1), `12:22: the part "summary" stands in section 2 already`},
		"empty section":    {strings.Replace(own, "    parts: [recruitment]\n", "", 1), "the section has neither parts nor text"},
		"same id":          {strings.Replace(own, "id: answer", "id: recruitment", 1), `section 2 has the id "recruitment" too`},
		"no heading":       {strings.Replace(own, "heading: Schools", "headnig: Schools", 1), `8:5: "headnig" is not a key that is known here`},
		"no version":       {strings.Replace(own, "report template: 1\n", "", 1), `"report template" is missing`},
		"another version":  {strings.Replace(own, "report template: 1\n", "report template: 2\n", 1), "own.yaml:1:18"},
		"nothing":          {"", "a report template begins with `report template: 1`; `evenhand report template` writes one"},
		"not YAML":         {"kind: [", "this cannot be read"},
		"a list":           {"- a\n- b\n", "a report template is made of lines"},
		"a heading needed": {"report template: 1\nkind: x\nsections:\n  - parts: [flow]\n", `"heading" is missing`},
	} {
		_, err := reports.ParseTemplate("own.yaml", []byte(c.text))
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: %v\nwant %q", name, err, c.want)
		}
	}
	two := strings.Replace(strings.Replace(own, "[recruitment]", "[x]", 1), "[primary, summary]", "[y]", 1)
	if _, err := reports.ParseTemplate("own.yaml", []byte(two)); err == nil || strings.Count(err.Error(), "is no part of a report") != 2 {
		t.Errorf("two faults: %v", err)
	}
	tpl, err := reports.ParseTemplate("own.yaml", []byte(strings.Replace(own, "headline/1/2", "headline/99/2", 1)))
	if err != nil {
		t.Fatal(err)
	}
	if _, err := reports.BuildFrom(sample.Input(), tpl); err == nil || !strings.Contains(err.Error(), `section "Money" asks for the cell headline/99/2`) {
		t.Errorf("a cell that is not there: %v", err)
	}
}

// No cell of any document is empty, at any stage of a trial: what is missing
// says so.
func TestNoEmptyCells(t *testing.T) {
	blank := sample.Input()
	p := *blank.Protocol
	p.Trial.Registration, p.Trial.Contacts, p.Recruitment, p.Delivery.Sessions = "", trial.Contacts{}, trial.Recruitment{}, nil
	blank.Protocol = &p
	blank.Deviations = append([]reports.Deviation{}, blank.Deviations...)
	blank.Deviations[0].By, blank.Deviations[0].Why, blank.Deviations[0].What = "", "", ""
	blank.Provenance.Receipts, blank.Provenance.Drawn.People = nil, nil
	for name, in := range map[string]reports.Input{"finished": sample.Input(), "recruiting": sample.Recruiting(), "stopped": sample.Stopped(), "blank": blank} {
		r, err := reports.BuildFrom(in, reports.Everything("x"))
		if err != nil {
			t.Fatal(err)
		}
		for _, tab := range r.Tables() {
			for _, row := range tab.Rows {
				for _, c := range row.Cells {
					if strings.TrimSpace(c.String()) == "" {
						t.Errorf("%s: cell %s is empty", name, c.Key())
					}
				}
			}
		}
		for _, s := range r.Sections {
			for _, b := range s.Blocks {
				if b.Gap != nil && (b.Gap.What == "" || len(b.Gap.Why) < 8) {
					t.Errorf("%s, %s: a gap that does not say why: %+v", name, s.Title, *b.Gap)
				}
			}
		}
	}
}
