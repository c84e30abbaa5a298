package intake

import (
	"fmt"
	"io"
	"slices"
	"strconv"
	"strings"

	"evenhand/trial"
)

// StaffFile is a file of schools' staff as read.
type StaffFile struct {
	Report
	Staff []trial.Staff
}

// Staff reads a file with the columns school, staff (a pseudonymous ID), role
// and years (the year groups taught, "5 6" or "5;6"; R for reception; empty
// for none).
func Staff(name string, r io.Reader, k Known) (*StaffFile, error) {
	s := readSheet(name, r)
	school := s.need("the school's ID", k.schoolHeaders()...)
	staff := s.need("a pseudonymous ID of the member of staff", "staff")
	role := s.need("the role, such as teacher or head", "role")
	years := s.need("the year groups taught", "years", "year groups")
	s.unread(school, staff, role, years)
	schools := k.schoolsByID()
	known := map[string]trial.Staff{}
	for _, p := range k.Staff {
		known[p.ID] = p
	}
	seen := newOnce("this member of staff")
	f := new(StaffFile)
	for _, rec := range s.rows {
		var p trial.Staff
		var ok [4]bool
		p.School, ok[0] = s.school(rec, school, schools)
		p.ID, ok[1] = s.pseudonym(rec, staff, "the pseudonymous ID of the member of staff")
		p.Role, ok[2] = s.text(rec, role, "the role, such as teacher or head")
		p.Years, ok[3] = s.years(rec, years)
		if ok[1] && !seen.take(s, rec, staff, p.ID) || slices.Contains(ok[:], false) {
			continue
		}
		if have, there := known[p.ID]; there {
			if have.School != p.School || have.Role != p.Role || !slices.Equal(have.Years, p.Years) {
				s.fault(rec, staff, fmt.Sprintf("this member of staff is on record in school %s as %s of years %v", have.School, have.Role, have.Years), "a record is not overwritten: list a person who changed under a new ID")
				continue
			}
			s.counts.skip(Already)
			continue
		}
		f.Staff = append(f.Staff, p)
	}
	var err error
	if f.Report, err = s.finish(len(f.Staff)); err != nil {
		return nil, err
	}
	return f, nil
}

// years reads year groups separated by spaces, commas or semicolons.
func (s *sheet) years(r record, c column) ([]int, bool) {
	var years []int
	for _, part := range strings.FieldsFunc(s.value(r, c), func(r rune) bool { return strings.ContainsRune(" ,;/", r) }) {
		n, err := strconv.Atoi(part)
		if strings.EqualFold(part, "r") {
			n, err = 0, nil
		}
		if err != nil || n < 0 || n > 13 || strings.ContainsAny(part, "+-") {
			s.fault(r, c, fmt.Sprintf("%q is not a year group", clip(part)), "write numbers from 0 (or R, reception) to 13 with spaces between them, e.g. 5 6")
			return nil, false
		}
		years = append(years, n)
	}
	slices.Sort(years)
	return slices.Compact(years), true
}

// ResponsesFile is a round of a survey as read.
type ResponsesFile struct {
	Report
	Responses []trial.Response
}

// Responses reads who answered a round of a survey: the columns staff and
// answered (the day), and school if it is there, which must then agree.
func Responses(name string, r io.Reader, k Known, survey, round string) (*ResponsesFile, error) {
	if err := k.round(survey, round); err != nil {
		return nil, fmt.Errorf("read %s: %w", name, err)
	}
	s := readSheet(name, r)
	staff := s.need("the pseudonymous ID of the member of staff", "staff")
	on := s.need("the day of the answer", "answered", "date")
	school := s.find(k.schoolHeaders()...)
	s.unread(staff, on, school)
	schools := k.schoolsByID()
	schoolOf := map[string]string{}
	for _, p := range k.Staff {
		schoolOf[p.ID] = p.School
	}
	known := map[string]trial.Date{}
	for _, a := range k.Responses {
		if a.Survey == survey && a.Round == round {
			known[a.Staff] = a.On
		}
	}
	seen := newOnce("an answer of this member of staff")
	f := new(ResponsesFile)
	for _, rec := range s.rows {
		a := trial.Response{Survey: survey, Round: round}
		var ok, okDay bool
		if a.Staff, ok = s.pseudonym(rec, staff, "the pseudonymous ID of the member of staff"); ok {
			home, listed := schoolOf[a.Staff]
			switch {
			case !listed:
				s.fault(rec, staff, fmt.Sprintf("%q is not a member of staff on record", clip(a.Staff)), "read the file of staff first, or correct the ID")
				ok = false
			case school.there():
				if in, okSchool := s.school(rec, school, schools); !okSchool {
					ok = false
				} else if in != home {
					s.fault(rec, school, fmt.Sprintf("%s is on record in school %s", a.Staff, home), "correct one of the two")
					ok = false
				}
			}
			ok = seen.take(s, rec, staff, a.Staff) && ok
		}
		if a.On, okDay = s.date(rec, on); !ok || !okDay {
			continue
		}
		if was, there := known[a.Staff]; there {
			if was != a.On {
				s.fault(rec, on, fmt.Sprintf("the answer is on record for %s", was), "an answer is recorded once: take the row out, or correct the day")
				continue
			}
			s.counts.skip(Already)
			continue
		}
		f.Responses = append(f.Responses, a)
	}
	var err error
	if f.Report, err = s.finish(len(f.Responses)); err != nil {
		return nil, err
	}
	return f, nil
}

// round says whether the protocol has a survey's round.
func (k Known) round(survey, round string) error {
	var all []string
	for _, s := range k.Protocol.Surveys {
		for _, r := range s.Rounds {
			if s.ID == survey && r.ID == round {
				return nil
			}
			all = append(all, s.ID+" "+r.ID)
		}
	}
	if len(all) == 0 {
		return fmt.Errorf("the protocol declares no survey")
	}
	return fmt.Errorf("the protocol has no survey %q with a round %q; it has: %s", survey, round, strings.Join(all, ", "))
}
