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

// NoncentralTCDF is the probability that a noncentral t with df > 0 degrees of
// freedom and noncentrality ncp is at most t: the integral over the log of
// s = χ/√df of Φ(t·s − ncp), by Gauss–Legendre quadrature in panels. Unlike the
// usual series it neither underflows at |ncp| > 37 nor loses digits at large
// df; its absolute error is about 1e-13.
func NoncentralTCDF(t, df, ncp float64) float64 {
	if df > 1e10 {
		return NormalCDF(t - ncp)
	}
	lg, _ := math.Lgamma(df / 2)
	logConst := math.Ln2 + df/2*math.Log(df/2) - lg
	logDensity := func(y float64) float64 { return logConst + df*y - df/2*math.Exp(2*y) }
	peak := logDensity(0)
	edge := func(sign float64) float64 {
		far := sign / math.Sqrt(df)
		for logDensity(far) > peak-42 {
			far *= 1.5
		}
		return far
	}
	lo, hi := edge(-1), edge(1)
	const panels = 96
	width := (hi - lo) / panels
	sum := 0.0
	for p := 0; p < panels; p++ {
		mid := lo + (float64(p)+0.5)*width
		for i, x := range legendreX {
			for _, s := range [2]float64{-1, 1} {
				y := mid + s*x*width/2
				sum += legendreW[i] * math.Exp(logDensity(y)) * NormalCDF(t*math.Exp(y)-ncp)
			}
		}
	}
	return clamp(sum * width / 2)
}

// Positive nodes and their weights of Gauss–Legendre quadrature of order 16.
var (
	legendreX = [8]float64{0.0950125098376374401853, 0.2816035507792589132305, 0.4580167776572273863424, 0.6178762444026437484467, 0.7554044083550030338951, 0.8656312023878317438805, 0.9445750230732325760779, 0.9894009349916499325962}
	legendreW = [8]float64{0.1894506104550684962854, 0.1826034150449235888668, 0.1691565193950025381893, 0.1495959888165767320815, 0.1246289712555338720525, 0.0951585116824927848099, 0.0622535239386478928628, 0.0271524594117540948518}
)

// NoncentralityAt is the noncentrality at which a noncentral t with df degrees
// of freedom is at most t with probability p in (0,1).
func NoncentralityAt(t, df, p float64) float64 {
	// The probability falls as the noncentrality grows.
	lo, hi := t-1, t+1
	step := 1.0
	for NoncentralTCDF(t, df, lo) < p {
		lo -= step
		step *= 2
	}
	step = 1
	for NoncentralTCDF(t, df, hi) > p {
		hi += step
		step *= 2
	}
	// Secant steps on the normal scale, where the curve is nearly straight,
	// kept inside the bracket.
	z := NormalQuantile(p)
	f := func(x float64) float64 {
		q := NoncentralTCDF(t, df, x)
		return NormalQuantile(math.Min(math.Max(q, 1e-300), 1-1e-16)) - z
	}
	fl, fh := f(lo), f(hi)
	for i := 0; i < 100 && hi-lo > 1e-14*(1+math.Abs(hi)); i++ {
		x := hi - fh*(hi-lo)/(fh-fl)
		if !(x > lo && x < hi) {
			x = (lo + hi) / 2
		}
		fx := f(x)
		if math.Abs(fx) < 1e-13 {
			return x
		}
		if fx > 0 {
			lo, fl = x, fx
			fh /= 2 // Illinois: keep the other end from standing still
		} else {
			hi, fh = x, fx
			fl /= 2
		}
	}
	return (lo + hi) / 2
}
