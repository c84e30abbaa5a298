package randomize

import (
	"fmt"
	"slices"
)

// This file is section 14 of RULE.md: a school that joins late and a community
// that has become too small. Neither touches the allocation, whose communities
// stay the analysis variable; the caller records the change with its reason.

// LateCommunity gives the community that a unit joining arm late goes to: of
// those with room (fewer units now than the rule's largest) the smallest, ties
// going to the first in order("community/"+arm+"/late/"+unit, communities),
// named by their numbers. now maps each community's number to its present
// size. The texts and chance are those of the draw.
func LateCommunity(d Design, r Roster, c Chance, arm, unit string, now map[int]int) (int, error) {
	k, rule, err := laterKeys(d, r, c, arm)
	if err != nil {
		return 0, fmt.Errorf("place unit %s late: %w", unit, err)
	}
	if !isName(unit) {
		return 0, fmt.Errorf("place unit %q late: the ID %s", clip(unit), whyNotName(unit))
	}
	least := rule.Max
	for _, n := range now {
		least = min(least, n)
	}
	if least >= rule.Max {
		return 0, fmt.Errorf("place unit %s late: every community of arm %s has %d units or more, the most its rule allows", unit, arm, rule.Max)
	}
	return k.firstOf("community/"+arm+"/late/"+unit, now, func(_, n int) bool { return n == least }), nil
}

// MergeInto gives the community that another, which has fallen below the
// rule's smallest size, is merged into: of the others the one with the fewest
// units, ties going to the first in
// order("community/"+arm+"/merge/"+small, communities). now maps each
// community's number to its present size.
func MergeInto(d Design, r Roster, c Chance, arm string, small int, now map[int]int) (int, error) {
	k, rule, err := laterKeys(d, r, c, arm)
	if err != nil {
		return 0, fmt.Errorf("merge community %d: %w", small, err)
	}
	size, ok := now[small]
	switch {
	case !ok:
		return 0, fmt.Errorf("merge community %d: arm %s has no such community", small, arm)
	case size >= rule.Min:
		return 0, fmt.Errorf("merge community %d: it has %d units, no fewer than the smallest size, %d", small, size, rule.Min)
	case len(now) < 2:
		return 0, fmt.Errorf("merge community %d: arm %s has no other", small, arm)
	}
	least := -1
	for g, n := range now {
		if g != small && (least < 0 || n < least) {
			least = n
		}
	}
	return k.firstOf("community/"+arm+"/merge/"+itoa(small), now, func(g, n int) bool { return g != small && n == least }), nil
}

func laterKeys(d Design, r Roster, c Chance, arm string) (*keyed, Community, error) {
	if err := checkForSizes(d, r); err != nil {
		return nil, Community{}, err
	}
	if err := c.Validate(); err != nil {
		return nil, Community{}, err
	}
	rule, ok := d.CommunityOf(arm)
	if !ok {
		return nil, Community{}, fmt.Errorf("arm %q has no communities", clip(arm))
	}
	return newKeyed(newSeed(domainDraw, 0, Digest(d.Text()), Digest(r.Text()), c)), rule, nil
}

// firstOf is the first in key order of the communities that qualify; at least
// one does.
func (k *keyed) firstOf(purpose string, now map[int]int, qualifies func(g, n int) bool) int {
	var numbers []int
	for g, n := range now {
		if qualifies(g, n) {
			numbers = append(numbers, g)
		}
	}
	slices.Sort(numbers)
	names := make([]string, len(numbers))
	for i, g := range numbers {
		names[i] = itoa(g)
	}
	return numbers[k.order(nil, purpose, names)[0]]
}
