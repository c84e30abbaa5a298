package main

import (
	"context"
	"crypto/sha256"
	"errors"
	"fmt"
	"slices"
	"strings"

	"github.com/spf13/cobra"

	"evenhand/analysis/mixed"
	"evenhand/analysis/sap"
	"evenhand/analysis/simulate"
	"evenhand/randomize"
	"evenhand/trial"
	"evenhand/trial/conduct"
)

// poweredJSON is what `power simulate` prints.
type poweredJSON struct {
	Roster    int               `json:"roster"` // version of the locked roster; 0 for the schools that are ready
	Method    string            `json:"method"` // of the draw
	Model     string            `json:"model"`  // of the plan
	DF        string            `json:"df"`     // "" for a linear model
	Level     float64           `json:"level"`
	Adjusted  []string          `json:"adjusted"` // covariates of the plan that the simulated model has
	LeftOut   []string          `json:"left_out"` // those that it has not
	Simulated *simulate.Powered `json:"simulated"`
}

func (a *app) powerSimulateCommand() *cobra.Command {
	assumed := simulate.Assumed{Effect: 0.2, ICC: 0.13, R2Cluster: 0.5, R2Pupil: 0.4}
	trials, size, seed := 1000, 0, uint64(1)
	var c *cobra.Command
	c = command("simulate", "How likely this trial, by its own schools, draw and plan, is to find an effect",
		"Simulate the trial: draw its own schools by its own design, make outcomes for its own pupils, analyse\nthem by its own plan, and count how often the effect is found. The schools are those of the locked\nroster or, before the lock, those that are ready. Draws are made from --seed, in a domain of chance\nthat can never become the draw. Outcomes are normal with variance 1 in the control arm; the baseline\nexplains --r2-cluster and --r2-pupil of the two variances, strata and other covariates nothing. What\nthe formula of `power power` says stands beside it.",
		"evenhand power simulate\nevenhand power simulate --effect 0.1 --icc 0.15 --trials 5000 --format json\nevenhand power simulate --effect 0 --icc-community 0.02\nevenhand power simulate --effect 0.2 --lost-clusters 0.1 --lost-pupils 0.15", noArgs,
		a.reading(func(ctx context.Context, t *conduct.Trial) error {
			out, s, err := toSimulate(ctx, t, size, seed)
			if err != nil {
				return err
			}
			if err := onlyUsed(c, s, &assumed); err != nil {
				return err
			}
			show := a.progress("simulating")
			out.Simulated, err = simulate.Power(s, assumed, trials, seed, func(done int) bool {
				if show != nil {
					show(done, trials)
				}
				return ctx.Err() == nil
			})
			if err != nil {
				return stopped(ctx, powerFault(err))
			}
			return a.print(out, func() { a.showPowered(out) })
		}))
	f := c.Flags()
	f.Float64Var(&assumed.Effect, "effect", assumed.Effect, "the true effect, in SDs of the control arm")
	f.Float64Var(&assumed.ICC, "icc", assumed.ICC, "share of the outcome's variance between schools, in [0,1)")
	f.Float64Var(&assumed.R2Cluster, "r2-cluster", assumed.R2Cluster, "share of the schools' variance that the baseline explains, in [0,1)")
	f.Float64Var(&assumed.R2Pupil, "r2-pupil", assumed.R2Pupil, "share of the pupils' variance that the baseline explains, in [0,1)")
	f.Float64Var(&assumed.ICCCommunity, "icc-community", 0, "variance between communities, added in arms that have them, in [0,1)")
	f.Float64Var(&assumed.LostClusters, "lost-clusters", 0, "chance of a school to be lost, in [0,1)")
	f.Float64Var(&assumed.LostPupils, "lost-pupils", 0, "chance of a pupil of the others to be lost, in [0,1)")
	f.IntVar(&trials, "trials", trials, "how many trials")
	f.IntVar(&size, "size", size, "pupils in each school that has none listed yet")
	f.Uint64Var(&seed, "seed", seed, "of the simulated trials")
	return c
}

// onlyUsed refuses flags that this trial has no use for, and takes their
// defaults out of what is assumed.
func onlyUsed(c *cobra.Command, s simulate.Trial, assumed *simulate.Assumed) error {
	var faults []error
	none := func(name, why string, to *float64) {
		if c.Flags().Changed(name) {
			faults = append(faults, fmt.Errorf("--%s: %s", name, why))
		}
		if to != nil {
			*to = 0
		}
	}
	if s.Linear {
		const why = "schools are measured in this trial, not pupils"
		none("icc", why, &assumed.ICC)
		none("r2-pupil", why, &assumed.R2Pupil)
		none("lost-pupils", why, &assumed.LostPupils)
		none("size", why, nil)
	}
	if !s.Baseline {
		const why = "the plan adjusts for no baseline"
		none("r2-cluster", why, &assumed.R2Cluster)
		if !s.Linear {
			none("r2-pupil", why, &assumed.R2Pupil)
		}
	}
	if s.Groups == nil {
		none("icc-community", "no arm of this trial has communities", &assumed.ICCCommunity)
	}
	if len(faults) > 0 {
		return usageError{errors.Join(faults...)}
	}
	return nil
}

// toSimulate is the trial as package simulate takes it.
func toSimulate(ctx context.Context, t *conduct.Trial, size int, seed uint64) (*poweredJSON, simulate.Trial, error) {
	plan := t.Protocol.Plans()[0]
	out := &poweredJSON{Model: plan.Model, DF: plan.DF, Level: plan.Level, Adjusted: []string{}, LeftOut: []string{}}
	s := simulate.Trial{Linear: plan.Model == sap.LinearModel, Partial: plan.Model == sap.PartiallyNested, DF: mixed.DF(plan.DF), Level: plan.Level, Control: t.Protocol.ControlArm()}
	if s.Linear {
		out.DF = ""
	}
	version, design, roster, listed, err := rosterNow(ctx, t)
	if err != nil {
		return nil, s, err
	}
	out.Roster, out.Method = version, string(design.Method)
	for _, arm := range design.Arms {
		s.Arms = append(s.Arms, arm.Name)
	}
	strata := map[string]int{}
	var bare []string
	for _, u := range roster.Units {
		if _, ok := strata[u.Stratum]; !ok {
			strata[u.Stratum] = len(strata)
		}
		n := listed[u.ID]
		switch {
		case s.Linear:
			n = 1
		case n == 0 && size > 0:
			n = size
		case n == 0:
			bare = append(bare, u.ID)
		}
		s.Stratum, s.Pupils = append(s.Stratum, strata[u.Stratum]), append(s.Pupils, n)
	}
	if len(bare) > 0 {
		return nil, s, withHint(fmt.Errorf("%s of %d have no pupils listed: %s", count(len(bare), "school"), len(roster.Units), someOf(bare)), "--size says how many pupils to expect in each of them")
	}
	for _, name := range plan.Covariates {
		switch name {
		case "Stratum":
			s.Strata = true
		case trial.BaselineColumn:
			s.Baseline = true
		default:
			out.LeftOut = append(out.LeftOut, name)
			continue
		}
		out.Adjusted = append(out.Adjusted, name)
	}
	if slices.ContainsFunc(design.Communities, func(c randomize.Community) bool { return !c.Notional }) {
		s.Groups = func(arm, n int) []int {
			rule, ok := design.CommunityOf(design.Arms[arm].Name)
			if !ok || rule.Notional {
				return nil
			}
			sizes, _ := randomize.CommunitySizes(n, rule.Min, rule.Max)
			return sizes
		}
	}
	// A chance of the seed's own: what is drawn from it says nothing about
	// the draw.
	chance := randomize.Chance(fmt.Sprintf("%x", sha256.Sum256([]byte(fmt.Sprintf("evenhand power simulate %d", seed)))))
	if s.Redraw, err = randomize.Redraws(design, randomize.Wave{Roster: roster, Chance: chance}); err != nil {
		return nil, s, fmt.Errorf("draw the schools for a simulation: %w", err)
	}
	return out, s, nil
}

// rosterNow is the design and the roster that would be drawn, with the number
// of pupils listed in each school: the locked ones, of a version, or else
// (version 0) those of the schools that are ready.
func rosterNow(ctx context.Context, t *conduct.Trial) (version int, design randomize.Design, roster randomize.Roster, listed map[string]int, err error) {
	listed = map[string]int{}
	rosters, err := t.Rosters(ctx)
	if err != nil {
		return 0, design, roster, nil, err
	}
	if len(rosters) > 0 {
		locked := rosters[len(rosters)-1]
		if design, err = randomize.ParseDesign([]byte(locked.DesignText)); err != nil {
			return 0, design, roster, nil, fmt.Errorf("read the design of roster version %d: %w", locked.Version, err)
		}
		if roster, err = randomize.ParseRoster([]byte(locked.RosterText)); err != nil {
			return 0, design, roster, nil, fmt.Errorf("read roster version %d: %w", locked.Version, err)
		}
		for _, line := range strings.Split(locked.PupilsText, "\n") {
			if _, school, ok := strings.Cut(line, "\t"); ok && line != "pupil\tschool" {
				listed[school]++
			}
		}
		return locked.Version, design, roster, listed, nil
	}
	views, err := t.Schools(ctx)
	if err != nil {
		return 0, design, roster, nil, err
	}
	var ready []trial.School
	for _, v := range views {
		if v.School.Stage == trial.Ready {
			ready = append(ready, v.School)
			listed[v.School.ID] = v.Pupils
		}
	}
	if len(ready) == 0 {
		return 0, design, roster, nil, withHint(errors.New("no school is ready, and no roster is locked: there is nothing to simulate"), "`evenhand power power --design cra2 …` needs no schools")
	}
	if design, err = t.Protocol.Design(); err != nil {
		return 0, design, roster, nil, err
	}
	roster, err = t.Units(ready)
	return 0, design, roster, listed, err
}

// someOf names the first few.
func someOf(names []string) string {
	if len(names) > 10 {
		return strings.Join(names[:10], ", ") + fmt.Sprintf(" and %d more", len(names)-10)
	}
	return strings.Join(names, ", ")
}

func (a *app) showPowered(out *poweredJSON) {
	s := out.Simulated
	from := fmt.Sprintf("locked roster, version %d", out.Roster)
	if out.Roster == 0 {
		from = "schools that are ready; no roster is locked yet"
	}
	size, model := count(s.Schools, "school"), "regression on schools, HC2"
	assumed := fmt.Sprintf("effect %v, R² of schools %v, communities' variance %v, schools lost %v", s.Assumed.Effect, s.Assumed.R2Cluster, s.Assumed.ICCCommunity, s.Assumed.LostClusters)
	if out.Model != "linear" {
		size += " and " + count(s.Pupils, "pupil")
		model = "mixed model, " + out.DF
		if out.Model == sap.PartiallyNested {
			model = "partially nested " + model
		}
		assumed += fmt.Sprintf("; ICC %v, R² of pupils %v, pupils lost %v", s.Assumed.ICC, s.Assumed.R2Pupil, s.Assumed.LostPupils)
	}
	a.say("%d trials of %s, strata: %d (%s), drawn by method %s, seed %d", s.Trials, size, s.Strata, from, out.Method, s.Seed)
	adjusted := "nothing"
	if len(out.Adjusted) > 0 {
		adjusted = strings.Join(out.Adjusted, ", ")
	}
	a.say("analysed by the plan: %s; adjusted for %s", model, adjusted)
	if len(out.LeftOut) > 0 {
		a.say("  left out, as explaining nothing: %s", strings.Join(out.LeftOut, ", "))
	}
	a.say("assumed: %s", assumed)
	for _, arm := range s.Arms {
		found := "power"
		if s.Assumed.Effect == 0 {
			found = "type I error"
		}
		a.say("%s vs %s: %s %.4f (95 %% Monte Carlo interval %.4f to %.4f)", arm.Arm, arm.Against, found, arm.Power.Value, arm.CI[0], arm.CI[1])
		if arm.Formula != nil {
			a.say("  by the formula (%s): %.4f; standard error %.4f, %s", arm.Formula.Design, arm.Formula.Power, arm.Formula.SE, freedom(arm.Formula.DF))
		} else {
			a.say("  by the formula: none (%s)", arm.Why)
		}
		a.say("  estimates: mean %.4f, SD %.4f; mean standard error %.4f, mean df %.1f; intervals that hold the truth %.3f", arm.Estimate.Value, arm.SD, arm.MeanSE, arm.MeanDF, arm.Coverage.Value)
	}
	if s.Failed > 0 {
		a.say("trials without an estimate, counted as finding nothing: %d (the first: %s)", s.Failed, s.Failure)
	}
}
