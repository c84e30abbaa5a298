package figure

import (
	"fmt"
	"math"
	"slices"
)

// Place is a school on the map, in metres of a national grid.
type Place struct{ Easting, Northing float64 }

// MapGroup is one community with its schools.
type MapGroup struct {
	Label  string // written at its middle, e.g. "3"
	Places []Place
}

// Map shows communities where their schools are: each school joined to the
// middle of its community, which bears the community's number.
type Map struct {
	Title, Desc string
	ScaleUnit   string // e.g. "km"
	Groups      []MapGroup
}

func (p Map) draw() (*canvas, float64, float64) {
	c := &canvas{}
	p.Groups = slices.Clone(p.Groups)
	for i := range p.Groups {
		p.Groups[i].Places = slices.DeleteFunc(slices.Clone(p.Groups[i].Places), func(q Place) bool {
			return !(math.Abs(q.Easting) < 1e9 && math.Abs(q.Northing) < 1e9) // no place on earth
		})
	}
	const side = 460.0
	minE, maxE, minN, maxN := math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
	for _, g := range p.Groups {
		for _, q := range g.Places {
			minE, maxE = math.Min(minE, q.Easting), math.Max(maxE, q.Easting)
			minN, maxN = math.Min(minN, q.Northing), math.Max(maxN, q.Northing)
		}
	}
	if minE > maxE {
		return c, side, 40
	}
	extent := math.Max(math.Max(maxE-minE, (maxN-minN)*0.8), 1000)
	scale := (side - 40) / extent // units a metre; the same both ways
	h := (maxN-minN)*scale + 40
	x := func(e float64) float64 { return 20 + (side-40-(maxE-minE)*scale)/2 + (e-minE)*scale }
	y := func(n float64) float64 { return 20 + (maxN-n)*scale }
	type label struct{ x, y float64 }
	var labels []label
	for i, g := range p.Groups {
		if len(g.Places) == 0 {
			labels = append(labels, label{-1, -1})
			continue
		}
		var e, n float64
		for _, q := range g.Places {
			e += q.Easting / float64(len(g.Places))
			n += q.Northing / float64(len(g.Places))
		}
		for _, q := range g.Places {
			c.thin(x(e), y(n), x(q.Easting), y(q.Northing), armClass(i))
		}
		labels = append(labels, label{x(e), y(n)})
	}
	for i, g := range p.Groups {
		for _, q := range g.Places {
			c.mark(x(q.Easting), y(q.Northing), 3.6, Arm{Index: i})
		}
	}
	for i, l := range labels {
		if l.x < 0 {
			continue
		}
		s := p.Groups[i].Label
		w := math.Max(Width(s, small, true)+8, 17)
		c.rect(l.x-w/2, l.y-8, w, 16, "box")
		c.text(l.x, l.y+4, s, style{small, true, "ink"}, middle)
	}
	// a scale bar of a round length, about a quarter of the width
	length := math.Pow(10, math.Floor(math.Log10(extent/4)))
	for _, k := range []float64{5, 2} {
		if length*k <= extent/4 {
			length *= k
			break
		}
	}
	y0 := h + 6
	c.line(20, y0, 20+length*scale, y0, "axis")
	c.line(20, y0-4, 20, y0+4, "axis")
	c.line(20+length*scale, y0-4, 20+length*scale, y0+4, "axis")
	c.tick(20+length*scale+8, y0+4, fmt.Sprintf("%g %s", length/1000, p.ScaleUnit), start)
	return c, side, h + 18
}

// Draw gives the SVG.
func (p Map) Draw(prefix string) string {
	c, w, h := p.draw()
	return c.svg(prefix, p.Title, p.Desc, w, h)
}

// Texts lists the texts in the picture.
func (p Map) Texts() []string { c, _, _ := p.draw(); return c.texts }

func (p Map) plan() (*canvas, float64, float64) { return p.draw() }

// Description says what the picture shows, for those who don't see it.
func (p Map) Description() string { return p.Desc }
