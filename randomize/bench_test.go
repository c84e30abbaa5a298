package randomize

import (
	"fmt"
	"testing"
)

// bench114 is a roster of 114 schools in eight strata with six columns.
func bench114(b testing.TB) Roster {
	b.Helper()
	r := genPlaces(114).Example(11)
	for i := range r.Units {
		r.Units[i].Stratum = fmt.Sprintf("stratum %d", i%8)
	}
	r.Columns = append(append([]string{}, r.Columns...), ColumnSequence, ColumnSet)
	for i := range r.Units {
		r.Units[i].Balance = append(append([]int64{}, r.Units[i].Balance...), int64(i), int64(i/2))
	}
	if err := r.Validate(); err != nil {
		b.Fatal(err)
	}
	return r
}

func benchDraw(b *testing.B, d Design, r Roster) {
	b.Helper()
	c := Chance(Digest(nil))
	for b.Loop() {
		if _, err := Draw(d, r, c); err != nil {
			b.Fatal(err)
		}
	}
}

var twoArms = []ArmSpec{{"rlc", 1}, {"control", 1}}

func BenchmarkDraw114(b *testing.B) {
	r := bench114(b)
	for name, d := range map[string]Design{
		"complete":   {Method: Complete, Arms: twoArms},
		"stratified": {Method: Stratified, Arms: twoArms, Misfits: Pooled},
		"blocks":     {Method: Blocks, Arms: twoArms, Blocks: []int{4, 6}},
		"pairs":      {Method: Pairs, Arms: twoArms, Misfits: Within},
		"simple":     {Method: Simple, Arms: twoArms},
		"efron":      {Method: Efron, Arms: twoArms, BestPerMille: 667},
		"minimisation": {Method: Minimisation, Arms: twoArms, Imbalance: ImbalanceSD, BestPerMille: 800,
			Weights: []ColumnWeight{{"stratum", 1}, {"high", 1}, {"region", 1}, {"trust", 1}}},
	} {
		b.Run(name, func(b *testing.B) { benchDraw(b, d, r) })
	}
}

var sixColumns = []ColumnWeight{{"ks2", 2}, {"high", 1}, {"trust", 1}, {"federation", 1}, {"hub.a", 1}, {"hub.b", 1}}

// BenchmarkConstrained is 100,000 candidates on six columns for 114 schools,
// with the validity of all pairs.
func BenchmarkConstrained(b *testing.B) {
	r := bench114(b)
	d := Design{Method: Constrained, Arms: twoArms, Misfits: Pooled, Candidates: 100_000, KeepPerMille: 100, Weights: sixColumns}
	c := Chance(Digest(nil))
	b.Run("draw", func(b *testing.B) { benchDraw(b, d, r) })
	b.Run("validity", func(b *testing.B) {
		for b.Loop() {
			if _, err := Candidates(d, r, c); err != nil {
				b.Fatal(err)
			}
		}
	})
}

func BenchmarkRedraws(b *testing.B) {
	r := bench114(b)
	d := Design{Method: Stratified, Arms: twoArms, Misfits: Pooled}
	redraw, err := Redraws(d, Wave{r, Chance(Digest(nil))})
	if err != nil {
		b.Fatal(err)
	}
	for b.Loop() {
		for i := range 10_000 {
			redraw(i)
		}
	}
}

// BenchmarkLarge is 100,000 units in 20,000 strata.
func BenchmarkLarge(b *testing.B) {
	units := make([]Unit, 100_000)
	for i := range units {
		units[i] = Unit{ID: fmt.Sprintf("u%06d", i), Stratum: fmt.Sprintf("stratum %05d", i*7919%20_000)}
	}
	r, err := NewRoster(nil, units)
	if err != nil {
		b.Fatal(err)
	}
	benchDraw(b, Design{Method: Stratified, Arms: twoArms, Misfits: Pooled}, r)
}

// BenchmarkCommunities is 58 schools with 10,000 starts.
func BenchmarkCommunities(b *testing.B) {
	r := genPlaces(58).Example(11)
	members := make([]int, 58)
	for i := range members {
		members[i] = i
	}
	for _, c := range []Community{
		{Arm: "x", Min: 5, Max: 6, How: FormNear, Apart: []string{"trust"}, Starts: 10_000},
		{Arm: "x", Min: 5, Max: 6, How: FormMixed, Balance: []ColumnWeight{{"ks2", 2}, {"high", 1}}, Starts: 10_000},
		{Arm: "x", Min: 5, Max: 6, How: FormNear, Balance: []ColumnWeight{{"ks2", 2}, {"high", 1}}, Mix: 300, Starts: 10_000},
	} {
		b.Run(fmt.Sprintf("%s-mix%d", c.How, c.mix()), func(b *testing.B) {
			for b.Loop() {
				a, err := c.newArena(r, members)
				if err != nil {
					b.Fatal(err)
				}
				if f := a.search(newKeyed(seed{})); len(f.kept) == 0 {
					b.Fatal("nothing kept")
				}
			}
		})
	}
}
