package randomize

import (
	"bytes"
	"errors"
	"os"
	"path/filepath"
	"sort"
	"strconv"
	"strings"
	"testing"
)

// vector is one frozen draw of testdata/vectors.
type vector struct {
	name                       string
	design, roster, allocation []byte
	chance                     Chance
	rehearsal                  int     // -1 for the draw itself
	earlier                    []Drawn // the wave before, which is the vector that the file .after names
}

// fewestVectors is how many there are at least: a folder that has gone empty
// must not pass.
const fewestVectors = 27

// loadVectors reads every vector; a file of an unknown kind is fatal, so that
// none is half-checked.
func loadVectors(t testing.TB) []vector {
	t.Helper()
	files, err := filepath.Glob("testdata/vectors/*")
	if err != nil {
		t.Fatal(err)
	}
	read := func(name string) []byte {
		b, err := os.ReadFile(name)
		if err != nil {
			t.Fatal(err)
		}
		return b
	}
	names := map[string]bool{}
	for _, f := range files {
		ext := filepath.Ext(f)
		switch ext {
		case ".design", ".roster", ".chance", ".allocation", ".rehearsal", ".after":
			names[strings.TrimSuffix(f, ext)] = true
		default:
			t.Fatalf("testdata/vectors holds %s, of no known kind", f)
		}
	}
	var vectors []vector
	for n := range names {
		chance, err := ParseChance(string(read(n + ".chance")))
		if err != nil {
			t.Fatalf("%s: %v", n, err)
		}
		v := vector{filepath.Base(n), read(n + ".design"), read(n + ".roster"), read(n + ".allocation"), chance, -1, nil}
		if b, err := os.ReadFile(n + ".rehearsal"); err == nil {
			v.rehearsal, err = strconv.Atoi(strings.TrimSpace(string(b)))
			if err != nil {
				t.Fatal(err)
			}
		}
		if b, err := os.ReadFile(n + ".after"); err == nil {
			before := filepath.Join(filepath.Dir(n), strings.TrimSpace(string(b)))
			r, err1 := ParseRoster(read(before + ".roster"))
			a, err2 := ParseAllocation(read(before + ".allocation"))
			if err := errors.Join(err1, err2); err != nil {
				t.Fatal(err)
			}
			v.earlier = []Drawn{{r, a}}
		}
		vectors = append(vectors, v)
	}
	sort.Slice(vectors, func(i, j int) bool { return vectors[i].name < vectors[j].name })
	if len(vectors) < fewestVectors {
		t.Fatalf("testdata/vectors holds %d vectors, want at least %d", len(vectors), fewestVectors)
	}
	return vectors
}

func (v vector) draw(t testing.TB) *Allocation {
	t.Helper()
	d, err := ParseDesign(v.design)
	if err != nil {
		t.Fatal(err)
	}
	r, err := ParseRoster(v.roster)
	if err != nil {
		t.Fatal(err)
	}
	if !bytes.Equal(d.Text(), v.design) || !bytes.Equal(r.Text(), v.roster) {
		t.Fatal("a text does not come back byte for byte")
	}
	var a *Allocation
	if v.rehearsal >= 0 {
		a, err = Rehearse(d, r, v.chance, v.rehearsal)
	} else {
		a, err = Draw(d, r, v.chance, v.earlier...)
	}
	if err != nil {
		t.Fatal(err)
	}
	return a
}

func TestVectors(t *testing.T) {
	for _, v := range loadVectors(t) {
		t.Run(v.name, func(t *testing.T) {
			a := v.draw(t)
			if got := a.Text(); !bytes.Equal(got, v.allocation) {
				t.Errorf("allocation = %s, want %s", got, v.allocation)
			}
			back, err := ParseAllocation(v.allocation)
			if err != nil {
				t.Fatal(err)
			}
			if !bytes.Equal(back.Text(), v.allocation) {
				t.Error("the allocation text does not come back byte for byte")
			}
			verify := func(text []byte) error {
				if v.rehearsal >= 0 {
					return VerifyRehearsal(v.design, v.roster, v.chance, v.rehearsal, text)
				}
				return Verify(v.design, v.roster, v.chance, text, v.earlier...)
			}
			if err := verify(v.allocation); err != nil {
				t.Errorf("Verify = %v", err)
			}
			// The comparison must be able to fail.
			back.Assignments[3].Community += 7
			if err := verify(back.Text()); err == nil {
				t.Error("Verify accepts another community")
			}
		})
	}
}
