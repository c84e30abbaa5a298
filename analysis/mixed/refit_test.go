package mixed

import (
	"math/rand/v2"
	"testing"

	"evenhand/analysis"
	"evenhand/analysis/internal/golden"
)

// A refit is what New gives for the same arms.
func TestRefitsAreFits(t *testing.T) {
	singular, n := 0, 0
	for _, method := range []Method{REML, ML} {
		for seed := uint64(0); seed < 6; seed++ {
			r := trial(seed, 24, 5+int(seed))
			if seed >= 3 { // no differences between schools: some fits on the boundary
				rng := rand.New(rand.NewPCG(seed, 7))
				for i := range r.Outcome.Values {
					r.Outcome.Values[i] = rng.NormFloat64() + 1e3
				}
			}
			strata := analysis.Column{Name: "S", Levels: []string{"1", "2", "3"}}
			for _, s := range r.Levels[0].Index {
				strata.Codes = append(strata.Codes, s/8)
			}
			r.Covariates = append(r.Covariates, strata)
			if seed%2 == 1 {
				r.Arm.Levels = []string{"C", "T", "U"}
				for i, s := range r.Levels[0].Index {
					r.Arm.Codes[i] = s % 3
				}
			}
			d, _, err := r.Design()
			if err != nil {
				t.Fatal(err)
			}
			s, err := NewSchoolRefitter(d, method)
			if err != nil {
				t.Fatal(err)
			}
			arms := make([]int, s.Schools())
			for g := range arms {
				arms[g] = g % len(d.Arms)
			}
			rng := rand.New(rand.NewPCG(seed, 3))
			out := make([]Refit, s.Effects())
			for draw := 0; draw < 20; draw++ {
				if err := s.Refit(arms, out); err != nil {
					t.Fatal(err)
				}
				r2 := *r
				r2.Arm.Codes = nil
				for _, g := range r.Levels[0].Index {
					r2.Arm.Codes = append(r2.Arm.Codes, arms[g])
				}
				f, err := try(&r2, Model{Method: method})
				if err != nil {
					t.Fatal(err)
				}
				for e, o := range out {
					c := f.Coefficients[1+e]
					golden.Near(t, "estimate", o.Estimate, c.Estimate, 1e-9*c.SE)
					golden.Close(t, "se", o.SE, c.SE, 1e-9)
					golden.Near(t, "tau2", o.Tau2, f.Variances[0].Value, 1e-9*f.Variances[1].Value)
					golden.Close(t, "sigma2", o.Sigma2, f.Variances[1].Value, 1e-9)
					if o.Singular != f.Singular {
						t.Errorf("singular %v, fit says %v", o.Singular, f.Singular)
					}
					if o.Singular {
						singular++
					}
					n++
				}
				rng.Shuffle(len(arms), func(i, j int) { arms[i], arms[j] = arms[j], arms[i] })
			}
		}
	}
	golden.AtLeast(t, "refits", n, 360)
	golden.AtLeast(t, "refits on the boundary", singular, 20)
}

func rlc(seed uint64) *Data {
	r := trial(seed, 114, 44)
	strata := analysis.Column{Name: "S"}
	for k := 0; k < 8; k++ {
		strata.Levels = append(strata.Levels, string(rune('a'+k)))
	}
	for _, s := range r.Levels[0].Index {
		strata.Codes = append(strata.Codes, s%8)
	}
	for i, s := range r.Levels[0].Index {
		r.Arm.Codes[i] = s / 8 % 2
	}
	r.Covariates = append(r.Covariates, strata)
	d, _, err := r.Design()
	if err != nil {
		panic(err)
	}
	return d
}

func BenchmarkRefitRLC(b *testing.B) {
	d := rlc(1)
	s, err := NewSchoolRefitter(d, REML)
	if err != nil {
		b.Fatal(err)
	}
	arms := make([]int, s.Schools())
	for g := range arms {
		arms[g] = g / 8 % 2
	}
	out := make([]Refit, 1)
	rng := rand.New(rand.NewPCG(1, 3))
	for b.Loop() {
		rng.Shuffle(len(arms), func(i, j int) { arms[i], arms[j] = arms[j], arms[i] })
		if err := s.Refit(arms, out); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkFitRLC(b *testing.B) {
	d := rlc(1)
	for b.Loop() {
		f, err := New(d, Model{})
		if err != nil {
			b.Fatal(err)
		}
		if _, err := f.Tests(KenwardRoger, 0.95); err != nil {
			b.Fatal(err)
		}
	}
}
