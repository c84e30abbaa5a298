package randomize

import (
	"bytes"
	"testing"
)

// seedCorpus adds the vectors' texts of one kind; an empty folder fails.
func seedCorpus(f *testing.F, kind func(vector) []byte) {
	f.Helper()
	for _, v := range loadVectors(f) {
		f.Add(kind(v))
	}
}

// The parsers take whatever they are given without a panic, and a text they
// accept is canonical: it comes back byte for byte.

func FuzzParseDesign(f *testing.F) {
	seedCorpus(f, func(v vector) []byte { return v.design })
	f.Add([]byte("evenhand-design 1\nmethod minimisation\narm a 1\narm b 2\nimbalance sd\nbest_per_mille 800\nweight stratum 1\n" +
		"community a 3 5 near within region\nnotional a\napart a trust\ntogether a federation\nfarthest a 9\ncount a high 1 0 3\nbalance a ks2 2\nmix a 300\nstarts a 5\nkeep a 100\npasses a 2\n"))
	f.Fuzz(func(t *testing.T, text []byte) {
		d, err := ParseDesign(text)
		if err != nil {
			return
		}
		if got := d.Text(); !bytes.Equal(got, text) {
			t.Errorf("accepted %q, written %q", text, got)
		}
		if err := d.Validate(); err != nil {
			t.Errorf("accepted %q, which is invalid: %v", text, err)
		}
	})
}

func FuzzParseRoster(f *testing.F) {
	seedCorpus(f, func(v vector) []byte { return v.roster })
	f.Fuzz(func(t *testing.T, text []byte) {
		r, err := ParseRoster(text)
		if err != nil {
			return
		}
		if got := r.Text(); !bytes.Equal(got, text) {
			t.Errorf("accepted %q, written %q", text, got)
		}
		if err := r.Validate(); err != nil {
			t.Errorf("accepted %q, which is invalid: %v", text, err)
		}
	})
}

func FuzzParseAllocation(f *testing.F) {
	seedCorpus(f, func(v vector) []byte { return v.allocation })
	f.Fuzz(func(t *testing.T, text []byte) {
		a, err := ParseAllocation(text)
		if err != nil {
			return
		}
		if got := a.Text(); !bytes.Equal(got, text) {
			t.Errorf("accepted %q, written %q", text, got)
		}
	})
}

func FuzzParseChance(f *testing.F) {
	seedCorpus(f, func(v vector) []byte { return []byte(v.chance) })
	f.Fuzz(func(t *testing.T, text []byte) {
		c, err := ParseChance(string(text))
		if err == nil && string(c) != string(bytes.TrimSuffix(text, []byte("\n"))) {
			t.Errorf("accepted %q as %q", text, c)
		}
	})
}

// FuzzDraw draws whatever design and roster are accepted: no panic, and Check
// says beforehand whether it can be done.
func FuzzDraw(f *testing.F) {
	for _, v := range loadVectors(f) {
		f.Add(v.design, v.roster)
	}
	f.Fuzz(func(t *testing.T, design, roster []byte) {
		d, err := ParseDesign(design)
		if err != nil {
			return
		}
		r, err := ParseRoster(roster)
		if err != nil {
			return
		}
		if d.Candidates > 1000 || d.totalWeight() > 1000 {
			return // time, not a fault
		}
		for _, b := range d.Blocks {
			if b > 1000 {
				return
			}
		}
		for i := range d.Communities {
			if d.Communities[i].starts() > 20 || d.Communities[i].passes() > 5 {
				d.Communities[i].Starts, d.Communities[i].Passes = 5, 1
			}
		}
		checked := Check(d, r)
		a, err := Draw(d, r, Chance(Digest(nil)))
		if checked != nil {
			if err == nil {
				t.Errorf("drawn in spite of %v", checked)
			}
			return
		}
		if err == nil && len(a.Assignments) != len(r.Units) {
			t.Errorf("%d of %d units drawn", len(a.Assignments), len(r.Units))
		}
	})
}
