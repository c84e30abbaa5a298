package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"evenhand/analysis"
	"evenhand/analysis/attrition"
	"evenhand/analysis/power"
	"evenhand/trial"
	"evenhand/trial/conduct"
)

func (a *app) attritionCommand() *cobra.Command {
	status := command("status", "Who was randomised and lost so far, and what that means",
		"Attrition of schools and pupils as the records stand: overall, differential, against the What Works\nClearinghouse's boundaries (schools first, then pupils of the schools that stayed) and in the EEF's\nbands; how many more may leave before a boundary is crossed; by reason, stage, stratum, community and\nday. Before the plan is run, those count as lost who withdrew from data\ncollection or of whom it is on record why they have no score; others are waited for.",
		"evenhand attrition status\nevenhand attrition status --format json", noArgs,
		a.reading(func(ctx context.Context, t *conduct.Trial) error {
			s, err := t.Snapshot(ctx)
			if err != nil {
				return err
			}
			if s.Draw == nil {
				return withHint(errors.New("nobody has been randomised yet"), "attrition begins with the draw")
			}
			return a.attrition(t, s)
		}))
	return group("attrition", "Who was lost, and what it means", status, a.assessCommand())
}

type attritionJSON struct {
	AsOf string          `json:"as_of"` // "analysis", "scores so far" or "withdrawals so far"
	Flow []trial.ArmFlow `json:"flow"`
	// The assessment of those whom the outcomes belong to, its padlocks with the
	// MDES at randomisation; left out with more than two arms.
	*attrition.Assessment
	Levels map[string]attrition.Assessment `json:"levels"` // "schools", "pupils"; with two arms only
	*attrition.Status
}

func (a *app) attrition(t *conduct.Trial, s conduct.Snapshot) error {
	out := attritionJSON{AsOf: "analysis", Flow: s.Flow.Arms, Levels: map[string]attrition.Assessment{}, Status: s.Attrition}
	if s.Last == nil {
		out.AsOf = "withdrawals so far"
		for _, x := range s.Records.Scores {
			if x.Measure == t.Protocol.PrimaryOutcome().ID {
				out.AsOf = "scores so far"
			}
		}
	}
	schoolsOnly := t.Protocol.Trial.Measured == "schools"
	if len(s.Flow.Arms) == 2 {
		control := t.Protocol.ControlArm()
		for _, level := range []struct {
			name string
			of   func(trial.ArmFlow) trial.LevelFlow
		}{{"schools", func(f trial.ArmFlow) trial.LevelFlow { return f.Schools }}, {"pupils", func(f trial.ArmFlow) trial.LevelFlow { return f.Pupils }}} {
			arm := func(i int) attrition.Arm {
				f := level.of(s.Flow.Arms[i])
				analysed := f.Analysed
				for _, l := range f.Lost {
					if l.What == conduct.NotCollected || l.What == conduct.NotAnalysed {
						analysed += l.N // they wait; they are not lost
					}
				}
				return attrition.Arm{Label: s.Flow.Arms[i].Arm, Randomised: f.Randomised, Analysed: analysed}
			}
			if level.name == "pupils" && schoolsOnly {
				continue
			}
			assessed, err := attrition.Assess(arm(1-control), arm(control))
			if err != nil {
				return err
			}
			for _, d := range s.Detectable {
				if d.Stage == power.AtRandomisation && d.Group == power.Overall && d.MDES != nil {
					if assessed, err = assessed.WithMDES(d.MDES.Exact); err != nil {
						return err
					}
				}
			}
			out.Levels[level.name] = assessed
			out.Assessment = &assessed
		}
	}
	return a.print(out, func() { a.showAttrition(out, schoolsOnly) })
}

func (a *app) showAttrition(out attritionJSON, schoolsOnly bool) {
	a.say("as of: %s", out.AsOf)
	rows := [][]string{{"arm", "level", "randomised", "analysed", "lost", "why"}}
	for _, f := range out.Flow {
		for _, l := range []struct {
			name string
			n    trial.LevelFlow
		}{{"schools", f.Schools}, {"pupils", f.Pupils}} {
			if l.name == "pupils" && schoolsOnly {
				continue
			}
			lost := 0
			var why []string
			for _, c := range l.n.Lost {
				lost += c.N
				why = append(why, fmt.Sprintf("%d %s", c.N, c.What))
			}
			rows = append(rows, []string{f.Arm, l.name, fmt.Sprint(l.n.Randomised), fmt.Sprint(l.n.Analysed), fmt.Sprint(lost), strings.Join(why, "; ")})
		}
	}
	a.table(rows)
	for _, name := range []string{"schools", "pupils"} {
		if l, ok := out.Levels[name]; ok {
			a.say("%s: overall %.1f %%, differential %.1f points: %s (What Works Clearinghouse)", name, 100*l.Overall, 100*l.Differential, verdict(l.WWC.Cautious.Low, l.WWC.Optimistic.Low))
		}
	}
	st := out.Status
	if s := st.Steps; s != nil {
		if !schoolsOnly {
			l := s.Pupils
			a.say("pupils of schools that stayed: overall %.1f %%, differential %.1f points: %s", 100*l.Overall, 100*l.Differential, verdict(l.WWC.Cautious.Low, l.WWC.Optimistic.Low))
			a.say("both steps, schools and then these pupils: %s", verdict(s.LowCautious, s.LowOptimistic))
		}
		a.showMargins("schools", "school", st.Margins.Schools)
		if !schoolsOnly {
			a.showMargins("pupils of schools that stayed", "pupil", st.Margins.Pupils)
		}
	}
	if out.Assessment != nil {
		a.showPadlocks(out.EEF)
	}
	if out.Assessment == nil || out.Overall == 0 {
		return
	}
	rows = [][]string{{"lost", "arm", "schools", "pupils"}}
	for _, stage := range st.Stages {
		for _, arm := range stage.Arms {
			if arm.Pupils > 0 {
				rows = append(rows, []string{stage.Stage, arm.Arm, fmt.Sprint(arm.Schools), fmt.Sprint(arm.Pupils)})
			}
		}
	}
	a.table(rows)
	for _, part := range []struct {
		name   string
		groups []attrition.Group
	}{{"stratum", st.Strata}, {"community", st.Groups}} {
		lost := attrition.Lost(part.groups)
		if len(part.groups) < 2 || len(lost) == 0 {
			continue
		}
		const most = 5
		rows := [][]string{{part.name + ", those that lost most first", "randomised", "lost", "share"}}
		for i, g := range lost {
			if i == most {
				rows = append(rows, []string{fmt.Sprintf("and %d more", len(lost)-most), "", "", ""})
				break
			}
			n, gone := 0, 0
			for _, c := range g.Arms {
				n += c.PupilsRandomised
				gone += c.PupilsRandomised - c.PupilsUsed
			}
			rows = append(rows, []string{g.Label, fmt.Sprint(n), fmt.Sprint(gone), fmt.Sprintf("%.1f %%", 100*float64(gone)/float64(n))})
		}
		a.table(rows)
	}
	if st.Timeline == nil {
		return
	}
	for _, level := range []struct {
		name    string
		moments []attrition.Moment
	}{{"schools", st.Timeline.Schools}, {"pupils", st.Timeline.Pupils}} {
		if level.name == "pupils" && schoolsOnly {
			continue
		}
		for _, m := range level.moments {
			for _, line := range m.Crossed {
				a.say("%s crossed the %s boundary on %s", level.name, line, m.When)
			}
		}
	}
}

func verdict(cautious, optimistic bool) string {
	switch {
	case cautious:
		return "low on the cautious boundary"
	case optimistic:
		return "low on the optimistic boundary only"
	}
	return "high on both boundaries"
}

// showMargins says how many more may be lost on each line.
func (a *app) showMargins(level, unit string, m attrition.LineMargins) {
	for _, line := range []struct {
		name    string
		margins []attrition.Margin
	}{{"cautious", m.Cautious}, {"optimistic", m.Optimistic}} {
		for _, x := range line.margins {
			switch {
			case !x.OK:
				a.say("  %s, %s boundary: crossed already", level, line.name)
			case x.Spare+1 < x.Left:
				a.say("  if %s of the %s arm %s lost and nobody else, the %s boundary is crossed", more(x.Spare+1, unit), x.Arm, are(x.Spare+1), line.name)
			default:
				a.say("  %s, %s boundary: not crossed whatever the %s arm loses, down to its last %s", level, line.name, x.Arm, unit)
			}
			if !x.OK {
				break
			}
		}
	}
}

// more is "1 more school", "4 more schools".
func more(n int, unit string) string {
	return strings.Replace(count(n, unit), " ", " more ", 1)
}

func are(n int) string {
	if n == 1 {
		return "is"
	}
	return "are"
}

func (a *app) showPadlocks(e attrition.EEF) {
	mdes := ""
	if e.MDES != nil {
		mdes = fmt.Sprintf(", MDES %d", *e.MDES)
	}
	a.say("initial EEF rating: %s (design %d, attrition %d%s); the final rating is a named reviewer's", count(e.Padlocks, "padlock"), e.Design, e.Attrition, mdes)
	a.say("  %s", e.Rule)
}

// biasFlags are the terms of the model behind the Clearinghouse's lines.
type biasFlags struct{ treated, control, limit float64 }

// biasModel is what that model says of two arms: never the rule, which is the
// table.
type biasModel struct {
	Label    string   `json:"label"`
	AlphaT   float64  `json:"alpha_treated"`
	AlphaC   float64  `json:"alpha_control"`
	Limit    float64  `json:"limit"`
	Bias     float64  `json:"bias"`     // in SDs, with these rates of attrition
	Boundary *float64 `json:"boundary"` // of the differential at this overall attrition; null where the limit is met or missed whatever the differential
	Low      bool     `json:"low"`      // whether |bias| is within the limit
}

func modelled(l attrition.Assessment, f biasFlags) (*biasModel, error) {
	if !(f.limit > 0) || !(f.treated >= 0 && f.treated < 1 && f.control >= 0 && f.control < 1) {
		return nil, usagef("--limit must be above 0, --alpha-treated and --alpha-control correlations in [0,1)")
	}
	m := attrition.BiasModel{AlphaTreated: f.treated, AlphaControl: f.control, Limit: f.limit}
	t, c := l.Arms[0], l.Arms[1]
	out := &biasModel{Label: "a model, not the Clearinghouse's rule: with its published correlations it is stricter than the table", AlphaT: f.treated, AlphaC: f.control, Limit: f.limit}
	if t.Attrition == 1 || c.Attrition == 1 {
		return nil, errors.New("the model says nothing of an arm of which nobody is left")
	}
	out.Bias = m.Bias(t.Attrition, c.Attrition)
	out.Low = out.Bias <= f.limit && out.Bias >= -f.limit
	if l.Overall > 0 {
		share := float64(t.Randomised) / float64(t.Randomised+c.Randomised)
		b, ok, err := m.Boundary(l.Overall, share, t.Attrition < c.Attrition)
		if err != nil {
			return nil, err
		}
		if ok {
			out.Boundary = &b
		}
	}
	return out, nil
}

func (a *app) showModel(m *biasModel) {
	low := "within"
	if !m.Low {
		low = "beyond"
	}
	a.say("model: expected bias %.3f SD, %s the limit of %v (%s)", m.Bias, low, m.Limit, m.Label)
	if m.Boundary != nil {
		a.say("  at this overall attrition the model allows a differential of %.1f points", 100**m.Boundary)
	}
}

// armsGone warns of arms of which nobody is left.
func armsGone(arms ...attrition.Arm) []analysis.Warning {
	out := []analysis.Warning{}
	for _, arm := range arms {
		if arm.Analysed == 0 {
			out = append(out, analysis.Warning{Code: "arm-gone", Text: fmt.Sprintf("nobody is left in the %s arm: there is nothing to compare, whatever the rates say", arm.Label)})
		}
	}
	return out
}
