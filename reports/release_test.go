package reports_test

import (
	"fmt"
	"math"
	"math/rand/v2"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"evenhand/analysis/sap"
	"evenhand/reports"
	"evenhand/reports/disclosure"
	"evenhand/reports/figure"
	"evenhand/reports/internal/sample"
	"evenhand/trial"
)

var srs10 = disclosure.Rule{Threshold: 10}

// randomTrial is the sample with other pupils: flow, scores, balance,
// attrition, communities and joiners, all of them consistent.
func randomTrial(seed uint64) reports.Input {
	r := rand.New(rand.NewPCG(seed, 3))
	in := sample.Input()
	res := &in.Results[0]
	in.Flow.Arms = append([]trial.ArmFlow(nil), in.Flow.Arms...)
	few := func() int {
		switch r.IntN(4) {
		case 0:
			return 0
		case 1:
			return 1 + r.IntN(9)
		}
		return r.IntN(30)
	}
	reasons := []string{"absent", "left school", "not entered", "withdrawn by parents"}[:1+r.IntN(4)]
	res.Balance = nil
	sets := map[string]*sap.BalanceRow{}
	for _, set := range []string{"randomised", "analysed"} {
		sets["baseline "+set] = &sap.BalanceRow{Variable: "baseline", Level: "pupil", Set: set, Scale: "hedges-g", Effect: 0.1 * r.Float64(), HasEffect: true}
		sets["fsm "+set] = &sap.BalanceRow{Variable: "fsm", Level: "pupil", Category: "yes", Set: set, Scale: "cox", Effect: 0.1 * r.Float64(), HasEffect: true}
	}
	rand, used := 0, 0
	var rates [2]float64
	for i := range in.Flow.Arms {
		p := trial.LevelFlow{WithdrewProgramme: few(), Joiners: few()}
		lost := 0
		for _, what := range reasons {
			n := few()
			p.Lost = append(p.Lost, trial.Count{What: what, N: n})
			lost += n
		}
		p.Analysed = 60 + r.IntN(100)
		p.Randomised = p.Analysed + lost
		p.WithdrewProgramme = min(p.WithdrewProgramme, p.Randomised)
		in.Flow.Arms[i].Pupils = p
		rand, used = rand+p.Randomised, used+p.Analysed
		rates[i] = float64(lost) / float64(p.Randomised)
		res.Arms[i].N, res.Arms[i].Missing = p.Analysed, lost
		name := res.Arms[i].Arm
		missingIn := min(few(), p.Analysed/3)
		missingOut := 0
		if lost > 0 {
			missingOut = r.IntN(lost + 1)
		}
		n1 := p.Analysed - missingIn
		n0 := n1 + lost - missingOut
		sets["baseline randomised"].Arms = append(sets["baseline randomised"].Arms, sap.ArmBalance{Arm: name, N: n0, Missing: p.Randomised - n0, Mean: 15, SD: 3})
		sets["baseline analysed"].Arms = append(sets["baseline analysed"].Arms, sap.ArmBalance{Arm: name, N: n1, Missing: missingIn, Mean: 15.2, SD: 3})
		yes1 := r.IntN(p.Analysed/2 + 1)
		yes0 := yes1
		if lost > 0 {
			yes0 += r.IntN(lost + 1)
		}
		sets["fsm randomised"].Arms = append(sets["fsm randomised"].Arms, sap.ArmBalance{Arm: name, N: p.Randomised, Mean: float64(yes0) / float64(p.Randomised), Count: yes0})
		sets["fsm analysed"].Arms = append(sets["fsm analysed"].Arms, sap.ArmBalance{Arm: name, N: p.Analysed, Mean: float64(yes1) / float64(p.Analysed), Count: yes1})
	}
	for _, k := range []string{"baseline randomised", "fsm randomised", "baseline analysed", "fsm analysed"} {
		res.Balance = append(res.Balance, *sets[k])
	}
	res.Counts.PupilsRandomised, res.Counts.PupilsUsed = rand, used
	res.Contrasts[0].EffectSize.Counts.PupilsUsed = used
	second := 0 // with a score of the other outcome
	in.Results[1].Arms = append([]sap.ArmSummary(nil), in.Results[1].Arms...)
	for i, a := range in.Flow.Arms {
		n := a.Pupils.Analysed - r.IntN(12)
		in.Results[1].Arms[i].N, in.Results[1].Arms[i].Missing = n, a.Pupils.Randomised-n
		second += n
	}
	in.Results[1].Contrasts[0].EffectSize.Counts.PupilsUsed = second - r.IntN(8)*r.IntN(2)
	a, b := in.Flow.Arms[0].Pupils, in.Flow.Arms[1].Pupils
	res.Attrition.Pupils = sap.AttritionLevel{RandomisedT: a.Randomised, RandomisedC: b.Randomised, AnalysedT: a.Analysed, AnalysedC: b.Analysed, Overall: 1 - float64(used)/float64(rand), Differential: math.Abs(rates[0] - rates[1]), Cautious: true, Optimistic: true, CautiousAt: 0.06, OptimisticAt: 0.1}
	sample.Scores(&in)
	// the arm's pupils by school
	var schools []*reports.SchoolLine
	for c := range in.Communities {
		for s := range in.Communities[c].Schools {
			schools = append(schools, &in.Communities[c].Schools[s])
			in.Communities[c].Schools[s].Pupils = 0
		}
	}
	for n := range a.Randomised {
		k := n % len(schools)
		if n > 40 {
			k = r.IntN(len(schools))
		}
		schools[k].Pupils++
	}
	for i := range in.SchoolMeans {
		in.SchoolMeans[i].N = 8 + r.IntN(20)
	}
	return in
}

// published is a released report as a reader sees it: a system made from its
// tables' texts alone, with the sums that every reader knows.
type published struct {
	t   *testing.T
	r   *reports.Report
	rel disclosure.Release
	at  map[string]bool
}

func (p *published) cell(table string, row, col int) string {
	for _, tab := range p.r.Tables() {
		if tab.ID != table {
			continue
		}
		c := tab.Rows[row].Cells[col]
		key := fmt.Sprintf("%s/%d/%d", table, row, col)
		if !p.at[key] {
			p.at[key] = true
			out := disclosure.Published{Key: key, Label: key, Mark: disclosure.Suppressed}
			switch {
			case c.Kind == reports.Number:
				out.Mark, out.Value = disclosure.Value, int(c.Value)
			case c.String() == "<10":
				out.Mark = disclosure.Below
			case c.String() != "[suppressed]":
				p.t.Fatalf("cell %s is %q", key, c)
			}
			p.rel.Cells = append(p.rel.Cells, out)
		}
		return key
	}
	p.t.Fatalf("no table %s", table)
	return ""
}

// rest adds a part that stands nowhere.
func (p *published) rest(key string) string {
	if !p.at[key] {
		p.at[key] = true
		p.rel.Cells = append(p.rel.Cells, disclosure.Published{Key: key, Label: key, Mark: disclosure.Nowhere})
	}
	return key
}

func (p *published) sum(total string, parts ...string) {
	p.rel.Sums = append(p.rel.Sums, disclosure.KeySum{Total: total, Parts: parts})
}

// read makes the reader's system of a report with two arms whose flow has so
// many rows. truth gets the count of each key that the input knows.
func read(t *testing.T, r *reports.Report, in reports.Input, rule disclosure.Rule) (*published, map[string]int) {
	p := &published{t: t, r: r, at: map[string]bool{}}
	p.rel.Rule = rule
	truth := map[string]int{}
	var flow *reports.Table
	for _, tab := range r.Tables() {
		if tab.ID == "flow" {
			flow = tab
		}
	}
	last := len(flow.Rows) - 1
	for k, col := range []int{2, 4, 6} {
		var reasons []string
		for row := 3; row < last-1; row++ {
			reasons = append(reasons, p.cell("flow", row, col))
		}
		p.sum(p.cell("flow", 2, col), reasons...)
		p.sum(p.cell("flow", 0, col), p.cell("flow", 2, col), p.cell("flow", last-1, col))
		p.sum(p.cell("flow", 0, col), p.cell("flow", 1, col), p.rest(fmt.Sprint("stayed ", col)))
		p.cell("flow", last, col)
		if k < 2 {
			f := in.Flow.Arms[k].Pupils
			truth[p.cell("flow", 1, col)], truth[p.cell("flow", 2, col)], truth[p.cell("flow", last, col)] = f.WithdrewProgramme, f.Randomised-f.Analysed, f.Joiners
			truth[p.cell("flow", last-1, col)] = f.Analysed
			truth[fmt.Sprint("stayed ", col)] = f.Randomised - f.WithdrewProgramme
			if len(reasons) == len(f.Lost) {
				for i, l := range f.Lost {
					if flow.Rows[3+i].Cells[0].String() == l.What {
						truth[reasons[i]] = l.N
					}
				}
			}
		}
	}
	for row := range flow.Rows {
		p.sum(p.cell("flow", row, 6), p.cell("flow", row, 2), p.cell("flow", row, 4))
	}
	for k, col := range []int{2, 4} {
		p.sum(p.cell("flow", 0, col), p.cell("attrition-rates", 3*k, 2))
		p.sum(p.cell("flow", last-1, col), p.cell("attrition-rates", 3*k+1, 2))
		p.sum(p.cell("flow", last-1, col), p.cell("primary-scores", k, 2))
		p.sum(p.cell("flow", 2, col), p.cell("primary-scores", k, 3))
	}
	p.sum(p.cell("flow", last-1, 6), p.cell("headline", 0, 5))
	p.sum(p.cell("flow", 0, 6), p.cell("secondary-effects", 0, 6), p.rest("secondary missing"))
	truth["secondary missing"] = in.Results[0].Counts.PupilsRandomised - in.Results[1].Contrasts[0].EffectSize.Counts.PupilsUsed
	var second []string
	for k, col := range []int{2, 4} {
		for row, a := range []sap.ArmSummary{in.Results[0].Arms[k], in.Results[1].Arms[k]} {
			n, m := p.cell("estimation", row, 3+3*k), p.cell("estimation", row, 4+3*k)
			p.sum(p.cell("flow", 0, col), n, m)
			truth[n], truth[m] = a.N, a.Missing
			if row == 0 {
				p.sum(p.cell("flow", last-1, col), n)
				p.sum(p.cell("flow", 2, col), m)
			} else {
				second = append(second, n)
			}
		}
	}
	p.sum(p.rest("second score"), second...)
	p.sum("second score", p.cell("secondary-effects", 0, 6), p.rest("second not used"))
	truth["second not used"] = in.Results[1].Arms[0].N + in.Results[1].Arms[1].N - in.Results[1].Contrasts[0].EffectSize.Counts.PupilsUsed
	rows := map[string]sap.BalanceRow{}
	for _, b := range in.Results[0].Balance {
		rows[b.Variable+" "+b.Set] = b
	}
	for arm, base := range []int{1, 5} {
		for v, name := range []string{"baseline", "fsm"} {
			b0, b1 := rows[name+" randomised"].Arms[arm], rows[name+" analysed"].Arms[arm]
			n0, m0 := p.cell("balance-randomised", v, base), p.cell("balance-randomised", v, base+1)
			n1, m1 := p.cell("balance-analysed", v, base), p.cell("balance-analysed", v, base+1)
			p.sum(p.cell("flow", 0, 2+2*arm), n0, m0)
			p.sum(p.cell("flow", last-1, 2+2*arm), n1, m1)
			dn, dm := fmt.Sprint("lost, known ", arm, v), fmt.Sprint("lost, missing ", arm, v)
			p.sum(n0, n1, p.rest(dn))
			p.sum(m0, m1, p.rest(dm))
			truth[m0], truth[m1], truth[dn], truth[dm] = b0.Missing, b1.Missing, b0.N-b1.N, b0.Missing-b1.Missing
			if name != "fsm" {
				continue
			}
			// a share with its n is a count
			kind := func(table, n string, b sap.ArmBalance) (yes, no string) {
				yes, no = table+" yes "+strconv.Itoa(arm), table+" no "+strconv.Itoa(arm)
				p.at[yes] = true
				c := cellAt(p.r, table, v, base+2)
				if c.Kind == reports.Number {
					p.rel.Cells = append(p.rel.Cells, disclosure.Published{Key: yes, Label: yes, Mark: disclosure.Value, Value: b.Count})
				} else {
					p.rel.Cells = append(p.rel.Cells, disclosure.Published{Key: yes, Label: yes, Mark: disclosure.Nowhere})
				}
				p.sum(n, yes, p.rest(no))
				truth[yes], truth[no] = b.Count, b.N-b.Count
				return yes, no
			}
			y0, x0 := kind("balance-randomised", n0, b0)
			y1, x1 := kind("balance-analysed", n1, b1)
			dy, dx := fmt.Sprint("lost yes ", arm), fmt.Sprint("lost no ", arm)
			p.sum(y0, y1, p.rest(dy))
			p.sum(x0, x1, p.rest(dx))
			truth[dy], truth[dx] = b0.Count-b1.Count, (b0.N-b0.Count)-(b1.N-b1.Count)
		}
	}
	var every []string
	row := 0
	for k, c := range in.Communities {
		var parts []string
		for _, s := range c.Schools {
			key := p.cell("community-schools", row, 4)
			truth[key] = s.Pupils
			parts = append(parts, key)
			row++
		}
		p.sum(p.cell("community-list", k, 2), parts...)
		every = append(every, p.cell("community-list", k, 2))
	}
	// The bars of a histogram are counts: their shares of the arm's pupils.
	for _, f := range r.Figures() {
		spreads, ok := f.Drawing.(figure.Spreads)
		if !ok {
			continue
		}
		for _, measure := range spreads.Measures {
			m := 0
			if strings.HasPrefix(measure.Title, "After") {
				m = 1
			}
			for k, a := range measure.Arms {
				scores, n := in.Scores[k].Before, p.cell("balance-randomised", 0, 1+4*k)
				if m == 1 {
					scores, n = in.Scores[k].After, p.cell("primary-scores", k, 2)
				}
				var bars []string
				for i, b := range a.Bins {
					key := fmt.Sprintf("bar %d/%d/%d", m, k, i)
					bars = append(bars, key)
					p.at[key] = true
					p.rel.Cells = append(p.rel.Cells, disclosure.Published{Key: key, Label: key, Mark: disclosure.Value, Value: int(math.Round(b.Share * float64(len(scores))))})
				}
				p.sum(n, bars...)
			}
		}
	}
	p.sum(p.cell("community-list", len(in.Communities), 2), every...)
	p.sum(p.cell("flow", 0, 2), every...)
	return p, truth
}

func cellAt(r *reports.Report, table string, row, col int) *reports.Cell {
	for _, tab := range r.Tables() {
		if tab.ID == table {
			return tab.Rows[row].Cells[col]
		}
	}
	return nil
}

// found lists the small counts that the reader's system gives away.
func found(t *testing.T, p *published, truth map[string]int) (bad []string, hidden int) {
	ranges, err := disclosure.Attack(p.rel)
	if err != nil {
		t.Fatal(err)
	}
	for _, c := range p.rel.Cells {
		if c.Mark == disclosure.Value && p.rel.Rule.Small(c.Value) {
			bad = append(bad, fmt.Sprintf("%s is published: %d", c.Key, c.Value))
		}
	}
	for _, x := range ranges {
		v, known := truth[x.Key]
		if known && (v < x.Low || v > x.High) {
			t.Fatalf("%s: the truth %d is outside %d to %d", x.Key, v, x.Low, x.High)
		}
		if x.Mark == disclosure.Nowhere && !(known && v > 0 && p.rel.Rule.Small(v)) {
			continue
		}
		hidden++
		need := 8 // as far as 1 is from 9
		if p.rel.Rule.Zeros {
			need = 9
		}
		if x.High-x.Low < need {
			bad = append(bad, fmt.Sprintf("%s (%s, truly %d): %d to %d", x.Key, x.Mark, v, x.Low, x.High))
		}
	}
	return bad, hidden
}

var numbers = regexp.MustCompile(`[0-9]+(?:,[0-9]{3})*(?:\.[0-9]+)?`)

// What a reader finds in released reports: from the texts of the tables alone,
// with sums written down here and not taken from Release, no small count can
// be worked out; pictures and sentences have no number that the tables lack.
func TestReleasedReportsGiveNothingAway(t *testing.T) {
	hidden, blanks, merged, working, bars, tried := 0, 0, 0, 0, 0, 300
	if testing.Short() {
		tried = 60
	}
	for seed := range tried {
		in := randomTrial(uint64(seed))
		rule := srs10
		rule.Zeros = seed%4 == 0
		r, done, err := reports.Release(in, "srs10", rule)
		if err != nil {
			t.Fatalf("trial %d: %v", seed, err)
		}
		p, truth := read(t, r, in, rule)
		bad, h := found(t, p, truth)
		for _, b := range bad {
			t.Errorf("trial %d: %s", seed, b)
		}
		hidden += h
		if len(done.Merged) > 0 {
			merged++
		}
		blanks += len(done.Hidden)
		shown := map[string]bool{}
		for _, tab := range r.Tables() {
			for _, row := range tab.Rows {
				for _, c := range row.Cells {
					for _, n := range numbers.FindAllString(c.String(), -1) {
						shown[n] = true
					}
				}
			}
		}
		for _, f := range r.Figures() {
			if f.ID == "scores-figure" {
				bars++
			}
			if f.ID != "flow-figure" && f.ID != "attrition-figure" && f.ID != "balance-figure" && f.ID != "means-figure" && f.ID != "scores-figure" {
				continue
			}
			for _, n := range numbers.FindAllString(f.Drawing.Description(), -1) {
				if !shown[n] {
					t.Errorf("trial %d: %s speaks of %s, which no table has", seed, f.ID, n)
				}
			}
			if f.ID == "flow-figure" {
				for _, n := range numbers.FindAllString(strings.Join(f.Drawing.Texts(), " | "), -1) {
					if !shown[n] {
						t.Errorf("trial %d: the flow diagram shows %s, which no table has", seed, n)
					}
				}
			}
		}
		// The working report must fail the same reader.
		w := build(t, in)
		if wp, wt := read(t, w, in, srs10); len(wt) > 0 {
			if bad, _ := found(t, wp, wt); len(bad) > 0 {
				working++
			}
		}
	}
	t.Logf("%d released reports: 0 of %d small or hidden counts recoverable by a reader of the tables; %d counts hidden, reasons joined in %d, histograms shown in %d; the working reports of %d give something away", tried, hidden, blanks, merged, bars, working)
	if hidden < tried*3 || working < tried*8/10 || merged < tried/20 || bars < tried/20 {
		t.Error("the random trials are not what they should be, or the reader is too weak")
	}
}

func TestReleaseOfTheSample(t *testing.T) {
	in := sample.Input()
	in.Deviations[0].What = "3 of the pupils of one school sat the test late"
	in.Results[0].Warnings[0].Text = "scores of seven pupils are outside the range"
	in.Results[0].Contrasts[0].EffectSize.Warnings = nil
	r, done, err := reports.Release(in, "srs10", srs10)
	if err != nil {
		t.Fatal(err)
	}
	for row, want := range map[string]string{
		"Joined after the roster was locked (never analysed)": "<10",
		"Analysed": "149",
		"other reasons, joined so that no count is small": "12",
	} {
		if c := cell(t, r, "flow", row, "Pupils"); c.String() != want {
			t.Errorf("%s: %q, want %q", row, c, want)
		}
	}
	// 48 of 172 had free meals among the control arm's randomised and 45 of 159
	// among those analysed: the 3 who were lost must not be worked out.
	if c := cellAt(r, "balance-analysed", 1, 7); c.String() != "[suppressed]" {
		t.Errorf("a share that gives away three pupils is %q", c)
	}
	if c := cell(t, r, "headline", "Key Stage 2 reading, scaled score", "Effect size"); c.Value != 0.26 {
		t.Errorf("a released number has more digits than are shown: %v", c.Value)
	}
	all := text(r)
	for _, tab := range r.Tables() {
		for _, row := range tab.Rows {
			for _, c := range row.Cells {
				all += c.String() + "\n"
			}
		}
	}
	for _, n := range r.Notes {
		all += n.Text + "\n"
	}
	for _, bad := range []string{"3 of the pupils", "seven pupils", "\n5 pupils"} {
		if strings.Contains(all, bad) {
			t.Errorf("the released report says %q", bad)
		}
	}
	for _, o := range done.Others {
		if strings.Contains(o.Why, "it is not linked") && o.What != "table draw-balance" { // a mean of a column of small counts would be one
			t.Errorf("%s is in the report and not linked", o.What)
		}
	}
	if len(done.Others) < 3 || !strings.Contains(fmt.Sprint(done.Others), "means-figure") {
		t.Errorf("what was left out: %v", done.Others)
	}
	if strings.Contains(r.Draft, "not for publication") {
		t.Error("the released report says that it is not for publication")
	}
	// Nearly all who were randomised are analysed: the two means would give away
	// the mean of the three who are not.
	near := sample.Input()
	near.Results[0].Balance = append([]sap.BalanceRow(nil), near.Results[0].Balance...)
	b := &near.Results[0].Balance[1]
	b.Arms = append([]sap.ArmBalance(nil), b.Arms...)
	if b.Set != "analysed" || b.Variable != "baseline" {
		t.Fatal("the sample has changed")
	}
	near.Flow.Arms = append([]trial.ArmFlow(nil), near.Flow.Arms...)
	near.Flow.Arms[1].Pupils = trial.LevelFlow{Randomised: 172, Analysed: 169, Lost: []trial.Count{{What: "absent", N: 3}}}
	near.Results[0].Counts.PupilsUsed = 149 + 169
	near.Results[0].Arms[1].N, near.Results[0].Arms[1].Missing = 169, 3
	b.Arms[1].N = 169
	sample.Scores(&near)
	r, _, err = reports.Release(near, "srs10", srs10)
	if err != nil {
		t.Fatal(err)
	}
	for col, want := range map[int]reports.Kind{3: reports.Number, 7: reports.Absent, 8: reports.Absent, 10: reports.Absent} {
		if c := cellAt(r, "balance-analysed", 0, col); c.Kind != want {
			t.Errorf("three lost: the baseline of those analysed, column %d, is %q", col, c)
		}
	}
	if c := cellAt(r, "balance-randomised", 0, 7); c.Kind != reports.Number {
		t.Errorf("three lost: the mean of all randomised is %q", c)
	}
	if c := cellAt(r, "attrition-rates", 7, 2); c.Kind != reports.Absent {
		t.Errorf("three lost: the difference of the arms’ attrition is %q", c)
	}
	if got := text(r); strings.Contains(got, "within the cautious boundary") {
		t.Error("three lost: a sentence still says how the attrition lies to the boundary")
	}
	// an arm with too few pupils in the analysis has no effect to publish
	few := sample.Input()
	few.Flow.Arms = append([]trial.ArmFlow(nil), few.Flow.Arms...)
	few.Flow.Arms[0].Pupils = trial.LevelFlow{Randomised: 8, Analysed: 8}
	few.Results[0].Counts.PupilsRandomised, few.Results[0].Counts.PupilsUsed = 180, 167
	if _, _, err := reports.Release(few, "srs10", srs10); err == nil || !strings.Contains(err.Error(), "fewer than 10 pupils in the analysis") {
		t.Errorf("an arm of eight pupils: %v", err)
	}
	for name, in := range map[string]reports.Input{"stopped": sample.Stopped(), "recruiting": sample.Recruiting(), "blind": sample.Blind()} {
		if _, _, err := reports.Release(in, "srs10", srs10); err != nil {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// A second release after one pupil's reason was corrected.
func TestSecondRelease(t *testing.T) {
	in := sample.Input()
	_, first, err := reports.Release(in, "srs10", srs10)
	if err != nil {
		t.Fatal(err)
	}
	r, again, err := reports.Release(in, "srs10", srs10, first.Record)
	if err != nil || len(again.Hidden) != len(first.Hidden) {
		t.Fatalf("the same again: %v, %d hidden, first %d", err, len(again.Hidden), len(first.Hidden))
	}
	if c := cell(t, r, "flow", "Analysed", "Pupils"); c.String() != "149" {
		t.Errorf("analysed, again: %q", c)
	}
	in = sample.Input()
	in.Flow.Arms = append([]trial.ArmFlow(nil), in.Flow.Arms...)
	p := &in.Flow.Arms[0].Pupils
	p.Analysed--
	p.Lost = []trial.Count{{What: "absent", N: 13}, {What: "left school", N: 11}}
	in.Results[0].Counts.PupilsUsed--
	in.Results[0].Arms[0].N--
	in.Results[0].Arms[0].Missing++
	in.Results[0].Contrasts[0].EffectSize.Counts.PupilsUsed--
	sample.Scores(&in)
	r, _, err = reports.Release(in, "srs10", srs10, first.Record)
	if err != nil {
		t.Fatal(err)
	}
	for _, row := range []string{"Analysed", "Not analysed"} {
		if c := cell(t, r, "flow", row, "Pupils"); c.Kind == reports.Number {
			t.Errorf("%s: %s, one pupil away from what was published before", row, c)
		}
	}
	if c := cellAt(r, "primary-scores", 0, 4); c.Kind == reports.Number {
		t.Errorf("the mean %s stands beside one over one pupil more", c)
	}
}

// Three arms, schools measured and a threshold of the protocol's own.
func TestReleaseOfOtherTrials(t *testing.T) {
	in := sample.Input()
	p := *in.Protocol
	p.Arms = append([]trial.Arm{{ID: "light", Label: "Light programme", Weight: 1}}, p.Arms...)
	in.Protocol = &p
	third := in.Flow.Arms[0]
	third.Arm, third.Label = "light", "Light programme"
	third.Pupils = trial.LevelFlow{Randomised: 40, Analysed: 36, Lost: []trial.Count{{What: "absent", N: 4}}}
	third.Schools = trial.LevelFlow{Randomised: 2, Analysed: 2}
	in.Flow.Arms = append([]trial.ArmFlow{third}, in.Flow.Arms...)
	for i := range in.Results {
		r := &in.Results[i]
		r.Counts.PupilsRandomised += 40
		r.Counts.PupilsUsed += 36
		r.Counts.SchoolsRandomised += 2
		r.Counts.SchoolsUsed += 2
		c := r.Contrasts[0]
		c.Arm = "light"
		r.Contrasts = append(r.Contrasts, c)
		r.Arms = append([]sap.ArmSummary{{Arm: "light", Schools: 2, N: 36, Missing: 4, Mean: 101, SD: 6}}, r.Arms...)
		r.Attrition = nil
	}
	r, done, err := reports.Release(in, "srs10", srs10)
	if err != nil {
		t.Fatal(err)
	}
	if c := cellAt(r, "flow", 2, 2); c.Kind == reports.Number {
		t.Errorf("the third arm lost four pupils, and the flow says %s", c)
	}
	if len(done.Hidden) < 3 {
		t.Errorf("only %d counts are hidden", len(done.Hidden))
	}

	in = sample.Input()
	q := *in.Protocol
	q.Trial.Measured = "schools"
	in.Protocol = &q
	for i := range in.Flow.Arms {
		in.Flow.Arms[i].Pupils = trial.LevelFlow{}
	}
	in.Communities = nil
	if _, done, err = reports.Release(in, "srs10", srs10); err != nil || len(done.Hidden) > 0 {
		t.Errorf("schools measured: %v, hidden %v", err, done)
	}

	if r, _, err = reports.Release(sample.Input(), "srs10", disclosure.Rule{Threshold: 20}); err != nil {
		t.Fatal(err)
	}
	if c := cell(t, r, "flow", "Joined after the roster was locked (never analysed)", "Pupils"); c.String() != "<20" {
		t.Errorf("by a threshold of 20 a count of 5 is %q", c)
	}
	if _, _, err := reports.Release(sample.Input(), "none", disclosure.Rule{}); err == nil {
		t.Error("a release without a threshold was made")
	}
}
