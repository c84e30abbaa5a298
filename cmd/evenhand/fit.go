package main

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"sort"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"evenhand/analysis"
	"evenhand/analysis/effectsize"
	"evenhand/analysis/mixed"
	"evenhand/trial"
	"evenhand/trial/intake"
)

// fitFlags are the choices of `analysis fit`.
type fitFlags struct {
	data, outcome, arm, control, cluster string
	covariates, factors                  []string
	df, method                           choice
	confidence                           float64
}

func (a *app) fitCommand() *cobra.Command {
	var f fitFlags
	c := command("fit --data FILE --outcome COL --arm COL --cluster COL", "Fit the model of a trial to a CSV file, without any store",
		"Fit a two-level random-intercept model (pupils in schools) to a CSV file and give the adjusted\ndifference between arms, its effect size by every denominator, variances and intra-cluster\ncorrelation. An empty cell or NA is a missing value; rows with one are left out and counted.",
		"evenhand analysis fit --data ks2.csv --outcome Posttest --arm Treat --cluster School\nevenhand analysis fit --data ks2.csv --outcome Posttest --arm Treat --control 0 --cluster School --covariates Pretest,FSM --factors Stratum --df satterthwaite --format json",
		noArgs, func(_ context.Context, _ []string) error { return a.fit(f) })
	c.Flags().StringVar(&f.data, "data", "", "the CSV file")
	c.Flags().StringVar(&f.outcome, "outcome", "", "column of the outcome")
	c.Flags().StringVar(&f.arm, "arm", "", "column of the arm")
	c.Flags().StringVar(&f.control, "control", "", "the control arm's value (default: the first in order)")
	c.Flags().StringVar(&f.cluster, "cluster", "", "column of the school")
	c.Flags().StringSliceVar(&f.covariates, "covariates", nil, "columns of numeric covariates")
	c.Flags().StringSliceVar(&f.factors, "factors", nil, "columns of categorical covariates")
	c.Flags().Float64Var(&f.confidence, "confidence", 0.95, "confidence of the intervals, in (0,1)")
	addChoice(c, &f.df, "df", string(mixed.KenwardRoger), "degrees of freedom", string(mixed.KenwardRoger), string(mixed.Satterthwaite), string(mixed.SatterthwaiteExpected), string(mixed.Containment), string(mixed.Z))
	addChoice(c, &f.method, "method", "reml", "criterion by which variances are estimated", "reml", "ml")
	return c
}

// tableData is a CSV file with its columns found by header.
type tableData struct {
	file   string
	t      *intake.Table
	faults []string
}

func (a *app) readTable(file string) (*tableData, error) {
	data, err := a.readFile(file)
	if err != nil {
		return nil, err
	}
	t, err := intake.ReadTable(filepath.Base(file), bytes.NewReader(data))
	if err != nil {
		return nil, err
	}
	for _, n := range t.Notes {
		a.note("%s: %s", filepath.Base(file), n)
	}
	return &tableData{file: filepath.Base(file), t: t}, nil
}

// find gives the place of a column, recording a fault where there is none.
func (d *tableData) find(flag, name string) int {
	for i, h := range d.t.Header {
		if h == name {
			return i
		}
	}
	fault := fmt.Sprintf("--%s: %s has no column %q", flag, d.file, name)
	if near := trial.Nearest(name, d.t.Header); near != "" {
		fault += fmt.Sprintf("; did you mean %q?", near)
	} else {
		fault += "; it has " + strings.Join(d.t.Header, ", ")
	}
	d.faults = append(d.faults, fault)
	return -1
}

func isMissing(cell string) bool { return cell == "" || cell == "NA" }

// number reads a column of numbers.
func (d *tableData) number(flag, name string) analysis.Column {
	c := analysis.Column{Name: name, Values: make([]float64, len(d.t.Rows)), Observed: make([]bool, len(d.t.Rows))}
	at := d.find(flag, name)
	if at < 0 {
		return c
	}
	wrong := 0
	for i, row := range d.t.Rows {
		if isMissing(row[at]) {
			continue
		}
		v, err := strconv.ParseFloat(row[at], 64)
		if err != nil || math.IsNaN(v) || math.IsInf(v, 0) {
			if wrong++; wrong <= 20 {
				d.faults = append(d.faults, fmt.Sprintf("%s row %d, %s: %q is not a number", d.file, d.t.At[i], name, row[at]))
			}
			continue
		}
		c.Values[i], c.Observed[i] = v, true
	}
	if wrong > 20 {
		d.faults = append(d.faults, fmt.Sprintf("%s, %s: and %d more that are not numbers (is it a category? then give it with --factors)", d.file, name, wrong-20))
	}
	return c
}

// category reads a column of categories; levels are sorted, as numbers if all
// of them are numbers.
func (d *tableData) category(flag, name string) analysis.Column {
	c := analysis.Column{Name: name, Codes: make([]int, len(d.t.Rows)), Observed: make([]bool, len(d.t.Rows))}
	at := d.find(flag, name)
	if at < 0 {
		return c
	}
	place := map[string]int{}
	for _, row := range d.t.Rows {
		if !isMissing(row[at]) {
			place[row[at]] = 0
		}
	}
	for v := range place {
		c.Levels = append(c.Levels, v)
	}
	sortLevels(c.Levels)
	for i, v := range c.Levels {
		place[v] = i
	}
	for i, row := range d.t.Rows {
		if !isMissing(row[at]) {
			c.Codes[i], c.Observed[i] = place[row[at]], true
		}
	}
	return c
}

func sortLevels(levels []string) {
	numeric := true
	value := map[string]float64{}
	for _, l := range levels {
		v, err := strconv.ParseFloat(l, 64)
		numeric = numeric && err == nil
		value[l] = v
	}
	sort.Slice(levels, func(i, j int) bool {
		if numeric && value[levels[i]] != value[levels[j]] {
			return value[levels[i]] < value[levels[j]]
		}
		return levels[i] < levels[j]
	})
}

// The JSON of `analysis fit`; numbers unrounded, null where there is none.
type fitJSON struct {
	N            fitN               `json:"n"`
	Model        string             `json:"model"`
	Control      string             `json:"control"`
	Coefficients []fitCoefficient   `json:"coefficients"`
	Variances    []fitVariance      `json:"variances"`
	ICC          []fitICC           `json:"icc"`
	Criterion    fitCriterion       `json:"criterion"`
	Convergence  fitConvergence     `json:"convergence"`
	EffectSizes  []fitEffect        `json:"effect_sizes"`
	Warnings     []analysis.Warning `json:"warnings"`
}

type fitN struct {
	Rows     int          `json:"rows"`
	Used     int          `json:"used"`
	Clusters int          `json:"clusters"`
	Dropped  []fitDropped `json:"dropped"`
}

type fitDropped struct {
	Reason string `json:"reason"`
	Rows   int    `json:"rows"`
}

type fitCoefficient struct {
	Term      string     `json:"term"`
	Estimate  float64    `json:"estimate"`
	SE        float64    `json:"se"`
	DF        *float64   `json:"df"`
	Statistic float64    `json:"statistic"`
	P         float64    `json:"p"`
	CI        [2]float64 `json:"ci"`
	DFMethod  string     `json:"df_method"`
}

type fitVariance struct {
	Level string  `json:"level"`
	Value float64 `json:"value"`
}

type fitICC struct {
	Level string     `json:"level"`
	Value float64    `json:"value"`
	CI    [2]float64 `json:"ci"`
}

type fitCriterion struct {
	Method string  `json:"method"`
	Value  float64 `json:"value"`
}

type fitConvergence struct {
	Iterations int     `json:"iterations"`
	Gradient   float64 `json:"gradient"`
	Singular   bool    `json:"singular"`
}

type fitEffect struct {
	Term        string         `json:"term"`
	Denominator analysis.Scale `json:"denominator"`
	SD          float64        `json:"sd"`
	Value       float64        `json:"value"`
	SE          float64        `json:"se"`
	CI          [2]float64     `json:"ci"`
	DF          *float64       `json:"df"`
	Method      string         `json:"method"`
}

func finiteDF(df float64) *float64 {
	if df == 0 || math.IsInf(df, 0) {
		return nil
	}
	return &df
}

func (a *app) fit(f fitFlags) error {
	for _, needed := range []struct{ flag, value string }{{"data", f.data}, {"outcome", f.outcome}, {"arm", f.arm}, {"cluster", f.cluster}} {
		if needed.value == "" {
			return usagef("--%s is missing", needed.flag)
		}
	}
	if !(f.confidence > 0 && f.confidence < 1) {
		return usagef("--confidence: a number between 0 and 1, such as 0.95")
	}
	d, err := a.readTable(f.data)
	if err != nil {
		return err
	}
	rows := mixed.Rows{Outcome: d.number("outcome", f.outcome), Arm: d.category("arm", f.arm)}
	school := d.category("cluster", f.cluster)
	for _, name := range f.covariates {
		rows.Covariates = append(rows.Covariates, d.number("covariates", name))
	}
	for _, name := range f.factors {
		rows.Covariates = append(rows.Covariates, d.category("factors", name))
	}
	if len(d.faults) == 0 {
		if f.control != "" {
			if rows.Control = slices.Index(rows.Arm.Levels, f.control); rows.Control < 0 {
				d.faults = append(d.faults, fmt.Sprintf("--control: %s has no %q in %s; it has %s", d.file, f.control, f.arm, strings.Join(rows.Arm.Levels, ", ")))
			}
		}
		if len(rows.Arm.Levels) < 2 {
			d.faults = append(d.faults, fmt.Sprintf("--arm: %s has one value only in %s (%s): there is nothing to compare", d.file, f.arm, strings.Join(rows.Arm.Levels, "")))
		}
	}
	if len(d.faults) > 0 {
		return errors.New(strings.Join(d.faults, "\n"))
	}
	n := len(d.t.Rows)
	for i := range n { // a row in no school is in no analysis
		if !school.Observed[i] {
			rows.Arm.Observed[i] = false
		}
	}
	rows.Levels = []mixed.Level{mixed.LevelOf(school)}
	data, used, err := rows.Design()
	if err != nil {
		return err
	}
	model := mixed.Model{Method: mixed.Method(strings.ToUpper(f.method.value))}
	fit, err := mixed.New(data, model)
	if err != nil {
		var single *mixed.NotIdentifiedError
		if errors.As(err, &single) {
			return withHint(err, "a model of schools as rows belongs to a protocol with `measured: schools` and `model: linear`")
		}
		return err
	}
	out, err := a.fitted(fit, f, rows.Arm.Levels, rows.Control)
	if err != nil {
		return err
	}
	out.N.Rows = n
	for _, l := range used.Dropped {
		reason := l.Reason
		if reason == f.arm+" missing" {
			reason = f.arm + " or " + f.cluster + " missing"
		}
		out.N.Dropped = append(out.N.Dropped, fitDropped{reason, l.N})
	}
	return a.print(out, func() { a.showFit(out, f.confidence) })
}

func (a *app) fitted(fit *mixed.Fit, f fitFlags, arms []string, control int) (*fitJSON, error) {
	df := mixed.DF(f.df.value)
	out := &fitJSON{
		N: fitN{Used: fit.N, Dropped: []fitDropped{}}, Model: fit.Description, Control: arms[control],
		ICC: []fitICC{}, EffectSizes: []fitEffect{}, Warnings: append([]analysis.Warning{}, fit.Warnings...),
		Criterion:   fitCriterion{string(fit.Method), fit.Criterion},
		Convergence: fitConvergence{fit.Iterations, fit.Gradient, fit.Singular},
	}
	for _, g := range fit.Groups {
		if g.Level == f.cluster {
			out.N.Clusters = g.N
		}
	}
	tests, err := fit.Tests(df, f.confidence)
	if err != nil {
		return nil, err
	}
	for _, t := range tests {
		out.Coefficients = append(out.Coefficients, fitCoefficient{t.Name, t.Estimate, t.SE, finiteDF(t.DF), t.Statistic, t.P, [2]float64{t.Low, t.High}, string(t.Method)})
	}
	for _, v := range fit.Variances {
		out.Variances = append(out.Variances, fitVariance{v.Level, v.Value})
	}
	iccs, err := fit.ICCs(f.confidence)
	if err != nil {
		return nil, err
	}
	for _, i := range iccs {
		out.ICC = append(out.ICC, fitICC{i.Level, i.Value, [2]float64{i.Low, i.High}})
	}
	for i, arm := range arms {
		if i == control {
			continue
		}
		all, missing, err := effectsize.All(fit, arm, effectsize.Options{DF: df, Level: f.confidence})
		if err != nil {
			return nil, err
		}
		for _, e := range all {
			out.EffectSizes = append(out.EffectSizes, fitEffect{mixed.ArmTerm(arm, arms[control]), e.Scale, e.SD, e.Value, e.SE, [2]float64{e.Interval.Low, e.Interval.High}, finiteDF(e.DF), e.Interval.Method})
			for _, w := range e.Warnings {
				if !slices.Contains(out.Warnings, w) {
					out.Warnings = append(out.Warnings, w)
				}
			}
		}
		for _, scale := range effectsize.Scales {
			why, ok := missing[scale]
			if !ok {
				continue
			}
			out.Warnings = append(out.Warnings, analysis.Warning{Code: "no-effect-size", Text: fmt.Sprintf("%s vs %s: no effect size by %s: %v", arm, arms[control], scale, why)})
		}
	}
	sort.SliceStable(out.Warnings, func(i, j int) bool { return out.Warnings[i].Code < out.Warnings[j].Code })
	return out, nil
}

func (a *app) showFit(out *fitJSON, confidence float64) {
	interval := fmt.Sprintf("%g %% interval", 100*confidence)
	a.say("%s", out.Model)
	a.say("%d of %d rows used, %d schools; control arm: %s", out.N.Used, out.N.Rows, out.N.Clusters, out.Control)
	for _, l := range out.N.Dropped {
		a.say("  left out: %d (%s)", l.Rows, l.Reason)
	}
	a.say("")
	rows := [][]string{{"term", "estimate", "SE", "df", "t", "p", interval}}
	method := ""
	for _, c := range out.Coefficients {
		df := "–"
		if c.DF != nil {
			df = fmt.Sprintf("%.2f", *c.DF)
		}
		method = c.DFMethod
		rows = append(rows, []string{c.Term, fmt.Sprintf("%.6g", c.Estimate), fmt.Sprintf("%.6g", c.SE), df, fmt.Sprintf("%.3f", c.Statistic), fmt.Sprintf("%.4g", c.P), fmt.Sprintf("%.6g to %.6g", c.CI[0], c.CI[1])})
	}
	a.table(rows)
	a.say("\ndegrees of freedom: %s; %s criterion %.8g", method, out.Criterion.Method, out.Criterion.Value)
	for _, v := range out.Variances {
		a.say("variance  %-12s %.6g", v.Level, v.Value)
	}
	for _, i := range out.ICC {
		a.say("ICC       %-12s %.4f (%.4f to %.4f), given the covariates", i.Level, i.Value, i.CI[0], i.CI[1])
	}
	a.say("")
	rows = [][]string{{"effect size", "SD divided by", "SD", "value", interval}}
	for _, e := range out.EffectSizes {
		rows = append(rows, []string{e.Term, string(e.Denominator), fmt.Sprintf("%.5g", e.SD), fmt.Sprintf("%.4f", e.Value), fmt.Sprintf("%.4f to %.4f", e.CI[0], e.CI[1])})
	}
	a.table(rows)
	for _, w := range out.Warnings {
		a.say("warning (%s): %s", w.Code, w.Text)
	}
}
