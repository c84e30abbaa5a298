package mixed

import (
	"math/rand/v2"
	"testing"

	"evenhand/analysis"
	"evenhand/analysis/internal/golden"
	"evenhand/analysis/robust"
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
			s, err := NewRefitter(d, RefitOptions{Method: method})
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
				if err := s.Redrawn(arms, out); err != nil {
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

// picked is the rows of d given, with the schools given.
func picked(d *Data, rows, cluster []int) *Data {
	out := *d
	out.Y, out.Arm = nil, nil
	out.Columns = append([]Column(nil), d.Columns...)
	for k := range out.Columns {
		if v := d.Columns[k].Values; v != nil {
			out.Columns[k].Values = nil
			for _, r := range rows {
				out.Columns[k].Values = append(out.Columns[k].Values, v[r])
			}
		}
	}
	for _, r := range rows {
		out.Y, out.Arm = append(out.Y, d.Y[r]), append(out.Arm, d.Arm[r])
	}
	out.Levels = []Level{{Name: "School", Index: cluster}}
	return &out
}

// A refit of resampled schools or rows, of all rows but one and of another
// outcome is what New, or least squares, gives for the same rows; so is the
// total SD of the model without covariates.
func TestResampledRefitsAreFits(t *testing.T) {
	n := 0
	for seed := uint64(0); seed < 4; seed++ {
		r := trial(seed, 24, 6)
		strata := analysis.Column{Name: "S", Levels: []string{"1", "2", "3"}}
		small := analysis.Column{Name: "rural"} // school level, overlaps with the strata
		for i, s := range r.Levels[0].Index {
			strata.Codes = append(strata.Codes, s/8)
			small.Values = append(small.Values, float64(s/2%2))
			if seed == 3 { // pupils of two arms in a school
				r.Arm.Codes[i] = i % 2
			}
		}
		r.Covariates = append(r.Covariates, small, strata)
		d, _, err := r.Design()
		if err != nil {
			t.Fatal(err)
		}
		weights := make([]float64, len(d.Y))
		rng := rand.New(rand.NewPCG(seed, 5))
		for i := range weights {
			weights[i] = 0.5 + rng.Float64()
		}
		for _, o := range []RefitOptions{{}, {Method: ML}, {LeastSquares: true}, {LeastSquares: true, Weights: weights}} {
			o.Unconditional, o.Rows = true, true
			s, err := NewRefitter(d, o)
			if err != nil {
				t.Fatal(err)
			}
			out := make([]Refit, s.Effects())
			check := func(what string, rows, cluster []int, y []float64) {
				t.Helper()
				p := picked(d, rows, cluster)
				if y != nil {
					p.Y = y
				}
				n++
				if o.LeastSquares {
					var w []float64
					if o.Weights != nil {
						for _, row := range rows {
							w = append(w, o.Weights[row])
						}
					}
					b, sd := least(t, p, w)
					_, plain := least(t, p.Unconditional(), w)
					golden.Near(t, what+": estimate", out[0].Estimate, b, 1e-9*sd)
					golden.Close(t, what+": residual", out[0].Sigma2, sd*sd, 1e-10)
					golden.Close(t, what+": unconditional SD", out[0].UnconditionalSD, plain, 1e-10)
					return
				}
				f, err := New(p, Model{Method: o.Method})
				if err != nil {
					t.Fatal(err)
				}
				plain, err := New(p.Unconditional(), Model{Method: o.Method})
				if err != nil {
					t.Fatal(err)
				}
				c := f.Coefficients[1]
				golden.Near(t, what+": estimate", out[0].Estimate, c.Estimate, 1e-9*c.SE)
				golden.Close(t, what+": se", out[0].SE, c.SE, 1e-9)
				golden.Near(t, what+": tau2", out[0].Tau2, f.Variances[0].Value, 1e-9*f.Variances[1].Value)
				golden.Close(t, what+": sigma2", out[0].Sigma2, f.Variances[1].Value, 1e-9)
				total := plain.Variances[0].Value + plain.Variances[1].Value
				golden.Close(t, what+": unconditional SD", out[0].UnconditionalSD*out[0].UnconditionalSD, total, 1e-9)
			}
			all, index := make([]int, len(d.Y)), d.Levels[0].Index
			for i := range all {
				all[i] = i
			}
			if err := s.Whole(out); err != nil {
				t.Fatal(err)
			}
			check("whole", all, index, nil)
			for draw := range 6 {
				counts := make([]int, 24)
				for g := range 6 { // within strata and arms, which are s/8 and s%2
					for range 4 {
						counts[g/2*8+g%2+2*rng.IntN(4)]++
					}
				}
				var rows, cluster, again []int
				next := 0
				for school, c := range counts {
					for range c {
						for i, x := range index {
							if x == school {
								rows, cluster = append(rows, i), append(cluster, next)
								again = append(again, school*6+rng.IntN(6))
							}
						}
						next++
					}
				}
				if err := s.Resampled(counts, out); err == nil {
					check("schools", rows, cluster, nil)
				} else if _, err := New(picked(d, rows, cluster), Model{}); err == nil {
					t.Errorf("schools: no refit of what has a fit")
				}
				if err := s.Rows(again, cluster, out); err == nil {
					check("both", again, cluster, nil)
				}
				y := make([]float64, len(d.Y))
				for i := range y {
					y[i] = d.Y[rng.IntN(len(y))] + 3*float64(index[i]%5)
				}
				if err := s.Outcome(y, out); err != nil {
					t.Fatal(err)
				}
				check("outcome", all, index, y)
				row := 20*draw + 3
				if err := s.Without(row, out); err != nil {
					t.Fatal(err)
				}
				check("without", append(append([]int(nil), all[:row]...), all[row+1:]...), append(append([]int(nil), index[:row]...), index[row+1:]...), nil)
			}
		}
	}
	golden.AtLeast(t, "refits", n, 300)
}

// least is the first arm's coefficient and the residual SD of least squares.
func least(t *testing.T, d *Data, weights []float64) (float64, float64) {
	t.Helper()
	in := robust.Data{Y: d.Y, Weights: weights}
	for _, c := range d.Columns {
		if c.Values == nil {
			in.X = append(in.X, robust.Intercept(len(d.Y)))
			continue
		}
		in.X = append(in.X, robust.Column{Name: c.Name, Values: c.Values})
	}
	f, err := robust.Least(in)
	if err != nil {
		t.Fatal(err)
	}
	return f.Beta[1], f.Sigma
}

func TestRefitRefusals(t *testing.T) {
	d := rlc(1)
	out := make([]Refit, 1)
	s, err := NewRefitter(d, RefitOptions{})
	if err != nil {
		t.Fatal(err)
	}
	arms := make([]int, s.Schools())
	for what, f := range map[string]func() error{
		"one arm":       func() error { return s.Redrawn(arms, out) },
		"few schools":   func() error { return s.Redrawn(arms[1:], out) },
		"no effects":    func() error { return s.Whole(nil) },
		"no school":     func() error { return s.Resampled(arms, out) },
		"rows not kept": func() error { return s.Rows([]int{0}, []int{0}, out) },
		"row not kept":  func() error { return s.Without(0, out) },
		"outcome not":   func() error { return s.Outcome(d.Y, out) },
		"two levels": func() error {
			e := *d
			e.Levels = append(e.Levels, e.Levels[0])
			_, err := NewRefitter(&e, RefitOptions{})
			return err
		},
		"no intercept": func() error {
			e := *d
			e.Columns = e.Columns[1:]
			_, err := NewRefitter(&e, RefitOptions{})
			return err
		},
		"weights of REML": func() error { _, err := NewRefitter(d, RefitOptions{Weights: d.Y}); return err },
		"constant": func() error {
			e := *d
			e.Y = make([]float64, len(d.Y))
			_, err := NewRefitter(&e, RefitOptions{})
			return err
		},
	} {
		if f() == nil {
			t.Errorf("%s: accepted", what)
		}
	}
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

// One refit of a trial of 114 schools and 5,016 pupils, with its effect size by
// the model without covariates, for each way of resampling.
func BenchmarkRefitRLC(b *testing.B) {
	d := rlc(1)
	s, err := NewRefitter(d, RefitOptions{Unconditional: true, Rows: true})
	if err != nil {
		b.Fatal(err)
	}
	arms, counts := make([]int, s.Schools()), make([]int, s.Schools())
	for g := range arms {
		arms[g], counts[g] = g/8%2, 1
	}
	rows, index := make([]int, len(d.Y)), d.Levels[0].Index
	y := make([]float64, len(rows))
	out := make([]Refit, 1)
	rng := rand.New(rand.NewPCG(1, 3))
	redrawn, err := NewRefitter(d, RefitOptions{})
	if err != nil {
		b.Fatal(err)
	}
	for name, one := range map[string]func() error{
		"redrawn arms": func() error {
			rng.Shuffle(len(arms), func(i, j int) { arms[i], arms[j] = arms[j], arms[i] })
			return redrawn.Redrawn(arms, out)
		},
		"schools": func() error {
			// one twice, another of its arm and stratum not at all
			counts[3], counts[19] = 2, 0
			return s.Resampled(counts, out)
		},
		"pupils": func() error {
			for i := range rows {
				rows[i] = i/44*44 + rng.IntN(44)
			}
			return s.Rows(rows, index, out)
		},
		"residual": func() error {
			for i := range y {
				y[i] = d.Y[rng.IntN(len(y))] + float64(index[i])
			}
			return s.Outcome(y, out)
		},
	} {
		b.Run(name, func(b *testing.B) {
			for b.Loop() {
				if err := one(); err != nil {
					b.Fatal(err)
				}
			}
		})
	}
}

// A thousand redraws of 22 schools with 265 pupils and two covariates, refitted
// (the trial of which eefAnalytics' authors show 1,000 permutations).
func BenchmarkThousandRedraws265(b *testing.B) {
	d := large(265, 22, false)
	rng := rand.New(rand.NewPCG(1, 3))
	for b.Loop() {
		s, err := NewRefitter(d, RefitOptions{})
		if err != nil {
			b.Fatal(err)
		}
		arms := make([]int, s.Schools())
		for g := range arms {
			arms[g] = g % 2
		}
		out := make([]Refit, 1)
		for range 1000 {
			rng.Shuffle(len(arms), func(i, j int) { arms[i], arms[j] = arms[j], arms[i] })
			if err := s.Redrawn(arms, out); err != nil {
				b.Fatal(err)
			}
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
