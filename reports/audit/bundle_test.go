package audit

import (
	"bytes"
	"encoding/json"
	"fmt"
	"math/rand/v2"
	"os"
	"strings"
	"testing"
	"time"

	"evenhand/analysis"
	"evenhand/analysis/rows"
	"evenhand/analysis/sap"
	"evenhand/randomize"
	"evenhand/trial"
)

// maker makes a whole trial for the tests, through the same packages as the
// program's, but with a ledger of its own so that tests can write it anew.
type maker struct {
	t       testing.TB
	entries []trial.Entry
	clock   time.Time
	b       Bundle
}

func (m *maker) log(action, about string, after any) {
	m.t.Helper()
	text, err := json.Marshal(after)
	if err != nil {
		m.t.Fatal(err)
	}
	m.clock = m.clock.Add(time.Minute)
	m.entries = append(m.entries, trial.Entry{At: m.clock, Actor: "sam", Action: action, About: about, After: text})
}

// seal writes the ledger from the entries, numbered and chained.
func (m *maker) seal() {
	m.t.Helper()
	m.b.Ledger = nil
	prev := trial.ZeroDigest
	for i, e := range m.entries {
		e.Seq, e.Prev = i+1, prev
		r, err := e.Seal()
		if err != nil {
			m.t.Fatal(err)
		}
		m.b.Ledger = append(m.b.Ledger, r)
		prev = r.Digest
	}
}

func (m *maker) receipt(size int) trial.Receipt {
	return trial.Receipt{Trial: "bundletest", Size: size, Head: m.b.Ledger[size-1].Digest, At: m.clock}
}

// finished is a finished trial of so many schools with about so many pupils each.
func finished(t testing.TB, schools, pupils int) *maker { return finishedWith(t, schools, pupils) }

// finishedWith is finished by another protocol: in its text each second word
// stands in place of the first.
func finishedWith(t testing.TB, schools, pupils int, edits ...string) *maker {
	t.Helper()
	m := &maker{t: t, clock: time.Date(2015, 9, 1, 9, 0, 0, 0, time.UTC)}
	text, err := os.ReadFile("testdata/protocol.yaml")
	if err != nil {
		t.Fatal(err)
	}
	text = []byte(strings.NewReplacer(edits...).Replace(string(text)))
	p, err := trial.ParseProtocol("protocol.yaml", text)
	if err != nil {
		t.Fatal(err)
	}
	rng := rand.New(rand.NewPCG(7, 11))
	m.b = Bundle{Trial: p.Trial.ID, Title: p.Trial.Title, Program: "evenhand test", Protocols: []Protocol{{1, string(text)}}, Rule: []File{{"RULE.md", randomize.RuleText}}, NotIncluded: []string{"the survey of teachers"}}
	m.log(actionProtocol, "protocol version 1", map[string]any{"version": 1, "digest": trial.DigestOf(string(text))})

	r := trial.Records{Roster: trial.Roster{Version: 1, Protocol: 1, Strata: map[string]string{}}, Allocation: map[string]trial.Assigned{}}
	var lines strings.Builder
	lines.WriteString("evenhand-pupils 1\npupil\tschool\n")
	effect := map[string]float64{}
	for i := range schools {
		s := trial.School{ID: fmt.Sprint(100001 + i), Name: fmt.Sprintf("School %d", i+1), Stage: trial.Ready, Attributes: map[string]string{"region": []string{"London", "North"}[i%2]}}
		r.Roster.Schools = append(r.Roster.Schools, s)
		stratum, _ := p.Stratum(s)
		r.Roster.Strata[s.ID] = stratum
		effect[s.ID] = rng.NormFloat64() * 2
		for k := range pupils + i%3 {
			id := fmt.Sprintf("P%03d%05d", i, k)
			attributes := map[string]string{"fsm": []string{"yes", "no", "no"}[rng.IntN(3)]}
			if rng.IntN(40) == 0 {
				delete(attributes, "fsm")
			}
			r.Roster.Pupils = append(r.Roster.Pupils, trial.Pupil{ID: id, School: s.ID, Attributes: attributes})
			lines.WriteString(id + "\t" + s.ID + "\n")
			base := 15 + 3*rng.NormFloat64()
			if rng.IntN(30) > 0 {
				r.Scores = append(r.Scores, trial.Score{Measure: trial.BaselineOf("reading"), Person: id, Value: base})
			}
			for _, outcome := range []string{"reading", "maths"} {
				score := trial.Score{Measure: outcome, Person: id, Value: 85 + base + effect[s.ID] + 5*rng.NormFloat64()}
				if rng.IntN(15) == 0 {
					score = trial.Score{Measure: outcome, Person: id, Missing: "absent"}
				}
				r.Scores = append(r.Scores, score)
			}
		}
	}
	r.Withdrawals = []trial.Withdrawal{{Level: "school", Subject: "100003", From: trial.FromBoth, On: "2016-01-10", Reason: "no time"}}
	at := schoolOf(r)
	for i, s := range r.Scores {
		if s.Measure != trial.BaselineOf("reading") && s.Missing == "" && at[s.Person] == "100003" {
			r.Scores[i] = trial.Score{Measure: s.Measure, Person: s.Person, Missing: "withdrawn"}
		}
	}
	r.Pupils = r.Roster.Pupils

	list := lines.String()
	design, err := p.Design()
	if err != nil {
		t.Fatal(err)
	}
	roster, err := p.Units(r.Roster.Schools, nil)
	if err != nil {
		t.Fatal(err)
	}
	m.b.Rosters = []Roster{{1, "evenhand-design 0\n", "earlier roster\n", list}, {2, string(design.Text()), string(roster.Text()), list}}
	for i, x := range m.b.Rosters {
		m.log(actionLock, fmt.Sprintf("roster version %d", i+1), map[string]any{"protocol": 1, "schools": schools, "pupils": len(r.Pupils), "design": trial.DigestOf(x.Design), "roster": trial.DigestOf(x.Roster), "pupil_list": trial.DigestOf(x.Pupils)})
	}
	m.log(actionRehearse, "roster version 2", map[string]int{"times": 20})
	locked := m.b.Rosters[1]
	m.b.Commitment = "evenhand-commitment 1\ntrial bundletest\nroster version 2 " + trial.DigestOf(locked.Roster) + "\n"
	m.log(actionCommit, "roster version 2", map[string]string{"commitment": trial.DigestOf(m.b.Commitment), "design": trial.DigestOf(locked.Design), "roster": trial.DigestOf(locked.Roster), "source": "local"})
	chance := randomize.Chance(trial.DigestOf("chance of the test"))
	allocation, err := randomize.Draw(design, roster, chance)
	if err != nil {
		t.Fatal(err)
	}
	m.b.Chance, m.b.Allocation = string(chance), string(allocation.Text())
	m.log(actionDraw, "the draw", map[string]any{"commitment": trial.DigestOf(m.b.Commitment), "roster": 2, "chance": m.b.Chance, "allocation": allocation.Digest()})
	for _, a := range allocation.Assignments {
		r.Allocation[a.Unit] = trial.Assigned{Arm: a.Arm, Community: a.Community}
	}

	plans := p.Plans()
	var all []sap.Results
	for i, plan := range plans {
		d, err := p.Dataset(r, plan.Outcome)
		if err != nil {
			t.Fatal(err)
		}
		files, err := rows.Write(d)
		if err != nil {
			t.Fatal(err)
		}
		m.b.Data = append(m.b.Data, rows.Named{Outcome: plan.Outcome, Files: files})
		redraws, err := trial.NewRedraws(design, []randomize.Wave{{Roster: roster, Chance: chance}}, 0)
		if err != nil {
			t.Fatal(err)
		}
		redraw, err := redraws.For(d)
		if err != nil {
			t.Fatal(err)
		}
		results, err := sap.Run(plan, d, redraw)
		if err != nil {
			t.Fatal(err)
		}
		all = append(all, *results)
		if i == 0 {
			m.b.Flow = flowOf(t, p, plan, d)
		}
	}
	if err := sap.Adjust(all); err != nil {
		t.Fatal(err)
	}
	text, err = json.Marshal(all)
	if err != nil {
		t.Fatal(err)
	}
	m.b.Results = string(text) + "\n"
	plan, err := json.Marshal(plans)
	if err != nil {
		t.Fatal(err)
	}
	locks := map[string]string{}
	for _, d := range m.b.Data {
		locks[d.Outcome] = rows.Digest([]rows.Named{d})
	}
	m.log(actionOutcomes, "outcomes.csv", map[string]int{"stored": len(r.Scores)})
	m.log(actionUnblind, "analysis", map[string]any{"protocol": 1, "plan": digest(plan), "data": locks, "confirmed_by": "ana"})
	other := m.explore(p, r)
	m.log(actionExplore, "analysis 1", map[string]any{"run": 1, "protocol": 1, "plan": other, "data": locks["reading"], "results": trial.DigestOf(m.b.Runs[1])})
	m.entries[len(m.entries)-1].Why = "without the baseline"
	m.log(actionAnalyse, "analysis 2", map[string]any{"run": 2, "protocol": 1, "plan": digest(plan), "data": rows.Digest(m.b.Data), "results": trial.DigestOf(m.b.Results)})
	m.b.ReportHTML = []byte("<!DOCTYPE html><title>report</title>\n<p>It is <span class=\"c\" data-cell=\"t/1/2\"><bdi>−0.26</bdi></span>.</p><td class=\"n right\" data-cell=\"t/1/2\"><bdi>−0.26</bdi></td><td data-cell=\"t/2/2\"><bdi>&lt; 0.001</bdi></td>\n")
	m.b.Numbers = []byte("cell,value,shown\nt/1/2,-0.2572,−0.26\nt/2/2,0.0001,< 0.001\n")
	m.log("report build", "report", map[string]string{"report": digest(m.b.ReportHTML)})
	m.seal()
	m.b.Receipts = []trial.Receipt{m.receipt(5), m.receipt(3)}
	return m
}

// explore makes a run that is not in the plan, and gives its plan's digest.
func (m *maker) explore(p *trial.Protocol, r trial.Records) string {
	m.t.Helper()
	plan, err := p.Explore(trial.Exploration{Covariates: []string{"strata"}})
	if err != nil {
		m.t.Fatal(err)
	}
	d, err := p.Dataset(r, plan.Outcome)
	if err != nil {
		m.t.Fatal(err)
	}
	results, err := sap.Run(plan, d, nil)
	if err != nil {
		m.t.Fatal(err)
	}
	text, err := json.Marshal([]sap.Results{*results})
	if err != nil {
		m.t.Fatal(err)
	}
	m.b.Runs = map[int]string{1: string(text) + "\n"}
	digested, err := json.Marshal([]sap.Plan{plan})
	if err != nil {
		m.t.Fatal(err)
	}
	return digest(digested)
}

// schoolOf gives each pupil's school.
func schoolOf(r trial.Records) map[string]string {
	at := map[string]string{}
	for _, p := range r.Roster.Pupils {
		at[p.ID] = p.School
	}
	return at
}

func flowOf(t testing.TB, p *trial.Protocol, plan sap.Plan, d *analysis.Dataset) *trial.Flow {
	t.Helper()
	counts, err := sap.CountsByArm(plan, d)
	if err != nil {
		t.Fatal(err)
	}
	flow := &trial.Flow{Exits: []trial.Count{}}
	for _, stage := range trial.Stages() { // the maker's ledger has no recruitment
		flow.Stages = append(flow.Stages, trial.StageCount{Stage: stage})
	}
	lost := func(all []analysis.Loss) []trial.Count {
		out := []trial.Count{}
		for _, l := range all {
			out = append(out, trial.Count{What: l.Reason, N: l.N})
		}
		return out
	}
	for i, a := range p.Arms {
		c := counts[i]
		flow.Arms = append(flow.Arms, trial.ArmFlow{Arm: a.ID, Label: a.Label, Control: a.Control,
			Schools: trial.LevelFlow{Randomised: c.SchoolsRandomised, Analysed: c.SchoolsUsed, Lost: lost(c.SchoolsLost)},
			Pupils:  trial.LevelFlow{Randomised: c.PupilsRandomised, Analysed: c.PupilsUsed, Lost: lost(c.PupilsLost)}})
	}
	return flow
}

// write gives the bundle's bytes.
func write(t testing.TB, b Bundle) []byte {
	t.Helper()
	var buf bytes.Buffer
	if err := Write(&buf, b); err != nil {
		t.Fatal(err)
	}
	return buf.Bytes()
}

func verify(t testing.TB, zip []byte, opts Options) *Findings {
	t.Helper()
	f, err := Verify(bytes.NewReader(zip), int64(len(zip)), opts)
	if err != nil {
		t.Fatal(err)
	}
	return f
}

// failed lists the details of the failures.
func failed(f *Findings) string {
	var all []string
	for _, x := range f.List {
		if x.Kind == Fail {
			all = append(all, fmt.Sprintf("%d %s", x.Number, x.Detail))
		}
	}
	return strings.Join(all, "\n")
}

func TestWholeBundlePasses(t *testing.T) {
	m := finished(t, 20, 6)
	zip := write(t, m.b)
	if again := write(t, m.b); !bytes.Equal(zip, again) {
		t.Error("the same bundle was written as other bytes")
	}
	f := verify(t, zip, Options{Receipts: []trial.Receipt{m.receipt(len(m.entries) - 1)}, Commitment: "  \r\n" + strings.ReplaceAll(m.b.Commitment, "\n", "  \r\n")})
	t.Log("\n" + f.Text())
	if f.Failed() {
		t.Fatalf("a good bundle fails:\n%s", failed(f))
	}
	passed := map[int]bool{}
	for _, x := range f.List {
		if x.Kind == Pass {
			passed[x.Number] = true
		}
	}
	for n := checkFiles; n <= checkPage; n++ {
		if !passed[n] {
			t.Errorf("check %d (%s) did not pass", n, titles[n])
		}
	}
	if text := f.Text(); !strings.Contains(text, fmt.Sprintf("entry %d came after your latest receipt", len(m.entries))) || !strings.Contains(text, "CANNOT") {
		t.Errorf("what is not covered is not said:\n%s", text)
	}
	if f.Trial != "bundletest" {
		t.Errorf("trial %q", f.Trial)
	}
}
