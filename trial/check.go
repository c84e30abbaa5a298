package trial

import (
	"fmt"
	"maps"
	"math"
	"slices"
	"strings"
	"unicode"

	"go.yaml.in/yaml/v4"
)

// check looks for what is wrong between the parts of a protocol. A check is
// passed over where a part that it needs was not readable, so that one mistake
// is told once.
func (d *decoder) check(p *Protocol) {
	d.checkArms(p)
	columns := d.checkSchools(p)
	d.checkRecruitment(p, columns)
	d.checkDraw(p, columns)
	d.checkCommunities(p, columns)
	d.checkDelivery(p)
	d.checkSurveys(p)
	d.checkOutcomes(p)
	d.checkPlan(p)
	d.checkSampleSize(p)
	d.checkMonths(p)
	d.checkDisclosure(p)
	d.checkDates(p)
	if _, conflicts := p.rosterColumns(); len(d.faults) == 0 {
		for _, conflict := range conflicts {
			d.say(path{"draw"}, conflict, "make a second column of the same values under `schools` and use it for one of the two")
		}
		if _, err := p.Design(); err != nil && len(conflicts) == 0 {
			d.say(path{"draw"}, err.Error(), "change the draw or the communities so that they can be carried out")
		}
	}
}

// good says whether nothing was found wrong at, above or below a place.
func (d *decoder) good(at ...string) bool {
	here := path(at).String()
	for _, f := range d.faults {
		if f.Path == here || strings.HasPrefix(f.Path, here+pathJoin) || strings.HasPrefix(here, f.Path+pathJoin) {
			return false
		}
	}
	return true
}

// say records a fault at a place: at its value, or the nearest key above it
// that is in the file.
func (d *decoder) say(at path, problem, hint string) {
	for n := len(at); n > 0; n-- {
		if p, ok := d.at[at[:n].String()]; ok {
			node := p.value
			if n < len(at) && p.key != nil || p.value != nil && p.value.Kind != yaml.ScalarNode && p.key != nil {
				node = p.key
			}
			d.faultAt(node, at, problem, hint)
			return
		}
	}
	d.fault(1, 1, at, problem, hint)
}

// unique refuses names that occur twice in a list of things with the key id
// (or another).
func (d *decoder) unique(at path, key, what string, names []string) {
	first := map[string]int{}
	for i, name := range names {
		here := at.to(item(i), key)
		if name == "" || !d.good(here...) {
			continue
		}
		fold := strings.ToLower(name)
		if j, ok := first[fold]; ok {
			d.say(here, fmt.Sprintf("%q names two %s: item %d and item %d", name, what, j+1, i+1), "files and tables tell them apart by this name (large and small letters count as the same): give each its own")
			continue
		}
		first[fold] = i
	}
}

// names collects one text of each item of a list.
func names[T any](list []T, name func(T) string) []string {
	out := make([]string, len(list))
	for i, x := range list {
		out[i] = name(x)
	}
	return out
}

// known refuses a word that is not among those known.
func (d *decoder) known(at path, word, what string, known []string) bool {
	if word == "" || !d.good(at...) {
		return false
	}
	if slices.Contains(known, word) {
		return true
	}
	hint := fmt.Sprintf("there is no %s at all yet: declare it, or take this out", what)
	if len(known) > 0 {
		hint = fmt.Sprintf("known are: %s", strings.Join(known, ", "))
	}
	if near := Nearest(word, known); near != "" {
		hint = fmt.Sprintf("did you mean %q? ", near) + strings.ToUpper(hint[:1]) + hint[1:]
	}
	d.say(at, fmt.Sprintf("%q is not %s %s of this protocol", clip(word), article(what), what), hint)
	return false
}

func article(word string) string {
	if strings.ContainsRune("aeiou", rune(word[0])) {
		return "an"
	}
	return "a"
}

// column checks a reference to a column of the schools.
func (d *decoder) column(at path, word string, columns []string) bool {
	if word == "" || !d.good(at...) || columns == nil {
		return false
	}
	if slices.Contains(columns, word) {
		return true
	}
	hint := "the columns are: " + strings.Join(columns, ", ") + ". Others are declared under `schools`: columns, bands or groups"
	if near := Nearest(word, columns); near != "" {
		hint = fmt.Sprintf("did you mean %q? T%s", near, hint[1:])
	}
	d.say(at, fmt.Sprintf("the schools have no column %q", clip(word)), hint)
	return false
}

func (d *decoder) checkArms(p *Protocol) {
	at := path{"arms"}
	if !d.good("arms") {
		return
	}
	d.unique(at, "id", "arms", names(p.Arms, func(a Arm) string { return a.ID }))
	if len(p.Arms) < 2 {
		d.say(at, fmt.Sprintf("%d arm is declared", len(p.Arms)), "a trial compares at least two arms: add the control arm, e.g. {id: control, label: Business as usual, control: yes}")
		return
	}
	var control []int
	for i, a := range p.Arms {
		if a.Control {
			control = append(control, i)
		}
	}
	switch {
	case len(control) == 0:
		d.say(at, "no arm is the control arm", "every effect is a difference from the control arm: write `control: yes` at one of them")
	case len(control) > 1:
		d.say(at.to(item(control[1]), "control"), fmt.Sprintf("%d arms are called the control arm", len(control)), "every effect is a difference from the one control arm: leave `control: yes` at one of them only")
	}
}

// checkSchools gives the names of the schools' columns, nil where they are not
// readable.
func (d *decoder) checkSchools(p *Protocol) []string {
	own := p.Schools.Columns
	if !d.good("schools", "columns") {
		return nil
	}
	if own["id"] != "" && own["name"] == "" {
		d.say(path{"schools", "columns"}, "the columns have an id but no name", "the file of schools is your own once `id` is named: say also which of its columns has the school's name")
	}
	headers := map[string]string{}
	for _, name := range slices.Sorted(maps.Keys(own)) {
		at := path{"schools", "columns", name}
		header := strings.ToLower(strings.TrimSpace(own[name]))
		if was, ok := headers[header]; ok {
			d.say(at, fmt.Sprintf("the header %q is already read as %q", own[name], was), "one column of the file has one name here: take one of the two out")
		}
		headers[header] = name
	}
	var columns []string
	for _, c := range p.SchoolColumns() {
		columns = append(columns, c.Name)
	}
	columns = slices.DeleteFunc(columns, func(s string) bool { return s == "id" || s == "name" })
	for i, b := range p.Schools.Bands {
		at := path{"schools", "bands", item(i)}
		if !d.good(at...) {
			return nil
		}
		d.column(at.to("from"), b.From, columns)
		d.newColumn(at.to("name"), b.Name, columns)
		if len(b.Labels) != len(b.Cuts)+1 {
			d.say(at.to("labels"), fmt.Sprintf("%d cuts make %d bands, but there are %d labels", len(b.Cuts), len(b.Cuts)+1, len(b.Labels)), "give one label more than there are cuts, from the lowest band to the highest")
		}
		for j := 1; j < len(b.Cuts); j++ {
			if b.Cuts[j] <= b.Cuts[j-1] {
				d.say(at.to("cuts", item(j)), fmt.Sprintf("the cut %s does not lie above %s", decimalText(b.Cuts[j]), decimalText(b.Cuts[j-1])), "put the cuts in ascending order, each once")
			}
		}
		d.unique2(at.to("labels"), "bands", b.Labels)
	}
	for _, b := range p.Schools.Bands {
		columns = append(columns, b.Name)
	}
	for i, g := range p.Schools.Groups {
		at := path{"schools", "groups", item(i)}
		if !d.good(at...) {
			return nil
		}
		d.column(at.to("from"), g.From, columns)
		d.newColumn(at.to("name"), g.Name, columns)
		home := map[string]string{}
		for _, group := range slices.Sorted(maps.Keys(g.Groups)) {
			for j, value := range g.Groups[group] {
				fold := strings.ToLower(strings.TrimSpace(value))
				if was, ok := home[fold]; ok {
					d.say(at.to("groups", group, item(j)), fmt.Sprintf("%q is in two groups, %q and %q", value, was, group), "a school must fall into one group: take it out of one")
				}
				home[fold] = group
			}
			if strings.IndexFunc(group, unicode.IsControl) >= 0 {
				d.say(at.to("groups", group), "the group's name has a control character in it", "it stands in the draw's texts: write it on one line")
			}
		}
		columns = append(columns, g.Name)
	}
	if !d.good("schools") {
		return nil
	}
	return columns
}

func (d *decoder) newColumn(at path, name string, columns []string) {
	if slices.Contains(columns, name) || name == "id" || name == "name" {
		d.say(at, fmt.Sprintf("there is a column %q already", name), "the new column needs a name of its own")
	}
}

// unique2 refuses a text that occurs twice in a list of texts.
func (d *decoder) unique2(at path, what string, texts []string) {
	for j, text := range texts {
		if i := slices.Index(texts, text); i < j && text != "" && d.good(at.to(item(j))...) {
			d.say(at.to(item(j)), fmt.Sprintf("%q stands twice among the %s", clip(text), what), "take one out, or tell them apart")
		}
	}
}

func (d *decoder) checkRecruitment(p *Protocol, columns []string) {
	r := p.Recruitment
	at := path{"recruitment"}
	d.column(at.to("region"), r.Region, columns)
	d.unique2(at.to("agreement"), "people who sign", r.Agreement)
	d.unique2(at.to("reasons"), "reasons", r.Reasons)
	d.unique(at.to("leaders"), "role", "kinds of leaders", names(r.Leaders, func(l LeaderRule) string { return l.Role }))
	for i := range r.Eligible {
		rule := &p.Recruitment.Eligible[i]
		here := at.to("eligible", item(i))
		switch {
		case !d.good(here...):
		case rule.Kind == RuleSurvey:
			d.checkSurveyRule(p, rule, here)
		case d.column(here, rule.Column, columns):
			if j := slices.IndexFunc(p.Schools.Bands, func(b Band) bool { return b.Name == rule.Column }); j >= 0 {
				d.checkRuleValues(rule, here, p.Schools.Bands[j].Labels)
			}
			if j := slices.IndexFunc(p.Schools.Groups, func(g Group) bool { return g.Name == rule.Column }); j >= 0 {
				g := p.Schools.Groups[j]
				values := slices.Sorted(maps.Keys(g.Groups))
				if g.Otherwise != "" {
					values = append(values, g.Otherwise)
				}
				d.checkRuleValues(rule, here, values)
			}
		}
	}
}

// checkRuleValues refuses values that a derived column can never have.
func (d *decoder) checkRuleValues(rule *Rule, at path, values []string) {
	if rule.Kind == RuleAtLeast || rule.Kind == RuleAtMost {
		d.say(at, fmt.Sprintf("%s has words, not numbers: %s", rule.Column, strings.Join(values, ", ")), fmt.Sprintf("compare the column it was made from, or write `%s is %s`", rule.Column, values[0]))
		return
	}
	for _, v := range rule.Values {
		if !containsFold(values, v) {
			d.say(at, fmt.Sprintf("%s is never %q", rule.Column, clip(v)), "its values are: "+strings.Join(values, ", "))
		}
	}
}

func (d *decoder) checkSurveyRule(p *Protocol, rule *Rule, at path) {
	if !d.good("surveys") {
		return
	}
	var with []string // surveys that have the round
	for _, s := range p.Surveys {
		if (rule.Survey == "" || s.ID == rule.Survey) && slices.ContainsFunc(s.Rounds, func(r Round) bool { return r.ID == rule.Round }) {
			with = append(with, s.ID)
		}
	}
	switch {
	case len(with) == 1:
		rule.Survey = with[0]
	case rule.Survey != "":
		all := names(p.Surveys, func(s Survey) string { return s.ID })
		i := slices.Index(all, rule.Survey)
		if i < 0 {
			d.known(at, rule.Survey, "survey", all)
			return
		}
		d.known(at, rule.Round, fmt.Sprintf("round of the survey %q", rule.Survey), names(p.Surveys[i].Rounds, func(r Round) string { return r.ID }))
	case len(with) > 1:
		d.say(at, fmt.Sprintf("%d surveys have a round %q: %s", len(with), rule.Round, strings.Join(with, ", ")), fmt.Sprintf("say which is meant, as in `survey %s %s: …`", with[0], rule.Round))
	default:
		var rounds []string
		for _, s := range p.Surveys {
			for _, r := range s.Rounds {
				rounds = append(rounds, s.ID+" "+r.ID)
			}
		}
		hint := "declare the survey and its round under `surveys`"
		if len(rounds) > 0 {
			hint = "the surveys and rounds are: " + strings.Join(rounds, ", ")
		}
		d.say(at, fmt.Sprintf("no survey has a round %q", rule.Round), hint)
	}
}

// methodNeeds lists what the draw's settings belong to.
var methodNeeds = []struct {
	key     string
	methods []string
	needed  bool
	set     func(DrawSettings) bool
	why     string
}{
	{"blocks", []string{"blocks"}, true, func(s DrawSettings) bool { return len(s.Blocks) > 0 }, "the sizes of the blocks, e.g. [4, 6]"},
	{"sequence", []string{"blocks", "minimisation", "efron"}, true, func(s DrawSettings) bool { return s.Sequence != "" }, "the column with the order in which schools arrived"},
	{"set", []string{"pairs"}, false, func(s DrawSettings) bool { return s.Set != "" }, ""},
	{"match", []string{"pairs"}, false, func(s DrawSettings) bool { return len(s.Match.On) > 0 }, ""},
	{"imbalance", []string{"minimisation"}, true, func(s DrawSettings) bool { return s.Imbalance != "" }, "how imbalance is measured: range, variance, sd or taves"},
	{"best arm", []string{"minimisation", "efron"}, true, func(s DrawSettings) bool { return s.Best > 0 }, "the chance of the arm that balances best (efron: that is behind), e.g. 80 %"},
	{"candidates", []string{"constrained"}, true, func(s DrawSettings) bool { return s.Candidates > 0 }, "how many candidate draws are made, e.g. 10000"},
	{"keep", []string{"constrained"}, true, func(s DrawSettings) bool { return s.Keep > 0 }, "which share of the candidates is kept, e.g. 10 %"},
	{"distinct at least", []string{"constrained"}, false, func(s DrawSettings) bool { return s.Distinct > 0 }, ""},
	{"pairs at least", []string{"constrained"}, false, func(s DrawSettings) bool { return s.PairsLeast > 0 }, ""},
	{"pairs at most", []string{"constrained"}, false, func(s DrawSettings) bool { return s.PairsMost > 0 }, ""},
	{"balance", []string{"constrained", "minimisation"}, true, func(s DrawSettings) bool { return len(s.Balance) > 0 }, "the columns to be balanced, e.g. {pupils: 1, fsm: 2}"},
}

func (d *decoder) checkDraw(p *Protocol, columns []string) {
	at := path{"draw"}
	for i, s := range p.Strata {
		here := path{"strata", item(i)}
		d.column(here, s, columns)
	}
	d.unique2(path{"strata"}, "strata", p.Strata)
	if !d.good("draw", "method") || p.Draw.Method == "" {
		return
	}
	method := p.Draw.Method
	if method == "stratified" && len(p.Strata) == 0 && d.good("strata") {
		d.say(at.to("method"), "the draw is stratified, but no strata are declared", "name the columns under `strata`, or choose the method complete")
	}
	if method == "complete" && len(p.Strata) > 0 && d.good("strata") {
		d.say(at.to("method"), "the draw is complete, but strata are declared", "a complete draw does not look at strata: choose stratified, or take `strata` out")
	}
	for _, need := range methodNeeds {
		here := at.to(need.key)
		if !d.good(here...) {
			continue
		}
		switch applies := slices.Contains(need.methods, method); {
		case applies && need.needed && !need.set(p.Draw):
			d.say(here, fmt.Sprintf("method %s needs %q", method, need.key), "give "+need.why)
		case !applies && need.set(p.Draw):
			d.say(here, fmt.Sprintf("%q means nothing to the method %s", need.key, method), fmt.Sprintf("it belongs to the method %s: take it out, or change the method, so that nobody believes it counted", strings.Join(need.methods, " or ")))
		}
	}
	if d.at[at.to("misfits").String()].key != nil && slices.Contains([]string{"complete", "blocks", "minimisation", "simple", "efron"}, method) {
		d.say(at.to("misfits"), fmt.Sprintf("\"misfits\" means nothing to the method %s", method), "it says what becomes of schools left over in a stratum, which this method does not have: take it out")
	}
	for _, x := range []struct {
		key   string
		share Percent
	}{{"best arm", p.Draw.Best}, {"keep", p.Draw.Keep}, {"pairs at least", p.Draw.PairsLeast}, {"pairs at most", p.Draw.PairsMost}} {
		if _, ok := x.share.perMille(); !ok && d.good(at.to(x.key)...) {
			d.say(at.to(x.key), "the draw's rule has whole thousandths, and this share is none", "give it with at most one decimal, as in 12.5 %")
		}
	}
	if p.Draw.Best == 1 && (method == "minimisation" || method == "efron") {
		d.say(at.to("best arm"), "with 100 % nothing is left to chance", "whoever knows the earlier schools would know the next arm: write 80 %, or another share below 100 %")
	}
	d.column(at.to("sequence"), p.Draw.Sequence, columns)
	d.column(at.to("set"), p.Draw.Set, columns)
	d.checkMatch(p, columns)
	d.column(at.to("clusters"), p.Draw.Clusters, columns)
	if p.Draw.PairsMost > 0 && p.Draw.PairsLeast > p.Draw.PairsMost {
		d.say(at.to("pairs at least"), "it is more than `pairs at most`", "give the smaller share here")
	}
	for _, name := range slices.Sorted(maps.Keys(p.Draw.Balance)) {
		d.column(at.to("balance", name), name, columns)
	}
	if method == "blocks" && d.good("arms") && d.good("draw", "blocks") {
		sum := 0
		for _, a := range p.Arms {
			sum += a.Weight
		}
		for i, size := range p.Draw.Blocks {
			if sum > 0 && size%sum != 0 {
				d.say(at.to("blocks", item(i)), fmt.Sprintf("a block of %d cannot be shared out by weights that sum to %d", size, sum), fmt.Sprintf("every block holds the arms in their exact shares: use multiples of %d", sum))
			}
		}
		d.unique2(at.to("blocks"), "block sizes", names(p.Draw.Blocks, func(n int) string { return fmt.Sprint(n) }))
	}
	if p.Draw.Waves > 1 && p.Draw.Clusters != "" && (method == "efron" || method == "minimisation") {
		d.say(at.to("waves"), fmt.Sprintf("method %s goes on from earlier waves, which is not defined for clusters", method), "draw each wave by another method, or take `clusters` out")
	}
	if method == "efron" && d.good("arms") && (len(p.Arms) != 2 || p.Arms[0].Weight != p.Arms[1].Weight) {
		d.say(at.to("method"), "method efron draws between two arms of the same weight only", "it is for teaching and comparison: choose minimisation, blocks or stratified for other ratios")
	}
	if p.Draw.Chance == "two-party" && p.Draw.Confirm == 1 && d.good("draw", "confirm") && d.at[at.to("confirm").String()].key != nil {
		d.say(at.to("confirm"), "chance comes from two parties, but one person confirms the draw", "two parties are two people: write `confirm: 2 people`")
	}
}

// checkMatch says whether method pairs knows its sets, and from one source.
func (d *decoder) checkMatch(p *Protocol, columns []string) {
	s, at := p.Draw, path{"draw"}
	matched := d.at[at.to("match").String()].key != nil
	switch {
	case s.Method != "pairs":
	case matched && s.Set != "":
		d.say(at.to("set"), "the sets are given by a column, and are to be matched too", "they come from one of the two: take `set` or `match` out")
	case matched && len(s.Match.On) == 0 && d.good("draw", "match"):
		d.say(at.to("match"), "no column says in what schools of a set are to be alike", "name them, as in `match: {on: {ks2: 2, fsm: 1}, size: 2 schools}`")
	case !matched && s.Set == "" && d.good("draw", "set"):
		d.say(at.to("match"), "method pairs needs \"match\" (or \"set\")", "say in what schools are to be matched, as in `match: {on: {ks2: 2, fsm: 1}, size: 2 schools}`; or name the column of sets that were matched elsewhere")
	case matched && s.Clusters != "":
		d.say(at.to("match"), "schools are matched one by one, and drawn in clusters", "a cluster would fall into several sets: match the clusters elsewhere and name the column with `set`")
	}
	for _, name := range slices.Sorted(maps.Keys(s.Match.On)) {
		d.column(at.to("match", "on", name), name, columns)
	}
}

func (d *decoder) checkCommunities(p *Protocol, columns []string) {
	var arms []string
	if d.good("arms") {
		arms = names(p.Arms, func(a Arm) string { return a.ID })
	}
	for i, c := range p.Communities {
		if first := p.MinutesFile(); c.Minutes != "" && c.Minutes != first {
			d.say(path{"communities", item(i), "minutes"}, fmt.Sprintf("another arm's communities go by %q", first), "the roster has one time from each school to each other: put all of them into one file")
		}
	}
	d.unique(path{"communities"}, "arm", "rules for communities of an arm", names(p.Communities, func(c CommunityRule) string { return c.Arm }))
	for i, c := range p.Communities {
		at := path{"communities", item(i)}
		if arms != nil && d.known(at.to("arm"), c.Arm, "arm", arms) {
			if j := p.ControlArm(); j >= 0 && p.Arms[j].ID == c.Arm {
				d.say(at.to("arm"), fmt.Sprintf("%q is the control arm", c.Arm), "its schools carry on as before and have no communities. For notional ones, write `notional for control: yes` at the other arm's rule")
			}
		}
		d.column(at.to("within"), c.Within, columns)
		for _, list := range []struct {
			key  string
			cols []string
		}{{"apart", c.Apart}, {"together", c.Together}} {
			for j, column := range list.cols {
				d.column(at.to(list.key, item(j)), column, columns)
			}
			d.unique2(at.to(list.key), "columns", list.cols)
		}
		for j, column := range c.Together {
			if slices.Contains(c.Apart, column) && d.good(at.to("together", item(j))...) {
				d.say(at.to("together", item(j)), fmt.Sprintf("schools with the same %s cannot be both together and apart", column), "leave the column in one of the two lists")
			}
		}
		if !d.good(at...) {
			continue
		}
		if c.How == "within" && c.Within == "" {
			d.say(at.to("how"), "communities are formed within a column, but none is named", "write `within: region`, or another column of the schools")
		}
		if c.How == "random" && c.Within != "" {
			d.say(at.to("within"), "communities are formed at random over the whole arm, yet `within` is given", "write `how: within` if no community may cross the column, or take `within` out")
		}
		d.checkMinutes(at, c)
		if c.needsPlace() {
			for _, need := range []string{"easting", "northing"} {
				if columns != nil && !slices.Contains(columns, need) {
					d.say(at.to("how"), fmt.Sprintf("distances need a column %q, which the schools do not have", need), "name the columns with the national grid coordinates (in metres) easting and northing under `schools`, `columns`")
				}
			}
		}
		for _, name := range slices.Sorted(maps.Keys(c.Balance)) {
			d.column(at.to("balance", name), name, columns)
		}
		switch c.How {
		case "random", "within":
			if len(c.Balance) > 0 {
				d.say(at.to("balance"), fmt.Sprintf("\"balance\" means nothing where communities are formed by lot (how: %s)", c.How), "choose `how: mixed` or `how: near`, or take it out, so that nobody believes it counted")
			}
			if c.Mix > 0 {
				d.say(at.to("mix"), fmt.Sprintf("\"mix\" means nothing where communities are formed by lot (how: %s)", c.How), "choose `how: mixed` or `how: near`, or take it out")
			}
		case "mixed":
			if len(c.Balance) == 0 {
				d.say(at.to("how"), "communities are to be alike, but it is not said in what", "name the columns under `balance`, e.g. {fsm: 1, pupils: 1}")
			}
		case "near":
			if (c.Mix > 0) != (len(c.Balance) > 0) {
				d.say(at.to("how"), "near communities are also balanced only where both `balance` and `mix` are given", "give both, or neither")
			}
		}
		if mille, ok := c.Mix.perMille(); !ok || mille == 1000 && c.How == "near" {
			d.say(at.to("mix"), "the share of balance must be whole thousandths, and below 100 % for near", "give it with at most one decimal, as in 12.5 %")
		}
		d.checkLimits(at, c, columns)
		if c.Size.Min == 1 {
			d.say(at.to("size"), "a community of one school is none", "give the smallest size as 2 or more")
		}
	}
}

// checkMinutes says whether a file of minutes is of use, and its name safe.
func (d *decoder) checkMinutes(at path, c CommunityRule) {
	switch {
	case c.Minutes == "" && c.Longest > 0:
		d.say(at.to("travel minutes"), "a longest journey in minutes is given, but no file of minutes", "name it, as in `minutes: minutes.csv`; or give `travel km`")
	case c.Minutes == "":
	case !isFileName(c.Minutes):
		d.say(at.to("minutes"), fmt.Sprintf("%q is not the name of a file beside the protocol", clip(c.Minutes)), "put the file into the same folder and give its name alone, as in minutes.csv")
	case len(c.Hubs) > 0:
		d.say(at.to("minutes"), "a file of minutes between schools means nothing where there are hubs", "each hub's `distance` is the column with the way to it: take `minutes` out")
	case c.Travel > 0:
		d.say(at.to("travel km"), "with a file of minutes the longest way is one in minutes", "write `travel minutes` in place of `travel km`")
	case !c.needsDistance():
		d.say(at.to("minutes"), fmt.Sprintf("the minutes mean nothing where communities are formed %s without a longest journey", c.How), "choose `how: near`, give `travel minutes`, or take it out")
	}
}

// isFileName says whether a text names a file in the protocol's own folder.
func isFileName(name string) bool {
	return name != "" && name != "." && name != ".." && !strings.ContainsAny(name, "/\\:\x00") && strings.TrimSpace(name) == name
}

// checkLimits says what is wrong with a community's counts, hubs and search.
func (d *decoder) checkLimits(at path, c CommunityRule, columns []string) {
	var kinds, hubs []string
	for j, k := range c.Counts {
		here := at.to("counts", item(j))
		d.column(here.to("column"), k.Column, columns)
		kinds = append(kinds, k.Column+" "+k.Value)
		switch {
		case k.Least == 0 && k.Most == 0:
			d.say(here, "it neither asks for schools nor limits them", "give `at least`, `at most`, or both")
		case k.Most > 0 && k.Least > k.Most:
			d.say(here.to("at least"), fmt.Sprintf("at least %d and at most %d cannot both be", k.Least, k.Most), "give the smaller number as `at least`")
		case k.Least > c.Size.Max:
			d.say(here.to("at least"), fmt.Sprintf("a community has %d schools at most", c.Size.Max), "ask for fewer")
		}
	}
	d.unique2(at.to("counts"), "kinds of schools", kinds)
	for j, h := range c.Hubs {
		here := at.to("hubs", item(j))
		d.column(here.to("distance"), h.Distance, columns)
		hubs = append(hubs, h.Name)
		if h.Capacity > 0 && h.Capacity < c.Size.Min {
			d.say(here.to("capacity"), fmt.Sprintf("%s takes %d schools, and a community has %d at least", h.Name, h.Capacity, c.Size.Min), "leave the place out, or make communities smaller")
		}
	}
	d.unique2(at.to("hubs"), "hubs", hubs)
	if len(c.Hubs) > 0 && c.Within != "" {
		d.say(at.to("hubs"), "hubs and `within` cannot be used together", "the distances to the hubs say who can reach which: take one of the two out")
	}
	if len(c.Hubs) > 0 && c.Number > 0 && c.Number != len(c.Hubs) {
		d.say(at.to("number"), fmt.Sprintf("the number of communities is %d, that of hubs %d", c.Number, len(c.Hubs)), "each hub has one community: take `number` out")
	}
	if _, ok := c.Keep.perMille(); !ok {
		d.say(at.to("keep"), "the draw's rule has whole thousandths, and this share is none", "give it with at most one decimal, as in 12.5 %")
	}
}

func (d *decoder) checkDelivery(p *Protocol) {
	at := path{"delivery"}
	d.unique(at.to("sessions"), "id", "sessions", names(p.Delivery.Sessions, func(s Session) string { return s.ID }))
	if n := p.Delivery.Complier.Sessions; n > len(p.Delivery.Sessions) && d.good("delivery") {
		d.say(at.to("complier", "sessions"), fmt.Sprintf("taking part means at least %d sessions, but %d are declared", n, len(p.Delivery.Sessions)), "no school could ever have taken part: lower the number, or declare the sessions")
	}
}

func (d *decoder) checkSurveys(p *Protocol) {
	d.unique(path{"surveys"}, "id", "surveys", names(p.Surveys, func(s Survey) string { return s.ID }))
	for i, s := range p.Surveys {
		d.unique(path{"surveys", item(i), "rounds"}, "id", "rounds", names(s.Rounds, func(r Round) string { return r.ID }))
	}
}

func (d *decoder) checkOutcomes(p *Protocol) {
	at := path{"outcomes"}
	d.unique(at, "id", "outcomes", names(p.Outcomes, func(o Outcome) string { return o.ID }))
	d.unique(at, "column", "outcomes", names(p.Outcomes, func(o Outcome) string { return o.Column }))
	if !d.good("outcomes") {
		return
	}
	var primary []int
	for i, o := range p.Outcomes {
		if o.Primary {
			primary = append(primary, i)
		}
	}
	switch {
	case len(p.Outcomes) == 0:
		d.say(at, "no outcome is declared", "say what is measured, and mark one outcome `primary: yes`")
	case len(primary) == 0:
		d.say(at, "no outcome is primary", "the trial is judged by one outcome named beforehand: write `primary: yes` at it")
	case len(primary) > 1:
		d.say(at.to(item(primary[1]), "primary"), fmt.Sprintf("%d outcomes are called primary", len(primary)), "with several, one of them shows an effect by chance more often: leave `primary: yes` at one; the others are secondary")
	}
}

// reserved are the words that stand for something else among covariates.
var reserved = []string{"baseline", "strata"}

func (d *decoder) checkPlan(p *Protocol) {
	at := path{"plan"}
	plan := p.Plan
	ids := names(plan.PupilColumns, func(c PupilColumn) string { return c.ID })
	d.unique(at.to("pupil columns"), "id", "pupil columns", ids)
	d.unique(at.to("pupil columns"), "column", "pupil columns", names(plan.PupilColumns, func(c PupilColumn) string { return c.Column }))
	for i, c := range plan.PupilColumns {
		here := at.to("pupil columns", item(i))
		if !d.good(here...) {
			continue
		}
		if slices.Contains(reserved, c.ID) {
			d.say(here.to("id"), fmt.Sprintf("%q stands for something else among the covariates", c.ID), "choose another name")
		}
		if c.Range.Set && c.Kind != "number" {
			d.say(here.to("range"), fmt.Sprintf("a range is given, but the column's kind is %s", c.Kind), "only numbers have one: take it out, or write `kind: number`")
		}
		for j, o := range p.Outcomes {
			if strings.EqualFold(o.Column, c.Column) || strings.EqualFold(o.Baseline.Column, c.Column) {
				d.say(here.to("column"), fmt.Sprintf("the column %q is already read for outcome %d", c.Column, j+1), "one column has one use: take it out here")
			}
		}
	}
	if plan.Covariates != nil && d.good("plan", "pupil columns") {
		for i, c := range plan.Covariates {
			here := at.to("covariates", item(i))
			if !d.known(here, c, "covariate", append(slices.Clone(reserved), ids...)) {
				continue
			}
			if o := p.PrimaryOutcome(); c == "baseline" && d.good("outcomes") && o != nil && o.Baseline.Column == "" {
				d.say(here, fmt.Sprintf("the baseline is a covariate, but the primary outcome %q has none", o.ID), "give the outcome a `baseline`, or take it out of the covariates")
			}
			if c == "strata" && len(p.Strata) == 0 && d.good("strata") {
				d.say(here, "the strata are covariates, but there are none", "declare `strata`, or take them out of the covariates")
			}
		}
		d.unique2(at.to("covariates"), "covariates", plan.Covariates)
	}
	if d.good("plan", "pupil columns") {
		for i, s := range plan.Subgroups {
			here := at.to("subgroups", item(i))
			if d.known(here, s, "pupil column", ids) {
				if c := plan.PupilColumns[slices.Index(ids, s)]; c.Kind != "yes/no" {
					d.say(here, fmt.Sprintf("the subgroup %q has the kind %s", s, c.Kind), "a subgroup is who has yes in a yes/no column")
				}
			}
		}
	}
	d.unique2(at.to("subgroups"), "subgroups", plan.Subgroups)
	d.checkPairs(p, at)
	if plan.Multiplicity == "westfall-young" && plan.Redraws == 0 && d.good("plan", "redraws") {
		d.say(at.to("multiplicity"), "Westfall and Young's way counts redraws, and none are planned", "give `redraws`, e.g. 1000, or choose holm, which needs none")
	}
	d.unique2(at.to("missing", "sensitivity"), "analyses", plan.Missing.Sensitivity)
	d.checkInteractions(p, at.to("missing", "interactions"))
	if i := slices.Index(plan.Missing.Sensitivity, "reference"); i >= 0 && plan.Missing.ByArm {
		d.say(at.to("missing", "sensitivity", item(i)), "with each arm imputed by a model of its own nothing ties an arm to the control arm, whose way those lost should have gone", "leave out `reference`, or `by arm`")
	}
	if i := slices.Index(plan.Missing.Sensitivity, "reference"); i >= 0 && plan.Missing.Interactions != nil {
		d.say(at.to("missing", "sensitivity", item(i)), "with interactions in the imputation an arm's effect is another for each pupil, and there is no one effect for those lost to do without", "leave out `reference`, or `interactions`")
	}
	if x := plan.Interval; d.good("plan", "interval") && (x <= 0.5 || x >= 1) {
		d.say(at.to("interval"), "the interval's confidence must lie above 50 % and below 100 %", "95 % is usual")
	}
	if !d.good("trial", "measured") || !d.good("plan", "model") {
		return
	}
	switch measured := p.Trial.Measured; {
	case plan.Model == "partially nested" && len(p.Communities) == 0:
		d.say(at.to("model"), "the model has a variance of communities, and no arm has any", "write `model: mixed`, or declare the communities")
	case measured == "schools" && plan.Model != "linear":
		d.say(at.to("model"), "schools are measured, but the model is of pupils in schools", "write `model: linear`, in which each school is a row")
	case measured == "pupils" && plan.Model == "linear":
		d.say(at.to("model"), "pupils are measured, but the model takes schools as its rows", "pupils of one school are alike, and a model that forgets it gives intervals that are too narrow: write `model: mixed`")
	case measured == "schools" && len(plan.PupilColumns) > 0:
		d.say(at.to("pupil columns"), "schools are measured, so that there is no file of pupils", "take the pupil columns out")
	case measured == "schools" && strings.HasPrefix(plan.EffectSize, "within-"):
		d.say(at.to("effect size"), "schools are measured, so that there is no spread within schools", "choose total-unconditional, pooled-sd or control-sd")
	}
}

// checkInteractions checks the covariates whose associations may differ between
// the arms when scores are imputed.
func (d *decoder) checkInteractions(p *Protocol, at path) {
	names := p.Plan.Missing.Interactions
	if names == nil {
		return
	}
	if p.Plan.Missing.ByArm {
		d.say(at, "with each arm imputed by a model of its own every association differs between arms already", "leave out `interactions`, or `by arm`")
	}
	d.unique2(at, "interactions", names)
	if !d.good("plan", "covariates") || !d.good("plan", "pupil columns") {
		return
	}
	var can []string
	for _, c := range p.Plan.Covariates {
		if c != "strata" {
			can = append(can, c)
		}
	}
	for i, c := range names {
		d.known(at.to(item(i)), c, "covariate", can)
	}
}

// checkPairs checks the comparisons of arms beside those with the control arm.
func (d *decoder) checkPairs(p *Protocol, at path) {
	if len(p.Plan.Pairs) == 0 || !d.good("arms") {
		return
	}
	if len(p.Arms) < 3 {
		d.say(at.to("pairs"), fmt.Sprintf("there are %d arms, and each is compared with the control arm already", len(p.Arms)), "take `pairs` out: it is for three arms or more")
		return
	}
	var arms []string
	for _, a := range p.Arms {
		arms = append(arms, a.ID)
	}
	for i, text := range p.Plan.Pairs {
		here := at.to("pairs", item(i))
		a, b, ok := strings.Cut(text, " vs ")
		a, b = strings.TrimSpace(a), strings.TrimSpace(b)
		switch {
		case !ok:
			d.say(here, fmt.Sprintf("%q does not name two arms", text), "write e.g. `"+arms[0]+" vs "+arms[1]+"`")
		case !d.known(here, a, "arm", arms) || !d.known(here, b, "arm", arms):
		case a == b:
			d.say(here, fmt.Sprintf("%q compares an arm with itself", text), "name two arms")
		case p.ControlArm() >= 0 && b == arms[p.ControlArm()]:
			d.say(here, fmt.Sprintf("%s is compared with the control arm already", a), "take it out")
		}
	}
	d.unique2(at.to("pairs"), "pairs", p.Plan.Pairs)
}

func (d *decoder) checkSampleSize(p *Protocol) {
	s, at := p.SampleSize, path{"sample size"}
	for _, x := range []struct {
		v         Decimal
		low, high float64 // low ≤ v < high
		means     string
		at        path
	}{
		{s.Pupils, 1, 1e5, "the number of pupils of a school", at.to("pupils per school")},
		{s.Classes, 1, 1e3, "the number of classes of a school", at.to("classes per school")},
		{s.ICC, 0, 1, "a share of the variance", at.to("icc")},
		{s.ICCClass, 0, 1, "a share of the variance", at.to("icc class")},
		{s.ICCCommunity, 0, 1, "a share of the variance", at.to("icc community")},
		{s.PrePupil, 0, 1, "a correlation", at.to("pre-post pupil")},
		{s.PreClass, 0, 1, "a correlation", at.to("pre-post class")},
		{s.PreSchool, 0, 1, "a correlation", at.to("pre-post school")},
		{s.Covariates, 0, 1e3, "a number of covariates", at.to("school covariates")},
		{s.FSM.Pupils, 1, 1e5, "the number of pupils of a school", at.to("fsm", "pupils per school")},
		{s.FSM.ICC, 0, 1, "a share of the variance", at.to("fsm", "icc")},
		{s.FSM.PrePupil, 0, 1, "a correlation", at.to("fsm", "pre-post pupil")},
		{s.FSM.PreSchool, 0, 1, "a correlation", at.to("fsm", "pre-post school")},
	} {
		if x.v.Set && d.good(x.at...) && (x.v.Value < x.low || x.v.Value >= x.high) {
			d.say(x.at, fmt.Sprintf("%s cannot be %s", x.means, decimalText(x.v.Value)), fmt.Sprintf("it must be at least %s and below %s", decimalText(x.low), decimalText(x.high)))
		}
	}
	if sum := s.ICC.Value + s.ICCClass.Value; sum >= 1 && d.good(at...) {
		d.say(at.to("icc class"), fmt.Sprintf("the shares between schools and between classes add up to %s", decimalText(sum)), "something must be left for the pupils: their sum must be below 1")
	}
	if s.Classes.Set != s.ICCClass.Set && d.good(at...) {
		d.say(at, "classes are a level of their own only with both `classes per school` and `icc class`", "give the other one too, or take the one out")
	}
	if s.ICCCommunity.Set && d.good(at...) {
		switch {
		case len(p.Communities) == 0:
			d.say(at.to("icc community"), "no arm has communities", "declare `communities`, or take this out")
		case s.Classes.Set:
			d.say(at.to("icc community"), "classes and communities cannot both be levels of the sample size", "there is no formula for both: keep the one that matters more, and use `evenhand power simulate` for the whole")
		}
	}
	if x := s.Alpha; d.good(at.to("alpha")...) && (x <= 0 || x >= 1) {
		d.say(at.to("alpha"), "the significance level must lie above 0 % and below 100 %", "5 % is usual")
	}
	if x := s.Power; d.good(at.to("power")...) && (x <= s.Alpha || x >= 1) {
		d.say(at.to("power"), "the power must lie above the significance level and below 100 %", "80 % is usual")
	}
	for _, x := range []struct {
		v   Percent
		key string
	}{{s.LostSchools, "schools lost"}, {s.LostPupils, "pupils lost"}} {
		if d.good(at.to(x.key)...) && x.v >= 1 {
			d.say(at.to(x.key), "nobody would be left", "write the share that is expected to be lost, below 100 %")
		}
	}
	if c := s.FSM.Column; c != "" && d.good("plan", "pupil columns") && d.good("plan", "subgroups") {
		here := at.to("fsm", "column")
		ids := names(p.Plan.PupilColumns, func(c PupilColumn) string { return c.ID })
		if d.known(here, c, "pupil column", ids) && p.Plan.PupilColumns[slices.Index(ids, c)].Kind != "yes/no" {
			d.say(here, fmt.Sprintf("the pupil column %q is no yes/no column", c), "it must say who has free school meals and who has not")
		}
	} else if c == "" && s.FSM.Pupils.Set && d.good(at...) {
		d.say(at.to("fsm"), "it is not said which column of the pupil file tells who has free school meals", "write `column:` with the ID of a yes/no pupil column")
	}
}

// checkMonths wants a table of months to begin at 0 and to rise in both columns.
func (d *decoder) checkMonths(p *Protocol) {
	for i, row := range p.Months.Table {
		at := path{"months of progress", "table", item(i)}
		switch {
		case !d.good(at...):
		case i == 0 && row.From != 0:
			d.say(at.to("from"), "the table does not begin at 0", "begin it with {months: 0, from: 0}: an effect size of nothing must have a row")
		case i > 0 && (row.From <= p.Months.Table[i-1].From || row.Months <= p.Months.Table[i-1].Months):
			d.say(at, "the row does not rise above the one before it", "put the rows in order: more months, from a greater effect size")
		case math.Abs(row.From*100-math.Round(row.From*100)) > 1e-6 || row.From > 10:
			d.say(at.to("from"), fmt.Sprintf("%v is no effect size to two decimals", row.From), "effect sizes are rounded to two decimals before they are looked up")
		}
	}
}

func (d *decoder) checkDisclosure(p *Protocol) {
	s := &p.Disclosure
	at := path{"disclosure", "threshold"}
	given := d.at[at.String()].key != nil
	if !d.good("disclosure") {
		return
	}
	switch {
	case !given && s.Rule == "srs10":
		s.Threshold = 10
	case s.Rule == "srs10" && s.Threshold < 10:
		d.say(at, fmt.Sprintf("the rule srs10 suppresses counts below 10, but the threshold is %d", s.Threshold), "write 10 or more, or `rule: none` with the threshold you are allowed")
	}
}

// checkDates refuses days that cannot be in the order that the trial needs.
func (d *decoder) checkDates(p *Protocol) {
	before := func(a Date, aWhat string, b Date, bWhat string, at path, why string) {
		if a == "" || b == "" || a <= b || !d.good(at...) {
			return
		}
		d.say(at, fmt.Sprintf("%s (%s) is after %s (%s)", aWhat, a, bWhat, b), why)
	}
	r := p.Recruitment
	before(r.Opens, "the first day of recruitment", r.Closes, "its last day", path{"recruitment", "opens"}, "correct one of the two")
	sessions := p.Delivery.Sessions
	for i, s := range sessions {
		at := path{"delivery", "sessions", item(i), "on"}
		before(r.Closes, "the last day of recruitment", s.On, "the session "+s.ID, at, "schools are drawn after recruitment and can attend only then: correct one of the two")
		if i > 0 {
			before(sessions[i-1].On, "the session "+sessions[i-1].ID, s.On, "the session "+s.ID, at, "sessions are listed in the order in which they are held")
		}
	}
	for i, s := range p.Surveys {
		for j, round := range s.Rounds {
			at := path{"surveys", item(i), "rounds", item(j), "on"}
			if j > 0 {
				before(s.Rounds[j-1].On, "the round "+s.Rounds[j-1].ID, round.On, "the round "+round.ID, at, "rounds are listed in the order in which they are held")
			}
			asked := slices.ContainsFunc(r.Eligible, func(rule Rule) bool {
				return rule.Kind == RuleSurvey && rule.Survey == s.ID && rule.Round == round.ID
			})
			if asked {
				before(round.On, fmt.Sprintf("the round %s, which schools must have answered to be eligible,", round.ID), r.Closes, "the last day of recruitment", at, "no school could be eligible in time: correct one of the two")
			}
		}
	}
	for i, o := range p.Outcomes {
		at := path{"outcomes", item(i)}
		before(o.Baseline.On, "the baseline", o.On, "the outcome", at.to("baseline", "on"), "a baseline is measured before the outcome: correct one of the two")
		before(r.Closes, "the last day of recruitment", o.On, "the outcome "+o.ID, at.to("on"), "an outcome is measured after the draw: correct one of the two")
		if o.Baseline.On != "" && o.On != "" && o.Baseline.On == o.On {
			d.say(at.to("baseline", "on"), "the baseline is measured on the outcome's day", "a baseline is measured before the programme: correct one of the two")
		}
		if len(sessions) > 0 {
			before(o.Baseline.On, "the baseline", sessions[0].On, "the first session", at.to("baseline", "on"), "what is measured after the programme began may be an effect of it, and adjusting for it would hide the effect")
		}
	}
}
