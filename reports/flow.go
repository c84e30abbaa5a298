package reports

import (
	"fmt"

	"evenhand/reports/figure"
	"evenhand/trial"
)

// participants shows the flow of schools and pupils: the diagram and the table
// that it is drawn from. Randomised = analysed + the sum of the losses, at both
// levels and in every arm; Build refuses an input where it does not hold.
func (w *writer) participants() {
	if len(w.in.Flow.Arms) == 0 {
		w.gap("Participant flow", w.notDrawn())
		return
	}
	arms := w.in.Flow.Arms
	t := &Table{ID: "flow", Title: "Schools and pupils from the draw to the analysis"}
	t.Groups = []Group{{"", 1}}
	t.Columns = []Column{{Title: "Stage"}}
	heads := []Column{{"Schools", true}, {"Pupils", true}}
	if w.schoolsMeasured() {
		heads = heads[:1]
	}
	for _, a := range arms {
		t.Groups = append(t.Groups, Group{w.label(a.Arm), len(heads)})
		t.Columns = append(t.Columns, heads...)
	}
	t.Groups = append(t.Groups, Group{"All", len(heads)})
	t.Columns = append(t.Columns, heads...)
	// add appends a row: of each arm, then the sums.
	add := func(name string, strong, inset bool, n func(trial.LevelFlow) int) []*Cell {
		cells := []*Cell{words(name)} // both levels, for the figure and the sentences
		schools, pupils := 0, 0
		for _, a := range arms {
			cells = append(cells, count(n(a.Schools)), count(n(a.Pupils)))
			schools += n(a.Schools)
			pupils += n(a.Pupils)
		}
		cells = append(cells, count(schools), count(pupils))
		row := Row{Strong: strong, Inset: inset}
		for i, c := range cells {
			if i%2 == 1 || i == 0 || len(heads) == 2 {
				row.Cells = append(row.Cells, c)
			}
		}
		t.Rows = append(t.Rows, row)
		return cells
	}
	lostIn := func(reason string) func(trial.LevelFlow) int {
		return func(l trial.LevelFlow) int {
			n := 0
			for _, c := range l.Lost {
				if reason == "" || c.What == reason {
					n += c.N
				}
			}
			return n
		}
	}
	randomised := add("Randomised", true, false, func(l trial.LevelFlow) int { return l.Randomised })
	withdrew := add("Left the programme", false, true, func(l trial.LevelFlow) int { return l.WithdrewProgramme })
	lost := add("Not analysed", true, false, lostIn(""))
	var reasons []string
	for _, a := range arms {
		for _, level := range []trial.LevelFlow{a.Schools, a.Pupils} {
			for _, c := range level.Lost {
				if !contains(reasons, c.What) {
					reasons = append(reasons, c.What)
				}
			}
		}
	}
	byReason := make([][]*Cell, len(reasons))
	for i, reason := range reasons {
		name := reason
		if name == "" {
			name = "no reason recorded"
		}
		byReason[i] = add(name, false, true, lostIn(reason))
	}
	analysed := add("Analysed", true, false, func(l trial.LevelFlow) int { return l.Analysed })
	joined := add("Joined after the roster was locked (never analysed)", false, false, func(l trial.LevelFlow) int { return l.Joiners })

	w.figure(w.flowFigure(randomised, withdrew, lost, byReason, reasons, analysed))
	last := len(randomised) - 2
	if w.schoolsMeasured() {
		w.say("{} schools were randomised; {} are in the analysis of the primary outcome.", randomised[last], analysed[last])
	} else {
		w.say("{} schools with {} pupils were randomised; {} schools with {} pupils are in the analysis of the primary outcome.",
			randomised[last], randomised[last+1], analysed[last], analysed[last+1])
	}
	w.table(t)
	w.small("At both levels and in every arm, those randomised are those analysed and those lost, each counted once. Left the programme counts schools that stopped taking part, whether or not their pupils’ scores were still collected; schools and pupils are analysed in the arm that they were drawn into whatever they took part in.")
	if joined[last+1].Value > 0 && !w.schoolsMeasured() {
		w.say("{} pupils who joined these schools after the roster was locked are on record and in no analysis.", joined[last+1])
	}
}

// schoolsMeasured says whether the outcomes belong to schools: then there is no
// pupil to count.
func (w *writer) schoolsMeasured() bool { return w.p.Trial.Measured == "schools" }

func (w *writer) notDrawn() string {
	return "The trial is at “" + string(w.in.Phase) + "”: schools have not been drawn yet."
}

// nSchools writes a count of schools from its cell.
func nSchools(c *Cell) string { return c.String() + " " + some(int(c.Value), "school", "schools") }

// nPupils writes a count of pupils from its cell.
func nPupils(c *Cell) string { return c.String() + " " + some(int(c.Value), "pupil", "pupils") }

// both writes the counts of both levels; a level with nobody in it is left
// out unless both are empty.
func both(schools, pupils *Cell) string {
	switch {
	case none(schools) && none(pupils):
		return "none"
	case none(schools):
		return nPupils(pupils)
	case none(pupils):
		return nSchools(schools)
	}
	return nSchools(schools) + ", " + nPupils(pupils)
}

// none says whether a cell counts nobody; one that is suppressed does not say.
func none(c *Cell) bool { return c.Kind == Number && c.Value == 0 }

// flowFigure draws the flow from the table's own cells.
func (w *writer) flowFigure(randomised, withdrew, lost []*Cell, byReason [][]*Cell, reasons []string, analysed []*Cell) *Figure {
	f := figure.Flow{Title: "Participant flow"}
	last := len(randomised) - 2
	f.Drawn = figure.Box{Heading: "Randomised", Lines: []string{both(randomised[last], randomised[last+1])}}
	reached, exits := w.in.Flow.Stages, w.in.Flow.Exits
	f.Top = figure.Box{Heading: "Considered"}
	if len(reached) > 0 {
		f.Top.Lines = []string{nSchools(count(reached[0].Reached)) + " " + string(reached[0].Stage)}
		for _, s := range reached[1:] {
			if s.Stage == trial.Agreed || s.Stage == trial.Ready {
				f.Top.Lines = append(f.Top.Lines, "\t"+count(s.Reached).String()+" reached “"+string(s.Stage)+"”")
			}
		}
		gone := reached[0].Reached - int(randomised[last].Value)
		if gone > 0 {
			aside := figure.Box{Heading: "Not randomised", Lines: []string{nSchools(count(gone))}}
			for _, e := range exits {
				if e.N > 0 {
					aside.Lines = append(aside.Lines, "\t"+count(e.N).String()+" "+e.What)
					gone -= e.N
				}
			}
			if len(exits) > 0 && gone > 0 {
				aside.Lines = append(aside.Lines, "\t"+count(gone).String()+" still in recruitment at the draw")
			}
			f.Aside = &aside
		}
	}
	f.Desc = "Of all schools considered, " + both(randomised[last], randomised[last+1]) + " were randomised."
	for i, a := range w.in.Flow.Arms {
		s, p := 1+2*i, 2+2*i
		allocated := figure.Box{Heading: "Drawn into this arm", Lines: []string{both(randomised[s], randomised[p])}}
		if n := w.communitiesOf(a.Arm); n > 0 {
			allocated.Lines = append(allocated.Lines, "in "+count(n).String()+" "+some(n, "community", "communities"))
		}
		if withdrew[s].Value > 0 {
			allocated.Lines = append(allocated.Lines, nSchools(withdrew[s])+" left the programme")
		}
		out := figure.Box{Heading: "Not analysed", Lines: []string{both(lost[s], lost[p])}}
		for k, reason := range reasons {
			c := byReason[k]
			if !none(c[s]) || !none(c[p]) {
				if reason == "" {
					reason = "no reason recorded"
				}
				out.Lines = append(out.Lines, "\t"+reason+": "+both(c[s], c[p]))
			}
		}
		in := figure.Box{Heading: "Analysed", Lines: []string{both(analysed[s], analysed[p])}}
		f.Arms = append(f.Arms, figure.FlowArm{Arm: w.arm(a.Arm), Boxes: []figure.Box{allocated, out, in}})
		f.Desc += fmt.Sprintf(" %s: %s drawn into it, %s not analysed, %s analysed.", w.label(a.Arm), both(randomised[s], randomised[p]), both(lost[s], lost[p]), both(analysed[s], analysed[p]))
	}
	return &Figure{ID: "flow-figure", Title: "Participant flow: schools and pupils", Drawing: f, Wide: true}
}

func (w *writer) communitiesOf(arm string) int {
	n := 0
	for _, c := range w.in.Communities {
		if c.Arm == arm {
			n++
		}
	}
	return n
}

// recruitment shows how many schools reached each stage, who left and why.
func (w *writer) recruitment() {
	if len(w.in.Flow.Stages) == 0 {
		w.gap("Recruitment", "No school has been listed.")
		return
	}
	t := &Table{ID: "stages", Title: "Schools by the stage of recruitment that they reached",
		Columns: []Column{{Title: "Stage"}, {"Reached it", true}, {"At it now", true}}}
	bars := make([]figure.Bar, 0, len(w.in.Flow.Stages))
	var first, ready, wanted *Cell
	reached := map[trial.Stage]*Cell{}
	for _, s := range w.in.Flow.Stages {
		c := count(s.Reached)
		reached[s.Stage] = c
		t.Rows = append(t.Rows, Row{Cells: []*Cell{words(capital(string(s.Stage))), c, count(s.Now)}})
		bars = append(bars, figure.Bar{Label: capital(string(s.Stage)), N: s.Reached, Text: c.String()})
		if first == nil {
			first = c
		}
		ready = c
	}
	target := w.p.Recruitment.Target
	f := figure.Funnel{Title: "Recruitment", Desc: "Schools by the stage of recruitment that they reached: ", Bars: bars, Target: target}
	for i, b := range bars {
		if i > 0 {
			f.Desc += ", "
		}
		f.Desc += b.Label + " " + b.Text
	}
	f.Desc += "."
	if target > 0 {
		wanted = count(target)
		t.Rows = append(t.Rows, Row{Cells: []*Cell{words("Wanted"), wanted, absent("–")}, Strong: true})
		f.TargetText = "wanted: " + wanted.String()
		w.say("Of {} schools listed, {} became ready for the draw; {} were wanted.", first, ready, wanted)
	} else {
		w.say("Of {} schools listed, {} became ready for the draw.", first, ready)
	}
	w.figure(&Figure{ID: "stages-figure", Title: "Schools that reached each stage of recruitment", Drawing: f})
	w.table(t)
	w.progress(reached, wanted)
	if len(w.in.Flow.Exits) > 0 {
		t := &Table{ID: "exits", Title: "Schools that left before the draw", Columns: []Column{{Title: "Why"}, {"Schools", true}}}
		n := 0
		for _, e := range w.in.Flow.Exits {
			t.Rows = append(t.Rows, Row{Cells: []*Cell{words(capital(e.What)), count(e.N)}})
			n += e.N
		}
		t.Rows = append(t.Rows, Row{Cells: []*Cell{words("All"), count(n)}, Strong: true})
		w.table(t)
	}
	if len(w.in.Regions) > 0 {
		t := &Table{ID: "regions", Title: "Schools by region", Columns: []Column{{Title: "Region"}, {"Listed", true}, {"Agreement signed", true}, {"Ready", true}, {"Left", true}}}
		var sum RegionCount
		for _, r := range w.in.Regions {
			name := words(r.Region)
			if r.Region == "" {
				name = absent("no region given")
			}
			t.Rows = append(t.Rows, Row{Cells: []*Cell{name, count(r.Listed), count(r.Agreed), count(r.Ready), count(r.Left)}})
			sum.Listed += r.Listed
			sum.Agreed += r.Agreed
			sum.Ready += r.Ready
			sum.Left += r.Left
		}
		t.Rows = append(t.Rows, Row{Cells: []*Cell{words("All"), count(sum.Listed), count(sum.Agreed), count(sum.Ready), count(sum.Left)}, Strong: true})
		w.table(t)
	}
}

func capital(s string) string {
	if s != "" && s[0] >= 'a' && s[0] <= 'z' {
		return string(s[0]-'a'+'A') + s[1:]
	}
	return s
}

func contains(list []string, s string) bool {
	for _, x := range list {
		if x == s {
			return true
		}
	}
	return false
}
