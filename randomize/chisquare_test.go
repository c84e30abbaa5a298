package randomize

import (
	"fmt"
	"math"
	"math/big"
	"testing"

	"gonum.org/v1/gonum/stat/distuv"
)

// Every test of this file makes 100,000 draws from fixed seeds and compares
// with an exact distribution by chi-square. The critical value is that of a
// false-alarm rate of one in a million for each test, so that with the two dozen
// tests here a correct rule would have had one chance in 40,000 of failing when
// the seeds were fixed; from then on the result does not change.
const (
	chiDraws   = 100_000
	falseAlarm = 1e-6
)

// chiCritical is the upper quantile of chi-square with df degrees of freedom
// at the false-alarm rate.
func chiCritical(df int) float64 {
	return distuv.ChiSquared{K: float64(df)}.Quantile(1 - falseAlarm)
}

// chiSquare compares counts with probabilities; what is expected less than ten
// times is pooled. A count of something impossible is an infinite distance.
func chiSquare(counts map[string]int, p map[string]float64) (statistic float64, df int) {
	rest, restP := 0, 0.0
	cells := -1
	for key, n := range counts {
		if p[key] == 0 && n > 0 {
			return math.Inf(1), 1
		}
	}
	for key, prob := range p {
		expected := prob * chiDraws
		if expected < 10 {
			rest += counts[key]
			restP += prob
			continue
		}
		d := float64(counts[key]) - expected
		statistic += d * d / expected
		cells++
	}
	if expected := restP * chiDraws; expected >= 10 {
		d := float64(rest) - expected
		statistic += d * d / expected
		cells++
	}
	return statistic, cells
}

func wantChi(t *testing.T, what string, counts map[string]int, p map[string]float64) {
	t.Helper()
	statistic, df := chiSquare(counts, p)
	if df < 1 {
		t.Fatalf("%s: nothing to compare", what)
	}
	if critical := chiCritical(df); statistic > critical {
		t.Errorf("%s: chi-square %.1f with %d degrees of freedom, critical value %.1f", what, statistic, df, critical)
	}
}

// TestChiSquareCanFail: a coin of 51:49 is caught, an even one is not.
func TestChiSquareCanFail(t *testing.T) {
	even := map[string]float64{"a": 0.5, "b": 0.5}
	for heads, fails := range map[int]bool{50_000: false, 50_600: false, 51_000: true} {
		statistic, df := chiSquare(map[string]int{"a": heads, "b": chiDraws - heads}, even)
		if got := statistic > chiCritical(df); got != fails {
			t.Errorf("%d heads of %d: fails = %v, want %v", heads, chiDraws, got, fails)
		}
	}
	if statistic, _ := chiSquare(map[string]int{"c": 1}, even); !math.IsInf(statistic, 1) {
		t.Error("an impossible result is let pass")
	}
	// With one degree of freedom it is the square of the normal quantile 4.8916.
	if got := chiCritical(1); math.Abs(got-23.928) > 0.01 {
		t.Errorf("chiCritical(1) = %.3f, want 23.928", got)
	}
}

// chiRoster is five units in strata of three and two.
func chiRoster(t *testing.T) Roster {
	t.Helper()
	var units []Unit
	for i, s := range []string{"A", "A", "B", "B", "A"} {
		units = append(units, Unit{ID: "u" + itoa(i), Stratum: s, Balance: []int64{int64(i), int64(i / 2), int64(i % 2), int64(i*i - 3)}})
	}
	r, err := NewRoster([]string{ColumnSequence, ColumnSet, "level", "x"}, units)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func keyOf(arms []int) string { return fmt.Sprint(arms) }

// TestChiSquareMethods: whole allocations against their exact probabilities.
func TestChiSquareMethods(t *testing.T) {
	r := chiRoster(t)
	three := []ArmSpec{{"a", 1}, {"b", 2}, {"c", 1}}
	levels := []ColumnWeight{{"level", 2}, {columnStratum, 1}}
	t.Parallel()
	for name, d := range map[string]Design{
		"complete":          {Method: Complete, Arms: twoArms},
		"stratified within": {Method: Stratified, Arms: three, Misfits: Within},
		"stratified pooled": {Method: Stratified, Arms: twoArms, Misfits: Pooled},
		"three arms pooled": {Method: Stratified, Arms: []ArmSpec{{"a", 1}, {"b", 1}, {"c", 1}}, Misfits: Pooled}, // two strata of two
		"blocks":            {Method: Blocks, Arms: twoArms, Blocks: []int{2, 4}},
		"pairs":             {Method: Pairs, Arms: twoArms, Misfits: Within},
		"simple":            {Method: Simple, Arms: three},
		"efron":             {Method: Efron, Arms: twoArms, BestPerMille: 667},
		"minimisation":      {Method: Minimisation, Arms: twoArms, Imbalance: ImbalanceRange, BestPerMille: 800, Weights: levels},
		"minimisation taves ratio": {Method: Minimisation, Arms: []ArmSpec{{"a", 2}, {"b", 1}}, Imbalance: ImbalanceTaves,
			BestPerMille: 700, Weights: levels},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			r := r
			switch { // four units: minimisation is slower, and pooled misfits of two passes are wanted
			case d.Method == Minimisation, name == "three arms pooled":
				r = Roster{Columns: r.Columns, Units: r.Units[:4]}
			}
			list, err := d.Enumerate(r, 0)
			if err != nil {
				t.Fatal(err)
			}
			p := map[string]float64{}
			for _, one := range list {
				p[keyOf(one.Arms)], _ = one.P.Float64()
			}
			redraw, err := Redraws(d, Wave{r, Chance(Digest([]byte("chi-square")))})
			if err != nil {
				t.Fatal(err)
			}
			counts := map[string]int{}
			for i := range chiDraws {
				counts[keyOf(redraw(i))]++
			}
			wantChi(t, name, counts, p)
		})
	}
}

// TestChiSquareWaves: the methods that go on from earlier waves give two waves
// the distribution of one in which the second comes after the first; blocks
// begin anew, so that the waves are independent.
func TestChiSquareWaves(t *testing.T) {
	t.Parallel()
	r := chiRoster(t)
	r.Units = r.Units[:4]
	cut := func(from, to int) Roster { return Roster{Columns: r.Columns, Units: r.Units[from:to]} }
	for name, d := range map[string]Design{
		"blocks":       {Method: Blocks, Arms: twoArms, Blocks: []int{2, 4}},
		"simple":       {Method: Simple, Arms: []ArmSpec{{"a", 1}, {"b", 2}, {"c", 1}}},
		"efron":        {Method: Efron, Arms: twoArms, BestPerMille: 667},
		"minimisation": {Method: Minimisation, Arms: twoArms, Imbalance: ImbalanceSD, BestPerMille: 800, Weights: []ColumnWeight{{"level", 2}, {columnStratum, 1}}},
	} {
		t.Run(name, func(t *testing.T) {
			t.Parallel()
			p := map[string]float64{}
			list := func(r Roster) []Possible {
				all, err := d.Enumerate(r, 0)
				if err != nil {
					t.Fatal(err)
				}
				return all
			}
			if d.Method == Blocks {
				for _, x := range list(cut(0, 2)) {
					for _, y := range list(cut(2, 4)) {
						px, _ := x.P.Float64()
						py, _ := y.P.Float64()
						p[keyOf(append(append([]int{}, x.Arms...), y.Arms...))] = px * py
					}
				}
			} else {
				for _, x := range list(r) {
					p[keyOf(x.Arms)], _ = x.P.Float64()
				}
			}
			redraw, err := Redraws(d, Wave{cut(0, 2), Chance(Digest([]byte("first")))}, Wave{cut(2, 4), Chance(Digest([]byte("second")))})
			if err != nil {
				t.Fatal(err)
			}
			counts := map[string]int{}
			for i := range chiDraws {
				counts[keyOf(redraw(i))]++
			}
			wantChi(t, name, counts, p)
		})
	}
}

// TestChiSquareConstrained: with every candidate kept, the draw has the
// stratified distribution; with the best kept, an allocation and its mirror
// image are equally likely, and so each unit has even chances.
func TestChiSquareConstrained(t *testing.T) {
	t.Parallel()
	r := chiRoster(t)
	d := Design{Method: Constrained, Arms: twoArms, Misfits: Pooled, Candidates: 2, KeepPerMille: 1000, Weights: []ColumnWeight{{"x", 1}}}
	draw := func(d Design) map[string]int {
		p := newPlan(d, r)
		counts := map[string]int{}
		designDigest, rosterDigest := Digest(d.Text()), Digest(r.Text())
		for i := range chiDraws {
			k := newKeyed(newSeed(domainRehearsal, i, designDigest, rosterDigest, Chance(Digest(nil))))
			counts[keyOf(p.arms(k))]++
		}
		return counts
	}
	list, err := Design{Method: Stratified, Arms: twoArms, Misfits: Pooled}.Enumerate(r, 0)
	if err != nil {
		t.Fatal(err)
	}
	p := map[string]float64{}
	for _, one := range list {
		p[keyOf(one.Arms)], _ = one.P.Float64()
	}
	wantChi(t, "all kept", draw(d), p)

	d.Candidates, d.KeepPerMille = 3, 300
	counts := draw(d)
	mirrored := map[string]float64{}
	for _, one := range list {
		mirror := make([]int, len(one.Arms))
		for i, a := range one.Arms {
			mirror[i] = 1 - a
		}
		x, y := keyOf(one.Arms), keyOf(mirror)
		mirrored[x] = float64(counts[x]+counts[y]) / 2 / chiDraws
		if mirrored[x] == 0 {
			delete(mirrored, x)
		}
	}
	wantChi(t, "best kept", counts, mirrored)
}

// TestChiSquareCommunities: by lot every way to fill the numbered communities
// is equally likely; after a search every community number is.
func TestChiSquareCommunities(t *testing.T) {
	t.Parallel()
	r := chiRoster(t)
	members := []int{0, 1, 2, 3, 4}
	counts, numbers := map[string]int{}, map[string]int{}
	plain := Community{Arm: "x", Min: 2, Max: 3, How: FormRandom}
	searched := Community{Arm: "x", Min: 2, Max: 3, How: FormMixed, Balance: []ColumnWeight{{"x", 1}}, Starts: 2, Passes: 1}
	for i := range chiDraws {
		k := newKeyed(newSeed(domainRehearsal, i, "design", "roster", Chance(Digest(nil))))
		places := make([]int, 5)
		if err := plain.formPlain(k, r, members, places); err != nil {
			t.Fatal(err)
		}
		counts[fmt.Sprint(places)]++
		if i%10 == 0 { // the search is slower: a tenth of the draws, counted ten times
			if err := searched.formSearched(k, r, members, places); err != nil {
				t.Fatal(err)
			}
			numbers[fmt.Sprint(places[0])]++
		}
	}
	p := map[string]float64{}
	// C(5, 3) = 10 ways to choose community 1.
	for mask := range 32 {
		places := make([]int, 5)
		ones := 0
		for i := range places {
			places[i] = 2
			if mask>>i&1 == 1 {
				places[i] = 1
				ones++
			}
		}
		if ones == 3 {
			p[fmt.Sprint(places)] = 0.1
		}
	}
	wantChi(t, "by lot", counts, p)
	// 10,000 draws: the critical value of one degree of freedom.
	d := float64(numbers["1"] - 5000)
	if statistic := d * d / 2500; statistic > chiCritical(1) {
		t.Errorf("first unit in community 1 %d times of 10,000, chi-square %.1f", numbers["1"], statistic)
	}
}

// TestUniform: the numbers of a stream are uniform, also for an n that does not
// divide 2^48, and a shuffle reaches every order equally often.
func TestUniform(t *testing.T) {
	t.Parallel()
	s := newKeyed(seed{1}).stream("numbers")
	for _, n := range []int{2, 3, 7, 1000} {
		counts, p := map[string]int{}, map[string]float64{}
		for i := range n {
			p[itoa(i)] = 1 / float64(n)
		}
		for range chiDraws {
			counts[itoa(s.uniform(n))]++
		}
		wantChi(t, "uniform "+itoa(n), counts, p)
	}
	counts, p := map[string]int{}, map[string]float64{}
	for range chiDraws {
		counts[keyOf(shuffle(nil, 4, s))]++
	}
	for key := range counts {
		p[key] = 1.0 / 24
	}
	if len(p) != 24 {
		t.Fatalf("%d orders of four, want 24", len(p))
	}
	wantChi(t, "shuffle", counts, p)
	// Numbers at or above floor(2^48/n)·n are passed over: with n = 2^47 + 1
	// nearly half of them.
	big1 := new(big.Int).Lsh(big.NewInt(1), 47)
	n := int(big1.Int64()) + 1
	for range 1000 {
		if v := s.uniform(n); v < 0 || v >= n {
			t.Fatalf("uniform(%d) = %d", n, v)
		}
	}
}
