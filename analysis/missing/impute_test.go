package missing

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"evenhand/analysis"
	"evenhand/analysis/internal/golden"
)

func crt24(t testing.TB) (Model, golden.Table) {
	t.Helper()
	tab := golden.Data(t, "crt24.csv")
	codes, _ := tab.Codes("school")
	var observed []bool
	for _, o := range tab.Floats("observed") {
		observed = append(observed, o == 1)
	}
	pre := tab.Floats("pre")
	for i := range pre {
		pre[i] -= 100
	}
	return Model{
		Incomplete: []Variable{{Name: "y", Kind: Continuous, Values: tab.Floats("y"), Observed: observed}},
		Predictors: []Predictor{{Name: "treat", Values: tab.Floats("treat")}, {Name: "pre", Values: pre}, {Name: "fsm", Values: tab.Floats("fsm")}},
		Cluster:    codes,
	}, tab
}

func traceMean(t testing.TB, im *Imputations, parameter string) (mean, sd float64) {
	t.Helper()
	for _, tr := range im.Traces {
		if tr.Parameter != parameter {
			continue
		}
		n := 0.0
		for _, c := range tr.Chains {
			for _, v := range c {
				mean += v
				n++
			}
		}
		mean /= n
		for _, c := range tr.Chains {
			for _, v := range c {
				sd += (v - mean) * (v - mean)
			}
		}
		return mean, math.Sqrt(sd / (n - 1))
	}
	t.Fatalf("no trace of %q", parameter)
	return 0, 0
}

// Long chains against pan's, whose school prior is in truth that of the pupils
// (Dinv = Binv = 100), and against the prior that was meant (Dinv = 25).
func TestAgainstPan(t *testing.T) {
	ref := golden.Statistics(t).At("s6_missing", "pan_long_chain_crt24", "own_gibbs_60000_iterations")
	n := 0
	for key, dinv := range map[string]float64{"Dinv_100": 100, "Dinv_25": 25} {
		m, _ := crt24(t)
		m.Prior = &Prior{DFPupil: 1, DFSchool: 1, Pupil: []float64{100}, School: []float64{dinv}}
		m.Imputations, m.Between, m.Chains, m.Seed = 40, 1000, 4, 11
		im, err := Impute(m)
		if err != nil {
			t.Fatal(err)
		}
		mean, sd := ref.At(key, "mean").Floats(), ref.At(key, "sd").Floats()
		for i, p := range []struct {
			name           string
			tolMean, tolSD float64
		}{{"coefficient of intercept", 0.1, 0.06}, {"coefficient of treat", 0.13, 0.06}, {"coefficient of pre", 0.002, 0.03}, {"coefficient of fsm", 0.05, 0.03}, {"variance of pupils", 0.2, 0.03}, {"variance of schools", 0.4, 0.05}} {
			gotMean, gotSD := traceMean(t, im, "y: "+p.name)
			golden.Near(t, key+" mean of "+p.name, gotMean, mean[i], p.tolMean)
			golden.Close(t, key+" SD of "+p.name, gotSD, sd[i], p.tolSD)
			n += 2
		}
		for _, tr := range im.Traces {
			if tr.RHat > 1.02 || tr.ESS < 300 {
				t.Errorf("%s %s: R-hat %v, %v effective draws", key, tr.Parameter, tr.RHat, tr.ESS)
			}
		}
		if dinv == 100 {
			pan := golden.Statistics(t).At("s6_missing", "pan_long_chain_crt24", "chains").Index(0)
			psi, _ := traceMean(t, im, "y: variance of schools")
			golden.Near(t, "psi of pan", psi, pan.At("psi_mean").Float(), 0.5)
			s2, _ := traceMean(t, im, "y: variance of pupils")
			golden.Near(t, "sigma² of pan", s2, pan.At("sigma2_mean").Float(), 0.25)
		}
	}
	golden.AtLeast(t, "posterior moments", n, 24)
}

// simulated makes pupils with a baseline, an outcome, a binary FSM and a school
// variable, correlated within and between schools, then hides some by MAR.
func simulated(seed uint64, schools, perSchool int, hide bool) (y, pre, fsm, size []float64, observedY, observedPre, observedFSM, observedSize []bool, arm []float64, school []int) {
	g := rand.New(rand.NewPCG(seed, 99))
	for s := range schools {
		a := float64(s % 2)
		v := g.NormFloat64()
		u0, u1 := 0.4*v+0.3*g.NormFloat64(), 0.5*v+0.2*g.NormFloat64()
		sz := 10 + 2*v + g.NormFloat64()
		hiddenSize := hide && g.Float64() < 0.15
		for range perSchool {
			p := u0 + g.NormFloat64()
			latent := -0.3 - 0.5*p + 0.5*u1 + g.NormFloat64()
			f := 0.0
			if latent > 0 {
				f = 1
			}
			o := 1 + 0.3*a + 0.7*p - 0.3*f + u1 + 0.8*g.NormFloat64()
			y, pre, fsm, size, arm, school = append(y, o), append(pre, p), append(fsm, f), append(size, sz), append(arm, a), append(school, s)
			lostY := hide && g.Float64() < 1/(1+math.Exp(1.4+0.8*p-0.5*a))
			observedY = append(observedY, !lostY)
			observedPre = append(observedPre, !(hide && g.Float64() < 0.1))
			observedFSM = append(observedFSM, !(hide && g.Float64() < 0.1))
			observedSize = append(observedSize, !hiddenSize)
		}
	}
	return
}

func joint(seed uint64, schools, perSchool int) Model {
	y, pre, fsm, size, oy, op, of, os, arm, school := simulated(seed, schools, perSchool, true)
	return Model{Cluster: school, Predictors: []Predictor{{Name: "arm", Values: arm}}, Seed: seed, Incomplete: []Variable{
		{Name: "y", Kind: Continuous, Values: y, Observed: oy}, {Name: "fsm", Kind: Binary, Values: fsm, Observed: of},
		{Name: "pre", Kind: Continuous, Values: pre, Observed: op}, {Name: "size", Kind: Continuous, School: true, Values: size, Observed: os}}}
}

// Several variables at once, of pupils and of schools, continuous and binary:
// large data give back the parameters they were made with.
func TestJointModelFindsTheTruth(t *testing.T) {
	m := joint(4, 300, 30)
	m.Imputations, m.Between, m.BurnIn = 10, 60, 300
	im, err := Impute(m)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range []struct {
		name      string
		want, tol float64
	}{
		{"pre: variance of pupils", 1, 0.04},
		{"pre: variance of schools", 0.25, 0.06},
		{"y: variance of schools", 0.29 + 0.49*0.25 + 2*0.7*0.2, 0.15}, // u1 + 0.7 u0, and a little through FSM
		{"size: variance of schools", 5, 0.9},
	} {
		got, _ := traceMean(t, im, c.name)
		golden.Near(t, c.name, got, c.want, c.tol)
	}
	// Within schools, y on pre has slope 0.7 plus what goes through FSM.
	d := im.Sets[9].Draws[0]
	iy, ipre := 0, 1 // continuous first: y, pre, then fsm
	if d.Variables[0] != "y" || d.Variables[1] != "pre" || d.Variables[2] != "fsm" || d.Variables[3] != "size" {
		t.Fatalf("order of variables %v", d.Variables)
	}
	slope := d.Sigma[iy][ipre] / d.Sigma[ipre][ipre]
	if slope < 0.7 || slope > 0.85 {
		t.Errorf("slope of y on pre within schools %v", slope)
	}
	// Latent FSM on pre: −0.5/√1 in probit units.
	cov := d.Sigma[2][ipre] / d.Sigma[ipre][ipre]
	golden.Near(t, "slope of latent FSM on pre over its residual SD", cov/math.Sqrt(d.Sigma[2][2]-cov*d.Sigma[2][ipre]), -0.5, 0.12)
	if im.Imputed[0] < 1000 || im.Imputed[3] < 20 || im.Imputed[3] > 80 {
		t.Errorf("imputed %v", im.Imputed)
	}
	for _, s := range im.Sets {
		for i, f := range s.Values[1] {
			if f != 0 && f != 1 {
				t.Fatalf("FSM imputed as %v", f)
			}
			if m.Incomplete[1].Observed[i] && f != m.Incomplete[1].Values[i] || m.Incomplete[0].Observed[i] && s.Values[0][i] != m.Incomplete[0].Values[i] {
				t.Fatal("an observed value was changed")
			}
		}
		first := map[int]float64{}
		for i, v := range s.Values[3] {
			if w, ok := first[m.Cluster[i]]; ok && w != v {
				t.Fatal("a variable of schools differs within a school")
			}
			first[m.Cluster[i]] = v
		}
	}
}

func TestRepeatableAndOrderFree(t *testing.T) {
	m := joint(5, 20, 12)
	m.Imputations, m.Between, m.BurnIn = 4, 5, 20
	a, err := Impute(m)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := Impute(m)
	m.Seed++
	c, _ := Impute(m)
	same, other := true, true
	for s := range a.Sets {
		for v := range a.Sets[s].Values {
			for i, x := range a.Sets[s].Values[v] {
				same = same && b.Sets[s].Values[v][i] == x
				other = other && c.Sets[s].Values[v][i] == x
			}
		}
	}
	if !same || other {
		t.Errorf("same seed the same: %v; other seed the same: %v", same, other)
	}
	if a.Sets[0].Chain != 0 || a.Sets[1].Chain != 1 || a.Sets[2].Iteration != 30 {
		t.Errorf("sets %v %v", a.Sets[1].Chain, a.Sets[2].Iteration)
	}
}

func TestByArm(t *testing.T) {
	m := joint(6, 40, 15)
	arm := m.Predictors[0].Values
	m.Predictors = nil
	for _, a := range arm {
		m.ByArm = append(m.ByArm, int(a))
	}
	m.Imputations, m.Between, m.BurnIn = 4, 10, 50
	im, err := Impute(m)
	if err != nil {
		t.Fatal(err)
	}
	if len(im.Sets[0].Draws) != 2 || im.Sets[0].Draws[1].Arm != 1 {
		t.Fatalf("%d draws", len(im.Sets[0].Draws))
	}
	for i := range arm {
		if !m.Incomplete[0].Observed[i] && im.Sets[0].Values[0][i] == m.Incomplete[0].Values[i] {
			t.Fatal("a lost outcome was not imputed")
		}
	}
	for i := range m.Incomplete[0].Observed { // the whole outcome of one arm lost
		if arm[i] == 1 {
			m.Incomplete[0].Observed[i] = false
		}
	}
	if _, err := Impute(m); !errors.Is(err, ErrAllMissing) || !strings.Contains(err.Error(), "arm 1") {
		t.Errorf("an arm without outcomes: %v", err)
	}
}

func TestImputeRefuses(t *testing.T) {
	for name, spoil := range map[string]func(*Model){
		"nothing incomplete": func(m *Model) { m.Incomplete = nil },
		"nothing missing":    func(m *Model) { m.Incomplete[0].Observed = ones(len(m.Cluster)) },
		"all missing":        func(m *Model) { m.Incomplete[0].Observed = make([]bool, len(m.Cluster)) },
		"constant":           func(m *Model) { m.Incomplete[0].Values = make([]float64, len(m.Cluster)) },
		"one imputation":     func(m *Model) { m.Imputations = 1 },
		"no rows":            func(m *Model) { m.Cluster = nil },
		"one school":         func(m *Model) { m.Cluster = make([]int, len(m.Cluster)) },
		"predictor twice": func(m *Model) {
			m.Predictors = append(m.Predictors, Predictor{Name: "treat too", Values: m.Predictors[0].Values})
		},
		"constant predictor": func(m *Model) { m.Predictors[0].Values = make([]float64, len(m.Cluster)) },
		"predictor with NaN": func(m *Model) { m.Predictors[0].Values[3] = math.NaN() },
		"short predictor":    func(m *Model) { m.Predictors[0].Values = []float64{1} },
		"same name":          func(m *Model) { m.Predictors[0].Name = "y" },
		"not binary":         func(m *Model) { m.Incomplete[0].Kind = Binary },
		"unknown kind":       func(m *Model) { m.Incomplete[0].Kind = "count" },
		"one category":       func(m *Model) { m.Incomplete[0].Kind, m.Incomplete[0].Levels = Factor, 1 },
		"too many levels":    func(m *Model) { m.Incomplete[0].Kind, m.Incomplete[0].Levels = Factor, 300 },
		"no category":        func(m *Model) { m.Incomplete[0].Kind, m.Incomplete[0].Levels = Factor, 3 },
		"only of schools":    func(m *Model) { m.Incomplete[0].School = true },
		"identifier": func(m *Model) {
			for i := range m.Incomplete[0].Values {
				m.Incomplete[0].Values[i] = float64(1000 + i)
			}
		},
		"value NaN": func(m *Model) { m.Incomplete[0].Values[0], m.Incomplete[0].Observed[0] = math.NaN(), true },
		"prior of another": func(m *Model) {
			m.Prior = &Prior{DFPupil: 1, DFSchool: 1, Pupil: []float64{1, 2}, School: []float64{1}}
		},
		"prior of zero":      func(m *Model) { m.Prior = &Prior{DFPupil: 1, DFSchool: 1, Pupil: []float64{1}, School: []float64{0}} },
		"explains the other": func(m *Model) { v := m.Incomplete[0]; v.Name = "y again"; m.Incomplete = append(m.Incomplete, v) },
		"two values a school": func(m *Model) {
			v := m.Incomplete[0]
			v.Name, v.School = "size", true
			m.Incomplete = append(m.Incomplete, v)
		},
	} {
		m, _ := crt24(t)
		m.BurnIn, m.Between, m.Imputations = 20, 2, 2
		spoil(&m)
		if _, err := Impute(m); err == nil && name != "explains the other" {
			t.Errorf("%s: accepted", name)
		}
	}
	m, _ := crt24(t)
	whole := append([]bool(nil), m.Incomplete[0].Observed...)
	for i, a := range m.Predictors[0].Values {
		if a == 1 {
			m.Incomplete[0].Observed[i] = false
		}
	}
	if _, err := Impute(m); !errors.Is(err, ErrAllMissing) || !strings.Contains(err.Error(), "treat") {
		t.Errorf("everything missing in an arm: %v", err)
	}
	m.Incomplete[0].Observed = whole
	for i := range m.Incomplete[0].Values {
		m.Incomplete[0].Values[i] = float64(1000 + i)
	}
	if _, err := Impute(m); !errors.Is(err, ErrIdentifier) {
		t.Errorf("an identifier: %v", err)
	}
}

func ones(n int) []bool {
	out := make([]bool, n)
	for i := range out {
		out[i] = true
	}
	return out
}

func TestModelOfADataset(t *testing.T) {
	m, tab := crt24(t)
	n := tab.Rows
	arms := make([]int, n)
	for i, a := range tab.Floats("treat") {
		arms[i] = int(a)
	}
	strata, labels := tab.Codes("stratum")
	preObserved, sexObserved := ones(n), ones(n)
	preObserved[3], preObserved[200], sexObserved[5] = false, false, false
	sex := make([]int, n)
	for i, f := range tab.Floats("female") {
		sex[i] = int(f)
	}
	d := &analysis.Dataset{Outcome: m.Incomplete[0].Values, Observed: m.Incomplete[0].Observed, Lost: make([]string, n), Cluster: m.Cluster, Arm: arms, Arms: []string{"C", "T"},
		Stratum: strata, Strata: append(labels, "empty"), Covariates: []analysis.Column{
			{Name: "pre", Values: tab.Floats("pre"), Observed: preObserved}, {Name: "fsm", Values: tab.Floats("fsm")},
			{Name: "sex", Levels: []string{"boy", "girl"}, Codes: sex, Observed: sexObserved}}}
	im, dropped, err := ModelOf(d, false)
	if err != nil {
		t.Fatal(err)
	}
	if len(im.Incomplete) != 3 || im.Incomplete[2].Kind != Binary || len(dropped) != 1 || dropped[0] != "stratum: empty" || len(im.Predictors) != 1+1+3 {
		t.Fatalf("%d incomplete, %d predictors, dropped %v", len(im.Incomplete), len(im.Predictors), dropped)
	}
	im.Imputations, im.BurnIn, im.Between = 2, 50, 10
	out, err := Impute(im)
	if err != nil {
		t.Fatal(err)
	}
	full, err := Complete(d, im, out.Sets[0])
	if err != nil {
		t.Fatal(err)
	}
	for i := range n {
		if !full.Observed[i] || m.Incomplete[0].Observed[i] && full.Outcome[i] != d.Outcome[i] || full.Lost[i] != "" {
			t.Fatal("outcome not completed")
		}
	}
	if full.Covariates[0].Observed != nil || full.Covariates[2].Observed != nil || full.Covariates[2].Codes[4] != sex[4] || d.Covariates[0].Observed == nil {
		t.Error("covariates not completed, or the original changed")
	}
	if _, err := Complete(d, im, Set{Values: [][]float64{{1}}}); err == nil {
		t.Error("a set of other data accepted")
	}
	// A factor: of the levels that somebody has, put back under its own codes.
	d.Covariates[2] = analysis.Column{Name: "group", Levels: []string{"a", "nobody", "b", "c"}, Codes: make([]int, n), Observed: sexObserved}
	for i := range n {
		d.Covariates[2].Codes[i] = []int{0, 2, 3}[i%3]
	}
	factor, _, err := ModelOf(d, false)
	if v := factor.Incomplete[2]; err != nil || v.Kind != Factor || v.Levels != 3 || v.School || v.latentName(2) != "group: c" {
		t.Fatalf("%+v, %v", v, err)
	}
	factor.Imputations, factor.BurnIn, factor.Between = 4, 50, 10
	if out, err = Impute(factor); err != nil {
		t.Fatal(err)
	}
	for _, set := range out.Sets {
		full, err := Complete(d, factor, set)
		if err != nil {
			t.Fatal(err)
		}
		for i, code := range full.Covariates[2].Codes {
			if code == 1 || sexObserved[i] && code != d.Covariates[2].Codes[i] {
				t.Fatalf("row %d is %d", i, code)
			}
		}
	}
	// Products with the arm: of a column, of a factor's dummies, and none of a
	// column that has gaps.
	d.Covariates[2].Observed = nil
	crossed, dropped, err := ModelOf(d, false, "fsm", "group", "pre")
	if err != nil || !slices.Equal(dropped, []string{"pre", "group: nobody", "stratum: empty", "arm: T × group: nobody"}) {
		t.Fatalf("dropped %q, %v", dropped, err)
	}
	products := 0
	for _, p := range crossed.Predictors {
		name, ok := strings.CutPrefix(p.Name, "arm: T × ")
		if !ok {
			continue
		}
		products++
		of := slices.IndexFunc(crossed.Predictors, func(p Predictor) bool { return p.Name == name })
		for i := range n {
			if want := float64(arms[i]) * crossed.Predictors[of].Values[i]; p.Values[i] != want {
				t.Fatalf("%s, row %d: %v, want %v", p.Name, i, p.Values[i], want)
			}
		}
	}
	if products != 3 {
		t.Errorf("%d products", products)
	}
	for _, c := range []struct {
		byArm bool
		name  string
	}{{true, "fsm"}, {false, "height"}} {
		if _, _, err := ModelOf(d, c.byArm, c.name); err == nil {
			t.Errorf("%+v: no fault", c)
		}
	}
	byArm, _, err := ModelOf(d, true)
	if err != nil || byArm.ByArm == nil {
		t.Errorf("by arm: %v", err)
	}
}

func TestDraws(t *testing.T) {
	g := rand.New(rand.NewPCG(1, 1))
	const n = 200_000
	for _, shape := range []float64{0.3, 1, 7.5} {
		sum, sq := 0.0, 0.0
		for range n {
			v := gamma(g, shape)
			sum += v
			sq += v * v
		}
		mean := sum / n
		golden.Near(t, fmt.Sprint("gamma mean ", shape), mean, shape, 5*math.Sqrt(shape/n))
		golden.Close(t, fmt.Sprint("gamma variance ", shape), sq/n-mean*mean, shape, 0.04)
	}
	s := []float64{4, 1, 1, 3}
	var mean [4]float64
	for range n / 4 {
		w, ok := inverseWishart(g, 9, s, 2)
		if !ok {
			t.Fatal("no draw")
		}
		for i := range mean {
			mean[i] += w[i] / (n / 4)
		}
	}
	for i := range mean { // S/(df − n − 1)
		golden.Near(t, "inverse Wishart", mean[i], s[i]/6, 0.01)
	}
	for _, a := range []float64{-3, 0, 0.5, 2, 6} {
		sum := 0.0
		for range n {
			v := above(g, a)
			if v <= a {
				t.Fatalf("%v is not above %v", v, a)
			}
			sum += v
		}
		mills := math.Exp(-a*a/2) / math.Sqrt(2*math.Pi) / (0.5 * math.Erfc(a/math.Sqrt2))
		golden.Near(t, fmt.Sprint("truncated mean ", a), sum/n, mills, 0.01)
	}
}

func TestConvergenceMeasures(t *testing.T) {
	g := rand.New(rand.NewPCG(2, 2))
	chain := func(shift, rho float64) []float64 {
		c := make([]float64, 4000)
		for i := range c {
			if i > 0 {
				c[i] = rho*(c[i-1]-shift) + shift
			}
			c[i] += math.Sqrt(1-rho*rho) * g.NormFloat64()
			if i == 0 {
				c[i] += shift
			}
		}
		return c
	}
	r, e := convergence([][]float64{chain(0, 0), chain(0, 0)})
	if r > 1.01 || e < 6000 || e > 8100 {
		t.Errorf("independent: R-hat %v, ESS %v", r, e)
	}
	r, e = convergence([][]float64{chain(0, 0.9), chain(0, 0.9)})
	if r > 1.05 || math.Abs(e/8000-0.1/1.9) > 0.02 {
		t.Errorf("slow: R-hat %v, ESS %v, want %v", r, e, 8000*0.1/1.9)
	}
	// Chains of different length, as 5 imputations of 2 chains have them.
	if r, e = convergence([][]float64{chain(5, 0), chain(5, 0)[:2600]}); r > 1.01 || e < 4000 || e > 5300 {
		t.Errorf("unequal lengths: R-hat %v, ESS %v", r, e)
	}
	if r, _ = convergence([][]float64{chain(0, 0), chain(3, 0)}); r < 1.5 {
		t.Errorf("apart: R-hat %v", r)
	}
	golden.Near(t, "lag 3", autocorrelation([][]float64{chain(0, 0.9)}, 3), 0.729, 0.06)
}

// 20 imputations of 5,000 pupils in 114 schools, 1,000 burn-in, 100 between: the
// outcome and the baseline, and these with a binary variable and one of schools.
func BenchmarkImpute(b *testing.B) {
	y, pre, _, _, oy, op, _, _, arm, school := simulated(8, 114, 44, true)
	two := Model{Cluster: school, Predictors: []Predictor{{Name: "arm", Values: arm}}, Seed: 1, Incomplete: []Variable{
		{Name: "y", Kind: Continuous, Values: y, Observed: oy}, {Name: "pre", Kind: Continuous, Values: pre, Observed: op}}}
	for _, c := range []struct {
		name string
		m    Model
	}{{"OutcomeAndBaseline", two}, {"WithBinaryAndSchool", joint(8, 114, 44)}} {
		b.Run(c.name, func(b *testing.B) {
			for b.Loop() {
				if _, err := Impute(c.m); err != nil {
					b.Fatal(err)
				}
			}
			b.ReportMetric(float64(len(y)), "pupils")
		})
	}
}

// categorical makes pupils with a factor of three categories and schools with a
// binary variable and a factor of their own, all from latent normal variables,
// and loses them at random given what is observed.
func categorical(seed uint64, schools, perSchool int) (m Model, group, kind, area []float64) {
	g := rand.New(rand.NewPCG(seed, 7))
	var y, arm []float64
	var school []int
	var oy, og, ok, oa []bool
	for s := range schools {
		a := float64(s % 2)
		u, w1, w2 := 0.5*g.NormFloat64(), 0.5*g.NormFloat64(), 0.5*g.NormFloat64()
		k, r := 0.0, 0.0
		if 0.3+1.2*u+g.NormFloat64() > 0 {
			k = 1
		}
		if l1, l2 := 0.2+0.8*u+g.NormFloat64(), -0.1-0.8*u+g.NormFloat64(); l1 > 0 || l2 > 0 {
			if r = 1; l2 > l1 {
				r = 2
			}
		}
		seenK, seenA := g.Float64() > 0.2, g.Float64() > 0.2
		for range perSchool {
			c := 0.0
			l1, l2 := 0.3*a+0.4*u+w1+g.NormFloat64(), -0.3-0.4*u+w2+g.NormFloat64()
			if l1 > 0 || l2 > 0 {
				if c = 1; l2 > l1 {
					c = 2
				}
			}
			v := 0.7*l1 - 0.5*l2 + 0.3*a + u + g.NormFloat64()
			y, arm, group, kind, area, school = append(y, v), append(arm, a), append(group, c), append(kind, k), append(area, r), append(school, s)
			// The factor is lost on the outcome, and the outcome here and there.
			og, oy = append(og, g.Float64() > 1/(1+math.Exp(1-0.6*v))), append(oy, g.Float64() > 0.05)
			ok, oa = append(ok, seenK), append(oa, seenA)
		}
	}
	return Model{Cluster: school, Predictors: []Predictor{{Name: "arm", Values: arm}}, Seed: seed, Incomplete: []Variable{
		{Name: "y", Kind: Continuous, Values: y, Observed: oy}, {Name: "group", Kind: Factor, Levels: 3, Labels: []string{"none", "one", "two"}, Values: group, Observed: og},
		{Name: "kind", Kind: Binary, School: true, Values: kind, Observed: ok}, {Name: "area", Kind: Factor, Levels: 3, School: true, Values: area, Observed: oa}}}, group, kind, area
}

// A factor of pupils, and a binary variable and a factor of schools, are imputed
// as they were lost: among those lost each category is as frequent as it truly
// is, within thirds of the outcome and of the schools' means.
func TestFactorsAndSchools(t *testing.T) {
	m, group, kind, area := categorical(21, 400, 25)
	m.Imputations, m.Between, m.BurnIn = 12, 50, 600
	im, err := Impute(m)
	if err != nil {
		t.Fatal(err)
	}
	if !strings.Contains(im.Prior, "latents normal with SD 5") {
		t.Errorf("prior %q", im.Prior)
	}
	if v := im.Sets[0].Draws[0].Variables; strings.Join(v, ",") != "y,group: one,group: two,kind,area: 1,area: 2" {
		t.Errorf("variables %v", v)
	}
	y := m.Incomplete[0].Values
	means, sizes := map[int]float64{}, map[int]float64{}
	for i, s := range m.Cluster {
		means[s] += y[i]
		sizes[s]++
	}
	third := func(x float64, cuts ...float64) int {
		for i, c := range cuts {
			if x < c {
				return i
			}
		}
		return len(cuts)
	}
	for _, c := range []struct {
		name  string
		at    int
		truth []float64
		part  func(i int) int
	}{
		{"group", 1, group, func(i int) int { return third(y[i], 0, 1.2) }},
		{"kind", 2, kind, func(i int) int { return third(means[m.Cluster[i]]/sizes[m.Cluster[i]], 0, 0.5) }},
		{"area", 3, area, func(i int) int { return third(means[m.Cluster[i]]/sizes[m.Cluster[i]], 0, 0.5) }},
	} {
		var truly, imputed [3][3]float64
		var n, units [3]float64
		counted := map[int]bool{}
		for i, ok := range m.Incomplete[c.at].Observed {
			if ok {
				continue
			}
			k := c.part(i)
			n[k]++
			if !m.Incomplete[c.at].School || !counted[m.Cluster[i]] {
				units[k]++
				counted[m.Cluster[i]] = true
			}
			truly[k][int(c.truth[i])]++
			for _, s := range im.Sets {
				imputed[k][int(s.Values[c.at][i])] += 1 / float64(len(im.Sets))
			}
		}
		for k := range n {
			for cat := range 3 {
				p := imputed[k][cat] / n[k]
				golden.Near(t, fmt.Sprintf("%s, part %d, category %d of %v lost", c.name, k, cat, units[k]), p, truly[k][cat]/n[k], 3.5*math.Sqrt(max(p*(1-p), 0.05)/units[k]))
			}
		}
		if c.at == 1 && !(imputed[0][1]/n[0] < 0.6*imputed[2][1]/n[2]) {
			t.Errorf("%s: the outcome says nothing of it", c.name)
		}
	}
	// What is observed stays, and schools have one value.
	for _, s := range im.Sets {
		first := map[int]float64{}
		for i := range y {
			if m.Incomplete[1].Observed[i] && s.Values[1][i] != group[i] || m.Incomplete[3].Observed[i] && s.Values[3][i] != area[i] {
				t.Fatal("an observed category was changed")
			}
			if was, ok := first[m.Cluster[i]]; ok && was != s.Values[3][i] {
				t.Fatal("a factor of schools differs within a school")
			}
			first[m.Cluster[i]] = s.Values[3][i]
		}
	}
	// The latent side fits too: its slope on the outcome, given the arm.
	if len(im.Warnings) > 0 {
		t.Logf("warnings: %v", im.Warnings)
	}
}

// A category that a predictor tells for certain leaves the sampler where it is.
func TestCategoryToldForCertain(t *testing.T) {
	m, group, _, _ := categorical(22, 30, 12)
	m.Incomplete = m.Incomplete[:2]
	sure := Predictor{Name: "sure", Values: make([]float64, len(group))}
	for i, c := range group {
		if c == 2 {
			sure.Values[i] = 1
		}
	}
	m.Predictors = append(m.Predictors, sure, Interaction(m.Predictors[0], sure))
	if m.Predictors[2].Name != "arm × sure" {
		t.Errorf("%q", m.Predictors[2].Name)
	}
	m.Imputations, m.Between, m.BurnIn = 4, 10, 200
	im, err := Impute(m)
	if err != nil {
		t.Fatal(err)
	}
	// Three who alone have a category are named.
	rare := m
	rare.Incomplete = append([]Variable(nil), m.Incomplete...)
	v := rare.Incomplete[1]
	v.Levels, v.Labels, v.Values = 4, append(append([]string(nil), v.Labels...), "rare"), append([]float64(nil), v.Values...)
	left := 3
	for i, ok := range v.Observed {
		if ok && left > 0 {
			v.Values[i] = 3
			left--
		}
	}
	rare.Incomplete[1] = v
	if told, err := Impute(rare); err != nil || !strings.Contains(fmt.Sprint(told.Warnings), "Only 3 have group: rare") {
		t.Errorf("%v, %v", told, err)
	}
	right, lost := 0, 0
	for _, s := range im.Sets {
		for i, ok := range m.Incomplete[1].Observed {
			if !ok {
				lost++
				if (s.Values[1][i] == 2) == (group[i] == 2) {
					right++
				}
			}
		}
	}
	if float64(right) < 0.95*float64(lost) {
		t.Errorf("%d of %d lost categories are on the side that the predictor tells", right, lost)
	}
	for _, tr := range im.Traces {
		for _, c := range tr.Chains {
			for _, v := range c {
				if math.IsNaN(v) || math.Abs(v) > 100 {
					t.Fatalf("%s ran away to %v", tr.Parameter, v)
				}
			}
		}
	}
}
