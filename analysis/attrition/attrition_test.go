package attrition

import (
	"encoding/json"
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"strings"
	"testing"

	"evenhand/analysis"
	"evenhand/analysis/internal/golden"
)

func near(got, want, tol float64) bool { return golden.RelDiff(got, want) <= tol }

func TestNearCanFail(t *testing.T) {
	if near(1, 1+1e-6, 1e-9) || near(math.NaN(), 1, 1) || near(1e-3, 0, 1e-9) {
		t.Fatal("the comparison accepts what it must refuse")
	}
}

type boundaryCase struct {
	AlphaT  float64    `json:"alpha_t"`
	AlphaC  float64    `json:"alpha_c"`
	Limit   float64    `json:"limit"`
	Overall []float64  `json:"overall"`
	MaxDiff []*float64 `json:"max_diff_pp_T_higher"`
}

type classified struct {
	Assigned, Analysed    [2]int
	Overall, Differential float64
	AttrT                 float64  `json:"attr_T"`
	AttrC                 float64  `json:"attr_C"`
	CautiousPP            *float64 `json:"boundary_cautious_pp"`
	OptimisticPP          *float64 `json:"boundary_optimistic_pp"`
	Cautious, Optimistic  string
}

type reference struct {
	S1 struct {
		Cases wwcCases `json:"attrition"`
	} `json:"s1_wwc"`
}

type wwcCases struct {
	Cautious   []*float64              `json:"cautious_max_diff_pp"`
	Optimistic []*float64              `json:"optimistic_max_diff_pp"`
	Model      map[string]boundaryCase `json:"model_boundary"`
	Bias       []struct {
		AttrT      float64 `json:"attr_T"`
		AttrC      float64 `json:"attr_C"`
		Cautious   float64 `json:"cautious_bias"`
		Optimistic float64 `json:"optimistic_bias"`
	} `json:"bias_examples"`
	Share []struct {
		Overall float64
		Share   float64 `json:"T_share"`
		THigher float64 `json:"cautious_Thigher"`
		CHigher float64 `json:"cautious_Chigher"`
	} `json:"share_0.6_examples"`
	Classified []classified `json:"classification_examples"`
	Clustered  struct {
		Clusters classified
		Pupils   classified `json:"pupils_in_retained_clusters"`
	} `json:"cluster_two_step_example"`
}

func load(t *testing.T) reference {
	t.Helper()
	text, err := golden.Files.ReadFile("testdata/statistics.json")
	if err != nil {
		t.Fatal(err)
	}
	var r reference
	if err := json.Unmarshal(text, &r); err != nil {
		t.Fatal(err)
	}
	c := r.S1.Cases
	if len(c.Cautious) < 66 || len(c.Optimistic) < 66 || len(c.Model) < 6 || len(c.Bias) < 5 || len(c.Share) < 3 || len(c.Classified) < 6 {
		t.Fatalf("too few cases: %d %d %d %d %d %d, there are 66 66 6 5 3 6", len(c.Cautious), len(c.Optimistic), len(c.Model), len(c.Bias), len(c.Share), len(c.Classified))
	}
	return r
}

func TestTableIsThePublishedOne(t *testing.T) {
	r := load(t)
	for _, side := range []struct {
		cautious bool
		want     []*float64
	}{{true, r.S1.Cases.Cautious}, {false, r.S1.Cases.Optimistic}} {
		for pct := range 70 {
			got, ok := Line(pct, side.cautious)
			if pct >= len(side.want) || side.want[pct] == nil {
				if ok {
					t.Errorf("cautious %v, %d %%: %v, but the table has ended", side.cautious, pct, got)
				}
				continue
			}
			if !ok || math.Abs(100*got-*side.want[pct]) > 1e-12 {
				t.Errorf("cautious %v, %d %%: %v %v, want %v", side.cautious, pct, 100*got, ok, *side.want[pct])
			}
		}
	}
	if _, ok := Line(-1, true); ok {
		t.Error("row −1 exists")
	}
}

func checkClass(t *testing.T, name string, c classified, got Assessment) {
	t.Helper()
	low := func(b Boundary, want string, pp *float64) {
		if b.Low != (want == "low") || (b.Boundary == nil) != (pp == nil) || pp != nil && !near(100**b.Boundary, *pp, 1e-12) {
			t.Errorf("%s: got %+v, want %s", name, b, want)
		}
	}
	if !near(got.Overall, c.Overall, 1e-12) || !near(got.Differential, c.Differential, 1e-11) ||
		!near(got.Arms[0].Attrition, c.AttrT, 1e-11) || !near(got.Arms[1].Attrition, c.AttrC, 1e-11) {
		t.Errorf("%s: got %+v, want %+v", name, got, c)
	}
	low(got.WWC.Cautious, c.Cautious, c.CautiousPP)
	low(got.WWC.Optimistic, c.Optimistic, c.OptimisticPP)
}

func arms(c classified) (Arm, Arm) {
	return Arm{"T", c.Assigned[0], c.Analysed[0]}, Arm{"C", c.Assigned[1], c.Analysed[1]}
}

func TestClassification(t *testing.T) {
	r := load(t)
	for i, c := range r.S1.Cases.Classified {
		tr, co := arms(c)
		got, err := Assess(tr, co)
		if err != nil {
			t.Fatal(err)
		}
		checkClass(t, fmt.Sprint("case ", i), c, got)
	}
	st, sc := arms(r.S1.Cases.Clustered.Clusters)
	pt, pc := arms(r.S1.Cases.Clustered.Pupils)
	got, err := AssessClustered(st, sc, pt, pc, false)
	if err != nil {
		t.Fatal(err)
	}
	checkClass(t, "schools", r.S1.Cases.Clustered.Clusters, got.Schools)
	checkClass(t, "pupils", r.S1.Cases.Clustered.Pupils, got.Pupils)
	if !got.LowCautious || !got.LowOptimistic {
		t.Error("low at both steps is not low")
	}
	if got, _ := AssessClustered(st, sc, pt, pc, true); got.LowCautious || got.LowOptimistic || !got.Joiners {
		t.Error("joiners are ignored")
	}
}

// Exactly on the line is low, one pupil more is not: at 10 % overall the
// cautious line is 6.3 points.
func TestOnTheLine(t *testing.T) {
	on, _ := Assess(Arm{"T", 2000, 1737}, Arm{"C", 2000, 1863}) // 13.15 % and 6.85 %
	if on.WWC.OverallPercent != 10 || !on.WWC.Cautious.Low {
		t.Errorf("on the line: %+v", on.WWC)
	}
	over, _ := Assess(Arm{"T", 2000, 1736}, Arm{"C", 2000, 1863})
	if over.WWC.OverallPercent != 10 || over.WWC.Cautious.Low || !over.WWC.Optimistic.Low {
		t.Errorf("over the line: %+v", over.WWC)
	}
}

func TestModel(t *testing.T) {
	r := load(t)
	n := 0
	for name, c := range r.S1.Cases.Model {
		m := BiasModel{c.AlphaT, c.AlphaC, c.Limit}
		for i, o := range c.Overall {
			got, ok, err := m.Boundary(o, 0.5, false)
			if err != nil {
				t.Fatal(err)
			}
			if c.MaxDiff[i] == nil {
				if ok {
					t.Errorf("%s at %v: %v, want none", name, o, got)
				}
				continue
			}
			n++
			if *c.MaxDiff[i] > 199.999999*o { // the reference stops at the largest possible differential
				if ok {
					t.Errorf("%s at %v: %v, but no possible differential reaches the limit", name, o, got)
				}
				continue
			}
			if !ok || !near(100*got, *c.MaxDiff[i], 1e-9) {
				t.Errorf("%s at %v: %v %v, want %v", name, o, 100*got, ok, *c.MaxDiff[i])
			}
		}
	}
	if n < 60 {
		t.Fatalf("%d boundaries compared, there are more than 60", n)
	}
	for _, c := range r.S1.Cases.Bias {
		if !near(PublishedCautious.Bias(c.AttrT, c.AttrC), c.Cautious, 1e-11) || !near(PublishedOptimistic.Bias(c.AttrT, c.AttrC), c.Optimistic, 1e-11) {
			t.Errorf("bias at %v, %v: %v, %v; want %v, %v", c.AttrT, c.AttrC, PublishedCautious.Bias(c.AttrT, c.AttrC), PublishedOptimistic.Bias(c.AttrT, c.AttrC), c.Cautious, c.Optimistic)
		}
	}
	for _, c := range r.S1.Cases.Share {
		a, okA, _ := PublishedCautious.Boundary(c.Overall, c.Share, false)
		b, okB, _ := PublishedCautious.Boundary(c.Overall, c.Share, true)
		if !okA || !okB || !near(100*a, c.THigher, 1e-9) || !near(100*b, c.CHigher, 1e-9) {
			t.Errorf("share %v at %v: %v, %v; want %v, %v", c.Share, c.Overall, 100*a, 100*b, c.THigher, c.CHigher)
		}
	}
	for _, bad := range []func() (float64, bool, error){
		func() (float64, bool, error) { return PublishedCautious.Boundary(0, 0.5, false) },
		func() (float64, bool, error) { return PublishedCautious.Boundary(0.1, 1, false) },
		func() (float64, bool, error) { return BiasModel{0.4, 0.3, 0}.Boundary(0.1, 0.5, false) },
		func() (float64, bool, error) { return BiasModel{1, 0.3, 0.05}.Boundary(0.1, 0.5, false) },
	} {
		if _, _, err := bad(); err == nil {
			t.Error("bad input accepted")
		}
	}
}

func TestContradictions(t *testing.T) {
	good := Arm{"C", 10, 9}
	for _, a := range []Arm{{"T", 10, 11}, {"T", 0, 0}, {"T", -1, 0}, {"T", 10, -1}} {
		if _, err := Assess(a, good); !errors.Is(err, ErrCounts) || !strings.Contains(err.Error(), `"T"`) {
			t.Errorf("%+v: %v", a, err)
		}
		if _, err := Margins(good, a, true); !errors.Is(err, ErrCounts) {
			t.Errorf("margins of %+v: %v", a, err)
		}
	}
	_, err := Assess(Arm{"T", 10, 11}, Arm{"C", 5, 7})
	if err == nil || !strings.Contains(err.Error(), `"T"`) || !strings.Contains(err.Error(), `"C"`) {
		t.Errorf("both faults at once: %v", err)
	}
}

func TestMargins(t *testing.T) {
	// 60 and 59 schools, all there. Leaving control schools one by one must
	// cross the line exactly after Spare of them.
	tr, co := Arm{"T", 60, 60}, Arm{"C", 59, 59}
	m, err := Margins(tr, co, true)
	if err != nil {
		t.Fatal(err)
	}
	for i, side := range m {
		if !side.OK || side.Spare < 1 {
			t.Fatalf("%+v", side)
		}
		for extra, want := range map[int]bool{side.Spare: true, side.Spare + 1: false} {
			a, b := tr, co
			if i == 0 {
				a.Analysed -= extra
			} else {
				b.Analysed -= extra
			}
			got, _ := Assess(a, b)
			if got.WWC.Cautious.Low != want {
				t.Errorf("arm %d, %d more: low %v, want %v", i, extra, got.WWC.Cautious.Low, want)
			}
		}
	}
	m, _ = Margins(Arm{"T", 100, 40}, Arm{"C", 100, 99}, true)
	if m[0].OK || m[0].Spare != 0 {
		t.Errorf("high already: %+v", m)
	}
}

func TestPadlocks(t *testing.T) {
	f := func(x float64) *float64 { return &x }
	for _, c := range []struct {
		attrition float64
		mdes      *float64
		want      int
	}{
		{0, nil, 5}, {0.10, nil, 5}, {0.105, nil, 4}, {0.2, nil, 4}, {0.3, nil, 3}, {0.4, nil, 2}, {0.5, nil, 1}, {0.51, nil, 0},
		{0, f(0.2), 5}, {0, f(0.205), 4}, {0, f(0.29), 4}, {0, f(0.3), 3}, {0, f(0.45), 2}, {0, f(0.59), 1}, {0, f(0.6), 0}, {0.35, f(0.1), 2},
	} {
		if got := InitialPadlocks(c.attrition, c.mdes); got.Padlocks != c.want || got.Rule == "" {
			t.Errorf("%v: %+v, want %d", c, got, c.want)
		}
	}
	a, _ := Assess(Arm{"T", 100, 95}, Arm{"C", 100, 95})
	b, err := a.WithMDES(0.31)
	if err != nil || a.EEF.Padlocks != 5 || b.EEF.Padlocks != 3 || *b.EEF.MDES != 3 {
		t.Errorf("%+v, %+v, %v", a.EEF, b.EEF, err)
	}
	if _, err := a.WithMDES(math.NaN()); err == nil {
		t.Error("MDES of NaN accepted")
	}
}

func TestJSONFields(t *testing.T) {
	a, _ := Assess(Arm{"T", 100, 40}, Arm{"C", 100, 42})
	text, err := json.Marshal(a)
	if err != nil {
		t.Fatal(err)
	}
	for _, want := range []string{`"overall":0.59`, `"differential":0.02`, `"wwc":{`, `"cautious":{"boundary":null,"low":false}`, `"optimistic":{"boundary":0.016,"low":false}`, `"eef":{`, `"initial_padlocks":0`} {
		if !strings.Contains(string(text), want) {
			t.Errorf("%s lacks %s", text, want)
		}
	}
}

func dataset() *analysis.Dataset {
	return &analysis.Dataset{
		Observed: []bool{true, false, true, false, false, false, true, true},
		Lost:     []string{"", "left school", "", "school withdrew", "school withdrew", "absent", "", ""},
		Arm:      []int{1, 1, 1, 1, 1, 1, 0, 0}, Arms: []string{"C", "T"},
		Cluster: []int{0, 0, 0, 1, 1, 1, 2, 2}, Clusters: []string{"a", "b", "c"},
		Covariates: []analysis.Column{{Name: "ks1", Values: make([]float64, 8), Observed: []bool{true, true, false, true, true, true, true, true}}},
	}
}

func TestCount(t *testing.T) {
	d := dataset()
	u, err := UseOf(d, analysis.IntentionToTreat)
	if err != nil {
		t.Fatal(err)
	}
	c, err := Count(d, u, -1)
	if err != nil {
		t.Fatal(err)
	}
	want := `{"pupils_randomised":8,"pupils_used":4,"schools_randomised":3,"schools_used":2,"pupils_lost":[{"reason":"absent","n":1},{"reason":"left school","n":1},{"reason":"school withdrew","n":2}],"schools_lost":[{"reason":"school withdrew","n":1}]}`
	if got, _ := json.Marshal(c); string(got) != want {
		t.Errorf("got %s\nwant %s", got, want)
	}
	a, err := Arms(d, u, 1)
	if err != nil || a.SchoolsT != (Arm{"T", 2, 1}) || a.SchoolsC != (Arm{"C", 1, 1}) || a.PupilsT != (Arm{"T", 6, 2}) || a.StayedT != (Arm{"T", 3, 2}) || a.StayedC != (Arm{"C", 2, 2}) {
		t.Errorf("%+v, %v", a, err)
	}
	u, _ = UseOf(d, analysis.CompleteCase)
	c, _ = Count(d, u, 1)
	if c.PupilsUsed != 1 || c.PupilsLost[1] != (analysis.Loss{Reason: "covariate missing: ks1", N: 1}) {
		t.Errorf("complete case: %+v", c)
	}
	if _, err := UseOf(d, "all"); err == nil {
		t.Error("unknown set accepted")
	}
	d.Cluster[0] = 9
	if _, err := UseOf(d, analysis.IntentionToTreat); err == nil {
		t.Error("a school out of range accepted")
	}
}

func TestCheckCountsRefuses(t *testing.T) {
	good := analysis.Counts{PupilsRandomised: 5, PupilsUsed: 4, PupilsLost: []analysis.Loss{{Reason: "x", N: 1}}, SchoolsRandomised: 1, SchoolsUsed: 1}
	if err := CheckCounts(good); err != nil {
		t.Fatal(err)
	}
	for name, spoil := range map[string]func(*analysis.Counts){
		"one gone":     func(c *analysis.Counts) { c.PupilsUsed-- },
		"one too many": func(c *analysis.Counts) { c.SchoolsUsed++ },
		"negative":     func(c *analysis.Counts) { c.PupilsRandomised, c.PupilsUsed = -1, -2 },
		"twice": func(c *analysis.Counts) {
			c.PupilsUsed, c.PupilsLost = 3, []analysis.Loss{{Reason: "x", N: 1}, {Reason: "x", N: 1}}
		},
		"no reason": func(c *analysis.Counts) { c.PupilsLost = []analysis.Loss{{N: 1}} },
		"zero":      func(c *analysis.Counts) { c.PupilsLost = append(c.PupilsLost, analysis.Loss{Reason: "y"}) },
	} {
		c := good
		spoil(&c)
		if err := CheckCounts(c); !errors.Is(err, ErrCounts) {
			t.Errorf("%s: %v", name, err)
		}
	}
}

// The law holds on random messy trials: schools of any size, reasons or none,
// covariates missing, arms of any number.
func TestConservation(t *testing.T) {
	trials := 100_000
	if testing.Short() {
		trials = 5_000
	}
	reasons := []string{"", "absent", "left school", "school withdrew", "opted out"}
	for seed := range trials {
		r := rand.New(rand.NewPCG(uint64(seed), 1))
		d := &analysis.Dataset{}
		for a := range 2 + r.IntN(2) {
			d.Arms = append(d.Arms, fmt.Sprint(a))
		}
		col := analysis.Column{Name: "x"}
		for s := range 1 + r.IntN(8) {
			d.Clusters = append(d.Clusters, fmt.Sprint(s))
			arm, gone := r.IntN(len(d.Arms)), r.IntN(4) == 0
			for range r.IntN(6) {
				observed := !gone && r.IntN(3) > 0
				d.Arm, d.Cluster = append(d.Arm, arm), append(d.Cluster, s)
				d.Observed = append(d.Observed, observed)
				lost := ""
				if !observed {
					lost = reasons[r.IntN(len(reasons))]
				}
				d.Lost = append(d.Lost, lost)
				col.Values, col.Observed = append(col.Values, 0), append(col.Observed, r.IntN(4) > 0)
			}
		}
		d.Covariates = []analysis.Column{col}
		for _, set := range []analysis.AnalysisSet{analysis.IntentionToTreat, analysis.CompleteCase} {
			u, err := UseOf(d, set)
			if err != nil {
				t.Fatal(err)
			}
			var pupils, schools, used int
			for arm := range d.Arms {
				c, err := Count(d, u, arm)
				if err != nil {
					t.Fatalf("trial %d: %v", seed, err)
				}
				pupils, schools, used = pupils+c.PupilsRandomised, schools+c.SchoolsRandomised, used+c.PupilsUsed
			}
			all, err := Count(d, u, -1)
			if err != nil || all.PupilsRandomised != len(d.Arm) || pupils != all.PupilsRandomised || schools != all.SchoolsRandomised || used != all.PupilsUsed {
				t.Fatalf("trial %d: %+v, %v; arms add up to %d pupils, %d schools, %d used", seed, all, err, pupils, schools, used)
			}
		}
	}
}

func TestBy(t *testing.T) {
	d := dataset()
	u, err := UseOf(d, analysis.IntentionToTreat)
	if err != nil {
		t.Fatal(err)
	}
	// Communities: the two treated schools in one each, the control school in none.
	got, err := By(d, u, []int{0, 0, 0, 1, 1, 1, -1, -1}, []string{"north", "south"})
	if err != nil {
		t.Fatal(err)
	}
	if len(got) != 2 || got[0].Arms[1].PupilsUsed != 2 || got[1].Arms[1].PupilsUsed != 0 || got[1].Arms[1].SchoolsLost[0].N != 1 || got[0].Arms[0].PupilsRandomised != 0 {
		t.Errorf("%+v", got)
	}
	if _, err := By(d, u, []int{0, 0, 0, 1, 1, 1, 2, 2}, []string{"north", "south"}); err == nil {
		t.Error("a part out of range accepted")
	}
	if _, err := By(d, u, []int{0}, []string{"north"}); err == nil {
		t.Error("too few parts accepted")
	}
}

func TestTimeline(t *testing.T) {
	m, err := Timeline(Arm{Label: "T", Randomised: 60}, Arm{Label: "C", Randomised: 59}, []Departure{{"2026-05-01", false, 9}, {"2026-01-10", false, 1}, {"2026-01-10", true, 1}})
	if err != nil {
		t.Fatal(err)
	}
	if len(m) != 2 || m[0].When != "2026-01-10" || len(m[0].Crossed) != 0 || !m[0].Assessment.WWC.Cautious.Low || len(m[1].Crossed) != 2 || m[1].Assessment.Arms[1].Lost != 10 {
		t.Errorf("%+v", m)
	}
	for name, ds := range map[string][]Departure{"more than there are": {{"a", true, 61}}, "negative": {{"a", true, -1}}} {
		if _, err := Timeline(Arm{Label: "T", Randomised: 60}, Arm{Label: "C", Randomised: 59}, ds); !errors.Is(err, ErrCounts) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
