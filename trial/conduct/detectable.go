package conduct

import (
	"fmt"
	"math"
	"slices"
	"strings"

	"evenhand/analysis"
	"evenhand/analysis/mixed"
	"evenhand/analysis/power"
	"evenhand/analysis/sap"
	"evenhand/trial"
)

// detectable is what the trial can detect: at protocol, at randomisation and
// at analysis, overall and (where the protocol says who they are) for pupils
// with free school meals. A stage without a number says why. With more than
// two arms it is that of the smallest intervention arm against the control
// arm, which can detect least.
func (t *Trial) detectable(s Snapshot) ([]power.Stage, error) {
	p := t.Protocol
	var all []power.Stage
	for _, stage := range []string{power.AtProtocol, power.AtRandomisation, power.AtAnalysis} {
		for _, group := range []string{power.Overall, power.FSM} {
			if group == power.FSM && (p.SampleSize.FSM.Column == "" || p.Trial.Measured == "schools") {
				continue
			}
			one := assumed(p, stage, group)
			var err error
			switch stage {
			case power.AtProtocol:
				planned(p, &one)
			case power.AtRandomisation:
				err = t.randomised(s, &one)
			case power.AtAnalysis:
				err = t.analysedStage(s, &one)
			}
			if err != nil {
				return nil, err
			}
			all = append(all, one)
		}
	}
	return all, nil
}

// comparison gives the arms that the MDES is for, by their place in the
// protocol: the intervention arm of the least weight, and the control arm.
func comparison(p *trial.Protocol) (treated, control int) {
	control, treated = p.ControlArm(), -1
	for i, a := range p.Arms {
		if i != control && (treated < 0 || a.Weight < p.Arms[treated].Weight) {
			treated = i
		}
	}
	return treated, control
}

// assumed is a stage with what the protocol assumes.
func assumed(p *trial.Protocol, stage, group string) power.Stage {
	z := p.SampleSize
	s := power.Stage{Stage: stage, Group: group, Alpha: float64(z.Alpha), Power: float64(z.Power), Tails: z.Tails}
	icc, pupil, school := z.ICC, z.PrePupil, z.PreSchool
	if group == power.FSM {
		icc, pupil, school = z.FSM.ICC.Or(icc), z.FSM.PrePupil.Or(pupil), z.FSM.PreSchool.Or(school)
	}
	given := func(d trial.Decimal) *float64 {
		if !d.Set {
			return nil
		}
		return &d.Value
	}
	s.ICC, s.PrePupil, s.PreSchool = given(icc), given(pupil), given(school)
	if z.Classes.Set {
		s.Classes, s.ICCClass, s.PreClass = z.Classes.Value, given(z.ICCClass), given(z.PreClass)
	}
	treated, _ := comparison(p)
	for _, c := range p.Communities {
		if c.Arm == p.Arms[treated].ID && z.ICCCommunity.Set {
			s.ICCCommunity, s.CommunitySize = given(z.ICCCommunity), float64(c.Size.Min+c.Size.Max)/2
		}
	}
	switch {
	case z.Covariates.Set:
		s.Covariates = int(z.Covariates.Value)
	case slices.Contains(p.Plan.Covariates, "baseline"):
		s.Covariates = 1
	}
	return s
}

// planned fills in the protocol's numbers.
func planned(p *trial.Protocol, s *power.Stage) {
	treated, control := comparison(p)
	sum := 0
	for _, a := range p.Arms {
		sum += a.Weight
	}
	of := func(arm int) float64 { return float64(p.Recruitment.Target*p.Arms[arm].Weight) / float64(sum) }
	s.SchoolsTreated, s.SchoolsControl = int(math.Round(of(treated))), int(math.Round(of(control)))
	s.LostShare, s.LostPupils = float64(p.SampleSize.LostSchools), float64(p.SampleSize.LostPupils)
	if p.Trial.Measured != "schools" && !pupilsExpected(p, s) {
		return
	}
	s.Detect()
}

// pupilsExpected fills in pupils as the protocol expects them, and says why
// there is no MDES where it does not say enough.
func pupilsExpected(p *trial.Protocol, s *power.Stage) bool {
	n, key := p.SampleSize.Pupils, "`pupils per school`"
	if s.Group == power.FSM {
		n, key = p.SampleSize.FSM.Pupils, "`pupils per school` under `fsm`"
	}
	var lacks []string
	if !n.Set {
		lacks = append(lacks, key)
	}
	if s.ICC == nil {
		lacks = append(lacks, "`icc`")
	}
	if len(lacks) > 0 {
		s.Why = "the protocol's `sample size` gives no " + strings.Join(lacks, " and no ")
		return false
	}
	s.PupilsTreated, s.PupilsControl = n.Value*float64(s.SchoolsTreated), n.Value*float64(s.SchoolsControl)
	return true
}

// sizes fills in schools and pupils from the pupils of each school, those
// without a pupil left out.
func sizes(s *power.Stage, treated, control []int) {
	var all []float64
	for _, arm := range []struct {
		n       []int
		schools *int
		pupils  *float64
	}{{treated, &s.SchoolsTreated, &s.PupilsTreated}, {control, &s.SchoolsControl, &s.PupilsControl}} {
		for _, n := range arm.n {
			if n > 0 {
				*arm.schools++
				*arm.pupils += float64(n)
				all = append(all, float64(n))
			}
		}
	}
	s.CV = variation(all)
}

// variation is the population SD over the mean.
func variation(x []float64) float64 {
	if len(x) == 0 {
		return 0
	}
	mean, squares := 0.0, 0.0
	for _, v := range x {
		mean += v / float64(len(x))
	}
	for _, v := range x {
		squares += (v - mean) * (v - mean) / float64(len(x))
	}
	return math.Sqrt(squares) / mean
}

// strataCost is how many degrees of freedom the strata cost.
func strataCost(p *trial.Protocol, strata map[string]string) int {
	if !slices.Contains(p.Plan.Covariates, "strata") {
		return 0
	}
	seen := map[string]bool{}
	for _, v := range strata {
		seen[v] = true
	}
	return max(0, len(seen)-1)
}

// inGroup says whether a pupil belongs to the stage's group.
func inGroup(p *trial.Protocol, group string, pupil trial.Pupil) bool {
	return group == power.Overall || strings.EqualFold(pupil.Attributes[p.SampleSize.FSM.Column], "yes")
}

func (t *Trial) randomised(s Snapshot, one *power.Stage) error {
	if s.Draw == nil {
		one.Why = "schools have not been drawn yet"
		return nil
	}
	p := t.Protocol
	treated, control := comparison(p)
	count := map[string]int{}
	for _, pupil := range s.Roster.Pupils {
		if inGroup(p, one.Group, pupil) {
			count[pupil.School]++
		}
	}
	one.Covariates += strataCost(p, s.Roster.Strata)
	var by [2][]int
	for _, school := range s.Roster.Schools {
		for i, arm := range []int{treated, control} {
			if s.Records.Allocation[school.ID].Arm == p.Arms[arm].ID {
				by[i] = append(by[i], count[school.ID])
			}
		}
	}
	if p.Trial.Measured == "schools" {
		one.SchoolsTreated, one.SchoolsControl = len(by[0]), len(by[1])
		one.Detect()
		return nil
	}
	sizes(one, by[0], by[1])
	if one.ICC == nil {
		one.Why = "the protocol's `sample size` gives no `icc`"
		return nil
	}
	one.Detect()
	return nil
}

// analysedStage takes numbers from those analysed, and the shares of variance
// and what the baseline explains from the primary outcome itself: the ICC of
// the empty model, and at each level the share by which the planned
// covariates lower the variance of the model with the arm alone. The
// correlation shown is the root of that share.
func (t *Trial) analysedStage(s Snapshot, one *power.Stage) error {
	if s.Last == nil || len(s.Last.Results) == 0 {
		one.Why = "the plan has not been run yet"
		return nil
	}
	p, r := t.Protocol, s.Last.Results[0]
	d, err := p.Dataset(s.Records, r.Plan.Outcome)
	if err != nil {
		return err
	}
	one.Estimated = true
	one.Covariates += strataCost(p, s.Roster.Strata)
	one.ICC, one.ICCClass, one.ICCCommunity, one.PrePupil, one.PreClass, one.PreSchool = nil, nil, nil, nil, nil, nil
	one.Classes, one.CommunitySize = 0, 0
	names := slices.Clone(r.Plan.Covariates)
	if len(d.Strata) < 2 {
		names = slices.DeleteFunc(names, func(s string) bool { return s == "Stratum" })
	}
	if one.Group == power.FSM {
		names = slices.DeleteFunc(names, func(s string) bool { return s == p.SampleSize.FSM.Column })
		d = onlyThose(d, p.SampleSize.FSM.Column)
	}
	if p.Trial.Measured == "schools" {
		t.analysedSchools(r, d, one)
		return nil
	}
	estimates, used, err := variances(d, names)
	if err != nil {
		one.Why = err.Error()
		return nil
	}
	treated, control := comparison(p)
	count := make([]int, len(d.Clusters))
	armOf := make([]int, len(d.Clusters))
	for _, i := range used {
		count[d.Cluster[i]]++
		armOf[d.Cluster[i]] = d.Arm[i]
	}
	var by [2][]int
	for c, n := range count {
		for i, arm := range []int{treated, control} {
			if armOf[c] == arm {
				by[i] = append(by[i], n)
			}
		}
	}
	sizes(one, by[0], by[1])
	one.ICC, one.PrePupil, one.PreSchool = &estimates.icc, &estimates.pupil, &estimates.school
	one.Detect()
	ownSE(p, r, one)
	return nil
}

// analysedSchools is the analysis stage where schools are measured.
func (t *Trial) analysedSchools(r sap.Results, d *analysis.Dataset, one *power.Stage) {
	treated, control := comparison(t.Protocol)
	for i, a := range d.Arm {
		switch {
		case !d.Observed[i]:
		case a == treated:
			one.SchoolsTreated++
		case a == control:
			one.SchoolsControl++
		}
	}
	value := map[string]float64{}
	for _, v := range r.Variances {
		value[v.Model] += v.Value
	}
	if conditional, all := value["conditional"], value["unconditional"]; all > 0 {
		root := math.Sqrt(math.Max(0, 1-conditional/all))
		one.PreSchool = &root
	}
	one.Detect()
	ownSE(t.Protocol, r, one)
}

// ownSE adds the MDES by the planned estimate's own standard error: of the
// effect size overall, of the effect within for the pupils with free meals.
func ownSE(p *trial.Protocol, r sap.Results, one *power.Stage) {
	treated, _ := comparison(p)
	var e *analysis.Estimate
	for i := range r.Contrasts {
		if one.Group == power.Overall && r.Contrasts[i].Arm == p.Arms[treated].ID {
			e = &r.Contrasts[i].EffectSize
		}
	}
	for _, g := range r.Subgroups {
		for i := range g.Within {
			if x := &g.Within[i]; one.Group == power.FSM && g.Variable == p.SampleSize.FSM.Column && x.Value == "yes" && x.Arm == p.Arms[treated].ID {
				e = &x.EffectSize
			}
		}
	}
	if e == nil {
		return
	}
	// With less than one degree of freedom there is none.
	if m, err := power.OfSE(e.SE, e.DF, one.Alpha, one.Power, one.Tails); err == nil {
		one.OwnSE = &m
	}
}

// onlyThose is the dataset with the outcomes of those with a yes in a column
// only.
func onlyThose(d *analysis.Dataset, column string) *analysis.Dataset {
	out := *d
	out.Observed = make([]bool, len(d.Observed))
	for _, c := range d.Covariates {
		if c.Name == column {
			for i := range out.Observed {
				out.Observed[i] = d.Observed[i] && c.Has(i) && c.Values[i] == 1
			}
		}
	}
	return &out
}

type estimated struct{ icc, pupil, school float64 }

// variances fits the planned model, the one with the arm alone and the empty
// one to the rows that the plan can use, which it gives too.
func variances(d *analysis.Dataset, covariates []string) (estimated, []int, error) {
	rows, err := mixed.FromDataset(d, covariates)
	if err != nil {
		return estimated{}, nil, err
	}
	data, used, err := rows.Design()
	if err != nil {
		return estimated{}, nil, err
	}
	var found [3][2]float64 // planned, arm alone, empty: of schools, of pupils
	for i, m := range []*mixed.Data{data, data.Unconditional(), data.Empty()} {
		fit, err := mixed.New(m, mixed.Model{})
		if err != nil {
			return estimated{}, nil, fmt.Errorf("estimate the shares of variance: %w", err)
		}
		found[i] = [2]float64{fit.Variances[0].Value, fit.Variances[len(fit.Variances)-1].Value}
	}
	explained := func(level int) float64 {
		if !(found[1][level] > 0) {
			return 0
		}
		return math.Sqrt(math.Max(0, 1-found[0][level]/found[1][level]))
	}
	return estimated{found[2][0] / (found[2][0] + found[2][1]), explained(1), explained(0)}, used.Rows, nil
}

// detectableNow is what the trial could detect with the schools that are ready
// (and the pupils listed for them, where all of them have a list), and what it
// could with the target met.
func (t *Trial) detectableNow(ready []trial.School, pupils []trial.Pupil) (now, target power.Stage) {
	p := t.Protocol
	target = assumed(p, power.AtProtocol, power.Overall)
	planned(p, &target)
	now = assumed(p, power.Recruiting, power.Overall)
	treated, control := comparison(p)
	weights := p.Arms[treated].Weight + p.Arms[control].Weight
	sum := 0
	for _, a := range p.Arms {
		sum += a.Weight
	}
	both := float64(len(ready)) * float64(weights) / float64(sum)
	now.SchoolsTreated = int(math.Round(both * float64(p.Arms[treated].Weight) / float64(weights)))
	now.SchoolsControl = int(math.Round(both)) - now.SchoolsTreated
	now.LostShare, now.LostPupils = float64(p.SampleSize.LostSchools), float64(p.SampleSize.LostPupils)
	if now.SchoolsTreated < 1 || now.SchoolsControl < 1 {
		now.Why = fmt.Sprintf("with %d ready there is no school for each arm", len(ready))
		return now, target
	}
	if p.Trial.Measured == "schools" {
		now.Detect()
		return now, target
	}
	count := map[string]int{}
	for _, x := range pupils {
		if !x.Joiner {
			count[x.School]++
		}
	}
	var n []float64
	total := 0.0
	for _, s := range ready {
		if c := count[s.ID]; c > 0 {
			n, total = append(n, float64(c)), total+float64(c)
		}
	}
	switch {
	case now.ICC == nil || len(n) < len(ready):
		if !pupilsExpected(p, &now) {
			return now, target
		}
	default:
		mean := total / float64(len(n))
		now.PupilsTreated, now.PupilsControl = mean*float64(now.SchoolsTreated), mean*float64(now.SchoolsControl)
		now.CV = variation(n)
	}
	now.Detect()
	return now, target
}
