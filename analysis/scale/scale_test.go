package scale

import (
	"fmt"
	"math"
	"strings"
	"testing"

	"evenhand/analysis/internal/golden"
)

func items(t *testing.T, rows int) []Item {
	t.Helper()
	tab := golden.Data(t, "crt24.csv")
	var out []Item
	for j := 1; j <= 5; j++ {
		name := fmt.Sprint("item", j)
		out = append(out, Item{Name: name, Values: tab.Floats(name)[:rows]})
	}
	return out
}

func TestAgainstPsych(t *testing.T) {
	ref := golden.Statistics(t).At("s8_icc_alpha_sna", "cronbach")
	n := 0
	for key, rows := range map[string]int{"crt24_items_all": 350, "crt24_items_first60": 60} {
		r, err := Of(items(t, rows), 1, 5, 0.95)
		if err != nil {
			t.Fatal(err)
		}
		want := ref.At(key)
		if float64(r.N) != want.At("n").Float() || r.Items != 5 || r.Missing != 0 {
			t.Errorf("%s: %d people", key, r.N)
		}
		for k, v := range map[string]float64{"alpha_raw": r.Alpha, "alpha_std": r.Standardised, "mean_r": r.MeanR, "duhachek_ase": r.ASE, "sem": r.SEM} {
			golden.Close(t, key+" "+k, v, want.At(k).Float(), 1e-9)
			n++
		}
		golden.CloseAll(t, key+" Feldt", []float64{r.Interval.Low, r.Interval.High}, want.At("feldt_ci95").Floats(), 1e-9)
		golden.CloseAll(t, key+" Duhachek", []float64{r.ASEInterval.Low, r.ASEInterval.High}, want.At("duhachek_ci95").Floats(), 1e-5) // psych takes 1.96 for the normal quantile
		for j, e := range r.Each {
			golden.Close(t, e.Name+" dropped", e.Dropped, want.At("alpha_if_dropped").Index(j).Float(), 1e-9)
			golden.Close(t, e.Name+" rest", e.RestR, want.At("corrected_item_total").Index(j).Float(), 1e-9)
			n += 2
		}
	}
	golden.AtLeast(t, "numbers of psych", n, 30)
}

// The five items as raters of the first sixty people.
func TestRatersAgainstPsych(t *testing.T) {
	ref := golden.Statistics(t).At("s8_icc_alpha_sna", "psych_icc_first60")
	a, err := Raters(items(t, 60), 1, 5, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	if a.N != 60 || a.Raters != 5 || a.Missing != 0 {
		t.Errorf("%+v", a)
	}
	for i, r := range append(append([]Rating{}, a.Single...), a.Mean...) {
		want := ref.Index(i)
		for k, v := range map[string]float64{"ICC": r.ICC, "F": r.F, "df1": r.DF1, "df2": r.DF2, "lower bound": r.Interval.Low, "upper bound": r.Interval.High} {
			golden.Close(t, want.At("type").Text()+" "+k, v, want.At(k).Float(), 1e-9)
		}
		golden.Close(t, want.At("type").Text()+" p", r.P, want.At("p").Float(), 1e-8)
	}
	// The mean of fixed raters is alpha, with Feldt's interval.
	alpha, err := Of(items(t, 60), 1, 5, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	golden.Close(t, "alpha", a.Mean[2].ICC, alpha.Alpha, 1e-12)
	golden.Close(t, "Feldt", a.Mean[2].Interval.Low, alpha.Interval.Low, 1e-12)
}

// Shrout and Fleiss's own example: six people, four judges, .17, .29, .71 and
// .44, .62, .91.
func TestRatersOfShroutAndFleiss(t *testing.T) {
	judges := [][]float64{{9, 6, 8, 7, 10, 6}, {2, 1, 4, 1, 5, 2}, {5, 3, 6, 2, 6, 4}, {8, 2, 8, 6, 9, 7}}
	var raters []Item
	for j, v := range judges {
		// One more person, whom the first judge did not see.
		raters = append(raters, Item{Name: fmt.Sprint("judge", j), Values: append(v, 5), Observed: []bool{true, true, true, true, true, true, j > 0}})
	}
	a, err := Raters(raters, 0, 0, 0.95)
	if err != nil || a.N != 6 || a.Missing != 1 {
		t.Fatalf("%+v, %v", a, err)
	}
	for i, want := range []float64{.17, .29, .71, .44, .62, .91} {
		if got := append(append([]Rating{}, a.Single...), a.Mean...)[i]; math.Abs(got.ICC-want) > 0.005 {
			t.Errorf("%s: %v, want %v", got.Kind, got.ICC, want)
		}
	}
}

func TestRatersRefuses(t *testing.T) {
	rater := func(name string, v ...float64) Item { return Item{Name: name, Values: v} }
	for want, raters := range map[string][]Item{
		"at least two raters":      {rater("a", 1, 2, 3)},
		"the people do not differ": {rater("a", 1, 2, 3), rater("b", 3, 2, 1)},
		"perfect":                  {rater("a", 1, 2, 3), rater("b", 2, 3, 4)},
		"at least two, ":           {rater("a", 1), rater("b", 2)},
		"not a finite number":      {rater("a", 1, math.NaN(), 3), rater("b", 3, 2, 1)},
	} {
		_, err := Raters(raters, 0, 0, 0.95)
		if want == "at least two, " {
			want = "at least two"
		}
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("got %v, want %q", err, want)
		}
	}
	if _, err := Raters([]Item{rater("a", 1, 2, 4), rater("b", 2, 3, 3)}, 0, 0, 1); err == nil {
		t.Error("a confidence of 1")
	}
}

// Ten people, four items, worked out in R.
func TestTenPeople(t *testing.T) {
	rows := []string{"4543", "3342", "5554", "2322", "4434", "3233", "5455", "1221", "4344", "2232"}
	scale := make([]Item, 4)
	for j := range scale {
		scale[j].Name = string(rune('a' + j))
		for _, r := range rows {
			scale[j].Values = append(scale[j].Values, float64(r[j]-'0'))
		}
	}
	r, err := Of(scale, 1, 5, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	golden.Near(t, "alpha", r.Alpha, 0.9315799504, 5e-11)
	golden.Near(t, "standardised", r.Standardised, 0.9314010004, 5e-11)
	golden.Near(t, "mean r", r.MeanR, 0.7724359917, 5e-11)
	for j, want := range []float64{0.85864486, 0.94434307, 0.91605166, 0.91304348} {
		golden.Near(t, "dropped", r.Each[j].Dropped, want, 5e-9)
	}
	for j, want := range []float64{0.98589636, 0.73043853, 0.82994391, 0.83310460} {
		golden.Near(t, "rest", r.Each[j].RestR, want, 5e-9)
	}
	for j, want := range []float64{3.328916851, 0.406374990, 0.254715931, 0.009992227} {
		golden.Near(t, "eigenvalue", r.Eigenvalues[j], want, 1e-9)
	}
	for j, want := range []float64{0.9928715748, 0.8370994446, 0.9053483183, 0.9070456602} {
		golden.Near(t, "loading", r.Each[j].Loading, want, 1e-10)
	}
	if len(r.Warnings) != 1 || r.Warnings[0].Code != WarnFewPeople {
		t.Errorf("%+v", r.Warnings)
	}
	// An item asked the other way round: reversing it gives everything back; not
	// doing so is noticed.
	for i, v := range scale[1].Values {
		scale[1].Values[i] = 6 - v
	}
	wrong, err := Of(scale, 1, 5, 0.95)
	if err != nil || wrong.Alpha > 0.5 || wrong.Warnings[0].Code != WarnNegativeItem {
		t.Errorf("%v, %+v, %v", wrong.Alpha, wrong.Warnings, err)
	}
	scale[1].Reversed = true
	right, err := Of(scale, 1, 5, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	golden.Close(t, "reversed", right.Alpha, r.Alpha, 1e-12)
	score, observed, err := Scores(scale, 1, 5, 1)
	if err != nil || !observed[0] {
		t.Fatal(err)
	}
	golden.Close(t, "score", score[0], 4, 1e-15)
}

func TestMissingAnswers(t *testing.T) {
	s := items(t, 60)
	s[2].Observed = make([]bool, 60)
	for i := range s[2].Observed {
		s[2].Observed[i] = i >= 5
	}
	r, err := Of(s, 1, 5, 0.95)
	if err != nil || r.N != 55 || r.Missing != 5 {
		t.Errorf("%d used, %d missing, %v", r.N, r.Missing, err)
	}
	score, observed, err := Scores(s, 1, 5, 0.8)
	if err != nil || !observed[0] || math.Abs(score[0]-(s[0].Values[0]+s[1].Values[0]+s[3].Values[0]+s[4].Values[0])/4) > 1e-15 {
		t.Errorf("four of five: %v %v %v", score[0], observed[0], err)
	}
	_, observed, _ = Scores(s, 1, 5, 0.9)
	if observed[0] || !observed[5] {
		t.Error("four of five is not nine tenths")
	}
}

func TestRefusals(t *testing.T) {
	for name, f := range map[string]func() error{
		"one item":       func() error { _, e := Of(items(t, 60)[:1], 1, 5, 0.95); return e },
		"no items":       func() error { _, e := Of(nil, 1, 5, 0.95); return e },
		"two people":     func() error { _, e := Of(items(t, 2), 1, 5, 0.95); return e },
		"level":          func() error { _, e := Of(items(t, 60), 1, 5, 95); return e },
		"range":          func() error { _, e := Of(items(t, 60), 5, 1, 0.95); return e },
		"outside":        func() error { _, e := Of(items(t, 60), 1, 2, 0.95); return e },
		"reversed, open": func() error { s := items(t, 60); s[0].Reversed = true; _, e := Of(s, 0, 0, 0.95); return e },
		"twice":          func() error { s := items(t, 60); s[1].Name = s[0].Name; _, e := Of(s, 1, 5, 0.95); return e },
		"short":          func() error { s := items(t, 60); s[1].Values = s[1].Values[:3]; _, e := Of(s, 1, 5, 0.95); return e },
		"NaN":            func() error { s := items(t, 60); s[1].Values[0] = math.NaN(); _, e := Of(s, 0, 0, 0.95); return e },
		"constant": func() error {
			s := items(t, 60)
			s[1].Values = make([]float64, 60)
			_, e := Of(s, 0, 0, 0.95)
			return e
		},
		"cancelling": func() error {
			s := items(t, 60)[:2]
			s[1].Values = append([]float64(nil), s[0].Values...)
			for i := range s[1].Values {
				s[1].Values[i] = -s[1].Values[i]
			}
			_, e := Of(s, 0, 0, 0.95)
			return e
		},
		"share":     func() error { _, _, e := Scores(items(t, 60), 1, 5, 0); return e },
		"no scores": func() error { _, _, e := Scores(nil, 1, 5, 1); return e },
	} {
		if f() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestTheComparisonCanFail(t *testing.T) {
	a, errA := Of(items(t, 350), 1, 5, 0.95)
	b, errB := Of(items(t, 60), 1, 5, 0.95)
	if errA != nil || errB != nil || golden.RelDiff(a.Alpha, b.Alpha) < 1e-9 {
		t.Fatal("different people give the same alpha")
	}
}
