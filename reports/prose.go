package reports

import (
	"fmt"
	"slices"
	"strings"

	"evenhand/analysis"
)

// The protocol and the plan as text: sentences made from the same settings that
// the draw and the analysis follow. A number or name in a sentence is a cell of
// the table of settings beside it.

// settings collects a table of settings while sentences are written.
type settings struct{ t *Table }

func newSettings(id, title string) *settings {
	return &settings{&Table{ID: id, Title: title, Columns: []Column{{Title: "Setting"}, {Title: "Value"}}}}
}

// put adds a setting and gives its cell.
func (s *settings) put(name string, c *Cell) *Cell {
	s.t.Rows = append(s.t.Rows, Row{Cells: []*Cell{words(name), c}})
	return c
}

func (s *settings) text(name, value string) *Cell { return s.put(name, words(value)) }

// write adds the table, unless it is empty.
func (s *settings) write(w *writer) {
	if len(s.t.Rows) > 0 {
		w.table(s.t)
	}
}

// about says in a paragraph what the trial is.
func (w *writer) about() {
	s := newSettings("about", "The trial and its people")
	t := w.p.Trial
	title := s.text("Trial", w.r.Title)
	s.text("Short name", t.ID)
	registration := absent("not registered")
	if t.Registration != "" {
		registration = words(t.Registration)
	}
	s.put("Registration", registration)
	for _, c := range [][2]string{{"Evaluator", t.Contacts.Evaluator}, {"Statistician, who makes the draw", t.Contacts.Statistician}, {"Delivery", t.Contacts.Delivery}, {"Funder", t.Contacts.Funder}} {
		if c[1] == "" {
			s.put(c[0], absent("not named"))
		} else {
			s.text(c[0], c[1])
		}
	}
	if n := w.in.Provenance.ProtocolVersion; n > 0 {
		s.put("Version of the protocol", count(n))
	}
	arms := count(len(w.p.Arms))
	s.put("Arms", arms)
	w.say("“{}” is a randomised trial with {} arms. What is drawn is the "+t.Unit+"; what is measured belongs to "+t.Measured+".", title, arms)
	if control := w.p.ControlArm(); control >= 0 {
		for i, a := range w.p.Arms {
			if i != control && w.primaryN != nil {
				w.say("It asks whether being drawn into “{}” rather than into “{}” changes {}.", w.armCell(a.ID), w.armCell(w.p.Arms[control].ID), w.primaryN)
			}
		}
	}
	s.write(w)
}

// eligibility says which schools can take part and what they must do.
func (w *writer) eligibility() {
	r := w.p.Recruitment
	t := &Table{ID: "eligibility", Title: "What a school must be and do before the draw", Columns: []Column{{Title: "Kind"}, {Title: "Requirement"}}}
	add := func(kind, text string) { t.Rows = append(t.Rows, Row{Cells: []*Cell{words(kind), words(text)}}) }
	for _, rule := range r.Eligible {
		add("Rule", rule.Text)
	}
	for _, who := range r.Agreement {
		add("Signature", who)
	}
	for _, l := range r.Leaders {
		add("People named", fmt.Sprintf("%d × %s", l.Count, l.Role))
	}
	if len(t.Rows) == 0 {
		w.say("The protocol has no rule of eligibility: every school listed can become ready for the draw.")
	} else {
		w.say("A school can be drawn if every rule below holds, worked out from its record, and if everything else below is done. A school that fails a rule is told which; the record keeps it.")
		w.table(t)
	}
	if w.target != nil {
		w.say("{} schools are wanted.", w.target)
	}
	if len(r.Reasons) > 0 {
		w.say("A school that declines, leaves or cannot take part is recorded with a reason from a short list, so that nobody need be asked later.")
	}
}

// randomisation says how schools are drawn.
func (w *writer) randomisation() {
	d := w.p.Draw
	s := newSettings("settings", "Settings of the draw")
	switch d.Method {
	case "complete":
		w.say("All schools are drawn at once, by lot.")
	case "stratified":
		if w.strata != nil {
			w.say("Within each stratum, which is all schools with equal {}, schools are shared out between the arms by lot.", w.strata)
		}
	case "blocks":
		var sizes []string
		for _, n := range d.Blocks {
			sizes = append(sizes, fmt.Sprint(n))
		}
		w.say("In the order of {}, schools are drawn in blocks of {}.", s.text("Order of arrival", d.Sequence), s.text("Block sizes", list(sizes)))
	case "minimisation":
		w.say("One after another, in the order of {}, each school goes with a chance of {} to the arm in which it makes the arms most alike in {}, and otherwise to another.",
			s.text("Order of arrival", d.Sequence), s.put("Chance of the arm that balances best", number(float64(d.Best), Share)), s.text("Balanced, with weights", weights(d.Balance)))
		s.text("Imbalance measured by", d.Imbalance)
	case "constrained":
		w.say("{} candidate draws are made; the {} of them in which the arms are most alike in {} are kept, and chance takes one of these.",
			s.put("Candidate draws", count(d.Candidates)), s.put("Share kept", number(float64(d.Keep), Share)), s.text("Balanced, with weights", weights(d.Balance)))
	case "pairs":
		w.say("Schools come in matched sets, those with equal {}; each set is shared out between the arms by lot.", s.text("Matched set", d.Set))
	default:
		w.say("Schools are drawn by the method {}.", s.text("Method", d.Method))
	}
	if len(w.p.Strata) > 0 {
		if d.Method != "stratified" && w.strata != nil {
			w.say("The draw keeps to strata, which are all schools with equal {}.", w.strata)
		}
		left := "Schools left over in a stratum are put together and shared out over the whole trial."
		if d.Misfits == "within" {
			left = "Schools left over in a stratum are drawn within it."
		}
		w.say(left)
	}
	if d.Clusters != "" {
		w.say("Schools with equal {} are drawn as one.", s.text("Drawn as one", d.Clusters))
	}
	for _, a := range w.p.Arms {
		s.put("Weight of “"+a.Label+"”", count(a.Weight))
	}
	chance := map[string]string{
		"two-party": "Chance comes from two parties, each of whom seals a number before the draw is committed; nobody knows the result who does not know both.",
		"beacon":    "Chance comes from a round of a public beacon that is named before it exists.",
		"dice":      "Chance comes from numbers thrown before witnesses after the draw was committed.",
	}[d.Chance]
	if chance == "" {
		chance = "Chance comes from this computer at the moment of the draw; others must take the operator’s word that the first draw was the only one."
	}
	w.say(chance)
	w.say("The roster is locked, then the draw is committed by its digests, then it is made, once; {} "+some(d.Confirm, "person makes", "people make")+" it. The rule of the draw is public, and anybody with roster, design and chance can repeat it.", s.put("People who make the draw", count(max(d.Confirm, 1))))
	for _, c := range w.p.Communities {
		w.say("The schools of “{}” are put into communities of {} to {} schools, {}.", w.armCell(c.Arm), s.put("Smallest community in "+w.label(c.Arm), count(c.Size.Min)), s.put("Largest community in "+w.label(c.Arm), count(c.Size.Max)), s.text("How communities are formed in "+w.label(c.Arm), howWords(c)))
	}
	if b := w.p.Trial.Blind; len(b.People) > 0 {
		w.say("{} must not learn the arms; this ends when: {}.", s.text("Blind", list(b.People)), s.text("Blind until", b.Until))
	}
	s.write(w)
}

// weights writes columns with their weights.
func weights(m map[string]int) string {
	var all []string
	for name, n := range m {
		text := name
		if n != 1 {
			text = fmt.Sprintf("%s (weight %d)", name, n)
		}
		all = append(all, text)
	}
	slices.Sort(all)
	return list(all)
}

// programme lists the sessions and what counts as having taken part.
func (w *writer) programme() {
	d := w.p.Delivery
	if len(d.Sessions) == 0 {
		w.say("The protocol lists no session.")
		return
	}
	t := &Table{ID: "programme", Title: "Sessions planned", Columns: []Column{{Title: "Session"}, {Title: "Planned for"}}}
	for _, x := range d.Sessions {
		on, name := absent("no date yet"), x.Label
		if x.On != "" {
			on = words(dateText(string(x.On)))
		}
		if name == "" {
			name = x.ID
		}
		t.Rows = append(t.Rows, Row{Cells: []*Cell{words(name), on}})
	}
	if d.Complier.Sessions > 0 {
		of, at := count(len(d.Sessions)), count(d.Complier.Sessions)
		w.say("A school has taken part if at least {} of the {} sessions were attended by "+d.Complier.By+" of it.", at, of)
		t.Rows = append(t.Rows, Row{Cells: []*Cell{words("Sessions planned"), of}, Strong: true}, Row{Cells: []*Cell{words("At least so many attended count as having taken part"), at}, Strong: true})
	}
	w.table(t)
}

// outcomeList lists what is measured.
func (w *writer) outcomeList() {
	t := &Table{ID: "outcomes", Title: "Outcomes", Columns: []Column{{Title: "Outcome"}, {Title: "Role"}, {Title: "Possible scores"}, {Title: "Measured on"}, {Title: "Baseline"}, {Title: "Baseline measured on"}}}
	for _, o := range w.p.Outcomes {
		role, on, bon := "secondary", absent("no date yet"), absent("–")
		if o.Primary {
			role = "primary"
		}
		if o.On != "" {
			on = words(dateText(string(o.On)))
		}
		scores, base := absent("not given"), absent("none")
		if o.Range.Set {
			scores = words(Exact.Write(o.Range.Low) + " to " + Exact.Write(o.Range.High))
		}
		if b := o.Baseline; b.Label != "" || b.Column != "" {
			base = words(b.Label)
			if b.Label == "" {
				base = words(b.Column)
			}
			if b.On != "" {
				bon = words(dateText(string(b.On)))
			}
		}
		name := o.Label
		if name == "" {
			name = o.ID
		}
		t.Rows = append(t.Rows, Row{Cells: []*Cell{words(name), words(role), scores, on, base, bon}, Strong: o.Primary})
	}
	w.table(t)
	w.small("The trial is judged by its primary outcome. A score outside the possible ones is refused when it is entered.")
}

// publication says what may be published, and what rests on it.
func (w *writer) publication() {
	s := newSettings("publication", "Publication")
	d := w.p.Disclosure
	if d.Threshold > 0 {
		w.say("No count of pupils under {} is published, nor anything from which one could be worked out.", s.put("Smallest count published", count(d.Threshold)))
	} else {
		w.say("The protocol has no smallest count that may be published.")
	}
	s.text("Rule of disclosure control", d.Rule)
	w.say("Names and pupil numbers stay in one sealed table; the analysis, the report and what is handed to others know people by pseudonyms.")
	s.write(w)
}

// toWrite marks what a protocol needs and no setting can say.
func (w *writer) toWrite() {
	for _, x := range [][2]string{
		{"Rationale", "Why the programme might work, and what is known so far."},
		{"The programme in full", "Who does what, with which materials, where, how often, and how it may be adapted."},
		{"Process evaluation", "What is observed and asked while the programme runs, and of whom."},
		{"Cost", "What is counted, for whom, over how many years."},
		{"Ethics and consent", "Who approved the trial; what schools and parents are told, and how they object."},
		{"Data protection", "Legal basis, who is responsible, how long data are kept, where they are archived."},
		{"Risks", "What could go wrong, how likely it is, and what is done then."},
	} {
		w.gap(x[0], "To be written by a person: "+strings.ToLower(x[1][:1])+x[1][1:])
	}
}

// planPrimary says how the primary outcome is analysed.
func (w *writer) planPrimary() {
	p := w.p.Plan
	if w.primaryN == nil {
		w.gap("Analysis of the primary outcome", "The protocol marks no outcome as primary.")
		return
	}
	w.say("Everybody randomised who has the values that the model needs is analysed, in the arm that the school was drawn into, whatever it took part in. What is estimated is the mean difference in {} that being drawn into the programme’s arm makes.", w.primaryN)
	if p.Model == "linear" || w.schoolsMeasured() {
		w.say("The model is a linear regression with schools as rows.")
	} else {
		w.say("The model is a linear mixed model of pupils in schools with a random intercept for each school, fitted by restricted maximum likelihood.")
	}
	if w.covariates != nil {
		w.say("The arms are compared at equal values of {}.", w.covariates)
	} else {
		w.say("The model has no covariate.")
	}
	df := map[string]string{
		"kenward-roger":          "Standard errors and degrees of freedom are those of Kenward and Roger, which allow for a limited number of schools.",
		"satterthwaite":          "Degrees of freedom are by Satterthwaite’s method, which allows for a limited number of schools.",
		"satterthwaite-expected": "Degrees of freedom are by Satterthwaite’s method from the expected information, which allows for a limited number of schools.",
		"containment":            "Degrees of freedom are those of the schools: their number less that of the model’s terms at their level.",
		"z":                      "Intervals are by the normal distribution, with no allowance for a limited number of schools.",
	}[p.DF]
	if df != "" {
		w.say(df)
	}
	w.say("Tests are two-sided; intervals have a confidence of {}.", w.level)
	if len(w.p.Communities) > 0 {
		w.small("Schools of one community may come to be alike. A model with the communities of the programme’s arm beside the schools is the check on that, and belongs to the sensitivity analyses.")
	}
}

// planEffect says what effect sizes divide by.
func (w *writer) planEffect() {
	w.say("The effect size is the " + scaleWords(analysis.Scale(w.p.Plan.EffectSize)) + ". Its interval is that of the difference over the same SD. The report shows it by every other denominator too, with the variances of pupils and of schools, so that a reader who holds another to be right need not ask.")
	w.say("The intra-cluster correlation is given from the model with nothing in it, with the arm, and with all covariates, each with its interval.")
	if t, shown := w.monthsTable(); shown {
		w.say("Effect sizes are also shown as months of progress, by " + t.Name + "; this is a convention and no estimate.")
	}
}

// planSecondary says how the other outcomes are analysed.
func (w *writer) planSecondary() {
	names := newSettings("secondary-list", "Secondary outcomes")
	for _, o := range w.p.Outcomes {
		if !o.Primary {
			name := o.Label
			if name == "" {
				name = o.ID
			}
			names.text("Secondary outcome", name)
		}
	}
	if len(names.t.Rows) == 0 {
		w.say("There is no secondary outcome.")
		return
	}
	w.say("Every secondary outcome is analysed by the model of the primary one, each with its own baseline where it has one.")
	switch w.p.Plan.Multiplicity {
	case "benjamini-hochberg":
		w.say("Their p-values are also given adjusted for their number by the method of Benjamini and Hochberg, which keeps the share of false findings among all findings.")
	case "holm":
		w.say("Their p-values are also given adjusted for their number by Holm’s method, which keeps the chance of any false finding.")
	default:
		w.say("Their p-values are not adjusted for their number, and are to be read so.")
	}
	names.write(w)
}

// planSubgroups says which subgroups are looked at.
func (w *writer) planSubgroups() {
	p := w.p.Plan
	if len(p.Subgroups) == 0 {
		w.say("No subgroup is planned. One looked at later is exploratory and is marked so.")
		return
	}
	s := newSettings("subgroup-list", "Subgroups planned")
	for _, id := range p.Subgroups {
		w.say("Whether the effect is another by {} is answered by its interaction with the arm; the effect among those with yes and among those with no is given beside it, from models of each alone. This is done whatever the main result.", s.text("Subgroup", w.columnLabel(id)))
	}
	s.write(w)
}

// planMissing says what is done about missing data.
func (w *writer) planMissing() {
	m := w.p.Plan.Missing
	s := newSettings("missing-settings", "Missing data")
	w.say("The headline is the analysis of complete cases. How much is missing is described by arm, with its reasons.")
	if m.Imputations > 0 {
		w.say("Where more than {} of the primary outcome or of a covariate is missing, the model is also fitted to {} data sets in which what is missing was filled in from what is known of the same pupil and school, the arm included, and the results are pooled by Rubin’s rules.",
			s.put("Imputed if more is missing than", number(float64(m.ImputeAbove), Share)), s.put("Imputations", count(m.Imputations)))
	}
	if m.ByArm {
		w.say("Each arm is imputed by a model of its own, so that every association may differ between arms.")
	}
	if len(m.Interactions) > 0 {
		w.say("The associations with {} may differ between the arms in that model.", s.text("Associations that may differ between arms", list(m.Interactions)))
	}
	for _, x := range []struct{ key, words string }{
		{"reference", "Those lost are also imputed as if they had gone on as the control arm did: from then on, from their baseline on, or from the beginning."},
		{"delta", "It is then asked how far those lost would have had to differ from those like them who stayed for the conclusion to change: imputed scores are shifted, arm by arm, until it does."},
		{"bounds", "Bounds that need no model of who is missing are given: those of Lee, and those with any possible score for those lost."},
		{"weights", "The complete cases are also weighted by the inverse probability of being analysed."},
	} {
		if slices.Contains(m.Sensitivity, x.key) {
			w.say(x.words)
		}
	}
	s.write(w)
}

// planFurther says what else is planned.
func (w *writer) planFurther() {
	s := newSettings("further-settings", "Further analyses")
	p := w.p.Plan
	if p.Redraws > 0 {
		w.say("As a check that needs no model, the draw is made again {} times by the trial’s own design, and the difference found is compared with those that chance alone would give.", s.put("Redraws", count(p.Redraws)))
	}
	if c := w.p.Delivery.Complier; c.Sessions > 0 {
		w.say("The effect among those who took part (at least {} sessions attended by "+c.By+") is estimated with the arm as instrument, and the first stage with its F is shown.", s.put("Sessions that count as taking part, at least", count(c.Sessions)))
	} else {
		w.say("Taking part is not defined, so there is no analysis of compliance.")
	}
	w.say("Balance at baseline is shown as effect sizes, of all randomised and of those analysed, without tests. Attrition is shown overall and by arm, at the level of schools and of pupils.")
	w.say("Whatever else is run once outcomes are known is exploratory; it is recorded, and the report lists it with its reason.")
	s.write(w)
}

// planSettings repeats every setting of the plan in one table.
func (w *writer) planSettings() {
	p := w.p.Plan
	s := newSettings("plan-settings", "All settings of the plan")
	s.text("Model", modelWords(p.Model))
	if len(p.Covariates) > 0 {
		s.text("Covariates", list(p.Covariates))
	}
	s.text("Degrees of freedom", dfWords(p.DF))
	s.text("Effect size", scaleWords(analysis.Scale(p.EffectSize)))
	s.put("Confidence of intervals", number(w.level.Value, Level))
	s.put("Redraws", count(p.Redraws))
	if p.Posterior {
		s.text("Posterior of the effect", "by the same model, under weak priors")
	}
	if len(p.Subgroups) > 0 {
		s.text("Subgroups", list(p.Subgroups))
	}
	s.put("Imputed if more is missing than", number(float64(p.Missing.ImputeAbove), Share))
	s.put("Imputations", count(p.Missing.Imputations))
	if p.Missing.ByArm {
		s.text("Imputation", "each arm by a model of its own")
	}
	if len(p.Missing.Interactions) > 0 {
		s.text("Associations that may differ between arms when imputing", list(p.Missing.Interactions))
	}
	if len(p.Missing.Sensitivity) > 0 {
		s.text("Sensitivity to what is missing", list(p.Missing.Sensitivity))
	}
	if p.Multiplicity != "" {
		s.text("Adjustment of secondary outcomes’ p-values", p.Multiplicity)
	}
	for _, c := range p.PupilColumns {
		s.text("Column of pupils", c.Label+" ("+c.Kind+")")
	}
	s.write(w)
	w.small("These are the very settings that the analysis reads; the sentences are made from them, and cannot say something else.")
}
