package permute

import (
	"errors"
	"fmt"
	"math"
)

// Kind says which statistic of a linear model is compared between redraws.
type Kind string

// The statistics of a linear model of the pupils.
const (
	Difference  Kind = "difference"  // the arm's adjusted coefficient
	Studentised Kind = "studentised" // the coefficient over its cluster-robust (CR0) standard error
	EffectSize  Kind = "effect size" // the coefficient over the model's residual SD
)

// Linear is the arm's coefficient in a least-squares model of the rows, adjusted
// for columns that the draw does not change. Only sums of each unit are kept:
// a redraw costs units × columns² whatever the number of pupils.
type Linear struct {
	kind  Kind
	units int
	k     int
	n     []float64   // rows (or total weight) of each unit
	x     [][]float64 // sum of the columns over each unit, in the basis that makes X'X the identity
	g     [][]float64 // their cross-products, k × k, by unit; only for Studentised
	ry    []float64   // sum of what the columns leave of the outcome
	rz    []float64   // the same of the indicator as drawn
	xy    [][]float64 // X'ry over each unit; only for Studentised
	xz    [][]float64
	yy    float64 // sums of squares and products of what is left of outcome and indicator
	yz    float64
	zz    float64
	df    float64 // rows − columns − 1
}

// NewLinear prepares a model of rows: outcome y, columns x that the draw does
// not change (an intercept among them, if one is wanted; strata as dummies),
// unit of each row, and the allocation as drawn. Weights may be nil. Columns
// that say nothing new are an error. For plain means of units (a "unit-level"
// analysis) give one row a unit.
func NewLinear(kind Kind, y []float64, x [][]float64, unit []int, weights []float64, drawn []bool) (*Linear, error) {
	l, err := newLinear(kind, y, x, unit, weights, drawn)
	if err != nil {
		return nil, fmt.Errorf("prepare the %s of a linear model: %w", kind, err)
	}
	return l, nil
}

func newLinear(kind Kind, y []float64, x [][]float64, unit []int, weights []float64, drawn []bool) (*Linear, error) {
	rows, k, units := len(y), len(x), len(drawn)
	if kind != Difference && kind != Studentised && kind != EffectSize {
		return nil, fmt.Errorf("it is not known; use %q, %q or %q", Difference, Studentised, EffectSize)
	}
	if rows <= k+1 || len(unit) != rows || weights != nil && len(weights) != rows || units < 2 {
		return nil, fmt.Errorf("%d rows, %d columns, %d unit labels, %d units: there must be more rows than columns and a unit for each", rows, k, len(unit), units)
	}
	root := func(i int) float64 {
		if weights == nil {
			return 1
		}
		return math.Sqrt(weights[i])
	}
	z := make([]float64, rows)
	yw := make([]float64, rows)
	for i, u := range unit {
		if u < 0 || u >= units {
			return nil, fmt.Errorf("row %d is of unit %d, and there are %d units", i+1, u, units)
		}
		if weights != nil && !(weights[i] > 0) {
			return nil, fmt.Errorf("row %d has weight %v; a weight is positive", i+1, weights[i])
		}
		if math.IsNaN(y[i]) || math.IsInf(y[i], 0) {
			return nil, fmt.Errorf("row %d has outcome %v, not a finite number", i+1, y[i])
		}
		yw[i] = y[i] * root(i)
		if drawn[u] {
			z[i] = root(i)
		}
	}
	// Orthonormal columns by two rounds of Gram-Schmidt.
	q := make([][]float64, k)
	for j, c := range x {
		if len(c) != rows {
			return nil, fmt.Errorf("column %d has %d values for %d rows", j+1, len(c), rows)
		}
		v := make([]float64, rows)
		for i := range v {
			v[i] = c[i] * root(i)
		}
		before := norm(v)
		for range 2 {
			for _, p := range q[:j] {
				axpy(-dot(p, v), p, v)
			}
		}
		after := norm(v)
		if !(after > 1e-11*before) {
			return nil, fmt.Errorf("column %d says nothing that those before it do not say already", j+1)
		}
		for i := range v {
			v[i] /= after
		}
		q[j] = v
	}
	left := func(v []float64) []float64 {
		out := append([]float64(nil), v...)
		for range 2 {
			for _, p := range q {
				axpy(-dot(p, out), p, out)
			}
		}
		return out
	}
	ry, rz := left(yw), left(z)
	l := &Linear{kind: kind, units: units, k: k, n: make([]float64, units), x: table(units, k), ry: make([]float64, units), rz: make([]float64, units),
		yy: dot(ry, ry), yz: dot(ry, rz), zz: dot(rz, rz), df: float64(rows - k - 1)}
	if !(l.yy > 1e-22*dot(yw, yw)) {
		return nil, errors.New("the columns explain the outcome entirely")
	}
	if kind == Studentised {
		l.g, l.xy, l.xz = table(units, k*k), table(units, k), table(units, k)
	}
	for i, u := range unit {
		r := root(i)
		l.n[u] += r * r
		l.ry[u] += r * ry[i]
		l.rz[u] += r * rz[i]
		for j := range q {
			l.x[u][j] += r * q[j][i]
			if kind == Studentised {
				l.xy[u][j] += q[j][i] * ry[i]
				l.xz[u][j] += q[j][i] * rz[i]
				for m := range q {
					l.g[u][j*k+m] += q[j][i] * q[m][i]
				}
			}
		}
	}
	return l, nil
}

// Of gives the statistic under an allocation. The coefficient is w'My/w'Mw with
// M the projection off the columns; under a shift, y becomes y − τz.
func (l *Linear) Of(treated []bool) (Piece, error) {
	if len(treated) != l.units {
		return Piece{}, fmt.Errorf("%d units in the allocation, %d in the data", len(treated), l.units)
	}
	b := make([]float64, l.k) // X'w, also the coefficients of w on X
	var wy, wz, wn float64
	for u, t := range treated {
		if !t {
			continue
		}
		wy += l.ry[u]
		wz += l.rz[u]
		wn += l.n[u]
		axpy(1, l.x[u], b)
	}
	ww := wn - dot(b, b)
	if !(ww > 1e-10*wn) {
		return Piece{}, errors.New("the allocation says nothing that the columns do not say already")
	}
	p := Piece{A: wy / ww, C: wz / ww, V0: 1}
	switch l.kind {
	case EffectSize: // residual sum of squares at τ: |My − τMz|² − (a − τc)²ww
		p.V0 = (l.yy - p.A*p.A*ww) / l.df
		p.V1 = (l.yz - p.A*p.C*ww) / l.df
		p.V2 = (l.zz - p.C*p.C*ww) / l.df
	case Studentised:
		p.V0 = 0
		for u, t := range treated {
			w := 0.0
			if t {
				w = 1
			}
			// Score of unit u: Σ (w − x'b)(ry − β(w − x'b)).
			quad := 0.0
			for j, bj := range b {
				quad += bj * dot(l.g[u][j*l.k:(j+1)*l.k], b)
			}
			own := w*w*l.n[u] - 2*w*dot(l.x[u], b) + quad
			sy := w*l.ry[u] - dot(l.xy[u], b) - p.A*own
			sz := w*l.rz[u] - dot(l.xz[u], b) - p.C*own
			p.V0 += sy * sy
			p.V1 += sy * sz
			p.V2 += sz * sz
		}
		p.V0, p.V1, p.V2 = p.V0/(ww*ww), p.V1/(ww*ww), p.V2/(ww*ww)
	}
	return p, nil
}

func table(rows, cols int) [][]float64 {
	flat := make([]float64, rows*cols)
	t := make([][]float64, rows)
	for i := range t {
		t[i] = flat[i*cols : (i+1)*cols : (i+1)*cols]
	}
	return t
}

func dot(a, b []float64) float64 {
	s := 0.0
	for i, v := range a {
		s += v * b[i]
	}
	return s
}

func axpy(a float64, x, y []float64) {
	for i, v := range x {
		y[i] += a * v
	}
}

func norm(x []float64) float64 { return math.Sqrt(dot(x, x)) }
