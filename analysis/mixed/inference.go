package mixed

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"evenhand/analysis/internal/dist"
)

// DF is a way to reach degrees of freedom for a contrast of coefficients.
type DF string

// The ways. For one contrast Kenward and Roger's degrees of freedom equal
// Satterthwaite's with expected information; their standard errors differ.
const (
	// KenwardRoger (1997, Biometrics 53: 983-997): covariance adjusted for
	// the variances being estimated, expected information; as pbkrtest.
	KenwardRoger DF = "kenward-roger"
	// Satterthwaite with the observed information of the criterion, as
	// lmerTest (Fai & Cornelius 1996). On the boundary, where the observed
	// information does not measure the precision of a variance, the expected
	// information is used.
	Satterthwaite DF = "satterthwaite"
	// SatterthwaiteExpected uses the expected information.
	SatterthwaiteExpected DF = "satterthwaite-expected"
	// Containment counts groups of the level at which a column varies, as
	// nlme (Pinheiro & Bates 2000, p. 91).
	Containment DF = "containment"
	// Z is the normal distribution: right for many schools only.
	Z DF = "z"
)

// Label is the method in words, for Interval.Method and tables.
func (m DF) Label() string {
	switch m {
	case KenwardRoger:
		return "t, Kenward–Roger"
	case Satterthwaite:
		return "t, Satterthwaite (observed information)"
	case SatterthwaiteExpected:
		return "t, Satterthwaite (expected information)"
	case Containment:
		return "t, containment"
	case Z:
		return "z"
	}
	return string(m)
}

// Inference is what is known about one contrast of coefficients.
type Inference struct {
	Name      string
	Estimate  float64
	SE        float64
	DF        float64 // +Inf for z
	Statistic float64 // t or z
	P         float64 // two-sided
	Low, High float64
	Level     float64 // of the interval, in (0,1)
	Method    DF
}

// Test is the inference for one coefficient by name, with an interval of a
// level such as 0.95.
func (f *Fit) Test(name string, method DF, level float64) (Inference, error) {
	for k, c := range f.Coefficients {
		if c.Name == name {
			w := make([]float64, len(f.Coefficients))
			w[k] = 1
			in, err := f.Contrast(w, method, level)
			in.Name = name
			return in, err
		}
	}
	return Inference{}, &ShapeError{fmt.Sprintf("no coefficient is called %q", name)}
}

// Tests is the inference for every coefficient.
func (f *Fit) Tests(method DF, level float64) ([]Inference, error) {
	var out []Inference
	for _, c := range f.Coefficients {
		in, err := f.Test(c.Name, method, level)
		if err != nil {
			return nil, err
		}
		out = append(out, in)
	}
	return out, nil
}

// Contrast is the inference for Σ weights·coefficients; weights run parallel
// to Coefficients.
func (f *Fit) Contrast(weights []float64, method DF, level float64) (Inference, error) {
	p := f.r.p
	if len(weights) != p {
		return Inference{}, &ShapeError{fmt.Sprintf("%d weights for %d coefficients", len(weights), p)}
	}
	if !(level > 0 && level < 1) {
		return Inference{}, &ShapeError{fmt.Sprintf("confidence level %v is not between 0 and 1", level)}
	}
	in := Inference{Method: method, Level: level, DF: math.Inf(1)}
	l := f.standardise(weights)
	variance := quad(l, f.ev.c, l, p)
	if !(variance > 0) {
		return Inference{}, &ShapeError{"a contrast of nothing has no standard error"}
	}
	for k, w := range weights {
		in.Estimate += w * f.Coefficients[k].Estimate
	}
	switch method {
	case Z:
	case Containment:
		in.DF = f.containment(weights)
	case KenwardRoger, Satterthwaite, SatterthwaiteExpected:
		if method == KenwardRoger && f.Method != REML {
			return Inference{}, &MethodError{string(method), "the adjustment belongs to REML; fit by REML, or take Satterthwaite"}
		}
		w, err := f.varianceOfVariances(method)
		if err != nil {
			return Inference{}, err
		}
		in.DF = f.satterthwaiteDF(l, variance, w)
		if method == KenwardRoger {
			variance = quad(l, f.kenwardRogerCovariance(), l, p)
		}
	default:
		return Inference{}, &MethodError{string(method), fmt.Sprintf("unknown; known are %s, %s, %s, %s and %s", KenwardRoger, Satterthwaite, SatterthwaiteExpected, Containment, Z)}
	}
	if !(in.DF > 0) {
		return Inference{}, &MethodError{string(method), "leaves no degrees of freedom for this contrast"}
	}
	in.SE = math.Sqrt(variance) * f.r.scale[p]
	in.finish()
	return in, nil
}

// varianceOfVariances is the inverse information by which a method reaches its
// degrees of freedom.
func (f *Fit) varianceOfVariances(method DF) ([]float64, error) {
	w := f.invExpected
	if method == KenwardRoger {
		w = f.invREML
	}
	if method == Satterthwaite && !f.Singular && f.invObserved != nil {
		w = f.invObserved
	}
	if w == nil {
		return nil, &MethodError{string(method), "the information about the variances is singular, so there are no degrees of freedom; take containment or z, and a simpler model"}
	}
	return w, nil
}

// finish fills statistic, p and interval from estimate, SE and DF.
func (in *Inference) finish() {
	in.Statistic = in.Estimate / in.SE
	in.P = dist.TTwoSided(in.Statistic, in.DF)
	half := dist.TCritical(in.Level, in.DF) * in.SE
	in.Low, in.High = in.Estimate-half, in.Estimate+half
}

// standardise turns weights of coefficients into weights of the standardised
// ones.
func (f *Fit) standardise(weights []float64) []float64 {
	p := f.r.p
	l := make([]float64, p)
	for i, w := range weights {
		if w == 0 {
			continue
		}
		for j := 0; j < p; j++ {
			l[j] += w * f.r.back[i*p+j]
		}
	}
	return l
}

// gradientOf is ∂(l'Φl)/∂θ, Φ = (X'V⁻¹X)⁻¹.
func (f *Fit) gradientOf(l []float64) []float64 {
	p, q := f.r.p, f.r.q
	cl := mul(f.ev.c, l, p, p, 1)
	g := make([]float64, len(f.r.params))
	for s := range g {
		for i := 0; i < p; i++ {
			for j := 0; j < p; j++ {
				g[s] += cl[i] * f.ev.h[s][i*q+j] * cl[j]
			}
		}
	}
	return g
}

// satterthwaiteDF is 2v²/(g'Wg), W the covariance of the variances.
func (f *Fit) satterthwaiteDF(l []float64, v float64, w []float64) float64 {
	g := f.gradientOf(l)
	return 2 * v * v / quad(g, w, g, len(g))
}

// kenwardRogerCovariance is Φ + 2Φ{Σ W_rs (Q_rs − P_rΦP_s)}Φ in standardised
// columns; P_r = −X'V⁻¹V_rV⁻¹X, Q_rs = X'V⁻¹V_rV⁻¹V_sV⁻¹X.
func (f *Fit) kenwardRogerCovariance() []float64 {
	f.krOnce.Do(func() { f.kr = f.makeKenwardRoger() })
	return f.kr
}

func (f *Fit) makeKenwardRoger() []float64 {
	p, q, np := f.r.p, f.r.q, len(f.r.params)
	u := make([]float64, p*p)
	top := func(m []float64) []float64 {
		out := make([]float64, p*p)
		for i := 0; i < p; i++ {
			copy(out[i*p:(i+1)*p], m[i*q:i*q+p])
		}
		return out
	}
	h := make([][]float64, np)
	for s := range h {
		h[s] = top(f.ev.h[s])
	}
	for s := 0; s < np; s++ {
		hc := mul(h[s], f.ev.c, p, p, p)
		for t := s; t < np; t++ {
			w := f.invREML[s*np+t]
			if t > s {
				w *= 2
			}
			qst := top(f.ev.qq[pairIndex(np, s, t)])
			pcp := mul(hc, h[t], p, p, p)
			for i := 0; i < p; i++ {
				for j := 0; j < p; j++ {
					u[i*p+j] += w * (qst[i*p+j] - (pcp[i*p+j]+pcp[j*p+i])/2)
				}
			}
		}
	}
	a := mul(mul(f.ev.c, u, p, p, p), f.ev.c, p, p, p)
	for i := range a {
		a[i] = f.ev.c[i] + 2*a[i]
	}
	return a
}

// VcovKR is the covariance matrix of the coefficients adjusted by Kenward and
// Roger; nil where it does not exist (ML, or no information).
func (f *Fit) VcovKR() [][]float64 {
	if f.Method != REML || f.invREML == nil {
		return nil
	}
	return rowsOf(f.covariance(f.kenwardRogerCovariance()), f.r.p)
}

// InformationKind is a way to measure what the data say about the variances.
type InformationKind string

// The kinds of information about the variances.
const (
	ExpectedInformation InformationKind = "expected"
	ObservedInformation InformationKind = "observed"
	AverageInformation  InformationKind = "average" // the mean of the two (Gilmour, Thompson & Cullis 1995)
)

// InformationInverse is the inverse information about Variances, in their
// order and units: their approximate covariance matrix. It is nil where it
// does not exist, as that of the observed information may not on the boundary.
func (f *Fit) InformationInverse(kind InformationKind) [][]float64 {
	np := len(f.r.params)
	m := f.invExpected
	switch kind {
	case ObservedInformation:
		m = f.invObserved
	case AverageInformation:
		a := make([]float64, np*np)
		for i := range a {
			a[i] = (f.ev.expected[i] + f.ev.observed[i]) / 2
		}
		m = invert(a, np)
	}
	if m == nil {
		return nil
	}
	var order []int
	for pass := 0; pass < 2; pass++ {
		for s, pa := range f.r.params {
			if pa.residual == (pass == 1) {
				order = append(order, s)
			}
		}
	}
	sy2 := f.r.scale[f.r.p] * f.r.scale[f.r.p]
	out := make([][]float64, np)
	for i, s := range order {
		out[i] = make([]float64, np)
		for j, t := range order {
			out[i][j] = m[s*np+t] * sy2 * sy2
		}
	}
	return out
}

// containment is the smallest number of degrees of freedom of the columns in
// a contrast. A column that varies within groups of the innermost level has
// rows − groups − the number of such columns; one that is constant within
// groups of a level and varies between them has groups − groups of the level
// outside it (1 for the intercept outermost) − the number of such columns. The
// intercept counts as varying within, as in nlme.
func (f *Fit) containment(weights []float64) float64 {
	r := f.r
	levels := len(f.data.Levels)
	at := make([]int, r.p) // level at which the column varies; levels = rows
	count := make([]int, levels+1)
	for k, c := range f.data.Columns {
		at[k] = levels
		if c.Values == nil {
			continue
		}
		for l := 0; l < levels; l++ {
			if f.constantWithin(k, l) {
				at[k] = l
				break
			}
		}
		count[at[k]]++
	}
	df := math.Inf(1)
	for k, w := range weights {
		if w == 0 {
			continue
		}
		l := at[k]
		n := float64(r.n)
		if l < levels {
			n = float64(f.Groups[l].N)
		}
		outside := 1.0
		if r.intercept < 0 {
			outside = 0
		}
		if l > 0 {
			outside = float64(f.Groups[l-1].N)
		}
		df = math.Min(df, n-outside-float64(count[l]))
	}
	return df
}

// constantWithin says whether column k is constant within groups of level l.
func (f *Fit) constantWithin(k, l int) bool {
	level := &f.data.Levels[l]
	first := make([]int, level.size())
	for i := range first {
		first[i] = -1
	}
	v := f.data.Columns[k].Values
	for i, g := range level.Index {
		switch {
		case g < 0:
			return false
		case first[g] < 0:
			first[g] = i
		case v[i] != v[first[g]]:
			return false
		}
	}
	return true
}

// Joint is a test that several contrasts are all zero.
type Joint struct {
	F        float64 // scaled, where the method scales
	DF1, DF2 float64 // DF2 is +Inf for z
	P        float64
	Scale    float64 // Kenward and Roger's λ; 1 for the others
	Method   DF
}

// Joint tests that every row of weights times the coefficients is zero:
// Kenward and Roger's F with its scale and denominator degrees of freedom; the
// Wald F with Satterthwaite's, of either information (Fai and Cornelius 1996, as
// lmerTest has them); or the Wald F over the chi-square (Z).
func (f *Fit) Joint(weights [][]float64, method DF) (Joint, error) {
	p, m := f.r.p, len(weights)
	if m == 0 {
		return Joint{}, &ShapeError{"a joint test of no contrast"}
	}
	l := make([]float64, 0, m*p) // m × p
	est := make([]float64, m)
	for i, w := range weights {
		if len(w) != p {
			return Joint{}, &ShapeError{fmt.Sprintf("%d weights for %d coefficients", len(w), p)}
		}
		l = append(l, f.standardise(w)...)
		for k, v := range w {
			est[i] += v * f.Coefficients[k].Estimate
		}
		est[i] /= f.r.scale[p]
	}
	lt := make([]float64, p*m)
	for i := 0; i < m; i++ {
		for j := 0; j < p; j++ {
			lt[j*m+i] = l[i*p+j]
		}
	}
	wald := func(cov []float64) (float64, []float64, bool) {
		v := mul(mul(l, cov, m, p, p), lt, m, p, m)
		inv := invert(v, m)
		if inv == nil {
			return 0, nil, false
		}
		return quad(est, inv, est, m) / float64(m), inv, true
	}
	q := float64(m)
	out := Joint{DF1: q, Method: method, Scale: 1}
	switch method {
	case Z:
		w, _, ok := wald(f.ev.c)
		if !ok {
			return Joint{}, &ShapeError{"the contrasts of a joint test are not independent"}
		}
		out.F, out.DF2 = w, math.Inf(1)
	case KenwardRoger:
		if f.Method != REML || f.invREML == nil {
			return Joint{}, &MethodError{string(method), "needs a fit by REML with information about every variance"}
		}
		if m == 1 {
			in, err := f.Contrast(weights[0], method, 0.95)
			if err != nil {
				return Joint{}, err
			}
			return Joint{F: in.Statistic * in.Statistic, DF1: 1, DF2: in.DF, P: in.P, Scale: 1, Method: method}, nil
		}
		w, _, ok := wald(f.kenwardRogerCovariance())
		_, inv, ok2 := wald(f.ev.c)
		if !ok || !ok2 {
			return Joint{}, &ShapeError{"the contrasts of a joint test are not independent"}
		}
		// Θ = L'(LΦL')⁻¹L; A1, A2 of Kenward and Roger (1997), eq. 5-10.
		theta := mul(mul(lt, inv, p, m, m), l, p, m, p)
		np := len(f.r.params)
		tp := make([][]float64, np) // ΘΦP_sΦ
		for s := range tp {
			h := make([]float64, p*p)
			for i := 0; i < p; i++ {
				copy(h[i*p:(i+1)*p], f.ev.h[s][i*f.r.q:i*f.r.q+p])
			}
			tp[s] = mul(theta, mul(mul(f.ev.c, h, p, p, p), f.ev.c, p, p, p), p, p, p)
		}
		a1, a2 := 0.0, 0.0
		for s := 0; s < np; s++ {
			for t := 0; t < np; t++ {
				w := f.invREML[s*np+t]
				trs, trt, trst := 0.0, 0.0, 0.0
				for i := 0; i < p; i++ {
					trs += tp[s][i*p+i]
					trt += tp[t][i*p+i]
					for j := 0; j < p; j++ {
						trst += tp[s][i*p+j] * tp[t][j*p+i]
					}
				}
				a1 += w * trs * trt
				a2 += w * trst
			}
		}
		b := (a1 + 6*a2) / (2 * q)
		g := ((q+1)*a1 - (q+4)*a2) / ((q + 2) * a2)
		den := 3*q + 2*(1-g)
		c1, c2, c3 := g/den, (q-g)/den, (q+2-g)/den
		e := 1 / (1 - a2/q)
		v := 2 / q * (1 + c1*b) / ((1 - c2*b) * (1 - c2*b) * (1 - c3*b))
		rho := v / (2 * e * e)
		out.DF2 = 4 + (q+2)/(q*rho-1)
		out.Scale = out.DF2 / (e * (out.DF2 - 2))
		if !(out.DF2 > 0) || !(out.Scale > 0) || math.IsInf(out.DF2, 0) {
			return Joint{}, &MethodError{string(method), "the approximation breaks down for so many contrasts with so few groups"}
		}
		out.F = out.Scale * w
	case Satterthwaite, SatterthwaiteExpected:
		w, err := f.varianceOfVariances(method)
		if err != nil {
			return Joint{}, err
		}
		v := mat.NewSymDense(m, nil)
		cov := mul(mul(l, f.ev.c, m, p, p), lt, m, p, m)
		for i := range m {
			for j := i; j < m; j++ {
				v.SetSym(i, j, (cov[i*m+j]+cov[j*m+i])/2)
			}
		}
		var eigen mat.EigenSym
		if !eigen.Factorize(v, true) {
			return Joint{}, &MethodError{string(method), "the contrasts' covariance matrix has no eigenvalues"}
		}
		var vectors mat.Dense
		eigen.VectorsTo(&vectors)
		values := eigen.Values(nil)
		if !(values[0] > 1e-12*values[m-1]) {
			return Joint{}, &ShapeError{"the contrasts of a joint test are not independent"}
		}
		// Uncorrelated contrasts, each a t with degrees of freedom of its own. An
		// F on q and n degrees of freedom has the mean n/(n−2): theirs is
		// matched.
		sum, equal, few, first := 0.0, true, false, 0.0
		for k, d := range values {
			own, e := make([]float64, p), 0.0
			for i := range m {
				c := vectors.At(i, k)
				e += c * est[i]
				for j := range p {
					own[j] += c * l[i*p+j]
				}
			}
			out.F += e * e / d / q
			nu := f.satterthwaiteDF(own, d, w)
			if k == 0 {
				first = nu
			}
			equal = equal && math.Abs(nu-first) < 1e-8*first
			few = few || nu <= 2
			sum += nu / (nu - 2)
		}
		switch {
		case equal:
			out.DF2 = first
		case few:
			out.DF2 = 2
		default:
			out.DF2 = 2 * sum / (sum - q)
		}
	default:
		return Joint{}, &MethodError{string(method), fmt.Sprintf("there is no joint test by it; use %s, %s or %s", KenwardRoger, Satterthwaite, Z)}
	}
	out.P = dist.FSurvival(out.F, out.DF1, out.DF2)
	return out, nil
}
