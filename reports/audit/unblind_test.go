package audit

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"evenhand/analysis"
	"evenhand/analysis/sap"
	"evenhand/trial"
)

// Plan, then data, then unblinding, then estimates: any other order fails, and
// so does a run that is hidden, relabelled, or of what was not locked.
func TestUnblinding(t *testing.T) {
	m := finished(t, 12, 3)
	stub := func(p sap.Plan, _ *analysis.Dataset) (*sap.Results, error) { return storedResult(t, m.b, p), nil }
	at := func(m *maker, action string) int {
		return slices.IndexFunc(m.entries, func(e trial.Entry) bool { return e.Action == action })
	}
	swap := func(a, b string) func(*maker) {
		return func(m *maker) {
			i, k := at(m, a), at(m, b)
			m.entries[i], m.entries[k] = m.entries[k], m.entries[i]
		}
	}
	note := func(action string, change func(map[string]any)) func(*maker) {
		return func(m *maker) {
			i := at(m, action)
			after := map[string]any{}
			if err := json.Unmarshal(m.entries[i].After, &after); err != nil {
				t.Fatal(err)
			}
			change(after)
			text, err := json.Marshal(after)
			if err != nil {
				t.Fatal(err)
			}
			m.entries[i].After = text
		}
	}
	remove := func(action string) func(*maker) {
		return func(m *maker) { m.entries = slices.Delete(m.entries, at(m, action), at(m, action)+1) }
	}
	planOf := func(m *maker) (plan string) {
		var x unblindNote
		if err := json.Unmarshal(m.entries[at(m, actionUnblind)].After, &x); err != nil {
			t.Fatal(err)
		}
		return x.Plan
	}
	pack := func(m *maker, where int, plan, why string) {
		after, err := json.Marshal(map[string]any{"pack": "p", "protocol": 1, "plan": plan, "rows": "r", "outcomes": []string{"maths"}})
		if err != nil {
			t.Fatal(err)
		}
		m.entries = slices.Insert(m.entries, where, trial.Entry{At: m.entries[where-1].At, Actor: "ana", Action: actionRoomPack, After: after, Why: why})
	}
	for _, c := range []struct {
		name string
		do   func(*maker)
		want string // of a FAIL; "" for none
		note string // of a NOTE
	}{
		{"as it was", func(*maker) {}, "", ""},
		{"an exploration before the unblinding", swap(actionUnblind, actionExplore), "has estimates under the arms' names, and no entry before it locks plan and data", ""},
		{"no unblinding", remove(actionUnblind), "no entry before it locks plan and data", ""},
		{"unblinding before the data", swap(actionUnblind, actionOutcomes), "locks data, and no outcome was stored before it", ""},
		{"another plan locked", note(actionUnblind, func(n map[string]any) { n["plan"] = trial.ZeroDigest }), "analyses what was not locked: the plan changed", ""},
		{"other data locked", note(actionUnblind, func(n map[string]any) { n["data"].(map[string]any)["maths"] = trial.ZeroDigest }), "the data of maths changed since entry", ""},
		{"other data locked, with a reason", func(m *maker) {
			note(actionUnblind, func(n map[string]any) { n["data"].(map[string]any)["maths"] = trial.ZeroDigest })(m)
			m.entries[at(m, actionAnalyse)].Why = "marked again"
		}, "", `"marked again"`},
		{"an outcome not locked", note(actionUnblind, func(n map[string]any) { delete(n["data"].(map[string]any), "maths") }), "analyses maths, whose data no entry locks", ""},
		{"a protocol that was not there", note(actionUnblind, func(n map[string]any) { n["protocol"] = 2 }), "protocol version 2, which was not recorded before it", ""},
		{"into a room after the lock", func(m *maker) { pack(m, at(m, actionUnblind)+1, planOf(m), "") }, "", "carried into a secure room (entry "},
		{"into a room before the lock", func(m *maker) { pack(m, at(m, actionUnblind), planOf(m), "") }, "carries maths into a secure room under the arms' names, and no entry before it locks its plan", ""},
		{"into a room, and nothing locked", func(m *maker) {
			i := at(m, actionUnblind)
			plan := planOf(m)
			remove(actionUnblind)(m)
			pack(m, i, plan, "")
		}, "carries maths into a secure room under the arms' names", ""},
		{"another plan into a room", func(m *maker) { pack(m, at(m, actionUnblind)+1, trial.ZeroDigest, "") }, "carries another plan of maths into a secure room than entry", ""},
		{"a room's outcome analysed here", note(actionUnblind, func(n map[string]any) {
			delete(n["data"].(map[string]any), "maths")
			n["room"] = []string{"maths"}
		}), "the data of maths changed since entry", ""},
		{"an exploration left out", func(m *maker) { m.b.Runs = nil }, "runs/1.json, and the file is missing", ""},
		{"an exploration's entry left out", remove(actionExplore), "no entry of the ledger accounts for runs/1.json", ""},
		{"an exploration that calls itself primary", func(m *maker) {
			m.b.Runs = map[int]string{1: strings.Replace(m.b.Runs[1], `"role":"exploratory"`, `"role":"primary"`, 1)}
			note(actionExplore, func(n map[string]any) { n["results"] = trial.DigestOf(m.b.Runs[1]) })(m)
		}, "its results call themselves primary", ""},
		{"an exploration on data that are gone", note(actionExplore, func(n map[string]any) { n["data"] = trial.ZeroDigest }), "", "not run again"},
	} {
		changed := *m
		changed.entries = slices.Clone(m.entries)
		changed.b.Receipts = nil
		c.do(&changed)
		changed.seal()
		f := verify(t, write(t, changed.b), Options{Fit: stub})
		if got := failed(f); (c.want == "") != (got == "") || !strings.Contains(got, c.want) {
			t.Errorf("%s: the failures are\n%s\nwant %q", c.name, got, c.want)
		}
		if !strings.Contains(f.Text(), c.note) {
			t.Errorf("%s: no note has %q:\n%s", c.name, c.note, f.Text())
		}
	}
	// A number of an exploration is held like any other.
	f := verify(t, write(t, m.b), Options{Fit: func(p sap.Plan, d *analysis.Dataset) (*sap.Results, error) {
		r := *storedResult(t, m.b, p)
		if p.Role == sap.Exploratory {
			r.Contrasts = slices.Clone(r.Contrasts)
			r.Contrasts[0].Difference.Value *= 1 + 1e-8
		}
		return &r, nil
	}})
	if !strings.Contains(failed(f), "runs/1.json[0] (reading).contrasts[0].difference.value") {
		t.Errorf("a changed number of an exploration:\n%s", failed(f))
	}
}
