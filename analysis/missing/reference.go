package missing

import (
	"fmt"
	"math"
)

// Reference says what is assumed of the treated who were lost, after they were
// lost (Carpenter, Roger and Kenward, J. Biopharmaceutical Statistics 23(6), 2013).
type Reference string

// The assumptions. With one follow-up, jump to reference and copy reference have
// the same mean.
const (
	MissingAtRandom Reference = "missing-at-random" // as those treated who stayed
	JumpToReference Reference = "jump-to-reference" // from then on as the control arm
	CopyIncrements  Reference = "copy-increments"   // from their baseline on they progress as the control arm
	CopyReference   Reference = "copy-reference"    // as if they had been in the control arm throughout
)

// TwoOccasions are means and covariance of baseline (first) and outcome (second).
type TwoOccasions struct {
	Treated, Control [2]float64
	Sigma            [2][2]float64
}

// Conditional is the mean and variance of the outcome of a lost treated person
// whose baseline is x.
func (t TwoOccasions) Conditional(r Reference, x float64) (mean, variance float64, err error) {
	s := t.Sigma
	if !(s[0][0] > 0) || !(s[0][0]*s[1][1] > s[0][1]*s[0][1]) || s[0][1] != s[1][0] {
		return 0, 0, fmt.Errorf("reference-based mean: the covariance matrix %v is not positive definite", s)
	}
	b := s[0][1] / s[0][0]
	variance = s[1][1] - b*s[0][1]
	switch r {
	case MissingAtRandom:
		mean = t.Treated[1] + b*(x-t.Treated[0])
	case JumpToReference, CopyReference:
		mean = t.Control[1] + b*(x-t.Control[0])
	case CopyIncrements:
		mean = t.Treated[0] + t.Control[1] - t.Control[0] + b*(x-t.Treated[0])
	default:
		return 0, 0, fmt.Errorf("reference-based mean: assumption %q is not known", r)
	}
	return mean, variance, nil
}

// ReferenceShift is what must be added to an outcome imputed as missing at random
// to make it reference-based, by one Draw of the imputation model: the drawn
// effect of the arm on the outcome is taken away, given the other variables of
// the row. arm is the place of the arm's dummy among Model.Predictors; outcome
// and baseline are names of incomplete variables of pupils (baseline is needed for
// CopyIncrements only, and then must be one of these; a complete baseline is a
// predictor, and the shift is the same as for JumpToReference up to what chance
// made the arms' baselines differ by).
//
// Rubin's variance is conservative here: it does not fall as the assumption
// brings information in (Cro, Carpenter and Kenward, JRSS A 182(2), 2019).
func (d Draw) ReferenceShift(r Reference, arm int, outcome, baseline string) (float64, error) {
	fail := func(format string, a ...any) (float64, error) {
		return 0, fmt.Errorf("reference-based shift: "+format, a...)
	}
	at := func(name string) int {
		for i := range d.Coef {
			if d.Variables[i] == name {
				return i
			}
		}
		return -1
	}
	o := at(outcome)
	if o < 0 {
		return fail("%q is not an incomplete variable of pupils", outcome)
	}
	if arm < 0 || arm+1 >= len(d.Coef[o]) {
		return fail("there is no predictor %d", arm)
	}
	effect := func(v int) float64 { return d.Coef[v][arm+1] }
	switch r {
	case MissingAtRandom:
		return 0, nil
	case JumpToReference, CopyReference:
		// The outcome's arm effect given the other variables: B_o − β'B_others with
		// β = Σ_others⁻¹ Σ_others,o.
		var others []int
		for v := range d.Coef {
			if v != o {
				others = append(others, v)
			}
		}
		k := len(others)
		shift := -effect(o)
		if k == 0 {
			return shift, nil
		}
		l, rhs := make([]float64, k*k), make([]float64, k)
		for i, v := range others {
			rhs[i] = d.Sigma[v][o]
			for j, w := range others {
				l[i*k+j] = d.Sigma[v][w]
			}
		}
		if !cholesky(l, k) {
			return fail("the covariance matrix is not positive definite")
		}
		forward(l, k, rhs)
		backward(l, k, rhs)
		for i, v := range others {
			shift += rhs[i] * effect(v)
		}
		return shift, nil
	case CopyIncrements:
		b := at(baseline)
		if b < 0 || b == o {
			return fail("copying increments needs a baseline among the incomplete variables, and %q is none", baseline)
		}
		return effect(b) - effect(o), nil
	}
	return fail("assumption %q is not known", r)
}

// HorowitzManski bounds the difference in means with no assumption but the
// outcome's range [low, high] (JASA 95, 2000): all lost treated at the worst and
// all lost control at the best, and the other way round.
type HorowitzManski struct {
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
	Width float64 `json:"width"` // (high − low)·(share lost treated + share lost control)
}

// BoundRange gives the bounds of the mean outcome of the treated less that of
// the others, over everybody randomised.
func BoundRange(y []float64, observed, treated []bool, low, high float64) (HorowitzManski, error) {
	t, c, err := split(y, observed, treated)
	if err != nil {
		return HorowitzManski{}, fmt.Errorf("Horowitz-Manski bounds: %w", err)
	}
	if !(low < high) || math.IsInf(low, 0) || math.IsInf(high, 0) {
		return HorowitzManski{}, fmt.Errorf("Horowitz-Manski bounds: the range %v to %v is not one", low, high)
	}
	for _, v := range append(append([]float64(nil), t.y...), c.y...) {
		if v < low || v > high {
			return HorowitzManski{}, fmt.Errorf("Horowitz-Manski bounds: an outcome of %v lies outside the range %v to %v", v, low, high)
		}
	}
	b := HorowitzManski{
		Low:  t.share()*t.mean() + (1-t.share())*low - c.share()*c.mean() - (1-c.share())*high,
		High: t.share()*t.mean() + (1-t.share())*high - c.share()*c.mean() - (1-c.share())*low,
	}
	b.Width = b.High - b.Low
	return b, nil
}
