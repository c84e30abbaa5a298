package reports

import (
	"fmt"
	"math"
	"regexp"
	"slices"
	"strconv"
	"strings"

	"evenhand/analysis/power"
	"evenhand/analysis/sap"
	"evenhand/reports/disclosure"
	"evenhand/reports/figure"
	"evenhand/trial"
)

// Released says what was done to a report so that it may be published.
type Released struct {
	Rule   string              `json:"rule"`   // its name, e.g. "srs10"
	Merged []string            `json:"merged"` // reasons for a loss that stand as one row
	Hidden []disclosure.Hidden `json:"hidden"` // counts, with why
	Others []Withheld          `json:"others"` // what is not a count: percentages, means, pictures, texts
	Ranges []disclosure.Range  `json:"ranges"` // what can be worked out about each hidden count
	Record disclosure.Earlier  `json:"-"`      // what a later release needs; never published
	Counts struct {
		Shown int `json:"shown"`
		Of    int `json:"of"`
	} `json:"counts"` // counts of pupils shown, of all that the report has
}

// Withheld is a part of a report, other than a count, that a release leaves out.
type Withheld struct {
	What string `json:"what"`
	Why  string `json:"why"`
}

// ReleaseError says why a report cannot be released.
type ReleaseError struct{ Faults []string }

func (e *ReleaseError) Error() string {
	return "the report cannot be released: " + strings.Join(e.Faults, "; ")
}

// Release builds the report that may be published: no count of pupils under
// the rule's threshold stands in it or can be worked out from everything in it
// and in the earlier releases. Counts of schools are public and stay. Small
// reasons for a loss become one row where that is enough; what is small still
// is marked, and so is what would give it away. Percentages, means and pictures
// that rest on hidden counts are left out, and numbers keep only the digits
// that are shown: a mean with all its digits tells of how many it is the mean.
func Release(in Input, name string, rule disclosure.Rule, earlier ...disclosure.Earlier) (*Report, *Released, error) {
	return ReleaseFrom(in, nil, name, rule, earlier...)
}

// ReleaseFrom is Release for the document that a template describes (nil: that
// which Build writes). Everything
// that any document may show is protected together, whatever this one shows: the
// next one that is published will show the rest.
func ReleaseFrom(in Input, t *Template, name string, rule disclosure.Rule, earlier ...disclosure.Earlier) (*Report, *Released, error) {
	if rule.Threshold < 2 {
		return nil, nil, &ReleaseError{[]string{fmt.Sprintf("a threshold of %d hides nothing", rule.Threshold)}}
	}
	if err := in.check(); err != nil {
		return nil, nil, err
	}
	if t == nil {
		var err error
		if t, err = in.template(); err != nil {
			return nil, nil, err
		}
	}
	joined, merged := mergeReasons(in, rule)
	joined.released = true
	report, err := compose(joined)
	if err != nil {
		return nil, nil, err
	}
	x := &releaser{in: in, joined: joined, merged: merged, rule: rule, r: report,
		at: map[string]int{}, shows: map[*Cell]int{}, rests: map[*Cell][]int{}, why: map[*Cell]string{}, public: map[*Cell]bool{},
		out: &Released{Rule: name, Merged: merged, Hidden: []disclosure.Hidden{}, Others: []Withheld{}, Ranges: []disclosure.Range{}}}
	if merged == nil {
		x.out.Merged = []string{}
	}
	if err := x.system(); err != nil {
		return nil, nil, err
	}
	result, err := disclosure.Protect(x.sys, rule, earlier...)
	if err != nil {
		return nil, nil, fmt.Errorf("release the report: %w", err)
	}
	x.apply(result)
	report, err = arrange(joined, report, t)
	if err != nil {
		return nil, nil, err
	}
	report.LeftOut = "It is left out of the released report, or joined with others."
	return report, x.out, nil
}

// otherReasons is the row that small reasons are joined in.
const otherReasons = "other reasons, joined so that no count is small"

// mergeReasons joins reasons for a loss of pupils that are small in some arm,
// and then the least of the others, until the joined row is small in no arm.
// Where that would take all of them, or there is nothing to join, the reasons
// stay as they are.
func mergeReasons(in Input, rule disclosure.Rule) (Input, []string) {
	var reasons []string
	total := map[string]int{}
	small := map[string]bool{}
	for _, a := range in.Flow.Arms {
		for _, c := range a.Pupils.Lost {
			if !contains(reasons, c.What) {
				reasons = append(reasons, c.What)
			}
			total[c.What] += c.N
			small[c.What] = small[c.What] || rule.Small(c.N)
		}
	}
	order := slices.Clone(reasons)
	for _, r := range reasons {
		small[r] = small[r] || rule.Small(total[r])
	}
	slices.SortStableFunc(order, func(x, y string) int {
		if small[x] != small[y] {
			if small[x] {
				return -1
			}
			return 1
		}
		return total[x] - total[y]
	})
	first := 0
	for _, r := range reasons {
		if small[r] {
			first++
		}
	}
	if first == 0 {
		return in, nil
	}
	for n := max(first, 2); n <= len(order); n++ {
		if n == len(order) && n != first {
			return in, nil
		}
		set, good, all := order[:n], true, 0
		for _, a := range in.Flow.Arms {
			sum := 0
			for _, c := range a.Pupils.Lost {
				if contains(set, c.What) {
					sum += c.N
				}
			}
			all += sum
			good = good && !rule.Small(sum)
		}
		if good && !rule.Small(all) {
			in.Flow.Arms = slices.Clone(in.Flow.Arms)
			for i := range in.Flow.Arms {
				a := &in.Flow.Arms[i]
				a.Schools.Lost, a.Pupils.Lost = join(a.Schools.Lost, set), join(a.Pupils.Lost, set)
			}
			return in, slices.Clone(set)
		}
	}
	return in, nil
}

func join(lost []trial.Count, set []string) []trial.Count {
	var out []trial.Count
	n := 0
	for _, c := range lost {
		if contains(set, c.What) {
			n += c.N
		} else {
			out = append(out, c)
		}
	}
	return append(out, trial.Count{What: otherReasons, N: n})
}

// suppressed stands in place of what is hidden; the brackets make it a mark in
// a sentence too, where pupils are nothing of the kind.
const suppressed = "[suppressed]"

// releaser turns a report into its released form.
type releaser struct {
	in     Input // as it is
	joined Input // with reasons joined: what the report was built from
	merged []string
	rule   disclosure.Rule
	r      *Report
	sys    disclosure.System
	at     map[string]int
	shows  map[*Cell]int    // cells that show a count
	rests  map[*Cell][]int  // cells that rest on counts
	why    map[*Cell]string // cells that are left out whatever the counts
	bins   map[string][]int // the bars of histograms, by measure, and how many are in all of them
	hidden map[int]bool     // counts that do not stand in the report as they are
	public map[*Cell]bool   // cells that count no pupil
	out    *Released
	faults []string
}

// count adds a count to the system, once.
func (x *releaser) count(key, label string, value int, shown bool, cost int) int {
	if i, ok := x.at[key]; ok {
		if x.sys.Cells[i].Value != value {
			x.faults = append(x.faults, fmt.Sprintf("%s is %d in one place and %d in another", label, x.sys.Cells[i].Value, value))
		}
		x.sys.Cells[i].Shown = x.sys.Cells[i].Shown || shown
		return i
	}
	x.at[key] = len(x.sys.Cells)
	x.sys.Cells = append(x.sys.Cells, disclosure.Cell{Key: key, Label: label, Value: value, Shown: shown, Cost: cost})
	return x.at[key]
}

// like gives the count with one of the keys if it has the value: the same
// number twice is one count to whoever reads both. Otherwise it adds a new one.
func (x *releaser) like(value int, key, label string, cost int, keys ...string) int {
	for _, k := range keys {
		if i, ok := x.at[k]; ok && x.sys.Cells[i].Value == value {
			x.sys.Cells[i].Shown = true
			return i
		}
	}
	return x.count(key, label, value, true, cost)
}

func (x *releaser) value(i int) int { return x.sys.Cells[i].Value }

func (x *releaser) sum(total int, parts ...int) {
	x.sys.Sums = append(x.sys.Sums, disclosure.Sum{Total: total, Parts: parts})
}

// rest adds the part of a whole that stands nowhere: whole = part + rest. It
// says whether there is one.
func (x *releaser) rest(whole, part int, key, label string) (int, bool) {
	d := x.value(whole) - x.value(part)
	if whole == part || d < 0 {
		return -1, false
	}
	i := x.count(key, label, d, false, 0)
	x.sum(whole, part, i)
	return i, true
}

func (x *releaser) table(id string) *Table {
	for _, t := range x.r.Tables() {
		if t.ID == id {
			return t
		}
	}
	return nil
}

// show says that a cell shows a count.
func (x *releaser) show(c *Cell, count int) {
	if c.Kind != Number {
		return
	}
	if c.Value != float64(x.value(count)) {
		x.faults = append(x.faults, fmt.Sprintf("cell %s shows %v, but %s is %d", c.key, c.Value, x.sys.Cells[count].Label, x.value(count)))
	}
	x.shows[c] = count
}

// derive says that a cell rests on counts: it is left out if one is hidden.
func (x *releaser) derive(c *Cell, counts ...int) { x.rests[c] = append(x.rests[c], counts...) }

// leave says that a cell is left out.
func (x *releaser) leave(c *Cell, why string) {
	if c.Kind == Number {
		x.why[c] = why
	}
}

// linked are the tables with counts of pupils that the system below links;
// pupilless those that count no pupil; safe are the pictures that are drawn from
// them. What is not named here has not been thought through, and a release leaves
// it out. A count in a linked table that is linked to nothing stops the release.
var (
	linked = []string{
		"headline", "flow", "detectable", "attrition-rates",
		"balance-randomised", "balance-analysed", "primary-scores", "primary-effect",
		"primary-scales", "primary-variance", "primary-model", "secondary-effects",
		"estimation", "robustness", "shifts", "compliance",
		"adjusted", "community-list", "community-schools",
		"every-estimate", "attrition-steps", "attrition-margins",
	}
	pupilless = []string{
		"design", "stages", "exits", "regions", "drawn", "taking-part", "not-run", "imputation", "sampler",
		"sessions", "deviation-list", "outside-runs", "digests", "acts", "ledger", "end",
		"about", "eligibility", "settings", "programme", "outcomes", "publication",
		"secondary-list", "subgroup-list", "missing-settings", "further-settings",
		"plan-settings", "timeline", "consort", "consort-cluster", "draw-record",
		"attrition-time", "dose", "posterior", "posterior-exceeds",
	}
	safe = []string{
		"flow-figure", "stages-figure", "detectable-figure", "attrition-figure",
		"balance-figure", "effects-figure", "means-figure", "scales-figure",
		"communities-figure", "draw-figure", "progress-figure", "scores-figure",
		"every-figure", "met-figure", "dose-figure", "posterior-figure", "schools-figure",
	}
)

// leaveUnknown leaves out the tables and pictures that are not linked.
func (x *releaser) leaveUnknown() {
	const unlinked = "it is not linked with the other tables, so that nobody can say what it would give away"
	for s := range x.r.Sections {
		blocks := x.r.Sections[s].Blocks
		for b := range blocks {
			what, title, why := "", "", unlinked
			if t := blocks[b].Table; t != nil && strings.HasPrefix(t.ID, "recipe-") {
				why = "its numbers have all their digits, which tell of how many pupils they are the mean"
			}
			if t := blocks[b].Table; t != nil {
				for i := range t.Rows {
					t.Rows[i].Recipe = nil
				}
			}
			if t := blocks[b].Table; t != nil && !contains(linked, t.ID) && !contains(pupilless, t.ID) {
				what, title = "table "+t.ID, t.Title
				for _, row := range t.Rows {
					for _, c := range row.Cells { // sentences may show them
						c.Kind, c.Text, c.Value = Absent, suppressed, 0
					}
				}
			} else if f := blocks[b].Figure; f != nil && !contains(safe, f.ID) {
				what, title = "figure "+f.ID, f.Title
			}
			if what != "" {
				x.out.Others = append(x.out.Others, Withheld{what, why})
				blocks[b] = Block{Gap: &Gap{What: title, Why: "It is left out of the released report: " + why + "."}}
			}
		}
	}
}

func (x *releaser) system() error {
	x.leaveUnknown()
	if x.in.Protocol.Trial.Measured != "schools" {
		x.flow()
		x.attritionCells()
		x.detectableCells()
		x.outcomes()
		x.estimation()
		x.baseline()
		x.histograms()
		x.estimates()
	}
	x.communityCells()
	// A count that nothing above knows of must not slip through.
	for _, t := range x.r.Tables() {
		if !contains(linked, t.ID) || x.in.Protocol.Trial.Measured == "schools" {
			continue
		}
		for _, row := range t.Rows {
			for k, c := range row.Cells {
				_, known := x.shows[c]
				_, left := x.why[c]
				if c.Kind == Number && c.Format == Count && !known && !left && len(x.rests[c]) == 0 && !x.public[c] && !strings.HasPrefix(t.Columns[k].Title, "Schools") && !strings.HasPrefix(row.Cells[0].Text, "Schools: ") && row.Cells[0].Text != "Schools" {
					x.faults = append(x.faults, fmt.Sprintf("cell %s, %s, counts something and is linked to nothing", c.key, t.Columns[k].Title))
				}
			}
		}
	}
	if len(x.faults) > 0 {
		return &ReleaseError{x.faults}
	}
	return nil
}

// flow links the flow of pupils: randomised = lost + analysed, lost = the sum
// of its reasons, and the arms add to all.
func (x *releaser) flow() {
	arms := x.joined.Flow.Arms
	t := x.table("flow")
	if len(arms) == 0 || t == nil {
		return
	}
	var shown []string
	for _, a := range arms {
		for _, l := range [][]trial.Count{a.Schools.Lost, a.Pupils.Lost} {
			for _, c := range l {
				if !contains(shown, c.What) {
					shown = append(shown, c.What)
				}
			}
		}
	}
	lostFor := func(lost []trial.Count, reason string) int {
		n := 0
		for _, c := range lost {
			if c.What == reason {
				n += c.N
			}
		}
		return n
	}
	parts := map[string][]int{} // of the totals
	var kinds []string
	set := func(arm, label, kind string, value, cost, row, col int) int {
		i := x.count("flow/"+arm+"/"+kind, label+": "+kind, value, true, cost)
		x.show(t.Rows[row].Cells[col], i)
		if !contains(kinds, kind) {
			kinds = append(kinds, kind)
		}
		parts[kind] = append(parts[kind], i)
		return i
	}
	last := len(t.Rows) - 1
	for k, a := range arms {
		p, col := a.Pupils, 2+2*k
		r := set(a.Arm, a.Label, "randomised", p.Randomised, 8, 0, col)
		x.sys.Cells[r].Keep = true
		w := set(a.Arm, a.Label, "left the programme", p.WithdrewProgramme, 0, 1, col)
		x.rest(r, w, "flow/"+a.Arm+"/stayed", a.Label+": stayed in the programme")
		lost := 0
		for _, c := range p.Lost {
			lost += c.N
		}
		l := set(a.Arm, a.Label, "not analysed", lost, 3, 2, col)
		var reasons []int
		for i, reason := range shown {
			m := set(a.Arm, a.Label, "not analysed, "+reason, lostFor(p.Lost, reason), 1, 3+i, col)
			reasons = append(reasons, m)
			if reason == otherReasons {
				var inside []int
				for _, was := range x.merged {
					inside = append(inside, x.count("flow/"+a.Arm+"/not analysed, "+was, a.Label+": not analysed, "+was, lostFor(x.in.Flow.Arms[k].Pupils.Lost, was), false, 0))
				}
				x.sum(m, inside...)
			}
		}
		x.sum(l, reasons...)
		n := set(a.Arm, a.Label, "analysed", p.Analysed, 3, last-1, col)
		x.sum(r, l, n)
		set(a.Arm, a.Label, "joined later", p.Joiners, 0, last, col)
		if p.Analysed < x.rule.Threshold && len(x.in.Results) > 0 {
			x.faults = append(x.faults, fmt.Sprintf("the arm “%s” has fewer than %d pupils in the analysis, so no estimate may be published", a.Label, x.rule.Threshold))
		}
	}
	col := 2 + 2*len(arms)
	whole := map[string]int{}
	for _, kind := range kinds {
		n := 0
		for _, i := range parts[kind] {
			n += x.value(i)
		}
		cost := x.sys.Cells[parts[kind][0]].Cost + 1
		i := x.count("flow/all/"+kind, "all arms: "+kind, n, true, cost)
		x.sum(i, parts[kind]...)
		whole[kind] = i
		row := map[string]int{"randomised": 0, "left the programme": 1, "not analysed": 2, "analysed": last - 1, "joined later": last}
		at, ok := row[kind]
		if !ok {
			at = 3 + slices.Index(shown, strings.TrimPrefix(kind, "not analysed, "))
		}
		x.show(t.Rows[at].Cells[col], i)
	}
	x.sys.Cells[whole["randomised"]].Keep = true
	x.sum(whole["randomised"], whole["not analysed"], whole["analysed"])
	var reasons []int
	for _, reason := range shown {
		reasons = append(reasons, whole["not analysed, "+reason])
	}
	x.sum(whole["not analysed"], reasons...)
}

// detectableCells links the pupils randomised and analysed with the flow's.
// Those with free school meals are linked with nothing: their numbers, and the
// mean size and its spread that would give them away, are left out; what the
// protocol expects is no count of anybody.
func (x *releaser) detectableCells() {
	t := x.table("detectable")
	if t == nil {
		return
	}
	const why = "their number is linked with no other table"
	for col, s := range x.in.Detectable {
		if s.Stage == power.AtProtocol { // what was planned counts nobody
			for _, row := range t.Rows {
				x.public[row.Cells[1+col]] = true
			}
			continue
		}
		kind := map[string]string{power.AtRandomisation: "randomised", power.AtAnalysis: "analysed"}[s.Stage]
		for _, row := range t.Rows {
			name, c := row.Cells[0].Text, row.Cells[1+col]
			var of []string // the flow's counts that the cell is, or rests on
			for _, a := range x.in.Flow.Arms {
				if rest := strings.HasPrefix(name, "Average cluster size") || strings.HasPrefix(name, "Cluster sizes"); rest || name == "Pupils: total" || name == "Pupils: control" && a.Control || name == "Pupils: intervention" && !a.Control {
					of = append(of, "flow/"+a.Arm+"/"+kind)
				}
			}
			if of == nil || c.Kind != Number {
				if strings.HasPrefix(name, "Pupils: ") { // of an arm that the flow has under another name
					x.leave(c, why)
				}
				continue
			}
			if name == "Pupils: total" {
				of = []string{"flow/all/" + kind}
			}
			i, ok := x.at[of[0]]
			exact := ok && len(of) == 1 && float64(x.value(i)) == c.Value
			switch {
			case s.Group != power.Overall || !ok:
				x.leave(c, why)
			case strings.HasPrefix(name, "Pupils: ") && exact:
				x.show(c, i)
			case strings.HasPrefix(name, "Pupils: "):
				x.leave(c, why)
			default:
				for _, k := range of {
					x.derive(c, x.at[k])
				}
			}
		}
	}
}

// armOf gives the ID under which the flow knows an arm.
func (x *releaser) armOf(name string) string {
	for _, a := range x.in.Flow.Arms {
		if a.Arm == name || a.Label == name {
			return a.Arm
		}
	}
	w := writer{in: x.in, p: x.in.Protocol}
	label := w.label(name)
	for _, a := range x.in.Flow.Arms {
		if w.label(a.Arm) == label {
			return a.Arm
		}
	}
	return name
}

// attritionCells links the table of attrition to the flow.
func (x *releaser) attritionCells() {
	t := x.table("attrition-rates")
	if t == nil || len(t.Columns) < 3 {
		return
	}
	var every []int
	for k, a := range x.in.Flow.Arms {
		l, n := x.at["flow/"+a.Arm+"/not analysed"], x.at["flow/"+a.Arm+"/analysed"]
		x.show(t.Rows[3*k].Cells[2], x.at["flow/"+a.Arm+"/randomised"])
		x.show(t.Rows[3*k+1].Cells[2], n)
		x.derive(t.Rows[3*k+2].Cells[2], l, n)
		every = append(every, l, n)
	}
	rest := t.Rows[3*len(x.in.Flow.Arms):]
	for k, row := range rest {
		c := row.Cells[2]
		x.derive(c, x.at["flow/all/not analysed"], x.at["flow/all/analysed"])
		if k > 0 { // the difference between the arms, the boundaries and how it lies to them
			x.derive(c, every...)
		}
	}
}

// outcomes links the pupils that estimates use and the table of scores.
func (x *releaser) outcomes() {
	if len(x.in.Results) == 0 {
		return
	}
	used := func(t *Table, row, col int, outcome string, n int) {
		if t == nil || row >= len(t.Rows) || t.Rows[row].Cells[col].Kind != Number {
			return
		}
		i := x.like(n, "used/"+outcome, "pupils used for "+outcome, 2, "flow/all/analysed")
		x.show(t.Rows[row].Cells[col], i)
		if all, ok := x.at["flow/all/randomised"]; ok && !strings.HasPrefix(x.sys.Cells[i].Key, "flow/") {
			x.rest(all, i, "used/"+outcome+"/missing", "pupils without "+outcome)
		}
		if n < x.rule.Threshold {
			x.faults = append(x.faults, fmt.Sprintf("the estimate of %s uses fewer than %d pupils", outcome, x.rule.Threshold))
		}
	}
	second := 0
	for k := range x.in.Results {
		r := &x.in.Results[k]
		for j, c := range r.Contrasts {
			key := r.Plan.Outcome
			if len(r.Contrasts) > 1 {
				key += "/" + x.armOf(c.Arm)
			}
			if k == 0 {
				used(x.table("headline"), j, 5, key, c.EffectSize.Counts.PupilsUsed)
				x.padlocks(j)
				continue
			}
			used(x.table("secondary-effects"), second, 6, key, c.EffectSize.Counts.PupilsUsed)
			second++
		}
	}
	t := x.table("primary-scores")
	if t == nil {
		return
	}
	for k, a := range x.in.Results[0].Arms {
		arm := x.armOf(a.Arm)
		row := t.Rows[k].Cells
		n := x.like(a.N, "scores/"+arm+"/n", a.Arm+": pupils with a score", 2, "flow/"+arm+"/analysed")
		m := x.like(a.Missing, "scores/"+arm+"/missing", a.Arm+": pupils without a score", 1, "flow/"+arm+"/not analysed")
		x.show(row[2], n)
		x.show(row[3], m)
		if all, ok := x.at["flow/"+arm+"/randomised"]; ok && x.value(all) == a.N+a.Missing {
			x.sum(all, n, m)
		}
		if in, ok := x.at["flow/"+arm+"/analysed"]; ok {
			if d, some := x.rest(n, in, "scores/"+arm+"/not used", a.Arm+": pupils with a score who are not analysed"); some && x.rule.Small(x.value(d)) {
				// the arm's mean and the mean of those analysed would give away the few
				x.leaveMeans(row[4:8], "it differs from that of those analysed by fewer pupils than may be published")
			}
		}
		if a.N < x.rule.Threshold {
			x.leaveMeans(row[4:8], fmt.Sprintf("fewer than %d pupils", x.rule.Threshold))
		}
		for _, c := range row[4:8] {
			x.moves(c, n)
		}
	}
	if t := x.table("primary-effect"); t != nil {
		for _, row := range t.Rows {
			if strings.HasPrefix(row.Cells[0].Text, "Unadjusted difference") {
				for _, a := range x.in.Flow.Arms {
					x.moves(row.Cells[1], x.at["flow/"+a.Arm+"/analysed"])
				}
			}
		}
	}
}

// histograms links the bars of the picture of scores, joined until each holds
// enough pupils, to the number of pupils in all of them.
func (x *releaser) histograms() {
	scores, baseline := x.table("primary-scores"), x.table("balance-randomised")
	if len(x.in.Results) == 0 || scores == nil {
		return
	}
	r := &x.in.Results[0]
	before, after := x.in.tallies(x.rule.Threshold)
	x.bins = map[string][]int{}
	add := func(measure, arm string, h tally, n *Cell) {
		var parts []int
		for i, k := range h.n {
			c := x.count(fmt.Sprintf("histogram/%s/%s/%v to %v", measure, arm, h.edges[i], h.edges[i+1]), fmt.Sprintf("%s, %s: from %v to %v", arm, measure, h.edges[i], h.edges[i+1]), k, true, 0)
			parts = append(parts, c)
		}
		x.bins[measure] = append(x.bins[measure], parts...)
		if n == nil {
			return
		}
		if total, ok := x.shows[n]; ok && len(parts) > 0 {
			x.bins[measure] = append(x.bins[measure], total)
			if x.value(total) == sum(h.n) {
				x.sum(total, parts...)
			} else {
				x.faults = append(x.faults, fmt.Sprintf("%s, %s: %d scores in the picture, %d in the table", arm, measure, sum(h.n), x.value(total)))
			}
		}
	}
	for i, s := range x.in.Scores {
		k := slices.IndexFunc(r.Arms, func(a sap.ArmSummary) bool { return x.armOf(a.Arm) == x.armOf(s.Arm) })
		if k < 0 {
			continue
		}
		add("after", x.armOf(s.Arm), after[i], scores.Rows[k].Cells[2])
		var n *Cell
		if baseline != nil {
			at := 0
			for _, b := range r.Balance {
				if b.Set != "randomised" {
					continue
				}
				if b.Variable == "baseline" && b.Level != "school" {
					n = baseline.Rows[at].Cells[1+4*k]
				}
				at++
			}
		}
		add("before", x.armOf(s.Arm), before[i], n)
	}
}

func sum(n []int) int {
	all := 0
	for _, k := range n {
		all += k
	}
	return all
}

// estimates leaves subgroups out of the table of every estimate: how many
// pupils they rest on is not linked.
func (x *releaser) estimates() {
	if t := x.table("every-estimate"); t != nil {
		for _, row := range t.Rows {
			if row.Inset {
				x.leaveMeans(row.Cells[1:], "how many pupils the subgroup has is not linked with the other tables")
			}
		}
	}
}

// padlocks says that a row's padlocks rest on how many pupils were lost.
func (x *releaser) padlocks(row int) {
	t := x.table("headline")
	if t == nil || row >= len(t.Rows) {
		return
	}
	for k, c := range t.Columns {
		if !strings.HasPrefix(c.Title, "Padlocks") {
			continue
		}
		x.derive(t.Rows[row].Cells[k], x.at["flow/all/not analysed"], x.at["flow/all/analysed"])
		for _, a := range x.in.Flow.Arms {
			x.derive(t.Rows[row].Cells[k], x.at["flow/"+a.Arm+"/not analysed"], x.at["flow/"+a.Arm+"/analysed"])
		}
	}
}

// estimation links the table of variances: in every arm and for every outcome
// those with a score and those without are all randomised, and those that the
// model used are part of those with a score.
func (x *releaser) estimation() {
	t := x.table("estimation")
	if t == nil {
		return
	}
	row := 0
	for k := range x.in.Results {
		r := &x.in.Results[k]
		label := func(name string) string { return (&writer{in: x.in, p: x.in.Protocol}).label(name) }
		counts := map[string][2]int{} // n and missing, by arm
		for _, a := range r.Arms {
			arm := x.armOf(a.Arm)
			base := "scores/" + arm
			if k > 0 {
				base = "scores/" + r.Plan.Outcome + "/" + arm
			}
			what := a.Arm + ", " + r.Plan.Outcome
			n := x.like(a.N, base+"/n", what+": pupils with a score", 2, "flow/"+arm+"/analysed", "scores/"+arm+"/n")
			m := x.like(a.Missing, base+"/missing", what+": pupils without a score", 1, "flow/"+arm+"/not analysed", "scores/"+arm+"/missing")
			if all, ok := x.at["flow/"+arm+"/randomised"]; ok && x.value(all) == a.N+a.Missing {
				x.sum(all, n, m)
			}
			counts[label(a.Arm)] = [2]int{n, m}
		}
		if len(r.Contrasts) == 1 && len(r.Arms) == 2 {
			total, parts := 0, []int{}
			for _, a := range r.Arms {
				n := counts[label(a.Arm)][0]
				total, parts = total+x.value(n), append(parts, n)
			}
			used := r.Contrasts[0].EffectSize.Counts.PupilsUsed
			i, ok := x.at["used/"+r.Plan.Outcome]
			if !ok {
				i, ok = x.at["flow/all/analysed"]
				ok = ok && x.value(i) == used
			}
			if ok && used == total {
				x.sum(i, parts...)
			} else {
				all := x.count("scores/"+r.Plan.Outcome+"/all", r.Plan.Outcome+": pupils with a score", total, false, 0)
				x.sum(all, parts...)
				if ok {
					x.rest(all, i, "scores/"+r.Plan.Outcome+"/not used", r.Plan.Outcome+": pupils with a score that the model could not use")
				}
			}
		}
		for _, c := range r.Contrasts {
			if row >= len(t.Rows) {
				return
			}
			cells := t.Rows[row].Cells
			row++
			x.moves(cells[1], counts[label(c.Arm)][0])
			x.moves(cells[1], counts[label(c.Against)][0])
			pooled := ""
			for side, arm := range []string{label(c.Arm), label(c.Against)} {
				at, of := 3+3*side, counts[arm]
				x.show(cells[at], of[0])
				x.show(cells[at+1], of[1])
				x.moves(cells[at+2], of[0])
				x.moves(cells[9], of[0])
				why := ""
				if x.value(of[0]) < x.rule.Threshold {
					why = fmt.Sprintf("fewer than %d pupils", x.rule.Threshold)
				} else if scores := x.table("primary-scores"); k == 0 && scores != nil {
					for _, line := range scores.Rows {
						if line.Cells[0].Text == arm && len(line.Cells) > 4 {
							why = x.why[line.Cells[4]] // the mean over the same pupils
						}
					}
				}
				if why != "" {
					x.leave(cells[at+2], why)
					pooled = why
				}
			}
			if pooled != "" {
				x.leave(cells[9], pooled)
			}
		}
	}
}

func (x *releaser) leaveMeans(cells []*Cell, why string) {
	for _, c := range cells {
		x.leave(c, why)
	}
}

// moves says that a cell is a mean over a count: two releases of it must not
// differ by a few pupils.
func (x *releaser) moves(c *Cell, count int) { x.rests[c] = append(x.rests[c], -1-count) }

// baseline links the tables of balance: in every arm and set, n + missing make
// the flow's count, a category is part of n, and those analysed are part of
// those randomised.
func (x *releaser) baseline() {
	if len(x.in.Results) == 0 {
		return
	}
	r := &x.in.Results[0]
	type place struct{ variable, category, arm string }
	counts := map[string]map[place][]int{} // n, missing; or of a category: k, the others
	sizes := map[string]map[place]int{}
	var places []place
	categories := map[string][]int{} // of a variable, arm and set that name their categories
	whole := map[string]int{}
	for _, set := range []string{"randomised", "analysed"} {
		t := x.table("balance-" + set)
		if t == nil {
			continue
		}
		counts[set], sizes[set] = map[place][]int{}, map[place]int{}
		at := 0
		for _, b := range r.Balance {
			if b.Set != set {
				continue
			}
			row := t.Rows[at].Cells
			at++
			if b.Level == "school" {
				for _, c := range row {
					x.public[c] = true
				}
				continue
			}
			effect := row[len(row)-1]
			for k, a := range r.Arms {
				var j = slices.IndexFunc(b.Arms, func(y sap.ArmBalance) bool { return y.Arm == a.Arm })
				if j < 0 {
					continue
				}
				of, arm := b.Arms[j], x.armOf(a.Arm)
				cells := row[1+4*k : 5+4*k]
				base := "baseline/" + b.Variable + "/" + arm + "/" + set
				label := a.Arm + ", " + b.Variable + ", " + set
				if i, ok := x.at[base+"/n"]; ok && x.value(i) != of.N {
					base, label = base+"/"+b.Category, label+", "+b.Category
				}
				total, linked := x.at["flow/"+arm+"/"+set]
				keys := []string{base + "/n"}
				if linked && of.Missing == 0 {
					keys = append(keys, "flow/"+arm+"/"+set) // nobody is missing: one count
				}
				if x.rule.Zeros {
					keys = keys[:1]
				}
				n := x.like(of.N, base+"/n", label+": n", 1, keys...)
				m := x.count(base+"/missing", label+": missing", of.Missing, true, 0)
				x.show(cells[0], n)
				x.show(cells[1], m)
				if linked && n != total {
					switch rest := x.value(total) - of.N - of.Missing; {
					case rest == 0:
						x.sum(total, n, m)
					case rest > 0:
						x.sum(total, n, m, x.count(base+"/neither", label+": neither counted nor missing", rest, false, 0))
					}
				}
				here := place{b.Variable, "", arm}
				if counts[set][here] == nil {
					counts[set][here] = []int{n, m}
					sizes[set][here] = n
				}
				if !slices.Contains(places, here) {
					places = append(places, here)
				}
				if b.Category != "" || b.Scale == "cox" {
					y := x.count(base+"/is "+b.Category, label+": "+b.Category, of.Count, true, 0)
					if of.Count > of.N {
						x.faults = append(x.faults, label+": more pupils of a category than pupils")
						continue
					}
					if of.Count == 0 || of.Count == of.N {
						x.sys.Cells[y].Hide = "it would say something of every pupil"
					}
					others, some := x.rest(n, y, base+"/is not "+b.Category, label+": not "+b.Category)
					x.derive(cells[2], y, n)
					x.derive(effect, y, n)
					here := place{b.Variable, b.Category, arm}
					if some {
						counts[set][here] = []int{y, others}
					}
					if !slices.Contains(places, here) {
						places = append(places, here)
					}
					if b.Category != "" {
						key := base
						categories[key] = append(categories[key], y)
						whole[key] = n
					}
					continue
				}
				if of.N < x.rule.Threshold {
					x.leaveMeans(cells[2:4], fmt.Sprintf("fewer than %d pupils", x.rule.Threshold))
					x.leave(effect, fmt.Sprintf("fewer than %d pupils in an arm", x.rule.Threshold))
				}
				for _, c := range []*Cell{cells[2], cells[3], effect} {
					x.moves(c, n)
				}
				// Two means over nearly the same pupils give away the few.
				if before, ok := sizes["randomised"][place{b.Variable, "", arm}]; ok && set == "analysed" {
					if d := x.value(before) - of.N; d > 0 && d < x.rule.Threshold {
						why := "with that of all randomised it would give away the mean of fewer pupils than may be published"
						x.leaveMeans(cells[2:4], why)
						x.leave(effect, why)
					}
				}
			}
		}
	}
	for key, parts := range sorted(categories) {
		n := 0
		for _, i := range parts {
			n += x.value(i)
		}
		if len(parts) > 1 && n == x.value(whole[key]) {
			x.sum(whole[key], parts...)
		}
	}
	for _, p := range places {
		all, some := counts["randomised"][p], counts["analysed"][p]
		for i := range min(len(all), len(some)) {
			x.rest(all[i], some[i], fmt.Sprintf("baseline/%s/%s/%s/lost %d", p.variable, p.category, p.arm, i), fmt.Sprintf("%s, %s: among those lost", x.sys.Cells[all[i]].Label, p.arm))
		}
	}
}

// sorted gives a map's entries in order of their keys.
func sorted[V any](m map[string]V) func(func(string, V) bool) {
	return func(yield func(string, V) bool) {
		var keys []string
		for k := range m {
			keys = append(keys, k)
		}
		slices.Sort(keys)
		for _, k := range keys {
			if !yield(k, m[k]) {
				return
			}
		}
	}
}

// communityCells links schools, communities and arms.
func (x *releaser) communityCells() {
	list, schools := x.table("community-list"), x.table("community-schools")
	if list == nil {
		return
	}
	var every []int
	byArm := map[string][]int{}
	row := 0
	for k, c := range x.in.Communities {
		var parts []int
		n := 0
		for _, s := range c.Schools {
			i := x.count("school/"+s.ID, "school "+s.ID, s.Pupils, true, 0)
			parts = append(parts, i)
			n += s.Pupils
			if schools != nil {
				x.show(schools.Rows[row].Cells[4], i)
			}
			row++
		}
		i := x.count(fmt.Sprintf("community/%s/%d", c.Arm, c.Number), fmt.Sprintf("community %d of %s", c.Number, c.Arm), n, true, 1)
		x.sum(i, parts...)
		x.show(list.Rows[k].Cells[2], i)
		every = append(every, i)
		byArm[c.Arm] = append(byArm[c.Arm], i)
	}
	n := 0
	for _, i := range every {
		n += x.value(i)
	}
	var same []string
	for arm, parts := range sorted(byArm) {
		sum := 0
		for _, i := range parts {
			sum += x.value(i)
		}
		key := "flow/" + x.armOf(arm) + "/randomised"
		if i, ok := x.at[key]; ok && x.value(i) == sum {
			x.sum(i, parts...)
			if len(byArm) == 1 {
				same = append(same, key)
			}
		}
	}
	all := x.like(n, "community/all", "all communities", 4, same...)
	x.show(list.Rows[len(list.Rows)-1].Cells[2], all)
	if len(same) == 0 || all != x.at[same[0]] {
		x.sum(all, every...)
	}
}

// note gives the number of a footnote.
func (x *releaser) note(text string) int {
	for _, n := range x.r.Notes {
		if n.Text == text {
			return n.Number
		}
	}
	n := len(x.r.Notes) + 1
	x.r.Notes = append(x.r.Notes, Note{n, "disclosure", text})
	return n
}

// apply puts the marks into the report.
func (x *releaser) apply(result *disclosure.Result) {
	x.out.Hidden, x.out.Ranges, x.out.Record = append(x.out.Hidden, result.Hidden...), append(x.out.Ranges, result.Ranges...), result.Record(x.sys)
	below := fmt.Sprintf("<%d", x.rule.Threshold)
	small := fmt.Sprintf("Fewer than %d pupils, but at least one: the count is not published, so that nobody can be found in it.", x.rule.Threshold)
	if x.rule.Zeros {
		small = fmt.Sprintf("Fewer than %d pupils, or none: the count is not published, so that nobody can be found in it.", x.rule.Threshold)
	}
	const hidden = "Suppressed: with the other numbers published, it would let a small count of pupils be worked out, or it is one itself."
	const moved = "differs by less than"
	changed := map[string]bool{}
	for _, h := range result.Hidden {
		changed[h.Key] = strings.HasPrefix(h.Why, moved)
	}
	for i, c := range x.sys.Cells {
		if c.Shown {
			x.out.Counts.Of++
			if result.Marks[i] == disclosure.Value {
				x.out.Counts.Shown++
			}
		}
	}
	mask := func(c *Cell, text, why string) {
		c.Kind, c.Text, c.Value, c.Format = Absent, text, 0, Count
		c.Notes = append(slices.Clone(c.Notes), x.note(why))
	}
	gone := map[*Cell]bool{}
	x.hidden = map[int]bool{}
	for i, m := range result.Marks {
		x.hidden[i] = m != disclosure.Value
	}
	for _, t := range x.r.Tables() {
		for _, row := range t.Rows {
			for k, c := range row.Cells {
				if i, ok := x.shows[c]; ok {
					switch result.Marks[i] {
					case disclosure.Below:
						mask(c, below, small)
						gone[c] = true
					case disclosure.Suppressed:
						mask(c, suppressed, hidden)
						gone[c] = true
					}
					continue
				}
				why := x.why[c]
				for _, i := range x.rests[c] {
					switch {
					case i >= 0 && result.Marks[i] != disclosure.Value:
						why = "it rests on a hidden count"
					case i < 0 && changed[x.sys.Cells[-1-i].Key]:
						why = "an earlier release has it over nearly the same pupils"
					}
				}
				if why != "" && c.Kind != Absent {
					mask(c, suppressed, hidden)
					gone[c] = true
					head := row.Cells[0].String()
					x.out.Others = append(x.out.Others, Withheld{fmt.Sprintf("table %s, %s, %s", t.ID, head, t.Columns[k].Title), why})
					continue
				}
				round(c)
			}
		}
	}
	x.pictures(gone)
	x.sentences(gone)
	x.texts()
	about := fmt.Sprintf("Released by the rule %s: no count of 1 to %d pupils is in this report or can be worked out from it", x.out.Rule, x.rule.Threshold-1)
	if x.rule.Zeros {
		about = fmt.Sprintf("Released by the rule %s: no count of 0 to %d pupils is in this report or can be worked out from it", x.out.Rule, x.rule.Threshold-1)
	}
	x.r.Facts = append(x.r.Facts, Fact{"Disclosure control", about})
}

// round leaves of a number what is shown of it.
func round(c *Cell) {
	if c.Kind != Number || c.Format == Count || c.Format == Exact || c.Format == Level {
		return
	}
	text := strings.NewReplacer(minus, "-", ",", "", "%", "", "+", "").Replace(c.String())
	v, err := strconv.ParseFloat(text, 64)
	if err != nil {
		v = 0 // "< 0.001"
	}
	if c.Format == Share || c.Format == Points {
		v = math.Round(v*10) / 1000
	}
	c.Value = v
}

// pictures draws anew what shows a cell that is gone.
func (x *releaser) pictures(gone map[*Cell]bool) {
	w := &writer{builder: builder{r: &Report{}, notes: map[string]int{}}, in: x.joined, p: x.joined.Protocol}
	w.findBlind()
	w.section("scratch", "scratch")
	for s := range x.r.Sections {
		blocks := x.r.Sections[s].Blocks
		for b := range blocks {
			f := blocks[b].Figure
			if f == nil {
				continue
			}
			leave := func(why string) {
				x.out.Others = append(x.out.Others, Withheld{"figure " + f.ID, why})
				blocks[b] = Block{Gap: &Gap{What: f.Title, Why: "It is left out of the released report: " + why + "."}}
			}
			switch d := f.Drawing.(type) {
			case figure.Flow:
				t := x.table("flow")
				if t == nil || x.in.Protocol.Trial.Measured == "schools" {
					continue
				}
				rows := make([][]*Cell, len(t.Rows))
				for i := range t.Rows {
					rows[i] = t.Rows[i].Cells
				}
				last := len(rows) - 1
				var reasons []string
				for _, row := range rows[3 : last-1] {
					reasons = append(reasons, row[0].String())
				}
				f.Drawing = w.flowFigure(rows[0], rows[1], rows[2], rows[3:last-1], reasons, rows[last-1]).Drawing
			case figure.Plane:
				t := x.table("attrition-rates")
				if len(t.Columns) < 3 || len(t.Rows) < 6 {
					continue
				}
				rows := t.Rows[len(t.Rows)-6:]
				if !gone[rows[0].Cells[2]] && !gone[rows[1].Cells[2]] {
					w.attritionFigure(t, rows[0].Cells[1].Kind == Number, rows[0].Cells[2].Kind == Number)
				} else if rows[0].Cells[1].Kind == Number {
					x.out.Others = append(x.out.Others, Withheld{"figure " + f.ID + ", point of the pupils", "it rests on a hidden count"})
					w.attritionFigure(t, true, false)
				} else {
					leave("it rests on a hidden count")
					continue
				}
				made := w.r.Sections[0].Blocks
				f.Drawing = made[len(made)-1].Figure.Drawing
			case figure.Love:
				x.love(&d, gone)
				if len(d.Rows) == 0 {
					leave("it rests on hidden counts")
					continue
				}
				f.Drawing = d
			case figure.Spreads:
				const why = "its bars would give away a small count of pupils"
				told := func(measure string) bool {
					return slices.ContainsFunc(x.bins[measure], func(i int) bool { return x.hidden[i] || x.rule.Small(x.value(i)) })
				}
				before, after := !told("before"), !told("after")
				again := w.spreadFigure(&x.joined.Results[0], x.table("primary-scores"), x.table("balance-randomised"), x.rule.Threshold, before, after)
				if again == nil {
					leave(why)
					continue
				}
				if !before || !after {
					x.out.Others = append(x.out.Others, Withheld{"figure " + f.ID + ", part of it", why})
				}
				f.Drawing = again.Drawing
				f.Title = strings.Replace(f.Title, "a bar’s area", fmt.Sprintf("bars joined until each holds %d pupils or more; a bar’s area", x.rule.Threshold), 1)
			case figure.Intervals:
				f.Drawing = x.intervals(d, f.ID == "every-figure", gone)
			case figure.Means:
				if n := fewest(d); n < x.rule.Threshold {
					leave("a school has fewer pupils than may be published")
					continue
				}
				f.Drawing = x.means(d, gone)
				f.Title = strings.Replace(f.Title, "a dot is a school, its size the number of its pupils", "a dot is a school", 1)
			}
		}
	}
}

// intervals draws estimates with the digits that are shown, and leaves out
// those that are gone from the table of every estimate.
func (x *releaser) intervals(d figure.Intervals, every bool, gone map[*Cell]bool) figure.Intervals {
	left := map[string]bool{}
	if t := x.table("every-estimate"); every && t != nil {
		for _, row := range t.Rows {
			left[row.Cells[0].String()] = gone[row.Cells[2]]
		}
	}
	shown := func(v float64) float64 { return math.Round(v*100) / 100 } // as EffectSize is written
	var rows []figure.Interval
	var desc []string
	for i, row := range d.Rows {
		row.Value, row.Low, row.High = shown(row.Value), shown(row.Low), shown(row.High)
		if left[row.Label] || row.Heading && every && (i+1 == len(d.Rows) || left[d.Rows[i+1].Label]) {
			continue
		}
		rows = append(rows, row)
		if !row.Heading {
			desc = append(desc, row.Label+" "+row.Text)
		}
	}
	if len(rows) < len(d.Rows) {
		d.Desc = "The primary outcome’s effect size by each planned analysis: " + strings.Join(desc, ". ") + "."
	}
	d.Rows = rows
	return d
}

func fewest(d figure.Means) int {
	n := math.MaxInt
	for _, a := range d.Arms {
		for _, dot := range a.Dots {
			n = min(n, dot.N)
		}
	}
	return n
}

// means draws all dots in one size: their sizes would tell how many pupils of
// each school were analysed.
func (x *releaser) means(d figure.Means, gone map[*Cell]bool) figure.Means {
	t := x.table("primary-scores")
	arms := slices.Clone(d.Arms)
	d.Desc = "Each school’s mean outcome, by arm: "
	for i := range arms {
		a := &arms[i]
		a.Dots = slices.Clone(a.Dots)
		for k := range a.Dots {
			a.Dots[k].N = 1
		}
		mean := t.Rows[i].Cells[4]
		a.HasMean = a.HasMean && !gone[mean]
		if a.HasMean {
			a.Mean = mean.Value
		}
		d.Desc += a.Arm.Label + ", " + a.Text + ", mean " + mean.String() + ". "
	}
	d.Arms = arms
	return d
}

// love leaves out the differences that are gone.
func (x *releaser) love(d *figure.Love, gone map[*Cell]bool) {
	rows := slices.Clone(d.Rows)
	var desc []string
	for _, set := range []string{"randomised", "analysed"} {
		t := x.table("balance-" + set)
		if t == nil {
			continue
		}
		for _, line := range t.Rows {
			c := line.Cells[len(line.Cells)-1]
			name := line.Cells[0].String()
			at := slices.IndexFunc(rows, func(b figure.Balance) bool { return b.Label == name })
			if at < 0 {
				continue
			}
			if gone[c] {
				if set == "randomised" {
					rows[at].Randomised, rows[at].HasRandomised = 0, false
				} else {
					rows[at].Analysed, rows[at].HasAnalysed = 0, false
				}
			} else if c.Kind == Number {
				if set == "randomised" {
					rows[at].Randomised = c.Value
				} else {
					rows[at].Analysed = c.Value
				}
				desc = append(desc, name+", "+set+", "+c.String())
			}
		}
	}
	d.Rows = slices.DeleteFunc(rows, func(b figure.Balance) bool { return !b.HasRandomised && !b.HasAnalysed })
	d.Desc = "The arms’ differences at baseline as effect sizes: " + strings.Join(desc, "; ") + "."
}

// sentences writes anew the sentence whose words say how a hidden difference
// lies to the boundaries of attrition; every other sentence shows its cells.
func (x *releaser) sentences(gone map[*Cell]bool) {
	t := x.table("attrition-rates")
	if t == nil || len(t.Columns) < 3 || len(t.Rows) < 6 {
		return
	}
	overall, differential := t.Rows[len(t.Rows)-6].Cells[2], t.Rows[len(t.Rows)-5].Cells[2]
	if !gone[differential] {
		return
	}
	for s := range x.r.Sections {
		for _, b := range x.r.Sections[s].Blocks {
			if b.Paragraph == nil || !slices.ContainsFunc(b.Paragraph.Spans, func(y Span) bool { return y.Cell == differential }) {
				continue
			}
			b.Paragraph.Spans = []Span{{Words: "Share of the pupils randomised who are not in the analysis: "}, {Cell: overall}, {Words: "; difference between the arms in percentage points: "}, {Cell: differential}, {Words: ". What is hidden would give away a small count of pupils, and so would the place against the boundaries of the What Works Clearinghouse."}}
		}
	}
}

var countsPupils = regexp.MustCompile(`(?i)\b(\d[\d,]*|one|two|three|four|five|six|seven|eight|nine)\s+(?:[\p{L}’'-]+\s+){0,3}(?:pupils?|child|children|students?|boys?|girls?|scores?)\b`)

// texts takes out sentences that others wrote and that count a few pupils:
// warnings of the analysis, deviations, reasons.
func (x *releaser) texts() {
	few := func(text string) bool {
		for _, m := range countsPupils.FindAllStringSubmatch(text, -1) {
			n, err := strconv.Atoi(strings.ReplaceAll(m[1], ",", ""))
			if err != nil || n < x.rule.Threshold && (n > 0 || x.rule.Zeros) {
				return true
			}
		}
		return false
	}
	const instead = "[text left out of the released report: it counts a few pupils]"
	clean := func(where string, text *string) {
		if few(*text) {
			*text = instead
			x.out.Others = append(x.out.Others, Withheld{where, "its text counts fewer pupils than may be published"})
		}
	}
	for i := range x.r.Notes {
		if x.r.Notes[i].Code != "disclosure" {
			clean(fmt.Sprintf("note %d", x.r.Notes[i].Number), &x.r.Notes[i].Text)
		}
	}
	for _, t := range x.r.Tables() {
		for i := range t.Foot {
			clean("foot of table "+t.ID, &t.Foot[i])
		}
		for _, row := range t.Rows {
			for _, c := range row.Cells {
				if c.Kind != Number {
					clean("cell "+c.key, &c.Text)
				}
			}
		}
	}
	for _, s := range x.r.Sections {
		for _, b := range s.Blocks {
			if b.Gap != nil {
				clean("gap “"+b.Gap.What+"”", &b.Gap.Why)
			}
		}
	}
}
