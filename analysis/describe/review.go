package describe

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mathext"
)

// What a reviewer of the What Works Clearinghouse works out from published
// numbers (Procedures Handbook 4.1, Appendices E and F; degrees of freedom of
// Handbook 5.0, E.21). The estimates of this project come from the data
// themselves; these serve to compare with what others computed.

// Group is one arm's published mean, SD (n − 1) and number of people.
type Group struct {
	Mean, SD float64
	N        int
}

// Standardised is an effect size from published means.
type Standardised struct {
	PooledSD    float64 `json:"pooled_sd"`
	D           float64 `json:"d"`     // difference over PooledSD
	Omega       float64 `json:"omega"` // small-sample factor
	G           float64 `json:"g"`     // ω·d
	SE          float64 `json:"se"`    // √((1−R²)(n_T+n_C)/(n_T n_C) + g²/(2N))
	Improvement float64 `json:"improvement_index"`
}

// FromMeans is Hedges' g from published means. difference overrides the raw
// difference where an adjusted one is published (nil: raw); r2 is the share of
// the outcome's variance that its covariates explain, in [0,1).
func FromMeans(t, c Group, difference *float64, r2 float64) (Standardised, error) {
	if t.N < 2 || c.N < 2 || !(t.SD > 0) || !(c.SD > 0) || !(r2 >= 0 && r2 < 1) {
		return Standardised{}, fmt.Errorf("effect size from means: groups of %d and %d with SDs %v and %v and R² %v; each needs two people, a positive SD, and R² in [0,1)", t.N, c.N, t.SD, c.SD, r2)
	}
	b := t.Mean - c.Mean
	if difference != nil {
		b = *difference
	}
	n := t.N + c.N
	s := Standardised{PooledSD: PooledSD(t.SD, t.N, c.SD, c.N), Omega: SmallSample(n)}
	s.D = b / s.PooledSD
	s.G = s.Omega * s.D
	s.SE = math.Sqrt((1-r2)*inverses(t.N, c.N) + s.G*s.G/(2*float64(n)))
	s.Improvement = ImprovementIndex(s.G)
	return s, nil
}

func inverses(a, b int) float64 { return 1/float64(a) + 1/float64(b) }

// ImprovementIndex is the percentile points by which the average control person
// would move: 100(Φ(g) − 0.5).
func ImprovementIndex(g float64) float64 { return 50 * math.Erf(g/math.Sqrt2) }

// CoxError is the standard error of the Cox index of proportions p1 of n1 and p0
// of n0, strictly between 0 and 1.
func CoxError(p1 float64, n1 int, p0 float64, n0 int) (float64, error) {
	if _, err := CoxIndex(p1, p0); err != nil {
		return 0, err
	}
	a, b := float64(n1), float64(n0)
	return math.Sqrt(1/(p1*a)+1/((1-p1)*a)+1/(p0*b)+1/((1-p0)*b)) / 1.65, nil
}

// DifferenceInDifferences is an effect size from means before and after.
type DifferenceInDifferences struct {
	SameMetric  float64 `json:"g_same_metric"`  // change over the SD afterwards
	OtherMetric float64 `json:"g_other_metric"` // effect size afterwards − effect size before, for another test before
	SE          float64 `json:"se"`             // √(2(1−r)(1/n_T+1/n_C) + g²/(2N)), g by SameMetric
}

// FromChange takes means before (x) and after (y) and their correlation, in
// (−1,1); the Clearinghouse takes 0.5 where it is not known.
func FromChange(yT, yC, xT, xC Group, correlation float64) (DifferenceInDifferences, error) {
	after, errA := FromMeans(yT, yC, nil, 0)
	before, errB := FromMeans(xT, xC, nil, 0)
	if err := errors.Join(errA, errB); err != nil {
		return DifferenceInDifferences{}, err
	}
	if !(correlation > -1 && correlation < 1) {
		return DifferenceInDifferences{}, fmt.Errorf("difference in differences: a correlation of %v does not lie between −1 and 1", correlation)
	}
	var d DifferenceInDifferences
	d.SameMetric = after.Omega * (yT.Mean - xT.Mean - yC.Mean + xC.Mean) / after.PooledSD
	d.OtherMetric = after.Omega * (after.D - before.D)
	d.SE = math.Sqrt(2*(1-correlation)*inverses(yT.N, yC.N) + d.SameMetric*d.SameMetric/(2*float64(yT.N+yC.N)))
	return d, nil
}

// ClusterCorrection corrects a finding whose analysis ignored that schools were
// randomised.
type ClusterCorrection struct {
	Gamma float64 `json:"gamma"` // 1 − 2(n−1)ρ/(N−2); the effect size is multiplied by its root
	Eta   float64 `json:"eta"`   // design effect 1 + (n−1)ρ
	DF    float64 `json:"df"`    // h
	G     float64 `json:"g"`
	SE    float64 `json:"se"` // √(η(1−R²)(1/n_T+1/n_C) + g²/(2h))
	T     float64 `json:"t"`  // as published, from the uncorrected g
	Fixed float64 `json:"t_corrected"`
	P     float64 `json:"p"` // of the corrected t with h degrees of freedom
}

// CorrectForClusters takes a published g that ignored clustering, people and
// schools of both arms, the ICC in [0,1) (0.20 for achievement and 0.10 otherwise
// where none is published) and R² in [0,1).
func CorrectForClusters(g float64, nT, nC, schoolsT, schoolsC int, icc, r2 float64) (ClusterCorrection, error) {
	if nT < 2 || nC < 2 || schoolsT < 1 || schoolsC < 1 || schoolsT > nT || schoolsC > nC || !(icc >= 0 && icc < 1) || !(r2 >= 0 && r2 < 1) {
		return ClusterCorrection{}, fmt.Errorf("correct for clustering: %d and %d people in %d and %d schools, ICC %v, R² %v: contradictory, or the last two outside [0,1)", nT, nC, schoolsT, schoolsC, icc, r2)
	}
	all := float64(nT + nC)
	n := all / float64(schoolsT+schoolsC)
	free := (all - 2) - 2*(n-1)*icc
	c := ClusterCorrection{Gamma: 1 - 2*(n-1)*icc/(all-2), Eta: 1 + (n-1)*icc}
	c.DF = free * free / ((all-2)*(1-icc)*(1-icc) + n*(all-2*n)*icc*icc + 2*(all-2*n)*icc*(1-icc))
	c.G = g * math.Sqrt(c.Gamma)
	c.SE = math.Sqrt(c.Eta*(1-r2)*inverses(nT, nC) + c.G*c.G/(2*c.DF))
	c.T = g / math.Sqrt(inverses(nT, nC)+g*g/(2*all))
	c.Fixed = c.T * math.Sqrt(free/((all-2)*c.Eta))
	c.P = mathext.RegIncBeta(c.DF/2, 0.5, c.DF/(c.DF+c.Fixed*c.Fixed)) // two tails of t
	return c, nil
}

// OneArmClustered gives γ, η and h where only the treated arm is in groups of n
// (Hedges and Citkowicz, Behavior Research Methods 47, 2015).
func OneArmClustered(nT, nC int, n, icc float64) (gamma, eta, df float64, err error) {
	t, c := float64(nT), float64(nC)
	if nT < 2 || nC < 2 || !(n >= 1 && n <= t) || !(icc >= 0 && icc < 1) {
		return 0, 0, 0, fmt.Errorf("one arm clustered: %d and %d people in groups of %v, ICC %v: contradictory", nT, nC, n, icc)
	}
	all := t + c
	gamma = 1 - (c+n-2)*icc/(all-2)
	eta = 1 + (n*c/all-1)*icc
	one := (all-2)*(1-icc) + (t-n)*icc
	df = one * one / ((all-2)*(1-icc)*(1-icc) + (t-n)*n*icc*icc + 2*(t-n)*(1-icc)*icc)
	return gamma, eta, df, nil
}

// FromClusterMeans turns an effect size in SDs of school means into one in SDs of
// pupils: conventional is the Clearinghouse's d√ρ; exact also counts the pupils'
// share in the spread of means of n pupils, d√(ρ + (1−ρ)/n).
func FromClusterMeans(d, icc, n float64) (conventional, exact float64, err error) {
	if !(icc > 0 && icc < 1) || !(n >= 1) {
		return 0, 0, fmt.Errorf("effect size from school means: ICC %v and %v pupils a school; the first lies between 0 and 1 and the second is at least 1", icc, n)
	}
	return d * math.Sqrt(icc), d * math.Sqrt(icc+(1-icc)/n), nil
}
