package reports

import (
	"fmt"
	"strings"
)

// The checklists of CONSORT 2025 (doi 10.1136/bmj-2024-081123) and of its
// extension to cluster trials of 2012 (BMJ 345:e5661), item by item in our own
// words, filled in from the record. What no record can say is left to a person.

// item is a line of a checklist.
type item struct {
	number string
	asks   string
	says   func(*writer) string // from the record; "" where it says nothing yet
	where  []string             // tables, figures, parts
	left   string               // to a person; "" for nothing
}

func nothing(*writer) string { return "" }

func said(s string) func(*writer) string { return func(*writer) string { return s } }

// consort fills in CONSORT 2025.
func (w *writer) consort() {
	w.checklist("consort", "CONSORT checklist for randomised trials, filled in from the record", "CONSORT 2025, doi 10.1136/bmj-2024-081123.", consortItems)
}

// consortCluster fills in the extension to cluster trials.
func (w *writer) consortCluster() {
	if w.schoolsMeasured() {
		return // schools are the units themselves
	}
	w.checklist("consort-cluster", "CONSORT checklist for cluster trials, filled in from the record", "CONSORT 2010, extension to cluster trials, BMJ 2012;345:e5661: the items that it adds or words anew.", clusterItems)
}

func (w *writer) checklist(id, title, source string, items []item) {
	t := &Table{ID: id, Title: title, Foot: []string{source}, Columns: []Column{{Title: "Item"}, {Title: "What a reader looks for"}, {Title: "What the record says"}, {Title: "Where"}, {Title: "Left to a person"}}}
	for _, i := range items {
		record, where, left := absent("nothing"), absent("–"), absent("nothing")
		if text := i.says(w); text != "" {
			record = words(text)
		}
		if len(i.where) > 0 {
			where = ref(i.where...)
		}
		if i.left != "" {
			left = words(i.left)
		}
		t.Rows = append(t.Rows, Row{Cells: []*Cell{words(i.number), words(i.asks), record, where, left}})
	}
	w.table(t)
	w.small("The items are worded in short; the checklists themselves say more. An item whose last column says nothing is answered by the record alone.")
}

var consortItems = []item{
	{"1a", "That the trial was randomised, in the title", func(w *writer) string { return "Title: " + w.r.Title }, nil, "a title with the word “randomised”"},
	{"1b", "A structured summary", said("The main result in short"), []string{"part:summary"}, "design, methods and conclusion in words"},
	{"2", "Registry, number and date of registration", func(w *writer) string { return w.p.Trial.Registration }, nil, "the registry’s address and the date"},
	{"3", "Where protocol and analysis plan can be read", func(w *writer) string {
		if w.in.Provenance.ProtocolVersion == 0 {
			return ""
		}
		return fmt.Sprintf("Version %d of the protocol, which holds the plan, by its digest", w.in.Provenance.ProtocolVersion)
	}, []string{"digests"}, "a public address"},
	{"4", "Where data, code and codebook can be had", said("The audit bundle: de-identified data with their codebook, results, and programs that compute them again"), []string{"part:provenance"}, "who may have it, and where"},
	{"5a", "Who paid, and what part the funder had", func(w *writer) string { return prefixed("Funder: ", w.p.Trial.Contacts.Funder) }, nil, "the funder’s part in design, conduct, analysis and report"},
	{"5b", "Conflicts of interest", nothing, nil, "each author’s interests"},
	{"6", "Background, and why the trial was needed", nothing, nil, "the background"},
	{"7", "Aims: benefits and harms", (*writer).aim, nil, "harms that were to be looked for"},
	{"8", "How teachers, parents and pupils took part in planning it", nothing, nil, "who was asked, and what came of it"},
	{"9", "Type of trial, shares of the arms, framework", (*writer).designWords, []string{"design"}, ""},
	{"10", "Changes after the start, with reasons", func(w *writer) string {
		if len(w.in.Deviations) == 0 {
			return "None in the record"
		}
		return fmt.Sprintf("%d in the record", len(w.in.Deviations))
	}, []string{"deviation-list", "part:deviations", "not-run"}, ""},
	{"11", "Where the trial was held", func(w *writer) string {
		var names []string
		for _, r := range w.in.Regions {
			if r.Region != "" {
				names = append(names, r.Region)
			}
		}
		return prefixed("Schools of ", list(names))
	}, []string{"regions", "communities-figure"}, "what a reader must know of these schools"},
	{"12a", "Who could take part", func(w *writer) string {
		if w.schoolsMeasured() {
			return "Schools that kept every rule of eligibility"
		}
		return "Pupils on the roster of an eligible school when it was locked"
	}, []string{"eligibility"}, ""},
	{"12b", "Which schools, and which people to deliver it", (*writer).rulesWords, []string{"eligibility"}, ""},
	{"13", "What each arm got, so that it could be repeated", func(w *writer) string {
		var arms []string
		for _, a := range w.p.Arms {
			arms = append(arms, "“"+a.Label+"”")
		}
		return "Arms: " + list(arms) + sessionsWords(len(w.p.Delivery.Sessions))
	}, []string{"programme", "sessions"}, "what was done in the sessions, and what the control arm did"},
	{"14", "Outcomes: what, how and when measured", func(w *writer) string {
		var names []string
		for _, o := range w.p.Outcomes {
			name := o.Label
			if o.Primary {
				name += " (primary)"
			}
			names = append(names, name)
		}
		return list(names)
	}, []string{"outcomes"}, "how tests were given and marked"},
	{"15", "How harms were defined and found", nothing, nil, "harms, or why none were looked for"},
	{"16a", "How the size of the trial was set", func(w *writer) string {
		if w.p.Recruitment.Target == 0 {
			return ""
		}
		return fmt.Sprintf("%d schools wanted", w.p.Recruitment.Target)
	}, []string{"detectable"}, "why that effect was worth finding"},
	{"16b", "Interim looks and rules to stop", said("The plan has neither"), nil, ""},
	{"17a", "Who made the draw, and how", (*writer).drawerWords, []string{"acts", "digests"}, ""},
	{"17b", "Type of draw, and what restricted it", (*writer).methodWords, []string{"design"}, ""},
	{"18", "How the allocation was concealed until schools were in it", (*writer).concealment, []string{"acts"}, ""},
	{"19", "Whether those who recruited could know what would be drawn", (*writer).foreknowledge, []string{"acts", "ledger"}, "who recruited, and that they were not told"},
	{"20a", "Who was blind", func(w *writer) string {
		b := w.p.Trial.Blind
		if len(b.People) == 0 {
			return "Nobody is named as blind in the protocol"
		}
		return list(b.People) + ", until: " + b.Until
	}, nil, "whether testers and markers knew the arms"},
	{"20b", "How they were kept blind", func(w *writer) string {
		if len(w.p.Trial.Blind.People) == 0 {
			return ""
		}
		return "The program refuses them every view that tells an arm"
	}, nil, "how schools and testers were kept from telling"},
	{"21a", "Statistical methods", func(w *writer) string {
		return modelWords(w.p.Plan.Model) + "; degrees of freedom: " + dfWords(w.p.Plan.DF)
	}, []string{"part:primary", "plan-settings"}, ""},
	{"21b", "Who is in each analysis, and in which arm", said("Everybody randomised with the values that the model needs, in the arm that the school was drawn into"), []string{"flow"}, ""},
	{"21c", "What was done about missing data", (*writer).missingWords, []string{"part:sensitivity", "plan-settings"}, "why data may be missing"},
	{"21d", "Further analyses, and whether planned", func(w *writer) string {
		n := len(w.p.Plan.Subgroups)
		text := "Subgroups planned: none"
		if n > 0 {
			var names []string
			for _, s := range w.p.Plan.Subgroups {
				names = append(names, w.columnLabel(s))
			}
			text = "Subgroups planned: " + list(names)
		}
		return text + "; what was not planned is marked exploratory"
	}, []string{"subgroups", "robustness", "part:annex"}, ""},
	{"22a", "How many in each arm were drawn, took part, were analysed", flowWords, []string{"flow-figure", "flow", "taking-part"}, ""},
	{"22b", "Losses after the draw, with reasons", flowWords, []string{"flow", "attrition-rates"}, ""},
	{"23a", "Dates of recruitment and follow-up", func(w *writer) string {
		r := w.p.Recruitment
		if r.Opens == "" || r.Closes == "" {
			return ""
		}
		return "Recruitment planned from " + dateText(string(r.Opens)) + " to " + dateText(string(r.Closes))
	}, []string{"timeline"}, ""},
	{"23b", "Why the trial ended", func(w *writer) string {
		switch {
		case w.in.Stopped != nil:
			return "Stopped before its draw: " + w.in.Stopped.Reason
		case len(w.in.Results) > 0:
			return "The planned outcomes were analysed"
		}
		return ""
	}, []string{"part:stopped"}, ""},
	{"24a", "What was delivered, and who took it up", func(w *writer) string {
		if !w.in.Delivery.Recorded {
			return ""
		}
		return "Attendance at every session is recorded"
	}, []string{"sessions", "community-list", "taking-part"}, "how closely sessions kept to what was intended"},
	{"24b", "What else schools did meanwhile", nothing, nil, "other programmes in either arm"},
	{"25", "Baseline of each arm", resultWords("Of all randomised, and of those analysed"), []string{"balance-randomised", "balance-analysed"}, ""},
	{"26", "For each outcome: numbers, results of each arm, effect with its precision", resultWords("For every outcome of the protocol"), []string{"headline", "primary-scores", "primary-effect", "secondary-effects", "estimation"}, ""},
	{"27", "Harms in each arm", nothing, nil, "harms found, or that none were reported"},
	{"28", "Results of further analyses, planned or not", resultWords("Planned ones are with the results"), []string{"subgroups", "robustness", "shifts", "compliance", "part:annex"}, ""},
	{"29", "What it means, beside other evidence", nothing, nil, "the interpretation"},
	{"30", "Limitations: bias, imprecision, other schools", resultWords("Warnings stand as notes to the numbers"), []string{"attrition-rates"}, "the limitations"},
}

var clusterItems = []item{
	{"1a", "That schools were randomised, in the title", func(w *writer) string { return "Title: " + w.r.Title }, nil, "a title with “cluster randomised” or the like"},
	{"1b", "A summary that tells of clusters", said("The main result in short"), []string{"part:summary"}, "numbers of schools and pupils in the abstract"},
	{"2a", "Why whole schools were drawn", nothing, nil, "the reason"},
	{"2b", "Whether aims concern schools, pupils or both", func(w *writer) string { return "Outcomes are of " + w.p.Trial.Measured }, nil, ""},
	{"3a", "What a cluster is", func(w *writer) string { return "A " + w.p.Trial.Unit + ", drawn with all its pupils on the roster" }, []string{"design"}, ""},
	{"4a", "Which clusters could take part", (*writer).rulesWords, []string{"eligibility"}, ""},
	{"5", "At which level the programme works", func(w *writer) string {
		if len(w.p.Communities) > 0 {
			return "At that of schools, which meet in communities"
		}
		return "At that of schools"
	}, []string{"community-list"}, "who in a school does what"},
	{"6a", "At which level outcomes are measured", func(w *writer) string { return "Each outcome is of " + w.p.Trial.Measured }, []string{"outcomes"}, ""},
	{"7a", "Number of clusters, their sizes, the intra-cluster correlation and how sure it is", resultWords("Schools as listed; the correlation with its interval"), []string{"detectable", "primary-variance"}, ""},
	{"8b", "Strata or matched sets of clusters", (*writer).methodWords, []string{"design"}, ""},
	{"9", "That clusters were drawn, and from whom the draw was concealed", (*writer).concealment, []string{"acts"}, ""},
	{"10a", "Who drew, who recruited clusters, who told them", (*writer).drawerWords, []string{"acts"}, "who recruited"},
	{"10b", "How pupils came into the trial", said("All pupils on a school’s roster at the lock, before the draw; whoever joined later is counted and never analysed"), []string{"flow"}, ""},
	{"10c", "Whose consent was asked, and whether before the draw", func(w *writer) string {
		if len(w.p.Recruitment.Agreement) == 0 {
			return ""
		}
		return "Every school’s agreement was signed before the draw, by " + list(w.p.Recruitment.Agreement)
	}, []string{"eligibility"}, "what parents were told, and how they could object"},
	{"12a", "How the analysis allows for clusters", func(w *writer) string { return modelWords(w.p.Plan.Model) }, []string{"primary-variance"}, ""},
	{"13a", "Clusters drawn, treated and analysed in each arm", flowWords, []string{"flow-figure", "flow"}, ""},
	{"13b", "Losses of clusters and of pupils, with reasons", flowWords, []string{"flow", "attrition-rates"}, ""},
	{"15", "Baseline of clusters and of pupils", resultWords("At both levels"), []string{"balance-randomised", "balance-analysed"}, ""},
	{"16", "Clusters in each analysis", resultWords("With every estimate"), []string{"headline", "secondary-effects"}, ""},
	{"17a", "Results by level, and the correlation of each primary outcome", resultWords("By arm, with variances of both levels"), []string{"primary-scores", "primary-variance"}, ""},
	{"21", "To which schools and pupils the finding applies", nothing, []string{"regions"}, "how far it reaches"},
}

func prefixed(before, text string) string {
	if text == "" {
		return ""
	}
	return before + text
}

// flowWords is there once schools have been drawn, resultWords once they have
// been analysed.
func flowWords(w *writer) string {
	if len(w.in.Flow.Arms) == 0 {
		return ""
	}
	return "Counted from the ledger, at both levels"
}

func resultWords(text string) func(*writer) string {
	return func(w *writer) string {
		if len(w.in.Results) == 0 {
			return ""
		}
		return text
	}
}

func (w *writer) aim() string {
	o := w.p.PrimaryOutcome()
	control := w.p.ControlArm()
	if o == nil || control < 0 {
		return ""
	}
	var arms []string
	for i, a := range w.p.Arms {
		if i != control {
			arms = append(arms, "“"+a.Label+"”")
		}
	}
	return "Whether " + list(arms) + " rather than “" + w.p.Arms[control].Label + "” changes " + o.Label
}

func (w *writer) designWords() string {
	var shares []string
	for _, a := range w.p.Arms {
		shares = append(shares, fmt.Sprint(a.Weight))
	}
	return fmt.Sprintf("%d parallel arms of %ss in the ratio %s; superiority, two-sided", len(w.p.Arms), w.p.Trial.Unit, strings.Join(shares, " to "))
}

func (w *writer) rulesWords() string {
	var rules []string
	for _, r := range w.p.Recruitment.Eligible {
		rules = append(rules, r.Text)
	}
	for _, l := range w.p.Recruitment.Leaders {
		rules = append(rules, fmt.Sprintf("%d × %s named", l.Count, l.Role))
	}
	return strings.Join(rules, "; ")
}

func sessionsWords(n int) string {
	if n == 0 {
		return ""
	}
	return fmt.Sprintf("; %d %s", n, some(n, "session", "sessions"))
}

func (w *writer) drawerWords() string {
	v := w.in.Provenance
	if v.Drawn.At.IsZero() {
		return ""
	}
	return list(v.Drawn.People) + ", by " + v.Rule + " of the drawing rule, from " + v.ChanceSource
}

func (w *writer) methodWords() string {
	text := w.p.Draw.Method
	if len(w.p.Strata) > 0 {
		text += ", within strata of " + list(w.p.Strata) + "; schools left over: " + w.p.Draw.Misfits
	}
	for _, c := range w.p.Communities {
		text += fmt.Sprintf("; communities of %d to %d in “%s”, %s", c.Size.Min, c.Size.Max, w.label(c.Arm), howWords(c))
	}
	return capital(text)
}

func (w *writer) concealment() string {
	v := w.in.Provenance
	if v.Drawn.At.IsZero() || v.Locked.At.IsZero() {
		return ""
	}
	return "All " + w.p.Trial.Unit + "s were drawn at one moment, " + Moment(v.Drawn.At) + ", after the roster was locked on " + Moment(v.Locked.At) + "; before that moment there was no allocation"
}

func (w *writer) foreknowledge() string {
	if w.in.Provenance.Drawn.At.IsZero() {
		return ""
	}
	if w.p.Draw.Chance == "local" || w.p.Draw.Chance == "" {
		return "There was no list to see: chance was read at the draw, on the operator’s word that it was the first"
	}
	return "There was no list to see: chance did not exist, or was sealed, until the roster was locked and the draw committed"
}

func (w *writer) missingWords() string {
	m := w.p.Plan.Missing
	if m.Imputations == 0 {
		return "Complete cases"
	}
	text := fmt.Sprintf("Complete cases; above %s missing also %d imputations", Share.Write(float64(m.ImputeAbove)), m.Imputations)
	if len(m.Sensitivity) > 0 {
		text += "; sensitivity by " + list(m.Sensitivity)
	}
	return text
}

// columnLabel names a column of the pupil file.
func (w *writer) columnLabel(id string) string {
	for _, c := range w.p.Plan.PupilColumns {
		if c.ID == id && c.Label != "" {
			return c.Label
		}
	}
	return id
}
