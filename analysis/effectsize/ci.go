package effectsize

import (
	"fmt"
	"math"

	"evenhand/analysis"
	"evenhand/analysis/internal/dist"
	"evenhand/analysis/mixed"
)

// GMLM is Hedges' g of a mixed model with intervals that allow for the
// uncertainty of the SD, as Pustejovsky, Hedges & Shadish (2014, J Educ Behav
// Stat 39: 368-393) derive it and lmeInfo computes it.
type GMLM struct {
	Scale analysis.Scale
	SD    float64
	Delta float64 // difference over SD
	Kappa float64 // its model-based standard error over SD
	DF    float64 // ν, of SD²
	J     float64 // 1 − 3/(4ν − 1)
	G     float64 // J·Delta
	// SE is the root of J²{νκ²/(ν−2) + δ²[ν/(ν−2) − 1/J²]}, as published.
	SE float64
	// SELmeInfo has g² for δ², as lmeInfo 0.3.2 computes it by mistake; it is
	// for comparison only.
	SELmeInfo float64
	// Symmetric is G ± t·SE with DF degrees of freedom; Noncentral inverts the
	// noncentral t distribution of Delta/Kappa and is for Delta.
	Symmetric, Noncentral analysis.Interval
	Warnings              []analysis.Warning
}

// NewGMLM is g of the effect of an arm in a fit, by a denominator from
// Denominators, which may come from another model than the effect; kind says
// which information gives ν. ν is taken as at least 2.001, below which the
// variance does not exist.
func NewGMLM(f *mixed.Fit, arm string, d Denominator, kind mixed.InformationKind, level float64) (GMLM, error) {
	in, _, err := difference(f, arm, Options{DF: mixed.Z, Level: level})
	if err != nil {
		return GMLM{}, err
	}
	df := d.Freedom(kind)
	if d.Fit == nil {
		df = d.DF
	}
	if !(df > 0) {
		return GMLM{}, fmt.Errorf("g of arm %q: the %s has no degrees of freedom by the %s information", arm, d.Text, kind)
	}
	g := gmlm(in.Estimate/d.SD, in.SE/d.SD, df, in.Level)
	g.Scale, g.SD = d.Scale, d.SD
	g.Warnings = append(append(g.Warnings, f.Warnings...), d.Warnings...)
	return g, nil
}

// WarnFewFreedom is the code of the warning that an SD has too few degrees of
// freedom for g to have a variance.
const WarnFewFreedom = "few-degrees-of-freedom"

func gmlm(delta, kappa, df, level float64) GMLM {
	g := GMLM{Delta: delta, Kappa: kappa, DF: df}
	nt := math.Max(df, 2.001)
	g.J = J(nt)
	g.G = g.J * delta
	v := func(d float64) float64 {
		return g.J * math.Sqrt(math.Max(0, nt*kappa*kappa/(nt-2)+d*d*(nt/(nt-2)-1/(g.J*g.J))))
	}
	g.SE, g.SELmeInfo = v(delta), v(g.G)
	half := dist.TCritical(level, nt) * g.SE
	g.Symmetric = analysis.Interval{Low: g.G - half, High: g.G + half, Level: level, Method: "g ± t·SE (Pustejovsky, Hedges & Shadish 2014)"}
	g.Noncentral = NoncentralInterval(delta, kappa, nt, level)
	if df < 2.001 {
		g.Warnings = append(g.Warnings, analysis.Warning{Code: WarnFewFreedom,
			Text: fmt.Sprintf("The SD has only %.2g degrees of freedom; 2.001 were taken, and the interval means little.", df)})
	}
	return g
}

// NoncentralInterval is the interval of a standardised difference delta with
// standard error kappa over an SD of df degrees of freedom, found by inverting
// the noncentral t distribution of delta/kappa (Steiger & Fouladi 1997). It is
// not multiplied by J.
func NoncentralInterval(delta, kappa, df, level float64) analysis.Interval {
	t := delta / kappa
	return analysis.Interval{
		Low:    dist.NoncentralityAt(t, df, (1+level)/2) * kappa,
		High:   dist.NoncentralityAt(t, df, (1-level)/2) * kappa,
		Level:  level,
		Method: "noncentral t",
	}
}
