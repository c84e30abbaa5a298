package effectsize

import (
	"fmt"
	"math"

	"evenhand/analysis"
	"evenhand/analysis/mixed"
)

// J is Hedges' small-sample factor 1 − 3/(4·df − 1) (Hedges 1981, J Educ Stat
// 6: 107-128), which takes out most of the bias of a difference over an SD
// with df degrees of freedom. df must be above 1.
func J(df float64) float64 { return 1 - 3/(4*df-1) }

// ExactJ is the factor without approximation, Γ(df/2)/(√(df/2)·Γ((df−1)/2)).
func ExactJ(df float64) float64 {
	a, _ := math.Lgamma(df / 2)
	b, _ := math.Lgamma((df - 1) / 2)
	return math.Exp(a-b) / math.Sqrt(df/2)
}

// Scales are the denominators that All knows, the default first.
var Scales = []analysis.Scale{
	analysis.ScaleTotalUnconditional, analysis.ScaleWithinUnconditional,
	analysis.ScaleTotalEmpty, analysis.ScaleWithinEmpty,
	analysis.ScaleTotalConditional, analysis.ScaleWithinConditional,
	analysis.ScalePooledSD, analysis.ScaleControlSD,
}

// Denominator is a standard deviation to divide by.
type Denominator struct {
	Scale analysis.Scale
	SD    float64
	DF    float64 // degrees of freedom of SD², for Hedges' factor; 0 where there are none
	Text  string  // where it comes from, in words
	// Fit is the model it comes from; nil for raw SDs.
	Fit *mixed.Fit
	// Weights of Fit.Variances in SD²; nil for raw SDs.
	Weights  []float64
	Warnings []analysis.Warning
}

// Denominators finds every denominator for a fit of the adjusted model, for
// the comparison of one arm with the control arm: all on the rows of the fit.
// The unconditional model keeps the arms and drops the covariates, the empty
// model drops both; a model with random slopes keeps its levels and drops its
// slopes there. A denominator that cannot be had is in the errors, by scale.
func Denominators(f *mixed.Fit, arm string) ([]Denominator, map[analysis.Scale]error) {
	d := f.Data()
	bad := map[analysis.Scale]error{}
	var out []Denominator
	add := func(total, within analysis.Scale, fit *mixed.Fit, err error, text string) {
		if err != nil {
			bad[total], bad[within] = err, err
			return
		}
		t, w := fromFit(fit, total, true, text), fromFit(fit, within, false, text)
		if fit != f {
			for _, v := range fit.Warnings {
				if v.Code == mixed.WarnSingular {
					v.Text = "Of " + text + ", by whose SD effect sizes are divided: " + v.Text
					t.Warnings, w.Warnings = append(t.Warnings, v), append(w.Warnings, v)
				}
			}
		}
		out = append(out, t, w)
	}
	refit := func(data *mixed.Data) (*mixed.Fit, error) {
		if len(data.Columns) == len(d.Columns) && f.Model().Slope == mixed.NoSlope {
			return f, nil
		}
		m := f.Model()
		m.Slope, m.SlopeColumns = mixed.NoSlope, nil
		return mixed.New(data, m)
	}
	u, err := refit(d.Unconditional())
	add(analysis.ScaleTotalUnconditional, analysis.ScaleWithinUnconditional, u, err, "the model with the arms and without covariates")
	e, err := refit(d.Empty())
	add(analysis.ScaleTotalEmpty, analysis.ScaleWithinEmpty, e, err, "the model without arms and covariates")
	add(analysis.ScaleTotalConditional, analysis.ScaleWithinConditional, f, nil, "the model with arms and covariates")
	pooled, control, err := rawSDs(d, arm)
	if err != nil {
		bad[analysis.ScalePooledSD], bad[analysis.ScaleControlSD] = err, err
		return out, bad
	}
	for _, r := range []Denominator{pooled, control} {
		if r.SD > 0 {
			out = append(out, r)
		} else {
			bad[r.Scale] = fmt.Errorf("%s is zero: the outcome does not vary there", r.Text)
		}
	}
	return out, bad
}

// fromFit is the total or within-cluster SD of a fitted model, with the weights
// of mixed.Fit.SDWeights.
func fromFit(f *mixed.Fit, scale analysis.Scale, total bool, text string) Denominator {
	w := f.SDWeights(total)
	den := Denominator{Scale: scale, Fit: f, Weights: w}
	variance := 0.0
	for i, v := range f.Variances {
		variance += w[i] * v.Value
	}
	den.SD = math.Sqrt(variance)
	what := "within-cluster SD of "
	if total {
		what = "total SD of "
	}
	den.Text = what + text
	den.DF = den.Freedom(mixed.ExpectedInformation)
	return den
}

// Freedom is the number of degrees of freedom of SD² by Satterthwaite's
// approximation, 2(r'θ)²/(r'Cr), C the inverse information about the variances
// (Pustejovsky, Hedges & Shadish 2014); 0 where the denominator is not a
// model's or has none.
func (d Denominator) Freedom(kind mixed.InformationKind) float64 {
	if d.Fit == nil {
		return 0
	}
	inv := d.Fit.InformationInverse(kind)
	if inv == nil {
		return 0
	}
	q := 0.0
	for i := range d.Weights {
		for j := range d.Weights {
			q += d.Weights[i] * inv[i][j] * d.Weights[j]
		}
	}
	if !(q > 0) {
		return 0
	}
	v := d.SD * d.SD
	return 2 * v * v / q
}

// rawSDs are the pooled SD of the raw scores of an arm and the control arm,
// and the SD of the control arm, both with n−1.
func rawSDs(d *mixed.Data, arm string) (pooled, control Denominator, err error) {
	if d.Arm == nil {
		return pooled, control, fmt.Errorf("the data have no arms to take raw SDs of")
	}
	t := -1
	for a, label := range d.Arms {
		if label == arm {
			t = a
		}
	}
	if t < 0 || t == d.Control {
		return pooled, control, fmt.Errorf("%q is not an arm to compare with the control arm", arm)
	}
	n := make([]float64, len(d.Arms))
	mean := make([]float64, len(d.Arms))
	ss := make([]float64, len(d.Arms))
	for i, a := range d.Arm { // Welford's update keeps the digits
		n[a]++
		delta := d.Y[i] - mean[a]
		mean[a] += delta / n[a]
		ss[a] += delta * (d.Y[i] - mean[a])
	}
	c := d.Control
	pooled = Denominator{Scale: analysis.ScalePooledSD, DF: n[t] + n[c] - 2, Text: "pooled SD of the raw scores of the two arms"}
	if pooled.DF > 0 {
		pooled.SD = math.Sqrt((ss[t] + ss[c]) / pooled.DF)
	}
	control = Denominator{Scale: analysis.ScaleControlSD, DF: n[c] - 1, Text: "SD of the raw scores of the control arm"}
	if control.DF > 0 {
		control.SD = math.Sqrt(ss[c] / control.DF)
	}
	return pooled, control, nil
}

// Options say how effect sizes are made. The zero value: Kenward–Roger, 95 %
// intervals, no small-sample factor.
type Options struct {
	DF    mixed.DF // "" is Kenward–Roger
	Level float64  // of the interval, in (0,1); 0 is 0.95
	// Correct multiplies value, SE and interval by Hedges' J.
	Correct bool
}

// All is the adjusted difference between an arm and the control arm in
// standard deviations, by every denominator that exists, in the order of
// Scales; missing says why the others do not.
//
// The interval is that of the difference, over the SD: the SD is taken as
// known, which is what evaluators of EEF trials do. GMLM allows for its
// uncertainty.
func All(f *mixed.Fit, arm string, o Options) (estimates []analysis.Estimate, missing map[analysis.Scale]error, err error) {
	in, o, err := difference(f, arm, o)
	if err != nil {
		return nil, nil, err
	}
	dens, missing := Denominators(f, arm)
	for _, s := range Scales {
		for _, d := range dens {
			if d.Scale == s {
				estimates = append(estimates, over(in, d, o, f, arm))
			}
		}
	}
	return estimates, missing, nil
}

// Difference is the adjusted difference itself as an Estimate.
func Difference(f *mixed.Fit, arm string, o Options) (analysis.Estimate, error) {
	in, o, err := difference(f, arm, o)
	if err != nil {
		return analysis.Estimate{}, err
	}
	return over(in, Denominator{Scale: analysis.ScaleDifference, SD: 1}, Options{DF: o.DF, Level: o.Level}, f, arm), nil
}

func difference(f *mixed.Fit, arm string, o Options) (mixed.Inference, Options, error) {
	if o.DF == "" {
		o.DF = mixed.KenwardRoger
	}
	if o.Level == 0 {
		o.Level = 0.95
	}
	d := f.Data()
	if d.Arm == nil {
		return mixed.Inference{}, o, fmt.Errorf("effect of arm %q: the model has no arms", arm)
	}
	in, err := f.Test(mixed.ArmTerm(arm, d.Arms[d.Control]), o.DF, o.Level)
	if err != nil {
		return mixed.Inference{}, o, fmt.Errorf("effect of arm %q: %w", arm, err)
	}
	return in, o, nil
}

// over divides an inference by a denominator.
func over(in mixed.Inference, d Denominator, o Options, f *mixed.Fit, arm string) analysis.Estimate {
	k := 1 / d.SD
	e := analysis.Estimate{
		Method:    f.Description,
		Scale:     d.Scale,
		SD:        d.SD,
		DFMethod:  string(in.Method),
		Statistic: in.Statistic,
		P:         in.P,
	}
	data := f.Data()
	e.Estimand.Outcome, e.Estimand.Arm = f.Outcome, arm
	if data.Arm != nil {
		e.Estimand.Against = data.Arms[data.Control]
	}
	if d.Scale == analysis.ScaleDifference {
		e.SD = 0
	} else {
		e.Method += "; divided by the " + d.Text
		if d.DF > 1 {
			e.HedgesDF, e.HedgesJ = d.DF, J(d.DF)
			if o.Correct {
				k *= e.HedgesJ
				e.Corrected = true
				e.Method += ", times Hedges' J"
			}
		}
	}
	if !math.IsInf(in.DF, 1) {
		e.DF = in.DF
	}
	e.Value, e.SE = in.Estimate*k, in.SE*k
	e.Interval = analysis.Interval{Low: in.Low * k, High: in.High * k, Level: in.Level, Method: in.Method.Label()}
	e.Counts.PupilsUsed = f.N
	for _, g := range f.Groups {
		if !f.Partial(g.Level) {
			e.Counts.SchoolsUsed = g.N
			break
		}
	}
	e.Warnings = append(e.Warnings, f.Warnings...)
	for _, w := range d.Warnings {
		dup := false
		for _, v := range e.Warnings {
			dup = dup || v == w
		}
		if !dup {
			e.Warnings = append(e.Warnings, w)
		}
	}
	return e
}
