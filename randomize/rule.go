package randomize

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"encoding/hex"
	"slices"
	"strconv"
	"strings"
)

// This file is section 2 of RULE.md: keys, orders and numbers. Everything the
// package decides goes through a source.

// The three domains of chance. A seed of one can never be a seed of another,
// since the first line of what is hashed differs.
const (
	domainDraw      = "evenhand-seed 1\n"
	domainRehearsal = "evenhand-rehearsal 1\n"
	domainRedraw    = "evenhand-redraw 1\n"
)

// seed is S: 64 lower-case hexadecimal digits as bytes.
type seed [64]byte

// newSeed is S of a domain; number is used by rehearsals and redraws only.
func newSeed(domain string, number int, designDigest, rosterDigest string, chance Chance) seed {
	var b []byte
	b = append(b, domain...)
	if domain != domainDraw {
		b = append(strconv.AppendInt(b, int64(number), 10), '\n')
	}
	b = append(append(b, designDigest...), '\n')
	b = append(append(b, rosterDigest...), '\n')
	b = append(append(b, chance...), '\n')
	sum := sha256.Sum256(b)
	var s seed
	hex.Encode(s[:], sum[:])
	return s
}

// source is where decisions come from: the committed chance (keyed), a
// candidate of the constrained method (candidate), or every possibility in
// turn (tape, for enumeration).
type source interface {
	// units puts the units of a stratum in the order in which they get arms,
	// cut into as many pieces as there are counts: within a piece the order
	// makes no difference to the result.
	units(dst []int, purpose string, names []string, counts []int) []int
	// order is order(purpose, names): places of names.
	order(dst []int, purpose string, names []string) []int
	// first is the first n of order(purpose, tokens of the deck), of which only
	// the arms matter.
	first(dst []int, purpose string, d deck, n int) []int
	// stream is stream(purpose).
	stream(purpose string) numbers
}

// numbers is a stream of numbers.
type numbers interface {
	// uniform gives a whole number from 0 to n-1, each equally likely.
	uniform(n int) int
	// pick gives the place of the weight in whose stretch uniform(sum of the
	// weights) falls.
	pick(weights ...int) int
}

// shuffle puts the places 0 to n-1 in the order given by the numbers.
func shuffle(dst []int, n int, from numbers) []int {
	dst = dst[:0]
	for i := range n {
		dst = append(dst, i)
	}
	for i := n - 1; i > 0; i-- {
		j := from.uniform(i + 1)
		dst[i], dst[j] = dst[j], dst[i]
	}
	return dst
}

// keyed is the source of rule 1: keys from S.
type keyed struct {
	s      seed
	prefix string // before every purpose, e.g. "candidate/17/"
	buf    []byte
	keys   []keyAt
}

type keyAt struct {
	key  [sha256.Size]byte
	high uint64 // first 8 bytes of the key
	at   int
}

func newKeyed(s seed) *keyed { return &keyed{s: s} }

// begin writes S and net(purpose) into the buffer.
func (k *keyed) begin(purpose string) []byte {
	b := append(k.buf[:0], k.s[:]...)
	b = strconv.AppendInt(b, int64(len(k.prefix)+len(purpose)), 10)
	b = append(b, ':')
	b = append(b, k.prefix...)
	b = append(b, purpose...)
	return append(b, ',')
}

func appendNet(b []byte, name string) []byte {
	b = strconv.AppendInt(b, int64(len(name)), 10)
	b = append(b, ':')
	b = append(b, name...)
	return append(b, ',')
}

// order sorts the names by key(purpose, name); the 32 bytes of a key sort as
// their hexadecimal text does. Equal keys go by name.
func (k *keyed) order(dst []int, purpose string, names []string) []int {
	b := k.begin(purpose)
	start := len(b)
	k.keys = k.keys[:0]
	for i, name := range names {
		b = appendNet(b[:start], name)
		sum := sha256.Sum256(b)
		k.keys = append(k.keys, keyAt{sum, binary.BigEndian.Uint64(sum[:8]), i})
	}
	k.buf = b
	slices.SortFunc(k.keys, func(x, y keyAt) int {
		switch {
		case x.high < y.high:
			return -1
		case x.high > y.high:
			return 1
		}
		if c := bytes.Compare(x.key[:], y.key[:]); c != 0 {
			return c
		}
		return strings.Compare(names[x.at], names[y.at])
	})
	dst = dst[:0]
	for i := range k.keys {
		dst = append(dst, k.keys[i].at)
	}
	return dst
}

func (k *keyed) units(dst []int, purpose string, names []string, _ []int) []int {
	return k.order(dst, purpose, names)
}

func (k *keyed) first(dst []int, purpose string, d deck, n int) []int {
	return k.order(dst, purpose, d.names)[:n]
}

func (k *keyed) stream(purpose string) numbers {
	s := &stream{head: slices.Clone(k.begin(purpose)), used: 5}
	return s
}

// stream gives numbers below 2^48: hash c has 60 of its hexadecimal digits cut
// into five numbers of 12 digits (6 bytes).
type stream struct {
	head    []byte // S and net(purpose)
	buf     []byte
	counter int64
	block   [sha256.Size]byte
	used    int // numbers of the block given out
}

// reset starts the stream of another purpose without allocating.
func (s *stream) reset(k *keyed, purpose string) {
	s.head = append(s.head[:0], k.begin(purpose)...)
	s.counter, s.used = 0, 5
}

func (s *stream) next() uint64 {
	if s.used == 5 {
		var digits [20]byte
		c := strconv.AppendInt(digits[:0], s.counter, 10)
		s.buf = append(s.buf[:0], s.head...)
		s.buf = strconv.AppendInt(s.buf, int64(len(c)), 10)
		s.buf = append(s.buf, ':')
		s.buf = append(s.buf, c...)
		s.buf = append(s.buf, ',')
		s.block = sha256.Sum256(s.buf)
		s.counter++
		s.used = 0
	}
	p := s.block[6*s.used:]
	s.used++
	return uint64(p[0])<<40 | uint64(p[1])<<32 | uint64(p[2])<<24 | uint64(p[3])<<16 | uint64(p[4])<<8 | uint64(p[5])
}

func (s *stream) uniform(n int) int {
	m := uint64(n)
	limit := (1 << 48) / m * m
	for {
		if v := s.next(); v < limit {
			return int(v % m)
		}
	}
}

func (s *stream) pick(weights ...int) int {
	sum := 0
	for _, w := range weights {
		sum += w
	}
	v := s.uniform(sum)
	for i, w := range weights {
		if v < w {
			return i
		}
		v -= w
	}
	return len(weights) - 1 // not reached: v is below the sum
}
