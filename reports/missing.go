package reports

import (
	"sort"
	"strings"

	"evenhand/analysis/missing"
	"evenhand/reports/figure"
)

// missing shows what is missing among those randomised of what the primary
// outcome's model needs: by arm, and school by school. A released report has
// neither: its other tables say n and missing, and a school's share would tell of
// a few pupils.
func (w *writer) missing() {
	in := w.in.Missing
	if in == nil || w.in.released || w.result() == nil {
		return
	}
	t := &Table{ID: "missing", Title: "What is missing among those randomised", Groups: []Group{{"", 1}}, Columns: []Column{{Title: "Variable"}}}
	for _, a := range in.Table.Variables[0].Arms {
		t.Groups = append(t.Groups, Group{w.label(a.Arm), 2})
		t.Columns = append(t.Columns, Column{"missing", true}, Column{"share", true})
	}
	t.Groups = append(t.Groups, Group{"All", 2}, Group{"", 2})
	t.Columns = append(t.Columns, Column{"missing", true}, Column{"share", true}, Column{"Schools that lack some", true}, Column{"Schools without any", true})
	shares := map[string]*Cell{}
	for _, v := range in.Table.Variables {
		row := Row{Cells: []*Cell{words(w.missingName(v.Name))}}
		for _, a := range v.Arms {
			row.Cells = append(row.Cells, count(a.Missing), number(a.Share, Share))
		}
		all := number(v.Share, Share)
		shares[v.Name] = all
		row.Cells = append(row.Cells, count(v.Missing), all, count(len(v.Schools)), count(v.Whole))
		t.Rows = append(t.Rows, row)
	}
	w.missingFigure(in, shares)
	w.table(t)
}

// missingName is a variable's name for reports.
func (w *writer) missingName(name string) string {
	if name == "outcome" {
		return outcomeName(w, w.result())
	}
	return w.variable(name, w.result())
}

// missingFigure draws, for every variable, each school's share that is missing:
// schools of an arm beside one another, those that lack most of the outcome first.
func (w *writer) missingFigure(in *MissingBySchool, shares map[string]*Cell) {
	fig := figure.Grid{Title: "What is missing, school by school", Across: "a column is a school, those that lack most of the outcome first", Full: "a full cell: everybody randomised in the school lacks it", Column: "missing",
		Desc: "For every variable and school the share of those randomised that lack it. In all: "}
	type place struct{ arm, school string }
	lack := map[string]map[place]float64{}
	for _, v := range in.Table.Variables {
		lack[v.Name] = map[place]float64{}
		for _, s := range v.Schools {
			lack[v.Name][place{s.Arm, s.School}] = float64(s.Missing) / float64(max(1, s.Rows))
		}
	}
	var order []place
	for _, a := range in.Table.Variables[0].Arms {
		var mine []place
		for _, s := range in.Schools[a.Arm] {
			mine = append(mine, place{a.Arm, s})
		}
		most := lack[in.Table.Variables[0].Name]
		sort.SliceStable(mine, func(i, j int) bool { return most[mine[i]] > most[mine[j]] })
		order = append(order, mine...)
		arm := w.arm(a.Arm)
		fig.Groups = append(fig.Groups, figure.GridGroup{Arm: arm, Label: arm.Label, Columns: len(mine)})
	}
	for _, v := range in.Table.Variables {
		row := figure.GridRow{Label: w.missingName(v.Name), Text: shares[v.Name].String()}
		for _, p := range order {
			row.Shares = append(row.Shares, lack[v.Name][p])
		}
		fig.Rows = append(fig.Rows, row)
		fig.Desc += row.Label + " " + row.Text + ". "
	}
	fig.Desc = strings.TrimSpace(fig.Desc)
	w.figure(&Figure{ID: "missing-figure", Title: "What is missing, school by school", Drawing: fig, Wide: true})
}

// MissingBySchool is what is missing of the primary outcome and the covariates of
// its model among all randomised.
type MissingBySchool struct {
	Table   missing.Table
	Schools map[string][]string // schools of each arm, by its ID
}

// dose shows how much of the programme each community got: sessions at which a
// school was present, by at least one of its leaders and by every one.
func (w *writer) dose() {
	fig := figure.Grid{Title: "Sessions attended, by community", Across: "a column is a session, in order", Full: "a full cell: every school of the community was present (by at least one leader)", Row: "community", Column: "present",
		Desc: "For every community and session the share of its schools that were present. In all: "}
	t := &Table{ID: "dose", Title: "Sessions attended by a school, by community", Groups: []Group{{"", 2}, {"By at least one leader", 2}, {"By every leader", 2}},
		Columns: []Column{{Title: "Community"}, {"Schools", true}, {"sessions, mean", true}, {"share", true}, {"sessions, mean", true}, {"share", true}}}
	var all struct{ schools, any, every, possible int }
	sum := func(n []int) (s int) {
		for _, x := range n {
			s += x
		}
		return s
	}
	mean := func(n, schools int) *Cell {
		if schools == 0 {
			return absent("nobody")
		}
		return number(float64(n)/float64(schools), Decimals1)
	}
	byArm := map[string]bool{}
	for _, c := range w.in.Communities {
		if c.AttendedByAny == nil || len(c.Schools) == 0 {
			continue
		}
		any, every, possible := sum(c.AttendedByAny), sum(c.AttendedByEvery), len(c.Schools)*len(c.AttendedByAny)
		present := share(any, possible)
		name := w.communityName(c)
		t.Rows = append(t.Rows, Row{Cells: []*Cell{words(name), count(len(c.Schools)), mean(any, len(c.Schools)), present, mean(every, len(c.Schools)), share(every, possible)}})
		row := figure.GridRow{Label: name, Text: present.String()}
		for _, n := range c.AttendedByAny {
			row.Shares = append(row.Shares, float64(n)/float64(len(c.Schools)))
		}
		fig.Rows = append(fig.Rows, row)
		fig.Desc += row.Label + " " + row.Text + ". "
		if !byArm[c.Arm] {
			byArm[c.Arm] = true
			if fig.Groups == nil { // all communities meet at the same sessions
				fig.Groups = []figure.GridGroup{{Arm: w.arm(c.Arm), Label: w.arm(c.Arm).Label, Columns: len(c.AttendedByAny)}}
			}
		}
		all.schools += len(c.Schools)
		all.any += any
		all.every += every
		all.possible += possible
	}
	if len(t.Rows) == 0 {
		return
	}
	t.Rows = append(t.Rows, Row{Cells: []*Cell{words("All"), count(all.schools), mean(all.any, all.schools), share(all.any, all.possible), mean(all.every, all.schools), share(all.every, all.possible)}, Strong: true})
	fig.Desc = strings.TrimSpace(fig.Desc)
	w.figure(&Figure{ID: "dose-figure", Title: "Sessions attended, by community: a cell is filled by the share of the community’s schools that were present", Drawing: fig, Wide: true})
	w.table(t)
}
