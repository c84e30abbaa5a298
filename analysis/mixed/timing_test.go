package mixed

import (
	"encoding/csv"
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"testing"
)

// timed is what R made of one of testdata/timing.R's files.
type timed struct{ estimate, se, school, residual float64 }

// readTimed reads the lines of theirs.csv that are lme4's, by rows.
func readTimed(t testing.TB, dir string) map[int]timed {
	t.Helper()
	f, err := os.Open(filepath.Join(dir, "theirs.csv"))
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	lines, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatal(err)
	}
	all := map[int]timed{}
	for _, line := range lines[1:] {
		if strings.TrimSpace(line[1]) != "lme4 lmer" {
			continue
		}
		v := make([]float64, len(line))
		for i, text := range line {
			if i == 1 {
				continue
			}
			if v[i], err = strconv.ParseFloat(strings.TrimSpace(text), 64); err != nil {
				t.Fatal(err)
			}
		}
		all[int(v[0])] = timed{v[3], v[4], v[5], v[6]}
	}
	if len(all) == 0 {
		t.Fatal("theirs.csv has no line of lme4's")
	}
	return all
}

// readTrial reads one of the files.
func readTrial(t testing.TB, name string) *Data {
	t.Helper()
	f, err := os.Open(name)
	if err != nil {
		t.Fatal(err)
	}
	defer f.Close()
	r := csv.NewReader(f)
	r.ReuseRecord = true
	d := &Data{Outcome: "y", Arms: []string{"0", "1"}}
	var school []int
	var arm, x1, x2 []float64
	for line := 0; ; line++ {
		row, err := r.Read()
		if err != nil {
			break
		}
		if line == 0 {
			continue
		}
		var v [5]float64
		for i, text := range row {
			if v[i], err = strconv.ParseFloat(text, 64); err != nil {
				t.Fatal(err)
			}
		}
		school, arm, x1, x2 = append(school, int(v[0])-1), append(arm, v[1]), append(x1, v[2]), append(x2, v[3])
		d.Arm, d.Y = append(d.Arm, int(v[1])), append(d.Y, v[4])
	}
	d.Columns = []Column{{Name: Intercept}, {Name: ArmTerm("1", "0"), Values: arm, Arm: true}, {Name: "x1", Values: x1}, {Name: "x2", Values: x2}}
	d.Levels = []Level{{Name: "school", Index: school}}
	return d
}

// BenchmarkTiming fits the files that testdata/timing.R wrote and timed R on,
// Kenward and Roger's inference for every coefficient included, and checks
// that lme4 found the same.
func BenchmarkTiming(b *testing.B) {
	dir := os.Getenv("EVENHAND_TIMING")
	if dir == "" {
		b.Skip("EVENHAND_TIMING does not name the folder that testdata/timing.R wrote")
	}
	theirs := readTimed(b, dir)
	for _, rows := range []int{265, 5000, 50_000, 400_000, 2_000_000} {
		want, ok := theirs[rows]
		if !ok {
			continue
		}
		b.Run(fmt.Sprint(rows), func(b *testing.B) {
			d := readTrial(b, filepath.Join(dir, fmt.Sprintf("trial-%d.csv", rows)))
			if len(d.Y) != rows {
				b.Fatalf("%d rows were read", len(d.Y))
			}
			var f *Fit
			var err error
			b.ReportAllocs()
			for b.Loop() {
				if f, err = New(d, Model{}); err != nil {
					b.Fatal(err)
				}
				if _, err = f.Tests(KenwardRoger, 0.95); err != nil {
					b.Fatal(err)
				}
			}
			c, _ := f.Coefficient(ArmTerm("1", "0"))
			for _, x := range []struct {
				what       string
				ours, want float64
			}{{"arm", c.Estimate, want.estimate}, {"its standard error", c.SE, want.se}, {"school variance", f.VarianceOf("school"), want.school}, {"residual variance", f.VarianceOf(Residual), want.residual}} {
				if math.Abs(x.ours-x.want) > 1e-4*math.Abs(x.want) {
					b.Errorf("%s: %v, by lme4 %v", x.what, x.ours, x.want)
				}
			}
		})
	}
}
