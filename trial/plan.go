package trial

import (
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
