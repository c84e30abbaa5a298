package main

import (
	"fmt"
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"evenhand/randomize"
)

// smallSchools is a file of n schools in three regions, those of a row from
// first on, with the columns that every method and community may ask for; and
// the moves that make all of them ready.
func smallSchools(first, n int) (schools, moves string) {
	var s, m strings.Builder
	s.WriteString("id,name,region,ks2,fsm,arrival,trust,set,easting,northing\n")
	m.WriteString("id,stage,date\n")
	for i := first; i < first+n; i++ {
		fmt.Fprintf(&s, "%d,School %d,%s,%d.%d,%d,%d,T%d,%d,%d,%d\n", 200001+i, i, []string{"North", "South", "West"}[i%3],
			24+i*7%9, i*3%10, i*37%61, i, i/2, i/6*3+i%3, 400_000+i*7919%30_000, 300_000+i*6007%30_000)
		for day, stage := range []string{"approached", "interested", "agreement signed", "baseline data received", "ready"} {
			fmt.Fprintf(&m, "%d,%s,2014-01-%02d\n", 200001+i, stage, 6+day)
		}
	}
	return s.String(), m.String()
}

// smallProtocol is the protocol of those schools with a draw, and lines of more.
func smallProtocol(strata, draw, more string) string {
	return `evenhand: 1
trial: {id: small, title: A small trial, measured: schools}
arms:
  - {id: new, label: Programme}
  - {id: control, label: Business as usual, control: yes}
schools:
  columns: {id: id, name: name, region: region, ks2: ks2, fsm: fsm, arrival: arrival, trust: trust, set: set, easting: easting, northing: northing}
recruitment: {target: 24 schools, region: region}
strata: [` + strata + `]
draw: {` + draw + `}
outcomes:
  - {id: reading, column: READING, primary: yes}
plan: {covariates: []}
` + more
}

// recruit enters schools and takes them to the stage "ready".
func (w *world) recruit(first, n int) {
	w.t.Helper()
	schools, moves := smallSchools(first, n)
	w.file("schools.csv", schools)
	w.file("moves.csv", moves)
	w.must("school", "import", "{}/schools.csv", "--on", "2014-01-05")
	w.must("recruitment", "import", "{}/moves.csv")
}

// TestEveryMethod takes each method of allocation, and each source of matched
// sets and distances, through the whole ceremony: check, lock, rehearse,
// probabilities, balance, commit, draw, verify, record, kit, and a replay of the
// three texts that gives the same bytes.
func TestEveryMethod(t *testing.T) {
	for _, c := range []struct {
		name, strata, draw, more string
		locked                   string // pattern in what the lock says
		chances                  string // pattern in what the probabilities say
	}{
		{"complete", "", "method: complete", "", "new: every school's chance is 1 in 2, 12 schools", `Possible allocations: 2704156 `},
		{"stratified", "region", "method: stratified, misfits: within", "", "3 strata, 0 schools left over", `Possible allocations: 343000 `},
		{"blocks", "region", "method: blocks, blocks: [2, 4], sequence: arrival", "", "new: every school's chance is 1 in 2, 9 to 15 schools", `Two schools in one arm, over 276 pairs: from 1/6 to 1/2`},
		{"minimisation", "region", "method: minimisation, sequence: arrival, imbalance: range, best arm: 80 %, balance: {region: 1, set: 1}", "", "every school's chance is 1 in 2, 0 to 24 schools", `no exact probability of pairs`},
		{"constrained", "region", "method: constrained, candidates: 3000, keep: 40 %, balance: {ks2: 1, fsm: 1}", "", "new: every school's chance is 1 in 2, 12 schools", `no exact probability of pairs`},
		{"pairs", "region", "method: pairs, match: {on: {ks2: 2, fsm: 1}}", "", "matched: 12 sets; no other matching costs less", `(?s)from 0 to 1/2, .* 0 +12 pairs.*Possible allocations: 4096 `},
		{"triples", "region", "method: pairs, match: {on: {ks2: 2, fsm: 1}, size: 3}", "", "matched: 9 sets; 6 units in a set that is not full", `(?s)1/3 +18 pairs`},
		{"sets", "region", "method: pairs, set: set", "", "12 strata", `Possible allocations: 4096 `},
		{"simple", "", "method: simple", "", "it is for teaching and comparison", `Possible allocations: 16777216 `},
		{"efron", "region", "method: efron, sequence: arrival, best arm: 66.7 %", "", "it is for teaching and comparison", `no exact probability of pairs`},
		{"minutes", "region", "method: stratified", "communities: [{arm: new, size: 4 to 6, how: near, minutes: minutes.csv, travel minutes: 70}]\n", "communities too, however chance falls", `Possible allocations: 343000 `},
		{"clusters", "region", "method: stratified, clusters: set", "communities: [{arm: new, size: 2 to 6}]\n", "", `Every one of 24 schools has the chance: new 1/2, control 1/2`},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.file("trial.yaml", smallProtocol(c.strata, c.draw, c.more))
			w.file("minutes.csv", smallMinutes(24))
			w.must("init", "{}")
			w.recruit(0, 24)
			if said := w.must("roster", "lock"); !strings.Contains(said, c.locked) {
				t.Errorf("the lock says %s, want %q", said, c.locked)
			}
			if said := w.must("draw", "rehearse", "--times", "40"); !strings.Contains(said, "None of them can become the draw") || strings.Contains(said, "2000") {
				t.Errorf("rehearsals say %s", said)
			}
			if said := w.must("draw", "probabilities"); !regexp.MustCompile(c.chances).MatchString(said) {
				t.Errorf("the probabilities say %s, want %q", said, c.chances)
			}
			w.must("draw", "balance", "--rehearsals", "20")
			w.must("draw", "commit")
			w.must("--as", "B", "draw", "run")
			w.must("draw", "verify")
			w.must("draw", "balance")
			w.must("draw", "record", "--out", "{}/record.txt")
			w.must("ledger", "check")
			w.must("draw", "kit", "--dir", "{}/kit")
			want := w.read("kit/allocation.txt")
			if got := w.must("draw", "replay", "--design", "{}/kit/design.txt", "--roster", "{}/kit/roster.txt", "--chance", "{}/kit/chance.txt"); got != want {
				t.Errorf("the replay gives %s, want %s", got, want)
			}
		})
	}
}

// TestReasonInWords: what keeps communities from being formed is told in the
// schools' own words, by the check and by the lock.
func TestReasonInWords(t *testing.T) {
	w := newWorld(t)
	w.file("trial.yaml", smallProtocol("region", "method: stratified", "communities: [{arm: new, size: 4 to 6, apart: [region]}]\n"))
	w.must("init", "{}")
	w.recruit(0, 24)
	for _, args := range [][]string{{"communities", "check"}, {"roster", "lock"}} {
		r := w.give(args...)
		if want := "region North has 8 schools, of which up to 4 may be drawn into the arm, and there may be only 2 communities there"; r.status == exitDone || !strings.Contains(r.out, want) {
			t.Errorf("%v: status %d, %s; want %q", args, r.status, r.out, want)
		}
	}
}

func (w *world) read(name string) string {
	w.t.Helper()
	text, err := os.ReadFile(filepath.Join(w.dir, name))
	if err != nil {
		w.t.Fatal(err)
	}
	return string(text)
}

// smallMinutes is the file of minutes between the first n small schools, whose
// way back takes longer.
func smallMinutes(n int) string {
	var b strings.Builder
	b.WriteString("school")
	for i := range n {
		fmt.Fprintf(&b, ",%d", 200001+i)
	}
	for i := range n {
		fmt.Fprintf(&b, "\n%d", 200001+i)
		for j := range n {
			switch {
			case i < j:
				fmt.Fprintf(&b, ",%d", 3*(j-i))
			case i > j:
				fmt.Fprintf(&b, ",%d", 3*(i-j)+2)
			default:
				b.WriteString(",")
			}
		}
	}
	return b.String() + "\n"
}

// TestAlliances: the trial of 64 alliances, of which the 32 drawn into the
// programme form 8 regional clusters of 3 to 5. In regions, each cluster lies in
// one of them; by distance, there are exactly 8 however the regions fall.
func TestAlliances(t *testing.T) {
	for _, c := range []struct{ name, rule string }{
		{"in regions", "how: near, within: region"},
		{"by distance", "how: near, number: 8, apart: [trust]"},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			w.file("trial.yaml", strings.Replace(smallProtocol("region", "method: stratified", "communities: [{arm: new, size: 3 to 5, "+c.rule+", starts: 200, notional for control: yes}]\n"), "target: 24", "target: 64", 1))
			w.must("init", "{}")
			w.alliances()
			w.must("communities", "check", "--rehearsals", "20")
			w.must("roster", "lock")
			w.must("draw", "commit")
			w.must("draw", "run")
			w.must("draw", "verify")
			a, err := randomize.ParseAllocation([]byte(w.must("draw", "show", "--part", "allocation")))
			if err != nil {
				t.Fatal(err)
			}
			sizes, regions := map[string]map[int]int{"new": {}, "control": {}}, map[[2]int]bool{}
			for i, x := range a.Assignments {
				sizes[x.Arm][x.Community]++
				if x.Arm == "new" {
					regions[[2]int{x.Community, i / 16}] = true
				}
			}
			for arm, by := range sizes { // the control's are notional, by the same rule
				n := 0
				for community, k := range by {
					if community == 0 || k < 3 || k > 5 {
						t.Errorf("%s has %d alliances in cluster %d", arm, k, community)
					}
					n += k
				}
				if n != 32 || len(by) != 8 {
					t.Errorf("%s has %d alliances in %d clusters, want 32 in 8", arm, n, len(by))
				}
			}
			if c.name == "in regions" && len(regions) != 8 {
				t.Errorf("8 clusters lie in %d pairs of cluster and region: one crosses a border", len(regions))
			}
		})
	}
}

// alliances recruits 64 alliances, 16 in each of four regions far apart.
func (w *world) alliances() {
	w.t.Helper()
	var s, m strings.Builder
	s.WriteString("id,name,region,ks2,fsm,arrival,trust,set,easting,northing\n")
	m.WriteString("id,stage,date\n")
	for i := range 64 {
		fmt.Fprintf(&s, "A%02d,Alliance %d,%s,1,1,%d,T%d,1,%d,%d\n", i, i, []string{"North", "South", "East", "West"}[i/16], i, i/2,
			300_000+i/16%2*200_000+i*7919%40_000, 200_000+i/32*200_000+i*6007%40_000)
		for day, stage := range []string{"approached", "interested", "agreement signed", "baseline data received", "ready"} {
			fmt.Fprintf(&m, "A%02d,%s,2014-01-%02d\n", i, stage, 6+day)
		}
	}
	w.file("schools.csv", s.String())
	w.file("moves.csv", m.String())
	w.must("school", "import", "{}/schools.csv", "--on", "2014-01-05")
	w.must("recruitment", "import", "{}/moves.csv")
}
