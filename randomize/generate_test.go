package randomize

import (
	"fmt"
	"slices"

	"pgregory.net/rapid"
)

// genChance is any chance.
var genChance = rapid.Custom(func(t *rapid.T) Chance {
	return Chance(Digest(rapid.SliceOfN(rapid.Byte(), 8, 8).Draw(t, "chance bytes")))
})

// genArms is two to four arms.
var genArms = rapid.Custom(func(t *rapid.T) []ArmSpec {
	var arms []ArmSpec
	for i := range rapid.IntRange(2, 4).Draw(t, "arms") {
		arms = append(arms, ArmSpec{fmt.Sprintf("arm-%c", 'a'+i), rapid.IntRange(1, 3).Draw(t, "weight")})
	}
	return arms
})

// genDesign is a valid design of the method, without communities.
func genDesign(method Method) *rapid.Generator[Design] {
	return rapid.Custom(func(t *rapid.T) Design {
		d := Design{Method: method, Arms: genArms.Draw(t, "arms")}
		switch method {
		case Stratified, Constrained, Pairs:
			d.Misfits = rapid.SampledFrom([]Misfits{Within, Pooled}).Draw(t, "misfits")
		case Blocks:
			times := rapid.SliceOfNDistinct(rapid.IntRange(1, 4), 1, 3, rapid.ID[int]).Draw(t, "blocks")
			for _, n := range times {
				d.Blocks = append(d.Blocks, n*d.totalWeight())
			}
		case Minimisation:
			d.Imbalance = rapid.SampledFrom([]Imbalance{ImbalanceRange, ImbalanceVariance, ImbalanceSD, ImbalanceTaves}).Draw(t, "imbalance")
			d.BestPerMille = rapid.IntRange(500, 999).Draw(t, "best")
			d.Weights = []ColumnWeight{{"stratum", 1}, {"level", rapid.IntRange(0, 3).Draw(t, "factor weight")}}
		case Efron:
			d.Arms = []ArmSpec{{"a", 1}, {"b", 1}}
			d.BestPerMille = rapid.IntRange(501, 999).Draw(t, "best")
		}
		if method == Constrained {
			d.Candidates = rapid.IntRange(1, 40).Draw(t, "candidates")
			d.KeepPerMille = rapid.IntRange(1, 1000).Draw(t, "keep")
			d.Weights = []ColumnWeight{{"x", rapid.IntRange(0, 5).Draw(t, "x weight")}, {"level", 1}}
		}
		if rapid.IntRange(0, 9).Draw(t, "clustered") == 0 && method != Pairs {
			d.Cluster = "cluster"
		}
		return d
	})
}

var strataNames = []string{"London / low", "North, \"x\"", "Süd", "Ä", "b", "日本", "all", "-"}

// genUnits is 1 to most units in random order with the columns that the
// methods use. Clusters lie within strata.
func genUnits(most int) *rapid.Generator[[]Unit] {
	return rapid.Custom(func(t *rapid.T) []Unit {
		// Sampled, since rapid's own slices are mostly short.
		sizes := make([]int, most)
		for i := range sizes {
			sizes[i] = i + 1
		}
		n := rapid.SampledFrom(sizes).Draw(t, "size")
		ids := rapid.SliceOfNDistinct(rapid.StringMatching(`[A-Za-z0-9._-]{1,6}`), n, n, rapid.ID[string]).Draw(t, "ids")
		strata := rapid.IntRange(1, len(strataNames)).Draw(t, "strata")
		units := make([]Unit, len(ids))
		for i, id := range ids {
			s := rapid.IntRange(0, strata-1).Draw(t, "stratum")
			units[i] = Unit{ID: id, Stratum: strataNames[s], Balance: []int64{
				int64(rapid.IntRange(0, 20).Draw(t, "sequence")),
				int64(rapid.IntRange(1, 5).Draw(t, "set")),
				int64(s*10 + rapid.IntRange(0, 3).Draw(t, "cluster")),
				int64(rapid.IntRange(1, 3).Draw(t, "level")),
				rapid.Int64Range(-MaxBalance, MaxBalance).Draw(t, "x"),
			}}
		}
		return units
	})
}

var genColumns = []string{"sequence", "set", "cluster", "level", "x"}

// genRoster is a roster of such units.
func genRoster(most int) *rapid.Generator[Roster] {
	return rapid.Custom(func(t *rapid.T) Roster {
		r, err := NewRoster(genColumns, genUnits(most).Draw(t, "units"))
		if err != nil {
			t.Fatal(err)
		}
		return r
	})
}

// allMethods in the order in which they were declared.
func allMethods() []Method {
	return []Method{Complete, Stratified, Blocks, Constrained, Minimisation, Pairs, Simple, Efron}
}

// shuffled is the list in another order.
func shuffled[T any](t *rapid.T, list []T) []T {
	return rapid.Permutation(slices.Clone(list)).Draw(t, "order")
}
