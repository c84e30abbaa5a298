package randomize

// Redraws gives what the design could have drawn instead, for randomisation
// inference: redraw(i) is every unit's arm, as a place in d.Arms, in the
// roster's order, for redraw i = 0, 1, 2, …
//
// Redraw i is the draw under a seed of a third domain, so that it can equal
// neither the draw nor a rehearsal by design, and has the draw's own
// distribution. For method constrained the candidates are those of the real
// draw and redraw i chooses among the kept ones: the reference set of the
// permutation test. The function may be called from several goroutines, in any
// order; each call returns a slice of its own.
func Redraws(d Design, r Roster, c Chance) (redraw func(i int) []int, err error) {
	if err := checkForSizes(d, r); err != nil {
		return nil, err
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	reduced, back := clusters(d, r)
	p := newPlan(d, reduced)
	designDigest, rosterDigest := Digest(d.Text()), Digest(r.Text())
	var set *candidateSet
	if d.Method == Constrained {
		set = p.candidates(newSeed(domainDraw, 0, designDigest, rosterDigest, c))
	}
	return func(i int) []int {
		k := newKeyed(newSeed(domainRedraw, i, designDigest, rosterDigest, c))
		var arms []int
		if set != nil {
			arms = set.draw(k)
		} else {
			arms = p.draw(k)
		}
		return broadcast(arms, back)
	}, nil
}

// RehearseArms gives the arms alone of rehearsal n = 0, 1, 2, …, as places in
// d.Arms in the roster's order: those of [Rehearse] without forming communities
// and without checking the texts anew each time, for looking at the balance of
// a thousand rehearsals. For method constrained every rehearsal scores
// candidates of its own. The function may be called from several goroutines.
func RehearseArms(d Design, r Roster, c Chance) (arms func(n int) []int, err error) {
	if err := checkForSizes(d, r); err != nil {
		return nil, err
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	reduced, back := clusters(d, r)
	p := newPlan(d, reduced)
	designDigest, rosterDigest := Digest(d.Text()), Digest(r.Text())
	return func(n int) []int {
		drawn := p.arms(newKeyed(newSeed(domainRehearsal, n, designDigest, rosterDigest, c)))
		return broadcast(drawn, back)
	}, nil
}

// broadcast gives every unit the arm of its cluster.
func broadcast(arms, back []int) []int {
	whole := make([]int, len(back))
	for u, at := range back {
		whole[u] = arms[at]
	}
	return whole
}
