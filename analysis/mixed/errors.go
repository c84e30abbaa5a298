package mixed

import (
	"errors"
	"fmt"
	"strings"
)

// ErrNoNumber is wrapped by every error of this package that says that the
// data cannot give an estimate, whatever the settings.
var ErrNoNumber = errors.New("the data give no estimate")

// NoRowsError says that no row is left to analyse.
type NoRowsError struct {
	Outcome string
	Rows    int // rows there were before incomplete ones were left out
}

func (e *NoRowsError) Error() string {
	if e.Rows == 0 {
		return fmt.Sprintf("outcome %q: there are no rows to analyse", e.Outcome)
	}
	return fmt.Sprintf("outcome %q: none of the %d rows has the outcome and every variable of the model; check that outcome data were imported and that the identifiers match", e.Outcome, e.Rows)
}

// Unwrap returns ErrNoNumber.
func (e *NoRowsError) Unwrap() error { return ErrNoNumber }

// ConstantOutcomeError says that every row has the same outcome.
type ConstantOutcomeError struct {
	Outcome string
	Value   float64
}

func (e *ConstantOutcomeError) Error() string {
	return fmt.Sprintf("outcome %q is %v in every row: nothing varies, so there is nothing to explain; check the column", e.Outcome, e.Value)
}

// Unwrap returns ErrNoNumber.
func (e *ConstantOutcomeError) Unwrap() error { return ErrNoNumber }

// RankError says that columns of the design are combinations of others, so
// that their coefficients are not determined.
type RankError struct {
	Dependent []Dependence
}

// Dependence names a column and the earlier columns of which it is a linear
// combination.
type Dependence struct {
	Column string
	Of     []string // empty when the column is 0 in every row
}

func (e *RankError) Error() string {
	parts := make([]string, len(e.Dependent))
	for i, d := range e.Dependent {
		switch {
		case len(d.Of) == 0:
			parts[i] = fmt.Sprintf("%q is 0 in every row", d.Column)
		case len(d.Of) == 1 && d.Of[0] == Intercept:
			parts[i] = fmt.Sprintf("%q has the same value in every row", d.Column)
		default:
			parts[i] = fmt.Sprintf("%q is a combination of %s", d.Column, quoted(d.Of))
		}
	}
	return "collinear columns: " + strings.Join(parts, "; ") + "; leave one of each set out of the model"
}

// Unwrap returns ErrNoNumber.
func (e *RankError) Unwrap() error { return ErrNoNumber }

// quoted lists names, of many the first five.
func quoted(names []string) string {
	if n := len(names) - 5; n > 1 {
		return fmt.Sprintf("%s and %d others", strings.TrimSuffix(strings.Replace(quoted(names[:5]), " and ", ", ", 1), ","), n)
	}
	q := make([]string, len(names))
	for i, n := range names {
		q[i] = fmt.Sprintf("%q", n)
	}
	if len(q) < 2 {
		return strings.Join(q, "")
	}
	return strings.Join(q[:len(q)-1], ", ") + " and " + q[len(q)-1]
}

// EmptyArmError says that an arm has no row to analyse.
type EmptyArmError struct {
	Arm string
}

func (e *EmptyArmError) Error() string {
	return fmt.Sprintf("arm %q has no row to analyse, so nothing can be compared with it", e.Arm)
}

// Unwrap returns ErrNoNumber.
func (e *EmptyArmError) Unwrap() error { return ErrNoNumber }

// ArmClustersError says that an arm has too few clusters: with one, the
// difference between arms cannot be told from the difference between schools.
type ArmClustersError struct {
	Arm   string
	Level string
	N     int
}

func (e *ArmClustersError) Error() string {
	return fmt.Sprintf("arm %q has %d %s: the effect of the arm cannot be told from that of the cluster; at least 2 in each arm are needed", e.Arm, e.N, e.Level)
}

// Unwrap returns ErrNoNumber.
func (e *ArmClustersError) Unwrap() error { return ErrNoNumber }

// ClustersError says that a level has fewer than two groups.
type ClustersError struct {
	Level string
	N     int
}

func (e *ClustersError) Error() string {
	return fmt.Sprintf("level %q has %d group with rows to analyse: a variance between groups needs at least 2; leave the level out", e.Level, e.N)
}

// Unwrap returns ErrNoNumber.
func (e *ClustersError) Unwrap() error { return ErrNoNumber }

// NotIdentifiedError says that a variance of the model cannot be estimated
// from these rows at all. When every cluster has one row, fit a linear
// regression to the rows instead.
type NotIdentifiedError struct {
	Level  string
	Reason string
	// SingleRows says that the reason is a single row in every group.
	SingleRows bool
}

func (e *NotIdentifiedError) Error() string {
	return fmt.Sprintf("the variance of level %q cannot be estimated: %s", e.Level, e.Reason)
}

// Unwrap returns ErrNoNumber.
func (e *NotIdentifiedError) Unwrap() error { return ErrNoNumber }

// PerfectFitError says that the model explains the outcome exactly.
type PerfectFitError struct {
	Outcome string
}

func (e *PerfectFitError) Error() string {
	return fmt.Sprintf("outcome %q is an exact combination of the covariates (within clusters or altogether): no residual variance is left; is the outcome, or a copy of it, among the covariates?", e.Outcome)
}

// Unwrap returns ErrNoNumber.
func (e *PerfectFitError) Unwrap() error { return ErrNoNumber }

// ValueError says that a column holds a value that cannot be computed with.
type ValueError struct {
	Column string
	Row    int // the first such row, from 0
	Value  float64
	N      int // number of such rows
}

func (e *ValueError) Error() string {
	return fmt.Sprintf("column %q, row %d: %v is not a value that can be analysed (%d such in the column)", e.Column, e.Row+1, e.Value, e.N)
}

// Unwrap returns ErrNoNumber.
func (e *ValueError) Unwrap() error { return ErrNoNumber }

// NestingError says that a group of an inner level lies in two groups of an
// outer level.
type NestingError struct {
	Outer, Inner string
	Group        string // label of the inner group
	In           [2]string
}

func (e *NestingError) Error() string {
	return fmt.Sprintf("%s %q is in %s %q and in %s %q: levels must be nested", e.Inner, e.Group, e.Outer, e.In[0], e.Outer, e.In[1])
}

// Unwrap returns ErrNoNumber.
func (e *NestingError) Unwrap() error { return ErrNoNumber }

// ConvergenceError says that the variances were not found.
type ConvergenceError struct {
	Iterations int
	Gradient   float64 // see Fit.Gradient
}

func (e *ConvergenceError) Error() string {
	return fmt.Sprintf("the variances were not found in %d steps (gradient %.2g); the model may be too rich for the data: try fewer levels or no random slope", e.Iterations, e.Gradient)
}

// Unwrap returns ErrNoNumber.
func (e *ConvergenceError) Unwrap() error { return ErrNoNumber }

// ShapeError says that the input contradicts itself: columns of different
// lengths, an index out of range, two columns of one name.
type ShapeError struct {
	Reason string
}

func (e *ShapeError) Error() string { return "model input: " + e.Reason }

// MethodError says that a method of inference does not apply to a fit.
type MethodError struct {
	Method string
	Reason string
}

func (e *MethodError) Error() string { return fmt.Sprintf("%s: %s", e.Method, e.Reason) }
