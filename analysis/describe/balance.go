package describe

import (
	"errors"
	"fmt"
	"math"

	"evenhand/analysis"
)

// Kind says what sort of number a column holds.
type Kind string

// The kinds of column.
const (
	Auto       Kind = ""           // Binary if every observed value is 0 or 1, else Continuous
	Continuous Kind = "continuous" // compared by means
	Binary     Kind = "binary"     // 0 or 1, compared by proportions
)

// Stage says which rows a balance table is about.
type Stage string

// The stages. The denominators follow: everybody drawn, or those whose outcome
// was observed.
const (
	AsRandomised Stage = "as-randomised"
	AsAnalysed   Stage = "as-analysed"
)

// Band is where the size of a baseline difference falls by the What Works
// Clearinghouse's rule (Procedures Handbook 4.1, "baseline equivalence"): up
// to 0.05 satisfied, above 0.05 and up to 0.25 satisfied only with adjustment,
// above 0.25 not satisfied. The size is compared unrounded.
type Band string

// The bands, and the word for a difference that cannot be computed.
const (
	Satisfied          Band = "satisfied"
	RequiresAdjustment Band = "requires statistical adjustment"
	NotSatisfied       Band = "not satisfied"
	NoBand             Band = "not computable"
)

// BandOf says in which band an effect size falls, whatever its sign.
func BandOf(effectSize float64) Band {
	switch a := math.Abs(effectSize); {
	case a <= 0.05:
		return Satisfied
	case a <= 0.25:
		return RequiresAdjustment
	case a > 0.25:
		return NotSatisfied
	}
	return NoBand
}

// ArmSummary is one arm's side of a Row.
type ArmSummary struct {
	Arm     string  `json:"arm"`
	Summary         // of the column within the arm; for Binary, Mean is the proportion
	Count   float64 `json:"count"` // Binary: how many are 1; 0 otherwise
}

// Row is one line of a balance table: one column (or one level of a factor)
// compared between an arm and the control arm.
type Row struct {
	Name    string     `json:"name"`
	Level   string     `json:"level"` // of a factor; "" otherwise
	Kind    Kind       `json:"kind"`
	Stage   Stage      `json:"stage"`
	Arm     ArmSummary `json:"arm"`
	Control ArmSummary `json:"control"`

	// Difference is mean of the arm − mean of the control arm (proportions for
	// Binary). It is 0 and meaningless unless both arms have N > 0.
	Difference float64 `json:"difference"`

	// EffectSize is Hedges' g for Continuous (the difference over PooledSD,
	// times the small-sample factor) and the Cox index for Binary. It is 0
	// unless HasEffectSize; then Why says why there is none.
	EffectSize    float64 `json:"effect_size"`
	HasEffectSize bool    `json:"has_effect_size"`
	Method        string  `json:"method"`      // of EffectSize, e.g. "Hedges' g, pooled SD"
	PooledSD      float64 `json:"pooled_sd"`   // Continuous: pooled within arms, divisor N − 2
	Uncorrected   float64 `json:"uncorrected"` // Continuous: the effect size before the small-sample factor
	Band          Band    `json:"band"`
	Why           string  `json:"why"` // why there is no effect size; "" if there is one
}

// Balance compares one column of the Dataset between arm (an index into
// d.Arms) and the control arm: one row for numbers, one a level for a factor
// (for a factor of two levels, only the one that is not the reference). The
// column need not be one of d.Covariates, but runs parallel to its rows.
//
// Continuous columns give Hedges' g = ω (mean_T − mean_C)/S, where S pools the
// arms' variances over N − 2 and ω = 1 − 3/(4N − 9); binary columns give the
// Cox index ln[p_T(1−p_C)/((1−p_T)p_C)]/1.65 without a small-sample factor
// (What Works Clearinghouse, Procedures Handbook 4.1, Appendix E).
func Balance(d *analysis.Dataset, col analysis.Column, kind Kind, arm int, stage Stage) ([]Row, error) {
	if err := check(d, col, kind, arm, stage); err != nil {
		return nil, fmt.Errorf("balance of %q: %w", col.Name, err)
	}
	if col.Levels == nil {
		if kind == Auto {
			kind = Continuous
			if isBinary(col) {
				kind = Binary
			}
		}
		row, err := compare(d, col.Name, "", kind, col.Values, col.Observed, arm, stage)
		if err != nil {
			return nil, fmt.Errorf("balance of %q: %w", col.Name, err)
		}
		return []Row{row}, nil
	}
	first := 0
	if len(col.Levels) == 2 {
		first = 1
	}
	var rows []Row
	indicator := make([]float64, len(col.Codes))
	for level := first; level < len(col.Levels); level++ {
		for i, code := range col.Codes {
			indicator[i] = 0
			if code == level {
				indicator[i] = 1
			}
		}
		row, err := compare(d, col.Name, col.Levels[level], Binary, indicator, col.Observed, arm, stage)
		if err != nil {
			return nil, fmt.Errorf("balance of %q: %w", col.Name, err)
		}
		rows = append(rows, row)
	}
	return rows, nil
}

// BalanceTable is Balance of every covariate of the Dataset, in its order.
// Every column's faults are returned together.
func BalanceTable(d *analysis.Dataset, arm int, stage Stage) ([]Row, error) {
	var rows []Row
	var faults []error
	for _, col := range d.Covariates {
		r, err := Balance(d, col, Auto, arm, stage)
		if err != nil {
			faults = append(faults, err)
			continue
		}
		rows = append(rows, r...)
	}
	return rows, errors.Join(faults...)
}

func check(d *analysis.Dataset, col analysis.Column, kind Kind, arm int, stage Stage) error {
	n := len(d.Arm)
	var faults []error
	say := func(format string, a ...any) { faults = append(faults, fmt.Errorf(format, a...)) }
	if len(d.Observed) != n {
		say("%d rows with %d marks of an observed outcome: there must be one mark a row", n, len(d.Observed))
	}
	if col.Levels == nil && len(col.Values) != n {
		say("%d rows with %d values: there must be one value a row", n, len(col.Values))
	}
	if col.Levels != nil && len(col.Codes) != n {
		say("%d rows with %d level codes: there must be one code a row", n, len(col.Codes))
	}
	if col.Observed != nil && len(col.Observed) != n {
		say("%d rows with %d marks of an observed value: there must be one mark a row", n, len(col.Observed))
	}
	if len(faults) > 0 {
		return errors.Join(faults...)
	}
	if d.Control < 0 || d.Control >= len(d.Arms) {
		say("control arm %d is not one of the %d arms", d.Control, len(d.Arms))
	} else if arm < 0 || arm >= len(d.Arms) || arm == d.Control {
		say("arm %d is not an arm other than the control arm (arms are 0 to %d, control is %d)", arm, len(d.Arms)-1, d.Control)
	}
	if stage != AsRandomised && stage != AsAnalysed {
		say("stage %q is neither %q nor %q", stage, AsRandomised, AsAnalysed)
	}
	switch {
	case kind != Auto && kind != Continuous && kind != Binary:
		say("kind %q is not known; use %q, %q or leave it empty", kind, Continuous, Binary)
	case kind == Continuous && col.Levels != nil:
		say("a factor has no mean; its levels are compared as proportions")
	case kind == Binary && col.Levels == nil && !isBinary(col):
		say("a binary column holds only 0 and 1, and this one holds other values")
	}
	for i, code := range col.Codes {
		if col.Levels != nil && (col.Observed == nil || col.Observed[i]) && (code < 0 || code >= len(col.Levels)) {
			say("row %d: level code %d is not one of the %d levels", i+1, code, len(col.Levels))
		}
	}
	return errors.Join(faults...)
}

func isBinary(col analysis.Column) bool {
	any := false
	for i, v := range col.Values {
		if col.Observed != nil && !col.Observed[i] {
			continue
		}
		if v != 0 && v != 1 {
			return false
		}
		any = true
	}
	return any
}

func compare(d *analysis.Dataset, name, level string, kind Kind, values []float64, observed []bool, arm int, stage Stage) (Row, error) {
	row := Row{Name: name, Level: level, Kind: kind, Stage: stage}
	side := func(a int) (ArmSummary, error) {
		var kept []float64
		missing := 0
		var faults []error
		for i, v := range values {
			switch {
			case d.Arm[i] != a || stage == AsAnalysed && !d.Observed[i]:
			case observed != nil && !observed[i]:
				missing++
			case math.IsNaN(v) || math.IsInf(v, 0):
				faults = append(faults, fmt.Errorf("row %d: %v: %w; mark it as not observed or correct it", i+1, v, ErrNotFinite))
			default:
				kept = append(kept, v)
			}
		}
		s := ArmSummary{Arm: d.Arms[a], Summary: summarise(kept, missing)}
		if kind == Binary {
			for _, v := range kept {
				s.Count += v
			}
		}
		return s, errors.Join(faults...)
	}
	var errArm, errControl error
	row.Arm, errArm = side(arm)
	row.Control, errControl = side(d.Control)
	if err := errors.Join(errArm, errControl); err != nil {
		return Row{}, err
	}
	row.Band = NoBand
	t, c := row.Arm, row.Control
	if t.N == 0 || c.N == 0 {
		row.Why = "an arm has no observed value"
		return row, nil
	}
	row.Difference = t.Mean - c.Mean
	if kind == Binary {
		row.Method = "Cox index"
		cox, err := CoxIndex(t.Mean, c.Mean)
		if err != nil {
			row.Why = err.Error()
			return row, nil
		}
		row.EffectSize, row.HasEffectSize, row.Band = cox, true, BandOf(cox)
		return row, nil
	}
	row.Method = "Hedges' g, pooled SD"
	if t.N+c.N < 4 || t.N < 2 && c.N < 2 {
		row.Why = "fewer than four values, or no arm with two: there is no pooled SD to speak of"
		return row, nil
	}
	row.PooledSD = PooledSD(t.SD, t.N, c.SD, c.N)
	if row.PooledSD == 0 {
		row.Why = "the values do not vary within the arms"
		return row, nil
	}
	row.Uncorrected = row.Difference / row.PooledSD
	row.EffectSize = row.Uncorrected * SmallSample(t.N+c.N)
	row.HasEffectSize, row.Band = true, BandOf(row.EffectSize)
	return row, nil
}

// PooledSD pools two standard deviations (n − 1 divisors) over their N − 2
// degrees of freedom.
func PooledSD(sd1 float64, n1 int, sd2 float64, n2 int) float64 {
	a, b := float64(n1-1), float64(n2-1)
	return math.Sqrt((a*sd1*sd1 + b*sd2*sd2) / (a + b))
}

// SmallSample is ω = 1 − 3/(4N − 9), the usual approximation of Hedges'
// factor for two groups of N people in all (N ≥ 4).
func SmallSample(n int) float64 { return 1 - 3/(4*float64(n)-9) }

// CoxIndex is ln[p1(1−p0)/((1−p1)p0)]/1.65, an effect size for proportions.
// It does not exist where a proportion is 0 or 1.
func CoxIndex(p1, p0 float64) (float64, error) {
	if !(p1 > 0 && p1 < 1 && p0 > 0 && p0 < 1) {
		return 0, errors.New("a proportion is 0 or 1, so the odds ratio does not exist")
	}
	return math.Log(p1*(1-p0)/((1-p1)*p0)) / 1.65, nil
}
