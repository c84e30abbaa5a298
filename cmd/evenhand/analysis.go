package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"github.com/spf13/cobra"

	"evenhand/analysis"
	"evenhand/analysis/sap"
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
