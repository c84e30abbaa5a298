package reports

import (
	"fmt"
	"slices"
	"strconv"
	"strings"

	"evenhand/analysis"
	"evenhand/analysis/rows"
	"evenhand/analysis/sap"
)

// Target says what lines of R and Stata are to give: the planned difference and
// effect size of an arm, or the same in another way.
type Target struct {
	Arm, Against string
	Scale        analysis.Scale
	Variable     string  // of a subgroup
	Value        string  // "yes", "no" of it; "" for the interaction
	Plain        bool    // without communities, whatever the plan's model
	DF           float64 // degrees of freedom of the difference, where they are counted; 0 by the normal distribution
}

// PeerLines are the lines of R and Stata that give the same figures.
func PeerLines(r sap.Results, c Target, file string) (inR, inStata, notes []string) {
	notes = []string{}
	nested := r.Plan.Model == sap.PartiallyNested && !c.Plain
	need := []string{`"outcome"`}
	var termsR, termsStata []string
	var numericStata []string
	for _, name := range r.Plan.Covariates {
		switch name {
		case "Stratum":
			if slices.ContainsFunc(r.Covariates, func(c sap.Coefficient) bool { return strings.HasPrefix(c.Term, "Stratum: ") }) {
				termsR, termsStata = append(termsR, "stratum"), append(termsStata, "i.stratum_")
			}
		case c.Variable:
			if c.Value == "" {
				termsR, termsStata = append(termsR, "`x:"+name+"`"), append(termsStata, "x"+name)
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
	arm, column, of := "arm"+c.Arm, "`x:"+c.Variable+"`", "d"          // of: the rows that the SD is of
	without := strings.Join(append([]string{"arm"}, termsR...), " + ") // of the planned model
	interaction := c.Variable != "" && c.Value == ""
	if interaction && !slices.Contains(r.Plan.Covariates, c.Variable) {
		termsR, termsStata = append(termsR, column), append(termsStata, "x"+c.Variable)
	}
	right := strings.Join(append([]string{"arm"}, termsR...), " + ")
	inR = []string{
		fmt.Sprintf(`d <- read.csv(%q, check.names = FALSE, na.strings = "", stringsAsFactors = TRUE)`, "data/"+strings.TrimPrefix(file, "data/")),
		fmt.Sprintf("d <- d[complete.cases(d[, c(%s)]), ]", strings.Join(need, ", ")),
		fmt.Sprintf(`d$arm <- relevel(d$arm, ref = %q)`, c.Against),
	}
	keepR := `` // of rows, after the lines that make columns
	switch {
	case interaction:
		of, arm = "whole", arm+":"+column
		keepR = "whole <- d; d <- d[!is.na(d$" + column + "), ]"
		right += " + arm:" + column
	case c.Variable != "":
		keepR = fmt.Sprintf("d <- droplevels(d[d$%s %%in%% %d, ])", column, map[string]int{"no": 0, "yes": 1}[c.Value])
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
	if c.Variable != "" && c.Value != "" {
		inStata = append(inStata, fmt.Sprintf("keep if x%s == %d", c.Variable, map[string]int{"no": 0, "yes": 1}[c.Value]))
	}
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
	if interaction {
		stataTerms += " " + armStata + "#c.x" + c.Variable
	}
	ready := func() { // all columns are there
		if keepR != "" {
			inR = append(inR, keepR)
		}
	}
	if r.Plan.Model == "linear" {
		ready()
		inR = append(inR,
			"m <- lm(outcome ~ "+right+", data = d)",
			fmt.Sprintf(`lmtest::coeftest(m, vcov = sandwich::vcovHC(m, "HC2"))[%q, ]`, arm))
		inStata = append(inStata, "regress outcome "+stataTerms+", vce(hc2)")
	} else {
		if nested {
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
		if df == "satterthwaite" && r.Fit.Singular && c.Variable == "" && !c.Plain {
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
				fmt.Sprintf(`c(s, p = 2 * pt(-abs(s[["t value"]]), %v))`, c.DF) + "  # the difference, its SE, t and p"}
			notes = append(notes, "Degrees of freedom by containment are counted, as nlme::lme does in R, and stand in the line; Stata has none such: its p and interval there are those of a normal.")
		case "z":
			inference = []string{"s <- " + row("lme4"), `c(s, p = 2 * pnorm(-abs(s[["t value"]])))` + "  # the difference, its SE, z and p"}
		}
		ready()
		inR = append(inR, fmt.Sprintf("m <- lmerTest::lmer(outcome ~ %s + %s, data = d)", right, random))
		inR = append(inR, inference...)
		inStata = append(inStata, "mixed outcome "+stataTerms+stataRandom+", reml"+dfmethod)
		notes = append(notes, "lme4 and Stata find the variances by minimising a criterion that is flat near its minimum: expect 5 to 8 equal digits, more with tighter tolerances.")
	}
	_, model, _ := strings.Cut(string(c.Scale), "-")
	switch {
	case c.Scale == analysis.ScalePooledSD || c.Scale == analysis.ScaleControlSD:
		inR = append(inR, fmt.Sprintf("s <- tapply(%[1]s$outcome, %[1]s$arm, sd); n <- tapply(%[1]s$outcome, %[1]s$arm, length)", of))
		sd := fmt.Sprintf("s[[%q]]", control(r))
		if c.Scale == analysis.ScalePooledSD {
			sd = fmt.Sprintf("sqrt(sum(((n - 1) * s^2)[c(%q, %q)]) / (sum(n[c(%q, %q)]) - 2))", c.Arm, c.Against, c.Arm, c.Against)
		}
		inR = append(inR, fmt.Sprintf("coef(summary(m))[%q, 1] / %s  # the effect size", arm, sd))
	case r.Plan.Model == "linear":
		inR = append(inR, fmt.Sprintf("coef(m)[[%q]] / sigma(lm(outcome ~ %s, data = d))  # the effect size", arm, map[string]string{"unconditional": "arm", "empty": "1", "conditional": right}[model]))
		inStata = append(inStata, "quietly regress outcome "+map[string]string{"unconditional": armStata, "empty": "", "conditional": stataTerms}[model], "display e(rmse)  // the SD")
	default:
		fixed := map[string]string{"unconditional": "arm", "empty": "1", "conditional": right}[model]
		if interaction && model == "conditional" {
			fixed = without
		}
		components := fmt.Sprintf("as.data.frame(lme4::VarCorr(lme4::lmer(outcome ~ %s + %s, data = %s)))", fixed, random, of)
		if nested {
			components = "subset(" + components + `, grp != "community")`
		}
		inR = append(inR, "v <- "+components+"$vcov")
		sd := "sqrt(sum(v))"
		stata := "sqrt(exp(2*[lns1_1_1]_cons) + exp(2*[lnsig_e]_cons))"
		if nested { // schools are its second level
			stata = "sqrt(exp(2*[lns2_1_1]_cons) + exp(2*[lnsig_e]_cons))"
		}
		if strings.HasPrefix(string(c.Scale), "within") {
			sd, stata = "sqrt(v[length(v)])", "exp([lnsig_e]_cons)"
		}
		inR = append(inR, fmt.Sprintf("lme4::fixef(m)[[%q]] / %s  # the effect size", arm, sd))
		if interaction {
			notes = append(notes, "Stata: the SD is that of the planned estimate, whose lines give it.")
			return inR, inStata, notes
		}
		inStata = append(inStata, "quietly mixed outcome "+map[string]string{"unconditional": armStata, "empty": "", "conditional": stataTerms}[model]+stataRandom+", reml", "display "+stata+"  // the SD")
	}
	return inR, inStata, notes
}

// control is the control arm's name.
func control(r sap.Results) string {
	for _, a := range r.Arms {
		if a.Control {
			return a.Arm
		}
	}
	return ""
}

// columns are the planned covariates as R names them, and those that rows must
// have.
func columns(r sap.Results) (terms, need []string) {
	need = []string{`"outcome"`}
	for _, name := range r.Plan.Covariates {
		if name == "Stratum" {
			if slices.ContainsFunc(r.Covariates, func(c sap.Coefficient) bool { return strings.HasPrefix(c.Term, "Stratum: ") }) {
				terms = append(terms, "stratum")
			}
			continue
		}
		terms, need = append(terms, "`x:"+name+"`"), append(need, strconv.Quote("x:"+name))
	}
	return terms, need
}

// rowsOf reads the people of an outcome. Rows without a value that the plan
// needs stay.
func rowsOf(r sap.Results) []string {
	return []string{
		fmt.Sprintf(`d <- read.csv(%q, check.names = FALSE, na.strings = "", stringsAsFactors = TRUE)`, rows.Names(r.Plan.Outcome)[0]),
		fmt.Sprintf(`d$arm <- relevel(d$arm, ref = %q)`, control(r)),
	}
}

// judgedR are the lines that judge a coefficient of the linear model m as the
// plan does: by schools where they were drawn as wholes (CR2), or, where schools
// are the rows, by HC2.
func judgedR(r sap.Results, name string) []string {
	if r.Plan.Model != sap.LinearModel {
		return []string{
			`e <- as.data.frame(clubSandwich::coef_test(m, vcov = "CR2", cluster = as.character(d$school), test = "Satterthwaite"))`,
			fmt.Sprintf(`e[if ("Coef" %%in%% names(e)) e$Coef == %q else %q, ]  # the difference, its SE, t, df and p`, name, name),
		}
	}
	return []string{
		`X <- if (inherits(m, "ivreg")) model.matrix(m, component = "projected") else model.matrix(m)`,
		`w <- if (is.null(m$weights)) rep(1, nrow(X)) else m$weights`,
		`bread <- solve(crossprod(X * sqrt(w))); h <- w * rowSums((X %*% bread) * X); u <- w * residuals(m, type = "response")`,
		fmt.Sprintf(`c(coef(m)[[%q]], sqrt(diag(bread %%*%% crossprod(X * (u / sqrt(1 - h))) %%*%% bread))[[%q]], m$df.residual)  # the difference, its SE and df`, name, name),
	}
}

// receivedLines are two-stage least squares of what was received.
func receivedLines(r sap.Results, t Target, received string, sd float64) (inR, inStata, notes []string) {
	terms, need := columns(r)
	files := rows.Names(r.Plan.Outcome)
	right := strings.Join(append([]string{"1"}, terms...), " + ")
	inR = append(rowsOf(r),
		fmt.Sprintf("d <- droplevels(d[complete.cases(d[, c(%s), drop = FALSE]), ])", strings.Join(need, ", ")),
		fmt.Sprintf(`s <- read.csv(%q, check.names = FALSE)`, files[1]),
		fmt.Sprintf(`sessions <- s[[%q]][match(as.character(d$school), as.character(s$school))]`, "x:"+sap.SessionsColumn),
		"d$got <- "+received,
		fmt.Sprintf(`d$z <- as.numeric(d$arm == %q)`, t.Arm),
		"m <- AER::ivreg(outcome ~ got + "+right+" | z + "+right+", data = d)")
	inR = append(inR, judgedR(r, "got")...)
	inR = append(inR, fmt.Sprintf(`coef(m)[["got"]] / %s  # the effect size: the SD is that of the planned estimate, whose lines give it`, rows.Decimal(sd)))
	_, stata, _ := PeerLines(r, Target{Arm: t.Arm, Against: t.Against, Scale: t.Scale}, files[0])
	var regressors string
	for _, line := range stata {
		if rest, ok := strings.CutPrefix(line, "mixed outcome "); ok {
			regressors, _, _ = strings.Cut(rest, " ||")
			break
		}
		if rest, ok := strings.CutPrefix(line, "regress outcome "); ok {
			regressors, _, _ = strings.Cut(rest, ",")
			break
		}
		inStata = append(inStata, line)
	}
	arm, covariates, _ := strings.Cut(strings.TrimSpace(regressors), " ")
	inStata = append(inStata, "preserve",
		fmt.Sprintf(`import delimited using %q, varnames(1) clear`, files[1]), "rename xsessionsattended sessions", "keep school sessions", "tempfile attended", "save `attended'", "restore",
		"merge m:1 school using `attended', keep(match) nogenerate",
		"generate got = "+strings.TrimSuffix(strings.TrimPrefix(received, "as.numeric("), ")"),
		strings.TrimRight(fmt.Sprintf("ivregress 2sls outcome %s (got = %s), vce(cluster school_)", covariates, arm), " "))
	notes = []string{"Stata: the estimate is the same; ivregress has no CR2 (HC2 for clusters), so that its standard error is CR1 and its statistic a z."}
	return inR, inStata, notes
}

// doseLines compare schools by the sessions attended.
func doseLines(r sap.Results, t Target) (inR, inStata, notes []string) {
	terms, need := columns(r)
	files := rows.Names(r.Plan.Outcome)
	inR = append(rowsOf(r),
		fmt.Sprintf("d <- droplevels(d[complete.cases(d[, c(%s), drop = FALSE]) & d$arm == %q, ])", strings.Join(need, ", "), t.Arm),
		fmt.Sprintf(`s <- read.csv(%q, check.names = FALSE)`, files[1]),
		fmt.Sprintf(`d$dose <- s[[%q]][match(as.character(d$school), as.character(s$school))]`, "x:"+sap.SessionsColumn),
		"m <- lm(outcome ~ "+strings.Join(append(slices.Clone(terms), "dose"), " + ")+", data = d)")
	inR = append(inR, judgedR(r, "dose")...)
	return inR, nil, []string{"Stata: the lines of the effect of each session, with regress outcome … sessions if the arm is " + t.Arm + ", vce(hc2 school_) in place of ivregress (Stata 18 or later)."}
}

// weightedLines are least squares weighted by the inverse probability of being
// analysed.
func weightedLines(r sap.Results, t Target) (inR, inStata, notes []string) {
	terms, need := columns(r)
	seen := []string{"arm"}
	for _, term := range terms {
		name := strings.TrimSuffix(strings.TrimPrefix(term, "`x:"), "`")
		left := term == "stratum" && slices.Contains(r.Missing.Weighted.LeftOut, "Stratum")
		gaps := slices.ContainsFunc(r.Missing.Variables, func(v sap.MissingShare) bool { return v.Name == name && v.Missing > 0 })
		if !left && !gaps {
			seen = append(seen, term)
		}
	}
	inR = append(rowsOf(r),
		fmt.Sprintf("d$seen <- complete.cases(d[, c(%s), drop = FALSE])", strings.Join(need, ", ")),
		"g <- glm(seen ~ "+strings.Join(seen, " + ")+", family = binomial, data = d, control = glm.control(epsilon = 1e-12))",
		"d$w <- ave(as.numeric(d$seen), d$arm) / fitted(g)",
		"d <- droplevels(d[d$seen, ])",
		"m <- lm(outcome ~ "+strings.Join(append([]string{"arm"}, terms...), " + ")+", data = d, weights = w)")
	inR = append(inR, judgedR(r, "arm"+t.Arm)...)
	return inR, nil, []string{"Stata: logit on the same columns, predict, and regress with [pweight=w] and vce(cluster school_) give the same estimate; regress takes no weights with vce(hc2 school_), so that the standard error is CR1."}
}

// imputedLines pool the planned model over the imputed values in the bundle.
// shift is added to the arm's imputed scores: one number, or one an imputation.
func imputedLines(r sap.Results, t Target, complete float64, withSize bool, shift []float64) (inR, notes []string) {
	terms, need := columns(r)
	right := strings.Join(append([]string{"arm"}, terms...), " + ")
	random := "(1 | school)"
	term := "arm" + t.Arm
	inR = append(rowsOf(r),
		fmt.Sprintf(`imputed <- read.csv(%q, check.names = FALSE, colClasses = c(value = "character"))`, rows.ImputedName(r.Plan.Outcome)))
	if r.Plan.Model == sap.PartiallyNested {
		random = "(0 + member | community) + (1 | school)"
		inR = append(inR, "d$member <- as.numeric(!is.na(d$community))", `d$community <- factor(ifelse(is.na(d$community), "none", as.character(d$community)))`)
	}
	if shift != nil {
		var all []string
		for _, s := range shift {
			all = append(all, rows.Decimal(s))
		}
		if len(all) == 1 {
			inR = append(inR, "shift <- rep("+all[0]+", max(imputed$imputation))")
		} else {
			inR = append(inR, "shift <- c("+strings.Join(all, ", ")+")")
		}
		inR = append(inR, fmt.Sprintf("moved <- is.na(d$outcome) & d$arm == %q", t.Arm))
	}
	inR = append(inR, "each <- sapply(split(imputed, imputed$imputation), function(s) {",
		"  for (column in unique(s$column)) {",
		"    rows <- s[s$column == column, ]; to <- match(rows$pupil, d$pupil)",
		"    d[[column]][to] <- if (is.numeric(d[[column]])) as.numeric(rows$value) else rows$value",
		"  }")
	if shift != nil {
		inR = append(inR, "  d$outcome[moved] <- d$outcome[moved] + shift[s$imputation[1]]")
	}
	se := fmt.Sprintf("sqrt(diag(as.matrix(vcov(m))))[[%q]]", term)
	if r.Plan.DF == "kenward-roger" {
		se = fmt.Sprintf(`sqrt(diag(as.matrix(pbkrtest::vcovAdj(m))))[[which(names(lme4::fixef(m)) == %q)]]`, term)
	}
	inR = append(inR,
		fmt.Sprintf("  d <- d[complete.cases(d[, c(%s), drop = FALSE]), ]", strings.Join(need, ", ")),
		fmt.Sprintf("  m <- lme4::lmer(outcome ~ %s + %s, data = d)", right, random))
	sd := "NA"
	if withSize {
		_, model, _ := strings.Cut(string(t.Scale), "-")
		switch t.Scale {
		case analysis.ScalePooledSD, analysis.ScaleControlSD:
			inR = append(inR, "  s <- tapply(d$outcome, d$arm, sd); n <- tapply(d$outcome, d$arm, length)")
			sd = fmt.Sprintf("s[[%q]]", t.Against)
			if t.Scale == analysis.ScalePooledSD {
				sd = fmt.Sprintf("sqrt(sum(((n - 1) * s^2)[c(%[1]s)]) / (sum(n[c(%[1]s)]) - 2))", strconv.Quote(t.Arm)+", "+strconv.Quote(t.Against))
			}
		default:
			components := "as.data.frame(lme4::VarCorr(m))"
			if fixed, other := map[string]string{"unconditional": "arm", "empty": "1"}[model]; other {
				components = fmt.Sprintf("as.data.frame(lme4::VarCorr(lme4::lmer(outcome ~ %s + %s, data = d)))", fixed, random)
			}
			if r.Plan.Model == sap.PartiallyNested {
				components = "subset(" + components + `, grp != "community")`
			}
			inR = append(inR, "  v <- "+components+"$vcov")
			sd = "sqrt(sum(v))"
			if strings.HasPrefix(string(t.Scale), "within") {
				sd = "v[length(v)]^0.5"
			}
		}
	}
	inR = append(inR,
		fmt.Sprintf("  c(b = lme4::fixef(m)[[%q]], se = %s, sd = %s)", term, se, sd),
		"})",
		"pool <- function(q, se, nu) {",
		"  m <- length(q); W <- mean(se^2); B <- (1 + 1 / m) * var(q); lambda <- B / (W + B)",
		"  df <- 1 / (lambda^2 / (m - 1) + 1 / ((nu + 1) / (nu + 3) * nu * (1 - lambda)))",
		"  c(mean(q), sqrt(W + B), df, 2 * pt(-abs(mean(q) / sqrt(W + B)), df))",
		"}",
		fmt.Sprintf(`pool(each["b", ], each["se", ], %s)  # the difference, its SE, df and p`, rows.Decimal(complete)))
	if withSize {
		inR = append(inR, fmt.Sprintf(`pool(each["b", ] / each["sd", ], each["se", ] / each["sd", ], %s)  # the effect size, its SE, df and p`, rows.Decimal(complete)))
	}
	return inR, []string{}
}
