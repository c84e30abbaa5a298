package mixed

import (
	"os"
	"path/filepath"
	"testing"

	"evenhand/analysis"
	"evenhand/analysis/internal/golden"
)

// Real data that are not part of the project, against lme4 with a tight
// optimiser (testdata/real.R). Where they are not at hand the test is skipped.
func TestRealData(t *testing.T) {
	dir := filepath.Join("..", "..", "..", "shared", "data")
	if _, err := os.Stat(dir); err != nil {
		t.Skip("SKIPPED: High School and Beyond, STAR and the Californian schools are not beside the repository (../shared/data): fits on real data were not checked")
	}
	fsys := os.DirFS(dir)
	want := golden.JSON(t, os.DirFS("testdata"), "real.json")
	factor := func(tab golden.Table, name string) analysis.Column {
		text := append([]string(nil), tab.Text(name)...)
		for i := range text {
			if text[i] == "NA" {
				text[i] = ""
			}
		}
		return analysis.Factor(name, text)
	}
	number := func(tab golden.Table, name string) analysis.Column { // text that is missing is NA or empty
		text := append([]string(nil), tab.Text(name)...)
		c := analysis.Column{Name: name, Observed: make([]bool, len(text)), Values: make([]float64, len(text))}
		for i, s := range text {
			if s == "" || s == "NA" {
				continue
			}
			c.Observed[i], c.Values[i] = true, parse(t, s)
		}
		return c
	}
	hsb := golden.CSV(t, fsys, "math_achieve.csv")
	star := golden.CSV(t, fsys, "star_kindergarten.csv")
	cal := golden.CSV(t, fsys, "california_schools.csv")
	stark := factor(star, "stark")
	control := 0
	for i, l := range stark.Levels {
		if l == "regular" {
			control = i
		}
	}
	county := LevelOf(factor(cal, "cnum"))
	for name, c := range map[string]struct {
		rows Rows
		// place of R's coefficients and variances among ours
		fixef, variances []int
	}{
		"hsb": {Rows{Outcome: number(hsb, "MathAch"), Covariates: []analysis.Column{number(hsb, "SES"), factor(hsb, "Sector")},
			Levels: []Level{LevelOf(factor(hsb, "School"))}}, []int{0, 1, 2}, []int{0, 1}},
		"star": {Rows{Outcome: number(star, "readk"), Arm: stark, Control: control, Covariates: []analysis.Column{factor(star, "lunchk"), factor(star, "gender")},
			Levels: []Level{LevelOf(factor(star, "schoolidk"))}}, []int{0, 1, 2, 3, 4}, []int{0, 1}},
		"california": {Rows{Outcome: number(cal, "api00"), Covariates: []analysis.Column{number(cal, "meals"), number(cal, "ell"), number(cal, "api99")},
			Levels: []Level{county, Within(county, LevelOf(factor(cal, "dnum")))}}, []int{0, 1, 2, 3}, []int{1, 0, 2}},
	} {
		f, err := try(&c.rows, Model{})
		if err != nil {
			t.Fatal(name, err)
		}
		w := want.At(name)
		if f.N != int(w.At("n").Float()) {
			t.Errorf("%s: %d rows, R has %v", name, f.N, w.At("n").Float())
		}
		golden.Close(t, name+" REML", f.Criterion, w.At("REML").Float(), 1e-12)
		golden.AtLeast(t, name+" coefficients", len(c.fixef), w.At("fixef").Len())
		for i, k := range c.fixef {
			golden.Close(t, name+" "+f.Coefficients[k].Name, f.Coefficients[k].Estimate, w.At("fixef").Floats()[i], 1e-6)
			golden.Close(t, name+" se "+f.Coefficients[k].Name, f.Coefficients[k].SE, w.At("se").Floats()[i], 1e-6)
		}
		for i, k := range c.variances {
			golden.Close(t, name+" "+f.Variances[k].Level, f.Variances[k].Value, w.At("variances").Floats()[i], 1e-5)
		}
		if df := w.At("df2").Float(); df > 0 {
			in, err := f.Test(f.Coefficients[1].Name, KenwardRoger, 0.95)
			if err != nil {
				t.Fatal(err)
			}
			golden.Close(t, name+" KR df", in.DF, df, 1e-6)
		}
	}
}
