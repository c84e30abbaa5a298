package main

import (
	"context"
	"encoding/csv"
	"errors"
	"fmt"
	"math"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"evenhand/analysis"
	"evenhand/analysis/missing"
	"evenhand/analysis/rows"
	"evenhand/analysis/sap"
	"evenhand/reports/figure"
	"evenhand/trial"
	"evenhand/trial/conduct"
	"evenhand/trial/store"
)

func (a *app) missingCommand() *cobra.Command {
	model := false
	status := command("status", "What is missing among those randomised, by arm, school and variable",
		"What is missing among everybody randomised, for each outcome: the outcome itself with the reasons,\nits baseline and the pupils' columns; by arm, by school (those that lack most first), and together\n(which are missing in the same pupils). An outcome of which nothing was collected yet is left out.",
		"evenhand missing status\nevenhand missing status --model --format json", noArgs,
		a.reading(func(ctx context.Context, t *conduct.Trial) error {
			s, err := t.Snapshot(ctx)
			if err != nil {
				return err
			}
			if s.Draw == nil {
				return withHint(errors.New("nobody has been randomised yet"), "what is missing is counted among those randomised")
			}
			var out missingJSON
			for _, plan := range t.Protocol.Plans() {
				if !slices.ContainsFunc(s.Records.Scores, func(x trial.Score) bool { return x.Measure == plan.Outcome }) {
					continue
				}
				d, err := t.Protocol.Dataset(s.Records, plan.Outcome)
				if err != nil {
					return err
				}
				one, err := missingOf(plan.Outcome, d, model)
				if err != nil {
					return err
				}
				out.Outcomes = append(out.Outcomes, *one)
			}
			if len(out.Outcomes) == 0 {
				return withHint(errors.New("no outcome has been collected yet"), "`evenhand outcome import` stores them; who left so far is in `evenhand attrition status`")
			}
			return a.printMissing(out)
		}))
	status.Flags().BoolVar(&model, "model", false, "also model who has no score on what was known before")
	return group("missing", "What is missing, and who", status, a.missingDescribeCommand(), a.missingTraceCommand())
}

// chainsJSON is how the imputation's sampler went, draw by draw.
type chainsJSON struct {
	Outcomes []outcomeChains `json:"outcomes"`
}

type outcomeChains struct {
	Outcome    string            `json:"outcome"`
	Seed       uint64            `json:"seed"`
	BurnIn     int               `json:"burn_in"`
	Between    int               `json:"between"`
	Parameters []parameterChains `json:"parameters"`
}

// parameterChains is a parameter's note with all its draws.
type parameterChains struct {
	sap.SamplerNote
	Chains [][]float64 `json:"chains"` // draws after burn-in, in order
}

func (a *app) missingTraceCommand() *cobra.Command {
	var out string
	c := command("trace", "Every draw of the imputation's chains, in the last run of the plan",
		"How the imputation's sampler went in the last run of the plan: each parameter's mean, SD, R-hat (1 is\nconverged), effective draws and autocorrelation between imputations. --format json has every draw\nafter burn-in; --out writes them as CSV (outcome, parameter, arm, chain, iteration, value) or, by the\nending, draws them as .svg or .png. They are made again from the run's seed, and checked against what\nthe run recorded of them. Only once the analysis is unblinded.",
		"evenhand missing trace\nevenhand missing trace --out trace.csv\nevenhand missing trace --out trace.svg", noArgs,
		a.reading(func(ctx context.Context, t *conduct.Trial) error {
			form := strings.ToLower(filepath.Ext(out))
			if out != "" && form != ".csv" && form != ".svg" && form != ".png" {
				return usagef("--out %s: the ending says the form: .csv, .svg or .png", out)
			}
			run, err := t.LastRun(ctx)
			switch {
			case errors.Is(err, conduct.ErrNotRunSince), err == nil && run == nil:
				return withHint(errors.New("the plan has not been run yet"), "`evenhand analysis run`")
			case err != nil:
				return err
			case run.Kind == store.BlindRun:
				return withHint(&conduct.NotUnblindedError{}, "the chains have the arms' effects: they are shown after `evenhand analysis unblind` and `evenhand analysis run`")
			}
			var all chainsJSON
			for i := range run.Results {
				r := &run.Results[i]
				if r.Missing == nil || r.Missing.Imputation == nil {
					continue
				}
				at := slices.IndexFunc(run.Data, func(n rows.Named) bool { return n.Outcome == r.Plan.Outcome })
				d, err := rows.Read(run.Data[at].Files)
				if err != nil {
					return err
				}
				chains, err := r.Chains(d)
				if err != nil {
					return fmt.Errorf("%s: %w", r.Plan.Outcome, err)
				}
				one := outcomeChains{Outcome: r.Plan.Outcome, Seed: r.Missing.Seed, BurnIn: r.Missing.Imputation.BurnIn, Between: r.Missing.Imputation.Between}
				for k, c := range chains {
					one.Parameters = append(one.Parameters, parameterChains{r.Missing.Imputation.Parameters[k], c.Chains})
				}
				all.Outcomes = append(all.Outcomes, one)
			}
			if len(all.Outcomes) == 0 {
				return withHint(errors.New("nothing was imputed in the last run of the plan"), "`evenhand analysis show` says what is missing, and the plan's threshold")
			}
			switch form {
			case ".csv":
				return a.printText(out, all.csv())
			case "":
				return a.print(all, func() { a.showChains(all) })
			}
			return a.printPicture(out, "chains", all.picture())
		}))
	c.Flags().StringVar(&out, "out", "", "write the draws into this new .csv, .svg or .png file")
	return c
}

func (a *app) showChains(all chainsJSON) {
	for _, o := range all.Outcomes {
		a.say("%s: %s of %d draws after %d of burn-in, an imputation every %d", o.Outcome, count(len(o.Parameters[0].Chains), "chain"), len(o.Parameters[0].Chains[0]), o.BurnIn, o.Between)
		table := [][]string{{"  parameter", "mean", "SD", "R-hat", "effective draws", "autocorrelation"}}
		for _, p := range o.Parameters {
			table = append(table, []string{"  " + p.name(), fmt.Sprintf("%.4f", p.Mean), fmt.Sprintf("%.4f", p.SD), fmt.Sprintf("%.3f", p.RHat), fmt.Sprintf("%.0f", p.ESS), fmt.Sprintf("%.3f", p.Lag)})
		}
		a.table(table)
	}
}

func (p parameterChains) name() string {
	if p.Arm == "" {
		return p.Parameter
	}
	return p.Arm + ": " + p.Parameter
}

// csv has a line for every draw, at full precision.
func (all chainsJSON) csv() string {
	var text strings.Builder
	w := csv.NewWriter(&text)
	w.Write([]string{"outcome", "parameter", "arm", "chain", "iteration", "value"})
	for _, o := range all.Outcomes {
		for _, p := range o.Parameters {
			for c, draws := range p.Chains {
				for i, v := range draws {
					w.Write([]string{o.Outcome, p.Parameter, p.Arm, strconv.Itoa(c + 1), strconv.Itoa(o.BurnIn + i + 1), rows.Decimal(v)})
				}
			}
		}
	}
	w.Flush() // a builder takes everything
	return text.String()
}

func (all chainsJSON) picture() figure.Traces {
	p := figure.Traces{Title: "The imputation's chains", Desc: "Each parameter of the imputation, draw by draw after burn-in, a line a chain. "}
	for _, o := range all.Outcomes {
		for _, x := range o.Parameters {
			// Of a coefficient's name what tells it from the others must fit.
			label := strings.NewReplacer(missing.OutcomeName, o.Outcome, ": coefficient of ", " on ", missing.StratumPrefix, "").Replace(x.name())
			p.Panels = append(p.Panels, figure.TracePanel{Label: label, Text: fmt.Sprintf("R-hat %.3f", x.RHat), Chains: x.Chains})
			p.Desc += fmt.Sprintf("%s: R-hat %.3f. ", x.name(), x.RHat)
		}
	}
	p.Desc = strings.TrimSpace(p.Desc)
	return p
}

func (a *app) missingDescribeCommand() *cobra.Command {
	var data, outcome, arm, control, cluster string
	var covariates, factors []string
	model := false
	c := command("describe --data FILE --outcome COL --arm COL --cluster COL", "What is missing in a CSV file, without any store",
		"What is missing in a CSV file of everybody randomised: an empty cell or NA is a missing value. Rows\nwithout an arm or a school belong to nobody's count and are refused.",
		"evenhand missing describe --data pupils.csv --outcome Posttest --arm Treat --cluster School --covariates Pretest,FSM\nevenhand missing describe --data pupils.csv --outcome Posttest --arm Treat --cluster School --covariates Pretest --model --format json",
		noArgs, func(context.Context, []string) error {
			for _, needed := range []struct{ flag, value string }{{"data", data}, {"outcome", outcome}, {"arm", arm}, {"cluster", cluster}} {
				if needed.value == "" {
					return usagef("--%s is missing", needed.flag)
				}
			}
			d, err := a.readTable(data)
			if err != nil {
				return err
			}
			y, z, school := d.number("outcome", outcome), d.category("arm", arm), d.category("cluster", cluster)
			set := &analysis.Dataset{Outcome: y.Values, Observed: y.Observed, Arm: z.Codes, Arms: z.Levels, Cluster: school.Codes, Clusters: school.Levels}
			for _, name := range covariates {
				set.Covariates = append(set.Covariates, d.number("covariates", name))
			}
			for _, name := range factors {
				set.Covariates = append(set.Covariates, d.category("factors", name))
			}
			for i := range d.t.Rows {
				for _, c := range []analysis.Column{z, school} {
					if len(d.faults) < 20 && c.Levels != nil && !c.Observed[i] {
						d.faults = append(d.faults, fmt.Sprintf("%s row %d: it has no %s", d.file, d.t.At[i], c.Name))
					}
				}
				set.ID = append(set.ID, fmt.Sprint(d.t.At[i]))
				lost := ""
				if !y.Observed[i] {
					lost = "no value"
				}
				set.Lost = append(set.Lost, lost)
				set.Stratum, set.Community = append(set.Stratum, 0), append(set.Community, -1)
			}
			set.Strata = []string{"all"}
			if control != "" {
				if set.Control = slices.Index(z.Levels, control); set.Control < 0 {
					d.faults = append(d.faults, fmt.Sprintf("--control: %s has no %q in %s; it has %s", d.file, control, arm, strings.Join(z.Levels, ", ")))
				}
			}
			if len(d.faults) > 0 {
				return errors.New(strings.Join(d.faults, "\n"))
			}
			one, err := missingOf(outcome, set, model)
			if err != nil {
				return err
			}
			return a.printMissing(missingJSON{[]missingOutcome{*one}})
		})
	c.Flags().StringVar(&data, "data", "", "the CSV file")
	c.Flags().StringVar(&outcome, "outcome", "", "column of the outcome")
	c.Flags().StringVar(&arm, "arm", "", "column of the arm")
	c.Flags().StringVar(&control, "control", "", "the control arm's value (default: the first in order)")
	c.Flags().StringVar(&cluster, "cluster", "", "column of the school")
	c.Flags().StringSliceVar(&covariates, "covariates", nil, "columns of numbers")
	c.Flags().StringSliceVar(&factors, "factors", nil, "columns of categories")
	c.Flags().BoolVar(&model, "model", false, "also model who has no outcome on the arm and the complete columns")
	return c
}

// missingJSON is what is missing, outcome by outcome.
type missingJSON struct {
	Outcomes []missingOutcome `json:"outcomes"`
}

type missingOutcome struct {
	Outcome string        `json:"outcome"`
	Table   missing.Table `json:"table"`
	// Model is of who has no outcome; null without --model.
	Model *missingModel `json:"model"`
}

// missingModel is a logistic regression of having no outcome.
type missingModel struct {
	Terms   []missingTerm `json:"terms"`
	Between float64       `json:"sd_between_schools"` // on the logit scale
	Events  int           `json:"events"`
	Rows    int           `json:"rows"`
	LeftOut []string      `json:"left_out"` // columns with values missing, which cannot predict
	// NoVariation are columns that are the same in every row, or a combination of
	// others, and so say nothing of their own.
	NoVariation []string `json:"no_variation"`
}

type missingTerm struct {
	Term      string     `json:"term"`
	Estimate  float64    `json:"estimate"` // log odds ratio, given the school
	SE        float64    `json:"se"`
	P         float64    `json:"p"`
	CI        [2]float64 `json:"ci"`
	OddsRatio float64    `json:"odds_ratio"`
}

func missingOf(outcome string, d *analysis.Dataset, model bool) (*missingOutcome, error) {
	table, err := missing.Describe(d)
	if err != nil {
		return nil, err
	}
	// The outcome goes by its own name.
	table.Variables[0].Name = outcome
	for i := range table.Patterns {
		for k, name := range table.Patterns[i].Missing {
			if k == 0 && name == "outcome" {
				table.Patterns[i].Missing[k] = outcome
			}
		}
	}
	out := &missingOutcome{Outcome: outcome, Table: table}
	if !model {
		return out, nil
	}
	// Predictors are the arms and what is known of everybody; differences between
	// schools, and so between strata, are the random intercept's.
	known := *d
	known.Strata, known.Stratum, known.Covariates = []string{"all"}, make([]int, len(d.Arm)), nil
	out.Model = &missingModel{LeftOut: []string{}}
	for i, c := range d.Covariates {
		if table.Variables[i+1].Missing > 0 {
			out.Model.LeftOut = append(out.Model.LeftOut, c.Name)
			continue
		}
		known.Covariates = append(known.Covariates, c)
	}
	imputation, dropped, err := missing.ModelOf(&known, false)
	if err != nil {
		return nil, fmt.Errorf("%s: model who has no score: %w", outcome, err)
	}
	out.Model.NoVariation = append([]string{}, dropped...)
	if table.Variables[0].Missing == table.Rows {
		return nil, fmt.Errorf("%s: nobody has a value: there is nobody to hold those who lack it against", outcome)
	}
	if table.Variables[0].Missing == 0 {
		return nil, fmt.Errorf("%s: nobody lacks a value: there is nothing to model", outcome)
	}
	lost := make([]bool, len(d.Observed))
	for i, o := range d.Observed {
		lost[i] = !o
	}
	dropout, err := missing.FitDropOut(lost, imputation.Predictors, d.Cluster, 0.95)
	if err != nil {
		return nil, fmt.Errorf("%s: model who has no score: %w", outcome, err)
	}
	out.Model.Between, out.Model.Events, out.Model.Rows = dropout.Random.Sigma, dropout.Marginal.Events, dropout.Marginal.Rows
	for _, t := range dropout.RandomTerms {
		out.Model.Terms = append(out.Model.Terms, missingTerm{t.Name, t.Estimate, t.SE, t.P, [2]float64{t.Low, t.High}, math.Exp(t.Estimate)})
	}
	return out, nil
}

func (a *app) printMissing(out missingJSON) error {
	return a.print(out, func() {
		for _, o := range out.Outcomes {
			t := o.Table
			a.say("%s: %d randomised, %d with nothing missing", o.Outcome, t.Rows, t.Complete)
			head := []string{"  variable", "missing", "share"}
			for _, arm := range t.Variables[0].Arms {
				head = append(head, arm.Arm)
			}
			rows := [][]string{append(head, "schools with none")}
			for _, v := range t.Variables {
				row := []string{"  " + v.Name, fmt.Sprint(v.Missing), fmt.Sprintf("%.1f %%", 100*v.Share)}
				for _, arm := range v.Arms {
					row = append(row, fmt.Sprintf("%d of %d (%.1f %%)", arm.Missing, arm.Rows, 100*arm.Share))
				}
				rows = append(rows, append(row, fmt.Sprint(v.Whole)))
			}
			a.table(rows)
			for _, l := range t.Variables[0].Reasons {
				a.say("  %s: %d %s", o.Outcome, l.N, l.Reason)
			}
			for _, v := range t.Variables {
				for i, s := range v.Schools {
					if i == 3 {
						a.say("  %s: and %s more with some missing", v.Name, count(len(v.Schools)-3, "school"))
						break
					}
					a.say("  %s, school %s (%s): %d of %d missing", v.Name, s.School, s.Arm, s.Missing, s.Rows)
				}
			}
			for i, p := range t.Patterns {
				if i == 5 || len(p.Missing) < 2 {
					continue
				}
				a.say("  together: %s: %d", strings.Join(p.Missing, ", "), p.Rows)
			}
			if m := o.Model; m != nil {
				a.say("  who has no %s (logistic, schools as random intercept, SD between schools %.3f; %d of %d):", o.Outcome, m.Between, m.Events, m.Rows)
				rows := [][]string{{"    term", "odds ratio", "interval", "p"}}
				for _, x := range m.Terms {
					rows = append(rows, []string{"    " + x.Term, fmt.Sprintf("%.3f", x.OddsRatio), fmt.Sprintf("%.3f to %.3f", math.Exp(x.CI[0]), math.Exp(x.CI[1])), fmt.Sprintf("%.3g", x.P)})
				}
				a.table(rows)
				for _, name := range m.LeftOut {
					a.say("    left out: %s, which has gaps of its own", name)
				}
				for _, name := range m.NoVariation {
					a.say("    left out: %s, which does not vary, or only as others do", name)
				}
			}
		}
	})
}
