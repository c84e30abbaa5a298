package intake

import (
	"errors"
	"fmt"
	"io"
	"regexp"
	"slices"
	"strings"

	"evenhand/trial"
)

// SchoolsFile is a file of schools as read.
type SchoolsFile struct {
	Report
	Schools    []trial.School // new ones, at stage Listed, in the order of rows; Since is left to the caller
	Duplicates []Duplicate    // what a person should look at; nothing was merged
}

// Duplicate sets side by side schools that may be one.
type Duplicate struct {
	Why     string      `json:"why"`
	Schools []Candidate `json:"schools"` // two or more
}

// Candidate is one side of a Duplicate.
type Candidate struct {
	Where      string            `json:"where"` // "row 7", or "on record"
	ID         string            `json:"id"`
	Name       string            `json:"name"`
	Attributes map[string]string `json:"attributes"`
}

// Schools reads a file of schools: the English register's by its own headers,
// or another by the protocol's mapping. Columns that the protocol's rules, strata
// and draw need must be there. The same ID twice is a fault that tells both
// rows; a school on record is not stored again, and shown if the file says
// something else of it; schools of one name (unless their places are known to
// differ) and schools of one postcode are shown.
func Schools(name string, r io.Reader, k Known) (*SchoolsFile, error) {
	s := readSheet(name, r)
	p := k.Protocol
	needed := p.NeededColumns()
	var read []column
	var columns []trial.Column
	byName := map[string]column{}
	for _, c := range p.SchoolColumns() {
		col := s.find(c.Header)
		if slices.Contains(needed, c.Name) || p.Schools.Columns[c.Name] != "" {
			col = s.need(needName(c.Name), c.Header)
		}
		columns = append(columns, c)
		read = append(read, col)
		byName[c.Name] = col
	}
	s.unread(read...)
	known := k.schoolsByID()
	seen := newOnce("this school")
	f := new(SchoolsFile)
	var all []Candidate // on record and in the file, to be compared
	for _, have := range k.Schools {
		all = append(all, Candidate{onRecordHere, have.ID, have.Name, have.Attributes})
	}
	var stored []trial.School
	for _, rec := range s.rows {
		id, okID := s.schoolID(rec, byName["id"], byName["name"], p.Schools.IDs)
		title, okName := s.text(rec, byName["name"], "the school's name")
		attributes := map[string]string{}
		ok := okID && okName
		for i, c := range columns {
			if c.Name == "id" || c.Name == "name" {
				continue
			}
			if v := s.value(rec, read[i]); v != "" {
				ok = s.oneLine(rec, read[i], v) && ok
				attributes[c.Name] = v
			}
		}
		var de *trial.DeriveError
		if errors.As(p.Derive(attributes), &de) {
			for _, fault := range de.Faults {
				s.fault(rec, byName[fault.Column], fmt.Sprintf("%s cannot be made: %s", fault.Derived, fault.Problem), "correct the value, or leave the cell empty where it is not known")
			}
			ok = false
		}
		if okID && !seen.take(s, rec, byName["id"], id) {
			ok = false
		}
		if !ok {
			continue
		}
		here := Candidate{fmt.Sprintf("row %d", rec.row), id, title, attributes}
		if have, ok := known[id]; ok {
			if why := different(have, title, attributes); why != "" {
				f.Duplicates = append(f.Duplicates, Duplicate{"the school is on record with other values: " + why, []Candidate{{onRecordHere, have.ID, have.Name, have.Attributes}, here}})
				s.counts.skip("on record with other values")
			} else {
				s.counts.skip(Already)
			}
			continue
		}
		all = append(all, here)
		stored = append(stored, trial.School{ID: id, Name: title, Attributes: attributes, Stage: trial.Listed, Source: fmt.Sprintf("%s row %d", name, rec.row)})
	}
	f.Duplicates = append(f.Duplicates, s.sameNames(all)...)
	f.Duplicates = append(f.Duplicates, samePostcodes(all)...)
	f.Schools = stored
	var err error
	f.Report, err = s.finish(len(stored))
	if err != nil {
		return nil, err
	}
	return f, nil
}

const onRecordHere = "on record"

// alike puts schools together by a key, in order of their first; schools
// without a key are left out, and so are keys that no school of the file has.
func alike(all []Candidate, key func(Candidate) string) [][]Candidate {
	at := map[string]int{}
	var groups [][]Candidate
	for _, c := range all {
		k := key(c)
		if k == "" {
			continue
		}
		i, ok := at[k]
		if !ok {
			i = len(groups)
			at[k] = i
			groups = append(groups, nil)
		}
		groups[i] = append(groups[i], c)
	}
	return slices.DeleteFunc(groups, func(g []Candidate) bool {
		return len(g) < 2 || !slices.ContainsFunc(g, func(c Candidate) bool { return c.Where != onRecordHere })
	})
}

func titleOf(c Candidate) string { return strings.Join(strings.Fields(strings.ToLower(c.Name)), " ") }

func postcodeOf(c Candidate) string { return spaceless(c.Attributes["postcode"]) }

func spaceless(s string) string { return strings.ToUpper(strings.ReplaceAll(s, " ", "")) }

// placeColumns say where a school is, if the file has them.
var placeColumns = []string{"postcode", "easting", "la", "district", "town", "county", "region"}

// elsewhere says whether two schools are known to be in different places.
func elsewhere(a, b Candidate) bool {
	return slices.ContainsFunc(placeColumns, func(column string) bool {
		x, y := spaceless(a.Attributes[column]), spaceless(b.Attributes[column])
		return x != "" && y != "" && x != y
	})
}

// sameNames finds schools of one name, and notes how many of them are known to
// be in different places.
func (s *sheet) sameNames(all []Candidate) []Duplicate {
	var found []Duplicate
	apart := 0
	for _, group := range alike(all, titleOf) {
		var same []Candidate
		for i, c := range group {
			for j, other := range group {
				// Thousands of one name are a fault of the file: all are shown.
				if i != j && (len(group) > 2000 || !elsewhere(c, other)) {
					same = append(same, c)
					break
				}
			}
		}
		if apart += len(group) - len(same); len(same) > 0 {
			found = append(found, Duplicate{fmt.Sprintf("%d schools have the name %q", len(same), same[0].Name), same})
		}
	}
	if apart > 0 {
		s.note("%d schools share their name with a school in another place: they are taken to be different schools", apart)
	}
	return found
}

// samePostcodes finds schools at one address under different names.
func samePostcodes(all []Candidate) []Duplicate {
	var found []Duplicate
	for _, group := range alike(all, postcodeOf) {
		if slices.ContainsFunc(group, func(c Candidate) bool { return titleOf(c) != titleOf(group[0]) }) {
			found = append(found, Duplicate{fmt.Sprintf("%d schools with different names have the postcode %s", len(group), group[0].Attributes["postcode"]), group})
		}
	}
	return found
}

func needName(column string) string {
	switch column {
	case "id":
		return "the school's ID"
	case "name":
		return "the school's name"
	}
	return column
}

// different words how a file's school differs from the one on record.
func different(have trial.School, title string, attributes map[string]string) string {
	var parts []string
	if have.Name != title {
		parts = append(parts, fmt.Sprintf("name %q, not %q", title, have.Name))
	}
	for _, column := range sortedKeys(attributes, have.Attributes) {
		if a, b := attributes[column], have.Attributes[column]; a != b {
			parts = append(parts, fmt.Sprintf("%s %q, not %q", column, a, b))
		}
	}
	return strings.Join(parts, "; ")
}

func sortedKeys(maps ...map[string]string) []string {
	var keys []string
	for _, m := range maps {
		for k := range m {
			keys = append(keys, k)
		}
	}
	slices.Sort(keys)
	return slices.Compact(keys)
}

var (
	urnForm    = regexp.MustCompile(`^[1-9][0-9]{5}$`)
	digitsForm = regexp.MustCompile(`^[0-9]+$`)
)

// schoolID reads a school's ID as the protocol wants it to look.
func (s *sheet) schoolID(r record, c, title column, ids string) (string, bool) {
	id, ok := s.text(r, c, "the school's ID")
	if !ok {
		return "", false
	}
	reason, hint := "", ""
	switch {
	case ids == "urn" && urnForm.MatchString(id), ids != "urn" && trial.IsName(id):
		return id, true
	case ids == "urn" && digitsForm.MatchString(id):
		reason = fmt.Sprintf("URN %s has %d digits, not six", clip(id), len(id))
		hint = "a spreadsheet may have eaten a digit, or it is another number: look the school up"
		if alike := s.sameName(r, c, title); alike != "" {
			hint += "; of the same name in this file: " + alike
		}
	case ids == "urn":
		reason = fmt.Sprintf("%q is not a URN, which has six digits", clip(id))
		hint = "give the number alone, without decimals, spaces or other signs"
	default:
		reason = fmt.Sprintf("%q cannot be an ID", clip(id))
		hint = "an ID has letters of the English alphabet, digits and . _ - only, at most 64 of them: it stands in the texts that the draw is made from"
	}
	s.fault(r, c, reason, hint)
	return "", false
}

// sameName names the other rows that share this row's school name.
func (s *sheet) sameName(r record, id, title column) string {
	name := s.value(r, title)
	if name == "" || s.faults.full() {
		return ""
	}
	var alike []string
	for _, other := range s.rows {
		if other.row != r.row && strings.EqualFold(s.value(other, title), name) {
			alike = append(alike, fmt.Sprintf("%s (row %d)", s.value(other, id), other.row))
		}
	}
	return clipList(alike)
}
