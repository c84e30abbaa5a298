package scale

import (
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"

	"evenhand/analysis"
	"evenhand/analysis/internal/dist"
)

// Agreement is how far raters agree on the same people, as intra-class
// correlations (Shrout and Fleiss, Psychological Bulletin 86(2), 1979).
type Agreement struct {
	Raters  int `json:"raters"`
	N       int `json:"n"`       // people whom every rater rated
	Missing int `json:"missing"` // people whom some did not

	// Single rates one rater's ratings, Mean the mean of all raters': each by who
	// the raters are, in the order of RaterKind.
	Single []Rating `json:"single"`
	Mean   []Rating `json:"mean"`
}

// RaterKind says who the raters are.
type RaterKind string

// The kinds: each person has raters of their own; the same raters rate everybody
// and are a sample of raters, so that a strict one counts against agreement; or
// they are the only raters of interest, and a constant strictness is no matter.
const (
	OwnRaters    RaterKind = "own raters"     // ICC(1,1), ICC(1,k)
	RandomRaters RaterKind = "random, shared" // ICC(2,1), ICC(2,k)
	FixedRaters  RaterKind = "fixed, shared"  // ICC(3,1), ICC(3,k); for means this is Cronbach's alpha
)

// Rating is one coefficient, with the F test that it is 0. It may be negative:
// people then differ less than chance alone would make them.
type Rating struct {
	Kind     RaterKind         `json:"kind"`
	ICC      float64           `json:"icc"`
	F        float64           `json:"f"`
	DF1      float64           `json:"df1"`
	DF2      float64           `json:"df2"`
	P        float64           `json:"p"`
	Interval analysis.Interval `json:"interval"`
}

// Raters judges two raters or more by the people whom all of them rated: each
// Item is one rater's ratings. low and high are as for Of.
func Raters(raters []Item, low, high, level float64) (Agreement, error) {
	a, err := agreement(raters, low, high, level)
	if err != nil {
		return Agreement{}, fmt.Errorf("agreement of raters: %w", err)
	}
	return a, nil
}

func agreement(raters []Item, low, high, level float64) (Agreement, error) {
	if err := check(raters, low, high); err != nil {
		return Agreement{}, err
	}
	if len(raters) < 2 {
		return Agreement{}, fmt.Errorf("agreement needs at least two raters, and there is %d", len(raters))
	}
	if !(level > 0 && level < 1) {
		return Agreement{}, fmt.Errorf("a confidence level of %v is not between 0 and 1", level)
	}
	rows := complete(raters, low, high)
	a := Agreement{Raters: len(raters), N: len(rows), Missing: len(raters[0].Values) - len(rows)}
	if a.N < 2 {
		return Agreement{}, fmt.Errorf("%d people were rated by every rater; there must be at least two", a.N)
	}
	n, k := float64(a.N), float64(a.Raters)
	// Mean squares of the two-way layout, from deviations: between people,
	// between raters, and of what is left.
	grand, byRater := 0.0, make([]float64, a.Raters)
	for _, row := range rows {
		for j, v := range row {
			grand += v / (n * k)
			byRater[j] += v / n
		}
	}
	var people, raterSum, rest float64
	for _, row := range rows {
		mean := 0.0
		for _, v := range row {
			mean += v / k
		}
		people += k * (mean - grand) * (mean - grand)
		for j, v := range row {
			e := v - mean - byRater[j] + grand
			rest += e * e
		}
	}
	for _, m := range byRater {
		raterSum += n * (m - grand) * (m - grand)
	}
	msb, msj, mse := people/(n-1), raterSum/(k-1), rest/((n-1)*(k-1))
	msw := (raterSum + rest) / (n * (k - 1))
	switch {
	case !(msb > 0):
		return Agreement{}, fmt.Errorf("the people do not differ: there is nothing to agree on")
	case !(mse > 1e-14*msb):
		return Agreement{}, fmt.Errorf("the raters do not differ, but for a constant: their agreement is perfect, and has no interval")
	}
	tail := (1 - level) / 2
	quantile := func(p, df1, df2 float64) float64 { return distuv.F{D1: df1, D2: df2}.Quantile(p) }
	add := func(kind RaterKind, single, mean, f, df2, low, high float64, method string) {
		p := dist.FSurvival(f, n-1, df2)
		of := func(x, low, high float64) Rating {
			return Rating{kind, x, f, n - 1, df2, p, analysis.Interval{Low: low, High: high, Level: level, Method: method}}
		}
		// The mean of k ratings by the Spearman-Brown formula, which the interval's ends
		// follow.
		up := func(x float64) float64 { return k * x / (1 + (k-1)*x) }
		a.Single, a.Mean = append(a.Single, of(single, low, high)), append(a.Mean, of(mean, up(low), up(high)))
	}
	exact := func(f, df2 float64) (low, high float64) {
		fl, fu := f/quantile(1-tail, n-1, df2), f*quantile(1-tail, df2, n-1)
		return (fl - 1) / (fl + k - 1), (fu - 1) / (fu + k - 1)
	}
	low1, high1 := exact(msb/msw, n*(k-1))
	add(OwnRaters, (msb-msw)/(msb+(k-1)*msw), (msb-msw)/msb, msb/msw, n*(k-1), low1, high1, "Shrout-Fleiss, F")
	icc2 := (msb - mse) / (msb + (k-1)*mse + k*(msj-mse)/n)
	// Satterthwaite's degrees of freedom of the denominator, with F of the raters.
	fj := msj / mse
	c := n*(1+(k-1)*icc2) - k*icc2
	v := (k - 1) * (n - 1) * (k*icc2*fj + c) * (k*icc2*fj + c) / ((n-1)*k*k*icc2*icc2*fj*fj + c*c)
	f1, f2 := quantile(1-tail, n-1, v), quantile(1-tail, v, n-1)
	low2 := n * (msb - f1*mse) / (f1*(k*msj+(k*n-k-n)*mse) + n*msb)
	high2 := n * (f2*msb - mse) / (k*msj + (k*n-k-n)*mse + n*f2*msb)
	add(RandomRaters, icc2, (msb-mse)/(msb+(msj-mse)/n), msb/mse, (n-1)*(k-1), low2, high2, "Shrout-Fleiss, F with Satterthwaite's df")
	low3, high3 := exact(msb/mse, (n-1)*(k-1))
	add(FixedRaters, (msb-mse)/(msb+(k-1)*mse), (msb-mse)/msb, msb/mse, (n-1)*(k-1), low3, high3, "Shrout-Fleiss, F")
	for _, all := range [][]Rating{a.Single, a.Mean} {
		for _, r := range all {
			if math.IsNaN(r.ICC) || math.IsInf(r.ICC, 0) || math.IsNaN(r.Interval.Low) || math.IsNaN(r.Interval.High) {
				return Agreement{}, fmt.Errorf("with %d people and %d raters the coefficient of %s raters cannot be worked out", a.N, a.Raters, r.Kind)
			}
		}
	}
	return a, nil
}
