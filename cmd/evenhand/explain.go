package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"evenhand/analysis"
	"evenhand/analysis/rows"
	"evenhand/analysis/sap"
	"evenhand/trial/conduct"
)

// explainedJSON says how one estimate of the last run of the plan came about.
type explainedJSON struct {
	Outcome string          `json:"outcome"`
	Arm     string          `json:"arm"`
	Against string          `json:"against"`
	Data    []string        `json:"data"`   // files of the audit bundle that hold the rows
	Digest  string          `json:"digest"` // of all data of the run
	Parts   []explainedPart `json:"parts"`
	R       []string        `json:"r"`     // lines of R that give the same figures
	Stata   []string        `json:"stata"` // lines of Stata that do
	Notes   []string        `json:"notes"`
	Counts  analysis.Counts `json:"counts"`
}

type explainedPart struct {
	What    string           `json:"what"`
	Value   float64          `json:"value"`
	Formula string           `json:"formula"`
	Inputs  []explainedInput `json:"inputs"`
	Source  string           `json:"source"`
}

type explainedInput struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
}

func (a *app) explainCommand() *cobra.Command {
	var outcome, arm string
	c := command("explain", "Say how an estimate came about, and how to get it with R and Stata",
		"For one estimate of the last run of the plan: the formula, its inputs at full precision, where the\nformula comes from, and the lines of R and of Stata that give the same figures from the data of the\naudit bundle (`evenhand audit export` writes it).",
		"evenhand analysis explain\nevenhand analysis explain --outcome ks2_gps --arm rlc --format json", noArgs,
		a.reading(func(ctx context.Context, t *conduct.Trial) error {
			s, err := t.Snapshot(ctx)
			if err != nil {
				return err
			}
			if s.Last == nil {
				return withHint(errors.New("the plan has not been run under the arms' names yet"), "`evenhand analysis unblind`, then `evenhand analysis run`")
			}
			at := 0
			if outcome != "" {
				var names []string
				for _, r := range s.Last.Results {
					names = append(names, r.Plan.Outcome)
				}
				if at = slices.Index(names, outcome); at < 0 {
					return usagef("--outcome: the last run has no outcome %q; it has %s", outcome, strings.Join(names, ", "))
				}
			}
			r := s.Last.Results[at]
			k := 0
			if arm != "" {
				var names []string
				for _, c := range r.Contrasts {
					names = append(names, c.Arm)
				}
				if k = slices.Index(names, arm); k < 0 {
					return usagef("--arm: no arm %q is compared with the control arm; there is %s", arm, strings.Join(names, ", "))
				}
			}
			out, err := explain(r, k)
			if err != nil {
				return err
			}
			out.Digest = s.Last.DataDigest
			return a.print(out, func() { a.showExplained(out) })
		}))
	c.Flags().StringVar(&outcome, "outcome", "", "the outcome's ID (default: the primary)")
	c.Flags().StringVar(&arm, "arm", "", "the arm, where there are several (default: the first)")
	return c
}

// explain takes an estimate apart.
func explain(r sap.Results, contrast int) (*explainedJSON, error) {
	c := r.Contrasts[contrast]
	d, e := c.Difference, c.EffectSize
	names := rows.Names(r.Plan.Outcome)
	out := &explainedJSON{Outcome: r.Plan.Outcome, Arm: c.Arm, Against: c.Against, Data: names[:], Counts: d.Counts, Notes: []string{}}
	source := "analysis/mixed (METHODS.md, Mixed models); Patterson and Thompson, Biometrika 58, 1971"
	formula := "the arm's coefficient b = (X'V⁻¹X)⁻¹X'V⁻¹y, V = σ²I + τ²ZZ', σ² and τ² by REML"
	inputs := []explainedInput{{"REML criterion", r.Fit.Criterion}}
	for _, v := range r.Variances {
		if v.Model == "conditional" {
			inputs = append(inputs, explainedInput{"variance, " + v.Level, v.Value})
		}
	}
	if r.Plan.Model == "linear" {
		source, formula = "analysis/robust (METHODS.md, Linear models with robust variances)", "the arm's coefficient b = (X'X)⁻¹X'y, one row a school"
		inputs = inputs[1:]
	}
	out.Parts = append(out.Parts, explainedPart{"adjusted difference", d.Value, formula, inputs, source})
	se := "analysis/mixed/inference.go"
	if r.Plan.Model == "linear" {
		se = "analysis/robust/variance.go; MacKinnon and White, Journal of Econometrics 29, 1985 (HC2)"
	}
	out.Parts = append(out.Parts, explainedPart{"standard error", d.SE, "the root of the diagonal of the coefficients' covariance; degrees of freedom: " + d.DFMethod, []explainedInput{{"degrees of freedom", d.DF}, {"t", d.Statistic}, {"p", d.P}}, se})
	// The critical value is what the interval was made with.
	critical := (d.Interval.High - d.Value) / d.SE
	out.Parts = append(out.Parts, explainedPart{"upper end of the difference's interval", d.Interval.High, "b + q·SE", []explainedInput{{"b", d.Value}, {"q, the quantile at " + strconv.FormatFloat((1+d.Interval.Level)/2, 'g', 10, 64), critical}, {"SE", d.SE}}, se})
	sd := explainedPart{What: "SD that the effect size divides by (" + string(e.Scale) + ")", Value: e.SD, Source: "analysis/effectsize/hedges.go (METHODS.md, Effect sizes)"}
	_, model, ofModel := strings.Cut(string(e.Scale), "-")
	switch {
	case e.Scale == analysis.ScalePooledSD || e.Scale == analysis.ScaleControlSD:
		sd.Formula = "√[((n₁−1)s₁² + (n₀−1)s₀²)/(n₁+n₀−2)] of raw scores"
		if e.Scale == analysis.ScaleControlSD {
			sd.Formula = "s₀, the SD of the control arm's raw scores (divisor n₀−1)"
		}
	case ofModel:
		sd.Formula = "√(sum of the variances of the " + model + " model)"
		if strings.HasPrefix(string(e.Scale), "within") {
			sd.Formula = "√(residual variance of the " + model + " model)"
		}
		for _, v := range r.Variances {
			if v.Model == model && (v.Level == "residual" || strings.HasPrefix(string(e.Scale), "total")) {
				sd.Inputs = append(sd.Inputs, explainedInput{"variance, " + v.Level, v.Value})
			}
		}
		sum := 0.0
		for _, in := range sd.Inputs {
			sum += in.Value
		}
		if math.Abs(math.Sqrt(sum)-e.SD) > 1e-9*e.SD {
			return nil, fmt.Errorf("the SD %v is not the root of the variances kept (%v): this should not be", e.SD, math.Sqrt(sum))
		}
	}
	out.Parts = append(out.Parts, sd,
		explainedPart{"effect size", e.Value, "b/SD", []explainedInput{{"b", d.Value}, {"SD", e.SD}}, "analysis/effectsize/hedges.go (METHODS.md, Effect sizes)"},
		explainedPart{"upper end of the effect size's interval", e.Interval.High, "(b + q·SE)/SD, the SD taken as known", []explainedInput{{"upper end of the difference's interval", d.Interval.High}, {"SD", e.SD}}, "analysis/effectsize/ci.go"})
	out.R, out.Stata, out.Notes = peerLines(r, c, names[0])
	return out, nil
}

// peerLines are the lines of R and Stata that give the same figures.
func peerLines(r sap.Results, c sap.Contrast, file string) (inR, inStata, notes []string) {
	notes = []string{}
	need := []string{`"outcome"`}
	var termsR, termsStata []string
	var numericStata []string
	for _, name := range r.Plan.Covariates {
		switch name {
		case "Stratum":
			if slices.ContainsFunc(r.Covariates, func(c sap.Coefficient) bool { return strings.HasPrefix(c.Term, "Stratum: ") }) {
				termsR, termsStata = append(termsR, "stratum"), append(termsStata, "i.stratum_")
			}
		default:
			column := "x:" + name
			need = append(need, strconv.Quote(column))
			termsR = append(termsR, "`"+column+"`")
			if slices.ContainsFunc(r.Covariates, func(c sap.Coefficient) bool { return c.Term == name }) {
				termsStata = append(termsStata, "x"+name)
				numericStata = append(numericStata, "x"+name)
			} else { // a factor
				termsStata = append(termsStata, "i.x"+name+"_")
			}
		}
	}
	arm := "arm" + c.Arm
	right := strings.Join(append([]string{"arm"}, termsR...), " + ")
	inR = []string{
		fmt.Sprintf(`d <- read.csv(%q, check.names = FALSE, na.strings = "", stringsAsFactors = TRUE)`, "data/"+strings.TrimPrefix(file, "data/")),
		fmt.Sprintf("d <- d[complete.cases(d[, c(%s)]), ]", strings.Join(need, ", ")),
		fmt.Sprintf(`d$arm <- relevel(d$arm, ref = %q)`, c.Against),
	}
	inStata = []string{
		fmt.Sprintf(`import delimited using %q, varnames(1) case(preserve) clear`, "data/"+strings.TrimPrefix(file, "data/")),
		"encode arm, generate(arm_)",
		"encode stratum, generate(stratum_)",
		"encode school, generate(school_)",
	}
	for _, term := range termsStata {
		if v, ok := strings.CutPrefix(term, "i.x"); ok {
			inStata = append(inStata, fmt.Sprintf("encode x%s, generate(x%s)", strings.TrimSuffix(v, "_"), v))
		}
	}
	keep := "outcome"
	if len(numericStata) > 0 {
		keep += ", " + strings.Join(numericStata, ", ")
	}
	inStata = append(inStata, fmt.Sprintf("drop if missing(%s)", keep))
	// encode numbers the arms in the order of their names.
	var arms []string
	for _, s := range r.Arms {
		arms = append(arms, s.Arm)
	}
	slices.Sort(arms)
	armStata := fmt.Sprintf("ib%d.arm_", slices.Index(arms, c.Against)+1)
	if len(r.Arms) > 2 {
		notes = append(notes, "With several arms the lines give all of them; look at the row of "+c.Arm+".")
	}
	stataTerms := strings.Join(append([]string{armStata}, termsStata...), " ")
	if r.Plan.Model == "linear" {
		inR = append(inR,
			"m <- lm(outcome ~ "+right+", data = d)",
			fmt.Sprintf(`lmtest::coeftest(m, vcov = sandwich::vcovHC(m, "HC2"))[%q, ]`, arm))
		inStata = append(inStata, "regress outcome "+stataTerms+", vce(hc2)")
	} else {
		ddf, dfmethod := "", ""
		switch r.Plan.DF {
		case "satterthwaite":
			ddf, dfmethod = ", ddf = \"Satterthwaite\"", " dfmethod(satterthwaite, oim)"
		case "kenward-roger":
			ddf, dfmethod = ", ddf = \"Kenward-Roger\"", " dfmethod(kroger)"
		case "satterthwaite-expected":
			ddf, dfmethod = ", ddf = \"Kenward-Roger\"", " dfmethod(satterthwaite, eim)"
			notes = append(notes, "R: with expected information no package gives Satterthwaite's degrees of freedom as such; for one contrast they equal Kenward and Roger's, whose standard error is another.")
		case "containment":
			notes = append(notes, "Degrees of freedom by containment are nlme::lme's in R, and Stata has none such; the estimate and its standard error are the same.")
		}
		inR = append(inR,
			fmt.Sprintf("m <- lmerTest::lmer(outcome ~ %s + (1 | school), data = d)", right),
			fmt.Sprintf("summary(m%s)$coefficients[%q, ]  # the difference, its SE, df, t and p", ddf, arm))
		inStata = append(inStata, "mixed outcome "+stataTerms+" || school_:, reml"+dfmethod)
		notes = append(notes, "lme4 and Stata find the variances by minimising a criterion that is flat near its minimum: expect 5 to 8 equal digits, more with tighter tolerances.")
	}
	_, model, _ := strings.Cut(string(c.EffectSize.Scale), "-")
	switch {
	case c.EffectSize.Scale == analysis.ScalePooledSD || c.EffectSize.Scale == analysis.ScaleControlSD:
		inR = append(inR, "s <- tapply(d$outcome, d$arm, sd); n <- tapply(d$outcome, d$arm, length)")
		sd := fmt.Sprintf("s[[%q]]", c.Against)
		if c.EffectSize.Scale == analysis.ScalePooledSD {
			sd = fmt.Sprintf("sqrt(sum(((n - 1) * s^2)[c(%q, %q)]) / (sum(n[c(%q, %q)]) - 2))", c.Arm, c.Against, c.Arm, c.Against)
		}
		inR = append(inR, fmt.Sprintf("coef(summary(m))[%q, 1] / %s  # the effect size", arm, sd))
	case r.Plan.Model == "linear":
		inR = append(inR, fmt.Sprintf("coef(m)[[%q]] / sigma(lm(outcome ~ %s, data = d))  # the effect size", arm, map[string]string{"unconditional": "arm", "empty": "1", "conditional": right}[model]))
		inStata = append(inStata, "quietly regress outcome "+map[string]string{"unconditional": armStata, "empty": "", "conditional": stataTerms}[model], "display e(rmse)  // the SD")
	default:
		fixed := map[string]string{"unconditional": "arm", "empty": "1", "conditional": right}[model]
		inR = append(inR, fmt.Sprintf("v <- as.data.frame(lme4::VarCorr(lme4::lmer(outcome ~ %s + (1 | school), data = d)))$vcov", fixed))
		sd := "sqrt(sum(v))"
		stata := "sqrt(exp(2*[lns1_1_1]_cons) + exp(2*[lnsig_e]_cons))"
		if strings.HasPrefix(string(c.EffectSize.Scale), "within") {
			sd, stata = "sqrt(v[length(v)])", "exp([lnsig_e]_cons)"
		}
		inR = append(inR, fmt.Sprintf("lme4::fixef(m)[[%q]] / %s  # the effect size", arm, sd))
		inStata = append(inStata, "quietly mixed outcome "+map[string]string{"unconditional": armStata, "empty": "", "conditional": stataTerms}[model]+" || school_:, reml", "display "+stata+"  // the SD")
	}
	return inR, inStata, notes
}

func (a *app) showExplained(out *explainedJSON) {
	full := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	a.say("%s: %s vs %s", out.Outcome, out.Arm, out.Against)
	a.say("%d of %d pupils, %d of %d schools; data: %s", out.Counts.PupilsUsed, out.Counts.PupilsRandomised, out.Counts.SchoolsUsed, out.Counts.SchoolsRandomised, strings.Join(out.Data, ", "))
	for _, p := range out.Parts {
		a.say("\n%s = %s", p.What, full(p.Value))
		a.say("  %s", p.Formula)
		for _, in := range p.Inputs {
			a.say("    %s = %s", in.Name, full(in.Value))
		}
		a.say("  source: %s", p.Source)
	}
	a.say("\nR, in the folder of the unpacked bundle:")
	for _, line := range out.R {
		a.say("  %s", line)
	}
	a.say("\nStata:")
	for _, line := range out.Stata {
		a.say("  %s", line)
	}
	for _, n := range out.Notes {
		a.say("\n%s", n)
	}
}
