package disclosure

import (
	"fmt"
	"math"
	"sort"
	"strings"
)

// Rule says which counts are small.
type Rule struct {
	Threshold int  `json:"threshold"` // smallest count that may be published, 2 or more
	Zeros     bool `json:"zeros"`     // whether zero counts as small
}

// least is the smallest value that a hidden cell can have.
func (r Rule) least() int {
	if r.Zeros {
		return 0
	}
	return 1
}

// room is how far apart two values of a hidden cell have to be possible: as far
// as the ends of what the mark "<T" leaves.
func (r Rule) room() int { return r.Threshold - 1 - r.least() }

// Small says whether a count may not be published.
func (r Rule) Small(n int) bool { return n >= r.least() && n < r.Threshold }

// Cell is one count of the system.
type Cell struct {
	Key   string // its identity, the same in every release
	Label string // what it counts, for people
	Value int    // 0 or more
	Shown bool   // stands in the document; else it can only be worked out
	Keep  bool   // is never hidden to protect another
	Cost  int    // how much hiding it to protect another is to be avoided; 0 for the least
	Hide  string // why it is hidden whatever its value; "" for no such reason
}

// Sum says that a cell is the sum of others, by their places in the system.
type Sum struct {
	Total int
	Parts []int
}

// System is everything that is published together.
type System struct {
	Cells []Cell
	Sums  []Sum
}

// Mark is what stands in a cell's place.
type Mark string

// The marks.
const (
	Value      Mark = "value"      // the count itself
	Below      Mark = "below"      // "<T"
	Suppressed Mark = "suppressed" // only that it is hidden
	Nowhere    Mark = "nowhere"    // the cell stands nowhere and can only be worked out
)

// Release is what a release lets everybody know. It holds no hidden value, so
// it may be published with the document.
type Release struct {
	Rule  Rule        `json:"rule"`
	Cells []Published `json:"cells"`
	Sums  []KeySum    `json:"sums"`
}

// Published is a cell as it is released.
type Published struct {
	Key   string `json:"key"`
	Label string `json:"label"`
	Mark  Mark   `json:"mark"`
	Value int    `json:"value"` // 0 unless Mark is Value
}

// Earlier is a release that is out already, with the counts as they truly were
// then, in the order of its cells. It holds what was hidden and is never
// published itself.
type Earlier struct {
	Release Release `json:"release"`
	Values  []int   `json:"values"`
}

// KeySum is a Sum by the cells' keys.
type KeySum struct {
	Total string   `json:"total"`
	Parts []string `json:"parts"`
}

// Range is what can be worked out about a cell that is hidden.
type Range struct {
	Key   string `json:"key"`
	Label string `json:"label"`
	Mark  Mark   `json:"mark"`
	Low   int    `json:"low"`
	High  int    `json:"high"`
	Open  bool   `json:"open"`  // nothing bounds it from above
	Exact bool   `json:"exact"` // both ends are reached by a solution; else the range may be narrower
}

// Hidden is a cell that was hidden and why. It says more than the release
// does and belongs to the record only.
type Hidden struct {
	Key   string `json:"key"`
	Label string `json:"label"`
	Mark  Mark   `json:"mark"`
	Why   string `json:"why"`
}

// Result is what Protect decided.
type Result struct {
	Release Release
	Marks   []Mark // in the order of the system's cells
	Hidden  []Hidden
	Ranges  []Range // of every hidden cell, and of secrets that stand nowhere
}

// UnsafeError lists cells that no suppression could protect.
type UnsafeError struct{ Cells []string }

func (e *UnsafeError) Error() string {
	return "no suppression protects these counts, because of what has to be published or was published before: " + strings.Join(e.Cells, "; ")
}

// nodes that one search may visit; what is not found by then counts as not
// there when safety is at stake.
const nodeLimit = 4000

// Protect decides what to hide so that no secret can be worked out from the
// system together with the earlier releases. It fails with an *UnsafeError if
// that cannot be had. The same input gives the same result.
func Protect(s System, rule Rule, earlier ...Earlier) (*Result, error) {
	w, err := newWork(s, rule, earlier)
	if err != nil {
		return nil, err
	}
	if err := w.protect(); err != nil {
		return nil, err
	}
	return w.result(), nil
}

// work is the state of Protect.
type work struct {
	s        System // with what earlier releases add to it
	n        int    // the system's own cells
	rule     Rule
	cap      int
	mark     []Mark
	why      []string // of a secret, "" for others
	old      []equation
	oldLo    []int
	oldHi    []int
	wasHid   []bool // hidden in an earlier release
	hopeless []bool
	truth    []int
}

func newWork(s System, rule Rule, earlier []Earlier) (*work, error) {
	if rule.Threshold < 2 {
		return nil, fmt.Errorf("protect counts: a threshold of %d hides nothing; it is 2 or more", rule.Threshold)
	}
	w := &work{s: System{append([]Cell(nil), s.Cells...), s.Sums}, n: len(s.Cells), rule: rule}
	biggest := 0
	at := map[string]int{}
	for i, c := range s.Cells {
		if c.Value < 0 {
			return nil, fmt.Errorf("protect counts: %s is %d", c.Key, c.Value)
		}
		if _, twice := at[c.Key]; twice {
			return nil, fmt.Errorf("protect counts: two cells have the key %s", c.Key)
		}
		at[c.Key] = i
		biggest = max(biggest, c.Value)
	}
	for _, sum := range s.Sums {
		total := 0
		for _, p := range sum.Parts {
			total += s.Cells[p].Value
		}
		if total != s.Cells[sum.Total].Value {
			return nil, fmt.Errorf("protect counts: %s is %d, but its parts make %d", s.Cells[sum.Total].Key, s.Cells[sum.Total].Value, total)
		}
	}
	for _, e := range earlier {
		for _, v := range e.Values {
			biggest = max(biggest, v)
		}
	}
	w.cap = 2*biggest + 4*rule.Threshold
	for _, c := range s.Cells {
		why, mark := "", Nowhere
		switch {
		case c.Hide != "":
			why = c.Hide
		case rule.Small(c.Value) && (c.Shown || c.Value > 0):
			why = fmt.Sprintf("under %d", rule.Threshold)
		}
		if c.Shown {
			mark = Value
		}
		w.grow(c.Value, mark, why)
	}
	same := map[string]int{} // variables by key and value: what has not changed is one
	name := func(key string, value int) string { return fmt.Sprintf("%d %s", value, key) }
	for i, c := range s.Cells {
		same[name(c.Key, c.Value)] = i
	}
	for _, e := range earlier {
		if err := w.remember(e, at, same, name); err != nil {
			return nil, err
		}
	}
	for i, c := range w.s.Cells[:w.n] {
		if !c.Shown {
			continue
		}
		if w.wasHid[i] && w.why[i] == "" {
			w.why[i] = "hidden in an earlier release"
		}
		if w.why[i] != "" {
			w.mark[i] = Suppressed
		}
	}
	return w, nil
}

// grow adds the state of one variable.
func (w *work) grow(truth int, mark Mark, why string) {
	w.truth, w.mark, w.why = append(w.truth, truth), append(w.mark, mark), append(w.why, why)
	w.oldLo, w.oldHi, w.wasHid = append(w.oldLo, 0), append(w.oldHi, math.MaxInt/8), append(w.wasHid, false)
}

// remember adds an earlier release. Whoever compares two releases may guess
// what has not changed between them, so what has not is one variable of both;
// what has is a variable of its own, tied to the rest by the earlier release's
// sums. Where a count differs a little from what it was, the difference counts
// people too: it must not be known.
func (w *work) remember(e Earlier, at, same map[string]int, name func(string, int) string) error {
	r := e.Release
	if len(e.Values) != len(r.Cells) {
		return fmt.Errorf("read an earlier release: %d counts for %d cells", len(e.Values), len(r.Cells))
	}
	lo, hi, rows, err := r.system(w.cap)
	if err != nil {
		return err
	}
	of := make([]int, len(r.Cells))
	for k, c := range r.Cells {
		v := e.Values[k]
		if v < lo[k] || v > hi[k] {
			return fmt.Errorf("read an earlier release: %s was %d, which its mark %q does not allow", c.Key, v, c.Mark)
		}
		i, unchanged := same[name(c.Key, v)]
		if !unchanged {
			i = len(w.s.Cells)
			same[name(c.Key, v)] = i
			w.s.Cells = append(w.s.Cells, Cell{Key: c.Key, Label: c.Label + " (earlier release)", Value: v})
			w.grow(v, Nowhere, "")
		}
		of[k] = i
		w.oldLo[i] = max(w.oldLo[i], lo[k])
		if hi[k] < w.cap {
			w.oldHi[i] = min(w.oldHi[i], hi[k])
		}
		if c.Mark == Below || c.Mark == Suppressed || c.Mark == Nowhere && v > 0 && r.Rule.Small(v) {
			w.wasHid[i] = true
			if i >= w.n {
				w.why[i] = "hidden in an earlier release"
			}
		}
		now, there := at[c.Key]
		if !there || unchanged || c.Mark == Nowhere || !w.s.Cells[now].Shown {
			continue
		}
		if d := w.truth[now] - v; abs(d) < w.rule.Threshold {
			why := fmt.Sprintf("differs by less than %d from an earlier release", w.rule.Threshold)
			if c.Mark == Value {
				if w.why[now] == "" {
					w.why[now] = why
				}
				continue
			}
			// difference + middle = now − then + middle, never below zero
			middle := w.cap
			diff := len(w.s.Cells)
			w.s.Cells = append(w.s.Cells, Cell{Key: c.Key, Label: c.Label + " (change since an earlier release)", Value: d + middle})
			w.grow(d+middle, Nowhere, why)
			w.old = append(w.old, equation{terms: []term{{diff, 1}, {now, -1}, {i, 1}}, right: middle})
		}
	}
	for _, row := range rows {
		var x equation
		for _, t := range row.terms {
			x.terms = append(x.terms, term{of[t.v], t.c})
		}
		w.old = append(w.old, x)
	}
	return nil
}

// system gives a release's cells and sums as bounds and equations.
func (r Release) system(top int) (lo, hi []int, rows []equation, err error) {
	at := map[string]int{}
	for i, c := range r.Cells {
		at[c.Key] = i
		l, h := r.Rule.bounds(c.Mark, c.Value, top)
		lo, hi = append(lo, l), append(hi, h)
	}
	for _, s := range r.Sums {
		e := equation{}
		for i, key := range append([]string{s.Total}, s.Parts...) {
			k, ok := at[key]
			if !ok {
				return nil, nil, nil, fmt.Errorf("read a release: a sum names the cell %q, which is not in it", key)
			}
			c := 1
			if i == 0 {
				c = -1
			}
			e.terms = append(e.terms, term{k, c})
		}
		rows = append(rows, e)
	}
	return lo, hi, rows, nil
}

// bounds are the values that a mark leaves.
func (r Rule) bounds(m Mark, value, top int) (lo, hi int) {
	switch m {
	case Value:
		return value, value
	case Below:
		return r.least(), r.Threshold - 1
	case Suppressed:
		return r.least(), top
	}
	return 0, top
}

// attack is the system as an attacker has it, with the marks as they are.
func (w *work) attack(mark []Mark) *problem {
	n := len(w.s.Cells)
	lo, hi := make([]int, n), make([]int, n)
	for i, c := range w.s.Cells {
		lo[i], hi[i] = w.rule.bounds(mark[i], c.Value, 2*w.cap)
		lo[i], hi[i] = max(lo[i], w.oldLo[i]), min(hi[i], w.oldHi[i])
	}
	rows := append([]equation(nil), w.old...)
	for _, s := range w.s.Sums {
		e := equation{terms: []term{{s.Total, -1}}}
		for _, p := range s.Parts {
			e.terms = append(e.terms, term{p, 1})
		}
		rows = append(rows, e)
	}
	return newProblem(lo, hi, rows, nodeLimit)
}

// guarded says whether a cell must not be bounded narrowly.
func (w *work) guarded(mark []Mark, i int) bool {
	return mark[i] == Suppressed || mark[i] == Below || mark[i] == Nowhere && w.why[i] != ""
}

// seen is the least and greatest value of each cell in solutions that were
// found, each with its solution.
type seen struct {
	lo, hi     []int
	atLo, atHi [][]int
}

func (s *seen) add(solution []int) {
	for i, v := range solution {
		if v < s.lo[i] {
			s.lo[i], s.atLo[i] = v, solution
		}
		if v > s.hi[i] {
			s.hi[i], s.atHi[i] = v, solution
		}
	}
}

// wide says whether what was found shows that cell i is safe.
func (w *work) wide(mark []Mark, s *seen, i int) bool {
	if mark[i] == Below {
		return s.lo[i] <= w.rule.least() && s.hi[i] >= w.rule.Threshold-1
	}
	return s.hi[i]-s.lo[i] >= w.rule.room()
}

// check gives the first cell that is not shown to be safe, secrets first, or
// -1, with the solutions that show the others to be. Cells in skip are passed;
// those shown to be safe are added to it, unless it is nil.
func (w *work) check(mark []Mark, skip []bool) (int, *problem, *seen) {
	p := w.attack(mark)
	n := len(w.s.Cells)
	s := &seen{append([]int(nil), w.truth...), append([]int(nil), w.truth...), make([][]int, n), make([][]int, n)}
	for i := range n {
		s.atLo[i], s.atHi[i] = w.truth, w.truth
	}
	part, members := p.parts()
	for _, secrets := range []bool{true, false} {
		for i := range n {
			if (w.why[i] != "") != secrets || !w.guarded(mark, i) || skip != nil && skip[i] {
				continue
			}
			if !w.safe(p, mark, s, part, members, i) {
				return i, p, s
			}
			if skip != nil {
				skip[i] = true
			}
		}
	}
	return -1, p, s
}

// safe tries to show that cell i can still have enough values.
func (w *work) safe(p *problem, mark []Mark, s *seen, part []int, members [][]int, i int) bool {
	if w.wide(mark, s, i) {
		return true
	}
	if part[i] < 0 {
		return false
	}
	if mark[i] == Below {
		if p.lo[i] > w.rule.least() || p.hi[i] < w.rule.Threshold-1 {
			return false
		}
		for _, end := range []int{w.rule.least(), w.rule.Threshold - 1} {
			if end < s.lo[i] || end > s.hi[i] {
				solution, a := p.within(i, end, end, w.truth, members[part[i]])
				if a != yes {
					return false
				}
				s.add(solution)
			}
		}
		return w.wide(mark, s, i)
	}
	need := w.rule.room()
	if p.hi[i]-p.lo[i] < need {
		return false
	}
	for _, half := range [][2]int{{w.truth[i] + need, math.MaxInt / 4}, {0, w.truth[i] - need}} {
		if solution, a := p.within(i, half[0], half[1], w.truth, members[part[i]]); a == yes {
			s.add(solution)
			return true
		}
	}
	_, _, at, _ := p.extremes(i, w.truth, members[part[i]])
	for _, solution := range at {
		if solution != nil {
			s.add(solution)
		}
	}
	return w.wide(mark, s, i)
}

func (w *work) protect() error {
	marks := append([]Mark(nil), w.mark...)
	// What is fixed although everything that may be hidden is hidden, cannot help
	// anything else.
	n := len(w.s.Cells)
	w.hopeless = make([]bool, n)
	all := w.allHidden()
	p := w.attack(all)
	for i := range n {
		w.hopeless[i] = all[i] == Suppressed && w.why[i] == "" && p.hi[i]-p.lo[i] < w.rule.room()
	}
	if w.hide() {
		return nil
	}
	// It did not go: look more closely at what cannot help.
	w.mark = marks
	if lost := w.findHopeless(); len(lost) > 0 {
		return &UnsafeError{lost}
	}
	if !w.hide() {
		return &UnsafeError{[]string{"the counts in this report (the search for a safe choice was given up)"}}
	}
	return nil
}

// allHidden has everything hidden that may be.
func (w *work) allHidden() []Mark {
	all := append([]Mark(nil), w.mark...)
	for i, c := range w.s.Cells {
		if c.Shown && !c.Keep && c.Value >= w.rule.least() {
			all[i] = Suppressed
		}
	}
	return all
}

// findHopeless finds by search the cells that are not safe although everything
// is hidden, and gives the secrets among them.
func (w *work) findHopeless() (lost []string) {
	w.hopeless = make([]bool, len(w.s.Cells))
	all := w.allHidden()
	for {
		skip := append([]bool(nil), w.hopeless...)
		i, _, _ := w.check(all, skip)
		if i < 0 {
			return lost
		}
		w.hopeless[i] = true
		if w.why[i] != "" {
			lost = append(lost, w.s.Cells[i].Label+" ("+w.why[i]+")")
		} else {
			all[i] = Value // hiding it is no use, and it must not be relied on
		}
	}
}

// hide hides more until everything is safe, then takes back what is not needed
// and chooses the marks. It says whether it got there.
func (w *work) hide() bool {
	// Hiding more only widens what is possible: what is safe stays so.
	safe := make([]bool, len(w.s.Cells))
	for {
		i, p, _ := w.check(w.mark, safe)
		if i < 0 {
			break
		}
		c := w.helper(p, i)
		if c < 0 {
			return false
		}
		w.mark[c] = Suppressed
	}
	w.restore()
	w.below()
	return true
}

// outside says which cells are not linked with the cell i through hidden ones:
// no mark of i can change what is possible for them.
func (w *work) outside(i int) []bool {
	part, _ := w.attack(w.mark).parts()
	skip := make([]bool, len(part))
	for k := range part {
		skip[k] = part[k] < 0 || part[k] != part[i]
	}
	return skip
}

// equations lists the sums of the system and those still known from before.
func (w *work) equations() [][]int {
	var out [][]int
	for _, s := range w.s.Sums {
		out = append(out, append([]int{s.Total}, s.Parts...))
	}
	for _, e := range w.old {
		var row []int
		for _, t := range e.terms {
			row = append(row, t.v)
		}
		out = append(out, row)
	}
	return out
}

// helper chooses a cell to hide so that cell i becomes harder to bound: of the
// sum that bounds it most tightly, the one that costs least and opens fewest
// new holes; or one further away.
func (w *work) helper(p *problem, i int) int {
	rows := w.equations()
	of := make([][]int, len(w.s.Cells))
	for r, row := range rows {
		for _, v := range row {
			of[v] = append(of[v], r)
		}
	}
	free := func(v int) bool { return w.mark[v] != Value && p.lo[v] < p.hi[v] }
	score := func(v, from int) float64 {
		s := 100*float64(w.s.Cells[v].Cost) + math.Log2(float64(w.s.Cells[v].Value)+1)
		for _, r := range of[v] {
			if r == from {
				continue
			}
			others := 0
			for _, x := range rows[r] {
				if x != v && (free(x) || w.mark[x] == Suppressed) {
					others++
				}
			}
			if others == 0 {
				s += 40
			}
		}
		return s
	}
	visited := make([]bool, len(rows))
	front, next := []int{i}, []int(nil)
	done := map[int]bool{i: true}
	for len(front) > 0 {
		best, bestScore := -1, math.Inf(1)
		for _, v := range front {
			for _, r := range of[v] {
				if visited[r] {
					continue
				}
				visited[r] = true
				slack := 0
				for _, x := range rows[r] {
					if x != v && free(x) {
						slack += min(p.hi[x]-p.lo[x], 1000)
					}
				}
				for _, x := range rows[r] {
					c := w.s.Cells[x]
					if c.Shown && !c.Keep && w.mark[x] == Value && !w.hopeless[x] && c.Value >= w.rule.least() {
						if s := score(x, r) + float64(slack)*0.2; s < bestScore {
							best, bestScore = x, s
						}
					}
					if !done[x] {
						done[x] = true
						next = append(next, x)
					}
				}
			}
		}
		if best >= 0 {
			return best
		}
		front, next = next, nil
	}
	return -1
}

// restore shows again what need not be hidden, the dearest first.
func (w *work) restore() {
	var extra []int
	for i := range w.s.Cells {
		if w.mark[i] == Suppressed && w.why[i] == "" {
			extra = append(extra, i)
		}
	}
	sort.SliceStable(extra, func(x, y int) bool {
		a, b := w.s.Cells[extra[x]], w.s.Cells[extra[y]]
		if a.Cost != b.Cost {
			return a.Cost > b.Cost
		}
		return a.Value > b.Value
	})
	for _, i := range extra {
		skip := w.outside(i)
		w.mark[i] = Value
		if bad, _, _ := w.check(w.mark, skip); bad >= 0 {
			w.mark[i] = Suppressed
		}
	}
}

// below marks small cells "<T", in every linked group of hidden cells where
// that lets nothing more be known.
func (w *work) below() {
	p := w.attack(w.mark)
	_, members := p.parts()
	for _, group := range members {
		before := append([]Mark(nil), w.mark...)
		any, in := false, make([]bool, len(w.s.Cells))
		for _, i := range group {
			in[i] = true
			if w.mark[i] == Suppressed && w.why[i] != "" && w.rule.Small(w.truth[i]) {
				w.mark[i], any = Below, true
			}
		}
		if !any {
			continue
		}
		others := make([]bool, len(w.s.Cells))
		for i := range others {
			others[i] = !in[i]
		}
		if bad, _, _ := w.check(w.mark, append([]bool(nil), others...)); bad < 0 {
			continue
		}
		// Not all of them: then as many as go, one by one.
		w.mark = before
		for _, i := range group {
			if w.mark[i] == Suppressed && w.why[i] != "" && w.rule.Small(w.truth[i]) {
				w.mark[i] = Below
				if bad, _, _ := w.check(w.mark, append([]bool(nil), others...)); bad >= 0 {
					w.mark[i] = Suppressed
				}
			}
		}
	}
}

func (w *work) result() *Result {
	r := &Result{Marks: append([]Mark(nil), w.mark[:w.n]...)}
	r.Release.Rule = w.rule
	for i, c := range w.s.Cells[:w.n] {
		p := Published{Key: c.Key, Label: c.Label, Mark: w.mark[i]}
		if p.Mark == Value {
			p.Value = c.Value
		}
		r.Release.Cells = append(r.Release.Cells, p)
		if p.Mark == Below || p.Mark == Suppressed {
			why := w.why[i]
			if why == "" {
				why = "to protect others"
			}
			r.Hidden = append(r.Hidden, Hidden{c.Key, c.Label, w.mark[i], why})
		}
	}
	for _, s := range w.s.Sums {
		k := KeySum{Total: w.s.Cells[s.Total].Key, Parts: []string{}}
		for _, part := range s.Parts {
			k.Parts = append(k.Parts, w.s.Cells[part].Key)
		}
		r.Release.Sums = append(r.Release.Sums, k)
	}
	p := w.attack(w.mark)
	part, members := p.parts()
	for i, c := range w.s.Cells[:w.n] {
		if !w.guarded(w.mark, i) {
			continue
		}
		x := Range{Key: c.Key, Label: c.Label, Mark: w.mark[i], Low: p.lo[i], High: p.hi[i], Exact: true}
		if part[i] >= 0 {
			x.Low, x.High, _, x.Exact = p.extremes(i, w.truth, members[part[i]])
		}
		x.Open = x.High >= 2*w.cap-w.rule.Threshold
		r.Ranges = append(r.Ranges, x)
	}
	return r
}

// Record is what a later release needs to know of this one. It holds every
// count and is not to be published.
func (r *Result) Record(s System) Earlier {
	e := Earlier{Release: r.Release}
	for _, c := range s.Cells {
		e.Values = append(e.Values, c.Value)
	}
	return e
}

// Attack works out, from a release alone, what can be known about each cell
// that does not stand in it with its value.
func Attack(r Release) ([]Range, error) {
	biggest := 0
	for _, c := range r.Cells {
		biggest = max(biggest, c.Value)
	}
	top := 2*biggest + 100*r.Rule.Threshold // nothing bounds what is hidden with all its sums
	lo, hi, rows, err := r.system(top)
	if err != nil {
		return nil, fmt.Errorf("attack a release: %w", err)
	}
	p := newProblem(lo, hi, rows, nodeLimit)
	part, members := p.parts()
	var out []Range
	for i, c := range r.Cells {
		if c.Mark == Value {
			continue
		}
		x := Range{Key: c.Key, Label: c.Label, Mark: c.Mark, Low: p.lo[i], High: p.hi[i], Exact: true}
		if part[i] >= 0 {
			x.Low, x.High, _, x.Exact = p.extremes(i, p.lo, members[part[i]])
		}
		x.Open = x.High >= top-r.Rule.Threshold
		out = append(out, x)
	}
	return out, nil
}
