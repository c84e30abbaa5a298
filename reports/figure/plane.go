package figure

import (
	"cmp"
	"math"
	"slices"
)

// PlanePoint is a point of the attrition plane.
type PlanePoint struct {
	Label string // e.g. "pupils: 10.5% overall, 5.8 points"
	At    XY     // overall attrition and its difference between the arms, shares in [0,1]
	Arm   Arm    // its mark
}

// Plane is overall attrition against differential attrition, with the
// boundaries below which attrition counts as low.
type Plane struct {
	Title, Desc         string
	XAxis, YAxis        string
	Cautious            []XY   // the lower boundary, by ascending X
	Optimistic          []XY   // the upper boundary
	CautiousLabel, High string // what lies below the lower, and above the upper boundary
	Between             string // and what between them
	Points              []PlanePoint
	Paths               [][]XY // the way there: the stands before each point of Points, in order of time; nil for none
}

func (p Plane) draw() (*canvas, float64) {
	c := &canvas{}
	const width, height = 680.0, 330.0
	left, right, top, bottom := 62.0, width-20, 14.0, height-52
	hiX, hiY := 0.0, 0.0
	for _, b := range p.Optimistic {
		hiX, hiY = math.Max(hiX, b.X), math.Max(hiY, b.Y)
	}
	for i, q := range p.Points {
		hiX, hiY = math.Max(hiX, q.At.X*1.05), math.Max(hiY, q.At.Y*1.15)
		if i < len(p.Paths) {
			for _, on := range p.Paths[i] {
				hiX, hiY = math.Max(hiX, on.X), math.Max(hiY, on.Y*1.05)
			}
		}
	}
	hiX, hiY = math.Min(math.Max(hiX, 0.2), 1), math.Min(math.Max(hiY, 0.12), 1)
	ax, ay := newAxis(0, hiX*100, left, right, 7), newAxis(0, hiY*100, bottom, top, 6)
	area := func(line []XY, class, fill string) {
		if len(line) == 0 {
			return
		}
		points := []XY{{ax.at(0), ay.at(0)}}
		for _, b := range line {
			points = append(points, XY{ax.at(100 * b.X), ay.at(100 * b.Y)})
		}
		c.area(append(points, XY{ax.at(100 * line[len(line)-1].X), ay.at(0)}), class, fill)
	}
	area(p.Optimistic, "zone2", "#eef1f4")
	area(p.Cautious, "zone1", "#d9e6ef")
	at, labels := ay.ticks()
	for i, v := range at {
		c.line(left, ay.at(v), right, ay.at(v), "grid")
		c.tick(left-7, ay.at(v)+4, labels[i], end)
	}
	at, labels = ax.ticks()
	for i, v := range at {
		c.line(ax.at(v), bottom, ax.at(v), bottom+4, "axis")
		c.tick(ax.at(v), bottom+17, labels[i], middle)
	}
	c.line(left, bottom, right, bottom, "axis")
	c.line(left, top, left, bottom, "axis")
	for _, b := range []struct {
		line []XY
		dash float64
	}{{p.Cautious, 0}, {p.Optimistic, 4}} {
		var at []XY
		for _, q := range b.line {
			at = append(at, XY{ax.at(100 * q.X), ay.at(100 * q.Y)})
		}
		c.path(at, "axis", 1, b.dash, 3)
	}
	c.text((left+right)/2, height-8, p.XAxis, muted, middle)
	c.textUp(14, (top+bottom)/2, bottom-top+20, p.YAxis, muted)
	// a key in the corner that no boundary reaches
	key := 0.0
	for _, s := range []string{p.CautiousLabel, p.Between, p.High} {
		key = math.Max(key, Width(s, small, false))
	}
	for i, z := range []struct{ label, class, fill string }{{p.High, "box", paper}, {p.Between, "zone2", "#eef1f4"}, {p.CautiousLabel, "zone1", "#d9e6ef"}} {
		if z.label == "" {
			continue
		}
		x, y := right-key-8, top+8+float64(i)*lead
		c.add(op{shape: shapeRect, class: z.class, points: []XY{{x - 20, y - 8}, {x - 6, y + 1}}, fill: z.fill, stroke: ruleColour, width: 0.7})
		c.text(x, y, z.label, muted, start)
	}
	// The way there: dots joined in order of time, dashed for the second.
	for i, path := range p.Paths {
		if i >= len(p.Points) || len(path) == 0 {
			continue
		}
		class := armClass(p.Points[i].Arm.Index)
		var at []XY
		for _, q := range append(append([]XY(nil), path...), p.Points[i].At) {
			at = append(at, XY{ax.at(100 * q.X), ay.at(100 * q.Y)})
		}
		c.path(at, class, 1.2, []float64{0, 5}[i%2], 3)
		for _, q := range at[:len(at)-1] {
			c.mark(q.X, q.Y, 2.2, p.Points[i].Arm)
		}
	}
	// Labels stand at the right of their marks: those further right come first, and
	// others make way.
	var used []float64
	order := slices.Clone(p.Points)
	slices.SortStableFunc(order, func(a, b PlanePoint) int { return cmp.Compare(b.At.X, a.At.X) })
	for _, q := range order {
		x, y := ax.at(100*q.At.X), ay.at(100*q.At.Y)
		c.mark(x, y, 5.5, q.Arm)
		ly := y - 9
		for _, o := range p.Points { // not across another point's mark
			ox, oy := ax.at(100*o.At.X), ay.at(100*o.At.Y)
			if ox > x+4 && ox < x+14+Width(q.Label, small, true) && math.Abs(ly-4-oy) < 11 {
				ly = oy - 11
			}
		}
		for _, u := range used {
			if math.Abs(ly-u) < lead {
				ly = u - lead
			}
		}
		if ly < top+4 {
			ly = y + 18
		}
		used = append(used, ly)
		a, lx := start, x+9
		if x+9+Width(q.Label, small, true) > right {
			a, lx = end, x-9
		}
		if ly < y-9 { // another point may be nearer
			c.thin(x, y, lx, ly-4, armClass(q.Arm.Index))
			lx += 3
		}
		c.text(lx, ly, q.Label, style{small, true, "ink"}, a)
	}
	return c, height
}

// Draw gives the SVG.
func (p Plane) Draw(prefix string) string {
	c, h := p.draw()
	return c.svg(prefix, p.Title, p.Desc, 680, h)
}

// Texts lists the texts in the picture.
func (p Plane) Texts() []string { c, _ := p.draw(); return c.texts }

func (p Plane) plan() (*canvas, float64, float64) { c, h := p.draw(); return c, 680, h }

// Description says what the picture shows, for those who don't see it.
func (p Plane) Description() string { return p.Desc }
