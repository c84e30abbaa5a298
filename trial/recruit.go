package trial

import (
	"errors"
	"fmt"
	"slices"
	"strings"
)

// Stage is how far a school has come in recruitment.
type Stage string

// The stages, in the order in which a school passes them, then the ways out.
const (
	Listed        Stage = "listed"
	Approached    Stage = "approached"
	Interested    Stage = "interested"
	Agreed        Stage = "agreement signed"
	BaselineIn    Stage = "baseline data received"
	Ready         Stage = "ready"
	Ineligible    Stage = "ineligible"
	Declined      Stage = "declined"
	WithdrewEarly Stage = "withdrew before the draw"
)

// Stages lists the stages that lead to the draw, in order.
func Stages() []Stage {
	return []Stage{Listed, Approached, Interested, Agreed, BaselineIn, Ready}
}

// Exits lists the ways in which a school leaves recruitment.
func Exits() []Stage { return []Stage{Ineligible, Declined, WithdrewEarly} }

// Exit says whether s is a way out of recruitment.
func (s Stage) Exit() bool { return slices.Contains(Exits(), s) }

// ParseStage reads a stage's name.
func ParseStage(s string) (Stage, error) {
	all := append(Stages(), Exits()...)
	for _, stage := range all {
		if strings.EqualFold(s, string(stage)) {
			return stage, nil
		}
	}
	names := make([]string, len(all))
	for i, stage := range all {
		names[i] = string(stage)
	}
	return "", fmt.Errorf("%q is not a stage; the stages are: %s", s, strings.Join(names, ", "))
}

// School is a school in recruitment.
type School struct {
	ID         string            // unique in the trial, e.g. a URN
	Name       string            // as its file gives it
	Attributes map[string]string // our column name: value, as read; "" is not stored
	Stage      Stage
	Since      Date        // day of the last change of stage
	Reason     string      // of an exit: from the protocol's short list
	Note       string      // of an exit: free text
	Signatures []Signature // on the agreement, in the protocol's order of roles
	Leaders    []Leader    // in order of role, then number
	Source     string      // where it came from: file and row, or "by hand"
}

// Signature is one role's signature on a school's agreement.
type Signature struct {
	Role string
	On   Date
}

// Leader is a person who leads the programme in a school. The name and the
// address stay in the identity table; everything else knows the Person.
type Leader struct {
	Role   string
	Person string // pseudonymous ID, e.g. "104233-L1"
}

// StageChange is one step of a school's way through recruitment.
type StageChange struct {
	School string
	From   Stage // "" for the first listing
	To     Stage
	On     Date
	Reason string
	Note   string
}

// StageError says why a school cannot move to a stage.
type StageError struct {
	School string
	Is, To Stage
	Faults []string // what is missing or wrong, all at once
}

func (e *StageError) Error() string {
	return fmt.Sprintf("school %s is %q and cannot become %q: %s", e.School, e.Is, e.To, strings.Join(e.Faults, "; "))
}

// ErrNoReason is the fault of an exit without a reason.
var ErrNoReason = errors.New("a reason is needed")

// CheckMove says whether the school may move to a stage on a day, given the
// protocol: nil, or a *StageError with every fault. Schools move forward
// only; a stage may be passed over if what it asks for is there (the
// agreement's signatures, the leaders). A school that left may come back to
// Interested, with a note that says why. Eligibility for Ready is checked by
// the caller, which has the survey (see Eligibility).
func (p *Protocol) CheckMove(s School, to Stage, on Date, reason, note string) error {
	e := &StageError{School: s.ID, Is: s.Stage, To: to}
	fault := func(format string, a ...any) { e.Faults = append(e.Faults, fmt.Sprintf(format, a...)) }
	stages := Stages()
	from, target := slices.Index(stages, s.Stage), slices.Index(stages, to)
	if on == "" {
		fault("the day of the change is missing")
	} else if on < s.Since && s.Stage != Listed {
		// A school may have been approached before anybody listed it here.
		fault("%s is before %s, the day of its last change", on, s.Since)
	}
	switch {
	case s.Stage == to:
		fault("it is at that stage already")
	case s.Stage.Exit() && to.Exit():
		fault("it left recruitment as %q on %s; bring it back to %q first if that was wrong", s.Stage, s.Since, Interested)
	case s.Stage.Exit():
		if to != Interested {
			fault("a school that left comes back at %q", Interested)
		}
		if strings.TrimSpace(note) == "" {
			fault("coming back needs a note that says why")
		}
	case to.Exit():
		if listed := strings.Join(p.Recruitment.Reasons, ", "); strings.TrimSpace(reason) == "" {
			fault("a reason is needed (the protocol's list: %s)", listed)
		} else if listed != "" && !slices.Contains(p.Recruitment.Reasons, reason) {
			fault("reason %q is not in the protocol's list: %s", reason, listed)
		}
	case target < from:
		fault("schools only move forward; if an earlier step was recorded in error, say so with `evenhand school note`")
	}
	if !to.Exit() && target >= slices.Index(stages, Agreed) {
		for _, role := range p.Recruitment.Agreement {
			i := slices.IndexFunc(s.Signatures, func(g Signature) bool { return g.Role == role })
			switch {
			case i < 0:
				fault("the agreement is not signed by the %s", role)
			case on != "" && s.Signatures[i].On > on:
				fault("the %s signed on %s, after %s", role, s.Signatures[i].On, on)
			}
		}
	}
	if to == Ready {
		e.Faults = append(e.Faults, p.LeaderFaults(s)...)
	}
	if len(e.Faults) > 0 {
		return e
	}
	return nil
}

// LeaderFaults lists the leaders that the protocol asks for and the school
// has not named.
func (p *Protocol) LeaderFaults(s School) []string {
	var faults []string
	for _, rule := range p.Recruitment.Leaders {
		n := 0
		for _, l := range s.Leaders {
			if l.Role == rule.Role {
				n++
			}
		}
		if n < rule.Count {
			faults = append(faults, fmt.Sprintf("%d of %d named as %s", n, rule.Count, rule.Role))
		}
	}
	return faults
}

// Stratum gives the school's stratum: the values of the protocol's strata
// columns joined by " / ", and the columns that have no value.
func (p *Protocol) Stratum(s School) (stratum string, missing []string) {
	if len(p.Strata) == 0 {
		return "all", nil
	}
	values := make([]string, len(p.Strata))
	for i, column := range p.Strata {
		values[i] = s.Attributes[column]
		if values[i] == "" {
			missing = append(missing, column)
		}
	}
	return strings.Join(values, " / "), missing
}

// NewSchool makes a school of what somebody typed: its ID and columns are
// checked, its bands and groups worked out. All faults come at once.
func (p *Protocol) NewSchool(id, name string, attributes map[string]string) (School, error) {
	var faults []string
	switch {
	case !IsName(id):
		faults = append(faults, fmt.Sprintf("ID %q: letters, digits and . _ - only, at most 64", id))
	case p.Schools.IDs == "urn" && !isURN(id):
		faults = append(faults, fmt.Sprintf("ID %q is not a URN, which has six digits (a spreadsheet may have eaten one)", id))
	}
	if strings.TrimSpace(name) == "" {
		faults = append(faults, "the school has no name")
	}
	known := p.AttributeNames()
	own := map[string]string{}
	for k, v := range attributes {
		if !slices.Contains(known, k) {
			fault := fmt.Sprintf("there is no column %q", k)
			if near := Nearest(k, known); near != "" {
				fault += fmt.Sprintf("; did you mean %q?", near)
			}
			faults = append(faults, fault)
			continue
		}
		if v != "" {
			own[k] = v
		}
	}
	slices.Sort(faults)
	if len(faults) > 0 {
		return School{}, errors.New(strings.Join(faults, "; "))
	}
	if err := p.Derive(own); err != nil {
		return School{}, err
	}
	return School{ID: id, Name: strings.TrimSpace(name), Attributes: own, Stage: Listed}, nil
}

// isURN says whether an ID is six digits, as schools in England have them.
func isURN(id string) bool {
	return len(id) == 6 && strings.Trim(id, "0123456789") == ""
}
