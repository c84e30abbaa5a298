package describe

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/stat/distuv"

	"evenhand/analysis"
)

// ICC is the intra-cluster correlation of raw scores by one-way analysis of
// variance, with the intervals that the literature uses. Unlike that of a mixed
// model it can be negative. Where arms differ, give each row's arm, so that the
// difference between arms is not taken for one between schools.
type ICC struct {
	Schools int     `json:"schools"`
	N       int     `json:"n"`
	MSB     float64 `json:"ms_between"`
	MSW     float64 `json:"ms_within"`
	F       float64 `json:"f"`
	N0      float64 `json:"n0"`  // the size that equal schools would have to have
	Value   float64 `json:"icc"` // (MSB − MSW)/(MSB + (n0 − 1)MSW)
	Between float64 `json:"variance_between"`
	// Searle is the interval from the F ratio, exact for equal sizes (Searle 1971),
	// with n0 for unequal ones (Thomas and Hultquist 1978). It is zero with arms,
	// as are the variances below.
	Searle analysis.Interval `json:"searle"`
	// VarSmith and VarSwiger are the large-sample variances of Smith (1956) and
	// Swiger et al. (1964), with their intervals.
	VarSmith  float64           `json:"var_smith"`
	VarSwiger float64           `json:"var_swiger"`
	Smith     analysis.Interval `json:"smith"`
	Swiger    analysis.Interval `json:"swiger"`
	// DesignEffect is 1 + (Σn²/N − 1)ρ, for means over pupils.
	DesignEffect float64 `json:"design_effect"`
}

// IntraCluster works out the ICC of values by cluster (any whole numbers). arm is
// nil, or gives the arm of each row; observed nil means that all were. level is
// that of the intervals, in (0,1).
func IntraCluster(values []float64, observed []bool, cluster, arm []int, level float64) (ICC, error) {
	c, err := intraCluster(values, observed, cluster, arm, level)
	if err != nil {
		return ICC{}, fmt.Errorf("intra-cluster correlation: %w", err)
	}
	return c, nil
}

func intraCluster(values []float64, observed []bool, cluster, arm []int, level float64) (ICC, error) {
	if len(cluster) != len(values) || arm != nil && len(arm) != len(values) {
		return ICC{}, fmt.Errorf("%d values, %d schools, %d arms: there must be one of each a row", len(values), len(cluster), len(arm))
	}
	if !(level > 0 && level < 1) {
		return ICC{}, fmt.Errorf("a confidence level of %v is not between 0 and 1", level)
	}
	if _, err := keep(values, observed); err != nil {
		return ICC{}, err
	}
	type group struct {
		n, sum float64
		arm    int
	}
	schools, arms := map[int]*group{}, map[int]*group{}
	var order []*group
	shift, started := 0.0, false // a common part of all values costs no digits
	for i, v := range values {
		if observed != nil && !observed[i] {
			continue
		}
		if !started {
			shift, started = v, true
		}
		a := 0
		if arm != nil {
			a = arm[i]
		}
		g := schools[cluster[i]]
		if g == nil {
			g = &group{arm: a}
			schools[cluster[i]] = g
			order = append(order, g)
		}
		if g.arm != a {
			return ICC{}, fmt.Errorf("school %d is in two arms", cluster[i])
		}
		if arms[a] == nil {
			arms[a] = &group{}
		}
		g.n, g.sum = g.n+1, g.sum+v-shift
		arms[a].n, arms[a].sum = arms[a].n+1, arms[a].sum+v-shift
	}
	k, h := float64(len(order)), float64(len(arms))
	n, within, between := 0.0, 0.0, 0.0
	for i, v := range values {
		if observed != nil && !observed[i] {
			continue
		}
		g := schools[cluster[i]]
		d := v - shift - g.sum/g.n
		within += d * d
		n++
	}
	s2, s3, lost := 0.0, 0.0, 0.0
	byArm := map[int]float64{}
	for _, g := range order {
		d := g.sum/g.n - arms[g.arm].sum/arms[g.arm].n
		between += g.n * d * d
		s2 += g.n * g.n
		s3 += g.n * g.n * g.n
		byArm[g.arm] += g.n * g.n
	}
	for a, s := range byArm {
		lost += s / arms[a].n
	}
	if k <= h || n <= k {
		return ICC{}, fmt.Errorf("%g values in %g schools: there must be more schools than arms and more values than schools", n, k)
	}
	c := ICC{Schools: len(order), N: int(n), MSB: between / (k - h), MSW: within / (n - k), N0: (n - lost) / (k - h)}
	if !(c.MSW > 0) {
		return ICC{}, errors.New("the values do not vary within schools")
	}
	c.F = c.MSB / c.MSW
	c.Between = (c.MSB - c.MSW) / c.N0
	c.Value = (c.MSB - c.MSW) / (c.MSB + (c.N0-1)*c.MSW)
	c.DesignEffect = 1 + (s2/n-1)*c.Value
	if arm != nil && h > 1 {
		return c, nil
	}
	rho, n0 := c.Value, c.N0
	tail := (1 - level) / 2
	f := distuv.F{D1: k - 1, D2: n - k}
	limit := func(q float64) float64 { return (c.F/q - 1) / (c.F/q + n0 - 1) }
	c.Searle = analysis.Interval{Low: limit(f.Quantile(1 - tail)), High: limit(f.Quantile(tail)), Level: level, Method: "F ratio (Searle)"}
	one := 1 - rho
	c.VarSmith = 2 * one * one / (n0 * n0) * (sq(1+rho*(n0-1))/(n-k) + ((k-1)*one*(1+rho*(2*n0-1))+rho*rho*(s2-2*s3/n+s2*s2/(n*n)))/((k-1)*(k-1)))
	c.VarSwiger = 2 * (n - 1) * one * one * sq(1+(n0-1)*rho) / (n0 * n0 * (n - k) * (k - 1))
	z := distuv.UnitNormal.Quantile(1 - tail)
	wald := func(v float64, method string) analysis.Interval {
		half := z * math.Sqrt(v)
		return analysis.Interval{Low: rho - half, High: rho + half, Level: level, Method: method}
	}
	c.Smith, c.Swiger = wald(c.VarSmith, "normal (Smith)"), wald(c.VarSwiger, "normal (Swiger)")
	return c, nil
}

func sq(x float64) float64 { return x * x }
