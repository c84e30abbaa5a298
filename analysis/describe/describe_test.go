package describe

import (
	"encoding/json"
	"errors"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"

	"evenhand/analysis"
	"evenhand/analysis/internal/golden"
)

func near(got, want, tol float64) bool { return golden.RelDiff(got, want) <= tol }

func TestNearCanFail(t *testing.T) {
	if near(1, 1+1e-6, 1e-9) || near(math.NaN(), 1, 1) || near(1e-3, 0, 1e-9) || near(math.Inf(1), 1, 1e300) {
		t.Fatal("the comparison accepts what it must refuse")
	}
}

func readCases(t *testing.T, into any) {
	t.Helper()
	text, err := golden.Files.ReadFile("testdata/statistics.json")
	if err != nil {
		t.Fatal(err)
	}
	var file struct {
		Cases json.RawMessage `json:"s1_wwc"`
	}
	if err := json.Unmarshal(text, &file); err != nil {
		t.Fatal(err)
	}
	if err := json.Unmarshal(file.Cases, into); err != nil {
		t.Fatal(err)
	}
}

func TestSummaryByHand(t *testing.T) {
	s, err := Summarise([]float64{4, 1, 99, 3, 2}, []bool{true, true, false, true, true})
	if err != nil {
		t.Fatal(err)
	}
	want := Summary{N: 4, Missing: 1, Mean: 2.5, SD: math.Sqrt(5.0 / 3), Min: 1, Q1: 1.75, Median: 2.5, Q3: 3.25, Max: 4}
	if math.Abs(s.SD-want.SD) > 1e-15 {
		t.Errorf("SD %v, want %v", s.SD, want.SD)
	}
	s.SD = want.SD
	if s != want {
		t.Errorf("got %+v, want %+v", s, want)
	}
}

// The divisor is n − 1, the sample convention, and never n: 1, 2, 3, 4 has
// sample SD 1.2909944487 and population SD 1.1180339887.
func TestStandardDeviationDividesByNMinusOne(t *testing.T) {
	s, _ := Summarise([]float64{1, 2, 3, 4}, nil)
	if !near(s.SD, 1.2909944487358056, 1e-14) {
		t.Fatalf("SD of 1, 2, 3, 4 is %v, want the n − 1 value 1.2909944487358056", s.SD)
	}
}

func TestSummaryOfLittle(t *testing.T) {
	if s, err := Summarise(nil, nil); err != nil || s != (Summary{}) {
		t.Errorf("nothing: %+v, %v", s, err)
	}
	if s, err := Summarise([]float64{7, 8}, []bool{true, false}); err != nil || s.N != 1 || s.Mean != 7 || s.SD != 0 || s.Missing != 1 || s.Q1 != 7 {
		t.Errorf("one value: %+v, %v", s, err)
	}
	_, err := Summarise([]float64{1, math.NaN(), math.Inf(1)}, nil)
	if !errors.Is(err, ErrNotFinite) || !strings.Contains(err.Error(), "row 2") || !strings.Contains(err.Error(), "row 3") {
		t.Errorf("NaN and Inf: %v", err)
	}
	if _, err := Summarise([]float64{1}, []bool{true, true}); err == nil {
		t.Error("unequal lengths accepted")
	}
}

func TestQuantile(t *testing.T) {
	x := []float64{4, 1, 3, 2}
	for _, c := range []struct{ p, want float64 }{{0, 1}, {0.25, 1.75}, {0.5, 2.5}, {0.9, 3.7}, {1, 4}} {
		got, err := Quantile(x, nil, c.p)
		if err != nil || !near(got, c.want, 1e-15) {
			t.Errorf("quantile %v: %v, %v; want %v", c.p, got, err, c.want)
		}
	}
	if _, err := Quantile(x, nil, 1.1); err == nil {
		t.Error("p of 1.1 accepted")
	}
	if _, err := Quantile(nil, nil, 0.5); err == nil {
		t.Error("quantile of nothing accepted")
	}
}

type nistSet struct {
	name     string
	rows     [][]float64
	mean, sd float64
	f        float64
}

// nistSets reads NIST's sets of one kind where they are, if they are there.
func nistSets(t *testing.T, kind string) []nistSet {
	t.Helper()
	root := "../../../shared/reference/strd"
	if _, err := os.Stat(root); err != nil {
		t.Skip("SKIPPED: the NIST reference data are not beside the repository, so these numbers are not checked against them here: ", err)
	}
	ref := golden.JSON(t, os.DirFS(root), "strd.json")
	var out []nistSet
	for _, name := range ref.Keys() {
		set := ref.At(name)
		if !set.Has("kind") || set.At("kind").Text() != kind {
			continue
		}
		body, err := os.ReadFile(filepath.Join(root, set.At("file").Text()))
		if err != nil {
			t.Fatal(err)
		}
		s := nistSet{name: name}
		for _, line := range strings.Split(string(body), "\n")[60:] {
			var row []float64
			for _, f := range strings.Fields(line) {
				v, err := strconv.ParseFloat(f, 64)
				if err != nil {
					t.Fatalf("%s: %v", name, err)
				}
				row = append(row, v)
			}
			if row != nil {
				s.rows = append(s.rows, row)
			}
		}
		if kind == "univariate" {
			s.mean, s.sd = set.At("mean").Float(), set.At("sd").Float()
		} else {
			s.f = set.At("f").Float()
		}
		out = append(out, s)
	}
	return out
}

func TestNISTUnivariate(t *testing.T) {
	n := 0
	for _, set := range nistSets(t, "univariate") {
		n++
		var x []float64
		for _, row := range set.rows {
			x = append(x, row...)
		}
		s, err := Summarise(x, nil)
		if err != nil {
			t.Fatal(err)
		}
		tol := 1e-13
		if strings.HasPrefix(set.name, "NumAcc") || set.name == "Mavro" || set.name == "Michelso" {
			tol = 1e-8 // leading digits in common: 10000000.2 is not a binary number
		}
		golden.Close(t, set.name+" mean", s.Mean, set.mean, 1e-14)
		golden.Close(t, set.name+" SD", s.SD, set.sd, tol)
	}
	golden.AtLeast(t, "univariate sets", n, 9)
}

func TestBands(t *testing.T) {
	var f struct {
		Baseline []struct {
			G        float64
			Category string
		} `json:"baseline_equivalence"`
	}
	readCases(t, &f)
	if len(f.Baseline) < 7 {
		t.Fatalf("%d cases, there are 7", len(f.Baseline))
	}
	for _, c := range f.Baseline {
		if got := BandOf(c.G); string(got) != c.Category {
			t.Errorf("%v: %q, want %q", c.G, got, c.Category)
		}
	}
	if BandOf(math.NaN()) != NoBand {
		t.Error("NaN has a band")
	}
}

func TestHedgesAndCox(t *testing.T) {
	var f struct {
		Hedges []struct {
			M           [2]float64
			SDs         [2]float64 `json:"s"`
			S           float64    `json:"S"`
			N           [2]int
			Omega, G, D float64
		} `json:"hedges_g"`
		Cox []struct {
			P [2]float64
			D float64 `json:"d_cox_no_omega"`
		}
	}
	readCases(t, &f)
	if len(f.Hedges) < 4 || len(f.Cox) < 3 {
		t.Fatalf("%d and %d cases, there are 4 and 3", len(f.Hedges), len(f.Cox))
	}
	for _, c := range f.Hedges {
		s := PooledSD(c.SDs[0], c.N[0], c.SDs[1], c.N[1])
		d := (c.M[0] - c.M[1]) / s
		omega := SmallSample(c.N[0] + c.N[1])
		if !near(s, c.S, 1e-12) || !near(d, c.D, 1e-12) || !near(omega, c.Omega, 1e-12) || !near(d*omega, c.G, 1e-12) {
			t.Errorf("%+v: d %v, ω %v, g %v", c, d, omega, d*omega)
		}
	}
	for _, c := range f.Cox {
		got, err := CoxIndex(c.P[0], c.P[1])
		if err != nil || !near(got, c.D, 1e-12) {
			t.Errorf("%v: %v, %v; want %v", c.P, got, err, c.D)
		}
	}
	for _, p := range [][2]float64{{0, 0.5}, {1, 0.5}, {0.5, 0}, {0.5, 1}, {math.NaN(), 0.5}} {
		if _, err := CoxIndex(p[0], p[1]); err == nil {
			t.Errorf("Cox index of %v accepted", p)
		}
	}
}

func small() *analysis.Dataset {
	return &analysis.Dataset{
		Outcome:  make([]float64, 8),
		Observed: []bool{true, true, true, false, true, true, true, true},
		Arm:      []int{1, 1, 1, 1, 0, 0, 0, 0},
		Arms:     []string{"control", "RLC"}, Control: 0,
		Covariates: []analysis.Column{
			{Name: "ks1", Values: []float64{3, 5, 7, 100, 2, 4, 6, 0}, Observed: []bool{true, true, true, true, true, true, true, false}},
			{Name: "fsm", Values: []float64{1, 0, 1, 1, 0, 0, 1, 0}},
			{Name: "region", Levels: []string{"N", "S", "W"}, Codes: []int{0, 1, 1, 2, 0, 1, 2, 2}},
		},
	}
}

func TestBalanceTable(t *testing.T) {
	d := small()
	rows, err := BalanceTable(d, 1, AsAnalysed)
	if err != nil {
		t.Fatal(err)
	}
	if len(rows) != 5 {
		t.Fatalf("%d rows, want ks1, fsm and three regions", len(rows))
	}
	// ks1: 3, 5, 7 against 2, 4, 6 (one missing): difference 1, pooled SD 2,
	// N = 6, ω = 1 − 3/15 = 0.8.
	r := rows[0]
	if r.Kind != Continuous || r.Arm.N != 3 || r.Control.N != 3 || r.Control.Missing != 1 || r.Arm.Missing != 0 ||
		!near(r.Difference, 1, 1e-15) || !near(r.PooledSD, 2, 1e-15) || !near(r.Uncorrected, 0.5, 1e-15) || !near(r.EffectSize, 0.4, 1e-15) || r.Band != NotSatisfied {
		t.Errorf("ks1: %+v", r)
	}
	// fsm: 2/3 against 1/4: odds ratio 6.
	r = rows[1]
	if r.Kind != Binary || r.Arm.Count != 2 || r.Control.Count != 1 || !near(r.Difference, 2.0/3-0.25, 1e-15) || !near(r.EffectSize, math.Log(6)/1.65, 1e-14) {
		t.Errorf("fsm: %+v", r)
	}
	if rows[2].Level != "N" || rows[4].Level != "W" || rows[4].HasEffectSize || rows[4].Why == "" || rows[4].Band != NoBand {
		t.Errorf("regions: %+v", rows[2:])
	}
	as, err := Balance(d, d.Covariates[0], Auto, 1, AsRandomised)
	if err != nil || as[0].Arm.N != 4 || as[0].Arm.Max != 100 {
		t.Errorf("as randomised: %+v, %v", as, err)
	}
}

func TestBalanceNeverNaN(t *testing.T) {
	d := small()
	for _, values := range [][]float64{make([]float64, 8), {5, 5, 5, 5, 5, 5, 5, 5}, {1, 1, 1, 1, 0, 0, 0, 0}} {
		for _, kind := range []Kind{Auto, Continuous} {
			rows, err := Balance(d, analysis.Column{Name: "x", Values: values}, kind, 1, AsRandomised)
			if err != nil {
				t.Fatal(err)
			}
			if rows[0].HasEffectSize || rows[0].Why == "" {
				t.Errorf("%v as %q: %+v", values, kind, rows[0])
			}
			if _, err := json.Marshal(rows); err != nil {
				t.Errorf("%v: %v", values, err)
			}
		}
	}
	none := analysis.Column{Name: "x", Values: make([]float64, 8), Observed: make([]bool, 8)}
	rows, err := Balance(d, none, Auto, 1, AsRandomised)
	if err != nil || rows[0].HasEffectSize || rows[0].Arm.Missing != 4 {
		t.Errorf("all missing: %+v, %v", rows, err)
	}
}

func TestBalanceRefuses(t *testing.T) {
	d := small()
	cases := map[string]func() error{
		"short column": func() error {
			_, e := Balance(d, analysis.Column{Values: make([]float64, 3)}, Auto, 1, AsRandomised)
			return e
		},
		"control arm":    func() error { _, e := Balance(d, d.Covariates[0], Auto, 0, AsRandomised); return e },
		"no such arm":    func() error { _, e := Balance(d, d.Covariates[0], Auto, 2, AsRandomised); return e },
		"no such stage":  func() error { _, e := Balance(d, d.Covariates[0], Auto, 1, "later"); return e },
		"not binary":     func() error { _, e := Balance(d, d.Covariates[0], Binary, 1, AsRandomised); return e },
		"mean of levels": func() error { _, e := Balance(d, d.Covariates[2], Continuous, 1, AsRandomised); return e },
		"bad code": func() error {
			_, e := Balance(d, analysis.Column{Levels: []string{"a"}, Codes: []int{0, 0, 0, 0, 0, 0, 0, 3}}, Auto, 1, AsRandomised)
			return e
		},
		"NaN": func() error {
			v := make([]float64, 8)
			v[2] = math.NaN()
			_, e := Balance(d, analysis.Column{Values: v}, Continuous, 1, AsRandomised)
			return e
		},
	}
	for name, f := range cases {
		if f() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}
