package sap

import (
	"math"
	"os"
	"slices"
	"testing"

	"evenhand/analysis"
	"evenhand/analysis/internal/golden"
)

// Step-down adjusted p-values against R, and one by hand.
func TestStepDown(t *testing.T) {
	files := os.DirFS("testdata/westfall-young")
	r := golden.JSON(t, files, "reference.json")
	tab := golden.CSV(t, files, "redraws.csv")
	var tests []RedrawP
	for i, observed := range r.At("observed").Floats() {
		tests = append(tests, RedrawP{Observed: observed, redrawn: tab.Floats([]string{"t1", "t2", "t3", "t4", "t5"}[i])})
	}
	got, err := StepDown(tests)
	if err != nil {
		t.Fatal(err)
	}
	golden.CloseAll(t, "adjusted", got, r.At("adjusted").Floats(), 1e-14)
	// Two tests, four redraws: 3 is reached by the larger of both in redraws 1
	// and 4, so (1+2)/5; 1 by the second alone in 1 and 3, so 3/5 as well.
	hand, err := StepDown([]RedrawP{{Observed: 1, redrawn: []float64{-2, 0, 1, 0.5}}, {Observed: -3, redrawn: []float64{3, 2, 0, math.NaN()}}})
	if err != nil || !slices.Equal(hand, []float64{0.6, 0.6}) {
		t.Errorf("by hand: %v, %v", hand, err)
	}
	if _, err := StepDown([]RedrawP{{redrawn: []float64{1}}, {}}); err == nil {
		t.Error("tests of unlike redraws were adjusted")
	}
}

// The plan adjusts its secondary outcomes by the redraws; one alone keeps its
// own p-value, and without redraws it is said.
func TestWestfallYoungPlan(t *testing.T) {
	d := dataset(t)
	drawn := make([]int, len(d.Clusters))
	for i, c := range d.Cluster {
		drawn[c] = d.Arm[i]
	}
	redraw := func(i int) []int {
		arms := slices.Clone(drawn)
		for k := range arms { // a fixed shuffle of each redraw
			j := (k*7 + i*13) % len(arms)
			arms[k], arms[j] = arms[j], arms[k]
		}
		return arms
	}
	own := plan
	own.Role, own.Multiplicity, own.Redraws = Secondary, WestfallYoung, 99
	other := own
	other.Outcome, other.Covariates = "other", []string{"Pretest"}
	one, err := RunAll([]Job{{Plan: own, Data: d, Redraw: redraw}})
	if err != nil {
		t.Fatal(err)
	}
	if a := one[0].Adjusted.Contrasts[0]; a.P != a.Adjusted || a.P != one[0].Randomisation.Tests[1].P {
		t.Errorf("one test alone: %+v, of %+v", a, one[0].Randomisation.Tests[1])
	}
	two, err := RunAll([]Job{{Plan: own, Data: d, Redraw: redraw}, {Plan: other, Data: d, Redraw: redraw}})
	if err != nil {
		t.Fatal(err)
	}
	want, err := StepDown([]RedrawP{two[0].Randomisation.Tests[1], two[1].Randomisation.Tests[1]})
	if err != nil {
		t.Fatal(err)
	}
	for i, r := range two {
		if r.Adjusted == nil || r.Adjusted.Tests != 2 || r.Adjusted.Contrasts[0].Adjusted != want[i] || want[i] < r.Adjusted.Contrasts[0].P {
			t.Errorf("test %d: %+v, want %v", i, r.Adjusted, want)
		}
	}
	without, err := RunAll([]Job{{Plan: own, Data: d}})
	if err != nil {
		t.Fatal(err)
	}
	if without[0].Adjusted != nil || !slices.ContainsFunc(without[0].NotRun, func(n NotRun) bool { return n.What == notAdjusted }) {
		t.Errorf("without redraws: %+v", without[0])
	}
}

// With three arms, a pair that the plan names and the joint test are the same
// whichever arm is the control; every estimate says what it is.
func TestSeveralArms(t *testing.T) {
	d := dataset(t)
	d.Arms = []string{"a", "b", "c"}
	for i, c := range d.Cluster {
		d.Arm[i] = c % 3
	}
	for _, model := range []string{MixedModel, LinearModel} {
		own := plan
		own.Model, own.Pairs, own.Subgroups = model, [][2]string{{"a", "b"}}, []string{"FSM"}
		own.Covariates = []string{"Pretest"}
		if model == LinearModel {
			own.EffectSize = analysis.ScaleTotalConditional
		}
		d.Control = 2
		r, err := Run(own, d, nil)
		if err != nil {
			t.Fatal(err)
		}
		again := *d
		again.Control = 1
		other, err := Run(own, &again, nil)
		if err != nil {
			t.Fatal(err)
		}
		direct := other.Contrasts[0] // a against b
		if len(r.Pairs) != 1 || r.Pairs[0].Arm != "a" || direct.Arm != "a" || direct.Against != "b" || r.ArmsTest == nil {
			t.Fatalf("%s: pairs %+v, test %+v", model, r.Pairs, r.ArmsTest)
		}
		golden.Close(t, model+" difference", r.Pairs[0].Difference.Value, direct.Difference.Value, 1e-9)
		golden.Close(t, model+" SE", r.Pairs[0].Difference.SE, direct.Difference.SE, 1e-9)
		golden.Close(t, model+" df", r.Pairs[0].Difference.DF, direct.Difference.DF, 1e-7)
		golden.Close(t, model+" p", r.Pairs[0].Difference.P, direct.Difference.P, 1e-7)
		golden.Close(t, model+" effect size", r.Pairs[0].EffectSize.Value, direct.EffectSize.Value, 1e-9)
		golden.Close(t, model+" F", r.ArmsTest.F, other.ArmsTest.F, 1e-7)
		golden.Close(t, model+" p of F", r.ArmsTest.P, other.ArmsTest.P, 1e-5) // the degrees of freedom of a joint test hang a little on how it is written
		if r.ArmsTest.DF1 != 2 || !(r.ArmsTest.DF2 > 10) {
			t.Errorf("%s: %+v", model, r.ArmsTest)
		}
		if model == LinearModel {
			continue
		}
		for what, c := range map[string]struct{ got, want string }{
			"contrast": {r.Contrasts[0].Difference.Estimand.Role, "primary"}, "pair": {r.Pairs[0].EffectSize.Estimand.Role, "primary"},
			"interaction": {r.Subgroups[0].Interactions[0].Difference.Estimand.Role, SubgroupInteraction}, "within": {r.Subgroups[0].Within[1].EffectSize.Estimand.Role, SubgroupWithin},
		} {
			if c.got != c.want {
				t.Errorf("%s is marked %q, want %q", what, c.got, c.want)
			}
		}
		for _, e := range r.Contrasts[0].EffectSizes {
			if want := map[bool]string{true: "primary", false: Sensitivity}[e.Scale == own.EffectSize]; e.Estimand.Role != want {
				t.Errorf("%s is marked %q, want %q", e.Scale, e.Estimand.Role, want)
			}
		}
		own.Role = Exploratory
		if r, err = Run(own, d, nil); err != nil {
			t.Fatal(err)
		}
		if r.Contrasts[0].Difference.Estimand.Role != "exploratory" || r.Subgroups[0].Within[0].Difference.Estimand.Role != "exploratory" {
			t.Errorf("an exploratory analysis is marked %q", r.Contrasts[0].Difference.Estimand.Role)
		}
	}
	if r, err := Run(Plan{Outcome: "post", Role: Primary, Model: MixedModel, DF: "z", EffectSize: analysis.ScalePooledSD, Level: 0.9, Pairs: [][2]string{{"b", "a"}, {"a", "x"}}}, d, nil); err != nil || len(r.Pairs) != 1 || len(r.NotRun) != 1 || r.ArmsTest.DF2 != 0 {
		t.Errorf("%+v, %v", r, err)
	}
}
