package trial

// Roster is what was fixed before the draw: the schools with their strata,
// and the pupils listed in them.
type Roster struct {
	Version  int               // 1, 2, …; a roster may be locked anew until the draw is committed
	Protocol int               // version of the protocol that the design was made from
	Schools  []School          // those locked, by ID
	Strata   map[string]string // school: stratum, as locked
	Pupils   []Pupil           // those listed when the roster was locked, by ID
}

// Assigned is what the draw gave a school.
type Assigned struct {
	Arm       string
	Community int // 0 for none
}

// Records is everything that analysis rows are made from.
type Records struct {
	Roster      Roster
	Allocation  map[string]Assigned // by school
	Pupils      []Pupil             // all, joiners too
	Scores      []Score             // the last revision of each
	Withdrawals []Withdrawal
	Attendance  []Attendance
}
