package trial

import (
	"slices"
	"strings"
	"testing"

	"evenhand/analysis"
	"evenhand/randomize"
)

// The redraws of a dataset are the design's, school by school, whatever the
// arms are called and in whatever order the schools stand.
func TestRedraw(t *testing.T) {
	design := randomize.Design{Method: randomize.Stratified, Misfits: randomize.Pooled, Arms: []randomize.ArmSpec{{Name: "rlc", Weight: 1}, {Name: "control", Weight: 1}}}
	var units []randomize.Unit
	for _, id := range []string{"10", "11", "12", "13", "20", "21", "22", "23", "24"} {
		units = append(units, randomize.Unit{ID: id, Stratum: "s" + id[:1]})
	}
	roster, err := randomize.NewRoster(nil, units)
	if err != nil {
		t.Fatal(err)
	}
	chance := randomize.Chance(strings.Repeat("0a", 32))
	want, err := randomize.Redraws(design, randomize.Wave{Roster: roster, Chance: chance})
	if err != nil {
		t.Fatal(err)
	}
	d := &analysis.Dataset{Arms: []string{"A", "B"}, Clusters: []string{"24", "23", "22", "21", "20", "13", "12", "11", "10"}}
	redraws, err := NewRedraws(design, []randomize.Wave{{Roster: roster, Chance: chance}}, 20) // fewer than are asked for
	if err != nil {
		t.Fatal(err)
	}
	redraw, err := redraws.For(d)
	if err != nil {
		t.Fatal(err)
	}
	different := 0
	for i := range 50 {
		redraw(i)[0] = 7 // it is the caller's own
		got, expected := redraw(i), want(i)
		slices.Reverse(got)
		if !slices.Equal(got, expected) {
			t.Fatalf("redraw %d is %v, want %v", i, got, expected)
		}
		if !slices.Equal(expected, want(0)) {
			different++
		}
	}
	if different < 40 {
		t.Errorf("only %d of 50 redraws differ from the first", different)
	}
	for name, wrong := range map[string]*analysis.Dataset{
		"arms":    {Arms: []string{"A", "B", "C"}, Clusters: d.Clusters},
		"schools": {Arms: d.Arms, Clusters: d.Clusters[1:]},
		"roster":  {Arms: d.Arms, Clusters: append([]string{"99"}, d.Clusters[1:]...)},
	} {
		if _, err := redraws.For(wrong); err == nil || !strings.Contains(err.Error(), name) {
			t.Errorf("%s: %v", name, err)
		}
	}
}
