package figure

import (
	"bytes"
	"encoding/binary"
	"fmt"
	"hash/crc32"
	"image"
	"image/color"
	"image/draw"
	"image/png"
	"math"
	"strconv"
	"sync"
	"unicode"

	"golang.org/x/image/font/gofont/gobold"
	"golang.org/x/image/font/gofont/goregular"
	"golang.org/x/image/font/sfnt"
	"golang.org/x/image/math/fixed"
	"golang.org/x/image/vector"
	"golang.org/x/text/unicode/norm"
)

// dpi is the resolution that journals ask for.
const dpi = 300

// mostPixels bounds a picture's size: one that is larger gets a lower
// resolution rather than all the memory.
const mostPixels = 40e6

// PNG gives a picture as pixels, 300 to the inch, on white, drawn from the same
// elements as the SVG. Its letters are those of the Go fonts, set as narrow as
// they must be to fit where the layout put them; a character that these fonts
// lack stands as a box with its code. Width and height are in millimetres.
func PNG(d Drawing) (file []byte, width, height float64) {
	c, w, h := d.plan()
	w, h = math.Max(w, 1), math.Max(h, 1)
	scale := dpi / 25.4 / unitsPerMM
	if n := w * h * scale * scale; n > mostPixels {
		scale *= math.Sqrt(mostPixels / n)
	}
	p := &painter{scale: scale, image: image.NewRGBA(image.Rect(0, 0, int(math.Ceil(w*scale)), int(math.Ceil(h*scale))))}
	draw.Draw(p.image, p.image.Bounds(), image.White, image.Point{}, draw.Src)
	for _, o := range c.ops {
		p.draw(o)
	}
	var b bytes.Buffer
	if err := png.Encode(&b, p.image); err != nil {
		panic(err) // a buffer takes everything, and the picture has a size
	}
	return annotate(b.Bytes(), scale*unitsPerMM*1000, d.Description()), w / unitsPerMM, h / unitsPerMM
}

// annotate puts into a PNG file how many pixels a metre has, and what the
// picture shows.
func annotate(file []byte, perMetre float64, description string) []byte {
	chunk := func(kind string, data []byte) []byte {
		out := binary.BigEndian.AppendUint32(nil, uint32(len(data)))
		out = append(append(out, kind...), data...)
		return binary.BigEndian.AppendUint32(out, crc32.ChecksumIEEE(out[4:]))
	}
	size := binary.BigEndian.AppendUint32(nil, uint32(math.Round(perMetre)))
	size = append(append(size, size...), 1) // across, down, metres
	const header = 8 + 25                   // the signature and the first chunk
	out := append([]byte(nil), file[:header]...)
	out = append(out, chunk("pHYs", size)...)
	out = append(out, chunk("iTXt", []byte("Description\x00\x00\x00\x00\x00"+Visible(description)))...)
	return append(out, file[header:]...)
}

// painter draws elements on pixels.
type painter struct {
	image *image.RGBA
	scale float64 // pixels in a unit
	buf   sfnt.Buffer
}

// outline is a closed path of straight lines, in units; holes run the other way.
type outline []XY

// fill paints outlines.
func (p *painter) fill(paths []outline, colour string) {
	lo, hi := XY{math.Inf(1), math.Inf(1)}, XY{math.Inf(-1), math.Inf(-1)}
	for _, path := range paths {
		for i, q := range path {
			if math.IsNaN(q.X) || math.IsNaN(q.Y) {
				return
			}
			q = XY{p.bound(q.X * p.scale), p.bound(q.Y * p.scale)}
			path[i] = q
			lo, hi = XY{math.Min(lo.X, q.X), math.Min(lo.Y, q.Y)}, XY{math.Max(hi.X, q.X), math.Max(hi.Y, q.Y)}
		}
	}
	if lo.X > hi.X {
		return
	}
	box := image.Rect(int(math.Floor(lo.X)), int(math.Floor(lo.Y)), int(math.Ceil(hi.X))+1, int(math.Ceil(hi.Y))+1).Intersect(p.image.Bounds())
	if box.Empty() {
		return
	}
	z := vector.NewRasterizer(box.Dx(), box.Dy())
	for _, path := range paths {
		for i, q := range path {
			x, y := float32(q.X-float64(box.Min.X)), float32(q.Y-float64(box.Min.Y))
			if i == 0 {
				z.MoveTo(x, y)
			} else {
				z.LineTo(x, y)
			}
		}
		z.ClosePath()
	}
	z.Draw(p.image, box, image.NewUniform(rgb(colour)), image.Point{})
}

// bound keeps a coordinate near the picture, where nothing can overflow.
func (p *painter) bound(x float64) float64 {
	far := 4 * float64(p.image.Bounds().Dx()+p.image.Bounds().Dy())
	return math.Max(-far, math.Min(far, x))
}

func rgb(s string) color.RGBA {
	v, err := strconv.ParseUint(s[1:], 16, 32)
	if err != nil {
		v = 0
	}
	return color.RGBA{uint8(v >> 16), uint8(v >> 8), uint8(v), 255}
}

// stroke is the outline of a straight line of a width.
func stroke(a, b XY, width float64) outline {
	l := math.Hypot(b.X-a.X, b.Y-a.Y)
	if !(l > 0) {
		return nil
	}
	nx, ny := -(b.Y-a.Y)/l*width/2, (b.X-a.X)/l*width/2
	return outline{{a.X + nx, a.Y + ny}, {b.X + nx, b.Y + ny}, {b.X - nx, b.Y - ny}, {a.X - nx, a.Y - ny}}
}

// circle is the outline of a disc; r below 0 runs the other way.
func circle(at XY, r float64) outline {
	const n = 48
	out := make(outline, n)
	for i := range out {
		s, c := math.Sincos(2 * math.Pi * float64(i) / n)
		out[i] = XY{at.X + math.Abs(r)*c, at.Y + r*s}
	}
	return out
}

func (p *painter) draw(o op) {
	q := o.points
	switch o.shape {
	case shapeText:
		p.text(o)
	case shapeLine:
		for _, s := range dashes(o) {
			p.fill([]outline{stroke(s[0], s[1], o.width)}, o.stroke)
		}
	case shapeDisc:
		if o.fill != "none" {
			p.fill([]outline{circle(q[0], o.r)}, o.fill)
		}
		if o.stroke != "none" {
			p.fill([]outline{circle(q[0], o.r+o.width/2), circle(q[0], -math.Max(o.r-o.width/2, 0))}, o.stroke)
		}
	case shapeRect:
		p.polygon([]XY{q[0], {q[1].X, q[0].Y}, q[1], {q[0].X, q[1].Y}}, o)
	case shapePolygon:
		p.polygon(q, o)
	}
}

func (p *painter) polygon(q []XY, o op) {
	if o.fill != "none" {
		p.fill([]outline{append(outline(nil), q...)}, o.fill)
	}
	if o.stroke == "none" {
		return
	}
	for i, a := range q {
		p.fill([]outline{stroke(a, q[(i+1)%len(q)], o.width)}, o.stroke)
		p.fill([]outline{circle(a, o.width/2)}, o.stroke) // a round corner
	}
}

// fonts are parsed once; what a font file says of a letter never changes.
var fonts = sync.OnceValue(func() (f [2]*sfnt.Font) {
	for i, data := range [][]byte{goregular.TTF, gobold.TTF} {
		font, err := sfnt.Parse(data)
		if err != nil {
			panic(err) // the font is part of the program
		}
		f[i] = font
	}
	return f
})

// glyph is a letter's outline, in ems with Y upwards; nil for a space.
type glyph struct {
	paths   []outline
	advance float64
	known   bool
}

// glyphs remembers letters by font and character: taking one out of the font
// is the slow part.
var glyphs sync.Map

type glyphKey struct {
	bold bool
	r    rune
}

func (p *painter) glyph(r rune, bold bool) glyph {
	if g, ok := glyphs.Load(glyphKey{bold, r}); ok {
		return g.(glyph)
	}
	font := fonts()[0]
	if bold {
		font = fonts()[1]
	}
	var g glyph
	em := fixed.Int26_6(font.UnitsPerEm()) << 6
	at := func(q fixed.Point26_6) XY { return XY{float64(q.X) / float64(em), -float64(q.Y) / float64(em)} }
	if index, err := font.GlyphIndex(&p.buf, r); err == nil && index != 0 {
		segments, err := font.LoadGlyph(&p.buf, index, em, nil)
		advance, err2 := font.GlyphAdvance(&p.buf, index, em, 0)
		if err == nil && err2 == nil {
			g.known, g.advance = true, float64(advance)/float64(em)
			for _, s := range segments {
				switch s.Op {
				case sfnt.SegmentOpMoveTo:
					g.paths = append(g.paths, outline{at(s.Args[0])})
				case sfnt.SegmentOpLineTo:
					g.paths[len(g.paths)-1] = append(g.paths[len(g.paths)-1], at(s.Args[0]))
				case sfnt.SegmentOpQuadTo:
					path := &g.paths[len(g.paths)-1]
					a, b, c := (*path)[len(*path)-1], at(s.Args[0]), at(s.Args[1])
					const n = 6
					for i := 1; i <= n; i++ {
						t := float64(i) / n
						*path = append(*path, XY{(1-t)*(1-t)*a.X + 2*t*(1-t)*b.X + t*t*c.X, (1-t)*(1-t)*a.Y + 2*t*(1-t)*b.Y + t*t*c.Y})
					}
				case sfnt.SegmentOpCubeTo:
					g.paths[len(g.paths)-1] = append(g.paths[len(g.paths)-1], at(s.Args[2])) // TrueType fonts have none
				}
			}
		}
	}
	glyphs.Store(glyphKey{bold, r}, g)
	return g
}

// text sets a text. Its letters share the width that the layout measured.
func (p *painter) text(o op) {
	shown := []rune(norm.NFC.String(Visible(o.text)))
	advance := make([]float64, len(shown))
	letters := make([]glyph, len(shown))
	total := 0.0
	for i, r := range shown {
		g := p.glyph(r, o.style.bold)
		letters[i], advance[i] = g, g.advance
		if !g.known {
			advance[i] = Width(string(r), 1, false)
			if unicode.Is(unicode.Mn, r) || r == 0x200c || r == 0x200d {
				advance[i] = 0
			}
		}
		total += advance[i] * o.style.size
	}
	if total == 0 {
		return
	}
	narrow := math.Min(1, Width(string(shown), o.style.size, o.style.bold)/total)
	x := map[anchor]float64{start: 0, middle: -total * narrow / 2, end: -total * narrow}[o.anchor]
	place := func(q XY) XY { // from a place in the line of text, Y upwards
		if o.up {
			return XY{o.points[0].X - q.Y, o.points[0].Y - q.X}
		}
		return XY{o.points[0].X + q.X, o.points[0].Y - q.Y}
	}
	size := o.style.size
	var paths []outline
	for i, g := range letters {
		for _, path := range g.paths {
			set := make(outline, len(path))
			for k, q := range path {
				set[k] = place(XY{x + q.X*size*narrow, q.Y * size})
			}
			paths = append(paths, set)
		}
		if !g.known && shown[i] != 0x200c && shown[i] != 0x200d {
			p.unknown(shown[i], x, math.Max(advance[i], 0.3)*size*narrow, size, o.fill, place)
		}
		x += advance[i] * size * narrow
	}
	p.fill(paths, o.fill)
}

// unknown draws a box with the code of a character that the fonts lack.
func (p *painter) unknown(r rune, x, w, size float64, colour string, place func(XY) XY) {
	l, b, h := x+w*0.06, -size*0.12, size*0.9
	corner := []XY{{l, b}, {l + w*0.88, b}, {l + w*0.88, b + h}, {l, b + h}}
	for i, q := range corner {
		p.fill([]outline{stroke(place(q), place(corner[(i+1)%4]), size*0.04)}, colour)
	}
	code := fmt.Sprintf("%04X", r)
	half := (len(code) + 1) / 2
	for i, digit := range code {
		row, column := i/half, i%half
		cell := w * 0.8 / float64(half)
		var paths []outline
		for _, path := range p.glyph(digit, false).paths {
			set := make(outline, len(path))
			for k, q := range path {
				set[k] = place(XY{l + w*0.04 + cell*float64(column) + q.X*math.Min(cell*1.5, size*0.5), b + h*(0.55-0.47*float64(row)) + q.Y*size*0.48})
			}
			paths = append(paths, set)
		}
		p.fill(paths, colour)
	}
}
