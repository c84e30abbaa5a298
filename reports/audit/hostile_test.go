package audit

import (
	"bytes"
	"fmt"
	"slices"
	"strings"
	"testing"

	"evenhand/analysis"
	"evenhand/analysis/sap"
)

// hostile are bundles that somebody made to keep a checker busy, each with a
// manifest that fits.
func hostile(t testing.TB, large bool) map[string][]byte {
	t.Helper()
	m := early(t)
	whole := unzip(t, write(t, m.b))
	with := func(name string, data []byte) []byte {
		files := slices.DeleteFunc(slices.Clone(whole), func(e entry) bool { return e.name == name })
		return rezip(t, append(files, entry{name, data}))
	}
	deep := func(n int) []byte { return []byte(strings.Repeat("[", n) + strings.Repeat("]", n) + "\n") }
	bomb := "a: &a [x, x, x, x, x, x, x, x, x, x]\n"
	for c := 'b'; c <= 'z'; c++ {
		bomb += fmt.Sprintf("%c: &%c [%s]\n", c, c, strings.TrimSuffix(strings.Repeat(fmt.Sprintf("*%c, ", c-1), 10), ", "))
	}
	long := 20_000
	if large {
		long = 1_000_000
	}
	good := write(t, m.b)
	cases := map[string][]byte{
		"cut in half":                     good[:len(good)/2],
		"a bundle within a bundle":        with("data/reading.csv", good),
		"results nested deep":             with(resultsName, deep(long)),
		"a ledger entry nested deep":      with(ledgerName, deep(long)),
		"many entries that are none":      with(ledgerName, bytes.Repeat([]byte("{}\n"), long)),
		"many digests":                    with(digestsName, bytes.Repeat([]byte("1 x\n"), long)),
		"many results":                    with(resultsName, []byte("["+strings.TrimSuffix(strings.Repeat(`{"plan":{"outcome":"reading"}},`, long), ",")+"]\n")),
		"a protocol that multiplies":      with("protocol/1.yaml", []byte(bomb)),
		"a long line for a pupil":         with(pupilsName, bytes.Repeat([]byte("x"), 10*long)),
		"a design that asks for too much": with(designName, []byte("evenhand-design 1\nmethod constrained\narm a 1000\narm b 1000\ncandidates 10000000\n")),
		"a README of its own size":        with(readmeName, bytes.Repeat([]byte("x"), 8<<20)),
		"a manifest of many lines":        nil,
	}
	lines := strings.Repeat(strings.Repeat("0", 64)+"  data/a.csv\n", 3*long/100)
	files := slices.Clone(whole)
	i := slices.IndexFunc(files, func(e entry) bool { return e.name == manifestName })
	files[i].data = []byte(lines)
	var buf bytes.Buffer
	if err := writeZip(&buf, files); err != nil {
		t.Fatal(err)
	}
	cases["a manifest of many lines"] = buf.Bytes()
	if large {
		cases["a ledger as large as one may be"] = with(ledgerName, make([]byte, 128<<20-1))
	}
	return cases
}

// Each is refused with a reason. How long it takes BenchmarkHostile tells.
func TestHostile(t *testing.T) {
	for name, b := range hostile(t, false) {
		f := verify(t, b, Options{})
		if !f.Failed() {
			t.Errorf("%s: nothing failed\n%s", name, f.Text())
		}
		if len(f.Text()) > 1<<20 {
			t.Errorf("%s: %d bytes of findings", name, len(f.Text()))
		}
	}
}

func BenchmarkHostile(b *testing.B) {
	cases := hostile(b, true)
	for _, name := range sortedNames(cases) {
		b.Run(name, func(b *testing.B) {
			for range b.N {
				if f := verify(b, cases[name], Options{}); !f.Failed() {
					b.Fatal("nothing failed")
				}
			}
		})
	}
	b.Run("more than a gigabyte", func(b *testing.B) {
		for range b.N {
			f, err := Verify(nothing{}, maxBundle+1, Options{})
			if err != nil || !f.Failed() {
				b.Fatal("nothing failed")
			}
		}
	})
}

// nothing is a file that is never read.
type nothing struct{}

func (nothing) ReadAt([]byte, int64) (int, error) { panic("it was read") }

// Whatever a file of a bundle holds, with a manifest that fits it, the checker
// comes to an end with findings.
func FuzzContents(f *testing.F) {
	m := finished(f, 12, 2)
	m.b.Rule = nil
	whole := unzip(f, write(f, m.b))
	for i, e := range whole {
		if len(e.data) < 20_000 {
			f.Add(uint8(i), e.data)
		}
	}
	stub := func(p sap.Plan, _ *analysis.Dataset) (*sap.Results, error) { return &sap.Results{Plan: p}, nil }
	f.Fuzz(func(t *testing.T, which uint8, data []byte) {
		files := slices.Clone(whole)
		files[int(which)%len(files)].data = data
		verify(t, rezip(t, files), Options{Fit: stub})
	})
}
