package trial

import (
	"fmt"
	"maps"
	"math/big"
	"slices"
	"strings"
)

// Column is a column of the file of schools: our name for it and its header.
type Column struct {
	Name, Header string
}

// GIASColumns lists the columns of the English register of schools (Get
// Information about Schools, edubasealldata) that are known by header. Phases,
// types and statuses are read as words, because the register's codes differ
// between its file and its service.
func GIASColumns() []Column {
	return []Column{
		{"id", "URN"},
		{"name", "EstablishmentName"},
		{"region", "GOR (name)"},
		{"la", "LA (name)"},
		{"la_code", "LA (code)"},
		{"establishment_number", "EstablishmentNumber"},
		{"type", "TypeOfEstablishment (name)"},
		{"type_group", "EstablishmentTypeGroup (name)"},
		{"status", "EstablishmentStatus (name)"},
		{"phase", "PhaseOfEducation (name)"},
		{"low_age", "StatutoryLowAge"},
		{"high_age", "StatutoryHighAge"},
		{"gender", "Gender (name)"},
		{"religion", "ReligiousCharacter (name)"},
		{"pupils", "NumberOfPupils"},
		{"fsm", "PercentageFSM"},
		{"trust", "Trusts (name)"},
		{"federation", "Federations (name)"},
		{"urban_rural", "UrbanRural (name)"},
		{"postcode", "Postcode"},
		{"easting", "Easting"},
		{"northing", "Northing"},
	}
}

// SchoolColumns lists the columns that are read from the file of schools, id
// and name first: the protocol's own if an id is among them; otherwise the
// register's, with the protocol's put in place of those of the same name and
// after them by name.
func (p *Protocol) SchoolColumns() []Column {
	own := p.Schools.Columns
	var columns []Column
	if own["id"] == "" {
		for _, c := range GIASColumns() {
			if header, ok := own[c.Name]; ok {
				c.Header = header
			}
			columns = append(columns, c)
		}
	} else {
		columns = []Column{{"id", own["id"]}, {"name", own["name"]}}
	}
	for _, name := range slices.Sorted(maps.Keys(own)) {
		if !slices.ContainsFunc(columns, func(c Column) bool { return c.Name == name }) {
			columns = append(columns, Column{name, own[name]})
		}
	}
	return columns
}

// AttributeNames lists the names under which a school's attributes are kept:
// the columns read, without id and name, then the bands, then the groups.
func (p *Protocol) AttributeNames() []string {
	var names []string
	for _, c := range p.SchoolColumns() {
		if c.Name != "id" && c.Name != "name" {
			names = append(names, c.Name)
		}
	}
	for _, b := range p.Schools.Bands {
		names = append(names, b.Name)
	}
	for _, g := range p.Schools.Groups {
		names = append(names, g.Name)
	}
	return names
}

// AttributeFault is a value of a school from which a column cannot be made.
type AttributeFault struct {
	Column  string // the column with the value, by our name
	Value   string
	Derived string // the column that was to be made
	Problem string
}

// DeriveError is every fault that Derive met.
type DeriveError struct{ Faults []AttributeFault }

func (e *DeriveError) Error() string {
	parts := make([]string, len(e.Faults))
	for i, f := range e.Faults {
		parts[i] = fmt.Sprintf("%s cannot be made from %s: %s", f.Derived, f.Column, f.Problem)
	}
	return strings.Join(parts, "; ")
}

// Derive puts the protocol's bands and groups into a school's attributes. A
// school without a value in the column they come from gets none, and neither
// does one whose value is in no group where the protocol has no otherwise; a
// derived column that was there before is made anew. The error is nil or a
// *DeriveError.
func (p *Protocol) Derive(attributes map[string]string) error {
	var faults []AttributeFault
	for _, b := range p.Schools.Bands {
		delete(attributes, b.Name)
		value := strings.TrimSpace(attributes[b.From])
		if value == "" {
			continue
		}
		x, err := parseExact(value)
		if err != nil {
			faults = append(faults, AttributeFault{b.From, value, b.Name, err.Error()})
			continue
		}
		band := 0
		for band < len(b.Cuts) && x.Cmp(exactly(b.Cuts[band])) >= 0 {
			band++
		}
		attributes[b.Name] = b.Labels[band]
	}
	for _, g := range p.Schools.Groups {
		delete(attributes, g.Name)
		value := strings.TrimSpace(attributes[g.From])
		if value == "" {
			continue
		}
		name := g.Otherwise
		for group, values := range g.Groups {
			if containsFold(values, value) { // in one group at most, by the protocol's check
				name = group
			}
		}
		if name == "" {
			continue
		}
		attributes[g.Name] = name
	}
	if len(faults) > 0 {
		return &DeriveError{faults}
	}
	return nil
}

// exactly is the decimal number that a float of the protocol was written as.
func exactly(x float64) *big.Rat {
	r, _ := new(big.Rat).SetString(decimalText(x))
	return r
}

// NeededColumns lists the columns of the file of schools without which the
// protocol cannot be carried out: id and name, and what its strata, rules,
// funnel, draw and communities use, traced back to the columns from which
// bands and groups are made.
func (p *Protocol) NeededColumns() []string {
	var used []string
	used = append(used, p.Strata...)
	used = append(used, p.Recruitment.Region)
	for _, rule := range p.Recruitment.Eligible {
		used = append(used, rule.Column)
	}
	columns, _ := p.rosterColumns()
	for _, c := range columns {
		used = append(used, c.from)
	}
	for i := len(p.Schools.Groups) - 1; i >= 0; i-- { // a group may be made from an earlier one
		if g := p.Schools.Groups[i]; slices.Contains(used, g.Name) {
			used = append(used, g.From)
		}
	}
	for _, b := range p.Schools.Bands {
		if slices.Contains(used, b.Name) {
			used = append(used, b.From)
		}
	}
	needed := []string{"id", "name"}
	for _, c := range p.SchoolColumns() {
		if slices.Contains(used, c.Name) {
			needed = append(needed, c.Name)
		}
	}
	return slices.Compact(needed)
}
