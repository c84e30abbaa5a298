package figure

import "math"

// Curves are panels side by side with one scale upwards: how one number
// depends on each of several others.
type Curves struct {
	Title, Desc string
	YAxis       string
	Panels      []CurvePanel
	Key         []string // what the first, second … line of every panel is
	Marks       []string // what the first, second … kind of mark is
}

// CurvePanel is one of them.
type CurvePanel struct {
	XAxis string
	Lines [][]XY // by ascending X; an empty one for a line that this panel lacks
	Marks []CurveMark
}

// CurveMark is a point that is not on a curve by itself.
type CurveMark struct {
	Kind int // place in Curves.Marks
	At   XY
}

func (p Curves) draw() (*canvas, float64) {
	c := &canvas{}
	const width, height, gutter, foot = 680.0, 250.0, 26.0, 46.0
	left := 58.0
	hi := 0.0
	for _, panel := range p.Panels {
		for _, line := range panel.Lines {
			for _, q := range line {
				hi = math.Max(hi, q.Y)
			}
		}
		for _, m := range panel.Marks {
			hi = math.Max(hi, m.At.Y)
		}
	}
	if !(hi > 0) || math.IsInf(hi, 0) {
		hi = 1
	}
	top, bottom := 12.0, height-foot
	ay := newAxis(0, hi, bottom, top, 5)
	n := float64(max(1, len(p.Panels)))
	w := (width - left - 12 - gutter*(n-1)) / n
	styles := []func(line []XY){
		func(line []XY) { c.path(line, "ink", 2, 0, 0) },
		func(line []XY) { c.path(line, "ink", 1.5, 7, 4) },
		func(line []XY) { c.path(line, "ink", 1.5, 2, 3) },
	}
	// The first kind is a wide ring, so that another in the same place is seen in it.
	mark := func(x, y float64, kind int) {
		r := 4.0
		if kind == 0 {
			r = 7
		}
		c.mark(x, y, r, Arm{Index: kind, Control: kind%2 == 0})
	}
	atY, labels := ay.ticks()
	for i, panel := range p.Panels {
		l := left + float64(i)*(w+gutter)
		r := l + w
		lo, up := math.Inf(1), math.Inf(-1)
		for _, line := range panel.Lines {
			for _, q := range line {
				lo, up = math.Min(lo, q.X), math.Max(up, q.X)
			}
		}
		for _, m := range panel.Marks {
			lo, up = math.Min(lo, m.At.X), math.Max(up, m.At.X)
		}
		if lo > up || math.IsInf(lo, 0) || math.IsInf(up, 0) {
			lo, up = 0, 1
		}
		ax := newAxis(lo, up, l, r, 4)
		for k, v := range atY {
			c.line(l, ay.at(v), r, ay.at(v), "grid")
			if i == 0 {
				c.tick(l-7, ay.at(v)+4, labels[k], end)
			}
		}
		at, names := ax.ticks()
		for k, v := range at {
			c.line(ax.at(v), bottom, ax.at(v), bottom+4, "axis")
			c.tick(ax.at(v), bottom+17, names[k], middle)
		}
		c.line(l, bottom, r, bottom, "axis")
		c.line(l, top, l, bottom, "axis")
		for s, line := range panel.Lines {
			var at []XY
			for _, q := range line {
				at = append(at, XY{ax.at(q.X), ay.at(q.Y)})
			}
			styles[s%len(styles)](at)
		}
		for _, m := range panel.Marks {
			mark(ax.at(m.At.X), ay.at(m.At.Y), m.Kind)
		}
		c.text((l+r)/2, height-8, Fit(panel.XAxis, w+gutter-4, small, false), muted, middle)
	}
	c.textUp(14, (top+bottom)/2, bottom-top+20, p.YAxis, muted)
	x, y := left, height+14
	place := func(text string, draw func(x, y float64)) {
		need := 40 + Width(text, small, false)
		if x > left && x+need > width {
			x, y = left, y+lead
		}
		draw(x, y-4)
		c.text(x+28, y, text, little, start)
		x += need + 8
	}
	for s, text := range p.Key {
		place(text, func(x, y float64) { styles[s%len(styles)]([]XY{{x, y}, {x + 22, y}}) })
	}
	for k, text := range p.Marks {
		place(text, func(x, y float64) { mark(x+11, y, k) })
	}
	return c, y + 8
}

// Draw gives the SVG.
func (p Curves) Draw(prefix string) string {
	c, h := p.draw()
	return c.svg(prefix, p.Title, p.Desc, 680, h)
}

// Texts lists the texts in the picture.
func (p Curves) Texts() []string { c, _ := p.draw(); return c.texts }

func (p Curves) plan() (*canvas, float64, float64) { c, h := p.draw(); return c, 680, h }

// Description says what the picture shows, for those who don't see it.
func (p Curves) Description() string { return p.Desc }
