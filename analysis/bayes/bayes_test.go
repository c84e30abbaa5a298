package bayes

import (
	"math"
	"math/rand/v2"
	"os"
	"runtime"
	"testing"

	"evenhand/analysis"
	"evenhand/analysis/internal/golden"
	"evenhand/analysis/mixed"
)

func fitOf(t testing.TB, file, outcome, arm, school string, m mixed.Model, covariates ...string) *mixed.Fit {
	t.Helper()
	tab := golden.Data(t, file)
	r := &mixed.Rows{Outcome: analysis.Number(outcome, tab.Floats(outcome)), Arm: analysis.Factor(arm, tab.Text(arm)),
		Levels: []mixed.Level{mixed.LevelOf(analysis.Factor("School", tab.Text(school)))}}
	for _, c := range covariates {
		r.Covariates = append(r.Covariates, analysis.Number(c, tab.Floats(c)))
	}
	d, _, err := r.Design()
	if err != nil {
		t.Fatal(err)
	}
	f, err := mixed.New(d, m)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func get(t testing.TB, p *Posterior, name string) Quantity {
	t.Helper()
	q, ok := p.Quantity(name)
	if !ok {
		t.Fatalf("no quantity %q", name)
	}
	return q
}

const effect = "arm: 1 vs 0"

// Every mean below is compared with a figure known to much more than Monte
// Carlo error, at 4.5 standard errors: for the 40 or so comparisons of this
// file a right sampler would fail once in some 3,000 seeds. The seeds are
// fixed, so a failure is a fault (or a change of the sampler that happens to
// hit that chance).
const alarm = 4.5

// Against integration over a fine grid of both SDs.
func TestAgainstGrid(t *testing.T) {
	f := fitOf(t, "crt24.csv", "y", "treat", "school", mixed.Model{}, "pre")
	for name, prior := range map[string]Prior{
		"weak":             {},
		"flat":             {SDScale: math.Inf(1)},
		"tight":            {SDScale: 2, SDFreedom: 1},
		"prior of the arm": {Arm: &Normal{Mean: 1, SD: 1.5}},
	} {
		o := Options{Seed: 7, Draws: 2500, Prior: prior}
		p, err := Run(f, o)
		if err != nil {
			t.Fatal(err)
		}
		scale := prior.SDScale
		if scale == 0 {
			scale = sd(f.Data().Y)
		}
		df := prior.SDFreedom
		if df == 0 {
			df = 3
		}
		e := f.Engine()
		beta, chol := make([]float64, 3), make([]float64, 9)
		var sum, mTau, mSigma, mEff, m2 float64
		best := math.Inf(-1)
		for pass := 0; pass < 2; pass++ {
			for tau := 0.02; tau < 25; tau += 0.08 {
				for sigma := 6.0; sigma < 10; sigma += 0.08 {
					lp := e.LogLikelihood([]float64{tau * tau, sigma * sigma}) - math.Log(sigma)
					if !math.IsInf(scale, 1) {
						lp -= (df + 1) / 2 * math.Log1p(tau*tau/(scale*scale*df))
					}
					e.Coefficients(beta, chol)
					mean, variance := beta[1], chol[3]*chol[3]+chol[4]*chol[4]
					if a := prior.Arm; a != nil {
						v := variance + a.SD*a.SD
						lp -= 0.5 * (math.Log(v) + (mean-a.Mean)*(mean-a.Mean)/v)
						mean = (mean*a.SD*a.SD + a.Mean*variance) / v
						variance = variance * a.SD * a.SD / v
					}
					if pass == 0 {
						best = math.Max(best, lp)
						continue
					}
					w := math.Exp(lp - best)
					sum += w
					mTau += w * tau
					mSigma += w * sigma
					mEff += w * mean
					m2 += w * (variance + mean*mean)
				}
			}
		}
		near := func(what string, q Quantity, want float64) {
			t.Helper()
			if !(math.Abs(q.Mean-want) < alarm*q.MCSE) {
				t.Errorf("%s, %s: mean %v, by grid %v, Monte Carlo error %v", name, what, q.Mean, want, q.MCSE)
			}
			if q.RHat > 1.01 || q.Bulk < 1500 {
				t.Errorf("%s, %s: R̂ %v, %v effective draws", name, what, q.RHat, q.Bulk)
			}
		}
		near("SD School", get(t, p, "SD School"), mTau/sum)
		near("SD residual", get(t, p, "SD residual"), mSigma/sum)
		q := get(t, p, effect)
		near("difference", q, mEff/sum)
		golden.Close(t, name+", SD of the difference", q.SD, math.Sqrt(m2/sum-mEff/sum*mEff/sum), 0.05)
	}
}

// Against a long chain of another sampler in another language.
func TestAgainstAnIndependentChain(t *testing.T) {
	f := fitOf(t, "crt24.csv", "y", "treat", "school", mixed.Model{}, "pre")
	p, err := Run(f, Options{Seed: 11, Draws: 5000, Prior: Prior{SDScale: math.Inf(1)}})
	if err != nil {
		t.Fatal(err)
	}
	long := golden.JSON(t, os.DirFS("testdata"), "gibbs.json")
	n := 0
	for _, name := range long.Keys() {
		own := name
		if name == "effect size" {
			own = EffectName("1", analysis.ScaleTotalConditional)
		}
		q, w := get(t, p, own), long.At(name)
		if d := math.Abs(q.Mean - w.At("mean").Float()); !(d < alarm*math.Hypot(q.MCSE, w.At("mcse").Float())) {
			t.Errorf("%s: mean %v, the long chain has %v; errors %v and %v", name, q.Mean, w.At("mean").Float(), q.MCSE, w.At("mcse").Float())
		}
		golden.Close(t, name+" SD", q.SD, w.At("sd").Float(), 0.05)
		golden.Near(t, name+" 2.5 %", q.Low, w.At("q025").Float(), 0.12*q.SD)
		golden.Near(t, name+" 97.5 %", q.High, w.At("q975").Float(), 0.12*q.SD)
		n++
	}
	golden.AtLeast(t, "quantities", n, 6)
}

// With many schools and flat priors the posterior is the REML fit's.
func TestManySchoolsAgreeWithREML(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 4))
	r := &mixed.Rows{Outcome: analysis.Column{Name: "y"}, Arm: analysis.Column{Name: "arm", Levels: []string{"0", "1"}}, Levels: []mixed.Level{{Name: "School"}}}
	for s := 0; s < 600; s++ {
		u := 2 * rng.NormFloat64()
		for i := 0; i < 8; i++ {
			r.Outcome.Values = append(r.Outcome.Values, 20+1.5*float64(s%2)+u+6*rng.NormFloat64())
			r.Arm.Codes = append(r.Arm.Codes, s%2)
			r.Levels[0].Index = append(r.Levels[0].Index, s)
		}
	}
	d, _, err := r.Design()
	if err != nil {
		t.Fatal(err)
	}
	f, err := mixed.New(d, mixed.Model{})
	if err != nil {
		t.Fatal(err)
	}
	p, err := Run(f, Options{Seed: 1, Chains: 4, Warmup: 200, Draws: 600, Prior: Prior{SDScale: math.Inf(1)}})
	if err != nil {
		t.Fatal(err)
	}
	q := get(t, p, effect)
	c := f.Coefficients[1]
	golden.Near(t, "difference", q.Mean, c.Estimate, alarm*q.MCSE)
	golden.Close(t, "its SD", q.SD, c.SE, 0.06)
	for i, name := range []string{"SD School", "SD residual"} {
		q := get(t, p, name)
		golden.Near(t, name, q.Mean, math.Sqrt(f.Variances[i].Value), alarm*q.MCSE+0.02*q.SD)
		golden.Close(t, "SD of "+name, q.SD, f.Variances[i].SE/2/math.Sqrt(f.Variances[i].Value), 0.08)
	}
	e := get(t, p, EffectName("1", analysis.ScaleTotalConditional))
	golden.Near(t, "effect size", e.Mean, c.Estimate/math.Sqrt(f.Variances[0].Value+f.Variances[1].Value), alarm*e.MCSE+0.02*e.SD)
	icc := get(t, p, "ICC School")
	golden.Near(t, "ICC", icc.Mean, f.Variances[0].Value/(f.Variances[0].Value+f.Variances[1].Value), alarm*icc.MCSE+0.05*icc.SD)
}

// Multi-site and partially nested models: the posterior of the difference has
// about the REML fit's centre, and chains agree.
func TestOtherModels(t *testing.T) {
	mst := fitOf(t, "sim_mst.csv", "Posttest", "Treat", "School", mixed.Model{Slope: mixed.FullSlope}, "Pretest")
	diag := fitOf(t, "sim_mst.csv", "Posttest", "Treat", "School", mixed.Model{Slope: mixed.DiagonalSlope}, "Pretest")
	for name, f := range map[string]*mixed.Fit{"full slope": mst, "diagonal slope": diag, "partially nested": partial(t)} {
		p, err := Run(f, Options{Seed: 5, Draws: 1500})
		if err != nil {
			t.Fatal(name, err)
		}
		for _, q := range p.Quantities {
			if q.RHat > 1.02 || q.Bulk < 400 || math.IsNaN(q.Mean) {
				t.Errorf("%s: %+v", name, q)
			}
		}
		q := get(t, p, effect)
		in, err := f.Test(effect, mixed.KenwardRoger, 0.95)
		if err != nil {
			t.Fatal(err)
		}
		golden.Near(t, name+" difference", q.Mean, in.Estimate, 0.2*in.SE)
		if q.SD < 0.9*in.SE || q.SD > 1.5*in.SE {
			t.Errorf("%s: posterior SD %v, Kenward–Roger %v", name, q.SD, in.SE)
		}
		if name == "full slope" {
			c := get(t, p, "correlation School")
			if !(c.Low > -1 && c.High < 1 && c.Mean > -0.2 && c.Mean < 0.6) {
				t.Errorf("correlation %+v", c)
			}
		}
	}
}

// partial is a small partially nested trial.
func partial(t testing.TB) *mixed.Fit {
	rng := rand.New(rand.NewPCG(8, 8))
	r := &mixed.Rows{Outcome: analysis.Column{Name: "y"}, Arm: analysis.Column{Name: "arm", Levels: []string{"0", "1"}},
		Levels: []mixed.Level{{Name: "Community"}, {Name: "School"}}}
	v := make([]float64, 8)
	for g := range v {
		v[g] = 1.2 * rng.NormFloat64()
	}
	for s := 0; s < 80; s++ {
		u, arm, g := 1.5*rng.NormFloat64(), s%2, -1
		if arm == 1 {
			g = s / 10
			u += v[g]
		}
		for i := 0; i < 10; i++ {
			r.Outcome.Values = append(r.Outcome.Values, 5+float64(arm)+u+4*rng.NormFloat64())
			r.Arm.Codes = append(r.Arm.Codes, arm)
			r.Levels[0].Index = append(r.Levels[0].Index, g)
			r.Levels[1].Index = append(r.Levels[1].Index, s)
		}
	}
	d, _, err := r.Design()
	if err != nil {
		t.Fatal(err)
	}
	f, err := mixed.New(d, mixed.Model{})
	if err != nil {
		t.Fatal(err)
	}
	return f
}

func TestSameDrawsOnAnyNumberOfProcessors(t *testing.T) {
	f := fitOf(t, "crt24.csv", "y", "treat", "school", mixed.Model{}, "pre")
	o := Options{Seed: 3, Draws: 50, Warmup: 50}
	a, err := Run(f, o)
	if err != nil {
		t.Fatal(err)
	}
	old := runtime.GOMAXPROCS(1)
	b, err := Run(f, o)
	runtime.GOMAXPROCS(old)
	if err != nil {
		t.Fatal(err)
	}
	for c, chain := range a.Draws(effect) {
		for i, v := range chain {
			if b.Draws(effect)[c][i] != v {
				t.Fatalf("chain %d draw %d: %v and %v", c, i, v, b.Draws(effect)[c][i])
			}
		}
	}
	o.Seed = 4
	c, err := Run(f, o)
	if err != nil {
		t.Fatal(err)
	}
	if c.Draws(effect)[0][0] == a.Draws(effect)[0][0] {
		t.Error("another seed gives the same draws")
	}
}

func TestEffectSizesAndProbabilities(t *testing.T) {
	f := fitOf(t, "sim_crt.csv", "Posttest", "Treat", "School", mixed.Model{}, "Pretest")
	raw, err := mixed.New(f.Data().Unconditional(), mixed.Model{})
	if err != nil {
		t.Fatal(err)
	}
	o := Options{Seed: 2}
	u, err := Run(raw, o)
	if err != nil {
		t.Fatal(err)
	}
	o.Seed, o.Unconditional = 3, u
	p, err := Run(f, o)
	if err != nil {
		t.Fatal(err)
	}
	name := EffectName("1", analysis.ScaleTotalUnconditional)
	q := get(t, p, name)
	golden.Near(t, "effect size", q.Mean, 0.18769505937483966, 0.01)
	at := []float64{-1, q.Low, q.Median, q.High, 1}
	above, err := p.Exceeds(name, at)
	if err != nil {
		t.Fatal(err)
	}
	for i, want := range []float64{1, 0.975, 0.5, 0.025, 0} {
		golden.Near(t, "share above", above[i], want, 0.001)
	}
	if _, err := p.Exceeds("nothing", at); err == nil {
		t.Error("no error for an unknown quantity")
	}
}

func TestDiagnosticsKnowBadChains(t *testing.T) {
	rng := rand.New(rand.NewPCG(1, 1))
	chains := func(m, n int, rho, shift float64) [][]float64 {
		out := make([][]float64, m)
		for c := range out {
			v := rng.NormFloat64()
			for i := 0; i < n; i++ {
				v = rho*v + math.Sqrt(1-rho*rho)*rng.NormFloat64()
				out[c] = append(out[c], v+shift*float64(c))
			}
		}
		return out
	}
	if r := RHat(chains(4, 2000, 0, 0)); r > 1.01 {
		t.Errorf("R̂ of independent draws is %v", r)
	}
	if r := RHat(chains(4, 2000, 0, 0.5)); r < 1.05 {
		t.Errorf("R̂ of chains that stand apart is %v", r)
	}
	drift := chains(2, 2000, 0, 0)
	for c := range drift {
		for i := range drift[c] {
			drift[c][i] += float64(i) / 1000
		}
	}
	if r := RHat(drift); r < 1.05 {
		t.Errorf("R̂ of drifting chains is %v", r)
	}
	spread := chains(2, 2000, 0, 0)
	for i := range spread[1] {
		spread[1][i] *= 3
	}
	if r := RHat(spread); r < 1.05 {
		t.Errorf("R̂ of chains of unequal spread is %v", r)
	}
	for _, rho := range []float64{0, 0.5, 0.9} {
		want := 4 * 20000 * (1 - rho) / (1 + rho)
		golden.Close(t, "effective sample size", BulkESS(chains(4, 20000, rho, 0)), want, 0.08)
	}
	if e := TailESS(chains(4, 5000, 0.9, 0)); e > 4000 {
		t.Errorf("tail effective sample size of slow chains is %v", e)
	}
}

func TestBadOptions(t *testing.T) {
	f := fitOf(t, "crt24.csv", "y", "treat", "school", mixed.Model{}, "pre")
	ml := fitOf(t, "crt24.csv", "y", "treat", "school", mixed.Model{Method: mixed.ML}, "pre")
	if _, err := Run(ml, Options{}); err == nil {
		t.Error("no error for a fit by ML")
	}
	for name, o := range map[string]Options{
		"one chain": {Chains: 1}, "few draws": {Draws: 3}, "level": {Level: 2}, "negative scale": {Prior: Prior{SDScale: -1}}, "arm's SD": {Prior: Prior{Arm: &Normal{}}},
	} {
		if _, err := Run(f, o); err == nil {
			t.Errorf("%s: no error", name)
		}
	}
	p, err := Run(f, Options{Seed: 1, Draws: 20, Warmup: 1})
	if err != nil {
		t.Fatal(err)
	}
	found := false
	for _, w := range p.Warnings {
		found = found || w.Code == WarnNotConverged
	}
	if !found {
		t.Error("no warning that 20 draws are too few")
	}
}

func BenchmarkRunRLCSize(b *testing.B) {
	f := fitOf(b, "sim_crt.csv", "Posttest", "Treat", "School", mixed.Model{}, "Pretest")
	for b.Loop() {
		if _, err := Run(f, Options{Seed: 1}); err != nil {
			b.Fatal(err)
		}
	}
}
