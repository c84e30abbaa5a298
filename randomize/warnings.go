package randomize

import (
	"fmt"
	"strings"
)

// Warnings says what is allowed but is probably not meant, or must be known
// before the commitment: IDs or strata that look alike, strata too small to
// hold every arm, a method that leaves sizes to chance. The draw is made all
// the same.
func Warnings(d Design, r Roster) []string {
	var w []string
	say := func(format string, args ...any) { w = append(w, fmt.Sprintf(format, args...)) }
	alike := map[string]string{}
	for _, u := range r.Units {
		key := strings.ToLower(strings.TrimLeft(u.ID, "0"))
		if other, ok := alike[key]; ok {
			say("units %s and %s differ in capitals or leading zeros only; are they one school?", other, u.ID)
		}
		alike[key] = u.ID
	}
	sizes, names := map[string]int{}, map[string]string{}
	for _, u := range r.Units {
		sizes[u.Stratum]++
		key := strings.ToLower(strings.Join(strings.Fields(u.Stratum), " "))
		if other, ok := names[key]; ok && other != u.Stratum {
			say("strata %q and %q differ in capitals or spaces only; they are drawn apart", clip(other), clip(u.Stratum))
		}
		names[key] = u.Stratum
	}
	switch d.Method {
	case Stratified, Constrained:
		total := d.totalWeight()
		ones, small := 0, 0
		for _, n := range sizes {
			switch {
			case n == 1:
				ones++
			case n < total:
				small++
			}
		}
		if ones > 0 {
			say("%s one unit only: its arm cannot be compared within the stratum", quantity(ones, "stratum has", "strata have"))
		}
		if small > 0 {
			say("%s fewer units than the weights' sum, %d: not every such stratum has every arm", quantity(small, "stratum has", "strata have"), total)
		}
	case Simple:
		say("method simple leaves the arms' sizes to chance; it is for teaching and comparison")
	case Efron:
		say("method efron levels the arms' sizes within strata only approximately; it is for teaching and comparison")
	}
	if d.Method == Blocks && len(d.Blocks) == 1 {
		say("with one block size, whoever knows a block's earlier schools knows its last; declare several sizes")
	}
	w = append(w, swapped(r)...)
	return w
}

// maxCompared is the most units whose places are compared with one another.
const maxCompared = 3000

// swapped names units whose easting and northing seem to have changed places:
// they lie off the British National Grid, which spans 700 km east and 1,300 km
// north, though the other way round they would not; or far from every other
// unit (50 km and more), though the other way round they would be among them.
func swapped(r Roster) (w []string) {
	e, n := r.Column(ColumnEasting), r.Column(ColumnNorthing)
	if e < 0 || n < 0 {
		return nil
	}
	nearest := func(i int, x, y int64) int64 {
		best := int64(maxPlace)
		for j, u := range r.Units {
			if dx, dy := u.Balance[e]-x, u.Balance[n]-y; j != i {
				best = min(best, wholeRoot(uint64(dx*dx+dy*dy)))
			}
		}
		return best
	}
	for i, u := range r.Units {
		x, y := u.Balance[e], u.Balance[n]
		if x > 700_000 && x <= 1_300_000 && y <= 700_000 && y > 0 {
			w = append(w, fmt.Sprintf("unit %s has easting %d and northing %d, which lie off the British grid; are they swapped?", u.ID, x, y))
			continue
		}
		if len(r.Units) > maxCompared || len(r.Units) < 3 {
			continue
		}
		if here := nearest(i, x, y); here >= 50_000 && nearest(i, y, x) < here/4 {
			w = append(w, fmt.Sprintf("unit %s has easting %d and northing %d, %d km from every other unit; swapped, they would lie among them", u.ID, x, y, here/1000))
		}
	}
	return w
}
