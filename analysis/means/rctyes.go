package means

import (
	"errors"
	"fmt"
	"math"

	"evenhand/analysis/robust"
)

// Weighting says what a block or a cluster counts.
type Weighting string

// The weightings: they are different estimands.
const (
	ByPeople Weighting = "people" // each person counts the same
	Equally  Weighting = "equal"  // each block (or cluster) counts the same
)

// Population says to whom the answer is meant to apply.
type Population string

// The populations.
const (
	Finite Population = "finite" // the people, clusters and blocks of the trial
	Super  Population = "super"  // a population of which the blocks are a sample; for blocked people only
)

// RCTYesOptions choose an estimator of the RCT-YES family.
type RCTYesOptions struct {
	Design     Design // Simple, Blocked, Clustered or BlockedClustered
	Weighting  Weighting
	Population Population
	Covariates []robust.Column // of people; cluster means are taken where clusters were randomised
	// Restricted gives blocked clusters one common effect (block indicators only),
	// a precision-weighted estimand that Weighting does not define.
	Restricted bool
	Level      float64 // of the interval, in (0,1)
}

// RCTYesResult is an Estimate with what the family adds.
type RCTYesResult struct {
	Estimate
	MSETreated float64 `json:"mse_treated"` // Simple: residual variance of the treated
	MSEControl float64 `json:"mse_control"`
	// HeterogeneityBound is (s_T − s_C)²/n (Simple), which the variance for a
	// finite population could be lowered by; SEWithBound is what that gives.
	// SE itself never uses it.
	HeterogeneityBound float64 `json:"heterogeneity_bound"`
	SEWithBound        float64 `json:"se_with_bound"`
	// SEPrinted is, for Super, the standard error by equation 6.25 as printed,
	// before its author's correction; the two differ where weights do.
	SEPrinted float64 `json:"se_as_printed"`
}

// RCTYes estimates an effect as RCT-YES does. With v covariates, p treated and h
// blocks (formulas in METHODS.md):
//
//   - Simple: s²_z = SSR_z/(n_z − v p_z − 1); variance s²_T/n_T + s²_C/n_C; df n − v − 2.
//   - Blocked: block effects from one regression; finite: Σw_b²(MSE_Tb/n_Tb +
//     MSE_Cb/n_Cb)/(Σw)², df N − 2h − v; super: Σw_b²(τ_b − τ)²/(h(h−1)w̄²), df h − v − 1.
//   - Clustered, BlockedClustered: weighted regression of cluster means; s²_z of
//     w_j²r_j²/w̄²; df m − 2h − v.
func RCTYes(d Data, o RCTYesOptions) (RCTYesResult, error) {
	r, err := rctYes(d, o)
	if err != nil {
		return RCTYesResult{}, fmt.Errorf("RCT-YES estimator: %w", err)
	}
	return r, nil
}

func rctYes(d Data, o RCTYesOptions) (RCTYesResult, error) {
	if err := d.check(o.Level); err != nil {
		return RCTYesResult{}, err
	}
	var faults []error
	say := func(format string, a ...any) { faults = append(faults, fmt.Errorf(format, a...)) }
	blocked := o.Design == Blocked || o.Design == BlockedClustered
	clustered := o.Design == Clustered || o.Design == BlockedClustered
	if !blocked && !clustered && o.Design != Simple {
		say("the family has no design %q; pairs are given by Difference", o.Design)
	}
	if blocked != (d.Block != nil) || clustered != (d.Cluster != nil) {
		say("blocks or clusters are given where the design %q has none, or missing where it has them", o.Design)
	}
	if o.Weighting != ByPeople && o.Weighting != Equally && o.Design != Simple && !o.Restricted {
		say("weighting %q is not known; use %q or %q", o.Weighting, ByPeople, Equally)
	}
	if o.Population != Finite && o.Population != Super {
		say("population %q is not known; use %q or %q", o.Population, Finite, Super)
	}
	if o.Population == Super && o.Design != Blocked {
		say("blocks as a sample (population %q) are offered for the design %q only", Super, Blocked)
	}
	if o.Restricted && o.Design != BlockedClustered {
		say("one common effect is offered for the design %q only", BlockedClustered)
	}
	for _, c := range o.Covariates {
		if len(c.Values) != len(d.Y) {
			say("covariate %q has %d values for %d rows", c.Name, len(c.Values), len(d.Y))
		}
	}
	if err := errors.Join(faults...); err != nil {
		return RCTYesResult{}, err
	}
	if clustered {
		if err := d.checkClusters(o.Design); err != nil {
			return RCTYesResult{}, err
		}
		return d.clusterMeans(o)
	}
	if blocked {
		return d.blockedPeople(o)
	}
	return d.simplePeople(o)
}

func (d Data) simplePeople(o RCTYesOptions) (RCTYesResult, error) {
	z := indicator(d.Treated)
	f, err := robust.Least(robust.Data{Y: d.Y, X: append([]robust.Column{robust.Intercept(len(d.Y)), {Name: "arm", Values: z}}, o.Covariates...)})
	if err != nil {
		return RCTYesResult{}, err
	}
	var ssr, n [2]float64
	for i, e := range f.Residuals() {
		arm := int(z[i])
		ssr[arm] += e * e
		n[arm]++
	}
	all := n[0] + n[1]
	v := float64(len(o.Covariates))
	var r RCTYesResult
	r.Value, r.People = f.Beta[1], len(d.Y)
	r.MSETreated, r.MSEControl = ssr[1]/(n[1]-v*n[1]/all-1), ssr[0]/(n[0]-v*n[0]/all-1)
	if !(n[1]-v*n[1]/all > 1 && n[0]-v*n[0]/all > 1) {
		return RCTYesResult{}, &DesignError{Design: o.Design, Reason: "an arm has too few people for the covariates"}
	}
	variance := r.MSETreated/n[1] + r.MSEControl/n[0]
	gap := math.Sqrt(r.MSETreated) - math.Sqrt(r.MSEControl)
	r.HeterogeneityBound = gap * gap / all
	r.SEWithBound = math.Sqrt(math.Max(0, variance-r.HeterogeneityBound))
	r.Method, r.DF, r.DFMethod = "RCT-YES, people randomised", all-v-2, "people − covariates − 2"
	r.Estimate, err = finish(r.Estimate, variance, o.Level)
	return r, err
}

func (d Data) blockedPeople(o RCTYesOptions) (RCTYesResult, error) {
	blocks, err := d.split(o.Design)
	if err != nil {
		return RCTYesResult{}, err
	}
	index := map[int]int{}
	for i, b := range blocks {
		index[b.label] = i
	}
	h, all := len(blocks), float64(len(d.Y))
	of := make([]int, len(d.Y))
	for i, b := range d.Block {
		of[i] = index[b]
	}
	f, err := robust.Least(robust.Data{Y: d.Y, X: append(interactions(of, indicator(d.Treated), h), o.Covariates...)})
	if err != nil {
		return RCTYesResult{}, err
	}
	ssr, n := make([][2]float64, h), make([][2]float64, h)
	for i, e := range f.Residuals() {
		arm := 0
		if d.Treated[i] {
			arm = 1
		}
		ssr[of[i]][arm] += e * e
		n[of[i]][arm]++
	}
	v := float64(len(o.Covariates))
	var r RCTYesResult
	r.People = len(d.Y)
	var sum, variance float64
	weight := make([]float64, h)
	for b := range blocks {
		weight[b] = 1
		if o.Weighting == ByPeople {
			weight[b] = n[b][0] + n[b][1]
		}
		sum += weight[b]
	}
	for b := range blocks {
		effect := f.Beta[h+b]
		vb := 0.0
		for arm := range 2 {
			df := n[b][arm] - v*n[b][arm]/all - 1
			if !(df > 0) {
				return RCTYesResult{}, &DesignError{Design: o.Design, In: true, Block: blocks[b].label, Reason: "has too few people in an arm for the covariates"}
			}
			vb += ssr[b][arm] / df / n[b][arm]
		}
		q := weight[b] / sum
		r.Value += q * effect
		variance += q * q * vb
		r.Blocks = append(r.Blocks, Block{Block: blocks[b].label, Effect: effect, SE: math.Sqrt(vb), Weight: q})
	}
	r.Method, r.DF, r.DFMethod = "RCT-YES, people randomised within blocks, these blocks", all-2*float64(h)-v, "people − 2 × blocks − covariates"
	if o.Population == Super {
		if h < 2 {
			return RCTYesResult{}, &DesignError{Design: o.Design, Reason: "there are fewer than two blocks"}
		}
		m := float64(h)
		mean := sum / m
		var corrected, printed float64
		for b, w := range weight {
			corrected += w * w * (r.Blocks[b].Effect - r.Value) * (r.Blocks[b].Effect - r.Value)
			s := w*r.Blocks[b].Effect - mean*r.Value
			printed += s * s
		}
		variance = corrected / (m * (m - 1) * mean * mean)
		r.SEPrinted = math.Sqrt(printed / (m * (m - 1) * mean * mean))
		r.Method, r.DF, r.DFMethod = "RCT-YES, people randomised within blocks, blocks a sample", m-v-1, "blocks − covariates − 1"
	}
	r.Estimate, err = finish(r.Estimate, variance, o.Level)
	return r, err
}

// interactions are block indicators, then block indicators times z.
func interactions(block []int, z []float64, h int) []robust.Column {
	cols := make([]robust.Column, 2*h)
	for b := range h {
		one, arm := make([]float64, len(block)), make([]float64, len(block))
		for i, of := range block {
			if of == b {
				one[i], arm[i] = 1, z[i]
			}
		}
		cols[b] = robust.Column{Name: fmt.Sprintf("block %d of %d", b+1, h), Values: one}
		cols[h+b] = robust.Column{Name: fmt.Sprintf("arm in block %d of %d", b+1, h), Values: arm}
	}
	return cols
}

// clusterMeans is the weighted regression of cluster means.
func (d Data) clusterMeans(o RCTYesOptions) (RCTYesResult, error) {
	m := collapse(d, o.Covariates)
	if d.Block == nil {
		m.Block = make([]int, len(m.Y))
	}
	people := m.size
	weight := make([]float64, len(m.Y))
	for j := range weight {
		weight[j] = 1
		if o.Weighting == ByPeople {
			weight[j] = people[j]
		}
	}
	blocks, err := m.Data.split(o.Design)
	if err != nil {
		return RCTYesResult{}, err
	}
	index := map[int]int{}
	for i, b := range blocks {
		index[b.label] = i
	}
	h := len(blocks)
	of := make([]int, len(m.Y))
	for j, b := range m.Block {
		of[j] = index[b]
	}
	z := indicator(m.Treated)
	var r RCTYesResult
	r.People, r.Clusters = len(d.Y), len(m.Y)
	v, all := float64(len(o.Covariates)), float64(len(m.Y))
	x := interactions(of, z, h)
	if o.Restricted {
		x = append(x[:h:h], robust.Column{Name: "arm", Values: z})
	}
	f, err := robust.Least(robust.Data{Y: m.Y, X: append(x, m.covariates...), Weights: weight})
	if err != nil {
		return RCTYesResult{}, err
	}
	res := f.Residuals()
	// Sums over each block and arm: clusters, weight, squares of weight × residual.
	var count, total, squares [][2]float64 = make([][2]float64, h), make([][2]float64, h), make([][2]float64, h)
	sum := 0.0
	for j, w := range weight {
		arm := int(z[j])
		count[of[j]][arm]++
		total[of[j]][arm] += w
		squares[of[j]][arm] += w * w * res[j] * res[j]
		sum += w
	}
	var variance float64
	if o.Restricted {
		var num, den float64
		for b := range h {
			mb := count[b][0] + count[b][1]
			p := count[b][1] / mb
			num += p*p*squares[b][0] + (1-p)*(1-p)*squares[b][1]
			den += mb * p * (1 - p) * (total[b][0] + total[b][1]) / mb
		}
		r.Value = f.Beta[h]
		r.DF, r.DFMethod = all-float64(h)-v-1, "clusters − blocks − covariates − 1"
		if !(r.DF > 0) {
			return RCTYesResult{}, &DesignError{Design: o.Design, Reason: "there are too few clusters for the blocks and covariates"}
		}
		variance = all / r.DF * num / (den * den)
		r.Method = "RCT-YES, clusters randomised within blocks, one common effect"
		r.Estimate, err = finish(r.Estimate, variance, o.Level)
		return r, err
	}
	for b := range h {
		mb := count[b][0] + count[b][1]
		q := (total[b][0] + total[b][1]) / sum
		vb := 0.0
		for arm := range 2 {
			mz := count[b][arm]
			df := mz - v*(mz/mb)*q - 1
			if !(df > 0) {
				return RCTYesResult{}, &DesignError{Design: o.Design, In: d.Block != nil, Block: blocks[b].label, Reason: "has too few clusters in an arm for the covariates"}
			}
			mean := total[b][arm] / mz
			vb += squares[b][arm] / (mean * mean) / df / mz
		}
		effect := f.Beta[h+b]
		r.Value += q * effect
		variance += q * q * vb
		if d.Block != nil {
			r.Blocks = append(r.Blocks, Block{Block: blocks[b].label, Effect: effect, SE: math.Sqrt(vb), Weight: q})
		}
	}
	r.DF, r.DFMethod = all-2*float64(h)-v, "clusters − 2 × blocks − covariates"
	r.Method = "RCT-YES, clusters randomised"
	if d.Block != nil {
		r.Method += " within blocks"
	}
	r.Estimate, err = finish(r.Estimate, variance, o.Level)
	return r, err
}

type collapsed struct {
	Data
	size       []float64
	covariates []robust.Column
}

// collapse takes means over each cluster, in order of first appearance.
func collapse(d Data, covariates []robust.Column) collapsed {
	var m collapsed
	index := map[int]int{}
	m.covariates = make([]robust.Column, len(covariates))
	for k, c := range covariates {
		m.covariates[k].Name = c.Name
	}
	for i, c := range d.Cluster {
		j, ok := index[c]
		if !ok {
			j = len(m.Y)
			index[c] = j
			m.Y, m.size = append(m.Y, 0), append(m.size, 0)
			m.Treated, m.Cluster = append(m.Treated, d.Treated[i]), append(m.Cluster, c)
			if d.Block != nil {
				m.Block = append(m.Block, d.Block[i])
			}
			for k := range m.covariates {
				m.covariates[k].Values = append(m.covariates[k].Values, 0)
			}
		}
		m.size[j]++
		m.Y[j] += d.Y[i]
		for k, col := range covariates {
			m.covariates[k].Values[j] += col.Values[i]
		}
	}
	for j, n := range m.size {
		m.Y[j] /= n
		for k := range m.covariates {
			m.covariates[k].Values[j] /= n
		}
	}
	return m
}

// ClusterMeans compares the means of clusters by an ordinary (or, ByPeople, a
// size-weighted) regression on the arm, with classical standard errors and M − 2
// degrees of freedom: the simplest honest analysis of a trial of schools.
func ClusterMeans(d Data, w Weighting, level float64) (Estimate, error) {
	fail := func(err error) (Estimate, error) { return Estimate{}, fmt.Errorf("compare cluster means: %w", err) }
	if err := d.check(level); err != nil {
		return fail(err)
	}
	if w != ByPeople && w != Equally {
		return fail(fmt.Errorf("weighting %q is not known; use %q or %q", w, ByPeople, Equally))
	}
	if d.Cluster == nil {
		return fail(&DesignError{Design: Clustered, Reason: "no clusters are given"})
	}
	if err := d.checkClusters(Clustered); err != nil {
		return fail(err)
	}
	m := collapse(d, nil)
	data := robust.Data{Y: m.Y, X: []robust.Column{robust.Intercept(len(m.Y)), {Name: "arm", Values: indicator(m.Treated)}}}
	e := Estimate{Method: "means of clusters, unweighted", People: len(d.Y), Clusters: len(m.Y)}
	if w == ByPeople {
		data.Weights, e.Method = m.size, "means of clusters, weighted by people"
	}
	f, err := robust.Least(data)
	if err != nil {
		return fail(err)
	}
	in, err := f.Inference(robust.Classical)
	if err != nil {
		return fail(err)
	}
	e.Value, e.DF, e.DFMethod = f.Beta[1], float64(f.DFResidual), "clusters − 2"
	e, err = finish(e, in.Vcov[1][1], level)
	if err != nil {
		return fail(err)
	}
	return e, nil
}
