package permute

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"slices"
	"sync"

	"evenhand/analysis"
	"evenhand/analysis/internal/dist"
)

// Resample says what varies in a bootstrap.
type Resample string

// What varies. Only the first keeps to how a trial of schools samples: it is
// the default. Pupils within fixed schools leaves out the variation between
// schools, and its intervals are far too short for an arm given to schools.
const (
	Schools  Resample = "schools"  // whole schools, within strata and arms
	Pupils   Resample = "pupils"   // pupils within each school
	Both     Resample = "both"     // schools, then pupils within each school drawn
	Residual Resample = "residual" // school effects and pupil residuals of a fitted model
)

// Sample is one bootstrap sample: rows of the data, with repeats, and for each
// the school it belongs to. A school drawn twice is two schools. Its slices are
// used again for the next sample.
type Sample struct {
	Rows    []int
	Cluster []int
	// Counts is how often each school was drawn, for statistics that need only
	// that; it is set for Schools and where a school is left out for BCa.
	Counts []int
	// Outcome is a new outcome for every row of the data, for Residual; then
	// Rows and Cluster are nil. (The data themselves come as rows.)
	Outcome []float64
	// LeftOut is one more than the row that was left out for BCa, which Pupils
	// needs; 0 where none was.
	LeftOut int
}

// Resampling describes a bootstrap.
type Resampling struct {
	What       Resample
	Cluster    []int // school of each row, 0 … schools−1, each with a row
	Group      []int // of each school: schools are drawn within a group, say stratum and arm; nil for one group
	Replicates int
	Seed       uint64
	Level      float64 // of the intervals, in (0,1)

	// For Residual: fitted values without school effects, the schools' effects
	// and the pupils' residuals, each reflated to the variance estimated (see
	// Reflate).
	Fitted, SchoolEffect, PupilResidual []float64

	// Statistic makes a function that computes Values numbers from a sample; it
	// is called once for each processor, and what it makes may keep working
	// space of its own.
	Statistic func() func(s Sample, out []float64) error
	Values    int
	// NeedRows says that the statistic reads Rows and Cluster in every sample; if
	// it reads Counts under Schools and LeftOut under Pupils, leaving this false
	// saves their making.
	NeedRows bool
}

// One is the Statistic of a single number; f must be safe for concurrent use.
func One(f func(Sample) (float64, error)) func() func(Sample, []float64) error {
	if f == nil {
		return nil
	}
	return func() func(Sample, []float64) error {
		return func(s Sample, out []float64) (err error) {
			out[0], err = f(s)
			return err
		}
	}
}

// Bootstrap is the outcome of resampling.
type Bootstrap struct {
	Varies     Resample          `json:"varies"`
	Estimate   float64           `json:"estimate"` // of the data themselves
	SE         float64           `json:"se"`       // SD of the replicates
	Bias       float64           `json:"bias"`     // mean of the replicates − estimate
	Percentile analysis.Interval `json:"percentile"`
	// BCa is bias-corrected and accelerated (Efron, JASA 82, 1987), with the
	// acceleration from leaving out each school in turn, stratified (Davison and
	// Hinkley 1997, section 5.4). HasBCa is false for Residual, whose
	// replicates leave no school out, and where there is no acceleration.
	BCa        analysis.Interval `json:"bca"`
	HasBCa     bool              `json:"has_bca"`
	Replicates int               `json:"replicates"`
	Failed     int               `json:"failed"` // replicates without a value; they are left out
}

// Run resamples. The result has one Bootstrap for each value of the statistic.
func Run(r Resampling) ([]Bootstrap, error) {
	b, err := bootstrap(r)
	if err != nil {
		return nil, fmt.Errorf("bootstrap of %s: %w", r.What, err)
	}
	return b, nil
}

type plan struct {
	Resampling
	rows   [][]int // of each school
	groups [][]int // schools of each group
}

func bootstrap(r Resampling) ([]Bootstrap, error) {
	p, err := r.plan()
	if err != nil {
		return nil, err
	}
	whole := (&sampler{plan: p}).leave(-1)
	estimates := make([]float64, r.Values)
	if err := r.Statistic()(whole, estimates); err != nil {
		return nil, fmt.Errorf("of the data themselves: %w", err)
	}
	values := p.each(r.Replicates, func(s *sampler, i int) Sample { return s.draw(i) })
	var left [][]float64
	if r.What != Residual {
		left = p.each(p.leftOut(), func(s *sampler, i int) Sample { return s.leave(i) })
	}
	all := make([]Bootstrap, r.Values)
	for v := range all {
		var jackknife []float64
		if left != nil {
			jackknife = left[v]
		}
		if all[v], err = p.judge(estimates[v], values[v], jackknife); err != nil {
			return nil, err
		}
	}
	return all, nil
}

// judge makes the intervals of one value from its replicates and, but for
// Residual, from the values with each unit left out.
func (p *plan) judge(estimate float64, drawn, left []float64) (Bootstrap, error) {
	out := Bootstrap{Varies: p.What, Replicates: p.Replicates, Estimate: estimate}
	values := drawn[:0]
	for _, v := range drawn {
		if math.IsNaN(v) {
			out.Failed++
			continue
		}
		values = append(values, v)
	}
	if out.Failed*20 > p.Replicates {
		return Bootstrap{}, &FewError{Failed: out.Failed, Replicates: p.Replicates}
	}
	mean := 0.0
	for _, v := range values {
		mean += v
	}
	mean /= float64(len(values))
	for _, v := range values {
		out.SE += (v - mean) * (v - mean)
	}
	out.SE = math.Sqrt(out.SE / float64(len(values)-1))
	out.Bias = mean - out.Estimate
	if !(out.SE > 0) {
		return Bootstrap{}, ErrNoSpread
	}
	slices.Sort(values)
	alpha := (1 - p.Level) / 2
	out.Percentile = analysis.Interval{Low: quantile(values, alpha), High: quantile(values, 1-alpha), Level: p.Level, Method: "bootstrap of " + string(p.What) + ", percentile"}
	if p.What == Residual {
		return out, nil
	}
	a, ok := p.acceleration(left)
	below := 0.0
	for _, v := range values {
		switch {
		case v < out.Estimate:
			below++
		case v == out.Estimate:
			below += 0.5
		}
	}
	below /= float64(len(values))
	if !ok || below == 0 || below == 1 {
		return out, nil
	}
	z0 := dist.NormalQuantile(below)
	adjusted := func(p float64) (float64, bool) {
		z := z0 + dist.NormalQuantile(p)
		d := 1 - a*z
		if !(d > 0) {
			return 0, false
		}
		return dist.NormalCDF(z0 + z/d), true
	}
	lo, okLow := adjusted(alpha)
	hi, okHigh := adjusted(1 - alpha)
	if okLow && okHigh && lo < hi {
		out.BCa = analysis.Interval{Low: quantile(values, lo), High: quantile(values, hi), Level: p.Level, Method: "bootstrap of " + string(p.What) + ", BCa"}
		out.HasBCa = true
	}
	return out, nil
}

// FewError says that too many samples had no value.
type FewError struct{ Failed, Replicates int }

func (e *FewError) Error() string {
	return fmt.Sprintf("the statistic has no value in %d of %d replicates: the schools drawn there do not tell the columns apart", e.Failed, e.Replicates)
}

func (r Resampling) plan() (*plan, error) {
	var faults []error
	say := func(format string, a ...any) { faults = append(faults, fmt.Errorf(format, a...)) }
	switch r.What {
	case Schools, Pupils, Both, Residual:
	default:
		say("what varies is %q; it must be %q, %q, %q or %q", r.What, Schools, Pupils, Both, Residual)
	}
	if r.Replicates < 20 || r.Replicates > 10_000_000 {
		say("%d replicates; give between 20 and ten million", r.Replicates)
	}
	if !(r.Level > 0 && r.Level < 1) {
		say("a confidence level of %v is not between 0 and 1", r.Level)
	}
	if r.Statistic == nil || r.Values < 1 {
		say("there is no statistic")
	}
	schools := 0
	for i, c := range r.Cluster {
		if c < 0 {
			say("row %d is of school %d; schools are numbered from 0", i+1, c)
			return nil, errors.Join(faults...)
		}
		schools = max(schools, c+1)
	}
	if schools < 2 {
		say("there are %d schools; there must be at least two", schools)
	}
	if r.Group != nil && len(r.Group) != schools {
		say("%d groups for %d schools", len(r.Group), schools)
	}
	if r.What == Residual && (len(r.Fitted) != len(r.Cluster) || len(r.PupilResidual) != len(r.Cluster) || len(r.SchoolEffect) != schools) {
		say("%d fitted values, %d residuals and %d school effects for %d rows and %d schools", len(r.Fitted), len(r.PupilResidual), len(r.SchoolEffect), len(r.Cluster), schools)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	p := &plan{Resampling: r, rows: make([][]int, schools)}
	for i, c := range r.Cluster {
		p.rows[c] = append(p.rows[c], i)
	}
	index := map[int]int{}
	for s, rows := range p.rows {
		if len(rows) == 0 {
			say("school %d has no rows", s)
		}
		g := 0
		if r.Group != nil {
			g = r.Group[s]
		}
		at, ok := index[g]
		if !ok {
			at = len(p.groups)
			index[g] = at
			p.groups = append(p.groups, nil)
		}
		p.groups[at] = append(p.groups[at], s)
	}
	return p, errors.Join(faults...)
}

// sampler makes samples, in slices that it uses again.
type sampler struct {
	*plan
	rows, cluster, counts []int
	outcome, effect       []float64
}

// take lists the rows of schools drawn so often.
func (s *sampler) take() Sample {
	if s.What == Schools && !s.NeedRows {
		return Sample{Counts: s.counts}
	}
	next := 0
	for school, n := range s.counts {
		for range n {
			for _, row := range s.plan.rows[school] {
				s.rows, s.cluster = append(s.rows, row), append(s.cluster, next)
			}
			next++
		}
	}
	return Sample{Rows: s.rows, Cluster: s.cluster, Counts: s.counts}
}

// clear empties the sample; each school counts so often.
func (s *sampler) clear(count int) {
	s.rows, s.cluster, s.counts = s.rows[:0], s.cluster[:0], s.counts[:0]
	for range s.plan.rows {
		s.counts = append(s.counts, count)
	}
}

// draw makes replicate i from its own stream.
func (s *sampler) draw(i int) Sample {
	g := rand.New(rand.NewPCG(s.Seed, uint64(i)))
	if s.What == Residual {
		if s.outcome == nil {
			s.outcome, s.effect = make([]float64, len(s.Cluster)), make([]float64, len(s.plan.rows))
		}
		for j := range s.effect {
			s.effect[j] = s.SchoolEffect[g.IntN(len(s.SchoolEffect))]
		}
		for r, c := range s.Cluster {
			s.outcome[r] = s.Fitted[r] + s.effect[c] + s.PupilResidual[g.IntN(len(s.outcome))]
		}
		return Sample{Outcome: s.outcome}
	}
	if s.What == Pupils {
		s.clear(1)
	} else {
		s.clear(0)
		for _, schools := range s.groups {
			for range schools {
				s.counts[schools[g.IntN(len(schools))]]++
			}
		}
	}
	if s.What == Schools {
		return s.take()
	}
	next := 0
	for school, n := range s.counts {
		rows := s.plan.rows[school]
		for range n {
			for range rows {
				s.rows, s.cluster = append(s.rows, rows[g.IntN(len(rows))]), append(s.cluster, next)
			}
			next++
		}
	}
	return Sample{Rows: s.rows, Cluster: s.cluster}
}

// leftOut is the number of units that are left out one by one for BCa: schools,
// or with pupils resampled in fixed schools, pupils.
func (p *plan) leftOut() int {
	if p.What == Pupils {
		return len(p.Cluster)
	}
	return len(p.rows)
}

// leave makes the sample without unit i; all of the data where i is −1.
func (s *sampler) leave(i int) Sample {
	s.clear(1)
	if s.What != Pupils {
		if i >= 0 {
			s.counts[i] = 0
		}
		return s.take()
	}
	if i < 0 {
		return s.take()
	}
	if s.NeedRows {
		for r, c := range s.Cluster {
			if r != i {
				s.rows, s.cluster = append(s.rows, r), append(s.cluster, c)
			}
		}
	}
	return Sample{Rows: s.rows, Cluster: s.cluster, LeftOut: i + 1}
}

// each computes the statistic of n samples, all values of the first number
// first; NaN where there is none. Results do not depend on the number of
// processors, each sample having a stream of its own.
func (p *plan) each(n int, sample func(s *sampler, i int) Sample) [][]float64 {
	all := make([][]float64, p.Values)
	for v := range all {
		all[v] = make([]float64, n)
	}
	workers := runtime.GOMAXPROCS(0)
	var wait sync.WaitGroup
	for id := range workers {
		wait.Add(1)
		go func() {
			defer wait.Done()
			s, statistic, out := &sampler{plan: p}, p.Statistic(), make([]float64, p.Values)
			for i := id; i < n; i += workers {
				err := statistic(sample(s, i), out)
				for v := range all {
					all[v][i] = out[v]
					if err != nil || math.IsInf(out[v], 0) {
						all[v][i] = math.NaN()
					}
				}
			}
		}()
	}
	wait.Wait()
	return all
}

// acceleration is Σ_g Σ l³/n_g³ / (6 (Σ_g Σ l²/n_g²)^(3/2)), with l = (n_g − 1)(mean
// of θ₋ᵢ − θ₋ᵢ) from leaving each unit out; with pupils resampled in fixed
// schools each school is a group.
func (p *plan) acceleration(left []float64) (float64, bool) {
	groups := p.groups
	if p.What == Pupils {
		groups = p.rows
	}
	var cubes, squares float64
	for _, g := range groups {
		n := float64(len(g))
		if n < 2 {
			continue
		}
		mean := 0.0
		for _, u := range g {
			if math.IsNaN(left[u]) {
				return 0, false
			}
			mean += left[u] / n
		}
		for _, u := range g {
			l := (n - 1) * (mean - left[u])
			cubes += l * l * l / (n * n * n)
			squares += l * l / (n * n)
		}
	}
	if !(squares > 0) {
		return 0, false
	}
	return cubes / (6 * math.Pow(squares, 1.5)), true
}

// quantile takes the order statistic at (B+1)p, interpolated (Hyndman and Fan's
// type 6, as is usual for bootstrap replicates).
func quantile(sorted []float64, p float64) float64 {
	at := float64(len(sorted)+1)*p - 1
	i := int(math.Floor(at))
	switch {
	case i < 0:
		return sorted[0]
	case i >= len(sorted)-1:
		return sorted[len(sorted)-1]
	}
	return sorted[i] + (at-float64(i))*(sorted[i+1]-sorted[i])
}

// Reflate centres values and scales them to a variance: predicted school
// effects and residuals vary less than what they predict, and a bootstrap of
// them as they are would be too sure (Carpenter, Goldstein and Rasbash, Applied
// Statistics 52(4), 2003). A variance of 0 gives zeros.
func Reflate(values []float64, variance float64) ([]float64, error) {
	if len(values) == 0 || !(variance >= 0) || math.IsInf(variance, 0) {
		return nil, fmt.Errorf("reflate %d values to variance %v: there must be values and a variance that is not negative", len(values), variance)
	}
	n := float64(len(values))
	mean, now := 0.0, 0.0
	for _, v := range values {
		mean += v / n
	}
	for _, v := range values {
		now += (v - mean) * (v - mean) / n
	}
	out := make([]float64, len(values))
	if variance == 0 {
		return out, nil
	}
	if !(now > 0) {
		return nil, fmt.Errorf("reflate: the values do not vary, and should with variance %v", variance)
	}
	for i, v := range values {
		out[i] = (v - mean) * math.Sqrt(variance/now)
	}
	return out, nil
}
