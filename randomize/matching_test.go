package randomize

import (
	"fmt"
	"slices"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// cheapest tries every way to pair the vertices.
func cheapest(cost [][]int64, left []int) int64 {
	if len(left) == 0 {
		return 0
	}
	best := int64(-1)
	for i := 1; i < len(left); i++ {
		rest := slices.Delete(slices.Clone(left[1:]), i-1, i)
		if c := cost[left[0]][left[i]] + cheapest(cost, rest); best < 0 || c < best {
			best = c
		}
	}
	return best
}

// checkMatching holds a matching to the prices: every edge's slack is not
// negative (with the blossoms that hold both ends), and the matched edges'
// slacks are 0. That proves it optimal without trying anything else.
func checkMatching(t interface{ Fatalf(string, ...any) }, m *matcher) {
	holds := map[int]map[int]bool{}
	for at := m.n; at < len(m.nodes); at++ {
		if m.nodes[at] != nil {
			holds[at] = map[int]bool{}
			for _, v := range m.vertices(at) {
				holds[at][v] = true
			}
			if m.nodes[at].z < 0 {
				t.Fatalf("blossom %d has the price %d", at, m.nodes[at].z)
			}
		}
	}
	for u := range m.n {
		if m.mate[u] < 0 || m.mate[m.mate[u]] != u || m.mate[u] == u {
			t.Fatalf("vertex %d is matched with %d", u, m.mate[u])
		}
		for v := range u {
			s := m.slack(u, v)
			for at, h := range holds {
				if h[u] && h[v] {
					s += m.nodes[at].z
				}
			}
			if s < 0 || m.mate[u] == v && s != 0 {
				t.Fatalf("edge %d-%d has slack %d (matched: %v)", u, v, s, m.mate[u] == v)
			}
		}
	}
	// A blossom is matched inside but for one vertex, or its price would count.
	for at, h := range holds {
		out := 0
		for v := range h {
			if !h[m.mate[v]] {
				out++
			}
		}
		if m.nodes[at].z > 0 && out != 1 {
			t.Fatalf("blossom %d of price %d has %d edges out", at, m.nodes[at].z, out)
		}
	}
}

func TestMatcherIsOptimal(t *testing.T) {
	blossoms := 0
	rapid.Check(t, func(t *rapid.T) {
		n := 2 * rapid.SampledFrom([]int{1, 2, 3, 4, 5}).Draw(t, "half")
		most := rapid.SampledFrom([]int64{1, 5, 1000}).Draw(t, "largest cost")
		cost := make([][]int64, n)
		left := make([]int, n)
		for i := range n {
			cost[i] = make([]int64, n)
			left[i] = i
			for j := range i {
				cost[i][j] = rapid.Int64Range(0, most).Draw(t, "cost")
				cost[j][i] = cost[i][j]
			}
		}
		m := newMatcher(cost)
		mate := m.solve()
		blossoms += len(m.nodes) - n
		checkMatching(t, m)
		var total int64
		for u, v := range mate {
			if u < v {
				total += cost[u][v]
			}
		}
		if want := cheapest(cost, left); total != want {
			t.Fatalf("the matching costs %d, the cheapest %d", total, want)
		}
	})
	if blossoms == 0 {
		t.Error("no blossom was ever made")
	}
}

// matchRoster has n units with four features drawn from a fixed stream.
func matchRoster(t testing.TB, n int) Roster {
	t.Helper()
	s := newKeyed(seed{'m'}).stream("features")
	var units []Unit
	for i := range n {
		u := Unit{ID: fmt.Sprintf("u%03d", i), Stratum: "all"}
		for range 4 {
			u.Balance = append(u.Balance, int64(s.uniform(2000)+s.uniform(2000)-2000))
		}
		units = append(units, u)
	}
	r, err := NewRoster([]string{"a", "b", "c", "d"}, units)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

var fourColumns = []ColumnWeight{{"a", 2}, {"b", 1}, {"c", 1}, {"d", 1}}

func TestMatchLarge(t *testing.T) {
	r := matchRoster(t, 200)
	members := make([]int, 200)
	for i := range members {
		members[i] = i
	}
	m := newMatcher(differences(r, members, fourColumns))
	m.solve()
	checkMatching(t, m)
	if len(m.nodes) == m.n {
		t.Error("200 schools were matched without a blossom")
	}
}

func TestMatch(t *testing.T) {
	r := matchRoster(t, 23)
	pairs, err := Match(r, fourColumns, 2)
	if err != nil {
		t.Fatal(err)
	}
	if !pairs.Optimal || pairs.Alone != 1 || slices.Max(pairs.Sets) != 12 {
		t.Errorf("Match = %+v", pairs)
	}
	if want := "12 sets; 1 unit in a set that is not full; no other matching costs less"; pairs.Describe() != want {
		t.Errorf("Describe = %q, want %q", pairs.Describe(), want)
	}
	// Exchanging two units never helps.
	members := make([]int, 23)
	for i := range members {
		members[i] = i
	}
	if exchanged := exchangeSets(differences(r, members, fourColumns), 2); len(exchanged) != 12 {
		t.Errorf("%d sets by exchange, want 12", len(exchanged))
	} else {
		var cost int64
		d := differences(r, members, fourColumns)
		for _, s := range exchanged {
			if len(s) == 2 {
				cost += d[s[0]][s[1]]
			}
		}
		if cost < pairs.Cost {
			t.Errorf("exchanges reach %d, the optimum is %d", cost, pairs.Cost)
		}
	}
	triples, err := Match(r, fourColumns, 3)
	if err != nil || triples.Optimal || triples.Alone != 2 || slices.Max(triples.Sets) != 8 {
		t.Errorf("Match in triples = %+v, %v", triples, err)
	}
	matched, err := pairs.WithSets(r)
	if err != nil {
		t.Fatal(err)
	}
	a, err := Draw(Design{Method: Pairs, Arms: twoArms, Misfits: Pooled}, matched, Chance(Digest(nil)))
	if err != nil {
		t.Fatal(err)
	}
	arms := map[int64][]string{}
	for i, x := range a.Assignments {
		arms[pairs.Sets[i]] = append(arms[pairs.Sets[i]], x.Arm)
	}
	for set, two := range arms {
		if len(two) == 2 && two[0] == two[1] {
			t.Errorf("both units of pair %d are in arm %s", set, two[0])
		}
	}
	for want, f := range map[string]func() error{
		"sets of 1 cannot be compared": func() error { _, err := Match(r, fourColumns, 1); return err },
		"the roster has no column z":   func() error { _, err := Match(r, []ColumnWeight{{"z", 1}}, 2); return err },
		"no balance column says":       func() error { _, err := Match(r, nil, 2); return err },
		"501 units; at most 500":       func() error { _, err := Match(matchRoster(t, 501), fourColumns, 2); return err },
		"23 sets for 3 units":          nil,
		"differ too much": func() error {
			x := matchRoster(t, 4)
			x.Units[0].Balance[0] = MaxBalance
			_, err := Match(x, fourColumns, 2)
			return err
		},
	} {
		if f == nil {
			f = func() error { _, err := pairs.WithSets(mustRoster(t, "a", "b", "c")); return err }
		}
		if err := f(); err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
}

func BenchmarkMatch500(b *testing.B) {
	r := matchRoster(b, 500)
	for b.Loop() {
		if _, err := Match(r, fourColumns, 2); err != nil {
			b.Fatal(err)
		}
	}
}
