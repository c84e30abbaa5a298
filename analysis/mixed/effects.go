package mixed

import (
	"fmt"
	"math"
)

// Effect is the predicted effect of one group (a best linear unbiased
// prediction).
type Effect struct {
	Level string
	Group int    // index as in Data.Levels
	Label string // of the group
	Term  string // "" for the intercept; the column of a slope
	Value float64
	// SE is the standard error of prediction, the coefficients' uncertainty
	// included; ConditionalSE leaves that out, as lme4's condVar does. Both
	// take the variances as known.
	SE, ConditionalSE float64
}

// Effects predicts the effects of the groups of a level, in order of group
// and term: û = DZ'V⁻¹(y − Xβ) (Henderson 1975; Robinson 1991).
func (f *Fit) Effects(level string) ([]Effect, error) {
	l := -1
	for i := range f.data.Levels {
		if f.data.Levels[i].Name == level {
			l = i
		}
	}
	if l < 0 {
		return nil, &ShapeError{fmt.Sprintf("the model has no level %q", level)}
	}
	r := f.r
	p, q, np := r.p, r.q, len(r.params)
	// The level's parameters as a matrix D over its terms.
	terms := []string{""}
	for _, pa := range r.params {
		if pa.of == l && pa.i > 0 && pa.i == pa.j {
			terms = append(terms, pa.term)
		}
	}
	d := len(terms)
	sy := r.scale[p]
	byGroup := map[int][]Effect{}
	maxGroup := -1
	for b := 0; b+1 < len(r.start); b++ {
		lo, k := r.start[b], r.start[b+1]-r.start[b]
		v := make([]float64, k*k)
		for s := 0; s < np; s++ {
			for i := range v {
				v[i] += f.theta[s] * r.derivative(s, lo+i/k, lo+i%k)
			}
		}
		if !cholesky(v, k) {
			return nil, &MethodError{"effects", "the covariance of the rows is not positive definite"}
		}
		// √n·[X y] of the cells, residual last
		t := make([]float64, k*q)
		for i := 0; i < k; i++ {
			sq := math.Sqrt(r.cellN[lo+i])
			for j := 0; j < q; j++ {
				t[i*q+j] = sq * r.mean[(lo+i)*q+j]
			}
			for j := 0; j < p; j++ {
				t[i*q+p] -= t[i*q+j] * f.ev.beta[j]
			}
		}
		solveLower(v, t, k, q)
		solveUpper(v, t, k, q)
		seen := map[int]bool{}
		for i := 0; i < k; i++ {
			g := r.cells[lo+i].group[l]
			if g < 0 || seen[g] {
				continue
			}
			seen[g] = true
			maxGroup = max(maxGroup, g)
			for term := 0; term < d; term++ {
				// covariance of this effect with the cells, and its variance
				cov := make([]float64, k)
				variance := 0.0
				for s, pa := range r.params {
					if pa.of != l {
						continue
					}
					if pa.armIndex >= 0 && r.cells[lo+i].arm != pa.armIndex {
						continue
					}
					pi, pj := max(pa.i, 0), max(pa.j, 0)
					if pi == term && pj == term {
						variance = f.theta[s]
					}
					for c := 0; c < k; c++ {
						ce := &r.cells[lo+c]
						if ce.group[l] != g {
							continue
						}
						z := func(i int) float64 {
							if i == 0 {
								return 1
							}
							return ce.z[i-1]
						}
						sq := math.Sqrt(r.cellN[lo+c]) * f.theta[s]
						if pi == term {
							cov[c] += sq * z(pj)
						}
						if pj == term && pi != pj {
							cov[c] += sq * z(pi)
						}
					}
				}
				e := Effect{Level: level, Group: g, Label: f.data.Levels[l].label(g), Term: terms[term]}
				x := make([]float64, p)
				for c := 0; c < k; c++ {
					e.Value += cov[c] * t[c*q+p]
					for j := 0; j < p; j++ {
						x[j] += cov[c] * t[c*q+j]
					}
				}
				h := append([]float64(nil), cov...)
				solveLower(v, h, k, 1)
				cond := variance
				for _, a := range h {
					cond -= a * a
				}
				cond = math.Max(cond, 0)
				e.Value *= sy
				e.ConditionalSE = math.Sqrt(cond) * sy
				e.SE = math.Sqrt(cond+math.Max(0, quad(x, f.ev.c, x, p))) * sy
				byGroup[g] = append(byGroup[g], e)
			}
		}
	}
	var out []Effect
	for g := 0; g <= maxGroup; g++ {
		out = append(out, byGroup[g]...)
	}
	return out, nil
}
