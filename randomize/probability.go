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

// PairProbabilities gives the joint distribution of any two units' arms under
// a design, before chance is spent.
type PairProbabilities struct {
	plan *plan
	back []int
	at   []int // stratum of each unit of the plan
	turn []int // place in the stratum's order of arrival (method blocks)
	// sameToken is the chance that random misfits of two strata take the same
	// token (misfits pooled); with the tokens alike, all else follows from it.
	sameToken *big.Rat
	start     []*big.Rat // method blocks: chance that a block starts at each place
}

// PairProbabilities prepares the joint probabilities. There is an exact form
// for simple, complete, stratified, pairs and blocks; with misfits pooled only
// where no stratum has more than one misfit (always so with two equal arms).
// Otherwise the error is a *NoClosedFormError. For method constrained see
// [Validity].
func (d Design) PairProbabilities(r Roster) (*PairProbabilities, error) {
	if err := checkForSizes(d, r); err != nil {
		return nil, err
	}
	reduced, back := clusters(d, r)
	pp := &PairProbabilities{plan: newPlan(d, reduced), back: back,
		at: make([]int, len(reduced.Units)), turn: make([]int, len(reduced.Units))}
	p := pp.plan
	switch d.Method {
	case Simple, Complete, Stratified, Pairs, Blocks:
	default:
		return nil, &NoClosedFormError{What: "probability of pairs", Reason: fmt.Sprintf("method %s depends on the other units", d.Method)}
	}
	longest, misfits := 0, 0
	for i, s := range p.strata {
		order := s.members
		if p.queue != nil {
			order = p.queue[i]
		}
		for turn, m := range order {
			pp.at[m], pp.turn[m] = i, turn
		}
		longest = max(longest, len(s.members))
		m := len(s.members) % p.deck.total
		misfits += m
		if m > 1 && d.Method != Blocks && d.misfitRule() == Pooled && len(p.strata) > 1 {
			return nil, &NoClosedFormError{What: "probability of pairs", Reason: fmt.Sprintf("misfits are pooled and stratum %q has %d of them", s.name, m)}
		}
	}
	w := int64(p.deck.total)
	pp.sameToken = big.NewRat(1, w)
	if d.misfitRule() == Pooled && misfits > 1 {
		// Two misfits of one pass never take the same token, two of different
		// passes do with chance 1/W.
		pairs := int64(misfits) * int64(misfits-1)
		full, rest := int64(misfits)/w, int64(misfits)%w
		samePass := big.NewRat(full*w*(w-1)+rest*(rest-1), pairs)
		pp.sameToken.Mul(pp.sameToken, samePass.Sub(big.NewRat(1, 1), samePass))
	}
	if d.Method == Blocks {
		pp.start = make([]*big.Rat, longest)
		for t := range pp.start {
			pp.start[t] = new(big.Rat)
			if t == 0 {
				pp.start[t].SetInt64(1)
			}
			for _, size := range d.Blocks {
				if t >= size {
					pp.start[t].Add(pp.start[t], new(big.Rat).Mul(pp.start[t-size], big.NewRat(1, int64(len(d.Blocks)))))
				}
			}
		}
	}
	return pp, nil
}

// Of gives the probability that unit i of the roster gets arm a and unit j
// arm b, for every a and b in the design's order. For i = j, or two units of
// one cluster, only a = b is possible.
func (pp *PairProbabilities) Of(i, j int) [][]*big.Rat {
	i, j = pp.back[i], pp.back[j]
	p := pp.plan
	// Every case is a mixture: the two share a source of distinct tokens (a
	// block's deck of each size, a stratum, a pass), or they are independent.
	mixture := pairMixture{weights: p.deck.weights, total: p.deck.total}
	s := p.strata[pp.at[i]]
	n := int64(len(s.members))
	switch {
	case i == j:
		mixture.same(big.NewRat(1, 1))
	case p.design.Method == Simple:
		mixture.independent(big.NewRat(1, 1))
	case pp.at[i] == pp.at[j] && p.design.Method == Blocks:
		a, b := min(pp.turn[i], pp.turn[j]), max(pp.turn[i], pp.turn[j])
		left := big.NewRat(1, 1)
		for _, size := range p.design.Blocks {
			share := new(big.Rat)
			for t := max(0, b-size+1); t <= a; t++ {
				share.Add(share, pp.start[t])
			}
			share.Mul(share, big.NewRat(1, int64(len(p.design.Blocks))))
			mixture.distinct(share, size/p.deck.total)
			left.Sub(left, share)
		}
		mixture.independent(left)
	case pp.at[i] == pp.at[j]:
		// Ordered pairs of the stratum's places: q copies of the W tokens and a
		// random set of m different ones. Two places hold the same token in
		// W·q(q−1) + 2qm of the n(n−1) pairs.
		q, m := n/int64(p.deck.total), n%int64(p.deck.total)
		same := big.NewRat(int64(p.deck.total)*q*(q-1)+2*q*m, n*(n-1))
		mixture.sameOrDistinct(same)
	default:
		other := int64(len(p.strata[pp.at[j]].members))
		w := int64(p.deck.total)
		both := new(big.Rat).Mul(big.NewRat(n%w, n), big.NewRat(other%w, other))
		if p.design.Method == Blocks || p.design.misfitRule() != Pooled {
			both.SetInt64(0)
		}
		mixture.independent(new(big.Rat).Sub(big.NewRat(1, 1), both))
		mixture.sameOrDistinct(pp.sameToken, both)
	}
	return mixture.out
}

// Same is the probability that units i and j of the roster get one arm.
func (pp *PairProbabilities) Same(i, j int) *big.Rat {
	sum := new(big.Rat)
	for a, row := range pp.Of(i, j) {
		sum.Add(sum, row[a])
	}
	return sum
}

// pairMixture adds up joint distributions of two tokens, all tokens alike.
type pairMixture struct {
	weights []int
	total   int
	out     [][]*big.Rat
}

func (m *pairMixture) add(share *big.Rat, p func(a, b int64, equal bool) *big.Rat) {
	if m.out == nil {
		m.out = make([][]*big.Rat, len(m.weights))
		for a := range m.out {
			m.out[a] = make([]*big.Rat, len(m.weights))
			for b := range m.out[a] {
				m.out[a][b] = new(big.Rat)
			}
		}
	}
	for a, wa := range m.weights {
		for b, wb := range m.weights {
			x := p(int64(wa), int64(wb), a == b)
			m.out[a][b].Add(m.out[a][b], x.Mul(x, share))
		}
	}
}

// same: one token for both.
func (m *pairMixture) same(share *big.Rat) {
	m.add(share, func(a, _ int64, equal bool) *big.Rat {
		if !equal {
			return new(big.Rat)
		}
		return big.NewRat(a, int64(m.total))
	})
}

// independent: two tokens drawn with replacement.
func (m *pairMixture) independent(share *big.Rat) {
	w := int64(m.total)
	m.add(share, func(a, b int64, _ bool) *big.Rat { return big.NewRat(a*b, w*w) })
}

// distinct: two different tokens of a deck with times copies of each.
func (m *pairMixture) distinct(share *big.Rat, times int) {
	t := int64(times)
	w := int64(m.total) * t
	m.add(share, func(a, b int64, equal bool) *big.Rat {
		if w < 2 {
			return new(big.Rat)
		}
		if equal {
			return big.NewRat(a*t*(a*t-1), w*(w-1))
		}
		return big.NewRat(a*t*b*t, w*(w-1))
	})
}

// sameOrDistinct: the same token with chance same, else two different ones; the whole
// taken times share (1 if not given).
func (m *pairMixture) sameOrDistinct(same *big.Rat, share ...*big.Rat) {
	one := big.NewRat(1, 1)
	whole := one
	if len(share) > 0 {
		whole = share[0]
	}
	m.same(new(big.Rat).Mul(whole, same))
	m.distinct(new(big.Rat).Mul(whole, new(big.Rat).Sub(one, same)), 1)
}
