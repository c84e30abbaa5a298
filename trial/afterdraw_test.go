package trial

import (
	"reflect"
	"strings"
	"testing"
)

func TestDrawErrorCheck(t *testing.T) {
	for _, k := range ErrorKinds() {
		if err := (DrawError{School: "1", Kind: k, Note: "it is", On: "2015-01-01"}).Check(); err != nil {
			t.Error(err)
		}
		if !strings.Contains(k.Means(), "school") {
			t.Errorf("what %q means is not said", k)
		}
	}
	err := (DrawError{School: "1", Kind: "bad", Note: " "}).Check()
	for _, want := range []string{`"bad" is not a kind`, "give a note", "day is missing"} {
		if err == nil || !strings.Contains(err.Error(), want) {
			t.Errorf("Check = %v, want %q", err, want)
		}
	}
}

func TestMembersNow(t *testing.T) {
	drawn := map[string]Assigned{"a": {"rlc", 1}, "b": {"rlc", 1}, "c": {"rlc", 2}, "d": {"control", 0}, "e": {"control", 1}}
	changes := []CommunityChange{
		{Kind: Leaves, School: "a", Arm: "rlc", From: 1},
		{Kind: Joins, School: "z", Arm: "rlc", To: 1},
		{Kind: Merges, School: "c", Arm: "rlc", From: 2, To: 1},
		{Kind: Leaves, School: "e", Arm: "control", From: 1},
	}
	if got, want := MembersNow(drawn, changes, "rlc"), (map[string]int{"b": 1, "z": 1, "c": 1}); !reflect.DeepEqual(got, want) {
		t.Errorf("MembersNow = %v, want %v", got, want)
	}
	if got, want := MembersNow(drawn, nil, "rlc"), (map[string]int{"a": 1, "b": 1, "c": 2}); !reflect.DeepEqual(got, want) {
		t.Errorf("MembersNow without a change = %v, want %v", got, want)
	}
}
