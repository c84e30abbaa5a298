package reports

import (
	"math"
	"strings"

	"evenhand/analysis/power"
	"evenhand/reports/figure"
)

// detectable puts the minimum detectable effect size at protocol, at
// randomisation and at analysis side by side, with what it rests on.
func (w *writer) detectable() {
	if w.in.Detectable == nil {
		return
	}
	t := &Table{ID: "detectable", Title: "Minimum detectable effect size and what it rests on", Groups: []Group{{"", 1}}, Columns: []Column{{Title: "Quantity"}}}
	stages, gaps := w.in.Detectable, []power.Stage{}
	heading := map[string]string{power.AtProtocol: "Protocol", power.AtRandomisation: "Randomisation", power.AtAnalysis: "Analysis"}
	group := map[string]string{power.Overall: "overall", power.FSM: "FSM"}
	for i, s := range stages {
		if i == 0 || stages[i-1].Stage != s.Stage {
			t.Groups = append(t.Groups, Group{heading[s.Stage], 0})
		}
		t.Groups[len(t.Groups)-1].Span++
		t.Columns = append(t.Columns, Column{group[s.Group], true})
		if s.MDES == nil {
			gaps = append(gaps, s)
		}
	}
	pupils := !w.schoolsMeasured()
	row := func(name string, strong bool, of func(power.Stage) *Cell) {
		r := Row{Cells: []*Cell{words(name)}, Strong: strong}
		for _, s := range stages {
			r.Cells = append(r.Cells, of(s))
		}
		t.Rows = append(t.Rows, r)
	}
	given := func(s power.Stage, v *float64, f Format) *Cell {
		switch {
		case v != nil:
			return number(*v, f)
		case s.Estimated && s.MDES == nil:
			return absent("–")
		case s.Estimated:
			return absent("not estimated")
		}
		return absent("not given")
	}
	row("MDES", true, func(s power.Stage) *Cell {
		if s.MDES == nil {
			return absent("none: see below")
		}
		return number(s.MDES.Exact, EffectSize)
	})
	row("MDES by the two-t approximation", false, func(s power.Stage) *Cell {
		if s.MDES == nil {
			return absent("–")
		}
		return number(s.MDES.MDES, EffectSize)
	})
	row("MDES by the analysis’s own standard error", false, func(s power.Stage) *Cell {
		if s.OwnSE == nil {
			return absent("–")
		}
		return number(*s.OwnSE, EffectSize)
	})
	classes := func(s power.Stage, v *float64, f Format) *Cell {
		if s.Classes == 0 {
			return absent("no level")
		}
		return given(s, v, f)
	}
	if pupils {
		row("Pre-post correlation: pupil", false, func(s power.Stage) *Cell { return given(s, s.PrePupil, EffectSize) })
		row("Pre-post correlation: class", false, func(s power.Stage) *Cell { return classes(s, s.PreClass, EffectSize) })
	}
	row("Pre-post correlation: school", false, func(s power.Stage) *Cell { return given(s, s.PreSchool, EffectSize) })
	if pupils {
		row("ICC: class", false, func(s power.Stage) *Cell { return classes(s, s.ICCClass, ICC) })
		row("ICC: school", false, func(s power.Stage) *Cell { return given(s, s.ICC, ICC) })
		for _, s := range stages {
			if s.ICCCommunity != nil {
				row("ICC: community, intervention arm only", false, func(s power.Stage) *Cell { return given(s, s.ICCCommunity, ICC) })
				break
			}
		}
	}
	row("Alpha", false, func(s power.Stage) *Cell { return number(s.Alpha, Level) })
	row("Power", false, func(s power.Stage) *Cell { return number(s.Power, Level) })
	row("One-sided or two-sided", false, func(s power.Stage) *Cell { return words(map[int]string{1: "one-sided", 2: "two-sided"}[s.Tails]) })
	known := func(s power.Stage) bool { return s.SchoolsTreated+s.SchoolsControl > 0 }
	counted := func(of func(power.Stage) float64, f Format) func(power.Stage) *Cell {
		return func(s power.Stage) *Cell {
			if !known(s) {
				return absent("–")
			}
			return number(of(s), f)
		}
	}
	if pupils {
		row("Average cluster size", false, func(s power.Stage) *Cell {
			if s.Size() == 0 {
				return absent("not given")
			}
			return number(s.Size(), Decimals1)
		})
		row("Cluster sizes: SD over mean", false, counted(func(s power.Stage) float64 { return s.CV }, EffectSize))
	}
	row("Degrees of freedom", false, func(s power.Stage) *Cell {
		if s.MDES == nil {
			return absent("–")
		}
		return number(s.MDES.DF, DF)
	})
	row("Schools: intervention", false, counted(func(s power.Stage) float64 { return float64(s.SchoolsTreated) }, Count))
	row("Schools: control", false, counted(func(s power.Stage) float64 { return float64(s.SchoolsControl) }, Count))
	row("Schools: total", false, counted(func(s power.Stage) float64 { return float64(s.SchoolsTreated + s.SchoolsControl) }, Count))
	if pupils {
		some := func(of func(power.Stage) float64) func(power.Stage) *Cell {
			return func(s power.Stage) *Cell {
				if s.Size() == 0 {
					return absent("–")
				}
				return number(math.Round(of(s)), Count)
			}
		}
		row("Pupils: intervention", false, some(func(s power.Stage) float64 { return s.PupilsTreated }))
		row("Pupils: control", false, some(func(s power.Stage) float64 { return s.PupilsControl }))
		row("Pupils: total", false, some(func(s power.Stage) float64 { return s.PupilsTreated + s.PupilsControl }))
	}
	if !pupils {
		t.Foot = append(t.Foot, "Schools themselves are measured: a school is a row, and there is no level below it.")
	}
	if len(w.p.Arms) > 2 {
		t.Foot = append(t.Foot, "The numbers are of the smallest intervention arm against the control arm, which can detect least.")
	}
	t.Foot = append(t.Foot, "A correlation that is not given counts as none. At analysis the ICC is that of the empty model of the primary outcome, and a correlation the root of the share of variance that the planned covariates explain at that level.")
	w.table(t)
	for _, s := range gaps {
		w.gap("MDES at "+s.Stage+", "+group[s.Group], capital(strings.TrimSuffix(s.Why, "."))+".")
	}
	w.detectableFigure()
	w.small("The minimum detectable effect size is the effect, in standard deviations of the outcome, that the trial finds with the power given: exactly, by the noncentral t distribution; the field’s tables have the approximation.")
}

// detectableFigure draws the MDES over schools, ICC and what the baseline
// explains, as the latest stage that rests on assumptions has them.
func (w *writer) detectableFigure() {
	var base [2]*power.Stage // overall, FSM
	for i := range w.in.Detectable {
		s := &w.in.Detectable[i]
		k := 0
		if s.Group == power.FSM {
			k = 1
		}
		if s.MDES != nil && (base[k] == nil || s.Stage != power.AtAnalysis) {
			base[k] = s
		}
	}
	if base[0] == nil {
		return
	}
	desc := "The minimum detectable effect size falls with the number of schools and with what the baseline explains, and rises with the intra-cluster correlation."
	draw := func() figure.Drawing {
		fig := figure.Curves{Title: "Minimum detectable effect size", YAxis: "Minimum detectable effect size, SD", Key: []string{"all pupils, as assumed at " + base[0].Stage},
			Desc: desc}
		if w.schoolsMeasured() {
			fig.Key[0] = "as assumed at " + base[0].Stage
		}
		if base[1] != nil {
			fig.Key = append(fig.Key, "pupils with FSM, as assumed at "+base[1].Stage)
		}
		for _, panel := range detectablePanels(*base[0]) {
			out := figure.CurvePanel{XAxis: panel.axis}
			for _, b := range base {
				if b != nil {
					out.Lines = append(out.Lines, curve(b.MDES.Inputs, panel.over, panel.values))
				}
			}
			for _, s := range w.in.Detectable {
				if s.MDES == nil || s.Group != power.Overall {
					continue
				}
				kind := map[string]int{power.AtProtocol: 0, power.AtRandomisation: 1, power.AtAnalysis: 2}[s.Stage]
				out.Marks = append(out.Marks, figure.CurveMark{Kind: kind, At: figure.XY{X: panel.of(s), Y: s.MDES.Exact}})
			}
			fig.Panels = append(fig.Panels, out)
		}
		fig.Marks = []string{"at protocol", "at randomisation", "at analysis"}
		return fig
	}
	w.figure(&Figure{ID: "detectable-figure", Title: "Minimum detectable effect size by number of schools, intra-cluster correlation and what the baseline explains; the marks are the trial itself", Drawing: figure.Later(desc, draw), Wide: true})
}

type detectablePanel struct {
	axis, over string
	values     []float64
	of         func(power.Stage) float64 // where a stage lies
}

// detectablePanels are what the MDES is drawn over.
func detectablePanels(s power.Stage) []detectablePanel {
	spread := func(from, to float64) []float64 {
		var all []float64
		for i := range 25 {
			all = append(all, from+(to-from)*float64(i)/24)
		}
		return all
	}
	in := s.MDES.Inputs
	schools := float64(s.SchoolsTreated + s.SchoolsControl)
	least := math.Max(4, float64(in.Covariates)+6)
	over, school, r2 := "clusters", "icc", "r2_cluster"
	switch in.Design {
	case power.Individual:
		over = "size"
	case power.Clustered3:
		over, school, r2 = "top", "icc_top", "r2_top"
	}
	square := func(s power.Stage) float64 {
		if s.PreSchool == nil {
			return 0
		}
		return *s.PreSchool * *s.PreSchool
	}
	var numbers []float64 // closer together where the curve is steep
	for _, v := range spread(0, 1) {
		low := math.Max(least, schools/4)
		numbers = append(numbers, low*math.Pow(math.Max(2*schools/low, 1.5), v))
	}
	panels := []detectablePanel{{"Schools", over, numbers, func(s power.Stage) float64 { return float64(s.SchoolsTreated + s.SchoolsControl) }}}
	if in.Design == power.Individual {
		return append(panels, detectablePanel{"R² of schools", "r2_pupil", spread(0, 0.9), square})
	}
	return append(panels,
		detectablePanel{"ICC of schools", school, spread(0, math.Max(0.3, math.Min(0.9, 2**s.ICC))), func(s power.Stage) float64 { return *s.ICC }},
		detectablePanel{"R² of schools", r2, spread(0, 0.9), square})
}

// curve is an MDES as one input varies; where there is none the line has a gap
// at its beginning.
func curve(in power.Inputs, over string, values []float64) []figure.XY {
	c, err := power.Along(in, over, values)
	if err != nil {
		return nil
	}
	var line []figure.XY
	for _, p := range c.Points {
		if p.MDES != nil {
			line = append(line, figure.XY{X: p.At, Y: p.MDES.Exact})
		}
	}
	return line
}
