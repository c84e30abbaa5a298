package golden

import (
	"fmt"
	"math"
	"testing"
	"testing/fstest"
)

// recorder is a testing.TB that remembers whether it was told of a failure.
type recorder struct {
	testing.TB
	failed bool
}

type stop struct{}

func (r *recorder) Helper()               {}
func (r *recorder) Logf(string, ...any)   {}
func (r *recorder) Errorf(string, ...any) { r.failed = true }
func (r *recorder) Fatalf(f string, a ...any) {
	r.failed = true
	panic(stop{})
}

// fails says whether f reports a failure to the TB that it is given.
func fails(f func(testing.TB)) (failed bool) {
	r := &recorder{}
	defer func() {
		if e := recover(); e != nil {
			if _, ok := e.(stop); !ok {
				panic(e)
			}
		}
		failed = r.failed
	}()
	f(r)
	return r.failed
}

func TestComparisonsCanFail(t *testing.T) {
	nan := math.NaN()
	cases := []struct {
		name string
		f    func(testing.TB)
		want bool
	}{
		{"close equal", func(t testing.TB) { Close(t, "", 1, 1, 0) }, false},
		{"close within", func(t testing.TB) { Close(t, "", 1+1e-10, 1, 1e-9) }, false},
		{"close beyond", func(t testing.TB) { Close(t, "", 1+1e-8, 1, 1e-9) }, true},
		{"close relative", func(t testing.TB) { Close(t, "", 1e-12, 2e-12, 1e-9) }, true},
		{"close NaN", func(t testing.TB) { Close(t, "", nan, 1, 1e9) }, true},
		{"close NaN wanted", func(t testing.TB) { Close(t, "", 1, nan, 1e9) }, true},
		{"close infinite", func(t testing.TB) { Close(t, "", math.Inf(1), 1, 1e9) }, true},
		{"close zero", func(t testing.TB) { Close(t, "", 1e-3, 0, 1e-9) }, true},
		{"near within", func(t testing.TB) { Near(t, "", 1.05, 1, .1) }, false},
		{"near beyond", func(t testing.TB) { Near(t, "", 1.2, 1, .1) }, true},
		{"near NaN", func(t testing.TB) { Near(t, "", nan, 1, .1) }, true},
		{"list", func(t testing.TB) { CloseAll(t, "", []float64{1, 2}, []float64{1, 2}, 0) }, false},
		{"list shorter", func(t testing.TB) { CloseAll(t, "", []float64{1}, []float64{1, 2}, 1) }, true},
		{"list differs", func(t testing.TB) { CloseAll(t, "", []float64{1, 3}, []float64{1, 2}, 1e-9) }, true},
		{"matrix", func(t testing.TB) { CloseMatrix(t, "", [][]float64{{1, 0}, {0, 1}}, [][]float64{{1, 0}, {0, 1}}, 0) }, false},
		{"matrix differs", func(t testing.TB) {
			CloseMatrix(t, "", [][]float64{{1, 1e-3}, {0, 1}}, [][]float64{{1, 0}, {0, 1}}, 1e-9)
		}, true},
		{"matrix NaN", func(t testing.TB) { CloseMatrix(t, "", [][]float64{{nan}}, [][]float64{{1}}, 1e-9) }, true},
		{"matrix shorter", func(t testing.TB) { CloseMatrix(t, "", [][]float64{{1}}, [][]float64{{1, 0}, {0, 1}}, 1) }, true},
		{"enough cases", func(t testing.TB) { AtLeast(t, "", 3, 3) }, false},
		{"too few cases", func(t testing.TB) { AtLeast(t, "", 2, 3) }, true},
		{"no cases", func(t testing.TB) { AtLeast(t, "", 0, 1) }, true},
	}
	for _, c := range cases {
		if got := fails(c.f); got != c.want {
			t.Errorf("%s: failed = %v, want %v", c.name, got, c.want)
		}
	}
}

func TestReadersRefuseWhatIsNotThere(t *testing.T) {
	fsys := fstest.MapFS{
		"a.json": {Data: []byte(`{"x":{"y":[1,"2.5",3]},"s":"text"}`)},
		"a.csv":  {Data: []byte("id,v\na,1\nb,NA\n")},
		"e.csv":  {Data: []byte("id,v\n")},
	}
	cases := []struct {
		name string
		f    func(testing.TB)
		want bool
	}{
		{"number", func(t testing.TB) { _ = JSON(t, fsys, "a.json").At("x", "y").Floats() }, false},
		{"no file", func(t testing.TB) { JSON(t, fsys, "b.json") }, true},
		{"no key", func(t testing.TB) { JSON(t, fsys, "a.json").At("x", "z") }, true},
		{"no such level", func(t testing.TB) { JSON(t, fsys, "a.json").At("s", "z") }, true},
		{"no element", func(t testing.TB) { JSON(t, fsys, "a.json").At("x", "y").Index(3) }, true},
		{"not a number", func(t testing.TB) { JSON(t, fsys, "a.json").At("s").Float() }, true},
		{"column", func(t testing.TB) { CSV(t, fsys, "a.csv").Text("v") }, false},
		{"no column", func(t testing.TB) { CSV(t, fsys, "a.csv").Text("w") }, true},
		{"NA is no number", func(t testing.TB) { CSV(t, fsys, "a.csv").Floats("v") }, true},
		{"no rows", func(t testing.TB) { CSV(t, fsys, "e.csv") }, true},
	}
	for _, c := range cases {
		if got := fails(c.f); got != c.want {
			t.Errorf("%s: failed = %v, want %v", c.name, got, c.want)
		}
	}
	if got := JSON(t, fsys, "a.json").At("x", "y").Floats(); fmt.Sprint(got) != "[1 2.5 3]" {
		t.Errorf("numbers read as %v", got)
	}
}

func TestFilesAreWhole(t *testing.T) {
	AtLeast(t, "mixed models in mixed.json", Mixed(t).At("models").Len(), 14)
	AtLeast(t, "sections of statistics.json", Statistics(t).Len(), 8)
	if tab := Data(t, "sim_crt.csv"); tab.Rows != 1437 {
		t.Errorf("sim_crt.csv has %d rows, want 1437", tab.Rows)
	}
}
