// Package network describes who turns to whom within a school: how dense the ties
// are, how often they are returned, how far they run through a few people, and
// who these are.
//
// Measures of one name differ between programs; each here says which it is. A
// person who did not answer the survey has ties coming in but none going out
// that could be known: such people stay in the network, are flagged, and are left
// out of what they could not be part of.
package network

import (
	"errors"
	"fmt"
	"math"

	"gonum.org/v1/gonum/mat"

	"evenhand/analysis"
)

// Network is a set of people and the ties between them.
type Network struct {
	People     []string // pseudonymous IDs
	Ties       [][2]int // from, to: indices into People
	Undirected bool     // a tie runs both ways, and is listed once
	Answered   []bool   // whether the person answered the survey; nil: everybody did
	Group      []int    // for the E-I index and assortativity; nil for none
}

// Measures describe a network.
type Measures struct {
	People      int `json:"people"`
	Respondents int `json:"respondents"`
	Ties        int `json:"ties"` // undirected ones counted once

	// Density is ties over those that could have been reported: respondents ×
	// (people − 1), or all pairs if undirected.
	Density    float64 `json:"density"`
	MeanDegree float64 `json:"mean_degree"` // ties sent a respondent; neighbours if undirected

	// The dyad census and reciprocity are of pairs of respondents.
	Mutual     int `json:"mutual"`
	Asymmetric int `json:"asymmetric"`
	Null       int `json:"null"`
	// ReciprocityTies is the share of ties that are returned ("edgewise"; igraph's
	// default). ReciprocityPairs is the share of tied pairs that are mutual
	// ("dyadic, non-null"). ReciprocityDyadic also counts pairs without ties as
	// agreeing (sna's default), so that a sparse network scores high.
	ReciprocityTies   float64 `json:"reciprocity_ties"`
	ReciprocityPairs  float64 `json:"reciprocity_pairs"`
	ReciprocityDyadic float64 `json:"reciprocity_dyadic"`

	// Transitivity is the share of two-step paths i→j→k that a tie i→k closes
	// (sna's "weak"); TransitivityUndirected ignores direction (igraph's global).
	Transitivity           float64 `json:"transitivity"`
	TransitivityUndirected float64 `json:"transitivity_undirected"`

	// Centralisation is Freeman's: Σ(largest − each) over the largest that this sum
	// can be among as many people, without loops (Social Networks 1, 1979).
	CentralisationIn          float64 `json:"centralisation_in"`     // (n−1)²; directed only
	CentralisationOut         float64 `json:"centralisation_out"`    // (n−1)²; directed only
	CentralisationDegree      float64 `json:"centralisation_degree"` // 2(n−1)(n−2), or (n−1)(n−2) if undirected
	CentralisationBetweenness float64 `json:"centralisation_betweenness"`

	Components    int     `json:"components"`    // ignoring direction
	Connectedness float64 `json:"connectedness"` // share of pairs in one component (Krackhardt)

	// EI is (external − internal)/all ties between and within Group (Krackhardt and
	// Stern 1988); EISymmetric counts each tied pair once. Assortativity is
	// Newman's. HasGroups says whether these exist.
	EI            float64 `json:"e_i"`
	EISymmetric   float64 `json:"e_i_symmetric"`
	Assortativity float64 `json:"assortativity"`
	HasGroups     bool    `json:"has_groups"`

	Each     []Person           `json:"each"`
	Warnings []analysis.Warning `json:"warnings"`
}

// Person is one person's place.
type Person struct {
	ID       string `json:"id"`
	Answered bool   `json:"answered"`
	In       int    `json:"in"`  // people who named this one; neighbours if undirected
	Out      int    `json:"out"` // people this one named
	// Betweenness counts shortest paths through the person, as a share of those of
	// each pair; unnormalised, undirected pairs counted once.
	Betweenness           float64 `json:"betweenness"`
	BetweennessNormalised float64 `json:"betweenness_normalised"` // over (n−1)(n−2), half that if undirected
	// Eigenvector is on the network without direction, of length 1 over all
	// people; it is 0 outside the component that dominates.
	Eigenvector float64 `json:"eigenvector"`
	Component   int     `json:"component"` // from 0, in order of first person
}

// Codes of warnings.
const (
	WarnNonResponse  = "network-non-response"
	WarnDisconnected = "network-disconnected"
)

func (w *Network) check() error {
	n := len(w.People)
	var faults []error
	say := func(format string, a ...any) { faults = append(faults, fmt.Errorf(format, a...)) }
	if n < 3 {
		say("there are %d people; a network has at least three", n)
	}
	if w.Answered != nil && len(w.Answered) != n {
		say("%d marks of who answered for %d people", len(w.Answered), n)
	}
	if w.Group != nil && len(w.Group) != n {
		say("%d groups for %d people", len(w.Group), n)
	}
	seen := map[string]bool{}
	for _, p := range w.People {
		if seen[p] {
			say("person %q is listed twice", p)
		}
		seen[p] = true
	}
	if len(faults) > 0 {
		return errors.Join(faults...)
	}
	ties := map[[2]int]bool{}
	for i, t := range w.Ties {
		switch {
		case t[0] < 0 || t[0] >= n || t[1] < 0 || t[1] >= n:
			say("tie %d runs from %d to %d, and there are %d people", i+1, t[0], t[1], n)
			continue
		case t[0] == t[1]:
			say("tie %d: %q names themselves", i+1, w.People[t[0]])
		case w.Answered != nil && !w.Undirected && !w.Answered[t[0]]:
			say("tie %d: %q names somebody but is marked as not having answered", i+1, w.People[t[0]])
		}
		if w.Undirected && t[0] > t[1] {
			t[0], t[1] = t[1], t[0]
		}
		if ties[t] {
			say("tie %d: %q to %q is listed twice", i+1, w.People[t[0]], w.People[t[1]])
		}
		ties[t] = true
	}
	return errors.Join(faults...)
}

// matrix is the adjacency matrix.
func (w *Network) matrix() [][]bool {
	a := make([][]bool, len(w.People))
	for i := range a {
		a[i] = make([]bool, len(w.People))
	}
	for _, t := range w.Ties {
		a[t[0]][t[1]] = true
		if w.Undirected {
			a[t[1]][t[0]] = true
		}
	}
	return a
}

func (w *Network) answered(i int) bool { return w.Answered == nil || w.Answered[i] }

// Describe measures the network.
func (w *Network) Describe() (Measures, error) {
	if err := w.check(); err != nil {
		return Measures{}, fmt.Errorf("describe network: %w", err)
	}
	n := len(w.People)
	a := w.matrix()
	m := Measures{People: n, Ties: len(w.Ties), Each: make([]Person, n)}
	for i, id := range w.People {
		p := &m.Each[i]
		p.ID, p.Answered = id, w.answered(i)
		if p.Answered {
			m.Respondents++
		}
		for j := range n {
			if a[i][j] {
				p.Out++
			}
			if a[j][i] {
				p.In++
			}
		}
	}
	all := float64(n * (n - 1))
	switch {
	case w.Undirected:
		m.Density = 2 * float64(m.Ties) / all
		m.MeanDegree = 2 * float64(m.Ties) / float64(n)
	case m.Respondents > 0:
		m.Density = float64(m.Ties) / float64(m.Respondents*(n-1))
		m.MeanDegree = float64(m.Ties) / float64(m.Respondents)
	}
	m.dyads(w, a)
	m.transitivity(a)
	m.components(a)
	between := betweenness(a)
	if w.Undirected {
		for i := range between {
			between[i] /= 2
		}
	}
	scale := float64((n - 1) * (n - 2))
	if w.Undirected {
		scale /= 2
	}
	for i, b := range between {
		m.Each[i].Betweenness, m.Each[i].BetweennessNormalised = b, b/scale
	}
	in, out, both := make([]float64, n), make([]float64, n), make([]float64, n)
	for i, p := range m.Each {
		in[i], out[i], both[i] = float64(p.In), float64(p.Out), float64(p.In+p.Out)
	}
	one := float64(n - 1)
	if w.Undirected {
		m.CentralisationDegree = spread(in) / (one * (one - 1))
	} else {
		m.CentralisationIn, m.CentralisationOut = spread(in)/(one*one), spread(out)/(one*one)
		m.CentralisationDegree = spread(both) / (2 * one * (one - 1))
	}
	m.CentralisationBetweenness = spread(between) / (one * scale)
	if err := m.eigenvector(a); err != nil {
		return Measures{}, fmt.Errorf("describe network: %w", err)
	}
	m.groups(w, a)
	if m.Respondents < n {
		m.Warnings = append(m.Warnings, analysis.Warning{Code: WarnNonResponse, Text: fmt.Sprintf("%d of %d people did not answer: whom they would have named is not known, so paths, centralisation and betweenness are of what was reported.", n-m.Respondents, n)})
	}
	if m.Components > 1 {
		m.Warnings = append(m.Warnings, analysis.Warning{Code: WarnDisconnected, Text: fmt.Sprintf("The network falls into %d parts; eigenvector centrality is 0 outside the part that dominates.", m.Components)})
	}
	return m, nil
}

// spread is Σ(largest − each).
func spread(v []float64) float64 {
	top, s := math.Inf(-1), 0.0
	for _, x := range v {
		top = math.Max(top, x)
	}
	for _, x := range v {
		s += top - x
	}
	return s
}

func (m *Measures) dyads(w *Network, a [][]bool) {
	for i := range a {
		for j := range i {
			if !w.answered(i) || !w.answered(j) {
				continue
			}
			switch {
			case a[i][j] && a[j][i]:
				m.Mutual++
			case a[i][j] || a[j][i]:
				m.Asymmetric++
			default:
				m.Null++
			}
		}
	}
	mu, as, nu := float64(m.Mutual), float64(m.Asymmetric), float64(m.Null)
	if mu+as > 0 {
		m.ReciprocityTies = 2 * mu / (2*mu + as)
		m.ReciprocityPairs = mu / (mu + as)
	}
	if mu+as+nu > 0 {
		m.ReciprocityDyadic = (mu + nu) / (mu + as + nu)
	}
}

func (m *Measures) transitivity(a [][]bool) {
	var paths, closed, triples, triangles float64
	n := len(a)
	tied := func(i, j int) bool { return a[i][j] || a[j][i] }
	for j := range n {
		for i := range n {
			for k := range n {
				if i == j || j == k || i == k {
					continue
				}
				if a[i][j] && a[j][k] {
					paths++
					if a[i][k] {
						closed++
					}
				}
				if tied(i, j) && tied(j, k) {
					triples++
					if tied(i, k) {
						triangles++
					}
				}
			}
		}
	}
	if paths > 0 {
		m.Transitivity = closed / paths
	}
	if triples > 0 {
		m.TransitivityUndirected = triangles / triples
	}
}

func (m *Measures) components(a [][]bool) {
	n := len(a)
	of := make([]int, n)
	for i := range of {
		of[i] = -1
	}
	together := 0
	for i := range n {
		if of[i] >= 0 {
			continue
		}
		queue, size := []int{i}, 0
		of[i] = m.Components
		for len(queue) > 0 {
			p := queue[0]
			queue = queue[1:]
			size++
			for q := range n {
				if of[q] < 0 && (a[p][q] || a[q][p]) {
					of[q] = m.Components
					queue = append(queue, q)
				}
			}
		}
		together += size * (size - 1)
		m.Components++
	}
	for i := range m.Each {
		m.Each[i].Component = of[i]
	}
	m.Connectedness = float64(together) / float64(n*(n-1))
}

// betweenness counts shortest paths through each person (Brandes, J. Mathematical
// Sociology 25(2), 2001), over ordered pairs.
func betweenness(a [][]bool) []float64 {
	n := len(a)
	out := make([]float64, n)
	for s := range n {
		distance, paths, share := make([]int, n), make([]float64, n), make([]float64, n)
		for i := range distance {
			distance[i] = -1
		}
		distance[s], paths[s] = 0, 1
		order := []int{s}
		for at := 0; at < len(order); at++ {
			p := order[at]
			for q := range n {
				if !a[p][q] {
					continue
				}
				if distance[q] < 0 {
					distance[q] = distance[p] + 1
					order = append(order, q)
				}
				if distance[q] == distance[p]+1 {
					paths[q] += paths[p]
				}
			}
		}
		for at := len(order) - 1; at > 0; at-- {
			q := order[at]
			for p := range n {
				if a[p][q] && distance[p] >= 0 && distance[p] == distance[q]-1 {
					share[p] += paths[p] / paths[q] * (1 + share[q])
				}
			}
			out[q] += share[q]
		}
	}
	return out
}

func (m *Measures) eigenvector(a [][]bool) error {
	n := len(a)
	sym := mat.NewSymDense(n, nil)
	for i := range n {
		for j := i + 1; j < n; j++ {
			if a[i][j] || a[j][i] {
				sym.SetSym(i, j, 1)
			}
		}
	}
	var eig mat.EigenSym
	if !eig.Factorize(sym, true) {
		return errors.New("eigenvector centrality was not found")
	}
	if !(eig.Values(nil)[n-1] > 1e-9) { // no ties
		return nil
	}
	var u mat.Dense
	eig.VectorsTo(&u)
	v := mat.Col(nil, n-1, &u)
	sum := 0.0
	for _, x := range v {
		sum += x
	}
	for i, x := range v {
		if sum < 0 {
			x = -x
		}
		if math.Abs(x) < 1e-12 {
			x = 0
		}
		m.Each[i].Eigenvector = x
	}
	return nil
}

func (m *Measures) groups(w *Network, a [][]bool) {
	if w.Group == nil || len(w.Ties) == 0 {
		return
	}
	m.HasGroups = true
	var internal, external, pairsIn, pairsOut float64
	from, to := map[int]float64{}, map[int]float64{}
	within := 0.0
	for i := range a {
		for j := range a {
			if !a[i][j] {
				continue
			}
			from[w.Group[i]]++
			to[w.Group[j]]++
			if w.Group[i] == w.Group[j] {
				within++
			}
			if w.Undirected && i > j {
				continue
			}
			same := w.Group[i] == w.Group[j]
			if same {
				internal++
			} else {
				external++
			}
			if i < j || !a[j][i] {
				if same {
					pairsIn++
				} else {
					pairsOut++
				}
			}
		}
	}
	m.EI = (external - internal) / (external + internal)
	m.EISymmetric = (pairsOut - pairsIn) / (pairsOut + pairsIn)
	total := 0.0
	for _, v := range from {
		total += v
	}
	expected := 0.0
	for g, v := range from {
		expected += v * to[g] / (total * total)
	}
	if expected < 1 {
		m.Assortativity = (within/total - expected) / (1 - expected)
	}
}
