package sap

import (
	"fmt"
	"slices"
	"strings"

	"evenhand/analysis"
	"evenhand/analysis/missing"
)

// Mark says that results must not be taken for the plan's own.
type Mark string

// The marks. Results of the plan itself have none.
const (
	Blinded   Mark = "blind"     // arms are letters, and what would tell which is which is left out
	Rehearsed Mark = "rehearsal" // on arms drawn again: the trial's own arms had no part in it
)

// RunBlind runs the plan with the arms called by letters: order[0] is the place
// in d.Arms of the arm called A, and so on. The other arms are compared with A,
// whichever that is.
//
// What would tell which arm is which is left out: communities and sessions,
// which one arm alone has; sizes, means, balance and losses of each arm, which
// stand elsewhere under the arms' names; and what follows from them. Left is
// what shows whether the analysis works: the model, its variances, the size of
// the difference and of its error.
func RunBlind(plan Plan, d *analysis.Dataset, order []int, redraw func(i int) []int) (*Results, error) {
	hidden, err := blind(d, order)
	if err != nil {
		return nil, err
	}
	letter := make([]int, len(order))
	for k, a := range order {
		letter[a] = k
	}
	again := redraw
	if redraw != nil {
		again = func(i int) []int {
			arms := slices.Clone(redraw(i))
			for c, a := range arms {
				arms[c] = letter[a]
			}
			return arms
		}
	}
	own := plan
	var kept []NotRun
	keep := func(what, why string) { kept = append(kept, NotRun{what, why}) }
	if own.EffectSize == analysis.ScaleControlSD {
		own.EffectSize = analysis.ScalePooledSD
		keep("effect size by the control arm's SD", "which arm that is stays hidden; the effect size here divides by the pooled SD")
	}
	if own.Model == PartiallyNested {
		own.Model = MixedModel
		keep("the partially nested model", "communities are of one arm, so that it tells which that is; the model here is of pupils in schools")
	}
	if own.Pairs != nil {
		own.Pairs = nil
		keep("pairs of arms", "they are named in the plan")
	}
	if own.Compliance != nil {
		own.Compliance = nil
		keep("compliance", "sessions were held in one arm, so that they tell which it is")
	}
	if m := own.Missing; m != nil {
		copied := *m
		copied.Sensitivity = nil
		for _, s := range m.Sensitivity {
			if s != Delta && s != Bounds && s != Reference {
				copied.Sensitivity = append(copied.Sensitivity, s)
				continue
			}
			keep("missing scores, "+s, "how many scores each arm lacks is in it, and the record of losses has that by the arms' names")
		}
		own.Missing = &copied
	}
	r, err := Run(own, hidden, again)
	if err != nil {
		return nil, err
	}
	r.Plan, r.Mark = plan, Blinded
	r.NotRun = append(kept, r.NotRun...)
	r.Arms, r.Balance, r.Attrition = nil, nil, nil
	for i := range r.Contrasts {
		c := &r.Contrasts[i]
		// Less the adjusted difference it gives the sign of the difference at
		// baseline, which is known by the arms' names since the draw.
		c.Unadjusted = nil
		c.EffectSizes = slices.DeleteFunc(c.EffectSizes, func(e analysis.Estimate) bool { return e.Scale == analysis.ScaleControlSD })
	}
	if small, large := schoolsOf(hidden); len(order) > 2 && float64(large) > 1.1*float64(small) {
		r.Warnings = append(r.Warnings, analysis.Warning{Code: "sizes-show", Text: fmt.Sprintf("The arms are of different sizes (%d to %d schools), and a difference from a larger arm has the smaller standard error: with more than two arms the letters may be told apart by it.", small, large)})
	}
	// Without other terms the intercept is the mean of the arm A.
	r.Covariates = slices.DeleteFunc(r.Covariates, func(c Coefficient) bool { return c.Term == "(Intercept)" })
	if r.Missing != nil {
		for i := range r.Missing.Variables {
			r.Missing.Variables[i].Arms = nil
		}
		if i := r.Missing.Imputation; i != nil {
			// The model of the baseline has the arms' difference at baseline.
			i.Parameters = slices.DeleteFunc(i.Parameters, func(p SamplerNote) bool {
				return p.Arm != "" || strings.Contains(p.Parameter, missing.ArmPredictor(""))
			})
		}
	}
	return r, nil
}

// schoolsOf counts the schools of the smallest and of the largest arm.
func schoolsOf(d *analysis.Dataset) (small, large int) {
	schools := make([]map[int]bool, len(d.Arms))
	for a := range schools {
		schools[a] = map[int]bool{}
	}
	for i, a := range d.Arm {
		schools[a][d.Cluster[i]] = true
	}
	small = len(d.Clusters)
	for _, s := range schools {
		small, large = min(small, len(s)), max(large, len(s))
	}
	return small, large
}

// blind is the dataset with letters for arms, and without what only one arm has.
func blind(d *analysis.Dataset, order []int) (*analysis.Dataset, error) {
	sorted := slices.Sorted(slices.Values(order))
	for k := range d.Arms {
		if len(order) != len(d.Arms) || sorted[k] != k {
			return nil, fmt.Errorf("hide %d arms behind letters in the order %v: each place comes once", len(d.Arms), order)
		}
	}
	if len(order) > 26 {
		return nil, fmt.Errorf("%d arms are more than there are letters", len(order))
	}
	out := *d
	out.Control = 0
	out.Arms = make([]string, len(order))
	letter := make([]int, len(order))
	for k, a := range order {
		out.Arms[k], letter[a] = string(rune('A'+k)), k
	}
	out.Arm = make([]int, len(d.Arm))
	out.Community = make([]int, len(d.Arm))
	for i, a := range d.Arm {
		out.Arm[i], out.Community[i] = letter[a], -1
	}
	out.Communities = nil
	out.SchoolCovariates = slices.DeleteFunc(slices.Clone(d.SchoolCovariates), func(c analysis.Column) bool { return c.Name == SessionsColumn })
	return &out, nil
}
