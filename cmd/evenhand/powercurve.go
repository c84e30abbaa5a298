package main

import (
	"context"
	"errors"
	"fmt"
	"math"
	"strconv"
	"strings"

	"github.com/spf13/cobra"

	"evenhand/analysis/power"
	"evenhand/reports/figure"
	"evenhand/trial"
	"evenhand/trial/conduct"
)

// overFlag holds the inputs that are varied that is varied: NAME=FROM:TO, or NAME=FROM:TO:STEP.
type overFlag struct{ all []overSpan }

type overSpan struct {
	name     string
	from, to float64
	step     float64
}

const mostPoints = 1000 // of a curve

func (o *overFlag) String() string {
	var all []string
	for _, s := range o.all {
		all = append(all, fmt.Sprintf("%s=%v:%v:%v", s.name, s.from, s.to, s.step))
	}
	return strings.Join(all, ",")
}
func (o *overFlag) Type() string { return "NAME=FROM:TO[:STEP]" }
func (o *overFlag) Set(text string) error {
	name, numbers, ok := strings.Cut(text, "=")
	parts := strings.Split(numbers, ":")
	if !ok || len(parts) < 2 || len(parts) > 3 {
		return errors.New("write what is varied and between which values, as clusters=40:200 or icc=0:0.3:0.05")
	}
	s := overSpan{name: strings.ReplaceAll(name, "-", "_")}
	known := make([]string, len(power.Varied))
	found := false
	for i, v := range power.Varied {
		known[i] = strings.ReplaceAll(v, "_", "-")
		found = found || v == s.name
	}
	if !found {
		hint := "it is one of: " + strings.Join(known, ", ")
		if near := trial.Nearest(name, known); near != "" {
			hint = fmt.Sprintf("did you mean %q? %s", near, hint)
		}
		return fmt.Errorf("%q cannot be varied; %s", name, hint)
	}
	var v [3]float64
	for i, p := range parts {
		x, err := strconv.ParseFloat(strings.TrimSpace(p), 64)
		if err != nil || math.IsNaN(x) || math.IsInf(x, 0) {
			return fmt.Errorf("%q is not a number", p)
		}
		v[i] = x
	}
	s.from, s.to, s.step = v[0], v[1], v[2]
	if !(s.to > s.from) {
		return fmt.Errorf("%s runs from %v to %v; the second must be greater", name, s.from, s.to)
	}
	switch whole := s.name == "clusters" || s.name == "size" || s.name == "top"; {
	case len(parts) == 3 && !(s.step > 0):
		return fmt.Errorf("a step of %v leads nowhere; it must be above 0", s.step)
	case len(parts) == 2 && whole:
		s.step = math.Max(1, math.Ceil((s.to-s.from)/20))
	case len(parts) == 2:
		s.step = (s.to - s.from) / 20
	}
	if n := (s.to - s.from) / s.step; n > mostPoints {
		return fmt.Errorf("%s in steps of %v makes %.0f points; at most %d are worked out", name, s.step, n, mostPoints)
	}
	o.all = append(o.all, s)
	return nil
}

func (s overSpan) values() []float64 {
	var all []float64
	for i := 0; ; i++ {
		x := s.from + float64(i)*s.step
		if x > s.to+1e-9*s.step {
			return all
		}
		all = append(all, x)
	}
}

// axisNames are the words for what is varied.
var axisNames = map[string]string{
	"clusters": "Schools (level-2 units)", "size": "Pupils in each school", "top": "Level-3 units", "icc": "ICC", "icc_top": "ICC, level 3", "icc_group": "ICC of groups",
	"r2": "R² at every level", "r2_pupil": "R² of pupils", "r2_cluster": "R² of schools", "r2_top": "R², level 3", "share": "Share treated", "cv": "SD of sizes over mean",
	"lost_clusters": "Share of schools lost", "lost_pupils": "Share of pupils lost", "power": "Power",
}

func (a *app) powerCurveCommand() *cobra.Command {
	var in power.Inputs
	var over overFlag
	var out string
	var c *cobra.Command
	c = command("curve --design DESIGN --over NAME=FROM:TO …", "The smallest detectable effect as schools, ICC or R² vary",
		"The minimum detectable effect size while one input is varied and the others stay: --over may be given\nseveral times, each a curve of its own. Written with - or _ alike: clusters, size, top, icc, icc-top,\nicc-group, r2 (at every level), r2-pupil, r2-cluster, r2-top, share, cv, lost-clusters, lost-pupils, power.\nWith --out the curves are drawn side by side, as SVG or PNG by the file's ending.\n\n"+powerDesigns,
		"evenhand power curve --design cra2 --clusters 114 --size 45 --icc 0.13 --over clusters=40:200:20\nevenhand power curve --design cra2 --clusters 114 --size 45 --icc 0.13 --covariates 1 --over clusters=40:200 --over icc=0:0.3 --over r2=0:0.8 --out curves.svg\nevenhand power curve --design cra2 --clusters 114 --size 45 --icc 0.13 --over icc=0.05:0.2:0.05 --format json",
		noArgs, func(context.Context, []string) error {
			switch {
			case !c.Flags().Lookup("design").Changed:
				return usagef("--design is missing")
			case len(over.all) == 0:
				return usagef("--over is missing: say what is varied, as --over clusters=40:200")
			}
			if err := pictureForm(out); err != nil {
				return err
			}
			var all struct {
				Curves []power.Curve `json:"curves"`
			}
			for _, s := range over.all {
				base := in
				if s.name == "clusters" || s.name == "size" || s.name == "top" { // it need not be given too
					switch s.name {
					case "clusters":
						base.Clusters = s.from
					case "size":
						base.Size = s.from
					case "top":
						base.Top = s.from
					}
				}
				curve, err := power.Along(base, s.name, s.values())
				if err != nil {
					return powerFault(err)
				}
				all.Curves = append(all.Curves, curve)
			}
			if out != "" {
				if err := a.writePicture(out, curvesFigure(all.Curves)); err != nil {
					return err
				}
			}
			return a.print(all, func() {
				for _, curve := range all.Curves {
					rows := [][]string{{strings.ReplaceAll(curve.Over, "_", "-"), "MDES, exact", "two-t", "SE", "df"}}
					for _, p := range curve.Points {
						at := strconv.FormatFloat(math.Round(p.At*1e9)/1e9, 'f', -1, 64)
						if p.MDES == nil {
							rows = append(rows, []string{at, "none", "", "", p.Why})
							continue
						}
						rows = append(rows, []string{at, fmt.Sprintf("%.4f", p.MDES.Exact), fmt.Sprintf("%.4f", p.MDES.MDES), fmt.Sprintf("%.4f", p.MDES.SE), fmt.Sprintf("%.4g", p.MDES.DF)})
					}
					a.table(rows)
				}
				if out != "" {
					a.say("%s has the curves", out)
				}
			})
		})
	powerFlags(c, &in)
	c.Flags().Var(&over, "over", "what is varied, between which values, and in which steps (may be given several times)")
	c.Flags().StringVar(&out, "out", "", "also draw the curves into this new .svg or .png file")
	return c
}

func curvesFigure(all []power.Curve) figure.Curves {
	f := figure.Curves{Title: "Minimum detectable effect size", Desc: "The minimum detectable effect size as one input varies and the others stay: ", YAxis: "Minimum detectable effect size, SD"}
	for _, c := range all {
		panel := figure.CurvePanel{XAxis: axisNames[c.Over]}
		var line []figure.XY
		for _, p := range c.Points {
			if p.MDES != nil {
				line = append(line, figure.XY{X: p.At, Y: p.MDES.Exact})
			}
		}
		panel.Lines = [][]figure.XY{line}
		f.Panels = append(f.Panels, panel)
		f.Desc += fmt.Sprintf("%s from %v (%.3f) to %v (%.3f). ", axisNames[c.Over], line[0].X, line[0].Y, line[len(line)-1].X, line[len(line)-1].Y)
	}
	f.Desc = strings.TrimSpace(f.Desc)
	return f
}

func (a *app) powerStatusCommand() *cobra.Command {
	return command("status", "What this trial can detect: at protocol, randomisation and analysis",
		"The trial's minimum detectable effect size as its protocol reckons (`sample size` in trial.yaml), with\nthe schools and pupils that were randomised, and with those analysed and the shares of variance found\nthere; overall and for pupils with free school meals. What is missing for a number is said in its place.",
		"evenhand power status\nevenhand power status --format json", noArgs,
		a.reading(func(ctx context.Context, t *conduct.Trial) error {
			s, err := t.Snapshot(ctx)
			if err != nil {
				return err
			}
			return a.print(struct {
				Stages []power.Stage `json:"stages"`
			}{s.Detectable}, func() {
				rows := [][]string{{"stage", "pupils", "MDES", "two-t", "schools", "pupils", "ICC", "df"}}
				for _, x := range s.Detectable {
					row := []string{x.Stage, x.Group, "none", "", fmt.Sprintf("%d + %d", x.SchoolsTreated, x.SchoolsControl), fmt.Sprintf("%.0f + %.0f", x.PupilsTreated, x.PupilsControl), "", ""}
					if x.ICC != nil {
						row[6] = fmt.Sprintf("%.3f", *x.ICC)
					}
					if x.MDES != nil {
						row[2], row[3], row[7] = fmt.Sprintf("%.4f", x.MDES.Exact), fmt.Sprintf("%.4f", x.MDES.MDES), fmt.Sprintf("%.4g", x.MDES.DF)
					}
					rows = append(rows, row)
				}
				a.table(rows)
				for _, x := range s.Detectable {
					if x.MDES == nil {
						a.say("none at %s, %s: %s", x.Stage, x.Group, x.Why)
					}
				}
			})
		}))
}
