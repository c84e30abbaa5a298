package mixed

import (
	"fmt"
	"math"

	"evenhand/analysis/internal/dist"
)

// ICC is an intra-cluster correlation: the share of the total variance that
// lies between the groups of a level.
type ICC struct {
	Level  string
	Value  float64
	SE     float64 // by the delta method from the expected information; 0 where there is none
	Low    float64 // in [0,1]
	High   float64 // in [0,1]
	Conf   float64 // confidence level of the interval, e.g. 0.95
	Method string  // of the interval
}

// ICCs are the intra-cluster correlations of every level, outermost first, of
// this model: conditional on its covariates, if it has any. For the figure
// that reports usually want fit the data's Empty or Unconditional.
//
// The interval is by profile (restricted) likelihood, which needs no
// symmetry and holds at zero; with random slopes or variances by arm it is by
// the delta method on the logit scale. With random slopes variances are
// averaged over the rows.
func (f *Fit) ICCs(confidence float64) ([]ICC, error) {
	if !(confidence > 0 && confidence < 1) {
		return nil, &ShapeError{fmt.Sprintf("confidence level %v is not between 0 and 1", confidence)}
	}
	weights := f.totalWeights()
	total := 0.0
	for s, w := range weights {
		total += w * f.theta[s]
	}
	var out []ICC
	for _, l := range f.data.Levels {
		at := -1
		part := make([]float64, len(weights))
		own := 0.0
		for s, pa := range f.r.params {
			if pa.level == l.Name && !pa.residual {
				part[s] = weights[s]
				own += part[s] * f.theta[s]
				at = s
			}
		}
		icc := ICC{Level: l.Name, Value: own / total, Conf: confidence}
		if f.invExpected != nil {
			g := make([]float64, len(weights)) // ∂ICC/∂θ
			for s := range g {
				g[s] = (part[s] - icc.Value*weights[s]) / total
			}
			icc.SE = math.Sqrt(math.Max(0, quad(g, f.invExpected, g, len(g))))
		}
		if f.model.Slope == NoSlope && !f.model.GroupsByArm && !f.model.ResidualByArm {
			if err := f.profileICC(&icc, at, weights); err != nil {
				return nil, err
			}
		} else {
			logitInterval(&icc)
		}
		out = append(out, icc)
	}
	return out, nil
}

// totalWeights are the weights of the variances in a row's total variance,
// averaged over the rows; for a level that not every row is in, the variance
// counts as it does for the rows that are.
func (f *Fit) totalWeights() []float64 {
	w := make([]float64, len(f.r.params))
	n := float64(f.r.n)
	for s, pa := range f.r.params {
		if pa.armIndex >= 0 {
			for _, a := range f.data.Arm {
				if a == pa.armIndex {
					w[s] += 1 / n
				}
			}
			continue
		}
		w[s] = 1
		if pa.i >= 0 && (pa.i > 0 || pa.j > 0) {
			w[s] = 0
			in := 0.0
			for c := range f.r.cells {
				ce := &f.r.cells[c]
				if ce.group[pa.of] >= 0 {
					w[s] += f.r.cellN[c] * pa.effect(ce, ce, true)
					in += f.r.cellN[c]
				}
			}
			w[s] /= in
		}
	}
	return w
}

func logitInterval(icc *ICC) {
	icc.Method = "delta method on the logit"
	if icc.Value <= 0 || icc.Value >= 1 {
		icc.Low, icc.High = icc.Value, icc.Value
		icc.Method += " (none on the boundary)"
		return
	}
	z := -dist.NormalQuantile((1 - icc.Conf) / 2)
	logit := math.Log(icc.Value / (1 - icc.Value))
	se := icc.SE / (icc.Value * (1 - icc.Value))
	expit := func(x float64) float64 { return 1 / (1 + math.Exp(-x)) }
	icc.Low, icc.High = expit(logit-z*se), expit(logit+z*se)
}

// profileICC holds the correlation at c, which makes θ_at a multiple of the
// sum of the others, and looks for the c at which twice the log likelihood has
// fallen by the chi-square quantile.
func (f *Fit) profileICC(icc *ICC, at int, weights []float64) error {
	np := len(f.r.params)
	at0 := func(c float64) (float64, error) {
		con := &constraint{a: make([]float64, np*(np-1)), b: make([]float64, np), n: np - 1, nonneg: make([]bool, np-1)}
		var phi []float64
		k := 0
		for s := 0; s < np; s++ {
			if s == at {
				continue
			}
			con.a[s*con.n+k] = 1
			con.a[at*con.n+k] = c / (1 - c) * weights[s] / weights[at]
			con.nonneg[k] = true
			phi = append(phi, math.Max(f.theta[s], 1e-3*f.theta[0]))
			k++
		}
		sol, err := f.r.climb(con, phi, f.Method, &evaluation{})
		if err != nil {
			return 0, err
		}
		return sol.dev - f.ev.dev, nil
	}
	icc.Method = "profile likelihood, " + string(f.Method)
	var err error
	icc.Low, err = profileRoot(at0, icc.Value, 0, icc.Conf)
	if err == nil {
		// Walk outwards: near 1 the model is all but degenerate.
		far := icc.Value
		for i := 0; i < 20 && err == nil; i++ {
			far = 1 - (1-far)/2
			var d float64
			if d, err = at0(far); d > 12 {
				break
			}
		}
		if err == nil {
			icc.High, err = profileRoot(at0, icc.Value, far, icc.Conf)
		}
	}
	if err != nil {
		return fmt.Errorf("interval of the ICC of level %q: %w", icc.Level, err)
	}
	return nil
}

// profileRoot finds x between from (where drop is 0) and the edge at which
// drop(x) is the chi-square quantile of one degree of freedom; the edge itself
// where the drop there is less.
func profileRoot(drop func(float64) (float64, error), from, edge, confidence float64) (float64, error) {
	z := dist.NormalQuantile((1 - confidence) / 2)
	if from == edge {
		return edge, nil
	}
	g := func(x float64) (float64, error) {
		d, err := drop(x)
		// the root of the drop is nearly linear in x, and z is negative
		return math.Sqrt(math.Max(d, 0)) + z, err
	}
	hi, err := g(edge)
	if err != nil {
		return 0, err
	}
	if hi <= 0 {
		return edge, nil
	}
	return root(g, from, z, edge, hi)
}

// root finds a zero of g between a and b, where it is ga < 0 and gb > 0, by
// the method of Brent (1973, ch. 4).
func root(g func(float64) (float64, error), a, ga, b, gb float64) (float64, error) {
	c, gc := a, ga
	d := b - a
	e := d
	for i := 0; i < 200; i++ {
		if (gb > 0) == (gc > 0) {
			c, gc = a, ga
			d = b - a
			e = d
		}
		if math.Abs(gc) < math.Abs(gb) {
			a, b, c = b, c, b
			ga, gb, gc = gb, gc, gb
		}
		tol := 2e-16*math.Abs(b) + 1e-300
		m := (c - b) / 2
		if math.Abs(m) <= tol || gb == 0 {
			return b, nil
		}
		if math.Abs(e) >= tol && math.Abs(ga) > math.Abs(gb) {
			s := gb / ga
			var p, q float64
			if a == c {
				p, q = 2*m*s, 1-s
			} else {
				q = ga / gc
				r := gb / gc
				p = s * (2*m*q*(q-r) - (b-a)*(r-1))
				q = (q - 1) * (r - 1) * (s - 1)
			}
			if p > 0 {
				q = -q
			} else {
				p = -p
			}
			if 2*p < math.Min(3*m*q-math.Abs(tol*q), math.Abs(e*q)) {
				e, d = d, p/q
			} else {
				d, e = m, m
			}
		} else {
			d, e = m, m
		}
		a, ga = b, gb
		if math.Abs(d) > tol {
			b += d
		} else {
			b += math.Copysign(tol, m)
		}
		var err error
		if gb, err = g(b); err != nil {
			return 0, err
		}
		if math.Abs(gb) < 1e-13 {
			return b, nil
		}
	}
	return b, nil
}
