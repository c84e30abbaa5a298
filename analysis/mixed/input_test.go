package mixed

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"evenhand/analysis"
)

// trial makes a small two-arm trial: schools of size pupils each, half of the
// schools in each arm.
func trial(seed uint64, schools, size int) *Rows {
	rng := rand.New(rand.NewPCG(seed, 1))
	r := &Rows{Outcome: analysis.Column{Name: "y"}, Arm: analysis.Column{Name: "arm", Levels: []string{"C", "T"}}}
	x := analysis.Column{Name: "x"}
	level := Level{Name: "School"}
	for s := 0; s < schools; s++ {
		u := rng.NormFloat64()
		for i := 0; i < size; i++ {
			v := rng.NormFloat64()
			x.Values = append(x.Values, v)
			r.Arm.Codes = append(r.Arm.Codes, s%2)
			r.Outcome.Values = append(r.Outcome.Values, 50+2*v+float64(s%2)+u+3*rng.NormFloat64())
			level.Index = append(level.Index, s)
		}
	}
	r.Covariates = []analysis.Column{x}
	r.Levels = []Level{level}
	return r
}

// try designs and fits.
func try(r *Rows, m Model) (*Fit, error) {
	d, _, err := r.Design()
	if err != nil {
		return nil, err
	}
	return New(d, m)
}

func TestBadInputIsSaidKindly(t *testing.T) {
	cases := []struct {
		name  string
		spoil func(*Rows, *Model)
		want  any // pointer to an error type
		says  []string
	}{
		{"no rows", func(r *Rows, m *Model) { *r = Rows{Outcome: analysis.Column{Name: "y"}} }, new(*NoRowsError), []string{`"y"`}},
		{"all outcomes missing", func(r *Rows, m *Model) { r.Outcome.Observed = make([]bool, r.Outcome.Len()) }, new(*NoRowsError), []string{"none of the 240 rows"}},
		{"constant outcome", func(r *Rows, m *Model) { fill(r.Outcome.Values, 7) }, new(*ConstantOutcomeError), []string{"7"}},
		{"constant covariate", func(r *Rows, m *Model) { fill(r.Covariates[0].Values, 4) }, new(*RankError), []string{`"x" has the same value`}},
		{"zero covariate", func(r *Rows, m *Model) { fill(r.Covariates[0].Values, 0) }, new(*RankError), []string{`"x" is 0`}},
		{"copied covariate", func(r *Rows, m *Model) {
			v := make([]float64, r.Outcome.Len())
			for i := range v {
				v[i] = 3*r.Covariates[0].Values[i] - 1000
			}
			r.Covariates = append(r.Covariates, analysis.Number("z", v))
		}, new(*RankError), []string{`"z" is a combination of`, `"x"`}},
		{"stratum within arm", func(r *Rows, m *Model) {
			r.Covariates = append(r.Covariates, analysis.Column{Name: "Stratum", Levels: []string{"1", "2"}, Codes: r.Arm.Codes})
		}, new(*RankError), []string{`"Stratum: 2 vs 1"`, `"arm: T vs C"`}},
		{"empty arm", func(r *Rows, m *Model) { r.Arm.Levels = []string{"C", "T", "U"} }, new(*EmptyArmError), []string{`"U"`}},
		{"nobody treated", func(r *Rows, m *Model) {
			for i := range r.Arm.Codes {
				r.Arm.Codes[i] = 0
			}
		}, new(*EmptyArmError), []string{`"T"`}},
		{"one school", func(r *Rows, m *Model) {
			for i := range r.Levels[0].Index {
				r.Levels[0].Index[i] = 0
			}
		}, new(*ClustersError), []string{"1 group"}},
		{"an arm of one school", func(r *Rows, m *Model) {
			for i, s := range r.Levels[0].Index {
				r.Arm.Codes[i] = 0
				if s == 3 {
					r.Arm.Codes[i] = 1
				}
			}
		}, new(*ArmClustersError), []string{`"T"`, "1 School"}},
		{"one pupil a school", func(r *Rows, m *Model) {
			for i := range r.Levels[0].Index {
				r.Levels[0].Index[i] = i
			}
		}, new(*NotIdentifiedError), []string{"single row", "linear regression"}},
		{"NaN", func(r *Rows, m *Model) { r.Covariates[0].Values[17] = math.NaN() }, new(*ValueError), []string{`"x"`, "row 18"}},
		{"infinite", func(r *Rows, m *Model) { r.Outcome.Values[0] = math.Inf(-1) }, new(*ValueError), []string{`"y"`, "row 1:"}},
		{"infinite first in school", func(r *Rows, m *Model) { r.Outcome.Values[20] = math.Inf(1) }, new(*ValueError), []string{"row 21"}},
		{"absurd", func(r *Rows, m *Model) { r.Outcome.Values[9] = 1e300 }, new(*ValueError), []string{"1e+300", "row 10"}},
		{"outcome among covariates", func(r *Rows, m *Model) {
			v := append([]float64(nil), r.Outcome.Values...)
			for i := range v {
				v[i] = v[i]/2 + 1
			}
			r.Covariates = append(r.Covariates, analysis.Number("y2", v))
		}, new(*PerfectFitError), []string{`"y"`}},
		{"outcome of the school", func(r *Rows, m *Model) {
			for i, s := range r.Levels[0].Index {
				r.Outcome.Values[i] = float64(s * s % 7)
			}
		}, new(*NotIdentifiedError), []string{"does not vary within any School"}},
		{"more columns than rows", func(r *Rows, m *Model) {
			*r = *trial(3, 4, 2)
			rng := rand.New(rand.NewPCG(9, 9))
			for k := 0; k < 7; k++ {
				v := make([]float64, 8)
				for i := range v {
					v[i] = rng.NormFloat64()
				}
				r.Covariates = append(r.Covariates, analysis.Number(fmt.Sprint("c", k), v))
			}
		}, new(*RankError), []string{"combination"}},
		{"school dummies", func(r *Rows, m *Model) {
			labels := make([]string, 12)
			for i := range labels {
				labels[i] = fmt.Sprint(i)
			}
			r.Arm = analysis.Column{}
			r.Covariates = append(r.Covariates, analysis.Column{Name: "S", Levels: labels, Codes: r.Levels[0].Index})
		}, new(*NotIdentifiedError), []string{"take up every difference"}},
		{"same level twice", func(r *Rows, m *Model) {
			r.Levels = append(r.Levels, Level{Name: "Class", Index: r.Levels[0].Index})
		}, new(*NotIdentifiedError), []string{"same grouping"}},
		{"crossed levels", func(r *Rows, m *Model) {
			idx := make([]int, len(r.Levels[0].Index))
			for i := range idx {
				idx[i] = i % 5
			}
			r.Levels = append(r.Levels, Level{Name: "Class", Index: idx})
		}, new(*NestingError), []string{"nested"}},
		{"unknown method", func(r *Rows, m *Model) { m.Method = "MAGIC" }, new(*ShapeError), []string{"MAGIC"}},
		{"unknown slope", func(r *Rows, m *Model) { m.Slope = "steep" }, new(*ShapeError), []string{"steep"}},
		{"slope of nothing", func(r *Rows, m *Model) { m.Slope = FullSlope; m.SlopeColumns = []string{"nope"} }, new(*ShapeError), []string{"nope"}},
		{"no level", func(r *Rows, m *Model) { r.Levels = nil }, new(*ShapeError), []string{"no level"}},
		{"short column", func(r *Rows, m *Model) { r.Covariates[0].Values = r.Covariates[0].Values[:5] }, new(*ShapeError), []string{"5 rows"}},
		{"text outcome", func(r *Rows, m *Model) { r.Outcome = analysis.Factor("y", make([]string, 240)) }, new(*ShapeError), []string{"text"}},
		{"interaction with nothing", func(r *Rows, m *Model) { r.Interactions = [][2]string{{"arm", "FSM"}} }, new(*ShapeError), []string{"FSM"}},
	}
	for _, c := range cases {
		t.Run(c.name, func(t *testing.T) {
			r, m := trial(1, 12, 20), Model{}
			c.spoil(r, &m)
			f, err := try(r, m)
			if err == nil {
				t.Fatalf("no error; got %v", f.Coefficients)
			}
			var single *NotIdentifiedError
			if errors.As(err, &single) && single.SingleRows != (c.name == "one pupil a school") {
				t.Errorf("single rows: %v", single.SingleRows)
			}
			if !errors.As(err, c.want) {
				t.Errorf("error is a %T (%v), want %T", err, err, c.want)
			}
			for _, s := range c.says {
				if !strings.Contains(err.Error(), s) {
					t.Errorf("error does not say %q: %v", s, err)
				}
			}
		})
	}
}

func fill(v []float64, x float64) {
	for i := range v {
		v[i] = x
	}
}

func TestDesignTermsAndCounts(t *testing.T) {
	r := trial(2, 10, 6)
	strata := analysis.Column{Name: "Stratum", Levels: []string{"a", "b", "c", "d"}}
	for _, s := range r.Levels[0].Index {
		strata.Codes = append(strata.Codes, 1+s/4)
	}
	r.Covariates = append(r.Covariates, strata)
	r.Interactions = [][2]string{{"arm", "x"}}
	r.Outcome.Observed = make([]bool, 60)
	r.Covariates[0].Observed = make([]bool, 60)
	for i := range r.Outcome.Observed {
		r.Outcome.Observed[i] = i != 3 && i != 4
		r.Covariates[0].Observed[i] = i != 4 && i != 5
	}
	d, used, err := r.Design()
	if err != nil {
		t.Fatal(err)
	}
	var names []string
	for _, c := range d.Columns {
		names = append(names, c.Name)
	}
	if got, want := strings.Join(names, "|"), "(Intercept)|arm: T vs C|x|Stratum: c vs b|Stratum: d vs b|arm: T vs C × x"; got != want {
		t.Errorf("terms %s, want %s", got, want)
	}
	if got, want := fmt.Sprint(used.Dropped), "[{y missing 2} {x missing 1}]"; got != want {
		t.Errorf("dropped %s, want %s", got, want)
	}
	if len(used.Rows) != 57 || len(d.Y) != 57 || used.Rows[3] != 6 {
		t.Errorf("%d rows used", len(used.Rows))
	}
	if len(d.Warnings) != 1 || d.Warnings[0].Code != WarnEmptyLevel || !strings.Contains(d.Warnings[0].Text, "Stratum = a") {
		t.Errorf("warnings %v", d.Warnings)
	}
	f, err := New(d, Model{})
	if err != nil {
		t.Fatal(err)
	}
	codes := map[string]int{}
	for _, w := range f.Warnings {
		codes[w.Code]++
	}
	if codes[WarnEmptyLevel] != 1 || codes[WarnFewClusters] != 2 { // 5 schools in each arm
		t.Errorf("warnings %v", f.Warnings)
	}
}

func TestClassesOfTheSameNameInTwoSchools(t *testing.T) {
	outer := Level{Name: "School", Index: []int{0, 0, 1, 1}, Labels: []string{"A", "B"}}
	inner := Level{Name: "Class", Index: []int{0, 1, 0, -1}, Labels: []string{"1", "2"}}
	w := Within(outer, inner)
	if fmt.Sprint(w.Index, w.Labels) != "[0 1 2 -1] [A/1 A/2 B/1]" {
		t.Errorf("got %v %v", w.Index, w.Labels)
	}
}
