package robust

import (
	"encoding/binary"
	"math"
	"testing"
)

// FuzzLeast feeds arbitrary numbers: never a panic, never a NaN or an infinity in
// a result.
func FuzzLeast(f *testing.F) {
	f.Add([]byte("thirty-two bytes make four rows.thirty-two bytes make four rows!"), true, false)
	f.Add(make([]byte, 256), false, true)
	f.Fuzz(func(t *testing.T, raw []byte, weighted, absorb bool) {
		if len(raw) > 2000 {
			return
		}
		var d Data
		d.X = []Column{{Name: "(Intercept)"}, {Name: "arm"}, {Name: "x"}}
		number := func(b []byte) float64 {
			v := math.Float64frombits(uint64(binary.LittleEndian.Uint32(b)) << 32) // any magnitude
			if b[0]&3 != 0 {
				v = float64(int8(b[1])) // mostly ordinary numbers
			}
			return v
		}
		for len(raw) >= 16 {
			d.Y = append(d.Y, number(raw))
			d.X[0].Values = append(d.X[0].Values, 1)
			d.X[1].Values = append(d.X[1].Values, float64(raw[4]&1))
			d.X[2].Values = append(d.X[2].Values, number(raw[8:]))
			d.Cluster = append(d.Cluster, int(raw[5]&7))
			if weighted {
				d.Weights = append(d.Weights, float64(raw[6])/16+0.01)
			}
			raw = raw[16:]
		}
		if absorb {
			d.Absorb, d.X = d.Cluster, d.X[1:]
		}
		fit, err := Least(d)
		if err != nil {
			return
		}
		finite := func(what string, v ...float64) {
			for _, x := range v {
				if math.IsNaN(x) || math.IsInf(x, 0) {
					t.Fatalf("%s: %v from %+v", what, v, d)
				}
			}
		}
		finite("fit", append(fit.Beta, fit.RSS, fit.Sigma, fit.R2)...)
		for _, v := range Variances {
			in, err := fit.Inference(v)
			if err != nil {
				continue
			}
			cs, err := in.Coefficients(0.95)
			if err == nil {
				for _, c := range cs {
					finite(string(v), c.Estimate, c.SE, c.DF, c.Statistic, c.P, c.Interval.Low, c.Interval.High)
				}
			}
			if rows, err := fit.Pick("arm", "x"); err == nil {
				if h, err := in.HTZ(rows); err == nil {
					finite("HTZ", h.F, h.DF2, h.P)
				}
				if h, err := in.Naive(rows); err == nil {
					finite("F", h.F, h.P)
				}
			}
		}
		if b, err := fit.WildBootstrap("arm", BootstrapOptions{Level: 0.95, Replicates: 99}); err == nil {
			finite("bootstrap", b.SE, b.Statistic, b.P, b.Low, b.High)
		}
	})
}
