package store

import (
	"fmt"
	"time"

	"evenhand/trial"
)

// LockedRoster is a roster as locked, by its texts.
type LockedRoster struct {
	Version    int
	Protocol   int // version of the protocol it was made from
	DesignText string
	RosterText string
	PupilsText string
	At         time.Time
	Actor      string
}

// SaveRoster locks the next version of the roster.
func (t *Tx) SaveRoster(r LockedRoster) error {
	return t.exec(`INSERT INTO roster (trial_id, version, protocol, design_text, roster_text, pupils_text, at, actor) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		t.trial, r.Version, r.Protocol, r.DesignText, r.RosterText, r.PupilsText, stamp(r.At), r.Actor)
}

// Rosters lists the locked rosters, oldest first; the last one is in force.
func (t *Tx) Rosters() ([]LockedRoster, error) {
	var rows []struct {
		Version, Protocol int
		DesignText        string `db:"design_text"`
		RosterText        string `db:"roster_text"`
		PupilsText        string `db:"pupils_text"`
		At, Actor         string
	}
	err := t.list(&rows, `SELECT version, protocol, design_text, roster_text, pupils_text, at, actor FROM roster WHERE trial_id = ? ORDER BY version`, t.trial)
	all := make([]LockedRoster, len(rows))
	for i, r := range rows {
		all[i] = LockedRoster{r.Version, r.Protocol, r.DesignText, r.RosterText, r.PupilsText, unstamp(r.At), r.Actor}
	}
	return all, err
}

// Commitment says what will be drawn, and from which chance.
type Commitment struct {
	Roster int    // version of the locked roster
	Source string // where chance comes from
	Text   string // what was lodged
	At     time.Time
	Actor  string
}

// SaveCommitment commits the draw. A second one is ErrExists.
func (t *Tx) SaveCommitment(c Commitment) error {
	return t.exec(`INSERT INTO commitment (trial_id, roster, source, text, at, actor) VALUES (?, ?, ?, ?, ?, ?)`, t.trial, c.Roster, c.Source, c.Text, stamp(c.At), c.Actor)
}

// Commitment gives the commitment, nil if there is none.
func (t *Tx) Commitment() (*Commitment, error) {
	var r struct {
		Roster                  int
		Source, Text, At, Actor string
	}
	ok, err := t.found(&r, `SELECT roster, source, text, at, actor FROM commitment WHERE trial_id = ?`, t.trial)
	if !ok {
		return nil, err
	}
	return &Commitment{r.Roster, r.Source, r.Text, unstamp(r.At), r.Actor}, nil
}

// Draw is the one draw of a trial.
type Draw struct {
	Roster         int    // version of the locked roster it was made from
	Chance         string // 64 hex digits
	AllocationText string
	Digest         string // of the allocation's text
	At             time.Time
	Actor          string
	ConfirmedBy    string // the second person, where the protocol asks for two
}

// Assignment is one school's line of the allocation.
type Assignment struct {
	School    string `db:"school_id"`
	Arm       string
	Community int // 0 for none
}

// SaveDraw writes the draw and its lines. A second one is ErrExists.
func (t *Tx) SaveDraw(d Draw, lines []Assignment) error {
	if err := t.exec(`INSERT INTO draw (trial_id, roster, chance, allocation_text, digest, at, actor, confirmed_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
		t.trial, d.Roster, d.Chance, d.AllocationText, d.Digest, stamp(d.At), d.Actor, d.ConfirmedBy); err != nil {
		return fmt.Errorf("save the draw: %w", err)
	}
	rows := make([][]any, len(lines))
	for i, l := range lines {
		rows[i] = []any{t.trial, l.School, l.Arm, l.Community}
	}
	if err := t.insertMany("assignment", []string{"trial_id", "school_id", "arm", "community"}, rows); err != nil {
		return fmt.Errorf("save the allocation: %w", err)
	}
	return nil
}

// Draw gives the draw, nil if none was made.
func (t *Tx) Draw() (*Draw, error) {
	var r struct {
		Roster         int
		Chance         string
		AllocationText string `db:"allocation_text"`
		Digest         string
		At, Actor      string
		ConfirmedBy    string `db:"confirmed_by"`
	}
	ok, err := t.found(&r, `SELECT roster, chance, allocation_text, digest, at, actor, confirmed_by FROM draw WHERE trial_id = ?`, t.trial)
	if !ok {
		return nil, err
	}
	return &Draw{r.Roster, r.Chance, r.AllocationText, r.Digest, unstamp(r.At), r.Actor, r.ConfirmedBy}, nil
}

// Assignments lists the allocation by school.
func (t *Tx) Assignments() ([]Assignment, error) {
	var all []Assignment
	err := t.list(&all, `SELECT school_id, arm, community FROM assignment WHERE trial_id = ? ORDER BY school_id`, t.trial)
	return all, err
}

// Stop is the end of a trial before its draw.
type Stop struct {
	On     trial.Date
	Reason string
	At     time.Time
	Actor  string
}

// SaveStop ends the trial. A second time is ErrExists.
func (t *Tx) SaveStop(s Stop) error {
	return t.exec(`INSERT INTO stop (trial_id, stopped_on, reason, at, actor) VALUES (?, ?, ?, ?, ?)`, t.trial, string(s.On), s.Reason, stamp(s.At), s.Actor)
}

// Stop gives the trial's end before its draw, nil if it was not stopped.
func (t *Tx) Stop() (*Stop, error) {
	var r struct {
		On                string `db:"stopped_on"`
		Reason, At, Actor string
	}
	ok, err := t.found(&r, `SELECT stopped_on, reason, at, actor FROM stop WHERE trial_id = ?`, t.trial)
	if !ok {
		return nil, err
	}
	return &Stop{trial.Date(r.On), r.Reason, unstamp(r.At), r.Actor}, nil
}

// Facts gives what the trial's phase is worked out from.
func (t *Tx) Facts() (trial.Facts, error) {
	var f struct{ Stopped, Locked, Committed, Drawn, Annulled int }
	err := t.get(&f, `SELECT (SELECT count(*) FROM stop WHERE trial_id = ?) AS stopped, (SELECT count(*) FROM roster WHERE trial_id = ?) AS locked, (SELECT count(*) FROM commitment WHERE trial_id = ?) AS committed, (SELECT count(*) FROM draw WHERE trial_id = ?) AS drawn, (SELECT count(*) FROM annulment WHERE trial_id = ?) AS annulled`, t.trial, t.trial, t.trial, t.trial, t.trial)
	return trial.Facts{Stopped: f.Stopped > 0, Locked: f.Locked > 0, Committed: f.Committed > 0, Drawn: f.Drawn > 0, Annulled: f.Annulled > 0}, err
}
