package trial_test

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"strings"
	"testing"

	"evenhand/analysis"
	"evenhand/analysis/attrition"
	"evenhand/analysis/missing"
	"evenhand/analysis/sap"
	"evenhand/trial"
)

// messy is the records of a trial in which everything may have happened: any
// arms and sizes, schools and pupils who withdrew once, twice, from one thing or
// another, scores that are there, missing with a reason or never came, of
// joiners too, and columns with gaps.
func messy(r *rand.Rand, p *trial.Protocol) trial.Records {
	rec := trial.Records{Allocation: map[string]trial.Assigned{}}
	rec.Roster.Strata = map[string]string{}
	from := []trial.WithdrawalFrom{trial.FromProgramme, trial.FromData, trial.FromBoth}
	on := func() trial.Date { return trial.Date(fmt.Sprintf("2015-%02d-%02d", 1+r.IntN(12), 1+r.IntN(28))) }
	withdraw := func(level, id string) {
		for r.IntN(5) == 0 {
			rec.Withdrawals = append(rec.Withdrawals, trial.Withdrawal{Level: level, Subject: id, From: from[r.IntN(3)], On: on()})
		}
	}
	reasons := trial.MissingReasons()
	score := func(measure, id string, often int) {
		switch k := r.IntN(10); {
		case k < often:
			rec.Scores = append(rec.Scores, trial.Score{Measure: measure, Person: id, Value: 80 + float64(r.IntN(41))})
		case k < 9:
			rec.Scores = append(rec.Scores, trial.Score{Measure: measure, Person: id, Missing: reasons[r.IntN(len(reasons))]})
		}
	}
	for s := range 2 + r.IntN(7) {
		id := fmt.Sprint(100 + s)
		region := string(rune('A' + r.IntN(3)))
		rec.Roster.Schools = append(rec.Roster.Schools, trial.School{ID: id, Attributes: map[string]string{"region": region, "ks2_band": "lower"}})
		rec.Roster.Strata[id] = region + " / lower"
		arm := p.Arms[r.IntN(len(p.Arms))]
		if s < 2 {
			arm = p.Arms[s]
		}
		got := trial.Assigned{Arm: arm.ID}
		if !arm.Control {
			got.Community = 1 + r.IntN(2)
		}
		rec.Allocation[id] = got
		withdraw("school", id)
		often := []int{0, 7, 9}[r.IntN(3)]
		for k := range r.IntN(6) {
			pupil := trial.Pupil{ID: fmt.Sprintf("P%s%d", id, k), School: id, Attributes: map[string]string{}, Joiner: r.IntN(8) == 0}
			if v := []string{"", "yes", "no", "No"}[r.IntN(4)]; v != "" {
				pupil.Attributes["everfsm6"] = v
			}
			if v := []string{"", "white", "black", "asian"}[r.IntN(4)]; v != "" {
				pupil.Attributes["ethnicity"] = v
			}
			if r.IntN(4) > 0 {
				pupil.Attributes["age"] = fmt.Sprint(10 + r.IntN(2))
			}
			rec.Pupils = append(rec.Pupils, pupil)
			if !pupil.Joiner {
				rec.Roster.Pupils = append(rec.Roster.Pupils, pupil)
			}
			withdraw("pupil", pupil.ID)
			score("ks2_reading", pupil.ID, often)
			score("ks2_gps", pupil.ID, often)
			score(trial.BaselineOf("ks2_reading"), pupil.ID, 8)
		}
	}
	return rec
}

// conserved says what does not add up in the records of one outcome: for every
// variable and every analysis, at both levels and in every arm, everybody
// randomised is used or lost for one reason. What is randomised, and who has a
// value, is counted from the records, not from the dataset.
func conserved(p *trial.Protocol, rec trial.Records, plan sap.Plan, count func(*analysis.Dataset, attrition.Use, int) (analysis.Counts, error)) error {
	d, err := p.Dataset(rec, plan.Outcome)
	if err != nil {
		return err
	}
	var faults []error
	say := func(format string, a ...any) { faults = append(faults, fmt.Errorf(format, a...)) }
	pupils, schools := map[string]int{}, map[string]int{}
	withPupils := map[string]bool{}
	for _, x := range rec.Roster.Pupils {
		arm := rec.Allocation[x.School].Arm
		pupils[arm]++
		if !withPupils[x.School] {
			withPupils[x.School] = true
			schools[arm]++
		}
	}
	// Every variable.
	table, err := missing.Describe(d)
	if err != nil {
		return err
	}
	has := map[string]map[string]bool{plan.Outcome: {}, trial.BaselineOf(plan.Outcome): {}}
	for _, s := range rec.Scores {
		if has[s.Measure] != nil && s.Missing == "" {
			has[s.Measure][s.Person] = true
		}
	}
	for _, v := range table.Variables {
		there, all := map[string]int{}, 0
		for _, x := range rec.Roster.Pupils {
			ok := x.Attributes[v.Name] != ""
			switch v.Name {
			case "outcome":
				ok = has[plan.Outcome][x.ID]
			case trial.BaselineColumn:
				ok = has[trial.BaselineOf(plan.Outcome)][x.ID]
			}
			if ok {
				there[rec.Allocation[x.School].Arm]++
				all++
			}
		}
		for _, a := range v.Arms {
			if a.Rows != pupils[a.Arm] || a.Rows != there[a.Arm]+a.Missing {
				say("%s, arm %s: %d randomised, %d with a value, %d rows and %d missing", v.Name, a.Arm, pupils[a.Arm], there[a.Arm], a.Rows, a.Missing)
			}
		}
		lost := v.Missing
		if v.Name == "outcome" {
			lost = 0
			for _, l := range v.Reasons {
				lost += l.N
			}
		}
		if len(rec.Roster.Pupils) != all+lost || lost != v.Missing {
			say("%s: %d randomised, %d with a value, %d missing, %d by reason", v.Name, len(rec.Roster.Pupils), all, v.Missing, lost)
		}
	}
	// Every analysis: by intention to treat, complete cases of the plan, and the
	// subgroups of each yes/no column.
	uses := map[string]attrition.Use{}
	var err1, err2 error
	uses["everybody with an outcome"], err1 = attrition.UseOf(d, analysis.IntentionToTreat)
	uses["the plan's"], err2 = sap.UseOf(plan, d)
	if err := errors.Join(err1, err2); err != nil {
		return err
	}
	for _, c := range d.Covariates {
		if !c.Binary {
			continue
		}
		for _, value := range []float64{0, 1} {
			part := attrition.Use{Used: append([]bool(nil), uses["the plan's"].Used...), Reason: append([]string(nil), uses["the plan's"].Reason...)}
			for i := range part.Used {
				if part.Used[i] && !(c.Has(i) && c.Values[i] == value) {
					part.Used[i], part.Reason[i] = false, "not in the subgroup"
				}
			}
			uses[fmt.Sprintf("%s = %v", c.Name, value)] = part
		}
	}
	for name, use := range uses {
		var sum analysis.Counts
		for a, arm := range d.Arms {
			c, err := count(d, use, a)
			if err != nil {
				say("%s, arm %s: %w", name, arm, err)
				continue
			}
			usedPupils, usedSchools := 0, map[int]bool{}
			for i, used := range use.Used {
				if used && d.Arm[i] == a {
					usedPupils++
					usedSchools[d.Cluster[i]] = true
				}
			}
			lost := func(all []analysis.Loss) (n int) {
				for _, l := range all {
					n += l.N
				}
				return n
			}
			if c.PupilsRandomised != pupils[arm] || c.PupilsUsed != usedPupils || pupils[arm] != usedPupils+lost(c.PupilsLost) {
				say("%s, arm %s: %d pupils randomised and %d used, counted as %+v", name, arm, pupils[arm], usedPupils, c)
			}
			if c.SchoolsRandomised != schools[arm] || c.SchoolsUsed != len(usedSchools) || schools[arm] != len(usedSchools)+lost(c.SchoolsLost) {
				say("%s, arm %s: %d schools randomised and %d used, counted as %+v", name, arm, schools[arm], len(usedSchools), c)
			}
			sum.PupilsRandomised += c.PupilsRandomised
			sum.SchoolsRandomised += c.SchoolsRandomised
		}
		if sum.PupilsRandomised != len(rec.Roster.Pupils) || sum.SchoolsRandomised != len(withPupils) {
			say("%s: the arms have %d pupils and %d schools, the roster %d and %d", name, sum.PupilsRandomised, sum.SchoolsRandomised, len(rec.Roster.Pupils), len(withPupils))
		}
	}
	return errors.Join(faults...)
}

func messyProtocol(t *testing.T) *trial.Protocol {
	t.Helper()
	text, err := trial.Template("rlc")
	if err != nil {
		t.Fatal(err)
	}
	text = strings.Replace(text, "kind: yes/no}\n", "kind: yes/no}\n    - {id: ethnicity, column: ETH, kind: category}\n    - {id: age, column: AGE, kind: number}\n", 1)
	text = strings.Replace(text, "  - {id: control, label", "  - {id: light, weight: 1}\n  - {id: control, label", 1)
	p, err := trial.ParseProtocol("messy.yaml", []byte(text))
	if err != nil {
		t.Fatal(err)
	}
	return p
}

// For every variable and analysis, randomised = used + each reason, at both
// levels, in 100,000 random messy trials.
func TestConservation(t *testing.T) {
	trials := 100_000
	if testing.Short() {
		trials = 5_000
	}
	p := messyProtocol(t)
	plans := p.Plans()
	plans[1].Covariates = []string{"everfsm6", "age", "ethnicity"}
	lost, unused, rows := 0, 0, 0
	for seed := range trials {
		rec := messy(rand.New(rand.NewPCG(uint64(seed), 3)), p)
		if err := conserved(p, rec, plans[seed%2], attrition.Count); err != nil {
			t.Fatalf("trial %d: %v", seed, err)
		}
		rows += len(rec.Roster.Pupils)
		lost += len(rec.Pupils) - len(rec.Roster.Pupils)
		unused += len(rec.Withdrawals)
	}
	if rows < 8*trials || lost < trials/2 || unused < trials {
		t.Errorf("%d trials with %d pupils, %d joiners, %d withdrawals: they were not messy", trials, rows, lost, unused)
	}
	t.Logf("%d trials, %d pupils randomised, %d joiners, %d withdrawals", trials, rows, lost, unused)
}

// The invariant finds ways of counting that are wrong.
func TestConservationCanFail(t *testing.T) {
	p := messyProtocol(t)
	plan := p.Plans()[0]
	for name, wrong := range map[string]func(*analysis.Dataset, attrition.Use, int) (analysis.Counts, error){
		"a reason forgotten": func(d *analysis.Dataset, u attrition.Use, arm int) (analysis.Counts, error) {
			c, err := attrition.Count(d, u, arm)
			if len(c.PupilsLost) > 1 {
				c.PupilsLost = c.PupilsLost[1:]
			}
			return c, err
		},
		"a lost school still used": func(d *analysis.Dataset, u attrition.Use, arm int) (analysis.Counts, error) {
			c, err := attrition.Count(d, u, arm)
			for _, l := range c.SchoolsLost {
				c.SchoolsUsed += l.N
			}
			c.SchoolsLost = nil
			return c, err
		},
		"the first row dropped": func(d *analysis.Dataset, u attrition.Use, arm int) (analysis.Counts, error) {
			if len(d.Arm) == 0 {
				return attrition.Count(d, u, arm)
			}
			part := *d
			part.Arm, part.Cluster, part.Observed, part.Lost, part.Covariates = d.Arm[1:], d.Cluster[1:], d.Observed[1:], d.Lost[1:], nil
			return attrition.Count(&part, attrition.Use{Used: u.Used[1:], Reason: u.Reason[1:]}, arm)
		},
		"lost counted as used": func(d *analysis.Dataset, u attrition.Use, arm int) (analysis.Counts, error) {
			c, err := attrition.Count(d, u, arm)
			for _, l := range c.PupilsLost {
				c.PupilsUsed += l.N
			}
			c.PupilsLost = nil
			return c, err
		},
	} {
		found := false
		for seed := range 200 {
			rec := messy(rand.New(rand.NewPCG(uint64(seed), 3)), p)
			found = found || conserved(p, rec, plan, wrong) != nil
		}
		if !found {
			t.Errorf("%s: 200 messy trials do not show it", name)
		}
	}
}
