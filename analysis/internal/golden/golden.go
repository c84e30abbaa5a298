// Package golden reads reference numbers that other software made and compares
// results with them. It is for tests only.
//
// The rules it serves: a loader of cases fails on fewer cases than stated
// (AtLeast), a name that is not there is fatal rather than empty (Node.At), and
// a comparison that cannot fail is no comparison (see golden_test.go).
package golden

import (
	"embed"
	"encoding/csv"
	"encoding/json"
	"fmt"
	"io/fs"
	"math"
	"sort"
	"strconv"
	"strings"
	"testing"
)

// Files holds the reference files: mixed.json, statistics.json and data/*.csv,
// described in SOURCE.md, under "testdata".
//
//go:embed testdata
var Files embed.FS

// Node is one value of a reference file, with the path that led to it.
type Node struct {
	t     testing.TB
	path  string
	value any
}

// JSON reads a file of fsys as a tree of values.
func JSON(t testing.TB, fsys fs.FS, name string) Node {
	t.Helper()
	raw, err := fs.ReadFile(fsys, name)
	if err != nil {
		t.Fatalf("read reference file: %v", err)
	}
	var v any
	if err := json.Unmarshal(raw, &v); err != nil {
		t.Fatalf("read reference file %s: %v", name, err)
	}
	return Node{t: t, path: name, value: v}
}

// Mixed is mixed.json; Statistics is statistics.json.
func Mixed(t testing.TB) Node { t.Helper(); return JSON(t, Files, "testdata/mixed.json") }

// Statistics is statistics.json.
func Statistics(t testing.TB) Node { t.Helper(); return JSON(t, Files, "testdata/statistics.json") }

// Has says whether At with the same keys would find something.
func (n Node) Has(keys ...string) bool {
	v := n.value
	for _, k := range keys {
		m, ok := v.(map[string]any)
		if !ok {
			return false
		}
		if v, ok = m[k]; !ok {
			return false
		}
	}
	return true
}

// At goes down by keys; a key that is not there is fatal.
func (n Node) At(keys ...string) Node {
	n.t.Helper()
	for _, k := range keys {
		m, ok := n.value.(map[string]any)
		if !ok {
			n.t.Fatalf("%s: not an object, so no %q in it", n.path, k)
		}
		v, ok := m[k]
		if !ok {
			n.t.Fatalf("%s: no %q", n.path, k)
		}
		n = Node{t: n.t, path: n.path + " / " + k, value: v}
	}
	return n
}

// Index is element i of a list.
func (n Node) Index(i int) Node {
	n.t.Helper()
	l, ok := n.value.([]any)
	if !ok || i < 0 || i >= len(l) {
		n.t.Fatalf("%s: no element %d", n.path, i)
	}
	return Node{t: n.t, path: fmt.Sprintf("%s[%d]", n.path, i), value: l[i]}
}

// Len is the number of elements of a list or of keys of an object.
func (n Node) Len() int {
	switch v := n.value.(type) {
	case []any:
		return len(v)
	case map[string]any:
		return len(v)
	}
	return 0
}

// Keys are the keys of an object, sorted.
func (n Node) Keys() []string {
	n.t.Helper()
	m, ok := n.value.(map[string]any)
	if !ok {
		n.t.Fatalf("%s: not an object", n.path)
	}
	keys := make([]string, 0, len(m))
	for k := range m {
		keys = append(keys, k)
	}
	sort.Strings(keys)
	return keys
}

// Text is a string value.
func (n Node) Text() string {
	n.t.Helper()
	s, ok := n.value.(string)
	if !ok {
		n.t.Fatalf("%s: not text but %v", n.path, n.value)
	}
	return s
}

// Float is a number, written as such or as text.
func (n Node) Float() float64 {
	n.t.Helper()
	switch v := n.value.(type) {
	case float64:
		return v
	case string:
		f, err := strconv.ParseFloat(v, 64)
		if err == nil {
			return f
		}
	case []any:
		if len(v) == 1 {
			return n.Index(0).Float()
		}
	}
	n.t.Fatalf("%s: not a number but %v", n.path, n.value)
	return 0
}

// Floats is a list of numbers; a lone number is a list of one.
func (n Node) Floats() []float64 {
	n.t.Helper()
	l, ok := n.value.([]any)
	if !ok {
		return []float64{n.Float()}
	}
	out := make([]float64, len(l))
	for i := range l {
		out[i] = n.Index(i).Float()
	}
	return out
}

// Matrix is a list of rows of numbers.
func (n Node) Matrix() [][]float64 {
	n.t.Helper()
	out := make([][]float64, n.Len())
	for i := range out {
		out[i] = n.Index(i).Floats()
	}
	return out
}

// Table is a CSV file as text, by column.
type Table struct {
	t     testing.TB
	name  string
	Names []string
	Rows  int
	cols  map[string][]string
}

// CSV reads a comma-separated file with a header.
func CSV(t testing.TB, fsys fs.FS, name string) Table {
	t.Helper()
	f, err := fsys.Open(name)
	if err != nil {
		t.Fatalf("read reference data: %v", err)
	}
	defer f.Close()
	rows, err := csv.NewReader(f).ReadAll()
	if err != nil {
		t.Fatalf("read reference data %s: %v", name, err)
	}
	if len(rows) < 2 {
		t.Fatalf("read reference data %s: no rows", name)
	}
	tab := Table{t: t, name: name, Names: rows[0], Rows: len(rows) - 1, cols: map[string][]string{}}
	for j, c := range rows[0] {
		col := make([]string, 0, len(rows)-1)
		for _, r := range rows[1:] {
			col = append(col, r[j])
		}
		tab.cols[c] = col
	}
	return tab
}

// Data is testdata/data/<name> of Files.
func Data(t testing.TB, name string) Table {
	t.Helper()
	return CSV(t, Files, "testdata/data/"+name)
}

// Text is a column as text.
func (tab Table) Text(name string) []string {
	tab.t.Helper()
	c, ok := tab.cols[name]
	if !ok {
		tab.t.Fatalf("%s: no column %q among %s", tab.name, name, strings.Join(tab.Names, ", "))
	}
	return c
}

// Floats is a column of numbers; anything else in it is fatal.
func (tab Table) Floats(name string) []float64 {
	tab.t.Helper()
	text := tab.Text(name)
	out := make([]float64, len(text))
	for i, s := range text {
		v, err := strconv.ParseFloat(s, 64)
		if err != nil {
			tab.t.Fatalf("%s, column %s, row %d: %q is not a number", tab.name, name, i+1, s)
		}
		out[i] = v
	}
	return out
}

// Codes is a column as whole numbers 0, 1, … by first appearance, with the
// label of each.
func (tab Table) Codes(name string) (codes []int, labels []string) {
	tab.t.Helper()
	seen := map[string]int{}
	for _, s := range tab.Text(name) {
		k, ok := seen[s]
		if !ok {
			k = len(labels)
			seen[s] = k
			labels = append(labels, s)
		}
		codes = append(codes, k)
	}
	return codes, labels
}

// AtLeast fails when fewer cases were tried than are known to exist, so that
// a loader that finds nothing cannot pass.
func AtLeast(t testing.TB, what string, got, want int) {
	t.Helper()
	if got < want {
		t.Errorf("%s: only %d cases tried, there are %d", what, got, want)
	} else {
		t.Logf("%s: %d cases", what, got)
	}
}

// RelDiff is |got − want| / |want|, or |got| where want is 0; infinite when
// either is not finite (unless both are the same infinity).
func RelDiff(got, want float64) float64 {
	if got == want {
		return 0
	}
	d := math.Abs(got - want)
	if want != 0 {
		d /= math.Abs(want)
	}
	if math.IsNaN(d) {
		return math.Inf(1)
	}
	return d
}

// Close fails when got differs from want by more than tol, relative to want
// (absolute where want is 0). NaN is never close.
func Close(t testing.TB, what string, got, want, tol float64) {
	t.Helper()
	if d := RelDiff(got, want); !(d <= tol) {
		t.Errorf("%s: got %.17g, want %.17g: relative difference %.2g, more than %.2g", what, got, want, d, tol)
	}
}

// Near fails when |got − want| is more than tol.
func Near(t testing.TB, what string, got, want, tol float64) {
	t.Helper()
	if d := math.Abs(got - want); !(d <= tol) {
		t.Errorf("%s: got %.17g, want %.17g: difference %.2g, more than %.2g", what, got, want, d, tol)
	}
}

// CloseAll compares two lists of the same length, element by element.
func CloseAll(t testing.TB, what string, got, want []float64, tol float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: got %d numbers, want %d", what, len(got), len(want))
		return
	}
	for i := range want {
		Close(t, fmt.Sprintf("%s [%d]", what, i), got[i], want[i], tol)
	}
}

// CloseMatrix compares two matrices; each difference is taken relative to the
// larger of the element itself and the geometric mean of its two diagonal
// elements, since an off-diagonal covariance may be nothing but rounding.
func CloseMatrix(t testing.TB, what string, got, want [][]float64, tol float64) {
	t.Helper()
	if len(got) != len(want) {
		t.Errorf("%s: got %d rows, want %d", what, len(got), len(want))
		return
	}
	for i := range want {
		if len(got[i]) != len(want[i]) {
			t.Errorf("%s row %d: got %d numbers, want %d", what, i, len(got[i]), len(want[i]))
			return
		}
		for j := range want[i] {
			scale := math.Abs(want[i][j])
			if len(want) == len(want[i]) {
				scale = math.Max(scale, math.Sqrt(math.Abs(want[i][i]*want[j][j])))
			}
			if scale == 0 {
				scale = 1
			}
			if d := math.Abs(got[i][j]-want[i][j]) / scale; !(d <= tol) {
				t.Errorf("%s [%d,%d]: got %.17g, want %.17g: relative difference %.2g, more than %.2g", what, i, j, got[i][j], want[i][j], d, tol)
			}
		}
	}
}
