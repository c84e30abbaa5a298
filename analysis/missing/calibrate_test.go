package missing

import (
	"flag"
	"math"
	"math/rand/v2"
	"testing"

	"evenhand/analysis/internal/dist"
	"evenhand/analysis/mixed"
)

var calibrate = flag.Int("calibrate", 0, "number of simulated trials a cell for the calibration of imputation; 0 runs a short one")

// marTrial makes a trial in which the outcome is lost depending on an auxiliary
// variable, in different directions in the two arms, and the baseline depending
// on the same. The effect is 0.3.
func marTrial(g *rand.Rand, schools, perSchool int) (Model, []float64) {
	var y, pre, aux, arm []float64
	var oy, op []bool
	var school []int
	for s := range schools {
		a := float64(s % 2)
		v := g.NormFloat64()
		u0, u1 := 0.3*v, 0.3*v+0.3*g.NormFloat64()
		for range perSchool {
			p := u0 + g.NormFloat64()
			x := 0.5*p + 0.8*g.NormFloat64()
			o := 0.3*a + 0.6*p + 0.4*x + u1 + 0.7*g.NormFloat64()
			slope := 0.8 - 1.2*a
			y, pre, aux, arm, school = append(y, o), append(pre, p), append(aux, x), append(arm, a), append(school, s)
			oy = append(oy, g.Float64() > 1/(1+math.Exp(1.6-slope*x)))
			op = append(op, g.Float64() > 1/(1+math.Exp(2.3-0.5*x)))
		}
	}
	return Model{Cluster: school, Predictors: []Predictor{{Name: "arm", Values: arm}, {Name: "aux", Values: aux}}, Imputations: 10, BurnIn: 150, Between: 15,
		Incomplete: []Variable{{Name: "y", Kind: Continuous, Values: y, Observed: oy}, {Name: "pre", Kind: Continuous, Values: pre, Observed: op}}}, arm
}

type summary struct{ bias, seOfBias, coverage, sd, meanSE float64 }

func tally(estimates, ses []float64, covered int) summary {
	n := float64(len(estimates))
	var s summary
	mean := 0.0
	for i, e := range estimates {
		mean += e / n
		s.meanSE += ses[i] / n
	}
	for _, e := range estimates {
		s.sd += (e - mean) * (e - mean) / (n - 1)
	}
	s.sd = math.Sqrt(s.sd)
	s.bias, s.seOfBias, s.coverage = mean-0.3, s.sd/math.Sqrt(n), float64(covered)/n
	return s
}

func analyseTrial(t *testing.T, y, pre, arm []float64, school []int, keep func(int) bool) (estimate, se, df float64) {
	t.Helper()
	var d mixed.Data
	d.Columns = []mixed.Column{{Name: mixed.Intercept}, {Name: "arm"}, {Name: "pre"}}
	level := mixed.Level{Name: "school"}
	for i := range y {
		if keep(i) {
			d.Y = append(d.Y, y[i])
			d.Columns[1].Values, d.Columns[2].Values = append(d.Columns[1].Values, arm[i]), append(d.Columns[2].Values, pre[i])
			level.Index = append(level.Index, school[i])
		}
	}
	d.Levels = []mixed.Level{level}
	f, err := mixed.New(&d, mixed.Model{})
	if err != nil {
		t.Fatal(err)
	}
	c, err := f.Test("arm", mixed.KenwardRoger, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	return c.Estimate, c.SE, c.DF
}

func covers(e, se, df float64) bool {
	return math.Abs(e-0.3) <= dist.TCritical(0.95, df)*se
}

// Imputation is unbiased and covers under missingness at random where complete
// cases are biased, at few schools and at many. The short run looks for gross
// faults (five standard errors); go test -run Calibration -calibrate 1000 makes
// the table of METHODS.md.
func TestCalibration(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: simulated trials are not run with -short")
	}
	for _, cell := range []struct{ schools, perSchool int }{{24, 20}, {114, 20}} {
		trials := *calibrate
		if trials == 0 {
			trials = 40
			if cell.schools > 100 {
				trials = 12
			}
		}
		var full, cc, mi struct {
			e, s []float64
			in   int
		}
		for r := range trials {
			m, arm := marTrial(rand.New(rand.NewPCG(uint64(r), uint64(cell.schools))), cell.schools, cell.perSchool)
			m.Seed = uint64(r)
			y, pre := m.Incomplete[0], m.Incomplete[1]
			e, s, df := analyseTrial(t, y.Values, pre.Values, arm, m.Cluster, func(int) bool { return true })
			full.e, full.s = append(full.e, e), append(full.s, s)
			if covers(e, s, df) {
				full.in++
			}
			e, s, df = analyseTrial(t, y.Values, pre.Values, arm, m.Cluster, func(i int) bool { return y.Observed[i] && pre.Observed[i] })
			cc.e, cc.s = append(cc.e, e), append(cc.s, s)
			if covers(e, s, df) {
				cc.in++
			}
			im, err := Impute(m)
			if err != nil {
				t.Fatal(err)
			}
			var es, ss []float64
			for _, set := range im.Sets {
				e, s, _ := analyseTrial(t, set.Values[0], set.Values[1], arm, m.Cluster, func(int) bool { return true })
				es, ss = append(es, e), append(ss, s)
			}
			p, err := Pool(es, ss, float64(cell.schools-2), 0.95)
			if err != nil {
				t.Fatal(err)
			}
			mi.e, mi.s = append(mi.e, p.Estimate), append(mi.s, p.SE)
			if p.Interval.Low <= 0.3 && 0.3 <= p.Interval.High {
				mi.in++
			}
		}
		a, b, c := tally(full.e, full.s, full.in), tally(cc.e, cc.s, cc.in), tally(mi.e, mi.s, mi.in)
		for i, s := range []summary{a, b, c} {
			name := []string{"nothing missing", "complete cases ", "imputation     "}[i]
			t.Logf("%3d schools, %d trials, %s: bias %+.4f (SE %.4f), coverage %.3f, SD %.4f, mean SE %.4f", cell.schools, trials, name, s.bias, s.seOfBias, s.coverage, s.sd, s.meanSE)
		}
		if math.Abs(c.bias) > 5*c.seOfBias {
			t.Errorf("%d schools: imputation is biased by %v (SE %v)", cell.schools, c.bias, c.seOfBias)
		}
		if se := math.Sqrt(0.05 * 0.95 / float64(trials)); c.coverage < 0.95-5*se {
			t.Errorf("%d schools: imputation covers %v", cell.schools, c.coverage)
		}
		if trials >= 500 && !(b.bias > 5*b.seOfBias) {
			t.Errorf("%d schools: complete cases are not biased here (%v), so this test shows nothing", cell.schools, b.bias)
		}
	}
}

// factorTrial makes a trial in which a factor of three categories, a covariate of
// the analysis, is lost on the outcome (about 30 %), and the baseline at random.
// Effect 0.3; the second category 0.5 above the first, the third 0.4 below.
func factorTrial(g *rand.Rand, schools, perSchool int) Model {
	var y, pre, arm, group []float64
	var op, og []bool
	var school []int
	for s := range schools {
		a := float64(s % 2)
		u0, u1, w := 0.3*g.NormFloat64(), 0.4*g.NormFloat64(), 0.3*g.NormFloat64()
		for range perSchool {
			p := u0 + g.NormFloat64()
			c := 0.0
			if l1, l2 := 0.2*p+w+g.NormFloat64(), -0.2*p-w+g.NormFloat64(); l1 > 0 || l2 > 0 {
				if c = 1; l2 > l1 {
					c = 2
				}
			}
			v := 0.3*a + 0.6*p + []float64{0, 0.5, -0.4}[int(c)] + u1 + 0.7*g.NormFloat64()
			y, pre, arm, group, school = append(y, v), append(pre, p), append(arm, a), append(group, c), append(school, s)
			op, og = append(op, g.Float64() > 0.1), append(og, g.Float64() > 1/(1+math.Exp(1-0.9*v)))
		}
	}
	all := make([]bool, len(y))
	for i := range all {
		all[i] = true
	}
	return Model{Cluster: school, Predictors: []Predictor{{Name: "arm", Values: arm}}, Imputations: 10, BurnIn: 150, Between: 15, Incomplete: []Variable{
		{Name: "y", Kind: Continuous, Values: y, Observed: all}, {Name: "pre", Kind: Continuous, Values: pre, Observed: op}, {Name: "group", Kind: Factor, Levels: 3, Values: group, Observed: og}}}
}

// The same with an incomplete factor among the covariates: the effect of the arm
// and the coefficients of the factor's categories.
func TestCalibrationOfFactors(t *testing.T) {
	if testing.Short() {
		t.Skip("SKIPPED: simulated trials are not run with -short")
	}
	truth := []float64{0.3, 0.5, -0.4}
	names := []string{"arm", "second category", "third category"}
	for _, cell := range []struct{ schools, perSchool int }{{24, 20}, {114, 20}} {
		trials := *calibrate
		if trials == 0 {
			trials = 40
			if cell.schools > 100 {
				trials = 10
			}
		}
		type tallied struct {
			e, s []float64
			in   int
		}
		var got [3][3]tallied // nothing missing, complete cases, imputed; estimand
		fit := func(m Model, y, pre, group []float64, keep func(int) bool) (e, s, df [3]float64) {
			var d mixed.Data
			d.Columns = []mixed.Column{{Name: mixed.Intercept}, {Name: "arm"}, {Name: "one"}, {Name: "two"}, {Name: "pre"}}
			level := mixed.Level{Name: "school"}
			for i := range y {
				if !keep(i) {
					continue
				}
				d.Y = append(d.Y, y[i])
				row := []float64{m.Predictors[0].Values[i], 0, 0, pre[i]}
				if c := int(group[i]); c > 0 {
					row[c] = 1
				}
				for c, v := range row {
					d.Columns[1+c].Values = append(d.Columns[1+c].Values, v)
				}
				level.Index = append(level.Index, m.Cluster[i])
			}
			d.Levels = []mixed.Level{level}
			f, err := mixed.New(&d, mixed.Model{})
			if err != nil {
				t.Fatal(err)
			}
			for k, name := range []string{"arm", "one", "two"} {
				c, err := f.Test(name, mixed.KenwardRoger, 0.95)
				if err != nil {
					t.Fatal(err)
				}
				e[k], s[k], df[k] = c.Estimate, c.SE, c.DF
			}
			return e, s, df
		}
		put := func(how int, e, s, df [3]float64) {
			for k := range truth {
				to := &got[how][k]
				to.e, to.s = append(to.e, e[k]-truth[k]+0.3), append(to.s, s[k]) // tally knows 0.3
				if math.Abs(e[k]-truth[k]) <= dist.TCritical(0.95, df[k])*s[k] {
					to.in++
				}
			}
		}
		for r := range trials {
			m := factorTrial(rand.New(rand.NewPCG(uint64(r), uint64(1000+cell.schools))), cell.schools, cell.perSchool)
			m.Seed = uint64(r)
			y, pre, group := m.Incomplete[0], m.Incomplete[1], m.Incomplete[2]
			e, s, df := fit(m, y.Values, pre.Values, group.Values, func(int) bool { return true })
			put(0, e, s, df)
			full := df
			e, s, df = fit(m, y.Values, pre.Values, group.Values, func(i int) bool { return pre.Observed[i] && group.Observed[i] })
			put(1, e, s, df)
			im, err := Impute(m)
			if err != nil {
				t.Fatal(err)
			}
			var es, ss [3][]float64
			for _, set := range im.Sets {
				e, s, _ := fit(m, set.Values[0], set.Values[1], set.Values[2], func(int) bool { return true })
				for k := range truth {
					es[k], ss[k] = append(es[k], e[k]), append(ss[k], s[k])
				}
			}
			for k := range truth {
				nu := full[k] // pupils' covariates rest on pupils, the arm on schools
				if k == 0 {
					nu = float64(cell.schools - 2)
				}
				p, err := Pool(es[k], ss[k], nu, 0.95)
				if err != nil {
					t.Fatal(err)
				}
				e[k], s[k], df[k] = p.Estimate, p.SE, p.DF
			}
			put(2, e, s, df)
		}
		for how, label := range []string{"nothing missing", "complete cases ", "imputation     "} {
			for k := range truth {
				x := tally(got[how][k].e, got[how][k].s, got[how][k].in)
				t.Logf("%3d schools, %d trials, %s, %-15s: bias %+.4f (SE %.4f), coverage %.3f, SD %.4f, mean SE %.4f", cell.schools, trials, label, names[k], x.bias, x.seOfBias, x.coverage, x.sd, x.meanSE)
				if se := math.Sqrt(0.05 * 0.95 / float64(trials)); how == 2 && k == 0 && (x.coverage < 0.95-5*se || math.Abs(x.bias) > 5*x.seOfBias) {
					t.Errorf("%d schools, %s: imputation covers %v, bias %v (SE %v)", cell.schools, names[k], x.coverage, x.bias, x.seOfBias)
				}
			}
		}
	}
}
