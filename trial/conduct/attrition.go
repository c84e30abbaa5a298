package conduct

import (
	"slices"

	"evenhand/analysis"
	"evenhand/analysis/attrition"
	"evenhand/analysis/missing"
	"evenhand/analysis/sap"
	"evenhand/trial"
)

// The stages at which somebody may be lost, in order of time.
var lossStages = []string{"before the first session", "during the sessions", "after the sessions", "at the outcome"}

const (
	lostBefore = iota
	lostDuring
	lostAfter
	lostAtOutcome
)

// missingNow is what is missing of the primary outcome and its plan's covariates
// among those randomised, once the plan was run.
func (t *Trial) missingNow(s Snapshot) (*missing.Table, error) {
	if s.Last == nil {
		return nil, nil
	}
	plan := s.Last.Results[0].Plan
	d, err := t.Protocol.Dataset(s.Records, plan.Outcome)
	if err != nil {
		return nil, err
	}
	d.Covariates = slices.DeleteFunc(d.Covariates, func(c analysis.Column) bool { return !slices.Contains(plan.Covariates, c.Name) })
	table, err := missing.Describe(d)
	return &table, err
}

// attrition follows the loss of those randomised: before the plan is run of
// those who withdrew from data collection or of whom it is on record why they have
// no score, afterwards of everybody whom the
// estimate of the primary outcome does not use. Who left without a day of its
// own is lost on the day of the outcome.
func (t *Trial) attrition(s Snapshot) (*attrition.Status, error) {
	if s.Draw == nil {
		return nil, nil
	}
	p := t.Protocol
	plan := p.Plans()[0]
	d, err := p.Dataset(s.Records, plan.Outcome)
	if err != nil {
		return nil, err
	}
	var use attrition.Use
	if s.Last != nil {
		use, err = sap.UseOf(s.Last.Results[0].Plan, d)
		if err != nil {
			return nil, err
		}
	} else {
		use = attrition.Use{Used: make([]bool, len(d.ID)), Reason: slices.Clone(d.Lost)}
		for i, why := range d.Lost {
			if why == "" || why == trial.LostNoScore {
				use.Used[i], use.Reason[i] = true, "" // they wait, or have a score
			}
		}
	}
	left := map[[2]string]trial.Date{}
	for _, w := range s.Records.Withdrawals {
		key := [2]string{w.Level, w.Subject}
		if on, ok := left[key]; w.StopsData() && (!ok || w.On < on) {
			left[key] = w.On
		}
	}
	first, last := trial.Date(""), trial.Date("")
	for _, x := range p.Delivery.Sessions {
		if x.On != "" && (first == "" || x.On < first) {
			first = x.On
		}
		last = max(last, x.On)
	}
	outcome := string(p.PrimaryOutcome().On)
	if outcome == "" {
		outcome = "outcome" // after every day
	}
	course := attrition.Course{When: make([]string, len(d.ID)), Stage: make([]int, len(d.ID)), Stages: lossStages}
	for i, used := range use.Used {
		if used {
			continue
		}
		on, ok := left[[2]string{"school", d.Clusters[d.Cluster[i]]}]
		if mine, left := left[[2]string{"pupil", d.ID[i]}]; left && (!ok || mine < on) {
			on, ok = mine, true
		}
		course.When[i], course.Stage[i] = string(on), lostDuring
		switch {
		case !ok || on == "":
			course.When[i], course.Stage[i] = outcome, lostAtOutcome
		case on < first || first == "":
			course.Stage[i] = lostBefore
		case on > last:
			course.Stage[i] = lostAfter
		}
	}
	return attrition.Follow(d, use, course)
}
