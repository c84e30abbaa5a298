package reports

import (
	"fmt"
	"slices"
	"strconv"

	"evenhand/analysis"
	"evenhand/analysis/missing"
	"evenhand/analysis/rows"
	"evenhand/analysis/sap"
)

// Planned is the name of the planned estimate: each arm against the control arm.
const Planned = "planned"

// Explainable is one estimate of an outcome that can be explained.
type Explainable struct {
	Name    string `json:"estimate"`
	Arm     string `json:"arm"`
	Against string `json:"against"`

	explain func() (*Explanation, error)
}

// Explain takes the estimate apart.
func (e Explainable) Explain() (*Explanation, error) {
	out, err := e.explain()
	if err != nil {
		return nil, err
	}
	out.Estimate, out.Arm, out.Against = e.Name, e.Arm, e.Against
	if out.R == nil {
		out.R = []string{}
	}
	if out.Stata == nil {
		out.Stata = []string{}
	}
	for i := range out.Parts {
		if out.Parts[i].Inputs == nil {
			out.Parts[i].Inputs = []ExplainedInput{}
		}
	}
	return out, nil
}

// Explainables are all estimates of an outcome, the planned ones first.
func Explainables(r sap.Results) []Explainable {
	var all []Explainable
	add := func(name, arm, against string, explain func() (*Explanation, error)) {
		all = append(all, Explainable{name, arm, against, explain})
	}
	for k, c := range r.Contrasts {
		add(Planned, c.Arm, c.Against, func() (*Explanation, error) { return Explain(r, k) })
	}
	same := func(name string, difference, size analysis.Estimate, arm, against, formula string, t Target) {
		t.Arm, t.Against, t.Scale, t.DF = arm, against, r.Plan.EffectSize, difference.DF
		add(name, arm, against, func() (*Explanation, error) {
			out := explained(r, difference)
			out.Parts = append(estimateParts("adjusted difference", difference, formula, modelSource(r)), sizeParts(difference, size)...)
			out.R, out.Stata, out.Notes = PeerLines(r, t, out.Data[0])
			return out, nil
		})
	}
	for _, c := range r.Pairs {
		same(c.Arm+" vs "+c.Against, c.Difference, c.EffectSize, c.Arm, c.Against, "c'b, the contrast of the two arms' coefficients in the planned model; the lines make "+c.Against+" the reference, which is the same model", Target{})
	}
	for _, c := range r.PlainClusters {
		same("without communities", c.Difference, c.EffectSize, c.Arm, c.Against, "the arm's coefficient in the planned model without the communities' variance", Target{Plain: true})
	}
	for _, g := range r.Subgroups {
		for _, e := range g.Interactions {
			same(g.Variable+": yes less no", e.Difference, e.EffectSize, e.Arm, e.Against, "the coefficient of arm × "+g.Variable+" in the planned model with "+g.Variable+" and its product with the arms", Target{Variable: g.Variable})
		}
		for _, e := range g.Within {
			same(g.Variable+": "+e.Value, e.Difference, e.EffectSize, e.Arm, e.Against, "the arm's coefficient in the planned model, fitted to those with "+g.Variable+" = "+e.Value+" alone, its SD from them too", Target{Variable: g.Variable, Value: e.Value})
		}
	}
	if r.Compliance != nil {
		complianceEstimates(r, add)
	}
	if r.Missing != nil {
		missingEstimates(r, add)
	}
	if t := r.Randomisation; t != nil {
		for _, p := range t.Tests {
			add("randomisation test, "+string(p.Statistic), p.Arm, p.Against, func() (*Explanation, error) {
				out := explained(r, analysis.Estimate{Counts: r.Counts})
				out.Role = t.Role
				of := fmt.Sprintf("(1 + b)/(1 + B), b of the B = %d redraws at least as extreme as the draw itself", t.Redraws)
				if t.Enumerated {
					of = "b/B, b of all B allocations at least as extreme as the draw itself"
				}
				source := "analysis/sap/redraws.go (METHODS.md, Randomisation inference)"
				out.Parts = []ExplainedPart{
					{"statistic as drawn", p.Observed, "the " + string(p.Statistic) + " of the planned model of schools", nil, "analysis/mixed/refit.go"},
					{"two-sided p", p.P, of, []ExplainedInput{{"B", float64(t.Redraws)}, {"redraws without an estimate, counted as extreme", float64(t.Failed)}, {"mean over the redraws", p.Mean}, {"SD over the redraws", p.SD}}, source},
					{"p, at least the observed value", p.Upper, "the same, one-sided", nil, source},
					{"p, at most the observed value", p.Lower, "the same, one-sided", nil, source},
				}
				out.R = []string{`# The redraws and their refits are more than a few lines: the bundle's own script draws them again and counts.`, "system(\"Rscript scripts/analysis.R\")"}
				out.Notes = []string{"Stata: no lines. Its permute command draws with its own generator and not by the trial's design, so that it cannot make the same allocations; rule/redraw.py and rule/redraw.R of the bundle make them."}
				return out, nil
			})
		}
	}
	if p := r.Posterior; p != nil {
		for _, a := range p.Arms {
			add("posterior", a.Arm, a.Against, func() (*Explanation, error) {
				out := explained(r, analysis.Estimate{Counts: r.Counts})
				out.Role = p.Role
				inputs := []ExplainedInput{{"SD that the difference is divided by", a.SD}, {"chains", float64(p.Chains)}, {"draws of each", float64(p.Draws)}, {"R-hat", a.RHat}, {"effective draws, bulk", a.Bulk}, {"effective draws, tail", a.Tail}}
				source := "analysis/bayes (METHODS.md, Bayes)"
				out.Parts = []ExplainedPart{
					{"effect size, posterior mean", a.Mean, "the mean over all draws of the arm's coefficient, over the SD; " + p.Model, inputs, source},
					{"posterior SD", a.Spread, "the SD over the draws", nil, source},
					{"lower end of the interval", a.Interval.Low, "the quantile at " + level((1-a.Interval.Level)/2) + " of the draws", nil, source},
					{"upper end of the interval", a.Interval.High, "the quantile at " + level((1+a.Interval.Level)/2) + " of the draws", nil, source},
				}
				out.Notes = []string{fmt.Sprintf("R and Stata: no lines give these digits, since the draws are this program's own (seed %d of its generator): run here again, they come out the same. Other samplers (brms or rstanarm in R, bayes: mixed in Stata) with the priors named agree up to Monte Carlo error, about the posterior SD over the root of the effective draws.", p.Seed)}
				return out, nil
			})
		}
	}
	return all
}

func level(v float64) string { return strconv.FormatFloat(v, 'g', 10, 64) }

// explained begins an explanation of an outcome's estimate.
func explained(r sap.Results, e analysis.Estimate) *Explanation {
	names := rows.Names(r.Plan.Outcome)
	return &Explanation{Outcome: r.Plan.Outcome, Role: e.Estimand.Role, Data: names[:], Counts: e.Counts, Notes: []string{}}
}

// modelSource is where the planned model's estimates are worked out.
func modelSource(r sap.Results) string {
	if r.Plan.Model == sap.LinearModel {
		return "analysis/robust (METHODS.md, Linear models with robust variances)"
	}
	return "analysis/mixed (METHODS.md, Mixed models)"
}

// estimateParts are a difference, its standard error and its interval.
func estimateParts(what string, d analysis.Estimate, formula, source string) []ExplainedPart {
	inputs := []ExplainedInput{{"degrees of freedom", d.DF}, {"t", d.Statistic}, {"p", d.P}}
	if d.DF == 0 {
		inputs = []ExplainedInput{{"z", d.Statistic}, {"p", d.P}}
	}
	critical := (d.Interval.High - d.Value) / d.SE // what the interval was made with
	ends := []ExplainedInput{{"b", d.Value}, {"q, the quantile at " + level((1+d.Interval.Level)/2), critical}, {"SE", d.SE}}
	return []ExplainedPart{
		{what, d.Value, formula + "; " + d.Method, nil, source},
		{"standard error", d.SE, "the root of the diagonal of the coefficients' covariance; degrees of freedom: " + d.DFMethod, inputs, source},
		{"lower end of the difference's interval", d.Interval.Low, "b − q·SE", ends, source},
		{"upper end of the difference's interval", d.Interval.High, "b + q·SE", ends, source},
	}
}

// sizeParts are the effect size of a difference, the SD taken as known.
func sizeParts(d, e analysis.Estimate) []ExplainedPart {
	const source = "analysis/effectsize/hedges.go (METHODS.md, Effect sizes)"
	return []ExplainedPart{
		{"effect size", e.Value, "b/SD, the SD by " + string(e.Scale), []ExplainedInput{{"b", d.Value}, {"SD", e.SD}}, source},
		{"lower end of the effect size's interval", e.Interval.Low, "(b − q·SE)/SD, the SD taken as known", []ExplainedInput{{"lower end of the difference's interval", d.Interval.Low}, {"SD", e.SD}}, source},
		{"upper end of the effect size's interval", e.Interval.High, "(b + q·SE)/SD, the SD taken as known", []ExplainedInput{{"upper end of the difference's interval", d.Interval.High}, {"SD", e.SD}}, source},
	}
}

// pooledParts are a pooled estimate by Rubin's rules.
func pooledParts(what, each string, p missing.Pooled) []ExplainedPart {
	const source = "analysis/missing/pool.go (METHODS.md, Missing scores); Rubin, Multiple Imputation for Nonresponse in Surveys, 1987; Barnard and Rubin, Biometrika 86, 1999"
	m := ExplainedInput{"m, imputations", float64(p.Imputations)}
	q := (p.Interval.High - p.Estimate) / p.SE
	ends := []ExplainedInput{{"estimate", p.Estimate}, {"q, the quantile at " + level((1+p.Interval.Level)/2), q}, {"SE", p.SE}}
	return []ExplainedPart{
		{what, p.Estimate, "the mean over the imputations of " + each, []ExplainedInput{m}, source},
		{"standard error of the " + what, p.SE, "√(W + (1 + 1/m)·B), W the mean of the squared standard errors, B the variance of the estimates", []ExplainedInput{{"W", p.Within}, {"B", p.Between}, m}, source},
		{"degrees of freedom of the " + what, p.DF, "1/(1/ν₁ + 1/ν₂), ν₁ = (m − 1)/λ², ν₂ = (ν + 1)/(ν + 3)·ν·(1 − λ), λ = (1 + 1/m)·B/(W + (1 + 1/m)·B); ν: schools less arms and further strata; 0 stands for infinitely many", []ExplainedInput{{"λ", p.Lambda}, {"ν", p.DFComplete}, {"ν₁", p.DFOld}, {"ν₂", p.DFObserved}, {"t", p.Statistic}, {"p", p.P}}, source},
		{"lower end of the interval of the " + what, p.Interval.Low, "estimate − q·SE", ends, source},
		{"upper end of the interval of the " + what, p.Interval.High, "estimate + q·SE", ends, source},
	}
}

type adder = func(name, arm, against string, explain func() (*Explanation, error))

// missingEstimates are those that missing scores are judged by.
func missingEstimates(r sap.Results, add adder) {
	m := r.Missing
	pooled := func(name, arm, against, each string, difference missing.Pooled, size *missing.Pooled, shift []float64) {
		add(name, arm, against, func() (*Explanation, error) {
			out := explained(r, analysis.Estimate{Counts: r.Counts})
			out.Role = m.Role
			out.Data = append(out.Data, rows.ImputedName(r.Plan.Outcome))
			out.Parts = pooledParts("difference", each, difference)
			if size != nil {
				out.Parts = append(out.Parts, pooledParts("effect size", "each imputation's difference over its own SD by "+string(r.Plan.EffectSize), *size)...)
			}
			if len(shift) == 1 {
				out.Parts = append(out.Parts, ExplainedPart{"shift of the arm's imputed scores", shift[0], "in outcome units", nil, "analysis/missing/pool.go"})
			} else if len(shift) > 1 {
				for i, s := range shift {
					out.Parts = append(out.Parts, ExplainedPart{fmt.Sprintf("shift of the arm's imputed scores, imputation %d", i+1), s, "the effect of the arm that the imputation's parameters hold, taken away", nil, "analysis/missing/reference.go"})
				}
			}
			out.R, out.Notes = imputedLines(r, Target{Arm: arm, Against: against, Scale: r.Plan.EffectSize}, difference.DFComplete, size != nil, shift)
			out.Notes = append(out.Notes,
				"The imputed values are this program's draws and stand in the bundle: no package draws the same ones again. What is made of them is done again by the lines.",
				"Stata: no lines give these degrees of freedom and intervals, since mi estimate takes infinitely many for complete data after mixed. Put the values in place of the missing ones and run the lines of the planned estimate on each set for the estimates and standard errors that are pooled.")
			return out, nil
		})
	}
	if i := m.Imputation; i != nil {
		for _, c := range i.Contrasts {
			pooled("imputed", c.Arm, c.Against, "the planned model's difference", c.Difference, &c.EffectSize, nil)
		}
	}
	for _, x := range m.Reference {
		pooled(string(x.Assumption), x.Arm, control(r), "the planned model's difference, the arm's imputed scores moved as if those lost had gone on as the control arm", x.Difference, nil, x.Shifts)
	}
	for _, x := range m.Delta {
		at := slices.IndexFunc(r.Contrasts, func(c sap.Contrast) bool { return c.Arm == x.Arm })
		sd := r.Contrasts[at].EffectSize.SD
		for _, p := range x.Points {
			pooled("shifted by "+strconv.FormatFloat(p.Delta/sd, 'g', -1, 32)+" SD", x.Arm, control(r), "the planned model's difference, the arm's imputed scores shifted", p.Pooled, nil, []float64{p.Delta})
		}
		for k, t := range x.Tipping {
			if t.Found {
				pooled("tipping point "+[]string{"downwards", "upwards"}[k], x.Arm, control(r), "the planned model's difference, the arm's imputed scores shifted until the conclusion turns", t.At, nil, []float64{t.Delta})
			}
		}
	}
	for _, x := range m.Bounds {
		add("bounds", x.Arm, x.Against, func() (*Explanation, error) {
			out := explained(r, analysis.Estimate{Counts: r.Counts})
			out.Role = m.Role
			data := fmt.Sprintf(`d <- read.csv("data/%s.csv", check.names = FALSE, na.strings = "")`, r.Plan.Outcome)
			out.R = []string{data, fmt.Sprintf(`y1 <- d$outcome[d$arm == %q]; y0 <- d$outcome[d$arm == %q]; p <- c(mean(!is.na(y1)), mean(!is.na(y0)))`, x.Arm, x.Against)}
			if l := x.Lee; l != nil {
				const source = "analysis/missing/lee.go (METHODS.md, Missing scores); Lee, Review of Economic Studies 76, 2009"
				of := []ExplainedInput{{"share observed, " + x.Arm, l.ShareT}, {"share observed, " + x.Against, l.ShareC}, {"q", l.Share}}
				out.Parts = append(out.Parts,
					ExplainedPart{"lower Lee bound", l.Low, "difference of raw means after the share q of the highest scores of the arm with fewer losses is cut off (of the lowest, where that is " + x.Against + ")", of, source},
					ExplainedPart{"upper Lee bound", l.High, "the same with the other end cut off", of, source},
					ExplainedPart{"standard error of the lower bound", l.SELow, "the SD over resamplings of schools", []ExplainedInput{{"resamplings", float64(l.Replicates)}}, source},
					ExplainedPart{"standard error of the upper bound", l.SEHigh, "the SD over resamplings of schools", []ExplainedInput{{"resamplings", float64(l.Replicates)}}, source})
				out.R = append(out.R,
					"trim <- function(v, q) { v <- sort(v); k <- floor(q * length(v) + 1e-9); w <- 1 - max(0, q * length(v) - k); v <- v[seq_along(v) > k]; sum(v[1] * w, v[-1]) / (w + length(v) - 1) }",
					"y <- y1[!is.na(y1)]; z <- y0[!is.na(y0)]; q <- 1 - min(p) / max(p)",
					"if (p[1] >= p[2]) c(-trim(-y, q), trim(y, q)) - mean(z) else mean(y) - c(trim(z, q), -trim(-z, q))  # the Lee bounds")
				out.Notes = append(out.Notes, "No lines give the bounds' standard errors: schools are resampled by this program's generator.", "Stata: the user-written leebounds gives the bounds, though it cuts whole scores where these lines weigh the one at the edge.")
			}
			if b := x.Range; b != nil {
				const source = "analysis/missing/reference.go; Horowitz and Manski, Journal of the American Statistical Association 95, 2000"
				of := []ExplainedInput{{"lowest score possible", r.Plan.Missing.Lowest}, {"highest score possible", r.Plan.Missing.Highest}}
				out.Parts = append(out.Parts,
					ExplainedPart{"lowest difference whatever the missing scores", b.Low, "raw means, every missing score of " + x.Arm + " the lowest possible, of " + x.Against + " the highest", of, source},
					ExplainedPart{"highest difference whatever the missing scores", b.High, "the other way round", of, source})
				fill := func(one, other float64) string {
					return fmt.Sprintf("mean(ifelse(is.na(y1), %s, y1)) - mean(ifelse(is.na(y0), %s, y0))", rows.Decimal(one), rows.Decimal(other))
				}
				out.R = append(out.R, fill(r.Plan.Missing.Lowest, r.Plan.Missing.Highest)+"  # the lowest difference", fill(r.Plan.Missing.Highest, r.Plan.Missing.Lowest)+"  # the highest difference")
				out.Notes = append(out.Notes, "Stata: replace the arms' missing scores by the range's ends in the same way and take the difference of summarize's means.")
			}
			return out, nil
		})
	}
	if w := m.Weighted; w != nil {
		for _, c := range w.Contrasts {
			add("weighted", c.Arm, c.Against, func() (*Explanation, error) {
				out := explained(r, c.Difference)
				out.Parts = estimateParts("weighted difference", c.Difference, "b = (X'WX)⁻¹X'Wy, w of a pupil analysed: the share analysed of its arm over its probability of being analysed, by a logistic regression on arm, strata and complete covariates", "analysis/missing/response.go, analysis/robust (METHODS.md, Missing scores)")
				out.Parts = append(out.Parts, ExplainedPart{"effective number", w.EffectiveN, "(Σw)²/Σw²", []ExplainedInput{{"largest weight", w.Max}}, "analysis/missing/response.go"})
				out.R, out.Stata, out.Notes = weightedLines(r, Target{Arm: c.Arm, Against: c.Against})
				return out, nil
			})
		}
	}
}

// complianceEstimates are the effects of having taken part.
func complianceEstimates(r sap.Results, add adder) {
	c := r.Compliance
	arm, against := r.Contrasts[0].Arm, r.Contrasts[0].Against
	iv := func(name, what, received string, e sap.IVEstimate) {
		add(name, arm, against, func() (*Explanation, error) {
			out := explained(r, e.Difference)
			const source = "analysis/robust/iv.go (METHODS.md, Linear models with robust variances); Angrist, Imbens and Rubin, Journal of the American Statistical Association 91, 1996"
			out.Parts = append(estimateParts(what, e.Difference, "b = (X'PX)⁻¹X'Py, P the projection on arm and covariates; the arm drawn is the instrument", source), sizeParts(e.Difference, e.EffectSize)...)
			out.Parts = append(out.Parts,
				ExplainedPart{"first-stage F", e.FirstStage.F, "the squared t of the arm, in the regression of " + name + " on arm and covariates", []ExplainedInput{{"df1", e.FirstStage.DF1}, {"df2", e.FirstStage.DF2}, {"p", e.FirstStage.P}}, source},
				ExplainedPart{"Bloom's ratio", e.Bloom.Estimate, "intention-to-treat difference over the difference in " + name, []ExplainedInput{{"intention-to-treat difference", e.Bloom.Effect}, {"difference in " + name, e.Bloom.Compliance}}, "analysis/robust/iv.go; Bloom, Evaluation Review 8, 1984"})
			if a := e.AndersonRubin; a.Kind == "interval" {
				out.Parts = append(out.Parts, ExplainedPart{"lower end of the Anderson-Rubin interval", a.Low, "values b₀ at which the arm's coefficient in a regression of y − b₀·" + name + " is not rejected", []ExplainedInput{{"degrees of freedom", a.DF}}, source},
					ExplainedPart{"upper end of the Anderson-Rubin interval", a.High, "the same", []ExplainedInput{{"degrees of freedom", a.DF}}, source})
			}
			out.R, out.Stata, out.Notes = receivedLines(r, Target{Arm: arm, Against: against, Scale: r.Plan.EffectSize}, received, e.EffectSize.SD)
			return out, nil
		})
	}
	iv("taking part", "effect of taking part", fmt.Sprintf("as.numeric(sessions >= %d)", c.Rule.AtLeast), c.CACE)
	if c.PerSession != nil {
		iv("sessions attended", "effect of each session", "sessions", *c.PerSession)
	}
	if e := c.DoseResponse; e != nil {
		add("dose and response", arm, against, func() (*Explanation, error) {
			out := explained(r, *e)
			out.Parts = estimateParts("difference for each session more", *e, "the coefficient of sessions attended, by least squares among the schools of "+arm, "analysis/robust (METHODS.md, Linear models with robust variances)")
			out.R, out.Stata, out.Notes = doseLines(r, Target{Arm: arm, Against: against})
			return out, nil
		})
	}
}

// Names are those of a run's estimates, for somebody who has to choose.
func Names(all []Explainable) []string {
	var names []string
	for _, e := range all {
		if !slices.Contains(names, e.Name) {
			names = append(names, e.Name)
		}
	}
	return names
}
