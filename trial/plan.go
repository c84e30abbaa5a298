package trial

import (
	"slices"
	"strings"

	"evenhand/analysis"
	"evenhand/analysis/sap"
)

// Plans turns the protocol's plan into one sap.Plan an outcome, the primary
// first, the others in the protocol's order.
func (p *Protocol) Plans() []sap.Plan {
	var plans []sap.Plan
	for _, primary := range []bool{true, false} {
		for _, o := range p.Outcomes {
			if o.Primary == primary {
				plans = append(plans, p.plan(o))
			}
		}
	}
	return plans
}

func (p *Protocol) plan(o Outcome) sap.Plan {
	plan := sap.Plan{
		Outcome: o.ID, Label: o.Label, TimePoint: string(o.On), Role: sap.Secondary,
		Model: p.Plan.Model, DF: p.Plan.DF, EffectSize: analysis.Scale(p.Plan.EffectSize), Level: float64(p.Plan.Interval),
	}
	if o.Primary {
		plan.Role = sap.Primary
		plan.Posterior = p.Plan.Posterior
	}
	plan.Redraws = p.Plan.Redraws
	plan.Subgroups = slices.Clone(p.Plan.Subgroups)
	if p.Plan.Multiplicity != "none" {
		plan.Multiplicity = sap.Multiplicity(p.Plan.Multiplicity)
	}
	for _, text := range p.Plan.Pairs {
		a, b, _ := strings.Cut(text, " vs ")
		plan.Pairs = append(plan.Pairs, [2]string{strings.TrimSpace(a), strings.TrimSpace(b)})
	}
	plan.Missing = &sap.MissingRule{ImputeAbove: float64(p.Plan.Missing.ImputeAbove)}
	if o.Primary { // how far the answer hangs on what is missing is asked of the primary outcome
		plan.Missing.Imputations = p.Plan.Missing.Imputations
		plan.Missing.ByArm = p.Plan.Missing.ByArm
		plan.Missing.Interactions = slices.Clone(p.Plan.Missing.Interactions)
		plan.Missing.Sensitivity = slices.Clone(p.Plan.Missing.Sensitivity)
	}
	if o.Range.Set {
		plan.Missing.Lowest, plan.Missing.Highest = o.Range.Low, o.Range.High
	}
	if c := p.Delivery.Complier; c.Sessions > 0 {
		plan.Compliance = &sap.ComplianceRule{AtLeast: c.Sessions, Sessions: len(p.Delivery.Sessions), By: c.By}
	}
	for _, c := range p.Plan.Covariates {
		switch {
		case c == "baseline" && o.Baseline.Column == "":
			// An outcome without a baseline is analysed without.
		case c == "baseline":
			plan.Covariates = append(plan.Covariates, BaselineColumn)
		case c == "strata":
			plan.Covariates = append(plan.Covariates, "Stratum")
		default:
			plan.Covariates = append(plan.Covariates, c)
		}
	}
	return plan
}
