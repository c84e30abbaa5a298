package mixed

import "math"

// Matrices here are small, dense and row-major in one slice.

// cholesky overwrites the lower triangle of the n×n matrix a with L, a = LL',
// reading the lower triangle only. It says false when a is not positive
// definite to working precision.
func cholesky(a []float64, n int) bool {
	for j := 0; j < n; j++ {
		rj := a[j*n : j*n+j+1]
		d := rj[j]
		for _, v := range rj[:j] {
			d -= v * v
		}
		if !(d > 0) || math.IsInf(d, 0) {
			return false
		}
		d = math.Sqrt(d)
		rj[j] = d
		for i := j + 1; i < n; i++ {
			ri := a[i*n : i*n+j+1]
			s := ri[j]
			for k, v := range rj[:j] {
				s -= ri[k] * v
			}
			ri[j] = s / d
		}
	}
	return true
}

// logDet is the log determinant of LL'.
func logDet(l []float64, n int) float64 {
	s := 0.0
	for i := 0; i < n; i++ {
		s += math.Log(l[i*n+i])
	}
	return 2 * s
}

// solveLower overwrites b (n×m) with L⁻¹b.
func solveLower(l, b []float64, n, m int) {
	for i := 0; i < n; i++ {
		bi := b[i*m : i*m+m]
		for k := 0; k < i; k++ {
			f := l[i*n+k]
			if f == 0 {
				continue
			}
			bk := b[k*m : k*m+m]
			for c := range bi {
				bi[c] -= f * bk[c]
			}
		}
		d := l[i*n+i]
		for c := range bi {
			bi[c] /= d
		}
	}
}

// solveUpper overwrites b (n×m) with L'⁻¹b.
func solveUpper(l, b []float64, n, m int) {
	for i := n - 1; i >= 0; i-- {
		bi := b[i*m : i*m+m]
		for k := i + 1; k < n; k++ {
			f := l[k*n+i]
			if f == 0 {
				continue
			}
			bk := b[k*m : k*m+m]
			for c := range bi {
				bi[c] -= f * bk[c]
			}
		}
		d := l[i*n+i]
		for c := range bi {
			bi[c] /= d
		}
	}
}

// inverseFrom writes (LL')⁻¹ into inv.
func inverseFrom(l, inv []float64, n int) {
	for i := range inv[:n*n] {
		inv[i] = 0
	}
	for i := 0; i < n; i++ {
		inv[i*n+i] = 1
	}
	solveLower(l, inv, n, n)
	solveUpper(l, inv, n, n)
	for i := 0; i < n; i++ {
		for j := 0; j < i; j++ {
			v := (inv[i*n+j] + inv[j*n+i]) / 2
			inv[i*n+j], inv[j*n+i] = v, v
		}
	}
}

// invert returns the inverse of a symmetric positive definite matrix, nil when
// it is not.
func invert(a []float64, n int) []float64 {
	l := append([]float64(nil), a...)
	if !cholesky(l, n) {
		return nil
	}
	inv := make([]float64, n*n)
	inverseFrom(l, inv, n)
	return inv
}

// mul returns a·b, n×k by k×m.
func mul(a, b []float64, n, k, m int) []float64 {
	out := make([]float64, n*m)
	for i := 0; i < n; i++ {
		oi := out[i*m : i*m+m]
		for l := 0; l < k; l++ {
			f := a[i*k+l]
			if f == 0 {
				continue
			}
			bl := b[l*m : l*m+m]
			for j := range oi {
				oi[j] += f * bl[j]
			}
		}
	}
	return out
}

// quad is x'Ay for a square A.
func quad(x, a, y []float64, n int) float64 {
	s := 0.0
	for i := 0; i < n; i++ {
		if x[i] == 0 {
			continue
		}
		t := 0.0
		for j := 0; j < n; j++ {
			t += a[i*n+j] * y[j]
		}
		s += x[i] * t
	}
	return s
}

// traceProduct is tr(AB) for symmetric matrices.
func traceProduct(a, b []float64, n int) float64 {
	s := 0.0
	for i := range a[:n*n] {
		s += a[i] * b[i]
	}
	return s
}

func rowsOf(a []float64, n int) [][]float64 {
	out := make([][]float64, n)
	for i := range out {
		out[i] = append([]float64(nil), a[i*n:(i+1)*n]...)
	}
	return out
}
