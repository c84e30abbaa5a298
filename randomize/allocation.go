package randomize

import (
	"fmt"
	"slices"
	"strings"
)

const (
	allocationFirst  = "evenhand-allocation 1"
	allocationHeader = "unit\tarm\tcommunity"
)

// Assignment is one unit's arm and community.
type Assignment struct {
	Unit      string
	Arm       string
	Community int // counted from 1; 0 means none
}

// Allocation is the whole result of a draw, in the roster's order.
type Allocation struct {
	Assignments []Assignment
}

// Text is the allocation's canonical text (RULE.md, section 7).
func (a *Allocation) Text() []byte {
	var b strings.Builder
	b.WriteString(allocationFirst + "\n" + allocationHeader + "\n")
	for _, x := range a.Assignments {
		b.WriteString(x.Unit + "\t" + x.Arm + "\t" + itoa(x.Community) + "\n")
	}
	return []byte(b.String())
}

// Digest is the SHA-256 of the allocation's text, in hexadecimal.
func (a *Allocation) Digest() string { return Digest(a.Text()) }

// Of is the assignment of the unit with this ID.
func (a *Allocation) Of(unit string) (Assignment, bool) {
	i, ok := slices.BinarySearchFunc(a.Assignments, unit, func(x Assignment, id string) int { return strings.Compare(x.Unit, id) })
	if !ok {
		return Assignment{}, false
	}
	return a.Assignments[i], true
}

// Size is the number of units in the named arm.
func (a *Allocation) Size(arm string) int {
	n := 0
	for _, x := range a.Assignments {
		if x.Arm == arm {
			n++
		}
	}
	return n
}

// ParseAllocation reads an allocation text. Only the canonical bytes are
// accepted. The error is an *InvalidError with everything wrong, by line.
func ParseAllocation(text []byte) (*Allocation, error) {
	f := &faults{what: "allocation"}
	lines, ok := textLines(text, allocationFirst, f)
	if !ok {
		return nil, f.err()
	}
	if len(lines) == 0 || lines[0] != allocationHeader {
		f.add(2, "the header is not %q", allocationHeader)
		return nil, f.err()
	}
	if len(lines) == 1 {
		f.add(2, "no unit follows the header")
	}
	a := &Allocation{}
	last := ""
	for i, l := range lines[1:] {
		n := i + 3
		fields := strings.Split(l, "\t")
		if len(fields) != 3 {
			f.add(n, "the line has %s, want unit, arm and community separated by tabs", quantity(len(fields), "field", "fields"))
			continue
		}
		if !isName(fields[0]) {
			f.add(n, "unit %q %s", clip(fields[0]), whyNotName(fields[0]))
		}
		switch {
		case last != "" && fields[0] == last:
			f.add(n, "unit %s is there twice", clip(fields[0]))
		case fields[0] < last:
			f.add(n, "unit %s stands after %s; units are sorted by the bytes of their IDs", clip(fields[0]), clip(last))
		}
		last = fields[0]
		if !isName(fields[1]) {
			f.add(n, "arm %q %s", clip(fields[1]), whyNotName(fields[1]))
		}
		community, ok := canonicalCount(fields[2], 0, maxCommunity)
		if !ok {
			f.add(n, "community %q is not a whole number of 0 or more", clip(fields[2]))
		}
		a.Assignments = append(a.Assignments, Assignment{fields[0], fields[1], community})
	}
	if err := f.err(); err != nil {
		return nil, err
	}
	return a, nil
}

// DisagreeError says where an allocation is not the one its design, roster and
// chance give.
type DisagreeError struct {
	Unit  string // the first unit that differs, in the roster's order
	What  string // "arm", "community", "presence" or "order"
	Says  string // what the allocation text says
	Draws string // what the rule gives
	Count int    // how many units differ
}

func (e *DisagreeError) Error() string {
	more := ""
	if e.Count > 1 {
		more = fmt.Sprintf(" (%d units differ; this is the first)", e.Count)
	}
	return fmt.Sprintf("unit %s: the allocation says %s %s, the rule draws %s%s", e.Unit, e.What, e.Says, e.Draws, more)
}

// Verify draws again from the committed texts and compares with the
// allocation text. It returns nil if every byte agrees, a *DisagreeError that
// names the first unit that differs with both values, or what is wrong with
// one of the texts. earlier are the waves drawn before, already verified.
func Verify(designText, rosterText []byte, chance Chance, allocationText []byte, earlier ...Drawn) error {
	return verify(designText, rosterText, allocationText, func(d Design, r Roster) (*Allocation, error) {
		return Draw(d, r, chance, earlier...)
	})
}

// VerifyRehearsal does for rehearsal number n what Verify does for the draw.
func VerifyRehearsal(designText, rosterText []byte, chance Chance, n int, allocationText []byte) error {
	return verify(designText, rosterText, allocationText, func(d Design, r Roster) (*Allocation, error) {
		return Rehearse(d, r, chance, n)
	})
}

func verify(designText, rosterText, allocationText []byte, draw func(Design, Roster) (*Allocation, error)) error {
	d, derr := ParseDesign(designText)
	r, rerr := ParseRoster(rosterText)
	said, aerr := ParseAllocation(allocationText)
	for _, err := range []error{derr, rerr, aerr} {
		if err != nil {
			return fmt.Errorf("verify draw: %w", err)
		}
	}
	drawn, err := draw(d, r)
	if err != nil {
		return fmt.Errorf("verify draw: %w", err)
	}
	if e := disagreement(said, drawn); e != nil {
		return e
	}
	return nil
}

// disagreement compares two allocations, both sorted by unit.
func disagreement(said, drawn *Allocation) *DisagreeError {
	var first *DisagreeError
	note := func(unit, what, says, draws string) {
		if first == nil {
			first = &DisagreeError{Unit: unit, What: what, Says: says, Draws: draws}
		}
		first.Count++
	}
	i, j := 0, 0
	for i < len(said.Assignments) || j < len(drawn.Assignments) {
		switch {
		case j == len(drawn.Assignments) || i < len(said.Assignments) && said.Assignments[i].Unit < drawn.Assignments[j].Unit:
			note(said.Assignments[i].Unit, "presence", "yes", "no such unit")
			i++
		case i == len(said.Assignments) || drawn.Assignments[j].Unit < said.Assignments[i].Unit:
			note(drawn.Assignments[j].Unit, "presence", "nothing", "the unit into arm "+drawn.Assignments[j].Arm)
			j++
		default:
			s, d := said.Assignments[i], drawn.Assignments[j]
			switch {
			case s.Arm != d.Arm:
				note(s.Unit, "arm", s.Arm, d.Arm)
			case s.Community != d.Community:
				note(s.Unit, "community", itoa(s.Community), itoa(d.Community))
			}
			i, j = i+1, j+1
		}
	}
	return first
}
