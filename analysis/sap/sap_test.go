package sap

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"reflect"
	"slices"
	"strconv"
	"strings"
	"testing"

	"evenhand/analysis"
	"evenhand/analysis/attrition"
	"evenhand/analysis/internal/golden"
	"evenhand/analysis/missing"
	"evenhand/analysis/mixed"
)

// crt is the simulated trial of 60 schools of the reference cases, as a dataset
// whose people number 1, 2, ….
func crt(t testing.TB, name string) *analysis.Dataset {
	t.Helper()
	tab := golden.Data(t, name)
	d := &analysis.Dataset{Arms: []string{"control", "rlc"}}
	d.Cluster, d.Clusters = tab.Codes("School")
	d.Stratum, d.Strata = tab.Codes("Stratum")
	column := func(name string) analysis.Column {
		c := analysis.Column{Name: strings.ToLower(name)}
		for _, s := range tab.Text(name) {
			v, err := strconv.ParseFloat(s, 64)
			c.Values, c.Observed = append(c.Values, v), append(c.Observed, err == nil)
			if err != nil {
				c.Values[len(c.Values)-1] = 0
			}
		}
		return c
	}
	y, treat := column("Posttest"), column("Treat")
	d.Outcome, d.Observed = y.Values, y.Observed
	for i, v := range treat.Values {
		d.ID = append(d.ID, strconv.Itoa(i+1))
		d.Arm = append(d.Arm, int(v))
		d.Community = append(d.Community, -1)
		lost := ""
		if !d.Observed[i] {
			lost = "absent"
		}
		d.Lost = append(d.Lost, lost)
	}
	fsm := column("FSM")
	fsm.Binary = true
	d.Covariates = []analysis.Column{column("Pretest"), fsm}
	return d
}

var crtPlan = Plan{Outcome: "posttest", Label: "Posttest", Role: Primary, Model: "mixed", Covariates: []string{"pretest"}, DF: "kenward-roger", EffectSize: analysis.ScaleTotalUnconditional, Level: 0.95}

// exchange redraws by exchanging the arms of schools.
func exchange(d *analysis.Dataset) func(int) []int {
	drawn := make([]int, len(d.Clusters))
	for i, c := range d.Cluster {
		drawn[c] = d.Arm[i]
	}
	return func(i int) []int {
		rng := rand.New(rand.NewPCG(11, uint64(i)))
		arms := slices.Clone(drawn)
		rng.Shuffle(len(arms), func(a, b int) { arms[a], arms[b] = arms[b], arms[a] })
		return arms
	}
}

func run(t testing.TB, plan Plan, d *analysis.Dataset, redraw func(int) []int) *Results {
	t.Helper()
	r, err := Run(plan, d, redraw)
	if err != nil {
		t.Fatal(err)
	}
	if _, err := json.Marshal(r); err != nil {
		t.Fatalf("the results are no JSON: %v", err)
	}
	return r
}

// The planned estimate is the reference case's, and a plan that asks for
// nothing more gives nothing more.
func TestRunReference(t *testing.T) {
	r := run(t, crtPlan, crt(t, "sim_crt.csv"), nil)
	truth := golden.Mixed(t).At("models", "simcrt.adj", "truth_40digit_arithmetic")
	c := r.Contrasts[0]
	golden.Close(t, "difference", c.Difference.Value, truth.At("fixef", "Treat").Float(), 1e-9)
	golden.Close(t, "df", c.Difference.DF, truth.At("tests", "Treat", "kenward_roger", "df").Float(), 1e-7)
	golden.Close(t, "effect size", c.EffectSize.Value, golden.Mixed(t).At("eef_style_effect_size", "values", "simcrt.adj", "ES_total").Float(), 1e-9)
	if r.Randomisation != nil || r.Subgroups != nil || r.Missing != nil || r.Compliance != nil || r.NotRun != nil {
		t.Errorf("more than the plan: %+v", r)
	}
}

// The redraws' refits are those of the model fitted anew, and the p-values the
// counts.
func TestRandomisation(t *testing.T) {
	d := crt(t, "sim_crt.csv")
	plan := crtPlan
	plan.Redraws = 200
	redraw := exchange(d)
	r := run(t, plan, d, redraw)
	if r.Randomisation == nil {
		t.Fatalf("not run: %+v", r.NotRun)
	}
	test, ok := r.Randomisation.Of("rlc", RefitStatistics[0])
	if !ok || r.Randomisation.Redraws != 200 || len(r.Randomisation.Tests) != 3 {
		t.Fatalf("%+v", r.Randomisation)
	}
	golden.Close(t, "observed", test.Observed, r.Contrasts[0].Difference.Value, 1e-8)
	extreme := 0
	for i := range 200 {
		arms := redraw(i)
		other := *d
		other.Arm = make([]int, len(d.Arm))
		for k, c := range d.Cluster {
			other.Arm[k] = arms[c]
		}
		again := Results{Plan: plan}
		rows, err := again.rows(&other)
		if err != nil {
			t.Fatal(err)
		}
		data, _, err := rows.Design()
		if err != nil {
			t.Fatal(err)
		}
		fit, err := mixed.New(data, mixed.Model{})
		if err != nil {
			t.Fatal(err)
		}
		c, _ := fit.Coefficient("arm: rlc vs control")
		if i < 40 && math.Abs(test.redrawn[i]-c.Estimate) > 1e-7 {
			t.Errorf("redraw %d: %v, fitted anew %v", i, test.redrawn[i], c.Estimate)
		}
		if math.Abs(c.Estimate) >= math.Abs(test.Observed) {
			extreme++
		}
	}
	golden.Close(t, "p", test.P, float64(1+extreme)/201, 1e-12)
	if in := r.Randomisation.Interval; in == nil || !(in.Low < test.Observed && test.Observed < in.High) {
		t.Errorf("interval %v (%s)", in, r.Randomisation.Why)
	}
	// Without the design it is said, and the estimate stands.
	r = run(t, plan, d, nil)
	if r.Randomisation != nil || len(r.NotRun) != 1 || !strings.Contains(r.NotRun[0].Why, "not at hand") || r.Contrasts[0].Difference.Value != run(t, crtPlan, d, nil).Contrasts[0].Difference.Value {
		t.Errorf("without a design: %+v", r.NotRun)
	}
}

// Schools as rows have their test too.
func TestRandomisationLinear(t *testing.T) {
	d := schoolsMeasured()
	plan := Plan{Outcome: "y", Role: Primary, Model: "linear", DF: "z", EffectSize: analysis.ScaleTotalUnconditional, Level: 0.9, Redraws: 500}
	r := run(t, plan, d, exchange(d))
	if r.Randomisation == nil {
		t.Fatalf("not run: %+v", r.NotRun)
	}
	test, _ := r.Randomisation.Of("rlc", RefitStatistics[0])
	golden.Close(t, "observed", test.Observed, r.Contrasts[0].Difference.Value, 1e-12)
	extreme := 0
	for i := range 500 { // a difference of means
		arms := exchange(d)(i)
		var sum, n [2]float64
		for k, a := range arms {
			sum[a] += d.Outcome[k]
			n[a]++
		}
		if math.Abs(sum[1]/n[1]-sum[0]/n[0]) >= math.Abs(test.Observed)*(1-1e-9) {
			extreme++
		}
	}
	golden.Close(t, "p", test.P, float64(1+extreme)/501, 1e-12)
}

func schoolsMeasured() *analysis.Dataset {
	d := &analysis.Dataset{Arms: []string{"control", "rlc"}, Strata: []string{"all"}}
	for i, y := range []float64{3, 4, 2, 5, 4, 6, 5, 7, 6, 8, 4, 9} {
		id := string(rune('A' + i))
		d.ID, d.Clusters = append(d.ID, id), append(d.Clusters, id)
		d.Outcome, d.Observed, d.Lost = append(d.Outcome, y), append(d.Observed, true), append(d.Lost, "")
		d.Arm, d.Cluster = append(d.Arm, i/6), append(d.Cluster, i)
		d.Stratum, d.Community = append(d.Stratum, 0), append(d.Community, -1)
	}
	return d
}

// P-values by hand: enumerated, drawn, ties and failures.
func TestRedrawCounts(t *testing.T) {
	for _, c := range []struct {
		name               string
		observed           float64
		redrawn            []float64
		enumerated         bool
		both, upper, lower float64
	}{
		{"enumerated", 2, []float64{2, -2, 1, 3}, true, 3.0 / 4, 2.0 / 4, 3.0 / 4},
		{"drawn", 2, []float64{2, -2, 1, 3}, false, 4.0 / 5, 3.0 / 5, 4.0 / 5},
		{"tie by rounding", 0.3, []float64{0.1 + 0.2, 0}, true, 1.0 / 2, 1.0 / 2, 1},
		{"failed", 2, []float64{math.NaN(), 1}, false, 2.0 / 3, 2.0 / 3, 1},
		{"below", -1, []float64{0, 5, -0.5}, false, 2.0 / 4, 1, 1.0 / 4},
	} {
		p := RedrawP{Observed: c.observed, redrawn: c.redrawn}
		p.count(c.enumerated)
		if p.P != c.both || p.Upper != c.upper || p.Lower != c.lower {
			t.Errorf("%s: %v, %v, %v; want %v, %v, %v", c.name, p.P, p.Upper, p.Lower, c.both, c.upper, c.lower)
		}
	}
	if _, err := (Redrawing{}).Run(); err == nil {
		t.Error("no redraws, and no error")
	}
}

// The interaction is the one of the model with the product; the effects within
// are those of the subgroups by themselves.
func TestSubgroup(t *testing.T) {
	d := crt(t, "sim_crt.csv")
	plan := crtPlan
	plan.Subgroups = []string{"fsm", "nothing", "pretest"}
	r := run(t, plan, d, nil)
	if len(r.Subgroups) != 1 || len(r.NotRun) != 2 {
		t.Fatalf("%d subgroups, not run %+v", len(r.Subgroups), r.NotRun)
	}
	s := r.Subgroups[0]
	rows, err := mixed.FromDataset(d, []string{"pretest", "fsm"})
	if err != nil {
		t.Fatal(err)
	}
	rows.Interactions = [][2]string{{"arm", "fsm"}}
	data, _, err := rows.Design()
	if err != nil {
		t.Fatal(err)
	}
	fit, err := mixed.New(data, mixed.Model{})
	if err != nil {
		t.Fatal(err)
	}
	want, err := fit.Test("arm: rlc vs control × fsm", mixed.KenwardRoger, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	golden.Close(t, "interaction", s.Interactions[0].Difference.Value, want.Estimate, 1e-12)
	golden.Close(t, "its p", s.Interactions[0].Difference.P, want.P, 1e-12)
	if len(s.Within) != 2 || s.Within[0].Value != "no" || s.Within[1].Value != "yes" {
		t.Fatalf("%+v", s.Within)
	}
	used := 0
	for v, w := range s.Within {
		part := keepRows(d, func(i int) bool { return d.Covariates[1].Values[i] == float64(v) })
		alone := run(t, crtPlan, part, nil)
		golden.Close(t, "difference among "+w.Value, w.Difference.Value, alone.Contrasts[0].Difference.Value, 1e-12)
		golden.Close(t, "effect size among "+w.Value, w.EffectSize.Value, alone.Contrasts[0].EffectSize.Value, 1e-12)
		golden.Close(t, "interval among "+w.Value, w.EffectSize.Interval.Low, alone.Contrasts[0].EffectSize.Interval.Low, 1e-12)
		used += w.Difference.Counts.PupilsUsed
	}
	if used != r.Counts.PupilsUsed {
		t.Errorf("%d used in both subgroups, %d in all", used, r.Counts.PupilsUsed)
	}
	// A subgroup that is a covariate of the plan already.
	plan.Covariates, plan.Subgroups = []string{"pretest", "fsm"}, []string{"fsm"}
	again := run(t, plan, d, nil)
	golden.Close(t, "interaction", again.Subgroups[0].Interactions[0].Difference.Value, want.Estimate, 1e-12)
}

// What is missing is counted; above the threshold it is imputed; each
// sensitivity analysis is there; and the same again gives the same again.
func TestMissing(t *testing.T) {
	d := crt(t, "sim_missing.csv")
	plan := crtPlan
	plan.Missing = &MissingRule{ImputeAbove: 0.05, Imputations: 5, Sensitivity: []string{Delta, Reference, Bounds, Weights}, Lowest: 0, Highest: 200}
	r := run(t, plan, d, nil)
	m := r.Missing
	if m == nil || len(r.NotRun) > 0 {
		t.Fatalf("not run: %+v", r.NotRun)
	}
	gone := 0
	for _, o := range d.Observed {
		if !o {
			gone++
		}
	}
	if m.Variables[0].Name != "posttest" || m.Variables[0].Missing != gone || gone != 172 || !m.Indicated {
		t.Errorf("missing: %+v, counted %d", m.Variables, gone)
	}
	if arms := m.Variables[0].Arms; arms[0].Missing+arms[1].Missing != gone {
		t.Errorf("by arm: %+v", arms)
	}
	pooled := m.Imputation.Contrasts[0].Difference
	if m.Imputation.Imputations != 5 || m.Imputation.Imputed[0].N != gone || !(pooled.Between > 0) || !(pooled.SE*pooled.SE > pooled.Within) {
		t.Errorf("%+v", m.Imputation)
	}
	// Imputed at random from the same model, the estimate is near the complete
	// cases'.
	if c := r.Contrasts[0].Difference; math.Abs(pooled.Estimate-c.Value) > 2*c.SE {
		t.Errorf("imputed %v, complete cases %v (SE %v)", pooled.Estimate, c.Value, c.SE)
	}
	i := m.Imputation
	if i.BurnIn != 1000 || i.Between != 100 || i.Chains != 2 || len(i.Parameters) < 5 || i.ICC == nil || !(i.ICC.Interval.Low < i.ICC.Estimate) || i.Joint != nil {
		t.Errorf("%+v", i)
	}
	for _, p := range i.Parameters {
		if p.Parameter == "" || !(p.SD > 0) || !(p.RHat > 0.9 && p.RHat <= i.RHat) || !(p.ESS > 10) {
			t.Errorf("%+v", p)
		}
	}
	// Those lost from the arm go on as the control arm: the effect is that of those
	// who stayed, thinned by the share lost; copying the reference jumps alike.
	lost, of := 0, 0
	for k, a := range d.Arm {
		if a != d.Control {
			of++
			if !d.Observed[k] {
				lost++
			}
		}
	}
	if len(m.Reference) != 3 || m.Reference[0].Assumption != missing.JumpToReference || m.Reference[2].Difference != m.Reference[0].Difference {
		t.Fatalf("%+v", m.Reference)
	}
	thinned := pooled.Estimate * (1 - float64(lost)/float64(of))
	for _, x := range m.Reference {
		if math.Abs(x.Difference.Estimate-thinned) > 0.15*math.Abs(pooled.Estimate) {
			t.Errorf("%s: %v, want about %v", x.Assumption, x.Difference.Estimate, thinned)
		}
	}
	points := m.Delta[0].Points
	if len(points) != len(deltaSDs) || points[4].Delta != 0 {
		t.Fatalf("%+v", points)
	}
	golden.Close(t, "no shift", points[4].Pooled.Estimate, pooled.Estimate, 1e-9)
	for i := 1; i < len(points); i++ {
		if !(points[i].Pooled.Estimate > points[i-1].Pooled.Estimate) {
			t.Errorf("a larger shift, and no larger estimate: %+v", points[i])
		}
	}
	if len(m.Delta[0].Tipping) != 2 {
		t.Errorf("%+v", m.Delta[0].Tipping)
	}
	b := m.Bounds[0]
	if !(b.Range.Low < b.Lee.Low && b.Lee.Low <= b.Lee.High && b.Lee.High < b.Range.High) {
		t.Errorf("bounds %+v, range %+v", b.Lee.Lee, b.Range)
	}
	if w := m.Weighted; !(w.EffectiveN > 500 && w.EffectiveN <= float64(r.Counts.PupilsUsed)) || math.Abs(w.Contrasts[0].Difference.Value-r.Contrasts[0].Difference.Value) > 1.5 {
		t.Errorf("%+v", w)
	}
	if again := run(t, plan, d, nil); !reflect.DeepEqual(r, again) {
		t.Error("run again, it gives something else")
	}

	// The chains can be had, from the run itself and from results read back, and
	// the results' notes are theirs.
	chains, err := r.Chains(d)
	if err != nil || len(chains) != len(m.Imputation.Parameters) || len(chains[0].Chains) != m.Imputation.Chains {
		t.Fatalf("%d chains, %v", len(chains), err)
	}
	sum, draws := 0.0, 0
	for _, c := range chains[1].Chains {
		for _, v := range c {
			sum, draws = sum+v, draws+1
		}
	}
	if got := m.Imputation.Parameters[1]; draws != m.Imputation.Imputations*m.Imputation.Between || math.Abs(sum/float64(draws)-got.Mean) > 1e-12 {
		t.Errorf("%d draws with mean %v: %+v", draws, sum/float64(draws), got)
	}
	back := *r
	back.sets = nil
	if again, err := back.Chains(d); err != nil || !reflect.DeepEqual(again, chains) {
		t.Errorf("chains again: %v", err)
	}
	other := *d
	other.Outcome = slices.Clone(d.Outcome)
	other.Outcome[slices.Index(d.Observed, true)]++
	back.sets = nil
	if _, err := back.Chains(&other); err == nil {
		t.Error("chains of other data pass for those of the results")
	}

	// Where nobody of some strata has a score, the first among them, they are imputed
	// as those of another, and that is said.
	strataGone := *d
	strataGone.Observed, strataGone.Lost = slices.Clone(d.Observed), slices.Clone(d.Lost)
	for i, s := range d.Stratum {
		if (s == 0 || s == 2) && d.Observed[i] {
			strataGone.Observed[i], strataGone.Lost[i] = false, "score missing"
		}
	}
	stratified := plan
	stratified.Covariates = []string{"pretest", "Stratum"}
	stratified.Missing = &MissingRule{ImputeAbove: 0.05, Imputations: 5}
	without := run(t, stratified, &strataGone, nil)
	if without.Missing.Imputation == nil {
		t.Fatalf("strata without scores: %+v", without.NotRun)
	}
	var said []string
	for _, w := range without.Missing.Imputation.Warnings {
		if w.Code == "stratum-without-values" {
			said = append(said, w.Text[:strings.Index(w.Text, " has a score")]+w.Text[strings.LastIndex(w.Text, " as if"):])
		}
	}
	name := func(s, as int) string {
		return fmt.Sprintf("Nobody in the stratum %s as if in the stratum %s.", d.Strata[s], d.Strata[as])
	}
	if !slices.Equal(said, []string{name(2, 1), name(0, 1)}) {
		t.Errorf("said %q", said)
	}

	// By arm, there is no reference to go over to; everything else is there.
	plan.Missing = &MissingRule{ImputeAbove: 0.05, Imputations: 5, ByArm: true, Sensitivity: []string{Reference}}
	own := run(t, plan, d, nil)
	if p := own.Missing.Imputation.Parameters; own.Missing.Reference != nil || len(own.NotRun) != 1 || p[0].Arm == "" || p[0].Arm == p[len(p)-1].Arm {
		t.Errorf("by arm: %+v, %+v", own.NotRun, p)
	}

	// With an interaction the sampler has a coefficient for it, if the column has no
	// gaps; otherwise that is said.
	plan.Missing = &MissingRule{ImputeAbove: 0.05, Imputations: 5, Interactions: []string{"pretest"}, Sensitivity: []string{Reference}}
	left := func(r *Results) bool {
		return slices.ContainsFunc(r.Missing.Imputation.Warnings, func(w analysis.Warning) bool { return w.Code == "interaction-left-out" })
	}
	product := func(r *Results) bool {
		return slices.ContainsFunc(r.Missing.Imputation.Parameters, func(n SamplerNote) bool { return strings.HasSuffix(n.Parameter, "× pretest") })
	}
	if gappy := run(t, plan, d, nil); !left(gappy) || product(gappy) || gappy.Missing.Reference != nil || len(gappy.NotRun) != 1 {
		t.Errorf("an interaction with a column that has gaps: %+v, %+v", gappy.NotRun, gappy.Missing.Imputation)
	}
	whole := *d
	whole.Covariates = slices.Clone(d.Covariates)
	for i, c := range whole.Covariates {
		if c.Name == "pretest" {
			whole.Covariates[i].Observed = nil
		}
	}
	if crossed := run(t, plan, &whole, nil); left(crossed) || !product(crossed) {
		t.Errorf("interaction: %+v", crossed.Missing.Imputation)
	}

	// Below the threshold nothing is imputed, and with nothing missing nothing is
	// done.
	plan.Missing = &MissingRule{ImputeAbove: 0.5, Imputations: 5, Sensitivity: []string{Delta}}
	if r := run(t, plan, d, nil); r.Missing.Indicated || r.Missing.Imputation != nil || r.Missing.Delta != nil {
		t.Errorf("below the threshold: %+v", r.Missing)
	}
	plan.Missing = &MissingRule{ImputeAbove: 0, Imputations: 5, Sensitivity: []string{Delta, Bounds, Weights}}
	if r := run(t, plan, crt(t, "sim_crt.csv"), nil); r.Missing.Imputation != nil || r.Missing.Bounds != nil || r.Missing.Largest != 0 || r.NotRun != nil {
		t.Errorf("nothing missing: %+v, %+v", r.Missing, r.NotRun)
	}
}

// Two-stage least squares is estimatr's; the rest is counted.
func TestCompliance(t *testing.T) {
	d := crt(t, "sim_crt.csv")
	r := Results{Plan: crtPlan, Contrasts: []Contrast{{Arm: "rlc", Against: "control", EffectSize: analysis.Estimate{Scale: analysis.ScaleTotalUnconditional, SD: 10}}}}
	model, err := planned(crtPlan, d)
	if err != nil {
		t.Fatal(err)
	}
	rows, err := r.rows(model)
	if err != nil {
		t.Fatal(err)
	}
	data, _, err := rows.Design()
	if err != nil {
		t.Fatal(err)
	}
	tab := golden.Data(t, "sim_crt.csv")
	for name, received := range map[string][]float64{"received": tab.Floats("Received"), "dose": tab.Floats("Dose")} {
		want := golden.Mixed(t).At("cace", "simcrt."+name, "iv_robust_CR2")
		term := map[string]string{"received": "Received", "dose": "Dose"}[name]
		got, err := r.instrumented(data, d.Cluster, name, received)
		if err != nil {
			t.Fatal(err)
		}
		golden.Close(t, name, got.Difference.Value, want.At("coef", term).Float(), 1e-9)
		golden.Close(t, name+" SE", got.Difference.SE, want.At("se", term).Float(), 1e-9)
		golden.Close(t, name+" df", got.Difference.DF, want.At("df", term).Float(), 1e-7)
		golden.Close(t, name+" first stage", got.FirstStage.F, want.At("first_stage_F", "value").Float(), 1e-8)
		golden.Close(t, name+" effect size", got.EffectSize.Value, got.Difference.Value/10, 1e-12)
	}

	plan := crtPlan
	plan.Compliance = &ComplianceRule{AtLeast: 6, Sessions: 8, By: "any leader"}
	if r := run(t, plan, d, nil); r.Compliance != nil || len(r.NotRun) != 1 || r.NotRun[0].Why != "no attendance was recorded" {
		t.Errorf("without attendance: %+v", r.NotRun)
	}
	dose := analysis.Column{Name: SessionsColumn, Values: make([]float64, len(d.Clusters))}
	treated := 0
	for c := range d.Clusters {
		i := slices.Index(d.Cluster, c)
		if d.Arm[i] == 1 {
			dose.Values[c] = float64(4 + treated%4) // 4 to 7 sessions, equally often
			treated++
		}
	}
	d.SchoolCovariates = append(d.SchoolCovariates, dose)
	c := run(t, plan, d, nil).Compliance
	if c == nil || c.Arms[0].Compliers != 0 || c.Arms[1].Schools != treated || c.Arms[1].Compliers != treated/2 || c.Arms[1].Mean != 5.5 {
		t.Fatalf("%d treated: %+v", treated, c)
	}
	golden.Close(t, "Bloom", c.CACE.Bloom.Estimate, c.CACE.Difference.Value, 1e-9)
	if c.PerSession == nil || c.DoseResponse == nil || !strings.Contains(c.DoseResponse.Method, "not experimental") {
		t.Errorf("%+v", c)
	}
	for _, b := range run(t, plan, d, nil).Balance {
		if b.Variable == SessionsColumn {
			t.Error("sessions attended are in the balance table")
		}
	}
}

// Benjamini and Hochberg's adjusted p-values are R's p.adjust's; Holm's by
// hand (R: p.adjust(p, "holm")).
func TestAdjustP(t *testing.T) {
	cases := golden.Statistics(t).At("s1_wwc", "benjamini_hochberg")
	golden.AtLeast(t, "cases", cases.Len(), 3)
	for i := range cases.Len() {
		c := cases.Index(i)
		got, err := AdjustP(c.At("p").Floats(), BenjaminiHochberg)
		if err != nil {
			t.Fatal(err)
		}
		golden.CloseAll(t, "adjusted", got, c.At("p_adjust_BH").Floats(), 1e-12)
		significant := 0
		for _, p := range got {
			if p <= 0.05 {
				significant++
			}
		}
		golden.Close(t, "significant", float64(significant), c.At("n_significant").Float(), 0)
	}
	got, err := AdjustP([]float64{0.04, 0.01, 0.03, 0.02, 0.5}, Holm)
	if err != nil {
		t.Fatal(err)
	}
	golden.CloseAll(t, "Holm", got, []float64{0.09, 0.05, 0.09, 0.08, 0.5}, 1e-12)
	for _, p := range [][]float64{{math.NaN()}, {-0.1}, {1.1}} {
		if _, err := AdjustP(p, Holm); err == nil {
			t.Errorf("%v were adjusted", p)
		}
	}
	if _, err := AdjustP([]float64{0.1}, "bonferroni"); err == nil {
		t.Error("an unknown method was used")
	}
}

// Only secondary outcomes are adjusted, all together.
func TestAdjust(t *testing.T) {
	result := func(role Role, p ...float64) Results {
		r := Results{Plan: Plan{Outcome: "y", Role: role, Multiplicity: BenjaminiHochberg}}
		for _, v := range p {
			r.Contrasts = append(r.Contrasts, Contrast{Difference: analysis.Estimate{P: v}})
		}
		return r
	}
	all := []Results{result(Primary, 0.001), result(Secondary, 0.04, 0.01), result(Secondary, 0.03), result(Exploratory, 0.02)}
	if err := Adjust(all); err != nil {
		t.Fatal(err)
	}
	if all[0].Adjusted != nil || all[3].Adjusted != nil || all[1].Adjusted.Tests != 3 {
		t.Fatalf("%+v", all)
	}
	golden.Close(t, "first", all[1].Adjusted.Contrasts[0].Adjusted, 0.04, 1e-12)
	golden.Close(t, "second", all[1].Adjusted.Contrasts[1].Adjusted, 0.03, 1e-12)
	golden.Close(t, "third", all[2].Adjusted.Contrasts[0].Adjusted, 0.04, 1e-12)
	all[2].Plan.Multiplicity = Holm
	if err := Adjust(all); err == nil {
		t.Error("two methods went together")
	}
}

// Rows that are left keep their places, and schools that lost all rows go.
func TestKeepRows(t *testing.T) {
	d := crt(t, "sim_crt.csv")
	part := keepRows(d, func(i int) bool { return d.Cluster[i]%2 == 0 })
	if len(part.Clusters) != 30 {
		t.Errorf("%d schools are left", len(part.Clusters))
	}
	k := 0
	for i := range d.ID {
		if d.Cluster[i]%2 != 0 {
			continue
		}
		if part.ID[k] != d.ID[i] || part.Clusters[part.Cluster[k]] != d.Clusters[d.Cluster[i]] || part.Outcome[k] != d.Outcome[i] || part.Covariates[0].Values[k] != d.Covariates[0].Values[i] {
			t.Fatalf("row %d is not row %d", k, i)
		}
		k++
	}
	if k != len(part.ID) {
		t.Errorf("%d rows, not %d", len(part.ID), k)
	}
	use, err := attrition.UseOf(part, analysis.CompleteCase)
	if err != nil {
		t.Fatal(err)
	}
	if counts, err := attrition.Count(part, use, -1); err != nil || counts.SchoolsRandomised != 30 {
		t.Errorf("%+v, %v", counts, err)
	}
}

// With flat priors' near cousins and many pupils the posterior is near the
// fit's own normal distribution, and P(effect > x) falls from 1 to 0.
func TestPosterior(t *testing.T) {
	plan := crtPlan
	plan.Posterior = true
	d := crt(t, "sim_crt.csv")
	r := run(t, plan, d, nil)
	if r.Posterior == nil || len(r.Posterior.Arms) != 1 {
		t.Fatalf("no posterior: %v", r.NotRun)
	}
	a, c := r.Posterior.Arms[0], r.Contrasts[0]
	if math.Abs(a.Mean-c.EffectSize.Value) > 0.15*c.EffectSize.SE || a.Spread < 0.9*c.EffectSize.SE || a.Spread > 1.25*c.EffectSize.SE {
		t.Errorf("posterior %v (SD %v), the fit has %v (SE %v)", a.Mean, a.Spread, c.EffectSize.Value, c.EffectSize.SE)
	}
	if a.RHat > 1.02 || a.Bulk < 400 || a.SD != c.EffectSize.SD {
		t.Errorf("R-hat %v, %v independent draws, SD %v", a.RHat, a.Bulk, a.SD)
	}
	last, zero := 1.0, false
	for i, e := range a.Exceeds {
		if e.Probability > last || i > 0 && e.Above <= a.Exceeds[i-1].Above {
			t.Fatalf("%v after %v", e, a.Exceeds[i-1])
		}
		normal := 0.5 * math.Erfc((e.Above-a.Mean)/a.Spread/math.Sqrt2)
		if math.Abs(e.Probability-normal) > 0.04 {
			t.Errorf("above %v: %v, a normal distribution has %v", e.Above, e.Probability, normal)
		}
		last, zero = e.Probability, zero || e.Above == 0
	}
	if !zero || a.Exceeds[0].Probability < 0.999 || last > 0.001 {
		t.Errorf("from %v to %v", a.Exceeds[0], a.Exceeds[len(a.Exceeds)-1])
	}
	if again := run(t, plan, d, nil); again.Posterior.Arms[0].Mean != a.Mean {
		t.Error("the plan run again has another posterior")
	}
	if got := thresholds(0, 40); len(got) > 400 || got[0] > -160 {
		t.Errorf("%d thresholds from %v", len(got), got[0])
	}
}
