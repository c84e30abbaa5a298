package main

import (
	"errors"
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"evenhand/analysis"
	"evenhand/analysis/describe"
	"evenhand/analysis/effectsize"
	"evenhand/analysis/means"
	"evenhand/analysis/mixed"
	"evenhand/analysis/robust"
)

// mixedModel is what the flags ask of a mixed model.
func (r *fitRows) mixedModel() mixed.Model {
	return mixed.Model{Method: mixed.Method(strings.ToUpper(r.method.value)), Slope: mixed.Slope(r.slope.value),
		ResidualByArm: slices.Contains(r.byArm, byArmResidual), GroupsByArm: slices.Contains(r.byArm, byArmClusters)}
}

// mixed fits pupils in schools.
func (r *fitRows) mixed(out *fitJSON) error {
	fit, err := mixed.New(r.data, r.mixedModel())
	if err != nil {
		return err
	}
	df := mixed.DF(r.df.value)
	out.Model = fit.Description
	out.Warnings = append(out.Warnings, fit.Warnings...)
	out.Criterion = &fitCriterion{string(fit.Method), fit.Criterion}
	out.Convergence = &fitConvergence{fit.Iterations, fit.Gradient, fit.Tolerance, fit.Singular}
	out.groups(fit.Groups)
	tests, err := fit.Tests(df, r.confidence)
	if err != nil {
		return err
	}
	for _, t := range tests {
		out.Coefficients = append(out.Coefficients, coefficient(t))
	}
	r.jointTests(out, func(columns []int) (fitJoint, error) { return mixedJoint(fit, columns, df) })
	if r.profile {
		out.Profile = profileOf(fit, r.confidence)
	}
	if r.schoolEffects {
		if out.SchoolEffects, err = schoolEffectsOf(fit); err != nil {
			return err
		}
	}
	for _, v := range fit.Variances {
		out.Variances = append(out.Variances, fitVariance{levelName(v), v.Term, v.Value, someOr0(v.SE)})
	}
	iccs, err := fit.ICCs(r.confidence)
	if err != nil {
		return err
	}
	for _, i := range iccs {
		out.ICC = append(out.ICC, fitICC{i.Level, i.Value, &[2]float64{i.Low, i.High}})
	}
	for i, arm := range r.data.Arms {
		if i == r.data.Control {
			continue
		}
		if err := r.mixedEffects(out, fit, arm, df); err != nil {
			return err
		}
	}
	return nil
}

// mixedEffects adds an arm's effect sizes.
func (r *fitRows) mixedEffects(out *fitJSON, fit *mixed.Fit, arm string, df mixed.DF) error {
	term := mixed.ArmTerm(arm, out.Control)
	all, missing, err := effectsize.All(fit, arm, effectsize.Options{DF: df, Level: r.confidence})
	if err != nil {
		return err
	}
	for _, e := range all {
		out.effect(term, e)
	}
	for _, scale := range effectsize.Scales {
		if why, ok := missing[scale]; ok {
			out.Warnings = append(out.Warnings, analysis.Warning{Code: "no-effect-size", Text: fmt.Sprintf("%s vs %s: no effect size by %s: %v", arm, out.Control, scale, why)})
		}
	}
	denominators, _ := effectsize.Denominators(fit, arm)
	for _, d := range denominators {
		if d.Scale == analysis.ScaleTotalUnconditional {
			if h := r.closedForm(out, term, arm, d.Fit); h != nil {
				out.Hedges = append(out.Hedges, *h)
			}
		}
		if d.Fit == nil { // raw SDs have no variance components
			continue
		}
		g, err := effectsize.NewGMLM(fit, arm, d, mixed.ExpectedInformation, r.confidence)
		if err != nil {
			continue // said already where the denominator itself is missing
		}
		for _, w := range g.Warnings {
			if w.Code == effectsize.WarnFewFreedom {
				w.Text = fmt.Sprintf("g by %s: %s", d.Scale, w.Text)
				out.Warnings = append(out.Warnings, w)
			}
		}
		out.GMLM = append(out.GMLM, fitGMLM{term, d.Scale, g.SD, g.Delta, g.G, g.SE, g.SELmeInfo, g.DF, g.J,
			[2]float64{g.Symmetric.Low, g.Symmetric.High}, [2]float64{g.Noncentral.Low, g.Noncentral.High}})
	}
	// That package's models only: other fits have no such variants.
	if variants, err := effectsize.EEFAnalytics(fit, arm); err == nil {
		for _, v := range variants {
			if math.IsInf(v.SE, 0) || math.IsNaN(v.SE) {
				continue // its formula divides by nothing, with as few rows as these
			}
			out.EEF = append(out.EEF, fitEEF{term, v.Name, v.Value, [2]float64{v.Low, v.High}, v.SE, v.Plain})
		}
	}
	return nil
}

func (out *fitJSON) groups(all []mixed.GroupCount) {
	for _, g := range all {
		out.N.Groups = append(out.N.Groups, fitGroups{g.Level, g.N})
	}
}

func (out *fitJSON) effect(term string, e analysis.Estimate) {
	out.EffectSizes = append(out.EffectSizes, fitEffect{term, e.Scale, someOr0(e.SD), e.Value, some(e.SE), [2]float64{e.Interval.Low, e.Interval.High}, finiteDF(e.DF), e.Interval.Method, someOr0(e.HedgesJ), someOr0(e.HedgesDF)})
	for _, w := range e.Warnings {
		if !slices.Contains(out.Warnings, w) {
			out.Warnings = append(out.Warnings, w)
		}
	}
}

func coefficient(t mixed.Inference) fitCoefficient {
	return fitCoefficient{t.Name, t.Estimate, t.SE, finiteDF(t.DF), some(t.Statistic), some(t.P), [2]float64{t.Low, t.High}, string(t.Method)}
}

// logistic fits an outcome that is passed or failed.
func (r *fitRows) logistic(out *fitJSON) error {
	fit, err := mixed.NewLogistic(r.data, r.quadrature)
	if err != nil {
		return err
	}
	out.Model, out.statistic = fit.Description, "z"
	out.Warnings = append(out.Warnings, fit.Warnings...)
	out.Criterion = &fitCriterion{"ML", -2 * fit.LogLik}
	out.Convergence = &fitConvergence{fit.Iterations, fit.Gradient, fit.Tolerance, fit.Singular}
	out.groups(fit.Groups)
	for _, c := range fit.Coefficients {
		t, err := fit.Test(c.Name, r.confidence)
		if err != nil {
			return err
		}
		out.Coefficients = append(out.Coefficients, coefficient(t))
	}
	level := r.data.Levels[0].Name
	// σ has a standard error; by the delta method σ² has one of 2σ times that.
	out.Variances = append(out.Variances, fitVariance{Level: level, Value: fit.Sigma * fit.Sigma, SE: someOr0(2 * fit.Sigma * fit.SigmaSE)})
	icc := fitICC{Level: level, Value: fit.ICC}
	if low, high, ok := fit.ICCInterval(r.confidence); ok {
		icc.CI = &[2]float64{low, high}
	}
	out.ICC = append(out.ICC, icc)
	for i, arm := range r.data.Arms {
		if i == r.data.Control {
			continue
		}
		term := mixed.ArmTerm(arm, out.Control)
		all, err := effectsize.OfLogistic(fit, arm, r.confidence)
		if err != nil {
			return err
		}
		for _, e := range all {
			out.effect(term, e)
			if e.Scale != analysis.ScaleLogOdds {
				continue
			}
			odds, interval, err := effectsize.OddsRatio(e)
			if err != nil {
				return err
			}
			out.EffectSizes = append(out.EffectSizes, fitEffect{Term: term, Denominator: "odds-ratio", Value: odds, CI: [2]float64{interval.Low, interval.High}, Method: interval.Method})
		}
	}
	return nil
}

// byschools says whether a variance allows for pupils of one school being alike.
func byschools(v robust.Variance) bool { return strings.HasPrefix(string(v), "CR") }

// variance is the estimator of standard errors asked for.
func (r *fitRows) variance() (robust.Variance, error) {
	v := robust.Variance(r.se.value)
	switch {
	case v == "" && r.cluster != "":
		return robust.CR2, nil
	case v == "":
		return robust.HC2, nil
	case byschools(v) && r.cluster == "":
		return "", usagef("--se %s is robust to schools: --cluster is missing", v)
	}
	return v, nil
}

// columns are the model's, for least squares.
func (r *fitRows) columns(data *mixed.Data) []robust.Column {
	var all []robust.Column
	for _, c := range data.Columns {
		column := robust.Column{Name: c.Name, Values: c.Values}
		if c.Values == nil {
			column = robust.Intercept(len(data.Y))
			column.Name = c.Name
		}
		all = append(all, column)
	}
	return all
}

func (r *fitRows) least(data *mixed.Data) (*robust.Fit, error) {
	return robust.Least(robust.Data{Y: data.Y, X: r.columns(data), Cluster: r.school.Codes, Weights: r.weights})
}

// judged adds the coefficients of a linear fit.
func (out *fitJSON) judged(in *robust.Inference, level float64) ([]robust.Coefficient, error) {
	all, err := in.Coefficients(level)
	if err != nil {
		return nil, err
	}
	for _, c := range all {
		out.Coefficients = append(out.Coefficients, fitCoefficient{c.Name, c.Estimate, c.SE, finiteDF(c.DF), some(c.Statistic), some(c.P), [2]float64{c.Interval.Low, c.Interval.High}, c.DFMethod})
	}
	return all, nil
}

// ols fits by least squares.
func (r *fitRows) ols(out *fitJSON) error {
	v, err := r.variance()
	if err != nil {
		return err
	}
	fit, err := r.least(r.data)
	if err != nil {
		return err
	}
	if 1-fit.R2 < 1e-13 {
		return &mixed.PerfectFitError{Outcome: r.outcome}
	}
	judged, err := fit.Inference(v)
	if err != nil {
		return err
	}
	out.Model = r.linearName("least squares", v)
	all, err := out.judged(judged, r.confidence)
	if err != nil {
		return err
	}
	r.jointTests(out, func(columns []int) (fitJoint, error) { return robustJoint(judged, fit, columns) })
	if r.wild > 0 {
		for _, c := range all {
			if r.armOf(c.Name) < 0 {
				continue
			}
			b, err := fit.WildBootstrap(c.Name, robust.BootstrapOptions{Level: r.confidence, Replicates: r.wild, Seed: r.seed})
			if err != nil {
				return err
			}
			out.Wild = append(out.Wild, b)
		}
	}
	return r.linearEffects(out, all, fit)
}

func (r *fitRows) linearName(what string, v robust.Variance) string {
	if r.weights != nil {
		what = "weighted " + what
	}
	return fmt.Sprintf("%s, %s standard errors", what, v)
}

// linearEffects divides the coefficients of interest of a linear model by SDs:
// the residual SDs of the models without school effects, and raw ones.
func (r *fitRows) linearEffects(out *fitJSON, all []robust.Coefficient, fit *robust.Fit) error {
	out.Variances = append(out.Variances, fitVariance{Level: mixed.Residual, Value: fit.Sigma * fit.Sigma})
	if fit.Own < robust.IllConditioned {
		out.Warnings = append(out.Warnings, analysis.Warning{Code: mixed.WarnIllConditioned,
			Text: fmt.Sprintf("Column %s is nearly a combination of the columns before it (only %.1g of its length is its own): its coefficient is hardly determined, and about %d of 16 digits of it are lost to how the data were rounded.", fit.Weakest, fit.Own, int(math.Ceil(-math.Log10(fit.Own))))})
	}
	sd, err := r.leastSDs()
	if err != nil {
		return err
	}
	sd[analysis.ScaleTotalConditional] = denominator{fit.Sigma, float64(fit.DFResidual)}
	for _, c := range all {
		arm := r.armOf(c.Name)
		if arm < 0 && (r.receivedCol == "" || c.Name != r.receivedCol) {
			continue
		}
		if err := r.divide(out, sd, c.Name, arm, c.Estimate, c.SE, c.DF, c.Interval); err != nil {
			return err
		}
	}
	return nil
}

// denominator is an SD with its degrees of freedom.
type denominator struct{ sd, df float64 }

// leastSDs are the residual SDs of the models of the arms alone and of the
// intercept alone, without school effects.
func (r *fitRows) leastSDs() (map[analysis.Scale]denominator, error) {
	sd := map[analysis.Scale]denominator{}
	for scale, data := range map[analysis.Scale]*mixed.Data{analysis.ScaleTotalUnconditional: r.data.Unconditional(), analysis.ScaleTotalEmpty: r.data.Empty()} {
		f, err := r.least(data)
		if err != nil {
			return nil, err
		}
		sd[scale] = denominator{f.Sigma, float64(f.DFResidual)}
	}
	return sd, nil
}

// divide adds the effect sizes of a difference by the SDs given and by raw ones,
// its interval divided likewise.
func (r *fitRows) divide(out *fitJSON, sd map[analysis.Scale]denominator, term string, arm int, estimate, se, df float64, interval analysis.Interval) error {
	raw, err := r.rawSDs(arm)
	if err != nil {
		return err
	}
	for _, scale := range effectsize.Scales {
		d, ok := sd[scale]
		if !ok {
			d, ok = raw[scale]
		}
		if !ok || !(d.sd > 0) {
			continue
		}
		e := fitEffect{term, scale, some(d.sd), estimate / d.sd, some(se / d.sd), [2]float64{interval.Low / d.sd, interval.High / d.sd}, finiteDF(df), interval.Method + "; the difference's interval over the SD", nil, nil}
		if d.df > 1 {
			e.HedgesJ, e.HedgesDF = some(effectsize.J(d.df)), some(d.df)
		}
		out.EffectSizes = append(out.EffectSizes, e)
	}
	return nil
}

// armOf is the place of the arm whose coefficient has a name, or −1.
func (r *fitRows) armOf(term string) int {
	for a, arm := range r.data.Arms {
		if a != r.data.Control && mixed.ArmTerm(arm, r.data.Arms[r.data.Control]) == term {
			return a
		}
	}
	return -1
}

// rawSDs are the SDs of raw scores, for the comparison of an arm with the
// control arm (of all other arms with it, where arm is negative).
func (r *fitRows) rawSDs(arm int) (map[analysis.Scale]denominator, error) {
	var treated, control []float64
	for i, a := range r.data.Arm {
		switch {
		case a == r.data.Control:
			control = append(control, r.data.Y[i])
		case a == arm || arm < 0:
			treated = append(treated, r.data.Y[i])
		}
	}
	t, err := describe.Summarise(treated, nil)
	if err != nil {
		return nil, err
	}
	c, err := describe.Summarise(control, nil)
	if err != nil {
		return nil, err
	}
	return map[analysis.Scale]denominator{
		analysis.ScalePooledSD:  {describe.PooledSD(t.SD, t.N, c.SD, c.N), float64(t.N + c.N - 2)},
		analysis.ScaleControlSD: {c.SD, float64(c.N - 1)},
	}, nil
}

// fitIV is what instrumental variables add.
type fitIV struct {
	FirstStage fitJoint       `json:"first_stage"` // that the arm moves what was received
	Reduced    fitCoefficient `json:"intention_to_treat"`
	// AndersonRubin is null with more than two arms.
	AndersonRubin *robust.AndersonRubin `json:"anderson_rubin"`
	Bloom         *robust.Bloom         `json:"bloom"`
}

// iv estimates the effect of what was received, by two-stage least squares.
func (r *fitRows) iv(out *fitJSON) error {
	v, err := r.variance()
	if err != nil {
		return err
	}
	name := r.receivedCol
	d := robust.IVData{Y: r.data.Y, Endogenous: []string{name}, Cluster: r.school.Codes, Weights: r.weights}
	for i, c := range r.columns(r.data) {
		switch {
		case c.Name == name:
			return usagef("--received: %s is a covariate too", name)
		case r.data.Columns[i].Arm:
			d.Instruments = append(d.Instruments, c)
		default:
			d.X = append(d.X, c)
		}
	}
	d.X = slices.Insert(d.X, 1, robust.Column{Name: name, Values: r.received})
	iv, err := robust.TwoStage(d)
	if err != nil {
		return err
	}
	judged, err := iv.Inference(v)
	if err != nil {
		return err
	}
	out.Model = r.linearName(fmt.Sprintf("two-stage least squares, %s instrumented by the arm", name), v)
	all, err := out.judged(judged, r.confidence)
	if err != nil {
		return err
	}
	first, err := iv.FirstStage(0, v)
	if err != nil {
		return err
	}
	out.IV = &fitIV{FirstStage: fitJoint{first.F, first.DF1, finiteDF(first.DF2), first.P, first.Method}}
	if first.F < robust.WeakF {
		out.Warnings = append(out.Warnings, analysis.Warning{Code: "weak-instrument", Text: fmt.Sprintf("The arm hardly moves %s (first-stage F %.2f, below %g): the estimate leans towards least squares and its interval is not to be trusted; read the Anderson-Rubin set.", name, first.F, float64(robust.WeakF))})
	}
	reduced, err := iv.Reduced.Inference(v)
	if err != nil {
		return err
	}
	itt, err := reduced.Coefficient(iv.Instrument[0], r.confidence)
	if err != nil {
		return err
	}
	out.IV.Reduced = fitCoefficient{itt.Name, itt.Estimate, itt.SE, finiteDF(itt.DF), some(itt.Statistic), some(itt.P), [2]float64{itt.Interval.Low, itt.Interval.High}, itt.DFMethod}
	if len(iv.Instrument) == 1 {
		set, err := iv.AndersonRubin(v, r.confidence)
		if err != nil {
			return err
		}
		bloom, err := iv.Bloom(v)
		if err != nil {
			return err
		}
		out.IV.AndersonRubin, out.IV.Bloom = &set, &bloom
	}
	return r.linearEffects(out, all, iv.Fit)
}

func (a *app) showIV(iv *fitIV) {
	if iv == nil {
		return
	}
	a.say("")
	f := iv.FirstStage
	df := "∞"
	if f.DF2 != nil {
		df = fmt.Sprintf("%.2f", *f.DF2)
	}
	a.say("first stage: F = %.4g on %g and %s degrees of freedom (%s)", f.F, f.DF1, df, f.Method)
	a.say("intention to treat: %.6g (%.6g to %.6g)", iv.Reduced.Estimate, iv.Reduced.CI[0], iv.Reduced.CI[1])
	if set := iv.AndersonRubin; set != nil {
		switch set.Kind {
		case robust.BoundedSet:
			a.say("Anderson-Rubin interval: %.6g to %.6g", set.Low, set.High)
		case robust.Complement:
			a.say("Anderson-Rubin set: everything but %.6g to %.6g", set.Low, set.High)
		default:
			a.say("Anderson-Rubin set: %s", set.Kind)
		}
	}
	if iv.Bloom != nil {
		a.say("take-up moved by the arm: %.6g", iv.Bloom.Compliance)
	}
}

// means compares means by the design declared.
func (r *fitRows) means(out *fitJSON) error {
	design := means.Simple
	switch c, b := r.cluster != "", r.strataCol != ""; {
	case r.pairs && c:
		design = means.PairClusters
	case r.pairs:
		design = means.Pairs
	case c && b:
		design = means.BlockedClustered
	case c:
		design = means.Clustered
	case b:
		design = means.Blocked
	}
	sd, err := r.leastSDs()
	if err != nil {
		return err
	}
	control := r.data.Control
	for a, arm := range r.data.Arms {
		if a == control {
			continue
		}
		var d means.Data
		var rows []int
		for i, x := range r.data.Arm {
			if x != a && x != control {
				continue
			}
			rows = append(rows, i)
			d.Y, d.Treated = append(d.Y, r.data.Y[i]), append(d.Treated, x == a)
			if r.cluster != "" {
				d.Cluster = append(d.Cluster, r.school.Codes[i])
			}
			if r.strataCol != "" {
				d.Block = append(d.Block, r.strata.Codes[i])
			}
		}
		var e means.Estimate
		var err error
		weighting := means.Weighting(r.weighting.value)
		switch r.estimator.value {
		case byClusterMeans:
			if d.Block != nil {
				return usagef("--strata: the comparison of schools' means is of schools drawn without strata; give --factors to --model ols")
			}
			e, err = means.ClusterMeans(d, weighting, r.confidence)
		case byRCTYes:
			o := means.RCTYesOptions{Design: design, Weighting: weighting, Population: means.Population(r.population.value), Level: r.confidence}
			for i, c := range r.columns(r.data) {
				if r.data.Columns[i].Arm || r.data.Columns[i].Values == nil {
					continue
				}
				o.Covariates = append(o.Covariates, robust.Column{Name: c.Name, Values: pickFloats(c.Values, rows)})
			}
			var result means.RCTYesResult
			result, err = means.RCTYes(d, o)
			e = result.Estimate
		default:
			e, err = means.Difference(d, design, r.confidence)
		}
		if err != nil {
			return r.named(err)
		}
		out.Model = e.Method
		term := mixed.ArmTerm(arm, r.data.Arms[control])
		out.Coefficients = append(out.Coefficients, fitCoefficient{term, e.Value, e.SE, finiteDF(e.DF), some(e.Statistic), some(e.P), [2]float64{e.Interval.Low, e.Interval.High}, e.DFMethod})
		if err := r.divide(out, sd, term, a, e.Value, e.SE, e.DF, e.Interval); err != nil {
			return err
		}
	}
	return nil
}

// named gives the blocks of a message their names.
func (r *fitRows) named(err error) error {
	var wrong *means.DesignError
	if !errors.As(err, &wrong) || r.strataCol == "" {
		return err
	}
	return errors.New(blockNumber.ReplaceAllStringFunc(err.Error(), func(s string) string {
		k, _ := strconv.Atoi(strings.TrimPrefix(s, "block "))
		if k >= len(r.strata.Levels) {
			return s
		}
		return fmt.Sprintf("%s %q", r.strataCol, r.strata.Levels[k])
	}))
}

var blockNumber = regexp.MustCompile(`block [0-9]+`)

func pickFloats(v []float64, rows []int) []float64 {
	out := make([]float64, len(rows))
	for i, k := range rows {
		out[i] = v[k]
	}
	return out
}
