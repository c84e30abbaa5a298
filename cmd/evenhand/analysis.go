package main

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"evenhand/analysis"
	"evenhand/analysis/sap"
	"evenhand/trial"
	"evenhand/trial/conduct"
	"evenhand/trial/store"
)

func (a *app) analysisCommand() *cobra.Command {
	show := command("show", "Show the results of the last run of the plan",
		"Show the results of the last run of the plan: the blind run until the analysis is unblinded.",
		"evenhand analysis show\nevenhand analysis show --format json", noArgs,
		a.reading(func(ctx context.Context, t *conduct.Trial) error {
			run, err := t.LastRun(ctx)
			if errors.Is(err, conduct.ErrNotRunSince) {
				return withHint(err, "`evenhand analysis run`")
			}
			if err != nil {
				return err
			}
			if run == nil {
				return withHint(errors.New("the plan has not been run yet"), "`evenhand analysis run`")
			}
			return a.printRun(*run)
		}))
	return group("analysis", "Estimates: run the plan, or fit a model to any CSV file", a.runCommand(), show, a.rehearseAnalysisCommand(), a.unblindCommand(), a.fitCommand(), a.compareCommand(), a.explainCommand(), a.simulateCommand(), a.networkCommand(), a.roomPackCommand(), a.roomReturnCommand())
}

func (a *app) runCommand() *cobra.Command {
	var changed, exploratory string
	var x trial.Exploration
	c := command("run", "Run the protocol's plan and keep its results",
		"Run the statistical analysis plan of the protocol on everybody randomised, and keep the results at\nfull precision with the digests of plan and data in the ledger. Every run stays in the record.\n\nUntil `evenhand analysis unblind` the arms are letters: A is not always the control arm, and whatever\nwould tell them apart is left out (sizes, means, balance and losses of each arm, communities, sessions).\nAfter it, a run on a plan or on data that changed since needs --changed and its reason, and stays\nlabelled so.\n\n--exploratory runs something that is not in the plan: one outcome, as the plan has it but for the flags\ngiven. It is labelled exploratory, and stays in the report's annex and in the audit bundle.",
		"evenhand analysis run\nevenhand analysis run --changed \"12 scores were marked again\"\nevenhand analysis run --exploratory \"the referee asks for it without the baseline\" --covariates strata", noArgs,
		nil)
	flags := c.Flags()
	flags.Var(textFlag{&changed}, "changed", "why plan or data changed since the unblinding")
	flags.Var(textFlag{&exploratory}, "exploratory", "why something is run that is not in the plan")
	flags.StringVar(&x.Outcome, "outcome", "", "exploratory: the outcome's ID (default: the primary)")
	flags.StringVar(&x.Model, "model", "", "exploratory: the model, in the protocol's words")
	flags.StringSliceVar(&x.Covariates, "covariates", nil, "exploratory: baseline, strata, columns of the pupil file; \"\" for none")
	flags.StringVar(&x.DF, "df", "", "exploratory: the degrees of freedom, in the protocol's words")
	flags.StringVar(&x.EffectSize, "effect-size", "", "exploratory: the effect size, in the protocol's words")
	flags.StringSliceVar(&x.Subgroups, "subgroups", nil, "exploratory: yes/no columns of the pupil file")
	flags.IntVar(&x.Redraws, "redraws", 0, "exploratory: redraws of the randomisation test")
	c.RunE = func(cmd *cobra.Command, args []string) error {
		exploring := flags.Changed("exploratory")
		for _, name := range []string{"outcome", "model", "covariates", "df", "effect-size", "subgroups", "redraws"} {
			if flags.Changed(name) && !exploring {
				return withHint(usagef("--%s: the plan says this already", name), "what is not in the plan is run with --exploratory \"why\"")
			}
		}
		if exploring && flags.Changed("changed") {
			return usagef("--changed is of the plan, --exploratory of what is not in it: give one of them")
		}
		for _, name := range []string{"changed", "exploratory"} {
			if flags.Changed(name) && strings.TrimSpace(flags.Lookup(name).Value.String()) == "" {
				return usagef("--%s: say why; it stands in the record for ever", name)
			}
		}
		if flags.Changed("covariates") {
			x.Covariates = slices.DeleteFunc(append([]string{}, x.Covariates...), func(s string) bool { return s == "" })
		}
		return a.writing(func(ctx context.Context, t *conduct.Trial, _ []string) error {
			var r conduct.Run
			var err error
			if exploring {
				r, err = t.Explore(ctx, x, exploratory)
			} else {
				r, err = t.Analyse(ctx, changed)
			}
			var blind *conduct.NotUnblindedError
			var stale *conduct.ChangedError
			switch {
			case errors.Is(err, conduct.ErrNoScores):
				return withHint(err, "`evenhand outcome import` stores them; where they stay in a secure room, name the outcome with --room")
			case errors.As(err, &blind):
				return withHint(err, "`evenhand analysis unblind` locks plan and data, and then shows the arms' names; `analysis run` without flags runs the plan blind, `analysis rehearse` on arms drawn again")
			case errors.As(err, &stale):
				return withHint(err, "evenhand analysis run --changed \"why\"")
			case errors.Is(err, conduct.ErrUnchanged):
				return withHint(err, "leave out --changed")
			case err != nil:
				return err
			}
			return a.printRun(r)
		})(cmd.Context(), args)
	}
	return c
}

func (a *app) unblindCommand() *cobra.Command {
	var confirmedBy string
	var inRoom []string
	c := command("unblind", "Lock plan and data, and put the arms' names to the results from then on",
		"Record in the ledger the digests of the plan and of each outcome's data, and by whom. From then on\n`analysis run` shows the arms by name, and the bundle's check shows that no such estimate is older. It\ncannot be taken back. Where an outcome is collected later, giving the command again locks its data too.\n\n--room names an outcome whose scores stay in a secure room: its plan is locked, the data are locked by\nnobody here. `evenhand analysis room-pack` asks for it, since the pack has the arms' names.",
		"evenhand analysis unblind\nevenhand analysis unblind --confirmed-by \"B. Statistician\"\nevenhand analysis unblind --room ks2_reading", noArgs,
		a.writing(func(ctx context.Context, t *conduct.Trial, _ []string) error {
			locked, err := t.Unblind(ctx, confirmedBy, inRoom)
			if errors.Is(err, conduct.ErrNoScores) {
				return withHint(err, "`evenhand outcome import` stores them")
			}
			if err != nil {
				return err
			}
			type outcome struct {
				Outcome string `json:"outcome"`
				Data    string `json:"data"`
			}
			out := struct {
				Protocol    int       `json:"protocol"`
				Plan        string    `json:"plan"`
				Outcomes    []outcome `json:"outcomes"`
				By          string    `json:"by"`
				ConfirmedBy string    `json:"confirmed_by,omitempty"`
			}{locked[0].Protocol, locked[0].PlanDigest, nil, locked[0].Actor, confirmedBy}
			for _, u := range locked {
				out.Outcomes = append(out.Outcomes, outcome{u.Outcome, u.DataDigest})
			}
			return a.print(out, func() {
				a.say("unblinded by %s", people(out.By, confirmedBy))
				a.say("  plan    %s  (protocol version %d)", out.Plan[:16], out.Protocol)
				for _, o := range out.Outcomes {
					if o.Data == "" {
						a.say("  data    in a secure room  %s", o.Outcome)
						continue
					}
					a.say("  data    %s  %s", o.Data[:16], o.Outcome)
				}
				a.say("Locked (digests). `evenhand analysis run` now shows the arms by name.")
			})
		}))
	c.Flags().Var(textFlag{&confirmedBy}, "confirmed-by", "the second person, where the protocol asks for two")
	c.Flags().StringArrayVar(&inRoom, "room", nil, "an outcome whose scores stay in a secure room (may be given several times)")
	return c
}

// rehearsalMark is printed before and after a rehearsal's results.
const rehearsalMark = "*** REHEARSAL: on arms drawn again. These are no results: the trial's own arms had no part in them. ***"

func (a *app) rehearseAnalysisCommand() *cobra.Command {
	return command("rehearse", "Run the whole plan on arms drawn again: everything is tried, nothing is learnt",
		"Run the whole plan on the outcomes as they are and on arms drawn again by the trial's own design, from\nchance of the rehearsals' own domain; attendance goes with the schools drawn. What does not work shows\nnow. The results are marked, and kept nowhere; the ledger says that a rehearsal was held.",
		"evenhand analysis rehearse\nevenhand analysis rehearse --format json", noArgs,
		a.writing(func(ctx context.Context, t *conduct.Trial, _ []string) error {
			all, err := t.RehearseAnalysis(ctx)
			if errors.Is(err, conduct.ErrNoScores) {
				return withHint(err, "`evenhand outcome import` stores them")
			}
			if err != nil {
				return err
			}
			return a.print(struct {
				Rehearsal bool          `json:"rehearsal"`
				Mark      string        `json:"mark"`
				Results   []sap.Results `json:"results"`
			}{true, rehearsalMark, all}, func() {
				a.say("%s", rehearsalMark)
				for _, o := range all {
					a.showResults(o)
				}
				a.say("%s", rehearsalMark)
			})
		}))
}

// runLabel says what a run is, "" for the plan's own.
func runLabel(r conduct.Run) string {
	switch r.Kind {
	case store.BlindRun:
		return "BLIND: A and B are the arms, and it is not said which is which. Sizes, means, balance and losses of each arm are left out: they would tell. Whoever knows the arms of the schools can work it out from the data: this guards against seeing, not against looking."
	case store.ChangedRun:
		return fmt.Sprintf("CHANGED AFTER SEEING DATA (%s): %s", r.At.Format("2 January 2006"), r.Reason)
	case store.ExploratoryRun:
		return fmt.Sprintf("EXPLORATORY, not in the plan (%s): %s", r.At.Format("2 January 2006"), r.Reason)
	}
	return ""
}

func (a *app) printRun(r conduct.Run) error {
	return a.print(struct {
		Run     int           `json:"run"`
		Kind    store.RunKind `json:"kind"`
		Reason  string        `json:"reason,omitempty"`
		Data    string        `json:"data"`
		Digest  string        `json:"digest"`
		Results []sap.Results `json:"results"`
	}{r.Run, r.Kind, r.Reason, r.DataDigest, r.Digest, r.Results}, func() {
		if label := runLabel(r); label != "" {
			a.say("%s", label)
		}
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
		rows = append(rows, []string{"  " + name, fmt.Sprintf("%.4f", e.Value), fmt.Sprintf("%.4f", e.SE), df, fmt.Sprintf("%.3g", e.P), fmt.Sprintf("%.4f to %.4f", e.Interval.Low, e.Interval.High)})
	}
	for _, c := range r.Contrasts {
		line(fmt.Sprintf("%s vs %s, adjusted difference", c.Arm, c.Against), c.Difference)
		line(fmt.Sprintf("effect size (%s SD %.3f)", c.EffectSize.Scale, c.EffectSize.SD), c.EffectSize)
	}
	for _, c := range r.Pairs {
		line(fmt.Sprintf("%s vs %s, adjusted difference", c.Arm, c.Against), c.Difference)
		line(fmt.Sprintf("effect size (%s SD %.3f)", c.EffectSize.Scale, c.EffectSize.SD), c.EffectSize)
	}
	a.table(rows)
	if t := r.ArmsTest; t != nil {
		df2 := ""
		if t.DF2 > 0 {
			df2 = fmt.Sprintf(" and %.1f", t.DF2)
		}
		a.say("  all arms alike: F = %.4f with %.0f%s df, p = %.3g (%s)", t.F, t.DF1, df2, t.P, t.Method)
	}
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
