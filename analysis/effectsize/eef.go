package effectsize

import (
	"fmt"
	"math"

	"evenhand/analysis/mixed"
)

// EEFVariant is one effect size as eefAnalytics 1.1.5 computes it, unrounded,
// for comparison with results that were made with that package. None of them
// is a default here; METHODS.md lists what is wrong with each.
type EEFVariant struct {
	Name   string  // e.g. "crtFREQ Conditional Total"
	Value  float64 // as that package prints it, before rounding
	Low    float64 // Value − 1.96·SE
	High   float64
	SE     float64
	Plain  float64 // the difference over the SD, without that package's factor
	Factor float64 // Value / Plain
}

// EEFAnalytics gives that package's four effect sizes of an arm: within and
// total, "Conditional" (SD of the model of the fit) and "Unconditional" (SD of
// the model with the intercept alone). A random-intercept fit by REML gives
// those of crtFREQ, one with a full random slope of every arm those of
// mstFREQ. As there, everybody outside the arm counts as its control, other
// arms too.
func EEFAnalytics(f *mixed.Fit, arm string) ([]EEFVariant, error) {
	d := f.Data()
	m := f.Model()
	if d.Arm == nil || len(d.Levels) != 1 || f.Method != mixed.REML || m.ResidualByArm || m.GroupsByArm || m.Slope == mixed.DiagonalSlope {
		return nil, fmt.Errorf("eefAnalytics variants are for REML fits of one level with arms, with a random intercept or a full random slope")
	}
	in, err := f.Test(mixed.ArmTerm(arm, d.Arms[d.Control]), mixed.Z, 0.95)
	if err != nil {
		return nil, fmt.Errorf("eefAnalytics variants: %w", err)
	}
	empty, err := mixed.New(d.Empty(), mixed.Model{})
	if err != nil {
		return nil, fmt.Errorf("eefAnalytics variants, empty model: %w", err)
	}
	t := -1
	for a, label := range d.Arms {
		if label == arm {
			t = a
		}
	}
	level := &d.Levels[0]
	sizes := map[int][2]int{}
	var order []int
	for i, g := range level.Index {
		s, seen := sizes[g]
		if !seen {
			order = append(order, g)
		}
		if d.Arm[i] == t {
			s[0]++
		} else {
			s[1]++
		}
		sizes[g] = s
	}
	var z Sizes
	both := 0
	for _, g := range order {
		s := sizes[g]
		if s[0] > 0 {
			z.Treated = append(z.Treated, s[0])
		}
		if s[1] > 0 {
			z.Control = append(z.Control, s[1])
		}
		if s[0] > 0 && s[1] > 0 {
			both++
		}
	}
	name := "crtFREQ "
	if m.Slope == mixed.FullSlope {
		name = "mstFREQ "
		if both == 0 {
			return nil, fmt.Errorf("eefAnalytics variants: no %s has pupils of arm %q and others, so this is not a multi-site trial", level.Name, arm)
		}
	}
	crt := func(label string, within, between float64) ([]EEFVariant, error) {
		rho := between / (within + between)
		h, err := NewHedges2007(in.Estimate, math.Sqrt(within+between), rho, z)
		if err != nil {
			return nil, err
		}
		nt, nc := sumsOf(z.Treated), sumsOf(z.Control)
		n, schools := nt.n+nc.n, nt.m+nc.m
		dw := in.Estimate / math.Sqrt(within)
		vw := n/(nt.n*nc.n)*(1+(h.NTilde-1)*rho)/(1-rho) + dw*dw/(2*(n-schools))
		return []EEFVariant{
			variant(name+label+" Within", dw, 1, vw),
			variant(name+label+" Total", in.Estimate/math.Sqrt(within+between), h.Factor, h.VarPublished),
		}, nil
	}
	var out []EEFVariant
	if m.Slope == mixed.NoSlope {
		v, err := crt("Conditional", f.VarianceOf(mixed.Residual), f.VarianceOf(level.Name))
		if err != nil {
			return nil, fmt.Errorf("eefAnalytics variants: %w", err)
		}
		out = v
	} else {
		s2, u2, total := f.VarianceOf(mixed.Residual), 0.0, 0.0
		for _, v := range f.Variances {
			if v.Level == mixed.Residual || v.Term == "" {
				total += v.Value
				continue
			}
			total += f.SlopeWeight(v) * v.Value
			if v.Term == in.Name {
				u2 = v.Value
			}
		}
		n, schools := float64(f.N), float64(len(order))
		precision := 0.0
		for _, s := range sizes {
			if s[0] > 0 && s[1] > 0 {
				a, b := float64(s[0]), float64(s[1])
				precision += 1 / (u2 + s2*(a+b)/(a*b))
			}
		}
		for _, c := range []struct {
			label string
			v     float64
		}{{"Within", s2}, {"Total", total}} {
			es := in.Estimate / math.Sqrt(c.v)
			out = append(out, variant(name+"Conditional "+c.label, es, 1, 1/(c.v*precision)+es*es/(2*n-4*schools)))
		}
	}
	v, err := crt("Unconditional", empty.VarianceOf(mixed.Residual), empty.VarianceOf(level.Name))
	if err != nil {
		return nil, fmt.Errorf("eefAnalytics variants: %w", err)
	}
	return append(out, v...), nil
}

func variant(name string, plain, factor, variance float64) EEFVariant {
	v := EEFVariant{Name: name, Plain: plain, Factor: factor, Value: plain * factor, SE: math.Sqrt(variance)}
	v.Low, v.High = v.Value-1.96*v.SE, v.Value+1.96*v.SE
	return v
}
