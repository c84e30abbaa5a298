package robust

import "gonum.org/v1/gonum/mat"

// Small dense matrices, as rows: none is larger than twice the number of
// coefficients.

func zeros(r, c int) [][]float64 {
	m := make([][]float64, r)
	flat := make([]float64, r*c)
	for i := range m {
		m[i] = flat[i*c : (i+1)*c : (i+1)*c]
	}
	return m
}

func identity(k int) [][]float64 {
	m := zeros(k, k)
	for i := range m {
		m[i][i] = 1
	}
	return m
}

func scaleMatrix(m [][]float64, s float64) {
	for _, r := range m {
		for j := range r {
			r[j] *= s
		}
	}
}

func add(a, b [][]float64) [][]float64 {
	for i, r := range b {
		for j, v := range r {
			a[i][j] += v
		}
	}
	return a
}

func addOuter(m [][]float64, s float64, x, y []float64) {
	for i, v := range x {
		axpy(s*v, y, m[i])
	}
}

func multiply(a, b [][]float64) [][]float64 {
	m := zeros(len(a), len(b[0]))
	for i, r := range a {
		for l, v := range r {
			axpy(v, b[l], m[i])
		}
	}
	return m
}

func multiplyVector(a [][]float64, x []float64) []float64 {
	y := make([]float64, len(a))
	for i, r := range a {
		y[i] = dot(r, x)
	}
	return y
}

func transpose(a [][]float64) [][]float64 {
	if len(a) == 0 {
		return nil
	}
	m := zeros(len(a[0]), len(a))
	for i, r := range a {
		for j, v := range r {
			m[j][i] = v
		}
	}
	return m
}

// gram is A'B for matrices given by column.
func gram(a, b [][]float64) [][]float64 {
	m := zeros(len(a), len(b))
	for i := range a {
		for j := range b {
			m[i][j] = dot(a[i], b[j])
		}
	}
	return m
}

// gramWeighted is Q'WQ.
func gramWeighted(q [][]float64, w []float64) [][]float64 {
	m := zeros(len(q), len(q))
	for i := range q {
		for j := range i + 1 {
			s := 0.0
			for l, v := range w {
				s += v * q[i][l] * q[j][l]
			}
			m[i][j], m[j][i] = s, s
		}
	}
	return m
}

// spectral applies a function to the eigenvalues of a symmetric matrix.
func spectral(a [][]float64, f func(float64) float64) [][]float64 {
	k := len(a)
	sym := mat.NewSymDense(k, nil)
	for i := range k {
		for j := i; j < k; j++ {
			sym.SetSym(i, j, (a[i][j]+a[j][i])/2)
		}
	}
	var eig mat.EigenSym
	if !eig.Factorize(sym, true) {
		// The QL iteration does not fail on finite symmetric matrices.
		panic("robust: eigenvalues of a small symmetric matrix did not converge")
	}
	var u mat.Dense
	eig.VectorsTo(&u)
	m := zeros(k, k)
	col := make([]float64, k)
	for l, v := range eig.Values(nil) {
		mat.Col(col, l, &u)
		addOuter(m, f(v), col, col)
	}
	return m
}
