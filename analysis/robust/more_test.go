package robust

import (
	"errors"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"runtime"
	"strconv"
	"strings"
	"testing"

	"evenhand/analysis/internal/golden"
)

func contrastRows(t *testing.T, f *Fit, names ...string) [][]float64 {
	t.Helper()
	c, err := f.Pick(names...)
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func TestHTZ(t *testing.T) {
	f, _ := fitOf(t, "sim_crt3.csv", "Posttest", "School", "(Intercept)", "Light", "Full", "Pretest")
	got, err := infer(t, f, CR2).HTZ(contrastRows(t, f, "Light", "Full"))
	if err != nil {
		t.Fatal(err)
	}
	want := golden.Mixed(t).At("robust_lm", "simcrt3.joint_HTZ")
	golden.Close(t, "F", got.F, want.At("Fstat").Float(), exact)
	golden.Close(t, "df", got.DF2, want.At("df_denom").Float(), exact)
	golden.Close(t, "p", got.P, want.At("p_val").Float(), exact)

	f, _ = fitOf(t, "crt24.csv", "y", "school", "(Intercept)", "treat", "pre", "fsm", "factor(stratum)2", "factor(stratum)3", "factor(stratum)4")
	in := infer(t, f, CR2)
	rows := contrastRows(t, f, "factor(stratum)2", "factor(stratum)3", "factor(stratum)4")
	got, err = in.HTZ(rows)
	if err != nil {
		t.Fatal(err)
	}
	ref := golden.Statistics(t).At("s5_df_robust_ri", "wald_htz_crt24_strata")
	golden.Close(t, "F", got.F, ref.At("Fstat").Index(5).Float(), exact)
	golden.Close(t, "df", got.DF2, ref.At("df_denom").Index(5).Float(), exact)
	golden.Close(t, "p", got.P, ref.At("p_val").Index(5).Float(), exact)
	naive, err := in.Naive(rows)
	if err != nil {
		t.Fatal(err)
	}
	golden.Close(t, "naive F", naive.F, ref.At("Fstat").Index(1).Float(), exact)
	golden.Close(t, "naive p", naive.P, ref.At("p_val").Index(1).Float(), exact)

	// One contrast is the t-test squared.
	one, err := in.HTZ(contrastRows(t, f, "treat"))
	if err != nil {
		t.Fatal(err)
	}
	c, _ := in.Coefficient("treat", 0.95)
	golden.Close(t, "F of one", one.F, c.Statistic*c.Statistic, exact)
	golden.Close(t, "df of one", one.DF2, c.DF, exact)
	if _, err := in.HTZ([][]float64{rows[0], rows[0]}); err == nil {
		t.Error("the same contrast twice accepted")
	}
}

func TestAbsorbedEffects(t *testing.T) {
	all := golden.Mixed(t).At("robust_lm")
	// Strata as columns are estimatr's fixed effects.
	f, _ := fitOf(t, "sim_crt.csv", "Posttest", "School", "Treat", "Pretest", "factor(Stratum)1", "factor(Stratum)2", "factor(Stratum)3", "factor(Stratum)4")
	n := 0
	for key, v := range map[string]Variance{"CR2": CR2, "stata": CR1S} {
		in := infer(t, f, v)
		v := [][]float64{in.Vcov[0][:2], in.Vcov[1][:2]}
		n += checkEstimatr(t, "strata "+key, coefs(t, in)[:2], v, all.At("simcrt.fixedeffects_stratum", key))
	}
	// School effects absorbed, pupils randomised.
	tab := golden.Data(t, "sim_mst.csv")
	codes, _ := tab.Codes("School")
	f, err := Least(Data{Y: tab.Floats("Posttest"), X: columns(t, tab, "Treat", "Pretest"), Absorb: codes})
	if err != nil {
		t.Fatal(err)
	}
	for key, v := range map[string]Variance{"HC2": HC2, "classical": Classical} {
		in := infer(t, f, v)
		n += checkEstimatr(t, "schools "+key, coefs(t, in), in.Vcov, all.At("simmst.fixedeffects_school", key))
	}
	golden.AtLeast(t, "numbers", n, 56)

	// With schools as clusters too, absorbing equals giving every school a
	// column, whose adjustment needs the Moore-Penrose inverse.
	schools := 0
	for _, c := range codes {
		schools = max(schools, c+1)
	}
	x := columns(t, tab, "Treat", "Pretest")
	for s := range schools {
		v := make([]float64, tab.Rows)
		for i, c := range codes {
			if c == s {
				v[i] = 1
			}
		}
		x = append(x, Column{fmt.Sprint("school ", s), v})
	}
	wide, err := Least(Data{Y: tab.Floats("Posttest"), X: x, Cluster: codes})
	if err != nil {
		t.Fatal(err)
	}
	narrow, err := Least(Data{Y: tab.Floats("Posttest"), X: x[:2], Cluster: codes, Absorb: codes})
	if err != nil {
		t.Fatal(err)
	}
	a, b := infer(t, wide, CR2), infer(t, narrow, CR2)
	for _, name := range []string{"Treat", "Pretest"} {
		ca, errA := a.Coefficient(name, 0.95)
		cb, errB := b.Coefficient(name, 0.95)
		if errA != nil || errB != nil {
			t.Fatal(errA, errB)
		}
		golden.Close(t, name, cb.Estimate, ca.Estimate, exact)
		golden.Close(t, name+" se", cb.SE, ca.SE, exact)
		golden.Close(t, name+" df", cb.DF, ca.DF, exact)
	}
	// A group spread over clusters is refused; so is a column that is constant
	// within every group, by name.
	strata, _ := golden.Data(t, "sim_crt.csv").Codes("Stratum")
	crt := golden.Data(t, "sim_crt.csv")
	cs, _ := crt.Codes("School")
	if _, err := Least(Data{Y: crt.Floats("Posttest"), X: columns(t, crt, "Pretest"), Cluster: cs, Absorb: strata}); !errors.Is(err, ErrNotNested) {
		t.Errorf("strata absorbed: %v", err)
	}
	_, err = Least(Data{Y: crt.Floats("Posttest"), X: columns(t, crt, "Treat", "Pretest"), Cluster: cs, Absorb: cs})
	var coll *CollinearError
	if !errors.As(err, &coll) || coll.Column != "Treat" {
		t.Errorf("arm of whole schools with school effects: %v", err)
	}
}

func TestTwoStage(t *testing.T) {
	all := golden.Mixed(t).At("cace")
	tab := golden.Data(t, "sim_crt.csv")
	codes, _ := tab.Codes("School")
	n := 0
	for name, received := range map[string]string{"simcrt.received": "Received", "simcrt.dose": "Dose"} {
		iv, err := TwoStage(IVData{Y: tab.Floats("Posttest"), X: columns(t, tab, "(Intercept)", received, "Pretest"), Endogenous: []string{received}, Instruments: columns(t, tab, "Treat"), Cluster: codes})
		if err != nil {
			t.Fatal(err)
		}
		for key, v := range map[string]Variance{"iv_robust_CR2": CR2, "iv_robust_stata": CR1S, "iv_robust_CR0": CR0} {
			in := infer(t, iv.Fit, v)
			n += checkEstimatr(t, name+" "+key, coefs(t, in), in.Vcov, all.At(name, key))
			golden.Close(t, name+" R²", iv.R2, all.At(name, key, "r2").Float(), exact)
		}
		classical := infer(t, iv.Fit, Classical)
		for j, se := range all.At(name, "AER_ivreg_classical", "se").Floats() {
			golden.Close(t, name+" AER", math.Sqrt(classical.Vcov[j][j]), se, exact)
		}
		golden.Close(t, name+" σ", iv.Sigma, all.At(name, "AER_ivreg_classical", "sigma").Float(), exact)
		first, err := iv.FirstStage(0, CR2)
		if err != nil {
			t.Fatal(err)
		}
		golden.Close(t, name+" first-stage F", first.F, all.At(name, "iv_robust_CR2", "first_stage_F", "value").Float(), 1e-8)
	}
	golden.AtLeast(t, "numbers", n, 120)
}

func TestCompliance(t *testing.T) {
	ref := golden.Statistics(t).At("s7_iv")
	tab := golden.Data(t, "crt24.csv")
	codes, _ := tab.Codes("school")
	for name, terms := range map[string][]string{
		"simple":   {"(Intercept)", "received"},
		"adjusted": {"(Intercept)", "received", "pre", "fsm", "factor(stratum)2", "factor(stratum)3", "factor(stratum)4"},
	} {
		iv, err := TwoStage(IVData{Y: tab.Floats("y"), X: columns(t, tab, terms...), Endogenous: []string{"received"}, Instruments: columns(t, tab, "treat"), Cluster: codes})
		if err != nil {
			t.Fatal(err)
		}
		want := ref.At(name)
		golden.CloseAll(t, name+" coefficients", iv.Beta, want.At("coef").Floats(), exact)
		for key, v := range map[string]Variance{"CR2": CR2, "stata": CR1S, "CR0": CR0} {
			c, err := infer(t, iv.Fit, v).Coefficient("received", 0.95)
			if err != nil {
				t.Fatal(err)
			}
			for what, g := range map[string]float64{"est": c.Estimate, "se": c.SE, "df": c.DF, "p": c.P, "lo": c.Interval.Low, "hi": c.Interval.High} {
				golden.Close(t, name+" "+key+" "+what, g, want.At(key, what).Float(), exact)
			}
		}
		weak, err := iv.FirstStage(0, Classical)
		if err != nil {
			t.Fatal(err)
		}
		golden.Close(t, name+" classical F", weak.F, want.At("weak_F").Float(), exact)
		golden.CloseAll(t, name+" classical df", []float64{weak.DF1, weak.DF2}, want.At("weak_df").Floats(), exact)
		wu, err := iv.WuHausman(Classical)
		if err != nil {
			t.Fatal(err)
		}
		golden.Close(t, name+" Wu-Hausman F", wu.F, want.At("wu_hausman_F").Float(), exact)
		golden.Close(t, name+" Wu-Hausman p", wu.P, want.At("wu_hausman_p").Float(), exact)
		if wu, err = iv.WuHausman(CR2); err != nil || wu.DF1 != 1 || wu.DF2 >= 24 || !(wu.F > 0) {
			t.Errorf("%s, robust: %+v, %v", name, wu, err)
		}
		classical, err := infer(t, iv.Fit, Classical).Coefficient("received", 0.95)
		if err != nil {
			t.Fatal(err)
		}
		golden.CloseAll(t, name+" classical", []float64{classical.Estimate, classical.SE, classical.DF, iv.Sigma}, []float64{want.At("est").Float(), want.At("se_classical").Float(), want.At("df").Float(), want.At("sigma").Float()}, exact)
		if name == "adjusted" {
			continue
		}
		b := ref.At("bloom")
		for key, v := range map[string]Variance{"CR0": CR0, "CR2": CR2} {
			bl, err := iv.Bloom(v)
			if err != nil {
				t.Fatal(err)
			}
			golden.Close(t, "intention to treat", bl.Effect, b.At("itt").Float(), exact)
			golden.Close(t, "CACE", bl.Estimate, b.At("cace").Float(), exact)
			golden.Close(t, "Bloom "+key, bl.SEIgnoring, b.At("se_bloom_"+key+"_ignoring_first_stage").Float(), exact)
			f, err := iv.FirstStage(0, v)
			if err != nil {
				t.Fatal(err)
			}
			golden.Close(t, "F "+key, f.F, b.At("first_stage_cluster_F_"+key).Float(), exact)
			if v == CR0 {
				golden.Close(t, "delta", bl.SEDelta, b.At("se_delta_CR0").Float(), exact)
				golden.Close(t, "compliance", bl.Compliance, b.At("compliance_T").Float(), exact)
			}
		}
		ar, err := iv.AndersonRubin(CR2, 0.95)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := ar.Interval(); !ok {
			t.Fatalf("%+v", ar)
		}
		want = ref.At("anderson_rubin_CR2_ci95") // by root search to 1e-11
		golden.Close(t, "AR low", ar.Low, want.Index(0).Float(), 1e-8)
		golden.Close(t, "AR high", ar.High, want.Index(1).Float(), 1e-8)
	}
}

// Where everybody took what was drawn there is nothing to test.
func TestWuHausmanOfPerfectCompliance(t *testing.T) {
	n := 40
	y, d, cl := make([]float64, n), make([]float64, n), make([]int, n)
	for i := range y {
		cl[i] = i / 2
		y[i], d[i] = math.Sin(float64(3*i+1)), float64(cl[i]%2)
	}
	iv, err := TwoStage(IVData{Y: y, X: []Column{Intercept(n), {"d", d}}, Endogenous: []string{"d"}, Instruments: []Column{{"z", d}}, Cluster: cl})
	if err != nil {
		t.Fatal(err)
	}
	var same *CollinearError
	if _, err := iv.WuHausman(CR2); !errors.As(err, &same) {
		t.Errorf("got %v", err)
	}
}

// A useless instrument leaves an unbounded set, and saying so is not an error.
func TestAndersonRubinWithAWeakInstrument(t *testing.T) {
	n := 40
	y, d, z, cl := make([]float64, n), make([]float64, n), make([]float64, n), make([]int, n)
	for i := range y {
		cl[i] = i / 2
		y[i] = math.Sin(float64(3*i + 1))
		d[i] = math.Cos(float64(7*i + 2))
		z[i] = float64(cl[i] % 2)
	}
	iv, err := TwoStage(IVData{Y: y, X: []Column{Intercept(n), {"d", d}}, Endogenous: []string{"d"}, Instruments: []Column{{"z", z}}, Cluster: cl})
	if err != nil {
		t.Fatal(err)
	}
	ar, err := iv.AndersonRubin(CR2, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	if ar.Kind != WholeLine && ar.Kind != Complement {
		t.Errorf("%+v", ar)
	}
	if f, _ := iv.FirstStage(0, CR2); f.F >= WeakF {
		t.Errorf("F %v is not weak", f.F)
	}
	if _, err := iv.WildBootstrap("d", BootstrapOptions{Level: 0.95}); !errors.Is(err, ErrUnsupported) {
		t.Errorf("wild bootstrap of two-stage least squares: %v", err)
	}
	for name, bad := range map[string]IVData{
		"nobody complied": {Y: y, X: []Column{Intercept(n), {"d", make([]float64, n)}}, Endogenous: []string{"d"}, Instruments: []Column{{"z", z}}},
		"no instrument":   {Y: y, X: []Column{Intercept(n), {"d", d}}, Endogenous: []string{"d"}},
		"no such column":  {Y: y, X: []Column{Intercept(n), {"d", d}}, Endogenous: []string{"e"}, Instruments: []Column{{"z", z}}},
		"nothing to do":   {Y: y, X: []Column{Intercept(n), {"d", d}}, Instruments: []Column{{"z", z}}},
	} {
		if _, err := TwoStage(bad); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestWildBootstrapEnumerated(t *testing.T) {
	ref := golden.Statistics(t).At("s5_df_robust_ri", "wild_cluster_bootstrap_tiny10")
	f, _ := fitOf(t, "tiny10.csv", "y", "cluster", "(Intercept)", "z", "x")
	b, err := f.WildBootstrap("z", BootstrapOptions{Level: 0.95})
	if err != nil {
		t.Fatal(err)
	}
	if !b.Enumerated || b.Replicates != 1024 || b.Weights != "Rademacher" {
		t.Fatalf("%+v", b)
	}
	golden.Close(t, "estimate", b.Estimate, ref.At("estimate").Float(), exact)
	golden.Close(t, "se", b.SE, ref.At("se").Float(), exact)
	golden.Close(t, "t", b.Statistic, ref.At("t").Float(), exact)
	golden.Close(t, "p", b.P, ref.At("p_WCR_ge_including_identity").Float(), exact)
	ci := ref.At("ci95_WCR_inversion_p_ge").Floats()
	golden.Close(t, "low", b.Low, ci[0], 1e-6)
	golden.Close(t, "high", b.High, ci[1], 1e-6)
}

// The shortcut by linear pieces equals refitting every replicate.
func TestWildBootstrapAgainstRefitting(t *testing.T) {
	tab := golden.Data(t, "tiny10.csv")
	codes, _ := tab.Codes("cluster")
	y, x := tab.Floats("y"), columns(t, tab, "(Intercept)", "x", "z")
	const null = 0.3
	restrictedY := make([]float64, len(y))
	for i := range y {
		restrictedY[i] = y[i] - null*x[2].Values[i]
	}
	restricted, err := Least(Data{Y: restrictedY, X: x[:2], Cluster: codes})
	if err != nil {
		t.Fatal(err)
	}
	res := restricted.Residuals()
	full, err := Least(Data{Y: y, X: x, Cluster: codes})
	if err != nil {
		t.Fatal(err)
	}
	w, err := full.newWild(2)
	if err != nil {
		t.Fatal(err)
	}
	w.weights, w.enumerated = enumerate(10, []float64{1, -1}), true
	tObs, _ := w.observed(null)
	n := 0
	for _, row := range w.weights {
		ystar := make([]float64, len(y))
		for i := range y {
			ystar[i] = y[i] - res[i] + row[codes[i]]*res[i]
		}
		f, err := Least(Data{Y: ystar, X: x, Cluster: codes})
		if err != nil {
			t.Fatal(err)
		}
		in := infer(t, f, CR1S)
		if math.Abs((f.Beta[2]-null)/math.Sqrt(in.Vcov[2][2])) >= math.Abs(tObs)*(1-1e-9) {
			n++
		}
	}
	golden.Close(t, "p", w.p(null), float64(n)/1024, 1e-15)
}

func TestWildBootstrapFewAndMany(t *testing.T) {
	f, _ := fitOf(t, "sim_crt.csv", "Posttest", "School", "(Intercept)", "Treat", "Pretest")
	a, err := f.WildBootstrap("Treat", BootstrapOptions{Level: 0.95, Replicates: 999, Seed: 7})
	if err != nil {
		t.Fatal(err)
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // nor does it depend on the number of processors
	again, _ := f.WildBootstrap("Treat", BootstrapOptions{Level: 0.95, Replicates: 999, Seed: 7})
	if a != again {
		t.Errorf("the same seed gives %+v and %+v", a, again)
	}
	c, _ := infer(t, f, CR2).Coefficient("Treat", 0.95)
	if a.Enumerated || a.P < 1.0/1000 || math.Abs(a.P-c.P) > 0.02 || math.Abs(a.Low-c.Interval.Low) > 0.3 || math.Abs(a.High-c.Interval.High) > 0.3 {
		t.Errorf("bootstrap %+v, CR2 %+v", a, c)
	}
	// Five clusters: Webb's weights.
	tab := golden.Data(t, "tiny10.csv")
	codes, _ := tab.Codes("cluster")
	var y []float64
	x := []Column{{Name: "(Intercept)"}, {Name: "x"}}
	var cl []int
	for i, c := range codes {
		if c < 5 {
			y, cl = append(y, tab.Floats("y")[i]), append(cl, c)
			x[0].Values, x[1].Values = append(x[0].Values, 1), append(x[1].Values, tab.Floats("x")[i])
		}
	}
	small, err := Least(Data{Y: y, X: x, Cluster: cl})
	if err != nil {
		t.Fatal(err)
	}
	b, err := small.WildBootstrap("x", BootstrapOptions{Level: 0.9})
	if err != nil {
		t.Fatal(err)
	}
	if b.Weights != "Webb" || !b.Enumerated || b.Replicates != 7776 || b.P < 2.0/7776 {
		t.Errorf("%+v", b)
	}
	if _, err := f.WildBootstrap("nope", BootstrapOptions{Level: 0.95}); err == nil {
		t.Error("an unknown coefficient accepted")
	}
}

func TestRefusals(t *testing.T) {
	y := []float64{1, 2, 4, 3, 5, 9}
	one := Intercept(6)
	x := Column{"x", []float64{1, 2, 3, 4, 5, 6}}
	twice := Column{"2x", []float64{2, 4, 6, 8, 10, 12}}
	zero := Column{"zero", make([]float64, 6)}
	_, err := Least(Data{Y: y, X: []Column{one, x, twice, zero}})
	if err == nil || !strings.Contains(err.Error(), `"2x"`) || !strings.Contains(err.Error(), "x does not say") && !strings.Contains(err.Error(), "x does") || !strings.Contains(err.Error(), `"zero"`) {
		t.Errorf("collinear: %v", err)
	}
	var coll *CollinearError
	if !errors.As(err, &coll) || coll.Column == "" {
		t.Errorf("not a CollinearError: %v", err)
	}
	for name, d := range map[string]Data{
		"constant outcome": {Y: []float64{3, 3, 3, 3, 3, 3}, X: []Column{one, x}},
		"too few rows":     {Y: y[:2], X: []Column{Intercept(2), {"x", x.Values[:2]}}},
		"no rows":          {X: []Column{{Name: "x"}}},
		"no columns":       {Y: y},
		"NaN":              {Y: []float64{1, 2, math.NaN(), 3, 5, 9}, X: []Column{one}},
		"Inf":              {Y: y, X: []Column{one, {"x", []float64{1, 2, 3, 4, 5, math.Inf(1)}}}},
		"absurd":           {Y: y, X: []Column{one, {"x", []float64{1, 2, 3, 4, 5, 1e200}}}},
		"short column":     {Y: y, X: []Column{one, {"x", []float64{1}}}},
		"short cluster":    {Y: y, X: []Column{one}, Cluster: []int{1}},
		"zero weight":      {Y: y, X: []Column{one}, Weights: []float64{1, 1, 1, 1, 1, 0}},
		"same name":        {Y: y, X: []Column{x, x}},
	} {
		if _, err := Least(d); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	f, err := Least(Data{Y: y, X: []Column{one, x}, Cluster: []int{1, 1, 1, 1, 1, 1}})
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Inference(CR2); !errors.Is(err, ErrClusters) {
		t.Errorf("one cluster: %v", err)
	}
	if _, err := f.Inference("CR9"); err == nil {
		t.Error("CR9 accepted")
	}
	f, _ = Least(Data{Y: y, X: []Column{one, x}})
	if _, err := f.Inference(CR0); !errors.Is(err, ErrClusters) {
		t.Errorf("no clusters: %v", err)
	}
	// One school in an arm: it decides the effect alone.
	arm := Column{"arm", []float64{1, 1, 0, 0, 0, 0}}
	f, err = Least(Data{Y: y, X: []Column{one, arm}, Cluster: []int{1, 1, 2, 2, 3, 3}})
	if err != nil {
		t.Fatal(err)
	}
	in, err := f.Inference(CR2)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := f.Inference(CR3); !errors.Is(err, ErrClusters) {
		t.Errorf("CR3 with one school in an arm: %v", err)
	}
	if c, err := in.Coefficient("arm", 0.95); err == nil && (math.IsNaN(c.SE) || math.IsInf(c.DF, 0)) {
		t.Errorf("one school in an arm: %+v", c)
	}
}

// Rows in any order, clusters under any numbers: the same answer.
func TestOrderIsIrrelevant(t *testing.T) {
	f, tab := fitOf(t, "crt24.csv", "y", "school", "(Intercept)", "treat", "pre")
	codes, _ := tab.Codes("school")
	n := tab.Rows
	perm := make([]int, n)
	for i := range perm {
		perm[i] = (i*131 + 7) % n // 131 and 350 have no common factor
	}
	pick := func(v []float64) []float64 {
		out := make([]float64, n)
		for i, p := range perm {
			out[i] = v[p]
		}
		return out
	}
	d := Data{Y: pick(tab.Floats("y"))}
	for _, c := range columns(t, tab, "(Intercept)", "treat", "pre") {
		d.X = append(d.X, Column{c.Name, pick(c.Values)})
	}
	for _, p := range perm {
		d.Cluster = append(d.Cluster, 1000-17*codes[p])
	}
	g, err := Least(d)
	if err != nil {
		t.Fatal(err)
	}
	a, b := coefs(t, infer(t, f, CR2)), coefs(t, infer(t, g, CR2))
	for j := range a {
		golden.Close(t, "estimate", b[j].Estimate, a[j].Estimate, 1e-12)
		golden.Close(t, "se", b[j].SE, a[j].SE, 1e-12)
		golden.Close(t, "df", b[j].DF, a[j].DF, 1e-11)
	}
	ra, rb := f.Residuals(), g.Residuals()
	for i, p := range perm {
		golden.Near(t, "residual", rb[i], ra[p], 1e-10)
	}
}

// NIST's linear regression sets, read where they are if they are there: at
// least as many digits as R's lm, which loses Filip unless forced.
func TestNISTLinear(t *testing.T) {
	root := "../../../shared/reference/strd"
	if _, err := os.Stat(root); err != nil {
		t.Skip("SKIPPED: the NIST reference data are not beside the repository, so the linear algebra is not checked against them here: ", err)
	}
	ref := golden.JSON(t, os.DirFS(root), "strd.json")
	n := 0
	// R 4.2.2's lm, tol = 1e-20 (with the default it drops Filip's tenth power):
	// Filip 7.2, Longley 13.0, Wampler1-5 9.8, 13.6, 9.3, 7.5, 5.5, Norris 12.5,
	// Pontius 12.7, NoInt1-2 14.7, 15.3. The exact solution of Wampler2 as read
	// into float64, in rational arithmetic, has 13.2 digits of the certified one:
	// that is what there is to find, and R's 13.6 is chance.
	digits := map[string]float64{"Filip": 7.5, "Longley": 13, "Wampler1": 9.8, "Wampler2": 13.1, "Wampler3": 9.3, "Wampler4": 9, "Wampler5": 9, "Norris": 12.5, "Pontius": 12.7, "NoInt1": 14.6, "NoInt2": 15.2}
	for _, name := range ref.Keys() {
		set := ref.At(name)
		if !set.Has("kind") || set.At("kind").Text() != "linear" {
			continue
		}
		n++
		text, err := os.ReadFile(filepath.Join(root, set.At("file").Text()))
		if err != nil {
			t.Fatal(err)
		}
		lines := strings.Split(string(text), "\n")
		var rows [][]float64
		from, to := int(set.At("data_lines").Index(0).Float()), int(set.At("data_lines").Index(1).Float())
		for _, line := range lines[from-1 : min(to, len(lines))] {
			var row []float64
			for _, s := range strings.Fields(line) {
				v, err := strconv.ParseFloat(s, 64)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				row = append(row, v)
			}
			if len(row) > 0 {
				rows = append(rows, row)
			}
		}
		params := set.At("params")
		var d Data
		d.X = make([]Column, params.Len())
		for j := range d.X {
			d.X[j].Name = params.Index(j).At("name").Text()
		}
		for _, r := range rows {
			d.Y = append(d.Y, r[0])
			for j := range d.X {
				power, err := strconv.Atoi(d.X[j].Name[1:])
				if err != nil {
					t.Fatal(err)
				}
				v := 1.0
				switch {
				case name == "Longley" && power > 0:
					v = r[power]
				case name != "Longley":
					for range power {
						v *= r[1]
					}
				}
				d.X[j].Values = append(d.X[j].Values, v)
			}
		}
		f, err := Least(d)
		if err != nil {
			t.Fatalf("%s: %v", name, err)
		}
		in := infer(t, f, Classical)
		worst := 16.0
		worstSE := 16.0
		for j := range d.X {
			p := params.Index(j)
			worst = math.Min(worst, -math.Log10(golden.RelDiff(f.Beta[j], p.At("estimate").Float())))
			if se := p.At("se").Float(); se != 0 {
				worstSE = math.Min(worstSE, -math.Log10(golden.RelDiff(math.Sqrt(in.Vcov[j][j]), se)))
			} else if s := math.Sqrt(in.Vcov[j][j]); s > 1e-6 {
				t.Errorf("%s: standard error %v, certified 0", name, s)
			}
		}
		t.Logf("%-9s digits: coefficients %.1f, standard errors %.1f, own %.2g", name, worst, worstSE, f.Own)
		if ill := name == "Filip" || name == "Longley"; (f.Own < IllConditioned) != ill {
			t.Errorf("%s: %.2g of %s is its own; ill-conditioned: %v", name, f.Own, f.Weakest, ill)
		}
		if worst < digits[name] || worstSE < math.Min(digits[name], 10) {
			t.Errorf("%s: %.1f and %.1f digits, want %.1f", name, worst, worstSE, digits[name])
		}
	}
	golden.AtLeast(t, "linear sets", n, 11)
}

func TestTheComparisonCanFail(t *testing.T) {
	f, _ := fitOf(t, "tiny10.csv", "y", "cluster", "(Intercept)", "z", "x")
	if golden.RelDiff(f.Beta[1], f.Beta[1]*(1+1e-6)) < exact {
		t.Fatal("a difference of 1e-6 passes for 1e-9")
	}
	if golden.RelDiff(math.NaN(), 1) < exact {
		t.Fatal("NaN passes")
	}
}
