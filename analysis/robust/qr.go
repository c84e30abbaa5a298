package robust

import (
	"errors"
	"fmt"
	"math"
	"strings"
)

// Column is a named column of a design.
type Column struct {
	Name   string
	Values []float64
}

// Intercept is a column of ones named "(Intercept)".
func Intercept(rows int) Column {
	ones := make([]float64, rows)
	for i := range ones {
		ones[i] = 1
	}
	return Column{Name: "(Intercept)", Values: ones}
}

// CollinearError says that a column is a combination of columns before it, so
// that its coefficient does not exist.
type CollinearError struct {
	Column string
	On     []string // the columns that it is made of; empty if it is all zero
}

// Error says which column, and what it is made of.
func (e *CollinearError) Error() string {
	if len(e.On) == 0 {
		return fmt.Sprintf("column %q is zero in every row; leave it out", e.Column)
	}
	return fmt.Sprintf("column %q says nothing that %s does not say already; leave one of them out", e.Column, strings.Join(e.On, ", "))
}

// qr is the thin QR decomposition of a design whose columns were scaled to
// length one: X = Q R, with Q stored by column.
type qr struct {
	names   []string
	q       [][]float64 // k columns of n
	r       [][]float64 // upper triangle, k × k, of the unscaled design
	weakest int         // the column of which
	near    float64     // how little, at least, was left of a column, relative to it, beyond those before it
}

// collinear is the length, relative to the whole column, of what is left of a
// column when those before it are taken out, below which nothing is left.
// Rounding leaves more the more rows and columns there are: some 1e-13 with 2,353
// pupils in 23 strata, 2e-11 with 100,000, whose dummies add up to the intercept.
// NIST's Filip set, a polynomial of degree ten in 82 rows, leaves 1e-10 that is
// not rounding.
func collinear(rows, columns int) float64 {
	return math.Max(1e-13, float64(rows)*float64(columns)*0x1p-52)
}

// decompose forms the QR decomposition by Householder reflections. The columns
// are overwritten. whole holds the lengths of the columns before anything was
// taken out of them (nil: as they are now); absorbed names what was. All
// collinear columns are reported at once.
func decompose(names []string, cols [][]float64, whole []float64, absorbed string) (*qr, error) {
	k := len(cols)
	if k == 0 {
		return nil, errors.New("the design has no columns")
	}
	n := len(cols[0])
	nothing := collinear(n, k)
	scale := make([]float64, k)
	var faults []error
	gone := make([]bool, k)
	for j, c := range cols {
		scale[j] = norm(c)
		if scale[j] == 0 || whole != nil && scale[j] <= nothing*whole[j] {
			gone[j] = true
			e := &CollinearError{Column: names[j]}
			if whole != nil && whole[j] > 0 {
				e.On = []string{absorbed}
			}
			faults = append(faults, e)
			continue
		}
		for i := range c {
			c[i] /= scale[j]
		}
	}
	r := make([][]float64, k)
	for i := range r {
		r[i] = make([]float64, k)
	}
	pivots := make([]int, 0, k) // columns that have a reflection, in order; reflection p starts at row p
	heads := make([]float64, 0, k)
	near, weakest := 1.0, 0
	for j, c := range cols {
		if gone[j] {
			continue
		}
		for p, pj := range pivots {
			reflect(cols[pj], c, p, heads[p])
		}
		p := len(pivots)
		if p >= n {
			faults = append(faults, fmt.Errorf("column %q: there are more columns than rows (%d)", names[j], n))
			continue
		}
		for i := range pivots {
			r[i][j] = c[i]
		}
		left := norm(c[p:])
		if left <= nothing {
			e := &CollinearError{Column: names[j]}
			b := make([]float64, p) // c = Σ b_i cols_i
			for i := p - 1; i >= 0; i-- {
				b[i] = r[i][j]
				for l := i + 1; l < p; l++ {
					b[i] -= r[i][pivots[l]] * b[l]
				}
				b[i] /= r[i][pivots[i]]
			}
			for i, pj := range pivots {
				if math.Abs(b[i]) > 1e-8 {
					e.On = append(e.On, names[pj])
				}
			}
			faults = append(faults, e)
			gone[j] = true
			continue
		}
		if left < near {
			near, weakest = left, j
		}
		alpha := -math.Copysign(left, c[p])
		r[p][j] = alpha
		c[p] -= alpha
		heads = append(heads, -alpha*c[p]) // v'v/2
		pivots = append(pivots, j)
	}
	if len(faults) > 0 {
		return nil, errors.Join(faults...)
	}
	q := make([][]float64, k)
	for j := range q {
		q[j] = make([]float64, n)
		q[j][j] = 1
		for p := j; p >= 0; p-- { // reflections beyond j leave e_j alone
			reflect(cols[p], q[j], p, heads[p])
		}
	}
	for i := range r {
		for j := i; j < k; j++ {
			r[i][j] *= scale[j]
		}
	}
	return &qr{names: names, q: q, r: r, near: near, weakest: weakest}, nil
}

// reflect applies I − vv'/h to x, where v is zero above row p.
func reflect(v, x []float64, p int, h float64) {
	s := 0.0
	vv, xx := v[p:], x[p:]
	for i, a := range vv {
		s += a * xx[i]
	}
	s /= h
	for i, a := range vv {
		xx[i] -= s * a
	}
}

// solve gives R⁻¹b.
func (d *qr) solve(b []float64) []float64 {
	k := len(d.r)
	x := append([]float64(nil), b...)
	for i := k - 1; i >= 0; i-- {
		for j := i + 1; j < k; j++ {
			x[i] -= d.r[i][j] * x[j]
		}
		x[i] /= d.r[i][i]
	}
	return x
}

// solveT gives R'⁻¹c.
func (d *qr) solveT(c []float64) []float64 {
	k := len(d.r)
	x := append([]float64(nil), c...)
	for i := range k {
		for j := range i {
			x[i] -= d.r[j][i] * x[j]
		}
		x[i] /= d.r[i][i]
	}
	return x
}

// back turns a matrix B in the basis of Q into R⁻¹ B R'⁻¹, that of the
// coefficients.
func (d *qr) back(b [][]float64) [][]float64 {
	k := len(b)
	half := make([][]float64, k) // columns of R⁻¹B, by column of B
	for j := range k {
		col := make([]float64, k)
		for i := range k {
			col[i] = b[i][j]
		}
		half[j] = d.solve(col)
	}
	out := make([][]float64, k)
	for i := range k {
		row := make([]float64, k)
		for j := range k {
			row[j] = half[j][i]
		}
		out[i] = d.solve(row)
	}
	return out
}

// coefficients gives the least-squares solution for y and its residuals.
// Where the design is far from orthogonal the two are improved together, from
// the residuals of the equations r + Xb = y, X'r = 0 in twice the working
// precision (Björck, BIT 7, 1967, 257-278): this is what keeps the digits of
// data such as Longley's.
func (d *qr) coefficients(x [][]float64, y []float64) (b, r []float64) {
	k := len(d.q)
	z := make([]float64, k)
	for j, q := range d.q {
		z[j] = dot(q, y)
	}
	b = d.solve(z)
	r = append([]float64(nil), y...)
	for j, c := range x {
		axpy(-b[j], c, r)
	}
	rounds := 1
	precise := d.near < 0.05
	if precise {
		rounds = 6
	}
	f, g := make([]float64, len(y)), make([]float64, k)
	for range rounds {
		if !precise { // the working precision is enough
			for j, q := range d.q {
				z[j] = dot(q, r)
			}
			for j, delta := range d.solve(z) {
				b[j] += delta
				axpy(-delta, x[j], r)
			}
			break
		}
		for i := range y {
			sum := twofold{y[i], 0}
			sum.add(-r[i], 1)
			for j, c := range x {
				sum.add(-b[j], c[i])
			}
			f[i] = sum.value()
		}
		for j, c := range x {
			var sum twofold
			for i, v := range c {
				sum.add(-v, r[i])
			}
			g[j] = sum.value()
		}
		h := d.solveT(g)
		for j, q := range d.q {
			z[j] = dot(q, f) - h[j]
		}
		settled := true
		for j, delta := range d.solve(z) {
			settled = settled && math.Abs(delta) <= 0x1p-52*math.Abs(b[j])
			b[j] += delta
		}
		for i := range r {
			r[i] += f[i]
		}
		for j, q := range d.q {
			axpy(-z[j], q, r)
		}
		if settled {
			break
		}
	}
	return b, r
}

// twofold is a sum of products carried as a number and its rounding error.
type twofold struct{ high, low float64 }

func (t *twofold) add(a, b float64) {
	p := a * b
	e := math.FMA(a, b, -p)
	s := t.high + p
	v := s - t.high
	t.low += (t.high - (s - v)) + (p - v) + e
	t.high = s
}

func (t *twofold) value() float64 { return t.high + t.low }

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

// norm is the length of x, safe for very large and very small values.
func norm(x []float64) float64 {
	s := dot(x, x)
	if s > 1e-280 && s < 1e280 {
		return math.Sqrt(s)
	}
	big := 0.0
	for _, v := range x {
		big = math.Max(big, math.Abs(v))
	}
	if big == 0 || math.IsInf(big, 0) {
		return big
	}
	s = 0
	for _, v := range x {
		s += (v / big) * (v / big)
	}
	return big * math.Sqrt(s)
}
