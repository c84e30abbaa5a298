package main

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"strings"
	"testing"

	"evenhand/analysis/mixed"
	"evenhand/randomize"
)

const mixedData = "../../analysis/mixed/testdata/"

// readAny reads a file of JSON.
func readAny(t *testing.T, file string) map[string]any {
	t.Helper()
	data, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	var v map[string]any
	if err := json.Unmarshal(data, &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// fitAny runs `analysis fit` and reads its JSON.
func fitAny(t *testing.T, args ...string) any {
	t.Helper()
	var v any
	if err := json.Unmarshal([]byte(newWorld(t).must(append([]string{"analysis", "fit", "--format", "json"}, args...)...)), &v); err != nil {
		t.Fatal(err)
	}
	return v
}

// same compares the number at a path with a reference.
func same(t *testing.T, what string, v any, path string, want, tolerance float64) {
	t.Helper()
	got, err := at(v, path)
	if err != nil {
		t.Errorf("%s: %v", what, err)
		return
	}
	if !agrees(got, want, tolerance) {
		t.Errorf("%s: %s is %.17g, want %.17g (%.1f digits)", what, path, got, want, digits(got, want))
	}
}

func number(t *testing.T, v any, path ...any) float64 {
	t.Helper()
	for _, step := range path {
		switch s := step.(type) {
		case string:
			v = v.(map[string]any)[s]
		case int:
			v = v.([]any)[s]
		}
	}
	f, ok := v.(float64)
	if !ok {
		t.Fatalf("%v is no number", path)
	}
	return f
}

// Partially nested models of the command are those of arithmetic with 40
// digits, with the arms' variances their own or not.
func TestFitPartialGolden(t *testing.T) {
	data, err := os.ReadFile(mixedData + "partial.csv")
	if err != nil {
		t.Fatal(err)
	}
	// The file has 0 for the control arm's communities; the command wants none.
	lines := strings.Split(strings.TrimSpace(string(data)), "\n")
	for i, line := range lines[1:] {
		if f := strings.Split(line, ","); f[1] == "0" {
			f[1] = ""
			lines[i+1] = strings.Join(f, ",")
		}
	}
	file := filepath.Join(t.TempDir(), "partial.csv")
	if err := os.WriteFile(file, []byte(strings.Join(lines, "\n")), 0o600); err != nil {
		t.Fatal(err)
	}
	truth := readAny(t, mixedData+"exact.json")
	for kind, c := range map[string]struct {
		byArm     string
		variances []string
	}{
		"one":             {"", []string{"residual|", "community|", "school|"}},
		"residual by arm": {"residual", []string{"residual, arm 0|", "residual, arm 1|", "community|", "school|"}},
		"all by arm":      {"residual,clusters", []string{"residual, arm 0|", "residual, arm 1|", "community|", "school, arm 0|", "school, arm 1|"}},
	} {
		w := truth[kind]
		for df, key := range map[string]string{"kenward-roger": "df_expected", "satterthwaite": "df_observed"} {
			args := []string{"--data", file, "--outcome", "y", "--arm", "treat", "--cluster", "school", "--partial", "community", "--covariates", "x", "--df", df}
			if c.byArm != "" {
				args = append(args, "--by-arm", c.byArm)
			}
			out := fitAny(t, args...)
			same(t, kind, out, "criterion/value", number(t, w, "criterion"), 1e-9)
			for i, name := range c.variances {
				same(t, kind, out, "variances/"+name+"/value", number(t, w, "variances", i), 1e-9)
			}
			for i, term := range []string{"(Intercept)", "arm: 1 vs 0", "x"} {
				cov := "vcovKR"
				if df == "satterthwaite" {
					cov = "vcov"
				}
				same(t, kind, out, "coefficients/"+term+"/estimate", number(t, w, "fixef", i), 1e-9)
				same(t, kind, out, "coefficients/"+term+"/se", math.Sqrt(number(t, w, cov, i, i)), 1e-9)
				same(t, kind, out, "coefficients/"+term+"/df", number(t, w, key, i), 1e-7)
			}
		}
	}
}

// Tests of several terms at once are pbkrtest's and lmerTest's; profile
// intervals those of arithmetic with 40 digits; school effects lme4's.
func TestFitJointProfileAndEffects(t *testing.T) {
	r := readAny(t, mixedData+"reference.json")
	models := readAny(t, reference)["models"].(map[string]any)
	dir := filepath.Dir(simCRT) + "/"
	full := []string{"--data", simCRT, "--outcome", "Posttest", "--arm", "Treat", "--cluster", "School", "--covariates", "Pretest,FSM,Female,SchoolFSM", "--factors", "Stratum"}
	three := []string{"--data", dir + "sim_crt3.csv", "--outcome", "Posttest", "--arm", "Arm", "--control", "control", "--cluster", "School", "--covariates", "Pretest"}
	for name, c := range map[string]struct {
		args []string
		term string
	}{"strata": {full, "Stratum"}, "arms": {three, "arm"}} {
		for df, key := range map[string]string{"kenward-roger": "KR F ", "satterthwaite": "Satterthwaite F "} {
			out := fitAny(t, append(c.args, "--df", df)...)
			for i, field := range []string{"f", "df1", "df2", "p"} {
				// to lme4's variances
				same(t, df+" "+name, out, "joint_tests/"+c.term+"/"+field, number(t, r[key+name], i), []float64{1e-5, 0, 1e-5, 1e-4}[i])
			}
		}
	}
	profiles := 0
	for id, args := range map[string][]string{"simcrt.full": full, "simcrt3.adj": three,
		"simcrt.adj":  {"--data", simCRT, "--outcome", "Posttest", "--arm", "Treat", "--cluster", "School", "--covariates", "Pretest"},
		"sim3.adj":    {"--data", dir + "sim_3lvl.csv", "--outcome", "Posttest", "--arm", "Treat", "--levels", "School,Class", "--covariates", "Pretest"},
		"simmst.diag": {"--data", dir + "sim_mst.csv", "--outcome", "Posttest", "--arm", "Treat", "--cluster", "School", "--slope", "diagonal", "--covariates", "Pretest"},
	} {
		out := fitAny(t, append(args, "--profile", "--school-effects")...)
		ml := models[id].(map[string]any)["truth_40digit_arithmetic"].(map[string]any)["ML"].(map[string]any)
		for key, term := range map[string]string{"profile_ci95_Treat": "arm: 1 vs 0", "profile_ci95_Full": "arm: full vs control"} {
			if _, ok := ml[key]; !ok {
				continue
			}
			for end := range 2 {
				same(t, id, out, fmt.Sprintf("profile/coefficients/%s/ci/%d", term, end), number(t, ml, key, end), 1e-8)
			}
			profiles++
		}
		first := models[id].(map[string]any)["R"].(map[string]any)["ranef_first5"].(map[string]any)
		school := first["School"].(map[string]any)["(Intercept)"].([]any)
		for i, v := range school {
			same(t, id, out, fmt.Sprintf("school_effects/School|%d|/value", i+1), v.(float64), 1e-4) // lme4's variances
		}
	}
	if profiles != 5 {
		t.Errorf("%d profile intervals were compared, not 5", profiles)
	}
	// A profile interval of a variance has its estimate inside.
	out := fitAny(t, append(full, "--profile")...)
	for _, level := range []string{"School", "residual"} {
		v, err := at(out, "variances/"+level+"|/value")
		low, err2 := at(out, "profile/variances/"+level+"|/ci/0")
		high, err3 := at(out, "profile/variances/"+level+"|/ci/1")
		if err != nil || err2 != nil || err3 != nil || !(low < v && v < high) {
			t.Errorf("%s: %v to %v, estimate %v (%v, %v, %v)", level, low, high, v, err, err2, err3)
		}
	}
}

// The command's posterior is that of 600,000 draws of another sampler in
// another language. Means are compared at 4.5 Monte Carlo standard errors: a
// right sampler fails for about one seed in 25,000.
func TestFitBayesGolden(t *testing.T) {
	long := readAny(t, "../../analysis/bayes/testdata/gibbs.json")
	out := fitAny(t, "--data", filepath.Dir(simCRT)+"/crt24.csv", "--outcome", "y", "--arm", "treat", "--cluster", "school", "--covariates", "pre",
		"--model", "bayes", "--prior-sd", "flat", "--draws", "3000", "--seed", "5")
	n := 0
	for name, w := range long {
		path := "posterior/quantities/" + name + "/"
		switch name {
		case "effect size":
			path = "posterior/quantities/effect size: 1, total-conditional/"
		case "SD School":
			path = "posterior/quantities/SD school/"
		}
		got := map[string]float64{}
		for _, field := range []string{"mean", "sd", "mcse", "rhat"} {
			v, err := at(out, path+field)
			if err != nil {
				t.Fatal(err)
			}
			got[field] = v
		}
		if d := math.Abs(got["mean"] - number(t, w, "mean")); !(d < 4.5*math.Hypot(got["mcse"], number(t, w, "mcse"))) {
			t.Errorf("%s: mean %v, the long chain has %v", name, got["mean"], number(t, w, "mean"))
		}
		if !agrees(got["sd"], number(t, w, "sd"), 0.06) || got["rhat"] > 1.01 {
			t.Errorf("%s: SD %v (the long chain has %v), R-hat %v", name, got["sd"], number(t, w, "sd"), got["rhat"])
		}
		n++
	}
	if n != 6 {
		t.Errorf("%d quantities were compared, not 6", n)
	}
}

// The closed forms of the command have the reference's pooled SD and
// intra-cluster correlations; the forms themselves are tested where they are.
func TestFitClosedForms(t *testing.T) {
	all := readAny(t, filepath.Dir(reference)+"/statistics.json")["s4_effect_sizes"].(map[string]any)
	want := all["hedges2011_three_level"]
	theta := all["g_mlm"].(map[string]any)["three_level"].(map[string]any)["theta"]
	out := fitAny(t, "--data", filepath.Dir(simCRT)+"/three_level.csv", "--outcome", "y", "--arm", "treat", "--levels", "school,class")
	path := "hedges/arm: 1 vs 0/"
	same(t, "2011", out, path+"sd", number(t, want, "S_WT"), 1e-9)
	total := number(t, theta, 0) + number(t, theta, 1) + number(t, theta, 2)
	h := out.(map[string]any)["hedges"].([]any)[0]
	for i := range 2 {
		if got := number(t, h, "icc", i); !agrees(got, number(t, theta, i)/total, 1e-9) {
			t.Errorf("ICC %d: %v", i, got)
		}
	}
	same(t, "2011", out, path+"d", number(t, want, "mean_diff")/number(t, want, "S_WT")*number(t, h, "factor"), 1e-9)
	same(t, "2011", out, path+"g", number(t, h, "d")*number(t, h, "j"), 1e-12)
	// Classes of unequal size: none.
	out = fitAny(t, "--data", filepath.Dir(simCRT)+"/sim_3lvl.csv", "--outcome", "Posttest", "--arm", "Treat", "--levels", "School,Class")
	if n := len(out.(map[string]any)["hedges"].([]any)); n != 0 {
		t.Errorf("%d closed forms for unequal classes", n)
	}
}

// What is resampled and redrawn is what was estimated: the estimate of the data
// themselves is the fit's, whatever the model and whatever varies.
func TestFitResamplesItsEstimate(t *testing.T) {
	dir := filepath.Dir(simCRT) + "/"
	crt := []string{"--data", dir + "sim_crt.csv", "--outcome", "Posttest", "--arm", "Treat", "--cluster", "School", "--covariates", "Pretest,FSM", "--factors", "Stratum"}
	mst := []string{"--data", dir + "sim_mst.csv", "--outcome", "Posttest", "--arm", "Treat", "--cluster", "School", "--covariates", "Pretest"}
	three := []string{"--data", dir + "sim_crt3.csv", "--outcome", "Posttest", "--arm", "Arm", "--control", "control", "--cluster", "School", "--covariates", "Pretest"}
	for name, args := range map[string][]string{
		"schools":            append(slices.Clone(crt), "--strata", "Stratum"),
		"pupils":             append(slices.Clone(crt), "--resample", "pupils"),
		"both":               append(slices.Clone(crt), "--strata", "Stratum", "--resample", "both"),
		"residual":           append(slices.Clone(crt), "--resample", "residual"),
		"ML":                 append(slices.Clone(crt), "--strata", "Stratum", "--method", "ml", "--df", "satterthwaite"),
		"variances by arm":   append(slices.Clone(crt), "--strata", "Stratum", "--by-arm", "residual"),
		"least squares":      append(slices.Clone(crt), "--strata", "Stratum", "--model", "ols"),
		"weighted":           append(slices.Clone(crt), "--strata", "Stratum", "--model", "ols", "--weights", "Pretest"),
		"weighted, pupils":   append(slices.Clone(crt), "--model", "ols", "--weights", "Pretest", "--resample", "pupils"),
		"pupils drawn":       mst,
		"slope":              append(slices.Clone(mst), "--slope", "full"),
		"classes":            {"--data", dir + "sim_3lvl.csv", "--outcome", "Posttest", "--arm", "Treat", "--levels", "School,Class", "--covariates", "Pretest"},
		"classes, pupils":    {"--data", dir + "sim_3lvl.csv", "--outcome", "Posttest", "--arm", "Treat", "--levels", "School,Class", "--resample", "both"},
		"three arms":         three,
		"three arms, pupils": append(slices.Clone(three), "--resample", "pupils", "--model", "ols"),
	} {
		out := fitAny(t, append(args, "--bootstrap", "100", "--permute", "20")...)
		for _, e := range out.(map[string]any)["bootstrap"].(map[string]any)["estimates"].([]any) {
			term, scale := e.(map[string]any)["term"].(string), e.(map[string]any)["scale"].(string)
			path := "coefficients/" + term + "/estimate"
			if scale != "difference" {
				path = "effect_sizes/" + term + "|" + scale + "/value"
			}
			want, err := at(out, path)
			if err != nil {
				t.Fatalf("%s: %v", name, err)
			}
			same(t, name, out, "bootstrap/estimates/"+term+"|"+scale+"/estimate", want, 1e-9)
		}
		for _, e := range out.(map[string]any)["randomisation_inference"].(map[string]any)["tests"].([]any) {
			test := e.(map[string]any)
			if test["statistic"] != "difference" {
				continue
			}
			want, err := at(out, fmt.Sprintf("coefficients/arm: %s vs %s/estimate", test["arm"], test["against"]))
			if err != nil || !agrees(test["observed"].(float64), want, 1e-9) {
				t.Errorf("%s: observed %v, estimate %v (%v)", name, test["observed"], want, err)
			}
		}
	}
}

// A test by a constrained design redraws from its candidates: the p-value is
// that of refits of what the design itself gives, one by one.
func TestFitRedrawsAConstrainedDesign(t *testing.T) {
	const vectors, redraws = "../../randomize/testdata/vectors/constrained", 40
	text := func(end string) []byte {
		data, err := os.ReadFile(vectors + end)
		if err != nil {
			t.Fatal(err)
		}
		return data
	}
	design, err := randomize.ParseDesign(text(".design"))
	if err != nil {
		t.Fatal(err)
	}
	roster, err := randomize.ParseRoster(text(".roster"))
	if err != nil {
		t.Fatal(err)
	}
	chance, err := randomize.ParseChance(string(text(".chance")))
	if err != nil {
		t.Fatal(err)
	}
	drawn, err := randomize.ParseAllocation(text(".allocation"))
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(3, 3))
	data := &mixed.Data{Outcome: "y", Arms: []string{"control", "rlc"}, Columns: []mixed.Column{{Name: mixed.Intercept}, {Name: "arm: rlc vs control", Arm: true}}, Levels: []mixed.Level{{Name: "school"}}}
	csv := "school,arm,y\n"
	for s, a := range drawn.Assignments {
		u := rng.NormFloat64()
		for range 4 {
			arm, y := 0.0, math.Round(100*(10+u+3*rng.NormFloat64()))/100
			if a.Arm == "rlc" {
				arm, y = 1, math.Round(100*(y+1))/100
			}
			csv += fmt.Sprintf("%s,%s,%v\n", a.Unit, a.Arm, y)
			data.Y, data.Arm = append(data.Y, y), append(data.Arm, int(arm))
			data.Columns[1].Values = append(data.Columns[1].Values, arm)
			data.Levels[0].Index = append(data.Levels[0].Index, s)
		}
	}
	redraw, err := randomize.Redraws(design, randomize.Wave{Roster: roster, Chance: chance})
	if err != nil {
		t.Fatal(err)
	}
	estimate := func(arms []int) float64 { // arms as the design numbers them
		own := *data
		own.Arm, own.Columns = nil, []mixed.Column{data.Columns[0], {Name: "arm: rlc vs control", Arm: true}}
		for _, s := range data.Levels[0].Index {
			a := 0
			if design.Arms[arms[s]].Name == "rlc" {
				a = 1
			}
			own.Arm, own.Columns[1].Values = append(own.Arm, a), append(own.Columns[1].Values, float64(a))
		}
		f, err := mixed.New(&own, mixed.Model{})
		if err != nil {
			t.Fatal(err)
		}
		return f.Coefficients[1].Estimate
	}
	first, err := mixed.New(data, mixed.Model{})
	if err != nil {
		t.Fatal(err)
	}
	observed, extreme := first.Coefficients[1].Estimate, 0
	for i := range redraws {
		if math.Abs(estimate(redraw(i))) >= math.Abs(observed)-1e-9 {
			extreme++
		}
	}
	w := newWorld(t)
	args := []string{"analysis", "fit", "--data", w.file("f.csv", csv), "--outcome", "y", "--arm", "arm", "--control", "control", "--cluster", "school", "--format", "json",
		"--permute", fmt.Sprint(redraws), "--design", vectors + ".design", "--roster", vectors + ".roster"}
	if r := w.give(args...); r.status != exitUsage || !strings.Contains(r.stderr, "--chance is missing") {
		t.Errorf("without the chance: status %d, %s", r.status, r.stderr)
	}
	out := decode[fitJSON](t, w.must(append(args, "--chance", vectors+".chance")...))
	test := out.Randomisation.Tests[0]
	if want := float64(1+extreme) / (1 + redraws); test.P != want || !agrees(test.Observed, observed, 1e-9) {
		t.Errorf("p %v and observed %v, want %v and %v", test.P, test.Observed, want, observed)
	}
}
