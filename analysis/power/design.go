package power

import (
	"errors"
	"fmt"
	"math"
)

// Design names a design: what is randomised, and at which level the answer is
// meant to hold.
type Design string

// The designs. A level-2 unit is a school in most of them; "clusters" are what
// is randomised where whole schools are, "blocks" what is randomised within.
const (
	Individual            Design = "ira1"             // pupils, no blocks
	BlockedConstant       Design = "bira2c"           // pupils within blocks, one effect in all of these blocks
	BlockedFixed          Design = "bira2f"           // pupils within blocks, effects differ, these blocks
	BlockedRandom         Design = "bira2r"           // pupils within blocks, blocks a sample
	Clustered             Design = "cra2"             // schools
	Clustered3            Design = "cra3"             // top units (schools) of clusters (classes) of pupils
	BlockedClusteredFixed Design = "bcra3f"           // schools within blocks (strata), these blocks
	BlockedClustered      Design = "bcra3r"           // schools within blocks, blocks a sample
	Blocked3Random        Design = "bira3r"           // pupils within schools within districts, both samples
	IndividualNested      Design = "ira1-pn"          // pupils; the treated work in groups
	BlockedNested         Design = "bira2-pn"         // pupils within blocks; the treated work in groups
	ClusteredNested       Design = "cra2-pn"          // schools; pupils of treated schools work in groups
	BlockedClusterNested  Design = "bcra3-pn"         // schools within blocks; pupils of treated schools work in groups
	Communities           Design = "cra2-communities" // schools; treated schools work in communities of several
)

// Designs are all designs.
var Designs = []Design{Individual, BlockedConstant, BlockedFixed, BlockedRandom, Clustered, Clustered3, BlockedClusteredFixed,
	BlockedClustered, Blocked3Random, IndividualNested, BlockedNested, ClusteredNested, BlockedClusterNested, Communities}

// Inputs describe a trial. What a design does not use must be zero. Start from
// Defaults.
type Inputs struct {
	Design Design `json:"design"`

	Size     float64 `json:"size"`     // pupils in each lowest unit (school or class, or block); all pupils for ira1 and ira1-pn
	Clusters float64 `json:"clusters"` // level-2 units: schools or blocks, in all for two-level designs, in each top unit for three-level ones
	Top      float64 `json:"top"`      // level-3 units: schools of classes, blocks of schools, or districts

	ICC    float64 `json:"icc"`     // share of the variance between level-2 units, in [0,1)
	ICCTop float64 `json:"icc_top"` // share between level-3 units

	R2Pupil   float64 `json:"r2_pupil"`   // share of the pupil-level variance explained by covariates, in [0,1)
	R2Cluster float64 `json:"r2_cluster"` // share of the level-2 variance explained
	R2Top     float64 `json:"r2_top"`     // share of the level-3 variance explained
	R2Effect  float64 `json:"r2_effect"`  // share of the variation of effects over blocks explained (level 2 or level 3 blocks)

	// Omega is the variance of the effect over level-2 blocks relative to the
	// variance *of those blocks' means* (not of the outcome); OmegaTop the same
	// at level 3.
	Omega    float64 `json:"omega"`
	OmegaTop float64 `json:"omega_top"`

	Covariates int     `json:"covariates"` // covariates at the level whose degrees of freedom count
	Share      float64 `json:"share"`      // of the randomised units that are treated, in (0,1)
	Alpha      float64 `json:"alpha"`      // significance level, in (0,1)
	Power      float64 `json:"power"`      // wanted, in (0,1); used for MDES and required numbers
	Tails      int     `json:"tails"`      // 1 or 2
	// Reliability of the outcome at pupil level, in (0,1]; it divides the
	// pupil-level variance.
	Reliability float64 `json:"reliability"`

	// Partial nesting: groups of GroupSize treated pupils (treated schools for
	// cra2-communities), whose share of the variance is ICCGroup.
	GroupSize float64 `json:"group_size"`
	ICCGroup  float64 `json:"icc_group"`
	// VarianceRatio is the treated arm's pupil variance over the control arm's,
	// for the degrees of freedom of ira1-pn.
	VarianceRatio float64 `json:"variance_ratio"`
	Normal        bool    `json:"normal"` // take the normal distribution instead of t

	// CV is the coefficient of variation (population SD over mean) of school
	// sizes, for designs that randomise schools.
	CV float64 `json:"cv"`

	// LostClusters and LostPupils are the shares of randomised units, and of
	// pupils in those that stay, expected to be lost. Clusters, Top and Size
	// then count those randomised, and the calculation those left.
	LostClusters float64 `json:"lost_clusters"`
	LostPupils   float64 `json:"lost_pupils"`
}

// Defaults are the field's: 5 % two-sided, 80 % power, equal arms.
func Defaults(d Design) Inputs {
	return Inputs{Design: d, Share: 0.5, Alpha: 0.05, Power: 0.8, Tails: 2, Reliability: 1, VarianceRatio: 1}
}

// ErrDF says that a design leaves less than one degree of freedom.
var ErrDF = errors.New("less than one degree of freedom is left")

// uses says which of the numbers a design reads.
type uses struct{ size, clusters, top, icc, iccTop, r2c, r2t, r2e, omega, omegaTop, group, cv bool }

var use = map[Design]uses{
	Individual:            {size: true},
	BlockedConstant:       {size: true, clusters: true},
	BlockedFixed:          {size: true, clusters: true},
	BlockedRandom:         {size: true, clusters: true, icc: true, r2e: true, omega: true},
	Clustered:             {size: true, clusters: true, icc: true, r2c: true, cv: true},
	Clustered3:            {size: true, clusters: true, top: true, icc: true, iccTop: true, r2c: true, r2t: true, cv: true},
	BlockedClusteredFixed: {size: true, clusters: true, top: true, icc: true, r2c: true, cv: true},
	BlockedClustered:      {size: true, clusters: true, top: true, icc: true, iccTop: true, r2c: true, r2e: true, omegaTop: true, cv: true},
	Blocked3Random:        {size: true, clusters: true, top: true, icc: true, iccTop: true, r2e: true, omega: true, omegaTop: true},
	IndividualNested:      {size: true, group: true},
	BlockedNested:         {size: true, clusters: true, icc: true, omega: true, group: true},
	ClusteredNested:       {size: true, clusters: true, icc: true, group: true},
	BlockedClusterNested:  {size: true, clusters: true, top: true, icc: true, iccTop: true, omegaTop: true, group: true},
	Communities:           {size: true, clusters: true, icc: true, r2c: true, group: true, cv: true},
}

// check says everything that is wrong with the inputs, apart from numbers of
// units, which a required size leaves open.
func (in Inputs) check(wantUnits bool, free string) error {
	u, ok := use[in.Design]
	if !ok {
		return fmt.Errorf("design %q is not known; use one of %v", in.Design, Designs)
	}
	var faults []error
	say := func(format string, a ...any) { faults = append(faults, fmt.Errorf(format, a...)) }
	needed := func(name string, v float64, used bool, least float64) {
		switch {
		case !used && v != 0:
			say("%s is %v, but the design %s has no such number; leave it out", name, v, in.Design)
		case used && name != free && !(v >= least && v < 1e9):
			say("%s is %v; it must be at least %v", name, v, least)
		}
	}
	share := func(name string, v float64, used bool) {
		switch {
		case !used && v != 0:
			say("%s is %v, but the design %s has no such number; leave it out", name, v, in.Design)
		case v == 1:
			say("%s is 1, which leaves no variance at the other levels; it must be below 1", name)
		case !(v >= 0 && v < 1):
			say("%s is %v; it is a share and must lie in [0,1)", name, v)
		}
	}
	open := func(name string, v float64) {
		if !(v > 0 && v < 1) {
			say("%s is %v; it must lie strictly between 0 and 1", name, v)
		}
	}
	if wantUnits {
		needed("size", in.Size, u.size, 1)
		needed("clusters", in.Clusters, u.clusters, 1)
		needed("top", in.Top, u.top, 1)
	}
	share("icc", in.ICC, u.icc)
	share("icc_top", in.ICCTop, u.iccTop)
	share("icc_group", in.ICCGroup, u.group)
	share("r2_pupil", in.R2Pupil, true)
	share("r2_cluster", in.R2Cluster, u.r2c)
	share("r2_top", in.R2Top, u.r2t)
	share("r2_effect", in.R2Effect, u.r2e)
	share("lost_clusters", in.LostClusters, true)
	share("lost_pupils", in.LostPupils, true)
	// A share of 1 or more by itself has been said.
	if sum := in.ICC + in.ICCTop; sum >= 1 && in.ICC < 1 && in.ICCTop < 1 {
		say("icc and icc_top add up to %v; something must be left for the pupils", sum)
	}
	if in.Design != Communities && in.ICC+in.ICCGroup >= 1 && in.ICC < 1 && in.ICCGroup < 1 {
		say("icc and icc_group add up to %v; something must be left for the pupils", in.ICC+in.ICCGroup)
	}
	for _, o := range []struct {
		name string
		v    float64
		used bool
	}{{"omega", in.Omega, u.omega}, {"omega_top", in.OmegaTop, u.omegaTop}, {"cv", in.CV, u.cv}} {
		needed(o.name, o.v, o.used, 0)
	}
	needed("group_size", in.GroupSize, u.group, 1)
	open("share", in.Share)
	open("alpha", in.Alpha)
	open("power", in.Power)
	if in.Tails != 1 && in.Tails != 2 {
		say("tails is %d; a test has 1 or 2", in.Tails)
	}
	if in.Covariates < 0 {
		say("covariates is %d; it cannot be negative", in.Covariates)
	}
	if !(in.Reliability > 0 && in.Reliability <= 1) {
		say("reliability is %v; it must lie in (0,1]", in.Reliability)
	}
	if in.Design == IndividualNested && !(in.VarianceRatio > 0) {
		say("variance_ratio is %v; it must be positive", in.VarianceRatio)
	}
	return errors.Join(faults...)
}

// left is the inputs with the expected losses taken out.
func (in Inputs) left() Inputs {
	in.Size *= 1 - in.LostPupils
	switch in.Design {
	case Clustered, ClusteredNested, Communities, BlockedClusteredFixed, BlockedClustered, BlockedClusterNested:
		in.Clusters *= 1 - in.LostClusters
	case Clustered3:
		in.Top *= 1 - in.LostClusters
	case BlockedConstant, BlockedFixed, BlockedRandom, BlockedNested:
		in.Clusters *= 1 - in.LostClusters
	case Blocked3Random:
		in.Top *= 1 - in.LostClusters
	}
	in.LostClusters, in.LostPupils = 0, 0
	return in
}

// precision gives the standard error of the effect, in SDs, and its degrees of
// freedom (infinite with Normal).
func (in Inputs) precision() (se, df float64, err error) {
	in = in.left()
	n, j, k := in.Size, in.Clusters, in.Top
	p := in.Share
	q := 1 - p
	pq := p * q
	g := float64(in.Covariates)
	pupil := func(share float64) float64 { return share * (1 - in.R2Pupil) / (n * in.Reliability) }
	effects2 := in.ICC * in.Omega * (1 - in.R2Effect)
	effects3 := in.ICCTop * in.OmegaTop * (1 - in.R2Effect)
	between := in.ICC * (1 - in.R2Cluster)
	var v float64
	switch in.Design {
	case Individual:
		v, df = pupil(1)/pq, n-g-2
	case BlockedConstant:
		v, df = pupil(1)/(pq*j), j*(n-1)-g-1
	case BlockedFixed:
		v, df = pupil(1)/(pq*j), j*(n-2)-g
	case BlockedRandom:
		v, df = effects2/j+pupil(1-in.ICC)/(pq*j), j-g-1
	case Clustered:
		v, df = (between+pupil(1-in.ICC))/(pq*j*in.efficiency()), j-g-2
	case Clustered3:
		v = in.ICCTop*(1-in.R2Top)/(pq*k) + (between+pupil(1-in.ICC-in.ICCTop))/(pq*j*k*in.efficiency())
		df = k - g - 2
	case BlockedClusteredFixed:
		v, df = (between+pupil(1-in.ICC))/(pq*j*k*in.efficiency()), k*(j-2)-g
	case BlockedClustered:
		v = effects3/k + (between+pupil(1-in.ICC-in.ICCTop))/(pq*j*k*in.efficiency())
		df = k - g - 1
	case Blocked3Random:
		v = effects3/k + effects2/(j*k) + pupil(1-in.ICC-in.ICCTop)/(pq*j*k)
		df = k - g - 1
	case IndividualNested, BlockedNested, ClusteredNested, BlockedClusterNested:
		v, df = in.nested()
	case Communities:
		v, df = in.communities()
	}
	if in.Normal {
		df = math.Inf(1)
	}
	if !(df >= 1) {
		return 0, 0, fmt.Errorf("design %s: %w (%.3g)", in.Design, ErrDF, df)
	}
	return math.Sqrt(v), df, nil
}

// nested is the variance and degrees of freedom where the treated pupils work
// in groups and the control pupils do not (Lohr, Schochet and Sanders 2014):
// SE² = (1−R²)/(Npq) · (1−pρ)/(1−ρ) · D, with ρ the groups' share.
func (in Inputs) nested() (v, df float64) {
	n, j, k, c := in.Size, in.Clusters, in.Top, in.GroupSize
	p := in.Share
	q := 1 - p
	r := in.ICCGroup
	rows := n
	var extra float64
	switch in.Design {
	case BlockedNested:
		rows, extra = n*j, in.ICC*in.Omega*n*p*q-in.ICC
	case ClusteredNested:
		rows, extra = n*j, in.ICC*(n-1)
	case BlockedClusterNested:
		rows, extra = n*j*k, in.ICCTop*in.OmegaTop*j*n*p*q-in.ICCTop+in.ICC*(n-1)
	}
	d := 1 + (extra+r*q*(c-1))/(1-p*r)
	v = (1 - in.R2Pupil) / (rows * in.Reliability * p * q) * (1 - p*r) / (1 - r) * d
	switch in.Design {
	case IndividualNested:
		groups, control := n*p/c, n*q
		w := in.VarianceRatio * (1/c + r/(1-r))
		df = (control - 1) * (groups - 1) * sq(groups+control*w) / ((groups-1)*sq(groups) + (control-1)*sq(control)*sq(w))
		if !(groups > 1) {
			df = 0
		}
	case BlockedClusterNested:
		df = k - float64(in.Covariates) - 1
	default:
		xc := in.ICC + (1-in.ICC-r)/n
		xt := xc + r*c/n
		df = sq(xc/q+xt/p) / (sq(xc/q)/(j*q-1) + sq(xt/p)/(j*p-1))
		if !(j*q > 1 && j*p > 1) {
			df = 0
		}
	}
	return v, df
}

// communities is the variance and degrees of freedom where whole schools are
// drawn and only those treated work in communities of GroupSize schools. A
// community's effect on its schools has variance ICCGroup in units of the
// outcome's variance, on top of the schools' own, and appears in the treated
// arm only: Var = x_T/m + x_C/J_C with m communities, x_C = ρ(1−R²₂) +
// (1−ρ)(1−R²₁)/n a school's variance and x_T = ρ_g + x_C/s a community's. The
// degrees of freedom are Welch's, from m − 1 and J_C − 1, less the covariates.
func (in Inputs) communities() (v, df float64) {
	s := in.GroupSize
	school := (in.ICC*(1-in.R2Cluster) + (1-in.ICC)*(1-in.R2Pupil)/(in.Size*in.Reliability)) / in.efficiency()
	community := in.ICCGroup + school/s
	m, control := in.Clusters*in.Share/s, in.Clusters*(1-in.Share)
	a, b := community/m, school/control
	if !(m > 1 && control > 1) {
		return a + b, 0
	}
	return a + b, sq(a+b)/(a*a/(m-1)+b*b/(control-1)) - float64(in.Covariates)
}

func sq(x float64) float64 { return x * x }

// efficiency is the relative efficiency of unequal school sizes under a mixed
// model, by the second-order series in their coefficient of variation: 1 −
// CV²L(1−L), L = nτ²/(nτ²+σ²) with the variances that covariates leave (van
// Breukelen, Candel and Berger, Statistics in Medicine 26, 2007). A series
// does not serve sizes so unequal as to make it very small; it stops at 1/4.
func (in Inputs) efficiency() float64 {
	between := in.Size * in.ICC * (1 - in.R2Cluster)
	if in.CV == 0 || between == 0 {
		return 1
	}
	l := between / (between + (1-in.ICC-in.ICCTop)*(1-in.R2Pupil))
	return math.Max(0.25, 1-in.CV*in.CV*l*(1-l))
}
