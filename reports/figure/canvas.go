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
	b     strings.Builder
	texts []string
}

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
	plain   = style{normal, false, "ink"}
	strong  = style{normal, true, "ink"}
	little  = style{small, false, "ink"}
	muted   = style{small, false, "mute"}
	heading = style{large, true, "ink"}
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
var armColours = []string{"#0072b2", "#d55e00", "#007a5a", "#a8447f", "#8a6d00", "#3f4f9f"}

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
	weight := ""
	if st.bold {
		weight = ` font-weight="600"`
	}
	fmt.Fprintf(&c.b, `<text class="%s" x="%s" y="%s" font-size="%s"%s text-anchor="%s" fill="%s">%s</text>`+"\n",
		class, num(x), num(y), num(st.size), weight, a, colourOf(st.class), escape(s))
}

func (c *canvas) line(x1, y1, x2, y2 float64, class string) {
	colour, width := ruleColour, 1.0
	dash := ""
	switch {
	case class == "grid":
		colour = gridColour
	case class == "axis":
		colour = muteColour
	case class == "dash":
		colour, dash = muteColour, ` stroke-dasharray="4 3"`
	case strings.HasPrefix(class, "arm") || class == "ink":
		colour, width = colourOf(class), 2
	}
	fmt.Fprintf(&c.b, `<line class="%s line" x1="%s" y1="%s" x2="%s" y2="%s" stroke="%s" stroke-width="%s"%s/>`+"\n",
		class, num(x1), num(y1), num(x2), num(y2), colour, num(width), dash)
}

// arrow is a line that ends in an arrowhead; it runs straight down or to the right.
func (c *canvas) arrow(x1, y1, x2, y2 float64) {
	c.line(x1, y1, x2, y2, "rule")
	var head string
	if x1 == x2 {
		head = fmt.Sprintf("M%s %sl-3.5 -7h7z", num(x2), num(y2))
	} else {
		head = fmt.Sprintf("M%s %sl-7 -3.5v7z", num(x2), num(y2))
	}
	fmt.Fprintf(&c.b, `<path class="head" d="%s" fill="%s"/>`+"\n", head, ruleColour)
}

func (c *canvas) rect(x, y, w, h float64, class string) {
	fill, stroke := paper, ruleColour
	switch {
	case class == "shade":
		fill, stroke = "#f3f5f7", ruleColour
	case class == "band":
		fill, stroke = "#eef1f4", "none"
	case strings.HasPrefix(class, "arm"):
		fill, stroke = colourOf(class), "none"
	}
	fmt.Fprintf(&c.b, `<rect class="%s" x="%s" y="%s" width="%s" height="%s" fill="%s" stroke="%s" stroke-width="1"/>`+"\n",
		class, num(x), num(y), num(w), num(h), fill, stroke)
}

func (c *canvas) path(d, class string, filled bool) {
	fill, stroke := "none", colourOf(class)
	kind := "line"
	if filled {
		fill, stroke, kind = colourOf(class), "none", "fill"
	}
	fmt.Fprintf(&c.b, `<path class="%s %s" d="%s" fill="%s" stroke="%s" stroke-width="1.8"/>`+"\n", class, kind, d, fill, stroke)
}

// mark draws an arm's mark, centred, r in radius: a full disc, square,
// triangle, diamond … for the programme's arms, an open disc for control.
func (c *canvas) mark(x, y, r float64, a Arm) {
	class := armClass(a.Index)
	var d string
	switch a.Index % 4 {
	case 0:
		d = fmt.Sprintf("M%s %sa%s %s 0 1 0 %s 0a%s %s 0 1 0 %s 0z", num(x-r), num(y), num(r), num(r), num(2*r), num(r), num(r), num(-2*r))
	case 1:
		d = fmt.Sprintf("M%s %sh%sv%sh%sz", num(x-r*.9), num(y-r*.9), num(1.8*r), num(1.8*r), num(-1.8*r))
	case 2:
		d = fmt.Sprintf("M%s %sl%s %sh%sz", num(x), num(y-r*1.15), num(1.1*r), num(2*r), num(-2.2*r))
	case 3:
		d = fmt.Sprintf("M%s %sl%s %sl%s %sl%s %sz", num(x), num(y-1.3*r), num(1.2*r), num(1.3*r), num(-1.2*r), num(1.3*r), num(-1.2*r), num(-1.3*r))
	}
	if a.Control {
		fmt.Fprintf(&c.b, `<path class="%s open" d="%s" fill="%s" stroke="%s" stroke-width="1.8"/>`+"\n", class, d, paper, colourOf(class))
		return
	}
	c.path(d, class, true)
}

// svg wraps the elements into a picture of the size w × h units.
func (c *canvas) svg(prefix, title, desc string, w, h float64) string {
	var b strings.Builder
	fmt.Fprintf(&b, `<svg xmlns="http://www.w3.org/2000/svg" class="picture" viewBox="0 0 %s %s" width="%smm" height="%smm" role="img" aria-labelledby="%s-t %s-d" font-family="Helvetica, Arial, 'Liberation Sans', sans-serif">`+"\n",
		num(w), num(h), num(w/unitsPerMM), num(h/unitsPerMM), prefix, prefix)
	fmt.Fprintf(&b, "<title id=\"%s-t\">%s</title>\n<desc id=\"%s-d\">%s</desc>\n", prefix, escape(title), prefix, escape(desc))
	b.WriteString(c.b.String())
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
