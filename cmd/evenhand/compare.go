package main

import (
	"context"
	"encoding/json"
	"fmt"
	"math"
	"strings"

	"github.com/spf13/cobra"

	"evenhand/analysis"
	"evenhand/analysis/sap"
	"evenhand/trial/store"
)

// comparedJSON is what `analysis compare` prints.
type comparedJSON struct {
	Files []comparedFile `json:"files"`
	Rows  []comparedRow  `json:"rows"`
}

type comparedFile struct {
	File  string `json:"file"`
	Kind  string `json:"kind"`  // "fit", "run", or of a run that is not the plan's own "blind run", "changed run", "exploratory run", "rehearsal"
	Model string `json:"model"` // of a fit; the primary outcome's of a run
}

// comparedRow is one quantity; Values has an entry a file, null where the file
// has no such quantity.
type comparedRow struct {
	Quantity string           `json:"quantity"`
	Values   []*comparedValue `json:"values"`
	// Difference is the largest between any two of the values, relative to the
	// larger in size; null where fewer than two files have it.
	Difference *float64 `json:"largest_relative_difference"`
}

type comparedValue struct {
	Value float64     `json:"value"`
	SE    *float64    `json:"se"`
	DF    *float64    `json:"df"`
	P     *float64    `json:"p"`
	CI    *[2]float64 `json:"ci"`
}

func (a *app) compareCommand() *cobra.Command {
	return command("compare A.json B.json …", "Put several analyses side by side",
		"Put the results of `analysis fit`, `analysis run` or `analysis show`, saved with --format json, side by\nside: every quantity that any of them has, and by how much they differ. Fits of one trial by several\nmodels have their terms in common; runs have outcomes, arms and denominators. To make such a file:\nevenhand analysis fit … --format json > reml.json",
		"evenhand analysis compare reml.json ols.json\nevenhand analysis compare first.json second.json --format json",
		func(cmd *cobra.Command, args []string) error {
			if len(args) < 2 {
				return usagef("%s needs two or more files of results", cmd.CommandPath())
			}
			return nil
		},
		func(_ context.Context, args []string) error {
			var out comparedJSON
			place := map[string]int{}
			for i, file := range args {
				kind, model, quantities, err := a.quantities(file)
				if err != nil {
					return err
				}
				out.Files = append(out.Files, comparedFile{file, kind, model})
				for _, q := range quantities {
					at, ok := place[q.name]
					if !ok {
						at = len(out.Rows)
						place[q.name] = at
						out.Rows = append(out.Rows, comparedRow{Quantity: q.name, Values: make([]*comparedValue, len(args))})
					}
					if out.Rows[at].Values[i] == nil {
						out.Rows[at].Values[i] = &q.comparedValue
					}
				}
			}
			for i := range out.Rows {
				out.Rows[i].Difference = furthest(out.Rows[i].Values)
			}
			return a.print(out, func() { a.showCompared(out) })
		})
}

// furthest is the largest relative difference between any two values.
func furthest(values []*comparedValue) *float64 {
	var largest *float64
	for i, x := range values {
		for _, y := range values[:i] {
			if x == nil || y == nil {
				continue
			}
			d := 0.0
			if x.Value != y.Value {
				d = math.Abs(x.Value-y.Value) / math.Max(math.Abs(x.Value), math.Abs(y.Value))
			}
			if largest == nil || d > *largest {
				largest = &d
			}
		}
	}
	return largest
}

type quantity struct {
	name string
	comparedValue
}

// quantities reads the results of a fit or of a run of the plan.
func (a *app) quantities(file string) (kind, model string, all []quantity, err error) {
	text, err := a.readFile(file)
	if err != nil {
		return "", "", nil, err
	}
	var either struct {
		fitJSON
		Results []sap.Results `json:"results"`
		// Of a run: what it is.
		Kind      store.RunKind `json:"kind"`
		Rehearsal bool          `json:"rehearsal"`
	}
	if err := json.Unmarshal(text, &either); err != nil {
		return "", "", nil, withHint(fmt.Errorf("read %s: %w", file, err), "give files made by `evenhand analysis fit`, `analysis run` or `analysis show` with --format json")
	}
	add := func(name string, v float64, se, df, p *float64, ci *[2]float64) {
		all = append(all, quantity{name, comparedValue{v, se, df, p, ci}})
	}
	switch {
	case len(either.Coefficients) > 0:
		f := either.fitJSON
		add("rows used", float64(f.N.Used), nil, nil, nil, nil)
		for _, c := range f.Coefficients {
			add(c.Term, c.Estimate, some(c.SE), c.DF, c.P, &[2]float64{c.CI[0], c.CI[1]})
		}
		for _, v := range f.Variances {
			name := "variance: " + v.Level
			if v.Term != "" {
				name += ", " + v.Term
			}
			add(name, v.Value, v.SE, nil, nil, nil)
		}
		for _, i := range f.ICC {
			add("ICC: "+i.Level, i.Value, nil, nil, nil, i.CI)
		}
		for _, e := range f.EffectSizes {
			add(fmt.Sprintf("effect size: %s, %s", e.Term, e.Denominator), e.Value, e.SE, e.DF, nil, &[2]float64{e.CI[0], e.CI[1]})
		}
		return "fit", f.Model, all, nil
	case len(either.Results) > 0:
		estimate := func(name string, e analysis.Estimate) {
			add(name, e.Value, someOr0(e.SE), someOr0(e.DF), some(e.P), &[2]float64{e.Interval.Low, e.Interval.High})
		}
		for _, r := range either.Results {
			o := r.Plan.Outcome
			add(o+": pupils used", float64(r.Counts.PupilsUsed), nil, nil, nil, nil)
			add(o+": schools used", float64(r.Counts.SchoolsUsed), nil, nil, nil, nil)
			for _, c := range r.Contrasts {
				who := fmt.Sprintf("%s: %s vs %s, ", o, c.Arm, c.Against)
				estimate(who+"difference", c.Difference)
				for _, e := range c.EffectSizes {
					estimate(who+"effect size, "+string(e.Scale), e)
				}
			}
			for _, i := range r.ICC {
				add(fmt.Sprintf("%s: ICC %s, %s model", o, i.Level, i.Model), i.Value, nil, nil, nil, nil)
			}
		}
		kind := "run"
		switch {
		case either.Rehearsal:
			kind = "rehearsal"
		case either.Kind != "" && either.Kind != store.PlannedRun:
			kind = string(either.Kind) + " run"
		}
		return kind, either.Results[0].Fit.Method, all, nil
	}
	return "", "", nil, withHint(fmt.Errorf("%s has no results: neither coefficients of a fit nor results of a run", file), "give files made by `evenhand analysis fit`, `analysis run` or `analysis show` with --format json")
}

func (a *app) showCompared(out comparedJSON) {
	head := []string{"quantity"}
	for i, f := range out.Files {
		letter := string(rune('A' + i%26))
		what := ""
		if f.Kind != "run" && f.Kind != "fit" {
			what = " (" + f.Kind + ")"
		}
		a.say("%s  %s%s: %s", letter, f.File, what, f.Model)
		head = append(head, letter)
	}
	a.say("")
	rows := [][]string{append(head, "largest difference")}
	for _, r := range out.Rows {
		row := []string{r.Quantity}
		for _, v := range r.Values {
			switch {
			case v == nil:
				row = append(row, "–")
			case v.SE != nil:
				row = append(row, fmt.Sprintf("%.6g (SE %.4g)", v.Value, *v.SE))
			default:
				row = append(row, fmt.Sprintf("%.6g", v.Value))
			}
		}
		switch {
		case r.Difference == nil:
			row = append(row, "–")
		case *r.Difference == 0:
			row = append(row, "none")
		default:
			row = append(row, strings.Replace(fmt.Sprintf("%.1e", *r.Difference), "e-0", "e-", 1))
		}
		rows = append(rows, row)
	}
	a.table(rows)
	a.say("\nThe largest difference is relative to the larger of the two numbers.")
}
