package intake

import (
	"fmt"
	"io"
	"strings"

	"evenhand/trial"
)

// OutcomesFile is a file of scores as read.
type OutcomesFile struct {
	Report
	Measures []string      // the measures found in the file
	Scores   []trial.Score // those that are new or differ from the last revision
	Joiners  []trial.Pupil // pupils who were not on record, in schools that are
}

// Outcomes reads a file of outcomes: a column pupil (or upn), and one for each
// outcome of the protocol that is in the file; where schools are measured, a
// column school instead. With a column school, pupils who are not on record
// are joiners, kept and never analysed as randomised; without one they are
// faults. A cell without a score needs a reason, as in Pupils.
func Outcomes(name string, r io.Reader, k Known) (*OutcomesFile, error) {
	return k.scoresFile(name, r, func(s *sheet) []measure {
		var measures []measure
		for _, o := range k.Protocol.Outcomes {
			if m := s.measure(o.ID, o.Label, o.Column, o.Range, false); m.column.there() {
				measures = append(measures, m)
			}
		}
		if len(measures) == 0 && s.header != nil {
			var headers []string
			for _, o := range k.Protocol.Outcomes {
				headers = append(headers, o.Column)
			}
			s.faultInFile(1, "", "the file has no column of an outcome", fmt.Sprintf("the protocol's outcomes are in the columns %s; the file has %s", strings.Join(headers, ", "), clipList(s.header)))
		}
		return measures
	})
}

// Baselines reads the outcomes' baselines of schools, where schools are
// measured: a column school, and every baseline's column. The file of schools
// itself may have them.
func Baselines(name string, r io.Reader, k Known) (*OutcomesFile, error) {
	if k.Protocol.Trial.Measured != "schools" {
		return nil, fmt.Errorf("read %s: pupils are measured, and their baselines come with the list of pupils", name)
	}
	return k.scoresFile(name, r, func(s *sheet) []measure {
		var measures []measure
		for _, o := range k.Protocol.Outcomes {
			if o.Baseline.Column != "" {
				measures = append(measures, s.measure(trial.BaselineOf(o.ID), o.Baseline.Label, o.Baseline.Column, o.Baseline.Range, true))
			}
		}
		return measures
	})
}

func (k Known) scoresFile(name string, r io.Reader, find func(*sheet) []measure) (*OutcomesFile, error) {
	s := readSheet(name, r)
	ofPupils := k.Protocol.Trial.Measured == "pupils"
	school, pupil, upn := s.find(k.schoolHeaders()...), s.find("pupil"), s.find("upn")
	switch {
	case !ofPupils:
		school = s.need("the school's ID", k.schoolHeaders()...)
		pupil, upn = column{"pupil", -1}, column{"upn", -1}
	case !pupil.there() && !upn.there():
		pupil = s.need("the pupil's pseudonymous ID", "pupil", "upn")
	}
	measures := find(s)
	read := []column{school, pupil, upn}
	f := new(OutcomesFile)
	for _, m := range measures {
		read = append(read, m.column, m.reason)
		f.Measures = append(f.Measures, m.name)
	}
	s.unread(read...)
	schools := k.schoolsByID()
	on := newPupilIndex(k)
	scores := scoresOnRecord(k.Scores)
	seen := newOnce("a score of this person")
	stored, moved, joined := 0, 0, 0
	for _, rec := range s.rows {
		person, ok := "", true
		var who column
		var joiner *trial.Pupil
		home := ""
		if school.there() {
			home, ok = s.school(rec, school, schools)
		}
		switch {
		case !ofPupils:
			person, who = home, school
		default:
			var okPupil bool
			person, who, okPupil = s.pupilOf(rec, pupil, upn, on)
			was, there := on.byID[person]
			switch {
			case !okPupil:
			case there && home != "" && was.School != home:
				moved++
			case there:
			case !school.there() || home == "" || !pupil.there():
				if !school.there() || !pupil.there() {
					s.fault(rec, who, fmt.Sprintf("%q is not a pupil on record", clip(s.value(rec, who))), "correct the ID; if the pupil joined after the roster was locked, give the file the columns `school` and `pupil`, or list the pupil first")
				}
				okPupil = false
			default:
				joiner = &trial.Pupil{ID: person, School: home, Joiner: true}
			}
			ok = ok && okPupil
		}
		if ok {
			ok = seen.take(s, rec, who, person)
		}
		got, okScores := s.scores(rec, measures, person)
		if !ok || !okScores || len(got) == 0 {
			continue
		}
		if !ofPupils && k.OnRoster != nil && !k.OnRoster[home] {
			s.counts.skip(OffList)
			continue
		}
		fresh := scores.fresh(got)
		if len(fresh) == 0 {
			s.counts.skip(Already)
			continue
		}
		if joiner != nil {
			joined++
			f.Joiners = append(f.Joiners, *joiner)
		}
		f.Scores = append(f.Scores, fresh...)
		stored++
	}
	if joined > 0 {
		s.note("%d pupils were not on record: they are kept as joiners and never analysed as randomised. Check that none is a mistyped ID", joined)
	}
	if moved > 0 {
		s.note("%d pupils are in another school than when they were listed: they stay with the school in which they were randomised", moved)
	}
	if scores.replaced > 0 {
		s.note("%d scores replace others on record, which are kept as earlier revisions", scores.replaced)
	}
	var err error
	if f.Report, err = s.finish(stored); err != nil {
		return nil, err
	}
	return f, nil
}

// pupilOf reads which pupil a row is about, and the column that says it.
func (s *sheet) pupilOf(r record, pupil, upn column, on *pupilIndex) (id string, who column, ok bool) {
	if pupil.there() {
		id, ok = s.pseudonym(r, pupil, "the pupil's pseudonymous ID")
		return id, pupil, ok
	}
	number, ok := s.upn(r, upn)
	if ok && number == "" {
		_, ok = s.text(r, upn, "the pupil's number")
	}
	if !ok {
		return "", upn, false
	}
	if id, there := on.byUPN[number]; there {
		return id, upn, true
	}
	return "", upn, true
}
