package randomize

import (
	"encoding/json"
	"fmt"
	"math/big"
	"os"
	"slices"
	"strings"
	"testing"
)

// goldenCase is one case of testdata/randomisation.json: numbers enumerated by
// hand or made by R packages, none of them ours.
type goldenCase struct {
	ID, Kind      string
	Input, Expect map[string]any
}

func loadGolden(t *testing.T) map[string]goldenCase {
	t.Helper()
	text, err := os.ReadFile("testdata/randomisation.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct{ Cases []goldenCase }
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if len(file.Cases) < 37 {
		t.Fatalf("testdata/randomisation.json holds %d cases, want 37", len(file.Cases))
	}
	cases := map[string]goldenCase{}
	for _, c := range file.Cases {
		cases[c.ID] = c
	}
	return cases
}

// rat reads a fraction of the file.
func rat(t *testing.T, v any) *big.Rat {
	t.Helper()
	r, ok := new(big.Rat).SetString(fmt.Sprint(v))
	if !ok {
		t.Fatalf("%v is not a fraction", v)
	}
	return r
}

func ints(v any) []int64 {
	var out []int64
	for _, x := range v.([]any) {
		out = append(out, int64(x.(float64)))
	}
	return out
}

// TestMinimisationCases: G, the preferred arms and the sums of Taves' method
// from textbooks and papers.
func TestMinimisationCases(t *testing.T) {
	done := 0
	for _, c := range loadGolden(t) {
		if c.Kind != "minimisation" {
			continue
		}
		done++
		var counts [][]int64
		for _, row := range c.Input["counts_at_new_units_levels"].([]any) {
			counts = append(counts, ints(row))
		}
		var weights []int64
		for _, w := range c.Input["weights"].([]any) {
			weights = append(weights, rat(t, w).Num().Int64())
		}
		var arms []string
		for _, a := range c.Input["arms"].([]any) {
			arms = append(arms, a.(string))
		}
		var ratio []int
		product := int64(1)
		for _, r := range ints(c.Input["ratio"]) {
			ratio = append(ratio, int(r))
			product *= r
		}
		measure := Imbalance(c.Input["d"].(string))
		g := imbalances(measure, counts, weights, ratio)
		// Ours are whole multiples: the product of the weights, or for the
		// variance K(K−1) times its square.
		scale := big.NewRat(product, 1)
		if measure == ImbalanceVariance {
			k := int64(len(arms))
			scale.SetInt64(k * (k - 1) * product * product)
		}
		for k, arm := range arms {
			want := rat(t, c.Expect["G_if_assigned"].(map[string]any)[arm])
			if got := new(big.Rat).Quo(new(big.Rat).SetInt(g[k]), scale); got.Cmp(want) != 0 {
				t.Errorf("%s: G(%s) = %s, want %s", c.ID, arm, got, want)
			}
		}
		var preferred []string
		for _, k := range leastImbalanced(g) {
			preferred = append(preferred, arms[k])
		}
		if got, want := fmt.Sprint(preferred), fmt.Sprint(c.Expect["preferred"]); got != want {
			t.Errorf("%s: preferred %s, want %s", c.ID, got, want)
		}
		ones := make([]int, len(ratio))
		for i := range ones {
			ones[i] = 1
		}
		unweighted := make([]int64, len(weights))
		for i := range unweighted {
			unweighted[i] = 1
		}
		sums := imbalances(ImbalanceTaves, counts, unweighted, ones)
		for k, arm := range arms {
			if want := c.Expect["taves_sums"].(map[string]any)[arm]; fmt.Sprint(sums[k]) != fmt.Sprint(want) {
				t.Errorf("%s: Taves' sum of %s is %s, want %v", c.ID, arm, sums[k], want)
			}
		}
		if want, ok := c.Expect["prob_a_p=3/4"]; ok {
			p := assignProbabilities(750, ratio, leastImbalanced(g))
			for k, w := range want.([]any) {
				if p[k].Cmp(rat(t, w)) != 0 {
					t.Errorf("%s: P(arm %d) = %s, want %v", c.ID, k, p[k], w)
				}
			}
		}
	}
	if done != 9 {
		t.Errorf("%d minimisation cases, want 9", done)
	}
	table := loadGolden(t)["min-altman-bland-2005"]
	counts := table.Input["table_after_29"].(map[string]any)
	profiles := table.Expect["taves_sums_by_profile"].(map[string]any)
	if len(profiles) != 16 {
		t.Fatalf("%d profiles, want 16", len(profiles))
	}
	for profile, want := range profiles {
		var rows [][]int64
		for _, level := range strings.Split(profile, " / ") {
			rows = append(rows, ints(counts[level]))
		}
		if got := fmt.Sprint(imbalances(ImbalanceTaves, rows, []int64{1, 1, 1, 1}, []int{1, 1})); got != fmt.Sprint(want) {
			t.Errorf("%s: sums %s, want %v", profile, got, want)
		}
	}
}

// assignProbabilities enumerates what assign can do.
func assignProbabilities(best int, ratio []int, preferred []int) []*big.Rat {
	var arms []ArmSpec
	for i, w := range ratio {
		arms = append(arms, ArmSpec{"arm" + itoa(i), w})
	}
	d := Design{Method: Minimisation, Arms: arms, BestPerMille: best}
	m := newMinimiser(&plan{design: d, deck: newDeck(arms, 1)})
	p := rats(len(arms))
	for t := (&tape{}); ; {
		t.rewind()
		k := m.assign(t, preferred)
		p[k].Add(p[k], t.probability())
		if !t.advance() {
			return p
		}
	}
}

// TestBiasedCoinKeepsRatio: a tie of all arms gives exactly w/W, and the
// preferred arm has the probability of Han, Enas and McEntegart's formula.
func TestBiasedCoinKeepsRatio(t *testing.T) {
	ratio := []int{4, 2, 1}
	for k, p := range assignProbabilities(800, ratio, []int{0, 1, 2}) {
		if want := big.NewRat(int64(ratio[k]), 7); p.Cmp(want) != 0 {
			t.Errorf("all tied: P(arm %d) = %s, want %s", k, p, want)
		}
	}
	for h, w := range ratio {
		// p_H = 1 − (Σ_{l≠h} r_l / Σ_{l≠least} r_l)(1 − best)
		want := new(big.Rat).Sub(big.NewRat(1, 1), new(big.Rat).Mul(big.NewRat(int64(7-w), 6), big.NewRat(200, 1000)))
		if p := assignProbabilities(800, ratio, []int{h}); p[h].Cmp(want) != 0 {
			t.Errorf("preferred arm %d: P = %s, want %s", h, p[h], want)
		}
	}
}

// twoArmDesign has the exact share p of the first arm.
func twoArmDesign(method Method, p *big.Rat) Design {
	w := int(p.Num().Int64())
	return Design{Method: method, Arms: []ArmSpec{{"t", w}, {"c", int(p.Denom().Int64()) - w}}}
}

// TestCompleteCases: exact distributions of complete randomisation. The case
// complete-N2-p3/5 is not here: it keeps the number treated within one of n·p,
// where the frozen rule takes 2 of 5 tokens, three of which treat.
func TestCompleteCases(t *testing.T) {
	cases := loadGolden(t)
	for _, id := range []string{"complete-N3-p1/2", "complete-N5-p1/2", "complete-N4-p2/5", "complete-N3-p9/10", "complete-N1-p3/10"} {
		c := cases[id]
		n := int(c.Input["n"].(float64))
		d := twoArmDesign(Complete, rat(t, c.Input["p"]))
		r := mustRoster(t, []string{"a", "b", "c", "d", "e"}[:n]...)
		list, err := d.Enumerate(r, 0)
		if err != nil {
			t.Fatal(err)
		}
		if want := int(c.Expect["n_vectors"].(float64)); len(list) != want {
			t.Errorf("%s: %d allocations, want %d", id, len(list), want)
		}
		count, err := d.Count(r)
		if err != nil || count.Cmp(big.NewInt(int64(len(list)))) != 0 {
			t.Errorf("%s: Count = %s, %v", id, count, err)
		}
		byTreated := map[string]*big.Rat{}
		for _, one := range list {
			treated := 0
			for _, a := range one.Arms {
				treated += 1 - a
			}
			key := itoa(treated)
			if byTreated[key] == nil {
				byTreated[key] = new(big.Rat)
			}
			byTreated[key].Add(byTreated[key], one.P)
		}
		want := c.Expect["prob_by_n_treated"].(map[string]any)
		if len(byTreated) != len(want) {
			t.Errorf("%s: numbers treated %v, want %v", id, byTreated, want)
		}
		for k, p := range want {
			if byTreated[k] == nil || byTreated[k].Cmp(rat(t, p)) != 0 {
				t.Errorf("%s: P(%s treated) = %v, want %v", id, k, byTreated[k], p)
			}
		}
		p, err := d.Probabilities(r)
		if err != nil || p.P[0][0].Cmp(rat(t, c.Expect["p_each"])) != 0 {
			t.Errorf("%s: P = %v, %v", id, p, err)
		}
		if n > 1 {
			pp, err := d.PairProbabilities(r)
			if err != nil {
				t.Fatal(err)
			}
			if got := pp.Of(0, 1)[0][0]; got.Cmp(rat(t, c.Expect["p_both_treated_pair"])) != 0 {
				t.Errorf("%s: P(both treated) = %s", id, got)
			}
			if got := pp.Same(0, 1); got.Cmp(rat(t, c.Expect["p_same_arm_pair"])) != 0 {
				t.Errorf("%s: P(one arm) = %s", id, got)
			}
		}
	}
	// Every unit's chance is exact where randomizr's is not (its cases here).
	for _, id := range []string{"multiarm-N4-2/5-2/5-1/5", "multiarm-N3-1/2-3/10-1/5", "multiarm-N5-1/3-1/3-1/3"} {
		c := cases[id]
		var arms []ArmSpec
		for i, p := range c.Input["p"].([]any) {
			w := new(big.Rat).Mul(rat(t, p), big.NewRat(30, 1))
			arms = append(arms, ArmSpec{"arm" + itoa(i), int(w.Num().Int64())})
		}
		n := int(c.Input["n"].(float64))
		d := Design{Method: Complete, Arms: smallest(arms)}
		r := mustRoster(t, []string{"a", "b", "c", "d", "e"}[:n]...)
		list, err := d.Enumerate(r, 0)
		if err != nil {
			t.Fatal(err)
		}
		got := rats(len(arms))
		for _, one := range list {
			got[one.Arms[0]].Add(got[one.Arms[0]], one.P)
		}
		for k, want := range c.Expect["exact_unit_p"].([]any) {
			if got[k].Cmp(rat(t, want)) != 0 {
				t.Errorf("%s: P(arm %d) = %s, want %v", id, k, got[k], want)
			}
		}
	}
}

// smallest divides the weights by their greatest common divisor.
func smallest(arms []ArmSpec) []ArmSpec {
	g := new(big.Int)
	for _, a := range arms {
		g.GCD(nil, nil, g, big.NewInt(int64(a.Weight)))
	}
	for i := range arms {
		arms[i].Weight /= int(g.Int64())
	}
	return arms
}

// TestBlockCases: stratified designs against randomizr's own enumeration.
func TestBlockCases(t *testing.T) {
	cases := loadGolden(t)
	var units []Unit
	for i, s := range []string{"a", "a", "a", "b", "b", "c"} {
		units = append(units, Unit{ID: "u" + itoa(i), Stratum: s})
	}
	r, err := NewRoster(nil, units)
	if err != nil {
		t.Fatal(err)
	}
	d := Design{Method: Stratified, Arms: twoArms, Misfits: Within}
	c := cases["block-3-2-1"]
	list, err := d.Enumerate(r, 0)
	if err != nil || len(list) != int(c.Expect["n_vectors"].(float64)) {
		t.Fatalf("%d allocations, %v; want %v", len(list), err, c.Expect["n_vectors"])
	}
	for _, one := range list {
		if one.P.Cmp(rat(t, c.Expect["each_vector"])) != 0 {
			t.Errorf("P = %s, want %v", one.P, c.Expect["each_vector"])
		}
	}
	pp, err := d.PairProbabilities(r)
	if err != nil {
		t.Fatal(err)
	}
	for _, pair := range []struct {
		i, j int
		key  string
	}{{0, 1, "same_arm_within_a"}, {3, 4, "same_arm_within_b"}, {0, 4, "same_arm_across"}} {
		if got := pp.Same(pair.i, pair.j); got.Cmp(rat(t, c.Expect[pair.key])) != 0 {
			t.Errorf("%s = %s, want %v", pair.key, got, c.Expect[pair.key])
		}
	}

	// The list of vectors of a design, as randomizr writes them: 1 is treated.
	vectors := func(d Design, columns []string, units []Unit) []string {
		r, err := NewRoster(columns, units)
		if err != nil {
			t.Fatal(err)
		}
		list, err := d.Enumerate(r, 0)
		if err != nil {
			t.Fatal(err)
		}
		var out []string
		for _, one := range list {
			text := ""
			for _, a := range one.Arms {
				text += itoa(1 - a)
			}
			out = append(out, text)
		}
		slices.Sort(out)
		return out
	}
	want := func(id string) []string {
		var out []string
		for _, v := range cases[id].Expect["vectors"].([]any) {
			out = append(out, v.(string))
		}
		return out
	}
	clustered := func(sizes []int, strata []string) []Unit {
		var units []Unit
		for c, n := range sizes {
			for range n {
				units = append(units, Unit{ID: fmt.Sprintf("u%02d", len(units)), Stratum: strata[c], Balance: []int64{int64(c)}})
			}
		}
		return units
	}
	got := vectors(Design{Method: Complete, Arms: twoArms, Cluster: "cluster"}, []string{"cluster"}, clustered([]int{2, 1, 3}, []string{"s", "s", "s"}))
	if !slices.Equal(got, want("cluster-sizes-2-1-3")) {
		t.Errorf("clusters of 2, 1 and 3: %v, want %v", got, want("cluster-sizes-2-1-3"))
	}
	got = vectors(Design{Method: Stratified, Arms: twoArms, Misfits: Within, Cluster: "cluster"}, []string{"cluster"},
		clustered([]int{2, 1, 1, 1, 2}, []string{"1", "1", "1", "2", "2"}))
	if !slices.Equal(got, want("block-cluster")) {
		t.Errorf("clusters in strata: %v, want %v", got, want("block-cluster"))
	}
	var five []Unit
	for i := range 5 {
		five = append(five, Unit{ID: "u" + itoa(i), Stratum: "s"})
	}
	got = vectors(Design{Method: Complete, Arms: []ArmSpec{{"t", 2}, {"c", 3}}}, nil, five)
	if !slices.Equal(got, want("complete-N5-m2")) {
		t.Errorf("2 of 5: %v, want %v", got, want("complete-N5-m2"))
	}
}

// TestCounts: the roster of 114 schools in eight strata, and permuted blocks.
func TestCounts(t *testing.T) {
	cases := loadGolden(t)
	c := cases["strata-114"]
	var units []Unit
	for s, n := range ints(c.Input["stratum_sizes"]) {
		for range n {
			units = append(units, Unit{ID: fmt.Sprintf("u%03d", len(units)), Stratum: "stratum " + itoa(s)})
		}
	}
	r, err := NewRoster(nil, units)
	if err != nil {
		t.Fatal(err)
	}
	for misfits, key := range map[Misfits]string{Within: "n_vectors", Pooled: "n_vectors_if_total_fixed_57"} {
		n, err := Design{Method: Stratified, Arms: twoArms, Misfits: misfits}.Count(r)
		if err != nil || n.String() != c.Expect[key] {
			t.Errorf("%s: Count = %s, %v; want %v", misfits, n, err, c.Expect[key])
		}
	}
	var eight []Unit
	for i := range 8 {
		eight = append(eight, Unit{ID: "u" + itoa(i), Stratum: "s", Balance: []int64{int64(i)}})
	}
	r, err = NewRoster([]string{ColumnSequence}, eight)
	if err != nil {
		t.Fatal(err)
	}
	for _, size := range []int{2, 4, 8} {
		n, err := Design{Method: Blocks, Arms: twoArms, Blocks: []int{size}}.Count(r)
		if want := cases["pbr-count"].Expect["block"+itoa(size)]; err != nil || n.String() != fmt.Sprint(want) {
			t.Errorf("blocks of %d: Count = %s, %v; want %v", size, n, err, want)
		}
	}
}

// TestEfronCase: the exact distribution of the lead after six units, Efron
// 1971. The rule's coin is in thousandths, so p = 2/3 is taken as the fraction
// 667/1000 in the exact recursion too, and the golden values to its error.
func TestEfronCase(t *testing.T) {
	var six []Unit
	for i := range 6 {
		six = append(six, Unit{ID: "u" + itoa(i), Stratum: "s", Balance: []int64{int64(i)}})
	}
	r, err := NewRoster([]string{ColumnSequence}, six)
	if err != nil {
		t.Fatal(err)
	}
	list, err := Design{Method: Efron, Arms: twoArms, BestPerMille: 667}.Enumerate(r, 0)
	if err != nil {
		t.Fatal(err)
	}
	got := map[string]*big.Rat{}
	for _, one := range list {
		lead := 0
		for _, a := range one.Arms {
			lead += 1 - 2*a
		}
		if got[itoa(lead)] == nil {
			got[itoa(lead)] = new(big.Rat)
		}
		got[itoa(lead)].Add(got[itoa(lead)], one.P)
	}
	want := loadGolden(t)["efron-2/3-n6"].Expect["dist_D_final"].(map[string]any)
	if len(want) != 7 {
		t.Fatalf("%d leads, want 7", len(want))
	}
	for lead, p := range want {
		x, _ := rat(t, p).Float64()
		y, _ := got[lead].Float64()
		// |d/dp| of each probability is below 3; p differs by 1/3000.
		if y < x-0.001 || y > x+0.001 {
			t.Errorf("P(lead %s) = %g, want %g within 0.001", lead, y, x)
		}
	}
}

// TestMoulton: a design so tight that only a mirror pair is left is caught.
func TestMoulton(t *testing.T) {
	c := loadGolden(t)["ccr-moulton-adapted"]
	baseline := ints(c.Input["baseline"])
	var units []Unit
	for i, x := range baseline {
		units = append(units, Unit{ID: itoa(i + 1), Stratum: "s", Balance: []int64{x}})
	}
	r, err := NewRoster([]string{"baseline"}, units)
	if err != nil {
		t.Fatal(err)
	}
	// A third of the allocations, those with a difference of 5, are kept.
	d := Design{Method: Constrained, Arms: twoArms, Misfits: Within, Candidates: 600, KeepPerMille: 300, Weights: []ColumnWeight{{"baseline", 1}}}
	v, err := Gate(d, r)
	over, ok := err.(*OverconstrainedError)
	if !ok {
		t.Fatalf("Gate = %v, want an *OverconstrainedError", err)
	}
	pairs := func(list []Pair) string {
		var out []string
		for _, p := range list {
			out = append(out, "["+p.A+" "+p.B+"]")
		}
		slices.Sort(out)
		return strings.Join(out, " ")
	}
	if got, want := "["+pairs(over.Always)+"]", fmt.Sprint(c.Expect["always_together"]); got != want {
		t.Errorf("always together %s, want %s", got, want)
	}
	if got, want := "["+pairs(over.Never)+"]", fmt.Sprint(c.Expect["never_together"]); got != want {
		t.Errorf("never together %s, want %s", got, want)
	}
	if v.Distinct != 2 || over.Want != DefaultDistinct {
		t.Errorf("Distinct = %d, Want = %d", v.Distinct, over.Want)
	}
	if v.Kept < 150 || v.Kept > 250 {
		t.Errorf("Kept = %d of 600, want about a third: every tie is kept", v.Kept)
	}
	// Loosened on purpose, it passes.
	d.DistinctAtLeast, d.TogetherPerMille = 2, []int{0, 1000}
	if _, err := Gate(d, r); err != nil {
		t.Errorf("Gate of the design that allows it = %v", err)
	}
}

// TestGroupings: how many ways communities can be formed, by listing them with
// the exact search's own rules.
func TestGroupings(t *testing.T) {
	c := loadGolden(t)["group-counts"]
	count := func(n, lo, hi int, change func([]Unit)) int {
		var units []Unit
		for i := range n {
			units = append(units, Unit{ID: fmt.Sprintf("u%02d", i), Stratum: "s", Balance: []int64{0, 0}})
		}
		change(units)
		r, err := NewRoster([]string{"apart", "together"}, units)
		if err != nil {
			t.Fatal(err)
		}
		rule := Community{Arm: "x", Min: lo, Max: hi, How: FormRandom, Apart: []string{"apart"}, Together: []string{"together"}}
		members := make([]int, n)
		for i := range members {
			members[i] = i
		}
		a, err := rule.newArena(r, members)
		if err != nil {
			t.Fatal(err)
		}
		s := newState(a)
		seen := map[string]bool{}
		room := slices.Clone(a.size)
		var try func(i int)
		try = func(i int) {
			if i == n {
				for g := range s.who {
					s.who[g] = s.who[g][:0]
				}
				for u, g := range s.of {
					s.who[g] = append(s.who[g], u)
				}
				if s.assess(); s.broken == 0 {
					seen[s.canonical()] = true
				}
				return
			}
			for g := range room {
				if room[g] > 0 {
					room[g]--
					s.of[i] = g
					try(i + 1)
					room[g]++
				}
			}
		}
		try(0)
		return len(seen)
	}
	pair := func(column int) func([]Unit) {
		return func(u []Unit) { u[0].Balance[column], u[1].Balance[column] = 5, 5 }
	}
	none := func([]Unit) {}
	for _, test := range []struct {
		key       string
		n, lo, hi int
		change    func([]Unit)
	}{
		{"9_in_3x3", 9, 3, 3, none},
		{"9_in_3x3_one_pair_apart", 9, 3, 3, pair(0)},
		{"9_in_3x3_one_pair_together", 9, 3, 3, pair(1)},
		{"9_in_3x3_two_disjoint_pairs_apart", 9, 3, 3, func(u []Unit) {
			pair(0)(u)
			u[2].Balance[0], u[3].Balance[0] = 6, 6
		}},
		{"11_in_6+5", 11, 5, 6, none},
		{"11_in_6+5_pair_apart", 11, 5, 6, pair(0)},
		{"10_in_5+5_trio_all_apart", 10, 5, 5, func(u []Unit) {
			pair(0)(u)
			u[2].Balance[0] = 5
		}},
	} {
		if got := count(test.n, test.lo, test.hi, test.change); fmt.Sprint(got) != fmt.Sprint(c.Expect[test.key]) {
			t.Errorf("%s: %d, want %v", test.key, got, c.Expect[test.key])
		}
	}
	sizes := loadGolden(t)["group-sizes"]
	for _, n := range []string{"54", "57", "58", "60"} {
		want := sizes.Expect[n].(map[string]any)
		units, _ := canonicalInt(n)
		fives, sixes := 0, 0
		for _, s := range evenSizes(int(units), 10) {
			if s == 5 {
				fives++
			} else {
				sixes++
			}
		}
		if fmt.Sprint(fives) != fmt.Sprint(want["x5"]) || fmt.Sprint(sixes) != fmt.Sprint(want["x6"]) {
			t.Errorf("%s units: %d fives and %d sixes, want %v", n, fives, sixes, want)
		}
	}
}
