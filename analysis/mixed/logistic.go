package mixed

import (
	"fmt"
	"math"
	"sync"

	"evenhand/analysis"
	"evenhand/analysis/internal/dist"
)

// logisticTolerance is the size of a step, columns standardised, at which the
// search of a logistic model stops.
const logisticTolerance = 1e-11

// Logistic is a logistic model with a random intercept,
//
//	logit P(y = 1) = Xβ + σv, v standard normal by group,
//
// fitted by maximum likelihood, the integral over v by adaptive Gauss–Hermite
// quadrature (Pinheiro & Bates 1995; one point is Laplace's approximation).
type Logistic struct {
	Description string
	Outcome     string
	Quadrature  int // points

	Coefficients []Coefficient // log odds (ratios), given the group's effect
	// Vcov is of the coefficients; VcovAll has σ as its last row and column
	// (nil on the boundary). Both invert the observed information.
	Vcov, VcovAll [][]float64

	Sigma   float64 // SD between groups on the logit scale
	SigmaSE float64 // 0 on the boundary
	// ICC is σ²/(σ² + π²/3), on the latent scale.
	ICC        float64
	LogLik     float64
	Iterations int
	Tolerance  float64 // size of a step, columns standardised, at which the search stops
	Gradient   float64 // largest |∂ log likelihood / ∂ parameter|, columns standardised
	Singular   bool    // whether σ was estimated as 0

	N        int
	Groups   []GroupCount
	Warnings []analysis.Warning

	data *Data
	g    *glmm
	psi  []float64 // standardised coefficients and σ
	cov  []float64 // of psi; on the boundary, of the coefficients alone
}

// SeparationError says that some combination of columns tells passes from
// fails without error, so that a log odds ratio is infinite.
type SeparationError struct {
	Outcome string
	Columns []string
}

func (e *SeparationError) Error() string {
	return fmt.Sprintf("outcome %q is separated by %s: where they point one way everybody passes (or fails), so an odds ratio is infinite; leave them out, merge categories, or report the difference in proportions", e.Outcome, quoted(e.Columns))
}

// Unwrap returns ErrNoNumber.
func (e *SeparationError) Unwrap() error { return ErrNoNumber }

// NotBinaryError says that an outcome is not 0 or 1.
type NotBinaryError struct {
	Outcome string
	Row     int // from 0
	Value   float64
}

func (e *NotBinaryError) Error() string {
	return fmt.Sprintf("outcome %q, row %d: %v, where a logistic model wants 0 or 1", e.Outcome, e.Row+1, e.Value)
}

// Unwrap returns ErrNoNumber.
func (e *NotBinaryError) Unwrap() error { return ErrNoNumber }

// glmm is the data as the likelihood needs them: rows sorted by group.
type glmm struct {
	p     int
	x     []float64 // rows × p, standardised
	y     []float64
	start []int // rows of group j: start[j] to start[j+1]
	z, lw []float64
}

// NewLogistic fits the model to Data with a Y of zeros and ones and one Level
// that every row is in. points is the number of quadrature points, 1 to 100.
func NewLogistic(d *Data, points int) (*Logistic, error) {
	if points < 1 || points > 100 {
		return nil, &ShapeError{fmt.Sprintf("%d quadrature points; from 1 (Laplace) to 100 can be had", points)}
	}
	if err := d.check(); err != nil {
		return nil, err
	}
	for i, y := range d.Y {
		if y != 0 && y != 1 {
			return nil, &NotBinaryError{d.Outcome, i, y}
		}
	}
	if _, _, err := d.checkArms(); err != nil {
		return nil, err
	}
	if len(d.Levels) != 1 {
		return nil, &MethodError{"logistic model", "it has one level; choose the one that was randomised"}
	}
	for i, g := range d.Levels[0].Index {
		if g < 0 {
			return nil, &MethodError{"logistic model", fmt.Sprintf("row %d is in no %s", i+1, d.Levels[0].Name)}
		}
	}
	r := &reduced{n: len(d.Y), p: len(d.Columns), q: len(d.Columns) + 1, intercept: -1}
	cellOf, ncell, err := r.makeCells(d, Model{}, nil)
	if err != nil {
		return nil, err
	}
	if err := r.accumulate(d, cellOf, ncell); err != nil {
		return nil, err
	}
	r.standardise(d)
	if err := r.checkColumns(d); err != nil {
		if _, exactly := err.(*PerfectFitError); !exactly { // that is separation; see below
			return nil, err
		}
	}
	if len(r.cells) < 2 {
		return nil, &ClustersError{Level: d.Levels[0].Name, N: len(r.cells)}
	}
	if len(r.cells) == r.n {
		return nil, &NotIdentifiedError{Level: d.Levels[0].Name, SingleRows: true, Reason: "every group has a single row; a logistic regression says all that can be said"}
	}
	g := newGLMM(d, r, points)
	f := &Logistic{Outcome: d.Outcome, Quadrature: points, N: r.n, data: d, g: g,
		Groups: []GroupCount{{d.Levels[0].Name, len(r.cells)}}}
	f.Warnings = append(f.Warnings, d.Warnings...)
	beta, err := g.regression(d)
	if err != nil {
		return nil, err
	}
	if err := f.maximise(beta); err != nil {
		return nil, err
	}
	f.finish(r)
	return f, nil
}

func newGLMM(d *Data, r *reduced, points int) *glmm {
	n, p := r.n, r.p
	g := &glmm{p: p, x: make([]float64, n*p), y: make([]float64, n)}
	size := d.Levels[0].size()
	count := make([]int, size+1)
	for _, k := range d.Levels[0].Index {
		count[k+1]++
	}
	for k := 0; k < size; k++ {
		if count[k+1] > 0 {
			g.start = append(g.start, count[k])
		}
		count[k+1] += count[k]
	}
	g.start = append(g.start, n)
	at := append([]int(nil), count[:size]...)
	for i, k := range d.Levels[0].Index {
		row := at[k]
		at[k]++
		g.y[row] = d.Y[i]
		for c := range d.Columns {
			v := 1.0
			if col := d.column(c); col != nil {
				v = (col[i] - r.centre[c]) / r.scale[c]
			}
			g.x[row*p+c] = v
		}
	}
	g.z, g.lw = hermite(points)
	for k := range g.lw {
		g.lw[k] = math.Log(g.lw[k]) + g.z[k]*g.z[k]
	}
	return g
}

// hermite is Gauss–Hermite quadrature of order n: nodes and weights for
// ∫exp(−z²)f(z)dz, by Newton's method on the orthonormal polynomials.
func hermite(n int) (z, w []float64) {
	z, w = make([]float64, n), make([]float64, n)
	fn := float64(n)
	x := 0.0
	for i := 0; i < (n+1)/2; i++ {
		// Starting points from the largest root inwards (Stroud & Secrest 1966).
		switch i {
		case 0:
			x = math.Sqrt(2*fn+1) - 1.85575*math.Pow(2*fn+1, -1.0/6)
		case 1:
			x -= 1.14 * math.Pow(fn, 0.426) / x
		case 2:
			x = 1.86*x - 0.86*z[n-1]
		case 3:
			x = 1.91*x - 0.91*z[n-2]
		default:
			x = 2*x - z[n-i+1]
		}
		var deriv float64
		for it := 0; it < 100; it++ {
			p1, p2 := math.Pow(math.Pi, -0.25), 0.0
			for j := 1; j <= n; j++ {
				fj := float64(j)
				p1, p2 = x*math.Sqrt(2/fj)*p1-math.Sqrt((fj-1)/fj)*p2, p1
			}
			deriv = math.Sqrt(2*fn) * p2
			dx := p1 / deriv
			x -= dx
			if math.Abs(dx) < 1e-15*math.Max(1, math.Abs(x)) {
				break
			}
		}
		if n%2 == 1 && i == n/2 {
			x = 0
			p1, p2 := math.Pow(math.Pi, -0.25), 0.0
			for j := 1; j <= n; j++ {
				fj := float64(j)
				p1, p2 = x*math.Sqrt(2/fj)*p1-math.Sqrt((fj-1)/fj)*p2, p1
			}
			deriv = math.Sqrt(2*fn) * p2
		}
		z[n-1-i], z[i] = x, -x
		w[i] = 2 / (deriv * deriv)
		w[n-1-i] = w[i]
	}
	return z, w
}

// logistic is p = 1/(1+exp(−η)) and log(1+exp(η)), both without overflow.
func logistic(eta float64) (p, log1p float64) {
	if eta > 0 {
		e := math.Exp(-eta)
		return 1 / (1 + e), eta + math.Log1p(e)
	}
	e := math.Exp(eta)
	return e / (1 + e), math.Log1p(e)
}

// regression is the logistic regression without random effect, as a start and
// to find separation.
func (g *glmm) regression(d *Data) ([]float64, error) {
	p, n := g.p, len(g.y)
	beta := make([]float64, p)
	last := math.Inf(-1)
	for it := 0; it < 200; it++ {
		h := make([]float64, p*p)
		score := make([]float64, p)
		ll := 0.0
		for i := 0; i < n; i++ {
			x := g.x[i*p : (i+1)*p]
			eta := 0.0
			for k, b := range beta {
				eta += b * x[k]
			}
			pr, lp := logistic(eta)
			ll += g.y[i]*eta - lp
			w := pr * (1 - pr)
			for a, xa := range x {
				score[a] += (g.y[i] - pr) * xa
				for b, xb := range x {
					h[a*p+b] += w * xa * xb
				}
			}
		}
		step := append([]float64(nil), score...)
		for k := 0; k < p; k++ {
			h[k*p+k] *= 1 + 1e-12
		}
		ok := cholesky(h, p)
		size, far := 0.0, 0.0
		if ok {
			solveLower(h, step, p, 1)
			solveUpper(h, step, p, 1)
			for k := range step {
				size = math.Max(size, math.Abs(step[k]))
				far = math.Max(far, math.Abs(beta[k]))
			}
		}
		// Where the estimate is infinite, Newton's steps stay of size 1 and
		// their direction separates the rows, which can be verified.
		if !ok || it > 12 && size > 0.05 || far > 30 {
			dir := step
			if !ok {
				dir = beta
			}
			if cols := g.separates(d, dir); cols != nil {
				return nil, &SeparationError{Outcome: d.Outcome, Columns: cols}
			}
			if !ok {
				return nil, &ConvergenceError{Iterations: it}
			}
		}
		frac := 1.0
		if ll < last-1e-9*math.Abs(last) {
			frac = 0.5
		}
		last = ll
		for k := range beta {
			beta[k] += frac * step[k]
		}
		if size < 1e-10 {
			return beta, nil
		}
	}
	return nil, &ConvergenceError{Iterations: 200}
}

// separates verifies that moving along dir never makes a row less likely, and
// names the columns that carry it; nil where it does not separate.
func (g *glmm) separates(d *Data, dir []float64) []string {
	p := g.p
	norm := 0.0
	for _, v := range dir {
		norm = math.Max(norm, math.Abs(v))
	}
	if norm == 0 {
		return nil
	}
	any := false
	for i, y := range g.y {
		eta := 0.0
		for k, v := range dir {
			eta += v / norm * g.x[i*p+k]
		}
		eta *= 2*y - 1
		if eta < -1e-3 {
			return nil
		}
		any = any || eta > 1e-3
	}
	if !any {
		return nil
	}
	var cols []string
	for k, c := range d.Columns {
		if c.Values != nil && math.Abs(dir[k]) > 0.02*norm {
			cols = append(cols, c.Name)
		}
	}
	return cols
}

// value is the log likelihood at psi = (β, σ) and its exact gradient: the
// modes and scales of the quadrature move with the parameters, and that is
// differentiated too. Groups are summed in a fixed order.
func (g *glmm) value(psi, grad []float64) float64 {
	groups := len(g.start) - 1
	pieces := 1
	if len(g.y) > 4096 {
		pieces = min(8, groups)
	}
	ll := make([]float64, pieces)
	gr := make([][]float64, pieces)
	var wg sync.WaitGroup
	for w := 0; w < pieces; w++ {
		gr[w] = make([]float64, len(psi))
		wg.Add(1)
		run := func() {
			defer wg.Done()
			ws := newGLMMSpace(g, len(psi))
			for j := groups * w / pieces; j < groups*(w+1)/pieces; j++ {
				ll[w] += g.group(j, psi, gr[w], ws)
			}
		}
		if pieces == 1 {
			run()
		} else {
			go run()
		}
	}
	wg.Wait()
	total := 0.0
	clear(grad)
	for w := range ll {
		total += ll[w]
		for k, v := range gr[w] {
			grad[k] += v
		}
	}
	return total
}

type glmmSpace struct {
	xb, term              []float64
	dgp, dh, dv, ds, part []float64
}

func newGLMMSpace(g *glmm, n int) *glmmSpace {
	longest := 0
	for j := 0; j+1 < len(g.start); j++ {
		longest = max(longest, g.start[j+1]-g.start[j])
	}
	return &glmmSpace{xb: make([]float64, longest), term: make([]float64, len(g.z)),
		dgp: make([]float64, n), dh: make([]float64, n), dv: make([]float64, n), ds: make([]float64, n),
		part: make([]float64, len(g.z)*n)}
}

// group adds the gradient of one group's log likelihood to grad and returns
// the log likelihood.
func (g *glmm) group(j int, psi, grad []float64, ws *glmmSpace) float64 {
	p := g.p
	lo, hi := g.start[j], g.start[j+1]
	sigma := psi[p]
	n := hi - lo
	xb := ws.xb[:n]
	for i := range xb {
		s := 0.0
		for k, x := range g.x[(lo+i)*p : (lo+i+1)*p] {
			s += psi[k] * x
		}
		xb[i] = s
	}
	y := g.y[lo:hi]
	// The mode of v, by Newton with halving (the function is concave).
	at := func(v float64) (val, d1, h float64) {
		val, d1, h = -v*v/2, -v, 1
		for i, e := range xb {
			eta := e + sigma*v
			pr, lp := logistic(eta)
			val += y[i]*eta - lp
			d1 += sigma * (y[i] - pr)
			h += sigma * sigma * pr * (1 - pr)
		}
		return
	}
	v := 0.0
	val, d1, h := at(v)
	for it := 0; it < 100; it++ {
		step := d1 / h
		moved := false
		for try := 0; try < 30; try++ {
			nv, n1, nh := at(v + step)
			if nv >= val-1e-13*math.Abs(val) {
				v, val, d1, h = v+step, nv, n1, nh
				moved = true
				break
			}
			step /= 2
		}
		if !moved || math.Abs(step) < 1e-14*(1+math.Abs(v)) {
			break
		}
	}
	// Derivatives of the mode and of the scale s = h^(−1/2).
	dgp, dh := ws.dgp, ws.dh
	clear(dgp)
	clear(dh)
	hv, resid, sw := 0.0, 0.0, 0.0
	for i, e := range xb {
		pr, _ := logistic(e + sigma*v)
		w := pr * (1 - pr)
		c := w * (1 - 2*pr)
		for k, x := range g.x[(lo+i)*p : (lo+i+1)*p] {
			dgp[k] -= sigma * w * x
			dh[k] += sigma * sigma * c * x
		}
		resid += y[i] - pr
		sw += w
		hv += c
	}
	dgp[p] = resid - sigma*v*sw
	dh[p] = 2*sigma*sw + sigma*sigma*v*hv
	hv *= sigma * sigma * sigma
	s := 1 / math.Sqrt(h)
	for k := range dgp {
		ws.dv[k] = dgp[k] / h
		ws.ds[k] = -0.5 * s * s * s * (dh[k] + hv*ws.dv[k])
	}
	// The nodes.
	best := math.Inf(-1)
	np := p + 1
	for q, z := range g.z {
		vq := v + math.Sqrt2*s*z
		val, d1 := -vq*vq/2, -vq
		part := ws.part[q*np : (q+1)*np]
		clear(part)
		for i, e := range xb {
			eta := e + sigma*vq
			pr, lp := logistic(eta)
			r := y[i] - pr
			val += y[i]*eta - lp
			d1 += sigma * r
			for k, x := range g.x[(lo+i)*p : (lo+i+1)*p] {
				part[k] += r * x
			}
			part[p] += r * vq
		}
		for k := range part {
			part[k] += d1 * (ws.dv[k] + math.Sqrt2*z*ws.ds[k])
		}
		ws.term[q] = g.lw[q] + val
		best = math.Max(best, ws.term[q])
	}
	sum := 0.0
	for _, t := range ws.term {
		sum += math.Exp(t - best)
	}
	for q, t := range ws.term {
		w := math.Exp(t-best) / sum
		for k, d := range ws.part[q*np : (q+1)*np] {
			grad[k] += w * d
		}
	}
	for k, d := range ws.ds {
		grad[k] += d / s
	}
	return math.Log(s) + best + math.Log(sum) + 0.5*math.Log(2) - 0.5*math.Log(2*math.Pi)
}

// hessian is that of minus the log likelihood, from the exact gradient by
// differences of fourth order, or of second order (half the work, and enough
// for steps) where rough.
func (g *glmm) hessian(psi []float64, free int, rough bool) []float64 {
	n := len(psi)
	out := make([]float64, free*free)
	grads := [4][]float64{}
	for s := range grads {
		grads[s] = make([]float64, n)
	}
	for k := 0; k < free; k++ {
		h := 2e-3 * math.Max(1, math.Abs(psi[k]))
		if k == n-1 { // σ must not change its sign on the way
			h = math.Min(h, psi[k]/4)
		}
		if rough {
			h /= 20
		}
		for s, m := range [4]float64{-2, -1, 1, 2} {
			if rough && (s == 0 || s == 3) {
				continue
			}
			x := append([]float64(nil), psi...)
			x[k] += m * h
			g.value(x, grads[s])
		}
		for i := 0; i < free; i++ {
			if rough {
				out[i*free+k] = -(grads[2][i] - grads[1][i]) / (2 * h)
				continue
			}
			out[i*free+k] = -(grads[0][i] - 8*grads[1][i] + 8*grads[2][i] - grads[3][i]) / (12 * h)
		}
	}
	for i := 0; i < free; i++ {
		for k := 0; k < i; k++ {
			v := (out[i*free+k] + out[k*free+i]) / 2
			out[i*free+k], out[k*free+i] = v, v
		}
	}
	return out
}

// maximise climbs by Newton's method from a regression without random effect.
func (f *Logistic) maximise(beta []float64) error {
	g := f.g
	p := g.p
	n := p + 1
	grad := make([]float64, n)
	flat := append(append([]float64(nil), beta...), 0)
	atZero := g.value(flat, grad)
	psi := append(append([]float64(nil), beta...), 0.5)
	ll := g.value(psi, grad)
	converged := false
	f.Tolerance = logisticTolerance
	for it := 1; it <= 100; it++ {
		f.Iterations = it
		if psi[p] < 1e-4 {
			break
		}
		h := g.hessian(psi, n, true)
		step := append([]float64(nil), grad...)
		l := append([]float64(nil), h...)
		damp := 0.0
		for !cholesky(l, n) {
			damp = math.Max(2*damp, 1)
			copy(l, h)
			for k := 0; k < n; k++ {
				l[k*n+k] += damp
			}
			if damp > 1e12 {
				return &ConvergenceError{Iterations: it}
			}
		}
		solveLower(l, step, n, 1)
		solveUpper(l, step, n, 1)
		size := 0.0
		for _, s := range step {
			size = math.Max(size, math.Abs(s))
		}
		f.Gradient = 0
		for _, s := range grad {
			f.Gradient = math.Max(f.Gradient, math.Abs(s))
		}
		if size < logisticTolerance || f.Gradient < 1e-9 && size < 1e-6 {
			converged = true
			break
		}
		moved := false
		for frac := 1.0; frac > 1e-10; frac /= 2 {
			cand := append([]float64(nil), psi...)
			for k := range cand {
				cand[k] += frac * step[k]
			}
			if cand[p] < 0.1*psi[p] {
				cand[p] = 0.1 * psi[p]
			}
			gc := make([]float64, n)
			if lc := g.value(cand, gc); lc >= ll-1e-13*math.Abs(ll) {
				psi, ll, grad = cand, lc, gc
				moved = true
				break
			}
		}
		if !moved {
			converged = size < 1e-7
			if !converged {
				return &ConvergenceError{Iterations: it, Gradient: f.Gradient}
			}
			break
		}
	}
	if psi[p] < 1e-4 || atZero >= ll {
		f.Singular = true
		psi, ll = flat, atZero
		g.value(psi, grad)
		f.Gradient = 0
		for _, s := range grad[:p] {
			f.Gradient = math.Max(f.Gradient, math.Abs(s))
		}
	} else if !converged {
		return &ConvergenceError{Iterations: f.Iterations, Gradient: f.Gradient}
	}
	f.psi, f.LogLik = psi, ll
	free := n
	if f.Singular {
		free = p
	}
	if f.cov = invert(g.hessian(psi, free, false), free); f.cov == nil {
		return &ConvergenceError{Iterations: f.Iterations, Gradient: f.Gradient}
	}
	return nil
}

// finish turns standardised results into results in the data's units.
func (f *Logistic) finish(r *reduced) {
	d, p := f.data, f.g.p
	free := p + 1
	if f.Singular {
		free = p
	}
	back := make([]float64, free*free)
	for k := 0; k < p; k++ {
		back[k*free+k] = 1 / r.scale[k]
		if r.intercept >= 0 && k != r.intercept && d.Columns[k].Values != nil {
			back[r.intercept*free+k] = -r.centre[k] / r.scale[k]
		}
	}
	if !f.Singular {
		back[p*free+p] = 1
	}
	est := mul(back, f.psi[:free], free, free, 1)
	bt := append([]float64(nil), back...)
	transpose(bt, free)
	cov := mul(mul(back, f.cov, free, free, free), bt, free, free, free)
	for i := 0; i < free; i++ {
		for j := 0; j < i; j++ {
			v := (cov[i*free+j] + cov[j*free+i]) / 2
			cov[i*free+j], cov[j*free+i] = v, v
		}
	}
	for k, c := range d.Columns {
		f.Coefficients = append(f.Coefficients, Coefficient{Name: c.Name, Estimate: est[k], SE: math.Sqrt(cov[k*free+k]), Arm: c.Arm})
		f.Vcov = append(f.Vcov, append([]float64(nil), cov[k*free:k*free+p]...))
	}
	if !f.Singular {
		f.Sigma = f.psi[p]
		f.SigmaSE = math.Sqrt(cov[p*free+p])
		f.VcovAll = rowsOf(cov, free)
	} else {
		f.Warnings = append(f.Warnings, analysis.Warning{Code: WarnSingular,
			Text: fmt.Sprintf("The variance of %s was estimated as zero: the groups differ no more than chance would make them. The model is a logistic regression.", d.Levels[0].Name)})
	}
	f.ICC = f.Sigma * f.Sigma / (f.Sigma*f.Sigma + math.Pi*math.Pi/3)
	f.Description = fmt.Sprintf("logistic random-intercept model, adaptive Gauss–Hermite quadrature with %d points", f.Quadrature)
	if f.Quadrature == 1 {
		f.Description = "logistic random-intercept model, Laplace approximation"
	}
	if d.Arm != nil {
		if counts, nested := d.clustersByArm(&d.Levels[0]); nested {
			for a, n := range counts {
				if n < fewClusters {
					f.Warnings = append(f.Warnings, analysis.Warning{Code: WarnFewClusters,
						Text: fmt.Sprintf("Arm %s has only %d groups of level %s: a logistic model has no small-sample correction, so intervals are too narrow; read a randomisation test beside them.", d.Arms[a], n, d.Levels[0].Name)})
				}
			}
		}
	}
}

// ICCInterval is the interval of the ICC that an interval of log σ, by its
// standard error, stands for. There is none on the boundary.
func (f *Logistic) ICCInterval(level float64) (low, high float64, ok bool) {
	if f.Singular || !(f.SigmaSE > 0) {
		return 0, 0, false
	}
	half := dist.TCritical(level, math.Inf(1)) * f.SigmaSE / f.Sigma
	icc := func(sigma float64) float64 { return sigma * sigma / (sigma*sigma + math.Pi*math.Pi/3) }
	return icc(f.Sigma * math.Exp(-half)), icc(f.Sigma * math.Exp(half)), true
}

// Test is the inference for a coefficient by name: a log odds ratio given the
// group, with a z interval.
func (f *Logistic) Test(name string, level float64) (Inference, error) {
	if !(level > 0 && level < 1) {
		return Inference{}, &ShapeError{fmt.Sprintf("confidence level %v is not between 0 and 1", level)}
	}
	for _, c := range f.Coefficients {
		if c.Name == name {
			in := Inference{Name: name, Estimate: c.Estimate, SE: c.SE, DF: math.Inf(1), Level: level, Method: Z}
			in.finish()
			return in, nil
		}
	}
	return Inference{}, &ShapeError{fmt.Sprintf("no coefficient is called %q", name)}
}

// Marginal is the effect of an arm in shares of pupils.
type Marginal struct {
	Treated, Control float64 // share expected to pass if all rows were in the arm, or all in the control arm
	Difference       Inference
}

// MarginalDifference is the difference in the shares expected to pass between
// all rows in an arm and all rows in the control arm: probabilities averaged
// over the rows' covariates and over the groups' effects, with a standard
// error by the delta method.
func (f *Logistic) MarginalDifference(arm string, level float64) (Marginal, error) {
	if !(level > 0 && level < 1) {
		return Marginal{}, &ShapeError{fmt.Sprintf("confidence level %v is not between 0 and 1", level)}
	}
	d := f.data
	if d.Arm == nil {
		return Marginal{}, &MethodError{"marginal difference", "the model has no arms"}
	}
	for _, c := range d.Columns {
		if c.ArmProduct {
			return Marginal{}, &MethodError{"marginal difference", fmt.Sprintf("column %q is an interaction with an arm", c.Name)}
		}
	}
	column := -1
	for k, c := range d.Columns {
		if c.Arm && c.Name == ArmTerm(arm, d.Arms[d.Control]) {
			column = k
		}
	}
	if column < 0 {
		return Marginal{}, &ShapeError{fmt.Sprintf("%q is not an arm to compare with the control arm", arm)}
	}
	p := f.g.p
	free := p + 1
	if f.Singular {
		free = p
	}
	z, w := hermite(40)
	beta := make([]float64, p)
	for k, c := range f.Coefficients {
		beta[k] = c.Estimate
	}
	vcov := f.VcovAll
	if f.Singular {
		vcov = f.Vcov
	}
	var m Marginal
	g := make([]float64, free)
	x := make([]float64, p)
	n := float64(len(d.Y))
	for i := range d.Y {
		base := 0.0
		for k := range d.Columns {
			x[k] = 1
			if v := d.column(k); v != nil {
				x[k] = v[i]
			}
			if d.Columns[k].Arm {
				x[k] = 0
			}
			base += beta[k] * x[k]
		}
		for side := 0; side < 2; side++ {
			eta := base
			sign := -1.0
			if side == 1 {
				eta += beta[column]
				x[column] = 1
				sign = 1
			}
			share, slope, slopeV := 0.0, 0.0, 0.0
			for q := range z {
				v := math.Sqrt2 * z[q]
				pr, _ := logistic(eta + f.Sigma*v)
				wq := w[q] / math.Sqrt(math.Pi)
				share += wq * pr
				slope += wq * pr * (1 - pr)
				slopeV += wq * pr * (1 - pr) * v
			}
			if side == 1 {
				m.Treated += share / n
			} else {
				m.Control += share / n
			}
			for k := range x {
				g[k] += sign * slope * x[k] / n
			}
			if !f.Singular {
				g[p] += sign * slopeV / n
			}
		}
	}
	variance := 0.0
	for a := range g {
		for b := range g {
			variance += g[a] * vcov[a][b] * g[b]
		}
	}
	in := Inference{Name: ArmTerm(arm, d.Arms[d.Control]), Estimate: m.Treated - m.Control, SE: math.Sqrt(variance), DF: math.Inf(1), Level: level, Method: Z}
	in.finish()
	m.Difference = in
	return m, nil
}

// Data is what the fit was made from; it is not to be changed.
func (f *Logistic) Data() *Data { return f.data }
