package figure

import (
	"math"
	"sort"
)

// Dot is one school's mean.
type Dot struct {
	Mean float64
	N    int // pupils, which its size stands for
}

// MeansArm is one arm's schools.
type MeansArm struct {
	Arm     Arm
	Text    string // e.g. "12 schools"
	Mean    float64
	HasMean bool // whether the arm's own mean is marked
	Dots    []Dot
}

// Means shows every school's mean outcome as a dot, by arm.
type Means struct {
	Title, Desc string
	Axis        string
	Arms        []MeansArm
}

func (p Means) draw() (*canvas, float64) {
	c := &canvas{}
	const labelW, width = 190.0, 680.0
	left, right := labelW+20, width-20
	lo, hi, most := math.Inf(1), math.Inf(-1), 1
	for _, a := range p.Arms {
		for _, d := range a.Dots {
			lo, hi, most = math.Min(lo, d.Mean), math.Max(hi, d.Mean), max(most, d.N)
		}
	}
	if lo > hi {
		lo, hi = 0, 1
	}
	ax := newAxis(lo, hi, left, right, 7)
	radius := func(n int) float64 { return 2 + 5*math.Sqrt(float64(n)/float64(most)) }
	y := 8.0
	top := y
	type placed struct{ x, y, r float64 }
	type row struct {
		dots []placed
		mid  float64
		h    float64
	}
	rows := make([]row, len(p.Arms))
	for i, a := range p.Arms {
		// Dots are laid beside the middle line, the nearest free place first, so
		// that none hides another.
		dots := append([]Dot(nil), a.Dots...)
		sort.SliceStable(dots, func(x, y int) bool { return dots[x].Mean < dots[y].Mean })
		var put []placed
		for _, d := range dots {
			x, r := ax.at(d.Mean), radius(d.N)
			best := 0.0
			for step := 0; step < 400; step++ {
				off := float64((step+1)/2) * 1.5
				if step%2 == 1 {
					off = -off
				}
				free := true
				for k := len(put) - 1; k >= 0 && free; k-- {
					if q := put[k]; math.Hypot(q.x-x, q.y-off) < q.r+r+0.6 {
						free = false
					}
				}
				if free {
					best = off
					break
				}
			}
			put = append(put, placed{x, best, r})
		}
		half := 22.0
		for _, q := range put {
			half = math.Max(half, math.Abs(q.y)+q.r+7)
		}
		rows[i] = row{put, y + half, 2 * half}
		y += 2 * half
	}
	bottom := y
	at, labels := ax.ticks()
	for i, v := range at {
		c.line(ax.at(v), top, ax.at(v), bottom, "grid")
		c.line(ax.at(v), bottom, ax.at(v), bottom+4, "axis")
		c.tick(ax.at(v), bottom+16, labels[i], middle)
	}
	c.line(left, bottom, right, bottom, "axis")
	for i, a := range p.Arms {
		mid := rows[i].mid
		lines := Wrap(a.Arm.Label, labelW-22, normal, true, 2)
		for k, s := range lines {
			c.text(labelW, mid+(float64(k)-float64(len(lines)))*lead+lead*0.75, s, strong, end)
		}
		c.text(labelW, mid+lead*0.9, a.Text, muted, end)
		if a.HasMean {
			c.line(ax.at(a.Mean), mid-rows[i].h/2+3, ax.at(a.Mean), mid+rows[i].h/2-3, "ink")
		}
		for _, q := range rows[i].dots {
			c.mark(q.x, mid+q.y, q.r, a.Arm)
		}
	}
	c.text((left+right)/2, bottom+34, p.Axis, muted, middle)
	return c, bottom + 40
}

// Draw gives the SVG.
func (p Means) Draw(prefix string) string {
	c, h := p.draw()
	return c.svg(prefix, p.Title, p.Desc, 680, h)
}

// Texts lists the texts in the picture.
func (p Means) Texts() []string { c, _ := p.draw(); return c.texts }

func (p Means) plan() (*canvas, float64, float64) { c, h := p.draw(); return c, 680, h }

// Description says what the picture shows, for those who don't see it.
func (p Means) Description() string { return p.Desc }
