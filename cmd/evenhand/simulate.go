package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strings"
	"unicode/utf8"

	"github.com/spf13/cobra"

	"evenhand/analysis/mixed"
	"evenhand/analysis/simulate"
)

// calibrationJSON is what `analysis simulate` prints.
type calibrationJSON struct {
	Settings simulate.Calibration `json:"settings"`
	Results  []simulate.Judged    `json:"results"`
}

func (a *app) simulateCommand() *cobra.Command {
	s := simulate.DefaultCalibration()
	schools, iccs := []int{10, 20, 40, 114}, []float64{0, 0.05, 0.15, 0.25}
	sizes, nesting := []string{string(simulate.Equal), string(simulate.Unequal)}, []string{string(simulate.NotNested), string(simulate.Partial)}
	var methods []string
	for _, m := range s.DF {
		methods = append(methods, string(m))
	}
	c := command("simulate", "Try the default analysis on trials of which the truth is known",
		"Simulate trials, analyse each by the default analysis, and count how often it finds an effect and how\noften its interval holds the truth: with --effect 0 the first is the type I error, which should be .05.\nEach combination of --schools, --icc, --sizes and --nesting is one kind of trial. Outcomes are normal\nwith variance 1 in the control arm; half the schools are treated; there are no covariates. Where\ntreated schools work in communities (--nesting partial) the trials are analysed twice: by the random-\nintercept model, which ignores communities, and by the partially nested model. The text is a table\nin Markdown. The same seed gives the same table on any computer with any number of processors.",
		"evenhand analysis simulate\nevenhand analysis simulate --schools 24 --icc 0.15 --sizes unequal --nesting no --trials 2000 --seed 7\nevenhand analysis simulate --schools 40 --icc 0.1 --effect 0.2 --format json", noArgs,
		func(ctx context.Context, _ []string) error {
			s.DF = nil
			for _, m := range methods {
				method, err := dfMethod(m)
				if err != nil {
					return err
				}
				s.DF = append(s.DF, method)
			}
			var cells []simulate.Cell
			for _, n := range nesting {
				for _, size := range sizes {
					for _, k := range schools {
						for _, icc := range iccs {
							cells = append(cells, simulate.Cell{Schools: k, ICC: icc, Sizes: simulate.Sizes(size), Nesting: simulate.Nesting(n)})
						}
					}
				}
			}
			if err := s.Check(cells); err != nil {
				return usagef("these trials cannot be simulated: %w", err)
			}
			out := calibrationJSON{Settings: s}
			show := a.progress("simulating")
			for i, cell := range cells {
				judged, err := simulate.Calibrate(cell, s, func(done int) bool {
					if show != nil {
						show(i*s.Trials+done, len(cells)*s.Trials)
					}
					return ctx.Err() == nil
				})
				if err != nil {
					return stopped(ctx, err)
				}
				out.Results = append(out.Results, judged...)
			}
			return a.print(out, func() { a.showCalibration(out) })
		})
	f := c.Flags()
	f.IntSliceVar(&schools, "schools", schools, "numbers of schools, between commas")
	f.Float64SliceVar(&iccs, "icc", iccs, "variances between schools (the total being 1), between commas, in [0,1)")
	f.StringSliceVar(&sizes, "sizes", sizes, "equal, unequal, or both between commas")
	f.StringSliceVar(&nesting, "nesting", nesting, "no, partial, or both between commas")
	f.StringSliceVar(&methods, "df", methods, "ways to reach degrees of freedom, between commas")
	f.IntVar(&s.Trials, "trials", s.Trials, "trials of each kind")
	f.Float64Var(&s.Effect, "effect", s.Effect, "the true effect, in SDs of the control arm")
	f.Float64Var(&s.Pupils, "pupils", s.Pupils, "pupils in a school, on average")
	f.Float64Var(&s.CV, "cv", s.CV, "how unequal unequal schools are: their SD over their mean")
	f.Float64Var(&s.ICCCommunity, "icc-community", s.ICCCommunity, "variance between communities of treated schools, with --nesting partial")
	f.IntVar(&s.CommunitySize, "community-size", s.CommunitySize, "most schools in a community; there are at least two communities")
	f.Float64Var(&s.Level, "confidence", s.Level, "level of the intervals; tests are at 1 minus it")
	f.Uint64Var(&s.Seed, "seed", s.Seed, "of the simulated trials")
	return c
}

// dfMethod reads the name of a way to reach degrees of freedom.
func dfMethod(name string) (mixed.DF, error) {
	all := []mixed.DF{mixed.KenwardRoger, mixed.Satterthwaite, mixed.SatterthwaiteExpected, mixed.Containment, mixed.Z}
	var names []string
	for _, m := range all {
		if string(m) == name {
			return m, nil
		}
		names = append(names, string(m))
	}
	return "", usagef("--df %q: it is one of: %s", name, strings.Join(names, ", "))
}

// stopped says that the user stopped a simulation.
func stopped(ctx context.Context, err error) error {
	if errors.Is(err, simulate.ErrStopped) {
		return fmt.Errorf("%w: %w", err, context.Cause(ctx))
	}
	return err
}

func (a *app) showCalibration(out calibrationJSON) {
	s := out.Settings
	rejected := "type I error"
	if s.Effect != 0 {
		rejected = "power"
	}
	head := []string{"schools", "ICC", "sizes", "communities", "model"}
	for _, m := range s.DF {
		head = append(head, string(m)+": "+rejected, "coverage", "mean df")
	}
	rows := [][]string{append(head, "singular", "bias: school", "community", "residual", "ICC", "estimate")}
	off, tests, failed := 0, 0, 0
	for _, r := range out.Results {
		failed += r.Failed
		row := []string{fmt.Sprint(r.Cell.Schools), fmt.Sprint(r.Cell.ICC), string(r.Cell.Sizes), string(r.Cell.Nesting), r.Model}
		for _, t := range r.Tests {
			mark := ""
			if tests++; !t.AsStated {
				mark = "*"
				off++
			}
			df := fmt.Sprintf("%.1f", t.MeanDF.Value)
			if t.DF == mixed.Z {
				df = "–"
			}
			row = append(row, fmt.Sprintf("%.4f", t.Rejected.Value), fmt.Sprintf("%.4f%s", t.Coverage.Value, mark), df)
		}
		community := "–"
		if r.Community != nil {
			community = fmt.Sprintf("%+.4f", r.Community.Bias)
		}
		rows = append(rows, append(row, fmt.Sprintf("%.3f", r.Singular.Value), fmt.Sprintf("%+.4f", r.School.Bias), community,
			fmt.Sprintf("%+.5f", r.Residual.Bias), fmt.Sprintf("%+.4f", r.ICC.Bias), fmt.Sprintf("%+.4f", r.Estimate.Value-s.Effect)))
	}
	a.markdown(rows)
	a.say("")
	a.say("%d trials of each kind, seed %d; effect %v; %v pupils in a school on average (unequal: SD/mean %v);", s.Trials, s.Seed, s.Effect, s.Pupils, s.CV)
	a.say("with communities: at most %d schools in each, variance %v, in the intervention arm only.", s.CommunitySize, s.ICCCommunity)
	a.say("* marks coverage more than three Monte Carlo standard errors (each %.4f) from %v: %d of %d.", math.Sqrt(s.Level*(1-s.Level)/float64(s.Trials)), s.Level, off, tests)
	a.say("Trials without an estimate: %d.", failed)
}

// markdown prints rows, the first being the heading, as a table in Markdown.
func (a *app) markdown(rows [][]string) {
	width := make([]int, len(rows[0]))
	for _, row := range rows {
		for i, cell := range row {
			width[i] = max(width[i], utf8.RuneCountInString(cell), 3)
		}
	}
	for n, row := range rows {
		var b strings.Builder
		for i := range width {
			cell := ""
			if i < len(row) {
				cell = row[i]
			}
			b.WriteString("| " + cell + strings.Repeat(" ", width[i]-utf8.RuneCountInString(cell)) + " ")
		}
		a.say("%s|", b.String())
		if n == 0 {
			b.Reset()
			for i := range width {
				b.WriteString("| " + strings.Repeat("-", width[i]) + " ")
			}
			a.say("%s|", b.String())
		}
	}
}
