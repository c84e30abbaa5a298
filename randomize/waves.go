package randomize

import (
	"fmt"
	"slices"
)

// DrawWave draws a later wave of schools by a method that takes units one after
// another (blocks, minimisation, efron; simple too). The seed is the first
// wave's, so first is the roster as it was committed and drawn; whole is every
// unit so far. Earlier assignments do not change, which is checked before
// anything is drawn: whole must hold every unit of first as it was, and in each
// stratum the new ones must come after all earlier ones in the column sequence
// (minimisation: after all earlier ones of the roster). Communities are formed
// once, of the first wave: the new units' community is 0.
func DrawWave(d Design, first, whole Roster, c Chance) (*Allocation, error) {
	f := &faults{what: "draw"}
	switch d.Method {
	case Blocks, Minimisation, Efron, Simple:
	default:
		f.add(0, "method %s draws a whole roster at once and has no later waves; use blocks, minimisation or efron", d.Method)
	}
	if d.Cluster != "" {
		f.add(0, "a design with clusters has no later waves")
	}
	if len(f.list) > 0 {
		return nil, f.err()
	}
	if err := Check(d, first); err != nil {
		return nil, fmt.Errorf("first wave: %w", err)
	}
	if err := checkForSizes(d, whole); err != nil {
		return nil, fmt.Errorf("later wave: %w", err)
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	d.checkWave(f, first, whole)
	if err := f.err(); err != nil {
		return nil, err
	}
	k := newKeyed(newSeed(domainDraw, 0, Digest(d.Text()), Digest(first.Text()), c))
	arms := newPlan(d, whole).arms(k)
	drawn, err := Draw(d, first, c)
	if err != nil {
		return nil, err
	}
	a := &Allocation{}
	for i, u := range whole.Units {
		x := Assignment{Unit: u.ID, Arm: d.Arms[arms[i]].Name}
		if before, ok := drawn.Of(u.ID); ok {
			x.Community = before.Community
		}
		a.Assignments = append(a.Assignments, x)
	}
	return a, nil
}

// checkWave says what keeps the earlier assignments from staying as they were.
func (d Design) checkWave(f *faults, first, whole Roster) {
	if !slices.Equal(first.Columns, whole.Columns) {
		f.add(0, "the later roster has the columns %v, the first has %v", whole.Columns, first.Columns)
		return
	}
	for _, u := range first.Units {
		at := whole.find(u.ID)
		switch {
		case at < 0:
			f.add(0, "unit %s of the first wave is missing from the later roster", u.ID)
		case whole.Units[at].Stratum != u.Stratum || !slices.Equal(whole.Units[at].Balance, u.Balance):
			f.add(0, "unit %s is not as it was in the first wave", u.ID)
		}
	}
	if d.Method == Simple || len(f.list) > 0 {
		return
	}
	sequence := first.Column(ColumnSequence)
	stratum := func(u Unit) string {
		if d.Method == Minimisation {
			return "all"
		}
		return u.Stratum
	}
	last := map[string]Unit{}
	for _, u := range first.Units {
		if l, ok := last[stratum(u)]; !ok || u.Balance[sequence] >= l.Balance[sequence] {
			last[stratum(u)] = u
		}
	}
	for _, u := range whole.Units {
		if first.find(u.ID) >= 0 {
			continue
		}
		if l, ok := last[stratum(u)]; ok && u.Balance[sequence] <= l.Balance[sequence] {
			f.add(0, "unit %s has sequence %d, not after unit %s of the first wave with %d; later units come after all earlier ones of their stratum",
				u.ID, u.Balance[sequence], l.ID, l.Balance[sequence])
		}
	}
}
