package conduct

import (
	"math"
	"testing"

	"evenhand/trial"
)

// Worked by hand: 1, 2, 3 against 4, 6 with one value unknown. Means 2 and 5,
// SDs 1 and √2; pooled variance (2·1 + 1·2)/3 = 4/3.
func TestCompare(t *testing.T) {
	tr := &Trial{Protocol: &trial.Protocol{Arms: []trial.Arm{{ID: "rlc"}, {ID: "control", Control: true}}}}
	c := covariate{"x", []float64{1, 4, 2, 6, 3, 99}, []bool{true, true, true, true, true, false}}
	got := tr.compare(c, []int{0, 1, 0, 1, 0, 1})
	want := -3 / math.Sqrt(4.0/3)
	if got.Known != 5 || got.Means[0] != 2 || got.Means[1] != 5 || got.SDs[0] != 1 || math.Abs(got.SDs[1]-math.Sqrt2) > 1e-15 || len(got.Difference) != 1 || math.Abs(got.Difference[0].Value-want) > 1e-14 {
		t.Errorf("compare = %+v, want a difference of %v", got, want)
	}
	// Nothing to divide by: no difference is made up.
	flat := tr.compare(covariate{"y", []float64{1, 1, 1, 1}, []bool{true, true, true, true}}, []int{0, 1, 0, 1})
	one := tr.compare(c, []int{0, 1, 1, 1, 1, 1})
	if len(flat.Difference) != 0 || len(one.Difference) != 0 {
		t.Errorf("without a spread: %+v; with one school: %+v", flat, one)
	}
}

func TestSpread(t *testing.T) {
	s := BalanceSpread{Bins: make([]int, 22), measured: []float64{-2, -0.3, -0.05, 0, 0.1, 0.25, 1, 3}}
	if err := s.finish(); err != nil {
		t.Fatal(err)
	}
	for i, want := range map[int]int{0: 1, 8: 1, 10: 1, 11: 1, 12: 1, 13: 1, 21: 2} {
		if s.Bins[i] != want {
			t.Errorf("bin %d has %d, want %d: %v", i, s.Bins[i], want, s.Bins)
		}
	}
	sum := 0
	for _, n := range s.Bins {
		sum += n
	}
	if sum != 8 || math.Abs(s.Mean-0.25) > 1e-12 || math.Abs(s.Beyond-0.5) > 1e-12 {
		t.Errorf("%d in bins, mean %v, beyond %v; want 8, 0.25, 0.5", sum, s.Mean, s.Beyond)
	}
	// Five of the eight and the draw itself are at least 0.25 from zero.
	if got := shareAsFar(s.measured, -0.25); math.Abs(got-6.0/9) > 1e-12 {
		t.Errorf("shareAsFar = %v, want 6/9", got)
	}
}
