package main

import (
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"evenhand/analysis"
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

// The lines of R, run on the bundle's data, give the figures. It needs R with
// lmerTest.
func TestExplainInR(t *testing.T) {
	if exec.Command("Rscript", "-e", "library(lmerTest)").Run() != nil {
		if os.Getenv("EVENHAND_NEED_R") != "" {
			t.Fatal("R with lmerTest is needed here, and is not installed")
		}
		t.Skip("NOT RUN: R with lmerTest is not installed")
	}
	w := newWorld(t)
	if err := placeTrial("analysed", w.dir); err != nil {
		t.Fatal(err)
	}
	out := decode[reports.Explanation](t, w.must("analysis", "explain", "--format", "json"))
	folder := filepath.Join(w.dir, "bundle")
	if text, err := exec.Command("python3", "-m", "zipfile", "-e", filepath.Join(w.dir, "audit.zip"), folder).CombinedOutput(); err != nil {
		t.Skipf("NOT RUN: the bundle cannot be unpacked without Python: %v %s", err, text)
	}
	script := "options(digits = 15)\n"
	for _, line := range out.R {
		if strings.Contains(line, "#") {
			line = "print(" + strings.TrimSpace(line[:strings.Index(line, "#")]) + ")"
		}
		script += line + "\n"
	}
	if err := os.WriteFile(filepath.Join(folder, "lines.R"), []byte(script), 0o644); err != nil {
		t.Fatal(err)
	}
	cmd := exec.Command("Rscript", "lines.R")
	cmd.Dir = folder
	text, err := cmd.Output()
	if err != nil {
		t.Fatalf("R: %v\n%s\n%s", err, script, text)
	}
	var numbers []float64
	for _, s := range regexp.MustCompile(`-?[0-9]+\.[0-9]+(e[-+][0-9]+)?`).FindAllString(string(text), -1) {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil {
			t.Fatal(err)
		}
		numbers = append(numbers, v)
	}
	want := map[string]float64{}
	for _, p := range out.Parts {
		want[p.What] = p.Value
	}
	// Estimate, SE, df, t, p; then the effect size.
	if len(numbers) != 6 {
		t.Fatalf("R printed %d numbers:\n%s", len(numbers), text)
	}
	if !agrees(numbers[0], want["adjusted difference"], 1e-4) || !agrees(numbers[1], want["standard error"], 1e-4) || !agrees(numbers[5], want["effect size"], 1e-4) {
		t.Errorf("R gives %v, the command %v", numbers, want)
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
		contrast := sap.Contrast{Arm: "rlc", Against: "standard", Difference: analysis.Estimate{DF: 41}, EffectSize: analysis.Estimate{Scale: c.scale}}
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
