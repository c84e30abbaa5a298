package robust

import (
	"math"
	"math/rand/v2"
	"testing"

	"gonum.org/v1/gonum/mat"
	"pgregory.net/rapid"

	"evenhand/analysis/internal/golden"
)

// random makes a small trial: schools of 1 to 6 pupils, some columns, perhaps
// weights that differ from pupil to pupil. Its numbers come from a drawn seed, so
// that they are never degenerate.
func random(t *rapid.T, weighted bool) Data {
	g := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 7))
	var d Data
	arm, x, z := Column{Name: "arm"}, Column{Name: "x"}, Column{Name: "z"}
	for s := range 5 + g.IntN(5) {
		level := g.NormFloat64()
		for range 1 + g.IntN(6) {
			d.Cluster = append(d.Cluster, s)
			arm.Values = append(arm.Values, float64(s%2))
			x.Values = append(x.Values, g.NormFloat64())
			z.Values = append(z.Values, level)
			d.Y = append(d.Y, 2*g.NormFloat64()+level)
			if weighted {
				d.Weights = append(d.Weights, 0.2+5*g.Float64())
			}
		}
	}
	d.X = []Column{Intercept(len(d.Y)), arm, x, z}
	return d
}

// dense works CR2 out by its definition, with matrices as large as the data.
func dense(d Data, coefficient int) (variance, df float64, ok bool) {
	n, k := len(d.Y), len(d.X)
	x := mat.NewDense(n, k, nil)
	w := mat.NewDiagDense(n, nil)
	for i := range n {
		w.SetDiag(i, 1)
		if d.Weights != nil {
			w.SetDiag(i, d.Weights[i])
		}
		for j := range k {
			x.Set(i, j, d.X[j].Values[i])
		}
	}
	var wx, xwx, p mat.Dense
	wx.Mul(w, x)
	xwx.Mul(x.T(), &wx)
	if p.Inverse(&xwx) != nil {
		return 0, 0, false
	}
	var px, h, left mat.Dense // H = X P X'W
	px.Mul(x, &p)
	h.Mul(&px, wx.T())
	left.Scale(-1, &h)
	for i := range n {
		left.Set(i, i, left.At(i, i)+1)
	}
	y := mat.NewVecDense(n, d.Y)
	var e mat.VecDense
	e.MulVec(&left, y)
	schools := d.Cluster[n-1] + 1
	columns := make([]*mat.VecDense, 0, schools)
	for s := range schools {
		var rows []int
		for i, c := range d.Cluster {
			if c == s {
				rows = append(rows, i)
			}
		}
		m := len(rows)
		part := mat.NewDense(m, n, nil)
		for a, r := range rows {
			part.SetRow(a, left.RawRowView(r))
		}
		var b mat.Dense
		b.Mul(part, part.T())
		sym := mat.NewSymDense(m, nil)
		for a := range m {
			for c := range a + 1 {
				sym.SetSym(a, c, b.At(a, c))
			}
		}
		var eig mat.EigenSym
		if !eig.Factorize(sym, true) {
			return 0, 0, false
		}
		var u mat.Dense
		eig.VectorsTo(&u)
		adjust := mat.NewDense(m, m, nil)
		for l, v := range eig.Values(nil) {
			if v > 1e-9 && v < 1e-5 || v > fullLeverage/10 && v <= 1e-9 {
				return 0, 0, false // too near to being dropped to compare
			}
			if v < fullLeverage {
				continue
			}
			for a := range m {
				for c := range m {
					adjust.Set(a, c, adjust.At(a, c)+u.At(a, l)*u.At(c, l)/math.Sqrt(v))
				}
			}
		}
		// Row of c'PX_j'W_j A_j.
		weight := mat.NewVecDense(m, nil)
		for a, r := range rows {
			v := 0.0
			for j := range k {
				v += p.At(coefficient, j) * wx.At(r, j)
			}
			weight.SetVec(a, v)
		}
		var adjusted mat.VecDense
		adjusted.MulVec(adjust.T(), weight)
		score := 0.0
		for a, r := range rows {
			score += adjusted.AtVec(a) * e.AtVec(r)
		}
		variance += score * score
		var col mat.VecDense
		col.MulVec(part.T(), &adjusted)
		columns = append(columns, &col)
	}
	trace, squares := 0.0, 0.0
	for i, a := range columns {
		for j, b := range columns {
			v := mat.Dot(a, b)
			squares += v * v
			if i == j {
				trace += v
			}
		}
	}
	return variance, trace * trace / squares, true
}

func TestCR2IsItsDefinition(t *testing.T) {
	tried := 0
	rapid.Check(t, func(rt *rapid.T) {
		d := random(rt, rapid.Bool().Draw(rt, "weighted"))
		f, err := Least(d)
		if err != nil || f.d.near < 1e-4 {
			return // drawn collinear, or nearly
		}
		in, err := f.Inference(CR2)
		if err != nil {
			rt.Fatal(err)
		}
		variance, df, ok := dense(d, 1)
		if !ok || variance < 1e-12 {
			return
		}
		tried++
		if golden.RelDiff(in.Vcov[1][1], variance) > 1e-6 {
			rt.Fatalf("variance %v, by definition %v", in.Vcov[1][1], variance)
		}
		got, err := in.SatterthwaiteDF([]float64{0, 1, 0, 0})
		if err != nil || golden.RelDiff(got, df) > 1e-6 {
			rt.Fatalf("degrees of freedom %v, by definition %v (%v)", got, df, err)
		}
	})
	golden.AtLeast(t, "random trials", tried, 50)
}

func TestUnitsAndArms(t *testing.T) {
	rapid.Check(t, func(rt *rapid.T) {
		d := random(rt, rapid.Bool().Draw(rt, "weighted"))
		f, err := Least(d)
		if err != nil || f.d.near < 1e-3 || f.Sigma < 1e-3 {
			return
		}
		scale, shift := rapid.Float64Range(0.1, 10).Draw(rt, "scale"), rapid.Float64Range(-100, 100).Draw(rt, "shift")
		other := d
		other.Y = nil
		for _, y := range d.Y {
			other.Y = append(other.Y, scale*y+shift)
		}
		swapped := Column{Name: "arm"}
		for _, a := range d.X[1].Values {
			swapped.Values = append(swapped.Values, 1-a)
		}
		other.X = []Column{d.X[0], swapped, d.X[2], d.X[3]}
		g, err := Least(other)
		if err != nil {
			rt.Fatal(err)
		}
		for _, v := range Variances {
			a, errA := f.Inference(v)
			b, errB := g.Inference(v)
			if errA != nil || errB != nil {
				if (errA == nil) != (errB == nil) {
					rt.Fatalf("%s: %v and %v", v, errA, errB)
				}
				continue
			}
			x, errX := a.Coefficient("arm", 0.95)
			y, errY := b.Coefficient("arm", 0.95)
			if errX != nil || errY != nil || x.SE < 1e-9 {
				continue
			}
			if math.Abs(y.Estimate+scale*x.Estimate) > 1e-6*scale*(math.Abs(x.Estimate)+x.SE) || golden.RelDiff(y.SE, scale*x.SE) > 1e-5 || golden.RelDiff(y.DF, x.DF) > 1e-5 {
				rt.Fatalf("%s: %+v and %+v at scale %v", v, x, y, scale)
			}
		}
	})
}
