package simulate

import (
	"errors"
	"math"
	"reflect"
	"runtime"
	"strings"
	"testing"

	"evenhand/analysis/internal/dist"
	"evenhand/analysis/mixed"
)

func run(t testing.TB, c Cell, s Calibration) []Judged {
	t.Helper()
	j, err := Calibrate(c, s, nil)
	if err != nil {
		t.Fatal(err)
	}
	return j
}

// The same seed gives the same numbers on any number of processors, whichever
// of them a trial falls to.
func TestSameOnAnyNumberOfProcessors(t *testing.T) {
	s := DefaultCalibration()
	s.Trials = 300
	c := Cell{12, 0.1, Unequal, Partial}
	var first []Judged
	for _, n := range []int{1, 2, 3, 7} {
		old := runtime.GOMAXPROCS(n)
		j := run(t, c, s)
		runtime.GOMAXPROCS(old)
		if first == nil {
			first = j
		} else if !reflect.DeepEqual(j, first) {
			t.Errorf("%d processors: %+v, with one %+v", n, j, first)
		}
	}
	s.Seed++
	if reflect.DeepEqual(run(t, c, s), first) {
		t.Error("another seed gives the same numbers")
	}
}

// With equal sizes and one random effect the analysis is, wherever the school
// variance is above zero, the t test of two arms' school means. Its power is
// known exactly. A share is held to five Monte Carlo standard errors: false
// alarms in one run of two million.
func TestAgainstTheTTest(t *testing.T) {
	s := DefaultCalibration()
	s.Trials, s.Seed = 4000, 11
	for _, effect := range []float64{0, 0.3, 0.6} {
		s.Effect = effect
		c := Cell{20, 0.25, Equal, NotNested}
		j := run(t, c, s)[0]
		if j.Failed != 0 || j.Trials != s.Trials {
			t.Fatalf("%d of %d failed", j.Failed, j.Trials)
		}
		se := math.Sqrt(4 * (c.ICC + (1-c.ICC)/s.Pupils) / float64(c.Schools))
		df := float64(c.Schools - 2)
		critical := dist.TCritical(0.95, df)
		want := 1 - dist.NoncentralTCDF(critical, df, effect/se) + dist.NoncentralTCDF(-critical, df, effect/se)
		for _, test := range j.Tests {
			within(t, "power by "+string(test.DF), test.Rejected.Value, want, math.Sqrt(want*(1-want)/float64(s.Trials)))
			within(t, "coverage by "+string(test.DF), test.Coverage.Value, 0.95, math.Sqrt(0.05*0.95/float64(s.Trials)))
			if !test.AsStated && math.Abs(test.Coverage.Value-0.95) < 0.01 {
				t.Errorf("coverage %v is said not to be as stated", test.Coverage.Value)
			}
			if math.Abs(test.MeanDF.Value-df) > 1e-6 {
				t.Errorf("%s: mean df %v, want %v", test.DF, test.MeanDF.Value, df)
			}
		}
		within(t, "estimate", j.Estimate.Value, effect, j.Estimate.MCSE)
		within(t, "SD of the estimates", j.SD, se, se/math.Sqrt(2*float64(s.Trials)))
		within(t, "school variance", j.School.Mean.Value, c.ICC, j.School.Mean.MCSE)
		within(t, "residual variance", j.Residual.Mean.Value, 1-c.ICC, j.Residual.Mean.MCSE)
	}
}

func within(t testing.TB, what string, got, want, se float64) {
	t.Helper()
	if !near(got, want, se) {
		t.Errorf("%s: %v, want %v within 5 × %v", what, got, want, se)
	}
}

func near(got, want, se float64) bool { return math.Abs(got-want) <= 5*se }

func TestNear(t *testing.T) {
	if near(0.06, 0.05, 0.0019) || near(math.NaN(), 0.05, 1) || !near(0.06, 0.05, 0.0021) {
		t.Error("the comparison cannot fail, or always does")
	}
}

// Communities that a model leaves out make it find effects that are not there;
// the partially nested model finds their variance.
func TestCommunitiesMatter(t *testing.T) {
	s := DefaultCalibration()
	s.Trials, s.ICCCommunity = 1500, 0.1
	j := run(t, Cell{60, 0.05, Equal, Partial}, s)
	if len(j) != 2 || j[0].Model != RandomIntercept || j[1].Model != PartiallyNested || j[0].Community != nil || j[1].Community == nil {
		t.Fatalf("analyses %+v", j)
	}
	if ignored := j[0].Tests[0].Rejected.Value; ignored < 0.15 {
		t.Errorf("type I error without communities %v", ignored)
	}
	if modelled := j[1].Tests[0].Rejected; !near(modelled.Value, 0.05, 0.006) {
		t.Errorf("type I error with communities %v", modelled)
	}
	// REML is unbiased but for cutting off at zero.
	if b := j[1].Community.Bias; math.Abs(b) > 0.01 {
		t.Errorf("bias of the communities' variance %v", b)
	}
}

// Without variance between schools about half the trials have an estimate of
// zero, and tests are too cautious, never too bold.
func TestNoVarianceBetweenSchools(t *testing.T) {
	s := DefaultCalibration()
	s.Trials = 1500
	j := run(t, Cell{20, 0, Equal, NotNested}, s)[0]
	if j.Singular.Value < 0.45 || j.Singular.Value > 0.65 {
		t.Errorf("singular in %v of the trials", j.Singular.Value)
	}
	if j.Tests[0].Rejected.Value > 0.05 {
		t.Errorf("type I error %v", j.Tests[0].Rejected.Value)
	}
	if !(j.School.Bias > 0) {
		t.Errorf("a variance that cannot be negative has bias %v", j.School.Bias)
	}
}

// Sizes keep to their mean and spread.
func TestSchoolSizes(t *testing.T) {
	s := DefaultCalibration()
	var sizes []float64
	for _, n := range schoolSizes(Cell{Schools: 2000, Sizes: Unequal}, s) {
		if n < 2 {
			t.Fatalf("a school of %d", n)
		}
		sizes = append(sizes, float64(n))
	}
	m := meanOf(sizes).Value
	if cv := deviation(sizes, m) / m; math.Abs(m-45) > 0.5 || math.Abs(cv-1) > 0.05 {
		t.Errorf("mean %v, SD over mean %v", m, cv)
	}
	for _, c := range []struct{ treated, most, want int }{{5, 6, 2}, {10, 6, 2}, {20, 6, 4}, {57, 6, 10}, {2, 6, 2}, {12, 1, 12}} {
		if got := communities(c.treated, c.most); got != c.want {
			t.Errorf("%d schools make %d communities of at most %d, want %d", c.treated, got, c.most, c.want)
		}
	}
}

func TestCheck(t *testing.T) {
	s := DefaultCalibration()
	if err := s.Check([]Cell{{4, 0, Equal, Partial}}); err != nil {
		t.Error(err)
	}
	bad := Calibration{Trials: 0, Effect: math.NaN(), Pupils: 1, CV: 0, ICCCommunity: -1, Level: 1}
	err := bad.Check([]Cell{{3, 0, Equal, Partial}, {10, 1, Equal, NotNested}, {10, 0, "odd", NotNested}, {10, 0, Equal, "odd"}})
	if err == nil || strings.Count(err.Error(), "\n") != 11 {
		t.Errorf("not all twelve faults are said:\n%v", err)
	}
	if _, err := Calibrate(Cell{}, s, nil); err == nil {
		t.Error("a trial without schools was simulated")
	}
}

func TestStopped(t *testing.T) {
	s := DefaultCalibration()
	s.Trials = 10_000
	told := 0
	_, err := Calibrate(Cell{10, 0, Equal, NotNested}, s, func(done int) bool { told = done; return false })
	if !errors.Is(err, ErrStopped) || told == 0 || told > 1000 {
		t.Errorf("stopped after %d: %v", told, err)
	}
}

// A trial without an estimate is counted and left out.
func TestFailures(t *testing.T) {
	s := DefaultCalibration()
	good := outcome{estimate: 1, school: 0.1, residual: 0.9, tests: []mixed.Inference{{P: 0.01, Low: 0.5, High: 1.5, DF: math.Inf(1)}, {P: 0.2, Low: -1, High: 3, DF: 8}}}
	j := judge(Cell{Schools: 10, ICC: 0.1}, s, PartiallyNested, []outcome{good, {err: errors.New("first")}, {err: errors.New("second")}})
	if j.Failed != 2 || j.Failure != "first" || j.Estimate.Value != 1 || j.Tests[0].Rejected.Value != 1 || j.Tests[0].Coverage.Value != 0 || j.Tests[0].MeanDF.Value != 0 || j.Tests[1].Coverage.Value != 1 {
		t.Errorf("%+v", j)
	}
}

func BenchmarkCalibrate(b *testing.B) {
	for _, c := range []Cell{{10, 0.15, Equal, NotNested}, {114, 0.15, Equal, NotNested}, {114, 0.15, Unequal, Partial}} {
		b.Run(c.name(), func(b *testing.B) {
			s := DefaultCalibration()
			s.Trials = 200
			for b.Loop() {
				run(b, c, s)
			}
		})
	}
}
