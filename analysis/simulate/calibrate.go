package simulate

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"evenhand/analysis/internal/dist"
	"evenhand/analysis/mixed"
)

// Sizes says how many pupils the schools of simulated trials have.
type Sizes string

// The sizes.
const (
	Equal   Sizes = "equal"   // every school the same
	Unequal Sizes = "unequal" // quantiles of a log-normal distribution, shuffled over the schools in every trial
)

// Nesting says whether treated schools work in communities that have effects
// of their own.
type Nesting string

// The kinds of nesting.
const (
	NotNested Nesting = "no"
	Partial   Nesting = "partial" // a variance of communities, in the intervention arm only
)

// Cell is one kind of trial.
type Cell struct {
	Schools int     `json:"schools"` // half of them treated, rounded down
	ICC     float64 `json:"icc"`     // variance between schools, the total in the control arm being 1; in [0,1)
	Sizes   Sizes   `json:"sizes"`
	Nesting Nesting `json:"nesting"`
}

// Calibration says how trials are simulated and judged.
type Calibration struct {
	Trials int     `json:"trials"` // in each cell
	Effect float64 `json:"effect"` // the truth, in SDs of the control arm
	Pupils float64 `json:"pupils"` // mean number in a school, 2 or more
	CV     float64 `json:"cv"`     // SD over mean of unequal sizes
	// ICCCommunity is the variance of communities in cells with partial
	// nesting, on the scale of Cell.ICC.
	ICCCommunity  float64    `json:"icc_community"`
	CommunitySize int        `json:"community_size"` // most schools in one
	DF            []mixed.DF `json:"df"`
	Level         float64    `json:"level"` // of the intervals; tests are at 1 − Level
	Seed          uint64     `json:"seed"`
}

func (c Cell) name() string { return fmt.Sprintf("%d %v %s %s", c.Schools, c.ICC, c.Sizes, c.Nesting) }

// DefaultCalibration is the setting of the table in METHODS.md.
func DefaultCalibration() Calibration {
	return Calibration{Trials: 10_000, Pupils: 45, CV: 1, ICCCommunity: 0.05, CommunitySize: 6,
		DF: []mixed.DF{mixed.KenwardRoger, mixed.Satterthwaite}, Level: 0.95, Seed: 1}
}

// Check says everything that is wrong with a setting and its cells.
func (s Calibration) Check(cells []Cell) error {
	var faults []error
	say := func(format string, args ...any) { faults = append(faults, fmt.Errorf(format, args...)) }
	if s.Trials < 1 || s.Trials > MostTrials {
		say("%d trials a cell; between 1 and %d are simulated", s.Trials, MostTrials)
	}
	if !(math.Abs(s.Effect) <= 100) {
		say("an effect of %v is no number of standard deviations that a trial could have", s.Effect)
	}
	if !(s.Pupils >= 2 && s.Pupils <= 10_000) {
		say("%v pupils in a school; between 2 and 10,000 are simulated", s.Pupils)
	}
	if !(s.CV > 0 && s.CV <= 5) {
		say("school sizes with a coefficient of variation of %v; it is above 0 and at most 5", s.CV)
	}
	if !(s.ICCCommunity >= 0 && s.ICCCommunity < 10) {
		say("a variance of communities of %v; it is at least 0 and below 10 times the total in the control arm", s.ICCCommunity)
	}
	if s.CommunitySize < 1 {
		say("communities of at most %d schools; at least 1", s.CommunitySize)
	}
	if !(s.Level > 0 && s.Level < 1) {
		say("intervals of level %v; it is between 0 and 1", s.Level)
	}
	if len(s.DF) == 0 {
		say("no way to reach degrees of freedom is named")
	}
	if len(cells) == 0 {
		say("no kind of trial is named")
	}
	for _, c := range cells {
		switch {
		case c.Schools < 4 || c.Schools > 100_000:
			say("a trial of %d schools; between 4 (two an arm) and 100,000 are simulated", c.Schools)
		case !(c.ICC >= 0 && c.ICC < 1):
			say("an ICC of %v; it is at least 0 and below 1", c.ICC)
		case c.Sizes != Equal && c.Sizes != Unequal:
			say("sizes %q; they are %s or %s", c.Sizes, Equal, Unequal)
		case c.Nesting != NotNested && c.Nesting != Partial:
			say("nesting %q; it is %s or %s", c.Nesting, NotNested, Partial)
		}
	}
	return errors.Join(faults...)
}

// Judged is what became of one analysis of a cell's trials.
type Judged struct {
	Cell Cell `json:"cell"`
	// Model is RandomIntercept or PartiallyNested.
	Model  string `json:"model"`
	Trials int    `json:"trials"`
	// Failed is the number of trials without an estimate; Failure is what was
	// said of the first. They are left out of all that follows.
	Failed   int       `json:"failed"`
	Failure  string    `json:"failure,omitempty"`
	Estimate Mean      `json:"estimate"` // of the effect
	SD       float64   `json:"sd"`       // of the estimates over trials: what standard errors should be on average
	Singular Share     `json:"singular"` // trials with a variance estimated as 0
	School   Component `json:"school"`
	Residual Component `json:"residual"`
	// Community is nil where the model has none.
	Community *Component   `json:"community"`
	ICC       Component    `json:"icc"` // school variance over that and the residual
	Tests     []JudgedTest `json:"tests"`
}

// The models that trials are analysed by.
const (
	RandomIntercept = "random intercept"
	PartiallyNested = "partially nested"
)

// Component is a variance (or ratio of variances) beside the truth.
type Component struct {
	True float64 `json:"true"`
	Mean Mean    `json:"mean"` // of the estimates
	Bias float64 `json:"bias"` // mean − true; its Monte Carlo error is the mean's
}

// JudgedTest is what became of the tests and intervals by one way to reach
// degrees of freedom.
type JudgedTest struct {
	DF       mixed.DF `json:"df"`
	Rejected Share    `json:"rejected"` // p < 1 − Level: the type I error where there is no effect
	Coverage Share    `json:"coverage"` // intervals that hold the truth
	MeanDF   Mean     `json:"mean_df"`
	MeanSE   float64  `json:"mean_se"`
	// AsStated says whether coverage is within three Monte Carlo standard
	// errors, √(L(1−L)/B), of the level.
	AsStated bool `json:"as_stated"`
}

// outcome is one analysis of one simulated trial.
type outcome struct {
	err                         error
	estimate                    float64
	singular                    bool
	school, residual, community float64
	tests                       []mixed.Inference
}

// Calibrate simulates the trials of a cell and judges the default analysis of
// them: the random-intercept model by REML and, where treated schools work in
// communities, the partially nested model too. progress may be nil; it is told
// how many trials are done, and stops the simulation (ErrStopped) by false.
func Calibrate(c Cell, s Calibration, progress func(done int) bool) ([]Judged, error) {
	if err := s.Check([]Cell{c}); err != nil {
		return nil, err
	}
	models := []string{RandomIntercept}
	if c.Nesting == Partial {
		models = append(models, PartiallyNested)
	}
	all := make([][]outcome, len(models))
	for m := range all {
		all[m] = make([]outcome, s.Trials)
	}
	key := "calibrate " + c.name()
	err := each(s.Trials, func() func(int) error {
		w := newWorld(c, s)
		return func(i int) error {
			w.draw(stream(s.Seed, key, i))
			for m := range models {
				all[m][i] = w.analyse(models[m] == PartiallyNested)
			}
			return nil
		}
	}, progress)
	if err != nil {
		return nil, err
	}
	judged := make([]Judged, len(models))
	for m, name := range models {
		judged[m] = judge(c, s, name, all[m])
	}
	return judged, nil
}

// world is the rows of a trial, filled anew for every simulated one.
type world struct {
	c         Cell
	s         Calibration
	sizes     []int // pupils, in order of size where they are unequal
	size      []int // pupils, by school
	community []int // by school, −1 for none
	nested    mixed.Data
	plain     mixed.Data
}

func newWorld(c Cell, s Calibration) *world {
	w := &world{c: c, s: s, sizes: schoolSizes(c, s), community: make([]int, c.Schools)}
	w.size = slices.Clone(w.sizes)
	n := 0
	for _, k := range w.size {
		n += k
	}
	treated := c.Schools / 2
	for j := range w.community {
		w.community[j] = -1
		if j < treated {
			w.community[j] = j * communities(treated, s.CommunitySize) / treated
		}
	}
	level := func(name string) mixed.Level { return mixed.Level{Name: name, Index: make([]int, n)} }
	school := level("School")
	w.plain = mixed.Data{Outcome: "outcome", Y: make([]float64, n),
		Columns: []mixed.Column{{Name: mixed.Intercept}, {Name: mixed.ArmTerm("treated", "control"), Values: make([]float64, n), Arm: true}},
		Levels:  []mixed.Level{school}, Arm: make([]int, n), Arms: []string{"control", "treated"}}
	w.nested = w.plain
	w.nested.Levels = []mixed.Level{level("Community"), school}
	return w
}

// communities is how many communities treated schools make: as few as the
// largest size allows, and at least the two without which their variance
// cannot be estimated.
func communities(treated, most int) int {
	return min(max(2, (treated+most-1)/most), treated)
}

// schoolSizes are the schools' sizes, in no order that means anything: a world
// shuffles unequal ones in every trial.
func schoolSizes(c Cell, s Calibration) []int {
	size := make([]int, c.Schools)
	sigma := math.Sqrt(math.Log1p(s.CV * s.CV))
	for j := range size {
		size[j] = int(math.Round(s.Pupils))
		if c.Sizes == Unequal {
			z := dist.NormalQuantile((float64(j) + 0.5) / float64(c.Schools))
			size[j] = max(2, int(math.Round(s.Pupils*math.Exp(sigma*z-sigma*sigma/2))))
		}
	}
	return size
}

// draw fills the rows: y = effect·treated + community + school + pupil, normal,
// the variances of school and pupil adding up to 1.
func (w *world) draw(rng interface {
	NormFloat64() float64
	Shuffle(n int, swap func(i, j int))
}) {
	if w.c.Sizes == Unequal {
		copy(w.size, w.sizes) // what an earlier trial's shuffle left must not matter
		rng.Shuffle(len(w.size), func(i, j int) { w.size[i], w.size[j] = w.size[j], w.size[i] })
	}
	community, school, pupil := math.Sqrt(w.s.ICCCommunity), math.Sqrt(w.c.ICC), math.Sqrt(1-w.c.ICC)
	treated := w.c.Schools / 2
	d := &w.nested
	row, last, shared := 0, -1, 0.0
	for j, size := range w.size {
		at := school * rng.NormFloat64()
		k, arm := w.community[j], 0
		if j < treated {
			arm = 1
			at += w.s.Effect
			if w.c.Nesting == Partial {
				if k != last {
					last, shared = k, community*rng.NormFloat64()
				}
				at += shared
			}
		}
		for range size {
			d.Y[row] = at + pupil*rng.NormFloat64()
			d.Arm[row] = arm
			d.Columns[1].Values[row] = float64(arm)
			d.Levels[0].Index[row], d.Levels[1].Index[row] = k, j
			row++
		}
	}
}

// analyse fits one of the models to the rows.
func (w *world) analyse(nested bool) outcome {
	d := &w.plain
	if nested {
		d = &w.nested
	}
	fit, err := mixed.New(d, mixed.Model{})
	if err != nil {
		return outcome{err: err}
	}
	o := outcome{singular: fit.Singular, school: fit.VarianceOf("School"), residual: fit.VarianceOf(mixed.Residual)}
	if nested {
		o.community = fit.VarianceOf("Community")
	}
	for _, method := range w.s.DF {
		t, err := fit.Test(d.Columns[1].Name, method, w.s.Level)
		if err != nil {
			return outcome{err: err}
		}
		o.estimate = t.Estimate
		o.tests = append(o.tests, t)
	}
	return o
}

// judge sums up, in the order of the trials.
func judge(c Cell, s Calibration, model string, all []outcome) Judged {
	j := Judged{Cell: c, Model: model, Trials: len(all)}
	var estimate, school, residual, community, icc []float64
	singular := 0
	for _, o := range all {
		if o.err != nil {
			if j.Failed++; j.Failure == "" {
				j.Failure = o.err.Error()
			}
			continue
		}
		estimate = append(estimate, o.estimate)
		school = append(school, o.school)
		residual = append(residual, o.residual)
		community = append(community, o.community)
		icc = append(icc, o.school/(o.school+o.residual))
		if o.singular {
			singular++
		}
	}
	j.Estimate = meanOf(estimate)
	j.SD = deviation(estimate, j.Estimate.Value)
	j.Singular = shareOf(singular, len(estimate))
	component := func(truth float64, values []float64) Component {
		m := meanOf(values)
		return Component{truth, m, m.Value - truth}
	}
	j.School, j.Residual, j.ICC = component(c.ICC, school), component(1-c.ICC, residual), component(c.ICC, icc)
	if model == PartiallyNested {
		k := component(s.ICCCommunity, community)
		j.Community = &k
	}
	for m, method := range s.DF {
		t := JudgedTest{DF: method}
		var df []float64
		rejected, covered := 0, 0
		for _, o := range all {
			if o.err != nil {
				continue
			}
			r := o.tests[m]
			if !math.IsInf(r.DF, 0) {
				df = append(df, r.DF)
			}
			t.MeanSE += r.SE
			if r.P < 1-s.Level {
				rejected++
			}
			if r.Low <= s.Effect && s.Effect <= r.High {
				covered++
			}
		}
		n := len(estimate)
		t.Rejected, t.Coverage, t.MeanDF = shareOf(rejected, n), shareOf(covered, n), meanOf(df)
		if n > 0 {
			t.MeanSE /= float64(n)
			t.AsStated = math.Abs(t.Coverage.Value-s.Level) <= 3*math.Sqrt(s.Level*(1-s.Level)/float64(n))
		}
		j.Tests = append(j.Tests, t)
	}
	return j
}
