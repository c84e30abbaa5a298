package robust

import (
	"math"
	"math/rand/v2"
	"testing"
)

// Judged on the shared design, the first stage is what it is fitted and judged
// alone.
func TestStagesShareTheirDesign(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 9))
	const n = 240
	var y, got, z, x, w []float64
	var cluster []int
	for i := range n {
		c := (i * 7) % 16
		arm := float64(c % 2)
		u := rng.NormFloat64()
		cluster, z, x = append(cluster, c), append(z, arm), append(x, rng.NormFloat64())
		got = append(got, arm*float64(rng.IntN(6))+0.2*u)
		y, w = append(y, got[i]+x[i]+u), append(w, 0.5+rng.Float64())
	}
	covariates := []Column{Intercept(n), {Name: "x", Values: x}}
	for _, weights := range [][]float64{nil, w} {
		iv, err := TwoStage(IVData{Y: y, X: append(covariates[:2:2], Column{Name: "got", Values: got}), Endogenous: []string{"got"}, Instruments: []Column{{Name: "z", Values: z}}, Cluster: cluster, Weights: weights})
		if err != nil {
			t.Fatal(err)
		}
		alone, err := Least(Data{Y: got, X: append(covariates[:2:2], Column{Name: "z", Values: z}), Cluster: cluster, Weights: weights})
		if err != nil {
			t.Fatal(err)
		}
		for _, v := range Variances {
			want, err := alone.Inference(v)
			if err != nil {
				t.Fatal(err)
			}
			shared, err := iv.stages(v)
			if err != nil {
				t.Fatal(err)
			}
			a, err := want.Coefficient("z", 0.95)
			if err != nil {
				t.Fatal(err)
			}
			b, err := shared.first[0].Coefficient("z", 0.95)
			if err != nil {
				t.Fatal(err)
			}
			for _, pair := range [][2]float64{{a.Estimate, b.Estimate}, {a.SE, b.SE}, {a.DF, b.DF}, {a.P, b.P}} {
				if math.Abs(pair[0]-pair[1]) > 1e-12*math.Abs(pair[0]) {
					t.Errorf("%s, weighted %v: %v shared, %v alone", v, weights != nil, pair[1], pair[0])
				}
			}
		}
	}
}
