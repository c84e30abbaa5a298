package describe

import (
	"fmt"
	"math"
	"testing"

	"evenhand/analysis/internal/golden"
)

func TestReviewersNumbers(t *testing.T) {
	ref := golden.Statistics(t).At("s1_wwc")
	n := 0
	near := func(what string, got float64, want golden.Node) {
		t.Helper()
		golden.Close(t, what, got, want.Float(), 1e-9)
		n++
	}
	for i := range ref.At("hedges_g").Len() {
		c := ref.At("hedges_g").Index(i)
		m, s, k := c.At("m").Floats(), c.At("s").Floats(), c.At("n").Floats()
		e, err := FromMeans(Group{m[0], s[0], int(k[0])}, Group{m[1], s[1], int(k[1])}, nil, c.At("R2").Float())
		if err != nil {
			t.Fatal(err)
		}
		what := fmt.Sprint("Hedges ", i)
		near(what+" S", e.PooledSD, c.At("S"))
		near(what+" g", e.G, c.At("g"))
		near(what+" SE", e.SE, c.At("se_F10_g_2N"))
		near(what+" index", e.Improvement, c.At("improvement_index"))
		same := m[0] - m[1]
		if again, err := FromMeans(Group{0, s[0], int(k[0])}, Group{0, s[1], int(k[1])}, &same, c.At("R2").Float()); err != nil || golden.RelDiff(again.G, e.G) > 1e-12 {
			t.Errorf("an adjusted difference is not used: %+v, %v", again, err)
		}
	}
	for i := range ref.At("cox").Len() {
		c := ref.At("cox").Index(i)
		p, k := c.At("p").Floats(), c.At("n").Floats()
		se, err := CoxError(p[0], int(k[0]), p[1], int(k[1]))
		if err != nil {
			t.Fatal(err)
		}
		near("Cox SE", se, c.At("se_cox"))
		d, _ := CoxIndex(p[0], p[1])
		near("Cox index", ImprovementIndex(d), c.At("improvement_index"))
	}
	d := ref.At("did").Index(0)
	in := func(k string, i int) float64 { return d.At("inputs", k).Index(i).Float() }
	group := func(m, s string, i int) Group { return Group{in(m, i), in(s, i), int(in("n", i))} }
	for key, r := range map[string]float64{"se_gain": d.At("inputs", "r").Float(), "se_gain_r_default_0.5": 0.5} {
		e, err := FromChange(group("y", "sy", 0), group("y", "sy", 1), group("x", "sx", 0), group("x", "sx", 1), r)
		if err != nil {
			t.Fatal(err)
		}
		near("effect-size difference", e.OtherMetric, d.At("g_effect_size_did"))
		near("gain", e.SameMetric, d.At("g_gain_same_metric"))
		near("gain "+key, e.SE, d.At(key))
	}
	for i := range ref.At("clustering").Len() {
		c := ref.At("clustering").Index(i)
		k, m := c.At("inputs", "n").Floats(), c.At("inputs", "m").Floats()
		for key, r2 := range map[string]float64{"se_eta_g_2h": 0, "se_eta_R2_0.5": 0.5} {
			e, err := CorrectForClusters(c.At("inputs", "g").Float(), int(k[0]), int(k[1]), int(m[0]), int(m[1]), c.At("inputs", "rho").Float(), r2)
			if err != nil {
				t.Fatal(err)
			}
			what := fmt.Sprint("clusters ", i, " ")
			near(what+key, e.SE, c.At(key))
			near(what+"t", e.T, c.At("t"))
			near(what+"corrected t", e.Fixed, c.At("t_corrected"))
			near(what+"h", e.DF, c.At("df_h"))
			near(what+"p", e.P, c.At("p"))
			near(what+"gamma", e.Gamma, c.At("gamma"))
			near(what+"eta", e.Eta, c.At("eta"))
			near(what+"g", e.G, c.At("g_cluster"))
		}
	}
	one := ref.At("one_arm_clustering_hedges_citkowicz2015")
	for i := range one.Len() {
		c := one.Index(i)
		gamma, eta, h, err := OneArmClustered(int(c.At("inputs", "N_T").Float()), int(c.At("inputs", "N_C").Float()), c.At("inputs", "n").Float(), c.At("inputs", "rho").Float())
		if err != nil {
			t.Fatal(err)
		}
		near("one arm gamma", gamma, c.At("gamma"))
		near("one arm eta", eta, c.At("eta"))
		near("one arm h", h, c.At("h"))
	}
	c := ref.At("cluster_level_to_student_level")
	conventional, exact, err := FromClusterMeans(c.At("inputs", "mean_diff").Float()/c.At("inputs", "sd_of_cluster_means").Float(), c.At("inputs", "rho").Float(), c.At("inputs", "n").Float())
	if err != nil {
		t.Fatal(err)
	}
	near("from school means", conventional, c.At("d_student_wwc_sqrt_rho"))
	near("from school means, exact", exact, c.At("d_student_exact_variance"))
	golden.AtLeast(t, "reviewers' numbers", n, 100)
}

func TestReviewRefuses(t *testing.T) {
	g := Group{1, 1, 10}
	for name, f := range map[string]func() error{
		"no SD":         func() error { _, e := FromMeans(Group{1, 0, 10}, g, nil, 0); return e },
		"one person":    func() error { _, e := FromMeans(Group{1, 1, 1}, g, nil, 0); return e },
		"R² 1":          func() error { _, e := FromMeans(g, g, nil, 1); return e },
		"proportion 1":  func() error { _, e := CoxError(1, 10, 0.5, 10); return e },
		"correlation 1": func() error { _, e := FromChange(g, g, g, g, 1); return e },
		"change, no SD": func() error { _, e := FromChange(g, g, g, Group{1, 0, 10}, 0.5); return e },
		"ICC 1":         func() error { _, e := CorrectForClusters(0.3, 20, 20, 2, 2, 1, 0); return e },
		"more schools":  func() error { _, e := CorrectForClusters(0.3, 20, 20, 30, 2, 0.1, 0); return e },
		"big groups":    func() error { _, _, _, e := OneArmClustered(20, 20, 30, 0.1); return e },
		"means, ICC 0":  func() error { _, _, e := FromClusterMeans(1, 0, 20); return e },
		"means, ICC ?":  func() error { _, _, e := FromClusterMeans(1, math.NaN(), 20); return e },
	} {
		if f() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
