package randomize

import (
	"fmt"
	"math/big"
	"sort"
	"strings"
)

// Count is the number of different allocations of arms that the design can
// draw on the roster (communities apart). It is exact, or the error is a
// *NoClosedFormError.
func (d Design) Count(r Roster) (*big.Int, error) {
	if err := checkForSizes(d, r); err != nil {
		return nil, err
	}
	reduced, _ := clusters(d, r)
	p := newPlan(d, reduced)
	n := int64(len(reduced.Units))
	switch d.Method {
	case Simple, Efron, Minimisation:
		// Every arm has some chance at every step.
		return new(big.Int).Exp(big.NewInt(int64(len(d.Arms))), big.NewInt(n), nil), nil
	case Blocks:
		return p.countBlocks()
	case Constrained:
		return nil, &NoClosedFormError{What: "number of allocations", Reason: "what a constrained design keeps depends on the chance"}
	}
	if d.misfitRule() == Pooled {
		return p.countPooled()
	}
	total := big.NewInt(1)
	for _, s := range p.strata {
		q, m := len(s.members)/p.deck.total, len(s.members)%p.deck.total
		total.Mul(total, p.countStratum(0, len(s.members), q, m))
	}
	return total, nil
}

// countStratum is the number of ways to give n units of a stratum to the arms
// from a on, m of them misfits and the rest q·w to each arm.
func (p *plan) countStratum(a, n, q, m int) *big.Int {
	w := p.deck.weights[a]
	if a == len(p.deck.weights)-1 {
		if m > w || n != q*w+m {
			return new(big.Int)
		}
		return big.NewInt(1)
	}
	sum := new(big.Int)
	for c := 0; c <= min(m, w); c++ {
		rest := p.countStratum(a+1, n-q*w-c, q, m-c)
		sum.Add(sum, rest.Mul(rest, new(big.Int).Binomial(int64(n), int64(q*w+c))))
	}
	return sum
}

// maxStates bounds the tables of the two counts below.
const maxStates = 200_000

// countPooled counts where every stratum has one misfit or none: any way to
// give the misfits arms is possible whose totals are whole passes and a
// remainder.
func (p *plan) countPooled() (*big.Int, error) {
	type state struct {
		totals []int
		ways   *big.Int
	}
	start := state{make([]int, len(p.deck.weights)), big.NewInt(1)}
	states := map[string]state{fmt.Sprint(start.totals): start}
	misfits := 0
	for _, s := range p.strata {
		n := len(s.members)
		q, m := n/p.deck.total, n%p.deck.total
		misfits += m
		if m > 1 {
			return nil, &NoClosedFormError{What: "number of allocations", Reason: fmt.Sprintf("misfits are pooled and stratum %q has %d of them", s.name, m)}
		}
		next := map[string]state{}
		for _, st := range states {
			for a := range p.deck.weights {
				if m == 0 && a > 0 {
					break
				}
				to := state{append([]int(nil), st.totals...), new(big.Int)}
				ways := big.NewInt(1)
				left := int64(n)
				for b, w := range p.deck.weights {
					size := int64(q * w)
					if m == 1 && a == b {
						size++
						to.totals[b]++
					}
					ways.Mul(ways, new(big.Int).Binomial(left, size))
					left -= size
				}
				to.ways.Mul(st.ways, ways)
				key := fmt.Sprint(to.totals)
				if had, ok := next[key]; ok {
					to.ways.Add(to.ways, had.ways)
				}
				next[key] = to
			}
		}
		if len(next) > maxStates {
			return nil, &NoClosedFormError{What: "number of allocations", Reason: "the strata and arms are too many to count over"}
		}
		states = next
	}
	sum := new(big.Int)
	passes, rest := misfits/p.deck.total, misfits%p.deck.total
	for _, st := range states {
		possible := true
		for a, w := range p.deck.weights {
			over := st.totals[a] - passes*w
			possible = possible && over >= 0 && over <= min(w, rest)
		}
		if possible {
			sum.Add(sum, st.ways)
		}
	}
	return sum, nil
}

// countBlocks counts the arm sequences of each stratum. A sequence may come
// from several choices of block sizes, so prefixes are followed together with
// every place in a block they may have reached.
func (p *plan) countBlocks() (*big.Int, error) {
	total := big.NewInt(1)
	for _, s := range p.strata {
		type group struct {
			places []string // size and what is left of each arm, sorted
			ways   *big.Int
		}
		fresh := func() []string {
			var all []string
			for _, size := range p.design.Blocks {
				left := make([]int, len(p.deck.weights))
				for a, w := range p.deck.weights {
					left[a] = size / p.deck.total * w
				}
				all = append(all, placeText(left))
			}
			return all
		}
		groups := map[string]group{}
		start := uniqueSorted(fresh())
		groups[strings.Join(start, "|")] = group{start, big.NewInt(1)}
		for range s.members {
			next := map[string]group{}
			for _, g := range groups {
				for a := range p.deck.weights {
					var places []string
					for _, text := range g.places {
						left := placeOf(text)
						if left[a] == 0 {
							continue
						}
						left[a]--
						if sumOf(left) == 0 {
							places = append(places, fresh()...)
						} else {
							places = append(places, placeText(left))
						}
					}
					if len(places) == 0 {
						continue
					}
					places = uniqueSorted(places)
					key := strings.Join(places, "|")
					to, ok := next[key]
					if !ok {
						to = group{places, new(big.Int)}
					}
					to.ways.Add(to.ways, g.ways)
					next[key] = to
				}
			}
			if len(next) > maxStates {
				return nil, &NoClosedFormError{What: "number of allocations", Reason: "the block sizes and arms are too many to count over"}
			}
			groups = next
		}
		sum := new(big.Int)
		for _, g := range groups {
			sum.Add(sum, g.ways)
		}
		total.Mul(total, sum)
	}
	return total, nil
}

func placeText(left []int) string {
	parts := make([]string, len(left))
	for i, n := range left {
		parts[i] = itoa(n)
	}
	return strings.Join(parts, ",")
}

func placeOf(text string) []int {
	var left []int
	for s := range strings.SplitSeq(text, ",") {
		n, _ := canonicalInt(s)
		left = append(left, int(n))
	}
	return left
}

func sumOf(list []int) int {
	sum := 0
	for _, n := range list {
		sum += n
	}
	return sum
}

func uniqueSorted(list []string) []string {
	sort.Strings(list)
	out := list[:0]
	for i, s := range list {
		if i == 0 || s != list[i-1] {
			out = append(out, s)
		}
	}
	return out
}
