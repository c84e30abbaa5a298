package randomize

import (
	"fmt"
	"math/big"
	"math/bits"
	"runtime"
	"slices"
	"strconv"
	"sync"
)

// This file is section 5 of RULE.md: one of the best-balanced of many
// stratified candidates.

// candidateSource is the source of candidate k: every purpose has the prefix
// candidate/k/, and the units of a stratum are shuffled by a stream instead of
// sorted by keys, five numbers to a hash.
type candidateSource struct {
	keyed
	numbers stream
}

func (c *candidateSource) use(k int) {
	c.prefix = "candidate/" + strconv.Itoa(k) + "/"
}

func (c *candidateSource) units(dst []int, purpose string, names []string, _ []int) []int {
	c.numbers.reset(&c.keyed, purpose)
	return shuffle(dst, len(names), &c.numbers)
}

// candidateSet is every candidate's score and those that are kept.
type candidateSet struct {
	plan   *plan
	seed   seed
	scores scores
	kept   []int // numbers of the kept candidates, ascending
	cut    *big.Int
}

// scores are whole numbers of any length: 128 bits where no score can be
// longer, else of any length.
type scores struct {
	short []uint128
	long  []*big.Int
}

type uint128 struct{ hi, lo uint64 }

func (a uint128) compare(b uint128) int {
	switch {
	case a.hi < b.hi, a.hi == b.hi && a.lo < b.lo:
		return -1
	case a == b:
		return 0
	}
	return 1
}

func (a uint128) big() *big.Int {
	n := new(big.Int).SetUint64(a.hi)
	return n.Or(n.Lsh(n, 64), new(big.Int).SetUint64(a.lo))
}

func (s scores) compare(i, j int) int {
	if s.short != nil {
		return s.short[i].compare(s.short[j])
	}
	return s.long[i].Cmp(s.long[j])
}

func (s scores) big(i int) *big.Int {
	if s.short != nil {
		return s.short[i].big()
	}
	return new(big.Int).Set(s.long[i])
}

// scorer scores one candidate after another.
type scorer struct {
	columns [][]int64 // values of the columns with a weight, by unit
	weights []uint64
	arms    int
	size    []int64   // of each arm
	totals  [][]int64 // of each column in each arm
	fits    bool      // whether every score is below 2^128
}

func newScorer(p *plan) *scorer {
	s := &scorer{arms: len(p.design.Arms), size: make([]int64, len(p.design.Arms))}
	bound := new(big.Int)
	n := big.NewInt(int64(len(p.roster.Units)))
	for _, w := range p.design.Weights {
		if w.Weight == 0 {
			continue
		}
		at := p.roster.Column(w.Column)
		column := make([]int64, len(p.roster.Units))
		sum := new(big.Int)
		for i, u := range p.roster.Units {
			column[i] = u.Balance[at]
			sum.Add(sum, new(big.Int).Abs(big.NewInt(column[i])))
		}
		s.columns = append(s.columns, column)
		s.weights = append(s.weights, uint64(w.Weight))
		s.totals = append(s.totals, make([]int64, s.arms))
		// |n_j·T_i − n_i·T_j| <= n·Σ|x|
		most := new(big.Int).Mul(n, sum)
		if most.BitLen() > 62 {
			bound.SetBit(bound, 200, 1)
		}
		most.Mul(most, most)
		bound.Add(bound, most.Mul(most, big.NewInt(int64(w.Weight))))
	}
	pairs := big.NewInt(int64(s.arms) * int64(s.arms-1) / 2)
	s.fits = bound.Mul(bound, pairs).BitLen() <= 128
	return s
}

// sum adds up the columns by arm.
func (s *scorer) sum(arms []uint8) {
	clear(s.size)
	for _, a := range arms {
		s.size[a]++
	}
	for c, column := range s.columns {
		t := s.totals[c]
		if len(t) == 2 {
			// Two arms: the second total is what the first leaves.
			var first, all int64
			for i, x := range column {
				all += x
				first += x & (int64(arms[i]) - 1) // all bits for arm 0, none for arm 1
			}
			t[0], t[1] = first, all-first
			continue
		}
		clear(t)
		for i, x := range column {
			t[arms[i]] += x
		}
	}
}

func (s *scorer) short(arms []uint8) uint128 {
	s.sum(arms)
	var score uint128
	for c, t := range s.totals {
		for i := range s.arms {
			for j := i + 1; j < s.arms; j++ {
				d := s.size[j]*t[i] - s.size[i]*t[j]
				if d < 0 {
					d = -d
				}
				hi, lo := bits.Mul64(uint64(d), uint64(d))
				over, low := bits.Mul64(lo, s.weights[c])
				var carry uint64
				score.lo, carry = bits.Add64(score.lo, low, 0)
				score.hi += hi*s.weights[c] + over + carry
			}
		}
	}
	return score
}

func (s *scorer) long(arms []uint8) *big.Int {
	s.sum(arms)
	score := new(big.Int)
	for c, t := range s.totals {
		for i := range s.arms {
			for j := i + 1; j < s.arms; j++ {
				d := new(big.Int).Mul(big.NewInt(s.size[j]), big.NewInt(t[i]))
				d.Sub(d, new(big.Int).Mul(big.NewInt(s.size[i]), big.NewInt(t[j])))
				d.Mul(d, d)
				score.Add(score, d.Mul(d, new(big.Int).SetUint64(s.weights[c])))
			}
		}
	}
	return score
}

// candidateMaker makes any candidate's arms by its number.
type candidateMaker struct {
	source candidateSource
	dealer *dealer
	ints   []int
	arms   []uint8
}

func (p *plan) newMaker(s seed) *candidateMaker {
	n := len(p.roster.Units)
	return &candidateMaker{
		source: candidateSource{keyed: keyed{s: s}},
		dealer: newDealer(p.strata, p.deck, p.design.misfitRule()),
		ints:   make([]int, n), arms: make([]uint8, n),
	}
}

// make draws candidate k; the result is good until the next call.
func (m *candidateMaker) make(k int) []uint8 {
	m.source.use(k)
	m.dealer.deal(&m.source, m.ints)
	for i, a := range m.ints {
		m.arms[i] = uint8(a)
	}
	return m.arms
}

// candidates draws and scores every candidate, on as many processors as there
// are. Candidate k depends on k alone, so the order of work does not matter.
func (p *plan) candidates(s seed) *candidateSet {
	count := p.design.Candidates
	set := &candidateSet{plan: p, seed: s}
	fits := newScorer(p).fits
	if fits {
		set.scores.short = make([]uint128, count)
	} else {
		set.scores.long = make([]*big.Int, count)
	}
	inParts(count, func(from, to int) {
		m, sc := p.newMaker(s), newScorer(p)
		for k := from; k < to; k++ {
			if fits {
				set.scores.short[k] = sc.short(m.make(k))
			} else {
				set.scores.long[k] = sc.long(m.make(k))
			}
		}
	})
	byScore := make([]int, count)
	for k := range byScore {
		byScore[k] = k
	}
	slices.SortFunc(byScore, set.scores.compare)
	rank := (count*p.design.KeepPerMille + 999) / 1000 // ceil
	cut := byScore[rank-1]
	for k := range count {
		if set.scores.compare(k, cut) <= 0 {
			set.kept = append(set.kept, k)
		}
	}
	set.cut = set.scores.big(cut)
	return set
}

// inParts calls work for the parts of 0 … n-1, at the same time.
func inParts(n int, work func(from, to int)) {
	parts := max(1, min(runtime.GOMAXPROCS(0), n/64))
	var wg sync.WaitGroup
	for i := range parts {
		from, to := i*n/parts, (i+1)*n/parts
		wg.Go(func() { work(from, to) })
	}
	wg.Wait()
}

// draw chooses one of the kept candidates, each being equally likely.
func (s *candidateSet) draw(k *keyed) []int {
	chosen := s.kept[k.stream("choose").uniform(len(s.kept))]
	arms := s.plan.newMaker(s.seed).make(chosen)
	out := make([]int, len(arms))
	for i, a := range arms {
		out[i] = int(a)
	}
	return out
}

// Validity is what a constrained design leaves to chance: how many candidates
// and distinct allocations were kept, and how often each pair of units is in
// one arm among the kept candidates.
type Validity struct {
	Candidates int      // drawn
	Kept       int      // with a score not above the cut, all ties kept
	Distinct   int      // different allocations among the kept
	Cut        *big.Int // the greatest kept score
	Best       *big.Int // the least score
	Median     *big.Int // the score in the middle of all candidates
	// Together[i][j], i > j, is the number of kept candidates in which units i
	// and j of the roster are in the same arm.
	Together [][]int32
	Always   []Pair // pairs in one arm in every kept candidate
	Never    []Pair // pairs in one arm in no kept candidate
	// Tied are pairs that are always or never together whatever is kept, since
	// the strata alone say so (two schools of a stratum of two, say). They are
	// not among Always and Never.
	Tied []Pair
	// InArm[a][i] is the number of kept candidates in which unit i has arm a.
	InArm [][]int32
}

// Pair is two units' IDs, the lesser first.
type Pair struct{ A, B string }

// OverconstrainedError says that a constrained design leaves too little to
// chance.
type OverconstrainedError struct {
	Distinct, Want int    // distinct kept allocations, and how many the design asks for
	Always, Never  []Pair // pairs outside what the design allows (always, or too often; never, or too seldom)
	Least, Most    int    // the allowed share of one pair, in thousandths; 0 and 1000 where only never and always are refused
}

func (e *OverconstrainedError) Error() string {
	text := "the design leaves too little to chance:"
	if e.Distinct < e.Want {
		text += fmt.Sprintf(" %s kept, want at least %d (draw more candidates, keep a greater share, or set distinct_at_least with a reason)",
			quantity(e.Distinct, "distinct allocation", "distinct allocations"), e.Want)
	}
	say := func(pairs []Pair, how string) {
		if len(pairs) == 0 {
			return
		}
		if text[len(text)-1] != ':' {
			text += ";"
		}
		text += fmt.Sprintf(" %s %s in one arm, %s and %s for one", quantity(len(pairs), "pair of units is", "pairs of units are"), how, pairs[0].A, pairs[0].B)
	}
	if e.Least == 0 && e.Most == 1000 {
		say(e.Always, "always")
		say(e.Never, "never")
	} else {
		say(e.Always, fmt.Sprintf("more often than %d in 1000", e.Most))
		say(e.Never, fmt.Sprintf("less often than %d in 1000", e.Least))
	}
	return text
}

// validity counts pairs among the kept candidates, with one bit for each kept
// candidate, arm and unit.
func (s *candidateSet) validity() *Validity {
	p := s.plan
	n, arms, kept := len(p.roster.Units), len(p.design.Arms), len(s.kept)
	words := (kept + 63) / 64
	inArm := make([][][]uint64, arms)
	for a := range inArm {
		inArm[a] = make([][]uint64, n)
		for i := range inArm[a] {
			inArm[a][i] = make([]uint64, words)
		}
	}
	digests := make([]string, kept)
	inParts(words, func(from, to int) {
		m := p.newMaker(s.seed)
		for at := from * 64; at < min(to*64, kept); at++ {
			made := m.make(s.kept[at])
			for i, a := range made {
				inArm[a][i][at/64] |= 1 << (at % 64)
			}
			digests[at] = string(made)
		}
	})
	v := &Validity{Candidates: p.design.Candidates, Kept: kept, Cut: s.cut,
		Together: make([][]int32, n), InArm: make([][]int32, arms)}
	distinct := make(map[string]struct{}, kept)
	for _, d := range digests {
		distinct[d] = struct{}{}
	}
	v.Distinct = len(distinct)
	v.Best, v.Median = s.quantiles()
	inParts(n, func(from, to int) {
		for i := from; i < to; i++ {
			v.Together[i] = make([]int32, i)
			for j := range i {
				count := 0
				for a := range arms {
					x, y := inArm[a][i], inArm[a][j]
					for w := range x {
						count += bits.OnesCount64(x[w] & y[w])
					}
				}
				v.Together[i][j] = int32(count)
			}
		}
	})
	for a := range arms {
		v.InArm[a] = make([]int32, n)
		for i := range n {
			count := 0
			for _, w := range inArm[a][i] {
				count += bits.OnesCount64(w)
			}
			v.InArm[a][i] = int32(count)
		}
	}
	v.sort(p)
	return v
}

func (s *candidateSet) quantiles() (best, median *big.Int) {
	order := make([]int, s.plan.design.Candidates)
	for i := range order {
		order[i] = i
	}
	slices.SortFunc(order, s.scores.compare)
	return s.scores.big(order[0]), s.scores.big(order[(len(order)-1)/2])
}

// sort tells the pairs that are always or never together because of what was
// kept from those the strata tie anyway.
func (v *Validity) sort(p *plan) {
	stratumOf := make([]int, len(p.roster.Units))
	for s, st := range p.strata {
		for _, m := range st.members {
			stratumOf[m] = s
		}
	}
	for i := range v.Together {
		for j, count := range v.Together[i] {
			if count != 0 && int(count) != v.Kept {
				continue
			}
			pair := Pair{p.roster.Units[j].ID, p.roster.Units[i].ID}
			switch {
			case p.tied(stratumOf[i], stratumOf[j]):
				v.Tied = append(v.Tied, pair)
			case count == 0:
				v.Never = append(v.Never, pair)
			default:
				v.Always = append(v.Always, pair)
			}
		}
	}
}

// tied says whether two units, of the strata given, are never in one arm
// whatever is drawn: in a stratum of two to W units where every arm's weight
// is 1, no two units share an arm; and of two misfits that share the only pass
// of the pool, likewise.
func (p *plan) tied(s, t int) bool {
	for _, w := range p.deck.weights {
		if w > 1 {
			return false
		}
	}
	if s == t {
		return len(p.strata[s].members) <= p.deck.total
	}
	if p.design.misfitRule() != Pooled || len(p.strata[s].members) >= p.deck.total || len(p.strata[t].members) >= p.deck.total {
		return false
	}
	misfits := 0
	for _, st := range p.strata {
		misfits += len(st.members) % p.deck.total
	}
	return misfits <= p.deck.total
}

// Candidates reports what a constrained draw from this chance leaves open. It
// is for after the draw; before it, see [Gate].
func Candidates(d Design, r Roster, c Chance) (*Validity, error) {
	return candidatesIn(domainDraw, 0, d, r, c)
}

// RehearseCandidates reports the same for rehearsal number n.
func RehearseCandidates(d Design, r Roster, c Chance, n int) (*Validity, error) {
	return candidatesIn(domainRehearsal, n, d, r, c)
}

func candidatesIn(domain string, number int, d Design, r Roster, c Chance) (*Validity, error) {
	if d.Method != Constrained {
		return nil, fmt.Errorf("report candidates: method %s has none", d.Method)
	}
	if err := Check(d, r); err != nil {
		return nil, err
	}
	if err := c.Validate(); err != nil {
		return nil, err
	}
	reduced, _ := clusters(d, r)
	s := newSeed(domain, number, Digest(d.Text()), Digest(r.Text()), c)
	return newPlan(d, reduced).candidates(s).validity(), nil
}

// Gate says before any chance is spent whether a constrained design leaves
// enough to chance: it draws the candidates of one rehearsal, from a chance
// made of the design and the roster, and returns what was kept. The error is
// an *OverconstrainedError if there are too few distinct allocations, or pairs
// more often or more seldom together than the design allows. The draw itself
// is not refused afterwards: what was committed is done.
func Gate(d Design, r Roster) (*Validity, error) {
	c := Chance(Digest([]byte("evenhand-gate 1\n" + Digest(d.Text()) + "\n" + Digest(r.Text()) + "\n")))
	v, err := RehearseCandidates(d, r, c, 0)
	if err != nil {
		return nil, err
	}
	reduced, _ := clusters(d, r)
	return v, v.gate(d, newPlan(d, reduced))
}

func (v *Validity) gate(d Design, p *plan) error {
	e := &OverconstrainedError{Distinct: v.Distinct, Want: orDefault(d.DistinctAtLeast, DefaultDistinct), Most: 1000}
	if d.TogetherPerMille == nil {
		e.Always, e.Never = v.Always, v.Never
	} else {
		e.Least, e.Most = d.TogetherPerMille[0], d.TogetherPerMille[1]
		tied := map[Pair]bool{}
		for _, t := range v.Tied {
			tied[t] = true
		}
		for i := range v.Together {
			for j, count := range v.Together[i] {
				pair := Pair{p.roster.Units[j].ID, p.roster.Units[i].ID}
				switch share := int64(count) * 1000; {
				case tied[pair]:
				case share > int64(e.Most)*int64(v.Kept):
					e.Always = append(e.Always, pair)
				case share < int64(e.Least)*int64(v.Kept):
					e.Never = append(e.Never, pair)
				}
			}
		}
	}
	if e.Distinct >= e.Want && len(e.Always) == 0 && len(e.Never) == 0 {
		return nil
	}
	return e
}
