package main

import (
	"errors"
	"fmt"
	"math"
	"math/big"
	"math/rand/v2"
	"slices"
	"sort"
	"strconv"
	"strings"

	"evenhand/analysis"
	"evenhand/analysis/mixed"
	"evenhand/analysis/permute"
	"evenhand/analysis/sap"
	"evenhand/randomize"
)

// fitRandomisation is the randomisation test of `analysis fit`.
type fitRandomisation struct {
	Method string `json:"method"` // how the arms were drawn again
	Units  int    `json:"units"`  // drawn: schools, or rows
	Seed   uint64 `json:"seed"`
	sap.RandomisationTest
	// Interval is for the difference, with two arms; null where there is none,
	// and then Why says why.
	Interval *analysis.Interval `json:"interval"`
	Why      string             `json:"why"`
}

// reassignment is what could have been drawn instead.
type reassignment struct {
	method     string
	unit       []int // of each row used
	drawn      []int // arm of each unit
	redraw     func(i int) []int
	n          int
	enumerated bool
	schools    bool // the units are schools
}

// redraw tests the arms by drawing them again.
func (r *fitRows) redraw(out *fitJSON) error {
	ref, err := r.reference()
	if err != nil {
		return err
	}
	refitter, effects, err := r.refitter(ref)
	if err != nil {
		return err
	}
	test, err := sap.Redrawing{Drawn: ref.drawn, Redraw: ref.redraw, N: ref.n, Enumerated: ref.enumerated, Effects: effects, Refitter: refitter}.Run()
	if err != nil {
		return err
	}
	if err := test.Name(r.data.Arms, r.data.Control); err != nil {
		return err
	}
	out.Randomisation = &fitRandomisation{Method: ref.method, Units: len(ref.drawn), Seed: r.seed, RandomisationTest: *test}
	out.Randomisation.Interval, out.Randomisation.Why = sap.ShiftInterval(r.data, ref.unit, ref.drawn, ref.redraw, ref.n, ref.enumerated, r.confidence)
	return nil
}

// reference says what is drawn and how. Schools are drawn where every school
// is in one arm, else rows within schools.
func (r *fitRows) reference() (*reassignment, error) {
	ref := &reassignment{n: r.permute}
	what, block := "rows", r.school.Codes
	ref.unit = make([]int, len(r.data.Y))
	for i := range ref.unit {
		ref.unit[i] = i
	}
	schoolOf := []string{}
	if r.school.Codes != nil {
		arm, mixedUp := map[int]int{}, ""
		for i, s := range r.school.Codes {
			if a, ok := arm[s]; ok && a != r.data.Arm[i] {
				mixedUp = r.school.Levels[s]
			}
			arm[s] = r.data.Arm[i]
		}
		if mixedUp == "" {
			what, block, ref.schools = "schools", nil, true
			place := map[int]int{}
			for i, s := range r.school.Codes {
				if _, ok := place[s]; !ok {
					place[s] = len(place)
					schoolOf = append(schoolOf, r.school.Levels[s])
				}
				ref.unit[i] = place[s]
			}
		} else if r.design != "" {
			return nil, fmt.Errorf("--design: a design draws whole schools, but %s %s has rows in two arms", r.clusterName, mixedUp)
		}
	}
	units := 0
	for _, u := range ref.unit {
		units = max(units, u+1)
	}
	ref.drawn = make([]int, units)
	for i, u := range ref.unit {
		ref.drawn[u] = r.data.Arm[i]
	}
	if r.design != "" {
		if !ref.schools {
			return nil, usagef("--design draws schools: --cluster is missing")
		}
		return ref, r.byDesign(ref, schoolOf)
	}
	// Blocks within which arms are exchanged.
	of := make([]int, units)
	ref.method = "arms of " + what + " exchanged"
	if r.strataCol != "" {
		ref.method += " within " + r.strataCol
		for i, u := range ref.unit {
			of[u] = r.strata.Codes[i]
		}
		if ref.schools {
			for i, u := range ref.unit {
				if of[u] != r.strata.Codes[i] {
					return nil, fmt.Errorf("--strata: %s %s has rows in two strata, but schools were drawn", r.clusterName, schoolOf[u])
				}
			}
		}
	}
	if block != nil {
		ref.method += " within " + r.clusterName
		for i, u := range ref.unit {
			of[u] = of[u]*len(r.school.Levels) + block[i]
		}
	}
	exchange(ref, of, r.seed)
	if ref.enumerated {
		ref.method += ", every way once"
	}
	return ref, nil
}

// exchange redraws by exchanging the arms of units within blocks. Where all
// ways are at most the number asked for, each is taken once.
func exchange(ref *reassignment, of []int, seed uint64) {
	blocks := map[int][]int{}
	for u, b := range of {
		blocks[b] = append(blocks[b], u)
	}
	names := make([]int, 0, len(blocks))
	for b := range blocks {
		names = append(names, b)
	}
	sort.Ints(names)
	ways := big.NewInt(1)
	for _, b := range names {
		count := map[int]int64{}
		left := int64(len(blocks[b]))
		for _, u := range blocks[b] {
			count[ref.drawn[u]]++
		}
		for _, k := range count {
			ways.Mul(ways, new(big.Int).Binomial(left, k))
			left -= k
		}
	}
	if ways.IsInt64() && ways.Int64() <= int64(ref.n) {
		ref.enumerated, ref.n = true, int(ways.Int64())
		ref.redraw = func(i int) []int {
			arms := slices.Clone(ref.drawn)
			for _, b := range names {
				i = arrange(blocks[b], ref.drawn, arms, i)
			}
			return arms
		}
		return
	}
	ref.redraw = func(i int) []int {
		rng := rand.New(rand.NewPCG(seed, uint64(i)+1))
		arms := slices.Clone(ref.drawn)
		for _, b := range names {
			units := blocks[b]
			rng.Shuffle(len(units), func(x, y int) { arms[units[x]], arms[units[y]] = arms[units[y]], arms[units[x]] })
		}
		return arms
	}
}

// arrange writes the i-th arrangement of the block's arms and returns what is
// left of i for the next block (mixed radix).
func arrange(units, drawn, arms []int, i int) int {
	count := map[int]int64{}
	for _, u := range units {
		count[drawn[u]]++
	}
	kinds := make([]int, 0, len(count))
	for a := range count {
		kinds = append(kinds, a)
	}
	sort.Ints(kinds)
	ways := func() int64 {
		w, left := big.NewInt(1), int64(0)
		for _, a := range kinds {
			left += count[a]
		}
		for _, a := range kinds {
			w.Mul(w, new(big.Int).Binomial(left, count[a]))
			left -= count[a]
		}
		return w.Int64()
	}
	total := ways()
	rank := int64(i) % total
	for _, u := range units {
		for _, a := range kinds {
			if count[a] == 0 {
				continue
			}
			count[a]--
			if w := ways(); rank >= w {
				rank -= w
				count[a]++
				continue
			}
			arms[u] = a
			break
		}
	}
	return int(int64(i) / total)
}

// byDesign redraws by the trial's own design.
func (r *fitRows) byDesign(ref *reassignment, schoolOf []string) error {
	text, err := r.read(r.design)
	if err != nil {
		return err
	}
	design, err := randomize.ParseDesign(text)
	if err != nil {
		return fmt.Errorf("--design: %s: %w", r.design, err)
	}
	var roster randomize.Roster
	if r.roster != "" {
		if text, err = r.read(r.roster); err != nil {
			return err
		}
		if roster, err = randomize.ParseRoster(text); err != nil {
			return fmt.Errorf("--roster: %s: %w", r.roster, err)
		}
	} else if roster, err = r.rosterOf(design); err != nil {
		return err
	}
	// The design's arms by the names of the data's.
	place := make([]int, len(design.Arms))
	for i, a := range design.Arms {
		if place[i] = slices.Index(r.data.Arms, a.Name); place[i] < 0 {
			return fmt.Errorf("--design: %s has an arm %q, but %s has %s", r.design, a.Name, r.arm, strings.Join(r.data.Arms, ", "))
		}
	}
	if len(place) != len(r.data.Arms) {
		return fmt.Errorf("--design: %s has %d arms, %s %d", r.design, len(place), r.arm, len(r.data.Arms))
	}
	at := make([]int, len(schoolOf)) // the roster's unit of each school with a row used
	for k, s := range schoolOf {
		at[k] = slices.IndexFunc(roster.Units, func(u randomize.Unit) bool { return u.ID == s })
		if at[k] < 0 {
			return fmt.Errorf("--roster: %s %s is not on %s", r.clusterName, s, r.roster)
		}
	}
	chance := randomize.Chance(fmt.Sprintf("%064x", r.seed))
	if r.chance != "" {
		if text, err = r.read(r.chance); err != nil {
			return err
		}
		if chance, err = randomize.ParseChance(string(text)); err != nil {
			return fmt.Errorf("--chance: %s: %w", r.chance, err)
		}
	} else if design.Method == randomize.Constrained {
		return usagef("--chance is missing: a constrained draw chooses among the candidates that its chance made")
	}
	redraw, err := randomize.Redraws(design, randomize.Wave{Roster: roster, Chance: chance})
	if err != nil {
		return fmt.Errorf("--design: %w", err)
	}
	ref.method = fmt.Sprintf("the design drawn again (%s, %d schools)", design.Method, len(roster.Units))
	ref.redraw = func(i int) []int {
		drawn := redraw(i)
		arms := make([]int, len(at))
		for k, u := range at {
			arms[k] = place[drawn[u]]
		}
		return arms
	}
	return nil
}

// rosterOf makes the roster from the file's columns: all schools of the file,
// with their strata and the columns that the design balances.
func (r *fitRows) rosterOf(design randomize.Design) (randomize.Roster, error) {
	var none randomize.Roster
	cells := func(flag, name string) ([]string, error) {
		at := r.table.find(flag, name)
		if at < 0 {
			return nil, errors.New(strings.Join(r.table.faults, "\n"))
		}
		values := make([]string, len(r.whole.Levels))
		for i, row := range r.table.t.Rows {
			if !r.whole.Observed[i] {
				continue
			}
			s := r.whole.Codes[i]
			switch {
			case isMissing(row[at]):
				return nil, fmt.Errorf("%s row %d, %s: it is empty, but every school had one at the draw (--roster gives the trial's roster)", r.file, r.table.t.At[i], name)
			case values[s] == "":
				values[s] = row[at]
			case values[s] != row[at]:
				return nil, fmt.Errorf("%s: %s %s has %s %q and %q; schools were drawn, so it must be one", r.file, r.clusterName, r.whole.Levels[s], name, values[s], row[at])
			}
		}
		return values, nil
	}
	units := make([]randomize.Unit, len(r.whole.Levels))
	for s, id := range r.whole.Levels {
		units[s] = randomize.Unit{ID: id, Stratum: "all"}
	}
	if r.strataCol != "" {
		values, err := cells("strata", r.strataCol)
		if err != nil {
			return none, err
		}
		for s := range units {
			units[s].Stratum = values[s]
		}
	} else if design.Method != randomize.Complete {
		return none, usagef("--strata is missing: the design draws within strata (method %s); or give the trial's --roster", design.Method)
	}
	var columns []string
	for _, w := range design.Weights {
		if w.Column == "stratum" {
			continue
		}
		values, err := cells("design", w.Column)
		if err != nil {
			return none, err
		}
		columns = append(columns, w.Column)
		for s, v := range values {
			n, err := strconv.ParseInt(v, 10, 64)
			if err != nil {
				return none, fmt.Errorf("%s: %s %s has %s %q; the design balances whole numbers", r.file, r.clusterName, r.whole.Levels[s], w.Column, v)
			}
			units[s].Balance = append(units[s].Balance, n)
		}
	}
	roster, err := randomize.NewRoster(columns, units)
	if err != nil {
		return none, fmt.Errorf("make a roster of %s: %w", r.clusterName, err)
	}
	return roster, nil
}

// refitter makes the refits of the model that was fitted.
func (r *fitRows) refitter(ref *reassignment) (func() sap.Refitter, int, error) {
	var arms []int // the arm of each effect
	for a := range r.data.Arms {
		if a != r.data.Control {
			arms = append(arms, a)
		}
	}
	method := r.mixedModel()
	if r.model.value == modelMixed && r.plainIntercept() && len(r.data.Levels) == 1 && ref.schools {
		units := make([]int, len(r.whole.Levels))
		for i, g := range r.data.Levels[0].Index {
			units[g] = ref.unit[i]
		}
		return sap.SchoolRefits(r.data, method.Method, units)
	}
	if r.model.value == modelOLS && len(arms) == 1 {
		return r.leastRefits(ref, arms[0])
	}
	return func() sap.Refitter {
		return func(drawn []int, out []sap.Refitted) error {
			data := r.rearmed(ref.unit, drawn)
			for e, a := range arms {
				term := mixed.ArmTerm(r.data.Arms[a], r.data.Arms[r.data.Control])
				if r.model.value == modelOLS {
					fit, err := r.least(data)
					if err != nil {
						return err
					}
					v, err := r.variance()
					if err != nil {
						return err
					}
					judged, err := fit.Inference(v)
					if err != nil {
						return err
					}
					c, err := judged.Coefficient(term, r.confidence)
					if err != nil {
						return err
					}
					out[e] = sap.Refitted{Difference: c.Estimate, Studentised: c.Statistic, EffectSize: c.Estimate / fit.Sigma}
					continue
				}
				fit, err := mixed.New(data, method)
				if err != nil {
					return err
				}
				c, ok := fit.Coefficient(term)
				if !ok {
					return fmt.Errorf("no coefficient %s", term)
				}
				out[e] = sap.Refitted{Difference: c.Estimate, Studentised: c.Estimate / c.SE, EffectSize: c.Estimate / totalSD(fit)}
			}
			return nil
		}
	}, len(arms), nil
}

// leastRefits makes the refits of least squares from sums of the units: the
// arm's coefficient, the same over its CR0 standard error (of the units drawn)
// and over the residual SD.
func (r *fitRows) leastRefits(ref *reassignment, arm int) (func() sap.Refitter, int, error) {
	treated := func(drawn []int) []bool {
		t := make([]bool, len(drawn))
		for u, a := range drawn {
			t[u] = a == arm
		}
		return t
	}
	var x [][]float64
	for k, c := range r.columns(r.data) {
		if !r.data.Columns[k].Arm {
			x = append(x, c.Values)
		}
	}
	var kinds [len(sap.RefitStatistics)]*permute.Linear
	for i, kind := range sap.RefitStatistics {
		var err error
		if kinds[i], err = permute.NewLinear(kind, r.data.Y, x, ref.unit, r.weights, treated(ref.drawn)); err != nil {
			return nil, 0, err
		}
	}
	return func() sap.Refitter {
		return func(drawn []int, out []sap.Refitted) error {
			var v [len(kinds)]float64
			for i, l := range kinds {
				p, err := l.Of(treated(drawn))
				if err != nil {
					return err
				}
				v[i] = p.At(0)
			}
			out[0] = sap.Refitted{Difference: v[0], Studentised: v[1], EffectSize: v[2]}
			return nil
		}
	}, 1, nil
}

// plainIntercept says that the mixed model has a random intercept of schools
// alone, with one variance.
func (r *fitRows) plainIntercept() bool {
	return r.slope.value == "" && len(r.byArm) == 0 && len(r.levelNames) == 1
}

// rearmed is the data with the arms of the units as given.
func (r *fitRows) rearmed(unit, drawn []int) *mixed.Data {
	data := *r.data
	data.Arm = make([]int, len(unit))
	for i, u := range unit {
		data.Arm[i] = drawn[u]
	}
	data.Columns = slices.Clone(data.Columns)
	for k, c := range data.Columns {
		if !c.Arm {
			continue
		}
		a := r.armOf(c.Name)
		v := make([]float64, len(data.Arm))
		for i, x := range data.Arm {
			if x == a {
				v[i] = 1
			}
		}
		data.Columns[k].Values = v
	}
	return &data
}

func (a *app) showRandomisation(t *fitRandomisation) {
	if t == nil {
		return
	}
	a.say("")
	a.say("randomisation test: %s, %s", t.Method, count(t.Redraws, "redraw"))
	rows := [][]string{{"  arm", "statistic", "observed", "p", "p (upper)", "p (lower)"}}
	for _, p := range t.Tests {
		rows = append(rows, []string{"  " + p.Arm + " vs " + p.Against, string(p.Statistic), fmt.Sprintf("%.6g", p.Observed), fmt.Sprintf("%.4g", p.P), fmt.Sprintf("%.4g", p.Upper), fmt.Sprintf("%.4g", p.Lower)})
	}
	a.table(rows)
	if t.Interval != nil {
		a.say("  shifts not rejected: %.6g to %.6g (%s)", t.Interval.Low, t.Interval.High, t.Interval.Method)
	} else {
		a.say("  no interval: %s", t.Why)
	}
	if t.Failed > 0 {
		a.say("  %d redraws without an estimate count as at least as extreme", t.Failed)
	}
}

// fitBootstrap is the bootstrap of `analysis fit`.
type fitBootstrap struct {
	Varies     permute.Resample `json:"varies"`
	Replicates int              `json:"replicates"`
	Seed       uint64           `json:"seed"`
	Estimates  []fitResampled   `json:"estimates"`
}

type fitResampled struct {
	Term       string         `json:"term"`
	Scale      analysis.Scale `json:"scale"`
	Estimate   float64        `json:"estimate"`
	SE         float64        `json:"se"`
	Bias       float64        `json:"bias"`
	Percentile [2]float64     `json:"percentile"`
	BCa        *[2]float64    `json:"bca"`
	Failed     int            `json:"failed"`
}

// resampling bootstraps the adjusted difference and the effect size in the
// total SD of the model without covariates.
func (r *fitRows) resampling(out *fitJSON) error {
	what := permute.Resample(r.resample.value)
	place := map[int]int{}
	cluster := make([]int, len(r.school.Codes))
	var group []int
	groups := map[[2]int]int{}
	within := true // every school in one arm
	armOf := map[int]int{}
	for i, s := range r.school.Codes {
		if a, ok := armOf[s]; ok && a != r.data.Arm[i] {
			within = false
		}
		armOf[s] = r.data.Arm[i]
	}
	for i, s := range r.school.Codes {
		if _, ok := place[s]; !ok {
			place[s] = len(place)
			key := [2]int{}
			if within {
				key[0] = r.data.Arm[i]
			}
			if r.strataCol != "" {
				key[1] = r.strata.Codes[i]
			}
			if _, ok := groups[key]; !ok {
				groups[key] = len(groups)
			}
			group = append(group, groups[key])
		}
		cluster[i] = place[s]
	}
	b := permute.Resampling{What: what, Cluster: cluster, Group: group, Replicates: r.bootstrap, Seed: r.seed, Level: r.confidence}
	if what == permute.Residual {
		if r.model.value != modelMixed || !r.plainIntercept() {
			return usagef("--resample residual: for --model mixed without --slope, --levels and --by-arm: it resamples the effects of a model's schools")
		}
		if err := r.residuals(&b, cluster); err != nil {
			return err
		}
	}
	data := *r.data
	data.Levels = []mixed.Level{{Name: r.clusterName, Index: cluster}}
	if len(r.data.Levels) > 1 {
		data.Levels = append(data.Levels, r.data.Levels[1:]...)
	}
	var arms []int // the arm of each effect
	for a := range r.data.Arms {
		if a != r.data.Control {
			arms = append(arms, a)
		}
	}
	scales := []analysis.Scale{analysis.ScaleDifference, analysis.ScaleTotalUnconditional}
	b.Values = len(arms) * len(scales)
	if r.model.value == modelMixed && !r.plainIntercept() {
		b.NeedRows = true
		b.Statistic = func() func(permute.Sample, []float64) error {
			return func(s permute.Sample, out []float64) error { return r.rowsStatistic(&data, s, out) }
		}
	} else {
		refits, err := mixed.NewRefitter(&data, mixed.RefitOptions{Method: r.mixedModel().Method, LeastSquares: r.model.value == modelOLS, Weights: r.weights, Unconditional: true, Rows: what != permute.Schools})
		if err != nil {
			return err
		}
		b.Statistic = refitStatistic(refits)
	}
	all, err := permute.Run(b)
	var few *permute.FewError
	if errors.As(err, &few) && r.strataCol == "" && len(r.factors) > 0 {
		return withHint(err, "schools are drawn within strata where --strata names their column, so that no stratum is left without")
	}
	if err != nil {
		return err
	}
	out.Bootstrap = &fitBootstrap{Varies: what, Replicates: r.bootstrap, Seed: r.seed}
	for i, got := range all {
		term := mixed.ArmTerm(r.data.Arms[arms[i/len(scales)]], r.data.Arms[r.data.Control])
		e := fitResampled{Term: term, Scale: scales[i%len(scales)], Estimate: got.Estimate, SE: got.SE, Bias: got.Bias, Percentile: [2]float64{got.Percentile.Low, got.Percentile.High}, Failed: got.Failed}
		if got.HasBCa {
			e.BCa = &[2]float64{got.BCa.Low, got.BCa.High}
		}
		out.Bootstrap.Estimates = append(out.Bootstrap.Estimates, e)
	}
	return nil
}

// refitStatistic is, for each arm, the adjusted difference and the effect size
// in the total SD of the model without covariates.
func refitStatistic(refits *mixed.Refitter) func() func(permute.Sample, []float64) error {
	return func() func(permute.Sample, []float64) error {
		own := refits.Clone()
		fits := make([]mixed.Refit, own.Effects())
		return func(s permute.Sample, out []float64) error {
			var err error
			switch {
			case s.Outcome != nil:
				err = own.Outcome(s.Outcome, fits)
			case s.LeftOut > 0:
				err = own.Without(s.LeftOut-1, fits)
			case s.Rows != nil:
				err = own.Rows(s.Rows, s.Cluster, fits)
			default:
				err = own.Resampled(s.Counts, fits)
			}
			for e, f := range fits {
				out[2*e], out[2*e+1] = f.Estimate, f.Estimate/f.UnconditionalSD
			}
			return err
		}
	}
}

// residuals are what a residual bootstrap resamples, each reflated to the
// variance estimated.
func (r *fitRows) residuals(b *permute.Resampling, cluster []int) error {
	fit, err := mixed.New(r.data, r.mixedModel())
	if err != nil {
		return err
	}
	level := r.data.Levels[0].Name
	effects, err := fit.Effects(level)
	if err != nil {
		return err
	}
	of := map[int]float64{}
	for _, e := range effects {
		of[e.Group] = e.Value
	}
	schools := 0
	for _, c := range cluster {
		schools = max(schools, c+1)
	}
	u, e := make([]float64, schools), make([]float64, len(cluster))
	b.Fitted = make([]float64, len(cluster))
	for i := range cluster {
		for k, c := range fit.Coefficients {
			x := 1.0
			if v := r.data.Columns[k].Values; v != nil {
				x = v[i]
			}
			b.Fitted[i] += c.Estimate * x
		}
		u[cluster[i]] = of[r.data.Levels[0].Index[i]]
		e[i] = r.data.Y[i] - b.Fitted[i] - u[cluster[i]]
	}
	if b.SchoolEffect, err = permute.Reflate(u, fit.VarianceOf(level)); err != nil {
		return err
	}
	b.PupilResidual, err = permute.Reflate(e, fit.VarianceOf(mixed.Residual))
	return err
}

// rowsStatistic fits a model with random slopes, more levels or variances by arm
// to a bootstrap sample: for each arm the adjusted difference and the effect size in
// the total SD of the model without covariates.
func (r *fitRows) rowsStatistic(whole *mixed.Data, s permute.Sample, out []float64) error {
	data := *whole
	data.Y, data.Arm = pickFloats(data.Y, s.Rows), pickInts(data.Arm, s.Rows)
	data.Columns = slices.Clone(data.Columns)
	for k := range data.Columns {
		if v := data.Columns[k].Values; v != nil {
			data.Columns[k].Values = pickFloats(v, s.Rows)
		}
	}
	data.Levels = []mixed.Level{{Name: whole.Levels[0].Name, Index: s.Cluster}}
	for _, l := range whole.Levels[1:] { // a school drawn twice has its classes twice
		rows := mixed.Level{Name: l.Name, Index: pickInts(l.Index, s.Rows)}
		data.Levels = append(data.Levels, mixed.Within(data.Levels[len(data.Levels)-1], rows))
	}
	fit, err := mixed.New(&data, r.mixedModel())
	if err != nil {
		return err
	}
	model := r.mixedModel()
	model.Slope = mixed.NoSlope // as the effect size's SD is defined
	plain, err := mixed.New(data.Unconditional(), model)
	if err != nil {
		return err
	}
	at := 0
	for _, c := range fit.Coefficients {
		if c.Arm {
			out[at], out[at+1] = c.Estimate, c.Estimate/totalSD(plain)
			at += 2
		}
	}
	return nil
}

// totalSD is the SD over all schools of a fitted model.
func totalSD(fit *mixed.Fit) float64 {
	square := 0.0
	for i, w := range fit.SDWeights(true) {
		square += w * fit.Variances[i].Value
	}
	return math.Sqrt(square)
}

func pickInts(v []int, rows []int) []int {
	out := make([]int, len(rows))
	for i, k := range rows {
		out[i] = v[k]
	}
	return out
}

func (a *app) showBootstrap(b *fitBootstrap) {
	if b == nil {
		return
	}
	a.say("")
	a.say("bootstrap of %s, %d replicates, seed %d", b.Varies, b.Replicates, b.Seed)
	rows := [][]string{{"  term", "scale", "estimate", "SE", "percentile interval", "BCa interval"}}
	for _, e := range b.Estimates {
		bca := "–"
		if e.BCa != nil {
			bca = fmt.Sprintf("%.6g to %.6g", e.BCa[0], e.BCa[1])
		}
		rows = append(rows, []string{"  " + e.Term, string(e.Scale), fmt.Sprintf("%.6g", e.Estimate), fmt.Sprintf("%.6g", e.SE), fmt.Sprintf("%.6g to %.6g", e.Percentile[0], e.Percentile[1]), bca})
	}
	a.table(rows)
}
