package intake

import (
	"fmt"
	"slices"

	"evenhand/trial"
)

// Known is what is on record already, against which a file is read. What a
// profile does not need may be left out.
type Known struct {
	Protocol    *trial.Protocol
	Schools     []trial.School   // every school listed, with its leaders
	OnRoster    map[string]bool  // schools on the locked roster, by ID; nil before the lock
	Staff       []trial.Staff    //
	Responses   []trial.Response //
	Pupils      []trial.Pupil    // every pupil listed, joiners too
	Identities  []trial.Identity // of pupils: to find a pupil by UPN
	Scores      []trial.Score    // the last revision of each
	Attendance  []trial.Attendance
	Withdrawals []trial.Withdrawal
}

// Report is what every profile tells beside the values.
type Report struct {
	Counts Counts
	Notes  []string // what a person should know, though it is no fault
}

// finish gives the report of a sheet, or its faults. stored is how many rows
// gave something to store.
func (s *sheet) finish(stored int) (Report, error) {
	s.faults.Rows = s.counts.Rows
	if err := s.faults.err(); err != nil {
		return Report{}, err
	}
	s.counts.Stored = stored
	if !s.counts.Agree() {
		return Report{}, fmt.Errorf("read %s: %d rows are not %d stored and %v: this is a mistake in Evenhand; nothing was stored", s.faults.File, s.counts.Rows, stored, s.counts.NotStored)
	}
	return Report{s.counts, s.notes}, nil
}

// schoolHeaders are the headers under which a file may have a school's ID: that
// of the protocol first, because a column school beside it is often the name.
func (k Known) schoolHeaders() []string {
	return []string{k.Protocol.SchoolColumns()[0].Header, "school"}
}

// schoolsByID finds schools by ID.
func (k Known) schoolsByID() map[string]trial.School {
	m := make(map[string]trial.School, len(k.Schools))
	for _, s := range k.Schools {
		m[s.ID] = s
	}
	return m
}

// school reads the ID of a school on record.
func (s *sheet) school(r record, c column, known map[string]trial.School) (string, bool) {
	id, ok := s.text(r, c, "the school's ID")
	if !ok {
		return "", false
	}
	if _, ok := known[id]; !ok {
		hint := "list the school first, or correct its ID"
		var near []string
		for have := range known {
			if !s.faults.full() && trial.Nearest(id, []string{have}) != "" {
				near = append(near, have)
			}
		}
		if len(near) > 0 {
			slices.Sort(near)
			hint = fmt.Sprintf("like it are: %s. L%s", clipList(near), hint[1:])
		}
		s.fault(r, c, fmt.Sprintf("%q is not a school of this trial", clip(id)), hint)
		return "", false
	}
	return id, true
}

// pseudonym reads an ID that stands for a person.
func (s *sheet) pseudonym(r record, c column, what string) (string, bool) {
	id, ok := s.text(r, c, what)
	if !ok {
		return "", false
	}
	if !trial.IsName(id) {
		s.fault(r, c, fmt.Sprintf("%q cannot be an ID", clip(id)), "an ID has letters of the English alphabet, digits and . _ - only, at most 64 of them, and must not be a name: whoever sees the data must not know the person")
		return "", false
	}
	return id, true
}
