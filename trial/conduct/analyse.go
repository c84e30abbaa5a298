package conduct

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"
	"time"

	"evenhand/analysis"
	"evenhand/analysis/attrition"
	"evenhand/analysis/missing"
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
	roster, err := t.drawnRoster(tx)
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

// Run is one run: its results, one an outcome, the primary first, and the data
// they were got from.
type Run struct {
	store.Analysis
	Results []sap.Results
	Data    []rows.Named
	Flows   map[string]trial.Flow // by outcome; nil while blind
}

// ChangedError says that plan or data are no longer what they were when the
// analysis was unblinded: results now are not those of the plan as it was
// locked, and that needs a reason.
type ChangedError struct {
	What []string // "the plan", "the data of ks2_reading"
	At   time.Time
}

func (e *ChangedError) Error() string {
	return fmt.Sprintf("%s changed since the analysis was unblinded on %s: what is run now is not what was locked then, and stays labelled so", strings.Join(e.What, " and "), e.At.Format("2 January 2006"))
}

// ErrUnchanged says that a reason for a change was given where there is none.
var ErrUnchanged = errors.New("plan and data are as they were when the analysis was unblinded")

// NotUnblindedError says that an outcome's results are still blind.
type NotUnblindedError struct{ Outcome string }

func (e *NotUnblindedError) Error() string {
	if e.Outcome == "" {
		return "the analysis has not been unblinded: its arms are letters"
	}
	return fmt.Sprintf("%s was collected after the analysis was unblinded: its data are not locked yet", e.Outcome)
}

// Analyse runs the protocol's plan on the intention-to-treat set and keeps the
// results at full precision, with the digests of plan, data and results in the
// ledger. Until Unblind the arms are letters (see sap.RunBlind). After it, why
// says what led to a run on a plan or data that changed since (*ChangedError
// where it is ""); it is "" otherwise.
func (t *Trial) Analyse(ctx context.Context, why string) (run Run, err error) {
	err = t.write(ctx, trial.Analyse, func(tx *store.Tx) error {
		records, err := t.collected(tx)
		if err != nil {
			return err
		}
		locked, err := tx.Unblindings()
		if err != nil {
			return err
		}
		plans := t.Protocol.Plans()
		kind, action := store.PlannedRun, "analysis run"
		draw, err := t.drawing(tx)
		if err != nil {
			return err
		}
		if len(locked) == 0 {
			if why != "" {
				return &NotUnblindedError{}
			}
			kind, action = store.BlindRun, "analysis blind"
			run, err = t.analyse(plans, records, draw, trial.BlindOrder(draw.waves[0].Chance, t.armIDs()))
		} else {
			var changed *ChangedError
			if err := t.asLocked(plans, records, locked); err != nil && !errors.As(err, &changed) {
				return err
			}
			switch {
			case changed != nil && why == "":
				return changed
			case changed == nil && why != "":
				return ErrUnchanged
			case changed != nil:
				kind = store.ChangedRun
			}
			run, err = t.analyse(plans, records, draw, nil)
		}
		if err != nil {
			return err
		}
		return t.keep(tx, &run, kind, why, action, plans)
	})
	return run, err
}

// collected reads the records, which must have scores of the primary outcome.
func (t *Trial) collected(tx *store.Tx) (trial.Records, error) {
	records, err := t.records(tx)
	if err != nil {
		return records, err
	}
	if primary := t.Protocol.PrimaryOutcome(); !has(records, primary.ID) {
		return records, fmt.Errorf("%w: there is no score of %s", ErrNoScores, primary.ID)
	}
	return records, nil
}

// has says whether an outcome has scores.
func has(records trial.Records, outcome string) bool {
	return slices.ContainsFunc(records.Scores, func(s trial.Score) bool { return s.Measure == outcome })
}

func (t *Trial) armIDs() []string {
	ids := make([]string, len(t.Protocol.Arms))
	for i, a := range t.Protocol.Arms {
		ids[i] = a.ID
	}
	return ids
}

// planDigest is the digest by which a plan is known to the ledger.
func planDigest(plans []sap.Plan) (string, error) {
	text, err := json.Marshal(plans)
	return trial.DigestOf(string(text)), err
}

// asLocked compares plans and data with what the unblinding locked: nil, a
// *ChangedError, or a *NotUnblindedError.
func (t *Trial) asLocked(plans []sap.Plan, records trial.Records, locked []store.Unblinding) error {
	now, err := planDigest(plans)
	if err != nil {
		return err
	}
	changed := &ChangedError{At: locked[0].At}
	say := func(what string) {
		if !slices.Contains(changed.What, what) {
			changed.What = append(changed.What, what)
		}
	}
	for _, plan := range plans {
		if !has(records, plan.Outcome) {
			continue
		}
		i := slices.IndexFunc(locked, func(u store.Unblinding) bool { return u.Outcome == plan.Outcome })
		if i < 0 {
			return &NotUnblindedError{plan.Outcome}
		}
		if locked[i].PlanDigest != now {
			say("the plan")
		}
		data, _, err := t.dataOf(records, plan.Outcome)
		if err != nil {
			return err
		}
		if rows.Digest([]rows.Named{data}) != locked[i].DataDigest {
			say("the data of " + plan.Outcome)
		}
	}
	if changed.What == nil {
		return nil
	}
	return changed
}

// dataOf joins an outcome's rows.
func (t *Trial) dataOf(records trial.Records, outcome string) (rows.Named, *analysis.Dataset, error) {
	d, err := t.Protocol.Dataset(records, outcome)
	if err != nil {
		return rows.Named{}, nil, err
	}
	files, err := rows.Write(d)
	return rows.Named{Outcome: outcome, Files: files}, d, err
}

// keep writes a run with its line in the ledger.
func (t *Trial) keep(tx *store.Tx, run *Run, kind store.RunKind, why, action string, plans []sap.Plan) error {
	runs, err := tx.Analyses()
	if err != nil {
		return err
	}
	results, err := json.Marshal(run.Results)
	if err != nil {
		return fmt.Errorf("write the results: %w", err)
	}
	run.Analysis = store.Analysis{Run: len(runs) + 1, Kind: kind, Reason: why, Protocol: t.Version, DataDigest: rows.Digest(run.Data), ResultsText: string(results) + "\n", At: t.at(), Actor: t.Who.Actor}
	run.Digest = trial.DigestOf(run.ResultsText)
	if err := tx.SaveAnalysis(run.Analysis, run.Flows); err != nil {
		return err
	}
	plan, err := planDigest(plans)
	if err != nil {
		return err
	}
	return t.log(tx, run.At, action, fmt.Sprintf("analysis %d", run.Run), nil, struct {
		Run      int    `json:"run"`
		Protocol int    `json:"protocol"`
		Plan     string `json:"plan"`
		Data     string `json:"data"`
		Results  string `json:"results"`
	}{run.Run, t.Version, plan, run.DataDigest, run.Digest}, why)
}

// analyse runs the plans on the records; with letters for the arms in the order
// given, unless it is nil. An outcome of which nothing was collected yet is left
// out.
func (t *Trial) analyse(plans []sap.Plan, records trial.Records, draw drawing, letters []int) (Run, error) {
	var run Run
	most := 0
	for _, plan := range plans {
		most = max(most, plan.Redraws)
	}
	redraws, err := trial.NewRedraws(draw.design, draw.waves, most)
	if err != nil {
		return run, err
	}
	if letters == nil {
		run.Flows = map[string]trial.Flow{}
	}
	var jobs []sap.Job
	for _, plan := range plans {
		if !has(records, plan.Outcome) {
			continue
		}
		data, d, err := t.dataOf(records, plan.Outcome)
		if err != nil {
			return run, err
		}
		run.Data = append(run.Data, data)
		again, err := redraws.For(d)
		if err != nil {
			return run, err
		}
		jobs = append(jobs, sap.Job{Plan: plan, Data: d, Redraw: again, Letters: letters})
		if letters != nil {
			continue
		}
		if run.Flows[plan.Outcome], err = t.flow(plan, d, records); err != nil {
			return run, err
		}
	}
	run.Results, err = sap.RunAll(jobs)
	return run, err
}

// drawing is what a draw is made from: the design, and the waves of schools with
// the chance of each.
type drawing struct {
	design randomize.Design
	waves  []randomize.Wave
}

// drawing reads it.
func (t *Trial) drawing(tx *store.Tx) (drawing, error) {
	drawn, err := drawnWaves(tx)
	if err != nil {
		return drawing{}, err
	}
	if len(drawn) == 0 {
		return drawing{}, errNotDrawn
	}
	d := drawing{design: drawn[0].Design}
	for _, w := range drawn {
		d.waves = append(d.waves, randomize.Wave{Roster: w.Roster, Chance: randomize.Chance(w.Draw.Chance)})
	}
	return d, nil
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

// Why somebody who is not lost is not analysed either, before the plan is run.
const (
	NotCollected = "outcome not collected yet"
	NotAnalysed  = "score received, not analysed yet"
)

// flowNow counts the flow before any analysis: those who withdrew from data
// collection, and those of whom it is on record why they have no score, are lost;
// all others wait.
func (t *Trial) flowNow(records trial.Records) (trial.Flow, error) {
	var flow trial.Flow
	d, err := t.Protocol.Dataset(records, t.Protocol.PrimaryOutcome().ID)
	if err != nil {
		return flow, err
	}
	state := func(i int) string {
		switch {
		case d.Observed[i]:
			return NotAnalysed
		case d.Lost[i] == trial.LostNoScore:
			return NotCollected
		}
		return d.Lost[i]
	}
	of := map[string]map[string]int{} // rows of each school, by state
	for i, c := range d.Cluster {
		school := d.Clusters[c]
		if of[school] == nil {
			of[school] = map[string]int{}
		}
		of[school][state(i)]++
	}
	gone := map[string]bool{}
	for _, w := range records.Withdrawals {
		if w.StopsData() && w.Level == "school" {
			gone[w.Subject] = true
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
			for why, n := range of[s.ID] {
				if t.Protocol.Trial.Measured != "schools" { // else a row is the school itself
					pupils[why] += n
					a.Pupils.Randomised += n
				}
			}
			// A school is where the furthest of its pupils is.
			switch {
			case of[s.ID][NotAnalysed] > 0:
				schools[NotAnalysed]++
			case of[s.ID][NotCollected] > 0 || len(of[s.ID]) == 0 && !gone[s.ID]:
				schools[NotCollected]++
			case len(of[s.ID]) == 0:
				schools[trial.LostSchoolWithdrew]++
			default:
				commonest := ""
				for why, n := range of[s.ID] {
					if was := of[s.ID][commonest]; n > was || n == was && why < commonest {
						commonest = why
					}
				}
				schools[commonest]++
			}
		}
		a.Schools.Lost, a.Pupils.Lost = sortedCounts(schools), sortedCounts(pupils)
		flow.Arms = append(flow.Arms, a)
	}
	return flow, nil
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
	Roster      trial.Roster      // everybody drawn; before the draw the roster in force, zero before the lock
	Commitment  *store.Commitment // of the first wave
	Draw        *store.Draw       // of the first wave
	Waves       []DrawnWave       // every wave drawn, oldest first
	Balance     *DrawBalance      // nil before the draw
	Records     trial.Records     // zero before the draw
	Flow        trial.Flow        // of the primary outcome
	Last        *Run              // the last run of the plan under the arms' names, nil if there is none
	Unblinded   []store.Unblinding
	Beside      []Run // earlier runs of the plan, and those outside it; not the blind ones
	Ledger      []trial.Record
	Receipts    []store.HeldReceipt
	Stop        *store.Stop
	Evidence    []trial.Evidence // what the draw's chance was taken from
	DrawErrors  []store.DrawError
	Annulment   *store.Annulment
	Changes     []store.RecordedChange // of communities, after the draw
	Attrition   *attrition.Status      // who was lost, when and where; nil before the draw
	Missing     *missing.Table         // of the primary outcome's model; nil before the plan was run
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
		if s.Attrition, err = t.attrition(s); err != nil {
			return err
		}
		s.Missing, err = t.missingNow(s)
		return err
	})
	return s, err
}

func (t *Trial) snapshot(tx *store.Tx) (s Snapshot, err error) {
	if s.Facts, err = t.facts(tx); err != nil {
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
	commitments, err := tx.Commitments()
	if err != nil {
		return s, err
	}
	if len(commitments) > 0 {
		s.Commitment = &commitments[0]
	}
	switch {
	case s.Facts.Drawn:
		s.Roster, err = t.drawnRoster(tx)
	case s.Facts.Locked:
		s.Roster, _, err = t.lockedRoster(tx)
	}
	if err != nil {
		return s, err
	}
	s.Flow = trial.Flow{Stages: s.Recruitment.Stages, Exits: s.Recruitment.Exits}
	if !s.Facts.Drawn {
		return s, nil
	}
	if err := t.mayKnowArms(tx); err != nil {
		return s, err
	}
	if s.Waves, err = drawnWaves(tx); err != nil {
		return s, err
	}
	s.Draw, s.Evidence = &s.Waves[0].Draw, s.Waves[0].Evidence
	if err := t.afterDraw(tx, &s); err != nil {
		return s, err
	}
	balance, _, err := t.balance(tx)
	if err != nil {
		return s, err
	}
	s.Balance = &balance
	if s.Records, err = t.records(tx); err != nil {
		return s, err
	}
	if s.Unblinded, err = tx.Unblindings(); err != nil {
		return s, err
	}
	runs, err := tx.Analyses()
	if err != nil {
		return s, err
	}
	last := -1
	for i, a := range runs {
		if a.Kind.OfPlan() {
			last = i
		}
	}
	for i, a := range runs {
		if a.Kind == store.BlindRun || i == last {
			continue
		}
		run := Run{Analysis: a}
		if run.Results, err = resultsOf(a); err != nil {
			return s, err
		}
		s.Beside = append(s.Beside, run)
	}
	if last < 0 {
		now, err := t.flowNow(s.Records)
		s.Flow.Arms = now.Arms
		return s, err
	}
	run, err := t.analysed(runs[last], s.Records)
	if err != nil {
		return s, err
	}
	s.Last = &run
	s.Flow.Arms = run.Flows[run.Results[0].Plan.Outcome].Arms
	return s, nil
}

// resultsOf reads the results of a run as stored.
func resultsOf(a store.Analysis) (all []sap.Results, err error) {
	if trial.DigestOf(a.ResultsText) != a.Digest {
		return nil, fmt.Errorf("%w: the results of analysis %d do not have the digest that was recorded", trial.ErrLedger, a.Run)
	}
	if err := json.Unmarshal([]byte(a.ResultsText), &all); err != nil {
		return nil, fmt.Errorf("read the results of analysis %d: %w", a.Run, err)
	}
	if len(all) == 0 {
		return nil, fmt.Errorf("analysis %d has no results", a.Run)
	}
	return all, nil
}

// ErrStaleAnalysis says that the data changed after the last run of the plan.
var ErrStaleAnalysis = errors.New("the data have changed since the last run of the plan")

// analysed reads a run of the plan back: its results as stored, with the data
// and the flow worked out again from the records, which must still be those it
// was run on. A blind run's flow is not worked out.
func (t *Trial) analysed(a store.Analysis, records trial.Records) (Run, error) {
	run := Run{Analysis: a, Flows: map[string]trial.Flow{}}
	var err error
	if run.Results, err = resultsOf(a); err != nil {
		return run, err
	}
	for _, r := range run.Results {
		data, d, err := t.dataOf(records, r.Plan.Outcome)
		if err != nil {
			return run, err
		}
		run.Data = append(run.Data, data)
		if a.Kind == store.BlindRun {
			continue
		}
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
	return t.LogWhy(ctx, action, about, after, "")
}

// LogWhy is Log with words of its own.
func (t *Trial) LogWhy(ctx context.Context, action, about string, after any, why string) error {
	return t.write(ctx, "", func(tx *store.Tx) error {
		return t.log(tx, t.at(), action, about, nil, after, why)
	})
}
