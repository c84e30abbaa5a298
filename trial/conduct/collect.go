package conduct

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"
	"strings"

	"evenhand/trial"
	"evenhand/trial/store"
)

// File is a file that is taken in: its name, the digest of its bytes, and
// what became of its rows (Rows = Stored + the sum of NotStored).
type File struct {
	Kind      string // "schools", "pupils" …
	Name      string // base name
	Digest    string
	Rows      int
	Stored    int
	NotStored []trial.Count
}

// taken records a file with the digest of what was stored from it.
// joiners are those among it who came after the lock; the ledger counts them by
// school, so that the flow's boxes follow from it.
func (t *Trial) taken(tx *store.Tx, f File, content any, joiners ...trial.Pupil) error {
	sum := f.Stored
	for _, c := range f.NotStored {
		sum += c.N
	}
	if sum != f.Rows {
		return fmt.Errorf("%w: %s has %d rows, of which %d are accounted for", store.ErrConserve, f.Name, f.Rows, sum)
	}
	text, err := json.Marshal(content)
	if err != nil {
		return err
	}
	came := map[string]int{}
	for _, p := range joiners {
		if p.Joiner {
			came[p.School]++
		}
	}
	at := t.at()
	if err := tx.AddImport(store.Import{Kind: f.Kind, File: f.Name, Digest: f.Digest, Rows: f.Rows, Stored: f.Stored, NotStored: f.NotStored, At: at, Actor: t.Who.Actor}); err != nil {
		return fmt.Errorf("record the import of %s: %w", f.Name, err)
	}
	return t.log(tx, at, f.Kind+" import", "file "+f.Name, nil, struct {
		File      string        `json:"file"`
		Rows      int           `json:"rows"`
		Stored    int           `json:"stored"`
		NotStored []trial.Count `json:"not_stored,omitempty"`
		Content   string        `json:"content"`

		Joiners map[string]int `json:"joiners,omitempty"` // by school
	}{f.Digest, f.Rows, f.Stored, f.NotStored, trial.DigestOf(string(text)), came}, "")
}

// Known is what is on record, as the importers need it.
type Known struct {
	Facts       trial.Facts
	Schools     []trial.School  // with everybody who ever was a leader: attendance may come in after they left
	OnRoster    map[string]bool // schools on the locked roster; nil before the lock
	Staff       []trial.Staff
	Responses   []trial.Response
	Pupils      []trial.Pupil
	Identities  []trial.Identity // of pupils
	Scores      []trial.Score
	Attendance  []trial.Attendance
	Withdrawals []trial.Withdrawal
}

// Known reads it.
func (t *Trial) Known(ctx context.Context) (k Known, err error) {
	err = t.read(ctx, func(tx *store.Tx) error {
		var errs [9]error
		k.Facts, errs[0] = t.facts(tx)
		k.Schools, errs[1] = tx.Schools()
		k.Staff, errs[2] = tx.Staff()
		k.Responses, errs[3] = tx.Responses()
		k.Pupils, errs[4] = tx.Pupils()
		k.Identities, errs[5] = tx.Identities("pupil")
		k.Scores, errs[6] = tx.Scores()
		k.Attendance, errs[7] = tx.Attendance()
		k.Withdrawals, errs[8] = tx.Withdrawals()
		if err := errors.Join(errs[:]...); err != nil {
			return err
		}
		if err := addPastLeaders(tx, k.Schools); err != nil {
			return err
		}
		if k.Facts.Locked {
			roster, err := t.everyRoster(tx)
			if err != nil {
				return err
			}
			k.OnRoster = map[string]bool{}
			for _, s := range roster.Schools {
				k.OnRoster[s.ID] = true
			}
		}
		return nil
	})
	return k, err
}

// addPastLeaders adds those who left the role to their schools' leaders.
func addPastLeaders(tx *store.Tx, schools []trial.School) error {
	all, err := tx.Leaders()
	if err != nil {
		return err
	}
	of := map[string][]string{}
	for _, person := range sortedKeys(all) {
		of[all[person]] = append(of[all[person]], person)
	}
	for i := range schools {
		s := &schools[i]
		for _, person := range of[s.ID] {
			if !slices.ContainsFunc(s.Leaders, func(l trial.Leader) bool { return l.Person == person }) {
				s.Leaders = append(s.Leaders, trial.Leader{Person: person})
			}
		}
	}
	return nil
}

// ImportSchools lists schools from a file.
func (t *Trial) ImportSchools(ctx context.Context, f File, schools []trial.School) error {
	for i := range schools {
		schools[i].Stage = trial.Listed
		if schools[i].Since == "" {
			schools[i].Since = t.Today()
		}
	}
	return t.write(ctx, trial.ChangeSchools, func(tx *store.Tx) error {
		if err := tx.AddSchools(schools); err != nil {
			return err
		}
		return t.taken(tx, f, schools)
	})
}

// ImportStaff enters members of staff from a file.
func (t *Trial) ImportStaff(ctx context.Context, f File, staff []trial.Staff) error {
	return t.write(ctx, "", func(tx *store.Tx) error {
		if err := tx.AddStaff(staff); err != nil {
			return err
		}
		return t.taken(tx, f, staff)
	})
}

// ImportResponses enters answers to a round of a survey from a file.
func (t *Trial) ImportResponses(ctx context.Context, f File, responses []trial.Response) error {
	return t.write(ctx, "", func(tx *store.Tx) error {
		if err := tx.AddResponses(responses); err != nil {
			return err
		}
		return t.taken(tx, f, responses)
	})
}

// ImportPupils enters pupils with their baseline scores and, in the identity
// table, their names and UPNs. After their school's roster was locked they are
// joiners: kept and marked, never analysed as randomised.
func (t *Trial) ImportPupils(ctx context.Context, f File, pupils []trial.Pupil, scores []trial.Score, identities []trial.Identity) (joiners bool, err error) {
	err = t.write(ctx, trial.ListPupils, func(tx *store.Tx) error {
		facts, err := t.facts(tx)
		if err != nil {
			return err
		}
		locked := map[string]bool{} // where a later wave comes: the schools that are too late for it
		wave, _ := facts.Next()
		if wave > 0 {
			roster, err := t.everyRoster(tx)
			if err != nil {
				return err
			}
			for _, s := range roster.Schools {
				locked[s.ID] = true
			}
		}
		for i := range pupils {
			pupils[i].Joiner = facts.Locked && (wave == 0 || locked[pupils[i].School])
			joiners = joiners || pupils[i].Joiner
		}
		if err := tx.AddPupils(pupils); err != nil {
			return err
		}
		if err := tx.AddScores(scores); err != nil {
			return err
		}
		if err := tx.AddIdentities(identities); err != nil {
			return err
		}
		return t.taken(tx, f, struct {
			Pupils []trial.Pupil
			Scores []trial.Score
		}{pupils, scores}, pupils...)
	})
	return joiners, err
}

// ImportAttendance enters who was at which session.
func (t *Trial) ImportAttendance(ctx context.Context, f File, attendance []trial.Attendance) error {
	return t.write(ctx, trial.Deliver, func(tx *store.Tx) error {
		if err := tx.AddAttendance(attendance); err != nil {
			return err
		}
		return t.taken(tx, f, attendance)
	})
}

// Withdraw records who left, from what and why, each with its own entry. The
// file is nil where they were given by hand.
func (t *Trial) Withdraw(ctx context.Context, f *File, withdrawals []trial.Withdrawal) error {
	return t.write(ctx, trial.Withdraw, func(tx *store.Tx) error {
		if err := tx.AddWithdrawals(withdrawals); err != nil {
			return err
		}
		at := t.at()
		for _, w := range withdrawals {
			after := struct {
				From trial.WithdrawalFrom `json:"from"`
				On   trial.Date           `json:"on"`
				Note string               `json:"note,omitempty"`
			}{w.From, w.On, w.Note}
			if err := t.log(tx, at, "withdrawal", w.Level+" "+w.Subject, nil, after, w.Reason); err != nil {
				return err
			}
		}
		if f == nil {
			return nil
		}
		return t.taken(tx, *f, withdrawals)
	})
}

// CheckWithdrawal says what is wrong with a withdrawal given by hand.
func (t *Trial) CheckWithdrawal(k Known, w trial.Withdrawal) error {
	switch {
	case w.Level == "school":
		if _, err := schoolIn(k.Schools, w.Subject); err != nil {
			return err
		}
		if k.OnRoster != nil && !k.OnRoster[w.Subject] {
			return fmt.Errorf("school %s is not on the roster: what became of it before the lock is recorded with `evenhand school stage`", w.Subject)
		}
	case !slices.ContainsFunc(k.Pupils, func(p trial.Pupil) bool { return p.ID == w.Subject }):
		ids := make([]string, len(k.Pupils))
		for i, p := range k.Pupils {
			ids[i] = p.ID
		}
		if near := trial.Nearest(w.Subject, ids); near != "" {
			return fmt.Errorf("pupil %q is %w; the nearest is %s", w.Subject, ErrUnknown, near)
		}
		return fmt.Errorf("pupil %q is %w", w.Subject, ErrUnknown)
	}
	if strings.TrimSpace(w.Reason) == "" {
		return fmt.Errorf("%s %s: a reason is needed", w.Level, w.Subject)
	}
	for _, was := range k.Withdrawals {
		if was.Level == w.Level && was.Subject == w.Subject && (was.From == w.From || was.From == trial.FromBoth) {
			return fmt.Errorf("%s %s left (%s) on %s already: %s", w.Level, w.Subject, was.From, was.On, was.Reason)
		}
	}
	return nil
}

// RevisionError says that scores are there already.
type RevisionError struct {
	Measure string
	N       int
	First   string // a person whose score is there
}

func (e *RevisionError) Error() string {
	return fmt.Sprintf("%d scores of %s are stored already (the first is %s's); nothing was stored", e.N, e.Measure, e.First)
}

// ImportScores enters scores from an outcome file, with the joiners that
// turned up in it. Scores that are there already are a *RevisionError, unless
// why is given: then they are corrected, the old ones staying in the record.
func (t *Trial) ImportScores(ctx context.Context, f File, scores []trial.Score, joiners []trial.Pupil, why string) error {
	return t.scores(ctx, trial.StoreOutcomes, f, scores, joiners, why)
}

// ImportBaselines enters schools' baseline scores, where schools are measured.
func (t *Trial) ImportBaselines(ctx context.Context, f File, scores []trial.Score, why string) error {
	return t.scores(ctx, trial.ChangeSchools, f, scores, nil, why)
}

func (t *Trial) scores(ctx context.Context, action trial.Action, f File, scores []trial.Score, joiners []trial.Pupil, why string) error {
	return t.write(ctx, action, func(tx *store.Tx) error {
		if err := t.measured(tx, scores, joiners); err != nil {
			return err
		}
		if action == trial.ChangeSchools { // before the draw; a later wave may be recruited after another's
			persons := make([]string, len(scores))
			for i, s := range scores {
				persons[i] = s.Person
			}
			drawn, err := tx.Assignments()
			if err != nil {
				return err
			}
			if err := notDrawn(drawn, persons...); err != nil {
				return err
			}
		}
		there, err := tx.Scores()
		if err != nil {
			return err
		}
		have := map[[2]string]bool{}
		for _, s := range there {
			have[[2]string{s.Measure, s.Person}] = true
		}
		again := map[string]*RevisionError{}
		for _, s := range scores {
			if have[[2]string{s.Measure, s.Person}] {
				if again[s.Measure] == nil {
					again[s.Measure] = &RevisionError{Measure: s.Measure, First: s.Person}
				}
				again[s.Measure].N++
			}
		}
		for _, m := range sortedKeys(again) {
			if why == "" {
				return again[m]
			}
			if err := t.log(tx, t.at(), "score correct", "measure "+m, nil, map[string]int{"scores": again[m].N}, why); err != nil {
				return err
			}
		}
		for i := range joiners {
			joiners[i].Joiner = true
		}
		if err := tx.AddPupils(joiners); err != nil {
			return err
		}
		if err := tx.AddScores(scores); err != nil {
			return err
		}
		return t.taken(tx, f, struct {
			Scores  []trial.Score
			Joiners []trial.Pupil
		}{scores, joiners}, joiners...)
	})
}

// measured sees that every score belongs to somebody on record, or to a joiner
// who comes with it.
func (t *Trial) measured(tx *store.Tx, scores []trial.Score, joiners []trial.Pupil) error {
	on := map[string]bool{}
	if t.Protocol.Trial.Measured == "schools" {
		schools, err := tx.Schools()
		if err != nil {
			return err
		}
		for _, s := range schools {
			on[s.ID] = true
		}
	} else {
		pupils, err := tx.Pupils()
		if err != nil {
			return err
		}
		for _, p := range append(pupils, joiners...) {
			on[p.ID] = true
		}
	}
	for _, s := range scores {
		if !on[s.Person] {
			return fmt.Errorf("score of %s: %q is %w", s.Measure, s.Person, ErrUnknown)
		}
	}
	return nil
}

// Imports lists the files taken in.
func (t *Trial) Imports(ctx context.Context) (all []store.Import, err error) {
	err = t.read(ctx, func(tx *store.Tx) error {
		all, err = tx.Imports()
		return err
	})
	return all, err
}
