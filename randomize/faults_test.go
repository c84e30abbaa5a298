package randomize

import (
	"errors"
	"strings"
	"testing"
)

const goodDesign = "evenhand-design 1\nmethod stratified\narm rlc 1\narm control 1\nmisfits pooled\ncommunity rlc 5 6 random\n"

// TestDesignFaults: every impossible or silly design has its sentence.
func TestDesignFaults(t *testing.T) {
	if _, err := ParseDesign([]byte(goodDesign)); err != nil {
		t.Fatalf("the unspoilt design: %v", err)
	}
	for _, test := range []struct{ name, text, want string }{
		{"empty", "", "line 1: the text is empty"},
		{"other first line", "evenhand-design 2\nmethod simple\n", `line 1: the first line is "evenhand-design 2", want "evenhand-design 1"`},
		{"byte-order mark", "\ufeff" + goodDesign, "line 1: the text begins with a byte-order mark"},
		{"UTF-16", "\xff\xfee\x00", "the text is UTF-16"},
		{"not UTF-8", strings.Replace(goodDesign, "rlc 1", "r\xe9c 1", 1), "line 3: the line is not UTF-8"},
		{"Windows line ends", strings.ReplaceAll(goodDesign, "\n", "\r\n"), "line 2: the line ends with a carriage return"},
		{"no final line feed", strings.TrimSuffix(goodDesign, "\n"), "line 6: the last line is not ended by a line feed"},
		{"control character", strings.Replace(goodDesign, "rlc 1", "rl\ac 1", 1), "line 3: the line contains a control character"},
		{"empty line", goodDesign + "\n", "line 7: the line is empty"},
		{"two spaces", strings.Replace(goodDesign, "rlc 1", "rlc  1", 1), "line 3: the line begins or ends with a space or has two together"},
		{"tab", strings.Replace(goodDesign, "rlc 1", "rlc\t1", 1), "line 3: the line contains a tab"},
		{"unknown setting", strings.Replace(goodDesign, "misfits", "misfit", 1), `line 5: setting "misfit" is unknown; did you mean "misfits"?`},
		{"unknown method", strings.Replace(goodDesign, "stratified", "stratfied", 1), `line 2: method "stratfied" is unknown; did you mean "stratified"?`},
		{"unknown misfit rule", strings.Replace(goodDesign, "pooled", "pool", 1), `misfits "pool" is unknown; did you mean "pooled"?`},
		{"wrong order", "evenhand-design 1\narm a 1\nmethod simple\narm b 1\n", "line 3: method stands after arm"},
		{"twice", strings.Replace(goodDesign, "misfits pooled\n", "misfits pooled\nmisfits within\n", 1), "line 6: misfits is set a second time (first on line 5)"},
		{"ratio 0", strings.Replace(goodDesign, "rlc 1", "rlc 0", 1), "arm rlc has weight 0, so nobody could be drawn into it"},
		{"leading zero", strings.Replace(goodDesign, "rlc 1", "rlc 01", 1), `line 3: weight of arm rlc "01" is not a whole number from 0 to 1000`},
		{"plus sign", strings.Replace(goodDesign, "rlc 1", "rlc +1", 1), `line 3: weight of arm rlc "+1" is not a whole number`},
		{"fraction", strings.Replace(goodDesign, "rlc 1", "rlc 0.5", 1), `line 3: weight of arm rlc "0.5" is not a whole number`},
		{"no arms", "evenhand-design 1\nmethod simple\n", "there is no arm line"},
		{"no method", "evenhand-design 1\narm a 1\narm b 1\n", "there is no method line"},
		{"one arm", "evenhand-design 1\nmethod simple\narm a 1\n", "the design has 1 arm; a draw needs at least two"},
		{"arm twice", "evenhand-design 1\nmethod simple\narm a 1\narm a 2\n", "arm a is named twice"},
		{"accent in a name", strings.Replace(goodDesign, "control", "contrôle", 1), "contains the letter 'ô', which can be spelled in more than one way"},
		{"no misfits", strings.Replace(goodDesign, "misfits pooled\n", "", 1), "method stratified needs misfits"},
		{"needless misfits", "evenhand-design 1\nmethod simple\narm a 1\narm b 1\nmisfits within\n", "method simple has no use for misfits"},
		{"block size", "evenhand-design 1\nmethod blocks\narm a 2\narm b 1\nblocks 3 4\n", "block size 4 is not a multiple of 3, the sum of the weights"},
		{"no block sizes", "evenhand-design 1\nmethod blocks\narm a 2\narm b 1\nblocks\n", "blocks has no sizes"},
		{"nothing left to chance", "evenhand-design 1\nmethod efron\narm a 1\narm b 1\nbest_per_mille 1000\n", "best_per_mille 1000 leaves nothing to chance"},
		{"worse than even", "evenhand-design 1\nmethod efron\narm a 1\narm b 1\nbest_per_mille 400\n", "less than an equal share"},
		{"efron with a ratio", "evenhand-design 1\nmethod efron\narm a 2\narm b 1\nbest_per_mille 667\n", "two arms of the same weight only"},
		{"keep", "evenhand-design 1\nmethod constrained\narm a 1\narm b 1\nmisfits pooled\ncandidates 10\nkeep_per_mille 1001\nweight x 1\n", `line 7: keep_per_mille "1001" is not a whole number from 1 to 1000`},
		{"no balance columns", "evenhand-design 1\nmethod constrained\narm a 1\narm b 1\nmisfits pooled\ncandidates 10\nkeep_per_mille 100\n", "method constrained needs weight"},
		{"community of no arm", strings.Replace(goodDesign, "community rlc", "community rcl", 1), `communities are declared for arm "rcl", which is not an arm; did you mean "rlc"?`},
		{"community sizes", strings.Replace(goodDesign, "5 6", "6 5", 1), "communities of arm rlc are to have 6 to 5 units"},
		{"community forming", strings.Replace(goodDesign, "6 random", "6 randm", 1), `line 6: communities cannot be formed "randm"; did you mean "random"?`},
		{"within what", strings.Replace(goodDesign, "6 random", "6 within", 1), `line 6: communities cannot be formed "within"`},
		{"setting of no community", strings.Replace(goodDesign, "community rlc 5 6 random", "apart rlc trust", 1), "line 6: apart belongs to a community"},
		{"setting of another arm", goodDesign + "apart control trust\n", `line 7: apart names arm "control", but the community before it is of arm rlc`},
		{"apart and together", goodDesign + "apart rlc trust\ntogether rlc trust\n", "units with the same trust are to be both apart and together"},
		{"alike in nothing", strings.Replace(goodDesign, "6 random", "6 mixed", 1), "no balance column says in what"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := ParseDesign([]byte(test.text))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("ParseDesign = %v, want %q", err, test.want)
			}
		})
	}
}

// TestAllFaultsAtOnce: three mistakes, three lines.
func TestAllFaultsAtOnce(t *testing.T) {
	_, err := ParseDesign([]byte("evenhand-design 1\nmethod stratfied\narm rlc x\nmisfit pooled\n"))
	var invalid *InvalidError
	if !errors.As(err, &invalid) || len(invalid.Faults) != 3 {
		t.Fatalf("ParseDesign = %v, want three faults", err)
	}
	for i, f := range invalid.Faults {
		if f.Line != i+2 {
			t.Errorf("fault %d is on line %d, want %d", i, f.Line, i+2)
		}
	}
}

const goodRoster = "evenhand-roster 1\nunit\tstratum\tks2\n100\tNorth\t-5\n101\tSouth\t7\n"

func TestRosterFaults(t *testing.T) {
	if _, err := ParseRoster([]byte(goodRoster)); err != nil {
		t.Fatalf("the unspoilt roster: %v", err)
	}
	for _, test := range []struct{ name, text, want string }{
		{"empty", "", "line 1: the text is empty"},
		{"header missing", "evenhand-roster 1\n", "line 2: the header is"},
		{"other header", strings.Replace(goodRoster, "stratum", "strata", 1), "line 2: the header is"},
		{"column twice", "evenhand-roster 1\nunit\tstratum\tx\tx\nA\ts\t1\t2\n", "column x is there twice"},
		{"column stratum", "evenhand-roster 1\nunit\tstratum\tstratum\nA\ts\t1\n", "column stratum is there twice"},
		{"no units", "evenhand-roster 1\nunit\tstratum\n", "the roster has no units"},
		{"unit twice", strings.Replace(goodRoster, "101\t", "100\t", 1), "line 4: unit 100 is there twice"},
		{"unsorted", "evenhand-roster 1\nunit\tstratum\na\ts\nB\ts\n", "line 4: unit B stands after a; units are sorted by the bytes"},
		{"space in an ID", strings.Replace(goodRoster, "101\t", "10 1\t", 1), `unit "10 1" contains a space`},
		{"accent in an ID", strings.Replace(goodRoster, "101\t", "1é\t", 1), "contains the letter 'é'"},
		{"no ID", strings.Replace(goodRoster, "100\t", "\t", 1), `unit "" is empty`},
		{"stratum missing", strings.Replace(goodRoster, "South", "", 1), "line 4: the stratum of unit 101 is missing"},
		{"fields missing", strings.Replace(goodRoster, "\t7", "", 1), "line 4: the line has 2 fields, the header 3"},
		{"decimal point", strings.Replace(goodRoster, "7", "7.5", 1), `line 4: ks2 of unit 101 is "7.5", not a whole number`},
		{"minus nought", strings.Replace(goodRoster, "7", "-0", 1), `ks2 of unit 101 is "-0"`},
		{"too large", strings.Replace(goodRoster, "7", "1000000001", 1), "ks2 of unit 101 is 1000000001, beyond ±1000000000"},
		{"Windows line ends", strings.ReplaceAll(goodRoster, "\n", "\r\n"), "carriage return"},
		{"empty line", goodRoster + "\n", "line 5: the line is empty"},
		{"no final line feed", strings.TrimSuffix(goodRoster, "\n"), "not ended by a line feed"},
	} {
		t.Run(test.name, func(t *testing.T) {
			_, err := ParseRoster([]byte(test.text))
			if err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("ParseRoster = %v, want %q", err, test.want)
			}
		})
	}
	_, err := NewRoster([]string{"x"}, []Unit{{"b", "s", []int64{1}}, {"a", "", []int64{1}}, {"b", "s\t", []int64{1, 2}}})
	var invalid *InvalidError
	if !errors.As(err, &invalid) || len(invalid.Faults) != 4 {
		t.Errorf("NewRoster = %v, want four faults", err)
	}
}

func TestChanceFaults(t *testing.T) {
	good := strings.Repeat("0a", 32)
	for text, want := range map[string]string{
		good: "", good + "\n": "",
		good + "\n\n": "65 characters", good[1:]: "63 characters", strings.ToUpper(good): "capital 'A'", good[1:] + "g": "'g'", "": "0 characters",
		good + "\r\n": "carriage return",
	} {
		c, err := ParseChance(text)
		if want == "" && (err != nil || string(c) != good) || want != "" && (err == nil || !strings.Contains(err.Error(), want)) {
			t.Errorf("ParseChance(%q) = %q, %v; want %q", text, c, err, want)
		}
	}
	if err := Chance(good + "\n").Validate(); err == nil {
		t.Error("a chance with its line feed is valid")
	}
	// SHA-256 of "evenhand-chance 1\n" a "\n" b "\n" by sha256sum.
	joined, err := TwoPartyChance(Chance(good), Chance(strings.Repeat("1b", 32)))
	if want := Chance("8bbb6cff18ba634fad5da17f4b48b8074aacf598c7923573ee4bf253376f6e5d"); err != nil || joined != want {
		t.Errorf("TwoPartyChance = %s, %v; want %s", joined, err, want)
	}
}

func TestAllocationFaults(t *testing.T) {
	good := "evenhand-allocation 1\nunit\tarm\tcommunity\na\tx\t0\nb\ty\t2\n"
	if _, err := ParseAllocation([]byte(good)); err != nil {
		t.Fatal(err)
	}
	for text, want := range map[string]string{
		strings.Replace(good, "b\t", "a\t", 1):          "line 4: unit a is there twice",
		strings.Replace(good, "b\t", "Z\t", 1):          "line 4: unit Z stands after a",
		strings.Replace(good, "\t2", "\t-2", 1):         `community "-2"`,
		strings.Replace(good, "\ty\t", "\ty y\t", 1):    `arm "y y" contains a space`,
		strings.Replace(good, "\t2", "", 1):             "the line has 2 fields",
		strings.Replace(good, "arm", "group", 1):        "the header is not",
		"evenhand-allocation 1\nunit\tarm\tcommunity\n": "no unit follows",
	} {
		if _, err := ParseAllocation([]byte(text)); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("ParseAllocation(%q) = %v, want %q", text, err, want)
		}
	}
}

// TestInfeasible: sizes that do not fit are said before any chance is spent,
// with the numbers.
func TestInfeasible(t *testing.T) {
	var units []Unit
	for i := range 27 {
		units = append(units, Unit{ID: "u" + itoa(10+i), Stratum: "s" + itoa(i%3)})
	}
	r, err := NewRoster(nil, units)
	if err != nil {
		t.Fatal(err)
	}
	d := Design{Method: Stratified, Arms: []ArmSpec{{"rlc", 1}, {"control", 1}}, Misfits: Pooled,
		Communities: []Community{{Arm: "rlc", Min: 5, Max: 6, How: FormRandom}}}
	err = Check(d, r)
	var infeasible *InfeasibleError
	if !errors.As(err, &infeasible) {
		t.Fatalf("Check = %v, want an *InfeasibleError", err)
	}
	if infeasible.N != 13 || infeasible.Min != 5 || infeasible.Max != 6 || infeasible.Possible != [2]int{13, 14} || len(infeasible.Bad) != 2 {
		t.Errorf("InfeasibleError = %+v", infeasible)
	}
	want := "draw: 13 units cannot be split into communities of 5 to 6; arm rlc may get any number from 13 to 14, of which 13 and 14 cannot " +
		"(1 to 4, 7 to 9, 13, 14 and 19 cannot be split, every other number can); change the sizes, the strata or the number of schools before any chance is spent"
	if err.Error() != want {
		t.Errorf("Check = %q, want %q", err, want)
	}
	// within: 3 strata of 9, each 4 or 5: 12 to 15, of which 12 and 15 can.
	d.Misfits = Within
	if err := Check(d, r); !errors.As(err, &infeasible) || infeasible.Possible != [2]int{12, 15} || len(infeasible.Bad) != 2 {
		t.Errorf("Check under within = %v", err)
	}
	if _, err := Draw(d, r, Chance(Digest(nil))); !errors.As(err, &infeasible) {
		t.Errorf("Draw = %v", err)
	}
}

func TestCommunitySizes(t *testing.T) {
	if got := ranges(Unsplittable(5, 6)); got != "1 to 4, 7 to 9, 13, 14 and 19" {
		t.Errorf("Unsplittable(5, 6) = %s", got)
	}
	// Brute force: n is splittable if some number of communities holds it.
	for lo := 1; lo <= 7; lo++ {
		for hi := lo; hi <= 9; hi++ {
			listed := map[int]bool{}
			for _, n := range Unsplittable(lo, hi) {
				listed[n] = true
			}
			for n := 0; n <= 200; n++ {
				want := false
				for g := 0; g <= n; g++ {
					want = want || g*lo <= n && n <= g*hi
				}
				if got := CanSplit(n, lo, hi); got != want {
					t.Fatalf("CanSplit(%d, %d, %d) = %v, want %v", n, lo, hi, got, want)
				}
				if lo < hi && listed[n] == want {
					t.Fatalf("Unsplittable(%d, %d) is wrong about %d", lo, hi, n)
				}
				sizes, ok := CommunitySizes(n, lo, hi)
				sum := sumOf(sizes)
				for _, s := range sizes {
					if s < lo || s > hi {
						t.Fatalf("CommunitySizes(%d, %d, %d) = %v", n, lo, hi, sizes)
					}
				}
				if ok != want || ok && sum != n {
					t.Fatalf("CommunitySizes(%d, %d, %d) = %v, %v", n, lo, hi, sizes, ok)
				}
			}
		}
	}
}

func TestVerifyNamesTheUnit(t *testing.T) {
	d, r, c := rlc(t)
	a, err := Draw(d, r, c)
	if err != nil {
		t.Fatal(err)
	}
	at := 5
	said := a.Assignments[at]
	other := "control"
	if said.Arm == other {
		other = "rlc"
	}
	a.Assignments[at].Arm = other
	var disagree *DisagreeError
	err = Verify(d.Text(), r.Text(), c, a.Text())
	if !errors.As(err, &disagree) || disagree.Unit != said.Unit || disagree.What != "arm" || disagree.Says != other || disagree.Draws != said.Arm || disagree.Count != 1 {
		t.Errorf("Verify = %v", err)
	}
	a.Assignments = append(a.Assignments[:at], a.Assignments[at+1:]...)
	if err := Verify(d.Text(), r.Text(), c, a.Text()); !errors.As(err, &disagree) || disagree.What != "presence" {
		t.Errorf("Verify = %v", err)
	}
	if err := Verify(d.Text(), r.Text(), c, []byte("x")); err == nil {
		t.Error("Verify accepts a text that is no allocation")
	}
}

func TestWarnings(t *testing.T) {
	r, err := NewRoster([]string{"easting", "northing"}, []Unit{
		{"A1", "North", []int64{400_000, 300_000}}, {"a1", "north", []int64{400_000, 300_000}},
		{"007", "North", []int64{800_000, 300_000}}, {"7", "South", []int64{400_000, 300_000}}})
	if err != nil {
		t.Fatal(err)
	}
	all := strings.Join(Warnings(Design{Method: Stratified, Arms: twoArms, Misfits: Pooled}, r), "\n")
	for _, want := range []string{"units A1 and a1 differ", "units 007 and 7 differ", `strata "North" and "north"`, "2 strata have one unit only", "unit 007 has easting 800000"} {
		if !strings.Contains(all, want) {
			t.Errorf("Warnings = %s, want %q", all, want)
		}
	}
	// In the grid either way: only its neighbours tell.
	places, err := NewRoster([]string{"easting", "northing"}, []Unit{
		{"a", "s", []int64{400_000, 300_000}}, {"b", "s", []int64{405_000, 310_000}}, {"c", "s", []int64{410_000, 301_000}},
		{"swapped", "s", []int64{305_000, 402_000}}, {"far", "s", []int64{650_000, 150_000}}})
	if err != nil {
		t.Fatal(err)
	}
	w := Warnings(Design{Method: Complete, Arms: twoArms}, places)
	if len(w) != 1 || !strings.Contains(w[0], "unit swapped has easting 305000 and northing 402000, 135 km from every other unit; swapped, they would lie among them") {
		t.Errorf("Warnings of swapped places = %q", w)
	}
	if w := Warnings(Design{Method: Complete, Arms: twoArms}, mustRoster(t, "u1", "u2")); len(w) != 0 {
		t.Errorf("Warnings of a plain roster = %v", w)
	}
}

func mustRoster(t testing.TB, ids ...string) Roster {
	t.Helper()
	var units []Unit
	for _, id := range ids {
		units = append(units, Unit{ID: id, Stratum: "all"})
	}
	r, err := NewRoster(nil, units)
	if err != nil {
		t.Fatal(err)
	}
	return r
}
