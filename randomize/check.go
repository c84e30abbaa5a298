package randomize

import (
	"fmt"
	"strings"
)

// SizeRange is how many units an arm may get: any number from Min to Max, and
// no other.
type SizeRange struct {
	Arm      string
	Min, Max int
}

// Check says everything that keeps the design from being drawn on the roster,
// before any chance is spent: an *InvalidError whose faults include an
// *InfeasibleError (errors.As finds it) where communities cannot be formed for
// some number of units the arm may get. nil means that the draw will be made.
func Check(d Design, r Roster) error {
	f := &faults{what: "draw"}
	d.validate(f)
	r.validate(f, 0)
	if len(f.list) > 0 {
		return f.err()
	}
	d.checkColumns(f, r)
	if len(f.list) > 0 {
		return f.err()
	}
	d.checkClusters(f, r)
	if len(f.list) == 0 {
		d.checkCommunities(f, r)
	}
	return f.err()
}

// checkColumns says which columns the design names that the roster has not.
func (d Design) checkColumns(f *faults, r Roster) {
	known := strings.Join(r.Columns, ", ")
	if known == "" {
		known = "none"
	}
	need := func(column, what string) bool {
		if r.Column(column) >= 0 {
			return true
		}
		close := ""
		if n := nearest(column, r.Columns); n != "" {
			close = fmt.Sprintf("; did you mean %q?", n)
		}
		f.add(0, "%s needs the roster's column %s, which is not there (columns: %s)%s", what, column, known, close)
		return false
	}
	for _, w := range d.Weights {
		if d.Method == Minimisation && w.Column == columnStratum {
			continue
		}
		need(w.Column, "weight "+w.Column)
	}
	if d.Cluster != "" {
		need(d.Cluster, "cluster")
	}
	switch d.Method {
	case Blocks, Minimisation, Efron:
		need(ColumnSequence, "method "+string(d.Method)+" (which takes units in the order of their arrival)")
	case Pairs:
		need(ColumnSet, "method pairs")
	}
	for _, c := range d.Communities {
		who := "communities of arm " + c.Arm
		if c.Column != "" && c.Column != columnStratum {
			need(c.Column, who+": within "+c.Column)
		}
		d.checkSearchColumns(f, r, c, need)
	}
}

// checkClusters says which clusters are not one thing.
func (d Design) checkClusters(f *faults, r Roster) {
	if d.Cluster == "" {
		return
	}
	column, set := r.Column(d.Cluster), -1
	if d.Method == Pairs {
		set = r.Column(ColumnSet)
	}
	first := map[int64]Unit{}
	for _, u := range r.Units {
		v := u.Balance[column]
		a, ok := first[v]
		switch {
		case !ok:
			first[v] = u
		case a.Stratum != u.Stratum:
			f.add(0, "cluster %d lies in two strata: unit %s in %q, unit %s in %q; a cluster is drawn as one, within one stratum", v, a.ID, clip(a.Stratum), u.ID, clip(u.Stratum))
		case set >= 0 && a.Balance[set] != u.Balance[set]:
			f.add(0, "cluster %d lies in two matched sets: unit %s in %d, unit %s in %d", v, a.ID, a.Balance[set], u.ID, u.Balance[set])
		}
	}
	for _, c := range d.Communities {
		if !c.Plain() {
			f.add(0, "communities of arm %s are formed by a search, which is not defined for clusters; form them random or within a column", c.Arm)
		}
	}
}

// checkCommunities says whether every number of units an arm may get can be
// split.
func (d Design) checkCommunities(f *faults, r Roster) {
	reduced, _ := clusters(d, r)
	sizes := newPlan(d, reduced).sizes(nil)
	for _, c := range d.Communities {
		a := d.arm(c.Arm)
		if !c.Plain() {
			d.checkSearch(f, r, c, sizes[a])
		}
		if c.Column == "" {
			if e := c.infeasible("", sizes[a]); e != nil {
				f.addErr(e)
			}
			continue
		}
		all := make([]int, len(reduced.Units))
		for i := range all {
			all[i] = i
		}
		p := newPlan(d, reduced)
		for _, part := range c.parts(reduced, all) {
			inPart := make([]bool, len(reduced.Units))
			for _, m := range part.members {
				inPart[m] = true
			}
			if e := c.infeasible(c.Column+" "+part.name, p.sizes(inPart)[a]); e != nil {
				f.addErr(e)
			}
		}
	}
}

// infeasible is nil if every number in the range fits.
func (c Community) infeasible(where string, s SizeRange) *InfeasibleError {
	e := &InfeasibleError{Arm: c.Arm, Where: where, Min: c.Min, Max: c.Max, Number: c.number(), Possible: [2]int{s.Min, s.Max}}
	for n := s.Min; n <= s.Max; n++ {
		if !c.fits(n) {
			e.Bad = append(e.Bad, n)
		}
	}
	if len(e.Bad) == 0 {
		return nil
	}
	e.N = e.Bad[0]
	return e
}

// ArmSizes gives for each arm, in the design's order, how many units it may
// get. Where the design draws clusters, clusters are counted.
func ArmSizes(d Design, r Roster) ([]SizeRange, error) {
	if err := checkForSizes(d, r); err != nil {
		return nil, err
	}
	reduced, _ := clusters(d, r)
	return newPlan(d, reduced).sizes(nil), nil
}

// checkForSizes is Check without the communities, whose feasibility is asked
// of the sizes.
func checkForSizes(d Design, r Roster) error {
	f := &faults{what: "draw"}
	d.validate(f)
	r.validate(f, 0)
	if len(f.list) == 0 {
		d.checkColumns(f, r)
	}
	if len(f.list) == 0 {
		d.checkClusters(f, r)
	}
	return f.err()
}

// sizes gives each arm's possible number of units: of all units, or of those
// in part.
//
// Under both misfit rules a stratum's m misfits take m of the W tokens, each
// set of tokens being possible. Pooled, the misfits of the whole trial also
// take whole passes and a remainder: what is left in the pool never holds a
// token twice, because a new pass is appended only when the stratum has taken
// all that was left.
func (p *plan) sizes(part []bool) []SizeRange {
	out := make([]SizeRange, len(p.design.Arms))
	for a, spec := range p.design.Arms {
		out[a].Arm = spec.Name
	}
	switch p.design.Method {
	case Simple, Efron, Minimisation:
		n := 0
		for i := range p.roster.Units {
			if part == nil || part[i] {
				n++
			}
		}
		for a := range out {
			out[a].Max = n
		}
		return out
	}
	misfits := 0
	for _, s := range p.strata {
		n, inPart := len(s.members), len(s.members)
		if part != nil {
			inPart = 0
			for _, m := range s.members {
				if part[m] {
					inPart++
				}
			}
		}
		misfits += n % p.deck.total
		for a, w := range p.deck.weights {
			lo, hi := n/p.deck.total*w+fewest(n%p.deck.total, w, p.deck.total), n/p.deck.total*w+min(n%p.deck.total, w)
			if p.design.Method == Blocks {
				lo, hi = p.blockSizes(n, a)
			}
			// Of the arm's units in the stratum, how many are in the part.
			out[a].Min += max(0, lo-(n-inPart))
			out[a].Max += min(hi, inPart)
		}
	}
	if part == nil && p.design.misfitRule() == Pooled && p.design.Method != Blocks {
		whole := 0
		for _, s := range p.strata {
			whole += len(s.members) / p.deck.total
		}
		whole += misfits / p.deck.total
		rest := misfits % p.deck.total
		for a, w := range p.deck.weights {
			out[a].Min = whole*w + fewest(rest, w, p.deck.total)
			out[a].Max = whole*w + min(rest, w)
		}
	}
	return out
}

// fewest is the least number of an arm's w tokens among m of total.
func fewest(m, w, total int) int { return max(0, m-(total-w)) }

// blockSizes is the least and greatest number of arm a among the first n units
// of a stratum drawn in permuted blocks.
func (p *plan) blockSizes(n, a int) (lo, hi int) {
	w, total := p.deck.weights[a], p.deck.total
	reached := make([]bool, n+1) // a block may end after this many units
	reached[0] = true
	lo, hi = n, 0
	for at := range n + 1 {
		if !reached[at] {
			continue
		}
		if at == n {
			lo, hi = min(lo, n/total*w), max(hi, n/total*w)
		}
		for _, size := range p.design.Blocks {
			if at+size <= n {
				reached[at+size] = true
				continue
			}
			rest := n - at
			if rest == 0 {
				continue
			}
			tokens := size / total * w
			lo = min(lo, at/total*w+fewest(rest, tokens, size))
			hi = max(hi, at/total*w+min(rest, tokens))
		}
	}
	return lo, hi
}
