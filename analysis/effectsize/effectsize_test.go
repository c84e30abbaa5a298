package effectsize

import (
	"math"
	"testing"

	"evenhand/analysis"
	"evenhand/analysis/internal/golden"
	"evenhand/analysis/mixed"
)

// fit fits a model of the simulated sets with covariates by name; a name
// after "f:" is a factor.
func fit(t testing.TB, file, arm, control string, covariates ...string) *mixed.Fit {
	t.Helper()
	f, err := mixed.New(data(t, file, arm, control, covariates...), mixed.Model{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func data(t testing.TB, file, arm, control string, covariates ...string) *mixed.Data {
	t.Helper()
	tab := golden.Data(t, file)
	r := &mixed.Rows{
		Outcome: analysis.Number("Posttest", tab.Floats("Posttest")),
		Arm:     analysis.Factor(arm, tab.Text(arm)),
		Levels:  []mixed.Level{mixed.LevelOf(analysis.Factor("School", tab.Text("School")))},
	}
	for i, l := range r.Arm.Levels {
		if l == control {
			r.Control = i
		}
	}
	for _, c := range covariates {
		if len(c) > 2 && c[:2] == "f:" {
			r.Covariates = append(r.Covariates, analysis.Factor(c[2:], tab.Text(c[2:])))
		} else {
			r.Covariates = append(r.Covariates, analysis.Number(c, tab.Floats(c)))
		}
	}
	d, _, err := r.Design()
	if err != nil {
		t.Fatal(err)
	}
	return d
}

var full = []string{"Pretest", "FSM", "Female", "SchoolFSM", "f:Stratum"}

func byScale(t testing.TB, f *mixed.Fit, arm string, o Options) map[analysis.Scale]analysis.Estimate {
	t.Helper()
	es, missing, err := All(f, arm, o)
	if err != nil {
		t.Fatal(err)
	}
	if len(es) != len(Scales) || len(missing) > 0 {
		t.Fatalf("%d of %d effect sizes; missing %v", len(es), len(Scales), missing)
	}
	out := map[analysis.Scale]analysis.Estimate{}
	for i, e := range es {
		if e.Scale != Scales[i] {
			t.Errorf("effect size %d is %s, want %s", i, e.Scale, Scales[i])
		}
		out[e.Scale] = e
	}
	return out
}

func TestAgainstReferenceEffectSizes(t *testing.T) {
	const tol = 1e-9
	n := 0
	for id, f := range map[string]*mixed.Fit{
		"simcrt.adj":  fit(t, "sim_crt.csv", "Treat", "0", "Pretest"),
		"simcrt.full": fit(t, "sim_crt.csv", "Treat", "0", full...),
	} {
		want := golden.Mixed(t).At("eef_style_effect_size", "values", id)
		for df, key := range map[mixed.DF]string{mixed.KenwardRoger: "kenward_roger", mixed.Satterthwaite: "satterthwaite"} {
			es := byScale(t, f, "1", Options{DF: df})
			e := es[analysis.ScaleTotalUnconditional]
			golden.Close(t, id+" SD", e.SD, want.At("total_SD_treatment_only_model").Float(), tol)
			golden.Close(t, id+" ES", e.Value, want.At("ES_total").Float(), tol)
			golden.Close(t, id+" low", e.Interval.Low, want.At("CI_total_" + key).Floats()[0], tol)
			golden.Close(t, id+" high", e.Interval.High, want.At("CI_total_" + key).Floats()[1], tol)
			p := es[analysis.ScalePooledSD]
			golden.Close(t, id+" pooled SD", p.SD, want.At("pooled_within_arm_SD").Float(), tol)
			golden.Close(t, id+" pooled ES", p.Value, want.At("ES_pooled_SD").Float(), tol)
			golden.Close(t, id+" J", p.HedgesJ, want.At("hedges_J").Float(), tol)
			golden.Close(t, id+" pooled low", p.Interval.Low, want.At("CI_pooled_SD_" + key).Floats()[0], tol)
			g := byScale(t, f, "1", Options{DF: df, Correct: true})[analysis.ScalePooledSD]
			golden.Close(t, id+" pooled g", g.Value, want.At("ES_pooled_SD_times_J").Float(), tol)
			if p.Corrected || !g.Corrected {
				t.Errorf("corrected: %v without, %v with the option", p.Corrected, g.Corrected)
			}
			n += 9
		}
	}
	f := fit(t, "sim_crt3.csv", "Arm", "control", "Pretest")
	want := golden.Mixed(t).At("eef_style_effect_size", "values", "simcrt3.adj")
	p := byScale(t, f, "full", Options{})[analysis.ScalePooledSD]
	golden.Close(t, "three arms: pooled SD", p.SD, want.At("pooled_within_arm_SD").Float(), tol)
	golden.Close(t, "three arms: ES", p.Value, want.At("ES_pooled_SD").Float(), tol)
	golden.Close(t, "three arms: low", p.Interval.Low, want.At("CI_pooled_SD_kenward_roger").Floats()[0], tol)
	n += 3
	golden.AtLeast(t, "effect sizes", n, 39)
}

// The delta_AB of the g_mlm cases is the adjusted difference over the SD of
// the named model, before the small-sample factor.
func TestEveryModelDenominator(t *testing.T) {
	n := 0
	for id, f := range map[string]*mixed.Fit{
		"simcrt.adj":  fit(t, "sim_crt.csv", "Treat", "0", "Pretest"),
		"simcrt.full": fit(t, "sim_crt.csv", "Treat", "0", full...),
	} {
		es := byScale(t, f, "1", Options{})
		want := golden.Mixed(t).At("models", id, "truth_40digit_arithmetic", "g_mlm")
		for key, scales := range map[string][2]analysis.Scale{
			"denominator=simcrt.null":              {analysis.ScaleTotalEmpty, analysis.ScaleWithinEmpty},
			"denominator=simcrt.treat":             {analysis.ScaleTotalUnconditional, analysis.ScaleWithinUnconditional},
			"denominator=" + id + " (conditional)": {analysis.ScaleTotalConditional, analysis.ScaleWithinConditional},
		} {
			for i, part := range []string{"total", "within"} {
				e, w := es[scales[i]], want.At(key, part)
				golden.Close(t, id+key+part, e.Value, w.At("delta_AB").Float(), 1e-9)
				golden.Close(t, id+key+part+" df", e.HedgesDF, w.At("nu").Float(), 1e-9)
				golden.Close(t, id+key+part+" J", e.HedgesJ, w.At("J_nu").Float(), 1e-9)
				n += 3
			}
		}
	}
	golden.AtLeast(t, "denominators", n, 36)
}

// With random slopes the total variance is averaged over the rows.
func TestTotalOfRandomSlopes(t *testing.T) {
	f, err := mixed.New(data(t, "sim_mst.csv", "Treat", "0", "Pretest"), mixed.Model{Slope: mixed.FullSlope})
	if err != nil {
		t.Fatal(err)
	}
	e := byScale(t, f, "1", Options{})[analysis.ScaleTotalConditional]
	w := golden.Mixed(t).At("models", "simmst.rs", "truth_40digit_arithmetic", "g_mlm", "denominator=simmst.rs (conditional)", "total_arm_weighted (w=N_T/N)")
	golden.Close(t, "delta", e.Value, w.At("delta_AB").Float(), 1e-9)
	golden.Close(t, "nu", e.HedgesDF, w.At("nu").Float(), 1e-9)
}

// Properties: swapping the arms turns the sign, y → a·y + b leaves effect
// sizes alone, and the order of rows changes nothing.
func TestInvariance(t *testing.T) {
	base := byScale(t, fit(t, "sim_crt.csv", "Treat", "0", full...), "1", Options{Correct: true})
	swapped := byScale(t, fit(t, "sim_crt.csv", "Treat", "1", full...), "0", Options{Correct: true})
	d := data(t, "sim_crt.csv", "Treat", "0", full...)
	moved := *d
	moved.Y = nil
	for _, y := range d.Y {
		moved.Y = append(moved.Y, -3*y+1e4)
	}
	f, err := mixed.New(&moved, mixed.Model{})
	if err != nil {
		t.Fatal(err)
	}
	affine := byScale(t, f, "1", Options{Correct: true})
	n := 0
	for s, e := range base {
		golden.Close(t, "affine "+string(s), -affine[s].Value, e.Value, 1e-9)
		golden.Close(t, "affine low "+string(s), -affine[s].Interval.High, e.Interval.Low, 1e-9)
		if s == analysis.ScaleControlSD { // the control arm is another one
			continue
		}
		golden.Close(t, "swapped "+string(s), -swapped[s].Value, e.Value, 1e-9)
		golden.Close(t, "swapped se "+string(s), swapped[s].SE, e.SE, 1e-9)
		n++
	}
	golden.AtLeast(t, "scales", n, 7)
}

func TestLogisticScales(t *testing.T) {
	tab := golden.Data(t, "sim_crt.csv")
	z := tab.Floats("Pretest")
	for i := range z {
		z[i] = (z[i] - 100) / 10
	}
	r := &mixed.Rows{Outcome: analysis.Number("Pass", tab.Floats("Pass")), Arm: analysis.Factor("Treat", tab.Text("Treat")),
		Covariates: []analysis.Column{analysis.Number("z", z)}, Levels: []mixed.Level{mixed.LevelOf(analysis.Factor("School", tab.Text("School")))}}
	d, _, err := r.Design()
	if err != nil {
		t.Fatal(err)
	}
	f, err := mixed.NewLogistic(d, 25)
	if err != nil {
		t.Fatal(err)
	}
	es, err := OfLogistic(f, "1", 0)
	if err != nil {
		t.Fatal(err)
	}
	w := golden.Mixed(t).At("glmm", "simcrt.Pass", "AGQ25", "truth_36digit_arithmetic")
	golden.Close(t, "log odds ratio", es[0].Value, w.At("fixef", "Treat").Float(), 1e-9)
	golden.Close(t, "its se", es[0].SE, w.At("se_fixef", "Treat").Float(), 1e-8)
	golden.Close(t, "Cox", es[1].Value, w.At("fixef", "Treat").Float()/1.65, 1e-9)
	or, iv, err := OddsRatio(es[0])
	if err != nil {
		t.Fatal(err)
	}
	golden.Close(t, "odds ratio", or, math.Exp(w.At("fixef", "Treat").Float()), 1e-9)
	if !(iv.Low < or && or < iv.High) {
		t.Errorf("odds ratio %v in %v", or, iv)
	}
	// the difference in shares must lie near that of the raw shares
	var pass, n [2]float64
	for i, y := range d.Y {
		pass[d.Arm[i]] += y
		n[d.Arm[i]]++
	}
	golden.Near(t, "difference in shares", es[2].Value, pass[1]/n[1]-pass[0]/n[0], es[2].SE)
	if _, _, err := OddsRatio(es[2]); err == nil {
		t.Error("an odds ratio of a difference in shares")
	}
}
