package figure

import (
	"encoding/xml"
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

var update = flag.Bool("update", false, "write the golden files anew, and pictures to look at")

var (
	programme = Arm{Index: 0, Label: "Research Learning Community"}
	control   = Arm{Index: 1, Control: true, Label: "Business as usual"}
)

// samples is one picture of each kind.
func samples() map[string]Drawing {
	bell := func(at float64) (bins []Bin) {
		for i, share := range []float64{0.01, 0.03, 0.08, 0.16, 0.22, 0.21, 0.15, 0.09, 0.05} {
			bins = append(bins, Bin{at + 4*float64(i), at + 4*float64(i+1), share})
		}
		bins[0].Low -= 8 // joined with the empty ones below
		return bins
	}
	draw := Ribbons{Title: "The draw", Desc: "Schools of each stratum by where they were drawn.", FromHead: "Stratum, schools", ToHead: "Drawn into",
		From:    []End{{Label: "London, lower", Text: "9"}, {Label: "London, upper", Text: "4"}, {Label: "North West, lower", Text: "10"}, {Label: "North West, a band with a very long name", Text: "1"}},
		To:      []End{{Label: "community 1", Text: "6", Arm: programme}, {Label: "community 2", Text: "6", Arm: programme}, {Label: "Business as usual", Text: "12", Arm: control}},
		Ribbons: []Ribbon{{0, 0, 3}, {0, 1, 1}, {0, 2, 5}, {1, 1, 2}, {1, 2, 2}, {2, 0, 3}, {2, 1, 3}, {2, 2, 4}, {3, 2, 1}}}
	blind := draw
	blind.Middle, blind.To = "the draw", []End{{Label: "arm A", Text: "12", Arm: Arm{Index: 2}}, {Label: "arm B", Text: "12", Arm: Arm{Index: 3}}}
	blind.Ribbons = []Ribbon{{0, 0, 4}, {0, 1, 5}, {1, 0, 2}, {1, 1, 2}, {2, 0, 6}, {2, 1, 4}, {3, 1, 1}}
	net := func(name string, n int, ring bool) Net {
		out := Net{Label: name, Text: fmt.Sprintf("%d schools", n)}
		for i := range n {
			out.Members = append(out.Members, Member{ID: fmt.Sprint(i), Label: fmt.Sprintf("School %c", 'A'+i), Arm: programme})
			if i > 0 {
				out.Ties = append(out.Ties, Tie{A: i - 1, B: i, Weight: float64(i), Arrow: ring})
			}
			if !ring && i > 1 {
				out.Ties = append(out.Ties, Tie{A: 0, B: i, Weight: 1})
			}
		}
		return out
	}
	walked := Plane{Title: "Attrition", Desc: "How attrition came about.", XAxis: "Overall attrition, %", YAxis: "Differential attrition, points", CautiousLabel: "low on both boundaries", Between: "low on the optimistic boundary only", High: "high on both boundaries",
		Cautious: []XY{{0, 0.057}, {0.1, 0.063}, {0.3, 0.041}, {0.57, 0}}, Optimistic: []XY{{0, 0.1}, {0.1, 0.109}, {0.4, 0.06}, {0.65, 0.003}},
		Points: []PlanePoint{{"schools: 8.3% overall, 8.3 points", XY{0.083, 0.083}, Arm{Index: 0}}, {"pupils: 14.0% overall, 5.0 points", XY{0.14, 0.05}, Arm{Index: 1}}},
		Paths:  [][]XY{{{}, {0.042, 0.083}}, {{}, {0.02, 0.03}, {0.06, 0.02}, {0.11, 0.045}}}}
	strip := Grid{Title: "Missing", Desc: "What is missing by school.", Groups: []GridGroup{{programme, programme.Label, 57}, {control, control.Label, 57}}, Across: "a column is a school", Full: "a full cell: everybody lacks it", Column: "missing", Rows: []GridRow{{Label: "Key Stage 2 reading, scaled score", Text: "7.0%"}, {Label: "Baseline", Text: "1.1%"}}}
	for i := range 114 {
		strip.Rows[0].Shares = append(strip.Rows[0].Shares, []float64{1, 0.6, 0.3, 0.15, 0.1, 0.05, 0}[min(i%57, 6)])
		strip.Rows[1].Shares = append(strip.Rows[1].Shares, float64(i*37%11)/110)
	}
	dose := Grid{Title: "Dose", Desc: "Sessions attended by community.", Groups: []GridGroup{{programme, programme.Label, 8}}, Across: "a column is a session", Full: "a full cell: every school was present", Column: "present"}
	for i := range 4 {
		row := GridRow{Label: fmt.Sprintf("community %d", i+1), Text: fmt.Sprintf("%d%%", 95-7*i), None: make([]bool, 8)}
		for k := range 8 {
			row.Shares = append(row.Shares, 1-float64((i*k)%6)/6)
			row.None[k] = i == 3 && k == 7 // not held yet
		}
		dose.Rows = append(dose.Rows, row)
	}
	return map[string]Drawing{
		"attrition-path": walked, "missing": strip, "dose": dose,
		"flow": Flow{Title: "Flow", Desc: "Who passed where.", Top: Box{"Considered", []string{"61 schools listed", "\t29 agreed"}}, Aside: &Box{"Not randomised", []string{"37 schools"}}, Drawn: Box{"Randomised", []string{"24 schools, 344 pupils"}},
			Arms: []FlowArm{{programme, []Box{{"Drawn into this arm", []string{"12 schools"}}, {"Not analysed", []string{"23 pupils", "\tabsent: 12 pupils"}}, {"Analysed", []string{"12 schools, 149 pupils"}}}}, {control, []Box{{"Drawn into this arm", []string{"12 schools"}}, {"Not analysed", []string{"13 pupils"}}, {"Analysed", []string{"12 schools, 159 pupils"}}}}}},
		"funnel": Funnel{Title: "Recruitment", Desc: "Schools by stage.", Bars: []Bar{{"Listed", 61, "61"}, {"Agreement signed", 29, "29"}, {"Ready", 24, "24"}}, Target: 30, TargetText: "wanted: 30"},
		"progress": Chart{Title: "Progress", Desc: "Schools by day.", XAxis: "Day", YAxis: "Schools", XTicks: []Tick{{0, "January 2014"}, {31, "February"}, {59, "March"}, {90, "April"}, {120, "May"}},
			Lines:  []Trace{{Label: "agreement signed: 29", Points: []XY{{2, 1}, {20, 6}, {45, 15}, {80, 22}, {110, 29}}, Steps: true, Arm: Arm{Index: 1, Control: true}}, {Label: "ready: 24", Points: []XY{{10, 1}, {30, 4}, {60, 11}, {95, 20}, {118, 24}}, Steps: true, Arm: Arm{Index: 0}}},
			Levels: []Level{{At: 30, Label: "wanted: 30"}, {At: 125, Label: "recruitment closes", Upright: true}}},
		"map":      Map{Title: "Map", Desc: "Where the schools are.", ScaleUnit: "km", Groups: []MapGroup{{"1", []Place{{400000, 200000}, {420000, 210000}, {410000, 260000}}}, {"2", []Place{{405000, 205000}, {470000, 300000}, {440000, 190000}}}}, Others: []Place{{430000, 230000}, {460000, 205000}}, OthersLabel: "Business as usual"},
		"map-arms": Map{Title: "Map", Desc: "Where the schools are.", ScaleUnit: "km", Arms: []MapArm{{programme, []Place{{400000, 200000}, {420000, 210000}, {470000, 300000}}}, {control, []Place{{405000, 205000}, {440000, 190000}}}}},
		"draw":     draw, "draw-blind": blind,
		"love":          Love{Title: "Balance", Desc: "Differences.", Axis: "Difference", RandomisedLabel: "all randomised", AnalysedLabel: "those analysed", Guides: []float64{0.05, 0.25}, Rows: []Balance{{"Baseline", 0.05, 0.07, true, true}, {"Free school meals: yes", 0.21, 0.17, true, true}, {"School size", -0.02, 0, true, false}}},
		"spreads":       Spreads{Title: "Scores", Desc: "How scores are spread.", Measures: []Spread{{"Before: Key Stage 1 reading", "points", []SpreadArm{{Arm: programme, Text: "mean 15.1, SD 3.7", Bins: bell(2), Mean: 20.1, HasMean: true}, {Arm: control, Text: "mean 14.9, SD 3.9", Bins: bell(1), Mean: 19.5, HasMean: true}}}, {"After: Key Stage 2 reading", "scaled score", []SpreadArm{{Arm: programme, Text: "mean 103.5, SD 6.7", Bins: bell(84), Mean: 103.5, HasMean: true}, {Arm: control, Text: "nobody has a score", Gap: "nobody has a score"}}}}},
		"means":         Means{Title: "Means", Desc: "A dot a school.", Axis: "score", Arms: []MeansArm{{Arm: programme, Text: "5 schools", Mean: 102, HasMean: true, Dots: []Dot{{100, 10}, {101, 22}, {101.2, 31}, {103, 8}, {104, 40}}}, {Arm: control, Text: "4 schools", Mean: 101, HasMean: true, Dots: []Dot{{99, 10}, {101, 22}, {102.2, 31}, {103, 8}}}}},
		"forest":        Intervals{Title: "Forest", Desc: "Every estimate.", Axis: "Effect size (standard deviations) with 95% interval", Second: "points of the outcome’s scale", SecondPer: 6.62, Below: "favours control", Above: "favours the programme", Column: "effect size (interval)", Rows: []Interval{{Label: "As planned", Text: "0.26 (−0.16 to 0.68)", Value: 0.26, Low: -0.16, High: 0.68, Arm: programme, Strong: true}, {Label: "Sensitivity", Heading: true}, {Label: "Missing scores imputed", Text: "0.24 (−0.17 to 0.65)", Value: 0.24, Low: -0.17, High: 0.65, Arm: programme}, {Label: "Any scores for those lost", Text: "−0.41 to 0.88", Low: -0.41, High: 0.88, Arm: programme, Bounds: true}, {Label: "Weighted", Gap: "not run", Arm: programme}}},
		"forest-months": Intervals{Title: "Forest", Desc: "Every estimate.", Axis: "Effect size", Second: "Months of progress", SecondTicks: []Tick{{-0.1, "−2"}, {-0.05, "−1"}, {0, "0"}, {0.05, "+1"}, {0.1, "+2"}, {0.19, "+3"}, {0.27, "+4"}}, Rows: []Interval{{Label: "As planned", Text: "0.08 (−0.01 to 0.17)", Value: 0.08, Low: -0.01, High: 0.17, Arm: programme, Strong: true}}},
		"plane":         Plane{Title: "Attrition", Desc: "Where attrition lies.", XAxis: "Overall, %", YAxis: "Differential, points", Cautious: []XY{{0, 0.057}, {0.2, 0.054}, {0.5, 0.01}}, Optimistic: []XY{{0, 0.1}, {0.2, 0.1}, {0.6, 0.01}}, CautiousLabel: "low", Between: "between", High: "high", Points: []PlanePoint{{"pupils", XY{0.1, 0.05}, Arm{Index: 1}}}},
		"traces":        Traces{Title: "Chains", Desc: "Two parameters.", Panels: []TracePanel{{Label: "score: variance of schools", Text: "R-hat 1.002", Chains: [][]float64{{1, 3, 2, 4, 1}, {2, 2, 3, 1, 4}}}, {Label: "score: coefficient of a column with a very long name", Text: "R-hat 1.000", Chains: [][]float64{{5, 4, 5, 6}}}}},
		"curves":        Curves{Title: "Detectable", Desc: "What can be detected.", YAxis: "MDES", Key: []string{"by the plan", "by an ICC of 0.1"}, Marks: []string{"planned", "reached"}, Panels: []CurvePanel{{XAxis: "schools", Lines: [][]XY{{{20, 0.6}, {60, 0.3}, {120, 0.2}}, {{20, 0.7}, {60, 0.4}, {120, 0.3}}}, Marks: []CurveMark{{0, XY{114, 0.21}}, {1, XY{100, 0.24}}}}, {XAxis: "pupils a school", Lines: [][]XY{{{10, 0.4}, {60, 0.3}}}}}},
		"posterior":     Chart{Title: "Posterior", Desc: "How probable each effect is.", XAxis: "x, effect size", YAxis: "Probability that the effect is larger than x", YRange: [2]float64{0, 1}, Lines: []Trace{{Points: []XY{{-0.3, 0.998}, {-0.1, 0.96}, {0, 0.89}, {0.1, 0.77}, {0.26, 0.5}, {0.5, 0.13}, {0.8, 0.01}}, Arm: programme}}, Points: []Point{{XY{0, 0.89}, "larger than 0: 0.89", programme}}, Levels: []Level{{At: 0, Label: "no effect", Upright: true}}},
		"sociogram":     Sociogram{Title: "Who met whom", Desc: "Networks.", Nets: []Net{net("Community 1", 6, false), net("Community 2", 5, true), net("Community 3", 1, false)}},
	}
}

// Golden files of every kind of picture. With -update they are written anew,
// and as PNG into the folder that EVENHAND_LOOK names, to be looked at.
func TestGolden(t *testing.T) {
	for name, d := range samples() {
		got := d.Draw("x")
		file := filepath.Join("testdata", name+".svg")
		if *update {
			if err := errors.Join(os.MkdirAll("testdata", 0o755), os.WriteFile(file, []byte(got), 0o644)); err != nil {
				t.Fatal(err)
			}
			if look := os.Getenv("EVENHAND_LOOK"); look != "" {
				png, _, _ := PNG(d)
				if err := os.WriteFile(filepath.Join(look, name+".png"), png, 0o644); err != nil {
					t.Fatal(err)
				}
			}
			continue
		}
		want, err := os.ReadFile(file)
		if err != nil {
			t.Fatal(err)
		}
		if got != string(want) {
			t.Errorf("%s differs; look at it, then: go test ./reports/figure -run TestGolden -update", file)
		}
	}
}

// hostile are texts that must neither act nor vanish nor spoil the layout.
var hostile = []string{
	`<script>alert(1)</script>`, `"/><image href="//x"/>`, `]]></svg>`, "a\u202eb\u202ctfel", "nul\x00bel\x07esc\x1b[31m", "line\nbreak\ttab\r\n", "bad\xff\xfeutf8", "\u2028\u2029\ufeff\u200b",
	strings.Repeat("Long ", 2000), strings.Repeat("W", 10000), "שלום عليكم 你好 🏫 e\u0301", "&lt;b&gt;", "=1+1", "−0.5",
}

// with puts a text wherever a picture takes one from others.
func with(s string) []Drawing {
	a, b := Arm{Index: 0, Label: s}, Arm{Index: 1, Label: s, Control: true}
	box := Box{s, []string{s, "\t" + s}}
	return []Drawing{
		Flow{Title: s, Desc: s, Top: box, Aside: &box, Drawn: box, Arms: []FlowArm{{a, []Box{box, box}}, {b, []Box{box, box}}}},
		Funnel{Title: s, Desc: s, Bars: []Bar{{s, 3, "3"}}, Target: 3, TargetText: s},
		Chart{Title: s, Desc: s, XAxis: s, YAxis: s, XTicks: []Tick{{1, s}}, Lines: []Trace{{Label: s, Points: []XY{{0, 1}, {1, 2}}, Arm: a}}, Levels: []Level{{At: 1, Label: s}, {At: 1, Label: s, Upright: true}}, Points: []Point{{XY{0.5, 1}, s, a}}},
		Map{Title: s, Desc: s, ScaleUnit: "km", Groups: []MapGroup{{s, []Place{{0, 0}, {50000, 20000}}}}, Others: []Place{{1000, 1000}}, OthersLabel: s},
		Map{Title: s, Desc: s, ScaleUnit: "km", Arms: []MapArm{{a, []Place{{0, 0}, {50000, 20000}}}}},
		Ribbons{Title: s, Desc: s, FromHead: s, ToHead: s, From: []End{{Label: s, Text: "3"}}, To: []End{{Label: s, Text: "2", Arm: a}, {Label: s, Text: "1", Arm: b}}, Ribbons: []Ribbon{{0, 0, 2}, {0, 1, 1}}},
		Ribbons{Title: s, Desc: s, FromHead: s, ToHead: s, Middle: s, From: []End{{Label: s, Text: "3"}}, To: []End{{Label: s, Text: "3", Arm: a}}, Ribbons: []Ribbon{{0, 0, 3}}},
		Love{Title: s, Desc: s, Axis: s, RandomisedLabel: "all randomised", AnalysedLabel: "those analysed", Rows: []Balance{{Label: s, Analysed: 0.1, HasAnalysed: true}}},
		Spreads{Title: s, Desc: s, Measures: []Spread{{s, s, []SpreadArm{{Arm: a, Text: s, Bins: []Bin{{0, 1, 1}}}, {Arm: b, Text: s, Gap: s}}}, {s, s, []SpreadArm{{Arm: a, Text: s, Gap: s}}}}},
		Means{Title: s, Desc: s, Axis: s, Arms: []MeansArm{{Arm: a, Text: "1 school", Dots: []Dot{{1, 1}, {2, 1}}}}},
		Intervals{Title: s, Desc: s, Axis: s, Below: s, Above: s, Column: "effect size (interval)", Second: s, SecondPer: 3, Rows: []Interval{{Label: s, Text: "0.1 (0.0 to 0.2)", Value: 0.1, Low: 0, High: 0.2, Arm: a}, {Label: s, Heading: true}, {Label: s, Gap: s}}},
		Curves{Title: s, Desc: s, YAxis: s, Key: []string{s}, Marks: []string{s, s}, Panels: []CurvePanel{{XAxis: s, Lines: [][]XY{{{1, 1}, {2, 2}}}, Marks: []CurveMark{{1, XY{1, 1}}}}, {XAxis: s}}},
		Plane{Title: s, Desc: s, XAxis: s, YAxis: s, Points: []PlanePoint{{s, XY{0.1, 0.05}, a}}},
		Sociogram{Title: s, Desc: s, Nets: []Net{{Label: s, Text: s, Members: []Member{{ID: s, Label: s, Arm: a}, {ID: "b", Label: s, Arm: b}}, Ties: []Tie{{A: 0, B: 1}}}}},
	}
}

// Whatever the names are, each picture is well-formed, small, does nothing,
// and every text lies within it.
func TestHostileTexts(t *testing.T) {
	for _, s := range hostile {
		for _, d := range with(s) {
			svg := d.Draw("x")
			if len(svg) > 200_000 {
				t.Errorf("%T of %.20q has %d bytes", d, s, len(svg))
			}
			dec := xml.NewDecoder(strings.NewReader(svg))
			for {
				tok, err := dec.Token()
				if err == io.EOF {
					break
				} else if err != nil {
					t.Errorf("%T of %.20q: %v", d, s, err)
					break
				}
				if e, ok := tok.(xml.StartElement); ok {
					if !strings.Contains(" svg title desc text line rect circle polygon ", " "+e.Name.Local+" ") {
						t.Errorf("%T of %.20q made the element %s", d, s, e.Name.Local)
					}
				}
			}
			c, w, h := d.plan()
			for _, o := range c.ops {
				if o.shape != shapeText {
					continue
				}
				length := Width(o.text, o.style.size, o.style.bold)
				from := map[anchor]float64{start: 0, middle: -length / 2, end: -length}[o.anchor]
				lo, hi, room := o.points[0].X+from, o.points[0].X+from+length, w
				if o.up {
					lo, hi, room = o.points[0].Y-from-length, o.points[0].Y-from, h
				}
				if lo < -1 || hi > room+1 || o.points[0].Y < 0 || o.points[0].Y > h+1 {
					t.Errorf("%T of %.20q: %.30q runs from %.0f to %.0f of %.0f", d, s, o.text, lo, hi, room)
				}
			}
		}
	}
	for _, i := range []int{3, 4, 6, 9} { // direction, control, broken bytes, length
		for _, d := range with(hostile[i]) {
			if file, _, _ := PNG(d); !strings.HasPrefix(string(file), "\x89PNG") {
				t.Errorf("%T of %.20q makes no PNG", d, hostile[i])
			}
			EMF(d)
		}
	}
}

// A network looks the same in whatever order its members and ties come, and
// members stand apart.
func TestSpring(t *testing.T) {
	n := samples()["sociogram"].(Sociogram).Nets[0]
	first := spring(n)
	turned := Net{}
	for i := range n.Members {
		turned.Members = append(turned.Members, n.Members[len(n.Members)-1-i])
	}
	for i := range n.Ties {
		tie := n.Ties[len(n.Ties)-1-i]
		turned.Ties = append(turned.Ties, Tie{A: len(n.Members) - 1 - tie.B, B: len(n.Members) - 1 - tie.A, Weight: tie.Weight})
	}
	for i, q := range spring(turned) {
		if p := first[len(n.Members)-1-i]; p != q {
			t.Fatalf("turned round, member %d stands at %v instead of %v", i, q, p)
		}
	}
	for i := range first {
		for k := range i {
			dx, dy := first[i].X-first[k].X, first[i].Y-first[k].Y
			if dx*dx+dy*dy < 0.01 {
				t.Errorf("members %d and %d stand upon each other", i, k)
			}
		}
	}
}

// The blind picture of a draw is the same whatever each stratum's schools were
// drawn into, as long as the arms' sizes are.
func TestBlindDrawShowsNoStratum(t *testing.T) {
	p := samples()["draw-blind"].(Ribbons)
	first := p.Draw("x")
	p.Ribbons = []Ribbon{{0, 0, 9}, {1, 0, 3}, {1, 1, 1}, {2, 1, 10}, {3, 1, 1}}
	if p.Draw("x") != first {
		t.Error("the blind picture tells one draw from another")
	}
}
