package intake

import (
	"fmt"
	"io"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"evenhand/trial"
)

// PupilsFile is a list of pupils as read.
type PupilsFile struct {
	Report
	Pupils     []trial.Pupil    // new ones
	Identities []trial.Identity // names and numbers of the new ones, for the identity table only
	Scores     []trial.Score    // baseline scores: of the new pupils, and those of pupils on record that are new or differ
}

// Pupils reads a list of pupils with the columns school, pupil (a pseudonymous
// ID) or upn (from which IDs are then made), name if it is there, the columns
// of the outcomes' baselines, and the plan's pupil columns. Once the roster is
// locked, a pupil who is not on record is a joiner.
//
// An empty baseline needs a reason: a word of trial.MissingReasons in the cell
// itself, or in the column "HEADER_missing" or "missing reason". An empty pupil
// column means that the value is not known, and is counted in the notes.
func Pupils(name string, r io.Reader, k Known) (*PupilsFile, error) {
	s := readSheet(name, r)
	school := s.need("the school's ID", k.schoolHeaders()...)
	upn, full := s.find("upn"), s.find("name")
	pupil := s.find("pupil")
	if !pupil.there() && !upn.there() {
		pupil = s.need("a pseudonymous ID of each pupil", "pupil", "upn")
	}
	read := []column{school, upn, full, pupil}
	var measures []measure
	for _, o := range k.Protocol.Outcomes {
		if o.Baseline.Column != "" {
			measures = append(measures, s.measure(trial.BaselineOf(o.ID), o.Baseline.Label, o.Baseline.Column, o.Baseline.Range, true))
		}
	}
	var columns []column
	for _, c := range k.Protocol.Plan.PupilColumns {
		columns = append(columns, s.need(c.Label, c.Column))
	}
	read = append(read, columns...)
	for _, m := range measures {
		read = append(read, m.column, m.reason)
	}
	s.unread(read...)

	schools := k.schoolsByID()
	on := newPupilIndex(k)
	scores := scoresOnRecord(k.Scores)
	seen, seenUPN := newOnce("this pupil"), newOnce("this number")
	f := new(PupilsFile)
	empty := make([]int, len(columns))
	joiners, stored := 0, 0
	for _, rec := range s.rows {
		home, ok := s.school(rec, school, schools)
		number, okUPN := s.upn(rec, upn)
		ok = ok && okUPN && s.oneLine(rec, full, s.value(rec, full))
		if number != "" {
			ok = seenUPN.take(s, rec, upn, number) && ok
		}
		id, okID := "", false
		switch {
		case pupil.there():
			if id, okID = s.pseudonym(rec, pupil, "the pupil's pseudonymous ID"); okID {
				okID = seen.take(s, rec, pupil, id)
				if was, there := on.byUPN[number]; number != "" && there && was != id {
					s.fault(rec, upn, fmt.Sprintf("this number is on record for pupil %s", was), "one pupil must have one ID: correct one of the two")
					okID = false
				}
			}
		case !upn.there():
		case number != "":
			if was, there := on.byUPN[number]; there {
				id, okID = was, true
			} else if ok {
				id, okID = on.next(home), true
			}
		case okUPN:
			s.fault(rec, upn, "the cell is empty", "without a column `pupil`, every pupil needs a number, from which the ID is made")
		}
		attributes, okAttributes := s.pupilColumns(rec, k.Protocol.Plan.PupilColumns, columns, empty)
		got, okScores := s.scores(rec, measures, id)
		if !ok || !okID || !okAttributes || !okScores {
			continue
		}
		was, there := on.byID[id]
		if there {
			if was.School != home {
				s.fault(rec, school, fmt.Sprintf("pupil %s is on record in school %s", id, was.School), "a pupil stays with the school of the first listing, wherever they moved: leave the row out")
				continue
			}
			if !maps.Equal(was.Attributes, attributes) {
				s.fault(rec, school, fmt.Sprintf("pupil %s is on record with other values: %v", id, was.Attributes), "a record is not overwritten: correct the file")
				continue
			}
		} else {
			p := trial.Pupil{ID: id, School: home, Joiner: k.OnRoster != nil, Attributes: attributes}
			if p.Joiner {
				joiners++
			}
			f.Pupils = append(f.Pupils, p)
			if title := s.value(rec, full); title != "" || number != "" {
				f.Identities = append(f.Identities, trial.Identity{Kind: "pupil", ID: id, Name: title, Number: number})
			}
		}
		fresh := scores.fresh(got)
		f.Scores = append(f.Scores, fresh...)
		if there && len(fresh) == 0 {
			s.counts.skip(Already)
			continue
		}
		stored++
	}
	for i, n := range empty {
		if n > 0 {
			s.note("%s is empty in %d rows: it is not known there", columns[i].header, n)
		}
	}
	if joiners > 0 {
		s.note("%d of the pupils are joiners: the roster was locked before they were listed, so they are kept and never analysed as randomised", joiners)
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

// upn reads a unique pupil number; "" where the cell is empty.
func (s *sheet) upn(r record, c column) (string, bool) {
	v := strings.ToUpper(strings.ReplaceAll(s.value(r, c), " ", ""))
	if v == "" {
		return "", true
	}
	note, err := CheckUPN(v)
	if err != nil {
		s.fault(r, c, err.Error(), "a digit may be mistyped, or two swapped: ask the school, naming the row only")
		return "", false
	}
	if note != "" {
		s.note("row %d: %s", r.row, note)
	}
	return v, true
}

// pupilColumns reads the plan's pupil columns and counts empty cells.
func (s *sheet) pupilColumns(r record, plan []trial.PupilColumn, columns []column, empty []int) (map[string]string, bool) {
	attributes := map[string]string{}
	good := true
	for i, c := range plan {
		v := s.value(r, columns[i])
		if v == "" {
			if columns[i].there() {
				empty[i]++
			}
			continue
		}
		ok := s.oneLine(r, columns[i], v)
		switch c.Kind {
		case "yes/no":
			yes, known := yesNo(v)
			if !known {
				s.fault(r, columns[i], fmt.Sprintf("%q is neither yes nor no", clip(v)), "write yes or no, or 1 or 0; leave the cell empty where it is not known")
				ok = false
			}
			v = "no"
			if yes {
				v = "yes"
			}
		case "number":
			ok = s.number(r, columns[i], v, c.Range) && ok
		}
		if good = good && ok; ok {
			attributes[c.ID] = v
		}
	}
	return attributes, good
}

// number says whether a cell is a number within a range.
func (s *sheet) number(r record, c column, v string, within trial.Range) bool {
	x, err := trial.ParseDecimal(v)
	switch {
	case err != nil:
		s.fault(r, c, err.Error(), "")
		return false
	case !within.Contains(x):
		s.fault(r, c, fmt.Sprintf("%s is outside %s", v, within), "a value that cannot be is a mistake: correct it, or give the reason why there is none")
		return false
	}
	return true
}

// pupilIndex finds pupils on record and makes IDs for new ones.
type pupilIndex struct {
	byID  map[string]trial.Pupil
	byUPN map[string]string
	last  map[string]int // school: the highest number given out
}

var madeForm = regexp.MustCompile(`^(.*)-P([0-9]+)$`)

func newPupilIndex(k Known) *pupilIndex {
	x := &pupilIndex{map[string]trial.Pupil{}, map[string]string{}, map[string]int{}}
	for _, p := range k.Pupils {
		x.byID[p.ID] = p
		if m := madeForm.FindStringSubmatch(p.ID); m != nil {
			if n, err := strconv.Atoi(m[2]); err == nil {
				x.last[m[1]] = max(x.last[m[1]], n)
			}
		}
	}
	for _, who := range k.Identities {
		if who.Kind == "pupil" && who.Number != "" {
			x.byUPN[who.Number] = who.ID
		}
	}
	return x
}

// next makes an ID of a pupil of a school: the school's with -P001, -P002, …
func (x *pupilIndex) next(school string) string {
	x.last[school]++
	return fmt.Sprintf("%s-P%03d", school, x.last[school])
}

// measure is a column with scores, and the one with the reasons for gaps.
type measure struct {
	name   string // Score.Measure
	column column
	reason column
	within trial.Range
}

// measure finds a column of scores and its reasons.
func (s *sheet) measure(name, label, header string, within trial.Range, needed bool) measure {
	m := measure{name: name, within: within, column: s.find(header)}
	if needed && !m.column.there() {
		m.column = s.need(label, header)
	}
	m.reason = s.find(header+"_missing", header+" missing", "missing reason")
	return m
}

// scores reads a row's scores of a person.
func (s *sheet) scores(r record, measures []measure, person string) ([]trial.Score, bool) {
	var out []trial.Score
	good := true
	for _, m := range measures {
		if !m.column.there() {
			continue
		}
		score, ok := s.score(r, m)
		score.Measure, score.Person = m.name, person
		out = append(out, score)
		good = good && ok
	}
	return out, good
}

func (s *sheet) score(r record, m measure) (score trial.Score, ok bool) {
	v, why := s.value(r, m.column), s.value(r, m.reason)
	reasons := trial.MissingReasons()
	byWord := slices.IndexFunc(reasons, func(x string) bool { return strings.EqualFold(x, v) })
	byReason := slices.IndexFunc(reasons, func(x string) bool { return strings.EqualFold(x, why) })
	shared := strings.EqualFold(m.reason.header, "missing reason") // of the row, not of this score alone
	switch {
	case v == "" && why == "":
		s.fault(r, m.column, "the cell is empty", fmt.Sprintf("nobody drops out in silence: write why there is no score (%s), here or in a column %q", strings.Join(reasons, ", "), m.column.header+"_missing"))
		return score, false
	case why != "" && byReason < 0:
		s.fault(r, m.reason, fmt.Sprintf("%q is not a reason that is known", clip(why)), "it must be one of: "+strings.Join(reasons, ", "))
		return score, false
	case v == "":
		score.Missing = reasons[byReason]
		return score, true
	case byWord >= 0 && (why == "" || byWord == byReason || shared):
		score.Missing = reasons[byWord]
		return score, true
	case why != "" && !shared:
		s.fault(r, m.column, fmt.Sprintf("there is a score (%s), and a reason why there is none (%s)", clip(v), why), "take one of the two out")
		return score, false
	}
	x, err := trial.ParseDecimal(v)
	if err != nil {
		s.fault(r, m.column, err.Error(), "a score is a number; where there is none, write why: "+strings.Join(reasons, ", "))
		return score, false
	}
	score.Value = x
	return score, s.number(r, m.column, v, m.within)
}

// onRecord is the last revision of every score.
type onRecord struct {
	last     map[[2]string]trial.Score
	replaced int
}

func scoresOnRecord(scores []trial.Score) *onRecord {
	x := &onRecord{last: map[[2]string]trial.Score{}}
	for _, s := range scores {
		x.last[[2]string{s.Measure, s.Person}] = s
	}
	return x
}

// fresh gives the scores that say something new, and counts those that
// replace another.
func (x *onRecord) fresh(scores []trial.Score) []trial.Score {
	var out []trial.Score
	for _, s := range scores {
		was, there := x.last[[2]string{s.Measure, s.Person}]
		if there && was.Missing == s.Missing && (s.Missing != "" || was.Value == s.Value) {
			continue
		}
		if there {
			x.replaced++
		}
		out = append(out, s)
	}
	return out
}
