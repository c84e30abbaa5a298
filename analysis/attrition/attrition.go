// Package attrition says how many of those randomised were not analysed,
// overall and between the arms, and what that does to a trial's standing:
// against the What Works Clearinghouse's boundary and the Education Endowment
// Foundation's padlock bands.
//
// Attrition is always of the units as randomised: joiners are in neither the
// numerator nor the denominator. Rates are proportions, unrounded.
package attrition

import (
	"errors"
	"fmt"
	"math"
)

// ErrCounts says that counts contradict one another or cannot be true.
var ErrCounts = errors.New("counts contradict")

// Arm is one arm's counts at one level (schools, or pupils).
type Arm struct {
	Label      string `json:"arm"`
	Randomised int    `json:"randomised"`
	Analysed   int    `json:"analysed"`
}

// Lost is the number randomised and not analysed.
func (a Arm) Lost() int { return a.Randomised - a.Analysed }

// Rate is the share of the arm that was lost, in [0,1].
func (a Arm) Rate() float64 { return float64(a.Lost()) / float64(a.Randomised) }

func (a Arm) check() error {
	var faults []error
	say := func(format string, v ...any) {
		faults = append(faults, fmt.Errorf("arm %q: "+format+": %w", append(append([]any{a.Label}, v...), ErrCounts)...))
	}
	if a.Randomised <= 0 {
		say("%d randomised; attrition needs at least one", a.Randomised)
	}
	if a.Analysed < 0 {
		say("%d analysed; a count cannot be negative", a.Analysed)
	}
	if a.Analysed > a.Randomised {
		say("%d analysed of %d randomised; joiners after the draw are not counted here", a.Analysed, a.Randomised)
	}
	return errors.Join(faults...)
}

// ArmRate is an Arm with its rate, as printed.
type ArmRate struct {
	Arm
	Lost      int     `json:"lost"`
	Attrition float64 `json:"attrition"` // proportion of the arm
}

// Boundary is the verdict of one of the Clearinghouse's two lines.
type Boundary struct {
	// Boundary is the largest differential attrition, as a proportion, that is
	// still low at this overall attrition; nil where the table ends, that is
	// where attrition is high whatever the differential.
	Boundary *float64 `json:"boundary"`
	Low      bool     `json:"low"`
}

// WWC holds both lines. Which applies is fixed beforehand, by protocol:
// cautious where the intervention could affect who stays, optimistic where
// leaving is plausibly unrelated to it.
type WWC struct {
	OverallPercent int      `json:"overall_percent"` // the row of the table used: overall attrition to the nearest whole percent, ties to even
	Cautious       Boundary `json:"cautious"`
	Optimistic     Boundary `json:"optimistic"`
}

// Assessment is the attrition of a trial's two arms at one level.
type Assessment struct {
	Overall      float64   `json:"overall"`      // lost of both arms over randomised of both: not the mean of the two rates
	Differential float64   `json:"differential"` // |rate of one arm − rate of the other|
	Arms         []ArmRate `json:"arms"`         // treatment first
	WWC          WWC       `json:"wwc"`
	EEF          EEF       `json:"eef"`
}

// Assess compares a treated arm with the control arm. With more than two arms
// it is called once a contrast. Contradicting counts are errors wrapping
// ErrCounts, all at once.
func Assess(treated, control Arm) (Assessment, error) {
	if err := errors.Join(treated.check(), control.check()); err != nil {
		return Assessment{}, fmt.Errorf("assess attrition: %w", err)
	}
	a := Assessment{Arms: []ArmRate{
		{Arm: treated, Lost: treated.Lost(), Attrition: treated.Rate()},
		{Arm: control, Lost: control.Lost(), Attrition: control.Rate()},
	}}
	lost, randomised := treated.Lost()+control.Lost(), treated.Randomised+control.Randomised
	a.Overall = float64(lost) / float64(randomised)
	a.Differential = differential(treated, control)
	a.WWC.OverallPercent = wholePercent(lost, randomised)
	a.WWC.Cautious = judge(cautious[:], a.WWC.OverallPercent, treated, control)
	a.WWC.Optimistic = judge(optimistic[:], a.WWC.OverallPercent, treated, control)
	a.EEF = InitialPadlocks(a.Overall, nil)
	return a, nil
}

// differential is formed from whole numbers in one division, so that equal
// rates differ by exactly nothing.
func differential(t, c Arm) float64 {
	num := float64(t.Lost())*float64(c.Randomised) - float64(c.Lost())*float64(t.Randomised)
	return math.Abs(num) / (float64(t.Randomised) * float64(c.Randomised))
}

// Margin says how many more units one arm can lose, the other losing none,
// before attrition is no longer low on the line given. OK is false where it is
// not low now.
type Margin struct {
	Arm   string `json:"arm"`
	OK    bool   `json:"ok"`
	Spare int    `json:"spare"` // losses that still leave it low
	Left  int    `json:"left"`  // units of the arm still analysed
}

// Margins gives the margin of each arm (treated first) on the cautious or the
// optimistic line: "if Spare+1 more control schools leave, the line is
// crossed". Losing everybody left in the arm ends the count.
func Margins(treated, control Arm, onCautious bool) ([]Margin, error) {
	if err := errors.Join(treated.check(), control.check()); err != nil {
		return nil, fmt.Errorf("margins of attrition: %w", err)
	}
	table := optimistic[:]
	if onCautious {
		table = cautious[:]
	}
	low := func(t, c Arm) bool {
		pct := wholePercent(t.Lost()+c.Lost(), t.Randomised+c.Randomised)
		return judge(table, pct, t, c).Low
	}
	now := low(treated, control)
	out := []Margin{{Arm: treated.Label, OK: now, Left: treated.Analysed}, {Arm: control.Label, OK: now, Left: control.Analysed}}
	for i := range out {
		t, c := treated, control
		side := &t
		if i == 1 {
			side = &c
		}
		for now && side.Analysed > 1 {
			side.Analysed--
			if !low(t, c) {
				break
			}
			out[i].Spare++
		}
	}
	return out, nil
}

// Clustered is the two-step judgement of a trial that randomised schools:
// first the schools, then the pupils of those schools that stayed. The two
// steps are judged apart; their rates are not multiplied into one.
type Clustered struct {
	Schools Assessment `json:"schools"`
	Pupils  Assessment `json:"pupils_in_schools_that_stayed"`

	// Joiners says whether pupils who entered after the draw are analysed. If
	// they could have come because of the intervention the sample's make-up is
	// at risk, whatever the rates say.
	Joiners       bool `json:"joiners_analysed"`
	LowCautious   bool `json:"low_cautious"`   // low at both steps, and no joiners
	LowOptimistic bool `json:"low_optimistic"` // low at both steps, and no joiners
}

// AssessClustered judges schools, then pupils present at the reference date in
// schools that did not leave (What Works Clearinghouse, Standards Handbook 4.1,
// cluster-level assignment).
func AssessClustered(schoolsT, schoolsC, pupilsT, pupilsC Arm, joinersAnalysed bool) (Clustered, error) {
	s, errS := Assess(schoolsT, schoolsC)
	p, errP := Assess(pupilsT, pupilsC)
	if errS != nil {
		errS = fmt.Errorf("schools: %w", errS)
	}
	if errP != nil {
		errP = fmt.Errorf("pupils of schools that stayed: %w", errP)
	}
	if err := errors.Join(errS, errP); err != nil {
		return Clustered{}, err
	}
	return Clustered{
		Schools: s, Pupils: p, Joiners: joinersAnalysed,
		LowCautious:   s.WWC.Cautious.Low && p.WWC.Cautious.Low && !joinersAnalysed,
		LowOptimistic: s.WWC.Optimistic.Low && p.WWC.Optimistic.Low && !joinersAnalysed,
	}, nil
}
