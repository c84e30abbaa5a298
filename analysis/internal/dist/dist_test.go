package dist

import (
	"math"
	"testing"

	"evenhand/analysis/internal/golden"
)

// Values from R 4.2: qt(.975, df), 2*pt(-t, df), pf(f, d1, d2, lower=FALSE);
// for df = 1e9 the Cornish–Fisher sum to 40 digits.
func TestAgainstR(t *testing.T) {
	for _, c := range []struct{ df, want float64 }{
		{1, 12.706204736174698}, {2, 4.3026527297494637}, {10, 2.2281388519862744},
		{58, 2.0017174841452352}, {1e9, 1.9599639869123251}, {math.Inf(1), 1.9599639845400543},
	} {
		golden.Close(t, "TCritical", TCritical(0.95, c.df), c.want, 2e-13)
	}
	golden.Close(t, "FSurvival(30,3,98)", FSurvival(30, 3, 98), 7.6189e-14, 1e-4)
	golden.Close(t, "NormalQuantile", NormalQuantile(.975), 1.9599639845400543, 1e-15)
	golden.Close(t, "tail", NormalTwoSided(10), 1.523970604832105e-23, 1e-12)
}

// The reference models hold t, df and p to 20 digits.
func TestPValuesOfReferenceModels(t *testing.T) {
	n := 0
	models := golden.Mixed(t).At("models")
	for _, id := range models.Keys() {
		m := models.At(id)
		if !m.Has("truth_40digit_arithmetic", "tests") {
			continue
		}
		tests := m.At("truth_40digit_arithmetic", "tests")
		for _, name := range tests.Keys() {
			for _, method := range tests.At(name).Keys() {
				c := tests.At(name, method)
				df, tv := c.At("df").Float(), c.At("t").Float()
				golden.Close(t, id+" "+name+" "+method, TTwoSided(tv, df), c.At("p").Float(), 1e-11)
				n++
			}
		}
	}
	golden.AtLeast(t, "p-values", n, 60)
}

// The series and the incomplete beta function meet at the border.
func TestNoStepAtTheBorder(t *testing.T) {
	for _, tv := range []float64{0.01, 0.5, 1, 1.96, 3, 5, 8} {
		golden.Close(t, "tail", TTwoSided(tv, seriesFrom*(1+1e-9)), TTwoSided(tv, seriesFrom*(1-1e-9)), 1e-9)
	}
	golden.Close(t, "quantile", TCritical(.95, seriesFrom*(1+1e-9)), TCritical(.95, seriesFrom*(1-1e-9)), 1e-10)
}

func TestQuantileInvertsTail(t *testing.T) {
	n := 0
	for _, df := range []float64{0.3, 0.9, 1, 1.5, 2.2, 5, 17.7, 120, 5e3, 9e4, 3e5, 1e8} {
		for _, level := range []float64{0.5, 0.8, 0.9, 0.95, 0.99, 0.999999} {
			golden.Close(t, "TTwoSided(TCritical)", TTwoSided(TCritical(level, df), df), 1-level, 1e-9)
			n++
		}
	}
	golden.AtLeast(t, "inversions", n, 72)
}

func TestNoncentralT(t *testing.T) {
	cases := golden.Statistics(t).At("s10_distributions", "noncentral_t_cdf")
	for i := 0; i < cases.Len(); i++ {
		c := cases.Index(i)
		golden.Near(t, "noncentral t", NoncentralTCDF(c.At("t").Float(), c.At("df").Float(), c.At("ncp").Float()), c.At("cdf_integral").Float(), 1e-12)
	}
	golden.AtLeast(t, "noncentral t probabilities", cases.Len(), 72)
	n := 0
	for _, df := range []float64{2.001, 3, 9.3, 38, 186, 5000, 1e6} {
		for _, tv := range []float64{-3, 0, 0.4, 2.5, 12, 45} {
			for _, p := range []float64{.025, .5, .975} {
				golden.Near(t, "noncentrality", NoncentralTCDF(tv, df, NoncentralityAt(tv, df, p)), p, 1e-11)
				n++
			}
		}
	}
	golden.AtLeast(t, "noncentralities", n, 126)
}
