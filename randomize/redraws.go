package randomize

import "errors"

// RehearseArms gives the arms alone of rehearsal n = 0, 1, 2, …, as places in
// d.Arms in the roster's order: those of [Rehearse] without forming communities
// and without checking the texts anew each time, for looking at the balance of
// a thousand rehearsals. For method constrained every rehearsal scores
// candidates of its own. The function may be called from several goroutines.
func RehearseArms(d Design, r Roster, c Chance, earlier ...Drawn) (arms func(n int) []int, err error) {
	if err := errors.Join(checkForSizes(d, r), d.checkEarlier(r, earlier), c.Validate()); err != nil {
		return nil, err
	}
	reduced, back := clusters(d, r)
	p := newPlan(d, reduced)
	p.earlier = earlier
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
