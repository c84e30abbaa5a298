package missing

import "math"

// Small dense matrices are stored by row in one slice, n × n unless said.

// cholesky overwrites the lower triangle of a with L, a = LL'; false if a is not
// positive definite.
func cholesky(a []float64, n int) bool {
	for j := range n {
		d := a[j*n+j]
		for l := range j {
			d -= a[j*n+l] * a[j*n+l]
		}
		if !(d > 0) {
			return false
		}
		d = math.Sqrt(d)
		a[j*n+j] = d
		for i := j + 1; i < n; i++ {
			s := a[i*n+j]
			for l := range j {
				s -= a[i*n+l] * a[j*n+l]
			}
			a[i*n+j] = s / d
		}
	}
	return true
}

// forward solves Lx = b in place; backward solves L'x = b in place.
func forward(l []float64, n int, b []float64) {
	for i := range n {
		s := b[i]
		for j := range i {
			s -= l[i*n+j] * b[j]
		}
		b[i] = s / l[i*n+i]
	}
}

func backward(l []float64, n int, b []float64) {
	for i := n - 1; i >= 0; i-- {
		s := b[i]
		for j := i + 1; j < n; j++ {
			s -= l[j*n+i] * b[j]
		}
		b[i] = s / l[i*n+i]
	}
}

// invert is the inverse of a symmetric positive definite matrix.
func invert(a []float64, n int) ([]float64, bool) {
	l := append([]float64(nil), a...)
	if !cholesky(l, n) {
		return nil, false
	}
	inv := make([]float64, n*n)
	col := make([]float64, n)
	for j := range n {
		clear(col)
		col[j] = 1
		forward(l, n, col)
		backward(l, n, col)
		for i := range n {
			inv[i*n+j] = col[i]
		}
	}
	for i := range n { // symmetric to the last bit
		for j := range i {
			m := (inv[i*n+j] + inv[j*n+i]) / 2
			inv[i*n+j], inv[j*n+i] = m, m
		}
	}
	return inv, true
}

func dot(a, b []float64) float64 {
	s := 0.0
	for i, v := range a {
		s += v * b[i]
	}
	return s
}
