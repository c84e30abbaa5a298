package reports

import (
	"fmt"
	"slices"
	"strings"
	"time"

	"evenhand/analysis/sap"
)

// OutsideRun is a run of something that is not in the plan, or of the plan
// before its last run.
type OutsideRun struct {
	Run         int
	On          time.Time
	By          string
	Exploratory bool   // not in the plan; otherwise of the plan, and not its last run
	Why         string // "" for a run of the plan as it was locked
	Results     []sap.Results
}

// annex lists every run outside the plan: none can be taken out.
func (w *writer) annex() {
	if len(w.in.Outside) == 0 && len(w.in.Results) == 0 {
		return
	}
	if len(w.in.Outside) == 0 {
		w.say("The record holds no analysis outside the plan: everything that was run under the arms’ names is above.")
		return
	}
	w.say("These were run after the unblinding. They were not planned, or were run before the plan’s last run; none can be taken out of the record, and nothing above rests on them. Among many analyses some show a small p-value by chance.")
	list := &Table{ID: "outside-runs", Title: "Analyses outside the plan, in order of date", Columns: []Column{{Title: "Run"}, {Title: "Day"}, {Title: "What"}, {Title: "Why"}, {Title: "By"}}}
	t := &Table{ID: "outside-estimates", Title: "Their estimates", Groups: []Group{{"", 4}, {w.level.String() + " interval of the effect size", 2}, {"", 1}},
		Columns: []Column{{Title: "Run"}, {Title: "Outcome"}, {"Adjusted difference", true}, {"Effect size", true}, {"from", true}, {"to", true}, {"p", true}}}
	for _, run := range w.in.Outside {
		number1 := fmt.Sprint(run.Run)
		why := words(run.Why)
		if run.Why == "" {
			why = absent("as planned")
		}
		var what []string
		for i := range run.Results {
			r := &run.Results[i]
			what = append(what, w.outsideWords(run, r))
			for _, c := range r.Contrasts {
				name := outcomeName(w, r)
				if len(r.Contrasts) > 1 {
					name += ": " + w.label(c.Arm)
				}
				e := estimateCells(c.EffectSize, EffectSize)
				e[0].Notes = w.notesOf(c.EffectSize.Warnings, r.Warnings)
				t.Rows = append(t.Rows, Row{Cells: []*Cell{words(number1), words(name), number(c.Difference.Value, Score), e[0], e[3], e[4], e[5]}})
			}
			for _, s := range r.Subgroups {
				for _, x := range s.Within {
					e := estimateCells(x.EffectSize, EffectSize)
					t.Rows = append(t.Rows, Row{Cells: []*Cell{words(number1), words(outcomeName(w, r) + ", " + s.Variable + " " + x.Value), number(x.Difference.Value, Score), e[0], e[3], e[4], e[5]}})
				}
				for _, x := range s.Interactions {
					e := estimateCells(x.EffectSize, EffectSize)
					t.Rows = append(t.Rows, Row{Cells: []*Cell{words(number1), words(outcomeName(w, r) + ", interaction with " + s.Variable), number(x.Difference.Value, Score), e[0], e[3], e[4], e[5]}})
				}
			}
		}
		list.Rows = append(list.Rows, Row{Cells: []*Cell{words(number1), words(Day(run.On)), words(strings.Join(what, "; ")), why, words(run.By)}})
	}
	w.table(list)
	w.table(t)
}

// outsideWords says what a run was of.
func (w *writer) outsideWords(run OutsideRun, r *sap.Results) string {
	if !run.Exploratory {
		return "the plan: " + outcomeName(w, r)
	}
	with := "no covariates"
	if len(r.Plan.Covariates) > 0 {
		with = strings.Join(r.Plan.Covariates, ", ")
	}
	return fmt.Sprintf("exploratory: %s; %s, with %s; %s", outcomeName(w, r), r.Fit.Method, with, scaleWords(r.Plan.EffectSize))
}

// leavesOutAnnex says whether a template shows results and not what was run
// outside the plan. Such a document gets the annex at its end all the same.
func (t *Template) leavesOutAnnex() bool {
	results := false
	for _, s := range t.Sections {
		if slices.Contains(s.Parts, "annex") {
			return false
		}
		for _, p := range []string{"summary", "primary", "secondary", "adjusted", "subgroups", "sensitivity", "compliance"} {
			results = results || slices.Contains(s.Parts, p)
		}
	}
	return results
}
