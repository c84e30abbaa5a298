package missing

import (
	"errors"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"

	"evenhand/analysis"
	"evenhand/analysis/internal/golden"
	"evenhand/analysis/mixed"
	"evenhand/analysis/robust"
)

func roots(v []float64) []float64 {
	out := make([]float64, len(v))
	for i, x := range v {
		out[i] = math.Sqrt(x)
	}
	return out
}

func TestRubin(t *testing.T) {
	cases := golden.Statistics(t).At("s6_missing", "rubin")
	n := 0
	for i := range cases.Len() {
		c := cases.Index(i)
		dfcom := math.Inf(1)
		if v := c.At("n").Float(); !math.IsInf(v, 1) {
			dfcom = v - c.At("k").Float()
		}
		p, err := Pool(c.At("Q").Floats(), roots(c.At("U").Floats()), dfcom, 0.95)
		if err != nil {
			t.Fatal(err)
		}
		what := fmt.Sprint("case ", i, " ")
		pairs := map[string]float64{"qbar": p.Estimate, "ubar": p.Within, "B": p.Between, "T": p.Total, "se": p.SE, "r": p.RIV, "lambda": p.Lambda, "relative_efficiency": p.Efficiency}
		if c.At("B").Float() > 0 {
			pairs["df_rubin1987"], pairs["df_barnard_rubin"], pairs["fmi"] = p.DFOld, p.DF, p.FMI
			golden.Close(t, what+"low", p.Interval.Low, c.At("ci").Index(0).Float(), 1e-9)
			golden.Close(t, what+"high", p.Interval.High, c.At("ci").Index(1).Float(), 1e-9)
		} else { // the limit, where mice floors λ and gives 46.113
			golden.Close(t, what+"df", p.DF, c.At("df_obs").Float(), 1e-9)
			if p.DFOld != 0 || math.IsNaN(p.FMI) {
				t.Errorf("%+v", p)
			}
		}
		for key, v := range pairs {
			golden.Close(t, what+key, v, c.At(key).Float(), 1e-9)
			n++
		}
	}
	golden.AtLeast(t, "numbers", n, 41)
}

func TestPoolAgainstArbitraryPrecision(t *testing.T) {
	ref := golden.JSON(t, os.DirFS("testdata"), "mi.json")
	imp := ref.At("per_imputation")
	golden.AtLeast(t, "imputations", imp.Len(), 20)
	check := func(what string, p Pooled, want golden.Node) int {
		for key, v := range map[string]float64{"estimate": p.Estimate, "within": p.Within, "between": p.Between, "total": p.Total, "se": p.SE, "riv": p.RIV, "lambda_": p.Lambda, "fmi": p.FMI,
			"df_old": p.DFOld, "df": p.DF, "t": p.Statistic, "p": p.P} {
			golden.Close(t, what+" "+key, v, want.At(key).Float(), 1e-9)
		}
		golden.CloseAll(t, what+" ci", []float64{p.Interval.Low, p.Interval.High}, want.At("ci95").Floats(), 1e-9)
		return 14
	}
	n := 0
	for j, term := range []string{"(Intercept)", "Treat", "Pretest"} {
		var q, se []float64
		for i := range imp.Len() {
			q = append(q, imp.Index(i).At("fixef").Index(j).Float())
			se = append(se, imp.Index(i).At("se").Index(j).Float())
		}
		for key, df := range map[string]float64{"dfcom=Inf": math.Inf(1), "dfcom=n-p=1434": 1434, "dfcom=J-2=58": 58} {
			p, err := Pool(q, se, df, 0.95)
			if err != nil {
				t.Fatal(err)
			}
			n += check(term+" "+key, p, ref.At("pooled", term, key))
		}
	}
	cr2 := ref.At("CR2_per_imputation")
	var q, se []float64
	for i := range cr2.Len() {
		q, se = append(q, cr2.Index(i).At("estimate").Float()), append(se, cr2.Index(i).At("se").Float())
	}
	for _, key := range ref.At("CR2_pooled_Treat").Keys() {
		want := ref.At("CR2_pooled_Treat", key)
		p, err := Pool(q, se, want.At("dfcom").Float(), 0.95)
		if err != nil {
			t.Fatal(err)
		}
		n += check("CR2 "+key, p, want)
	}
	golden.AtLeast(t, "numbers", n, 154)

	var estimates [][]float64
	var covariances [][][]float64
	for i := range imp.Len() {
		f, v := imp.Index(i).At("fixef").Floats(), imp.Index(i).At("vcov").Matrix()
		estimates = append(estimates, f[1:])
		covariances = append(covariances, [][]float64{v[1][1:], v[2][1:]})
	}
	j, err := PoolD1(estimates, covariances)
	if err != nil {
		t.Fatal(err)
	}
	want := ref.At("D1_joint_Treat_Pretest")
	golden.Close(t, "D1", j.F, want.At("F").Float(), 1e-9)
	golden.Close(t, "df2", j.DF2, want.At("df2").Float(), 1e-9)
	golden.Close(t, "riv", j.RIV, want.At("riv").Float(), 1e-9)
	golden.Close(t, "p", j.P, want.At("p").Float(), 1e-7) // 1e-98
}

func TestD1(t *testing.T) {
	ref := golden.Statistics(t).At("s6_missing", "rubin_D1")
	q := ref.At("Q").Matrix()
	var estimates [][]float64
	var covariances [][][]float64
	for i := range q[0] {
		estimates = append(estimates, []float64{q[0][i], q[1][i]})
		covariances = append(covariances, ref.At("U").Index(i).Matrix())
	}
	j, err := PoolD1(estimates, covariances)
	if err != nil {
		t.Fatal(err)
	}
	for key, v := range map[string]float64{"r": j.RIV, "D1": j.F, "df1": j.DF1, "df2": j.DF2, "p": j.P} {
		golden.Close(t, key, v, ref.At(key).Float(), 1e-9)
	}
	for name, f := range map[string]func() error{
		"one":    func() error { _, e := PoolD1(estimates[:1], covariances[:1]); return e },
		"ragged": func() error { _, e := PoolD1([][]float64{{1}, {1, 2}}, covariances[:2]); return e },
		"none":   func() error { _, e := PoolD1([][]float64{{}, {}}, [][][]float64{{}, {}}); return e },
		"singular": func() error {
			_, e := PoolD1([][]float64{{1, 1}, {1, 2}}, [][][]float64{{{1, 1}, {1, 1}}, {{1, 1}, {1, 1}}})
			return e
		},
		"short row": func() error {
			_, e := PoolD1([][]float64{{1, 1}, {1, 2}}, [][][]float64{{{1}, {1, 1}}, {{1, 1}, {1, 1}}})
			return e
		},
		"all alike":  func() error { _, e := PoolD1([][]float64{{1}, {1}}, [][][]float64{{{1}}, {{1}}}); return e },
		"pool one":   func() error { _, e := Pool([]float64{1}, []float64{1}, 5, 0.95); return e },
		"pool NaN":   func() error { _, e := Pool([]float64{1, math.NaN()}, []float64{1, 1}, 5, 0.95); return e },
		"pool SE 0":  func() error { _, e := Pool([]float64{1, 2}, []float64{1, 0}, 5, 0.95); return e },
		"pool df 0":  func() error { _, e := Pool([]float64{1, 2}, []float64{1, 1}, 0, 0.95); return e },
		"pool level": func() error { _, e := Pool([]float64{1, 2}, []float64{1, 1}, 5, 95); return e },
		"tip range":  func() error { _, e := TippingPoint(nil, 0, 0.05, 4); return e },
		"tip error": func() error {
			_, e := TippingPoint(func(float64) (Pooled, error) { return Pooled{}, errors.New("no") }, -5, 0.05, 4)
			return e
		},
	} {
		if f() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

// Fixed imputations analysed by the mixed model, shifted among the treated.
func TestDeltaCurveAndTippingPoint(t *testing.T) {
	ref := golden.Statistics(t).At("s6_missing", "mi_crt24")
	m, tab := crt24(t)
	imputed := golden.Data(t, "crt24_mi5.csv")
	treat := tab.Floats("treat")
	analyse := func(delta float64) (Pooled, error) {
		var q, se []float64
		for i := range 5 {
			y := Shift(imputed.Floats(fmt.Sprint("imp", i+1)), m.Incomplete[0].Observed, func(r int) bool { return treat[r] == 1 }, delta)
			f, err := mixed.New(&mixed.Data{Outcome: "y", Y: y, Columns: []mixed.Column{{Name: mixed.Intercept}, {Name: "treat", Values: treat}, {Name: "pre", Values: tab.Floats("pre")}},
				Levels: []mixed.Level{{Name: "school", Index: m.Cluster}}}, mixed.Model{})
			if err != nil {
				return Pooled{}, err
			}
			c, _ := f.Coefficient("treat")
			q, se = append(q, c.Estimate), append(se, c.SE)
		}
		return Pool(q, se, 24-3, 0.95)
	}
	n := 0
	for key, delta := range map[string]float64{"pooled": 0, "delta_minus2_treat": -2, "delta_minus4_treat": -4} {
		p, err := analyse(delta)
		if err != nil {
			t.Fatal(err)
		}
		want := ref.At(key)
		for k, v := range map[string]float64{"qbar": p.Estimate, "ubar": p.Within, "B": p.Between, "se": p.SE, "df_barnard_rubin": p.DF, "fmi": p.FMI} {
			golden.Close(t, key+" "+k, v, want.At(k).Float(), 1e-8)
			n++
		}
	}
	curve := ref.At("delta_curve")
	var deltas []float64
	for i := range curve.Len() {
		deltas = append(deltas, curve.Index(i).Floats()[0])
	}
	points, err := DeltaCurve(analyse, deltas)
	if err != nil {
		t.Fatal(err)
	}
	for i := range curve.Len() {
		row := curve.Index(i).Floats()
		p := points[i].Pooled
		golden.Close(t, "estimate", p.Estimate, row[1], 1e-8)
		golden.Close(t, "se", p.SE, row[2], 1e-8)
		golden.Close(t, "df", p.DF, row[3], 1e-8)
		golden.Close(t, "p", p.P, row[4], 1e-7)
		n += 4
	}
	golden.AtLeast(t, "numbers", n, 78)
	// The curve's p rises from 0.09 without a shift; towards positive shifts it
	// falls below 0.05 somewhere.
	tip, err := TippingPoint(analyse, 14, 0.05, 14)
	if err != nil {
		t.Fatal(err)
	}
	if !tip.Found || tip.Significant || tip.Delta <= 0 {
		t.Fatalf("%+v", tip)
	}
	before, _ := analyse(tip.Delta - 1e-6)
	if before.P <= 0.05 || tip.At.P > 0.05 || tip.At.P < 0.05-1e-6 {
		t.Errorf("p is %v just before the tipping point and %v at it", before.P, tip.At.P)
	}
	none, err := TippingPoint(analyse, -14, 0.05, 7)
	if err != nil || none.Found {
		t.Errorf("%+v, %v", none, err)
	}
}

func TestShiftLeavesTheObservedAlone(t *testing.T) {
	got := Shift([]float64{1, 2, 3, 4}, []bool{true, false, false, true}, func(r int) bool { return r != 2 }, -10)
	golden.CloseAll(t, "shifted", got, []float64{1, -8, 3, 4}, 0)
}

func TestReferenceBased(t *testing.T) {
	ref := golden.Statistics(t).At("s6_missing", "mi_reference_based_example")
	two := TwoOccasions{Treated: [2]float64{100, 108}, Control: [2]float64{100, 104}, Sigma: [2][2]float64{{225, 150}, {150, 225}}}
	for key, r := range map[string]Reference{"cond_mean_MAR_T": MissingAtRandom, "cond_mean_J2R": JumpToReference, "cond_mean_CIR": CopyIncrements} {
		mean, variance, err := two.Conditional(r, ref.At("baseline").Float())
		if err != nil {
			t.Fatal(err)
		}
		golden.Close(t, key, mean, ref.At(key).Float(), 1e-12)
		golden.Close(t, "variance", variance, ref.At("cond_var").Float(), 1e-12)
	}
	if _, _, err := two.Conditional("hope", 1); err == nil {
		t.Error("an unknown assumption accepted")
	}
	two.Sigma[0][0] = 0
	if _, _, err := two.Conditional(JumpToReference, 1); err == nil {
		t.Error("a degenerate covariance accepted")
	}
	// The shift of a draw is the difference of the conditional means: baseline
	// and outcome both incomplete, arms differing at baseline.
	d := Draw{Variables: []string{"pre", "post"}, Coef: [][]float64{{100, 3}, {104, 7}}, Sigma: [][]float64{{225, 150}, {150, 225}}}
	two = TwoOccasions{Treated: [2]float64{103, 111}, Control: [2]float64{100, 104}, Sigma: [2][2]float64{{225, 150}, {150, 225}}}
	mar, _, _ := two.Conditional(MissingAtRandom, 95)
	for _, r := range []Reference{MissingAtRandom, JumpToReference, CopyReference, CopyIncrements} {
		want, _, err := two.Conditional(r, 95)
		if err != nil {
			t.Fatal(err)
		}
		got, err := d.ReferenceShift(r, 0, "post", "pre")
		if err != nil {
			t.Fatal(err)
		}
		golden.Near(t, string(r), got, want-mar, 1e-12)
	}
	for name, f := range map[string]func() error{
		"unknown outcome": func() error { _, e := d.ReferenceShift(JumpToReference, 0, "x", "pre"); return e },
		"no baseline":     func() error { _, e := d.ReferenceShift(CopyIncrements, 0, "post", "x"); return e },
		"no arm":          func() error { _, e := d.ReferenceShift(JumpToReference, 4, "post", "pre"); return e },
		"unknown":         func() error { _, e := d.ReferenceShift("hope", 0, "post", "pre"); return e },
	} {
		if f() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func lee100(t *testing.T) (y []float64, observed, treated []bool) {
	t.Helper()
	tab := golden.Data(t, "lee100.csv")
	y = tab.Floats("y")
	for i, s := range tab.Floats("s") {
		observed = append(observed, s == 1)
		treated = append(treated, tab.Floats("z")[i] == 1)
	}
	return y, observed, treated
}

func TestLeeBounds(t *testing.T) {
	ref := golden.Statistics(t).At("s6_missing", "lee")
	y, observed, treated := lee100(t)
	b, err := BoundLee(y, observed, treated, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	n := 0
	for key, v := range map[string]float64{"p_T": b.ShareT, "p_C": b.ShareC, "q": b.Share, "naive": b.Naive, "lower": b.Low, "upper": b.High, "se_lower_Lee": b.SELow, "se_upper_Lee": b.SEHigh} {
		golden.Close(t, key, v, ref.At(key).Float(), 1e-9)
		n++
	}
	golden.CloseAll(t, "interval", []float64{b.Interval.Low, b.Interval.High}, ref.At("ci_IM").Floats(), 1e-9)
	golden.AtLeast(t, "numbers", n, 8)
	// Arms swapped: bounds swap and change sign.
	swapped := make([]bool, len(treated))
	for i, z := range treated {
		swapped[i] = !z
	}
	s, err := BoundLee(y, observed, swapped, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	golden.Close(t, "swapped low", s.Low, -b.High, 1e-12)
	golden.Close(t, "swapped high", s.High, -b.Low, 1e-12)
	golden.Close(t, "swapped SE", s.SELow, b.SEHigh, 1e-12)
	if s.Trimmed != "control" || b.Trimmed != "treated" {
		t.Errorf("trimmed %q and %q", b.Trimmed, s.Trimmed)
	}
	// Equal losses: nothing is trimmed and the bounds meet.
	e, err := BoundLee([]float64{1, 2, 3, 9, 4, 5, 7, 9}, []bool{true, true, true, false, true, true, true, false}, []bool{true, true, true, true, false, false, false, false}, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	golden.Close(t, "equal losses", e.Low, e.High, 1e-12)
	golden.Close(t, "equal losses", e.Low, e.Naive, 1e-12)
	// A share that is not a whole number of people: 4 treated observed of 4, 3 of 4
	// control; a quarter of 4 is 1. With 5 observed of 5 it is 1.25 people.
	mean, _, cut := trimLowest([]float64{1, 2, 3, 4, 5}, 0.25)
	golden.Close(t, "edge weight", mean, (0.75*2+3+4+5)/3.75, 1e-12)
	golden.Close(t, "edge", cut, 2, 1e-15)

	cluster := make([]int, len(y))
	for i := range cluster {
		cluster[i] = i % 10
		if treated[i] {
			cluster[i] += 10
		}
	}
	c, err := BoundLeeClustered(y, observed, treated, cluster, nil, 500, 1, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	golden.Close(t, "clustered low", c.Low, b.Low, 1e-12)
	if !(c.SELow > 0 && c.SEHigh > 0 && c.Interval.Low < c.Low && c.Interval.High > c.High) {
		t.Errorf("%+v", c)
	}
	for name, f := range map[string]func() error{
		"all missing": func() error { _, e := BoundLee(y, make([]bool, len(y)), treated, 0.95); return e },
		"one arm":     func() error { _, e := BoundLee(y, observed, make([]bool, len(y)), 0.95); return e },
		"level":       func() error { _, e := BoundLee(y, observed, treated, 95); return e },
		"lengths":     func() error { _, e := BoundLee(y, observed[:3], treated, 0.95); return e },
		"schools": func() error {
			_, e := BoundLeeClustered(y, observed, treated, cluster[:3], nil, 500, 1, 0.95)
			return e
		},
		"nobody left": func() error {
			_, e := BoundLee([]float64{1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12}, []bool{true, true, false, false, false, false, false, false, false, true, false, false}, []bool{true, true, false, false, false, false, false, false, false, false, false, false}, 0.95)
			return e
		},
		"range":        func() error { _, e := BoundRange(y, observed, treated, 3, -3); return e },
		"out of range": func() error { _, e := BoundRange(y, observed, treated, 0, 1); return e },
	} {
		if f() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestHorowitzManski(t *testing.T) {
	ref := golden.Statistics(t).At("s6_missing", "horowitz_manski")
	y, observed, treated := lee100(t)
	binary := make([]float64, len(y))
	for i, v := range y {
		if v > 0.3 {
			binary[i] = 1
		}
	}
	n := 0
	for key, values := range map[string][]float64{"continuous": y, "observed_range": y, "binary_y_gt_0.3": binary} {
		want := ref.At(key)
		b, err := BoundRange(values, observed, treated, want.At("K_L").Float(), want.At("K_U").Float())
		if err != nil {
			t.Fatal(err)
		}
		golden.Close(t, key+" lower", b.Low, want.At("lower").Float(), 1e-9)
		golden.Close(t, key+" upper", b.High, want.At("upper").Float(), 1e-9)
		golden.Close(t, key+" width", b.Width, want.At("width").Float(), 1e-9)
		n += 3
	}
	golden.AtLeast(t, "numbers", n, 9)
}

func TestInverseProbabilityWeights(t *testing.T) {
	ref := golden.Statistics(t).At("s6_missing", "ipw_crt24")
	m, tab := crt24(t)
	observed := m.Incomplete[0].Observed
	columns := []Predictor{{Name: "treat", Values: tab.Floats("treat")}, {Name: "pre", Values: tab.Floats("pre")}, {Name: "fsm", Values: tab.Floats("fsm")}}
	arm := make([]int, tab.Rows)
	for i, a := range tab.Floats("treat") {
		arm[i] = int(a)
	}
	n := 0
	for _, stabilise := range []bool{false, true} {
		w, err := InverseWeights(observed, columns, m.Cluster, arm, stabilise)
		if err != nil {
			t.Fatal(err)
		}
		if !stabilise {
			for j, term := range w.Model.Terms {
				golden.Close(t, term.Name, term.Estimate, ref.At("response_model_coef").Index(j).Float(), 1e-9)
				golden.Close(t, term.Name+" se", term.SE, ref.At("response_model_se").Index(j).Float(), 1e-9)
				n += 2
			}
			golden.Close(t, "sum", w.Sum, ref.At("sum_w").Float(), 1e-9)
			golden.Close(t, "max", w.Max, ref.At("max_w").Float(), 1e-9)
			golden.Close(t, "effective n", w.EffectiveN, ref.At("ess").Float(), 1e-9)
			n += 3
		}
		var d robust.Data
		x := []robust.Column{{Name: "(Intercept)"}, {Name: "treat"}}
		for i, o := range observed {
			if o {
				d.Y, d.Cluster, d.Weights = append(d.Y, m.Incomplete[0].Values[i]), append(d.Cluster, m.Cluster[i]), append(d.Weights, w.Weight[i])
				x[0].Values, x[1].Values = append(x[0].Values, 1), append(x[1].Values, columns[0].Values[i])
			} else if w.Weight[i] != 0 {
				t.Fatal("a lost row has a weight")
			}
		}
		d.X = x
		f, err := robust.Least(d)
		if err != nil {
			t.Fatal(err)
		}
		in, err := f.Inference(robust.CR2)
		if err != nil {
			t.Fatal(err)
		}
		c, err := in.Coefficient("treat", 0.95)
		if err != nil {
			t.Fatal(err)
		}
		want := ref.At("ipw_CR2")
		if stabilise {
			want = ref.At("stabilised_CR2")
		}
		golden.Close(t, "estimate", c.Estimate, want.At("est").Float(), 1e-9)
		golden.Close(t, "se", c.SE, want.At("se").Float(), 1e-9)
		golden.Close(t, "df", c.DF, want.At("df").Float(), 1e-9)
		n += 3
		if !stabilise {
			stata, err := f.Inference(robust.CR1S)
			if err != nil {
				t.Fatal(err)
			}
			golden.Close(t, "stata se", math.Sqrt(stata.Vcov[1][1]), ref.At("ipw_stata", "se").Float(), 1e-9)
			n++
		}
	}
	golden.AtLeast(t, "numbers", n, 18)
	if _, err := InverseWeights(observed, columns, nil, nil, true); err == nil {
		t.Error("stabilising without arms accepted")
	}
}

// The small synthetic trial's drop-out model.
func TestDropOutModel(t *testing.T) {
	tab := golden.Data(t, "rlc_synth.csv")
	var lost []bool
	for _, s := range tab.Text("ks2") {
		lost = append(lost, s == "" || s == "NA")
	}
	codes, _ := tab.Codes("school")
	second := make([]float64, tab.Rows)
	for i, v := range tab.Floats("stratum") {
		if v == 2 {
			second[i] = 1
		}
	}
	columns := []Predictor{{Name: "arm", Values: tab.Floats("arm")}, {Name: "ks1", Values: tab.Floats("ks1")}, {Name: "fsm", Values: tab.Floats("fsm")}, {Name: "stratum: 2", Values: second}}
	f, err := FitLogistic(lost, columns, codes, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	for j, want := range []float64{-2.5958474726, 0.5948458972, 0.0073278665, 0.3837369130} {
		golden.Near(t, f.Terms[j].Name, f.Terms[j].Estimate, want, 1e-9)
	}
	// R's glm takes its standard errors from the last iteration but one.
	golden.Near(t, "se of arm", f.Terms[1].SE, 0.3701251009, 1e-6)
	z := f.Terms[1].Estimate / f.Terms[1].SE
	golden.Near(t, "p of arm", math.Erfc(math.Abs(z)/math.Sqrt2), 0.1080219, 1e-6)
	if f.Events != 36 || f.Terms[1].Robust <= 0 {
		t.Errorf("%d lost, robust SE %v", f.Events, f.Terms[1].Robust)
	}
	again, err := FitLogistic(lost, columns, nil, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	golden.Near(t, "p without schools", again.Terms[1].P, 0.1080219, 1e-6)
	// With school effects the coefficients are further from 0, if schools differ.
	d, err := FitDropOut(lost, columns, codes, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	if len(d.RandomTerms) != 5 || d.RandomTerms[1].Name != "arm" || d.Random.Sigma < 0 || d.Random.LogLik < f.LogLikelihood-1e-6 {
		t.Errorf("%+v", d.RandomTerms)
	}
	if _, err := FitDropOut(lost, columns, nil, 0.95); err == nil {
		t.Error("a drop-out model without schools accepted")
	}
}

func TestSeparation(t *testing.T) {
	response := []bool{true, true, true, false, false, false, true, false}
	perfect := Predictor{Name: "left early", Values: []float64{0, 0, 0, 1, 1, 1, 0, 1}}
	noise := Predictor{Name: "score", Values: []float64{3, 1, 4, 1, 5, 9, 2, 6}}
	var sep *SeparationError
	if _, err := FitLogistic(response, []Predictor{perfect, noise}, nil, 0.95); !errors.As(err, &sep) || !strings.Contains(err.Error(), "left early") {
		t.Errorf("perfect prediction: %v", err)
	}
	// Quasi-separation: nobody in one level is lost.
	if _, err := FitLogistic([]bool{true, true, true, true, false, true, false, true}, []Predictor{{Name: "x", Values: []float64{1, 1, 1, 1, 0, 0, 0, 0}}}, nil, 0.95); !errors.As(err, &sep) {
		t.Errorf("quasi-separation: %v", err)
	}
	if _, err := FitLogistic(ones(8), []Predictor{noise}, nil, 0.95); !errors.Is(err, ErrSameResponse) {
		t.Errorf("everybody observed: %v", err)
	}
	for name, columns := range map[string][]Predictor{"collinear": {noise, {Name: "twice", Values: []float64{6, 2, 8, 2, 10, 18, 4, 12}}}, "short": {{Name: "x", Values: []float64{1}}}, "NaN": {{Name: "x", Values: []float64{1, 2, math.NaN(), 4, 5, 6, 7, 8}}}} {
		if _, err := FitLogistic(response, columns, nil, 0.95); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestTable(t *testing.T) {
	d := &analysis.Dataset{
		Observed: []bool{true, false, true, false, false, true}, Lost: []string{"", "absent", "", "withdrew", "", ""},
		Arm: []int{0, 0, 0, 1, 1, 1}, Arms: []string{"C", "T"}, Cluster: []int{0, 0, 1, 2, 2, 3}, Clusters: []string{"a", "b", "c", "d"},
		Covariates: []analysis.Column{{Name: "ks1", Observed: []bool{true, false, true, true, true, false}}, {Name: "fsm"}},
	}
	got, err := Describe(d)
	if err != nil {
		t.Fatal(err)
	}
	o := got.Variables[0]
	if got.Rows != 6 || got.Complete != 2 || o.Missing != 3 || o.Arms[0].Missing != 1 || o.Arms[1].Missing != 2 || o.Whole != 1 || o.Schools[0].School != "c" || len(o.Reasons) != 3 || o.Reasons[1].Reason != "reason not recorded" {
		t.Errorf("%+v", got)
	}
	if len(got.Patterns) != 4 || got.Patterns[0].Rows != 2 || got.Variables[2].Missing != 0 || len(got.Variables[1].Reasons) != 0 {
		t.Errorf("%+v", got.Patterns)
	}
	sum := 0
	for _, p := range got.Patterns {
		sum += p.Rows
		if p.Arms[0]+p.Arms[1] != p.Rows {
			t.Errorf("%+v", p)
		}
	}
	if sum != 6 || !got.Indicated(0.05) || got.Indicated(0.5) {
		t.Errorf("patterns hold %d rows", sum)
	}
	d.Cluster[2] = 9
	if _, err := Describe(d); err == nil {
		t.Error("a school out of range accepted")
	}
}

func TestTheComparisonCanFail(t *testing.T) {
	a, err := Pool([]float64{1, 2, 3}, []float64{1, 1, 1}, 22, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	b, _ := Pool([]float64{1, 2, 3}, []float64{1, 1, 1}, math.Inf(1), 0.95)
	if golden.RelDiff(a.DF, b.DF) < 1e-9 {
		t.Fatal("the complete-data degrees of freedom make no difference")
	}
}
