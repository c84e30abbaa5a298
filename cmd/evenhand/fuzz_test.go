package main

import (
	"strings"
	"testing"
)

// fileCommands are the commands that take a file into a trial, each with the
// stage of the prepared trial at which it does.
var fileCommands = []struct {
	stage string
	args  []string
}{
	{"listed", []string{"school", "import"}},
	{"listed", []string{"recruitment", "import"}},
	{"listed", []string{"survey", "staff"}},
	{"ready", []string{"survey", "responses", "--round", "baseline"}},
	{"listed", []string{"school", "leaders"}},
	{"listed", []string{"pupil", "import"}},
	{"drawn", []string{"session", "import"}},
	{"drawn", []string{"withdrawal", "import"}},
	{"drawn", []string{"outcome", "import"}},
	{"listed", []string{"protocol", "check"}},
}

// Whatever is in a file: it is stored whole, with its rows accounted for, or
// refused with a sentence and nothing is stored.
func FuzzFiles(f *testing.F) {
	for which, text := range []string{
		"URN,EstablishmentName,PhaseOfEducation (name),EstablishmentStatus (name),GOR (name),KS2 average\n104233,Oak,Primary,Open,London,28\n104234,\"=1+1\",,,,\n",
		"school;stage;on;reason\n101926;approached;12/03/2014;\n103207;declined;2014-03-12;no time\n",
		"school,staff,role,years\n101926,T1,teacher,5;6\n",
		"staff,answered\nT101926-02,2014-09-01\n",
		"school,role,name,email,on\n101926,senior leader,Zoë,z@example.org,2014-05-01\n",
		"school,pupil,upn,KS1_READPOINTS,EVERFSM_6_P\n101926,Q1,,15,yes\n101926,Q2,,absent,\n",
		"session,school,person,attended\nw1,101926,101926-L1,yes\n",
		"level,id,from,date,reason,note\nschool,101926,both,2015-01-01,no time,\n",
		"school,pupil,KS2_READSCORE\n101926,P000001,100\n101926,NEW1,absent\n",
		"evenhand: 1\ntrial: {id: x, title: y}\n",
	} {
		f.Add(uint8(which), text)
	}
	f.Fuzz(func(t *testing.T, which uint8, text string) {
		c := fileCommands[int(which)%len(fileCommands)]
		w := newWorld(t)
		if err := placeTrial(c.stage, w.dir); err != nil {
			t.Fatal(err)
		}
		before := w.must("store", "info", "--format", "json")
		r := w.give(append(c.args, w.file("file", text), "--format", "json")...)
		after := w.must("store", "info", "--format", "json")
		switch r.status {
		case exitDone:
			if c.args[0] == "protocol" {
				break
			}
			got := decode[imported](t, r.out)
			sum := got.Stored
			for _, n := range got.NotStored {
				sum += n.N
			}
			if sum != got.Rows {
				t.Errorf("%d rows = %d stored + %v", got.Rows, got.Stored, got.NotStored)
			}
			w.must("ledger", "check")
		case exitFailed:
			if after != before {
				t.Error("it was refused, and something was stored")
			}
			if r.out != "" || !strings.HasPrefix(r.stderr, "evenhand: error: ") || strings.ContainsFunc(r.stderr, func(r rune) bool { return r != '\n' && hidden(r) }) {
				t.Errorf("output %q, error %q", r.out, r.stderr)
			}
		default:
			t.Errorf("status %d: %s", r.status, r.stderr)
		}
	})
}
