package trial

import "slices"

// SessionsAttended says for each school, and each session in the protocol's
// order, whether the school was there as the protocol's definition of a
// complier has it: by any of its leaders, or by a leader in every role that
// the protocol names.
func (p *Protocol) SessionsAttended(attendance []Attendance, schools []School) map[string][]bool {
	return p.SessionsAttendedBy(p.Delivery.Complier.By, attendance, schools)
}

// SessionsAttendedBy is SessionsAttended by another definition than the
// protocol's: "any leader" or "every leader".
func (p *Protocol) SessionsAttendedBy(by string, attendance []Attendance, schools []School) map[string][]bool {
	role := map[string]string{}
	present := make(map[string][]bool, len(schools))
	for _, s := range schools {
		present[s.ID] = make([]bool, len(p.Delivery.Sessions))
		for _, l := range s.Leaders {
			role[l.Person] = l.Role
		}
	}
	type at struct {
		school  string
		session int
	}
	came := map[at]map[string]bool{} // roles, and persons whose role has passed on
	for _, a := range attendance {
		i := slices.IndexFunc(p.Delivery.Sessions, func(s Session) bool { return s.ID == a.Session })
		if !a.Attended || i < 0 || present[a.School] == nil {
			continue
		}
		k := at{a.School, i}
		if came[k] == nil {
			came[k] = map[string]bool{}
		}
		r := role[a.Person]
		if r == "" {
			r = a.Person
		}
		came[k][r] = true
	}
	for k, roles := range came {
		there := len(roles) > 0
		if by == "every leader" {
			there = len(roles) >= len(p.Recruitment.Leaders)
		}
		present[k.school][k.session] = there
	}
	return present
}
