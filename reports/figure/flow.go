package figure

import "math"

// Box is a box of a flow diagram: a heading and lines of text under it. A line
// beginning with a tab is set in by one step.
type Box struct {
	Heading string
	Lines   []string
}

// FlowArm is the column of one arm: the boxes that its schools and pupils
// pass, from the draw to the analysis. All arms have as many.
type FlowArm struct {
	Arm   Arm
	Boxes []Box
}

// Flow is a participant flow diagram in the manner of CONSORT.
type Flow struct {
	Title, Desc string
	Top         Box  // who was considered
	Aside       *Box // who left before the draw; nil for none
	Drawn       Box  // who was randomised
	Arms        []FlowArm
}

const (
	flowWidth = 680.0
	flowPad   = 8.0
	flowGap   = 24.0
	indent    = 10.0
)

type line struct {
	text string
	x    float64
	bold bool
}

// lay breaks a box's text into lines for a width.
func (b Box) lay(width float64) []line {
	var out []line
	if b.Heading != "" {
		for _, s := range Wrap(b.Heading, width-2*flowPad, normal, true, 4) {
			out = append(out, line{s, 0, true})
		}
	}
	for _, l := range b.Lines {
		in := 0.0
		if len(l) > 0 && l[0] == '\t' {
			in, l = indent, l[1:]
		}
		for i, s := range Wrap(l, width-2*flowPad-in, small, false, 4) {
			x := in
			if i > 0 {
				x += 6
			}
			out = append(out, line{s, x, false})
		}
	}
	return out
}

func boxHeight(lines []line) float64 { return float64(len(lines))*lead + 2*flowPad - 2 }

func (c *canvas) box(x, y, w, h float64, lines []line, class string) {
	c.rect(x, y, w, h, class)
	for i, l := range lines {
		st := little
		if l.bold {
			st = strong
		}
		c.text(x+flowPad+l.x, y+flowPad+float64(i)*lead+9.5, l.text, st, start)
	}
}

func (f Flow) draw() (*canvas, float64) {
	c := &canvas{}
	centre := flowWidth / 2
	topW := 270.0
	y := 2.0
	// who was considered, and beside the way down who left
	top := f.Top.lay(topW)
	h := boxHeight(top)
	topX := centre - topW/2
	if f.Aside != nil {
		topX = 60
		centre = topX + topW/2
	}
	c.box(topX, y, topW, h, top, "box")
	y += h
	gap := flowGap
	if f.Aside != nil {
		asideX := centre + 30
		asideW := flowWidth - 2 - asideX
		aside := f.Aside.lay(asideW)
		widest := 0.0
		for _, l := range aside {
			widest = math.Max(widest, l.x+Width(l.text, normal, l.bold))
		}
		asideW = math.Min(asideW, math.Max(widest+3*flowPad, 200))
		ah := boxHeight(aside)
		gap = ah + 2*12
		mid := y + gap/2
		c.arrow(centre, mid, asideX, mid)
		c.box(asideX, mid-ah/2, asideW, ah, aside, "shade")
	}
	c.arrow(centre, y, centre, y+gap)
	y += gap
	drawn := f.Drawn.lay(topW)
	h = boxHeight(drawn)
	c.box(centre-topW/2, y, topW, h, drawn, "box")
	y += h
	n := len(f.Arms)
	if n == 0 {
		return c, y + 2
	}
	// one column an arm
	space := 14.0
	colW := (flowWidth - 4 - space*float64(n-1)) / float64(n)
	if n == 1 {
		colW = 330
	}
	left := 2.0
	if n == 1 {
		left = centre - colW/2
	}
	mid := func(i int) float64 { return left + float64(i)*(colW+space) + colW/2 }
	fork := y + flowGap*0.7
	c.line(centre, y, centre, fork, "rule")
	lo, hi := math.Min(mid(0), centre), math.Max(mid(n-1), centre)
	if hi > lo {
		c.line(lo, fork, hi, fork, "rule")
	}
	y = fork
	rows := 0
	for _, a := range f.Arms {
		rows = max(rows, len(a.Boxes))
	}
	// the arms' names with their marks stand above the columns
	nameH := 0.0
	names := make([][]string, n)
	for i, a := range f.Arms {
		names[i] = Wrap(a.Arm.Label, colW-26, normal, true, 3)
		nameH = math.Max(nameH, float64(len(names[i]))*lead)
	}
	for i, a := range f.Arms {
		c.arrow(mid(i), y, mid(i), y+flowGap*0.8)
		x := left + float64(i)*(colW+space)
		ty := y + flowGap*0.8 + 12
		c.mark(x+7, ty-4, 5, a.Arm)
		for k, s := range names[i] {
			c.text(x+18, ty+float64(k)*lead, s, strong, start)
		}
	}
	y += flowGap*0.8 + nameH + 4
	for r := range rows {
		lines := make([][]line, n)
		h := 0.0
		for i, a := range f.Arms {
			if r < len(a.Boxes) {
				lines[i] = a.Boxes[r].lay(colW)
				h = math.Max(h, boxHeight(lines[i]))
			}
		}
		for i := range f.Arms {
			if lines[i] == nil {
				continue
			}
			if r > 0 {
				c.arrow(mid(i), y-flowGap*0.8, mid(i), y)
			}
			class := "box"
			if r > 0 && r < rows-1 {
				class = "shade"
			}
			c.box(left+float64(i)*(colW+space), y, colW, h, lines[i], class)
		}
		y += h + flowGap*0.8
	}
	return c, y - flowGap*0.8 + 2
}

// Draw gives the SVG.
func (f Flow) Draw(prefix string) string {
	c, h := f.draw()
	return c.svg(prefix, f.Title, f.Desc, flowWidth, h)
}

// Texts lists the texts in the picture.
func (f Flow) Texts() []string { c, _ := f.draw(); return c.texts }

func (f Flow) plan() (*canvas, float64, float64) { c, h := f.draw(); return c, flowWidth, h }

// Description says what the picture shows, for those who don't see it.
func (f Flow) Description() string { return f.Desc }
