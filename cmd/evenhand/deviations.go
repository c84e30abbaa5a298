package main

import (
	"fmt"
	"slices"
	"strings"

	"evenhand/randomize/beacon"
	"evenhand/reports"
	"evenhand/trial"
	"evenhand/trial/conduct"
)

// chanceText says in words where chance came from, out of the commitment.
func chanceText(commitment string) string {
	c, err := trial.ParseChanceTerms(commitment)
	if err != nil {
		return err.Error()
	}
	what := ""
	switch c.Source {
	case trial.ChanceLocal:
		what = "this computer's random source, read at the moment of the draw"
	case trial.ChanceTwoParty:
		what = fmt.Sprintf("two parties' numbers, sealed before the commitment and opened at the draw: %s's and %s's", c.Sealed[0].Party, c.Sealed[1].Party)
	case trial.ChanceBeacon:
		if c.Beacon == beacon.Drand {
			what = fmt.Sprintf("round %d of drand's public beacon quicknet, published on %s", c.Round, c.At.Format("2 January 2006 at 15:04:05 UTC"))
		} else {
			what = "the pulse of NIST's public beacon of " + c.At.Format("2 January 2006, 15:04 UTC")
		}
	case trial.ChanceDice:
		what = "numbers typed in before witnesses: " + c.Event
	}
	strength, trust := c.Strength()
	return fmt.Sprintf("%s (%s: %s)", what, strength, trust)
}

// withDrawEvents adds to the deviations what was recorded of the draw: its
// annulment, and errors that were found.
func withDrawEvents(all []reports.Deviation, t *conduct.Trial, s conduct.Snapshot) []reports.Deviation {
	for _, e := range s.DrawErrors {
		all = append(all, reports.Deviation{On: e.At, By: e.Actor, Kind: "draw", What: fmt.Sprintf("school %s, %s (found %s): %s", e.School, strings.ReplaceAll(string(e.Kind), "-", " "), e.On, e.Kind.Means()), Why: e.Note})
	}
	for _, c := range s.Changes {
		what := fmt.Sprintf("school %s left community %d", c.School, c.From)
		if c.To > 0 && c.From > 0 {
			what = fmt.Sprintf("school %s went from community %d to community %d when the two were merged", c.School, c.From, c.To)
		} else if c.To > 0 {
			what = fmt.Sprintf("school %s joined community %d", c.School, c.To)
		}
		all = append(all, reports.Deviation{On: c.At, By: c.Actor, Kind: "communities", What: what + " of " + c.Arm + "; the drawn communities stay the variable of the analysis", Why: c.Reason})
	}
	if a := s.Annulment; a != nil {
		all = append(all, reports.Deviation{On: a.At, By: a.Actor + " and " + a.ConfirmedBy, Kind: "draw annulled", What: "the trial's one draw is void; it is shown as it was made, and no other is made in this trial", Why: a.Why})
	}
	slices.SortStableFunc(all, func(x, y reports.Deviation) int { return x.On.Compare(y.On) })
	return all
}
