// Package sap is the statistical analysis plan: Plan says what is to be
// estimated, Run does it on a Dataset, Results holds what came out, unrounded.
package sap

import "evenhand/analysis"

// Plan is the part of a protocol that the analysis needs, in plain values.
type Plan struct {
	Outcome    string         `json:"outcome"`    // outcome's ID
	Label      string         `json:"label"`      // outcome's name for reports
	TimePoint  string         `json:"time_point"` // when it is measured
	Role       Role           `json:"role"`       //
	Model      string         `json:"model"`      // "mixed" or "linear"
	Covariates []string       `json:"covariates"` // names of Dataset columns, in order; "Stratum" stands for the strata
	DF         string         `json:"df"`         // see trial.Plan.DF
	EffectSize analysis.Scale `json:"effect_size"`
	Level      float64        `json:"level"` // confidence level in (0,1)
}

// Role says what an analysis is in the plan.
type Role string

// The roles.
const (
	Primary     Role = "primary"
	Secondary   Role = "secondary"
	Exploratory Role = "exploratory"
)

// Results is everything that one outcome's analysis gave. Numbers are
// unrounded; nothing is NaN or infinite.
type Results struct {
	Plan       Plan               `json:"plan"`
	Arms       []ArmSummary       `json:"arms"`       // in the Dataset's order
	Contrasts  []Contrast         `json:"contrasts"`  // one for each arm that is not the control arm
	Covariates []Coefficient      `json:"covariates"` // the other fixed effects
	Variances  []Variance         `json:"variances"`  // outermost level first, the residual last
	ICC        []ICC              `json:"icc"`        //
	Fit        FitNote            `json:"fit"`        // how the fit went
	Counts     analysis.Counts    `json:"counts"`     //
	Balance    []BalanceRow       `json:"balance"`    // baseline, as randomised and as analysed
	Attrition  *AttritionNote     `json:"attrition"`  // nil with more than two arms
	Warnings   []analysis.Warning `json:"warnings"`   //
}

// ArmSummary describes one arm's raw scores.
type ArmSummary struct {
	Arm     string            `json:"arm"`
	Control bool              `json:"control"`
	Schools int               `json:"schools"` // with at least one pupil analysed
	N       int               `json:"n"`       // pupils with a score
	Missing int               `json:"missing"` // randomised pupils without
	Mean    float64           `json:"mean"`
	SD      float64           `json:"sd"` // divides by n-1
	CI      analysis.Interval `json:"ci"` // of the mean, allowing for schools
}

// Contrast is one arm against the control arm.
type Contrast struct {
	Arm         string              `json:"arm"`
	Against     string              `json:"against"`
	Unadjusted  float64             `json:"unadjusted"`   // difference of raw means, in outcome units
	Difference  analysis.Estimate   `json:"difference"`   // adjusted, in outcome units
	EffectSize  analysis.Estimate   `json:"effect_size"`  // by the plan's denominator
	EffectSizes []analysis.Estimate `json:"effect_sizes"` // by every denominator
}

// Coefficient is a fixed effect of the model.
type Coefficient struct {
	Term string            `json:"term"`
	Est  analysis.Estimate `json:"estimate"`
}

// Variance is one variance component.
type Variance struct {
	Level string  `json:"level"` // "school", "residual" …
	Model string  `json:"model"` // "conditional", "unconditional" or "empty"
	Value float64 `json:"value"`
}

// ICC is the intra-cluster correlation at a level, from the named model.
type ICC struct {
	Level string             `json:"level"`
	Model string             `json:"model"`
	Value float64            `json:"value"`
	CI    *analysis.Interval `json:"ci"` // nil where there is none
}

// FitNote says how the model was fitted.
type FitNote struct {
	Method     string  `json:"method"`    // e.g. "two-level random-intercept model, REML"
	Criterion  float64 `json:"criterion"` // REML criterion (−2 log restricted likelihood); 0 for a linear model
	Iterations int     `json:"iterations"`
	Gradient   float64 `json:"gradient"` // largest absolute value of the score at the estimate, scaled
	Singular   bool    `json:"singular"` // whether the school variance is at zero
}

// BalanceRow is one baseline variable, in one arm against the control arm.
type BalanceRow struct {
	Variable string       `json:"variable"`
	Level    string       `json:"level"`    // "pupil" or "school"
	Category string       `json:"category"` // of a categorical variable; "" otherwise
	Set      string       `json:"set"`      // "randomised" or "analysed"
	Arms     []ArmBalance `json:"arms"`
	// Effect is the difference as an effect size: Hedges' g for numbers, Cox's
	// index for shares. HasEffect is false where there is none (no variation).
	Effect    float64 `json:"effect"`
	HasEffect bool    `json:"has_effect"`
	Scale     string  `json:"scale"` // "hedges-g" or "cox"
}

// ArmBalance is one arm's part of a balance row.
type ArmBalance struct {
	Arm     string  `json:"arm"`
	N       int     `json:"n"`
	Missing int     `json:"missing"`
	Mean    float64 `json:"mean"`  // mean, or share in [0,1]
	SD      float64 `json:"sd"`    // divides by n-1; 0 for a share
	Count   int     `json:"count"` // of a share: how many
}

// AttritionNote is overall and differential attrition at both levels, as
// shares in [0,1]; a level with nobody randomised is absent.
type AttritionNote struct {
	Schools AttritionLevel `json:"schools"`
	Pupils  AttritionLevel `json:"pupils"`
}

// AttritionLevel is attrition at one level.
type AttritionLevel struct {
	RandomisedT  int     `json:"randomised_t"`
	RandomisedC  int     `json:"randomised_c"`
	AnalysedT    int     `json:"analysed_t"`
	AnalysedC    int     `json:"analysed_c"`
	Overall      float64 `json:"overall"`
	Differential float64 `json:"differential"` // absolute
	Cautious     bool    `json:"cautious"`     // within the WWC's cautious boundary
	Optimistic   bool    `json:"optimistic"`   // within the WWC's optimistic boundary
	CautiousAt   float64 `json:"cautious_at"`  // the boundary at this overall attrition, as a share
	OptimisticAt float64 `json:"optimistic_at"`
}
