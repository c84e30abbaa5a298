package sap

import (
	"cmp"
	"fmt"
	"slices"
)

// Adjust works out the adjusted p-values of the secondary outcomes of one plan,
// over all outcomes and arms together, and stores them in the results.
func Adjust(all []Results) error {
	type at struct{ result, contrast int }
	var tests []at
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
			tests, p = append(tests, at{i, c}), append(p, contrast.Difference.P)
		}
	}
	if len(p) == 0 {
		return nil
	}
	adjusted, err := AdjustP(p, method)
	if err != nil {
		return err
	}
	for k, t := range tests {
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
