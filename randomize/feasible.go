package randomize

import (
	"errors"
	"fmt"
	"math/big"
	"slices"
	"strings"
)

// This file decides whether communities can be formed under hard constraints:
// what can be said of every possible draw before chance is spent, and the exact
// answer for given units.

// maxSearch is the most units of one arm that a search can put into
// communities.
const maxSearch = 1000

// maxPlace bounds coordinates, in metres, and travel times and distances to
// hubs. It keeps the search's sums in 64 bits.
const maxPlace = 10_000_000

// ConstraintError says which of a community rule's constraints cannot be met,
// and why.
type ConstraintError struct {
	Arm     string
	Rules   []string // the fewest rules that cannot be met together, e.g. "apart trust", "farthest 45000"
	Reason  string   // the reason as a sentence
	Column  string   // where the reason is about one value of a column, the column; else ""
	Value   int64    // that value, which the caller may know by a name ("trust Oak")
	Decided bool     // false if the exact search was given up for length
}

func (e *ConstraintError) Error() string { return "communities of arm " + e.Arm + ": " + e.Reason }

// checkSearchColumns says which columns a searched community misses and which
// hold impossible places.
func (d Design) checkSearchColumns(f *faults, r Roster, c Community, need func(column, what string) bool) {
	who := "communities of arm " + c.Arm
	for _, name := range c.Apart {
		need(name, who+": apart "+name)
	}
	for _, name := range c.Together {
		need(name, who+": together "+name)
	}
	for _, l := range c.Counts {
		need(l.Column, who+": count "+l.Column)
	}
	for _, w := range c.Balance {
		need(w.Column, who+": balance "+w.Column)
	}
	places := func(column string, least int64) {
		at := r.Column(column)
		for _, u := range r.Units {
			if v := u.Balance[at]; v < least || v > maxPlace {
				f.add(0, "%s: %s of unit %s is %d; want whole metres (or minutes) from %d to %d", who, column, u.ID, v, least, maxPlace)
				return
			}
		}
	}
	for _, h := range c.Hubs {
		if need(PrefixHub+h.Name, who+": hub "+h.Name) {
			places(PrefixHub+h.Name, 0)
		}
	}
	if !c.measures() {
		return
	}
	if slices.ContainsFunc(r.Columns, func(s string) bool { return strings.HasPrefix(s, PrefixMinutes) }) {
		for _, u := range r.Units {
			if len(PrefixMinutes+u.ID) > maxName {
				f.add(0, "%s: unit %s has too long an ID for a column %s%s; shorten it to %d characters", who, u.ID, PrefixMinutes, u.ID, maxName-len(PrefixMinutes))
			} else if need(PrefixMinutes+u.ID, who+": travel times") {
				places(PrefixMinutes+u.ID, 0)
			}
		}
		return
	}
	e, n := need(ColumnEasting, who+": distances"), need(ColumnNorthing, who+": distances")
	if !e || !n {
		return
	}
	places(ColumnEasting, -maxPlace)
	places(ColumnNorthing, -maxPlace)
	ce, cn := r.Column(ColumnEasting), r.Column(ColumnNorthing)
	for _, u := range r.Units {
		if u.Balance[ce] == 0 && u.Balance[cn] == 0 {
			f.add(0, "%s: the coordinates of unit %s are missing (easting and northing are both 0)", who, u.ID)
		}
	}
}

// checkSearch says which constraints some possible draw could not meet. size
// is how many units the arm may get.
func (d Design) checkSearch(f *faults, r Roster, c Community, size SizeRange) {
	if size.Max > maxSearch {
		f.add(0, "arm %s may get %d units; communities can be formed by a search for at most %d (form them random, or within a column)", c.Arm, size.Max, maxSearch)
		return
	}
	if err := c.fitsInt64(r); err != nil {
		f.add(0, "%v", err)
	}
	p := newPlan(d, r)
	arm := d.arm(c.Arm)
	// among is how many of the marked units may be drawn into the arm at once.
	among := func(marked func(Unit) bool) SizeRange {
		in := make([]bool, len(r.Units))
		for i, u := range r.Units {
			in[i] = marked(u)
		}
		return p.sizes(in)[arm]
	}
	note := func(rule, column string, value int64, format string, args ...any) {
		f.addErr(&ConstraintError{Arm: c.Arm, Rules: []string{rule}, Reason: fmt.Sprintf(format, args...), Column: column, Value: value, Decided: true})
	}
	impossible := func(rule, format string, args ...any) { note(rule, "", 0, format, args...) }
	whole := c
	whole.Column = ""
	communities := func(n int) int { return len(whole.searchSizes(n)) }
	all := make([]int, len(r.Units))
	for i := range all {
		all[i] = i
	}
	for _, part := range c.parts(r, all) {
		inPart, where := map[string]bool{}, ""
		for _, id := range part.ids {
			inPart[id] = true
		}
		partSize := size
		if c.Column != "" {
			where = " in " + c.Column + " " + part.name
			partSize = among(func(u Unit) bool { return inPart[u.ID] })
		}
		fewest := 0
		for n := partSize.Min; n <= partSize.Max; n++ {
			if g := communities(n); g > 0 && (fewest == 0 || g < fewest) {
				fewest = g
			}
		}
		for _, name := range c.Apart {
			at := r.Column(name)
			for _, class := range classes(r, at) {
				n := among(func(u Unit) bool { return inPart[u.ID] && u.Balance[at] == class.value }).Max
				if n > fewest && fewest > 0 {
					note("apart "+name, name, class.value, "%s %d has %s, of which up to %d may be drawn into the arm%s, and there may be only %s there to keep them apart in",
						name, class.value, quantity(class.size, "unit", "units"), n, where, quantity(fewest, "community", "communities"))
				}
			}
		}
	}
	for _, name := range c.Together {
		at := r.Column(name)
		for _, class := range classes(r, at) {
			if n := among(func(u Unit) bool { return u.Balance[at] == class.value }).Max; n > c.Max {
				note("together "+name, name, class.value, "%s %d has %s, of which up to %d may be drawn into the arm, and a community holds at most %d",
					name, class.value, quantity(class.size, "unit", "units"), n, c.Max)
			}
		}
		for _, other := range c.Apart {
			if a, b, ok := bothAre(r, at, r.Column(other)); ok {
				impossible("together "+name, "units %s and %s must be together (same %s) and apart (same %s)", a, b, name, other)
			}
		}
		if c.Column != "" {
			if a, b, ok := acrossParts(r, at, c.Column); ok {
				impossible("together "+name, "units %s and %s must be together (same %s), but communities may not cross %s", a, b, name, c.Column)
			}
		}
	}
	for _, l := range c.Counts {
		at := r.Column(l.Column)
		n := among(func(u Unit) bool { return u.Balance[at] == l.Value })
		rule := fmt.Sprintf("count %s %d", l.Column, l.Value)
		for total := size.Min; total <= size.Max; total++ {
			g := communities(total)
			if g == 0 {
				continue
			}
			if n.Min < g*l.Min {
				note(rule, l.Column, l.Value, "as few as %d units with %s = %d may be drawn into the arm, too few for %d in each of %d communities", n.Min, l.Column, l.Value, l.Min, g)
				break
			}
			if n.Max > g*l.Max {
				note(rule, l.Column, l.Value, "as many as %d units with %s = %d may be drawn into the arm, too many for at most %d in each of %d communities", n.Max, l.Column, l.Value, l.Max, g)
				break
			}
		}
	}
	d.checkReach(c, r, impossible)
}

// checkReach names units too far from all others.
func (d Design) checkReach(c Community, r Roster, impossible func(rule, format string, args ...any)) {
	if c.Farthest == 0 {
		return
	}
	rule := "farthest " + itoa(c.Farthest)
	if len(c.Hubs) > 0 {
		for _, u := range r.Units {
			reach := false
			for _, h := range c.Hubs {
				reach = reach || u.Balance[r.Column(PrefixHub+h.Name)] <= int64(c.Farthest)
			}
			if !reach {
				impossible(rule, "unit %s is further than %d from every hub", u.ID, c.Farthest)
			}
		}
		return
	}
	dist := distances(r, r.Units)
	for i, u := range r.Units {
		near := 0
		for j := range r.Units {
			if i != j && dist[i][j] <= int64(c.Farthest) {
				near++
			}
		}
		if near < c.Min-1 {
			impossible(rule, "unit %s has only %s within %s, and a community needs %d others", u.ID, quantity(near, "unit", "units"), way(r, c.Farthest), c.Min-1)
		}
	}
}

type class struct {
	value int64
	size  int
}

// classes lists the values other than 0 of a column, ascending.
func classes(r Roster, column int) []class {
	sizes := map[int64]int{}
	for _, u := range r.Units {
		if v := u.Balance[column]; v != 0 {
			sizes[v]++
		}
	}
	list := make([]class, 0, len(sizes))
	for v, n := range sizes {
		list = append(list, class{v, n})
	}
	slices.SortFunc(list, func(a, b class) int {
		if a.value < b.value {
			return -1
		}
		return 1 // values are unique
	})
	return list
}

// bothAre finds two units alike in both columns.
func bothAre(r Roster, x, y int) (a, b string, ok bool) {
	first := map[[2]int64]string{}
	for _, u := range r.Units {
		key := [2]int64{u.Balance[x], u.Balance[y]}
		if key[0] == 0 || key[1] == 0 {
			continue
		}
		if id, there := first[key]; there {
			return id, u.ID, true
		}
		first[key] = u.ID
	}
	return "", "", false
}

// acrossParts finds two units alike in column x that lie in different parts.
func acrossParts(r Roster, x int, column string) (a, b string, ok bool) {
	at := r.Column(column)
	part := func(u Unit) string {
		if at < 0 {
			return u.Stratum
		}
		return itoa(u.Balance[at])
	}
	first := map[int64]Unit{}
	for _, u := range r.Units {
		v := u.Balance[x]
		if v == 0 {
			continue
		}
		if f, there := first[v]; !there {
			first[v] = u
		} else if part(f) != part(u) {
			return f.ID, u.ID, true
		}
	}
	return "", "", false
}

// fitsInt64 says whether the balance costs of a search fit in 64 bits:
//
//	Σ_g (n·T_g − n_g·T)²            <= 4·n³·largest·max x²
//	Σ_g n_g(n−n_g)·(n·Σx² − T²)     <= n³·Σx²
func (c Community) fitsInt64(r Roster) error {
	units := min(len(r.Units), maxSearch)
	n := big.NewInt(int64(units))
	cube := new(big.Int).Mul(n, n)
	cube.Mul(cube, n)
	cost, chance := new(big.Int), new(big.Int)
	for _, w := range c.Balance {
		at := r.Column(w.Column)
		var most int64
		squares := new(big.Int)
		for _, u := range r.Units {
			x := big.NewInt(u.Balance[at])
			most = max(most, u.Balance[at], -u.Balance[at])
			squares.Add(squares, x.Mul(x, x))
		}
		weight := big.NewInt(int64(w.Weight))
		x := big.NewInt(2 * most)
		x.Mul(x, x).Mul(x, cube).Mul(x, big.NewInt(int64(min(c.Max, units)+1)))
		cost.Add(cost, x.Mul(x, weight))
		chance.Add(chance, squares.Mul(squares, cube).Mul(squares, weight))
	}
	if cost.BitLen() > 60 || chance.BitLen() > 60 {
		return fmt.Errorf("the balance columns of the communities of arm %s are too large to be scored; give them in thousandths of a standard deviation, or smaller weights", c.Arm)
	}
	return nil
}

// errLong says that the exact search was given up.
var errLong = errors.New("given up for length")

// errNone says that there is no partition.
var errNone = errors.New("there is no partition")

// maxNodes bounds the exact search.
const maxNodes = 300_000

// solve finds a partition that breaks no rule by exhaustive search: the block
// of units tied together that has the fewest communities left goes first;
// empty communities alike in size and part are tried once.
func (a *arena) solve() ([]int, error) {
	s := newSolver(a)
	if s.impossible {
		return nil, errNone
	}
	switch s.place(len(s.blocks)) {
	case yes:
		return s.of, nil
	case no:
		return nil, errNone
	}
	return nil, errLong
}

type verdict int

const (
	no verdict = iota
	yes
	unknown
)

type solver struct {
	a          *arena
	blocks     [][]int // units that must be together
	clash      [][]bool
	placed     []bool
	room       []int
	of         []int // community of each unit, -1 for none
	who        [][]int
	marked     [][]int
	left       []int // units marked for each limit that are not placed
	nodes      int
	impossible bool
}

func newSolver(a *arena) *solver {
	n := len(a.units)
	s := &solver{a: a, of: make([]int, n), room: slices.Clone(a.size), who: make([][]int, len(a.size))}
	root := make([]int, n)
	for i := range root {
		root[i], s.of[i] = i, -1
	}
	var find func(int) int
	find = func(i int) int {
		if root[i] != i {
			root[i] = find(root[i])
		}
		return root[i]
	}
	tied, apart := a.ties()
	for i := range n {
		for j := range i {
			if tied[i][j] {
				root[find(i)] = find(j)
			}
		}
	}
	block := make([]int, n)
	for i := range block {
		block[i] = -1
	}
	for i := range n {
		f := find(i)
		if block[f] < 0 {
			block[f] = len(s.blocks)
			s.blocks = append(s.blocks, nil)
		}
		s.blocks[block[f]] = append(s.blocks[block[f]], i)
	}
	s.clash = make([][]bool, len(s.blocks))
	for x := range s.blocks {
		s.clash[x] = make([]bool, len(s.blocks))
	}
	for i := range n {
		for j := range i {
			x, y := block[find(i)], block[find(j)]
			if apart[i][j] || x == y && a.part[i] != a.part[j] {
				s.impossible = s.impossible || x == y
				s.clash[x][y], s.clash[y][x] = true, true
			}
		}
	}
	s.placed = make([]bool, len(s.blocks))
	for _, l := range a.counts {
		count := 0
		for _, m := range l.marked {
			if m {
				count++
			}
		}
		s.left = append(s.left, count)
		s.marked = append(s.marked, make([]int, len(a.size)))
	}
	return s
}

// ties tells the pairs that must be together and those that must not.
func (a *arena) ties() (tied, apart [][]bool) {
	n := len(a.units)
	tied, apart = make([][]bool, n), make([][]bool, n)
	for i := range n {
		tied[i], apart[i] = make([]bool, n), make([]bool, n)
	}
	for _, c := range []struct {
		columns []string
		into    [][]bool
	}{{a.rule.Together, tied}, {a.rule.Apart, apart}} {
		for _, name := range c.columns {
			at := a.columns[name]
			for i := range n {
				for j := range i {
					if x := a.units[i].Balance[at]; x != 0 && x == a.units[j].Balance[at] {
						c.into[i][j], c.into[j][i] = true, true
					}
				}
			}
		}
	}
	if a.distance != nil && a.rule.Farthest > 0 {
		for i := range n {
			for j := range i {
				if a.distance[i][j] > int64(a.rule.Farthest) {
					apart[i][j], apart[j][i] = true, true
				}
			}
		}
	}
	return tied, apart
}

// fits says whether block x may go into community g.
func (s *solver) fits(x, g int) bool {
	a := s.a
	if len(s.blocks[x]) > s.room[g] {
		return false
	}
	for _, i := range s.blocks[x] {
		if a.part[i] != a.home[g] || a.hub != nil && a.tooFar(g, i) > 0 {
			return false
		}
	}
	for _, y := range s.who[g] {
		if s.clash[x][y] {
			return false
		}
	}
	for k, l := range a.counts {
		n := s.marked[k][g]
		for _, i := range s.blocks[x] {
			if l.marked[i] {
				n++
			}
		}
		if n > l.max {
			return false
		}
	}
	return true
}

func (s *solver) place(left int) verdict {
	if left == 0 {
		for k, l := range s.a.counts {
			for _, n := range s.marked[k] {
				if n < l.min {
					return no
				}
			}
		}
		return yes
	}
	s.nodes++
	if s.nodes > maxNodes {
		return unknown
	}
	for k, l := range s.a.counts {
		short := 0
		for _, n := range s.marked[k] {
			short += max(0, l.min-n)
		}
		if short > s.left[k] {
			return no
		}
	}
	best, bestOptions := -1, []int(nil)
	for x := range s.blocks {
		if s.placed[x] {
			continue
		}
		options := s.options(x)
		if best < 0 || len(options) < len(bestOptions) || len(options) == len(bestOptions) && len(s.blocks[x]) > len(s.blocks[best]) {
			best, bestOptions = x, options
		}
		if len(options) == 0 {
			return no
		}
	}
	for _, g := range bestOptions {
		s.put(best, g)
		v := s.place(left - 1)
		if v != no {
			return v
		}
		s.take(best, g)
	}
	return no
}

func (s *solver) options(x int) []int {
	var options []int
	for g := range s.who {
		if !s.fits(x, g) {
			continue
		}
		twin := false
		if len(s.who[g]) == 0 && s.a.hub == nil {
			for _, h := range options {
				twin = twin || len(s.who[h]) == 0 && s.room[h] == s.room[g] && s.a.home[h] == s.a.home[g]
			}
		}
		if !twin {
			options = append(options, g)
		}
	}
	return options
}

func (s *solver) put(x, g int) {
	s.placed[x] = true
	s.who[g] = append(s.who[g], x)
	s.room[g] -= len(s.blocks[x])
	for _, i := range s.blocks[x] {
		s.of[i] = g
		for k, l := range s.a.counts {
			if l.marked[i] {
				s.marked[k][g]++
				s.left[k]--
			}
		}
	}
}

func (s *solver) take(x, g int) {
	s.placed[x] = false
	s.who[g] = s.who[g][:len(s.who[g])-1]
	s.room[g] += len(s.blocks[x])
	for _, i := range s.blocks[x] {
		s.of[i] = -1
		for k, l := range s.a.counts {
			if l.marked[i] {
				s.marked[k][g]--
				s.left[k]++
			}
		}
	}
}

// rules lists the constraints one by one, each with the rule that lacks it.
func (c Community) rules() (names []string, without func(dropped []bool) Community) {
	for _, name := range c.Apart {
		names = append(names, "apart "+name)
	}
	for _, name := range c.Together {
		names = append(names, "together "+name)
	}
	if c.Farthest > 0 {
		names = append(names, "farthest "+itoa(c.Farthest))
	}
	for _, l := range c.Counts {
		names = append(names, fmt.Sprintf("count %s %d", l.Column, l.Value))
	}
	return names, func(dropped []bool) Community {
		w := c
		w.Apart, w.Together, w.Counts = nil, nil, nil
		at := 0
		next := func() bool { at++; return dropped[at-1] }
		for _, name := range c.Apart {
			if !next() {
				w.Apart = append(w.Apart, name)
			}
		}
		for _, name := range c.Together {
			if !next() {
				w.Together = append(w.Together, name)
			}
		}
		if c.Farthest > 0 && next() {
			w.Farthest = 0
		}
		for _, l := range c.Counts {
			if !next() {
				w.Counts = append(w.Counts, l)
			}
		}
		return w
	}
}

// whyNone explains that no start found a partition.
func (a *arena) whyNone(f *found) error {
	e := a.infeasible()
	if e != nil {
		return e
	}
	return &ConstraintError{Arm: a.rule.Arm, Decided: true, Reason: fmt.Sprintf(
		"a partition that breaks no rule exists, but none of %d starts with %d passes found it (the best broke %s); declare more starts or passes",
		a.rule.starts(), a.rule.passes(), quantity(f.fewestBad, "rule", "rules"))}
}

// infeasible is nil if a partition exists; else the fewest rules that cannot
// be met together, found by leaving out one rule after another as long as none
// exists.
func (a *arena) infeasible() *ConstraintError {
	_, err := a.solve()
	if err == nil {
		return nil
	}
	e := &ConstraintError{Arm: a.rule.Arm}
	if errors.Is(err, errLong) {
		e.Reason = fmt.Sprintf("no partition was found in %d steps, and none was ruled out; loosen a constraint", maxNodes)
		return e
	}
	e.Decided = true
	names, without := a.rule.rules()
	dropped := make([]bool, len(names))
	for i := range names {
		dropped[i] = true
		lesser := *a
		lesser.rule = without(dropped)
		lesser.counts = nil
		for k, l := range a.rule.Counts {
			if slices.Contains(lesser.rule.Counts, l) {
				lesser.counts = append(lesser.counts, a.counts[k])
			}
		}
		if _, err := lesser.solve(); !errors.Is(err, errNone) {
			dropped[i] = false
		}
	}
	for i, name := range names {
		if !dropped[i] {
			e.Rules = append(e.Rules, name)
		}
	}
	a.explain(e)
	return e
}

// explain names the schools behind one rule where it is that simple.
func (a *arena) explain(e *ConstraintError) {
	if len(e.Rules) != 1 {
		quoted := make([]string, len(e.Rules))
		for i, r := range e.Rules {
			quoted[i] = fmt.Sprintf("%q", r)
		}
		e.Reason = fmt.Sprintf("%s cannot be met together for the %d units drawn, though without any one of them the rest can", strings.Join(quoted, " and "), len(a.units))
		return
	}
	if name, ok := strings.CutPrefix(e.Rules[0], "apart "); ok && a.tooManyApart(e, name) {
		return
	}
	if strings.HasPrefix(e.Rules[0], "farthest ") && a.distance != nil {
		least := slices.Min(a.size)
		for i, u := range a.units {
			near := 0
			for j := range a.units {
				if i != j && a.part[i] == a.part[j] && a.distance[i][j] <= int64(a.rule.Farthest) {
					near++
				}
			}
			if near < least-1 {
				e.Reason = fmt.Sprintf("unit %s has only %s of the arm within %s, and a community needs %d others", u.ID, quantity(near, "unit", "units"), a.limit, least-1)
				return
			}
		}
	}
	e.Reason = fmt.Sprintf("%q cannot be met for the %d units drawn", e.Rules[0], len(a.units))
}

// tooManyApart finds a value with more units than there are communities.
func (a *arena) tooManyApart(e *ConstraintError, name string) bool {
	at := a.columns[name]
	for p := range len(a.start) - 1 {
		rooms := 0
		for _, h := range a.home {
			if h == p {
				rooms++
			}
		}
		members := map[int64]int{}
		for i, u := range a.units {
			v := u.Balance[at]
			if v == 0 || a.part[i] != p {
				continue
			}
			if members[v]++; members[v] > rooms {
				e.Column, e.Value = name, v
				e.Reason = fmt.Sprintf("%s %d has more units in the arm than there are communities (%d) to keep them apart in", name, v, rooms)
				return true
			}
		}
	}
	return false
}

// way writes a distance as the roster measures it: in metres, or in minutes
// where travel times are supplied.
func way(r Roster, n int) string {
	if minutesSupplied(r) {
		return fmt.Sprintf("%d minutes", n)
	}
	return fmt.Sprintf("%d m", n)
}
