package main

import (
	"strings"
	"testing"
)

// TestSillyDesigns: every impossible or silly design is met by its sentence, at
// the command where it shows, and nothing is drawn from it.
func TestSillyDesigns(t *testing.T) {
	const near = "communities: [{arm: new, size: 4 to 6, how: near}]\n"
	for _, c := range []struct {
		name         string
		protocol     string
		edit         []string // of the schools' file: old, new, …
		at           string   // the command that says it: "check", "import", "lock" or "commit"
		status       int
		want         string
		stillPassing bool // it is allowed, but said
	}{
		{"one school in a stratum", smallProtocol("region", "method: stratified", ""), []string{"200001,School 0,North", "200001,School 0,Isles"}, "lock", 0, "1 stratum has one school only: its arm cannot be compared within the stratum", true},
		{"blocks that weights do not fit", strings.Replace(smallProtocol("region", "method: blocks, blocks: [4], sequence: arrival", ""), "label: Programme", "label: Programme, weight: 2", 1), nil, "check", 1, "a block of 4 cannot be shared out by weights that sum to 3", false},
		{"ratio 0", strings.Replace(smallProtocol("region", "method: stratified", ""), "label: Programme", "label: Programme, weight: 0", 1), nil, "check", 1, "0 is outside 1 to 1000", false},
		{"the same ID twice", smallProtocol("region", "method: stratified", ""), []string{"200002,School 1,", "200001,School 1,"}, "import", 1, "this school stands here again, first in row 2", false},
		{"IDs alike but for a leading zero", smallProtocol("region", "method: stratified", ""), []string{"200002,School 1,", "0200001,School 1,"}, "lock", 0, "schools 0200001 and 200001 differ in capitals or leading zeros only; are they one school?", true},
		{"IDs alike but for capitals", smallProtocol("region", "method: stratified", ""), []string{"200001,School 0,", "a1,School 0,", "200002,School 1,", "A1,School 1,"}, "lock", 0, "differ in capitals or leading zeros only", true},
		{"an ID with an accent", smallProtocol("region", "method: stratified", ""), []string{"200002,School 1,", "é2,School 1,"}, "import", 1, "é2", false},
		{"a stratum missing", smallProtocol("region", "method: stratified", ""), []string{"200002,School 1,South", "200002,School 1,"}, "lock", 1, "200002: no value of region", false},
		{"over-constrained", smallProtocol("region", "method: constrained, candidates: 3000, keep: 10 %, balance: {ks2: 1}", ""), nil, "lock", 1, "at least 1000", false},
		{"together and apart", smallProtocol("region", "method: stratified", "communities: [{arm: new, size: 4 to 6, together: [trust], apart: [trust]}]\n"), nil, "check", 1, "schools with the same trust cannot be both together and apart", false},
		{"two columns that clash on a pair", smallProtocol("region", "method: stratified", "communities: [{arm: new, size: 4 to 6, together: [trust], apart: [set]}]\n"), []string{"200001,School 0,North,24.0,0,0,T0,0", "200001,School 0,North,24.0,0,0,T0,50", "200002,School 1,South,31.3,37,1,T0,1", "200002,School 1,South,31.3,37,1,T0,50"}, "lock", 1, "cannot", false},
		{"coordinates missing", smallProtocol("region", "method: stratified", near), []string{"T0,0,400000,300000", "T0,0,,300000"}, "lock", 1, "school 200001, easting: it has no value", false},
		{"coordinates nought", smallProtocol("region", "method: stratified", near), []string{"T0,0,400000,300000", "T0,0,0,0"}, "lock", 1, "the coordinates of school 200001 are missing (easting and northing are both 0)", false},
		{"coordinates swapped", smallProtocol("region", "method: stratified", near), []string{"T0,0,400000,300000", "T0,0,300000,400000"}, "lock", 0, "school 200001 has easting 300000 and northing 400000", true},
		{"the roster changed since the lock", smallProtocol("region", "method: stratified", ""), nil, "commit", 1, "something changed since the roster was locked: the roster is no longer what was locked", false},
	} {
		t.Run(c.name, func(t *testing.T) {
			t.Parallel()
			w := newWorld(t)
			schools, moves := smallSchools(0, 24)
			for i := 0; i < len(c.edit); i += 2 {
				if !strings.Contains(schools, c.edit[i]) {
					t.Fatalf("the schools have no %q:\n%s", c.edit[i], schools)
				}
				schools = strings.Replace(schools, c.edit[i], c.edit[i+1], 1)
				was, _, _ := strings.Cut(c.edit[i], ",")
				is, _, _ := strings.Cut(c.edit[i+1], ",")
				if was != "" && was[0] == '2' && was != is {
					moves = strings.ReplaceAll(moves, was+",", is+",")
				}
			}
			w.file("trial.yaml", c.protocol)
			w.file("schools.csv", schools)
			w.file("moves.csv", moves)
			steps := []struct {
				name string
				args []string
			}{
				{"check", []string{"protocol", "check", "{}/trial.yaml"}}, {"", []string{"init", "{}"}}, {"import", []string{"school", "import", "{}/schools.csv", "--on", "2014-01-05"}},
				{"", []string{"recruitment", "import", "{}/moves.csv"}}, {"lock", []string{"roster", "lock"}}, {"", []string{"school", "correct", "200001", "--set", "region=South", "--why", "x"}}, {"commit", []string{"draw", "commit"}},
			}
			for _, s := range steps {
				r := w.give(s.args...)
				if s.name == c.at {
					if said := r.out + r.stderr; r.status != c.status || !strings.Contains(said, c.want) || (r.status == exitDone) != c.stillPassing {
						t.Errorf("%v: status %d, %s; want %q", s.args, r.status, said, c.want)
					}
					return
				}
				if r.status != exitDone {
					t.Fatalf("%v, before %s: status %d, %s", s.args, c.at, r.status, r.stderr)
				}
			}
		})
	}
}
