package randomize

import (
	"fmt"
	"slices"
)

// Method is how units are put into arms.
type Method string

// The methods. Each has its own file and its own section of RULE.md.
const (
	Complete     Method = "complete"     // the whole roster as one stratum
	Stratified   Method = "stratified"   // within each stratum
	Blocks       Method = "blocks"       // permuted blocks of random size, for units that arrive in waves
	Constrained  Method = "constrained"  // one of the best-balanced of many stratified candidates
	Minimisation Method = "minimisation" // one after another, to the arm that balances best, with a random element
	Pairs        Method = "pairs"        // within matched sets named by the roster's column "set"
	Simple       Method = "simple"       // a weighted coin for each unit
	Efron        Method = "efron"        // Efron's biased coin, two equal arms
)

var methods = []string{string(Complete), string(Stratified), string(Blocks), string(Constrained),
	string(Minimisation), string(Pairs), string(Simple), string(Efron)}

// Misfits says what becomes of the units of a stratum that are left over when
// its size is not a multiple of the weights' sum.
type Misfits string

// The misfit rules.
const (
	Within Misfits = "within" // each stratum on its own; the arms' totals may drift
	Pooled Misfits = "pooled" // dealt over the whole trial; the arms' totals stay level too
)

// Imbalance is how minimisation measures a factor's imbalance.
type Imbalance string

// The measures of imbalance. Range, variance and standard deviation are those
// of Pocock and Simon (Biometrics 1975;31:103-115); Taves is the sum of the
// marginal totals (Clin Pharmacol Ther 1974;15:443-453).
const (
	ImbalanceRange    Imbalance = "range"
	ImbalanceVariance Imbalance = "variance"
	ImbalanceSD       Imbalance = "sd"
	ImbalanceTaves    Imbalance = "taves"
)

// ArmSpec is an arm and its share of the units.
type ArmSpec struct {
	Name   string // [A-Za-z0-9._-]{1,64}
	Weight int    // 1 to 1000; the share is Weight over the sum of the weights
}

// ColumnWeight is how much a balance column counts.
type ColumnWeight struct {
	Column string // a balance column of the roster; for minimisation also "stratum"
	Weight int    // 0 to 1,000,000
}

// Forming is how an arm's units are put into communities.
type Forming string

// The ways of forming communities.
const (
	FormRandom Forming = "random" // by lot alone
	FormNear   Forming = "near"   // short travel, by lot among the good partitions
	FormMixed  Forming = "mixed"  // alike in the balance columns, by lot among the good partitions
)

// Design is what is declared before the draw. Its canonical text is hashed
// into the seed, so that any change makes another draw.
//
// The zero value of an optional setting means that the design text has no line
// for it.
type Design struct {
	Method  Method
	Arms    []ArmSpec // in the protocol's order, at least two
	Cluster string    // roster column whose equal values are drawn as one unit; "" for none

	Misfits Misfits // methods stratified, constrained and pairs: required; else ""
	Blocks  []int   // method blocks: the block sizes, each a multiple of the weights' sum

	Imbalance    Imbalance // method minimisation: required; else ""
	BestPerMille int       // minimisation: chance of the preferred arm; efron: of the arm behind; in thousandths

	Candidates      int // method constrained: how many candidates
	KeepPerMille    int // method constrained: which share of them is kept, in thousandths
	DistinctAtLeast int // constrained: fewest distinct kept allocations; 0 means DefaultDistinct
	// TogetherPerMille holds the least and the greatest share of the kept
	// candidates, in thousandths, in which any pair of units not tied by the
	// strata alone may be in one arm. nil means that no pair may be always or
	// never together.
	TogetherPerMille []int

	Weights     []ColumnWeight // constrained: balance columns; minimisation: factors
	Communities []Community    // at most one for each arm
}

// DefaultDistinct is the fewest distinct kept allocations with which a
// constrained design passes its gate unless it says otherwise.
const DefaultDistinct = 1000

// Community is the rule by which an arm's units are put into communities.
type Community struct {
	Arm      string
	Min, Max int     // smallest and largest community, 1 <= Min <= Max
	How      Forming // random, near or mixed
	Column   string  // roster column, or "stratum", that no community may cross; "" for none

	Notional bool           // formed for comparison only: the arm has no real communities
	Number   int            // how many communities; 0 means as few as Max allows
	Apart    []string       // columns: units with the same value other than 0 are never in one community
	Together []string       // columns: units with the same value other than 0 are always in one community
	Farthest int            // longest distance inside a community, in metres or minutes; 0 means no limit
	Counts   []CountLimit   // how many units of a kind each community has
	Hubs     []Hub          // places where the communities meet, one community each; empty for none
	Balance  []ColumnWeight // the columns in which communities are to be alike (mixed, and near with Mix)
	Mix      int            // share of balance in the score, 1 to 999 thousandths; 0 means none for near, all for mixed
	Starts   int            // independent starts; 0 means DefaultStarts
	Keep     int            // share of the distinct partitions kept, in thousandths; 0 means DefaultKeep
	Passes   int            // improvement passes of each start; 0 means DefaultPasses

	// Progress, if it is set, is told how many starts of the search are done. It
	// is no part of the design and changes no draw.
	Progress func(done, of int)
}

// CountLimit bounds how many units with Column = Value each community has.
type CountLimit struct {
	Column   string
	Value    int64
	Min, Max int
}

// Hub is a place where one community meets. The roster's column "hub.NAME"
// holds each unit's distance to it.
type Hub struct {
	Name     string
	Capacity int // most units its community may have
}

// What a community's settings are where its design says nothing.
const (
	DefaultStarts = 1000
	DefaultKeep   = 100
	DefaultPasses = 2
)

// Plain says whether the communities are formed by lot alone, with no search:
// random, or random within a column, and nothing else.
func (c Community) Plain() bool {
	return c.How == FormRandom && c.Number == 0 && len(c.Apart) == 0 && len(c.Together) == 0 &&
		c.Farthest == 0 && len(c.Counts) == 0 && len(c.Hubs) == 0
}

func (c Community) starts() int { return orDefault(c.Starts, DefaultStarts) }
func (c Community) keep() int   { return orDefault(c.Keep, DefaultKeep) }
func (c Community) passes() int { return orDefault(c.Passes, DefaultPasses) }

// mix is the share of balance in the score, in thousandths.
func (c Community) mix() int {
	if c.Mix == 0 && c.How == FormMixed {
		return 1000
	}
	return c.Mix
}

func orDefault(n, otherwise int) int {
	if n == 0 {
		return otherwise
	}
	return n
}

// totalWeight is W, the sum of the arms' weights.
func (d Design) totalWeight() int {
	w := 0
	for _, a := range d.Arms {
		w += a.Weight
	}
	return w
}

// arm is the index of the named arm, or -1.
func (d Design) arm(name string) int {
	return slices.IndexFunc(d.Arms, func(a ArmSpec) bool { return a.Name == name })
}

// CommunityOf is the community rule of the named arm, if it has one.
func (d Design) CommunityOf(arm string) (Community, bool) {
	for _, c := range d.Communities {
		if c.Arm == arm {
			return c, true
		}
	}
	return Community{}, false
}

// Limits of the settings. They are far beyond any trial of schools, and keep
// a mistyped design from asking for more work than a machine can do.
const (
	maxWeight       = 1000
	maxTotalWeight  = 10_000
	maxArms         = 255
	maxBlock        = 100_000
	maxCandidates   = 10_000_000
	maxColumnWeight = 1_000_000
	maxStarts       = 1_000_000
	maxPasses       = 100
	maxCommunity    = 1_000_000
	maxDistance     = 1_000_000_000
)

// Validate says everything wrong with the design by itself, as an
// *InvalidError; nil if nothing is. What depends on the roster is said by
// [Check].
func (d Design) Validate() error {
	f := faults{what: "design"}
	d.validate(&f)
	return f.err()
}

func (d Design) validate(f *faults) {
	known := slices.Contains(methods, string(d.Method))
	if !known {
		f.add(0, "method %q is unknown%s", d.Method, meant(string(d.Method), methods))
	}
	d.validateArms(f)
	if d.Cluster != "" && !isName(d.Cluster) {
		f.add(0, "cluster column %q %s; names are 1 to 64 of A-Z a-z 0-9 . _ -", clip(d.Cluster), whyNotName(d.Cluster))
	}
	if known {
		d.validateMethod(f)
	}
	d.validateWeights(f, d.Weights, "weight")
	seen := map[string]bool{}
	for _, c := range d.Communities {
		if seen[c.Arm] {
			f.add(0, "arm %s has more than one community rule; an arm's units can be put into communities once only", c.Arm)
		}
		seen[c.Arm] = true
		d.validateCommunity(f, c)
	}
}

func (d Design) validateArms(f *faults) {
	if len(d.Arms) < 2 {
		f.add(0, "the design has %d %s; a draw needs at least two", len(d.Arms), plural(len(d.Arms), "arm", "arms"))
	}
	if len(d.Arms) > maxArms {
		f.add(0, "the design has %d arms; at most %d can be drawn", len(d.Arms), maxArms)
	}
	seen := map[string]bool{}
	for _, a := range d.Arms {
		if !isName(a.Name) {
			f.add(0, "arm %q %s; names are 1 to 64 of A-Z a-z 0-9 . _ -", clip(a.Name), whyNotName(a.Name))
		}
		if seen[a.Name] {
			f.add(0, "arm %s is named twice; give one line with its whole weight", a.Name)
		}
		seen[a.Name] = true
		switch {
		case a.Weight == 0:
			f.add(0, "arm %s has weight 0, so nobody could be drawn into it; leave the arm out or give it a weight of 1 or more", a.Name)
		case a.Weight < 0 || a.Weight > maxWeight:
			f.add(0, "arm %s has weight %d; weights are whole numbers from 1 to %d", a.Name, a.Weight, maxWeight)
		}
	}
	if w := d.totalWeight(); w > maxTotalWeight {
		f.add(0, "the weights add to %d, more than %d; use smaller numbers in the same ratio", w, maxTotalWeight)
	}
}

// validateMethod says which settings the method misses and which it cannot use.
func (d Design) validateMethod(f *faults) {
	m := d.Method
	needless := func(has bool, setting string, users ...Method) bool {
		uses := slices.Contains(users, m)
		if has && !uses {
			f.add(0, "method %s has no use for %s; leave the line out so that the text says only what is done", m, setting)
		}
		if !has && uses {
			f.add(0, "method %s needs %s", m, setting)
		}
		return has && uses
	}
	if needless(d.Misfits != "", "misfits (pooled or within: what becomes of units left over in a stratum)", Stratified, Constrained, Pairs) &&
		d.Misfits != Pooled && d.Misfits != Within {
		f.add(0, "misfits %q is unknown%s", d.Misfits, meant(string(d.Misfits), []string{string(Pooled), string(Within)}))
	}
	if needless(len(d.Blocks) > 0, "blocks (the block sizes)", Blocks) {
		w := d.totalWeight()
		seen := map[int]bool{}
		for _, b := range d.Blocks {
			if b < 1 || b > maxBlock || w > 0 && b%w != 0 {
				f.add(0, "block size %d is not a multiple of %d, the sum of the weights, so its deck could not be in the ratio of the arms", b, w)
			}
			if seen[b] {
				f.add(0, "block size %d is named twice", b)
			}
			seen[b] = true
		}
	}
	if needless(d.Imbalance != "", "imbalance (range, variance, sd or taves)", Minimisation) {
		if all := []string{string(ImbalanceRange), string(ImbalanceVariance), string(ImbalanceSD), string(ImbalanceTaves)}; !slices.Contains(all, string(d.Imbalance)) {
			f.add(0, "imbalance %q is unknown%s", d.Imbalance, meant(string(d.Imbalance), all))
		}
	}
	if needless(d.BestPerMille != 0, "best_per_mille (the chance of the preferred arm in thousandths)", Minimisation, Efron) {
		d.validateBest(f)
	}
	if needless(d.Candidates != 0, "candidates (how many)", Constrained) && (d.Candidates < 1 || d.Candidates > maxCandidates) {
		f.add(0, "candidates %d is out of range; take 1 to %d", d.Candidates, maxCandidates)
	}
	if needless(d.KeepPerMille != 0, "keep_per_mille (which share of the candidates is kept, in thousandths)", Constrained) && (d.KeepPerMille < 1 || d.KeepPerMille > 1000) {
		f.add(0, "keep_per_mille %d is out of range; take 1 to 1000", d.KeepPerMille)
	}
	if m != Constrained {
		needless(d.DistinctAtLeast != 0, "distinct_at_least")
		needless(d.TogetherPerMille != nil, "together_per_mille")
	}
	if d.DistinctAtLeast < 0 || d.DistinctAtLeast > maxCandidates {
		f.add(0, "distinct_at_least %d is out of range; take 1 to %d", d.DistinctAtLeast, maxCandidates)
	}
	if t := d.TogetherPerMille; t != nil && (len(t) != 2 || t[0] < 0 || t[0] > t[1] || t[1] > 1000) {
		f.add(0, "together_per_mille %v must be two whole numbers, the first not above the second, from 0 to 1000", t)
	}
	needless(len(d.Weights) > 0, "weight (a balance column and how much it counts)", Constrained, Minimisation)
	if m == Efron && (len(d.Arms) != 2 || d.Arms[0].Weight != d.Arms[1].Weight) {
		f.add(0, "method efron draws between two arms of the same weight only; use minimisation, blocks or stratified for other ratios")
	}
}

func (d Design) validateBest(f *faults) {
	switch {
	case d.BestPerMille < 1 || d.BestPerMille > 1000:
		f.add(0, "best_per_mille %d is out of range; take 501 to 999", d.BestPerMille)
	case d.BestPerMille == 1000:
		f.add(0, "best_per_mille 1000 leaves nothing to chance: whoever knows the earlier schools knows the next arm; take 999 or less")
	case len(d.Arms) > 1 && d.BestPerMille*len(d.Arms) < 1000:
		f.add(0, "best_per_mille %d gives the preferred arm less than an equal share among %d arms", d.BestPerMille, len(d.Arms))
	}
}

func (d Design) validateWeights(f *faults, weights []ColumnWeight, setting string) {
	seen := map[string]bool{}
	for _, w := range weights {
		if !isName(w.Column) {
			f.add(0, "%s names column %q, which %s; names are 1 to 64 of A-Z a-z 0-9 . _ -", setting, clip(w.Column), whyNotName(w.Column))
		}
		if seen[w.Column] {
			f.add(0, "%s names column %s twice", setting, w.Column)
		}
		seen[w.Column] = true
		if w.Weight < 0 || w.Weight > maxColumnWeight {
			f.add(0, "%s of column %s is %d; take 0 to %d", setting, w.Column, w.Weight, maxColumnWeight)
		}
	}
}

// WithProgress is the design with a function that is told how far the search for
// its communities has come; it changes no draw.
func (d Design) WithProgress(progress func(done, of int)) Design {
	d.Communities = slices.Clone(d.Communities)
	for i := range d.Communities {
		d.Communities[i].Progress = progress
	}
	return d
}

func (d Design) validateCommunity(f *faults, c Community) {
	who := "communities of arm " + c.Arm
	if d.arm(c.Arm) < 0 {
		names := make([]string, len(d.Arms))
		for i, a := range d.Arms {
			names[i] = a.Name
		}
		f.add(0, "communities are declared for arm %q, which is not an arm%s", clip(c.Arm), meant(c.Arm, names))
	}
	if c.Min < 1 || c.Max > maxCommunity || c.Min > c.Max {
		f.add(0, "%s are to have %d to %d units; give the smallest, at least 1, then the largest", who, c.Min, c.Max)
	}
	switch c.How {
	case FormRandom, FormNear, FormMixed:
	default:
		f.add(0, "%s are to be formed %q%s", who, clip(string(c.How)), meant(string(c.How), []string{"random", "within", "near", "mixed"}))
	}
	column := func(setting, name string) {
		if !isName(name) {
			f.add(0, "%s: %s names column %q, which %s", who, setting, clip(name), whyNotName(name))
		}
	}
	if c.Column != "" {
		column("within", c.Column)
	}
	for _, name := range c.Apart {
		column("apart", name)
		if slices.Contains(c.Together, name) {
			f.add(0, "%s: units with the same %s are to be both apart and together; it can be one only", who, name)
		}
	}
	for _, name := range c.Together {
		column("together", name)
	}
	for _, list := range [][]string{c.Apart, c.Together} {
		if dup := firstDuplicate(list); dup != "" {
			f.add(0, "%s: column %s is named twice", who, dup)
		}
	}
	for _, l := range c.Counts {
		column("count", l.Column)
		if l.Min < 0 || l.Min > l.Max || l.Max > maxCommunity {
			f.add(0, "%s: the count of %s = %d is to be from %d to %d; give the least first, 0 or more", who, l.Column, l.Value, l.Min, l.Max)
		}
	}
	hubs := map[string]bool{}
	for _, h := range c.Hubs {
		column("hub", h.Name)
		if hubs[h.Name] {
			f.add(0, "%s: hub %s is named twice; a place that hosts two communities has two names and two columns", who, h.Name)
		}
		hubs[h.Name] = true
		if h.Capacity < c.Min {
			f.add(0, "%s: hub %s holds %d units, fewer than the smallest community, %d", who, h.Name, h.Capacity, c.Min)
		}
	}
	if len(c.Hubs) > 0 && c.Number > 0 && c.Number != len(c.Hubs) {
		f.add(0, "%s: %d communities for %d hubs; each hub has one, so leave number out", who, c.Number, len(c.Hubs))
	}
	if len(c.Hubs) > 0 && c.Column != "" {
		f.add(0, "%s: hubs and within cannot be used together; the hub's distances say who can reach it", who)
	}
	if c.Number > 0 && c.Column != "" {
		f.add(0, "%s: number and within cannot be used together; within %s each value has as few communities as the largest size allows", who, c.Column)
	}
	d.validateWeights(f, c.Balance, who+": balance")
	d.validateSearch(f, c, who)
}

func (d Design) validateSearch(f *faults, c Community, who string) {
	inRange := func(setting string, n, most int) {
		if n < 0 || n > most {
			f.add(0, "%s: %s %d is out of range; take 1 to %d", who, setting, n, most)
		}
	}
	inRange("number", c.Number, maxCommunity)
	inRange("farthest", c.Farthest, maxDistance)
	inRange("mix", c.Mix, 999)
	inRange("starts", c.Starts, maxStarts)
	inRange("keep", c.Keep, 1000)
	inRange("passes", c.Passes, maxPasses)
	if c.Plain() && (c.Starts != 0 || c.Keep != 0 || c.Passes != 0) {
		f.add(0, "%s are formed by lot alone; starts, keep and passes have no use there", who)
	}
	if c.How == FormRandom && (c.Mix != 0 || len(c.Balance) > 0) {
		f.add(0, "%s are formed at random; mix and balance have no use there (did you mean near or mixed?)", who)
	}
	if c.How == FormRandom && c.Keep != 0 && !c.Plain() {
		f.add(0, "%s are formed at random, so every partition found is kept; leave keep out", who)
	}
	if c.mix() > 0 && len(c.Balance) == 0 {
		f.add(0, "%s are to be alike, but no balance column says in what; add balance %s COLUMN WEIGHT", who, c.Arm)
	}
	if c.mix() == 0 && len(c.Balance) > 0 && c.How == FormNear {
		f.add(0, "%s have balance columns that count for nothing; add mix %s with its share of the score in thousandths", who, c.Arm)
	}
}

func firstDuplicate(list []string) string {
	for i, s := range list {
		if slices.Contains(list[:i], s) {
			return s
		}
	}
	return ""
}

func plural(n int, one, many string) string {
	if n == 1 {
		return one
	}
	return many
}

func quantity(n int, one, many string) string {
	return fmt.Sprintf("%d %s", n, plural(n, one, many))
}
