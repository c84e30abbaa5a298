package trial

import (
	"slices"
	"strings"

	"evenhand/randomize"
)

// Joined puts the allocations of a trial's waves, oldest first, into one. In the
// text of each wave communities are numbered from 1; here those of a later wave
// follow on the greatest number that their arm has in the earlier ones.
func Joined(waves []*randomize.Allocation) *randomize.Allocation {
	all := &randomize.Allocation{}
	greatest := map[string]int{}
	for _, w := range waves {
		before := map[string]int{}
		for arm, n := range greatest {
			before[arm] = n
		}
		for _, a := range w.Assignments {
			if a.Community > 0 {
				a.Community += before[a.Arm]
				greatest[a.Arm] = max(greatest[a.Arm], a.Community)
			}
			all.Assignments = append(all.Assignments, a)
		}
	}
	slices.SortStableFunc(all.Assignments, func(a, b randomize.Assignment) int { return strings.Compare(a.Unit, b.Unit) })
	return all
}
