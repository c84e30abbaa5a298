package figure

import "math"

// Bin is a bar of a histogram: the share of an arm's pupils from Low to High.
type Bin struct{ Low, High, Share float64 }

// SpreadArm is one arm's distribution of a measure.
type SpreadArm struct {
	Arm     Arm
	Text    string // e.g. "mean 103.47, SD 6.71"
	Bins    []Bin  // side by side, ascending
	Mean    float64
	HasMean bool
	Gap     string // why there are no bins
}

// Spread is one measure's distributions, an arm each.
type Spread struct {
	Title string // e.g. "Before: Key Stage 1 reading"
	Axis  string
	Arms  []SpreadArm
}

// Spreads shows how scores are spread in each arm, a column a measure and a row
// an arm, all arms of a measure on the same scales. The area of a bar is its
// share of the arm's pupils, so bars may differ in width.
type Spreads struct {
	Title, Desc string
	Measures    []Spread
}

func (p Spreads) draw() (*canvas, float64) {
	c := &canvas{}
	const width, height, between = 680.0, 104.0, 26.0
	n := len(p.Measures)
	if n == 0 {
		return c, 20
	}
	column := (width - 4 - between*float64(n-1)) / float64(n)
	bottom := 0.0
	for k, m := range p.Measures {
		left := 2 + float64(k)*(column+between)
		right := left + column
		lo, hi, tallest := math.Inf(1), math.Inf(-1), 0.0
		for _, a := range m.Arms {
			for _, b := range a.Bins {
				if b.High > b.Low && b.Share >= 0 && !math.IsInf(b.High-b.Low, 0) {
					lo, hi, tallest = math.Min(lo, b.Low), math.Max(hi, b.High), math.Max(tallest, b.Share/(b.High-b.Low))
				}
			}
		}
		if lo > hi {
			lo, hi = 0, 1
		}
		if !(tallest > 0) || math.IsInf(tallest, 0) {
			tallest = 1
		}
		ax := newAxis(lo, hi, left+14, right-14, 6)
		y := 14.0
		for i, s := range Wrap(m.Title, column, normal, true, 2) {
			c.text(left, y+float64(i)*lead, s, strong, start)
		}
		y += 2 * lead
		at, labels := ax.ticks()
		for _, a := range m.Arms {
			c.mark(left+6, y-4, 4.5, a.Arm)
			name := Fit(a.Arm.Label, column-24, normal, false)
			c.text(left+16, y, name, plain, start)
			if a.Text != "" {
				c.text(left+16, y+lead, Fit(a.Text, column-16, small, false), muted, start)
			}
			top := y + lead + 8
			base := top + height
			for _, v := range at {
				c.line(ax.at(v), top, ax.at(v), base, "grid")
			}
			class := armClass(a.Arm.Index)
			for _, b := range a.Bins {
				if !(b.High > b.Low) || math.IsInf(b.High-b.Low, 0) || !(b.Share > 0) {
					continue
				}
				h := b.Share / (b.High - b.Low) / tallest * (height - 4)
				x1, x2 := ax.at(b.Low), ax.at(b.High)
				o := op{shape: shapeRect, class: class + " fill", points: []XY{{x1 + 0.4, base - h}, {x2 - 0.4, base}}, fill: colourOf(class), stroke: "none"}
				if a.Arm.Control {
					o.class, o.fill, o.stroke, o.width = class+" open", paper, colourOf(class), 1.2
				}
				c.add(o)
			}
			if a.Gap != "" {
				for i, s := range Wrap(a.Gap, column-20, small, false, 3) {
					c.text((left+right)/2, top+height/2+float64(i)*lead, s, muted, middle)
				}
			}
			c.line(left, base, right, base, "axis")
			if a.HasMean {
				x := ax.at(a.Mean)
				c.line(x, top-2, x, base, "ink")
				c.area([]XY{{x - 4, top - 7}, {x + 4, top - 7}, {x, top - 1}}, "ink", inkColour)
			}
			y = base + 24
		}
		for i, v := range at {
			c.line(ax.at(v), y-24, ax.at(v), y-20, "axis")
			c.tick(ax.at(v), y-9, labels[i], middle)
		}
		for i, s := range Wrap(m.Axis, column, small, false, 2) {
			c.text((left+right)/2, y+9+float64(i)*lead, s, muted, middle)
		}
		bottom = math.Max(bottom, y+9+lead)
	}
	return c, bottom + 6
}

// Draw gives the SVG.
func (p Spreads) Draw(prefix string) string {
	c, h := p.draw()
	return c.svg(prefix, p.Title, p.Desc, 680, h)
}

// Texts lists the texts in the picture.
func (p Spreads) Texts() []string { c, _ := p.draw(); return c.texts }

func (p Spreads) plan() (*canvas, float64, float64) { c, h := p.draw(); return c, 680, h }

// Description says what the picture shows, for those who don't see it.
func (p Spreads) Description() string { return p.Desc }
