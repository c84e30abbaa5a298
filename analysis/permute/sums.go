package permute

import (
	"errors"
	"fmt"
	"math"
)

// Sums is a least-squares model kept as the cross-products of each school, so
// that bootstrapping schools costs nothing per pupil: its methods are statistics
// for Resampling with What Schools, and read Sample.Counts alone.
type Sums struct {
	k   int
	n   []float64   // rows of each school
	xx  [][]float64 // k×k, in the basis that makes the whole X'X the identity
	xy  [][]float64
	yy  []float64
	c   []float64 // the coefficient asked for, in that basis
	all float64
}

// NewSums prepares the model of y on columns x, of which the coefficient of column
// which is wanted. cluster numbers the schools from 0.
func NewSums(y []float64, x [][]float64, cluster []int, which int) (*Sums, error) {
	fail := func(format string, a ...any) (*Sums, error) {
		return nil, fmt.Errorf("prepare a model for resampling: "+format, a...)
	}
	rows, k := len(y), len(x)
	if which < 0 || which >= k || len(cluster) != rows || rows <= k {
		return fail("%d rows, %d columns, coefficient %d, %d school labels: there must be more rows than columns and a school for each", rows, k, which, len(cluster))
	}
	schools := 0
	for i, c := range cluster {
		if c < 0 {
			return fail("row %d is of school %d; schools are numbered from 0", i+1, c)
		}
		if math.IsNaN(y[i]) || math.IsInf(y[i], 0) {
			return fail("row %d has outcome %v, not a finite number", i+1, y[i])
		}
		schools = max(schools, c+1)
	}
	// X = Q R by Gram-Schmidt in two rounds; the coefficient is c'γ with γ that of
	// Q and c = R'⁻¹e, which is what of the identity Q'X = R leaves.
	q := make([][]float64, k)
	r := table(k, k)
	for j, col := range x {
		if len(col) != rows {
			return fail("column %d has %d values for %d rows", j+1, len(col), rows)
		}
		v := append([]float64(nil), col...)
		before := norm(v)
		for range 2 {
			for l, p := range q[:j] {
				s := dot(p, v)
				r[l][j] += s
				axpy(-s, p, v)
			}
		}
		after := norm(v)
		if !(after > 1e-11*before) {
			return fail("column %d says nothing that those before it do not say already", j+1)
		}
		r[j][j] = after
		for i := range v {
			v[i] /= after
		}
		q[j] = v
	}
	s := &Sums{k: k, n: make([]float64, schools), xx: table(schools, k*k), xy: table(schools, k), yy: make([]float64, schools), c: make([]float64, k)}
	for i := range k { // R'c = e_which
		if i == which {
			s.c[i] = 1
		}
		for j := range i {
			s.c[i] -= r[j][i] * s.c[j]
		}
		s.c[i] /= r[i][i]
	}
	// Residuals of the whole fit in place of y: a replicate's coefficient is the
	// whole one plus that of the residuals, which costs no digits.
	left := append([]float64(nil), y...)
	for _, p := range q {
		g := dot(p, left)
		axpy(-g, p, left)
	}
	gamma := make([]float64, k)
	for j, p := range q {
		gamma[j] = dot(p, y)
	}
	s.all = dot(s.c, gamma)
	for i, u := range cluster {
		s.n[u]++
		s.yy[u] += left[i] * left[i]
		for a := range k {
			s.xy[u][a] += q[a][i] * left[i]
			for b := range k {
				s.xx[u][a*k+b] += q[a][i] * q[b][i]
			}
		}
	}
	return s, nil
}

// Coefficient is the wanted coefficient in a sample of schools.
func (s *Sums) Coefficient(sample Sample) (float64, error) {
	v, _, err := s.solve(sample)
	return v, err
}

// EffectSize is the coefficient over the residual SD (divisor rows − columns) in a
// sample of schools.
func (s *Sums) EffectSize(sample Sample) (float64, error) {
	v, sd, err := s.solve(sample)
	if err != nil {
		return 0, err
	}
	if !(sd > 0) {
		return 0, ErrNoSpread
	}
	return v / sd, nil
}

func (s *Sums) solve(sample Sample) (coefficient, sd float64, err error) {
	if len(sample.Counts) != len(s.n) {
		return 0, 0, fmt.Errorf("%d schools counted, %d in the data", len(sample.Counts), len(s.n))
	}
	k := s.k
	a, b := make([]float64, k*k), make([]float64, k)
	yy, rows := 0.0, 0.0
	for u, count := range sample.Counts {
		if count == 0 {
			continue
		}
		w := float64(count)
		axpy(w, s.xx[u], a)
		axpy(w, s.xy[u], b)
		yy += w * s.yy[u]
		rows += w * s.n[u]
	}
	// Cholesky in place, then the residual sum of squares from the half-solved side.
	for j := range k {
		d := a[j*k+j]
		whole := d
		for l := range j {
			d -= a[j*k+l] * a[j*k+l]
		}
		if !(d > 1e-10*whole) {
			return 0, 0, errors.New("the schools drawn do not tell the columns apart")
		}
		d = math.Sqrt(d)
		a[j*k+j] = d
		for i := j + 1; i < k; i++ {
			v := a[i*k+j]
			for l := range j {
				v -= a[i*k+l] * a[j*k+l]
			}
			a[i*k+j] = v / d
		}
	}
	for i := range k {
		for j := range i {
			b[i] -= a[i*k+j] * b[j]
		}
		b[i] /= a[i*k+i]
		yy -= b[i] * b[i]
	}
	for i := k - 1; i >= 0; i-- {
		for j := i + 1; j < k; j++ {
			b[i] -= a[j*k+i] * b[j]
		}
		b[i] /= a[i*k+i]
	}
	if rows > float64(k) && yy > 0 {
		sd = math.Sqrt(yy / (rows - float64(k)))
	}
	return s.all + dot(s.c, b), sd, nil
}
