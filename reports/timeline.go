package reports

import (
	"cmp"
	"slices"
	"time"
)

// timeline lists what was to happen when, and what did, in order of date.
func (w *writer) timeline() {
	type step struct {
		on         time.Time
		what       string
		done, when string // "planned" or "recorded"; the day, or the moment
	}
	var steps []step
	planned := func(day string, what string) {
		if on, err := time.Parse("2006-01-02", day); err == nil {
			steps = append(steps, step{on, what, "planned", Day(on)})
		}
	}
	recorded := func(at time.Time, what string) {
		if !at.IsZero() {
			steps = append(steps, step{at, what, "recorded", Day(at)})
		}
	}
	planned(string(w.p.Recruitment.Opens), "Recruitment opens")
	planned(string(w.p.Recruitment.Closes), "Recruitment closes")
	for _, s := range w.p.Surveys {
		for _, r := range s.Rounds {
			planned(string(r.On), s.Label+": "+r.ID)
		}
	}
	for _, o := range w.p.Outcomes {
		name := o.Label
		if name == "" {
			name = o.ID
		}
		if o.Baseline.Label != "" {
			planned(string(o.Baseline.On), "Baseline: "+o.Baseline.Label)
		}
		planned(string(o.On), "Outcome: "+name)
	}
	for _, s := range w.p.Delivery.Sessions {
		name := s.Label
		if name == "" {
			name = s.ID
		}
		planned(string(s.On), "Session: "+name)
	}
	v := w.in.Provenance
	recorded(v.Locked.At, "Roster locked")
	recorded(v.Committed.At, "Draw committed")
	recorded(v.Drawn.At, "Draw made")
	recorded(v.Analysed.At, "Outcomes analysed")
	for _, r := range v.Receipts {
		recorded(r.At, "Receipt of the ledger issued")
	}
	if s := w.in.Stopped; s != nil {
		recorded(s.On, "Trial stopped before randomisation")
	}
	recorded(w.in.GeneratedAt, "This document made")
	if len(steps) == 1 {
		w.gap("Timeline", "The protocol gives no dates, and nothing has been recorded yet.")
		return
	}
	day := func(s step) int64 { return s.on.Unix() / (24 * 60 * 60) } // of one day, as listed above
	slices.SortStableFunc(steps, func(a, b step) int { return cmp.Compare(day(a), day(b)) })
	t := &Table{ID: "timeline", Title: "Timeline", Columns: []Column{{Title: "Day"}, {Title: "What"}, {Title: "Whence"}}}
	for _, s := range steps {
		t.Rows = append(t.Rows, Row{Cells: []*Cell{words(s.when), words(s.what), words(s.done)}})
	}
	w.table(t)
	w.small("Planned days are the protocol’s; recorded ones were written into the ledger at the moment they tell of, and cannot be put in later.")
}
