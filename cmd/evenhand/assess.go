package main

import (
	"context"
	"errors"
	"fmt"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"evenhand/analysis"
	"evenhand/analysis/attrition"
)

// pair is a flag of two counts, of the treated arm and the control arm.
type pair struct {
	t, c int
	set  bool
}

func (p *pair) String() string {
	if p == nil || !p.set {
		return ""
	}
	return fmt.Sprintf("%d,%d", p.t, p.c)
}
func (p *pair) Type() string { return "T,C" }
func (p *pair) Set(s string) error {
	parts := strings.Split(s, ",")
	if len(parts) != 2 {
		return errors.New("give two numbers with a comma between, the treated arm's and the control arm's, as 60,59")
	}
	for i, to := range []*int{&p.t, &p.c} {
		n, err := strconv.Atoi(strings.TrimSpace(parts[i]))
		if err != nil {
			return fmt.Errorf("%q is not a whole number", parts[i])
		}
		*to = n
	}
	p.set = true
	return nil
}

// assessJSON is the pupils' assessment, with the schools' where they were what
// was drawn.
type assessJSON struct {
	attrition.Assessment
	Margins attrition.LineMargins `json:"margins"`
	// Clusters is the schools' own assessment, null where none was asked for.
	Clusters *attrition.Assessment `json:"clusters"`
	Joiners  bool                  `json:"joiners_analysed"`
	// Low is the verdict on all steps together.
	Low struct {
		Cautious   bool `json:"cautious"`
		Optimistic bool `json:"optimistic"`
	} `json:"low"`
	Model    *biasModel         `json:"model"` // null where none was asked for
	Warnings []analysis.Warning `json:"warnings"`
}

func (a *app) assessCommand() *cobra.Command {
	var randomised, analysed, clusters, kept pair
	var joiners bool
	var mdes float64
	var bias biasFlags
	var c *cobra.Command
	c = command("assess --randomised T,C --analysed T,C", "What numbers of any trial mean, without any store",
		"Attrition from counts: overall, differential, against both of the What Works Clearinghouse's\nboundaries, and in the EEF's bands. Where schools were drawn, give theirs too (--clusters,\n--clusters-analysed): they are judged first, then the pupils *of the schools that stayed*, so that\n--randomised and --analysed count only these. Joiners are in none of the counts.\n\nThe cautious boundary is for interventions that could make people leave, the optimistic one for others;\nwhich applies is fixed before the numbers are seen. The table of the Clearinghouse is the rule; for other\nlimits and unequal arms the model behind such lines can be asked beside it (--limit, --alpha-treated,\n--alpha-control), and is labelled as a model.",
		"evenhand attrition assess --randomised 2400,2310 --analysed 2150,2030\nevenhand attrition assess --randomised 2400,2310 --analysed 2150,2030 --clusters 60,59 --clusters-analysed 57,55 --mdes 0.17 --format json\nevenhand attrition assess --randomised 2400,1200 --analysed 2150,1100 --limit 0.03",
		noArgs, func(context.Context, []string) error {
			switch {
			case !randomised.set:
				return usagef("--randomised is missing")
			case !analysed.set:
				return usagef("--analysed is missing")
			case clusters.set != kept.set:
				return usagef("--clusters and --clusters-analysed belong together: how many schools were randomised, and how many of them were analysed")
			}
			out, err := assess(randomised, analysed, clusters, kept, joiners)
			if err != nil {
				return err
			}
			if c.Flags().Changed("mdes") {
				if out.Assessment, err = out.WithMDES(mdes); err != nil {
					return usageError{fmt.Errorf("--mdes: %w", err)}
				}
			}
			// People are those of schools that stayed: where more schools went than
			// people, the schools' attrition is the trial's.
			if s := out.Clusters; s != nil && s.Overall > out.Overall {
				var given *float64
				if out.EEF.MDES != nil {
					given = &mdes
				}
				out.EEF = attrition.InitialPadlocks(s.Overall, given)
			}
			if c.Flags().Changed("limit") || c.Flags().Changed("alpha-treated") || c.Flags().Changed("alpha-control") {
				if out.Model, err = modelled(out.Assessment, bias); err != nil {
					return err
				}
			}
			return a.print(out, func() { a.showAssessment(out) })
		})
	c.Flags().Var(&randomised, "randomised", "people randomised: treated, control")
	c.Flags().Var(&analysed, "analysed", "of these, people analysed: treated, control")
	c.Flags().Var(&clusters, "clusters", "schools randomised: treated, control")
	c.Flags().Var(&kept, "clusters-analysed", "of these, schools analysed: treated, control")
	c.Flags().BoolVar(&joiners, "joiners", false, "people who came after the draw are analysed too")
	c.Flags().Float64Var(&mdes, "mdes", 0, "the trial's minimum detectable effect size, for the EEF's bands")
	c.Flags().Float64Var(&bias.limit, "limit", attrition.PublishedCautious.Limit, "of the model: the bias that is tolerated, in SDs of the outcome")
	c.Flags().Float64Var(&bias.treated, "alpha-treated", attrition.PublishedCautious.AlphaTreated, "of the model: correlation of staying and outcome, treated arm")
	c.Flags().Float64Var(&bias.control, "alpha-control", attrition.PublishedCautious.AlphaControl, "of the model: the same, control arm")
	return c
}

func assess(randomised, analysed, clusters, kept pair, joiners bool) (*assessJSON, error) {
	arms := func(r, n pair) (t, c attrition.Arm) {
		return attrition.Arm{Label: "treated", Randomised: r.t, Analysed: n.t}, attrition.Arm{Label: "control", Randomised: r.c, Analysed: n.c}
	}
	t, c := arms(randomised, analysed)
	out := &assessJSON{Joiners: joiners}
	if clusters.set {
		schoolsT, schoolsC := arms(clusters, kept)
		var faults []error
		for _, arm := range []struct{ people, schools attrition.Arm }{{t, schoolsT}, {c, schoolsC}} {
			if arm.schools.Analysed == 0 && arm.schools.Randomised > 0 {
				faults = append(faults, fmt.Errorf("arm %q: no school of %d is left: there is nothing to compare, whatever the rates say", arm.schools.Label, arm.schools.Randomised))
				continue
			}
			if arm.people.Analysed < arm.schools.Analysed {
				faults = append(faults, fmt.Errorf("arm %q: %d people analysed in %d schools analysed; a school is analysed if at least one of its people is", arm.people.Label, arm.people.Analysed, arm.schools.Analysed))
			}
		}
		if err := errors.Join(faults...); err != nil {
			return nil, err
		}
		both, err := attrition.AssessClustered(schoolsT, schoolsC, t, c, joiners)
		if err != nil {
			return nil, err
		}
		out.Assessment, out.Clusters = both.Pupils, &both.Schools
		out.Low.Cautious, out.Low.Optimistic = both.LowCautious, both.LowOptimistic
	} else {
		one, err := attrition.Assess(t, c)
		if err != nil {
			return nil, err
		}
		out.Assessment = one
		out.Low.Cautious, out.Low.Optimistic = one.WWC.Cautious.Low && !joiners, one.WWC.Optimistic.Low && !joiners
	}
	out.Warnings = armsGone(t, c)
	var err error
	if out.Margins, err = attrition.BothMargins(t, c); err != nil {
		return nil, err
	}
	return out, nil
}

func (a *app) showAssessment(out *assessJSON) {
	level := "people"
	if out.Clusters != nil {
		a.showLevel("schools", *out.Clusters)
		level = "people in schools that stayed"
	}
	a.showLevel(level, out.Assessment)
	for _, line := range []struct {
		name    string
		margins []attrition.Margin
	}{{"cautious", out.Margins.Cautious}, {"optimistic", out.Margins.Optimistic}} {
		for _, m := range line.margins {
			switch {
			case m.OK && m.Spare < m.Left:
				a.say("  %s boundary: crossed by %d more lost of the %s arm and nobody else", line.name, m.Spare+1, m.Arm)
			case m.OK:
				a.say("  %s boundary: not crossed even if all %d left in the %s arm are lost", line.name, m.Left, m.Arm)
			}
		}
	}
	for _, w := range out.Warnings {
		a.say("warning (%s): %s", w.Code, w.Text)
	}
	if out.Joiners {
		a.say("people who came after the draw are analysed: who is compared may have changed, whatever the rates say")
	}
	if out.Model != nil {
		a.showModel(out.Model)
	}
	a.say("verdict: %s (What Works Clearinghouse)", verdict(out.Low.Cautious, out.Low.Optimistic))
	a.showPadlocks(out.EEF)
}

func (a *app) showLevel(name string, l attrition.Assessment) {
	a.say("%s: overall %.1f %%, differential %.1f points", name, 100*l.Overall, 100*l.Differential)
	for _, arm := range l.Arms {
		a.say("  %-8s %d randomised = %d analysed + %d lost (%.1f %%)", arm.Label, arm.Randomised, arm.Analysed, arm.Lost, 100*arm.Attrition)
	}
	for _, b := range []struct {
		name string
		attrition.Boundary
	}{{"cautious", l.WWC.Cautious}, {"optimistic", l.WWC.Optimistic}} {
		verdict := "high"
		if b.Low {
			verdict = "low"
		}
		if b.Boundary.Boundary == nil {
			a.say("  %s boundary: none at this overall attrition: %s", b.name, verdict)
			continue
		}
		a.say("  %s boundary: at most %.1f points: %s", b.name, 100**b.Boundary.Boundary, verdict)
	}
}
