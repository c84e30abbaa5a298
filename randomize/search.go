package randomize

import (
	"math/bits"
	"slices"
	"sync"
)

// This file is section 11 of RULE.md: communities formed near, mixed or under
// constraints. Many independent starts are dealt by lot and improved by a
// bounded number of passes of swaps; those that break no constraint and score
// within the declared share are kept, and one of the different ones is chosen,
// each being equally likely. So forming communities stays a lottery.

// arena is one arm's units and what putting two of them together means.
type arena struct {
	rule    Community
	limit   string         // the farthest that the rule allows, in words
	columns map[string]int // places of the columns the rule names
	units   []Unit         // the arm's, in byte order
	part    []int          // of each unit: the value of the column that may not be crossed
	start   []int          // first unit place of each part, in the order in which parts are dealt
	deal    []int          // units in the order of the parts
	size    []int          // of each community
	home    []int          // part of each community

	together int       // pairs that must be together
	clash    [][]int32 // of each pair: rules broken when together, less pairs that must be
	distance [][]int64 // of each pair, or nil
	hub      [][]int64 // hub[g][i]: distance from unit i to hub g, or nil
	counts   []limit
	balance  []balanceColumn

	travel, level scale // of distance and of balance
	mix           int64
}

// limit bounds how many units marked a community has.
type limit struct {
	marked   []bool
	min, max int
}

// balanceColumn is a column to be balanced: value times the number of units.
type balanceColumn struct {
	weight int64
	value  []int64 // n·x
	total  int64   // Σx
}

// scale turns a sum into millionths of what forming by lot over the whole arm
// would give on average: floor(sum · times / of).
type scale struct{ times, of uint64 }

func (s scale) millionths(sum int64) int64 {
	if s.of == 0 {
		return 0
	}
	hi, lo := bits.Mul64(uint64(sum), s.times)
	q, _ := bits.Div64(hi, lo, s.of)
	return int64(q)
}

// newArena prepares one arm's units (places in the roster, in byte order).
func (c Community) newArena(r Roster, members []int) (*arena, error) {
	a := &arena{rule: c, limit: way(r, c.Farthest), mix: int64(c.mix()), columns: map[string]int{}}
	for i, name := range r.Columns {
		a.columns[name] = i
	}
	n := len(members)
	for _, m := range members {
		a.units = append(a.units, r.Units[m])
	}
	local := make([]int, len(r.Units))
	for i, m := range members {
		local[m] = i
	}
	a.part = make([]int, n)
	for p, part := range c.parts(r, members) {
		sizes := c.searchSizes(len(part.members))
		if len(sizes) == 0 {
			where := ""
			if c.Column != "" {
				where = c.Column + " " + part.name
			}
			return nil, &InfeasibleError{Arm: c.Arm, Where: where, N: len(part.members), Min: c.Min, Max: c.Max, Number: c.number(),
				Possible: [2]int{len(part.members), len(part.members)}, Bad: []int{len(part.members)}}
		}
		a.start = append(a.start, len(a.deal))
		for _, m := range part.members {
			a.part[local[m]] = p
			a.deal = append(a.deal, local[m])
		}
		for _, s := range sizes {
			a.size = append(a.size, s)
			a.home = append(a.home, p)
		}
	}
	a.start = append(a.start, len(a.deal))
	a.pairs(r)
	for _, l := range c.Counts {
		marked := make([]bool, n)
		at := r.Column(l.Column)
		for i, u := range a.units {
			marked[i] = u.Balance[at] == l.Value
		}
		a.counts = append(a.counts, limit{marked, l.Min, l.Max})
	}
	a.scales(r)
	return a, nil
}

// searchSizes is sizes with hubs: each gets the smallest size, then one more
// after another in the order given while there is room.
func (c Community) searchSizes(n int) []int {
	if len(c.Hubs) == 0 {
		return c.sizes(n)
	}
	if !c.fits(n) {
		return nil
	}
	sizes := make([]int, len(c.Hubs))
	for i := range sizes {
		sizes[i] = c.Min
	}
	for left := n - c.Min*len(sizes); left > 0; {
		for i, h := range c.Hubs {
			if left > 0 && sizes[i] < min(h.Capacity, c.Max) {
				sizes[i]++
				left--
			}
		}
	}
	return sizes
}

// pairs fills in which pairs clash and how far apart they are.
func (a *arena) pairs(r Roster) {
	n := len(a.units)
	c := a.rule
	a.clash = make([][]int32, n)
	for i := range a.clash {
		a.clash[i] = make([]int32, n)
	}
	if len(c.Hubs) > 0 {
		for _, h := range c.Hubs {
			at := r.Column(PrefixHub + h.Name)
			to := make([]int64, n)
			for i, u := range a.units {
				to[i] = u.Balance[at]
			}
			a.hub = append(a.hub, to)
		}
	} else if c.measures() {
		a.distance = distances(r, a.units)
	}
	for i := range n {
		for j := range i {
			var v int32
			for _, name := range c.Apart {
				if at := r.Column(name); a.units[i].Balance[at] != 0 && a.units[i].Balance[at] == a.units[j].Balance[at] {
					v++
				}
			}
			for _, name := range c.Together {
				if at := r.Column(name); a.units[i].Balance[at] != 0 && a.units[i].Balance[at] == a.units[j].Balance[at] {
					v--
					a.together++
				}
			}
			if a.distance != nil && c.Farthest > 0 && a.distance[i][j] > int64(c.Farthest) {
				v++
			}
			a.clash[i][j], a.clash[j][i] = v, v
		}
	}
}

// measures says whether the rule needs distances between units.
func (c Community) measures() bool {
	return len(c.Hubs) == 0 && (c.How != FormRandom && c.mix() < 1000 || c.Farthest > 0)
}

// minutesSupplied says whether the roster has travel times between units.
func minutesSupplied(r Roster) bool {
	return len(r.Units) > 0 && r.Column(PrefixMinutes+r.Units[0].ID) >= 0
}

// distances between units: the greater of the two travel times if they are
// supplied, else the whole metres of the straight line.
func distances(r Roster, units []Unit) [][]int64 {
	d := make([][]int64, len(units))
	for i := range d {
		d[i] = make([]int64, len(units))
	}
	if minutesSupplied(r) {
		to := make([]int, len(units))
		for i, u := range units {
			to[i] = r.Column(PrefixMinutes + u.ID)
		}
		for i := range units {
			for j := range i {
				m := max(units[i].Balance[to[j]], units[j].Balance[to[i]])
				d[i][j], d[j][i] = m, m
			}
		}
		return d
	}
	e, n := r.Column(ColumnEasting), r.Column(ColumnNorthing)
	for i := range units {
		for j := range i {
			dx, dy := units[i].Balance[e]-units[j].Balance[e], units[i].Balance[n]-units[j].Balance[n]
			m := wholeRoot(uint64(dx*dx + dy*dy))
			d[i][j], d[j][i] = m, m
		}
	}
	return d
}

// wholeRoot is the whole part of the square root, by Newton's method from
// above.
func wholeRoot(n uint64) int64 {
	if n < 2 {
		return int64(n)
	}
	x := uint64(1) << ((bits.Len64(n) + 1) / 2)
	for {
		y := (x + n/x) / 2
		if y >= x {
			return int64(x)
		}
		x = y
	}
}

const million = 1_000_000

// scales prepares balance columns and what forming by lot would give.
//
// By lot, a pair is in one community with chance Σ n_g(n_g−1) / n(n−1), and the
// expected (n·T_g − n_g·T)² is n_g(n−n_g)(n·Σx² − T²)/(n−1).
func (a *arena) scales(r Roster) {
	n := uint64(len(a.units))
	var withinPairs, spread uint64
	for _, s := range a.size {
		withinPairs += uint64(s) * uint64(s-1)
		spread += uint64(s) * (n - uint64(s))
	}
	if a.hub != nil {
		for g, to := range a.hub {
			for _, d := range to {
				a.travel.of += uint64(a.size[g]) * uint64(d)
			}
		}
		a.travel.times = million * n
	} else if a.distance != nil {
		var sum uint64
		for i := range a.distance {
			for j := range i {
				sum += uint64(a.distance[i][j])
			}
		}
		a.travel = scale{million * n * (n - 1), sum * withinPairs}
	}
	for _, w := range a.rule.Balance {
		if w.Weight == 0 {
			continue
		}
		at := r.Column(w.Column)
		b := balanceColumn{weight: int64(w.Weight)}
		var squares int64
		for _, u := range a.units {
			x := u.Balance[at]
			b.value = append(b.value, int64(n)*x)
			b.total += x
			squares += x * x
		}
		a.balance = append(a.balance, b)
		a.level.of += uint64(w.Weight) * spread * uint64(int64(n)*squares-b.total*b.total)
	}
	if n > 1 {
		a.level.times = million * (n - 1)
	}
}

// state is a partition with what it costs.
type state struct {
	a       *arena
	of      []int   // community of each unit
	who     [][]int // units of each community
	seat    []int   // place of each unit in its community's list
	broken  int     // rules broken
	travel  int64   // Σ distance within communities, or to hubs
	excess  [][]int64
	level   int64 // Σ weight·(n·T_g − n_g·T)²
	marked  [][]int
	current int64 // score
}

func newState(a *arena) *state {
	s := &state{a: a, of: make([]int, len(a.units)), seat: make([]int, len(a.units)), who: make([][]int, len(a.size))}
	for range a.balance {
		s.excess = append(s.excess, make([]int64, len(a.size)))
	}
	for range a.counts {
		s.marked = append(s.marked, make([]int, len(a.size)))
	}
	return s
}

func (l limit) over(n int) int { return max(0, l.min-n) + max(0, n-l.max) }

// deal puts the units into communities by lot: part after part, the part's
// units shuffled, its communities filled one after another.
func (s *state) deal(from numbers) {
	a := s.a
	for g := range s.who {
		s.who[g] = s.who[g][:0]
	}
	g := 0
	var order []int
	for p := range len(a.start) - 1 {
		units := a.deal[a.start[p]:a.start[p+1]]
		order = shuffle(order, len(units), from)
		for _, at := range order {
			for len(s.who[g]) == a.size[g] {
				g++
			}
			u := units[at]
			s.of[u], s.seat[u] = g, len(s.who[g])
			s.who[g] = append(s.who[g], u)
		}
	}
	s.assess()
}

// assess works out the costs of the partition afresh.
func (s *state) assess() {
	a := s.a
	s.broken, s.travel, s.level = a.together, 0, 0
	for g, who := range s.who {
		for x, i := range who {
			for _, j := range who[:x] {
				s.broken += int(a.clash[i][j])
				if a.distance != nil {
					s.travel += a.distance[i][j]
				}
			}
			if a.hub != nil {
				s.travel += a.hub[g][i]
				s.broken += a.tooFar(g, i)
			}
		}
		for k, l := range a.counts {
			n := 0
			for _, i := range who {
				if l.marked[i] {
					n++
				}
			}
			s.marked[k][g] = n
			s.broken += l.over(n)
		}
		for k, b := range a.balance {
			e := -int64(len(who)) * b.total
			for _, i := range who {
				e += b.value[i]
			}
			s.excess[k][g] = e
			s.level += b.weight * e * e
		}
	}
	s.current = a.score(s.travel, s.level)
}

func (a *arena) tooFar(g, i int) int {
	if a.rule.Farthest > 0 && a.hub[g][i] > int64(a.rule.Farthest) {
		return 1
	}
	return 0
}

// score mixes the two costs, each in millionths of what lot would give.
func (a *arena) score(travel, level int64) int64 {
	if a.rule.How == FormRandom {
		return 0
	}
	var score int64
	if a.mix < 1000 {
		score += (1000 - a.mix) * a.travel.millionths(travel)
	}
	if a.mix > 0 {
		score += a.mix * a.level.millionths(level)
	}
	return score
}

// trySwap exchanges units i and j if that breaks fewer rules, or as many at a
// lower score.
func (s *state) trySwap(i, j int) bool {
	a := s.a
	g, h := s.of[i], s.of[j]
	if g == h || a.part[i] != a.part[j] {
		return false
	}
	var broken int
	var travel, level int64
	ci, cj := a.clash[i], a.clash[j]
	for _, k := range s.who[g] {
		if k != i {
			broken += int(cj[k] - ci[k])
		}
	}
	for _, k := range s.who[h] {
		if k != j {
			broken += int(ci[k] - cj[k])
		}
	}
	if a.distance != nil {
		di, dj := a.distance[i], a.distance[j]
		for _, k := range s.who[g] {
			if k != i {
				travel += dj[k] - di[k]
			}
		}
		for _, k := range s.who[h] {
			if k != j {
				travel += di[k] - dj[k]
			}
		}
	}
	if a.hub != nil {
		travel += a.hub[g][j] + a.hub[h][i] - a.hub[g][i] - a.hub[h][j]
		broken += a.tooFar(g, j) + a.tooFar(h, i) - a.tooFar(g, i) - a.tooFar(h, j)
	}
	for k, l := range a.counts {
		if l.marked[i] == l.marked[j] {
			continue
		}
		step := 1
		if l.marked[i] {
			step = -1
		}
		x, y := s.marked[k][g], s.marked[k][h]
		broken += l.over(x+step) + l.over(y-step) - l.over(x) - l.over(y)
	}
	if broken > 0 || broken == 0 && a.rule.How == FormRandom {
		return false
	}
	for k, b := range a.balance {
		delta := b.value[j] - b.value[i]
		level += b.weight * 2 * delta * (s.excess[k][g] - s.excess[k][h] + delta)
	}
	score := a.score(s.travel+travel, s.level+level)
	if broken == 0 && score >= s.current {
		return false
	}
	s.broken += broken
	s.travel += travel
	s.level += level
	s.current = score
	for k, b := range a.balance {
		delta := b.value[j] - b.value[i]
		s.excess[k][g] += delta
		s.excess[k][h] -= delta
	}
	for k, l := range a.counts {
		if l.marked[i] != l.marked[j] {
			step := 1
			if l.marked[i] {
				step = -1
			}
			s.marked[k][g] += step
			s.marked[k][h] -= step
		}
	}
	s.who[g][s.seat[i]], s.who[h][s.seat[j]] = j, i
	s.seat[i], s.seat[j] = s.seat[j], s.seat[i]
	s.of[i], s.of[j] = h, g
	return true
}

// improve makes at most the declared number of passes over all pairs of units.
func (s *state) improve() {
	for range s.a.rule.passes() {
		changed := false
		for i := range s.of {
			for j := i + 1; j < len(s.of); j++ {
				if s.trySwap(i, j) {
					changed = true
				}
			}
		}
		if !changed {
			return
		}
	}
}

// canonical names communities by the order in which their first units stand;
// hubs keep their own places.
func (s *state) canonical() string {
	key := make([]byte, 0, 2*len(s.of))
	name := make([]int, len(s.who))
	next := 0
	for _, g := range s.of {
		if s.a.hub != nil {
			name[g] = g + 1
		} else if name[g] == 0 {
			next++
			name[g] = next
		}
		key = append(key, byte(name[g]>>8), byte(name[g]))
	}
	return string(key)
}

// found is what the starts came to.
type found struct {
	arena     *arena
	distinct  []string // partitions that break no rule, in the order in which they were first found
	score     []int64
	kept      []int // places in distinct
	feasible  int   // starts that broke no rule
	cut       int64
	fewestBad int // least number of rules broken by any start
}

// search makes every start, on as many processors as there are; start r depends
// on r alone.
func (a *arena) search(k *keyed) *found {
	n := a.rule.starts()
	type result struct {
		key    string
		score  int64
		broken int
	}
	results := make([]result, n)
	seedCopy := k.s
	tell := a.rule.teller(n)
	inParts(n, func(from, to int) {
		source := newKeyed(seedCopy)
		s := newState(a)
		numbers := &stream{}
		for r := from; r < to; r++ {
			numbers.reset(source, "community/"+a.rule.Arm+"/start/"+itoa(r))
			s.deal(numbers)
			s.improve()
			results[r] = result{score: s.current, broken: s.broken}
			if s.broken == 0 {
				results[r].key = s.canonical()
			}
			tell()
		}
	})
	f := &found{arena: a, fewestBad: results[0].broken}
	seen := map[string]bool{}
	for _, r := range results {
		f.fewestBad = min(f.fewestBad, r.broken)
		if r.broken > 0 {
			continue
		}
		f.feasible++
		if !seen[r.key] {
			seen[r.key] = true
			f.distinct = append(f.distinct, r.key)
			f.score = append(f.score, r.score)
		}
	}
	if len(f.distinct) == 0 {
		return f
	}
	sorted := slices.Clone(f.score)
	slices.Sort(sorted)
	keep := a.rule.keep()
	if a.rule.How == FormRandom {
		keep = 1000
	}
	f.cut = sorted[(len(sorted)*keep+999)/1000-1]
	for i, s := range f.score {
		if s <= f.cut {
			f.kept = append(f.kept, i)
		}
	}
	return f
}

// teller gives what tells the rule's Progress of each of n starts, from any
// goroutine.
func (c Community) teller(n int) func() {
	if c.Progress == nil {
		return func() {}
	}
	var mutex sync.Mutex
	done := 0
	return func() {
		mutex.Lock()
		defer mutex.Unlock()
		done++
		c.Progress(done, n)
	}
}

// partition reads a canonical form.
func partition(key string) []int {
	of := make([]int, len(key)/2)
	for i := range of {
		of[i] = int(key[2*i])<<8 | int(key[2*i+1])
	}
	return of
}

// formSearched puts an arm's units into communities by search.
func (c Community) formSearched(k *keyed, r Roster, members, places []int) error {
	if len(members) == 0 {
		return nil
	}
	a, err := c.newArena(r, members)
	if err != nil {
		return err
	}
	f := a.search(k)
	if len(f.kept) == 0 {
		return a.whyNone(f)
	}
	chosen := f.kept[k.stream("community/"+c.Arm+"/choose").uniform(len(f.kept))]
	numbers := make([]int, len(a.size))
	for g := range numbers {
		numbers[g] = g
	}
	if a.hub == nil {
		numbers = shuffle(numbers, len(a.size), k.stream("community/"+c.Arm+"/numbers"))
	}
	for i, g := range partition(f.distinct[chosen]) {
		places[members[i]] = numbers[g-1] + 1
	}
	return nil
}
