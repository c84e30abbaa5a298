package audit

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"evenhand/trial"
)

// showsArms are the actions that put arms before the eyes of whoever gives them.
// What is only read on the screen leaves no entry.
var showsArms = []string{"draw record", "draw kit", "draw letters", "communities change", actionRoomPack, actionRoomReturn, "report build", "report release", "audit export"}

// knew checks that nobody whom the protocol keeps blind made a document that
// shows arms before blindness ended.
func (v *verifier) knew() {
	if len(v.of(actionDraw)) == 0 {
		return
	}
	f := v.check(checkKnew)
	var blind trial.Blind
	named, people := 0, map[string]bool{}
	drawn, analysed, ended := false, false, ""
	for _, e := range v.entries {
		switch e.Action {
		case actionProtocol:
			var x protocolNote
			if json.Unmarshal(e.After, &x) != nil {
				continue
			}
			name := fmt.Sprintf("protocol/%d.yaml", x.Version)
			p, err := trial.ParseProtocol(name, v.files[name])
			if err != nil {
				f.add("%s cannot be read, so that nobody can tell who was to stay blind: %v", name, err)
				return
			}
			blind = p.Trial.Blind
			for _, name := range blind.People {
				people[name] = true
			}
		case actionDraw:
			drawn = true
		case actionUnblind, actionAnalyse: // the first of them locks plan and data
			if blind.Until == "plan locked" && ended == "" {
				ended = fmt.Sprintf("entry %d, %q", e.Seq, e.Action)
			}
			analysed = analysed || e.Action == actionAnalyse
		}
		keptBlind := slices.ContainsFunc(blind.People, func(name string) bool { return trial.SamePerson(name, e.Actor) })
		if drawn && slices.Contains(showsArms, e.Action) {
			named++
			if keptBlind && ended == "" {
				f.add("entry %d, %q, shows arms to %q, who was to stay blind until %q: what that person did afterwards was not done blind", e.Seq, e.Action, e.Actor, blind.Until)
			}
		}
		if analysed && blind.Until == "report" && e.Action == actionReport && ended == "" {
			ended = fmt.Sprintf("entry %d, %q", e.Seq, e.Action)
		}
	}
	if len(people) == 0 {
		v.say(Note, checkKnew, "the protocol names nobody who was to stay blind")
		return
	}
	until := "blindness has not ended"
	if ended != "" {
		until = "blindness ended with " + ended
	}
	f.done("0 of the %d documents with arms were made by somebody who was to stay blind then (%s); %s", named, strings.Join(sortedNames(people), ", "), until)
}
