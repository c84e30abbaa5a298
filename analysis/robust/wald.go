package robust

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"evenhand/analysis/internal/dist"
)

// FTest is a test that several combinations of coefficients are all zero.
type FTest struct {
	F      float64 `json:"f"`
	DF1    float64 `json:"df1"`
	DF2    float64 `json:"df2"`
	P      float64 `json:"p"`
	Method string  `json:"method"` // e.g. "HTZ, CR2"
}

// HTZ tests that Cβ = 0, one row of C a contrast, by the approximate Hotelling
// T² of Pustejovsky and Tipton (2018), their recommended test for few
// clusters. The Wald statistic Q = (Cβ)'(CVC')⁻¹Cβ is referred to
// F(q, η − q + 1) after multiplication by (η − q + 1)/(ηq), where
// η = q(q+1)/ΣΣ Var(d_st) and D is the standardised variance estimate under the
// working model. With one contrast it is the t-test squared.
func (in *Inference) HTZ(c [][]float64) (FTest, error) {
	out := FTest{DF1: float64(len(c)), Method: "HTZ, " + string(in.Variance)}
	if !in.Variance.clustered() {
		return FTest{}, fmt.Errorf("HTZ test by %s: %w", in.Variance, ErrUnsupported)
	}
	q := float64(len(c))
	statistic, err := in.waldStatistic(c)
	if err != nil {
		return FTest{}, fmt.Errorf("HTZ test: %w", err)
	}
	// The contrasts in the basis of Q, standardised so that their covariance
	// under the working model is the identity.
	rows := make([][]float64, len(c))
	for i, r := range c {
		rows[i] = in.Fit.d.solveT(r)
	}
	omega := multiply(rows, transpose(rows))
	if in.s != nil {
		omega = multiply(multiply(rows, in.s), transpose(rows))
	}
	rows = multiply(spectral(omega, func(l float64) float64 { return 1 / math.Sqrt(l) }), rows)
	fo := make([]forms, len(rows))
	for i, r := range rows {
		fo[i] = in.formsOf(r)
	}
	diagonal := func(s, t int) []float64 { return in.productSizes(rows[s], rows[t], fo[s], fo[t]) }
	total := 0.0
	for s := range rows {
		for t := range rows {
			st := diagonal(s, t)
			total += in.pairSum(fo[s], fo[s], fo[t], fo[t], fo[s].size, fo[t].size)
			total += in.pairSum(fo[s], fo[t], fo[t], fo[s], st, st)
		}
	}
	eta := q * (q + 1) / total
	out.DF2 = eta - q + 1
	if !(total > 0) || math.IsInf(eta, 0) {
		return FTest{}, fmt.Errorf("HTZ test: %w", ErrNoSpread)
	}
	if !(out.DF2 > 0) {
		return FTest{}, fmt.Errorf("HTZ test of %d contrasts: %w: only %.3g degrees of freedom are left", len(c), ErrClusters, out.DF2)
	}
	out.F = statistic * out.DF2 / (eta * q)
	out.P = dist.FSurvival(out.F, out.DF1, out.DF2)
	return out, nil
}

// productSizes is a_s,j'a_t,j of every cluster, by polarisation.
func (in *Inference) productSizes(qs, qt []float64, fs, ft forms) []float64 {
	sum := make([]float64, len(qs))
	for i := range sum {
		sum[i] = qs[i] + qt[i]
	}
	both := in.formsOf(sum)
	out := make([]float64, len(both.size))
	for j, v := range both.size {
		out[j] = (v - fs.size[j] - ft.size[j]) / 2
	}
	return out
}

// Naive tests Cβ = 0 by Q/q on F(q, df), with df the residual degrees of
// freedom for variances without clusters and M − 1 for those with.
func (in *Inference) Naive(c [][]float64) (FTest, error) {
	statistic, err := in.waldStatistic(c)
	if err != nil {
		return FTest{}, fmt.Errorf("test by F: %w", err)
	}
	df := float64(in.Fit.DFResidual)
	if in.Variance.clustered() {
		df = float64(in.Fit.Clusters - 1)
	}
	q := float64(len(c))
	return FTest{F: statistic / q, DF1: q, DF2: df, P: dist.FSurvival(statistic/q, q, df), Method: "F, " + string(in.Variance)}, nil
}

func (in *Inference) waldStatistic(c [][]float64) (float64, error) {
	k := len(in.Fit.Beta)
	if len(c) == 0 {
		return 0, fmt.Errorf("no contrast was given")
	}
	for i, r := range c {
		if len(r) != k {
			return 0, fmt.Errorf("contrast %d has %d weights for %d coefficients", i+1, len(r), k)
		}
	}
	cb := multiplyVector(c, in.Fit.Beta)
	for i := range c {
		if !finite(cb[i]) {
			return 0, ErrNoSpread
		}
	}
	v := multiply(multiply(c, in.Vcov), transpose(c))
	sym := mat.NewSymDense(len(c), nil)
	for i := range c {
		for j := i; j < len(c); j++ {
			sym.SetSym(i, j, v[i][j])
		}
	}
	var chol mat.Cholesky
	if !chol.Factorize(sym) || chol.Cond() > 1e14 {
		return 0, fmt.Errorf("the contrasts are not independent of one another, or there are fewer clusters than contrasts: %w", ErrClusters)
	}
	var x mat.VecDense
	if err := chol.SolveVecTo(&x, mat.NewVecDense(len(cb), cb)); err != nil {
		return 0, fmt.Errorf("solve for the test statistic: %w", err)
	}
	if statistic := dot(cb, x.RawVector().Data); finite(statistic) {
		return statistic, nil
	}
	return 0, ErrNoSpread
}

// Pick makes contrasts that each pick one named coefficient.
func (f *Fit) Pick(names ...string) ([][]float64, error) {
	c := zeros(len(names), len(f.Beta))
	for i, name := range names {
		j := f.Index(name)
		if j < 0 {
			return nil, fmt.Errorf("there is no coefficient %q; there are %q", name, f.Names)
		}
		c[i][j] = 1
	}
	return c, nil
}

func finite(x float64) bool { return !math.IsNaN(x) && !math.IsInf(x, 0) }
