package mixed

import (
	"fmt"
	"math"
	"strconv"

	"evenhand/analysis"
)

// Intercept is the name of the column of ones.
const Intercept = "(Intercept)"

// Data is what a model is fitted to: complete rows, as columns. Rows makes one
// from an analysis.Dataset or from columns with factors and missing values.
type Data struct {
	Outcome string    // name of the outcome, for messages
	Y       []float64 // the outcome, one a row

	// Columns are the fixed effects, one a coefficient, the intercept among
	// them where there is one.
	Columns []Column
	// Terms say which columns stand for one factor, the arms or a product of
	// them; Rows makes them, a model does not need them.
	Terms []Term

	// Levels are the random intercepts, outermost first, each nested in the
	// one before: community, school, class. At least one.
	Levels []Level

	// Arm is the arm of each row as an index into Arms; nil when there are
	// no arms. It is used for checks and for variances by arm, not for
	// coefficients: the dummies of the arms are among Columns.
	Arm     []int
	Arms    []string
	Control int

	// Warnings, of whatever made the data, are carried to the Fit.
	Warnings []analysis.Warning
}

// Column is one column of the design.
type Column struct {
	Name   string
	Values []float64 // one a row; nil stands for a 1 in every row
	Arm    bool      // whether it is the dummy of an arm against the control arm
	// ArmProduct says that it is a product with the dummy of an arm.
	ArmProduct bool
}

// Term is what several columns stand for together.
type Term struct {
	Name    string // "arm", a covariate, or "arm × FSM"
	Columns []int  // their places in Data.Columns
}

// Level is a grouping of the rows that has a random intercept.
type Level struct {
	Name   string   // e.g. "School"
	Index  []int    // group of each row, from 0; −1 for a row in no group (partially nested designs)
	Labels []string // labels of the groups for messages; may be nil
}

func (l *Level) label(g int) string {
	if g >= 0 && g < len(l.Labels) {
		return l.Labels[g]
	}
	return strconv.Itoa(g)
}

// size is one more than the largest index.
func (l *Level) size() int {
	m := -1
	for _, g := range l.Index {
		if g > m {
			m = g
		}
	}
	return m + 1
}

// Method is the criterion by which variances are estimated.
type Method string

// The methods. The zero Method is REML.
const (
	REML Method = "REML" // restricted maximum likelihood (Patterson & Thompson 1971)
	ML   Method = "ML"   // maximum likelihood
)

// Slope says whether the effects in Model.SlopeColumns vary over the groups of
// the outermost level.
type Slope string

// The slopes.
const (
	NoSlope       Slope = ""         // random intercepts only
	FullSlope     Slope = "full"     // with every covariance between intercept and slopes
	DiagonalSlope Slope = "diagonal" // intercept and slopes independent
)

// Model is everything about a model that is not data. The zero Model is a
// random intercept for each of the levels, by REML.
type Model struct {
	Method Method
	Slope  Slope
	// SlopeColumns name the columns with a random slope; none means every
	// column that is the dummy of an arm.
	SlopeColumns []string
	// ResidualByArm gives each arm its own residual variance, GroupsByArm its
	// own variance of the innermost level.
	ResidualByArm bool
	GroupsByArm   bool
}

// check looks at shapes alone.
func (d *Data) check() error {
	n := len(d.Y)
	if n == 0 {
		return &NoRowsError{Outcome: d.Outcome}
	}
	if len(d.Columns) == 0 {
		return &ShapeError{"no column in the design, not even an intercept"}
	}
	names := map[string]bool{}
	for _, c := range d.Columns {
		if c.Values != nil && len(c.Values) != n {
			return &ShapeError{fmt.Sprintf("column %q has %d rows, the outcome %d", c.Name, len(c.Values), n)}
		}
		if names[c.Name] {
			return &ShapeError{fmt.Sprintf("two columns are called %q", c.Name)}
		}
		names[c.Name] = true
	}
	if len(d.Levels) == 0 {
		return &ShapeError{"no level: a mixed model needs at least one grouping; use a linear regression"}
	}
	for i := range d.Levels {
		l := &d.Levels[i]
		if len(l.Index) != n {
			return &ShapeError{fmt.Sprintf("level %q has %d rows, the outcome %d", l.Name, len(l.Index), n)}
		}
		for r, g := range l.Index {
			if g < -1 || g > 1<<31-2 {
				return &ShapeError{fmt.Sprintf("level %q, row %d: group %d", l.Name, r+1, g)}
			}
		}
	}
	if d.Arm != nil {
		if len(d.Arm) != n {
			return &ShapeError{fmt.Sprintf("the arm has %d rows, the outcome %d", len(d.Arm), n)}
		}
		for r, a := range d.Arm {
			if a < 0 || a >= len(d.Arms) {
				return &ShapeError{fmt.Sprintf("row %d: arm %d of %d", r+1, a, len(d.Arms))}
			}
		}
	}
	return nil
}

// checkArms refuses arms that are empty and, where whole groups of the
// innermost level are in one arm, arms with fewer than two of them. It gives
// the numbers of groups, where they are, and their level.
func (d *Data) checkArms() (counts []int, level *Level, err error) {
	if d.Arm == nil {
		return nil, nil, nil
	}
	rows := make([]int, len(d.Arms))
	for _, a := range d.Arm {
		rows[a]++
	}
	for a, n := range rows {
		if n == 0 {
			return nil, nil, &EmptyArmError{d.Arms[a]}
		}
	}
	level = d.clusterLevel()
	counts, nested := d.clustersByArm(level)
	if !nested {
		return nil, nil, nil
	}
	for a, n := range counts {
		if n == 1 {
			return nil, nil, &ArmClustersError{Arm: d.Arms[a], Level: level.Name, N: n}
		}
	}
	return counts, level, nil
}

// clusterLevel is the outermost level that every row has a group of: the
// school, above which there may be communities of some schools only.
func (d *Data) clusterLevel() *Level {
	for i := range d.Levels {
		whole := true
		for _, g := range d.Levels[i].Index {
			if g < 0 {
				whole = false
				break
			}
		}
		if whole {
			return &d.Levels[i]
		}
	}
	return &d.Levels[len(d.Levels)-1]
}

// clustersByArm counts the groups of a level in each arm; nested is false when
// a group has rows of two arms.
func (d *Data) clustersByArm(l *Level) (counts []int, nested bool) {
	counts = make([]int, len(d.Arms))
	arm := make([]int, l.size())
	for i := range arm {
		arm[i] = -1
	}
	for r, g := range l.Index {
		switch {
		case g < 0:
		case arm[g] < 0:
			arm[g] = d.Arm[r]
			counts[d.Arm[r]]++
		case arm[g] != d.Arm[r]:
			return nil, false
		}
	}
	return counts, true
}

// absurd is the size above which a value cannot be squared and summed.
const absurd = 1e140

// findBadValue names the first value that cannot be computed with.
func (d *Data) findBadValue() error {
	look := func(name string, v []float64) error {
		e := &ValueError{Column: name, Row: -1}
		for i, x := range v {
			if math.IsNaN(x) || math.Abs(x) > absurd {
				if e.Row < 0 {
					e.Row, e.Value = i, x
				}
				e.N++
			}
		}
		if e.Row < 0 {
			return nil
		}
		return e
	}
	if err := look(d.Outcome, d.Y); err != nil {
		return err
	}
	for _, c := range d.Columns {
		if err := look(c.Name, c.Values); err != nil {
			return err
		}
	}
	return nil
}

func constant(v []float64) bool {
	for _, x := range v {
		if x != v[0] {
			return false
		}
	}
	return true
}
