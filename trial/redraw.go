package trial

import (
	"fmt"
	"slices"

	"evenhand/analysis"
	"evenhand/randomize"
)

// Redraw gives what the trial's design could have drawn instead, for the
// randomisation test: the arms of d.Clusters, as places in d.Arms, in redraw i.
// The arms are taken by their order, which is the design's, so that it serves
// arms relabelled to keep an analyst blind. chance is the draw's own.
func Redraw(design randomize.Design, roster randomize.Roster, chance randomize.Chance, d *analysis.Dataset) (func(i int) []int, error) {
	if len(design.Arms) != len(d.Arms) {
		return nil, fmt.Errorf("redraw the design: it has %d arms, the data %d", len(design.Arms), len(d.Arms))
	}
	if len(roster.Units) != len(d.Clusters) {
		return nil, fmt.Errorf("redraw the design: the roster has %d schools, the data %d", len(roster.Units), len(d.Clusters))
	}
	at := make([]int, len(d.Clusters))
	for c, school := range d.Clusters {
		at[c] = slices.IndexFunc(roster.Units, func(u randomize.Unit) bool { return u.ID == school })
		if at[c] < 0 {
			return nil, fmt.Errorf("redraw the design: school %s is not on its roster", school)
		}
	}
	redraw, err := randomize.Redraws(design, roster, chance)
	if err != nil {
		return nil, fmt.Errorf("redraw the design: %w", err)
	}
	return func(i int) []int {
		drawn := redraw(i)
		arms := make([]int, len(at))
		for c, u := range at {
			arms[c] = drawn[u]
		}
		return arms
	}, nil
}
