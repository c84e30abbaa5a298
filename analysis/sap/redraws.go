package sap

import (
	"errors"
	"fmt"
	"math"
	"runtime"
	"slices"
	"sync"

	"evenhand/analysis"
	"evenhand/analysis/mixed"
	"evenhand/analysis/permute"
)

// Refitted is one arm against the control arm, estimated under an allocation.
type Refitted struct {
	Difference  float64 // adjusted, in outcome units
	Studentised float64 // the difference over its standard error
	EffectSize  float64 // the difference over the total SD of the model with covariates
}

// RefitStatistics names what a Refitted holds, in its order.
var RefitStatistics = [3]permute.Kind{permute.Difference, permute.Studentised, permute.EffectSize}

func (r Refitted) values() [3]float64 { return [3]float64{r.Difference, r.Studentised, r.EffectSize} }

// Refitter estimates again with the units in the arms given, one Refitted for
// each arm that is not the control arm. It need not be safe for concurrent use.
type Refitter func(arms []int, out []Refitted) error

// Redrawing is a randomisation test of a model: the arms of the units are drawn
// again, as the trial's own design draws them, and the model is fitted anew.
type Redrawing struct {
	Drawn  []int             // arms of the units as drawn
	Redraw func(i int) []int // arms of the units in redraw i; safe for concurrent use
	N      int               // redraws
	// Enumerated says that the redraws are all allocations that were possible,
	// each once and equally likely.
	Enumerated bool
	Effects    int             // arms that are not the control arm
	Refitter   func() Refitter // makes one; called once for each processor
}

// RandomisationTest is what a Redrawing found. Its null hypothesis is the sharp
// one, that no unit's outcome would have been another in any other arm.
type RandomisationTest struct {
	Redraws    int  `json:"redraws"`
	Failed     int  `json:"failed"` // redraws without an estimate; they count as at least as extreme
	Enumerated bool `json:"enumerated"`
	// Tests are for each arm that is not the control arm, by RefitStatistics.
	Tests []RedrawP `json:"tests"`
}

// RedrawP is the test of one arm by one statistic. P-values are (1+b)/(1+B), b
// of the B redraws being at least as extreme as the draw itself (ties count),
// or b/B where all allocations were enumerated.
type RedrawP struct {
	Arm       string       `json:"arm"`
	Against   string       `json:"against"`
	Statistic permute.Kind `json:"statistic"`
	Observed  float64      `json:"observed"`
	P         float64      `json:"p"`       // two-sided
	Upper     float64      `json:"p_upper"` // share with at least the observed value
	Lower     float64      `json:"p_lower"` // share with at most the observed value
	Mean      float64      `json:"mean"`    // over the redraws
	SD        float64      `json:"sd"`      // over the redraws

	redrawn []float64 // NaN where the redraw failed
}

// Run redraws. The names of arms are for the caller to fill in: Tests come in
// the Refitter's order of effects, for each of them the statistics in order.
// Results do not depend on the number of processors.
func (r Redrawing) Run() (*RandomisationTest, error) {
	if r.N < 1 || r.N > 10_000_000 {
		return nil, fmt.Errorf("randomisation test by %d redraws; between 1 and ten million are made", r.N)
	}
	observed := make([]Refitted, r.Effects)
	if err := r.Refitter()(r.Drawn, observed); err != nil {
		return nil, fmt.Errorf("randomisation test: as drawn: %w", err)
	}
	all := make([]Refitted, r.N*r.Effects)
	bad := make([]bool, r.N)
	workers := min(runtime.GOMAXPROCS(0), r.N)
	faults := make([]error, workers)
	var wait sync.WaitGroup
	for id := range workers {
		wait.Add(1)
		go func() {
			defer wait.Done()
			refit := r.Refitter()
			for i := id; i < r.N; i += workers {
				arms := r.Redraw(i)
				if len(arms) != len(r.Drawn) {
					faults[id] = fmt.Errorf("redraw %d has %d units, the draw %d", i, len(arms), len(r.Drawn))
					return
				}
				bad[i] = refit(arms, all[i*r.Effects:(i+1)*r.Effects]) != nil
			}
		}()
	}
	wait.Wait()
	if err := errors.Join(faults...); err != nil {
		return nil, fmt.Errorf("randomisation test: %w", err)
	}
	t := &RandomisationTest{Redraws: r.N, Enumerated: r.Enumerated}
	for _, b := range bad {
		if b {
			t.Failed++
		}
	}
	if t.Failed == r.N {
		return nil, errors.New("randomisation test: the model has no estimate in any redraw")
	}
	for e := range r.Effects {
		for s, kind := range RefitStatistics {
			p := RedrawP{Statistic: kind, Observed: observed[e].values()[s], redrawn: make([]float64, r.N)}
			for i := range r.N {
				p.redrawn[i] = all[i*r.Effects+e].values()[s]
				if bad[i] || math.IsInf(p.redrawn[i], 0) {
					p.redrawn[i] = math.NaN()
				}
			}
			p.count(r.Enumerated)
			t.Tests = append(t.Tests, p)
		}
	}
	return t, nil
}

// count works the p-values out. Sums of the same numbers in another order
// differ by rounding, so that values count as equal up to permute.Ties.
func (p *RedrawP) count(enumerated bool) {
	eps := permute.Ties * math.Max(math.Abs(p.Observed), 1e-300)
	var both, upper, lower, n int
	for _, v := range p.redrawn {
		if math.IsNaN(v) {
			both, upper, lower = both+1, upper+1, lower+1
			continue
		}
		if math.Abs(v) >= math.Abs(p.Observed)-eps {
			both++
		}
		if v >= p.Observed-eps {
			upper++
		}
		if v <= p.Observed+eps {
			lower++
		}
		n++
		p.Mean += v
	}
	if n > 0 {
		p.Mean /= float64(n)
		for _, v := range p.redrawn {
			if !math.IsNaN(v) {
				p.SD += (v - p.Mean) * (v - p.Mean)
			}
		}
		p.SD = math.Sqrt(p.SD / float64(n))
	}
	share := func(b int) float64 {
		if enumerated {
			return float64(b) / float64(len(p.redrawn))
		}
		return float64(1+b) / float64(1+len(p.redrawn))
	}
	p.P, p.Upper, p.Lower = share(both), share(upper), share(lower)
}

// SchoolRefits makes refitters of a random-intercept model of pupils in
// schools. units[g] is the place, among the units that are drawn, of group g of
// the data's level. A redraw puts whole schools into arms.
func SchoolRefits(data *mixed.Data, method mixed.Method, units []int) (func() Refitter, int, error) {
	shared, err := mixed.NewRefitter(data, mixed.RefitOptions{Method: method})
	if err != nil {
		return nil, 0, err
	}
	return func() Refitter {
		own := shared.Clone()
		schools := make([]int, own.Schools())
		fits := make([]mixed.Refit, own.Effects())
		return func(arms []int, out []Refitted) error {
			for g := range schools {
				schools[g] = arms[units[g]]
			}
			if err := own.Redrawn(schools, fits); err != nil {
				return err
			}
			for e, f := range fits {
				out[e] = Refitted{f.Estimate, f.T, f.Estimate / math.Sqrt(f.Tau2+f.Sigma2)}
			}
			return nil
		}
	}, shared.Effects(), nil
}

// Name fills in the arms of a test's effects, which come in the order of arms.
func (t *RandomisationTest) Name(arms []string, control int) error {
	if len(t.Tests) != (len(arms)-1)*len(RefitStatistics) {
		return fmt.Errorf("a randomisation test of %d effects for %d arms", len(t.Tests)/len(RefitStatistics), len(arms))
	}
	at := 0
	for a, arm := range arms {
		if a == control {
			continue
		}
		for range RefitStatistics {
			t.Tests[at].Arm, t.Tests[at].Against = arm, arms[control]
			at++
		}
	}
	return nil
}

// Of finds the test of an arm by a statistic.
func (t *RandomisationTest) Of(arm string, kind permute.Kind) (RedrawP, bool) {
	i := slices.IndexFunc(t.Tests, func(p RedrawP) bool { return p.Arm == arm && p.Statistic == kind })
	if i < 0 {
		return RedrawP{}, false
	}
	return t.Tests[i], true
}

// ShiftInterval is the interval that a randomisation test of the least-squares
// difference gives: the constant shifts of the treated units' outcomes that it
// does not reject. It is for two arms. unit is the place of each row's unit
// among those drawn. Where there is no interval, why says so.
func ShiftInterval(data *mixed.Data, unit []int, drawn []int, redraw func(int) []int, n int, enumerated bool, level float64) (in *analysis.Interval, why string) {
	arm := 1 - data.Control
	if len(data.Arms) != 2 {
		return nil, "an interval is worked out for two arms"
	}
	treated := make([]bool, len(drawn))
	for u, a := range drawn {
		treated[u] = a == arm
	}
	var x [][]float64
	for _, c := range data.Columns {
		switch {
		case c.Arm:
		case c.Values == nil:
			ones := make([]float64, len(data.Y))
			for i := range ones {
				ones[i] = 1
			}
			x = append(x, ones)
		default:
			x = append(x, c.Values)
		}
	}
	linear, err := permute.NewLinear(permute.Difference, data.Y, x, unit, nil, treated)
	if err != nil {
		return nil, err.Error()
	}
	test, err := permute.Test(permute.Problem{Drawn: drawn, Arm: arm, Against: data.Control, Redraw: redraw, Redraws: n, Enumerated: enumerated, Statistic: linear, Level: level})
	if err != nil {
		return nil, err.Error()
	}
	if !test.HasInterval {
		return nil, test.Why
	}
	interval := test.Interval
	interval.Method = "randomisation test of the least-squares difference inverted, constant shift"
	return &interval, ""
}
