package trial

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"slices"

	"evenhand/randomize"
)

// BlindOrder gives the order in which the letters A, B, … stand for arms until
// the analysis is unblinded: the places of the arms in order of the SHA-256, in
// hex, of the line "evenhand-letters 1", the chance of the draw, and the arm's
// ID, a line each. Who does not know the chance cannot work it out; who does
// knows every school's arm anyway. Afterwards anybody can check it.
func BlindOrder(chance randomize.Chance, arms []string) []int {
	keys := make([]string, len(arms))
	order := make([]int, len(arms))
	for i, arm := range arms {
		sum := sha256.Sum256(fmt.Appendf(nil, "evenhand-letters 1\n%s\n%s\n", chance, arm))
		keys[i], order[i] = hex.EncodeToString(sum[:]), i
	}
	slices.SortFunc(order, func(a, b int) int { return cmp.Compare(keys[a], keys[b]) })
	return order
}

// Rehearsed are the records as they might have been under another draw of the
// same design: for rehearsing an analysis. Attendance goes with the schools in
// the order of their IDs, so that the other arm's schools have some too.
func (p *Protocol) Rehearsed(r Records, drawn *randomize.Allocation) Records {
	control := p.Arms[p.ControlArm()].ID
	var was, is []string
	for school, a := range r.Allocation {
		if a.Arm != control {
			was = append(was, school)
		}
	}
	r.Allocation = map[string]Assigned{}
	for _, a := range drawn.Assignments {
		r.Allocation[a.Unit] = Assigned{Arm: a.Arm, Community: a.Community}
		if a.Arm != control {
			is = append(is, a.Unit)
		}
	}
	slices.Sort(was)
	slices.Sort(is)
	stands := map[string]string{}
	for i, school := range was {
		if i < len(is) {
			stands[school] = is[i]
		}
	}
	attendance := r.Attendance
	r.Attendance = nil
	for _, a := range attendance {
		if a.School = stands[a.School]; a.School != "" {
			r.Attendance = append(r.Attendance, a)
		}
	}
	return r
}
