package main

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"evenhand/analysis"
	"evenhand/analysis/effectsize"
	"evenhand/analysis/mixed"
	"evenhand/analysis/robust"
)

// fitJointTest is a test that all terms of a factor, or all arms', are zero.
type fitJointTest struct {
	Term string `json:"term"` // "arm", a factor's column, or "Treat × FSM"
	fitJoint
}

// jointTests tests the arms, where there are more than two, and every factor
// and interaction of several terms. Where there is no such test, a warning says
// why.
func (r *fitRows) jointTests(out *fitJSON, test func(columns []int) (fitJoint, error)) {
	for _, t := range r.data.Terms {
		if len(t.Columns) < 2 {
			continue
		}
		j, err := test(t.Columns)
		if err != nil {
			out.Warnings = append(out.Warnings, analysis.Warning{Code: "no-joint-test", Text: fmt.Sprintf("%s: no test of all terms at once: %v", t.Name, err)})
			continue
		}
		out.JointTests = append(out.JointTests, fitJointTest{t.Name, j})
	}
}

// mixedJoint tests several coefficients of a mixed model. Containment has no
// joint test: its chi-square is given.
func mixedJoint(fit *mixed.Fit, columns []int, df mixed.DF) (fitJoint, error) {
	var weights [][]float64
	for _, k := range columns {
		w := make([]float64, len(fit.Coefficients))
		w[k] = 1
		weights = append(weights, w)
	}
	if df == mixed.Containment {
		df = mixed.Z
	}
	j, err := fit.Joint(weights, df)
	if err != nil {
		return fitJoint{}, err
	}
	return fitJoint{j.F, j.DF1, finiteDF(j.DF2), j.P, string(j.Method)}, nil
}

// robustJoint tests several coefficients of least squares.
func robustJoint(judged *robust.Inference, fit *robust.Fit, columns []int) (fitJoint, error) {
	var names []string
	for _, k := range columns {
		names = append(names, fit.Names[k])
	}
	contrasts, err := fit.Pick(names...)
	if err != nil {
		return fitJoint{}, err
	}
	test, err := judged.HTZ(contrasts)
	if errors.Is(err, robust.ErrUnsupported) {
		test, err = judged.Naive(contrasts)
	}
	if err != nil {
		return fitJoint{}, err
	}
	return fitJoint{test.F, test.DF1, finiteDF(test.DF2), test.P, test.Method}, nil
}

// fitProfile are profile-likelihood intervals: of coefficients by maximum
// likelihood, of variances by the fit's own criterion.
type fitProfile struct {
	Coefficients []fitProfileInterval `json:"coefficients"`
	Variances    []fitProfileInterval `json:"variances"`
}

type fitProfileInterval struct {
	Level string      `json:"level,omitempty"` // of a variance, as in the fit's list
	Term  string      `json:"term"`            // the coefficient; of a slope's variance its column
	CI    *[2]float64 `json:"ci"`              // null where there is none
	Why   string      `json:"why,omitempty"`   // why there is none
}

func profileOf(fit *mixed.Fit, confidence float64) *fitProfile {
	var p fitProfile
	interval := func(level, term string, low, high float64, err error) fitProfileInterval {
		i := fitProfileInterval{Level: level, Term: term, CI: &[2]float64{low, high}}
		if err != nil {
			i.CI, i.Why = nil, err.Error()
		}
		return i
	}
	for _, c := range fit.Coefficients {
		low, high, err := fit.ProfileCoefficient(c.Name, confidence)
		p.Coefficients = append(p.Coefficients, interval("", c.Name, low, high, err))
	}
	for i, v := range fit.Variances {
		low, high, err := fit.ProfileVariance(i, confidence)
		p.Variances = append(p.Variances, interval(levelName(v), v.Term, low, high, err))
	}
	return &p
}

// levelName is a variance's level, with its arm where it is of one.
func levelName(v mixed.Variance) string {
	if v.Arm != "" {
		return v.Level + ", arm " + v.Arm
	}
	return v.Level
}

func (a *app) showProfile(p *fitProfile, confidence float64) {
	if p == nil {
		return
	}
	a.say("")
	rows := [][]string{{"profile likelihood", fmt.Sprintf("%.6g %% interval", 100*confidence)}}
	for _, list := range [][]fitProfileInterval{p.Coefficients, p.Variances} {
		for _, i := range list {
			text := i.Why
			if i.CI != nil {
				text = fmt.Sprintf("%.6g to %.6g", i.CI[0], i.CI[1])
			}
			name := i.Level
			switch {
			case name == "":
				name = i.Term
			case i.Term != "":
				name += ", " + i.Term
			}
			rows = append(rows, []string{name, text})
		}
	}
	a.table(rows)
}

// fitSchoolEffect is the predicted effect of a group: a best linear unbiased
// prediction.
type fitSchoolEffect struct {
	Level string  `json:"level"`
	Group string  `json:"group"`
	Term  string  `json:"term"` // "" for the intercept, else the column of a slope
	Value float64 `json:"value"`
	// SE has the coefficients' uncertainty in it, ConditionalSE has not (as
	// lme4's condVar).
	SE            float64 `json:"se"`
	ConditionalSE float64 `json:"conditional_se"`
}

func schoolEffectsOf(fit *mixed.Fit) ([]fitSchoolEffect, error) {
	all := []fitSchoolEffect{}
	for _, l := range fit.Groups {
		effects, err := fit.Effects(l.Level)
		if err != nil {
			return nil, err
		}
		for _, e := range effects {
			all = append(all, fitSchoolEffect{e.Level, e.Label, e.Term, e.Value, e.SE, e.ConditionalSE})
		}
	}
	return all, nil
}

func (a *app) showSchoolEffects(all []fitSchoolEffect) {
	if len(all) == 0 {
		return
	}
	a.say("")
	rows := [][]string{{"effect of", "", "predicted", "SE"}}
	for _, e := range all {
		name := e.Level
		if e.Term != "" {
			name += ", " + e.Term
		}
		rows = append(rows, []string{name, e.Group, fmt.Sprintf("%.6g", e.Value), fmt.Sprintf("%.6g", e.SE)})
	}
	a.table(rows)
}

// fitHedges is the effect size by a closed form of Hedges, for comparison with
// published ones: that of 2007 for schools of any size, that of 2011 for schools
// of as many classes of as many pupils each.
type fitHedges struct {
	Term   string    `json:"term"`
	Method string    `json:"method"`
	SD     float64   `json:"sd"`  // pooled, of the raw scores
	ICC    []float64 `json:"icc"` // of the model without covariates, outermost first
	Factor float64   `json:"factor"`
	D      float64   `json:"d"`
	J      float64   `json:"j"`
	G      float64   `json:"g"`
	SE     float64   `json:"se"` // of g, by the delta method
	DF     float64   `json:"df"`
}

// closedForm is for pupils in schools that are each in one arm; nil for others.
func (r *fitRows) closedForm(out *fitJSON, term, arm string, unconditional *mixed.Fit) *fitHedges {
	if r.mixedModel().Slope != mixed.NoSlope || len(r.byArm) > 0 || r.partial != "" || len(r.data.Levels) > 2 {
		return nil
	}
	t, c := slices.Index(r.data.Arms, arm), r.data.Control
	school := r.data.Levels[0]
	size, armOf := map[int]int{}, map[int]int{}
	for i, g := range school.Index {
		if of, ok := armOf[g]; ok && of != r.data.Arm[i] {
			return nil
		}
		armOf[g] = r.data.Arm[i]
		size[g]++
	}
	var z effectsize.Sizes
	for g := range size {
		switch armOf[g] {
		case t:
			z.Treated = append(z.Treated, size[g])
		case c:
			z.Control = append(z.Control, size[g])
		}
	}
	slices.Sort(z.Treated)
	slices.Sort(z.Control)
	i := slices.IndexFunc(out.Coefficients, func(c fitCoefficient) bool { return c.Term == term })
	raw, err := r.rawSDs(t)
	if i < 0 || err != nil {
		return nil
	}
	h := &fitHedges{Term: term, SD: raw[analysis.ScalePooledSD].sd}
	total := unconditional.VarianceOf(mixed.Residual)
	for _, l := range r.data.Levels {
		total += unconditional.VarianceOf(l.Name)
	}
	for _, l := range r.data.Levels {
		h.ICC = append(h.ICC, unconditional.VarianceOf(l.Name)/total)
	}
	difference := out.Coefficients[i].Estimate
	if len(r.data.Levels) == 1 {
		f, err := effectsize.NewHedges2007(difference, h.SD, h.ICC[0], z)
		if err != nil {
			return nil
		}
		h.Method = "Hedges 2007, total SD, unequal sizes"
		h.Factor, h.D, h.J, h.G, h.SE, h.DF = f.Factor, f.D, f.J, f.G, f.SEG, f.DF
		return h
	}
	// Three levels: only where all schools and classes are of one size.
	pupils, classes := map[int]int{}, map[int]map[int]bool{}
	for i, g := range r.data.Levels[1].Index {
		pupils[g]++
		s := school.Index[i]
		if classes[s] == nil {
			classes[s] = map[int]bool{}
		}
		classes[s][g] = true
	}
	n, p := pupils[r.data.Levels[1].Index[0]], len(classes[school.Index[0]])
	for _, k := range pupils {
		if k != n {
			return nil
		}
	}
	for _, k := range classes {
		if len(k) != p {
			return nil
		}
	}
	f, err := effectsize.NewHedges2011(difference, h.SD, n, p, len(z.Treated), len(z.Control), h.ICC[0], h.ICC[1])
	if err != nil {
		return nil
	}
	h.Method = "Hedges 2011, total SD, three balanced levels"
	h.Factor, h.D, h.J, h.G, h.SE, h.DF = f.Factor, f.D, f.J, f.G, f.J*math.Sqrt(f.VarD), f.DF
	return h
}

// fitMonths is an effect size as months of progress: a convention for readers.
type fitMonths struct {
	Term       string  `json:"term"`
	EffectSize float64 `json:"effect_size"` // in the total SD of the model without covariates
	Months     int     `json:"months"`
	Beyond     bool    `json:"beyond_table"`
	Table      string  `json:"table"`
	Note       string  `json:"note"`
}

const monthsNote = "a convention for readers, not an estimate; check the table against the funder's current one, or give another with --months"

// monthsOf adds months of progress for each arm.
func (r *fitRows) monthsOf(out *fitJSON) error {
	table := effectsize.EEFTrialMonths
	if r.months != "" {
		var err error
		if table, err = r.monthsTable(); err != nil {
			return err
		}
	}
	for _, e := range out.EffectSizes {
		if e.Denominator != analysis.ScaleTotalUnconditional || r.armOf(e.Term) < 0 {
			continue
		}
		months, beyond, err := table.Months(e.Value)
		if err != nil {
			return err
		}
		out.Months = append(out.Months, fitMonths{e.Term, e.Value, months, beyond, table.Name, monthsNote})
	}
	return nil
}

// monthsTable reads a table of months.
func (r *fitRows) monthsTable() (effectsize.MonthsTable, error) {
	var table effectsize.MonthsTable
	d, err := r.open(r.months)
	if err != nil {
		return table, err
	}
	table.Name = d.file
	months, from, to := d.number("months", "months"), d.number("months", "from"), d.number("months", "to")
	if len(d.faults) > 0 {
		return table, d.fault()
	}
	for i := range months.Values {
		if !months.Observed[i] || !from.Observed[i] || !to.Observed[i] || months.Values[i] != float64(int(months.Values[i])) {
			return table, fmt.Errorf("--months: %s row %d: months must be a whole number, from and to effect sizes", d.file, d.t.At[i])
		}
		table.Rows = append(table.Rows, effectsize.MonthsRow{Months: int(months.Values[i]), From: from.Values[i], To: to.Values[i]})
	}
	return table, table.Check()
}

func (a *app) showMonths(all []fitMonths) {
	var each []string
	for _, m := range all {
		text := fmt.Sprintf("%s: %d", m.Term, m.Months)
		if m.Beyond {
			text += " or more"
		}
		each = append(each, text)
	}
	if len(each) > 0 {
		a.say("months of progress: %s, by the %s; %s", strings.Join(each, ", "), all[0].Table, all[0].Note)
	}
}

func (a *app) showWild(all []robust.Bootstrap) {
	for _, b := range all {
		how := fmt.Sprintf("%d replicates", b.Replicates)
		if b.Enumerated {
			how = fmt.Sprintf("all %d assignments", b.Replicates)
		}
		a.say("")
		a.say("wild cluster bootstrap of %s (%s weights, %s): p = %.4g, interval %.6g to %.6g", b.Name, b.Weights, how, b.P, b.Low, b.High)
	}
}
