package audit

import (
	"fmt"
	"regexp"
	"strconv"
	"strings"

	"evenhand/trial"
)

// matters says what a change of an entry would change, by the beginning of its
// action; the first that fits.
var matters = []struct{ action, what string }{
	{actionProtocol, "what was planned, and who was to stay blind"},
	{"school ", "the recruitment part of the flow, and which schools could be drawn"},
	{"recruitment ", "the recruitment part of the flow"},
	{"trial stop", "whether the trial was stopped"},
	{"leader ", "who leads in a school, and so compliance"},
	{"staff ", "which schools were eligible"},
	{"response ", "which schools were eligible"},
	{"pupil ", "who could be randomised, and their baselines"},
	{"baseline ", "the baseline scores, and so every adjusted estimate"},
	{actionLock, "which schools and pupils were randomised"},
	{actionRehearse, "how often the draw was looked at beforehand"},
	{actionCommit, "what the draw was bound to"},
	{"draw report-error", "what went wrong with the draw"},
	{"draw annul", "whether the draw counts"},
	{actionDraw, "which school is in which arm"},
	{"draw ", "who learnt arms, and when"},
	{"communities ", "which schools worked together"},
	{"attendance ", "who took part, and so compliance"},
	{"session ", "who took part, and so compliance"},
	{"withdrawal", "who counts as lost, and so flow and attrition"},
	{"outcome ", "the scores, and so every estimate"},
	{"score ", "the scores, and so every estimate"},
	{"analysis rehearse", "what was seen before the unblinding"},
	{actionUnblind, "whether plan and data were settled before anybody saw an effect"},
	{actionBlind, "what was seen before the unblinding"},
	{actionExplore, "which analyses were outside the plan"},
	{actionRoomPack, "what was carried into the secure room"},
	{actionRoomReturn, "the results that were made in the secure room"},
	{actionAnalyse, "the published results, or which data they rest on"},
	{"report ", "which report was the trial's"},
	{"ledger receipt", "who is said to hold a receipt"},
	{"ledger restore", "whether an older state was put back"},
}

// consequence is what an entry is, who gave it, and what a change of it would
// change. Who could have made the change is always the same: whoever can write
// to the store or to the bundle.
func consequence(r trial.Record) string {
	e, err := r.Entry()
	if err != nil {
		return ""
	}
	what := "the record of what was done"
	for _, m := range matters {
		if strings.HasPrefix(e.Action, m.action) {
			what = m.what
			break
		}
	}
	return fmt.Sprintf("; it is %q by %q, so what may have been changed is %s; whoever could write to the store or to this bundle could do it", e.Action, e.Actor, what)
}

var entryNumber = regexp.MustCompile(`entry (\d+)`)

// consequenceOf finds the entry that an error names.
func (v *verifier) consequenceOf(err error) string {
	m := entryNumber.FindStringSubmatch(err.Error())
	if m == nil {
		return ""
	}
	n, _ := strconv.Atoi(m[1])
	if n < 1 || n > len(v.lines) {
		return ""
	}
	return consequence(v.lines[n-1])
}
