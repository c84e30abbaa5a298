package reports_test

import (
	"strings"
	"testing"

	"evenhand/analysis"
	"evenhand/analysis/missing"
	"evenhand/analysis/permute"
	"evenhand/analysis/robust"
	"evenhand/analysis/sap"
	"evenhand/reports"
	"evenhand/reports/internal/sample"
)

// planned is the sample with what a plan can ask for beside the estimates.
func planned() reports.Input {
	in := sample.Input()
	arm, control := in.Results[0].Contrasts[0].Arm, in.Results[0].Contrasts[0].Against
	est := func(v float64) analysis.Estimate {
		return analysis.Estimate{Value: v, SE: 0.5, DF: 20, P: 0.04, Statistic: 2, Interval: analysis.Interval{Low: v - 1, High: v + 1, Level: 0.95}}
	}
	pooled := missing.Pooled{Estimate: 1.5123, SE: 1.4, P: 0.29, Interval: analysis.Interval{Low: -1.2, High: 4.3, Level: 0.95}}
	r := &in.Results[0]
	r.Randomisation = &sap.Randomisation{RandomisationTest: sap.RandomisationTest{Redraws: 1000, Tests: []sap.RedrawP{{Arm: arm, Against: control, Statistic: permute.Difference, Observed: 1.7, P: 0.2317}}}, Why: "too few schools"}
	r.Missing = &sap.MissingNote{
		Imputation: &sap.Imputation{Contrasts: []sap.PooledContrast{{Arm: arm, Against: control, Difference: pooled, EffectSize: pooled}}},
		Delta:      []sap.DeltaNote{{Arm: arm, Points: []missing.DeltaPoint{{Delta: -3, Pooled: pooled}}, Tipping: []missing.Tipping{{To: -6}, {Delta: 4.25, Found: true, At: pooled}}}},
		Bounds:     []sap.BoundsNote{{Arm: arm, Against: control, Lee: &missing.ClusteredLee{Lee: missing.Lee{Low: -0.75, High: 2.5}}, Range: &missing.HorowitzManski{Low: -7.5, High: 9.5}}},
		Weighted:   &sap.WeightingNote{Contrasts: []sap.WeightedContrast{{Arm: arm, Against: control, Difference: est(1.625)}}},
	}
	r.Subgroups = []sap.Subgroup{{Variable: "fsm", Interactions: []sap.SubgroupEffect{{Arm: arm, Against: control, EffectSize: est(-0.125)}},
		Within: []sap.SubgroupEffect{{Value: "no", Arm: arm, Against: control, EffectSize: est(0.25)}, {Value: "yes", Arm: arm, Against: control, EffectSize: est(0.375)}}}}
	r.Compliance = &sap.Compliance{Rule: sap.ComplianceRule{AtLeast: 6, Sessions: 8, By: "any leader"},
		Arms: []sap.ComplianceArm{{Arm: arm, Schools: 12, Compliers: 9, Mean: 6.5}, {Arm: control, Schools: 12}},
		CACE: sap.IVEstimate{Difference: est(2.25), EffectSize: est(0.34375), FirstStage: robust.FTest{F: 41.5, DF1: 1, DF2: 22}, AndersonRubin: robust.AndersonRubin{Kind: robust.WholeLine}}}
	in.Results[1].Adjusted = &sap.Adjusted{Method: sap.Holm, Tests: 1, Contrasts: []sap.AdjustedP{{Arm: arm, Against: control, P: 0.7413, Adjusted: 0.7413}}}
	in.Results[1].NotRun = []sap.NotRun{{What: "multiple imputation", Why: "nothing varies"}}
	return in
}

func TestBeside(t *testing.T) {
	r := build(t, planned())
	for _, c := range []struct {
		table, row, column string
		want               float64
	}{
		{"robustness", "Missing scores imputed", "Difference", 1.5123},
		{"robustness", "Randomisation test, by redraws of the trial’s own design", "p", 0.2317},
		{"robustness", "Bounds if the arm can only keep, or only lose, pupils (Lee)", "to", 2.5},
		{"robustness", "Bounds with any scores for those lost", "from", -7.5},
		{"robustness", "Weighted by the inverse probability of being analysed", "Difference", 1.625},
		{"shifts", "Research Learning Community: the conclusion changes", "Imputed scores shifted by", 4.25},
		{"taking-part", "Research Learning Community", "Took part", 9},
		{"compliance", "Effect size of taking part", "Estimate", 0.34375},
		{"compliance", "First-stage F", "Estimate", 41.5},
		{"adjusted", "Key Stage 2 grammar, punctuation and spelling", "Adjusted p", 0.7413},
	} {
		if got := cell(t, r, c.table, c.row, c.column); got.Value != c.want {
			t.Errorf("%s, %s, %s: %v, want %v", c.table, c.row, c.column, got.Value, c.want)
		}
	}
	subgroups, notRun := false, false
	for _, table := range r.Tables() {
		switch table.ID {
		case "subgroups":
			subgroups = len(table.Rows) == 3 && strings.HasSuffix(table.Rows[1].Cells[0].String(), ": yes") && table.Rows[2].Cells[1].Value == -0.125
		case "not-run":
			notRun = len(table.Rows) == 1 && table.Rows[0].Cells[2].String() == "Nothing varies"
		}
	}
	if !subgroups || !notRun {
		t.Errorf("subgroups %v, not run %v", subgroups, notRun)
	}
	// A report of a plan that asks for nothing has none of it.
	for _, table := range build(t, sample.Input()).Tables() {
		if table.ID == "robustness" || table.ID == "subgroups" || table.ID == "not-run" {
			t.Errorf("table %s in a report without it", table.ID)
		}
	}
}
