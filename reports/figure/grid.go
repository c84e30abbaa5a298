package figure

import "math"

// Grid is a table of small cells, each filled from below by its share: variables
// by schools, communities by sessions. How high a cell is filled tells the share,
// so that it is read without colour.
type Grid struct {
	Title, Desc string
	Groups      []GridGroup // of columns, in order
	Rows        []GridRow
	Across      string // what a column is
	Full        string // what a full cell means
	Row         string // heading of the rows' labels
	Column      string // heading of the texts at the right
}

// GridGroup is columns that belong together.
type GridGroup struct {
	Arm     Arm
	Label   string
	Columns int
}

// GridRow is one row; Shares has an entry a column, over all groups.
type GridRow struct {
	Label  string
	Text   string // at the right
	Shares []float64
	None   []bool // columns of which there is nothing to say; nil for none
}

func (p Grid) draw() (*canvas, float64) {
	c := &canvas{}
	const labelW, width, textW, gap, rowH = 172.0, 680.0, 72.0, 10.0, 26.0
	left, right := labelW+10, width-textW
	columns := 0
	for _, g := range p.Groups {
		columns += g.Columns
	}
	if columns == 0 {
		columns = 1
	}
	w := (right - left - gap*float64(max(0, len(p.Groups)-1))) / float64(columns)
	w = math.Min(w, 34)
	y := 14.0
	x := left
	starts := make([]float64, 0, columns)
	lines := 1
	for _, g := range p.Groups {
		span := w * float64(g.Columns)
		text := Wrap(g.Label, math.Max(span-14, 60), small, true, 2)
		lines = max(lines, len(text))
		c.mark(x+5, y-4, 4.5, g.Arm)
		for k, s := range text {
			c.text(x+14, y+float64(k)*lead, s, style{small, true, "ink"}, start)
		}
		for i := range g.Columns {
			starts = append(starts, x+float64(i)*w)
		}
		x += span + gap
	}
	if p.Row != "" {
		c.text(labelW, y, p.Row, muted, end)
	}
	if p.Column != "" {
		c.text(width-2, y, p.Column, muted, end)
	}
	y += float64(lines-1)*lead + 10
	line := 0.5
	if w < 8 {
		line = 0
	}
	for _, row := range p.Rows {
		for k, s := range Wrap(row.Label, labelW, normal, false, 2) {
			n := float64(len(Wrap(row.Label, labelW, normal, false, 2)))
			c.text(labelW, y+rowH/2+4+(float64(k)-(n-1)/2)*lead, s, plain, end)
		}
		at := 0
		for _, g := range p.Groups {
			class := armClass(g.Arm.Index)
			for range g.Columns {
				if at >= len(row.Shares) {
					break
				}
				x, h := starts[at], rowH-6
				if at < len(row.None) && row.None[at] {
					c.thin(x+1, y+h, x+w-1, y, "rule")
					at++
					continue
				}
				c.add(op{shape: shapeRect, class: "shade", points: []XY{{x, y}, {x + w - line, y + h}}, fill: "#eceff2", stroke: "none"})
				share := row.Shares[at]
				if !(share > 0) {
					share = 0
				}
				share = math.Min(share, 1)
				if share > 0 {
					f := math.Max(1.2, share*h) // a little is seen too
					c.add(op{shape: shapeRect, class: class + " fill", points: []XY{{x, y + h - f}, {x + w - line, y + h}}, fill: colourOf(class), stroke: "none"})
				}
				at++
			}
		}
		if row.Text != "" {
			c.text(width-2, y+rowH/2+2, row.Text, plain, end)
		}
		y += rowH
	}
	y += 12
	c.text(left, y, p.Across, muted, start)
	if p.Full != "" {
		y += lead
		c.add(op{shape: shapeRect, class: "ink fill", points: []XY{{left, y - 9}, {left + 9, y + 1}}, fill: inkColour, stroke: "none"})
		c.text(left+15, y, p.Full, muted, start)
	}
	return c, y + 8
}

// Draw gives the SVG.
func (p Grid) Draw(prefix string) string {
	c, h := p.draw()
	return c.svg(prefix, p.Title, p.Desc, 680, h)
}

// Texts lists the texts in the picture.
func (p Grid) Texts() []string { c, _ := p.draw(); return c.texts }

func (p Grid) plan() (*canvas, float64, float64) { c, h := p.draw(); return c, 680, h }

// Description says what the picture shows, for those who don't see it.
func (p Grid) Description() string { return p.Desc }
