package randomize

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Draw makes the allocation of the design, roster and chance by rule 1. It is
// a pure function: the same three give the same allocation for ever. Anything
// [Check] would say is said first, and then nothing is drawn.
//
// Where communities are formed under constraints and none of the starts meets
// them for the schools that were drawn, the error is a *CommunityError, which
// holds the arms: they stand.
//
// earlier are the waves drawn before, if there are any (see waves.go).
func Draw(d Design, r Roster, c Chance, earlier ...Drawn) (*Allocation, error) {
	return drawIn(domainDraw, 0, d, r, c, earlier)
}

// Rehearse makes rehearsal number n (0 or more) of the same draw. Its seed is
// of another domain: a rehearsal can never equal the draw by design.
func Rehearse(d Design, r Roster, c Chance, n int, earlier ...Drawn) (*Allocation, error) {
	if n < 0 {
		return nil, fmt.Errorf("rehearse draw: number %d is negative; rehearsals are numbered from 0", n)
	}
	return drawIn(domainRehearsal, n, d, r, c, earlier)
}

func drawIn(domain string, number int, d Design, r Roster, c Chance, earlier []Drawn) (*Allocation, error) {
	if err := errors.Join(Check(d, r), d.checkEarlier(r, earlier), c.Validate()); err != nil {
		return nil, err
	}
	s := newSeed(domain, number, Digest(d.Text()), Digest(r.Text()), c)
	return drawFrom(s, d, r, earlier)
}

// drawFrom draws from a seed what has been checked.
func drawFrom(s seed, d Design, r Roster, earlier []Drawn) (*Allocation, error) {
	reduced, back := clusters(d, r)
	p := newPlan(d, reduced)
	p.earlier = earlier
	arms := p.arms(newKeyed(s))
	places, formErr := formCommunities(newKeyed(s), d, reduced, arms)
	a := &Allocation{Assignments: make([]Assignment, len(r.Units))}
	for i, u := range r.Units {
		at := back[i]
		a.Assignments[i] = Assignment{Unit: u.ID, Arm: d.Arms[arms[at]].Name}
		if formErr == nil {
			a.Assignments[i].Community = places[at]
		}
	}
	if formErr != nil {
		return nil, &CommunityError{Arms: a, Err: formErr}
	}
	return a, nil
}

// CommunityError says that the arms were drawn but that communities could not
// be formed under the design's constraints. The arms stand; the communities
// need an amended rule, with its reason in the record.
type CommunityError struct {
	Arms *Allocation // every unit's arm; all communities 0
	Err  error
}

func (e *CommunityError) Error() string {
	return "the arms are drawn and stand, but communities cannot be formed: " + e.Err.Error()
}

func (e *CommunityError) Unwrap() error { return e.Err }

// plan is a design put to a roster: what every seed shares.
type plan struct {
	design Design
	roster Roster
	deck   deck
	strata []stratum
	queue  [][]int // methods that take units one after another: places in order of arrival, for each stratum

	earlier []Drawn // waves drawn before: what minimisation and efron go on from
}

func newPlan(d Design, r Roster) *plan {
	p := &plan{design: d, roster: r, deck: newDeck(d.Arms, 1)}
	switch d.Method {
	case Complete, Minimisation:
		p.strata = strataOf(r, func(Unit) string { return "all" })
	case Pairs:
		set := r.Column(ColumnSet)
		p.strata = strataOf(r, func(u Unit) string { return "set/" + itoa(u.Balance[set]) })
	default:
		p.strata = strataOf(r, func(u Unit) string { return u.Stratum })
	}
	if d.arrives() {
		for _, s := range p.strata {
			p.queue = append(p.queue, arrival(r, s.members))
		}
	}
	return p
}

// arrives says whether the method takes units in the order of the column
// sequence.
func (d Design) arrives() bool {
	return d.Method == Blocks || d.Method == Minimisation || d.Method == Efron
}

// arrival sorts units by the column sequence, then by ID.
func arrival(r Roster, members []int) []int {
	queue := slices.Clone(members) // by ID already
	if at := r.Column(ColumnSequence); at >= 0 {
		slices.SortStableFunc(queue, func(a, b int) int {
			x, y := r.Units[a].Balance[at], r.Units[b].Balance[at]
			switch {
			case x < y:
				return -1
			case x > y:
				return 1
			}
			return 0
		})
	}
	return queue
}

// misfitRule is the rule for units left over; complete randomisation has one
// stratum, so that pooling would change nothing.
func (d Design) misfitRule() Misfits {
	if d.Misfits == "" {
		return Within
	}
	return d.Misfits
}

// arms draws every unit's arm from a seed.
func (p *plan) arms(k *keyed) []int {
	if p.design.Method == Constrained {
		return p.candidates(k.s).draw(k)
	}
	return p.draw(k)
}

// draw draws every unit's arm from src by any method but constrained, whose
// candidates depend on the seed itself.
func (p *plan) draw(src source) []int {
	arms := make([]int, len(p.roster.Units))
	switch p.design.Method {
	case Complete, Stratified, Pairs:
		newDealer(p.strata, p.deck, p.design.misfitRule()).deal(src, arms)
	case Blocks:
		p.blocks(src, arms)
	case Simple:
		p.simple(src, arms)
	case Efron:
		p.efron(src, arms)
	case Minimisation:
		p.minimise(src, arms)
	}
	return arms
}

// blocks is section 4 of RULE.md.
func (p *plan) blocks(src source, arms []int) {
	decks := make([]deck, len(p.design.Blocks))
	for i, size := range p.design.Blocks {
		decks[i] = newDeck(p.design.Arms, size/p.deck.total)
	}
	var order []int
	for i, s := range p.strata {
		sizes := src.stream("block-size/" + s.name)
		queue := p.queue[i]
		for b := 0; len(queue) > 0; b++ {
			d := decks[sizes.uniform(len(decks))]
			n := min(len(queue), len(d.arm))
			order = src.first(order, "block/"+s.name+"/"+itoa(b), d, n)
			for j, unit := range queue[:n] {
				arms[unit] = d.arm[order[j]]
			}
			queue = queue[n:]
		}
	}
}

// simple is section 8 of RULE.md: a weighted coin for each unit.
func (p *plan) simple(src source, arms []int) {
	for i, u := range p.roster.Units {
		arms[i] = src.stream("simple/" + u.ID).pick(p.deck.weights...)
	}
}

// efron is section 9 of RULE.md: Efron's biased coin within each stratum
// (Efron, Biometrika 1971;58:403-417).
func (p *plan) efron(src source, arms []int) {
	for i, s := range p.strata {
		coin := src.stream("efron/" + s.name)
		lead := p.lead(s.name) // units of the first arm less units of the second
		for _, unit := range p.queue[i] {
			arm := 0
			switch {
			case lead == 0:
				arm = coin.pick(1, 1)
			case lead < 0: // the first arm is behind
				arm = coin.pick(p.design.BestPerMille, 1000-p.design.BestPerMille)
			default:
				arm = 1 - coin.pick(p.design.BestPerMille, 1000-p.design.BestPerMille)
			}
			arms[unit] = arm
			lead += 1 - 2*arm
		}
	}
}

// lead is by how many units the first of two arms is ahead in a stratum after
// the earlier waves.
func (p *plan) lead(stratum string) (lead int) {
	for _, e := range p.earlier {
		for i, u := range e.Roster.Units {
			if u.Stratum == stratum {
				lead += 1 - 2*p.design.arm(e.Allocation.Assignments[i].Arm)
			}
		}
	}
	return lead
}

// clusters reduces a roster to one unit for each value of the design's cluster
// column: named by the value in decimal, in the stratum of its units, its
// balance columns summed (sequence: the least; the cluster column and set: the
// common value). back gives each unit's place in the reduced roster. Without a
// cluster column the roster itself comes back.
func clusters(d Design, r Roster) (reduced Roster, back []int) {
	back = make([]int, len(r.Units))
	if d.Cluster == "" {
		for i := range back {
			back[i] = i
		}
		return r, back
	}
	column := r.Column(d.Cluster)
	place := map[string]int{}
	for _, u := range r.Units {
		name := itoa(u.Balance[column])
		at, ok := place[name]
		if !ok {
			place[name] = len(reduced.Units)
			reduced.Units = append(reduced.Units, Unit{ID: name, Stratum: u.Stratum, Balance: slices.Clone(u.Balance)})
			continue
		}
		into := reduced.Units[at].Balance
		for j, v := range u.Balance {
			switch {
			case r.Columns[j] == ColumnSequence:
				into[j] = min(into[j], v)
			case j == column || r.Columns[j] == ColumnSet:
			default:
				into[j] += v
			}
		}
	}
	reduced.Columns = r.Columns
	slices.SortFunc(reduced.Units, func(a, b Unit) int { return strings.Compare(a.ID, b.ID) })
	for i, u := range r.Units {
		back[i] = reduced.find(itoa(u.Balance[column]))
	}
	return reduced, back
}
