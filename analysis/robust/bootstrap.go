package robust

import (
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
)

// Bootstrap is a wild cluster bootstrap test of one coefficient with the null
// hypothesis imposed: residuals of the model that holds the coefficient at its
// null value keep or change their sign by whole schools.
type Bootstrap struct {
	Name       string  `json:"term"`
	Estimate   float64 `json:"estimate"`
	SE         float64 `json:"se"` // CR1S
	Statistic  float64 `json:"statistic"`
	P          float64 `json:"p"`          // two-sided
	Low        float64 `json:"low"`        // interval by inversion of the test; a step function's edge
	High       float64 `json:"high"`       //
	Level      float64 `json:"level"`      //
	Weights    string  `json:"weights"`    // "Rademacher" or "Webb"
	Replicates int     `json:"replicates"` // assignments of weights tried
	Enumerated bool    `json:"enumerated"` // every assignment was tried once
	Smallest   float64 `json:"smallest_p"` // the smallest p-value that could have come out
}

// BootstrapOptions choose how weights are drawn.
type BootstrapOptions struct {
	Null       float64 // value of the coefficient under the null hypothesis
	Level      float64 // of the interval, in (0,1)
	Replicates int     // when not enumerated; 0 means 9999
	Seed       uint64  // of the streams, one a replicate
}

// Up to these numbers of clusters every assignment of weights is tried: 6⁵ of
// Webb's six values, where signs alone would give fewer than 32 assignments, and
// 2¹² of signs.
const (
	webbUpTo      = 5
	enumerateUpTo = 12
)

var webb = [6]float64{-math.Sqrt2 * 0.8660254037844386, -1, -math.Sqrt2 / 2, math.Sqrt2 / 2, 1, math.Sqrt2 * 0.8660254037844386}

// WildBootstrap tests a named coefficient. With at most 5 clusters it
// enumerates Webb's six-point weights, with at most 12 the signs; with more it
// draws signs. Ties count as at least as extreme (to a relative 1e-9), and the
// identity is among the assignments, so that no p-value is 0: enumerated, the
// share of assignments; drawn, (1+b)/(1+B). The statistic divides by the CR1S
// standard error. Results do not depend on the number of processors.
func (f *Fit) WildBootstrap(name string, o BootstrapOptions) (Bootstrap, error) {
	j := f.Index(name)
	fail := func(err error) (Bootstrap, error) {
		return Bootstrap{}, fmt.Errorf("wild cluster bootstrap of %q: %w", name, err)
	}
	if j < 0 {
		return fail(fmt.Errorf("there is no such coefficient; there are %q", f.Names))
	}
	if f.starts == nil || f.Clusters < 2 {
		return fail(ErrClusters)
	}
	if f.iv {
		return fail(ErrUnsupported)
	}
	if !(o.Level > 0 && o.Level < 1) {
		return fail(fmt.Errorf("a confidence level of %v is not between 0 and 1", o.Level))
	}
	if o.Replicates < 0 || o.Replicates > 10_000_000 {
		return fail(fmt.Errorf("%d replicates; give between 1 and ten million", o.Replicates))
	}
	w, err := f.newWild(j)
	if err != nil {
		return fail(err)
	}
	out := Bootstrap{Name: name, Estimate: f.Beta[j], Level: o.Level, Weights: "Rademacher"}
	m := f.Clusters
	switch {
	case m <= webbUpTo:
		out.Weights, out.Enumerated = "Webb", true
		w.weights = enumerate(m, webb[:])
	case m <= enumerateUpTo:
		out.Enumerated = true
		w.weights = enumerate(m, []float64{1, -1})
	default:
		b := o.Replicates
		if b == 0 {
			b = 9999
		}
		w.weights = make([][]float64, b)
		for r := range w.weights {
			g := rand.New(rand.NewPCG(o.Seed, uint64(r)))
			row := make([]float64, m)
			for c := range row {
				row[c] = 1
				if g.Uint64()&1 == 1 {
					row[c] = -1
				}
			}
			w.weights[r] = row
		}
	}
	out.Replicates = len(w.weights)
	w.enumerated = out.Enumerated
	out.Smallest = w.share(1)
	if out.Enumerated { // w and −w give the same |t|
		out.Smallest = 2 / float64(len(w.weights))
	}
	out.Statistic, out.SE = w.observed(o.Null)
	if !(out.SE > 0) {
		return fail(ErrNoSpread)
	}
	out.P = w.p(o.Null)
	alpha := 1 - o.Level
	if out.Smallest > alpha {
		return fail(fmt.Errorf("%w: the smallest possible p-value is %.3g, so there is no %g interval", ErrClusters, out.Smallest, o.Level))
	}
	edge := func(direction float64) (float64, error) {
		inside, step := out.Estimate, out.SE
		outside := inside + direction*step
		for range 60 {
			if w.p(outside) <= alpha {
				break
			}
			inside = outside
			step *= 2
			outside = inside + direction*step
		}
		if w.p(outside) > alpha {
			return 0, fmt.Errorf("%w: the interval has no end on one side", ErrClusters)
		}
		for range 80 {
			mid := (inside + outside) / 2
			if mid == inside || mid == outside {
				break
			}
			if w.p(mid) > alpha {
				inside = mid
			} else {
				outside = mid
			}
		}
		return (inside + outside) / 2, nil
	}
	if out.Low, err = edge(-1); err != nil {
		return fail(err)
	}
	if out.High, err = edge(1); err != nil {
		return fail(err)
	}
	return out, nil
}

// enumerate lists all assignments of the values to m clusters.
func enumerate(m int, values []float64) [][]float64 {
	total := 1
	for range m {
		total *= len(values)
	}
	out := make([][]float64, total)
	flat := make([]float64, total*m)
	for r := range out {
		row := flat[r*m : (r+1)*m]
		for c, rest := 0, r; c < m; c++ {
			row[c] = values[rest%len(values)]
			rest /= len(values)
		}
		out[r] = row
	}
	return out
}

// wild holds what a replicate needs. Restricted residuals at the null value h
// are u_y − h u_x, with u_y and u_x what is left of outcome and column when the
// other columns are taken out; everything is linear in h.
type wild struct {
	weights    [][]float64
	enumerated bool
	scale      float64     // of the CR1S variance
	ay, ax     []float64   // Σ_i (c'(X'X)⁻¹x_i) u_i of each cluster
	by, bx     [][]float64 // Q_g'u of each cluster
	bg         [][]float64 // Σ_i (c'(X'X)⁻¹x_i) q_i of each cluster
	estimate   float64
}

func (f *Fit) newWild(j int) (*wild, error) {
	k := len(f.Beta)
	c := make([]float64, k)
	c[j] = 1
	q := f.d.solveT(c) // c'(X'X)⁻¹x_i is q'(row i of Q)
	w := &wild{scale: f.multiplier(CR1S), estimate: f.Beta[j]}
	// The other columns' part is taken out by projection in the basis of Q:
	// what is left of the column is the part of it along q, h = q/|q|², since
	// q is orthogonal to every other column's coordinates.
	qq := dot(q, q)
	if !(qq > 0) {
		return nil, ErrNoSpread
	}
	ux := make([]float64, f.Rows)
	for l, col := range f.d.q {
		axpy(q[l]/qq, col, ux)
	}
	uy := append([]float64(nil), f.e...)
	axpy(f.Beta[j], ux, uy)
	for g := range f.Clusters {
		lo, hi := f.starts[g], f.starts[g+1]
		by, bx := make([]float64, k), make([]float64, k)
		for l, col := range f.d.q {
			by[l], bx[l] = dot(col[lo:hi], uy[lo:hi]), dot(col[lo:hi], ux[lo:hi])
		}
		cols := make([][]float64, k)
		for l, col := range f.d.q {
			cols[l] = col[lo:hi]
		}
		w.by, w.bx = append(w.by, by), append(w.bx, bx)
		w.ay, w.ax = append(w.ay, dot(q, by)), append(w.ax, dot(q, bx))
		w.bg = append(w.bg, multiplyVector(gram(cols, cols), q))
	}
	return w, nil
}

// observed is t and its standard error at the null value h.
func (w *wild) observed(h float64) (t, se float64) {
	sum := 0.0
	for g := range w.ay {
		// e = u_y − β u_x
		s := w.ay[g] - w.estimate*w.ax[g]
		sum += s * s
	}
	se = math.Sqrt(w.scale * sum)
	return (w.estimate - h) / se, se
}

func (w *wild) share(b int) float64 {
	if w.enumerated {
		return float64(b) / float64(len(w.weights))
	}
	return float64(1+b) / float64(1+len(w.weights))
}

// p is the two-sided p-value of the null value h.
func (w *wild) p(h float64) float64 {
	t, _ := w.observed(h)
	limit := math.Abs(t) * (1 - 1e-9)
	m, k := len(w.ay), len(w.bg[0])
	a, b := make([]float64, m), make([][]float64, m)
	for g := range a {
		a[g] = w.ay[g] - h*w.ax[g]
		b[g] = make([]float64, k)
		for l := range b[g] {
			b[g][l] = w.by[g][l] - h*w.bx[g][l]
		}
	}
	workers := runtime.GOMAXPROCS(0)
	counts := make([]int, workers)
	var wait sync.WaitGroup
	for id := range workers {
		wait.Add(1)
		go func() {
			defer wait.Done()
			total := make([]float64, k)
			for r := id; r < len(w.weights); r += workers {
				row := w.weights[r]
				delta := 0.0
				clear(total)
				for g, v := range row {
					delta += v * a[g]
					axpy(v, b[g], total)
				}
				sum := 0.0
				for g, v := range row {
					s := v*a[g] - dot(w.bg[g], total)
					sum += s * s
				}
				if delta*delta >= limit*limit*w.scale*sum {
					counts[id]++
				}
			}
		}()
	}
	wait.Wait()
	n := 0
	for _, c := range counts {
		n += c
	}
	return w.share(n)
}
