package randomize

import (
	"fmt"
	"math/big"
)

// Probabilities is every unit's chance of each arm under a design, before
// chance is spent.
type Probabilities struct {
	Arms  []string     // in the design's order
	Units []string     // in the roster's order
	P     [][]*big.Rat // P[i][a] is the exact probability that unit i gets arm a; do not change the values
}

// NoClosedFormError says that a design has no exact formula for what was
// asked; replaying the rule ([Redraws]) estimates it.
type NoClosedFormError struct {
	What   string // what was asked for
	Reason string
}

func (e *NoClosedFormError) Error() string {
	return "no exact " + e.What + ": " + e.Reason + "; replay the rule 10,000 times or more (Redraws) to estimate it"
}

// Probabilities gives every unit's exact probability of each arm.
//
// All methods but two treat an arm's tokens alike, so that it is the arm's
// weight over the sum of the weights. Constrained and minimisation do so when
// all weights are equal, since exchanging the arms' names changes no score;
// with unequal weights they have no formula and the error is a
// *NoClosedFormError.
func (d Design) Probabilities(r Roster) (*Probabilities, error) {
	if err := checkForSizes(d, r); err != nil {
		return nil, err
	}
	equal := true
	for _, a := range d.Arms {
		equal = equal && a.Weight == d.Arms[0].Weight
	}
	if !equal && (d.Method == Constrained || d.Method == Minimisation) {
		return nil, &NoClosedFormError{What: "assignment probability",
			Reason: fmt.Sprintf("method %s with unequal weights depends on the balance columns", d.Method)}
	}
	p := &Probabilities{}
	shares := make([]*big.Rat, len(d.Arms))
	for i, a := range d.Arms {
		p.Arms = append(p.Arms, a.Name)
		shares[i] = big.NewRat(int64(a.Weight), int64(d.totalWeight()))
	}
	for _, u := range r.Units {
		p.Units = append(p.Units, u.ID)
		p.P = append(p.P, shares)
	}
	return p, nil
}

// Planned is what a design will do to a roster, before chance is spent.
type Planned struct {
	Arms    []SizeRange // the possible sizes of each arm
	Strata  []PlannedStratum
	Misfits int // units left over in all strata
}

// PlannedStratum is what will happen in one stratum (for pairs, one matched
// set; for complete, minimisation and designs without strata, the whole
// roster as "all").
type PlannedStratum struct {
	Name     string
	Units    int
	Misfits  int        // units left over when the stratum is divided by the weights' sum; 0 where the method has none
	Expected []*big.Rat // expected number in each arm, in the design's order
	Min, Max []int      // fewest and most in each arm
}

// Planned gives the expected and possible numbers by stratum and arm. Where
// the design draws clusters, clusters are counted. Expected is nil where
// [Design.Probabilities] has no formula.
func (d Design) Planned(r Roster) (*Planned, error) {
	if err := checkForSizes(d, r); err != nil {
		return nil, err
	}
	probabilities, err := d.Probabilities(r)
	if err != nil {
		probabilities = nil
	}
	reduced, _ := clusters(d, r)
	p := newPlan(d, reduced)
	out := &Planned{Arms: p.sizes(nil)}
	strata := p.strata
	if d.Method == Simple || d.Method == Constrained {
		strata = strataOf(reduced, func(u Unit) string { return u.Stratum })
	}
	for _, s := range strata {
		ps := PlannedStratum{Name: s.name, Units: len(s.members)}
		switch d.Method {
		case Complete, Stratified, Constrained, Pairs:
			ps.Misfits = len(s.members) % p.deck.total
		}
		out.Misfits += ps.Misfits
		inPart := make([]bool, len(reduced.Units))
		for _, m := range s.members {
			inPart[m] = true
		}
		if probabilities != nil {
			for a := range d.Arms {
				n := new(big.Rat).SetInt64(int64(len(s.members)))
				ps.Expected = append(ps.Expected, n.Mul(n, probabilities.P[0][a]))
			}
		}
		one := &plan{design: d, roster: reduced, deck: p.deck, strata: []stratum{s}}
		for _, size := range one.sizes(inPart) {
			ps.Min = append(ps.Min, size.Min)
			ps.Max = append(ps.Max, size.Max)
		}
		out.Strata = append(out.Strata, ps)
	}
	return out, nil
}
