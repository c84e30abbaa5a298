package conduct

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"evenhand/analysis/rows"
	"evenhand/analysis/sap"
	"evenhand/randomize"
	"evenhand/trial"
	"evenhand/trial/store"
)

// Until an analysis is unblinded its arms are letters for everybody, whether or
// not they know which school is in which arm.

// ErrUnblinded says that there is nothing left to unblind.
var ErrUnblinded = errors.New("the analysis is unblinded already")

// Unblind locks the digests of the plan and of the data, and from then on runs
// of the plan show the arms' names. Where outcomes were collected after a first
// unblinding, another locks theirs. confirmedBy is the second person where the
// protocol asks for two. Of the outcomes in inRoom, whose scores stay in a secure
// room, there are no data to lock: their plan is, and the digest is "".
func (t *Trial) Unblind(ctx context.Context, confirmedBy string, inRoom []string) (locked []store.Unblinding, err error) {
	switch {
	case t.Protocol.Trial.Blind.Confirm >= 2 && strings.TrimSpace(confirmedBy) == "":
		return nil, errors.New("the protocol asks for two people at the unblinding: name the second with --confirmed-by")
	case confirmedBy != "" && samePerson(confirmedBy, t.Who.Actor):
		return nil, fmt.Errorf("%s cannot confirm %s's own unblinding: name another person with --confirmed-by", confirmedBy, t.Who.Actor)
	}
	err = t.write(ctx, trial.Analyse, func(tx *store.Tx) error {
		read := t.collected
		if len(inRoom) > 0 {
			read = t.records
		}
		records, err := read(tx)
		if err != nil {
			return err
		}
		before, err := tx.Unblindings()
		if err != nil {
			return err
		}
		plans := t.Protocol.Plans()
		plan, err := planDigest(plans)
		if err != nil {
			return err
		}
		done := func(outcome string) bool {
			return slices.ContainsFunc(before, func(u store.Unblinding) bool { return u.Outcome == outcome })
		}
		var faults []error
		for _, o := range inRoom {
			switch {
			case !slices.ContainsFunc(plans, func(p sap.Plan) bool { return p.Outcome == o }):
				faults = append(faults, fmt.Errorf("the plan has no outcome %q", o))
			case has(records, o):
				faults = append(faults, fmt.Errorf("scores of %s are stored here, so they do not stay in a room", o))
			case done(o):
				faults = append(faults, fmt.Errorf("%w: the plan for %s is locked", ErrUnblinded, o))
			}
		}
		if err := errors.Join(faults...); err != nil {
			return err
		}
		at := t.at()
		digests := map[string]string{}
		var room []string
		for _, p := range plans {
			stays := slices.Contains(inRoom, p.Outcome)
			if done(p.Outcome) || !stays && !has(records, p.Outcome) {
				continue
			}
			u := store.Unblinding{Outcome: p.Outcome, Protocol: t.Version, PlanDigest: plan, At: at, Actor: t.Who.Actor, ConfirmedBy: confirmedBy}
			if stays {
				room = append(room, p.Outcome)
			} else {
				data, _, err := t.dataOf(records, p.Outcome)
				if err != nil {
					return err
				}
				u.DataDigest = rows.Digest([]rows.Named{data})
				digests[p.Outcome] = u.DataDigest
			}
			if err := tx.SaveUnblinding(u); err != nil {
				return err
			}
			locked = append(locked, u)
		}
		if len(locked) == 0 {
			return fmt.Errorf("%w: on %s by %s; the data of every outcome collected so far are locked", ErrUnblinded, before[0].At.Format("2 January 2006"), before[0].Actor)
		}
		return t.log(tx, at, "analysis unblind", "analysis", nil, struct {
			Protocol    int               `json:"protocol"`
			Plan        string            `json:"plan"`
			Data        map[string]string `json:"data"`           // by outcome
			Room        []string          `json:"room,omitempty"` // outcomes whose data stay in a secure room
			ConfirmedBy string            `json:"confirmed_by,omitempty"`
		}{t.Version, plan, digests, room, confirmedBy}, "")
	})
	return locked, err
}

// LastRun gives the last run of the plan: the blind one until the analysis is
// unblinded. It is nil where there is none. Somebody who is to stay blind may
// see a blind run only.
func (t *Trial) LastRun(ctx context.Context) (run *Run, err error) {
	err = t.read(ctx, func(tx *store.Tx) error {
		locked, err := tx.Unblindings()
		if err != nil {
			return err
		}
		wanted := func(k store.RunKind) bool { return k == store.BlindRun }
		if len(locked) > 0 {
			if err := t.mayKnowArms(tx); err != nil {
				return err
			}
			wanted = store.RunKind.OfPlan
		}
		runs, err := tx.Analyses()
		if err != nil {
			return err
		}
		for _, a := range slices.Backward(runs) {
			if !wanted(a.Kind) {
				continue
			}
			records, err := t.records(tx)
			if err != nil {
				return err
			}
			found, err := t.analysed(a, records)
			run = &found
			return err
		}
		if len(runs) > 0 && len(locked) > 0 {
			return ErrNotRunSince
		}
		return nil
	})
	return run, err
}

// ErrNotRunSince says that the plan was not run since it was unblinded.
var ErrNotRunSince = errors.New("the plan has not been run since the analysis was unblinded")

// RehearseAnalysis runs the whole plan on arms drawn again by the trial's own
// design, from chance of the rehearsals' own domain: everything can be tried,
// nothing is learnt. The results are marked and kept nowhere.
func (t *Trial) RehearseAnalysis(ctx context.Context) (all []sap.Results, err error) {
	var records trial.Records
	var draw drawing
	err = t.read(ctx, func(tx *store.Tx) error {
		facts, err := t.facts(tx)
		if err != nil {
			return err
		}
		if err := facts.Allow(trial.Analyse); err != nil {
			return err
		}
		if records, err = t.collected(tx); err != nil {
			return err
		}
		draw, err = t.drawing(tx)
		return err
	})
	if err != nil {
		return nil, err
	}
	var rehearsed []*randomize.Allocation
	var earlier []randomize.Drawn
	for i, w := range draw.waves {
		if w.Chance, err = t.chance(); err != nil {
			return nil, err
		}
		a, err := randomize.Rehearse(draw.design, w.Roster, w.Chance, 0, earlier...)
		if err != nil {
			return nil, err
		}
		draw.waves[i] = w
		rehearsed, earlier = append(rehearsed, a), append(earlier, randomize.Drawn{Roster: w.Roster, Allocation: a})
	}
	run, err := t.analyse(t.Protocol.Plans(), t.Protocol.Rehearsed(records, trial.Joined(rehearsed)), draw, nil)
	if err != nil {
		return nil, err
	}
	for i := range run.Results {
		run.Results[i].Mark = sap.Rehearsed
	}
	return run.Results, t.write(ctx, trial.Analyse, func(tx *store.Tx) error {
		return t.log(tx, t.at(), "analysis rehearse", "analysis", nil, map[string]int{"protocol": t.Version}, "")
	})
}

// Explore runs an analysis that is not in the plan, and keeps it, marked as
// exploratory, for ever. It comes after the unblinding.
func (t *Trial) Explore(ctx context.Context, x trial.Exploration, why string) (run Run, err error) {
	if strings.TrimSpace(why) == "" {
		return run, errors.New("an exploratory run needs its reason: it stands in the report's annex for ever")
	}
	plan, err := t.Protocol.Explore(x)
	if err != nil {
		return run, err
	}
	err = t.write(ctx, trial.Analyse, func(tx *store.Tx) error {
		if err := t.mayKnowArms(tx); err != nil {
			return err
		}
		records, err := t.collected(tx)
		if err != nil {
			return err
		}
		locked, err := tx.Unblindings()
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(locked, func(u store.Unblinding) bool { return u.Outcome == plan.Outcome }) {
			if len(locked) == 0 {
				return &NotUnblindedError{}
			}
			if !has(records, plan.Outcome) {
				return fmt.Errorf("%w: there is no score of %s", ErrNoScores, plan.Outcome)
			}
			return &NotUnblindedError{plan.Outcome}
		}
		draw, err := t.drawing(tx)
		if err != nil {
			return err
		}
		plans := []sap.Plan{plan}
		if run, err = t.analyse(plans, records, draw, nil); err != nil {
			return err
		}
		return t.keep(tx, &run, store.ExploratoryRun, why, "analysis explore", plans)
	})
	return run, err
}
