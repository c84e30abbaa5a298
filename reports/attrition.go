package reports

import (
	"evenhand/analysis/attrition"
	"evenhand/reports/figure"
)

// attrition shows overall and differential attrition at both levels against
// the What Works Clearinghouse's boundaries. With more than two arms there is
// no single differential attrition, and the section shows each arm's own.
func (w *writer) attrition() {
	if len(w.in.Flow.Arms) == 0 {
		w.gap("Attrition", w.notDrawn())
		return
	}
	r := w.result()
	if r == nil {
		w.gap("Attrition", w.noResults())
		return
	}
	t := &Table{ID: "attrition-rates", Title: "Attrition of schools and pupils",
		Columns: []Column{{Title: "Measure"}, {"Schools", true}, {"Pupils", true}}}
	if w.schoolsMeasured() {
		t.Title, t.Columns = "Attrition of schools", t.Columns[:2]
	}
	row := func(name string, strong bool, schools, pupils *Cell) {
		t.Rows = append(t.Rows, Row{Cells: []*Cell{words(name), schools, pupils}[:len(t.Columns)], Strong: strong})
	}
	for _, a := range w.in.Flow.Arms {
		row("Randomised: "+w.label(a.Arm), false, count(a.Schools.Randomised), count(a.Pupils.Randomised))
		row("Analysed: "+w.label(a.Arm), false, count(a.Schools.Analysed), count(a.Pupils.Analysed))
		row("Lost: "+w.label(a.Arm), false,
			share(a.Schools.Randomised-a.Schools.Analysed, a.Schools.Randomised),
			share(a.Pupils.Randomised-a.Pupils.Analysed, a.Pupils.Randomised))
	}
	note := r.Attrition
	if note == nil {
		w.table(t)
		w.gap("Differential attrition", "It compares two arms, and this trial has more.")
		return
	}
	s, p := note.Schools, note.Pupils
	level := func(have bool, c *Cell) *Cell {
		if !have {
			return absent("none randomised")
		}
		return c
	}
	hasS, hasP := s.RandomisedT+s.RandomisedC > 0, p.RandomisedT+p.RandomisedC > 0
	overall, differential := level(hasP, number(p.Overall, Share)), level(hasP, number(p.Differential, Points))
	cautious, optimistic := level(hasP, number(p.CautiousAt, Points)), level(hasP, number(p.OptimisticAt, Points))
	row("Overall attrition", true, level(hasS, number(s.Overall, Share)), overall)
	row("Differential attrition, percentage points", true, level(hasS, number(s.Differential, Points)), differential)
	row("Cautious boundary at this overall attrition, points", false, level(hasS, number(s.CautiousAt, Points)), cautious)
	row("Within the cautious boundary", false, level(hasS, yesNo(s.Cautious)), level(hasP, yesNo(p.Cautious)))
	row("Optimistic boundary at this overall attrition, points", false, level(hasS, number(s.OptimisticAt, Points)), optimistic)
	row("Within the optimistic boundary", false, level(hasS, yesNo(s.Optimistic)), level(hasP, yesNo(p.Optimistic)))
	who, of := "pupils", p
	if w.schoolsMeasured() {
		who, of, hasP = "schools", s, hasS
		overall, differential, cautious, optimistic = t.Rows[len(t.Rows)-6].Cells[1], t.Rows[len(t.Rows)-5].Cells[1], t.Rows[len(t.Rows)-4].Cells[1], t.Rows[len(t.Rows)-2].Cells[1]
	}
	if hasP {
		switch {
		case of.Cautious:
			w.say("Of the "+who+" randomised, {} are not in the analysis; the arms differ by {} percentage points. That is within the cautious boundary of the What Works Clearinghouse, {} points at this overall attrition.", overall, differential, cautious)
		case of.Optimistic:
			w.say("Of the "+who+" randomised, {} are not in the analysis; the arms differ by {} percentage points. That is outside the cautious boundary of the What Works Clearinghouse ({} points at this overall attrition) and within the optimistic one ({} points).", overall, differential, cautious, optimistic)
		default:
			w.say("Of the "+who+" randomised, {} are not in the analysis; the arms differ by {} percentage points. That is outside both boundaries of the What Works Clearinghouse ({} and {} points at this overall attrition): the loss of "+who+" may have biased the comparison.", overall, differential, cautious, optimistic)
		}
	}
	w.attritionFigure(t, hasS, hasP && !w.schoolsMeasured())
	w.table(t)
	w.attritionSteps()
	w.small("Overall attrition is the share of all randomised who are not analysed, differential attrition the difference between the arms’ shares. The boundaries are those of the What Works Clearinghouse’s published table for randomised trials.")
}

// attritionFigure puts schools and pupils on the Clearinghouse's plane, from the
// table's own cells.
func (w *writer) attritionFigure(t *Table, schools, pupils bool) {
	p := figure.Plane{Title: "Attrition and the boundaries of the What Works Clearinghouse", XAxis: "Overall attrition, %", YAxis: "Differential attrition, percentage points",
		CautiousLabel: "low on both boundaries", Between: "low on the optimistic boundary only", High: "high on both boundaries",
		Desc: "Overall against differential attrition: "}
	for pct := 0; pct <= 100; pct++ {
		if b, ok := attrition.Line(pct, true); ok {
			p.Cautious = append(p.Cautious, figure.XY{X: float64(pct) / 100, Y: b})
		}
		if b, ok := attrition.Line(pct, false); ok {
			p.Optimistic = append(p.Optimistic, figure.XY{X: float64(pct) / 100, Y: b})
		}
	}
	for i, level := range []string{"schools", "pupils"} {
		if level == "schools" && !schools || level == "pupils" && !pupils {
			continue
		}
		overall, differential := t.Rows[len(t.Rows)-6].Cells[1+i], t.Rows[len(t.Rows)-5].Cells[1+i]
		label := level + ": " + overall.String() + " overall, " + differential.String() + " points"
		p.Paths = append(p.Paths, w.pathOf(level))
		p.Points = append(p.Points, figure.PlanePoint{Label: label, At: figure.XY{X: overall.Value, Y: differential.Value}, Arm: figure.Arm{Index: i}})
		p.Desc += label + ". "
	}
	w.figure(&Figure{ID: "attrition-figure", Title: "Overall and differential attrition, with the boundaries of the What Works Clearinghouse; the small marks are the days on which somebody was lost", Drawing: p, Wide: true})
}

func yesNo(b bool) *Cell {
	if b {
		return words("yes")
	}
	return words("no")
}

// pathOf is how attrition came to where it is: its stand after every day on
// which somebody was lost, the last left out. Of pupils it would tell how many
// were lost on a day, so that a released report has none.
func (w *writer) pathOf(level string) []figure.XY {
	if w.in.Attrition == nil || w.in.Attrition.Timeline == nil || level == "pupils" && w.in.released {
		return nil
	}
	moments := w.in.Attrition.Timeline.Schools
	if level == "pupils" {
		moments = w.in.Attrition.Timeline.Pupils
	}
	path := []figure.XY{{}}
	for i, m := range moments {
		if i < len(moments)-1 {
			path = append(path, figure.XY{X: m.Assessment.Overall, Y: m.Assessment.Differential})
		}
	}
	if len(moments) == 0 {
		return nil
	}
	return path
}

// attritionSteps shows the Clearinghouse's two steps, how many more may be
// lost, and the days on which schools were.
func (w *writer) attritionSteps() {
	st := w.in.Attrition
	if st == nil || st.Steps == nil {
		return
	}
	pupils := !w.schoolsMeasured() && !w.in.released
	steps := &Table{ID: "attrition-steps", Title: "The steps of the What Works Clearinghouse: schools, and then the pupils of those that stayed", Groups: []Group{{"", 3}, {"Cautious", 2}, {"Optimistic", 2}},
		Columns: []Column{{Title: "Step"}, {"Overall", true}, {"Differential, points", true}, {"boundary", true}, {Title: "within"}, {"boundary", true}, {Title: "within"}}}
	at := func(b attrition.Boundary) *Cell {
		if b.Boundary == nil {
			return absent("none")
		}
		return number(*b.Boundary, Points)
	}
	margins := &Table{ID: "attrition-margins", Title: "How many more may be lost from one arm, and nobody else, before attrition is no longer low",
		Columns: []Column{{Title: "Level"}, {Title: "Arm"}, {"Left now", true}, {"Cautious boundary", true}, {"Optimistic boundary", true}}}
	add := func(name string, a attrition.Assessment, m attrition.LineMargins) {
		steps.Rows = append(steps.Rows, Row{Cells: []*Cell{words(name), number(a.Overall, Share), number(a.Differential, Points), at(a.WWC.Cautious), yesNo(a.WWC.Cautious.Low), at(a.WWC.Optimistic), yesNo(a.WWC.Optimistic.Low)}})
		spare := func(m attrition.Margin) *Cell {
			switch {
			case !m.OK:
				return absent("crossed already")
			case m.Spare+1 >= m.Left:
				return absent("any number")
			}
			return count(m.Spare)
		}
		for i := range m.Cautious {
			margins.Rows = append(margins.Rows, Row{Cells: []*Cell{words(name), words(w.label(m.Cautious[i].Arm)), count(m.Cautious[i].Left), spare(m.Cautious[i]), spare(m.Optimistic[i])}})
		}
	}
	add("Schools", st.Steps.Schools, st.Margins.Schools)
	if pupils {
		add("Pupils of schools that stayed", st.Steps.Pupils, st.Margins.Pupils)
	}
	w.table(steps)
	w.table(margins)
	if t := st.Timeline; t != nil && len(t.Schools) > 0 {
		days := &Table{ID: "attrition-time", Title: "Schools lost, day by day", Columns: []Column{{Title: "Day"}, {"Schools lost so far", true}, {"Overall", true}, {"Differential, points", true}, {Title: "Within the cautious boundary"}, {Title: "Within the optimistic boundary"}}}
		for _, m := range t.Schools {
			day := dateText(m.When)
			if m.When == "outcome" {
				day = "at the outcome"
			}
			a := m.Assessment
			days.Rows = append(days.Rows, Row{Cells: []*Cell{words(day), count(a.Arms[0].Lost + a.Arms[1].Lost), number(a.Overall, Share), number(a.Differential, Points), yesNo(a.WWC.Cautious.Low), yesNo(a.WWC.Optimistic.Low)}})
		}
		w.table(days)
	}
}
