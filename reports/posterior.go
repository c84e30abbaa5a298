package reports

import (
	"math"
	"strings"

	"evenhand/reports/figure"
)

// posterior shows how probable it is, after the data and under the priors, that
// the effect is above each size.
func (w *writer) posterior() {
	r := w.result()
	if r == nil || r.Posterior == nil || len(r.Posterior.Arms) == 0 {
		return
	}
	p := r.Posterior
	t := &Table{ID: "posterior", Title: "The primary outcome’s effect size, under weak priors", Groups: []Group{{"", 3}, {w.level.String() + " of the posterior", 2}, {"", 2}},
		Columns: []Column{{Title: "Arm"}, {"Mean", true}, {"SD", true}, {"from", true}, {"to", true}, {"R̂", true}, {"Independent draws", true}}}
	above := &Table{ID: "posterior-exceeds", Title: "How probable an effect size above each value is", Columns: []Column{{Title: "Arm"}, {"Above", true}, {"Probability", true}}}
	f := figure.Chart{Title: "How probable each effect is", Desc: "The probability that the primary outcome’s effect size is larger than x: ", XAxis: "x, effect size (standard deviations)", YAxis: "Probability that the effect is larger than x",
		YRange: [2]float64{0, 1}, Levels: []figure.Level{{At: 0, Label: "no effect", Upright: true}}}
	var say []func()
	for _, a := range p.Arms {
		name := w.label(a.Arm)
		mean := number(a.Mean, EffectSize)
		mean.Notes = w.notesOf(p.Warnings)
		t.Rows = append(t.Rows, Row{Cells: []*Cell{words(name), mean, number(a.Spread, EffectSize), number(a.Interval.Low, EffectSize), number(a.Interval.High, EffectSize), number(a.RHat, ICC), number(math.Floor(math.Min(a.Bulk, a.Tail)), Count)}})
		line := figure.Trace{Arm: w.arm(a.Arm)}
		if len(p.Arms) > 1 {
			line.Label = name
		}
		for _, e := range a.Exceeds {
			line.Points = append(line.Points, figure.XY{X: e.Above, Y: e.Probability})
			tenths := math.Abs(e.Above*10 - math.Round(e.Above*10))
			if tenths > 1e-9 {
				continue // the table has every tenth, the picture all
			}
			x, chance := number(e.Above, EffectSize), number(e.Probability, ICC)
			above.Rows = append(above.Rows, Row{Cells: []*Cell{words(name), x, chance}, Strong: math.Abs(e.Above) < 1e-9})
			if math.Abs(e.Above) < 1e-9 {
				label := "larger than " + x.String() + ": " + chance.String()
				f.Points = append(f.Points, figure.Point{At: figure.XY{X: e.Above, Y: e.Probability}, Label: label, Arm: w.arm(a.Arm)})
				f.Desc += name + " " + label + "; "
				say = append(say, func() {
					w.say("After the data, and under these priors, the probability that “{}” does better than “{}” is {}.", w.armCell(a.Arm), w.armCell(a.Against), chance)
				})
			}
		}
		f.Lines = append(f.Lines, line)
	}
	f.Desc = strings.TrimSuffix(f.Desc, "; ") + "."
	t.Foot = append(t.Foot, capital(p.Model)+". The difference is divided by the SD of the effect size as planned, taken as known.")
	for _, s := range say {
		s()
	}
	w.figure(&Figure{ID: "posterior-figure", Title: "The probability that the primary outcome’s effect is larger than each size", Drawing: f, Wide: true})
	w.table(t)
	w.table(above)
}
