package intake

import (
	"io"
	"strings"

	"evenhand/trial"
)

// Move is one line of a recruitment log: a school's step to a stage, with the
// signatures on the agreement that came with it.
type Move struct {
	Row        int
	School     string
	To         trial.Stage
	On         trial.Date
	Reason     string
	Note       string
	Signatures []trial.Signature
}

// MovesFile is a recruitment log as read.
type MovesFile struct {
	Report
	Moves []Move // in the order of rows
}

// Moves reads a recruitment log: columns school, stage, on and, where they
// apply, reason, note and a column for each role that signs the agreement,
// with the day of its signature. Whether a school may take the step is not
// asked here.
func Moves(name string, r io.Reader, k Known) (*MovesFile, error) {
	s := readSheet(name, r)
	school := s.need("the school's ID", k.schoolHeaders()...)
	stage := s.need("the stage it came to", "stage")
	on := s.need("the day", "on", "date")
	reason, note := s.find("reason"), s.find("note")
	read := []column{school, stage, on, reason, note}
	var roles []column
	for _, role := range k.Protocol.Recruitment.Agreement {
		c := s.find(role)
		roles = append(roles, c)
		read = append(read, c)
	}
	s.unread(read...)
	known := k.schoolsByID()
	f := new(MovesFile)
	for _, rec := range s.rows {
		m := Move{Row: rec.row}
		var ok1, ok2, ok3 bool
		m.School, ok1 = s.school(rec, school, known)
		if v, ok := s.text(rec, stage, "a stage"); ok {
			var err error
			if m.To, err = trial.ParseStage(v); err != nil {
				s.fault(rec, stage, err.Error(), "")
			} else {
				ok2 = true
			}
		}
		m.On, ok3 = s.date(rec, on)
		m.Reason, m.Note = s.value(rec, reason), s.value(rec, note)
		good := ok1 && ok2 && ok3 && s.oneLine(rec, reason, m.Reason) && s.oneLine(rec, note, m.Note)
		for i, c := range roles {
			if s.value(rec, c) == "" {
				continue
			}
			day, ok := s.date(rec, c)
			good = good && ok
			m.Signatures = append(m.Signatures, trial.Signature{Role: k.Protocol.Recruitment.Agreement[i], On: day})
		}
		if good {
			f.Moves = append(f.Moves, m)
		}
	}
	var err error
	f.Report, err = s.finish(len(f.Moves))
	if err != nil {
		return nil, err
	}
	return f, nil
}

// NewLeader is one line of a file of leaders.
type NewLeader struct {
	Row                       int
	School, Role, Name, Email string
	On                        trial.Date // "" if not given
}

// LeadersFile is a file of leaders as read.
type LeadersFile struct {
	Report
	Leaders []NewLeader // in the order of rows
}

// Leaders reads a file of leaders: columns school, role, name and, if wanted,
// email and on.
func Leaders(name string, r io.Reader, k Known) (*LeadersFile, error) {
	s := readSheet(name, r)
	school := s.need("the school's ID", k.schoolHeaders()...)
	role := s.need("the leader's role", "role")
	person := s.need("the leader's name", "name")
	email, on := s.find("email", "e-mail"), s.find("on", "date")
	s.unread(school, role, person, email, on)
	known := k.schoolsByID()
	var roles []string
	for _, rule := range k.Protocol.Recruitment.Leaders {
		roles = append(roles, rule.Role)
	}
	seen := newOnce("this leader")
	f := new(LeadersFile)
	for _, rec := range s.rows {
		l := NewLeader{Row: rec.row}
		var ok1, ok2, ok3 bool
		l.School, ok1 = s.school(rec, school, known)
		l.Role, ok2 = s.word(rec, role, roles...)
		l.Name, ok3 = s.text(rec, person, "a name")
		l.Email = s.value(rec, email)
		good := ok1 && ok2 && ok3 && s.oneLine(rec, email, l.Email)
		if s.value(rec, on) != "" {
			day, ok := s.date(rec, on)
			l.On, good = day, good && ok
		}
		if good && seen.take(s, rec, person, l.School+"\x00"+l.Role+"\x00"+strings.ToLower(l.Name)) {
			f.Leaders = append(f.Leaders, l)
		}
	}
	var err error
	f.Report, err = s.finish(len(f.Leaders))
	if err != nil {
		return nil, err
	}
	return f, nil
}

// Table is any CSV file as text: for analyses of data that belong to no trial.
type Table struct {
	Header []string
	Rows   [][]string // cells, trimmed, one a header
	At     []int      // row numbers as a spreadsheet has them
	Notes  []string
}

// ReadTable reads a file of any columns. Empty rows are left out.
func ReadTable(name string, r io.Reader) (*Table, error) {
	s := readSheet(name, r)
	t := &Table{Header: s.header, Notes: s.notes}
	for _, h := range s.header {
		s.find(h) // two columns of one name are a fault
	}
	for _, rec := range s.rows {
		cells := make([]string, len(s.header))
		for i := range cells {
			cells[i] = s.value(rec, column{s.header[i], i})
		}
		t.Rows = append(t.Rows, cells)
		t.At = append(t.At, rec.row)
	}
	if err := s.faults.err(); err != nil {
		return nil, err
	}
	return t, nil
}
