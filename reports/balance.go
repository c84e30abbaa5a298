package reports

import (
	"strings"

	"evenhand/analysis/describe"
	"evenhand/analysis/sap"
	"evenhand/reports/figure"
)

// balance shows the arms' baseline as randomised and as analysed. Differences
// are effect sizes; there are no significance tests, for the draw itself is
// the reason for any difference among those randomised.
func (w *writer) balance() {
	r := w.result()
	if r == nil {
		w.gap("Baseline balance", w.noResults())
		return
	}
	if len(r.Balance) == 0 {
		w.gap("Baseline balance", "No baseline variable was given for this trial.")
		return
	}
	love := figure.Love{Title: "Differences at baseline", Axis: "Difference at baseline, effect size", RandomisedLabel: "all randomised", AnalysedLabel: "those analysed", Guides: []float64{0.05, 0.25}}
	var desc []string
	var tables []*Table
	for _, set := range []struct{ name, title string }{
		{"randomised", "Baseline of all who were randomised"},
		{"analysed", "Baseline of those analysed"},
	} {
		t := &Table{ID: "balance-" + set.name, Title: set.title, Groups: []Group{{"", 1}}, Columns: []Column{{Title: "Variable"}}}
		for _, a := range r.Arms {
			t.Groups = append(t.Groups, Group{w.label(a.Arm), 4})
			t.Columns = append(t.Columns, Column{"n", true}, Column{"Missing", true}, Column{"Mean or share", true}, Column{"SD", true})
		}
		t.Groups = append(t.Groups, Group{"", 2})
		t.Columns = append(t.Columns, Column{Title: "Baseline equivalence (WWC)"}, Column{"Difference, effect size", true})
		for _, b := range r.Balance {
			if b.Set != set.name {
				continue
			}
			name := w.variable(b.Variable, r)
			if b.Category != "" {
				name += ": " + b.Category
			}
			if b.Level == "school" {
				name += " (schools)"
			}
			row := Row{Cells: []*Cell{words(name)}}
			for _, a := range r.Arms {
				var of *sap.ArmBalance
				for i := range b.Arms {
					if b.Arms[i].Arm == a.Arm {
						of = &b.Arms[i]
					}
				}
				row.Cells = append(row.Cells, balanceCells(of, b)...)
			}
			// Where a released report hides an effect size its band would tell of it.
			band := words(string(describe.BandOf(b.Effect)))
			if !b.HasEffect || w.in.released {
				band = absent("–")
			}
			row.Cells = append(row.Cells, band)
			if b.HasEffect {
				c := number(b.Effect, EffectSize)
				row.Cells = append(row.Cells, c)
				at := -1
				for i := range love.Rows {
					if love.Rows[i].Label == name {
						at = i
					}
				}
				if at < 0 {
					at = len(love.Rows)
					love.Rows = append(love.Rows, figure.Balance{Label: name})
				}
				l := &love.Rows[at]
				if set.name == "randomised" {
					l.Randomised, l.HasRandomised = b.Effect, true
				} else {
					l.Analysed, l.HasAnalysed = b.Effect, true
				}
				desc = append(desc, name+", "+set.name+", "+c.String())
			} else {
				row.Cells = append(row.Cells, absent("no variation"))
			}
			t.Rows = append(t.Rows, row)
		}
		if len(t.Rows) == 0 {
			w.gap(set.title, "The results hold no row for it.")
			continue
		}
		tables = append(tables, t)
	}
	if len(love.Rows) > 0 {
		love.Desc = "The arms’ differences at baseline as effect sizes: " + strings.Join(desc, "; ") + "."
		w.figure(&Figure{ID: "balance-figure", Title: "Differences between the arms at baseline. Dashed: the distances at which the What Works Clearinghouse asks for adjustment and for more than that", Drawing: love, Wide: true})
	}
	for _, t := range tables {
		w.table(t)
	}
	which := "Differences are the arm’s less the control arm’s"
	if len(r.Arms) > 2 {
		which = "Differences are those of the first arm that is not the control arm, less the control arm’s"
	}
	w.small(which + ": Hedges’ g for means, Cox’s index for shares. They are not tested for significance, because the draw is the only reason for a difference between those randomised.")
}

func balanceCells(a *sap.ArmBalance, b sap.BalanceRow) []*Cell {
	if a == nil {
		return []*Cell{absent("not given"), absent("not given"), absent("not given"), absent("not given")}
	}
	n, missing := count(a.N), count(a.Missing)
	switch {
	case a.N == 0:
		return []*Cell{n, missing, absent("nobody"), absent("nobody")}
	case b.Scale == "cox" || b.Category != "":
		return []*Cell{n, missing, number(a.Mean, Share), absent("–")}
	}
	return []*Cell{n, missing, number(a.Mean, Score), number(a.SD, SD)}
}

// variable gives the name for reports of a baseline variable.
func (w *writer) variable(name string, r *sap.Results) string {
	switch {
	case strings.EqualFold(name, "baseline"):
		if o := w.p.Outcome(r.Plan.Outcome); o != nil && o.Baseline.Label != "" {
			return o.Baseline.Label
		}
	case strings.EqualFold(name, "stratum"):
		return "Stratum"
	}
	for _, c := range w.p.Plan.PupilColumns {
		if c.ID == name && c.Label != "" {
			return c.Label
		}
	}
	for _, o := range w.p.Outcomes {
		if name == o.ID+":baseline" && o.Baseline.Label != "" {
			return o.Baseline.Label
		}
	}
	return capital(strings.ReplaceAll(name, "_", " "))
}
