package trial

// Staff is a member of a school's staff, as far as the surveys need it.
type Staff struct {
	ID     string // pseudonymous, unique in the trial
	School string
	Role   string // e.g. "teacher", "head"
	Years  []int  // year groups taught, ascending; empty for none
}

// Response is an answer of a member of staff to one round of a survey.
type Response struct {
	Survey, Round string
	Staff         string
	On            Date
}

// Pupil is a pupil under a pseudonymous ID. Name and UPN stay in the identity
// table.
type Pupil struct {
	ID         string            // pseudonymous, unique in the trial
	School     string            // school in which the pupil was listed
	Joiner     bool              // came after the roster was locked: kept, never analysed as randomised
	Attributes map[string]string // the protocol's pupil columns by ID, checked values
}

// Identity is what connects a pseudonymous ID with a person. It is kept in one
// table, which no export and no analysis reads.
type Identity struct {
	Kind   string // "pupil" or "leader"
	ID     string
	Name   string
	Number string // UPN of a pupil; "" if not given
	Email  string // of a leader; "" if not given
}

// Score is one measurement of one person (a pupil; the school itself where
// schools are measured).
type Score struct {
	Measure string // see BaselineOf; an outcome's ID for the outcome
	Person  string
	Value   float64 // meaningless where Missing is set
	Missing string  // why there is no value; "" where there is one
}

// BaselineOf gives the Measure under which the baseline of an outcome is kept.
func BaselineOf(outcome string) string { return outcome + ":baseline" }

// MissingReasons are the reasons for which a score may be missing.
func MissingReasons() []string {
	return []string{"absent", "left school", "withdrawn", "not entered", "refused", "unknown"}
}

// WithdrawalFrom says what somebody withdrew from.
type WithdrawalFrom string

// What a school or a pupil may withdraw from.
const (
	FromProgramme WithdrawalFrom = "programme"
	FromData      WithdrawalFrom = "data"
	FromBoth      WithdrawalFrom = "both"
)

// Withdrawal is a school's or a pupil's leaving after the draw (or after the
// roster was locked). It never takes anybody off the roster.
type Withdrawal struct {
	Level   string // "school" or "pupil"
	Subject string // its ID
	From    WithdrawalFrom
	On      Date
	Reason  string
	Note    string
}

// StopsData says whether data are no longer collected.
func (w Withdrawal) StopsData() bool { return w.From == FromData || w.From == FromBoth }

// Attendance is one leader's presence at one session.
type Attendance struct {
	Session  string
	School   string
	Person   string // a Leader's pseudonymous ID
	Attended bool
}
