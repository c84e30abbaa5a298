package main

import (
	"fmt"
	"math"
	"math/rand/v2"
	"os"
	"os/exec"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"evenhand/analysis"
	"evenhand/analysis/rows"
	"evenhand/analysis/sap"
	"evenhand/reports"
)

// Every part of an explanation follows from its inputs.
func TestExplainAddsUp(t *testing.T) {
	w := newWorld(t)
	if err := placeTrial("analysed", w.dir); err != nil {
		t.Fatal(err)
	}
	for _, outcome := range []string{"ks2_reading", "ks2_gps"} {
		out := decode[reports.Explanation](t, w.must("analysis", "explain", "--outcome", outcome, "--format", "json"))
		value := map[string]reports.ExplainedPart{}
		for _, p := range out.Parts {
			value[p.What] = p
		}
		same := func(what string, got, want float64) {
			t.Helper()
			if !agrees(got, want, 1e-12) {
				t.Errorf("%s, %s: %v, want %v", outcome, what, got, want)
			}
		}
		sd := value["SD that the effect size divides by (total-unconditional)"]
		if len(sd.Inputs) != 2 {
			t.Fatalf("the SD has %d inputs", len(sd.Inputs))
		}
		same("SD", sd.Value, math.Sqrt(sd.Inputs[0].Value+sd.Inputs[1].Value))
		es := value["effect size"]
		same("effect size", es.Value, value["adjusted difference"].Value/sd.Value)
		upper := value["upper end of the difference's interval"]
		same("upper end", upper.Value, upper.Inputs[0].Value+upper.Inputs[1].Value*upper.Inputs[2].Value)
		same("its effect size", value["upper end of the effect size's interval"].Value, upper.Value/sd.Value)
	}
}

// needR skips a test where R with the packages is not installed, unless the
// surroundings say that it must be.
func needR(t *testing.T, packages ...string) {
	t.Helper()
	for _, p := range packages {
		if exec.Command("Rscript", "-e", "library("+p+")").Run() != nil {
			if os.Getenv("EVENHAND_NEED_R") != "" {
				t.Fatalf("R with %s is needed here, and is not installed", p)
			}
			t.Skipf("NOT RUN: R with %s is not installed", p)
		}
	}
}

// heldToR runs the lines of R of all explanations in a folder with the data, and
// compares what they give. It gives back how many numbers were compared of each
// name.
func heldToR(t *testing.T, folder string, all []*reports.Explanation) map[string]int {
	t.Helper()
	script := "show <- function(at, x) { x <- unlist(x[vapply(x, is.numeric, NA)]); cat(at, sprintf('%.15g', x), sep = '\\t'); cat('\\n') }\n"
	type line struct {
		of   *reports.Explanation
		what string
	}
	var shown []line
	for _, out := range all {
		if strings.HasPrefix(out.Estimate, "randomisation test") {
			continue // the bundle's script, which has a test of its own
		}
		for _, l := range out.R {
			code, what, marked := strings.Cut(l, "  # the ")
			if marked && !strings.Contains(code, "<-") {
				l = fmt.Sprintf("show(%d, %s)", len(shown), code)
				shown = append(shown, line{out, what})
			}
			script += l + "\n"
		}
	}
	if err := os.WriteFile(filepath.Join(folder, "lines.R"), []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("Rscript", "lines.R")
	cmd.Dir = folder
	var faults strings.Builder
	cmd.Stderr = &faults
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("R: %v\n%s\n%s\n%s", err, script, text, faults.String())
	}
	compared := map[string]int{}
	for row := range strings.Lines(string(text)) {
		cells := strings.Split(strings.TrimSpace(row), "\t")
		at, err := strconv.Atoi(cells[0])
		if err != nil || at >= len(shown) {
			t.Fatalf("R printed %q", row)
		}
		l := shown[at]
		value := func(what string) (v float64, there bool) {
			for _, p := range l.of.Parts {
				if p.What == what {
					return p.Value, true
				}
			}
			return
		}
		var want []string
		switch what, _, _ := strings.Cut(l.what, ","); {
		case strings.HasPrefix(what, "difference"):
			want = []string{l.of.Parts[0].What, "standard error"}
			if _, pooled := value("standard error of the difference"); pooled {
				want = []string{"difference", "standard error of the difference", "degrees of freedom of the difference"}
			}
		case strings.HasPrefix(what, "effect size"):
			want = []string{"effect size"}
			if _, pooled := value("standard error of the effect size"); pooled {
				want = []string{"effect size", "standard error of the effect size", "degrees of freedom of the effect size"}
			}
		case what == "Lee bounds":
			want = []string{"lower Lee bound", "upper Lee bound"}
		default: // the lowest, the highest difference
			want = []string{what + " whatever the missing scores"}
		}
		for i, name := range want {
			ours, there := value(name)
			theirs, err := strconv.ParseFloat(cells[1+i], 64)
			if !there || err != nil || math.Abs(ours-theirs) > 1e-4*(math.Abs(ours)+1e-2) {
				t.Errorf("%s, %s vs %s, %s: R gives %s, the command %v", l.of.Estimate, l.of.Arm, l.of.Against, name, cells[1+i], ours)
			}
			compared[l.of.Estimate]++
		}
	}
	return compared
}

// The lines of R, run on the bundle's data, give the figures of every estimate.
func TestExplainInR(t *testing.T) {
	needR(t, "lmerTest", "clubSandwich", "AER")
	w := newWorld(t)
	if err := placeTrial("analysed", w.dir); err != nil {
		t.Fatal(err)
	}
	folder := filepath.Join(w.dir, "bundle")
	if text, err := exec.Command("python3", "-m", "zipfile", "-e", filepath.Join(w.dir, "audit.zip"), folder).CombinedOutput(); err != nil {
		t.Skipf("NOT RUN: the bundle cannot be unpacked without Python: %v %s", err, text)
	}
	first := decode[reports.Explanation](t, w.must("analysis", "explain", "--format", "json"))
	var all []*reports.Explanation
	for _, name := range first.Others {
		out := decode[reports.Explanation](t, w.must("analysis", "explain", "--estimate", name, "--format", "json"))
		all = append(all, &out)
	}
	compared := heldToR(t, folder, all)
	for _, name := range []string{reports.Planned, "everfsm6: yes less no", "everfsm6: yes", "everfsm6: no", "taking part", "sessions attended", "bounds"} {
		if compared[name] < 3 {
			t.Errorf("of %s %d numbers were held to R", name, compared[name])
		}
	}
}

// simulated is a trial of three arms, or of two that attended sessions, in 24
// schools, with scores and a baseline missing.
func simulated(arms ...string) *analysis.Dataset {
	rng := rand.New(rand.NewPCG(5, 23))
	d := &analysis.Dataset{Arms: arms, Strata: []string{"north", "south"}}
	pre, fsm := analysis.Column{Name: "baseline"}, analysis.Column{Name: "fsm", Binary: true}
	sessions := analysis.Column{Name: sap.SessionsColumn}
	for s := range 24 {
		arm := s % len(arms)
		d.Clusters = append(d.Clusters, fmt.Sprintf("s%02d", s))
		sessions.Values = append(sessions.Values, float64(arm*(2+rng.IntN(6))))
		u := 3 * rng.NormFloat64()
		for range 15 {
			x, f := 15+4*rng.NormFloat64(), float64(rng.IntN(2))
			d.ID = append(d.ID, fmt.Sprintf("p%03d", len(d.ID)))
			d.Cluster, d.Stratum, d.Arm = append(d.Cluster, s), append(d.Stratum, s/12), append(d.Arm, arm)
			d.Community = append(d.Community, -1)
			pre.Values, fsm.Values = append(pre.Values, x), append(fsm.Values, f)
			there := rng.IntN(7) > 0
			lost := ""
			if !there {
				lost = "absent"
			}
			d.Lost, d.Outcome, d.Observed = append(d.Lost, lost), append(d.Outcome, 90+x-2*f+u+float64(arm)+8*rng.NormFloat64()), append(d.Observed, there)
		}
	}
	d.Covariates, d.SchoolCovariates = []analysis.Column{pre, fsm}, []analysis.Column{sessions}
	return d
}

// Kinds of estimate that the small demo has none of.
func TestExplainOtherKindsInR(t *testing.T) {
	needR(t, "lmerTest", "pbkrtest", "clubSandwich", "AER")
	for _, c := range []struct {
		arms  []string
		df    string
		scale analysis.Scale
		kinds []string
	}{
		{[]string{"control", "one", "two"}, "kenward-roger", analysis.ScaleTotalUnconditional, []string{"one vs two", "imputed", "weighted", "fsm: yes less no"}},
		{[]string{"control", "one", "two"}, "satterthwaite", analysis.ScalePooledSD, []string{"one vs two", "imputed", "fsm: no"}},
		{[]string{"control", "one"}, "satterthwaite", analysis.ScaleWithinConditional, []string{"imputed", "jump-to-reference", "shifted by -0.5 SD", "weighted", "bounds", "taking part", "sessions attended", "dose and response"}},
	} {
		d := simulated(c.arms...)
		plan := sap.Plan{Outcome: "y", Label: "Y", Role: sap.Primary, Model: sap.MixedModel, Covariates: []string{"baseline", "Stratum"}, DF: c.df, EffectSize: c.scale, Level: 0.95, Subgroups: []string{"fsm"},
			Missing:    &sap.MissingRule{ImputeAbove: 0.05, Imputations: 5, Sensitivity: []string{sap.Delta, sap.Reference, sap.Bounds, sap.Weights}, Lowest: 0, Highest: 200},
			Compliance: &sap.ComplianceRule{AtLeast: 4, Sessions: 8}, Posterior: true}
		if len(c.arms) > 2 {
			plan.Pairs = [][2]string{{"one", "two"}}
			plan.Compliance, plan.Missing.Sensitivity = nil, []string{sap.Weights}
		}
		r, err := sap.Run(plan, d, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.NotRun) > 0 {
			t.Fatalf("not run: %v", r.NotRun)
		}
		folder := t.TempDir()
		if err := os.Mkdir(filepath.Join(folder, "data"), 0o755); err != nil {
			t.Fatal(err)
		}
		files, err := rows.Write(d)
		if err != nil {
			t.Fatal(err)
		}
		values, err := r.Imputed(d)
		if err != nil {
			t.Fatal(err)
		}
		imputed := "imputation,pupil,column,value\n"
		for _, x := range values { // complete covariates: these are scores
			imputed += fmt.Sprintf("%d,%s,outcome,%s\n", x.Imputation, d.ID[x.Row], rows.Decimal(x.Value))
		}
		names := rows.Names("y")
		for name, text := range map[string][]byte{names[0]: files.People, names[1]: files.Schools, rows.ImputedName("y"): []byte(imputed)} {
			if err := os.WriteFile(filepath.Join(folder, name), text, 0o644); err != nil {
				t.Fatal(err)
			}
		}
		var all []*reports.Explanation
		for _, e := range reports.Explainables(*r) {
			out, err := e.Explain()
			if err != nil {
				t.Fatal(err)
			}
			if len(out.R) == 0 && len(out.Notes) == 0 {
				t.Errorf("%s has neither lines nor a reason", e.Name)
			}
			all = append(all, out)
		}
		compared := heldToR(t, folder, all)
		for _, name := range c.kinds {
			if compared[name] < 2 {
				t.Errorf("of %s %d numbers were held to R", name, compared[name])
			}
		}
	}
}

// Lines for other plans name what they ought to.
func TestPeerLines(t *testing.T) {
	for _, c := range []struct {
		model, df  string
		scale      analysis.Scale
		r, stata   []string
		notInStata string
	}{
		{"mixed", "kenward-roger", analysis.ScaleWithinConditional, []string{`ddf = "Kenward-Roger"`, "sqrt(v[length(v)])", "`x:baseline`"}, []string{"dfmethod(kroger)", "exp([lnsig_e]_cons)", "ib2.arm_"}, ""},
		{"mixed", "z", analysis.ScaleTotalEmpty, []string{"outcome ~ 1 + (1 | school)", "sqrt(sum(v))", `p = 2 * pnorm(-abs(s[["t value"]]))`}, []string{"mixed outcome  || school_:, reml"}, "dfmethod"},
		{"mixed", "containment", analysis.ScalePooledSD, []string{"tapply(d$outcome, d$arm, sd)", "sum(n[", `p = 2 * pt(-abs(s[["t value"]]), 41)`}, nil, "dfmethod"},
		{"mixed", "satterthwaite-expected", analysis.ScaleControlSD, []string{`s <- summary(m, ddf = "lme4")`, `df <- summary(m, ddf = "Kenward-Roger")`, `[["df"]]`}, []string{"dfmethod(satterthwaite, eim)"}, ""},
		{"mixed", "satterthwaite", analysis.ScaleControlSD, []string{`s[["standard"]]`}, nil, ""},
		{"partially nested", "satterthwaite", analysis.ScaleTotalUnconditional, []string{"(0 + member | community) + (1 | school)", `grp != "community"`}, []string{"|| community_: member, noconstant || school_:, reml", "lns2_1_1"}, ""},
		{"linear", "z", analysis.ScaleTotalUnconditional, []string{"vcovHC(m, \"HC2\")", "sigma(lm(outcome ~ arm, data = d))"}, []string{"vce(hc2)", "e(rmse)"}, "mixed"},
	} {
		r := sap.Results{Plan: sap.Plan{Model: c.model, DF: c.df, Covariates: []string{"baseline", "Stratum"}},
			Arms:       []sap.ArmSummary{{Arm: "rlc"}, {Arm: "standard", Control: true}},
			Covariates: []sap.Coefficient{{Term: "baseline"}, {Term: "Stratum: b vs a"}}}
		contrast := reports.Target{Arm: "rlc", Against: "standard", Scale: c.scale, DF: 41}
		inR, inStata, _ := reports.PeerLines(r, contrast, "data/y.csv")
		for _, want := range c.r {
			if !strings.Contains(strings.Join(inR, "\n"), want) {
				t.Errorf("%s, %s: no %q in R's lines\n%s", c.model, c.scale, want, strings.Join(inR, "\n"))
			}
		}
		stata := strings.Join(inStata, "\n")
		for _, want := range c.stata {
			if !strings.Contains(stata, want) {
				t.Errorf("%s, %s: no %q in Stata's lines\n%s", c.model, c.scale, want, stata)
			}
		}
		if c.notInStata != "" && strings.Contains(stata, c.notInStata) {
			t.Errorf("%s, %s: %q in Stata's lines", c.model, c.scale, c.notInStata)
		}
		// At the boundary the degrees of freedom are from the expected information.
		r.Fit.Singular = true
		inR, inStata, notes := reports.PeerLines(r, contrast, "data/y.csv")
		if c.df == "satterthwaite" && (!strings.Contains(strings.Join(inR, "\n"), `df <- summary(m, ddf = "Kenward-Roger")`) || !strings.Contains(strings.Join(inStata, "\n"), "eim") || !strings.Contains(notes[0], "A variance is 0")) {
			t.Errorf("%s: a singular fit has %s", c.model, inR)
		}
	}
}
