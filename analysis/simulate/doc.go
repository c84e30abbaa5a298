// Package simulate judges analyses by simulated trials of which the truth is
// known: how often the default analysis finds an effect that is not there, how
// often its intervals hold the truth, how far its variances are off
// (Calibrate), and how often a trial of its own roster, draw and plan would
// find an effect of a given size (Power).
//
// Trials are simulated pupil by pupil and fitted by package mixed from the
// rows, as a real trial's are: nothing is taken as known that a real analysis
// has to estimate. Every simulated trial has a PCG stream of its own, whose
// state comes from the seed, from what is simulated and from the trial's
// number; results do not depend on the number of processors, nor on what else
// is simulated in the same run.
package simulate

import (
	"errors"
	"hash/fnv"
	"math"
	"math/rand/v2"
	"runtime"
	"sync"
	"sync/atomic"
)

// MostTrials is how many trials are simulated at most.
const MostTrials = 10_000_000

// ErrStopped says that simulating was given up because the caller asked so.
var ErrStopped = errors.New("the simulation was stopped before its end")

// Share is a share of simulated trials.
type Share struct {
	Value float64 `json:"value"`
	// MCSE is the Monte Carlo standard error, √(p(1−p)/B).
	MCSE float64 `json:"mcse"`
}

func shareOf(k, n int) Share {
	if n == 0 {
		return Share{}
	}
	p := float64(k) / float64(n)
	return Share{p, math.Sqrt(p * (1 - p) / float64(n))}
}

// Mean is a mean over simulated trials.
type Mean struct {
	Value float64 `json:"value"`
	MCSE  float64 `json:"mcse"` // standard deviation over √B
}

func meanOf(values []float64) Mean {
	if len(values) == 0 {
		return Mean{}
	}
	m := 0.0
	for _, v := range values {
		m += v
	}
	m /= float64(len(values))
	return Mean{m, deviation(values, m) / math.Sqrt(float64(len(values)))}
}

// deviation is the standard deviation about a mean, of n − 1; 0 for one value.
func deviation(values []float64, mean float64) float64 {
	if len(values) < 2 {
		return 0
	}
	ss := 0.0
	for _, v := range values {
		ss += (v - mean) * (v - mean)
	}
	return math.Sqrt(ss / float64(len(values)-1))
}

// stream is the random numbers of trial i of what key names.
func stream(seed uint64, key string, i int) *rand.Rand {
	h := fnv.New64a()
	h.Write([]byte(key))
	return rand.New(rand.NewPCG(mix(seed)^h.Sum64(), mix(uint64(i)+1)))
}

// mix is the finaliser of splitmix64 (Steele, Lea and Flood, OOPSLA 2014):
// neighbouring numbers give states that have nothing in common.
func mix(x uint64) uint64 {
	x += 0x9e3779b97f4a7c15
	x = (x ^ x>>30) * 0xbf58476d1ce4e5b9
	x = (x ^ x>>27) * 0x94d049bb133111eb
	return x ^ x>>31
}

// each runs one(i) for every i below n, on all processors; worker makes one for
// each of them. progress, which may be nil, is called from one goroutine at a
// time with how many are done, and stops the work by returning false.
func each(n int, worker func() func(i int) error, progress func(done int) bool) error {
	workers := min(runtime.GOMAXPROCS(0), n)
	faults := make([]error, n)
	var next, done atomic.Int64
	var stopped atomic.Bool
	var show sync.Mutex
	var wait sync.WaitGroup
	for range workers {
		wait.Go(func() {
			one := worker()
			for !stopped.Load() {
				i := int(next.Add(1)) - 1
				if i >= n {
					return
				}
				if faults[i] = one(i); faults[i] != nil {
					stopped.Store(true)
					return
				}
				k := int(done.Add(1))
				if progress != nil && (k%64 == 0 || k == n) {
					show.Lock()
					if !progress(k) {
						stopped.Store(true)
					}
					show.Unlock()
				}
			}
		})
	}
	wait.Wait()
	for _, err := range faults {
		if err != nil {
			return err
		}
	}
	if stopped.Load() && int(done.Load()) < n {
		return ErrStopped
	}
	return nil
}
