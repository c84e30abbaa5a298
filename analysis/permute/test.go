package permute

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"

	"evenhand/analysis"
)

// Errors of a test.
var (
	ErrNoSpread = errors.New("the statistic does not vary between redraws")
	ErrArms     = errors.New("a redraw is not of the two arms compared")
)

// Piece is a statistic under one allocation as a function of a constant shift
// τ of the outcomes of the units treated in the trial as it was drawn:
// (A − τC)/√(V0 − 2τV1 + τ²V2). A difference has V0 = 1 and V1 = V2 = 0.
type Piece struct{ A, C, V0, V1, V2 float64 }

// At is the statistic at shift tau; 0 where its variance is 0.
func (p Piece) At(tau float64) float64 {
	v := p.V0 - 2*tau*p.V1 + tau*tau*p.V2
	if !(v > 0) {
		return 0
	}
	if tau == 0 { // C may be missing
		return p.A / math.Sqrt(v)
	}
	return (p.A - tau*p.C) / math.Sqrt(v)
}

// Statistic measures the effect under any allocation. treated says of each unit
// whether it is in the arm studied. It must be safe for concurrent use.
type Statistic interface {
	Of(treated []bool) (Piece, error)
}

// Func makes a Statistic of a function of the allocation alone, such as a
// refitted model's estimate. It has no interval.
type Func func(treated []bool) (float64, error)

// Of calls f.
func (f Func) Of(treated []bool) (Piece, error) {
	v, err := f(treated)
	return Piece{A: v, C: math.NaN(), V0: 1}, err
}

// Problem is a test by redrawing.
type Problem struct {
	Drawn   []int             // arm of each unit as drawn
	Arm     int               // the arm studied
	Against int               // the arm it is compared with
	Redraw  func(i int) []int // arms of the units in redraw i, for 0 ≤ i < Redraws; safe for concurrent use
	Redraws int
	// Enumerated says that the redraws are all possible allocations, each once
	// and equally likely, the drawn one among them. Then p-values are exact.
	Enumerated bool
	Statistic  Statistic
	Level      float64 // of the interval, in (0,1); 0 for none
}

// Result is a randomisation test.
type Result struct {
	Observed float64 `json:"observed"` // the statistic as drawn
	P        float64 `json:"p"`        // two-sided: share of redraws with at least the observed absolute value
	Upper    float64 `json:"p_upper"`  // share with at least the observed value
	Lower    float64 `json:"p_lower"`  // share with at most the observed value
	Redraws  int     `json:"redraws"`
	Failed   int     `json:"failed"` // redraws for which the statistic has no value; they count as at least as extreme
	// Enumerated p-values are shares of all allocations; otherwise they are
	// (1+b)/(1+B), the drawn allocation counted among the redraws.
	Enumerated bool `json:"enumerated"`
	// Distinct is the number of different absolute values met: with few, p is
	// coarse and cannot be small.
	Distinct int     `json:"distinct"`
	Mean     float64 `json:"mean"` // of the statistic over redraws
	Variance float64 `json:"variance"`
	// Interval holds the shifts that the test does not reject; HasInterval is
	// false where none was asked for, the statistic has none, or it has no end.
	Interval    analysis.Interval `json:"interval"`
	HasInterval bool              `json:"has_interval"`
	Why         string            `json:"why"` // why there is no interval; "" if there is one or none was asked for
}

// Ties counts values as equal to the observed one up to this share of it: sums
// of the same numbers in another order differ by rounding, and ties are common
// in small trials.
const Ties = 1e-9

// Test runs a randomisation test. Ties count as at least as extreme.
func Test(p Problem) (Result, error) {
	r, err := run(p)
	if err != nil {
		return Result{}, fmt.Errorf("randomisation test: %w", err)
	}
	return r, nil
}

func run(p Problem) (Result, error) {
	if err := p.check(); err != nil {
		return Result{}, err
	}
	drawn, err := indicator(p.Drawn, p.Arm, p.Against, len(p.Drawn))
	if err != nil {
		return Result{}, fmt.Errorf("as drawn: %w", err)
	}
	observed, err := p.Statistic.Of(drawn)
	if err != nil {
		return Result{}, fmt.Errorf("as drawn: %w", err)
	}
	if math.IsNaN(observed.At(0)) || math.IsInf(observed.At(0), 0) {
		return Result{}, errors.New("as drawn: the statistic is not a finite number")
	}
	pieces, failed, err := p.pieces()
	if err != nil {
		return Result{}, err
	}
	set := &redrawn{observed: observed, pieces: pieces, failed: failed, enumerated: p.Enumerated}
	r := Result{Observed: observed.At(0), Redraws: len(pieces) + failed, Failed: failed, Enumerated: p.Enumerated}
	var upper, lower int
	values := make([]float64, len(pieces))
	eps := Ties * math.Max(math.Abs(r.Observed), 1e-300)
	sum := 0.0
	for i, q := range pieces {
		v := q.At(0)
		values[i] = v
		sum += v
		if v >= r.Observed-eps {
			upper++
		}
		if v <= r.Observed+eps {
			lower++
		}
	}
	r.P = set.p(0)
	r.Upper, r.Lower = set.share(upper), set.share(lower)
	if len(values) > 0 {
		r.Mean = sum / float64(len(values))
		for _, v := range values {
			r.Variance += (v - r.Mean) * (v - r.Mean)
		}
		r.Variance /= float64(len(values))
	}
	r.Distinct = distinct(values, eps)
	if p.Level == 0 {
		return r, nil
	}
	r.Interval, r.Why = set.interval(p.Level)
	r.HasInterval = r.Why == ""
	if !r.HasInterval {
		r.Interval = analysis.Interval{}
	}
	return r, nil
}

func (p Problem) check() error {
	var faults []error
	if len(p.Drawn) == 0 {
		faults = append(faults, errors.New("there are no units"))
	}
	if p.Arm == p.Against {
		faults = append(faults, errors.New("an arm cannot be compared with itself"))
	}
	if p.Redraw == nil || p.Redraws < 1 || p.Redraws > 50_000_000 {
		faults = append(faults, fmt.Errorf("%d redraws; give a redraw function and between 1 and fifty million", p.Redraws))
	}
	if p.Statistic == nil {
		faults = append(faults, errors.New("there is no statistic"))
	}
	if p.Level != 0 && !(p.Level > 0 && p.Level < 1) {
		faults = append(faults, fmt.Errorf("a confidence level of %v is not between 0 and 1", p.Level))
	}
	return errors.Join(faults...)
}

// indicator turns arms into treated or not. Units of a third arm belong to
// another comparison: their outcomes say nothing about this null hypothesis, so
// the caller leaves them out and redraws within the pair.
func indicator(arms []int, arm, against, units int) ([]bool, error) {
	if len(arms) != units {
		return nil, fmt.Errorf("%w: %d units, expected %d", ErrArms, len(arms), units)
	}
	z := make([]bool, units)
	for i, a := range arms {
		if a != arm && a != against {
			return nil, fmt.Errorf("%w: unit %d is in arm %d; leave units of other arms out and redraw within the pair", ErrArms, i+1, a)
		}
		z[i] = a == arm
	}
	return z, nil
}

// pieces computes the statistic of every redraw, on all processors.
func (p Problem) pieces() (pieces []Piece, failed int, err error) {
	all := make([]Piece, p.Redraws)
	bad := make([]bool, p.Redraws)
	workers := runtime.GOMAXPROCS(0)
	faults := make([]error, workers)
	var wait sync.WaitGroup
	for id := range workers {
		wait.Add(1)
		go func() {
			defer wait.Done()
			for i := id; i < p.Redraws; i += workers {
				z, err := indicator(p.Redraw(i), p.Arm, p.Against, len(p.Drawn))
				if err != nil {
					faults[id] = fmt.Errorf("redraw %d: %w", i, err)
					return
				}
				q, err := p.Statistic.Of(z)
				if err != nil || math.IsNaN(q.A) || math.IsInf(q.A, 0) || math.IsNaN(q.V0) {
					bad[i] = true
					continue
				}
				all[i] = q
			}
		}()
	}
	wait.Wait()
	for _, e := range faults {
		if e != nil {
			return nil, 0, e
		}
	}
	pieces = all[:0]
	for i, q := range all {
		if bad[i] {
			failed++
			continue
		}
		pieces = append(pieces, q)
	}
	if len(pieces) == 0 {
		return nil, 0, errors.New("the statistic has no value in any redraw")
	}
	return pieces, failed, nil
}

type redrawn struct {
	observed   Piece
	pieces     []Piece
	failed     int
	enumerated bool
}

// share turns a count of redraws into a p-value; failed redraws count as
// extreme, which can only make it larger.
func (s *redrawn) share(n int) float64 {
	n += s.failed
	total := len(s.pieces) + s.failed
	if s.enumerated {
		return float64(n) / float64(total)
	}
	return float64(1+n) / float64(1+total)
}

// p is the two-sided p-value of shift tau.
func (s *redrawn) p(tau float64) float64 {
	limit := math.Abs(s.observed.At(tau)) * (1 - Ties)
	n := 0
	for _, q := range s.pieces {
		if math.Abs(q.At(tau)) >= limit {
			n++
		}
	}
	return s.share(n)
}

// interval inverts the test: from the shift at which the statistic as drawn
// is zero, outwards on each side, to where the p-value falls to 1 − level.
func (s *redrawn) interval(level float64) (analysis.Interval, string) {
	if math.IsNaN(s.observed.C) || s.observed.C == 0 {
		return analysis.Interval{}, "the statistic has no value for a shifted outcome"
	}
	centre := s.observed.A / s.observed.C
	step := 0.0
	for _, q := range s.pieces {
		step += (q.A - q.C*centre) * (q.A - q.C*centre)
	}
	step = math.Sqrt(step/float64(len(s.pieces))) / math.Abs(s.observed.C)
	if !(step > 0) || math.IsInf(step, 0) {
		return analysis.Interval{}, ErrNoSpread.Error()
	}
	alpha := 1 - level
	end := func(direction float64) (float64, bool) {
		inside, outside, width := centre, centre+direction*step, step
		for range 60 {
			if s.p(outside) <= alpha {
				break
			}
			inside = outside
			width *= 2
			outside = inside + direction*width
		}
		if s.p(outside) > alpha {
			return 0, false
		}
		for range 100 {
			mid := inside + (outside-inside)/2
			if mid == inside || mid == outside || math.Abs(outside-inside) < 1e-12*step {
				break
			}
			if s.p(mid) > alpha {
				inside = mid
			} else {
				outside = mid
			}
		}
		return inside + (outside-inside)/2, true
	}
	low, okLow := end(-1)
	high, okHigh := end(1)
	if !okLow || !okHigh {
		return analysis.Interval{}, fmt.Sprintf("too few different allocations for a %g %% interval: it has no end", 100*level)
	}
	return analysis.Interval{Low: low, High: high, Level: level, Method: "randomisation test inverted, constant shift"}, ""
}

func distinct(values []float64, eps float64) int {
	abs := make([]float64, len(values))
	for i, v := range values {
		abs[i] = math.Abs(v)
	}
	slices.Sort(abs)
	n := 0
	last := math.Inf(-1)
	for _, v := range abs {
		if v-last > eps {
			n++
			last = v
		}
	}
	return n
}

// WestfallYoung adjusts the p-values of several outcomes tested on the same
// redraws by the step-down maximum of absolute statistics (Westfall and Young,
// Resampling-Based Multiple Testing, 1993, algorithm 2.8), which keeps the
// chance of any false rejection and uses how the outcomes go together.
// redrawn[m][i] is outcome m's statistic in redraw i. Statistics should be
// studentised, so that no outcome rules the maximum by its scale.
func WestfallYoung(observed []float64, redrawn [][]float64, enumerated bool) ([]float64, error) {
	m := len(observed)
	if m == 0 || len(redrawn) != m {
		return nil, fmt.Errorf("Westfall-Young: %d outcomes observed and %d redrawn", m, len(redrawn))
	}
	b := len(redrawn[0])
	for i, r := range redrawn {
		if len(r) != b || b == 0 {
			return nil, fmt.Errorf("Westfall-Young: outcome %d has %d redraws, the first has %d", i+1, len(r), b)
		}
		for _, v := range append([]float64{observed[i]}, r...) {
			if math.IsNaN(v) || math.IsInf(v, 0) {
				return nil, fmt.Errorf("Westfall-Young: outcome %d has a statistic that is %v", i+1, v)
			}
		}
	}
	order := make([]int, m)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(x, y int) int {
		switch a, b := math.Abs(observed[x]), math.Abs(observed[y]); {
		case a > b:
			return -1
		case a < b:
			return 1
		}
		return 0
	})
	counts := make([]int, m)
	for i := range b {
		top := 0.0
		for k := m - 1; k >= 0; k-- {
			top = math.Max(top, math.Abs(redrawn[order[k]][i]))
			if top >= math.Abs(observed[order[k]])*(1-Ties) {
				counts[k]++
			}
		}
	}
	out := make([]float64, m)
	last := 0.0
	for k, o := range order {
		p := float64(1+counts[k]) / float64(1+b)
		if enumerated {
			p = float64(counts[k]) / float64(b)
		}
		last = math.Max(last, p)
		out[o] = last
	}
	return out, nil
}
