package trial

import (
	"errors"
	"slices"
	"strings"
	"testing"
)

// What may be done when, said once more by hand.
func TestAllow(t *testing.T) {
	const (
		recruiting = 1 << iota
		locked
		committed
		drawn
		stopped
		annulled
	)
	want := map[Action]int{
		ChangeSchools: recruiting | locked,
		ListPupils:    recruiting | locked | committed | drawn,
		LockRoster:    recruiting | locked,
		Rehearse:      locked | committed,
		CommitDraw:    locked,
		RunDraw:       committed,
		StopTrial:     recruiting | locked | committed,
		Deliver:       drawn,
		Withdraw:      locked | committed | drawn,
		StoreOutcomes: drawn,
		Analyse:       drawn,
		ReportError:   drawn,
		AnnulDraw:     drawn,
		ChangeMembers: drawn,
	}
	phases := []struct {
		bit   int
		phase Phase
		facts Facts
	}{
		{recruiting, Recruiting, Facts{}},
		{locked, Locked, Facts{Locked: true}},
		{committed, Committed, Facts{Locked: true, Committed: true}},
		{drawn, Drawn, Facts{Locked: true, Committed: true, Drawn: true}},
		{stopped, Stopped, Facts{Stopped: true}},
		{stopped, Stopped, Facts{Stopped: true, Locked: true}},
		{stopped, Stopped, Facts{Stopped: true, Locked: true, Committed: true}},
		{annulled, Annulled, Facts{Locked: true, Committed: true, Drawn: true, Annulled: true}},
	}
	if len(allowedIn) != len(want) {
		t.Errorf("%d actions have a rule, %d are tried", len(allowedIn), len(want))
	}
	for _, p := range phases {
		if got := p.facts.Phase(); got != p.phase {
			t.Errorf("%+v are the phase %q, want %q", p.facts, got, p.phase)
		}
		for action, in := range want {
			err := p.facts.Allow(action)
			if (err == nil) != (in&p.bit != 0) {
				t.Errorf("at %q, %s: %v", p.phase, action, err)
			}
			var refused *PhaseError
			if err != nil && (!errors.As(err, &refused) || refused.Is != p.phase || refused.Action != action || slices.Contains(refused.Want, p.phase)) {
				t.Errorf("at %q, %s: %v", p.phase, action, err)
			}
		}
	}
	if err := (Facts{}).Allow(RunDraw); !strings.Contains(err.Error(), `cannot run the draw: the trial is at "recruiting", and this is done at "draw committed"`) {
		t.Errorf("the sentence is %q", err)
	}
	defer func() {
		if recover() == nil {
			t.Error("an action without a rule was allowed or refused in silence")
		}
	}()
	_ = Facts{}.Allow("dance")
}
