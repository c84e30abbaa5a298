package randomize

import "slices"

// This file is section 3 of RULE.md: the stratified draw and its misfits.

// stratum is what the draw is done within.
type stratum struct {
	name    string
	members []int    // places in the roster, in byte order of their IDs
	ids     []string // their IDs
}

// deck is the arms' tokens: arm#1 … arm#w for an arm of weight w.
type deck struct {
	weights []int
	total   int      // W
	names   []string // of the tokens
	arm     []int    // of each token
}

func newDeck(arms []ArmSpec, times int) deck {
	var d deck
	for a, spec := range arms {
		w := spec.Weight * times
		d.weights = append(d.weights, w)
		d.total += w
		for i := 1; i <= w; i++ {
			d.names = append(d.names, spec.Name+"#"+itoa(i))
			d.arm = append(d.arm, a)
		}
	}
	return d
}

// strataOf groups the roster's units by name(unit); the strata are in byte
// order of their names.
func strataOf(r Roster, name func(Unit) string) []stratum {
	place := map[string]int{}
	var strata []stratum
	for i, u := range r.Units {
		key := name(u)
		at, ok := place[key]
		if !ok {
			at = len(strata)
			place[key] = at
			strata = append(strata, stratum{name: key})
		}
		strata[at].members = append(strata[at].members, i)
		strata[at].ids = append(strata[at].ids, u.ID)
	}
	slices.SortFunc(strata, func(a, b stratum) int {
		if a.name < b.name {
			return -1
		}
		return 1 // names are unique
	})
	return strata
}

// dealer draws stratified allocations again and again without allocating.
type dealer struct {
	strata  []stratum
	deck    deck
	misfits Misfits

	purposes     []string // "unit/"+s
	misfitNames  []string // of the strata with misfits
	misfitStrata []int
	left         [][]int // the misfits of each stratum, in order

	counts, order, strataOrder, tokens, pool []int
	taken                                    []bool
}

func newDealer(strata []stratum, d deck, misfits Misfits) *dealer {
	g := &dealer{strata: strata, deck: d, misfits: misfits, left: make([][]int, len(strata)), taken: make([]bool, d.total)}
	for i, s := range strata {
		g.purposes = append(g.purposes, "unit/"+s.name)
		if len(s.members)%d.total != 0 {
			g.misfitStrata = append(g.misfitStrata, i)
			g.misfitNames = append(g.misfitNames, s.name)
		}
	}
	return g
}

// deal draws one allocation from src into arms (one place for each unit).
func (g *dealer) deal(src source, arms []int) {
	for i, s := range g.strata {
		q := len(s.members) / g.deck.total
		g.counts = g.counts[:0]
		for _, w := range g.deck.weights {
			g.counts = append(g.counts, q*w)
		}
		// Misfits that take their tokens in random order may stand in any
		// order; those of a pool take what is left of one pass first, so that
		// their order matters.
		if left := len(s.members) - q*g.deck.total; g.misfits == Pooled {
			for range left {
				g.counts = append(g.counts, 1)
			}
		} else {
			g.counts = append(g.counts, left)
		}
		g.order = src.units(g.order, g.purposes[i], s.ids, g.counts)
		at := 0
		for a, w := range g.deck.weights {
			for range q * w {
				arms[s.members[g.order[at]]] = a
				at++
			}
		}
		g.left[i] = g.left[i][:0]
		for _, place := range g.order[at:] {
			g.left[i] = append(g.left[i], s.members[place])
		}
	}
	if g.misfits == Pooled {
		g.dealPooled(src, arms)
		return
	}
	for _, i := range g.misfitStrata {
		g.tokens = src.first(g.tokens, "misfit/"+g.strata[i].name, g.deck, len(g.left[i]))
		for j, unit := range g.left[i] {
			arms[unit] = g.deck.arm[g.tokens[j]]
		}
	}
}

// dealPooled gives the misfits of all strata the tokens of one pool. Each
// stratum takes no token twice, so that it stays as level as the trial.
func (g *dealer) dealPooled(src source, arms []int) {
	g.strataOrder = src.order(g.strataOrder, "misfit-strata", g.misfitNames)
	g.pool = g.pool[:0]
	pass := 0
	for _, at := range g.strataOrder {
		clear(g.taken)
		for _, unit := range g.left[g.misfitStrata[at]] {
			free := slices.IndexFunc(g.pool, func(token int) bool { return !g.taken[token] })
			if free < 0 {
				free = len(g.pool)
				g.tokens = src.order(g.tokens, "misfit-pass/"+itoa(pass), g.deck.names)
				g.pool = append(g.pool, g.tokens...)
				pass++
				// What is skipped stays where it is: the new pass may begin
				// with a token this stratum has.
				for g.taken[g.pool[free]] {
					free++
				}
			}
			token := g.pool[free]
			g.pool = slices.Delete(g.pool, free, free+1)
			g.taken[token] = true
			arms[unit] = g.deck.arm[token]
		}
	}
}
