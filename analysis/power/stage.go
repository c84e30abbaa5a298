package power

import (
	"fmt"
	"math"
)

// The stages at which a trial's minimum detectable effect size is worked out,
// and the group of pupils it is for.
const (
	AtProtocol      = "protocol"
	AtRandomisation = "randomisation"
	AtAnalysis      = "analysis"
	Recruiting      = "now" // with the schools that are ready so far
	Overall         = "overall"
	FSM             = "fsm"
)

// Stage is what a trial can detect at one stage, in one group of pupils, with
// everything that it is worked out from.
type Stage struct {
	Stage string `json:"stage"`
	Group string `json:"group"`

	SchoolsTreated int     `json:"schools_treated"`
	SchoolsControl int     `json:"schools_control"`
	PupilsTreated  float64 `json:"pupils_treated"` // at the protocol stage the number expected, which need not be whole
	PupilsControl  float64 `json:"pupils_control"`
	CV             float64 `json:"cv"` // of the schools' numbers of pupils: population SD over mean

	// The shares of variance and the correlations of baseline and outcome; nil
	// where they were not given or could not be estimated.
	ICC          *float64 `json:"icc"`
	ICCClass     *float64 `json:"icc_class"`
	ICCCommunity *float64 `json:"icc_community"`
	PrePupil     *float64 `json:"pre_post_pupil"`
	PreClass     *float64 `json:"pre_post_class"`
	PreSchool    *float64 `json:"pre_post_school"`
	Estimated    bool     `json:"estimated"` // these come from the trial's own outcomes, not from assumptions

	Classes       float64 `json:"classes"`        // in each school; 0 where they are no level
	CommunitySize float64 `json:"community_size"` // schools in each; 0 where there are none

	Covariates int     `json:"covariates"`
	Alpha      float64 `json:"alpha"`
	Power      float64 `json:"power"`
	Tails      int     `json:"tails"`
	LostShare  float64 `json:"lost_schools"` // expected losses, taken off
	LostPupils float64 `json:"lost_pupils"`

	// MDES is nil where Why says why there is none.
	MDES *MDES  `json:"mdes"`
	Why  string `json:"why"`
	// OwnSE is the minimum detectable effect size by the analysis's own standard
	// error and degrees of freedom; nil before the analysis.
	OwnSE *float64 `json:"mdes_own_se"`
}

// Size is the mean number of pupils of a school; 0 without schools.
func (s Stage) Size() float64 {
	if n := s.SchoolsTreated + s.SchoolsControl; n > 0 {
		return (s.PupilsTreated + s.PupilsControl) / float64(n)
	}
	return 0
}

// Inputs are the stage's inputs of a design: cra2 for pupils in schools, cra3
// where classes are a level (schools of classes of pupils), cra2-communities
// where treated schools work in communities whose variance is reckoned with,
// and ira1 where schools themselves are measured (Size is then 0 pupils).
// Correlations that were not given count as none.
func (s Stage) Inputs() (Inputs, error) {
	schools := float64(s.SchoolsTreated + s.SchoolsControl)
	in := Defaults(Clustered)
	in.Alpha, in.Power, in.Tails, in.Covariates = s.Alpha, s.Power, s.Tails, s.Covariates
	if s.SchoolsTreated < 1 || s.SchoolsControl < 1 {
		return in, fmt.Errorf("%d schools in the intervention arm and %d in the control arm: both must have one", s.SchoolsTreated, s.SchoolsControl)
	}
	in.Share = float64(s.SchoolsTreated) / schools
	in.LostClusters, in.LostPupils = s.LostShare, s.LostPupils
	r2 := func(r *float64) float64 {
		if r == nil {
			return 0
		}
		return *r * *r
	}
	if s.PupilsTreated+s.PupilsControl == 0 {
		in.Design, in.Size, in.R2Pupil = Individual, schools, r2(s.PreSchool)
		in.LostPupils, in.LostClusters = s.LostShare, 0
		return in, nil
	}
	if s.ICC == nil {
		return in, fmt.Errorf("no intra-cluster correlation of schools is known")
	}
	in.Clusters, in.Size, in.ICC, in.CV = schools, s.Size(), *s.ICC, s.CV
	in.R2Pupil, in.R2Cluster = r2(s.PrePupil), r2(s.PreSchool)
	switch {
	case s.Classes > 0 && s.ICCClass != nil:
		in.Design = Clustered3
		in.Top, in.Clusters, in.Size = schools, s.Classes, s.Size()/s.Classes
		in.ICCTop, in.ICC = *s.ICC, *s.ICCClass
		in.R2Top, in.R2Cluster = r2(s.PreSchool), r2(s.PreClass)
	case s.ICCCommunity != nil && s.CommunitySize > 0:
		in.Design, in.GroupSize, in.ICCGroup = Communities, s.CommunitySize, *s.ICCCommunity
	}
	return in, nil
}

// Detect works out the stage's MDES, or says why there is none.
func (s *Stage) Detect() {
	s.MDES, s.Why = nil, ""
	in, err := s.Inputs()
	if err == nil {
		var m MDES
		if m, err = Detectable(in); err == nil {
			s.MDES = &m
			return
		}
	}
	s.Why = err.Error()
}

// OfSE is the minimum detectable effect size of an estimate with this standard
// error, in SDs, and degrees of freedom (0 for the normal distribution): the
// exact one of the noncentral t.
func OfSE(se, df, alpha, power float64, tails int) (float64, error) {
	if df == 0 {
		df = math.Inf(1)
	}
	if !(se > 0) || !(df >= 1) {
		return 0, fmt.Errorf("minimum detectable effect size: a standard error of %v and %v degrees of freedom", se, df)
	}
	in := Inputs{Alpha: alpha, Power: power, Tails: tails}
	m, err := exactMultiplier(in, df)
	if err != nil {
		return 0, fmt.Errorf("minimum detectable effect size: %w", err)
	}
	return m * se, nil
}

// Point is a point of a curve: the value of what was varied, and the MDES
// there; nil with the reason where there is none.
type Point struct {
	At   float64 `json:"at"`
	MDES *MDES   `json:"mdes"`
	Why  string  `json:"why"`
}

// Curve is the MDES as one input is varied.
type Curve struct {
	Over   string  `json:"over"` // the input's name, as its JSON field
	Points []Point `json:"points"`
	Inputs Inputs  `json:"inputs"` // what stays as it is
}

// varied are the inputs that a curve may vary.
var varied = map[string]func(*Inputs, float64){
	"clusters":      func(in *Inputs, x float64) { in.Clusters = x },
	"size":          func(in *Inputs, x float64) { in.Size = x },
	"top":           func(in *Inputs, x float64) { in.Top = x },
	"icc":           func(in *Inputs, x float64) { in.ICC = x },
	"icc_top":       func(in *Inputs, x float64) { in.ICCTop = x },
	"icc_group":     func(in *Inputs, x float64) { in.ICCGroup = x },
	"r2":            func(in *Inputs, x float64) { in.setR2(x) },
	"r2_pupil":      func(in *Inputs, x float64) { in.R2Pupil = x },
	"r2_cluster":    func(in *Inputs, x float64) { in.R2Cluster = x },
	"r2_top":        func(in *Inputs, x float64) { in.R2Top = x },
	"share":         func(in *Inputs, x float64) { in.Share = x },
	"cv":            func(in *Inputs, x float64) { in.CV = x },
	"lost_clusters": func(in *Inputs, x float64) { in.LostClusters = x },
	"lost_pupils":   func(in *Inputs, x float64) { in.LostPupils = x },
	"power":         func(in *Inputs, x float64) { in.Power = x },
}

// Varied lists what a curve may be over. "r2" is the share explained at every
// level that the design has.
var Varied = []string{"clusters", "size", "top", "icc", "icc_top", "icc_group", "r2", "r2_pupil", "r2_cluster", "r2_top", "share", "cv", "lost_clusters", "lost_pupils", "power"}

func (in *Inputs) setR2(x float64) {
	u := use[in.Design]
	in.R2Pupil = x
	if u.r2c {
		in.R2Cluster = x
	}
	if u.r2t {
		in.R2Top = x
	}
}

// Along gives the MDES at each value of the input that is varied. Values that
// cannot be are points with a reason; an input that the design does not have,
// or any other fault of the inputs, is an error.
func Along(in Inputs, over string, values []float64) (Curve, error) {
	set, ok := varied[over]
	if !ok {
		return Curve{}, fmt.Errorf("curve: there is no input %q to vary; use one of %v", over, Varied)
	}
	if len(values) == 0 {
		return Curve{}, fmt.Errorf("curve over %s: there are no values", over)
	}
	c := Curve{Over: over, Inputs: in}
	some := false
	var first error
	for _, x := range values {
		at := in
		set(&at, x)
		p := Point{At: x}
		if m, err := Detectable(at); err != nil {
			p.Why = err.Error()
			if first == nil {
				first = err
			}
		} else {
			p.MDES, some = &m, true
		}
		c.Points = append(c.Points, p)
	}
	if !some {
		return Curve{}, fmt.Errorf("curve over %s: %w", over, first)
	}
	return c, nil
}
