package main

import (
	"encoding/json"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"evenhand/analysis"
)

// simCRT is the simulated trial of the reference cases of the mixed models
// (pupils of 60 schools), and reference what other software makes of it: see
// SOURCE.md beside them.
const (
	simCRT    = "../../analysis/internal/golden/testdata/data/sim_crt.csv"
	reference = "../../analysis/internal/golden/testdata/mixed.json"
)

// fitReference is the reference case simcrt.adj.
type fitReference struct {
	N, Groups int
	Varcomp   []float64 // residual, School
	Fixef, SE map[string]float64
	REMLcrit  float64
	Tests     map[string]map[string]struct {
		DF, SE, T, P float64
		CI           [2]float64 `json:"ci95"`
	}
	ML struct {
		Varcomp, Fixef, SE []float64
		Deviance           float64
	}
}

func readFitReference(t *testing.T) (fitReference, map[string]float64) {
	t.Helper()
	data, err := os.ReadFile(reference)
	if err != nil {
		t.Fatal(err)
	}
	var all struct {
		Models map[string]struct {
			Truth fitReference `json:"truth_40digit_arithmetic"`
		}
		EEF struct {
			Values map[string]map[string]any
		} `json:"eef_style_effect_size"`
	}
	if err := json.Unmarshal(data, &all); err != nil {
		t.Fatal(err)
	}
	r := all.Models["simcrt.adj"].Truth
	if r.N != 1437 || len(r.Fixef) != 3 || len(r.Tests) != 3 || len(r.ML.Fixef) != 3 {
		t.Fatalf("the reference case is not as it was: %+v", r)
	}
	effects := map[string]float64{}
	for name, v := range all.EEF.Values["simcrt.adj"] {
		if f, ok := v.(float64); ok {
			effects[name] = f
		}
	}
	return r, effects
}

func fitSim(t *testing.T, args ...string) fitJSON {
	t.Helper()
	out := newWorld(t).must(append([]string{"analysis", "fit", "--data", simCRT, "--outcome", "Posttest", "--arm", "Treat", "--cluster", "School", "--covariates", "Pretest", "--format", "json"}, args...)...)
	return decode[fitJSON](t, out)
}

// The command's numbers are those of arithmetic with forty digits, lme4,
// lmerTest and pbkrtest.
func TestFitNumbers(t *testing.T) {
	want, effects := readFitReference(t)
	compared := 0
	same := func(what string, got, want float64) {
		t.Helper()
		compared++
		if math.Abs(got-want) > 1e-6*math.Abs(want) {
			t.Errorf("%s = %v, want %v", what, got, want)
		}
	}
	name := map[string]string{"(Intercept)": "(Intercept)", "arm: 1 vs 0": "Treat", "Pretest": "Pretest"}
	for df, key := range map[string]string{"satterthwaite": "satterthwaite", "kenward-roger": "kenward_roger"} {
		got := fitSim(t, "--df", df)
		if got.N.Used != want.N || got.N.Clusters != want.Groups || len(got.Coefficients) != 3 || got.Control != "0" {
			t.Fatalf("%s: n %+v, %d coefficients, control %s", df, got.N, len(got.Coefficients), got.Control)
		}
		for _, c := range got.Coefficients {
			term := name[c.Term]
			test := want.Tests[term][key]
			se := want.SE[term]
			if df == "kenward-roger" {
				se = test.SE
			}
			same(df+" estimate of "+term, c.Estimate, want.Fixef[term])
			same(df+" SE of "+term, c.SE, se)
			same(df+" df of "+term, *c.DF, test.DF)
			same(df+" t of "+term, *c.Statistic, test.T)
			same(df+" p of "+term, *c.P, test.P)
			same(df+" lower end of "+term, c.CI[0], test.CI[0])
			same(df+" upper end of "+term, c.CI[1], test.CI[1])
			if c.DFMethod != df {
				t.Errorf("%s: method %s", df, c.DFMethod)
			}
		}
		same("criterion", got.Criterion.Value, want.REMLcrit)
		for _, v := range got.Variances {
			same("variance of "+v.Level, v.Value, want.Varcomp[map[string]int{"residual": 0, "School": 1}[v.Level]])
		}
		same("ICC", got.ICC[0].Value, want.Varcomp[1]/(want.Varcomp[0]+want.Varcomp[1]))
		found := 0
		for _, e := range got.EffectSizes {
			switch e.Denominator {
			case "total-unconditional":
				same("effect size by the total SD", e.Value, effects["ES_total"])
				found++
			case "pooled-sd":
				same("effect size by the pooled SD", e.Value, effects["ES_pooled_SD"])
				found++
			}
		}
		if found != 2 || len(got.EffectSizes) != 8 {
			t.Errorf("%d effect sizes", len(got.EffectSizes))
		}
	}
	ml := fitSim(t, "--method", "ml", "--df", "z")
	for i, c := range ml.Coefficients {
		same("ML estimate of "+c.Term, c.Estimate, want.ML.Fixef[i])
		same("ML SE of "+c.Term, c.SE, want.ML.SE[i])
		if c.DF != nil {
			t.Errorf("z has degrees of freedom: %v", *c.DF)
		}
	}
	if compared < 50 {
		t.Errorf("only %d numbers were compared", compared)
	}

	// The other arm as control turns the sign, and nothing else.
	a, b := fitSim(t), fitSim(t, "--control", "1")
	same("the difference the other way round", b.Coefficients[1].Estimate, -a.Coefficients[1].Estimate)
	if b.Control != "1" || b.Coefficients[1].Term != "arm: 0 vs 1" {
		t.Errorf("control %s, term %s", b.Control, b.Coefficients[1].Term)
	}
	wide := fitSim(t, "--confidence", "0.99")
	if wide.Coefficients[1].CI[0] >= a.Coefficients[1].CI[0] {
		t.Error("99 % is no wider than 95 %")
	}
	if f := fitSim(t, "--factors", "Stratum", "--df", "containment"); len(f.Coefficients) < 4 {
		t.Errorf("a factor gave %d coefficients", len(f.Coefficients))
	}
	if math.Abs(a.Coefficients[0].Estimate-a.Coefficients[1].Estimate) <= 1e-6 {
		t.Error("the comparison above cannot fail")
	}
}

func TestFitText(t *testing.T) {
	out := newWorld(t).must("analysis", "fit", "--data", simCRT, "--outcome", "Posttest", "--arm", "Treat", "--cluster", "School", "--covariates", "Pretest", "--confidence", "0.9")
	for _, want := range []string{"1437 of 1437 rows used, 60 schools; control arm: 0", "90 % interval", "arm: 1 vs 0  1.82603", "ICC       School"} {
		if !strings.Contains(out, want) {
			t.Errorf("no %q in\n%s", want, out)
		}
	}
}

// What cannot be fitted is said, with its place and what to do; never a
// panic, never a number that is none.
func TestFitRefuses(t *testing.T) {
	const head = "y,a,s,x,z\n"
	const good = head + "1,0,A,1,2\n2,0,A,2,1\n4,0,C,3,5\n3,0,C,5,8\n5,1,B,5,3\n2,1,B,1,12\n3,1,D,7,2\n4,1,D,9,9\n"
	w := newWorld(t)
	for _, c := range []struct {
		name, data string
		args       []string
		status     int
		want       []string
	}{
		{"good", good, []string{"--covariates", "x"}, 0, nil},
		{"no such columns", good, []string{"--covariates", "xx,nowhere", "--factors", "Z"}, 1, []string{`--covariates: f.csv has no column "xx"`, `--covariates: f.csv has no column "nowhere"; it has y, a, s, x, z`, `--factors: f.csv has no column "Z"; did you mean "z"?`}},
		{"no such control", good, []string{"--control", "2"}, 1, []string{`--control: f.csv has no "2" in a; it has 0, 1`}},
		{"texts for numbers", head + "1,0,A,1,2\nx,0,A,2,4\n4,1,B,nan,6\n4,1,B,4,1e999\n", []string{"--covariates", "x,z"}, 1, []string{`f.csv row 3, y: "x" is not a number`, `f.csv row 4, x: "nan" is not a number`, `f.csv row 5, z: "1e999" is not a number`}},
		{"one arm", head + "1,0,A,1,2\n2,0,B,2,4\n", nil, 1, []string{"--arm: f.csv has one value only in a (0): there is nothing to compare"}},
		{"one school in an arm", head + "1,0,A,1,2\n2,0,A,2,4\n3,0,C,1,1\n5,0,C,1,1\n4,1,B,2,2\n4,1,B,2,2\n", nil, 1, []string{`arm "1" has 1 s`, "at least 2 in each arm"}},
		{"constant outcome", head + strings.Repeat("4,0,A,1,2\n4,1,B,1,2\n4,0,C,1,2\n4,1,D,1,2\n", 2), nil, 1, []string{`outcome "y" is 4 in every row`}},
		{"collinear", strings.ReplaceAll(good, ",5,8\n", ",5,8\n"), []string{"--covariates", "x", "--factors", "s"}, 1, []string{"collinear columns"}},
		{"the arm again", good, []string{"--covariates", "a"}, 1, []string{`"a" is a combination of "arm: 1 vs 0"`}},
		{"the outcome again", good, []string{"--covariates", "y"}, 1, []string{"exact combination of the covariates"}},
		{"all missing", head + ",0,A,1,2\nNA,0,B,1,2\n,1,C,1,2\nNA,1,D,1,2\n", nil, 1, []string{"none of the 4 rows has the outcome"}},
		{"a school a row", head + "1,0,A,1,2\n2,0,B,1,2\n3,1,C,1,2\n5,1,D,1,2\n", nil, 1, []string{"every group has a single row", "hint: a model of schools as rows"}},
		{"huge numbers", head + "1e200,0,A,1,2\n2e200,0,A,1,2\n3,0,B,1,2\n1,1,C,1,2\n3,1,C,1,2\n5,1,D,1,2\n", nil, 1, []string{"f.csv row 2, y: 1e200 is too large for a measurement", "f.csv row 3, y: 2e200"}},
		{"small numbers", strings.NewReplacer("1,0,A", "1e-300,0,A").Replace(head + "1,0,A,1,2\n0,0,A,1,2\n0,0,B,1,2\n0,1,C,1,2\n0,1,D,1,2\n"), nil, 1, []string{"too little to square and sum"}},
		{"decimal commas", head + "\"1,5\",0,A,1,2\n", nil, 1, []string{`"1,5" is not a number (numbers are read with a decimal point: write 1.5)`}},
		{"an arm without outcomes", strings.NewReplacer("5,1", ",1", "2,1", ",1", "3,1", ",1", "4,1", ",1").Replace(good), []string{"--model", "ols"}, 1, []string{`arm "1" has no row to analyse`}},
		{"a column twice", good, []string{"--covariates", "x", "--factors", "x"}, 2, []string{"x is given twice"}},
		{"explained exactly", good, []string{"--model", "ols", "--covariates", "y"}, 1, []string{"exact combination of the covariates"}},
		{"header only", head, nil, 1, []string{"the file has a header but no rows"}},
		{"empty", "", nil, 1, []string{"the file is empty"}},
		{"two columns of a name", "y,a,s,y\n1,0,A,1\n", nil, 1, []string{"2 columns have this header"}},
		{"no confidence", good, []string{"--confidence", "1"}, 2, []string{"--confidence: a number between 0 and 1"}},
		{"NaN for confidence", good, []string{"--confidence", "NaN"}, 2, []string{"--confidence: a number between 0 and 1"}},
		{"no such df", good, []string{"--df", "between"}, 2, []string{"kenward-roger, satterthwaite"}},
		{"no such method", good, []string{"--method", "bayes"}, 2, []string{"reml, ml"}},
	} {
		t.Run(c.name, func(t *testing.T) {
			w.t = t
			args := append([]string{"analysis", "fit", "--data", w.file("f.csv", c.data), "--outcome", "y", "--arm", "a", "--cluster", "s", "--format", "json"}, c.args...)
			r := w.give(args...)
			if r.status != c.status {
				t.Errorf("status %d, want %d: %s", r.status, c.status, r.stderr)
			}
			if (r.out == "") != (c.status != 0) {
				t.Errorf("status %d, and on standard output: %q", c.status, r.out)
			}
			for _, want := range c.want {
				if !strings.Contains(r.stderr, want) {
					t.Errorf("no %q in %q", want, r.stderr)
				}
			}
		})
	}
	w.t = t
	// What is odd and can be fitted is a warning.
	for code, args := range map[string][]string{
		"far-values":      {"--data", w.file("far.csv", strings.Replace(good, "4,0,C", "-999,0,C", 1))},
		"leading-digits":  {"--data", w.file("lead.csv", strings.NewReplacer("\n1,", "\n1000000001,", "\n2,", "\n1000000002,", "\n3,", "\n1000000003,", "\n4,", "\n1000000004,", "\n5,", "\n1000000005,").Replace(good))},
		"one-school":      {"--data", w.file("one.csv", strings.ReplaceAll(good, ",D,", ",B,")), "--model", "ols"},
		"ill-conditioned": {"--data", w.file("ill.csv", strings.NewReplacer("1,2\n", "1,1.000001\n", "2,1\n", "2,2.000002\n", "3,5\n", "3,3.000001\n", "5,8\n", "5,5\n", "5,3\n", "5,5.000001\n", "1,12\n", "1,1\n", "7,2\n", "7,7\n", "9,9\n", "9,9.000002\n").Replace(good)), "--model", "ols", "--covariates", "x,z"},
	} {
		out := decode[fitJSON](t, w.must(append([]string{"analysis", "fit", "--outcome", "y", "--arm", "a", "--cluster", "s", "--format", "json"}, args...)...))
		if !slices.ContainsFunc(out.Warnings, func(w analysis.Warning) bool { return w.Code == code }) {
			t.Errorf("no warning %s in %+v", code, out.Warnings)
		}
	}
	for _, flag := range []string{"--data", "--outcome", "--arm", "--cluster"} {
		args := []string{"analysis", "fit"}
		for _, f := range []string{"--data", "--outcome", "--arm", "--cluster"} {
			if f != flag {
				args = append(args, f, "x")
			}
		}
		if r := w.give(args...); r.status != exitUsage || !strings.Contains(r.stderr, flag+" is missing") {
			t.Errorf("without %s: status %d, %s", flag, r.status, r.stderr)
		}
	}
	if r := w.give("analysis", "fit", "--data", filepath.Join(w.dir, "nowhere.csv"), "--outcome", "y", "--arm", "a", "--cluster", "s"); r.status != exitFailed || !strings.Contains(r.stderr, "no such file") {
		t.Errorf("no file: status %d, %s", r.status, r.stderr)
	}
}

// fuzzed are the ways that FuzzFit calls the command; every model is among
// them, and what goes with it.
var fuzzed = [][]string{
	{"--cluster", "s"},
	{"--cluster", "s", "--covariates", "x"},
	{"--cluster", "s", "--factors", "x", "--df", "satterthwaite", "--profile", "--school-effects"},
	{"--cluster", "s", "--covariates", "x", "--slope", "full", "--interactions", "a:x"},
	{"--cluster", "s", "--partial", "x", "--by-arm", "residual,clusters"},
	{"--levels", "x,s", "--method", "ml", "--df", "containment"},
	{"--cluster", "s", "--model", "logistic", "--covariates", "x", "--quadrature", "3"},
	{"--cluster", "s", "--model", "ols", "--covariates", "x", "--permute", "20", "--bootstrap", "100"},
	{"--model", "ols", "--weights", "x", "--se", "classical"},
	{"--cluster", "s", "--model", "iv", "--received", "x"},
	{"--cluster", "s", "--model", "means", "--strata", "x"},
	{"--cluster", "s", "--model", "means", "--estimator", "rct-yes", "--covariates", "x"},
	{"--cluster", "s", "--permute", "30", "--strata", "x", "--bootstrap", "100", "--resample", "both"},
	{"--cluster", "s", "--bootstrap", "100", "--resample", "residual"},
	{"--cluster", "s", "--bootstrap", "100", "--resample", "pupils", "--slope", "diagonal"},
	{"--cluster", "s", "--model", "bayes", "--draws", "20"},
}

// No file makes the command panic, or print JSON that is none.
func FuzzFit(f *testing.F) {
	for i := range fuzzed {
		f.Add("y,a,s,x\n1,0,A,1\n2,0,A,2\n4,0,C,3\n3,0,C,5\n5,1,B,5\n2,1,B,1\n3,1,D,7\n4,1,D,9\n", uint8(i))
		f.Add("y,a,s,x\n1,0,A,1\n0,0,A,0\n1,1,A,1\n0,0,C,1\n1,1,B,0\n0,1,B,1\n1,0,D,0\n1,1,D,\n0,1,C,1\n", uint8(i))
	}
	f.Add("y;a;s;x\r\n1;0;A;\r\n2;0;B;2\r\n4;1;C;3\r\nNA;1;D;5\r\n", uint8(0))
	f.Add("y,a,s,x\n1e9,0,A,1\n1e9,0,A,1e-9\n1.0000000001e9,1,B,1e9\n1e9,1,B,1\n1,0,C,1\n2,1,D,1\n", uint8(1))
	f.Add("\xef\xbb\xbfy,a,s,x\n\"1\n\",0,A,1\n", uint8(2))
	f.Fuzz(func(t *testing.T, data string, kind uint8) {
		w := newWorld(t)
		args := append([]string{"analysis", "fit", "--data", w.file("f.csv", data), "--outcome", "y", "--arm", "a", "--format", "json"}, fuzzed[int(kind)%len(fuzzed)]...)
		r := w.give(args...)
		switch r.status {
		case exitDone:
			got := decode[fitJSON](t, r.out)
			if got.N.Used < 3 || got.N.Used > got.N.Rows {
				t.Errorf("%+v rows were used", got.N)
			}
			sum := got.N.Used
			for _, d := range got.N.Dropped {
				sum += d.Rows
			}
			if sum != got.N.Rows {
				t.Errorf("%d rows = %d used + %v", got.N.Rows, got.N.Used, got.N.Dropped)
			}
		case exitFailed, exitUsage:
			if r.out != "" || !strings.HasPrefix(r.stderr, "evenhand: ") || strings.Contains(r.stderr, "unsupported value") { // JSON has no NaN
				t.Errorf("output %q, error %q", r.out, r.stderr)
			}
		default:
			t.Errorf("status %d: %s", r.status, r.stderr)
		}
	})
}
