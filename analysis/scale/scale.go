// Package scale judges sets of survey items that are meant to measure one thing:
// Cronbach's alpha with its interval, what each item adds, the first principal
// component, and people's scores; and how far raters agree.
//
// Statistics use the people who answered every item, and say how many did not.
package scale

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"
	"gonum.org/v1/gonum/stat/distuv"

	"evenhand/analysis"
	"evenhand/analysis/internal/dist"
)

// Item is one question's answers, one a person.
type Item struct {
	Name     string
	Values   []float64
	Observed []bool // nil: everybody answered
	Reversed bool   // a high answer means little of what is measured
}

// Reliability describes a scale.
type Reliability struct {
	Items   int `json:"items"`
	N       int `json:"n"`       // people with every item
	Missing int `json:"missing"` // people without

	Alpha        float64           `json:"alpha"`        // k/(k−1)·(1 − tr C/1'C1)
	Standardised float64           `json:"standardised"` // k r̄/(1 + (k−1) r̄)
	MeanR        float64           `json:"mean_r"`       // mean correlation between items
	Interval     analysis.Interval `json:"interval"`     // Feldt, Psychometrika 30, 1965
	// ASE is the large-sample standard error (Duhachek and Iacobucci, J. Applied
	// Psychology 89(5), 2004), with the interval it gives.
	ASE         float64           `json:"ase"`
	ASEInterval analysis.Interval `json:"ase_interval"`
	SD          float64           `json:"sd"`  // of the sum of the items
	SEM         float64           `json:"sem"` // standard error of measurement, SD·√(1 − α)

	Each        []ItemStatistics   `json:"each"`
	Eigenvalues []float64          `json:"eigenvalues"` // of the correlation matrix, largest first
	Warnings    []analysis.Warning `json:"warnings"`
}

// ItemStatistics says what one item adds.
type ItemStatistics struct {
	Name     string  `json:"name"`
	Mean     float64 `json:"mean"`
	SD       float64 `json:"sd"`      // n − 1
	RestR    float64 `json:"rest_r"`  // correlation with the sum of the others (corrected item-total)
	Dropped  float64 `json:"dropped"` // alpha without the item; with two items there is none, and it is 0
	Loading  float64 `json:"loading"` // on the first principal component of the correlation matrix; the first item with a loading that is not 0 counts as positive
	Reversed bool    `json:"reversed"`
}

// Codes of warnings.
const (
	WarnNegativeItem = "item-against-the-scale"
	WarnFewPeople    = "few-people"
)

// Of judges a scale of two items or more, with intervals of the level given.
// low and high are the ends of the answer format, needed to turn reversed
// items round; with none reversed both may be 0.
func Of(items []Item, low, high, level float64) (Reliability, error) {
	r, err := of(items, low, high, level)
	if err != nil {
		return Reliability{}, fmt.Errorf("reliability of a scale: %w", err)
	}
	return r, nil
}

func of(items []Item, low, high, level float64) (Reliability, error) {
	k := len(items)
	if err := check(items, low, high); err != nil {
		return Reliability{}, err
	}
	if k < 2 {
		return Reliability{}, fmt.Errorf("a scale has at least two items, and this has %d", k)
	}
	if !(level > 0 && level < 1) {
		return Reliability{}, fmt.Errorf("a confidence level of %v is not between 0 and 1", level)
	}
	people := len(items[0].Values)
	rows := complete(items, low, high)
	n := len(rows)
	r := Reliability{Items: k, N: n, Missing: people - n}
	if n < 3 {
		return Reliability{}, fmt.Errorf("%d people answered every item; there must be at least three", n)
	}
	c := covariance(rows, k)
	var constant []string
	for j := range k {
		if !(c[j][j] > 0) {
			constant = append(constant, items[j].Name)
		}
	}
	if constant != nil {
		return Reliability{}, fmt.Errorf("everybody gave the same answer to %q; leave such items out", constant)
	}
	trace, total := sums(c)
	if !(total > 0) {
		return Reliability{}, errors.New("the sum of the items does not vary")
	}
	kk, nn := float64(k), float64(n)
	r.Alpha = alpha(k, trace, total)
	corr := make([][]float64, k)
	for a := range k {
		corr[a] = make([]float64, k)
		for b := range k {
			corr[a][b] = c[a][b] / math.Sqrt(c[a][a]*c[b][b])
			if a < b {
				r.MeanR += corr[a][b] * 2 / (kk * (kk - 1))
			}
		}
	}
	r.Standardised = kk * r.MeanR / (1 + (kk-1)*r.MeanR)
	f := distuv.F{D1: nn - 1, D2: (nn - 1) * (kk - 1)}
	tail := (1 - level) / 2
	r.Interval = analysis.Interval{Low: 1 - (1-r.Alpha)*f.Quantile(1-tail), High: 1 - (1-r.Alpha)*f.Quantile(tail), Level: level, Method: "Feldt, F"}
	// Q = 2k²/((k−1)²j³)·[j(tr C² + tr²C) − 2 tr C·(1'C²1)].
	squares, ones := 0.0, 0.0
	for a := range k {
		row := 0.0
		for b := range k {
			squares += c[a][b] * c[b][a]
			row += c[a][b]
		}
		ones += row * row
	}
	q := 2 * kk * kk / ((kk - 1) * (kk - 1) * total * total * total) * (total*(squares+trace*trace) - 2*trace*ones)
	r.ASE = math.Sqrt(math.Max(0, q) / nn)
	half := -dist.NormalQuantile(tail) * r.ASE
	r.ASEInterval = analysis.Interval{Low: r.Alpha - half, High: r.Alpha + half, Level: level, Method: "Duhachek-Iacobucci, normal"}
	r.SD = math.Sqrt(total)
	r.SEM = r.SD * math.Sqrt(math.Max(0, 1-r.Alpha))

	loadings, values, err := component(corr)
	if err != nil {
		return Reliability{}, err
	}
	r.Eigenvalues = values
	for j, it := range items {
		s := ItemStatistics{Name: it.Name, Reversed: it.Reversed, SD: math.Sqrt(c[j][j]), Loading: loadings[j]}
		for _, row := range rows {
			s.Mean += row[j] / nn
		}
		rowSum := 0.0
		for b := range k {
			rowSum += c[j][b]
		}
		rest := total - 2*rowSum + c[j][j]
		if rest > 0 {
			s.RestR = (rowSum - c[j][j]) / math.Sqrt(c[j][j]*rest)
		}
		if k > 2 && rest > 0 {
			s.Dropped = alpha(k-1, trace-c[j][j], rest)
		}
		if s.RestR < 0 {
			r.Warnings = append(r.Warnings, analysis.Warning{Code: WarnNegativeItem, Text: fmt.Sprintf("Item %q runs against the others (r = %.2f); it may have to be reversed.", it.Name, s.RestR)})
		}
		r.Each = append(r.Each, s)
	}
	if n < 30 {
		r.Warnings = append(r.Warnings, analysis.Warning{Code: WarnFewPeople, Text: fmt.Sprintf("Alpha rests on %d people; its interval is wide and approximate.", n)})
	}
	return r, nil
}

// complete gives the answers of those who have all, a row a person.
func complete(items []Item, low, high float64) (rows [][]float64) {
	for i := range items[0].Values {
		row := make([]float64, len(items))
		whole := true
		for j, it := range items {
			if !it.has(i) {
				whole = false
				break
			}
			row[j] = it.value(i, low, high)
		}
		if whole {
			rows = append(rows, row)
		}
	}
	return rows
}

func (it Item) has(i int) bool { return it.Observed == nil || it.Observed[i] }

func (it Item) value(i int, low, high float64) float64 {
	if it.Reversed {
		return low + high - it.Values[i]
	}
	return it.Values[i]
}

func check(items []Item, low, high float64) error {
	var faults []error
	say := func(format string, a ...any) { faults = append(faults, fmt.Errorf(format, a...)) }
	seen := map[string]bool{}
	bounded := low != 0 || high != 0
	if bounded && !(low < high) {
		say("the answers run from %v to %v, which is no range", low, high)
	}
	for _, it := range items {
		if seen[it.Name] {
			say("item %q is given twice", it.Name)
		}
		seen[it.Name] = true
		if len(it.Values) != len(items[0].Values) || it.Observed != nil && len(it.Observed) != len(it.Values) {
			say("item %q has %d answers and %d marks of observation, the first item %d answers", it.Name, len(it.Values), len(it.Observed), len(items[0].Values))
			continue
		}
		if it.Reversed && !bounded {
			say("item %q is reversed, which needs the ends of the answer format", it.Name)
		}
		for i, v := range it.Values {
			switch {
			case !it.has(i):
			case math.IsNaN(v) || math.IsInf(v, 0):
				say("item %q: row %d is %v, not a finite number", it.Name, i+1, v)
			case bounded && (v < low || v > high):
				say("item %q: row %d is %v, outside %v to %v", it.Name, i+1, v, low, high)
			}
		}
	}
	return errors.Join(faults...)
}

func alpha(k int, trace, total float64) float64 {
	return float64(k) / float64(k-1) * (1 - trace/total)
}

func covariance(rows [][]float64, k int) [][]float64 {
	n := float64(len(rows))
	mean := make([]float64, k)
	for _, r := range rows {
		for j, v := range r {
			mean[j] += v / n
		}
	}
	c := make([][]float64, k)
	for a := range c {
		c[a] = make([]float64, k)
		for b := range c[a] {
			for _, r := range rows {
				c[a][b] += (r[a] - mean[a]) * (r[b] - mean[b]) / (n - 1)
			}
		}
	}
	return c
}

func sums(c [][]float64) (trace, total float64) {
	for a, row := range c {
		trace += row[a]
		for _, v := range row {
			total += v
		}
	}
	return trace, total
}

// component gives the loadings on the first principal component of a correlation
// matrix and all eigenvalues, largest first.
func component(corr [][]float64) (loadings, values []float64, err error) {
	k := len(corr)
	sym := mat.NewSymDense(k, nil)
	for a := range k {
		for b := a; b < k; b++ {
			sym.SetSym(a, b, corr[a][b])
		}
	}
	var eig mat.EigenSym
	if !eig.Factorize(sym, true) {
		return nil, nil, errors.New("the principal components were not found")
	}
	ascending := eig.Values(nil)
	for i := k - 1; i >= 0; i-- {
		values = append(values, ascending[i])
	}
	var u mat.Dense
	eig.VectorsTo(&u)
	loadings = mat.Col(nil, k-1, &u)
	sign := 1.0
	for _, v := range loadings {
		if math.Abs(v) > 1e-9 {
			sign = math.Copysign(1, v)
			break
		}
	}
	for j := range loadings {
		loadings[j] *= sign * math.Sqrt(math.Max(0, values[0]))
	}
	return loadings, values, nil
}

// Scores gives each person the mean of the items answered, reversed ones turned
// round, if at least share of the items were answered (1: all); the others are
// not observed.
func Scores(items []Item, low, high, share float64) (score []float64, observed []bool, err error) {
	if err := check(items, low, high); err != nil {
		return nil, nil, fmt.Errorf("scores of a scale: %w", err)
	}
	if len(items) == 0 || !(share > 0 && share <= 1) {
		return nil, nil, fmt.Errorf("scores of a scale: %d items and a share of %v to be answered; there must be items and the share must lie in (0,1]", len(items), share)
	}
	people := len(items[0].Values)
	score, observed = make([]float64, people), make([]bool, people)
	for i := range people {
		n := 0.0
		for _, it := range items {
			if it.has(i) {
				n++
				score[i] += it.value(i, low, high)
			}
		}
		if n > 0 && n >= share*float64(len(items))-1e-9 {
			score[i] /= n
			observed[i] = true
		} else {
			score[i] = 0
		}
	}
	return score, observed, nil
}
