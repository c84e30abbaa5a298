package trial

// Roster is what was fixed before the draw: the schools with their strata,
// and the pupils listed in them.
type Roster struct {
	Version    int // 1, 2, …; a roster may be locked anew until the draw is committed
	Protocol   int // version of the protocol that the design was made from
	DesignText string
	RosterText string
	PupilsText string // one line a pupil: ID and school, sorted; for the digest
	Schools    []School
	Pupils     []Pupil // those listed when the roster was locked
}
