package reports

import (
	"fmt"
	"math"
	"strconv"
	"strings"

	"evenhand/analysis"
	"evenhand/analysis/rows"
	"evenhand/analysis/sap"
)

// Explanation says how one estimate came about, so that others can get it again.
type Explanation struct {
	Outcome  string          `json:"outcome"`
	Estimate string          `json:"estimate"` // its name among those of the outcome, Planned for the planned one
	Role     string          `json:"role"`     // what it is in the plan
	Arm      string          `json:"arm"`
	Against  string          `json:"against"`
	Data     []string        `json:"data"`   // files of the audit bundle that hold the rows
	Run      int             `json:"run"`    // that the estimate is of
	Kind     string          `json:"kind"`   // of run
	Others   []string        `json:"others"` // names of all estimates of the outcome in this run
	Digest   string          `json:"digest"` // of all data of the run
	Parts    []ExplainedPart `json:"parts"`
	R        []string        `json:"r"`     // lines of R that give the same figures
	Stata    []string        `json:"stata"` // lines of Stata that do
	Notes    []string        `json:"notes"`
	Counts   analysis.Counts `json:"counts"`
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
	out := &Explanation{Outcome: r.Plan.Outcome, Estimate: Planned, Role: e.Estimand.Role, Arm: c.Arm, Against: c.Against, Data: names[:], Counts: d.Counts, Notes: []string{}}
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
	out.R, out.Stata, out.Notes = PeerLines(r, Target{Arm: c.Arm, Against: c.Against, Scale: e.Scale, DF: d.DF}, names[0])
	return out, nil
}
