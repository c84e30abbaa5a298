package reports

import (
	"strings"

	"evenhand/analysis/sap"
)

// balance shows the arms' baseline as randomised and as analysed. Differences
// are effect sizes; there are no significance tests, for the draw itself is
// the reason for any difference among those randomised.
func (w *writer) balance() {
	w.section("balance", "Baseline balance")
	r := w.result()
	if r == nil {
		w.gap("Baseline balance", w.noResults())
		return
	}
	if len(r.Balance) == 0 {
		w.gap("Baseline balance", "No baseline variable was given for this trial.")
		return
	}
	several := len(r.Arms) > 2
	for _, set := range []struct{ name, title string }{
		{"randomised", "Baseline of all who were randomised"},
		{"analysed", "Baseline of those analysed"},
	} {
		t := &Table{ID: "balance-" + set.name, Title: set.title}
		t.Columns = []Column{{Title: "Variable"}}
		t.Groups = []Group{{"", 1}}
		arm, control := "Arm", "Control"
		if !several {
			for _, a := range r.Arms {
				if a.Control {
					control = w.label(a.Arm)
				} else {
					arm = w.label(a.Arm)
				}
			}
		} else {
			t.Columns = append(t.Columns, Column{Title: "Arm"})
			t.Groups = append(t.Groups, Group{"", 1})
		}
		for _, name := range []string{arm, control} {
			t.Groups = append(t.Groups, Group{name, 4})
			t.Columns = append(t.Columns, Column{"n", true}, Column{"Missing", true}, Column{"Mean or share", true}, Column{"SD", true})
		}
		t.Groups = append(t.Groups, Group{"", 1})
		t.Columns = append(t.Columns, Column{"Difference, effect size", true})
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
			var treated, controls *sap.ArmBalance
			for i := range b.Arms {
				if w.isControl(b.Arms[i].Arm, r) {
					controls = &b.Arms[i]
				} else if treated == nil {
					treated = &b.Arms[i]
				}
			}
			if several {
				if treated != nil {
					row.Cells = append(row.Cells, words(w.label(treated.Arm)))
				} else {
					row.Cells = append(row.Cells, absent("not given"))
				}
			}
			for _, a := range []*sap.ArmBalance{treated, controls} {
				row.Cells = append(row.Cells, balanceCells(a, b)...)
			}
			if b.HasEffect {
				row.Cells = append(row.Cells, number(b.Effect, EffectSize))
			} else {
				row.Cells = append(row.Cells, absent("no variation"))
			}
			t.Rows = append(t.Rows, row)
		}
		if len(t.Rows) == 0 {
			w.gap(set.title, "The results hold no row for it.")
			continue
		}
		w.table(t)
	}
	w.small("Differences are the arm’s less the control arm’s: Hedges’ g for means, Cox’s index for shares. They are not tested for significance, because the draw is the only reason for a difference between those randomised.")
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

// isControl says whether an arm of the results is the control arm.
func (w *writer) isControl(arm string, r *sap.Results) bool {
	for _, a := range r.Arms {
		if a.Arm == arm {
			return a.Control
		}
	}
	return w.arm(arm).Control
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
	return name
}
