package figure

import "math"

// Trace is a line of a chart.
type Trace struct {
	Label  string
	Points []XY // by ascending X
	Arm    Arm  // its colour, and the mark at its end
	Steps  bool // keeps its height until the next point
	Dashed bool
}

// Tick is a place on an axis with what is written there.
type Tick struct {
	At    float64
	Label string
}

// Level is a line across a chart, at a height or (Upright) at a place.
type Level struct {
	At      float64
	Label   string
	Upright bool
}

// Point is a marked place with its label.
type Point struct {
	At    XY
	Label string
	Arm   Arm
}

// Chart is a chart of lines: how many schools were recruited by which day, or
// how probable it is that an effect is larger than each value.
type Chart struct {
	Title, Desc  string
	XAxis, YAxis string
	XTicks       []Tick     // nil for round numbers
	YRange       [2]float64 // lowest and highest; both 0 for what the data need, from 0
	Lines        []Trace
	Levels       []Level
	Points       []Point
}

func (p Chart) draw() (*canvas, float64) {
	c := &canvas{}
	const width, height = 680.0, 320.0
	labelW := 0.0
	for _, l := range p.Lines {
		labelW = math.Max(labelW, math.Min(Width(l.Label, small, true), 150)+20)
	}
	left, right, top, bottom := 62.0, width-12-labelW, 22.0, height-50
	loX, hiX, hiY := math.Inf(1), math.Inf(-1), 0.0
	for _, l := range p.Lines {
		for _, q := range l.Points {
			loX, hiX, hiY = math.Min(loX, q.X), math.Max(hiX, q.X), math.Max(hiY, q.Y)
		}
	}
	for _, l := range p.Levels {
		if l.Upright {
			loX, hiX = math.Min(loX, l.At), math.Max(hiX, l.At)
		} else {
			hiY = math.Max(hiY, l.At)
		}
	}
	if !(hiX > loX) || math.IsInf(hiX-loX, 0) {
		loX, hiX = 0, 1
	}
	loY := 0.0
	if p.YRange != [2]float64{} {
		loY, hiY = p.YRange[0], p.YRange[1]
	}
	ax, ay := newAxis(loX, hiX, left, right, 7), newAxis(loY, hiY, bottom, top, 5)
	if p.XTicks != nil {
		ax.lo, ax.hi = loX, hiX
	}
	at, labels := ay.ticks()
	for i, v := range at {
		c.line(left, ay.at(v), right, ay.at(v), "grid")
		c.tick(left-7, ay.at(v)+4, labels[i], end)
	}
	ticks := p.XTicks
	if ticks == nil {
		at, labels := ax.ticks()
		for i, v := range at {
			ticks = append(ticks, Tick{v, labels[i]})
		}
	}
	reach := math.Inf(-1)
	for _, t := range ticks {
		x := ax.at(t.At)
		if x < left-1 || x > right+1 {
			continue
		}
		c.line(x, bottom, x, bottom+4, "axis")
		label := Fit(t.Label, 110, small, false)
		if w := Width(label, small, false); x-w/2 > reach {
			c.tick(x, bottom+17, label, middle)
			reach = x + w/2 + 4
		}
	}
	c.line(left, bottom, right, bottom, "axis")
	c.line(left, top, left, bottom, "axis")
	for _, l := range p.Levels {
		if l.Upright {
			x := ax.at(l.At)
			c.line(x, top, x, bottom, "dash")
			label := Fit(l.Label, right-left, small, false)
			c.text(math.Min(x, right), top-8, label, muted, anchorNear(x, Width(label, small, false), left, right))
			continue
		}
		y := ay.at(l.At)
		c.line(left, y, right, y, "dash")
		c.text(left+6, y-5, Fit(l.Label, right-left-12, small, false), muted, start)
	}
	var ends []float64
	for _, l := range p.Lines {
		class := armClass(l.Arm.Index)
		for i := 1; i < len(l.Points); i++ {
			a, b := XY{ax.at(l.Points[i-1].X), ay.at(l.Points[i-1].Y)}, XY{ax.at(l.Points[i].X), ay.at(l.Points[i].Y)}
			if l.Steps {
				c.line(a.X, a.Y, b.X, a.Y, class)
				a.X = b.X
			}
			if a != b {
				c.line(a.X, a.Y, b.X, b.Y, class)
			}
		}
		if n := len(l.Points); n > 0 && l.Label != "" {
			x, y := ax.at(l.Points[n-1].X), ay.at(l.Points[n-1].Y)
			c.mark(x, y, 4, l.Arm)
			ly := y + 3.6
			for moved := true; moved; {
				moved = false
				for _, e := range ends {
					if math.Abs(e-ly) < lead-2 {
						ly, moved = e+lead-1, true
					}
				}
			}
			ends = append(ends, ly)
			c.text(right+9, ly, Fit(l.Label, width-right-12, small, true), style{small, true, "ink"}, start)
		}
	}
	for _, q := range p.Points {
		x, y := ax.at(q.At.X), ay.at(q.At.Y)
		c.mark(x, y, 4.5, q.Arm)
		c.text(x+8, y-5, Fit(q.Label, right-x-8, small, true), style{small, true, "ink"}, start)
	}
	for i, s := range Wrap(p.XAxis, right-left, small, false, 2) {
		c.text((left+right)/2, height-16+float64(i)*(lead-2), s, muted, middle)
	}
	c.textUp(14, (top+bottom)/2, bottom-top+20, p.YAxis, muted)
	return c, height
}

// anchorNear says how a text of a width at x stays between left and right.
func anchorNear(x, w, left, right float64) anchor {
	switch {
	case x+w/2 > right:
		return end
	case x-w/2 < left:
		return start
	}
	return middle
}

// Draw gives the SVG.
func (p Chart) Draw(prefix string) string {
	c, h := p.draw()
	return c.svg(prefix, p.Title, p.Desc, 680, h)
}

// Texts lists the texts in the picture.
func (p Chart) Texts() []string { c, _ := p.draw(); return c.texts }

func (p Chart) plan() (*canvas, float64, float64) { c, h := p.draw(); return c, 680, h }

// Description says what the picture shows, for those who don't see it.
func (p Chart) Description() string { return p.Desc }
