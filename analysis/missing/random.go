package missing

import (
	"math"
	"math/rand/v2"
)

// gamma draws from the gamma distribution of a shape and rate 1 (Marsaglia and
// Tsang, ACM TOMS 26(3), 2000).
func gamma(g *rand.Rand, shape float64) float64 {
	if shape < 1 {
		u := g.Float64()
		for u == 0 {
			u = g.Float64()
		}
		return gamma(g, shape+1) * math.Pow(u, 1/shape)
	}
	d := shape - 1.0/3
	c := 1 / math.Sqrt(9*d)
	for {
		x := g.NormFloat64()
		v := 1 + c*x
		if v <= 0 {
			continue
		}
		v = v * v * v
		u := g.Float64()
		if u < 1-0.0331*x*x*x*x || math.Log(u) < x*x/2+d*(1-v+math.Log(v)) {
			return d * v
		}
	}
}

// inverseWishart draws a covariance matrix whose inverse is Wishart with df
// degrees of freedom and scale the inverse of s (n × n): its mean is s/(df − n − 1).
// By Bartlett's decomposition; s is positive definite and df > n − 1.
func inverseWishart(g *rand.Rand, df float64, s []float64, n int) ([]float64, bool) {
	scale, ok := invert(s, n)
	if !ok || !cholesky(scale, n) {
		return nil, false
	}
	// W = L A A' L' with A lower triangular, chi-square roots on the diagonal.
	la := make([]float64, n*n)
	a := make([]float64, n*n)
	for i := range n {
		a[i*n+i] = math.Sqrt(2 * gamma(g, (df-float64(i))/2))
		for j := range i {
			a[i*n+j] = g.NormFloat64()
		}
	}
	for i := range n {
		for j := range i + 1 {
			for l := j; l <= i; l++ {
				la[i*n+j] += scale[i*n+l] * a[l*n+j]
			}
		}
	}
	w := make([]float64, n*n)
	for i := range n {
		for j := range n {
			for l := range min(i, j) + 1 {
				w[i*n+j] += la[i*n+l] * la[j*n+l]
			}
		}
	}
	return invert(w, n)
}

// above draws a standard normal given that it exceeds a: by plain rejection where
// that is likely to succeed, else from an exponential envelope (Robert, Statistics
// and Computing 5, 1995).
func above(g *rand.Rand, a float64) float64 {
	if !(a < 1e8) { // so far out that the draw is the limit itself
		return a
	}
	if a < 0.45 {
		for {
			if z := g.NormFloat64(); z > a {
				return z
			}
		}
	}
	rate := (a + math.Sqrt(a*a+4)) / 2
	for {
		z := a + g.ExpFloat64()/rate
		if d := z - rate; g.Float64() < math.Exp(-d*d/2) {
			return z
		}
	}
}
