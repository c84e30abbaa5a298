package audit

import (
	"slices"
	"strings"
	"testing"

	"evenhand/trial"
)

// A document with arms, made by somebody who was to stay blind, fails; made
// after the plan's run, or before the draw, or by somebody else, it does not.
func TestWhoKnew(t *testing.T) {
	m := finished(t, 12, 2)
	find := func(action string) int {
		return slices.IndexFunc(m.entries, func(e trial.Entry) bool { return e.Action == action })
	}
	for _, c := range []struct {
		name, actor string
		at          int
		fails       bool
	}{
		{"by the blind, after the draw", "a.  evaluator", find(actionDraw) + 1, true},
		{"by the blind, before the draw", "A. Evaluator", find(actionDraw), false},
		{"by the statistician", "B. Statistician", find(actionDraw) + 1, false},
		{"by the blind, after the plan was run", "A. Evaluator", find(actionAnalyse) + 1, false},
	} {
		other := *m
		other.b.Receipts = nil
		e := trial.Entry{At: m.entries[c.at-1].At, Actor: c.actor, Action: "draw record", About: "draw record", After: []byte(`{"record":"x"}`)}
		other.entries = slices.Insert(slices.Clone(m.entries), c.at, e)
		other.seal()
		v := &verifier{found: &Findings{}, files: map[string][]byte{}}
		for _, f := range unzip(t, write(t, other.b)) {
			v.files[f.name] = f.data
		}
		v.ledger()
		v.knew()
		if got := failed(v.found); (got != "") != c.fails || c.fails && !strings.Contains(got, "was to stay blind until") {
			t.Errorf("%s: %s", c.name, v.found.Text())
		}
	}
}
