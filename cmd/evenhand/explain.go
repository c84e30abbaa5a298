package main

import (
	"context"
	"errors"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"evenhand/reports"
	"evenhand/trial/conduct"
)

func (a *app) explainCommand() *cobra.Command {
	var outcome, arm string
	c := command("explain", "Say how an estimate came about, and how to get it with R and Stata",
		"For one estimate of the last run of the plan: the formula, its inputs at full precision, where the\nformula comes from, and the lines of R and of Stata that give the same figures from the data of the\naudit bundle (`evenhand audit export` writes it).",
		"evenhand analysis explain\nevenhand analysis explain --outcome ks2_gps --arm rlc --format json", noArgs,
		a.reading(func(ctx context.Context, t *conduct.Trial) error {
			s, err := t.Snapshot(ctx)
			if err != nil {
				return err
			}
			if s.Last == nil {
				return withHint(errors.New("the plan has not been run under the arms' names yet"), "`evenhand analysis unblind`, then `evenhand analysis run`")
			}
			at := 0
			if outcome != "" {
				var names []string
				for _, r := range s.Last.Results {
					names = append(names, r.Plan.Outcome)
				}
				if at = slices.Index(names, outcome); at < 0 {
					return usagef("--outcome: the last run has no outcome %q; it has %s", outcome, strings.Join(names, ", "))
				}
			}
			r := s.Last.Results[at]
			k := 0
			if arm != "" {
				var names []string
				for _, c := range r.Contrasts {
					names = append(names, c.Arm)
				}
				if k = slices.Index(names, arm); k < 0 {
					return usagef("--arm: no arm %q is compared with the control arm; there is %s", arm, strings.Join(names, ", "))
				}
			}
			out, err := reports.Explain(r, k)
			if err != nil {
				return err
			}
			out.Digest = s.Last.DataDigest
			return a.print(out, func() { a.showExplained(out) })
		}))
	c.Flags().StringVar(&outcome, "outcome", "", "the outcome's ID (default: the primary)")
	c.Flags().StringVar(&arm, "arm", "", "the arm, where there are several (default: the first)")
	return c
}

func (a *app) showExplained(out *reports.Explanation) {
	full := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	a.say("%s: %s vs %s", out.Outcome, out.Arm, out.Against)
	a.say("%d of %d pupils, %d of %d schools; data: %s", out.Counts.PupilsUsed, out.Counts.PupilsRandomised, out.Counts.SchoolsUsed, out.Counts.SchoolsRandomised, strings.Join(out.Data, ", "))
	for _, p := range out.Parts {
		a.say("\n%s = %s", p.What, full(p.Value))
		a.say("  %s", p.Formula)
		for _, in := range p.Inputs {
			a.say("    %s = %s", in.Name, full(in.Value))
		}
		a.say("  source: %s", p.Source)
	}
	a.say("\nR, in the folder of the unpacked bundle:")
	for _, line := range out.R {
		a.say("  %s", line)
	}
	a.say("\nStata:")
	for _, line := range out.Stata {
		a.say("  %s", line)
	}
	for _, n := range out.Notes {
		a.say("\n%s", n)
	}
}
