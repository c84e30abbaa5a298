package main

import (
	"context"
	"fmt"

	"github.com/spf13/cobra"

	"evenhand/trial"
	"evenhand/trial/conduct"
)

func (a *app) reportErrorCommand() *cobra.Command {
	var school, note, on string
	var kind choice
	c := command("report-error --school ID --kind KIND --note TEXT", "Record that something went wrong at or after the draw",
		`Record the truth where something went wrong. The draw is accepted all the same: the school stays in
the arm it was drawn into and in the analysis, nothing is drawn again, and the report lists the
error. That keeps the comparison fair (Yelland and others, Clinical Trials 2018;15:278).

  wrong-stratum       it was drawn within a stratum it does not belong to
  ineligible          it did not keep a rule when it was drawn
  told-wrong-arm      it was told an arm that it was not drawn into
  received-other-arm  it got what another arm was to get
  other               anything else`,
		`evenhand draw report-error --school 104233 --kind wrong-stratum --note "its KS2 results were another school's"
evenhand draw report-error --school 104233 --kind told-wrong-arm --note "the letter said control" --on 2027-01-20`, noArgs,
		func(ctx context.Context, _ []string) error {
			switch {
			case school == "":
				return usagef("--school is missing: of which school?")
			case kind.value == "":
				return usagef("--kind is missing: one of wrong-stratum, ineligible, told-wrong-arm, received-other-arm, other")
			case note == "":
				return usagef("--note is missing: what is true?")
			}
			e := trial.DrawError{School: school, Kind: trial.ErrorKind(kind.value), Note: note}
			if on != "" {
				d, err := trial.ParseDate(on)
				if err != nil {
					return usageError{fmt.Errorf("--on: %w", err)}
				}
				e.On = d
			}
			return a.withTrial(ctx, true, func(t *conduct.Trial) error {
				seq, err := t.ReportError(ctx, e)
				if err != nil {
					return err
				}
				return a.print(struct {
					Error  int    `json:"error"`
					School string `json:"school"`
					Kind   string `json:"kind"`
					Means  string `json:"means"`
				}{seq, school, kind.value, e.Kind.Means()}, func() {
					a.say("Error %d is recorded: school %s, %s.", seq, school, kind.value)
					a.say("The draw stands: %s.", e.Kind.Means())
				})
			})
		})
	c.Flags().StringVar(&school, "school", "", "the school's ID")
	addChoice(c, &kind, "kind", "", "what went wrong", "wrong-stratum", "ineligible", "told-wrong-arm", "received-other-arm", "other")
	c.Flags().Var(textFlag{&note}, "note", "what is true, in a line")
	c.Flags().StringVar(&on, "on", "", "the day it was found (default: today)")
	return c
}

func (a *app) annulCommand() *cobra.Command {
	var why, confirmedBy string
	c := command("annul --why TEXT --confirmed-by NAME", "Declare the draw void: by two people, with a reason, for ever",
		"Declare the trial's one draw void. It takes two people and a reason, and is a new entry of the\nledger: the draw stays as it was made, and everybody can see it. There is no undo, no swap and no\nsecond draw: a trial that draws anew is a new trial, with a roster and a commitment of its own.",
		"evenhand draw annul --why \"the roster held another trial's schools\" --confirmed-by \"B. Statistician\"", noArgs,
		func(ctx context.Context, _ []string) error {
			if why == "" || confirmedBy == "" {
				return usagef("draw annul needs --why and --confirmed-by: a reason, and a second person")
			}
			return a.withTrial(ctx, true, func(t *conduct.Trial) error {
				n, err := t.AnnulDraw(ctx, why, confirmedBy)
				if err != nil {
					return err
				}
				return a.print(struct {
					At          string `json:"at"`
					By          string `json:"by"`
					ConfirmedBy string `json:"confirmed_by"`
					Why         string `json:"why"`
				}{n.At.Format("2006-01-02T15:04:05Z"), n.Actor, n.ConfirmedBy, n.Why}, func() {
					a.say("The draw is annulled, by %s and %s. It stays in the record as it was made.", n.Actor, n.ConfirmedBy)
				})
			})
		})
	c.Flags().Var(textFlag{&why}, "why", "the reason")
	c.Flags().Var(textFlag{&confirmedBy}, "confirmed-by", "the second person")
	return c
}
