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

// RoomReturn is what came back cleared from a secure room.
type RoomReturn struct {
	Entry   int // of the ledger
	On      time.Time
	By      string
	Cleared string // who cleared it, and when
	Numbers []RoomNumber
}

// RoomNumber is one number of it; Value is nil where it could not leave the room.
type RoomNumber struct {
	Outcome, Quantity, Arm string
	Value                  *float64
}

// room shows the estimates that were made in a secure room, marked as such.
func (w *writer) room() {
	if len(w.in.Room) == 0 {
		return
	}
	w.say("These estimates were made outside this program, in a secure room where the outcomes stay, with the programs that were carried in, and were cleared to leave it. Nobody can compute them again here; the ledger’s entry has the digests of the plan and of the rows that they belong to, and all numbers that came back.")
	t := &Table{ID: "room", Title: "Estimates made in a secure room", Columns: []Column{{Title: "Entry"}, {Title: "Day"}, {Title: "Cleared"}, {Title: "Outcome"}, {"Adjusted difference", true}, {"SE", true}, {"Effect size", true}, {"from", true}, {"to", true}, {"p", true}}}
	for _, back := range w.in.Room {
		type key struct{ outcome, arm string }
		var order []key
		of := map[key]map[string]*float64{}
		for _, n := range back.Numbers {
			k := key{n.Outcome, n.Arm}
			if n.Quantity == "difference" {
				order = append(order, k)
			}
			if of[k] == nil {
				of[k] = map[string]*float64{}
			}
			of[k][n.Quantity] = n.Value
		}
		if len(order) == 0 && len(back.Numbers) > 0 { // counts alone came back
			order = []key{{back.Numbers[0].Outcome, ""}}
		}
		for _, k := range order {
			cell := func(quantity string, f Format) *Cell {
				v, there := of[k][quantity]
				switch {
				case !there:
					return absent("not returned")
				case v == nil:
					return absent("not cleared")
				}
				return number(*v, f)
			}
			name := k.outcome
			if o := w.p.Outcome(k.outcome); o != nil && o.Label != "" {
				name = o.Label
			}
			if len(w.p.Arms) > 2 {
				name += ": " + w.label(k.arm)
			}
			t.Rows = append(t.Rows, Row{Cells: []*Cell{words(fmt.Sprint(back.Entry)), words(Day(back.On)), words(back.Cleared), words(name), cell("difference", Score), cell("difference, SE", Score), cell("effect size", EffectSize), cell("effect size, low", EffectSize), cell("effect size, high", EffectSize), cell("difference, p", PValue)}})
		}
	}
	w.table(t)
}

// annex lists what came from a secure room, and every run outside the plan: none
// can be taken out.
func (w *writer) annex() {
	w.room()
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
		with = strings.ReplaceAll(strings.Join(r.Plan.Covariates, ", "), "Stratum", "the strata")
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
