package missing

import (
	"errors"
	"fmt"
	"math"

	"evenhand/analysis"
	"evenhand/analysis/internal/dist"
)

// Pooled is one quantity pooled over imputations by Rubin's rules.
type Pooled struct {
	Imputations int     `json:"imputations"`
	Estimate    float64 `json:"estimate"`
	Within      float64 `json:"within"`  // mean of the squared standard errors
	Between     float64 `json:"between"` // variance of the estimates over imputations
	Total       float64 `json:"total"`   // Within + (1 + 1/m)·Between
	SE          float64 `json:"se"`
	// DFComplete is the degrees of freedom the estimate would have with nothing
	// missing; with whole schools randomised that is a number of schools. 0 means
	// infinite.
	DFComplete float64           `json:"df_complete"`
	DFOld      float64           `json:"df_rubin"` // (m−1)/λ²; 0 means infinite (estimates alike)
	DFObserved float64           `json:"df_observed"`
	DF         float64           `json:"df"` // Barnard and Rubin's; 0 means infinite
	Lambda     float64           `json:"lambda"`
	RIV        float64           `json:"relative_increase"` // of the variance through missing values
	FMI        float64           `json:"fraction_of_missing_information"`
	Efficiency float64           `json:"relative_efficiency"` // 1/(1 + λ/m)
	Statistic  float64           `json:"statistic"`
	P          float64           `json:"p"`
	Interval   analysis.Interval `json:"interval"`
}

// Pool pools estimates and their standard errors, one an imputation. dfComplete
// is the degrees of freedom with nothing missing, infinite if not known: for an
// arm given to schools take the number of schools less 2 and the school-level
// covariates, not the number of pupils.
//
// T = Ū + (1+1/m)B; λ = (1+1/m)B/T; df by Barnard and Rubin (Biometrika 86(4),
// 1999): 1/df = λ²/(m−1) + 1/df_obs, df_obs = (ν+1)/(ν+3)·ν(1−λ). Where all
// estimates are alike (B = 0) df is its limit df_obs.
func Pool(estimates, ses []float64, dfComplete, level float64) (Pooled, error) {
	m := len(estimates)
	fail := func(format string, a ...any) (Pooled, error) {
		return Pooled{}, fmt.Errorf("pool imputations: "+format, a...)
	}
	if m < 2 || len(ses) != m {
		return fail("%d estimates and %d standard errors; there must be at least two of each", m, len(ses))
	}
	if !(dfComplete > 0) {
		return fail("%v complete-data degrees of freedom; they must be positive, or infinite", dfComplete)
	}
	if !(level > 0 && level < 1) {
		return fail("a confidence level of %v is not between 0 and 1", level)
	}
	p := Pooled{Imputations: m}
	for i, q := range estimates {
		if math.IsNaN(q) || math.IsInf(q, 0) || !(ses[i] > 0) || math.IsInf(ses[i], 0) {
			return fail("imputation %d gives estimate %v with standard error %v; both must be finite and the latter positive", i+1, q, ses[i])
		}
		p.Estimate += q / float64(m)
		p.Within += ses[i] * ses[i] / float64(m)
	}
	for _, q := range estimates {
		p.Between += (q - p.Estimate) * (q - p.Estimate) / float64(m-1)
	}
	extra := (1 + 1/float64(m)) * p.Between
	p.Total = p.Within + extra
	p.SE = math.Sqrt(p.Total)
	p.Lambda, p.RIV = extra/p.Total, extra/p.Within
	p.Efficiency = 1 / (1 + p.Lambda/float64(m))
	inverse := p.Lambda * p.Lambda / float64(m-1)
	if inverse > 0 {
		p.DFOld = 1 / inverse
	}
	if !math.IsInf(dfComplete, 1) {
		p.DFComplete = dfComplete
		p.DFObserved = (dfComplete + 1) / (dfComplete + 3) * dfComplete * (1 - p.Lambda)
		inverse += 1 / p.DFObserved
	}
	df := math.Inf(1)
	if inverse > 0 {
		df = 1 / inverse
		p.DF = df
	}
	p.FMI = (p.RIV + 2/(df+3)) / (1 + p.RIV)
	p.Statistic = p.Estimate / p.SE
	p.P = dist.TTwoSided(p.Statistic, df)
	half := dist.TCritical(level, df) * p.SE
	p.Interval = analysis.Interval{Low: p.Estimate - half, High: p.Estimate + half, Level: level, Method: "t, Rubin's rules, Barnard-Rubin degrees of freedom"}
	return p, nil
}

// Joint is a test of several quantities at once over imputations.
type Joint struct {
	F   float64 `json:"f"`
	DF1 float64 `json:"df1"`
	DF2 float64 `json:"df2"`
	P   float64 `json:"p"`
	RIV float64 `json:"relative_increase"` // average over the quantities
}

// PoolD1 tests that k quantities are all zero: D1 of Li, Raghunathan and Rubin
// (JASA 86, 1991). estimates[i] and covariances[i] are those of imputation i.
func PoolD1(estimates [][]float64, covariances [][][]float64) (Joint, error) {
	m := len(estimates)
	fail := func(format string, a ...any) (Joint, error) {
		return Joint{}, fmt.Errorf("pool several quantities: "+format, a...)
	}
	if m < 2 || len(covariances) != m {
		return fail("%d sets of estimates and %d covariance matrices; there must be at least two of each", m, len(covariances))
	}
	k := len(estimates[0])
	if k == 0 {
		return fail("there are no quantities")
	}
	q, u := make([]float64, k), make([]float64, k*k)
	for i := range m {
		if len(estimates[i]) != k || len(covariances[i]) != k {
			return fail("imputation %d has %d estimates and %d rows of covariances, the first %d", i+1, len(estimates[i]), len(covariances[i]), k)
		}
		for a := range k {
			if len(covariances[i][a]) != k {
				return fail("imputation %d: row %d of the covariances has %d entries, not %d", i+1, a+1, len(covariances[i][a]), k)
			}
			q[a] += estimates[i][a] / float64(m)
			for b := range k {
				u[a*k+b] += covariances[i][a][b] / float64(m)
			}
		}
	}
	inv, ok := invert(u, k)
	if !ok {
		return fail("the average covariance matrix is not positive definite; the quantities are not independent of one another")
	}
	trace := 0.0
	for i := range m {
		for a := range k {
			for b := range k {
				trace += (estimates[i][a] - q[a]) * (estimates[i][b] - q[b]) * inv[a*k+b] / float64(m-1)
			}
		}
	}
	kk := float64(k)
	r := (1 + 1/float64(m)) * trace / kk
	j := Joint{DF1: kk, RIV: r}
	for a := range k {
		for b := range k {
			j.F += q[a] * inv[a*k+b] * q[b]
		}
	}
	j.F /= kk * (1 + r)
	t := kk * float64(m-1)
	switch {
	case r == 0:
		return fail("the imputations give the same estimates; test one of them instead")
	case t > 4:
		j.DF2 = 4 + (t-4)*sq(1+(1-2/t)/r)
	default:
		j.DF2 = t * (1 + 1/kk) * sq(1+1/r) / 2
	}
	j.P = dist.FSurvival(j.F, j.DF1, j.DF2)
	return j, nil
}

func sq(x float64) float64 { return x * x }

// Shift adds delta to the imputed values of rows that selected marks (of those
// imputed: observed values never change), giving a copy.
func Shift(completed []float64, observed []bool, selected func(row int) bool, delta float64) []float64 {
	out := append([]float64(nil), completed...)
	for i := range out {
		if !observed[i] && selected(i) {
			out[i] += delta
		}
	}
	return out
}

// DeltaPoint is the pooled estimate at one shift of the imputed values.
type DeltaPoint struct {
	Delta  float64 `json:"delta"` // in outcome units
	Pooled Pooled  `json:"pooled"`
}

// DeltaCurve gives the pooled estimate at each of several shifts.
func DeltaCurve(analyse func(delta float64) (Pooled, error), deltas []float64) ([]DeltaPoint, error) {
	out := make([]DeltaPoint, len(deltas))
	for i, d := range deltas {
		p, err := analyse(d)
		if err != nil {
			return nil, fmt.Errorf("shift the imputed values by %v: %w", d, err)
		}
		out[i] = DeltaPoint{Delta: d, Pooled: p}
	}
	return out, nil
}

// Tipping is the smallest shift at which a conclusion changes.
type Tipping struct {
	Delta float64 `json:"delta"`
	// Found is false where the conclusion holds over the whole range looked at.
	Found bool    `json:"found"`
	At    Pooled  `json:"at"`
	From  float64 `json:"from"` // the range looked at
	To    float64 `json:"to"`
	// Significant says what the conclusion was without a shift; the tipping point
	// is where it turns into the other.
	Significant bool `json:"significant"`
}

// TippingPoint looks between 0 and to (of either sign) for the shift nearest to 0
// at which P crosses alpha. analyse gives the pooled estimate at a shift. The
// range is walked in steps and the first crossing bisected.
func TippingPoint(analyse func(delta float64) (Pooled, error), to, alpha float64, steps int) (Tipping, error) {
	if to == 0 || math.IsNaN(to) || math.IsInf(to, 0) || steps < 1 || !(alpha > 0 && alpha < 1) {
		return Tipping{}, errors.New("tipping point: give a range other than 0, at least one step and a significance level between 0 and 1")
	}
	now, err := analyse(0)
	if err != nil {
		return Tipping{}, fmt.Errorf("tipping point at shift 0: %w", err)
	}
	out := Tipping{To: to, Significant: now.P <= alpha, At: now}
	low := 0.0
	for s := 1; s <= steps; s++ {
		high := to * float64(s) / float64(steps)
		p, err := analyse(high)
		if err != nil {
			return Tipping{}, fmt.Errorf("tipping point at shift %v: %w", high, err)
		}
		if (p.P <= alpha) == out.Significant {
			low = high
			continue
		}
		for range 60 {
			mid := low + (high-low)/2
			if mid == low || mid == high || math.Abs(high-low) < 1e-10*math.Abs(to) {
				break
			}
			q, err := analyse(mid)
			if err != nil {
				return Tipping{}, fmt.Errorf("tipping point at shift %v: %w", mid, err)
			}
			if (q.P <= alpha) == out.Significant {
				low = mid
			} else {
				high, p = mid, q
			}
		}
		out.Delta, out.Found, out.At = high, true, p
		return out, nil
	}
	return out, nil
}
