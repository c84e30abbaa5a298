package audit

import (
	"encoding/json"
	"fmt"
	"math"
	"slices"
	"strings"

	"evenhand/analysis/rows"
	"evenhand/analysis/sap"
	"evenhand/trial"
)

// Actions of the ledger around the unblinding of an analysis.
const (
	actionBlind    = "analysis blind"
	actionUnblind  = "analysis unblind"
	actionExplore  = "analysis explore"
	actionOutcomes = "outcome import"
)

type unblindNote struct {
	Protocol    int               `json:"protocol"`
	Plan        string            `json:"plan"`
	Data        map[string]string `json:"data"` // by outcome
	Room        []string          `json:"room"` // outcomes whose data stay in a secure room
	ConfirmedBy string            `json:"confirmed_by"`
}

// runName is the file of a run that is not the plan's last.
func runName(run int) string { return fmt.Sprintf("runs/%d.json", run) }

// named lists the entries of runs that give results under the arms' names.
func (v *verifier) named() []trial.Entry {
	var all []trial.Entry
	for _, e := range v.entries {
		if e.Action == actionAnalyse || e.Action == actionExplore {
			all = append(all, e)
		}
	}
	return all
}

// unblinding checks that plan and data were locked before any estimate was
// made under the arms' names: plan, then data, then unblinding, then estimates.
// What is carried into a secure room has the names, so there the plan comes first;
// its data cannot be locked here.
func (v *verifier) unblinding() {
	runs, unblinds := v.named(), v.of(actionUnblind)
	packs := v.of(actionRoomPack)
	if len(runs) == 0 && len(unblinds) == 0 && len(packs) == 0 {
		return
	}
	f := v.check(checkOrder)
	recorded := map[int]trial.Entry{}
	for _, e := range v.of(actionProtocol) {
		var x protocolNote
		if json.Unmarshal(e.After, &x) == nil {
			recorded[x.Version] = e
		}
	}
	outcomes := v.of(actionOutcomes)
	plan, data, first, locked := "", map[string]string{}, 0, "plan locked"
	planOf, lockedBy := map[string]string{}, map[string]int{} // by outcome
	for i, e := range unblinds {
		var x unblindNote
		if err := json.Unmarshal(e.After, &x); err != nil {
			f.add("entry %d, %q: %v", e.Seq, e.Action, err)
			continue
		}
		if p, ok := recorded[x.Protocol]; !ok || p.Seq > e.Seq {
			f.add("entry %d locks the plan of protocol version %d, which was not recorded before it", e.Seq, x.Protocol)
		}
		if got, _, err := v.plansOf(x.Protocol); err != nil {
			f.add("entry %d: %v", e.Seq, err)
		} else if got != x.Plan {
			f.add("the plan of protocol version %d has digest %s, entry %d locks %s", x.Protocol, got, e.Seq, x.Plan)
		}
		if len(x.Data) > 0 && (len(outcomes) == 0 || outcomes[0].Seq > e.Seq) {
			f.add("entry %d locks data, and no outcome was stored before it", e.Seq)
		}
		if len(x.Data) == 0 && len(x.Room) == 0 {
			f.add("entry %d locks no data", e.Seq)
		}
		if i == 0 {
			plan, first = x.Plan, e.Seq
			if len(x.Data) > 0 {
				locked = "plan and data locked"
			}
		}
		lock := func(outcome, digest string) {
			if _, twice := data[outcome]; twice {
				f.add("entry %d locks the data of %s a second time", e.Seq, outcome)
				return
			}
			data[outcome], planOf[outcome], lockedBy[outcome] = digest, x.Plan, e.Seq
		}
		for _, outcome := range sortedNames(x.Data) {
			lock(outcome, x.Data[outcome])
		}
		for _, outcome := range x.Room {
			lock(outcome, "")
		}
	}
	for _, e := range packs {
		var x roomNote
		if json.Unmarshal(e.After, &x) != nil {
			continue // said where the room is looked at
		}
		for _, outcome := range x.Outcomes {
			switch by, ok := lockedBy[outcome]; {
			case !ok || by > e.Seq:
				f.add("entry %d carries %s into a secure room under the arms' names, and no entry before it locks its plan", e.Seq, outcome)
			case planOf[outcome] != x.Plan && e.Why == "":
				f.add("entry %d carries another plan of %s into a secure room than entry %d locked, and no reason is given", e.Seq, outcome, by)
			case planOf[outcome] != x.Plan:
				v.say(Note, checkOrder, "the plan of %s that entry %d carries into a secure room changed after entry %d locked it: %q", outcome, e.Seq, by, e.Why)
			}
		}
	}
	for _, e := range runs {
		if first == 0 || e.Seq < first {
			f.add("entry %d has estimates under the arms' names, and no entry before it locks plan and data", e.Seq)
		}
	}
	// What was locked is what was analysed, or the entry says why it is not.
	if last := v.of(actionAnalyse); len(last) > 0 && first > 0 {
		e := last[len(last)-1]
		var x analyseNote
		if json.Unmarshal(e.After, &x) == nil {
			changed := []string{}
			if x.Plan != plan {
				changed = append(changed, "the plan")
			}
			if all, err := v.data(); err == nil {
				for _, d := range all {
					if locked, ok := data[d.Outcome]; !ok {
						f.add("entry %d analyses %s, whose data no entry locks", e.Seq, d.Outcome)
					} else if rows.Digest([]rows.Named{d}) != locked {
						changed = append(changed, "the data of "+d.Outcome)
					}
				}
			}
			switch {
			case len(changed) > 0 && e.Why == "":
				f.add("entry %d analyses what was not locked: %s changed since entry %d, and no reason is given", e.Seq, strings.Join(changed, ", "), first)
			case len(changed) > 0:
				v.say(Note, checkOrder, "the results are of what changed after the unblinding (%s): entry %d, %q", strings.Join(changed, ", "), e.Seq, e.Why)
			}
		}
	}
	if len(outcomes) > 0 {
		for _, e := range v.of(actionProtocol) {
			if e.Seq > outcomes[0].Seq && e.Seq < first {
				v.say(Note, checkOrder, "the protocol was amended by entry %d, after the first outcomes (entry %d) and before the unblinding (entry %d): %q", e.Seq, outcomes[0].Seq, first, e.Why)
			}
		}
	}
	var steps []string
	step := func(format string, a ...any) { steps = append(steps, fmt.Sprintf(format, a...)) }
	if len(outcomes) > 0 && outcomes[0].Seq < first {
		step("outcomes stored (entry %d)", outcomes[0].Seq)
	}
	step("%s, unblinded (entry %d)", locked, first)
	if len(packs) > 0 {
		step("carried into a secure room (entry %d)", packs[0].Seq)
	}
	if back := v.of(actionRoomReturn); len(back) > 0 {
		step("results of the room (entry %d)", back[0].Seq)
	}
	switch blind := len(v.of(actionBlind)); {
	case len(runs) > 0:
		step("first estimate under the arms' names (entry %d); blind runs before it: %d", runs[0].Seq, blind)
	case len(packs) == 0:
		step("no estimate under the arms' names yet")
	}
	f.done("%s", strings.Join(steps, " → "))
}

// plansOf gives the plans of a version of the protocol, with their digest.
func (v *verifier) plansOf(version int) (string, []sap.Plan, error) {
	name := fmt.Sprintf("protocol/%d.yaml", version)
	p, err := trial.ParseProtocol(name, v.files[name])
	if err != nil {
		return "", nil, fmt.Errorf("%s cannot be read: %w", name, err)
	}
	plans := p.Plans()
	text, err := json.Marshal(plans)
	if err != nil {
		return "", nil, err
	}
	return digest(text), plans, nil
}

// beside lists the runs that are not the plan's last, with their notes.
func (v *verifier) beside() (entries []trial.Entry, notes []analyseNote) {
	last := 0
	if plan := v.of(actionAnalyse); len(plan) > 0 {
		last = plan[len(plan)-1].Seq
	}
	for _, e := range v.named() {
		var x analyseNote
		if e.Seq != last && json.Unmarshal(e.After, &x) == nil {
			entries, notes = append(entries, e), append(notes, x)
		}
	}
	return entries, notes
}

// explored runs again what was run outside the plan, or before the last run of
// it, where the data that it was run on are here.
func (v *verifier) explored() {
	entries, notes := v.beside()
	if len(entries) == 0 {
		return
	}
	f := v.check(checkFit)
	data, err := v.data()
	if err != nil {
		return // said at the flow
	}
	n, worst, runs := 0, 0.0, 0
	for i, e := range entries {
		x := notes[i]
		name := runName(x.Run)
		all, err := resultsOf(string(v.files[name]))
		if err != nil {
			f.add("%s cannot be read: %v", name, err)
			continue
		}
		var on []rows.Named
		for _, r := range all {
			if e.Action == actionExplore && r.Plan.Role != sap.Exploratory {
				f.add("%s: entry %d explores, and its results call themselves %s", name, e.Seq, r.Plan.Role)
			}
			if k := slices.IndexFunc(data, func(d rows.Named) bool { return d.Outcome == r.Plan.Outcome }); k >= 0 {
				on = append(on, data[k])
			}
		}
		if len(on) != len(all) || rows.Digest(on) != x.Data {
			v.say(Note, checkFit, "%s (entry %d) was run on data that are not here any more, and was not run again", name, e.Seq)
			continue
		}
		var again []sap.Results
		for k, r := range all {
			d, err := rows.Read(on[k].Files)
			if err != nil {
				continue // said at the flow
			}
			one, err := v.opts.Fit(r.Plan, d)
			if err != nil {
				f.add("%s: fitting %s again: %v", name, r.Plan.Outcome, err)
				continue
			}
			again = append(again, *one)
		}
		if err := sap.Adjust(again); err != nil {
			f.add("%s: %v", name, err)
		}
		if len(again) != len(all) {
			continue
		}
		runs++
		for k := range all {
			c := comparison{}
			c.compare(fmt.Sprintf("%s[%d] (%s)", name, k, all[k].Plan.Outcome), plain(all[k]), plain(again[k]))
			n += c.numbers
			worst = math.Max(worst, c.worst)
			for _, w := range c.differ {
				f.add("%s", w)
			}
		}
	}
	f.done("%d numbers of %d runs outside the plan or before its last run computed again; the largest difference is %.1e of the number", n, runs, worst)
}
