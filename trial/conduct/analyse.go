package conduct

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	"evenhand/analysis"
	"evenhand/analysis/attrition"
	"evenhand/analysis/power"
	"evenhand/analysis/rows"
	"evenhand/analysis/sap"
	"evenhand/randomize"
	"evenhand/trial"
	"evenhand/trial/store"
)

// ErrNoScores says that the outcome has not been collected.
var ErrNoScores = errors.New("no outcome has been stored")

// records reads everything that analysis rows are made from.
func (t *Trial) records(tx *store.Tx) (trial.Records, error) {
	roster, _, err := t.lockedRoster(tx)
	if err != nil {
		return trial.Records{}, err
	}
	r := trial.Records{Roster: roster, Allocation: map[string]trial.Assigned{}}
	lines, err := tx.Assignments()
	if err != nil {
		return r, err
	}
	for _, l := range lines {
		r.Allocation[l.School] = trial.Assigned{Arm: l.Arm, Community: l.Community}
	}
	if r.Pupils, err = tx.Pupils(); err != nil {
		return r, err
	}
	if r.Scores, err = tx.Scores(); err != nil {
		return r, err
	}
	if r.Withdrawals, err = tx.Withdrawals(); err != nil {
		return r, err
	}
	r.Attendance, err = tx.Attendance()
	return r, err
}

// Run is one run of the plan: its results, one an outcome, the primary first,
// and the data they were got from.
type Run struct {
	store.Analysis
	Results []sap.Results
	Data    []rows.Named
	Flows   map[string]trial.Flow // by outcome
}

// Analyse runs the protocol's plan on the intention-to-treat set and keeps the
// results at full precision, with the digests of plan, data and results in the
// ledger.
func (t *Trial) Analyse(ctx context.Context) (run Run, err error) {
	err = t.write(ctx, trial.Analyse, func(tx *store.Tx) error {
		records, err := t.records(tx)
		if err != nil {
			return err
		}
		primary := t.Protocol.PrimaryOutcome()
		if !slices.ContainsFunc(records.Scores, func(s trial.Score) bool { return s.Measure == primary.ID }) {
			return fmt.Errorf("%w: there is no score of %s", ErrNoScores, primary.ID)
		}
		plans := t.Protocol.Plans()
		redraw, err := t.redraw(tx)
		if err != nil {
			return err
		}
		if run, err = t.analyse(plans, records, redraw); err != nil {
			return err
		}
		runs, err := tx.Analyses()
		if err != nil {
			return err
		}
		at := t.at()
		results, err := json.Marshal(run.Results)
		if err != nil {
			return fmt.Errorf("write the results: %w", err)
		}
		run.Analysis = store.Analysis{Run: len(runs) + 1, Protocol: t.Version, DataDigest: rows.Digest(run.Data), ResultsText: string(results) + "\n", At: at, Actor: t.Who.Actor}
		run.Digest = trial.DigestOf(run.ResultsText)
		if err := tx.SaveAnalysis(run.Analysis, run.Flows); err != nil {
			return err
		}
		plan, err := json.Marshal(plans)
		if err != nil {
			return err
		}
		return t.log(tx, at, "analysis run", fmt.Sprintf("analysis %d", run.Run), nil, struct {
			Protocol int    `json:"protocol"`
			Plan     string `json:"plan"`
			Data     string `json:"data"`
			Results  string `json:"results"`
		}{t.Version, trial.DigestOf(string(plan)), run.DataDigest, run.Digest}, "")
	})
	return run, err
}

// analyse runs the plans on the records. An outcome of which nothing was
// collected yet is left out.
func (t *Trial) analyse(plans []sap.Plan, records trial.Records, redraw func(*analysis.Dataset) (func(int) []int, error)) (Run, error) {
	run := Run{Flows: map[string]trial.Flow{}}
	for _, plan := range plans {
		if !slices.ContainsFunc(records.Scores, func(s trial.Score) bool { return s.Measure == plan.Outcome }) {
			continue
		}
		d, err := t.Protocol.Dataset(records, plan.Outcome)
		if err != nil {
			return run, err
		}
		files, err := rows.Write(d)
		if err != nil {
			return run, err
		}
		run.Data = append(run.Data, rows.Named{Outcome: plan.Outcome, Files: files})
		again, err := redraw(d)
		if err != nil {
			return run, err
		}
		results, err := sap.Run(plan, d, again)
		if err != nil {
			return run, err
		}
		run.Results = append(run.Results, *results)
		if run.Flows[plan.Outcome], err = t.flow(plan, d, records); err != nil {
			return run, err
		}
	}
	return run, sap.Adjust(run.Results)
}

// redraw reads the draw, and gives what makes a dataset's redraws.
func (t *Trial) redraw(tx *store.Tx) (func(*analysis.Dataset) (func(int) []int, error), error) {
	draw, err := tx.Draw()
	if err != nil {
		return nil, err
	}
	rosters, err := tx.Rosters()
	if err != nil {
		return nil, err
	}
	i := slices.IndexFunc(rosters, func(r store.LockedRoster) bool { return r.Version == draw.Roster })
	if i < 0 {
		return nil, fmt.Errorf("the draw was made from roster version %d, which is not stored", draw.Roster)
	}
	design, err := randomize.ParseDesign([]byte(rosters[i].DesignText))
	if err != nil {
		return nil, err
	}
	roster, err := randomize.ParseRoster([]byte(rosters[i].RosterText))
	if err != nil {
		return nil, err
	}
	return func(d *analysis.Dataset) (func(int) []int, error) {
		return trial.Redraw(design, roster, randomize.Chance(draw.Chance), d)
	}, nil
}

// flow counts what became of those randomised, arm by arm.
func (t *Trial) flow(plan sap.Plan, d *analysis.Dataset, records trial.Records) (trial.Flow, error) {
	counts, err := sap.CountsByArm(plan, d)
	if err != nil {
		return trial.Flow{}, err
	}
	var flow trial.Flow
	for i, arm := range t.Protocol.Arms {
		a := t.armFlow(arm, records)
		c := counts[i]
		a.Schools.Randomised, a.Schools.Analysed, a.Schools.Lost = c.SchoolsRandomised, c.SchoolsUsed, lost(c.SchoolsLost)
		if t.Protocol.Trial.Measured == "pupils" {
			a.Pupils.Randomised, a.Pupils.Analysed, a.Pupils.Lost = c.PupilsRandomised, c.PupilsUsed, lost(c.PupilsLost)
		}
		flow.Arms = append(flow.Arms, a)
	}
	return flow, nil
}

func lost(all []analysis.Loss) []trial.Count {
	counts := make([]trial.Count, len(all))
	for i, l := range all {
		counts[i] = trial.Count{What: l.Reason, N: l.N}
	}
	return counts
}

// armFlow counts what does not depend on an analysis: withdrawals from the
// programme and joiners.
func (t *Trial) armFlow(arm trial.Arm, r trial.Records) trial.ArmFlow {
	a := trial.ArmFlow{Arm: arm.ID, Label: arm.Label, Control: arm.Control}
	schoolOf := map[string]string{}
	for _, p := range r.Pupils {
		schoolOf[p.ID] = p.School
		if p.Joiner && r.Allocation[p.School].Arm == arm.ID {
			a.Pupils.Joiners++
		}
	}
	left := map[[2]string]bool{}
	for _, w := range r.Withdrawals {
		key := [2]string{w.Level, w.Subject}
		if w.From == trial.FromData || left[key] {
			continue
		}
		left[key] = true
		switch {
		case w.Level == "school" && r.Allocation[w.Subject].Arm == arm.ID:
			a.Schools.WithdrewProgramme++
		case w.Level == "pupil" && r.Allocation[schoolOf[w.Subject]].Arm == arm.ID:
			a.Pupils.WithdrewProgramme++
		}
	}
	return a
}

// NotCollected is why nobody is analysed before there are outcomes.
const NotCollected = "outcome not collected yet"

// flowNow counts the flow before any analysis: those who withdrew from data
// collection are lost, all others wait.
func (t *Trial) flowNow(records trial.Records) trial.Flow {
	var flow trial.Flow
	gone := map[string]bool{}
	for _, w := range records.Withdrawals {
		if w.StopsData() {
			gone[w.Level+" "+w.Subject] = true
		}
	}
	for _, arm := range t.Protocol.Arms {
		a := t.armFlow(arm, records)
		schools, pupils := map[string]int{}, map[string]int{}
		for _, s := range records.Roster.Schools {
			if records.Allocation[s.ID].Arm != arm.ID {
				continue
			}
			a.Schools.Randomised++
			if gone["school "+s.ID] {
				schools[trial.LostSchoolWithdrew]++
			} else {
				schools[NotCollected]++
			}
		}
		for _, p := range records.Roster.Pupils {
			if records.Allocation[p.School].Arm != arm.ID {
				continue
			}
			a.Pupils.Randomised++
			switch {
			case gone["school "+p.School]:
				pupils[trial.LostSchoolWithdrew]++
			case gone["pupil "+p.ID]:
				pupils[trial.LostPupilWithdrew]++
			default:
				pupils[NotCollected]++
			}
		}
		a.Schools.Lost, a.Pupils.Lost = sortedCounts(schools), sortedCounts(pupils)
		flow.Arms = append(flow.Arms, a)
	}
	return flow
}

// Snapshot is the whole state of a trial at one instant, for reports, bundles
// and status screens.
type Snapshot struct {
	Facts       trial.Facts
	Versions    []store.ProtocolVersion
	Recruitment Recruitment
	Schools     []trial.School
	Moves       []trial.StageChange // of the schools through recruitment, in order of recording
	Rosters     []store.LockedRoster
	Roster      trial.Roster // in force; zero before the lock
	Commitment  *store.Commitment
	Draw        *store.Draw
	Records     trial.Records // zero before the draw
	Flow        trial.Flow    // of the primary outcome
	Last        *Run          // the last run of the plan, nil if there is none
	Ledger      []trial.Record
	Receipts    []store.HeldReceipt
	Stop        *store.Stop
	Evidence    []trial.Evidence // what the draw's chance was taken from
	DrawErrors  []store.DrawError
	Annulment   *store.Annulment
	Changes     []store.RecordedChange // of communities, after the draw
	Attrition   *attrition.Status      // who was lost, when and where; nil before the draw
	Detectable  []power.Stage          // what the trial can detect, at protocol, randomisation and analysis
}

// Snapshot reads it. Somebody who is to stay blind gets a *BlindError once
// the draw is made.
func (t *Trial) Snapshot(ctx context.Context) (s Snapshot, err error) {
	err = t.read(ctx, func(tx *store.Tx) error {
		if s, err = t.snapshot(tx); err != nil {
			return err
		}
		if s.Detectable, err = t.detectable(s); err != nil {
			return err
		}
		s.Attrition, err = t.attrition(s)
		return err
	})
	return s, err
}

func (t *Trial) snapshot(tx *store.Tx) (s Snapshot, err error) {
	if s.Facts, err = tx.Facts(); err != nil {
		return s, err
	}
	if s.Versions, err = tx.Protocols(); err != nil {
		return s, err
	}
	if s.Recruitment, err = t.recruitment(tx); err != nil {
		return s, err
	}
	if s.Schools, err = tx.Schools(); err != nil {
		return s, err
	}
	if s.Moves, err = tx.StageChanges(); err != nil {
		return s, err
	}
	if s.Rosters, err = tx.Rosters(); err != nil {
		return s, err
	}
	if s.Ledger, err = tx.Ledger(); err != nil {
		return s, err
	}
	if s.Receipts, err = tx.Receipts(); err != nil {
		return s, err
	}
	s.Receipts = wholeReceipts(s.Receipts, s.Ledger)
	if s.Stop, err = tx.Stop(); err != nil {
		return s, err
	}
	if s.Commitment, err = tx.Commitment(); err != nil {
		return s, err
	}
	if s.Facts.Locked {
		if s.Roster, _, err = t.lockedRoster(tx); err != nil {
			return s, err
		}
	}
	s.Flow = trial.Flow{Stages: s.Recruitment.Stages, Exits: s.Recruitment.Exits}
	if !s.Facts.Drawn {
		return s, nil
	}
	if err := t.mayKnowArms(tx); err != nil {
		return s, err
	}
	if s.Draw, err = tx.Draw(); err != nil {
		return s, err
	}
	if err := t.afterDraw(tx, &s); err != nil {
		return s, err
	}
	if s.Records, err = t.records(tx); err != nil {
		return s, err
	}
	runs, err := tx.Analyses()
	if err != nil {
		return s, err
	}
	if len(runs) == 0 {
		s.Flow.Arms = t.flowNow(s.Records).Arms
		return s, nil
	}
	last := runs[len(runs)-1]
	run, err := t.analysed(last, s.Records)
	if err != nil {
		return s, err
	}
	s.Last = &run
	s.Flow.Arms = run.Flows[run.Results[0].Plan.Outcome].Arms
	return s, nil
}

// ErrStaleAnalysis says that the data changed after the last run of the plan.
var ErrStaleAnalysis = errors.New("the data have changed since the last run of the plan")

// analysed reads a run back: its results as stored, with the data and the flow
// worked out again from the records, which must still be those it was run on.
func (t *Trial) analysed(a store.Analysis, records trial.Records) (Run, error) {
	run := Run{Analysis: a, Flows: map[string]trial.Flow{}}
	if trial.DigestOf(a.ResultsText) != a.Digest {
		return run, fmt.Errorf("%w: the results of analysis %d do not have the digest that was recorded", trial.ErrLedger, a.Run)
	}
	if err := json.Unmarshal([]byte(a.ResultsText), &run.Results); err != nil {
		return run, fmt.Errorf("read the results of analysis %d: %w", a.Run, err)
	}
	if len(run.Results) == 0 {
		return run, fmt.Errorf("analysis %d has no results", a.Run)
	}
	for _, r := range run.Results {
		d, err := t.Protocol.Dataset(records, r.Plan.Outcome)
		if err != nil {
			return run, err
		}
		files, err := rows.Write(d)
		if err != nil {
			return run, err
		}
		run.Data = append(run.Data, rows.Named{Outcome: r.Plan.Outcome, Files: files})
		if run.Flows[r.Plan.Outcome], err = t.flow(r.Plan, d, records); err != nil {
			return run, err
		}
	}
	if digest := rows.Digest(run.Data); digest != a.DataDigest {
		return run, fmt.Errorf("%w: analysis %d was run on data with digest %.12s…, now they have %.12s…", ErrStaleAnalysis, a.Run, a.DataDigest, digest)
	}
	return run, nil
}

// Log records that a document was made of the trial, with its digest.
func (t *Trial) Log(ctx context.Context, action, about string, after any) error {
	return t.write(ctx, "", func(tx *store.Tx) error {
		return t.log(tx, t.at(), action, about, nil, after, "")
	})
}
