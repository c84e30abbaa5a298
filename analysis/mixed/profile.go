package mixed

import (
	"fmt"
	"math"
)

// ProfileVariance is the profile likelihood interval of the i-th of
// Variances, by the fit's own criterion. A lower limit at the boundary is 0.
func (f *Fit) ProfileVariance(i int, confidence float64) (low, high float64, err error) {
	if i < 0 || i >= len(f.Variances) {
		return 0, 0, &ShapeError{fmt.Sprintf("there is no variance %d", i)}
	}
	if !(confidence > 0 && confidence < 1) {
		return 0, 0, &ShapeError{fmt.Sprintf("confidence level %v is not between 0 and 1", confidence)}
	}
	s, n := -1, 0
	for pass := 0; pass < 2; pass++ {
		for k, pa := range f.r.params {
			if pa.residual == (pass == 1) {
				if n == i {
					s = k
				}
				n++
			}
		}
	}
	if f.r.hasFullSlope() && f.r.params[s].i >= 0 {
		return 0, 0, &MethodError{"profile likelihood", "there is no interval for an element of a full covariance matrix of slopes; fit the diagonal model"}
	}
	drop := func(x float64) (float64, error) {
		con := f.r.fixed(s, x)
		var phi []float64
		for k := range f.r.params {
			if k != s {
				phi = append(phi, math.Max(f.theta[k], 1e-3*f.theta[0]))
			}
		}
		sol, err := f.r.climb(con, phi, f.Method, &evaluation{})
		if err != nil {
			return 0, err
		}
		return sol.dev - f.ev.dev, nil
	}
	at := f.theta[s]
	edge := 0.0
	if f.r.params[s].residual {
		edge = at / 1e3
	}
	if low, err = profileRoot(drop, at, edge, confidence); err != nil {
		return 0, 0, fmt.Errorf("profile of variance %q: %w", f.Variances[i].Level, err)
	}
	far := math.Max(4*at, f.theta[0]/4)
	for k := 0; k < 40; k++ {
		d, err := drop(far)
		if err != nil {
			return 0, 0, fmt.Errorf("profile of variance %q: %w", f.Variances[i].Level, err)
		}
		if d > 40 {
			break
		}
		far *= 4
	}
	if high, err = profileRoot(drop, at, far, confidence); err != nil {
		return 0, 0, fmt.Errorf("profile of variance %q: %w", f.Variances[i].Level, err)
	}
	sy2 := f.r.scale[f.r.p] * f.r.scale[f.r.p]
	return low * sy2, high * sy2, nil
}

// ProfileCoefficient is the profile likelihood interval of a coefficient, by
// maximum likelihood whatever the fit's method, since restricted likelihoods
// with different fixed effects cannot be compared. It is what lme4's confint
// gives.
func (f *Fit) ProfileCoefficient(name string, confidence float64) (low, high float64, err error) {
	k := -1
	for i, c := range f.Coefficients {
		if c.Name == name {
			k = i
		}
	}
	if k < 0 {
		return 0, 0, &ShapeError{fmt.Sprintf("no coefficient is called %q", name)}
	}
	if !(confidence > 0 && confidence < 1) {
		return 0, 0, &ShapeError{fmt.Sprintf("confidence level %v is not between 0 and 1", confidence)}
	}
	ml := f
	if f.Method != ML {
		m := f.model
		m.Method = ML
		ml = &Fit{Outcome: f.Outcome, Method: ML, N: f.N, data: f.data, model: m, r: f.r}
		sol, err := f.r.solve(ML)
		if err != nil {
			return 0, 0, fmt.Errorf("profile of coefficient %q: %w", name, err)
		}
		ml.take(sol)
	}
	// The coefficient is a combination of the standardised ones, so hold the
	// combination: l'b = value.
	w := make([]float64, len(f.Coefficients))
	w[k] = 1
	l := ml.standardise(w)
	sy := ml.r.scale[ml.r.p]
	shift := 0.0
	if k == ml.r.intercept {
		shift = ml.r.centre[ml.r.p]
	}
	drop := func(x float64) (float64, error) {
		r := ml.r.holding(l, (x-shift)/sy)
		start := append([]float64(nil), ml.theta...)
		for s, pa := range r.params {
			if !pa.cov && start[s] == 0 {
				start[s] = 1e-3 * ml.theta[0]
			}
		}
		var sol *solution
		var err error
		if r.hasFullSlope() {
			sol, err = r.solveFullSlope(ML, &evaluation{})
		} else {
			sol, err = r.climb(r.free(), start, ML, &evaluation{})
		}
		if err != nil {
			return 0, err
		}
		return sol.dev - ml.ev.dev, nil
	}
	at, se := ml.Coefficients[k].Estimate, ml.Coefficients[k].SE
	ends := [2]float64{}
	for i, sign := range []float64{-1, 1} {
		far := 4.0
		for j := 0; j < 20; j++ {
			d, err := drop(at + sign*far*se)
			if err != nil {
				return 0, 0, fmt.Errorf("profile of coefficient %q: %w", name, err)
			}
			if d > 12 {
				break
			}
			far *= 2
		}
		if ends[i], err = profileRoot(drop, at, at+sign*far*se, confidence); err != nil {
			return 0, 0, fmt.Errorf("profile of coefficient %q: %w", name, err)
		}
	}
	return ends[0], ends[1], nil
}

// holding is the same reduction with l'b held at value: column k, of the
// largest |l|, is replaced by what l'b = value leaves of the others, and y
// takes the rest.
func (r *reduced) holding(l []float64, value float64) *reduced {
	p, q := r.p, r.q
	k := 0
	for i, v := range l {
		if math.Abs(v) > math.Abs(l[k]) {
			k = i
		}
	}
	// b_k = (value − Σ l_i b_i)/l_k, so x_i ← x_i − x_k·l_i/l_k, y ← y − x_k·value/l_k.
	out := *r
	out.p, out.q = p-1, q-1
	t := make([]float64, q*(q-1))
	col := 0
	for i := 0; i < q; i++ {
		if i == k {
			continue
		}
		t[i*(q-1)+col] = 1
		f := value / l[k]
		if i < p {
			f = l[i] / l[k]
		}
		t[k*(q-1)+col] -= f
		col++
	}
	out.mean = mul(r.mean, t, len(r.cellN), q, q-1)
	tt := make([]float64, (q-1)*q)
	for i := 0; i < q; i++ {
		for j := 0; j < q-1; j++ {
			tt[j*q+i] = t[i*(q-1)+j]
		}
	}
	quadForm := func(m []float64) []float64 { return mul(mul(tt, m, q-1, q, q), t, q-1, q, q-1) }
	out.within = make([][]float64, len(r.within))
	for g, w := range r.within {
		out.within[g] = quadForm(w)
	}
	out.total = quadForm(r.total)
	return &out
}
