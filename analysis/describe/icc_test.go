package describe

import (
	"errors"
	"math"
	"testing"

	"evenhand/analysis/internal/golden"
)

func TestIntraClusterCorrelation(t *testing.T) {
	ref := golden.Statistics(t).At("s8_icc_alpha_sna", "icc")
	n := 0
	for name, c := range map[string][3]string{"crt24_y": {"crt24.csv", "y", "school"}, "crt24_pre": {"crt24.csv", "pre", "school"}, "bal12_y": {"bal12.csv", "y", "cluster"}} {
		tab := golden.Data(t, c[0])
		codes, _ := tab.Codes(c[2])
		got, err := IntraCluster(tab.Floats(c[1]), nil, codes, nil, 0.95)
		if err != nil {
			t.Fatal(err)
		}
		want := ref.At(name)
		for key, v := range map[string]float64{"k": float64(got.Schools), "N": float64(got.N), "n0": got.N0, "MSB": got.MSB, "MSW": got.MSW, "F": got.F, "sigma2_b_anova": got.Between, "rho_anova": got.Value,
			"var_smith1956": got.VarSmith, "var_swiger1964": got.VarSwiger, "deff_sizeweighted": got.DesignEffect, "deff_n0": 1 + (got.N0-1)*got.Value} {
			golden.Close(t, name+" "+key, v, want.At(key).Float(), 1e-9)
			n++
		}
		golden.CloseAll(t, name+" Searle", []float64{got.Searle.Low, got.Searle.High}, want.At("searle_F_ci95").Floats(), 1e-9)
		golden.CloseAll(t, name+" Smith", []float64{got.Smith.Low, got.Smith.High}, want.At("smith_ci95").Floats(), 1e-9)
		golden.CloseAll(t, name+" Swiger", []float64{got.Swiger.Low, got.Swiger.High}, want.At("swiger_ci95").Floats(), 1e-9)
	}
	golden.AtLeast(t, "numbers", n, 36)
	arms := golden.Statistics(t).At("s4_effect_sizes", "icc_pooled_within_arm_anova")
	for name, c := range map[string][4]string{"crt24": {"crt24.csv", "y", "school", "treat"}, "bal12": {"bal12.csv", "y", "cluster", "treat"}} {
		tab := golden.Data(t, c[0])
		codes, _ := tab.Codes(c[2])
		arm, _ := tab.Codes(c[3])
		got, err := IntraCluster(tab.Floats(c[1]), nil, codes, arm, 0.95)
		if err != nil {
			t.Fatal(err)
		}
		for key, v := range map[string]float64{"MSB": got.MSB, "MSW": got.MSW, "n0": got.N0, "rho": got.Value} {
			golden.Close(t, name+" within arms "+key, v, arms.At(name, key).Float(), 1e-9)
		}
	}
}

func TestIntraClusterRefuses(t *testing.T) {
	y, s := []float64{1, 2, 3, 4}, []int{1, 1, 2, 2}
	for name, f := range map[string]func() error{
		"lengths":      func() error { _, e := IntraCluster(y, nil, s[:3], nil, 0.95); return e },
		"level":        func() error { _, e := IntraCluster(y, nil, s, nil, 95); return e },
		"one school":   func() error { _, e := IntraCluster(y, nil, []int{1, 1, 1, 1}, nil, 0.95); return e },
		"one a school": func() error { _, e := IntraCluster(y, nil, []int{1, 2, 3, 4}, nil, 0.95); return e },
		"no spread":    func() error { _, e := IntraCluster([]float64{1, 1, 2, 2}, nil, s, nil, 0.95); return e },
		"two arms":     func() error { _, e := IntraCluster(y, nil, s, []int{0, 1, 1, 1}, 0.95); return e },
	} {
		if f() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	if _, err := IntraCluster([]float64{1, 2, math.NaN(), 4}, nil, s, nil, 0.95); !errors.Is(err, ErrNotFinite) {
		t.Errorf("NaN: %v", err)
	}
	if c, err := IntraCluster([]float64{1, 2, 99, 3, 5}, []bool{true, true, false, true, true}, []int{1, 1, 1, 2, 2}, nil, 0.95); err != nil || c.N != 4 {
		t.Errorf("%+v, %v", c, err)
	}
}

// NIST's one-way analyses of variance where they are at hand, to the digits
// that data with many leading digits in common allow.
func TestNISTAnova(t *testing.T) {
	sets := nistSets(t, "anova")
	n := 0
	for _, set := range sets {
		var y []float64
		var g []int
		for _, row := range set.rows {
			g, y = append(g, int(row[0])), append(y, row[1])
		}
		c, err := IntraCluster(y, nil, g, nil, 0.95)
		if err != nil {
			t.Fatalf("%s: %v", set.name, err)
		}
		tol := 1e-9
		switch set.name {
		case "SmLs04", "SmLs05", "SmLs06":
			tol = 1e-8
		case "SmLs07", "SmLs08", "SmLs09": // 13 digits in common
			tol = 1e-3
		}
		golden.Close(t, set.name+" F", c.F, set.f, tol)
		n++
	}
	golden.AtLeast(t, "one-way sets", n, 11)
}
