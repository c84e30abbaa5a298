package trial

import (
	"fmt"
	"slices"
	"strings"
)

// DrawError is something that went wrong at or after the draw. The draw is
// accepted all the same: the truth is recorded, the school stays in the arm it
// was drawn into and in the analysis, and the report lists the error (Yelland
// and others, Clinical Trials 2018;15:278).
type DrawError struct {
	School string
	Kind   ErrorKind
	Note   string // what is true, in a line of words
	On     Date   // when it was found
}

// ErrorKind is what went wrong.
type ErrorKind string

// The kinds of error.
const (
	WrongStratum  ErrorKind = "wrong-stratum"
	WasIneligible ErrorKind = "ineligible"
	ToldWrongArm  ErrorKind = "told-wrong-arm"
	ReceivedOther ErrorKind = "received-other-arm"
	OtherError    ErrorKind = "other"
)

// ErrorKinds lists them.
func ErrorKinds() []ErrorKind {
	return []ErrorKind{WrongStratum, WasIneligible, ToldWrongArm, ReceivedOther, OtherError}
}

// Means says what an error of the kind means for the trial, as a sentence
// without a full stop.
func (k ErrorKind) Means() string {
	switch k {
	case WrongStratum:
		return "the school was drawn within a stratum it does not belong to; it is analysed in the stratum it was drawn in, and with the true one as a sensitivity analysis"
	case WasIneligible:
		return "the school did not keep a rule of eligibility when it was drawn; it stays in the analysis of all schools drawn"
	case ToldWrongArm:
		return "the school was told an arm that it was not drawn into; it is analysed in the arm it was drawn into"
	case ReceivedOther:
		return "the school got what another arm was to get; it is analysed in the arm it was drawn into, and counts as not having taken part"
	}
	return "the school stays in the arm it was drawn into and in the analysis"
}

// Check says what is wrong with the record, all at once.
func (e DrawError) Check() error {
	var faults []string
	if !slices.Contains(ErrorKinds(), e.Kind) {
		faults = append(faults, fmt.Sprintf("%q is not a kind of error", e.Kind))
	}
	if strings.TrimSpace(e.Note) == "" {
		faults = append(faults, "what is true is not said: give a note")
	}
	if e.On == "" {
		faults = append(faults, "the day is missing")
	}
	if len(faults) > 0 {
		return fmt.Errorf("record an error of school %s: %s", e.School, strings.Join(faults, "; "))
	}
	return nil
}

// ChangeKind is how a community changed after the draw.
type ChangeKind string

// The kinds of change.
const (
	Joins  ChangeKind = "join"  // a school comes to a community
	Leaves ChangeKind = "leave" // a school leaves its community
	Merges ChangeKind = "merge" // a school moves because its community was merged into another
)

// CommunityChange is one school's change of community after the draw. The drawn
// community stays the variable of the analysis.
type CommunityChange struct {
	Kind     ChangeKind
	School   string
	Arm      string
	From, To int // communities; 0 for none
	On       Date
	Reason   string
}

// Text is the change in a line, by whose digest the ledger knows it: the ledger
// itself tells nobody an arm.
func (c CommunityChange) Text() string {
	return fmt.Sprintf("%s\t%s\t%s\t%d\t%d\t%s\t%s\n", c.Kind, c.School, c.Arm, c.From, c.To, c.On, c.Reason)
}

// MembersNow gives every school's present community of an arm: as drawn, with
// the changes in their order. Schools that are in none are left out.
func MembersNow(allocation map[string]Assigned, changes []CommunityChange, arm string) map[string]int {
	now := map[string]int{}
	for school, a := range allocation {
		if a.Arm == arm && a.Community > 0 {
			now[school] = a.Community
		}
	}
	for _, c := range changes {
		if c.Arm != arm {
			continue
		}
		if c.To > 0 {
			now[c.School] = c.To
		} else {
			delete(now, c.School)
		}
	}
	return now
}
