package randomize

import (
	"math"
	"math/big"
	"math/bits"
	"slices"
	"testing"
)

// dickinson is the 16 counties of Dickinson's trial with the six columns that
// cvcrand makes of them, as z-scores in hundred-millionths: fine enough for the
// order of all 12,870 schemes.
func dickinson(t *testing.T, c goldenCase) *plan {
	t.Helper()
	rows := c.Input["data"].([]any)
	columns := []string{"inciis", "uptodateonimmunizations", "hispanic", "urban", "low", "med"}
	value := func(row map[string]any, column string) float64 {
		yes := map[bool]float64{true: 1}
		switch column {
		case "urban":
			return yes[row["location"] == "Urban"]
		case "low":
			return yes[row["incomecat"] == "Low"]
		case "med":
			return yes[row["incomecat"] == "Med"]
		}
		return row[column].(float64)
	}
	units := make([]Unit, len(rows))
	for i := range units {
		units[i] = Unit{ID: string(rune('a' + i)), Stratum: "all"}
	}
	d := Design{Method: Constrained, Arms: []ArmSpec{{"treated", 1}, {"control", 1}}, Misfits: Within, Candidates: 1, KeepPerMille: 100}
	for _, column := range columns {
		mean, ss := 0.0, 0.0
		for _, row := range rows {
			mean += value(row.(map[string]any), column) / float64(len(rows))
		}
		for _, row := range rows {
			ss += math.Pow(value(row.(map[string]any), column)-mean, 2)
		}
		for i, row := range rows {
			z := (value(row.(map[string]any), column) - mean) / math.Sqrt(ss/float64(len(rows)-1))
			units[i].Balance = append(units[i].Balance, int64(math.Round(1e8*z)))
		}
		d.Weights = append(d.Weights, ColumnWeight{column, 1})
	}
	r, err := NewRoster(columns, units)
	if err != nil {
		t.Fatal(err)
	}
	return newPlan(d, r)
}

// TestCvcrand holds the scores of all C(16, 8) schemes of Dickinson's trial to
// cvcrand's l2, and the set that is kept to the one closed under exchanging the
// arms, which cvcrand's cut breaks; and the permutation test on it to cptest.
func TestCvcrand(t *testing.T) {
	golden := loadGolden(t)
	c := golden["cvcrand-dickinson"]
	s := newScorer(dickinson(t, c))
	// score = Σ (8·T₁ − 8·T₂)² = Σ (16·T₁)², in squares of hundred-millionths.
	l2 := func(score *big.Int) float64 {
		x, _ := new(big.Float).Quo(new(big.Float).SetInt(score), big.NewFloat(256e16)).Float64()
		return x
	}
	type scheme struct {
		bits  uint32
		score float64
	}
	arms := make([]uint8, 16)
	scoreOf := func(treated uint32) float64 {
		for i := range arms {
			arms[i] = uint8(1 - treated>>i&1)
		}
		return l2(s.long(arms))
	}
	var all []scheme
	mean := 0.0
	for b := uint32(0); b < 1<<16; b++ {
		if bits.OnesCount32(b) == 8 {
			x := scoreOf(b)
			all = append(all, scheme{b, x})
			mean += x
		}
	}
	mean /= float64(len(all))
	slices.SortFunc(all, func(x, y scheme) int {
		switch {
		case x.score < y.score:
			return -1
		case x.score > y.score:
			return 1
		}
		return int(x.bits) - int(y.bits)
	})
	close := func(what string, got, want float64) {
		t.Helper()
		if math.Abs(got-want) > 1e-6*want {
			t.Errorf("%s = %.9f, cvcrand %.9f", what, got, want)
		}
	}
	expect := c.Expect["l2"].(map[string]any)
	if n := c.Expect["n_schemes"].(float64); len(all) != int(n) {
		t.Fatalf("%d schemes, want %v", len(all), n)
	}
	close("mean of l2", mean, expect["mean"].(float64))
	close("least l2", all[0].score, expect["min"].(float64))
	close("greatest l2", all[len(all)-1].score, expect["max"].(float64))
	read := func(text string) (b uint32) {
		for i, x := range text {
			if x == '1' {
				b |= 1 << i
			}
		}
		return b
	}
	chosen := read(c.Expect["seed_12345_scheme"].(string))
	close("l2 of cvcrand's scheme", scoreOf(chosen), c.Expect["its_l2"].(float64))
	close("l2 of counties 1 to 8", scoreOf(0xff), c.Expect["scheme_1-8_treated"].(map[string]any)["l2"].(float64))
	for i, text := range c.Expect["best_schemes"].([]any) {
		if b := read(text.(string)); b != all[0].bits && b != all[1].bits {
			t.Errorf("best scheme %d, %s, is not among the first two", i+1, text)
		}
	}
	// All ties kept: 1,288, not 1,287.
	cut := all[1287-1].score
	close("the cut", cut, c.Expect["l2_value_at_rank_1287"].(float64))
	kept := slices.DeleteFunc(slices.Clone(all), func(x scheme) bool { return x.score > cut*(1+1e-9) })
	if want := c.Expect["n_schemes_with_l2_le_that_value"].(float64); len(kept) != int(want) {
		t.Errorf("%d schemes are kept, want %v", len(kept), want)
	}
	same := func(i, j int) (n int) {
		for _, x := range kept {
			if x.bits>>i&1 == x.bits>>j&1 {
				n++
			}
		}
		return n
	}
	pairs := c.Expect["same_arm_counts_closed_set_1288"].(map[string]any)
	if got := same(0, 1); float64(got) != pairs["1-2"] {
		t.Errorf("counties 1 and 2 are in one arm %d times, want %v", got, pairs["1-2"])
	}
	if got := same(0, 6); float64(got) != pairs["1-7"] {
		t.Errorf("counties 1 and 7 are in one arm %d times, want %v", got, pairs["1-7"])
	}
	least, most := len(kept), 0
	for i := range 16 {
		for j := range i {
			least, most = min(least, same(i, j)), max(most, same(i, j))
		}
	}
	if want := ints(c.Expect["same_arm_range_closed_set"]); int64(least) != want[0] || int64(most) != want[1] {
		t.Errorf("pairs are in one arm %d to %d times, want %v", least, most, want)
	}

	// cptest on the same set: |Σ ±residual|, the observed scheme among them. Of the
	// 1,288 one half of a mirror pair is missing there, and its statistic is its
	// image's.
	p := golden["cptest-dickinson"]
	var residuals []float64
	for _, x := range p.Input["cluster_residual_means"].([]any) {
		residuals = append(residuals, x.(float64))
	}
	statistic := func(b uint32) (x float64) {
		for i, r := range residuals {
			x += r * float64(2*int(b>>i&1)-1)
		}
		return math.Abs(x)
	}
	observed := statistic(read(p.Input["observed_scheme"].(string)))
	want := p.Expect["abs_statistic"].(float64)
	if !(math.Abs(observed-want) < 1e-12 || math.Abs(observed/8-want) < 1e-12) {
		t.Errorf("|statistic| = %.15f, cptest %.15f", observed, want)
	}
	asFar := 0
	for _, x := range kept[:len(kept)-1] {
		if statistic(x.bits) >= observed-1e-12 {
			asFar++
		}
	}
	if asFar != int(p.Expect["n_ge"].(float64)) {
		t.Errorf("%d of %d schemes are as far, cptest %v of %v", asFar, len(kept)-1, p.Expect["n_ge"], p.Expect["n"])
	}
}
