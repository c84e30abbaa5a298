package figure

import (
	"math"
	"slices"
	"strings"
)

// Member is somebody, or a school, of a network.
type Member struct {
	ID    string  // what the layout is sorted by
	Label string  // written at the mark; "" for none
	Size  float64 // of its mark, relative to the others'; 0 counts as 1
	Arm   Arm
}

// Tie joins two members, by their places in Net.Members.
type Tie struct {
	A, B   int
	Weight float64 // relative to the other ties'; 0 counts as 1
	Arrow  bool    // from A to B only
}

// Net is one network.
type Net struct {
	Label, Text string // its name, and e.g. how dense it is
	Members     []Member
	Ties        []Tie
}

// Sociogram shows networks side by side: members as marks, ties as lines, the
// stronger the wider. Who has many ties in common stands close together.
type Sociogram struct {
	Title, Desc string
	Nets        []Net
}

// spring lays a network out by forces as Fruchterman and Reingold do (Software:
// Practice and Experience 21, 1991): all members repel one another, ties pull.
// It starts from a circle in the order of IDs, so the same network, in
// whatever order it is given, always looks the same. Places are in a unit square.
func spring(n Net) []XY {
	count := len(n.Members)
	order := make([]int, count)
	for i := range order {
		order[i] = i
	}
	slices.SortStableFunc(order, func(a, b int) int { return strings.Compare(n.Members[a].ID, n.Members[b].ID) })
	rank := make([]int, count)
	at := make([]XY, count) // by rank
	for k, i := range order {
		rank[i] = k
		s, c := math.Sincos(2 * math.Pi * float64(k) / float64(count))
		at[k] = XY{c, s}
	}
	ties := make([][3]float64, 0, len(n.Ties))
	heaviest := 0.0
	for _, t := range n.Ties {
		if t.A < 0 || t.B < 0 || t.A >= count || t.B >= count || t.A == t.B {
			continue
		}
		a, b, w := rank[t.A], rank[t.B], t.Weight
		if !(w > 0) || math.IsInf(w, 0) {
			w = 1
		}
		heaviest = math.Max(heaviest, w)
		ties = append(ties, [3]float64{float64(min(a, b)), float64(max(a, b)), w})
	}
	slices.SortFunc(ties, func(x, y [3]float64) int { return slices.Compare(x[:], y[:]) })
	const rounds = 300
	k := 1.6 / math.Sqrt(math.Max(float64(count), 1))
	for round := range rounds {
		move := make([]XY, count)
		push := func(a, b int, f float64) { // along the line from b to a
			dx, dy := at[a].X-at[b].X, at[a].Y-at[b].Y
			d := math.Max(math.Hypot(dx, dy), 1e-3)
			f = f / d
			move[a].X, move[a].Y = move[a].X+dx*f, move[a].Y+dy*f
			move[b].X, move[b].Y = move[b].X-dx*f, move[b].Y-dy*f
		}
		for a := range count {
			for b := a + 1; b < count; b++ {
				d := math.Max(math.Hypot(at[a].X-at[b].X, at[a].Y-at[b].Y), 1e-3)
				push(a, b, k*k/d)
			}
		}
		for _, t := range ties {
			a, b := int(t[0]), int(t[1])
			d := math.Hypot(at[a].X-at[b].X, at[a].Y-at[b].Y)
			push(a, b, -d*d/k*t[2]/heaviest)
		}
		heat := 0.15 * (1 - float64(round)/rounds)
		for i := range at { // towards the middle a little, so that lone members stay in sight
			move[i].X, move[i].Y = move[i].X-0.3*at[i].X, move[i].Y-0.3*at[i].Y
			if d := math.Hypot(move[i].X, move[i].Y); d > heat {
				move[i].X, move[i].Y = move[i].X*heat/d, move[i].Y*heat/d
			}
			at[i].X, at[i].Y = at[i].X+move[i].X, at[i].Y+move[i].Y
		}
	}
	lo, hi := XY{math.Inf(1), math.Inf(1)}, XY{math.Inf(-1), math.Inf(-1)}
	for _, q := range at {
		lo, hi = XY{math.Min(lo.X, q.X), math.Min(lo.Y, q.Y)}, XY{math.Max(hi.X, q.X), math.Max(hi.Y, q.Y)}
	}
	extent := math.Max(math.Max(hi.X-lo.X, hi.Y-lo.Y), 1e-9)
	out := make([]XY, count)
	for i := range out {
		q := at[rank[i]]
		out[i] = XY{0.5 + (q.X-(lo.X+hi.X)/2)/extent, 0.5 + (q.Y-(lo.Y+hi.Y)/2)/extent}
	}
	return out
}

func (p Sociogram) draw() (*canvas, float64) {
	c := &canvas{}
	const width, between = 680.0, 16.0
	across := min(max(len(p.Nets), 1), 4)
	if len(p.Nets) > 4 && len(p.Nets) <= 6 {
		across = 3
	}
	cell := (width - between*float64(across-1)) / float64(across)
	side := math.Min(cell, 300)
	y := 0.0
	for first := 0; first < len(p.Nets); first += across {
		row := p.Nets[first:min(first+across, len(p.Nets))]
		for k, n := range row {
			left := float64(k) * (cell + between)
			c.text(left+cell/2, y+14, Fit(n.Label, cell-4, normal, true), strong, middle)
			if n.Text != "" {
				c.text(left+cell/2, y+14+lead, Fit(n.Text, cell-4, small, false), muted, middle)
			}
			const pad = 20.0
			places := spring(n)
			for i := range places {
				places[i] = XY{left + (cell-side)/2 + pad + places[i].X*(side-2*pad), y + 38 + pad/2 + places[i].Y*(side-2*pad)}
			}
			heaviest := 0.0
			for _, t := range n.Ties {
				if !math.IsInf(t.Weight, 0) {
					heaviest = math.Max(heaviest, t.Weight)
				}
			}
			radius := func(m Member) float64 {
				size := m.Size
				if !(size > 0) {
					size = 1
				}
				return 4.6 * math.Sqrt(math.Min(size, 6))
			}
			for _, t := range n.Ties {
				if t.A < 0 || t.B < 0 || t.A >= len(places) || t.B >= len(places) || t.A == t.B {
					continue
				}
				a, b := places[t.A], places[t.B]
				if d := math.Hypot(b.X-a.X, b.Y-a.Y); t.Arrow && d > 20 {
					ux, uy := (b.X-a.X)/d, (b.Y-a.Y)/d
					gap := radius(n.Members[t.B]) + 1.5
					tip := XY{b.X - ux*gap, b.Y - uy*gap}
					back := XY{tip.X - ux*6, tip.Y - uy*6}
					c.area([]XY{tip, {back.X - uy*3, back.Y + ux*3}, {back.X + uy*3, back.Y - ux*3}}, "head", ruleColour)
					b = back
				}
				c.line(a.X, a.Y, b.X, b.Y, "rule")
				if heaviest > 0 && t.Weight > 0 {
					c.ops[len(c.ops)-1].width = 0.5 + 1.7*math.Min(t.Weight/heaviest, 1)
				}
			}
			for i, m := range n.Members {
				c.mark(places[i].X, places[i].Y, radius(m), m.Arm)
			}
			for i, m := range n.Members {
				if m.Label == "" {
					continue
				}
				q := places[i]
				label := Fit(m.Label, cell*0.62, small-1.5, false)
				w := Width(label, small-1.5, false)
				x := math.Max(left+w/2, math.Min(q.X, left+cell-w/2))
				below := radius(m) + 10
				if q.Y < y+38+side/2 { // away from the middle, where the lines are
					below = -radius(m) - 3.5
				}
				c.text(x, q.Y+below, label, style{small - 1.5, false, "ink"}, middle)
			}
		}
		y += side + 44
	}
	return c, math.Max(y-4, 20)
}

// Draw gives the SVG.
func (p Sociogram) Draw(prefix string) string {
	c, h := p.draw()
	return c.svg(prefix, p.Title, p.Desc, 680, h)
}

// Texts lists the texts in the picture.
func (p Sociogram) Texts() []string { c, _ := p.draw(); return c.texts }

func (p Sociogram) plan() (*canvas, float64, float64) { c, h := p.draw(); return c, 680, h }

// Description says what the picture shows, for those who don't see it.
func (p Sociogram) Description() string { return p.Desc }
