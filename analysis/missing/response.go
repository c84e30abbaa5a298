package missing

import (
	"errors"
	"fmt"
	"math"

	"evenhand/analysis"
	"evenhand/analysis/internal/dist"
	"evenhand/analysis/mixed"
)

// Logistic is a logistic regression fitted by maximum likelihood: here, of being
// observed (or lost) on what was known at baseline.
type Logistic struct {
	Terms  []LogisticTerm `json:"terms"`
	Fitted []float64      `json:"-"` // probabilities, one a row
	Rows   int            `json:"rows"`
	Events int            `json:"events"` // rows with the response
	// LogLikelihood at the estimate, and of the model with the intercept alone.
	LogLikelihood float64 `json:"log_likelihood"`
	Null          float64 `json:"log_likelihood_null"`
	Iterations    int     `json:"iterations"`
}

// LogisticTerm is one coefficient on the log-odds scale.
type LogisticTerm struct {
	Name     string            `json:"term"`
	Estimate float64           `json:"estimate"`
	SE       float64           `json:"se"`         // model-based: rows independent
	Robust   float64           `json:"se_robust"`  // by school (CR1); 0 without clusters, or where schools do not vary
	P        float64           `json:"p"`          // by Robust and M − 1 degrees of freedom, or by SE and the normal
	Odds     float64           `json:"odds_ratio"` //
	Interval analysis.Interval `json:"interval"`   // of the estimate
}

// SeparationError says that a response is predicted perfectly.
type SeparationError struct {
	Columns []string // whose coefficients grow without end
}

// Error names the columns.
func (e *SeparationError) Error() string {
	const most = 5
	names, more := e.Columns, ""
	if len(names) > most {
		names, more = names[:most], fmt.Sprintf(" and %d more columns", len(names)-most)
	}
	return fmt.Sprintf("who is observed is predicted perfectly by %q%s, so its coefficient has no finite value; leave it out or join its levels", names, more)
}

// ErrSameResponse says that everybody, or nobody, has the response.
var ErrSameResponse = errors.New("the response is the same in every row")

// FitLogistic regresses a response on an intercept and columns, by Newton's
// method. cluster may be nil; with it, standard errors robust to schools are
// given too. level is that of the intervals.
func FitLogistic(response []bool, columns []Predictor, cluster []int, level float64) (*Logistic, error) {
	f, err := fitLogistic(response, columns, cluster, level)
	if err != nil {
		return nil, fmt.Errorf("logistic regression: %w", err)
	}
	return f, nil
}

func fitLogistic(response []bool, columns []Predictor, cluster []int, level float64) (*Logistic, error) {
	n := len(response)
	var faults []error
	if !(level > 0 && level < 1) {
		faults = append(faults, fmt.Errorf("a confidence level of %v is not between 0 and 1", level))
	}
	if cluster != nil && len(cluster) != n {
		faults = append(faults, fmt.Errorf("%d schools for %d rows", len(cluster), n))
	}
	events := 0
	for _, r := range response {
		if r {
			events++
		}
	}
	if events == 0 || events == n {
		faults = append(faults, ErrSameResponse)
	}
	for _, c := range columns {
		if len(c.Values) != n {
			faults = append(faults, fmt.Errorf("column %q has %d values for %d rows", c.Name, len(c.Values), n))
			continue
		}
		for i, v := range c.Values {
			if !(math.Abs(v) <= largest) {
				faults = append(faults, fmt.Errorf("column %q: row %d is %v", c.Name, i+1, v))
				break
			}
		}
	}
	if err := errors.Join(faults...); err != nil {
		return nil, err
	}
	if _, dropped := independent(columns, n); len(dropped) > 0 {
		return nil, fmt.Errorf("columns %q say nothing that those before them do not say already; leave them out", dropped)
	}
	// Standardised columns keep the Newton steps sane.
	k := 1 + len(columns)
	x := make([][]float64, k)
	means, scales := make([]float64, k), make([]float64, k)
	x[0] = make([]float64, n)
	for i := range x[0] {
		x[0][i] = 1
	}
	for c, col := range columns {
		x[c+1] = append([]float64(nil), col.Values...)
		means[c+1], scales[c+1] = standardise(x[c+1], nil)
	}
	beta := make([]float64, k)
	share := float64(events) / float64(n)
	beta[0] = math.Log(share / (1 - share))
	f := &Logistic{Rows: n, Events: events, Fitted: make([]float64, n), Null: float64(events)*math.Log(share) + float64(n-events)*math.Log(1-share)}
	likelihood := func(b []float64) float64 {
		l := 0.0
		for i := range n {
			eta := 0.0
			for j := range k {
				eta += b[j] * x[j][i]
			}
			if !response[i] {
				eta = -eta
			}
			if eta > 0 {
				l -= math.Log1p(math.Exp(-eta))
			} else {
				l += eta - math.Log1p(math.Exp(eta))
			}
		}
		return l
	}
	info := make([]float64, k*k)
	score := make([]float64, k)
	evaluate := func() {
		clear(info)
		clear(score)
		for i := range n {
			eta := 0.0
			for j := range k {
				eta += beta[j] * x[j][i]
			}
			p := 1 / (1 + math.Exp(-eta))
			f.Fitted[i] = p
			r := -p
			if response[i] {
				r = 1 - p
			}
			w := p * (1 - p)
			for a := range k {
				score[a] += r * x[a][i]
				for b := range a + 1 {
					info[a*k+b] += w * x[a][i] * x[b][i]
				}
			}
		}
		for a := range k {
			for b := range a {
				info[b*k+a] = info[a*k+b]
			}
		}
	}
	current := likelihood(beta)
	separated := func() error {
		e := &SeparationError{}
		for j := 1; j < k; j++ {
			if math.Abs(beta[j]) > 8 {
				e.Columns = append(e.Columns, columns[j-1].Name)
			}
		}
		if e.Columns == nil {
			for j := 1; j < k; j++ {
				e.Columns = append(e.Columns, columns[j-1].Name)
			}
		}
		return e
	}
	settled := false
	for f.Iterations = 1; f.Iterations <= 100; f.Iterations++ {
		evaluate()
		l := append([]float64(nil), info...)
		if !cholesky(l, k) {
			return nil, separated()
		}
		step := append([]float64(nil), score...)
		forward(l, k, step)
		backward(l, k, step)
		size := 0.0
		for j, s := range step {
			size = math.Max(size, math.Abs(s)/(1+math.Abs(beta[j])))
		}
		next := make([]float64, k)
		for factor := 1.0; ; factor /= 2 {
			for j := range next {
				next[j] = beta[j] + factor*step[j]
			}
			if v := likelihood(next); v >= current-1e-9 || factor < 1e-6 {
				current = v
				break
			}
		}
		copy(beta, next)
		for j := 1; j < k; j++ {
			if math.Abs(beta[j]) > 30 {
				return nil, separated()
			}
		}
		if size < 1e-13 || settled && size < 1e-9 {
			settled = true
			break
		}
		settled = size < 1e-9
	}
	if !settled || current > -1e-6 {
		return nil, separated()
	}
	evaluate()
	f.LogLikelihood = current
	vcov, ok := invert(info, k)
	if !ok {
		return nil, separated()
	}
	for j := range k { // columns are standardised: no finite coefficient is this vague
		if !(vcov[j*k+j] < 1e6) {
			return nil, separated()
		}
	}
	// Back to the columns' own units: b_j = β_j/s_j, b_0 = β_0 − Σ β_j m_j/s_j.
	back := make([]float64, k*k)
	back[0] = 1
	for j := 1; j < k; j++ {
		back[j*k+j] = 1 / scales[j]
		back[j] = -means[j] / scales[j]
	}
	robust, clusters := []float64(nil), 0
	if cluster != nil {
		robust, clusters = sandwich(x, response, f.Fitted, cluster, vcov, k)
	}
	own := congruence(back, vcov, k)
	var byCluster []float64
	if clusters > 1 {
		byCluster = congruence(back, robust, k)
	}
	for j := range k {
		t := LogisticTerm{Name: "(Intercept)"}
		if j > 0 {
			t.Name = columns[j-1].Name
		}
		for i := range k {
			t.Estimate += back[j*k+i] * beta[i]
		}
		t.SE = math.Sqrt(own[j*k+j])
		se, df, method := t.SE, math.Inf(1), "normal, model-based standard error"
		if byCluster != nil && byCluster[j*k+j] > 1e-12*own[j*k+j] { // scores that cancel in every school say nothing
			t.Robust = math.Sqrt(byCluster[j*k+j])
			se, df, method = t.Robust, float64(clusters-1), "t, standard error robust to schools (CR1), schools − 1 degrees of freedom"
		}
		if se > 0 {
			t.P = dist.TTwoSided(t.Estimate/se, df)
		}
		t.Odds = math.Exp(t.Estimate)
		half := dist.TCritical(level, df) * se
		t.Interval = analysis.Interval{Low: t.Estimate - half, High: t.Estimate + half, Level: level, Method: method}
		f.Terms = append(f.Terms, t)
	}
	return f, nil
}

// sandwich is V [Σ_j s_j s_j'] V × M/(M−1), with s_j a school's score.
func sandwich(x [][]float64, response []bool, fitted []float64, cluster []int, v []float64, k int) ([]float64, int) {
	scores := map[int][]float64{}
	var order []int
	for i, c := range cluster {
		s := scores[c]
		if s == nil {
			s = make([]float64, k)
			scores[c] = s
			order = append(order, c)
		}
		r := -fitted[i]
		if response[i] {
			r = 1 - fitted[i]
		}
		for j := range k {
			s[j] += r * x[j][i]
		}
	}
	meat := make([]float64, k*k)
	for _, c := range order {
		s := scores[c]
		for a := range k {
			for b := range k {
				meat[a*k+b] += s[a] * s[b]
			}
		}
	}
	m := float64(len(order))
	for i := range meat {
		meat[i] *= m / (m - 1)
	}
	return congruence(v, meat, k), len(order)
}

// congruence is A M A'.
func congruence(a, m []float64, k int) []float64 {
	am, out := make([]float64, k*k), make([]float64, k*k)
	for i := range k {
		for j := range k {
			for l := range k {
				am[i*k+j] += a[i*k+l] * m[l*k+j]
			}
		}
	}
	for i := range k {
		for j := range k {
			for l := range k {
				out[i*k+j] += am[i*k+l] * a[j*k+l]
			}
		}
	}
	return out
}

// Weights are inverse probability weights of those observed.
type Weights struct {
	Weight []float64 `json:"-"` // one a row; 0 where not observed
	Sum    float64   `json:"sum"`
	Max    float64   `json:"max"`
	// EffectiveN is (Σw)²/Σw²: as many people of equal weight would say as much.
	EffectiveN float64   `json:"effective_n"`
	Model      *Logistic `json:"model"`
}

// InverseWeights models being observed on columns and weights those observed by
// one over their probability; with stabilise, times the share observed of
// their arm, which leaves the estimate nearly alone and makes weights smaller.
// The weights are meant for robust.Least with CR2 by school, as if they were
// known, which is usually conservative.
func InverseWeights(observed []bool, columns []Predictor, cluster []int, arm []int, stabilise bool) (Weights, error) {
	f, err := FitLogistic(observed, columns, cluster, 0.95)
	if err != nil {
		return Weights{}, fmt.Errorf("inverse probability weights: %w", err)
	}
	if stabilise && len(arm) != len(observed) {
		return Weights{}, fmt.Errorf("inverse probability weights: %d arms for %d rows", len(arm), len(observed))
	}
	w := Weights{Weight: make([]float64, len(observed)), Model: f}
	share := map[int][2]float64{}
	if stabilise {
		for i, a := range arm {
			s := share[a]
			s[1]++
			if observed[i] {
				s[0]++
			}
			share[a] = s
		}
	}
	squares := 0.0
	for i, o := range observed {
		if !o {
			continue
		}
		v := 1 / f.Fitted[i]
		if stabilise {
			s := share[arm[i]]
			v *= s[0] / s[1]
		}
		w.Weight[i] = v
		w.Sum += v
		squares += v * v
		w.Max = math.Max(w.Max, v)
	}
	w.EffectiveN = w.Sum * w.Sum / squares
	return w, nil
}

// DropOut is the model of who was lost: a logistic regression with a random
// intercept for the school, and the same without, whose standard errors are robust
// to schools.
type DropOut struct {
	Random      *mixed.Logistic   // adaptive quadrature
	RandomTerms []mixed.Inference // its coefficients, in the order of the columns, intercept first
	Marginal    *Logistic
}

// quadrature is the number of points for the school effects of DropOut.
const quadrature = 15

// FitDropOut models who was lost on what was known of them at baseline: the arm,
// covariates, interactions.
func FitDropOut(lost []bool, columns []Predictor, cluster []int, level float64) (*DropOut, error) {
	fixed, err := FitLogistic(lost, columns, cluster, level)
	if err != nil {
		return nil, fmt.Errorf("drop-out model: %w", err)
	}
	if len(cluster) != len(lost) {
		return nil, fmt.Errorf("drop-out model: %d schools for %d rows", len(cluster), len(lost))
	}
	d := &mixed.Data{Outcome: "lost", Y: make([]float64, len(lost)), Columns: []mixed.Column{{Name: mixed.Intercept}}}
	for i, l := range lost {
		if l {
			d.Y[i] = 1
		}
	}
	for _, c := range columns {
		d.Columns = append(d.Columns, mixed.Column{Name: c.Name, Values: c.Values})
	}
	index := map[int]int{}
	groups := make([]int, len(cluster))
	for i, c := range cluster {
		g, ok := index[c]
		if !ok {
			g = len(index)
			index[c] = g
		}
		groups[i] = g
	}
	d.Levels = []mixed.Level{{Name: "school", Index: groups}}
	random, err := mixed.NewLogistic(d, quadrature)
	if err != nil {
		return nil, fmt.Errorf("drop-out model with school effects: %w", err)
	}
	out := &DropOut{Random: random, Marginal: fixed}
	for _, c := range random.Coefficients {
		t, err := random.Test(c.Name, level)
		if err != nil {
			return nil, fmt.Errorf("drop-out model with school effects: %w", err)
		}
		out.RandomTerms = append(out.RandomTerms, t)
	}
	return out, nil
}
