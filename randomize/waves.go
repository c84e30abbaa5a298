package randomize

import (
	"errors"
	"slices"
)

// This file is section 15 of RULE.md: schools that come in waves. A wave is a
// draw of its own: it has its own roster, of its own units only, and its own
// chance, which does not exist before the wave is committed. No earlier
// assignment enters what is written down of it, so none can change; minimisation
// and efron look at them and go on from there.

// Wave is the units of one wave and the chance they are drawn from.
type Wave struct {
	Roster Roster
	Chance Chance
}

// Drawn is a wave after its draw.
type Drawn struct {
	Roster     Roster
	Allocation *Allocation
}

// Remembers says whether the arms of a later wave depend on the earlier ones.
func (d Design) Remembers() bool { return d.Method == Minimisation || d.Method == Efron }

// checkEarlier says what keeps a roster from being a later wave.
func (d Design) checkEarlier(r Roster, earlier []Drawn) error {
	if len(earlier) == 0 {
		return nil
	}
	f := &faults{what: "draw of a later wave"}
	if d.Remembers() && d.Cluster != "" {
		f.add(0, "method %s takes earlier waves into account, which is not defined for clusters; draw each wave by another method", d.Method)
	}
	seen := map[string]int{}
	for i, e := range append(slices.Clone(earlier), Drawn{Roster: r}) {
		for _, u := range e.Roster.Units {
			if w, twice := seen[u.ID]; twice {
				f.add(0, "unit %s is in wave %d and in wave %d; a unit is drawn once", u.ID, w, i+1)
			}
			seen[u.ID] = i + 1
		}
		if e.Allocation == nil {
			continue // the wave to be drawn
		}
		if len(e.Allocation.Assignments) != len(e.Roster.Units) {
			f.add(0, "wave %d has %d units and %d assignments", i+1, len(e.Roster.Units), len(e.Allocation.Assignments))
			continue
		}
		for j, u := range e.Roster.Units {
			if x := e.Allocation.Assignments[j]; x.Unit != u.ID || d.arm(x.Arm) < 0 {
				f.add(0, "wave %d: the allocation has unit %s in arm %s where unit %s stands on the roster", i+1, clip(x.Unit), clip(x.Arm), u.ID)
				break
			}
		}
		if d.Remembers() {
			d.checkColumns(f, e.Roster)
		}
	}
	return f.err()
}

// DrawWaves draws wave after wave, each with the ones before it.
func DrawWaves(d Design, waves []Wave) (drawn []Drawn, err error) {
	for _, w := range waves {
		a, err := Draw(d, w.Roster, w.Chance, drawn...)
		if err != nil {
			return drawn, err
		}
		drawn = append(drawn, Drawn{w.Roster, a})
	}
	return drawn, nil
}

// Redraws gives what the design could have drawn instead, for randomisation
// inference: redraw(i) is every unit's arm, as a place in d.Arms, in the
// roster's order and wave after wave, for redraw i = 0, 1, 2, …
//
// Redraw i is the draw under seeds of a third domain, so that it can equal
// neither the draw nor a rehearsal by design, and has the draw's own
// distribution. For method constrained the candidates are those of the real
// draw and redraw i chooses among the kept ones: the reference set of the
// permutation test. The function may be called from several goroutines, in any
// order; each call returns a slice of its own.
func Redraws(d Design, waves ...Wave) (redraw func(i int) []int, err error) {
	if len(waves) == 0 {
		return nil, errors.New("redraw the design: there is no roster")
	}
	type wave struct {
		plan         *plan
		back         []int
		set          *candidateSet
		roster       Roster
		rosterDigest string
		chance       Chance
	}
	designDigest := Digest(d.Text())
	all := make([]wave, len(waves))
	for i, w := range waves {
		if err := errors.Join(checkForSizes(d, w.Roster), w.Chance.Validate()); err != nil {
			return nil, err
		}
		reduced, back := clusters(d, w.Roster)
		all[i] = wave{newPlan(d, reduced), back, nil, w.Roster, Digest(w.Roster.Text()), w.Chance}
		if d.Method == Constrained {
			all[i].set = all[i].plan.candidates(newSeed(domainDraw, 0, designDigest, all[i].rosterDigest, w.Chance))
		}
	}
	return func(i int) []int {
		var whole []int
		var earlier []Drawn
		for at, w := range all {
			k := newKeyed(newSeed(domainRedraw, i, designDigest, w.rosterDigest, w.chance))
			var arms []int
			if w.set != nil {
				arms = w.set.draw(k)
			} else {
				p := *w.plan
				p.earlier = earlier
				arms = p.draw(k)
			}
			arms = broadcast(arms, w.back)
			whole = append(whole, arms...)
			if d.Remembers() && at+1 < len(all) {
				a := &Allocation{}
				for j, u := range w.roster.Units {
					a.Assignments = append(a.Assignments, Assignment{Unit: u.ID, Arm: d.Arms[arms[j]].Name})
				}
				earlier = append(earlier, Drawn{w.roster, a})
			}
		}
		return whole
	}, nil
}
