package figure

import (
	"math"
	"slices"
)

// Traces shows the chains of a sampler, a small panel a parameter: draws from
// left to right, a line a chain. Chains that have settled look like one band of
// noise, without steps or drift, and lie over each other.
type Traces struct {
	Title, Desc string
	Panels      []TracePanel
}

// TracePanel is the chains of one parameter.
type TracePanel struct {
	Label  string
	Text   string      // below the label
	Chains [][]float64 // draws in order
}

func (p Traces) draw() (*canvas, float64) {
	c := &canvas{}
	const width, columns, gutter, high, foot = 680.0, 3, 18.0, 48.0, 44.0
	const w = (width - gutter*(columns-1)) / columns
	for i, panel := range p.Panels {
		left, top := float64(i%columns)*(w+gutter), float64(i/columns)*(high+foot)+30
		bottom := top + high
		c.text(left, top-18, Fit(panel.Label, w, small, false), little, start)
		c.text(left, top-5, panel.Text, muted, start)
		lo, hi, most := math.Inf(1), math.Inf(-1), 0
		for _, chain := range panel.Chains {
			most = max(most, len(chain))
			for _, v := range chain {
				if !math.IsNaN(v) && !math.IsInf(v, 0) {
					lo, hi = math.Min(lo, v), math.Max(hi, v)
				}
			}
		}
		c.line(left, bottom, left+w, bottom, "axis")
		c.line(left, top, left, bottom, "axis")
		if most == 0 || !(hi-lo > 0) || math.IsInf(hi-lo, 0) {
			continue // nothing moves
		}
		// Of the draws that share a step of the width the lowest and the highest are
		// drawn, so that none that stands out is lost.
		each := max(1, int(math.Ceil(float64(most)/w)))
		for k, chain := range panel.Chains {
			var line []XY
			for part := range slices.Chunk(chain, each) {
				x := left + w*float64(len(line)/2*each)/float64(most)
				for _, v := range []float64{slices.Min(part), slices.Max(part)} {
					line = append(line, XY{x, bottom - high*math.Max(0, math.Min(1, (v-lo)/(hi-lo)))})
				}
			}
			line = slices.DeleteFunc(line, func(q XY) bool { return math.IsNaN(q.Y) })
			class := "ink"
			if k%2 == 1 {
				class = "mute"
			}
			c.path(line, class, 0.5, 0, 0)
		}
	}
	rows := (len(p.Panels) + columns - 1) / columns
	return c, float64(rows)*(high+foot) + 8
}

// Draw gives the SVG.
func (p Traces) Draw(prefix string) string {
	c, h := p.draw()
	return c.svg(prefix, p.Title, p.Desc, 680, h)
}

// Texts lists the texts in the picture.
func (p Traces) Texts() []string { c, _ := p.draw(); return c.texts }

func (p Traces) plan() (*canvas, float64, float64) { c, h := p.draw(); return c, 680, h }

// Description says what the picture shows, for those who don't see it.
func (p Traces) Description() string { return p.Desc }
