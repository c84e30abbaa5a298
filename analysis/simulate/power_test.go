package simulate

import (
	"errors"
	"math"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"evenhand/analysis/mixed"
)

// halves is a trial of equal schools without strata, drawn half and half.
func halves(schools, pupils int) Trial {
	t := Trial{Arms: []string{"control", "treated"}, DF: mixed.KenwardRoger, Level: 0.95, Pupils: make([]int, schools), Stratum: make([]int, schools),
		Redraw: func(i int) []int {
			arms := make([]int, schools)
			for _, j := range stream(9, "draw", i).Perm(schools)[:schools/2] {
				arms[j] = 1
			}
			return arms
		}}
	for j := range t.Pupils {
		t.Pupils[j] = pupils
	}
	return t
}

func powered(t testing.TB, x Trial, a Assumed, trials int) *Powered {
	t.Helper()
	p, err := Power(x, a, trials, 5, nil)
	if err != nil {
		t.Fatal(err)
	}
	if p.Failed != 0 {
		t.Fatalf("%d failed: %s", p.Failed, p.Failure)
	}
	return p
}

// Where the formula of package power holds exactly (equal schools, no strata)
// the simulation agrees with it, with a baseline and without. A share is held
// to five Monte Carlo standard errors.
func TestPowerAgainstTheFormula(t *testing.T) {
	for name, c := range map[string]struct {
		schools, pupils int
		baseline        bool
		a               Assumed
	}{
		"plain":     {40, 20, false, Assumed{Effect: 0.3, ICC: 0.15}},
		"no effect": {30, 20, false, Assumed{ICC: 0.2}},
		"baseline":  {40, 20, true, Assumed{Effect: 0.2, ICC: 0.15, R2Cluster: 0.5, R2Pupil: 0.4}},
		"unequal R": {60, 25, true, Assumed{Effect: 0.2, ICC: 0.2, R2Cluster: 0.7, R2Pupil: 0.3}},
	} {
		x := halves(c.schools, c.pupils)
		x.Baseline = c.baseline
		p := powered(t, x, c.a, 3000)
		r := p.Arms[0]
		if r.Formula == nil {
			t.Fatalf("%s: no formula: %s", name, r.Why)
		}
		within(t, name, r.Power.Value, r.Formula.Power, math.Sqrt(r.Formula.Power*(1-r.Formula.Power)/3000))
		within(t, name+": estimate", r.Estimate.Value, c.a.Effect, r.Estimate.MCSE)
		within(t, name+": coverage", r.Coverage.Value, 0.95, 0.004)
		if math.Abs(r.SD/r.Formula.SE-1) > 0.07 {
			t.Errorf("%s: estimates have SD %v, the formula says %v", name, r.SD, r.Formula.SE)
		}
		if r.CI[0] >= r.Power.Value || r.CI[1] <= r.Power.Value {
			t.Errorf("%s: interval %v of %v", name, r.CI, r.Power.Value)
		}
		if p.Schools != c.schools || p.Pupils != c.schools*c.pupils || p.Strata != 1 || r.Arm != "treated" || r.Against != "control" {
			t.Errorf("%s: %+v", name, p)
		}
	}
}

// Schools that are measured themselves: a regression on schools.
func TestPowerOfSchoolsMeasured(t *testing.T) {
	x := halves(60, 1)
	x.Linear, x.Baseline = true, true
	r := powered(t, x, Assumed{Effect: 0.6, R2Cluster: 0.5}, 3000).Arms[0]
	if r.Formula == nil || r.Formula.Design != "ira1" {
		t.Fatalf("formula %+v", r.Formula)
	}
	// HC2 with a covariate is a little conservative or liberal by design; the
	// formula knows one variance only.
	if math.Abs(r.Power.Value-r.Formula.Power) > 0.04 {
		t.Errorf("power %v, by the formula %v", r.Power.Value, r.Formula.Power)
	}
	within(t, "estimate", r.Estimate.Value, 0.6, r.Estimate.MCSE)
}

// Strata are adjusted for and cost degrees of freedom; losses cost power;
// communities make the random-intercept model find too much.
func TestPowerStrataLossesCommunities(t *testing.T) {
	x := halves(40, 20)
	for j := range x.Stratum {
		x.Stratum[j] = j / 10
	}
	x.Strata = true
	plain := powered(t, x, Assumed{Effect: 0.3, ICC: 0.15}, 2000)
	if plain.Strata != 4 || math.Abs(plain.Arms[0].MeanDF-35) > 1 {
		t.Errorf("%d strata, mean df %v", plain.Strata, plain.Arms[0].MeanDF)
	}
	lost := powered(t, x, Assumed{Effect: 0.3, ICC: 0.15, LostClusters: 0.25, LostPupils: 0.25}, 2000)
	if !(lost.Arms[0].Power.Value < plain.Arms[0].Power.Value-0.05) {
		t.Errorf("power %v, with losses %v", plain.Arms[0].Power.Value, lost.Arms[0].Power.Value)
	}
	x.Groups = func(arm, n int) []int {
		if arm == 0 {
			return nil
		}
		return []int{n / 2, n - n/2}
	}
	none := powered(t, x, Assumed{ICC: 0.05}, 1000)
	some := powered(t, x, Assumed{ICC: 0.05, ICCCommunity: 0.1}, 1000)
	if !(some.Arms[0].Power.Value > none.Arms[0].Power.Value+0.1) {
		t.Errorf("type I error %v, with communities %v", none.Arms[0].Power.Value, some.Arms[0].Power.Value)
	}
	// The partially nested model gives communities their variance: 8 of them.
	y := halves(96, 8)
	y.Groups = func(arm, n int) []int {
		if arm == 0 {
			return nil
		}
		return []int{6, 6, 6, 6, 6, 6, 6, 6}
	}
	ignored := powered(t, y, Assumed{ICC: 0.05, ICCCommunity: 0.1}, 600)
	y.Partial = true
	modelled := powered(t, y, Assumed{ICC: 0.05, ICCCommunity: 0.1}, 600)
	if e := modelled.Arms[0].Power.Value; !(e < 0.085) || !(ignored.Arms[0].Power.Value > 0.15) { // .05 ± 4 standard errors
		t.Errorf("type I error %v by the partially nested model, %v without communities", e, ignored.Arms[0].Power.Value)
	}
	if some.Arms[0].Formula != nil && some.Arms[0].Formula.Design != "cra2-communities" {
		t.Errorf("formula of %s", some.Arms[0].Formula.Design)
	}
}

// Three arms: each against the control arm, in the order of arms.
func TestPowerThreeArms(t *testing.T) {
	x := halves(30, 15)
	x.Arms, x.Control = []string{"light", "control", "full"}, 1
	x.Redraw = func(i int) []int {
		arms := make([]int, 30)
		for k, j := range stream(9, "draw", i).Perm(30) {
			arms[j] = k % 3
		}
		return arms
	}
	p := powered(t, x, Assumed{Effect: 0.5, ICC: 0.1}, 300)
	if len(p.Arms) != 2 || p.Arms[0].Arm != "light" || p.Arms[1].Arm != "full" || p.Arms[1].Against != "control" {
		t.Fatalf("%+v", p.Arms)
	}
	for _, r := range p.Arms {
		within(t, r.Arm, r.Estimate.Value, 0.5, r.Estimate.MCSE)
	}
}

func TestPowerSameOnAnyNumberOfProcessors(t *testing.T) {
	x := halves(20, 10)
	x.Baseline = true
	var first *Powered
	for _, n := range []int{1, 3} {
		old := runtime.GOMAXPROCS(n)
		p := powered(t, x, Assumed{Effect: 0.3, ICC: 0.1, R2Pupil: 0.3, LostPupils: 0.1}, 200)
		runtime.GOMAXPROCS(old)
		if first == nil {
			first = p
		} else if !reflect.DeepEqual(p, first) {
			t.Error("another number of processors gives other numbers")
		}
	}
}

func TestPowerRefuses(t *testing.T) {
	x := halves(10, 10)
	_, err := Power(x, Assumed{Effect: math.Inf(1), ICC: 1, R2Cluster: -1, LostPupils: math.NaN()}, 0, 1, nil)
	if err == nil || strings.Count(err.Error(), "\n") != 4 {
		t.Errorf("not all five faults are said: %v", err)
	}
	if _, err := Power(Trial{Arms: []string{"one"}}, Assumed{}, 10, 1, nil); err == nil {
		t.Error("a trial of one arm was simulated")
	}
	x.Redraw = func(int) []int { return make([]int, 9) }
	if _, err := Power(x, Assumed{}, 10, 1, nil); err == nil || !strings.Contains(err.Error(), "draw 0 has 9 schools") {
		t.Errorf("draws of another roster: %v", err)
	}
	// No school in the treated arm: no estimate, and nothing found.
	x.Redraw = func(int) []int { return make([]int, 10) }
	p, err := Power(x, Assumed{Effect: 1}, 10, 1, nil)
	if err != nil || p.Failed != 10 || p.Failure == "" || p.Arms[0].Power.Value != 0 {
		t.Errorf("%+v %v", p, err)
	}
	x = halves(10, 10)
	if _, err := Power(x, Assumed{}, 100_000, 1, func(int) bool { return false }); !errors.Is(err, ErrStopped) {
		t.Errorf("stopped: %v", err)
	}
}

// Wilson's interval beside R's prop.test(k, n, correct = FALSE).
func TestWilson(t *testing.T) {
	for _, c := range []struct {
		k, n      int
		low, high float64
	}{{965, 1000, 0.95171337762554664, 0.97472773698288706}, {0, 50, 0, 0.071347599133358683}, {7, 20, 0.18119182410108206, 0.56714572331476365}} {
		got := wilson(c.k, c.n)
		if math.Abs(got[0]-c.low) > 1e-12 || math.Abs(got[1]-c.high) > 1e-12 {
			t.Errorf("%d of %d: %v, want %v to %v", c.k, c.n, got, c.low, c.high)
		}
	}
}

// A thousand trials of the size of the Research Learning Communities.
func BenchmarkPower(b *testing.B) {
	x := halves(114, 45)
	x.Strata, x.Baseline, x.DF = true, true, mixed.Satterthwaite
	for j := range x.Stratum {
		x.Stratum[j] = j / 5
	}
	for b.Loop() {
		powered(b, x, Assumed{Effect: 0.1, ICC: 0.13, R2Cluster: 0.5, R2Pupil: 0.4}, 1000)
	}
}
