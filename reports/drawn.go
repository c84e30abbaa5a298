package reports

// DrawFacts are what a document on the draw shows beside the digests. Counts
// and means are over schools.
type DrawFacts struct {
	Arms     []string // IDs, in the protocol's order
	Means    []ColumnMeans
	Shown    []string // of where chance came from: what was checked
	NotShown []string // and what could not be
}

// ColumnMeans compares the arms in a column known before the draw.
type ColumnMeans struct {
	Column     string
	Known      int       // schools with a value
	Means      []float64 // in the order of the arms
	Difference []float64 // of each arm less the control arm, in SDs of schools; in the order of the arms, the control arm left out
}

// drawRecord says how the draw was made, and how alike the arms are.
func (w *writer) drawRecord() {
	v, d := w.in.Provenance, w.in.Draw
	if v.Drawn.At.IsZero() || d == nil {
		w.gap("The draw", w.notDrawn())
		return
	}
	s := newSettings("draw-record", "The draw")
	w.say("The schools were drawn on {} by {}, by {} of the drawing rule, which is public. The draw had been committed on {}, after the roster was locked on {}: from then on neither schools nor design could be changed unseen.",
		s.text("Drawn", Moment(v.Drawn.At)), s.text("By", list(v.Drawn.People)), s.text("Rule", v.Rule), s.text("Committed", Moment(v.Committed.At)), s.text("Roster locked", Moment(v.Locked.At)))
	w.say("Chance came from {}.", s.text("Chance", v.ChanceSource))
	w.say("Before it there were {} rehearsals, from chance of their own that can never become the draw.", s.put("Rehearsals", count(v.Rehearsals)))
	for _, x := range d.Shown {
		s.text("Checked", x)
	}
	for _, x := range d.NotShown {
		s.text("Not shown", x)
	}
	s.write(w)
	if len(d.Means) > 0 {
		t := &Table{ID: "draw-balance", Title: "How alike the arms are: means over schools, of what was known before the draw", Columns: []Column{{Title: "Column"}, {"Schools with a value", true}}}
		for _, a := range d.Arms {
			t.Columns = append(t.Columns, Column{w.label(a), true})
		}
		for _, a := range d.Arms {
			if arm := w.arm(a); !arm.Control {
				name := "Difference"
				if len(d.Arms) > 2 {
					name += ": " + arm.Label
				}
				t.Columns = append(t.Columns, Column{name, true})
			}
		}
		for _, m := range d.Means {
			row := Row{Cells: []*Cell{words(capital(m.Column)), count(m.Known)}}
			for _, x := range m.Means {
				row.Cells = append(row.Cells, number(x, Score))
			}
			for _, x := range m.Difference {
				row.Cells = append(row.Cells, number(x, EffectSize))
			}
			t.Rows = append(t.Rows, row)
		}
		t.Foot = []string{"Differences are the arm’s mean less the control arm’s, in standard deviations of schools."}
		w.table(t)
	}
	w.say("To check it, ask somebody outside the trial for the commitment that was lodged with them: its digest must be that in {}. Then draw again from design, roster and chance, which the audit bundle holds, by the program in it or by one of your own.", ref("digests"))
}
