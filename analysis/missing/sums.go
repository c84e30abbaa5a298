package missing

// kept are the parts of a sampler's cross-products that observed values give:
// they are worked out once, and each cycle adds what its drawn values give.
type kept struct {
	x     [][]float64 // of each variable's cells, a row of k predictors each; nil where most rows are cells
	xy    [][]float64 // of each variable, with each predictor
	yy    [][]float64 // r×r, of rows in which neither variable is drawn
	drawn [][][]int   // r×r, the other rows
	sum   [][]float64 // schools × variables
}

// keep works them out.
func (s *sampler) keep() *kept {
	k, r := s.k, s.r
	out := &kept{sum: make([][]float64, len(s.sy))}
	cell := make([][]bool, r)
	for t := range r {
		cell[t] = make([]bool, s.n)
		for _, row := range s.cells[t] {
			cell[t][row] = true
		}
		var own, xy []float64
		if 2*len(s.cells[t]) <= s.n {
			own, xy = make([]float64, 0, len(s.cells[t])*k), make([]float64, k)
			for _, row := range s.cells[t] {
				for _, x := range s.x {
					own = append(own, x[row])
				}
			}
			for i, x := range s.x {
				for row, y := range s.y[t] {
					if !cell[t][row] {
						xy[i] += x[row] * y
					}
				}
			}
		}
		out.x, out.xy = append(out.x, own), append(out.xy, xy)
	}
	for o := range r {
		out.yy, out.drawn = append(out.yy, make([]float64, r)), append(out.drawn, make([][]int, r))
		for t := range r {
			for row := range s.n {
				if cell[o][row] || cell[t][row] {
					out.drawn[o][t] = append(out.drawn[o][t], row)
				} else {
					out.yy[o][t] += s.y[o][row] * s.y[t][row]
				}
			}
		}
	}
	for j := range s.sy {
		out.sum[j] = make([]float64, r)
		for t, y := range s.y {
			for row := s.starts[j]; row < s.starts[j+1]; row++ {
				if !cell[t][row] {
					out.sum[j][t] += y[row]
				}
			}
		}
	}
	return out
}

// sums gives the schools' sums of each variable.
func (s *sampler) sums() {
	for j, sy := range s.sy {
		copy(sy, s.kept.sum[j])
	}
	for t, y := range s.y {
		school := 0
		for _, row := range s.cells[t] { // in the order of rows
			for row >= s.starts[school+1] {
				school++
			}
			s.sy[school][t] += y[row]
		}
	}
}

// withX gives the products of variable t with each predictor.
func (s *sampler) withX(t int) []float64 {
	out := make([]float64, s.k)
	if s.kept.xy[t] == nil {
		for i, x := range s.x {
			out[i] = dot(x, s.y[t])
		}
		return out
	}
	copy(out, s.kept.xy[t])
	for c, row := range s.cells[t] {
		y := s.y[t][row]
		for i, x := range s.kept.x[t][c*s.k : (c+1)*s.k] {
			out[i] += x * y
		}
	}
	return out
}

// withY gives the product of two variables.
func (s *sampler) withY(o, t int) float64 {
	v := s.kept.yy[o][t]
	for _, row := range s.kept.drawn[o][t] {
		v += s.y[o][row] * s.y[t][row]
	}
	return v
}
