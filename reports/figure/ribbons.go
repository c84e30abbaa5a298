package figure

import "math"

// End is what a ribbon runs from or to: a stratum, a community, an arm.
type End struct {
	Label string
	Text  string // how many, as it is to be written
	Arm   Arm    // of the right-hand ends: their colour; the control arm's are open
}

// Ribbon is so many schools from one end to another.
type Ribbon struct {
	From, To int // indices into Ribbons.From and Ribbons.To
	N        int
}

// Ribbons shows a draw: how many schools of each stratum, at the left, came into
// each community and arm, at the right. Each school is as wide as any other.
type Ribbons struct {
	Title, Desc      string
	FromHead, ToHead string
	From, To         []End
	Ribbons          []Ribbon
	Middle           string // set: all ribbons run through one band with these words, so that none can be followed
}

func (p Ribbons) draw() (*canvas, float64) {
	c := &canvas{}
	const width, labelL, labelR, bar = 680.0, 210.0, 190.0, 9.0
	left, right := labelL+8, width-labelR-8-bar
	from, to, all := make([]int, len(p.From)), make([]int, len(p.To)), 0
	var ribbons []Ribbon
	for _, r := range p.Ribbons {
		if r.N > 0 && r.From >= 0 && r.To >= 0 && r.From < len(from) && r.To < len(to) {
			from[r.From] += r.N
			to[r.To] += r.N
			all += r.N
			ribbons = append(ribbons, r)
		}
	}
	// One school is as many units high as lets the picture fit on a page.
	const page = 900.0
	most := max(len(from), len(to))
	unit := math.Min(4.5, math.Max(page-float64(most)*9, page/3)/math.Max(float64(all), 1))
	const least, gap = 13.0, 3.0 // a name needs so much, whoever it is of
	place := func(sizes []int, top float64) (y []float64, bottom float64) {
		bottom = top
		for _, n := range sizes {
			h := math.Max(float64(n)*unit, least)
			y = append(y, bottom+(h-float64(n)*unit)/2)
			bottom += h + gap
		}
		return y, bottom - gap
	}
	const top = 26.0
	yFrom, endFrom := place(from, top)
	yTo, endTo := place(to, top)
	bottom := math.Max(math.Max(endFrom, endTo), top)
	for i := range yFrom {
		yFrom[i] += (bottom - endFrom) / 2
	}
	for i := range yTo {
		yTo[i] += (bottom - endTo) / 2
	}
	c.text(labelL, 12, Fit(p.FromHead, labelL-4, small, false), muted, end)
	c.text(right+bar+8, 12, Fit(p.ToHead, labelR-4, small, false), muted, start)

	mid := (left + bar + right) / 2
	band := float64(all) * unit
	bandTop := (top+bottom)/2 - band/2
	usedFrom, usedTo := append([]float64(nil), yFrom...), append([]float64(nil), yTo...)
	if p.Middle != "" {
		y := bandTop
		for i, n := range from {
			c.ribbon(left+bar, yFrom[i], mid-bar/2, y, float64(n)*unit, "shade", "#e3e7eb", "none")
			y += float64(n) * unit
		}
		y = bandTop
		for i, n := range to {
			c.ribbon(mid+bar/2, y, right, yTo[i], float64(n)*unit, "shade", "#e3e7eb", "none")
			y += float64(n) * unit
		}
		c.add(op{shape: shapeRect, class: "bar", points: []XY{{mid - bar/2, bandTop}, {mid + bar/2, bandTop + band}}, fill: muteColour, stroke: "none"})
		c.text(mid, bandTop-7, Fit(p.Middle, right-left, small, false), muted, middle)
	} else {
		for i := range from { // in the order of both ends, so that ribbons of one end lie side by side
			for k := range to {
				for _, r := range ribbons {
					if r.From != i || r.To != k {
						continue
					}
					h := float64(r.N) * unit
					class := armClass(p.To[k].Arm.Index)
					fill, line := tint(colourOf(class)), "none"
					if p.To[k].Arm.Control { // told apart by its rim too
						line = colourOf(class)
						class = "tint" + class[3:] + " rim"
					} else {
						class = "tint" + class[3:]
					}
					c.ribbon(left+bar, usedFrom[i], right, usedTo[k], h, class, fill, line)
					usedFrom[i] += h
					usedTo[k] += h
				}
			}
		}
	}
	for i, e := range p.From {
		h := float64(from[i]) * unit
		c.add(op{shape: shapeRect, class: "bar", points: []XY{{left, yFrom[i]}, {left + bar, yFrom[i] + h}}, fill: muteColour, stroke: "none"})
		w := Width(e.Text, small, true)
		y := yFrom[i] + h/2 + 3.6
		c.text(labelL, y, e.Text, style{small, true, "ink"}, end)
		c.text(labelL-w-7, y, Fit(e.Label, labelL-w-11, small, false), little, end)
	}
	for i, e := range p.To {
		h := float64(to[i]) * unit
		class := armClass(e.Arm.Index)
		o := op{shape: shapeRect, class: class + " fill", points: []XY{{right, yTo[i]}, {right + bar, yTo[i] + h}}, fill: colourOf(class), stroke: "none"}
		if e.Arm.Control {
			o.class, o.fill, o.stroke, o.width = class+" open", paper, colourOf(class), 1.5
		}
		c.add(o)
		y := yTo[i] + h/2 + 3.6
		w := Width(e.Text, small, true)
		c.text(right+bar+8, y, e.Text, style{small, true, "ink"}, start)
		c.text(right+bar+8+w+7, y, Fit(e.Label, labelR-w-14, small, false), little, start)
	}
	return c, bottom + 6
}

// tint is a light shade of a colour.
func tint(colour string) string {
	v := rgb(colour)
	mix := func(x uint8) byte { return byte((int(x)*32 + 255*68) / 100) }
	const hex = "0123456789abcdef"
	out := []byte{'#'}
	for _, x := range []byte{mix(v.R), mix(v.G), mix(v.B)} {
		out = append(out, hex[x>>4], hex[x&15])
	}
	return string(out)
}

// ribbon draws a band of a height that swings from one place to another.
func (c *canvas) ribbon(x1, y1, x2, y2, h float64, class, fill, line string) {
	const n = 24
	var upper, lower []XY
	for i := range n + 1 {
		t := float64(i) / n
		s := t * t * (3 - 2*t)
		x, y := x1+(x2-x1)*t, y1+(y2-y1)*s
		upper = append(upper, XY{x, y})
		lower = append(lower, XY{x, y + h})
	}
	points := upper
	for i := n; i >= 0; i-- {
		points = append(points, lower[i])
	}
	c.add(op{shape: shapePolygon, class: class, points: points, fill: fill, stroke: line, width: 0.6})
}

// Draw gives the SVG.
func (p Ribbons) Draw(prefix string) string {
	c, h := p.draw()
	return c.svg(prefix, p.Title, p.Desc, 680, h)
}

// Texts lists the texts in the picture.
func (p Ribbons) Texts() []string { c, _ := p.draw(); return c.texts }

func (p Ribbons) plan() (*canvas, float64, float64) { c, h := p.draw(); return c, 680, h }

// Description says what the picture shows, for those who don't see it.
func (p Ribbons) Description() string { return p.Desc }
