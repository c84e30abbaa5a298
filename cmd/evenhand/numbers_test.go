package main

import (
	"encoding/json"
	"fmt"
	"math"
	"os"
	"strings"
	"testing"
)

// within says whether two numbers agree to a relative (near zero: absolute)
// tolerance.
func within(got, want, tolerance float64) bool {
	return math.Abs(got-want) <= tolerance*math.Max(1e-3, math.Abs(want))
}

// decode gives a command's JSON.
func decode[T any](t *testing.T, text string) T {
	t.Helper()
	var v T
	if err := json.Unmarshal([]byte(text), &v); err != nil {
		t.Fatalf("%v in\n%s", err, text)
	}
	return v
}

func golden(t *testing.T, name string, to any) {
	t.Helper()
	data, err := os.ReadFile("testdata/golden/" + name)
	if err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(data, to); err != nil {
		t.Fatal(err)
	}
}

type rates struct {
	Assigned, Analysed   []int
	Overall              float64
	Differential         float64
	Cautious, Optimistic string
	BoundaryCautious     *float64 `json:"boundary_cautious_pp"`
	BoundaryOptimistic   *float64 `json:"boundary_optimistic_pp"`
}

type numbers struct {
	Power []struct {
		Design string
		Inputs struct {
			ICC    float64 `json:"rho2"`
			Size   float64 `json:"n"`
			J, K   float64
			P      float64
			G      int     `json:"g2"`
			R21    float64 `json:"r21"`
			R22    float64 `json:"r22"`
			Power  float64
			Alpha  float64
			Two    bool    `json:"two_tailed"`
			Effect float64 `json:"es"`
		}
		DF, SE  float64
		MDES    float64         `json:"mdes_powerup"`
		Exact   float64         `json:"mdes_exact_noncentral_t"`
		PowerAt float64         `json:"power_at_es"`
		MRSS    struct{ J int } `json:"mrss_exact_min_integer"`
	}
	Attrition []rates
	Clustered struct {
		Clusters rates
		Pupils   rates `json:"pupils_in_retained_clusters"`
	}
}

// The commands give PowerUpR's MDES and power, R's exact ones, and required
// numbers by the exact power, which is never below the one wanted.
func TestPowerCommands(t *testing.T) {
	var cases numbers
	golden(t, "numbers.json", &cases)
	if len(cases.Power) != 44 {
		t.Fatalf("%d cases were read, not 44", len(cases.Power))
	}
	w := newWorld(t)
	for i, c := range cases.Power {
		in := c.Inputs
		args := fmt.Sprintf("--format json --design cra2 --size %v --icc %v --covariates %d --r2-pupil %v --r2-cluster %v --share %v --alpha %v --power %v --tails %d",
			in.Size, in.ICC, in.G, in.R21, in.R22, in.P, in.Alpha, in.Power, map[bool]int{true: 2, false: 1}[in.Two])
		if c.Design == "bcra3f2" {
			args = strings.Replace(args, "cra2", "bcra3f", 1) + fmt.Sprintf(" --top %v", in.K)
		}
		each := strings.Fields(args)
		all := append([]string{"--clusters", fmt.Sprint(in.J)}, each...)
		type answer struct {
			MDES     float64
			Exact    float64 `json:"mdes_exact"`
			SE, DF   float64
			Power    float64
			Required int
		}
		m := decode[answer](t, w.must(append([]string{"power", "mdes"}, all...)...))
		p := decode[answer](t, w.must(append([]string{"power", "power", "--effect", fmt.Sprint(in.Effect)}, all...)...))
		s := decode[answer](t, w.must(append([]string{"power", "size", "--effect", fmt.Sprint(in.Effect)}, each...)...))
		for _, q := range []struct {
			what      string
			got, want float64
		}{{"mdes", m.MDES, c.MDES}, {"exact mdes", m.Exact, c.Exact}, {"se", m.SE, c.SE}, {"df", m.DF, c.DF}, {"power", p.Power, c.PowerAt}, {"required", float64(s.Required), float64(c.MRSS.J)}} {
			if !within(q.got, q.want, 1e-9) {
				t.Errorf("case %d: %s is %v, want %v", i, q.what, q.got, q.want)
			}
		}
		if s.Power < in.Power {
			t.Errorf("case %d: %d units have a power of %v only", i, s.Required, s.Power)
		}
	}
}

func TestAssessCommand(t *testing.T) {
	var cases numbers
	golden(t, "numbers.json", &cases)
	if len(cases.Attrition) != 6 {
		t.Fatalf("%d cases were read, not 6", len(cases.Attrition))
	}
	type answer struct {
		Overall, Differential float64
		WWC                   struct {
			Cautious, Optimistic struct {
				Boundary *float64
				Low      bool
			}
		}
		Clusters *answer
	}
	check := func(name string, got answer, want rates) {
		t.Helper()
		if !within(got.Overall, want.Overall, 1e-9) || !within(got.Differential, want.Differential, 1e-9) {
			t.Errorf("%s: overall %v, differential %v", name, got.Overall, got.Differential)
		}
		for _, l := range []struct {
			boundary *float64
			low      bool
			at       *float64
			want     string
		}{{got.WWC.Cautious.Boundary, got.WWC.Cautious.Low, want.BoundaryCautious, want.Cautious}, {got.WWC.Optimistic.Boundary, got.WWC.Optimistic.Low, want.BoundaryOptimistic, want.Optimistic}} {
			if l.low != (l.want == "low") || (l.boundary == nil) != (l.at == nil) || l.at != nil && !within(100**l.boundary, *l.at, 1e-9) {
				t.Errorf("%s: %+v", name, got.WWC)
			}
		}
	}
	w := newWorld(t)
	two := func(n []int) string { return fmt.Sprintf("%d,%d", n[0], n[1]) }
	for _, c := range cases.Attrition {
		out := w.must("attrition", "assess", "--randomised", two(c.Assigned), "--analysed", two(c.Analysed), "--format", "json")
		check(two(c.Assigned), decode[answer](t, out), c)
	}
	p, s := cases.Clustered.Pupils, cases.Clustered.Clusters
	out := decode[answer](t, w.must("attrition", "assess", "--randomised", two(p.Assigned), "--analysed", two(p.Analysed),
		"--clusters", two(s.Assigned), "--clusters-analysed", two(s.Analysed), "--format", "json"))
	check("pupils", out, p)
	check("schools", *out.Clusters, s)
}

// The comparison itself can fail.
func TestWithin(t *testing.T) {
	for _, c := range []struct {
		got, want float64
		ok        bool
	}{{1, 1, true}, {1 + 2e-9, 1, false}, {1 - 2e-9, 1, false}, {0, 1e-11, false}, {0, 1e-13, true}, {math.NaN(), 1, false}, {-1, 1, false}} {
		if within(c.got, c.want, 1e-9) != c.ok {
			t.Errorf("within(%v, %v) = %v", c.got, c.want, !c.ok)
		}
	}
}
