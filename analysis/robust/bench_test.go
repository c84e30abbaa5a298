package robust

import (
	"math/rand/v2"
	"testing"
)

// large makes a trial of pupils in schools, half of them treated.
func large(pupils, schools int) Data {
	r := rand.New(rand.NewPCG(1, 2))
	d := Data{Y: make([]float64, pupils), Cluster: make([]int, pupils)}
	x := []Column{Intercept(pupils), {"arm", make([]float64, pupils)}, {"pretest", make([]float64, pupils)}, {"fsm", make([]float64, pupils)}}
	effect := make([]float64, schools)
	for s := range effect {
		effect[s] = r.NormFloat64()
	}
	for i := range pupils {
		s := i * schools / pupils
		d.Cluster[i] = s
		x[1].Values[i] = float64(s % 2)
		x[2].Values[i] = 100 + 15*r.NormFloat64()
		x[3].Values[i] = float64(r.IntN(2))
		d.Y[i] = 0.3*x[1].Values[i] + 0.03*x[2].Values[i] + 0.4*effect[s] + r.NormFloat64()
	}
	d.X = x
	return d
}

func benchmarkCR2(b *testing.B, pupils, schools int) {
	d := large(pupils, schools)
	b.ResetTimer()
	for b.Loop() {
		f, err := Least(d)
		if err != nil {
			b.Fatal(err)
		}
		in, err := f.Inference(CR2)
		if err != nil {
			b.Fatal(err)
		}
		if _, err := in.Coefficients(0.95); err != nil {
			b.Fatal(err)
		}
	}
}

func BenchmarkCR2RLC(b *testing.B)      { benchmarkCR2(b, 5_000, 114) }
func BenchmarkCR2Of400000(b *testing.B) { benchmarkCR2(b, 400_000, 4_000) }
func BenchmarkCR2Of2M(b *testing.B)     { benchmarkCR2(b, 2_000_000, 10_000) }
