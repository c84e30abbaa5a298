package robust

import (
	"errors"
	"fmt"
	"math"
	"sync"

	"evenhand/analysis"
	"evenhand/analysis/internal/dist"
)

// IVData is what two-stage least squares is fitted to.
type IVData struct {
	Y           []float64
	X           []Column // the equation of interest: intercept, what was received, covariates
	Endogenous  []string // the columns of X that are instrumented: what was received
	Instruments []Column // columns besides the others of X that move them: the arm drawn
	Cluster     []int
	Weights     []float64
}

// WeakF is the first-stage F below which an instrument is usually called weak
// (Staiger and Stock, Econometrica 65(3), 1997).
const WeakF = 10

// IV is a fit by two-stage least squares. The embedded Fit is the second
// stage, with residuals y − Xβ of the actual columns, not of the fitted ones;
// its adjustments are built on the projected design.
type IV struct {
	*Fit
	First      []*Fit   // first stage of each endogenous column: covariates, then instruments
	Reduced    *Fit     // outcome on covariates and instruments: intention to treat
	Instrument []string // names of the instruments

	endogenous []string
	data       IVData
	lock       sync.Mutex
	judged     map[Variance]*stages
}

// stages are the reduced form and the first stages judged: they share a design,
// and what a variance estimator makes of it.
type stages struct {
	reduced *Inference
	first   []*Inference
}

// stages judges them, once for each estimator.
func (iv *IV) stages(v Variance) (*stages, error) {
	iv.lock.Lock()
	defer iv.lock.Unlock()
	if s := iv.judged[v]; s != nil {
		return s, nil
	}
	reduced, err := iv.Reduced.Inference(v)
	if err != nil {
		return nil, err
	}
	s := &stages{reduced: reduced}
	for _, f := range iv.First {
		first, err := reduced.onSame(f)
		if err != nil {
			return nil, err
		}
		s.first = append(s.first, first)
	}
	if iv.judged == nil {
		iv.judged = map[Variance]*stages{}
	}
	iv.judged[v] = s
	return s, nil
}

// TwoStage fits by two-stage least squares.
func TwoStage(d IVData) (*IV, error) {
	iv, err := twoStage(d)
	if err != nil {
		return nil, fmt.Errorf("fit by two-stage least squares: %w", err)
	}
	return iv, nil
}

func twoStage(d IVData) (*IV, error) {
	isEndogenous := map[string]bool{}
	for _, e := range d.Endogenous {
		isEndogenous[e] = true
	}
	if len(d.Endogenous) == 0 {
		return nil, errors.New("no column is instrumented; fit by least squares instead")
	}
	if len(d.Instruments) < len(d.Endogenous) {
		return nil, fmt.Errorf("%d instruments for %d instrumented columns; there must be at least as many", len(d.Instruments), len(d.Endogenous))
	}
	var z []Column
	found := 0
	for _, c := range d.X {
		if isEndogenous[c.Name] {
			found++
			if len(c.Values) > 0 && constant(c.Values) {
				return nil, fmt.Errorf("column %q, what was received, is the same for everybody; there is no compliance to study", c.Name)
			}
			continue
		}
		z = append(z, c)
	}
	if found != len(isEndogenous) || found != len(d.Endogenous) {
		return nil, fmt.Errorf("instrumented columns %q: each must be one column of the design, named once", d.Endogenous)
	}
	iv := &IV{endogenous: d.Endogenous, data: d}
	for _, c := range d.Instruments {
		z = append(z, c)
		iv.Instrument = append(iv.Instrument, c.Name)
	}
	stage, err := prepare(Data{Y: d.Y, X: z, Cluster: d.Cluster, Weights: d.Weights})
	if err == nil {
		iv.Reduced, err = stage.fit()
	}
	if err != nil {
		return nil, fmt.Errorf("outcome on instruments: fit linear model: %w", err)
	}
	main, err := prepare(Data{Y: d.Y, X: d.X, Cluster: d.Cluster, Weights: d.Weights})
	if err != nil {
		return nil, err
	}
	projected := make([][]float64, len(d.X))
	for j, c := range d.X {
		projected[j] = append([]float64(nil), main.x[j]...)
		if !isEndogenous[c.Name] {
			continue
		}
		// The first stage is on the reduced form's design, decomposed already.
		own := *stage
		own.y = main.x[j]
		beta, e := iv.Reduced.d.coefficients(own.x, own.y)
		first := own.finish(iv.Reduced.d, beta, e)
		axpy(-1, first.e, projected[j])
		iv.First = append(iv.First, first)
	}
	whole := make([]float64, len(d.X))
	work := make([][]float64, len(d.X))
	for j := range work {
		whole[j] = norm(main.x[j])
		work[j] = append([]float64(nil), projected[j]...)
	}
	dec, err := decompose(main.names, work, whole, "what the instruments leave")
	if err != nil {
		var coll *CollinearError
		if errors.As(err, &coll) && isEndogenous[coll.Column] {
			return nil, fmt.Errorf("the instruments do not move %q at all: %w", coll.Column, err)
		}
		return nil, err
	}
	beta, _ := dec.coefficients(projected, main.y)
	e := append([]float64(nil), main.y...)
	for j, c := range main.x {
		axpy(-beta[j], c, e)
	}
	iv.Fit = main.finish(dec, beta, e)
	iv.Fit.iv = true
	return iv, nil
}

// FirstStage tests that the instruments move the i-th instrumented column, by
// a robust F. A value below WeakF means that the estimate leans towards that
// of ordinary least squares and that its interval is not to be trusted; the
// Anderson-Rubin interval stays valid.
func (iv *IV) FirstStage(i int, v Variance) (FTest, error) {
	s, err := iv.stages(v)
	if err != nil {
		return FTest{}, fmt.Errorf("first stage: %w", err)
	}
	rows, err := iv.First[i].Pick(iv.Instrument...)
	if err != nil {
		return FTest{}, err
	}
	return s.first[i].Naive(rows)
}

// WuHausman tests that least squares would have done: that what was received goes
// with nothing else that moves the outcome. The residuals of the first stages join
// the equation of interest, fitted by least squares, and their coefficients are
// tested to be 0 (Hausman, Econometrica 46(6), 1978). With Classical this is the
// usual test; with CR2 it is HTZ, for rows that are not independent. Where the instruments tell exactly what was received the residuals
// are nothing, and the error is a *CollinearError.
func (iv *IV) WuHausman(v Variance) (FTest, error) {
	d := Data{Y: iv.data.Y, X: append([]Column(nil), iv.data.X...), Cluster: iv.data.Cluster, Weights: iv.data.Weights}
	var names []string
	for i, first := range iv.First {
		name := "residual of " + iv.endogenous[i]
		values := first.Residuals()
		if e, y := norm(values), norm(iv.dataColumn(iv.endogenous[i])); e <= 1e-10*y {
			return FTest{}, fmt.Errorf("Wu-Hausman test: %w", &CollinearError{Column: name})
		}
		names, d.X = append(names, name), append(d.X, Column{name, values})
	}
	fit, err := Least(d)
	if err != nil {
		return FTest{}, fmt.Errorf("Wu-Hausman test: %w", err)
	}
	in, err := fit.Inference(v)
	if err != nil {
		return FTest{}, fmt.Errorf("Wu-Hausman test: %w", err)
	}
	rows, err := fit.Pick(names...)
	if err != nil {
		return FTest{}, err
	}
	if v == CR2 { // few clusters
		return in.HTZ(rows)
	}
	return in.Naive(rows)
}

func (iv *IV) dataColumn(name string) []float64 {
	for _, c := range iv.data.X {
		if c.Name == name {
			return c.Values
		}
	}
	return nil
}

// AndersonRubin is a confidence set that stays valid however weak the
// instrument: all values b for which the instrument does not move y − bD.
type AndersonRubin struct {
	Kind SetKind `json:"kind"`
	// Low and High bound an Interval, and the gap of a Complement; otherwise
	// they are 0.
	Low   float64 `json:"low"`
	High  float64 `json:"high"`
	Level float64 `json:"level"`
	DF    float64 `json:"df"`
}

// SetKind is the shape of a confidence set.
type SetKind string

// The shapes. A weak instrument gives a Complement (everything except between
// Low and High) or a WholeLine: the data then bound the effect on one side, or
// not at all.
const (
	BoundedSet SetKind = "interval"
	Complement SetKind = "outside"
	WholeLine  SetKind = "whole line"
	EmptySet   SetKind = "empty"
)

// Interval is the set as an analysis.Interval; ok is false if it is not one.
func (a AndersonRubin) Interval() (in analysis.Interval, ok bool) {
	return analysis.Interval{Low: a.Low, High: a.High, Level: a.Level, Method: "Anderson-Rubin"}, a.Kind == BoundedSet
}

// AndersonRubin gives the set for one instrumented column and one instrument.
// The instrument's coefficient for y − bD is linear in b and its robust
// variance quadratic, and its degrees of freedom do not depend on b, so that
// the set is the solution of a quadratic inequality: exact, without search.
func (iv *IV) AndersonRubin(v Variance, level float64) (AndersonRubin, error) {
	if len(iv.First) != 1 || len(iv.Instrument) != 1 {
		return AndersonRubin{}, fmt.Errorf("the Anderson-Rubin interval with %d instrumented columns and %d instruments: %w; it is given for one of each", len(iv.First), len(iv.Instrument), ErrUnsupported)
	}
	p, err := iv.ratioParts(v, level)
	if err != nil {
		return AndersonRubin{}, fmt.Errorf("the Anderson-Rubin interval: %w", err)
	}
	t := dist.TCritical(level, p.df)
	a := p.d*p.d - t*t*p.vdd
	b := p.y*p.d - t*t*p.vyd
	c := p.y*p.y - t*t*p.vyy
	out := AndersonRubin{Level: level, DF: p.df}
	disc := b*b - a*c
	switch {
	case a > 0 && disc >= 0:
		out.Kind = BoundedSet
	case a < 0 && disc > 0:
		out.Kind = Complement
	case a > 0:
		out.Kind = EmptySet
	default:
		out.Kind = WholeLine
	}
	if out.Kind == BoundedSet || out.Kind == Complement {
		s := math.Sqrt(disc)
		r1, r2 := (b-s)/a, (b+s)/a
		out.Low, out.High = math.Min(r1, r2), math.Max(r1, r2)
	}
	return out, nil
}

type ratioParts struct{ y, d, vyy, vyd, vdd, df float64 }

// ratioParts are the instrument's coefficients in the reduced form and the
// first stage with their robust covariance.
func (iv *IV) ratioParts(v Variance, level float64) (ratioParts, error) {
	name := iv.Instrument[0]
	s, err := iv.stages(v)
	if err != nil {
		return ratioParts{}, err
	}
	ry, rd := s.reduced, s.first[0]
	cy, err := ry.Coefficient(name, level)
	if err != nil {
		return ratioParts{}, err
	}
	cd, err := rd.Coefficient(name, level)
	if err != nil {
		return ratioParts{}, err
	}
	cov, err := ry.covariance(rd, ry.Fit.Index(name))
	if err != nil {
		return ratioParts{}, err
	}
	return ratioParts{y: cy.Estimate, d: cd.Estimate, vyy: cy.SE * cy.SE, vdd: cd.SE * cd.SE, vyd: cov, df: cy.DF}, nil
}

// covariance is that of coefficient j in two fits of different outcomes on the
// same design.
func (in *Inference) covariance(other *Inference, j int) (float64, error) {
	k := len(in.Fit.Beta)
	meat := zeros(k, k)
	switch {
	case in.parts != nil:
		for i, p := range in.parts {
			addOuter(meat, 1, p.score, other.parts[i].score)
		}
		scaleMatrix(meat, in.Fit.multiplier(in.Variance))
	case in.Variance == Classical:
		meat = identity(k)
		scaleMatrix(meat, dot(in.Fit.e, other.Fit.e)/float64(in.Fit.DFResidual))
	default:
		return 0, fmt.Errorf("covariance of two fits by %s: %w", in.Variance, ErrUnsupported)
	}
	return in.Fit.d.back(meat)[j][j], nil
}

// Bloom is the complier effect as the ratio of the intention-to-treat effect to
// the difference in take-up.
type Bloom struct {
	Estimate   float64 `json:"estimate"`
	Effect     float64 `json:"intention_to_treat"`
	Compliance float64 `json:"compliance"` // difference in take-up that the instrument makes

	// SEIgnoring divides the effect's standard error by the compliance, as if
	// that were known (Bloom, Evaluation Review 8(2), 1984). SEDelta allows for
	// its uncertainty, and with CR0 equals the two-stage standard error exactly.
	SEIgnoring float64 `json:"se_ignoring_first_stage"`
	SEDelta    float64 `json:"se_delta"`
}

// Bloom gives the ratio for one instrumented column and one instrument.
func (iv *IV) Bloom(v Variance) (Bloom, error) {
	if len(iv.First) != 1 || len(iv.Instrument) != 1 {
		return Bloom{}, fmt.Errorf("the ratio of Bloom with %d instrumented columns and %d instruments: %w; it is given for one of each", len(iv.First), len(iv.Instrument), ErrUnsupported)
	}
	p, err := iv.ratioParts(v, 0.95)
	if err != nil {
		return Bloom{}, fmt.Errorf("the ratio of Bloom: %w", err)
	}
	c := p.y / p.d
	return Bloom{Estimate: c, Effect: p.y, Compliance: p.d, SEIgnoring: math.Sqrt(p.vyy) / math.Abs(p.d),
		SEDelta: math.Sqrt(math.Max(0, p.vyy-2*c*p.vyd+c*c*p.vdd)) / math.Abs(p.d)}, nil
}
