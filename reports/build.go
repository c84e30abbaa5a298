package reports

import (
	"fmt"
	"strings"

	"evenhand/analysis"
	"evenhand/analysis/sap"
	"evenhand/reports/figure"
	"evenhand/trial"
)

// Build writes the document that the input allows: the stopped report for a
// trial stopped before its draw, otherwise the evaluation report as far as the
// trial has come, with a visible gap for what is not there yet. It fails with an
// *InputError where the input's counts contradict each other.
func Build(in Input) (*Report, error) {
	t, err := in.template()
	if err != nil {
		return nil, err
	}
	return BuildFrom(in, t)
}

// template is the template of the document that Build writes.
func (in Input) template() (*Template, error) {
	if in.Stopped != nil || in.Phase == trial.Stopped {
		return Builtin("stopped")
	}
	return Builtin("evaluation")
}

// BuildFrom writes the document that a template describes.
func BuildFrom(in Input, t *Template) (*Report, error) {
	all, err := compose(in)
	if err != nil {
		return nil, err
	}
	return arrange(in, all, t)
}

// compose writes every part that a document may show, each as a section of its
// own.
func compose(in Input) (*Report, error) {
	if err := in.check(); err != nil {
		return nil, err
	}
	w := &writer{
		builder: builder{r: &Report{GeneratedAt: in.GeneratedAt}, notes: map[string]int{}},
		in:      in,
		p:       in.Protocol,
	}
	w.findBlind()
	w.masthead()
	for _, p := range parts {
		w.section(p.name, p.title)
		p.write(w)
	}
	w.finish()
	if len(w.faults) > 0 {
		return nil, fmt.Errorf("build report: %s", strings.Join(w.faults, "; "))
	}
	return w.r, nil
}

// arrange puts the parts together as a template says, and numbers tables,
// figures and footnotes in the order in which they then stand.
func arrange(in Input, all *Report, t *Template) (*Report, error) {
	r := *all
	r.Subtitle, r.Sections, r.Notes = t.Kind, nil, nil
	blocks := map[string][]Block{}
	cells := map[string]*Cell{}
	for _, s := range all.Sections {
		blocks[s.ID] = s.Blocks
	}
	for _, table := range all.Tables() {
		for _, row := range table.Rows {
			for _, c := range row.Cells {
				cells[c.key] = c
			}
		}
	}
	shown := map[*Table]bool{}
	working := false
	var faults []string
	for _, want := range t.Sections {
		s := Section{ID: "s-" + want.ID, Title: want.Heading}
		own, wrong := ownText(want.Text, cells)
		for _, key := range wrong {
			faults = append(faults, fmt.Sprintf("the text of section %q asks for the cell %s, which this report does not have", want.Heading, key))
		}
		s.Blocks = own
		for _, name := range want.Parts {
			s.Blocks = append(s.Blocks, blocks[name]...)
			working = working || len(blocks[name]) > 0 && workingPart(name)
		}
		if len(s.Blocks) > 0 {
			r.Sections = append(r.Sections, s)
		}
	}
	if len(faults) > 0 {
		return nil, &InputError{faults}
	}
	if t.leavesOutAnnex() && len(in.Outside)+len(in.Room) > 0 {
		r.Sections = append(r.Sections, Section{ID: "s-annex", Title: "Annex: analyses outside the plan", Blocks: blocks["annex"]})
	}
	for _, table := range r.Tables() {
		shown[table] = true
	}
	for _, table := range r.Tables() {
		for i, row := range table.Rows {
			if row.Recipe != nil && !shown[row.Recipe.Table] {
				table.Rows[i].Recipe = nil
			}
		}
	}
	for _, table := range all.Tables() {
		if !shown[table] {
			r.Beside = append(r.Beside, table)
		}
	}
	for _, f := range all.Figures() {
		f.Number = 0
	}
	for n, table := range r.Tables() {
		table.Number = n + 1
	}
	for n, table := range r.Beside {
		table.Number = len(shown) + n + 1
	}
	for n, f := range r.Figures() {
		f.Number = n + 1
	}
	r.renumberNotes(all.Notes)
	r.refer(t)
	r.Draft = ""
	switch {
	case in.released || in.Stopped != nil || in.Phase == trial.Stopped:
	case working:
		if n := in.Protocol.Disclosure.Threshold; n > 0 && len(in.Flow.Arms) > 0 && in.Protocol.Trial.Measured != "schools" {
			r.Draft = fmt.Sprintf("Working report, not for publication: it shows counts of pupils as they are, also those under %d, which the protocol does not let be published. ", n)
		}
	}
	if working && r.Unfinished != "" {
		r.Draft += "This is an interim report. " + r.Unfinished
	}
	r.Draft = strings.TrimSpace(r.Draft)
	return &r, nil
}

// Show says which tables and figures are shown, in their order: they are
// numbered so, and references lead to them alone.
func (r *Report) Show(ids []string) {
	targets := map[string]Ref{}
	tables, figures := 0, 0
	for _, id := range ids {
		for _, t := range r.AllTables() {
			if t.ID == id {
				tables++
				t.Number = tables
				targets[id] = Ref{ID: id, Label: fmt.Sprintf("Table %d", tables)}
			}
		}
		for _, f := range r.Figures() {
			if f.ID == id {
				figures++
				f.Number = figures
				targets[id] = Ref{ID: id, Label: fmt.Sprintf("Figure %d", figures)}
			}
		}
	}
	r.lead(targets)
}

// refer writes what each reference refers to, as the document stands.
func (r *Report) refer(t *Template) {
	targets := map[string]Ref{}
	for _, table := range r.Tables() {
		targets[table.ID] = Ref{ID: table.ID, Label: fmt.Sprintf("Table %d", table.Number)}
	}
	for _, f := range r.Figures() {
		targets[f.ID] = Ref{ID: f.ID, Label: fmt.Sprintf("Figure %d", f.Number)}
	}
	for _, s := range r.Sections {
		for _, want := range t.Sections {
			if s.ID == "s-"+want.ID {
				for _, p := range want.Parts {
					targets["part:"+p] = Ref{ID: s.ID, Label: s.Title}
				}
			}
		}
	}
	r.lead(targets)
}

// lead makes references lead to their targets.
func (r *Report) lead(targets map[string]Ref) {
	set := func(c *Cell) {
		for i := range c.Refs {
			to := targets[c.Refs[i].to]
			c.Refs[i].ID, c.Refs[i].Label = to.ID, to.Label
		}
	}
	for _, table := range r.AllTables() {
		for _, row := range table.Rows {
			for _, c := range row.Cells {
				set(c)
			}
		}
	}
	for _, s := range r.Sections {
		for _, b := range s.Blocks {
			if b.Paragraph != nil {
				for _, span := range b.Paragraph.Spans {
					if span.Cell != nil {
						set(span.Cell)
					}
				}
			}
		}
	}
}

// workingPart says whether a part shows counts of pupils.
func workingPart(name string) bool {
	for _, p := range parts {
		if p.name == name {
			return p.working
		}
	}
	return false
}

// ownText makes paragraphs of a template's own words; {{a/1/2}} in them is a
// cell. wrong lists the cells that are not there.
func ownText(text []string, cells map[string]*Cell) (blocks []Block, wrong []string) {
	for _, para := range text {
		p := &Paragraph{Own: true}
		for para != "" {
			words, rest, found := strings.Cut(para, "{{")
			key, after, closed := strings.Cut(rest, "}}")
			if !found || !closed {
				p.Spans = append(p.Spans, Span{Words: para})
				break
			}
			if words != "" {
				p.Spans = append(p.Spans, Span{Words: words})
			}
			if c := cells[strings.TrimSpace(key)]; c != nil {
				p.Spans = append(p.Spans, Span{Cell: c})
			} else {
				wrong = append(wrong, strings.TrimSpace(key))
			}
			para = after
		}
		blocks = append(blocks, Block{Paragraph: p})
	}
	return blocks, wrong
}

// renumberNotes numbers the footnotes anew in the order in which the document
// refers to them, and leaves out those that it does not.
func (r *Report) renumberNotes(all []Note) {
	new := map[int]int{}
	number := func(old []int) []int {
		var out []int
		for _, n := range old {
			if new[n] == 0 {
				for _, note := range all {
					if note.Number == n {
						note.Number = len(r.Notes) + 1
						r.Notes = append(r.Notes, note)
						new[n] = note.Number
					}
				}
			}
			out = append(out, new[n])
		}
		return out
	}
	done := map[*Cell]bool{}
	for _, t := range r.Tables() {
		t.Notes = number(t.Notes)
		for _, row := range t.Rows {
			for _, c := range row.Cells {
				if !done[c] {
					done[c] = true
					c.Notes = number(c.Notes)
				}
			}
		}
	}
	for _, t := range r.Beside {
		t.Notes = nil
		for _, row := range t.Rows {
			for _, c := range row.Cells {
				c.Notes = nil
			}
		}
	}
}

// writer is the builder with what the sections share.
type writer struct {
	builder
	in Input
	p  *trial.Protocol

	// cells that sentences of several sections use
	primaryN   *Cell            // name of the primary outcome
	level      *Cell            // confidence level
	target     *Cell            // schools wanted; nil for none
	strata     *Cell            // columns of the strata; nil for none
	covariates *Cell            // of the plan; nil for none
	bits       *Cell            // size of the digests
	armNames   map[string]*Cell // by arm ID
	blind      []string         // names of arms that stand for the protocol's while it is hidden which is which
	cooked     recipes
}

// arm gives the mark of an arm by its ID or its label.
func (w *writer) arm(id string) figure.Arm {
	for i, a := range w.p.Arms {
		if a.ID == id || a.Label == id {
			return figure.Arm{Index: i, Control: a.Control, Label: a.Label}
		}
	}
	for i, name := range w.blind {
		if name == id {
			return figure.Arm{Index: i, Label: id}
		}
	}
	return figure.Arm{Index: len(w.p.Arms), Label: id}
}

// findBlind notes the arms that the flow and the results name and the protocol
// does not: those of a blinded report ("A", "B").
func (w *writer) findBlind() {
	add := func(name string) {
		for _, a := range w.p.Arms {
			if a.ID == name || a.Label == name {
				return
			}
		}
		if !contains(w.blind, name) {
			w.blind = append(w.blind, name)
		}
	}
	for _, a := range w.in.Flow.Arms {
		add(a.Arm)
	}
	for _, r := range w.in.Results {
		for _, a := range r.Arms {
			add(a.Arm)
		}
	}
}

// label gives an arm's name for reports.
func (w *writer) label(id string) string { return w.arm(id).Label }

// armCell gives the cell in the table of the trial that names the arm.
func (w *writer) armCell(id string) *Cell {
	for _, a := range w.p.Arms {
		if a.ID == id || a.Label == id {
			return w.armNames[a.ID]
		}
	}
	if c, ok := w.armNames[id]; ok {
		return c
	}
	w.fault("arm %q is not in the protocol", id)
	return words(id)
}

// result gives the primary result, or nil.
func (w *writer) result() *sap.Results {
	if len(w.in.Results) > 0 && w.in.Results[0].Plan.Role == sap.Primary {
		return &w.in.Results[0]
	}
	return nil
}

// noResults says why there is no result.
func (w *writer) noResults() string {
	if w.in.NoResults != "" {
		return strings.TrimSuffix(capital(w.in.NoResults), ".") + "."
	}
	if w.in.Phase != trial.Drawn {
		return "The trial is at “" + string(w.in.Phase) + "”: schools have not been drawn yet."
	}
	return "The outcomes have not been analysed yet."
}

func (w *writer) masthead() {
	r, t := w.r, w.p.Trial
	r.Title = t.Title
	if r.Title == "" {
		r.Title = t.ID
	}
	fact := func(name, value string) {
		if value != "" {
			r.Facts = append(r.Facts, Fact{name, value})
		}
	}
	fact("Registration", t.Registration)
	fact("Evaluator", t.Contacts.Evaluator)
	fact("Statistician", t.Contacts.Statistician)
	fact("Delivery", t.Contacts.Delivery)
	fact("Funder", t.Contacts.Funder)
	fact("Report made", Day(w.in.GeneratedAt))
	if len(w.in.Results) == 0 && w.in.Stopped == nil && w.in.Phase != trial.Stopped {
		r.Unfinished = w.noResults()
	}
}

// some chooses between the singular and the plural of a counted thing.
func some(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

// list joins words: a, b and c.
func list(items []string) string {
	switch len(items) {
	case 0:
		return ""
	case 1:
		return items[0]
	}
	return strings.Join(items[:len(items)-1], ", ") + " and " + items[len(items)-1]
}

// notesOf registers warnings as footnotes and gives their numbers.
func (w *writer) notesOf(warnings ...[]analysis.Warning) []int {
	var out []int
	seen := map[int]bool{}
	for _, ws := range warnings {
		for _, x := range ws {
			if n := w.note(x.Code, x.Text); !seen[n] {
				seen[n] = true
				out = append(out, n)
			}
		}
	}
	return out
}

func (w *writer) trialInShort() {
	t := &Table{ID: "design", Title: "Design", Columns: []Column{{Title: "What"}, {Title: "As the protocol says it"}}}
	row := func(name string, c *Cell) *Cell {
		t.Rows = append(t.Rows, Row{Cells: []*Cell{words(name), c}})
		return c
	}
	row("Trial", words(w.r.Title))
	row("Unit of randomisation", words(w.p.Trial.Unit))
	row("Measured", words(w.p.Trial.Measured))
	w.armNames = map[string]*Cell{}
	for _, a := range w.p.Arms {
		name := "Arm"
		if a.Control {
			name = "Control arm"
		}
		w.armNames[a.ID] = row(name, words(a.Label))
	}
	for _, name := range w.blind {
		w.armNames[name] = row("Arm as analysed, its name hidden", words(name))
	}
	if len(w.p.Strata) > 0 {
		w.strata = row("Drawn within strata of", words(list(w.p.Strata)))
	}
	row("Method of the draw", words(w.p.Draw.Method))
	for _, c := range w.p.Communities {
		size := fmt.Sprintf("%d to %d schools", c.Size.Min, c.Size.Max)
		if c.Size.Min == c.Size.Max {
			size = fmt.Sprintf("%d schools", c.Size.Min)
		}
		row("Communities in "+w.label(c.Arm), words(size+", "+howWords(c)))
	}
	if w.p.Recruitment.Target > 0 {
		w.target = row("Schools wanted", count(w.p.Recruitment.Target))
	}
	for _, o := range w.p.Outcomes {
		name, text := "Secondary outcome", o.Label
		if o.Primary {
			name = "Primary outcome"
		}
		if text == "" {
			text = o.ID
		}
		c := row(name, words(text))
		if o.Primary {
			w.primaryN = c
		}
		if o.On != "" {
			row("Measured on", words(dateText(string(o.On))))
		}
		if o.Baseline.Label != "" || o.Baseline.Column != "" {
			b := o.Baseline.Label
			if b == "" {
				b = o.Baseline.Column
			}
			if o.Baseline.On != "" {
				b += ", " + dateText(string(o.Baseline.On))
			}
			row("Baseline", words(b))
		}
	}
	row("Model", words(modelWords(w.p.Plan.Model)))
	if len(w.p.Plan.Covariates) > 0 {
		w.covariates = row("Covariates", words(list(w.p.Plan.Covariates)))
	}
	row("Degrees of freedom", words(dfWords(w.p.Plan.DF)))
	row("Effect size", words(scaleWords(analysis.Scale(w.p.Plan.EffectSize))))
	level := float64(w.p.Plan.Interval)
	if r := w.result(); r != nil && r.Plan.Level > 0 {
		level = r.Plan.Level
	}
	if level <= 0 || level >= 1 {
		level = 0.95
	}
	w.level = row("Confidence of intervals", number(level, Level))
	w.table(t)
}

func howWords(c trial.CommunityRule) string {
	switch c.How {
	case "within":
		return "by lot within " + c.Within
	case "near":
		return "near one another" + within(c.Within)
	case "mixed":
		return "mixed" + within(c.Within)
	}
	return "by lot"
}

func within(column string) string {
	if column == "" {
		return ""
	}
	return " within " + column
}

func modelWords(model string) string {
	switch model {
	case "mixed":
		return "pupils in schools: linear mixed model with a random intercept for each school, fitted by REML"
	case "partially nested":
		return "pupils in schools, and schools in communities where an arm has them (partially nested): linear mixed model with random intercepts for schools and communities, fitted by REML"
	case "linear":
		return "linear regression with schools as rows"
	}
	return model
}

func dfWords(method string) string {
	switch method {
	case "satterthwaite":
		return "Satterthwaite"
	case "satterthwaite-expected":
		return "Satterthwaite, from the expected information"
	case "kenward-roger":
		return "Kenward and Roger"
	case "z":
		return "none: the normal distribution"
	}
	return method
}

// scaleWords says what an effect size divides by.
func scaleWords(s analysis.Scale) string {
	switch s {
	case analysis.ScaleDifference:
		return "adjusted difference in outcome units"
	case analysis.ScaleTotalUnconditional:
		return "adjusted difference over the total SD, unconditional (from the model with the arm alone)"
	case analysis.ScaleWithinUnconditional:
		return "adjusted difference over the within-school SD, unconditional (from the model with the arm alone)"
	case analysis.ScaleTotalEmpty:
		return "adjusted difference over the total SD of the empty model"
	case analysis.ScaleWithinEmpty:
		return "adjusted difference over the within-school SD of the empty model"
	case analysis.ScaleTotalConditional:
		return "adjusted difference over the total SD, conditional (from the model with arm and covariates)"
	case analysis.ScaleWithinConditional:
		return "adjusted difference over the within-school SD, conditional (from the model with arm and covariates)"
	case analysis.ScalePooledSD:
		return "adjusted difference over the pooled SD of the arms’ raw scores"
	case analysis.ScaleControlSD:
		return "adjusted difference over the SD of the control arm’s raw scores"
	}
	return string(s)
}
