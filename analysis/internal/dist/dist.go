// Package dist holds the few distributions that estimates need, accurate over
// the degrees of freedom that trials meet: fractional, below 2, and into the
// millions, where the usual routines lose digits.
package dist

import (
	"math"

	"gonum.org/v1/gonum/mathext"
	"gonum.org/v1/gonum/stat/distuv"
)

// seriesFrom is the number of degrees of freedom from which Student's t is
// taken from the normal by Fisher's series: the first neglected term is of the
// order of df⁻⁴, while the incomplete beta function loses digits there.
const seriesFrom = 1e5

// NormalCDF is the probability that a standard normal is at most z.
func NormalCDF(z float64) float64 { return 0.5 * math.Erfc(-z/math.Sqrt2) }

// NormalQuantile is the p quantile of the standard normal, p in (0,1).
func NormalQuantile(p float64) float64 {
	z := distuv.UnitNormal.Quantile(p)
	if math.IsInf(z, 0) || math.IsNaN(z) {
		return z
	}
	// One Newton step on the smaller tail, for the last digits.
	if z < 0 {
		return z - (NormalCDF(z)-p)/normalDensity(z)
	}
	return z + (NormalCDF(-z)-(1-p))/normalDensity(z)
}

func normalDensity(z float64) float64 { return math.Exp(-z*z/2) / math.Sqrt(2*math.Pi) }

// NormalTwoSided is the probability that a standard normal is at least |z|
// away from 0.
func NormalTwoSided(z float64) float64 { return math.Erfc(math.Abs(z) / math.Sqrt2) }

// TTwoSided is the probability that Student's t with df > 0 degrees of freedom
// is at least |t| away from 0. Infinite df is the normal.
func TTwoSided(t, df float64) float64 {
	t = math.Abs(t)
	switch {
	case math.IsInf(t, 1):
		return 0
	case df > seriesFrom:
		return clamp(2 * tTailSeries(t, df))
	case t < 1: // here the complement is the larger part and keeps its digits
		return clamp(1 - mathext.RegIncBeta(0.5, df/2, t*t/(df+t*t)))
	}
	return clamp(mathext.RegIncBeta(df/2, 0.5, df/(df+t*t)))
}

// tTailSeries is the upper tail of t ≥ 0 by Fisher's expansion in 1/df
// (Fisher 1925, Metron 5: 109-112).
func tTailSeries(t, df float64) float64 {
	if math.IsInf(df, 1) {
		return NormalCDF(-t)
	}
	t2 := t * t
	a := t * (t2 + 1) / 4
	b := t * (((3*t2-7)*t2-5)*t2 - 3) / 96
	c := t * (((((t2-11)*t2+14)*t2+6)*t2-3)*t2 - 15) / 384
	return NormalCDF(-t) + normalDensity(t)*(a+(b+c/df)/df)/df
}

func clamp(p float64) float64 { return math.Min(1, math.Max(0, p)) }

// TCDF is the probability that Student's t with df > 0 degrees of freedom is
// at most t.
func TCDF(t, df float64) float64 {
	p := TTwoSided(t, df) / 2
	if t > 0 {
		return 1 - p
	}
	return p
}

// TCritical is the value that Student's t with df > 0 degrees of freedom
// exceeds, in absolute value, with probability 1 − level; level in (0,1).
func TCritical(level, df float64) float64 {
	tail := (1 - level) / 2
	z := -NormalQuantile(tail)
	if df > seriesFrom {
		if math.IsInf(df, 1) {
			return z
		}
		z2 := z * z // Cornish–Fisher; Abramowitz & Stegun 26.7.5
		return z + z*((z2+1)/4+(((5*z2+16)*z2+3)/96+(((3*z2+19)*z2+17)*z2-15)/(384*df))/df)/df
	}
	// Bisection in t on a log scale, then Newton: sure for any df, and short.
	lo, hi := 0.0, math.Max(z, 1)
	for TTwoSided(hi, df) > 2*tail && hi < 1e300 {
		lo, hi = hi, hi*2
	}
	t := hi
	if lo > 0 {
		t = (lo + hi) / 2
	}
	lg, _ := math.Lgamma((df + 1) / 2)
	lh, _ := math.Lgamma(df / 2)
	logConst := lg - lh - 0.5*math.Log(df*math.Pi)
	for i := 0; i < 200; i++ {
		diff := TTwoSided(t, df) - 2*tail
		if diff > 0 {
			lo = t
		} else {
			hi = t
		}
		next := t + diff/(2*math.Exp(logConst-(df+1)/2*math.Log1p(t*t/df)))
		if !(next > lo && next < hi) {
			next = lo + (hi-lo)/2
		}
		if math.Abs(next-t) <= 1e-15*math.Abs(t) {
			return next
		}
		t = next
	}
	return t
}

// FSurvival is the probability that F with d1 and d2 degrees of freedom
// exceeds f ≥ 0. An infinite d2 is the chi-square of d1 over d1.
func FSurvival(f, d1, d2 float64) float64 {
	switch {
	case !(f > 0):
		return 1
	case math.IsInf(f, 1):
		return 0
	case math.IsInf(d2, 1) || d2 > 1e9:
		return ChiSquareSurvival(f*d1, d1)
	}
	return clamp(mathext.RegIncBeta(d2/2, d1/2, d2/(d2+d1*f)))
}

// ChiSquareSurvival is the probability that chi-square with df degrees of
// freedom exceeds x.
func ChiSquareSurvival(x, df float64) float64 {
	if x <= 0 {
		return 1
	}
	return mathext.GammaIncRegComp(df/2, x/2)
}
