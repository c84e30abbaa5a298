package effectsize

import (
	"fmt"
	"math"
)

// CoxDivisor turns a log odds ratio into standard deviations (Cox 1970; as the
// What Works Clearinghouse uses it).
const CoxDivisor = 1.65

// Cox is the effect size of two proportions.
type Cox struct {
	LogOddsRatio float64
	D            float64 // LogOddsRatio / 1.65, without small-sample factor
	SE           float64 // of D, for pupils drawn one by one
}

// NewCox takes the shares p in (0,1) of nT and nC pupils that passed. A share
// of 0 or 1 has no odds ratio and is an error.
func NewCox(pT, pC float64, nT, nC int) (Cox, error) {
	for _, p := range []float64{pT, pC} {
		if !(p > 0 && p < 1) {
			return Cox{}, fmt.Errorf("Cox index: a share of %v has no odds; report the difference in shares instead", p)
		}
	}
	if nT < 1 || nC < 1 {
		return Cox{}, fmt.Errorf("Cox index: %d and %d pupils", nT, nC)
	}
	c := Cox{LogOddsRatio: math.Log(pT * (1 - pC) / ((1 - pT) * pC))}
	c.D = c.LogOddsRatio / CoxDivisor
	a, b := float64(nT), float64(nC)
	c.SE = math.Sqrt(1/(pT*a)+1/((1-pT)*a)+1/(pC*b)+1/((1-pC)*b)) / CoxDivisor
	return c, nil
}
