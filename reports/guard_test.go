package reports

import (
	"strings"
	"testing"
	"time"

	"evenhand/reports/disclosure"
	"evenhand/trial"
)

// A table or a picture that nobody has linked is left out of a release, and a
// count that nobody has linked within a linked table stops it: what is added to
// the report cannot slip past disclosure control.
func TestNewTablesCannotSlipPastRelease(t *testing.T) {
	with := func(write func(*writer), do func()) {
		was := parts
		defer func() { parts = was }()
		parts = append(append([]part(nil), parts...), part{"new", "something new", write, true})
		do()
	}
	tpl := &Template{Kind: "x", Sections: []TemplateSection{{Heading: "New", ID: "new", Parts: []string{"new"}}}}
	rule := disclosure.Rule{Threshold: 10}
	with(func(w *writer) {
		c := count(3)
		w.say("Of the girls, {} were ill.", c)
		w.table(&Table{ID: "girls", Title: "Girls", Columns: []Column{{Title: "Who"}, {"n", true}}, Rows: []Row{{Cells: []*Cell{words("ill"), c}}}})
	}, func() {
		r, done, err := ReleaseFrom(guardInput(), tpl, "srs10", rule)
		if err != nil {
			t.Fatal(err)
		}
		if len(r.Tables()) != 0 || len(done.Others) == 0 {
			t.Errorf("a table that is linked to nothing is released: %v", done.Others)
		}
		for _, b := range r.Sections[0].Blocks {
			if b.Paragraph != nil && strings.Contains(b.Paragraph.Spans[1].Cell.String(), "3") {
				t.Error("a sentence shows the count of a table that was left out")
			}
			if b.Gap == nil && b.Paragraph == nil {
				t.Error("no gap says what was left out")
			}
		}
		working, err := BuildFrom(guardInput(), tpl)
		if err != nil || len(working.Tables()) != 1 {
			t.Fatalf("the working report has %d tables, %v", len(working.Tables()), err)
		}
	})
	linked = append(linked, "girls")
	defer func() { linked = linked[:len(linked)-1] }()
	with(func(w *writer) {
		w.table(&Table{ID: "girls", Title: "Girls", Columns: []Column{{Title: "Who"}, {"n", true}}, Rows: []Row{{Cells: []*Cell{words("ill"), count(30)}}}})
	}, func() {
		_, _, err := ReleaseFrom(guardInput(), tpl, "srs10", rule)
		if err == nil || !strings.Contains(err.Error(), "cell girls/1/2, n, counts something and is linked to nothing") {
			t.Errorf("a count that is linked to nothing: %v", err)
		}
	})
}

// guardInput is a trial of two arms that has been drawn and not analysed.
func guardInput() Input {
	in := Input{GeneratedAt: time.Date(2026, 1, 1, 0, 0, 0, 0, time.UTC), Phase: trial.Drawn}
	in.Protocol = &trial.Protocol{
		Trial: trial.About{ID: "t", Title: "T", Unit: "school", Measured: "pupils"},
		Arms:  []trial.Arm{{ID: "a", Label: "Programme", Weight: 1}, {ID: "b", Label: "Control", Weight: 1, Control: true}},
	}
	for _, a := range in.Protocol.Arms {
		in.Flow.Arms = append(in.Flow.Arms, trial.ArmFlow{Arm: a.ID, Label: a.Label, Control: a.Control, Schools: trial.LevelFlow{Randomised: 5, Analysed: 5}, Pupils: trial.LevelFlow{Randomised: 90, Analysed: 90}})
	}
	return in
}
