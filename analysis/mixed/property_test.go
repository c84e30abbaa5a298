package mixed

import (
	"encoding/binary"
	"math"
	"math/rand/v2"
	"testing"

	"pgregory.net/rapid"

	"evenhand/analysis"
	"evenhand/analysis/internal/golden"
)

// shuffled is the same data with the rows in another order and the groups
// renumbered.
func shuffled(d *Data, seed uint64) *Data {
	rng := rand.New(rand.NewPCG(seed, 5))
	order := rng.Perm(len(d.Y))
	out := *d
	pick := func(v []float64) []float64 {
		if v == nil {
			return nil
		}
		w := make([]float64, len(v))
		for i, k := range order {
			w[i] = v[k]
		}
		return w
	}
	out.Y = pick(d.Y)
	out.Columns = nil
	for _, c := range d.Columns {
		c.Values = pick(c.Values)
		out.Columns = append(out.Columns, c)
	}
	out.Levels = nil
	for _, l := range d.Levels {
		names := rng.Perm(l.size())
		idx := make([]int, len(order))
		for i, k := range order {
			idx[i] = -1
			if l.Index[k] >= 0 {
				idx[i] = names[l.Index[k]]
			}
		}
		out.Levels = append(out.Levels, Level{Name: l.Name, Index: idx})
	}
	if d.Arm != nil {
		out.Arm = nil
		for _, k := range order {
			out.Arm = append(out.Arm, d.Arm[k])
		}
	}
	return &out
}

func TestOrderOfRowsIsIrrelevant(t *testing.T) {
	n := 0
	for _, id := range interior {
		d, m := reference(t, id)
		f, err := New(d, m)
		if err != nil {
			t.Fatal(err)
		}
		g, err := New(shuffled(d, 1), m)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range f.Variances {
			golden.Close(t, id+" "+v.Level, g.Variances[i].Value, v.Value, 1e-10)
		}
		for i, c := range f.Coefficients {
			golden.Close(t, id+" "+c.Name, g.Coefficients[i].Estimate, c.Estimate, 1e-10)
			golden.Close(t, id+" se "+c.Name, g.Coefficients[i].SE, c.SE, 1e-10)
		}
		n++
	}
	f, err := New(shuffled(partial(t), 2), Model{ResidualByArm: true})
	if err != nil {
		t.Fatal(err)
	}
	g, err := New(partial(t), Model{ResidualByArm: true})
	if err != nil {
		t.Fatal(err)
	}
	golden.Close(t, "partial", f.Coefficients[1].Estimate, g.Coefficients[1].Estimate, 1e-10)
	golden.AtLeast(t, "models", n, 13)
}

// y → ay + b multiplies coefficients and roots of variances by a; a covariate
// in other units changes nothing else.
func TestUnitsAreIrrelevant(t *testing.T) {
	for _, id := range []string{"simcrt.full", "simmst.rs", "sim3.adj"} {
		d, m := reference(t, id)
		f, err := New(d, m)
		if err != nil {
			t.Fatal(err)
		}
		e := *d
		e.Y = nil
		for _, y := range d.Y {
			e.Y = append(e.Y, 1e-3*y-7)
		}
		e.Columns = append([]Column(nil), d.Columns...)
		last := &e.Columns[2] // Pretest
		v := make([]float64, len(d.Y))
		for i := range v {
			v[i] = 1e5 + 1e4*last.Values[i]
		}
		last.Values = v
		g, err := New(&e, m)
		if err != nil {
			t.Fatal(err)
		}
		for i, v := range f.Variances {
			golden.Close(t, id+" "+v.Level, g.Variances[i].Value, 1e-6*v.Value, 1e-9)
		}
		for i := range f.Coefficients {
			if i == 0 {
				continue
			}
			a, err1 := f.Test(f.Coefficients[i].Name, KenwardRoger, 0.95)
			b, err2 := g.Test(f.Coefficients[i].Name, KenwardRoger, 0.95)
			if err1 != nil || err2 != nil {
				t.Fatal(err1, err2)
			}
			golden.Close(t, id+" t", b.Statistic, a.Statistic, 1e-9)
			golden.Close(t, id+" df", b.DF, a.DF, 1e-9)
		}
	}
}

// Polynomials in a score of mean 100 are what ill-conditioned covariates look
// like here. Either nine digits agree with the same model in a centred score,
// or a warning says that they may not.
func TestIllConditionedColumnsWarn(t *testing.T) {
	base, m := reference(t, "simcrt.adj")
	warned, quiet := 0, 0
	for degree := 2; degree <= 7; degree++ {
		fits := [2]*Fit{}
		for k, centre := range []float64{0, 100} {
			d := *base
			d.Columns = append([]Column(nil), base.Columns[:2]...)
			for p := 1; p <= degree; p++ {
				v := make([]float64, len(d.Y))
				for i, x := range base.Columns[2].Values {
					v[i] = math.Pow((x-centre)/10, float64(p))
				}
				d.Columns = append(d.Columns, Column{Name: "Pretest^" + string(rune('0'+p)), Values: v})
			}
			f, err := New(&d, m)
			if err != nil {
				if _, ok := err.(*RankError); ok && k == 0 {
					t.Logf("degree %d: %v", degree, err)
					continue
				}
				t.Fatal(degree, err)
			}
			fits[k] = f
		}
		if fits[0] == nil {
			warned++
			continue
		}
		has := false
		for _, w := range fits[0].Warnings {
			has = has || w.Code == WarnIllConditioned
		}
		if has {
			warned++
			continue
		}
		quiet++
		a, err1 := fits[0].Test("Treat", KenwardRoger, 0.95)
		b, err2 := fits[1].Test("Treat", KenwardRoger, 0.95)
		if err1 != nil || err2 != nil {
			t.Fatal(err1, err2)
		}
		golden.Close(t, "estimate", a.Estimate, b.Estimate, 1e-9)
		golden.Close(t, "se", a.SE, b.SE, 1e-9)
		top := "Pretest^" + string(rune('0'+degree))
		a, _ = fits[0].Test(top, Z, 0.95)
		b, _ = fits[1].Test(top, Z, 0.95)
		golden.Close(t, top, a.Estimate, b.Estimate, 1e-9)
	}
	if warned < 2 || quiet < 1 {
		t.Errorf("%d warnings, %d without", warned, quiet)
	}
}

// A numeric offset that dwarfs the scatter costs the digits of its
// representation and no more.
func TestLargeOffsets(t *testing.T) {
	d, m := reference(t, "simcrt.adj")
	f, err := New(d, m)
	if err != nil {
		t.Fatal(err)
	}
	e := *d
	e.Y = nil
	for _, y := range d.Y {
		e.Y = append(e.Y, y+1e9)
	}
	g, err := New(&e, m)
	if err != nil {
		t.Fatal(err)
	}
	golden.Close(t, "variance", g.Variances[0].Value, f.Variances[0].Value, 1e-6) // y has 7 digits left after the point
	golden.Close(t, "effect", g.Coefficients[1].Estimate, f.Coefficients[1].Estimate, 1e-6)
}

// Balanced data have a closed form: the variance between schools is
// (MSB − MSW)/n, the effect the difference in means, with M − 2 degrees of
// freedom.
func TestBalancedTrialsHaveClosedForm(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		half := rapid.IntRange(2, 8).Draw(t, "schools an arm")
		size := rapid.IntRange(2, 9).Draw(t, "pupils a school")
		rng := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		r := &Rows{Outcome: analysis.Column{Name: "y"}, Arm: analysis.Column{Name: "arm", Levels: []string{"C", "T"}}, Levels: []Level{{Name: "School"}}}
		means := make([]float64, 2*half)
		ssw := 0.0
		for s := range means {
			u := 2 * rng.NormFloat64()
			var v []float64
			for i := 0; i < size; i++ {
				y := u + rng.NormFloat64()
				v = append(v, y)
				means[s] += y / float64(size)
				r.Outcome.Values = append(r.Outcome.Values, y)
				r.Arm.Codes = append(r.Arm.Codes, s%2)
				r.Levels[0].Index = append(r.Levels[0].Index, s)
			}
			for _, y := range v {
				ssw += (y - means[s]) * (y - means[s])
			}
		}
		var arm [2]float64
		for s, m := range means {
			arm[s%2] += m / float64(half)
		}
		ssb := 0.0
		for s, m := range means {
			ssb += float64(size) * (m - arm[s%2]) * (m - arm[s%2])
		}
		msb, msw := ssb/float64(2*half-2), ssw/float64(2*half*(size-1))
		f, err := try(r, Model{})
		if err != nil {
			t.Fatal(err)
		}
		if msb < msw {
			if !f.Singular {
				t.Fatalf("MSB %v < MSW %v, and not singular", msb, msw)
			}
			return
		}
		near := func(what string, got, want, scale float64) {
			if !(math.Abs(got-want) <= 1e-9*scale) {
				t.Fatalf("%s: %v, want %v", what, got, want)
			}
		}
		near("residual", f.Variances[1].Value, msw, msw)
		near("between", f.Variances[0].Value, (msb-msw)/float64(size), msb)
		in, err := f.Test("arm: T vs C", KenwardRoger, 0.95)
		if err != nil {
			t.Fatal(err)
		}
		near("effect", in.Estimate, arm[1]-arm[0], in.SE)
		near("se", in.SE, math.Sqrt(msb*2/float64(half*size)), in.SE)
		near("df", in.DF, float64(2*half-2), in.DF)
	})
}

// finite says whether every number that a fit shows can be printed.
func finite(f *Fit) bool {
	ok := func(v float64) bool { return !math.IsNaN(v) && !math.IsInf(v, 0) }
	for _, c := range f.Coefficients {
		if !ok(c.Estimate) || !ok(c.SE) {
			return false
		}
	}
	for _, v := range f.Variances {
		if !ok(v.Value) || !ok(v.SE) || v.Value < 0 && !isCovariance(v) {
			return false
		}
	}
	return ok(f.Criterion) && ok(f.Gradient)
}

func isCovariance(v Variance) bool {
	for _, r := range v.Term {
		if r == ',' {
			return true
		}
	}
	return false
}

// FuzzFit: whatever the rows, a fit is an error with words or a set of finite
// numbers.
func FuzzFit(f *testing.F) {
	f.Add([]byte("0123456789abcdefghijklmnopqrstuvwxyz0123456789abcdefghijklmnopqrstuvwxyz"), byte(0))
	f.Add([]byte{0, 0, 0, 0, 1, 1, 1, 1, 2, 2, 2, 2, 3, 3, 3, 3, 9, 9, 9, 8, 7, 6, 5, 4, 3, 2, 1, 0, 255, 254}, byte(1))
	f.Add(make([]byte, 90), byte(2))
	f.Add(binary.LittleEndian.AppendUint64(make([]byte, 41), math.Float64bits(math.Inf(1))), byte(7))
	f.Fuzz(func(t *testing.T, raw []byte, how byte) {
		if len(raw) > 600 {
			return
		}
		r := &Rows{Outcome: analysis.Column{Name: "y"}, Arm: analysis.Column{Name: "arm", Levels: []string{"C", "T"}}, Levels: []Level{{Name: "School"}}}
		x := analysis.Column{Name: "x"}
		z := analysis.Column{Name: "z", Levels: []string{"a", "b", "c"}}
		for i := 0; i+3 <= len(raw); i += 3 {
			y := float64(raw[i])
			if how&16 != 0 { // sizes that are far apart
				y = math.Ldexp(y-128, int(raw[i])*8-1024)
			}
			r.Outcome.Values = append(r.Outcome.Values, y)
			x.Values = append(x.Values, float64(raw[i+1])/7)
			s := int(raw[i+2]) % 11
			r.Levels[0].Index = append(r.Levels[0].Index, s)
			if how&4 != 0 {
				r.Arm.Codes = append(r.Arm.Codes, int(raw[i+1])&1)
			} else {
				r.Arm.Codes = append(r.Arm.Codes, s&1)
			}
			z.Codes = append(z.Codes, int(raw[i]^raw[i+1])%3)
		}
		r.Covariates = []analysis.Column{x, z}
		m := Model{ResidualByArm: how&64 != 0, GroupsByArm: how&128 != 0}
		if how&1 != 0 {
			m.Slope = DiagonalSlope
		}
		if how&2 != 0 {
			m.Slope = FullSlope
		}
		if how&8 != 0 {
			r.Covariates = nil
		}
		if how&32 != 0 {
			m.Method = ML
		}
		d, _, err := r.Design()
		if err != nil {
			return
		}
		fit, err := New(d, m)
		if err != nil {
			if err.Error() == "" {
				t.Fatal("an error without words")
			}
			return
		}
		if !finite(fit) {
			t.Fatalf("not finite: %+v %+v %v", fit.Coefficients, fit.Variances, fit.Criterion)
		}
		for _, method := range []DF{KenwardRoger, Satterthwaite, Containment, Z} {
			for _, c := range fit.Coefficients {
				in, err := fit.Test(c.Name, method, 0.95)
				if err != nil {
					continue
				}
				for _, v := range []float64{in.Estimate, in.SE, in.Statistic, in.P, in.Low, in.High} {
					if math.IsNaN(v) || math.IsInf(v, 0) {
						t.Fatalf("%s by %s: %+v", c.Name, method, in)
					}
				}
			}
		}
		if m.Slope == NoSlope {
			iccs, err := fit.ICCs(0.95)
			if err == nil {
				for _, icc := range iccs {
					if !(icc.Low <= icc.Value && icc.Value <= icc.High) {
						t.Fatalf("ICC %+v", icc)
					}
				}
			}
		}
	})
}

// The same model without an intercept (a mean for each arm), and with the
// intercept last.
func TestOtherBasesOfTheColumns(t *testing.T) {
	d, m := reference(t, "simcrt.adj")
	f, err := New(d, m)
	if err != nil {
		t.Fatal(err)
	}
	want, err := f.Test("Treat", KenwardRoger, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	control := make([]float64, len(d.Y))
	for i, v := range d.Columns[1].Values {
		control[i] = 1 - v
	}
	e := *d
	e.Columns = []Column{{Name: "control", Values: control}, {Name: "treated", Values: d.Columns[1].Values}, d.Columns[2]}
	g, err := New(&e, m)
	if err != nil {
		t.Fatal(err)
	}
	got, err := g.Contrast([]float64{-1, 1, 0}, KenwardRoger, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	golden.Close(t, "difference", got.Estimate, want.Estimate, 1e-9)
	golden.Close(t, "se", got.SE, want.SE, 1e-9)
	golden.Close(t, "df", got.DF, want.DF, 1e-9)
	golden.Close(t, "criterion", g.Criterion, f.Criterion, 1e-12) // the change of basis has determinant 1
	golden.Close(t, "control's mean", g.Coefficients[0].Estimate, f.Coefficients[0].Estimate, 1e-9)
	e.Columns = []Column{d.Columns[2], d.Columns[1], d.Columns[0]}
	g, err = New(&e, m)
	if err != nil {
		t.Fatal(err)
	}
	golden.Close(t, "intercept last", g.Coefficients[2].Estimate, f.Coefficients[0].Estimate, 1e-9)
	golden.Close(t, "its se", g.Coefficients[2].SE, f.Coefficients[0].SE, 1e-9)
	golden.Close(t, "criterion", g.Criterion, f.Criterion, 1e-12)
}
