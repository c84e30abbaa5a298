package reports

import (
	"fmt"
	"strings"
	"time"

	"evenhand/analysis/attrition"
	"evenhand/analysis/power"
	"evenhand/analysis/sap"
	"evenhand/trial"
)

// Input is everything that a report is built from. Nothing is looked up
// elsewhere, so the same input gives the same report.
type Input struct {
	GeneratedAt time.Time       // when the report is made; printed
	Phase       trial.Phase     // where the trial stands
	Protocol    *trial.Protocol // the version in force
	Flow        trial.Flow
	Results     []sap.Results // primary first; empty before the analysis
	Changed     bool          // whether plan or data changed after the unblinding; why stands among Deviations
	Outside     []OutsideRun  // runs that are not the plan's last, in order
	Room        []RoomReturn  // results made in a secure room, in order
	NoResults   string        // why there are no results; used where Results is empty
	Regions     []RegionCount // schools by region; nil for none
	Communities []Community   // in order of arm, then number; nil before the draw
	Delivery    Delivery
	SchoolMeans []SchoolMean      // mean outcome of each school, for the picture; nil for none
	Attrition   *attrition.Status // who was lost, when and where; nil for none
	Missing     *MissingBySchool  // what is missing, school by school; nil for none
	Detectable  []power.Stage     // at protocol, randomisation and analysis, in this order; nil for none
	Draw        *DrawFacts        // nil before the draw
	Provenance  Provenance
	Deviations  []Deviation  // from protocol and plan, in order of date
	Stopped     *Stopped     // set for a trial stopped before randomisation
	Reached     []ReachedOn  // when each school reached each stage of recruitment; nil where not known
	Drawn       []DrawnInto  // schools by stratum and where they were drawn; nil before the draw
	Scores      []ScoreSet   // of the primary outcome, by arm in the protocol's order; nil before the analysis
	Elsewhere   []SchoolLine // schools of the draw in no community, for the map

	released bool // made fit for publication by Release
}

// RegionCount is recruitment in one region.
type RegionCount struct {
	Region string
	Listed int // schools ever listed
	Agreed int // of these, with the agreement signed, or further
	Ready  int // of these, ready for the draw
	Left   int // left before the draw, for whatever reason
}

// Community is one community with its schools.
type Community struct {
	Arm       string // the arm's ID
	Number    int    // from 1
	Schools   []SchoolLine
	Attended  []int // schools present at each session, in the order of Delivery.Sessions; nil where nothing is recorded
	Compliers int   // schools that took part as the protocol asks
	// Schools present at each session by at least one leader, and by every one,
	// whichever the protocol asks; nil where nothing is recorded.
	AttendedByAny, AttendedByEvery []int
}

// SchoolLine is a school in a list.
type SchoolLine struct {
	ID, Name, Region  string
	Pupils            int // on the roster
	HasPlace          bool
	Easting, Northing float64 // metres on the national grid, where HasPlace
	Withdrew          bool    // from the programme
	Arm               string  // the arm's ID; "" where Community says it
	Present           []bool  // at each session, in the order of Delivery.Sessions; nil where nothing is recorded
}

// Delivery is the programme's sessions.
type Delivery struct {
	Sessions []trial.Session
	Complier string // in words, what counts as having taken part; "" for nothing
	Recorded bool   // whether attendance was recorded at all
}

// SchoolMean is the mean outcome of the analysed pupils of one school.
type SchoolMean struct {
	School string
	Arm    string // the arm's ID
	N      int
	Mean   float64
}

// Deviation is something done otherwise than planned.
type Deviation struct {
	On   time.Time
	By   string
	What string
	Why  string
	Kind string // e.g. "protocol version 2", "draw", "analysis"
}

// Provenance says where everything comes from. Digests are SHA-256 in
// lower-case hex; "" where the thing does not exist yet.
type Provenance struct {
	Program         string // name and version
	ProtocolVersion int    // in force
	Protocol        string
	Design          string
	Roster          string
	Pupils          string // list of pupils at the lock
	Commitment      string
	Allocation      string
	Data            string // scores as analysed
	Results         string
	Rule            string // the drawing rule, e.g. "rule 1"
	Chance          string // 64 hex digits; "" before the draw
	ChanceSource    string // in words
	Rehearsals      int
	Locked          Act
	Committed       Act
	Drawn           Act
	Analysed        Act
	LedgerEntries   int
	LedgerHead      string
	Receipts        []trial.Receipt
	Later           []LaterWave // waves of schools after the first, in order
}

// LaterWave is the draw of a wave of schools after the first, which Provenance
// has; the fields are as there.
type LaterWave struct {
	Roster, Pupils, Commitment, Allocation, Chance, ChanceSource string
	Locked, Committed, Drawn                                     Act
}

// Act is when something was done and by whom.
type Act struct {
	At     time.Time // zero: not done
	People []string
}

// Stopped says why a trial ended before its draw.
type Stopped struct {
	On     time.Time
	By     string
	Reason string
}

// InputError lists what is wrong with an Input: counts that do not add up or
// that contradict each other. A report is not built on such an input.
type InputError struct{ Faults []string }

func (e *InputError) Error() string {
	return "the records do not agree, so no report was made: " + strings.Join(e.Faults, "; ")
}

// check says what is wrong with the input, all at once.
func (in Input) check() error {
	var faults []string
	fault := func(format string, a ...any) { faults = append(faults, fmt.Sprintf(format, a...)) }
	if in.Protocol == nil {
		return &InputError{[]string{"there is no protocol"}}
	}
	if in.GeneratedAt.IsZero() {
		fault("the time at which the report is made is not given")
	}
	in.checkPictures(fault)
	var schools, pupils, schoolsIn, pupilsIn int
	for _, a := range in.Flow.Arms {
		for _, l := range []struct {
			name string
			flow trial.LevelFlow
		}{{"schools", a.Schools}, {"pupils", a.Pupils}} {
			lost := 0
			for _, c := range l.flow.Lost {
				if c.N < 0 {
					fault("arm %s: %d %s lost (%s)", a.Arm, c.N, l.name, c.What)
				}
				lost += c.N
			}
			if l.flow.Randomised != l.flow.Analysed+lost {
				fault("arm %s: %d %s were randomised, but %d analysed and %d lost make %d", a.Arm, l.flow.Randomised, l.name, l.flow.Analysed, lost, l.flow.Analysed+lost)
			}
		}
		schools += a.Schools.Randomised
		pupils += a.Pupils.Randomised
		schoolsIn += a.Schools.Analysed
		pupilsIn += a.Pupils.Analysed
	}
	for i, r := range in.Results {
		primary := r.Plan.Role == sap.Primary
		if primary != (i == 0) {
			fault("results: %s is number %d, but the primary outcome comes first and alone", r.Plan.Outcome, i+1)
		}
		if !primary {
			continue
		}
		for _, c := range []struct {
			what         string
			flow, result int
		}{
			{"schools randomised", schools, r.Counts.SchoolsRandomised},
			{"pupils randomised", pupils, r.Counts.PupilsRandomised},
			{"schools analysed", schoolsIn, r.Counts.SchoolsUsed},
			{"pupils analysed", pupilsIn, r.Counts.PupilsUsed},
		} {
			if in.Protocol.Trial.Measured == "schools" && strings.HasPrefix(c.what, "pupils") {
				continue // no pupil is measured
			}
			if c.flow != c.result {
				fault("%s: the flow has %d, the analysis of %s %d; the records changed after the analysis, so run it again", c.what, c.flow, r.Plan.Outcome, c.result)
			}
		}
	}
	if len(faults) > 0 {
		return &InputError{faults}
	}
	return nil
}
