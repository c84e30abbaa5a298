package figure

import (
	"bytes"
	"encoding/binary"
	"math"
	"strconv"
	"unicode/utf16"
)

// EMF gives a picture as an Enhanced Metafile, the vector format that Word and
// LibreOffice show in a document: lines stay lines and text stays text. The
// records are those of Microsoft's [MS-EMF]. Width and height are in
// millimetres.
func EMF(d Drawing) (file []byte, width, height float64) {
	c, w, h := d.plan()
	m := &metafile{}
	for _, o := range c.ops {
		m.draw(o)
	}
	return m.bytes(w, h), w / unitsPerMM, h / unitsPerMM
}

// emfScale is how many device units one unit of the canvas is: the device has
// 40 in a millimetre.
const emfScale = 10

// metafile collects records.
type metafile struct {
	body    bytes.Buffer
	records uint32
	objects uint32 // created so far; each has its own number
}

func (m *metafile) record(kind uint32, parts ...any) {
	var b bytes.Buffer
	for _, p := range parts {
		if err := binary.Write(&b, binary.LittleEndian, p); err != nil {
			panic(err) // parts are of fixed size
		}
	}
	for b.Len()%4 != 0 {
		b.WriteByte(0)
	}
	binary.Write(&m.body, binary.LittleEndian, []uint32{kind, uint32(8 + b.Len())})
	m.body.Write(b.Bytes())
	m.records++
}

// device turns a coordinate into device units.
func device(x float64) int32 {
	if math.IsNaN(x) {
		return 0
	}
	return int32(math.Round(math.Max(-30000, math.Min(30000, x*emfScale))))
}

// colorRef turns "#rrggbb" into Windows' order of bytes.
func colorRef(s string) uint32 {
	v, err := strconv.ParseUint(s[1:], 16, 32)
	if err != nil {
		return 0
	}
	return uint32(v>>16&0xff | v&0xff00 | v&0xff<<16)
}

// Kinds of record.
const (
	emrHeader         = 1
	emrEOF            = 14
	emrSetBkMode      = 18
	emrSetTextAlign   = 22
	emrSetTextColor   = 24
	emrMoveTo         = 27
	emrSelectObject   = 37
	emrCreatePen      = 38
	emrCreateBrush    = 39
	emrDeleteObject   = 40
	emrEllipse        = 42
	emrRectangle      = 43
	emrLineTo         = 54
	emrCreateFont     = 82
	emrExtTextOut     = 84
	emrPolygon16      = 86
	nullBrush, noPen  = 0x80000005, 0x80000008
	graphicsNow       = 1 // GM_COMPATIBLE
	solid             = 0
	alignBaseline     = 24
	backgroundIsClear = 1
)

// use selects a pen and a brush for a shape and gives a function that puts
// them away.
func (m *metafile) use(o op) func() {
	var made []uint32
	if o.stroke == "" || o.stroke == "none" {
		m.record(emrSelectObject, uint32(noPen))
	} else {
		m.objects++
		m.record(emrCreatePen, m.objects, uint32(solid), device(o.width), int32(0), colorRef(o.stroke))
		m.record(emrSelectObject, m.objects)
		made = append(made, m.objects)
	}
	if o.fill == "" || o.fill == "none" {
		m.record(emrSelectObject, uint32(nullBrush))
	} else {
		m.objects++
		m.record(emrCreateBrush, m.objects, uint32(solid), colorRef(o.fill), uint32(0))
		m.record(emrSelectObject, m.objects)
		made = append(made, m.objects)
	}
	return func() {
		m.record(emrSelectObject, uint32(noPen))
		m.record(emrSelectObject, uint32(nullBrush))
		for _, i := range made {
			m.record(emrDeleteObject, i)
		}
	}
}

func (m *metafile) stroke(a, b XY) {
	m.record(emrMoveTo, device(a.X), device(a.Y))
	m.record(emrLineTo, device(b.X), device(b.Y))
}

func (m *metafile) draw(o op) {
	p := o.points
	if o.shape == shapeText {
		m.text(o)
		return
	}
	done := m.use(o)
	defer done()
	switch o.shape {
	case shapeLine:
		for _, s := range dashes(o) { // pens that dash are one unit wide at most
			m.stroke(s[0], s[1])
		}
	case shapeRect:
		m.record(emrRectangle, device(p[0].X), device(p[0].Y), device(p[1].X), device(p[1].Y))
	case shapeDisc:
		m.record(emrEllipse, device(p[0].X-o.r), device(p[0].Y-o.r), device(p[0].X+o.r), device(p[0].Y+o.r))
	case shapePolygon:
		lo, hi := [2]int32{math.MaxInt32, math.MaxInt32}, [2]int32{math.MinInt32, math.MinInt32}
		var at []int16
		for _, q := range p {
			x, y := device(q.X), device(q.Y)
			lo[0], lo[1], hi[0], hi[1] = min(lo[0], x), min(lo[1], y), max(hi[0], x), max(hi[1], y)
			at = append(at, int16(x), int16(y))
		}
		m.record(emrPolygon16, lo, hi, uint32(len(p)), at)
	}
}

// text writes a text in Arial, whose widths are those that Width measures by.
func (m *metafile) text(o op) {
	shown := utf16.Encode([]rune(Visible(o.text)))
	if len(shown) == 0 {
		return
	}
	m.objects++
	font := m.objects
	weight, turned := int32(400), int32(0)
	if o.style.bold {
		weight = 700
	}
	if o.up {
		turned = 900
	}
	var face [32]uint16
	copy(face[:], utf16.Encode([]rune("Arial")))
	m.record(emrCreateFont, font, -device(o.style.size), int32(0), turned, turned, weight, [8]byte{}, face, [228]byte{})
	m.record(emrSelectObject, font)
	m.record(emrSetBkMode, uint32(backgroundIsClear))
	m.record(emrSetTextColor, colorRef(o.fill))
	align := map[anchor]uint32{start: 0, end: 2, middle: 6}[o.anchor]
	m.record(emrSetTextAlign, align|alignBaseline)
	// how far each character advances
	var advance []uint32
	for _, r := range Visible(o.text) {
		advance = append(advance, uint32(device(Width(string(r), o.style.size, o.style.bold))))
		if r > 0xffff {
			advance = append(advance, 0)
		}
	}
	const before = 8 + 16 + 4 + 8 + 8 + 4 + 4 + 4 + 16 + 4 // bytes of the record before the text
	pad := (4 - len(shown)*2%4) % 4
	m.record(emrExtTextOut, [4]int32{0, 0, -1, -1}, uint32(graphicsNow), float32(1), float32(1),
		device(o.points[0].X), device(o.points[0].Y), uint32(len(shown)), uint32(before), uint32(0), [4]int32{0, 0, -1, -1}, uint32(before+len(shown)*2+pad),
		shown, make([]byte, pad), advance)
	m.record(emrSelectObject, uint32(0x8000000d)) // the system's own font
	m.record(emrDeleteObject, font)
}

func (m *metafile) bytes(w, h float64) []byte {
	m.record(emrEOF, uint32(0), uint32(16), uint32(20))
	const header = 108
	var b bytes.Buffer
	right, bottom := device(w), device(h)
	binary.Write(&b, binary.LittleEndian, []uint32{emrHeader, header})
	binary.Write(&b, binary.LittleEndian, []int32{0, 0, right, bottom})
	// the frame is in hundredths of a millimetre
	binary.Write(&b, binary.LittleEndian, []int32{0, 0, int32(math.Round(w / unitsPerMM * 100)), int32(math.Round(h / unitsPerMM * 100))})
	b.WriteString(" EMF")
	binary.Write(&b, binary.LittleEndian, []uint32{0x10000, uint32(header + m.body.Len()), m.records + 1})
	binary.Write(&b, binary.LittleEndian, []uint16{uint16(m.objects + 1), 0})
	binary.Write(&b, binary.LittleEndian, []uint32{0, 0, 0})
	// a device of one metre each way, with 40 units in a millimetre
	binary.Write(&b, binary.LittleEndian, []int32{40000, 40000, 1000, 1000})
	binary.Write(&b, binary.LittleEndian, []uint32{0, 0, 0})
	binary.Write(&b, binary.LittleEndian, []int32{1000000, 1000000})
	b.Write(m.body.Bytes())
	return b.Bytes()
}
