package intake

import (
	"fmt"
	"io"
	"slices"
	"strings"

	"evenhand/trial"
)

// AttendanceFile is a file of who was at which session, as read.
type AttendanceFile struct {
	Report
	Attendance []trial.Attendance
}

// Attendance reads a file with the columns session, school, person (a leader's
// pseudonymous ID) and attended (yes or no).
func Attendance(name string, r io.Reader, k Known) (*AttendanceFile, error) {
	s := readSheet(name, r)
	session := s.need("the session's short name", "session")
	school := s.need("the school's ID", k.schoolHeaders()...)
	person := s.need("the leader's pseudonymous ID", "person")
	attended := s.need("yes or no", "attended")
	s.unread(session, school, person, attended)
	schools := k.schoolsByID()
	var sessions []string
	for _, x := range k.Protocol.Delivery.Sessions {
		sessions = append(sessions, x.ID)
	}
	if len(sessions) == 0 {
		s.faultInFile(0, "", "the protocol declares no session", "declare the sessions under `delivery`")
	}
	known := map[[2]string]trial.Attendance{}
	for _, a := range k.Attendance {
		known[[2]string{a.Session, a.Person}] = a
	}
	seen := newOnce("this person's attendance at this session")
	f := new(AttendanceFile)
	for _, rec := range s.rows {
		var a trial.Attendance
		var ok [4]bool
		if len(sessions) > 0 {
			a.Session, ok[0] = s.word(rec, session, sessions...)
		}
		a.School, ok[1] = s.school(rec, school, schools)
		if a.Person, ok[2] = s.pseudonym(rec, person, "the leader's pseudonymous ID"); ok[1] && ok[2] {
			leaders := schools[a.School].Leaders
			if !slices.ContainsFunc(leaders, func(l trial.Leader) bool { return l.Person == a.Person }) {
				var ids []string
				for _, l := range leaders {
					ids = append(ids, l.Person)
				}
				hint := "name the school's leaders first"
				if len(ids) > 0 {
					hint = "its leaders are: " + strings.Join(ids, ", ")
				}
				s.fault(rec, person, fmt.Sprintf("%s is not a leader of school %s", a.Person, a.School), hint)
				ok[2] = false
			}
		}
		if v, given := s.text(rec, attended, "yes or no"); given {
			if a.Attended, ok[3] = yesNo(v); !ok[3] {
				s.fault(rec, attended, fmt.Sprintf("%q is neither yes nor no", clip(v)), "write yes or no")
			}
		}
		if ok[0] && ok[2] && !seen.take(s, rec, person, a.Session+"\x00"+a.Person) || slices.Contains(ok[:], false) {
			continue
		}
		if was, there := known[[2]string{a.Session, a.Person}]; there {
			if was != a {
				s.fault(rec, attended, "something else is on record for this person and session", "attendance is recorded once: correct the file")
				continue
			}
			s.counts.skip(Already)
			continue
		}
		f.Attendance = append(f.Attendance, a)
	}
	var err error
	if f.Report, err = s.finish(len(f.Attendance)); err != nil {
		return nil, err
	}
	return f, nil
}

// WithdrawalsFile is a file of who left, as read.
type WithdrawalsFile struct {
	Report
	Withdrawals []trial.Withdrawal
}

// Withdrawals reads a file with the columns level (school or pupil), id, from
// (programme, data or both), date and reason, and note if it is there.
func Withdrawals(name string, r io.Reader, k Known) (*WithdrawalsFile, error) {
	s := readSheet(name, r)
	level := s.need("school or pupil", "level")
	id := s.need("the ID of the school or pupil", "id")
	from := s.need("programme, data or both", "from")
	on := s.need("the day", "date", "on")
	reason := s.need("the reason", "reason")
	note := s.find("note")
	s.unread(level, id, from, on, reason, note)
	schools := k.schoolsByID()
	pupils := newPupilIndex(k)
	seen := newOnce("this withdrawal")
	f := new(WithdrawalsFile)
	for _, rec := range s.rows {
		w := trial.Withdrawal{Note: s.value(rec, note)}
		var ok [5]bool
		if w.Level, ok[0] = s.word(rec, level, "school", "pupil"); ok[0] {
			switch w.Level {
			case "school":
				if w.Subject, ok[1] = s.school(rec, id, schools); ok[1] && k.OnRoster != nil && !k.OnRoster[w.Subject] {
					s.fault(rec, id, fmt.Sprintf("school %s is not on the roster", w.Subject), "a school that left before the roster was locked is recorded as an exit from recruitment")
					ok[1] = false
				}
			case "pupil":
				if w.Subject, ok[1] = s.pseudonym(rec, id, "the pupil's pseudonymous ID"); ok[1] {
					if _, there := pupils.byID[w.Subject]; !there {
						s.fault(rec, id, fmt.Sprintf("%q is not a pupil on record", w.Subject), "list the pupil first, or correct the ID")
						ok[1] = false
					}
				}
			}
		}
		var what string
		what, ok[2] = s.word(rec, from, string(trial.FromProgramme), string(trial.FromData), string(trial.FromBoth))
		w.From = trial.WithdrawalFrom(what)
		w.On, ok[3] = s.date(rec, on)
		w.Reason, ok[4] = s.text(rec, reason, "the reason")
		ok[4] = s.oneLine(rec, note, w.Note) && ok[4]
		if ok[0] && ok[1] && ok[2] && !seen.take(s, rec, id, strings.Join([]string{w.Level, w.Subject, what}, "\x00")) || slices.Contains(ok[:], false) {
			continue
		}
		if slices.Contains(k.Withdrawals, w) {
			s.counts.skip(Already)
			continue
		}
		f.Withdrawals = append(f.Withdrawals, w)
	}
	var err error
	if f.Report, err = s.finish(len(f.Withdrawals)); err != nil {
		return nil, err
	}
	return f, nil
}
