package randomize

import (
	"math/big"
)

// This file is section 10 of RULE.md: minimisation.
//
// Taves, Clin Pharmacol Ther 1974;15:443-453; Pocock and Simon, Biometrics
// 1975;31:103-115; for unequal ratios the biased coin of Han, Enas and
// McEntegart, Stat Med 2009;28:3329-3344.

// minimise takes the units in order of arrival and gives each the arm that
// would leave the factors most level, with the design's chance.
func (p *plan) minimise(src source, arms []int) {
	m := newMinimiser(p)
	m.remember()
	for _, queue := range p.queue {
		for _, unit := range queue {
			arm := m.assign(src.stream("minimise/"+p.roster.Units[unit].ID), m.preferred(unit))
			arms[unit] = arm
			m.note(unit, arm)
		}
	}
}

type minimiser struct {
	plan    *plan
	factors []factor
	least   int // the smallest of the arms' weights
}

// factor is a column with levels and the units so far at each level, by arm.
type factor struct {
	weight int64
	column string
	level  func(Unit) string
	counts map[string][]int64
}

func newMinimiser(p *plan) *minimiser {
	m := &minimiser{plan: p, least: p.deck.total}
	for _, w := range p.design.Weights {
		f := factor{weight: int64(w.Weight), column: w.Column, level: levelIn(p.roster, w.Column), counts: map[string][]int64{}}
		m.factors = append(m.factors, f)
	}
	for _, w := range p.deck.weights {
		m.least = min(m.least, w)
	}
	return m
}

// levelIn gives the level of a roster's units in a column, the stratum where
// there is no such column.
func levelIn(r Roster, column string) func(Unit) string {
	if at := r.Column(column); at >= 0 {
		return func(u Unit) string { return itoa(u.Balance[at]) }
	}
	return func(u Unit) string { return u.Stratum }
}

// remember counts the units of the earlier waves.
func (m *minimiser) remember() {
	for _, e := range m.plan.earlier {
		for i := range m.factors {
			level := levelIn(e.Roster, m.factors[i].column)
			for j, u := range e.Roster.Units {
				arm := m.plan.design.arm(e.Allocation.Assignments[j].Arm)
				m.factors[i].counted(level(u), len(m.plan.deck.weights))[arm]++
			}
		}
	}
}

// at is the counts at the unit's level of a factor.
func (f *factor) at(u Unit, arms int) []int64 { return f.counted(f.level(u), arms) }

// counted is the counts at a level.
func (f *factor) counted(level string, arms int) []int64 {
	c, ok := f.counts[level]
	if !ok {
		c = make([]int64, arms)
		f.counts[level] = c
	}
	return c
}

func (m *minimiser) note(unit, arm int) {
	for i := range m.factors {
		m.factors[i].at(m.plan.roster.Units[unit], len(m.plan.deck.weights))[arm]++
	}
}

// preferred lists the arms with the least imbalance were the unit put there.
func (m *minimiser) preferred(unit int) []int {
	var counts [][]int64
	var weights []int64
	for i := range m.factors {
		counts = append(counts, m.factors[i].at(m.plan.roster.Units[unit], len(m.plan.deck.weights)))
		weights = append(weights, m.factors[i].weight)
	}
	return leastImbalanced(imbalances(m.plan.design.Imbalance, counts, weights, m.plan.deck.weights))
}

func leastImbalanced(g []*big.Int) []int {
	var best []int
	for k := range g {
		switch c := -1; {
		case len(best) > 0:
			c = g[k].Cmp(g[best[0]])
			if c > 0 {
				continue
			}
			if c < 0 {
				best = best[:0]
			}
		}
		best = append(best, k)
	}
	return best
}

// sdScale keeps six decimal places of a standard deviation in a whole number.
var sdScale = big.NewInt(1_000_000_000_000)

// imbalances gives for each arm the total imbalance G were the next unit put
// there, in whole numbers. counts[f][k] are the units at the new unit's level
// of factor f in arm k.
//
// A count enters divided by its arm's weight: with L the product of the
// weights, x_k = count_k · L / w_k is a whole number. For K arms,
//
//	range     max x − min x
//	variance  K·Σx² − (Σx)²      (K(K−1)·L² times the variance)
//	sd        the whole part of √(10¹² · variance above)
//	taves     the x of the arm itself, before the unit is put there
//
// and G is the sum over factors of weight times this.
func imbalances(measure Imbalance, counts [][]int64, weights []int64, ratio []int) []*big.Int {
	product := big.NewInt(1)
	for _, w := range ratio {
		product.Mul(product, big.NewInt(int64(w)))
	}
	unit := make([]*big.Int, len(ratio))
	for k, w := range ratio {
		unit[k] = new(big.Int).Div(product, big.NewInt(int64(w)))
	}
	g := make([]*big.Int, len(ratio))
	for k := range g {
		g[k] = new(big.Int)
		for f := range counts {
			x := make([]*big.Int, len(ratio))
			for l := range x {
				n := counts[f][l]
				if l == k && measure != ImbalanceTaves {
					n++
				}
				x[l] = new(big.Int).Mul(unit[l], big.NewInt(n))
			}
			d := new(big.Int)
			switch measure {
			case ImbalanceTaves:
				d.Set(x[k])
			case ImbalanceRange:
				lo, hi := x[0], x[0]
				for _, v := range x {
					if v.Cmp(lo) < 0 {
						lo = v
					}
					if v.Cmp(hi) > 0 {
						hi = v
					}
				}
				d.Sub(hi, lo)
			default:
				sum, squares := new(big.Int), new(big.Int)
				for _, v := range x {
					sum.Add(sum, v)
					squares.Add(squares, new(big.Int).Mul(v, v))
				}
				d.Sub(squares.Mul(squares, big.NewInt(int64(len(x)))), sum.Mul(sum, sum))
				if measure == ImbalanceSD {
					d.Sqrt(d.Mul(d, sdScale))
				}
			}
			g[k].Add(g[k], d.Mul(d, big.NewInt(weights[f])))
		}
	}
	return g
}

// assign draws the arm given the preferred ones. First, of several preferred
// arms, one (h) is drawn in proportion to weight. Then the unit goes elsewhere
// with chance (W − w_h)(1000 − best) in 1000·(W − least), the other arms sharing
// in proportion to weight, and to h otherwise. With equal weights this is Pocock
// and Simon's rule with probability best for h; with unequal ones it keeps the
// ratio (Han, Enas and McEntegart), and a tie of all arms gives exactly w/W.
func (m *minimiser) assign(from numbers, preferred []int) int {
	h := m.pickArm(from, preferred)
	elsewhere, all := m.error(h)
	if from.pick(elsewhere, all-elsewhere) == 1 {
		return h
	}
	var others []int
	for k := range m.plan.deck.weights {
		if k != h {
			others = append(others, k)
		}
	}
	return m.pickArm(from, others)
}

// error is the chance, elsewhere in all, that the unit does not get its
// preferred arm h.
func (m *minimiser) error(h int) (elsewhere, all int) {
	total := m.plan.deck.total
	return (total - m.plan.deck.weights[h]) * (1000 - m.plan.design.BestPerMille), 1000 * (total - m.least)
}

// pickArm draws one of the arms in proportion to weight; of one arm it needs no
// number.
func (m *minimiser) pickArm(from numbers, among []int) int {
	if len(among) == 1 {
		return among[0]
	}
	weights := make([]int, len(among))
	for i, k := range among {
		weights[i] = m.plan.deck.weights[k]
	}
	return among[from.pick(weights...)]
}
