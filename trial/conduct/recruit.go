package conduct

import (
	"context"
	"errors"
	"fmt"
	"slices"
	"strings"

	"evenhand/analysis/power"
	"evenhand/trial"
	"evenhand/trial/store"
)

// ErrUnknown is wrapped where somebody or something named is not in the trial.
var ErrUnknown = errors.New("not in this trial")

// FaultsError is everything wrong with what was given, at once.
type FaultsError struct{ Faults []error }

func (e *FaultsError) Error() string {
	const most = 50
	var lines []string
	for i, f := range e.Faults {
		if i == most {
			lines = append(lines, fmt.Sprintf("… and %d more", len(e.Faults)-most))
			break
		}
		lines = append(lines, f.Error())
	}
	return strings.Join(lines, "\n")
}

// Unwrap gives the faults one by one.
func (e *FaultsError) Unwrap() []error { return e.Faults }

// schoolIn finds a school by ID among those of the trial.
func schoolIn(schools []trial.School, id string) (*trial.School, error) {
	for i := range schools {
		if schools[i].ID == id {
			return &schools[i], nil
		}
	}
	ids := make([]string, len(schools))
	for i, s := range schools {
		ids[i] = s.ID
	}
	if near := trial.Nearest(id, ids); near != "" {
		return nil, fmt.Errorf("school %q is %w; the nearest is %s", id, ErrUnknown, near)
	}
	return nil, fmt.Errorf("school %q is %w; `evenhand school list` shows its schools", id, ErrUnknown)
}

// AddSchool enters one school by hand, at the stage Listed. Its attributes are
// completed with the protocol's bands and groups.
func (t *Trial) AddSchool(ctx context.Context, s trial.School) error {
	if s.Attributes == nil {
		s.Attributes = map[string]string{}
	}
	if err := t.Protocol.Derive(s.Attributes); err != nil {
		return fmt.Errorf("school %s: %w", s.ID, err)
	}
	if s.Since == "" {
		s.Since = t.Today()
	}
	s.Stage, s.Source = trial.Listed, "by hand"
	return t.write(ctx, trial.ChangeSchools, func(tx *store.Tx) error {
		at := t.at()
		there, err := tx.Schools()
		if err != nil {
			return err
		}
		for _, other := range there {
			if other.ID == s.ID {
				return fmt.Errorf("%w: school %s is %q, listed on %s from %s; it is not entered a second time", store.ErrExists, s.ID, other.Name, other.Since, other.Source)
			}
		}
		if err := tx.AddSchools([]trial.School{s}); err != nil {
			return err
		}
		return t.log(tx, at, "school add", "school "+s.ID, nil, schoolNote(s), "")
	})
}

// schoolNote is a school as the ledger writes it.
func schoolNote(s trial.School) any {
	return struct {
		Name       string            `json:"name"`
		Attributes map[string]string `json:"attributes"`
	}{s.Name, s.Attributes}
}

// SetSchool corrects a school's name or attributes before the draw, with a
// reason. Bands and groups are worked out anew. A roster that was locked with
// the old values must be locked again before the draw can be committed.
func (t *Trial) SetSchool(ctx context.Context, id, name string, attributes map[string]string, why string) error {
	if strings.TrimSpace(why) == "" {
		return errors.New("a correction needs a reason: it stands in the record beside the old value")
	}
	return t.write(ctx, trial.ChangeSchools, func(tx *store.Tx) error {
		schools, err := tx.Schools()
		if err != nil {
			return err
		}
		s, err := schoolIn(schools, id)
		if err != nil {
			return err
		}
		drawn, err := tx.Assignments()
		if err != nil {
			return err
		}
		if err := notDrawn(drawn, id); err != nil {
			return err
		}
		before := schoolNote(trial.School{Name: s.Name, Attributes: cloneMap(s.Attributes)})
		if name != "" {
			s.Name = name
		}
		known := t.Protocol.AttributeNames()
		var faults []error
		for _, k := range sortedKeys(attributes) {
			switch v := attributes[k]; {
			case !slices.Contains(known, k):
				near := trial.Nearest(k, known)
				if near == "" {
					near = strings.Join(known, ", ")
				}
				faults = append(faults, fmt.Errorf("column %q is %w; did you mean: %s?", k, ErrUnknown, near))
			case v == "":
				delete(s.Attributes, k)
			default:
				s.Attributes[k] = v
			}
		}
		if len(faults) > 0 {
			return &FaultsError{faults}
		}
		if err := t.Protocol.Derive(s.Attributes); err != nil {
			return fmt.Errorf("school %s: %w", id, err)
		}
		if err := tx.SaveSchool(*s); err != nil {
			return err
		}
		return t.log(tx, t.at(), "school correct", "school "+id, before, schoolNote(*s), why)
	})
}

func cloneMap(m map[string]string) map[string]string {
	c := make(map[string]string, len(m))
	for k, v := range m {
		c[k] = v
	}
	return c
}

// Move is one school's step to a stage, with the signatures that came with it.
type Move struct {
	School     string
	To         trial.Stage
	On         trial.Date
	Reason     string // of an exit
	Note       string
	Signatures []trial.Signature
}

// MoveSchools takes schools along their way, all of the moves or none: what
// is wrong with any of them comes back at once, as a *FaultsError, each fault prefixed
// by where it came from.
func (t *Trial) MoveSchools(ctx context.Context, moves []Move, where func(i int) string) error {
	return t.write(ctx, trial.ChangeSchools, func(tx *store.Tx) error {
		schools, err := tx.Schools()
		if err != nil {
			return err
		}
		staff, responses, err := surveyOf(tx)
		if err != nil {
			return err
		}
		drawn, err := tx.Assignments()
		if err != nil {
			return err
		}
		byID := map[string]*trial.School{}
		for i := range schools {
			byID[schools[i].ID] = &schools[i]
		}
		at := t.at()
		var faults []error
		var changes []trial.StageChange
		type entry struct {
			about         string
			before, after any
			why           string
		}
		var entries []entry
		for i, m := range moves {
			s := byID[m.School]
			if s == nil {
				_, err := schoolIn(schools, m.School)
				faults = append(faults, fmt.Errorf("%s%w", where(i), err))
				continue
			}
			if m.On == "" {
				m.On = t.Today()
			}
			if err := notDrawn(drawn, s.ID); err != nil {
				faults = append(faults, fmt.Errorf("%s%w", where(i), err))
				continue
			}
			before := *s
			before.Signatures = slices.Clone(s.Signatures)
			if err := t.move(tx, s, m, staff[s.ID], responses); err != nil {
				faults = append(faults, fmt.Errorf("%s%w", where(i), err))
				*s = before
				continue
			}
			changes = append(changes, trial.StageChange{School: s.ID, From: before.Stage, To: s.Stage, On: m.On, Reason: m.Reason, Note: m.Note})
			type note struct {
				Stage      trial.Stage       `json:"stage"`
				On         trial.Date        `json:"on"`
				Reason     string            `json:"reason,omitempty"`
				Note       string            `json:"note,omitempty"`
				Signatures []trial.Signature `json:"signatures,omitempty"`
			}
			entries = append(entries, entry{"school " + s.ID, note{Stage: before.Stage, On: before.Since}, note{s.Stage, s.Since, m.Reason, m.Note, m.Signatures}, m.Reason})
		}
		if len(faults) > 0 {
			return &FaultsError{faults}
		}
		for _, id := range changedSchools(changes) {
			if err := tx.SaveSchool(*byID[id]); err != nil {
				return err
			}
		}
		if err := tx.AddStageChanges(changes); err != nil {
			return err
		}
		for _, e := range entries {
			if err := t.log(tx, at, "school stage", e.about, e.before, e.after, e.why); err != nil {
				return err
			}
		}
		return nil
	})
}

func changedSchools(changes []trial.StageChange) []string {
	var ids []string
	seen := map[string]bool{}
	for _, c := range changes {
		if !seen[c.School] {
			seen[c.School] = true
			ids = append(ids, c.School)
		}
	}
	return ids
}

// move takes one school one step, in memory but for its signatures.
func (t *Trial) move(tx *store.Tx, s *trial.School, m Move, staff []trial.Staff, responses []trial.Response) error {
	var fresh []trial.Signature
	for _, g := range m.Signatures {
		if !slices.Contains(t.Protocol.Recruitment.Agreement, g.Role) {
			return fmt.Errorf("school %s: %q does not sign the agreement; the protocol names: %s", s.ID, g.Role, strings.Join(t.Protocol.Recruitment.Agreement, ", "))
		}
		if i := slices.IndexFunc(s.Signatures, func(h trial.Signature) bool { return h.Role == g.Role }); i >= 0 {
			if s.Signatures[i] != g {
				return fmt.Errorf("school %s: the %s signed on %s already", s.ID, g.Role, s.Signatures[i].On)
			}
			continue
		}
		s.Signatures = append(s.Signatures, g)
		fresh = append(fresh, g)
	}
	err := t.Protocol.CheckMove(*s, m.To, m.On, m.Reason, m.Note)
	var stageErr *trial.StageError
	if err != nil && !errors.As(err, &stageErr) {
		return err
	}
	if m.To == trial.Ready {
		// Everything that keeps it from being ready, at once.
		for _, f := range t.Protocol.Eligibility(*s, staff, responses) {
			if !f.OK {
				if stageErr == nil {
					stageErr = &trial.StageError{School: s.ID, Is: s.Stage, To: m.To}
				}
				stageErr.Faults = append(stageErr.Faults, fmt.Sprintf("rule %q: %s", f.Rule.Text, f.Evidence))
			}
		}
	}
	if stageErr != nil {
		return stageErr
	}
	for _, g := range fresh {
		if err := tx.AddSignature(s.ID, g); err != nil {
			return err
		}
	}
	s.Stage, s.Since, s.Reason, s.Note = m.To, m.On, m.Reason, m.Note
	return nil
}

// surveyOf reads staff by school, and all responses.
func surveyOf(tx *store.Tx) (map[string][]trial.Staff, []trial.Response, error) {
	staff, err := tx.Staff()
	if err != nil {
		return nil, nil, err
	}
	bySchool := map[string][]trial.Staff{}
	for _, s := range staff {
		bySchool[s.School] = append(bySchool[s.School], s)
	}
	responses, err := tx.Responses()
	return bySchool, responses, err
}

// NewLeader is a leader as somebody names one.
type NewLeader struct {
	School, Role, Name, Email string
	On                        trial.Date
}

// AddLeaders names leaders, all of them or none. Names and addresses go into
// the identity table; everything else knows the pseudonymous ID.
func (t *Trial) AddLeaders(ctx context.Context, leaders []NewLeader, where func(i int) string) error {
	return t.write(ctx, "", func(tx *store.Tx) error {
		schools, err := tx.Schools()
		if err != nil {
			return err
		}
		at := t.at()
		var faults []error
		fault := func(i int, err error) { faults = append(faults, fmt.Errorf("%s%w", where(i), err)) }
		var roles []string
		for _, r := range t.Protocol.Recruitment.Leaders {
			roles = append(roles, r.Role)
		}
		for i, l := range leaders {
			s, err := schoolIn(schools, l.School)
			if err != nil {
				fault(i, err)
				continue
			}
			if !slices.Contains(roles, l.Role) {
				fault(i, fmt.Errorf("role %q is %w; its roles are: %s", l.Role, ErrUnknown, strings.Join(roles, ", ")))
				continue
			}
			if strings.TrimSpace(l.Name) == "" {
				fault(i, fmt.Errorf("the %s of school %s has no name", l.Role, l.School))
				continue
			}
			if l.On == "" {
				l.On = t.Today()
			}
			n, err := tx.CountLeaders(l.School)
			if err != nil {
				return err
			}
			leader := trial.Leader{Role: l.Role, Person: fmt.Sprintf("%s-L%d", s.ID, n+1)}
			if err := tx.AddLeader(s.ID, leader, l.On); err != nil {
				return err
			}
			if err := tx.AddIdentities([]trial.Identity{{Kind: "leader", ID: leader.Person, Name: l.Name, Email: l.Email}}); err != nil {
				return err
			}
			if err := t.log(tx, at, "leader add", "school "+s.ID, nil, map[string]string{"person": leader.Person, "role": l.Role, "on": string(l.On)}, ""); err != nil {
				return err
			}
		}
		if len(faults) > 0 {
			return &FaultsError{faults}
		}
		return nil
	})
}

// LeaderLeft records that a leader left the role.
func (t *Trial) LeaderLeft(ctx context.Context, person string, on trial.Date, why string) error {
	if strings.TrimSpace(why) == "" {
		return errors.New("say why the leader left: turnover of leaders is part of the report")
	}
	if on == "" {
		on = t.Today()
	}
	return t.write(ctx, "", func(tx *store.Tx) error {
		leaders, err := tx.Leaders()
		if err != nil {
			return err
		}
		id, ok := leaders[person]
		if !ok {
			return fmt.Errorf("leader %q is %w; `evenhand school show` gives each leader's ID", person, ErrUnknown)
		}
		schools, err := tx.Schools()
		if err != nil {
			return err
		}
		s, err := schoolIn(schools, id)
		if err != nil {
			return err
		}
		if !slices.ContainsFunc(s.Leaders, func(l trial.Leader) bool { return l.Person == person }) {
			return fmt.Errorf("that %s left the role is on record already", person)
		}
		if err := tx.LeaderLeft(person, on); err != nil {
			return err
		}
		return t.log(tx, t.at(), "leader left", "leader "+person, nil, map[string]string{"on": string(on)}, why)
	})
}

// Note writes a remark about a school into the ledger.
func (t *Trial) Note(ctx context.Context, school, text string) error {
	if strings.TrimSpace(text) == "" {
		return errors.New("a note needs a text")
	}
	return t.write(ctx, "", func(tx *store.Tx) error {
		schools, err := tx.Schools()
		if err != nil {
			return err
		}
		if _, err := schoolIn(schools, school); err != nil {
			return err
		}
		return t.log(tx, t.at(), "school note", "school "+school, nil, nil, text)
	})
}

// Stop ends the trial before its draw. It cannot be taken back.
func (t *Trial) Stop(ctx context.Context, reason string) error {
	if strings.TrimSpace(reason) == "" {
		return errors.New("say why the trial is stopped: the reason is its report's first sentence")
	}
	return t.write(ctx, trial.StopTrial, func(tx *store.Tx) error {
		at := t.at()
		if err := tx.SaveStop(store.Stop{On: t.Today(), Reason: reason, At: at, Actor: t.Who.Actor}); err != nil {
			return fmt.Errorf("stop the trial: %w", err)
		}
		return t.log(tx, at, "trial stop", "trial "+t.ID(), nil, map[string]string{"on": string(t.Today())}, reason)
	})
}

// RegionCount is one region's part of the funnel.
type RegionCount struct {
	Region string `json:"region"`
	Listed int    `json:"listed"`
	Ready  int    `json:"ready"`
	Left   int    `json:"left"`
}

// Recruitment is the funnel against the target.
type Recruitment struct {
	Target   int                `json:"target"`
	Schools  int                `json:"schools"` // listed, whatever became of them
	Stages   []trial.StageCount `json:"stages"`
	Exits    []trial.Count      `json:"exits"` // by way out and reason
	Regions  []RegionCount      `json:"regions"`
	Ready    int                `json:"ready"`
	Needed   int                `json:"needed"`    // still to become ready; 0 when the target is met
	DaysLeft int                `json:"days_left"` // until recruitment closes; 0 after it, or without a date
	PerWeek  float64            `json:"per_week"`  // ready schools a week needed to meet the target; 0 without a date
	LastFour float64            `json:"last_four"` // ready schools a week over the last four weeks
	Closes   trial.Date         `json:"closes"`
	// Detectable is the trial's minimum detectable effect size with the schools
	// that are ready now, and as the protocol reckons with the target met.
	Detectable struct {
		Now    power.Stage `json:"now"`
		Target power.Stage `json:"target"`
	} `json:"detectable"`
}

// Recruitment counts the funnel.
func (t *Trial) Recruitment(ctx context.Context) (r Recruitment, err error) {
	err = t.read(ctx, func(tx *store.Tx) error {
		r, err = t.recruitment(tx)
		return err
	})
	return r, err
}

func (t *Trial) recruitment(tx *store.Tx) (Recruitment, error) {
	schools, err := tx.Schools()
	if err != nil {
		return Recruitment{}, err
	}
	changes, err := tx.StageChanges()
	if err != nil {
		return Recruitment{}, err
	}
	r := Recruitment{Target: t.Protocol.Recruitment.Target, Schools: len(schools), Regions: []RegionCount{}, Closes: t.Protocol.Recruitment.Closes}
	// A school that passed over a stage has been through it.
	furthest := map[string]int{}
	stages := trial.Stages()
	for _, c := range changes {
		if i := slices.Index(stages, c.To); i > furthest[c.School] {
			furthest[c.School] = i
		}
	}
	for i, stage := range stages {
		count := trial.StageCount{Stage: stage}
		for _, s := range schools {
			if furthest[s.ID] >= i {
				count.Reached++
			}
			if s.Stage == stage {
				count.Now++
			}
		}
		r.Stages = append(r.Stages, count)
	}
	exits := map[string]int{}
	regions := map[string]*RegionCount{}
	for _, s := range schools {
		region := s.Attributes[t.Protocol.Recruitment.Region]
		if region == "" {
			region = "not known"
		}
		if regions[region] == nil {
			regions[region] = &RegionCount{Region: region}
		}
		regions[region].Listed++
		switch {
		case s.Stage.Exit():
			exits[string(s.Stage)+": "+s.Reason]++
			regions[region].Left++
		case s.Stage == trial.Ready:
			r.Ready++
			regions[region].Ready++
		}
	}
	r.Exits = sortedCounts(exits)
	for _, region := range sortedKeys(regions) {
		r.Regions = append(r.Regions, *regions[region])
	}
	r.Needed = max(0, r.Target-r.Ready)
	today, _ := t.Today().Time()
	if closes, ok := r.Closes.Time(); ok && closes.After(today) {
		r.DaysLeft = int(closes.Sub(today).Hours()) / 24
		r.PerWeek = float64(r.Needed) / (float64(r.DaysLeft) / 7)
	}
	var ready []trial.School
	for _, s := range schools {
		if s.Stage == trial.Ready {
			ready = append(ready, s)
		}
	}
	pupils, err := tx.Pupils()
	if err != nil {
		return r, err
	}
	r.Detectable.Now, r.Detectable.Target = t.detectableNow(ready, pupils)
	since := trial.DateOf(today.AddDate(0, 0, -28))
	recent := 0
	for _, s := range schools {
		if s.Stage == trial.Ready && s.Since > since && s.Since <= t.Today() {
			recent++
		}
	}
	r.LastFour = float64(recent) / 4
	return r, nil
}

func sortedKeys[V any](m map[string]V) []string {
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	slices.Sort(keys)
	return keys
}

func sortedCounts(m map[string]int) []trial.Count {
	all := []trial.Count{}
	for _, k := range sortedKeys(m) {
		all = append(all, trial.Count{What: k, N: m[k]})
	}
	return all
}

// SchoolView is a school with what is worked out about it.
type SchoolView struct {
	School   trial.School
	Stratum  string
	Missing  []string        // strata columns without a value
	Findings []trial.Finding // eligibility
	History  []trial.StageChange
	Pupils   int
}

// Schools lists the schools with their eligibility, by ID.
func (t *Trial) Schools(ctx context.Context) (all []SchoolView, err error) {
	err = t.read(ctx, func(tx *store.Tx) error {
		all, err = t.schools(tx)
		return err
	})
	return all, err
}

func (t *Trial) schools(tx *store.Tx) ([]SchoolView, error) {
	schools, err := tx.Schools()
	if err != nil {
		return nil, err
	}
	staff, responses, err := surveyOf(tx)
	if err != nil {
		return nil, err
	}
	changes, err := tx.StageChanges()
	if err != nil {
		return nil, err
	}
	pupils, err := tx.Pupils()
	if err != nil {
		return nil, err
	}
	history, listed := map[string][]trial.StageChange{}, map[string]int{}
	for _, c := range changes {
		history[c.School] = append(history[c.School], c)
	}
	for _, p := range pupils {
		if !p.Joiner {
			listed[p.School]++
		}
	}
	all := make([]SchoolView, len(schools))
	for i, s := range schools {
		stratum, missing := t.Protocol.Stratum(s)
		all[i] = SchoolView{s, stratum, missing, t.Protocol.Eligibility(s, staff[s.ID], responses), history[s.ID], listed[s.ID]}
	}
	return all, nil
}

// School shows one school.
func (t *Trial) School(ctx context.Context, id string) (SchoolView, error) {
	all, err := t.Schools(ctx)
	if err != nil {
		return SchoolView{}, err
	}
	schools := make([]trial.School, len(all))
	for i, v := range all {
		if schools[i] = v.School; v.School.ID == id {
			return v, nil
		}
	}
	_, err = schoolIn(schools, id)
	return SchoolView{}, err
}
