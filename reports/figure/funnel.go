package figure

import "math"

// Bar is one stage of a funnel.
type Bar struct {
	Label string
	N     int
	Text  string // N as it is to be written
}

// Funnel shows how many schools reached each stage of recruitment, with the
// number wanted as a line.
type Funnel struct {
	Title, Desc string
	Bars        []Bar
	Target      int    // 0 for none
	TargetText  string // e.g. "target: 114"
}

func (f Funnel) draw() (*canvas, float64) {
	c := &canvas{}
	const width, labelW, barH, gap = 680.0, 170.0, 20.0, 10.0
	left, right := labelW+12, width-60
	most := math.Max(1, float64(f.Target))
	for _, b := range f.Bars {
		most = math.Max(most, float64(b.N))
	}
	scale := func(n int) float64 { return float64(n) / most * (right - left) }
	y := 8.0
	if f.Target > 0 {
		y += 16
	}
	top := y
	for _, b := range f.Bars {
		c.text(labelW, y+barH/2+4, Fit(b.Label, labelW-4, normal, false), plain, end)
		c.rect(left, y, math.Max(scale(b.N), 1), barH, "arm0")
		c.text(left+scale(b.N)+7, y+barH/2+4, b.Text, strong, start)
		y += barH + gap
	}
	c.line(left, top-2, left, y-gap+2, "axis")
	if f.Target > 0 {
		x := left + scale(f.Target)
		c.line(x, top-6, x, y-gap+4, "dash")
		a := middle
		text := Fit(f.TargetText, x, small, false)
		if x+Width(text, small, false)/2 > width {
			a = end
		}
		c.text(x, top-10, text, muted, a)
	}
	return c, y
}

// Draw gives the SVG.
func (f Funnel) Draw(prefix string) string {
	c, h := f.draw()
	return c.svg(prefix, f.Title, f.Desc, 680, h)
}

// Texts lists the texts in the picture.
func (f Funnel) Texts() []string { c, _ := f.draw(); return c.texts }

func (f Funnel) plan() (*canvas, float64, float64) { c, h := f.draw(); return c, 680, h }

// Description says what the picture shows, for those who don't see it.
func (f Funnel) Description() string { return f.Desc }
