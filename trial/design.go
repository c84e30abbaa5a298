package trial

import (
	"fmt"
	"maps"
	"math/big"
	"regexp"
	"slices"
	"strings"

	"evenhand/randomize"
)

// Design gives the protocol's draw as the randomize package takes it. The
// error is what randomize finds wrong with it; after ParseProtocol there is
// nothing unless the protocol was changed since.
func (p *Protocol) Design() (randomize.Design, error) {
	s := p.Draw
	d := randomize.Design{Method: randomize.Method(s.Method)}
	for _, a := range p.Arms {
		d.Arms = append(d.Arms, randomize.ArmSpec{Name: a.ID, Weight: a.Weight})
	}
	switch d.Method {
	case randomize.Stratified, randomize.Pairs:
		d.Misfits = randomize.Misfits(s.Misfits)
	case randomize.Constrained:
		d.Misfits = randomize.Misfits(s.Misfits)
		d.Candidates, d.DistinctAtLeast = s.Candidates, s.Distinct
		d.KeepPerMille, _ = s.Keep.perMille()
	case randomize.Blocks:
		d.Blocks = slices.Clone(s.Blocks)
	case randomize.Minimisation:
		d.Imbalance = randomize.Imbalance(s.Imbalance)
		d.BestPerMille, _ = s.Best.perMille()
	case randomize.Efron:
		d.BestPerMille, _ = s.Best.perMille()
	}
	d.Weights, d.Cluster = columnWeights(s.Balance), s.Clusters
	if d.Method == randomize.Constrained && (s.PairsLeast > 0 || s.PairsMost > 0) {
		d.TogetherPerMille = []int{1, 999}
		if s.PairsLeast > 0 {
			d.TogetherPerMille[0], _ = s.PairsLeast.perMille()
		}
		if s.PairsMost > 0 {
			d.TogetherPerMille[1], _ = s.PairsMost.perMille()
		}
	}
	for _, rule := range p.Communities {
		c := randomize.Community{
			Arm: rule.Arm, Min: rule.Size.Min, Max: rule.Size.Max,
			How: randomize.Forming(rule.How), Column: rule.Within,
			Apart: slices.Clone(rule.Apart), Together: slices.Clone(rule.Together),
			Farthest: rule.farthest(), Balance: columnWeights(rule.Balance),
			Number: rule.Number, Starts: rule.Starts,
		}
		c.Keep, _ = rule.Keep.perMille()
		for _, k := range rule.Counts {
			c.Counts = append(c.Counts, randomize.CountLimit{Column: k.rosterColumn(), Value: 1, Min: k.Least, Max: orElse(k.Most, rule.Size.Max)})
		}
		for _, h := range rule.Hubs {
			c.Hubs = append(c.Hubs, randomize.Hub{Name: h.Name, Capacity: orElse(h.Capacity, rule.Size.Max)})
		}
		if rule.How == "within" {
			c.How = randomize.FormRandom
		}
		if mix, _ := rule.Mix.perMille(); mix < 1000 {
			c.Mix = mix
		}
		d.Communities = append(d.Communities, c)
		if i := p.ControlArm(); rule.Notional && i >= 0 {
			c.Arm, c.Notional = p.Arms[i].ID, true
			d.Communities = append(d.Communities, c)
		}
	}
	if err := d.Validate(); err != nil {
		return randomize.Design{}, fmt.Errorf("turn the protocol into a design: %w", err)
	}
	return d, nil
}

// orElse is n, or m where n is 0.
func orElse(n, m int) int {
	if n == 0 {
		return m
	}
	return n
}

// rosterColumn names the roster's column that is 1 for the schools counted and
// 0 for the others.
func (k CountRule) rosterColumn() string {
	clean := strings.Map(func(r rune) rune {
		if IsName(string(r)) {
			return r
		}
		return '-'
	}, k.Value)
	name := k.Column + "." + clean
	return name[:min(len(name), 64)]
}

// columnWeights puts weights in the order of their columns' names.
func columnWeights(balance map[string]int) []randomize.ColumnWeight {
	var weights []randomize.ColumnWeight
	for _, name := range slices.Sorted(maps.Keys(balance)) {
		weights = append(weights, randomize.ColumnWeight{Column: name, Weight: balance[name]})
	}
	return weights
}

// coding is how a school's attribute becomes a whole number of the roster.
type coding string

const (
	asZScore   coding = "a z-score in thousandths"
	asCategory coding = "a number for each value"
	asWhole    coding = "a whole number"
	asKind     coding = "1 for the schools of a kind"
)

// rosterColumn is a column that the draw needs beside the stratum.
type rosterColumn struct {
	name     string // in the roster
	from     string // the attribute
	coding   coding
	optional bool // a school without a value gets 0, which means none
	use      string
	value    string // coding asKind: the value that gets 1
}

// rosterColumns lists the columns that the draw needs, each once, and says
// which would have to be two things at once.
func (p *Protocol) rosterColumns() (columns []rosterColumn, conflicts []string) {
	add := func(c rosterColumn) {
		i := slices.IndexFunc(columns, func(x rosterColumn) bool { return x.name == c.name })
		switch {
		case i < 0:
			columns = append(columns, c)
		case columns[i].coding != c.coding || columns[i].from != c.from || columns[i].value != c.value:
			conflicts = append(conflicts, fmt.Sprintf("the roster's column %q would be %s for %s, and %s for %s", c.name, columns[i].coding, columns[i].use, c.coding, c.use))
		default:
			columns[i].optional = columns[i].optional && c.optional
		}
	}
	s := p.Draw
	if s.Sequence != "" {
		add(rosterColumn{randomize.ColumnSequence, s.Sequence, asWhole, false, "the order of arrival", ""})
	}
	for _, name := range slices.Sorted(maps.Keys(s.Match.On)) {
		add(rosterColumn{name, name, asZScore, false, "matching", ""})
	}
	if s.Set != "" {
		add(rosterColumn{randomize.ColumnSet, s.Set, asCategory, false, "matching", ""})
	}
	for _, name := range slices.Sorted(maps.Keys(s.Balance)) {
		if s.Method == "minimisation" {
			add(rosterColumn{name, name, asCategory, false, "minimisation", ""})
		} else {
			add(rosterColumn{name, name, asZScore, false, "balancing the arms", ""})
		}
	}
	if s.Clusters != "" {
		add(rosterColumn{name: s.Clusters, from: s.Clusters, coding: asCategory, use: "drawing clusters"})
	}
	for _, c := range p.Communities {
		if c.Within != "" {
			add(rosterColumn{c.Within, c.Within, asCategory, false, "forming communities", ""})
		}
		for _, name := range c.Apart {
			add(rosterColumn{name, name, asCategory, true, "keeping schools apart", ""})
		}
		for _, name := range c.Together {
			add(rosterColumn{name, name, asCategory, true, "keeping schools together", ""})
		}
		for _, k := range c.Counts {
			add(rosterColumn{name: k.rosterColumn(), from: k.Column, coding: asKind, optional: true, use: "counting schools of " + k.Column + " " + k.Value, value: k.Value})
		}
		for _, h := range c.Hubs {
			add(rosterColumn{name: randomize.PrefixHub + h.Name, from: h.Distance, coding: asWhole, use: "measuring the way to " + h.Name})
		}
		if c.needsPlace() {
			add(rosterColumn{randomize.ColumnEasting, "easting", asWhole, false, "measuring distances", ""})
			add(rosterColumn{randomize.ColumnNorthing, "northing", asWhole, false, "measuring distances", ""})
		}
		for _, name := range slices.Sorted(maps.Keys(c.Balance)) {
			add(rosterColumn{name, name, asZScore, false, "balancing communities", ""})
		}
	}
	for _, c := range columns {
		if c.name == "unit" || c.name == "stratum" {
			conflicts = append(conflicts, fmt.Sprintf("a column named %q cannot be used in the draw: the roster has one of its own by that name", c.name))
		}
	}
	return columns, conflicts
}

// needsDistance says whether forming the communities needs distances between
// schools.
func (c CommunityRule) needsDistance() bool {
	if len(c.Hubs) > 0 {
		return false // distances are those to the hubs
	}
	return c.How == "near" || c.Travel > 0 || c.Longest > 0 || c.How == "mixed" && c.Mix > 0 && c.Mix < 1
}

// needsPlace says whether those distances come from the schools' coordinates.
func (c CommunityRule) needsPlace() bool { return c.needsDistance() && c.Minutes == "" }

// farthest is the longest way within a community, as the roster measures it.
func (c CommunityRule) farthest() int {
	if c.Minutes != "" {
		return c.Longest
	}
	return c.Travel * 1000
}

// MinutesFile names the file of minutes between schools that the communities'
// rules go by, "" if there is none.
func (p *Protocol) MinutesFile() string {
	for _, c := range p.Communities {
		if c.Minutes != "" {
			return c.Minutes
		}
	}
	return ""
}

// Minutes are the travel times from school to school, by their IDs.
type Minutes map[string]map[string]int64

// addMinutes puts the travel times into the roster as its columns
// minutes.SCHOOL, and says whose are missing.
func (m Minutes) addMinutes(names []string, units []randomize.Unit, schools []School, fault func(school, column, problem string)) []string {
	for _, to := range schools {
		names = append(names, randomize.PrefixMinutes+to.ID)
	}
	for i, from := range schools {
		var missing []string
		for _, to := range schools {
			minutes, ok := m[from.ID][to.ID]
			if !ok && to.ID != from.ID {
				missing = append(missing, to.ID)
			}
			units[i].Balance = append(units[i].Balance, minutes)
		}
		if n := len(missing); n > 0 {
			fault(from.ID, "minutes", fmt.Sprintf("the file of minutes does not say how long it is to %d of the %d schools, school %s first", n, len(schools), missing[0]))
		}
	}
	return names
}

// UnitFault is why a school cannot stand in the roster that is drawn from.
type UnitFault struct {
	School, Column string
	Problem        string
}

// UnitsError is every reason why schools cannot become a roster.
type UnitsError struct{ Faults []UnitFault }

func (e *UnitsError) Error() string {
	var b strings.Builder
	fmt.Fprintf(&b, "the schools cannot be drawn yet (%d of their values are in the way)", len(e.Faults))
	for i, f := range e.Faults {
		if i == 50 {
			fmt.Fprintf(&b, "\n  and %d more", len(e.Faults)-i)
			break
		}
		fmt.Fprintf(&b, "\n  school %s, %s: %s", f.School, f.Column, f.Problem)
	}
	return b.String()
}

// Units turns schools into the roster that is drawn from: every school once,
// with its stratum and the columns that the design needs. Words become the
// numbers 1, 2, … of their values in byte order (0 for none, where that is
// allowed); measured numbers become z-scores in thousandths over these schools
// (see zThousandths). Where the protocol goes by minutes between schools, they
// become columns; where it matches schools, the sets become one. The error is a
// *UnitsError with everything that is in the way, or what randomize finds wrong.
//
// earlier are the waves drawn before: a word that stands for a number there
// keeps it, and new ones get the next.
func (p *Protocol) Units(schools []School, minutes Minutes, earlier ...WaveSchools) (randomize.Roster, error) {
	columns, conflicts := p.rosterColumns()
	if len(conflicts) > 0 {
		return randomize.Roster{}, fmt.Errorf("turn the schools into units: %s", strings.Join(conflicts, "; "))
	}
	e := new(UnitsError)
	fault := func(school, column, problem string) {
		e.Faults = append(e.Faults, UnitFault{school, column, problem})
	}
	units := make([]randomize.Unit, len(schools))
	strata := map[string]School{} // stratum: the first school in it
	for i, s := range schools {
		stratum, missing := p.Stratum(s)
		for _, column := range missing {
			fault(s.ID, column, "it has no value, and every school needs its stratum before the draw")
		}
		if first, ok := strata[stratum]; !ok {
			strata[stratum] = s
		} else if len(missing) == 0 {
			for _, column := range p.Strata {
				if first.Attributes[column] != s.Attributes[column] {
					fault(s.ID, column, fmt.Sprintf("its stratum would read %q, as does that of school %s, though they differ: change a value that has \" / \" in it", stratum, first.ID))
					break
				}
			}
		}
		units[i] = randomize.Unit{ID: s.ID, Stratum: stratum, Balance: make([]int64, len(columns))}
	}
	names := make([]string, len(columns))
	for j, c := range columns {
		names[j] = c.name
		before := len(e.Faults)
		values := make([]string, len(schools))
		for i, s := range schools {
			values[i] = strings.TrimSpace(s.Attributes[c.from])
			if values[i] == "" && !c.optional {
				fault(s.ID, c.from, fmt.Sprintf("it has no value, and %s needs one of every school", c.use))
			}
		}
		if len(e.Faults) > before {
			continue
		}
		for i, x := range c.numbers(schools, values, c.codes(earlier), fault) {
			units[i].Balance[j] = x
		}
	}
	if p.MinutesFile() != "" && len(e.Faults) == 0 {
		names = minutes.addMinutes(names, units, schools, fault)
	}
	if len(e.Faults) > 0 {
		return randomize.Roster{}, e
	}
	roster, err := randomize.NewRoster(names, units)
	if err != nil {
		return randomize.Roster{}, fmt.Errorf("turn the schools into units: %w", err)
	}
	matching, err := p.match(roster)
	if err == nil && matching != nil {
		roster, err = matching.WithSets(roster)
	}
	if err != nil {
		return randomize.Roster{}, fmt.Errorf("match the schools: %w", err)
	}
	return roster, nil
}

// match finds the roster's matched sets; nil where the protocol matches none.
func (p *Protocol) match(r randomize.Roster) (*randomize.Matching, error) {
	if len(p.Draw.Match.On) == 0 {
		return nil, nil
	}
	return randomize.Match(r, columnWeights(p.Draw.Match.On), p.Draw.Match.Size)
}

// Matching says what the protocol's matching found on a roster that Units
// made; "" where nothing is matched.
func (p *Protocol) Matching(r randomize.Roster) (string, error) {
	m, err := p.match(r)
	if m == nil || err != nil {
		return "", err
	}
	return m.Describe(), nil
}

// WaveSchools are the schools of a wave that was drawn, and its roster.
type WaveSchools struct {
	Schools []School
	Roster  randomize.Roster
}

// codes gives the numbers that a category's words have in earlier waves.
func (c rosterColumn) codes(earlier []WaveSchools) map[string]int64 {
	codes := map[string]int64{}
	for _, w := range earlier {
		at := w.Roster.Column(c.name)
		if c.coding != asCategory || at < 0 {
			continue
		}
		number := map[string]int64{}
		for _, u := range w.Roster.Units {
			number[u.ID] = u.Balance[at]
		}
		for _, s := range w.Schools {
			if v := strings.TrimSpace(s.Attributes[c.from]); v != "" && number[s.ID] > 0 {
				codes[v] = number[s.ID]
			}
		}
	}
	return codes
}

// InWords puts the schools' own words into a sentence of the drawing rule about
// them: units are schools, and a category's number, as in "trust 3", is the word
// that it stands for in the roster.
func (p *Protocol) InWords(text string, r randomize.Roster, schools []School) string {
	columns, _ := p.rosterColumns()
	for _, c := range columns {
		if c.coding != asCategory {
			continue
		}
		word := map[string]string{}
		for v, code := range c.codes([]WaveSchools{{schools, r}}) {
			word[fmt.Sprint(code)] = v
		}
		name := regexp.QuoteMeta(c.name)
		if c.name == p.Draw.Clusters {
			name += "|cluster"
		}
		text = regexp.MustCompile(`\b(`+name+`) (\d+)\b`).ReplaceAllStringFunc(text, func(s string) string {
			column, code, _ := strings.Cut(s, " ")
			if w, ok := word[code]; ok {
				return column + " " + w
			}
			return s
		})
	}
	return unitWord.ReplaceAllString(text, "school$1")
}

// unitWord is the drawing rule's word for a school.
var unitWord = regexp.MustCompile(`\bunit(s?)\b`)

// numbers turns a column's values into the roster's whole numbers, or records
// why it cannot.
func (c rosterColumn) numbers(schools []School, values []string, codes map[string]int64, fault func(school, column, problem string)) []int64 {
	out := make([]int64, len(values))
	if c.coding == asKind {
		for i, v := range values {
			if v == c.value {
				out[i] = 1
			}
		}
		return out
	}
	if c.coding == asCategory {
		next := int64(0)
		for _, code := range codes {
			next = max(next, code)
		}
		for _, v := range slices.Compact(slices.Sorted(slices.Values(values))) {
			if _, known := codes[v]; v != "" && !known {
				next++
				codes[v] = next
			}
		}
		for i, v := range values {
			out[i] = codes[v] // 0 for none
		}
		return out
	}
	exact := make([]*big.Rat, len(values))
	ok := true
	for i, v := range values {
		x, err := parseExact(v)
		if err == nil && c.coding == asWhole && !x.IsInt() {
			err = fmt.Errorf("%q is not a whole number, which %s needs", clip(v), c.use)
		}
		if err == nil && c.coding == asWhole && (!x.Num().IsInt64() || abs(x.Num().Int64()) > randomize.MaxBalance) {
			err = fmt.Errorf("%q is too large", clip(v))
		}
		if err != nil {
			fault(schools[i].ID, c.from, err.Error())
			ok = false
			continue
		}
		exact[i] = x
	}
	if !ok {
		return nil
	}
	if c.coding == asWhole {
		for i, x := range exact {
			out[i] = x.Num().Int64()
		}
		return out
	}
	z, ok := zThousandths(exact)
	if !ok {
		fault(schools[0].ID, c.from, "every school has the same value (or there is one school only), so that there is nothing to balance: take the column out of `balance`")
		return nil
	}
	return z
}

func abs(x int64) int64 {
	if x < 0 {
		return -x
	}
	return x
}

// zThousandths gives 1000·(x − mean)/SD of each value, rounded half away from
// zero; the SD divides by n − 1. The arithmetic is exact: a value z/1000 is
// rounded up when its square, which is a fraction of whole numbers, is at least
// the square of the half between two results. ok is false where the SD is zero
// or there are fewer than two values.
func zThousandths(x []*big.Rat) (z []int64, ok bool) {
	n := int64(len(x))
	if n < 2 {
		return nil, false
	}
	mean, ss := new(big.Rat), new(big.Rat)
	for _, v := range x {
		mean.Add(mean, v)
	}
	mean.Quo(mean, big.NewRat(n, 1))
	from := make([]*big.Rat, n)
	for i, v := range x {
		from[i] = new(big.Rat).Sub(v, mean)
		ss.Add(ss, new(big.Rat).Mul(from[i], from[i]))
	}
	if ss.Sign() == 0 {
		return nil, false
	}
	perVariance := new(big.Rat).Quo(big.NewRat((n-1)*1_000_000, 1), ss) // 10⁶ / variance
	z = make([]int64, n)
	for i, v := range from {
		square := new(big.Rat).Mul(v, v)
		square.Mul(square, perVariance)
		whole := new(big.Int).Quo(square.Num(), square.Denom())
		k := whole.Sqrt(whole).Int64()
		half := big.NewRat(2*k+1, 2)
		if square.Cmp(half.Mul(half, half)) >= 0 {
			k++
		}
		if v.Sign() < 0 {
			k = -k
		}
		z[i] = k
	}
	return z, true
}
