package randomize

import (
	"fmt"
	"math/big"
	"sort"
)

// Possible is one allocation a design can draw, with its exact probability.
type Possible struct {
	Arms []int    // every unit's arm as a place in the design's arms, in the roster's order
	P    *big.Rat // probability
}

// TooManyError says that a design has too many possibilities to list.
type TooManyError struct{ Most int }

func (e *TooManyError) Error() string {
	return fmt.Sprintf("list every allocation: there are more than %d ways to come to one; use Redraws for a sample", e.Most)
}

// Enumerate lists every allocation the design can draw on the roster with its
// exact probability, in ascending order of the arms. It runs the draw itself
// once for every way its decisions can fall, at most most ways (0 means
// 1,000,000), and otherwise returns a *TooManyError. Method constrained cannot
// be listed, since its candidates depend on the chance.
func (d Design) Enumerate(r Roster, most int) ([]Possible, error) {
	if err := checkForSizes(d, r); err != nil {
		return nil, err
	}
	if d.Method == Constrained {
		return nil, &NoClosedFormError{What: "list of allocations", Reason: "a constrained design's candidates depend on the chance"}
	}
	if most <= 0 {
		most = 1_000_000
	}
	reduced, back := clusters(d, r)
	p := newPlan(d, reduced)
	found := map[string]*Possible{}
	t := &tape{}
	for ways := 0; ; ways++ {
		if ways == most {
			return nil, &TooManyError{Most: most}
		}
		t.rewind()
		arms := p.draw(t)
		key := make([]byte, len(arms))
		for i, a := range arms {
			key[i] = byte(a)
		}
		one, ok := found[string(key)]
		if !ok {
			one = &Possible{P: new(big.Rat)}
			for _, at := range back {
				one.Arms = append(one.Arms, arms[at])
			}
			found[string(key)] = one
		}
		one.P.Add(one.P, t.probability())
		if !t.advance() {
			break
		}
	}
	keys := make([]string, 0, len(found))
	for k := range found {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	list := make([]Possible, len(keys))
	for i, k := range keys {
		list[i] = *found[k]
	}
	return list, nil
}

// tape is a source that goes through every possibility. Each decision is a
// weighted choice; a run of the draw reads the decisions written so far and
// takes the first possible choice for new ones.
type tape struct {
	decisions []decision
	at        int
}

type decision struct {
	weights []int
	choice  int
}

func (t *tape) rewind() { t.at = 0 }

func (t *tape) pick(weights ...int) int {
	if t.at == len(t.decisions) {
		first := 0
		for weights[first] == 0 {
			first++
		}
		t.decisions = append(t.decisions, decision{append([]int(nil), weights...), first})
	}
	t.at++
	return t.decisions[t.at-1].choice
}

func (t *tape) uniform(n int) int {
	weights := make([]int, n)
	for i := range weights {
		weights[i] = 1
	}
	return t.pick(weights...)
}

func (t *tape) stream(string) numbers { return t }

func (t *tape) order(dst []int, _ string, names []string) []int {
	dst = dst[:0]
	left := make([]int, len(names))
	for i := range left {
		left[i] = i
	}
	for len(left) > 0 {
		i := t.uniform(len(left))
		dst = append(dst, left[i])
		left = append(left[:i:i], left[i+1:]...)
	}
	return dst
}

// units need not be put in every order: which piece each unit falls in is all
// that matters.
func (t *tape) units(dst []int, _ string, names []string, counts []int) []int {
	room := append([]int(nil), counts...)
	pieces := make([][]int, len(counts))
	for i := range names {
		piece := t.pick(room...)
		room[piece]--
		pieces[piece] = append(pieces[piece], i)
	}
	dst = dst[:0]
	for _, piece := range pieces {
		dst = append(dst, piece...)
	}
	return dst
}

// first needs no order among the tokens of an arm.
func (t *tape) first(dst []int, _ string, d deck, n int) []int {
	left := append([]int(nil), d.weights...)
	dst = dst[:0]
	for range n {
		a := t.pick(left...)
		// Any token of arm a will do: its last one not taken yet.
		token := left[a] - 1
		for b := range a {
			token += d.weights[b]
		}
		left[a]--
		dst = append(dst, token)
	}
	return dst
}

// probability is that of the run just made.
func (t *tape) probability() *big.Rat {
	p := big.NewRat(1, 1)
	for _, d := range t.decisions {
		sum := 0
		for _, w := range d.weights {
			sum += w
		}
		p.Mul(p, big.NewRat(int64(d.weights[d.choice]), int64(sum)))
	}
	return p
}

// advance turns the tape to the next run; false when there is none.
func (t *tape) advance() bool {
	for len(t.decisions) > 0 {
		last := &t.decisions[len(t.decisions)-1]
		for last.choice++; last.choice < len(last.weights); last.choice++ {
			if last.weights[last.choice] > 0 {
				return true
			}
		}
		t.decisions = t.decisions[:len(t.decisions)-1]
	}
	return false
}
