package randomize

import (
	"errors"
	"fmt"
	"slices"
)

// CommunityChoices reports what forming an arm's communities by search left to chance.
type CommunityChoices struct {
	Arm      string
	Units    []string // the arm's units, in byte order
	Sizes    []int    // of the communities
	Starts   int      // made
	Feasible int      // starts that broke no rule
	Distinct int      // different partitions among them
	Kept     int      // of those, with a score not above the cut
	// Best and Cut are scores: thousandths times millionths of what forming
	// by lot over the whole arm would give on average, so that 1,000,000,000
	// is as good as lot.
	Best, Cut int64
	Together  [][]int32 // Together[i][j], i > j: kept partitions with units i and j in one community
	Always    []Pair    // in one community in every kept partition
	Never     []Pair    // in one community in no kept partition
	Often     []Pair    // in one community in more than half of them, but not all
}

// Choices reports for every arm with searched communities what the search left
// to chance in the draw from this chance: pairs that were always or never
// together show how far forming them was designed rather than drawn.
func Choices(d Design, r Roster, c Chance, earlier ...Drawn) ([]CommunityChoices, error) {
	return choicesIn(domainDraw, 0, d, r, c, earlier)
}

// RehearseChoices reports the same of rehearsal number n, before the draw.
func RehearseChoices(d Design, r Roster, c Chance, n int, earlier ...Drawn) ([]CommunityChoices, error) {
	return choicesIn(domainRehearsal, n, d, r, c, earlier)
}

func choicesIn(domain string, number int, d Design, r Roster, c Chance, earlier []Drawn) ([]CommunityChoices, error) {
	var out []CommunityChoices
	err := eachArena(domain, number, d, r, c, earlier, func(a *arena, k *keyed) error {
		f := a.search(k)
		if len(f.kept) == 0 {
			return a.whyNone(f)
		}
		out = append(out, f.choices())
		return nil
	})
	return out, err
}

// eachArena draws the arms and calls visit for every arm with searched
// communities.
func eachArena(domain string, number int, d Design, r Roster, c Chance, earlier []Drawn, visit func(*arena, *keyed) error) error {
	if err := errors.Join(Check(d, r), d.checkEarlier(r, earlier), c.Validate()); err != nil {
		return err
	}
	s := newSeed(domain, number, Digest(d.Text()), Digest(r.Text()), c)
	p := newPlan(d, r)
	p.earlier = earlier
	arms := p.arms(newKeyed(s))
	for _, rule := range d.Communities {
		if rule.Plain() {
			continue
		}
		members := membersOf(arms, d.arm(rule.Arm))
		if len(members) == 0 {
			continue
		}
		a, err := rule.newArena(r, members)
		if err == nil {
			err = visit(a, newKeyed(s))
		}
		if err != nil {
			return fmt.Errorf("form communities of arm %s: %w", rule.Arm, err)
		}
	}
	return nil
}

func membersOf(arms []int, arm int) []int {
	var members []int
	for i, a := range arms {
		if a == arm {
			members = append(members, i)
		}
	}
	return members
}

func (f *found) choices() CommunityChoices {
	a := f.arena
	n := len(a.units)
	c := CommunityChoices{Arm: a.rule.Arm, Sizes: a.size, Starts: a.rule.starts(), Feasible: f.feasible,
		Distinct: len(f.distinct), Kept: len(f.kept), Cut: f.cut, Best: slices.Min(f.score)}
	for _, u := range a.units {
		c.Units = append(c.Units, u.ID)
	}
	c.Together = make([][]int32, n)
	for i := range c.Together {
		c.Together[i] = make([]int32, i)
	}
	who := make([][]int, len(a.size))
	for _, at := range f.kept {
		for g := range who {
			who[g] = who[g][:0]
		}
		for i, g := range partition(f.distinct[at]) {
			for _, j := range who[g-1] {
				c.Together[i][j]++
			}
			who[g-1] = append(who[g-1], i)
		}
	}
	for i := range c.Together {
		for j, count := range c.Together[i] {
			pair := Pair{c.Units[j], c.Units[i]}
			switch {
			case count == 0:
				c.Never = append(c.Never, pair)
			case int(count) == c.Kept:
				c.Always = append(c.Always, pair)
			case 2*int(count) > c.Kept:
				c.Often = append(c.Often, pair)
			}
		}
	}
	return c
}

// FrontierPoint is what one mixture of nearness and balance gives.
type FrontierPoint struct {
	Mix      int   // share of balance in the score, in thousandths
	Travel   int64 // mean over the kept partitions of Σ distance, in millionths of what lot gives
	Level    int64 // mean of the balance score, in millionths of what lot gives
	Longest  int64 // mean of the longest distance inside a community, in metres or minutes
	Kept     int   // kept partitions
	Distinct int   // different partitions found
	Always   int   // pairs of units together in every kept partition
	Never    int   // pairs together in none
}

// Frontier shows, in rehearsal number n, what communities of the arm would be
// like for each share of balance in the score (thousandths, 0 to 1000), so that
// the trial's team can choose before any chance is spent. The arm's rule needs
// balance columns and distances.
func Frontier(d Design, r Roster, c Chance, n int, arm string, mixes []int, earlier ...Drawn) ([]FrontierPoint, error) {
	at := slices.IndexFunc(d.Communities, func(x Community) bool { return x.Arm == arm })
	if at < 0 {
		return nil, fmt.Errorf("show frontier: arm %q has no communities", arm)
	}
	rule := d.Communities[at]
	if rule.How == FormRandom || len(rule.Balance) == 0 {
		return nil, fmt.Errorf("show frontier of arm %s: its communities need to be formed near or mixed, with balance columns", arm)
	}
	// Both costs are measured whatever the design's own mixture is.
	both := d
	both.Communities = []Community{rule}
	both.Communities[0].How, both.Communities[0].Mix = FormNear, 500
	var out []FrontierPoint
	err := eachArena(domainRehearsal, n, both, r, c, earlier, func(a *arena, k *keyed) error {
		for _, mix := range mixes {
			if mix < 0 || mix > 1000 {
				return fmt.Errorf("share of balance %d is out of range; take 0 to 1000", mix)
			}
			b := *a
			b.mix = int64(mix)
			f := b.search(k)
			if len(f.kept) == 0 {
				return b.whyNone(f)
			}
			out = append(out, f.point(mix))
		}
		return nil
	})
	return out, err
}

// point averages over the kept partitions.
func (f *found) point(mix int) FrontierPoint {
	a := f.arena
	c := f.choices()
	p := FrontierPoint{Mix: mix, Kept: c.Kept, Distinct: c.Distinct, Always: len(c.Always), Never: len(c.Never)}
	s := newState(a)
	for _, at := range f.kept {
		for g := range s.who {
			s.who[g] = s.who[g][:0]
		}
		for i, g := range partition(f.distinct[at]) {
			s.who[g-1] = append(s.who[g-1], i)
		}
		s.assess()
		p.Travel += a.travel.millionths(s.travel)
		p.Level += a.level.millionths(s.level)
		p.Longest += s.longest()
	}
	n := int64(len(f.kept))
	p.Travel, p.Level, p.Longest = p.Travel/n, p.Level/n, p.Longest/n
	return p
}

// longest is the greatest distance inside a community, or to its hub.
func (s *state) longest() int64 {
	var most int64
	for g, who := range s.who {
		for x, i := range who {
			if s.a.hub != nil {
				most = max(most, s.a.hub[g][i])
			}
			for _, j := range who[:x] {
				if s.a.distance != nil {
					most = max(most, s.a.distance[i][j])
				}
			}
		}
	}
	return most
}

// RehearseCommunities decides exactly, for the arms of rehearsals 0 to
// number−1, whether communities that break no rule exist, before any chance is
// spent. It returns in how many they do. The error, an *InfeasibleError or a
// *ConstraintError, gives the fewest rules that cannot be met together in the
// first rehearsal where they do not exist; where the exact search had to be
// given up, its Decided is false.
func RehearseCommunities(d Design, r Roster, c Chance, number int, earlier ...Drawn) (feasible int, err error) {
	for i := range number {
		e := eachArena(domainRehearsal, i, d, r, c, earlier, func(a *arena, _ *keyed) error {
			if e := a.infeasible(); e != nil {
				return e
			}
			return nil
		})
		if e == nil {
			feasible++
		} else if err == nil {
			err = fmt.Errorf("rehearsal %d: %w", i, e)
		}
	}
	return feasible, err
}
