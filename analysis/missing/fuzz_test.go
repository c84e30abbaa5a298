package missing

import (
	"encoding/binary"
	"math"
	"testing"
)

// FuzzImpute feeds arbitrary small data to the sampler, the logistic model and the
// bounds: never a panic, an endless loop, or a NaN.
func FuzzImpute(f *testing.F) {
	f.Add([]byte("thirty-two bytes make four rows.thirty-two bytes make four rows!thirty-two bytes make four rows.thirty-two bytes make four rows!"), byte(0))
	f.Add(make([]byte, 320), byte(7))
	f.Fuzz(func(t *testing.T, raw []byte, flags byte) {
		if len(raw) > 1200 {
			return
		}
		number := func(b []byte) float64 {
			if b[0]&7 != 0 {
				return float64(int8(b[1]))
			}
			return math.Float64frombits(uint64(binary.LittleEndian.Uint32(b)) << 32)
		}
		var m Model
		y, x, z := Variable{Name: "y", Kind: Continuous}, Variable{Name: "x", Kind: Continuous, School: flags&1 == 1}, Variable{Name: "z", Kind: Binary}
		p := Predictor{Name: "arm"}
		var treated []bool
		for len(raw) >= 16 {
			school := int(raw[4] & 3)
			m.Cluster = append(m.Cluster, school)
			y.Values, y.Observed = append(y.Values, number(raw)), append(y.Observed, raw[5]&3 != 0)
			v := number(raw[8:])
			if x.School {
				v = float64(school * 3)
			}
			x.Values, x.Observed = append(x.Values, v), append(x.Observed, raw[6]&3 != 0)
			z.Values, z.Observed = append(z.Values, float64(raw[7]&1)), append(z.Observed, raw[7]&6 != 0)
			p.Values = append(p.Values, float64(raw[12]&1))
			treated = append(treated, raw[12]&1 == 1)
			if flags&2 != 0 {
				m.ByArm = append(m.ByArm, int(raw[12]&1))
			}
			raw = raw[16:]
		}
		m.Incomplete = []Variable{y, x}
		if flags&4 != 0 {
			m.Incomplete = append(m.Incomplete, z)
		}
		if m.ByArm == nil {
			m.Predictors = []Predictor{p}
		}
		m.BurnIn, m.Between, m.Imputations = 5, 2, 2
		bad := func(v ...float64) bool {
			for _, x := range v {
				if math.IsNaN(x) || math.IsInf(x, 0) {
					return true
				}
			}
			return false
		}
		if im, err := Impute(m); err == nil {
			for _, s := range im.Sets {
				for _, v := range s.Values {
					for i, x := range v {
						if bad(x) {
							t.Fatalf("row %d imputed as %v", i, x)
						}
					}
				}
			}
		}
		if l, err := FitLogistic(y.Observed, []Predictor{p}, m.Cluster, 0.95); err == nil {
			for _, term := range l.Terms {
				if bad(term.Estimate, term.SE, term.Robust, term.P, term.Interval.Low) {
					t.Fatalf("%+v", term)
				}
			}
		}
		if b, err := BoundLee(y.Values, y.Observed, treated, 0.95); err == nil && bad(b.Low, b.High, b.SELow, b.SEHigh, b.Interval.Low) {
			t.Fatalf("%+v", b)
		}
	})
}
