package figure

import (
	"bytes"
	"encoding/binary"
	"image"
	"image/png"
	"math"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// pixels draws a picture and reads it back.
func pixels(t testing.TB, d Drawing) (*image.RGBA, []byte) {
	t.Helper()
	file, _, _ := PNG(d)
	m, err := png.Decode(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	out := image.NewRGBA(m.Bounds())
	for y := range m.Bounds().Dy() {
		for x := range m.Bounds().Dx() {
			out.Set(x, y, m.At(x, y))
		}
	}
	return out, file
}

// ink is the box around everything that is not white.
func ink(m *image.RGBA) image.Rectangle {
	var box image.Rectangle
	for y := range m.Bounds().Dy() {
		for x := range m.Bounds().Dx() {
			if c := m.RGBAAt(x, y); c.R < 250 || c.G < 250 || c.B < 250 {
				box = box.Union(image.Rect(x, y, x+1, y+1))
			}
		}
	}
	return box
}

// written is a picture of one text.
type written struct {
	text string
	st   style
	a    anchor
	up   bool
	w, h float64
}

func (d written) Draw(string) string  { return "" }
func (d written) Texts() []string     { return nil }
func (d written) Description() string { return "one text, with \u202e in it" }
func (d written) plan() (*canvas, float64, float64) {
	c := &canvas{}
	c.text(d.w/2, d.h/2, d.text, d.st, d.a)
	c.ops[0].up = d.up
	return c, d.w, d.h
}

// The picture has 300 dots to the inch, says so, and says what it shows.
func TestPNGSize(t *testing.T) {
	f := Funnel{Desc: "Three bars.", Bars: []Bar{{"Listed", 10, "10"}, {"Ready", 5, "5"}}}
	file, w, h := PNG(f)
	m, err := png.DecodeConfig(bytes.NewReader(file))
	if err != nil {
		t.Fatal(err)
	}
	if w != 170 || math.Abs(float64(m.Width)-w/25.4*300) > 1 || math.Abs(float64(m.Height)-h/25.4*300) > 1 {
		t.Errorf("%v × %v mm are %d × %d pixels", w, h, m.Width, m.Height)
	}
	i := bytes.Index(file, []byte("pHYs"))
	if i < 0 || binary.BigEndian.Uint32(file[i+4:]) != 11811 || file[i+12] != 1 {
		t.Error("the file does not say that it has 11,811 pixels to the metre")
	}
	if !bytes.Contains(file, []byte("Three bars.")) {
		t.Error("the file does not say what it shows")
	}
	if again, _, _ := PNG(f); !bytes.Equal(again, file) {
		t.Error("the same data gave two pictures")
	}
}

// A picture of any length fits into memory.
func TestPNGOfManyRows(t *testing.T) {
	p := Love{}
	for range 3000 {
		p.Rows = append(p.Rows, Balance{Label: "a variable", HasAnalysed: true})
	}
	file, _, _ := PNG(p)
	m, err := png.DecodeConfig(bytes.NewReader(file))
	if err != nil || m.Width*m.Height > 1.01*mostPixels {
		t.Errorf("%d × %d pixels, %v", m.Width, m.Height, err)
	}
}

// Every text, whatever is in it, stands within the width that the layout
// measured, and is never without ink.
func TestPNGTextFits(t *testing.T) {
	scale := dpi / 25.4 / unitsPerMM
	check := func(t interface {
		Fatalf(string, ...any)
		Helper()
	}, s string, bold, up bool) {
		t.Helper()
		w := Width(s, normal, bold)
		d := written{text: s, st: style{normal, bold, "ink"}, a: middle, up: up, w: w + 60, h: 60}
		if up {
			d.w, d.h = d.h, d.w
		}
		file, _, _ := PNG(d)
		m, err := png.Decode(bytes.NewReader(file))
		if err != nil {
			t.Fatalf("%v", err)
		}
		box := ink(m.(*image.RGBA))
		length := box.Dx()
		if up {
			length = box.Dy()
		}
		const overhang = 6 // pixels: of a letter such as f or W beyond its advance
		if float64(length) > w*scale+overhang {
			t.Fatalf("%.60q takes %d pixels of %.0f", s, length, w*scale)
		}
		if box.Empty() {
			t.Fatalf("%.60q left no ink", s)
		}
	}
	for _, s := range []string{"Research Learning Community", "−0.06 (−0.16 to 0.68)", "iiiiii", "WWWWWW", "你好", "שלום", "🏫", "a\u202eb", "nul\x00bel\x07", "e\u0301", strings.Repeat("W", 300), "q\xff"} {
		for _, bold := range []bool{false, true} {
			check(t, Visible(s), bold, false)
			check(t, Visible(s), bold, true)
		}
	}
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`[A-Za-z0-9éß−–“”(),.%]{1,30}`).Draw(t, "text")
		check(t, s, rapid.Bool().Draw(t, "bold"), false)
	})
}

// Letters are where the SVG puts them, upright and turned.
func TestPNGAnchors(t *testing.T) {
	scale := dpi / 25.4 / unitsPerMM
	for a, want := range map[anchor][2]float64{start: {100, 100 + Width("HHHH", normal, false)}, end: {100 - Width("HHHH", normal, false), 100}} {
		m, _ := pixels(t, written{text: "HHHH", st: plain, a: a, w: 200, h: 60})
		box := ink(m)
		if math.Abs(float64(box.Min.X)/scale-want[0]) > 2 || math.Abs(float64(box.Max.X)/scale-want[1]) > 2 || math.Abs(float64(box.Max.Y)/scale-30) > 1 {
			t.Errorf("anchored at its %s, HHHH stands at %v", a, box)
		}
		m, _ = pixels(t, written{text: "HHHH", st: plain, a: a, up: true, w: 60, h: 200})
		if box = ink(m); math.Abs(float64(box.Max.X)/scale-30) > 1 || a == start && math.Abs(float64(box.Max.Y)/scale-100) > 2 {
			t.Errorf("turned, anchored at its %s, HHHH stands at %v", a, box)
		}
	}
}

// Colours and shapes come out: a full mark has its colour inside, an open one
// is white inside, and both have it at the rim.
func TestPNGMarks(t *testing.T) {
	for i := range 4 {
		for _, control := range []bool{false, true} {
			m, _ := pixels(t, marked{Arm{Index: i, Control: control}})
			mid := m.RGBAAt(m.Bounds().Dx()/2, m.Bounds().Dy()/2)
			full := mid == rgb(armColours[i])
			if full == control || control && (mid.R < 255 || mid.G < 255) {
				t.Errorf("arm %d, control %v: %v in the middle", i, control, mid)
			}
			if ink(m).Empty() {
				t.Errorf("arm %d, control %v: no mark", i, control)
			}
		}
	}
}

type marked struct{ a Arm }

func (d marked) Draw(string) string  { return "" }
func (d marked) Texts() []string     { return nil }
func (d marked) Description() string { return "" }
func (d marked) plan() (*canvas, float64, float64) {
	c := &canvas{}
	c.mark(20, 20, 6, d.a)
	return c, 40, 40
}

func BenchmarkPNG(b *testing.B) {
	p := Means{Arms: []MeansArm{{Arm: Arm{Label: "A"}}}}
	for i := range 60 {
		p.Arms[0].Dots = append(p.Arms[0].Dots, Dot{Mean: 100 + float64(i*37%20)/4, N: 10 + i%40})
	}
	for b.Loop() {
		PNG(p)
	}
}
