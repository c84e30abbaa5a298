package mixed

import (
	"strings"
	"testing"

	"evenhand/analysis/internal/golden"
)

// reference builds the Data and Model of one model of mixed.json.
func reference(t testing.TB, id string) (*Data, Model) {
	t.Helper()
	m := golden.Mixed(t).At("models", id)
	tab := golden.Data(t, m.At("data").Text())
	d := &Data{Outcome: m.At("outcome").Text(), Y: tab.Floats(m.At("outcome").Text())}
	fixed := m.At("fixed")
	for i := 0; i < fixed.Len(); i++ {
		name := fixed.Index(i).Text()
		c := Column{Name: name, Arm: name == "Treat" || name == "Light" || name == "Full"}
		if base, level, ok := strings.Cut(name, "=="); ok {
			for _, s := range tab.Text(base) {
				v := 0.0
				if s == level {
					v = 1
				}
				c.Values = append(c.Values, v)
			}
		} else if name != Intercept {
			c.Values = tab.Floats(name)
		}
		d.Columns = append(d.Columns, c)
	}
	level := func(names ...string) Level {
		codes := make([]int, tab.Rows)
		seen := map[string]int{}
		for i := range codes {
			key := ""
			for _, n := range names {
				key += tab.Text(n)[i] + "\x00"
			}
			if _, ok := seen[key]; !ok {
				seen[key] = len(seen)
			}
			codes[i] = seen[key]
		}
		return Level{Name: strings.Join(names, ":"), Index: codes}
	}
	d.Levels = []Level{level("School")}
	model := Model{}
	switch id {
	case "simmst.rs":
		model.Slope = FullSlope
	case "simmst.diag":
		model.Slope = DiagonalSlope
	case "simmst.schooltreat":
		d.Levels = append(d.Levels, level("School", "Treat"))
	case "sim3.null", "sim3.adj":
		d.Levels = append(d.Levels, level("Class"))
	}
	return d, model
}

var interior = []string{
	"simcrt.null", "simcrt.treat", "simcrt.adj", "simcrt.full", "simcrt3.null", "simcrt3.adj",
	"simmst.null", "simmst.ri", "simmst.rs", "simmst.diag", "simmst.schooltreat", "sim3.null", "sim3.adj",
}

// residualFirst puts the variances in the order of mixed.json.
func residualFirst(v []Variance) []float64 {
	out := []float64{v[len(v)-1].Value}
	for _, x := range v[:len(v)-1] {
		out = append(out, x.Value)
	}
	return out
}

func permuted(m [][]float64) [][]float64 {
	n := len(m)
	out := make([][]float64, n)
	at := func(i int) int { return (i + n - 1) % n }
	for i := range out {
		out[i] = make([]float64, n)
		for j := range out[i] {
			out[i][j] = m[at(i)][at(j)]
		}
	}
	return out
}

// The solutions to 40 digits. Tolerances are relative; vcov is compared as
// golden.CloseMatrix says.
func TestFitsMatchFortyDigits(t *testing.T) {
	const tol = 1e-9
	quantities := 0
	for _, id := range interior {
		t.Run(id, func(t *testing.T) {
			d, m := reference(t, id)
			f, err := New(d, m)
			if err != nil {
				t.Fatal(err)
			}
			truth := golden.Mixed(t).At("models", id, "truth_40digit_arithmetic")
			golden.CloseAll(t, "variances", residualFirst(f.Variances), truth.At("varcomp").Floats(), tol)
			golden.CloseMatrix(t, "vcov", f.Vcov, truth.At("vcov").Matrix(), tol)
			golden.Close(t, "criterion", f.Criterion, truth.At("REMLcrit").Float(), tol)
			inv, obs := f.InformationInverse(ExpectedInformation), f.InformationInverse(ObservedInformation)
			golden.CloseMatrix(t, "inverse expected information", permuted(inv), truth.At("expected_info_inverse").Matrix(), tol)
			golden.CloseMatrix(t, "inverse observed information", permuted(obs), truth.At("observed_info_inverse").Matrix(), tol)
			golden.CloseMatrix(t, "vcov KR", f.VcovKR(), truth.At("vcov_KR").Matrix(), tol)
			if f.N != int(truth.At("n").Float()) || f.Groups[0].N != int(truth.At("groups").Float()) {
				t.Errorf("N %d, groups %v", f.N, f.Groups)
			}
			quantities += len(f.Variances) + 6
			for _, c := range f.Coefficients {
				golden.Close(t, c.Name, c.Estimate, truth.At("fixef", c.Name).Float(), tol)
				golden.Close(t, "se "+c.Name, c.SE, truth.At("se", c.Name).Float(), tol)
				for method, key := range map[DF]string{Satterthwaite: "satterthwaite", KenwardRoger: "kenward_roger", SatterthwaiteExpected: "kenward_roger"} {
					in, err := f.Test(c.Name, method, 0.95)
					if err != nil {
						t.Fatal(err)
					}
					w := truth.At("tests", c.Name, key)
					golden.Close(t, "df "+c.Name+" "+string(method), in.DF, w.At("df").Float(), tol)
					if method == SatterthwaiteExpected {
						continue
					}
					golden.Close(t, "t "+c.Name, in.Statistic, w.At("t").Float(), tol)
					if p := w.At("p").Float(); p > 1e-300 {
						golden.Close(t, "p "+c.Name, in.P, p, 1e-7)
					}
					golden.Near(t, "low "+c.Name, in.Low, w.At("ci95").Floats()[0], tol*(in.High-in.Low))
					golden.Near(t, "high "+c.Name, in.High, w.At("ci95").Floats()[1], tol*(in.High-in.Low))
					quantities += 5
				}
				quantities += 3
			}
		})
	}
	golden.AtLeast(t, "quantities compared", quantities, 500)
}

func TestMaximumLikelihood(t *testing.T) {
	n := 0
	for _, id := range interior {
		ml := golden.Mixed(t).At("models", id, "truth_40digit_arithmetic", "ML")
		d, m := reference(t, id)
		m.Method = ML
		f, err := New(d, m)
		if err != nil {
			t.Fatal(id, err)
		}
		golden.CloseAll(t, id+" variances", residualFirst(f.Variances), ml.At("varcomp").Floats(), 1e-9)
		for k, c := range f.Coefficients {
			golden.Close(t, id+" "+c.Name, c.Estimate, ml.At("fixef").Floats()[k], 1e-9)
			golden.Close(t, id+" se "+c.Name, c.SE, ml.At("se").Floats()[k], 1e-9)
		}
		golden.Close(t, id+" deviance", f.Criterion, ml.At("deviance").Float(), 1e-9)
		n++
	}
	golden.AtLeast(t, "ML fits", n, 13)
}

// The school variance of this set is exactly zero by REML. pbkrtest gives
// Kenward and Roger's numbers there; lmerTest's 356 degrees of freedom come
// from a numerical Hessian in a variance that sits on its boundary, where it
// says nothing, and are not copied.
func TestSingularFit(t *testing.T) {
	d, m := reference(t, "simsing.adj")
	f, err := New(d, m)
	if err != nil {
		t.Fatal(err)
	}
	if !f.Singular || f.Variances[0].Value != 0 || !f.Variances[0].Zero {
		t.Errorf("variance %v, singular %v", f.Variances[0], f.Singular)
	}
	found := false
	for _, w := range f.Warnings {
		found = found || w.Code == WarnSingular
	}
	if !found {
		t.Errorf("no warning of a singular fit in %v", f.Warnings)
	}
	r := golden.Mixed(t).At("models", "simsing.adj", "R")
	golden.Close(t, "residual", f.Variances[1].Value, r.At("at_exact_theta", "varcomp", "Residual").Float(), 1e-12)
	golden.Close(t, "criterion", f.Criterion, r.At("at_exact_theta", "REMLcrit").Float(), 1e-12)
	golden.CloseMatrix(t, "vcov KR", f.VcovKR(), r.At("pbkrtest_vcovAdj").Matrix(), 1e-10)
	for _, c := range f.Coefficients {
		golden.Close(t, c.Name, c.Estimate, r.At("at_exact_theta", "fixef", c.Name).Float(), 1e-10)
		in, err := f.Test(c.Name, KenwardRoger, 0.95)
		if err != nil {
			t.Fatal(err)
		}
		w := r.At("pbkrtest_kenward_roger", c.Name)
		golden.Close(t, "se KR "+c.Name, in.SE, w.At("se").Float(), 1e-10)
		golden.Close(t, "df KR "+c.Name, in.DF, w.At("df").Float(), 1e-7)
		golden.Close(t, "p KR "+c.Name, in.P, w.At("p").Float(), 1e-7)
		in, err = f.Test(c.Name, Satterthwaite, 0.95)
		if err != nil {
			t.Fatal(err)
		}
		golden.Close(t, "df Satterthwaite "+c.Name, in.DF, w.At("df").Float(), 1e-7)
	}
}

func TestContainment(t *testing.T) {
	n := 0
	models := golden.Mixed(t).At("models")
	for _, id := range append([]string{"simsing.adj"}, interior...) {
		if !models.At(id).Has("R", "nlme", "containment_df", Intercept) {
			continue
		}
		d, m := reference(t, id)
		f, err := New(d, m)
		if err != nil {
			t.Fatal(err)
		}
		want := models.At(id, "R", "nlme", "containment_df")
		for _, c := range f.Coefficients {
			name := c.Name
			if base, level, ok := strings.Cut(name, "=="); ok {
				name = "factor(" + base + ")" + level
			}
			in, err := f.Test(c.Name, Containment, 0.95)
			if err != nil {
				t.Fatal(err)
			}
			if in.DF != want.At(name).Float() {
				t.Errorf("%s %s: containment df %v, nlme has %v", id, name, in.DF, want.At(name).Float())
			}
			n++
		}
	}
	golden.AtLeast(t, "containment degrees of freedom", n, 30)
}
