package reports

import (
	"math"
	"strings"

	"evenhand/analysis"
	"evenhand/analysis/attrition"
	"evenhand/analysis/effectsize"
	"evenhand/analysis/power"
	"evenhand/analysis/sap"
	"evenhand/reports/figure"
)

// span is the words of an interval, from its cells.
func span(value, low, high *Cell) string {
	return value.String() + " (" + low.String() + " to " + high.String() + ")"
}

// summary is the page that a reader in a hurry reads.
func (w *writer) summary() {
	r := w.result()
	if r == nil {
		w.gap("Effect on the primary outcome", w.noResults())
		return
	}
	t := &Table{ID: "headline", Title: "Effect on the primary outcome"}
	t.Groups = []Group{{"", 2}, {w.level.String() + " confidence interval", 2}, {"", 3}}
	t.Columns = []Column{{Title: "Outcome"}, {"Effect size", true}, {"from", true}, {"to", true}, {"p", true}, {w.measured(), true}, {"Schools", true}}
	table, months := w.monthsTable()
	padlocks := w.padlocks()
	if months {
		t.Groups, t.Columns = append(t.Groups, Group{"", 1}), append(t.Columns, Column{"Months of progress", true})
	}
	if padlocks != nil {
		t.Groups, t.Columns = append(t.Groups, Group{"", 1}), append(t.Columns, Column{"Padlocks, initial", true})
	}
	type line struct {
		c                                  sap.Contrast
		es, low, high, p, pup, sch, months *Cell
	}
	var lines []line
	for _, c := range r.Contrasts {
		e := c.EffectSize
		l := line{c, number(e.Value, EffectSize), number(e.Interval.Low, EffectSize), number(e.Interval.High, EffectSize), number(e.P, PValue), count(e.Counts.PupilsUsed), count(e.Counts.SchoolsUsed), nil}
		name := outcomeName(w, r)
		if len(r.Contrasts) > 1 {
			name += ": " + w.label(c.Arm)
		}
		t.Rows = append(t.Rows, Row{Cells: []*Cell{words(name), l.es, l.low, l.high, l.p, l.pup, l.sch}})
		row := &t.Rows[len(t.Rows)-1]
		row.Cells[1].Notes = w.notesOf(e.Warnings)
		if months {
			l.months = w.monthsOf(table, e.Value)
			row.Cells = append(row.Cells, l.months)
		}
		if padlocks != nil {
			row.Cells = append(row.Cells, padlocks(c))
		}
		row.Recipe = w.recipe(r, c, e.Scale)
		lines = append(lines, l)
	}
	if len(lines) == 0 {
		w.gap("Effect on the primary outcome", "The results hold no comparison with the control arm.")
		return
	}
	if w.in.Changed {
		w.say("These results are of a plan or of data that changed after the unblinding, when results could have been seen: the deviations below say what and why.").Lead = true
	}
	for _, l := range lines {
		verdict := "The interval includes no difference: the trial does not show in which direction the effect lies."
		switch {
		case l.c.EffectSize.Interval.Low > 0:
			verdict = "The whole interval lies above no difference, in favour of the first of the two."
		case l.c.EffectSize.Interval.High < 0:
			verdict = "The whole interval lies below no difference, in favour of the second of the two."
		}
		p := w.say("On {}, "+w.who()+" drawn into “{}” differ from "+w.who()+" drawn into “{}” by {} standard deviations ({} confidence interval {} to {}; p "+equals(l.p)+"{}). "+verdict,
			w.outcomeCell(r), w.armCell(l.c.Arm), w.armCell(l.c.Against), l.es, w.level, l.low, l.high, l.p)
		p.Lead = true
		if w.schoolsMeasured() {
			w.say("The comparison uses {} schools, each in the arm that it was drawn into.", l.sch)
		} else {
			w.say("The comparison uses {} pupils in {} schools, each in the arm that the school was drawn into.", l.pup, l.sch)
		}
	}
	w.table(t)
	if months {
		for _, l := range lines {
			w.say("By "+table.Name+", this effect size is worth {} "+some(int(math.Abs(l.months.Value)), "month", "months")+" of progress.", l.months)
		}
		t.Foot = append(t.Foot, "Months of progress are a convention for readers, looked up from the effect size rounded to two decimals: they have no interval of their own and no model of growth behind them ("+table.Name+").")
	}
	if padlocks != nil {
		t.Foot = append(t.Foot, "Padlocks: the funder’s initial security rating of a randomised trial, from nought to five, as far as attrition, and the effect detectable at randomisation where it is known, give it; bands as known from secondary sources. The final rating is a reviewer’s.")
	}
	w.every(r)
	w.small("An effect size is the " + scaleWords(lines[0].c.EffectSize.Scale) + ". Positive values are in favour of the programme.")
}

// monthsTable gives the table of months of progress, and whether months are
// shown at all.
func (w *writer) monthsTable() (effectsize.MonthsTable, bool) {
	rule := w.p.Months
	if len(rule.Table) == 0 {
		t := effectsize.EEFTrialMonths
		t.Name = "the convention of the Education Endowment Foundation for single trials, as far as published results show it"
		return t, rule.Shown
	}
	t := effectsize.MonthsTable{Name: "the table of the protocol"}
	for i, row := range rule.Table {
		to := row.From
		if i+1 < len(rule.Table) {
			to = rule.Table[i+1].From - 0.01
		}
		t.Rows = append(t.Rows, effectsize.MonthsRow{Months: row.Months, From: row.From, To: to})
	}
	return t, rule.Shown
}

// monthsOf looks an effect size up.
func (w *writer) monthsOf(t effectsize.MonthsTable, effect float64) *Cell {
	n, _, err := t.Months(effect)
	if err != nil {
		return absent(err.Error())
	}
	return number(float64(n), Months)
}

// padlocks gives the initial rating of a comparison; nil where the protocol
// does not want it.
func (w *writer) padlocks() func(sap.Contrast) *Cell {
	r := w.result()
	if w.p.Security != "eef" || r == nil {
		return nil
	}
	return func(c sap.Contrast) *Cell {
		randomised, lost := 0, 0
		for _, a := range w.in.Flow.Arms {
			if label := w.label(a.Arm); label == w.label(c.Arm) || label == w.label(c.Against) {
				level := a.Pupils
				if w.schoolsMeasured() {
					level = a.Schools
				}
				randomised += level.Randomised
				lost += level.Randomised - level.Analysed
			}
		}
		if randomised == 0 {
			return absent("nobody randomised")
		}
		var mdes *float64
		for _, s := range w.in.Detectable {
			if s.Stage == power.AtRandomisation && s.Group == power.Overall && s.MDES != nil {
				mdes = &s.MDES.Exact
			}
		}
		return count(attrition.InitialPadlocks(float64(lost)/float64(randomised), mdes).Padlocks)
	}
}

// measured heads the column of those who have a score.
func (w *writer) measured() string {
	if w.schoolsMeasured() {
		return "Scores"
	}
	return "Pupils"
}

// equals stands between p and its value, which may be "< 0.001".
func equals(p *Cell) string {
	if strings.HasPrefix(p.String(), "<") {
		return ""
	}
	return "= "
}

// who names those compared.
func (w *writer) who() string {
	if w.schoolsMeasured() {
		return "schools"
	}
	return "pupils of schools"
}

func outcomeName(w *writer, r *sap.Results) string {
	if r.Plan.Label != "" {
		return r.Plan.Label
	}
	if o := w.p.Outcome(r.Plan.Outcome); o != nil && o.Label != "" {
		return o.Label
	}
	return r.Plan.Outcome
}

// outcomeCell names the primary outcome by its cell.
func (w *writer) outcomeCell(r *sap.Results) *Cell {
	if w.primaryN != nil {
		return w.primaryN
	}
	w.fault("the protocol marks no outcome as primary")
	return words(outcomeName(w, r))
}

// allEffects is the picture of the primary and the secondary outcomes.
func (w *writer) allEffects() *Figure {
	p := figure.Intervals{
		Title: "Effect sizes with their intervals", Desc: "Each outcome’s effect size with its interval: ",
		Axis: "Effect size (standard deviations) with " + w.level.String() + " confidence interval", Below: "favours control", Above: "favours the programme", Column: "effect size (interval)",
	}
	for i := range w.in.Results {
		r := &w.in.Results[i]
		for _, c := range r.Contrasts {
			e := c.EffectSize
			v, lo, hi := number(e.Value, EffectSize), number(e.Interval.Low, EffectSize), number(e.Interval.High, EffectSize)
			name := outcomeName(w, r)
			if len(r.Contrasts) > 1 {
				name += ": " + w.label(c.Arm)
			}
			row := figure.Interval{Label: name, Text: span(v, lo, hi), Value: e.Value, Low: e.Interval.Low, High: e.Interval.High, Arm: w.arm(c.Arm), Strong: r.Plan.Role == sap.Primary}
			p.Rows = append(p.Rows, row)
			p.Desc += row.Label + " " + row.Text + ". "
		}
	}
	p.Desc = strings.TrimSpace(p.Desc)
	return &Figure{ID: "effects-figure", Title: "Effect sizes of all outcomes", Drawing: p, Wide: true}
}

// primary shows the primary outcome in full.
func (w *writer) primary() {
	r := w.result()
	if r == nil {
		w.gap("Primary outcome", w.noResults())
		return
	}
	level := w.level.String() + " confidence interval"
	scores := &Table{ID: "primary-scores", Title: "Scores by arm", Groups: []Group{{"", 6}, {level + " of the mean", 2}},
		Columns: []Column{{Title: "Arm"}, {"Schools", true}, {w.measured(), true}, {"Missing", true}, {"Mean", true}, {"SD", true}, {"from", true}, {"to", true}}}
	for _, a := range r.Arms {
		row := Row{Cells: []*Cell{words(w.label(a.Arm)), count(a.Schools), count(a.N), count(a.Missing)}}
		if a.N == 0 {
			row.Cells = append(row.Cells, absent("no score"), absent("no score"), absent("no score"), absent("no score"))
		} else {
			row.Cells = append(row.Cells, number(a.Mean, Score), number(a.SD, SD))
			if a.CI.Level > 0 {
				row.Cells = append(row.Cells, number(a.CI.Low, Score), number(a.CI.High, Score))
			} else {
				row.Cells = append(row.Cells, absent("not given"), absent("not given"))
			}
		}
		scores.Rows = append(scores.Rows, row)
	}
	w.table(scores)
	w.spread(r, scores)
	w.meansFigure(r, scores)

	effect := &Table{ID: "primary-effect", Title: "Difference between the arms", Groups: []Group{{"", 4}, {level, 2}, {"", 1}},
		Columns: []Column{{Title: "Quantity"}, {"Estimate", true}, {"SE", true}, {"df", true}, {"from", true}, {"to", true}, {"p", true}}}
	var paragraphs []func()
	for _, c := range r.Contrasts {
		suffix := ""
		if len(r.Contrasts) > 1 {
			suffix = ": " + w.label(c.Arm)
		}
		raw := number(*c.Unadjusted, Score)
		effect.Rows = append(effect.Rows, Row{Cells: []*Cell{words("Unadjusted difference" + suffix), raw, absent("–"), absent("–"), absent("–"), absent("–"), absent("–")}})
		difference := estimateCells(c.Difference, Score)
		effect.Rows = append(effect.Rows, Row{Cells: append([]*Cell{words("Adjusted difference" + suffix)}, difference...)})
		size := estimateCells(c.EffectSize, EffectSize)
		size[0].Notes = w.notesOf(c.EffectSize.Warnings)
		difference[0].Notes = w.notesOf(c.Difference.Warnings)
		effect.Rows = append(effect.Rows, Row{Cells: append([]*Cell{words("Effect size" + suffix)}, size...), Strong: true, Recipe: w.recipe(r, c, c.EffectSize.Scale)})
		paragraphs = append(paragraphs, func() {
			w.say(capital(w.who())+" drawn into “{}” and into “{}” differ by {} in raw means, and by {} after adjustment (standard error {}, interval from {} to {}).",
				w.armCell(c.Arm), w.armCell(c.Against), raw, difference[0], difference[1], difference[3], difference[4])
		})
	}
	for _, c := range r.Pairs {
		suffix := ": " + w.label(c.Arm) + " against " + w.label(c.Against)
		difference := estimateCells(c.Difference, Score)
		difference[0].Notes = w.notesOf(c.Difference.Warnings)
		effect.Rows = append(effect.Rows, Row{Cells: append([]*Cell{words("Adjusted difference" + suffix)}, difference...)},
			Row{Cells: append([]*Cell{words("Effect size" + suffix)}, estimateCells(c.EffectSize, EffectSize)...), Strong: true})
	}
	if t := r.ArmsTest; t != nil {
		df2 := absent("–")
		if t.DF2 > 0 {
			df2 = number(t.DF2, DF)
		}
		cells := []*Cell{words("All arms alike: F, its second df"), number(t.F, Score), absent("–"), df2, absent("–"), absent("–"), number(t.P, PValue)}
		effect.Rows = append(effect.Rows, Row{Cells: cells})
		paragraphs = append(paragraphs, func() {
			w.say("That all arms are alike is tested at once: F is {}, with p "+equals(cells[6])+"{}.", cells[1], cells[6])
		})
	}
	for _, p := range paragraphs {
		p()
	}
	w.table(effect)
	if r.Fit.Method != "" {
		method := r.Fit.Method
		if len(r.Contrasts) > 0 && r.Contrasts[0].Difference.DFMethod != "" {
			method += "; degrees of freedom: " + dfWords(r.Contrasts[0].Difference.DFMethod)
		}
		effect.Foot = append(effect.Foot, capital(method)+".")
	}

	w.scales(r, level)
	w.model(r, level)
}

// meansFigure shows each school's mean, a dot a school, with the arms' means
// from the table's own cells.
func (w *writer) meansFigure(r *sap.Results, scores *Table) {
	if len(w.in.SchoolMeans) == 0 {
		return
	}
	p := figure.Means{Title: "School means by arm", Axis: outcomeName(w, r), Desc: "Each school’s mean outcome, by arm: "}
	for i, a := range r.Arms {
		row := figure.MeansArm{Arm: w.arm(a.Arm), Text: nSchools(scores.Rows[i].Cells[1])}
		if a.N > 0 {
			row.Mean, row.HasMean = a.Mean, true
		}
		for _, m := range w.in.SchoolMeans {
			if w.arm(m.Arm).Label == row.Arm.Label {
				row.Dots = append(row.Dots, figure.Dot{Mean: m.Mean, N: m.N})
			}
		}
		p.Arms = append(p.Arms, row)
		p.Desc += row.Arm.Label + ", " + row.Text + ", mean " + scores.Rows[i].Cells[4].String() + ". "
	}
	w.figure(&Figure{ID: "means-figure", Title: "Mean outcome of each school, by arm: a dot is a school, its size the number of its pupils; the line is the mean of all pupils of the arm", Drawing: p, Wide: true})
}

// estimateCells are an estimate's value, SE, df, interval and p.
func estimateCells(e analysis.Estimate, f Format) []*Cell {
	df := absent("–")
	if e.DF > 0 {
		df = number(e.DF, DF)
	}
	low, high := absent("–"), absent("–")
	if e.Interval.Level > 0 {
		low, high = number(e.Interval.Low, f), number(e.Interval.High, f)
	}
	p := absent("–")
	if e.Statistic != 0 || e.P > 0 {
		p = number(e.P, PValue)
	}
	se := absent("–")
	if e.SE > 0 {
		se = number(e.SE, f)
	}
	return []*Cell{number(e.Value, f), se, df, low, high, p}
}

// scales shows the effect size by every denominator, with its SD, so that a
// reader who holds another to be right need not ask.
func (w *writer) scales(r *sap.Results, level string) {
	t := &Table{ID: "primary-scales", Title: "The effect size by every denominator", Groups: []Group{{"", 4}, {level, 2}},
		Columns: []Column{{Title: "What the adjusted difference is divided by"}, {"SD", true}, {"Effect size", true}, {"SE", true}, {"from", true}, {"to", true}}}
	p := figure.Intervals{Title: "The effect size by every denominator", Desc: "The primary outcome’s effect size by each denominator: ", Axis: "Effect size (standard deviations) with " + level, Below: "favours control", Above: "favours the programme", Column: "effect size (interval)"}
	for _, c := range r.Contrasts {
		for _, e := range c.EffectSizes {
			name := shortScale(e.Scale)
			if len(r.Contrasts) > 1 {
				name += ": " + w.label(c.Arm)
			}
			planned := e.Scale == c.EffectSize.Scale
			sd := absent("–")
			if e.SD > 0 {
				sd = number(e.SD, SD)
			}
			cells := estimateCells(e, EffectSize)
			cells[0].Notes = w.notesOf(e.Warnings)
			title := name
			if planned {
				title += " (as planned)"
			}
			t.Rows = append(t.Rows, Row{Cells: []*Cell{words(title), sd, cells[0], cells[1], cells[3], cells[4]}, Strong: planned, Recipe: w.recipe(r, c, e.Scale)})
			row := figure.Interval{Label: title, Value: e.Value, Low: e.Interval.Low, High: e.Interval.High, Arm: w.arm(c.Arm), Strong: planned}
			row.Text = span(cells[0], cells[3], cells[4])
			if e.Interval.Level == 0 {
				row.Gap = "no interval"
			}
			p.Rows = append(p.Rows, row)
			p.Desc += row.Label + " " + row.Text + ". "
		}
	}
	if len(t.Rows) == 0 {
		return
	}
	p.Desc = strings.TrimSpace(p.Desc)
	w.figure(&Figure{ID: "scales-figure", Title: "The primary outcome’s effect size by every denominator", Drawing: p, Wide: true})
	w.table(t)
}

// shortScale names a denominator in a few words.
func shortScale(s analysis.Scale) string {
	switch s {
	case analysis.ScaleTotalUnconditional:
		return "Total SD, unconditional"
	case analysis.ScaleWithinUnconditional:
		return "Within-school SD, unconditional"
	case analysis.ScaleTotalEmpty:
		return "Total SD, empty model"
	case analysis.ScaleWithinEmpty:
		return "Within-school SD, empty model"
	case analysis.ScaleTotalConditional:
		return "Total SD, conditional"
	case analysis.ScaleWithinConditional:
		return "Within-school SD, conditional"
	case analysis.ScalePooledSD:
		return "Pooled SD of the arms"
	case analysis.ScaleControlSD:
		return "SD of the control arm"
	}
	return capital(string(s))
}

// model shows variances, ICC and how the fit went.
func (w *writer) model(r *sap.Results, level string) {
	t := &Table{ID: "primary-variance", Title: "Variances, intra-cluster correlation and fit",
		Groups:  []Group{{"", 3}, {level, 2}},
		Columns: []Column{{Title: "Quantity"}, {Title: "Model"}, {"Value", true}, {"from", true}, {"to", true}}}
	none := func() *Cell { return absent("–") }
	for _, v := range r.Variances {
		t.Rows = append(t.Rows, Row{Cells: []*Cell{words("Variance, " + strings.ToLower(v.Level)), words(v.Model), number(v.Value, SD), none(), none()}})
	}
	for _, i := range r.ICC {
		lo, hi := none(), none()
		if i.CI != nil {
			lo, hi = number(i.CI.Low, ICC), number(i.CI.High, ICC)
		}
		t.Rows = append(t.Rows, Row{Cells: []*Cell{words("Intra-cluster correlation, " + strings.ToLower(i.Level)), words(i.Model), number(i.Value, ICC), lo, hi}})
	}
	if r.Fit.Criterion != 0 {
		t.Rows = append(t.Rows, Row{Cells: []*Cell{words("REML criterion"), words("conditional"), number(r.Fit.Criterion, Decimals1), none(), none()}})
	}
	if len(t.Rows) > 0 {
		t.Notes = w.notesOf(r.Warnings)
		w.table(t)
	}
}

// estimation shows what the effect sizes were computed from: the funder's table
// of differences and variances, so that a reader can compute them again.
func (w *writer) estimation() {
	if len(w.in.Results) == 0 {
		return
	}
	t := &Table{ID: "estimation", Title: "What the effect sizes are computed from",
		Groups:  []Group{{"", 1}, {"Difference", 2}, {"Arm", 3}, {"Compared with", 3}, {"", 1}},
		Columns: []Column{{Title: "Outcome"}, {"unadjusted", true}, {"adjusted", true}, {"n", true}, {"missing", true}, {"variance", true}, {"n", true}, {"missing", true}, {"variance", true}, {"Pooled variance", true}}}
	if first := w.in.Results[0].Contrasts; len(first) == 1 {
		t.Groups[2].Title, t.Groups[3].Title = w.label(first[0].Arm), w.label(first[0].Against)
	}
	for i := range w.in.Results {
		r := &w.in.Results[i]
		arm := func(name string) *sap.ArmSummary {
			for k := range r.Arms {
				if w.label(r.Arms[k].Arm) == w.label(name) {
					return &r.Arms[k]
				}
			}
			return nil
		}
		variance := func(a *sap.ArmSummary) *Cell {
			if a.N < 2 {
				return absent("too few scores")
			}
			return number(a.SD*a.SD, SD)
		}
		for _, c := range r.Contrasts {
			of, against := arm(c.Arm), arm(c.Against)
			if of == nil || against == nil {
				w.fault("the results of %s compare %q with %q, but describe only %d arms", r.Plan.Outcome, c.Arm, c.Against, len(r.Arms))
				continue
			}
			name := outcomeName(w, r)
			if len(r.Contrasts) > 1 {
				name += ": " + w.label(c.Arm)
			}
			pooled := absent("too few scores")
			if of.N > 1 && against.N > 1 {
				pooled = number((float64(of.N-1)*of.SD*of.SD+float64(against.N-1)*against.SD*against.SD)/float64(of.N+against.N-2), SD)
			}
			unadjusted := absent("blind")
			if c.Unadjusted != nil {
				unadjusted = number(*c.Unadjusted, Score)
			}
			t.Rows = append(t.Rows, Row{Cells: []*Cell{words(name), unadjusted, number(c.Difference.Value, Score),
				count(of.N), count(of.Missing), variance(of), count(against.N), count(against.Missing), variance(against), pooled}, Strong: r.Plan.Role == sap.Primary})
		}
	}
	if len(t.Rows) == 0 {
		return
	}
	w.table(t)
	w.small("Variances are those of raw scores of everybody with a score, whether or not the model could use it; pooled, each arm’s weighs by its scores less one. The effect sizes reported divide by the SD named with them, with every other beside it in {}.", ref("primary-scales"))
}

// coefficients shows the model's other fixed effects: an appendix, since there
// are as many as there are strata.
func (w *writer) coefficients() {
	r := w.result()
	if r == nil || len(r.Covariates) == 0 {
		return
	}
	t := &Table{ID: "primary-model", Title: "The model’s other coefficients", Groups: []Group{{"", 4}, {w.level.String() + " confidence interval", 2}, {"", 1}},
		Columns: []Column{{Title: "Term"}, {"Estimate", true}, {"SE", true}, {"df", true}, {"from", true}, {"to", true}, {"p", true}}}
	for _, c := range r.Covariates {
		t.Rows = append(t.Rows, Row{Cells: append([]*Cell{words(w.term(c.Term, r))}, estimateCells(c.Est, Score)...)})
	}
	w.table(t)
	w.small("Strata and covariates are in the model because the draw was made within strata and because they make the comparison more precise; their own coefficients are not effects of anything.")
}

// term names a fixed effect.
func (w *writer) term(name string, r *sap.Results) string {
	for _, sep := range []string{"=", ": ", ":"} {
		if v, rest, ok := strings.Cut(name, sep); ok {
			if label := w.variable(v, r); label != v {
				return label + ": " + strings.TrimSpace(rest)
			}
		}
	}
	return w.variable(name, r)
}

// secondary shows the other outcomes.
func (w *writer) secondary() {
	var planned []string
	for _, o := range w.p.Outcomes {
		if !o.Primary {
			planned = append(planned, o.ID)
		}
	}
	if len(planned) == 0 && len(w.in.Results) < 2 {
		return
	}
	if len(w.in.Results) == 0 {
		w.gap("Secondary outcomes", w.noResults())
		return
	}
	w.figure(w.allEffects())
	t := &Table{ID: "secondary-effects", Title: "Effects on the other outcomes", Groups: []Group{{"", 3}, {w.level.String() + " confidence interval", 2}, {"", 3}},
		Columns: []Column{{Title: "Outcome"}, {"Adjusted difference", true}, {"Effect size", true}, {"from", true}, {"to", true}, {"p", true}, {w.measured(), true}, {"Schools", true}}}
	done := map[string]bool{}
	for i := range w.in.Results {
		r := &w.in.Results[i]
		if r.Plan.Role == sap.Primary {
			continue
		}
		done[r.Plan.Outcome] = true
		for _, c := range r.Contrasts {
			name := outcomeName(w, r)
			if len(r.Contrasts) > 1 {
				name += ": " + w.label(c.Arm)
			}
			if r.Plan.Role == sap.Exploratory {
				name += " (exploratory)"
			}
			e := estimateCells(c.EffectSize, EffectSize)
			e[0].Notes = w.notesOf(c.EffectSize.Warnings, r.Warnings)
			t.Rows = append(t.Rows, Row{Cells: []*Cell{words(name), number(c.Difference.Value, Score), e[0], e[3], e[4], e[5], count(c.EffectSize.Counts.PupilsUsed), count(c.EffectSize.Counts.SchoolsUsed)}, Recipe: w.recipe(r, c, c.EffectSize.Scale)})
		}
	}
	for _, id := range planned {
		if done[id] {
			continue
		}
		name := id
		if o := w.p.Outcome(id); o.Label != "" {
			name = o.Label
		}
		row := Row{Cells: []*Cell{words(name)}}
		for range 7 {
			row.Cells = append(row.Cells, absent("not analysed"))
		}
		t.Rows = append(t.Rows, row)
	}
	w.table(t)
	if w.p.Plan.Multiplicity != "" && w.p.Plan.Multiplicity != "none" {
		text := "The protocol plans to adjust these p-values for their number; the values shown are unadjusted."
		if w.anyAdjusted() {
			text += " The adjusted ones stand further below."
		}
		w.small(text)
	}
}
