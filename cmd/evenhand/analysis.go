package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"evenhand/analysis"
	"evenhand/analysis/attrition"
	"evenhand/analysis/sap"
	"evenhand/trial"
	"evenhand/trial/conduct"
)

func (a *app) analysisCommand() *cobra.Command {
	run := command("run", "Run the protocol's plan and keep its results",
		"Run the statistical analysis plan of the protocol on everybody randomised, and keep the results at\nfull precision with the digests of plan and data in the ledger. The plan may be run again when data\nwere corrected; every run stays in the record.",
		"evenhand analysis run", noArgs,
		a.writing(func(ctx context.Context, t *conduct.Trial, _ []string) error {
			r, err := t.Analyse(ctx)
			if err != nil {
				if errors.Is(err, conduct.ErrNoScores) {
					return withHint(err, "`evenhand outcome import` stores them")
				}
				return err
			}
			return a.printRun(r)
		}))
	show := command("show", "Show the results of the last run of the plan", "", "evenhand analysis show\nevenhand analysis show --format json", noArgs,
		a.reading(func(ctx context.Context, t *conduct.Trial) error {
			s, err := t.Snapshot(ctx)
			if err != nil {
				return err
			}
			if s.Last == nil {
				return withHint(errors.New("the plan has not been run yet"), "`evenhand analysis run`")
			}
			return a.printRun(*s.Last)
		}))
	return group("analysis", "Estimates: run the plan, or fit a model to any CSV file", run, show, a.fitCommand(), a.compareCommand(), a.explainCommand(), a.simulateCommand())
}

func (a *app) printRun(r conduct.Run) error {
	return a.print(struct {
		Run     int           `json:"run"`
		Data    string        `json:"data"`
		Digest  string        `json:"digest"`
		Results []sap.Results `json:"results"`
	}{r.Run, r.DataDigest, r.Digest, r.Results}, func() {
		for _, o := range r.Results {
			a.showResults(o)
		}
		a.say("results %s, data %s (digests)", r.Digest[:16], r.DataDigest[:16])
	})
}

func (a *app) showResults(r sap.Results) {
	a.say("%s (%s): %s", r.Plan.Label, r.Plan.Role, r.Fit.Method)
	if r.Plan.Model != "linear" { // there schools are the rows
		a.say("  pupils: %d randomised = %d analysed%s", r.Counts.PupilsRandomised, r.Counts.PupilsUsed, losses(r.Counts.PupilsLost))
	}
	a.say("  schools: %d randomised = %d analysed%s", r.Counts.SchoolsRandomised, r.Counts.SchoolsUsed, losses(r.Counts.SchoolsLost))
	rows := [][]string{{"  ", "estimate", "SE", "df", "p", fmt.Sprintf("%.6g %% interval", 100*r.Plan.Level)}}
	line := func(name string, e analysis.Estimate) {
		df := "–"
		if e.DF > 0 {
			df = fmt.Sprintf("%.1f", e.DF)
		}
		rows = append(rows, []string{"  " + name, fmt.Sprintf("%.4f", e.Value), fmt.Sprintf("%.4f", e.SE), df, fmt.Sprintf("%.3f", e.P), fmt.Sprintf("%.4f to %.4f", e.Interval.Low, e.Interval.High)})
	}
	for _, c := range r.Contrasts {
		line(fmt.Sprintf("%s vs %s, adjusted difference", c.Arm, c.Against), c.Difference)
		line(fmt.Sprintf("effect size (%s SD %.3f)", c.EffectSize.Scale, c.EffectSize.SD), c.EffectSize)
	}
	a.table(rows)
	for _, i := range r.ICC {
		a.say("  ICC %s, %s model: %.4f", i.Level, i.Model, i.Value)
	}
	a.showBeside(r)
	for _, w := range r.Warnings {
		a.say("  warning (%s): %s", w.Code, w.Text)
	}
}

func losses(all []analysis.Loss) string {
	var b strings.Builder
	for _, l := range all {
		fmt.Fprintf(&b, " + %d %s", l.N, l.Reason)
	}
	return b.String()
}

func (a *app) attritionCommand() *cobra.Command {
	status := command("status", "Who was randomised and lost so far, and what that means",
		"Attrition of schools and pupils as the records stand: overall, differential, and against the What\nWorks Clearinghouse's boundaries. Before the outcomes are in, those count as lost who withdrew from\ndata collection.",
		"evenhand attrition status", noArgs,
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
	AsOf   string                          `json:"as_of"` // "analysis" or "withdrawals so far"
	Flow   []trial.ArmFlow                 `json:"flow"`
	Levels map[string]attrition.Assessment `json:"levels"` // "schools", "pupils"; with two arms only
}

func (a *app) attrition(t *conduct.Trial, s conduct.Snapshot) error {
	out := attritionJSON{AsOf: "analysis", Flow: s.Flow.Arms, Levels: map[string]attrition.Assessment{}}
	if s.Last == nil {
		out.AsOf = "withdrawals so far"
	}
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
					if l.What == conduct.NotCollected {
						analysed += l.N // they wait; they are not lost
					}
				}
				return attrition.Arm{Label: s.Flow.Arms[i].Arm, Randomised: f.Randomised, Analysed: analysed}
			}
			if level.name == "pupils" && t.Protocol.Trial.Measured == "schools" {
				continue
			}
			assessed, err := attrition.Assess(arm(1-control), arm(control))
			if err != nil {
				return err
			}
			out.Levels[level.name] = assessed
		}
	}
	return a.print(out, func() {
		a.say("as of: %s", out.AsOf)
		rows := [][]string{{"arm", "level", "randomised", "analysed", "lost", "why"}}
		for _, f := range out.Flow {
			for _, l := range []struct {
				name string
				n    trial.LevelFlow
			}{{"schools", f.Schools}, {"pupils", f.Pupils}} {
				if l.name == "pupils" && t.Protocol.Trial.Measured == "schools" {
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
			l, ok := out.Levels[name]
			if !ok {
				continue
			}
			verdict := "high on both boundaries"
			switch {
			case l.WWC.Cautious.Low:
				verdict = "low on the cautious boundary"
			case l.WWC.Optimistic.Low:
				verdict = "low on the optimistic boundary only"
			}
			a.say("%s: overall %.1f %%, differential %.1f points: %s (What Works Clearinghouse)", name, 100*l.Overall, 100*l.Differential, verdict)
		}
	})
}
