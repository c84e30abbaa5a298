package effectsize

import (
	"fmt"
	"math"
)

// MonthsRow is a row of a table of months' progress: effect sizes from From to
// To, both included after rounding to two decimals, are Months months.
type MonthsRow struct {
	Months   int     `json:"months" yaml:"months"`
	From, To float64 // effect sizes, 0 ≤ From ≤ To
}

// MonthsTable turns effect sizes into months of progress. It is a convention
// for readers, not an estimate: it has no interval of its own and no model of
// growth behind it.
type MonthsTable struct {
	Name string
	Rows []MonthsRow // by rising From; the last holds for everything above too
}

// EEFTrialMonths is the table that the Education Endowment Foundation uses for
// single trials, which differs from its Toolkit's in the first rows: 0 months
// up to 0.04, 1 from 0.05. It was compiled from published trial results; check
// it against the funder's current table before use, and pass another where it
// differs.
var EEFTrialMonths = MonthsTable{
	Name: "EEF months of progress, table for single trials",
	Rows: []MonthsRow{
		{0, 0, 0.04}, {1, 0.05, 0.09}, {2, 0.10, 0.18}, {3, 0.19, 0.26}, {4, 0.27, 0.35},
		{5, 0.36, 0.44}, {6, 0.45, 0.52}, {7, 0.53, 0.61}, {8, 0.62, 0.69}, {9, 0.70, 0.78},
		{10, 0.79, 0.87}, {11, 0.88, 0.95}, {12, 0.96, 1.00},
	},
}

// Check says what is wrong with a table: rows must start at 0, follow one
// another by steps of 0.01 and rise in months.
func (t MonthsTable) Check() error {
	if len(t.Rows) == 0 {
		return fmt.Errorf("table %q of months has no rows", t.Name)
	}
	for i, r := range t.Rows {
		if r.To < r.From {
			return fmt.Errorf("table %q of months, row %d: from %v to %v", t.Name, i+1, r.From, r.To)
		}
		if i == 0 && r.From != 0 {
			return fmt.Errorf("table %q of months starts at %v, not at 0", t.Name, r.From)
		}
		if i > 0 && (hundredths(r.From) != hundredths(t.Rows[i-1].To)+1 || r.Months <= t.Rows[i-1].Months) {
			return fmt.Errorf("table %q of months, row %d: does not follow the row before it", t.Name, i+1)
		}
	}
	return nil
}

func hundredths(x float64) int { return int(math.Round(x * 100)) }

// Months is the number of months for an effect size, negative for a negative
// one. The effect size is rounded to two decimals first, half away from zero,
// as the table's readers do. above says that it lies beyond the table.
func (t MonthsTable) Months(effect float64) (months int, above bool, err error) {
	if err := t.Check(); err != nil {
		return 0, false, err
	}
	if math.IsNaN(effect) || math.IsInf(effect, 0) {
		return 0, false, fmt.Errorf("months of progress: %v is no effect size", effect)
	}
	// 0.045 is stored as a little less than it says: add a last digit's worth
	// before rounding.
	h := int(math.Floor(math.Abs(effect)*100*(1+4e-16) + 0.5))
	row := t.Rows[len(t.Rows)-1]
	above = h > hundredths(row.To)
	for _, r := range t.Rows {
		if h <= hundredths(r.To) {
			row = r
			break
		}
	}
	if effect < 0 {
		return -row.Months, above, nil
	}
	return row.Months, above, nil
}
