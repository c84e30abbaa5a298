package store

import (
	"fmt"
	"time"

	"evenhand/trial"
)

// RunKind is what a run of an analysis is.
type RunKind string

// The kinds.
const (
	BlindRun       RunKind = "blind"       // of the plan, arms being letters
	PlannedRun     RunKind = "planned"     // of the plan, with plan and data as they were locked at the unblinding
	ChangedRun     RunKind = "changed"     // of the plan, one or the other having changed since
	ExploratoryRun RunKind = "exploratory" // of something that is not in the plan
)

// OfPlan says whether a run of the kind gives the plan's results under the
// arms' names.
func (k RunKind) OfPlan() bool { return k == PlannedRun || k == ChangedRun }

// Analysis is one run.
type Analysis struct {
	Run         int
	Kind        RunKind
	Reason      string // of a changed or exploratory run; "" otherwise
	Protocol    int    // version of the protocol whose plan was run
	DataDigest  string // of the data it was run on
	ResultsText string // JSON at full precision, the bytes that were hashed
	Digest      string
	At          time.Time
	Actor       string
}

// SaveAnalysis keeps a run with the flow of each outcome's analysis, and
// refuses counts that do not add up (ErrConserve): in every arm and at both
// levels, as many must have been randomised as the roster and the draw say,
// and randomised must equal analysed plus each reason for loss. The store's
// own constraint holds the second sum too.
func (t *Tx) SaveAnalysis(a Analysis, flows map[string]trial.Flow) error {
	if err := t.exec(`INSERT INTO analysis (trial_id, run, protocol, data_digest, results_text, digest, at, actor, kind, reason) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?, ?)`,
		t.trial, a.Run, a.Protocol, a.DataDigest, a.ResultsText, a.Digest, stamp(a.At), a.Actor, string(a.Kind), a.Reason); err != nil {
		return fmt.Errorf("save analysis %d: %w", a.Run, err)
	}
	var flow, loss [][]any
	for outcome, f := range flows {
		for _, arm := range f.Arms {
			for _, l := range []struct {
				name string
				n    trial.LevelFlow
			}{{"school", arm.Schools}, {"pupil", arm.Pupils}} {
				lost := 0
				for _, r := range l.n.Lost {
					lost += r.N
					if r.N > 0 {
						loss = append(loss, []any{t.trial, a.Run, outcome, l.name, arm.Arm, r.What, r.N})
					}
				}
				if l.n.Randomised != l.n.Analysed+lost {
					return fmt.Errorf("%w: %s, %ss of arm %s: %d randomised, %d analysed, %d lost", ErrConserve, outcome, l.name, arm.Arm, l.n.Randomised, l.n.Analysed, lost)
				}
				flow = append(flow, []any{t.trial, a.Run, outcome, l.name, arm.Arm, l.n.Randomised, l.n.Analysed, lost})
			}
		}
	}
	if err := t.insertMany("flow", []string{"trial_id", "run", "outcome", "level", "arm", "randomised", "analysed", "lost"}, flow); err != nil {
		return fmt.Errorf("save the flow of analysis %d: %w", a.Run, err)
	}
	if err := t.insertMany("loss", []string{"trial_id", "run", "outcome", "level", "arm", "reason", "n"}, loss); err != nil {
		return fmt.Errorf("save the losses of analysis %d: %w", a.Run, err)
	}
	return t.checkFlow(a.Run)
}

// checkFlow holds a run's counts against the records themselves.
func (t *Tx) checkFlow(run int) error {
	var wrong []struct {
		Outcome, Level, Arm string
		Randomised, Drawn   int
		Lost, Reasons       int
	}
	err := t.list(&wrong, `SELECT outcome, level, arm, randomised, drawn, lost, reasons FROM (
		SELECT f.outcome, f.level, f.arm, f.randomised, f.lost,
			CASE f.level WHEN 'school'
				THEN (SELECT count(*) FROM assignment a WHERE a.trial_id = f.trial_id AND a.arm = f.arm)
				ELSE (SELECT count(*) FROM pupil p JOIN assignment a ON a.trial_id = p.trial_id AND a.school_id = p.school_id
					WHERE p.trial_id = f.trial_id AND p.joiner = 0 AND a.arm = f.arm)
			END AS drawn,
			(SELECT coalesce(sum(l.n), 0) FROM loss l WHERE l.trial_id = f.trial_id AND l.run = f.run AND l.outcome = f.outcome AND l.level = f.level AND l.arm = f.arm) AS reasons
		FROM flow f WHERE f.trial_id = ? AND f.run = ?) counted
		WHERE randomised <> drawn OR lost <> reasons
		ORDER BY outcome, level, arm`, t.trial, run)
	if err != nil {
		return fmt.Errorf("check the flow of analysis %d: %w", run, err)
	}
	if len(wrong) > 0 {
		w := wrong[0]
		return fmt.Errorf("%w: %s, %ss of arm %s: %d counted as randomised, %d in roster and draw; %d lost, %d with a reason", ErrConserve, w.Outcome, w.Level, w.Arm, w.Randomised, w.Drawn, w.Lost, w.Reasons)
	}
	return nil
}

// Analyses lists all runs in order.
func (t *Tx) Analyses() ([]Analysis, error) {
	var rows []struct {
		Run, Protocol int
		DataDigest    string `db:"data_digest"`
		ResultsText   string `db:"results_text"`
		Digest        string
		At, Actor     string
		Kind, Reason  string
	}
	err := t.list(&rows, `SELECT run, protocol, data_digest, results_text, digest, at, actor, kind, reason FROM analysis WHERE trial_id = ? ORDER BY run`, t.trial)
	all := make([]Analysis, len(rows))
	for i, r := range rows {
		all[i] = Analysis{r.Run, RunKind(r.Kind), r.Reason, r.Protocol, r.DataDigest, r.ResultsText, r.Digest, unstamp(r.At), r.Actor}
	}
	return all, err
}

// Unblinding is what was locked before the results of an outcome were put
// under the arms' names.
type Unblinding struct {
	Outcome     string
	Protocol    int    // version of the protocol
	PlanDigest  string // of its plan
	DataDigest  string // of the outcome's rows; "" where they stay in a secure room
	At          time.Time
	Actor       string
	ConfirmedBy string
}

// SaveUnblinding keeps it. An outcome twice is ErrExists.
func (t *Tx) SaveUnblinding(u Unblinding) error {
	return t.exec(`INSERT INTO unblinding (trial_id, outcome, protocol, plan_digest, data_digest, at, actor, confirmed_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		t.trial, u.Outcome, u.Protocol, u.PlanDigest, u.DataDigest, stamp(u.At), u.Actor, u.ConfirmedBy)
}

// Unblindings lists them by time, then outcome.
func (t *Tx) Unblindings() ([]Unblinding, error) {
	var rows []struct {
		Outcome     string
		Protocol    int
		PlanDigest  string `db:"plan_digest"`
		DataDigest  string `db:"data_digest"`
		At, Actor   string
		ConfirmedBy string `db:"confirmed_by"`
	}
	err := t.list(&rows, `SELECT outcome, protocol, plan_digest, data_digest, at, actor, confirmed_by FROM unblinding WHERE trial_id = ? ORDER BY at, outcome`, t.trial)
	all := make([]Unblinding, len(rows))
	for i, r := range rows {
		all[i] = Unblinding{r.Outcome, r.Protocol, r.PlanDigest, r.DataDigest, unstamp(r.At), r.Actor, r.ConfirmedBy}
	}
	return all, err
}
