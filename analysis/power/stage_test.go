package power

import (
	"math"
	"strings"
	"testing"

	"evenhand/analysis/internal/golden"
)

func some(x float64) *float64 { return &x }

// A stage finds the MDES of the five hand-worked two-level trials whose numbers
// TestTwoLevelByHand has, from counts and correlations instead of shares.
func TestStageOfASchoolTrial(t *testing.T) {
	for _, c := range []struct {
		treated, control int
		size, icc, r2    float64
		g                int
		want             float64
	}{
		{60, 59, 46, 0.15, 0.5, 1, 0.150349537},
		{60, 60, 45, 0.13, 0.49, 1, 0.142345789},
		{60, 60, 40, 0.15, 0, 0, 0.213434912},
	} {
		s := Stage{Stage: AtProtocol, Group: Overall, SchoolsTreated: c.treated, SchoolsControl: c.control, ICC: some(c.icc), Covariates: c.g, Alpha: 0.05, Power: 0.8, Tails: 2}
		s.PupilsTreated, s.PupilsControl = c.size*float64(c.treated), c.size*float64(c.control)
		if c.r2 > 0 {
			s.PrePupil, s.PreSchool = some(math.Sqrt(c.r2)), some(math.Sqrt(c.r2))
		}
		s.Detect()
		if s.MDES == nil {
			t.Fatal(s.Why)
		}
		if golden.RelDiff(s.MDES.MDES, c.want) > 5e-9 { // as given, to nine decimals
			t.Errorf("%+v: MDES %v, want %v", c, s.MDES.MDES, c.want)
		}
		// An estimate with this standard error and these degrees of freedom.
		own, err := OfSE(s.MDES.SE, s.MDES.DF, 0.05, 0.8, 2)
		golden.Close(t, "MDES of the standard error", own, s.MDES.Exact, 1e-12)
		if err != nil {
			t.Fatal(err)
		}
	}
}

// Other designs get the inputs that somebody would write by hand.
func TestStageDesigns(t *testing.T) {
	base := Stage{SchoolsTreated: 30, SchoolsControl: 20, PupilsTreated: 1500, PupilsControl: 1000, ICC: some(0.12), PrePupil: some(0.6), PreSchool: some(0.8), CV: 0.3, Covariates: 1, Alpha: 0.05, Power: 0.8, Tails: 2}
	classes := base
	classes.Classes, classes.ICCClass, classes.PreClass = 2, some(0.05), some(0.7)
	communities := base
	communities.CommunitySize, communities.ICCCommunity = 5.5, some(0.02)
	schools := base
	schools.PupilsTreated, schools.PupilsControl = 0, 0
	by := func(d Design, f func(*Inputs)) Inputs {
		in := Defaults(d)
		in.Share, in.Covariates, in.CV = 0.6, 1, 0.3
		f(&in)
		return in
	}
	for _, c := range []struct {
		name string
		s    Stage
		want Inputs
	}{
		{"classes", classes, by(Clustered3, func(in *Inputs) {
			in.Top, in.Clusters, in.Size, in.ICCTop, in.ICC, in.R2Pupil, in.R2Cluster, in.R2Top = 50, 2, 25, 0.12, 0.05, 0.36, 0.7*0.7, 0.8*0.8
		})},
		{"communities", communities, by(Communities, func(in *Inputs) {
			in.Clusters, in.Size, in.ICC, in.ICCGroup, in.GroupSize, in.R2Pupil, in.R2Cluster = 50, 50, 0.12, 0.02, 5.5, 0.36, 0.8*0.8
		})},
		{"schools measured", schools, by(Individual, func(in *Inputs) { in.Size, in.R2Pupil, in.CV = 50, 0.8*0.8, 0 })},
	} {
		want, err := Detectable(c.want)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		c.s.Detect()
		if c.s.MDES == nil || golden.RelDiff(c.s.MDES.Exact, want.Exact) > 1e-12 || c.s.MDES.DF != want.DF {
			t.Errorf("%s: %+v (%s), want %+v", c.name, c.s.MDES, c.s.Why, want)
		}
	}
}

func TestStageSaysWhy(t *testing.T) {
	s := Stage{SchoolsTreated: 10, SchoolsControl: 10, PupilsTreated: 400, PupilsControl: 400, Alpha: 0.05, Power: 0.8, Tails: 2}
	for want, change := range map[string]func(*Stage){
		"no intra-cluster correlation":       func(*Stage) {},
		"both must have one":                 func(s *Stage) { s.SchoolsControl = 0 },
		"less than one degree of freedom":    func(s *Stage) { s.ICC, s.Covariates = some(0.1), 18 },
		"icc is 1, which leaves no variance": func(s *Stage) { s.ICC = some(1) },
	} {
		x := s
		change(&x)
		x.Detect()
		if x.MDES != nil || !strings.Contains(x.Why, want) {
			t.Errorf("want %q, got %+v, %q", want, x.MDES, x.Why)
		}
	}
	if _, err := OfSE(0, 20, 0.05, 0.8, 2); err == nil {
		t.Error("a standard error of 0 has an MDES")
	}
}

// A curve is the MDES at each of its points, for every design and input.
func TestAlong(t *testing.T) {
	in := Defaults(Clustered3)
	in.Top, in.Clusters, in.Size, in.ICC, in.ICCTop = 40, 3, 20, 0.05, 0.1
	for _, c := range []struct {
		over   string
		values []float64
		set    func(*Inputs, float64)
	}{
		{"top", []float64{20, 40, 80}, func(in *Inputs, x float64) { in.Top = x }},
		{"icc_top", []float64{0, 0.1, 0.3}, func(in *Inputs, x float64) { in.ICCTop = x }},
		{"r2", []float64{0, 0.4}, func(in *Inputs, x float64) { in.R2Pupil, in.R2Cluster, in.R2Top = x, x, x }},
		{"lost_clusters", []float64{0, 0.2}, func(in *Inputs, x float64) { in.LostClusters = x }},
	} {
		curve, err := Along(in, c.over, c.values)
		if err != nil {
			t.Fatal(err)
		}
		for i, p := range curve.Points {
			at := in
			c.set(&at, c.values[i])
			want, err := Detectable(at)
			if err != nil || p.MDES == nil || p.MDES.Exact != want.Exact {
				t.Errorf("%s at %v: %+v, want %v (%v)", c.over, c.values[i], p, want.Exact, err)
			}
		}
	}
	if len(Varied) != len(varied) {
		t.Errorf("%d names for %d inputs", len(Varied), len(varied))
	}
	// A point that cannot be says why; a curve without any point is an error.
	curve, err := Along(in, "top", []float64{2, 40})
	if err != nil || curve.Points[0].MDES != nil || !strings.Contains(curve.Points[0].Why, "degree of freedom") || curve.Points[1].MDES == nil {
		t.Errorf("%+v, %v", curve, err)
	}
	for _, bad := range []struct {
		over   string
		values []float64
	}{{"schools", []float64{1}}, {"top", nil}, {"icc_group", []float64{0.1}}, {"icc", []float64{1.5}}} {
		if _, err := Along(in, bad.over, bad.values); err == nil {
			t.Errorf("a curve over %s at %v was drawn", bad.over, bad.values)
		}
	}
}
