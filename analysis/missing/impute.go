package missing

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sort"
	"sync"

	"evenhand/analysis"
)

// Impute completes the data by Gibbs sampling. The result depends on the model,
// its settings and its seed, not on the number of processors.
func Impute(m Model) (*Imputations, error) {
	m = m.defaults()
	if err := m.check(); err != nil {
		return nil, fmt.Errorf("impute: %w", err)
	}
	out, err := impute(m)
	if err != nil {
		return nil, fmt.Errorf("impute: %w", err)
	}
	return out, nil
}

func impute(m Model) (*Imputations, error) {
	out := &Imputations{Model: m, Prior: describePrior(m), Imputed: make([]int, len(m.Incomplete))}
	parts, err := m.parts()
	if err != nil {
		return nil, err
	}
	// Imputation s comes from chain s mod Chains.
	type result struct {
		sets  []Set
		trace [][]float64
		err   error
	}
	results := make([][]result, len(parts))
	var wait sync.WaitGroup
	slots := make(chan struct{}, runtime.GOMAXPROCS(0))
	for p, part := range parts {
		results[p] = make([]result, m.Chains)
		for c := range m.Chains {
			count := (m.Imputations + m.Chains - 1 - c) / m.Chains
			wait.Add(1)
			go func() {
				defer wait.Done()
				slots <- struct{}{}
				defer func() { <-slots }()
				r := &results[p][c]
				r.sets, r.trace, r.err = part.run(m, uint64(p), c, count)
			}()
		}
	}
	wait.Wait()
	var faults []error
	for p := range parts {
		for c := range results[p] {
			if e := results[p][c].err; e != nil {
				faults = append(faults, parts[p].describe(e))
				break
			}
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	for s := range m.Imputations {
		c, i := s%m.Chains, s/m.Chains
		set := Set{Chain: c, Values: make([][]float64, len(m.Incomplete))}
		for v, variable := range m.Incomplete {
			set.Values[v] = append([]float64(nil), variable.Values...)
		}
		for p, part := range parts {
			piece := results[p][c].sets[i]
			set.Iteration = piece.Iteration
			set.Draws = append(set.Draws, piece.Draws...)
			for v := range set.Values {
				for at, row := range part.rows {
					if !m.Incomplete[v].Observed[row] {
						set.Values[v][row] = piece.Values[v][at]
					}
				}
			}
		}
		out.Sets = append(out.Sets, set)
	}
	for p, part := range parts {
		for v, n := range part.imputed {
			out.Imputed[v] += n
		}
		for t, name := range part.traced {
			tr := Trace{Parameter: name, Arm: part.arm}
			for c := range m.Chains {
				tr.Chains = append(tr.Chains, results[p][c].trace[t])
			}
			tr.RHat, tr.ESS = convergence(tr.Chains)
			tr.Lag = autocorrelation(tr.Chains, m.Between)
			out.Traces = append(out.Traces, tr)
		}
	}
	worst := Trace{RHat: 1}
	for _, t := range out.Traces {
		if t.RHat > worst.RHat {
			worst = t
		}
	}
	if worst.RHat > 1.05 {
		out.Warnings = append(out.Warnings, analysis.Warning{Code: WarnConvergence,
			Text: fmt.Sprintf("The imputation chains have not settled (R-hat of %s is %.3f, and should be below 1.05); run more iterations.", worst.Parameter, worst.RHat)})
	}
	for _, v := range m.Incomplete {
		if v.Kind != Factor || v.School {
			continue
		}
		have := make([]int, v.Levels)
		for i, ok := range v.Observed {
			if ok {
				have[int(v.Values[i])]++
			}
		}
		for c, n := range have {
			if n < rareCategory {
				name := v.latentName(c)
				if c == 0 {
					name = v.Name + ", first category"
				}
				out.Warnings = append(out.Warnings, analysis.Warning{Code: WarnRare,
					Text: fmt.Sprintf("Only %d have %s: its chains settle slowly; joining it with another category would mend that.", n, name)})
			}
		}
	}
	lost := 0.0
	for v, n := range out.Imputed {
		rows := float64(len(m.Cluster))
		if m.Incomplete[v].School {
			rows = float64(countDistinct(m.Cluster))
		}
		lost = max(lost, float64(n)/rows)
	}
	if float64(m.Imputations) < 100*lost {
		out.Warnings = append(out.Warnings, analysis.Warning{Code: WarnFewSets,
			Text: fmt.Sprintf("%d imputations are fewer than the percentage missing (%.0f %% of one variable); results would change with another seed.", m.Imputations, 100*lost)})
	}
	return out, nil
}

func countDistinct(v []int) int {
	seen := map[int]bool{}
	for _, x := range v {
		seen[x] = true
	}
	return len(seen)
}

// part is the rows of one arm, or all, ready to be sampled.
type part struct {
	arm     int
	byArm   bool
	rows    []int // in order of school
	pupil   []int // places in Model.Incomplete of the variables of pupils: continuous, then one a latent
	school  []int // and of schools
	means   []float64
	scales  []float64 // of each incomplete variable; 0 and 1 for binary
	xMeans  []float64 // of each predictor
	xScales []float64
	base    sampler // template: shared by chains, but for what they change
	imputed []int
	traced  []string
}

func (p *part) describe(err error) error {
	if p.byArm {
		return fmt.Errorf("arm %d: %w", p.arm, err)
	}
	return err
}

func (m Model) parts() ([]*part, error) {
	if m.ByArm == nil {
		rows := make([]int, len(m.Cluster))
		for i := range rows {
			rows[i] = i
		}
		p, err := m.part(rows)
		if err != nil {
			return nil, err
		}
		return []*part{p}, nil
	}
	arms := map[int][]int{}
	var labels []int
	for i, a := range m.ByArm {
		if arms[a] == nil {
			labels = append(labels, a)
		}
		arms[a] = append(arms[a], i)
	}
	sort.Ints(labels)
	var parts []*part
	var faults []error
	for _, a := range labels {
		p, err := m.part(arms[a])
		if err != nil {
			faults = append(faults, fmt.Errorf("arm %d: %w", a, err))
			continue
		}
		p.arm, p.byArm = a, true
		parts = append(parts, p)
	}
	return parts, errors.Join(faults...)
}

// part prepares rows: sorted by school, standardised, with starting values.
func (m Model) part(rows []int) (*part, error) {
	order := append([]int(nil), rows...)
	index := map[int]int{}
	for _, r := range rows {
		if _, ok := index[m.Cluster[r]]; !ok {
			index[m.Cluster[r]] = len(index)
		}
	}
	sort.SliceStable(order, func(a, b int) bool { return index[m.Cluster[order[a]]] < index[m.Cluster[order[b]]] })
	p := &part{rows: order, imputed: make([]int, len(m.Incomplete)), means: make([]float64, len(m.Incomplete)), scales: make([]float64, len(m.Incomplete))}
	s := &p.base
	s.n, s.m, s.k = len(order), len(index), 1+len(m.Predictors)
	if s.m < 2 {
		return nil, fmt.Errorf("there is %d school; school effects need at least two", s.m)
	}
	s.starts = make([]int, s.m+1)
	for _, r := range order {
		s.starts[index[m.Cluster[r]]+1]++
	}
	for j := range s.m {
		s.starts[j+1] += s.starts[j]
	}
	// Predictors.
	s.x = make([][]float64, s.k)
	s.x[0] = make([]float64, s.n)
	for i := range s.x[0] {
		s.x[0][i] = 1
	}
	for c, pred := range m.Predictors {
		v := make([]float64, s.n)
		for i, r := range order {
			v[i] = pred.Values[r]
		}
		mean, sd := standardise(v, nil)
		if sd == 0 {
			return nil, fmt.Errorf("predictor %q is the same in every row; leave it out", pred.Name)
		}
		s.x[1+c] = v
		p.xMeans, p.xScales = append(p.xMeans, mean), append(p.xScales, sd)
	}
	s.fine = []int{0}
	for c, pred := range m.Predictors {
		if !pred.Coarse {
			s.fine = append(s.fine, 1+c)
		}
	}
	s.xx = make([]float64, s.k*s.k)
	for i := range s.k {
		for j := range s.k {
			s.xx[i*s.k+j] = dot(s.x[i], s.x[j])
		}
	}
	s.xxL = append([]float64(nil), s.xx...)
	ok := cholesky(s.xxL, s.k)
	for i := range s.k {
		ok = ok && s.xxL[i*s.k+i] > 1e-5*math.Sqrt(float64(s.n))
	}
	if !ok {
		return nil, errors.New("the predictors say the same twice; leave one out")
	}
	if s.n <= s.k+len(m.Incomplete)+1 {
		return nil, fmt.Errorf("%d rows for %d predictors and %d incomplete variables; there are too few", s.n, s.k, len(m.Incomplete))
	}
	s.sx = make([][]float64, s.m)
	for j := range s.sx {
		s.sx[j] = make([]float64, s.k)
		for i, x := range s.x {
			for _, v := range x[s.starts[j]:s.starts[j+1]] {
				s.sx[j][i] += v
			}
		}
	}
	// Variables of pupils: continuous first.
	for _, categorical := range []bool{false, true} {
		for v, variable := range m.Incomplete {
			if variable.School || (variable.Kind != Continuous) != categorical {
				continue
			}
			for range variable.latents() {
				p.pupil = append(p.pupil, v)
			}
			if !categorical {
				s.rc++
			}
		}
	}
	s.r = len(p.pupil)
	s.groups = make([]*latents, s.r)
	for len(s.y) < s.r {
		v := p.pupil[len(s.y)]
		variable := m.Incomplete[v]
		values, observed := make([]float64, s.n), make([]bool, s.n)
		for i, r := range order {
			values[i], observed[i] = variable.Values[r], variable.Observed[r]
			if !observed[i] {
				p.imputed[v]++
			}
		}
		if variable.Kind != Continuous {
			p.scales[v] = 1
			group := newLatents(len(s.y), variable.latents(), values, observed)
			all := make([]int, s.n)
			for i := range all {
				all[i] = i
			}
			for c := range group.size {
				s.groups[len(s.y)] = group
				s.y, s.cells = append(s.y, group.start(c+1)), append(s.cells, all)
			}
			continue
		}
		p.means[v], p.scales[v] = standardise(values, observed)
		if p.scales[v] == 0 {
			return nil, fmt.Errorf("variable %q: %w", variable.Name, ErrNoVariation)
		}
		var cells []int
		for i := range values {
			if !observed[i] {
				values[i] = 0
				cells = append(cells, i)
			}
		}
		s.y, s.cells = append(s.y, values), append(s.cells, cells)
	}
	if err := m.identified(p); err != nil {
		return nil, err
	}
	if err := m.schoolVariables(p); err != nil {
		return nil, err
	}
	s.q = s.r + s.r2
	m.priors(p)
	names := append([]string{"intercept"}, predictorNames(m.Predictors)...)
	for t, v := range p.pupil {
		own := p.nameOf(m, t, v)
		for _, x := range names {
			p.traced = append(p.traced, fmt.Sprintf("%s: coefficient of %s", own, x))
		}
		p.traced = append(p.traced, own+": variance of pupils", own+": variance of schools")
	}
	for o, v := range p.school {
		p.traced = append(p.traced, p.nameOf(m, s.r+o, v)+": variance of schools")
	}
	return p, nil
}

// nameOf names a variable of the sampler, by its place among all of them.
func (p *part) nameOf(m Model, at, v int) string {
	g := (*latents)(nil)
	if at < p.base.r {
		g = p.base.groups[at]
	} else {
		at -= p.base.r
		g = p.base.groups2[at]
	}
	if g == nil {
		return m.Incomplete[v].Name
	}
	return m.Incomplete[v].latentName(at - g.first + 1)
}

// identified makes sure that every predictor says something of its own among the
// rows where a variable was observed: where everything is missing in an arm or a
// stratum its coefficient could be anything.
func (m Model) identified(p *part) error {
	var faults []error
	for _, v := range p.pupil {
		variable := m.Incomplete[v]
		var seen []Predictor
		for _, pred := range m.Predictors {
			if pred.Coarse && variable.Kind != Continuous {
				continue
			}
			some := Predictor{Name: pred.Name}
			for _, r := range p.rows {
				if variable.Observed[r] {
					some.Values = append(some.Values, pred.Values[r])
				}
			}
			seen = append(seen, some)
		}
		if len(seen) == 0 {
			continue
		}
		if _, lost := independent(seen, len(seen[0].Values)); lost != nil {
			faults = append(faults, fmt.Errorf("variable %q: where it is observed, predictors %q say nothing of their own (is it missing throughout an arm or a stratum?): %w", variable.Name, lost, ErrAllMissing))
		}
	}
	return errors.Join(faults...)
}

func predictorNames(ps []Predictor) []string {
	out := make([]string, len(ps))
	for i, p := range ps {
		out[i] = p.Name
	}
	return out
}

// standardise takes the mean out of the observed values and divides by their SD.
func standardise(v []float64, observed []bool) (mean, sd float64) {
	n := 0.0
	for i, x := range v {
		if observed == nil || observed[i] {
			mean += x
			n++
		}
	}
	mean /= max(n, 1)
	for i, x := range v {
		if observed == nil || observed[i] {
			sd += (x - mean) * (x - mean)
		}
	}
	sd = math.Sqrt(sd / max(n-1, 1))
	if !(sd > 1e-12*math.Abs(mean)) {
		return mean, 0
	}
	for i := range v {
		v[i] = (v[i] - mean) / sd
	}
	return mean, sd
}

// schoolVariables sets up the variables of schools. Their predictors are those
// that do not vary within any school.
func (m Model) schoolVariables(p *part) error {
	s := &p.base
	for _, categorical := range []bool{false, true} {
		for v, variable := range m.Incomplete {
			if !variable.School || (variable.Kind != Continuous) != categorical {
				continue
			}
			for range variable.latents() {
				p.school = append(p.school, v)
			}
			if !categorical {
				s.r2c++
			}
		}
	}
	s.r2 = len(p.school)
	s.groups2 = make([]*latents, s.r2)
	if s.r2 == 0 {
		return nil
	}
	s.y2, s.w = make([][]float64, s.m), make([][]float64, s.m)
	columns := []int{}
	s.fine2 = nil
	for c, x := range s.x {
		same := true
		for j := range s.m {
			for _, v := range x[s.starts[j]:s.starts[j+1]] {
				same = same && v == x[s.starts[j]]
			}
		}
		if same {
			if slices.Contains(s.fine, c) {
				s.fine2 = append(s.fine2, len(columns))
			}
			columns = append(columns, c)
		}
	}
	s.kw = len(columns)
	for j := range s.m {
		s.y2[j] = make([]float64, s.r2)
		for _, c := range columns {
			s.w[j] = append(s.w[j], s.x[c][s.starts[j]])
		}
	}
	for o := 0; o < s.r2; {
		v := p.school[o]
		variable := m.Incomplete[v]
		values, observed := make([]float64, s.m), make([]bool, s.m)
		for j := range s.m {
			for _, at := range p.rows[s.starts[j]:s.starts[j+1]] {
				if !variable.Observed[at] {
					continue
				}
				if observed[j] && values[j] != variable.Values[at] {
					return fmt.Errorf("variable %q is given as one of schools, but has two values, %v and %v, in one school", variable.Name, values[j], variable.Values[at])
				}
				values[j], observed[j] = variable.Values[at], true
			}
			if !observed[j] {
				p.imputed[v]++
			}
		}
		if variable.Kind != Continuous {
			p.scales[v] = 1
			group := newLatents(o, variable.latents(), values, observed)
			for c := range group.size {
				s.groups2[o] = group
				for j, y := range group.start(c + 1) {
					s.y2[j][o] = y
					s.lost2 = append(s.lost2, [2]int{j, o})
				}
				o++
			}
			continue
		}
		p.means[v], p.scales[v] = standardise(values, observed)
		if p.scales[v] == 0 {
			return fmt.Errorf("variable %q: %w", variable.Name, ErrNoVariation)
		}
		for j := range s.m {
			if !observed[j] {
				values[j] = 0
				s.lost2 = append(s.lost2, [2]int{j, o})
			}
			s.y2[j][o] = values[j]
		}
		o++
	}
	s.ww = make([]float64, s.kw*s.kw)
	for _, w := range s.w {
		for a := range s.kw {
			for b := range s.kw {
				s.ww[a*s.kw+b] += w[a] * w[b]
			}
		}
	}
	s.wwL = append([]float64(nil), s.ww...)
	if s.m <= s.kw+s.r2 || !cholesky(s.wwL, s.kw) {
		return fmt.Errorf("%d schools for %d predictors and %d variables of schools; there are too few", s.m, s.kw, s.r2)
	}
	return nil
}

// priors fills in the prior on the standardised scale.
func (m Model) priors(p *part) {
	s := &p.base
	c := s.r + s.r2c // of Ψ, what is inverse Wishart
	s.priorS, s.priorP = make([]float64, s.rc*s.rc), make([]float64, c*c)
	if m.Prior == nil {
		s.dfS, s.dfP = float64(s.rc), float64(c)
		for t := range s.rc {
			s.priorS[t*s.rc+t] = 0.85 * s.dfS
		}
		for t := range c {
			s.priorP[t*c+t] = 0.15 * s.dfP
			if t >= s.r { // all of a school variable's variance is between schools
				s.priorP[t*c+t] = s.dfP
			}
		}
		return
	}
	s.dfS, s.dfP = m.Prior.DFPupil, m.Prior.DFSchool
	for t, v := range append(append([]int(nil), p.pupil...), p.school[:s.r2c]...) {
		square := p.scales[v] * p.scales[v]
		if t < s.rc {
			s.priorS[t*s.rc+t] = m.Prior.Pupil[v] / square
		}
		s.priorP[t*c+t] = m.Prior.School[v] / square
	}
}

// chain copies what a chain changes.
func (p *part) chain(g *rand.Rand) *sampler {
	s := p.base
	s.g = g
	s.y = copyRows(p.base.y)
	s.y2 = copyRows(p.base.y2)
	s.u, s.sy = make([][]float64, s.m), make([][]float64, s.m)
	for j := range s.u {
		s.u[j], s.sy[j] = make([]float64, s.r), make([]float64, s.r)
	}
	s.b, s.b2 = make([]float64, s.k*s.r), make([]float64, s.kw*s.r2)
	s.sigma, s.psi = make([]float64, s.r*s.r), make([]float64, s.q*s.q)
	for t := range s.q {
		// Chains start apart: R-hat compares them.
		s.psi[t*s.q+t] = 0.05 + 0.5*g.Float64()
	}
	return &s
}

func copyRows(v [][]float64) [][]float64 {
	out := make([][]float64, len(v))
	for i, r := range v {
		out[i] = append([]float64(nil), r...)
	}
	return out
}

func (p *part) run(m Model, stream uint64, chain, count int) ([]Set, [][]float64, error) {
	s := p.chain(rand.New(rand.NewPCG(m.Seed, stream<<32|uint64(chain))))
	for range m.BurnIn {
		if err := s.cycle(); err != nil {
			return nil, nil, err
		}
	}
	iterations := count * m.Between
	trace := make([][]float64, len(p.traced))
	for t := range trace {
		trace[t] = make([]float64, 0, iterations)
	}
	var sets []Set
	for i := range iterations {
		if err := s.cycle(); err != nil {
			return nil, nil, err
		}
		d := p.draw(m, s)
		at := 0
		put := func(v float64) {
			trace[at] = append(trace[at], v)
			at++
		}
		for t := range p.pupil {
			for _, c := range d.Coef[t] {
				put(c)
			}
			put(d.Sigma[t][t])
			put(d.Psi[t][t])
		}
		for o := range p.school {
			put(d.Psi[s.r+o][s.r+o])
		}
		if (i+1)%m.Between == 0 {
			sets = append(sets, p.save(m, s, d, chain, m.BurnIn+i+1))
		}
	}
	return sets, trace, nil
}

// draw turns the parameters back into the variables' units.
func (p *part) draw(m Model, s *sampler) Draw {
	d := Draw{Arm: p.arm}
	for t, v := range p.pupil {
		coef := make([]float64, s.k)
		coef[0] = p.means[v] + p.scales[v]*s.b[t]
		for i := 1; i < s.k; i++ {
			coef[i] = p.scales[v] * s.b[i*s.r+t] / p.xScales[i-1]
			coef[0] -= coef[i] * p.xMeans[i-1]
		}
		d.Coef = append(d.Coef, coef)
	}
	all := append(append([]int(nil), p.pupil...), p.school...)
	square := func(a []float64, n int) [][]float64 {
		out := make([][]float64, n)
		for i := range out {
			out[i] = make([]float64, n)
			for j := range out[i] {
				out[i][j] = a[i*n+j] * p.scales[all[i]] * p.scales[all[j]]
			}
		}
		return out
	}
	d.Sigma, d.Psi = square(s.sigma, s.r), square(s.psi, s.q)
	for at, v := range all {
		d.Variables = append(d.Variables, p.nameOf(m, at, v))
	}
	return d
}

// save makes the completed values of the part's rows, in its own order.
func (p *part) save(m Model, s *sampler, d Draw, chain, iteration int) Set {
	set := Set{Chain: chain, Iteration: iteration, Values: make([][]float64, len(m.Incomplete)), Draws: []Draw{d}}
	for t, v := range p.pupil {
		g := s.groups[t]
		if g != nil && g.first != t {
			continue // one of a factor's, which stands with its first
		}
		out := make([]float64, s.n)
		for i, y := range s.y[t] {
			if g != nil {
				out[i] = float64(g.category(func(c int) float64 { return s.y[g.first+c][i] }))
				continue
			}
			out[i] = p.means[v] + p.scales[v]*y
		}
		set.Values[v] = out
	}
	for o, v := range p.school {
		g := s.groups2[o]
		if g != nil && g.first != o {
			continue
		}
		out := make([]float64, s.n)
		for j := range s.m {
			y := p.means[v] + p.scales[v]*s.y2[j][o]
			if g != nil {
				y = float64(g.category(func(c int) float64 { return s.y2[j][g.first+c] }))
			}
			for i := s.starts[j]; i < s.starts[j+1]; i++ {
				out[i] = y
			}
		}
		set.Values[v] = out
	}
	return set
}

// Complete puts a Set of ModelOf's model back into a copy of the Dataset: every
// outcome and covariate is then observed.
func Complete(d *analysis.Dataset, m Model, s Set) (*analysis.Dataset, error) {
	out := *d
	n := len(d.Arm)
	all := make([]bool, n)
	for i := range all {
		all[i] = true
	}
	at := map[string]int{}
	for v, variable := range m.Incomplete {
		if v >= len(s.Values) || len(s.Values[v]) != n {
			return nil, fmt.Errorf("complete the data: the imputation does not belong to these %d rows", n)
		}
		at[variable.Name] = v
	}
	out.Covariates = append([]analysis.Column(nil), d.Covariates...)
	if v, ok := at[OutcomeName]; ok {
		out.Outcome, out.Observed, out.Lost = s.Values[v], all, make([]string, n)
	}
	for i, c := range out.Covariates {
		v, ok := at[c.Name]
		if !ok {
			continue
		}
		c.Observed = nil
		if c.Levels == nil {
			c.Values = s.Values[v]
		} else {
			c.Codes = make([]int, n)
			codes := m.Incomplete[v].codes
			for r, x := range s.Values[v] {
				c.Codes[r] = codes[int(x)]
			}
		}
		out.Covariates[i] = c
	}
	return &out, nil
}

// convergence is the split-chain R-hat and the effective number of draws (Gelman
// et al., Bayesian Data Analysis, 3rd ed., section 11.4).
func convergence(chains [][]float64) (rhat, ess float64) {
	// A chain may have one imputation more than another: all count as long as the
	// shortest, from its end.
	shortest := len(chains[0])
	for _, c := range chains {
		shortest = min(shortest, len(c))
	}
	var halves [][]float64
	for _, c := range chains {
		c = c[len(c)-shortest:]
		h := len(c) / 2
		if h < 2 {
			return 1, float64(len(chains))
		}
		halves = append(halves, c[:h], c[h:2*h])
	}
	n, m := float64(len(halves[0])), float64(len(halves))
	means, grand, within := make([]float64, len(halves)), 0.0, 0.0
	for i, c := range halves {
		for _, v := range c {
			means[i] += v / n
		}
		grand += means[i] / m
		for _, v := range c {
			within += (v - means[i]) * (v - means[i]) / (n - 1) / m
		}
	}
	between := 0.0
	for _, v := range means {
		between += n * (v - grand) * (v - grand) / (m - 1)
	}
	if !(within > 0) {
		return 1, n * m
	}
	total := (n-1)/n*within + between/n
	rhat = math.Sqrt(total / within)
	sum := 0.0
	previous := 0.0
	for lag := 1; lag < len(halves[0])/2; lag++ {
		v := 0.0
		for _, c := range halves {
			for i := lag; i < len(c); i++ {
				v += (c[i] - c[i-lag]) * (c[i] - c[i-lag]) / (n - float64(lag)) / m
			}
		}
		rho := 1 - v/(2*total)
		if lag%2 == 0 && rho+previous < 0 {
			sum -= previous
			break
		}
		sum += rho
		previous = rho
		if lag > 500 {
			break
		}
	}
	return rhat, n * m / math.Max(1, 1+2*sum)
}

func autocorrelation(chains [][]float64, lag int) float64 {
	num, den := 0.0, 0.0
	for _, c := range chains {
		if len(c) <= lag {
			continue
		}
		mean := 0.0
		for _, v := range c {
			mean += v / float64(len(c))
		}
		for i, v := range c {
			den += (v - mean) * (v - mean)
			if i >= lag {
				num += (v - mean) * (c[i-lag] - mean)
			}
		}
	}
	if !(den > 0) {
		return 0
	}
	return num / den
}
