package effectsize

import (
	"math"
	"strings"
	"testing"

	"evenhand/analysis"
	"evenhand/analysis/internal/golden"
	"evenhand/analysis/mixed"
)

func TestHedgesFactor(t *testing.T) {
	cases := golden.Statistics(t).At("s4_effect_sizes", "J")
	for i := 0; i < cases.Len(); i++ {
		c := cases.Index(i)
		golden.Close(t, "J", J(c.At("df").Float()), c.At("J_approx").Float(), 1e-13)
		golden.Close(t, "exact J", ExactJ(c.At("df").Float()), c.At("J_exact_gamma").Float(), 1e-12)
	}
	golden.AtLeast(t, "factors", cases.Len(), 7)
}

func sizes(t testing.TB, file, cluster string) Sizes {
	t.Helper()
	tab := golden.Data(t, file)
	codes, labels := tab.Codes(cluster)
	arm := tab.Floats("treat")
	n := make([]int, len(labels))
	treated := make([]bool, len(labels))
	for i, c := range codes {
		n[c]++
		treated[c] = arm[i] == 1
	}
	var z Sizes
	for c, k := range n {
		if treated[c] {
			z.Treated = append(z.Treated, k)
		} else {
			z.Control = append(z.Control, k)
		}
	}
	return z
}

func TestHedges2007(t *testing.T) {
	all := golden.Statistics(t).At("s4_effect_sizes", "hedges2007")
	n := 0
	for _, id := range []string{"bal12_rho_est", "bal12_rho_0.2", "crt24_rho_0.2", "crt24_rho_anova"} {
		w := all.At(id)
		z := sizes(t, "bal12.csv", "cluster")
		if strings.HasPrefix(id, "crt24") {
			z = sizes(t, "crt24.csv", "school")
		}
		h, err := NewHedges2007(w.At("mean_diff").Float(), w.At("S_T").Float(), w.At("rho").Float(), z)
		if err != nil {
			t.Fatal(err)
		}
		for key, got := range map[string]float64{
			"A": h.A, "B": h.B, "n_tilde": h.NTilde, "cluster_factor": h.Factor, "d_T": h.D, "var_term1": h.VarSampling,
			"var_dT_published_eq": h.VarPublished, "var_dT_delta_h": h.VarD, "h": h.DF, "J_h": h.J, "g_T": h.G, "se_gT_J2": h.SEG,
		} {
			golden.Close(t, id+" "+key, got, w.At(key).Float(), 1e-9)
			n++
		}
	}
	w := all.At("bal12_components")
	d, v, df, dw, vw, err := Hedges2007Components(all.At("bal12_rho_est", "mean_diff").Float(), w.At("S_B2").Float(), w.At("S_W2").Float(), 8, 6, 6)
	if err != nil {
		t.Fatal(err)
	}
	for key, got := range map[string]float64{"d_T2": d, "var_dT2": v, "df_pustejovsky": df, "d_W": dw, "var_dW": vw} {
		golden.Close(t, key, got, w.At(key).Float(), 1e-9)
		n++
	}
	golden.AtLeast(t, "numbers of Hedges 2007", n, 53)
}

func TestHedges2011(t *testing.T) {
	w := golden.Statistics(t).At("s4_effect_sizes", "hedges2011_three_level")
	h, err := NewHedges2011(w.At("mean_diff").Float(), w.At("S_WT").Float(), 5, 3, 4, 4, w.At("rho_school").Float(), w.At("rho_class").Float())
	if err != nil {
		t.Fatal(err)
	}
	for key, got := range map[string]float64{"factor": h.Factor, "d_T": h.D, "h": h.DF, "J": h.J, "g": h.G, "var_term1": h.VarSampling, "var_dT": h.VarD} {
		golden.Close(t, key, got, w.At(key).Float(), 1e-9)
	}
}

func TestNoncentralIntervals(t *testing.T) {
	cases := golden.Statistics(t).At("s4_effect_sizes", "nct_ci")
	for i := 0; i < cases.Len(); i++ {
		c := cases.Index(i)
		iv := NoncentralInterval(c.At("delta").Float(), c.At("kappa").Float(), c.At("nu").Float(), 0.95)
		golden.Close(t, "low", iv.Low, c.At("lo").Float(), 1e-8)
		golden.Close(t, "high", iv.High, c.At("hi").Float(), 1e-8)
	}
	golden.AtLeast(t, "noncentral intervals", cases.Len(), 4)
}

func TestCox(t *testing.T) {
	cases := golden.Statistics(t).At("s1_wwc", "cox")
	for i := 0; i < cases.Len(); i++ {
		c := cases.Index(i)
		p, n := c.At("p").Floats(), c.At("n").Floats()
		got, err := NewCox(p[0], p[1], int(n[0]), int(n[1]))
		if err != nil {
			t.Fatal(err)
		}
		golden.Close(t, "log odds ratio", got.LogOddsRatio, c.At("log_odds_ratio").Float(), 1e-12)
		golden.Close(t, "d", got.D, c.At("d_cox_no_omega").Float(), 1e-12)
		golden.Close(t, "se", got.SE, c.At("se_cox").Float(), 1e-12)
	}
	golden.AtLeast(t, "Cox indices", cases.Len(), 3)
	if _, err := NewCox(1, .5, 10, 10); err == nil {
		t.Error("no error for a share of 1")
	}
}

// lmeInfo's g with both models' denominators. The reference has lmeInfo's
// standard error and, in statistics.json, the published one.
func TestGMLMMatchesFortyDigits(t *testing.T) {
	n := 0
	for _, c := range []struct {
		id   string
		f    *mixed.Fit
		term string
		keys map[string][2]analysis.Scale // total, within
	}{
		{"simcrt.adj", fit(t, "sim_crt.csv", "Treat", "0", "Pretest"), "1", map[string][2]analysis.Scale{
			"denominator=simcrt.null": {analysis.ScaleTotalEmpty, analysis.ScaleWithinEmpty}, "denominator=simcrt.treat": {analysis.ScaleTotalUnconditional, analysis.ScaleWithinUnconditional}, "denominator=simcrt.adj (conditional)": {analysis.ScaleTotalConditional, analysis.ScaleWithinConditional}}},
		{"simcrt.treat", fit(t, "sim_crt.csv", "Treat", "0"), "1", map[string][2]analysis.Scale{
			"denominator=simcrt.null": {analysis.ScaleTotalEmpty, analysis.ScaleWithinEmpty}, "denominator=simcrt.treat (conditional)": {analysis.ScaleTotalConditional, analysis.ScaleWithinConditional}}},
		{"simcrt.full", fit(t, "sim_crt.csv", "Treat", "0", full...), "1", map[string][2]analysis.Scale{
			"denominator=simcrt.null": {analysis.ScaleTotalEmpty, analysis.ScaleWithinEmpty}, "denominator=simcrt.treat": {analysis.ScaleTotalUnconditional, analysis.ScaleWithinUnconditional}, "denominator=simcrt.full (conditional)": {analysis.ScaleTotalConditional, analysis.ScaleWithinConditional}}},
		{"simcrt3.adj", fit(t, "sim_crt3.csv", "Arm", "control", "Pretest"), "full", map[string][2]analysis.Scale{
			"denominator=simcrt3.null": {analysis.ScaleTotalEmpty, analysis.ScaleWithinEmpty}, "denominator=simcrt3.adj (conditional)": {analysis.ScaleTotalConditional, analysis.ScaleWithinConditional}}},
		{"simmst.ri", fit(t, "sim_mst.csv", "Treat", "0", "Pretest"), "1", map[string][2]analysis.Scale{
			"denominator=simmst.null": {analysis.ScaleTotalEmpty, analysis.ScaleWithinEmpty}, "denominator=simmst.ri (conditional)": {analysis.ScaleTotalConditional, analysis.ScaleWithinConditional}}},
	} {
		truth := golden.Mixed(t).At("models", c.id, "truth_40digit_arithmetic", "g_mlm")
		dens, missing := Denominators(c.f, c.term)
		if len(missing) > 0 {
			t.Fatal(missing)
		}
		for key, scales := range c.keys {
			for i, part := range []string{"total", "within"} {
				for _, d := range dens {
					if d.Scale != scales[i] {
						continue
					}
					g, err := NewGMLM(c.f, c.term, d, mixed.ExpectedInformation, 0.95)
					if err != nil {
						t.Fatal(err)
					}
					w := truth.At(key, part)
					what := c.id + " " + key + " " + part
					golden.Close(t, what+" delta", g.Delta, w.At("delta_AB").Float(), 1e-9)
					golden.Close(t, what+" nu", g.DF, w.At("nu").Float(), 1e-9)
					golden.Close(t, what+" kappa", g.Kappa, w.At("kappa").Float(), 1e-9)
					golden.Close(t, what+" g", g.G, w.At("g_AB").Float(), 1e-9)
					golden.Close(t, what+" SE (lmeInfo)", g.SELmeInfo, w.At("SE_g_AB").Float(), 1e-9)
					if r := golden.Mixed(t).At("models", c.id, "R", "lmeInfo_g_mlm"); r.Has(strings.TrimSuffix(key, " (conditional)"), part, "CI95_noncentral") {
						ci := r.At(strings.TrimSuffix(key, " (conditional)"), part, "CI95_noncentral").Floats()
						golden.Close(t, what+" low", g.Noncentral.Low, ci[0], 1e-5) // lmeInfo solves to 1e-6
						golden.Close(t, what+" high", g.Noncentral.High, ci[1], 1e-5)
					}
					n++
				}
			}
		}
	}
	golden.AtLeast(t, "g_mlm", n, 24)
}

func TestGMLMOfSmallTrials(t *testing.T) {
	all := golden.Statistics(t).At("s4_effect_sizes", "g_mlm")
	n := 0
	tab := golden.Data(t, "crt24.csv")
	rows := func(covariates ...analysis.Column) *mixed.Fit {
		r := &mixed.Rows{Outcome: analysis.Number("y", tab.Floats("y")), Arm: analysis.Factor("treat", tab.Text("treat")), Covariates: covariates,
			Levels: []mixed.Level{mixed.LevelOf(analysis.Factor("school", tab.Text("school")))}}
		d, _, err := r.Design()
		if err != nil {
			t.Fatal(err)
		}
		f, err := mixed.New(d, mixed.Model{})
		if err != nil {
			t.Fatal(err)
		}
		return f
	}
	raw := rows()
	adj := rows(analysis.Number("pre", tab.Floats("pre")), analysis.Factor("stratum", tab.Text("stratum")))
	for _, c := range []struct {
		id    string
		f     *mixed.Fit
		scale analysis.Scale
		kind  mixed.InformationKind
	}{
		{"crt24_uncond_expected", raw, analysis.ScaleTotalUnconditional, mixed.ExpectedInformation},
		{"crt24_uncond_observed", raw, analysis.ScaleTotalUnconditional, mixed.ObservedInformation},
		{"crt24_uncond_average", raw, analysis.ScaleTotalUnconditional, mixed.AverageInformation},
		{"crt24_adj_conditional_variance", adj, analysis.ScaleTotalConditional, mixed.ExpectedInformation},
		{"crt24_adj_uncond_denominator", adj, analysis.ScaleTotalUnconditional, mixed.ExpectedInformation},
	} {
		dens, _ := Denominators(c.f, "1")
		for _, d := range dens {
			if d.Scale != c.scale {
				continue
			}
			g, err := NewGMLM(c.f, "1", d, c.kind, 0.95)
			if err != nil {
				t.Fatal(err)
			}
			w := all.At(c.id)
			for key, got := range map[string]float64{"delta": g.Delta, "kappa": g.Kappa, "nu": g.DF, "J": g.J, "g": g.G, "SE_HPS2014_delta": g.SE, "SE_lmeInfo_0.3.2_uses_g": g.SELmeInfo} {
				golden.Close(t, c.id+" "+key, got, w.At(key).Float(), 1e-8)
				n++
			}
			ci := w.At("ci_nct").Floats()
			golden.Close(t, c.id+" low", g.Noncentral.Low, ci[0], 1e-6)
			golden.Close(t, c.id+" high", g.Noncentral.High, ci[1], 1e-6)
		}
	}
	golden.AtLeast(t, "numbers of g_mlm", n, 35)
}

func TestEEFAnalyticsVariants(t *testing.T) {
	want := golden.Mixed(t).At("eefAnalytics")
	n := 0
	check := func(f *mixed.Fit, arm, prefix string, w golden.Node) {
		t.Helper()
		vs, err := EEFAnalytics(f, arm)
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range vs {
			parts := strings.Fields(v.Name)
			if parts[0] != prefix {
				t.Errorf("%s is not of %s", v.Name, prefix)
			}
			x := w.At(parts[1], parts[2])
			golden.Close(t, v.Name, v.Value, x.At("estimate").Float(), 1e-6)
			golden.Close(t, v.Name+" low", v.Low, x.At("lb").Float(), 1e-6)
			golden.Close(t, v.Name+" high", v.High, x.At("ub").Float(), 1e-6)
			if parts[2] == "Total" && prefix == "crtFREQ" {
				golden.Close(t, v.Name+" plain", v.Plain, w.At(parts[1], "plain_beta_over_total_sd").Float(), 1e-6)
				golden.Close(t, v.Name+" factor", v.Factor, w.At(parts[1], "hedges_total_factor").Float(), 1e-6)
			}
			n++
		}
	}
	crt := want.At("crt_unrounded")
	check(fit(t, "sim_crt.csv", "Treat", "0", "Pretest"), "1", "crtFREQ", crt.At("simcrt.adj"))
	check(fit(t, "sim_crt.csv", "Treat", "0", full...), "1", "crtFREQ", crt.At("simcrt.full"))
	three := fit(t, "sim_crt3.csv", "Arm", "control", "Pretest")
	check(three, "light", "crtFREQ", crt.At("simcrt3.light"))
	check(three, "full", "crtFREQ", crt.At("simcrt3.full"))
	mst, err := mixed.New(data(t, "sim_mst.csv", "Treat", "0", "Pretest"), mixed.Model{Slope: mixed.FullSlope})
	if err != nil {
		t.Fatal(err)
	}
	check(mst, "1", "mstFREQ", want.At("mst_unrounded", "simmst.rs"))
	golden.AtLeast(t, "eefAnalytics variants", n, 20)
}

func TestMonths(t *testing.T) {
	if err := EEFTrialMonths.Check(); err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		es    float64
		want  int
		above bool
	}{{0, 0, false}, {0.02, 0, false}, {0.03, 0, false}, {0.04, 0, false}, {0.0449, 0, false}, {0.045, 1, false}, {0.05, 1, false}, {0.095, 2, false},
		{-0.05, -1, false}, {-0.02, 0, false}, {0.26, 3, false}, {0.27, 4, false}, {1, 12, false}, {1.3, 12, true}, {0.145, 2, false}} {
		got, above, err := EEFTrialMonths.Months(c.es)
		if err != nil || got != c.want || above != c.above {
			t.Errorf("%v is %d months (above %v, %v), want %d", c.es, got, above, err, c.want)
		}
	}
	if _, _, err := EEFTrialMonths.Months(math.NaN()); err == nil {
		t.Error("no error for NaN")
	}
	for name, rows := range map[string][]MonthsRow{
		"empty": nil, "late start": {{0, .05, .1}}, "gap": {{0, 0, .04}, {1, .06, .09}}, "overlap": {{0, 0, .04}, {1, .04, .09}}, "not rising": {{1, 0, .04}, {1, .05, .09}}, "backwards": {{0, .04, 0}},
	} {
		if (MonthsTable{Name: name, Rows: rows}).Check() == nil {
			t.Errorf("no fault found in a table with %s", name)
		}
	}
}
