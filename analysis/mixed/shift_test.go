package mixed

import (
	"testing"

	"evenhand/analysis/internal/golden"
)

// A shifted refit is the fit of the shifted rows, for one, two and partially
// nested levels.
func TestShifts(t *testing.T) {
	d := partial(t)
	plain := *d
	plain.Levels = plain.Levels[1:]
	for name, d := range map[string]*Data{"partially nested": d, "schools": &plain} {
		z := make([]float64, len(d.Y))
		for i := range z {
			if i%7 == 0 && d.Arm[i] == 1 {
				z[i] = 1
			}
		}
		s, err := NewShifts(d, Model{}, z)
		if err != nil {
			t.Fatal(name, err)
		}
		for _, shift := range []float64{0, -4, 0.5, 30} {
			got, err := s.At(shift)
			if err != nil {
				t.Fatal(name, err)
			}
			moved := *d
			moved.Y = make([]float64, len(d.Y))
			for i, y := range d.Y {
				moved.Y[i] = y + shift*z[i]
			}
			want, err := New(&moved, Model{})
			if err != nil {
				t.Fatal(name, err)
			}
			golden.Close(t, name+" criterion", got.Criterion, want.Criterion, 1e-11)
			for k, c := range want.Coefficients {
				golden.Close(t, name+" "+c.Name, got.Coefficients[k].Estimate, c.Estimate, 1e-9)
				golden.Close(t, name+" SE "+c.Name, got.Coefficients[k].SE, c.SE, 1e-9)
			}
			for k, v := range want.Variances {
				golden.Close(t, name+" variance "+v.Level, got.Variances[k].Value, v.Value, 1e-7)
			}
			a, err := got.Test("arm: 1 vs 0", KenwardRoger, 0.95)
			if err != nil {
				t.Fatal(err)
			}
			b, err := want.Test("arm: 1 vs 0", KenwardRoger, 0.95)
			if err != nil {
				t.Fatal(err)
			}
			golden.Close(t, name+" KR SE", a.SE, b.SE, 1e-8)
			golden.Close(t, name+" KR df", a.DF, b.DF, 1e-6)
		}
	}
	if _, err := NewShifts(d, Model{}, make([]float64, 3)); err == nil {
		t.Error("shifts of three rows were taken")
	}
}
