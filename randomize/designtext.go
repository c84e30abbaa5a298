package randomize

import (
	"fmt"
	"math"
	"slices"
	"strconv"
	"strings"
)

const designFirst = "evenhand-design 1"

// designKeywords are the settings in the order in which they stand in a design
// text. From "community" on they belong to the community named before.
var designKeywords = []string{"method", "arm", "cluster", "misfits", "blocks", "imbalance", "best_per_mille",
	"candidates", "keep_per_mille", "distinct_at_least", "together_per_mille", "weight",
	"community", "notional", "number", "apart", "together", "farthest", "count", "hub", "balance", "mix", "starts", "keep", "passes"}

// communityKeyword is the place of "community" in designKeywords.
var communityKeyword = slices.Index(designKeywords, "community")

// Text is the design's canonical text, the very bytes that are hashed.
// ParseDesign(d.Text()) gives d back for every valid design.
func (d Design) Text() []byte {
	var b strings.Builder
	line := func(fields ...any) {
		for i, f := range fields {
			if i > 0 {
				b.WriteByte(' ')
			}
			fmt.Fprint(&b, f)
		}
		b.WriteByte('\n')
	}
	optional := func(keyword string, n int, arm ...any) {
		if n != 0 {
			line(append(append([]any{keyword}, arm...), n)...)
		}
	}
	line(designFirst)
	line("method", d.Method)
	for _, a := range d.Arms {
		line("arm", a.Name, a.Weight)
	}
	if d.Cluster != "" {
		line("cluster", d.Cluster)
	}
	if d.Misfits != "" {
		line("misfits", d.Misfits)
	}
	if len(d.Blocks) > 0 {
		sizes := []any{"blocks"}
		for _, s := range d.Blocks {
			sizes = append(sizes, s)
		}
		line(sizes...)
	}
	if d.Imbalance != "" {
		line("imbalance", d.Imbalance)
	}
	optional("best_per_mille", d.BestPerMille)
	optional("candidates", d.Candidates)
	optional("keep_per_mille", d.KeepPerMille)
	optional("distinct_at_least", d.DistinctAtLeast)
	if len(d.TogetherPerMille) == 2 {
		line("together_per_mille", d.TogetherPerMille[0], d.TogetherPerMille[1])
	}
	for _, w := range d.Weights {
		line("weight", w.Column, w.Weight)
	}
	for _, c := range d.Communities {
		how := string(c.How)
		if c.Column != "" {
			how += " within " + c.Column
			if c.How == FormRandom {
				how = "within " + c.Column
			}
		}
		line("community", c.Arm, c.Min, c.Max, how)
		if c.Notional {
			line("notional", c.Arm)
		}
		optional("number", c.Number, c.Arm)
		for _, name := range c.Apart {
			line("apart", c.Arm, name)
		}
		for _, name := range c.Together {
			line("together", c.Arm, name)
		}
		optional("farthest", c.Farthest, c.Arm)
		for _, l := range c.Counts {
			line("count", c.Arm, l.Column, l.Value, l.Min, l.Max)
		}
		for _, h := range c.Hubs {
			line("hub", c.Arm, h.Name, h.Capacity)
		}
		for _, w := range c.Balance {
			line("balance", c.Arm, w.Column, w.Weight)
		}
		optional("mix", c.Mix, c.Arm)
		optional("starts", c.Starts, c.Arm)
		optional("keep", c.Keep, c.Arm)
		optional("passes", c.Passes, c.Arm)
	}
	return []byte(b.String())
}

// ParseDesign reads a design text. Only the canonical bytes are accepted: any
// other spelling of the same design would have another digest. The error is an
// *InvalidError with everything wrong, by line.
func ParseDesign(text []byte) (Design, error) {
	f := &faults{what: "design"}
	lines, ok := textLines(text, designFirst, f)
	if !ok {
		return Design{}, f.err()
	}
	p := designParser{faults: f, seen: map[string]int{}}
	for i, l := range lines {
		p.line(i+2, l)
	}
	for _, required := range []string{"method", "arm"} {
		if p.seen[required] == 0 {
			f.add(0, "there is no %s line", required)
		}
	}
	if len(f.list) > 0 {
		return Design{}, f.err()
	}
	p.d.validate(f)
	if len(f.list) == 0 && string(p.d.Text()) != string(text) {
		f.add(0, "the text is not in its canonical form, so its digest would not be the design's")
	}
	if len(f.list) > 0 {
		return Design{}, f.err()
	}
	return p.d, nil
}

type designParser struct {
	d      Design
	faults *faults
	seen   map[string]int // keyword (and arm, for a community's settings) to its line
	rank   int            // place of the last keyword in designKeywords
	last   string         // the last keyword
}

func (p *designParser) line(n int, line string) {
	if line == "" {
		p.faults.add(n, "the line is empty; a design text has one setting a line and nothing else")
		return
	}
	if strings.Contains(line, "\t") {
		p.faults.add(n, "the line contains a tab; fields of a design are separated by one space")
		return
	}
	fields := strings.Split(line, " ")
	if slices.Contains(fields, "") {
		p.faults.add(n, "the line begins or ends with a space or has two together; fields are separated by exactly one")
		return
	}
	keyword, args := fields[0], fields[1:]
	rank := slices.Index(designKeywords, keyword)
	if rank < 0 {
		p.faults.add(n, "setting %q is unknown%s", clip(keyword), meant(keyword, designKeywords))
		return
	}
	p.order(n, keyword, rank)
	if rank > communityKeyword {
		p.communityLine(n, keyword, args)
		return
	}
	if keyword != "arm" && keyword != "weight" && keyword != "community" && p.seen[keyword] > 0 {
		p.faults.add(n, "%s is set a second time (first on line %d); say it once", keyword, p.seen[keyword])
		return
	}
	p.seen[keyword] = n
	p.setting(n, keyword, args)
}

// order refuses a keyword that stands before its place.
func (p *designParser) order(n int, keyword string, rank int) {
	// Every community begins a round of its own settings.
	back := rank < p.rank && !(keyword == "community" && p.rank > communityKeyword)
	if back {
		p.faults.add(n, "%s stands after %s; the settings stand in the order %s, so that a design has one text only",
			keyword, p.last, strings.Join(designKeywords, ", "))
		return
	}
	p.rank, p.last = rank, keyword
}

func (p *designParser) want(n int, keyword string, args []string, form string) bool {
	if len(args) == len(strings.Fields(form)) {
		return true
	}
	p.faults.add(n, "%s has %s, want %q", keyword, quantity(len(args), "field", "fields"), keyword+" "+form)
	return false
}

func (p *designParser) number(n int, what, s string, lo, hi int64) int {
	v, ok := canonicalCount(s, lo, hi)
	if !ok {
		p.faults.add(n, "%s %q is not a whole number from %d to %d, written in digits without sign or leading zero", what, clip(s), lo, hi)
	}
	return v
}

func (p *designParser) setting(n int, keyword string, args []string) {
	one := func(form string) string {
		if !p.want(n, keyword, args, form) {
			return ""
		}
		return args[0]
	}
	oneNumber := func(lo, hi int64) int {
		if s := one("NUMBER"); s != "" {
			return p.number(n, keyword, s, lo, hi)
		}
		return 0
	}
	switch keyword {
	case "method":
		p.d.Method = Method(one("METHOD"))
		if p.d.Method != "" && !slices.Contains(methods, string(p.d.Method)) {
			p.faults.add(n, "method %q is unknown%s", clip(string(p.d.Method)), meant(string(p.d.Method), methods))
		}
	case "arm":
		if p.want(n, keyword, args, "NAME WEIGHT") {
			p.d.Arms = append(p.d.Arms, ArmSpec{args[0], p.number(n, "weight of arm "+clip(args[0]), args[1], 0, maxWeight)})
		}
	case "cluster":
		p.d.Cluster = one("COLUMN")
	case "misfits":
		p.d.Misfits = Misfits(one("RULE"))
	case "blocks":
		if len(args) == 0 {
			p.faults.add(n, "blocks has no sizes, want \"blocks SIZE SIZE …\"")
		}
		for _, a := range args {
			p.d.Blocks = append(p.d.Blocks, p.number(n, "block size", a, 1, maxBlock))
		}
	case "imbalance":
		p.d.Imbalance = Imbalance(one("MEASURE"))
	case "best_per_mille":
		p.d.BestPerMille = oneNumber(1, 1000)
	case "candidates":
		p.d.Candidates = oneNumber(1, maxCandidates)
	case "keep_per_mille":
		p.d.KeepPerMille = oneNumber(1, 1000)
	case "distinct_at_least":
		p.d.DistinctAtLeast = oneNumber(1, maxCandidates)
	case "together_per_mille":
		if p.want(n, keyword, args, "LEAST MOST") {
			p.d.TogetherPerMille = []int{p.number(n, keyword, args[0], 0, 1000), p.number(n, keyword, args[1], 0, 1000)}
		}
	case "weight":
		if p.want(n, keyword, args, "COLUMN WEIGHT") {
			p.d.Weights = append(p.d.Weights, ColumnWeight{args[0], p.number(n, "weight of column "+clip(args[0]), args[1], 0, maxColumnWeight)})
		}
	case "community":
		p.community(n, args)
	}
}

func (p *designParser) community(n int, args []string) {
	const form = "want \"community ARM SMALLEST LARGEST HOW\", HOW being random, within COLUMN, near, near within COLUMN, mixed or mixed within COLUMN"
	if len(args) < 4 {
		p.faults.add(n, "community has %s, %s", quantity(len(args), "field", "fields"), form)
		return
	}
	c := Community{Arm: args[0],
		Min: p.number(n, "smallest community", args[1], 1, maxCommunity),
		Max: p.number(n, "largest community", args[2], 1, maxCommunity)}
	switch how := args[3:]; {
	case len(how) == 1 && (how[0] == "random" || how[0] == "near" || how[0] == "mixed"):
		c.How = Forming(how[0])
	case len(how) == 2 && how[0] == "within":
		c.How, c.Column = FormRandom, how[1]
	case len(how) == 3 && (how[0] == "near" || how[0] == "mixed") && how[1] == "within":
		c.How, c.Column = Forming(how[0]), how[2]
	case len(how) == 1 && how[0] != "within":
		p.faults.add(n, "communities cannot be formed %q%s", clip(how[0]), meant(how[0], []string{"random", "within", "near", "mixed"}))
		return
	default:
		p.faults.add(n, "communities cannot be formed %q; %s", clip(strings.Join(how, " ")), form)
		return
	}
	p.d.Communities = append(p.d.Communities, c)
}

// communityLine reads a setting of the community declared last.
func (p *designParser) communityLine(n int, keyword string, args []string) {
	if len(p.d.Communities) == 0 {
		p.faults.add(n, "%s belongs to a community, and no community is declared before it", keyword)
		return
	}
	c := &p.d.Communities[len(p.d.Communities)-1]
	if len(args) > 0 && args[0] != c.Arm {
		p.faults.add(n, "%s names arm %q, but the community before it is of arm %s; a community's settings follow its own line", keyword, clip(args[0]), c.Arm)
		return
	}
	switch keyword {
	case "apart", "together", "count", "hub", "balance": // may come several times
	default:
		key := keyword + " " + c.Arm
		if p.seen[key] > 0 {
			p.faults.add(n, "%s is set a second time (first on line %d); say it once", keyword, p.seen[key])
			return
		}
		p.seen[key] = n
	}
	number := func(into *int, lo, hi int64) {
		if p.want(n, keyword, args, "ARM NUMBER") {
			*into = p.number(n, keyword, args[1], lo, hi)
		}
	}
	switch keyword {
	case "notional":
		c.Notional = p.want(n, keyword, args, "ARM")
	case "number":
		number(&c.Number, 1, maxCommunity)
	case "apart":
		if p.want(n, keyword, args, "ARM COLUMN") {
			c.Apart = append(c.Apart, args[1])
		}
	case "together":
		if p.want(n, keyword, args, "ARM COLUMN") {
			c.Together = append(c.Together, args[1])
		}
	case "farthest":
		number(&c.Farthest, 1, maxDistance)
	case "count":
		if p.want(n, keyword, args, "ARM COLUMN VALUE LEAST MOST") {
			value, ok := canonicalInt(args[2])
			if !ok || value < -math.MaxInt32 || value > math.MaxInt32 {
				p.faults.add(n, "count: value %q is not a whole number", clip(args[2]))
			}
			c.Counts = append(c.Counts, CountLimit{args[1], value,
				p.number(n, "least count", args[3], 0, maxCommunity), p.number(n, "greatest count", args[4], 0, maxCommunity)})
		}
	case "hub":
		if p.want(n, keyword, args, "ARM NAME CAPACITY") {
			c.Hubs = append(c.Hubs, Hub{args[1], p.number(n, "capacity", args[2], 1, maxCommunity)})
		}
	case "balance":
		if p.want(n, keyword, args, "ARM COLUMN WEIGHT") {
			c.Balance = append(c.Balance, ColumnWeight{args[1], p.number(n, "weight of column "+clip(args[1]), args[2], 0, maxColumnWeight)})
		}
	case "mix":
		number(&c.Mix, 1, 999)
	case "starts":
		number(&c.Starts, 1, maxStarts)
	case "keep":
		number(&c.Keep, 1, 1000)
	case "passes":
		number(&c.Passes, 1, maxPasses)
	}
}

// itoa is the decimal form used in every purpose and name.
func itoa[T ~int | ~int64](n T) string { return strconv.FormatInt(int64(n), 10) }
