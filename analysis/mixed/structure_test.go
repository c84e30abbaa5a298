package mixed

import (
	"math"
	"os"
	"testing"

	"evenhand/analysis/internal/golden"
)

// partial is partial.csv: communities in the treated arm only.
func partial(t testing.TB) *Data {
	t.Helper()
	tab := golden.CSV(t, os.DirFS("testdata"), "partial.csv")
	schools, _ := tab.Codes("school")
	communities, _ := tab.Codes("community")
	arm := tab.Floats("treat")
	d := &Data{Outcome: "y", Y: tab.Floats("y"), Columns: []Column{{Name: Intercept}, {Name: "arm: 1 vs 0", Values: arm, Arm: true}, {Name: "x", Values: tab.Floats("x")}},
		Arms: []string{"0", "1"}, Levels: []Level{{Name: "Community", Index: communities}, {Name: "School", Index: schools}}}
	for i, a := range arm {
		d.Arm = append(d.Arm, int(a))
		if a == 0 {
			communities[i] = -1
		}
	}
	return d
}

func TestPartiallyNestedMatchesFortyDigits(t *testing.T) {
	const tol = 1e-9
	truth := golden.JSON(t, os.DirFS("testdata"), "exact.json")
	n := 0
	for kind, m := range map[string]Model{"one": {}, "residual by arm": {ResidualByArm: true}, "all by arm": {ResidualByArm: true, GroupsByArm: true}} {
		f, err := New(partial(t), m)
		if err != nil {
			t.Fatal(kind, err)
		}
		w := truth.At(kind)
		var got []float64
		for _, v := range f.Variances {
			if v.Level == Residual {
				got = append(got, v.Value)
			}
		}
		for _, v := range f.Variances {
			if v.Level != Residual {
				got = append(got, v.Value)
			}
		}
		golden.CloseAll(t, kind+" variances", got, w.At("variances").Floats(), tol)
		golden.Close(t, kind+" criterion", f.Criterion, w.At("criterion").Float(), tol)
		golden.CloseMatrix(t, kind+" vcov", f.Vcov, w.At("vcov").Matrix(), tol)
		golden.CloseMatrix(t, kind+" vcov KR", f.VcovKR(), w.At("vcovKR").Matrix(), tol)
		for k, c := range f.Coefficients {
			golden.Close(t, kind+" "+c.Name, c.Estimate, w.At("fixef").Floats()[k], tol)
			for method, key := range map[DF]string{KenwardRoger: "df_expected", Satterthwaite: "df_observed"} {
				in, err := f.Test(c.Name, method, 0.95)
				if err != nil {
					t.Fatal(err)
				}
				golden.Close(t, kind+" "+key+" "+c.Name, in.DF, w.At(key).Floats()[k], 1e-8)
			}
			n += 3
		}
		n += 4
	}
	golden.AtLeast(t, "quantities of partially nested models", n, 39)
}

// The same against R, to what R's optimisers give.
func TestPartiallyNestedMatchesR(t *testing.T) {
	r := golden.JSON(t, os.DirFS("testdata"), "reference.json")
	f, err := New(partial(t), Model{})
	if err != nil {
		t.Fatal(err)
	}
	golden.Close(t, "REML", f.Criterion, r.At("partial REML").Float(), 1e-12)
	golden.CloseAll(t, "variances", []float64{f.Variances[0].Value, f.Variances[1].Value, f.Variances[2].Value}, r.At("partial variances").Floats(), 1e-5)
	for k, c := range f.Coefficients {
		golden.Close(t, c.Name, c.Estimate, r.At("partial fixef").Floats()[k], 1e-7)
		in, err := f.Test(c.Name, KenwardRoger, 0.95)
		if err != nil {
			t.Fatal(err)
		}
		golden.Close(t, "se KR "+c.Name, in.SE, r.At("partial KR se").Floats()[k], 1e-6)
		golden.Close(t, "df KR "+c.Name, in.DF, r.At("partial KR df "+string(rune('1'+k))).Float(), 1e-5)
	}
	f, err = New(partial(t), Model{ResidualByArm: true})
	if err != nil {
		t.Fatal(err)
	}
	golden.Close(t, "by arm: log likelihood", -f.Criterion/2, r.At("partial by arm logLik (nlme)").Float(), 1e-10)
	for k, c := range f.Coefficients {
		golden.Close(t, "by arm: "+c.Name, c.Estimate, r.At("partial by arm fixef (nlme)").Floats()[k], 1e-5)
		golden.Close(t, "by arm: se "+c.Name, c.SE, r.At("partial by arm se (nlme)").Floats()[k], 1e-5)
	}
	if f.Description != "partially nested three-level random-intercept model, residual variance by arm, REML" {
		t.Errorf("described as %q", f.Description)
	}
}

// A slope whose covariance matrix is not of full rank, against lme4, which
// maximises over its Cholesky factor.
func TestSlopeOnTheBoundary(t *testing.T) {
	r := golden.JSON(t, os.DirFS("testdata"), "reference.json")
	tab := golden.CSV(t, os.DirFS("testdata"), "slope.csv")
	schools, _ := tab.Codes("school")
	d := &Data{Outcome: "y", Y: tab.Floats("y"), Columns: []Column{{Name: Intercept}, {Name: "treat", Values: tab.Floats("treat"), Arm: true}, {Name: "x", Values: tab.Floats("x")}},
		Levels: []Level{{Name: "school", Index: schools}}}
	f, err := New(d, Model{Slope: FullSlope})
	if err != nil {
		t.Fatal(err)
	}
	if !f.Singular {
		t.Error("not said to be singular")
	}
	if f.Criterion > r.At("slope REML").Float()*(1+1e-12) {
		t.Errorf("criterion %.12g, lme4 found %.12g", f.Criterion, r.At("slope REML").Float())
	}
	golden.Close(t, "criterion", f.Criterion, r.At("slope REML").Float(), 1e-10)
	got := []float64{f.Variances[0].Value, f.Variances[1].Value, f.Variances[1].Value, f.Variances[2].Value}
	golden.CloseAll(t, "covariance", got, r.At("slope cov").Floats(), 1e-4)
	golden.Close(t, "correlation", f.Variances[1].Value/math.Sqrt(f.Variances[0].Value*f.Variances[2].Value), 1, 1e-9)
	for k, c := range f.Coefficients {
		golden.Close(t, c.Name, c.Estimate, r.At("slope fixef").Floats()[k], 1e-5)
	}
}

// Joint tests against pbkrtest's KRmodcomp and lmerTest's contestMD.
func TestJointTests(t *testing.T) {
	r := golden.JSON(t, os.DirFS("testdata"), "reference.json")
	n := 0
	for name, c := range map[string]struct {
		id   string
		from int
		to   int
	}{
		"strata": {"simcrt.full", 6, 9}, "arms": {"simcrt3.adj", 1, 3}, "slope": {"simmst.rs", 1, 3}, "three levels": {"sim3.adj", 1, 3}, "partial": {"", 1, 3},
	} {
		d, m := partial(t), Model{}
		if c.id != "" {
			d, m = reference(t, c.id)
		}
		f, err := New(d, m)
		if err != nil {
			t.Fatal(err)
		}
		var l [][]float64
		for k := c.from; k < c.to; k++ {
			w := make([]float64, len(f.Coefficients))
			w[k] = 1
			l = append(l, w)
		}
		j, err := f.Joint(l, KenwardRoger)
		if err != nil {
			t.Fatal(err)
		}
		w := r.At("KR F " + name).Floats()
		golden.Close(t, name+" F", j.F, w[0], 1e-5)
		golden.Close(t, name+" df1", j.DF1, w[1], 0)
		golden.Close(t, name+" df2", j.DF2, w[2], 1e-5)
		golden.Close(t, name+" scale", j.Scale, w[4], 1e-6)
		if w[3] > 1e-14 {
			golden.Close(t, name+" p", j.P, w[3], 1e-4)
		}
		n++
		// lmerTest differentiates numerically, at lme4's variances.
		if j, err = f.Joint(l, Satterthwaite); err != nil {
			t.Fatal(err)
		}
		w = r.At("Satterthwaite F " + name).Floats()
		golden.Close(t, name+" Satterthwaite F", j.F, w[0], 1e-5)
		golden.Close(t, name+" Satterthwaite df1", j.DF1, w[1], 0)
		golden.Close(t, name+" Satterthwaite df2", j.DF2, w[2], 1e-5)
		n++
		// One contrast is the square of its t.
		one, err := f.Joint(l[:1], Satterthwaite)
		if err != nil {
			t.Fatal(err)
		}
		in, err := f.Contrast(l[0], Satterthwaite, 0.95)
		if err != nil {
			t.Fatal(err)
		}
		golden.Close(t, name+" one contrast", one.F, in.Statistic*in.Statistic, 1e-10)
		golden.Close(t, name+" one contrast's df", one.DF2, in.DF, 1e-10)
		golden.Close(t, name+" one contrast's p", one.P, in.P, 1e-9)
	}
	golden.AtLeast(t, "joint tests", n, 10)
}

// The short form of nested blocks gives what the general one does.
func TestNestedBlocksShortForm(t *testing.T) {
	three, _ := reference(t, "sim3.adj")
	for name, d := range map[string]*Data{"partially nested": partial(t), "three levels": three} {
		short, err := reduce(d, Model{})
		if err != nil {
			t.Fatal(err)
		}
		general, err := reduce(d, Model{})
		if err != nil {
			t.Fatal(err)
		}
		general.nested = false
		general.start, general.omegaAt, general.omega, general.maxBlock = nil, nil, nil, 0
		general.makeBlocks()
		if general.maxBlock < arrowFrom || short.maxBlock >= arrowFrom {
			t.Fatalf("%s: largest dense blocks %d and %d", name, general.maxBlock, short.maxBlock)
		}
		n := 0
		for _, theta := range [][]float64{{1, 0.2, 0.1}, {0.5, 2, 1}, {0.7, 0, 0.3}, {0.7, 0.3, 0}, {0.01, 5, 3}} {
			var a, b evaluation
			if !short.evaluate(theta, REML, true, &a) || !general.evaluate(theta, REML, true, &b) {
				t.Fatal("not positive definite")
			}
			golden.Close(t, name+" deviance", a.dev, b.dev, 1e-12)
			golden.CloseAll(t, name+" beta", a.beta, b.beta, 1e-9)
			golden.CloseAll(t, name+" score", a.score, b.score, 1e-8)
			golden.CloseAll(t, name+" expected", a.expected, b.expected, 1e-9)
			golden.CloseAll(t, name+" observed", a.observed, b.observed, 1e-8)
			for s := range a.h {
				golden.CloseMatrix(t, name+" h", rowsOf(a.h[s], short.q), rowsOf(b.h[s], short.q), 1e-10)
			}
			for s := range a.qq {
				golden.CloseMatrix(t, name+" qq", rowsOf(a.qq[s], short.q), rowsOf(b.qq[s], short.q), 1e-10)
			}
			n++
		}
		golden.AtLeast(t, name+" points", n, 5)
	}
}

// Pupils of a school who are in no class have the school's effect alone.
func TestPupilsWithoutAnInnerGroup(t *testing.T) {
	d, _ := reference(t, "sim3.adj")
	index := append([]int(nil), d.Levels[1].Index...)
	for i := range index {
		if i%4 == 0 {
			index[i] = -1
		}
	}
	d.Levels[1].Index = index
	f, err := New(d, Model{})
	if err != nil {
		t.Fatal(err)
	}
	if f.r.nested {
		t.Error("taken for nested")
	}
	e, err := f.Effects("Class")
	if err != nil || len(e) == 0 {
		t.Fatal(err)
	}
	// û = τZ'V⁻¹(y − Xβ), and the intercept makes 1'V⁻¹(y − Xβ) zero: the
	// effects of a level that every row is in sum to 0.
	schools, err := f.Effects("School")
	if err != nil {
		t.Fatal(err)
	}
	sum, scale := 0.0, 0.0
	for _, x := range schools {
		sum += x.Value
		scale += math.Abs(x.Value)
	}
	golden.Near(t, "sum of school effects", sum, 0, 1e-9*scale)
}
