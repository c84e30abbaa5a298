package attrition

import (
	"errors"
	"fmt"
)

// EEF is the initial security rating, in padlocks from 0 to 5, as far as
// counts can give it. The final rating is a reviewer's, after threats to
// validity have been weighed; it is never computed.
type EEF struct {
	Padlocks int `json:"initial_padlocks"` // the lowest of the parts below
	Design   int `json:"design"`           // 5: randomised
	// Attrition is the band of overall attrition at the level of analysis.
	Attrition int `json:"attrition"`
	// MDES is the band of the minimum detectable effect size; nil where none
	// was given, and then Padlocks is without it.
	MDES *int   `json:"mdes"`
	Rule string `json:"rule"` // how the gaps between the published bands are filled
}

// The upper ends of the bands for 5, 4, 3, 2 and 1 padlocks, of the 2019
// criteria: attrition 0–10, 11–20, 21–30, 31–40, 41–50 per cent; MDES up to
// 0.2, 0.29, 0.39, 0.49, 0.59. They are remembered from secondary sources, not
// read in the criteria themselves, and stay a convention to be confirmed by
// the reviewer.
var (
	attritionBands = [5]float64{0.10, 0.20, 0.30, 0.40, 0.50}
	mdesBands      = [5]float64{0.20, 0.29, 0.39, 0.49, 0.59}
)

const gapRule = "a value belongs to the first band whose upper end it does not exceed, unrounded: 10.5 % attrition or an MDES of 0.205 is one band down"

// InitialPadlocks places overall attrition (a proportion) and, where given, a
// minimum detectable effect size in the EEF's bands for a randomised trial.
func InitialPadlocks(overallAttrition float64, mdes *float64) EEF {
	e := EEF{Design: 5, Attrition: band(overallAttrition, attritionBands), Rule: gapRule}
	e.Padlocks = min(e.Design, e.Attrition)
	if mdes != nil {
		m := band(*mdes, mdesBands)
		e.MDES = &m
		e.Padlocks = min(e.Padlocks, m)
	}
	return e
}

// WithMDES is the assessment with the padlocks worked out for a minimum
// detectable effect size too, which must be positive.
func (a Assessment) WithMDES(mdes float64) (Assessment, error) {
	if !(mdes > 0) {
		return Assessment{}, errors.New("initial padlocks: " + fmt.Sprintf("an MDES of %v is not positive", mdes))
	}
	a.EEF = InitialPadlocks(a.Overall, &mdes)
	return a, nil
}

func band(x float64, upper [5]float64) int {
	for i, u := range upper {
		if x <= u {
			return 5 - i
		}
	}
	return 0
}
