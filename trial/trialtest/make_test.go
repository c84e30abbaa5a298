package trialtest_test

import (
	"encoding/csv"
	"math"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"evenhand/randomize"
	"evenhand/trial"
	"evenhand/trial/intake"
	"evenhand/trial/trialtest"
)

// conducted is a synthetic trial with everything read by the importers.
type conducted struct {
	p          *trial.Protocol
	known      intake.Known
	ready      []trial.School
	byStage    map[trial.Stage]int
	allocation map[string]trial.Assigned
	after      trialtest.After
	outcomes   *intake.OutcomesFile
}

// conduct takes a synthetic trial through its files, each step checked as the
// real one is: moves by CheckMove, readiness by Eligibility.
func conduct(t *testing.T, s *trialtest.Synthetic) conducted {
	t.Helper()
	p, err := trial.ParseProtocol("trial.yaml", []byte(s.Protocol))
	if err != nil {
		t.Fatal(err)
	}
	c := conducted{p: p, known: intake.Known{Protocol: p}, byStage: map[trial.Stage]int{}, allocation: map[string]trial.Assigned{}}
	k := &c.known
	schools, err := intake.Schools("schools.csv", strings.NewReader(s.Schools), *k)
	if err != nil {
		t.Fatal(err)
	}
	k.Schools = schools.Schools
	byID := map[string]*trial.School{}
	for i := range k.Schools {
		byID[k.Schools[i].ID] = &k.Schools[i]
	}
	staff, err := intake.Staff("staff.csv", strings.NewReader(s.Staff), *k)
	if err != nil {
		t.Fatal(err)
	}
	k.Staff = staff.Staff
	responses, err := intake.Responses("responses.csv", strings.NewReader(s.Responses), *k, "staff", "baseline")
	if err != nil {
		t.Fatal(err)
	}
	leaders, err := intake.Leaders("leaders.csv", strings.NewReader(s.Leaders), *k)
	if err != nil {
		t.Fatal(err)
	}
	for _, l := range leaders.Leaders {
		sc := byID[l.School]
		sc.Leaders = append(sc.Leaders, trial.Leader{Role: l.Role, Person: l.School + "-L" + strconv.Itoa(len(sc.Leaders)+1)})
	}
	moves, err := intake.Moves("moves.csv", strings.NewReader(s.Moves), *k)
	if err != nil {
		t.Fatal(err)
	}
	for _, m := range moves.Moves {
		sc := byID[m.School]
		sc.Signatures = append(sc.Signatures, m.Signatures...)
		if err := p.CheckMove(*sc, m.To, m.On, m.Reason, m.Note); err != nil {
			t.Fatalf("moves.csv row %d: %v", m.Row, err)
		}
		failed := slices.ContainsFunc(p.Eligibility(*sc, k.Staff, responses.Responses), func(f trial.Finding) bool { return !f.OK })
		if m.To == trial.Ready && failed {
			t.Fatalf("school %s gets ready, but is not eligible: %+v", sc.ID, p.Eligibility(*sc, k.Staff, responses.Responses))
		}
		if m.To == trial.Ineligible && !failed {
			t.Errorf("school %s is called ineligible, but meets every rule", sc.ID)
		}
		sc.Stage, sc.Since = m.To, m.On
	}
	for _, sc := range k.Schools {
		c.byStage[sc.Stage]++
		if sc.Stage == trial.Ready {
			c.ready = append(c.ready, sc)
		}
	}
	pupils, err := intake.Pupils("pupils.csv", strings.NewReader(s.Pupils), *k)
	if err != nil {
		t.Fatal(err)
	}
	k.Pupils, k.Scores, k.Identities = pupils.Pupils, pupils.Scores, pupils.Identities

	design, err := p.Design()
	if err != nil {
		t.Fatal(err)
	}
	roster, err := p.Units(c.ready, nil)
	if err != nil {
		t.Fatal(err)
	}
	if err := randomize.Check(design, roster); err != nil {
		t.Fatal(err)
	}
	k.OnRoster = map[string]bool{}
	for i, sc := range c.ready { // not a draw: any halves will do here
		k.OnRoster[sc.ID] = true
		c.allocation[sc.ID] = trial.Assigned{Arm: p.Arms[i%2].ID}
	}
	c.after = s.After(c.allocation)
	if _, err := intake.Attendance("attendance.csv", strings.NewReader(c.after.Attendance), *k); err != nil {
		t.Fatal(err)
	}
	withdrawals, err := intake.Withdrawals("withdrawals.csv", strings.NewReader(c.after.Withdrawals), *k)
	if err != nil {
		t.Fatal(err)
	}
	k.Withdrawals = withdrawals.Withdrawals
	if c.outcomes, err = intake.Outcomes("outcomes.csv", strings.NewReader(c.after.Outcomes), *k); err != nil {
		t.Fatal(err)
	}
	return c
}

// TestEveryFileIsTaken walks through trials of many sizes.
func TestEveryFileIsTaken(t *testing.T) {
	sizes := []int{20, 21, 25, 26, 27, 28, 29, 37, 38, 39, 60, 114}
	if !testing.Short() {
		sizes = append(sizes, 400)
	}
	for _, n := range sizes {
		c := conduct(t, trialtest.Make(uint64(n), n))
		if len(c.ready) != n {
			t.Errorf("%d schools got ready, want %d", len(c.ready), n)
		}
		for _, stage := range []trial.Stage{trial.Ineligible, trial.Declined, trial.WithdrewEarly} {
			if c.byStage[stage] == 0 {
				t.Errorf("%d schools: none is %q", n, stage)
			}
		}
		if len(c.outcomes.Joiners) != c.after.Joiners {
			t.Errorf("%d joiners were read, want %d", len(c.outcomes.Joiners), c.after.Joiners)
		}
		if len(c.known.Withdrawals) == 0 {
			t.Errorf("%d schools: nobody withdraws", n)
		}
	}
}

func TestLikeTheRealTrial(t *testing.T) {
	s := trialtest.Make(1, 114)
	c := conduct(t, s)
	if n := len(c.known.Schools); n < 200 || n > 280 {
		t.Errorf("%d schools are listed, want about 240", n)
	}
	regions, trusts := map[string]int{}, 0
	for _, sc := range c.ready {
		regions[sc.Attributes["region"]]++
		if sc.Attributes["trust"] != "" {
			trusts++
		}
	}
	if len(regions) != 9 || trusts < 10 || trusts > 60 {
		t.Errorf("%d regions, %d schools in trusts", len(regions), trusts)
	}
	listed := map[string]int{}
	for _, p := range c.known.Pupils {
		listed[p.School]++
	}
	total := 0
	for _, sc := range c.ready {
		total += listed[sc.ID]
	}
	if mean := float64(total) / 114; mean < 42 || mean > 50 {
		t.Errorf("%.1f pupils a school, want about 46", mean)
	}
}

// TestScores recovers what the scores were made from, with many schools so
// that chance leaves room enough: the effect by the difference between the
// same pupils' scores under the two arms, the ICC by analysis of variance.
func TestScores(t *testing.T) {
	s := trialtest.Make(7, 600)
	c := conduct(t, s)
	under := func(arm string) map[string]float64 {
		allocation := map[string]trial.Assigned{}
		for id := range c.allocation {
			allocation[id] = trial.Assigned{Arm: arm}
		}
		scores := map[string]float64{}
		for _, row := range rows(t, s.After(allocation).Outcomes) {
			if x, err := strconv.ParseFloat(row["KS2_READSCORE"], 64); err == nil {
				scores[row["school"]+" "+row["pupil"]] = x
			}
		}
		return scores
	}
	control, treated := under("control"), under("rlc")
	var gained, n float64
	groups := map[string][]float64{}
	for who, x := range control {
		school, _, _ := strings.Cut(who, " ")
		groups[school] = append(groups[school], x)
		if y, ok := treated[who]; ok {
			gained += y - x
			n++
		}
	}
	sd, icc := anova(groups)
	t.Logf("effect %.4f SD, ICC %.3f, SD %.2f", gained/n/sd, icc, sd)
	if effect := gained / n / sd; math.Abs(effect-s.Truth.Effect) > 0.005 {
		t.Errorf("the effect is %.4f SD, want %.2f", effect, s.Truth.Effect)
	}
	if math.Abs(icc-s.Truth.ICC) > 0.02 {
		t.Errorf("the ICC is %.3f, want about %.2f", icc, s.Truth.ICC)
	}
	if sd < 8 || sd > 9 {
		t.Errorf("the SD is %.2f, want about 8.5", sd)
	}
}

// anova gives the total SD and the intra-class correlation of groups, by
// one-way analysis of variance.
func anova(groups map[string][]float64) (sd, icc float64) {
	var n, sum, squares, between, sizes float64
	for _, g := range groups {
		var t float64
		for _, x := range g {
			t += x
			squares += x * x
		}
		n, sum = n+float64(len(g)), sum+t
		between += t * t / float64(len(g))
		sizes += float64(len(g) * len(g))
	}
	k := float64(len(groups))
	msb := (between - sum*sum/n) / (k - 1)
	msw := (squares - between) / (n - k)
	n0 := (n - sizes/n) / (k - 1)
	sb := (msb - msw) / n0
	return math.Sqrt(sb + msw), sb / (sb + msw)
}

func rows(t *testing.T, text string) []map[string]string {
	t.Helper()
	all, err := csv.NewReader(strings.NewReader(text)).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	var out []map[string]string
	for _, cells := range all[1:] {
		row := map[string]string{}
		for i, h := range all[0] {
			row[h] = cells[i]
		}
		out = append(out, row)
	}
	return out
}

func TestDeterministic(t *testing.T) {
	texts := func(seed uint64) []string {
		s := trialtest.Make(seed, 24)
		allocation := map[string]trial.Assigned{}
		for i, row := range rows(t, s.Schools) {
			allocation[row["URN"]] = trial.Assigned{Arm: []string{"rlc", "control"}[i%2]}
		}
		a := s.After(allocation)
		return []string{s.Protocol, s.Schools, s.Staff, s.Responses, s.Pupils, s.Moves, s.Leaders, a.Attendance, a.Withdrawals, a.Outcomes}
	}
	if diff := cmp.Diff(texts(3), texts(3)); diff != "" {
		t.Errorf("the same seed gives two trials:\n%s", diff)
	}
	a, b := texts(3), texts(4)
	for i := range a {
		if i > 0 && a[i] == b[i] {
			t.Errorf("text %d does not depend on the seed", i)
		}
	}
}
