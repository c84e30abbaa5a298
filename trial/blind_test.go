package trial

import (
	"slices"
	"strings"
	"testing"

	"evenhand/randomize"
)

// Which arm is A is a frozen rule (the digests were taken with sha256sum), and
// over many draws each arm is A as often as another.
func TestBlindOrder(t *testing.T) {
	// printf 'evenhand-letters 1\n%s\nrlc\n' $(printf 'ab%.0s' $(seq 32)) | sha256sum   begins a4073886587d
	// the same with control                                                            begins f963130a0b00
	chance := randomize.Chance(strings.Repeat("ab", 32))
	if got := BlindOrder(chance, []string{"rlc", "control"}); !slices.Equal(got, []int{0, 1}) {
		t.Errorf("BlindOrder = %v", got)
	}
	first := 0
	for i := range 1000 {
		order := BlindOrder(randomize.Chance(DigestOf(strings.Repeat("x", i))), []string{"rlc", "control"})
		first += order[0]
	}
	if first < 430 || first > 570 { // 4.4 standard errors: false once in 100,000
		t.Errorf("control is A in %d of 1,000 draws", first)
	}
}

// A rehearsal's records have the rehearsal's arms, and attendance in the arms
// that have sessions.
func TestRehearsed(t *testing.T) {
	p := &Protocol{Arms: []Arm{{ID: "rlc"}, {ID: "control", Control: true}}}
	r := Records{Allocation: map[string]Assigned{"1": {Arm: "rlc", Community: 1}, "2": {Arm: "rlc", Community: 1}, "3": {Arm: "control"}, "4": {Arm: "control"}},
		Attendance: []Attendance{{Session: "w1", School: "1", Person: "a", Attended: true}, {Session: "w1", School: "2", Person: "b", Attended: true}}}
	got := p.Rehearsed(r, &randomize.Allocation{Assignments: []randomize.Assignment{{Unit: "1", Arm: "control"}, {Unit: "2", Arm: "control"}, {Unit: "3", Arm: "control"}, {Unit: "4", Arm: "rlc", Community: 1}}})
	if got.Allocation["4"] != (Assigned{Arm: "rlc", Community: 1}) || got.Allocation["1"] != (Assigned{Arm: "control"}) || len(got.Allocation) != 4 {
		t.Errorf("the allocation is %v", got.Allocation)
	}
	if len(got.Attendance) != 1 || got.Attendance[0].School != "4" {
		t.Errorf("the attendance is %v", got.Attendance)
	}
	if r.Allocation["1"].Arm != "rlc" || r.Attendance[0].School != "1" {
		t.Error("the records themselves were changed")
	}
}
