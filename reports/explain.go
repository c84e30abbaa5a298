package reports

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"

	"evenhand/analysis"
	"evenhand/analysis/rows"
	"evenhand/analysis/sap"
)

// Explanation says how one estimate came about, so that others can get it again.
type Explanation struct {
	Outcome string          `json:"outcome"`
	Arm     string          `json:"arm"`
	Against string          `json:"against"`
	Data    []string        `json:"data"`   // files of the audit bundle that hold the rows
	Digest  string          `json:"digest"` // of all data of the run
	Parts   []ExplainedPart `json:"parts"`
	R       []string        `json:"r"`     // lines of R that give the same figures
	Stata   []string        `json:"stata"` // lines of Stata that do
	Notes   []string        `json:"notes"`
	Counts  analysis.Counts `json:"counts"`
}

// ExplainedPart is one number on the way, with the formula that gives it.
type ExplainedPart struct {
	What    string           `json:"what"`
	Value   float64          `json:"value"`
	Formula string           `json:"formula"`
	Inputs  []ExplainedInput `json:"inputs"`
	Source  string           `json:"source"`
}

// ExplainedInput is a number that goes into a formula.
type ExplainedInput struct {
	Name  string  `json:"name"`
	Value float64 `json:"value"`
}

// Explain takes an estimate apart: the planned effect size of a contrast.
func Explain(r sap.Results, contrast int) (*Explanation, error) {
	c := r.Contrasts[contrast]
	d, e := c.Difference, c.EffectSize
	names := rows.Names(r.Plan.Outcome)
	out := &Explanation{Outcome: r.Plan.Outcome, Arm: c.Arm, Against: c.Against, Data: names[:], Counts: d.Counts, Notes: []string{}}
	source := "analysis/mixed (METHODS.md, Mixed models); Patterson and Thompson, Biometrika 58, 1971"
	formula := "the arm's coefficient b = (X'V⁻¹X)⁻¹X'V⁻¹y, V = σ²I + τ²ZZ', σ² and τ² by REML"
	inputs := []ExplainedInput{{"REML criterion", r.Fit.Criterion}}
	for _, v := range r.Variances {
		if v.Model == "conditional" {
			inputs = append(inputs, ExplainedInput{"variance, " + v.Level, v.Value})
		}
	}
	if r.Plan.Model == "linear" {
		source, formula = "analysis/robust (METHODS.md, Linear models with robust variances)", "the arm's coefficient b = (X'X)⁻¹X'y, one row a school"
		inputs = inputs[1:]
	}
	if r.Plan.Model == sap.PartiallyNested {
		formula = "the arm's coefficient b = (X'V⁻¹X)⁻¹X'V⁻¹y, V = σ²I + τ²ZZ' + κ²CC', Z the schools, C the communities (0 in arms without), the variances by REML"
	}
	out.Parts = append(out.Parts, ExplainedPart{"adjusted difference", d.Value, formula, inputs, source})
	se := "analysis/mixed/inference.go"
	if r.Plan.Model == "linear" {
		se = "analysis/robust/variance.go; MacKinnon and White, Journal of Econometrics 29, 1985 (HC2)"
	}
	tests := []ExplainedInput{{"degrees of freedom", d.DF}, {"t", d.Statistic}, {"p", d.P}}
	if d.DF == 0 { // by the normal distribution
		tests = []ExplainedInput{{"z", d.Statistic}, {"p", d.P}}
	}
	out.Parts = append(out.Parts, ExplainedPart{"standard error", d.SE, "the root of the diagonal of the coefficients' covariance; degrees of freedom: " + d.DFMethod, tests, se})
	// The critical value is what the interval was made with.
	critical := (d.Interval.High - d.Value) / d.SE
	out.Parts = append(out.Parts, ExplainedPart{"upper end of the difference's interval", d.Interval.High, "b + q·SE", []ExplainedInput{{"b", d.Value}, {"q, the quantile at " + strconv.FormatFloat((1+d.Interval.Level)/2, 'g', 10, 64), critical}, {"SE", d.SE}}, se})
	sd := ExplainedPart{What: "SD that the effect size divides by (" + string(e.Scale) + ")", Value: e.SD, Source: "analysis/effectsize/hedges.go (METHODS.md, Effect sizes)", Inputs: []ExplainedInput{}}
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
			if v.Model == model && v.Level != "Community" && (v.Level == "residual" || strings.HasPrefix(string(e.Scale), "total")) {
				sd.Inputs = append(sd.Inputs, ExplainedInput{"variance, " + v.Level, v.Value})
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
		ExplainedPart{"effect size", e.Value, "b/SD", []ExplainedInput{{"b", d.Value}, {"SD", e.SD}}, "analysis/effectsize/hedges.go (METHODS.md, Effect sizes)"},
		ExplainedPart{"upper end of the effect size's interval", e.Interval.High, "(b + q·SE)/SD, the SD taken as known", []ExplainedInput{{"upper end of the difference's interval", d.Interval.High}, {"SD", e.SD}}, "analysis/effectsize/ci.go"})
	out.R, out.Stata, out.Notes = PeerLines(r, c, names[0])
	return out, nil
}

// PeerLines are the lines of R and Stata that give the same figures.
func PeerLines(r sap.Results, c sap.Contrast, file string) (inR, inStata, notes []string) {
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
	random, stataRandom := "(1 | school)", " || school_:"
	stataTerms := strings.Join(append([]string{armStata}, termsStata...), " ")
	if r.Plan.Model == "linear" {
		inR = append(inR,
			"m <- lm(outcome ~ "+right+", data = d)",
			fmt.Sprintf(`lmtest::coeftest(m, vcov = sandwich::vcovHC(m, "HC2"))[%q, ]`, arm))
		inStata = append(inStata, "regress outcome "+stataTerms+", vce(hc2)")
	} else {
		if r.Plan.Model == sap.PartiallyNested {
			random, stataRandom = "(0 + member | community) + (1 | school)", " || community_: member, noconstant || school_:"
			inR = append(inR, `d$member <- as.numeric(!is.na(d$community))  # 0 in the arms without communities, so that these have no part in their variance`,
				`d$community <- factor(ifelse(is.na(d$community), "none", as.character(d$community)))`)
			inStata = append(inStata, `generate byte member = community != ""`, "encode community, generate(community_)", "replace community_ = 0 if member == 0")
		}
		row := func(ddf string) string { return fmt.Sprintf("summary(m, ddf = %q)$coefficients[%q, ]", ddf, arm) }
		whole := "  # the difference, its SE, df, t and p"
		var inference []string
		dfmethod := ""
		df := r.Plan.DF
		if df == "satterthwaite" && r.Fit.Singular {
			df = "satterthwaite-expected" // as analysis/mixed does at the boundary
			notes = append(notes, "A variance is 0 here. lmerTest's Satterthwaite degrees of freedom come from a numerical Hessian, which fails there; these are from the expected information.")
		}
		switch df {
		case "satterthwaite":
			inference, dfmethod = []string{row("Satterthwaite") + whole}, " dfmethod(satterthwaite, oim)"
		case "kenward-roger":
			inference, dfmethod = []string{row("Kenward-Roger") + whole}, " dfmethod(kroger)"
		case "satterthwaite-expected":
			inference = []string{
				"s <- " + row("lme4"),
				"df <- " + row("Kenward-Roger") + `[["df"]]`,
				`c(s, df = df, p = 2 * pt(-abs(s[["t value"]]), df))` + "  # the difference, its SE, t, df and p",
			}
			dfmethod = " dfmethod(satterthwaite, eim)"
			notes = append(notes, "R: with expected information no package gives Satterthwaite's degrees of freedom as such; for one contrast they equal Kenward and Roger's, whose standard error is another.")
		case "containment":
			inference = []string{"s <- " + row("lme4"),
				fmt.Sprintf(`c(s, p = 2 * pt(-abs(s[["t value"]]), %v))`, c.Difference.DF) + "  # the difference, its SE, t and p"}
			notes = append(notes, "Degrees of freedom by containment are counted, as nlme::lme does in R, and stand in the line; Stata has none such: its p and interval there are those of a normal.")
		case "z":
			inference = []string{"s <- " + row("lme4"), `c(s, p = 2 * pnorm(-abs(s[["t value"]])))` + "  # the difference, its SE, z and p"}
		}
		inR = append(inR, fmt.Sprintf("m <- lmerTest::lmer(outcome ~ %s + %s, data = d)", right, random))
		inR = append(inR, inference...)
		inStata = append(inStata, "mixed outcome "+stataTerms+stataRandom+", reml"+dfmethod)
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
		components := fmt.Sprintf("as.data.frame(lme4::VarCorr(lme4::lmer(outcome ~ %s + %s, data = d)))", fixed, random)
		if r.Plan.Model == sap.PartiallyNested {
			components = "subset(" + components + `, grp != "community")`
		}
		inR = append(inR, "v <- "+components+"$vcov")
		sd := "sqrt(sum(v))"
		stata := "sqrt(exp(2*[lns1_1_1]_cons) + exp(2*[lnsig_e]_cons))"
		if r.Plan.Model == sap.PartiallyNested { // schools are its second level
			stata = "sqrt(exp(2*[lns2_1_1]_cons) + exp(2*[lnsig_e]_cons))"
		}
		if strings.HasPrefix(string(c.EffectSize.Scale), "within") {
			sd, stata = "sqrt(v[length(v)])", "exp([lnsig_e]_cons)"
		}
		inR = append(inR, fmt.Sprintf("lme4::fixef(m)[[%q]] / %s  # the effect size", arm, sd))
		inStata = append(inStata, "quietly mixed outcome "+map[string]string{"unconditional": armStata, "empty": "", "conditional": stataTerms}[model]+stataRandom+", reml", "display "+stata+"  // the SD")
	}
	return inR, inStata, notes
}
