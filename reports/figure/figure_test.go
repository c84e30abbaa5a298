package figure

import (
	"math"
	"strconv"
	"strings"
	"testing"

	"pgregory.net/rapid"
)

// Wrapped lines fit, and together they hold every letter of the text.
func TestWrap(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		s := rapid.StringMatching(`[A-Za-z0-9éß你 .,–]{0,120}`).Draw(t, "text")
		width := rapid.Float64Range(30, 400).Draw(t, "width")
		bold := rapid.Bool().Draw(t, "bold")
		lines := Wrap(s, width, normal, bold, 0)
		squeeze := func(s string) string { return strings.Join(strings.Fields(s), "") }
		if got := squeeze(strings.Join(lines, "")); got != squeeze(s) {
			t.Fatalf("%q came out as %q", s, got)
		}
		for _, l := range lines {
			if Width(l, normal, bold) > width && len([]rune(l)) > 1 {
				t.Fatalf("line %q is wider than %v", l, width)
			}
		}
		few := Wrap(s, width, normal, bold, 2)
		if len(few) > 2 || len(lines) > 2 && !strings.HasSuffix(few[1], "…") {
			t.Fatalf("%q in two lines: %q", s, few)
		}
		if got := Fit(s, width, normal, bold); Width(got, normal, bold) > width+1e-9 && got != "…" {
			t.Fatalf("%q does not fit", got)
		}
	})
}

// An axis covers its data with round, evenly spaced marks.
func TestAxis(t *testing.T) {
	rapid.Check(t, func(t *rapid.T) {
		lo := rapid.Float64Range(-1e4, 1e4).Draw(t, "lo")
		hi := lo + math.Exp(rapid.Float64Range(-6, 8).Draw(t, "log of width"))
		a := newAxis(lo, hi, 100, 500, 6)
		if a.lo > lo+1e-6*(hi-lo) || a.hi < hi-1e-6*(hi-lo) {
			t.Fatalf("%v to %v is not in %v to %v", lo, hi, a.lo, a.hi)
		}
		at, labels := a.ticks()
		if len(at) < 3 || len(at) > 16 {
			t.Fatalf("%d marks from %v to %v", len(at), lo, hi)
		}
		seen := map[string]bool{}
		for i, l := range labels {
			v, err := strconv.ParseFloat(strings.Replace(l, "−", "-", 1), 64)
			if err != nil || math.Abs(v-at[i]) > 1e-6*(hi-lo)+1e-9 {
				t.Fatalf("the mark at %v reads %q", at[i], l)
			}
			if seen[l] {
				t.Fatalf("two marks read %q: %v", l, labels)
			}
			seen[l] = true
		}
	})
	if a := newAxis(3, 3, 0, 1, 5); !(a.hi > a.lo) {
		t.Error("data without a range have no axis")
	}
}

// No school's mark hides another's.
func TestMeansDoNotOverlap(t *testing.T) {
	p := Means{Arms: []MeansArm{{Arm: Arm{Label: "A"}}}}
	for i := range 60 {
		p.Arms[0].Dots = append(p.Arms[0].Dots, Dot{Mean: 100 + float64(i*37%20)/4, N: 10 + i%40})
	}
	if got := strings.Count(p.Draw("x"), `class="arm0 fill"`); got != 60 {
		t.Errorf("%d marks for 60 schools", got)
	}
}

func TestVisible(t *testing.T) {
	for in, want := range map[string]string{
		"plain é 你":      "plain é 你",
		"a\x00b":         "a⟨U+0000⟩b",
		"x\u202ey":       "x⟨U+202E⟩y",
		"z\u200d\u200cw": "z\u200d\u200cw",
		"\ufeffq":        "⟨U+FEFF⟩q",
		"bad\xff":        "bad\ufffd",
	} {
		if got := Visible(in); got != want {
			t.Errorf("Visible(%q) = %q, want %q", in, got, want)
		}
	}
}

// Pictures of nothing are pictures all the same.
func TestEmpty(t *testing.T) {
	for _, d := range []Drawing{Flow{}, Intervals{}, Funnel{}, Plane{}, Love{}, Means{}, Map{}, Curves{}, Traces{}, Traces{Panels: []TracePanel{{Chains: [][]float64{{1, 1}}}}}, Grid{}, Grid{Rows: []GridRow{{}}}, Curves{Panels: []CurvePanel{{}}}, Map{Groups: []MapGroup{{Label: "1"}}}, Flow{Arms: []FlowArm{{}}}} {
		svg := d.Draw("x")
		if !strings.HasPrefix(svg, "<svg ") || strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
			t.Errorf("%T: %.200s", d, svg)
		}
		if file, _, _ := PNG(d); !strings.HasPrefix(string(file), "\x89PNG") {
			t.Errorf("%T: %.20q", d, file)
		}
	}
}

// Coordinates are never NaN or infinite, whatever the numbers.
func TestWildNumbers(t *testing.T) {
	for _, v := range []float64{0, 1e-300, 1e300, -1e300, math.MaxFloat64, math.Inf(1), math.NaN()} {
		for _, d := range []Drawing{
			Intervals{Rows: []Interval{{Label: "x", Value: v, Low: -v, High: v}}},
			Love{Rows: []Balance{{Label: "x", Randomised: v, HasRandomised: true}}},
			Means{Arms: []MeansArm{{Dots: []Dot{{v, 1}, {-v, 2}}}}},
			Curves{Panels: []CurvePanel{{Lines: [][]XY{{{v, v}, {-v, 1}}}, Marks: []CurveMark{{At: XY{v, v}}}}}},
			Grid{Groups: []GridGroup{{Columns: 2}}, Rows: []GridRow{{Shares: []float64{v, -v}}}},
			Plane{Points: []PlanePoint{{At: XY{v, v}}}},
			Traces{Panels: []TracePanel{{Chains: [][]float64{{v, 1, -v}, {2}}}}},
			Map{Groups: []MapGroup{{Places: []Place{{v, 0}, {0, v}}}}},
		} {
			if svg := d.Draw("x"); strings.Contains(svg, "NaN") || strings.Contains(svg, "Inf") {
				t.Errorf("%T of %v has coordinates that are no numbers", d, v)
			}
			PNG(d)
			EMF(d)
		}
	}
}
