package mixed

import (
	"math/rand/v2"
	"testing"
)

// large makes rows of schools of equal size with two covariates, sorted by
// school or not.
func large(rows, schools int, shuffled bool) *Data {
	rng := rand.New(rand.NewPCG(1, 2))
	d := &Data{Outcome: "y", Y: make([]float64, rows), Arm: make([]int, rows), Arms: []string{"C", "T"}}
	x1, x2, t := make([]float64, rows), make([]float64, rows), make([]float64, rows)
	index := make([]int, rows)
	u := make([]float64, schools)
	for s := range u {
		u[s] = rng.NormFloat64()
	}
	for i := range d.Y {
		s := i * schools / rows
		if shuffled {
			s = i % schools
		}
		index[i] = s
		d.Arm[i] = s % 2
		t[i] = float64(s % 2)
		x1[i], x2[i] = rng.NormFloat64(), float64(rng.IntN(2))
		d.Y[i] = 100 + 5*x1[i] - 2*x2[i] + t[i] + 2*u[s] + 8*rng.NormFloat64()
	}
	d.Columns = []Column{{Name: Intercept}, {Name: "arm: T vs C", Values: t, Arm: true}, {Name: "x1", Values: x1}, {Name: "x2", Values: x2}}
	d.Levels = []Level{{Name: "School", Index: index}}
	return d
}

func benchmarkLarge(b *testing.B, rows, schools int, shuffled bool) {
	d := large(rows, schools, shuffled)
	b.ReportAllocs()
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

func BenchmarkFit2Million(b *testing.B)         { benchmarkLarge(b, 2_000_000, 10_000, false) }
func BenchmarkFit2MillionShuffled(b *testing.B) { benchmarkLarge(b, 2_000_000, 10_000, true) }
func BenchmarkFit400Thousand(b *testing.B)      { benchmarkLarge(b, 400_000, 4_000, false) }

// The result does not depend on the number of processors.
func TestSameOnAnyNumberOfProcessors(t *testing.T) {
	d := large(200_000, 500, true)
	var first *Fit
	for _, n := range []int{1, 2, 5} {
		f, err := New(d, Model{})
		if err != nil {
			t.Fatal(err)
		}
		withProcs(n, func() {
			f, err = New(d, Model{})
		})
		if err != nil {
			t.Fatal(err)
		}
		if first == nil {
			first = f
			continue
		}
		for i, c := range f.Coefficients {
			if c != first.Coefficients[i] {
				t.Errorf("%d processors: %v, with one %v", n, c, first.Coefficients[i])
			}
		}
		for i, v := range f.Variances {
			if v != first.Variances[i] {
				t.Errorf("%d processors: %v, with one %v", n, v, first.Variances[i])
			}
		}
	}
}

func benchmarkModel(b *testing.B, d *Data, m Model) {
	for b.Loop() {
		f, err := New(d, m)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := f.Tests(KenwardRoger, 0.95); err != nil {
			b.Fatal(err)
		}
	}
}

// Three levels: 4,000 schools of 4 classes.
func BenchmarkThreeLevels400Thousand(b *testing.B) {
	d := large(400_000, 16_000, false)
	rng := rand.New(rand.NewPCG(4, 4))
	u := make([]float64, 4000)
	for s := range u {
		u[s] = 2 * rng.NormFloat64()
	}
	school := Level{Name: "School", Index: make([]int, len(d.Y))}
	for i, c := range d.Levels[0].Index {
		school.Index[i] = c / 4
		d.Arm[i] = c / 4 % 2
		d.Columns[1].Values[i] = float64(d.Arm[i])
		d.Y[i] += u[c/4]
	}
	d.Levels = []Level{school, {Name: "Class", Index: d.Levels[0].Index}}
	benchmarkModel(b, d, Model{})
}

// Pupils drawn within 4,000 schools, the arm's effect varying.
func BenchmarkSlope400Thousand(b *testing.B) {
	d := large(400_000, 4_000, false)
	rng := rand.New(rand.NewPCG(5, 4))
	u := make([]float64, 4000)
	for s := range u {
		u[s] = 2 * rng.NormFloat64()
	}
	for i := range d.Arm {
		d.Arm[i] = i % 2
		d.Columns[1].Values[i] = float64(i % 2)
		d.Y[i] += u[d.Levels[0].Index[i]] * float64(i%2)
	}
	benchmarkModel(b, d, Model{Slope: FullSlope})
}
