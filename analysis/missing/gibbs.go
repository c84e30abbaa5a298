package missing

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"

	"evenhand/analysis"
)

// sampler is one chain of the Gibbs sampler on the rows of one arm, or of all.
//
// Model, for pupil i of school j: Y_ij = x_ij B + u_j + e_ij with r variables, of
// which the first rc are continuous and the others the latent side of binary
// ones; e ~ N(0, Σ). Variables of schools: y2_j = w_j B2 + u2_j. (u_j, u2_j) ~ N(0, Ψ).
// Everything is standardised while sampling. One cycle:
//
//  1. Σ of the continuous block, inverse Wishart, and B given it, normal;
//  2. each latent of a binary variable or a factor regressed on x and the
//     residuals Y − u of the variables before that variable with residual variance
//     1, which identifies the scale and keeps every step conjugate; B and Σ are put
//     together from these;
//  3. u_j, normal, given Σ, Ψ and u2_j;
//  4. B2 of continuous variables given u, normal; missing and latent y2 given u and
//     the others, normal;
//  5. Ψ of school effects and continuous variables of schools, inverse Wishart; each
//     latent of a variable of schools regressed on w, u and the variables of schools
//     before that variable with residual variance 1;
//  6. each missing value and each latent one given all others of its row, normal,
//     latent ones of observed values where these values want them.
//
// A factor of K categories has K − 1 latents: the category is that of the
// greatest if it is above 0, else the first. Prior of B and B2: flat for
// continuous variables; coefficients of latents normal with SD latentSD, so that a
// category that a predictor tells for certain leaves them finite.
type sampler struct {
	g            *rand.Rand
	n, k, r, rc  int
	q, r2, kw, m int // q = r + r2; m schools
	r2c          int // of the r2, continuous: they come first
	starts       []int
	x            [][]float64 // k columns of n, the first all 1
	fine, fine2  []int       // of x, and of w, those that latents are regressed on
	y            [][]float64 // r columns of n
	groups       []*latents  // of each variable: the categorical one it is a latent of; nil for continuous
	cells        [][]int     // rows of each variable to draw
	w            [][]float64 // m rows of kw
	y2           [][]float64 // m rows of r2
	groups2      []*latents
	lost2        [][2]int // school and variable
	xx, xxL      []float64
	ww, wwL      []float64
	sx           [][]float64 // sums of x over each school
	dfS, dfP     float64
	priorS       []float64 // sums of squares of the continuous block
	priorP       []float64

	b, sigma, psi, omega []float64 // k×r, r×r, q×q, Σ⁻¹
	b2                   []float64 // kw×r2
	u                    [][]float64
	sy                   [][]float64
	kept                 *kept
}

var errSampler = errors.New("the imputation model has no solution: a variable is explained entirely by the others; leave one of them out")

func (s *sampler) cycle() error {
	// Cross-products of [X, Y − u].
	k, r := s.k, s.r
	if s.kept == nil {
		s.kept = s.keep()
	}
	s.sums()
	p := k + r
	a := make([]float64, p*p)
	for i := range k {
		copy(a[i*p:i*p+k], s.xx[i*k:(i+1)*k])
	}
	for t := range r {
		for i, v := range s.withX(t) {
			for j, u := range s.u {
				v -= s.sx[j][i] * u[t]
			}
			a[i*p+k+t], a[(k+t)*p+i] = v, v
		}
		for o := range t + 1 {
			v := s.withY(o, t)
			for j, u := range s.u {
				v += float64(s.starts[j+1]-s.starts[j])*u[o]*u[t] - s.sy[j][o]*u[t] - u[o]*s.sy[j][t]
			}
			a[(k+o)*p+k+t], a[(k+t)*p+k+o] = v, v
		}
	}
	if !s.drawContinuous(a, p) || !s.drawLatent(a, p) {
		return errSampler
	}
	var ok bool
	if s.omega, ok = invert(s.sigma, r); !ok {
		return errSampler
	}
	if !s.drawSchools() || !s.drawPsi() {
		return errSampler
	}
	s.drawCells()
	return nil
}

// drawContinuous is step 1.
func (s *sampler) drawContinuous(a []float64, p int) bool {
	k, rc, r := s.k, s.rc, s.r
	if rc == 0 {
		return true
	}
	hat := make([][]float64, rc)
	ss := append([]float64(nil), s.priorS...)
	for t := range rc {
		col := make([]float64, k)
		for i := range k {
			col[i] = a[i*p+k+t]
		}
		forward(s.xxL, k, col)
		backward(s.xxL, k, col)
		hat[t] = col
	}
	for o := range rc {
		for t := range rc {
			v := a[(k+o)*p+k+t]
			for i := range k {
				v -= a[i*p+k+o] * hat[t][i]
			}
			ss[o*rc+t] += v
		}
	}
	for o := range rc { // symmetric
		for t := range o {
			v := (ss[o*rc+t] + ss[t*rc+o]) / 2
			ss[o*rc+t], ss[t*rc+o] = v, v
		}
	}
	sigma, ok := inverseWishart(s.g, s.dfS+float64(s.n-k), ss, rc)
	if !ok {
		return false
	}
	for o := range rc {
		copy(s.sigma[o*r:o*r+rc], sigma[o*rc:(o+1)*rc])
	}
	if !cholesky(sigma, rc) {
		return false
	}
	// B = B̂ + L_x'⁻¹ Z L_Σ'.
	z := make([][]float64, rc)
	for t := range z {
		z[t] = make([]float64, k)
		for i := range z[t] {
			z[t][i] = s.g.NormFloat64()
		}
		backward(s.xxL, k, z[t])
	}
	for t := range rc {
		for i := range k {
			v := hat[t][i]
			for o := range t + 1 {
				v += sigma[t*rc+o] * z[o][i]
			}
			s.b[i*r+t] = v
		}
	}
	return true
}

// drawLatent is step 2.
func (s *sampler) drawLatent(a []float64, p int) bool {
	k, r := s.k, s.r
	var l []float64
	for t := s.rc; t < r; t++ {
		first := s.groups[t].first
		at := append(append([]int(nil), s.fine...), make([]int, first)...)
		for o := range first {
			at[len(s.fine)+o] = k + o
		}
		d := len(at)
		rhs := make([]float64, d)
		for i, c := range at {
			rhs[i] = a[c*p+k+t]
		}
		if t == first { // a factor's latents are regressed on the same
			l = make([]float64, d*d)
			for i, c := range at {
				for j, e := range at {
					l[i*d+j] = a[c*p+e]
				}
				l[i*d+i] += 1 / (latentSD * latentSD)
			}
			if !cholesky(l, d) {
				return false
			}
		}
		forward(l, d, rhs)
		for i := range rhs {
			rhs[i] += s.g.NormFloat64()
		}
		backward(l, d, rhs)
		gamma := rhs[len(s.fine):]
		for i := range k {
			v := 0.0
			for o, g := range gamma {
				v += s.b[i*r+o] * g
			}
			s.b[i*r+t] = v
		}
		for i, c := range s.fine {
			s.b[c*r+t] += rhs[i]
		}
		own := 1.0
		for o := range t {
			v := 0.0
			for l, g := range gamma {
				v += s.sigma[o*r+l] * g
			}
			s.sigma[o*r+t], s.sigma[t*r+o] = v, v
			if o < first {
				own += v * gamma[o]
			}
		}
		s.sigma[t*r+t] = own
	}
	return true
}

// drawSchools is steps 3 and 4.
func (s *sampler) drawSchools() bool {
	r, r2, q, k := s.r, s.r2, s.q, s.k
	// u given u2: mean T u2, precision the block of Ψ⁻¹.
	precision, ok := invert(s.psi, q)
	if !ok {
		return false
	}
	v := make([]float64, r*r)
	mean := make([]float64, r)
	rest := make([]float64, r)
	for j, u := range s.u {
		n := float64(s.starts[j+1] - s.starts[j])
		for t := range r {
			rest[t] = s.sy[j][t]
			for i := range k {
				rest[t] -= s.sx[j][i] * s.b[i*r+t]
			}
		}
		for t := range r {
			mean[t] = 0
			for o := range r {
				v[t*r+o] = n*s.omega[t*r+o] + precision[t*q+o]
				mean[t] += s.omega[t*r+o] * rest[o]
			}
			for o := range r2 {
				mean[t] -= precision[t*q+r+o] * s.residual2(j, o)
			}
		}
		if !cholesky(v, r) {
			return false
		}
		forward(v, r, mean)
		for t := range mean {
			mean[t] += s.g.NormFloat64()
		}
		backward(v, r, mean)
		copy(u, mean)
	}
	if r2 == 0 {
		return true
	}
	if !s.drawB2() {
		return false
	}
	for _, c := range s.lost2 {
		j, o := c[0], c[1]
		own := precision[(r+o)*q+r+o]
		m := 0.0
		for t, u := range s.u[j] {
			m += precision[(r+o)*q+t] * u
		}
		for l := range r2 {
			if l != o {
				m += precision[(r+o)*q+r+l] * s.residual2(j, l)
			}
		}
		mean, sd := s.fitted2(j, o)-m/own, 1/math.Sqrt(own)
		if g := s.groups2[o]; g != nil {
			s.y2[j][o] = g.draw(s.g, o-g.first+1, j, mean, sd, func(c int) float64 { return s.y2[j][g.first+c] })
			continue
		}
		s.y2[j][o] = mean + sd*s.g.NormFloat64()
	}
	return true
}

// drawB2 draws the coefficients of the continuous variables of schools: y2 −
// Ψ21Ψ11⁻¹u regressed on w, with covariance Ψ22.1, the inverse of the block of Ψ⁻¹
// (of these variables alone); Ψ21Ψ11⁻¹ = −(P22)⁻¹P21.
func (s *sampler) drawB2() bool {
	r, kw, c := s.r, s.kw, s.r2c
	if c == 0 {
		return true
	}
	q := r + c
	block := make([]float64, q*q)
	for o := range q {
		copy(block[o*q:(o+1)*q], s.psi[o*s.q:o*s.q+q])
	}
	precision, ok := invert(block, q)
	if !ok {
		return false
	}
	p22 := make([]float64, c*c)
	for o := range c {
		copy(p22[o*c:(o+1)*c], precision[(r+o)*q+r:(r+o)*q+q])
	}
	cov, ok := invert(p22, c)
	if !ok {
		return false
	}
	hat := make([][]float64, c)
	for o := range c {
		col := make([]float64, kw)
		for j, u := range s.u {
			y := s.y2[j][o]
			for l := range c {
				for t := range r {
					y += cov[o*c+l] * precision[(r+l)*q+t] * u[t]
				}
			}
			for i := range kw {
				col[i] += s.w[j][i] * y
			}
		}
		forward(s.wwL, kw, col)
		backward(s.wwL, kw, col)
		hat[o] = col
	}
	if !cholesky(cov, c) {
		return false
	}
	z := make([][]float64, c)
	for o := range z {
		z[o] = make([]float64, kw)
		for i := range z[o] {
			z[o][i] = s.g.NormFloat64()
		}
		backward(s.wwL, kw, z[o])
	}
	for o := range c {
		for i := range kw {
			b := hat[o][i]
			for l := range o + 1 {
				b += cov[o*c+l] * z[l][i]
			}
			s.b2[i*s.r2+o] = b
		}
	}
	return true
}

func (s *sampler) fitted2(j, o int) float64 {
	v := 0.0
	for i, w := range s.w[j] {
		v += w * s.b2[i*s.r2+o]
	}
	return v
}

func (s *sampler) residual2(j, o int) float64 { return s.y2[j][o] - s.fitted2(j, o) }

// drawPsi is step 5.
func (s *sampler) drawPsi() bool {
	c := s.r + s.r2c
	ss := append([]float64(nil), s.priorP...)
	v := make([]float64, c)
	for j, u := range s.u {
		copy(v, u)
		for o := range s.r2c {
			v[s.r+o] = s.residual2(j, o)
		}
		for a := range c {
			for b := range c {
				ss[a*c+b] += v[a] * v[b]
			}
		}
	}
	psi, ok := inverseWishart(s.g, s.dfP+float64(s.m), ss, c)
	if !ok {
		return false
	}
	for o := range c {
		copy(s.psi[o*s.q:o*s.q+c], psi[o*c:(o+1)*c])
	}
	return s.drawLatent2()
}

// drawLatent2 is the end of step 5: each latent of a variable of schools regressed
// on w, u and the variables of schools before it, as drawLatent does of pupils.
func (s *sampler) drawLatent2() bool {
	r, kw, q := s.r, s.kw, s.q
	for o := s.r2c; o < s.r2; o++ {
		first := s.groups2[o].first
		f := len(s.fine2)
		d := f + r + first
		l, rhs := make([]float64, d*d), make([]float64, d)
		x := make([]float64, d)
		for j, u := range s.u {
			for i, c := range s.fine2 {
				x[i] = s.w[j][c]
			}
			copy(x[f:], u)
			copy(x[f+r:], s.y2[j][:first])
			for a, v := range x {
				rhs[a] += v * s.y2[j][o]
				for b := range a + 1 {
					l[a*d+b] += v * x[b]
				}
			}
		}
		for a := range d {
			for b := range a {
				l[b*d+a] = l[a*d+b]
			}
			l[a*d+a] += 1 / (latentSD * latentSD)
		}
		if !cholesky(l, d) {
			return false
		}
		forward(l, d, rhs)
		for i := range rhs {
			rhs[i] += s.g.NormFloat64()
		}
		backward(l, d, rhs)
		gamma := rhs[f:]
		for i := range kw {
			v := 0.0
			for h := range first {
				v += s.b2[i*s.r2+h] * gamma[r+h]
			}
			s.b2[i*s.r2+o] = v
		}
		for i, c := range s.fine2 {
			s.b2[c*s.r2+o] += rhs[i]
		}
		at, own := r+o, 1.0
		for h := range at {
			v := 0.0
			for l, g := range gamma {
				v += g * s.psi[h*q+l]
			}
			s.psi[h*q+at], s.psi[at*q+h] = v, v
			if h < r+first {
				own += v * gamma[h]
			}
		}
		s.psi[at*q+at] = own
	}
	return true
}

// drawCells is step 6.
func (s *sampler) drawCells() {
	r, k := s.r, s.k
	school := 0
	for t := range r {
		own := s.omega[t*r+t]
		sd := 1 / math.Sqrt(own)
		group := s.groups[t]
		school = 0
		// Mean of the cell: x'(B_t + Σ_o c_o B_o) and so on, with c_o = Ω_to/Ω_tt.
		c := make([]float64, r)
		slope := make([]float64, k)
		for o := range r {
			c[o] = s.omega[t*r+o] / own
		}
		for i := range k {
			for o := range r {
				slope[i] += c[o] * s.b[i*r+o]
			}
		}
		y := s.y[t]
		for at, row := range s.cells[t] {
			for row >= s.starts[school+1] {
				school++
			}
			mean := 0.0
			if near := s.kept.x[t]; near != nil {
				for i, x := range near[at*k : (at+1)*k] {
					mean += slope[i] * x
				}
			} else {
				for i, x := range s.x {
					mean += slope[i] * x[row]
				}
			}
			for o, u := range s.u[school] {
				mean += c[o] * u
				if o != t {
					mean -= c[o] * s.y[o][row]
				}
			}
			if group == nil {
				y[row] = mean + sd*s.g.NormFloat64()
				continue
			}
			y[row] = group.draw(s.g, t-group.first+1, row, mean, sd, func(c int) float64 { return s.y[group.first+c][row] })
		}
	}
}

// latentSD is the prior's SD of the coefficients of latents: on the scale of a
// probit, where 5 is all but certainty.
const latentSD = 5

// latents are the latent variables of one categorical variable: K − 1 for K
// categories, of which the first has none.
type latents struct {
	first, size int   // places among the sampler's variables
	code        []int // observed category of each row (or school); −1 where missing
}

func newLatents(first, size int, values []float64, observed []bool) *latents {
	g := &latents{first: first, size: size, code: make([]int, len(values))}
	for i, v := range values {
		g.code[i] = -1
		if observed[i] {
			g.code[i] = int(v)
		}
	}
	return g
}

// start gives starting values of the latent of a category.
func (g *latents) start(category int) []float64 {
	out := make([]float64, len(g.code))
	for i, c := range g.code {
		switch c {
		case -1:
		case category:
			out[i] = 0.5
		default:
			out[i] = -0.5
		}
	}
	return out
}

// category is the category that latents say.
func (g *latents) category(latent func(c int) float64) int {
	best, at := 0.0, 0
	for c := range g.size {
		if v := latent(c); v > best {
			best, at = v, c+1
		}
	}
	return at
}

// draw draws the latent of a category in a row, on the side where the observed
// category wants it, given the variable's other latents.
func (g *latents) draw(r *rand.Rand, category, row int, mean, sd float64, latent func(c int) float64) float64 {
	switch observed := g.code[row]; {
	case observed < 0:
		return mean + sd*r.NormFloat64()
	case observed == category: // above 0 and the others
		least := 0.0
		for c := range g.size {
			if c+1 != category {
				least = max(least, latent(c))
			}
		}
		return mean + sd*above(r, (least-mean)/sd)
	case observed == 0: // below 0
		return mean - sd*above(r, mean/sd)
	default: // below the observed category's
		return mean - sd*above(r, (mean-latent(observed-1))/sd)
	}
}

// Set is one completed data set, with the parameters drawn with it.
type Set struct {
	Chain     int
	Iteration int
	// Values holds the completed variables in the order of Model.Incomplete, each
	// in the order of the rows.
	Values [][]float64
	// Draws holds the parameters, one entry for each arm imputed by itself (one in
	// all if not by arm).
	Draws []Draw
}

// Draw is the parameters behind a Set, in the units of the variables (of the
// latent scale for binary ones).
type Draw struct {
	Arm       int         // label of the arm, with ByArm
	Coef      [][]float64 // [variable of pupils][intercept, then predictors]
	Sigma     [][]float64 // between the variables of pupils, within schools
	Psi       [][]float64 // of school effects: variables of pupils, then of schools
	Variables []string    // names in the order of Psi
}

// Trace is one parameter over the iterations of all chains.
type Trace struct {
	Parameter string      `json:"parameter"`
	Arm       int         `json:"arm"`    // with ByArm
	Chains    [][]float64 `json:"chains"` // iterations after burn-in
	RHat      float64     `json:"rhat"`   // split-chain potential scale reduction; 1 is converged
	ESS       float64     `json:"ess"`    // effective number of draws, all chains
	// Lag is the autocorrelation at the distance between imputations.
	Lag float64 `json:"autocorrelation_between_imputations"`
}

// Imputations are the completed data sets and how the sampler went.
type Imputations struct {
	Sets     []Set
	Imputed  []int // cells imputed of each incomplete variable (schools, for those of schools)
	Traces   []Trace
	Prior    string // the prior in words
	Warnings []analysis.Warning
	Model    Model // as run, with the defaults filled in
}

// Codes of warnings.
const (
	WarnConvergence = "imputation-not-converged"
	WarnFewSets     = "few-imputations"
	WarnRare        = "rare-category"
)

// rareCategory is how many must have a category of a factor for its chains to
// settle as other parameters' do.
const rareCategory = 20

// describePrior says the prior in words.
func describePrior(m Model) string {
	if m.Prior == nil {
		return "inverse Wishart with as many degrees of freedom as variables; guesses 0.85 (pupils) and 0.15 (schools) of each variable's variance" + latentPrior(m)
	}
	return fmt.Sprintf("inverse Wishart with %g (pupils) and %g (schools) degrees of freedom and the sums of squares given", m.Prior.DFPupil, m.Prior.DFSchool) + latentPrior(m)
}

func latentPrior(m Model) string {
	for _, v := range m.Incomplete {
		if v.Kind != Continuous {
			return fmt.Sprintf("; coefficients flat, of categorical variables' latents normal with SD %d", latentSD)
		}
	}
	return "; coefficients flat"
}
