package sap

import (
	"os"
	"slices"
	"testing"

	"evenhand/analysis"
	"evenhand/analysis/internal/golden"
)

// nested is partial.csv of the mixed models' tests: communities in the treated
// arm only.
func nested(t *testing.T) *analysis.Dataset {
	t.Helper()
	tab := golden.CSV(t, os.DirFS("../mixed/testdata"), "partial.csv")
	d := &analysis.Dataset{Arms: []string{"0", "1"}, Outcome: tab.Floats("y"), Strata: []string{"all"}}
	d.Cluster, d.Clusters = tab.Codes("school")
	d.Community, d.Communities = tab.Codes("community")
	for i, treated := range tab.Floats("treat") {
		d.ID, d.Lost, d.Observed = append(d.ID, "p"), append(d.Lost, ""), append(d.Observed, true)
		d.Arm, d.Stratum = append(d.Arm, int(treated)), append(d.Stratum, 0)
		if treated == 0 {
			d.Community[i] = -1
		}
	}
	d.Covariates = []analysis.Column{{Name: "x", Values: tab.Floats("x")}}
	return d
}

// The plan by the partially nested model is lme4's and pbkrtest's; the answer
// without communities stands beside it, and is that of the plan without them.
func TestPartiallyNestedPlan(t *testing.T) {
	r := golden.JSON(t, os.DirFS("../mixed/testdata"), "reference.json")
	d := nested(t)
	own := Plan{Outcome: "y", Role: Primary, Model: PartiallyNested, Covariates: []string{"x"}, DF: "kenward-roger", EffectSize: analysis.ScaleTotalConditional, Level: 0.95, Redraws: 20}
	drawn := make([]int, len(d.Clusters))
	for i, c := range d.Cluster {
		drawn[c] = d.Arm[i]
	}
	redraw := func(i int) []int {
		arms := slices.Clone(drawn)
		slices.Reverse(arms[:len(arms)-i%3])
		return arms
	}
	got, err := Run(own, d, redraw)
	if err != nil {
		t.Fatal(err)
	}
	c := got.Contrasts[0]
	golden.Close(t, "difference", c.Difference.Value, r.At("partial fixef").Floats()[1], 1e-7)
	golden.Close(t, "SE", c.Difference.SE, r.At("partial KR se").Floats()[1], 1e-6)
	golden.Close(t, "df", c.Difference.DF, r.At("partial KR df 2").Float(), 1e-5)
	golden.Close(t, "criterion", got.Fit.Criterion, r.At("partial REML").Float(), 1e-12)
	// The SD leaves the communities' variance out: school and residual.
	v := r.At("partial variances").Floats()
	golden.Close(t, "SD²", c.EffectSize.SD*c.EffectSize.SD, v[1]+v[2], 1e-5)

	own.Model = MixedModel
	plain, err := Run(own, d, redraw)
	if err != nil {
		t.Fatal(err)
	}
	if len(got.PlainClusters) != 1 || plain.PlainClusters != nil {
		t.Fatalf("%d and %d answers without communities", len(got.PlainClusters), len(plain.PlainClusters))
	}
	golden.Close(t, "without communities", got.PlainClusters[0].Difference.Value, plain.Contrasts[0].Difference.Value, 1e-12)
	golden.Close(t, "its SE", got.PlainClusters[0].Difference.SE, plain.Contrasts[0].Difference.SE, 1e-12)
	golden.Close(t, "its effect size", got.PlainClusters[0].EffectSize.Value, plain.Contrasts[0].EffectSize.Value, 1e-12)
	golden.Close(t, "redrawn", got.Randomisation.Tests[0].Observed, plain.Contrasts[0].Difference.Value, 1e-9)
	warned := func(r *Results) bool {
		return slices.ContainsFunc(r.Warnings, func(w analysis.Warning) bool { return w.Code == "communities-not-modelled" })
	}
	if warned(got) || !warned(plain) {
		t.Errorf("the warning that communities are not modelled: %v with them, %v without", warned(got), warned(plain))
	}
	blind, err := RunBlind(Plan{Outcome: "y", Role: Primary, Model: PartiallyNested, Covariates: []string{"x"}, DF: "kenward-roger", EffectSize: analysis.ScaleTotalConditional, Level: 0.95}, d, []int{0, 1}, nil)
	if err != nil {
		t.Fatal(err)
	}
	golden.Close(t, "blind", blind.Contrasts[0].Difference.Value, plain.Contrasts[0].Difference.Value, 1e-12)
	if len(blind.NotRun) != 1 || blind.NotRun[0].What != "the partially nested model" {
		t.Errorf("what a blind run leaves out: %+v", blind.NotRun)
	}
}
