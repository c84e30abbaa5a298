package robust

import (
	"fmt"
	"math"
	"testing"

	"evenhand/analysis/internal/golden"
)

const exact = 1e-9 // closed forms

// columns builds a design from columns of a reference file; "Stratum==2" is
// an indicator.
func columns(t *testing.T, tab golden.Table, names ...string) []Column {
	t.Helper()
	var out []Column
	for _, name := range names {
		if name == "(Intercept)" {
			out = append(out, Intercept(tab.Rows))
			continue
		}
		var of string
		var level float64
		if n, _ := fmt.Sscanf(name, "factor(Stratum)%g", &level); n == 1 {
			of = "Stratum"
		}
		if n, _ := fmt.Sscanf(name, "factor(stratum)%g", &level); n == 1 {
			of = "stratum"
		}
		if of == "" {
			out = append(out, Column{name, tab.Floats(name)})
			continue
		}
		v := make([]float64, tab.Rows)
		for i, s := range tab.Floats(of) {
			if s == level {
				v[i] = 1
			}
		}
		out = append(out, Column{name, v})
	}
	return out
}

func fitOf(t *testing.T, file, y, cluster string, names ...string) (*Fit, golden.Table) {
	t.Helper()
	tab := golden.Data(t, file)
	codes, _ := tab.Codes(cluster)
	f, err := Least(Data{Y: tab.Floats(y), X: columns(t, tab, names...), Cluster: codes})
	if err != nil {
		t.Fatal(err)
	}
	return f, tab
}

func infer(t *testing.T, f *Fit, v Variance) *Inference {
	t.Helper()
	in, err := f.Inference(v)
	if err != nil {
		t.Fatal(err)
	}
	return in
}

func coefs(t *testing.T, in *Inference) []Coefficient {
	t.Helper()
	c, err := in.Coefficients(0.95)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

// checkEstimatr compares with a result of estimatr: coefficients, standard
// errors, df, t, p and intervals by name, and the whole covariance matrix.
func checkEstimatr(t *testing.T, what string, got []Coefficient, vcov [][]float64, want golden.Node) int {
	t.Helper()
	n := 0
	for _, c := range got {
		for key, v := range map[string]float64{"coef": c.Estimate, "se": c.SE, "df": c.DF, "t": c.Statistic, "p": c.P, "ci_low": c.Interval.Low, "ci_high": c.Interval.High} {
			w := want.At(key, c.Name).Float()
			tol := exact
			if key == "p" && w < 1e-20 { // t enters p as a high power: relative error is multiplied by t²
				tol = 1e-7
			}
			golden.Close(t, fmt.Sprintf("%s %s %s", what, c.Name, key), v, w, tol)
			n++
		}
	}
	golden.CloseMatrix(t, what+" vcov", vcov, want.At("vcov").Matrix(), exact)
	return n
}

var designs = []struct {
	name, file, cluster string
	terms               []string
}{
	{"simcrt.adj", "sim_crt.csv", "School", []string{"(Intercept)", "Treat", "Pretest"}},
	{"simcrt.full", "sim_crt.csv", "School", []string{"(Intercept)", "Treat", "Pretest", "FSM", "Female", "SchoolFSM", "factor(Stratum)2", "factor(Stratum)3", "factor(Stratum)4"}},
	{"simcrt3.adj", "sim_crt3.csv", "School", []string{"(Intercept)", "Light", "Full", "Pretest"}},
	{"sim3.adj", "sim_3lvl.csv", "School", []string{"(Intercept)", "Treat", "Pretest"}},
}

func TestAgainstEstimatrAndClubSandwich(t *testing.T) {
	all := golden.Mixed(t).At("robust_lm")
	n := 0
	for _, d := range designs {
		f, _ := fitOf(t, d.file, "Posttest", d.cluster, d.terms...)
		ref := all.At(d.name)
		for key, v := range map[string]Variance{"lm_robust_CR2": CR2, "lm_robust_stata": CR1S, "lm_robust_CR0": CR0, "lm_robust_HC2_noclusters": HC2, "lm_robust_classical": Classical} {
			in := infer(t, f, v)
			n += checkEstimatr(t, d.name+" "+key, coefs(t, in), in.Vcov, ref.At(key))
			golden.Close(t, d.name+" R²", f.R2, ref.At(key, "r2").Float(), exact)
		}
		for key, v := range map[string]Variance{"clubSandwich_CR0_se": CR0, "clubSandwich_CR1_se": CR1, "clubSandwich_CR1S_se": CR1S, "clubSandwich_CR3_se": CR3} {
			in := infer(t, f, v)
			for j, se := range ref.At(key).Floats() {
				golden.Close(t, d.name+" "+key, math.Sqrt(in.Vcov[j][j]), se, exact)
				n++
			}
		}
	}
	// Lin's estimator: the centred covariate and its product with the arm.
	tab := golden.Data(t, "sim_crt.csv")
	codes, _ := tab.Codes("School")
	treat, pre := tab.Floats("Treat"), tab.Floats("Pretest")
	mean, product := 0.0, make([]float64, len(pre))
	for _, v := range pre {
		mean += v / float64(len(pre))
	}
	for i := range pre {
		pre[i] -= mean
		product[i] = pre[i] * treat[i]
	}
	f, err := Least(Data{Y: tab.Floats("Posttest"), Cluster: codes, X: []Column{Intercept(len(pre)), {Name: "Treat", Values: treat}, {Name: "Pretest_c", Values: pre}, {Name: "Treat:Pretest_c", Values: product}}})
	if err != nil {
		t.Fatal(err)
	}
	in := infer(t, f, CR2)
	n += checkEstimatr(t, "simcrt.lin", coefs(t, in), in.Vcov, all.At("simcrt.lin", "CR2"))
	golden.AtLeast(t, "numbers of estimatr and clubSandwich", n, 728)
}

func TestClubSandwichDegreesOfFreedom(t *testing.T) {
	all := golden.Statistics(t).At("s5_df_robust_ri", "cluster_robust")
	n := 0
	for name, d := range map[string]struct {
		file, y, cluster string
		weights          bool
		terms            []string
	}{
		"crt24_treat":                  {"crt24.csv", "y", "school", false, []string{"(Intercept)", "treat"}},
		"crt24_adj":                    {"crt24.csv", "y", "school", false, []string{"(Intercept)", "treat", "pre", "fsm", "factor(stratum)2", "factor(stratum)3", "factor(stratum)4"}},
		"tiny10":                       {"tiny10.csv", "y", "cluster", false, []string{"(Intercept)", "z", "x"}},
		"crt24_weighted_equal_cluster": {"crt24.csv", "y", "school", true, []string{"(Intercept)", "treat", "pre"}},
	} {
		tab := golden.Data(t, d.file)
		codes, labels := tab.Codes(d.cluster)
		data := Data{Y: tab.Floats(d.y), X: columns(t, tab, d.terms...), Cluster: codes}
		if d.weights { // each school weighs the same
			size := make([]float64, len(labels))
			for _, c := range codes {
				size[c]++
			}
			for _, c := range codes {
				data.Weights = append(data.Weights, 1/size[c])
			}
		}
		f, err := Least(data)
		if err != nil {
			t.Fatal(err)
		}
		ref := all.At(name)
		golden.Close(t, name, f.Beta[1], ref.At("estimate").Float(), exact)
		for _, v := range []Variance{CR0, CR1, CR1S, CR2, CR3} {
			in := infer(t, f, v)
			what := name + " " + string(v)
			want := ref.At(string(v))
			golden.Close(t, what+" se", math.Sqrt(in.Vcov[1][1]), want.At("se").Float(), exact)
			c := make([]float64, len(f.Beta))
			c[1] = 1
			df, err := in.SatterthwaiteDF(c)
			if err != nil {
				t.Fatal(err)
			}
			golden.Close(t, what+" df", df, want.At("df_satterthwaite").Float(), exact)
			golden.CloseMatrix(t, what+" vcov", in.Vcov, want.At("vcov").Matrix(), 1e-8)
			n += 3
		}
	}
	golden.AtLeast(t, "clubSandwich results", n, 60)
}
