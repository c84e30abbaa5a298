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
	var outcome, arm, estimate string
	var run int
	c := command("explain", "Say how an estimate came about, and how to get it with R and Stata",
		"For one estimate of the last run of the plan, or of another run, such as an exploratory one: the\nformula, its inputs at full precision, where the formula comes from, and the lines of R and of Stata\nthat give the same figures from the data of the audit bundle (`evenhand audit export`\nwrites it), or why no lines can. What is printed ends with the names of all estimates.",
		"evenhand analysis explain\nevenhand analysis explain --outcome ks2_gps --arm rlc --format json\nevenhand analysis explain --estimate imputed\nevenhand analysis explain --run 3", noArgs,
		a.reading(func(ctx context.Context, t *conduct.Trial) error {
			s, err := t.Snapshot(ctx)
			if err != nil {
				return err
			}
			last := s.Last
			if run != 0 {
				i := slices.IndexFunc(s.Beside, func(r conduct.Run) bool { return r.Run == run })
				switch {
				case i >= 0:
					last = &s.Beside[i]
				case last == nil || last.Run != run:
					return usagef("--run: no run %d was made under the arms' names; `evenhand ledger show` has the numbers", run)
				}
			}
			if last == nil {
				return withHint(errors.New("the plan has not been run under the arms' names yet"), "`evenhand analysis unblind`, then `evenhand analysis run`")
			}
			at := 0
			if outcome != "" {
				var names []string
				for _, r := range last.Results {
					names = append(names, r.Plan.Outcome)
				}
				if at = slices.Index(names, outcome); at < 0 {
					return usagef("--outcome: the last run has no outcome %q; it has %s", outcome, strings.Join(names, ", "))
				}
			}
			r := last.Results[at]
			all := reports.Explainables(r)
			named := slices.DeleteFunc(slices.Clone(all), func(e reports.Explainable) bool { return e.Name != estimate })
			if len(named) == 0 {
				return usagef("--estimate: %s has no estimate %q; it has %s", r.Plan.Outcome, estimate, strings.Join(reports.Names(all), "; "))
			}
			if arm != "" {
				var names []string
				for _, e := range named {
					names = append(names, e.Arm)
				}
				if named = slices.DeleteFunc(named, func(e reports.Explainable) bool { return e.Arm != arm }); len(named) == 0 {
					return usagef("--arm: no arm %q is compared with the control arm; there is %s", arm, strings.Join(names, ", "))
				}
			}
			out, err := named[0].Explain()
			if err != nil {
				return err
			}
			out.Run, out.Kind, out.Others = last.Run, string(last.Kind), reports.Names(all)
			if s.Last == nil || last.DataDigest != s.Last.DataDigest {
				out.Notes = append(out.Notes, "The bundle's data are those of the last run of the plan; this run rests on others, and the lines give its figures only from those.")
			}
			out.Digest = last.DataDigest
			return a.print(out, func() { a.showExplained(out) })
		}))
	c.Flags().StringVar(&outcome, "outcome", "", "the outcome's ID (default: the primary)")
	c.Flags().StringVar(&estimate, "estimate", reports.Planned, "the estimate's name")
	c.Flags().IntVar(&run, "run", 0, "the run's number (default: the last of the plan)")
	c.Flags().StringVar(&arm, "arm", "", "the arm, where there are several (default: the first)")
	return c
}

func (a *app) showExplained(out *reports.Explanation) {
	full := func(v float64) string { return strconv.FormatFloat(v, 'g', -1, 64) }
	a.say("%s: %s vs %s (%s; %s)", out.Outcome, out.Arm, out.Against, out.Estimate, out.Role)
	a.say("%d of %d pupils, %d of %d schools; data: %s", out.Counts.PupilsUsed, out.Counts.PupilsRandomised, out.Counts.SchoolsUsed, out.Counts.SchoolsRandomised, strings.Join(out.Data, ", "))
	for _, p := range out.Parts {
		a.say("\n%s = %s", p.What, full(p.Value))
		a.say("  %s", p.Formula)
		for _, in := range p.Inputs {
			a.say("    %s = %s", in.Name, full(in.Value))
		}
		a.say("  source: %s", p.Source)
	}
	show := func(title string, all []string) {
		if len(all) > 0 {
			a.say("\n%s:", title)
		}
		for _, line := range all {
			a.say("  %s", line)
		}
	}
	show("R, in the folder of the unpacked bundle", out.R)
	show("Stata", out.Stata)
	for _, n := range out.Notes {
		a.say("\n%s", n)
	}
	a.say("\nEstimates of this outcome, for --estimate: %s", strings.Join(out.Others, "; "))
}
