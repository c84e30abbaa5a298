package power

import (
	"errors"
	"fmt"
	"math"
)

// MDES is the minimum detectable effect size of a design.
type MDES struct {
	Design Design `json:"design"`
	// MDES is (t₁ + t₂)·SE, the field's approximation, with t₁ the test's
	// critical value and t₂ the t quantile of the power (subtracted where the
	// power wanted is below one half).
	MDES float64 `json:"mdes"`
	// Exact is the effect whose power is exactly the one wanted.
	Exact float64 `json:"mdes_exact"`
	Low   float64 `json:"ci_low"`  // MDES − t₁·SE: the interval that an estimate of the MDES would have
	High  float64 `json:"ci_high"` // MDES + t₁·SE
	SE    float64 `json:"se"`
	// DF is the degrees of freedom; 0 where the normal distribution was asked for.
	DF     float64 `json:"df"`
	Inputs Inputs  `json:"inputs"`
}

// Detectable gives the minimum detectable effect size.
func Detectable(in Inputs) (MDES, error) {
	se, df, err := in.ready("")
	if err != nil {
		return MDES{}, fmt.Errorf("minimum detectable effect size: %w", err)
	}
	t1 := critical(in.Alpha, in.Tails, df)
	m := MDES{Design: in.Design, SE: se, DF: finite(df), Inputs: in, MDES: multiplier(in, df) * se}
	m.Low, m.High = m.MDES-t1*se, m.MDES+t1*se
	m.Exact, err = exactMultiplier(in, df)
	if err != nil {
		return MDES{}, fmt.Errorf("minimum detectable effect size: %w", err)
	}
	m.Exact *= se
	return m, nil
}

// multiplier is t₁ ± t₂.
func multiplier(in Inputs, df float64) float64 {
	t1 := critical(in.Alpha, in.Tails, df)
	t2 := math.Abs(critical(1-in.Power, 1, df))
	if in.Power >= 0.5 {
		return t1 + t2
	}
	return t1 - t2
}

// exactMultiplier is the noncentrality at which the power is the one wanted.
func exactMultiplier(in Inputs, df float64) (float64, error) {
	if in.Tails == 2 && in.Power <= in.Alpha {
		return 0, fmt.Errorf("a two-sided test at %v has at least that power whatever the effect; ask for more than %v", in.Alpha, in.Power)
	}
	f := func(delta float64) float64 { return powerAt(delta, in.Alpha, in.Tails, df) - in.Power }
	low, high := 0.0, 1.0
	for f(high) < 0 {
		low, high = high, 2*high
		if high > 1e6 {
			return 0, errors.New("no effect has the power wanted")
		}
	}
	for in.Tails == 1 && f(low) > 0 { // a one-sided test can have its power below zero effect
		high, low = low, low-1
	}
	return root(f, low, high), nil
}

// root finds where an increasing f crosses zero between low and high, by
// bisection with secant steps (Illinois).
func root(f func(float64) float64, low, high float64) float64 {
	fl, fh := f(low), f(high)
	side := 0
	for range 200 {
		if fl == 0 {
			return low
		}
		x := (low*fh - high*fl) / (fh - fl)
		if !(x > low && x < high) {
			x = low + (high-low)/2
		}
		if high-low <= 4e-16*math.Max(math.Abs(low), math.Abs(high)) || x == low || x == high {
			return x
		}
		switch fx := f(x); {
		case fx == 0:
			return x
		case fx < 0:
			low, fl = x, fx
			if side == -1 {
				fh /= 2
			}
			side = -1
		default:
			high, fh = x, fx
			if side == 1 {
				fl /= 2
			}
			side = 1
		}
	}
	return low + (high-low)/2
}

// Power is the probability that a design finds an effect significant.
type Power struct {
	Design Design  `json:"design"`
	Power  float64 `json:"power"`
	Effect float64 `json:"effect"` // in SDs
	SE     float64 `json:"se"`
	DF     float64 `json:"df"` // 0 where the normal distribution was asked for
	Inputs Inputs  `json:"inputs"`
}

// Of gives the exact power for an effect size.
func Of(in Inputs, effect float64) (Power, error) {
	if math.IsNaN(effect) || math.IsInf(effect, 0) {
		return Power{}, fmt.Errorf("power: an effect of %v is not a number of standard deviations", effect)
	}
	se, df, err := in.ready("")
	if err != nil {
		return Power{}, fmt.Errorf("power: %w", err)
	}
	return Power{Design: in.Design, Power: powerAt(effect/se, in.Alpha, in.Tails, df), Effect: effect, SE: se, DF: finite(df), Inputs: in}, nil
}

// Unit says which number a required size is of.
type Unit string

// The units, as the field of Inputs that they fill.
const (
	UnitSize     Unit = "size"     // pupils in each lowest unit, or in all
	UnitClusters Unit = "clusters" // level-2 units
	UnitTop      Unit = "top"      // level-3 units
)

// UnitOf is the number that a required size is of: that of the units that the
// degrees of freedom count, where there is a choice.
func UnitOf(d Design) Unit {
	switch d {
	case Individual, BlockedConstant, BlockedFixed, IndividualNested:
		return UnitSize
	case BlockedRandom, Clustered, BlockedClusteredFixed, BlockedNested, ClusteredNested, Communities:
		return UnitClusters
	}
	return UnitTop
}

// Size is the number of units needed.
type Size struct {
	Design   Design  `json:"design"`
	Unit     Unit    `json:"unit"`
	Required int     `json:"required"` // of Unit: the smallest whole number whose exact power is at least the one wanted
	Clusters int     `json:"clusters"` // level-2 units in all, or pupils where none is randomised in clusters
	Treated  int     `json:"treated"`  // of the units that are randomised, rounded up (within each block, for blocked designs)
	Control  int     `json:"control"`  // the same, control; with Treated it may exceed Required by one
	Power    float64 `json:"power"`    // exact, at Required
	// Approximate is the answer of the two-t approximation before rounding;
	// rounded, as the field's tables are, it can be one unit short.
	Approximate float64 `json:"approximate"`
	Effect      float64 `json:"effect"`
	DF          float64 `json:"df"` // at Required; 0 where the normal distribution was asked for
	Inputs      Inputs  `json:"inputs"`
}

// Required finds how many units are needed to detect an effect size with the
// power of the inputs; whatever the inputs say of that number is ignored.
// Losses expected are allowed for: Required counts units to be randomised.
func Required(in Inputs, effect float64) (Size, error) {
	fail := func(err error) (Size, error) { return Size{}, fmt.Errorf("required numbers: %w", err) }
	if !(effect != 0) || math.IsInf(effect, 0) || math.IsNaN(effect) {
		return fail(fmt.Errorf("an effect of %v cannot be planned for; give a number other than 0", effect))
	}
	if in.Tails == 1 && effect < 0 {
		return fail(errors.New("a one-sided test looks for effects above 0"))
	}
	effect = math.Abs(effect)
	unit := UnitOf(in.Design)
	set := func(n float64) Inputs {
		x := in
		switch unit {
		case UnitSize:
			x.Size = n
		case UnitClusters:
			x.Clusters = n
		default:
			x.Top = n
		}
		return x
	}
	if err := set(2).check(true, string(unit)); err != nil {
		return fail(err)
	}
	if in.Power <= in.Alpha {
		return fail(fmt.Errorf("a power of %v is not more than the significance level %v", in.Power, in.Alpha))
	}
	at := func(n float64) float64 {
		se, df, err := set(n).precision()
		if err != nil {
			return 0
		}
		return powerAt(effect/se, in.Alpha, in.Tails, df)
	}
	high := 1
	for at(float64(high)) < in.Power {
		high *= 2
		if high > 1<<30 {
			return fail(fmt.Errorf("no number of units reaches a power of %v: what varies between the other units is too much", in.Power))
		}
	}
	low := high / 2 // not enough, or 0
	for high-low > 1 {
		mid := low + (high-low)/2
		if at(float64(mid)) >= in.Power {
			high = mid
		} else {
			low = mid
		}
	}
	// Near a single degree of freedom power need not rise with the number.
	for high > 1 && at(float64(high-1)) >= in.Power {
		high--
	}
	final := set(float64(high))
	_, df, err := final.precision()
	if err != nil {
		return fail(err)
	}
	s := Size{Design: in.Design, Unit: unit, Required: high, Power: at(float64(high)), Effect: effect, DF: finite(df), Inputs: final}
	s.Approximate = approximate(func(n float64) (se, df float64, ok bool) {
		se, df, err := set(n).precision()
		return se, df, err == nil
	}, in, effect, float64(high))
	each := float64(high) // units randomised together
	switch in.Design {
	case BlockedRandom, Blocked3Random, BlockedNested:
		each = in.Size
	case BlockedClustered, BlockedClusterNested:
		each = in.Clusters
	}
	s.Treated, s.Control = ceil(each*in.Share), ceil(each*(1-in.Share))
	s.Clusters = high
	switch in.Design {
	case BlockedConstant, BlockedFixed:
		s.Clusters = ceil(in.Clusters)
	case BlockedClusteredFixed:
		s.Clusters = high * ceil(in.Top)
	case Clustered3, BlockedClustered, Blocked3Random, BlockedClusterNested:
		s.Clusters = high * ceil(in.Clusters)
	}
	return s, nil
}

// ceil rounds up, forgiving the rounding of a product such as 0.07·100.
func ceil(x float64) int { return int(math.Ceil(x - 1e-9)) }

// approximate solves MDES(n) = effect for a fractional n by the two-t
// approximation.
func approximate(at func(float64) (float64, float64, bool), in Inputs, effect, near float64) float64 {
	f := func(n float64) float64 { // increasing in n
		se, df, ok := at(n)
		if !ok {
			return -1
		}
		return effect - multiplier(in, df)*se
	}
	low, high := near/2, near*2
	for f(low) > 0 && low > 1e-3 {
		low /= 2
	}
	for f(high) < 0 && high < 1e12 {
		high *= 2
	}
	for range 200 {
		mid := low + (high-low)/2
		if mid == low || mid == high {
			break
		}
		if f(mid) < 0 {
			low = mid
		} else {
			high = mid
		}
	}
	return high
}

func (in Inputs) ready(free string) (se, df float64, err error) {
	if err := in.check(true, free); err != nil {
		return 0, 0, err
	}
	return in.precision()
}

func finite(df float64) float64 {
	if math.IsInf(df, 0) {
		return 0
	}
	return df
}

// UnequalSizes describes school sizes and what their being unequal costs.
type UnequalSizes struct {
	Mean         float64 `json:"mean"`
	HarmonicMean float64 `json:"harmonic_mean"`
	CV           float64 `json:"cv"` // population SD over mean
	// DesignEffect is 1 + (Σn²/Σn − 1)ρ, for means over pupils.
	DesignEffect float64 `json:"design_effect"`
	// Efficiency is that of a mixed model relative to equal sizes, exactly; the
	// number of schools is divided by it.
	Efficiency float64 `json:"efficiency"`
	Taylor     float64 `json:"efficiency_series"` // 1 − CV²L(1−L)
}

// Unequal works these out for sizes and an ICC in (0,1).
func Unequal(sizes []float64, icc float64) (UnequalSizes, error) {
	if len(sizes) == 0 || !(icc > 0 && icc < 1) {
		return UnequalSizes{}, fmt.Errorf("unequal sizes: %d schools and an ICC of %v; there must be schools, and an ICC strictly between 0 and 1", len(sizes), icc)
	}
	var sum, squares, inverse, worth float64
	a := (1 - icc) / icc
	for i, n := range sizes {
		if !(n > 0) || math.IsInf(n, 0) {
			return UnequalSizes{}, fmt.Errorf("unequal sizes: school %d has size %v; a size is positive", i+1, n)
		}
		sum, squares, inverse, worth = sum+n, squares+n*n, inverse+1/n, worth+n/(n+a)
	}
	m := float64(len(sizes))
	u := UnequalSizes{Mean: sum / m, HarmonicMean: m / inverse, DesignEffect: 1 + (squares/sum-1)*icc}
	dev := 0.0
	for _, n := range sizes {
		dev += sq(n - u.Mean)
	}
	u.CV = math.Sqrt(dev/m) / u.Mean
	u.Efficiency = (u.Mean + a) / u.Mean * worth / m
	l := u.Mean * icc / (u.Mean*icc + 1 - icc)
	u.Taylor = 1 - u.CV*u.CV*l*(1-l)
	return u, nil
}
