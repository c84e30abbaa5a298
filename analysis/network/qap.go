package network

import (
	"errors"
	"fmt"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
)

// QAP is the correlation of two networks of the same people, judged by relabelling
// the people of one (Krackhardt, Social Networks 10, 1988).
type QAP struct {
	R          float64 `json:"r"`            // over all ordered pairs
	Upper      float64 `json:"p_upper"`      // share of relabellings with at least r
	Lower      float64 `json:"p_lower"`      // with at most r
	P          float64 `json:"p"`            // with at least |r|
	Relabelled int     `json:"relabellings"` //
	Enumerated bool    `json:"enumerated"`   // all n! were tried; otherwise p is (1+b)/(1+B)
}

// enumerateUpTo is the number of people up to which all relabellings are tried:
// 8! = 40,320.
const enumerateUpTo = 8

// Correlate compares two networks of the same people in the same order. With at
// most eight people every relabelling is tried; otherwise draws of them, one
// stream each.
func Correlate(a, b *Network, draws int, seed uint64) (QAP, error) {
	q, err := correlate(a, b, draws, seed)
	if err != nil {
		return QAP{}, fmt.Errorf("correlate networks: %w", err)
	}
	return q, nil
}

func correlate(a, b *Network, draws int, seed uint64) (QAP, error) {
	if err := errors.Join(a.check(), b.check()); err != nil {
		return QAP{}, err
	}
	n := len(a.People)
	if len(b.People) != n {
		return QAP{}, fmt.Errorf("one has %d people and the other %d", n, len(b.People))
	}
	for i, p := range a.People {
		if b.People[i] != p {
			return QAP{}, fmt.Errorf("person %d is %q in one and %q in the other; give the same people in the same order", i+1, p, b.People[i])
		}
	}
	x, y := a.matrix(), b.matrix()
	cells := float64(n * (n - 1))
	count := func(m [][]bool) float64 {
		s := 0.0
		for _, row := range m {
			for _, v := range row {
				if v {
					s++
				}
			}
		}
		return s / cells
	}
	px, py := count(x), count(y)
	sd := math.Sqrt(px * (1 - px) * py * (1 - py))
	if !(sd > 0) {
		return QAP{}, errors.New("one of the networks has no ties, or all ties there could be")
	}
	var ties [][2]int // of the second network
	for i := range n {
		for j := range n {
			if y[i][j] {
				ties = append(ties, [2]int{i, j})
			}
		}
	}
	r := func(label []int) float64 {
		joint := 0.0
		for _, t := range ties {
			if x[label[t[0]]][label[t[1]]] {
				joint++
			}
		}
		return (joint/cells - px*py) / sd
	}
	identity := make([]int, n)
	for i := range identity {
		identity[i] = i
	}
	q := QAP{R: r(identity), Relabelled: draws}
	var upper, lower, both int
	tally := func(v float64, u, l, b *int) {
		if v >= q.R-1e-9 {
			*u++
		}
		if v <= q.R+1e-9 {
			*l++
		}
		if math.Abs(v) >= math.Abs(q.R)-1e-9 {
			*b++
		}
	}
	if n <= enumerateUpTo {
		q.Enumerated, q.Relabelled = true, 0
		permutations(identity, func(label []int) {
			q.Relabelled++
			tally(r(label), &upper, &lower, &both)
		})
		total := float64(q.Relabelled)
		q.Upper, q.Lower, q.P = float64(upper)/total, float64(lower)/total, float64(both)/total
		return q, nil
	}
	if draws < 1 || draws > 50_000_000 {
		return QAP{}, fmt.Errorf("%d relabellings; give between 1 and fifty million", draws)
	}
	workers := runtime.GOMAXPROCS(0)
	counts := make([][3]int, workers)
	var wait sync.WaitGroup
	for id := range workers {
		wait.Add(1)
		go func() {
			defer wait.Done()
			label := make([]int, n)
			c := &counts[id]
			for d := id; d < draws; d += workers {
				g := rand.New(rand.NewPCG(seed, uint64(d)))
				copy(label, identity)
				for i := n - 1; i > 0; i-- {
					j := g.IntN(i + 1)
					label[i], label[j] = label[j], label[i]
				}
				tally(r(label), &c[0], &c[1], &c[2])
			}
		}()
	}
	wait.Wait()
	for _, c := range counts {
		upper, lower, both = upper+c[0], lower+c[1], both+c[2]
	}
	total := float64(1 + draws)
	q.Upper, q.Lower, q.P = float64(1+upper)/total, float64(1+lower)/total, float64(1+both)/total
	return q, nil
}

// permutations calls f with every order of v (Heap's algorithm).
func permutations(v []int, f func([]int)) {
	a := append([]int(nil), v...)
	var walk func(k int)
	walk = func(k int) {
		if k == 1 {
			f(a)
			return
		}
		for i := range k {
			walk(k - 1)
			if k%2 == 0 {
				a[i], a[k-1] = a[k-1], a[i]
			} else {
				a[0], a[k-1] = a[k-1], a[0]
			}
		}
	}
	walk(len(a))
}
