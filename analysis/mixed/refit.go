package mixed

import (
	"fmt"
	"math"
)

// Refitter refits a random-intercept model, or one of least squares, to what a
// randomisation test or a bootstrap makes of its rows: schools in other arms,
// schools or rows drawn again, another outcome. The rows are read once; of
// each school its size, means and cross-products within are kept, so that a
// refit of a trial of a hundred schools takes some tens of microseconds.
//
//	s, err := mixed.NewRefitter(data, mixed.RefitOptions{})
//	out := make([]mixed.Refit, s.Effects())
//	err = s.Redrawn(armOfSchool, out)
//
// The intercept, and a factor that is constant within schools (strata), are
// not solved for but taken out: the schools' means are centred within its
// groups, which costs nothing for each of its levels.
//
// A Refitter keeps working space, so each goroutine needs its own: Clone
// shares what is read only.
type Refitter struct {
	shared *refitData

	// The schools of the sample.
	count  []float64 // how often each is in it
	rows   []float64 // rows of each
	size   []float64 // the same, or the sum of their weights
	of     []int     // the school of the data that it comes from
	mean   []float64 // schools × columns
	within []float64 // pairs of the varying columns, all schools together

	sums   []float64 // of the rows of each school of the sample
	f      []float64
	centre []float64 // groups × columns, and three sums for each group
	group  []float64
	space  []float64
	fit    refitState
}

// refitData does not change between refits.
type refitData struct {
	w       int // columns kept: the models' but for the intercept, the arms among them; the outcome last
	rows    []int
	school  []int     // of each row, schools with rows counted from 0
	of      []int     // school of each group of the level; −1 without rows
	weights []float64 // of the rows; nil for 1
	shift   []float64
	scale   []float64
	columns [][]float64
	varying []int // columns that vary within schools, the outcome last
	pairs   int   // of varying columns

	count, rowsOf, size, mean []float64 // by school
	within                    []float64 // schools × pairs
	total                     []float64 // sum of within
	row                       []float64 // rows × (varying + pairs): deviations from the school's mean and their products, weighted

	arms   []int // columns that are arms' dummies
	armOf  []int // arm of each
	nArms  int
	why    error // why arms cannot be redrawn, where they cannot
	models []refitModel
}

// refitModel is one of the models fitted.
type refitModel struct {
	method  Method
	fixed   bool  // least squares: no variance between schools
	columns []int // places among the columns kept, the outcome last
	arms    []int // places among columns
	group   []int // of each school: the groups that are centred out
	groups  int
	start   float64 // ratio of the variances from which to search
}

// refitState is the criterion at one ratio of the variances.
type refitState struct {
	slope, curve, sigma2 float64
	beta, c              []float64
}

// RefitOptions are the choices of NewRefitter.
type RefitOptions struct {
	Method Method // the zero Method is REML
	// LeastSquares holds the variance between schools at zero. Weights, of the
	// rows, are for least squares alone.
	LeastSquares bool
	Weights      []float64
	// Unconditional fits the model without covariates too, for its total SD.
	Unconditional bool
	// Rows keeps what Rows, Without and Outcome need: each row's deviations
	// from its school's means and their products.
	Rows bool
}

// Refit is the effect of one arm against the control arm in a refit, in
// outcome units.
type Refit struct {
	Estimate float64
	SE       float64 // model-based
	T        float64 // Estimate / SE
	Tau2     float64 // variance between schools
	Sigma2   float64 // residual variance
	Singular bool    // whether Tau2 is 0
	// UnconditionalSD is the total SD of the model without covariates, where
	// RefitOptions asks for it.
	UnconditionalSD float64
}

// NewRefitter prepares refits of the model that New(d, Model{Method: o.Method})
// fits, or of least squares. The data must have one level that every row is
// in, and an intercept.
func NewRefitter(d *Data, o RefitOptions) (*Refitter, error) {
	if o.Method == "" {
		o.Method = REML
	}
	const what = "refits"
	refuse := func(format string, a ...any) (*Refitter, error) {
		return nil, &MethodError{what, fmt.Sprintf(format, a...)}
	}
	if err := d.check(); err != nil {
		return nil, err
	}
	if err := d.findBadValue(); err != nil {
		return nil, err
	}
	switch {
	case d.Arm == nil:
		return refuse("the data have no arms")
	case len(d.Levels) != 1:
		return refuse("these are for a model of one level, schools; fit each sample by New instead")
	case o.Weights != nil && (!o.LeastSquares || len(o.Weights) != len(d.Y)):
		return refuse("%d weights for %d rows; they are for least squares", len(o.Weights), len(d.Y))
	case constant(d.Y):
		return nil, &ConstantOutcomeError{Outcome: d.Outcome, Value: d.Y[0]}
	}
	sh := &refitData{weights: o.Weights, nArms: len(d.Arms)}
	if err := sh.schools(d); err != nil {
		return nil, err
	}
	if err := sh.readColumns(d); err != nil {
		return nil, err
	}
	sh.accumulate(o.Rows)
	if len(sh.arms) == 0 {
		return refuse("no column of the design is an arm's")
	}
	kept := make([]int, sh.w)
	for k := range kept {
		kept[k] = k
	}
	sh.models = append(sh.models, sh.model(kept, o))
	if o.Unconditional {
		sh.models = append(sh.models, sh.model(append(append([]int(nil), sh.arms...), sh.w-1), o))
	}
	s := (&Refitter{shared: sh}).Clone()
	s.whole()
	for m := range sh.models {
		lambda, err := s.solve(&sh.models[m])
		if err != nil {
			return nil, err
		}
		if lambda > 0 {
			sh.models[m].start = lambda
		}
	}
	return s, nil
}

// schools numbers the schools that have rows.
func (sh *refitData) schools(d *Data) error {
	l := &d.Levels[0]
	sh.of = make([]int, l.size())
	for g := range sh.of {
		sh.of[g] = -1
	}
	sh.school = make([]int, len(d.Y))
	n := 0
	for i, g := range l.Index {
		if g < 0 {
			return &MethodError{"refits", fmt.Sprintf("row %d is in no %s; fit each sample by New instead", i+1, l.Name)}
		}
		if sh.of[g] < 0 {
			sh.of[g] = n
			n++
		}
		sh.school[i] = sh.of[g]
	}
	if n < 2 {
		return &ClustersError{Level: l.Name, N: n}
	}
	sh.rowsOf, sh.size, sh.count = make([]float64, n), make([]float64, n), make([]float64, n)
	for i, s := range sh.school {
		sh.count[s] = 1
		sh.rowsOf[s]++
		sh.size[s] += sh.weight(i)
	}
	return nil
}

func (sh *refitData) weight(i int) float64 {
	if sh.weights == nil {
		return 1
	}
	return sh.weights[i]
}

// readColumns takes the columns but for the intercept; arms' dummies stay as
// they are, the others are centred and scaled.
func (sh *refitData) readColumns(d *Data) error {
	intercept := false
	for k, c := range d.Columns {
		if c.Values == nil {
			if intercept {
				return &RankError{Dependent: []Dependence{{Column: c.Name, Of: []string{Intercept}}}}
			}
			intercept = true
			continue
		}
		if c.ArmProduct && sh.why == nil {
			sh.why = &MethodError{"refits for redrawn arms", fmt.Sprintf("column %q is an interaction with an arm; fit each draw by New instead", c.Name)}
		}
		if c.Arm {
			at := -1
			for i, v := range c.Values {
				if v == 1 {
					at = d.Arm[i]
					break
				}
			}
			if at < 0 {
				return &MethodError{"refits", fmt.Sprintf("column %q is no arm's dummy", c.Name)}
			}
			sh.arms, sh.armOf = append(sh.arms, sh.w), append(sh.armOf, at)
		}
		sh.columns = append(sh.columns, d.column(k))
		shift, scale := 0.0, 1.0
		if !c.Arm {
			shift, scale = spread(c.Values)
		}
		sh.shift, sh.scale = append(sh.shift, shift), append(sh.scale, scale)
		sh.w++
	}
	if !intercept {
		return &MethodError{"refits", "these need an intercept; fit each sample by New instead"}
	}
	shift, scale := spread(d.Y)
	sh.columns, sh.shift, sh.scale = append(sh.columns, d.Y), append(sh.shift, shift), append(sh.scale, scale)
	sh.w++
	if _, nested := d.clustersByArm(&d.Levels[0]); !nested && sh.why == nil {
		sh.why = &MethodError{"refits for redrawn arms", "a school has rows of two arms: pupils were drawn, not schools"}
	}
	return nil
}

// spread is the mean of values and their root mean square about it; 1 for a
// constant.
func spread(v []float64) (mean, scale float64) {
	for _, x := range v {
		mean += (x - v[0]) / float64(len(v))
	}
	mean += v[0]
	for _, x := range v {
		scale += (x - mean) * (x - mean) / float64(len(v))
	}
	if scale = math.Sqrt(scale); !(scale > 0) {
		scale = 1
	}
	return mean, scale
}

// accumulate makes each school's means and cross-products within.
func (sh *refitData) accumulate(keep bool) {
	schools, w := len(sh.size), sh.w
	sh.mean = make([]float64, schools*w)
	first := make([]int, schools)
	for i := len(sh.school) - 1; i >= 0; i-- {
		first[sh.school[i]] = i
	}
	for k, col := range sh.columns {
		varies := false
		for i, s := range sh.school {
			// relative to the school's first row, so that a constant stays one
			delta := col[i] - col[first[s]]
			varies = varies || delta != 0
			sh.mean[s*w+k] += sh.weight(i) * delta
		}
		for s, n := range sh.size {
			sh.mean[s*w+k] = (sh.mean[s*w+k]/n + (col[first[s]] - sh.shift[k])) / sh.scale[k]
		}
		if varies || k == w-1 {
			sh.varying = append(sh.varying, k)
		}
	}
	v := len(sh.varying)
	sh.pairs = v * (v + 1) / 2
	stride := v + sh.pairs
	if keep {
		sh.row = make([]float64, len(sh.school)*stride)
	}
	one := make([]float64, stride)
	sh.within, sh.total = make([]float64, schools*sh.pairs), make([]float64, sh.pairs)
	for i, s := range sh.school {
		row := one
		if keep {
			row = sh.row[i*stride : (i+1)*stride]
		}
		weight := sh.weight(i)
		at := v
		for a, k := range sh.varying {
			row[a] = (sh.columns[k][i]-sh.shift[k])/sh.scale[k] - sh.mean[s*w+k]
		}
		for a := range v {
			for b := a; b < v; b++ {
				row[at] = weight * row[a] * row[b]
				sh.within[s*sh.pairs+at-v] += row[at]
				at++
			}
		}
		for a := range v {
			row[a] *= weight
		}
	}
	for s := range schools {
		for z := range sh.total {
			sh.total[z] += sh.within[s*sh.pairs+z]
		}
	}
}

// model finds what of the columns can be centred out: the largest set of
// dummies that are constant within schools and exclude one another.
func (sh *refitData) model(columns []int, o RefitOptions) refitModel {
	m := refitModel{method: o.Method, fixed: o.LeastSquares, start: 0.02}
	schools := len(sh.size)
	type set struct {
		columns []int
		group   []int
	}
	var sets []set
	arm := map[int]bool{}
	for _, k := range sh.arms {
		arm[k] = true
	}
	for _, k := range columns[:len(columns)-1] {
		if arm[k] || !sh.dummy(k) {
			continue
		}
		in := func(s int) bool { return sh.columns[k][sh.rows[s]] == 1 }
		at := 0
		for ; at < len(sets); at++ {
			apart := true
			for s := range schools {
				if in(s) && sets[at].group[s] > 0 {
					apart = false
					break
				}
			}
			if apart {
				break
			}
		}
		if at == len(sets) {
			sets = append(sets, set{group: make([]int, schools)})
		}
		sets[at].columns = append(sets[at].columns, k)
		for s := range schools {
			if in(s) {
				sets[at].group[s] = len(sets[at].columns)
			}
		}
	}
	best := set{group: make([]int, schools)}
	for _, s := range sets {
		if len(s.columns) > len(best.columns) {
			best = s
		}
	}
	m.group, m.groups = best.group, len(best.columns)+1
	out := map[int]bool{}
	for _, k := range best.columns {
		out[k] = true
	}
	for _, k := range columns {
		if out[k] {
			continue
		}
		if arm[k] {
			m.arms = append(m.arms, len(m.columns))
		}
		m.columns = append(m.columns, k)
	}
	return m
}

// dummy says whether a column is 0 or 1 and constant within schools.
func (sh *refitData) dummy(k int) bool {
	if sh.rows == nil { // a row of each school
		sh.rows = make([]int, len(sh.size))
		for i, s := range sh.school {
			sh.rows[s] = i
		}
	}
	for i, v := range sh.columns[k] {
		if v != 0 && v != 1 || v != sh.columns[k][sh.rows[sh.school[i]]] {
			return false
		}
	}
	return true
}

// Clone is a refitter of the same data for another goroutine.
func (s *Refitter) Clone() *Refitter {
	sh := s.shared
	groups := 0
	for _, m := range sh.models {
		groups = max(groups, m.groups)
	}
	k := sh.w
	return &Refitter{shared: sh, f: make([]float64, 3*k*k), centre: make([]float64, groups*k),
		group: make([]float64, groups*(3+k)), space: make([]float64, 2*k*k+4*k), within: make([]float64, sh.pairs),
		fit: refitState{beta: make([]float64, k), c: make([]float64, k*k)}}
}

// Effects is the number of arms that are compared with the control arm.
func (s *Refitter) Effects() int { return len(s.shared.arms) }

// Schools is the length of what Redrawn and Schools want: one more than the
// largest group index of the level.
func (s *Refitter) Schools() int { return len(s.shared.of) }

// whole makes the sample the data themselves.
func (s *Refitter) whole() {
	sh := s.shared
	s.count = append(s.count[:0], sh.count...)
	s.rows = append(s.rows[:0], sh.rowsOf...)
	s.size = append(s.size[:0], sh.size...)
	s.mean = append(s.mean[:0], sh.mean...)
	s.of = s.of[:0]
	for j := range sh.size {
		s.of = append(s.of, j)
	}
	copy(s.within, sh.total)
}

// Whole fits the data themselves. out gets one Refit for each arm column of
// the data, in their order.
func (s *Refitter) Whole(out []Refit) error {
	s.whole()
	return s.estimate(out)
}

// Redrawn fits the model with the schools in the arms given: armOfSchool[g] is
// the arm (an index into Data.Arms) of group g of Data.Levels[0]. Groups
// without rows are passed over. An arm that is left without a school is an
// error.
func (s *Refitter) Redrawn(armOfSchool []int, out []Refit) error {
	sh := s.shared
	if sh.why != nil {
		return sh.why
	}
	if len(armOfSchool) != len(sh.of) {
		return &ShapeError{fmt.Sprintf("refit with %d schools; want %d", len(armOfSchool), len(sh.of))}
	}
	s.whole()
	for e, k := range sh.arms {
		any := false
		for g, j := range sh.of {
			a := armOfSchool[g]
			switch {
			case j < 0:
				continue
			case a < 0 || a >= sh.nArms:
				return &ShapeError{fmt.Sprintf("refit with school %d in arm %d of %d", g, a, sh.nArms)}
			}
			v := 0.0
			if a == sh.armOf[e] {
				v, any = 1, true
			}
			s.mean[j*sh.w+k] = v
		}
		if !any {
			return &ShapeError{fmt.Sprintf("refit with no school in arm %d", sh.armOf[e])}
		}
	}
	return s.estimate(out)
}

// Resampled fits the model to a sample in which group g of Data.Levels[0] is
// counts[g] times, each time another school.
func (s *Refitter) Resampled(counts []int, out []Refit) error {
	sh := s.shared
	if len(counts) != len(sh.of) {
		return &ShapeError{fmt.Sprintf("refit with %d schools; want %d", len(counts), len(sh.of))}
	}
	s.whole()
	clear(s.within)
	for g, j := range sh.of {
		if j < 0 {
			continue
		}
		c := float64(counts[g])
		s.count[j] = c
		if c == 0 {
			continue
		}
		for z, v := range sh.within[j*sh.pairs : (j+1)*sh.pairs] {
			s.within[z] += c * v
		}
	}
	return s.estimate(out)
}

// Rows fits the model to rows of the data, with repeats. cluster[i] is the
// school of rows[i] in the sample, counted from 0; all rows of one must come
// from one school of the data, and a school drawn twice is two.
func (s *Refitter) Rows(rows, cluster []int, out []Refit) error {
	sh := s.shared
	if sh.row == nil {
		return errNoRows
	}
	if len(rows) != len(cluster) {
		return &ShapeError{fmt.Sprintf("refit with %d rows and schools of %d", len(rows), len(cluster))}
	}
	v := len(sh.varying)
	stride := v + sh.pairs
	s.sums, s.of, s.rows, s.size = s.sums[:0], s.of[:0], s.rows[:0], s.size[:0]
	for i, row := range rows {
		c := cluster[i]
		for c >= len(s.of) {
			s.of, s.rows, s.size = append(s.of, -1), append(s.rows, 0), append(s.size, 0)
			for range v {
				s.sums = append(s.sums, 0)
			}
		}
		if s.of[c] < 0 {
			s.of[c] = sh.school[row]
		}
		if s.of[c] != sh.school[row] {
			return &ShapeError{fmt.Sprintf("refit with rows of two schools in school %d", c)}
		}
		s.rows[c]++
		s.size[c] += sh.weight(row)
		sums := s.sums[c*v : c*v+v]
		for a, x := range sh.row[row*stride : row*stride+v] {
			sums[a] += x
		}
	}
	clear(s.within)
	for _, row := range rows {
		for z, x := range sh.row[row*stride+v : (row+1)*stride] {
			s.within[z] += x
		}
	}
	s.count, s.mean = s.count[:0], s.mean[:0]
	for c, j := range s.of {
		if j < 0 {
			return &ShapeError{fmt.Sprintf("refit with no row in school %d", c)}
		}
		s.count = append(s.count, 1)
		s.mean = append(s.mean, sh.mean[j*sh.w:(j+1)*sh.w]...)
		s.moved(c, 1)
	}
	return s.estimate(out)
}

var errNoRows = &MethodError{"refits", "the rows were not kept; ask for them in RefitOptions"}

// moved takes school c's mean to the sums of its rows' deviations, and its
// cross-products with it.
func (s *Refitter) moved(c int, sign float64) {
	sh := s.shared
	v := len(sh.varying)
	sums := s.sums[c*v : c*v+v]
	n := s.size[c]
	z := 0
	for a, k := range sh.varying {
		s.mean[c*sh.w+k] += sign * sums[a] / n
		for _, t := range sums[a:] {
			s.within[z] -= sums[a] * t / n
			z++
		}
	}
}

// Without fits the model to all rows but one.
func (s *Refitter) Without(row int, out []Refit) error {
	sh := s.shared
	if sh.row == nil {
		return errNoRows
	}
	s.whole()
	v := len(sh.varying)
	stride := v + sh.pairs
	j := sh.school[row]
	if s.rows[j]--; s.rows[j] == 0 {
		s.count[j] = 0
		return s.estimate(out)
	}
	s.size[j] -= sh.weight(row)
	for z, x := range sh.row[row*stride+v : (row+1)*stride] {
		s.within[z] -= x
	}
	s.sums = s.sums[:0]
	for range len(sh.size) * v {
		s.sums = append(s.sums, 0)
	}
	copy(s.sums[j*v:j*v+v], sh.row[row*stride:row*stride+v])
	s.moved(j, -1)
	return s.estimate(out)
}

// Outcome fits the model to another outcome of the rows.
func (s *Refitter) Outcome(y []float64, out []Refit) error {
	sh := s.shared
	if sh.row == nil {
		return errNoRows
	}
	if len(y) != len(sh.school) {
		return &ShapeError{fmt.Sprintf("refit with %d outcomes of %d rows", len(y), len(sh.school))}
	}
	s.whole()
	w, v := sh.w, len(sh.varying)
	stride := v + sh.pairs
	k := w - 1
	for j := range sh.size {
		s.mean[j*w+k] = 0
	}
	shift, unit := sh.shift[k], 1/sh.scale[k]
	for i, j := range sh.school {
		s.mean[j*w+k] += sh.weight(i) * (y[i] - shift) * unit
	}
	for j, n := range sh.size {
		s.mean[j*w+k] /= n
	}
	own := s.space[:v]
	clear(own)
	others := own[:v-1]
	for i, j := range sh.school {
		dev := (y[i]-shift)*unit - s.mean[j*w+k]
		for a, x := range sh.row[i*stride : i*stride+len(others)] { // weighted already
			others[a] += x * dev
		}
		own[v-1] += sh.weight(i) * dev * dev
	}
	z := 0
	for a := range v {
		z += v - a
		s.within[z-1] = own[a]
	}
	return s.estimate(out)
}

// estimate fits the models to the sample.
func (s *Refitter) estimate(out []Refit) error {
	sh := s.shared
	if len(out) != len(sh.arms) {
		return &ShapeError{fmt.Sprintf("refit of %d effects; want %d", len(out), len(sh.arms))}
	}
	y := sh.scale[sh.w-1]
	for i := range sh.models {
		m := &sh.models[i]
		lambda, err := s.solve(m)
		if err != nil {
			return err
		}
		sigma2 := s.fit.sigma2 * y * y
		if i > 0 {
			for e := range out {
				out[e].UnconditionalSD = math.Sqrt(sigma2 * (1 + lambda))
			}
			continue
		}
		p := len(m.columns) - 1
		for e := range out {
			a := m.arms[e]
			out[e] = Refit{Estimate: s.fit.beta[a] * y, SE: math.Sqrt(sigma2 * s.fit.c[a*p+a]),
				Sigma2: sigma2, Tau2: lambda * sigma2, Singular: lambda == 0 && !m.fixed}
			out[e].T = out[e].Estimate / out[e].SE
		}
	}
	return nil
}

// solve finds the ratio λ = τ²/σ² of the sample: the root of the derivative of
// −2 log likelihood by Newton's method, kept between bounds.
func (s *Refitter) solve(m *refitModel) (float64, error) {
	if m.fixed {
		return 0, s.evaluate(m, 0)
	}
	lambda := m.start
	lo, hi := 0.0, math.Inf(1)
	triedZero := false
	for range 100 {
		if err := s.evaluate(m, lambda); err != nil {
			return 0, err
		}
		slope, curve := s.fit.slope, s.fit.curve
		var next float64
		if lambda == 0 {
			if slope >= 0 { // uphill is below zero: the boundary is the maximum
				return 0, nil
			}
			if next = m.start / 16; next >= hi {
				next = hi / 2
			}
		} else {
			if slope > 0 {
				hi = math.Min(hi, lambda)
			} else {
				lo = math.Max(lo, lambda)
			}
			next = lambda - slope/curve
			// Newton's error after a step is of the order of its square.
			if step := math.Abs(slope/curve) / lambda; curve > 0 && step < 1e-7 {
				if step > 1e-14 {
					lambda = next
					if err := s.evaluate(m, lambda); err != nil {
						return 0, err
					}
				}
				return lambda, nil
			}
			if !(curve > 0) || next >= hi || next <= lo {
				switch {
				case slope <= 0 && math.IsInf(hi, 1):
					next = lambda * 4
				case slope <= 0:
					next = (lambda + hi) / 2
				case lo == 0 && !triedZero:
					next, triedZero = 0, true
				default:
					next = (lambda + lo) / 2
				}
			}
		}
		lambda = next
	}
	return 0, &ConvergenceError{Iterations: 100}
}

// evaluate is the derivative of −2 log likelihood in λ, σ² maximised out, and
// its derivative.
//
// In units of σ², P = V⁻¹ − V⁻¹A(A'V⁻¹A)⁻¹A'V⁻¹ takes the groups A out, and with f_j =
// n_j/(1+λn_j), S_g = Σf_j and d_j the school's mean less that of its group, weighted by
// f: X'PX = W + Σf_j d_j d_j', X'PV_τPX = Σf_j²d_j d_j' and X'PV_τPV_τPX = Σf_j³d_j d_j' − Σ_g h_g h_g'/S_g, h_g =
// Σf_j²d_j, where V_τ is the derivative of V in τ². tr(PV_τ) = Σf_j − Σ_g Σf_j²/S_g, and
// tr(PV_τPV_τ) = Σf_j² − 2Σ_g Σf_j³/S_g + Σ_g(Σf_j²)²/S_g².
func (s *Refitter) evaluate(m *refitModel, lambda float64) error {
	w, k := s.shared.w, len(m.columns)
	kk := k * k
	f, h, q := s.f[:kk], s.f[kk:2*kk], s.f[2*kk:3*kk]
	clear(s.f[:3*kk])
	centre, groups := s.centre[:m.groups*k], s.group[:m.groups*(3+k)]
	clear(centre)
	clear(groups)
	stride := 3 + k // Σf, Σf², Σf³ and Σf²d of each group
	rows, sumF, sumF2 := 0.0, 0.0, 0.0
	for j, c := range s.count {
		if c == 0 {
			continue
		}
		rows += c * s.rows[j]
		f1 := s.size[j] / (1 + lambda*s.size[j])
		sumF += c * f1
		sumF2 += c * f1 * f1
		g := m.group[s.of[j]]
		sums := groups[g*stride:]
		sums[0] += c * f1
		sums[1] += c * f1 * f1
		sums[2] += c * f1 * f1 * f1
		mean, to := s.mean[j*w:(j+1)*w], centre[g*k:(g+1)*k]
		for i, from := range m.columns {
			to[i] += c * f1 * mean[from]
		}
	}
	for g := range m.groups {
		n := groups[g*stride]
		if n == 0 {
			return &RankError{Dependent: []Dependence{{Column: "a factor", Of: []string{"the other columns: a level of it is not in the sample"}}}}
		}
		for i := range k {
			centre[g*k+i] /= n
		}
	}
	d := s.space[:k]
	for j, c := range s.count {
		if c == 0 {
			continue
		}
		f1 := s.size[j] / (1 + lambda*s.size[j])
		f2 := f1 * f1
		f3 := f2 * f1
		f1, f2, f3 = c*f1, c*f2, c*f3
		g := m.group[s.of[j]]
		mean, mid, sums := s.mean[j*w:(j+1)*w], centre[g*k:(g+1)*k], groups[g*stride+3:(g+1)*stride]
		for i, from := range m.columns {
			d[i] = mean[from] - mid[i]
			sums[i] += f2 * d[i]
		}
		for i, a := range d {
			if a == 0 {
				continue
			}
			a1, a2, a3 := f1*a, f2*a, f3*a
			fr, hr, qr := f[i*k:(i+1)*k], h[i*k:(i+1)*k], q[i*k:(i+1)*k]
			for l := i; l < k; l++ {
				fr[l] += a1 * d[l]
				hr[l] += a2 * d[l]
				qr[l] += a3 * d[l]
			}
		}
	}
	trace, trace2 := sumF, sumF2
	for g := range m.groups {
		sums := groups[g*stride : (g+1)*stride]
		if m.method != ML {
			trace -= sums[1] / sums[0]
			trace2 += (sums[1]/sums[0] - 2*sums[2]/sums[1]) * sums[1] / sums[0]
		}
		for i := range k {
			for l := i; l < k; l++ {
				q[i*k+l] -= sums[3+i] * sums[3+l] / sums[0]
			}
		}
	}
	// The cross-products within schools, of the columns of this model.
	z, at := 0, s.space[k:k+len(s.shared.varying)]
	for a, from := range s.shared.varying {
		at[a] = -1
		for i, c := range m.columns {
			if c == from {
				at[a] = float64(i)
			}
		}
	}
	for a, i := range at {
		for _, l := range at[a:] {
			if i >= 0 && l >= 0 {
				f[int(i)*k+int(l)] += s.within[z]
			}
			z++
		}
	}
	for _, x := range [3][]float64{f, h, q} {
		for i := range k {
			for l := range i {
				x[i*k+l] = x[l*k+i]
			}
		}
	}
	return s.newton(m, f, h, q, rows, sumF, trace, trace2)
}

// newton puts the sums together.
func (s *Refitter) newton(m *refitModel, f, h, q []float64, rows, sumF, trace, trace2 float64) error {
	k := len(m.columns)
	p := k - 1
	space := s.space
	xx, space := space[:p*p], space[p*p:]
	ch, space := space[:p*p], space[p*p:]
	v, hv := space[:k], space[k:2*k]
	beta, c := s.fit.beta[:p], s.fit.c[:p*p]
	for i := range p {
		copy(xx[i*p:(i+1)*p], f[i*k:i*k+p])
		beta[i] = f[i*k+p]
	}
	ok := cholesky(xx, p)
	for i := 0; i < p && ok; i++ {
		// columns have variance 1 or, arms, less
		ok = xx[i*p+i]*xx[i*p+i] > 1e-12*sumF
	}
	if !ok {
		return &RankError{Dependent: []Dependence{{Column: "a column of the sample", Of: []string{"the other columns"}}}}
	}
	inverseFrom(xx, c, p)
	solveLower(xx, beta, p, 1)
	solveUpper(xx, beta, p, 1)
	for i, b := range beta {
		v[i] = -b
	}
	v[p] = 1
	yPy := 0.0
	for i, vi := range v {
		yPy += vi * f[i*k+p]
	}
	if !(yPy > 0) {
		return &PerfectFitError{Outcome: "outcome"}
	}
	dof := rows
	if m.method != ML || m.fixed {
		dof -= float64(p + m.groups)
	}
	if !(dof > 0) {
		return &NotIdentifiedError{Level: Residual, Reason: "the sample has no more rows than coefficients"}
	}
	s.fit.sigma2 = yPy / dof
	if m.fixed {
		return nil
	}
	vHv, q2 := 0.0, 0.0
	for i := range k {
		t, u := 0.0, 0.0
		for j, vj := range v {
			t += h[i*k+j] * vj
			u += q[i*k+j] * vj
		}
		hv[i] = t
		vHv += v[i] * t
		q2 += v[i] * u
	}
	trCH, trCQ, trCC := 0.0, 0.0, 0.0
	for i := range p {
		ci := 0.0
		for j := range p {
			t := 0.0
			for l := range p {
				t += c[i*p+l] * h[l*k+j]
			}
			ch[i*p+j] = t
			trCQ += c[i*p+j] * q[i*k+j]
			ci += c[i*p+j] * hv[j]
		}
		trCH += ch[i*p+i]
		q2 -= hv[i] * ci
	}
	for i := range p {
		for j := range p {
			trCC += ch[i*p+j] * ch[j*p+i]
		}
	}
	if m.method == ML {
		trCH, trCQ, trCC = 0, 0, 0
	}
	s.fit.slope = -dof*vHv/yPy + trace - trCH
	s.fit.curve = dof*(2*q2/yPy-(vHv/yPy)*(vHv/yPy)) - trace2 - trCC + 2*trCQ
	return nil
}
