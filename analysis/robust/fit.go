package robust

import (
	"errors"
	"fmt"
	"math"
)

// Errors that a fit can return, besides *CollinearError.
var (
	ErrConstant    = errors.New("the outcome does not vary")
	ErrTooFewRows  = errors.New("there are not more rows than coefficients")
	ErrNoSpread    = errors.New("there is no residual variation to judge the coefficient by")
	ErrClusters    = errors.New("too few clusters")
	ErrNotNested   = errors.New("an absorbed group is spread over several clusters")
	ErrUnsupported = errors.New("not defined for this fit")
)

// Data is what a linear model is fitted to. Slices run parallel, one entry a
// row; rows with anything missing were left out, and counted, by the caller.
type Data struct {
	Y       []float64
	X       []Column  // the design, with an intercept if one is wanted
	Cluster []int     // the school of each row, any whole numbers; nil if there are no clusters
	Weights []float64 // positive; nil for equal weights

	// Absorb holds a group for each row whose effect is taken out of outcome and
	// design before the fit (school fixed effects). Then X has no intercept, and
	// every group lies within one cluster, if there are clusters. Effects of
	// fewer groups, such as strata, are better given as columns.
	Absorb []int
}

// Fit is a fitted linear model.
type Fit struct {
	Names      []string
	Beta       []float64
	Rows       int
	Clusters   int     // 0 if there are none
	Absorbed   int     // groups absorbed
	RSS        float64 // residual sum of squares, weighted
	Sigma      float64 // residual SD, divisor DFResidual
	DFResidual int
	// Own is the smallest share of a column's length that lies outside the
	// columns before it, and Weakest that column: about −log₁₀(Own) of 16 digits of
	// its coefficient hang on how the data were rounded. Below IllConditioned
	// that is worth saying.
	Own     float64
	Weakest string
	R2      float64 // of the model as fitted: after absorption, about the mean if the columns span an intercept

	d      *qr
	e      []float64 // residuals times √weight, in the same order
	w      []float64 // weights in the same order; nil if equal
	starts []int     // first row of each cluster, and the number of rows; nil without clusters
	order  []int     // order[i] is the caller's row that is row i here
	lever  []float64 // leverage of the absorbed groups by row; nil if none
	iv     bool      // two-stage: d is of the design projected on the instruments
}

// IllConditioned is the Fit.Own below which four digits and more are lost.
const IllConditioned = 1e-4

// Least fits Y on X by (weighted) least squares.
func Least(d Data) (*Fit, error) {
	p, err := prepare(d)
	if err != nil {
		return nil, fmt.Errorf("fit linear model: %w", err)
	}
	f, err := p.fit()
	if err != nil {
		return nil, fmt.Errorf("fit linear model: %w", err)
	}
	return f, nil
}

// prepared is Data checked, sorted by cluster, absorbed and weighted.
type prepared struct {
	names    []string
	x        [][]float64
	whole    []float64 // lengths of the columns before absorption
	y        []float64
	w        []float64
	starts   []int
	order    []int
	lever    []float64
	absorbed int
}

func checkData(d Data) error {
	n := len(d.Y)
	var faults []error
	say := func(format string, a ...any) { faults = append(faults, fmt.Errorf(format, a...)) }
	lengths := func(what string, m int) {
		if m != n {
			say("%s has %d entries for %d rows", what, m, n)
		}
	}
	finite := func(what string, v []float64) {
		for i, a := range v {
			if math.IsNaN(a) || math.IsInf(a, 0) {
				say("%s: row %d is %v, not a finite number", what, i+1, a)
				return
			}
			if math.Abs(a) > 1e150 {
				say("%s: row %d is %g, too large to square; change the unit", what, i+1, a)
				return
			}
		}
	}
	if n == 0 {
		return errors.New("there are no rows")
	}
	finite("outcome", d.Y)
	seen := map[string]bool{}
	for _, c := range d.X {
		lengths(fmt.Sprintf("column %q", c.Name), len(c.Values))
		finite(fmt.Sprintf("column %q", c.Name), c.Values)
		if seen[c.Name] {
			say("column %q is given twice", c.Name)
		}
		seen[c.Name] = true
	}
	if d.Cluster != nil {
		lengths("cluster", len(d.Cluster))
	}
	if d.Absorb != nil {
		lengths("absorb", len(d.Absorb))
	}
	if d.Weights != nil {
		lengths("weights", len(d.Weights))
		finite("weights", d.Weights)
		for i, w := range d.Weights {
			if w <= 0 {
				say("weights: row %d is %v; a weight is positive, and a row that should not count is left out", i+1, w)
				break
			}
		}
	}
	return errors.Join(faults...)
}

func prepare(d Data) (*prepared, error) {
	if err := checkData(d); err != nil {
		return nil, err
	}
	n := len(d.Y)
	p := &prepared{}
	p.order, p.starts = sortByCluster(d.Cluster, n)
	pick := func(v []float64) []float64 {
		out := make([]float64, n)
		if p.order == nil {
			copy(out, v)
			return out
		}
		for i, r := range p.order {
			out[i] = v[r]
		}
		return out
	}
	p.y = pick(d.Y)
	if d.Weights != nil {
		p.w = pick(d.Weights)
	}
	for _, c := range d.X {
		p.names = append(p.names, c.Name)
		p.x = append(p.x, pick(c.Values))
	}
	if constant(p.y) {
		return nil, ErrConstant
	}
	if d.Absorb != nil {
		groups := make([]int, n)
		for i := range groups {
			r := i
			if p.order != nil {
				r = p.order[i]
			}
			groups[i] = d.Absorb[r]
		}
		if err := p.absorb(groups); err != nil {
			return nil, err
		}
	}
	if p.w != nil {
		for i, w := range p.w {
			s := math.Sqrt(w)
			p.y[i] *= s
			for _, c := range p.x {
				c[i] *= s
			}
		}
		for j := range p.whole {
			p.whole[j] = math.Max(p.whole[j], norm(p.x[j]))
		}
	}
	return p, nil
}

func constant(y []float64) bool {
	for _, v := range y {
		if v != y[0] {
			return false
		}
	}
	return true
}

// sortByCluster gives the order of rows that puts each cluster's together, in
// order of first appearance, and where each begins. The order is nil if the
// rows are in it already.
func sortByCluster(cluster []int, n int) (order, starts []int) {
	if cluster == nil {
		return nil, nil
	}
	index := map[int]int{}
	code := make([]int, n)
	var size []int
	sorted, last := true, -1
	for i := 0; i < n; {
		c, ok := index[cluster[i]]
		if !ok {
			c = len(size)
			index[cluster[i]] = c
			size = append(size, 0)
		}
		sorted = sorted && c >= last
		last = c
		for label := cluster[i]; i < n && cluster[i] == label; i++ { // a run costs one look-up
			code[i] = c
			size[c]++
		}
	}
	starts = make([]int, len(size)+1)
	for c, s := range size {
		starts[c+1] = starts[c] + s
	}
	if sorted {
		return nil, starts
	}
	next := append([]int(nil), starts...)
	order = make([]int, n)
	for i, c := range code {
		order[next[c]] = i
		next[c]++
	}
	return order, starts
}

// absorb takes the weighted group means out of y and x.
func (p *prepared) absorb(groups []int) error {
	n := len(p.y)
	index := map[int]int{}
	code := make([]int, n)
	for i, g := range groups {
		c, ok := index[g]
		if !ok {
			c = len(index)
			index[g] = c
		}
		code[i] = c
	}
	p.absorbed = len(index)
	if p.starts != nil {
		home := make([]int, p.absorbed)
		for c := range home {
			home[c] = -1
		}
		for j := range len(p.starts) - 1 {
			for i := p.starts[j]; i < p.starts[j+1]; i++ {
				if home[code[i]] >= 0 && home[code[i]] != j {
					return fmt.Errorf("%w; give the groups as columns instead", ErrNotNested)
				}
				home[code[i]] = j
			}
		}
	}
	weight := func(i int) float64 {
		if p.w == nil {
			return 1
		}
		return p.w[i]
	}
	total := make([]float64, p.absorbed)
	for i, c := range code {
		total[c] += weight(i)
	}
	sum := make([]float64, p.absorbed)
	centre := func(v []float64) {
		for range 2 { // the second pass takes out what rounding left of the first
			clear(sum)
			for i, c := range code {
				sum[c] += weight(i) * v[i]
			}
			for i, c := range code {
				v[i] -= sum[c] / total[c]
			}
		}
	}
	p.whole = make([]float64, len(p.x))
	for j, v := range p.x {
		p.whole[j] = norm(v)
		centre(v)
	}
	centre(p.y)
	p.lever = make([]float64, n)
	for i, c := range code {
		p.lever[i] = weight(i) / total[c]
	}
	return nil
}

func (p *prepared) fit() (*Fit, error) {
	n, k := len(p.y), len(p.x)
	if n <= k+p.absorbed {
		return nil, fmt.Errorf("%w (%d rows, %d coefficients, %d absorbed groups)", ErrTooFewRows, n, k, p.absorbed)
	}
	work := make([][]float64, k)
	for j, c := range p.x {
		work[j] = append([]float64(nil), c...)
	}
	d, err := decompose(p.names, work, p.whole, "the absorbed effects")
	if err != nil {
		return nil, err
	}
	beta, e := d.coefficients(p.x, p.y)
	return p.finish(d, beta, e), nil
}

// finish completes a fit from its coefficients and residuals.
func (p *prepared) finish(d *qr, beta, e []float64) *Fit {
	n, k := len(p.y), len(p.x)
	f := &Fit{Names: p.names, Beta: beta, Rows: n, Absorbed: p.absorbed, RSS: dot(e, e), DFResidual: n - k - p.absorbed,
		Own: d.near, Weakest: p.names[d.weakest], d: d, e: e, w: p.w, starts: p.starts, order: p.order, lever: p.lever}
	if p.starts != nil {
		f.Clusters = len(p.starts) - 1
	}
	f.Sigma = math.Sqrt(f.RSS / float64(f.DFResidual))
	f.R2 = p.r2(d, f.RSS)
	return f
}

// r2 is 1 − RSS/TSS; the total is about the weighted mean if a constant lies in
// the span of the design, about zero otherwise.
func (p *prepared) r2(d *qr, rss float64) float64 {
	n := len(p.y)
	one := make([]float64, n)
	for i := range one {
		one[i] = 1
		if p.w != nil {
			one[i] = math.Sqrt(p.w[i])
		}
	}
	left := append([]float64(nil), one...)
	for _, q := range d.q {
		axpy(-dot(q, one), q, left)
	}
	tss := dot(p.y, p.y)
	if norm(left) < 1e-8*norm(one) {
		m := dot(one, p.y) / dot(one, one)
		tss = 0
		for i, y := range p.y {
			v := y - m*one[i]
			tss += v * v
		}
	}
	if tss == 0 {
		return 0
	}
	return 1 - rss/tss
}

// Residuals are outcome minus fitted value, unweighted and (after absorption)
// within groups, in the order of the caller's rows.
func (f *Fit) Residuals() []float64 {
	out := make([]float64, f.Rows)
	for i, e := range f.e {
		if f.w != nil {
			e /= math.Sqrt(f.w[i])
		}
		r := i
		if f.order != nil {
			r = f.order[i]
		}
		out[r] = e
	}
	return out
}

// Index is the place of a named coefficient, or −1.
func (f *Fit) Index(name string) int {
	for j, s := range f.Names {
		if s == name {
			return j
		}
	}
	return -1
}
