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

// MapArm is an arm's schools where there are no communities.
type MapArm struct {
	Arm    Arm
	Places []Place
}

// Map shows communities where their schools are: each school joined to the
// middle of its community, which bears the community's number.
type Map struct {
	Title, Desc string
	ScaleUnit   string // e.g. "km"
	Groups      []MapGroup
	Others      []Place // schools in no community
	OthersLabel string  // what they are, e.g. the control arm's name
	Arms        []MapArm
}

func (p Map) draw() (*canvas, float64, float64) {
	c := &canvas{}
	p.Groups = slices.Clone(p.Groups)
	nowhere := func(q Place) bool { return !(math.Abs(q.Easting) < 1e9 && math.Abs(q.Northing) < 1e9) } // no place on earth
	p.Others = slices.DeleteFunc(slices.Clone(p.Others), nowhere)
	p.Arms = slices.Clone(p.Arms)
	every := append([]MapGroup{{Places: p.Others}}, p.Groups...)
	for i := range p.Arms {
		p.Arms[i].Places = slices.DeleteFunc(slices.Clone(p.Arms[i].Places), nowhere)
		every = append(every, MapGroup{Places: p.Arms[i].Places})
	}
	for i := range p.Groups {
		p.Groups[i].Places = slices.DeleteFunc(slices.Clone(p.Groups[i].Places), nowhere)
	}
	const side = 460.0
	c.width = side
	minE, maxE, minN, maxN := math.Inf(1), math.Inf(-1), math.Inf(1), math.Inf(-1)
	for _, g := range every {
		for _, q := range slices.DeleteFunc(slices.Clone(g.Places), nowhere) {
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
	for _, q := range p.Others {
		c.add(op{shape: shapeDisc, class: "other", points: []XY{{x(q.Easting), y(q.Northing)}}, r: 2.6, fill: paper, stroke: ruleColour, width: 1.2})
	}
	for _, a := range p.Arms {
		for _, q := range a.Places {
			c.mark(x(q.Easting), y(q.Northing), 3.6, a.Arm)
		}
	}
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
	// Labels that would hide one another move apart, up and down.
	for range 60 {
		for i := range labels {
			for k := range i {
				a, b := &labels[i], &labels[k]
				if a.x < 0 || b.x < 0 || math.Abs(a.x-b.x) > (tag(p.Groups[i].Label)+tag(p.Groups[k].Label))/2+1 || math.Abs(a.y-b.y) >= 17 {
					continue
				}
				shift := (17 - math.Abs(a.y-b.y)) / 2
				if a.y < b.y {
					shift = -shift
				}
				a.y, b.y = a.y+shift, b.y-shift
			}
		}
	}
	for i, l := range labels {
		if l.x < 0 {
			continue
		}
		s := Fit(p.Groups[i].Label, side/3, small, true)
		w := tag(s)
		l.x = math.Max(w/2+1, math.Min(l.x, side-w/2-1))
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
	if len(p.Others) > 0 && p.OthersLabel != "" {
		text := Fit(p.OthersLabel, side/2-30, small, false)
		w := Width(text, small, false)
		c.add(op{shape: shapeDisc, class: "other", points: []XY{{side - w - 14, y0}}, r: 2.6, fill: paper, stroke: ruleColour, width: 1.2})
		c.text(side-4, y0+4, text, muted, end)
	}
	bottom := h + 18
	for _, a := range p.Arms {
		bottom += lead
		c.mark(27, bottom-4, 4.5, a.Arm)
		c.text(37, bottom, Fit(a.Arm.Label, side-45, small, false), little, start)
	}
	if len(p.Arms) > 0 {
		bottom += 6
	}
	return c, side, bottom
}

// tag is how wide the box around a community's label is.
func tag(label string) float64 {
	return math.Max(Width(Fit(label, 150, small, true), small, true)+8, 17)
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
