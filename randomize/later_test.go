package randomize

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// genWaves is a design with units in two waves, and the chance of each.
func genWaves(m Method) *rapid.Generator[waveCase] {
	return rapid.Custom(func(t *rapid.T) waveCase {
		w := waveCase{d: genDesign(m).Draw(t, "design")}
		if w.d.Remembers() {
			w.d.Cluster = ""
		}
		units := genUnits(30).Filter(func(u []Unit) bool { return len(u) > 1 }).Draw(t, "units")
		cut := rapid.IntRange(1, len(units)-1).Draw(t, "first wave")
		for i := cut; i < len(units); i++ {
			units[i].Balance[0] += 100 // sequence: after all of the first
		}
		w.units = units
		for _, part := range [][]Unit{units[:cut], units[cut:]} {
			r, err := NewRoster(genColumns, part)
			if err != nil {
				t.Fatal(err)
			}
			w.waves = append(w.waves, Wave{r, genChance.Draw(t, "chance")})
		}
		return w
	})
}

type waveCase struct {
	d     Design
	units []Unit
	waves []Wave
}

// TestWaves: a wave is a draw of its own units alone. Minimisation and efron go
// on from the earlier waves: were the chance of every unit the same, two waves
// would give what one gives; the others do not look at them.
func TestWaves(t *testing.T) {
	for _, m := range allMethods() {
		rapid.Check(t, func(t *rapid.T) {
			w := genWaves(m).Draw(t, "waves")
			drawn, err := DrawWaves(w.d, w.waves)
			if err != nil {
				t.Fatal(err)
			}
			alone, err := Draw(w.d, w.waves[1].Roster, w.waves[1].Chance)
			if err != nil {
				t.Fatal(err)
			}
			if second := drawn[1].Allocation; !w.d.Remembers() && second.Digest() != alone.Digest() {
				t.Fatalf("method %s: the second wave is %s, drawn alone %s", m, second.Text(), alone.Text())
			}
			if err := Verify(w.d.Text(), w.waves[1].Roster.Text(), w.waves[1].Chance, drawn[1].Allocation.Text(), drawn[0]); err != nil {
				t.Fatal(err)
			}
			redraw, err := Redraws(w.d, w.waves...)
			if err != nil {
				t.Fatal(err)
			}
			if n := len(redraw(0)); n != len(w.units) {
				t.Fatalf("a redraw has %d units, want %d", n, len(w.units))
			}
		})
	}
}

// TestWavesRemember: with a preference near certainty the second wave levels
// what the first left uneven, which it would not alone.
func TestWavesRemember(t *testing.T) {
	for _, d := range []Design{
		{Method: Efron, Arms: twoArms, BestPerMille: 999},
		{Method: Minimisation, Arms: twoArms, Imbalance: ImbalanceRange, BestPerMille: 999, Weights: []ColumnWeight{{columnStratum, 1}}},
	} {
		first, second := mustSequence(t, "a"), mustSequence(t, "b")
		first.Units, second.Units = first.Units[:1], second.Units[:1]
		opposite := 0
		for i := range 200 {
			drawn, err := DrawWaves(d, []Wave{{first, Chance(Digest([]byte{byte(i)}))}, {second, Chance(Digest([]byte{byte(i), 1}))}})
			if err != nil {
				t.Fatal(err)
			}
			if drawn[0].Allocation.Assignments[0].Arm != drawn[1].Allocation.Assignments[0].Arm {
				opposite++
			}
		}
		if opposite < 195 {
			t.Errorf("method %s: the second unit is in the other arm %d times of 200", d.Method, opposite)
		}
	}
}

// mustSequence is a roster of three units of one stratum that arrive in order.
func mustSequence(t testing.TB, prefix string) Roster {
	t.Helper()
	var units []Unit
	for i := range 3 {
		units = append(units, Unit{ID: prefix + itoa(i), Stratum: "s", Balance: []int64{int64(i)}})
	}
	r, err := NewRoster([]string{ColumnSequence}, units)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestWaveFaults(t *testing.T) {
	d := Design{Method: Efron, Arms: twoArms, BestPerMille: 667}
	c := Chance(Digest(nil))
	first := mustSequence(t, "a")
	a, err := Draw(d, first, c)
	if err != nil {
		t.Fatal(err)
	}
	for want, x := range map[string]struct {
		d       Design
		r       Roster
		earlier Drawn
	}{
		"unit a0 is in wave 1 and in wave 2; a unit is drawn once":       {d, first, Drawn{first, a}},
		"wave 1 has 3 units and 2 assignments":                           {d, mustSequence(t, "b"), Drawn{first, &Allocation{a.Assignments[:2]}}},
		"unit a1 in arm rlc where unit a0 stands on the roster":          {d, mustSequence(t, "b"), Drawn{first, &Allocation{[]Assignment{{"a1", "rlc", 0}, {"a1", "rlc", 0}, {"a2", "rlc", 0}}}}},
		"in arm other where unit a0":                                     {d, mustSequence(t, "b"), Drawn{first, &Allocation{[]Assignment{{"a0", "other", 0}, {"a1", "rlc", 0}, {"a2", "rlc", 0}}}}},
		"method efron (which takes units in the order of their arrival)": {d, mustSequence(t, "b"), Drawn{mustRoster(t, "u"), &Allocation{[]Assignment{{"u", "rlc", 0}}}}},
	} {
		if _, err := Draw(x.d, x.r, c, x.earlier); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Draw = %v, want %q", err, want)
		}
	}
	clustered := Design{Method: Efron, Arms: twoArms, BestPerMille: 667, Cluster: ColumnSequence}
	if _, err := Draw(clustered, mustSequence(t, "b"), c, Drawn{first, a}); err == nil || !strings.Contains(err.Error(), "not defined for clusters") {
		t.Errorf("Draw of clusters = %v", err)
	}
}

func TestLateAndMerge(t *testing.T) {
	d, r, c := rlc(t)
	now := map[int]int{1: 6, 2: 5, 3: 6, 4: 5, 5: 4}
	got, err := LateCommunity(d, r, c, "rlc", "999999", now)
	if err != nil || got != 5 {
		t.Errorf("LateCommunity = %d, %v; want the smallest, 5", got, err)
	}
	// Ties go by key: different schools to different communities.
	seen := map[int]bool{}
	for i := range 40 {
		g, err := LateCommunity(d, r, c, "rlc", "late"+itoa(i), map[int]int{1: 6, 2: 5, 3: 5})
		if err != nil {
			t.Fatal(err)
		}
		seen[g] = true
	}
	if len(seen) != 2 || seen[1] {
		t.Errorf("40 late schools went to communities %v, want 2 and 3", seen)
	}
	if _, err := LateCommunity(d, r, c, "rlc", "x", map[int]int{1: 6, 2: 6}); err == nil || !strings.Contains(err.Error(), "every community of arm rlc has 6 units or more") {
		t.Errorf("LateCommunity with all full = %v", err)
	}
	if _, err := LateCommunity(d, r, c, "control", "x", now); err == nil {
		t.Error("a late school is placed in an arm without communities")
	}
	got, err = MergeInto(d, r, c, "rlc", 5, now)
	if err != nil || got != 2 && got != 4 {
		t.Errorf("MergeInto = %d, %v; want 2 or 4", got, err)
	}
	for small, want := range map[int]string{1: "no fewer than the smallest size, 5", 9: "no such community"} {
		if _, err := MergeInto(d, r, c, "rlc", small, now); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("MergeInto(%d) = %v, want %q", small, err, want)
		}
	}
	if _, err := MergeInto(d, r, c, "rlc", 1, map[int]int{1: 3}); err == nil || !strings.Contains(err.Error(), "has no other") {
		t.Errorf("MergeInto of the only community = %v", err)
	}
}

// TestFrontier: more weight on balance gives longer travel and better balance.
func TestFrontier(t *testing.T) {
	r := genPlaces(60).Example(2)
	d := Design{Method: Complete, Arms: []ArmSpec{{"x", 1}, {"control", 1}}, Communities: []Community{
		{Arm: "x", Min: 5, Max: 6, How: FormNear, Balance: []ColumnWeight{{"ks2", 1}}, Mix: 300, Starts: 60}}}
	points, err := Frontier(d, r, Chance(Digest(nil)), 0, "x", []int{0, 500, 1000})
	if err != nil {
		t.Fatal(err)
	}
	if len(points) != 3 {
		t.Fatalf("%d points, want 3", len(points))
	}
	if near, mixed := points[0], points[2]; near.Travel >= mixed.Travel || near.Level <= mixed.Level || near.Longest >= mixed.Longest || mixed.Kept < 1 {
		t.Errorf("frontier = %+v", points)
	}
	if points[0].Travel > 700_000 || points[2].Level > 200_000 {
		t.Errorf("the ends of the frontier are hardly better than lot (1000000): %+v", points)
	}
	choices, err := RehearseChoices(d, r, Chance(Digest(nil)), 0)
	if err != nil || len(choices) != 1 || choices[0].Kept < 1 || choices[0].Distinct < choices[0].Kept || len(choices[0].Units) != 30 {
		t.Errorf("RehearseChoices = %+v, %v", choices, err)
	}
	// Each unit of each kept partition has its community's size less one others.
	sum, want := 0, 0
	for i := range choices[0].Together {
		for _, n := range choices[0].Together[i] {
			sum += int(n)
		}
	}
	for _, s := range choices[0].Sizes {
		want += s * (s - 1) / 2 * choices[0].Kept
	}
	if sum != want {
		t.Errorf("pairs together add to %d, want %d", sum, want)
	}
	feasible, err := RehearseCommunities(d, r, Chance(Digest(nil)), 20)
	if feasible != 20 || err != nil {
		t.Errorf("RehearseCommunities = %d, %v", feasible, err)
	}
}
