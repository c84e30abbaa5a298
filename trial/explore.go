package trial

import (
	"errors"
	"fmt"
	"reflect"
	"slices"
	"strings"

	"evenhand/analysis"
	"evenhand/analysis/sap"
)

// Exploration is an analysis that is not in the plan. Words are those of the
// protocol's plan; what is left out is as the plan has it.
type Exploration struct {
	Outcome    string
	Model      string
	Covariates []string // nil: the plan's
	DF         string
	EffectSize string
	Subgroups  []string
	Redraws    int
}

// Explore gives the plan of an exploration: of one outcome, with nothing
// beside the estimate but what is asked for. All its faults come at once.
func (p *Protocol) Explore(x Exploration) (sap.Plan, error) {
	var faults []error
	fault := func(format string, a ...any) { faults = append(faults, fmt.Errorf(format, a...)) }
	near := func(word string, known []string) string {
		if n := Nearest(word, known); n != "" {
			return fmt.Sprintf("; did you mean %q?", n)
		}
		return "; there is " + strings.Join(known, ", ")
	}
	own := *p
	outcome := p.PrimaryOutcome()
	if x.Outcome != "" {
		var known []string
		for _, o := range p.Outcomes {
			known = append(known, o.ID)
		}
		if outcome = p.Outcome(x.Outcome); outcome == nil {
			fault("the protocol has no outcome %q%s", x.Outcome, near(x.Outcome, known))
			outcome = p.PrimaryOutcome()
		}
	}
	word := func(key, given string, known []string, to *string) {
		switch {
		case given == "":
		case slices.Contains(known, given):
			*to = given
		default:
			fault("%s cannot be %q%s", key, given, near(given, known))
		}
	}
	word("the model", x.Model, planWords("Model"), &own.Plan.Model)
	word("degrees of freedom", x.DF, planWords("DF"), &own.Plan.DF)
	word("the effect size", x.EffectSize, planWords("EffectSize"), &own.Plan.EffectSize)
	columns := []string{"baseline", "strata"}
	var yesNo []string
	for _, c := range p.Plan.PupilColumns {
		columns = append(columns, c.ID)
		if c.Kind == "yes/no" {
			yesNo = append(yesNo, c.ID)
		}
	}
	if x.Covariates != nil {
		own.Plan.Covariates = x.Covariates
	}
	for _, c := range x.Covariates {
		switch {
		case !slices.Contains(columns, c):
			fault("no covariate is called %q%s", c, near(c, columns))
		case c == "baseline" && outcome.Baseline.Column == "":
			fault("%s has no baseline", outcome.ID)
		}
	}
	for _, c := range x.Subgroups {
		if !slices.Contains(yesNo, c) {
			fault("a subgroup is a yes/no column of the pupil file, and %q is none%s", c, near(c, yesNo))
		}
	}
	if x.Redraws < 0 || x.Redraws > 10_000_000 {
		fault("%d redraws: 0 to 10,000,000 are made", x.Redraws)
	}
	if (own.Plan.Model == "linear") != (p.Trial.Measured == "schools") {
		fault("model %s: %s are measured in this trial", own.Plan.Model, p.Trial.Measured)
	}
	if len(faults) > 0 {
		return sap.Plan{}, errors.Join(faults...)
	}
	plan := own.plan(*outcome)
	plan.Role = sap.Exploratory
	plan.Redraws, plan.Subgroups = x.Redraws, x.Subgroups
	plan.Missing, plan.Compliance, plan.Multiplicity = nil, nil, ""
	plan.EffectSize = analysis.Scale(own.Plan.EffectSize)
	return plan, nil
}

// planWords are the words that the protocol's plan allows for a field.
func planWords(field string) []string {
	f, ok := reflect.TypeFor[Plan]().FieldByName(field)
	if !ok {
		panic("trial: the plan has no field " + field)
	}
	return enumOf(f.Tag)
}
