package bayes

import (
	"math"
	"sort"

	"evenhand/analysis/internal/dist"
)

// summarise describes the draws of one quantity.
func summarise(name string, x [][]float64, level float64) Quantity {
	all := flat(x)
	q := Quantity{Name: name, Level: level}
	mean, ss := 0.0, 0.0
	for i, v := range all {
		d := v - mean
		mean += d / float64(i+1)
		ss += d * (v - mean)
	}
	q.Mean, q.SD = mean, math.Sqrt(ss/float64(len(all)-1))
	sorted := append([]float64(nil), all...)
	sort.Float64s(sorted)
	q.Median = quantile(sorted, 0.5)
	q.Low, q.High = quantile(sorted, (1-level)/2), quantile(sorted, (1+level)/2)
	q.RHat = RHat(x)
	q.Bulk = BulkESS(x)
	q.Tail = TailESS(x)
	q.MCSE = q.SD / math.Sqrt(math.Max(1, ess(split(x))))
	return q
}

// quantile of sorted values, type 7.
func quantile(sorted []float64, p float64) float64 {
	h := p * float64(len(sorted)-1)
	i := int(h)
	if i+1 >= len(sorted) {
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (h-float64(i))*(sorted[i+1]-sorted[i])
}

// split cuts each chain into halves, leaving out a middle draw of an odd
// number.
func split(x [][]float64) [][]float64 {
	var out [][]float64
	for _, c := range x {
		h := len(c) / 2
		out = append(out, c[:h], c[len(c)-h:])
	}
	return out
}

// ranked replaces values by normal scores of their ranks over all chains.
func ranked(x [][]float64) [][]float64 {
	type at struct {
		v    float64
		c, i int
	}
	var all []at
	for c := range x {
		for i, v := range x[c] {
			all = append(all, at{v, c, i})
		}
	}
	sort.SliceStable(all, func(a, b int) bool { return all[a].v < all[b].v })
	out := make([][]float64, len(x))
	for c := range x {
		out[c] = make([]float64, len(x[c]))
	}
	n := float64(len(all))
	for i := 0; i < len(all); {
		j := i
		for j < len(all) && all[j].v == all[i].v {
			j++
		}
		rank := float64(i+j+1) / 2
		z := dist.NormalQuantile((rank - 0.375) / (n + 0.25))
		for ; i < j; i++ {
			out[all[i].c][all[i].i] = z
		}
	}
	return out
}

// between and within variance of chains of one length.
func parts(x [][]float64) (b, w float64) {
	m, n := float64(len(x)), float64(len(x[0]))
	means := make([]float64, len(x))
	grand := 0.0
	for c := range x {
		for _, v := range x[c] {
			means[c] += v / n
		}
		grand += means[c] / m
		ss := 0.0
		for _, v := range x[c] {
			ss += (v - means[c]) * (v - means[c])
		}
		w += ss / (n - 1) / m
	}
	for _, v := range means {
		b += n * (v - grand) * (v - grand) / (m - 1)
	}
	return b, w
}

func rhat(x [][]float64) float64 {
	b, w := parts(x)
	n := float64(len(x[0]))
	if w == 0 {
		if b == 0 {
			return 1
		}
		return math.MaxFloat64
	}
	return math.Sqrt((w*(n-1)/n + b/n) / w)
}

// RHat is the rank-normalised split R̂ of Vehtari, Gelman, Simpson, Carpenter &
// Bürkner (2021, Bayesian Analysis 16: 667-718): the larger of that of the
// values and that of their distances from the median. x is chains of one
// length, of at least 4 draws.
func RHat(x [][]float64) float64 {
	s := split(x)
	all := flat(s)
	sort.Float64s(all)
	med := quantile(all, 0.5)
	folded := make([][]float64, len(s))
	for c := range s {
		folded[c] = make([]float64, len(s[c]))
		for i, v := range s[c] {
			folded[c][i] = math.Abs(v - med)
		}
	}
	return math.Max(rhat(ranked(s)), rhat(ranked(folded)))
}

// BulkESS is the effective sample size of the rank-normalised split chains.
func BulkESS(x [][]float64) float64 { return ess(ranked(split(x))) }

// TailESS is the smaller of the effective sample sizes of the indicators of the
// 5 % and 95 % quantiles.
func TailESS(x [][]float64) float64 {
	s := split(x)
	all := flat(s)
	sort.Float64s(all)
	out := math.Inf(1)
	for _, p := range []float64{0.05, 0.95} {
		q := quantile(all, p)
		ind := make([][]float64, len(s))
		for c := range s {
			ind[c] = make([]float64, len(s[c]))
			for i, v := range s[c] {
				if v <= q {
					ind[c][i] = 1
				}
			}
		}
		out = math.Min(out, ess(ind))
	}
	return out
}

// ess is the effective sample size of chains of one length by Geyer's initial
// monotone sequence of the combined autocorrelations (Vehtari et al. 2021,
// section 3.2).
func ess(x [][]float64) float64 {
	m, n := len(x), len(x[0])
	total := float64(m * n)
	b, w := parts(x)
	fn := float64(n)
	plus := w*(fn-1)/fn + b/fn
	if plus == 0 {
		return total
	}
	means := make([]float64, m)
	for c := range x {
		for _, v := range x[c] {
			means[c] += v / fn
		}
	}
	rho := func(lag int) float64 {
		acov := 0.0
		for c := range x {
			s := 0.0
			for i := 0; i+lag < n; i++ {
				s += (x[c][i] - means[c]) * (x[c][i+lag] - means[c])
			}
			acov += s / fn / float64(m)
		}
		return 1 - (w-acov)/plus
	}
	sum := 0.0
	last := math.Inf(1)
	for t := 0; t+1 < n; t += 2 {
		r0 := 1.0
		if t > 0 {
			r0 = rho(t)
		}
		pair := r0 + rho(t+1)
		if pair < 0 {
			break
		}
		pair = math.Min(pair, last)
		last = pair
		sum += pair
	}
	tau := math.Max(2*sum-1, 1/math.Log10(total))
	return total / tau
}
