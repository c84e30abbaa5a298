package mixed

import (
	"fmt"
	"math"
)

// SchoolRefitter refits a random-intercept model with the arms of whole
// schools redrawn and all else as it was, for randomisation inference. The
// rows are read once; a refit costs some tens of microseconds for a trial of
// a hundred schools, because the cross-products of everything but the arms are
// kept by school.
//
//	s, err := mixed.NewSchoolRefitter(data, mixed.REML)
//	out := make([]mixed.Refit, s.Effects())
//	err = s.Refit(armOfSchool, out)
//
// A SchoolRefitter keeps working space, so each goroutine needs its own:
// Clone shares what is read only.
type SchoolRefitter struct {
	shared *refitData

	arms               [][]float64 // by arm column, by school: 0 or 1
	f, h, q3           []float64   // symmetric k × k, k = columns and y
	xx, c, ch, beta, v []float64
	hv                 []float64
	buf                []float64 // sums at another λ than the first
	sigma2             float64
}

// refitData does not change between refits.
type refitData struct {
	k, fixed, effects int // columns and y; columns that are not an arm's; arm columns
	n                 int // rows
	method            Method
	size              []float64 // rows, by school
	group             []int     // index of the school in Data.Levels[0]
	armOf             []int     // arm of each effect
	levels            int       // schools in Data.Levels[0]
	nArms             int
	mean              []float64 // schools × (fixed + 1): the fixed columns and y
	prod              []float64 // schools × pairs of mean
	within            []float64 // pairs
	scaleY            float64
	start             float64 // ratio of the variances from which to search
	// sums at start, which every refit needs first
	f0, h0, q0 []float64
}

// Refit is the effect of one arm against the control arm in a refit, in
// outcome units.
type Refit struct {
	Estimate float64
	SE       float64 // model-based
	T        float64 // Estimate / SE
	Tau2     float64 // variance between schools
	Sigma2   float64 // residual variance
	Singular bool    // whether Tau2 is 0
}

// NewSchoolRefitter prepares refits of the model that New(d, Model{Method:
// method}) fits. The data must have one level, the arms must be constant
// within its groups, and no interaction may hold an arm.
func NewSchoolRefitter(d *Data, method Method) (*SchoolRefitter, error) {
	if method == "" {
		method = REML
	}
	const what = "refits for redrawn arms"
	if d.Arm == nil {
		return nil, &MethodError{what, "the data have no arms"}
	}
	if len(d.Levels) != 1 {
		return nil, &MethodError{what, "these are for a model of one level, schools; fit each draw by New instead"}
	}
	for _, c := range d.Columns {
		if c.ArmProduct {
			return nil, &MethodError{what, fmt.Sprintf("column %q is an interaction with an arm; fit each draw by New instead", c.Name)}
		}
	}
	if _, nested := d.clustersByArm(&d.Levels[0]); !nested {
		return nil, &MethodError{what, "a school has pupils of two arms: pupils were drawn, not schools"}
	}
	fit, err := New(d, Model{Method: method})
	if err != nil {
		return nil, err
	}
	r := fit.r
	if r.tolerance < nearlyCollinear { // the columns themselves are wanted
		if r, err = reduceWith(d, Model{Method: method}, false); err != nil {
			return nil, err
		}
	}
	if r.maxBlock != 1 || r.intercept < 0 {
		return nil, &MethodError{what, "these need an intercept and every row in a school"}
	}
	sh := &refitData{n: r.n, method: method, size: r.cellN, scaleY: r.scale[r.p], levels: d.Levels[0].size(), nArms: len(d.Arms)}
	var fixed []int
	for k, c := range d.Columns {
		if !c.Arm {
			fixed = append(fixed, k)
			continue
		}
		// Which arm this dummy is of.
		at := -1
		for i, v := range c.Values {
			if v == 1 {
				at = d.Arm[i]
				break
			}
		}
		if at < 0 {
			return nil, &MethodError{what, fmt.Sprintf("column %q is no arm's dummy", c.Name)}
		}
		sh.armOf = append(sh.armOf, at)
	}
	if len(sh.armOf) == 0 {
		return nil, &MethodError{what, "no column of the design is an arm's"}
	}
	sh.fixed, sh.effects = len(fixed), len(sh.armOf)
	sh.k = sh.fixed + sh.effects + 1
	cols := append(append([]int(nil), fixed...), r.p)
	w := len(cols)
	pairs := w * (w + 1) / 2
	for c := range r.cells {
		sh.group = append(sh.group, r.cells[c].group[0])
		for _, k := range cols {
			sh.mean = append(sh.mean, r.mean[c*r.q+k])
		}
		m := sh.mean[c*w : (c+1)*w]
		for i := 0; i < w; i++ {
			for j := i; j < w; j++ {
				sh.prod = append(sh.prod, m[i]*m[j])
			}
		}
	}
	for i := 0; i < w; i++ {
		for j := i; j < w; j++ {
			sh.within = append(sh.within, r.within[0][cols[i]*r.q+cols[j]])
		}
	}
	sh.start = fit.theta[1] / fit.theta[0]
	if sh.start == 0 {
		sh.start = 0.02
	}
	sh.f0, sh.h0, sh.q0 = make([]float64, pairs), make([]float64, pairs), make([]float64, pairs)
	sh.sums(sh.start, sh.f0, sh.h0, sh.q0)
	s := &SchoolRefitter{shared: sh}
	return s.Clone(), nil
}

// Clone is a refitter of the same data for another goroutine.
func (s *SchoolRefitter) Clone() *SchoolRefitter {
	sh := s.shared
	k, p := sh.k, sh.k-1
	out := &SchoolRefitter{shared: sh,
		f: make([]float64, k*k), h: make([]float64, k*k), q3: make([]float64, k*k),
		xx: make([]float64, p*p), c: make([]float64, p*p), ch: make([]float64, p*p),
		beta: make([]float64, p), v: make([]float64, k), hv: make([]float64, k)}
	for range sh.armOf {
		out.arms = append(out.arms, make([]float64, len(sh.size)))
	}
	return out
}

// Effects is the number of arms that are compared with the control arm.
func (s *SchoolRefitter) Effects() int { return s.shared.effects }

// Schools is the length that Refit wants of armOfSchool: one more than the
// largest group index of the level.
func (s *SchoolRefitter) Schools() int { return s.shared.levels }

// sums adds up the pairs of the fixed columns and y over the schools with the
// weights f = n/(1+λn), f² and f³.
func (sh *refitData) sums(lambda float64, f, h, q []float64) {
	pairs := len(sh.within)
	copy(f, sh.within)
	clear(h)
	clear(q)
	f, h, q = f[:pairs], h[:pairs], q[:pairs]
	for s, n := range sh.size {
		w1 := n / (1 + lambda*n)
		w2 := w1 * w1
		w3 := w2 * w1
		for i, v := range sh.prod[s*pairs : (s+1)*pairs] {
			f[i] += w1 * v
			h[i] += w2 * v
			q[i] += w3 * v
		}
	}
}

// Refit fits the model with the schools in the arms given: armOfSchool[g] is
// the arm (an index into Data.Arms) of group g of Data.Levels[0]. out gets one
// Refit for each arm column of the data, in their order. Schools without rows
// are passed over. An arm that is left without a school is an error.
func (s *SchoolRefitter) Refit(armOfSchool []int, out []Refit) error {
	sh := s.shared
	if len(armOfSchool) != sh.levels || len(out) != sh.effects {
		return &ShapeError{fmt.Sprintf("refit with %d schools and %d effects; want %d and %d", len(armOfSchool), len(out), sh.levels, sh.effects)}
	}
	for e, arm := range sh.armOf {
		any := 0.0
		for i, g := range sh.group {
			a := armOfSchool[g]
			if a < 0 || a >= sh.nArms {
				return &ShapeError{fmt.Sprintf("refit with school %d in arm %d of %d", g, a, sh.nArms)}
			}
			v := 0.0
			if a == arm {
				v = 1
			}
			s.arms[e][i] = v
			any += v
		}
		if any == 0 {
			return &ShapeError{fmt.Sprintf("refit with no school in arm %d", arm)}
		}
	}
	lambda := sh.start
	lo, hi := 0.0, math.Inf(1)
	triedZero := false
	for it := 0; it < 100; it++ {
		slope, curve, err := s.evaluate(lambda, it == 0)
		if err != nil {
			return err
		}
		done := false
		var next float64
		if lambda == 0 {
			if slope >= 0 { // uphill is below zero: the boundary is the maximum
				done = true
			} else {
				next = sh.start / 16
				if next >= hi {
					next = hi / 2
				}
			}
		} else {
			if slope > 0 {
				hi = math.Min(hi, lambda)
			} else {
				lo = math.Max(lo, lambda)
			}
			next = lambda - slope/curve
			if !(curve > 0) || next >= hi || next <= lo {
				switch {
				case slope <= 0 && math.IsInf(hi, 1):
					next = lambda * 4
				case slope <= 0:
					next = (lambda + hi) / 2
				case lo == 0 && !triedZero:
					next, triedZero = 0, true
				default:
					next = (lambda + lo) / 2
				}
			}
			step := math.Abs(next-lambda) / lambda
			// Newton's error after a step is of the order of its square.
			if step < 1e-7 {
				if step > 1e-14 {
					if _, _, err := s.evaluate(next, false); err != nil {
						return err
					}
					lambda = next
				}
				done = true
			}
		}
		if done {
			s.result(lambda, out)
			return nil
		}
		lambda = next
	}
	return &ConvergenceError{Iterations: 100}
}

// evaluate is the derivative of −2 log likelihood in λ = τ²/σ², σ² maximised
// out, and its derivative.
func (s *SchoolRefitter) evaluate(lambda float64, first bool) (slope, curve float64, err error) {
	sh := s.shared
	k, p, w := sh.k, sh.k-1, sh.fixed+1
	pairs := len(sh.within)
	f, h, q := sh.f0, sh.h0, sh.q0
	if !first {
		buf := s.sumsBuffer(pairs)
		f, h, q = buf[:pairs], buf[pairs:2*pairs], buf[2*pairs:]
		sh.sums(lambda, f, h, q)
	}
	// place of a fixed column or y among all columns
	at := func(i int) int {
		if i == sh.fixed {
			return p
		}
		return i
	}
	z := 0
	for i := 0; i < w; i++ {
		for j := i; j < w; j++ {
			a, b := at(i), at(j)
			s.f[a*k+b], s.f[b*k+a] = f[z], f[z]
			s.h[a*k+b], s.h[b*k+a] = h[z], h[z]
			s.q3[a*k+b], s.q3[b*k+a] = q[z], q[z]
			z++
		}
	}
	for e := range sh.armOf {
		row := sh.fixed + e
		fr, hr, qr := s.f[row*k:(row+1)*k], s.h[row*k:(row+1)*k], s.q3[row*k:(row+1)*k]
		clear(fr)
		clear(hr)
		clear(qr)
		for i, a := range s.arms[e] {
			if a == 0 {
				continue
			}
			n := sh.size[i]
			w1 := n / (1 + lambda*n)
			w2 := w1 * w1
			w3 := w2 * w1
			m := sh.mean[i*w : (i+1)*w]
			for j, v := range m[:sh.fixed] {
				fr[j] += w1 * v
				hr[j] += w2 * v
				qr[j] += w3 * v
			}
			fr[p] += w1 * m[sh.fixed]
			hr[p] += w2 * m[sh.fixed]
			qr[p] += w3 * m[sh.fixed]
			fr[row] += w1
			hr[row] += w2
			qr[row] += w3
		}
		for j := 0; j < k; j++ {
			s.f[j*k+row], s.h[j*k+row], s.q3[j*k+row] = fr[j], hr[j], qr[j]
		}
	}
	for i := 0; i < p; i++ {
		copy(s.xx[i*p:(i+1)*p], s.f[i*k:i*k+p])
		s.beta[i] = s.f[i*k+p]
	}
	if !cholesky(s.xx, p) {
		return 0, 0, &RankError{Dependent: []Dependence{{Column: "the redrawn arms", Of: []string{"the other columns"}}}}
	}
	inverseFrom(s.xx, s.c, p)
	solveLower(s.xx, s.beta, p, 1)
	solveUpper(s.xx, s.beta, p, 1)
	for i, b := range s.beta {
		s.v[i] = -b
	}
	s.v[p] = 1
	yPy := 0.0
	for i, vi := range s.v {
		yPy += vi * s.f[i*k+p]
	}
	vHv, q2 := 0.0, 0.0
	for i := 0; i < k; i++ {
		t, u := 0.0, 0.0
		for j, vj := range s.v {
			t += s.h[i*k+j] * vj
			u += s.q3[i*k+j] * vj
		}
		s.hv[i] = t
		vHv += s.v[i] * t
		q2 += s.v[i] * u
	}
	trCH, trCQ, trCC := 0.0, 0.0, 0.0
	for i := 0; i < p; i++ {
		ci := 0.0
		for j := 0; j < p; j++ {
			t := 0.0
			for l := 0; l < p; l++ {
				t += s.c[i*p+l] * s.h[l*k+j]
			}
			s.ch[i*p+j] = t
			trCQ += s.c[i*p+j] * s.q3[i*k+j]
			ci += s.c[i*p+j] * s.hv[j]
		}
		trCH += s.ch[i*p+i]
		q2 -= s.hv[i] * ci
	}
	for i := 0; i < p; i++ {
		for j := 0; j < p; j++ {
			trCC += s.ch[i*p+j] * s.ch[j*p+i]
		}
	}
	sumF, sumF2 := 0.0, 0.0
	for _, n := range sh.size {
		w1 := n / (1 + lambda*n)
		sumF += w1
		sumF2 += w1 * w1
	}
	dof := float64(sh.n)
	if sh.method == ML {
		trCH, trCQ, trCC = 0, 0, 0
	} else {
		dof -= float64(p)
	}
	if !(yPy > 0) {
		return 0, 0, &PerfectFitError{Outcome: "outcome"}
	}
	slope = -dof*vHv/yPy + sumF - trCH
	curve = dof*(2*q2/yPy-(vHv/yPy)*(vHv/yPy)) - sumF2 - trCC + 2*trCQ
	s.sigma2 = yPy / dof
	return slope, curve, nil
}

// sumsBuffer is working space for the sums.
func (s *SchoolRefitter) sumsBuffer(pairs int) []float64 {
	if len(s.buf) != 3*pairs {
		s.buf = make([]float64, 3*pairs)
	}
	return s.buf
}

func (s *SchoolRefitter) result(lambda float64, out []Refit) {
	sh := s.shared
	p := sh.k - 1
	sigma2 := s.sigma2 * sh.scaleY * sh.scaleY
	for e := range out {
		i := sh.fixed + e
		r := Refit{Estimate: s.beta[i] * sh.scaleY, SE: math.Sqrt(sigma2 * s.c[i*p+i]),
			Sigma2: sigma2, Tau2: lambda * sigma2, Singular: lambda == 0}
		r.T = r.Estimate / r.SE
		out[e] = r
	}
}
