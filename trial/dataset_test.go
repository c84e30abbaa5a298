package trial

import (
	"fmt"
	"maps"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	"pgregory.net/rapid"

	"evenhand/analysis"
)

// smallRecords is a trial of three schools after its draw, with somebody for
// every way of being lost, as far as a person can follow it by eye.
func smallRecords() Records {
	pupil := func(id, school string) Pupil { return Pupil{ID: id, School: school, Attributes: map[string]string{}} }
	r := Records{
		Roster: Roster{
			Version: 1, Protocol: 1,
			Schools: []School{
				{ID: "3", Attributes: map[string]string{"region": "South", "ks2_band": "upper"}},
				{ID: "1", Attributes: map[string]string{"region": "North", "ks2_band": "lower"}},
				{ID: "2", Attributes: map[string]string{"region": "North", "ks2_band": "lower"}},
			},
			Strata: map[string]string{"1": "North / lower", "2": "North / lower", "3": "South / upper"},
			Pupils: []Pupil{pupil("P9", "3"), pupil("P1", "1"), pupil("P2", "1"), pupil("P3", "2"), pupil("P4", "2"), pupil("P5", "2"), pupil("P6", "2")},
		},
		Allocation: map[string]Assigned{"1": {"rlc", 1}, "2": {"control", 0}, "3": {"rlc", 2}},
		Scores: []Score{
			{Measure: "ks2_reading", Person: "P1", Value: 101}, {Measure: "ks2_reading:baseline", Person: "P1", Value: 15},
			{Measure: "ks2_reading", Person: "P2", Missing: "absent"}, {Measure: "ks2_reading:baseline", Person: "P2", Missing: "unknown"},
			{Measure: "ks2_reading", Person: "P3", Value: 99}, // no baseline
			{Measure: "ks2_gps", Person: "P4", Value: 99},     // another outcome
			{Measure: "ks2_reading", Person: "P5", Missing: "left school"},
			{Measure: "ks2_reading", Person: "J1", Value: 90}, // a joiner's
		},
		Withdrawals: []Withdrawal{
			{Level: "school", Subject: "3", From: FromBoth, On: "2015-01-01"},
			{Level: "school", Subject: "1", From: FromProgramme, On: "2015-01-01"}, // data are still collected
			{Level: "pupil", Subject: "P5", From: FromData, On: "2015-01-01"},
			{Level: "pupil", Subject: "P1", From: FromData, On: "2016-06-01"}, // after the test
			{Level: "pupil", Subject: "P3", From: FromProgramme, On: "2016-06-01"},
		},
	}
	r.Roster.Pupils[1].Attributes["everfsm6"] = "yes"
	r.Roster.Pupils[2].Attributes["everfsm6"] = "No"
	joiner := pupil("J1", "1")
	joiner.Joiner = true
	r.Pupils = append(slices.Clone(r.Roster.Pupils), joiner)
	return r
}

func TestDataset(t *testing.T) {
	d, err := rlc(t).Dataset(smallRecords(), "ks2_reading")
	if err != nil {
		t.Fatal(err)
	}
	want := &analysis.Dataset{
		Arms: []string{"rlc", "control"}, Control: 1, Strata: []string{"North / lower", "South / upper"}, Clusters: []string{"1", "2", "3"}, Communities: []string{"rlc 01", "rlc 02"},
		ID:        []string{"P1", "P2", "P3", "P4", "P5", "P6", "P9"},
		Cluster:   []int{0, 0, 1, 1, 1, 1, 2},
		Arm:       []int{0, 0, 1, 1, 1, 1, 0},
		Stratum:   []int{0, 0, 0, 0, 0, 0, 1},
		Community: []int{0, 0, -1, -1, -1, -1, 1},
		Outcome:   []float64{101, 0, 99, 0, 0, 0, 0},
		Observed:  []bool{true, false, true, false, false, false, false},
		Lost:      []string{"", "score missing: absent", "", LostNoScore, LostPupilWithdrew, LostNoScore, LostSchoolWithdrew},
		Covariates: []analysis.Column{
			{Name: "baseline", Values: []float64{15, 0, 0, 0, 0, 0, 0}, Observed: []bool{true, false, false, false, false, false, false}},
			{Name: "everfsm6", Binary: true, Values: []float64{1, 0, 0, 0, 0, 0, 0}, Observed: []bool{true, true, false, false, false, false, false}},
		},
		SchoolCovariates: []analysis.Column{
			{Name: "region", Levels: []string{"North", "South"}, Codes: []int{0, 0, 1}, Observed: []bool{true, true, true}},
			{Name: "ks2_band", Levels: []string{"lower", "upper"}, Codes: []int{0, 0, 1}, Observed: []bool{true, true, true}},
		},
	}
	if diff := cmp.Diff(want, d); diff != "" {
		t.Errorf("(-want +got)\n%s", diff)
	}
	// An outcome without a baseline has no column of it.
	gps, err := rlc(t).Dataset(smallRecords(), "ks2_gps")
	if err != nil {
		t.Fatal(err)
	}
	if len(gps.Covariates) != 1 || !gps.Observed[3] || gps.Outcome[3] != 99 || gps.Observed[0] {
		t.Errorf("the other outcome: %d covariates, %v, %v", len(gps.Covariates), gps.Outcome, gps.Observed)
	}
}

func TestDatasetRefuses(t *testing.T) {
	for what, c := range map[string]struct {
		spoil func(*Records)
		want  string
	}{
		"a school that was not drawn":   {func(r *Records) { delete(r.Allocation, "2") }, "school 2 is on the roster but not in the allocation"},
		"a school drawn off the roster": {func(r *Records) { r.Allocation["9"] = Assigned{"rlc", 1} }, "the allocation has 4 schools, the roster 3"},
		"an arm that there is not":      {func(r *Records) { r.Allocation["2"] = Assigned{"placebo", 0} }, `arm "placebo", which the protocol does not have`},
		"a school without a stratum":    {func(r *Records) { delete(r.Roster.Strata, "3") }, "school 3 has no stratum"},
		"a joiner among the randomised": {func(r *Records) { r.Roster.Pupils[0].Joiner = true }, "joined after the lock"},
		"a pupil of a school elsewhere": {func(r *Records) { r.Roster.Pupils[0].School = "9" }, "pupil P9 is in school 9, which is not on the roster"},
		"neither yes nor no":            {func(r *Records) { r.Roster.Pupils[0].Attributes["everfsm6"] = "perhaps" }, `pupil P9, column everfsm6: value "perhaps": it is neither yes nor no`},
	} {
		r := smallRecords()
		c.spoil(&r)
		if d, err := rlc(t).Dataset(r, "ks2_reading"); err == nil || !strings.Contains(err.Error(), c.want) || d != nil {
			t.Errorf("%s: %v, want %q", what, err, c.want)
		}
	}
	if _, err := rlc(t).Dataset(smallRecords(), "ks2_writing"); err == nil {
		t.Error("an outcome that there is not was analysed")
	}
}

// someRecords makes the records of any trial.
func someRecords(t *rapid.T, p *Protocol) Records {
	r := Records{Roster: Roster{Strata: map[string]string{}}, Allocation: map[string]Assigned{}}
	n := rapid.IntRange(2, 12).Draw(t, "schools")
	for i := range n {
		s := School{ID: fmt.Sprintf("%06d", 100000+7*i), Attributes: map[string]string{"region": rapid.SampledFrom([]string{"North", "South", "é"}).Draw(t, "region"), "ks2_band": rapid.SampledFrom([]string{"lower", "upper"}).Draw(t, "band")}}
		r.Roster.Schools = append(r.Roster.Schools, s)
		r.Roster.Strata[s.ID], _ = p.Stratum(s)
		r.Allocation[s.ID] = rapid.SampledFrom([]Assigned{{"rlc", 1}, {"rlc", 2}, {"rlc", 12}, {"control", 0}}).Draw(t, "arm")
		if rapid.IntRange(0, 4).Draw(t, "leaves") == 0 {
			r.Withdrawals = append(r.Withdrawals, Withdrawal{Level: "school", Subject: s.ID, From: rapid.SampledFrom([]WithdrawalFrom{FromProgramme, FromData, FromBoth}).Draw(t, "from")})
		}
		for j := range rapid.IntRange(0, 5).Draw(t, "pupils") {
			pupil := Pupil{ID: fmt.Sprintf("P%d-%d", (i*37)%n, j), School: s.ID, Joiner: rapid.IntRange(0, 5).Draw(t, "joiner") == 0, Attributes: map[string]string{"everfsm6": rapid.SampledFrom([]string{"", "yes", "no"}).Draw(t, "fsm")}}
			for _, m := range []string{"ks2_reading", "ks2_reading:baseline"} {
				switch rapid.IntRange(0, 3).Draw(t, m) {
				case 0:
					r.Scores = append(r.Scores, Score{Measure: m, Person: pupil.ID, Missing: rapid.SampledFrom(MissingReasons()).Draw(t, "why")})
				case 1, 2:
					r.Scores = append(r.Scores, Score{Measure: m, Person: pupil.ID, Value: float64(rapid.IntRange(80, 120).Draw(t, "score"))})
				}
			}
			if rapid.IntRange(0, 5).Draw(t, "goes") == 0 {
				r.Withdrawals = append(r.Withdrawals, Withdrawal{Level: "pupil", Subject: pupil.ID, From: rapid.SampledFrom([]WithdrawalFrom{FromProgramme, FromData, FromBoth}).Draw(t, "from")})
			}
			if r.Pupils = append(r.Pupils, pupil); !pupil.Joiner {
				r.Roster.Pupils = append(r.Roster.Pupils, pupil)
			}
		}
	}
	return r
}

// Everybody randomised stands in the Dataset once, where the draw put the
// school, analysed or lost for one reason; joiners never; and the order of
// the records does not matter.
func TestDatasetHasEverybodyOnce(t *testing.T) {
	p := rlc(t)
	rapid.Check(t, func(t *rapid.T) {
		r := someRecords(t, p)
		d, err := p.Dataset(r, "ks2_reading")
		if err != nil {
			t.Fatal(err)
		}
		at := map[string]int{}
		for i, id := range d.ID {
			if _, twice := at[id]; twice {
				t.Fatalf("%s stands there twice", id)
			}
			at[id] = i
		}
		if len(at) != len(r.Roster.Pupils) || !slices.IsSorted(d.ID) {
			t.Fatalf("%d of %d pupils, %v", len(at), len(r.Roster.Pupils), d.ID)
		}
		gone := map[string]bool{}
		for _, w := range r.Withdrawals {
			if w.From != FromProgramme {
				gone[w.Level+w.Subject] = true
			}
		}
		score := map[string]Score{}
		for _, s := range r.Scores {
			score[s.Measure+s.Person] = s
		}
		for _, pupil := range r.Pupils {
			i, ok := at[pupil.ID]
			if ok == pupil.Joiner {
				t.Fatalf("%s, joiner %v, is in the dataset: %v", pupil.ID, pupil.Joiner, ok)
			}
			if pupil.Joiner {
				continue
			}
			drawn := r.Allocation[pupil.School]
			if d.Clusters[d.Cluster[i]] != pupil.School || d.Arms[d.Arm[i]] != drawn.Arm || d.Strata[d.Stratum[i]] != r.Roster.Strata[pupil.School] {
				t.Fatalf("%s of %s is in cluster %d, arm %d, stratum %d", pupil.ID, pupil.School, d.Cluster[i], d.Arm[i], d.Stratum[i])
			}
			if community := ""; drawn.Community > 0 {
				if d.Community[i] >= 0 {
					community = d.Communities[d.Community[i]]
				}
				if community != fmt.Sprintf("%s %02d", drawn.Arm, drawn.Community) {
					t.Fatalf("%s is in the community %q", pupil.ID, community)
				}
			} else if d.Community[i] != -1 {
				t.Fatalf("%s of no community is in %d", pupil.ID, d.Community[i])
			}
			s, received := score["ks2_reading"+pupil.ID]
			lost := ""
			switch {
			case received && s.Missing == "":
			case gone["school"+pupil.School]:
				lost = LostSchoolWithdrew
			case gone["pupil"+pupil.ID]:
				lost = LostPupilWithdrew
			case received:
				lost = "score missing: " + s.Missing
			default:
				lost = LostNoScore
			}
			if d.Observed[i] != (lost == "") || d.Lost[i] != lost || lost == "" && d.Outcome[i] != s.Value || lost != "" && d.Outcome[i] != 0 {
				t.Fatalf("%s with score %+v: observed %v, %v, lost %q, want %q", pupil.ID, s, d.Observed[i], d.Outcome[i], d.Lost[i], lost)
			}
			b, ok := score["ks2_reading:baseline"+pupil.ID]
			if c := d.Covariates[0]; c.Observed[i] != (ok && b.Missing == "") || c.Observed[i] && c.Values[i] != b.Value {
				t.Fatalf("%s with baseline %+v: %v, %v", pupil.ID, b, c.Observed[i], c.Values[i])
			}
		}
		shuffled := Records{Roster: r.Roster, Allocation: maps.Clone(r.Allocation)}
		chance := rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 1))
		shuffle(chance, &shuffled.Roster.Schools, r.Roster.Schools)
		shuffle(chance, &shuffled.Roster.Pupils, r.Roster.Pupils)
		shuffle(chance, &shuffled.Pupils, r.Pupils)
		shuffle(chance, &shuffled.Scores, r.Scores)
		shuffle(chance, &shuffled.Withdrawals, r.Withdrawals)
		again, err := p.Dataset(shuffled, "ks2_reading")
		if err != nil {
			t.Fatal(err)
		}
		if diff := cmp.Diff(d, again); diff != "" {
			t.Fatalf("in another order the records give another dataset:\n%s", diff)
		}
	})
}

func shuffle[T any](chance *rand.Rand, to *[]T, from []T) {
	*to = slices.Clone(from)
	chance.Shuffle(len(from), func(i, j int) { (*to)[i], (*to)[j] = (*to)[j], (*to)[i] })
}

// Every school of the roster stands in Units once, with its stratum, whatever
// the order.
func TestUnitsHaveEverySchoolOnce(t *testing.T) {
	p := rlc(t)
	rapid.Check(t, func(t *rapid.T) {
		r := someRecords(t, p)
		units, err := p.Units(r.Roster.Schools, nil)
		if err != nil {
			t.Fatal(err)
		}
		if len(units.Units) != len(r.Roster.Schools) {
			t.Fatalf("%d units of %d schools", len(units.Units), len(r.Roster.Schools))
		}
		seen := map[string]bool{}
		for _, u := range units.Units {
			if seen[u.ID] {
				t.Fatalf("%s is there twice", u.ID)
			}
			seen[u.ID] = true
			if u.Stratum != r.Roster.Strata[u.ID] {
				t.Fatalf("%s is in %q, want %q", u.ID, u.Stratum, r.Roster.Strata[u.ID])
			}
		}
		var other []School
		shuffle(rand.New(rand.NewPCG(rapid.Uint64().Draw(t, "seed"), 2)), &other, r.Roster.Schools)
		again, err := p.Units(other, nil)
		if err != nil || string(again.Text()) != string(units.Text()) {
			t.Fatalf("in another order the roster is another: %v", err)
		}
	})
}
