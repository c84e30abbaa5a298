package sap

import (
	"encoding/json"
	"errors"
	"math"
	"testing"

	"evenhand/analysis"
	"evenhand/analysis/internal/golden"
)

// dataset is sim_crt.csv as a trial's dataset: stratum from Stratum, and every
// other column a covariate.
func dataset(t *testing.T) *analysis.Dataset {
	t.Helper()
	tab := golden.Data(t, "sim_crt.csv")
	d := &analysis.Dataset{Arms: []string{"rlc", "control"}, Control: 1}
	d.Cluster, d.Clusters = tab.Codes("School")
	d.Stratum, d.Strata = tab.Codes("Stratum")
	d.Outcome = tab.Floats("Posttest")
	for i, treated := range tab.Floats("Treat") {
		d.ID = append(d.ID, "p")
		d.Arm = append(d.Arm, 1-int(treated))
		d.Community = append(d.Community, -1)
		d.Observed = append(d.Observed, !math.IsNaN(d.Outcome[i]))
		d.Lost = append(d.Lost, "")
	}
	for _, name := range []string{"Pretest", "FSM", "Female", "SchoolFSM"} {
		d.Covariates = append(d.Covariates, analysis.Column{Name: name, Values: tab.Floats(name), Binary: name == "FSM" || name == "Female"})
	}
	return d
}

var plan = Plan{Outcome: "post", Label: "Posttest", Role: Primary, Model: "mixed", Covariates: []string{"Pretest", "FSM", "Female", "SchoolFSM", "Stratum"}, DF: "satterthwaite", EffectSize: analysis.ScaleTotalUnconditional, Level: 0.95}

// The whole plan against the 40-digit truth of simcrt.full.
func TestRunAgainstTruth(t *testing.T) {
	r, err := Run(plan, dataset(t), nil)
	if err != nil {
		t.Fatal(err)
	}
	all := golden.Mixed(t)
	truth := all.At("models", "simcrt.full", "truth_40digit_arithmetic")
	c := r.Contrasts[0]
	golden.Close(t, "difference", c.Difference.Value, truth.At("fixef", "Treat").Float(), 1e-9)
	golden.Close(t, "SE", c.Difference.SE, truth.At("se", "Treat").Float(), 1e-9)
	golden.Close(t, "criterion", r.Fit.Criterion, truth.At("REMLcrit").Float(), 1e-9)
	es := all.At("eef_style_effect_size", "values", "simcrt.full")
	golden.Close(t, "effect size", c.EffectSize.Value, es.At("ES_total").Float(), 1e-9)
	interval := es.At("CI_total_satterthwaite").Floats()
	golden.Close(t, "lower limit", c.EffectSize.Interval.Low, interval[0], 1e-7)
	golden.Close(t, "upper limit", c.EffectSize.Interval.High, interval[1], 1e-7)
	found := 0
	for _, e := range c.EffectSizes {
		if e.Scale == analysis.ScalePooledSD {
			golden.Close(t, "effect size, pooled SD", e.Value, es.At("ES_pooled_SD").Float(), 1e-9)
			found++
		}
	}
	for _, i := range r.ICC {
		if i.Model == "unconditional" {
			golden.Close(t, "ICC", i.Value, es.At("ICC_unconditional").Float(), 1e-9)
			found++
		}
	}
	if found != 2 {
		t.Errorf("%d of 2 further numbers were found", found)
	}
	if r.Counts.PupilsUsed != 1437 || r.Counts.SchoolsUsed != 60 {
		t.Errorf("%d pupils in %d schools were used, want 1437 in 60", r.Counts.PupilsUsed, r.Counts.SchoolsUsed)
	}
	if _, err := json.Marshal(r); err != nil {
		t.Errorf("the results are no JSON: %v", err)
	}
}

// Exchanging the arms' roles turns the difference round and leaves its
// precision; another unit of the outcome leaves the effect size.
func TestRunProperties(t *testing.T) {
	d := dataset(t)
	a, err := Run(plan, d, nil)
	if err != nil {
		t.Fatal(err)
	}
	turned := *d
	turned.Control = 0
	b, err := Run(plan, &turned, nil)
	if err != nil {
		t.Fatal(err)
	}
	golden.Close(t, "the difference turned round", b.Contrasts[0].Difference.Value, -a.Contrasts[0].Difference.Value, 1e-9)
	golden.Close(t, "its SE", b.Contrasts[0].Difference.SE, a.Contrasts[0].Difference.SE, 1e-9)
	scaled := *d
	scaled.Outcome = make([]float64, len(d.Outcome))
	for i, y := range d.Outcome {
		scaled.Outcome[i] = 3*y - 100
	}
	c, err := Run(plan, &scaled, nil)
	if err != nil {
		t.Fatal(err)
	}
	golden.Close(t, "the effect size in other units", c.Contrasts[0].EffectSize.Value, a.Contrasts[0].EffectSize.Value, 1e-9)
	golden.Close(t, "the difference in other units", c.Contrasts[0].Difference.Value, 3*a.Contrasts[0].Difference.Value, 1e-9)
}

// Rows are lost for the plan's covariates only, each with one reason, and by
// arm they make up those of all.
func TestRunConserves(t *testing.T) {
	d := dataset(t)
	pretest := &d.Covariates[0]
	pretest.Observed = make([]bool, len(d.ID))
	unused := &d.Covariates[3]
	unused.Observed = make([]bool, len(d.ID))
	for i := range d.ID {
		pretest.Observed[i] = i%50 != 0
		unused.Observed[i] = i%3 != 0
		if i%40 == 1 {
			d.Observed[i], d.Lost[i] = false, "absent"
		}
	}
	p := plan
	p.Covariates = []string{"Pretest", "Stratum"}
	r, err := Run(p, d, nil)
	if err != nil {
		t.Fatal(err)
	}
	byArm, err := CountsByArm(p, d)
	if err != nil {
		t.Fatal(err)
	}
	lost := 0
	for _, l := range r.Counts.PupilsLost {
		lost += l.N
	}
	if r.Counts.PupilsRandomised != 1437 || r.Counts.PupilsUsed+lost != 1437 || lost < 50 || lost > 80 {
		t.Errorf("1437 randomised, %d used and %d lost", r.Counts.PupilsUsed, lost)
	}
	if used := byArm[0].PupilsUsed + byArm[1].PupilsUsed; used != r.Counts.PupilsUsed {
		t.Errorf("the arms use %d pupils, all together %d", used, r.Counts.PupilsUsed)
	}
	n := r.Arms[0].N + r.Arms[1].N + r.Arms[0].Missing + r.Arms[1].Missing
	if n != 1437 {
		t.Errorf("the arms' scores and gaps make %d", n)
	}
}

// Where schools are the rows, the linear model gives the difference of means.
func TestRunLinear(t *testing.T) {
	d := &analysis.Dataset{Arms: []string{"a", "c"}, Control: 1, Strata: []string{"all"}}
	for i, y := range []float64{3, 5, 4, 8, 1, 2, 2, 3} {
		d.ID = append(d.ID, string(rune('a'+i)))
		d.Clusters = append(d.Clusters, d.ID[i])
		d.Outcome = append(d.Outcome, y)
		d.Observed = append(d.Observed, true)
		d.Lost = append(d.Lost, "")
		d.Arm = append(d.Arm, i/4)
		d.Cluster = append(d.Cluster, i)
		d.Stratum = append(d.Stratum, 0)
		d.Community = append(d.Community, -1)
	}
	p := Plan{Outcome: "y", Role: Primary, Model: "linear", Covariates: []string{"Stratum"}, DF: "satterthwaite", EffectSize: analysis.ScalePooledSD, Level: 0.95}
	r, err := Run(p, d, nil)
	if err != nil {
		t.Fatal(err)
	}
	c := r.Contrasts[0]
	// By hand: means 5 and 2, variances 14/3 and 2/3, HC2 = s²/n summed.
	golden.Close(t, "difference", c.Difference.Value, 3, 1e-12)
	golden.Close(t, "SE", c.Difference.SE, math.Sqrt(14.0/3/4+2.0/3/4), 1e-12)
	golden.Close(t, "effect size", c.EffectSize.Value, 3/math.Sqrt((14.0+2)/6), 1e-12)
	var scale *ScaleError
	p.EffectSize = analysis.ScaleWithinUnconditional
	if _, err := Run(p, d, nil); !errors.As(err, &scale) {
		t.Errorf("an SD within schools where schools are rows: %v, want *ScaleError", err)
	}
	p.Covariates = []string{"nothing"}
	if _, err := Run(p, d, nil); err == nil {
		t.Error("a covariate that the data do not have was passed over")
	}
}
