package sap

import (
	"math/rand/v2"
	"slices"
	"strconv"
	"testing"

	"evenhand/analysis"
)

// BenchmarkPlan runs the plan of the `rlc` template (mixed model with baseline
// and strata, a subgroup, a randomisation test) with 10,000 redraws on a trial
// of 114 schools in 25 strata and 5,016 pupils whose scores are complete.
func BenchmarkPlan(b *testing.B) {
	rng := rand.New(rand.NewPCG(20, 16))
	d := &analysis.Dataset{Arms: []string{"control", "rlc"}}
	pre, fsm := analysis.Column{Name: "baseline"}, analysis.Column{Name: "everfsm6", Binary: true}
	drawn, stratum := make([]int, 114), make([]int, 114)
	for s := range 25 {
		d.Strata = append(d.Strata, strconv.Itoa(s))
	}
	for s := range drawn {
		d.Clusters = append(d.Clusters, strconv.Itoa(s))
		stratum[s], drawn[s] = s%25, s/25%2
		u := 3 * rng.NormFloat64()
		for range 44 {
			x := 15 + 4*rng.NormFloat64()
			f := float64(rng.IntN(4) / 3)
			d.ID = append(d.ID, strconv.Itoa(len(d.ID)))
			d.Cluster, d.Stratum, d.Arm = append(d.Cluster, s), append(d.Stratum, stratum[s]), append(d.Arm, drawn[s])
			d.Community, d.Lost = append(d.Community, -1), append(d.Lost, "")
			pre.Values, fsm.Values = append(pre.Values, x), append(fsm.Values, f)
			d.Outcome, d.Observed = append(d.Outcome, 90+x-f+u+8*rng.NormFloat64()), append(d.Observed, true)
		}
	}
	d.Covariates = []analysis.Column{pre, fsm}
	plan := Plan{Outcome: "ks2", Label: "KS2", Role: Primary, Model: "mixed", Covariates: []string{"baseline", "Stratum"}, DF: "satterthwaite",
		EffectSize: analysis.ScaleTotalUnconditional, Level: 0.95, Redraws: 10_000, Subgroups: []string{"everfsm6"}, Missing: &MissingRule{ImputeAbove: 0.05, Imputations: 20}}
	redraw := func(i int) []int { // arms exchanged within strata
		rng := rand.New(rand.NewPCG(11, uint64(i)))
		arms := slices.Clone(drawn)
		for s := range 25 {
			n := (113-s)/25 + 1
			rng.Shuffle(n, func(x, y int) { x, y = s+25*x, s+25*y; arms[x], arms[y] = arms[y], arms[x] })
		}
		return arms
	}
	for b.Loop() {
		if _, err := Run(plan, d, redraw); err != nil {
			b.Fatal(err)
		}
	}
}
