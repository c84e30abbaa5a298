package disclosure

import "math"

// term is one variable of an equation with its factor.
type term struct{ v, c int }

// equation says that the terms add to right.
type equation struct {
	terms []term
	right int
}

// problem is a system of equations over whole numbers within bounds.
type problem struct {
	lo, hi []int
	rows   []equation
	of     [][]int // rows in which a variable stands
	limit  int     // nodes that one search may visit
}

// newProblem adds to the equations what elimination makes of them, from both
// ends: a sum of hidden cells that two equations fix is then fixed by one.
func newProblem(lo, hi []int, rows []equation, limit int) *problem {
	p := &problem{lo: append([]int(nil), lo...), hi: append([]int(nil), hi...), limit: limit}
	p.rows = append(p.rows, rows...)
	p.index()
	p.propagate(p.lo, p.hi, nil)
	// Without the fixed variables the equations are short.
	var open []equation
	for _, r := range p.rows {
		e := equation{right: r.right}
		for _, t := range r.terms {
			if p.lo[t.v] == p.hi[t.v] {
				e.right -= t.c * p.lo[t.v]
			} else {
				e.terms = append(e.terms, t)
			}
		}
		if len(e.terms) > 0 || e.right != 0 { // 0 = 3 stays: it says that there is no solution
			open = append(open, e)
		}
	}
	p.rows = open
	p.rows = append(p.rows, eliminate(open, len(lo), false)...)
	p.rows = append(p.rows, eliminate(open, len(lo), true)...)
	p.index()
	p.propagate(p.lo, p.hi, nil)
	return p
}

func (p *problem) index() {
	p.of = make([][]int, len(p.lo))
	for i, r := range p.rows {
		for _, t := range r.terms {
			p.of[t.v] = append(p.of[t.v], i)
		}
	}
}

// eliminate brings the equations into reduced echelon form in whole numbers.
// A row whose factors grow out of hand is left out: the original is kept by
// the caller, so that nothing is lost but sharpness.
func eliminate(rows []equation, n int, fromEnd bool) []equation {
	const huge = 1 << 20
	var cols []int
	seen := make([]bool, n)
	for _, r := range rows {
		for _, t := range r.terms {
			if !seen[t.v] {
				seen[t.v] = true
				cols = append(cols, t.v)
			}
		}
	}
	at := make([]int, n)
	if fromEnd {
		for i, k := 0, len(cols)-1; i < k; i, k = i+1, k-1 {
			cols[i], cols[k] = cols[k], cols[i]
		}
	}
	for i, v := range cols {
		at[v] = i
	}
	m := make([][]int, len(rows))
	for i, r := range rows {
		m[i] = make([]int, len(cols)+1)
		for _, t := range r.terms {
			m[i][at[t.v]] += t.c
		}
		m[i][len(cols)] = r.right
	}
	top := 0
	for c := 0; c < len(cols) && top < len(m); c++ {
		pivot := -1
		for i := top; i < len(m); i++ {
			if m[i][c] != 0 && (pivot < 0 || abs(m[i][c]) < abs(m[pivot][c])) {
				pivot = i
			}
		}
		if pivot < 0 {
			continue
		}
		m[top], m[pivot] = m[pivot], m[top]
		for i := range m {
			if i == top || m[i][c] == 0 {
				continue
			}
			g := gcd(abs(m[top][c]), abs(m[i][c]))
			a, b := m[top][c]/g, m[i][c]/g
			big, row := 0, make([]int, len(m[i]))
			all := 0
			for k := range m[i] {
				row[k] = a*m[i][k] - b*m[top][k]
				big = max(big, abs(row[k]))
				all = gcd(all, abs(row[k]))
			}
			if big > huge*huge {
				return nil
			}
			if all > 1 {
				for k := range row {
					row[k] /= all
				}
			}
			m[i] = row
		}
		top++
	}
	var out []equation
	for i, r := range m {
		e := equation{right: r[len(cols)]}
		if i >= top && e.right == 0 {
			continue
		}
		for k, c := range r[:len(cols)] {
			if c != 0 {
				if abs(c) > huge {
					e.terms = nil
					break
				}
				e.terms = append(e.terms, term{cols[k], c})
			}
		}
		if len(e.terms) > 0 || i >= top {
			out = append(out, e)
		}
	}
	return out
}

func abs(x int) int {
	if x < 0 {
		return -x
	}
	return x
}

func gcd(a, b int) int {
	for b != 0 {
		a, b = b, a%b
	}
	return a
}

func floorDiv(a, b int) int { // b > 0
	q := a / b
	if a%b != 0 && a < 0 {
		q--
	}
	return q
}

// propagate narrows the bounds by every equation until nothing changes; false
// if some variable is left without a value. Only the rows of the variables in
// from are looked at first; nil for all.
func (p *problem) propagate(lo, hi []int, from []int) bool {
	var queue []int
	in := make([]bool, len(p.rows))
	push := func(r int) {
		if !in[r] {
			in[r] = true
			queue = append(queue, r)
		}
	}
	if from == nil {
		for r := range p.rows {
			push(r)
		}
	}
	for _, v := range from {
		for _, r := range p.of[v] {
			push(r)
		}
	}
	for steps := 0; len(queue) > 0; steps++ {
		r := queue[0]
		queue = queue[1:]
		in[r] = false
		e := p.rows[r]
		least, most := 0, 0
		for _, t := range e.terms {
			if t.c > 0 {
				least += t.c * lo[t.v]
				most += t.c * hi[t.v]
			} else {
				least += t.c * hi[t.v]
				most += t.c * lo[t.v]
			}
		}
		if least > e.right || most < e.right {
			return false
		}
		for _, t := range e.terms {
			// c·x = right − others; others lie in [least, most] without x's part.
			l, h := lo[t.v], hi[t.v]
			if l == h {
				continue
			}
			var newLo, newHi int
			if t.c > 0 {
				newHi = floorDiv(e.right-(least-t.c*l), t.c)
				newLo = -floorDiv(-(e.right - (most - t.c*h)), t.c)
			} else {
				c := -t.c
				newLo = -floorDiv(e.right-(least-t.c*h), c)
				newHi = floorDiv(-(e.right - (most - t.c*l)), c)
			}
			if newLo > l || newHi < h {
				newLo, newHi = max(newLo, l), min(newHi, h)
				if newLo > newHi {
					return false
				}
				if t.c > 0 {
					least += t.c * (newLo - l)
					most += t.c * (newHi - h)
				} else {
					least += t.c * (newHi - h)
					most += t.c * (newLo - l)
				}
				lo[t.v], hi[t.v] = newLo, newHi
				for _, k := range p.of[t.v] {
					if k != r || abs(t.c) > 1 {
						push(k)
					}
				}
			}
		}
		if steps > 200*len(p.rows)+10_000 {
			break // narrowing by ones: the search goes on from here
		}
	}
	return true
}

// answer of a search.
type answer int

const (
	no answer = iota
	yes
	unknown
)

// solve looks for a solution within bounds that have been propagated. It tries
// values near hint first and gives the solution that it finds. unknown means
// that the limit on nodes was reached.
func (p *problem) solve(lo, hi, hint, among []int) ([]int, answer) {
	nodes := 0
	var search func(lo, hi []int) ([]int, answer)
	search = func(lo, hi []int) ([]int, answer) {
		if nodes++; nodes > p.limit {
			return nil, unknown
		}
		// the variable with the fewest values left
		pick := -1
		for _, v := range among {
			if w := hi[v] - lo[v]; w > 0 && (pick < 0 || w < hi[pick]-lo[pick]) {
				pick = v
			}
		}
		if pick < 0 {
			return lo, yes
		}
		result := no
		try := func(l, h int) []int {
			if l > h {
				return nil
			}
			nl, nh := append([]int(nil), lo...), append([]int(nil), hi...)
			nl[pick], nh[pick] = l, h
			if !p.propagate(nl, nh, []int{pick}) {
				return nil
			}
			s, a := search(nl, nh)
			if a == unknown {
				result = unknown
			}
			if a == yes {
				return s
			}
			return nil
		}
		// The value nearest the hint, then what lies above, then below.
		best := min(max(hint[pick], lo[pick]), hi[pick])
		for _, part := range [][2]int{{best, best}, {best + 1, hi[pick]}, {lo[pick], best - 1}} {
			if s := try(part[0], part[1]); s != nil {
				return s, yes
			}
			if result == unknown {
				return nil, unknown
			}
		}
		return nil, no
	}
	return search(append([]int(nil), lo...), append([]int(nil), hi...))
}

// within looks for a solution with variable v from low to high.
func (p *problem) within(v, low, high int, hint, among []int) ([]int, answer) {
	lo, hi := append([]int(nil), p.lo...), append([]int(nil), p.hi...)
	lo[v], hi[v] = max(lo[v], low), min(hi[v], high)
	if lo[v] > hi[v] {
		return nil, no
	}
	if !p.propagate(lo, hi, []int{v}) {
		return nil, no
	}
	return p.solve(lo, hi, hint, among)
}

// parts groups the variables that are not fixed by the equations that they
// share.
func (p *problem) parts() (part []int, members [][]int) {
	part = make([]int, len(p.lo))
	for i := range part {
		part[i] = -1
	}
	for v := range p.lo {
		if part[v] >= 0 || p.lo[v] == p.hi[v] {
			continue
		}
		id := len(members)
		stack, list := []int{v}, []int(nil)
		part[v] = id
		for len(stack) > 0 {
			x := stack[len(stack)-1]
			stack = stack[:len(stack)-1]
			list = append(list, x)
			for _, r := range p.of[x] {
				for _, t := range p.rows[r].terms {
					if part[t.v] < 0 && p.lo[t.v] < p.hi[t.v] {
						part[t.v] = id
						stack = append(stack, t.v)
					}
				}
			}
		}
		members = append(members, list)
	}
	return part, members
}

// extremes gives the least and the greatest value of v over all solutions,
// with a solution for each; exact is false if the limit was reached, and the
// range may then be wider than what is possible.
func (p *problem) extremes(v int, hint, among []int) (low, high int, at [2][]int, exact bool) {
	exact = true
	s, a := p.within(v, math.MinInt/4, math.MaxInt/4, hint, among)
	if a != yes {
		return p.lo[v], p.hi[v], at, false
	}
	at = [2][]int{s, s}
	// up: good is reached, bad is not
	good, bad := s[v], p.hi[v]+1
	try := bad - 1
	for good+1 < bad {
		s, a := p.within(v, try, bad-1, hint, among)
		switch a {
		case yes:
			good, at[1] = s[v], s
		case no:
			bad = try
		default:
			exact = false
			bad = -1
		}
		if bad < 0 {
			break
		}
		try = good + (bad-good+1)/2
	}
	if high = good; bad < 0 {
		high = p.hi[v]
	}
	good, bad = s[v], p.lo[v]-1
	try = bad + 1
	failed := false
	for good-1 > bad && !failed {
		s, a := p.within(v, bad+1, try, hint, among)
		switch a {
		case yes:
			good, at[0] = s[v], s
		case no:
			bad = try
		default:
			exact, failed = false, true
		}
		try = good - (good-bad+1)/2
	}
	if low = good; failed {
		low = p.lo[v]
	}
	return low, high, at, exact
}
