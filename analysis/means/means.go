// Package means estimates effects as differences in means, with variances that
// come from the design and from nothing else: no model of the outcome is
// assumed. The design is declared, never guessed from the data.
//
// Two families are offered: the differences in means of the randomisation
// literature (Difference), and the estimators of the RCT-YES programme, which
// allow covariates and weights (RCTYes).
//
// Papers: Neyman (1923; Statistical Science 5(4), 1990); Imai, King and Nall,
// Statistical Science 24(1), 2009 (matched pairs of clusters); Schochet, NCEE
// 2015-4011, 2nd ed. 2016, and Schochet, Pashley, Miratrix and Kautz, JASA 117,
// 2022 (RCT-YES).
package means

import (
	"errors"
	"fmt"
	"math"
	"slices"

	"evenhand/analysis"
	"evenhand/analysis/internal/dist"
	"evenhand/analysis/robust"
)

// Design says how people were randomised.
type Design string

// The designs.
const (
	Simple           Design = "simple"            // people
	Blocked          Design = "blocked"           // people within blocks, at least two in each arm of each
	Clustered        Design = "clustered"         // clusters
	BlockedClustered Design = "blocked-clustered" // clusters within blocks, at least two in each arm of each
	Pairs            Design = "pairs"             // people in pairs, one of each treated
	PairClusters     Design = "pair-clusters"     // clusters in pairs, one of each treated
)

// Data is what the difference is taken of; slices run parallel.
type Data struct {
	Y       []float64
	Treated []bool
	Block   []int // any whole numbers; nil where the design has no blocks
	Cluster []int // any whole numbers; nil where people were randomised
}

// Estimate is a difference in means.
type Estimate struct {
	Method    string            `json:"method"`
	Value     float64           `json:"estimate"`
	SE        float64           `json:"se"`
	DF        float64           `json:"df"`
	DFMethod  string            `json:"df_method"`
	Statistic float64           `json:"statistic"` // t
	P         float64           `json:"p"`         // two-sided
	Interval  analysis.Interval `json:"interval"`
	People    int               `json:"people"`
	Clusters  int               `json:"clusters"` // 0 where people were randomised
	Blocks    []Block           `json:"blocks"`   // their effects, in order of their number; nil where there are none
}

// Block is the effect in one block.
type Block struct {
	Block  int     `json:"block"`
	Effect float64 `json:"effect"`
	SE     float64 `json:"se"`     // 0 for a pair, which has none of its own
	Weight float64 `json:"weight"` // share in the whole estimate
}

// DesignError says that the data are not of the design declared.
type DesignError struct {
	Design Design
	Block  int  // the block at fault
	In     bool // whether Block is meant
	Reason string
}

// Error says what was declared and what is there.
func (e *DesignError) Error() string {
	if e.In {
		return fmt.Sprintf("declared %s, but block %d %s", e.Design, e.Block, e.Reason)
	}
	return fmt.Sprintf("declared %s, but %s", e.Design, e.Reason)
}

// ErrNoSpread says that the outcomes do not vary, so that there is no standard
// error.
var ErrNoSpread = errors.New("the outcomes do not vary within the arms")

// Difference estimates the effect on the people of the trial by the design
// declared, with an interval of the level given, in (0,1).
//
//   - Simple: Neyman's variance s²_T/n_T + s²_C/n_C, Welch's degrees of freedom.
//   - Blocked: τ = Σ(N_b/N)τ_b, variance Σ(N_b/N)²V_b, df N − 2B.
//   - Clustered: difference of people's means, CR2 by cluster, Satterthwaite df.
//   - BlockedClustered: CR2 in each block, weighted as Blocked; df M − 2B.
//   - Pairs: variance Σ(τ_j − τ)²/(J(J−1)), df J − 1.
//   - PairClusters: J/((J−1)N²) Σ(N_jτ_j − Nτ/J)², df J − 1 (Imai, King and Nall,
//     equation 6).
func Difference(d Data, design Design, level float64) (Estimate, error) {
	e, err := difference(d, design, level)
	if err != nil {
		return Estimate{}, fmt.Errorf("difference in means: %w", err)
	}
	return e, nil
}

func difference(d Data, design Design, level float64) (Estimate, error) {
	if err := d.check(level); err != nil {
		return Estimate{}, err
	}
	wantBlocks := design == Blocked || design == BlockedClustered || design == Pairs || design == PairClusters
	wantClusters := design == Clustered || design == BlockedClustered || design == PairClusters
	switch {
	case !wantBlocks && design != Simple && design != Clustered:
		return Estimate{}, fmt.Errorf("design %q is not known", design)
	case wantBlocks != (d.Block != nil):
		return Estimate{}, &DesignError{Design: design, Reason: "blocks are given where it has none, or missing where it has them"}
	case wantClusters != (d.Cluster != nil):
		return Estimate{}, &DesignError{Design: design, Reason: "clusters are given where it has none, or missing where it has them"}
	}
	if wantClusters {
		if err := d.checkClusters(design); err != nil {
			return Estimate{}, err
		}
	}
	e := Estimate{People: len(d.Y), Clusters: d.clusters()}
	var variance float64
	switch design {
	case Simple:
		a, b := moments(d.Y, d.Treated)
		if a.n < 2 || b.n < 2 {
			return Estimate{}, &DesignError{Design: design, Reason: "an arm has fewer than two people"}
		}
		va, vb := a.variance/a.n, b.variance/b.n
		e.Value, variance = a.mean-b.mean, va+vb
		if !(variance > 0) {
			return Estimate{}, ErrNoSpread
		}
		e.DF = (va + vb) * (va + vb) / (va*va/(a.n-1) + vb*vb/(b.n-1))
		e.Method, e.DFMethod = "difference in means, Neyman variance", "Welch"
	case Clustered:
		c, err := d.cr2(level)
		if err != nil {
			return Estimate{}, err
		}
		e.Value, variance, e.DF = c.Estimate, c.SE*c.SE, c.DF
		e.Method, e.DFMethod = "difference in means, CR2 by cluster", c.DFMethod
	default:
		blocks, err := d.split(design)
		if err != nil {
			return Estimate{}, err
		}
		return byBlock(e, blocks, design, level)
	}
	return finish(e, variance, level)
}

func byBlock(e Estimate, blocks []blockData, design Design, level float64) (Estimate, error) {
	n := float64(e.People)
	j := float64(len(blocks))
	var variance float64
	for _, b := range blocks {
		size := float64(len(b.Y))
		out := Block{Block: b.label, Weight: size / n}
		a, c := moments(b.Y, b.Treated)
		out.Effect = a.mean - c.mean
		switch design {
		case Blocked:
			out.SE = math.Sqrt(a.variance/a.n + c.variance/c.n)
		case BlockedClustered:
			cr2, err := b.cr2(level)
			if err != nil {
				return Estimate{}, fmt.Errorf("block %d: %w", b.label, err)
			}
			out.SE = cr2.SE
		case Pairs:
			out.Weight = 1 / j
		}
		e.Value += out.Weight * out.Effect
		variance += out.Weight * out.Weight * out.SE * out.SE
		e.Blocks = append(e.Blocks, out)
	}
	switch design {
	case Blocked:
		e.Method, e.DF, e.DFMethod = "blocked difference in means, Neyman variance", n-2*j, "people − 2 × blocks"
	case BlockedClustered:
		e.Method, e.DF, e.DFMethod = "blocked difference in means, CR2 by cluster", float64(e.Clusters)-2*j, "clusters − 2 × blocks"
	default:
		if j < 2 {
			return Estimate{}, &DesignError{Design: design, Reason: "there are fewer than two pairs"}
		}
		e.DF, e.DFMethod = j-1, "pairs − 1"
		e.Method = "mean of differences within pairs"
		for _, b := range e.Blocks {
			variance += (b.Effect - e.Value) * (b.Effect - e.Value) / (j * (j - 1))
		}
		if design == PairClusters {
			e.Method = "mean of differences within pairs of clusters (Imai, King and Nall)"
			variance = 0
			for _, b := range e.Blocks {
				s := b.Weight*n*b.Effect - n*e.Value/j
				variance += s * s
			}
			variance *= j / ((j - 1) * n * n)
		}
	}
	return finish(e, variance, level)
}

func finish(e Estimate, variance, level float64) (Estimate, error) {
	e.SE = math.Sqrt(variance)
	if !(e.SE > 0) {
		return Estimate{}, ErrNoSpread
	}
	if !(e.DF > 0) {
		return Estimate{}, fmt.Errorf("%v degrees of freedom are left; there are too few units for the blocks", e.DF)
	}
	e.Statistic = e.Value / e.SE
	e.P = dist.TTwoSided(e.Statistic, e.DF)
	half := dist.TCritical(level, e.DF) * e.SE
	e.Interval = analysis.Interval{Low: e.Value - half, High: e.Value + half, Level: level, Method: "t, " + e.DFMethod}
	return e, nil
}

type moment struct{ n, mean, variance float64 }

// moments of the treated and of the others; the variance divides by n − 1.
func moments(y []float64, treated []bool) (t, c moment) {
	for i, v := range y {
		if treated[i] {
			t.n++
			t.mean += v
		} else {
			c.n++
			c.mean += v
		}
	}
	if t.n > 0 {
		t.mean /= t.n
	}
	if c.n > 0 {
		c.mean /= c.n
	}
	for i, v := range y {
		if treated[i] {
			t.variance += (v - t.mean) * (v - t.mean)
		} else {
			c.variance += (v - c.mean) * (v - c.mean)
		}
	}
	t.variance /= t.n - 1
	c.variance /= c.n - 1
	return t, c
}

// cr2 is the regression of the outcome on the arm with CR2.
func (d Data) cr2(level float64) (robust.Coefficient, error) {
	f, err := robust.Least(robust.Data{Y: d.Y, X: []robust.Column{robust.Intercept(len(d.Y)), {Name: "arm", Values: indicator(d.Treated)}}, Cluster: d.Cluster})
	if err != nil {
		return robust.Coefficient{}, err
	}
	in, err := f.Inference(robust.CR2)
	if err != nil {
		return robust.Coefficient{}, err
	}
	return in.Coefficient("arm", level)
}

func indicator(treated []bool) []float64 {
	z := make([]float64, len(treated))
	for i, t := range treated {
		if t {
			z[i] = 1
		}
	}
	return z
}

func (d Data) check(level float64) error {
	n := len(d.Y)
	var faults []error
	say := func(format string, a ...any) { faults = append(faults, fmt.Errorf(format, a...)) }
	if !(level > 0 && level < 1) {
		say("a confidence level of %v is not between 0 and 1", level)
	}
	if len(d.Treated) != n || d.Block != nil && len(d.Block) != n || d.Cluster != nil && len(d.Cluster) != n {
		say("%d outcomes, %d arms, %d blocks, %d clusters: there must be one of each a row", n, len(d.Treated), len(d.Block), len(d.Cluster))
		return errors.Join(faults...)
	}
	arms := 0
	for i, y := range d.Y {
		if math.IsNaN(y) || math.IsInf(y, 0) {
			say("row %d: outcome %v is not a finite number", i+1, y)
		}
		if d.Treated[i] {
			arms++
		}
	}
	if arms == 0 || arms == n {
		say("%d rows, %d of them treated: there must be some in each arm", n, arms)
	}
	return errors.Join(faults...)
}

func (d Data) clusters() int {
	seen := map[int]bool{}
	for _, c := range d.Cluster {
		seen[c] = true
	}
	return len(seen)
}

// checkClusters: a cluster is in one arm, and in one block.
func (d Data) checkClusters(design Design) error {
	type home struct {
		treated bool
		block   int
	}
	seen := map[int]home{}
	for i, c := range d.Cluster {
		h := home{treated: d.Treated[i]}
		if d.Block != nil {
			h.block = d.Block[i]
		}
		if was, ok := seen[c]; ok && was != h {
			return &DesignError{Design: design, Reason: fmt.Sprintf("cluster %d is in both arms or in two blocks", c)}
		}
		seen[c] = h
	}
	return nil
}

type blockData struct {
	Data
	label int
}

// split makes the blocks and checks what the design needs of each.
func (d Data) split(design Design) ([]blockData, error) {
	index := map[int]int{}
	var labels []int
	for _, b := range d.Block {
		if _, ok := index[b]; !ok {
			index[b] = 0
			labels = append(labels, b)
		}
	}
	slices.Sort(labels)
	blocks := make([]blockData, len(labels))
	for i, l := range labels {
		index[l] = i
		blocks[i].label = l
	}
	for i, y := range d.Y {
		b := &blocks[index[d.Block[i]]]
		b.Y, b.Treated = append(b.Y, y), append(b.Treated, d.Treated[i])
		if d.Cluster != nil {
			b.Cluster = append(b.Cluster, d.Cluster[i])
		}
	}
	var faults []error
	for _, b := range blocks {
		units := [2]map[int]bool{{}, {}}
		for i := range b.Y {
			arm, unit := 0, i
			if b.Treated[i] {
				arm = 1
			}
			if b.Cluster != nil {
				unit = b.Cluster[i]
			}
			units[arm][unit] = true
		}
		what := "people"
		if b.Cluster != nil {
			what = "clusters"
		}
		least := min(len(units[0]), len(units[1]))
		switch {
		case design == Pairs || design == PairClusters:
			if len(units[0]) != 1 || len(units[1]) != 1 {
				faults = append(faults, &DesignError{Design: design, In: true, Block: b.label, Reason: fmt.Sprintf("has %d treated and %d control %s, not one of each", len(units[1]), len(units[0]), what)})
			}
		case least < 2:
			faults = append(faults, &DesignError{Design: design, In: true, Block: b.label, Reason: fmt.Sprintf("has %d treated and %d control %s; with fewer than two in an arm it has no variance of its own", len(units[1]), len(units[0]), what)})
		}
	}
	return blocks, errors.Join(faults...)
}
