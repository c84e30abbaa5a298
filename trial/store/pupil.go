package store

import (
	"encoding/json"
	"fmt"

	"evenhand/trial"
)

// AddPupils enters pupils. One that is there already is ErrExists.
func (t *Tx) AddPupils(pupils []trial.Pupil) error {
	rows := make([][]any, len(pupils))
	for i, p := range pupils {
		attributes, err := json.Marshal(p.Attributes)
		if err != nil {
			return fmt.Errorf("save pupil %s: %w", p.ID, err)
		}
		rows[i] = []any{t.trial, p.ID, p.School, oneIf(p.Joiner), string(attributes)}
	}
	if err := t.insertMany("pupil", []string{"trial_id", "pupil_id", "school_id", "joiner", "attributes"}, rows); err != nil {
		return fmt.Errorf("save pupils: %w", err)
	}
	return nil
}

// Pupils lists every pupil by ID, joiners too.
func (t *Tx) Pupils() ([]trial.Pupil, error) {
	var rows []struct {
		ID         string `db:"pupil_id"`
		School     string `db:"school_id"`
		Joiner     int
		Attributes string
	}
	if err := t.list(&rows, `SELECT pupil_id, school_id, joiner, attributes FROM pupil WHERE trial_id = ? ORDER BY pupil_id`, t.trial); err != nil {
		return nil, err
	}
	all := make([]trial.Pupil, len(rows))
	for i, r := range rows {
		all[i] = trial.Pupil{ID: r.ID, School: r.School, Joiner: r.Joiner == 1}
		if err := json.Unmarshal([]byte(r.Attributes), &all[i].Attributes); err != nil {
			return nil, fmt.Errorf("read pupil %s: %w", r.ID, err)
		}
	}
	return all, nil
}

// AddScores enters scores, each as the next revision of its person's score on
// its measure.
func (t *Tx) AddScores(scores []trial.Score) error {
	var revisions []struct {
		Measure, Person string
		Revision        int
	}
	if err := t.list(&revisions, `SELECT measure, person, max(revision) AS revision FROM score WHERE trial_id = ? GROUP BY measure, person ORDER BY measure, person`, t.trial); err != nil {
		return err
	}
	last := make(map[[2]string]int, len(revisions))
	for _, r := range revisions {
		last[[2]string{r.Measure, r.Person}] = r.Revision
	}
	rows := make([][]any, len(scores))
	for i, s := range scores {
		var value any
		if s.Missing == "" {
			value = s.Value
		}
		rows[i] = []any{t.trial, s.Measure, s.Person, last[[2]string{s.Measure, s.Person}] + 1, value, s.Missing}
	}
	if err := t.insertMany("score", []string{"trial_id", "measure", "person", "revision", "value", "missing"}, rows); err != nil {
		return fmt.Errorf("save scores: %w", err)
	}
	return nil
}

// Scores lists the last revision of every score by measure and person.
func (t *Tx) Scores() ([]trial.Score, error) {
	var rows []struct {
		Measure, Person string
		Value           *float64
		Missing         string
	}
	if err := t.list(&rows, `SELECT s.measure, s.person, s.value, s.missing FROM score s WHERE s.trial_id = ? AND s.revision = (SELECT max(l.revision) FROM score l WHERE l.trial_id = s.trial_id AND l.measure = s.measure AND l.person = s.person) ORDER BY s.measure, s.person`, t.trial); err != nil {
		return nil, err
	}
	all := make([]trial.Score, len(rows))
	for i, r := range rows {
		all[i] = trial.Score{Measure: r.Measure, Person: r.Person, Missing: r.Missing}
		if r.Value != nil {
			all[i].Value = *r.Value
		}
	}
	return all, nil
}

// AddWithdrawals records who left.
func (t *Tx) AddWithdrawals(all []trial.Withdrawal) error {
	var n int
	if err := t.get(&n, `SELECT count(*) FROM withdrawal WHERE trial_id = ?`, t.trial); err != nil {
		return err
	}
	rows := make([][]any, len(all))
	for i, w := range all {
		rows[i] = []any{t.trial, n + 1 + i, w.Level, w.Subject, string(w.From), string(w.On), w.Reason, w.Note}
	}
	if err := t.insertMany("withdrawal", []string{"trial_id", "seq", "level", "subject", "left_what", "left_on", "reason", "note"}, rows); err != nil {
		return fmt.Errorf("save withdrawals: %w", err)
	}
	return nil
}

// Withdrawals lists who left, in order of recording.
func (t *Tx) Withdrawals() ([]trial.Withdrawal, error) {
	var rows []struct{ Level, Subject, From, On, Reason, Note string }
	err := t.list(&rows, `SELECT level, subject, left_what AS "from", left_on AS "on", reason, note FROM withdrawal WHERE trial_id = ? ORDER BY seq`, t.trial)
	all := make([]trial.Withdrawal, len(rows))
	for i, r := range rows {
		all[i] = trial.Withdrawal{Level: r.Level, Subject: r.Subject, From: trial.WithdrawalFrom(r.From), On: trial.Date(r.On), Reason: r.Reason, Note: r.Note}
	}
	return all, err
}

// AddAttendance records who was at a session. The same person twice at one
// session is ErrExists.
func (t *Tx) AddAttendance(all []trial.Attendance) error {
	rows := make([][]any, len(all))
	for i, a := range all {
		rows[i] = []any{t.trial, a.Session, a.Person, a.School, oneIf(a.Attended)}
	}
	if err := t.insertMany("attendance", []string{"trial_id", "session", "person", "school_id", "attended"}, rows); err != nil {
		return fmt.Errorf("save attendance: %w", err)
	}
	return nil
}

// Attendance lists who was at which session.
func (t *Tx) Attendance() ([]trial.Attendance, error) {
	var rows []struct {
		Session, Person string
		School          string `db:"school_id"`
		Attended        int
	}
	err := t.list(&rows, `SELECT session, person, school_id, attended FROM attendance WHERE trial_id = ? ORDER BY session, person`, t.trial)
	all := make([]trial.Attendance, len(rows))
	for i, r := range rows {
		all[i] = trial.Attendance{Session: r.Session, Person: r.Person, School: r.School, Attended: r.Attended == 1}
	}
	return all, err
}
