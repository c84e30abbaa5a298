package mixed

import (
	"fmt"
	"math"
	"slices"
	"strings"
	"sync"

	"gonum.org/v1/gonum/floats"

	"evenhand/analysis"
)

// Fit is a fitted model. All numbers are in the units of the outcome and of
// the columns, unrounded, and finite.
type Fit struct {
	Description string // e.g. "two-level random-intercept model, REML"
	Outcome     string
	Method      Method

	Coefficients []Coefficient
	Vcov         [][]float64 // of the coefficients: (X'V⁻¹X)⁻¹ at the estimated variances

	// Variances are in order: outermost level first, the residual last.
	Variances []Variance
	// Criterion is −2 log restricted likelihood, as lme4's REMLcrit, or −2
	// log likelihood by ML.
	Criterion float64

	// Iterations is the number of steps to the solution; Gradient is the
	// largest |∂ log likelihood / ∂ log variance| there (0 in exact
	// arithmetic), variances at zero left out.
	Iterations int
	Gradient   float64
	// Tolerance is the size of a step, relative to the variances, at which the
	// search stops.
	Tolerance float64
	// Singular says that a variance was estimated as exactly zero, or a
	// covariance matrix of slopes as not of full rank.
	Singular bool

	N        int          // rows used
	Groups   []GroupCount // groups with rows, of each level, outermost first
	Warnings []analysis.Warning

	data  *Data
	model Model
	r     *reduced
	theta []float64 // standardised
	ev    evaluation
	// inverse informations in the standardised variances; nil where singular
	invObserved, invExpected, invREML []float64
	krOnce                            sync.Once
	kr                                []float64 // Kenward–Roger covariance, standardised; made when first asked for
}

// Coefficient is a fixed effect.
type Coefficient struct {
	Name     string
	Estimate float64
	SE       float64 // model-based: the root of the diagonal of Vcov
	Arm      bool    // whether it is an arm against the control arm
}

// Variance is a variance or covariance of the model.
type Variance struct {
	Level string  // Residual for the rows themselves
	Term  string  // "" for an intercept; the column of a slope; "a, b" for a covariance
	Arm   string  // "" unless it belongs to one arm
	Value float64 // outcome units squared (over column units for slopes)
	SE    float64 // from the expected information; 0 where there is none
	Zero  bool    // whether it was found on the boundary
}

// GroupCount is the number of groups of a level with rows.
type GroupCount struct {
	Level string
	N     int
}

// New fits a model. The errors are the types of errors.go: what the data
// cannot answer is an error that says why; what they answer with reserve is a
// warning on the Fit.
func New(d *Data, m Model) (*Fit, error) {
	if m.Method == "" {
		m.Method = REML
	}
	if m.Method != REML && m.Method != ML {
		return nil, &ShapeError{fmt.Sprintf("method %q: say %q or %q", m.Method, REML, ML)}
	}
	r, err := reduce(d, m)
	if err != nil {
		return nil, err
	}
	f := &Fit{Outcome: d.Outcome, Method: m.Method, N: r.n, data: d, model: m, r: r}
	f.Warnings = append(f.Warnings, d.Warnings...)
	sol, err := r.solve(m.Method)
	if err != nil {
		return nil, err
	}
	f.take(sol)
	f.warn()
	return f, nil
}

// solution is the outcome of the search for the variances.
type solution struct {
	theta      []float64
	iterations int
	gradient   float64
	dev        float64
	zero       []bool
	lowRank    bool // the slopes' covariance matrix is not of full rank
}

// constraint makes θ a linear function of free parameters: θ = A·φ + b.
type constraint struct {
	a []float64 // params × free
	b []float64
	n int // free
	// nonneg says which free parameters cannot be negative.
	nonneg []bool
}

// free is no constraint but that variances are not negative.
func (r *reduced) free() *constraint {
	np := len(r.params)
	c := &constraint{a: make([]float64, np*np), b: make([]float64, np), n: np, nonneg: make([]bool, np)}
	for i, pa := range r.params {
		c.a[i*np+i] = 1
		c.nonneg[i] = !pa.cov
	}
	return c
}

// fixed holds parameter s at a value.
func (r *reduced) fixed(s int, value float64) *constraint {
	np := len(r.params)
	c := &constraint{a: make([]float64, np*(np-1)), b: make([]float64, np), n: np - 1}
	c.b[s] = value
	k := 0
	for i, pa := range r.params {
		if i == s {
			continue
		}
		c.a[i*(np-1)+k] = 1
		c.nonneg = append(c.nonneg, !pa.cov)
		k++
	}
	return c
}

func (c *constraint) theta(phi []float64) []float64 {
	out := append([]float64(nil), c.b...)
	for i := range out {
		for k, v := range phi {
			out[i] += c.a[i*c.n+k] * v
		}
	}
	return out
}

// hasFullSlope says whether there is a covariance matrix to keep positive
// definite.
func (r *reduced) hasFullSlope() bool {
	for _, pa := range r.params {
		if pa.cov {
			return true
		}
	}
	return false
}

// slopeMatrix is the covariance matrix of intercept and slopes at theta.
func (r *reduced) slopeMatrix(theta []float64) ([]float64, int) {
	d := 0
	for _, pa := range r.params {
		d = max(d, pa.i+1)
	}
	m := make([]float64, d*d)
	for s, pa := range r.params {
		if pa.i >= 0 {
			m[pa.i*d+pa.j], m[pa.j*d+pa.i] = theta[s], theta[s]
		}
	}
	return m, d
}

// olsVariance is the residual variance of least squares, standardised.
func (r *reduced) olsVariance() float64 {
	p, q := r.p, r.q
	xx := make([]float64, p*p)
	for i := 0; i < p; i++ {
		copy(xx[i*p:(i+1)*p], r.total[i*q:i*q+p])
	}
	rss := r.total[p*q+p]
	if cholesky(xx, p) {
		b := make([]float64, p)
		for i := range b {
			b[i] = r.total[i*q+p]
		}
		solveLower(xx, b, p, 1)
		for _, v := range b {
			rss -= v * v
		}
	}
	return math.Max(rss, 1e-14*r.total[p*q+p]) / float64(max(1, r.n-p))
}

// share is a first guess of the share of the variance between groups: one
// minus that of the rows within cells.
func (r *reduced) share() float64 {
	w, dof := make([]float64, r.q*r.q), 0.0
	for g, v := range r.within {
		floats.Add(w, v)
		dof += r.dof[g]
	}
	left, rank := leftover(w, r.q)
	if dof -= float64(rank); dof < 1 {
		return 0.2
	}
	return math.Min(0.8, math.Max(0.02, 1-left/dof/r.olsVariance()))
}

// startAt gives every variance but the residuals a like part of share.
func (r *reduced) startAt(share float64) []float64 {
	s2 := r.olsVariance()
	others := 0
	for _, pa := range r.params {
		if !pa.residual && !pa.cov {
			others++
		}
	}
	theta := make([]float64, len(r.params))
	for s, pa := range r.params {
		switch {
		case pa.residual:
			theta[s] = s2 * (1 - share)
		case !pa.cov:
			theta[s] = s2 * share / float64(others)
			if pa.i > 0 { // a slope's variance is in units of its column
				z2, n := 0.0, 0.0
				for c := range r.cells {
					if len(r.cells[c].z) >= pa.i {
						z := r.cells[c].z[pa.i-1]
						z2 += r.cellN[c] * z * z
						n += r.cellN[c]
					}
				}
				if z2 > 0 {
					theta[s] *= n / z2
				}
			}
		}
	}
	return theta
}

// solve finds the variances. A solution on the boundary is sought again from
// the other side, since the likelihood may have two maxima, and the better
// one is taken.
func (r *reduced) solve(method Method) (*solution, error) {
	ev := &evaluation{}
	if err := r.identified(r.startAt(0.2), method, ev); err != nil {
		return nil, err
	}
	if r.hasFullSlope() {
		best, err := r.solveFullSlope(method, ev)
		if err != nil {
			return nil, err
		}
		return best, r.vanished(best)
	}
	c := r.free()
	var best *solution
	var first error
	for _, share := range []float64{r.share(), 0.9, 0.2} {
		sol, err := r.climb(c, r.startAt(share), method, ev)
		if err != nil && first == nil {
			first = err
		}
		if err == nil && (best == nil || sol.dev < best.dev-1e-9*math.Abs(best.dev)) {
			best = sol
		}
		if best != nil && (share == 0.9 || !best.onBoundary()) {
			break
		}
	}
	if best == nil {
		return nil, first
	}
	// A likelihood with two maxima: is none of the variances better than some?
	if !best.onBoundary() {
		none := r.startAt(0)
		if r.evaluate(none, method, false, ev) && ev.dev < best.dev-1e-9*math.Abs(best.dev) {
			if sol, err := r.climb(c, none, method, ev); err == nil && sol.dev < best.dev {
				best = sol
			}
		}
	}
	return best, r.vanished(best)
}

// vanished refuses a solution with a residual variance that goes to zero: the
// likelihood has no maximum there.
func (r *reduced) vanished(sol *solution) error {
	for s, pa := range r.params {
		if pa.residual && sol.theta[s] < 1e-10*r.olsVariance() {
			where := ""
			if pa.arm != "" {
				where = fmt.Sprintf(" in arm %q", pa.arm)
			}
			return &NotIdentifiedError{Level: Residual, Reason: fmt.Sprintf("it goes to zero%s: the groups and the covariates explain every row there; use a simpler model", where)}
		}
	}
	return nil
}

func (s *solution) onBoundary() bool {
	for _, z := range s.zero {
		if z {
			return true
		}
	}
	return s.lowRank
}

const maxSteps = 200

// stepTolerance is the size of a step, relative to the variances, at which the
// search stops. Where rounding keeps steps from becoming as small, it stops when
// Newton's steps, below 1e-9, no longer shrink.
const stepTolerance = 1e-13

// climb goes uphill from phi to the root of the score under a constraint, by
// Newton steps where the observed information is positive definite and by
// Fisher scoring where it is not. A free variance whose score is negative at
// zero stays at zero.
func (r *reduced) climb(c *constraint, phi []float64, method Method, ev *evaluation) (*solution, error) {
	np, n := len(r.params), c.n
	phi = append([]float64(nil), phi...)
	trial := &evaluation{}
	full := r.hasFullSlope()
	g := make([]float64, n)
	last := math.Inf(1)
	var grad float64
	theta := c.theta(phi)
	if !r.evaluate(theta, method, true, ev) {
		return nil, &ConvergenceError{}
	}
	for it := 1; it <= maxSteps; it++ {
		for k := 0; k < n; k++ {
			g[k] = 0
			for s := 0; s < np; s++ {
				g[k] += c.a[s*n+k] * ev.score[s]
			}
		}
		var on []int
		for k := 0; k < n; k++ {
			if !c.nonneg[k] || phi[k] > 0 || g[k] > 0 {
				on = append(on, k)
			}
		}
		newton := true
		step, ok := newtonStep(c, ev.observed, g, on, np)
		if !ok {
			newton = false
			if step, ok = newtonStep(c, ev.expected, g, on, np); !ok {
				return nil, &ConvergenceError{Iterations: it}
			}
		}
		// How far the step goes, relative to the variances themselves.
		scale := 0.0
		for s, pa := range r.params {
			if pa.residual {
				scale = math.Max(scale, theta[s])
			}
		}
		size, gain := 0.0, 0.0
		grad = 0
		for i, k := range on {
			ref := math.Max(math.Abs(phi[k]), 1e-6*scale)
			if !c.nonneg[k] {
				ref = math.Max(ref, scale)
			}
			size = math.Max(size, math.Abs(step[i])/ref)
			gain += g[k] * step[i]
			grad = math.Max(grad, math.Abs(g[k])*ref)
		}
		if len(on) == 0 || size < stepTolerance || (newton && size < 1e-9 && size >= last) {
			sol := &solution{theta: theta, iterations: it, gradient: grad, dev: ev.dev, zero: make([]bool, n)}
			for k := range phi {
				sol.zero[k] = c.nonneg[k] && phi[k] == 0
			}
			return sol, nil
		}
		if newton {
			last = size
		} else {
			last = math.Inf(1)
		}
		frac := 1.0
		moved := false
		for try := 0; try < 60; try++ {
			cand := append([]float64(nil), phi...)
			for i, k := range on {
				cand[k] += frac * step[i]
				if c.nonneg[k] && cand[k] < 0 {
					cand[k] = 0
				}
			}
			ct := c.theta(cand)
			ok := true
			for s, pa := range r.params {
				if pa.residual && ct[s] < 0.1*theta[s] {
					// a residual variance approaches zero by degrees
					for k := 0; k < n; k++ {
						if c.a[s*n+k] == 1 && c.b[s] == 0 {
							cand[k] = 0.1 * theta[s]
						}
					}
				}
			}
			ct = c.theta(cand)
			if full {
				d, k := r.slopeMatrix(ct)
				ok = cholesky(d, k)
			}
			if ok && r.evaluate(ct, method, true, trial) &&
				(gain < 1e-5 || trial.dev <= ev.dev+1e-12*math.Abs(ev.dev)) {
				phi, theta = cand, ct
				*ev, *trial = *trial, *ev
				moved = true
				break
			}
			frac /= 2
		}
		if !moved {
			if size < 1e-7 {
				sol := &solution{theta: theta, iterations: it, gradient: grad, dev: ev.dev, zero: make([]bool, n)}
				for k := range phi {
					sol.zero[k] = c.nonneg[k] && phi[k] == 0
				}
				return sol, nil
			}
			return nil, &ConvergenceError{Iterations: it, Gradient: grad}
		}
	}
	return nil, &ConvergenceError{Iterations: maxSteps, Gradient: grad}
}

// newtonStep solves (A'MA) step = g over the parameters in on.
func newtonStep(c *constraint, m, g []float64, on []int, np int) ([]float64, bool) {
	k := len(on)
	if k == 0 {
		return nil, true
	}
	a := make([]float64, k*k)
	for i, ki := range on {
		for j, kj := range on {
			v := 0.0
			for s := 0; s < np; s++ {
				as := c.a[s*c.n+ki]
				if as == 0 {
					continue
				}
				for t := 0; t < np; t++ {
					v += as * m[s*np+t] * c.a[t*c.n+kj]
				}
			}
			a[i*k+j] = v
		}
	}
	// Variances of different sizes: work with a unit diagonal.
	d := make([]float64, k)
	for i := range d {
		if !(a[i*k+i] > 0) {
			return nil, false
		}
		d[i] = math.Sqrt(a[i*k+i])
	}
	for i := 0; i < k; i++ {
		for j := 0; j < k; j++ {
			a[i*k+j] /= d[i] * d[j]
		}
	}
	step := make([]float64, k)
	for i, ki := range on {
		step[i] = g[ki] / d[i]
	}
	if !cholesky(a, k) {
		return nil, false
	}
	for i := 0; i < k; i++ {
		if a[i*k+i] < 1e-7 { // as good as singular
			return nil, false
		}
	}
	solveLower(a, step, k, 1)
	solveUpper(a, step, k, 1)
	for i := range step {
		step[i] /= d[i]
	}
	return step, true
}

// identified refuses rows whose information at theta cannot tell the variances
// from one another, or one of them from nothing.
func (r *reduced) identified(theta []float64, method Method, ev *evaluation) error {
	if !r.evaluate(theta, method, true, ev) {
		return &ConvergenceError{}
	}
	np := len(r.params)
	d := make([]float64, np)
	for s, pa := range r.params {
		v := ev.expected[s*np+s]
		// A variance that is known to no better than 10,000 times the
		// residual variance is not known.
		if !(v*theta[0]*theta[0] > 1e-8) {
			return &NotIdentifiedError{Level: pa.level, Reason: "the covariates take up every difference between its groups; leave out the covariates that are constant within groups, or the level"}
		}
		d[s] = math.Sqrt(v)
	}
	a := make([]float64, np*np)
	for s := 0; s < np; s++ {
		for t := 0; t < np; t++ {
			a[s*np+t] = ev.expected[s*np+t] / (d[s] * d[t])
		}
	}
	if ok := cholesky(a, np); !ok {
		// the last level is as good a name as any for a set that is tied
		return &NotIdentifiedError{Level: r.params[np-1].level, Reason: notApart}
	}
	for s := 0; s < np; s++ {
		if a[s*np+s] < 1e-6 { // the pivot of each parameter after those before it
			return &NotIdentifiedError{Level: r.params[s].level, Reason: notApart}
		}
	}
	return nil
}

const notApart = "it cannot be told from the variances of the other levels in these rows; leave the level or the random slope out"

// take turns a solution into results in the data's own units.
func (f *Fit) take(sol *solution) {
	r, d := f.r, f.data
	f.theta = sol.theta
	f.Iterations, f.Gradient, f.Tolerance = sol.iterations, sol.gradient, stepTolerance
	f.Singular = sol.onBoundary()
	r.evaluate(sol.theta, f.Method, true, &f.ev)
	np, p := len(r.params), r.p
	f.invObserved = invert(f.ev.observed, np)
	f.invExpected = invert(f.ev.expected, np)
	f.invREML = invert(f.ev.reml, np)

	sy := r.scale[p]
	b := mul(r.back, f.ev.beta, p, p, 1)
	for k := range b {
		b[k] *= sy
	}
	if r.intercept >= 0 {
		b[r.intercept] += r.centre[p]
	}
	f.Vcov = rowsOf(f.covariance(f.ev.c), p)
	for k, c := range d.Columns {
		f.Coefficients = append(f.Coefficients, Coefficient{
			Name: c.Name, Estimate: b[k], SE: math.Sqrt(f.Vcov[k][k]), Arm: c.Arm})
	}
	for pass := 0; pass < 2; pass++ { // levels first, residuals last
		for s, pa := range r.params {
			if pa.residual != (pass == 1) {
				continue
			}
			v := Variance{Level: pa.level, Term: pa.term, Arm: pa.arm, Value: sol.theta[s] * sy * sy, Zero: sol.theta[s] == 0}
			if f.invExpected != nil {
				v.SE = math.Sqrt(f.invExpected[s*np+s]) * sy * sy
			}
			f.Variances = append(f.Variances, v)
		}
	}
	f.Criterion = f.ev.dev
	if f.Method == ML {
		f.Criterion += 2 * float64(r.n) * math.Log(sy)
	} else {
		f.Criterion += 2 * float64(r.n-p) * math.Log(sy)
		for k := 0; k < p; k++ { // the determinant of a triangular matrix
			f.Criterion -= 2 * math.Log(math.Abs(r.back[k*p+k]))
		}
	}
	for l := range d.Levels {
		seen := map[int]bool{}
		for _, c := range r.cells {
			if c.group[l] >= 0 {
				seen[c.group[l]] = true
			}
		}
		f.Groups = append(f.Groups, GroupCount{Level: d.Levels[l].Name, N: len(seen)})
	}
	f.Description = f.describe()
}

// covariance turns a covariance matrix of standardised coefficients into one
// of the coefficients.
func (f *Fit) covariance(c []float64) []float64 {
	p := f.r.p
	sy := f.r.scale[p]
	bt := append([]float64(nil), f.r.back...)
	transpose(bt, p)
	out := mul(mul(f.r.back, c, p, p, p), bt, p, p, p)
	for i := range out {
		out[i] *= sy * sy
	}
	for i := 0; i < p; i++ {
		for j := 0; j < i; j++ {
			v := (out[i*p+j] + out[j*p+i]) / 2
			out[i*p+j], out[j*p+i] = v, v
		}
	}
	return out
}

// describe names the model in words.
func (f *Fit) describe() string {
	numbers := []string{"", "", "two", "three", "four", "five"}
	n := len(f.data.Levels) + 1
	word := fmt.Sprint(n)
	if n < len(numbers) {
		word = numbers[n]
	}
	s := word + "-level random-intercept model"
	if f.model.Slope == FullSlope {
		s = word + "-level model, random intercept and slope"
	} else if f.model.Slope == DiagonalSlope {
		s = word + "-level model, independent random intercept and slope"
	}
	if slices.ContainsFunc(f.r.cells, func(c cell) bool { return slices.Contains(c.group, -1) }) {
		s = "partially nested " + s
	}
	var by []string
	if f.model.ResidualByArm {
		by = append(by, "residual")
	}
	if f.model.GroupsByArm {
		by = append(by, f.data.Levels[len(f.data.Levels)-1].Name)
	}
	if len(by) > 0 {
		s += ", " + strings.Join(by, " and ") + " variance by arm"
	}
	return s + ", " + string(f.Method)
}

// Codes of the warnings of a Fit.
const (
	WarnSingular       = "singular-fit"
	WarnFewClusters    = "few-clusters"
	WarnIllConditioned = "ill-conditioned"
)

// fewClusters is the number of clusters in an arm below which standard errors
// and degrees of freedom rest on little: published simulations of Kenward and
// Roger's method go down to about this (McNeish & Stapleton 2016).
const fewClusters = 10

func (f *Fit) warn() {
	if f.Singular {
		var zero []string
		for _, v := range f.Variances {
			if v.Zero {
				name := v.Level
				if v.Term != "" {
					name += " (" + v.Term + ")"
				}
				if v.Arm != "" {
					name += " in arm " + v.Arm
				}
				zero = append(zero, name)
			}
		}
		text := "The covariance of the random effects was estimated at the edge of what is possible (a correlation of 1 or −1): the data do not bear a model as rich as this."
		if len(zero) > 0 {
			text = fmt.Sprintf("The variance of %s was estimated as zero: the groups differ no more than their members' scatter would make them. The estimate stands; standard errors treat the groups as not differing, which may be optimistic.", strings.Join(zero, " and "))
		}
		f.Warnings = append(f.Warnings, analysis.Warning{Code: WarnSingular, Text: text})
	}
	for a, n := range f.r.armGroups {
		if n < fewClusters {
			f.Warnings = append(f.Warnings, analysis.Warning{Code: WarnFewClusters,
				Text: fmt.Sprintf("Arm %s has only %d groups of level %s: standard errors rest on few groups; read the interval with Kenward–Roger degrees of freedom and a randomisation test beside it.", f.data.Arms[a], n, f.r.armLevel.Name)})
		}
	}
	if f.r.tolerance < illConditioned {
		f.Warnings = append(f.Warnings, analysis.Warning{Code: WarnIllConditioned,
			Text: fmt.Sprintf("Column %s is nearly a combination of the other columns (only %.1g of its variation is its own): its coefficient is hardly determined, and about %d of 16 digits of it are lost.", f.data.Columns[f.r.weakest].Name, f.r.tolerance, int(math.Ceil(-math.Log10(f.r.tolerance)/2)))})
	}
}

// Coefficient returns the fixed effect of a name.
func (f *Fit) Coefficient(name string) (Coefficient, bool) {
	for _, c := range f.Coefficients {
		if c.Name == name {
			return c, true
		}
	}
	return Coefficient{}, false
}

// VarianceOf is the variance of a level's random intercept (Residual for the
// rows), 0 where the model has none; with variances by arm, their mean
// weighted by the arms' rows.
func (f *Fit) VarianceOf(level string) float64 {
	sum, weight := 0.0, 0.0
	for _, v := range f.Variances {
		if v.Level != level || v.Term != "" {
			continue
		}
		w := 1.0
		if v.Arm != "" {
			w = 0
			for _, a := range f.data.Arm {
				if f.data.Arms[a] == v.Arm {
					w++
				}
			}
		}
		sum += w * v.Value
		weight += w
	}
	if weight == 0 {
		return 0
	}
	return sum / weight
}
