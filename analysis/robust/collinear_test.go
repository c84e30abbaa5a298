package robust

import (
	"errors"
	"fmt"
	"math/rand/v2"
	"testing"
)

// Dummies of every stratum add up to the intercept. Over thousands of rows what
// rounding leaves of the last is more than it is over ten: it must not pass for
// a column of its own.
func TestStrataThatAddUp(t *testing.T) {
	rng := rand.New(rand.NewPCG(3, 5))
	for _, shape := range []struct{ rows, strata int }{{2353, 23}, {2353, 40}, {20000, 60}, {100000, 30}} {
		d := Data{Y: make([]float64, shape.rows), X: []Column{Intercept(shape.rows)}}
		base := make([]float64, shape.rows)
		of := make([]int, shape.rows)
		for i := range d.Y {
			base[i] = float64(3 + rng.IntN(25))
			d.Y[i] = 80 + base[i] + rng.NormFloat64()
			of[i] = min(rng.IntN(shape.strata), rng.IntN(shape.strata)) // uneven
		}
		d.X = append(d.X, Column{Name: "baseline", Values: base})
		for s := range shape.strata {
			v := make([]float64, shape.rows)
			for i := range v {
				if of[i] == s {
					v[i] = 1
				}
			}
			d.X = append(d.X, Column{Name: fmt.Sprint("stratum ", s), Values: v})
		}
		_, err := Least(d)
		var same *CollinearError
		if !errors.As(err, &same) || same.Column != fmt.Sprint("stratum ", shape.strata-1) {
			t.Errorf("%d rows, %d strata: %v", shape.rows, shape.strata, err)
		}
		d.X = d.X[:len(d.X)-1]
		if _, err := Least(d); err != nil {
			t.Errorf("%d rows, one stratum left out: %v", shape.rows, err)
		}
	}
}
