// Package describe summarises columns of numbers and compares the arms of a
// trial before anything is modelled: counts, means, standard deviations,
// quantiles, and balance as effect sizes.
//
// Conventions, stated once and here only:
//   - a standard deviation divides by n − 1 (never by n);
//   - a quantile is Hyndman and Fan's type 7, the default of R and of Excel's
//     PERCENTILE.INC (The American Statistician 50(4), 1996, 361–365);
//   - a value that was not observed is counted as missing and used nowhere.
//
// Balance is described, never tested: after a random draw every difference is
// chance, so a p-value for it answers no question.
package describe

import (
	"errors"
	"fmt"
	"math"

	"github.com/montanaflynn/stats"
)

// ErrNotFinite says that a value marked as observed is NaN or infinite.
var ErrNotFinite = errors.New("value is not a finite number")

// Summary describes one column of numbers.
type Summary struct {
	N       int `json:"n"`       // values observed
	Missing int `json:"missing"` // values not observed

	// Mean, Min, Max and the quartiles are zero when N is 0, SD when N < 2:
	// read them only where N says that they exist.
	Mean   float64 `json:"mean"`
	SD     float64 `json:"sd"` // divides by n − 1
	Min    float64 `json:"min"`
	Q1     float64 `json:"q1"` // type 7, as Median and Q3
	Median float64 `json:"median"`
	Q3     float64 `json:"q3"`
	Max    float64 `json:"max"`
}

// Summarise describes the values that observed marks; a nil observed means
// that all were. It returns an error wrapping ErrNotFinite, with the place of
// every fault, if an observed value is NaN or infinite.
func Summarise(values []float64, observed []bool) (Summary, error) {
	kept, err := keep(values, observed)
	if err != nil {
		return Summary{}, err
	}
	return summarise(kept, len(values)-len(kept)), nil
}

func summarise(kept []float64, missing int) Summary {
	s := Summary{N: len(kept), Missing: missing}
	if s.N == 0 {
		return s
	}
	// The library's errors are all about empty or single input, excluded here.
	s.Mean = mean(kept)
	s.Min, _ = stats.Min(kept)
	s.Max, _ = stats.Max(kept)
	s.Q1, _ = stats.Percentile(kept, 25)
	s.Median, _ = stats.Percentile(kept, 50)
	s.Q3, _ = stats.Percentile(kept, 75)
	if s.N > 1 {
		s.SD = sampleSD(kept)
	}
	return s
}

// Quantile is the type 7 quantile of the values that observed marks (nil: all)
// at p in [0,1]. It is an error to ask for a quantile of nothing.
func Quantile(values []float64, observed []bool, p float64) (float64, error) {
	if !(p >= 0 && p <= 1) {
		return 0, fmt.Errorf("quantile at %v: the probability must lie in [0,1]", p)
	}
	kept, err := keep(values, observed)
	if err != nil {
		return 0, err
	}
	if len(kept) == 0 {
		return 0, errors.New("quantile: there are no observed values")
	}
	if p == 0 {
		return stats.Min(kept)
	}
	return stats.Percentile(kept, 100*p)
}

// mean shifts by the first value before summing, so that a large common part
// (scores such as 1000000.2) costs no digits.
func mean(x []float64) float64 {
	shifted := make(stats.Float64Data, len(x))
	for i, v := range x {
		shifted[i] = v - x[0]
	}
	m, _ := stats.Mean(shifted)
	return x[0] + m
}

// sampleSD divides by n − 1: stats.StandardDeviation without "Sample" would
// divide by n. The same shift as in mean keeps the digits.
func sampleSD(x []float64) float64 {
	shifted := make(stats.Float64Data, len(x))
	for i, v := range x {
		shifted[i] = v - x[0]
	}
	sd, _ := stats.StandardDeviationSample(shifted)
	return sd
}

func keep(values []float64, observed []bool) ([]float64, error) {
	if observed != nil && len(observed) != len(values) {
		return nil, fmt.Errorf("%d values with %d marks of observation: there must be one mark a value", len(values), len(observed))
	}
	kept := make([]float64, 0, len(values))
	var faults []error
	for i, v := range values {
		if observed != nil && !observed[i] {
			continue
		}
		if math.IsNaN(v) || math.IsInf(v, 0) {
			faults = append(faults, fmt.Errorf("row %d: %v: %w; mark it as not observed or correct it", i+1, v, ErrNotFinite))
			continue
		}
		kept = append(kept, v)
	}
	return kept, errors.Join(faults...)
}
