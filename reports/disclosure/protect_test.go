package disclosure

import (
	"encoding/json"
	"errors"
	"fmt"
	"math/rand/v2"
	"reflect"
	"strings"
	"testing"
)

// sets is how many random linked sets the attack is tried on.
const sets = 10_000

// maker builds a random system whose sums hold.
type maker struct {
	s System
	r *rand.Rand
}

func (m *maker) cell(key string, value int, shown bool, cost int) int {
	m.s.Cells = append(m.s.Cells, Cell{Key: key, Label: key, Value: value, Shown: shown, Cost: cost})
	return len(m.s.Cells) - 1
}

func (m *maker) sum(total int, parts ...int) {
	m.s.Sums = append(m.s.Sums, Sum{total, parts})
}

// total adds a shown cell that is the sum of others.
func (m *maker) total(key string, cost int, parts ...int) int {
	n := 0
	for _, p := range parts {
		n += m.s.Cells[p].Value
	}
	i := m.cell(key, n, true, cost)
	m.sum(i, parts...)
	return i
}

func (m *maker) count() int {
	switch m.r.IntN(4) {
	case 0:
		return m.r.IntN(10)
	case 1:
		return m.r.IntN(20)
	}
	return m.r.IntN(90)
}

// table adds a table with margins, of a rows and b columns.
func (m *maker) table(a, b int) {
	all := make([][]int, a)
	var rows, cols []int
	for i := range all {
		for k := range b {
			all[i] = append(all[i], m.cell(fmt.Sprintf("t/%d/%d", i, k), m.count(), true, 0))
		}
		rows = append(rows, m.total(fmt.Sprintf("t/%d/all", i), 2, all[i]...))
	}
	for k := range b {
		var col []int
		for i := range a {
			col = append(col, all[i][k])
		}
		cols = append(cols, m.total(fmt.Sprintf("t/all/%d", k), 2, col...))
	}
	whole := m.total("t/all/all", 4, rows...)
	m.sum(whole, cols...)
}

// trial adds a flow of pupils by arm, attrition, and baseline tables of all
// randomised and of those analysed, whose differences stand nowhere.
func (m *maker) trial(arms, reasons, variables int) {
	var randomised, lost, analysed []int
	by := make([][]int, reasons)
	for a := range arms {
		key := func(s string) string { return fmt.Sprintf("%d/%s", a, s) }
		var parts []int
		for k := range reasons {
			n := m.r.IntN(16)
			if m.r.IntN(3) == 0 {
				n = 0
			}
			i := m.cell(key(fmt.Sprintf("reason %d", k)), n, true, 0)
			parts = append(parts, i)
			by[k] = append(by[k], i)
		}
		l := m.total(key("lost"), 2, parts...)
		n := m.cell(key("analysed"), 40+m.r.IntN(150), true, 2)
		r := m.total(key("randomised"), 5, l, n)
		m.s.Cells[r].Keep = true
		lost, analysed, randomised = append(lost, l), append(analysed, n), append(randomised, r)
		for v := range variables {
			key := func(s string) string { return fmt.Sprintf("%d/variable %d/%s", a, v, s) }
			// of those lost, some had no baseline; likewise of those analysed
			lostMissing := m.r.IntN(m.s.Cells[l].Value + 1)
			if m.r.IntN(2) == 0 {
				lostMissing = 0
			}
			stayMissing := m.r.IntN(12) * m.r.IntN(2)
			ml := m.cell(key("lost, missing"), lostMissing, false, 0)
			ms := m.cell(key("analysed, missing"), stayMissing, true, 0)
			nl := m.cell(key("lost, known"), m.s.Cells[l].Value-lostMissing, false, 0)
			ns := m.cell(key("analysed, known"), m.s.Cells[n].Value-stayMissing, true, 1)
			m.sum(l, ml, nl)
			m.sum(n, ms, ns)
			m.total(key("all, missing"), 0, ml, ms)
			m.total(key("all, known"), 1, nl, ns)
		}
	}
	totals := make([]int, 0, reasons)
	for k := range reasons {
		totals = append(totals, m.total(fmt.Sprintf("all/reason %d", k), 1, by[k]...))
	}
	l := m.total("all/lost", 3, lost...)
	m.sum(l, totals...)
	n := m.total("all/analysed", 3, analysed...)
	r := m.total("all/randomised", 6, randomised...)
	m.s.Cells[r].Keep = true
	m.sum(r, l, n)
}

// random makes system number i.
func random(i int) System {
	m := &maker{r: rand.New(rand.NewPCG(uint64(i), 17))}
	switch i % 5 {
	case 0:
		m.table(2+m.r.IntN(3), 2+m.r.IntN(3))
	case 1:
		m.table(2, 2+m.r.IntN(4))
	case 2:
		m.trial(2, 2+m.r.IntN(3), 0)
	case 3:
		m.trial(2, 1+m.r.IntN(3), 1+m.r.IntN(2))
	case 4:
		m.trial(2+m.r.IntN(2), 2, 1)
	}
	return m.s
}

// attacker is the attack of the tests. It has the releases only, and which
// cells did not change between them. It is built apart from Protect: a cell
// that changed is another variable, so that both releases' sums hold whole.
type attacker struct {
	p       *problem
	of      []map[string]int // variable of each release's cell
	part    []int
	members [][]int
	rows    []equation
	lo, hi  []int
}

func newAttacker(t testing.TB, same func(key string) bool, releases ...Release) *attacker {
	t.Helper()
	a := &attacker{}
	biggest, threshold := 0, 0
	for _, r := range releases {
		threshold = max(threshold, r.Rule.Threshold)
		for _, c := range r.Cells {
			biggest = max(biggest, c.Value)
		}
	}
	top := 2*biggest + 100*threshold
	for k, r := range releases {
		lo, hi, rows, err := r.system(top)
		if err != nil {
			t.Fatal(err)
		}
		at := map[string]int{}
		a.of = append(a.of, at)
		for i, c := range r.Cells {
			if k > 0 && same(c.Key) {
				if v, ok := a.of[0][c.Key]; ok {
					at[c.Key] = v
					a.lo[v], a.hi[v] = max(a.lo[v], lo[i]), min(a.hi[v], hi[i])
					continue
				}
			}
			at[c.Key] = len(a.lo)
			a.lo, a.hi = append(a.lo, lo[i]), append(a.hi, hi[i])
		}
		for _, e := range rows {
			var f equation
			for _, x := range e.terms {
				f.terms = append(f.terms, term{at[r.Cells[x.v].Key], x.c})
			}
			a.rows = append(a.rows, f)
		}
	}
	a.p = newProblem(a.lo, a.hi, a.rows, 200_000)
	a.part, a.members = a.p.parts()
	return a
}

// span is the range of a variable; each end is a solution that is checked
// here against every sum and bound, so that a wide range needs no trust in the
// search.
func (a *attacker) span(t testing.TB, v int) (low, high int) {
	t.Helper()
	if a.part[v] < 0 {
		return a.p.lo[v], a.p.hi[v]
	}
	low, high, at, exact := a.p.extremes(v, a.p.lo, a.members[a.part[v]])
	if !exact {
		if at[0] == nil {
			t.Fatal("the attacker found no solution")
		}
		low, high = at[0][v], at[1][v] // what was reached
	}
	for i, s := range at {
		if s == nil {
			t.Fatal("an end without a solution")
		}
		if want := []int{low, high}[i]; s[v] != want {
			t.Fatalf("a solution has %d for the end %d", s[v], want)
		}
		// Other parts have solutions of their own.
		in := map[int]bool{}
		for _, x := range a.members[a.part[v]] {
			in[x] = true
		}
		for _, e := range a.rows {
			left, ours, fixed := -e.right, false, true
			for _, x := range e.terms {
				left += x.c * s[x.v]
				ours = ours || in[x.v]
				fixed = fixed && (in[x.v] || a.p.lo[x.v] == a.p.hi[x.v])
			}
			if ours && (left != 0 || !fixed) {
				t.Fatalf("a solution of the attack breaks a sum by %d", left)
			}
		}
		for x := range in {
			if s[x] < a.lo[x] || s[x] > a.hi[x] {
				t.Fatalf("a solution of the attack has %d, outside %d to %d", s[x], a.lo[x], a.hi[x])
			}
		}
	}
	return low, high
}

// recovered lists the cells that the rule says must not be bounded so narrowly.
func recovered(t testing.TB, s System, r Release, a *attacker, at map[string]int) (bad []string, hidden int) {
	t.Helper()
	for i, c := range r.Cells {
		secret := c.Mark == Nowhere && s.Cells[i].Value > 0 && r.Rule.Small(s.Cells[i].Value)
		if c.Mark == Value {
			if r.Rule.Small(c.Value) {
				bad = append(bad, c.Key+" is published")
			}
			continue
		}
		if c.Mark == Nowhere && !secret {
			continue
		}
		hidden++
		low, high := a.span(t, at[c.Key])
		if v := s.Cells[i].Value; v < low || v > high {
			t.Fatalf("%s: the truth %d is outside %d to %d", c.Key, v, low, high)
		}
		narrow := high-low < r.Rule.Threshold-1-r.Rule.least()
		if c.Mark == Below {
			narrow = low > r.Rule.least() || high < r.Rule.Threshold-1
		}
		if narrow {
			bad = append(bad, fmt.Sprintf("%s (%s, truly %d): %d to %d", c.Key, c.Mark, s.Cells[i].Value, low, high))
		}
	}
	return bad, hidden
}

func always(string) bool { return true }

func n(t testing.TB) int {
	if testing.Short() {
		return sets / 20
	}
	return sets
}

// No hidden cell of 10,000 random linked tables and linked sets of tables can
// be bounded more narrowly than the rule says.
func TestNothingRecovered(t *testing.T) {
	hidden, below, shown, broken, complementary := 0, 0, 0, 0, 0
	for i := range n(t) {
		s := random(i)
		rule := Rule{Threshold: 10, Zeros: i%7 == 0}
		got, err := Protect(s, rule)
		var unsafe *UnsafeError
		if errors.As(err, &unsafe) {
			broken++
			continue
		}
		if err != nil {
			t.Fatalf("system %d: %v", i, err)
		}
		bad, h := recovered(t, s, got.Release, newAttacker(t, always, got.Release), index(got.Release))
		for _, b := range bad {
			t.Errorf("system %d: recovered %s", i, b)
		}
		hidden += h
		for k, c := range got.Release.Cells {
			switch c.Mark {
			case Below:
				below++
			case Value:
				shown++
			case Suppressed:
				if !rule.Small(s.Cells[k].Value) {
					complementary++
				}
			}
		}
	}
	t.Logf("%d systems: 0 of %d hidden cells recoverable; %d marked <10, %d hidden to protect others, %d shown; %d systems refused because they cannot be protected", n(t), hidden, below, complementary, shown, broken)
	if hidden < 4*n(t) || below < n(t)/2 || shown < 5*n(t) || broken > n(t)/20 {
		t.Error("the random systems are not what they should be")
	}
}

func index(r Release) map[string]int {
	at := map[string]int{}
	for i, c := range r.Cells {
		at[c.Key] = i
	}
	return at
}

// primaryOnly hides the secrets and nothing else.
func primaryOnly(s System, rule Rule) Release {
	w, err := newWork(s, rule, nil)
	if err != nil {
		panic(err)
	}
	return w.result().Release
}

// The attack must succeed where only the small cells themselves are hidden.
func TestPrimaryOnlyIsRecovered(t *testing.T) {
	with, recoverable := 0, 0
	for i := range n(t) / 10 {
		s := random(i)
		r := primaryOnly(s, Rule{Threshold: 10})
		bad, hidden := recovered(t, s, r, newAttacker(t, always, r), index(r))
		if hidden > 0 {
			with++
			if len(bad) > 0 {
				recoverable++
			}
		}
	}
	t.Logf("primary suppression only: something recovered in %d of %d systems with a small count", recoverable, with)
	if with < n(t)/20 || recoverable < with*6/10 {
		t.Error("the attack is too weak: it does not break primary suppression")
	}
}

// changed makes a later version: a few people move from one cell to another
// and every sum is made anew.
func changed(s System, r *rand.Rand) System {
	out := System{append([]Cell(nil), s.Cells...), s.Sums}
	total := map[int]bool{}
	for _, sum := range s.Sums {
		total[sum.Total] = true
	}
	for range 1 + r.IntN(3) {
		i := r.IntN(len(out.Cells))
		if total[i] || out.Cells[i].Keep {
			continue
		}
		out.Cells[i].Value = max(0, out.Cells[i].Value+r.IntN(9)-4)
	}
	// The sums stand in the order in which they were made: again until they
	// hold; where two sums of one total cannot agree, the change is dropped.
	for range 6 {
		done := true
		for _, sum := range out.Sums {
			n := 0
			for _, p := range sum.Parts {
				n += out.Cells[p].Value
			}
			if out.Cells[sum.Total].Value != n {
				out.Cells[sum.Total].Value, done = n, false
			}
		}
		if done {
			return out
		}
	}
	return s
}

// Two releases, the second after a few people moved: nothing hidden in either
// can be worked out from both, and neither can a small difference.
func TestDifferencesOfReleases(t *testing.T) {
	tried, differ, refused, hidden, naive, naiveTried := 0, 0, 0, 0, 0, 0
	for i := range n(t) / 10 {
		r := rand.New(rand.NewPCG(uint64(i), 99))
		first := random(i)
		second := changed(first, r)
		for k := 0; k < 20 && reflect.DeepEqual(first, second); k++ {
			second = changed(first, r)
		}
		rule := Rule{Threshold: 10}
		one, err := Protect(first, rule)
		if err != nil {
			continue
		}
		same := func(key string) bool {
			k := index(one.Release)[key]
			return first.Cells[k].Value == second.Cells[k].Value
		}
		attack := func(two *Result) (bad []string, h int) {
			a := newAttacker(t, same, one.Release, two.Release)
			bad, h = recovered(t, first, one.Release, a, a.of[0])
			b, h2 := recovered(t, second, two.Release, a, a.of[1])
			bad, h = append(bad, b...), h+h2
			for k := range first.Cells {
				key := first.Cells[k].Key
				if d := abs(first.Cells[k].Value - second.Cells[k].Value); d == 0 || d >= rule.Threshold || !first.Cells[k].Shown {
					continue
				}
				if x, y := a.of[0][key], a.of[1][key]; a.p.lo[x] == a.p.hi[x] && a.p.lo[y] == a.p.hi[y] {
					bad = append(bad, key+" changed a little and is known in both")
				}
			}
			return bad, h
		}
		if alone, err := Protect(second, rule); err == nil && !reflect.DeepEqual(first, second) && i%2 == 0 {
			naiveTried++
			if bad, _ := attack(alone); len(bad) > 0 {
				naive++
			}
		}
		two, err := Protect(second, rule, one.Record(first))
		var unsafe *UnsafeError
		if errors.As(err, &unsafe) {
			refused++
			continue
		}
		if err != nil {
			t.Fatalf("system %d: %v", i, err)
		}
		tried++
		if !reflect.DeepEqual(first, second) {
			differ++
		}
		bad, h := attack(two)
		for _, b := range bad {
			t.Errorf("system %d, two releases: recovered %s", i, b)
		}
		hidden += h
	}
	t.Logf("%d pairs of releases (%d differ): 0 of %d hidden cells recoverable; %d pairs refused; when the second forgets the first, something is recovered in %d of %d", tried, differ, hidden, refused, naive, naiveTried)
	if tried < n(t)/12 || differ < tried/2 || naiveTried < 20 || naive < naiveTried/4 {
		t.Error("the pairs are not what they should be, or the attack on them is too weak")
	}
}

// enumerate finds the ranges by trying every value of every cell.
func enumerate(lo, hi []int, rows []equation) (low, high []int, any bool) {
	low, high = append([]int(nil), hi...), append([]int(nil), lo...)
	x := make([]int, len(lo))
	var try func(i int)
	try = func(i int) {
		if i == len(x) {
			for _, e := range rows {
				left := -e.right
				for _, t := range e.terms {
					left += t.c * x[t.v]
				}
				if left != 0 {
					return
				}
			}
			any = true
			for k, v := range x {
				low[k], high[k] = min(low[k], v), max(high[k], v)
			}
			return
		}
		for v := lo[i]; v <= hi[i]; v++ {
			x[i] = v
			try(i + 1)
		}
	}
	try(0)
	return low, high, any
}

// The solver gives what trying everything gives.
func TestSolverAgainstEnumeration(t *testing.T) {
	compared := 0
	for i := range 1500 {
		r := rand.New(rand.NewPCG(uint64(i), 5))
		n := 3 + r.IntN(3)
		lo, hi, truth := make([]int, n), make([]int, n), make([]int, n)
		for k := range n {
			lo[k] = r.IntN(3)
			hi[k] = lo[k] + r.IntN(6)
			truth[k] = lo[k] + r.IntN(hi[k]-lo[k]+1)
		}
		var rows []equation
		for range 1 + r.IntN(3) {
			var e equation
			for k := range n {
				if c := r.IntN(5) - 2; c != 0 {
					e.terms = append(e.terms, term{k, c})
					e.right += c * truth[k]
				}
			}
			rows = append(rows, e)
		}
		if i%10 == 0 {
			rows[0].right += 1 + r.IntN(3) // often without a solution
		}
		low, high, any := enumerate(lo, hi, rows)
		p := newProblem(lo, hi, rows, 100_000)
		part, members := p.parts()
		for k := range n {
			if !any {
				break
			}
			gotLow, gotHigh, exact := p.lo[k], p.hi[k], true
			if part[k] >= 0 {
				gotLow, gotHigh, _, exact = p.extremes(k, lo, members[part[k]])
			}
			compared++
			if gotLow != low[k] || gotHigh != high[k] || !exact {
				t.Fatalf("system %d, variable %d: %d to %d, trying everything gives %d to %d", i, k, gotLow, gotHigh, low[k], high[k])
			}
		}
		all := make([]int, n)
		for k := range all {
			all[k] = k
		}
		a := no
		if p.propagate(p.lo, p.hi, nil) {
			_, a = p.solve(p.lo, p.hi, lo, all)
		}
		if (a == yes) != any {
			t.Fatalf("system %d: the search says %d, trying everything %v", i, a, any)
		}
	}
	if compared < 4000 {
		t.Errorf("only %d ranges were compared", compared)
	}
}

func TestExamples(t *testing.T) {
	marks := func(s System, rule Rule, earlier ...Earlier) string {
		t.Helper()
		r, err := Protect(s, rule, earlier...)
		if err != nil {
			return err.Error()
		}
		var out []string
		for i, c := range s.Cells {
			out = append(out, c.Key+" "+map[Mark]string{Value: fmt.Sprint(c.Value), Below: "<", Suppressed: "x", Nowhere: "-"}[r.Marks[i]])
		}
		return strings.Join(out, ", ")
	}
	of := func(values ...int) System {
		m := &maker{}
		var parts []int
		for i, v := range values {
			parts = append(parts, m.cell(string(rune('a'+i)), v, true, 0))
		}
		m.total("all", 3, parts...)
		return m.s
	}
	srs := Rule{Threshold: 10}
	for _, c := range []struct{ got, want string }{
		{marks(of(30, 40), srs), "a 30, b 40, all 70"},
		{marks(of(3, 40, 50), srs), "a <, b x, c 50, all 93"},
		{marks(of(3, 2), srs), "a <, b <, all x"}, // "<10" for all three would leave all no 1
		{marks(of(0, 40), srs), "a 0, b 40, all 40"},
		{marks(of(0, 40, 90), Rule{Threshold: 10, Zeros: true}), "a <, b x, c 90, all 130"},
		{marks(of(4, 9), srs), "a <, b x, all 13"}, // "<10" for both would leave 4 to 9
		{marks(of(3), srs), "a <, all <"},
	} {
		if c.got != c.want {
			t.Errorf("got %s, want %s", c.got, c.want)
		}
	}
	keep := of(3, 40)
	keep.Cells[1].Keep, keep.Cells[2].Keep = true, true
	if _, err := Protect(keep, srs); err == nil || !strings.Contains(err.Error(), "a (under 10)") {
		t.Errorf("what cannot be protected: %v", err)
	}
	if _, err := Protect(of(1), Rule{Threshold: 1}); err == nil {
		t.Error("a threshold of 1 was taken")
	}
	wrong := of(1, 2)
	wrong.Cells[2].Value = 4
	if _, err := Protect(wrong, srs); err == nil || !strings.Contains(err.Error(), "parts make 3") {
		t.Errorf("a sum that does not hold: %v", err)
	}
	// A release that published everything cannot be taken back.
	open := Earlier{Release{Rule: srs, Cells: []Published{{"a", "a", Value, 3}}}, []int{3}}
	if _, err := Protect(of(3, 40, 50), srs, open); err == nil {
		t.Error("a count that is known already was called protected")
	}
	// One pupil moved: the count that changed is hidden in the later release.
	before, err := Protect(of(30, 40, 50), srs)
	if err != nil {
		t.Fatal(err)
	}
	if got := marks(of(29, 41, 50), srs, before.Record(of(30, 40, 50))); got != "a x, b x, c 50, all 120" {
		t.Errorf("after a move of one: %s", got)
	}
	if got := marks(of(30, 40, 50), srs, before.Record(of(30, 40, 50))); got != "a 30, b 40, c 50, all 120" {
		t.Errorf("the same again: %s", got)
	}
}

// A release holds no hidden value, reads back from JSON, and gives the same
// attack as the decision.
func TestReleaseHoldsNoSecret(t *testing.T) {
	for i := range 200 {
		s := random(i)
		got, err := Protect(s, Rule{Threshold: 10})
		if err != nil {
			continue
		}
		text, err := json.Marshal(got.Release)
		if err != nil {
			t.Fatal(err)
		}
		var back Release
		if err := json.Unmarshal(text, &back); err != nil || !reflect.DeepEqual(back, got.Release) {
			t.Fatalf("system %d: %v, or the release changed", i, err)
		}
		for _, c := range back.Cells {
			if c.Mark != Value && c.Value != 0 {
				t.Fatalf("system %d: the hidden cell %s has its value", i, c.Key)
			}
		}
		again, err := Protect(s, Rule{Threshold: 10})
		if err != nil || !reflect.DeepEqual(again, got) {
			t.Fatalf("system %d: twice the same input, two results", i)
		}
		ranges, err := Attack(back)
		if err != nil {
			t.Fatal(err)
		}
		by := map[string]Range{}
		for _, x := range ranges {
			by[x.Key] = x
		}
		for _, want := range got.Ranges {
			if x := by[want.Key]; x.Exact && want.Exact && !want.Open && (x.Low != want.Low || x.High != want.High) {
				t.Errorf("system %d: %+v, the attack on the release gives %+v", i, want, x)
			}
		}
	}
}

// A trial of 600 schools, each with its number of pupils: one system of 700
// linked counts, decided and attacked in a moment.
func TestManySchools(t *testing.T) {
	m := &maker{r: rand.New(rand.NewPCG(1, 1))}
	var communities []int
	for c := range 100 {
		var schools []int
		for k := range 6 {
			schools = append(schools, m.cell(fmt.Sprintf("school/%d/%d", c, k), 5+m.r.IntN(60), true, 0))
		}
		communities = append(communities, m.total(fmt.Sprintf("community/%d", c), 1, schools...))
	}
	all := m.total("all", 8, communities...)
	m.s.Cells[all].Keep = true
	got, err := Protect(m.s, Rule{Threshold: 10})
	if err != nil {
		t.Fatal(err)
	}
	bad, hidden := recovered(t, m.s, got.Release, newAttacker(t, always, got.Release), index(got.Release))
	for _, b := range bad {
		t.Errorf("recovered %s", b)
	}
	if small := 40; hidden < small || hidden > 4*small {
		t.Errorf("%d counts of 701 are hidden", hidden)
	}
}
