package power

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"evenhand/analysis/internal/golden"
)

// fromPowerUp maps PowerUpR's names to ours, with the defaults of its designs.
func fromPowerUp(t *testing.T, c golden.Node, twoTailed bool) Inputs {
	t.Helper()
	name := c.At("design").Text()
	d, ok := map[string]Design{"ira1r1": Individual, "bira2c1": BlockedConstant, "bira2f1": BlockedFixed, "bira2r1": BlockedRandom, "cra2r2": Clustered,
		"cra3r3": Clustered3, "bcra3f2": BlockedClusteredFixed, "bcra3r2": BlockedClustered, "bira3r1": Blocked3Random, "ira_pn": IndividualNested,
		"bira2_pn": BlockedNested, "cra2_pn": ClusteredNested, "bcra3r2_pn": BlockedClusterNested}[name]
	if !ok {
		t.Fatalf("design %q is not known here", name)
	}
	in := Defaults(d)
	inputs := c.At("inputs")
	for _, key := range inputs.Keys() {
		n := inputs.At(key)
		switch key {
		case "n":
			in.Size = n.Float()
		case "J":
			in.Clusters = n.Float()
		case "K":
			in.Top = n.Float()
		case "p":
			in.Share = n.Float()
		case "rho2", "rho2_trt":
			in.ICC = n.Float()
		case "rho3", "rho3_trt":
			in.ICCTop = n.Float()
		case "omega2":
			in.Omega = n.Float()
		case "omega3":
			in.OmegaTop = n.Float()
		case "r21":
			in.R2Pupil = n.Float()
		case "r22":
			in.R2Cluster = n.Float()
		case "r23":
			in.R2Top = n.Float()
		case "r2t2", "r2t3":
			in.R2Effect = n.Float()
		case "g1", "g2", "g3":
			in.Covariates = int(n.Float())
		case "rel1":
			in.Reliability = n.Float()
		case "power":
			in.Power = n.Float()
		case "alpha":
			in.Alpha = n.Float()
		case "two_tailed":
			if !twoTailed {
				in.Tails = 1
			}
		case "rho_ic":
			in.ICCGroup = n.Float()
		case "ic_size":
			in.GroupSize = n.Float()
		case "ratio_tc_var":
			in.VarianceRatio = n.Float()
		case "df":
			in.Normal = true
		case "es":
		default:
			t.Fatalf("%s: input %q is not known here", name, key)
		}
	}
	return in
}

// tails reads the one field of the grid that is not a number.
func tails(t *testing.T) []bool {
	t.Helper()
	text, err := golden.Files.ReadFile("testdata/statistics.json")
	if err != nil {
		t.Fatal(err)
	}
	var f struct {
		Grid []struct {
			Inputs struct {
				TwoTailed bool `json:"two_tailed"`
			}
		} `json:"s2_powerup_grid"`
	}
	if err := json.Unmarshal(text, &f); err != nil {
		t.Fatal(err)
	}
	var out []bool
	for _, c := range f.Grid {
		out = append(out, c.Inputs.TwoTailed)
	}
	return out
}

func TestPowerUpGrid(t *testing.T) {
	grid := golden.Statistics(t).At("s2_powerup_grid")
	twoTailed := tails(t)
	if len(twoTailed) != grid.Len() {
		t.Fatalf("%d tails for %d cases", len(twoTailed), grid.Len())
	}
	short := 0
	sized := 0
	for i := range grid.Len() {
		c := grid.Index(i)
		in := fromPowerUp(t, c, twoTailed[i])
		what := fmt.Sprintf("case %d %s", i, in.Design)
		m, err := Detectable(in)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		golden.Close(t, what+" se", m.SE, c.At("se").Float(), 1e-12)
		if !in.Normal {
			golden.Close(t, what+" df", m.DF, c.At("df").Float(), 1e-12)
		}
		golden.Close(t, what+" MDES", m.MDES, c.At("mdes_powerup").Float(), 1e-9)
		golden.Close(t, what+" low", m.Low, c.At("mdes_lcl").Float(), 1e-9)
		golden.Close(t, what+" high", m.High, c.At("mdes_ucl").Float(), 1e-9)
		golden.Close(t, what+" exact", m.Exact, c.At("mdes_exact_noncentral_t").Float(), 1e-9)
		es := c.At("inputs", "es").Float()
		p, err := Of(in, es)
		if err != nil {
			t.Fatal(err)
		}
		golden.Close(t, what+" power", p.Power, c.At("power_at_es").Float(), 1e-9)
		back, err := Of(in, m.Exact)
		if err != nil {
			t.Fatal(err)
		}
		golden.Close(t, what+" power at the exact MDES", back.Power, in.Power, 1e-11)
		if !c.Has("mrss_exact_min_integer") {
			continue
		}
		s, err := Required(in, es)
		if err != nil {
			t.Fatalf("%s: %v", what, err)
		}
		sized++
		unit := c.At("mrss_exact_min_integer").Keys()[0]
		want := c.At("mrss_exact_min_integer", unit).Float()
		golden.Close(t, what+" required", float64(s.Required), want, 1e-15)
		golden.Close(t, what+" power at required", s.Power, c.At("power_at_exact_min").Float(), 1e-9)
		if want > c.At("mrss_powerup", unit).Float() {
			short++
		}
	}
	golden.AtLeast(t, "PowerUpR cases", grid.Len(), 83)
	golden.AtLeast(t, "required numbers", sized, 81)
	golden.AtLeast(t, "cases where rounding to the nearest is a unit short", short, 47)
}

func TestNoncentralT(t *testing.T) {
	cases := golden.Statistics(t).At("s10_distributions", "noncentral_t_cdf")
	for i := range cases.Len() {
		c := cases.Index(i)
		x, df, ncp := c.At("t").Float(), c.At("df").Float(), c.At("ncp").Float()
		// R's pt loses digits in the tails; the reference integral does not.
		golden.Near(t, fmt.Sprintf("P(t>%v; %v, %v)", x, df, ncp), noncentralTail(x, df, ncp), 1-c.At("cdf_integral").Float(), 2e-13)
	}
	golden.AtLeast(t, "noncentral t", cases.Len(), 72)
	// Far noncentralities, which R refuses, and huge degrees of freedom.
	golden.Near(t, "ncp 60", noncentralTail(2, 30, 60), 1, 1e-15)
	golden.Near(t, "df 1e7", noncentralTail(1.96, 1e7, 2.8), noncentralTail(1.96, math.Inf(1), 2.8), 1e-6)
	for _, df := range []float64{1, 1.5, 2, 3.7, 10, 1e3, 1e6} { // central: Student's t
		golden.Near(t, fmt.Sprint("central ", df), noncentralTail(critical(0.05, 2, df), df, 0), 0.025, 1e-12)
	}
}

// The five hand-worked cases of two-level trials, among them the RLC trial's
// 119 schools.
func TestTwoLevelByHand(t *testing.T) {
	for _, c := range []struct {
		j, n, icc, r1, r2, share, want float64
		g                              int
	}{
		{119, 46, 0.15, 0.5, 0.5, 60.0 / 119, 0.150349537, 1},
		{120, 45, 0.13, 0.49, 0.49, 0.5, 0.142345789, 1},
		{120, 40, 0.15, 0, 0, 0.5, 0.213434912, 0},
		{40, 30, 0.2, 0.5, 0, 0.5, 0.420004892, 0},
		{22, 12, 0.25, 0.3, 0.1, 10.0 / 22, 0.655694757, 1},
	} {
		in := Defaults(Clustered)
		in.Clusters, in.Size, in.ICC, in.R2Pupil, in.R2Cluster, in.Share, in.Covariates = c.j, c.n, c.icc, c.r1, c.r2, c.share, c.g
		m, err := Detectable(in)
		if err != nil {
			t.Fatal(err)
		}
		golden.Near(t, fmt.Sprint(c), m.MDES, c.want, 6e-10)
	}
}

// clusterPower's two-arm normal test is the exact power of cra2, one tail of a
// two-sided test only; PUMP's standard errors are those of its designs.
func TestOtherSoftware(t *testing.T) {
	in := Defaults(Clustered)
	in.Clusters, in.Size, in.ICC = 60, 25, 0.15
	p, err := Of(in, 0.25)
	if err != nil {
		t.Fatal(err)
	}
	cpa := golden.Statistics(t).At("s2_other_power", "clusterPower_cpa_normal")
	upper := func(p Power, effect float64) float64 {
		return p.Power - noncentralTail(critical(0.05, 2, p.DF), p.DF, -effect/p.SE)
	}
	golden.Close(t, "clusterPower", upper(p, 0.25), cpa.Index(3).At("result").Float(), 1e-9)
	// Variances given instead of the ICC; the number of schools solved for, which it
	// leaves a fraction; unequal sizes by Taylor's approximation.
	for _, c := range []struct {
		at                          int
		perArm, size, icc, cv, diff float64
		want                        float64
	}{
		{0, 16, 10, 0.1, 0, 1 / math.Sqrt(5), cpa.Index(0).At("result").Float()},
		{1, 20, 100, 0.1, 0.5, 0.2, cpa.Index(1).At("result").Float()},
		{4, cpa.Index(4).At("result").Float(), 25, 0.15, 0, 0.25, 0.8},
		{5, cpa.Index(5).At("result").Float(), 25, 0.15, 0.6, 0.25, 0.8},
	} {
		in := Defaults(Clustered)
		in.Clusters, in.Size, in.ICC, in.CV = 2*c.perArm, c.size, c.icc, c.cv
		p, err := Of(in, c.diff)
		if err != nil {
			t.Fatal(err)
		}
		golden.Close(t, fmt.Sprint("clusterPower case ", c.at), upper(p, c.diff), c.want, 1e-9)
	}

	// CRTSize takes the normal distribution: the effect detectable with its number of
	// schools is the one that it was given.
	sizes := golden.Statistics(t).At("s2_other_power", "CRTSize_n4means")
	for i := range sizes.Len() {
		if i == 1 {
			continue // below 30 schools in an arm it goes over to a t of its own
		}
		c := sizes.Index(i)
		in := Defaults(Clustered)
		in.Normal = true
		in.Size, in.ICC = c.At("inputs", "m").Float(), c.At("inputs", "ICC").Float()
		in.Clusters = c.At("nE").Float() + c.At("nC").Float()
		in.Share = c.At("nE").Float() / in.Clusters
		if i == 2 {
			in.Power = c.At("inputs", "power").Float()
		}
		m, err := Detectable(in)
		if err != nil {
			t.Fatal(err)
		}
		golden.Close(t, fmt.Sprint("CRTSize case ", i), m.MDES, c.At("inputs", "delta").Float(), 1e-9)
	}
	golden.AtLeast(t, "cases of CRTSize", sizes.Len(), 3)

	pump := golden.Statistics(t).At("s2_other_power", "PUMP")
	n := 0
	for i := range pump.Len() {
		c := pump.Index(i)
		x, df, within := Inputs{}, false, 1.0
		switch c.At("d_m").Text() {
		case "d2.1_m2fr":
			x = Defaults(BlockedRandom)
			x.ICC, x.Omega, x.R2Pupil, x.Clusters = 0.12, 0.2, 0.3, 20
		case "d2.2_m2rc":
			x = Defaults(Clustered)
			x.ICC, x.R2Pupil, x.R2Cluster, x.Clusters = 0.12, 0.3, 0.4, 20
		case "d3.3_m3rc2rc":
			x = Defaults(Clustered3)
			x.ICC, x.ICCTop, x.R2Pupil, x.R2Cluster, x.R2Top, x.Clusters, x.Top = 0.12, 0.08, 0.3, 0.4, 0.5, 20, 10
		case "d3.2_m3rr2rc":
			x = Defaults(BlockedClustered)
			x.ICC, x.ICCTop, x.OmegaTop, x.R2Pupil, x.R2Cluster, x.Clusters, x.Top = 0.12, 0.08, 0.1, 0.3, 0.4, 20, 10
		case "d3.1_m3rr2rr":
			x = Defaults(Blocked3Random)
			x.ICC, x.ICCTop, x.Omega, x.OmegaTop, x.R2Pupil, x.Clusters, x.Top = 0.12, 0.08, 0.2, 0.1, 0.3, 20, 10
		case "d1.1_m1c":
			x = Defaults(Individual)
			x.R2Pupil, x.Covariates, df = 0.3, 1, true
		case "d2.1_m2fc", "d2.1_m2ff": // the effect size is over the SD of all pupils, ours over that within blocks
			x = Defaults(BlockedConstant)
			if c.At("d_m").Text() == "d2.1_m2ff" {
				x = Defaults(BlockedFixed)
			}
			x.R2Pupil, x.Clusters, x.Covariates, df, within = 0.3, 20, 1, true, 1-0.12
		case "d3.2_m3ff2rc":
			x = Defaults(BlockedClusteredFixed)
			x.ICC, x.R2Pupil, x.R2Cluster, x.Clusters, x.Top, x.Covariates, df, within = 0.12/0.92, 0.3, 0.4, 20, 10, 1, true, 1-0.08
		default: // d3.2_m3fc2rc: one effect in all fixed blocks of schools, which is no design here
			continue
		}
		x.Size = 30
		m, err := Detectable(x)
		if err != nil {
			t.Fatal(err)
		}
		golden.Close(t, "PUMP "+c.At("d_m").Text(), m.SE*math.Sqrt(within), c.At("Q_se").Float(), 1e-12)
		if df {
			golden.Close(t, "PUMP "+c.At("d_m").Text()+" df", m.DF, c.At("df").Float(), 1e-12)
		}
		n++
	}
	golden.AtLeast(t, "PUMP designs", n, 9)
}

func TestUnequalSizes(t *testing.T) {
	cases := golden.Statistics(t).At("s2_other_power", "unequal_cluster_sizes")
	for i := range cases.Len() {
		c := cases.Index(i)
		u, err := Unequal(c.At("sizes").Floats(), c.At("rho").Float())
		if err != nil {
			t.Fatal(err)
		}
		for key, got := range map[string]float64{"mean": u.Mean, "harmonic_mean": u.HarmonicMean, "cv_population": u.CV, "deff_sizeweighted_exact": u.DesignEffect, "re_exact_mixedmodel": u.Efficiency, "re_taylor_popcv": u.Taylor} {
			golden.Near(t, fmt.Sprint("case ", i, " ", key), got, c.At(key).Float(), 1e-11)
		}
	}
	golden.AtLeast(t, "sets of sizes", cases.Len(), 9)
	// More unequal sizes never raise power.
	in := Defaults(Clustered)
	in.Clusters, in.Size, in.ICC = 40, 25, 0.1
	last := 0.0
	for _, cv := range []float64{0, 0.2, 0.5, 1} {
		in.CV = cv
		m, err := Detectable(in)
		if err != nil {
			t.Fatal(err)
		}
		if m.MDES < last {
			t.Errorf("CV %v: MDES %v falls", cv, m.MDES)
		}
		last = m.MDES
	}
	if _, err := Unequal([]float64{3, -1}, 0.1); err == nil {
		t.Error("a negative size accepted")
	}
	if _, err := Unequal([]float64{3, 1}, 0); err == nil {
		t.Error("an ICC of 0 accepted")
	}
}

// Communities without an effect of their own, of one school each, are a plain
// trial of schools; any effect of theirs raises the MDES.
func TestCommunities(t *testing.T) {
	plain := Defaults(Clustered)
	plain.Clusters, plain.Size, plain.ICC, plain.R2Pupil, plain.R2Cluster = 114, 46, 0.15, 0.3, 0.4
	rlc := plain
	rlc.Design, rlc.GroupSize = Communities, 1
	a, errA := Detectable(plain)
	b, errB := Detectable(rlc)
	if errA != nil || errB != nil {
		t.Fatal(errA, errB)
	}
	golden.Close(t, "SE", b.SE, a.SE, 1e-12)
	golden.Close(t, "df", b.DF, a.DF, 1e-12) // Welch with equal arms and spread: J − 2
	rlc.GroupSize = 5.7
	c, err := Detectable(rlc)
	if err != nil {
		t.Fatal(err)
	}
	golden.Close(t, "SE without community effect", c.SE, a.SE, 1e-12)
	rlc.ICCGroup = 0.03
	d, err := Detectable(rlc)
	if err != nil {
		t.Fatal(err)
	}
	if !(d.MDES > c.MDES && c.MDES >= b.MDES) || !(d.DF < c.DF) {
		t.Errorf("%+v, %+v", c, d)
	}
	s, err := Required(rlc, 0.2)
	if err != nil || s.Treated+s.Control < s.Required || s.Power < 0.8 {
		t.Errorf("%+v, %v", s, err)
	}
}

func TestLossesAreAllowedFor(t *testing.T) {
	in := Defaults(Clustered)
	in.Size, in.ICC = 46, 0.15
	without, err := Required(in, 0.25)
	if err != nil {
		t.Fatal(err)
	}
	in.LostClusters, in.LostPupils = 0.1, 0.15
	with, err := Required(in, 0.25)
	if err != nil {
		t.Fatal(err)
	}
	if with.Required < int(math.Ceil(float64(without.Required)/0.9)) || with.Power < 0.8 {
		t.Errorf("%d without losses, %d with", without.Required, with.Required)
	}
	in.Clusters = 120
	m, err := Detectable(in)
	if err != nil {
		t.Fatal(err)
	}
	in.Clusters, in.Size, in.LostClusters, in.LostPupils = 108, 46*0.85, 0, 0
	n, err := Detectable(in)
	if err != nil {
		t.Fatal(err)
	}
	golden.Close(t, "MDES after losses", m.MDES, n.MDES, 1e-12)
}

func TestRefusals(t *testing.T) {
	good := Defaults(Clustered)
	good.Clusters, good.Size, good.ICC = 40, 25, 0.1
	for name, c := range map[string]struct {
		spoil func(*Inputs)
		word  string
	}{
		"ICC 1":             {func(in *Inputs) { in.ICC = 1 }, "icc is 1"},
		"ICC above 1":       {func(in *Inputs) { in.ICC = 1.2 }, "icc is 1.2"},
		"R² below 0":        {func(in *Inputs) { in.R2Pupil = -0.1 }, "r2_pupil"},
		"share 1":           {func(in *Inputs) { in.Share = 1 }, "share is 1"},
		"share NaN":         {func(in *Inputs) { in.Share = math.NaN() }, "share is NaN"},
		"no design":         {func(in *Inputs) { in.Design = "cluster" }, "not known"},
		"no pupils":         {func(in *Inputs) { in.Size = 0 }, "size is 0"},
		"three tails":       {func(in *Inputs) { in.Tails = 3 }, "tails is 3"},
		"two clusters":      {func(in *Inputs) { in.Clusters = 2 }, "degree of freedom"},
		"top is not used":   {func(in *Inputs) { in.Top = 5 }, "top is 5"},
		"omega is not used": {func(in *Inputs) { in.Omega = 0.1 }, "omega is 0.1"},
		"everybody lost":    {func(in *Inputs) { in.LostClusters = 1 }, "lost_clusters is 1"},
		"infinite":          {func(in *Inputs) { in.Clusters = math.Inf(1) }, "clusters"},
	} {
		in := good
		c.spoil(&in)
		_, err := Detectable(in)
		if err == nil || !strings.Contains(err.Error(), c.word) {
			t.Errorf("%s: %v", name, err)
		}
		if _, err := Of(in, 0.2); err == nil {
			t.Errorf("%s: power accepted", name)
		}
	}
	in := good
	in.ICC, in.Share, in.Tails = 1, 0, 0
	if _, err := Detectable(in); err == nil || strings.Count(err.Error(), "\n") < 2 {
		t.Errorf("all faults at once: %v", err)
	}
	in = good
	in.Clusters = 2
	if _, err := Detectable(in); !errors.Is(err, ErrDF) {
		t.Errorf("two clusters: %v", err)
	}
	for _, effect := range []float64{0, math.NaN(), math.Inf(1)} {
		if _, err := Required(good, effect); err == nil {
			t.Errorf("an effect of %v accepted", effect)
		}
	}
	// Random effects over blocks put a floor under the SE, whatever the size.
	fixed := Defaults(BlockedClusteredFixed)
	fixed.Size, fixed.Top, fixed.ICC = 20, 3, 0.1
	if s, err := Required(fixed, 0.2); err != nil || s.Clusters != 3*s.Required {
		t.Errorf("%+v, %v", s, err)
	}
	in = good
	in.Power = 0.05
	if _, err := Required(in, 0.2); err == nil {
		t.Error("power equal to alpha accepted")
	}
}

func TestJSON(t *testing.T) {
	in := Defaults(Clustered)
	in.Clusters, in.Size, in.ICC = 40, 25, 0.1
	m, _ := Detectable(in)
	p, _ := Of(in, 0.2)
	s, _ := Required(in, 0.2)
	in.Normal = true
	normal, err := Detectable(in)
	if err != nil {
		t.Fatal(err)
	}
	for want, v := range map[string]any{`"mdes":`: m, `"mdes_exact":`: m, `"df":38`: m, `"power":0.`: p, `"clusters":`: s, `"df":0`: normal} {
		text, err := json.Marshal(v)
		if err != nil || !strings.Contains(string(text), want) {
			t.Errorf("%s lacks %s (%v)", text, want, err)
		}
	}
}

func TestTheComparisonCanFail(t *testing.T) {
	in := Defaults(Clustered)
	in.Clusters, in.Size, in.ICC = 40, 25, 0.1
	m, err := Detectable(in)
	if err != nil {
		t.Fatal(err)
	}
	if golden.RelDiff(m.MDES, m.Exact) < 1e-9 {
		t.Fatal("the approximation and the exact MDES are not told apart")
	}
}

// The communities' formula against simulated school means: 30,000 trials give the
// standard error to 0.4 %.
func TestCommunitiesBySimulation(t *testing.T) {
	in := Defaults(Communities)
	in.Clusters, in.Size, in.ICC, in.ICCGroup, in.GroupSize, in.Share = 60, 25, 0.15, 0.05, 5, 0.5
	m, err := Detectable(in)
	if err != nil {
		t.Fatal(err)
	}
	g := rand.New(rand.NewPCG(3, 4))
	const trials = 30_000
	school := math.Sqrt(0.15 + 0.85/25)
	sum, squares := 0.0, 0.0
	for range trials {
		treated, control := 0.0, 0.0
		for range 6 {
			community := math.Sqrt(0.05) * g.NormFloat64()
			for range 5 {
				treated += community + school*g.NormFloat64()
			}
		}
		for range 30 {
			control += school * g.NormFloat64()
		}
		d := treated/30 - control/30
		sum += d
		squares += d * d
	}
	mean := sum / trials
	golden.Close(t, "SE", math.Sqrt(squares/trials-mean*mean), m.SE, 0.02)
	// Welch's degrees of freedom for 6 communities and 30 schools.
	xt, xc := (0.05+school*school/5)/6, school*school/30
	golden.Close(t, "df", m.DF, (xt+xc)*(xt+xc)/(xt*xt/5+xc*xc/29), 1e-12)
}
