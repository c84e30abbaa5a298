package trialtest

import (
	"hash/fnv"
	"math"
	"math/rand/v2"
)

// source is a stream of random numbers for one purpose. Only the generator's
// 64-bit outputs are used, which are specified (PCG-DXSM), so that a seed
// gives the same trial under every version of Go.
type source struct{ pcg *rand.PCG }

// stream gives the stream of a seed for a purpose: what is drawn for one
// purpose does not move what is drawn for another.
func stream(seed uint64, purpose string) source {
	h := fnv.New64a()
	h.Write([]byte(purpose))
	return source{rand.NewPCG(seed, h.Sum64())}
}

// float is uniform in [0, 1).
func (s source) float() float64 { return float64(s.pcg.Uint64()>>11) / (1 << 53) }

// below is a whole number from 0 to n-1.
func (s source) below(n int) int { return int(s.float() * float64(n)) }

// chance is true with probability p.
func (s source) chance(p float64) bool { return s.float() < p }

// normal is standard normal, by Box and Muller (Ann Math Stat 1958;29:610-611).
func (s source) normal() float64 {
	return math.Sqrt(-2*math.Log(1-s.float())) * math.Cos(2*math.Pi*s.float())
}

// shuffle puts a list in random order.
func shuffle[T any](s source, list []T) {
	for i := len(list) - 1; i > 0; i-- {
		j := s.below(i + 1)
		list[i], list[j] = list[j], list[i]
	}
}

// pick takes one of a list.
func pick[T any](s source, list []T) T { return list[s.below(len(list))] }

// normalCDF is the standard normal distribution function.
func normalCDF(x float64) float64 { return 0.5 * math.Erfc(-x/math.Sqrt2) }
