package sap

import (
	"fmt"
	"math"
	"slices"

	"evenhand/analysis"
	"evenhand/analysis/attrition"
	"evenhand/analysis/describe"
	"evenhand/analysis/effectsize"
	"evenhand/analysis/mixed"
	"evenhand/analysis/robust"
)

// ScaleError says that the plan's effect size cannot be had from these data.
type ScaleError struct {
	Scale analysis.Scale
	Why   error
}

func (e *ScaleError) Error() string {
	return fmt.Sprintf("no effect size by %s: %v", e.Scale, e.Why)
}

func (e *ScaleError) Unwrap() error { return e.Why }

// Run estimates one outcome's effects by the plan on a Dataset, and describes
// arms, balance and attrition on the same rows. It is the same for arms by
// name and for arms relabelled to keep an analyst blind. The errors are those
// of the estimators (see mixed, robust): an estimate that the data cannot give.
//
// redraw gives the arms of d.Clusters, as places in d.Arms, in redraw i of the
// trial's own design; it is nil where the design is not at hand, and must be
// safe for concurrent use. Everything else comes from the plan and the data
// alone: the same again gives the same again.
func Run(plan Plan, d *analysis.Dataset, redraw func(i int) []int) (*Results, error) {
	model, err := planned(plan, d)
	if err != nil {
		return nil, err
	}
	use, err := attrition.UseOf(model, analysis.CompleteCase)
	if err != nil {
		return nil, fmt.Errorf("see which rows can be analysed: %w", err)
	}
	r := &Results{Plan: plan}
	if r.Counts, err = attrition.Count(model, use, -1); err != nil {
		return nil, fmt.Errorf("count the rows: %w", err)
	}
	if err := attrition.CheckCounts(r.Counts); err != nil {
		return nil, err
	}
	if r.Arms, err = armSummaries(plan, d); err != nil {
		return nil, fmt.Errorf("describe the arms: %w", err)
	}
	switch plan.Model {
	case MixedModel, PartiallyNested:
		err = r.mixed(model)
	case LinearModel:
		err = r.linear(model)
	default:
		err = fmt.Errorf("model %q: a plan's model is %s, %s or %s", plan.Model, MixedModel, PartiallyNested, LinearModel)
	}
	if err != nil {
		return nil, fmt.Errorf("estimate %s: %w", plan.Outcome, err)
	}
	if r.Balance, err = balance(d, use); err != nil {
		return nil, fmt.Errorf("describe the baseline: %w", err)
	}
	if len(d.Arms) == 2 {
		if r.Attrition, err = attritionNote(model, use, 1-d.Control); err != nil {
			return nil, fmt.Errorf("work out attrition: %w", err)
		}
	}
	r.beside(d, model, use, redraw)
	r.markRoles()
	return r, nil
}

// planned is the dataset with the plan's covariates only, so that a row is
// left out for those and for no other. "Stratum" is no column of its own.
func planned(plan Plan, d *analysis.Dataset) (*analysis.Dataset, error) {
	model := *d
	model.Covariates = nil
	for _, name := range plan.Covariates {
		if name == "Stratum" {
			continue
		}
		i := slices.IndexFunc(d.Covariates, func(c analysis.Column) bool { return c.Name == name })
		if i < 0 {
			return nil, fmt.Errorf("the plan's covariate %q is not among the data's", name)
		}
		model.Covariates = append(model.Covariates, d.Covariates[i])
	}
	return &model, nil
}

// rows are the model's rows. A single stratum is no covariate.
func (r *Results) rows(d *analysis.Dataset) (*mixed.Rows, error) {
	names := slices.Clone(r.Plan.Covariates)
	if len(d.Strata) < 2 {
		names = slices.DeleteFunc(names, func(s string) bool { return s == "Stratum" })
	}
	rows, err := mixed.FromDataset(d, names)
	if err != nil {
		return nil, err
	}
	rows.Outcome.Name = r.Plan.Outcome
	switch r.Plan.Model {
	case LinearModel: // schools are the rows, and no level above them
		rows.Levels = nil
	case PartiallyNested:
		rows.Levels = append([]mixed.Level{{Name: "Community", Index: d.Community, Labels: d.Communities}}, rows.Levels...)
	}
	return rows, nil
}

func (r *Results) estimand(arm, control string) analysis.Estimand {
	return analysis.Estimand{Outcome: r.Plan.Outcome, TimePoint: r.Plan.TimePoint, Arm: arm, Against: control, Set: analysis.CompleteCase}
}

// fit is the plan's model of pupils in schools, with the data it was fitted to.
func (r *Results) fit(d *analysis.Dataset) (*mixed.Fit, *mixed.Data, error) {
	rows, err := r.rows(d)
	if err != nil {
		return nil, nil, err
	}
	data, _, err := rows.Design()
	if err != nil {
		return nil, nil, err
	}
	fit, err := mixed.New(data, mixed.Model{})
	return fit, data, err
}

// mixed fits pupils in schools.
func (r *Results) mixed(d *analysis.Dataset) error {
	fit, data, err := r.fit(d)
	if err != nil {
		return err
	}
	r.Fit = FitNote{Method: fit.Description, Criterion: fit.Criterion, Iterations: fit.Iterations, Gradient: fit.Gradient, Singular: fit.Singular}
	r.Warnings = slices.Clone(fit.Warnings)
	if r.Plan.Model == MixedModel && len(d.Communities) > 0 {
		r.Warnings = append(r.Warnings, analysis.Warning{Code: "communities-not-modelled", Text: "The model knows schools but not communities. If schools of one community grow alike, its intervals are too short and its p-values too small (METHODS.md, Calibration): `model: partially nested` in the protocol gives communities a variance of their own."})
	}
	method := mixed.DF(r.Plan.DF)
	options := effectsize.Options{DF: method, Level: r.Plan.Level}
	control := d.Arms[d.Control]
	for a, arm := range d.Arms {
		if a == d.Control {
			continue
		}
		c := Contrast{Arm: arm, Against: control, Unadjusted: new(r.Arms[a].Mean - r.Arms[d.Control].Mean)}
		if c.Difference, err = effectsize.Difference(fit, arm, options); err != nil {
			return err
		}
		var missing map[analysis.Scale]error
		if c.EffectSizes, missing, err = effectsize.All(fit, arm, options); err != nil {
			return err
		}
		if err := r.add(c, missing); err != nil {
			return err
		}
	}
	r.severalArms(d, data.Columns, func(w [][]float64) (ArmsTest, error) {
		j, err := fit.Joint(w, method)
		return ArmsTest{F: j.F, DF1: j.DF1, DF2: finite(j.DF2), P: j.P, Method: string(j.Method)}, err
	}, func(_ string, w []float64) (analysis.Estimate, error) {
		t, err := fit.Contrast(w, method, r.Plan.Level)
		return analysis.Estimate{Method: fit.Description, Scale: analysis.ScaleDifference, Value: t.Estimate, SE: t.SE, DF: finite(t.DF), DFMethod: string(t.Method),
			Statistic: t.Statistic, P: t.P, Interval: analysis.Interval{Low: t.Low, High: t.High, Level: t.Level, Method: t.Method.Label()}, Warnings: fit.Warnings}, err
	})
	tests, err := fit.Tests(method, r.Plan.Level)
	if err != nil {
		return err
	}
	for i, t := range tests {
		if !fit.Coefficients[i].Arm {
			r.Covariates = append(r.Covariates, Coefficient{Term: t.Name, Est: analysis.Estimate{
				Method: fit.Description, Scale: analysis.ScaleDifference, Value: t.Estimate, SE: t.SE, DF: finite(t.DF), DFMethod: string(t.Method),
				Statistic: t.Statistic, P: t.P, Interval: analysis.Interval{Low: t.Low, High: t.High, Level: t.Level, Method: t.Method.Label()},
			}})
		}
	}
	for _, m := range []struct {
		name string
		data *mixed.Data
	}{{"conditional", data}, {"unconditional", data.Unconditional()}, {"empty", data.Empty()}} {
		f := fit
		if m.name != "conditional" {
			if f, err = mixed.New(m.data, mixed.Model{}); err != nil {
				return fmt.Errorf("the %s model: %w", m.name, err)
			}
		}
		for _, v := range f.Variances {
			r.Variances = append(r.Variances, Variance{Level: v.Level, Model: m.name, Value: v.Value})
		}
		iccs, err := f.ICCs(r.Plan.Level)
		if err != nil {
			return fmt.Errorf("ICC of the %s model: %w", m.name, err)
		}
		for _, i := range iccs {
			r.ICC = append(r.ICC, ICC{Level: i.Level, Model: m.name, Value: i.Value, CI: &analysis.Interval{Low: i.Low, High: i.High, Level: i.Conf, Method: i.Method}})
		}
	}
	return nil
}

// add completes a contrast with the counts, finds the plan's effect size, and
// keeps it.
func (r *Results) add(c Contrast, missing map[analysis.Scale]error) error {
	complete := func(e *analysis.Estimate) {
		e.Estimand, e.Counts = r.estimand(c.Arm, c.Against), r.Counts
	}
	complete(&c.Difference)
	found := false
	for i := range c.EffectSizes {
		complete(&c.EffectSizes[i])
		if c.EffectSizes[i].Scale == r.Plan.EffectSize {
			c.EffectSize, found = c.EffectSizes[i], true
		}
	}
	if !found {
		why := missing[r.Plan.EffectSize]
		if why == nil {
			why = fmt.Errorf("a %s model has no such SD", r.Plan.Model)
		}
		return &ScaleError{r.Plan.EffectSize, why}
	}
	r.Contrasts = append(r.Contrasts, c)
	return nil
}

// finite turns an infinite number of degrees of freedom (a z statistic) into
// the 0 that stands for "none".
func finite(df float64) float64 {
	if math.IsInf(df, 0) {
		return 0
	}
	return df
}

// linearMethod names the model where schools themselves are measured.
const linearMethod = "linear regression on schools, HC2 standard errors"

// linear fits schools as rows.
func (r *Results) linear(d *analysis.Dataset) error {
	rows, err := r.rows(d)
	if err != nil {
		return err
	}
	data, _, err := rows.Design()
	if err != nil {
		return err
	}
	fit, judged, err := leastSquares(data)
	if err != nil {
		return err
	}
	r.Fit = FitNote{Method: linearMethod}
	sigma := map[string]float64{"conditional": fit.Sigma}
	for name, reduced := range map[string]*mixed.Data{"unconditional": data.Unconditional(), "empty": data.Empty()} {
		f, _, err := leastSquares(reduced)
		if err != nil {
			return fmt.Errorf("the %s model: %w", name, err)
		}
		sigma[name] = f.Sigma
	}
	for _, name := range []string{"conditional", "unconditional", "empty"} {
		r.Variances = append(r.Variances, Variance{Level: mixed.Residual, Model: name, Value: sigma[name] * sigma[name]})
	}
	control := d.Arms[d.Control]
	for _, column := range data.Columns {
		c, err := judged.Coefficient(column.Name, r.Plan.Level)
		if err != nil {
			return err
		}
		e := analysis.Estimate{Method: linearMethod, Scale: analysis.ScaleDifference, Value: c.Estimate, SE: c.SE, DF: c.DF, DFMethod: c.DFMethod, Statistic: c.Statistic, P: c.P, Interval: c.Interval}
		if !column.Arm {
			r.Covariates = append(r.Covariates, Coefficient{Term: column.Name, Est: e})
			continue
		}
		a := slices.IndexFunc(d.Arms, func(arm string) bool { return mixed.ArmTerm(arm, control) == column.Name })
		contrast := Contrast{Arm: d.Arms[a], Against: control, Unadjusted: new(r.Arms[a].Mean - r.Arms[d.Control].Mean), Difference: e}
		t, k := r.Arms[a], r.Arms[d.Control]
		for _, s := range []struct {
			scale analysis.Scale
			sd    float64
		}{
			{analysis.ScaleTotalUnconditional, sigma["unconditional"]}, {analysis.ScaleTotalEmpty, sigma["empty"]}, {analysis.ScaleTotalConditional, sigma["conditional"]},
			{analysis.ScalePooledSD, describe.PooledSD(t.SD, t.N, k.SD, k.N)}, {analysis.ScaleControlSD, k.SD},
		} {
			if s.sd > 0 {
				contrast.EffectSizes = append(contrast.EffectSizes, inSD(e, s.scale, s.sd))
			}
		}
		if err := r.add(contrast, nil); err != nil {
			return err
		}
	}
	r.severalArms(d, data.Columns, func(w [][]float64) (ArmsTest, error) {
		t, err := judged.Naive(w)
		return ArmsTest(t), err
	}, func(name string, w []float64) (analysis.Estimate, error) {
		c, err := judged.Contrast(name, w, r.Plan.Level)
		return linearEstimate(c, linearMethod), err
	})
	return nil
}

func leastSquares(data *mixed.Data) (*robust.Fit, *robust.Inference, error) {
	fit, err := robust.Least(linearData(data))
	if err != nil {
		return nil, nil, err
	}
	judged, err := fit.Inference(robust.HC2)
	return fit, judged, err
}

// linearData is a model's columns for least squares.
func linearData(data *mixed.Data) robust.Data {
	d := robust.Data{Y: data.Y}
	for _, c := range data.Columns {
		column := robust.Column{Name: c.Name, Values: c.Values}
		if c.Values == nil {
			column = robust.Intercept(len(data.Y))
			column.Name = c.Name
		}
		d.X = append(d.X, column)
	}
	return d
}

// inSD is a difference in standard deviations, the SD taken as known.
func inSD(e analysis.Estimate, scale analysis.Scale, sd float64) analysis.Estimate {
	e.Scale, e.SD = scale, sd
	e.Value /= sd
	e.SE /= sd
	e.Interval.Low /= sd
	e.Interval.High /= sd
	e.Interval.Method += "; the difference's interval over the SD"
	return e
}

// armSummaries describes the raw scores by arm. The interval of a mean allows
// for schools (CR2); an arm with scores from one school has none.
func armSummaries(plan Plan, d *analysis.Dataset) ([]ArmSummary, error) {
	all := make([]ArmSummary, len(d.Arms))
	for a, arm := range d.Arms {
		s := ArmSummary{Arm: arm, Control: a == d.Control}
		var y []float64
		var cluster []int
		schools := map[int]bool{}
		for i := range d.ID {
			if d.Arm[i] != a {
				continue
			}
			if !d.Observed[i] {
				s.Missing++
				continue
			}
			y = append(y, d.Outcome[i])
			cluster = append(cluster, d.Cluster[i])
			schools[d.Cluster[i]] = true
		}
		summary, err := describe.Summarise(y, nil)
		if err != nil {
			return nil, fmt.Errorf("arm %s: %w", arm, err)
		}
		s.Schools, s.N, s.Mean, s.SD = len(schools), summary.N, summary.Mean, summary.SD
		if s.Schools > 1 && s.SD > 0 {
			fit, err := robust.Least(robust.Data{Y: y, X: []robust.Column{robust.Intercept(len(y))}, Cluster: cluster})
			if err != nil {
				return nil, fmt.Errorf("arm %s: %w", arm, err)
			}
			judged, err := fit.Inference(robust.CR2)
			if err != nil {
				return nil, fmt.Errorf("arm %s: %w", arm, err)
			}
			c, err := judged.Coefficients(plan.Level)
			if err != nil {
				return nil, fmt.Errorf("arm %s: %w", arm, err)
			}
			s.CI = c[0].Interval
		}
		all[a] = s
	}
	return all, nil
}

// balance compares the arms before the trial: everybody randomised, then those
// analysed; pupils' columns, then schools'.
func balance(d *analysis.Dataset, use attrition.Use) ([]BalanceRow, error) {
	schools := &analysis.Dataset{Arms: d.Arms, Control: d.Control, Clusters: d.Clusters, Strata: d.Strata, Communities: d.Communities, Covariates: d.SchoolCovariates}
	schools.ID = d.Clusters
	schools.Arm = make([]int, len(d.Clusters))
	schools.Outcome = make([]float64, len(d.Clusters))
	schools.Observed = make([]bool, len(d.Clusters))
	schools.Cluster = make([]int, len(d.Clusters))
	people := *d
	people.Observed = use.Used
	for i, c := range d.Cluster {
		schools.Arm[c], schools.Cluster[c] = d.Arm[i], c
		schools.Observed[c] = schools.Observed[c] || use.Used[i]
	}
	// A school without a pupil on the roster has no row to take its arm from.
	seen := make([]bool, len(d.Clusters))
	for _, c := range d.Cluster {
		seen[c] = true
	}
	for c := range seen {
		if !seen[c] {
			return nil, fmt.Errorf("school %s has no row", d.Clusters[c])
		}
	}
	var rows []BalanceRow
	for _, stage := range []struct {
		of   describe.Stage
		name string
	}{{describe.AsRandomised, "randomised"}, {describe.AsAnalysed, "analysed"}} {
		for _, level := range []struct {
			name string
			data *analysis.Dataset
		}{{"pupil", &people}, {"school", schools}} {
			for _, c := range level.data.Covariates {
				if c.Name == SessionsColumn { // it came after the draw
					continue
				}
				made, err := balanceRows(level.data, c, level.name, stage.of, stage.name)
				if err != nil {
					return nil, err
				}
				rows = append(rows, made...)
			}
		}
	}
	return rows, nil
}

// balanceRows joins the comparisons of each arm with the control arm into rows
// that hold every arm. With more than two arms the row's effect is that of the
// first arm that is not the control arm.
func balanceRows(d *analysis.Dataset, c analysis.Column, level string, stage describe.Stage, set string) ([]BalanceRow, error) {
	kind := describe.Continuous
	if c.Binary {
		kind = describe.Binary
	}
	if c.Levels != nil {
		kind = describe.Auto
	}
	var rows []BalanceRow
	first := true
	for a := range d.Arms {
		if a == d.Control {
			continue
		}
		compared, err := describe.Balance(d, c, kind, a, stage)
		if err != nil {
			return nil, err
		}
		if first {
			for _, b := range compared {
				row := BalanceRow{Variable: c.Name, Level: level, Category: b.Level, Set: set, Effect: b.EffectSize, HasEffect: b.HasEffectSize, Scale: "hedges-g", Arms: make([]ArmBalance, len(d.Arms))}
				if b.Kind == describe.Binary {
					row.Scale = "cox"
				}
				row.Arms[d.Control] = armBalance(b.Control, b.Kind)
				rows = append(rows, row)
			}
		}
		for i, b := range compared {
			rows[i].Arms[a] = armBalance(b.Arm, b.Kind)
		}
		first = false
	}
	return rows, nil
}

func armBalance(s describe.ArmSummary, kind describe.Kind) ArmBalance {
	b := ArmBalance{Arm: s.Arm, N: s.N, Missing: s.Missing, Mean: s.Mean}
	if kind == describe.Binary {
		b.Count = int(math.Round(s.Count))
	} else {
		b.SD = s.SD
	}
	return b
}

// attritionNote gives attrition of schools, and of all pupils randomised.
func attritionNote(d *analysis.Dataset, use attrition.Use, arm int) (*AttritionNote, error) {
	of, err := attrition.Arms(d, use, arm)
	if err != nil {
		return nil, err
	}
	note := &AttritionNote{}
	for _, l := range []struct {
		to   *AttritionLevel
		t, c attrition.Arm
	}{{&note.Schools, of.SchoolsT, of.SchoolsC}, {&note.Pupils, of.PupilsT, of.PupilsC}} {
		a, err := attrition.Assess(l.t, l.c)
		if err != nil {
			return nil, err
		}
		*l.to = AttritionLevel{
			RandomisedT: l.t.Randomised, RandomisedC: l.c.Randomised, AnalysedT: l.t.Analysed, AnalysedC: l.c.Analysed,
			Overall: a.Overall, Differential: a.Differential, Cautious: a.WWC.Cautious.Low, Optimistic: a.WWC.Optimistic.Low,
		}
		if b := a.WWC.Cautious.Boundary; b != nil {
			l.to.CautiousAt = *b
		}
		if b := a.WWC.Optimistic.Boundary; b != nil {
			l.to.OptimisticAt = *b
		}
	}
	return note, nil
}

// UseOf says which rows the plan's estimate uses, and why not the others.
func UseOf(plan Plan, d *analysis.Dataset) (attrition.Use, error) {
	model, err := planned(plan, d)
	if err != nil {
		return attrition.Use{}, err
	}
	return attrition.UseOf(model, analysis.CompleteCase)
}

// CountsByArm counts rows used and lost at both levels for each arm, as Run
// counts them for all: the numbers of the participant flow.
func CountsByArm(plan Plan, d *analysis.Dataset) ([]analysis.Counts, error) {
	use, err := UseOf(plan, d)
	if err != nil {
		return nil, err
	}
	all := make([]analysis.Counts, len(d.Arms))
	for a := range d.Arms {
		if all[a], err = attrition.Count(d, use, a); err != nil {
			return nil, err
		}
		if err := attrition.CheckCounts(all[a]); err != nil {
			return nil, err
		}
	}
	return all, nil
}
