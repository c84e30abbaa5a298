package figure

import "math"

// Balance is a row of a love plot: a baseline variable's difference between
// the arms among all randomised and among those analysed.
type Balance struct {
	Label                      string
	Randomised, Analysed       float64 // effect sizes
	HasRandomised, HasAnalysed bool
}

// Love is a love plot: differences at baseline, a row a variable.
type Love struct {
	Title, Desc                    string
	Axis                           string
	RandomisedLabel, AnalysedLabel string
	Guides                         []float64 // distances from zero at which a line is drawn on both sides
	Rows                           []Balance
}

func (p Love) draw() (*canvas, float64) {
	c := &canvas{}
	const labelW, width = 270.0, 680.0
	left, right := labelW+16, width-20
	m := 0.1
	for _, g := range p.Guides {
		m = math.Max(m, g*1.15)
	}
	for _, r := range p.Rows {
		if r.HasRandomised {
			m = math.Max(m, math.Abs(r.Randomised)*1.1)
		}
		if r.HasAnalysed {
			m = math.Max(m, math.Abs(r.Analysed)*1.1)
		}
	}
	ax := newAxis(-m, m, left, right, 6)
	open, full := Arm{Index: 0, Control: true}, Arm{Index: 0}
	y := 14.0
	c.mark(left+8, y-4, 4.5, open)
	c.text(left+18, y, p.RandomisedLabel, little, start)
	x := left + 18 + Width(p.RandomisedLabel, small, false) + 26
	c.mark(x, y-4, 4.5, full)
	c.text(x+10, y, p.AnalysedLabel, little, start)
	y += 14
	top := y
	rowH := 22.0
	bottom := y + rowH*float64(len(p.Rows)) + 2
	at, labels := ax.ticks()
	for i, v := range at {
		c.line(ax.at(v), top, ax.at(v), bottom, "grid")
		c.line(ax.at(v), bottom, ax.at(v), bottom+4, "axis")
		c.tick(ax.at(v), bottom+16, labels[i], middle)
	}
	for _, g := range p.Guides {
		for _, v := range []float64{-g, g} {
			c.line(ax.at(v), top, ax.at(v), bottom, "dash")
		}
	}
	c.line(ax.at(0), top, ax.at(0), bottom, "axis")
	c.line(left, bottom, right, bottom, "axis")
	for i, r := range p.Rows {
		mid := y + rowH*float64(i) + rowH/2
		c.text(labelW, mid+4, Fit(r.Label, labelW-4, normal, false), plain, end)
		if r.HasRandomised && r.HasAnalysed {
			c.line(ax.at(r.Randomised), mid, ax.at(r.Analysed), mid, "rule")
		}
		if r.HasRandomised {
			c.mark(ax.at(r.Randomised), mid, 4.5, open)
		}
		if r.HasAnalysed {
			c.mark(ax.at(r.Analysed), mid, 4.5, full)
		}
	}
	c.text((left+right)/2, bottom+34, p.Axis, muted, middle)
	return c, bottom + 40
}

// Draw gives the SVG.
func (p Love) Draw(prefix string) string {
	c, h := p.draw()
	return c.svg(prefix, p.Title, p.Desc, 680, h)
}

// Texts lists the texts in the picture.
func (p Love) Texts() []string { c, _ := p.draw(); return c.texts }

func (p Love) plan() (*canvas, float64, float64) { c, h := p.draw(); return c, 680, h }

// Description says what the picture shows, for those who don't see it.
func (p Love) Description() string { return p.Desc }
