package randomize

import (
	"bytes"
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// TestThousandRosters draws a thousand random rosters, rows shuffled, over all
// methods: the same bytes.
func TestThousandRosters(t *testing.T) {
	methods := allMethods()
	order := newKeyed(seed{'o'}).stream("row order")
	moved := 0
	for i := range 1000 {
		units := genUnits(40).Example(i)
		d := genDesign(methods[i%len(methods)]).Example(i)
		c := genChance.Example(i)
		var mixed []Unit
		for _, at := range shuffle(nil, len(units), order) {
			mixed = append(mixed, units[at])
		}
		if len(units) > 1 && mixed[0].ID != units[0].ID {
			moved++
		}
		var texts [2][]byte
		for j, list := range [][]Unit{units, mixed} {
			r, err := NewRoster(genColumns, list)
			if err != nil {
				t.Fatal(err)
			}
			a, err := Draw(d, r, c)
			if err != nil {
				t.Fatal(err)
			}
			texts[j] = a.Text()
		}
		if !bytes.Equal(texts[0], texts[1]) {
			t.Fatalf("roster %d: rows in another order give %s, want %s", i, texts[1], texts[0])
		}
	}
	if moved < 500 {
		t.Errorf("only %d rosters came in another order", moved)
	}
}

// TestScores holds the fast score to the score of whole numbers of any length
// and to the definition.
func TestScores(t *testing.T) {
	long := 0
	rapid.Check(t, func(t *rapid.T) {
		d := genDesign(Constrained).Draw(t, "design")
		d.Cluster = ""
		r := genRoster(25).Draw(t, "roster")
		p := newPlan(d, r)
		arms := make([]uint8, len(r.Units))
		for i := range arms {
			arms[i] = uint8(rapid.IntRange(0, len(d.Arms)-1).Draw(t, "arm"))
		}
		want := new(big.Int)
		for _, w := range d.Weights {
			at := r.Column(w.Column)
			n, total := make([]int64, len(d.Arms)), make([]int64, len(d.Arms))
			for i, u := range r.Units {
				n[arms[i]]++
				total[arms[i]] += u.Balance[at]
			}
			for i := range n {
				for j := i + 1; j < len(n); j++ {
					x := big.NewInt(n[j]*total[i] - n[i]*total[j])
					x.Mul(x, x)
					want.Add(want, x.Mul(x, big.NewInt(int64(w.Weight))))
				}
			}
		}
		s := newScorer(p)
		if got := s.long(arms); got.Cmp(want) != 0 {
			t.Fatalf("long score = %s, want %s", got, want)
		}
		if s.fits {
			if got := s.short(arms).big(); got.Cmp(want) != 0 {
				t.Fatalf("short score = %s, want %s", got, want)
			}
		} else {
			long++
		}
	})
	// Columns of ±10⁹ with a weight of 10⁶ are beyond 128 bits for many units.
	var units []Unit
	for i := range 10_000 {
		units = append(units, Unit{ID: fmt.Sprintf("u%05d", i), Stratum: "s", Balance: []int64{MaxBalance - 2*MaxBalance*int64(i%2)}})
	}
	r, err := NewRoster([]string{"x"}, units)
	if err != nil {
		t.Fatal(err)
	}
	d := Design{Method: Constrained, Arms: twoArms, Misfits: Within, Candidates: 5, KeepPerMille: 200, Weights: []ColumnWeight{{"x", maxColumnWeight}}}
	set := newPlan(d, r).candidates(seed{1})
	if newScorer(newPlan(d, r)).fits || set.scores.long == nil {
		t.Fatal("scores that could be longer than 128 bits are kept in 128")
	}
	if len(set.kept) < 1 || slices.MinFunc(set.scores.long, func(a, b *big.Int) int { return a.Cmp(b) }).Cmp(set.cut) != 0 {
		t.Errorf("kept %v at cut %s of %v", set.kept, set.cut, set.scores.long)
	}
}

// TestValidity counts pairs among the kept candidates another way.
func TestValidity(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		d := genDesign(Constrained).Draw(t, "design")
		d.Cluster = ""
		r := genRoster(12).Draw(t, "roster")
		c := genChance.Draw(t, "chance")
		v, err := Candidates(d, r, c)
		if err != nil {
			t.Fatal(err)
		}
		p := newPlan(d, r)
		set := p.candidates(newSeed(domainDraw, 0, Digest(d.Text()), Digest(r.Text()), c))
		if rank := (d.Candidates*d.KeepPerMille + 999) / 1000; len(set.kept) < rank || v.Kept != len(set.kept) {
			t.Fatalf("kept %d and %d, want at least %d", len(set.kept), v.Kept, rank)
		}
		distinct := map[string]bool{}
		n := len(r.Units)
		together := make([][]int32, n)
		for i := range together {
			together[i] = make([]int32, i)
		}
		inArm := make([]int32, len(d.Arms))
		for _, k := range set.kept {
			arms := p.newMaker(set.seed).make(k)
			distinct[string(arms)] = true
			inArm[arms[0]]++
			for i := range n {
				for j := range i {
					if arms[i] == arms[j] {
						together[i][j]++
					}
				}
			}
		}
		if v.Distinct != len(distinct) {
			t.Fatalf("Distinct = %d, want %d", v.Distinct, len(distinct))
		}
		for i := range n {
			if !slices.Equal(v.Together[i], together[i]) {
				t.Fatalf("Together[%d] = %v, want %v", i, v.Together[i], together[i])
			}
		}
		extreme := 0
		for i := range n {
			for _, x := range together[i] {
				if x == 0 || int(x) == v.Kept {
					extreme++
				}
			}
		}
		if got := len(v.Always) + len(v.Never) + len(v.Tied); got != extreme {
			t.Fatalf("%d pairs always, never or tied, want %d", got, extreme)
		}
		for a := range d.Arms {
			if v.InArm[a][0] != inArm[a] {
				t.Fatalf("InArm[%d][0] = %d, want %d", a, v.InArm[a][0], inArm[a])
			}
		}
		// The draw is one of the kept.
		drawn, err := Draw(d, r, c)
		if err != nil {
			t.Fatal(err)
		}
		key := make([]byte, n)
		for i, x := range drawn.Assignments {
			key[i] = byte(d.arm(x.Arm))
		}
		if !distinct[string(key)] {
			t.Fatal("the draw is not among the kept candidates")
		}
	})
}

// TestTiedPairsAreImpossible: pairs that validity sets aside as tied are never
// together in any stratified allocation.
func TestTiedPairsAreImpossible(t *testing.T) {
	tied := 0
	rapid.Check(t, func(t *rapid.T) {
		r := genRoster(6).Draw(t, "roster")
		arms := rapid.SampledFrom([][]ArmSpec{twoArms, {{"a", 1}, {"b", 1}, {"c", 1}}, {{"a", 2}, {"b", 1}}}).Draw(t, "arms")
		d := Design{Method: Stratified, Arms: arms, Misfits: rapid.SampledFrom([]Misfits{Within, Pooled}).Draw(t, "misfits")}
		list, err := d.Enumerate(r, 600)
		if err != nil {
			t.Skip("too many ways")
		}
		p := newPlan(d, r)
		of := make([]int, len(r.Units))
		for s, st := range p.strata {
			for _, m := range st.members {
				of[m] = s
			}
		}
		for i := range of {
			for j := range i {
				possible := false
				for _, one := range list {
					possible = possible || one.Arms[i] == one.Arms[j]
				}
				if got := p.tied(of[i], of[j]); got && possible {
					t.Fatalf("units %d and %d are called tied but can be together", i, j)
				} else if got {
					tied++
				} else if !possible {
					t.Fatalf("units %d and %d are never together, yet not called tied", i, j)
				}
			}
		}
	})
	if tied < 10 {
		t.Errorf("%d tied pairs only", tied)
	}
}

// TestBroadcastClusters: units of a cluster have one arm and one community, and
// rehearsed arms are those of whole rehearsals.
func TestBroadcastClusters(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		r := genRoster(30).Draw(t, "roster")
		d := Design{Method: Stratified, Arms: twoArms, Misfits: Pooled, Cluster: "cluster",
			Communities: []Community{{Arm: "rlc", Min: 1, Max: 3, How: FormRandom}}}
		c := genChance.Draw(t, "chance")
		a, err := Rehearse(d, r, c, 4)
		if err != nil {
			t.Fatal(err)
		}
		arms, err := RehearseArms(d, r, c)
		if err != nil {
			t.Fatal(err)
		}
		rehearsed := arms(4)
		first := map[int64]Assignment{}
		for i, x := range a.Assignments {
			if d.Arms[rehearsed[i]].Name != x.Arm {
				t.Fatalf("unit %s: arm %s rehearsed, %s by RehearseArms", x.Unit, x.Arm, d.Arms[rehearsed[i]].Name)
			}
			cluster := r.Units[i].Balance[2]
			if f, ok := first[cluster]; ok && (f.Arm != x.Arm || f.Community != x.Community) {
				t.Fatalf("cluster %d is in %v and %v", cluster, f, x)
			}
			first[cluster] = x
		}
	})
}

func TestClusterFaults(t *testing.T) {
	r, err := NewRoster([]string{"cluster"}, []Unit{{"a", "s", []int64{1}}, {"b", "z", []int64{1}}})
	if err != nil {
		t.Fatal(err)
	}
	d := Design{Method: Complete, Arms: twoArms, Cluster: "cluster"}
	if err := Check(d, r); err == nil || !strings.Contains(err.Error(), `cluster 1 lies in two strata: unit a in "s", unit b in "z"`) {
		t.Errorf("Check = %v", err)
	}
	d.Cluster = "clutser"
	if err := Check(d, r); err == nil || !strings.Contains(err.Error(), `did you mean "cluster"?`) {
		t.Errorf("Check = %v", err)
	}
}

// TestCommunityErrorKeepsArms: communities that turn out impossible leave the
// arms as drawn.
func TestCommunityErrorKeepsArms(t *testing.T) {
	// Two places 100 km apart; who is drawn decides whether fives can be made.
	var units []Unit
	for i := range 20 {
		units = append(units, Unit{ID: fmt.Sprintf("u%02d", i), Stratum: "s", Balance: []int64{400_000 + int64(i%2)*100_000, 300_000}})
	}
	r, err := NewRoster([]string{ColumnEasting, ColumnNorthing}, units)
	if err != nil {
		t.Fatal(err)
	}
	d := Design{Method: Complete, Arms: twoArms, Communities: []Community{{Arm: "rlc", Min: 5, Max: 5, How: FormRandom, Farthest: 50_000, Starts: 20}}}
	if err := Check(d, r); err != nil {
		t.Fatal(err)
	}
	met, failed := 0, 0
	for n := range 200 {
		a, err := Rehearse(d, r, Chance(Digest(nil)), n)
		var formErr *CommunityError
		var constraint *ConstraintError
		switch {
		case err == nil:
			met++
			if a.Assignments[0].Community == 0 && a.Assignments[0].Arm == "rlc" {
				t.Fatal("a unit of the arm has no community")
			}
		case errors.As(err, &formErr) && errors.As(err, &constraint):
			failed++
			if formErr.Arms.Size("rlc") != 10 || !slices.Equal(constraint.Rules, []string{"farthest 50000"}) {
				t.Fatalf("CommunityError = %v, arms %v", err, formErr.Arms)
			}
		default:
			t.Fatal(err)
		}
	}
	if met == 0 || failed == 0 {
		t.Errorf("%d met and %d failed; want both", met, failed)
	}
	feasible, err := RehearseCommunities(d, r, Chance(Digest(nil)), 200)
	if feasible != met || err == nil {
		t.Errorf("RehearseCommunities = %d, %v; the draws met the rule %d times", feasible, err, met)
	}
}

func ExampleDraw() {
	design, err := ParseDesign([]byte("evenhand-design 1\nmethod stratified\narm rlc 1\narm control 1\nmisfits pooled\n"))
	if err != nil {
		fmt.Println(err)
		return
	}
	roster, err := NewRoster(nil, []Unit{{ID: "100234", Stratum: "North"}, {ID: "100101", Stratum: "North"}, {ID: "100777", Stratum: "South"}, {ID: "100500", Stratum: "South"}})
	if err != nil {
		fmt.Println(err)
		return
	}
	chance, err := ParseChance("e3b0c44298fc1c149afbf4c8996fb92427ae41e4649b934ca495991b7852b855")
	if err != nil {
		fmt.Println(err)
		return
	}
	allocation, err := Draw(design, roster, chance)
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, a := range allocation.Assignments {
		fmt.Println(a.Unit, a.Arm)
	}
	// Output:
	// 100101 control
	// 100234 rlc
	// 100500 rlc
	// 100777 control
}
