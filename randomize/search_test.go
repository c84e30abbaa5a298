package randomize

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// genPlaces is a roster of n units in one stratum with places, trusts and
// features.
func genPlaces(n int) *rapid.Generator[Roster] {
	return rapid.Custom(func(t *rapid.T) Roster {
		var units []Unit
		for i := range n {
			units = append(units, Unit{ID: fmt.Sprintf("s%03d", i), Stratum: "all", Balance: []int64{
				int64(rapid.IntRange(400_000, 500_000).Draw(t, "easting")), int64(rapid.IntRange(200_000, 300_000).Draw(t, "northing")),
				int64(rapid.IntRange(0, 8).Draw(t, "trust")), int64(rapid.IntRange(0, 12).Draw(t, "federation")),
				int64(rapid.IntRange(-3000, 3000).Draw(t, "ks2")), int64(rapid.IntRange(0, 1).Draw(t, "high")),
				int64(rapid.IntRange(1, 2).Draw(t, "region")), int64(rapid.IntRange(1, 90).Draw(t, "a")), int64(rapid.IntRange(1, 90).Draw(t, "b"))}})
		}
		r, err := NewRoster(placeColumns, units)
		if err != nil {
			t.Fatal(err)
		}
		return r
	})
}

var placeColumns = []string{"easting", "northing", "trust", "federation", "ks2", "high", "region", "hub.a", "hub.b"}

// genSearched is a searched rule for such a roster.
func genSearched(lo, hi int) *rapid.Generator[Community] {
	return rapid.Custom(func(t *rapid.T) Community {
		c := Community{Arm: "x", Min: lo, Max: hi, How: rapid.SampledFrom([]Forming{FormRandom, FormNear, FormMixed}).Draw(t, "how"),
			Starts: rapid.IntRange(1, 12).Draw(t, "starts"), Passes: rapid.IntRange(1, 3).Draw(t, "passes")}
		if rapid.Bool().Draw(t, "apart") {
			c.Apart = []string{"trust"}
		}
		if rapid.Bool().Draw(t, "together") {
			c.Together = []string{"federation"}
		}
		if rapid.Bool().Draw(t, "far") {
			c.Farthest = rapid.IntRange(20_000, 120_000).Draw(t, "farthest")
		}
		if rapid.Bool().Draw(t, "count") {
			c.Counts = []CountLimit{{"high", 1, rapid.IntRange(0, 2).Draw(t, "least"), rapid.IntRange(2, 6).Draw(t, "most")}}
		}
		switch rapid.IntRange(0, 2).Draw(t, "shape") {
		case 0:
			c.Column = "region"
		case 1:
			c.Hubs = []Hub{{"a", hi}, {"b", hi}}
			if c.Farthest > 0 {
				c.Farthest = rapid.IntRange(40, 90).Draw(t, "hub farthest")
			}
		}
		if c.How == FormMixed || c.How == FormNear && rapid.Bool().Draw(t, "mix") {
			c.Balance, c.Mix = []ColumnWeight{{"ks2", 2}, {"high", 1}}, rapid.IntRange(1, 999).Draw(t, "share")
		}
		if c.How != FormRandom {
			c.Keep = rapid.IntRange(1, 1000).Draw(t, "keep")
		}
		if c.Plain() {
			c.Apart = []string{"trust"}
		}
		return c
	})
}

// TestSearchAccounts holds the costs kept from swap to swap to those worked out
// afresh, and the found partitions to the rules, counted another way.
// TestSearchProgress: every start is told once, and the draw is the same.
func TestSearchProgress(t *testing.T) {
	r := genPlaces(12).Example(3)
	members := []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11}
	c := Community{Arm: "x", Min: 3, Max: 4, How: FormNear, Starts: 50}
	plain, told := make([]int, 12), make([]int, 12)
	if err := c.formSearched(newKeyed(seed{}), r, members, plain); err != nil {
		t.Fatal(err)
	}
	var heard []int
	d := Design{Communities: []Community{c}}.WithProgress(func(done, of int) {
		if of != 50 {
			t.Errorf("of %d starts, want 50", of)
		}
		heard = append(heard, done)
	})
	if err := d.Communities[0].formSearched(newKeyed(seed{}), r, members, told); err != nil {
		t.Fatal(err)
	}
	if len(heard) != 50 || heard[49] != 50 || !slices.Equal(plain, told) {
		t.Errorf("told %v; communities %v, without %v", heard, told, plain)
	}
}

func TestSearchAccounts(t *testing.T) {
	swaps := 0
	rapid.Check(t, func(t *rapid.T) {
		r := genPlaces(12).Draw(t, "roster")
		c := genSearched(2, 6).Draw(t, "rule")
		members := make([]int, 12)
		for i := range members {
			members[i] = i
		}
		a, err := c.newArena(r, members)
		if err != nil {
			t.Skip("sizes do not fit")
		}
		k := newKeyed(newSeed(domainDraw, 0, "d", "r", genChance.Draw(t, "chance")))
		s := newState(a)
		s.deal(k.stream("x"))
		before := *s
		s.improve()
		if s.current != before.current || s.broken != before.broken {
			swaps++
		}
		broken, travel, level, score := s.broken, s.travel, s.level, s.current
		of := slices.Clone(s.of)
		s.assess()
		if s.broken != broken || s.travel != travel || s.level != level || s.current != score {
			t.Fatalf("costs kept %d %d %d %d, afresh %d %d %d %d", broken, travel, level, score, s.broken, s.travel, s.level, s.current)
		}
		if broken > before.broken || broken == before.broken && score > before.current {
			t.Fatalf("improving made it worse")
		}
		if got := brokenRules(r, c, a, of); got != broken {
			t.Fatalf("broken = %d, counted from the rule %d", broken, got)
		}
		for g, who := range s.who {
			if len(who) != a.size[g] {
				t.Fatalf("community %d has %d units, want %d", g, len(who), a.size[g])
			}
		}
	})
	if swaps == 0 {
		t.Error("no start was ever improved")
	}
}

// brokenRules counts broken rules straight from the roster.
func brokenRules(r Roster, c Community, a *arena, of []int) int {
	value := func(i int, column string) int64 { return r.Units[i].Balance[r.Column(column)] }
	n := 0
	for i := range of {
		for j := range i {
			same := of[i] == of[j]
			for _, x := range c.Apart {
				if same && value(i, x) != 0 && value(i, x) == value(j, x) {
					n++
				}
			}
			for _, x := range c.Together {
				if !same && value(i, x) != 0 && value(i, x) == value(j, x) {
					n++
				}
			}
			if c.Farthest > 0 && len(c.Hubs) == 0 && same && distances(r, r.Units)[i][j] > int64(c.Farthest) {
				n++
			}
		}
		if len(c.Hubs) > 0 && c.Farthest > 0 && value(i, "hub."+c.Hubs[of[i]].Name) > int64(c.Farthest) {
			n++
		}
	}
	for _, l := range c.Counts {
		for g := range a.size {
			count := 0
			for i := range of {
				if of[i] == g && value(i, l.Column) == l.Value {
					count++
				}
			}
			n += max(0, l.Min-count) + max(0, count-l.Max)
		}
	}
	return n
}

// TestSolverIsExact holds the exact search to trying every partition.
func TestSolverIsExact(t *testing.T) {
	feasible, infeasible := 0, 0
	rapid.Check(t, func(t *rapid.T) {
		r := genPlaces(8).Draw(t, "roster")
		c := genSearched(2, 4).Draw(t, "rule")
		members := []int{0, 1, 2, 3, 4, 5, 6, 7}
		a, err := c.newArena(r, members)
		if err != nil {
			t.Skip("sizes do not fit")
		}
		exists := false
		of := make([]int, 8)
		room := slices.Clone(a.size)
		var try func(i int)
		try = func(i int) {
			if exists || i == 8 {
				exists = exists || brokenRules(r, c, a, of) == 0
				return
			}
			for g := range room {
				if room[g] > 0 && a.home[g] == a.part[i] {
					room[g]--
					of[i] = g
					try(i + 1)
					room[g]++
				}
			}
		}
		try(0)
		witness, err := a.solve()
		if exists != (err == nil) {
			t.Fatalf("solve = %v, %v; trying all says %v", witness, err, exists)
		}
		if exists {
			feasible++
			if n := brokenRules(r, c, a, witness); n != 0 {
				t.Fatalf("the witness %v breaks %d rules", witness, n)
			}
			return
		}
		infeasible++
		e := a.infeasible()
		if e == nil || !e.Decided {
			t.Fatalf("infeasible = %v", e)
		}
	})
	if feasible < 5 || infeasible < 5 {
		t.Errorf("%d feasible and %d infeasible cases; want both kinds", feasible, infeasible)
	}
}

// TestMillionths: forming by lot costs a million millionths on average.
func TestMillionths(t *testing.T) {
	r := genPlaces(23).Example(1)
	members := make([]int, 23)
	for i := range members {
		members[i] = i
	}
	for _, c := range []Community{
		{Arm: "x", Min: 5, Max: 6, How: FormNear, Balance: []ColumnWeight{{"ks2", 3}, {"high", 1000}}, Mix: 500},
		{Arm: "x", Min: 5, Max: 12, How: FormNear, Hubs: []Hub{{"a", 12}, {"b", 12}}},
	} {
		a, err := c.newArena(r, members)
		if err != nil {
			t.Fatal(err)
		}
		s := newState(a)
		k := newKeyed(seed{})
		var travel, level int64
		const draws = 20_000
		for i := range draws {
			s.deal(k.stream(itoa(i)))
			travel += a.travel.millionths(s.travel)
			level += a.level.millionths(s.level)
		}
		// The means' standard errors are below 0.2 % of the mean.
		for what, sum := range map[string]int64{"travel": travel, "level": level} {
			if what == "level" && len(c.Balance) == 0 {
				continue
			}
			if mean := sum / draws; mean < 990_000 || mean > 1_010_000 {
				t.Errorf("%v: mean %s = %d millionths, want 1000000", c.How, what, mean)
			}
		}
	}
}

func TestWholeRoot(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		n := rapid.Uint64Range(0, 1<<62).Draw(t, "n")
		x := uint64(wholeRoot(n))
		if x*x > n || (x+1)*(x+1) <= n {
			t.Fatalf("wholeRoot(%d) = %d", n, x)
		}
	})
}

// TestDistanceCap is the case group-distance-cap of testdata/randomisation.json
// (exhaustive): six schools, a matrix of distances, two communities of three.
func TestDistanceCap(t *testing.T) {
	km := map[string]int64{"12": 1, "13": 9, "14": 8, "15": 2, "16": 9, "23": 9, "24": 8, "25": 2, "26": 9,
		"34": 2, "35": 8, "36": 1, "45": 7, "46": 2, "56": 8}
	var units []Unit
	var columns []string
	for i := 1; i <= 6; i++ {
		columns = append(columns, fmt.Sprintf("minutes.S%d", i))
		u := Unit{ID: fmt.Sprintf("S%d", i), Stratum: "all"}
		for j := 1; j <= 6; j++ {
			u.Balance = append(u.Balance, km[fmt.Sprintf("%d%d", min(i, j), max(i, j))])
		}
		units = append(units, u)
	}
	r, err := NewRoster(columns, units)
	if err != nil {
		t.Fatal(err)
	}
	for _, test := range []struct {
		cap  int
		want []string // communities of S1 … S6, named by their first units
	}{
		{2, []string{"112212"}},
		{8, []string{"112212", "112122"}},
	} {
		c := Community{Arm: "x", Min: 3, Max: 3, How: FormRandom, Farthest: test.cap, Starts: 200}
		a, err := c.newArena(r, []int{0, 1, 2, 3, 4, 5})
		if err != nil {
			t.Fatal(err)
		}
		f := a.search(newKeyed(seed{}))
		var got []string
		for _, key := range f.distinct {
			text := ""
			for _, g := range partition(key) {
				text += itoa(g)
			}
			got = append(got, text)
		}
		slices.Sort(got)
		slices.Sort(test.want)
		if !reflect.DeepEqual(got, test.want) {
			t.Errorf("cap %d: partitions %v, want %v", test.cap, got, test.want)
		}
	}
}

// TestAlliances is the third seed case: 32 alliances into 8 regional clusters of
// 3 to 5.
func TestAlliances(t *testing.T) {
	r := genPlaces(64).Example(3)
	d := Design{Method: Stratified, Arms: []ArmSpec{{"x", 1}, {"control", 1}}, Misfits: Within,
		Communities: []Community{{Arm: "x", Min: 3, Max: 5, How: FormNear, Number: 8, Starts: 20},
			{Arm: "control", Min: 3, Max: 5, How: FormNear, Number: 8, Starts: 20, Notional: true}}}
	a, err := Draw(d, r, Chance(Digest(nil)))
	if err != nil {
		t.Fatal(err)
	}
	for _, arm := range []string{"x", "control"} {
		sizes := map[int]int{}
		for _, x := range a.Assignments {
			if x.Arm == arm {
				sizes[x.Community]++
			}
		}
		if len(sizes) != 8 {
			t.Fatalf("arm %s has %d communities, want 8", arm, len(sizes))
		}
		for g, n := range sizes {
			if g < 1 || g > 8 || n != 4 {
				t.Errorf("arm %s: community %d has %d alliances, want 4", arm, g, n)
			}
		}
	}
}

// TestNamedReasons: what cannot be done is said before any chance is spent.
func TestNamedReasons(t *testing.T) {
	base := func() (Design, []Unit) {
		d := Design{Method: Stratified, Arms: []ArmSpec{{"x", 1}, {"control", 1}}, Misfits: Within,
			Communities: []Community{{Arm: "x", Min: 5, Max: 6, How: FormNear}}}
		r := genPlaces(40).Example(5) // 20 in the arm: 4 communities of 5
		for i := range r.Units {
			r.Units[i].Balance[2], r.Units[i].Balance[3] = 0, 0
		}
		return d, r.Units
	}
	for _, test := range []struct {
		name, want string
		change     func(*Community, []Unit)
	}{
		{"trust too large", "trust 7 has 11 units, of which up to 11 may be drawn into the arm, and there may be only 4 communities", func(c *Community, u []Unit) {
			c.Apart = []string{"trust"}
			for i := range 11 {
				u[i].Balance[2] = 7
			}
		}},
		{"federation too large", "federation 2 has 7 units, of which up to 7 may be drawn into the arm, and a community holds at most 6", func(c *Community, u []Unit) {
			c.Together = []string{"federation"}
			for i := range 7 {
				u[i].Balance[3] = 2
			}
		}},
		{"both together and apart", "units s000 and s001 must be together (same federation) and apart (same trust)", func(c *Community, u []Unit) {
			c.Together, c.Apart = []string{"federation"}, []string{"trust"}
			for i := range 2 {
				u[i].Balance[2], u[i].Balance[3] = 1, 1
			}
		}},
		{"an island", "unit s004 has only 0 units within 45000", func(c *Community, u []Unit) {
			c.Farthest = 45000
			u[4].Balance[0] = 9_000_000
		}},
		{"no coordinates", "the coordinates of unit s009 are missing", func(c *Community, u []Unit) { u[9].Balance[0], u[9].Balance[1] = 0, 0 }},
		{"not metres", "want whole metres", func(c *Community, u []Unit) { u[9].Balance[0] = 70_000_000 }},
		{"too few of a kind", "too few for 1 in each of 4 communities", func(c *Community, u []Unit) {
			c.Counts = []CountLimit{{"high", 1, 1, 6}}
			for i := range u {
				u[i].Balance[5] = 0
			}
			u[0].Balance[5] = 1
		}},
		{"no such column", `apart trusts needs the roster's column trusts, which is not there (columns: easting, northing, trust, federation, ks2, high, region, hub.a, hub.b); did you mean "trust"?`,
			func(c *Community, u []Unit) { c.Apart = []string{"trusts"} }},
		{"too many for the hubs", "20 units cannot be put into 2 communities of 5 to 6", func(c *Community, u []Unit) { c.Hubs = []Hub{{"a", 6}, {"b", 6}} }},
	} {
		t.Run(test.name, func(t *testing.T) {
			d, units := base()
			test.change(&d.Communities[0], units)
			r, err := NewRoster(placeColumns, units)
			if err != nil {
				t.Fatal(err)
			}
			err = Check(d, r)
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("Check = %v, want %q", err, test.want)
			}
			var reason *ConstraintError
			if test.name == "trust too large" && (!errors.As(err, &reason) || reason.Column != "trust" || reason.Value != 7) {
				t.Errorf("ConstraintError = %+v, want trust 7", reason)
			}
			if _, drawErr := Draw(d, r, Chance(Digest(nil))); drawErr == nil {
				t.Error("Draw draws it")
			}
		})
	}
	d, units := base()
	r, err := NewRoster(placeColumns, units)
	if err != nil {
		t.Fatal(err)
	}
	if err := Check(d, r); err != nil {
		t.Errorf("Check of the unchanged design = %v", err)
	}
}

// TestMinimalReason: two rules that only together cannot be met are both named,
// and no third.
func TestMinimalReason(t *testing.T) {
	r := genPlaces(10).Example(7)
	for i := range r.Units {
		b := r.Units[i].Balance
		b[0], b[1] = int64(400_000+i%2*100_000), 300_000 // two places of five, 100 km apart
		b[2], b[3], b[5] = 0, 0, 0
	}
	r.Units[0].Balance[3], r.Units[1].Balance[3] = 4, 4 // one at each place
	c := Community{Arm: "x", Min: 5, Max: 5, How: FormRandom, Farthest: 50_000, Together: []string{"federation"}, Apart: []string{"trust"},
		Counts: []CountLimit{{"high", 1, 0, 5}}}
	a, err := c.newArena(r, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	if err != nil {
		t.Fatal(err)
	}
	e := a.infeasible()
	if e == nil || !slices.Equal(e.Rules, []string{"together federation", "farthest 50000"}) {
		t.Fatalf("infeasible = %v", e)
	}
	// One trust of three schools for two communities.
	for i := range 3 {
		r.Units[i].Balance[2] = 9
	}
	only := Community{Arm: "x", Min: 5, Max: 5, How: FormRandom, Apart: []string{"trust"}}
	b, err := only.newArena(r, []int{0, 1, 2, 3, 4, 5, 6, 7, 8, 9})
	if err != nil {
		t.Fatal(err)
	}
	if e := b.infeasible(); e == nil || e.Column != "trust" || e.Value != 9 || e.Reason != "trust 9 has more units in the arm than there are communities (2) to keep them apart in" {
		t.Errorf("infeasible = %+v", e)
	}
	f := a.search(newKeyed(seed{}))
	var ce *ConstraintError
	if err := a.whyNone(f); !errors.As(err, &ce) {
		t.Errorf("whyNone = %v", err)
	}
}
