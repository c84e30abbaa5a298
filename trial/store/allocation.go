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

// Commitment says what will be drawn in a wave, and from which chance.
type Commitment struct {
	Wave   int    // 1, 2, …; most trials have one wave
	Roster int    // version of the locked roster
	Source string // where chance comes from
	Text   string // what was lodged
	At     time.Time
	Actor  string
}

// SaveCommitment commits the draw of a wave. A second one is ErrExists.
func (t *Tx) SaveCommitment(c Commitment) error {
	if c.Wave == 1 {
		return t.exec(`INSERT INTO commitment (trial_id, roster, source, text, at, actor) VALUES (?, ?, ?, ?, ?, ?)`, t.trial, c.Roster, c.Source, c.Text, stamp(c.At), c.Actor)
	}
	return t.exec(`INSERT INTO wave_commitment (trial_id, wave, roster, source, text, at, actor) VALUES (?, ?, ?, ?, ?, ?, ?)`, t.trial, c.Wave, c.Roster, c.Source, c.Text, stamp(c.At), c.Actor)
}

// Commitments lists the commitments, the first wave's first.
func (t *Tx) Commitments() ([]Commitment, error) {
	var rows []struct {
		Wave, Roster            int
		Source, Text, At, Actor string
	}
	err := t.list(&rows, `SELECT 1 AS wave, roster, source, text, at, actor FROM commitment WHERE trial_id = ? UNION ALL SELECT wave, roster, source, text, at, actor FROM wave_commitment WHERE trial_id = ? ORDER BY wave`, t.trial, t.trial)
	all := make([]Commitment, len(rows))
	for i, r := range rows {
		all[i] = Commitment{r.Wave, r.Roster, r.Source, r.Text, unstamp(r.At), r.Actor}
	}
	return all, err
}

// Draw is the one draw of a wave.
type Draw struct {
	Wave           int    // 1, 2, …
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

// SaveDraw writes the draw of a wave and its lines. A second one is ErrExists.
func (t *Tx) SaveDraw(d Draw, lines []Assignment) error {
	err := error(nil)
	if d.Wave == 1 {
		err = t.exec(`INSERT INTO draw (trial_id, roster, chance, allocation_text, digest, at, actor, confirmed_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?)`,
			t.trial, d.Roster, d.Chance, d.AllocationText, d.Digest, stamp(d.At), d.Actor, d.ConfirmedBy)
	} else {
		err = t.exec(`INSERT INTO wave_draw (trial_id, wave, roster, chance, allocation_text, digest, at, actor, confirmed_by) VALUES (?, ?, ?, ?, ?, ?, ?, ?, ?)`,
			t.trial, d.Wave, d.Roster, d.Chance, d.AllocationText, d.Digest, stamp(d.At), d.Actor, d.ConfirmedBy)
	}
	if err != nil {
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

// Draws lists the draws made, the first wave's first.
func (t *Tx) Draws() ([]Draw, error) {
	var rows []struct {
		Wave, Roster   int
		Chance         string
		AllocationText string `db:"allocation_text"`
		Digest         string
		At, Actor      string
		ConfirmedBy    string `db:"confirmed_by"`
	}
	err := t.list(&rows, `SELECT 1 AS wave, roster, chance, allocation_text, digest, at, actor, confirmed_by FROM draw WHERE trial_id = ? UNION ALL SELECT wave, roster, chance, allocation_text, digest, at, actor, confirmed_by FROM wave_draw WHERE trial_id = ? ORDER BY wave`, t.trial, t.trial)
	all := make([]Draw, len(rows))
	for i, r := range rows {
		all[i] = Draw{r.Wave, r.Roster, r.Chance, r.AllocationText, r.Digest, unstamp(r.At), r.Actor, r.ConfirmedBy}
	}
	return all, err
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

// Facts gives what the trial's phase is worked out from, but for the number of
// waves, which the protocol says.
func (t *Tx) Facts() (trial.Facts, error) {
	var f struct{ Stopped, Locked, Committed, Drawn, Annulled int }
	err := t.get(&f, `SELECT (SELECT count(*) FROM stop WHERE trial_id = ?) AS stopped, (SELECT count(*) FROM roster WHERE trial_id = ?) AS locked, (SELECT count(*) FROM commitment WHERE trial_id = ?) AS committed, (SELECT count(*) FROM draw WHERE trial_id = ?) AS drawn, (SELECT count(*) FROM annulment WHERE trial_id = ?) AS annulled`, t.trial, t.trial, t.trial, t.trial, t.trial)
	facts := trial.Facts{Stopped: f.Stopped > 0, Locked: f.Locked > 0, Committed: f.Committed > 0, Drawn: f.Drawn > 0, Annulled: f.Annulled > 0}
	if err != nil || !facts.Drawn {
		return facts, err
	}
	var next struct{ Later, Drawn, Locked int }
	err = t.get(&next, `SELECT (SELECT count(*) FROM wave_commitment WHERE trial_id = ?) AS later, (SELECT count(*) FROM wave_draw WHERE trial_id = ?) AS drawn, (SELECT max(version) FROM roster WHERE trial_id = ?) - coalesce((SELECT max(roster) FROM wave_draw WHERE trial_id = ?), (SELECT roster FROM draw WHERE trial_id = ?)) AS locked`, t.trial, t.trial, t.trial, t.trial, t.trial)
	facts.Draws, facts.NextCommitted, facts.NextLocked = 1+next.Drawn, next.Later > next.Drawn, next.Locked > 0
	return facts, err
}
