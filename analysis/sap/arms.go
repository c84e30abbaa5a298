package sap

import (
	"errors"
	"fmt"
	"slices"

	"evenhand/analysis"
	"evenhand/analysis/describe"
	"evenhand/analysis/mixed"
)

// ArmsTest tests that all arms are alike.
type ArmsTest struct {
	F      float64 `json:"f"`
	DF1    float64 `json:"df1"`
	DF2    float64 `json:"df2"` // 0 for none: a chi-square over df1
	P      float64 `json:"p"`
	Method string  `json:"method"`
}

// ArmContrast is one arm against another.
type ArmContrast struct {
	Arm        string            `json:"arm"`
	Against    string            `json:"against"`
	Difference analysis.Estimate `json:"difference"`
	EffectSize analysis.Estimate `json:"effect_size"` // by the plan's denominator
}

// severalArms compares more than two arms: all at once, and the pairs that the
// plan names. joint tests contrasts of the coefficients, contrast judges one;
// each gives an estimate without estimand and counts.
func (r *Results) severalArms(d *analysis.Dataset, columns []mixed.Column, joint func([][]float64) (ArmsTest, error), contrast func(name string, weights []float64) (analysis.Estimate, error)) {
	if len(d.Arms) < 3 {
		if len(r.Plan.Pairs) > 0 {
			r.NotRun = append(r.NotRun, NotRun{"pairs of arms", "there are two arms, and they are compared already"})
		}
		return
	}
	place := make([]int, len(d.Arms)) // of each arm's coefficient; −1 for the control arm
	var all [][]float64
	for a, arm := range d.Arms {
		place[a] = -1
		if a == d.Control {
			continue
		}
		place[a] = slices.IndexFunc(columns, func(c mixed.Column) bool { return c.Arm && c.Name == mixed.ArmTerm(arm, d.Arms[d.Control]) })
		w := make([]float64, len(columns))
		w[place[a]] = 1
		all = append(all, w)
	}
	if t, err := joint(all); err != nil {
		r.NotRun = append(r.NotRun, NotRun{"joint test of all arms", err.Error()})
	} else {
		r.ArmsTest = &t
	}
	for _, pair := range r.Plan.Pairs {
		c, err := r.pair(d, pair, place, len(columns), contrast)
		if err != nil {
			r.NotRun = append(r.NotRun, NotRun{pair[0] + " vs " + pair[1], err.Error()})
			continue
		}
		r.Pairs = append(r.Pairs, c)
	}
}

// pair compares two arms by name.
func (r *Results) pair(d *analysis.Dataset, pair [2]string, place []int, p int, contrast func(string, []float64) (analysis.Estimate, error)) (ArmContrast, error) {
	out := ArmContrast{Arm: pair[0], Against: pair[1]}
	a, b := slices.Index(d.Arms, pair[0]), slices.Index(d.Arms, pair[1])
	if a < 0 || b < 0 || a == b {
		return out, fmt.Errorf("the data have no two such arms; they have %q", d.Arms)
	}
	w := make([]float64, p)
	if place[a] >= 0 {
		w[place[a]] = 1
	}
	if place[b] >= 0 {
		w[place[b]] = -1
	}
	var err error
	if out.Difference, err = contrast(pair[0]+" vs "+pair[1], w); err != nil {
		return out, err
	}
	out.Difference.Estimand, out.Difference.Counts = r.estimand(pair[0], pair[1]), r.Counts
	sd := r.Contrasts[0].EffectSize.SD
	if r.Plan.EffectSize == analysis.ScalePooledSD {
		x, y := r.Arms[a], r.Arms[b]
		sd = describe.PooledSD(x.SD, x.N, y.SD, y.N)
	}
	if !(sd > 0) {
		return out, errors.New("the two arms' scores do not vary")
	}
	out.EffectSize = inSD(out.Difference, r.Plan.EffectSize, sd)
	return out, nil
}

// The roles of single estimates, beside those of whole analyses (see Role).
const (
	SubgroupInteraction = "subgroup interaction"
	SubgroupWithin      = "subgroup within"
	Sensitivity         = "sensitivity"
)

// markRoles writes into every estimate what it is in the plan. Everything of an
// exploratory analysis is exploratory.
func (r *Results) markRoles() {
	role := func(own string) string {
		if r.Plan.Role == Exploratory {
			return string(Exploratory)
		}
		return own
	}
	main := string(r.Plan.Role)
	for i := range r.Contrasts {
		c := &r.Contrasts[i]
		c.Difference.Estimand.Role, c.EffectSize.Estimand.Role = role(main), role(main)
		for k := range c.EffectSizes {
			if e := &c.EffectSizes[k]; e.Scale == c.EffectSize.Scale {
				e.Estimand.Role = role(main)
			} else {
				e.Estimand.Role = role(Sensitivity)
			}
		}
	}
	both := func(c *ArmContrast, own string) {
		c.Difference.Estimand.Role, c.EffectSize.Estimand.Role = role(own), role(own)
	}
	for i := range r.Pairs {
		both(&r.Pairs[i], main)
	}
	for i := range r.PlainClusters {
		both(&r.PlainClusters[i], Sensitivity)
	}
	for i := range r.Subgroups {
		for _, list := range []struct {
			of  []SubgroupEffect
			own string
		}{{r.Subgroups[i].Interactions, SubgroupInteraction}, {r.Subgroups[i].Within, SubgroupWithin}} {
			for k := range list.of {
				e := &list.of[k]
				e.Difference.Estimand.Role, e.EffectSize.Estimand.Role = role(list.own), role(list.own)
			}
		}
	}
	if r.Randomisation != nil {
		r.Randomisation.Role = role(Sensitivity)
	}
	if r.Posterior != nil {
		r.Posterior.Role = role(Sensitivity)
	}
	if m := r.Missing; m != nil {
		m.Role = role(Sensitivity)
		if m.Weighted != nil {
			for i := range m.Weighted.Contrasts {
				m.Weighted.Contrasts[i].Difference.Estimand.Role = role(Sensitivity)
			}
		}
	}
	if c := r.Compliance; c != nil {
		c.CACE.Difference.Estimand.Role, c.CACE.EffectSize.Estimand.Role = role(string(Secondary)), role(string(Secondary))
		if e := c.PerSession; e != nil {
			e.Difference.Estimand.Role, e.EffectSize.Estimand.Role = role(string(Secondary)), role(string(Secondary))
		}
		if c.DoseResponse != nil {
			c.DoseResponse.Estimand.Role = string(Exploratory) // schools chose
		}
	}
}
