package randomize

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
)

// This file is section 6 of RULE.md: which sizes communities have, and forming
// them by lot alone. Forming them near, mixed or under constraints is in
// search.go.

// InfeasibleError says that an arm cannot be put into communities of the sizes
// asked for.
type InfeasibleError struct {
	Arm      string
	Where    string // value of the column that communities may not cross, e.g. "region 3"; "" for the whole arm
	N        int    // a number of units the arm may get that cannot be split
	Min, Max int    // the sizes asked for
	Number   int    // how many communities were asked for; 0 if as few as Max allows
	Possible [2]int // fewest and most units the arm may get
	Bad      []int  // every number between them that cannot be split
}

func (e *InfeasibleError) Error() string {
	var b strings.Builder
	where := ""
	if e.Where != "" {
		where = " of " + e.Where
	}
	if e.Number > 0 {
		fmt.Fprintf(&b, "%s cannot be put into %s of %d to %d", quantity(e.N, "unit", "units"), quantity(e.Number, "community", "communities"), e.Min, e.Max)
	} else {
		fmt.Fprintf(&b, "%s cannot be split into communities of %d to %d", quantity(e.N, "unit", "units"), e.Min, e.Max)
	}
	if e.Possible[0] == e.Possible[1] {
		fmt.Fprintf(&b, ", and arm %s gets exactly that many%s", e.Arm, where)
	} else {
		fmt.Fprintf(&b, "; arm %s may get any number from %d to %d%s, of which %s cannot", e.Arm, e.Possible[0], e.Possible[1], where, ranges(e.Bad))
	}
	if e.Number == 0 {
		fmt.Fprintf(&b, " (%s)", unsplittableSentence(e.Min, e.Max))
	}
	b.WriteString("; change the sizes, the strata or the number of schools before any chance is spent")
	return b.String()
}

// ranges writes numbers in ascending order as "1 to 4, 7 and 9".
func ranges(list []int) string {
	var parts []string
	for i := 0; i < len(list); {
		j := i
		for j+1 < len(list) && list[j+1] == list[j]+1 {
			j++
		}
		switch {
		case j == i:
			parts = append(parts, itoa(list[i]))
		case j == i+1:
			parts = append(parts, itoa(list[i]), itoa(list[j]))
		default:
			parts = append(parts, itoa(list[i])+" to "+itoa(list[j]))
		}
		i = j + 1
	}
	if len(parts) < 2 {
		return strings.Join(parts, "")
	}
	return strings.Join(parts[:len(parts)-1], ", ") + " and " + parts[len(parts)-1]
}

// Unsplittable lists every number of units of 1 or more that cannot be split
// into communities of lo to hi. Where lo = hi there is no end to them: the
// list is nil, and only multiples of lo can be split.
func Unsplittable(lo, hi int) []int {
	if lo >= hi {
		return nil
	}
	var bad []int
	// From g·lo on with g·(hi-lo) >= lo-1 the ranges g·lo … g·hi touch.
	for n := 1; n <= hi*(lo/(hi-lo)+1); n++ {
		if !CanSplit(n, lo, hi) {
			bad = append(bad, n)
		}
	}
	return bad
}

func unsplittableSentence(lo, hi int) string {
	if lo == hi {
		return fmt.Sprintf("only multiples of %d can be split", lo)
	}
	bad := Unsplittable(lo, hi)
	if len(bad) == 0 {
		return "every number can be split"
	}
	return ranges(bad) + " cannot be split, every other number can"
}

// CanSplit says whether n units can be split into communities of lo to hi.
// Nought units need no community.
func CanSplit(n, lo, hi int) bool {
	if n <= 0 {
		return n == 0
	}
	if lo < 1 || hi < lo {
		return false
	}
	g := (n + hi - 1) / hi
	return n/g >= lo
}

// CommunitySizes gives the sizes of the communities of n units with lo to hi
// in each: as few communities as hi allows, the first n mod g with one unit
// more than the rest. ok is false where n cannot be split.
func CommunitySizes(n, lo, hi int) (sizes []int, ok bool) {
	if !CanSplit(n, lo, hi) {
		return nil, false
	}
	if n == 0 {
		return nil, true
	}
	return evenSizes(n, (n+hi-1)/hi), true
}

// evenSizes splits n into g sizes, the first n mod g one greater.
func evenSizes(n, g int) []int {
	sizes := make([]int, g)
	for i := range sizes {
		sizes[i] = n / g
		if i < n%g {
			sizes[i]++
		}
	}
	return sizes
}

// fits says whether n units can be put into the communities of c (their sizes
// alone; other constraints apart).
func (c Community) fits(n int) bool {
	switch {
	case n == 0:
		return true
	case len(c.Hubs) > 0:
		room := 0
		for _, h := range c.Hubs {
			room += min(h.Capacity, c.Max)
		}
		return n <= room && n >= c.Min*len(c.Hubs)
	case c.Number > 0:
		return c.Min*c.Number <= n && n <= c.Max*c.Number
	}
	return CanSplit(n, c.Min, c.Max)
}

// number is how many communities a hub list or the design states, 0 if none.
func (c Community) number() int {
	if len(c.Hubs) > 0 {
		return len(c.Hubs)
	}
	return c.Number
}

// sizes gives the sizes of the communities of n units that fit.
func (c Community) sizes(n int) []int {
	if c.Number > 0 && n > 0 {
		return evenSizes(n, c.Number)
	}
	sizes, _ := CommunitySizes(n, c.Min, c.Max)
	return sizes
}

// formCommunities puts every arm's units into its communities. It returns each
// unit's community, counted from 1; 0 is none.
func formCommunities(src *keyed, d Design, r Roster, arms []int) ([]int, error) {
	places := make([]int, len(r.Units))
	for _, c := range d.Communities {
		members := membersOf(arms, d.arm(c.Arm))
		if !c.fits(len(members)) {
			return nil, &InfeasibleError{Arm: c.Arm, N: len(members), Min: c.Min, Max: c.Max, Number: c.number(),
				Possible: [2]int{len(members), len(members)}, Bad: []int{len(members)}}
		}
		form := func() error { return c.formPlain(src, r, members, places) }
		if !c.Plain() {
			form = func() error { return c.formSearched(src, r, members, places) }
		}
		if err := form(); err != nil {
			return nil, err
		}
	}
	return places, nil
}

// formPlain forms communities by lot alone, of the whole arm or within each
// value of a column, the values in ascending order (a stratum's in byte
// order); the communities are numbered on from value to value.
func (c Community) formPlain(src source, r Roster, members, places []int) error {
	from := 0
	var order []int
	for _, part := range c.parts(r, members) {
		sizes := c.sizes(len(part.members))
		if len(sizes) == 0 && len(part.members) > 0 {
			n := len(part.members)
			return &InfeasibleError{Arm: c.Arm, Where: c.Column + " " + part.name, N: n, Min: c.Min, Max: c.Max, Possible: [2]int{n, n}, Bad: []int{n}}
		}
		purpose := "community/" + c.Arm
		if c.Column != "" {
			purpose += "/" + part.name
		}
		order = src.order(order, purpose, part.ids)
		at := 0
		for g, size := range sizes {
			for _, o := range order[at : at+size] {
				places[part.members[o]] = from + g + 1
			}
			at += size
		}
		from += len(sizes)
	}
	return nil
}

// parts splits an arm's units by the column that communities may not cross.
func (c Community) parts(r Roster, members []int) []stratum {
	value := func(Unit) string { return "" }
	number := func(Unit) int64 { return 0 }
	switch {
	case c.Column == columnStratum && r.Column(columnStratum) < 0:
		value = func(u Unit) string { return u.Stratum }
	case c.Column != "":
		at := r.Column(c.Column)
		number = func(u Unit) int64 { return u.Balance[at] }
		value = func(u Unit) string { return itoa(u.Balance[at]) }
	}
	return partsBy(r, members, value, number)
}

// partsBy groups members by value, in ascending order of number, then of
// value's bytes.
func partsBy(r Roster, members []int, value func(Unit) string, number func(Unit) int64) []stratum {
	place := map[string]int{}
	var parts []stratum
	for _, m := range members {
		key := value(r.Units[m])
		at, ok := place[key]
		if !ok {
			at = len(parts)
			place[key] = at
			parts = append(parts, stratum{name: key})
		}
		parts[at].members = append(parts[at].members, m)
		parts[at].ids = append(parts[at].ids, r.Units[m].ID)
	}
	slices.SortFunc(parts, func(a, b stratum) int {
		x, y := number(r.Units[a.members[0]]), number(r.Units[b.members[0]])
		if x != y {
			return cmp.Compare(x, y)
		}
		return strings.Compare(a.name, b.name)
	})
	return parts
}
