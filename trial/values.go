package trial

// Sizes is how many schools a community may have, smallest to largest;
// written "5 to 6", or "5" for exactly five.
type Sizes struct{ Min, Max int }

// Range is the lowest and highest possible value of a score, written "80 to
// 120". Set is false where the protocol gives none.
type Range struct {
	Low, High float64
	Set       bool
}

// Contains says whether v may occur; every number may where no range is set.
func (r Range) Contains(v float64) bool { return !r.Set || (v >= r.Low && v <= r.High) }

// Decimal is a number that a protocol may leave out; Set is false where it does.
type Decimal struct {
	Value float64
	Set   bool
}

// Or is the number, or another where it was left out.
func (d Decimal) Or(other Decimal) Decimal {
	if d.Set {
		return d
	}
	return other
}

// Percent is a share in [0,1], written "95 %".
type Percent float64
