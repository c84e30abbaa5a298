// Package analysis holds the words that every analysis shares: the rows that
// are analysed (Dataset), what is estimated (Estimand), and what comes out
// (Estimate, with its interval, its counts and its warnings).
//
// It holds types only. The methods live in its sub-packages: mixed models in
// mixed, effect sizes in effectsize, attrition in attrition, and so on; the
// statistical analysis plan that runs them is in sap. Nothing here or below
// reads a clock, a file, a network, a database or a source of randomness.
// Numbers are never rounded here: rounding belongs to the reports.
package analysis

// Dataset is the rows of an analysis: one for every person *randomised* (the
// pupils on the roster when it was locked, or the schools themselves where
// schools are what is measured), lost ones too. Slices run parallel, one entry
// a row. A value that was not observed is marked in Observed, never by NaN.
type Dataset struct {
	ID       []string  // pseudonymous ID of the person (never a name or a UPN)
	Outcome  []float64 // the outcome in its own units; meaningless where Observed is false
	Observed []bool    // whether the outcome was observed
	Lost     []string  // reason for which an unobserved row is lost; "" where Observed

	Arm       []int // index into Arms
	Cluster   []int // index into Clusters: the school
	Stratum   []int // index into Strata
	Community []int // index into Communities; -1 for a school in no community (all of the control arm)

	Arms        []string // arm labels as analysed ("A", "B" while blind); Arms[Control] is the control arm
	Control     int      // index of the control arm in Arms
	Clusters    []string // school IDs
	Strata      []string // stratum labels
	Communities []string // community labels

	Covariates []Column // of the persons: one entry a row

	SchoolCovariates []Column // of the schools: one entry for each of Clusters
}

// Column is one covariate of a Dataset: numeric (Levels nil, Values used) or
// a factor (Levels set, Codes used).
type Column struct {
	Name     string
	Binary   bool      // numeric: the values are 1 for yes and 0 for no
	Values   []float64 // numeric: one a row; meaningless where Observed is false
	Levels   []string  // factor: level labels; Levels[0] is the reference
	Codes    []int     // factor: index into Levels, one a row; meaningless where Observed is false
	Observed []bool    // one a row; nil means that every value was observed
}

// AnalysisSet says who is analysed.
type AnalysisSet string

// The analysis sets.
const (
	IntentionToTreat AnalysisSet = "intention-to-treat" // all randomised, in the arm they were drawn into, with the outcome observed
	CompleteCase     AnalysisSet = "complete-case"      // as above, with every covariate observed too
)

// Estimand says what is estimated: the effect of one arm against another on
// one outcome in one set of people.
type Estimand struct {
	Outcome   string      `json:"outcome"`    // outcome's ID in the protocol
	TimePoint string      `json:"time_point"` // when it is measured, as the protocol says it
	Arm       string      `json:"arm"`        // the arm whose effect it is
	Against   string      `json:"against"`    // the arm it is compared with
	Set       AnalysisSet `json:"set"`        // who is analysed
	Subgroup  string      `json:"subgroup"`   // "" for everybody
	// Role is what the estimate is in a plan: primary, secondary, subgroup
	// interaction, subgroup within, sensitivity or exploratory; "" outside one.
	Role string `json:"role,omitempty"`
}

// Scale says in what an Estimate is measured. An effect size always names the
// standard deviation that it divides by.
type Scale string

// The scales. The first word names the variance (total or within school), the
// second the model that it comes from (see METHODS.md, "Which SD").
const (
	ScaleDifference           Scale = "difference"                     // outcome units
	ScaleTotalUnconditional   Scale = "total-unconditional"            // model with arm, without covariates
	ScaleWithinUnconditional  Scale = "within-unconditional"           // the same, pupil-level variance only
	ScaleTotalEmpty           Scale = "total-empty"                    // model without arm or covariates
	ScaleWithinEmpty          Scale = "within-empty"                   //
	ScaleTotalConditional     Scale = "total-conditional"              // model with arm and covariates
	ScaleWithinConditional    Scale = "within-conditional"             //
	ScalePooledSD             Scale = "pooled-sd"                      // pooled SD of the arms' raw scores
	ScaleControlSD            Scale = "control-sd"                     // SD of the control arm's raw scores
	ScaleLogOdds              Scale = "log-odds"                       // logistic models
	ScaleCox                  Scale = "cox"                            // log odds ratio / 1.65
	ScaleProportionDifference Scale = "difference-in-proportions"      // marginal risk difference
	ScaleCompliers            Scale = "complier-average-causal-effect" // outcome units, among compliers
)

// Interval is a confidence interval.
type Interval struct {
	Low    float64 `json:"low"`
	High   float64 `json:"high"`
	Level  float64 `json:"level"`  // in (0,1), e.g. 0.95
	Method string  `json:"method"` // e.g. "t, Satterthwaite (observed information)"
}

// Counts says how many rows were used and what became of the others. The
// conservation law Randomised = Used + sum of Lost holds at both levels.
type Counts struct {
	PupilsRandomised  int    `json:"pupils_randomised"`
	PupilsUsed        int    `json:"pupils_used"`
	SchoolsRandomised int    `json:"schools_randomised"`
	SchoolsUsed       int    `json:"schools_used"`
	PupilsLost        []Loss `json:"pupils_lost"`  // in order of reason
	SchoolsLost       []Loss `json:"schools_lost"` // in order of reason
}

// Loss is a number of people or schools not used, with the reason.
type Loss struct {
	Reason string `json:"reason"`
	N      int    `json:"n"`
}

// Estimate is one number with everything that is needed to read and check it.
// All values are unrounded. A quantity that does not exist for the method is
// the zero value and HasX (where there is one) is false; nothing is ever NaN.
type Estimate struct {
	Estimand  Estimand  `json:"estimand"`
	Method    string    `json:"method"` // e.g. "two-level random-intercept model, REML"
	Scale     Scale     `json:"scale"`
	SD        float64   `json:"sd"`        // the SD divided by, for effect sizes; 0 otherwise
	Value     float64   `json:"value"`     //
	SE        float64   `json:"se"`        //
	DF        float64   `json:"df"`        // degrees of freedom; 0 where the method has none
	DFMethod  string    `json:"df_method"` // e.g. "satterthwaite"
	Statistic float64   `json:"statistic"` // t or z
	P         float64   `json:"p"`         // two-sided, in [0,1]
	Interval  Interval  `json:"interval"`  //
	Counts    Counts    `json:"counts"`    //
	Warnings  []Warning `json:"warnings"`  // to be printed as footnotes

	// HedgesJ is the small-sample factor that belongs to SD, of HedgesDF
	// degrees of freedom; both 0 where the estimate has none. Corrected says
	// whether Value, SE and Interval have been multiplied by it.
	HedgesJ   float64 `json:"hedges_j,omitempty"`
	HedgesDF  float64 `json:"hedges_df,omitempty"`
	Corrected bool    `json:"corrected,omitempty"`
}

// Warning is something that must be read with a number. It is not an error:
// the number stands.
type Warning struct {
	Code string `json:"code"` // stable, for programs, e.g. "singular-fit"
	Text string `json:"text"` // one sentence for people: what, and what to do about it
}
