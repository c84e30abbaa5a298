package figure

import (
	"math"
	"testing"
)

// How colours look to people without one kind of cone (Machado, Oliveira and
// Fernandes, IEEE Transactions on Visualization and Computer Graphics 15, 2009,
// severity 1, on linear RGB), and to those with all.
var sight = map[string][3][3]float64{
	"all cones": {{1, 0, 0}, {0, 1, 0}, {0, 0, 1}},
	"protan":    {{0.152286, 1.052583, -0.204868}, {0.114503, 0.786281, 0.099216}, {-0.003882, -0.048116, 1.051998}},
	"deutan":    {{0.367322, 0.860646, -0.227968}, {0.280085, 0.672501, 0.047413}, {-0.011820, 0.042940, 0.968881}},
	"tritan":    {{1.255528, -0.076749, -0.178779}, {-0.078411, 0.930809, 0.147602}, {0.004733, 0.691367, 0.303900}},
}

// lab is a colour in CIE L*a*b*, as seen.
func lab(colour string, see [3][3]float64) [3]float64 {
	c := rgb(colour)
	var linear, seen [3]float64
	for i, v := range []uint8{c.R, c.G, c.B} {
		if linear[i] = float64(v) / 255; linear[i] <= 0.04045 {
			linear[i] /= 12.92
		} else {
			linear[i] = math.Pow((linear[i]+0.055)/1.055, 2.4)
		}
	}
	for i := range 3 {
		for k := range 3 {
			seen[i] += see[i][k] * linear[k]
		}
		seen[i] = math.Max(0, math.Min(1, seen[i]))
	}
	f := func(t float64) float64 {
		if t > 216.0/24389 {
			return math.Cbrt(t)
		}
		return (24389.0/27*t + 16) / 116
	}
	x := f((0.4124564*seen[0] + 0.3575761*seen[1] + 0.1804375*seen[2]) / 0.95047)
	y := f(0.2126729*seen[0] + 0.7151522*seen[1] + 0.0721750*seen[2])
	z := f((0.0193339*seen[0] + 0.1191920*seen[1] + 0.9503041*seen[2]) / 1.08883)
	return [3]float64{116*y - 16, 500 * (x - y), 200 * (y - z)}
}

// The first arms' colours differ to everybody, and arms whose marks have the
// same shape differ in colour to everybody: nobody needs both.
func TestColoursApart(t *testing.T) {
	for name, see := range sight {
		for i := range armColours {
			for k := range i {
				a, b := lab(armColours[i], see), lab(armColours[k], see)
				apart := math.Sqrt((a[0]-b[0])*(a[0]-b[0]) + (a[1]-b[1])*(a[1]-b[1]) + (a[2]-b[2])*(a[2]-b[2]))
				if need := 15.0; apart < need && (i < 3 || i%4 == k%4) {
					t.Errorf("to %s, arms %d and %d are %.0f apart, less than %.0f", name, k, i, apart, need)
				}
			}
		}
	}
	white := lab("#ffffff", sight["all cones"])
	if math.Abs(white[0]-100) > 0.01 || math.Abs(white[1]) > 0.1 || math.Abs(white[2]) > 0.1 {
		t.Errorf("white is %v", white)
	}
}
