package mixed

import "math"

// Engine evaluates the likelihood of a fitted model at any values of its
// variances without reading the rows again, for methods that need more than
// its maximum. An Engine keeps working space: one for each goroutine.
type Engine struct {
	f     *Fit
	order []int // parameter of each of Fit.Variances
	theta []float64
	ev    evaluation
	ok    bool
}

// Engine makes one.
func (f *Fit) Engine() *Engine {
	e := &Engine{f: f, theta: make([]float64, len(f.r.params))}
	for pass := 0; pass < 2; pass++ {
		for s, pa := range f.r.params {
			if pa.residual == (pass == 1) {
				e.order = append(e.order, s)
			}
		}
	}
	return e
}

// LogLikelihood is the log (restricted) likelihood, by the fit's method, at
// variances in the order and units of Fit.Variances; −Inf where they are
// impossible.
func (e *Engine) LogLikelihood(variances []float64) float64 {
	sy := e.f.r.scale[e.f.r.p]
	for i, s := range e.order {
		e.theta[s] = variances[i] / (sy * sy)
	}
	e.ok = e.f.r.evaluate(e.theta, e.f.Method, false, &e.ev)
	if !e.ok {
		return math.Inf(-1)
	}
	return -(e.ev.dev + e.f.Criterion - e.f.ev.dev) / 2
}

// Coefficients writes the generalised least squares estimate at the variances
// of the last LogLikelihood into beta, and the lower Cholesky factor of its
// covariance, in rows, into chol (each in the data's units). It says false
// where there is none.
func (e *Engine) Coefficients(beta, chol []float64) bool {
	if !e.ok {
		return false
	}
	r := e.f.r
	p := r.p
	sy := r.scale[p]
	b := mul(r.back, e.ev.beta, p, p, 1)
	for k := range b {
		beta[k] = b[k] * sy
	}
	if r.intercept >= 0 {
		beta[r.intercept] += r.centre[p]
	}
	copy(chol, e.f.covariance(e.ev.c))
	return cholesky(chol, p)
}
