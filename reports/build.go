package reports

import (
	"fmt"
	"strings"

	"evenhand/analysis"
	"evenhand/analysis/sap"
	"evenhand/reports/figure"
	"evenhand/trial"
)

// Build writes the report that the input allows: the stopped report for a
// trial stopped before its draw, otherwise the evaluation report as far as
// the trial has come, with a visible gap for what is not there yet. It fails
// with an *InputError where the input's counts contradict each other.
func Build(in Input) (*Report, error) {
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
	if in.Stopped != nil || in.Phase == trial.Stopped {
		w.stopped()
	} else {
		w.trialInShort() // built first: sentences elsewhere use its cells
		w.summary()
		w.participants()
		w.recruitment()
		w.attrition()
		w.balance()
		w.primary()
		w.secondary()
		w.beside()
		w.communities()
		w.deviations()
		w.provenance()
		w.coefficients()
		w.communitySchools()
		w.order("summary", "trial")
	}
	w.finish()
	if len(w.faults) > 0 {
		return nil, fmt.Errorf("build report: %s", strings.Join(w.faults, "; "))
	}
	return w.r, nil
}

// writer is the builder with what the sections share.
type writer struct {
	builder
	in Input
	p  *trial.Protocol

	// cells that sentences of several sections use
	primaryN *Cell            // name of the primary outcome
	level    *Cell            // confidence level
	bits     *Cell            // size of the digests
	armNames map[string]*Cell // by arm ID
	blind    []string         // names of arms that stand for the protocol's while it is hidden which is which
}

// order moves the section called first to stand before the one called second
// and numbers tables and figures in the order in which they then stand.
func (w *writer) order(first, second string) {
	at := func(id string) int {
		for i, s := range w.r.Sections {
			if s.ID == id {
				return i
			}
		}
		return -1
	}
	i, k := at(first), at(second)
	if i >= 0 && k >= 0 && k < i {
		s := w.r.Sections[i]
		copy(w.r.Sections[k+1:i+1], w.r.Sections[k:i])
		w.r.Sections[k] = s
	}
	for n, t := range w.r.Tables() {
		t.Number = n + 1
	}
	for n, f := range w.r.Figures() {
		f.Number = n + 1
	}
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
	r.Subtitle = "Evaluation report"
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
	switch {
	case w.in.Stopped != nil || w.in.Phase == trial.Stopped:
		r.Subtitle = "Report on a trial stopped before randomisation"
	case len(w.in.Results) == 0:
		r.Draft = "This is an interim report. " + w.noResults()
	}
	if n := w.p.Disclosure.Threshold; n > 0 && len(w.in.Flow.Arms) > 0 && !w.schoolsMeasured() {
		r.Draft = strings.TrimSpace(fmt.Sprintf("Working report, not for publication: it shows counts of pupils as they are, also those under %d, which the protocol does not let be published. ", n) + r.Draft)
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
	w.section("trial", "The trial in short")
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
		row("Drawn within strata of", words(list(w.p.Strata)))
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
		row("Schools wanted", count(w.p.Recruitment.Target))
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
		row("Covariates", words(list(w.p.Plan.Covariates)))
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
