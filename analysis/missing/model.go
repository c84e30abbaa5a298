package missing

import (
	"errors"
	"fmt"
	"math"
	"slices"
	"strings"

	"evenhand/analysis"
)

// Kind says what an incomplete variable holds.
type Kind string

// The kinds.
const (
	Continuous Kind = "continuous"
	Binary     Kind = "binary" // 0 or 1
	Factor     Kind = "factor" // 0, 1, … Levels−1, in no order
)

// Variable is an incomplete variable to be imputed, one value a row; a variable
// of schools has the same value, or none, in all rows of a school.
type Variable struct {
	Name     string
	Kind     Kind
	School   bool      // a variable of schools
	Values   []float64 // meaningless where Observed is false
	Observed []bool
	Levels   int      // of a Factor: how many categories, each of which somebody has
	Labels   []string // of a Factor: their names, for traces; nil for numbers
	codes    []int    // ModelOf: the Dataset's codes of the categories
}

// latents is how many latent variables stand for the variable.
func (v Variable) latents() int {
	if v.Kind == Factor {
		return v.Levels - 1
	}
	return 1
}

// latentName names one of them: a category against the first.
func (v Variable) latentName(category int) string {
	if v.Kind != Factor {
		return v.Name
	}
	if category < len(v.Labels) {
		return v.Name + ": " + v.Labels[category]
	}
	return fmt.Sprintf("%s: %d", v.Name, category)
}

// Predictor is a complete column that helps to impute: the arm, covariates,
// strata as dummies, interactions of these. The intercept is added.
type Predictor struct {
	Name   string
	Values []float64
	// Coarse leaves the predictor out of the models of categorical variables, which
	// then differ by it through their schools' effects: a stratum of which nobody
	// has a rare category would have no coefficient there.
	Coarse bool
}

// Model is an imputation model and how it is run.
type Model struct {
	Incomplete []Variable
	Predictors []Predictor
	Cluster    []int // school of each row, any whole numbers

	// ByArm, if not nil, gives the arm of each row and has each arm imputed by a
	// model of its own, so that every association may differ between arms. The
	// arm is then not among the predictors.
	ByArm []int

	Imputations int    // 0 means 20
	BurnIn      int    // iterations thrown away at the start of each chain; 0 means 1000
	Between     int    // iterations between imputations of a chain; 0 means 100
	Chains      int    // 0 means 2; the imputations are shared out among them
	Seed        uint64 // of the streams, one a chain and arm

	// Prior is nil for the default: inverse Wishart for both covariance matrices
	// with as many degrees of freedom as they have rows, and guesses of 0.85
	// (pupils) and 0.15 (schools) of each variable's variance.
	Prior *Prior
}

// Prior is the inverse Wishart prior of the two covariance matrices, as sums of
// squares: the inverse of pupils' matrix is Wishart with DFPupil degrees of
// freedom and scale the inverse of a diagonal matrix of Pupil, so that Pupil over
// DFPupil is a guess of the variances. In the units of the variables; a binary
// variable's latent residual has variance 1 at pupil level, so that Pupil is not
// used for it.
type Prior struct {
	DFPupil, DFSchool float64
	Pupil, School     []float64 // one an incomplete variable, in their order; Pupil is not used for variables of schools
}

// Errors of imputation.
var (
	ErrNothingMissing = errors.New("nothing is missing")
	ErrNoVariation    = errors.New("the observed values do not vary")
	ErrIdentifier     = errors.New("it looks like an identifier, and an identifier cannot be imputed")
	ErrAllMissing     = errors.New("no value is observed")
)

// mostLevels is how many categories an incomplete factor may have: one with more
// is a list of names, or nearly so.
const mostLevels = 12

// largest is the size beyond which a number is taken for a mistake: its square and
// cube must still be numbers.
const largest = 1e100

func (m Model) defaults() Model {
	if m.Imputations == 0 {
		m.Imputations = 20
	}
	if m.BurnIn == 0 {
		m.BurnIn = 1000
	}
	if m.Between == 0 {
		m.Between = 100
	}
	if m.Chains == 0 {
		m.Chains = 2
	}
	m.Chains = min(m.Chains, m.Imputations)
	return m
}

func (m Model) check() error {
	var faults []error
	say := func(format string, a ...any) { faults = append(faults, fmt.Errorf(format, a...)) }
	n := len(m.Cluster)
	if n == 0 {
		return errors.New("there are no rows")
	}
	if len(m.Incomplete) == 0 {
		return ErrNothingMissing
	}
	if m.Imputations < 2 || m.BurnIn < 1 || m.Between < 1 || m.Chains < 1 || m.Imputations > 10_000 {
		say("%d imputations, %d burn-in, %d between, %d chains: there must be at least 2 imputations and 1 of each other", m.Imputations, m.BurnIn, m.Between, m.Chains)
	}
	if m.ByArm != nil && len(m.ByArm) != n {
		say("%d arms for %d rows", len(m.ByArm), n)
	}
	seen := map[string]bool{}
	pupilLevel, lost := false, false
	for _, v := range m.Incomplete {
		bad := func(format string, a ...any) {
			say("variable %q: %w", v.Name, fmt.Errorf(format, a...))
		}
		if seen[v.Name] {
			bad("it is given twice")
		}
		seen[v.Name] = true
		if len(v.Values) != n || len(v.Observed) != n {
			bad("it has %d values and %d marks of observation for %d rows", len(v.Values), len(v.Observed), n)
			continue
		}
		if v.Kind != Continuous && v.Kind != Binary && v.Kind != Factor {
			bad("its kind %q is not known; use %q, %q or %q", v.Kind, Continuous, Binary, Factor)
		}
		if v.Kind == Factor && (v.Levels < 2 || v.Levels > mostLevels) {
			bad("it has %d categories; a factor has 2 to %d", v.Levels, mostLevels)
			continue
		}
		have := make([]bool, max(v.Levels, 0))
		pupilLevel = pupilLevel || !v.School
		first, varies, observed := 0.0, false, 0
		for i, ok := range v.Observed {
			if !ok {
				lost = true
				continue
			}
			x := v.Values[i]
			if !(math.Abs(x) <= largest) {
				bad("row %d is %v, not a number that can be reckoned with; mark it as not observed", i+1, x)
				break
			}
			if v.Kind == Binary && x != 0 && x != 1 {
				bad("row %d is %v, and a binary variable is 0 or 1", i+1, x)
				break
			}
			if v.Kind == Factor {
				if x != math.Trunc(x) || x < 0 || x >= float64(v.Levels) {
					bad("row %d is %v, and its categories are numbered 0 to %d", i+1, x, v.Levels-1)
					break
				}
				have[int(x)] = true
			}
			if observed == 0 {
				first = x
			}
			varies = varies || x != first
			observed++
		}
		switch {
		case observed == 0:
			bad("%w", ErrAllMissing)
		case !varies:
			bad("%w; a constant tells an imputation nothing", ErrNoVariation)
		case v.Kind == Factor && slices.Contains(have, false):
			bad("nobody is seen with category %d; leave the category out", slices.Index(have, false))
		case v.Kind != Factor && !v.School && isIdentifier(v.Values, v.Observed):
			bad("%w; every value is a different whole number", ErrIdentifier)
		}
		if m.ByArm != nil && len(m.ByArm) == n {
			m.eachArmObserved(v, bad)
		}
	}
	for _, p := range m.Predictors {
		if seen[p.Name] {
			say("predictor %q: the name is taken already", p.Name)
		}
		seen[p.Name] = true
		if len(p.Values) != n {
			say("predictor %q: it has %d values for %d rows", p.Name, len(p.Values), n)
			continue
		}
		for i, x := range p.Values {
			if !(math.Abs(x) <= largest) {
				say("predictor %q: row %d is %v; predictors are complete, ordinary numbers", p.Name, i+1, x)
				break
			}
		}
	}
	if !pupilLevel {
		say("no variable of pupils is incomplete; variables of schools are imputed along with those of pupils")
	}
	if !lost {
		faults = append(faults, ErrNothingMissing)
	}
	if p := m.Prior; p != nil {
		if !(p.DFPupil > 0) || !(p.DFSchool > 0) || len(p.Pupil) != len(m.Incomplete) || len(p.School) != len(m.Incomplete) {
			say("the prior has %v and %v degrees of freedom and %d and %d sums of squares for %d variables; both must be positive and there must be one sum a variable", p.DFPupil, p.DFSchool, len(p.Pupil), len(p.School), len(m.Incomplete))
		} else {
			for i := range p.Pupil {
				if !(p.Pupil[i] > 0) || !(p.School[i] > 0) {
					say("the prior's sums of squares for %q are %v and %v; they must be positive", m.Incomplete[i].Name, p.Pupil[i], p.School[i])
				}
			}
		}
	}
	return errors.Join(faults...)
}

func (m Model) eachArmObserved(v Variable, bad func(string, ...any)) {
	type range_ struct{ low, high float64 }
	arms := map[int]*range_{}
	for i, a := range m.ByArm {
		r := arms[a]
		if r == nil {
			r = &range_{math.Inf(1), math.Inf(-1)}
			arms[a] = r
		}
		if v.Observed[i] {
			r.low, r.high = min(r.low, v.Values[i]), max(r.high, v.Values[i])
		}
	}
	for a, r := range arms {
		switch {
		case r.low > r.high:
			bad("arm %d: %w", a, ErrAllMissing)
		case r.low == r.high:
			bad("arm %d: %w", a, ErrNoVariation)
		}
	}
}

// isIdentifier says whether fifty or more observed values are all different whole
// numbers, which no score or count of pupils is.
func isIdentifier(values []float64, observed []bool) bool {
	var x []float64
	for i, ok := range observed {
		if ok {
			if values[i] != math.Trunc(values[i]) {
				return false
			}
			x = append(x, values[i])
		}
	}
	slices.Sort(x)
	return len(x) >= 50 && len(slices.Compact(x)) == len(x)
}

// ModelOf makes the imputation model of a Dataset: the outcome and every
// incomplete covariate are imputed; complete covariates, the strata and (unless
// byArm) the arms are predictors. Complete factors enter as dummies against their
// first level, incomplete ones are imputed as factors of the levels that somebody
// has. What never differs within a school is a variable of schools. Columns that
// add nothing to those before them, such as the dummy of a stratum without
// rows, are left out and named in dropped. interactions names covariates whose
// associations may differ between the arms: the products of their predictors with
// the arms' dummies are predictors too. A covariate with gaps has no product,
// since it is imputed and predicts nothing; it is named in dropped.
func ModelOf(d *analysis.Dataset, byArm bool, interactions ...string) (m Model, dropped []string, err error) {
	n := len(d.Arm)
	if len(d.Outcome) != n || len(d.Observed) != n || len(d.Cluster) != n {
		return Model{}, nil, fmt.Errorf("imputation model: %d rows with %d outcomes, %d marks of observation, %d schools: there must be one of each", n, len(d.Outcome), len(d.Observed), len(d.Cluster))
	}
	m.Cluster = d.Cluster
	outcome := Variable{Name: OutcomeName, Kind: kindOf(d.Outcome, d.Observed), Values: d.Outcome, Observed: d.Observed}
	m.Incomplete = append(m.Incomplete, outcome)
	var candidates []Predictor
	dummy := func(name string, codes []int, level int) {
		v := make([]float64, n)
		for i, c := range codes {
			if c == level {
				v[i] = 1
			}
		}
		candidates = append(candidates, Predictor{Name: name, Values: v})
	}
	if byArm {
		m.ByArm = d.Arm
	} else {
		for a := range d.Arms {
			if a != d.Control {
				dummy(ArmPredictor(d.Arms[a]), d.Arm, a)
			}
		}
	}
	for _, c := range d.Covariates {
		complete := true
		for i := range n {
			complete = complete && (c.Observed == nil || c.Observed[i])
		}
		switch {
		case c.Levels == nil && complete:
			candidates = append(candidates, Predictor{Name: c.Name, Values: c.Values})
		case c.Levels == nil:
			v := Variable{Name: c.Name, Kind: kindOf(c.Values, c.Observed), Values: c.Values, Observed: c.Observed}
			v.School = constantWithin(c.Values, c.Observed, d.Cluster)
			m.Incomplete = append(m.Incomplete, v)
		case complete:
			for l := 1; l < len(c.Levels); l++ {
				dummy(c.Name+": "+c.Levels[l], c.Codes, l)
			}
		default:
			m.Incomplete = append(m.Incomplete, factorOf(c, d.Cluster))
		}
	}
	if d.Stratum != nil {
		for s := 1; s < len(d.Strata); s++ {
			dummy(StratumPrefix+d.Strata[s], d.Stratum, s)
			candidates[len(candidates)-1].Coarse = true
		}
	}
	for _, name := range interactions {
		at := slices.IndexFunc(d.Covariates, func(c analysis.Column) bool { return c.Name == name })
		if byArm || at < 0 {
			return Model{}, nil, fmt.Errorf("imputation model: an interaction with %q: it must be a covariate, in a model of all arms together", name)
		}
		if slices.ContainsFunc(m.Incomplete, func(v Variable) bool { return v.Name == name }) {
			dropped = append(dropped, name)
			continue
		}
		for _, p := range slices.Clone(candidates) {
			if p.Name != name && !(d.Covariates[at].Levels != nil && strings.HasPrefix(p.Name, name+": ")) {
				continue
			}
			for a := range d.Arms {
				if a != d.Control {
					arm := slices.IndexFunc(candidates, func(p Predictor) bool { return p.Name == ArmPredictor(d.Arms[a]) })
					candidates = append(candidates, Interaction(candidates[arm], p))
				}
			}
		}
	}
	var same []string
	m.Predictors, same = independent(candidates, n)
	return m, append(dropped, same...), nil
}

// factorOf is an incomplete factor with the levels that somebody has: binary if
// there are two.
func factorOf(c analysis.Column, cluster []int) Variable {
	seen := make([]bool, len(c.Levels))
	for i, code := range c.Codes {
		if c.Observed[i] {
			seen[code] = true
		}
	}
	v := Variable{Name: c.Name, Kind: Factor, Observed: c.Observed, Values: make([]float64, len(c.Codes))}
	place := make([]int, len(c.Levels))
	for l, ok := range seen {
		if ok {
			place[l] = len(v.codes)
			v.codes, v.Labels = append(v.codes, l), append(v.Labels, c.Levels[l])
		}
	}
	v.Levels = len(v.codes)
	if v.Levels <= 2 {
		v.Kind = Binary
	}
	for i, code := range c.Codes {
		if c.Observed[i] {
			v.Values[i] = float64(place[code])
		}
	}
	v.School = constantWithin(v.Values, v.Observed, cluster)
	return v
}

// Interaction is the product of two predictors, so that an association may differ
// by the second.
func Interaction(a, b Predictor) Predictor {
	p := Predictor{Name: a.Name + " × " + b.Name, Values: make([]float64, len(a.Values))}
	for i := range p.Values {
		p.Values[i] = a.Values[i] * b.Values[i]
	}
	return p
}

// OutcomeName is the name of the outcome among the variables of ModelOf.
const OutcomeName = "(outcome)"

// StratumPrefix begins the name of a stratum's dummy in ModelOf.
const StratumPrefix = "stratum: "

// ArmPredictor is the name of an arm's dummy in ModelOf.
func ArmPredictor(arm string) string { return "arm: " + arm }

func kindOf(values []float64, observed []bool) Kind {
	for i, v := range values {
		if (observed == nil || observed[i]) && v != 0 && v != 1 {
			return Continuous
		}
	}
	return Binary
}

func constantWithin(values []float64, observed []bool, cluster []int) bool {
	seen := map[int]float64{}
	rows := 0
	for i, c := range cluster {
		if observed != nil && !observed[i] {
			continue
		}
		rows++
		if v, ok := seen[c]; ok && v != values[i] {
			return false
		}
		seen[c] = values[i]
	}
	return rows >= 2*len(seen)
}

// independent leaves out columns that are combinations of an intercept and those
// before them.
func independent(candidates []Predictor, n int) (kept []Predictor, dropped []string) {
	basis := [][]float64{make([]float64, n)}
	for i := range basis[0] {
		basis[0][i] = 1 / math.Sqrt(float64(n))
	}
	for _, c := range candidates {
		v := append([]float64(nil), c.Values...)
		before := math.Sqrt(dot(v, v))
		for range 2 {
			for _, b := range basis {
				s := dot(b, v)
				for i := range v {
					v[i] -= s * b[i]
				}
			}
		}
		after := math.Sqrt(dot(v, v))
		if !(after > 1e-9*before) {
			dropped = append(dropped, c.Name)
			continue
		}
		for i := range v {
			v[i] /= after
		}
		basis = append(basis, v)
		kept = append(kept, c)
	}
	return kept, dropped
}
