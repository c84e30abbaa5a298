package simulate

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"evenhand/analysis/internal/dist"
	"evenhand/analysis/mixed"
	"evenhand/analysis/power"
	"evenhand/analysis/robust"
)

// Trial is a trial that is to be simulated: its own schools and strata, its own
// way to draw, its own plan. Slices of schools run parallel.
type Trial struct {
	Pupils  []int                  // listed in each school; 1 each where schools themselves are measured
	Stratum []int                  // of each school, from 0
	Arms    []string               // labels
	Control int                    // index of the control arm
	Redraw  func(i int) []int      // arm of each school in draw i; safe for concurrent use
	Groups  func(arm, n int) []int // sizes of the communities that n schools of an arm are put into; nil for none

	Partial  bool     // whether the mixed model gives communities a variance (partially nested)
	Linear   bool     // whether schools are measured, and analysed by a regression on schools with HC2 standard errors
	DF       mixed.DF // of the mixed model
	Level    float64  // of the intervals; tests are at 1 − Level
	Strata   bool     // whether the model adjusts for the strata
	Baseline bool     // whether the model adjusts for a baseline
}

// Assumed is what is taken to be true of a trial's outcomes. Variances are
// shares of the total in the control arm.
type Assumed struct {
	Effect       float64 `json:"effect"`        // of every arm but the control arm, in SDs of the control arm
	ICC          float64 `json:"icc"`           // variance between schools, in [0,1); not used where schools are measured
	R2Cluster    float64 `json:"r2_cluster"`    // share of the schools' variance that the baseline explains, in [0,1)
	R2Pupil      float64 `json:"r2_pupil"`      // share of the pupils' variance that the baseline explains, in [0,1)
	ICCCommunity float64 `json:"icc_community"` // variance between communities, added in arms that have them
	LostClusters float64 `json:"lost_clusters"` // chance of a school to be lost, in [0,1)
	LostPupils   float64 `json:"lost_pupils"`   // chance of a pupil of the others to be lost, in [0,1)
}

// ArmPower is the power to find one arm's effect.
type ArmPower struct {
	Arm      string     `json:"arm"`
	Against  string     `json:"against"`
	Power    Share      `json:"power"` // trials with p < 1 − level, of all trials
	CI       [2]float64 `json:"ci"`    // Wilson's 95 % interval of the power
	Estimate Mean       `json:"estimate"`
	SD       float64    `json:"sd"` // of the estimates
	MeanSE   float64    `json:"mean_se"`
	MeanDF   float64    `json:"mean_df"` // 0 for z
	Coverage Share      `json:"coverage"`
	// Formula is package power's answer for a design of the same numbers; nil
	// where it has none, and then Why says why.
	Formula *power.Power `json:"formula"`
	Why     string       `json:"why,omitempty"`
}

// Powered is what simulating a trial gave.
type Powered struct {
	Trials  int        `json:"trials"`
	Seed    uint64     `json:"seed"`
	Assumed Assumed    `json:"assumed"`
	Schools int        `json:"schools"`
	Pupils  int        `json:"pupils"`
	Strata  int        `json:"strata"`
	Failed  int        `json:"failed"` // trials without an estimate: nothing was found in them
	Failure string     `json:"failure,omitempty"`
	Arms    []ArmPower `json:"arms"`
}

func (t Trial) check(a Assumed, trials int) error {
	var faults []error
	say := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if trials < 1 || trials > MostTrials {
		say("%d trials; between 1 and %d are simulated", trials, MostTrials)
	}
	if !(math.Abs(a.Effect) <= 100) {
		say("an effect of %v is no number of standard deviations that a trial could have", a.Effect)
	}
	for _, s := range []struct {
		name  string
		value float64
	}{{"icc", a.ICC}, {"r2_cluster", a.R2Cluster}, {"r2_pupil", a.R2Pupil}, {"icc_community", a.ICCCommunity}, {"lost_clusters", a.LostClusters}, {"lost_pupils", a.LostPupils}} {
		if !(s.value >= 0 && s.value < 1) {
			say("%s is %v; it is a share of at least 0 and below 1", s.name, s.value)
		}
	}
	if len(t.Pupils) == 0 || len(t.Stratum) != len(t.Pupils) {
		say("%d schools with %d strata: a trial has schools, each in a stratum", len(t.Pupils), len(t.Stratum))
	}
	for i, n := range t.Pupils {
		if n < 0 || n > 1_000_000 {
			say("school %d has %d pupils", i+1, n)
		}
	}
	if len(t.Arms) < 2 || t.Control < 0 || t.Control >= len(t.Arms) {
		say("%d arms of which number %d is the control arm", len(t.Arms), t.Control+1)
	}
	if !(t.Level > 0 && t.Level < 1) {
		say("intervals of level %v; it is between 0 and 1", t.Level)
	}
	return errors.Join(faults...)
}

// found is the analysis of one simulated trial: one inference an arm that is
// not the control arm.
type found struct {
	err   error
	tests []mixed.Inference
}

// Power simulates trials: each is drawn anew by the trial's own design, gets
// outcomes of which the truth is known, and is analysed by the trial's own
// plan. progress may be nil; it is told how many trials are done, and stops the
// simulation (ErrStopped) by false.
//
// An outcome is effect + school + community + pupil, normal, with variance 1 in
// the control arm. The baseline's part of school and pupil is added to the
// outcome with slope 1, so that it explains R2Cluster and R2Pupil of the two
// variances exactly. Strata explain nothing: they cost degrees of freedom and
// are adjusted for, but what they would explain is not counted on. Schools and
// pupils are lost by chance alone.
func Power(t Trial, a Assumed, trials int, seed uint64, progress func(done int) bool) (*Powered, error) {
	if err := t.check(a, trials); err != nil {
		return nil, err
	}
	all := make([]found, trials)
	err := each(trials, func() func(int) error {
		p := &pupils{t: t, a: a}
		return func(i int) error {
			rng := stream(seed, "power", i)
			arms := t.Redraw(i)
			if len(arms) != len(t.Pupils) {
				return fmt.Errorf("draw %d has %d schools, the roster %d", i, len(arms), len(t.Pupils))
			}
			p.draw(rng.NormFloat64, rng.Float64, arms)
			if t.Linear {
				all[i] = p.linear()
			} else {
				all[i] = p.mixed()
			}
			return nil
		}
	}, progress)
	if err != nil {
		return nil, err
	}
	return t.sum(a, seed, all), nil
}

// pupils is the rows of one simulated trial; the space is used again.
type pupils struct {
	t Trial
	a Assumed

	y, x                 []float64
	arm, school, stratum []int
	group                []int // community of each row, −1 for none
	dummies              [][]float64
	present              []int
}

// draw fills the rows.
func (p *pupils) draw(normal, uniform func() float64, arms []int) {
	p.y, p.x, p.arm, p.school, p.stratum, p.group = p.y[:0], p.x[:0], p.arm[:0], p.school[:0], p.stratum[:0], p.group[:0]
	icc := p.a.ICC
	if p.t.Linear {
		icc = 1
	}
	schoolBase, schoolRest := math.Sqrt(icc*p.a.R2Cluster), math.Sqrt(icc*(1-p.a.R2Cluster))
	pupilBase, pupilRest := math.Sqrt((1-icc)*p.a.R2Pupil), math.Sqrt((1-icc)*(1-p.a.R2Pupil))
	community, group := p.communities(normal, arms)
	for j, n := range p.t.Pupils {
		base, rest := schoolBase*normal(), schoolRest*normal()+community[j]
		if arms[j] != p.t.Control {
			rest += p.a.Effect
		}
		if p.a.LostClusters > 0 && uniform() < p.a.LostClusters {
			continue
		}
		if p.t.Linear {
			n = 1
		}
		for range n {
			if !p.t.Linear && p.a.LostPupils > 0 && uniform() < p.a.LostPupils {
				continue
			}
			x, e := base, rest
			if !p.t.Linear {
				x += pupilBase * normal()
				e += pupilRest * normal()
			}
			p.y, p.x = append(p.y, x+e), append(p.x, x)
			p.arm, p.school, p.stratum = append(p.arm, arms[j]), append(p.school, j), append(p.stratum, p.t.Stratum[j])
			p.group = append(p.group, group[j])
		}
	}
}

// communities gives each school the effect of its community, and its number.
// Which schools of
// an arm share one does not matter, since schools are alike but for their
// sizes: they are taken in the roster's order.
func (p *pupils) communities(normal func() float64, arms []int) (effect []float64, group []int) {
	effect, group = make([]float64, len(arms)), make([]int, len(arms))
	for j := range group {
		group[j] = -1
	}
	if p.t.Groups == nil || p.a.ICCCommunity == 0 && !p.t.Partial {
		return effect, group
	}
	groups := 0
	sd := math.Sqrt(p.a.ICCCommunity)
	for arm := range p.t.Arms {
		var members []int
		for j, a := range arms {
			if a == arm {
				members = append(members, j)
			}
		}
		at := 0
		for _, size := range p.t.Groups(arm, len(members)) {
			shared := 0.0
			if sd > 0 {
				shared = sd * normal()
			}
			for _, j := range members[at:min(at+size, len(members))] {
				effect[j], group[j] = shared, groups
			}
			groups++
			at += size
		}
	}
	return effect, group
}

// columns are the model's: intercept, arms, strata against the first that has
// rows, baseline.
func (p *pupils) columns() []mixed.Column {
	p.dummies = p.dummies[:0]
	dummy := func(of []int, value int) []float64 {
		k := len(p.dummies)
		if k < cap(p.dummies) {
			p.dummies = p.dummies[:k+1]
		} else {
			p.dummies = append(p.dummies, nil)
		}
		v := p.dummies[k]
		if cap(v) < len(of) {
			v = make([]float64, 2*len(of))
		}
		v = v[:len(of)]
		for i, o := range of {
			v[i] = 0
			if o == value {
				v[i] = 1
			}
		}
		p.dummies[k] = v
		return v
	}
	cols := []mixed.Column{{Name: mixed.Intercept}}
	for a, name := range p.t.Arms {
		if a != p.t.Control {
			cols = append(cols, mixed.Column{Name: mixed.ArmTerm(name, p.t.Arms[p.t.Control]), Values: dummy(p.arm, a), Arm: true})
		}
	}
	if p.t.Strata {
		p.present = append(p.present[:0], p.stratum...)
		slices.Sort(p.present)
		p.present = slices.Compact(p.present)
		for _, s := range p.present[min(1, len(p.present)):] {
			cols = append(cols, mixed.Column{Name: fmt.Sprintf("Stratum: %d", s), Values: dummy(p.stratum, s)})
		}
	}
	if p.t.Baseline {
		cols = append(cols, mixed.Column{Name: "Baseline", Values: p.x})
	}
	return cols
}

func (p *pupils) mixed() (f found) {
	d := &mixed.Data{Outcome: "outcome", Y: p.y, Columns: p.columns(), Levels: []mixed.Level{{Name: "School", Index: p.school}}, Arm: p.arm, Arms: p.t.Arms, Control: p.t.Control}
	if p.t.Partial {
		d.Levels = append([]mixed.Level{{Name: "Community", Index: p.group}}, d.Levels...)
	}
	fit, err := mixed.New(d, mixed.Model{})
	if err != nil {
		return found{err: err}
	}
	for _, c := range d.Columns {
		if !c.Arm {
			continue
		}
		t, err := fit.Test(c.Name, p.t.DF, p.t.Level)
		if err != nil {
			return found{err: err}
		}
		f.tests = append(f.tests, t)
	}
	return f
}

func (p *pupils) linear() (f found) {
	if len(p.y) == 0 {
		return found{err: errors.New("every school was lost")}
	}
	d := robust.Data{Y: p.y}
	cols := p.columns()
	for _, c := range cols {
		column := robust.Column{Name: c.Name, Values: c.Values}
		if c.Values == nil {
			column = robust.Intercept(len(p.y))
			column.Name = c.Name
		}
		d.X = append(d.X, column)
	}
	fit, err := robust.Least(d)
	if err != nil {
		return found{err: err}
	}
	judged, err := fit.Inference(robust.HC2)
	if err != nil {
		return found{err: err}
	}
	for _, c := range cols {
		if !c.Arm {
			continue
		}
		r, err := judged.Coefficient(c.Name, p.t.Level)
		if err != nil {
			return found{err: err}
		}
		f.tests = append(f.tests, mixed.Inference{Name: r.Name, Estimate: r.Estimate, SE: r.SE, DF: r.DF, Statistic: r.Statistic, P: r.P, Low: r.Interval.Low, High: r.Interval.High})
	}
	return f
}

// sum works out the shares, in the order of the trials.
func (t Trial) sum(a Assumed, seed uint64, all []found) *Powered {
	out := &Powered{Trials: len(all), Seed: seed, Assumed: a, Schools: len(t.Pupils), Arms: []ArmPower{}}
	for _, n := range t.Pupils {
		out.Pupils += n
	}
	strata := slices.Compact(slices.Sorted(slices.Values(t.Stratum)))
	out.Strata = len(strata)
	for _, f := range all {
		if f.err != nil {
			if out.Failed++; out.Failure == "" {
				out.Failure = f.err.Error()
			}
		}
	}
	counts := make([]int, len(t.Arms))
	for _, arm := range t.Redraw(0) {
		counts[arm]++
	}
	at := 0
	for arm, name := range t.Arms {
		if arm == t.Control {
			continue
		}
		r := ArmPower{Arm: name, Against: t.Arms[t.Control]}
		var estimates []float64
		significant, covered, df := 0, 0, 0.0
		for _, f := range all {
			if f.err != nil {
				continue
			}
			x := f.tests[at]
			estimates = append(estimates, x.Estimate)
			r.MeanSE += x.SE
			if !math.IsInf(x.DF, 0) {
				df += x.DF
			}
			if x.P < 1-t.Level {
				significant++
			}
			if x.Low <= a.Effect && a.Effect <= x.High {
				covered++
			}
		}
		n := len(estimates)
		r.Power, r.Coverage = shareOf(significant, len(all)), shareOf(covered, n)
		r.CI = wilson(significant, len(all))
		r.Estimate = meanOf(estimates)
		r.SD = deviation(estimates, r.Estimate.Value)
		if n > 0 {
			r.MeanSE /= float64(n)
			r.MeanDF = df / float64(n)
		}
		formula, err := power.Of(t.inputs(a, arm, counts, len(strata)), a.Effect)
		if err != nil {
			r.Why = err.Error()
		} else {
			r.Formula = &formula
		}
		out.Arms = append(out.Arms, r)
		at++
	}
	return out
}

// inputs puts the trial into the words of package power: schools drawn (cra2,
// cra2-communities where communities differ), or schools measured (ira1). With
// more than two arms it is the trial of the two arms compared.
func (t Trial) inputs(a Assumed, arm int, counts []int, strata int) power.Inputs {
	in := power.Defaults(power.Clustered)
	in.Alpha = 1 - t.Level
	schools := counts[arm] + counts[t.Control]
	in.Share = float64(counts[arm]) / float64(schools)
	if t.Strata {
		in.Covariates += strata - 1
	}
	if t.Baseline {
		in.Covariates++
	}
	r2c, r2p := a.R2Cluster, a.R2Pupil
	if !t.Baseline {
		r2c, r2p = 0, 0
	}
	in.LostClusters = a.LostClusters
	if t.Linear {
		in.Design, in.Size, in.R2Pupil = power.Individual, float64(schools), r2c
		in.LostClusters, in.LostPupils = 0, a.LostClusters
		return in
	}
	in.Clusters, in.ICC, in.R2Cluster, in.R2Pupil, in.LostPupils = float64(schools), a.ICC, r2c, r2p, a.LostPupils
	sizes := make([]float64, 0, len(t.Pupils))
	for _, n := range t.Pupils {
		if n > 0 {
			sizes = append(sizes, float64(n))
		}
	}
	mean := meanOf(sizes).Value
	in.Size, in.CV = mean, deviation(sizes, mean)/mean
	if a.ICCCommunity > 0 && t.Groups != nil {
		if groups := t.Groups(arm, counts[arm]); len(groups) > 0 {
			in.Design, in.ICCGroup, in.GroupSize = power.Communities, a.ICCCommunity, float64(counts[arm])/float64(len(groups))
		}
	}
	return in
}

// wilson is Wilson's (1927, JASA 22: 209–212) 95 % interval of a share.
func wilson(k, n int) [2]float64 {
	z := dist.NormalQuantile(0.975)
	p, m := float64(k)/float64(n), float64(n)
	centre := (p + z*z/(2*m)) / (1 + z*z/m)
	half := z / (1 + z*z/m) * math.Sqrt(p*(1-p)/m+z*z/(4*m*m))
	return [2]float64{max(0, centre-half), min(1, centre+half)}
}
