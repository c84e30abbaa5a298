package trial

import (
	"slices"
	"testing"
)

func TestSessionsAttended(t *testing.T) {
	any := rlc(t)
	every := changed(t, "attended by: any leader", "attended by: every leader")
	schools := []School{
		{ID: "1", Leaders: []Leader{{"senior leader", "1-L1"}, {"evidence champion", "1-L2"}}},
		{ID: "2", Leaders: []Leader{{"senior leader", "2-L3"}, {"evidence champion", "2-L2"}}}, // 2-L1 left the role
		{ID: "3"},
	}
	attendance := []Attendance{
		{"w1", "1", "1-L1", true}, {"w1", "1", "1-L2", true},
		{"w2", "1", "1-L1", true}, {"w2", "1", "1-L2", false},
		{"w3", "1", "1-L1", false},
		{"w1", "2", "2-L1", true}, {"w1", "2", "2-L2", true}, // before the change
		{"w8", "2", "2-L3", true},
		{"w1", "9", "9-L1", true}, // a school of another list
		{"w9", "1", "1-L1", true}, // a session that the protocol does not have
	}
	for _, c := range []struct {
		rule string
		p    *Protocol
		want map[string][]int // sessions by number
	}{
		{"any", any, map[string][]int{"1": {1, 2}, "2": {1, 8}, "3": nil}},
		{"every", every, map[string][]int{"1": {1}, "2": {1}, "3": nil}},
	} {
		got := c.p.SessionsAttended(attendance, schools)
		if len(got) != len(schools) {
			t.Errorf("%s: %d schools, want %d", c.rule, len(got), len(schools))
		}
		for id, sessions := range c.want {
			if len(got[id]) != 8 {
				t.Errorf("%s: school %s has %d sessions, want 8", c.rule, id, len(got[id]))
			}
			for i, there := range got[id] {
				if there != slices.Contains(sessions, i+1) {
					t.Errorf("%s leader, school %s, session %d: %v", c.rule, id, i+1, there)
				}
			}
		}
	}
	if got := any.SessionsAttendedBy("every leader", attendance, schools); !got["1"][0] || got["1"][1] {
		t.Errorf("by every leader, whatever the protocol says: %v", got["1"])
	}
	if got := any.SessionsAttended(nil, schools); slices.Contains(got["1"], true) {
		t.Error("somebody came to sessions that nobody recorded")
	}
}
