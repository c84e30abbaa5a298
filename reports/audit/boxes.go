package audit

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"evenhand/trial"
)

// boxes counts again those boxes of the flow that follow from the ledger's
// entries: the stages of recruitment, the ways out of it, who left the
// programme and who joined after the lock. Those of the analysis are counted from the rows.
func (v *verifier) boxes(f *failures, flow *trial.Flow, equal func(what, from string, in, got int)) {
	const ledger = "the ledger"
	listed, at, why, furthest := 0, map[string]trial.Stage{}, map[string]string{}, map[string]int{}
	stages := trial.Stages()
	type leaver struct{ level, id string }
	var left []leaver
	joined := map[string]int{} // by school
	seen := map[leaver]bool{}
	for _, e := range v.entries {
		var after struct {
			Stored int                  `json:"stored"`
			Stage  trial.Stage          `json:"stage"`
			Reason string               `json:"reason"`
			From   trial.WithdrawalFrom `json:"from"`

			Joiners map[string]int `json:"joiners"`
		}
		switch e.Action {
		case "school import", "school add", "school stage", "withdrawal", "pupil import", actionOutcomes, "baseline import":
			if err := json.Unmarshal(e.After, &after); err != nil {
				f.add("entry %d, %q, cannot be read: %v", e.Seq, e.Action, err)
				continue
			}
		}
		switch e.Action {
		case "school import":
			listed += after.Stored
		case "school add":
			listed++
		case "school stage":
			at[e.About], why[e.About] = after.Stage, after.Reason
			if i := slices.Index(stages, after.Stage); i > furthest[e.About] {
				furthest[e.About] = i
			}
		case "withdrawal":
			level, id, _ := strings.Cut(e.About, " ")
			if x := (leaver{level, id}); after.From != trial.FromData && !seen[x] {
				seen[x] = true
				left = append(left, x)
			}
		default:
			for school, n := range after.Joiners {
				joined[school] += n
			}
		}
	}
	for i, stage := range stages {
		reached, now := 0, 0
		for id, s := range at {
			if furthest[id] >= i {
				reached++
			}
			if s == stage {
				now++
			}
		}
		if i == 0 { // schools that never moved have no entry of a stage
			reached, now = listed, listed-len(at)+now
		}
		in := trial.StageCount{}
		if k := slices.IndexFunc(flow.Stages, func(c trial.StageCount) bool { return c.Stage == stage }); k >= 0 {
			in = flow.Stages[k]
		}
		equal(fmt.Sprintf("schools that reached %q", stage), ledger, in.Reached, reached)
		equal(fmt.Sprintf("schools at %q", stage), ledger, in.Now, now)
	}
	exits, said := map[string]int{}, map[string]int{}
	for id, s := range at {
		if s.Exit() {
			exits[string(s)+": "+why[id]]++
		}
	}
	for _, c := range flow.Exits {
		said[c.What] += c.N
		exits[c.What] += 0
	}
	for _, what := range sortedNames(exits) {
		equal("schools out of recruitment, "+what, ledger, said[what], exits[what])
	}

	_, all, err := v.waves()
	if err != nil {
		return // said at the draw
	}
	allocation := together(all)
	school := v.listed()
	gone, unknown := map[[2]string]int{}, 0
	for _, x := range left {
		id := x.id
		if x.level == "pupil" {
			if id = school[x.id]; id == "" {
				unknown++ // a joiner
				continue
			}
		}
		if a, ok := allocation.Of(id); ok {
			gone[[2]string{x.level, a.Arm}]++
		}
	}
	for _, a := range flow.Arms {
		equal(fmt.Sprintf("arm %s, schools that left the programme", a.Arm), ledger, a.Schools.WithdrewProgramme, gone[[2]string{"school", a.Arm}])
		if unknown == 0 {
			equal(fmt.Sprintf("arm %s, pupils who left the programme", a.Arm), ledger, a.Pupils.WithdrewProgramme, gone[[2]string{"pupil", a.Arm}])
		}
		n := 0
		for school, k := range joined {
			if at, ok := allocation.Of(school); ok && at.Arm == a.Arm {
				n += k
			}
		}
		equal(fmt.Sprintf("arm %s, pupils who joined after the lock", a.Arm), ledger, a.Pupils.Joiners, n)
	}
	if unknown > 0 {
		v.say(Note, checkFlow, "%d pupils who left the programme are not on the list as locked: how many left of each arm was not counted again", unknown)
	}
}

// labels holds the arms' names in the flow to the protocol's.
func (v *verifier) labels(f *failures, flow *trial.Flow) {
	versions := v.of(actionProtocol)
	name := fmt.Sprintf("protocol/%d.yaml", len(versions))
	p, err := trial.ParseProtocol(name, v.files[name])
	if err != nil {
		return // said at the records
	}
	for i, a := range flow.Arms {
		if i >= len(p.Arms) || a.Arm != p.Arms[i].ID || a.Label != p.Arms[i].Label || a.Control != p.Arms[i].Control {
			f.add("%s calls arm %d %q (%s), which %s does not", flowName, i+1, a.Label, a.Arm, name)
		}
	}
}

// listed gives the school of every pupil who was listed at the lock.
func (v *verifier) listed() map[string]string {
	listed := map[string]string{}
	for n := range max(1, len(v.of(actionDraw))) {
		for _, line := range strings.Split(string(v.files[waveFile(n+1, pupilsName)]), "\n") {
			if id, school, ok := strings.Cut(line, "\t"); ok && id != "pupil" {
				listed[id] = school
			}
		}
	}
	return listed
}
