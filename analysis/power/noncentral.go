package power

import (
	"math"

	"evenhand/analysis/internal/dist"
)

// noncentralTail is the probability that a noncentral t with df ≥ 1 degrees of
// freedom and noncentrality delta exceeds t: the mean of Φ(delta − t·s) over
// s, the root of a chi-square over its degrees of freedom. It is integrated
// directly, so that no noncentrality is too large and no tail is lost in a
// difference; an infinite df is the normal.
func noncentralTail(t, df, delta float64) float64 {
	if math.IsInf(df, 1) {
		return dist.NormalCDF(delta - t)
	}
	// The chi-square lies between these but for e⁻⁴⁵ on either side (Laurent
	// and Massart, Annals of Statistics 28(5), 2000).
	const x = 45
	spread := 2 * math.Sqrt(df*x)
	low := math.Sqrt(math.Max(0, df-spread) / df)
	high := math.Sqrt((df + spread + 2*x) / df)
	// The density of s up to its constant, which is integrated along with it: the
	// gamma function would cost digits at many degrees of freedom.
	density := func(s float64) float64 {
		if s <= 0 {
			return 0
		}
		return math.Exp((df-1)*math.Log(s) - df*(s-1)*(s+1)/2)
	}
	point := func(s float64) (mass, tail float64) {
		mass = density(s)
		return mass, mass * dist.NormalCDF(delta-t*s)
	}
	// Few degrees of freedom: s = u⁴ smooths the power of s at zero.
	if df < 6 {
		inner := point
		point = func(u float64) (mass, tail float64) {
			mass, tail = inner(u * u * u * u)
			return mass * u * u * u, tail * u * u * u
		}
		low, high = math.Sqrt(math.Sqrt(low)), math.Sqrt(math.Sqrt(high))
	}
	// Panels no wider than a fraction of the narrowest feature: the density's
	// spread or the step of Φ at s = delta/t.
	width := math.Min(1/math.Sqrt(2*df), 1/math.Max(1e-3, math.Abs(t)))
	panels := int(math.Min(4000, math.Max(24, math.Ceil((high-low)/width*1.5))))
	h := (high - low) / float64(panels)
	all, above := 0.0, 0.0
	for i := range panels {
		mid := low + (float64(i)+0.5)*h
		for l, node := range gaussNodes {
			for _, s := range [2]float64{mid + node*h/2, mid - node*h/2} {
				mass, tail := point(s)
				all += gaussWeights[l] * mass
				above += gaussWeights[l] * tail
			}
		}
	}
	return math.Min(1, above/all)
}

// Gauss-Legendre, ten points: the positive half.
var (
	gaussNodes   = [5]float64{0.1488743389816312, 0.4333953941292472, 0.6794095682990244, 0.8650633666889845, 0.9739065285171717}
	gaussWeights = [5]float64{0.2955242247147529, 0.2692667193099963, 0.2190863625159820, 0.1494513491505806, 0.0666713443086881}
)

// critical is the upper quantile of t that a test compares with.
func critical(alpha float64, tails int, df float64) float64 {
	if tails == 1 {
		alpha *= 2
	}
	if alpha < 1 {
		return dist.TCritical(1-alpha, df)
	}
	return -dist.TCritical(alpha-1+1e-300, df)
}

// powerAt is the power of a test of an effect of so many standard errors.
func powerAt(delta, alpha float64, tails int, df float64) float64 {
	t := critical(alpha, tails, df)
	p := noncentralTail(t, df, delta)
	if tails == 2 {
		p += noncentralTail(t, df, -delta)
	}
	return math.Min(1, p)
}
