package mixed

import (
	"fmt"
	"strings"

	"evenhand/analysis"
)

// Rows is what a model is made from: columns as they come, with factors and
// missing values. Design turns them into Data.
type Rows struct {
	Outcome analysis.Column // numeric
	// Arm is a factor; the zero Column for a model without arms. Whatever its
	// name, its terms are called "arm: <label> vs <control label>".
	Arm     analysis.Column
	Control int // index of the control arm in Arm.Levels

	Covariates []analysis.Column // numbers and factors
	// Interactions are products of columns, by name; "arm" is the arm.
	// Each {"arm", "FSM"} adds every product of their columns.
	Interactions [][2]string

	// Levels are the random intercepts, outermost first, as in Data.Levels.
	Levels []Level
}

// Used says which rows a Design holds.
type Used struct {
	Rows    []int           // indices of the rows used, in order
	Dropped []analysis.Loss // rows left out, by the first reason that applies, in order of the columns
}

// Within renumbers an inner level so that groups of one label in different
// outer groups are different groups, as classes "1" and "2" of every school
// are. A row that is in no outer or no inner group keeps −1.
func Within(outer, inner Level) Level {
	type pair struct{ o, i int }
	seen := map[pair]int{}
	out := Level{Name: inner.Name, Index: make([]int, len(inner.Index))}
	for r, i := range inner.Index {
		out.Index[r] = -1
		if i < 0 || outer.Index[r] < 0 {
			continue
		}
		k := pair{outer.Index[r], i}
		g, ok := seen[k]
		if !ok {
			g = len(seen)
			seen[k] = g
			out.Labels = append(out.Labels, outer.label(k.o)+"/"+inner.label(k.i))
		}
		out.Index[r] = g
	}
	return out
}

// LevelOf is a level made from a factor; rows where it was not observed are in
// no group.
func LevelOf(c analysis.Column) Level {
	l := Level{Name: c.Name, Labels: c.Levels, Index: append([]int(nil), c.Codes...)}
	for i := range l.Index {
		if !c.Has(i) {
			l.Index[i] = -1
		}
	}
	return l
}

// FromDataset is the rows of a dataset, with the named covariates ("Stratum"
// stands for the strata) and the school as the only level.
func FromDataset(d *analysis.Dataset, covariates []string) (*Rows, error) {
	r := &Rows{
		Outcome: analysis.Column{Name: "outcome", Values: d.Outcome, Observed: d.Observed},
		Arm:     analysis.Column{Name: "arm", Levels: d.Arms, Codes: d.Arm},
		Control: d.Control,
		Levels:  []Level{{Name: "School", Index: d.Cluster, Labels: d.Clusters}},
	}
	for _, name := range covariates {
		found := false
		for _, c := range d.Covariates {
			if c.Name == name {
				r.Covariates = append(r.Covariates, c)
				found = true
			}
		}
		if !found && name == "Stratum" {
			r.Covariates = append(r.Covariates, analysis.Column{Name: name, Levels: d.Strata, Codes: d.Stratum})
			found = true
		}
		if !found {
			return nil, &ShapeError{fmt.Sprintf("the data have no covariate %q", name)}
		}
	}
	return r, nil
}

// ArmTerm is the name of the coefficient of an arm.
func ArmTerm(arm, control string) string { return "arm: " + arm + " vs " + control }

// Design leaves out rows with a missing value and makes the columns: the
// intercept, the arms against the control arm, the covariates, a factor's
// levels against its first that has rows ("Stratum: 2 vs 1"), interactions
// ("arm: 1 vs 0 × FSM").
func (r *Rows) Design() (*Data, *Used, error) {
	n := r.Outcome.Len()
	if r.Outcome.IsFactor() {
		return nil, nil, &ShapeError{fmt.Sprintf("outcome %q is text; a mixed model needs numbers", r.Outcome.Name)}
	}
	all := []analysis.Column{r.Outcome}
	hasArm := r.Arm.IsFactor()
	if hasArm {
		all = append(all, r.Arm)
	}
	all = append(all, r.Covariates...)
	for _, c := range all {
		if c.Len() != n || c.Observed != nil && len(c.Observed) != n {
			return nil, nil, &ShapeError{fmt.Sprintf("column %q has %d rows, the outcome %d", c.Name, c.Len(), n)}
		}
		if c.IsFactor() {
			for i, k := range c.Codes {
				if c.Has(i) && (k < 0 || k >= len(c.Levels)) {
					return nil, nil, &ShapeError{fmt.Sprintf("column %q, row %d: level %d of %d", c.Name, i+1, k, len(c.Levels))}
				}
			}
		}
	}
	for _, l := range r.Levels {
		if len(l.Index) != n {
			return nil, nil, &ShapeError{fmt.Sprintf("level %q has %d rows, the outcome %d", l.Name, len(l.Index), n)}
		}
	}
	if hasArm && (r.Control < 0 || r.Control >= len(r.Arm.Levels)) {
		return nil, nil, &ShapeError{fmt.Sprintf("control arm %d of %d", r.Control, len(r.Arm.Levels))}
	}
	used := &Used{}
	lost := make([]int, len(all))
rows:
	for i := 0; i < n; i++ {
		for k := range all {
			if !all[k].Has(i) {
				lost[k]++
				continue rows
			}
		}
		used.Rows = append(used.Rows, i)
	}
	for k, m := range lost {
		if m > 0 {
			used.Dropped = append(used.Dropped, analysis.Loss{Reason: all[k].Name + " missing", N: m})
		}
	}
	if len(used.Rows) == 0 {
		return nil, used, &NoRowsError{Outcome: r.Outcome.Name, Rows: n}
	}
	pick := func(v []float64) []float64 {
		if len(used.Rows) == n {
			return v
		}
		out := make([]float64, len(used.Rows))
		for i, k := range used.Rows {
			out[i] = v[k]
		}
		return out
	}
	pickInt := func(v []int) []int {
		if len(used.Rows) == n {
			return v
		}
		out := make([]int, len(used.Rows))
		for i, k := range used.Rows {
			out[i] = v[k]
		}
		return out
	}
	d := &Data{Outcome: r.Outcome.Name, Y: pick(r.Outcome.Values)}
	d.Columns = append(d.Columns, Column{Name: Intercept})
	byName := map[string][]Column{}
	if hasArm {
		d.Arm, d.Arms, d.Control = pickInt(r.Arm.Codes), r.Arm.Levels, r.Control
		for a, label := range d.Arms {
			if a == d.Control {
				continue
			}
			c := Column{Name: ArmTerm(label, d.Arms[d.Control]), Values: dummy(d.Arm, a), Arm: true}
			d.Columns = append(d.Columns, c)
			byName["arm"] = append(byName["arm"], c)
		}
		d.term("arm", len(d.Arms)-1)
	}
	for _, c := range r.Covariates {
		var made []Column
		if !c.IsFactor() {
			made = []Column{{Name: c.Name, Values: pick(c.Values)}}
		} else {
			codes := pickInt(c.Codes)
			count := make([]int, len(c.Levels))
			for _, k := range codes {
				count[k]++
			}
			ref := -1
			var empty []string
			for k, label := range c.Levels {
				switch {
				case count[k] == 0:
					empty = append(empty, label)
				case ref < 0:
					ref = k
				default:
					made = append(made, Column{Name: fmt.Sprintf("%s: %s vs %s", c.Name, label, c.Levels[ref]), Values: dummy(codes, k)})
				}
			}
			if len(empty) > 0 {
				d.Warnings = append(d.Warnings, analysis.Warning{Code: WarnEmptyLevel,
					Text: fmt.Sprintf("No row analysed has %s = %s, so the model has no term for it.", c.Name, strings.Join(empty, ", "))})
			}
		}
		d.Columns = append(d.Columns, made...)
		d.term(c.Name, len(made))
		byName[c.Name] = append(byName[c.Name], made...)
	}
	for _, pair := range r.Interactions {
		for _, name := range pair {
			if _, ok := byName[name]; !ok {
				return nil, used, &ShapeError{fmt.Sprintf("interaction with %q, which is not in the model", name)}
			}
		}
		for _, a := range byName[pair[0]] {
			for _, b := range byName[pair[1]] {
				v := make([]float64, len(a.Values))
				for i := range v {
					v[i] = a.Values[i] * b.Values[i]
				}
				d.Columns = append(d.Columns, Column{Name: a.Name + " × " + b.Name, Values: v, ArmProduct: a.Arm || b.Arm})
			}
		}
		d.term(pair[0]+" × "+pair[1], len(byName[pair[0]])*len(byName[pair[1]]))
	}
	for _, l := range r.Levels {
		d.Levels = append(d.Levels, Level{Name: l.Name, Labels: l.Labels, Index: pickInt(l.Index)})
	}
	return d, used, nil
}

// term says that the last n columns are one.
func (d *Data) term(name string, n int) {
	t := Term{Name: name}
	for k := len(d.Columns) - n; k < len(d.Columns); k++ {
		t.Columns = append(t.Columns, k)
	}
	d.Terms = append(d.Terms, t)
}

// WarnEmptyLevel is the code of the warning that a factor's level has no rows.
const WarnEmptyLevel = "level-without-rows"

func dummy(codes []int, level int) []float64 {
	v := make([]float64, len(codes))
	for i, c := range codes {
		if c == level {
			v[i] = 1
		}
	}
	return v
}

// Only is the same data with only the columns that keep accepts; the intercept
// always stays.
func (d *Data) Only(keep func(Column) bool) *Data {
	out := *d
	out.Columns, out.Terms = nil, nil
	for _, c := range d.Columns {
		if c.Values == nil || keep(c) {
			out.Columns = append(out.Columns, c)
		}
	}
	return &out
}

// Unconditional is the data of the model with the arms and without
// covariates; Empty that of the model with the intercept alone.
func (d *Data) Unconditional() *Data { return d.Only(func(c Column) bool { return c.Arm }) }

// Empty is the data of the model with the intercept alone.
func (d *Data) Empty() *Data { return d.Only(func(Column) bool { return false }) }

// Data is what the fit was made from; Model what was asked of it. Neither is
// to be changed.
func (f *Fit) Data() *Data { return f.data }

// Model is what was asked of the fit.
func (f *Fit) Model() Model { return f.model }

// Partial says whether some rows are in no group of a level, as where one arm
// only has communities.
func (f *Fit) Partial(level string) bool {
	for i := range f.data.Levels {
		if f.data.Levels[i].Name != level {
			continue
		}
		for _, g := range f.data.Levels[i].Index {
			if g < 0 {
				return true
			}
		}
	}
	return false
}

// SlopeWeight is the weight of a slope's variance or covariance in the total
// variance averaged over the rows: the mean square of its column, or twice the
// mean (of the product) of its columns for a covariance. It is 0 for a variance
// that is not a slope's.
func (f *Fit) SlopeWeight(v Variance) float64 {
	for _, pa := range f.r.params {
		if pa.level != v.Level || pa.term != v.Term || pa.i <= 0 || pa.arm != v.Arm {
			continue
		}
		sum, n := 0.0, 0.0
		for c := range f.r.cells {
			ce := &f.r.cells[c]
			n += f.r.cellN[c]
			if ce.group[pa.of] >= 0 {
				sum += f.r.cellN[c] * pa.effect(ce, ce, true)
			}
		}
		return sum / n
	}
	return 0
}

// SDWeights are the weights of Variances in the square of the SD that an
// effect size is divided by: the total SD, or the one within clusters, which
// is the residual's. The total leaves out the variance of communities that
// only one arm has: it belongs to the intervention, not to the population that
// the SD is to stand for. Variances by arm are averaged by the arms' rows,
// those of random slopes over all rows.
func (f *Fit) SDWeights(total bool) []float64 {
	share := map[string]float64{}
	for _, a := range f.data.Arm {
		share[f.data.Arms[a]] += 1 / float64(len(f.data.Arm))
	}
	w := make([]float64, len(f.Variances))
	for i, v := range f.Variances {
		part := 1.0
		if v.Arm != "" {
			part = share[v.Arm]
		}
		switch {
		case v.Level == Residual:
			w[i] = part
		case !total || f.Partial(v.Level):
		case v.Term == "":
			w[i] = part
		default:
			w[i] = f.SlopeWeight(v)
		}
	}
	return w
}
