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
// the school it belongs to. A school drawn twice is two schools.
type Sample struct {
	Rows    []int
	Cluster []int
	// Counts is how often each school was drawn, for statistics that need only
	// that; it is set for Schools and in the jackknife.
	Counts []int
	// Outcome is a new outcome for every row of the data, for Residual; then
	// Rows and Cluster are nil.
	Outcome []float64
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

	// Statistic is computed from a sample; it must be safe for concurrent use.
	Statistic func(Sample) (float64, error)
	// NeedRows says that the statistic reads Rows and Cluster under Schools; if
	// it reads Counts alone, leaving this false saves their making.
	NeedRows bool
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

// Run resamples.
func Run(r Resampling) (Bootstrap, error) {
	b, err := bootstrap(r)
	if err != nil {
		return Bootstrap{}, fmt.Errorf("bootstrap of %s: %w", r.What, err)
	}
	return b, nil
}

type plan struct {
	Resampling
	rows   [][]int // of each school
	groups [][]int // schools of each group
}

func bootstrap(r Resampling) (Bootstrap, error) {
	p, err := r.plan()
	if err != nil {
		return Bootstrap{}, err
	}
	out := Bootstrap{Varies: r.What, Replicates: r.Replicates}
	ones := make([]int, len(p.rows))
	for s := range ones {
		ones[s] = 1
	}
	whole := p.sample(ones)
	if r.What == Residual {
		whole = Sample{Outcome: p.original()}
	}
	if out.Estimate, err = r.Statistic(whole); err != nil {
		return Bootstrap{}, fmt.Errorf("of the data themselves: %w", err)
	}
	values, failed := p.replicates()
	out.Failed = failed
	if failed*20 > r.Replicates {
		return Bootstrap{}, fmt.Errorf("the statistic has no value in %d of %d replicates; there are too few schools for this model", failed, r.Replicates)
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
	alpha := (1 - r.Level) / 2
	out.Percentile = analysis.Interval{Low: quantile(values, alpha), High: quantile(values, 1-alpha), Level: r.Level, Method: "bootstrap of " + string(r.What) + ", percentile"}
	if r.What == Residual {
		return out, nil
	}
	a, ok := p.acceleration()
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
		out.BCa = analysis.Interval{Low: quantile(values, lo), High: quantile(values, hi), Level: r.Level, Method: "bootstrap of " + string(r.What) + ", BCa"}
		out.HasBCa = true
	}
	return out, nil
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
	if r.Statistic == nil {
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

// sample lists the rows of schools drawn so often.
func (p *plan) sample(counts []int) Sample {
	s := Sample{Counts: counts}
	if p.What == Schools && !p.NeedRows {
		return s
	}
	next := 0
	for school, n := range counts {
		for range n {
			for _, row := range p.rows[school] {
				s.Rows = append(s.Rows, row)
				s.Cluster = append(s.Cluster, next)
			}
			next++
		}
	}
	return s
}

func (p *plan) original() []float64 {
	y := make([]float64, len(p.Cluster))
	for i, c := range p.Cluster {
		y[i] = p.Fitted[i] + p.SchoolEffect[c] + p.PupilResidual[i]
	}
	return y
}

// draw makes replicate i from its own stream.
func (p *plan) draw(i int) Sample {
	g := rand.New(rand.NewPCG(p.Seed, uint64(i)))
	if p.What == Residual {
		y := make([]float64, len(p.Cluster))
		effect := make([]float64, len(p.rows))
		for s := range effect {
			effect[s] = p.SchoolEffect[g.IntN(len(p.SchoolEffect))]
		}
		for r, c := range p.Cluster {
			y[r] = p.Fitted[r] + effect[c] + p.PupilResidual[g.IntN(len(y))]
		}
		return Sample{Outcome: y}
	}
	counts := make([]int, len(p.rows))
	if p.What == Pupils {
		for s := range counts {
			counts[s] = 1
		}
	} else {
		for _, schools := range p.groups {
			for range schools {
				counts[schools[g.IntN(len(schools))]]++
			}
		}
	}
	if p.What == Schools {
		return p.sample(counts)
	}
	var s Sample
	next := 0
	for school, n := range counts {
		rows := p.rows[school]
		for range n {
			for range rows {
				s.Rows = append(s.Rows, rows[g.IntN(len(rows))])
				s.Cluster = append(s.Cluster, next)
			}
			next++
		}
	}
	return s
}

func (p *plan) replicates() (values []float64, failed int) {
	values = make([]float64, p.Replicates)
	workers := runtime.GOMAXPROCS(0)
	var wait sync.WaitGroup
	for id := range workers {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for i := id; i < p.Replicates; i += workers {
				v, err := p.Statistic(p.draw(i))
				if err != nil || math.IsInf(v, 0) {
					v = math.NaN()
				}
				values[i] = v
			}
		}()
	}
	wait.Wait()
	kept := values[:0]
	for _, v := range values {
		if math.IsNaN(v) {
			failed++
			continue
		}
		kept = append(kept, v)
	}
	return kept, failed
}

// acceleration is Σ_g Σ l³/n_g³ / (6 (Σ_g Σ l²/n_g²)^(3/2)), with l = (n_g − 1)(mean
// of θ₋ᵢ − θ₋ᵢ) from leaving each unit out: schools, or with pupils resampled in
// fixed schools, pupils (each school then a group).
func (p *plan) acceleration() (float64, bool) {
	groups := p.groups
	leave := func(s int) Sample {
		counts := make([]int, len(p.rows))
		for i := range counts {
			counts[i] = 1
		}
		counts[s] = 0
		return p.sample(counts)
	}
	if p.What == Pupils {
		groups = p.rows
		leave = func(row int) Sample {
			var s Sample
			for i, c := range p.Cluster {
				if i != row {
					s.Rows, s.Cluster = append(s.Rows, i), append(s.Cluster, c)
				}
			}
			return s
		}
	}
	var cubes, squares float64
	for _, g := range groups {
		n := float64(len(g))
		if n < 2 {
			continue
		}
		theta := make([]float64, len(g))
		mean := 0.0
		for i, u := range g {
			v, err := p.Statistic(leave(u))
			if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
				return 0, false
			}
			theta[i] = v
			mean += v / n
		}
		for _, v := range theta {
			l := (n - 1) * (mean - v)
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
