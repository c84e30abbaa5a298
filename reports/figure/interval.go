package figure

import "math"

// Interval is a row of an interval plot.
type Interval struct {
	Label            string
	Text             string // the estimate and its interval in words, at the right
	Value, Low, High float64
	Arm              Arm    // its mark
	Heading          bool   // a row that is only a heading: no estimate
	Gap              string // why there is no estimate; "" if there is one
	Strong           bool   // the primary result: its name in bold
	Bounds           bool   // from Low to High, with no estimate between
}

// Intervals is a plot of estimates with their intervals, a row each, against a
// line of no difference.
type Intervals struct {
	Title, Desc string
	Axis        string  // what is measured, with its unit
	Below       string  // what lies left of the line, e.g. "favours control"
	Above       string  // what lies right of it
	Column      string  // heading of the texts at the right
	Second      string  // set: what a second scale above shows, e.g. outcome units
	SecondPer   float64 // how many of its units make one of the axis
	SecondTicks []Tick  // set: its marks, at places of the axis, where it is not in proportion
	Rows        []Interval
}

func (p Intervals) draw() (*canvas, float64) {
	c := &canvas{}
	const labelW, textW, width = 210.0, 150.0, 680.0
	left, right := labelW+16, width-textW-16
	lo, hi := 0.0, 0.0
	for _, r := range p.Rows {
		if !r.Heading && r.Gap == "" {
			lo, hi = math.Min(lo, r.Low), math.Max(hi, r.High)
		}
	}
	m := math.Max(math.Abs(lo), math.Abs(hi)) * 1.05
	if m == 0 {
		m = 1
	}
	// the line of no difference always shows some of both sides
	ax := newAxis(math.Min(lo*1.05, -0.35*m), math.Max(hi*1.05, 0.35*m), left, right, 6)
	y := 16.0
	if p.Column != "" {
		c.text(width-2, y, p.Column, muted, end)
	}
	if p.Below != "" {
		c.text(ax.at(0)-8, y, Fit("← "+p.Below, ax.at(0)-left+labelW*0.4, small, false), muted, end)
	}
	if p.Above != "" {
		c.text(ax.at(0)+8, y, Fit(p.Above+" →", right-ax.at(0)+20, small, false), muted, start)
	}
	y += 10
	second := p.Second != "" && (p.SecondPer > 0 && !math.IsInf(p.SecondPer, 0) || p.SecondTicks != nil)
	if second {
		y += 2*lead + 2
	}
	top := y
	type laid struct {
		lines []string
		y, h  float64
	}
	rows := make([]laid, len(p.Rows))
	for i, r := range p.Rows {
		w := labelW
		if r.Heading {
			w = width
		}
		lines := Wrap(r.Label, w-4, normal, r.Strong || r.Heading, 3)
		h := math.Max(23, float64(len(lines))*lead+8)
		rows[i] = laid{lines, y + h/2, h}
		y += h
	}
	bottom := y + 2
	at, labels := ax.ticks()
	for i, v := range at {
		x := ax.at(v)
		c.line(x, top, x, bottom, "grid")
		c.line(x, bottom, x, bottom+4, "axis")
		c.tick(x, bottom+16, labels[i], middle)
	}
	if second {
		ticks := p.SecondTicks
		if ticks == nil { // the same scale in other units: its ends are the axis's, its marks round
			at, labels := newAxis(ax.lo*p.SecondPer, ax.hi*p.SecondPer, 0, 1, 6).ticks()
			for i, v := range at {
				ticks = append(ticks, Tick{v / p.SecondPer, labels[i]})
			}
		}
		reach := math.Inf(-1)
		for _, t := range ticks {
			x, w := ax.at(t.At), Width(t.Label, small, false)
			if x >= left-0.5 && x <= right+0.5 && x-w/2 > reach {
				c.line(x, top-4, x, top, "axis")
				c.tick(x, top-8, t.Label, middle)
				reach = x + w/2 + 3
			}
		}
		c.line(left, top, right, top, "axis")
		c.text((left+right)/2, top-8-lead, Fit(p.Second, right-left+100, small, false), muted, middle)
	}
	c.line(ax.at(0), top-4, ax.at(0), bottom, "axis")
	c.line(left, bottom, right, bottom, "axis")
	for i, r := range p.Rows {
		l := rows[i]
		st := plain
		if r.Strong || r.Heading {
			st = strong
		}
		for k, s := range l.lines {
			c.text(2, l.y+4+(float64(k)-float64(len(l.lines)-1)/2)*lead, s, st, start)
		}
		switch {
		case r.Heading:
		case r.Gap != "":
			c.text((left+right)/2, l.y+4, Fit(r.Gap, right-left, small, false), muted, middle)
		default:
			class := armClass(r.Arm.Index)
			x1, x2 := ax.at(r.Low), ax.at(r.High)
			c.line(x1, l.y, x2, l.y, class)
			c.line(x1, l.y-4, x1, l.y+4, class)
			c.line(x2, l.y-4, x2, l.y+4, class)
			if !r.Bounds {
				c.mark(ax.at(r.Value), l.y, 5, r.Arm)
			}
			c.text(width-2, l.y+4, r.Text, st, end)
		}
	}
	y = bottom + 34
	if p.Axis != "" {
		for _, s := range Wrap(p.Axis, right-left+120, small, false, 3) {
			c.text((left+right)/2, y, s, muted, middle)
			y += lead
		}
	}
	return c, y - lead + 8
}

// Draw gives the SVG.
func (p Intervals) Draw(prefix string) string {
	c, h := p.draw()
	return c.svg(prefix, p.Title, p.Desc, 680, h)
}

// Texts lists the texts in the picture.
func (p Intervals) Texts() []string { c, _ := p.draw(); return c.texts }

func (p Intervals) plan() (*canvas, float64, float64) { c, h := p.draw(); return c, 680, h }

// Description says what the picture shows, for those who don't see it.
func (p Intervals) Description() string { return p.Desc }
