// Package bayes draws from the posterior of a trial's mixed model: the
// difference between arms, the variances, the intra-cluster correlations and
// the effect size, with stated priors and the measures of how well the draws
// stand for the posterior (R̂, effective sample sizes).
//
// The coefficients have flat priors unless one is given for the arms, so they
// integrate out exactly and leave the restricted likelihood of the variances.
// A step updates each standard deviation (and a correlation, for a random
// slope) by slice sampling on that likelihood (Neal 2003) and then draws the
// coefficients from their exact normal posterior given the variances. Draws of
// the variances therefore do not wait for those of the school effects, which
// is what makes plain Gibbs sampling slow where schools hardly differ.
package bayes

import (
	"fmt"
	"math"
	"math/rand/v2"
	"sort"
	"sync"

	"evenhand/analysis"
	"evenhand/analysis/internal/dist"
	"evenhand/analysis/mixed"
)

// Normal is a normal prior.
type Normal struct {
	Mean, SD float64
}

// Prior says what is assumed beforehand.
type Prior struct {
	// SDScale is the scale of the half-Student-t priors with SDFreedom degrees
	// of freedom of the SDs between groups, in outcome units. 0 is the SD of
	// the outcome, which is weak: it lets school SDs as large as all of the
	// variation. +Inf is flat.
	SDScale float64
	// SDFreedom is the number of degrees of freedom; 0 is 3.
	SDFreedom float64
	// Arm is the prior of the difference of every arm against the control arm,
	// in outcome units; nil is flat.
	Arm *Normal
}

// Options say how to draw. The zero value: weak priors, 4 chains of 1,000
// draws after 500 to settle, 95 % intervals.
type Options struct {
	Prior  Prior
	Seed   uint64  // the same seed gives the same draws on any machine and number of processors
	Chains int     // 0 is 4; at least 2, so that R̂ exists
	Warmup int     // steps thrown away in each chain; 0 is 500
	Draws  int     // steps kept in each chain; 0 is 1,000
	Level  float64 // of the intervals, in (0,1); 0 is 0.95
	// Unconditional is the posterior of the model without covariates on the
	// same rows, for effect sizes in its SD: see Run.
	Unconditional *Posterior
}

// Quantity is what the draws say of one number.
type Quantity struct {
	Name      string
	Mean, SD  float64
	Median    float64
	Low, High float64 // equal tails
	Level     float64
	// RHat is the rank-normalised split R̂ (Vehtari et al. 2021), 1 when chains
	// agree; Bulk and Tail are effective numbers of independent draws for the
	// middle and for the tails.
	RHat, Bulk, Tail float64
	// MCSE is the Monte Carlo standard error of Mean.
	MCSE  float64
	Scale analysis.Scale // of a difference or effect size; "" for the others
}

// Posterior is the outcome of Run.
type Posterior struct {
	Description string // model, priors
	Quantities  []Quantity
	Fit         *mixed.Fit // the REML fit from which the chains started
	Warnings    []analysis.Warning

	options Options
	draws   map[string][][]float64 // by name, by chain
}

// Names of the quantities that are not coefficients. Coefficients have their
// own names, SDs are "SD <level>" (with ", <term>" for a slope), intra-cluster
// correlations "ICC <level>".
const (
	sdPrefix  = "SD "
	iccPrefix = "ICC "
)

// EffectName is the name of an arm's effect size by a denominator.
func EffectName(arm string, s analysis.Scale) string {
	return "effect size: " + arm + ", " + string(s)
}

// WarnNotConverged is the code of the warning that chains disagree or that
// there are too few independent draws.
const WarnNotConverged = "chains-not-converged"

// Run draws from the posterior of the model of a REML fit: random intercepts at
// any nested levels, partially nested communities, variances by arm, and a
// random slope of one column.
//
// Effect sizes are differences over the total and within SD of this model, draw
// by draw ("conditional"); with Options.Unconditional also over the SDs of that
// posterior, its draws paired with these one by one. The pairing takes the SD
// and the difference as independent, which in the balanced normal model they
// are.
func Run(f *mixed.Fit, o Options) (*Posterior, error) {
	if f.Method != mixed.REML {
		return nil, fmt.Errorf("posterior: start from a fit by REML, not %s", f.Method)
	}
	if o.Chains == 0 {
		o.Chains = 4
	}
	if o.Warmup == 0 {
		o.Warmup = 500
	}
	if o.Draws == 0 {
		o.Draws = 1000
	}
	if o.Level == 0 {
		o.Level = 0.95
	}
	if o.Prior.SDFreedom == 0 {
		o.Prior.SDFreedom = 3
	}
	if o.Chains < 2 || o.Draws < 20 || o.Warmup < 0 || !(o.Level > 0 && o.Level < 1) {
		return nil, fmt.Errorf("posterior: %d chains of %d draws with intervals of %v; at least 2 chains of 20 draws and a level between 0 and 1 are needed", o.Chains, o.Draws, o.Level)
	}
	if o.Prior.SDScale == 0 {
		o.Prior.SDScale = sd(f.Data().Y)
	}
	if !(o.Prior.SDScale > 0) || !(o.Prior.SDFreedom > 0) || o.Prior.Arm != nil && !(o.Prior.Arm.SD > 0) {
		return nil, fmt.Errorf("posterior: the priors' scales and degrees of freedom must be positive")
	}
	m, err := newModel(f, o.Prior)
	if err != nil {
		return nil, err
	}
	p := &Posterior{Fit: f, options: o, draws: map[string][][]float64{}}
	p.Description = f.Description + "; " + m.priorText()
	chains := make([][][]float64, o.Chains) // chain, draw, value
	var wg sync.WaitGroup
	for c := range chains {
		wg.Add(1)
		go func() {
			defer wg.Done()
			chains[c] = m.chain(rand.New(rand.NewPCG(o.Seed, uint64(c)+1)), o)
		}()
	}
	wg.Wait()
	var names []string
	scales := map[string]analysis.Scale{}
	add := func(name string, scale analysis.Scale, value func(c, i int) float64) {
		x := make([][]float64, o.Chains)
		for c := range x {
			x[c] = make([]float64, o.Draws)
			for i := range x[c] {
				x[c][i] = value(c, i)
			}
		}
		p.draws[name] = x
		names = append(names, name)
		scales[name] = scale
	}
	k := len(f.Coefficients)
	for j, c := range f.Coefficients {
		scale := analysis.Scale("")
		if c.Arm {
			scale = analysis.ScaleDifference
		}
		add(c.Name, scale, func(c, i int) float64 { return chains[c][i][j] })
	}
	for j, v := range f.Variances {
		name := sdPrefix + v.Level
		if v.Term != "" {
			name += ", " + v.Term
		}
		if v.Arm != "" {
			name += ", arm " + v.Arm
		}
		if m.cov[j] {
			add("correlation "+v.Level, "", func(c, i int) float64 {
				a, b := chains[c][i][k+m.pair[0]], chains[c][i][k+m.pair[1]]
				return chains[c][i][k+j] / math.Sqrt(a*b)
			})
			continue
		}
		add(name, "", func(c, i int) float64 { return math.Sqrt(chains[c][i][k+j]) })
	}
	total, within := f.SDWeights(true), f.SDWeights(false)
	sum := func(w []float64, c, i int) float64 {
		s := 0.0
		for j := range w {
			s += w[j] * chains[c][i][k+j]
		}
		return s
	}
	if f.Model().Slope == mixed.NoSlope {
		for _, l := range f.Data().Levels {
			add(iccPrefix+l.Name, "", func(c, i int) float64 {
				own, all := 0.0, 0.0
				for j, v := range f.Variances {
					w := total[j]
					if f.Partial(v.Level) {
						w = 1
					}
					all += w * chains[c][i][k+j]
					if v.Level == l.Name {
						own += w * chains[c][i][k+j]
					}
				}
				return own / all
			})
		}
	}
	add("SD total", "", func(c, i int) float64 { return math.Sqrt(sum(total, c, i)) })
	add("SD within", "", func(c, i int) float64 { return math.Sqrt(sum(within, c, i)) })
	d := f.Data()
	for a, arm := range d.Arms {
		if a == d.Control {
			continue
		}
		term := mixed.ArmTerm(arm, d.Arms[d.Control])
		diff, ok := p.draws[term]
		if !ok {
			continue
		}
		for _, s := range []struct {
			scale analysis.Scale
			by    [][]float64
		}{{analysis.ScaleTotalConditional, p.draws["SD total"]}, {analysis.ScaleWithinConditional, p.draws["SD within"]}} {
			add(EffectName(arm, s.scale), s.scale, func(c, i int) float64 { return diff[c][i] / s.by[c][i] })
		}
		if u := o.Unconditional; u != nil {
			if len(u.draws["SD total"]) != o.Chains || len(u.draws["SD total"][0]) != o.Draws {
				return nil, fmt.Errorf("posterior: the unconditional model has other numbers of chains or draws; run it with the same options")
			}
			if u.Fit.N != f.N {
				return nil, fmt.Errorf("posterior: the unconditional model has %d rows, this one %d; both must be of the same rows", u.Fit.N, f.N)
			}
			add(EffectName(arm, analysis.ScaleTotalUnconditional), analysis.ScaleTotalUnconditional, func(c, i int) float64 { return diff[c][i] / u.draws["SD total"][c][i] })
			add(EffectName(arm, analysis.ScaleWithinUnconditional), analysis.ScaleWithinUnconditional, func(c, i int) float64 { return diff[c][i] / u.draws["SD within"][c][i] })
		}
	}
	var poor []string
	for _, name := range names {
		q := summarise(name, p.draws[name], o.Level)
		q.Scale = scales[name]
		p.Quantities = append(p.Quantities, q)
		if q.RHat > 1.01 || q.Bulk < 100*float64(o.Chains) || q.Tail < 100*float64(o.Chains) {
			poor = append(poor, name)
		}
	}
	for _, w := range f.Warnings {
		if w.Code != mixed.WarnSingular { // a posterior is not on the boundary
			p.Warnings = append(p.Warnings, w)
		}
	}
	if len(poor) > 0 {
		p.Warnings = append(p.Warnings, analysis.Warning{Code: WarnNotConverged,
			Text: fmt.Sprintf("The draws of %d of %d quantities (first: %s) are too few or their chains disagree (R̂ above 1.01, or fewer than 100 independent draws a chain): draw more.", len(poor), len(names), poor[0])})
	}
	return p, nil
}

func sd(v []float64) float64 {
	mean, ss := 0.0, 0.0
	for i, x := range v {
		d := x - mean
		mean += d / float64(i+1)
		ss += d * (x - mean)
	}
	return math.Sqrt(ss / math.Max(1, float64(len(v)-1)))
}

// Quantity finds one by name.
func (p *Posterior) Quantity(name string) (Quantity, bool) {
	for _, q := range p.Quantities {
		if q.Name == name {
			return q, true
		}
	}
	return Quantity{}, false
}

// Draws are the draws of a quantity, chain after chain; nil where there is no
// such quantity. They are not to be changed.
func (p *Posterior) Draws(name string) [][]float64 { return p.draws[name] }

// Exceeds is the share of draws in which a quantity is above each threshold:
// the posterior probability of, say, an effect size above 0.1.
func (p *Posterior) Exceeds(name string, thresholds []float64) ([]float64, error) {
	x, ok := p.draws[name]
	if !ok {
		return nil, fmt.Errorf("posterior: there is no quantity %q", name)
	}
	all := flat(x)
	sort.Float64s(all)
	out := make([]float64, len(thresholds))
	for i, t := range thresholds {
		above := len(all) - sort.Search(len(all), func(k int) bool { return all[k] > t })
		out[i] = float64(above) / float64(len(all))
	}
	return out, nil
}

func flat(x [][]float64) []float64 {
	var out []float64
	for _, c := range x {
		out = append(out, c...)
	}
	return out
}

// model is what a chain needs.
type model struct {
	f     *mixed.Fit
	prior Prior
	resid []bool // of each variance
	cov   []bool
	pair  [2]int // the variances that the covariance ties
	arms  []int  // coefficients with the arms' prior
}

func newModel(f *mixed.Fit, prior Prior) (*model, error) {
	m := &model{f: f, prior: prior}
	slopes := 0
	for j, v := range f.Variances {
		isCov := false
		for _, r := range v.Term {
			isCov = isCov || r == ','
		}
		if f.Model().Slope != mixed.FullSlope {
			isCov = false
		}
		m.resid = append(m.resid, v.Level == mixed.Residual)
		m.cov = append(m.cov, isCov)
		if isCov {
			slopes++
			m.pair = [2]int{j - 1, j + 1}
		}
	}
	if slopes > 1 {
		return nil, fmt.Errorf("posterior: a full covariance matrix of several slopes is not drawn; take the diagonal model")
	}
	if prior.Arm != nil {
		for k, c := range f.Coefficients {
			if c.Arm {
				m.arms = append(m.arms, k)
			}
		}
		if len(m.arms) > 1 {
			return nil, fmt.Errorf("posterior: a prior for the arms is for trials of two arms; leave it out")
		}
	}
	return m, nil
}

func (m *model) priorText() string {
	s := "flat priors of the coefficients"
	if m.prior.Arm != nil {
		s = fmt.Sprintf("normal prior of the difference (mean %g, SD %g), flat priors of the other coefficients", m.prior.Arm.Mean, m.prior.Arm.SD)
	}
	s += ", log residual SD flat, "
	if math.IsInf(m.prior.SDScale, 1) {
		s += "SDs between groups flat"
	} else {
		s += fmt.Sprintf("SDs between groups half-t (%g degrees of freedom, scale %.4g)", m.prior.SDFreedom, m.prior.SDScale)
	}
	if m.pair != [2]int{} {
		s += ", correlation uniform"
	}
	return s
}

// variances turns the coordinates of a chain into variances: log SDs and the
// inverse hyperbolic tangent of the correlation.
func (m *model) variances(x, out []float64) {
	for j, v := range x {
		if !m.cov[j] {
			out[j] = math.Exp(2 * v)
		}
	}
	for j, v := range x {
		if m.cov[j] {
			out[j] = math.Tanh(v) * math.Sqrt(out[m.pair[0]]*out[m.pair[1]])
		}
	}
}

// logPosterior is the log density of the coordinates, coefficients integrated
// out.
func (m *model) logPosterior(e *mixed.Engine, x, v, beta, chol []float64) float64 {
	for j, s := range x {
		if math.Abs(s) > 60 || m.cov[j] && math.Abs(s) > 15 {
			return math.Inf(-1)
		}
	}
	m.variances(x, v)
	lp := e.LogLikelihood(v)
	if math.IsInf(lp, -1) {
		return lp
	}
	for j, s := range x {
		switch {
		case m.resid[j]: // flat in the log SD
		case m.cov[j]: // uniform correlation: the Jacobian of tanh
			t := math.Tanh(s)
			lp += math.Log1p(-t * t)
		default:
			lp += s // the Jacobian of the log
			if !math.IsInf(m.prior.SDScale, 1) {
				r := math.Exp(s) / m.prior.SDScale
				lp -= (m.prior.SDFreedom + 1) / 2 * math.Log1p(r*r/m.prior.SDFreedom)
			}
		}
	}
	for _, k := range m.arms {
		if !e.Coefficients(beta, chol) {
			return math.Inf(-1)
		}
		p := len(beta)
		variance := m.prior.Arm.SD * m.prior.Arm.SD
		for i := 0; i <= k; i++ {
			variance += chol[k*p+i] * chol[k*p+i]
		}
		d := beta[k] - m.prior.Arm.Mean
		lp -= 0.5 * (math.Log(variance) + d*d/variance)
	}
	return lp
}

// chain draws coefficients and variances.
func (m *model) chain(rng *rand.Rand, o Options) [][]float64 {
	e := m.f.Engine()
	p, n := len(m.f.Coefficients), len(m.f.Variances)
	v, beta, chol := make([]float64, n), make([]float64, p), make([]float64, p*p)
	x, width := make([]float64, n), make([]float64, n)
	scale := 0.0
	for j, s := range m.f.Variances {
		if m.resid[j] {
			scale = math.Max(scale, s.Value)
		}
	}
	normal := func() float64 { return dist.NormalQuantile((float64(rng.Uint64()>>11) + 0.5) / (1 << 53)) }
	// Overdispersed starts around the REML estimate.
	for j, s := range m.f.Variances {
		width[j] = 1
		if m.cov[j] {
			x[j] = 0.5 * normal()
			continue
		}
		x[j] = 0.5*math.Log(math.Max(s.Value, 0.01*scale)) + 0.3*normal()
	}
	lp := m.logPosterior(e, x, v, beta, chol)
	out := make([][]float64, 0, o.Draws)
	moved := make([]float64, n)
	for step := 0; step < o.Warmup+o.Draws; step++ {
		for j := range x {
			old := x[j]
			x[j], lp = slice(rng, x[j], lp, width[j], func(t float64) float64 {
				x[j] = t
				return m.logPosterior(e, x, v, beta, chol)
			})
			moved[j] += math.Abs(x[j] - old)
			if step == o.Warmup/2 && step > 10 { // settle the widths once, in the part thrown away
				width[j] = math.Max(0.02, 3*moved[j]/float64(step+1))
			}
		}
		if step < o.Warmup {
			continue
		}
		m.variances(x, v)
		e.LogLikelihood(v)
		e.Coefficients(beta, chol)
		row := make([]float64, p+n)
		z := make([]float64, p)
		for k := range z {
			z[k] = normal()
		}
		for k := 0; k < p; k++ {
			row[k] = beta[k]
			for i := 0; i <= k; i++ {
				row[k] += chol[k*p+i] * z[i]
			}
		}
		for _, k := range m.arms {
			// Condition the normal draw on a "measurement" of β_k with the
			// prior's mean and variance (Matheron's rule).
			s2 := m.prior.Arm.SD * m.prior.Arm.SD
			cov := make([]float64, p)
			for i := 0; i < p; i++ {
				for l := 0; l <= min(i, k); l++ {
					cov[i] += chol[i*p+l] * chol[k*p+l]
				}
			}
			gap := (m.prior.Arm.Mean + m.prior.Arm.SD*normal() - row[k]) / (cov[k] + s2)
			for i := range cov {
				row[i] += cov[i] * gap
			}
		}
		copy(row[p:], v)
		out = append(out, row)
	}
	return out
}

// slice is one step of slice sampling with stepping out and shrinkage (Neal
// 2003, figures 3 and 5). f must leave nothing behind but its value.
func slice(rng *rand.Rand, x, lp, width float64, f func(float64) float64) (float64, float64) {
	level := lp + math.Log(1-rng.Float64())
	lo := x - width*rng.Float64()
	hi := lo + width
	for i := 0; i < 50 && f(lo) > level; i++ {
		lo -= width
	}
	for i := 0; i < 50 && f(hi) > level; i++ {
		hi += width
	}
	for {
		t := lo + (hi-lo)*rng.Float64()
		if v := f(t); v > level || hi-lo < 1e-14*(1+math.Abs(x)) {
			return t, v
		}
		if t < x {
			lo = t
		} else {
			hi = t
		}
	}
}
