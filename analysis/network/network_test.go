package network

import (
	"encoding/json"
	"fmt"
	"math"
	"math/rand/v2"
	"testing"

	"evenhand/analysis/internal/golden"
)

func people(n int) []string {
	var out []string
	for i := range n {
		out = append(out, fmt.Sprint("t", i+1))
	}
	return out
}

func fromEdges(n int, edges golden.Node) *Network {
	w := &Network{People: people(n)}
	for i := range edges.Len() {
		e := edges.Index(i).Floats()
		w.Ties = append(w.Ties, [2]int{int(e[0]) - 1, int(e[1]) - 1})
	}
	return w
}

func undirected(t *testing.T) map[string]bool {
	t.Helper()
	text, err := golden.Files.ReadFile("testdata/statistics.json")
	if err != nil {
		t.Fatal(err)
	}
	var f struct {
		S8 struct {
			SNA map[string]struct{ Directed *bool } `json:"sna"`
		} `json:"s8_icc_alpha_sna"`
	}
	if err := json.Unmarshal(text, &f); err != nil {
		t.Fatal(err)
	}
	out := map[string]bool{}
	for name, c := range f.S8.SNA {
		if c.Directed != nil {
			out[name] = !*c.Directed
		}
	}
	return out
}

func TestAgainstSnaAndIgraph(t *testing.T) {
	ref := golden.Statistics(t).At("s8_icc_alpha_sna", "sna")
	n := 0
	for name, un := range undirected(t) {
		c := ref.At(name)
		w := fromEdges(int(c.At("n").Float()), c.At("edges"))
		w.Undirected = un
		for _, g := range c.At("group").Floats() {
			w.Group = append(w.Group, int(g))
		}
		m, err := w.Describe()
		if err != nil {
			t.Fatal(err)
		}
		for key, v := range map[string]float64{
			"density": m.Density, "mean_degree": m.MeanDegree, "reciprocity_sna_dyadic": m.ReciprocityDyadic, "reciprocity_sna_dyadic_nonnull": m.ReciprocityPairs,
			"reciprocity_sna_edgewise": m.ReciprocityTies, "transitivity_sna_weak": m.Transitivity, "transitivity_igraph_global_undirected": m.TransitivityUndirected,
			"freeman_degree_sna": m.CentralisationDegree, "centralization_betweenness_sna": m.CentralisationBetweenness, "components_weak": float64(m.Components),
			"reciprocity_igraph_default": m.ReciprocityTies, "reciprocity_igraph_ratio": m.ReciprocityPairs, // duplicates of sna's
			"ei_index": m.EI, "assortativity_nominal": m.Assortativity, "connectedness_krackhardt": m.Connectedness,
		} {
			golden.Near(t, name+" "+key, v, c.At(key).Float(), 1e-12)
			n++
		}
		loopless := m.CentralisationDegree
		if !un {
			loopless = m.CentralisationIn
			golden.Near(t, name+" in", m.CentralisationIn, c.At("freeman_indegree_sna").Float(), 1e-12)
			golden.Near(t, name+" out", m.CentralisationOut, c.At("freeman_outdegree_sna").Float(), 1e-12)
			n += 2
		}
		golden.Near(t, name+" centralisation, igraph without loops", loopless, c.At("centr_degree_igraph_loopsFALSE").Float(), 1e-12)
		n++
		for key, v := range map[string]int{"Mut": m.Mutual, "Asym": m.Asymmetric, "Null": m.Null} {
			golden.Near(t, name+" "+key, float64(v), c.At("dyad_census", key).Float(), 0)
			n++
		}
		for i, p := range m.Each {
			golden.Near(t, name+" in-degree", float64(p.In), c.At("indegree").Index(i).Float(), 0)
			golden.Near(t, name+" out-degree", float64(p.Out), c.At("outdegree").Index(i).Float(), 0)
			golden.Near(t, name+" betweenness", p.Betweenness, c.At("betweenness_sna").Index(i).Float(), 1e-12)
			golden.Near(t, name+" betweenness, igraph", p.Betweenness, c.At("betweenness_igraph").Index(i).Float(), 1e-12)
			golden.Near(t, name+" betweenness, normalised", p.BetweennessNormalised, c.At("betweenness_igraph_normalised").Index(i).Float(), 1e-12)
			golden.Near(t, name+" eigenvector", p.Eigenvector, c.At("eigenvector_unit_norm_symmetrised").Index(i).Float(), 1e-9)
			n += 6
		}
	}
	golden.AtLeast(t, "numbers of sna and igraph", n, 250)
}

// Eight teachers, one of them (H) an isolate.
func TestEightTeachers(t *testing.T) {
	w := &Network{People: []string{"A", "B", "C", "D", "E", "F", "G", "H"}, Group: []int{1, 1, 1, 1, 2, 2, 2, 2}}
	for _, tie := range []string{"AB", "AC", "BA", "CA", "DA", "EA", "EB", "FB", "GF", "FG", "BD", "CD"} {
		w.Ties = append(w.Ties, [2]int{int(tie[0] - 'A'), int(tie[1] - 'A')})
	}
	m, err := w.Describe()
	if err != nil {
		t.Fatal(err)
	}
	for what, c := range map[string][2]float64{
		"density": {m.Density, 0.2142857143}, "reciprocity of ties": {m.ReciprocityTies, 0.5}, "dyadic": {m.ReciprocityDyadic, 0.7857142857}, "of pairs": {m.ReciprocityPairs, 0.3333333333},
		"in": {m.CentralisationIn, 0.4081632653}, "out": {m.CentralisationOut, 0.0816326531}, "betweenness": {m.CentralisationBetweenness, 0.1394557823},
		"transitivity": {m.Transitivity, 0.2666666667}, "E-I": {m.EI, -0.5}, "E-I symmetric": {m.EISymmetric, -0.3333333333},
	} {
		golden.Near(t, what, c[0], c[1], 6e-11)
	}
	for i, want := range []float64{7, 7.5, 0.5, 0, 0, 4, 0, 0} {
		golden.Near(t, "betweenness", m.Each[i].Betweenness, want, 1e-12)
	}
	if m.Mutual != 3 || m.Asymmetric != 6 || m.Null != 19 || m.Components != 2 || len(m.Warnings) != 1 {
		t.Errorf("%+v", m)
	}
}

func TestNonRespondents(t *testing.T) {
	w := &Network{People: people(4), Ties: [][2]int{{0, 1}, {1, 0}, {0, 3}, {1, 3}}, Answered: []bool{true, true, true, false}}
	m, err := w.Describe()
	if err != nil {
		t.Fatal(err)
	}
	golden.Near(t, "density", m.Density, 4.0/9, 1e-15) // three could name three
	if m.Respondents != 3 || m.Mutual != 1 || m.Asymmetric != 0 || m.Null != 2 || m.Each[3].In != 2 || m.Each[3].Answered || m.Warnings[0].Code != WarnNonResponse {
		t.Errorf("%+v", m)
	}
	golden.Near(t, "reciprocity", m.ReciprocityTies, 1, 1e-15)
}

func TestQAP(t *testing.T) {
	all := golden.Statistics(t).At("s8_icc_alpha_sna")
	a := fromEdges(8, all.At("qap", "A_edges"))
	for name, key := range map[string]string{"qap": "B_edges", "qap_second": "B_edges"} {
		ref := all.At(name)
		q, err := Correlate(a, fromEdges(8, ref.At(key)), 0, 1)
		if err != nil {
			t.Fatal(err)
		}
		if !q.Enumerated || q.Relabelled != 40320 {
			t.Fatalf("%+v", q)
		}
		for k, v := range map[string]float64{"r": q.R, "p_ge": q.Upper, "p_le": q.Lower, "p_two_sided_abs": q.P} {
			golden.Close(t, name+" "+k, v, ref.At(k).Float(), 1e-11)
		}
	}
	// Ten people: drawn relabellings, repeatable.
	g := rand.New(rand.NewPCG(1, 1))
	big := func() *Network {
		w := &Network{People: people(10)}
		for i := range 10 {
			for j := range 10 {
				if i != j && g.IntN(4) == 0 {
					w.Ties = append(w.Ties, [2]int{i, j})
				}
			}
		}
		return w
	}
	x, y := big(), big()
	one, err := Correlate(x, y, 2000, 5)
	if err != nil {
		t.Fatal(err)
	}
	two, _ := Correlate(x, y, 2000, 5)
	if one != two || one.Enumerated || one.P < 1.0/2001 || one.P > 1 {
		t.Errorf("%+v, %+v", one, two)
	}
	same, err := Correlate(x, x, 2000, 5)
	if err != nil || math.Abs(same.R-1) > 1e-12 || same.P > 0.01 {
		t.Errorf("with itself: %+v, %v", same, err)
	}
}

func TestRefusals(t *testing.T) {
	good := func() *Network { return &Network{People: people(4), Ties: [][2]int{{0, 1}, {2, 3}}} }
	for name, spoil := range map[string]func(*Network){
		"two people":        func(w *Network) { w.People = w.People[:2] },
		"same person":       func(w *Network) { w.People[1] = w.People[0] },
		"unknown person":    func(w *Network) { w.Ties[0][1] = 9 },
		"to oneself":        func(w *Network) { w.Ties[0][1] = 0 },
		"twice":             func(w *Network) { w.Ties = append(w.Ties, w.Ties[0]) },
		"twice, undirected": func(w *Network) { w.Undirected = true; w.Ties = append(w.Ties, [2]int{1, 0}) },
		"no answer":         func(w *Network) { w.Answered = []bool{false, true, true, true} },
		"marks":             func(w *Network) { w.Answered = []bool{true} },
		"groups":            func(w *Network) { w.Group = []int{1} },
	} {
		w := good()
		spoil(w)
		if _, err := w.Describe(); err == nil {
			t.Errorf("%s: accepted", name)
		}
	}
	empty := &Network{People: people(4), Group: []int{1, 1, 2, 2}}
	m, err := empty.Describe()
	if err != nil || m.Density != 0 || m.HasGroups || m.ReciprocityTies != 0 {
		t.Errorf("no ties: %+v, %v", m, err)
	}
	if text, err := json.Marshal(m); err != nil {
		t.Errorf("%s: %v", text, err)
	}
	if _, err := Correlate(good(), empty, 10, 1); err == nil {
		t.Error("correlation with no ties accepted")
	}
	other := good()
	other.People[0] = "x"
	if _, err := Correlate(good(), other, 10, 1); err == nil {
		t.Error("other people accepted")
	}
	if _, err := Correlate(good(), &Network{People: people(5)}, 10, 1); err == nil {
		t.Error("more people accepted")
	}
}
