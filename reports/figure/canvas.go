package figure

import (
	"fmt"
	"math"
	"strconv"
	"strings"
)

// The unit of all coordinates is a quarter of a millimetre: a picture 680
// units wide fills the 170 mm of text on an A4 page.
const unitsPerMM = 4

// Type sizes, in units: 11 units are 2.75 mm, about 7.8 pt on paper.
const (
	small  = 10.5
	normal = 11.5
	large  = 13.0
	lead   = 15.0 // from line to line of normal text
)

// canvas collects the elements of one picture.
type canvas struct {
	ops   []op
	texts []string
	width float64 // beyond which no text runs; 0 stands for 680
}

// shape is what an op draws.
type shape int

const (
	shapeText shape = iota
	shapeLine
	shapeRect
	shapeDisc
	shapePolygon
)

// op is one element: what it is, where, and how it looks. Colours are given as
// well as classes: a picture by itself uses the colours, a page may use the
// classes.
type op struct {
	shape        shape
	class        string
	points       []XY // of a line its ends, of a rectangle two corners, of a disc its centre
	r            float64
	text         string
	style        style
	anchor       anchor
	up           bool   // the text runs upwards
	fill, stroke string // "none" or "#rrggbb"
	width        float64
	dash         bool
}

func (c *canvas) add(o op) { c.ops = append(c.ops, o) }

// XY is a point.
type XY struct{ X, Y float64 }

// anchor is where a text's given point lies.
type anchor string

const (
	start  anchor = "start"
	middle anchor = "middle"
	end    anchor = "end"
)

// Styles of text. Colours are given as attributes so that a picture stands
// alone; the classes let a page change them for a dark background.
type style struct {
	size  float64
	bold  bool
	class string // "ink", "mute" or "armN"
}

var (
	plain  = style{normal, false, "ink"}
	strong = style{normal, true, "ink"}
	little = style{small, false, "ink"}
	muted  = style{small, false, "mute"}
)

const (
	inkColour  = "#1b1f24"
	muteColour = "#57606a"
	ruleColour = "#8c959f"
	gridColour = "#d8dee4"
	paper      = "#ffffff"
)

// arms are the marks of arms: colours from Okabe and Ito's palette, which
// readers with any of the common forms of colour blindness can tell apart,
// each with a shape and a filling of its own. The control arm is always open.
var armColours = []string{"#0072b2", "#d55e00", "#009e73", "#a8447f", "#8a6d00", "#3f4f9f"}

func colourOf(class string) string {
	switch class {
	case "ink":
		return inkColour
	case "mute":
		return muteColour
	}
	if n, ok := strings.CutPrefix(class, "arm"); ok {
		if i, err := strconv.Atoi(n); err == nil {
			return armColours[i%len(armColours)]
		}
	}
	return inkColour
}

func armClass(i int) string {
	return "arm" + strconv.Itoa(((i%len(armColours))+len(armColours))%len(armColours))
}

// num writes a coordinate: two decimals at most, no negative zero.
func num(x float64) string {
	if math.IsNaN(x) || math.IsInf(x, 0) {
		x = 0
	}
	s := strconv.FormatFloat(math.Round(x*100)/100, 'f', -1, 64)
	if s == "-0" {
		return "0"
	}
	return s
}

// text writes a text that the caller gave.
func (c *canvas) text(x, y float64, s string, st style, a anchor) {
	c.texts = append(c.texts, s)
	c.write(x, y, s, st, a, st.class)
}

// tick writes a number on an axis: a place on a scale, not a result.
func (c *canvas) tick(x, y float64, s string, a anchor) {
	c.write(x, y, s, muted, a, "mute tick")
}

func (c *canvas) write(x, y float64, s string, st style, a anchor, class string) {
	width := c.width
	if width == 0 {
		width = 680
	}
	room := map[anchor]float64{start: width - x, end: x, middle: 2 * math.Min(x, width-x)}[a]
	s = Fit(s, math.Max(room, 0), st.size, st.bold)
	c.add(op{shape: shapeText, class: class, points: []XY{{x, y}}, text: s, style: st, anchor: a, fill: colourOf(st.class)})
}

// textUp writes a text that runs upwards, centred at y, no longer than room.
func (c *canvas) textUp(x, y, room float64, s string, st style) {
	s = Fit(s, room, st.size, st.bold)
	c.texts = append(c.texts, s)
	c.add(op{shape: shapeText, class: st.class, points: []XY{{x, y}}, text: s, style: st, anchor: middle, fill: colourOf(st.class), up: true})
}

func (c *canvas) line(x1, y1, x2, y2 float64, class string) {
	o := op{shape: shapeLine, class: class + " line", points: []XY{{x1, y1}, {x2, y2}}, fill: "none", stroke: ruleColour, width: 1}
	switch {
	case class == "grid":
		o.stroke = gridColour
	case class == "axis":
		o.stroke = muteColour
	case class == "dash":
		o.stroke, o.dash = muteColour, true
	case strings.HasPrefix(class, "arm") || class == "ink":
		o.stroke, o.width = colourOf(class), 2
	}
	c.add(o)
}

// dashes are the pieces of a line that are drawn.
func dashes(o op) [][2]XY {
	a, b := o.points[0], o.points[1]
	length := math.Hypot(b.X-a.X, b.Y-a.Y)
	const on, off, most = 4, 3, 2000
	if !o.dash || !(length > on) || length > most*(on+off) {
		return [][2]XY{{a, b}}
	}
	var out [][2]XY
	for s := 0.0; s < length; s += on + off {
		t, u := s/length, math.Min(s+on, length)/length
		out = append(out, [2]XY{{a.X + t*(b.X-a.X), a.Y + t*(b.Y-a.Y)}, {a.X + u*(b.X-a.X), a.Y + u*(b.Y-a.Y)}})
	}
	return out
}

// path is a line through several points; with on above 0 it is drawn in dashes
// so long, off apart, that run on from one piece to the next.
func (c *canvas) path(points []XY, class string, width, on, off float64) {
	drawn, left := true, on
	for i := 1; i < len(points); i++ {
		a, b := points[i-1], points[i]
		length := math.Hypot(b.X-a.X, b.Y-a.Y)
		if !(length > 0) || math.IsInf(length, 0) {
			continue
		}
		piece := func(from, to float64) {
			at := func(s float64) XY { return XY{a.X + (b.X-a.X)*s/length, a.Y + (b.Y-a.Y)*s/length} }
			p, q := at(from), at(to)
			c.line(p.X, p.Y, q.X, q.Y, class)
			c.ops[len(c.ops)-1].width = width
		}
		if on <= 0 {
			piece(0, length)
			continue
		}
		for at := 0.0; at < length; {
			step := math.Min(left, length-at)
			if drawn {
				piece(at, at+step)
			}
			at, left = at+step, left-step
			if left <= 1e-9 {
				drawn = !drawn
				if left = off; drawn {
					left = on
				}
			}
		}
	}
}

// thin is a line in an arm's colour that does not ask for attention.
func (c *canvas) thin(x1, y1, x2, y2 float64, class string) {
	c.line(x1, y1, x2, y2, class)
	c.ops[len(c.ops)-1].width = 1
}

// arrow is a line that ends in an arrowhead; it runs straight down or to the right.
func (c *canvas) arrow(x1, y1, x2, y2 float64) {
	c.line(x1, y1, x2, y2, "rule")
	head := []XY{{x2, y2}, {x2 - 7, y2 - 3.5}, {x2 - 7, y2 + 3.5}}
	if x1 == x2 {
		head = []XY{{x2, y2}, {x2 - 3.5, y2 - 7}, {x2 + 3.5, y2 - 7}}
	}
	c.add(op{shape: shapePolygon, class: "head", points: head, fill: ruleColour, stroke: "none"})
}

func (c *canvas) rect(x, y, w, h float64, class string) {
	o := op{shape: shapeRect, class: class, points: []XY{{x, y}, {x + w, y + h}}, fill: paper, stroke: ruleColour, width: 1}
	switch {
	case class == "shade":
		o.fill = "#f3f5f7"
	case strings.HasPrefix(class, "arm"):
		o.fill, o.stroke = colourOf(class), "none"
	}
	c.add(o)
}

// area fills a polygon.
func (c *canvas) area(points []XY, class, fill string) {
	c.add(op{shape: shapePolygon, class: class, points: points, fill: fill, stroke: "none"})
}

// mark draws an arm's mark, centred, r in radius: a full disc, square,
// triangle, diamond … for the programme's arms, an open one for control.
func (c *canvas) mark(x, y, r float64, a Arm) {
	class := armClass(a.Index)
	o := op{shape: shapePolygon, class: class + " fill", fill: colourOf(class), stroke: "none", width: 1.8}
	if a.Control {
		o.class, o.fill, o.stroke = class+" open", paper, colourOf(class)
	}
	switch a.Index % 4 {
	case 0:
		o.shape, o.points, o.r = shapeDisc, []XY{{x, y}}, r
	case 1:
		o.points = []XY{{x - r*.9, y - r*.9}, {x + r*.9, y - r*.9}, {x + r*.9, y + r*.9}, {x - r*.9, y + r*.9}}
	case 2:
		o.points = []XY{{x, y - r*1.15}, {x + 1.1*r, y + .85*r}, {x - 1.1*r, y + .85*r}}
	case 3:
		o.points = []XY{{x, y - 1.3*r}, {x + 1.2*r, y}, {x, y + 1.3*r}, {x - 1.2*r, y}}
	}
	c.add(o)
}

// element writes an op as SVG.
func (o op) element(b *strings.Builder) {
	paint := fmt.Sprintf(`fill="%s" stroke="%s"`, o.fill, o.stroke)
	if o.stroke == "none" {
		paint = fmt.Sprintf(`fill="%s"`, o.fill)
	} else {
		paint += fmt.Sprintf(` stroke-width="%s"`, num(o.width))
	}
	p := o.points
	switch o.shape {
	case shapeText:
		more := ""
		if o.style.bold {
			more = ` font-weight="600"`
		}
		if o.up {
			more += fmt.Sprintf(` transform="rotate(-90 %s %s)"`, num(p[0].X), num(p[0].Y))
		}
		fmt.Fprintf(b, `<text class="%s" x="%s" y="%s" font-size="%s"%s text-anchor="%s" fill="%s">%s</text>`+"\n",
			o.class, num(p[0].X), num(p[0].Y), num(o.style.size), more, o.anchor, o.fill, escape(o.text))
	case shapeLine:
		dash := ""
		if o.dash {
			dash = ` stroke-dasharray="4 3"`
		}
		fmt.Fprintf(b, `<line class="%s" x1="%s" y1="%s" x2="%s" y2="%s" stroke="%s" stroke-width="%s"%s/>`+"\n",
			o.class, num(p[0].X), num(p[0].Y), num(p[1].X), num(p[1].Y), o.stroke, num(o.width), dash)
	case shapeRect:
		fmt.Fprintf(b, `<rect class="%s" x="%s" y="%s" width="%s" height="%s" %s/>`+"\n", o.class, num(p[0].X), num(p[0].Y), num(p[1].X-p[0].X), num(p[1].Y-p[0].Y), paint)
	case shapeDisc:
		fmt.Fprintf(b, `<circle class="%s" cx="%s" cy="%s" r="%s" %s/>`+"\n", o.class, num(p[0].X), num(p[0].Y), num(o.r), paint)
	case shapePolygon:
		var at []string
		for _, q := range p {
			at = append(at, num(q.X)+","+num(q.Y))
		}
		fmt.Fprintf(b, `<polygon class="%s" points="%s" %s/>`+"\n", o.class, strings.Join(at, " "), paint)
	}
}

// svg wraps the elements into a picture of the size w × h units.
func (c *canvas) svg(prefix, title, desc string, w, h float64) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" class="picture" viewBox="0 0 %s %s" width="%smm" height="%smm" role="img" aria-labelledby="%s-t %s-d" font-family="Helvetica, Arial, 'Liberation Sans', sans-serif">`+"\n",
		num(w), num(h), num(w/unitsPerMM), num(h/unitsPerMM), prefix, prefix)
	fmt.Fprintf(&b, "<title id=\"%s-t\">%s</title>\n<desc id=\"%s-d\">%s</desc>\n", prefix, escape(title), prefix, escape(desc))
	for _, o := range c.ops {
		o.element(&b)
	}
	b.WriteString("</svg>\n")
	return b.String()
}

// Arm says how an arm is marked in pictures.
type Arm struct {
	Index   int // place in the protocol's order, from 0
	Control bool
	Label   string
}

// axis is a linear scale from data to units.
type axis struct {
	lo, hi     float64 // data
	from, to   float64 // units
	step       float64
	tickFormat int // decimals
}

// newAxis makes a scale with round tick marks that covers lo to hi, with about
// n steps.
func newAxis(lo, hi, from, to float64, n int) axis {
	if !(hi > lo) {
		lo, hi = lo-0.5, lo+0.5
	}
	raw := (hi - lo) / float64(n)
	mag := math.Pow(10, math.Floor(math.Log10(raw)))
	step := mag
	for _, m := range []float64{1, 2, 2.5, 5, 10} {
		if step = m * mag; step >= raw*0.999999 {
			break
		}
	}
	dec := 0
	for s := step; dec < 8 && math.Abs(s-math.Round(s)) > 1e-9*s; dec++ {
		s *= 10
	}
	return axis{lo: math.Floor(lo/step+1e-9) * step, hi: math.Ceil(hi/step-1e-9) * step, from: from, to: to, step: step, tickFormat: dec}
}

func (a axis) at(v float64) float64 { return a.from + (v-a.lo)/(a.hi-a.lo)*(a.to-a.from) }

// ticks gives the places of the tick marks and what is written there.
func (a axis) ticks() (at []float64, label []string) {
	n := int(math.Round((a.hi - a.lo) / a.step))
	for i := 0; i <= n; i++ {
		v := a.lo + float64(i)*a.step
		at = append(at, v)
		s := strconv.FormatFloat(math.Abs(v), 'f', a.tickFormat, 64)
		if v < 0 && strings.Trim(s, "0.") != "" {
			s = "−" + s
		}
		label = append(label, s)
	}
	return at, label
}
