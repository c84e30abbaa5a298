package mixed

import (
	"errors"
	"math"
	"math/rand/v2"
	"testing"

	"evenhand/analysis"
	"evenhand/analysis/internal/golden"
)

func passes(t testing.TB, covariates bool) *Data {
	t.Helper()
	tab := golden.Data(t, "sim_crt.csv")
	codes, _ := tab.Codes("School")
	d := &Data{Outcome: "Pass", Y: tab.Floats("Pass"), Columns: []Column{{Name: Intercept}},
		Levels: []Level{{Name: "School", Index: codes}}}
	if covariates {
		z := tab.Floats("Pretest")
		for i := range z {
			z[i] = (z[i] - 100) / 10
		}
		d.Columns = append(d.Columns, Column{Name: "Treat", Values: tab.Floats("Treat"), Arm: true}, Column{Name: "(Pretest-100)/10", Values: z})
	}
	return d
}

func TestLogisticMatchesThirtySixDigits(t *testing.T) {
	const tol = 1e-9
	n := 0
	for id, covariates := range map[string]bool{"simcrt.Pass": true, "simcrt.Pass.null": false} {
		for key, points := range map[string]int{"Laplace": 1, "AGQ7": 7, "AGQ25": 25} {
			f, err := NewLogistic(passes(t, covariates), points)
			if err != nil {
				t.Fatal(id, key, err)
			}
			w := golden.Mixed(t).At("glmm", id, key, "truth_36digit_arithmetic")
			golden.Close(t, id+key+" log likelihood", f.LogLik, w.At("logLik").Float(), 1e-12)
			golden.Close(t, id+key+" sigma", f.Sigma, w.At("sigma_school").Float(), tol)
			golden.Close(t, id+key+" se sigma", f.SigmaSE, w.At("se_sigma").Float(), 1e-8)
			golden.Close(t, id+key+" ICC", f.ICC, w.At("icc_latent").Float(), tol)
			// The interval's ends are as far from log σ as the normal quantile says.
			low, high, ok := f.ICCInterval(0.95)
			ends := math.Log(high/(1-high)) - math.Log(low/(1-low)) // twice log σ's
			golden.Close(t, id+key+" ICC interval", ends, 4*1.959963984540054*w.At("se_sigma").Float()/w.At("sigma_school").Float(), 1e-8)
			if !ok || !(low < f.ICC && f.ICC < high) {
				t.Errorf("%s: ICC %v, interval %v to %v", id, f.ICC, low, high)
			}
			golden.CloseMatrix(t, id+key+" vcov", f.VcovAll, w.At("vcov_fixef_and_sigma").Matrix(), 1e-8)
			for _, c := range f.Coefficients {
				golden.Close(t, id+key+c.Name, c.Estimate, w.At("fixef", c.Name).Float(), tol)
				golden.Close(t, id+key+" se "+c.Name, c.SE, w.At("se_fixef", c.Name).Float(), 1e-8)
				n += 2
			}
			n += 4
		}
	}
	golden.AtLeast(t, "numbers of logistic models", n, 48)
}

func TestHermite(t *testing.T) {
	// Even moments of the normal distribution: 1, 1/2, 3/4, 15/8 times √π.
	for n := 1; n <= 100; n++ {
		z, w := hermite(n)
		for m, want := range []float64{1, 0.5, 0.75, 1.875} {
			if 2*m > 2*n-1 {
				continue
			}
			s := 0.0
			for i := range z {
				s += w[i] * math.Pow(z[i], float64(2*m))
				if i > 0 && !(z[i] > z[i-1]) {
					t.Fatalf("order %d: nodes %v do not rise", n, z)
				}
			}
			golden.Close(t, "moment", s/math.Sqrt(math.Pi), want, 1e-12)
		}
	}
}

func binaryTrial(seed uint64, schools, size int, sigma float64) *Rows {
	r := trial(seed, schools, size)
	rng := rand.New(rand.NewPCG(seed, 99))
	u := make([]float64, schools)
	for s := range u {
		u[s] = sigma * rng.NormFloat64()
	}
	for i, s := range r.Levels[0].Index {
		p, _ := logistic(-0.2 + 0.8*r.Covariates[0].Values[i] + 0.5*float64(r.Arm.Codes[i]) + u[s])
		r.Outcome.Values[i] = 0
		if rng.Float64() < p {
			r.Outcome.Values[i] = 1
		}
	}
	return r
}

func TestLogisticBadInput(t *testing.T) {
	for name, c := range map[string]struct {
		spoil func(*Rows)
		want  any
	}{
		"arm of passes": {func(r *Rows) {
			for i, a := range r.Arm.Codes {
				if a == 1 {
					r.Outcome.Values[i] = 1
				}
			}
		}, new(*SeparationError)},
		"separated by a score": {func(r *Rows) {
			for i, x := range r.Covariates[0].Values {
				r.Outcome.Values[i] = 0
				if x > 0.1 {
					r.Outcome.Values[i] = 1
				}
			}
		}, new(*SeparationError)},
		"outcome among covariates": {func(r *Rows) {
			r.Covariates[0].Values = r.Outcome.Values
		}, new(*SeparationError)},
		"all pass":     {func(r *Rows) { fill(r.Outcome.Values, 1) }, new(*ConstantOutcomeError)},
		"a score of 2": {func(r *Rows) { r.Outcome.Values[3] = 2 }, new(*NotBinaryError)},
		"one pupil a school": {func(r *Rows) {
			for i := range r.Levels[0].Index {
				r.Levels[0].Index[i] = i
			}
		}, new(*NotIdentifiedError)},
		"two levels": {func(r *Rows) { r.Levels = append(r.Levels, r.Levels[0]) }, new(*MethodError)},
		"collinear": {func(r *Rows) {
			r.Covariates = append(r.Covariates, analysis.Number("again", r.Covariates[0].Values))
		}, new(*RankError)},
	} {
		r := binaryTrial(4, 20, 15, 0.5)
		c.spoil(r)
		d, _, err := r.Design()
		if err != nil {
			t.Fatal(name, err)
		}
		_, err = NewLogistic(d, 7)
		if err == nil || !errors.As(err, c.want) {
			t.Errorf("%s: error is a %T (%v), want %T", name, err, err, c.want)
		}
	}
}

// A trial whose schools do not differ: some draws end on the boundary, where
// the model is a logistic regression.
func TestLogisticOnTheBoundary(t *testing.T) {
	singular := 0
	for seed := uint64(0); seed < 12; seed++ {
		d, _, err := binaryTrial(seed, 16, 20, 0).Design()
		if err != nil {
			t.Fatal(err)
		}
		f, err := NewLogistic(d, 9)
		if err != nil {
			t.Fatal(seed, err)
		}
		if !(f.Gradient < 1e-6) {
			t.Errorf("seed %d: gradient %v", seed, f.Gradient)
		}
		m, err := f.MarginalDifference("T", 0.95)
		if err != nil || !(m.Difference.SE > 0) {
			t.Errorf("seed %d: %v, %v", seed, m, err)
		}
		if !f.Singular {
			continue
		}
		singular++
		if f.Sigma != 0 || f.SigmaSE != 0 || len(f.Warnings) == 0 {
			t.Errorf("seed %d: %+v", seed, f)
		}
	}
	golden.AtLeast(t, "fits on the boundary", singular, 3)
}

// The marginal shares against a plain sum over a fine grid, and their standard
// error against differences of the shares in each parameter.
func TestMarginalDifference(t *testing.T) {
	d, _, err := binaryTrial(11, 30, 25, 1.1).Design()
	if err != nil {
		t.Fatal(err)
	}
	f, err := NewLogistic(d, 15)
	if err != nil {
		t.Fatal(err)
	}
	m, err := f.MarginalDifference("T", 0.95)
	if err != nil {
		t.Fatal(err)
	}
	shares := func(par []float64) (float64, float64) {
		var out [2]float64
		for side := range out {
			for i := range d.Y {
				eta := par[0] + par[1]*float64(side) + par[2]*d.Columns[2].Values[i]
				for v := -9.0; v <= 9; v += 0.05 {
					pr := 1 / (1 + math.Exp(-eta-par[3]*v))
					out[side] += pr * math.Exp(-v*v/2) * 0.05 / math.Sqrt(2*math.Pi) / float64(len(d.Y))
				}
			}
		}
		return out[1], out[0]
	}
	par := []float64{f.Coefficients[0].Estimate, f.Coefficients[1].Estimate, f.Coefficients[2].Estimate, f.Sigma}
	a, b := shares(par)
	golden.Close(t, "treated", m.Treated, a, 1e-9)
	golden.Close(t, "control", m.Control, b, 1e-9)
	g := make([]float64, 4)
	for k := range g {
		h := 1e-4
		up, down := append([]float64(nil), par...), append([]float64(nil), par...)
		up[k] += h
		down[k] -= h
		a1, b1 := shares(up)
		a0, b0 := shares(down)
		g[k] = ((a1 - b1) - (a0 - b0)) / (2 * h)
	}
	v := 0.0
	for i := range g {
		for j := range g {
			v += g[i] * f.VcovAll[i][j] * g[j]
		}
	}
	golden.Close(t, "se", m.Difference.SE, math.Sqrt(v), 1e-6)
}

func BenchmarkLogisticRLC(b *testing.B) {
	d, _, err := binaryTrial(1, 114, 44, 0.6).Design()
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		if _, err := NewLogistic(d, 7); err != nil {
			b.Fatal(err)
		}
	}
}

// FuzzLogistic: whatever the rows, an error with words or finite numbers.
func FuzzLogistic(f *testing.F) {
	f.Add([]byte("a logistic model of some forty pupils in schools, of two arms, passed or failed"), byte(3))
	f.Add(make([]byte, 60), byte(1))
	f.Fuzz(func(t *testing.T, raw []byte, points byte) {
		if len(raw) > 160 {
			return
		}
		r := &Rows{Outcome: analysis.Column{Name: "y"}, Arm: analysis.Column{Name: "arm", Levels: []string{"C", "T"}}, Levels: []Level{{Name: "School"}}}
		x := analysis.Column{Name: "x"}
		for i := 0; i+2 <= len(raw); i += 2 {
			r.Outcome.Values = append(r.Outcome.Values, float64(raw[i]&1))
			s := int(raw[i]>>1) % 7
			r.Levels[0].Index = append(r.Levels[0].Index, s)
			r.Arm.Codes = append(r.Arm.Codes, s&1)
			x.Values = append(x.Values, float64(raw[i+1]))
		}
		r.Covariates = []analysis.Column{x}
		d, _, err := r.Design()
		if err != nil {
			return
		}
		fit, err := NewLogistic(d, 1+int(points%12))
		if err != nil {
			if err.Error() == "" {
				t.Fatal("an error without words")
			}
			return
		}
		for _, c := range fit.Coefficients {
			if math.IsNaN(c.Estimate) || math.IsInf(c.Estimate, 0) || !(c.SE > 0) || math.IsInf(c.SE, 0) {
				t.Fatalf("%+v", c)
			}
		}
		m, err := fit.MarginalDifference("T", 0.95)
		if err == nil && !(m.Difference.P >= 0 && m.Difference.P <= 1) {
			t.Fatalf("%+v", m)
		}
	})
}
