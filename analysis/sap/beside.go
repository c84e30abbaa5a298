package sap

import (
	"errors"
	"fmt"
	"hash/fnv"
	"maps"
	"math"
	"runtime"
	"slices"
	"strings"
	"sync"

	"evenhand/analysis"
	"evenhand/analysis/attrition"
	"evenhand/analysis/describe"
	"evenhand/analysis/effectsize"
	"evenhand/analysis/missing"
	"evenhand/analysis/mixed"
	"evenhand/analysis/robust"
)

// Analyses beside the planned estimate. One that the data do not allow leaves
// the estimate as it is: it is named among NotRun with the reason.

// beside runs what the plan asks for beside the estimate. d is the whole
// dataset, model the same with the plan's covariates only.
func (r *Results) beside(d, model *analysis.Dataset, use attrition.Use, redraw func(int) []int) {
	run := func(what string, f func() error) {
		if err := f(); err != nil {
			r.NotRun = append(r.NotRun, NotRun{what, err.Error()})
		}
	}
	if r.Plan.Redraws > 0 {
		run("randomisation test", func() error { return r.randomisation(model, redraw) })
	}
	if r.Plan.Model == PartiallyNested {
		run("without communities", func() error { return r.plainClusters(model) })
	}
	if r.Plan.Posterior {
		run("posterior", func() error { return r.posterior(model) })
	}
	for _, name := range r.Plan.Subgroups {
		run("subgroup "+name, func() error { return r.subgroup(d, model, name) })
	}
	if r.Plan.Missing != nil {
		run("missing scores", func() error { return r.missing(model, use, run) })
	}
	if r.Plan.Compliance != nil {
		run("compliance", func() error { return r.compliance(d, model) })
	}
}

// seed is the seed of an outcome's simulated numbers: the same whenever and
// wherever the plan is run.
func (r *Results) seed() uint64 {
	h := fnv.New64a()
	h.Write([]byte(r.Plan.Outcome))
	return h.Sum64()
}

var errPupils = errors.New("it is for pupils in schools, and here schools are measured")

// randomisation tests by redraws of the trial's own design. Schools are put
// into arms; redraw gives the arms of d.Clusters.
func (r *Results) randomisation(d *analysis.Dataset, redraw func(int) []int) error {
	if redraw == nil {
		return errors.New("the design, roster and chance of the draw were not at hand")
	}
	// Whole schools are drawn again, and communities would have to be formed
	// anew each time: the test's statistic is that of the schools, whatever the
	// model. It holds all the same.
	rows, err := r.plain().rows(d)
	if err != nil {
		return err
	}
	data, used, err := rows.Design()
	if err != nil {
		return err
	}
	drawn := make([]int, len(d.Clusters))
	for i, c := range d.Cluster {
		drawn[c] = d.Arm[i]
	}
	unit := make([]int, len(used.Rows))
	for i, k := range used.Rows {
		unit[i] = d.Cluster[k]
	}
	test := Redrawing{Drawn: drawn, Redraw: redraw, N: r.Plan.Redraws, Effects: len(d.Arms) - 1}
	if r.Plan.Model == LinearModel {
		test.Refitter = func() Refitter { return leastRefits(data, unit) }
	} else {
		units := make([]int, len(d.Clusters))
		for c := range units {
			units[c] = c
		}
		if test.Refitter, _, err = SchoolRefits(data, mixed.REML, units); err != nil {
			return err
		}
	}
	found, err := test.Run()
	if err != nil {
		return err
	}
	if err := found.Name(d.Arms, d.Control); err != nil {
		return err
	}
	r.Randomisation = &Randomisation{RandomisationTest: *found}
	r.Randomisation.Interval, r.Randomisation.Why = ShiftInterval(data, unit, drawn, redraw, r.Plan.Redraws, false, r.Plan.Level)
	return nil
}

// plain are results with the model of schools alone, without communities.
func (r *Results) plain() *Results {
	out := &Results{Plan: r.Plan}
	if out.Plan.Model == PartiallyNested {
		out.Plan.Model = MixedModel
	}
	return out
}

// plainClusters is the planned difference as if communities made none.
func (r *Results) plainClusters(d *analysis.Dataset) error {
	rows, err := r.plain().rows(d)
	if err != nil {
		return err
	}
	data, _, err := rows.Design()
	if err != nil {
		return err
	}
	fit, err := mixed.New(data, mixed.Model{})
	if err != nil {
		return err
	}
	for a, arm := range d.Arms {
		if a == d.Control {
			continue
		}
		difference, size, err := r.contrast(fit, arm)
		if err != nil {
			return err
		}
		for _, e := range []*analysis.Estimate{&difference, &size} {
			e.Estimand, e.Counts = r.estimand(arm, d.Arms[d.Control]), r.Counts
		}
		r.PlainClusters = append(r.PlainClusters, ArmContrast{arm, d.Arms[d.Control], difference, size})
	}
	return nil
}

// leastRefits refits schools as rows.
func leastRefits(data *mixed.Data, unit []int) Refitter {
	own := *data
	own.Columns = slices.Clone(data.Columns)
	var arms []int
	for k, c := range data.Columns {
		if c.Arm {
			own.Columns[k].Values = make([]float64, len(data.Y))
			for a, name := range data.Arms {
				if mixed.ArmTerm(name, data.Arms[data.Control]) == c.Name {
					arms = append(arms, a)
				}
			}
		}
	}
	return func(drawn []int, out []Refitted) error {
		at := 0
		for _, c := range own.Columns {
			if !c.Arm {
				continue
			}
			for i, u := range unit {
				c.Values[i] = 0
				if drawn[u] == arms[at] {
					c.Values[i] = 1
				}
			}
			at++
		}
		fit, judged, err := leastSquares(&own)
		if err != nil {
			return err
		}
		at = 0
		for _, c := range own.Columns {
			if !c.Arm {
				continue
			}
			e, err := judged.Coefficient(c.Name, 0.95)
			if err != nil {
				return err
			}
			out[at] = Refitted{e.Estimate, e.Statistic, e.Estimate / fit.Sigma}
			at++
		}
		return nil
	}
}

// subgroup estimates the effect by a yes/no column.
func (r *Results) subgroup(d, model *analysis.Dataset, name string) error {
	if r.Plan.Model == LinearModel {
		return errPupils
	}
	at := slices.IndexFunc(d.Covariates, func(c analysis.Column) bool { return c.Name == name })
	if at < 0 {
		return fmt.Errorf("the data have no column %q", name)
	}
	column := d.Covariates[at]
	if !column.Binary {
		return fmt.Errorf("%q is no yes/no column", name)
	}
	out := Subgroup{Variable: name}

	// The interaction, in the model of everybody.
	whole := *model
	if !slices.ContainsFunc(whole.Covariates, func(c analysis.Column) bool { return c.Name == name }) {
		whole.Covariates = append(slices.Clone(whole.Covariates), column)
	}
	counts, err := r.counts(&whole)
	if err != nil {
		return err
	}
	rows, err := r.rowsWith(&whole, name)
	if err != nil {
		return err
	}
	rows.Interactions = [][2]string{{"arm", name}}
	data, _, err := rows.Design()
	if err != nil {
		return err
	}
	fit, err := mixed.New(data, mixed.Model{})
	if err != nil {
		return err
	}
	control := d.Arms[d.Control]
	for a, arm := range d.Arms {
		if a == d.Control {
			continue
		}
		t, err := fit.Test(mixed.ArmTerm(arm, control)+" × "+name, mixed.DF(r.Plan.DF), r.Plan.Level)
		if err != nil {
			return err
		}
		e := analysis.Estimate{Estimand: r.estimand(arm, control), Method: fit.Description + ", interaction with " + name, Scale: analysis.ScaleDifference,
			Value: t.Estimate, SE: t.SE, DF: finite(t.DF), DFMethod: string(t.Method), Statistic: t.Statistic, P: t.P,
			Interval: analysis.Interval{Low: t.Low, High: t.High, Level: t.Level, Method: t.Method.Label()}, Counts: counts, Warnings: fit.Warnings}
		e.Estimand.Subgroup = name + ": yes less no"
		size := r.Contrasts[slices.IndexFunc(r.Contrasts, func(c Contrast) bool { return c.Arm == arm })].EffectSize
		out.Interactions = append(out.Interactions, SubgroupEffect{Arm: arm, Against: control, Difference: e, EffectSize: inSD(e, size.Scale, size.SD)})
	}

	// The effect within each.
	for v, value := range []string{"no", "yes"} {
		part := keepRows(model, func(i int) bool { return column.Has(i) && column.Values[i] == float64(v) })
		part.Covariates = slices.DeleteFunc(part.Covariates, func(c analysis.Column) bool { return c.Name == name })
		counts, err := r.counts(part)
		if err != nil {
			return fmt.Errorf("among %s: %w", value, err)
		}
		rows, err := r.rowsWithout(part, name)
		if err != nil {
			return fmt.Errorf("among %s: %w", value, err)
		}
		data, _, err := rows.Design()
		if err != nil {
			return fmt.Errorf("among %s: %w", value, err)
		}
		fit, err := mixed.New(data, mixed.Model{})
		if err != nil {
			return fmt.Errorf("among %s: %w", value, err)
		}
		for a, arm := range d.Arms {
			if a == d.Control {
				continue
			}
			difference, size, err := r.contrast(fit, arm)
			if err != nil {
				return fmt.Errorf("among %s: %w", value, err)
			}
			for _, e := range []*analysis.Estimate{&difference, &size} {
				e.Estimand, e.Counts = r.estimand(arm, control), counts
				e.Estimand.Subgroup = name + ": " + value
			}
			out.Within = append(out.Within, SubgroupEffect{value, arm, control, difference, size})
		}
	}
	r.Subgroups = append(r.Subgroups, out)
	return nil
}

// contrast is an arm's adjusted difference in a fit, and its effect size by the
// plan's denominator.
func (r *Results) contrast(fit *mixed.Fit, arm string) (difference, size analysis.Estimate, err error) {
	options := effectsize.Options{DF: mixed.DF(r.Plan.DF), Level: r.Plan.Level}
	if difference, err = effectsize.Difference(fit, arm, options); err != nil {
		return
	}
	denominators, missing := effectsize.Denominators(fit, arm)
	for _, d := range denominators {
		if d.Scale == r.Plan.EffectSize {
			return difference, inSD(difference, d.Scale, d.SD), nil
		}
	}
	return difference, size, &ScaleError{r.Plan.EffectSize, missing[r.Plan.EffectSize]}
}

func (r *Results) counts(d *analysis.Dataset) (analysis.Counts, error) {
	use, err := attrition.UseOf(d, analysis.CompleteCase)
	if err != nil {
		return analysis.Counts{}, err
	}
	return attrition.Count(d, use, -1)
}

// rowsWith are the model's rows with a covariate added, rowsWithout with one
// taken out.
func (r *Results) rowsWith(d *analysis.Dataset, name string) (*mixed.Rows, error) {
	other := Results{Plan: r.Plan}
	if !slices.Contains(other.Plan.Covariates, name) {
		other.Plan.Covariates = append(slices.Clone(other.Plan.Covariates), name)
	}
	return other.rows(d)
}

func (r *Results) rowsWithout(d *analysis.Dataset, name string) (*mixed.Rows, error) {
	other := Results{Plan: r.Plan}
	other.Plan.Covariates = slices.DeleteFunc(slices.Clone(other.Plan.Covariates), func(c string) bool { return c == name })
	return other.rows(d)
}

// keepRows is the dataset with some of its rows, and of its schools those that
// have one.
func keepRows(d *analysis.Dataset, keep func(row int) bool) *analysis.Dataset {
	out := *d
	var rows []int
	for i := range d.ID {
		if keep(i) {
			rows = append(rows, i)
		}
	}
	out.ID, out.Lost = pick(d.ID, rows), pick(d.Lost, rows)
	out.Outcome, out.Observed = pick(d.Outcome, rows), pick(d.Observed, rows)
	out.Arm, out.Stratum, out.Community = pick(d.Arm, rows), pick(d.Stratum, rows), pick(d.Community, rows)
	place := map[int]int{}
	for _, i := range rows {
		place[d.Cluster[i]] = 0
	}
	out.Clusters, out.SchoolCovariates = nil, nil
	for _, c := range slices.Sorted(maps.Keys(place)) {
		place[c] = len(out.Clusters)
		out.Clusters = append(out.Clusters, d.Clusters[c])
	}
	out.Cluster = make([]int, len(rows))
	for k, i := range rows {
		out.Cluster[k] = place[d.Cluster[i]]
	}
	out.Covariates = nil
	for _, c := range d.Covariates {
		c.Values, c.Codes, c.Observed = pick(c.Values, rows), pick(c.Codes, rows), pick(c.Observed, rows)
		out.Covariates = append(out.Covariates, c)
	}
	return &out
}

func pick[T any](all []T, rows []int) []T {
	if all == nil {
		return nil
	}
	out := make([]T, len(rows))
	for k, i := range rows {
		out[k] = all[i]
	}
	return out
}

// missing says what is missing, and runs what the plan does about it.
func (r *Results) missing(d *analysis.Dataset, use attrition.Use, run func(string, func() error)) error {
	rule := r.Plan.Missing
	table, err := missing.Describe(d)
	if err != nil {
		return err
	}
	note := &MissingNote{Indicated: table.Indicated(rule.ImputeAbove), Seed: r.seed()}
	gone := 0
	for i, v := range table.Variables {
		if i == 0 { // the outcome
			v.Name = r.Plan.Outcome
		}
		note.Variables = append(note.Variables, MissingShare{v.Name, v.Missing, v.Share, v.Arms})
		note.Largest = math.Max(note.Largest, v.Share)
		gone += v.Missing
	}
	r.Missing = note
	if gone == 0 {
		return nil
	}
	if rule.Imputations == 0 {
		note.Indicated = false // it was not planned
	}
	if r.Plan.Model == LinearModel && (note.Indicated || slices.Contains(rule.Sensitivity, Delta) || slices.Contains(rule.Sensitivity, Reference)) {
		r.NotRun = append(r.NotRun, NotRun{"multiple imputation", errPupils.Error()})
	} else if note.Indicated {
		run("multiple imputation", func() error {
			return r.impute(d, slices.Contains(rule.Sensitivity, Delta), slices.Contains(rule.Sensitivity, Reference))
		})
	}
	for _, s := range rule.Sensitivity {
		switch s {
		case Bounds:
			run("bounds", func() error { return r.bounds(d) })
		case Weights:
			run("weights", func() error { return r.weights(d, use) })
		}
	}
	return nil
}

// imputedFit is the planned model on a completed dataset.
type imputedFit struct {
	differences, sizes []analysis.Estimate // of each arm
	covariance         [][]float64         // of the differences, model-based
	icc, iccSE         float64             // of the empty model; 0 where it has no SE
}

// imputed fits the planned model to a completed dataset and gives each arm's
// difference and, if asked for, effect sizes and the ICC.
func (r *Results) imputed(d *analysis.Dataset, withSizes bool) (imputedFit, error) {
	var out imputedFit
	rows, err := r.rows(d)
	if err != nil {
		return out, err
	}
	data, _, err := rows.Design()
	if err != nil {
		return out, err
	}
	fit, err := mixed.New(data, mixed.Model{})
	if err != nil {
		return out, err
	}
	var arms []int
	for i, c := range fit.Coefficients {
		if c.Arm {
			arms = append(arms, i)
		}
	}
	for _, i := range arms {
		var line []float64
		for _, k := range arms {
			line = append(line, fit.Vcov[i][k])
		}
		out.covariance = append(out.covariance, line)
	}
	for a, arm := range d.Arms {
		if a == d.Control {
			continue
		}
		if !withSizes {
			t, err := fit.Test(mixed.ArmTerm(arm, d.Arms[d.Control]), r.seMethod(), r.Plan.Level)
			if err != nil {
				return out, err
			}
			out.differences = append(out.differences, analysis.Estimate{Value: t.Estimate, SE: t.SE})
			continue
		}
		difference, size, err := r.contrast(fit, arm)
		if err != nil {
			return out, err
		}
		out.differences, out.sizes = append(out.differences, difference), append(out.sizes, size)
	}
	if withSizes {
		empty, err := mixed.New(data.Empty(), mixed.Model{})
		if err != nil {
			return out, err
		}
		all, err := empty.ICCs(r.Plan.Level)
		if err != nil {
			return out, err
		}
		out.icc, out.iccSE = all[0].Value, all[0].SE
	}
	return out, nil
}

// imputedSets are the completed datasets of a run, kept for Imputed.
type imputedSets struct {
	model missing.Model
	sets  *missing.Imputations
}

// imputations completes the data: always in the same way, since the seed is the
// outcome's.
func (r *Results) imputations(d *analysis.Dataset) (missing.Model, *missing.Imputations, error) {
	model, dropped, err := missing.ModelOf(d, r.Plan.Missing.ByArm, r.Plan.Missing.Interactions...)
	if err != nil {
		return model, nil, err
	}
	warnings := withoutUnseen(d, &model)
	for _, name := range r.Plan.Missing.Interactions {
		if slices.Contains(dropped, name) {
			warnings = append(warnings, analysis.Warning{Code: "interaction-left-out", Text: fmt.Sprintf("The imputation was to let the association with %s differ between the arms, but %s has gaps of its own: it is imputed, with one association in all arms. A model for each arm (`by arm`) would let it differ.", name, name)})
		}
	}
	model.Imputations, model.Seed = r.Plan.Missing.Imputations, r.seed()
	sets, err := missing.Impute(model)
	if err == nil {
		sets.Warnings = append(sets.Warnings, warnings...)
	}
	return model, sets, err
}

// withoutUnseen takes strata out of the imputation's predictors in which nobody
// has a value of some variable, as where a stratum's one school left: nothing
// says how they differ. Their values are imputed as in the reference, which is the
// first stratum, joined by the next one where nobody of it has a value either.
func withoutUnseen(d *analysis.Dataset, m *missing.Model) (warnings []analysis.Warning) {
	parts := 1
	if m.ByArm != nil {
		parts = len(d.Arms)
	}
	// seen says whether somebody among the rows has each variable, in every arm that
	// is imputed by itself.
	seen := func(among func(row int) bool) bool {
		for _, v := range m.Incomplete {
			if v.School {
				continue
			}
			found := make([]bool, parts)
			for i, o := range v.Observed {
				switch {
				case !o || !among(i):
				case parts == 1:
					found[0] = true
				default:
					found[m.ByArm[i]] = true
				}
			}
			if slices.Contains(found, false) {
				return false
			}
		}
		return true
	}
	stratum := func(p missing.Predictor) string { return strings.TrimPrefix(p.Name, missing.StratumPrefix) }
	var unseen []string
	m.Predictors = slices.DeleteFunc(slices.Clone(m.Predictors), func(p missing.Predictor) bool {
		if !isStratum(p.Name) || seen(func(i int) bool { return p.Values[i] != 0 }) {
			return false
		}
		unseen = append(unseen, stratum(p))
		return true
	})
	reference := d.Strata[0]
	for {
		at := slices.IndexFunc(m.Predictors, func(p missing.Predictor) bool { return isStratum(p.Name) })
		if at < 0 || seen(func(i int) bool {
			return !slices.ContainsFunc(m.Predictors, func(p missing.Predictor) bool { return isStratum(p.Name) && p.Values[i] != 0 })
		}) {
			break
		}
		unseen = append(unseen, reference)
		reference = stratum(m.Predictors[at])
		m.Predictors = slices.Delete(m.Predictors, at, at+1)
	}
	for _, name := range unseen {
		warnings = append(warnings, analysis.Warning{Code: "stratum-without-values", Text: fmt.Sprintf("Nobody in the stratum %s has a score (or one of the baseline), so that nothing says how the stratum differs: what is missing there was imputed as if in the stratum %s.", name, reference)})
	}
	return warnings
}

// ImputedValue is a value that was missing and was imputed.
type ImputedValue struct {
	Imputation int    // from 1
	Row        int    // of the dataset
	Column     string // the covariate's name; "" for the outcome
	Value      float64
	Label      string // of a factor: its level
}

// Imputed gives the values that r's imputations rest on, by imputation, then
// variable, then row, so that somebody else can pool them; nil where nothing was
// imputed. A run keeps them for one call, since they are large; after that, and
// for results that were read back, they are imputed again, which gives the same.
func (r *Results) Imputed(d *analysis.Dataset) ([]ImputedValue, error) {
	if r.Missing == nil || r.Missing.Imputation == nil {
		return nil, nil
	}
	if err := r.imputeAgain(d); err != nil {
		return nil, err
	}
	levels := map[string][]string{}
	for _, c := range d.Covariates {
		levels[c.Name] = c.Levels
	}
	defer func() { r.sets = nil }()
	var all []ImputedValue
	for s, set := range r.sets.sets.Sets {
		full, err := missing.Complete(d, r.sets.model, set)
		if err != nil {
			return nil, err
		}
		codes := map[string][]int{}
		for _, c := range full.Covariates {
			codes[c.Name] = c.Codes
		}
		for v, variable := range r.sets.model.Incomplete {
			name := variable.Name
			if name == missing.OutcomeName {
				name = ""
			}
			for row, there := range variable.Observed {
				if there {
					continue
				}
				label := ""
				if levels[name] != nil {
					label = levels[name][codes[name][row]]
				}
				all = append(all, ImputedValue{s + 1, row, name, set.Values[v][row], label})
			}
		}
	}
	return all, nil
}

// imputeAgain makes the sets that r's imputations rest on, unless they are there.
func (r *Results) imputeAgain(d *analysis.Dataset) error {
	if r.sets != nil {
		return nil
	}
	planned, err := planned(r.Plan, d)
	if err != nil {
		return err
	}
	model, sets, err := r.imputations(planned)
	if err == nil {
		r.sets = &imputedSets{model, sets}
	}
	return err
}

// Chains gives every draw after burn-in of the parameters in r's imputation,
// parameters in the order of its notes; nil where nothing was imputed. Results
// that were read back are imputed again from the same seed, and it is an error if
// the chains are then not those that the results describe.
func (r *Results) Chains(d *analysis.Dataset) ([]missing.Trace, error) {
	if r.Missing == nil || r.Missing.Imputation == nil {
		return nil, nil
	}
	if err := r.imputeAgain(d); err != nil {
		return nil, err
	}
	notes, traces := r.Missing.Imputation.Parameters, r.sets.sets.Traces
	for i, t := range traces {
		if len(notes) != len(traces) || notes[i].Parameter != t.Parameter || notes[i].RHat != t.RHat || notes[i].ESS != t.ESS {
			return nil, fmt.Errorf("imputed again, the chains of %s are not those of the results: another version of the program, or another kind of processor, made them", t.Parameter)
		}
	}
	return traces, nil
}

// impute runs the planned model on imputed data.
func (r *Results) impute(d *analysis.Dataset, delta, reference bool) error {
	model, sets, err := r.imputations(d)
	if err != nil {
		return err
	}
	r.sets = &imputedSets{model, sets}
	note := &Imputation{Imputations: len(sets.Sets), Prior: sets.Prior, Warnings: append([]analysis.Warning{}, sets.Warnings...)}
	for i, v := range model.Incomplete {
		if v.Name == missing.OutcomeName {
			v.Name = r.Plan.Outcome
		}
		note.Imputed = append(note.Imputed, ImputedCells{v.Name, sets.Imputed[i]})
	}
	note.BurnIn, note.Between, note.Chains = sets.Model.BurnIn, sets.Model.Between, sets.Model.Chains
	for _, t := range sets.Traces {
		note.RHat = math.Max(note.RHat, t.RHat)
		one := SamplerNote{Parameter: t.Parameter, RHat: t.RHat, ESS: t.ESS, Lag: t.Lag}
		if r.Plan.Missing.ByArm {
			one.Arm = d.Arms[t.Arm]
		}
		all, err := describe.Summarise(slices.Concat(t.Chains...), nil)
		if err != nil {
			return err
		}
		one.Mean, one.SD = all.Mean, all.SD
		note.Parameters = append(note.Parameters, one)
	}
	completed := make([]*analysis.Dataset, len(sets.Sets))
	for i, s := range sets.Sets {
		if completed[i], err = missing.Complete(d, model, s); err != nil {
			return err
		}
	}
	// With nothing missing the difference would rest on the schools.
	df := float64(len(d.Clusters) - len(d.Arms))
	if slices.Contains(r.Plan.Covariates, "Stratum") {
		df -= float64(len(d.Strata) - 1)
	}
	df = math.Max(df, 1)
	var shifted []*shiftable // for each completed dataset; nil where the model must be fitted anew
	// fits is the planned model on every completed dataset, the imputed scores of an
	// arm shifted; by is nil for no shift.
	fits := func(arm int, by func(set int) float64, withSizes bool) ([]imputedFit, error) {
		all, faults := make([]imputedFit, len(completed)), make([]error, len(completed))
		var wait sync.WaitGroup
		work := make(chan int)
		for range min(runtime.GOMAXPROCS(0), len(completed)) {
			wait.Add(1)
			go func() {
				defer wait.Done()
				for i := range work {
					shift := 0.0
					if by != nil {
						shift = by(i)
					}
					if shifted != nil && !withSizes {
						all[i].differences, faults[i] = shifted[i].refit(arm, shift)
						continue
					}
					c := *completed[i]
					if shift != 0 {
						c.Outcome = missing.Shift(c.Outcome, d.Observed, func(row int) bool { return d.Arm[row] == arm }, shift)
					}
					all[i], faults[i] = r.imputed(&c, withSizes)
				}
			}()
		}
		for i := range completed {
			work <- i
		}
		close(work)
		wait.Wait()
		return all, errors.Join(faults...)
	}
	if delta || reference {
		for _, c := range completed {
			s, err := r.shiftable(c, d.Observed)
			if err != nil { // a model that is not refitted from sums
				shifted = nil
				break
			}
			shifted = append(shifted, s)
		}
	}
	pool := func(all []imputedFit, of func(imputedFit) (value, se float64), df float64) (missing.Pooled, error) {
		var values, ses []float64
		for _, f := range all {
			v, se := of(f)
			values, ses = append(values, v), append(ses, se)
		}
		return missing.Pool(values, ses, df, r.Plan.Level)
	}
	difference := func(k int) func(imputedFit) (float64, float64) {
		return func(f imputedFit) (float64, float64) { return f.differences[k].Value, f.differences[k].SE }
	}
	all, err := fits(-1, nil, true)
	if err != nil {
		return err
	}
	control := d.Arms[d.Control]
	k := 0
	for a, arm := range d.Arms {
		if a == d.Control {
			continue
		}
		one := PooledContrast{Arm: arm, Against: control}
		if one.Difference, err = pool(all, difference(k), df); err != nil {
			return err
		}
		size := func(f imputedFit) (float64, float64) { return f.sizes[k].Value, f.sizes[k].SE }
		if one.EffectSize, err = pool(all, size, df); err != nil {
			return err
		}
		note.Contrasts = append(note.Contrasts, one)
		k++
	}
	if !slices.ContainsFunc(all, func(f imputedFit) bool { return f.iccSE == 0 }) {
		icc, err := pool(all, func(f imputedFit) (float64, float64) { return f.icc, f.iccSE }, math.Max(1, float64(len(d.Clusters)-1)))
		if err != nil {
			return err
		}
		note.ICC = &icc
	}
	if k > 1 {
		var estimates [][]float64
		var covariances [][][]float64
		for _, f := range all {
			var line []float64
			for _, e := range f.differences {
				line = append(line, e.Value)
			}
			estimates, covariances = append(estimates, line), append(covariances, f.covariance)
		}
		joint, err := missing.PoolD1(estimates, covariances)
		if err != nil {
			return err
		}
		note.Joint = &joint
	}
	r.Missing.Imputation = note
	if reference {
		if err := r.reference(d, model, sets, func(arm, k int, by func(int) float64) (missing.Pooled, error) {
			moved, err := fits(arm, by, false)
			if err != nil {
				return missing.Pooled{}, err
			}
			return pool(moved, difference(k), df)
		}); err != nil {
			r.NotRun = append(r.NotRun, NotRun{"reference-based imputation", err.Error()})
		}
	}
	if !delta {
		return nil
	}
	k = -1
	for a, arm := range d.Arms {
		if a == d.Control {
			continue
		}
		k++
		contrast, sd := k, r.Contrasts[k].EffectSize.SD
		known := map[float64]missing.Pooled{}
		analyse := func(shift float64) (missing.Pooled, error) {
			shift = onGrid(shift, sd)
			if p, ok := known[shift]; ok {
				return p, nil
			}
			moved, err := fits(a, func(int) float64 { return shift }, false)
			if err != nil {
				return missing.Pooled{}, err
			}
			known[shift], err = pool(moved, difference(contrast), df)
			return known[shift], err
		}
		var shifts []float64
		for _, s := range deltaSDs {
			shifts = append(shifts, onGrid(s*sd, sd))
		}
		points, err := missing.DeltaCurve(analyse, shifts)
		if err != nil {
			return err
		}
		out := DeltaNote{Arm: arm, Points: points}
		for _, to := range []float64{-2 * sd, 2 * sd} {
			t, err := missing.TippingPoint(analyse, to, 1-r.Plan.Level, 4)
			if err != nil {
				return err
			}
			t.Delta = onGrid(t.Delta, sd)
			out.Tipping = append(out.Tipping, t)
		}
		r.Missing.Delta = append(r.Missing.Delta, out)
	}
	return nil
}

// shiftable is a completed dataset whose imputed scores are shifted many times:
// its rows are read once, and each refit costs their outcome's sums only. A
// model that a Refitter does not know, or a standard error that it does not
// give, is refitted by mixed.Shifts, which is slower.
type shiftable struct {
	refitter *mixed.Refitter // nil where it will not do
	data     *mixed.Data
	own      []float64 // room for a shifted outcome
	imputed  []int     // arm of each row whose score was imputed, -1 for the others
	out      []mixed.Refit
	shifts   map[int]*mixed.Shifts // by arm
	method   mixed.DF
	level    float64
}

func (r *Results) shiftable(completed *analysis.Dataset, observed []bool) (*shiftable, error) {
	rows, err := r.rows(completed)
	if err != nil {
		return nil, err
	}
	data, used, err := rows.Design()
	if err != nil {
		return nil, err
	}
	s := &shiftable{data: data, own: make([]float64, len(data.Y)), imputed: make([]int, len(data.Y)), method: r.seMethod(), level: r.Plan.Level}
	for i, k := range used.Rows {
		s.imputed[i] = -1
		if !observed[k] {
			s.imputed[i] = completed.Arm[k]
		}
	}
	if r.Plan.Model == PartiallyNested || s.method == mixed.KenwardRoger {
		s.shifts = map[int]*mixed.Shifts{}
		return s, nil
	}
	if s.refitter, err = mixed.NewRefitter(data, mixed.RefitOptions{Rows: true}); err != nil {
		return nil, err
	}
	s.out = make([]mixed.Refit, s.refitter.Effects())
	return s, nil
}

// seMethod is the plan's way to a standard error. The pooling of imputations has
// degrees of freedom of its own; only Kenward and Roger adjust the standard
// error.
func (r *Results) seMethod() mixed.DF {
	if mixed.DF(r.Plan.DF) == mixed.KenwardRoger {
		return mixed.KenwardRoger
	}
	return mixed.Z
}

// refit gives each arm's difference and standard error with the imputed scores
// of an arm shifted.
func (s *shiftable) refit(arm int, shift float64) ([]analysis.Estimate, error) {
	if s.refitter == nil {
		return s.refitNew(arm, shift)
	}
	for i, y := range s.data.Y {
		if s.imputed[i] == arm {
			y += shift
		}
		s.own[i] = y
	}
	if err := s.refitter.Outcome(s.own, s.out); err != nil {
		return nil, err
	}
	all := make([]analysis.Estimate, len(s.out))
	for e, f := range s.out {
		all[e] = analysis.Estimate{Value: f.Estimate, SE: f.SE}
	}
	return all, nil
}

// refitNew is refit without a Refitter.
func (s *shiftable) refitNew(arm int, shift float64) ([]analysis.Estimate, error) {
	var fit *mixed.Fit
	var err error
	if !slices.Contains(s.imputed, arm) { // nothing of the arm was imputed
		fit, err = mixed.New(s.data, mixed.Model{})
	} else if s.shifts[arm] == nil {
		z := make([]float64, len(s.imputed))
		for i, a := range s.imputed {
			if a == arm {
				z[i] = 1
			}
		}
		if s.shifts[arm], err = mixed.NewShifts(s.data, mixed.Model{}, z); err != nil {
			return nil, err
		}
	}
	if err == nil && fit == nil {
		fit, err = s.shifts[arm].At(shift)
	}
	if err != nil {
		return nil, err
	}
	var all []analysis.Estimate
	for _, c := range fit.Coefficients {
		if !c.Arm {
			continue
		}
		t, err := fit.Test(c.Name, s.method, s.level)
		if err != nil {
			return nil, err
		}
		all = append(all, analysis.Estimate{Value: t.Estimate, SE: t.SE})
	}
	return all, nil
}

// reference pools the difference when those lost from an arm go on as the control
// arm: from then on, from their baseline on, or from the beginning.
func (r *Results) reference(d *analysis.Dataset, model missing.Model, sets *missing.Imputations, pooled func(arm, k int, by func(set int) float64) (missing.Pooled, error)) error {
	if model.ByArm != nil {
		return errors.New("each arm is imputed by a model of its own, so that no drawn effect of an arm can be taken away")
	}
	if r.Plan.Missing.Interactions != nil {
		return errors.New("with interactions in the imputation an arm's effect is another for each pupil, so that no one effect can be taken away")
	}
	baseline := ""
	for _, v := range model.Incomplete[1:] {
		if v.Name == "baseline" {
			baseline = v.Name
		}
	}
	k := -1
	for a, name := range d.Arms {
		if a == d.Control {
			continue
		}
		k++
		at := slices.IndexFunc(model.Predictors, func(p missing.Predictor) bool { return p.Name == missing.ArmPredictor(name) })
		if at < 0 {
			return fmt.Errorf("the arm %q is not among the imputation's predictors", name)
		}
		var before []ReferenceNote
		var used [][]float64
		for _, assumption := range []missing.Reference{missing.JumpToReference, missing.CopyIncrements, missing.CopyReference} {
			same := assumption
			if assumption == missing.CopyIncrements && baseline == "" {
				same = missing.JumpToReference // a complete baseline is a predictor: increments from it are the same jump
			}
			shifts := make([]float64, len(sets.Sets))
			for i, s := range sets.Sets {
				var err error
				if shifts[i], err = s.Draws[0].ReferenceShift(same, at, missing.OutcomeName, baseline); err != nil {
					return err
				}
			}
			if i := slices.IndexFunc(used, func(was []float64) bool { return slices.Equal(was, shifts) }); i >= 0 {
				// With one follow-up two assumptions may move scores alike.
				r.Missing.Reference = append(r.Missing.Reference, ReferenceNote{name, assumption, shifts, before[i].Difference})
				continue
			}
			p, err := pooled(a, k, func(set int) float64 { return shifts[set] })
			if err != nil {
				return err
			}
			note := ReferenceNote{name, assumption, shifts, p}
			before, used = append(before, note), append(used, shifts)
			r.Missing.Reference = append(r.Missing.Reference, note)
		}
	}
	return nil
}

// onGrid rounds a shift to a thousandth of the SD: a tipping point is looked for
// no finer than anybody could mean it.
func onGrid(shift, sd float64) float64 { return math.Round(shift/sd*1000) / 1000 * sd }

// deltaSDs are the shifts of the curve, in the SD of the effect size.
var deltaSDs = []float64{-1, -0.5, -0.2, -0.1, 0, 0.1, 0.2, 0.5, 1}

// bounds bounds the difference of raw means.
func (r *Results) bounds(d *analysis.Dataset) error {
	rule := r.Plan.Missing
	var all []BoundsNote
	for a, arm := range d.Arms {
		if a == d.Control {
			continue
		}
		part := keepRows(d, func(i int) bool { return d.Arm[i] == a || d.Arm[i] == d.Control })
		treated := make([]bool, len(part.ID))
		for i, x := range part.Arm {
			treated[i] = x == a
		}
		note := BoundsNote{Arm: arm, Against: d.Arms[d.Control]}
		if !slices.Contains(part.Observed, false) {
			continue
		}
		lee, err := missing.BoundLeeClustered(part.Outcome, part.Observed, treated, part.Cluster, strataOfSchools(part), leeReplicates, r.Missing.Seed, r.Plan.Level)
		if err != nil {
			return err
		}
		note.Lee = &lee
		if rule.Highest > rule.Lowest {
			within, err := missing.BoundRange(part.Outcome, part.Observed, treated, rule.Lowest, rule.Highest)
			if err != nil {
				return err
			}
			note.Range = &within
		}
		all = append(all, note)
	}
	r.Missing.Bounds = all
	return nil
}

// strataOfSchools groups schools by stratum and arm, for resampling within them. A
// stratum with a single school of an arm would always give the same one back: such
// schools are resampled together, arm by arm.
func strataOfSchools(d *analysis.Dataset) []int {
	group, size := make([]int, len(d.Clusters)), map[int]int{}
	of := func(i int) int { return 2 + d.Stratum[i]*len(d.Arms) + d.Arm[i] }
	seen := make([]bool, len(d.Clusters))
	for i, c := range d.Cluster {
		if !seen[c] {
			seen[c] = true
			size[of(i)]++
		}
	}
	for i, c := range d.Cluster {
		if group[c] = of(i); size[group[c]] < 2 {
			group[c] = -1 - d.Arm[i]
		}
	}
	numbers := slices.Sorted(maps.Keys(func() map[int]bool {
		m := map[int]bool{}
		for _, g := range group {
			m[g] = true
		}
		return m
	}()))
	for c := range group {
		group[c], _ = slices.BinarySearch(numbers, group[c])
	}
	return group
}

// leeReplicates is the number of resamplings of schools for the bounds'
// standard errors.
const leeReplicates = 500

// isStratum says whether a predictor of missing.ModelOf is a stratum.
func isStratum(name string) bool { return strings.HasPrefix(name, missing.StratumPrefix) }

// weights weighs those analysed by the inverse probability of having been.
func (r *Results) weights(d *analysis.Dataset, use attrition.Use) error {
	model, _, err := missing.ModelOf(d, false)
	if err != nil {
		return err
	}
	note := &WeightingNote{}
	w, err := missing.InverseWeights(use.Used, model.Predictors, d.Cluster, d.Arm, true)
	var told *missing.SeparationError
	if errors.As(err, &told) && slices.ContainsFunc(told.Columns, isStratum) {
		// In some stratum everybody is observed, or nobody: the strata are left out.
		note.LeftOut = []string{"Stratum"}
		w, err = missing.InverseWeights(use.Used, slices.DeleteFunc(slices.Clone(model.Predictors), func(p missing.Predictor) bool { return isStratum(p.Name) }), d.Cluster, d.Arm, true)
	}
	if err != nil {
		return err
	}
	rows, err := r.rows(d)
	if err != nil {
		return err
	}
	data, used, err := rows.Design()
	if err != nil {
		return err
	}
	least := linearData(data)
	least.Weights = pick(w.Weight, used.Rows)
	variance := robust.HC2
	if r.Plan.Model != LinearModel {
		least.Cluster, variance = pick(d.Cluster, used.Rows), robust.CR2
	}
	fit, err := robust.Least(least)
	if err != nil {
		return err
	}
	judged, err := fit.Inference(variance)
	if err != nil {
		return err
	}
	note.EffectiveN, note.Max = w.EffectiveN, w.Max
	control := d.Arms[d.Control]
	for a, arm := range d.Arms {
		if a == d.Control {
			continue
		}
		c, err := judged.Coefficient(mixed.ArmTerm(arm, control), r.Plan.Level)
		if err != nil {
			return err
		}
		e := linearEstimate(c, "least squares weighted by the inverse probability of being analysed, "+string(variance))
		e.Estimand, e.Counts = r.estimand(arm, control), r.Counts
		note.Contrasts = append(note.Contrasts, WeightedContrast{arm, control, e})
	}
	r.Missing.Weighted = note
	return nil
}

// linearEstimate is a coefficient of a linear model as an Estimate.
func linearEstimate(c robust.Coefficient, method string) analysis.Estimate {
	return analysis.Estimate{Method: method, Scale: analysis.ScaleDifference, Value: c.Estimate, SE: c.SE, DF: finite(c.DF), DFMethod: c.DFMethod, Statistic: c.Statistic, P: c.P, Interval: c.Interval}
}

// compliance estimates the effect of having taken part.
func (r *Results) compliance(d, model *analysis.Dataset) error {
	if len(d.Arms) != 2 {
		return fmt.Errorf("there are %d arms; the effect of taking part is worked out for one against the control arm", len(d.Arms))
	}
	at := slices.IndexFunc(d.SchoolCovariates, func(c analysis.Column) bool { return c.Name == SessionsColumn })
	if at < 0 {
		return errors.New("no attendance was recorded")
	}
	sessions := d.SchoolCovariates[at].Values
	rule := *r.Plan.Compliance
	out := &Compliance{Rule: rule, Warnings: []analysis.Warning{}}
	armOf := make([]int, len(d.Clusters))
	for i, c := range d.Cluster {
		armOf[c] = d.Arm[i]
	}
	for a, arm := range d.Arms {
		s := ComplianceArm{Arm: arm}
		for c, n := range sessions {
			if armOf[c] != a {
				continue
			}
			s.Schools++
			s.Mean += n
			if n >= float64(rule.AtLeast) {
				s.Compliers++
			}
		}
		s.Mean /= math.Max(1, float64(s.Schools))
		out.Arms = append(out.Arms, s)
	}
	rows, err := r.rows(model)
	if err != nil {
		return err
	}
	data, used, err := rows.Design()
	if err != nil {
		return err
	}
	dose := make([]float64, len(used.Rows))
	part := make([]float64, len(used.Rows))
	for i, k := range used.Rows {
		dose[i] = sessions[d.Cluster[k]]
		if dose[i] >= float64(rule.AtLeast) {
			part[i] = 1
		}
	}
	cluster := pick(d.Cluster, used.Rows)
	if out.CACE, err = r.instrumented(data, cluster, "took part", part); err != nil {
		return err
	}
	if f := out.CACE.FirstStage.F; f < robust.WeakF {
		out.Warnings = append(out.Warnings, analysis.Warning{Code: "weak-instrument", Text: fmt.Sprintf("The arm hardly moves taking part (first-stage F %.2f, below %g): read the Anderson-Rubin set, not the interval.", f, float64(robust.WeakF))})
	}
	per, err := r.instrumented(data, cluster, "sessions attended", dose)
	if err != nil {
		r.NotRun = append(r.NotRun, NotRun{"effect of each session", err.Error()})
	} else {
		out.PerSession = &per
	}
	if e, err := r.doseResponse(data, cluster, dose); err != nil {
		r.NotRun = append(r.NotRun, NotRun{"dose and response", err.Error()})
	} else {
		out.DoseResponse = e
	}
	r.Compliance = out
	return nil
}

// variance is the estimator of linear models, and the schools it is robust to.
func (r *Results) variance(cluster []int) (robust.Variance, []int) {
	if r.Plan.Model == LinearModel {
		return robust.HC2, nil
	}
	return robust.CR2, cluster
}

// instrumented is the effect of what was received, the arm its instrument.
func (r *Results) instrumented(data *mixed.Data, cluster []int, name string, received []float64) (IVEstimate, error) {
	var out IVEstimate
	variance, cluster := r.variance(cluster)
	d := robust.IVData{Y: data.Y, Endogenous: []string{name}, Cluster: cluster}
	for i, c := range linearData(data).X {
		if data.Columns[i].Arm {
			d.Instruments = append(d.Instruments, c)
		} else {
			d.X = append(d.X, c)
		}
	}
	d.X = append(d.X, robust.Column{Name: name, Values: received})
	iv, err := robust.TwoStage(d)
	if err != nil {
		return out, err
	}
	judged, err := iv.Inference(variance)
	if err != nil {
		return out, err
	}
	c, err := judged.Coefficient(name, r.Plan.Level)
	if err != nil {
		return out, err
	}
	out.Difference = linearEstimate(c, "two-stage least squares, the arm the instrument, "+string(variance))
	out.Difference.Scale = analysis.ScaleCompliers
	main := r.Contrasts[0]
	out.Difference.Estimand, out.Difference.Counts = r.estimand(main.Arm, main.Against), r.Counts
	out.EffectSize = inSD(out.Difference, main.EffectSize.Scale, main.EffectSize.SD)
	if out.FirstStage, err = iv.FirstStage(0, variance); err != nil {
		return out, err
	}
	if out.AndersonRubin, err = iv.AndersonRubin(variance, r.Plan.Level); err != nil {
		return out, err
	}
	if out.Bloom, err = iv.Bloom(variance); err != nil {
		return out, err
	}
	test, err := iv.WuHausman(variance)
	var exact *robust.CollinearError
	switch {
	case errors.As(err, &exact):
	case err != nil:
		return out, err
	default:
		out.WuHausman = &test
	}
	return out, nil
}

// doseResponse compares schools of the intervention arm by the sessions that
// they attended.
func (r *Results) doseResponse(data *mixed.Data, cluster []int, dose []float64) (*analysis.Estimate, error) {
	var rows []int
	for i, a := range data.Arm {
		if a != data.Control {
			rows = append(rows, i)
		}
	}
	varies, err := describe.Summarise(pick(dose, rows), nil)
	if err != nil {
		return nil, err
	}
	if varies.SD == 0 {
		return nil, nil // all attended alike: there is nothing to compare
	}
	variance, cluster := r.variance(cluster)
	d := robust.Data{Y: pick(data.Y, rows)}
	if cluster != nil {
		d.Cluster = pick(cluster, rows)
	}
	for i, c := range linearData(data).X {
		if data.Columns[i].Arm {
			continue
		}
		values := pick(c.Values, rows)
		// A stratum without schools of this arm has no column here.
		if i > 0 && slices.Min(values) == slices.Max(values) {
			continue
		}
		d.X = append(d.X, robust.Column{Name: c.Name, Values: values})
	}
	d.X = append(d.X, robust.Column{Name: SessionsColumn, Values: pick(dose, rows)})
	// Where the reference stratum has no school of this arm, the others' columns
	// add up to the intercept: the last of them says nothing new.
	fit, err := robust.Least(d)
	var same *robust.CollinearError
	for errors.As(err, &same) && same.Column != SessionsColumn {
		d.X = slices.DeleteFunc(d.X, func(c robust.Column) bool { return c.Name == same.Column })
		fit, err = robust.Least(d)
	}
	switch {
	case same != nil && same.Column == SessionsColumn && err != nil:
		return nil, errors.New("schools of one stratum all attended alike")
	case err != nil:
		return nil, err
	}
	judged, err := fit.Inference(variance)
	if err != nil {
		return nil, err
	}
	c, err := judged.Coefficient(SessionsColumn, r.Plan.Level)
	if err != nil {
		return nil, err
	}
	e := linearEstimate(c, "least squares among schools of the intervention arm, "+string(variance)+"; schools chose how many sessions: not experimental")
	return &e, nil
}
