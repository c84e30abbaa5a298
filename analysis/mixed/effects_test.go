package mixed

import (
	"math"
	"strconv"
	"testing"

	"evenhand/analysis"
	"evenhand/analysis/internal/golden"
)

// Predictions and their errors from Henderson's mixed model equations, with
// full matrices: the inverse of [X Z]'[X Z]/σ² + diag(0, D⁻¹) holds the
// prediction error variances, its Z part alone those given the coefficients.
func TestEffectsSolveHendersonsEquations(t *testing.T) {
	n := 0
	for name, c := range map[string]struct {
		d *Data
		m Model
	}{"partially nested": {partial(t), Model{}}, "random intercept": {crtOf(t, "crt24.csv", "school", "y"), Model{}}} {
		f, err := New(c.d, c.m)
		if err != nil {
			t.Fatal(err)
		}
		p := len(c.d.Columns)
		// columns of Z: groups of each level
		offset := []int{p}
		size := p
		var dinv []float64
		for l := range c.d.Levels {
			g := c.d.Levels[l].size()
			size += g
			offset = append(offset, size)
			for i := 0; i < g; i++ {
				dinv = append(dinv, 1/f.Variances[l].Value)
			}
		}
		s2 := f.VarianceOf(Residual)
		lhs := make([]float64, size*size)
		rhs := make([]float64, size)
		for i, y := range c.d.Y {
			row := make([]float64, size)
			for k := range c.d.Columns {
				row[k] = 1
				if v := c.d.column(k); v != nil {
					row[k] = v[i]
				}
			}
			for l := range c.d.Levels {
				if g := c.d.Levels[l].Index[i]; g >= 0 {
					row[offset[l]+g] = 1
				}
			}
			for a, va := range row {
				rhs[a] += va * y / s2
				for b, vb := range row {
					lhs[a*size+b] += va * vb / s2
				}
			}
		}
		for i, v := range dinv {
			lhs[(p+i)*size+p+i] += v
		}
		inv := invert(lhs, size)
		zz := make([]float64, (size-p)*(size-p))
		for a := p; a < size; a++ {
			copy(zz[(a-p)*(size-p):], lhs[a*size+p:(a+1)*size])
		}
		zinv := invert(zz, size-p)
		sol := mul(inv, rhs, size, size, 1)
		for l := range c.d.Levels {
			effects, err := f.Effects(c.d.Levels[l].Name)
			if err != nil {
				t.Fatal(err)
			}
			for _, e := range effects {
				at := offset[l] + e.Group
				golden.Near(t, name+" effect", e.Value, sol[at], 1e-9*e.SE)
				golden.Close(t, name+" se", e.SE, math.Sqrt(inv[at*size+at]), 1e-8)
				golden.Close(t, name+" se given the coefficients", e.ConditionalSE, math.Sqrt(zinv[(at-p)*(size-p)+at-p]), 1e-8)
				n++
			}
		}
	}
	golden.AtLeast(t, "effects", n, 68)
}

// A small trial made for tests of everything else, with its results from R
// (lme4, lmerTest, pbkrtest): ks2 ~ arm + ks1 + stratum + (1 | school).
func TestSyntheticTrial(t *testing.T) {
	d := syntheticTrial(t)
	f, err := New(d, Model{})
	if err != nil {
		t.Fatal(err)
	}
	golden.Close(t, "arm", f.Coefficients[1].Estimate, 1.7039186537, 1e-9)
	golden.Close(t, "se arm", f.Coefficients[1].SE, 1.3412328272, 1e-8) // lme4's optimiser
	golden.Close(t, "ks1", f.Coefficients[2].Estimate, 1.0917608014, 1e-9)
	golden.Close(t, "se ks1", f.Coefficients[2].SE, 0.0789833846, 1e-8)
	golden.Close(t, "between", f.Variances[0].Value, 9.3673507472, 1e-6) // lme4's optimiser
	golden.Close(t, "within", f.Variances[1].Value, 16.820946191, 1e-6)
	golden.Close(t, "logLik", -f.Criterion/2, -893.17306957, 1e-11)
	kr, err := f.Test(f.Coefficients[1].Name, KenwardRoger, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	golden.Close(t, "KR se", kr.SE, 1.3414833745, 1e-7)
	golden.Close(t, "KR df", kr.DF, 20.9365, 1e-5)
	golden.Close(t, "KR p", kr.P, 0.2179575, 1e-6)
	sat, err := f.Test(f.Coefficients[1].Name, Satterthwaite, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	golden.Close(t, "Satterthwaite df", sat.DF, 20.8459, 1e-5)
	ml, err := New(d, Model{Method: ML})
	if err != nil {
		t.Fatal(err)
	}
	golden.Close(t, "ML arm", ml.Coefficients[1].Estimate, 1.6854142332, 1e-7)
	golden.Close(t, "ML between", ml.Variances[0].Value, 8.0049106656, 1e-6)
	golden.Close(t, "ML logLik", -ml.Criterion/2, -894.3909237, 1e-9)
	empty, err := New(d.Empty(), Model{})
	if err != nil {
		t.Fatal(err)
	}
	icc, err := empty.ICCs(0.95)
	if err != nil {
		t.Fatal(err)
	}
	golden.Close(t, "ICC", icc[0].Value, 0.37952378, 1e-6)
}

// syntheticTrial is rlc_synth.csv as analysed: pupils with an outcome.
func syntheticTrial(t testing.TB) *Data {
	t.Helper()
	tab := golden.Data(t, "rlc_synth.csv")
	r := &Rows{
		Outcome:    analysis.Column{Name: "ks2", Values: make([]float64, tab.Rows), Observed: make([]bool, tab.Rows)},
		Arm:        analysis.Factor("arm", tab.Text("arm")),
		Covariates: []analysis.Column{analysis.Number("ks1", tab.Floats("ks1")), analysis.Factor("stratum", tab.Text("stratum"))},
		Levels:     []Level{LevelOf(analysis.Factor("school", tab.Text("school")))},
	}
	for i, s := range tab.Text("ks2") {
		if s == "" || s == "NA" {
			continue
		}
		v, err := strconv.ParseFloat(s, 64)
		if err != nil {
			t.Fatal(err)
		}
		r.Outcome.Values[i], r.Outcome.Observed[i] = v, true
	}
	d, used, err := r.Design()
	if err != nil {
		t.Fatal(err)
	}
	if len(used.Rows) != 308 || len(used.Dropped) != 1 || used.Dropped[0].N != 36 {
		t.Fatalf("%d rows used, dropped %v", len(used.Rows), used.Dropped)
	}
	return d
}

// The community variance of the synthetic trial is zero: a warning, and the
// effect as without communities.
func TestPartialNestingWithNothingInIt(t *testing.T) {
	d := syntheticTrial(t)
	tab := golden.Data(t, "rlc_synth.csv")
	codes, _ := tab.Codes("rlc")
	var index []int
	for i, s := range tab.Text("ks2") {
		if s == "" || s == "NA" {
			continue
		}
		c := codes[i]
		if tab.Text("arm")[i] == "0" {
			c = -1
		}
		index = append(index, c)
	}
	e := *d
	e.Levels = append([]Level{{Name: "rlc", Index: index}}, d.Levels...)
	f, err := New(&e, Model{})
	if err != nil {
		t.Fatal(err)
	}
	g, err := New(d, Model{})
	if err != nil {
		t.Fatal(err)
	}
	if !f.Singular || f.Variances[0].Value != 0 || len(f.Warnings) == 0 || f.Warnings[0].Code != WarnSingular {
		t.Errorf("variances %v, warnings %v", f.Variances, f.Warnings)
	}
	golden.Close(t, "arm", f.Coefficients[1].Estimate, g.Coefficients[1].Estimate, 1e-9)
	golden.Close(t, "criterion", f.Criterion, g.Criterion, 1e-12)
}

func parse(t testing.TB, s string) float64 {
	t.Helper()
	v, err := strconv.ParseFloat(s, 64)
	if err != nil {
		t.Fatal(err)
	}
	return v
}
