package reports

import (
	"fmt"
	"math"
	"slices"
	"sort"
	"strings"
	"time"

	"evenhand/analysis"
	"evenhand/analysis/effectsize"
	"evenhand/analysis/missing"
	"evenhand/analysis/permute"
	"evenhand/analysis/sap"
	"evenhand/reports/figure"
	"evenhand/trial"
)

// ReachedOn is the day on which a school first reached a stage of recruitment,
// or one beyond it.
type ReachedOn struct {
	Stage trial.Stage
	On    time.Time
}

// DrawnInto is how many schools of a stratum were drawn into an arm and, where
// it has communities, into one of these.
type DrawnInto struct {
	Stratum   string
	Arm       string // the arm's ID
	Community int    // 0 for none
	Schools   int
}

// ScoreSet is an arm's scores of the primary outcome, in no order that matters.
type ScoreSet struct {
	Arm    string    // the arm's ID
	Before []float64 // at baseline, of all randomised who have it; nil where there is none
	After  []float64 // the outcome, of all who have it
}

// progress shows how many schools had reached the agreement and the end of
// recruitment by each day.
func (w *writer) progress(reached map[trial.Stage]*Cell, wanted *Cell) {
	by := map[trial.Stage][]time.Time{}
	var first, last time.Time
	for _, r := range w.in.Reached {
		if r.On.IsZero() || r.Stage != trial.Agreed && r.Stage != trial.Ready {
			continue
		}
		by[r.Stage] = append(by[r.Stage], r.On)
		if first.IsZero() || r.On.Before(first) {
			first = r.On
		}
		if r.On.After(last) {
			last = r.On
		}
	}
	if first.IsZero() || !last.After(first) {
		return
	}
	if opens, ok := w.p.Recruitment.Opens.Time(); ok && opens.Before(first) {
		first = opens
	}
	day := func(t time.Time) float64 { return t.Sub(first).Hours() / 24 }
	p := figure.Chart{Title: "Progress of recruitment", XAxis: "Day of recruitment", YAxis: "Schools, added up"}
	until := last
	if closes, ok := w.p.Recruitment.Closes.Time(); ok {
		p.Levels = append(p.Levels, figure.Level{At: day(closes), Label: "recruitment closes", Upright: true})
		if closes.After(until) {
			until = closes
		}
	}
	if wanted != nil {
		p.Levels = append(p.Levels, figure.Level{At: wanted.Value, Label: "wanted: " + wanted.String()})
	}
	p.Desc = "Schools that had reached a stage of recruitment by each day, added up. In the end: "
	for i, s := range []trial.Stage{trial.Agreed, trial.Ready} {
		days := by[s]
		if len(days) == 0 || reached[s] == nil {
			continue
		}
		sort.Slice(days, func(a, b int) bool { return days[a].Before(days[b]) })
		line := figure.Trace{Label: string(s) + ": " + reached[s].String(), Arm: figure.Arm{Index: 1 - i, Control: i == 0}, Steps: true, Points: []figure.XY{{X: 0, Y: 0}}}
		for k, d := range days {
			if k == len(days)-1 || days[k+1].After(d) { // one point a day
				line.Points = append(line.Points, figure.XY{X: day(d), Y: float64(k + 1)})
			}
		}
		line.Points = append(line.Points, figure.XY{X: day(until), Y: float64(len(days))})
		p.Lines = append(p.Lines, line)
		p.Desc += line.Label + "; "
	}
	p.Desc = strings.TrimSuffix(p.Desc, "; ") + "."
	for m := time.Date(first.Year(), first.Month(), 1, 0, 0, 0, 0, time.UTC); !m.After(until); m = m.AddDate(0, 1, 0) {
		if m.Before(first) {
			continue
		}
		label := m.Format("Jan")
		if m.Month() == time.January || len(p.XTicks) == 0 {
			label = m.Format("Jan 2006")
		}
		p.XTicks = append(p.XTicks, figure.Tick{At: day(m), Label: label})
	}
	if p.XTicks == nil {
		p.XTicks = []figure.Tick{{At: 0, Label: Day(first)}, {At: day(until), Label: Day(until)}}
	}
	w.figure(&Figure{ID: "progress-figure", Title: "Schools that had reached each stage, by day", Drawing: p, Wide: true})
}

// mostStrata is how many strata a page can show as a picture.
const mostStrata = 60

// drawn shows how many schools of each stratum were drawn into which arm and
// community.
func (w *writer) drawn() {
	if len(w.in.Drawn) == 0 {
		return
	}
	var strata []string
	for _, d := range w.in.Drawn {
		if !contains(strata, d.Stratum) {
			strata = append(strata, d.Stratum)
		}
	}
	sort.Strings(strata)
	t := &Table{ID: "drawn", Title: "Schools of each stratum by the arm that they were drawn into", Columns: []Column{{Title: "Stratum"}, {"Schools", true}}}
	arms := make([]string, 0, len(w.p.Arms))
	for _, a := range w.p.Arms {
		arms = append(arms, a.ID)
		t.Columns = append(t.Columns, Column{w.label(a.ID), true})
	}
	line := func(name string, strong bool, of func(DrawnInto) bool) []*Cell {
		all, by := 0, make([]int, len(arms))
		for _, d := range w.in.Drawn {
			if of(d) {
				all += d.Schools
				if i := slices.Index(arms, d.Arm); i >= 0 {
					by[i] += d.Schools
				}
			}
		}
		cells := []*Cell{words(name), count(all)}
		for _, n := range by {
			cells = append(cells, count(n))
		}
		t.Rows = append(t.Rows, Row{Cells: cells, Strong: strong})
		return cells
	}
	p := figure.Ribbons{Title: "The draw", FromHead: "Stratum, schools", ToHead: "Drawn into, schools", Desc: "How many schools of each stratum were drawn into which arm and community. "}
	for _, s := range strata {
		c := line(stratumName(s), false, func(d DrawnInto) bool { return d.Stratum == s })
		p.From = append(p.From, figure.End{Label: stratumName(s), Text: c[1].String()})
	}
	total := line("All", true, func(DrawnInto) bool { return true })
	type end struct {
		arm       string
		community int
	}
	var ends []end
	size := map[end]int{}
	for _, d := range w.in.Drawn {
		e := end{d.Arm, d.Community}
		if size[e] == 0 {
			ends = append(ends, e)
		}
		size[e] += d.Schools
	}
	sort.Slice(ends, func(a, b int) bool {
		x, y := slices.Index(arms, ends[a].arm), slices.Index(arms, ends[b].arm)
		return x < y || x == y && ends[a].community < ends[b].community
	})
	for _, e := range ends {
		to := figure.End{Label: w.label(e.arm), Text: count(size[e]).String(), Arm: w.arm(e.arm)}
		if e.community > 0 {
			to.Label = "community " + w.communityName(Community{Arm: e.arm, Number: e.community})
		}
		p.To = append(p.To, to)
	}
	for _, d := range w.in.Drawn {
		p.Ribbons = append(p.Ribbons, figure.Ribbon{From: slices.Index(strata, d.Stratum), To: slices.Index(ends, end{d.Arm, d.Community}), N: d.Schools})
	}
	for i, a := range arms {
		p.Desc += w.label(a) + ": " + nSchools(total[2+i]) + ". "
	}
	p.Desc = strings.TrimSpace(p.Desc)
	if len(strata) > mostStrata {
		w.gap("Picture of the draw", "There are more strata than a page can show; the table has them all.")
	} else {
		w.figure(&Figure{ID: "draw-figure", Title: "The draw: schools of each stratum, and where they were drawn", Drawing: p, Wide: true})
	}
	w.table(t)
	w.schoolsMap()
}

// schoolsMap shows where the schools of each arm are, where there are no
// communities to show.
func (w *writer) schoolsMap() {
	if len(w.in.Communities) > 0 {
		return
	}
	p := figure.Map{Title: "Schools", ScaleUnit: "km", Desc: "Where the schools of each arm are."}
	n := 0
	for _, a := range w.p.Arms {
		m := figure.MapArm{Arm: w.arm(a.ID)}
		for _, s := range w.in.Elsewhere {
			if s.Arm == a.ID && s.HasPlace {
				m.Places = append(m.Places, figure.Place{Easting: s.Easting, Northing: s.Northing})
				n++
			}
		}
		p.Arms = append(p.Arms, m)
	}
	if n > 0 {
		w.figure(&Figure{ID: "schools-figure", Title: "The schools by easting and northing, by arm", Drawing: p})
	}
}

// stratumName is a stratum as people read it.
func stratumName(s string) string {
	if s == "" {
		return "all schools"
	}
	return s
}

// DrawPicture is the picture of a draw by itself.
func DrawPicture(p *trial.Protocol, drawn []DrawnInto) (figure.Drawing, error) {
	w := &writer{builder: builder{r: &Report{}, notes: map[string]int{}}, in: Input{Drawn: drawn}, p: p}
	for _, d := range drawn {
		if d.Community > 0 {
			w.in.Communities = append(w.in.Communities, Community{Arm: d.Arm, Number: d.Community})
		}
	}
	w.section("draw", "The draw")
	w.drawn()
	for _, f := range w.r.Figures() {
		return f.Drawing, nil
	}
	return nil, fmt.Errorf("there are more than %d strata, which is more than a picture can show", mostStrata)
}

// BlindDraw is the picture of a draw for those who must not learn arms: how many
// schools the strata and the arms have, and all of them running through one
// band. It is made without knowing what stratum's schools went where.
func BlindDraw(strata []DrawnInto, arms []int) figure.Drawing {
	f := figure.Ribbons{Title: "The draw, arms hidden", FromHead: "Stratum, schools", ToHead: "Arms, schools", Middle: "the draw", Desc: "Strata and arms of the draw. Which stratum’s schools went where is not shown, nor which arm is which."}
	left := slices.Clone(arms) // largest first: letters say nothing but size
	slices.SortFunc(left, func(a, b int) int { return b - a })
	for i, n := range left {
		f.To = append(f.To, figure.End{Label: "arm " + string(rune('A'+i%26)), Text: count(n).String(), Arm: figure.Arm{Index: 2 + i}})
	}
	at := 0
	for i, s := range strata {
		f.From = append(f.From, figure.End{Label: stratumName(s.Stratum), Text: count(s.Schools).String()})
		for n := s.Schools; n > 0 && at < len(left); { // filled up in order: only the sizes are shown
			take := min(n, left[at])
			f.Ribbons = append(f.Ribbons, figure.Ribbon{From: i, To: at, N: take})
			n, left[at] = n-take, left[at]-take
			if left[at] == 0 {
				at++
			}
		}
	}
	return f
}

// Pictures names the pictures that a report may have.
var Pictures = []string{"every", "flow", "stages", "progress", "draw", "detectable", "attrition", "balance", "scores", "means", "scales", "effects", "subgroups", "missing", "posterior", "communities", "schools", "dose", "met"}

// bins cuts values at multiples of a round width into about twenty bins. All
// sets of one measure are cut alike. low and high are the least and the greatest
// value there can be; both 0 where that is not known.
func bins(sets [][]float64, low, high float64) (edges []float64) {
	lo, hi, whole := math.Inf(1), math.Inf(-1), true
	for _, set := range sets {
		for _, v := range set {
			lo, hi = math.Min(lo, v), math.Max(hi, v)
			whole = whole && v == math.Trunc(v)
		}
	}
	if lo > hi {
		return nil
	}
	if low < high {
		lo, hi = math.Min(lo, low), math.Max(hi, high)
	}
	if !(hi > lo) {
		hi = lo + 1
	}
	raw := (hi - lo) / 20
	mag := math.Pow(10, math.Floor(math.Log10(raw)))
	width := 10 * mag
	for _, m := range []float64{1, 2, 5} {
		if m*mag >= raw*(1-1e-9) {
			width = m * mag
			break
		}
	}
	if whole {
		width = math.Max(width, 1)
	}
	for k := math.Floor(lo / width); ; k++ {
		edges = append(edges, k*width)
		if k*width > hi && len(edges) > 1 || len(edges) > 200 {
			return edges
		}
	}
}

// fill counts values in bins from an edge up to, not including, the next.
func fill(values, edges []float64) []int {
	n := make([]int, max(len(edges)-1, 0))
	for _, v := range values {
		i := sort.SearchFloat64s(edges, v)
		if i == len(edges) || edges[i] > v {
			i--
		}
		if i >= 0 && i < len(n) {
			n[i]++
		}
	}
	return n
}

// tally is a histogram: n[i] values from edges[i] up to edges[i+1].
type tally struct {
	edges []float64
	n     []int
}

// coarse joins bins with their neighbours until each holds at least least.
func (h tally) coarse(least int) tally {
	if len(h.n) == 0 {
		return h
	}
	out := tally{edges: []float64{h.edges[0]}}
	sum := 0
	for i, n := range h.n {
		sum += n
		if sum >= least {
			out.edges, out.n = append(out.edges, h.edges[i+1]), append(out.n, sum)
			sum = 0
		}
	}
	last := h.edges[len(h.edges)-1]
	switch {
	case len(out.n) == 0:
		out.edges, out.n = append(out.edges, last), []int{sum}
	default: // what is left over goes to the last
		out.n[len(out.n)-1] += sum
		out.edges[len(out.edges)-1] = last
	}
	return out
}

func (h tally) bars() []figure.Bin {
	all := 0
	for _, n := range h.n {
		all += n
	}
	var out []figure.Bin
	for i, n := range h.n {
		out = append(out, figure.Bin{Low: h.edges[i], High: h.edges[i+1], Share: float64(n) / float64(all)})
	}
	return out
}

// tallies are the histograms of the scores before and after, an arm each, in the
// order of Input.Scores. With least above 1 no bin holds fewer.
func (in Input) tallies(least int) (before, after []tally) {
	var b, a [][]float64
	for _, s := range in.Scores {
		b, a = append(b, s.Before), append(a, s.After)
	}
	o := in.Protocol.PrimaryOutcome()
	ends := func(r trial.Range) (low, high float64) {
		if r.Set {
			return r.Low, r.High
		}
		return 0, 0
	}
	var rb, ra trial.Range
	if o != nil {
		rb, ra = o.Baseline.Range, o.Range
	}
	make := func(sets [][]float64, r trial.Range) (all []tally) {
		low, high := ends(r)
		edges := bins(sets, low, high)
		for _, set := range sets {
			h := tally{edges, fill(set, edges)}
			if len(set) == 0 {
				h = tally{}
			} else if least > 1 {
				h = h.coarse(least)
				if !r.Set { // the ends would tell the least and the greatest score
					step, last := 5*(edges[1]-edges[0]), len(h.edges)-1
					h.edges[0], h.edges[last] = math.Floor(h.edges[0]/step)*step, math.Ceil(h.edges[last]/step)*step
				}
			}
			all = append(all, h)
		}
		return all
	}
	return make(b, rb), make(a, ra)
}

// spread shows how the scores are spread in each arm, before and after.
func (w *writer) spread(r *sap.Results, scores *Table) {
	if f := w.spreadFigure(r, scores, w.tableOf("balance-randomised"), 1, true, true); f != nil {
		w.figure(f)
	}
}

func (w *writer) tableOf(id string) *Table {
	for _, t := range w.r.Tables() {
		if t.ID == id {
			return t
		}
	}
	return nil
}

// spreadFigure draws the scores before, after or both, with no bar of fewer than
// least pupils.
func (w *writer) spreadFigure(r *sap.Results, scores, baseline *Table, least int, showBefore, showAfter bool) *Figure {
	showBefore = showBefore && slices.ContainsFunc(w.in.Scores, func(s ScoreSet) bool { return len(s.Before) > 0 })
	if len(w.in.Scores) == 0 || scores == nil || !showBefore && !showAfter {
		return nil
	}
	before, after := w.in.tallies(least)
	name := outcomeName(w, r)
	p := figure.Spreads{Title: "Scores by arm", Desc: "How scores are spread in each arm: "}
	add := func(title, axis string, all []tally, text func(arm string) (string, *Cell)) {
		m := figure.Spread{Title: title, Axis: axis}
		for i, s := range w.in.Scores {
			a := figure.SpreadArm{Arm: w.arm(s.Arm), Bins: all[i].bars()}
			var mean *Cell
			a.Text, mean = text(s.Arm)
			if mean != nil && mean.Kind == Number {
				a.Mean, a.HasMean = mean.Value, true
			}
			if len(all[i].n) == 0 {
				a.Gap, a.HasMean = "nobody has a score", false
			}
			m.Arms = append(m.Arms, a)
			p.Desc += strings.ToLower(title[:1]) + title[1:] + ", " + w.label(s.Arm) + ", " + a.Text + "; "
		}
		p.Measures = append(p.Measures, m)
	}
	if showBefore {
		variable := w.variable("baseline", r)
		add("Before the draw: "+variable, variable, before, func(arm string) (string, *Cell) {
			if baseline == nil {
				return "", nil
			}
			at := slices.IndexFunc(baseline.Rows, func(row Row) bool { return row.Cells[0].Text == variable })
			k := slices.IndexFunc(r.Arms, func(a sap.ArmSummary) bool { return w.label(a.Arm) == w.label(arm) })
			if at < 0 || k < 0 {
				return "", nil
			}
			return meanWords(baseline.Rows[at].Cells[3+4*k], baseline.Rows[at].Cells[4+4*k])
		})
	}
	if showAfter {
		add("After: "+name, name, after, func(arm string) (string, *Cell) {
			k := slices.IndexFunc(r.Arms, func(a sap.ArmSummary) bool { return w.label(a.Arm) == w.label(arm) })
			if k < 0 {
				return "", nil
			}
			return meanWords(scores.Rows[k].Cells[4], scores.Rows[k].Cells[5])
		})
	}
	p.Desc = strings.TrimSuffix(p.Desc, "; ") + "."
	return &Figure{ID: "scores-figure", Title: "Scores by arm, before and after: a bar’s area is its share of the arm’s pupils; the line is their mean", Drawing: p, Wide: true}
}

func meanWords(mean, sd *Cell) (string, *Cell) {
	text := "mean " + mean.String()
	if sd.Kind == Number {
		text += ", SD " + sd.String()
	}
	return text, mean
}

// every shows every planned estimate of the primary outcome side by side: by
// the plan, under other assumptions, in subgroups, among those who took part.
func (w *writer) every(r *sap.Results) {
	level := w.level.String() + " interval"
	t := &Table{ID: "every-estimate", Title: "Every planned estimate of the primary outcome", Groups: []Group{{"", 2}, {level, 2}, {"", 1}, {level, 2}},
		Columns: []Column{{Title: "Analysis"}, {"Effect size", true}, {"from", true}, {"to", true}, {"Difference in outcome units", true}, {"from", true}, {"to", true}}}
	p := figure.Intervals{Title: "Every planned estimate of the primary outcome", Desc: "The primary outcome’s effect size by each planned analysis: ",
		Axis: "Effect size (standard deviations) with " + level, Below: "favours control", Above: "favours the programme", Column: "effect size (interval)"}
	heading := func(s string) {
		p.Rows = append(p.Rows, figure.Interval{Label: s, Heading: true})
	}
	row := func(name string, arm figure.Arm, strong, bounds bool, es, diff analysis.Interval, value, difference float64) {
		c := []*Cell{words(name), number(value, EffectSize), number(es.Low, EffectSize), number(es.High, EffectSize), number(difference, Score), number(diff.Low, Score), number(diff.High, Score)}
		f := figure.Interval{Label: name, Value: value, Low: es.Low, High: es.High, Arm: arm, Strong: strong, Bounds: bounds}
		if bounds {
			c[1], c[4] = absent("bounds"), absent("bounds")
			f.Text = c[2].String() + " to " + c[3].String()
		} else if es.Level == 0 {
			c[2], c[3], c[5], c[6] = absent("none"), absent("none"), absent("none"), absent("none")
			f.Text, f.Low, f.High = c[1].String(), value, value
		} else {
			f.Text = span(c[1], c[2], c[3])
		}
		t.Rows = append(t.Rows, Row{Cells: c, Strong: strong})
		p.Rows = append(p.Rows, f)
		p.Desc += name + " " + f.Text + ". "
	}
	scaled := func(i analysis.Interval, sd float64) analysis.Interval {
		i.Low, i.High = i.Low/sd, i.High/sd
		return i
	}
	m := r.Missing
	others := false
	for _, c := range r.Contrasts {
		sd := c.EffectSize.SD
		if !(sd > 0) {
			continue
		}
		p.SecondPer, p.Second = sd, "Difference in outcome units: "+outcomeName(w, r)
		arm, suffix := w.arm(c.Arm), ""
		if len(r.Contrasts) > 1 {
			suffix, p.Second = ": "+w.label(c.Arm), "" // a scale for one SD only
		}
		if table, wanted := w.monthsTable(); wanted {
			p.Second, p.SecondTicks = "Months of progress, each from its mark on", monthTicks(table)
		}
		row("As planned"+suffix, arm, true, false, c.EffectSize.Interval, c.Difference.Interval, c.EffectSize.Value, c.Difference.Value)
		before := len(p.Rows)
		heading("Under other assumptions" + suffix)
		if test := r.Randomisation; test != nil && test.Interval != nil {
			if q, ok := test.Of(c.Arm, permute.Difference); ok && len(r.Contrasts) == 1 {
				row("Randomisation test, by redraws", arm, false, false, scaled(*test.Interval, sd), *test.Interval, q.Observed/sd, q.Observed)
			}
		}
		if m != nil {
			if m.Imputation != nil {
				for _, q := range m.Imputation.Contrasts {
					if q.Arm == c.Arm {
						row("Missing scores imputed"+suffix, arm, false, false, q.EffectSize.Interval, q.Difference.Interval, q.EffectSize.Estimate, q.Difference.Estimate)
					}
				}
			}
			if m.Weighted != nil {
				for _, q := range m.Weighted.Contrasts {
					if q.Arm == c.Arm {
						row("Weighted for being analysed"+suffix, arm, false, false, scaled(q.Difference.Interval, sd), q.Difference.Interval, q.Difference.Value/sd, q.Difference.Value)
					}
				}
			}
			for _, d := range m.Delta {
				if d.Arm != c.Arm || len(d.Points) == 0 {
					continue
				}
				for _, q := range []missing.DeltaPoint{d.Points[0], d.Points[len(d.Points)-1]} { // the two extremes
					if e := q.Pooled; q.Delta != 0 {
						row("Imputed scores of “"+w.label(d.Arm)+"” shifted by "+Score.Write(q.Delta), arm, false, false, scaled(e.Interval, sd), e.Interval, e.Estimate/sd, e.Estimate)
					}
				}
			}
			for _, b := range m.Bounds {
				if b.Arm != c.Arm {
					continue
				}
				if b.Lee != nil {
					in := analysis.Interval{Low: b.Lee.Low, High: b.Lee.High, Level: 1}
					row("Bounds: an arm can only keep, or only lose, pupils"+suffix, arm, false, true, scaled(in, sd), in, 0, 0)
				}
				if b.Range != nil {
					in := analysis.Interval{Low: b.Range.Low, High: b.Range.High, Level: 1}
					row("Bounds: any scores for those lost"+suffix, arm, false, true, scaled(in, sd), in, 0, 0)
				}
			}
		}
		if len(p.Rows) == before+1 {
			p.Rows = p.Rows[:before]
		} else {
			others = true
		}
		if k := r.Compliance; k != nil && len(r.Contrasts) == 1 {
			heading("Among schools that took part")
			e := k.CACE
			row("Effect of taking part", arm, false, false, e.EffectSize.Interval, e.Difference.Interval, e.EffectSize.Value, e.Difference.Value)
			others = true
		}
		before = len(p.Rows)
		heading("Subgroups" + suffix)
		for _, s := range r.Subgroups {
			for _, v := range s.Within {
				if v.Arm == c.Arm {
					row(w.variable(s.Variable, r)+": "+v.Value+suffix, arm, false, false, v.EffectSize.Interval, v.Difference.Interval, v.EffectSize.Value, v.Difference.Value)
					t.Rows[len(t.Rows)-1].Inset = true
				}
			}
		}
		if len(p.Rows) == before+1 {
			p.Rows = p.Rows[:before]
		} else {
			others = true
		}
	}
	if !others {
		return
	}
	p.Desc = strings.TrimSpace(p.Desc)
	t.Foot = append(t.Foot, "An effect size is the difference over the SD of the analysis as planned; in a subgroup over its own SD. Bounds are from the least to the greatest that the difference of raw means can be.")
	w.figure(&Figure{ID: "every-figure", Title: "Every planned estimate of the primary outcome, side by side", Drawing: p, Wide: true})
	w.table(t)
}

// monthTicks marks where each month of a table begins, on both sides of none,
// from left to right.
func monthTicks(t effectsize.MonthsTable) (ticks []figure.Tick) {
	for i := len(t.Rows) - 1; i >= 0; i-- {
		if r := t.Rows[i]; r.From > 0 {
			ticks = append(ticks, figure.Tick{At: -r.From, Label: Months.Write(float64(-r.Months))})
		}
	}
	ticks = append(ticks, figure.Tick{At: 0, Label: "0"})
	for _, r := range t.Rows {
		if r.From > 0 {
			ticks = append(ticks, figure.Tick{At: r.From, Label: Months.Write(float64(r.Months))})
		}
	}
	return ticks
}

// met shows which schools of a community were at the same sessions.
func (w *writer) met() {
	p := figure.Sociogram{Title: "Who met whom", Desc: "In each community, schools joined by the sessions at which both were present; the more sessions, the wider the line and the closer the schools."}
	for _, c := range w.in.Communities {
		n := figure.Net{Label: "Community " + w.communityName(c)}
		ties := 0
		for i, s := range c.Schools {
			n.Members = append(n.Members, figure.Member{ID: s.ID, Label: s.ID, Arm: w.arm(c.Arm)})
			for k := range i {
				both := 0
				for j := range min(len(s.Present), len(c.Schools[k].Present)) {
					if s.Present[j] && c.Schools[k].Present[j] {
						both++
					}
				}
				if both > 0 {
					n.Ties = append(n.Ties, figure.Tie{A: k, B: i, Weight: float64(both)})
					ties++
				}
			}
		}
		if ties > 0 {
			p.Nets = append(p.Nets, n)
		}
	}
	if len(p.Nets) == 0 {
		return
	}
	w.figure(&Figure{ID: "met-figure", Title: "Which schools met: lines join schools, by their ID, that were present at the same sessions, the wider the more sessions", Drawing: p, Wide: true})
}

// checkPictures says where the data of pictures contradict the rest.
func (in Input) checkPictures(fault func(string, ...any)) {
	if len(in.Drawn) > 0 {
		n, all := map[string]int{}, 0
		for _, d := range in.Drawn {
			n[d.Arm] += d.Schools
			all += d.Schools
		}
		for _, a := range in.Flow.Arms {
			if d, ok := n[a.Arm]; ok && d != a.Schools.Randomised {
				fault("arm %s: the draw has %d schools, the flow %d", a.Arm, d, a.Schools.Randomised)
			}
		}
	}
	if len(in.Results) == 0 || in.Protocol == nil {
		return
	}
	w := &writer{in: in, p: in.Protocol}
	for _, s := range in.Scores {
		for _, a := range in.Results[0].Arms {
			if w.label(a.Arm) == w.label(s.Arm) && a.N != len(s.After) {
				fault("arm %s: the records have %d scores of %s, the analysis %d; the records changed after the analysis, so run it again", s.Arm, len(s.After), in.Results[0].Plan.Outcome, a.N)
			}
		}
	}
}
