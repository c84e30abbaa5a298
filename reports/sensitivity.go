package reports

import (
	"math"
	"strings"

	"evenhand/analysis"
	"evenhand/analysis/missing"
	"evenhand/analysis/permute"
	"evenhand/analysis/robust"
	"evenhand/analysis/sap"
	"evenhand/reports/figure"
)

// What the plan asks for beside the estimates: whether the answer holds under
// other assumptions, in subgroups, and among those who took part.

func (w *writer) robustnessPart() { w.ofPrimary(w.robustness) }
func (w *writer) subgroupPart()   { w.ofPrimary(w.subgroups) }
func (w *writer) compliancePart() { w.ofPrimary(w.compliance) }

func (w *writer) ofPrimary(write func(*sap.Results)) {
	if r := w.result(); r != nil {
		write(r)
	}
}

// robustness puts the planned estimate beside others of the same difference.
func (w *writer) robustness(r *sap.Results) {
	m := r.Missing
	if r.Randomisation == nil && r.PlainClusters == nil && (m == nil || m.Imputation == nil && m.Bounds == nil && m.Weighted == nil) {
		return
	}
	t := &Table{ID: "robustness", Title: "The primary outcome’s difference under other assumptions", Groups: []Group{{"", 3}, {w.level.String() + " interval", 2}, {"", 1}},
		Columns: []Column{{Title: "Analysis"}, {"Difference", true}, {"SE", true}, {"from", true}, {"to", true}, {"p", true}}}
	none := func() *Cell { return absent("–") }
	row := func(name string, cells ...*Cell) []*Cell {
		t.Rows = append(t.Rows, Row{Cells: append([]*Cell{words(name)}, cells...)})
		return cells
	}
	pooled := func(p missing.Pooled) []*Cell {
		return []*Cell{number(p.Estimate, Score), number(p.SE, Score), number(p.Interval.Low, Score), number(p.Interval.High, Score), number(p.P, PValue)}
	}
	short := func(e analysis.Estimate) []*Cell {
		c := estimateCells(e, Score)
		return []*Cell{c[0], c[1], c[3], c[4], c[5]}
	}
	var sentences []func()
	for i, c := range r.Contrasts {
		suffix := ""
		if len(r.Contrasts) > 1 {
			suffix = ": " + w.label(c.Arm)
		}
		row("As planned, complete cases"+suffix, short(c.Difference)...)
		t.Rows[len(t.Rows)-1].Strong = true
		if i < len(r.PlainClusters) {
			cells := row("As if communities made no difference: pupils in schools alone"+suffix, short(r.PlainClusters[i].Difference)...)
			sentences = append(sentences, func() {
				w.small("The planned model gives the communities of an arm that has them a variance of their own (partially nested). Without it the difference is {}; where schools of one community grow alike, its interval is too short.", cells[0])
			})
		}
		if test := r.Randomisation; test != nil {
			if p, ok := test.Of(c.Arm, permute.Difference); ok {
				low, high := none(), none()
				if in := test.Interval; in != nil {
					low, high = number(in.Low, Score), number(in.High, Score)
				}
				cells := row("Randomisation test, by redraws of the trial’s own design"+suffix, number(p.Observed, Score), none(), low, high, number(p.P, PValue))
				if r.PlainClusters != nil {
					cells[0].Notes = []int{w.note("redrawn-schools", "The redraws put whole schools into other arms and form no communities: the test’s statistic is the difference without them. It holds whatever the model.")}
				}
				if test.Interval == nil {
					cells[1].Notes = []int{w.note("no-interval", "No interval by redraws: "+test.Why+".")}
				}
				sentences = append(sentences, func() {
					w.small("If no school’s outcome would have been another in another arm, the share of draws that give at least such a difference is {}.", cells[4])
				})
			}
		}
		if m == nil {
			continue
		}
		if m.Imputation != nil && i < len(m.Imputation.Contrasts) {
			cells := row("Missing scores imputed"+suffix, pooled(m.Imputation.Contrasts[i].Difference)...)
			cells[0].Notes = w.notesOf(m.Imputation.Warnings)
		}
		for _, x := range m.Reference {
			if x.Arm == c.Arm {
				row("Those lost from the arm: "+referenceWords[x.Assumption]+suffix, pooled(x.Difference)...)
			}
		}
		if m.Weighted != nil && i < len(m.Weighted.Contrasts) {
			cells := row("Weighted by the inverse probability of being analysed"+suffix, short(m.Weighted.Contrasts[i].Difference)...)
			if len(m.Weighted.LeftOut) > 0 {
				cells[0].Notes = []int{w.note("weights-without-strata", "The model of who is analysed is without the strata: in some of them everybody was, or nobody.")}
			}
		}
		for _, b := range m.Bounds {
			if b.Arm != c.Arm {
				continue
			}
			if b.Lee != nil {
				row("Bounds if the arm can only keep, or only lose, pupils (Lee)"+suffix, none(), none(), number(b.Lee.Low, Score), number(b.Lee.High, Score), none())
			}
			if b.Range != nil {
				row("Bounds with any scores for those lost"+suffix, none(), none(), number(b.Range.Low, Score), number(b.Range.High, Score), none())
			}
		}
	}
	for _, s := range sentences {
		s()
	}
	w.table(t)
	t.Foot = append(t.Foot, "Bounds are of the difference of raw means, from the least to the greatest that it can be.")
	if m != nil && m.Imputation != nil {
		w.sampler(m.Imputation)
	}
	if m == nil || len(m.Delta) == 0 {
		return
	}
	shifts := &Table{ID: "shifts", Title: "If those lost from an arm had scored lower, or higher, than those like them who stayed", Groups: []Group{{"", 3}, {w.level.String() + " confidence interval", 2}, {"", 1}},
		Columns: []Column{{Title: "Arm"}, {"Imputed scores shifted by", true}, {"Difference", true}, {"from", true}, {"to", true}, {"p", true}}}
	for _, d := range m.Delta {
		for _, p := range d.Points {
			c := pooled(p.Pooled)
			shifts.Rows = append(shifts.Rows, Row{Cells: []*Cell{words(w.label(d.Arm)), number(p.Delta, Score), c[0], c[2], c[3], c[4]}})
		}
		for _, tip := range d.Tipping {
			if tip.Found {
				c := pooled(tip.At)
				shifts.Rows = append(shifts.Rows, Row{Cells: []*Cell{words(w.label(d.Arm) + ": the conclusion changes"), number(tip.Delta, Score), c[0], c[2], c[3], c[4]}, Strong: true})
			}
		}
	}
	w.table(shifts)
}

// referenceWords say what is assumed of those lost from an arm.
var referenceWords = map[missing.Reference]string{
	missing.JumpToReference: "from then on as the control arm (jump to reference)",
	missing.CopyIncrements:  "progressing from their baseline as the control arm (copy increments)",
	missing.CopyReference:   "as if in the control arm throughout (copy reference)",
}

// sampler shows how the imputations were made and whether the chains settled.
func (w *writer) sampler(i *sap.Imputation) {
	t := &Table{ID: "sampler", Title: "How missing values were imputed: the chains of each parameter after burn-in", Columns: []Column{{Title: "Parameter"}, {"Mean", true}, {"SD", true}, {"R-hat", true}, {"Effective draws", true}, {"Autocorrelation between imputations", true}}}
	left := 0
	for _, p := range i.Parameters {
		// Every stratum has a coefficient: of these only the results file tells.
		if !strings.Contains(p.Parameter, "arm: ") && !strings.Contains(p.Parameter, "variance") && p.RHat < i.RHat {
			left++
			continue
		}
		name := strings.ReplaceAll(p.Parameter, missing.OutcomeName, "outcome")
		if p.Arm != "" {
			name = w.label(p.Arm) + ", " + name
		}
		t.Rows = append(t.Rows, Row{Cells: []*Cell{words(capital(name)), number(p.Mean, Score), number(p.SD, SD), number(p.RHat, PValue), number(math.Round(p.ESS), Count), number(p.Lag, EffectSize)}})
	}
	settings := &Table{ID: "imputation", Title: "How missing values were imputed", Columns: []Column{{Title: "What"}, {"Value", true}}}
	if left > 0 {
		t.Foot = append(t.Foot, "Arms, variances and the parameter of the largest R-hat; the others are in the results at full precision.")
	}
	put := func(name string, c *Cell) {
		settings.Rows = append(settings.Rows, Row{Cells: []*Cell{words(name), c}})
	}
	put("Imputations", count(i.Imputations))
	put("Chains", count(i.Chains))
	put("Iterations thrown away at the start of each chain", count(i.BurnIn))
	put("Iterations between imputations", count(i.Between))
	put("Largest R-hat", number(i.RHat, PValue))
	put("Prior", words(i.Prior))
	if c := i.ICC; c != nil {
		put("ICC of the empty model, pooled", number(c.Estimate, ICC))
		put("ICC, from", number(c.Interval.Low, ICC))
		put("ICC, to", number(c.Interval.High, ICC))
	}
	if j := i.Joint; j != nil {
		put("All arms at once (D1): F", number(j.F, Score))
		put("All arms at once: p", number(j.P, PValue))
	}
	w.table(settings)
	w.table(t)
}

// subgroups shows the effect within each, and whether it differs.
func (w *writer) subgroups(r *sap.Results) {
	if len(r.Subgroups) == 0 {
		return
	}
	t := &Table{ID: "subgroups", Title: "Effect on the primary outcome by subgroup", Groups: []Group{{"", 2}, {w.level.String() + " confidence interval", 2}, {"", 1}},
		Columns: []Column{{Title: "Subgroup"}, {"Effect size", true}, {"from", true}, {"to", true}, {"p", true}}}
	p := figure.Intervals{Title: "Effect sizes by subgroup", Desc: "The primary outcome’s effect size in each subgroup: ", Axis: "Effect size (standard deviations) with " + w.level.String() + " confidence interval", Below: "favours control", Above: "favours the programme", Column: "effect size (interval)"}
	for _, s := range r.Subgroups {
		name := w.variable(s.Variable, r)
		add := func(title string, e analysis.Estimate, arm string, shown bool) {
			if len(r.Contrasts) > 1 {
				title += ": " + w.label(arm)
			}
			c := estimateCells(e, EffectSize)
			c[0].Notes = w.notesOf(e.Warnings)
			t.Rows = append(t.Rows, Row{Cells: []*Cell{words(title), c[0], c[3], c[4], c[5]}, Inset: !shown})
			if shown {
				row := figure.Interval{Label: title, Text: span(c[0], c[3], c[4]), Value: e.Value, Low: e.Interval.Low, High: e.Interval.High, Arm: w.arm(arm)}
				p.Rows = append(p.Rows, row)
				p.Desc += row.Label + " " + row.Text + ". "
			}
		}
		for _, e := range s.Within {
			add(name+": "+e.Value, e.EffectSize, e.Arm, true)
		}
		for _, e := range s.Interactions {
			add(name+": yes less no (interaction)", e.EffectSize, e.Arm, false)
		}
	}
	p.Desc = strings.TrimSpace(p.Desc)
	w.table(t)
	w.figure(&Figure{ID: "subgroups-figure", Title: "Effect sizes by subgroup", Drawing: p, Wide: true})
	w.small("Whether an effect differs between subgroups is answered by the interaction, not by one interval including no difference and the other not. Within a subgroup the effect size is over the subgroup’s own SD.")
}

// compliance shows who took part and the effect among those who did.
func (w *writer) compliance(r *sap.Results) {
	c := r.Compliance
	if c == nil {
		return
	}
	part := &Table{ID: "taking-part", Title: "Schools that took part as the protocol defines it",
		Columns: []Column{{Title: "Arm"}, {"Schools", true}, {"Took part", true}, {"Share", true}, {"Sessions attended, mean", true}}}
	for _, a := range c.Arms {
		part.Rows = append(part.Rows, Row{Cells: []*Cell{words(w.label(a.Arm)), count(a.Schools), count(a.Compliers), share(a.Compliers, a.Schools), number(a.Mean, Decimals1)}})
	}
	needed, held := count(c.Rule.AtLeast), count(c.Rule.Sessions)
	part.Rows = append(part.Rows, Row{Cells: []*Cell{words("Sessions that count as taking part, at least"), needed, absent("–"), absent("–"), absent("–")}},
		Row{Cells: []*Cell{words("Sessions planned"), held, absent("–"), absent("–"), absent("–")}})
	w.say("A school took part if at least {} of {} sessions were attended ("+c.Rule.By+").", needed, held)
	w.table(part)
	t := &Table{ID: "compliance", Title: "Effect of taking part", Groups: []Group{{"", 4}, {w.level.String() + " confidence interval", 2}, {"", 1}},
		Columns: []Column{{Title: "Quantity"}, {"Estimate", true}, {"SE", true}, {"df", true}, {"from", true}, {"to", true}, {"p", true}}}
	row := func(name string, e analysis.Estimate, f Format) {
		t.Rows = append(t.Rows, Row{Cells: append([]*Cell{words(name)}, estimateCells(e, f)...)})
	}
	none := func() *Cell { return absent("–") }
	row("Difference made by taking part (CACE)", c.CACE.Difference, Score)
	row("Effect size of taking part", c.CACE.EffectSize, EffectSize)
	t.Rows[len(t.Rows)-1].Strong = true
	if set := c.CACE.AndersonRubin; set.Kind == robust.BoundedSet {
		t.Rows = append(t.Rows, Row{Cells: []*Cell{words("Anderson–Rubin interval of the difference"), none(), none(), number(set.DF, DF), number(set.Low, Score), number(set.High, Score), none()}, Inset: true})
	} else {
		t.Foot = append(t.Foot, "The Anderson–Rubin set of the difference is no interval ("+string(set.Kind)+"): the arm says too little about taking part.")
	}
	if b := c.CACE.Bloom; b.Compliance != 0 {
		t.Rows = append(t.Rows, Row{Cells: []*Cell{words("By Bloom: difference drawn over difference in taking part"), number(b.Estimate, Score), number(b.SEDelta, Score), none(), none(), none(), none()}, Inset: true})
		t.Rows = append(t.Rows, Row{Cells: []*Cell{words("Taking part that being drawn made (first stage)"), number(b.Compliance, EffectSize), none(), none(), none(), none(), none()}, Inset: true})
	}
	if c.PerSession != nil {
		row("Difference made by each session", c.PerSession.Difference, Score)
	}
	if c.DoseResponse != nil {
		row("For each session more, among schools of the intervention arm (not experimental)", *c.DoseResponse, Score)
	}
	first := c.CACE.FirstStage
	t.Rows = append(t.Rows, Row{Cells: []*Cell{words("First-stage F"), number(first.F, Decimals1), none(), number(first.DF2, DF), none(), none(), number(first.P, PValue)}})
	if x := c.CACE.WuHausman; x != nil {
		t.Rows = append(t.Rows, Row{Cells: []*Cell{words("Wu–Hausman F: are those who took part otherwise like the others?"), number(x.F, Decimals1), none(), number(x.DF2, DF), none(), none(), number(x.P, PValue)}})
	}
	t.Notes = w.notesOf(c.Warnings)
	w.table(t)
	w.small("The arm that a school was drawn into is the instrument for taking part. This holds if being drawn changes outcomes only by taking part, and if no school took part because it was drawn into the control arm.")
}

// adjusted shows the secondary outcomes' p-values adjusted for their number.
func (w *writer) adjusted() {
	t := &Table{ID: "adjusted", Title: "P-values of the secondary outcomes, adjusted for their number", Columns: []Column{{Title: "Outcome"}, {"p", true}, {"Adjusted p", true}}}
	method := ""
	for i := range w.in.Results {
		r := &w.in.Results[i]
		if r.Adjusted == nil {
			continue
		}
		method = "by Benjamini and Hochberg, which keeps the share of false findings among all findings"
		if r.Adjusted.Method == sap.Holm {
			method = "by Holm, which keeps the chance of any false finding"
		}
		for _, p := range r.Adjusted.Contrasts {
			name := outcomeName(w, r)
			if len(r.Adjusted.Contrasts) > 1 {
				name += ": " + w.label(p.Arm)
			}
			t.Rows = append(t.Rows, Row{Cells: []*Cell{words(name), number(p.P, PValue), number(p.Adjusted, PValue)}})
		}
	}
	if len(t.Rows) == 0 {
		return
	}
	w.table(t)
	w.small("Adjusted " + method + ".")
}

// anyAdjusted says whether adjusted p-values are to be shown.
func (w *writer) anyAdjusted() bool {
	for i := range w.in.Results {
		if w.in.Results[i].Adjusted != nil {
			return true
		}
	}
	return false
}

// notRun names what the plan promises and the data did not allow.
func (w *writer) notRun() {
	t := &Table{ID: "not-run", Title: "Planned and not run", Columns: []Column{{Title: "Outcome"}, {Title: "Analysis"}, {Title: "Why it was not run"}}}
	for i := range w.in.Results {
		r := &w.in.Results[i]
		for _, n := range r.NotRun {
			t.Rows = append(t.Rows, Row{Cells: []*Cell{words(outcomeName(w, r)), words(capital(n.What)), words(capital(n.Why))}})
		}
	}
	if len(t.Rows) == 0 {
		return
	}
	w.table(t)
}
