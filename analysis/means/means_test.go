package means

import (
	"errors"
	"fmt"
	"math"
	"testing"

	"evenhand/analysis/internal/golden"
	"evenhand/analysis/robust"
)

func read(t *testing.T, file, y, arm, block, cluster string) (Data, golden.Table) {
	t.Helper()
	tab := golden.Data(t, file)
	d := Data{Y: tab.Floats(y)}
	for _, a := range tab.Floats(arm) {
		d.Treated = append(d.Treated, a == 1)
	}
	whole := func(name string) []int {
		var out []int
		for _, v := range tab.Floats(name) {
			out = append(out, int(v))
		}
		return out
	}
	if block != "" {
		d.Block = whole(block)
	}
	if cluster != "" {
		d.Cluster = whole(cluster)
	}
	return d, tab
}

func compare(t *testing.T, what string, got Estimate, want golden.Node) int {
	t.Helper()
	n := 0
	for key, v := range map[string]float64{"estimate": got.Value, "se": got.SE, "df": got.DF, "t": got.Statistic, "p": got.P, "lo": got.Interval.Low, "hi": got.Interval.High} {
		if want.Has(key) {
			golden.Close(t, what+" "+key, v, want.At(key).Float(), 1e-9)
			n++
		}
	}
	if want.Has("ci") {
		golden.CloseAll(t, what+" ci", []float64{got.Interval.Low, got.Interval.High}, want.At("ci").Floats(), 1e-9)
		n += 2
	}
	return n
}

func TestDifferenceAgainstEstimatr(t *testing.T) {
	small := golden.Statistics(t).At("s3_design_based", "estimatr_dim")
	large := golden.Mixed(t).At("difference_in_means")
	n := 0
	for _, c := range []struct {
		want                           golden.Node
		name, file, y, arm, block, cls string
		design                         Design
	}{
		{small, "standard_mst6", "mst6.csv", "y", "z", "", "", Simple},
		{small, "blocked_mst6", "mst6.csv", "y", "z", "site", "", Blocked},
		{small, "standard_crt24", "crt24.csv", "y", "treat", "", "", Simple},
		{small, "clustered_crt24", "crt24.csv", "y", "treat", "", "school", Clustered},
		{small, "blocked_clustered_crt24", "crt24.csv", "y", "treat", "stratum", "school", BlockedClustered},
		{small, "matched_pair_clustered_pairs8", "pairs8.csv", "y", "z", "pair", "cluster", PairClusters},
		{small, "clustered_bal12", "bal12.csv", "y", "treat", "", "cluster", Clustered},
		{large, "simcrt.clustered", "sim_crt.csv", "Posttest", "Treat", "", "School", Clustered},
		{large, "simcrt.blocked_clustered", "sim_crt.csv", "Posttest", "Treat", "Stratum", "School", BlockedClustered},
		{large, "simmst.blocked", "sim_mst.csv", "Posttest", "Treat", "School", "", Blocked},
		{large, "simmst.unblocked", "sim_mst.csv", "Posttest", "Treat", "", "", Simple},
	} {
		d, _ := read(t, c.file, c.y, c.arm, c.block, c.cls)
		e, err := Difference(d, c.design, 0.95)
		if err != nil {
			t.Fatalf("%s: %v", c.name, err)
		}
		n += compare(t, c.name, e, c.want.At(c.name))
	}
	// Pairs of people: the means of the pairs of clusters.
	rows := golden.Statistics(t).At("s3_design_based", "pairs8_means")
	var d Data
	for i := range rows.Len() {
		r := rows.Index(i)
		d.Y = append(d.Y, r.At("y").Float())
		d.Block = append(d.Block, int(r.At("pair").Float()))
		d.Treated = append(d.Treated, r.At("z").Float() == 1)
	}
	e, err := Difference(d, Pairs, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	n += compare(t, "pairs", e, small.At("matched_pair_unit_pairs8_means"))
	golden.AtLeast(t, "numbers of estimatr", n, 84)
}

func TestClusterMeans(t *testing.T) {
	d, _ := read(t, "sim_crt.csv", "Posttest", "Treat", "", "School")
	ref := golden.Mixed(t).At("cluster_means", "simcrt")
	n := 0
	for name, w := range map[string]Weighting{"unweighted": Equally, "size_weighted": ByPeople} {
		e, err := ClusterMeans(d, w, 0.95)
		if err != nil {
			t.Fatal(err)
		}
		n += compare(t, name, e, ref.At(name))
	}
	golden.AtLeast(t, "numbers", n, 10)
}

func TestRCTYesPeople(t *testing.T) {
	ref := golden.Statistics(t).At("s3_design_based", "rct_yes")
	d, tab := read(t, "mst6.csv", "y", "z", "", "")
	x := []robust.Column{{Name: "x", Values: tab.Floats("x")}}
	n := 0
	for name, cov := range map[string][]robust.Column{"design1_mst6": nil, "design1_adj_mst6": x} {
		r, err := RCTYes(d, RCTYesOptions{Design: Simple, Population: Finite, Covariates: cov, Level: 0.95})
		if err != nil {
			t.Fatal(err)
		}
		for key, v := range map[string]float64{"estimate": r.Value, "MSE_T": r.MSETreated, "MSE_C": r.MSEControl, "se_SP": r.SE, "var_SP": r.SE * r.SE, "het_lower_bound": r.HeterogeneityBound, "se_FP_with_bound": r.SEWithBound, "df": r.DF} {
			golden.Close(t, name+" "+key, v, ref.At(name, key).Float(), 1e-9)
			n++
		}
	}
	d, _ = read(t, "mst6.csv", "y", "z", "site", "")
	for name, cov := range map[string][]robust.Column{"design2_mst6": nil, "design2_adj_mst6": x} {
		for key, w := range map[string]Weighting{"individual": ByPeople, "site": Equally} {
			want := ref.At(name, key)
			fp, err := RCTYes(d, RCTYesOptions{Design: Blocked, Population: Finite, Weighting: w, Covariates: cov, Level: 0.95})
			if err != nil {
				t.Fatal(err)
			}
			sp, err := RCTYes(d, RCTYesOptions{Design: Blocked, Population: Super, Weighting: w, Covariates: cov, Level: 0.95})
			if err != nil {
				t.Fatal(err)
			}
			what := name + " " + key
			for key, v := range map[string]float64{"estimate": fp.Value, "se_FP": fp.SE, "df_FP": fp.DF, "se_SP_modified": sp.SE, "se_SP_original_eq6_25": sp.SEPrinted, "df_SP": sp.DF} {
				golden.Close(t, what+" "+key, v, want.At(key).Float(), 1e-9)
				n++
			}
			effects := ref.At(name, "block_effects").Floats()
			for b, e := range effects {
				golden.Close(t, fmt.Sprint(what, " block ", b), fp.Blocks[b].Effect, e, 1e-9)
				n++
			}
		}
	}
	golden.AtLeast(t, "numbers", n, 64)
}

func TestRCTYesClusters(t *testing.T) {
	ref := golden.Statistics(t).At("s3_design_based", "rct_yes")
	n := 0
	for _, blocked := range []bool{false, true} {
		block, design, number := "", Clustered, "design3"
		if blocked {
			block, design, number = "stratum", BlockedClustered, "design4"
		}
		d, tab := read(t, "crt24.csv", "y", "treat", block, "school")
		for key, w := range map[string]Weighting{"person": ByPeople, "cluster": Equally} {
			for suffix, cov := range map[string][]robust.Column{"unadj": nil, "adj_pre": {{Name: "pre", Values: tab.Floats("pre")}}} {
				name := number + "_" + key + "_" + suffix
				want := ref.At(name)
				o := RCTYesOptions{Design: design, Population: Finite, Weighting: w, Covariates: cov, Level: 0.95}
				r, err := RCTYes(d, o)
				if err != nil {
					t.Fatal(err)
				}
				n += compare(t, name, r.Estimate, want)
				if !blocked {
					continue
				}
				for b, v := range want.At("block_se").Floats() {
					golden.Close(t, name+" block SE", r.Blocks[b].SE, v, 1e-9)
					golden.Close(t, name+" block effect", r.Blocks[b].Effect, want.At("block_effects").Index(b).Float(), 1e-9)
					golden.Close(t, name+" block weight", r.Blocks[b].Weight, want.At("block_q").Index(b).Float(), 1e-9)
					n += 3
				}
				o.Restricted = true
				r, err = RCTYes(d, o)
				if err != nil {
					t.Fatal(err)
				}
				n += compare(t, name+" restricted", r.Estimate, want.At("restricted"))
			}
		}
	}
	golden.AtLeast(t, "numbers", n, 84)
}

// Swapping the arms flips the sign and nothing else; adding a constant to
// every outcome changes nothing.
func TestSymmetry(t *testing.T) {
	d, _ := read(t, "crt24.csv", "y", "treat", "stratum", "school")
	a, err := Difference(d, BlockedClustered, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	swapped := Data{Block: d.Block, Cluster: d.Cluster}
	for i := range d.Y {
		swapped.Y = append(swapped.Y, d.Y[i]+1000)
		swapped.Treated = append(swapped.Treated, !d.Treated[i])
	}
	b, err := Difference(swapped, BlockedClustered, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	golden.Close(t, "estimate", b.Value, -a.Value, 1e-9)
	golden.Close(t, "se", b.SE, a.SE, 1e-9)
	golden.Close(t, "p", b.P, a.P, 1e-9)
}

func TestTheDesignIsNotGuessed(t *testing.T) {
	d, _ := read(t, "pairs8.csv", "y", "z", "pair", "cluster")
	var fault *DesignError
	if _, err := Difference(d, BlockedClustered, 0.95); !errors.As(err, &fault) || !fault.In {
		t.Errorf("pairs declared as blocks: %v", err)
	}
	crt, _ := read(t, "crt24.csv", "y", "treat", "stratum", "school")
	if _, err := Difference(crt, PairClusters, 0.95); !errors.As(err, &fault) {
		t.Errorf("blocks declared as pairs: %v", err)
	}
	for name, f := range map[string]func() error{
		"blocks for simple": func() error { _, e := Difference(crt, Simple, 0.95); return e },
		"no clusters":       func() error { x := crt; x.Cluster = nil; _, e := Difference(x, BlockedClustered, 0.95); return e },
		"unknown design":    func() error { _, e := Difference(crt, "factorial", 0.95); return e },
		"level":             func() error { _, e := Difference(crt, BlockedClustered, 95); return e },
		"one arm": func() error {
			x := Data{Y: []float64{1, 2, 3}, Treated: make([]bool, 3)}
			_, e := Difference(x, Simple, 0.95)
			return e
		},
		"one each": func() error {
			x := Data{Y: []float64{1, 2}, Treated: []bool{true, false}}
			_, e := Difference(x, Simple, 0.95)
			return e
		},
		"constant": func() error {
			x := Data{Y: make([]float64, 6), Treated: []bool{true, true, true, false, false, false}}
			_, e := Difference(x, Simple, 0.95)
			return e
		},
		"NaN": func() error {
			x := Data{Y: []float64{1, math.NaN(), 2, 3}, Treated: []bool{true, true, false, false}}
			_, e := Difference(x, Simple, 0.95)
			return e
		},
		"lengths": func() error {
			x := crt
			x.Treated = x.Treated[:4]
			_, e := Difference(x, BlockedClustered, 0.95)
			return e
		},
		"cluster in both arms": func() error {
			x := Data{Y: []float64{1, 2, 3, 4}, Treated: []bool{true, false, true, false}, Cluster: []int{1, 1, 2, 3}}
			_, e := Difference(x, Clustered, 0.95)
			return e
		},
		"restricted people": func() error {
			_, e := RCTYes(crt, RCTYesOptions{Design: Blocked, Restricted: true, Level: 0.95})
			return e
		},
		"super clusters": func() error {
			_, e := RCTYes(crt, RCTYesOptions{Design: BlockedClustered, Weighting: Equally, Population: Super, Level: 0.95})
			return e
		},
		"no weighting": func() error {
			_, e := RCTYes(crt, RCTYesOptions{Design: BlockedClustered, Population: Finite, Level: 0.95})
			return e
		},
		"short covariate": func() error {
			_, e := RCTYes(crt, RCTYesOptions{Design: BlockedClustered, Weighting: Equally, Population: Finite, Level: 0.95, Covariates: []robust.Column{{Name: "x", Values: []float64{1}}}})
			return e
		},
		"means without clusters": func() error { x := crt; x.Cluster = nil; _, e := ClusterMeans(x, Equally, 0.95); return e },
		"means unweighted how":   func() error { _, e := ClusterMeans(crt, "", 0.95); return e },
	} {
		if f() == nil {
			t.Errorf("%s: accepted", name)
		}
	}
}

func TestTheComparisonCanFail(t *testing.T) {
	d, _ := read(t, "mst6.csv", "y", "z", "site", "")
	a, err := Difference(d, Blocked, 0.95)
	if err != nil {
		t.Fatal(err)
	}
	d.Y[0] += 1e-6
	b, _ := Difference(d, Blocked, 0.95)
	if golden.RelDiff(a.Value, b.Value) < 1e-9 {
		t.Fatal("a changed outcome is not noticed")
	}
}
