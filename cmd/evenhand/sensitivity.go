package main

import (
	"fmt"
	"strings"

	"evenhand/analysis"
	"evenhand/analysis/missing"
	"evenhand/analysis/permute"
	"evenhand/analysis/robust"
	"evenhand/analysis/sap"
)

// showBeside prints what the plan asks for beside the estimate.
func (a *app) showBeside(r sap.Results) {
	if t := r.Randomisation; t != nil {
		for _, c := range r.Contrasts {
			if p, ok := t.Of(c.Arm, permute.Difference); ok {
				a.say("  randomisation test, %s vs %s: p = %.4f by %s of the trial's own design", p.Arm, p.Against, p.P, count(t.Redraws, "redraw"))
			}
		}
		if t.Interval != nil {
			a.say("    shifts not rejected: %.4f to %.4f", t.Interval.Low, t.Interval.High)
		}
	}
	if j := r.Adjusted; j != nil {
		for _, p := range j.Contrasts {
			a.say("  p adjusted for %s of secondary outcomes (%s), %s vs %s: %.4f", count(j.Tests, "test"), j.Method, p.Arm, p.Against, p.Adjusted)
		}
	}
	estimate := func(e analysis.Estimate) string {
		return fmt.Sprintf("%.4f (%.4f to %.4f), p = %.3g", e.Value, e.Interval.Low, e.Interval.High, e.P)
	}
	for _, c := range r.PlainClusters {
		a.say("  as if communities made no difference, %s vs %s: effect size %s", c.Arm, c.Against, estimate(c.EffectSize))
	}
	for _, s := range r.Subgroups {
		for _, e := range s.Within {
			a.say("  %s %s, %s vs %s: effect size %s", s.Variable, e.Value, e.Arm, e.Against, estimate(e.EffectSize))
		}
		for _, e := range s.Interactions {
			a.say("  interaction with %s, %s vs %s: difference %s", s.Variable, e.Arm, e.Against, estimate(e.Difference))
		}
	}
	a.showMissingNote(r)
	if c := r.Compliance; c != nil {
		for _, arm := range c.Arms {
			a.say("  took part (at least %d of %d sessions), %s: %d of %s; %.2f sessions on average", c.Rule.AtLeast, c.Rule.Sessions, arm.Arm, arm.Compliers, count(arm.Schools, "school"), arm.Mean)
		}
		a.say("  effect of taking part (CACE): effect size %s; first-stage F %.1f", estimate(c.CACE.EffectSize), c.CACE.FirstStage.F)
		if set := c.CACE.AndersonRubin; set.Kind == robust.BoundedSet {
			a.say("    Anderson-Rubin interval of the difference: %.4f to %.4f", set.Low, set.High)
		} else {
			a.say("    Anderson-Rubin set of the difference: %s", set.Kind)
		}
		if b := c.CACE.Bloom; b.Compliance != 0 {
			a.say("    by Bloom: difference %.4f = %.4f drawn / %.4f in taking part; SE %.4f (ignoring the first stage %.4f)", b.Estimate, b.Effect, b.Compliance, b.SEDelta, b.SEIgnoring)
		}
		if w := c.CACE.WuHausman; w != nil {
			a.say("    Wu-Hausman, that those who took part are like the others: F(%.0f, %.1f) = %.3f, p = %.3f", w.DF1, w.DF2, w.F, w.P)
		}
		if e := c.PerSession; e != nil {
			a.say("    of each session: difference %s", estimate(e.Difference))
		}
		if e := c.DoseResponse; e != nil {
			a.say("    among schools of the intervention arm, for each session more (not experimental): %s", estimate(*e))
		}
		for _, w := range c.Warnings {
			a.say("    warning (%s): %s", w.Code, w.Text)
		}
	}
	for _, n := range r.NotRun {
		a.say("  not run: %s: %s", n.What, n.Why)
	}
}

func (a *app) showMissingNote(r sap.Results) {
	m := r.Missing
	if m == nil {
		return
	}
	for _, v := range m.Variables {
		if v.Missing > 0 {
			a.say("  missing: %s %d (%.1f %%)", v.Name, v.Missing, 100*v.Share)
		}
	}
	pooled := func(p missing.Pooled) string {
		return fmt.Sprintf("%.4f (%.4f to %.4f), p = %.3g", p.Estimate, p.Interval.Low, p.Interval.High, p.P)
	}
	if i := m.Imputation; i != nil {
		for _, c := range i.Contrasts {
			a.say("    %d imputations, %s vs %s: effect size %s", i.Imputations, c.Arm, c.Against, pooled(c.EffectSize))
		}
		if c := i.ICC; c != nil {
			a.say("    ICC of the empty model, pooled: %.4f (%.4f to %.4f)", c.Estimate, c.Interval.Low, c.Interval.High)
		}
		if j := i.Joint; j != nil {
			a.say("    all arms at once (D1): F(%.0f, %.1f) = %.3f, p = %.3g", j.DF1, j.DF2, j.F, j.P)
		}
		a.say("    sampler: %s, %d burn-in, %d between imputations; R-hat at most %.3f; prior: %s", count(i.Chains, "chain"), i.BurnIn, i.Between, i.RHat, i.Prior)
		for _, w := range i.Warnings {
			a.say("    warning (%s): %s", w.Code, w.Text)
		}
	} else if m.Largest > 0 && r.Plan.Missing != nil && r.Plan.Missing.Imputations == 0 {
		a.say("    imputation is not planned for this outcome")
	} else if m.Largest > 0 && !m.Indicated {
		a.say("    not above the plan's threshold for imputation")
	}
	for _, x := range m.Reference {
		a.say("    those lost from %s by %s: difference %s", x.Arm, strings.ReplaceAll(string(x.Assumption), "-", " "), pooled(x.Difference))
	}
	for _, d := range m.Delta {
		found := false
		for _, t := range d.Tipping {
			if t.Found {
				found = true
				a.say("    imputed scores of %s shifted by %.3f: the conclusion changes (p = %.3g)", d.Arm, t.Delta, t.At.P)
			}
		}
		if !found && len(d.Tipping) == 2 {
			a.say("    imputed scores of %s shifted by %.3f to %.3f: the conclusion stays", d.Arm, d.Tipping[0].To, d.Tipping[1].To)
		}
	}
	for _, b := range m.Bounds {
		if b.Lee != nil {
			a.say("    Lee bounds of the difference of means, %s vs %s: %.4f to %.4f", b.Arm, b.Against, b.Lee.Low, b.Lee.High)
		}
		if b.Range != nil {
			a.say("    with any scores in the outcome's range: %.4f to %.4f", b.Range.Low, b.Range.High)
		}
	}
	if w := m.Weighted; w != nil {
		for _, c := range w.Contrasts {
			a.say("    weighted by the inverse probability of being analysed, %s vs %s: difference %.4f (%.4f to %.4f)", c.Arm, c.Against, c.Difference.Value, c.Difference.Interval.Low, c.Difference.Interval.High)
		}
	}
}
