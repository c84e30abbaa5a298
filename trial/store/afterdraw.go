package store

import (
	"fmt"
	"time"

	"evenhand/trial"
)

// SaveEvidence keeps what the chance of a wave's draw was taken from. It comes
// after SaveDraw, in the same transaction. A name twice is ErrExists.
func (t *Tx) SaveEvidence(wave int, all []trial.Evidence) error {
	table, columns := "evidence", []string{"trial_id", "name", "text"}
	if wave > 1 {
		table, columns = "wave_evidence", []string{"trial_id", "name", "text", "wave"}
	}
	rows := make([][]any, len(all))
	for i, e := range all {
		rows[i] = []any{t.trial, e.Name, e.Text, wave}[:len(columns)]
	}
	if err := t.insertMany(table, columns, rows); err != nil {
		return fmt.Errorf("save what chance was taken from: %w", err)
	}
	return nil
}

// Evidence lists what the chance of a wave's draw was taken from, by name.
func (t *Tx) Evidence(wave int) ([]trial.Evidence, error) {
	var all []trial.Evidence
	if wave > 1 {
		err := t.list(&all, `SELECT name, text FROM wave_evidence WHERE trial_id = ? AND wave = ? ORDER BY name`, t.trial, wave)
		return all, err
	}
	err := t.list(&all, `SELECT name, text FROM evidence WHERE trial_id = ? ORDER BY name`, t.trial)
	return all, err
}

// DrawError is an error as recorded.
type DrawError struct {
	trial.DrawError
	Seq   int // 1, 2, …
	At    time.Time
	Actor string
}

// AddDrawError records an error; it gives its number.
func (t *Tx) AddDrawError(e trial.DrawError, at time.Time, actor string) (seq int, err error) {
	if err := t.get(&seq, `SELECT count(*) + 1 FROM draw_error WHERE trial_id = ?`, t.trial); err != nil {
		return 0, err
	}
	err = t.exec(`INSERT INTO draw_error (trial_id, seq, school_id, kind, note, found_on, at, actor) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		t.trial, seq, e.School, string(e.Kind), e.Note, string(e.On), stamp(at), actor)
	return seq, err
}

// DrawErrors lists the errors in order of recording.
func (t *Tx) DrawErrors() ([]DrawError, error) {
	var rows []struct {
		Seq        int
		School     string `db:"school_id"`
		Kind, Note string
		On         string `db:"found_on"`
		At, Actor  string
	}
	err := t.list(&rows, `SELECT seq, school_id, kind, note, found_on, at, actor FROM draw_error WHERE trial_id = ? ORDER BY seq`, t.trial)
	var all []DrawError
	for _, r := range rows {
		all = append(all, DrawError{trial.DrawError{School: r.School, Kind: trial.ErrorKind(r.Kind), Note: r.Note, On: trial.Date(r.On)}, r.Seq, unstamp(r.At), r.Actor})
	}
	return all, err
}

// Annulment says that the one draw is void.
type Annulment struct {
	Why         string
	At          time.Time
	Actor       string
	ConfirmedBy string
}

// SaveAnnulment annuls the draw. A second time is ErrExists.
func (t *Tx) SaveAnnulment(a Annulment) error {
	return t.exec(`INSERT INTO annulment (trial_id, why, at, actor, confirmed_by) VALUES (?, ?, ?, ?, ?)`, t.trial, a.Why, stamp(a.At), a.Actor, a.ConfirmedBy)
}

// Annulment gives the draw's annulment, nil if it was not annulled.
func (t *Tx) Annulment() (*Annulment, error) {
	var r struct {
		Why, At, Actor string
		ConfirmedBy    string `db:"confirmed_by"`
	}
	ok, err := t.found(&r, `SELECT why, at, actor, confirmed_by FROM annulment WHERE trial_id = ?`, t.trial)
	if !ok {
		return nil, err
	}
	return &Annulment{r.Why, unstamp(r.At), r.Actor, r.ConfirmedBy}, nil
}

// AddCommunityChanges records changes of communities after the draw.
func (t *Tx) AddCommunityChanges(all []trial.CommunityChange, at time.Time, actor string) error {
	var n int
	if err := t.get(&n, `SELECT count(*) FROM community_change WHERE trial_id = ?`, t.trial); err != nil {
		return err
	}
	rows := make([][]any, len(all))
	for i, c := range all {
		rows[i] = []any{t.trial, n + 1 + i, string(c.Kind), c.School, c.Arm, c.From, c.To, string(c.On), c.Reason, stamp(at), actor}
	}
	if err := t.insertMany("community_change", []string{"trial_id", "seq", "kind", "school_id", "arm", "from_community", "to_community", "changed_on", "reason", "at", "actor"}, rows); err != nil {
		return fmt.Errorf("save changes of communities: %w", err)
	}
	return nil
}

// RecordedChange is a change of communities as recorded.
type RecordedChange struct {
	trial.CommunityChange
	At    time.Time
	Actor string
}

// CommunityChanges lists the changes in order.
func (t *Tx) CommunityChanges() ([]RecordedChange, error) {
	var rows []struct {
		Kind              string
		School            string `db:"school_id"`
		Arm               string
		From              int    `db:"from_community"`
		To                int    `db:"to_community"`
		On                string `db:"changed_on"`
		Reason, At, Actor string
	}
	err := t.list(&rows, `SELECT kind, school_id, arm, from_community, to_community, changed_on, reason, at, actor FROM community_change WHERE trial_id = ? ORDER BY seq`, t.trial)
	var all []RecordedChange
	for _, r := range rows {
		all = append(all, RecordedChange{trial.CommunityChange{Kind: trial.ChangeKind(r.Kind), School: r.School, Arm: r.Arm, From: r.From, To: r.To, On: trial.Date(r.On), Reason: r.Reason}, unstamp(r.At), r.Actor})
	}
	return all, err
}
