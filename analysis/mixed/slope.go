package mixed

import "math"

// solveFullSlope finds the variances of a model with a full covariance matrix
// of intercept and slopes: first in the interior of the positive definite
// matrices; where there is no root, on the boundary, with the matrix as LL' of
// lower rank.
func (r *reduced) solveFullSlope(method Method, ev *evaluation) (*solution, error) {
	c := r.free()
	var first error
	for _, share := range []float64{0.2, 0.6} {
		sol, err := r.climb(c, r.startAt(share), method, ev)
		if err == nil && !sol.onBoundary() {
			return sol, nil
		}
		if first == nil {
			first = err
		}
	}
	_, d := r.slopeMatrix(r.startAt(0.2))
	for rank := d - 1; rank >= 0; rank-- {
		sol, err := r.climbFactor(rank, method, ev)
		if err == nil {
			return sol, nil
		}
	}
	if first == nil {
		first = &ConvergenceError{Iterations: maxSteps}
	}
	return nil, first
}

// climbFactor maximises over θ with the slopes' covariance matrix LL', L of
// the given rank, by Newton steps in the elements of L and the other
// variances, damped where the Hessian is not negative definite.
func (r *reduced) climbFactor(rank int, method Method, ev *evaluation) (*solution, error) {
	np := len(r.params)
	_, d := r.slopeMatrix(make([]float64, np))
	type element struct{ i, k int }
	var els []element // lower trapezium of L
	for i := 0; i < d; i++ {
		for k := 0; k <= i && k < rank; k++ {
			els = append(els, element{i, k})
		}
	}
	var others []int
	for s, pa := range r.params {
		if pa.i < 0 {
			others = append(others, s)
		}
	}
	n := len(others) + len(els)
	l := make([]float64, d*max(rank, 1))
	theta := func(x []float64) []float64 {
		t := make([]float64, np)
		for i, s := range others {
			t[s] = x[i]
		}
		for i := range l {
			l[i] = 0
		}
		for e, el := range els {
			l[el.i*rank+el.k] = x[len(others)+e]
		}
		for s, pa := range r.params {
			if pa.i >= 0 {
				for k := 0; k < rank; k++ {
					t[s] += l[pa.i*rank+k] * l[pa.j*rank+k]
				}
			}
		}
		return t
	}
	best := (*solution)(nil)
	trial := &evaluation{}
	start := r.startAt(0.2)
	for _, sign := range []float64{1, -1} {
		x := make([]float64, n)
		for i, s := range others {
			x[i] = start[s]
		}
		for e, el := range els {
			for s, pa := range r.params {
				if pa.i == el.i && pa.j == el.i {
					v := math.Sqrt(start[s] / float64(min(el.i, rank-1)+1))
					if el.i != el.k {
						v *= sign
					}
					x[len(others)+e] = v
				}
			}
		}
		t := theta(x)
		if !r.evaluate(t, method, true, ev) {
			continue
		}
		damp := 0.0
		for it := 1; it <= maxSteps; it++ {
			jac := make([]float64, np*n) // ∂θ/∂x
			for i, s := range others {
				jac[s*n+i] = 1
			}
			theta(x) // refresh l
			for s, pa := range r.params {
				if pa.i < 0 {
					continue
				}
				for e, el := range els {
					if el.i == pa.i {
						jac[s*n+len(others)+e] += l[pa.j*rank+el.k]
					}
					if el.i == pa.j {
						jac[s*n+len(others)+e] += l[pa.i*rank+el.k]
					}
				}
			}
			g := make([]float64, n)
			for i := range g {
				for s := 0; s < np; s++ {
					g[i] += jac[s*n+i] * ev.score[s]
				}
			}
			h := make([]float64, n*n)
			fisher := make([]float64, n*n)
			for i := 0; i < n; i++ {
				for j := 0; j < n; j++ {
					for s := 0; s < np; s++ {
						for u := 0; u < np; u++ {
							h[i*n+j] += jac[s*n+i] * ev.observed[s*np+u] * jac[u*n+j]
							fisher[i*n+j] += jac[s*n+i] * ev.expected[s*np+u] * jac[u*n+j]
						}
					}
				}
			}
			for s, pa := range r.params { // curvature of θ in L
				if pa.i < 0 {
					continue
				}
				for e, el := range els {
					for e2, el2 := range els {
						if el.k != el2.k {
							continue
						}
						v := 0.0
						if el.i == pa.i && el2.i == pa.j {
							v++
						}
						if el.i == pa.j && el2.i == pa.i {
							v++
						}
						h[(len(others)+e)*n+len(others)+e2] -= v * ev.score[s]
					}
				}
			}
			var on []int
			for i := 0; i < n; i++ {
				if i >= len(others) || x[i] > 0 || g[i] > 0 {
					on = append(on, i)
				}
			}
			id := &constraint{a: identity(n), b: make([]float64, n), n: n}
			newton := true
			step, ok := newtonStep(id, h, g, on, n)
			if !ok {
				newton = false
				m := append([]float64(nil), fisher...)
				for i := 0; i < n; i++ {
					m[i*n+i] *= 1 + 1e-6 + damp
				}
				if step, ok = newtonStep(id, m, g, on, n); !ok {
					damp = math.Max(1e-3, damp*10)
					if damp > 1e6 {
						break
					}
					continue
				}
			}
			scale := math.Sqrt(start[0])
			size, gain, grad := 0.0, 0.0, 0.0
			for i, k := range on {
				ref := math.Max(math.Abs(x[k]), 1e-2*scale)
				size = math.Max(size, math.Abs(step[i])/ref)
				gain += g[k] * step[i]
				grad = math.Max(grad, math.Abs(g[k])*ref)
			}
			if newton && size < 1e-11 {
				sol := &solution{theta: t, iterations: it, gradient: grad, dev: ev.dev, zero: make([]bool, np), lowRank: true}
				for s, pa := range r.params {
					sol.zero[s] = !pa.cov && !pa.residual && t[s] == 0
				}
				if best == nil || sol.dev < best.dev {
					best = sol
				}
				break
			}
			moved := false
			for frac := 1.0; frac > 1e-12; frac /= 2 {
				cand := append([]float64(nil), x...)
				for i, k := range on {
					cand[k] += frac * step[i]
					if k < len(others) {
						if r.params[others[k]].residual {
							cand[k] = math.Max(cand[k], 0.1*x[k])
						} else {
							cand[k] = math.Max(cand[k], 0)
						}
					}
				}
				ct := theta(cand)
				if r.evaluate(ct, method, true, trial) && (gain < 1e-6 || trial.dev <= ev.dev+1e-12*math.Abs(ev.dev)) {
					x, t = cand, ct
					*ev, *trial = *trial, *ev
					moved = true
					break
				}
			}
			if !moved {
				break
			}
		}
	}
	if best == nil {
		return nil, &ConvergenceError{Iterations: maxSteps}
	}
	return best, nil
}

func identity(n int) []float64 {
	a := make([]float64, n*n)
	for i := 0; i < n; i++ {
		a[i*n+i] = 1
	}
	return a
}
