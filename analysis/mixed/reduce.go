package mixed

import (
	"fmt"
	"math"
	"sort"
	"sync"

	"gonum.org/v1/gonum/floats"
)

// reduced is all that a fit needs of the rows.
//
// A cell is a set of rows that share every random effect: a school in a random
// intercept model, a class in a three-level model, an arm of a school where
// the arm's effect varies. With C the columns [X y] of a cell's rows and n
// their number, V restricted to the cell is σ²I plus a constant, so the
// orthogonal directions within the cell have variance σ² and know nothing of
// the random effects, and the cell's mean carries the rest:
//
//	C'V⁻¹C = Σ within/σ² + M'Ω⁻¹M,  M the rows √n·mean, Ω = σ²I + √n√n'⊙(ZDZ')
//
// Nothing is subtracted from a total that is near it, which is what keeps the
// digits when the intra-cluster correlation is high.
type reduced struct {
	n int // rows
	p int // columns of X
	q int // p + 1: X and y

	// Columns are centred (where there is an intercept) and scaled; y is
	// column p.
	centre, scale []float64
	intercept     int // its column, or −1

	cellN  []float64
	mean   []float64   // cells × q
	within [][]float64 // q × q, for each residual group
	dof    []float64   // rows − cells, for each residual group

	// Blocks are independent of one another: cells start[b] to start[b+1].
	start []int
	// omega holds for each block its params matrices ∂Ω/∂θ, in order.
	omega    []float64
	omegaAt  []int
	maxBlock int
	// nested says that every block is cells of the inner of two levels in one
	// group of the outer, which criterion.go makes use of.
	nested bool

	params []param

	// total is the cross-product of everything about the overall mean, q × q.
	total []float64
	// tolerance is the smallest share of a column's variation that is its own.
	tolerance float64
	weakest   int // the column which has it

	// back turns coefficients of the columns here into those of the data's,
	// but for the outcome's scale; p × p.
	back []float64

	cells []cell

	// Numbers of groups of armLevel in each arm, where they are in one each.
	armGroups []int
	armLevel  *Level
}

// param is one variance (or covariance) of the model.
type param struct {
	level string
	term  string // "" for an intercept or the residual; a column; "a, b" for a covariance
	arm   string // "" unless by arm
	// i, j say which element of the slope's covariance matrix it is; −1 for
	// the others.
	i, j     int
	cov      bool
	residual bool
	of       int // index into Data.Levels; −1 for the residual
	armIndex int // −1 unless by arm
}

// cell is what the random effects see of a cell.
type cell struct {
	group []int // of each level, −1 for none
	z     []float64
	arm   int
	resid int
	root  int64
}

// columns of d as slices, y last; nil for a column of ones.
func (d *Data) column(k int) []float64 {
	if k == len(d.Columns) {
		return d.Y
	}
	return d.Columns[k].Values
}

func (d *Data) columnName(k int) string {
	if k == len(d.Columns) {
		return d.Outcome
	}
	return d.Columns[k].Name
}

// reduce reads the rows.
func reduce(d *Data, m Model) (*reduced, error) { return reduceWith(d, m, true) }

// reduceWith leaves columns as they are, but for centre and scale, where
// orthogonal is false.
func reduceWith(d *Data, m Model, orthogonal bool) (*reduced, error) {
	if err := d.check(); err != nil {
		return nil, err
	}
	r := &reduced{n: len(d.Y), p: len(d.Columns), q: len(d.Columns) + 1, intercept: -1}
	armGroups, armLevel, err := d.checkArms()
	if err != nil {
		return nil, err
	}
	slopes, err := slopeColumns(d, m)
	if err != nil {
		return nil, err
	}
	cellOf, ncell, err := r.makeCells(d, m, slopes)
	if err != nil {
		return nil, err
	}
	if err := r.accumulate(d, cellOf, ncell); err != nil {
		return nil, err
	}
	r.standardise(d)
	if err := r.checkColumns(d); err != nil {
		return nil, err
	}
	if r.tolerance < nearlyCollinear && orthogonal {
		if r, err = r.orthogonalise(d, m, slopes); err != nil {
			return nil, err
		}
	}
	r.armGroups, r.armLevel = armGroups, armLevel
	r.makeParams(d, m, slopes)
	if err := r.checkLevels(d, m); err != nil {
		return nil, err
	}
	r.nested = len(d.Levels) == 2 && m.Slope == NoSlope && !m.ResidualByArm && !m.GroupsByArm
	for _, c := range r.cells {
		r.nested = r.nested && c.group[len(c.group)-1] >= 0
	}
	r.makeBlocks()
	return r, nil
}

func slopeColumns(d *Data, m Model) ([]int, error) {
	if m.Slope == NoSlope {
		return nil, nil
	}
	if m.Slope != FullSlope && m.Slope != DiagonalSlope {
		return nil, &ShapeError{fmt.Sprintf("slope %q: say %q or %q", m.Slope, FullSlope, DiagonalSlope)}
	}
	var cols []int
	for k, c := range d.Columns {
		if len(m.SlopeColumns) == 0 && c.Arm {
			cols = append(cols, k)
		}
		for _, name := range m.SlopeColumns {
			if name == c.Name {
				if c.Values == nil {
					return nil, &ShapeError{"a random slope of the intercept is the random intercept"}
				}
				cols = append(cols, k)
			}
		}
	}
	if len(m.SlopeColumns) > 0 && len(cols) != len(m.SlopeColumns) {
		return nil, &ShapeError{fmt.Sprintf("a random slope was asked of %s, not all of which are columns of the design", quoted(m.SlopeColumns))}
	}
	if len(cols) == 0 {
		return nil, &ShapeError{"a random slope was asked, but no column of the design is an arm's"}
	}
	return cols, nil
}

// makeCells numbers the cells and says what each is.
func (r *reduced) makeCells(d *Data, m Model, slopes []int) (cellOf []int, ncell int, err error) {
	if (m.ResidualByArm || m.GroupsByArm) && d.Arm == nil {
		return nil, 0, &ShapeError{"variances by arm were asked, but the rows have no arm"}
	}
	inner := &d.Levels[len(d.Levels)-1]
	// The common case needs no numbering: one level that every row is in.
	if len(d.Levels) == 1 && m.Slope == NoSlope && !m.ResidualByArm && !m.GroupsByArm && d.clusterLevel() == inner {
		whole := true
		for _, g := range inner.Index {
			if g < 0 {
				whole = false
				break
			}
		}
		if whole {
			ncell = inner.size()
			r.cells = make([]cell, ncell)
			groups := make([]int, ncell)
			for c := range r.cells {
				groups[c] = c
				r.cells[c] = cell{group: groups[c : c+1], arm: -1, root: int64(c)}
			}
			return inner.Index, ncell, nil
		}
	}
	if err := checkNesting(d); err != nil {
		return nil, 0, err
	}
	type key struct {
		level, group int
		arm          int
		pattern      string
	}
	seen := map[key]int{}
	cellOf = make([]int, r.n)
	buf := make([]byte, 0, 64)
	for i := 0; i < r.n; i++ {
		k := key{level: -1, group: -1, arm: -1}
		for l := range d.Levels {
			if g := d.Levels[l].Index[i]; g >= 0 {
				k.level, k.group = l, g
			}
		}
		if m.ResidualByArm || m.GroupsByArm {
			k.arm = d.Arm[i]
		}
		if k.level >= 0 && len(slopes) > 0 {
			buf = buf[:0]
			for _, s := range slopes {
				b := math.Float64bits(d.Columns[s].Values[i] + 0) // −0 is 0
				for h := 0; h < 64; h += 8 {
					buf = append(buf, byte(b>>h))
				}
			}
			k.pattern = string(buf)
		}
		c, ok := seen[k]
		if !ok {
			c = len(r.cells)
			seen[k] = c
			ce := cell{group: make([]int, len(d.Levels)), arm: -1, root: -1}
			for l := range d.Levels {
				ce.group[l] = d.Levels[l].Index[i]
			}
			for l := len(d.Levels) - 1; l >= 0; l-- {
				if g := ce.group[l]; g >= 0 {
					ce.root = int64(l)<<40 + int64(g)
				}
			}
			if d.Arm != nil {
				ce.arm = d.Arm[i]
			}
			if m.ResidualByArm {
				ce.resid = d.Arm[i]
			}
			if k.level >= 0 {
				for _, s := range slopes {
					ce.z = append(ce.z, d.Columns[s].Values[i])
				}
			}
			r.cells = append(r.cells, ce)
		}
		cellOf[i] = c
	}
	return cellOf, len(r.cells), nil
}

func checkNesting(d *Data) error {
	for l := 1; l < len(d.Levels); l++ {
		in, out := &d.Levels[l], &d.Levels[l-1]
		of := make([]int, in.size())
		for i := range of {
			of[i] = -2
		}
		for i, g := range in.Index {
			if g < 0 {
				continue
			}
			o := out.Index[i]
			switch {
			case of[g] == -2:
				of[g] = o
			case of[g] != o:
				label := func(g int) string {
					if g < 0 {
						return "none"
					}
					return out.label(g)
				}
				return &NestingError{Outer: out.Name, Inner: in.Name, Group: in.label(g), In: [2]string{label(of[g]), label(o)}}
			}
		}
	}
	return nil
}

const batch = 512 // rows per step of the pass; sized to stay in the first cache

// accumulate makes the one pass over the rows: counts, cell means and
// cross-products within cells. Values are taken relative to the first row of
// their cell, so that what is summed is of the size of the differences within
// cells, and a column that is constant within cells gives exactly 0.
//
// Rows are cut into pieces that depend on their number alone, and pieces are
// summed in order: the result does not depend on how many processors there are.
func (r *reduced) accumulate(d *Data, cellOf []int, ncell int) error {
	var active []int // columns that are not ones
	for k := 0; k < r.q; k++ {
		if d.column(k) != nil {
			active = append(active, k)
		}
	}
	qa := len(active)
	groups := 1
	for _, c := range r.cells {
		if c.resid+1 > groups {
			groups = c.resid + 1
		}
	}
	first := make([]int32, ncell)
	for i := range first {
		first[i] = -1
	}
	count := make([]float64, ncell)
	for i, c := range cellOf {
		if first[c] < 0 {
			first[c] = int32(i)
		}
		count[c]++
	}
	shift := make([]float64, ncell*qa)
	for c, i := range first {
		if i >= 0 {
			for a, k := range active {
				shift[c*qa+a] = d.column(k)[i]
			}
		}
	}
	pieces := 1
	if r.n >= 1<<16 {
		pieces = min(16, r.n/(1<<15), max(1, r.n/(2*ncell)))
	}
	type part struct {
		sums []float64 // cells × qa
		prod [][]float64
	}
	parts := make([]part, pieces)
	var wg sync.WaitGroup
	for w := 0; w < pieces; w++ {
		lo, hi := r.n*w/pieces, r.n*(w+1)/pieces
		parts[w] = part{sums: make([]float64, ncell*qa), prod: make([][]float64, groups)}
		for g := range parts[w].prod {
			parts[w].prod[g] = make([]float64, qa*qa)
		}
		run := func() {
			pass(d, active, cellOf[lo:hi], lo, shift, r.cells, parts[w].sums, parts[w].prod)
			wg.Done()
		}
		wg.Add(1)
		if pieces == 1 {
			run()
		} else {
			go run()
		}
	}
	wg.Wait()
	sums, prod := parts[0].sums, parts[0].prod
	for _, p := range parts[1:] {
		floats.Add(sums, p.sums)
		for g := range prod {
			floats.Add(prod[g], p.prod[g])
		}
	}
	for g := range prod {
		for a := 0; a < qa; a++ {
			for b := a; b < qa; b++ {
				if v := prod[g][a*qa+b]; math.IsNaN(v) || math.IsInf(v, 0) {
					if err := d.findBadValue(); err != nil {
						return err
					}
					return &ValueError{Column: d.columnName(active[a]), Value: math.Inf(1), N: 1}
				}
			}
		}
	}
	// Cells without rows go; the others keep their order.
	kept := 0
	for c := 0; c < ncell; c++ {
		if count[c] > 0 {
			kept++
		}
	}
	r.cellN = make([]float64, 0, kept)
	r.mean = make([]float64, 0, kept*r.q)
	cells := make([]cell, 0, kept)
	r.within = make([][]float64, groups)
	r.dof = make([]float64, groups)
	for g := range r.within {
		r.within[g] = make([]float64, r.q*r.q)
	}
	pilot := make([]float64, qa)
	for a, k := range active {
		pilot[a] = d.column(k)[0]
	}
	// centre holds the pilot until standardise adds the rest.
	r.centre = make([]float64, r.q)
	for a, k := range active {
		r.centre[k] = pilot[a]
	}
	for c := 0; c < ncell; c++ {
		n := count[c]
		if n == 0 {
			continue
		}
		s := sums[c*qa : (c+1)*qa]
		ce := r.cells[c]
		pr := prod[ce.resid]
		for a := 0; a < qa; a++ {
			f := s[a] / n
			for b := a; b < qa; b++ {
				pr[a*qa+b] -= f * s[b]
			}
		}
		r.dof[ce.resid] += n - 1
		r.cellN = append(r.cellN, n)
		cells = append(cells, ce)
		row := make([]float64, r.q)
		for k := range row {
			row[k] = 1
		}
		for a, k := range active {
			row[k] = (shift[c*qa+a] - pilot[a]) + s[a]/n
		}
		r.mean = append(r.mean, row...)
	}
	r.cells = cells
	for g := range prod {
		for a, ka := range active {
			for b := a; b < qa; b++ {
				kb := active[b]
				r.within[g][ka*r.q+kb] = prod[g][a*qa+b]
				r.within[g][kb*r.q+ka] = prod[g][a*qa+b]
			}
		}
		for _, k := range active {
			if r.within[g][k*r.q+k] < 0 {
				r.within[g][k*r.q+k] = 0
			}
		}
	}
	return nil
}

// pass adds the rows from row on to sums (by cell) and prod (by residual
// group; upper triangle).
func pass(d *Data, active []int, cellOf []int, row int, shift []float64, cells []cell, sums []float64, prod [][]float64) {
	qa := len(active)
	cols := make([][]float64, qa)
	for a, k := range active {
		cols[a] = d.column(k)[row : row+len(cellOf)]
	}
	bufs := make([][]float64, len(prod))
	fill := make([]int, len(prod))
	for g := range bufs {
		bufs[g] = make([]float64, qa*batch)
	}
	flush := func(g int) {
		f := fill[g]
		for a := 0; a < qa; a++ {
			va := bufs[g][a*batch : a*batch+f]
			for b := a; b < qa; b++ {
				prod[g][a*qa+b] += floats.Dot(va, bufs[g][b*batch:b*batch+f])
			}
		}
		fill[g] = 0
	}
	if len(prod) == 1 {
		buf := bufs[0]
		for lo := 0; lo < len(cellOf); lo += batch {
			hi := min(lo+batch, len(cellOf))
			for i, c := range cellOf[lo:hi] {
				base := c * qa
				sh, su := shift[base:base+qa], sums[base:base+qa]
				for a, col := range cols {
					v := col[lo+i] - sh[a]
					buf[a*batch+i] = v
					su[a] += v
				}
			}
			fill[0] = hi - lo
			flush(0)
		}
		return
	}
	for i, c := range cellOf {
		g := cells[c].resid
		base := c * qa
		f := fill[g]
		for a, col := range cols {
			v := col[i] - shift[base+a]
			bufs[g][a*batch+f] = v
			sums[base+a] += v
		}
		if fill[g]++; fill[g] == batch {
			flush(g)
		}
	}
	for g := range fill {
		flush(g)
	}
}

// standardise centres and scales the columns. Centring moves nothing but the
// intercept, scaling nothing but the units; both are undone in the results.
func (r *reduced) standardise(d *Data) {
	q := r.q
	for k, c := range d.Columns {
		if c.Values == nil {
			r.intercept = k
			break
		}
	}
	// Where there is no column of ones the pilot must be put back: without an
	// intercept a shift of the columns is another model.
	shift := make([]float64, q)
	total := 0.0
	for c, n := range r.cellN {
		total += n
		for k := 0; k < q; k++ {
			shift[k] += n * r.mean[c*q+k]
		}
	}
	for k := range shift {
		shift[k] /= total
		if d.column(k) == nil {
			shift[k] = 0
		}
		if r.intercept < 0 {
			shift[k] = -r.centre[k]
		}
	}
	r.scale = make([]float64, q)
	for c, n := range r.cellN {
		for k := 0; k < q; k++ {
			v := r.mean[c*q+k] - shift[k]
			r.mean[c*q+k] = v
			r.scale[k] += n * v * v
		}
	}
	for k := 0; k < q; k++ {
		r.centre[k] += shift[k]
		for _, w := range r.within {
			r.scale[k] += w[k*q+k]
		}
		r.scale[k] = math.Sqrt(r.scale[k] / total)
		if r.scale[k] == 0 || d.column(k) == nil {
			r.scale[k] = 1
		}
	}
	for c := range r.cellN {
		for k := 0; k < q; k++ {
			r.mean[c*q+k] /= r.scale[k]
		}
	}
	for _, w := range r.within {
		for i := 0; i < q; i++ {
			for j := 0; j < q; j++ {
				w[i*q+j] /= r.scale[i] * r.scale[j]
			}
		}
	}
	r.makeBack(d)
	r.total = make([]float64, q*q)
	for _, w := range r.within {
		floats.Add(r.total, w)
	}
	for c, n := range r.cellN {
		m := r.mean[c*q : (c+1)*q]
		for i := 0; i < q; i++ {
			for j := 0; j < q; j++ {
				r.total[i*q+j] += n * m[i] * m[j]
			}
		}
	}
}

// makeBack sets up back from centre and scale.
func (r *reduced) makeBack(d *Data) {
	p := r.p
	r.back = make([]float64, p*p)
	for k := 0; k < p; k++ {
		r.back[k*p+k] = 1 / r.scale[k]
		// the intercept takes what centring moved
		if r.intercept >= 0 && k != r.intercept && d.Columns[k].Values != nil {
			r.back[r.intercept*p+k] = -r.centre[k] / r.scale[k]
		}
	}
}

// orthogonalise reads the rows again, with the columns replaced by nearly
// orthogonal combinations of them: X·R⁻¹, R from the first pass (the second
// step of "CholeskyQR2", Yamamoto et al. 2015). What was lost to the square of
// the condition number is lost to its first power instead.
func (r *reduced) orthogonalise(d *Data, m Model, slopes []int) (*reduced, error) {
	p, q := r.p, r.q
	l := make([]float64, p*p)
	for i := 0; i < p; i++ {
		for j := 0; j < p; j++ {
			l[i*p+j] = r.total[i*q+j] / float64(r.n)
		}
	}
	if !cholesky(l, p) {
		return r, nil
	}
	// T = L'⁻¹, upper triangular
	t := identity(p)
	solveUpper(l, t, p, p)
	e := *d
	e.Columns = make([]Column, p)
	for k := range e.Columns {
		e.Columns[k] = Column{Name: d.Columns[k].Name}
		if d.Columns[k].Values == nil {
			continue
		}
		v := make([]float64, r.n)
		for j := 0; j <= k; j++ {
			f := t[j*p+k]
			col := d.Columns[j].Values
			if f == 0 || col == nil {
				continue // centred columns have nothing of the intercept
			}
			c, s := r.centre[j], r.scale[j]
			for i, x := range col {
				v[i] += f * ((x - c) / s)
			}
		}
		e.Columns[k].Values = v
	}
	out := &reduced{n: r.n, p: p, q: q, intercept: -1, tolerance: r.tolerance, weakest: r.weakest}
	// the slopes belong to the data's own columns
	cellOf, ncell, err := out.makeCells(d, m, slopes)
	if err != nil {
		return nil, err
	}
	if err := out.accumulate(&e, cellOf, ncell); err != nil {
		return nil, err
	}
	out.standardise(&e)
	out.back = mul(mul(r.back, t, p, p, p), out.back, p, p, p)
	return out, nil
}

const (
	// Below this share of its own for any column, the columns are made
	// orthogonal first.
	nearlyCollinear = 1e-5
	// A column of which less than this share is its own is a combination of
	// the others as far as double precision can tell.
	collinear = 1e-13
	// Below this the digits lost are worth a warning.
	illConditioned = 1e-8
)

// checkColumns refuses a constant outcome, collinear columns and an outcome
// that is explained exactly.
func (r *reduced) checkColumns(d *Data) error {
	q, p := r.q, r.p
	if constant(d.Y) {
		return &ConstantOutcomeError{Outcome: d.Outcome, Value: d.Y[0]}
	}
	if r.total[p*q+p] == 0 {
		return &ValueError{Column: d.Outcome, Value: d.Y[0], N: r.n}
	}
	// Cholesky by columns, leaving out the dependent ones.
	l := make([]float64, p*p)
	var keep []int
	rank := &RankError{}
	r.tolerance = 1
	for k := 0; k < p; k++ {
		row := make([]float64, len(keep))
		own := r.total[k*q+k]
		for i, a := range keep {
			s := r.total[a*q+k]
			for j := 0; j < i; j++ {
				s -= l[i*p+j] * row[j]
			}
			row[i] = s / l[i*p+i]
			own -= row[i] * row[i]
		}
		all := r.total[k*q+k]
		if all == 0 || own <= collinear*all {
			dep := Dependence{Column: d.Columns[k].Name}
			if all == 0 && r.intercept >= 0 && d.Columns[k].Values != nil && d.Columns[k].Values[0] != 0 {
				dep.Of = []string{Intercept}
			} else if all > 0 {
				// back-substitute to see which columns it is made of
				coef := append([]float64(nil), row...)
				for i := len(keep) - 1; i >= 0; i-- {
					for j := i + 1; j < len(keep); j++ {
						coef[i] -= l[j*p+i] * coef[j]
					}
					coef[i] /= l[i*p+i]
				}
				for i, a := range keep {
					if math.Abs(coef[i])*math.Sqrt(r.total[a*q+a]) > 1e-6*math.Sqrt(all) {
						dep.Of = append(dep.Of, d.Columns[a].Name)
					}
				}
			}
			rank.Dependent = append(rank.Dependent, dep)
			continue
		}
		if t := own / all; t < r.tolerance {
			r.tolerance, r.weakest = t, k
		}
		copy(l[len(keep)*p:], row)
		l[len(keep)*p+len(keep)] = math.Sqrt(own)
		keep = append(keep, k)
	}
	if len(rank.Dependent) > 0 {
		return rank
	}
	if r.n <= p {
		return &NotIdentifiedError{Level: "residual", Reason: fmt.Sprintf("%d rows for %d coefficients", r.n, p)}
	}
	if exact(r.total, q) {
		return &PerfectFitError{d.Outcome}
	}
	return nil
}

// exact says whether the last of q columns is a combination of the others to
// working precision. a is their cross-product.
func exact(a []float64, q int) bool {
	left, _ := leftover(a, q)
	return left <= collinear*a[q*q-1]
}

// leftover is what the other columns leave of the last one's sum of squares,
// and the number of independent ones among them, columns of nothing and
// collinear ones set aside.
func leftover(a []float64, q int) (left float64, rank int) {
	p := q - 1
	var keep []int
	l := make([]float64, q*q)
	for k := 0; ; k++ {
		row := make([]float64, len(keep))
		own := a[k*q+k]
		for i, b := range keep {
			s := a[b*q+k]
			for j := 0; j < i; j++ {
				s -= l[i*q+j] * row[j]
			}
			row[i] = s / l[i*q+i]
			own -= row[i] * row[i]
		}
		if k == p {
			return own, len(keep)
		}
		if own <= 1e-10*a[k*q+k] || a[k*q+k] == 0 {
			continue
		}
		copy(l[len(keep)*q:], row)
		l[len(keep)*q+len(keep)] = math.Sqrt(own)
		keep = append(keep, k)
	}
}

// makeParams lists the variances: residuals first, then each level from the
// outermost, with its slopes.
func (r *reduced) makeParams(d *Data, m Model, slopes []int) {
	if m.ResidualByArm {
		for a := range d.Arms {
			r.params = append(r.params, param{level: Residual, arm: d.Arms[a], residual: true, of: -1, i: -1, j: -1, armIndex: a})
		}
	} else {
		r.params = append(r.params, param{level: Residual, residual: true, of: -1, i: -1, j: -1, armIndex: -1})
	}
	for l := range d.Levels {
		name := d.Levels[l].Name
		if m.GroupsByArm && l == len(d.Levels)-1 {
			for a := range d.Arms {
				r.params = append(r.params, param{level: name, arm: d.Arms[a], of: l, i: -1, j: -1, armIndex: a})
			}
			continue
		}
		if l > 0 || m.Slope == NoSlope {
			r.params = append(r.params, param{level: name, of: l, i: -1, j: -1, armIndex: -1})
			continue
		}
		names := []string{Intercept}
		for _, s := range slopes {
			names = append(names, d.Columns[s].Name)
		}
		for i := range names {
			for j := 0; j <= i; j++ {
				pa := param{level: name, of: l, i: i, j: j, armIndex: -1}
				switch {
				case i == j && i > 0:
					pa.term = names[i]
				case i != j && m.Slope == DiagonalSlope:
					continue
				case i != j:
					pa.term, pa.cov = names[j]+", "+names[i], true
				}
				if m.Slope == DiagonalSlope {
					// each stands alone: nothing ties it to the others
					pa.cov = false
				}
				r.params = append(r.params, pa)
			}
		}
	}
}

// Residual is the name of the innermost level, the rows themselves.
const Residual = "residual"

// checkLevels refuses variances that these rows cannot tell from one another.
func (r *reduced) checkLevels(d *Data, m Model) error {
	within := 0.0
	for _, v := range r.dof {
		within += v
	}
	counts := make([]int, len(d.Levels))
	rowsIn := make([]float64, len(d.Levels))
	for l := range d.Levels {
		seen := map[int]bool{}
		for c := range r.cells {
			if g := r.cells[c].group[l]; g >= 0 {
				seen[g] = true
				rowsIn[l] += r.cellN[c]
			}
		}
		counts[l] = len(seen)
		if counts[l] < 2 {
			return &ClustersError{Level: d.Levels[l].Name, N: counts[l]}
		}
		if rowsIn[l] == float64(counts[l]) {
			return &NotIdentifiedError{Level: d.Levels[l].Name, SingleRows: true, Reason: "every group has a single row, so differences between groups and within them are one and the same; a linear regression on the rows says all that can be said"}
		}
		if l > 0 && counts[l] == counts[l-1] && rowsIn[l] == rowsIn[l-1] {
			return &NotIdentifiedError{Level: d.Levels[l].Name, Reason: fmt.Sprintf("every %s has a single one, so it is the same grouping as %s; leave one of them out", d.Levels[l-1].Name, d.Levels[l-1].Name)}
		}
	}
	if within > 0 {
		w := make([]float64, r.q*r.q)
		for _, v := range r.within {
			floats.Add(w, v)
		}
		yy := w[r.p*r.q+r.p]
		if yy <= collinear*collinear*r.total[r.p*r.q+r.p] {
			l := d.Levels[len(d.Levels)-1].Name
			return &NotIdentifiedError{Level: Residual, Reason: fmt.Sprintf("the outcome does not vary within any %s; analyse one row for each %s instead", l, l)}
		}
		if exact(w, r.q) && within > float64(r.p) {
			return &PerfectFitError{d.Outcome}
		}
	}
	for g := range r.dof {
		if m.ResidualByArm && r.dof[g] == 0 {
			return &NotIdentifiedError{Level: Residual, Reason: fmt.Sprintf("arm %q has a single row in every group, so it has no residual variance of its own", d.Arms[g])}
		}
	}
	return nil
}

// makeBlocks sorts the cells into independent blocks and sets up ∂Ω/∂θ.
func (r *reduced) makeBlocks() {
	order := make([]int, len(r.cells))
	for i := range order {
		order[i] = i
	}
	rank := map[int64]int{}
	for _, c := range r.cells {
		if _, ok := rank[c.root]; !ok {
			rank[c.root] = len(rank)
		}
	}
	sort.SliceStable(order, func(a, b int) bool { return rank[r.cells[order[a]].root] < rank[r.cells[order[b]].root] })
	q := r.q
	cells := make([]cell, len(order))
	cellN := make([]float64, len(order))
	mean := make([]float64, len(r.mean))
	for to, from := range order {
		cells[to], cellN[to] = r.cells[from], r.cellN[from]
		copy(mean[to*q:(to+1)*q], r.mean[from*q:(from+1)*q])
	}
	r.cells, r.cellN, r.mean = cells, cellN, mean
	for c := range cells {
		if c == 0 || cells[c].root != cells[c-1].root {
			r.start = append(r.start, c)
		}
	}
	r.start = append(r.start, len(cells))
	np := len(r.params)
	size := 0
	for b := 0; b+1 < len(r.start); b++ {
		k := r.start[b+1] - r.start[b]
		r.omegaAt = append(r.omegaAt, size)
		if !r.arrow(k) {
			r.maxBlock = max(r.maxBlock, k)
			size += np * k * k
		}
	}
	r.omega = make([]float64, size)
	for b := 0; b+1 < len(r.start); b++ {
		lo, k := r.start[b], r.start[b+1]-r.start[b]
		if r.arrow(k) {
			continue
		}
		for s := range r.params {
			o := r.omega[r.omegaAt[b]+s*k*k:]
			for i := 0; i < k; i++ {
				for j := 0; j < k; j++ {
					o[i*k+j] = r.derivative(s, lo+i, lo+j)
				}
			}
		}
	}
}

// derivative is ∂Ω/∂θ_s between two cells.
func (r *reduced) derivative(s, i, j int) float64 {
	v := r.params[s].effect(&r.cells[i], &r.cells[j], i == j)
	if !r.params[s].residual {
		v *= math.Sqrt(r.cellN[i] * r.cellN[j])
	}
	return v
}

// arrowFrom is the size of a block from which the form of a nested block is
// worth using.
const arrowFrom = 4

// arrow says whether a block of k cells is treated as nested.
func (r *reduced) arrow(k int) bool { return r.nested && k >= arrowFrom }

// effect is ∂cov/∂θ between a row of cell a and a row of cell b.
func (pa *param) effect(a, b *cell, same bool) float64 {
	if pa.residual {
		if same && (pa.armIndex < 0 || a.resid == pa.armIndex) {
			return 1
		}
		return 0
	}
	ga, gb := a.group[pa.of], b.group[pa.of]
	if ga < 0 || ga != gb {
		return 0
	}
	if pa.armIndex >= 0 {
		if a.arm == pa.armIndex && b.arm == pa.armIndex {
			return 1
		}
		return 0
	}
	if pa.i < 0 {
		return 1
	}
	za, zb := 1.0, 1.0
	z := func(c *cell, i int) float64 {
		if i == 0 {
			return 1
		}
		return c.z[i-1]
	}
	if pa.i == pa.j {
		za, zb = z(a, pa.i), z(b, pa.i)
		return za * zb
	}
	return z(a, pa.i)*z(b, pa.j) + z(a, pa.j)*z(b, pa.i)
}
