package trial

import (
	"fmt"
	"sync/atomic"

	"evenhand/analysis"
	"evenhand/randomize"
)

// Redraws are what the trial's design could have drawn instead, for
// randomisation tests. Each is drawn once, however many outcomes and tests ask
// for it; all methods are safe for concurrent use.
type Redraws struct {
	arms   int
	units  []randomize.Unit // of all waves, one after another
	redraw func(i int) []int
	kept   []atomic.Pointer[[]uint8] // by redraw, the arm of each unit
}

// NewRedraws prepares them. waves are those drawn, each with the draw's own
// chance (most trials have one); the first keep redraws are kept once they have
// been made.
func NewRedraws(design randomize.Design, waves []randomize.Wave, keep int) (*Redraws, error) {
	redraw, err := randomize.Redraws(design, waves...)
	if err != nil {
		return nil, fmt.Errorf("redraw the design: %w", err)
	}
	if len(design.Arms) > 256 {
		keep = 0
	}
	var units []randomize.Unit
	for _, w := range waves {
		units = append(units, w.Roster.Units...)
	}
	return &Redraws{arms: len(design.Arms), units: units, redraw: redraw, kept: make([]atomic.Pointer[[]uint8], min(keep, 100_000))}, nil
}

// For gives the arms of d.Clusters, as places in d.Arms, in redraw i. The arms
// are taken by their order, which is the design's, so that it serves arms
// relabelled to keep an analyst blind.
func (r *Redraws) For(d *analysis.Dataset) (func(i int) []int, error) {
	if r.arms != len(d.Arms) {
		return nil, fmt.Errorf("redraw the design: it has %d arms, the data %d", r.arms, len(d.Arms))
	}
	if len(r.units) != len(d.Clusters) {
		return nil, fmt.Errorf("redraw the design: the roster has %d schools, the data %d", len(r.units), len(d.Clusters))
	}
	place := make(map[string]int, len(r.units))
	for i, u := range r.units {
		place[u.ID] = i
	}
	at := make([]int, len(d.Clusters))
	for c, school := range d.Clusters {
		unit, ok := place[school]
		if !ok {
			return nil, fmt.Errorf("redraw the design: school %s is not on its roster", school)
		}
		at[c] = unit
	}
	return func(i int) []int {
		arms := make([]int, len(at))
		if i >= len(r.kept) {
			drawn := r.redraw(i)
			for c, u := range at {
				arms[c] = drawn[u]
			}
			return arms
		}
		drawn := r.kept[i].Load()
		if drawn == nil {
			own := make([]uint8, len(r.units))
			for u, a := range r.redraw(i) {
				own[u] = uint8(a)
			}
			drawn = &own
			r.kept[i].Store(drawn)
		}
		for c, u := range at {
			arms[c] = int((*drawn)[u])
		}
		return arms
	}, nil
}
