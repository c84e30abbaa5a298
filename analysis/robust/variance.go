package robust

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"evenhand/analysis"
	"evenhand/analysis/internal/dist"
)

// Variance names an estimator of the coefficients' variances.
type Variance string

// The variance estimators. M is the number of clusters, N of rows, k of
// coefficients.
const (
	Classical Variance = "classical" // equal spread, independent rows; N − k df
	HC2       Variance = "HC2"       // unequal spread, independent rows; N − k df
	CR0       Variance = "CR0"       // clusters, no correction; M − 1 df
	CR1       Variance = "CR1"       // CR0 × M/(M−1); M − 1 df
	CR1S      Variance = "CR1S"      // CR1 × (N−1)/(N−k), as Stata; M − 1 df
	CR2       Variance = "CR2"       // bias-reduced (Bell and McCaffrey); Satterthwaite df
	CR3       Variance = "CR3"       // leave-one-cluster-out approximation; Satterthwaite df
)

// Variances are all the estimators, in order of caution.
var Variances = []Variance{Classical, HC2, CR0, CR1, CR1S, CR2, CR3}

func (v Variance) clustered() bool {
	switch v {
	case CR0, CR1, CR1S, CR2, CR3:
		return true
	}
	return false
}

// Names of how degrees of freedom are found.
const (
	DFResidual      = "residual (rows − coefficients)"
	DFClusters      = "clusters − 1"
	DFSatterthwaite = "satterthwaite (Bell-McCaffrey)"
)

// Coefficient is an estimate with its uncertainty.
type Coefficient struct {
	Name      string            `json:"term"`
	Estimate  float64           `json:"estimate"`
	SE        float64           `json:"se"`
	DF        float64           `json:"df"`
	DFMethod  string            `json:"df_method"`
	Statistic float64           `json:"statistic"` // t
	P         float64           `json:"p"`         // two-sided
	Interval  analysis.Interval `json:"interval"`
}

// Inference is a fit judged by one estimator of variance.
type Inference struct {
	Fit      *Fit
	Variance Variance
	Vcov     [][]float64 // of the coefficients

	parts []part // of each cluster; nil for variances without clusters
	s     [][]float64
}

// part is what one cluster j contributes. T = X R⁻¹ and L = W T are its rows in
// the basis of Q, A its adjustment; the score is L'A e. For the degrees of
// freedom, A'L q = L m + O h with m = lead·q and h = side·q.
type part struct {
	g     [][]float64 // T'L = Q_j'Q_j
	s     [][]float64 // L'L; the same as g without weights
	lead  [][]float64 // nil for the identity
	side  [][]float64 // r × k; nil for none
	ot    [][]float64 // O'T, r × k
	ol    [][]float64 // O'L, r × k
	score []float64
}

// fullLeverage: an eigenvalue of H_jj this close to 1 is 1. The cluster alone
// decides that direction, and its adjustment is dropped there (the
// Moore-Penrose inverse).
const fullLeverage = 1e-10

// Inference judges the fit by an estimator of variance.
func (f *Fit) Inference(v Variance) (*Inference, error) {
	in := &Inference{Fit: f, Variance: v}
	k := len(f.Beta)
	switch {
	case v == Classical:
		b := identity(k)
		scaleMatrix(b, f.RSS/float64(f.DFResidual))
		in.Vcov = f.d.back(b)
		return in, nil
	case v == HC2:
		b, err := f.meatHC2()
		if err != nil {
			return nil, err
		}
		in.Vcov = f.d.back(b)
		return in, nil
	case !v.clustered():
		return nil, fmt.Errorf("variance %q is not known; use one of %v", v, Variances)
	case f.starts == nil:
		return nil, fmt.Errorf("%w: %s needs the school of each row, and none was given", ErrClusters, v)
	case f.Clusters < 2:
		return nil, fmt.Errorf("%w: %s needs at least two, there is %d", ErrClusters, v, f.Clusters)
	}
	if err := in.work(f.e, true); err != nil {
		return nil, err
	}
	in.sum()
	return in, nil
}

// sum adds the clusters' scores up to the coefficients' covariance.
func (in *Inference) sum() {
	f := in.Fit
	meat := zeros(len(f.Beta), len(f.Beta))
	for _, p := range in.parts {
		addOuter(meat, 1, p.score, p.score)
	}
	scaleMatrix(meat, f.multiplier(in.Variance))
	in.Vcov = f.d.back(meat)
}

// onSame judges the fit of another outcome on the same design. CR2's matrices
// belong to the design: they are not worked out again.
func (in *Inference) onSame(f *Fit) (*Inference, error) {
	if in.Variance != CR2 || f.w != nil || f.d != in.Fit.d {
		return f.Inference(in.Variance)
	}
	out := &Inference{Fit: f, Variance: in.Variance, parts: make([]part, len(in.parts))}
	for c, p := range in.parts {
		lo, hi := f.starts[c], f.starts[c+1]
		score := make([]float64, len(f.d.q))
		for j, q := range f.d.q {
			score[j] = dot(q[lo:hi], f.e[lo:hi])
		}
		p.score = multiplyVector(transpose(p.lead), score)
		out.parts[c] = p
	}
	out.sum()
	return out, nil
}

func (f *Fit) multiplier(v Variance) float64 {
	m, n, k := float64(f.Clusters), float64(f.Rows), float64(len(f.Beta)+f.Absorbed)
	switch v {
	case CR1:
		return m / (m - 1)
	case CR1S:
		return m / (m - 1) * (n - 1) / (n - k)
	}
	return 1
}

func (f *Fit) meatHC2() ([][]float64, error) {
	k := len(f.Beta)
	b := zeros(k, k)
	row := make([]float64, k)
	for i, e := range f.e {
		h := 0.0
		for j, q := range f.d.q {
			row[j] = q[i]
			h += q[i] * q[i]
		}
		if f.lever != nil {
			h += f.lever[i]
		}
		if 1-h < fullLeverage {
			if math.Abs(e) > 1e-6*f.Sigma {
				return nil, fmt.Errorf("HC2: a row decides a coefficient alone and yet is not fitted: %w", ErrUnsupported)
			}
			continue // such a row is fitted exactly and says nothing about spread
		}
		addOuter(b, e*e/(1-h), row, row)
	}
	return b, nil
}

// work finds every cluster's part, with scores of the residuals e (times
// √weight, as Fit.e). With degrees false only the scores are kept.
func (in *Inference) work(e []float64, degrees bool) error {
	f := in.Fit
	k := len(f.Beta)
	if f.w != nil {
		in.s = zeros(k, k)
		row := make([]float64, k)
		for i, w := range f.w {
			for j, q := range f.d.q {
				row[j] = q[i]
			}
			addOuter(in.s, w, row, row)
		}
	}
	in.parts = make([]part, f.Clusters)
	for c := range in.parts {
		lo, hi := f.starts[c], f.starts[c+1]
		q := make([][]float64, k)
		for j := range q {
			q[j] = f.d.q[j][lo:hi]
		}
		p := &in.parts[c]
		p.g = gram(q, q)
		p.s = p.g
		score := make([]float64, k)
		for j := range q {
			score[j] = dot(q[j], e[lo:hi])
		}
		var err error
		switch {
		case in.Variance == CR2 && f.w == nil:
			// (I − QQ')^(−1/2) = I + Q N Q', with N from the eigenvalues λ of
			// Q'Q: ((1−λ)^(−1/2) − 1)/λ = 1/(s(1+s)), s = √(1−λ).
			n := spectral(p.g, func(lambda float64) float64 {
				if 1-lambda < fullLeverage {
					return -1 / lambda
				}
				s := math.Sqrt(1 - lambda)
				return 1 / (s * (1 + s))
			})
			p.lead = add(identity(k), multiply(n, p.g))
			p.score = multiplyVector(transpose(p.lead), score) // (I + G N) Q'e
		case in.Variance == CR2:
			w := f.w[lo:hi]
			p.s = gramWeighted(q, w)
			err = in.weightedCR2(p, q, w, e[lo:hi], score)
		case in.Variance == CR3:
			p.lead, err = leaveOut(p.g)
			if err == nil {
				p.score = multiplyVector(p.lead, score)
			}
			if f.w != nil {
				p.s = gramWeighted(q, f.w[lo:hi])
			}
		default:
			p.score = score
			if f.w != nil {
				p.s = gramWeighted(q, f.w[lo:hi])
			}
		}
		if err != nil {
			return err
		}
		if !degrees {
			*p = part{score: p.score}
		}
	}
	return nil
}

// leaveOut is (I − G)⁻¹.
func leaveOut(g [][]float64) ([][]float64, error) {
	bad := false
	inv := spectral(g, func(lambda float64) float64 {
		if 1-lambda < fullLeverage {
			bad = true
			return 0
		}
		return 1 / (1 - lambda)
	})
	if bad {
		return nil, fmt.Errorf("%w: one cluster decides a coefficient alone, so CR3, which leaves each out in turn, does not exist; use CR2", ErrClusters)
	}
	return inv, nil
}

// weightedCR2 is CR2 with weights and the identity as working model:
// A = B^(−1/2) with B = (I−H)(I−H)' of the cluster, H = X(X'WX)⁻¹X'W. B is the
// identity but for the span of T and L, where it is worked out in an
// orthonormal basis O.
func (in *Inference) weightedCR2(p *part, q [][]float64, w, e, score []float64) error {
	k, n := len(q), len(w)
	span := mat.NewDense(n, 2*k, nil)
	t, l := make([][]float64, k), make([][]float64, k)
	for j := range q {
		t[j], l[j] = make([]float64, n), make([]float64, n)
		nt, nl := 0.0, 0.0
		for i, v := range q[j] {
			s := math.Sqrt(w[i])
			t[j][i], l[j][i] = v/s, v*s
			nt, nl = nt+v*v/w[i], nl+v*v*w[i]
		}
		for i := range q[j] { // balanced, so that one tolerance serves all
			if nt > 0 {
				span.Set(i, j, t[j][i]/math.Sqrt(nt))
				span.Set(i, k+j, l[j][i]/math.Sqrt(nl))
			}
		}
	}
	var svd mat.SVD
	if !svd.Factorize(span, mat.SVDThin) {
		return fmt.Errorf("CR2 with weights: a cluster's singular values did not converge: %w", ErrUnsupported)
	}
	values := svd.Values(nil)
	var u mat.Dense
	svd.UTo(&u)
	rank := 0
	for rank < len(values) && values[rank] > 1e-12*values[0] {
		rank++
	}
	if rank == 0 { // rows that absorption left nothing of
		p.score = score
		return nil
	}
	o := make([][]float64, rank)
	for r := range o {
		o[r] = mat.Col(nil, r, &u)
	}
	p.ot, p.ol = gram(o, t), gram(o, l)
	b := identity(rank)
	cross := multiply(p.ot, transpose(p.ol))
	tst := multiply(multiply(p.ot, in.s), transpose(p.ot))
	for i := range b {
		for j := range b {
			b[i][j] += tst[i][j] - cross[i][j] - cross[j][i]
		}
	}
	n2 := spectral(b, func(mu float64) float64 {
		if mu < fullLeverage {
			return -1
		}
		return 1/math.Sqrt(mu) - 1
	})
	p.side = multiply(n2, p.ol)
	raw := make([]float64, n)
	for i, v := range e {
		raw[i] = v / math.Sqrt(w[i])
	}
	oe := make([]float64, rank)
	for r := range o {
		oe[r] = dot(o[r], raw)
	}
	p.score = multiplyVector(transpose(p.side), oe)
	for j := range score {
		p.score[j] += score[j]
	}
	return nil
}

// along is A'L q of a cluster seen through T, L and itself.
func (p *part) along(q []float64) (alpha, beta []float64, size float64) {
	m := q
	if p.lead != nil {
		m = multiplyVector(p.lead, q)
	}
	alpha = multiplyVector(p.g, m)
	beta = multiplyVector(p.s, m)
	size = dot(m, beta)
	if p.side != nil {
		h := multiplyVector(p.side, q)
		at, al := multiplyVector(transpose(p.ot), h), multiplyVector(transpose(p.ol), h)
		size += 2*dot(m, al) + dot(h, h)
		for j := range alpha {
			alpha[j] += at[j]
			beta[j] += al[j]
		}
	}
	return alpha, beta, size
}

// forms hold, for one contrast, the quadratic forms whose sum of squares is its
// variance estimate: with a_j = A_j'L_j q and working model I, their covariance
// is Ω = D + Z K Z' with D diagonal and Z of two rows of Q's width a cluster.
type forms struct {
	alpha, beta [][]float64
	size        []float64
}

func (in *Inference) formsOf(q []float64) forms {
	fo := forms{size: make([]float64, len(in.parts))}
	for j := range in.parts {
		al, be, s := in.parts[j].along(q)
		fo.alpha, fo.beta = append(fo.alpha, al), append(fo.beta, be)
		fo.size[j] = s
	}
	return fo
}

// inner is z_i'K z_j: what is taken from (and, weighted, added back to) a_i'a_j
// by (I−H)(I−H)'.
func (in *Inference) inner(x forms, i int, y forms, j int) float64 {
	if in.s == nil {
		return -dot(x.alpha[i], y.alpha[j])
	}
	return dot(x.alpha[i], multiplyVector(in.s, y.alpha[j])) - dot(x.alpha[i], y.beta[j]) - dot(x.beta[i], y.alpha[j])
}

// SatterthwaiteDF is (tr Ω)²/Σ Ω_ij² for the contrast c of the coefficients,
// under a working model of independent rows of equal spread.
func (in *Inference) SatterthwaiteDF(c []float64) (float64, error) {
	if !in.Variance.clustered() {
		return 0, fmt.Errorf("the Satterthwaite degrees of freedom of %s: %w", in.Variance, ErrUnsupported)
	}
	fo := in.formsOf(in.Fit.d.solveT(c))
	trace := 0.0
	for j, s := range fo.size {
		trace += s + in.inner(fo, j, fo, j)
	}
	sum := in.pairSum(fo, fo, fo, fo, fo.size, fo.size)
	if !(trace > 0) || !(sum > 0) {
		return 0, ErrNoSpread
	}
	return trace * trace / sum, nil
}

// pairSum is Σ_ij (D^ab + Z_aKZ_b')_ij (D^cd + Z_cKZ_d')_ij, with dab and dcd
// the diagonals, in time linear in the number of clusters.
func (in *Inference) pairSum(a, b, c, d forms, dab, dcd []float64) float64 {
	sum := 0.0
	for i := range dab {
		sum += dab[i]*dcd[i] + dab[i]*in.inner(c, i, d, i) + dcd[i]*in.inner(a, i, b, i)
	}
	// Σ_ij z_ai'K z_bj z_ci'K z_dj = tr(K Z_b'Z_d K Z_c'Z_a)
	bd, ca := in.crossZ(b, d), in.crossZ(c, a)
	kk := in.kernel()
	m := multiply(multiply(kk, bd), multiply(kk, ca))
	for i := range m {
		sum += m[i][i]
	}
	return sum
}

func (in *Inference) kernel() [][]float64 {
	k := len(in.Fit.Beta)
	if in.s == nil {
		m := identity(k)
		scaleMatrix(m, -1)
		return m
	}
	m := zeros(2*k, 2*k)
	for i := range k {
		copy(m[i][:k], in.s[i])
		m[i][k+i], m[k+i][i] = -1, -1
	}
	return m
}

func (in *Inference) crossZ(x, y forms) [][]float64 {
	k := len(in.Fit.Beta)
	width := k
	if in.s != nil {
		width = 2 * k
	}
	m := zeros(width, width)
	zx, zy := make([]float64, width), make([]float64, width)
	for j := range x.alpha {
		copy(zx, x.alpha[j])
		copy(zy, y.alpha[j])
		if in.s != nil {
			copy(zx[k:], x.beta[j])
			copy(zy[k:], y.beta[j])
		}
		addOuter(m, 1, zx, zy)
	}
	return m
}

// Coefficients judges every coefficient, with intervals of the level given, in
// (0,1).
func (in *Inference) Coefficients(level float64) ([]Coefficient, error) {
	out := make([]Coefficient, len(in.Fit.Beta))
	var faults []error
	for j, name := range in.Fit.Names {
		c := make([]float64, len(in.Fit.Beta))
		c[j] = 1
		var err error
		if out[j], err = in.Contrast(name, c, level); err != nil {
			faults = append(faults, err)
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	return out, nil
}

// Coefficient judges one coefficient by its name.
func (in *Inference) Coefficient(name string, level float64) (Coefficient, error) {
	j := in.Fit.Index(name)
	if j < 0 {
		return Coefficient{}, fmt.Errorf("there is no coefficient %q; there are %q", name, in.Fit.Names)
	}
	c := make([]float64, len(in.Fit.Beta))
	c[j] = 1
	return in.Contrast(name, c, level)
}

// Contrast judges c'β, naming it.
func (in *Inference) Contrast(name string, c []float64, level float64) (Coefficient, error) {
	f := in.Fit
	if len(c) != len(f.Beta) {
		return Coefficient{}, fmt.Errorf("contrast %q has %d weights for %d coefficients", name, len(c), len(f.Beta))
	}
	if !(level > 0 && level < 1) {
		return Coefficient{}, fmt.Errorf("a confidence level of %v is not between 0 and 1", level)
	}
	out := Coefficient{Name: name, Estimate: dot(c, f.Beta), SE: math.Sqrt(math.Max(0, dot(c, multiplyVector(in.Vcov, c))))}
	if !(out.SE > 0) {
		return Coefficient{}, fmt.Errorf("coefficient %q by %s: %w", name, in.Variance, ErrNoSpread)
	}
	switch in.Variance {
	case Classical, HC2:
		out.DF, out.DFMethod = float64(f.DFResidual), DFResidual
	case CR0, CR1, CR1S:
		out.DF, out.DFMethod = float64(f.Clusters-1), DFClusters
	default:
		df, err := in.SatterthwaiteDF(c)
		if err != nil {
			return Coefficient{}, fmt.Errorf("coefficient %q by %s: %w", name, in.Variance, err)
		}
		out.DF, out.DFMethod = df, DFSatterthwaite
	}
	out.Statistic = out.Estimate / out.SE
	if !finite(out.Statistic) || !finite(out.DF) {
		return Coefficient{}, fmt.Errorf("coefficient %q by %s: %w", name, in.Variance, ErrNoSpread)
	}
	out.P = dist.TTwoSided(out.Statistic, out.DF)
	half := dist.TCritical(level, out.DF) * out.SE
	if !finite(half) { // so few degrees of freedom that the interval has no end a number could hold
		return Coefficient{}, fmt.Errorf("coefficient %q by %s: %.3g degrees of freedom: %w", name, in.Variance, out.DF, ErrClusters)
	}
	out.Interval = analysis.Interval{Low: out.Estimate - half, High: out.Estimate + half, Level: level,
		Method: fmt.Sprintf("t, %s standard error, %s degrees of freedom", in.Variance, out.DFMethod)}
	return out, nil
}
