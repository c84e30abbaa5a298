package randomize

import (
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestWavesKeepEarlier: a later wave changes no earlier assignment.
func TestWavesKeepEarlier(t *testing.T) {
	for _, m := range []Method{Blocks, Minimisation, Efron, Simple} {
		rapid.Check(t, func(t *rapid.T) {
			d := genDesign(m).Draw(t, "design")
			d.Cluster = ""
			units := genUnits(30).Draw(t, "units")
			cut := rapid.IntRange(1, len(units)).Draw(t, "first wave")
			for i := cut; i < len(units); i++ {
				units[i].Balance[0] += 100 // sequence: after all of the first
			}
			first, err := NewRoster(genColumns, units[:cut])
			if err != nil {
				t.Fatal(err)
			}
			whole, err := NewRoster(genColumns, units)
			if err != nil {
				t.Fatal(err)
			}
			c := genChance.Draw(t, "chance")
			before, err := Draw(d, first, c)
			if err != nil {
				t.Fatal(err)
			}
			after, err := DrawWave(d, first, whole, c)
			if err != nil {
				t.Fatal(err)
			}
			if len(after.Assignments) != len(units) {
				t.Fatalf("%d units drawn, want %d", len(after.Assignments), len(units))
			}
			for _, x := range before.Assignments {
				if y, ok := after.Of(x.Unit); !ok || y != x {
					t.Fatalf("unit %s was %v, is now %v", x.Unit, x, y)
				}
			}
		})
	}
}

func TestWaveFaults(t *testing.T) {
	columns := []string{ColumnSequence}
	unit := func(id, stratum string, sequence int64) Unit {
		return Unit{ID: id, Stratum: stratum, Balance: []int64{sequence}}
	}
	roster := func(units ...Unit) Roster {
		r, err := NewRoster(columns, units)
		if err != nil {
			t.Fatal(err)
		}
		return r
	}
	d := Design{Method: Blocks, Arms: twoArms, Blocks: []int{4}}
	c := Chance(Digest(nil))
	first := roster(unit("a", "s", 1), unit("b", "s", 5))
	for want, whole := range map[string]Roster{
		"unit b of the first wave is missing":     roster(unit("a", "s", 1), unit("c", "s", 9)),
		"unit b is not as it was":                 roster(unit("a", "s", 1), unit("b", "z", 5)),
		"unit c has sequence 4, not after unit b": roster(unit("a", "s", 1), unit("b", "s", 5), unit("c", "s", 4)),
	} {
		if _, err := DrawWave(d, first, whole, c); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("DrawWave = %v, want %q", err, want)
		}
	}
	if _, err := DrawWave(d, first, roster(unit("a", "s", 1), unit("b", "s", 5), unit("c", "z", 4)), c); err != nil {
		t.Errorf("an earlier sequence in another stratum is refused: %v", err)
	}
	if _, err := DrawWave(Design{Method: Complete, Arms: twoArms}, first, first, c); err == nil || !strings.Contains(err.Error(), "has no later waves") {
		t.Errorf("DrawWave of method complete = %v", err)
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
