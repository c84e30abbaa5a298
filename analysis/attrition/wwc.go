package attrition

import (
	"errors"
	"fmt"
	"math"

	"evenhand/analysis/internal/dist"
)

// The tables of the What Works Clearinghouse's Standards Handbook 4.1, Table
// II.1: the largest differential attrition, in tenths of a percentage point,
// that is low at an overall attrition of 0, 1, 2 … percent. Above the last row
// attrition is always high.
var (
	cautious = [...]int64{
		57, 58, 59, 59, 60, 61, 62, 63, 63, 63,
		63, 62, 62, 61, 60, 59, 59, 58, 57, 55,
		54, 53, 52, 51, 49, 48, 47, 45, 44, 43,
		41, 40, 38, 36, 35, 33, 32, 31, 29, 28,
		26, 25, 23, 21, 20, 18, 16, 15, 13, 12,
		10, 9, 7, 6, 4, 3, 2, 0,
	}
	optimistic = [...]int64{
		100, 101, 102, 103, 104, 105, 107, 108, 109, 109,
		109, 109, 109, 108, 108, 107, 106, 105, 103, 102,
		100, 99, 97, 95, 94, 92, 90, 88, 86, 84,
		82, 80, 78, 76, 74, 72, 70, 67, 65, 63,
		60, 58, 56, 53, 51, 49, 46, 44, 42, 39,
		37, 35, 32, 30, 28, 26, 23, 21, 19, 16,
		14, 11, 9, 7, 5, 3,
	}
)

// wholePercent rounds 100·lost/of to the nearest whole percent, ties to even,
// in whole numbers. The handbook does not say how to round; this is how R
// rounds, and interpolating instead would move a boundary by at most 0.1
// percentage points.
func wholePercent(lost, of int) int {
	q, r := 100*lost/of, 100*lost%of
	if 2*r > of || 2*r == of && q%2 == 1 {
		q++
	}
	return q
}

// judge compares in whole numbers, so that a differential exactly on the line
// is low: |l_T/n_T − l_C/n_C| ≤ b/1000.
func judge(table []int64, percent int, t, c Arm) Boundary {
	if percent >= len(table) {
		return Boundary{}
	}
	b := table[percent]
	diff := int64(t.Lost())*int64(c.Randomised) - int64(c.Lost())*int64(t.Randomised)
	if diff < 0 {
		diff = -diff
	}
	limit := float64(b) / 1000
	return Boundary{Boundary: &limit, Low: 1000*diff <= b*int64(t.Randomised)*int64(c.Randomised)}
}

// Line gives the tabulated boundary, as a proportion, at a whole percentage of
// overall attrition, for the cautious or the optimistic line; ok is false
// beyond the table's end.
func Line(overallPercent int, onCautious bool) (boundary float64, ok bool) {
	table := optimistic[:]
	if onCautious {
		table = cautious[:]
	}
	if overallPercent < 0 || overallPercent >= len(table) {
		return 0, false
	}
	return float64(table[overallPercent]) / 1000, true
}

// BiasModel is the model from which such boundaries come: in each arm a latent
// readiness to respond, standard normal, correlates Alpha with the outcome,
// and the arm's rate of attrition is its lower tail. It is offered for other
// limits and unequal arms. It does not reproduce the tables above with the
// published parameters (0.45, 0.39) and (0.27, 0.22) and a limit of 0.05: it is
// then stricter by 0.5 to 0.8 and by 0.9 to 1.2 percentage points. The table
// is the rule; this is a model.
type BiasModel struct {
	AlphaTreated float64 // correlation of response and outcome, treated arm, in [0,1)
	AlphaControl float64 // the same in the control arm
	Limit        float64 // largest tolerable bias, in SDs of the outcome, e.g. 0.05
}

// The parameters published for the Clearinghouse's two lines.
var (
	PublishedCautious   = BiasModel{AlphaTreated: 0.45, AlphaControl: 0.39, Limit: 0.05}
	PublishedOptimistic = BiasModel{AlphaTreated: 0.27, AlphaControl: 0.22, Limit: 0.05}
)

// Bias is the expected bias in SDs when the arms lose the shares given, each
// in [0,1).
func (m BiasModel) Bias(lostTreated, lostControl float64) float64 {
	return m.AlphaTreated*inverseMills(lostTreated) - m.AlphaControl*inverseMills(lostControl)
}

// inverseMills is φ(Φ⁻¹(x))/(1−x), the mean of a standard normal above its
// x-quantile; 0 at x = 0.
func inverseMills(x float64) float64 {
	if x <= 0 {
		return 0
	}
	z := dist.NormalQuantile(x)
	return math.Exp(-z*z/2) / math.Sqrt(2*math.Pi) / (1 - x)
}

// Boundary is the differential attrition, as a proportion, at which the
// model's bias reaches its limit, where overall attrition is overall, the
// treated arm holds share of those randomised, and the treated arm loses more
// (or, with controlLosesMore, the control arm). ok is false where the bias is
// beyond the limit even with equal rates, or below it for every possible
// differential.
func (m BiasModel) Boundary(overall, share float64, controlLosesMore bool) (boundary float64, ok bool, err error) {
	if !(overall > 0 && overall < 1) || !(share > 0 && share < 1) {
		return 0, false, errors.New("boundary of attrition: overall attrition and the treated arm's share must lie strictly between 0 and 1")
	}
	if !(m.Limit > 0) || !(m.AlphaTreated >= 0 && m.AlphaTreated < 1 && m.AlphaControl >= 0 && m.AlphaControl < 1) {
		return 0, false, fmt.Errorf("boundary of attrition: limit %v must be positive and correlations %v and %v in [0,1)", m.Limit, m.AlphaTreated, m.AlphaControl)
	}
	sign := 1.0
	if controlLosesMore {
		sign = -1
	}
	// At signed differential s·d the arms lose o + (1−p)sd and o − p·sd.
	excess := func(d float64) float64 {
		return sign*m.Bias(overall+(1-share)*sign*d, overall-share*sign*d) - m.Limit
	}
	high := math.Min(overall/share, (1-overall)/(1-share))
	if controlLosesMore {
		high = math.Min(overall/(1-share), (1-overall)/share)
	}
	high *= 1 - 1e-12
	if excess(0) > 0 || excess(high) < 0 {
		return 0, false, nil
	}
	low := 0.0
	for range 200 { // excess grows with d
		mid := low + (high-low)/2
		if excess(mid) > 0 {
			high = mid
		} else {
			low = mid
		}
	}
	return low, true, nil
}
