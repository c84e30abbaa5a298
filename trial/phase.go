package trial

import (
	"fmt"
	"slices"
	"strings"
)

// Phase is where a trial stands. It is worked out from what has been
// recorded, never kept beside it.
type Phase string

// The phases, in order; Stopped ends a trial before its draw.
const (
	Recruiting Phase = "recruiting"
	Locked     Phase = "roster locked"
	Committed  Phase = "draw committed"
	Drawn      Phase = "drawn"
	Annulled   Phase = "draw annulled" // the trial's only draw is void: nothing more is done
	Stopped    Phase = "stopped before randomisation"
)

// Facts are what a phase is worked out from.
type Facts struct {
	Stopped, Locked, Committed, Drawn, Annulled bool

	// Where schools come in waves: how many waves the protocol has, how many
	// are drawn, and how far the next one is.
	Waves, Draws              int
	NextLocked, NextCommitted bool
}

// Phase gives the phase that the facts mean.
func (f Facts) Phase() Phase {
	switch {
	case f.Annulled:
		return Annulled
	case f.Drawn:
		return Drawn
	case f.Stopped:
		return Stopped
	case f.Committed:
		return Committed
	case f.Locked:
		return Locked
	}
	return Recruiting
}

// Next gives the wave that is recruited, locked or committed beside what was
// drawn already, and its phase; 0 where the trial has none before it.
func (f Facts) Next() (wave int, p Phase) {
	if f.Phase() != Drawn || f.Draws >= f.Waves {
		return 0, ""
	}
	switch wave = f.Draws + 1; {
	case f.NextCommitted:
		return wave, Committed
	case f.NextLocked:
		return wave, Locked
	}
	return wave, Recruiting
}

// Action is something that is allowed in some phases only.
type Action string

// The actions that depend on the phase.
const (
	ChangeSchools Action = "change a school's recruitment"
	ListPupils    Action = "list pupils"
	LockRoster    Action = "lock the roster"
	Rehearse      Action = "rehearse the draw"
	CommitDraw    Action = "commit the draw"
	RunDraw       Action = "run the draw"
	StopTrial     Action = "stop the trial before randomisation"
	Deliver       Action = "record the programme's delivery"
	Withdraw      Action = "record a withdrawal"
	StoreOutcomes Action = "store outcomes"
	Analyse       Action = "analyse the outcomes"
	ReportError   Action = "record an error of the draw"
	AnnulDraw     Action = "annul the draw"
	ChangeMembers Action = "change a community"
)

// allowedIn is the whole rule of what may be done when.
var allowedIn = map[Action][]Phase{
	ChangeSchools: {Recruiting, Locked},
	ListPupils:    {Recruiting, Locked, Committed, Drawn},
	LockRoster:    {Recruiting, Locked},
	Rehearse:      {Locked, Committed},
	CommitDraw:    {Locked},
	RunDraw:       {Committed},
	StopTrial:     {Recruiting, Locked, Committed},
	Deliver:       {Drawn},
	Withdraw:      {Locked, Committed, Drawn},
	StoreOutcomes: {Drawn},
	Analyse:       {Drawn},
	ReportError:   {Drawn},
	AnnulDraw:     {Drawn},
	ChangeMembers: {Drawn},
}

// ofWave are the actions that are done for each wave anew.
var ofWave = []Action{ChangeSchools, LockRoster, Rehearse, CommitDraw, RunDraw}

// PhaseError says that an action is not allowed in the phase the trial is in.
type PhaseError struct {
	Action Action
	Is     Phase
	Wave   int // the later wave of which this is the phase; 0 for the trial itself
	Want   []Phase
}

func (e *PhaseError) Error() string {
	want := make([]string, len(e.Want))
	for i, p := range e.Want {
		want[i] = fmt.Sprintf("%q", string(p))
	}
	if e.Wave > 0 {
		return fmt.Sprintf("cannot %s: wave %d is at %q, and this is done at %s", e.Action, e.Wave, e.Is, strings.Join(want, " or "))
	}
	return fmt.Sprintf("cannot %s: the trial is at %q, and this is done at %s", e.Action, e.Is, strings.Join(want, " or "))
}

// Allow says whether an action may be done now: nil, or a *PhaseError.
func (f Facts) Allow(a Action) error {
	want, ok := allowedIn[a]
	if !ok {
		panic("trial: action without a rule: " + string(a))
	}
	is := f.Phase()
	if slices.Contains(want, is) {
		return nil
	}
	wave, next := f.Next()
	if wave == 0 || !slices.Contains(ofWave, a) {
		return &PhaseError{Action: a, Is: is, Want: want}
	}
	if !slices.Contains(want, next) {
		return &PhaseError{Action: a, Is: next, Wave: wave, Want: want}
	}
	return nil
}
