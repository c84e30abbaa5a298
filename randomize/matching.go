package randomize

import (
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// This file finds matched sets before the commitment; the draw itself only
// reads their numbers from the roster's column "set". No chance enters.

// MaxMatched is the most units that Match takes in one stratum.
const MaxMatched = 500

// Matching is units put into sets that are alike in the balance columns.
type Matching struct {
	Sets    []int64 // each unit's set, in the roster's order; sets are numbered from 1 by their first units
	Cost    int64   // sum over sets and pairs in a set of Σ weight·(difference of the column)²
	Optimal bool    // whether no other matching into such sets costs less
	Alone   int     // units in a set smaller than asked for, because a stratum's size is not a multiple
}

// Match puts the units of each stratum into sets of the given size, 2 for
// pairs, so that units of a set are alike in the weighted balance columns. For
// pairs the matching is optimal: none within the strata has a smaller cost
// (Edmonds, J Res Natl Bur Stand 1965;69B:125-130, by growing alternating trees
// with dual prices). In a stratum of odd size the unit left alone is chosen so
// that the rest cost least. Larger sets are found by exchanging units until no
// exchange helps, which need not be optimal.
func Match(r Roster, weights []ColumnWeight, size int) (*Matching, error) {
	f := &faults{what: "matching"}
	r.validate(f, 0)
	if size < 2 {
		f.add(0, "sets of %d cannot be compared; take 2 for pairs, 3 for triples", size)
	}
	if len(weights) == 0 {
		f.add(0, "no balance column says in what the units of a set are to be alike")
	}
	for _, w := range weights {
		if r.Column(w.Column) < 0 {
			f.add(0, "the roster has no column %s%s", clip(w.Column), meant(w.Column, r.Columns))
		}
		if w.Weight < 0 || w.Weight > maxColumnWeight {
			f.add(0, "weight of column %s is %d; take 0 to %d", clip(w.Column), w.Weight, maxColumnWeight)
		}
	}
	strata := strataOf(r, func(u Unit) string { return u.Stratum })
	for _, s := range strata {
		if len(s.members) > MaxMatched {
			f.add(0, "stratum %q has %d units; at most %d can be matched", clip(s.name), len(s.members), MaxMatched)
		}
	}
	if len(f.list) == 0 {
		f.matchable(r, weights)
	}
	if err := f.err(); err != nil {
		return nil, err
	}
	m := &Matching{Sets: make([]int64, len(r.Units)), Optimal: size == 2}
	of := make([]int, len(r.Units)) // some unit of each unit's set
	for _, s := range strata {
		cost := differences(r, s.members, weights)
		var sets [][]int
		if size == 2 {
			sets = optimalPairs(cost)
		} else {
			sets = exchangeSets(cost, size)
		}
		for _, set := range sets {
			if len(set) < size {
				m.Alone += len(set)
			}
			for x, i := range set {
				of[s.members[i]] = s.members[set[0]]
				for _, j := range set[:x] {
					m.Cost += cost[i][j]
				}
			}
		}
	}
	number := map[int]int64{}
	for i, first := range of {
		if number[first] == 0 {
			number[first] = int64(len(number) + 1)
		}
		m.Sets[i] = number[first]
	}
	return m, nil
}

// maxCost keeps the prices of a matching of 500 units well within 64 bits.
const maxCost = 1 << 44

// matchable notes columns too large to be matched on.
func (f *faults) matchable(r Roster, weights []ColumnWeight) {
	worst := new(big.Int)
	for _, w := range weights {
		at := r.Column(w.Column)
		lo, hi := r.Units[0].Balance[at], r.Units[0].Balance[at]
		for _, u := range r.Units {
			lo, hi = min(lo, u.Balance[at]), max(hi, u.Balance[at])
		}
		d := big.NewInt(hi - lo)
		worst.Add(worst, d.Mul(d, d).Mul(d, big.NewInt(int64(w.Weight))))
	}
	if worst.Cmp(big.NewInt(maxCost)) > 0 {
		f.add(0, "the columns differ too much to be squared and weighted; give them in thousandths of a standard deviation, or smaller weights")
	}
}

// differences gives the cost of each pair of a stratum's units.
func differences(r Roster, members []int, weights []ColumnWeight) [][]int64 {
	cost := make([][]int64, len(members))
	for i := range cost {
		cost[i] = make([]int64, len(members))
	}
	for _, w := range weights {
		at := r.Column(w.Column)
		for i, a := range members {
			for j, b := range members[:i] {
				d := r.Units[a].Balance[at] - r.Units[b].Balance[at]
				cost[i][j] += int64(w.Weight) * d * d
				cost[j][i] = cost[i][j]
			}
		}
	}
	return cost
}

// WithSets is the roster with the matching's sets as its column "set", in place
// of one it may have.
func (m *Matching) WithSets(r Roster) (Roster, error) {
	if len(m.Sets) != len(r.Units) {
		return Roster{}, fmt.Errorf("add matched sets to roster: %d sets for %d units", len(m.Sets), len(r.Units))
	}
	columns := slices.Clone(r.Columns)
	at := slices.Index(columns, ColumnSet)
	if at < 0 {
		columns = append(columns, ColumnSet)
	}
	units := slices.Clone(r.Units)
	for i := range units {
		b := slices.Clone(units[i].Balance)
		if at < 0 {
			b = append(b, m.Sets[i])
		} else {
			b[at] = m.Sets[i]
		}
		units[i].Balance = b
	}
	return NewRoster(columns, units)
}

// exchangeSets starts from each unit in turn with its nearest neighbours and
// exchanges units of two sets as long as that lowers the cost.
func exchangeSets(cost [][]int64, size int) [][]int {
	n := len(cost)
	placed := make([]bool, n)
	var sets [][]int
	of := make([]int, n)
	for i := range n {
		if placed[i] {
			continue
		}
		set := []int{i}
		placed[i] = true
		for len(set) < size {
			best := -1
			for j := range n {
				if !placed[j] && (best < 0 || cost[i][j] < cost[i][best]) {
					best = j
				}
			}
			if best < 0 {
				break
			}
			placed[best] = true
			set = append(set, best)
		}
		for _, j := range set {
			of[j] = len(sets)
		}
		sets = append(sets, set)
	}
	// Each exchange lowers a whole number that cannot fall below 0.
	for changed := true; changed; {
		changed = false
		for i := range n {
			for j := i + 1; j < n; j++ {
				g, h := of[i], of[j]
				if g == h {
					continue
				}
				var delta int64
				for _, k := range sets[g] {
					if k != i {
						delta += cost[j][k] - cost[i][k]
					}
				}
				for _, k := range sets[h] {
					if k != j {
						delta += cost[i][k] - cost[j][k]
					}
				}
				if delta < 0 {
					sets[g][slices.Index(sets[g], i)] = j
					sets[h][slices.Index(sets[h], j)] = i
					of[i], of[j] = h, g
					changed = true
				}
			}
		}
	}
	return sets
}

// optimalPairs gives the pairs of least total cost, and the unit left alone
// where their number is odd.
func optimalPairs(cost [][]int64) [][]int {
	n := len(cost)
	if n%2 == 1 {
		// A partner that costs nothing stands for being alone.
		wider := make([][]int64, n+1)
		for i := range wider {
			wider[i] = make([]int64, n+1)
			if i < n {
				copy(wider[i], cost[i])
			}
		}
		cost = wider
	}
	mate := newMatcher(cost).solve()
	var sets [][]int
	for i := range n {
		switch j := mate[i]; {
		case j >= n:
			sets = append(sets, []int{i})
		case i < j:
			sets = append(sets, []int{i, j})
		}
	}
	return sets
}

// matcher finds a perfect matching of least cost in a complete graph with an
// even number of vertices, by Edmonds' method. Every vertex has a price y, every
// blossom (an odd cycle taken as one node) a price z >= 0, and
//
//	slack(u, v) = 2·cost − y_u − y_v >= 0
//
// for vertices of different outermost nodes; matched edges and the edges of
// blossoms have slack 0. Then no matching costs less than half the prices' sum,
// and one made of such edges costs just that.
//
// In each phase trees grow from the unmatched nodes along edges of slack 0:
// even nodes (roots, and nodes reached by a matched edge) and odd nodes. An edge
// between even nodes of two trees gives a longer matching, in one tree a new
// blossom; when there is no edge of slack 0 the prices are moved until there is
// one or an odd blossom's price is 0 and it is opened.
type matcher struct {
	n     int
	cost  [][]int64
	y     []int64
	mate  []int
	top   []int   // outermost node of each vertex
	best  []int   // for each vertex the even vertex of another node with the least slack, or -1
	nodes []*node // vertices first; nil where a blossom was opened
}

type node struct {
	cycle []int    // a blossom's nodes, an odd number of them
	links [][2]int // links[i]: the edge from a vertex of cycle[i] to one of the next
	base  int      // the vertex that is matched outside the node, or not at all
	z     int64
	label label
	entry [2]int // odd nodes: the edge by which the tree came, from an even vertex into the node
}

type label int8

const (
	unlabelled label = iota
	even
	odd
)

func newMatcher(cost [][]int64) *matcher {
	m := &matcher{n: len(cost), cost: cost}
	// All prices begin alike, so that even vertices' slacks stay even numbers.
	least := int64(-1)
	for i := range cost {
		for j := range i {
			if least < 0 || cost[i][j] < least {
				least = cost[i][j]
			}
		}
	}
	for v := range cost {
		m.y = append(m.y, least)
		m.mate = append(m.mate, -1)
		m.top = append(m.top, v)
		m.best = append(m.best, -1)
		m.nodes = append(m.nodes, &node{base: v})
	}
	return m
}

func (m *matcher) slack(u, v int) int64 { return 2*m.cost[u][v] - m.y[u] - m.y[v] }

func (m *matcher) solve() []int {
	for range m.n / 2 {
		m.phase()
	}
	return m.mate
}

// vertices lists the vertices of a node.
func (m *matcher) vertices(b int) []int {
	if b < m.n {
		return []int{b}
	}
	var all []int
	for _, c := range m.nodes[b].cycle {
		all = append(all, m.vertices(c)...)
	}
	return all
}

// phase adds one edge to the matching.
func (m *matcher) phase() {
	for v := range m.n {
		m.best[v] = -1
	}
	for _, b := range m.nodes {
		if b != nil {
			b.label = unlabelled
		}
	}
	for v := range m.n {
		if b := m.top[v]; m.mate[m.nodes[b].base] < 0 && m.nodes[b].label == unlabelled {
			m.makeEven(b)
		}
	}
	for {
		if done, moved := m.grow(); done {
			return
		} else if !moved {
			m.movePrices()
		}
	}
}

// makeEven labels a node and lets its vertices look for their best edges.
func (m *matcher) makeEven(b int) {
	m.nodes[b].label = even
	for _, u := range m.vertices(b) {
		m.look(u)
	}
}

// look offers the even vertex u to all vertices of other nodes.
func (m *matcher) look(u int) {
	for v := range m.n {
		if m.top[v] != m.top[u] && (m.best[v] < 0 || m.slack(u, v) < m.slack(m.best[v], v)) {
			m.best[v] = u
		}
	}
}

// relook finds v's best even vertex afresh.
func (m *matcher) relook(v int) {
	m.best[v] = -1
	for u := range m.n {
		if m.top[u] != m.top[v] && m.nodes[m.top[u]].label == even && (m.best[v] < 0 || m.slack(u, v) < m.slack(m.best[v], v)) {
			m.best[v] = u
		}
	}
}

// grow uses one edge of slack 0, or opens one blossom. done: the matching has
// one edge more.
func (m *matcher) grow() (done, moved bool) {
	for v := range m.n {
		u := m.best[v]
		b := m.nodes[m.top[v]]
		if u < 0 || b.label == odd || m.slack(u, v) != 0 {
			continue
		}
		if b.label == unlabelled {
			b.label, b.entry = odd, [2]int{u, v}
			m.makeEven(m.top[m.mate[b.base]])
			return false, true
		}
		if m.join(u, v) {
			return true, true
		}
		return false, true
	}
	for at := m.n; at < len(m.nodes); at++ {
		if b := m.nodes[at]; b != nil && b.label == odd && b.z == 0 && m.outermost(at) {
			m.open(at)
			return false, true
		}
	}
	return false, false
}

func (m *matcher) outermost(b int) bool { return m.top[m.nodes[b].base] == b }

// step is a node on the way to a tree's root and the edge to the next.
type step struct {
	node int
	link [2]int // from a vertex of the node to a vertex of the next
}

// pathUp lists the steps from an even node to its root, whose link is not set.
func (m *matcher) pathUp(b int) []step {
	var path []step
	for {
		base := m.nodes[b].base
		mate := m.mate[base]
		if mate < 0 {
			return append(path, step{node: b})
		}
		o := m.top[mate]
		entry := m.nodes[o].entry
		path = append(path, step{b, [2]int{base, mate}}, step{o, [2]int{entry[1], entry[0]}})
		b = m.top[entry[0]]
	}
}

// join uses the edge of slack 0 between even vertices u and v: it lengthens the
// matching if they are of two trees, or makes a blossom.
func (m *matcher) join(u, v int) bool {
	up, vp := m.pathUp(m.top[u]), m.pathUp(m.top[v])
	if up[len(up)-1].node != vp[len(vp)-1].node {
		m.augment(u, v)
		m.augment(v, u)
		return true
	}
	// The paths run together from the last node that differs on.
	i, j := len(up)-1, len(vp)-1
	for i > 0 && j > 0 && up[i-1].node == vp[j-1].node {
		i, j = i-1, j-1
	}
	b := &node{base: m.nodes[up[i].node].base, label: even}
	// The cycle: the common node, down to u, over to v, and up again.
	b.cycle = append(b.cycle, up[i].node)
	for k := i - 1; k >= 0; k-- {
		b.links = append(b.links, [2]int{up[k].link[1], up[k].link[0]})
		b.cycle = append(b.cycle, up[k].node)
	}
	b.links = append(b.links, [2]int{u, v})
	for k := range j {
		b.cycle = append(b.cycle, vp[k].node)
		b.links = append(b.links, vp[k].link)
	}
	at := len(m.nodes)
	m.nodes = append(m.nodes, b)
	var fresh []int // vertices that were odd
	all := m.vertices(at)
	for _, x := range all {
		if m.nodes[m.top[x]].label == odd {
			fresh = append(fresh, x)
		}
	}
	for _, x := range all {
		m.top[x] = at
	}
	for _, x := range fresh {
		m.look(x)
	}
	for _, x := range all {
		m.relook(x)
	}
	return false
}

// augment changes the matching along the path from s to its root and matches s
// with t.
func (m *matcher) augment(s, t int) {
	for {
		b := m.top[s]
		before := m.mate[m.nodes[b].base]
		m.rebase(b, s)
		m.mate[s] = t
		if before < 0 {
			return
		}
		o := m.top[before]
		entry := m.nodes[o].entry
		m.rebase(o, entry[1])
		m.mate[entry[1]] = entry[0]
		s, t = entry[0], entry[1]
	}
}

// rebase matches a blossom's vertices among themselves so that all but s are.
func (m *matcher) rebase(b, s int) {
	if b < m.n {
		return
	}
	x := m.nodes[b]
	x.base = s
	at := m.childWith(b, s)
	m.rebase(x.cycle[at], s)
	n := len(x.cycle)
	for k := 1; k < n; k += 2 {
		i, j := (at+k)%n, (at+k+1)%n
		p, q := x.links[i][0], x.links[i][1]
		m.rebase(x.cycle[i], p)
		m.rebase(x.cycle[j], q)
		m.mate[p], m.mate[q] = q, p
	}
}

// childWith is the place in b's cycle of the node that holds the vertex.
func (m *matcher) childWith(b, vertex int) int {
	for i, c := range m.nodes[b].cycle {
		if slices.Contains(m.vertices(c), vertex) {
			return i
		}
	}
	panic("randomize: a blossom does not hold its own vertex")
}

// open takes an odd blossom of price 0 apart: the part of its cycle that leads
// from its entry to its base by an even number of steps stays in the tree.
func (m *matcher) open(at int) {
	b := m.nodes[at]
	m.nodes[at] = nil
	for _, c := range b.cycle {
		m.nodes[c].label = unlabelled
		for _, v := range m.vertices(c) {
			m.top[v] = c
		}
	}
	n := len(b.cycle)
	from, to := -1, -1
	for i, c := range b.cycle {
		vs := m.vertices(c)
		if slices.Contains(vs, b.entry[1]) {
			from = i
		}
		if slices.Contains(vs, b.base) {
			to = i
		}
	}
	direction, steps := 1, (to-from+n)%n
	if steps%2 == 1 {
		direction, steps = -1, n-steps
	}
	entry := b.entry
	var becomeEven []int
	for k, i := 0, from; ; k += 2 {
		x := m.nodes[b.cycle[i]]
		x.label, x.entry = odd, entry
		if k == steps {
			break
		}
		i = (i + direction + n) % n
		becomeEven = append(becomeEven, b.cycle[i])
		next := (i + direction + n) % n
		if direction > 0 {
			entry = b.links[i]
		} else {
			entry = [2]int{b.links[next][1], b.links[next][0]}
		}
		i = next
	}
	for _, c := range becomeEven {
		m.makeEven(c)
	}
	for _, c := range b.cycle {
		for _, v := range m.vertices(c) {
			m.relook(v)
		}
	}
}

// movePrices moves the prices until something can grow.
func (m *matcher) movePrices() {
	step := int64(-1)
	atMost := func(d int64) {
		if step < 0 || d < step {
			step = d
		}
	}
	for v := range m.n {
		if u := m.best[v]; u >= 0 {
			switch m.nodes[m.top[v]].label {
			case unlabelled:
				atMost(m.slack(u, v))
			case even:
				atMost(m.slack(u, v) / 2)
			}
		}
	}
	for at := m.n; at < len(m.nodes); at++ {
		if b := m.nodes[at]; b != nil && b.label == odd && m.outermost(at) {
			atMost(b.z / 2)
		}
	}
	for v := range m.n {
		switch m.nodes[m.top[v]].label {
		case even:
			m.y[v] += step
		case odd:
			m.y[v] -= step
		}
	}
	for at := m.n; at < len(m.nodes); at++ {
		if b := m.nodes[at]; b != nil && m.outermost(at) {
			switch b.label {
			case even:
				b.z += 2 * step
			case odd:
				b.z -= 2 * step
			}
		}
	}
}

// Describe says what was matched, for the record.
func (m *Matching) Describe() string {
	parts := []string{quantity(len(slices.Compact(sortedCopy(m.Sets))), "set", "sets")}
	if m.Alone > 0 {
		parts = append(parts, quantity(m.Alone, "unit", "units")+" in a set that is not full")
	}
	if m.Optimal {
		parts = append(parts, "no other matching costs less")
	} else {
		parts = append(parts, "no exchange of two units costs less")
	}
	return strings.Join(parts, "; ")
}

func sortedCopy(list []int64) []int64 {
	list = slices.Clone(list)
	slices.Sort(list)
	return list
}
