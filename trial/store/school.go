package store

import (
	"encoding/json"
	"fmt"
	"strconv"
	"strings"

	"evenhand/trial"
)

// AddSchools enters schools at the stage they carry, each with its first
// stage change. A school that is there already is ErrExists.
func (t *Tx) AddSchools(schools []trial.School) error {
	rows, changes := make([][]any, len(schools)), make([]trial.StageChange, len(schools))
	for i, s := range schools {
		attributes, err := json.Marshal(s.Attributes)
		if err != nil {
			return fmt.Errorf("save school %s: %w", s.ID, err)
		}
		rows[i] = []any{t.trial, s.ID, s.Name, string(attributes), string(s.Stage), string(s.Since), s.Reason, s.Note, s.Source}
		changes[i] = trial.StageChange{School: s.ID, To: s.Stage, On: s.Since}
	}
	if err := t.insertMany("school", []string{"trial_id", "school_id", "name", "attributes", "stage", "since", "reason", "note", "source"}, rows); err != nil {
		return fmt.Errorf("save schools: %w", err)
	}
	return t.AddStageChanges(changes)
}

// AddStageChanges records steps of schools' ways.
func (t *Tx) AddStageChanges(changes []trial.StageChange) error {
	var n int
	if err := t.get(&n, `SELECT count(*) FROM stage_change WHERE trial_id = ?`, t.trial); err != nil {
		return err
	}
	rows := make([][]any, len(changes))
	for i, c := range changes {
		rows[i] = []any{t.trial, n + 1 + i, c.School, string(c.From), string(c.To), string(c.On), c.Reason, c.Note}
	}
	if err := t.insertMany("stage_change", []string{"trial_id", "seq", "school_id", "from_stage", "to_stage", "changed_on", "reason", "note"}, rows); err != nil {
		return fmt.Errorf("save changes of stage: %w", err)
	}
	return nil
}

// StageChanges lists every step in order of recording.
func (t *Tx) StageChanges() ([]trial.StageChange, error) {
	var rows []struct {
		School string `db:"school_id"`
		From   string `db:"from_stage"`
		To     string `db:"to_stage"`
		On     string `db:"changed_on"`
		Reason string
		Note   string
	}
	err := t.list(&rows, `SELECT school_id, from_stage, to_stage, changed_on, reason, note FROM stage_change WHERE trial_id = ? ORDER BY seq`, t.trial)
	all := make([]trial.StageChange, len(rows))
	for i, r := range rows {
		all[i] = trial.StageChange{School: r.School, From: trial.Stage(r.From), To: trial.Stage(r.To), On: trial.Date(r.On), Reason: r.Reason, Note: r.Note}
	}
	return all, err
}

// SaveSchool writes a school's present state (not its signatures or leaders).
func (t *Tx) SaveSchool(s trial.School) error {
	attributes, err := json.Marshal(s.Attributes)
	if err != nil {
		return fmt.Errorf("save school %s: %w", s.ID, err)
	}
	return t.exec(`UPDATE school SET name = ?, attributes = ?, stage = ?, since = ?, reason = ?, note = ?, source = ? WHERE trial_id = ? AND school_id = ?`,
		s.Name, string(attributes), string(s.Stage), string(s.Since), s.Reason, s.Note, s.Source, t.trial, s.ID)
}

// AddSignature records a role's signature on a school's agreement.
func (t *Tx) AddSignature(school string, g trial.Signature) error {
	return t.exec(`INSERT INTO signature (trial_id, school_id, role, signed_on) VALUES (?, ?, ?, ?)`, t.trial, school, g.Role, string(g.On))
}

// AddLeader names a leader of a school by pseudonymous ID.
func (t *Tx) AddLeader(school string, l trial.Leader, on trial.Date) error {
	return t.exec(`INSERT INTO leader (trial_id, person, school_id, role, named_on, left_on) VALUES (?, ?, ?, ?, ?, '')`, t.trial, l.Person, school, l.Role, string(on))
}

// LeaderLeft records that a leader left the role.
func (t *Tx) LeaderLeft(person string, on trial.Date) error {
	return t.exec(`UPDATE leader SET left_on = ? WHERE trial_id = ? AND person = ?`, string(on), t.trial, person)
}

// CountLeaders counts the leaders a school has ever named.
func (t *Tx) CountLeaders(school string) (int, error) {
	var n int
	err := t.get(&n, `SELECT count(*) FROM leader WHERE trial_id = ? AND school_id = ?`, t.trial, school)
	return n, err
}

// Leaders gives the school of every leader, past ones too, by pseudonymous ID.
func (t *Tx) Leaders() (map[string]string, error) {
	var rows []struct {
		Person string
		School string `db:"school_id"`
	}
	err := t.list(&rows, `SELECT person, school_id FROM leader WHERE trial_id = ? ORDER BY person`, t.trial)
	all := make(map[string]string, len(rows))
	for _, r := range rows {
		all[r.Person] = r.School
	}
	return all, err
}

// Schools lists every school by ID, with its signatures and present leaders.
func (t *Tx) Schools() ([]trial.School, error) {
	var rows []struct {
		ID         string `db:"school_id"`
		Name       string
		Attributes string
		Stage      string
		Since      string
		Reason     string
		Note       string
		Source     string
	}
	if err := t.list(&rows, `SELECT school_id, name, attributes, stage, since, reason, note, source FROM school WHERE trial_id = ? ORDER BY school_id`, t.trial); err != nil {
		return nil, err
	}
	var signatures []struct {
		School string `db:"school_id"`
		Role   string
		On     string `db:"signed_on"`
	}
	if err := t.list(&signatures, `SELECT school_id, role, signed_on FROM signature WHERE trial_id = ? ORDER BY school_id, signed_on, role`, t.trial); err != nil {
		return nil, err
	}
	var leaders []struct {
		School string `db:"school_id"`
		Person string
		Role   string
	}
	if err := t.list(&leaders, `SELECT school_id, person, role FROM leader WHERE trial_id = ? AND left_on = '' ORDER BY school_id, role, person`, t.trial); err != nil {
		return nil, err
	}
	all := make([]trial.School, len(rows))
	at := make(map[string]int, len(rows))
	for i, r := range rows {
		all[i] = trial.School{ID: r.ID, Name: r.Name, Stage: trial.Stage(r.Stage), Since: trial.Date(r.Since), Reason: r.Reason, Note: r.Note, Source: r.Source}
		if err := json.Unmarshal([]byte(r.Attributes), &all[i].Attributes); err != nil {
			return nil, fmt.Errorf("read school %s: %w", r.ID, err)
		}
		at[r.ID] = i
	}
	for _, g := range signatures {
		s := &all[at[g.School]]
		s.Signatures = append(s.Signatures, trial.Signature{Role: g.Role, On: trial.Date(g.On)})
	}
	for _, l := range leaders {
		s := &all[at[l.School]]
		s.Leaders = append(s.Leaders, trial.Leader{Role: l.Role, Person: l.Person})
	}
	return all, nil
}

// AddIdentities writes names, UPNs and addresses: the only place they go.
func (t *Tx) AddIdentities(people []trial.Identity) error {
	rows := make([][]any, len(people))
	for i, p := range people {
		rows[i] = []any{t.trial, p.Kind, p.ID, p.Name, p.Number, p.Email}
	}
	if err := t.insertMany("identity", []string{"trial_id", "kind", "person", "name", "number", "email"}, rows); err != nil {
		return fmt.Errorf("save identities: %w", err)
	}
	return nil
}

// Identities lists the identities of one kind by ID.
func (t *Tx) Identities(kind string) ([]trial.Identity, error) {
	var all []trial.Identity
	err := t.list(&all, `SELECT kind, person AS id, name, number, email FROM identity WHERE trial_id = ? AND kind = ? ORDER BY person`, t.trial, kind)
	return all, err
}

// AddStaff enters members of staff.
func (t *Tx) AddStaff(staff []trial.Staff) error {
	rows := make([][]any, len(staff))
	for i, s := range staff {
		years := make([]string, len(s.Years))
		for j, y := range s.Years {
			years[j] = strconv.Itoa(y)
		}
		rows[i] = []any{t.trial, s.ID, s.School, s.Role, strings.Join(years, " ")}
	}
	if err := t.insertMany("staff", []string{"trial_id", "staff_id", "school_id", "role", "years"}, rows); err != nil {
		return fmt.Errorf("save staff: %w", err)
	}
	return nil
}

// Staff lists members of staff by ID.
func (t *Tx) Staff() ([]trial.Staff, error) {
	var rows []struct {
		ID     string `db:"staff_id"`
		School string `db:"school_id"`
		Role   string
		Years  string
	}
	if err := t.list(&rows, `SELECT staff_id, school_id, role, years FROM staff WHERE trial_id = ? ORDER BY staff_id`, t.trial); err != nil {
		return nil, err
	}
	all := make([]trial.Staff, len(rows))
	for i, r := range rows {
		all[i] = trial.Staff{ID: r.ID, School: r.School, Role: r.Role}
		for _, y := range strings.Fields(r.Years) {
			n, err := strconv.Atoi(y)
			if err != nil {
				return nil, fmt.Errorf("read staff %s: years %q: %w", r.ID, r.Years, err)
			}
			all[i].Years = append(all[i].Years, n)
		}
	}
	return all, nil
}

// AddResponses enters answers to a survey.
func (t *Tx) AddResponses(responses []trial.Response) error {
	rows := make([][]any, len(responses))
	for i, r := range responses {
		rows[i] = []any{t.trial, r.Survey, r.Round, r.Staff, string(r.On)}
	}
	if err := t.insertMany("response", []string{"trial_id", "survey", "round", "staff_id", "answered_on"}, rows); err != nil {
		return fmt.Errorf("save responses: %w", err)
	}
	return nil
}

// Responses lists every answer by survey, round and member of staff.
func (t *Tx) Responses() ([]trial.Response, error) {
	var rows []struct{ Survey, Round, Staff, On string }
	err := t.list(&rows, `SELECT survey, round, staff_id AS staff, answered_on AS "on" FROM response WHERE trial_id = ? ORDER BY survey, round, staff_id`, t.trial)
	all := make([]trial.Response, len(rows))
	for i, r := range rows {
		all[i] = trial.Response{Survey: r.Survey, Round: r.Round, Staff: r.Staff, On: trial.Date(r.On)}
	}
	return all, err
}
