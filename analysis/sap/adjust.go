package sap

import (
	"cmp"
	"fmt"
	"math"
	"slices"

	"evenhand/analysis/permute"
)

// notAdjusted is what is not run where p-values cannot be adjusted as planned.
const notAdjusted = "adjusted p-values"

// Adjust works out the adjusted p-values of the secondary outcomes of one plan,
// over all outcomes and arms together, and stores them in the results. By
// Westfall and Young's way P is that of the randomisation test by the
// studentised difference, and the results must come from Run: the redraws
// themselves are not stored.
func Adjust(all []Results) error {
	type at struct{ result, contrast int }
	var cells []at
	var p []float64
	var method Multiplicity
	for i := range all {
		all[i].Adjusted = nil
		if all[i].Plan.Role != Secondary || all[i].Plan.Multiplicity == "" {
			continue
		}
		if method != "" && method != all[i].Plan.Multiplicity {
			return fmt.Errorf("adjust p-values: %s is planned with %s, another outcome with %s", all[i].Plan.Outcome, all[i].Plan.Multiplicity, method)
		}
		method = all[i].Plan.Multiplicity
		for c, contrast := range all[i].Contrasts {
			cells, p = append(cells, at{i, c}), append(p, contrast.Difference.P)
		}
	}
	if len(p) == 0 {
		return nil
	}
	var adjusted []float64
	var err error
	if method == WestfallYoung {
		tests := make([]RedrawP, len(cells))
		for k, t := range cells {
			r := &all[t.result]
			c := r.Contrasts[t.contrast]
			found := false
			if r.Randomisation != nil {
				tests[k], found = r.Randomisation.Of(c.Arm, permute.Studentised)
			}
			if !found || tests[k].redrawn == nil {
				for _, t := range cells {
					o := &all[t.result]
					if !slices.ContainsFunc(o.NotRun, func(n NotRun) bool { return n.What == notAdjusted }) {
						o.NotRun = append(o.NotRun, NotRun{notAdjusted, fmt.Sprintf("Westfall and Young's way counts redraws, and %s has none", r.Plan.Outcome)})
					}
				}
				return nil
			}
			p[k] = tests[k].P
		}
		adjusted, err = StepDown(tests)
	} else {
		adjusted, err = AdjustP(p, method)
	}
	if err != nil {
		return err
	}
	for k, t := range cells {
		r := &all[t.result]
		if r.Adjusted == nil {
			r.Adjusted = &Adjusted{Method: method, Tests: len(p)}
		}
		c := r.Contrasts[t.contrast]
		r.Adjusted.Contrasts = append(r.Adjusted.Contrasts, AdjustedP{c.Arm, c.Against, p[k], adjusted[k]})
	}
	return nil
}

// AdjustP adjusts p-values in their order. Benjamini and Hochberg (JRSS B
// 57(1), 1995): the smallest m·p/rank over itself and those above it; Holm
// (Scandinavian Journal of Statistics 6(2), 1979): the largest (m − rank + 1)·p
// over itself and those below it. Neither exceeds 1.
func AdjustP(p []float64, method Multiplicity) ([]float64, error) {
	m := len(p)
	order := make([]int, m)
	for i, v := range p {
		if !(v >= 0 && v <= 1) {
			return nil, fmt.Errorf("adjust p-values: %v is no p-value", v)
		}
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(p[a], p[b]) })
	out := make([]float64, m)
	switch method {
	case BenjaminiHochberg:
		least := 1.0
		for k := m - 1; k >= 0; k-- {
			least = min(least, p[order[k]]*float64(m)/float64(k+1))
			out[order[k]] = least
		}
	case Holm:
		most := 0.0
		for k, i := range order {
			most = max(most, min(1, p[i]*float64(m-k)))
			out[i] = most
		}
	default:
		return nil, fmt.Errorf("adjust p-values: %q is neither %s nor %s", method, BenjaminiHochberg, Holm)
	}
	return out, nil
}

// StepDown adjusts the p-values of several tests by the same redraws, by
// Westfall and Young's step-down maxT (Resampling-Based Multiple Testing, 1993,
// algorithm 4.1): in the order of the observed |t|, largest first, a test's
// p-value is the share of redraws in which the largest |t| of it and of those
// after it is at least its own, and at least the p-value of the test before it.
// The draw itself counts as one, ties count, and so does a redraw that gave no
// estimate. Redraw i must be the same allocation in every test.
func StepDown(tests []RedrawP) ([]float64, error) {
	m := len(tests)
	order := make([]int, m)
	for i, t := range tests {
		order[i] = i
		if len(t.redrawn) == 0 || len(t.redrawn) != len(tests[0].redrawn) {
			return nil, fmt.Errorf("adjust p-values: test %d has %d redraws, the first %d", i+1, len(t.redrawn), len(tests[0].redrawn))
		}
	}
	slices.SortStableFunc(order, func(a, b int) int { return cmp.Compare(math.Abs(tests[b].Observed), math.Abs(tests[a].Observed)) })
	b := len(tests[0].redrawn)
	least := make([]float64, m) // what counts as at least as large
	count := make([]int, m)
	for i, t := range tests {
		least[i] = math.Abs(t.Observed) * (1 - permute.Ties)
	}
	for i := range b {
		largest := 0.0
		for k := m - 1; k >= 0; k-- {
			j := order[k]
			v := math.Abs(tests[j].redrawn[i])
			if math.IsNaN(v) {
				v = math.Inf(1)
			}
			if largest = math.Max(largest, v); largest >= least[j] {
				count[j]++
			}
		}
	}
	out := make([]float64, m)
	most := 0.0
	for _, j := range order {
		most = math.Max(most, float64(1+count[j])/float64(1+b))
		out[j] = most
	}
	return out, nil
}
