package mixed

import (
	"math"
	"sort"
	"strconv"
	"testing"

	"evenhand/analysis/internal/dist"
	"evenhand/analysis/internal/golden"
)

func TestProfileOfCoefficients(t *testing.T) {
	n := 0
	for _, id := range interior {
		ml := golden.Mixed(t).At("models", id, "truth_40digit_arithmetic", "ML")
		for _, name := range []string{"Treat", "Full"} {
			if !ml.Has("profile_ci95_" + name) {
				continue
			}
			d, m := reference(t, id)
			f, err := New(d, m)
			if err != nil {
				t.Fatal(err)
			}
			low, high, err := f.ProfileCoefficient(name, 0.95)
			if err != nil {
				t.Fatal(id, err)
			}
			want := ml.At("profile_ci95_" + name).Floats()
			golden.Close(t, id+" low", low, want[0], 1e-8)
			golden.Close(t, id+" high", high, want[1], 1e-8)
			n++
		}
	}
	golden.AtLeast(t, "profile intervals", n, 9)
}

// At both ends of a profile interval the criterion, maximised over everything
// else, has fallen by the chi-square quantile; so for the ICC of the same
// random intercept model, whose interval maps onto that of the ratio.
func TestProfileOfVariances(t *testing.T) {
	for _, id := range []string{"simcrt.adj", "sim3.adj", "simmst.diag", "simsing.adj"} {
		d, m := reference(t, id)
		f, err := New(d, m)
		if err != nil {
			t.Fatal(err)
		}
		z := dist.NormalQuantile(.975)
		for i, v := range f.Variances {
			low, high, err := f.ProfileVariance(i, 0.95)
			if err != nil {
				t.Fatal(id, v.Level, err)
			}
			if !(low <= v.Value && v.Value < high) {
				t.Errorf("%s %s: %v is not in [%v, %v]", id, v.Level, v.Value, low, high)
			}
			s := i + 1
			if v.Level == Residual {
				s = 0
			}
			sy := f.r.scale[f.r.p]
			for _, end := range []float64{low, high} {
				if end == 0 {
					continue
				}
				var start []float64
				for k, th := range f.theta {
					if k != s {
						start = append(start, th+.01)
					}
				}
				sol, err := f.r.climb(f.r.fixed(s, end/sy/sy), start, REML, &evaluation{})
				if err != nil {
					t.Fatal(err)
				}
				golden.Close(t, id+" drop at the end", sol.dev-f.ev.dev, z*z, 1e-7)
			}
		}
	}
}

func TestICC(t *testing.T) {
	n := 0
	for _, id := range interior {
		truth := golden.Mixed(t).At("models", id, "truth_40digit_arithmetic")
		d, m := reference(t, id)
		f, err := New(d, m)
		if err != nil {
			t.Fatal(err)
		}
		iccs, err := f.ICCs(0.95)
		if err != nil {
			t.Fatal(id, err)
		}
		for _, icc := range iccs {
			if !(icc.Low <= icc.Value && icc.Value <= icc.High && icc.High < 1 && icc.SE > 0) {
				t.Errorf("%s: %+v", id, icc)
			}
		}
		if truth.Has("ICC") {
			golden.Close(t, id, iccs[0].Value, truth.At("ICC").Float(), 1e-9)
			n++
		}
		if truth.Has("ICC_school") {
			golden.Close(t, id, iccs[0].Value, truth.At("ICC_school").Float(), 1e-9)
			golden.Close(t, id, iccs[1].Value, truth.At("ICC_class").Float(), 1e-9)
			n += 2
		}
	}
	golden.AtLeast(t, "ICCs", n, 14)
	// Standard errors by the delta method, from the empty models of two sets.
	for id, d := range map[string]*Data{
		"crt24_y":   crtOf(t, "crt24.csv", "school", "y"),
		"crt24_pre": crtOf(t, "crt24.csv", "school", "pre"),
		"bal12_y":   crtOf(t, "bal12.csv", "cluster", "y"),
	} {
		f, err := New(d, Model{})
		if err != nil {
			t.Fatal(err)
		}
		icc, err := f.ICCs(0.95)
		if err != nil {
			t.Fatal(err)
		}
		want := golden.Statistics(t).At("s8_icc_alpha_sna", "icc", id)
		golden.Close(t, id, icc[0].Value, want.At("reml_icc").Float(), 1e-8)
		golden.Close(t, id+" se", icc[0].SE, want.At("reml_icc_se_delta_expected_info").Float(), 1e-8)
		golden.CloseAll(t, id+" variances", variancesOf(f), want.At("reml_theta").Floats(), 1e-8)
		if f, err = New(d, Model{Method: ML}); err != nil {
			t.Fatal(err)
		}
		if icc, err = f.ICCs(0.95); err != nil {
			t.Fatal(err)
		}
		golden.CloseAll(t, id+" variances by ML", variancesOf(f), want.At("ml_theta").Floats(), 1e-8)
		golden.Close(t, id+" ICC by ML", icc[0].Value, want.At("ml_icc").Float(), 1e-8)
	}
}

func variancesOf(f *Fit) (all []float64) {
	for _, v := range f.Variances {
		all = append(all, v.Value)
	}
	return all
}

// crtOf is an empty model of a column of a reference set.
func crtOf(t testing.TB, file, cluster, outcome string) *Data {
	t.Helper()
	tab := golden.Data(t, file)
	codes, labels := tab.Codes(cluster)
	return &Data{Outcome: outcome, Y: tab.Floats(outcome), Columns: []Column{{Name: Intercept}},
		Levels: []Level{{Name: cluster, Index: codes, Labels: labels}}}
}

// The cases of statistics.json: two unbalanced and one balanced trial, and
// three levels.
func TestSmallSampleCases(t *testing.T) {
	cases := golden.Statistics(t).At("s5_df_robust_ri", "mixed")
	n := 0
	for _, c := range []struct{ id, file, cluster, inner, arm string }{
		{"crt24_treat", "crt24.csv", "school", "", "treat"},
		{"crt24_adj", "crt24.csv", "school", "", "treat"},
		{"bal12", "bal12.csv", "cluster", "", "treat"},
		{"three_level", "three_level.csv", "school", "class", "treat"},
	} {
		d := crtOf(t, c.file, c.cluster, "y")
		tab := golden.Data(t, c.file)
		d.Columns = append(d.Columns, Column{Name: c.arm, Values: tab.Floats(c.arm), Arm: true})
		if c.id == "crt24_adj" {
			d.Columns = append(d.Columns, Column{Name: "pre", Values: tab.Floats("pre")})
			codes, labels := tab.Codes("stratum")
			for k := 1; k < len(labels); k++ {
				d.Columns = append(d.Columns, Column{Name: "stratum " + labels[k], Values: dummy(codes, k)})
			}
		}
		if c.inner != "" {
			codes, _ := tab.Codes(c.inner)
			d.Levels = append(d.Levels, Within(d.Levels[0], Level{Name: c.inner, Index: codes}))
		}
		f, err := New(d, Model{})
		if err != nil {
			t.Fatal(c.id, err)
		}
		w := cases.At(c.id)
		golden.Close(t, c.id+" loglik", -f.Criterion/2, w.At("reml_loglik").Float(), 1e-12)
		var theta []float64
		for _, v := range f.Variances {
			theta = append(theta, v.Value)
		}
		golden.CloseAll(t, c.id+" theta", theta, w.At("theta").Floats(), 1e-8)
		golden.Close(t, c.id+" estimate", f.Coefficients[1].Estimate, w.At("estimate").Float(), 1e-9)
		golden.Close(t, c.id+" se", f.Coefficients[1].SE, w.At("se_model").Float(), 1e-9)
		for method, key := range map[DF]string{KenwardRoger: "df_KR", Satterthwaite: "df_satt_observed", SatterthwaiteExpected: "df_satt_expected"} {
			in, err := f.Test(c.arm, method, 0.95)
			if err != nil {
				t.Fatal(err)
			}
			golden.Close(t, c.id+" "+key, in.DF, w.At(key).Float(), 1e-7)
			if method == KenwardRoger {
				golden.Close(t, c.id+" se KR", in.SE, w.At("se_KR").Float(), 1e-8)
				golden.Close(t, c.id+" p KR", in.P, w.At("p_KR").Float(), 1e-7)
			}
			n++
		}
	}
	golden.AtLeast(t, "degrees of freedom", n, 12)
}

func TestEffectsMatchLme4(t *testing.T) {
	n := 0
	for _, id := range append([]string{"simsing.adj"}, interior...) {
		d, m := reference(t, id)
		f, err := New(d, m)
		if err != nil {
			t.Fatal(err)
		}
		want := golden.Mixed(t).At("models", id, "R", "ranef_first5")
		for _, level := range want.Keys() {
			effects, err := f.Effects(level)
			if err != nil {
				t.Fatal(err)
			}
			for _, term := range want.At(level).Keys() {
				name := term
				if term == Intercept {
					name = ""
				}
				var got []Effect
				for _, e := range effects {
					if e.Term == name {
						got = append(got, e)
					}
				}
				sort.Slice(got, func(i, j int) bool { return groupBefore(d, m, level, got[i].Group, got[j].Group) })
				for i, w := range want.At(level, term).Floats() {
					golden.Near(t, id+" "+level+" "+term+" "+strconv.Itoa(i), got[i].Value, w, 1e-7*math.Max(1, math.Abs(w)))
					n++
				}
			}
		}
	}
	golden.AtLeast(t, "effects", n, 90)
}

// groupBefore orders groups as R does: schools and classes were numbered from
// 1 and appear in order; of school:treat, text "1:0", "1:1", "2:0" … sorted
// by school and then by arm.
func groupBefore(d *Data, m Model, level string, a, b int) bool {
	if level != "School:Treat" {
		return a < b
	}
	var l *Level
	for i := range d.Levels {
		if d.Levels[i].Name == level {
			l = &d.Levels[i]
		}
	}
	key := func(g int) (int, float64) {
		for i, x := range l.Index {
			if x == g {
				return d.Levels[0].Index[i], d.Columns[1].Values[i]
			}
		}
		return 0, 0
	}
	sa, ta := key(a)
	sb, tb := key(b)
	if sa != sb {
		return sa < sb
	}
	return ta < tb
}
