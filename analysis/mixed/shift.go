package mixed

import (
	"fmt"
	"math"
	"slices"
)

// Shifts refits a model to outcomes y + s·z, for many s, without reading the
// rows again: all that a fit needs of the outcome is linear or quadratic in s.
// It is for sensitivity analyses that shift some rows' outcomes.
type Shifts struct {
	base   *Fit     // of y
	z, sum *reduced // of z, and of y + z
}

// NewShifts fits the model to d and prepares refits. z has an entry a row.
func NewShifts(d *Data, m Model, z []float64) (*Shifts, error) {
	if len(z) != len(d.Y) {
		return nil, &ShapeError{fmt.Sprintf("%d shifts for %d rows", len(z), len(d.Y))}
	}
	base, err := New(d, m)
	if err != nil {
		return nil, err
	}
	s := &Shifts{base: base}
	other := *d
	other.Y = z
	if s.z, err = reduce(&other, base.model); err != nil {
		return nil, err
	}
	other.Y = make([]float64, len(z))
	for i, y := range d.Y {
		other.Y[i] = y + z[i]
	}
	if s.sum, err = reduce(&other, base.model); err != nil {
		return nil, err
	}
	if !slices.Equal(base.r.back, s.z.back) || !slices.Equal(base.r.back, s.sum.back) {
		return nil, &MethodError{"shifts of the outcome", "the columns were made orthogonal in another way"}
	}
	return s, nil
}

// At is the fit to y + shift·z.
func (s *Shifts) At(shift float64) (*Fit, error) {
	b := s.base.r
	q, p := b.q, b.p
	sy, sz, ss := b.scale[p], s.z.scale[p], s.sum.scale[p]
	r := *b
	r.centre, r.scale, r.mean, r.total = slices.Clone(b.centre), slices.Clone(b.scale), slices.Clone(b.mean), slices.Clone(b.total)
	r.centre[p] += shift * s.z.centre[p]
	n, square := 0.0, 0.0
	for c, rows := range r.cellN {
		v := b.mean[c*q+p]*sy + shift*s.z.mean[c*q+p]*sz
		r.mean[c*q+p] = v
		n += rows
		square += rows * v * v
	}
	r.within = make([][]float64, len(b.within))
	for g, w := range b.within {
		r.within[g] = slices.Clone(w)
		for i := range p {
			r.within[g][i*q+p] = w[i*q+p]*sy + shift*s.z.within[g][i*q+p]*sz
		}
		yy, zz := w[p*q+p]*sy*sy, s.z.within[g][p*q+p]*sz*sz
		yz := (s.sum.within[g][p*q+p]*ss*ss - yy - zz) / 2
		r.within[g][p*q+p] = yy + shift*(2*yz+shift*zz)
		square += r.within[g][p*q+p]
	}
	scale := math.Sqrt(square / n)
	if !(scale > 0) {
		return nil, &ConstantOutcomeError{Outcome: s.base.Outcome, Value: r.centre[p]}
	}
	r.scale[p] = scale
	for c := range r.cellN {
		r.mean[c*q+p] /= scale
	}
	for i := range q {
		t := 0.0
		for _, w := range r.within {
			w[i*q+p] /= scale
			if i == p {
				w[p*q+p] /= scale
			}
			w[p*q+i] = w[i*q+p]
			t += w[i*q+p]
		}
		for c, rows := range r.cellN {
			t += rows * r.mean[c*q+i] * r.mean[c*q+p]
		}
		r.total[i*q+p], r.total[p*q+i] = t, t
	}
	f := &Fit{Outcome: s.base.Outcome, Method: s.base.Method, N: r.n, data: s.base.data, model: s.base.model, r: &r}
	sol, err := r.near(s.base.theta, sy*sy/(scale*scale), f.Method)
	if err != nil {
		return nil, err
	}
	f.take(sol)
	return f, nil
}

// near solves from the variances of a like outcome, and from the beginning
// where that leads to the boundary in another place than theirs.
func (r *reduced) near(theta []float64, scale float64, method Method) (*solution, error) {
	if r.hasFullSlope() {
		return r.solve(method)
	}
	start := make([]float64, len(theta))
	for i, v := range theta {
		start[i] = v * scale
	}
	sol, err := r.climb(r.free(), start, method, &evaluation{})
	if err != nil {
		return r.solve(method)
	}
	for i, v := range sol.theta {
		if (v == 0) != (theta[i] == 0) {
			return r.solve(method)
		}
	}
	return sol, nil
}
