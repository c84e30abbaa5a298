package trial

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"evenhand/randomize"
)

// changed gives the template rlc with old → new edits, which must leave it
// without faults.
func changed(t testing.TB, edit ...string) *Protocol {
	t.Helper()
	text := template(t, "rlc")
	for i := 0; i < len(edit); i += 2 {
		if !strings.Contains(text, edit[i]) {
			t.Fatalf("the template has no %q", edit[i])
		}
		text = strings.Replace(text, edit[i], edit[i+1], 1)
	}
	p, err := ParseProtocol("trial.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

const noMisfits = "  # misfits: pooled "

func TestDesign(t *testing.T) {
	const arms = "arm rlc 1\narm control 1\n"
	for _, c := range []struct {
		name string
		p    *Protocol
		want string // the design text after its first line
	}{
		{"rlc", rlc(t), "method stratified\n" + arms + "misfits pooled\ncommunity rlc 5 6 random\n"},
		{"complete", changed(t, "method: stratified ", "method: complete ", "strata: [region, ks2_band]", "#", "[baseline, strata]", "[baseline]", "  misfits: pooled ", noMisfits),
			"method complete\n" + arms + "community rlc 5 6 random\n"},
		{"blocks", changed(t, "method: stratified ", "method: blocks\n  blocks: [4, 6]\n  sequence: pupils ", "  misfits: pooled ", noMisfits),
			"method blocks\n" + arms + "blocks 4 6\ncommunity rlc 5 6 random\n"},
		{"constrained", changed(t, "method: stratified ", "method: constrained\n  candidates: 5000\n  keep: 12.5 %\n  distinct at least: 50\n  balance: {pupils: 1, fsm: 2} "),
			"method constrained\n" + arms + "misfits pooled\ncandidates 5000\nkeep_per_mille 125\ndistinct_at_least 50\nweight fsm 2\nweight pupils 1\ncommunity rlc 5 6 random\n"},
		{"minimisation", changed(t, "method: stratified ", "method: minimisation\n  sequence: pupils\n  imbalance: range\n  best arm: 80 %\n  balance: {ks2_band: 2, region: 1} ", "  misfits: pooled ", noMisfits),
			"method minimisation\n" + arms + "imbalance range\nbest_per_mille 800\nweight ks2_band 2\nweight region 1\ncommunity rlc 5 6 random\n"},
		{"pairs", changed(t, "method: stratified ", "method: pairs\n  set: la "), "method pairs\n" + arms + "misfits pooled\ncommunity rlc 5 6 random\n"},
		{"matched", changed(t, "method: stratified ", "method: pairs\n  match: {on: {pupils: 1, fsm: 2}} "), "method pairs\n" + arms + "misfits pooled\ncommunity rlc 5 6 random\n"},
		{"simple", changed(t, "method: stratified ", "method: simple ", "  misfits: pooled ", noMisfits, "strata: [region, ks2_band]", "#", "[baseline, strata]", "[baseline]", "    size: 5 to 6 ", "    size: 2 to 100 "), "method simple\n" + arms + "community rlc 2 100 random\n"},
		{"efron", changed(t, "method: stratified ", "method: efron\n  sequence: pupils\n  best arm: 66.7 % ", "  misfits: pooled ", noMisfits), "method efron\n" + arms + "best_per_mille 667\ncommunity rlc 5 6 random\n"},
		{"minutes", changed(t, "how: random ", "how: near\n    minutes: minutes.csv\n    travel minutes: 45 "), "method stratified\n" + arms + "misfits pooled\ncommunity rlc 5 6 near\nfarthest rlc 45\n"},
		{"near", changed(t, "how: random ", "how: near\n    within: region\n    apart: [trust]\n    together: [federation]\n    travel km: 45 km\n    notional for control: yes "),
			"method stratified\n" + arms + "misfits pooled\n" +
				"community rlc 5 6 near within region\napart rlc trust\ntogether rlc federation\nfarthest rlc 45000\n" +
				"community control 5 6 near within region\nnotional control\napart control trust\ntogether control federation\nfarthest control 45000\n"},
		{"within", changed(t, "how: random ", "how: within\n    within: region "), "method stratified\n" + arms + "misfits pooled\ncommunity rlc 5 6 within region\n"},
		{"mixed", changed(t, "how: random ", "how: mixed\n    balance: {fsm: 2, pupils: 1}\n    mix: 70 % "), "method stratified\n" + arms + "misfits pooled\ncommunity rlc 5 6 mixed\nbalance rlc fsm 2\nbalance rlc pupils 1\nmix rlc 700\n"},
		{"limits", changed(t, "how: random ", "how: near\n    number: 18\n    counts:\n      - {column: ks2_band, value: lower, at least: 0, at most: 5}\n      - {column: region, value: East of England, at least: 1}\n    starts: 200\n    keep: 12.5 % "),
			"method stratified\n" + arms + "misfits pooled\ncommunity rlc 5 6 near\nnumber rlc 18\ncount rlc ks2_band.lower 1 0 5\ncount rlc region.East-of-England 1 1 6\nstarts rlc 200\nkeep rlc 125\n"},
		{"hubs", changed(t, "strata: [region, ks2_band]", "strata: [region]", "[baseline, strata]", "[baseline]", "how: random ", "how: near\n    hubs: ["+hubs(17)+"] "),
			"method stratified\n" + arms + "misfits pooled\ncommunity rlc 5 6 near\n" + hubLines(17)},
		{"gate", changed(t, "method: stratified ", "method: constrained\n  candidates: 5000\n  keep: 10 %\n  pairs at least: 20 %\n  balance: {pupils: 1} "),
			"method constrained\n" + arms + "misfits pooled\ncandidates 5000\nkeep_per_mille 100\ntogether_per_mille 200 999\nweight pupils 1\ncommunity rlc 5 6 random\n"},
		{"clusters", changed(t, "strata: [region, ks2_band]", "#", "method: stratified ", "method: complete\n  clusters: la ", "[baseline, strata]", "[baseline]", "  misfits: pooled ", noMisfits, "    size: 5 to 6 ", "    size: 2 to 6 "),
			"method complete\n" + arms + "cluster la\ncommunity rlc 2 6 random\n"},
		{"mixed alone", changed(t, "how: random ", "how: mixed\n    balance: {fsm: 2}\n    mix: 100 % "), "method stratified\n" + arms + "misfits pooled\ncommunity rlc 5 6 mixed\nbalance rlc fsm 2\n"},
	} {
		d, err := c.p.Design()
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		if diff := cmp.Diff("evenhand-design 1\n"+c.want, string(d.Text())); diff != "" {
			t.Errorf("%s (-want +got):\n%s", c.name, diff)
		}
		// The roster that Units makes must have every column that the design names.
		schools := someSchools(200, 1)
		roster, err := c.p.Units(schools, someMinutes(schools))
		if err != nil {
			t.Errorf("%s: %v", c.name, err)
			continue
		}
		var cannot *randomize.InfeasibleError // minimisation fixes no arm's size, so that communities cannot be promised
		if err := randomize.Check(d, roster); err != nil && !(slices.Contains([]string{"minimisation", "simple", "efron"}, c.name) && errors.As(err, &cannot)) {
			t.Errorf("%s: %v", c.name, err)
		}
	}
}

// someMinutes gives the minutes between schools that live on a line.
func someMinutes(schools []School) Minutes {
	m := Minutes{}
	for i, from := range schools {
		m[from.ID] = map[string]int64{}
		for j, to := range schools {
			m[from.ID][to.ID] = abs(int64(i-j)) / 4
		}
	}
	return m
}

// TestMatchedSets: the roster has the sets that matching finds, and says so of
// pairs that no others cost less.
func TestMatchedSets(t *testing.T) {
	p := changed(t, "method: stratified ", "method: pairs\n  match: {on: {fsm: 1}} ", "strata: [region, ks2_band]", "strata: [region]")
	// By fsm 1 2 | 9 10 would be the pairs; greedy from 2 3 would leave 1 with 9.
	var schools []School
	for i, fsm := range []string{"10", "1", "9", "2", "3", "4"} {
		schools = append(schools, School{ID: fmt.Sprint(100001 + i), Attributes: map[string]string{"region": "London", "ks2_band": "lower", "fsm": fsm, "pupils": "1"}})
	}
	r, err := p.Units(schools, nil)
	if err != nil {
		t.Fatal(err)
	}
	var sets []int64
	at := r.Column(randomize.ColumnSet)
	for _, u := range r.Units {
		sets = append(sets, u.Balance[at])
	}
	if want := []int64{1, 2, 1, 2, 3, 3}; !slices.Equal(sets, want) {
		t.Errorf("sets %v, want %v", sets, want)
	}
	said, err := p.Matching(r)
	if want := "3 sets; no other matching costs less"; err != nil || said != want {
		t.Errorf("Matching = %q, %v; want %q", said, err, want)
	}
	delete(schools[2].Attributes, "fsm")
	var faults *UnitsError
	if _, err := p.Units(schools, nil); !errors.As(err, &faults) || !strings.Contains(err.Error(), "school 100003, fsm: it has no value, and matching needs one of every school") {
		t.Errorf("a school that cannot be matched: %v", err)
	}
}

// TestMissingMinutes: every school to which the file does not say the way.
func TestMissingMinutes(t *testing.T) {
	p := changed(t, "how: random ", "how: near\n    minutes: minutes.csv ")
	schools := someSchools(4, 1)
	m := someMinutes(schools)
	delete(m[schools[1].ID], schools[3].ID)
	delete(m, schools[2].ID)
	var faults *UnitsError
	if _, err := p.Units(schools, m); !errors.As(err, &faults) || len(faults.Faults) != 2 ||
		!strings.Contains(err.Error(), "school 100001, minutes: the file of minutes does not say how long it is to 1 of the 4 schools, school 100003 first") ||
		!strings.Contains(err.Error(), "school 100002, minutes: the file of minutes does not say how long it is to 3 of the 4 schools") {
		t.Errorf("Units = %v", err)
	}
}

// hubs names so many places in a protocol, hubLines in a design.
func hubs(n int) string {
	all := make([]string, n)
	for i := range all {
		all[i] = fmt.Sprintf("{name: hall-%d, distance: easting}", i)
	}
	return strings.Join(all, ", ")
}

func hubLines(n int) string {
	var b strings.Builder
	for i := range n {
		fmt.Fprintf(&b, "hub rlc hall-%d 6\n", i)
	}
	return b.String()
}

// someSchools makes schools with every attribute that the tests' designs use.
func someSchools(n int, seed uint64) []School {
	r := rand.New(rand.NewPCG(seed, 0))
	regions := []string{"North West", "London", "East of England"}
	bands := []string{"lower", "middle", "upper"}
	schools := make([]School, n)
	for i := range schools {
		schools[i] = School{ID: fmt.Sprint(100000 + i), Attributes: map[string]string{
			"region": regions[r.IntN(3)], "ks2_band": bands[r.IntN(3)], "pupils": fmt.Sprint(40 + r.IntN(400)),
			"fsm": fmt.Sprintf("%d.%d", r.IntN(60), r.IntN(10)), "easting": fmt.Sprint(400000 + r.IntN(20000)), "northing": fmt.Sprint(300000 + r.IntN(20000)),
			"la": fmt.Sprint("LA ", i/2), "trust": fmt.Sprint("Trust ", i),
		}}
	}
	return schools
}

// TestUnitsHasEverySchoolOnce holds for any schools in any order.
func TestUnitsHasEverySchoolOnce(t *testing.T) {
	p := changed(t, "how: random ", "how: near\n    within: region\n    apart: [trust]\n    balance: {fsm: 1}\n    mix: 10 % ")
	rapid.Check(t, func(t *rapid.T) {
		schools := someSchools(rapid.IntRange(2, 60).Draw(t, "n"), rapid.Uint64().Draw(t, "seed"))
		for i := range schools {
			if rapid.IntRange(0, 3).Draw(t, "trust") == 0 {
				delete(schools[i].Attributes, "trust")
			} else {
				schools[i].Attributes["trust"] = fmt.Sprint("Trust ", rapid.IntRange(0, 4).Draw(t, "which"))
			}
		}
		roster, err := p.Units(schools, nil)
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff([]string{"region", "trust", "easting", "northing", "fsm"}, roster.Columns); diff != "" {
			t.Fatalf("columns (-want +got):\n%s", diff)
		}
		if len(roster.Units) != len(schools) {
			t.Fatalf("%d units of %d schools", len(roster.Units), len(schools))
		}
		for _, s := range schools {
			i := slices.IndexFunc(roster.Units, func(u randomize.Unit) bool { return u.ID == s.ID })
			if i < 0 {
				t.Fatalf("school %s is no unit", s.ID)
			}
			u := roster.Units[i]
			if want := s.Attributes["region"] + " / " + s.Attributes["ks2_band"]; u.Stratum != want {
				t.Errorf("stratum %q, want %q", u.Stratum, want)
			}
			if (u.Balance[1] == 0) != (s.Attributes["trust"] == "") || fmt.Sprint(u.Balance[2]) != s.Attributes["easting"] {
				t.Errorf("school %s with %v became %v", s.ID, s.Attributes, u.Balance)
			}
			for _, other := range schools {
				j := slices.IndexFunc(roster.Units, func(u randomize.Unit) bool { return u.ID == other.ID })
				for c, name := range []string{"region", "trust"} {
					if (u.Balance[c] == roster.Units[j].Balance[c]) != (s.Attributes[name] == other.Attributes[name]) {
						t.Errorf("%s of schools %s and %s: numbers and values do not agree", name, s.ID, other.ID)
					}
				}
			}
		}
		shuffled := rapid.Permutation(schools).Draw(t, "order")
		again, err := p.Units(shuffled, nil)
		if err != nil {
			t.Fatal(err)
		}
		if string(again.Text()) != string(roster.Text()) {
			t.Error("the roster depends on the order of the schools")
		}
	})
}

func TestUnitsFaults(t *testing.T) {
	near := changed(t, "how: random ", "how: near ")
	balanced := changed(t, "method: stratified ", "method: constrained\n  candidates: 5\n  keep: 50 %\n  balance: {fsm: 2} ")
	set := func(school int, column, value string) func([]School) {
		return func(s []School) { s[school].Attributes[column] = value }
	}
	for _, c := range []struct {
		name   string
		p      *Protocol
		change func([]School)
		want   string
	}{
		{"no stratum", rlc(t), set(3, "region", ""), "school 100003, region: it has no value, and every school needs its stratum"},
		{"ambiguous stratum", rlc(t), func(s []School) {
			s[0].Attributes["region"], s[0].Attributes["ks2_band"] = "A / B", "C"
			s[1].Attributes["region"], s[1].Attributes["ks2_band"] = "A", "B / C"
		}, "its stratum would read \"A / B / C\", as does that of school 100000"},
		{"no place", near, set(1, "easting", ""), "school 100001, easting: it has no value, and measuring distances needs one"},
		{"place is no whole number", near, set(1, "easting", "12.5"), "not a whole number"},
		{"place is far", near, set(1, "easting", "10000000000"), "too large"},
		{"balance is a word", balanced, set(1, "fsm", "NP"), `"NP" is not a number`},
		{"nothing to balance", balanced, func(s []School) {
			for i := range s {
				s[i].Attributes["fsm"] = "5"
			}
		}, "nothing to balance"},
		{"same school twice", rlc(t), func(s []School) { s[1].ID = s[0].ID }, "unit 100000 is there twice"},
		{"an ID that is no name", rlc(t), func(s []School) { s[1].ID = "a b" }, `unit "a b"`},
	} {
		schools := someSchools(12, 7)
		c.change(schools)
		_, err := c.p.Units(schools, nil)
		if err == nil || !strings.Contains(err.Error(), c.want) {
			t.Errorf("%s: got %v, want %q", c.name, err, c.want)
		}
	}
	schools := someSchools(12, 7)
	schools[1].Attributes["region"], schools[5].Attributes["ks2_band"] = "", ""
	var e *UnitsError
	if _, err := rlc(t).Units(schools, nil); !errors.As(err, &e) || len(e.Faults) != 2 {
		t.Errorf("want two faults at once, got %v", err)
	}
}
