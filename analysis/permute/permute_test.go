package permute

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"testing"

	"evenhand/analysis/internal/golden"
	"evenhand/analysis/robust"
)

// crt24 is 24 schools in 4 strata of 6, 3 of each treated: 20⁴ allocations.
type crt24 struct {
	y, pre  []float64
	school  []int
	stratum []int // of each school
	drawn   []int
	size    []float64
	mean    []float64
}

func load(t testing.TB) crt24 {
	t.Helper()
	tab := golden.Data(t, "crt24.csv")
	var d crt24
	d.y, d.pre = tab.Floats("y"), tab.Floats("pre")
	var labels []string
	d.school, labels = tab.Codes("school")
	strata, _ := tab.Codes("stratum")
	arm := tab.Floats("treat")
	n := len(labels)
	d.stratum, d.drawn, d.size, d.mean = make([]int, n), make([]int, n), make([]float64, n), make([]float64, n)
	for i, s := range d.school {
		d.stratum[s], d.drawn[s] = strata[i], int(arm[i])
		d.size[s]++
		d.mean[s] += d.y[i]
	}
	for s := range d.mean {
		d.mean[s] /= d.size[s]
	}
	return d
}

func (d crt24) treated() []bool {
	z := make([]bool, len(d.drawn))
	for i, a := range d.drawn {
		z[i] = a == 1
	}
	return z
}

func ones(n int) []float64 {
	v := make([]float64, n)
	for i := range v {
		v[i] = 1
	}
	return v
}

// enumerate gives redraw i of all 160,000 by writing i in base 20.
func (d crt24) enumerate() func(i int) []int {
	var combinations [][]int
	for m := range 64 {
		if ones := []int{}; true {
			for b := range 6 {
				if m>>b&1 == 1 {
					ones = append(ones, b)
				}
			}
			if len(ones) == 3 {
				combinations = append(combinations, ones)
			}
		}
	}
	members := map[int][]int{}
	for s, k := range d.stratum {
		members[k] = append(members[k], s)
	}
	return func(i int) []int {
		arms := make([]int, len(d.drawn))
		for k := range 4 {
			for _, b := range combinations[i%20] {
				arms[members[k][b]] = 1
			}
			i /= 20
		}
		return arms
	}
}

func TestExactRandomisationTest(t *testing.T) {
	d := load(t)
	ref := golden.Statistics(t).At("s5_df_robust_ri", "randomisation_inference_crt24")
	unit := make([]int, 24)
	for i := range unit {
		unit[i] = i
	}
	means, err := NewLinear(Difference, d.mean, [][]float64{ones(24)}, unit, nil, d.treated())
	if err != nil {
		t.Fatal(err)
	}
	persons, err := NewLinear(Difference, d.y, [][]float64{ones(len(d.y))}, d.school, nil, d.treated())
	if err != nil {
		t.Fatal(err)
	}
	p := Problem{Drawn: d.drawn, Arm: 1, Against: 0, Redraw: d.enumerate(), Redraws: 160_000, Enumerated: true, Level: 0.95, Statistic: means}
	golden.AtLeast(t, "allocations", p.Redraws, int(ref.At("n_assignments").Float()))
	for name, stat := range map[string]Statistic{"stat_cluster_means": means, "stat_person_weighted": persons} {
		p.Statistic = stat
		r, err := Test(p)
		if err != nil {
			t.Fatal(err)
		}
		want := ref.At(name)
		golden.Close(t, name+" observed", r.Observed, want.At("observed").Float(), 1e-9)
		golden.Near(t, name+" p", r.P, want.At("p", "ge").Float(), 1e-12)
		golden.Near(t, name+" upper", r.Upper, want.At("p", "upper").Float(), 1e-12)
		golden.Near(t, name+" lower", r.Lower, want.At("p", "lower").Float(), 1e-12)
		if name == "stat_cluster_means" {
			golden.Close(t, name+" variance", r.Variance, want.At("var_permutation").Float(), 1e-9)
			ci := want.At("ci95_two_sided_abs_inversion").Floats()
			if !r.HasInterval {
				t.Fatalf("no interval: %s", r.Why)
			}
			golden.Close(t, "low", r.Interval.Low, ci[0], 1e-8)
			golden.Close(t, "high", r.Interval.High, ci[1], 1e-8)
		}
	}
}

// The statistics from sums equal those of models refitted to shifted outcomes.
func TestLinearAgainstRefitting(t *testing.T) {
	d := load(t)
	redraw := d.enumerate()
	var strata [4][]float64
	for k := range strata {
		strata[k] = make([]float64, len(d.y))
		for i, s := range d.school {
			if d.stratum[s] == k {
				strata[k][i] = 1
			}
		}
	}
	weights := make([]float64, len(d.y))
	for i, s := range d.school {
		weights[i] = 1 / d.size[s]
	}
	n := 0
	for _, w := range [][]float64{nil, weights} {
		for _, kind := range []Kind{Difference, Studentised, EffectSize} {
			l, err := NewLinear(kind, d.y, [][]float64{d.pre, strata[0], strata[1], strata[2], strata[3]}, d.school, w, d.treated())
			if err != nil {
				t.Fatal(err)
			}
			for _, i := range []int{0, 17, 4321, 159_999} {
				arms := redraw(i)
				z := make([]bool, 24)
				indicator := make([]float64, len(d.y))
				for u, a := range arms {
					z[u] = a == 1
				}
				for r, s := range d.school {
					indicator[r] = float64(arms[s])
				}
				piece, err := l.Of(z)
				if err != nil {
					t.Fatal(err)
				}
				for _, tau := range []float64{0, 2.5, -7} {
					y := append([]float64(nil), d.y...)
					for r, s := range d.school {
						y[r] -= tau * float64(d.drawn[s])
					}
					f, err := robust.Least(robust.Data{Y: y, Weights: w, Cluster: d.school, X: []robust.Column{{Name: "arm", Values: indicator}, {Name: "pre", Values: d.pre},
						{Name: "1", Values: strata[0]}, {Name: "2", Values: strata[1]}, {Name: "3", Values: strata[2]}, {Name: "4", Values: strata[3]}}})
					if err != nil {
						t.Fatal(err)
					}
					want := f.Beta[0]
					switch kind {
					case EffectSize:
						want /= f.Sigma
					case Studentised:
						in, err := f.Inference(robust.CR0)
						if err != nil {
							t.Fatal(err)
						}
						want /= math.Sqrt(in.Vcov[0][0])
					}
					golden.Close(t, fmt.Sprintf("%s, redraw %d, shift %v", kind, i, tau), piece.At(tau), want, 1e-9)
					n++
				}
			}
		}
	}
	golden.AtLeast(t, "refits", n, 72)
}

func TestSampledRedraws(t *testing.T) {
	d := load(t)
	redraw := d.enumerate()
	exact := golden.Statistics(t).At("s5_df_robust_ri", "randomisation_inference_crt24", "stat_person_weighted", "p", "ge").Float()
	l, err := NewLinear(Studentised, d.y, [][]float64{ones(len(d.y))}, d.school, nil, d.treated())
	if err != nil {
		t.Fatal(err)
	}
	diff, _ := NewLinear(Difference, d.y, [][]float64{ones(len(d.y))}, d.school, nil, d.treated())
	p := Problem{Drawn: d.drawn, Arm: 1, Redraws: 9999, Level: 0.95, Statistic: diff,
		Redraw: func(i int) []int { return redraw(rand.New(rand.NewPCG(5, uint64(i))).IntN(160_000)) }}
	r, err := Test(p)
	if err != nil {
		t.Fatal(err)
	}
	// 4 standard errors of a share of 9,999 redraws: a false alarm in 16,000.
	golden.Near(t, "p", r.P, exact, 4*math.Sqrt(exact*(1-exact)/9999))
	if r.P*10_000 != math.Round(r.P*10_000) || r.P < 1.0/10_000 {
		t.Errorf("p = %v is not (1+b)/10000", r.P)
	}
	again, _ := Test(p)
	if again != r {
		t.Errorf("the same redraws give %+v and %+v", r, again)
	}
	p.Statistic = l
	s, err := Test(p)
	if err != nil || !s.HasInterval || !(s.Interval.Low < s.Interval.High) || math.Abs(s.P-r.P) > 0.05 {
		t.Errorf("studentised: %+v, %v", s, err)
	}
	p.Statistic = Func(func(z []bool) (float64, error) {
		q, err := diff.Of(z)
		return q.A, err
	})
	f, err := Test(p)
	if err != nil || f.P != r.P || f.HasInterval || f.Why == "" {
		t.Errorf("a plain function: %+v, %v", f, err)
	}
	failing := 0
	p.Statistic = Func(func(z []bool) (float64, error) {
		q, err := diff.Of(z)
		if z[0] && z[1] && z[2] {
			return 0, errors.New("cannot be fitted")
		}
		return q.A, err
	})
	f, err = Test(p)
	if err != nil || f.Failed == 0 || f.P < r.P || f.P > r.P+float64(f.Failed)/9999 {
		t.Errorf("failing redraws count as extreme: %+v, %v (%d)", f, err, failing)
	}
}

// Two schools: the only allocations are the drawn one and its mirror, so p is 1
// and no interval has an end.
func TestTooFewAllocations(t *testing.T) {
	l, err := NewLinear(Difference, []float64{1, 2, 4, 7}, [][]float64{ones(4)}, []int{0, 0, 1, 1}, nil, []bool{true, false})
	if err != nil {
		t.Fatal(err)
	}
	r, err := Test(Problem{Drawn: []int{1, 0}, Arm: 1, Enumerated: true, Redraws: 2, Level: 0.95, Statistic: l, Redraw: func(i int) []int { return [][]int{{1, 0}, {0, 1}}[i] }})
	if err != nil || r.P != 1 || r.HasInterval || r.Why == "" || r.Distinct != 1 {
		t.Errorf("%+v, %v", r, err)
	}
}

func TestRefusals(t *testing.T) {
	d := load(t)
	l, err := NewLinear(Difference, d.y, [][]float64{ones(len(d.y))}, d.school, nil, d.treated())
	if err != nil {
		t.Fatal(err)
	}
	good := Problem{Drawn: d.drawn, Arm: 1, Redraw: d.enumerate(), Redraws: 10, Statistic: l}
	for name, spoil := range map[string]func(*Problem){
		"no units":     func(p *Problem) { p.Drawn = nil },
		"no redraws":   func(p *Problem) { p.Redraws = 0 },
		"no statistic": func(p *Problem) { p.Statistic = nil },
		"level 95":     func(p *Problem) { p.Level = 95 },
		"same arm":     func(p *Problem) { p.Against = 1 },
		"third arm":    func(p *Problem) { p.Redraw = func(int) []int { return append([]int{2}, d.drawn[1:]...) } },
		"short redraw": func(p *Problem) { p.Redraw = func(int) []int { return []int{1} } },
		"drawn third":  func(p *Problem) { p.Drawn = append([]int{7}, d.drawn[1:]...) },
		"all fail":     func(p *Problem) { p.Statistic = Func(func([]bool) (float64, error) { return math.NaN(), nil }) },
	} {
		p := good
		spoil(&p)
		if _, err := Test(p); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	x := [][]float64{ones(len(d.y))}
	for name, f := range map[string]func() error{
		"unknown kind": func() error { _, e := NewLinear("t", d.y, x, d.school, nil, d.treated()); return e },
		"collinear": func() error {
			_, e := NewLinear(Difference, d.y, [][]float64{x[0], x[0]}, d.school, nil, d.treated())
			return e
		},
		"short column": func() error {
			_, e := NewLinear(Difference, d.y, [][]float64{{1}}, d.school, nil, d.treated())
			return e
		},
		"no such unit": func() error { _, e := NewLinear(Difference, d.y, x, d.school, nil, d.treated()[:5]); return e },
		"constant":     func() error { _, e := NewLinear(Difference, ones(len(d.y)), x, d.school, nil, d.treated()); return e },
		"weight 0": func() error {
			_, e := NewLinear(Difference, d.y, x, d.school, make([]float64, len(d.y)), d.treated())
			return e
		},
		"NaN": func() error {
			y := append([]float64(nil), d.y...)
			y[3] = math.NaN()
			_, e := NewLinear(Difference, y, x, d.school, nil, d.treated())
			return e
		},
	} {
		if f() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := l.Of(make([]bool, 24)); err == nil {
		t.Error("an allocation without a treated school has a statistic")
	}
	if _, err := l.Of(make([]bool, 3)); err == nil {
		t.Error("an allocation of three schools has a statistic")
	}
}

// Step-down adjustment by hand: three outcomes, four allocations of which the
// first is the drawn one.
func TestWestfallYoung(t *testing.T) {
	observed := []float64{3, -1, 2}
	redrawn := [][]float64{{3, 0, -1, 3}, {-1, 2, 0.5, 0}, {2, 1, 2, -4}}
	// Largest first: outcome 0 (3): maxima 3, 2, 2, 4 → 2 of 4 reach 3. Outcome
	// 2 (2), over outcomes 2 and 1: 2, 2, 2, 4 → 4 of 4. Outcome 1: then 1 too.
	got, err := WestfallYoung(observed, redrawn, true)
	if err != nil {
		t.Fatal(err)
	}
	golden.CloseAll(t, "adjusted", got, []float64{0.5, 1, 1}, 1e-15)
	got, _ = WestfallYoung([]float64{3}, redrawn[:1], false)
	golden.CloseAll(t, "one outcome", got, []float64{3.0 / 5}, 1e-15)
	if _, err := WestfallYoung(observed, redrawn[:2], true); err == nil {
		t.Error("a missing outcome accepted")
	}
	if _, err := WestfallYoung([]float64{math.NaN()}, redrawn[:1], true); err == nil {
		t.Error("NaN accepted")
	}
}

// runOne is of a single value.
func runOne(r Resampling) (Bootstrap, error) {
	all, err := Run(r)
	if err != nil {
		return Bootstrap{}, err
	}
	return all[0], nil
}

// One school a pupil, one group: the bootstrap of a mean. Its SE is s√((n−1)/n)/√n
// in the limit and its acceleration Σ(x−x̄)³/(6(Σ(x−x̄)²)^1.5).
func TestBootstrapOfAMean(t *testing.T) {
	x := []float64{1, 2, 2, 3, 4, 4, 5, 7, 9, 15, 21, 30}
	n := float64(len(x))
	cluster := make([]int, len(x))
	mean, ss, cubes := 0.0, 0.0, 0.0
	for i, v := range x {
		cluster[i] = i
		mean += v / n
	}
	for _, v := range x {
		ss += (v - mean) * (v - mean)
		cubes += (v - mean) * (v - mean) * (v - mean)
	}
	r := Resampling{What: Schools, Cluster: cluster, Replicates: 20_000, Seed: 3, Level: 0.95, Values: 1, Statistic: One(func(s Sample) (float64, error) {
		sum, m := 0.0, 0.0
		for i, c := range s.Counts {
			sum += float64(c) * x[i]
			m += float64(c)
		}
		return sum / m, nil
	})}
	b, err := runOne(r)
	if err != nil {
		t.Fatal(err)
	}
	golden.Close(t, "estimate", b.Estimate, mean, 1e-12)
	golden.Close(t, "SE", b.SE, math.Sqrt(ss)/n, 0.03) // 20,000 replicates: 0.5 % SE
	p, err := r.plan()
	if err != nil {
		t.Fatal(err)
	}
	a, ok := p.acceleration(p.each(p.leftOut(), (*sampler).leave)[0])
	if !ok {
		t.Fatal("no acceleration")
	}
	golden.Close(t, "acceleration", a, cubes/(6*math.Pow(ss, 1.5)), 1e-9)
	// Skewed to the right: BCa lies to the right of the percentile interval.
	if !b.HasBCa || !(b.BCa.Low > b.Percentile.Low && b.BCa.High > b.Percentile.High) {
		t.Errorf("%+v", b)
	}
	again, _ := runOne(r)
	if again != b {
		t.Error("the same seed gives another answer")
	}
	r.Seed = 4
	other, _ := runOne(r)
	if other == b {
		t.Error("another seed gives the same answer")
	}
}

func TestWhatVaries(t *testing.T) {
	d := load(t)
	group := make([]int, 24)
	for s := range group {
		group[s] = 2*d.stratum[s] + d.drawn[s]
	}
	effect := func(s Sample) (float64, error) {
		var sum, n [2]float64
		y := d.y
		rows := s.Rows
		if s.Outcome != nil {
			y = s.Outcome
			for i := range y {
				a := d.drawn[d.school[i]]
				sum[a] += y[i]
				n[a]++
			}
		}
		for _, r := range rows {
			a := d.drawn[d.school[r]]
			sum[a] += y[r]
			n[a]++
		}
		return sum[1]/n[1] - sum[0]/n[0], nil
	}
	base := Resampling{Cluster: d.school, Group: group, Replicates: 2000, Seed: 1, Level: 0.95, Statistic: One(effect), Values: 1, NeedRows: true}
	se := map[Resample]float64{}
	for _, what := range []Resample{Schools, Pupils, Both} {
		r := base
		r.What = what
		b, err := runOne(r)
		if err != nil {
			t.Fatal(err)
		}
		se[what] = b.SE
		golden.Close(t, string(what), b.Estimate, 3.79898236314258, 1e-9)
		if b.Percentile.Low >= b.Percentile.High || !b.HasBCa {
			t.Errorf("%s: %+v", what, b)
		}
	}
	// Pupils in fixed schools miss the variation between schools; both is the
	// most.
	if !(se[Pupils] < se[Schools] && se[Schools] < se[Both]) {
		t.Errorf("standard errors %v", se)
	}
	// Residuals of the arms' means, reflated to chosen variances: the SE follows.
	r := base
	r.What = Residual
	r.Fitted = make([]float64, len(d.y))
	schools := make([]float64, 24)
	pupils := make([]float64, len(d.y))
	for i, s := range d.school {
		r.Fitted[i] = 10 * float64(d.drawn[s])
		pupils[i] = d.y[i] - d.mean[s]
	}
	for s := range schools {
		schools[s] = d.mean[s]
	}
	var err error
	if r.SchoolEffect, err = Reflate(schools, 20); err != nil {
		t.Fatal(err)
	}
	if r.PupilResidual, err = Reflate(pupils, 60); err != nil {
		t.Fatal(err)
	}
	b, err := runOne(r)
	if err != nil {
		t.Fatal(err)
	}
	var nt, nc, st, sc float64
	for s, n := range d.size {
		if d.drawn[s] == 1 {
			nt, st = nt+n, st+n*n
		} else {
			nc, sc = nc+n, sc+n*n
		}
	}
	golden.Close(t, "residual SE", b.SE, math.Sqrt(20*(st/(nt*nt)+sc/(nc*nc))+60*(1/nt+1/nc)), 0.08)
	if b.HasBCa {
		t.Error("a residual bootstrap has a BCa interval")
	}
}

// Neither a bootstrap nor a test depends on the number of processors.
func TestSameOnAnyNumberOfProcessors(t *testing.T) {
	d := load(t)
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(0))
	l, err := NewLinear(Studentised, d.y, [][]float64{ones(len(d.y)), d.pre}, d.school, nil, d.treated())
	if err != nil {
		t.Fatal(err)
	}
	var tests []Result
	boots := map[Resample][]Bootstrap{}
	for _, n := range []int{1, 2, 5} {
		runtime.GOMAXPROCS(n)
		for _, what := range []Resample{Schools, Pupils, Both} {
			b, err := runOne(Resampling{What: what, Cluster: d.school, Group: d.drawn, Replicates: 150, Seed: 1, Level: 0.9, NeedRows: true, Values: 1, Statistic: One(func(s Sample) (float64, error) {
				sum := 0.0
				for _, r := range s.Rows {
					sum += d.y[r]
				}
				return sum / float64(len(s.Rows)), nil
			})})
			if err != nil {
				t.Fatal(err)
			}
			boots[what] = append(boots[what], b)
		}
		r, err := Test(Problem{Drawn: d.drawn, Arm: 1, Redraws: 300, Level: 0.9, Statistic: l, Redraw: func(i int) []int {
			g := rand.New(rand.NewPCG(1, uint64(i)))
			arms := append([]int(nil), d.drawn...)
			g.Shuffle(len(arms), func(i, j int) { arms[i], arms[j] = arms[j], arms[i] })
			return arms
		}})
		if err != nil {
			t.Fatal(err)
		}
		tests = append(tests, r)
	}
	for i := 1; i < 3; i++ {
		if tests[i] != tests[0] {
			t.Errorf("test: %+v, on one processor %+v", tests[i], tests[0])
		}
		for what, all := range boots {
			if all[i] != all[0] {
				t.Errorf("%s: %+v, on one processor %+v", what, all[i], all[0])
			}
		}
	}
}

func TestReflate(t *testing.T) {
	got, err := Reflate([]float64{1, 2, 6}, 9)
	if err != nil {
		t.Fatal(err)
	}
	mean, v := (got[0]+got[1]+got[2])/3, 0.0
	for _, x := range got {
		v += (x - mean) * (x - mean) / 3
	}
	golden.Near(t, "mean", mean, 0, 1e-15)
	golden.Close(t, "variance", v, 9, 1e-14)
	if zero, err := Reflate([]float64{1, 2}, 0); err != nil || zero[0] != 0 || zero[1] != 0 {
		t.Errorf("%v, %v", zero, err)
	}
	for _, bad := range []func() ([]float64, error){
		func() ([]float64, error) { return Reflate(nil, 1) },
		func() ([]float64, error) { return Reflate([]float64{1, 1}, 1) },
		func() ([]float64, error) { return Reflate([]float64{1, 2}, -1) },
	} {
		if _, err := bad(); err == nil {
			t.Error("accepted")
		}
	}
}

func TestBootstrapRefusals(t *testing.T) {
	one := One(func(Sample) (float64, error) { return 1, nil })
	for name, r := range map[string]Resampling{
		"unknown":     {What: "towns", Cluster: []int{0, 1}, Replicates: 100, Level: 0.95, Statistic: one},
		"few":         {What: Schools, Cluster: []int{0, 1}, Replicates: 2, Level: 0.95, Statistic: one},
		"level":       {What: Schools, Cluster: []int{0, 1}, Replicates: 100, Statistic: one},
		"statistic":   {What: Schools, Cluster: []int{0, 1}, Replicates: 100, Level: 0.95},
		"one school":  {What: Schools, Cluster: []int{0, 0}, Replicates: 100, Level: 0.95, Statistic: one},
		"empty":       {What: Schools, Cluster: []int{0, 2}, Replicates: 100, Level: 0.95, Statistic: one},
		"negative":    {What: Schools, Cluster: []int{0, -1}, Replicates: 100, Level: 0.95, Statistic: one},
		"groups":      {What: Schools, Cluster: []int{0, 1}, Group: []int{1}, Replicates: 100, Level: 0.95, Statistic: one},
		"no effects":  {What: Residual, Cluster: []int{0, 1}, Replicates: 100, Level: 0.95, Statistic: one},
		"no variance": {What: Schools, Cluster: []int{0, 1}, Replicates: 100, Level: 0.95, Statistic: one},
		"fails":       {What: Schools, Cluster: []int{0, 1}, Replicates: 100, Level: 0.95, Statistic: One(func(Sample) (float64, error) { return 0, errors.New("no") })},
	} {
		r.Values = 1
		if _, err := Run(r); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestTheComparisonCanFail(t *testing.T) {
	d := load(t)
	l, err := NewLinear(Difference, d.y, [][]float64{ones(len(d.y))}, d.school, nil, d.treated())
	if err != nil {
		t.Fatal(err)
	}
	q, _ := l.Of(d.treated())
	if golden.RelDiff(q.At(0), q.At(1e-6)) < 1e-9 {
		t.Fatal("a shift is not noticed")
	}
}

// 10,000 redraws of a trial of the RLC's size, studentised and adjusted, with
// the interval.
func BenchmarkRedraws(b *testing.B) {
	r := rand.New(rand.NewPCG(9, 9))
	const schools, pupils = 114, 5000
	y, pre := make([]float64, pupils), make([]float64, pupils)
	unit, drawn, z := make([]int, pupils), make([]int, schools), make([]bool, schools)
	for s := range drawn {
		drawn[s] = s % 2
		z[s] = s%2 == 1
	}
	for i := range y {
		unit[i] = i * schools / pupils
		pre[i] = 100 + 15*r.NormFloat64()
		y[i] = 0.5*pre[i] + float64(unit[i]%7) + 10*r.NormFloat64()
	}
	for b.Loop() {
		l, err := NewLinear(Studentised, y, [][]float64{ones(pupils), pre}, unit, nil, z)
		if err != nil {
			b.Fatal(err)
		}
		_, err = Test(Problem{Drawn: drawn, Arm: 1, Redraws: 10_000, Level: 0.95, Statistic: l, Redraw: func(i int) []int {
			g := rand.New(rand.NewPCG(1, uint64(i)))
			arms := make([]int, schools)
			for j, s := range g.Perm(schools) {
				arms[s] = j % 2
			}
			return arms
		}})
		if err != nil {
			b.Fatal(err)
		}
	}
}
