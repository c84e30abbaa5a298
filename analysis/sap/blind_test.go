package sap

import (
	"encoding/json"
	"math"
	"regexp"
	"slices"
	"testing"

	"evenhand/analysis"
	"evenhand/analysis/internal/golden"
)

// A blind run gives the planned difference or its opposite, whichever arm is
// called A, and holds nothing that one arm alone has.
func TestRunBlind(t *testing.T) {
	d := dataset(t)
	// Communities and sessions in the arm rlc alone, and unequal losses.
	d.Communities = []string{"rlc 01", "rlc 02"}
	sessions := analysis.Column{Name: SessionsColumn, Values: make([]float64, len(d.Clusters))}
	for i, a := range d.Arm {
		if a == 0 {
			d.Community[i] = d.Cluster[i] % 2
			sessions.Values[d.Cluster[i]] = 7
		}
		if a == 0 && i%9 == 0 {
			d.Observed[i], d.Lost[i] = false, "absent"
		}
	}
	d.SchoolCovariates = append(d.SchoolCovariates, sessions)
	own := plan
	own.Subgroups = []string{"FSM"}
	own.EffectSize = analysis.ScaleControlSD
	own.Compliance = &ComplianceRule{AtLeast: 6, Sessions: 8}
	own.Missing = &MissingRule{ImputeAbove: 0.9, Imputations: 2, Sensitivity: []string{Delta, Bounds, Weights}}
	open, err := Run(own, d, nil)
	if err != nil {
		t.Fatal(err)
	}
	// The letters' redraws are the arms'.
	drawn := make([]int, len(d.Clusters))
	for i, c := range d.Cluster {
		drawn[c] = d.Arm[i]
	}
	own.Redraws = 3
	for _, order := range [][]int{{0, 1}, {1, 0}} {
		r, err := RunBlind(own, d, order, func(i int) []int {
			shifted := slices.Clone(drawn)
			slices.Reverse(shifted[:2*(i+5)])
			return shifted
		})
		if err != nil {
			t.Fatal(err)
		}
		c, sign := r.Contrasts[0], 1.0
		if order[0] == 0 { // A is the intervention arm, and B is compared with it
			sign = -1
		}
		if c.Arm != "B" || c.Against != "A" || r.Mark != Blinded {
			t.Errorf("order %v: %s vs %s, mark %q", order, c.Arm, c.Against, r.Mark)
		}
		golden.Close(t, "difference", c.Difference.Value, sign*open.Contrasts[0].Difference.Value, 1e-9)
		golden.Close(t, "SE", c.Difference.SE, open.Contrasts[0].Difference.SE, 1e-9)
		golden.Close(t, "interaction", r.Subgroups[0].Interactions[0].Difference.Value, sign*open.Subgroups[0].Interactions[0].Difference.Value, 1e-9)
		if c.EffectSize.Scale != analysis.ScalePooledSD || c.Unadjusted != nil || r.Arms != nil || r.Balance != nil || r.Attrition != nil || r.Compliance != nil || r.Missing.Bounds != nil {
			t.Errorf("order %v: something of one arm is left: %+v", order, c)
		}
		if r.Randomisation == nil || math.Abs(r.Randomisation.Tests[0].Observed-c.Difference.Value) > 1e-9 {
			t.Errorf("order %v: the redraws do not fit the letters: %+v, %+v", order, r.Randomisation, r.NotRun)
		}
		what := map[string]bool{}
		for _, n := range r.NotRun {
			what[n.What] = true
		}
		for _, want := range []string{"compliance", "effect size by the control arm's SD", "missing scores, delta", "missing scores, bounds"} {
			if !what[want] {
				t.Errorf("order %v: %q is left out in silence: %+v", order, want, r.NotRun)
			}
		}
		r.Plan = Plan{} // it is in the protocol
		text, err := json.Marshal(r)
		if err != nil {
			t.Fatal(err)
		}
		if found := regexp.MustCompile(`rlc|"control"|control-sd|sessions attended|"community`).Find(text); found != nil {
			t.Errorf("order %v: a blind run has %s", order, found)
		}
	}
	// Where missing values are filled in, the models of the outcome and of the
	// baseline have the arms in them: their differences stay hidden.
	d.Covariates[0].Observed = make([]bool, len(d.Arm))
	for i := range d.Arm {
		d.Covariates[0].Observed[i] = i%41 != 3
	}
	own.Redraws, own.Subgroups = 0, nil
	for _, byArm := range []bool{false, true} {
		own.Missing = &MissingRule{ImputeAbove: 0.001, Imputations: 2, ByArm: byArm}
		r, err := RunBlind(own, d, []int{0, 1}, nil)
		if err != nil {
			t.Fatal(err)
		}
		if r.Missing.Imputation == nil || byArm != (len(r.Missing.Imputation.Parameters) == 0) {
			t.Fatalf("by arm %v: %+v", byArm, r.Missing.Imputation)
		}
		text, err := json.Marshal([]any{r.Missing.Imputation.Parameters, r.Covariates})
		if err != nil {
			t.Fatal(err)
		}
		if found := regexp.MustCompile(`arm: |"arm":"[AB]|\(Intercept\)`).FindAll(text, -1); found != nil {
			t.Errorf("by arm %v: a blind run has %s", byArm, found)
		}
	}
	for _, order := range [][]int{{0}, {0, 0}, {1, 2}, nil} {
		if _, err := RunBlind(own, d, order, nil); err == nil {
			t.Errorf("letters in the order %v were given", order)
		}
	}
}

// Where more than two arms differ in size, standard errors tell letters apart:
// it is said. Two arms share one error, which tells nothing.
func TestRunBlindSizes(t *testing.T) {
	d := dataset(t)
	own := Plan{Outcome: "post", Role: Primary, Model: "mixed", DF: "satterthwaite", EffectSize: analysis.ScaleTotalUnconditional, Level: 0.95}
	warned := func(order []int) bool {
		r, err := RunBlind(own, d, order, nil)
		if err != nil {
			t.Fatal(err)
		}
		return slices.ContainsFunc(r.Warnings, func(w analysis.Warning) bool { return w.Code == "sizes-show" })
	}
	if warned([]int{1, 0}) {
		t.Error("two arms are warned of")
	}
	d.Arms = append(d.Arms, "other")
	for i, c := range d.Cluster {
		d.Arm[i] = c % 3
	}
	if warned([]int{1, 0, 2}) {
		t.Error("arms of equal sizes are warned of")
	}
	for i, c := range d.Cluster {
		if d.Arm[i] = c % 3; c%4 == 0 {
			d.Arm[i] = 1
		}
	}
	if !warned([]int{1, 0, 2}) {
		t.Error("arms of unequal sizes are not warned of")
	}
}
