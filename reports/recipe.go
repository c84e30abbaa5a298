package reports

import (
	"fmt"
	"slices"
	"strings"

	"evenhand/analysis"
	"evenhand/analysis/sap"
)

// Recipe says how the effect size of a row came about: the steps are rows of a
// table of the report, whose numbers have all their digits.
type Recipe struct {
	Table    *Table
	Steps    []int    // rows of Table, in order
	R, Stata []string // lines that give the same figures, with the data of the audit bundle
	Notes    []string
}

// recipes are the tables of recipes, an outcome and arm each.
type recipes struct {
	tables []*Table
	of     map[string]*Recipe // by outcome, arm and scale
}

// recipe gives that of an effect size; nil where there is none.
func (w *writer) recipe(r *sap.Results, c sap.Contrast, scale analysis.Scale) *Recipe {
	key := func(s analysis.Scale) string { return r.Plan.Outcome + "\x00" + c.Arm + "\x00" + string(s) }
	if w.cooked.of == nil {
		w.cooked.of = map[string]*Recipe{}
	}
	if _, done := w.cooked.of[key(c.EffectSize.Scale)]; !done {
		w.cooked.of[key(c.EffectSize.Scale)] = nil
		t := &Table{ID: fmt.Sprintf("recipe-%d", len(w.cooked.tables)+1), Title: "How the effect size came about: " + outcomeName(w, r),
			Columns: []Column{{Title: "Quantity"}, {"Value, all digits", true}, {Title: "Formula and what goes into it"}, {Title: "Code, and source"}}}
		if len(r.Contrasts) > 1 {
			t.Title += ", " + w.label(c.Arm)
		}
		scales := append([]analysis.Estimate{c.EffectSize}, c.EffectSizes...)
		for i, e := range scales {
			if i > 0 && e.Scale == c.EffectSize.Scale {
				continue
			}
			if w.cooked.of[key(e.Scale)] = w.steps(t, *r, c, e, i > 0); w.cooked.of[key(e.Scale)] == nil {
				t.Foot = append(t.Foot, "No recipe for the division by "+shortScale(e.Scale)+": its SD does not follow from the variances kept.")
			}
		}
		if len(t.Rows) > 0 {
			w.cooked.tables = append(w.cooked.tables, t)
		}
	}
	return w.cooked.of[key(scale)]
}

// steps appends the steps to an effect size to a table. rest leaves out those
// to the difference, which are there already.
func (w *writer) steps(t *Table, r sap.Results, c sap.Contrast, e analysis.Estimate, rest bool) *Recipe {
	c.EffectSize = e
	r.Contrasts = []sap.Contrast{c}
	out, err := Explain(r, 0)
	if err != nil {
		return nil
	}
	made := &Recipe{Table: t, R: out.R, Stata: out.Stata, Notes: out.Notes}
	add := func(row Row) {
		made.Steps = append(made.Steps, len(t.Rows))
		t.Rows = append(t.Rows, row)
	}
	parts := out.Parts
	if rest {
		at := slices.IndexFunc(parts, func(p ExplainedPart) bool { return strings.HasPrefix(p.What, "SD that") })
		parts = parts[max(at, 0):]
	}
	for _, p := range parts {
		name := capital(p.What)
		if rest && strings.HasPrefix(p.What, "effect size") {
			name += ", by " + shortScale(e.Scale)
		}
		formula := p.Formula
		for i, in := range p.Inputs {
			formula += map[bool]string{true: "; with ", false: ", "}[i == 0] + in.Name + " = " + Exact.Write(in.Value)
		}
		add(Row{Cells: []*Cell{words(name), number(p.Value, Exact), words(formula), words(p.Source)}, Strong: strings.HasPrefix(p.What, "effect size")})
	}
	return made
}

// recipeTables shows the recipes that rows of other tables refer to.
func (w *writer) recipeTables() {
	for _, t := range w.cooked.tables {
		w.table(t)
	}
	if len(w.cooked.tables) > 0 {
		w.small("Numbers have all their digits here. The lines of R and of Stata that give the same figures from the data of the audit bundle are printed by evenhand analysis explain.")
	}
}
