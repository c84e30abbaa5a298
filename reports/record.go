package reports

import (
	"fmt"
	"strings"

	"evenhand/reports/figure"
	"evenhand/trial"
)

// communities shows the communities, who is in them and what was delivered.
func (w *writer) communities() {
	if len(w.p.Communities) == 0 && len(w.in.Communities) == 0 && len(w.p.Delivery.Sessions) == 0 {
		return
	}
	if len(w.in.Communities) == 0 {
		w.gap("Communities", w.notDrawn())
		return
	}
	recorded := w.in.Delivery.Recorded && len(w.in.Delivery.Sessions) > 0
	t := &Table{ID: "community-list", Title: "Communities", Columns: []Column{{Title: "Community"}, {"Schools", true}, {"Pupils", true}, {Title: "Regions"}, {"Attendance", true}, {"Schools that took part", true}}}
	schools, pupils, attended, possible, compliers := 0, 0, 0, 0, 0
	for _, c := range w.in.Communities {
		n, regions := 0, []string{}
		for _, s := range c.Schools {
			n += s.Pupils
			if s.Region != "" && !contains(regions, s.Region) {
				regions = append(regions, s.Region)
			}
		}
		here := 0
		for _, a := range c.Attended {
			here += a
		}
		can := len(c.Schools) * len(c.Attended)
		attendance, took := absent("not recorded"), absent("not recorded")
		if recorded && c.Attended != nil {
			attendance, took = share(here, can), count(c.Compliers)
			attended, possible, compliers = attended+here, possible+can, compliers+c.Compliers
		}
		region := absent("not given")
		if len(regions) > 0 {
			region = words(strings.Join(regions, ", "))
		}
		t.Rows = append(t.Rows, Row{Cells: []*Cell{words(w.communityName(c)), count(len(c.Schools)), count(n), region, attendance, took}})
		schools += len(c.Schools)
		pupils += n
	}
	attendance, took := absent("not recorded"), absent("not recorded")
	if possible > 0 {
		attendance, took = share(attended, possible), count(compliers)
	}
	all := count(schools)
	t.Rows = append(t.Rows, Row{Cells: []*Cell{words("All"), all, count(pupils), absent("–"), attendance, took}, Strong: true})
	if took.Kind == Number {
		w.say("{} schools work in communities. At the sessions recorded, {} of the possible attendances of schools took place, and {} schools took part as the protocol asks.", all, attendance, took)
	} else {
		w.say("{} schools work in communities.", all)
	}
	if w.in.Delivery.Complier != "" {
		t.Foot = append(t.Foot, "Took part: "+w.in.Delivery.Complier+".")
	}
	w.mapFigure()
	w.table(t)
	if recorded {
		t := &Table{ID: "sessions", Title: "Schools present at each session", Columns: []Column{{Title: "Session"}, {Title: "Planned for"}, {"Schools present", true}, {"Share", true}}}
		for i, s := range w.in.Delivery.Sessions {
			n, of := 0, 0
			for _, c := range w.in.Communities {
				if i < len(c.Attended) {
					n += c.Attended[i]
					of += len(c.Schools)
				}
			}
			name := s.Label
			if name == "" {
				name = s.ID
			}
			on := absent("not given")
			if s.On != "" {
				on = words(dateText(string(s.On)))
			}
			t.Rows = append(t.Rows, Row{Cells: []*Cell{words(name), on, count(n), share(n, of)}})
		}
		w.table(t)
		w.dose()
		w.met()
	} else if len(w.p.Delivery.Sessions) > 0 {
		w.gap("Attendance at sessions", "No attendance has been recorded.")
	}
}

// mapFigure shows the communities where their schools are.
func (w *writer) mapFigure() {
	p := figure.Map{Title: "Communities", ScaleUnit: "km", Desc: "The communities where their schools are, each school joined to the middle of its community."}
	n := 0
	for _, c := range w.in.Communities {
		g := figure.MapGroup{Label: w.communityName(c)}
		for _, s := range c.Schools {
			if s.HasPlace {
				g.Places = append(g.Places, figure.Place{Easting: s.Easting, Northing: s.Northing})
				n++
			}
		}
		p.Groups = append(p.Groups, g)
	}
	for _, s := range w.in.Elsewhere {
		if s.HasPlace {
			p.Others = append(p.Others, figure.Place{Easting: s.Easting, Northing: s.Northing})
		}
	}
	if len(p.Others) > 0 {
		p.OthersLabel = "schools in no community"
		p.Desc += " Small rings are schools in no community."
	}
	if n > 0 {
		w.figure(&Figure{ID: "communities-figure", Title: "Schools and communities by easting and northing: a mark is a school, joined to the middle of its community", Drawing: p})
	}
}

// communitySchools lists the schools of every community.
func (w *writer) communitySchools() {
	if len(w.in.Communities) == 0 {
		return
	}
	lists := &Table{ID: "community-schools", Title: "Schools by community", Columns: []Column{{Title: "School"}, {Title: "ID"}, {Title: "Community"}, {Title: "Region"}, {"Pupils", true}}}
	for _, c := range w.in.Communities {
		for _, s := range c.Schools {
			region := absent("not given")
			if s.Region != "" {
				region = words(s.Region)
			}
			name := s.Name
			if s.Withdrew {
				name += " (left the programme)"
			}
			lists.Rows = append(lists.Rows, Row{Cells: []*Cell{words(name), words(s.ID), words(w.communityName(c)), region, count(s.Pupils)}})
		}
	}
	w.table(lists)
}

func (w *writer) communityName(c Community) string {
	arms := map[string]bool{}
	for _, x := range w.in.Communities {
		arms[x.Arm] = true
	}
	if len(arms) > 1 {
		return fmt.Sprintf("%s %d", w.label(c.Arm), c.Number)
	}
	return fmt.Sprint(c.Number)
}

// deviations lists what was done otherwise than planned.
func (w *writer) deviations() {
	if len(w.in.Deviations) == 0 {
		w.say("The record holds no deviation from the protocol or the plan.")
		return
	}
	t := &Table{ID: "deviation-list", Title: "Deviations, in order of date", Columns: []Column{{Title: "Day"}, {Title: "What"}, {Title: "Why"}, {Title: "By"}}}
	for _, d := range w.in.Deviations {
		what := d.What
		if d.Kind != "" {
			what = d.Kind + ": " + what
		}
		why := words(d.Why)
		if d.Why == "" {
			why = absent("no reason recorded")
		}
		t.Rows = append(t.Rows, Row{Cells: []*Cell{words(Day(d.On)), words(what), why, words(d.By)}})
	}
	w.table(t)
}

// provenance says where everything comes from, so that others can check it.
func (w *writer) provenance() {
	v := w.in.Provenance
	w.say("Everything above was computed from the record whose fingerprints stand here. A digest is the SHA-{} sum of a text: who holds the text can compute it with any program, and one changed letter changes it.", w.digestBits())
	t := &Table{ID: "digests", Title: "Fingerprints", Columns: []Column{{Title: "What"}, {Title: "Value"}}}
	row := func(name, value, why string) {
		c := words(value)
		if value == "" {
			c = absent(why)
		}
		t.Rows = append(t.Rows, Row{Cells: []*Cell{words(name), c}})
	}
	if v.ProtocolVersion > 0 {
		row("Protocol version", fmt.Sprint(v.ProtocolVersion), "")
	}
	row("Protocol", v.Protocol, "not recorded")
	row("Design", v.Design, "not locked yet")
	row("Roster of schools", v.Roster, "not locked yet")
	if v.Pupils != "" {
		row("List of pupils", v.Pupils, "")
	}
	row("Commitment to the draw", v.Commitment, "not committed yet")
	row("Chance", v.Chance, "not drawn yet")
	row("Where chance came from", v.ChanceSource, "not drawn yet")
	row("Drawing rule", v.Rule, "not drawn yet")
	row("Allocation", v.Allocation, "not drawn yet")
	for i, later := range v.Later {
		of := fmt.Sprintf("Wave %d: ", i+2)
		row(of+"roster of schools", later.Roster, "")
		row(of+"list of pupils", later.Pupils, "no pupils listed")
		row(of+"commitment to the draw", later.Commitment, "")
		row(of+"chance", later.Chance, "")
		row(of+"where chance came from", later.ChanceSource, "not recorded")
		row(of+"allocation", later.Allocation, "")
	}
	row("Data analysed", v.Data, "not analysed yet")
	row("Results", v.Results, "not analysed yet")
	row("Ledger’s last entry", v.LedgerHead, "no entry")
	row("Program", v.Program, "not recorded")
	t.Rows = append(t.Rows, Row{Cells: []*Cell{words("Digests are"), w.bits}})
	w.table(t)

	acts := &Table{ID: "acts", Title: "Who did what, and when", Columns: []Column{{Title: "Step"}, {Title: "When"}, {Title: "By"}}}
	type step struct {
		name string
		act  Act
	}
	steps := []step{{"Roster locked", v.Locked}, {"Draw committed", v.Committed}, {"Draw made", v.Drawn}}
	for i, later := range v.Later {
		of := fmt.Sprintf("Wave %d: ", i+2)
		steps = append(steps, step{of + "roster locked", later.Locked}, step{of + "draw committed", later.Committed}, step{of + "draw made", later.Drawn})
	}
	for _, a := range append(steps, step{"Outcomes analysed", v.Analysed}) {
		when, by := words(Moment(a.act.At)), words(list(a.act.People))
		if a.act.At.IsZero() {
			when, by = absent("not done yet"), absent("–")
		} else if len(a.act.People) == 0 {
			by = absent("not recorded")
		}
		acts.Rows = append(acts.Rows, Row{Cells: []*Cell{words(a.name), when, by}})
	}
	w.table(acts)

	ledger := &Table{ID: "ledger", Title: "The ledger and its receipts", Columns: []Column{{Title: "What"}, {"Entries", true}, {Title: "Digest of the last"}, {Title: "Made"}}}
	entries := count(v.LedgerEntries)
	ledger.Rows = append(ledger.Rows, Row{Cells: []*Cell{words("Ledger now"), entries, words(v.LedgerHead), words(Day(w.in.GeneratedAt))}})
	var covered *Cell
	for _, r := range v.Receipts {
		c := count(r.Size)
		if covered == nil || c.Value > covered.Value {
			covered = c
		}
		ledger.Rows = append(ledger.Rows, Row{Cells: []*Cell{words("Receipt"), c, words(r.Head), words(Moment(r.At))}})
	}
	rehearsals := count(v.Rehearsals)
	ledger.Rows = append(ledger.Rows, Row{Cells: []*Cell{words("Rehearsals of the draw"), rehearsals, absent("–"), absent("–")}})
	if len(v.Receipts) == 0 {
		w.say("The ledger has {} entries. No receipt has been issued: nobody outside can show that the ledger was not written anew.", entries)
	} else {
		w.say("The ledger has {} entries; the latest receipt covers the first {} of them. Whoever holds that receipt can show whether one of these was changed. Entries after it are not covered.", entries, covered)
	}
	w.say("Rehearsals are drawn from chance of their own and can never become the draw; there were {}.", rehearsals)
	w.table(ledger)
	w.say("This record shows that the draw follows from the roster, the design and chance, and that the numbers follow from the data. It cannot show that the schools exist, that entries were true when they were written, or that tests were marked blind.")
}

// digestBits names the hash by its size, from its cell.
func (w *writer) digestBits() *Cell {
	if w.bits == nil {
		w.bits = number(256, Count)
	}
	return w.bits
}

// stopped is the short report on a trial that ended before its draw.
func (w *writer) stopped() {
	if w.in.Stopped == nil && w.in.Phase != trial.Stopped {
		return
	}
	t := &Table{ID: "end", Title: "The end of the trial", Columns: []Column{{Title: "What"}, {Title: "Record"}}}
	row := func(name string, c *Cell) *Cell {
		t.Rows = append(t.Rows, Row{Cells: []*Cell{words(name), c}})
		return c
	}
	title := row("Trial", words(w.r.Title))
	on, by, why := absent("not recorded"), absent("not recorded"), absent("not recorded")
	if s := w.in.Stopped; s != nil {
		if !s.On.IsZero() {
			on = words(Day(s.On))
		}
		if s.By != "" {
			by = words(s.By)
		}
		if s.Reason != "" {
			why = words(s.Reason)
		}
	}
	row("Stopped on", on)
	row("Recorded by", by)
	row("Reason", why)
	w.say("“{}” was stopped on {}, before its schools were drawn. The reason recorded: {}.", title, on, why).Lead = true
	w.say("No school was randomised, so there is no comparison and no effect. What follows is the recruitment as it stood.")
	w.table(t)
}
