// Package sap is the statistical analysis plan: Plan says what is to be
// estimated, Run does it on a Dataset, Results holds what came out, unrounded.
package sap

import (
	"evenhand/analysis"
	"evenhand/analysis/missing"
	"evenhand/analysis/robust"
)

// Plan is the part of a protocol that the analysis needs, in plain values.
type Plan struct {
	Outcome    string         `json:"outcome"`    // outcome's ID
	Label      string         `json:"label"`      // outcome's name for reports
	TimePoint  string         `json:"time_point"` // when it is measured
	Role       Role           `json:"role"`       //
	Model      string         `json:"model"`      // MixedModel, PartiallyNested or LinearModel
	Covariates []string       `json:"covariates"` // names of Dataset columns, in order; "Stratum" stands for the strata
	DF         string         `json:"df"`         // see trial.Plan.DF
	EffectSize analysis.Scale `json:"effect_size"`
	Level      float64        `json:"level"` // confidence level in (0,1)

	Redraws      int             `json:"redraws,omitempty"`      // of the randomisation test; 0 for none
	Posterior    bool            `json:"posterior,omitempty"`    // also the posterior of the effect, under weak priors
	Subgroups    []string        `json:"subgroups,omitempty"`    // names of yes/no columns of the Dataset
	Missing      *MissingRule    `json:"missing,omitempty"`      // nil where nothing is planned
	Compliance   *ComplianceRule `json:"compliance,omitempty"`   // nil where taking part is not defined
	Multiplicity Multiplicity    `json:"multiplicity,omitempty"` // of the secondary outcomes; "" for none
	Pairs        [][2]string     `json:"pairs,omitempty"`        // of more than two arms, beside each against the control arm
}

// The models of a plan.
const (
	MixedModel      = "mixed"            // pupils in schools
	PartiallyNested = "partially nested" // the same, and schools in communities in the arms that have them
	LinearModel     = "linear"           // schools themselves
)

// MissingRule is what the plan does about missing scores.
type MissingRule struct {
	ImputeAbove float64 `json:"impute_above"`     // share missing, of the outcome or of a covariate, in [0,1)
	Imputations int     `json:"imputations"`      // 0 for no imputation, whatever is missing
	ByArm       bool    `json:"by_arm,omitempty"` // each arm imputed by a model of its own
	// Interactions are covariates whose associations may differ between the arms,
	// in one model of all arms.
	Interactions []string `json:"interactions,omitempty"`
	Sensitivity  []string `json:"sensitivity,omitempty"` // of Delta, Reference, Bounds, Weights
	// Lowest and Highest are the scores that are possible, for bounds; both 0
	// where no range is known.
	Lowest  float64 `json:"lowest,omitempty"`
	Highest float64 `json:"highest,omitempty"`
}

// The sensitivity analyses of missing scores.
const (
	Delta     = "delta"     // imputed scores shifted
	Reference = "reference" // those lost from an arm as if they had been in the control arm, from some moment on
	Bounds    = "bounds"    // with no model of who is missing
	Weights   = "weights"   // by the inverse probability of being analysed
)

// ComplianceRule is the protocol's definition of having taken part: so many
// sessions, of those held. The Dataset then has the school covariate
// SessionsColumn.
type ComplianceRule struct {
	AtLeast  int    `json:"at_least"`
	Sessions int    `json:"sessions"`
	By       string `json:"by"` // who must have been there
}

// SessionsColumn is the school covariate that holds how many sessions a school
// attended. It came after the draw, so that it is in no balance table.
const SessionsColumn = "sessions attended"

// Multiplicity is a way to adjust p-values of several outcomes.
type Multiplicity string

// The ways.
const (
	BenjaminiHochberg Multiplicity = "benjamini-hochberg" // keeps the share of false findings among findings
	Holm              Multiplicity = "holm"               // keeps the chance of any false finding
	WestfallYoung     Multiplicity = "westfall-young"     // the same, by the redraws, which know how the outcomes go together
)

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
	Mark       Mark               `json:"mark,omitempty"` // "" for the plan's own results
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

	// What the plan asks for beside the estimate; nil where it does not, or where
	// NotRun says why it was not done.
	Randomisation *Randomisation `json:"randomisation,omitempty"`
	PlainClusters []ArmContrast  `json:"plain_clusters,omitempty"` // beside the partially nested model, as if communities made no difference
	ArmsTest      *ArmsTest      `json:"arms_test,omitempty"`      // with more than two arms
	Pairs         []ArmContrast  `json:"pairs,omitempty"`          // as the plan names them
	Subgroups     []Subgroup     `json:"subgroups,omitempty"`
	Posterior     *Posterior     `json:"posterior,omitempty"`
	Missing       *MissingNote   `json:"missing,omitempty"`
	Compliance    *Compliance    `json:"compliance,omitempty"`
	Adjusted      *Adjusted      `json:"adjusted,omitempty"` // by Adjust
	NotRun        []NotRun       `json:"not_run,omitempty"`  // what the plan promises and these data did not allow

	sets *imputedSets // of a run in this process; see Imputed
}

// NotRun is a part of the plan that was not run.
type NotRun struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// Randomisation is the randomisation test by redraws of the trial's own design.
type Randomisation struct {
	Role string `json:"role"` // sensitivity, or exploratory
	RandomisationTest
	// Interval holds the constant shifts that the test of the least-squares
	// difference does not reject; nil where there is none, and Why says why.
	Interval *analysis.Interval `json:"interval"`
	Why      string             `json:"why,omitempty"`
}

// Subgroup is the effect by a yes/no column: its interaction with the arm, and
// the effect among those with yes and among those with no.
type Subgroup struct {
	Variable     string           `json:"variable"`
	Interactions []SubgroupEffect `json:"interactions"` // the effect among yes less that among no, one for each arm
	Within       []SubgroupEffect `json:"within"`       // no first, then yes
}

// SubgroupEffect is one arm's. EffectSize is by the plan's denominator, whose
// SD is that of everybody for an interaction, that of the subgroup within it.
type SubgroupEffect struct {
	Value      string            `json:"value"` // "yes", "no"; "" for an interaction
	Arm        string            `json:"arm"`
	Against    string            `json:"against"`
	Difference analysis.Estimate `json:"difference"`
	EffectSize analysis.Estimate `json:"effect_size"`
}

// MissingNote says how much is missing among those randomised and what that
// does to the estimate. The complete cases are the estimate itself.
type MissingNote struct {
	Role      string         `json:"role"`      // sensitivity, or exploratory: of all estimates here
	Variables []MissingShare `json:"variables"` // the outcome, then the model's covariates
	Largest   float64        `json:"largest"`   // largest share
	Indicated bool           `json:"indicated"` // whether it is above the plan's threshold
	Seed      uint64         `json:"seed"`      // of all simulated numbers here

	Imputation *Imputation     `json:"imputation,omitempty"`
	Delta      []DeltaNote     `json:"delta,omitempty"`     // one for each arm
	Reference  []ReferenceNote `json:"reference,omitempty"` // for each arm one an assumption
	Bounds     []BoundsNote    `json:"bounds,omitempty"`    // one for each arm
	Weighted   *WeightingNote  `json:"weights,omitempty"`   //
}

// MissingShare is one variable's missing values.
type MissingShare struct {
	Name    string           `json:"name"`
	Missing int              `json:"missing"`
	Share   float64          `json:"share"`
	Arms    []missing.ArmGap `json:"arms"`
}

// Imputation is the planned model on imputed data, pooled by Rubin's rules.
type Imputation struct {
	Imputations int            `json:"imputations"`
	Imputed     []ImputedCells `json:"imputed"`
	Prior       string         `json:"prior"`
	BurnIn      int            `json:"burn_in"` // iterations thrown away at the start of each chain
	Between     int            `json:"between"` // iterations from one imputation of a chain to the next
	Chains      int            `json:"chains"`  //
	Parameters  []SamplerNote  `json:"parameters"`
	RHat        float64        `json:"rhat"` // largest over the sampler's parameters
	// ICC is the intra-cluster correlation of the empty model, pooled; nil where
	// the imputed outcomes have none.
	ICC *missing.Pooled `json:"icc"`
	// Joint tests all arms against the control arm at once; nil with one.
	Joint     *missing.Joint     `json:"joint,omitempty"`
	Contrasts []PooledContrast   `json:"contrasts"`
	Warnings  []analysis.Warning `json:"warnings"`
}

// SamplerNote says how the chains of one parameter went.
type SamplerNote struct {
	Parameter string  `json:"parameter"`
	Arm       string  `json:"arm,omitempty"` // with a model an arm
	Mean      float64 `json:"mean"`          // over all chains after burn-in
	SD        float64 `json:"sd"`
	RHat      float64 `json:"rhat"` // split chains; 1 is converged
	ESS       float64 `json:"ess"`  // effective number of draws
	// Lag is the autocorrelation at the distance between imputations.
	Lag float64 `json:"autocorrelation_between_imputations"`
}

// ReferenceNote is the pooled difference when those lost from an arm are taken to
// have gone on as the control arm.
type ReferenceNote struct {
	Arm        string            `json:"arm"`
	Assumption missing.Reference `json:"assumption"`
	Shifts     []float64         `json:"shifts"` // what was added to the imputed scores, by imputation, in outcome units
	Difference missing.Pooled    `json:"difference"`
}

// ImputedCells is how many values of a variable were imputed.
type ImputedCells struct {
	Name string `json:"name"`
	N    int    `json:"n"`
}

// PooledContrast is one arm against the control arm over the imputations.
type PooledContrast struct {
	Arm        string         `json:"arm"`
	Against    string         `json:"against"`
	Difference missing.Pooled `json:"difference"`
	EffectSize missing.Pooled `json:"effect_size"` // by the plan's denominator
}

// DeltaNote is the pooled difference when the imputed scores of an arm are
// shifted: as if those lost had done worse, or better, than those like them who
// stayed.
type DeltaNote struct {
	Arm    string               `json:"arm"`
	Points []missing.DeltaPoint `json:"points"` // shifts in outcome units
	// Tipping are the shifts nearest to 0, downwards and upwards, at which the
	// conclusion changes.
	Tipping []missing.Tipping `json:"tipping"`
}

// BoundsNote bounds the difference of raw means without a model of who is
// missing.
type BoundsNote struct {
	Arm     string                `json:"arm"`
	Against string                `json:"against"`
	Lee     *missing.ClusteredLee `json:"lee,omitempty"`
	// Range is for any scores within the outcome's range; nil where it has none.
	Range *missing.HorowitzManski `json:"range,omitempty"`
}

// WeightingNote is the difference among those analysed, each weighted by the
// inverse probability of having been.
type WeightingNote struct {
	Contrasts  []WeightedContrast `json:"contrasts"`
	LeftOut    []string           `json:"left_out,omitempty"` // of the model of who is observed: "Stratum" where strata tell it for certain
	EffectiveN float64            `json:"effective_n"`
	Max        float64            `json:"max_weight"`
}

// WeightedContrast is one arm's weighted difference.
type WeightedContrast struct {
	Arm        string            `json:"arm"`
	Against    string            `json:"against"`
	Difference analysis.Estimate `json:"difference"`
}

// Compliance is the effect of having taken part, by instrumental variables: the
// arm drawn is the instrument.
type Compliance struct {
	Rule ComplianceRule  `json:"rule"`
	Arms []ComplianceArm `json:"arms"`

	CACE       IVEstimate  `json:"cace"`                  // of having taken part as the protocol defines it
	PerSession *IVEstimate `json:"per_session,omitempty"` // of each session attended
	// DoseResponse compares schools of the intervention arm that attended more
	// sessions with those that attended fewer. Schools chose: it is not an
	// experimental comparison. nil where they all attended alike.
	DoseResponse *analysis.Estimate `json:"dose_response,omitempty"`
	Warnings     []analysis.Warning `json:"warnings"`
}

// ComplianceArm is how an arm's schools took part.
type ComplianceArm struct {
	Arm       string  `json:"arm"`
	Schools   int     `json:"schools"`
	Compliers int     `json:"compliers"`
	Mean      float64 `json:"mean_sessions"`
}

// IVEstimate is a two-stage least squares estimate.
type IVEstimate struct {
	Difference analysis.Estimate `json:"difference"`  // in outcome units
	EffectSize analysis.Estimate `json:"effect_size"` // over the SD of the plan's effect size
	FirstStage robust.FTest      `json:"first_stage"`
	// AndersonRubin stays valid however weak the instrument is.
	AndersonRubin robust.AndersonRubin `json:"anderson_rubin"`
	Bloom         robust.Bloom         `json:"bloom"`
	// WuHausman tests whether taking part goes with what else moves the outcome, by
	// the variance of the estimate; nil where the arm says exactly who took part.
	WuHausman *robust.FTest `json:"wu_hausman"`
}

// Adjusted are the p-values of a secondary outcome, adjusted for there being
// several.
type Adjusted struct {
	Method    Multiplicity `json:"method"`
	Tests     int          `json:"tests"` // p-values adjusted together
	Contrasts []AdjustedP  `json:"contrasts"`
}

// AdjustedP is one arm's p-value.
type AdjustedP struct {
	Arm      string  `json:"arm"`
	Against  string  `json:"against"`
	P        float64 `json:"p"`
	Adjusted float64 `json:"adjusted"`
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
	Unadjusted  *float64            `json:"unadjusted,omitempty"` // difference of raw means, in outcome units; nil while blind
	Difference  analysis.Estimate   `json:"difference"`           // adjusted, in outcome units
	EffectSize  analysis.Estimate   `json:"effect_size"`          // by the plan's denominator
	EffectSizes []analysis.Estimate `json:"effect_sizes"`         // by every denominator
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
