package randomize

import (
	"slices"
	"strconv"
	"strings"
	"unicode"
	"unicode/utf8"
)

const rosterFirst = "evenhand-roster 1"

// MaxBalance is the greatest magnitude of a balance column's value.
const MaxBalance = 1_000_000_000

// Columns with a meaning of their own.
const (
	ColumnSequence = "sequence" // order of arrival: methods blocks, minimisation and efron
	ColumnSet      = "set"      // matched set: method pairs
	ColumnEasting  = "easting"  // metres: communities formed near
	ColumnNorthing = "northing" // metres: communities formed near
	columnStratum  = "stratum"  // the stratum where a column may be named
	columnUnit     = "unit"
	// PrefixMinutes and a unit's ID name a column of travel times to that unit,
	// used in place of easting and northing.
	PrefixMinutes = "minutes."
	// PrefixHub and a hub's name name a column of distances to that hub.
	PrefixHub = "hub."
)

// Unit is what is drawn: usually a school.
type Unit struct {
	ID      string  // [A-Za-z0-9._-]{1,64}, unique
	Stratum string  // UTF-8 without control characters, not empty
	Balance []int64 // one whole number within ±MaxBalance for each of the roster's columns
}

// Roster is every unit to be drawn, sorted by the bytes of its ID.
type Roster struct {
	Columns []string // names of the balance columns
	Units   []Unit
}

// NewRoster builds a roster from units in any order. It copies the units,
// sorts them and says everything wrong with them at once (*InvalidError).
func NewRoster(columns []string, units []Unit) (Roster, error) {
	r := Roster{Columns: slices.Clone(columns), Units: slices.Clone(units)}
	slices.SortStableFunc(r.Units, func(a, b Unit) int { return strings.Compare(a.ID, b.ID) })
	for i := range r.Units {
		r.Units[i].Balance = slices.Clone(r.Units[i].Balance)
	}
	f := faults{what: "roster"}
	r.validate(&f, 0)
	if err := f.err(); err != nil {
		return Roster{}, err
	}
	return r, nil
}

// Validate says everything wrong with the roster, as an *InvalidError; nil if
// nothing is.
func (r Roster) Validate() error {
	f := faults{what: "roster"}
	r.validate(&f, 0)
	return f.err()
}

// validate notes the roster's faults; with firstLine > 0 the first unit stands
// on that line of a text.
func (r Roster) validate(f *faults, firstLine int) {
	line := func(i int) int {
		if firstLine > 0 {
			return firstLine + i
		}
		return 0
	}
	seen := map[string]bool{columnUnit: true, columnStratum: true}
	for _, c := range r.Columns {
		if !isName(c) {
			f.add(line(-1), "column %q %s; names are 1 to 64 of A-Z a-z 0-9 . _ -", clip(c), whyNotName(c))
		}
		if seen[c] {
			f.add(line(-1), "column %s is there twice", c)
		}
		seen[c] = true
	}
	if len(r.Units) == 0 {
		f.add(0, "the roster has no units; there is nothing to draw")
	}
	for i, u := range r.Units {
		if !isName(u.ID) {
			f.add(line(i), "unit %q %s; IDs are 1 to 64 of A-Z a-z 0-9 . _ -, so that they have one spelling only", clip(u.ID), whyNotName(u.ID))
		}
		if i > 0 {
			switch prev := r.Units[i-1].ID; {
			case prev == u.ID:
				f.add(line(i), "unit %s is there twice; each unit has one line and one chance", clip(u.ID))
			case prev > u.ID:
				f.add(line(i), "unit %s stands after %s; units are sorted by the bytes of their IDs (digits before capitals before small letters)", clip(u.ID), clip(prev))
			}
		}
		if reason := whyNotStratum(u.Stratum); reason != "" {
			f.add(line(i), "the stratum of unit %s %s", clip(u.ID), reason)
		}
		if len(u.Balance) != len(r.Columns) {
			f.add(line(i), "unit %s has %s for %s", clip(u.ID), quantity(len(u.Balance), "balance value", "balance values"), quantity(len(r.Columns), "column", "columns"))
			continue
		}
		for j, v := range u.Balance {
			if v < -MaxBalance || v > MaxBalance {
				f.add(line(i), "%s of unit %s is %d, beyond ±%d", r.Columns[j], clip(u.ID), v, MaxBalance)
			}
		}
	}
}

func whyNotStratum(s string) string {
	switch {
	case s == "":
		return "is missing; every unit needs one before the roster is locked"
	case !utf8.ValidString(s):
		return "is not UTF-8"
	case strings.ContainsFunc(s, unicode.IsControl):
		return "contains a control character (a tab or a line end perhaps)"
	}
	return ""
}

// Column is the place of the named balance column, or -1.
func (r Roster) Column(name string) int { return slices.Index(r.Columns, name) }

// find is the place of the unit with this ID, or -1.
func (r Roster) find(id string) int {
	i, ok := slices.BinarySearchFunc(r.Units, id, func(u Unit, id string) int { return strings.Compare(u.ID, id) })
	if !ok {
		return -1
	}
	return i
}

// Text is the roster's canonical text, the very bytes that are hashed.
func (r Roster) Text() []byte {
	var b []byte
	b = append(b, rosterFirst+"\n"+columnUnit+"\t"+columnStratum...)
	for _, c := range r.Columns {
		b = append(append(b, '\t'), c...)
	}
	b = append(b, '\n')
	for _, u := range r.Units {
		b = append(b, u.ID...)
		b = append(append(b, '\t'), u.Stratum...)
		for _, v := range u.Balance {
			b = strconv.AppendInt(append(b, '\t'), v, 10)
		}
		b = append(b, '\n')
	}
	return b
}

// ParseRoster reads a roster text. Only the canonical bytes are accepted. The
// error is an *InvalidError with everything wrong, by line.
func ParseRoster(text []byte) (Roster, error) {
	f := &faults{what: "roster"}
	lines, ok := textLines(text, rosterFirst, f)
	if !ok {
		return Roster{}, f.err()
	}
	if len(lines) == 0 {
		f.add(2, "the header is missing; want unit, stratum and the balance columns, separated by tabs")
		return Roster{}, f.err()
	}
	header := strings.Split(lines[0], "\t")
	if len(header) < 2 || header[0] != columnUnit || header[1] != columnStratum {
		f.add(2, "the header is %q; want unit, stratum and the balance columns, separated by tabs", clip(lines[0]))
		return Roster{}, f.err()
	}
	r := Roster{Columns: header[2:]}
	if len(r.Columns) == 0 {
		r.Columns = nil
	}
	misshapen := false
	for i, l := range lines[1:] {
		n := i + 3
		fields := strings.Split(l, "\t")
		switch {
		case l == "":
			f.add(n, "the line is empty; a roster has one unit a line and nothing else")
			misshapen = true
			continue
		case len(fields) != len(header):
			f.add(n, "the line has %s, the header %d", quantity(len(fields), "field", "fields"), len(header))
			misshapen = true
			continue
		}
		u := Unit{ID: fields[0], Stratum: fields[1]}
		for j, s := range fields[2:] {
			v, ok := canonicalInt(s)
			if !ok {
				f.add(n, "%s of unit %s is %q, not a whole number written in digits without plus sign, leading zero or decimal point", clip(header[j+2]), clip(u.ID), clip(s))
			}
			u.Balance = append(u.Balance, v)
		}
		r.Units = append(r.Units, u)
	}
	first := 3
	if misshapen {
		first = 0 // lines and units no longer run in step
	}
	r.validate(f, first)
	slices.SortStableFunc(f.list, func(a, b Fault) int { return a.Line - b.Line })
	if len(f.list) > 0 {
		return Roster{}, f.err()
	}
	return r, nil
}
