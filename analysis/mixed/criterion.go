package mixed

import "math"

// evaluation is the criterion at one value of the variances, in the
// standardised columns, with its derivatives in the variances θ.
type evaluation struct {
	dev  float64 // −2 log (restricted) likelihood
	beta []float64
	c    []float64 // (X'V⁻¹X)⁻¹

	score    []float64 // ∂ log likelihood / ∂θ
	observed []float64 // −∂² log likelihood / ∂θ∂θ'
	expected []float64 // its expectation
	reml     []float64 // the expected information of the restricted likelihood, whatever the method

	h  [][]float64 // [X y]'V⁻¹(∂V/∂θr)V⁻¹[X y]
	qq [][]float64 // [X y]'V⁻¹(∂V/∂θr)V⁻¹(∂V/∂θs)V⁻¹[X y], r ≤ s, in rows

	work workspace
}

type workspace struct {
	f, acc, coef, l, t, e, et, xx, v, hv, ch []float64
	tr, trr, nested                          []float64
}

func (ev *evaluation) init(r *reduced) {
	p, q, np, k := r.p, r.q, len(r.params), r.maxBlock
	if len(ev.beta) == p && len(ev.score) == np && len(ev.work.f) == q*q && len(ev.work.l) >= k*k {
		return
	}
	pairs := np * (np + 1) / 2
	ev.beta = make([]float64, p)
	ev.c = make([]float64, p*p)
	ev.score = make([]float64, np)
	ev.observed = make([]float64, np*np)
	ev.expected = make([]float64, np*np)
	ev.reml = make([]float64, np*np)
	ev.h = make([][]float64, np)
	for i := range ev.h {
		ev.h[i] = make([]float64, q*q)
	}
	ev.qq = make([][]float64, pairs)
	for i := range ev.qq {
		ev.qq[i] = make([]float64, q*q)
	}
	w := &ev.work
	w.f = make([]float64, q*q)
	w.acc = make([]float64, (1+np+pairs)*q*(q+1)/2)
	w.coef = make([]float64, 1+np+pairs)
	w.l = make([]float64, k*k)
	w.t = make([]float64, k*q)
	w.e = make([]float64, np*k*k)
	w.et = make([]float64, np*k*q)
	w.xx = make([]float64, p*p)
	w.v = make([]float64, q)
	w.hv = make([]float64, np*q)
	w.ch = make([]float64, np*p*p)
	w.tr = make([]float64, np)
	w.nested = make([]float64, 5*q)
	w.trr = make([]float64, np*np)
}

func pairIndex(np, r, s int) int { return r*np - r*(r-1)/2 + s - r }

// evaluate computes the criterion at theta and, where derivatives is true, its
// score and informations:
//
//	score    = −½ tr(P V_r) + ½ y'P V_r P y
//	expected = ½ tr(P V_r P V_s)
//	observed = y'P V_r P V_s P y − expected
//
// with P = V⁻¹ − V⁻¹X(X'V⁻¹X)⁻¹X'V⁻¹ and V_r = ∂V/∂θr, V being linear in θ;
// by ML, V⁻¹ stands for P inside the traces. (Patterson & Thompson 1971;
// Harville 1977.) It says false where V or X'V⁻¹X is not positive definite.
func (r *reduced) evaluate(theta []float64, method Method, derivatives bool, ev *evaluation) bool {
	ev.init(r)
	p, q, np := r.p, r.q, len(r.params)
	w := &ev.work
	clearAll(w.acc, w.tr, w.trr)
	terms := 1
	if derivatives {
		terms = 1 + np + np*(np+1)/2
	}
	acc := w.acc[:terms*q*(q+1)/2]
	coef := w.coef[:terms]
	logdet := 0.0
	for b := 0; b+1 < len(r.start); b++ {
		lo, k := r.start[b], r.start[b+1]-r.start[b]
		if r.arrow(k) {
			ld, ok := r.nestedBlock(lo, k, theta, derivatives, acc, terms, w)
			if !ok {
				return false
			}
			logdet += ld
			continue
		}
		om := r.omega[r.omegaAt[b] : r.omegaAt[b]+np*k*k]
		if k == 1 {
			v := 0.0
			for s := 0; s < np; s++ {
				v += theta[s] * om[s]
			}
			if !(v > 0) {
				return false
			}
			inv := 1 / v
			logdet += math.Log(v)
			n := r.cellN[lo]
			base := n * inv
			coef[0] = base
			if derivatives {
				at := 1 + np
				for s := 0; s < np; s++ {
					es := om[s] * inv
					coef[1+s] = base * es
					w.tr[s] += es
					for t := s; t < np; t++ {
						et := om[t] * inv
						coef[at] = base * es * et
						w.trr[s*np+t] += es * et
						at++
					}
				}
			}
			m := r.mean[lo*q : lo*q+q]
			at := 0
			for i := 0; i < q; i++ {
				mi := m[i]
				if mi == 0 {
					at += terms * (q - i)
					continue
				}
				for j := i; j < q; j++ {
					mm := mi * m[j]
					a := acc[at : at+len(coef)]
					for c, f := range coef {
						a[c] += f * mm
					}
					at += terms
				}
			}
			continue
		}
		// A block of several cells: work with L⁻¹, LL' = Ω.
		l := w.l[:k*k]
		for i := range l {
			v := 0.0
			for s := 0; s < np; s++ {
				v += theta[s] * om[s*k*k+i]
			}
			l[i] = v
		}
		if !cholesky(l, k) {
			return false
		}
		logdet += logDet(l, k)
		t := w.t[:k*q]
		for i := 0; i < k; i++ {
			sq := math.Sqrt(r.cellN[lo+i])
			for j := 0; j < q; j++ {
				t[i*q+j] = sq * r.mean[(lo+i)*q+j]
			}
		}
		solveLower(l, t, k, q)
		if derivatives {
			for s := 0; s < np; s++ {
				e := w.e[s*k*k : (s+1)*k*k]
				copy(e, om[s*k*k:(s+1)*k*k])
				solveLower(l, e, k, k)
				transpose(e, k)
				solveLower(l, e, k, k)
				for i := 0; i < k; i++ {
					w.tr[s] += e[i*k+i]
				}
				et := w.et[s*k*q : (s+1)*k*q]
				for i := 0; i < k; i++ {
					row := et[i*q : (i+1)*q]
					for j := range row {
						row[j] = 0
					}
					for c := 0; c < k; c++ {
						f := e[i*k+c]
						if f == 0 {
							continue
						}
						for j, v := range t[c*q : (c+1)*q] {
							row[j] += f * v
						}
					}
				}
			}
			for s := 0; s < np; s++ {
				for u := s; u < np; u++ {
					w.trr[s*np+u] += traceProduct(w.e[s*k*k:], w.e[u*k*k:], k)
				}
			}
		}
		for c := 0; c < k; c++ {
			tc := t[c*q : (c+1)*q]
			at := 0
			for i := 0; i < q; i++ {
				for j := i; j < q; j++ {
					a := acc[at : at+terms]
					a[0] += tc[i] * tc[j]
					if derivatives {
						z := 1 + np
						for s := 0; s < np; s++ {
							es := w.et[(s*k+c)*q:]
							a[1+s] += tc[i] * es[j]
							for u := s; u < np; u++ {
								eu := w.et[(u*k+c)*q:]
								a[z] += (es[i]*eu[j] + eu[i]*es[j]) / 2
								z++
							}
						}
					}
					at += terms
				}
			}
		}
	}
	// Spread the sums into matrices.
	f := w.f
	at := 0
	for i := 0; i < q; i++ {
		for j := i; j < q; j++ {
			a := acc[at : at+terms]
			f[i*q+j], f[j*q+i] = a[0], a[0]
			if derivatives {
				for s := 0; s < np; s++ {
					ev.h[s][i*q+j], ev.h[s][j*q+i] = a[1+s], a[1+s]
				}
				for z := range ev.qq {
					ev.qq[z][i*q+j], ev.qq[z][j*q+i] = a[1+np+z], a[1+np+z]
				}
			}
			at += terms
		}
	}
	// The directions within cells.
	for g, wi := range r.within {
		s2 := theta[g]
		if r.dof[g] == 0 {
			continue
		}
		if !(s2 > 0) {
			return false
		}
		inv := 1 / s2
		logdet += r.dof[g] * math.Log(s2)
		for i, v := range wi {
			f[i] += v * inv
		}
		if derivatives {
			w.tr[g] += r.dof[g] * inv
			w.trr[g*np+g] += r.dof[g] * inv * inv
			qg := ev.qq[pairIndex(np, g, g)]
			for i, v := range wi {
				ev.h[g][i] += v * inv * inv
				qg[i] += v * inv * inv * inv
			}
		}
	}
	// Generalised least squares.
	xx := w.xx
	for i := 0; i < p; i++ {
		copy(xx[i*p:(i+1)*p], f[i*q:i*q+p])
	}
	if !cholesky(xx, p) {
		return false
	}
	inverseFrom(xx, ev.c, p)
	for i := 0; i < p; i++ {
		ev.beta[i] = f[i*q+p]
	}
	solveLower(xx, ev.beta, p, 1)
	yPy := f[p*q+p]
	for _, v := range ev.beta {
		yPy -= v * v
	}
	solveUpper(xx, ev.beta, p, 1)
	n := float64(r.n)
	if method == ML {
		ev.dev = n*math.Log(2*math.Pi) + logdet + yPy
	} else {
		ev.dev = (n-float64(p))*math.Log(2*math.Pi) + logdet + logDet(xx, p) + yPy
	}
	if math.IsNaN(ev.dev) || math.IsInf(ev.dev, 0) {
		return false
	}
	if !derivatives {
		return true
	}
	// r = [X y]v is the residual.
	v := w.v
	for i, b := range ev.beta {
		v[i] = -b
	}
	v[p] = 1
	for s := 0; s < np; s++ {
		hv := w.hv[s*q : (s+1)*q]
		for i := 0; i < q; i++ {
			t := 0.0
			for j, vj := range v {
				t += ev.h[s][i*q+j] * vj
			}
			hv[i] = t
		}
		ch := w.ch[s*p*p : (s+1)*p*p] // C·H_s
		for i := 0; i < p; i++ {
			for j := 0; j < p; j++ {
				t := 0.0
				for l := 0; l < p; l++ {
					t += ev.c[i*p+l] * ev.h[s][l*q+j]
				}
				ch[i*p+j] = t
			}
		}
	}
	for s := 0; s < np; s++ {
		quad := 0.0
		for i, vi := range v {
			quad += vi * w.hv[s*q+i]
		}
		t := w.tr[s]
		if method != ML {
			for i := 0; i < p; i++ {
				t -= w.ch[s*p*p+i*p+i]
			}
		}
		ev.score[s] = (quad - t) / 2
		for u := s; u < np; u++ {
			qm := ev.qq[pairIndex(np, s, u)]
			y2 := 0.0
			for i, vi := range v {
				t := 0.0
				for j, vj := range v {
					t += qm[i*q+j] * vj
				}
				y2 += vi * t
			}
			trCQ, trCC := 0.0, 0.0
			for i := 0; i < p; i++ {
				ci := 0.0
				for j := 0; j < p; j++ {
					ci += ev.c[i*p+j] * w.hv[u*q+j]
					trCQ += ev.c[i*p+j] * qm[i*q+j]
					trCC += w.ch[s*p*p+i*p+j] * w.ch[u*p*p+j*p+i]
				}
				y2 -= w.hv[s*q+i] * ci
			}
			raw := w.trr[s*np+u]
			reml := raw - 2*trCQ + trCC
			use := reml
			if method == ML {
				use = raw
			}
			for _, at := range [2]int{s*np + u, u*np + s} {
				ev.reml[at] = reml / 2
				ev.expected[at] = use / 2
				ev.observed[at] = y2 - use/2
			}
		}
	}
	return true
}

// nestedBlock adds a block of inner groups in one outer group to acc and the
// traces, and returns its log determinant. Its Ω is diagonal, Δ_k = σ² + n_k·τ_inner, plus
// τ_outer·ss' with s_k = √n_k, so that everything is a sum over its cells: with
// a = Δ⁻¹s, S = s'a, g = 1 + τ_outer·S and c the mean of the cells weighted by n/Δ,
//
//	Ω⁻¹ = Δ⁻¹ − (τ_outer/g)aa',  Ω⁻¹s = a/g,  Y = Ω⁻¹M has rows a_k(m_k − c + c/g).
//
// The parameters are in the order residual, outer, inner.
func (r *reduced) nestedBlock(lo, k int, theta []float64, derivatives bool, acc []float64, terms int, w *workspace) (logdet float64, ok bool) {
	q := r.q
	tau := theta[1]
	s := 0.0
	c := w.nested[:q]
	clear(c)
	for i := lo; i < lo+k; i++ {
		n := r.cellN[i]
		delta := theta[0] + n*theta[2]
		if !(delta > 0) {
			return 0, false
		}
		logdet += math.Log(delta)
		s += n / delta
		for j, v := range r.mean[i*q : (i+1)*q] {
			c[j] += n / delta * v
		}
	}
	for j := range c {
		c[j] /= s
	}
	g := 1 + tau*s
	if !(g > 0) {
		return 0, false
	}
	logdet += math.Log(g)
	dev, y := w.nested[q:2*q], w.nested[2*q:3*q] // m_k − c; Y_k
	p0, p2 := w.nested[3*q:4*q], w.nested[4*q:5*q]
	clear(p0)
	clear(p2)
	var a0, a2 float64 // Σ d·a²
	for i := lo; i < lo+k; i++ {
		n := r.cellN[i]
		delta := theta[0] + n*theta[2]
		a := math.Sqrt(n) / delta
		for j, v := range r.mean[i*q : (i+1)*q] {
			dev[j] = v - c[j]
			y[j] = a * (dev[j] + c[j]/g)
		}
		if derivatives {
			inv := 1 / delta
			a0 += a * a
			a2 += n * a * a
			w.tr[0] += inv
			w.tr[2] += n * inv
			// np = 3: pairs are (0,0), (0,1), (0,2), (1,1), (1,2), (2,2)
			f := tau / g * a * a
			w.trr[0] += inv*inv - 2*f*inv
			w.trr[2] += n*inv*inv - 2*f*n*inv
			w.trr[8] += n*n*inv*inv - 2*f*n*n*inv
			for j := range y {
				p0[j] += a * y[j]
				p2[j] += n * a * y[j]
			}
		}
		at := 0
		for u := 0; u < q; u++ {
			du, yu := n/delta*dev[u], y[u]
			for v := u; v < q; v++ {
				x := acc[at : at+terms]
				x[0] += du * dev[v]
				if derivatives {
					yy := yu * y[v]
					x[1] += yy
					x[3] += n * yy
					x[4] += yy / delta
					x[6] += n * yy / delta
					x[9] += n * n * yy / delta
				}
				at += terms
			}
		}
	}
	sg := s / g
	at := 0
	for u := 0; u < q; u++ {
		for v := u; v < q; v++ {
			x := acc[at : at+terms]
			cc := c[u] * c[v]
			x[0] += sg * cc
			if derivatives {
				x[2] += sg * sg * cc
				x[4] -= tau / g * p0[u] * p0[v]
				x[5] += sg / g * (p0[u]*c[v] + p0[v]*c[u]) / 2
				x[6] -= tau / g * (p0[u]*p2[v] + p0[v]*p2[u]) / 2
				x[7] += sg * sg * sg * cc
				x[8] += sg / g * (p2[u]*c[v] + p2[v]*c[u]) / 2
				x[9] -= tau / g * p2[u] * p2[v]
			}
			at += terms
		}
	}
	if derivatives {
		f := tau / g
		w.tr[0] -= f * a0
		w.tr[1] += sg
		w.tr[2] -= f * a2
		w.trr[0] += f * f * a0 * a0
		w.trr[1] += a0 / (g * g)
		w.trr[2] += f * f * a0 * a2
		w.trr[4] += sg * sg
		w.trr[5] += a2 / (g * g)
		w.trr[8] += f * f * a2 * a2
	}
	return logdet, true
}

func clearAll(s ...[]float64) {
	for _, v := range s {
		clear(v)
	}
}

func transpose(a []float64, n int) {
	for i := 0; i < n; i++ {
		for j := 0; j < i; j++ {
			a[i*n+j], a[j*n+i] = a[j*n+i], a[i*n+j]
		}
	}
}
